#!/usr/bin/python3
"""The distributed hash table, with no index and no tracker: peers find one another, private torrents stay out
of it, values are put and got."""

import os
import select
import socket
import struct
import threading
import time

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test

ON = {"SHOAL_NO_DHT": ""}
NOWHERE = "http://127.0.0.1:1"


def torrent(w, name, size=MIB, *args, seed=1):
    a = w.peer("maker", NOWHERE)
    src = h.make_file(a.path(name), size, seed=seed)
    path = w.path(name + ".torrent")
    a.run("create", src, "-o", path, *args).expect(h.OK)
    return path, src


class Serving:
    """A peer that has a torrent whole, and a node on the port of its peer."""

    def __init__(self, w, name, path, src, *args, env=None, port=None):
        self.peer = w.peer(name, NOWHERE)
        self.port = port or h.free_port()
        self.place = f"{h.HOST}:{self.port}"
        copy = self.peer.path(os.path.basename(src))
        os.link(src, copy)
        self.proc = self.peer.start("get", path, "-o", copy, "--seed", "--port", str(self.port), "--listen", h.HOST, *args,
                                    env=ON if env is None else env)
        h.wait_for(lambda: b"verified" in self.proc.out() + self.proc.err(), 30 * h.SLOW, f"{name} serves")

    def status(self):
        got = self.peer.run("dht", "status", "--json", env=ON)
        return got.json()["dht"][0] if got.code == h.OK and got.json()["dht"] else {}

    def wait(self, key, least, what):
        h.wait_for(lambda: self.status().get(key, 0) >= least, 40 * h.SLOW, what, every=0.3)


def keep_of(w):
    """A node that others begin at."""
    return Serving(w, "first", *torrent(w, "other", 64 * KIB, seed=9))


def announced(first, n=2):
    first.wait("torrents", n, "both names of the torrent are announced")


@test("two peers with no index and no tracker find each other by a node that neither has the torrent of", seconds=120)
def _(w):
    first = keep_of(w)
    path, src = torrent(w, "f", 3 * MIB)
    Serving(w, "a", path, src, "--dht-node", first.place)
    announced(first)
    b = w.peer("b", NOWHERE)
    b.run("get", path, "-o", b.path("f"), "--listen", h.HOST, "--dht-node", first.place, "--wait", "60", env=ON,
          seconds=100).expect(h.OK)
    h.check_same(b.path("f"), src)
    # What it learned is there for the next run, which begins without being told where.
    check(os.path.exists(os.path.join(b.home, "dht")), "the table is saved")
    os.remove(b.path("f"))
    b.run("get", path, "-o", b.path("f"), "--listen", h.HOST, "--wait", "60", env=ON, seconds=100).expect(h.OK)
    h.check_same(b.path("f"), src)


@test("who begins does not wait for the next second: the first word with the table finds the peers in it", seconds=120)
def _(w):
    (other, data), (path, src) = torrent(w, "other", 64 * KIB, seed=9), torrent(w, "f", 100 * KIB)
    took = []
    for n in range(3):  # the quickest counts: the machine may be busy
        first = Serving(w, f"first{n}", other, data)
        Serving(w, f"a{n}", path, src, "--dht-node", first.place)
        announced(first)
        b = w.peer(f"b{n}", NOWHERE)
        took.append(b.run("get", path, "-o", b.path("f"), "--listen", h.HOST, "--dht-node", first.place, "--wait", "60",
                          env=ON).expect(h.OK).seconds)
    check(min(took) < 0.8 * h.SLOW, "they took", took)


@test("what is fetched from chosen peers alone is not announced, nor are its holders looked for, until it is complete", seconds=120)
def _(w):
    first = keep_of(w)
    path, src = torrent(w, "f", 200 * KIB)
    a = Serving(w, "a", path, src, "--no-dht")
    b = w.peer("b", NOWHERE)
    get = ("get", path, "-o", b.path("f"), "--listen", h.HOST, "--dht-node", first.place)
    b.run(*get, "--from", h.other(0) + ":1", "--wait", "8", env=ON).expect(h.NO_HOLDER)
    check_eq(first.status()["torrents"], 0, "announced to the first")
    done = b.start(*get, "--from", a.place, "--seed", env=ON)
    announced(first)
    done.stop()


