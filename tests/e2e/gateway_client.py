"""A daemon whose gateway is asked, as a browser or a player would."""

import http.client
import os

import harness as h
from harness import check


class Gateway:
    def __init__(self, peer, *args):
        self.peer = peer
        self.proc = peer.start("daemon", "--port", "0", "--http-port", "0", *args)
        self.address = h.wait_for(self.read_address, 20 * h.SLOW, "the daemon has a port")

    def read_address(self):
        check(self.proc.alive(), "the daemon runs", self.proc.err())
        try:
            with open(os.path.join(self.peer.home, "run", "api")) as f:
                text = f.read().strip().removeprefix("http://").rstrip("/")
        except OSError:
            return None
        return text if text and b"http://" in self.proc.out() else None

    def token(self):
        with open(os.path.join(self.peer.home, "api-token")) as f:
            return f.read().strip()

    def ask(self, path, method="GET", headers=None, timeout=60):
        """(status, headers, body)"""
        c = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            c.request(method, path, headers=headers or {})
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def url(self, path):
        return f"http://{self.address}{path}"
