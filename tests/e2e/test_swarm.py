#!/usr/bin/python3
"""Several holders and several getters: exchange among them, and loss of each party."""

import os
import signal
import time

import harness as h
import wire
from harness import MIB, check, check_eq, test


def started(peer, at_least):
    """Wait until a running get has that many bytes on disk; the sooner the better."""
    h.wait_for(lambda: h.part_bytes(peer.dir) >= at_least, 30 * h.SLOW, f"{at_least} bytes on disk", every=0.005)


def still_going(p, what):
    check(p.alive(), f"the download was over before {what}: make the file larger", p.out()[-300:], p.err()[-300:])


@test("three getters fed by one slow seed get most of it from one another")
def _(w):
    index = w.index()
    a = w.peer("a")
    size = 24 * MIB
    src = h.make_file(a.path("f"), size)
    a.share(src).stop()
    seed = wire.SlowSeed(wire.Torrent(index.torrent("f"), src), 6 * MIB)
    peers = [w.peer(f"g{i}") for i in range(3)]
    gets = [p.start("get", "f", "--json", "--wait", "60", "--seed", "--peer", seed.addr) for p in peers]
    h.wait_for(lambda: all(os.path.exists(p.path("f")) for p in peers), 60 * h.SLOW, "three downloads")
    for p in peers:
        h.check_same(p.path("f"), src)
    ups = [h_["uploaded"] for h_ in index.holders("f")["peers"]]
    for g in gets:
        g.stop()
    check(seed.sent < 2.2 * size, f"the seed sent {seed.sent / size:.2f} times the file for three getters")
    ups = [json_of(g)["uploaded"] for g in gets]
    check(all(isinstance(u, int) for u in ups), "uploaded counters", ups)
    seed.stop()


def json_of(p):
    import json
    return json.loads(p.out().decode())


@test("three getters of a shared file upload to one another")
def _(w):
    w.index()
    a = w.peer("a")
    size = 96 * MIB
    src = h.make_file(a.path("f"), size)
    p = a.share(src)
    p.stop()
    peers = [w.peer(f"g{i}") for i in range(3)]
    gets = [q.start("get", "f", "--json", "--wait", "60") for q in peers]
    h.wait_for(lambda: all(g.listening() for g in gets), 20 * h.SLOW, "the getters are up")
    h.wait_for(lambda: w.indexes[0].holders("f")["online"] == 3, 20 * h.SLOW, "the getters are known")
    a.share(src, wait=False)
    stats = [g.wait(90 * h.SLOW).expect(h.OK).json() for g in gets]
    for q in peers:
        h.check_same(q.path("f"), src)
    ups = [s["uploaded"] for s in stats]
    check(sum(ups) > size // 20 and sum(1 for u in ups if u > 0) >= 2,
          f"getters uploaded {[u >> 20 for u in ups]} MiB to one another")


@test("a getter takes from all holders at once")
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 16 * MIB)
    a.share(src).stop()
    t = wire.Torrent(index.torrent("f"), src)
    seeds = [wire.SlowSeed(t, 4 * MIB, host=h.other(i)) for i in range(4)]
    more = [x for s in seeds for x in ("--peer", s.addr)]
    done = g.get("f", "--json", *more).json()
    h.check_same(g.path("f"), src)
    shares = [s.sent / MIB for s in seeds]
    check(all(s >= 2 for s in shares), f"MiB from each of four equal holders: {shares}")
    check(done["seconds"] < 2.5 * h.SLOW, f"16 MiB from 4 holders of 4 MiB/s each took {done['seconds']:.1f} s")
    for s in seeds:
        s.stop()


@test("a holder killed in mid-transfer costs nothing but time")
def _(w):
    index = w.index()
    a, b, g = w.peer("a"), w.peer("b"), w.peer("g")
    size = 192 * MIB
    src = h.make_file(a.path("f"), size)
    os.link(src, b.path("f"))
    pa, pb = a.share(src), b.share(b.path("f"))
    index.wait_seeds("f", 2)
    get = g.start("get", "f", "--json")
    started(g, 8 * MIB)
    pa.kill()
    still_going(get, "the holder was killed")
    done = get.wait(60 * h.SLOW).expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check(done["downloaded"] < size + 16 * MIB, "hardly anything was fetched twice", done)
    check(pb.alive(), "the other holder")


