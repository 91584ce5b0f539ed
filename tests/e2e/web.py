"""A web server for webseeds that does what it is told: well, or one of many ways of not well."""

import http.server
import os
import re
import threading
import time
import urllib.parse


class Web:
    """Serves `root` on a free port of `host`. `how(path)` names the way in which each request is
    answered, or `how` is that name: see Handler. `asked` has (path, Range header) of each request."""

    def __init__(self, root, how="well", host="127.0.0.1"):
        self.root, self.how, self.asked, self.sent = os.fsencode(root), how, [], 0
        self.lock, self.released = threading.Lock(), threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                web.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass  # they hang up, as they may

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://{host}:{self.port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def ways(self, path):
        return self.how(path) if callable(self.how) else self.how

    def answer(self, r):
        path = urllib.parse.unquote_to_bytes(r.path.split("?")[0])
        ask = r.headers.get("Range")
        with self.lock:
            self.asked.append((path, ask))
        how = self.ways(path)
        if how.startswith("to "):
            r.send_response(302)
            r.send_header("Location", how[3:] + r.path)
            r.send_header("Content-Length", "0")
            r.end_headers()
            return
        if how.isdigit():
            self.refuse(r, int(how))
            return
        if how == "hang":
            self.released.wait(60)
            return
        try:
            with open(self.root + path, "rb") as f:
                data = f.read()
        except OSError:
            self.refuse(r, 404)
            return
        self.give(r, how, data, ask)

    def refuse(self, r, code):
        r.send_response(code)
        if code == 503:
            r.send_header("Retry-After", "1")
        r.send_header("Content-Length", "0")
        r.end_headers()

    def give(self, r, how, data, ask):
        size, first, last = len(data), 0, len(data) - 1
        m = re.fullmatch(r"bytes=(\d+)-(\d+)", ask or "")
        if m and how != "whole":
            first, last = int(m[1]), min(int(m[2]), size - 1)
        if how == "shifted":
            first += 1
        body = data[first:last + 1]
        if how == "wrong":
            body = bytes(b ^ 0xFF for b in body[:1]) + body[1:]
        if how == "half":  # of what it should be, now and then
            body = body[:max(1, len(body) // 2)] if len(self.asked) % 2 else body
        if how == "endless":
            body = body + b"x" * (4 << 20)
        r.send_response(206 if m and how != "whole" else 200)
        if m and how != "whole":
            r.send_header("Content-Range", f"bytes {first}-{last}/{size + 1 if how == 'size' else size}")
        if how == "gzip":
            r.send_header("Content-Encoding", "gzip")
        if how == "half":
            r.send_header("Connection", "close")
        else:
            r.send_header("Content-Length", str(len(body)))
        r.end_headers()
        if how == "half":
            r.close_connection = True
        for at in range(0, len(body), 65536):
            part = body[at:at + 65536]
            if how == "slow":
                time.sleep(0.02)
            r.wfile.write(part)
            with self.lock:
                self.sent += len(part)
