"""Secrets from SOPS files of the commit that is applied, decrypted by the ``sops`` binary.

``secret://shop/database/password`` is ``database.password`` in ``infra/shop/secrets.enc.yaml``;
``secret://_shared/…`` reads ``secrets/_shared.enc.yaml``. The clear text stays in this process's memory: it goes in
through standard input and out through standard output, never through a file or an argument.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from threading import Lock

from executors.ports import Broken, NeedsHuman, NotFound

SCHEME = "secret://"
SHARED = "_shared"
TIMEOUT = 30.0
"""Seconds; a key service may have to be asked."""
_NO_KEY, _MAC_MISMATCH = 128, 51
"""Exit codes of sops (its cmd/sops/codes)."""


class SopsSecrets:
    """``read(path)`` gives the encrypted file's bytes at the commit, ``None`` when there is none.

    ``environ`` is what sops gets to see: it finds its keys by it. Safe to use from several threads; each file is opened once.
    """

    def __init__(self, read: Callable[[str], bytes | None], environ: Mapping[str, str]) -> None:
        self._read = read
        self._environ = dict(environ)
        self._open: dict[str, Mapping[str, object]] = {}
        self._lock = Lock()

    def resolve(self, reference: str) -> str:
        """The secret's text. Raises ``NotFound``, ``NeedsHuman`` and ``Broken``; no message holds a secret."""
        path, domain, name = place_of(reference)
        with self._lock:
            if path not in self._open:
                self._open[path] = self._decrypted(path)
        section = self._open[path].get(domain)
        value = section.get(name) if isinstance(section, Mapping) else None
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, (str, int, float)):
            raise NotFound(f"{path} holds no secret '{domain}.{name}'")
        return str(value)

    def _decrypted(self, path: str) -> Mapping[str, object]:
        content = self._read(path)
        if content is None:
            raise NotFound(f"there is no {path} in the applied commit")
        argv = ["sops", "decrypt", "--input-type", "yaml", "--output-type", "json", "/dev/stdin"]
        try:
            done = subprocess.run(argv, input=content, capture_output=True, timeout=TIMEOUT, env=self._environ, check=False)
        except FileNotFoundError as error:
            raise NeedsHuman(f"{path} cannot be decrypted: the sops program is not on PATH; install it and try again") from error
        except subprocess.TimeoutExpired:
            # not chained: the error holds what was read so far
            raise NeedsHuman(f"sops did not answer within {TIMEOUT:.0f} s for {path}") from None
        if done.returncode != 0:
            raise NeedsHuman(_why(path, done.returncode, done.stderr))
        try:
            parsed = json.loads(done.stdout)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise Broken(f"{path} is not a map of domains")
        return parsed


def place_of(reference: str) -> tuple[str, str, str]:
    """(file, domain, name) of ``secret://<infra or _shared>/<domain>/<name>``. Raises ``Broken``."""
    parts = reference.removeprefix(SCHEME).split("/")
    if not reference.startswith(SCHEME) or len(parts) != 3 or not all(parts) or {".", ".."} & set(parts):
        raise Broken(f"'{reference}' is not of the form {SCHEME}<infra or {SHARED}>/<domain>/<name>")
    scope, domain, name = parts
    return "secrets/_shared.enc.yaml" if scope == SHARED else f"infra/{scope}/secrets.enc.yaml", domain, name


def _why(path: str, code: int, stderr: bytes) -> str:
    if code == _NO_KEY:
        return f"none of the keys here opens {path}; .sops.yaml says whose do, and SOPS_AGE_KEY_FILE where yours is"
    if code == _MAC_MISMATCH:
        return f"{path} was changed without sops: its checksum does not fit"
    # sops names keys and files in its error text, never clear values; still only its last line is shown
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return f"sops cannot decrypt {path}: {lines[-1] if lines else f'it ended with exit code {code}'}"
