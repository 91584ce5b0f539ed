#!/usr/bin/python3
"""Hostile peers and trackers against real processes: O-11 to O-19, O-21, O-22, O-45 of the hostile inputs.

Each hostile party has a loopback address of its own, since bans go by address. After each case: the
process lives, its memory and descriptors are back, an honest peer is served, and nothing wrong was
stored."""

import hashlib
import os
import random
import signal
import socket
import struct
import threading
import time

import harness as h
import wire
from harness import KIB, MIB, Skip, check, check_eq, test
from wire import Conn, Gone, msg

_next = [0]


def source():
    """An address that was not used yet."""
    _next[0] += 1
    return h.other(1000 + _next[0])


def sha256(data):
    return hashlib.sha256(data).digest()


class Seed:
    """A shoal that seeds, what it seeds, and whether it is well."""

    def __init__(self, w, size=4 * MIB, *args):
        self.w, self.index, self.peer = w, w.index(), w.peer("seed")
        self.src = h.make_file(self.peer.path("f"), size)
        self.proc = self.peer.share(self.src, "--piece-length", "64K", *args)
        self.t = wire.Torrent(self.index.torrent("f"), self.src)
        with open(self.src, "rb") as f:
            self.data = f.read()
        self.port = self.proc.listening().copy().pop()
        self.watch = h.Watch(self.proc)

    def dial(self, **kw):
        return Conn.dial(self.port, source=source(), **kw)

    def honest(self):
        """A well-behaved peer gets the right bytes."""
        c = self.dial().leech(self.t.hash)
        r = random.Random(3)
        for _ in range(3):
            p = r.randrange(self.t.n_pieces)
            at = p * self.t.piece_length
            check(c.fetch(p, 0, wire.BLOCK) == self.data[at:at + wire.BLOCK], "an honest peer gets right bytes")
        c.close()

    def well(self):
        self.honest()
        self.watch.settle()


def closes(c, seconds, what):
    check(c.closed_within(seconds), f"not closed within {seconds} s: {what}")
    c.close()


# ---- O-11 handshakes ----------------------------------------------------------------------

