#!/usr/bin/python3
"""uTP: connections to peers over UDP, for those whom TCP does not reach."""

import random
import select
import socket
import struct
import threading
import time

import harness as h
import wire
from boxes import narrow_boxes, rule, two_boxes
from harness import MIB, check, check_eq, test

UTP = ("--transport", "utp", "--listen", h.HOST)
NOWHERE = "http://127.0.0.1:1"


def peers_of(daemon_peer):
    (one,) = daemon_peer.transfers()
    return daemon_peer.api("GET", f"transfers/{one['id']}/peers")[1]["peers"]


@test("two peers that speak uTP alone share a file; TCP is refused")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 20 * MIB)
    proc = a.share(src, *UTP, "--port", "0")
    b.get("film", *UTP)
    h.check_same(b.path("film"), src)
    check_eq(proc.listening(), set(), "TCP ports that are listened on")
    c = w.peer("c")
    c.run("get", "film", "--transport", "tcp", "--listen", h.HOST, "--wait", "2").expect(h.NO_HOLDER)
    # Who speaks both tries TCP first.
    c.get("film", "--listen", h.HOST)
    h.check_same(c.path("film"), src)


@test("a magnet link alone, encrypted, over uTP")
def _(w):
    a, b = w.peer("a", NOWHERE), w.peer("b", NOWHERE)
    src = h.make_file(a.path("f"), 3 * MIB)
    torrent = w.path("f.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    port = h.free_port()
    secret = (*UTP, "--encryption", "require", "--no-dht")
    proc = a.start("get", torrent, "-o", src, "--seed", "--port", str(port), *secret)
    h.wait_for(lambda: b"verified" in proc.out() + proc.err(), 30 * h.SLOW, "it is served")
    link = "magnet:?xt=urn:btih:" + wire.Torrent.load(torrent).hash_v1.hex() + f"&x.pe={h.HOST}:{port}"
    b.run("get", link, "-o", b.path("f"), *secret, seconds=60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("f"), src)


class Lossy:
    """A way for datagrams to one port that loses some of them, in both directions."""

    def __init__(self, to, percent):
        self.to, self.percent = (h.HOST, to), percent
        self.rng = random.Random(7)
        self.front, self.lost, self.passed = self.sock(), 0, 0
        self.port = self.front.getsockname()[1]
        self.backs, self.open = {}, True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def sock():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
        s.bind((h.HOST, 0))
        return s

    def run(self):
        while self.open:
            ready, _, _ = select.select([self.front, *self.backs], [], [], 0.2)
            for s in ready:
                data, peer = s.recvfrom(65536)
                if s is self.front:
                    out = next((b for b, p in self.backs.items() if p == peer), None)
                    if out is None:
                        out = self.sock()
                        self.backs[out] = peer
                    to = self.to
                else:
                    out, to = self.front, self.backs[s]
                if self.rng.random() * 100 < self.percent:
                    self.lost += 1
                else:
                    self.passed += 1
                    out.sendto(data, to)

    def close(self):
        self.open = False
        self.thread.join()
        for s in (self.front, *self.backs):
            s.close()


@test("where 5 % of the packets are lost all arrives", seconds=120)
def _(w):
    a, b = w.peer("a", NOWHERE), w.peer("b", NOWHERE)
    src = h.make_file(a.path("film"), 4 * MIB)
    torrent = w.path("film.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    port = h.free_port()
    p = a.start("get", torrent, "-o", src, "--seed", "--port", str(port), *UTP, "--no-dht")
    h.wait_for(lambda: b"verified" in p.out() + p.err(), 30 * h.SLOW, "it is served")
    way = Lossy(port, 5)
    b.run("get", torrent, "-o", b.path("film"), "--peer", f"{h.HOST}:{way.port}", *UTP, "--no-dht", "--no-seed",
          seconds=100).expect(h.OK)
    way.close()
    h.check_same(b.path("film"), src)
    check(way.lost > way.passed / 40, f"{way.lost} packets were lost, {way.passed} passed")


@test("the daemon shows what carries a connection")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 8 * MIB)
    a.share(src, *UTP, "--limit-up", "1M", "--limit-lan")
    b.daemon(*UTP)
    b.run("get", "film", "--detach").expect(h.OK)
    h.wait_for(lambda: [p["transport"] for p in peers_of(b)] == ["utp"], 20 * h.SLOW, "the peer is there over uTP")
    h.wait_for(lambda: b.api("GET", "status")[1]["utp"]["packets_in"] > 100, 20 * h.SLOW, "packets are counted")
    check_eq(b.api("GET", "status")[1]["utp"]["peers"], 1, "peers over uTP")
    check_eq(b.run("status", "--json").json()["status"]["utp"]["peers"], 1, "status says so")


def narrow(w, v6, swallows):
    a, b, at = narrow_boxes(w, v6, swallows)
    src, torrent = h.make_file(a.peer.path("film"), 3 * MIB), w.path("film.torrent")
    a.peer.run("create", src, "-o", torrent).expect(h.OK)
    how = ("--transport", "utp", "--no-dht", "--no-lsd", "--no-map", "--index", NOWHERE)
    p = a.start("get", torrent, "-o", src, "--seed", "--port", "6999", *how)
    h.wait_for(lambda: b"there already" in p.out(), 30 * h.SLOW, "it is served")
    got = b.start("get", torrent, "-o", "film", "--wait", "60", "--peer", f"[{at}]:6999" if v6 else f"{at}:6999", *how)
    got.wait(60 * h.SLOW).expect(h.OK)
    print("#", got.out().decode().strip().split(": ")[-1])
    h.check_same(b.peer.path("film"), src)


for v6, family in ((False, "IPv4"), (True, "IPv6")):
    for swallows, how in ((False, "cuts what is longer"), (True, "swallows it")):
        def _(w, v6=v6, swallows=swallows):
            narrow(w, v6, swallows)
        test(f"over {family} a way that carries 1,280 bytes and {how}", seconds=90)(_)


DOOR = "6999"
NO_TCP = "chain in { type filter hook input priority 0; tcp dport 6999 drop; }; "
NO_UDP = "chain in2 { type filter hook input priority 0; udp dport 6999 reject; }; "


@test("whom TCP does not reach is dialled over uTP after two and a half seconds, and over TCP first the next time", seconds=90)
def _(w):
    a, b = two_boxes(w)
    nft = h.need("nft")
    src, torrent = h.make_file(a.peer.path("film"), 1 * MIB), w.path("film.torrent")
    a.peer.run("create", src, "-o", torrent).expect(h.OK)
    how = ("-v", "--no-dht", "--no-lsd", "--no-map", "--index", NOWHERE)
    p = a.start("get", torrent, "-o", src, "--seed", "--port", DOOR, *how)
    h.wait_for(lambda: b"there already" in p.out(), 30 * h.SLOW, "it is served")
    at = ("--peer", f"10.79.0.1:{DOOR}", "--wait", "60", *how)
    # TCP is swallowed.
    rule(a, nft, "table ip door { " + NO_TCP + "}")
    began = time.monotonic()
    b.start("get", torrent, "-o", "one", *at).wait(60 * h.SLOW).expect(h.OK)
    took = time.monotonic() - began
    check(2.5 <= took < 8 * h.SLOW, "it takes as long as TCP is waited for, and little more", took)
    h.check_same(b.peer.path("one"), src)
    # Both fail; then TCP alone works.
    rule(a, nft, "table ip door { " + NO_UDP + "}")
    got = b.start("get", torrent, "-o", "two", *at)
    h.wait_for(lambda: b"nobody answers there" in got.err(), 20 * h.SLOW, "uTP was tried, too")
    rule(a, nft, "flush chain ip door in")
    got.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.peer.path("two"), src)


