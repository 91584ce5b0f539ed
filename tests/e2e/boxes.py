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
        box.ip("addr", "add", addr, "dev", end, *(["nodad"] if ":" in addr else []))
        box.ip("link", "set", end, "up")


def forward(box, v6=False):
    name = "ipv6/conf/all/forwarding" if v6 else "ipv4/ip_forward"
    r = subprocess.run([*box.wrap, "sh", "-c", f"echo 1 > /proc/sys/net/{name}"], capture_output=True)
    if r.returncode != 0:
        raise h.Skip("cannot forward packets here")


# With IPv6 addresses are everyone's own; what comes uncalled is dropped all the same.
WALL = """
table ip6 wall {
    chain forward {
        type filter hook forward priority 0; policy drop;
        iifname "in" accept
        ct state established,related accept
    }
}
"""


def rule(box, nft, text):
    if subprocess.run([*box.wrap, nft, "-f", "-"], input=text, text=True, capture_output=True).returncode != 0:
        raise h.Skip("there are no firewalls here")


class Walls:
    """The same as Routers over IPv6 alone, where nothing is translated."""

    WORLD = "2a01:9::1"
    SEEN = ("2a01:51::2", "2a01:52::2")

    def __init__(self, w):
        h.need_root()
        nft = h.need("ip", "unshare", "nsenter", "nft")[-1]
        self.world, self.inside = Box(w, "world"), []
        self.world.ip("addr", "add", self.WORLD + "/128", "dev", "lo")
        forward(self.world, True)
        for i, name in ((1, "anna"), (2, "bert")):
            router, box = Box(w, f"router-{name}"), Box(w, name)
            cable(router, self.world, ("out", f"to-{name}"), (f"2a01:{i}::2/64", f"2a01:{i}::1/64"))
            cable(box, router, ("net", "in"), (f"2a01:5{i}::2/64", f"2a01:5{i}::1/64"))
            box.ip("route", "add", "default", "via", f"2a01:5{i}::1")
            router.ip("route", "add", "default", "via", f"2a01:{i}::1")
            self.world.ip("route", "add", f"2a01:5{i}::/64", "via", f"2a01:{i}::2")
            forward(router, True)
            rule(router, nft, WALL)
            self.inside.append(box)


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
            rule(router, nft, ROUTER)
            self.inside.append(box)


def narrow_boxes(w, v6, drop_fragments=False):
    """Two boxes with a router between them, whose cable to the second carries no more than 1,280 bytes at a time.
    Returns both, and the first one's address."""
    h.need_root()
    nft = h.need("ip", "unshare", "nsenter", "nft")[-1]
    a, r, b = Box(w, "anna"), Box(w, "router"), Box(w, "bert")
    net = (lambda i, k: f"2a01:{i}::{k}") if v6 else (lambda i, k: f"20.{i}.0.{k}")
    bits = "/64" if v6 else "/24"
    cable(a, r, ("net", "to-anna"), (net(1, 2) + bits, net(1, 1) + bits))
    cable(b, r, ("net", "to-bert"), (net(2, 2) + bits, net(2, 1) + bits))
    for box, end in ((b, "net"), (r, "to-bert")):
        box.ip("link", "set", end, "mtu", "1280")
    a.ip("route", "add", "default", "via", net(1, 1))
    b.ip("route", "add", "default", "via", net(2, 1))
    forward(r, v6)
    if drop_fragments:  # as many firewalls do, and say nothing of what is too large
        rule(b, nft, "table ip6 f { chain in { type filter hook prerouting priority -450; exthdr frag exists drop; }; }" if v6
             else "table ip f { chain in { type filter hook prerouting priority -450; ip frag-off & 0x3fff != 0 drop; }; }")
        rule(r, nft, "table inet q { chain out { type filter hook output priority 0; icmpv6 type packet-too-big drop; "
             "icmp type destination-unreachable drop; }; }")
    return a, b, net(1, 2)
