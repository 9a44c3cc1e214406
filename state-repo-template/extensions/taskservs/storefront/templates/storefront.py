"""The shop's web pages, over its store. Usage: storefront.py SETTINGS.json"""

import json
import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.error import HTTPError
from urllib.parse import parse_qs
from urllib.request import ProxyHandler, Request, build_opener

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
PAGE = Path(sys.argv[1]).with_name("page.html").read_text()
ITEM = """<li>{name}, {price}
<form method="post" action="/buy"><input type="hidden" name="sku" value="{sku}"><button>Buy</button></form></li>"""
DIRECT = build_opener(ProxyHandler({}))  # whatever proxies the environment names


def ask(path, value=None):
    """The store's answer. Raises OSError when there is none, or it is a refusal."""
    body = None if value is None else json.dumps(value).encode()
    with DIRECT.open(Request(SETTINGS["database_url"] + path, data=body), timeout=2) as answer:
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/health":
                self.answer(200, f"ok, {ask('/health')['items']} items\n", "text/plain")
            elif self.path == "/":
                items = [{k: escape(str(v)) for k, v in i.items()} | {"price": f"{i['cents'] / 100:.2f}"} for i in ask("/items")]
                self.answer(200, PAGE.replace("<!-- items -->", "\n".join(ITEM.format(**item) for item in items)))
            else:
                self.answer(404, "there is no such page\n", "text/plain")
        except (OSError, ValueError) as error:
            self.answer(503, f"the store does not answer: {error}\n", "text/plain")

    def do_POST(self):
        form = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 65536)).decode(errors="replace")
        sku = parse_qs(form).get("sku", [""])[0]
        try:
            number = ask("/orders", {"sku": sku})["order"]
        except HTTPError as error:
            return self.answer(error.code, "that cannot be ordered\n", "text/plain")
        except (OSError, ValueError) as error:
            return self.answer(503, f"the store does not answer: {error}\n", "text/plain")
        return self.answer(201, f"thank you, your order is number {number}\n", "text/plain")

    def answer(self, status, text, kind="text/html"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Served-By", SETTINGS["server"])
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


print(f"listening on {SETTINGS['address']}:{SETTINGS['port']}, store at {SETTINGS['database_url']}")
Server((SETTINGS["address"], SETTINGS["port"]), Handler).serve_forever()
