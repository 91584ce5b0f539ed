#!/usr/bin/python3
"""Of a folder only some files; in sequence, ends first."""

import os
import re

import harness as h
from harness import KIB, MIB, SLOW, check, check_eq, test

FILES = {"a.txt": 100_000, "b/one.jpg": 300_000, "b/two.raw": 700_001, "c/empty": 0, "c/three.jpg": 1 * MIB}
KINDS = ((), ("--v1-only",), ("--v2-only",))


def shared(w, kind):
    index, a, b = w.index(), w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("data"), FILES)
    a.share(src, "--piece-length", "128K", *kind)
    return index, src, b


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, names in os.walk(folder) for f in names)


def check_part(b, src, want):
    check_eq(files_of(b.path("data")), sorted(want), "files of the folder")
    for f in want:
        h.check_same(b.path("data", f), os.path.join(src, f))


for kind in KINDS:
    @test(f"get --only fetches some files and no others, then the rest {' '.join(kind)}")
    def _(w, kind=kind):
        _, src, b = shared(w, kind)
        done = b.get("data", "--only", "b/*", "--only", "!*.raw")
        check("1 of 5 files" in done.out, "get says how many of how many", done.out)
        check_part(b, src, ["b/one.jpg"])
        said = b.get("data", "--only", "*.jpg", "--json").json()
        check_eq((said["files"], said["files_in_all"]), (2, 5), "files")
        check(said["reused"] > 0, "what was there is not fetched again", said)
        check_part(b, src, ["b/one.jpg", "c/three.jpg"])
        b.get("data")
        h.check_same(b.path("data"), src)
        check_eq(os.listdir(b.dir), ["data"], "what is left beside it")
        check_eq(b.get("data", "--json").json()["there_already"], True, "all of it is there")


@test("get --only goes on where it was interrupted, with other files as well")
def _(w):
    _, src, b = shared(w, ("--v1-only",))
    proc = b.start("get", "data", "--only", "b/*")
    h.wait_for(lambda: h.part_of(b.dir) or not proc.alive(), 30, "an unfinished folder")
    proc.kill()
    b.get("data", "--only", "[bc]/*")
    check_part(b, src, ["b/one.jpg", "b/two.raw", "c/empty", "c/three.jpg"])


@test("get --only that fits nothing says so; what is in the way of a chosen file is left alone")
def _(w):
    _, src, b = shared(w, ())
    b.get("data", "--only", "*.iso", code=h.NOT_FOUND).error_line("none of its files")
    b.get("data", "--only", "a.txt")
    os.mkdir(b.path("data", "b"))
    with open(b.path("data", "b", "one.jpg"), "w") as f:
        f.write("mine")
    b.get("data", "--only", "*one.jpg", code=h.TAKEN)
    check_eq(open(b.path("data", "b", "one.jpg")).read(), "mine", "the file that was in the way")
    os.remove(b.path("data", "b", "one.jpg"))
    with open(b.path("data", "a.txt"), "r+b") as f:
        f.write(b"changed")
    b.get("data", "--only", "*one.jpg", code=h.TAKEN).error_line("was changed since")


@test("a part of a folder is served to others, and its holder is no seed")
def _(w):
    index, src, b = shared(w, ("--v1-only",))
    b.start("get", "data", "--only", "b/*", "--seed")
    h.wait_for(lambda: os.path.isdir(b.path("data")), 30, "the folder's final name")
    h.wait_for(lambda: index.holders("data")["holders"] == 2, 30, "a holder of a part")
    check_eq(index.entry("data")["seeds"], 1, "seeds")


@test("so= of a magnet link chooses files by number")
def _(w):
    index, src, b = shared(w, ("--v2-only",))
    ref = b.run("info", "data", "--json").expect(h.OK).json()
    hash_v2 = re.search(r"[0-9a-f]{64}", str(ref.get("hash_v2") or ref.get("v2") or ref)).group(0)
    b.get(f"magnet:?xt=urn:btmh:1220{hash_v2}&so=0,2")
    check_part(b, src, ["a.txt", "b/two.raw"])


