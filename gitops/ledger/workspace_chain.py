"""The chain of what belongs to no infra: freezes, probes of the remote, and their audit entries.

It is read beside an infra's ledger, with the same question to the remote, and says who may begin something (``admit``). What
cannot be read says nobody: unknown is not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gitops.ledger.admission import CHANGES_NOTHING
from gitops.ledger.chain import PATIENCE, Backoff, Chain, LostRaceError, draw, fresh_nonce, stop_of
from gitops.ledger.view import Entry, Files
from gitops.ports import GitError
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from executors.ports import Clock
    from gitops.ledger.holder import Actor
    from gitops.ledger.repair import Subject
    from gitops.ledger.workspace_moves import Act, Freeze, Head, ProbeRecord
    from gitops.ports import Remote, Repository

KIND = "audit"
LOOK = 10
"""New moves checked whenever a newer tip is seen; ``audit verify`` checks all."""
ROUNDS = 10
"""Attempts of a move against others who move the same chain."""


class WorkspaceView(Files):
    """An immutable look at one tip of the chain; without a tip there is none yet."""

    @cached_property
    def head(self) -> Head | None:
        """The counters, ``None`` when there is no chain yet."""
        from gitops.ledger.workspace_moves import HEAD, head_of

        found = self._file(HEAD, head_of)
        if self.tip and found is None:
            raise self._damaged(f"{HEAD} is missing")
        return found

    @cached_property
    def freezes(self) -> tuple[Freeze, ...]:
        """All that were not thawed, those that are over included."""
        if "freezes" not in self._root:
            return ()
        from gitops.ledger.workspace_moves import freeze_of

        return tuple(self._folder("freezes", freeze_of).values())

    def freeze(self, infra: str, wall: float) -> Freeze | None:
        """What keeps ``infra`` from being changed at the moment ``wall``: the freeze of all infras, or its own."""
        standing = (f for f in self.freezes if f.infra in ("", infra) and f.expires > wall)
        return min(standing, key=lambda f: f.infra, default=None)

    def probe(self, remote: str) -> ProbeRecord | None:
        """What was found at a remote (its normalised address), however long ago."""
        from gitops.ledger.workspace_moves import ProbeRecord, probe_of

        path = ProbeRecord(remote, 0).path
        entry = self._below("probes").get(path.partition("/")[2])
        return self._read({path: entry}, probe_of)[path] if entry else None

    def holds(self, act: Act) -> bool:
        """Whether what ``act`` would write is there already, to the letter."""
        from gitops.ledger.workspace_moves import MOVES, READERS

        move, value = MOVES[act.move], act.value
        entry = self._below(move.part).get(value.path.partition("/")[2]) if value and move.leaves else None
        return bool(entry and value and self._read({value.path: entry}, READERS[move.part])[value.path] == value)

    def entries(self, first: int = 1, last: int = 0, forward: bool = False) -> Iterable[Entry]:
        """Audit entries from number ``last`` (0: the newest) back to ``first``, newest first, read as they are wanted;
        ``forward``: oldest first."""
        return self._audit(first, last or (self.head.entries if self.head else 0), forward)


class WorkspaceChain:
    """``workspace``: the id it is bound to; ``address``: the remote's normalised one; ``try_remote`` tries the remote out."""

    def __init__(
        self,
        repository: Repository,
        remote: Remote,
        workspace: str,
        address: str,
        clock: Clock,
        actor: Actor,
        try_remote: Callable[[], ProbeRecord],
        draw: Callable[[], float] = draw,
        nonce: Callable[[], str] = fresh_nonce,
        sign: bool = False,
    ) -> None:
        self._chain = Chain(repository, remote, "", Backoff(clock, draw), KIND, self._trust)
        self._workspace = workspace
        self._address = address
        self._clock = clock
        self._actor = actor
        self._try_remote = try_remote
        self._nonce = nonce
        self._sign = sign
        self._view: WorkspaceView | None = None
        self._trouble: Stop | None = None

    @property
    def ref(self) -> str:
        """Its name at the remote."""
        return self._chain.ref

    # --- looking -----------------------------------------------------------------------------------------

    def see(self, tip: str) -> None:
        """Note the tip ("" : none) that was just read beside a ledger's. What is wrong with it is raised by who asks for it."""
        try:
            self._look(tip)
        except Stop as stop:
            self._trouble = stop

    def view(self) -> WorkspaceView:
        """The chain as it is at the remote. Raises ``Stop``: unreachable, rewritten, edited by something else, another's."""
        return self._look(None)

    def tip(self) -> str:
        """The newest commit at the remote, "" for none, whatever it holds: to be verified, not to be trusted. Raises ``Stop``."""
        chain = self._chain
        try:
            return chain.remote.fetch({chain.ref: chain.incoming}).get(chain.incoming, "")
        except GitError as error:
            raise stop_of(error) from error

    def last(self) -> WorkspaceView:
        """The chain as it was seen last. Raises ``Stop`` when that look failed."""
        if self._trouble is not None:
            raise Stop(self._trouble.code, self._trouble.message, self._trouble.hint)
        return self._view or self._noted(self._chain.seen())

    def _look(self, tip: str | None) -> WorkspaceView:
        try:
            found = self._chain.fetch(None if tip is None else {self.ref: tip})
        except GitError as error:
            raise stop_of(error) from error
        self._trouble = None
        return self._noted(found)

    def _noted(self, tip: str) -> WorkspaceView:
        if self._view is None or self._view.tip != tip:
            self._view = WorkspaceView(self._chain.repository, tip, self._chain.what)
        return self._view

    def _trust(self, tip: str, seen: str) -> None:
        """A tip that something else than this program wrote, or for another workspace, is not remembered. Raises ``Stop``."""
        from gitops.ledger.shape import Malformed
        from gitops.ledger.workspace_check import faults_since, head_at
        from gitops.ledger.workspace_moves import NewerFormat

        repository, what = self._chain.repository, self._chain.what
        try:
            bound = head_at(repository, tip).workspace
        except NewerFormat as newer:
            raise Stop(Exit.INVALID, f"{what} {newer}", "use the newer provisioning") from newer
        except Malformed:
            bound = ""
        if wrong := faults_since(repository, tip, seen, LOOK):
            first, what_is_wrong = wrong[0]
            message = f"TAMPERED: {what} was changed by something else than provisioning: {first.oid[:12]} {what_is_wrong}"
            raise Stop(Exit.FAILURE, message, "'provisioning audit repair' says what happened and what can be done")
        if bound != self._workspace:
            hint = "a copied state repository needs a chain of its own: delete the copied provisioning/* branches"
            raise Stop(Exit.DENIED, f"{what} belongs to workspace {bound}, and this is {self._workspace}", hint)

    # --- who may begin -----------------------------------------------------------------------------------

    def standing(self, infra: str) -> Freeze | None:
        """The freeze that keeps ``infra`` from being changed now, by what was seen last. Raises ``Stop`` when unknown."""
        return self.last().freeze(infra, self._clock.wall())

    def require_open(self, infra: str, kind: str = "write") -> str:
        """Refuse what would change a frozen infra; returns the tip by which it is not. Raises ``Stop`` (locked), or another when
        it is not known."""
        view = self.last()
        found = view.freeze(infra, self._clock.wall())
        if found is None or kind in CHANGES_NOTHING:
            return view.tip
        hint = f"wait for it, or ask them to '{found.thaw}' (anybody can, with --reason TEXT)"
        raise Stop(Exit.LOCKED, found.text, hint)

    def admit(self, infra: str, kind: str) -> str:
        """Whether the lock of ``infra`` may be taken now, by what was seen last; a remote that nobody tried out within 30 days is
        tried out here. Returns the tip by which it may. Raises ``Stop``: frozen (locked), a remote that keeps no promises
        (failure), unknown."""
        self.require_open(infra, kind)
        found = self.last().probe(self._address)
        if found is None or not found.valid(self._clock.wall()):
            found = self._tried()
        if found.broken:
            message = f"{found.remote} is not fit for a ledger, two could write at once; not so: {', '.join(found.broken)}"
            raise Stop(Exit.FAILURE, message, "move to a remote that is, or mend it and run 'provisioning doctor --remote'")
        # trying it out took a while, and writing that down has read the chain anew
        return self.require_open(infra, kind)

    def _tried(self) -> ProbeRecord:
        """Try the remote out, and write down what was found; where that is not possible, what was found still counts."""
        try:
            made = self._try_remote()
        except GitError as error:
            raise stop_of(error) from error
        try:
            return self.record(made, once=True)
        except Stop:
            if made.broken:
                return made
            raise

    # --- moves -------------------------------------------------------------------------------------------

    def record(self, made: ProbeRecord, once: bool = False) -> ProbeRecord:
        """Write down what the remote was found to guarantee (``once``: unless another just did); returns it. Raises ``Stop``."""
        from gitops.ledger.workspace_moves import Act

        def act(view: WorkspaceView, wall: int) -> Act | None:
            known = view.probe(made.remote) if once else None
            return None if known and known.valid(wall) and known.broken == made.broken else Act("probe", made)

        # one that keeps no promises is not asked for long
        self._make(act, patience=0.0 if made.broken else PATIENCE)
        return made

    def freeze(self, infra: str, reason: str, until: float) -> Freeze:
        """Keep ``infra`` ("" : all) from being changed until a moment on the wall clock. Raises ``Stop``: usage, locked when
        another did before."""
        from gitops.ledger.workspace_moves import LONGEST_FREEZE, Act, Freeze

        who, why = self._actor.person, " ".join(reason.split())
        if not why:
            raise Stop(Exit.USAGE, "a freeze needs a reason", "add --reason TEXT: it is shown to everybody who waits")

        def act(view: WorkspaceView, wall: int) -> Act:
            made = Freeze(infra, who.name, who.email, why, wall, int(until))
            if not 0 < made.expires - wall <= LONGEST_FREEZE:
                raise Stop(Exit.USAGE, f"a freeze of {made.expires - wall} s is not possible", "choose an end within 30d")
            for other in view.freezes:
                if other.infra == infra and other.expires > wall and other.email != who.email:
                    hint = f"ask them to change it, or end it: {other.thaw} --reason TEXT"
                    raise Stop(Exit.LOCKED, other.text, hint)
            return Act("freeze", made)

        made = self._make(act, infra)
        assert made is not None and isinstance(made.value, Freeze)  # noqa: S101  # as built above
        return made.value

    def thaw(self, infra: str, reason: str) -> Freeze:
        """End the freeze of ``infra`` ("" : that of all). Raises ``Stop``: there is none (not found), somebody else's without a
        ``reason`` (denied)."""
        from gitops.ledger.workspace_moves import Act, Freeze

        who, why = self._actor.person, " ".join(reason.split())

        def act(view: WorkspaceView, wall: int) -> Act:
            found = next((f for f in view.freezes if f.infra == infra and f.expires > wall), None)
            if found is None:
                what = f"infra '{infra}' is not frozen by itself" if infra else "there is no freeze of all infras"
                raise Stop(Exit.NOT_FOUND, what, "'provisioning lock freezes' shows what is")
            if found.email != who.email and not why:
                raise Stop(Exit.DENIED, f"{found.text}; not by you", "ask them, or say why with --reason TEXT")
            return Act("thaw", found, why)

        ended = self._make(act, infra)
        assert ended is not None and isinstance(ended.value, Freeze)  # noqa: S101  # as found above
        return ended.value

    def subject(self) -> Subject:
        """The chain as something that may be damaged."""
        from gitops.ledger.workspace_repair import OfWorkspace

        return OfWorkspace(self._chain, self._workspace, self._clock, self._commit)

    def _make(self, act: Callable[[WorkspaceView, int], Act | None], infra: str = "", patience: float = PATIENCE) -> Act | None:
        """Make the move that the tip calls for (``None``: none), again when somebody else was faster. Raises ``Stop``."""
        for attempt in range(1, ROUNDS + 1):
            view, wall = self.view(), int(self._clock.wall())
            made = act(view, wall)
            if made is None or view.holds(made):
                return made  # another said the very same in this second, and a move has to change something
            try:
                parent, head = (view.tip, view.head) if view.tip else self._begin(wall)
                new, _ = self._commit(parent, head, made, infra, wall)
                self._noted(self._chain.send(view.tip, new, patience))
                return made
            except LostRaceError:
                self._chain.backoff.wait(attempt)
            except GitError as error:
                raise stop_of(error) from error
        raise Stop(Exit.LOCKED, f"{self._chain.what} keeps being moved by others", "look again, then try again")

    def _begin(self, wall: int) -> tuple[str, Head]:
        """The first commit of the chain, sent together with the one that it is made for."""
        from gitops.ledger.workspace_moves import Act, Head

        return self._commit("", Head(self._workspace), Act("create"), "", wall)

    def _commit(
        self, parent: str, head: Head | None, act: Act, infra: str, wall: int, others: Sequence[str] = ()
    ) -> tuple[str, Head]:
        from gitops.ledger.transition import Stamp
        from gitops.ledger.workspace_moves import Head, compose

        stamp = Stamp(infra, self._actor.name, self._actor.host, self._nonce(), wall)
        after, edits, message = compose(head or Head(self._workspace), act, stamp)
        author = replace(self._actor.person, time=wall)
        repository = self._chain.repository
        kept = {"": repository.commit(act.continues).tree} if act.continues else {}
        return repository.write(parent, {**kept, **edits}, message, author, self._sign, others), after
