"""``git http-backend`` behind a small threaded https server: a throw-away authority, users with passwords, smart HTTP."""

from __future__ import annotations

import base64
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import trustme

PASSWORDS = {"writer": "writer-password", "reader": "reader-password"}
"""``reader`` may fetch and no more."""


class GitHttps(ThreadingHTTPServer):
    """Serves the bare repositories below ``root`` while it is entered."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        (folder / "none").mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        super().__init__(("127.0.0.1", 0), Backend)
        # the handshake belongs to the thread of its connection: one slow client must not hold up the others
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server_address[1]}"
        for user, password in PASSWORDS.items():
            (folder / user).write_text(f"https://{user}:{password}@localhost:{self.server_address[1]}\n")

    @staticmethod
    def available() -> bool:
        """Whether git came with its server program."""
        found = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
        return Path(found, "git-http-backend").exists()

    def client(self, user: str) -> dict[str, str]:
        """What a client needs to connect as ``user``: the authority, and where the password is."""
        helper = f"store --file={self.folder / user}"
        configuration = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": helper}
        # no other authority is read: with those of the system that takes longer than all the rest
        authorities = {"GIT_SSL_CAINFO": str(self.folder / "ca.pem"), "GIT_SSL_CAPATH": str(self.folder / "none")}
        return {**authorities, **configuration}

    def __enter__(self) -> GitHttps:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not news."""


class Backend(BaseHTTPRequestHandler):
    """One connection: authentication, then the CGI program."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and content in one packet: two would wait for each other's acknowledgement
    disable_nagle_algorithm = True
    server: GitHttps
    HEADERS: ClassVar = {
        "Content-Type": "CONTENT_TYPE",
        "Content-Encoding": "HTTP_CONTENT_ENCODING",
        "Git-Protocol": "GIT_PROTOCOL",
    }

    def do_GET(self) -> None:
        """The advertisement of refs."""
        self._serve(b"")

    def do_POST(self) -> None:
        """A fetch or a push."""
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _user(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(token).decode().partition(":") if scheme == "Basic" else ("", "", "")
        return user if user in PASSWORDS and PASSWORDS[user] == password else ""

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        user = self._user()
        if not user:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
        elif user == "reader" and "git-receive-pack" in self.path:
            self._answer(403, {}, b"this user may only fetch\n")
        else:
            self._answer(*self._backend(path, query, user, body))

    def _backend(self, path: str, query: str, user: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": user,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            **{variable: self.headers[name] for name, variable in self.HEADERS.items() if name in self.headers},
        }
        done = subprocess.run(["git", "http-backend"], env=environ, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        return int(headers.pop("Status", "200").split()[0]), headers, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
