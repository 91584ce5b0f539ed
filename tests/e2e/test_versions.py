#!/usr/bin/python3
"""Newer versions in the place of older ones: what is used again, what is never replaced."""

import os
import random
import shutil
import signal
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test

KINDS = ([], ["--v2-only"], ["--v1-only"])


def change(path, share, seed=1, run=128 * KIB):
    """Overwrite runs in place that are this share of the file in all."""
    r = random.Random(seed)
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        at = size // 3 // run * run
        f.seek(at)
        f.write(r.randbytes(int(size * share)))


class Pair:
    """An owner who publishes versions of `name`, and a peer who has fetched the first."""

    def __init__(self, w, make, kind=(), name="data", piece="64K"):
        self.index = w.index()
        self.a, self.b = w.peer("a"), w.peer("b")
        self.kind, self.name, self.piece = kind, name, piece
        self.src = self.a.path(name)
        make(self.src)
        self.p = None
        self.publish()
        self.b.get(name)
        h.check_same(self.b.path(name), self.src)

    def publish(self):
        if self.p:
            self.p.stop(signal.SIGINT).expect(h.OK)
        self.p = self.a.share(self.src, "--as", "alice", "--piece-length", self.piece, *self.kind)

    def renew(self, *args):
        """Fetch the newest version over the old one."""
        done = self.b.get(self.name, "--json", *args).json()
        h.check_same(self.b.path(self.name), self.src)
        check_eq(h.part_of(self.b.dir), [], "nothing is left beside it")
        return done


@test("NAME@N is one version in info, peers, get and unshare; NAME@latest the newest, and nothing to unshare")
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, 100_000, 1))
    h.make_file(pair.src, 100_001, 2)
    pair.publish()
    b = pair.b
    for ref, size in (("data@1", 100_000), ("alice/data@2", 100_001), ("data@latest", 100_001), ("data", 100_001)):
        check_eq(b.run("info", ref, "--json").expect(h.OK).json()["bytes"], size, ref)
    b.run("peers", "data@1").expect(h.OK)
    b.run("info", "data@3").expect(h.NOT_FOUND)
    pair.a.run("unshare", "data@latest").expect(h.USAGE).error_line("NUMBER")
    pair.a.run("unshare", "data@1").expect(h.OK)
    check_eq([e["version"] for e in pair.index.entries(name="data")], [2], "what is left")


@test("a file with 5 % changed in place is brought up to date with under 6 % fetched, whatever the kind of torrent")
def _(w):
    for i, kind in enumerate(KINDS):
        w2 = h.World()
        try:
            pair = Pair(w2, lambda p: h.make_file(p, 24 * MIB, i), kind)
            change(pair.src, 0.05)
            pair.publish()
            done = pair.renew()
            check(done["replaced"] and done["downloaded"] < 0.06 * 24 * MIB, f"{kind}: fetched", done)
            check(done["reused"] > 0.94 * 24 * MIB, f"{kind}: reused", done)
            check(pair.b.get("data", "--json").json()["there_already"], "again: it is there")
        finally:
            wrong = w2.close()
            w2.remove()
        check(not wrong, "processes", wrong)


@test("one block of 16 KiB in twenty changed all over: v2 and hybrid fetch those alone, v1 whole pieces, and says so")
def _(w):
    size = int(os.environ.get("SHOAL_REUSE_MIB", 20)) * MIB
    for i, kind in enumerate(KINDS):
        w2 = h.World()
        try:
            pair = Pair(w2, lambda p: h.make_file(p, size, i), kind, piece="512K")
            h.scatter(pair.src)
            pair.publish()
            got = pair.b.run("get", "data", "--json", "-v").expect(h.OK)
            h.check_same(pair.b.path("data"), pair.src)
            done = got.json()
            print(f"# {kind}: {done['downloaded'] / size:.2%} fetched, {done['reused'] / size:.2%} reused")
            if "--v1-only" in kind:
                check(done["downloaded"] > 0.9 * size and "fetched whole, as the torrent is v1" in got.err, kind, got)
            else:
                check(done["downloaded"] < 0.06 * size, f"{kind}: fetched", done)
                check(done["reused"] > 0.94 * size, f"{kind}: reused", done)
            check_eq(done["wasted"], 0, "wasted")
        finally:
            wrong = w2.close()
            w2.remove()
        check(not wrong, "processes", wrong)


