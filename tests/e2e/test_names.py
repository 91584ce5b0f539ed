#!/usr/bin/python3
"""Odd names, odd sizes, many files."""

import os
import re

import harness as h
from harness import MIB, check, check_eq, test
from terminal import Terminal

ODD = [
    "with space", "  two  spaces  inside x", "quote'single", 'quote"double', "back\\slash", "new\nline", "tab\tname",
    "-dash", "--help", "ünïcödé-日本語-🐟", "e\u0301 combining", "semi;colon & amp | pipe", "$(touch pwned)", "`id`",
    "percent %n%s %41", "star*?[x]", "#hash", "~tilde", ".hidden", "trailing.", "colon:name", "CON", "a" * 250,
    "\x1b[31mred", "\u202egnp.exe", "comma,and=equals", "emoji 👩‍👩‍👧", "%2e%2e%2f",
]


@test("a file of each odd name is shared, and got under that very name")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    paths = [h.make_file(a.path(n), 1000 + i, seed=i) for i, n in enumerate(ODD)]
    p = a.start("share", "--", *[os.path.relpath(x, a.dir) for x in paths])
    h.wait_for(lambda: len(index.api("entries", limit=500)["entries"]) == len(ODD) or not p.alive(), 60,
               "all are published")
    entries = index.api("entries", limit=500)["entries"]
    check_eq(len(entries), len(ODD), "entries")
    by_sum = {e["sha256"]: e for e in entries}
    h.wait_for(lambda: all(e["seeds"] for e in index.api("entries", limit=500)["entries"]), 60, "all are served")
    for n, src in zip(ODD, paths):
        e = by_sum[h.sha256(src)]
        check(not any(ord(c) < 32 or ord(c) == 127 for c in e["name"]), "no control character in a name", e["name"])
        # A name that begins with a dot is taken from the user alone.
        b.get(e["name"], *(("-o", n) if n.startswith(".") else ()))
        h.check_same(b.path(n), src)
    check_eq(sorted(os.listdir(b.dir)), sorted(ODD), "what was got")
    names = {n: by_sum[h.sha256(src)]["name"] for n, src in zip(ODD, paths)}
    check_eq((names["emoji 👩‍👩‍👧"], names["\u202egnp.exe"]), ("emoji 👩_👩_👧", "_gnp.exe"), "only what no name may have is replaced")


@test("on a terminal too narrow for a long name that stands alone and whole, and the columns of all rows stay in place")
def _(w):
    index = w.index()
    a = w.peer("a")
    names = ["short", "日本語", "a long name " + "x" * 100]
    a.start("share", *[h.make_file(a.path(n), 1000, seed=n) for n in names])
    h.wait_for(lambda: sum(e["seeds"] > 0 for e in index.entries()) == len(names), 60 * h.SLOW, "all are served")
    t = Terminal(w, a.args("ls", "--sort", "name"), w.env(a.home), a.dir, columns=80)
    t.wait_end(h.OK)
    long = "^" + re.escape(names[2][:80]) + "\n" + re.escape(names[2][80:]) + "\n +1 1000 B "
    check(re.search(long, t.text(), re.M), "the long one", t.text())
    t.wait(r"^short +1 1000 B +1 +1 +1 a +\d{4}-\d\d-\d\d \d\d:\d\d$")
    rows = [x for x in t.cells if "1000" in "".join(x)]
    check_eq([x.index("B") for x in rows], [rows[0].index("B")] * 3, f"columns: {t.text()}")


@test("a folder that holds odd names is got whole")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    files = {f"{d}/{n}": 10 + i for i, n in enumerate(ODD) for d in ("top", "ünter/-x y")}
    src = h.make_tree(a.path("odd folder"), files)
    a.share(src)
    b.get("odd folder")
    h.check_same(b.path("odd folder"), src)


@test("names of every kind are given with --name and found again")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    names = ["with space", "it's", 'say "hi"', "日本語", "-leading", "a+b&c=d?e#f%41", "x@y", "ПРИВЕТ", "100%"]
    for i, n in enumerate(names):
        src = h.make_file(a.path(f"f{i}"), 500 + i, seed=i)
        a.share(src, f"--name={n}", wait=False)
    for i, n in enumerate(names):
        index.wait_seeds(n)
        b.get(n, "-o", f"g{i}")
        h.check_same(b.path(f"g{i}"), a.path(f"f{i}"))
        b.run("info", "--", n).expect(h.OK)


