#!/usr/bin/python3
"""Behind a router: a port of it is asked for, kept, told to those outside, and given back."""

import json
import os
import re
import sys

import harness as h
import wire
from boxes import two_boxes
from harness import KIB, SLOW, check, check_eq, test

GATEWAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gateway.py")
OUTSIDER = os.path.join(os.path.dirname(GATEWAY), "outsider.py")

MAP = {"SHOAL_NO_MAP": ""}


class Router:
    """anna is the default gateway of bert, and runs a router's port control."""

    def __init__(self, w, *speaks):
        self.anna, self.bert = two_boxes(w)
        self.bert.ip("route", "add", "default", "via", "10.79.0.1")
        self.bert.ip("route", "add", "239.255.255.250", "dev", "cable")
        self.anna.ip("route", "add", "239.255.255.250", "dev", "cable")
        self.file = w.path("mappings")
        self.gateway = self.share = self.index = None
        self.speak(w, *speaks)

    def speak(self, w, *speaks):
        """It knows these protocols from now on, and no others."""
        if self.gateway is not None:
            self.gateway.kill()
        p = w.start(*self.anna.wrap, sys.executable, "-B", GATEWAY, "10.79.0.1", self.file, *speaks, name="gateway")
        p.killed = True  # by the end of the test
        h.wait_for(lambda: b"ready" in p.out(), 20 * SLOW, "the router runs")
        self.gateway = p

    def mappings(self):
        with open(self.file) as f:
            return json.load(f)

    def start(self, *args):
        """A peer of bert's, on port 7100."""
        self.index = self.index or self.anna.index()
        src = h.make_file(self.bert.peer.path("f"), 10 * KIB)
        self.share = self.bert.start("share", src, "-v", "--port", "7100", *args, env={"SHOAL_NO_MAP": ""})
        return self.share

    def said(self, pattern, seconds=20):
        def look():
            return re.search(pattern, self.share.err().decode())
        return h.wait_for(look, seconds * SLOW, f"{pattern!r} is said")


def kept_and_given_back(w, by, words, *speaks):
    r = Router(w, *speaks)
    r.start()
    m = r.said(r"reached from outside at (\S+) \(([\w-]+)\)")
    check_eq(m.groups(), ("203.0.113.9:7100", words), "what is said")
    check_eq(r.mappings()["tcp:7100"][0::2], [7100, by], "what the router has")
    r.share.stop().expect(h.OK)
    h.wait_for(lambda: not r.mappings(), 10 * SLOW, "it is given back")


@test("by PCP")
def _(w):
    kept_and_given_back(w, "pcp", "PCP", "pcp", "natpmp", "upnp")


@test("by NAT-PMP, where the router does not know PCP")
def _(w):
    kept_and_given_back(w, "natpmp", "NAT-PMP", "natpmp", "upnp")


@test("by UPnP, where it knows neither")
def _(w):
    kept_and_given_back(w, "upnp", "UPnP", "upnp")


@test("by UPnP from a router that gives ports for good only")
def _(w):
    kept_and_given_back(w, "upnp", "UPnP", "upnp", "permanent")


@test("from a router that gives ports of TCP and refuses those of UDP, in each protocol")
def _(w):
    r = Router(w, "pcp", "tcp-alone")
    for speaks, words in ((["pcp"], "PCP"), (["natpmp"], "NAT-PMP"), (["upnp"], "UPnP")):
        r.speak(w, *speaks, "tcp-alone")
        r.start()
        check_eq(r.said(r"reached from outside at (\S+) \(([\w-]+)\)").groups(), ("203.0.113.9:7100", words), "what is said")
        check_eq(list(r.mappings()), ["tcp:7100"], "what the router has")
        r.share.stop().expect(h.OK)
        h.wait_for(lambda: not r.mappings(), 10 * SLOW, "it is given back")


@test("a router that gives a port of TCP and is silent about UDP has it back at once")
def _(w):
    r = Router(w, "pcp", "deaf-to-udp")
    r.start()
    h.wait_for(lambda: "tcp:7100" in r.mappings(), 20 * SLOW, "it gave one")
    h.wait_for(lambda: not r.mappings(), 20 * SLOW, "it has it back")
    check(r.share.alive(), "the peer serves")
    r.said("no port of the router", 30)