def syn(sock, to, number):
    sock.sendto(struct.pack(">BBHIIIHH", 0x41, 0, number, 1, 0, 1 << 20, 1, 0), to)


@test("a flood of SYNs gets no more bytes than it sends, and those who mean it are served (O-39)")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 4 * MIB)
    port = h.free_port()
    proc = a.share(src, *UTP, "--port", str(port))
    before = proc.rss()
    flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flood.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
    flood.bind((h.HOST, 0))
    flood.setblocking(False)
    sent, got, other = 0, 0, 0
    for number in range(20000):
        syn(flood, (h.HOST, port), number * 3 & 0xffff)
        sent += 20
        while True:
            try:
                data = flood.recv(2048)
            except BlockingIOError:
                break
            got += len(data)
            other += len(data) != 20
    b.get("film", *UTP)
    h.check_same(b.path("film"), src)
    check(got <= sent and other == 0, f"{sent} bytes were answered with {got}")
    check(h.SANITIZED or proc.rss() - before < 8 * MIB, f"the memory grew by {proc.rss() - before} bytes")
    # Nor is anybody told of torrents who has not shown where he is: data without the right number.
    hello = b"\x13BitTorrent protocol" + bytes(48)
    flood.sendto(struct.pack(">BBHIIIHH", 0x01, 0, 4, 1, 0, 1 << 20, 2, 7) + hello, (h.HOST, port))
    flood.close()


