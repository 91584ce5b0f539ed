#!/usr/bin/python3
"""Many things shared by one command, and a folder of many files."""

import os
import signal
import time

import harness as h
from harness import KIB, check, check_eq, test

N = 200
N_FILES = 5000


def lines(proc, word):
    return [line for line in proc.out().decode().splitlines() if line.startswith(word)]


@test("of several shares each is served as soon as it is hashed; Ctrl-C stops with those that are")
def _(w):
    index, a = w.index(), w.peer("a")
    small = h.make_file(a.path("small"), 100 * KIB)
    big = a.path("big")
    with open(big, "wb") as f:
        f.truncate(16 << 30)
    proc = a.start("share", small, big, "--as", "alice")
    h.wait_for(lambda: lines(proc, "serving") or not proc.alive(), 30 * h.SLOW, "the small one is served")
    check_eq(lines(proc, "serving")[0].split()[1], "alice/small@1", "what is served")
    check_eq([e["name"] for e in index.api("entries")["entries"]], ["small"], "the big one is being hashed yet")
    b = w.peer("b")
    b.get("small")
    h.check_same(b.path("small"), small)
    done = proc.stop().expect(h.INTERRUPTED)
    check("stopped with 1 of 2 shared" in done.err, "what it says", done.err)


@test(f"{N} shares by one command: by itself, once more, and by the daemon")
def _(w):
    index, a = w.index(), w.peer("a")
    paths = [h.make_file(a.path(f"f{i:03}"), 4 * KIB + i * 1500, seed=i) for i in range(N)]
    for turn in ("first", "second"):
        begun = time.monotonic()
        proc = a.start("share", *paths, "--as", "alice")
        h.wait_for(lambda: lines(proc, "peer on port") or not proc.alive(), 60 * h.SLOW, "all are served")
        print(f"# {N} shares, {turn} start: {time.monotonic() - begun:.1f} s")
        check_eq(len(lines(proc, "serving")), N, "lines")
        index.wait_seeds("f000")
        proc.stop(signal.SIGTERM).expect(h.OK)
    a.daemon()
    done = a.run("share", *paths, "--as", "alice", "-d", seconds=60).expect(h.OK)
    check_eq(done.out.count("serving"), N, "lines")
    check("'shoal status' shows it" in done.out, "the last line", done.out[-200:])
    check_eq({t["state"] for t in a.transfers()}, {"seeding"}, "states")


@test("one that cannot be published is said, and the others are served; the exit code tells; -d without a daemon says so")
def _(w):
    index, a, b = w.index(), w.peer("a"), w.peer("b")
    paths = [h.make_file(a.path(n), 1000, seed=i) for i, n in enumerate("fg")]
    os.mkdir(a.path("empty"))
    os.mkdir(a.path("void"))
    paths = [a.path("empty"), paths[0], a.path("void"), paths[1]]
    proc = a.start("share", *paths, "--as", "alice")
    h.wait_for(lambda: lines(proc, "peer on port") or not proc.alive(), 30 * h.SLOW, "those that can be are served")
    check_eq(sorted(line.split()[1] for line in lines(proc, "serving")), ["alice/f@1", "alice/g@1"], "what is served")
    b.get("g")
    h.check_same(b.path("g"), paths[3])
    done = proc.stop().expect(h.USAGE)
    check("empty: no file is in it" in done.err and "void: no file is in it" in done.err, "reasons", done.err)
    check("stopped with" not in done.err, "nothing is left to do", done.err)
    done = a.run("share", paths[0], paths[2], "--as", "alice").expect(h.USAGE)
    check_eq(done.err.count("no file is in it"), 2, "when there are no others")
    same = [h.make_file(a.path(f"{d}/same"), 1000, seed=7) for d in ("x", "y")]
    proc = a.start("share", *same, paths[1], "--as", "alice")
    h.wait_for(lambda: lines(proc, "peer on port") or not proc.alive(), 30 * h.SLOW, "one of the same twice costs that alone")
    check_eq(len(lines(proc, "serving")), 2, "the other one, and the next")
    done = proc.stop().expect(h.TAKEN)
    check("same: this torrent is here already" in done.err, "reason", done.err)
    # What the index has against one it has against all.
    b.run("share", paths[1], paths[3], "--as", "alice").expect(h.TAKEN).error_line("alice is taken")
    a.run("share", a.path("f"), "-d").expect(h.NOT_FOUND).error_line("no daemon runs")
    a.daemon()
    a.run("share", *paths, "-d", "--json", "--as", "alice").expect(h.USAGE)
    check_eq([t["title"] for t in a.transfers()], ["alice/f@1", "alice/g@1"], "by the daemon")
    a.run("share", a.path("f"), "-d", "--drain").expect(h.USAGE).error_line("does not go with --drain")


