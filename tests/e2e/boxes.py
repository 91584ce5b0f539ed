"""Machines for tests: network namespaces with a cable between them."""

import os
import subprocess

import harness as h
from harness import BIN, SLOW


class Box:
    """A machine: a network of its own with one cable, and the folders of one user."""

    def __init__(self, w, name):
        self.w, self.name = w, name
        self.hold = w.start("unshare", "-n", "sleep", "600", name=f"box-{name}")
        self.hold.killed = True  # by the end of the test
        own = os.readlink("/proc/self/ns/net")
        h.wait_for(lambda: os.readlink(f"/proc/{self.hold.pid}/ns/net") != own, 10, "the other network is there")
        self.wrap = ["nsenter", "-n", "-t", str(self.hold.pid), "--"]
        self.peer = w.peer(name)
        self.peer.index_url = None
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        if subprocess.run([*self.wrap, "ip", *args], capture_output=True).returncode != 0:
            raise h.Skip("cannot lay a cable here: " + " ".join(args))

    def index(self, *args, data=None, listen=None):
        """`shoal index` in this box, ready."""
        where = ["--listen", listen] if listen else []
        p = self.w.start(*self.wrap, BIN, "index", "--data", data or self.peer.path("index"), *where, *args,
                         name=f"{self.name}-index", env=self.w.env(self.peer.home))
        h.wait_for(lambda: b"index at" in p.out(), 20 * SLOW, "the index is up")
        return p

    def start(self, verb, *args, **kw):
        return self.peer.start(verb, *args, wrap=self.wrap, **kw)

    def run(self, verb, *args, **kw):
        return self.start(verb, *args, **kw).wait(60 * SLOW)


def two_boxes(w):
    h.need_root()
    h.need("ip", "unshare", "nsenter")
    a, b = Box(w, "anna"), Box(w, "bert")
    a.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(b.hold.pid))
    for box, host in ((a, 1), (b, 2)):
        box.ip("addr", "add", f"10.79.0.{host}/24", "dev", "cable")
        box.ip("link", "set", "cable", "up")
    return a, b