def ports_known(r):
    """Ports at which the index of anna's knows a peer."""
    out = r.anna.run("peers", "--json", "--index", "http://127.0.0.1:6969").expect(h.OK).json()
    return {p["port"] for p in out["peers"]}


def nodes_known(r):
    """Nodes of the hash table that the index of anna's tells of."""
    ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
    url = "http://127.0.0.1:6969/api/v1/dht-nodes"
    p = r.anna.w.start(*r.anna.wrap, sys.executable, "-B", "-c", ask, url, name="asker")
    return p.wait(20 * SLOW).expect(h.OK).json()["nodes"]


def beyond(w):
    """A router that gives other ports, and an index that is at one address beyond it and at one on this side."""
    r = Router(w, "pcp", "other")
    r.anna.ip("addr", "add", "203.0.113.1/32", "dev", "lo")
    r.index = r.anna.index()
    return r


@test("an index beyond the router is told of the port that it gives, though the session was there before; one on this side is not", seconds=90)
def _(w):
    r = beyond(w)
    src = h.make_file(r.bert.peer.path("f"), 10 * KIB)
    for at, port in (("203.0.113.1", 8100), ("10.79.0.1", 7100)):
        r.share = r.bert.start("share", src, "-v", "--port", "7100", "--index", f"http://{at}:6969",
                               env={**MAP, "SHOAL_NO_DHT": ""})
        r.said(r"reached from outside at 203\.0\.113\.9:8100")
        h.wait_for(lambda: ports_known(r) == {port}, 20 * SLOW, f"the index at {at} knows it at port {port}")
        h.wait_for(lambda: nodes_known(r) == [f"10.79.0.2:{port}"], 20 * SLOW, "and its node of the hash table")
        check("no live session" not in r.share.err().decode(), "nothing was lost", r.share.err())
        r.share.stop().expect(h.OK)
        h.wait_for(lambda: not ports_known(r), 20 * SLOW, "it is gone")


@test("so is a tracker that is asked what a link means", seconds=90)
def _(w):
    r = beyond(w)
    link = f"magnet:?xt=urn:btih:{'ab' * 20}&tr=http%3A%2F%2F203.0.113.1%3A6969%2Fannounce"
    r.share = r.bert.start("get", link, "--wait", "80", "-v", "--port", "7100", "--index", "http://127.0.0.1:1", env=MAP)
    r.said(r"reached from outside at 203\.0\.113\.9:8100")
    h.wait_for(lambda: 8100 in ports_known(r), 60 * SLOW, "it is announced anew with that port")


@test("trackers, peers and the hash table beyond the router hear of the port that it gives, those on this side of our own", seconds=90)
def _(w):
    r = Router(w, "pcp", "other")
    src = h.make_file(r.bert.peer.path("f"), 40 * KIB)
    outside, inside, torrent = "203.0.113.1", "10.79.0.1", w.path("f.torrent")
    r.anna.ip("addr", "add", f"{outside}/32", "dev", "lo")
    wire.create_v1(src, torrent, 16 * KIB, announce=f"http://{outside}:6970/announce")
    heard = {}
    for host in (outside, inside):
        p = w.start(*r.anna.wrap, sys.executable, "-B", OUTSIDER, host, torrent, "10.79.0.2", "7100", name=host)
        p.killed = True  # by the end of the test
        h.wait_for(lambda: b"ready" in p.out(), 20 * SLOW, "they listen")
        heard[host] = lambda p=p: dict(line.split() for line in p.out().decode().splitlines()[1:])
    r.share = r.bert.start("get", torrent, "-o", src, "--seed", "-v", "--port", "7100",
                           "--dht-node", f"{outside}:7001", "--dht-node", f"{inside}:7001", env={**MAP, "SHOAL_NO_DHT": ""})
    r.said(r"reached from outside at 203\.0\.113\.9:8100")
    for host, port in ((outside, "8100"), (inside, "7100")):
        hears = dict.fromkeys(("table", "peer", "node", *(["tracker"] if host == outside else [])), port)
        h.wait_for(lambda: heard[host]() == hears, 30 * SLOW, f"{host} hears of port {port}")


