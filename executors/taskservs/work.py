"""Doing what is wanted of one taskserv on one machine, step by step, each only when it is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from executors.ports import Broken, Machine, PortError, Request
from executors.taskservs import checks, markers
from executors.taskservs.manifest import Manifest
from executors.taskservs.markers import Marker
from executors.taskservs.wanted import Wanted, as_map, file_digest, without
from planners.canonical import Json


class Work:
    """One call's work on one machine. ``output``: what its scripts printed."""

    def __init__(
        self, machine: Machine, name: str, files: Mapping[str, bytes], facts: Mapping[str, Json], request: Request
    ) -> None:
        self._machine = machine
        self._name = name
        self._files = files
        self._facts = facts
        self._request = request
        self._deadline = time.monotonic() + request.timeout
        self.output = ""

    def do(self, manifest: Manifest, wanted: Wanted, before: Marker | None) -> Marker:
        """Bring the machine to what is wanted. The marker goes ahead of what it names, so nothing placed is ever unknown."""
        known = before or Marker("", 0, "")
        anew = known.installed != wanted.install
        if anew:
            self._lay_down_scripts()
        files = {path: file_digest(*file) for path, file in wanted.files.items()}
        marker = self._note(
            replace(
                known,
                op=self._request.op,
                token=self._request.token,
                complete=False,
                installed="" if anew else known.installed,
                files={**known.files, **files},
                service=known.service or manifest.service,
                uninstall=manifest.scripts.get("uninstall", ""),
                facts=self._told(manifest),
            )
        )
        if anew:
            self._run("install", manifest)
            marker = self._note(replace(marker, installed=wanted.install))
        touched = self._place(wanted, known)
        if anew or touched or not known.complete or known.configured != wanted.configure:
            self._run("configure", manifest)
        ails = known.complete and (touched or self._ails(known, wanted))
        marker = replace(marker, service=manifest.service, restarted=self._request.op if ails else known.restarted)
        self._serve(manifest, wanted, known.service, marker)
        version = str(self._request.declared.get("version", ""))
        done = replace(marker, complete=True, version=version, configured=wanted.configure, files=files)
        return self._note(replace(done, check=wanted.check, outputs=wanted.outputs))

    def _note(self, marker: Marker) -> Marker:
        markers.write(self._machine, self._name, marker)
        return marker

    def _told(self, manifest: Manifest) -> dict[str, Json]:
        """What an uninstall script will be told, when nobody may look up secrets any more."""
        kept = {k: v for k, v in self._facts.items() if k != "servers"}
        return {**kept, "config": without(kept["config"], manifest.sensitive)}

    def _lay_down_scripts(self) -> None:
        for path, content in self._files.items():
            if path.startswith("scripts/"):
                self._machine.put(f"{markers.folder(self._name)}/{path}", content, 0o700)

    def _ails(self, known: Marker, wanted: Wanted) -> bool:
        """Whether what is to stay as it is runs and is not well: it needs a fresh start."""
        if known.configured != wanted.configure or known.check != wanted.check:
            return False
        verdict = verdict_of(self._machine, known)
        return verdict is not None and not verdict.healthy

    def _serve(self, manifest: Manifest, wanted: Wanted, before: str, marker: Marker) -> None:
        """Have the service run with this configuration: another environment is what restarts it."""
        if before and before != manifest.service:
            self._machine.stop(before)
        if manifest.service:
            configuration = f"{wanted.configure[:16]}-{marker.restarted[:16]}"
            self._machine.start(manifest.service, wanted.command, {**wanted.env, "TASKSERV_CONFIGURATION": configuration})

    def _place(self, wanted: Wanted, known: Marker) -> bool:
        """Write the files that are not there as they should be, remove those no longer wanted; whether any was changed."""
        touched = False
        for path, (content, mode) in wanted.files.items():
            same = known.complete and known.files.get(path) == file_digest(content, mode)
            if not same or self._machine.get(path) != content:
                self._machine.put(path, content, mode)
                touched = True
        for path in known.files.keys() - wanted.files.keys():
            self._machine.remove(path)
            touched = True
        return touched

    def _run(self, phase: str, manifest: Manifest) -> None:
        if phase in manifest.scripts:
            file = manifest.scripts[phase]
            self.run_script(phase, file, self._files[f"scripts/{file}"])

    def run_script(self, phase: str, file: str, content: bytes) -> None:
        """Run a script that lies on the machine. Raises ``Broken`` when it fails; every error has what was printed so far."""
        place = f"extensions/taskservs/{self._name}/scripts/{file}"
        argv = [*_interpreter(place, content), f"{markers.folder(self._name)}/scripts/{file}"]
        stdin = json.dumps(_plain(self._facts), sort_keys=True).encode()
        left = max(1.0, self._deadline - time.monotonic())
        try:
            done = self._machine.run(argv, env=self._environ(), stdin=stdin, timeout=left)
        except PortError as error:
            error.output = self.output + error.output
            raise
        printed = (done.stdout + done.stderr).decode(errors="replace")
        self.output += f"--- {phase}\n{printed}" if printed else ""
        if done.code != 0:
            last = checks.last_line(done.stderr) or checks.last_line(done.stdout)
            message = f"taskserv '{self._name}': scripts/{file} ended with exit code {done.code}"
            raise Broken(f"{message}: {last}" if last else message, output=self.output)

    def _environ(self) -> dict[str, str]:
        """What every script wants and no secret is among; the rest is on standard input."""
        taskserv, server = (as_map(self._facts.get(key)) for key in ("taskserv", "server"))
        environ = {f"TASKSERV_{key.upper()}": str(taskserv.get(key) or "") for key in ("name", "version", "role", "profile")}
        environ |= {f"SERVER_{key.upper()}": str(server.get(key) or "") for key in ("name", "address")}
        environ |= {key.upper(): str(self._facts.get(key) or "") for key in ("infra", "environment")}
        request = self._request
        return {**environ, "PROVISIONING_OP": request.op, "PROVISIONING_TOKEN": str(request.token)}


def verdict_of(machine: Machine, marker: Marker) -> checks.Verdict | None:
    """A service must run, whatever its check says; ``None`` when there is neither."""
    if marker.service and (state := machine.state(marker.service)) != "running":
        return checks.Verdict(False, f"service '{marker.service}' is {state}, see var/log/{marker.service}.log on the server")
    if marker.check is None:
        return checks.Verdict(True, "running") if marker.service else None
    if machine.simulated and marker.check["type"] in ("http", "tcp"):
        return checks.Verdict(True, "simulated: nothing answers over the network")
    return checks.ask(machine, marker.check)


def _interpreter(path: str, content: bytes) -> list[str]:
    """What a script's first line names, with its one optional argument, as the kernel reads it.

    It is named in the command rather than left to the kernel: a file just written cannot always be executed at once
    (ETXTBSY, when another thread forks meanwhile), and the folder may be mounted noexec.
    """
    first = content.partition(b"\n")[0].decode(errors="replace")
    words = first.removeprefix("#!").split(maxsplit=1)
    if not first.startswith("#!") or not words:
        raise Broken(f"{path}:1: it does not begin with '#!' and what runs it, such as #!/usr/bin/env python3")
    return [word.strip() for word in words]


def _plain(value: Json) -> Any:
    """Read-only maps and tuples as what JSON knows."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
