"""Acts on the record itself: take an existing resource in, let one go, give one another address. Each is locked and audited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gitops.runs import new_run_id
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, head
from planners.expand import expand
from planners.model import Presence, RecordedResource, Status, kind_of
from planners.suggest import hint

if TYPE_CHECKING:
    from gitops.declare.load import Loaded
    from gitops.ledger.held import Held


def import_(space: Workspace, infra: str, address: str, external_id: str, reason: str, waiting: Callable[[str], None]) -> str:
    """Record a declared resource that exists already; its provider is asked first and changes nothing. Raises ``Stop``."""
    from executors.ports import Broken, NeedsHuman, NotFound, Retry

    commit = head(space)
    loaded = space.load(infra, commit)
    if "~" in address:
        return _take_in(space, loaded, infra, (address, external_id), reason, waiting)
    resource = expand(loaded.desired, loaded.catalog).resources.get(address)
    if resource is None:
        raise Stop(
            Exit.NOT_FOUND, f"'{address}' is not declared in {infra}", hint(address, loaded.desired.resources, "declare it first")
        )
    if kind_of(address) in ("taskserv", "cluster"):
        raise Stop(
            Exit.USAGE,
            f"a {kind_of(address)} has no id of its own to import by",
            "apply it: installing what is there already changes nothing",
        )
    with space.ledger(infra).acquire("write", new_run_id(space), "", reason, 0.0, waiting) as held:
        recorded = held.view().recorded()
        if address in recorded.resources:
            raise Stop(Exit.USAGE, f"'{address}' is recorded already", "'provisioning state forget' lets it go first")
        bare = RecordedResource(
            address, resource.provider, resource.declared, {"id": external_id},
            tuple(sorted({d.address for d in resource.depends_on})), resource.lifecycle, resource.extension, source_commit=commit,
        )  # fmt: skip
        tools = space.tools(loaded, commit, recorded)
        try:
            seen = tools.providers[resource.provider].read(tools.owner, bare)
        except (Retry, NeedsHuman, NotFound, Broken) as error:
            raise Stop(
                Exit.FAILURE, f"provider '{resource.provider}' cannot read '{external_id}': {error}", "check the id and try again"
            ) from error
        if seen.presence is not Presence.PRESENT:
            raise Stop(
                Exit.NOT_FOUND,
                f"provider '{resource.provider}' has nothing with the id '{external_id}'",
                seen.detail or "check the id",
            )
        held.amend("import", address, replace(bare, observed={"id": external_id, **seen.outputs}), reason)
    return f"{address} is recorded; 'provisioning plan -i {infra}' shows what still differs"


def _take_in(
    space: Workspace, loaded: Loaded, infra: str, wanted: tuple[str, str], reason: str, waiting: Callable[[str], None]
) -> str:
    """Record what carries our tag and nobody recorded, beside whatever has its address, so that a plan removes it."""
    from executors.sweep import in_use
    from gitops.observing import strays_at

    commit = head(space)
    with space.ledger(infra).acquire("write", new_run_id(space), "", reason, 0.0, waiting) as held:
        view = held.view()
        tools = space.tools(loaded, commit, view.recorded(), open_intents=view.open_intents)
        stray = next((s for s in strays_at(tools, in_use(tools, loaded.providers)) if (s.name, s.id) == wanted), None)
        if stray is None:
            raise Stop(
                Exit.NOT_FOUND, f"there is no '{wanted[0]}' that nobody recorded", "'provisioning drift' shows what there is"
            )
        record = RecordedResource(stray.name, stray.provider, {}, stray.outputs, status=Status.STRAY, source_commit=commit)
        held.amend("import", stray.name, record, reason)
    return f"{stray.name} is recorded; 'provisioning plan -i {infra}' shows how it goes"


def forget(space: Workspace, infra: str, address: str, reason: str, waiting: Callable[[str], None]) -> str:
    """Take a resource out of the record and leave it running. Raises ``Stop``."""
    with space.ledger(infra).acquire("write", new_run_id(space), "", reason, 0.0, waiting) as held:
        known(held, address)
        held.amend("forget", address, None, reason)
    return f"{address} is forgotten: it keeps running and is nobody's now"


def move(space: Workspace, infra: str, address: str, to: str, reason: str, waiting: Callable[[str], None]) -> str:
    """Record a resource under another address. Raises ``Stop``."""
    if kind_of(address) != kind_of(to) or "/" not in to:
        raise Stop(Exit.USAGE, f"'{address}' cannot become '{to}'", "both must be of one kind, such as server/old and server/new")
    with space.ledger(infra).acquire("write", new_run_id(space), "", reason, 0.0, waiting) as held:
        record = known(held, address)
        if to in held.view().recorded().resources:
            raise Stop(Exit.USAGE, f"'{to}' is recorded already", "choose another address")
        held.amend("move", address, replace(record, address=to), reason, renamed_to=to)
    return f"{address} is recorded as {to}"


def known(held: Held, address: str) -> RecordedResource:
    """The record of ``address``. Raises ``Stop`` (not found)."""
    recorded = held.view().recorded().resources
    if address not in recorded:
        raise Stop(
            Exit.NOT_FOUND, f"'{address}' is not recorded", hint(address, recorded, "'provisioning state list' shows what is")
        )
    return recorded[address]