@test("a bare info-hash and a magnet link without trackers are enough to find and get a torrent", seconds=120)
def _(w):
    first = keep_of(w)
    path, src = torrent(w, "f", 3 * MIB)
    Serving(w, "a", path, src, "--dht-node", first.place)
    announced(first)
    hash_ = wire.Torrent.load(path).hash_v1.hex()
    for n, ref in enumerate((hash_, "magnet:?xt=urn:btih:" + hash_)):
        b = w.peer(f"b{n}", NOWHERE)
        b.run("get", ref, "-o", b.path("f"), "--listen", h.HOST, "--dht-node", first.place, "--wait", "60", env=ON,
              seconds=100).expect(h.OK)
        h.check_same(b.path("f"), src)


@test("nodes of the torrent itself are a beginning, and so is a damaged table none", seconds=120)
def _(w):
    first = keep_of(w)
    path, src = torrent(w, "f")
    with open(path, "rb") as f:
        top = wire.bdecode(f.read())
    top[b"nodes"] = [[h.HOST.encode(), first.port], [b"\x1b[2J", 5], [b"host.invalid", 99999], b"x"]
    with open(path, "wb") as f:
        f.write(wire.bencode(top))
    Serving(w, "a", path, src)
    announced(first)
    b = w.peer("b", NOWHERE)
    os.makedirs(b.home, exist_ok=True)
    with open(os.path.join(b.home, "dht"), "wb") as f:
        f.write(b"shoalDH1" + bytes(3000))
    b.run("get", path, "-o", b.path("f"), "--listen", h.HOST, "--wait", "60", env=ON, seconds=100).expect(h.OK)
    h.check_same(b.path("f"), src)


@test("peers tell each other where their nodes are (PORT), but never for a private torrent", seconds=120)
def _(w):
    path, src = torrent(w, "f")
    secret, src2 = torrent(w, "g", MIB, "--private", "--tracker", "http://127.0.0.1:1/announce", seed=2)
    a = Serving(w, "a", path, src)
    s = Serving(w, "s", secret, src2, "--transport", "tcp")
    b, c = w.peer("b", NOWHERE), w.peer("c", NOWHERE)
    get = b.start("get", path, "-o", b.path("f"), "--seed", "--listen", h.HOST, "--peer", a.place, env=ON)
    a.wait("nodes", 1, "its peer's node is known")
    h.wait_for(lambda: os.path.exists(b.path("f")), 30 * h.SLOW, "the torrent is there")
    c.run("get", secret, "-o", c.path("g"), "--listen", h.HOST, "--peer", s.place, env=ON).expect(h.OK)
    check_eq(s.status(), {}, "nothing is opened for a private torrent")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((h.HOST, s.port))  # the port is free
    udp.close()
    get.stop().expect(h.OK)


@test("a peer that says another port of its node each moment keeps nobody from searching (PORT)", seconds=60)
def _(w):
    path, src = torrent(w, "f")
    meta = wire.Torrent.load(path, src)
    seed = Serving(w, "a", path, src)
    c = wire.Conn.dial(seed.port)
    reserved = bytearray(wire.handshake(bytes(20))[20:28])
    reserved[7] |= 1
    c.greet(meta.hash_v1, reserved=bytes(reserved))
    silent = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
    for s in silent:
        s.bind((h.HOST, 0))
        c.send(struct.pack(">IBH", 3, 9, s.getsockname()[1]))
        time.sleep(0.02)
    h.wait_for(lambda: select.select(silent, [], [], 0)[0], 10 * h.SLOW, "the first one is asked")
    time.sleep(2)  # what should not come has no event
    check_eq(len(select.select(silent, [], [], 0)[0]), 1, "nor is another")
    c.close()
    for s in silent:
        s.close()


