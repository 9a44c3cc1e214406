"""Health checks against things that really answer, or do not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from executors.ports import Broken
from executors.taskservs import checks


class Answers(BaseHTTPRequestHandler):
    """``/<status>`` answers with that status; ``/silent`` says nothing, ``/cut`` hangs up."""

    def do_GET(self) -> None:
        word = self.path.strip("/").partition("?")[0]
        if word == "silent":
            self.server.release.recv(1)  # type: ignore[attr-defined]
        if not word.isdigit():
            return
        body = b"first\n\n  the reason  \n" + (b"x" * (1 << 20) if word == "200" else b"")
        self.send_response(int(word))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            return  # the check reads no more than it wants

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    """Where a web server listens."""
    hold, release = socket.socketpair()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.release = release  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    hold.close()
    server.shutdown()
    thread.join()
    server.server_close()
    release.close()


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that is bound and not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def http(port: int, path: str, timeout: float = 10.0) -> checks.Verdict:
    return checks.ask(None, {"type": "http", "url": f"http://127.0.0.1:{port}/{path}", "timeout": timeout})  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, True), (302, True), (404, False), (500, False), (503, False)])
def test_the_status_decides(port: int, status: int, healthy: bool) -> None:
    verdict = http(port, str(status))
    assert verdict.healthy is healthy
    assert verdict.detail == f"GET http://127.0.0.1:{port}/{status} answered {status}"
    assert verdict.said == ("" if healthy else "the reason")


def test_a_query_is_asked_and_never_shown(port: int) -> None:
    verdict = http(port, "503?token=tell-nobody")
    assert "tell-nobody" not in verdict.detail
    assert verdict.healthy is False


@pytest.mark.parametrize("path", ["silent", "cut"])
def test_no_answer_is_unhealthy(port: int, path: str) -> None:
    verdict = http(port, path, timeout=0.3)
    assert verdict.healthy is False
    assert ("no answer in time" in verdict.detail) is (path == "silent")


def test_nobody_there_is_unhealthy(closed: int) -> None:
    assert http(closed, "200") == checks.Verdict(False, f"GET http://127.0.0.1:{closed}/200: Connection refused")


def test_proxies_of_the_environment_are_not_asked(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert http(port, "200").healthy


@pytest.mark.parametrize("url", ["ftp://x/", "http:///path", "no url", "http://user:pw@host/", "http://host:port/", "http://[x/"])
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(Broken, match=r"a health check cannot ask '.*': it needs a URL such as") as raised:
        checks.parse_url(url)
    assert "pw" not in str(raised.value)


def test_a_url_has_its_usual_port() -> None:
    assert checks.parse_url("http://[::1]") == ("http", "::1", 80, "/")
    assert checks.parse_url("https://host/a?b=c#d") == ("https", "host", 443, "/a?b=c")


def test_a_connection_is_enough_for_tcp(port: int, closed: int) -> None:
    def ask(number: int) -> checks.Verdict:
        return checks.ask(None, {"type": "tcp", "address": "127.0.0.1", "port": str(number), "timeout": 10})  # type: ignore[arg-type]

    assert ask(port) == checks.Verdict(True, f"connection to 127.0.0.1:{port}")
    assert ask(closed) == checks.Verdict(False, f"connection to 127.0.0.1:{closed}: Connection refused")


def test_a_command_says_by_its_exit_code(estate: Any) -> None:
    def ask(*argv: str, timeout: float = 10.0) -> checks.Verdict:
        return checks.ask(estate.machine(), {"type": "command", "command": list(argv), "timeout": timeout})

    assert ask("true") == checks.Verdict(True, "true ended with exit code 0")
    assert ask("sh", "-c", "echo no >&2; exit 4") == checks.Verdict(False, "sh ended with exit code 4", "no")
    assert ask("no-such").healthy is False
    assert ask("sleep", "600", timeout=0.2) == checks.Verdict(False, "sleep: sleep did not end within 0.2 s")


def test_a_file_is_there_or_not(estate: Any) -> None:
    machine, check = estate.machine(), {"type": "file", "path": "run/ready", "timeout": 5}
    assert checks.ask(machine, check) == checks.Verdict(False, "file run/ready")
    machine.put("run/ready", b"")
    assert checks.ask(machine, check) == checks.Verdict(True, "file run/ready")


def test_the_last_line_that_says_something_is_short() -> None:
    assert checks.last_line(b"first\nlast \n\n  \n") == "last"
    assert checks.last_line(b"") == ""
    assert len(checks.last_line(b"\xff" * 1000)) == checks.SHOWN
