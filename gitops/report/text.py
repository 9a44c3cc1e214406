"""A plan on a terminal: what changes, grouped, with signs; then what to know; the counts last, where the eye is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops.report.layout import SIGNS, Entry, costs, groups, headline, look_first, told
from gitops.visible import clean
from planners.steps import Plan

RESET = "\x1b[0m"
BOLD, FAINT, RED, GREEN, YELLOW, MAGENTA, CYAN = (f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 35, 36))
COLORS: Mapping[str, str] = {
    "+": GREEN,
    "~": YELLOW,
    "±": MAGENTA,
    "-": RED,
    ">": CYAN,
    "<": CYAN,
    "x": RED,
    "?": CYAN,
    "!": YELLOW,
    " ": "",
}


def render_text(plan: Plan, color: bool) -> str:
    """The plan as text without a trailing newline; ``color`` adds ANSI sequences, none of which comes from a value."""

    def paint(style: str, text: str) -> str:
        return f"{style}{text}{RESET}" if color and style else text

    lines: list[str] = []
    for group in groups(plan):
        lines.append(paint(BOLD, group.title))
        for entry in group.entries:
            lines += (paint(style, text) for style, text in _entry(entry))
        lines.append("")
    if plan.drift:
        lines += [paint(BOLD, "Drift"), *(f"  {clean(address)}" for address in plan.drift), ""]
    if first := look_first(plan):
        lines += [paint(BOLD, "Look at these first"), *(paint(COLORS.get(text[0], ""), f"  {text}") for text in first), ""]
    lines += [f"{paint(YELLOW, '!')} {told(notice)}" for notice in plan.notices]
    if plan.targets:
        lines.append(clean(f"Only {', '.join(plan.targets)} and what is needed for it."))
    if plan.steps:
        lines.append(paint(FAINT, _legend(plan)))
    if cost := costs(plan):
        lines.append(f"Costs {cost}")
    lines += [paint(BOLD, headline(plan)), paint(FAINT, f"id {plan.id}")]
    return "\n".join(lines)


def _entry(entry: Entry) -> Iterator[tuple[str, str]]:
    """(style, line) pairs of one step."""
    yield COLORS[entry.sign], f"  {entry.sign} {entry.address}  {entry.note}".rstrip()
    for sign, text in entry.lines:
        yield COLORS[sign], f"      {sign} {text}"


def _legend(plan: Plan) -> str:
    used = {step.action for step in plan.steps}
    return "  ".join(f"{sign} {action}" for action, sign in SIGNS.items() if action in used)