@test("share does not wait for the turns that a daemon's shares take: it says which are not served now")
def _(w):
    _, a = w.index(), w.peer("a")
    a.daemon("--queue-seeds", "--max-active", "1")
    done = a.run("share", *(h.make_file(a.path(n), 1000, seed=i) for i, n in enumerate("fgh")), "--as", "alice", "-d").expect(h.OK)
    check_eq((done.out.count("serving"), done.err.count("does not serve it now (queued)")), (1, 2), "what is said")
    proc = a.start("share", a.path("g"))
    h.wait_for(lambda: b"by the daemon" in proc.out(), 30 * h.SLOW, "it goes on, and shows what is served")
    check("g: the daemon has it, and does not serve it now (queued)" in proc.stop().expect(h.OK).err, "what is said")
    proc = a.start("share", a.path("h"), "--as", "alice")
    h.wait_for(lambda: b"not serve it now" in proc.err(), 30 * h.SLOW, "it waits")
    h.make_file(a.path("h"), 999)
    a.run("remove", *(str(t["id"]) for t in a.transfers() if t["name"] != "h")).expect(h.OK)
    done = proc.wait(30 * h.SLOW).expect(h.CORRUPT)
    check("h: has another size than the torrent says; share it again" in done.err, "what became of it meanwhile", done.err)


@test("the home of a peer is not shared with what is around it; nor itself, nor its key")
def _(w):
    index, a = w.index(), w.peer("a")
    tree = h.make_tree(a.path("tree"), {"x": 1000, "local/y": 1000})
    a.home = os.path.join(tree, "local", "shoal")
    proc = a.share(tree, "--as", "alice", "--watch", "--settle", "1")
    check_eq(index.entry("tree")["n_files"], 2, "files")
    h.make_file(os.path.join(tree, "z"), 1000)
    h.wait_for(lambda: index.entry("tree")["version"] == 2, 30 * h.SLOW, "a newer version")
    check_eq(index.entry("tree")["n_files"], 3, "files of that")
    check("this peer's home, which has its key, is left out" in proc.stop().err, "it says so")
    for what in (a.home, os.path.join(a.home, "key")):
        a.run("share", what).expect(h.DENIED).error_line("is of this peer's home, which has its key")
    done = a.run("create", tree, "-o", a.path("t.torrent"), "--json").expect(h.OK)
    check_eq((done.json()["n_files"], "is left out" in done.err), (3, True), "create")


@test("more pieces than a torrent can hold: said before they are hashed, with what helps")
def _(w):
    a = w.peer("a")
    with open(a.path("holes"), "wb") as f:
        f.truncate(22 << 30)
    done = a.run("create", a.path("holes"), "--piece-length", "16K", "-o", a.path("t"), seconds=5 * h.SLOW)
    done.expect(h.FAILED).error_line("holes: has more pieces of 16K than .* --piece-length 32K is enough")


@test(f"a folder of {N_FILES} small files is shared and fetched")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    os.mkdir(a.path("d"))
    for i in range(N_FILES):
        if i % 500 == 0:
            os.mkdir(a.path("d", f"{i // 500:02}"))
        with open(a.path("d", f"{i // 500:02}", f"{i:06}"), "wb") as f:
            f.write(b"%06d" % i * (1 + i % 50))
    begun = time.monotonic()
    a.share(a.path("d"), "--as", "alice")
    shared = time.monotonic()
    b.get("d", seconds=120)
    print(f"# {N_FILES} files: shared in {shared - begun:.1f} s, fetched in {time.monotonic() - shared:.1f} s")
    h.check_same(b.path("d"), a.path("d"))


if __name__ == "__main__":
    h.main()
