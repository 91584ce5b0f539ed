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


# ---- behind routers ------------------------------------------------------------------------

# Many routers are like this one: ports are kept where they can be, and what comes uncalled is dropped without a
# word.
ROUTER = """
table ip router {
    chain post { type nat hook postrouting priority 100; oifname "out" masquerade; }
    chain in { type filter hook input priority 0; iifname "out" drop; }
    chain forward {
        type filter hook forward priority 0; policy drop;
        iifname "in" accept
        ct state established,related accept
    }
}
"""


def cable(x, y, ends, addrs):
    """Between two boxes: the names of its ends and their addresses."""
    x.ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", str(y.hold.pid))
    for box, end, addr in zip((x, y), ends, addrs):
        box.ip("addr", "add", addr, "dev", end)
        box.ip("link", "set", end, "up")


def forward(box):
    r = subprocess.run([*box.wrap, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], capture_output=True)
    if r.returncode != 0:
        raise h.Skip("cannot forward packets here")


class Routers:
    """The world, where everyone is reached at WORLD, and two machines in it that are behind a router each."""

    WORLD = "20.9.0.1"
    SEEN = ("20.1.0.2", "20.2.0.2")  # where the world sees the two

    def __init__(self, w):
        h.need_root()
        nft = h.need("ip", "unshare", "nsenter", "nft")[-1]
        self.world, self.inside = Box(w, "world"), []
        self.world.ip("addr", "add", self.WORLD + "/32", "dev", "lo")
        forward(self.world)
        for i, name in ((1, "anna"), (2, "bert")):
            router, box = Box(w, f"router-{name}"), Box(w, name)
            cable(router, self.world, ("out", f"to-{name}"), (f"20.{i}.0.2/16", f"20.{i}.0.1/16"))
            cable(box, router, ("net", "in"), (f"192.168.{i}.2/24", f"192.168.{i}.1/24"))
            box.ip("route", "add", "default", "via", f"192.168.{i}.1")
            router.ip("route", "add", "default", "via", f"20.{i}.0.1")
            forward(router)
            if subprocess.run([*router.wrap, nft, "-f", "-"], input=ROUTER, text=True, capture_output=True).returncode != 0:
                raise h.Skip("addresses cannot be translated here")
            self.inside.append(box)
