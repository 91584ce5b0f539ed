"""An index that says what a test wants it to: the page's own files, made-up entries, swarms and events.

For what a real index cannot be brought to say at will: maps that grow on command, 200 holders, hostile client names.
"""

import base64
import http.server
import json
import os
import queue
import threading
import urllib.parse

WEB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "web")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml"}
# As src/node/index_reply.c has it.
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
NOW = 1767225600


def entry(i, **more):
    e = {"id": i, "owner": "alice@lab", "name": f"data-{i}.tar", "version": 1, "bytes": 40000000 * i, "n_files": 1,
         "hash_v1": f"{i:040x}", "hash_v2": None, "sha256": f"{i:064x}", "published_at": NOW - 3600 * i,
         "description": "",
         "tags": [], "meta": {}, "key": "ab" * 32, "signature": "cd" * 64, "online": i % 5, "seeds": i % 3,
         "holders": i % 5,
         "magnet": f"magnet:?xt=urn:btih:{i:040x}&dn=data-{i}.tar"}
    e.update(more)
    e.setdefault("files", [{"path": e["name"], "bytes": e["bytes"], "sha256": e["sha256"]}])
    e.setdefault("files_left_out", 0)
    return e


class Swarm:
    """Maps of holders: gain() says what changed, as the index's events do."""

    def __init__(self, pieces, addrs):
        self.pieces = pieces
        self.bits = {a: bytearray(pieces) for a in addrs}
        self.facts = {a: {} for a in addrs}
        self.unknown = []

    def have(self, addr):
        return sum(self.bits[addr])

    def gain(self, addr, pieces):
        """Returns the ranges that are new."""
        for p in pieces:
            self.bits[addr][p] = 1
        return ",".join(str(p) for p in pieces)

    def summary(self):
        per_piece = [sum(c) for c in zip(*self.bits.values())] or [0] * self.pieces
        copies = [0] * (min(63, max(per_piece)) + 1)
        for c in per_piece:
            copies[min(c, 63)] += 1
        least = min(per_piece)
        above = sum(c > least for c in per_piece)
        rare = [p for p, c in enumerate(per_piece) if c == least][:20]
        return {"pieces": self.pieces, "piece_length": 1 << 20, "known": len(self.bits), "unknown": len(self.unknown),
                "copies": copies, "rarest": {"copies": least, "ranges": ",".join(map(str, rare))},
                "distributed_milli": least * 1000 + above * 1000 // self.pieces, "can_complete": least > 0}

    def whole(self):
        def packed(bits):
            out = bytearray((len(bits) + 7) // 8)
            for i, b in enumerate(bits):
                out[i >> 3] |= b << (7 - (i & 7))
            return base64.b64encode(out).decode()
        return {**self.summary(), "holders": [
            {"addr": a, "have": self.have(a), "map": packed(b)} for a, b in self.bits.items()]}

    def event(self, changed):
        return {**self.summary(), "holders": [
            {"addr": a, "have": self.have(a), "down_bps": self.facts[a].get("down_bps"),
             "up_bps": self.facts[a].get("up_bps"),
             "changed": changed.get(a, "")} for a in self.bits]}

    def peers(self):
        def peer(addr, **more):
            p = {"addr": addr, "host": addr.rsplit(":", 1)[0], "port": int(addr.rsplit(":", 1)[1]),
                 "client": "shoal 0.1.0",
                 "percent": 0.0, "left": 1, "uploaded": None, "downloaded": None, "since": NOW - 600, "seen": NOW,
                 "session": True, "rtt_us": 800, "down_bps": None, "up_bps": None}
            p.update(more)
            return p
        out = [peer(a, **{"percent": int(1000 * self.have(a) / self.pieces) / 10, **self.facts[a]}) for a in self.bits]
        out += [peer(**{"session": False, "rtt_us": None, **u}) for u in self.unknown]
        out.sort(key=lambda p: -p["percent"])
        return {"online": len(out), "seeds": sum(p["percent"] == 100 for p in out),
                "holders": sum(p["percent"] > 0 for p in out),
                "peers": out}


class FakeIndex:
    """`streams`, `maps`: whether it has these newer routes. `scanned`: entries looked at for a page of what is on line.
    `below`: a path, as "/shoal", with nothing of it elsewhere."""

    def __init__(self, world, entries=(), streams=True, maps=True, scanned=20000, below=""):
        self.entries, self.swarms, self.readers = list(entries), {}, []
        self.below = below
        self.streams, self.maps, self.scanned = streams, maps, scanned
        self.lock = threading.Lock()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                try:
                    fake.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{below}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        world.closers.append(self.close)

    def close(self):
        for q in list(self.readers):
            q[1].put(None)
        self.server.shutdown()
        self.server.server_close()

    def tell(self, name, data, entry=None):
        """Sends an event to all streams, or to those about one entry."""
        with self.lock:
            for about, q in self.readers:
                if entry is None or about == entry:
                    q.put(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    # ---- answers ----

    def answer(self, r):
        path, _, query = r.path.partition("?")
        if not path.startswith(self.below + "/"):
            self.send(r, 404, "text/plain", b"another site's\n")
            return
        path = path[len(self.below):]
        q = dict(urllib.parse.parse_qsl(query))
        if path == "/api/v1/events" and self.streams:
            self.stream(r, int(q["entry"]) if "entry" in q else None)
            return
        if path.startswith("/api/v1/"):
            body = self.api(path[len("/api/v1/"):], q)
            if body is None:
                body = {"error": {"code": "not_found", "message": "no such path"}}
                self.send(r, 404, "application/json", json.dumps(body).encode())
            else:
                self.send(r, 200, "application/json", json.dumps(body).encode())
            return
        if path == "/healthz":
            self.send(r, 200, "text/plain", b"ok\n")
            return
        name = "index.html" if path == "/" else path[1:]
        if "/" in name or not os.path.exists(os.path.join(WEB, name)) or os.path.splitext(name)[1] not in TYPES:
            self.send(r, 404, "application/json", b"{}")
            return
        with open(os.path.join(WEB, name), "rb") as f:
            self.send(r, 200, TYPES[os.path.splitext(name)[1]], f.read())

    def send(self, r, status, kind, body):
        r.send_response(status)
        for k, v in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY),
                     ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")):
            r.send_header(k, v)
        r.end_headers()
        r.wfile.write(body)

    def stream(self, r, about):
        q = queue.Queue()
        with self.lock:
            self.readers.append((about, q))
        r.send_response(200)
        r.send_header("Content-Type", "text/event-stream")
        r.send_header("Connection", "close")
        r.end_headers()
        try:
            r.wfile.write(b": ping\n\n")
            while (data := q.get()) is not None:
                r.wfile.write(data)
        finally:
            r.close_connection = True
            with self.lock:
                self.readers.remove((about, q))

    def online_page(self, rows, at, n, by_offset):
        found, last = [], at
        while last < min(len(rows), at + self.scanned) and len(found) < n:
            if rows[last]["online"] > 0:
                found.append(rows[last])
            last += 1
        return {"entries": found, "next": None if last == len(rows) else last if by_offset else rows[last - 1]["id"]}

    def api(self, path, q):
        if path == "status":
            return {"version": "0.1.0", "pin": None, "now": NOW, "uptime": 90000, "entries": len(self.entries),
                    "bytes": sum(e["bytes"] for e in self.entries), "swarms": len(self.swarms), "peers": 7,
                    "announces": 52000,
                    "announces_refused": 3, "scrapes": 12, "requests": 60000, "udp": None}
        if path == "peers":
            rows = [{**p, "swarms": 2, "seeding": 1} for s in self.swarms.values() for p in s.peers()["peers"]]
            return {"peers": rows, "left_out": 0}
        if path == "entries":
            rows = [e for e in self.entries if q.get("q", "") in e["name"] and q.get("owner", e["owner"]) == e["owner"]
                    and q.get("name", e["name"]) == e["name"] and e["id"] < int(q.get("before", 1 << 60))]
            key = {"name": lambda e: e["name"], "size": lambda e: -e["bytes"], "holders": lambda e: -e["holders"]}
            rows.sort(key=key.get(q.get("sort"), lambda e: -e["id"]))
            at, n = int(q.get("offset", 0)), int(q.get("limit", 100))
            if q.get("online") == "1":
                return self.online_page(rows, at, n, "sort" in q)
            more = len(rows) > at + n
            rows = rows[at:at + n]
            return {"entries": rows, "next": (at + n if "sort" in q else rows[-1]["id"]) if more else None}
        parts = path.split("/")
        found = [e for e in self.entries if parts[0] == "entries" and str(e["id"]) == parts[1]]
        if not found:
            return None
        if len(parts) == 2:
            return {**found[0], "torrent": f"/api/v1/{path}/torrent"}
        swarm = self.swarms.get(found[0]["id"])
        if parts[2] == "holders":
            return swarm.peers() if swarm else {"online": 0, "seeds": 0, "holders": 0, "peers": []}
        if parts[2] == "pieces" and self.maps:
            return (swarm or Swarm(1, [])).whole()
        return None
