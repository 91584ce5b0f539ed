#!/usr/bin/python3
"""shoal and the stock clients of Debian, both directions, through the index's announce URL."""

import hashlib
import os
import shutil
import sys

import clients
from clients import Aria2, Libtorrent, Opentracker, Rtorrent, Transmission

h = clients.h
import wire  # noqa: E402
from harness import KIB, MIB, check, test  # noqa: E402

TREE = {"a.bin": 300_000, "sub/b with space.bin": 1_200_000, "sub/deep/ünï.txt": 5, "sub/empty": 0, "z.dat": 65536}


def make(w, peer, shape, seed=1):
    if shape == "file":
        return h.make_file(peer.path("the file.bin"), 6 * MIB + 4321, seed=seed)
    return h.make_tree(peer.path("the folder"), TREE, seed=seed)


def mode_args(mode):
    return [] if mode == "hybrid" else [f"--{mode}-only"]


def they_get(w, client, mode, shape):
    index = w.index()
    a = w.peer("a")
    c = client(w)
    src = make(w, a, shape)
    a.share(src, "-v", *mode_args(mode), name="x")
    torrent = w.path("x.torrent")
    with open(torrent, "wb") as f:
        f.write(index.torrent("x"))
    into = w.path("theirs")
    p = c.get(torrent, into)
    got = os.path.join(into, os.path.basename(src))
    c.wait(p, got, 60 * h.SLOW)
    check_tree(got, src, getattr(c, "makes_empty_files", True))


def check_tree(got, want, with_empty=True):
    """Pads aside, which some clients write out as files, and empty files, which some forget."""
    nothing = hashlib.sha256(b"").hexdigest()
    a, b = h.tree_sums(got), h.tree_sums(want)
    a = {k: v for k, v in a.items() if not k.startswith((b".pad", b".____padding"))}
    if not with_empty:
        a, b = ({k: v for k, v in x.items() if v != nothing} for x in (a, b))
    check(a == b, f"{got} differs from {want}", sorted(set(a.items()) ^ set(b.items()))[:6])


def we_get(w, client, mode, shape):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    c = client(w)
    src = make(w, a, shape)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, *mode_args(mode)).expect(h.OK)
    c.seed(torrent, a.dir)
    done = g.run("get", torrent, "--wait", "40", seconds=60)
    done.expect(h.OK)
    h.check_same(g.path(os.path.basename(src)), src)


for client in (Aria2, Transmission, Rtorrent, Libtorrent):
    for mode in client.modes:
        for shape in ("file", "folder"):
            def _(w, client=client, mode=mode, shape=shape):
                they_get(w, client, mode, shape)
            test(f"{client.name} gets a {mode} {shape} from shoal share", seconds=90)(_)

            def _(w, client=client, mode=mode, shape=shape):
                we_get(w, client, mode, shape)
            test(f"shoal get gets a {mode} {shape} from {client.name}", seconds=90)(_)


# Lengths of pads differ: to clients that know none they are files.
PADDED = {"a": 100, "b": 20_000, "c": 70_000, "d/e": 5, "d/f": 40_001}


def padded(w, folder):
    index = w.index()
    h.make_tree(folder, PADDED)
    t = wire.create_padded(folder, w.path("x.torrent"), 48 * KIB, index.announce)
    return t.info[b"files"]


def they_get_padded(w, client):
    a, c = w.peer("a"), client(w)
    src = a.path("padded")
    padded(w, src)
    a.start("get", w.path("x.torrent"), "--seed")
    into = w.path("theirs")
    p = c.get(w.path("x.torrent"), into)
    c.wait(p, os.path.join(into, "padded"), 60 * h.SLOW)
    check_tree(os.path.join(into, "padded"), src)


def we_get_padded(w, client):
    g, c = w.peer("g"), client(w)
    src = w.path("theirs", "padded")
    files = padded(w, src)
    for pad in (f for f in files if b"attr" in f):
        path = os.path.join(os.fsencode(src), *pad[b"path"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.truncate(pad[b"length"])
    c.seed(w.path("x.torrent"), w.path("theirs"))
    done = g.run("get", w.path("x.torrent"), "--wait", "40", "--json", seconds=60).expect(h.OK).json()
    check_tree(src, g.path("padded"))
    check(done["downloaded"] == sum(PADDED.values()), "no pad is fetched", done)


for client in (Aria2, Transmission, Rtorrent, Libtorrent):
    test(f"{client.name} gets a v1 folder with pads from shoal", seconds=90)(lambda w, client=client: they_get_padded(w, client))
    test(f"shoal get gets a v1 folder with pads from {client.name}, and no pad", seconds=90)(
        lambda w, client=client: we_get_padded(w, client))


def mixed_swarm(w, kinds, mode):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 24 * MIB)
    a.share(src, *mode_args(mode))
    torrent = w.path("f.torrent")
    with open(torrent, "wb") as f:
        f.write(index.torrent("f"))
    there = []
    missing = []
    # Transmission and rtorrent tell peers apart by their addresses alone: each has one of its own.
    for n, client in enumerate(kinds):
        try:
            c = client(w, host=h.other(n))
        except h.Skip as e:
            missing.append(str(e))
            continue
        into = w.path(c.name)
        there.append((c, c.get(torrent, into), os.path.join(into, "f")))
    get = g.start("get", "f", "--seed")
    for c, p, path in there:
        c.wait(p, path, 80 * h.SLOW)
        h.check_same(path, src)
    h.wait_for(lambda: os.path.exists(g.path("f")) or not get.alive(), 60 * h.SLOW, "shoal get is done")
    h.check_same(g.path("f"), src)
    if missing:
        raise h.Skip("complete among those that are installed; " + ", ".join(missing))


@test("a mixed swarm of shoal, aria2, transmission, rtorrent and libtorrent completes with equal sums (v1)", seconds=120)
def _(w):
    mixed_swarm(w, clients.ALL, "v1")


@test("a mixed swarm of shoal and libtorrent completes with equal sums (hybrid)", seconds=120)
def _(w):
    mixed_swarm(w, (Libtorrent,), "hybrid")


@test("a mixed swarm of shoal and libtorrent completes with equal sums (v2)", seconds=120)
def _(w):
    mixed_swarm(w, (Libtorrent,), "v2")


@test("two getters fetch everything from libtorrent that poses as a getter (BEP 16)", seconds=90)
def _(w):
    index = w.index()
    a, g, g2 = w.peer("a"), w.peer("g"), w.peer("g2")
    c = Libtorrent(w, poses=True)
    src = make(w, a, "file")
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce).expect(h.OK)
    c.seed(torrent, a.dir)
    other = g2.start("get", torrent, "--wait", "40", "--seed")
    g.run("get", torrent, "--wait", "40", seconds=60).expect(h.OK)
    h.check_same(g.path("the file.bin"), src)
    h.wait_for(lambda: os.path.exists(g2.path("the file.bin")) or not other.alive(), 20 * h.SLOW, "the other has it, too")
    h.check_same(g2.path("the file.bin"), src)


