#!/usr/bin/python3
"""The distributed hash table with stock clients: they find peers that ours announced, we those of libtorrent and
aria2, and libtorrent reads the items that we put, as we read its."""

import os
import re

import clients
from clients import Aria2, Libtorrent, Transmission

h = clients.h
import wire  # noqa: E402
from harness import KIB, MIB, check, check_eq, test  # noqa: E402

ON = {"SHOAL_NO_DHT": ""}
NOWHERE = "http://127.0.0.1:1"
LT_DHT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lt_dht.py")


class Aria2Dht(Aria2):
    def __init__(self, w, first):
        super().__init__(w)
        self.first = first

    def _start(self, torrent, folder, *more):
        return super()._start(torrent, folder, "--enable-dht=true", f"--dht-listen-port={h.free_port()}",
                              f"--dht-entry-point={h.HOST}:{self.first}",
                              f"--dht-file-path={self.w.path(f'dht-{self.w.n_procs}.dat')}", *more)


class TransmissionDht(Transmission):
    def __init__(self, w, first):
        super().__init__(w)
        self.first = first

    def dht(self, conf):
        # It takes the table for broken while it knows fewer than nine nodes, and takes some seconds for each that it is
        # told of: a second or two of what it remembers, ten to twenty of what is in "dht.bootstrap".
        self.crowd = crowd(self.w, self.first)
        ports = [self.first, *(one.port for one in self.crowd)]
        with open(os.path.join(conf, "dht.dat"), "wb") as f:
            f.write(wire.bencode({"id": os.urandom(20), "nodes": wire.compact([(h.HOST, port) for port in ports])}))
        return ["--dht"]


class LibtorrentDht(Libtorrent):
    def __init__(self, w, first):
        super().__init__(w)
        self.first = first

    def _start(self, what, *rest):
        if what in ("seed", "get"):
            os.makedirs(rest[1], exist_ok=True)
        p = self.w.start(clients.PYTHON, LT_DHT, h.HOST, str(self.first), what, *rest, name=self.name)
        p.killed = True
        return p

    def put(self, *rest):
        return self._start("put", *rest)

    def read(self, *rest):
        return self._start("read", *rest)


def made(w, name, size):
    a = w.peer("maker", NOWHERE)
    src = h.make_file(a.path(name), size)
    path = w.path(name + ".torrent")
    a.run("create", src, "-o", path, "--v1-only").expect(h.OK)
    return path, src


class Ours:
    """A peer of ours that has a torrent and a node, at which the others begin."""

    def __init__(self, w, name, path, src, first=None):
        self.peer, self.port = w.peer(name, NOWHERE), h.free_port()
        copy = self.peer.path(os.path.basename(src))
        os.link(src, copy)
        more = ["--dht-node", f"{h.HOST}:{first}"] if first else []
        self.proc = self.peer.start("get", path, "-o", copy, "--seed", "--port", str(self.port), "--listen", h.HOST,
                                    *more, env=ON)
        h.wait_for(lambda: b"verified" in self.proc.out(), 30 * h.SLOW, f"{name} serves")

    def status(self):
        got = self.peer.run("dht", "--json", env=ON)
        return got.json()["dht"][0] if got.code == h.OK and got.json()["dht"] else {}


def first_node(w):
    return Ours(w, "first", *made(w, "other", 64 * KIB))


def crowd(w, first, n=10):
    """Nodes of ours besides the first one."""
    path, src = w.path("other.torrent"), w.peer("maker", NOWHERE).path("other")
    return [Ours(w, f"crowd{i}", path, src, first) for i in range(n)]


def they_find_us(w, client):
    first = first_node(w)
    path, src = made(w, "the file", 2 * MIB + 77)
    Ours(w, "a", path, src, first.port)
    h.wait_for(lambda: first.status().get("torrents", 0) >= 1, 40 * h.SLOW, "our peer is announced", every=0.3)
    c, into = client(w, first.port), w.path("theirs")
    p = c.get(path, into)
    c.wait(p, os.path.join(into, "the file"), 100 * h.SLOW)
    h.check_same(os.path.join(into, "the file"), src)