@test("with --no-dht and without uTP no port is opened", seconds=60)
def _(w):
    path, src = torrent(w, "f")
    a = Serving(w, "a", path, src, "--no-dht", "--transport", "tcp")
    check_eq(a.status(), {}, "it takes no part")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((h.HOST, a.port))
    udp.close()


@test("values are put, replaced and got; lookups tell peers; what is not there is said", seconds=120)
def _(w):
    first = keep_of(w)
    first.wait("port", 1, "it takes part")
    a, b = w.peer("a", NOWHERE), w.peer("b", NOWHERE)
    at = ("--dht-node", first.place, "--listen", h.HOST)
    target = a.run("dht", "put", "it is \x1b[2J42", *at, env=ON).expect(h.OK).out.strip()
    check_eq(len(target), 40, "the target")
    got = b.run("dht", "get", target, *at, env=ON).expect(h.OK).out
    check("it is \\x1b[2J42" in got, "the value, made harmless", got)
    key = a.run("dht", "put", "one", "--salt", "news", *at, env=ON).expect(h.OK).out.strip()
    for value, seq in (("one", 0), ("two", 1)):
        if seq:
            a.run("dht", "put", value, "--salt", "news", *at, env=ON).expect(h.OK)
        j = b.run("dht", "get", key, "--salt", "news", "--json", *at, env=ON).expect(h.OK).json()
        check_eq((bytes.fromhex(j["value"]), j["seq"]), (f"3:{value}".encode(), seq), "the newest value")
    b.run("dht", "get", key, "--salt", "olds", *at, env=ON).expect(h.NOT_FOUND).error_line("nothing is stored")
    b.run("dht", "get", "0" * 39, *at, env=ON).expect(h.USAGE)
    b.run("dht", "put", "x" * 1001, *at, env=ON).expect(h.USAGE)
    hash_ = wire.Torrent.load(w.path("other.torrent")).hash_v1.hex()
    found = b.run("dht", "lookup", hash_, *at, env=ON).expect(h.OK)
    check_eq(found.out, "", "its only peer has nobody to announce to")
    check_eq(first.status()["items"], 2, "kept for others")


class Keeper:
    """A node that knows nobody and keeps nothing: what is announced is to be announced again. Which hashes it was
    asked for."""

    ME = b"keeper-of-nothing---"

    def __init__(self, w):
        self.asked = set()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((h.HOST, 0))
        self.sock.settimeout(0.5)
        self.place = f"{h.HOST}:{self.sock.getsockname()[1]}"
        w.closers.append(self.sock.close)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, whom = self.sock.recvfrom(2000)
                ask = wire.bdecode(data)
                if b"info_hash" in ask[b"a"]:
                    self.asked.add(ask[b"a"][b"info_hash"])
                self.sock.sendto(wire.bencode({"r": {"id": self.ME, "nodes": b""}, "t": ask[b"t"], "y": "r"}), whom)
            except TimeoutError:
                pass
            except OSError:
                return


@test("what may be sent is not enough for all: each has its turn, instead of the first ones again and again", seconds=240)
def _(w):
    w.index()
    keeper, a = Keeper(w), w.peer("a")
    n = 130
    for i in range(n):
        h.make_file(a.path("files", str(i)), 100 + i)
    a.start("share", *[a.path("files", str(i)) for i in range(n)], "--v2-only", "--listen", h.HOST, "--dht-node", keeper.place,
            "-q", env=ON)
    h.wait_for(lambda: len(keeper.asked) == n, 120 * h.SLOW, "all are announced", every=0.3)


@test("noise and floods at the port change nothing (O-37, O-39)", seconds=120)
def _(w):
    first = keep_of(w)
    first.wait("port", 1, "it takes part")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((h.HOST, 0))
    ping = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
    for junk in (b"", b"d", b"i" * 1400, b"d1:y1:q1:t2:aae", bytes(1400), b"l" * 1000, ping[:-1],
                 b"d1:rd2:id20:abcdefghij0123456789e1:t4:\0\0\0\0" b"1:y1:re", b"d" + b"1:a" * 400):
        udp.sendto(junk, (h.HOST, first.port))
    before = first.status()
    for _ in range(20000):
        udp.sendto(ping, (h.HOST, first.port))
    after = first.status()
    check_eq(after["nodes"], 0, "nobody was believed to be a node")
    check(after["sent_bytes"] - before["sent_bytes"] < 200 * KIB, "replies stay below the rate", after)
    got = set()
    udp.settimeout(10 * h.SLOW)
    got.add(udp.recv(2000)[:6])
    check(got, "pings were answered")
    a = w.peer("a", NOWHERE)
    a.run("dht", "put", "still here", "--dht-node", first.place, "--listen", h.HOST, env=ON).expect(h.OK)


