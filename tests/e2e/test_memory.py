#!/usr/bin/python3
"""O-47: little memory, large torrents."""

import mmap
import os
import resource

import harness as h
import wire
from harness import GIB, KIB, MIB, SANITIZED, SLOW, check, check_eq, test

CAP = {resource.RLIMIT_DATA: 64 * MIB}


def need_plain():
    if SANITIZED:
        raise h.Skip("a sanitizer's own memory is beyond any such limit")


def sparse(path, n):
    """A file of n zeros that takes no room on disk."""
    with open(path, "wb") as f:
        f.truncate(n)
    return path


def greedy(t, port, n):
    """Connections that ask for much and read nothing."""
    out = [wire.Conn.dial(port, source=h.other(100 + i)) for i in range(n)]
    for c in out:
        c.greet(t.hash)
        c.send((wire.msg(wire.HAVE_NONE) if c.their_reserved[7] & 4 else b"") + wire.msg(wire.INTERESTED) +
               b"".join(wire.msg(wire.REQUEST, p, 0, wire.BLOCK) for p in range(100)))
    return out


@test("O-47: with 64 MiB of memory 1 GiB is shared and fetched, with 50 peers on either side", seconds=150)
def _(w):
    need_plain()
    w.index()
    a, b, g = w.peer("a"), w.peer("b"), w.peer("g")
    src = sparse(a.path("f"), GIB)
    share = a.start("share", src, "--name", "f", "--as", "a", limits=CAP)
    h.wait_for(lambda: b"serving" in share.out() or not share.alive(), 60, "it serves")
    check(share.alive(), "shared within 64 MiB", share.err())
    t = wire.Torrent(w.indexes[0].torrent("f"))
    with open(src, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    # Fewer than it dials: with twenty it would not call the one that is fast.
    slow = [wire.SlowSeed(t, 100 * KIB, data=data, host=h.other(n)) for n in range(15)]
    get = g.start("get", "f", "--json", *(a for s in slow for a in ("--peer", s.addr)), limits=CAP)
    idle = greedy(t, get.port(), 35)
    done = get.wait(120).expect(h.OK).json()
    check(all(s.sent for s in slow), "the slow ones had a part in it", [s.sent for s in slow])
    check_eq(os.path.getsize(g.path("f")), GIB, "length")
    idle += greedy(t, share.port(), 50)
    check(b.run("info", "f").code == h.OK and share.alive(), "who shares lives", share.err())
    print(f"# {done['seconds']:.1f} s")
    for s in slow:
        s.stop()
    for c in idle:
        c.close()


@test("O-47: with 64 MiB of memory a folder of 10,000 files is shared, listed, fetched and served on", seconds=120)
def _(w):
    need_plain()
    index = w.index(limits=CAP)
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_tree(a.path("d"), {f"s{i % 50}/f{i}": 100 + i % 1000 for i in range(10_000)})
    share = a.start("share", src, "--name", "d", "--as", "a", limits=CAP)
    index.wait_seeds("d", seconds=60)
    get = b.start("get", "d", "--seed", limits=CAP)
    index.wait_seeds("d", 2, seconds=60)
    share.stop().expect(h.OK)
    c.start("get", "d", limits=CAP).wait(60).expect(h.OK)
    h.check_same(c.path("d"), src)
    check(get.alive() and index.proc.alive(), "all live")


@test("O-47: with less than it needs each command says that memory is out, in one line, or does its work", seconds=90)
def _(w):
    need_plain()
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {f"s{i % 20}/f{i}": 100 + i % 1000 for i in range(3000)})
    a.share(src)
    codes = []
    for verb, args in (("get", ("d",)), ("share", (src, "--name", "e", "--as", "b")), ("ls", ()), ("info", ("d",)), ("create", (src, "-o"))):
        for mib in (2, 3, 6, 32, 64):
            out = (f"{mib}.torrent",) if verb == "create" else ()
            p = b.start(verb, *args, *out, limits={resource.RLIMIT_DATA: mib * MIB})
            h.wait_for(lambda: not p.alive() or b"serving" in p.out() or b"paused" in p.err(), 60,
                       f"{verb} with {mib} MiB ends, serves or waits")
            if p.alive():
                waits = b"serving" not in p.out()
                check(not waits or b"out of memory" in p.err(), "what it waits for", p.err())
                p.stop().expect(h.INTERRUPTED if waits else h.OK)
                codes.append(h.OK)
                continue
            codes.append(p.p.returncode)
            check(p.p.returncode in (h.OK, h.FAILED), f"exit of {verb} with {mib} MiB", p.p.returncode, p.err())
            if p.p.returncode == h.FAILED:
                p.wait(1).error_line("memory|thread")
    check(h.FAILED in codes and h.OK in codes, "some had enough and some had not", codes)
    h.check_same(b.path("d"), src)
    check(index.proc.alive(), "the index lives")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