def we_find_them(w, client):
    first = first_node(w)
    path, src = made(w, "the file", 2 * MIB + 77)
    c = client(w, first.port)
    c.seed(path, os.path.dirname(src))
    # Nobody is looked up meanwhile: who asks and is gone keeps Transmission waiting, half a minute each. It announces to
    # eight of eleven, so some of any four hear of it.
    nodes = [first, *getattr(c, "crowd", [])[:3]]
    known = {n: n.status().get("torrents", 0) for n in nodes}

    def announced():
        return any(n.status().get("torrents", 0) > known[n] for n in nodes)
    h.wait_for(announced, 100 * h.SLOW, "their peer is announced", every=1)
    b = w.peer("b", NOWHERE)
    b.run("get", path, "-o", b.path("f"), "--listen", h.HOST, "--dht-node", f"{h.HOST}:{first.port}", "--wait", "60",
          env=ON, seconds=100).expect(h.OK)
    h.check_same(b.path("f"), src)


for one in (LibtorrentDht, Aria2Dht, TransmissionDht):
    def _(w, one=one):
        they_find_us(w, one)
    test(f"{one.name} finds our peer in the table", seconds=200)(_)


for one in (LibtorrentDht, Aria2Dht, TransmissionDht):
    def _(w, one=one):
        we_find_them(w, one)
    test(f"our peer finds {one.name} in the table", seconds=200)(_)


@test("libtorrent reads the items that we put, and we read those of libtorrent, with and without salt", seconds=200)
def _(w):
    first = first_node(w)
    lt = LibtorrentDht(w, first.port)
    a, b = w.peer("a", NOWHERE), w.peer("b", NOWHERE)
    at = ("--dht-node", f"{h.HOST}:{first.port}", "--listen", h.HOST)
    # libtorrent waits 15 s for each node that has left: none of its own leaves, and ours come before and after.
    for salt in ("", "a name"):
        how = ("--salt", salt) if salt else ("--sign",)
        ours = a.run("dht", "put", f"ours {salt}", *how, *at, env=ON).expect(h.OK).out.strip()
    for salt in ("", "a name"):
        p = lt.read(ours, salt.encode().hex())
        h.wait_for(lambda p=p, salt=salt: f"ours {salt}".encode() in p.out(), 60 * h.SLOW, "libtorrent reads it")
    key = b.run("whoami", "--json").expect(h.OK).json()["key"]
    with open(os.path.join(b.home, "key"), encoding="ascii") as f:
        seed = f.read().split()[0]
    for salt in ("", "a name"):
        p = lt.put(seed, key, salt.encode().hex(), f"theirs {salt}")
        h.wait_for(lambda p=p: b"done" in p.out(), 60 * h.SLOW, "libtorrent puts it")
    check(first.status()["items"] >= 2, "our node keeps ours; libtorrent puts nothing on nodes that it begins at")
    for salt in ("", "a name"):
        more = ("--salt", salt) if salt else ()
        j = a.run("dht", "get", key, *more, "--json", *at, env=ON).expect(h.OK).json()
        want = f"theirs {salt}".encode()
        check_eq(bytes.fromhex(j["value"]), b"%d:%s" % (len(want), want), "what libtorrent put")


@test("libtorrent reads the name that we share, keeps it for others, and we find it there (BEP 46)", seconds=200)
def _(w):
    first = first_node(w)
    lt = LibtorrentDht(w, first.port)
    w.index()
    a, b = w.peer("ann"), w.peer("b", NOWHERE)
    key = a.run("whoami", "--json").expect(h.OK).json()["key"]
    keeper = lt.read(key, b"nothing yet".hex())
    h.wait_for(lambda: b"ready" in keeper.out(), 60 * h.SLOW, "a node of libtorrent takes part")
    port = int(re.search(rb"^port (\d+)$", keeper.out(), re.M).group(1))
    src = h.make_file(a.path("data"), MIB)
    share = a.start("share", src, "--listen", h.HOST, "--dht-node", f"{h.HOST}:{first.port}", env=ON)
    h.wait_for(lambda: b"2 nodes keep that" in share.err(), 60 * h.SLOW, "both take it")
    hash_ = w.indexes[0].entry("data")["hash_v1"]
    p = lt.read(key, b"data".hex())
    h.wait_for(lambda: f"'ih': '{hash_}'".encode() in p.out(), 60 * h.SLOW, "libtorrent reads the info-hash")
    first.proc.stop()
    j = b.run("info", key + "/data", "--json", "--listen", h.HOST, "--dht-node", f"{h.HOST}:{port}", env=ON).expect(h.OK).json()
    check_eq((j["hash_v1"], j["version"], j["bytes"]), (hash_, 1, MIB), "what libtorrent kept")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
