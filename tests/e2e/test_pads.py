#!/usr/bin/python3
"""Pads (BEP 47) between the files of a folder: zeros that everybody knows, so nobody is asked for them."""

import os
import socket
import sys
import threading

import harness as h
import wire
from harness import KIB, check, check_eq, test
from wire import Gone

SIZES = {"a": 100, "b": 20_000, "c": 70_000, "d/e": 5, "d/f": 16 * KIB, "d/g": 40_001, "z": 1}


class Relay:
    """Stands before a peer, and counts what goes to and fro."""

    def __init__(self, port):
        self.bytes = 0
        self.port, self.listener = port, socket.create_server((h.HOST, 0))
        self.addr = f"{h.HOST}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection((h.HOST, self.port))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, to):
        try:
            while got := source.recv(65536):
                self.bytes += len(got)
                to.sendall(got)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.close()


def space_of(t, folder):
    """The bytes of all pieces in a row, and where files end in them."""
    space, ends = b"", []
    for f in t.info[b"files"]:
        if b"p" in f.get(b"attr", b""):
            space += bytes(f[b"length"])
            continue
        with open(os.path.join(os.fsencode(folder), *f[b"path"]), "rb") as data:
            space += data.read()
        ends.append(len(space))
    return space, ends


def torrents(peer):
    """A folder, and torrents of it that have pads."""
    folder = h.make_tree(peer.path("folder"), SIZES)
    hybrid = peer.path("hybrid.torrent")
    peer.run("create", folder, "-o", hybrid, "--piece-length", "32K").expect(h.OK)
    wire.create_padded(folder, peer.path("v1.torrent"), 48 * KIB)
    return folder, [hybrid, peer.path("v1.torrent")]


class Asked(wire.FakeSeed):
    """Remembers which bytes of all it was asked for."""

    def __init__(self, torrent, **kw):
        super().__init__(torrent, **kw)
        self.asked = []

    def on_request(self, c, piece, begin, length):
        at = piece * self.t.piece_length + begin
        self.asked.append((at, at + length))
        super().on_request(c, piece, begin, length)


@test("of 500 small files little more than their own bytes crosses the wire")
def _(w):
    a, b = w.peer("a"), w.peer("b")
    n, size = 500, 4 * KIB
    src = h.make_tree(a.path("small"), {f"d{i % 7}/f{i}": size for i in range(n)})
    torrent = a.path("small.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    check(b"6:lengthi12288e" in open(torrent, "rb").read(), "it has pads")
    seed = a.start("get", torrent, "--seed")
    relay = Relay(seed.port())
    done = b.run("get", torrent, "--peer", relay.addr, "--json").expect(h.OK).json()
    h.check_same(b.path("small"), src)
    print(f"# {relay.bytes / (n * size):.3f} of the bytes of the files")
    check(n * size < relay.bytes < 1.3 * n * size, "bytes on the wire", relay.bytes)
    check_eq(done["downloaded"], n * size, "what it says that it fetched")
    check_eq(done["wasted"], 0, "and in vain")
    relay.stop()


@test("requests end where files do: a seed of another make is asked for every byte of theirs once, and for no pad")
def _(w):
    a = w.peer("a")
    folder, made = torrents(a)
    for i, path in enumerate(made):
        t = wire.Torrent.load(path)
        space, ends = space_of(t, folder)
        seed = Asked(t, data=space, host=h.other(i))
        b = w.peer(f"b{i}")
        done = b.run("get", path, "--peer", seed.addr, "--wait", "20", "--json").expect(h.OK).json()
        h.check_same(b.path("folder"), folder)
        check_eq(done["downloaded"], sum(SIZES.values()), "what it says that it fetched")
        at = 0
        for first, end in sorted(seed.asked):
            check(first < end, "a request asks for something", first, end)
            check(not any(space[at:first]), "between requests lie zeros", at, first)
            check(end in ends or (end - first == wire.BLOCK and end % t.piece_length % wire.BLOCK == 0),
                  "a request is a whole block or ends with a file", first, end)
            at = end
        check_eq(sum(end - first for first, end in seed.asked), sum(SIZES.values()), "asked for")
        seed.stop()


@test("who answers a short request with more, or with less, is refused; the folder comes from another", 90)
def _(w):
    a = w.peer("a")
    folder, made = torrents(a)

    class Longer(wire.FakeSeed):
        def answer(self, c, piece, begin, block):
            super().answer(c, piece, begin, block + bytes(wire.BLOCK - len(block)))

    class Shorter(wire.FakeSeed):
        def answer(self, c, piece, begin, block):
            super().answer(c, piece, begin, block if len(block) == wire.BLOCK else block[:-1])

    for i, path in enumerate(made):
        t = wire.Torrent.load(path)
        space, _ = space_of(t, folder)
        for k, kind in enumerate((Longer, Shorter)):
            b = w.peer(f"b{i}{k}")
            bad = kind(t, data=space, host=h.other(10 * i + k))
            get = b.start("get", path, "--peer", bad.addr, "--wait", "60")
            h.wait_for(lambda: bad.sent > 0 and bad.connected() == 0, 20 * h.SLOW, "it is refused")
            check(not os.path.exists(b.path("folder")), "nothing is at the final name")
            get.stop()
            good = wire.FakeSeed(t, data=space, host=h.other(100 + 10 * i + k))
            b.run("get", path, "--peer", bad.addr, "--peer", good.addr, "--wait", "20").expect(h.OK)
            h.check_same(b.path("folder"), folder)
            bad.stop()
            good.stop()


@test("pads are served as zeros to who asks for them, short requests as they are asked, others not at all")
def _(w):
    a = w.peer("a")
    folder, made = torrents(a)
    for path in made:
        t = wire.Torrent.load(path)
        space, _ = space_of(t, folder)
        seed = a.start("get", path, "--seed")
        h.wait_for(lambda: b"there already" in seed.out(), 20 * h.SLOW, "it is verified, and served")
        c = wire.Conn.dial(seed.port()).leech(t.hash)
        for piece, begin, n in t.blocks():
            at = piece * t.piece_length + begin
            for length in (n, n - 1, 1):
                check(c.fetch(piece, begin, length) == space[at:at + length], "bytes and zeros", piece, begin, length)
        last = t.n_pieces - 1
        for piece, begin, length in ((0, 0, 0), (0, t.piece_length - 1, 2), (last, t.piece_size(last), 1)):
            try:
                check_eq(c.fetch(piece, begin, length), None, "answer to a request out of range")
            except Gone:
                c = wire.Conn.dial(seed.port()).leech(t.hash)
        c.close()
        seed.stop()


if __name__ == "__main__":
    sys.exit(h.main())
