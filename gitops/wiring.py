"""The composition root: a path and an environment become a ``Workspace`` with all adapters connected on first use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.ports import GitError
from gitops.stops import Exit, Stop
from gitops.trust import REMOTE

if TYPE_CHECKING:
    from executors.ports import Clock, Tools
    from gitops.cache import Cache
    from gitops.declare.load import Loaded
    from gitops.declare.source import Part
    from gitops.git.local import GitRepository
    from gitops.git.remote import GitRemote
    from gitops.ledger.holder import Actor
    from gitops.ledger.ledger import Ledger
    from gitops.ledger.signing import Signing
    from gitops.ledger.users import Users
    from gitops.ledger.view import View
    from gitops.ledger.workspace_chain import WorkspaceChain
    from gitops.ledger.workspace_moves import ProbeRecord
    from gitops.ports import Person
    from gitops.probe import Probe
    from gitops.schema.workspace import WorkspaceConfig
    from planners.catalog import ProviderSpec
    from planners.model import Recorded
    from planners.problems import Problems


def open_workspace(path: Path, environ: Mapping[str, str], remote: str = "") -> Workspace:
    """The state repository around ``path``; ``remote``: used in place of its ``origin``. Raises ``Stop`` when there is none."""
    from gitops.git.local import open_repository

    with git_stops():
        return Workspace(path, open_repository(path, environ), environ, remote)


@contextmanager
def git_stops() -> Iterator[None]:
    """Git's refusals as exit codes: denied is permission, a missing thing is not found, all else is failure."""
    codes = {"denied": Exit.DENIED, "missing": Exit.NOT_FOUND, "not-a-repository": Exit.NOT_FOUND, "no-identity": Exit.INVALID}
    try:
        yield
    except GitError as error:
        raise Stop(codes.get(error.kind, Exit.FAILURE), str(error), error.hint) from error


