"""Secrets from SOPS files of the commit that is applied, decrypted by the ``sops`` binary.

``secret://shop/database/password`` is ``database.password`` in ``infra/shop/secrets.enc.yaml``;
``secret://_shared/…`` reads ``secrets/_shared.enc.yaml``. The clear text stays in this process's memory: it goes in
through standard input and out through standard output, never through a file or an argument.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping

from executors.ports import NeedsHuman, NotFound

TIMEOUT = 30.0
"""Seconds; a key service may have to be asked."""


class SopsSecrets:
    """``read(path)`` gives the encrypted file's bytes at the commit, ``None`` when there is none."""

    def __init__(self, read: Callable[[str], bytes | None], environ: Mapping[str, str]) -> None:
        self._read = read
        self._environ = dict(environ)
        self._open: dict[str, Mapping[str, object]] = {}

    def resolve(self, reference: str) -> str:
        """The secret's text. Raises ``NotFound`` and ``NeedsHuman``; no message holds a secret."""
        scope, domain, name = reference.removeprefix("secret://").split("/", 2)
        path = "secrets/_shared.enc.yaml" if scope == "_shared" else f"infra/{scope}/secrets.enc.yaml"
        if path not in self._open:
            self._open[path] = self._decrypt(path)
        section = self._open[path].get(domain)
        value = section.get(name) if isinstance(section, Mapping) else None
        if not isinstance(value, (str, int, float)):
            raise NotFound(f"{path} holds no secret '{domain}.{name}'")
        return str(value)

    def _decrypt(self, path: str) -> Mapping[str, object]:
        content = self._read(path)
        if content is None:
            raise NotFound(f"there is no {path} in the applied commit")
        argv = ["sops", "decrypt", "--input-type", "yaml", "--output-type", "json", "/dev/stdin"]
        try:
            done = subprocess.run(argv, input=content, capture_output=True, timeout=TIMEOUT, env=self._environ, check=False)
        except FileNotFoundError as error:
            raise NeedsHuman("the sops program is not installed; install it, then resume the run") from error
        except subprocess.TimeoutExpired as error:
            raise NeedsHuman(f"sops did not answer within {TIMEOUT:.0f} s for {path}") from error
        if done.returncode != 0:
            # sops names keys and files in its error text, never clear values; still only its last line is shown
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise NeedsHuman(f"sops cannot decrypt {path}: {last[0]}")
        parsed = json.loads(done.stdout)
        if not isinstance(parsed, dict):
            raise NeedsHuman(f"{path} is not a map of domains")
        return parsed