@test("O-11: handshakes that dawdle, stop, lie or rave are closed within 10 s")
def _(w):
    s = Seed(w)
    good = wire.handshake(s.t.hash)
    crowd = h.Crowd()
    limit = 12 * h.SLOW

    def case(what, data, seconds=limit):
        c = s.dial()
        try:
            c.send(data)
        except Gone:
            pass
        closes(c, seconds, what)

    def dribble():
        c = s.dial()
        end = time.monotonic() + limit
        for b in good:
            try:
                c.send(bytes([b]))
            except Gone:
                return
            if c.closed_within(1.0):
                return
            check(time.monotonic() < end, "one byte each second was borne for too long")

    def own_id():
        c = s.dial()
        c.greet(s.t.hash)
        mine = c.their_id
        c.close()
        c = s.dial()
        c.send(wire.handshake(s.t.hash, peer_id=mine))
        closes(c, limit, "our own peer id")
    crowd.start(dribble)
    crowd.start(own_id)
    crowd.start(case, "silence", b"")
    crowd.start(case, "47 of 68 bytes", good[:47])
    crowd.start(case, "67 of 68 bytes", good[:67])
    crowd.start(case, "wrong protocol string", b"\x13BitTorrent protoc0l" + good[20:], 3 * h.SLOW)
    crowd.start(case, "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3 * h.SLOW)
    crowd.start(case, "TLS", b"\x16\x03\x01\x02\x00\x01" + b"x" * 512, 3 * h.SLOW)
    crowd.start(case, "unknown info-hash", wire.handshake(os.urandom(20)), 3 * h.SLOW)
    crowd.start(case, "1 MB of noise", os.urandom(1_000_000), 3 * h.SLOW)
    crowd.start(case, "a pad and an extension message in one segment", os.urandom(512) + msg(wire.EXTENDED, body=b"\0d1:mdee"), limit)
    crowd.start(case, "handshake and a huge length at once", good + b"\xff\xff\xff\xff", 3 * h.SLOW)
    crowd.join(20 * h.SLOW)
    s.well()


@test("O-11: 600 silent connections from many addresses; honest peers are served meanwhile")
def _(w):
    s = Seed(w)
    conns = []
    for i in range(600):
        try:
            conns.append(s.dial(timeout=5))
        except OSError:
            pass
    begun = time.monotonic()
    for _ in range(5):
        s.honest()
    check(time.monotonic() - begun < 25 * h.SLOW, "honest peers waited", time.monotonic() - begun)
    for c in conns:
        check(c.closed_within(max(0.1, begun + 16 * h.SLOW - time.monotonic())), "a silent connection is kept")
        c.close()
    s.well()


@test("200 interested connections of one host that take nothing; others are served", seconds=150)
def _(w):
    s = Seed(w)
    host, conns = source(), []
    try:
        for _ in range(200):
            c = Conn.dial(s.port, source=host)
            conns.append(c)
            c.greet(s.t.hash)
            c.send(msg(wire.HAVE_NONE) + msg(wire.INTERESTED))
        # All are in: for one more of that host there is no place.
        c = Conn.dial(s.port, source=host)
        c.send(wire.handshake(s.t.hash))
        closes(c, 10 * h.SLOW, "the 201st connection")
        # It waits its turn among those who were not unchoked yet.
        c = s.dial().leech(s.t.hash, seconds=100 * h.SLOW)
        check(c.fetch(0, 0, wire.BLOCK) == s.data[:wire.BLOCK], "an honest peer gets right bytes")
        c.close()
    finally:
        for c in conns:
            c.close()
    s.well()


# ---- O-12 framing -------------------------------------------------------------------------

@test("O-12: huge length prefixes, unknown ids, wrong sizes and cut messages close, and allocate nothing")
def _(w):
    s = Seed(w)
    fatal = {f"length {n:#x}": struct.pack(">I", n) + b"\x07" for n in (0xffffffff, 1 << 31, (2 << 20) + 1, 1 << 24)}
    for kind, body in ((wire.CHOKE, b"x"), (wire.UNCHOKE, b"x"), (wire.INTERESTED, b"xx"), (wire.HAVE, b"xyz"), (wire.HAVE, b"12345"),
                       (wire.REQUEST, b"x" * 11), (wire.REQUEST, b"x" * 13), (wire.CANCEL, b""), (wire.PIECE, b"1234567"), (wire.PORT, b"x"),
                       (wire.HAVE_ALL, b"x"), (wire.HAVE_NONE, b"x"), (wire.REJECT, b"x"), (wire.ALLOWED_FAST, b""), (wire.SUGGEST, b"x"),
                       (wire.EXTENDED, b""), (wire.HASH_REQUEST, b"x"), (wire.HASHES, b"x" * 20)):
        fatal[f"id {kind} with {len(body)} bytes"] = msg(kind, body=body)
    crowd = h.Crowd()

    def case(what, data):
        c = s.dial().greet(s.t.hash)
        c.send(data)
        closes(c, 5 * h.SLOW, what)
    for what, data in fatal.items():
        crowd.start(case, what, data)

    def fin():
        c = s.dial().greet(s.t.hash)
        c.send(msg(wire.REQUEST, 0, 0, wire.BLOCK)[:9])
        c.sock.shutdown(socket.SHUT_WR)
        closes(c, 5 * h.SLOW, "a cut message and FIN")
    crowd.start(fin)
    crowd.join(15 * h.SLOW)

    # Ids that nobody knows may come from newer clients: skipped or closed, never worse.
    for kind in [10, 11, 12, 18, 19, *range(24, 256)]:
        c = s.dial().greet(s.t.hash)
        c.send(msg(kind, body=os.urandom(kind)) + msg(wire.INTERESTED))
        try:
            c.wait(wire.UNCHOKE, seconds=5 * h.SLOW)
        except (Gone, TimeoutError):
            pass
        c.close()
        if not s.proc.alive():
            break
    s.well()


# ---- O-13 pieces that are not there -------------------------------------------------------

@test("O-13: HAVE out of range; bitfields short, long, with spare bits, taken back; HAVE_ALL without the extension")
def _(w):
    s = Seed(w, 4 * MIB - 3 * 64 * KIB)  # 61 pieces: three spare bits
    n = s.t.n_pieces
    check_eq(n % 8 != 0, True, "spare bits exist")
    full = s.t.bitfield()
    spare = full[:-1] + bytes([full[-1] | 1])
    cases = {f"HAVE {i}": (True, msg(wire.HAVE, i)) for i in (n, 1 << 31, 0xffffffff, n + 7)}
    cases.update({
        "short bitfield": (True, msg(wire.BITFIELD, body=full[:-1])), "empty bitfield": (True, msg(wire.BITFIELD)),
        "long bitfield": (True, msg(wire.BITFIELD, body=full + b"\0")), "spare bits": (True, msg(wire.BITFIELD, body=spare)),
        # aria2 sends a second bitfield, or HAVE_ALL, instead of many HAVEs: what takes pieces back is wrong.
        "a bitfield that takes back": (True, msg(wire.BITFIELD, body=full) + msg(wire.BITFIELD, body=bytes(len(full)))),
        "bitfield and HAVE_NONE": (True, msg(wire.BITFIELD, body=full) + msg(wire.HAVE_NONE)),
        "HAVE_ALL without the extension": (False, msg(wire.HAVE_ALL)), "REJECT without it": (False, msg(wire.REJECT, 0, 0, 16384)),
        "a bitfield after HAVE": (True, msg(wire.HAVE, 1) + msg(wire.BITFIELD, body=full)),
        "two bitfields": (True, msg(wire.BITFIELD, body=full) * 2), "HAVE_ALL twice": (True, msg(wire.HAVE_ALL) * 2),
        "bitfield of 250 KiB": (True, msg(wire.BITFIELD, body=bytes(250 * KIB))),
        "SUGGEST out of range": (True, msg(wire.SUGGEST, n)), "ALLOWED_FAST out of range": (True, msg(wire.ALLOWED_FAST, 0xffffffff)),
    })
    # aria2 sends later bitfields instead of many HAVEs, and HAVE_ALL at the end: what takes nothing
    # back is good.
    may_live = {"SUGGEST out of range", "ALLOWED_FAST out of range", "a bitfield after HAVE", "two bitfields",
                "HAVE_ALL twice"}
    crowd = h.Crowd()

    def case(what, fast, data):
        c = s.dial().greet(s.t.hash, fast=fast)
        try:
            c.send(data)
        except Gone:
            return
        if what not in may_live:
            closes(c, 5 * h.SLOW, what)
    for what, (fast, data) in cases.items():
        crowd.start(case, what, fast, data)
    crowd.join(15 * h.SLOW)
    s.well()


@test("three breaches of protocol in a row earn the address a ban; others are served")
def _(w):
    s = Seed(w)
    bad = source()
    for _ in range(3):
        c = Conn.dial(s.port, source=bad).greet(s.t.hash)
        c.introduce(7777)
        c.send(msg(wire.HAVE, 0xffffffff))
        closes(c, 5 * h.SLOW, "HAVE out of range")
    check(not let_in(s.port, s.t, bad, 7777), "a banned address is let in")
    check(let_in(s.port, s.t, source(), 7777), "another address is not")
    s.well()


# ---- O-14 requests ------------------------------------------------------------------------

@test("O-14: requests out of range are rejected or closed; never a byte from outside the piece")
def _(w):
    s = Seed(w, 4 * MIB - 1000)
    n, plen = s.t.n_pieces, s.t.piece_length
    last = s.t.piece_size(n - 1)
    asks = [(n, 0, 16384), (0xffffffff, 0, 16384), (1 << 31, 0, 1), (0, plen, 16384), (0, plen - 1, 2), (0, 0, plen + 1),
            (0, 0xffffffff, 1), (0, 0xffffc000, 0x8000), (0, 16384, 0xfffffff0), (0, 1, 0xffffffff), (0, 0, 0), (0, 0, 16385), (0, 0, 32768),
            (0, 0, 131072), (0, 0, 131073), (0, 0, 1 << 24), (n - 1, last - 1, 2), (n - 1, 0, plen), (n - 1, last, 1), (n - 1, last & ~16383, 16384)]

    def case(ask):
        piece, begin, length = ask
        c = s.dial()
        try:
            c.leech(s.t.hash)
            got = c.fetch(piece, begin, length, seconds=5 * h.SLOW)
        except Gone:
            return
        finally:
            c.close()
        if got is not None:
            at = piece * plen + begin
            size = s.t.piece_size(piece) if piece < n else 0
            check(0 < length <= 128 * KIB and begin + length <= size and got == s.data[at:at + length],
                  f"request {ask} was answered with {len(got)} bytes")
    crowd = h.Crowd()
    for ask in asks:
        crowd.start(case, ask)
    crowd.join(30 * h.SLOW)

    # While choked: nothing is served (BEP 6: rejected).
    c = s.dial().greet(s.t.hash)
    c.send(msg(wire.REQUEST, n - 1, 0, 1000))
    try:
        k, _ = c.wait(wire.PIECE, wire.REJECT, seconds=4)
        check(k == wire.REJECT, "a block was served while choked")
    except (Gone, TimeoutError):
        pass
    c.close()
    s.well()


@test("O-14: a request for a piece that a getter lacks is refused")
def _(w):
    s = Seed(w, 8 * MIB)
    slow = wire.SlowSeed(s.t, MIB)
    s.proc.stop()
    g = w.peer("g")
    get = g.start("get", "f", "--wait", "60", "--peer", slow.addr)
    port = get.port()
    c = Conn.dial(port, source=source()).greet(s.t.hash)
    c.send(msg(wire.HAVE_NONE) + msg(wire.INTERESTED))
    if not c.unchoked:
        c.wait(wire.UNCHOKE, seconds=30)
    lacks = set(range(s.t.n_pieces))
    for p in range(s.t.n_pieces - 1, s.t.n_pieces - 30, -1):
        c.send(msg(wire.REQUEST, p, 0, wire.BLOCK))
    answers = 0
    try:
        while answers < 20:
            k, body = c.recv(6)
            if k == wire.HAVE:
                lacks.discard(int.from_bytes(body, "big"))
            elif k == wire.REJECT:
                answers += 1
            elif k == wire.PIECE:
                answers += 1
                p, begin = struct.unpack(">II", body[:8])
                check(body[8:] == slow.block(p, begin, len(body) - 8), "bytes served of an unfinished piece are right")
    except (Gone, TimeoutError):
        pass
    check(get.alive(), "get lives")
    c.close()
    slow.stop()


# ---- O-15 a reader that does not read -----------------------------------------------------

def timed_get(w, name, peer):
    done = peer.get("f", "-o", name, "--json").json()
    os.unlink(peer.path(name))
    return done["seconds"]


@test("O-15: a million requests and a socket that is never read: bounded, and others keep their rate", seconds=120)
def _(w):
    s = Seed(w, 96 * MIB)
    g = w.peer("g")
    base = min(timed_get(w, f"b{i}", g) for i in range(3))
    ask = b"".join(msg(wire.REQUEST, p, b, n) for p, b, n in list(s.t.blocks())[:4000])
    floods = []
    for _ in range(4):
        c = s.dial().leech(s.t.hash)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        floods.append(c)

    def flood(c):
        c.sock.settimeout(8)
        sent = 0
        try:
            while sent < 1_000_000 // 4:
                c.sock.sendall(ask)
                sent += 4000
        except OSError:
            pass
    threads = [threading.Thread(target=flood, args=(c,)) for c in floods]
    for t in threads:
        t.start()
    for t in threads:
        t.join(40)
    s.watch.settle(slack_fds=len(floods) + 2)
    # Other tests may have the processor for one or the other.
    most, under = base / 0.9 + 0.15 * h.SLOW, float("inf")
    for i in range(10):
        under = min(under, timed_get(w, f"u{i}", g))
        if i >= 2 and under <= most:
            break
    check(under <= most, f"a get took {base:.2f} s before and {under:.2f} s under the flood")
    for c in floods:
        c.close()
    s.well()


@test("fifty that ask and never read keep no getter waiting: a place that is taken in vain is given to the next", seconds=120)
def _(w):
    s = Seed(w, 64 * MIB)
    g = w.peer("g")
    plain = [timed_get(w, f"b{i}", g) for i in range(3)]
    base = min(plain)
    ask = b"".join(msg(wire.REQUEST, p, b, n) for p, b, n in list(s.t.blocks())[:1024])
    readers = [s.dial().greet(s.t.hash, fast=False) for _ in range(50)]
    for c in readers:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.send(msg(wire.INTERESTED))
    over = threading.Event()

    def go_on_asking():
        while not over.wait(0.3):
            for c in readers:
                c.sock.settimeout(1)
                try:
                    c.sock.sendall(ask)
                except OSError:
                    pass  # it is not read from either while it waits for so much
    thread = threading.Thread(target=go_on_asking)
    thread.start()
    try:
        took = [timed_get(w, "first", g)]
        # Some of them are tried before it, all at once: on an idle machine that takes 1 s.
        check(took[0] <= max(plain) * 2 + 2.5 * h.SLOW, f"who comes with them has a place soon: {took[0]:.2f} s, without {plain}")

        def as_ever():
            took.append(timed_get(w, "again", g))
            return took[-1] <= base * 1.25 + 0.15 * h.SLOW
        h.wait_for(as_ever, 20 * h.SLOW, "all have had a place, and lost it: a get takes as long as without them", every=0.5)
        h.wait_for(as_ever, 10 * h.SLOW, "and so do the next ones")
    finally:
        over.set()
        thread.join(60)
    print(f"# {base:.2f} s without them; when they have come {' '.join(f'{s:.2f}' for s in took)} s")
    for c in readers:
        c.close()
    s.well()


# ---- O-16 blocks that nobody asked for ----------------------------------------------------

class Pushy(wire.SlowSeed):
    """Serves, and once in a while does what it should not."""

    def __init__(self, torrent, trick, **kw):
        super().__init__(torrent, 8 * MIB, **kw)
        self.trick, self.done = trick, False

    def on_request(self, c, piece, begin, length):
        if not self.done:
            self.done = True
            self.trick(self, c, piece, begin, length)
        else:
            super().on_request(c, piece, begin, length)


@test("O-16: unasked, duplicate, over-long, empty and misplaced blocks write nothing wrong", seconds=90)
def _(w):
    s = Seed(w, 6 * MIB)
    n, plen = s.t.n_pieces, s.t.piece_length
    junk = os.urandom(16384)

    def unasked(me, c, p, b, ln):
        c.send(msg(wire.PIECE, (p + n // 2) % n, 0, body=junk))

    def twice(me, c, p, b, ln):
        me.answer(c, p, b, me.block(p, b, ln))
        c.send(msg(wire.PIECE, p, b, body=junk))

    def long(me, c, p, b, ln):
        c.send(msg(wire.PIECE, p, b, body=me.block(p, b, ln) + b"x"))

    def very_long(me, c, p, b, ln):
        c.send(msg(wire.PIECE, p, b, body=os.urandom(200 * KIB)))

    def empty(me, c, p, b, ln):
        c.send(msg(wire.PIECE, p, b))

    def short(me, c, p, b, ln):
        c.send(msg(wire.PIECE, p, b, body=me.block(p, b, ln)[:-1]))

    def outside(me, c, p, b, ln):
        c.send(msg(wire.PIECE, 0xffffffff, 0xffffffff, body=junk))

    def past_end(me, c, p, b, ln):
        c.send(msg(wire.PIECE, n - 1, plen, body=junk))

    def odd_begin(me, c, p, b, ln):
        c.send(msg(wire.PIECE, p, b + 1, body=junk))
    canary = h.Canary(w.path("canary"))
    for i, trick in enumerate((unasked, twice, long, very_long, empty, short, outside, past_end, odd_begin)):
        g = w.peer(f"g{i}")
        bad = Pushy(s.t, trick, host=h.other(30 + i))
        done = g.run("get", "f", "--json", "--peer", bad.addr, seconds=40).expect(h.OK).json()
        h.check_same(g.path("f"), s.src)
        check(done["downloaded"] <= len(s.data) + 2 * MIB, f"{trick.__name__}: {done}")
        bad.stop()
    canary.check()

    # Alone with a peer that pushes junk before anything is asked: nothing is stored.
    class Early(wire.FakeSeed):
        def open(self, c):
            super().open(c)
            for p in range(n):
                c.send(msg(wire.PIECE, p, 0, body=junk))
    s.proc.stop()
    g = w.peer("alone")
    bad = Early(s.t, host=h.other(60))
    g.run("get", "f", "--wait", "3", "--peer", bad.addr, seconds=40).expect(h.NO_HOLDER)
    bad.stop()


# ---- O-17, O-18 poison --------------------------------------------------------------------

def let_in(port, t, address, listen_port=0):
    """Is a connection from this address kept?"""
    c = Conn.dial(port, source=address)
    try:
        c.greet(t.hash, seconds=5)
        c.introduce(listen_port)
        return not c.closed_within(1.5)
    except (Gone, TimeoutError):
        return False
    finally:
        c.close()


# What asking twice at the end may cost when seeds send at 1 GB/s and one of them is held up for a moment. That a
# bad block costs 16 KiB to the byte, with nothing else in the count, is shown by tests/unit/test_swarm_net.c.
ENDGAME = 8 * MIB


def poison(w, mode, every, size):
    index = w.index()
    honest = [w.peer(f"h{i}") for i in range(3)]
    src = h.make_file(honest[0].path("f"), size)
    for p in honest:
        if p is not honest[0]:
            os.link(src, p.path("f"))
        # Slow enough that the bad one is asked, too, however busy the machine is.
        p.share(p.path("f"), *mode, "--limit-up", str(size // 8), "--limit-lan")
    index.wait_seeds("f", 3)
    t = wire.Torrent(index.torrent("f"), src)
    bad = wire.CorruptSeed(t, every, host=h.other(66), v2=t.v2)
    g = w.peer("g")
    get = g.start("get", "f", "--json", "--seed", "--peer", bad.addr)
    h.wait_for(lambda: os.path.exists(g.path("f")) or not get.alive(), 60 * h.SLOW, "the download is done")
    h.check_same(g.path("f"), src)
    h.wait_for(lambda: b"}" in get.out(), 10 * h.SLOW, "its figures")
    import json
    done = json.loads(get.out())
    check(bad.bad > 0, "the bad seed was asked for nothing: the test shows nothing")
    port = get.port()
    check(let_in(port, t, h.HOST), "honest addresses are not banned")
    check(not let_in(port, t, bad.host, bad.port), f"the bad address is banned ({bad.bad} bad blocks, {done})")
    bad.stop()
    return bad, done


@test("O-17: v1, one of four seeds spoils one block in 1,000: complete, equal, it alone is banned", seconds=90)
def _(w):
    bad, done = poison(w, ["--v1-only", "--piece-length", "256K"], 1000, 64 * MIB)
    check(done["wasted"] <= (bad.bad + 1) * 2 * 256 * KIB + ENDGAME, "waste", done, bad.bad)


@test("O-18: v2, one of four seeds spoils one block in 100: banned at the first, 16 KiB wasted for each", seconds=90)
def _(w):
    bad, done = poison(w, ["--v2-only", "--piece-length", "256K"], 100, 64 * MIB)
    check(done["wasted"] <= bad.bad * 16 * KIB + ENDGAME, "waste", done, bad.bad)


@test("O-18: a hybrid torrent over v1 info-hash with one poisoner completes, it alone is banned", seconds=90)
def _(w):
    poison(w, ["--piece-length", "256K"], 100, 32 * MIB)


@test("a seed that spoils everything, alone: nothing wrong at the final name, and it is banned")
def _(w):
    s = Seed(w, 2 * MIB)
    s.proc.stop()
    for i, v in enumerate((False, True)):
        bad = wire.CorruptSeed(s.t, 1, host=h.other(70 + i), v2=v)
        g = w.peer(f"g{i}")
        g.run("get", "f", "--wait", "4", "--peer", bad.addr, seconds=40).expect(h.NO_HOLDER)
        check(not os.path.exists(g.path("f")), "nothing at the final name")
        check(bad.bad * wire.BLOCK <= 4 * MIB + 2 * MIB, f"{bad.bad} bad blocks were taken from one liar")
        bad.stop()


# ---- O-19 peers that only pretend ---------------------------------------------------------

@test("O-19: ten peers that claim everything and never serve cost at most a quarter of the time", seconds=120)
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_file(a.path("f"), 40 * MIB)
    a.share(src, "--piece-length", "256K").stop()
    t = wire.Torrent(index.torrent("f"), src)

    def timed(name, *liars):
        good = wire.SlowSeed(t, 8 * MIB, host=h.other(90))
        g = w.peer(name)
        more = [x for s in (good, *liars) for x in ("--peer", s.addr)]
        done = g.run("get", "f", "--json", *more, seconds=60).expect(h.OK).json()
        h.check_same(g.path("f"), src)
        good.stop()
        return done["seconds"]
    base = timed("plain")
    kinds = [wire.ChokingSeed, wire.IgnoringSeed, wire.RejectingSeed, wire.IgnoringSeed, wire.RejectingSeed, wire.ChokingSeed]
    liars = [k(t, host=h.other(100 + i)) for i, k in enumerate(kinds)]
    liars += [wire.SlowSeed(t, KIB, host=h.other(110 + i)) for i in range(4)]
    under = timed("crowd", *liars)
    for liar in liars:
        liar.stop()
    check(under <= 1.25 * base + 0.2 * h.SLOW, f"{base:.2f} s without, {under:.2f} s with ten liars")


# ---- O-21 lists from trackers -------------------------------------------------------------

@test("O-21: 10,000 peers from a tracker, most of them impossible: bounded dialing, and the download completes", seconds=90)
def _(w):
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    src = h.make_file(a.path("f"), 4 * MIB)
    lure = socket.socket()
    lure.bind(("0.0.0.0", 0))
    lure.listen(4096)
    dialed, dialed_at, open_now, most = [], {}, set(), [0]
    stop = threading.Event()

    def accept():
        lure.settimeout(0.2)
        while not stop.is_set():
            try:
                s, _ = lure.accept()
            except socket.timeout:
                s = None
            except OSError:
                return
            if s:
                dialed.append((time.monotonic(), s.getsockname()[0]))
                open_now.add(s)
                dialed_at[s] = time.monotonic()
            now = time.monotonic()
            for x in list(open_now):
                if dialed_at[x] < now - 1:  # a stranger who says nothing, and leaves
                    open_now.discard(x)
                    x.close()
                    continue
                x.setblocking(False)
                try:
                    if x.recv(200) == b"":
                        open_now.discard(x)
                        x.close()
                except BlockingIOError:
                    pass
                except OSError:
                    open_now.discard(x)
            most[0] = max(most[0], len(open_now))
    threading.Thread(target=accept, daemon=True).start()
    lure_port = lure.getsockname()[1]
    good = []
    r = random.Random(5)

    def reply(query):
        bad = [("0.0.0.0", 80), (h.HOST, 0), ("224.0.0.1", 80), ("239.1.2.3", 6881), ("255.255.255.255", 1)] * 500
        many = [(h.other(2000 + i), lure_port) for i in range(7400)]
        mix = bad + many + many[:100]
        r.shuffle(mix)
        return wire.bencode({"interval": 1, "min interval": 1, "peers": wire.compact(good + mix),
                             "peers6": bytes(18 * 200)})
    tracker = wire.FakeTracker(reply)
    t = wire.create_v1(src, a.path("f.torrent"), 64 * KIB, tracker.announce)
    # At a hundred dials at once and a second each, one address among 7,400 would be a lottery; among those that
    # live, one in 230 leads to the seed.
    seed = wire.SlowSeed(t, MIB, host="0.0.0.0")
    good += [(h.other(1700 + i), seed.port) for i in range(32)]
    get = g.start("get", a.path("f.torrent"), "--wait", "60")
    get.port()
    watch = h.Watch(get)
    peak = [0]

    def done():
        peak[0] = max(peak[0], get.rss())
        return not get.alive()
    h.wait_for(done, 60 * h.SLOW, "the download is done")
    stop.set()
    lure.close()
    get.wait(1).expect(h.OK)
    h.check_same(g.path("f"), src)
    if not h.SANITIZED:
        check(peak[0] < watch.rss + 40 * MIB, f"memory grew to {peak[0] >> 20} MiB")
    span = max(1.0, get_span(dialed))
    check(most[0] <= 260, f"{most[0]} connections to strangers at once")
    check(len(tracker.queries) <= 5 + 2 * span / 5 + 4, f"{len(tracker.queries)} announces in {span:.0f} s (interval 1 is raised)")
    tracker.stop()
    seed.stop()


def get_span(dialed):
    return dialed[-1][0] - dialed[0][0] if dialed else 0.0


@test("O-21: replies that are cut, huge, endless or nonsense are survived")
def _(w):
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    src = h.make_file(a.path("f"), 3 * MIB)
    answers = [b"", b"d", b"<html>", b"d5:peers5:abcdee", b"d8:intervali1e5:peers7:1234567e", b"d5:peersd1:a1:bee",
               b"d8:intervali-5e5:peers0:e", b"d8:intervali99999999999999999999e5:peers0:e", b"l" * 100_000,
               wire.bencode({"peers": [{"ip": "not an address", "port": 99999}] * 1000, "interval": 1}),
               b"d5:peers" + b"99999999:", os.urandom(5000), wire.bencode({"peers": os.urandom(6 * 100_000), "interval": 1})]
    turn = iter(range(10 ** 9))
    tracker = wire.FakeTracker(lambda q: answers[next(turn) % len(answers)])
    top = {"announce-list": [[tracker.announce + f"/{i}"] for i in range(len(answers))]}
    raw = wire.bdecode(wire.create_v1(src, a.path("f.torrent"), 64 * KIB, tracker.announce).raw)
    raw.update({k.encode(): v for k, v in top.items()})
    with open(a.path("f.torrent"), "wb") as f:
        f.write(wire.bencode(raw))
    t = wire.Torrent.load(a.path("f.torrent"), src)
    seed = wire.SlowSeed(t, MIB)
    g.run("get", a.path("f.torrent"), "--wait", "30", "--peer", seed.addr, seconds=60).expect(h.OK)
    h.check_same(g.path("f"), src)
    check(tracker.queries, "the tracker was asked")
    tracker.stop()
    seed.stop()


# ---- O-22 connections without end -------------------------------------------------------

class Knockers:
    """Connect from 250 addresses as fast as they can: every other one says nothing and stays for a while."""

    def __init__(self, port):
        self.port, self.knocks, self.stop = port, 0, threading.Event()
        self.sources = [source() for _ in range(250)]
        self.crowd = h.Crowd()
        self.crowd.start(self.run)

    def run(self):
        silent = []
        while not self.stop.is_set():
            c = socket.socket()
            # Hung up on by a reset, else the addresses' ports would soon be used up.
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                c.bind((self.sources[self.knocks % 250], 0))
                c.settimeout(1)
                c.connect((h.HOST, self.port))
                self.knocks += 1
                if self.knocks % 2:
                    c.send(b"\x13BitTorrent protocol" + bytes(40))
                    c.close()
                else:
                    silent.append(c)
            except OSError:
                c.close()
            if len(silent) > 400:
                silent.pop(0).close()
        for c in silent:
            c.close()

    def end(self):
        self.stop.set()
        self.crowd.join(20 * h.SLOW)


@test("O-22: thousands of connections a second, half of them silent: an honest transfer keeps four fifths of its rate")
def _(w):
    s = Seed(w, 8 * MIB)
    g = w.peer("g")
    # The limit is what both are measured by: this machine has other things to do.
    args = ("get", "f", "--limit-down", "4M", "--limit-lan", "--json")
    base = g.run(*args, "-o", "quiet").expect(h.OK).json()["seconds"]
    knockers, begun = Knockers(s.port), time.monotonic()
    try:
        under = g.run(*args, "-o", "loud").expect(h.OK).json()["seconds"]
        took = time.monotonic() - begun
    finally:
        knockers.end()
    h.check_same(g.path("loud"), s.src)
    print(f"# {knockers.knocks / took:.0f} connections a second; {base:.2f} s without, {under:.2f} s with them")
    check(knockers.knocks > 500, f"only {knockers.knocks} connections")
    check(under <= base / 0.8 + 0.3 * h.SLOW, f"{base:.2f} s without, {under:.2f} s with {knockers.knocks} connections")
    s.well()


# ---- O-45 stalls --------------------------------------------------------------------------

def stalling(w, then, label):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    size = 24 * MIB
    src = h.make_file(a.path("f"), size)
    a.share(src, "--piece-length", "1M").stop()
    t = wire.Torrent(index.torrent("f"), src)
    staller = wire.StallingSeed(t, 3 * MIB, then, host=h.other(120))
    good = wire.SlowSeed(t, 8 * MIB, host=h.other(121))
    begun = time.monotonic()
    done = g.run("get", "f", "--json", "--wait", "30", "--peer", staller.addr, "--peer", good.addr, seconds=40).expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check(staller.stalled.is_set(), "the staller was asked for too little: the test shows nothing")
    check(time.monotonic() - begun < 30 * h.SLOW, f"{label}: {time.monotonic() - begun:.1f} s")
    check(done["downloaded"] + done["wasted"] <= size + 256 * KIB, f"{label}: blocks were fetched twice", done)
    # A reset takes back what was under way, and closing with requests unread is a reset too.
    check(label != "silence" or good.sent <= size - staller.sent + 512 * KIB, f"{label}: the half piece was thrown away",
          good.sent, staller.sent, done)
    staller.stop()
    good.stop()


@test("O-45: an uploader that falls silent in mid-piece is gone around; the half piece is kept")
def _(w):
    stalling(w, None, "silence")


@test("O-45: an uploader that resets in mid-piece is gone around; the half piece is kept")
def _(w):
    stalling(w, lambda c: c.reset(), "RST")


@test("O-45: an uploader that closes in mid-piece is gone around; the half piece is kept")
def _(w):
    stalling(w, lambda c: c.close(), "FIN")


# ---- noise --------------------------------------------------------------------------------

@test("500 connections of random messages, seeded: the seed lives, bounded, and serves")
def _(w):
    s = Seed(w)
    r = random.Random(2024)

    def rave(k):
        rr = random.Random(k)
        c = s.dial()
        try:
            c.greet(s.t.hash, fast=rr.random() < 0.7, v2=rr.random() < 0.5)
            for _ in range(rr.randrange(1, 40)):
                kind = rr.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 20, 21, 22, 23, rr.randrange(256)])
                shape = rr.random()
                if shape < 0.5:
                    c.send(msg(kind, *[rr.choice([0, 1, 5, 63, 64, 16384, 0x7fffffff, 0xffffffff]) for _ in range(rr.randrange(4))]))
                elif shape < 0.8:
                    c.send(msg(kind, body=rr.randbytes(rr.randrange(300))))
                else:
                    c.send(msg(wire.EXTENDED, body=bytes([rr.randrange(4)]) + b"d1:md11:ut_metadatai%de6:ut_pexi%dee1:pi%de4:reqqi%dee"
                               % (rr.randrange(-2, 300), rr.randrange(300), rr.randrange(-1, 99999), rr.randrange(-5, 10 ** 9))))
        except (Gone, TimeoutError, OSError):
            pass
        c.close()
    for batch in range(10):
        crowd = h.Crowd()
        for k in range(50):
            crowd.start(rave, r.randrange(1 << 30))
        crowd.join(60 * h.SLOW)
        check(s.proc.alive(), "the seed died")
    s.well()


# ---- hashes -------------------------------------------------------------------------------

@test("leaf hashes come with a proof up to the root of the file")
def _(w):
    s = Seed(w, 11 * 64 * KIB)
    (leaf,), height = s.t.info[b"file tree"].values(), 6
    root = leaf[b""][b"pieces root"]
    c = s.dial().greet(s.t.hash, v2=True)
    for piece in (0, 7, 10):
        c.send(msg(wire.HASH_REQUEST, body=root + struct.pack(">IIII", 0, piece * 4, 4, height - 1)))
        k, body = c.wait(wire.HASHES, wire.HASH_REJECT)
        check(k == wire.HASHES, "the hashes were refused")
        nodes = [body[i:i + 32] for i in range(48, len(body), 32)]
        check_eq(len(nodes), 4 + height - 2)
        at = piece * s.t.piece_length
        check_eq(nodes[:4], [sha256(s.data[at + i * wire.BLOCK:at + (i + 1) * wire.BLOCK]) for i in range(4)])
        node = sha256(sha256(nodes[0] + nodes[1]) + sha256(nodes[2] + nodes[3]))
        for level, uncle in enumerate(nodes[4:]):
            node = sha256(uncle + node if piece >> level & 1 else node + uncle)
        check(node == root, f"the proof of piece {piece} leads elsewhere")
    c.close()
    s.well()


# ---- peers that are only slow to speak ----------------------------------------------------

@test("a peer whose kernel holds small messages back until the ones before are acknowledged is not kept waiting")
def _(w):
    s = Seed(w, KIB)
    least = 60
    for _ in range(6):
        c = s.dial().greet(s.t.hash)
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        c.recv()
        begun = time.monotonic()
        c.send(msg(wire.HAVE_NONE))
        c.send(msg(wire.INTERESTED))
        c.wait(wire.UNCHOKE)
        least = min(least, time.monotonic() - begun)
        c.close()
    # A delayed acknowledgment takes 40 ms.
    check(least < 0.03, f"unchoked after {least * 1000:.0f} ms at best")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
