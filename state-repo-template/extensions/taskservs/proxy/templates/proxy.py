"""Sends each request to the next backend. Usage: proxy.py SETTINGS.json"""

import json
import sys
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import urlsplit

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
BACKENDS = SETTINGS["backends"]
PASSED_ON = ("Content-Type", "X-Served-By")
LIMIT = 1 << 20
turn = count()


def fetch(backend, method, path, body, kind, timeout):
    """Status, headers and body of a backend's answer. Raises OSError or HTTPException when there is none."""
    parts = urlsplit(backend)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, {k: answer.getheader(k) for k in PASSED_ON if answer.getheader(k)}, answer.read(LIMIT)
    finally:
        connection.close()


def healthy(backend):
    try:
        return fetch(backend, "GET", "/health", None, "", 2)[0] == 200
    except (OSError, HTTPException):
        return False


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            known = {backend: healthy(backend) for backend in BACKENDS}
            body = json.dumps({"backends": known}).encode() + b"\n"
            return self.answer(200 if any(known.values()) else 503, {"Content-Type": "application/json"}, body)
        return self.forward("GET", None)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > LIMIT:
            return self.answer(413, {"Content-Type": "text/plain"}, b"that is too much\n")
        return self.forward("POST", self.rfile.read(length))

    def forward(self, method, body):
        first = next(turn)
        for number in range(len(BACKENDS)):
            backend = BACKENDS[(first + number) % len(BACKENDS)]
            try:
                return self.answer(*fetch(backend, method, self.path, body, self.headers.get("Content-Type"), 5))
            except ConnectionRefusedError:
                continue  # nothing was sent: the next one may have it
            except (OSError, HTTPException):
                if method != "GET":
                    break  # it may have been done: asking another could do it twice
        return self.answer(502, {"Content-Type": "text/plain"}, b"no backend answers\n")

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        if self.path != "/health":
            print(format % args)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        TCPServer.server_bind(self)  # the library would ask DNS for our name here
        self.server_name, self.server_port = self.server_address[:2]


print(f"listening on {SETTINGS['address']}:{SETTINGS['port']}, for {', '.join(BACKENDS)}")
Server((SETTINGS["address"], SETTINGS["port"]), Handler).serve_forever()
