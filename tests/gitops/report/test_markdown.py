"""A plan under a pull request, read back by a real Markdown parser where it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import GONE, applied, infra, planned, server, service

from gitops.report.markdown import LIMIT, render_drift, render_markdown, span
from planners.drift import Drift, Drifted
from planners.model import Desired
from planners.steps import Notice

LINK = "https://ci.example.org/runs/7?tab=plan"


def crowd(count: int) -> Desired:
    """No two are alike, so that each is shown."""
    return infra(*(server(f"s-{i:04}", **{f"note-{i}": "x" * 100}) for i in range(count)))


def test_summary_first_then_notices_then_folded_details() -> None:
    made = replace(
        planned(infra(server("web")), applied(infra(server("a"), server("b")))),
        id="e" * 64,
    )
    assert (
        render_markdown(made)
        == f"""\
### `Plan shop (dev): 1 to create, 0 to update, 0 to replace, 2 to delete, 0 unchanged`

id `{"e" * 64}`

> `this plan deletes 2 resources and dev allows 1 at once: server/a, server/b; needs --allow-deletes 2`

<details><summary>Servers (1)</summary>

```diff
+ server/web  not there yet
      + cpu_cores: 2
```

</details>

<details><summary>Removals (2)</summary>

```diff
- server/a  no longer declared
- server/b  no longer declared
```

</details>
"""
    )


def test_an_empty_plan_is_a_headline() -> None:
    made = planned(infra(server("a")), applied(infra(server("a"))))
    assert render_markdown(made) == f"### `Plan shop (dev): nothing to do, 1 unchanged`\n\nid `{made.id}`\n"


def test_targets_and_drift_are_told() -> None:
    made = replace(planned(crowd(2), applied(crowd(0)), None, "server/s-0000"), drift=("server/q",))
    text = render_markdown(made)
    assert "Only `server/s-0000` and what is needed for it." in text
    assert "> `drift: server/q`" in text


@pytest.mark.parametrize("count", [10, 400, 5_000])
@pytest.mark.parametrize("link", ["", LINK])
def test_it_is_cut_between_entries_and_says_where_the_rest_is(count: int, link: str) -> None:
    text = render_markdown(planned(crowd(count)), link)
    assert len(text) <= LIMIT
    assert text.count("<details>") == text.count("</details>") == 1
    assert text.count("```") == 2
    shown = text.count("\n+ server/")
    assert text.count("\n      + note-") == shown
    where = f"[The whole plan](<{LINK}>)" if link else "The whole plan: `provisioning plan -i shop`"
    if shown < count:
        assert f"**{count - shown} more steps are not shown here.** {where}" in text
        assert len(text) > LIMIT - 1_000
    else:
        assert "more steps" not in text
        assert (where in text) is bool(link)


def test_what_is_alike_and_what_may_lose_something_are_told_in_short() -> None:
    many = [server(f"s-{i:04}") for i in range(3_000)]
    text = render_markdown(planned(infra(*many, server("db", image="2")), applied(infra(server("db", image="1")))))
    assert "Look at these first:\n\n- `± server/db  image cannot change in place`\n" in text
    assert "<summary>Servers (3001)</summary>" in text
    assert "+ 2997 more like the 3 above  server/s-0003 … server/s-2999\n" in text
    assert len(text) < 1_500 and "not shown here" not in text


def test_drift_is_counted_and_listed_before_the_plans_that_mend_it() -> None:
    estate = infra(server("a"), server("b"))
    plan = planned(estate, applied(estate), {"server/b": GONE})
    found = (Drifted("server/a", Drift.CHANGED, "x | y"), Drifted("server/b", Drift.MISSING, "it is gone"))
    text = render_drift(found, [plan])
    assert text.startswith("### `drift: 1 changed, 1 missing`\n\n| resource | drift | in what |\n")
    assert "| `server/a` | changed | `x \\| y` |" in text
    assert text.index("| `server/b` | missing") < text.index("### `Plan shop (dev): 1 to create")


@pytest.mark.parametrize("plans", [1, 7])
def test_no_report_of_drift_is_longer_than_a_forge_takes(plans: int) -> None:
    found = [Drifted(f"server/s-{i:05}", Drift.CHANGED, "cpu_cores differs") for i in range(5_000)]
    text = render_drift(found, [planned(crowd(400))] * plans)
    assert len(text) <= LIMIT
    assert "more are not shown here.** All of them: `provisioning drift`" in text
    assert text.count("### `Plan shop") == plans


def test_an_entry_that_has_no_room_is_left_out_whole_and_later_ones_are_still_shown() -> None:
    big = server("huge", **{f"k{i}": "x" * 150 for i in range(500)})
    text = render_markdown(planned(infra(big, server("small"), service("small", "redis"))))
    assert "server/huge" not in text
    assert "taskserv/small/redis" in text
    assert len(text) <= LIMIT


def test_a_flood_of_notices_leaves_room_for_the_plan() -> None:
    made = replace(planned(infra(server("web"))), notices=tuple(Notice("n", f"{i} " + "y" * 5_000) for i in range(200)))
    text = render_markdown(made)
    assert "> `180 more notices are not shown here`" in text
    assert "+ server/web" in text
    assert len(text) <= LIMIT


EVIL = (
    "```\n</details><script>alert(1)</script>",
    "````` ticks",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) @everyone #1",
    "</summary></details>\n\n# Headline",
    "`",
    "\n\n> quote",
)


@pytest.mark.parametrize("evil", EVIL)
def test_no_value_gets_out_of_its_fence(evil: str) -> None:
    made = planned(infra(server("a", note=evil, **{f"k {evil}": evil})))
    made = replace(made, notices=(Notice("n", evil),), targets=(evil,), drift=(evil,), infra=evil)
    outside = without_code(render_markdown(made))
    assert "script" not in outside and "img" not in outside and "javascript" not in outside and "@" not in outside
    assert outside.count("<details>") == outside.count("</details>") == 1
    assert outside.count("\n#") == 0


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x.example/ onclick=", "https://x.example/)>[y", "`</details>"])
def test_what_is_no_web_address_is_shown_and_not_linked(link: str) -> None:
    text = render_markdown(planned(infra(server("a"))), link)
    assert "](" not in without_code(text)
    assert link in text


@pytest.mark.parametrize(
    ("text", "expected"), [("plain", "`plain`"), ("a`b", "``a`b``"), ("`a", "`` `a ``"), ("``", "``` `` ```"), ("", "`  `")]
)
def test_spans_hold_any_text(text: str, expected: str) -> None:
    assert span(text) == expected


def without_code(text: str) -> str:
    """What a reader of Markdown does not take for code: fences by their length, spans by theirs."""
    kept: list[str] = []
    fence = ""
    for row in text.split("\n"):
        ticks = row[: len(row) - len(row.lstrip("`"))]
        if not fence and len(ticks) >= 3:
            fence = ticks
        elif fence:
            fence = "" if row.strip() == fence else fence
        else:
            kept.append(unspanned(row))
    assert not fence
    return "\n".join(kept)


def unspanned(row: str) -> str:
    """One line without its code spans."""
    found, at = "", 0
    while at < len(row):
        if row[at] != "`":
            found += row[at]
            at += 1
            continue
        run = len(row[at:]) - len(row[at:].lstrip("`"))
        end = at + run
        while end < len(row):
            if row[end] == "`":
                length = len(row[end:]) - len(row[end:].lstrip("`"))
                if length == run:
                    break
                end += length
            else:
                end += 1
        assert end < len(row), f"a code span without an end: {row}"
        at = end + run
    return found