@test("names that no entry may have are refused with the reason")
def _(w):
    index = w.index()
    a = w.peer("a")
    f = h.make_file(a.path("f"), 10)
    for n in ("", "a/b", "line\nbreak", "x" * 256, "name@3", "..", " lead", "\x1b[2J", b"\xff\xfe", "pass\u00adword",
              "\u3164", "a\ufffe"):
        name = n if isinstance(n, str) else os.fsdecode(n)
        done = a.run("share", f, f"--name={name}", seconds=20)
        check(done.code in (h.FAILED, h.USAGE), f"exit for {n!r}", done.code, done.err)
        done.error_line()
        check("\x1b" not in done.err, "escaped", done.err)
    check_eq(index.entries(), [], "entries")
    a.run("share", "no\nsuch").expect(h.NOT_FOUND).error_line(r"no\\nsuch: No such file")


@test("an empty file and a one-byte file")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    for n, size in (("empty", 0), ("one", 1)):
        src = h.make_file(a.path(n), size)
        for more in ([], ["--v2-only"], ["--v1-only"]):
            name = n + "".join(more)
            p = a.share(src, *more, name=name)
            b.get(name, "-o", name)
            h.check_same(b.path(name), src)
            p.stop()


@test("sizes around block and piece boundaries, v1, v2 and hybrid")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    block, piece = 16384, 32768
    sizes = [block - 1, block, block + 1, piece - 1, piece, piece + 1, 3 * piece - 1, 3 * piece, 5 * piece + 1]
    names = []
    for mode in ("--v1-only", "--v2-only", "hybrid"):
        paths = []
        for s in sizes:
            names.append(f"{mode.strip('-')}-{s}")
            paths.append(h.make_file(a.path(names[-1]), s, seed=names[-1]))
        a.start("share", *paths, "--piece-length", "32K", *([mode] if mode != "hybrid" else []))
    for n in names:
        index.wait_seeds(n)
        b.get(n)
        h.check_same(b.path(n), a.path(n))


@test("a folder of 5,000 files in nested folders", seconds=120)
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    files = {f"d{i % 7}/e{i % 41}/sub {i % 3}/file-{i}.dat": (i * 37) % 9000 for i in range(5000)}
    src = h.make_tree(a.path("many"), files)
    a.share(src)
    check_eq(index.entry("many")["n_files"], 5000, "files in the entry")
    b.get("many")
    h.check_same(b.path("many"), src)


@test("a folder with nothing but empty files and empty folders")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("hollow"), {"a": 0, "b/c": 0})
    os.makedirs(a.path("hollow", "nothing", "inside"))
    a.share(src)
    b.get("hollow")
    h.check_same(b.path("hollow"), src)


@test("links and special files inside a shared folder are left out, and that is said")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"real": 100})
    os.symlink("/etc/passwd", a.path("d", "link"))
    os.symlink("..", a.path("d", "up"))
    os.mkfifo(a.path("d", "pipe"))
    p = a.share(src)
    b.get("d")
    check_eq(sorted(os.listdir(b.path("d"))), ["real"], "what was got")
    check("left out" in p.err_text() + p.out().decode(), "share says so", p.err())


@test("executable files stay executable")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"run.sh": 100, "plain": 100})
    os.chmod(a.path("d", "run.sh"), 0o755)
    os.chmod(a.path("d", "plain"), 0o644)
    a.share(src)
    b.get("d")
    check(os.access(b.path("d", "run.sh"), os.X_OK), "run.sh is executable")
    check(not os.stat(b.path("d", "plain")).st_mode & 0o111, "plain is not")


@test("one file of 1 GiB: share, get, equal sums, memory below 64 MiB each side", seconds=180)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = a.path("big")
    piece = memoryview(h.noise(64 * MIB))
    with open(src, "wb") as f:
        for i in range(16 if not h.SANITIZED else 2):
            f.write(i.to_bytes(8, "big"))
            f.write(piece[8:])
    p = a.share(src)
    g = b.start("get", "big")
    top = [0, 0]

    def done():
        top[0], top[1] = max(top[0], p.rss()), max(top[1], g.rss())
        return not g.alive()
    h.wait_for(done, 150 * h.SLOW, "the download is done")
    g.wait(5).expect(h.OK)
    h.check_same(b.path("big"), src)
    if not h.SANITIZED:
        check(max(top) < 64 * MIB, f"anonymous memory: seed {top[0] >> 20} MiB, getter {top[1] >> 20} MiB")


if __name__ == "__main__":
    raise SystemExit(h.main())