@test("shoal get gets a file from rtorrent that poses as a getter", seconds=90)
def _(w):
    index, c = w.index(), Rtorrent(w, poses=True)
    a, g = w.peer("a"), w.peer("g")
    src, torrent = make(w, a, "file"), w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, "--v1-only").expect(h.OK)
    c.seed(torrent, a.dir)
    g.run("get", torrent, "--wait", "40", seconds=60).expect(h.OK)
    h.check_same(g.path("the file.bin"), src)


@test("shoal get gets from Transmission all that its limit lets through", seconds=90)
def _(w):
    index, c = w.index(), Transmission(w)
    a, g = w.peer("a"), w.peer("g")
    src, torrent = h.make_file(a.path("f"), 12 * MIB), w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, "--v1-only").expect(h.OK)
    p = c.seed(torrent, a.dir)
    c.wait(p, src, 20)
    c.limit_up(p, 2000)  # kB/s: it looks twice a second at what it was asked
    get = g.start("get", torrent, "--wait", "40")
    h.wait_for(lambda: h.part_bytes(g.dir) > MIB, 40, "it has unchoked us, which takes it ten seconds")
    get.wait(16 * h.SLOW, "it takes six seconds").expect(h.OK)
    h.check_same(g.path("f"), src)


@test("an older copy of which one block in twenty differs is renewed from libtorrent (v2)", seconds=90)
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    c = Libtorrent(w)
    size = 8 * MIB
    src, old = h.make_file(a.path("f"), size), g.path("old")
    shutil.copy(src, old)
    h.scatter(old)
    a.run("create", src, "-o", w.path("f.torrent"), "--tracker", index.announce, "--v2-only", "--piece-length", "512K").expect(h.OK)
    c.wait(c.seed_checked(w.path("f.torrent"), a.dir), src, 40)
    done = g.run("get", w.path("f.torrent"), "--wait", "40", "--reuse", old, "--json", seconds=80).expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check(done["downloaded"] < 0.06 * size, "fetched", done)


@test("stock clients fetch from a shoal getter alone after the sharer has left", seconds=90)
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    c = Aria2(w)
    src = make(w, a, "folder")
    p = a.share(src, "--v1-only", name="x")
    g.start("get", "x", "--seed")
    index.wait_seeds("x", 2)
    p.stop()
    torrent = w.path("x.torrent")
    with open(torrent, "wb") as f:
        f.write(index.torrent("x"))
    q = c.get(torrent, w.path("theirs"))
    c.wait(q, w.path("theirs", "the folder"), 60 * h.SLOW)
    check_tree(w.path("theirs", "the folder"), src)


@test("shoal get from a .torrent that is announced at opentracker", seconds=90)
def _(w):
    h.need("opentracker")
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    c = Libtorrent(w)
    src = make(w, a, "file")
    port = h.free_port()
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    t = wire.Torrent.load(torrent)
    tracker = Opentracker(w, [t.hash_v1, t.hash_v2[:20]])
    a.run("create", src, "-o", torrent + "2", "--tracker", tracker.announce).expect(h.OK)
    os.rename(torrent + "2", torrent)
    c.seed(torrent, a.dir)
    h.wait_for(lambda: tracker.seeds(t.hash_v1) > 0, 30, "the seed is at opentracker")
    g.run("get", torrent, "--wait", "30", seconds=60).expect(h.OK)
    h.check_same(g.path("the file.bin"), src)


@test("two shoal peers find one another through opentracker alone", seconds=90)
def _(w):
    h.need("opentracker")
    a, g = w.peer("a", "http://127.0.0.1:1"), w.peer("g", "http://127.0.0.1:1")
    src = make(w, a, "folder")
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    t = wire.Torrent.load(torrent)
    tracker = Opentracker(w, [t.hash_v1, t.hash_v2[:20]])
    a.run("create", src, "-o", torrent + "2", "--tracker", tracker.announce).expect(h.OK)
    os.rename(torrent + "2", torrent)
    a.start("get", torrent, "--seed")  # everything is there already: it seeds
    h.wait_for(lambda: tracker.seeds(t.hash_v1) > 0, 30, "the first is at opentracker")
    g.run("get", torrent, "--wait", "30", seconds=60).expect(h.OK)
    h.check_same(g.path("the folder"), src)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