@test("in a folder, unchanged, moved and partly changed files are used again; removed ones go, new ones come")
def _(w):
    files = {"same": 3 * MIB, "sub/moved": 3 * MIB, "sub/changed": 3 * MIB, "gone/away": 300_000, "empty": 0}
    pair = Pair(w, lambda p: h.make_tree(p, files))
    os.makedirs(os.path.join(pair.src, "else/where"))
    os.rename(os.path.join(pair.src, "sub/moved"), os.path.join(pair.src, "else/where/it is"))
    change(os.path.join(pair.src, "sub/changed"), 0.05)
    os.remove(os.path.join(pair.src, "gone/away"))
    os.rmdir(os.path.join(pair.src, "gone"))
    h.make_file(os.path.join(pair.src, "new"), 200_000, "new")
    pair.publish()
    done = pair.renew()
    check(done["downloaded"] < 600_000, "fetched", done)
    check(not os.path.exists(pair.b.path("data", "gone")), "what the new version has not is gone")


@test("v1: files of a folder at the same path are used again")
def _(w):
    pair = Pair(w, lambda p: h.make_tree(p, {f"d/f{i}": 400_000 + i for i in range(8)}), ["--v1-only"])
    change(os.path.join(pair.src, "d/f3"), 0.1)
    pair.publish()
    check(pair.renew()["downloaded"] < 600_000, "fetched")


@test("a file becomes a folder and a folder a file, at once")
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, MIB, 1))
    os.rename(pair.src, pair.src + ".old")
    os.makedirs(pair.src)
    os.rename(pair.src + ".old", os.path.join(pair.src, "inside"))
    h.make_file(os.path.join(pair.src, "more"), 100_000, 2)
    pair.publish()
    check(pair.renew()["downloaded"] < 300_000, "fetched")
    os.rename(pair.src, pair.src + ".old")
    os.rename(pair.src + ".old/inside", pair.src)
    pair.kind = ["--v2-only"]  # or it would be version 1 again
    pair.publish()
    check_eq(pair.renew()["downloaded"], 0, "fetched")


@test("what shoal did not put there is never replaced without --replace, nor is what was changed since")
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, MIB, 1))
    b = pair.b
    mine = b.path("data")
    h.make_file(b.path("own/data"), 1000, "own")
    b.run("get", "data", "-o", b.path("own/data")).expect(h.TAKEN).error_line("other content")
    change(pair.src, 0.05)
    pair.publish()
    with open(mine, "ab") as f:
        f.write(b"my notes")
    b.run("get", "data").expect(h.TAKEN).error_line("version 1", "--replace")
    check_eq(os.path.getsize(mine), MIB + 8, "it is untouched")
    done = pair.renew("--replace")
    check(done["replaced"] and done["downloaded"] < 0.3 * MIB, "--replace uses what is there", done)
    b.get("data", "-o", b.path("own/data"), "--replace")
    h.check_same(b.path("own/data"), pair.src)
    os.remove(mine)
    os.symlink(b.path("own/data"), mine)
    before = h.sha256(mine)
    h.make_file(pair.src, MIB, 9)
    pair.publish()
    b.run("get", "data", "--replace").expect(h.TAKEN)
    check(os.path.islink(mine) and h.sha256(mine) == before, "a link is nobody's version")


@test("a file that somebody put there himself is not replaced because get once verified it, or share hashed it")
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, MIB, 1))
    b, his = pair.b, pair.b.path("own/data")
    os.makedirs(b.path("own"))
    shutil.copyfile(pair.src, his)
    check(b.get("data", "-o", his, "--json").json()["there_already"], "it is his own, and verified")
    check(b.get("data", "--json").json()["there_already"], "what was fetched is there already too")
    before = h.sha256(his)
    change(pair.src, 0.05)
    pair.publish()
    b.run("get", "data", "-o", his).expect(h.TAKEN).error_line("version 1", "--replace")
    check_eq(h.sha256(his), before, "it is untouched")
    check(pair.renew()["replaced"], "and what was fetched is brought up to date")
    done = b.get("data", "-o", his, "--replace", "--json").json()
    check(done["replaced"] and done["downloaded"] < 0.3 * MIB, "--replace uses what is there", done)
    before = h.sha256(pair.src)
    pair.a.run("get", "data@1", "-o", pair.src).expect(h.TAKEN).error_line("version 2", "--replace")
    check_eq(h.sha256(pair.src), before, "what was shared is untouched")


@test("a folder that somebody put a file into is not replaced")
def _(w):
    pair = Pair(w, lambda p: h.make_tree(p, {"a": 100_000, "b": 50_000}))
    h.make_file(os.path.join(pair.src, "c"), 1000, 3)
    pair.publish()
    h.make_file(pair.b.path("data", "mine"), 10)
    pair.b.run("get", "data").expect(h.TAKEN).error_line("version 1")
    os.remove(pair.b.path("data", "mine"))
    pair.renew()