V4, V6 = "203.0.113.1", "2a01:79::1"


class Named:
    """beyond(), with a name for the index and IPv6 beside the router, at which it sees a peer of bert's as in SEEN."""

    SEEN = {V4: "10.79.0.2:8100", V6: "[2a01:79::2]:7100"}

    def __init__(self, w):
        self.r = beyond(w)
        for box, addr in ((self.r.anna, V6), (self.r.bert, "2a01:79::2")):
            box.ip("addr", "add", addr + "/64", "dev", "cable", "nodad")
        self.w, self.src = w, h.make_file(self.r.bert.peer.path("f"), 40 * KIB)

    def start(self, addresses, *args):
        """A peer for which the name stands for these, and which knows what the router gave."""
        with open(self.w.path("hosts"), "w") as f:
            f.writelines(f"{a} index.example.org\n" for a in addresses)
        wrap = [*self.r.bert.wrap, "unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', self.w.path("hosts")]
        self.r.share = self.r.bert.peer.start(*args, "-v", "--port", "7100", wrap=wrap, env=MAP)
        self.r.said(r"reached from outside at 203\.0\.113\.9:8100")

    def forget(self):
        """The index begins anew, and hears only what is said from now on."""
        self.r.index.stop()
        self.r.index = self.r.anna.index()

    def known(self):
        out = self.r.anna.run("peers", "--json", "--index", "http://127.0.0.1:6969").expect(h.OK).json()
        return {p["addr"] for p in out["peers"]}

    def tracker_is_told(self, scheme):
        """By those of its addresses that it has, and of the goodbye by the same."""
        torrent = self.w.path(scheme + ".torrent")
        wire.create_v1(self.src, torrent, 16 * KIB, announce=f"{scheme}://index.example.org:6969/announce")
        for addresses in ((V6, V4), (V6,), (V4,)):
            self.start(addresses, "get", torrent, "-o", self.src, "--seed")
            if scheme != "udp":  # where an id of before is not answered for a minute
                self.forget()
            seen = {self.SEEN[a] for a in addresses}
            h.wait_for(lambda: self.known() == seen, 60 * SLOW, f"it is known at {seen}")
            self.r.share.stop().expect(h.OK)
            check_eq(self.known(), set(), "after its goodbye")


@test("an index that is reached over IPv6 by its name is told our own port, which no router changes", seconds=120)
def _(w):
    n = Named(w)
    n.start((V6, V4), "share", n.src, "--index", "http://index.example.org:6969")
    n.forget()
    h.wait_for(lambda: n.SEEN[V6] in n.known(), 30 * SLOW, "the session is there again")
    check(n.known() <= set(n.SEEN.values()), "it is known nowhere else", n.known())
    n.r.share.stop().expect(h.OK)
    h.wait_for(lambda: not n.known(), 20 * SLOW, "it is gone")


@test("a tracker with a name is told over each family the port at which we are reached over that one", seconds=240)
def _(w):
    Named(w).tracker_is_told("http")


@test("so is one that is asked over UDP", seconds=240)
def _(w):
    Named(w).tracker_is_told("udp")


@test("a router that refuses, or does not answer, is said so once, and the peer serves")
def _(w):
    r = Router(w, "pcp", "refuse")
    r.start()
    r.said(r"no port of the router: the router gives no port \(PCP result 2\)")
    r.anna.run("get", "f", "-o", r.anna.peer.path("out")).expect(h.OK)
    r.share.stop().expect(h.OK)
    silent = r.bert.start("share", r.bert.peer.path("f"), "-v", "--no-map", env={"SHOAL_NO_MAP": ""})
    h.wait_for(lambda: b"serving" in silent.out(), 20 * SLOW, "it serves")
    silent.stop().expect(h.OK)
    check("router" not in silent.err().decode(), "with --no-map nothing is asked", silent.err())


if __name__ == "__main__":
    raise SystemExit(h.main())
