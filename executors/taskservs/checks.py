"""One health check, asked once."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from executors.ports import Broken, Machine, Retry
from planners.dataclass import dataclass

BODY_BYTES = 1 << 16
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """``said``: what the service itself gave as reason; it may hold anything, so it is for redacted output only."""

    healthy: bool
    detail: str
    said: str = ""


def ask(machine: Machine, check: Mapping[str, Any]) -> Verdict:
    """Perform a check as ``resolved`` noted it. An answer that does not come is unhealthy, never an error."""
    kind, timeout = check["type"], float(check["timeout"])
    if kind == "http":
        return _http(check["url"], timeout)
    if kind == "tcp":
        return _tcp(check["address"], int(check["port"]), timeout)
    if kind == "command":
        return _command(machine, check["command"], timeout)
    return Verdict(machine.get(check["path"]) is not None, f"file {check['path']}")


def parse_url(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a check's URL. Raises ``Broken``."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        if not parts.hostname or parts.username:
            raise ValueError("no host, or a password in it")
    except (ValueError, KeyError) as error:
        shown = url.partition("?")[0].rpartition("@")[2]
        raise Broken(f"a health check cannot ask '{shown}': it needs a URL such as http://HOST:PORT/health") from error
    return parts.scheme, parts.hostname, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _http(url: str, timeout: float) -> Verdict:
    scheme, host, port, path = parse_url(url)
    what = f"GET {scheme}://{host}:{port}{path.partition('?')[0]}"
    connect = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = connect(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "provisioning", "Accept": "*/*", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(BODY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        return Verdict(False, f"{what}: {_reason(error)}")
    finally:
        connection.close()
    # redirections count as alive, as with Kubernetes' probes; they are not followed
    said = "" if answer.status < 400 else last_line(body)
    return Verdict(200 <= answer.status < 400, f"{what} answered {answer.status}", said)


def _tcp(address: str, port: int, timeout: float) -> Verdict:
    what = f"connection to {address}:{port}"
    try:
        with contextlib.closing(socket.create_connection((address, port), timeout)):
            return Verdict(True, what)
    except OSError as error:
        return Verdict(False, f"{what}: {_reason(error)}")


def _command(machine: Machine, argv: list[str], timeout: float) -> Verdict:
    try:
        done = machine.run(argv, timeout=timeout)
    except Retry as error:
        return Verdict(False, f"{argv[0]}: {error}")
    return Verdict(done.code == 0, f"{argv[0]} ended with exit code {done.code}", last_line(done.stderr or done.stdout))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def last_line(output: bytes) -> str:
    """The last line that says something, at most 200 characters of it."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:SHOWN] if lines else ""