@test("an older version can be had again in its place; -o with a folder of the entry means that folder")
def _(w):
    pair = Pair(w, lambda p: h.make_tree(p, {"a": 100_000, "b": 50_000}))
    b = pair.b
    first = h.tree_sums(pair.src)
    b.get("data", "-o", b.path("here"))
    h.make_file(os.path.join(pair.src, "c"), 1000, 3)
    pair.publish()
    b.get("data", "-o", b.path("here"))
    h.check_same(b.path("here"), pair.src)
    p1 = w.peer("p1")
    p1.run("get", "data@1", "--wait", "1").expect(h.NO_HOLDER)
    os.rename(b.path("data"), b.path("kept"))
    seed = b.start("get", "data@1", "--reuse", b.path("kept"), "-o", b.path("here"), "--seed")
    h.wait_for(lambda: h.tree_sums(b.path("here")) == first, 20 * h.SLOW, "version 1 is back")
    p1.get("data@1")
    check_eq(h.tree_sums(p1.path("data")), first, "and served")
    seed.stop().expect(h.OK)


@test("--reuse takes what it can from a copy anywhere, which is left as it is")
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, 8 * MIB, 1))
    b = pair.b
    os.makedirs(b.path("old"))
    os.rename(b.path("data"), b.path("old/copy"))
    before = h.sha256(b.path("old/copy"))
    change(pair.src, 0.05)
    pair.publish()
    done = b.get("data", "--reuse", "old/copy", "--json").json()
    h.check_same(b.path("data"), pair.src)
    check(done["downloaded"] < 0.08 * 8 * MIB and not done["replaced"], "fetched", done)
    check_eq(h.sha256(b.path("old/copy")), before, "the copy")
    b.run("get", "data", "-o", "x", "--reuse", "nothing").expect(h.NOT_FOUND).error_line("nothing")


@test("get --follow fetches each newer version over the old one, serves it, and outlives the index's restart",
      seconds=120)
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, 4 * MIB, 1))
    b, c = pair.b, w.peer("c")
    f = b.start("get", "data", "--follow", "--every", "1s")

    def lines():
        return f.out().decode().splitlines()
    h.wait_for(lambda: len(lines()) == 1, 20 * h.SLOW, "the first version is there")
    for version in (2, 3):
        if version == 3:
            pair.index.proc.kill()
            h.wait_for(lambda: b"asking again" in f.err(), 20 * h.SLOW, "it notices")
            pair.index.start()
        change(pair.src, 0.05, version)
        pair.publish()
        h.wait_for(lambda: len(lines()) == version, 30 * h.SLOW, f"version {version}")
        h.check_same(b.path("data"), pair.src)
        check(f"version {version}," in lines()[-1], "the line", lines())
    pair.p.stop(signal.SIGINT).expect(h.OK)
    c.get("data", "--wait", "20")
    h.check_same(c.path("data"), pair.src)
    f.stop(signal.SIGINT).expect(h.OK)
    check_eq(h.part_of(b.dir), [], "nothing is left beside it")


@test("a version that nobody has any more is given up for a newer one, the first or a later one, and nothing of it stays", seconds=120)
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    slow = ("--watch", "--settle", "1s", "--limit-up", "1M", "--limit-lan")
    src = h.make_file(a.path("data"), 4 * MIB, seed=0)
    a.share(src, *slow)
    f = b.start("get", "data", "--follow", "--every", "1s")

    def replaced(n):
        h.wait_for(lambda: h.part_bytes(b.dir) >= MIB or not f.alive(), 20 * h.SLOW, "it is under way", every=0.02)
        os.replace(h.make_file(a.path("next"), 1000, seed=n), src)
        h.wait_for(lambda: f"going on with version {n}".encode() in f.err() or not f.alive(), 40 * h.SLOW,
                   f"version {n} is begun")
        check(f.alive(), "it goes on", f.err())

    def complete(n):
        h.wait_for(lambda: f"version {n}, ".encode() in f.out(), 30 * h.SLOW, f"version {n} is there")
        h.check_same(b.path("data"), src)
        h.wait_for(lambda: os.listdir(b.dir) == ["data"], 20 * h.SLOW, "what was given up is gone")
    replaced(2)
    complete(2)
    os.replace(h.make_file(a.path("next"), 4 * MIB, seed=9), src)
    replaced(4)
    complete(4)
    f.stop().expect(h.OK)
    check(index.entry("data")["version"] >= 4, "versions")