@test("so= of which nothing can be used is refused, by get and a daemon; what of a link cannot be used is said")
def _(w):
    index, src, b = shared(w, ("--v2-only",))
    link = f"magnet:?xt=urn:btmh:1220{index.entry('data')['hash_v2']}"
    for bad in ("3-1", "1-", "1;2", "-1"):
        b.run("get", f"{link}&so={bad}", seconds=30).expect(h.CORRUPT).error_line("its so= names no file")
        b.run("info", f"{link}&so={bad}", seconds=30).expect(h.CORRUPT).error_line("its so= names no file")
    check(not os.path.exists(b.path("data")), "nothing was fetched")
    done = b.get(f"{link}&so=0,2,x&x.pe=localhost:6881")
    check("2 parts of the link cannot be used" in done.err, "it is said", done.err)
    check_part(b, src, ["a.txt", "b/two.raw"])
    c = w.peer("c", "http://127.0.0.1:1")
    daemon = c.daemon()
    done = c.run("get", f"{link}&so=0,x", "-d").expect(h.OK)
    check("1 part of the link cannot be used" in done.err, "it is said", done.err)
    h.wait_for(lambda: b"1 part of the link cannot be used" in daemon.err(), 10 * h.SLOW, "the daemon says it, too")


for flag in ("--sequential", "--ends-first"):
    @test(f"get {flag} fetches all of it")
    def _(w, flag=flag):
        _, src, b = shared(w, ())
        b.get("data", flag)
        h.check_same(b.path("data"), src)


@test("--sequential and --ends-first exclude each other")
def _(w):
    w.peer("a").run("get", "x", "--sequential", "--ends-first").expect(h.USAGE)


@test("a daemon that starts again hashes of a part of a folder what somebody touched, and nothing else")
def _(w):
    _, src, b = shared(w, ("--v2-only",))
    want = ["b/one.jpg", "b/two.raw", "c/empty", "c/three.jpg"]

    def look(touch=()):
        daemon = b.daemon()
        job = h.wait_for(lambda: next((t for t in b.transfers() if t["state"] in ("seeding", "failed")), None), 30 * SLOW, "it is looked at")
        check_eq(job["state"], "seeding", "state")
        daemon.stop().expect(h.OK)
        for path in touch:
            os.utime(b.path("data", path))
        return job["to_check_bytes"]

    daemon = b.daemon()
    b.run("get", "data", "--only", "[bc]/*").expect(h.OK)
    daemon.stop().expect(h.OK)
    check_eq(look(touch=["b/two.raw"]), 0, "bytes that are hashed while nobody touched it")
    check_eq(look(), 6 * 128 * KIB, "bytes that are hashed of what was touched")
    check_eq(look(), 0, "bytes that are hashed again")
    check_part(b, src, want)


@test("files that are all zeros, which lie in holes, are not taken for changed when more of a folder is chosen, or a daemon starts again")
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_tree(a.path("d"), {"x": 100, "skip": 100})
    for name, n in (("one", 1), ("image", 3 * MIB)):
        with open(os.path.join(src, name), "wb") as f:
            f.truncate(n)
    a.share(src)
    b.get("d", "--only", "!skip")
    check_eq(sorted(h.tree_sums(b.path("d"))), [b"image", b"one", b"x"], "chosen")
    b.get("d")
    check_eq(h.tree_sums(b.path("d")), h.tree_sums(src), "all")
    daemon = c.daemon()
    c.run("get", "d", "--only", "!skip").expect(h.OK)
    daemon.stop()
    c.daemon()
    h.wait_for(lambda: c.transfers()[0]["state"] in ("seeding", "failed"), 30 * SLOW, "it is looked at")
    check_eq(c.transfers()[0]["why"], None, "after a new start")


if __name__ == "__main__":
    h.main()
