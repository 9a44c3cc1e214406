"""Git's push protocol spoken by hand: what a server does with commands that git's own client would never send."""

from __future__ import annotations

import base64
import shlex
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import IO
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from git_https import PASSWORDS
from git_servers import ISOLATED, RemoteSite

Command = tuple[str, str, str]
"""(expected old id, new id, ref)."""
EMPTY_PACK = (head := b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")) + sha1(head, usedforsecurity=False).digest()


def send(site: RemoteSite, *commands: Command) -> Mapping[str, str]:
    """One atomic request. Answers ref -> ``ok``, or why not; every object must be at the server already."""
    request = packet(*(f"{old} {new} {ref}" for old, new, ref in commands))
    if any(new != "0" * 40 for _, new, _ in commands):
        request += EMPTY_PACK
    if site.url.startswith("https:"):
        return told(posted(site, request))
    argv = ["git-receive-pack", str(site.path)]
    if site.url.startswith("ssh:"):
        where = urlsplit(site.url)
        argv = [*shlex.split(site.environ["GIT_SSH_COMMAND"]), "-p", str(where.port), f"{where.username}@{where.hostname}"]
        argv.append(f"git-receive-pack {shlex.quote(where.path)}")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ISOLATED | {"PATH": "/usr/bin:/bin"}) as child:
        assert child.stdin is not None and child.stdout is not None
        lines(child.stdout)  # the advertisement
        child.stdin.write(request)
        child.stdin.close()
        return told(lines(child.stdout))


def posted(site: RemoteSite, request: bytes) -> Sequence[bytes]:
    """The answer to ``request`` over https, as the user who may write."""
    login = base64.b64encode(f"writer:{PASSWORDS['writer']}".encode()).decode()
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Basic {login}"}
    trust = ssl.create_default_context(cafile=site.environ["GIT_SSL_CAINFO"])
    with urlopen(Request(f"{site.url}/git-receive-pack", request, headers), context=trust) as answer:  # noqa: S310
        return lines(answer)


def packet(*commands: str) -> bytes:
    """Commands as lines with their lengths before them; the first says what the client can do."""
    texts = [f"{command}\0 report-status atomic" if n == 0 else command for n, command in enumerate(commands)]
    return b"".join(f"{len(text) + 4:04x}{text}".encode() for text in texts) + b"0000"


def lines(pipe: IO[bytes]) -> Sequence[bytes]:
    """Lines with their lengths before them, up to the end that the other side marks."""
    found = []
    while size := int(pipe.read(4) or b"0", 16):
        found.append(pipe.read(size - 4).rstrip(b"\n"))
    return found


def told(report: Sequence[bytes]) -> Mapping[str, str]:
    """``ok REF`` and ``ng REF REASON`` by ref."""
    words = [line.decode().split(" ", 2) for line in report if line[:3] in (b"ok ", b"ng ")]
    return {word[1]: word[2] if word[0] == "ng" else "ok" for word in words}