class Workspace:
    """One state repository as this machine sees it. Nothing is read or contacted before it is asked for. ``elsewhere``: the
    address of a mirror that is used in place of ``origin``."""

    def __init__(self, path: Path, repository: GitRepository, environ: Mapping[str, str], elsewhere: str = "") -> None:
        self.path = path
        self.elsewhere = elsewhere
        self.repository = repository
        self.environ = environ
        self._ledgers: dict[str, Ledger] = {}
        self._users: dict[str, Users] = {}
        self.classes: dict[str, str] = {}
        """Digest of inputs -> class of the environment, of what was evaluated here."""
        self.at_close: list[Callable[[], None]] = []
        """What is still going on beside the command, each to be waited for once git is ended."""
        self.say: Callable[[str], None] = lambda _: None
        """Tells the person of what takes its time."""
        self.reading: Callable[[int, int], None] = lambda _done, _total: None
        """Hears how many of how many resources have been read at their providers."""

    def close(self) -> None:
        """End child processes and what waits for them."""
        self.repository.git.end()
        for wait in self.at_close:
            wait()
        self.repository.close()

    @property
    def bare(self) -> bool:
        """Whether there is no working tree."""
        return self.repository.work_tree is None

    # --- folders of this machine -------------------------------------------------------------------------

    def _folder(self, variable: str, otherwise: str) -> Path:
        base = self.environ.get(variable) or str(Path(self.environ.get("HOME") or "~").expanduser() / otherwise)
        return Path(base) / "provisioning"

    @cached_property
    def world(self) -> Path:
        """Where ``local`` and ``fake`` keep what they make, found by every clone on this machine."""
        return self._folder("XDG_STATE_HOME", ".local/state") / self.config.id

    def cache(self, name: str) -> Path:
        """A folder of what can be made anew at any time."""
        return self._folder("XDG_CACHE_HOME", ".cache") / name

    # --- configuration and people ------------------------------------------------------------------------

    @cached_property
    def config(self) -> WorkspaceConfig:
        """``workspace.yaml`` at HEAD, kept by blob id so that the file is parsed once. Raises ``Stop`` (invalid)."""
        return self.config_at(head(self))

    def config_at(self, treeish: str) -> WorkspaceConfig:
        """``workspace.yaml`` of one commit. Raises ``Stop`` (invalid)."""
        from gitops.schema.workspace import WorkspaceConfig, kept_as, of_document
        from planners.canonical import encode

        entry = self.repository.entries(treeish).get("workspace.yaml")
        name = kept_as("workspace", entry.oid if entry else "")
        if name in (kept := self.made.get([name])):
            return of_document(json.loads(kept[name]))
        from gitops.declare.load import load_workspace

        loaded = load_workspace(self.repository, treeish)
        if not isinstance(loaded, WorkspaceConfig):
            raise Stop(Exit.INVALID, "workspace.yaml cannot be used", "mend what is listed above", tuple(loaded))
        self.made.put({name: encode(loaded.document())})
        return loaded

    def person(self) -> Person:
        """Who acts, as git knows them. Raises ``Stop`` (invalid) when git does not."""
        found = self.repository.identity()
        if found is None:
            hint = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
            raise Stop(Exit.INVALID, "git does not know who you are", hint)
        return found

    @cached_property
    def clock(self) -> Clock:
        """This machine's clock."""
        from executors.clocks import SystemClock

        return SystemClock()

    def nonce(self) -> str:
        """Chance: 32 hex digits that nobody else has, for run ids and commits."""
        from gitops.ledger.chain import fresh_nonce

        return fresh_nonce()

    def draw(self) -> float:
        """Chance: a number from 0 up to 1, for pauses."""
        from gitops.ledger.chain import draw

        return draw()

    # --- the remote and the ledgers ----------------------------------------------------------------------

    @cached_property
    def remote(self) -> GitRemote:
        """``origin``, or the mirror in its place. Raises ``Stop`` (invalid) when there is none."""
        from gitops.git.remote import GitRemote

        url = self.elsewhere or self.repository.setting(f"remote.{REMOTE}.url")
        if not url:
            hint = f"git remote add {REMOTE} URL && git push -u {REMOTE} HEAD (a bare repository will do: git init --bare PATH)"
            hint = "clone it, and work in the clone" if self.bare else hint
            raise Stop(Exit.INVALID, f"this repository has no remote '{REMOTE}', and the ledger lives there", hint)
        with git_stops():
            return GitRemote(self.repository.git, self.absolute(url), self.repository.contains)

    def home(self) -> Workspace:
        """The same clone with its ``origin``."""
        made = Workspace(self.path, self.repository, self.environ)
        made.say, made.reading = self.say, self.reading
        return made

    @property
    def address(self) -> str:
        """Of the remote, normalised: what a ledger is bound to."""
        from gitops.git.remote import normalised

        return normalised(self.remote.url)

    def absolute(self, url: str) -> str:
        """A relative path as git means it: from the working tree, or the bare repository itself."""
        if "://" in url or ":" in url.partition("/")[0] or Path(url).is_absolute():
            return url
        return str((self.repository.work_tree or Path(self.repository.git_dir)).joinpath(url).resolve())

    def ledger(self, infra: str) -> Ledger:
        """The ledger of one infra."""
        if infra not in self._ledgers:
            from gitops.git.remote import normalised
            from gitops.ledger.ledger import Ledger

            self._ledgers[infra] = Ledger(
                self.repository,
                self.remote,
                infra,
                self.config.id,
                self.config.ledger,
                self.clock,
                self.actor,
                normalised(self.remote.url),
                self.draw,
                self.nonce,
                self._signing(infra),
                common=self.common,
                home=self.home().address if self.elsewhere else "",
            )
        return self._ledgers[infra]

    def _signing(self, infra: str) -> Signing:
        from gitops.ledger.signing import Signing
        from gitops.trust import known

        return Signing(self.repository, infra, lambda fresh: known(self, infra, fresh), self.signs)

    @property
    def signs(self) -> bool:
        """Whether the person has git sign all they commit, and has a key."""
        wished = self.repository.setting("commit.gpgsign", own=True).lower() in ("true", "yes", "on", "1")
        return wished and bool(self.repository.setting("user.signingkey", own=True))

    @cached_property
    def common(self) -> WorkspaceChain:
        """What belongs to no infra: freezes, and what the remote was found to guarantee."""
        from gitops.git.remote import normalised
        from gitops.ledger.workspace_chain import WorkspaceChain

        def try_remote() -> ProbeRecord:
            self.say("trying out what the remote guarantees: before its first use, and every 30 days")
            return self.try_remote().record

        return WorkspaceChain(
            self.repository,
            self.remote,
            self.config.id,
            normalised(self.remote.url),
            self.clock,
            self.actor,
            try_remote,
            self.draw,
            self.nonce,
            self.signs,
        )

    def common_tip(self, offline: bool) -> str:
        """The newest commit of the workspace's chain, whatever it holds; as last seen when ``offline`` or in a bare clone."""
        from gitops.ledger.chain import OWN, SHARED
        from gitops.ledger.workspace_chain import KIND

        if not (offline or self.bare):
            return self.common.tip()
        names = [f"{SHARED}/{KIND}", f"{OWN}/{KIND}"]
        return next((tip for name in names if (tip := self.repository.local(name).get(name, ""))), "")

    def try_remote(self) -> Probe:
        """Find out what the remote guarantees, by a dozen pushes to scratch branches. Raises ``GitError``, ``Stop``."""
        from gitops.git.remote import normalised
        from gitops.probe import probe

        address = normalised(self.remote.url)
        return probe(self.repository, self.remote, address, self.person(), self.nonce()[:8], self.clock)

    def ledger_tip(self, infra: str, offline: bool) -> str:
        """The newest commit of a ledger, the sealed chains that it continues brought too; as last seen when ``offline`` or in a
        bare clone. Raises ``Stop`` (not found)."""
        from gitops.ledger import generations
        from gitops.ledger.ledger import LOCAL, REMOTE_PREFIX

        if offline or self.bare:
            mirrored = generations.newest(self.repository.local(REMOTE_PREFIX), f"{REMOTE_PREFIX}/{infra}")[1]
            tip = self.repository.local(LOCAL).get(f"{LOCAL}/{infra}", mirrored)
            if not tip:
                raise Stop(Exit.NOT_FOUND, f"this clone has not seen the ledger of '{infra}'", "leave out --offline")
            return tip
        tip = self.ledger(infra).view().tip
        self.ledger(infra).bring_sealed()
        return tip

    @cached_property
    def actor(self) -> Actor:
        """Who and where we are, as locks and audit entries name it."""
        from gitops.ledger.holder import actor

        return actor(self.repository.identity(), self.environ)

    # --- declarations and providers ----------------------------------------------------------------------

    @cached_property
    def provider_specs(self) -> Mapping[str, ProviderSpec]:
        """All providers this program knows."""
        from executors.registry import provider_specs

        return provider_specs()

    def load(self, infra: str, treeish: str) -> Loaded:
        """What a commit or tree declares. Raises ``Stop`` (invalid) with every mistake."""
        from planners.problems import Problems

        with git_stops():
            loaded = self.declared(infra, treeish)
        if isinstance(loaded, Problems):
            raise invalid(infra, loaded)
        return loaded

    def declared(self, infra: str, treeish: str, part: Part | None = None) -> Loaded | Problems:
        """The same, or every mistake; of a ``part`` alone where one is given. Raises ``GitError``."""
        from gitops.declare.load import load
        from planners.problems import Problems

        loaded = load(self.repository, treeish, infra, self.provider_specs, part, self.made)
        if not isinstance(loaded, Problems):
            self.classes[loaded.inputs] = str(loaded.desired.environment.class_)
        return loaded

    def users(self, view: View) -> Users:
        """Who uses what, at one tip of a ledger."""
        from gitops.ledger.users import Users

        if view.tip not in self._users:
            self._users[view.tip] = Users(view, self.made)
        return self._users[view.tip]

    @cached_property
    def made(self) -> Cache:
        """What is kept between commands."""
        from gitops.cache import Cache, own_key

        key = self._folder("XDG_STATE_HOME", ".local/state") / "cache.key"
        return Cache(self.cache("made") / "entries.sqlite", lambda: own_key(key))

    def inputs(self, infra: str, treeish: str, own: str = "") -> str:
        """Digest of everything a plan of ``treeish`` is made of beside the record: tree ids and this program's version.

        ``own``: with this tree in place of the infra's own folder."""
        from gitops import __version__
        from gitops.declare.source import inputs_digest

        with git_stops():
            return f"{__version__}:{inputs_digest(self.repository, treeish, infra, own)}"

    def tools(self, loaded: Loaded, treeish: str, recorded: Recorded, **more: object) -> Tools:
        """What a run or an observation works with. ``more``: what only a run has (journal, progress, run id, …)."""
        from executors.fakes import NoJournal, SilentProgress
        from executors.ports import Owner, Tools
        from executors.registry import Connected
        from executors.secrets.sops import SopsSecrets
        from gitops.extensions import TreeExtensions

        def file(path: str) -> bytes | None:
            folder, _, name = path.rpartition("/")
            entry = self.repository.entries(treeish, folder).get(name)
            return self.repository.blobs([entry.oid])[entry.oid] if entry else None

        secrets = SopsSecrets(file, self.environ)
        base: dict[str, object] = {
            "owner": Owner(self.config.id, loaded.desired.infra),
            "providers": Connected(loaded.desired.settings, secrets, self.world),
            "extensions": TreeExtensions(self.repository, treeish),
            "secrets": secrets,
            "clock": self.clock,
            "journal": NoJournal(),
            "progress": SilentProgress(),
            "recorded": recorded.resources,
            "settings": {**loaded.desired.settings, "infra": loaded.desired.infra},
            "log_dir": str(self.world / loaded.desired.infra / "logs"),
        }
        return Tools(**{**base, **more})  # type: ignore[arg-type]


def invalid(infra: str, problems: Problems) -> Stop:
    """Declarations that cannot be planned; a target that is not there is the command line's mistake, not theirs."""
    if all(p.code == "unknown-target" for p in problems):
        first = next(iter(problems))
        return Stop(Exit.NOT_FOUND, first.message, first.hint)
    return Stop(Exit.INVALID, f"infra '{infra}' cannot be planned", "mend what is listed above", tuple(problems))


def head(space: Workspace) -> str:
    """The commit of HEAD. Raises ``Stop`` (not found) when nothing is committed yet."""
    found = space.repository.resolve("HEAD")
    if found is None:
        hint = "'provisioning init .' fills it, or commit something first"
        raise Stop(Exit.NOT_FOUND, "this repository has no commit yet", hint)
    return found