@test("an address that never answers is dialled again and again, and get gives up all the same", seconds=60)
def _(w):
    a, b = w.peer("a"), w.peer("b")
    torrent = w.path("film.torrent")
    a.run("create", h.make_file(a.path("film"), MIB), "-o", torrent).expect(h.OK)
    silent = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for s in silent:
        s.bind((h.HOST, 0))
    peers = [x for s in silent for x in ("--peer", f"{h.HOST}:{s.getsockname()[1]}")]
    how = ("--no-dht", "--index", "http://127.0.0.1:9", "--wait", "8", *peers, *UTP)
    done = b.run("get", torrent, *how, seconds=50).expect(h.NO_HOLDER)
    check(done.seconds < 24 * h.SLOW, "a first dial and what was asked for", done.seconds)
    for s in silent:
        s.close()


def packet(kind, number, seq, ack):
    return struct.pack(">BBHIIIHH", kind << 4 | 1, 0, number, 1, 0, 1 << 20, seq, ack)


def knock(sock, to, number):
    """Eight SYNs, and an answer to each answer; returns (those that were answered, kinds of all else that came)."""
    for i in range(8):
        sock.sendto(packet(4, number + 2 * i, 1, 0), to)
    met, other, end = 0, [], time.monotonic() + h.SLOW
    while met < 8 and time.monotonic() < end:
        if not select.select([sock], [], [], 0.1)[0]:
            continue
        data = sock.recv(2048)
        kind, back, seq = data[0] >> 4, *struct.unpack_from(">H12xH", data, 2)
        if kind != 2:
            other.append(kind)
            continue
        sock.sendto(packet(2, back + 1, 2, (seq - 1) & 0xffff), to)
        met += 1
    return met, other


@test("who connects thousands of times and says nothing takes nobody's place", seconds=120)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 4 * MIB)
    port = h.free_port()
    a.share(src, *UTP, "--port", str(port))
    crowd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    crowd.bind((h.HOST, 0))
    kinds = set()
    for i in range(8000 // 8):
        met, other = knock(crowd, (h.HOST, port), 1 + 16 * i)
        check_eq(met, 8, f"those that were let in, after {8 * i}")
        kinds.update(other)
    # Strangers that make way for others are reset: nothing is kept for them.
    check_eq(kinds, {3}, "what the others were told")
    b.get("film", *UTP)
    h.check_same(b.path("film"), src)
    crowd.close()


if __name__ == "__main__":
    raise SystemExit(h.main())