@test("the last holder gone is said so; the download goes on when one returns")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    size = 192 * MIB
    src = h.make_file(a.path("f"), size)
    pa = a.share(src)
    get = g.start("get", "f", "--json")
    started(g, 8 * MIB)
    pa.kill()
    still_going(get, "the holder was killed")
    h.wait_for(lambda: b"no holder" in get.err(), 30 * h.SLOW, "get says that no holder is left")
    check(get.alive() and not os.path.exists(g.path("f")), "it waits, with nothing at the final name")
    a.share(src, wait=False)
    done = get.wait(75 * h.SLOW).expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check(done["downloaded"] < size + 16 * MIB, "what was there was kept", done)


@test("the index gone in mid-transfer stops nobody; get ends well and soon")
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 192 * MIB)
    pa = a.share(src)
    get = g.start("get", "f")
    started(g, 8 * MIB)
    index.proc.kill()
    still_going(get, "the index was killed")
    get.wait(45 * h.SLOW).expect(h.OK)
    h.check_same(g.path("f"), src)
    check(pa.alive(), "share goes on without its index")


@test("an index that comes back learns of its holders by itself")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 1000))
    index.proc.kill()
    index.start()
    check("f" in a.run("ls", "--all").expect(h.OK).out, "the entry survived kill -9")
    index.wait_seeds("f", 1, seconds=40)


@test("a holder that stalls (SIGSTOP) is gone around within 30 s")
def _(w):
    index = w.index()
    a, b, g = w.peer("a"), w.peer("b"), w.peer("g")
    size = 192 * MIB
    src = h.make_file(a.path("f"), size)
    os.link(src, b.path("f"))
    pa, pb = a.share(src), b.share(b.path("f"))
    index.wait_seeds("f", 2)
    get = g.start("get", "f", "--json")
    started(g, 8 * MIB)
    pa.send(signal.SIGSTOP)
    still_going(get, "the holder stalled")
    done = get.wait(30 * h.SLOW).expect(h.OK).json()
    pa.send(signal.SIGCONT)
    h.check_same(g.path("f"), src)
    check(done["downloaded"] < size + 24 * MIB, "hardly anything was fetched twice", done)
    check(pb.alive() and pa.alive(), "both holders live")


@test("a getter that is stopped leaves at once, and what it had is served no more")
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), MIB)
    a.share(src)
    get = g.start("get", "f", "--seed")
    index.wait_seeds("f", 2)
    get.stop(signal.SIGTERM).expect(h.OK)
    check_eq(index.holders("f")["online"], 1, "holders right after the getter left")


@test("a getter becomes a source: the sharer leaves, a third peer gets it from the second")
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_tree(a.path("d"), {"x": 3 * MIB, "y/z": 12345, "e": 0})
    p = a.share(src)
    b.start("get", "d", "--seed")
    index.wait_seeds("d", 2)
    p.stop().expect(h.OK)
    c.get("d")
    h.check_same(c.path("d"), src)


@test("a peer serves what it has while it downloads")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 24 * MIB)
    a.share(src).stop()
    t = wire.Torrent(index.torrent("f"), src)
    seed = wire.SlowSeed(t, 3 * MIB)
    get = b.start("get", "f", "--wait", "60", "--peer", seed.addr)
    port = get.port()
    started(b, 3 * MIB)
    c = wire.Conn.dial(port, source=h.other(9))
    c.greet(t.hash)
    c.send(wire.msg(wire.HAVE_NONE) + wire.msg(wire.INTERESTED))
    have, got = set(), None
    end = time.monotonic() + 20 * h.SLOW
    while got is None and time.monotonic() < end:
        k, body = c.recv(20)
        if k == wire.HAVE:
            have.add(int.from_bytes(body, "big"))
        elif k == wire.BITFIELD:
            have |= {i for i in range(t.n_pieces) if body[i >> 3] & (0x80 >> (i & 7))}
        if have and c.unchoked:
            piece = min(have)
            got = c.fetch(piece, 0, wire.BLOCK)
    check(got == seed.block(piece, 0, wire.BLOCK), "a verified block of an unfinished download is served")
    check(get.alive() and not os.path.exists(b.path("f")), "while it downloads")
    c.close()
    seed.stop()


@test("many small shares by one process are all served", seconds=90)
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    paths = [h.make_file(a.path(f"s{i}"), 100 + i, seed=i) for i in range(100)]
    a.start("share", *paths)
    h.wait_for(lambda: sum(e["seeds"] for e in index.entries(limit=500)) == 100, 60 * h.SLOW, "100 shares are served")
    for i in (0, 50, 99):
        b.get(f"s{i}")
        h.check_same(b.path(f"s{i}"), a.path(f"s{i}"))


if __name__ == "__main__":
    raise SystemExit(h.main())
