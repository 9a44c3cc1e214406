"""A plan under a pull request: the summary first, the details folded, and never longer than a forge takes.

Everything that comes from a repository or a provider stands in a code span, or in a code fence that no line of ours can
close: there neither Markdown nor HTML nor mentions mean anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate

from gitops.report.layout import Entry, Group, costs, groups, headline, look_first, told
from gitops.visible import clean
from planners.drift import Drifted
from planners.steps import Plan

LIMIT = 60_000
"""Characters; GitHub takes 65,536, and the caller may add some."""
TAIL = 500
"""Characters kept free for the closing words."""
NOTICES, NOTICE_LENGTH = 20, 500
"""More of them, or longer ones, would leave no room for the plan."""
FENCE = "```"
"""Closed only by a line of backticks alone; each of our lines begins with a sign or six blanks."""
_LINK = re.compile(r"https?://[^\s<>\"'()\[\]]+\Z")


def render_markdown(plan: Plan, link: str = "", limit: int = LIMIT) -> str:
    """The plan as Markdown of at most ``limit`` characters, but never without its head.

    ``link`` leads to the whole plan; what is no web address is shown as text.
    """
    parts = [f"### {span(headline(plan))}\n\nid {span(plan.id)}\n"]
    if cost := costs(plan):
        parts.append(f"Costs {cost}\n")
    parts += [f"> {span(text)}\n" for text in _notices(plan)]
    if plan.targets:
        parts.append(f"Only {span(_cut(clean(', '.join(plan.targets))))} and what is needed for it.\n")
    if first := look_first(plan):
        parts.append("Look at these first:\n\n" + "".join(f"- {span(_cut(text))}\n" for text in first))
    room = limit - TAIL - len(link) - sum(len(p) + 1 for p in parts)
    left = 0
    for group in groups(plan):
        text, shown = _folded(group, room)
        left += group.count - shown
        if shown:
            parts.append(text)
            room -= len(text) + 1
    if left:
        parts.append(f"**{left} more steps are not shown here.** {_pointer(plan, link)}\n")
    elif link:
        parts.append(_pointer(plan, link) + "\n")
    return "\n".join(parts)


def render_drift(found: Sequence[Drifted], plans: Sequence[Plan]) -> str:
    """What drifted, counted and listed, then the plans that mend it: at most ``LIMIT`` characters in all."""
    if not found:
        return "### `no drift`\n\nEverything recorded is as it was left.\n"
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(str(d.drift) for d in found).items()))
    cells = ((span(clean(d.address)), str(d.drift), span(_cut(clean(d.detail)))) for d in found)
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    shown = [row for row, size in zip(rows, accumulate(len(row) + 1 for row in rows), strict=True) if size <= LIMIT // 3]
    parts = [
        f"### {span(f'drift: {counts}')}\n",
        "| resource | drift | in what |\n| --- | --- | --- |\n" + "\n".join(shown) + "\n",
    ]
    if len(shown) < len(rows):
        parts.append(f"**{len(rows) - len(shown)} more are not shown here.** All of them: `provisioning drift`\n")
    room = (LIMIT - sum(len(part) + 1 for part in parts)) // max(len(plans), 1)
    parts += [render_markdown(plan, limit=room) for plan in plans]
    return "\n".join(parts)


def _notices(plan: Plan) -> Iterable[str]:
    texts = [told(n) for n in plan.notices]
    if plan.drift:
        texts.append(f"drift: {clean(', '.join(plan.drift))}")
    yield from (_cut(text) for text in texts[:NOTICES])
    if len(texts) > NOTICES:
        yield f"{len(texts) - NOTICES} more notices are not shown here"


def _cut(text: str) -> str:
    return text if len(text) <= NOTICE_LENGTH else text[:NOTICE_LENGTH] + "…"


def _pointer(plan: Plan, link: str) -> str:
    if _LINK.match(link):
        return f"[The whole plan](<{link}>)"
    return f"The whole plan: {span(clean(link) or f'provisioning plan -i {plan.infra}')}"


def _folded(group: Group, room: int) -> tuple[str, int]:
    """The group in at most ``room`` characters, and how many of its steps that holds. An entry is shown whole or not."""
    bodies = [_entry(e) for e in group.entries]
    head = f"<details><summary>{escape(group.title)} ({group.count})</summary>\n\n{FENCE}diff\n"
    foot = f"{FENCE}\n\n</details>\n"
    room -= len(head) + len(foot) + 1
    shown = 0
    for body in bodies:
        room -= len(body)
        if room < 0:
            break
        shown += 1
    return head + "".join(bodies[:shown]) + foot, sum(entry.count for entry in group.entries[:shown])


def _entry(entry: Entry) -> str:
    lines = [f"{entry.sign} {entry.address}  {entry.note}".rstrip(), *(f"      {sign} {text}" for sign, text in entry.lines)]
    return "".join(f"{line}\n" for line in lines)


def span(text: str) -> str:
    """``text`` as a code span. An empty one shows as a blank."""
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
