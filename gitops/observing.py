"""What is really there, asked of the providers: for plans that refresh, and for the report of drift."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from gitops.stops import Exit, Stop
from planners.dataclass import dataclass
from planners.model import Observation
from planners.problems import Problem
from planners.steps import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from executors.ports import Found, Tools
    from executors.sweep import Stray
    from gitops.declare.load import Loaded
    from gitops.flow import Ask
    from gitops.ledger.view import View
    from gitops.wiring import Workspace
    from planners.model import Observed

NOTHING: Mapping[str, Sequence[Found]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sight:
    """``unread``: one for each resource that could not be read. ``strays``: what carries our tag and nobody recorded."""

    observed: Observed
    unread: tuple[Problem, ...]
    strays: tuple[Stray, ...]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a plan says of the strays."""
        return tuple(Notice("stray", f"{stray.name}: {stray}") for stray in self.strays)


def look(space: Workspace, ask: Ask, view: View, loaded: Loaded) -> Sight:
    """All that is recorded; of a plan with targets only what that plan comes to. Raises ``Stop`` when a list cannot be had."""
    from executors.observe import observe
    from executors.sweep import in_use
    from planners.plan import decided
    from planners.problems import Problems

    recorded = view.recorded()
    tools = space.tools(loaded, ask.treeish, recorded, open_intents=view.open_intents)
    if not ask.options.targets:
        seen = observe(tools, told=space.reading)
        strays = () if seen.unread else strays_at(tools, in_use(tools, loaded.providers), seen.listed)
        return Sight(seen.observed, seen.unread, strays)
    observed: dict[str, Observation] = {}
    asked: set[str] = set()
    # what is found may be made anew, and that concerns others
    while True:
        found = decided(loaded.desired, recorded, observed, loaded.catalog, ask.options)
        wanted = () if isinstance(found, Problems) else found.wanted
        fresh = {a for a in wanted if a in recorded.resources} - asked
        if not fresh:
            return Sight(observed, (), ())
        seen = observe(tools, fresh, space.reading)
        if seen.unread:
            return Sight(observed, seen.unread, ())
        asked |= fresh
        observed.update(seen.observed)


def strays_at(tools: Tools, providers: Iterable[str], listed: Mapping[str, Sequence[Found]] = NOTHING) -> tuple[Stray, ...]:
    """What carries our tag and nobody recorded, as these providers list it. Raises ``Stop`` when one cannot be asked."""
    from executors.ports import PortError
    from executors.sweep import sweep

    try:
        return sweep(tools, providers, listed)
    except PortError as error:
        raise Stop(Exit.FAILURE, f"what nobody recorded cannot be looked for: {error}", "mend that and try again") from error
