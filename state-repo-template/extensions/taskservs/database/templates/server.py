"""The shop's store: SQLite behind HTTP. Usage: server.py SETTINGS.json"""

import json
import sqlite3
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
ITEMS = "SELECT sku, name, cents FROM items ORDER BY sku"
SOLD = "SELECT sku, count(*) AS sold FROM orders GROUP BY sku ORDER BY sku"


def connect():
    # mode=rw: a store that is gone is an error, not an empty new one
    store = sqlite3.connect(f"file:{SETTINGS['database']}?mode=rw", uri=True, timeout=5)
    store.row_factory = sqlite3.Row
    return closing(store)


def rows(query):
    with connect() as store:
        return [dict(row) for row in store.execute(query)]


def order(sku):
    """The new order's number, None for what is not on sale."""
    with connect() as store, store:
        made = store.execute("INSERT INTO orders (sku) SELECT sku FROM items WHERE sku = ?", (sku,))
        return made.lastrowid if made.rowcount else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/health":
                self.answer(200, {"status": "ok", "items": len(rows(ITEMS))})
            elif self.path == "/items":
                self.answer(200, rows(ITEMS))
            elif self.path == "/orders":
                self.answer(200, rows(SOLD))
            else:
                self.answer(404, {"error": "there is no such page"})
        except sqlite3.Error as error:
            self.answer(503, {"error": str(error)})

    def do_POST(self):
        try:
            asked = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 65536)) or b"null")
            number = order(str(asked["sku"])) if self.path == "/orders" else None
        except sqlite3.Error as error:
            return self.answer(503, {"error": str(error)})
        except (ValueError, TypeError, KeyError):
            return self.answer(400, {"error": 'send {"sku": "..."}'})
        if number is None:
            return self.answer(404, {"error": "that is not on sale"})
        return self.answer(201, {"order": number})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
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


print(f"listening on {SETTINGS['address']}:{SETTINGS['port']}")
Server((SETTINGS["address"], SETTINGS["port"]), Handler).serve_forever()