@test("what is published last is the newest, also with the content of an older version: followers go back to it",
      seconds=90)
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, 300_000, 1))
    b, c = pair.b, w.peer("c")
    follow = ("get", "data", "--follow", "--every", "1s")
    f = b.start(*follow)
    late = c.start(*follow)

    def lines(proc):
        return proc.out().decode().splitlines()
    h.wait_for(lambda: len(lines(f)) == 1 and len(lines(late)) == 1, 20 * h.SLOW, "both have the first version")
    late.send(signal.SIGSTOP)
    try:
        h.make_file(pair.src, 300_000, 2)
        pair.publish()
        h.wait_for(lambda: len(lines(f)) == 2, 30 * h.SLOW, "version 2")
        h.wait_for(lambda: time.time() >= pair.index.entries(name="data")[0]["published_at"] + 1, 5, "another second")
        h.make_file(pair.src, 300_000, 1)
        pair.publish()
        h.wait_for(lambda: len(lines(f)) == 3, 30 * h.SLOW, "version 3")
    finally:
        late.send(signal.SIGCONT)
    h.wait_for(lambda: len(lines(late)) == 2, 30 * h.SLOW, "who has not seen version 2 learns of version 3")
    check("version 3," in lines(f)[-1] and "in the old one's place" in lines(f)[-1], "who has", lines(f))
    check("version 3, there already" in lines(late)[-1], "who has not", lines(late))
    h.check_same(b.path("data"), pair.src)
    for proc in (f, late):
        proc.stop(signal.SIGINT).expect(h.OK)


@test("the number of what was unshared is not dealt out again: who follows gets what is shared next", seconds=60)
def _(w):
    pair = Pair(w, lambda p: h.make_file(p, 300_000, 1))
    h.make_file(pair.src, 300_000, 2)
    pair.publish()
    f = pair.b.start("get", "data", "--follow", "--every", "1s")
    h.wait_for(lambda: b"version 2," in f.out(), 20 * h.SLOW, "it has version 2")
    pair.a.run("unshare", "data@2").expect(h.OK)
    h.make_file(pair.src, 300_000, 3)
    pair.publish()
    h.wait_for(lambda: b"version 3," in f.out(), 20 * h.SLOW, "it has version 3")
    h.check_same(pair.b.path("data"), pair.src)
    f.stop(signal.SIGINT).expect(h.OK)


@test("what is shared in the second in which it was unshared, or described anew, is taken in the next one")
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_file(a.path("data"), 1000)

    def share(text):
        a.share(src, "--description", text).stop(signal.SIGINT).expect(h.OK)
        check_eq(index.entry("data")["description"], text, "the description")
    h.wait_for(lambda: time.time() % 1 < 0.1, 3, "a second begins", every=0.01)
    share("one")
    share("two")
    a.run("unshare", "data").expect(h.OK)
    share("three")
    check_eq([e["version"] for e in index.entries(name="data")], [2], "versions")


@test("get --follow of a folder; it ends when somebody changed what it would replace", seconds=120)
def _(w):
    pair = Pair(w, lambda p: h.make_tree(p, {"a": 100_000, "b/c": 200_000}))
    b = pair.b
    f = b.start("get", "data", "--follow", "--every", "1s", "--json")
    h.wait_for(lambda: f.out().count(b"}") == 1, 20 * h.SLOW, "the first version is there")
    h.make_file(os.path.join(pair.src, "d"), 1000, 2)
    pair.publish()
    h.wait_for(lambda: f.out().count(b"}") == 2, 30 * h.SLOW, "version 2")
    h.check_same(b.path("data"), pair.src)
    h.make_file(b.path("data", "mine"), 10)
    h.make_file(os.path.join(pair.src, "e"), 1000, 3)
    pair.publish()
    f.wait(30 * h.SLOW).expect(h.TAKEN)
    check(os.path.exists(b.path("data", "mine")), "it is untouched")
    for args in (["data@1", "--follow"], ["data", "other", "--follow", "-o", b.dir]):
        b.run("get", *args).expect(h.USAGE).error_line("--follow")


@test("kill -9 at any moment of a replacement leaves the old version or the new one, whole", seconds=240)
def _(w):
    for tree in (False, True):
        w2 = h.World()
        try:
            make = (lambda p: h.make_tree(p, {f"d{i % 7}/f{i}": 40_000 for i in range(300)})) if tree else \
                (lambda p: h.make_file(p, 12 * MIB, 1))
            pair = Pair(w2, make)
            sums = [h.tree_sums(pair.src)]
            r = random.Random(5)
            seen = set()
            for version in range(2, 7):
                victim = os.path.join(pair.src, "d3/f3") if tree else pair.src
                change(victim, 0.05, version)
                sums.append(h.tree_sums(pair.src))
                pair.publish()
                for _ in range(3):
                    get = pair.b.start("get", "data")
                    try:
                        get.p.wait(r.uniform(0.0, 0.35 * h.SLOW))
                    except Exception:
                        get.kill()
                    got = h.tree_sums(pair.b.path("data"))
                    check(got in sums[-2:], f"version {version}: neither the old nor the new one", len(got))
                    seen.add(got == sums[-1])
                pair.b.get("data")
                check_eq(h.tree_sums(pair.b.path("data")), sums[-1], "the same command completes it")
                check_eq(h.part_of(pair.b.dir), [], "and clears up")
        finally:
            wrong = w2.close()
            w2.remove()
        check(not wrong, "processes", wrong)


if __name__ == "__main__":
    raise SystemExit(h.main())