class Flood:
    """So many pings and questions a second to one port, from so many addresses; counts what is answered."""

    RATE = 10000

    def __init__(self, port, addresses):
        self.to, self.sent, self.open = (h.HOST, port), 0, True
        self.socks = []
        for i in range(addresses):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((h.other(i), 0))
            s.setblocking(False)
            self.socks.append(s)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        asks = [b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
                b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"]
        self.began = time.monotonic()
        while self.open:
            time.sleep(0.01)
            for _ in range(int((time.monotonic() - self.began) * self.RATE) - self.sent):
                try:
                    self.socks[self.sent % len(self.socks)].sendto(asks[self.sent % 2], self.to)
                except BlockingIOError:
                    pass
                self.sent += 1
        self.seconds = time.monotonic() - self.began

    def end(self):
        """(replies, their bytes)"""
        self.open = False
        self.thread.join()
        n = size = 0
        for s in self.socks:
            try:
                while True:
                    data = s.recv(2000)
                    if b"1:y1:r" in data:
                        n, size = n + 1, size + len(data)
            except BlockingIOError:
                s.close()
        return n, size


@test("10,000 packets a second from 1 and from 250 addresses: replies keep to their rate, searches end (O-39, G-17)", seconds=150)
def _(w):
    first = keep_of(w)
    rate, long = 8000, float(os.environ.get("SHOAL_FLOOD_SECONDS", 4))
    for n, addresses in enumerate((1, 250)):
        path, src = torrent(w, f"f{n}", 64 * KIB, seed=20 + n)
        port = h.free_port()
        flood = Flood(port, addresses)
        began = time.monotonic()
        a = Serving(w, f"a{n}", path, src, "--dht-node", first.place, port=port)
        announced(first, 2 * n + 2)
        took = time.monotonic() - began
        check(took < 30 * h.SLOW, f"its own search ends within 30 s: {took:.1f}")
        before, at = a.status(), time.monotonic()
        time.sleep(long)
        after, seconds = a.status(), time.monotonic() - at
        replies, size = flood.end()
        bps = (after["sent_bytes"] - before["sent_bytes"]) / seconds
        print(f"# {addresses}: {flood.sent / flood.seconds:.0f} packets/s asked, {replies} replies of {size} bytes in "
              f"{flood.seconds:.1f} s; {bps:.0f} bytes/s sent; announced in {took:.1f} s")
        check(flood.sent / flood.seconds > 9000 or h.SANITIZED, "the flood is one", flood.sent / flood.seconds)
        # What may go out at once, after silence, is one second's worth.
        check(size <= 1.05 * rate * (flood.seconds + 1), "replies keep to the rate", size, flood.seconds)
        check(bps <= 1.05 * rate * (1 + 1 / seconds), "and all that is sent", bps)
        if addresses == 1:
            check(replies <= 1.05 * (20 * flood.seconds + 60), "one address gets its share", replies, flood.seconds)
        elif not h.SANITIZED:
            check(bps >= 0.95 * rate, "many get all there is", bps)


@test("a place to begin that does not resolve costs nothing, and one that is none is refused", seconds=60)
def _(w):
    path, src = torrent(w, "f")
    Serving(w, "a", path, src, "--dht-node", "no.such.host.invalid:6881").proc.stop().expect(h.OK)
    b = w.peer("b", NOWHERE)
    b.run("get", path, "-o", b.path("f"), "--dht-node", "nonsense", env=ON).expect(h.USAGE).error_line("HOST:PORT")


if __name__ == "__main__":
    raise SystemExit(h.main())
