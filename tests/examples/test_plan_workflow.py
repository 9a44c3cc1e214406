"""The template's plan job: its comment step, run for real against a forge that is one small script."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / "state-repo-template/.github/workflows/plan.yml"
MARKER = "<!-- provisioning plan -->"

# keeps comments in a file and answers what the step asks: list, change one, add one. Its --jq is what the marker decides.
FORGE = """\
import json, pathlib, sys
store = pathlib.Path("comments.json")
comments = json.loads(store.read_text())
words = sys.argv[1:]
body = next((pathlib.Path(w.removeprefix("body=@")).read_text() for w in words if w.startswith("body=@")), None)
if "--method" in words:
    assert words[words.index("--method") + 1] == "PATCH"
    number = int(next(w for w in words if w.startswith("repos/")).rpartition("/")[2])
    next(c for c in comments if c["id"] == number)["body"] = body
elif body is not None:
    assert "repos/acme/estate/issues/7/comments" in words
    comments.append({"id": 100 + len(comments), "user": {"type": "Bot"}, "body": body})
else:
    asked = words[words.index("--jq") + 1]
    assert '.user.type == "Bot"' in asked and "<!-- provisioning plan -->" in asked
    ours = [c["id"] for c in comments if c["user"]["type"] == "Bot" and c["body"].startswith("<!-- provisioning plan -->")]
    print(*ours, sep="\\n", end="\\n" if ours else "")
store.write_text(json.dumps(comments))
"""

Comment = Callable[[str], list[Any]]


@pytest.fixture
def comment(tmp_path: Path) -> Comment:
    """Runs the step with a plan as the job before it left it; returns all comments of the pull request afterwards."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["plan"]["steps"]
    script = next(s["run"] for s in steps if s.get("name") == "comment")
    (tmp_path / "gh").write_text(f"#!{sys.executable}\n{FORGE}")
    (tmp_path / "gh").chmod(0o755)
    others = [{"id": 1, "user": {"type": "User"}, "body": MARKER}, {"id": 2, "user": {"type": "Bot"}, "body": "coverage: 90 %"}]
    (tmp_path / "comments.json").write_text(json.dumps(others))
    env = {
        "PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin",
        "GITHUB_REPOSITORY": "acme/estate",
        "NUMBER": "7",
        "SUMMARY": "https://ci/1",
    }

    def run(plan: str) -> list[Any]:
        (tmp_path / "plan.md").write_text(plan)
        # as the runner starts a step
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        subprocess.run(argv, cwd=tmp_path, env=env, check=True, timeout=30)
        comments: list[Any] = json.loads((tmp_path / "comments.json").read_text())
        assert comments[:2] == others, "somebody else's comment was touched"
        return comments[2:]

    return run


def test_the_plan_is_one_comment_edited_in_place(comment: Comment) -> None:
    first = comment("first plan\n")
    assert [c["body"] for c in first] == [f"{MARKER}\nfirst plan\n"]
    second = comment("second plan, with $(code) and `ticks`\n")
    assert [(c["id"], c["body"]) for c in second] == [(first[0]["id"], f"{MARKER}\nsecond plan, with $(code) and `ticks`\n")]


def test_a_plan_too_long_for_a_comment_is_pointed_at(comment: Comment) -> None:
    (made,) = comment("é" * 70_000)
    assert made["body"] == f"{MARKER}\nThe plan is too long for a comment; it is in the [job summary](https://ci/1).\n"
