#!/usr/bin/python3
"""All that `get` can do is done by the daemon, too: many at once, parts of folders, links; and it remembers."""

import os
import signal

import harness as h
from harness import KIB, MIB, check, check_eq, test

FILES = {"a.txt": 100_000, "b/one.jpg": 300_000, "b/two.raw": 700_001, "c/three.jpg": 1 * MIB}


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, names in os.walk(folder) for f in names)


def wait_state(peer, ref, want, seconds=30):
    h.wait_for(lambda: [t["state"] for t in peer.transfers() if ref in t["title"]] == [want], seconds * h.SLOW,
               f"{ref} is {want}", every=0.1)


def trio(w):
    return w.index(), w.peer("a"), w.peer("b")


@test("get of several names is handed over: shown, as JSON, detached, interrupted, and what failed is not kept")
def _(w):
    _, a, b = trio(w)
    srcs = [h.make_file(a.path(f"f{i}"), 50 * KIB + i, seed=i) for i in range(40)]
    names = [os.path.basename(s) for s in srcs]
    seed = a.share(srcs[0], *srcs[1:], "--as", "alice", wait=False)
    h.wait_for(lambda: b"peer on port" in seed.out(), 30 * h.SLOW, "all are shared")
    b.daemon()
    os.mkdir(b.path("into"))
    done = b.run("get", *names[:20], "no-such-name", "-o", "into", seconds=60).expect(h.NOT_FOUND)
    check_eq(done.out.count("verified"), 20, "lines")
    check("no-such-name" in done.err, "the one that failed", done.err)
    for s in srcs[:20]:
        h.check_same(b.path("into", os.path.basename(s)), s)
    check_eq(len(b.transfers()), 20, "transfers")
    done = b.run("get", *names[18:22], "-o", "into", "--json", seconds=60).expect(h.OK)
    check_eq(done.out.count('"there_already": true'), 2, "there already")
    done = b.run("get", *names[22:30], "-o", "into", "-d").expect(h.OK)
    check("the daemon goes on with" in done.err, "detached", done.err)
    h.wait_for(lambda: all(t["state"] == "seeding" for t in b.transfers()), 60 * h.SLOW, "they arrive")
    seed.stop(signal.SIGTERM)
    b.run("get", *names[30:32], "-o", "into", seconds=60).expect(h.NO_HOLDER)
    check_eq(len(b.transfers()), 30, "what failed is not kept")
    proc = b.start("get", *names[30:], "-o", "into", "--wait", "60")
    h.wait_for(lambda: len(b.transfers()) == 40, 30 * h.SLOW, "all are handed over")
    done = proc.stop().expect(h.INTERRUPTED)
    check("goes on with 10 of 10" in done.err, "Ctrl-C", done.err)
    check_eq(len(b.transfers()), 40, "they stay")


@test("get --only by the daemon: a part, more of it after a kill, the rest; priorities of files")
def _(w):
    _, a, b = trio(w)
    src = h.make_tree(a.path("data"), FILES)
    a.share(src, "--piece-length", "128K", "--as", "alice")
    d = b.daemon()
    done = b.run("get", "data", "--only", "b/*", "--only", "!*.raw", "--sequential").expect(h.OK)
    check("1 of 4 files" in done.out, "says how many of how many", done.out)
    check_eq(files_of(b.path("data")), ["b/one.jpg"], "files")
    t = b.transfers("data")[0]
    check_eq((t["state"], t["complete"], t["files"], t["wanted_files"]), ("seeding", True, 4, 1), "transfer")
    b.run("get", "data", "--only", "*.iso").expect(h.NOT_FOUND).error_line("none of its files")
    d.kill()
    b.daemon()
    wait_state(b, "data", "seeding")
    check_eq(b.transfers("data")[0]["wanted_files"], 1, "remembered")
    said = b.run("get", "data", "--only", "*.jpg", "--json").expect(h.OK).json()
    check_eq((said["files"], said["files_in_all"], said["there_already"]), (2, 4, False), "more of it")
    check_eq(files_of(b.path("data")), ["b/one.jpg", "c/three.jpg"], "files")
    b.run("priority", "data", "high", "--file", "*.iso").expect(h.NOT_FOUND).error_line("no file of it matches")
    b.run("priority", "data", "often", "--file", "*").expect(h.USAGE).error_line("high, normal, low or skip")
    b.run("priority", "data", "skip", "--file", "*").expect(h.NOT_FOUND).error_line("no file of it would be left")
    done = b.run("priority", "data", "high", "--file", "a*", "--file", "b/two*").expect(h.OK)
    check("changed 1: alice/data@1" in done.out, "what it says", done.out)
    wait_state(b, "data", "seeding", 60)
    h.check_same(b.path("data"), src)
    done = b.run("get", "data").expect(h.OK)
    check("there already" in done.out, "all of it", done.out)
    b.run("priority", "data", "skip", "--file", "a*").expect(h.USAGE).error_line("there already")
    b.run("remove", "data", "--data").expect(h.OK)
    h.wait_for(lambda: os.listdir(b.dir) == [], 20 * h.SLOW, "nothing is left of it")


@test("files that are skipped before anything came are not fetched, and remembered as that over a kill")
def _(w):
    _, a, b = trio(w)
    src = h.make_tree(a.path("data"), FILES)
    share = a.share(src, "--piece-length", "128K", "--as", "alice")
    share.stop(signal.SIGTERM)
    d = b.daemon()
    b.run("get", "data", "-d").expect(h.OK)
    b.run("pause", "data").expect(h.OK)
    b.run("priority", "data", "skip", "--file", "c/*").expect(h.OK)
    d.kill()
    b.daemon()
    b.run("resume", "data").expect(h.OK)
    a.share(src, "--piece-length", "128K", "--as", "alice")
    wait_state(b, "data", "seeding", 60)
    check_eq(files_of(b.path("data")), ["a.txt", "b/one.jpg", "b/two.raw"], "files")
    b.run("remove", "data", "--data").expect(h.OK)
    h.wait_for(lambda: os.listdir(b.dir) == [], 20 * h.SLOW, "nothing is left of it")


@test("the daemon asks peers what a magnet link means, also after a kill; so= chooses; a bare hash that nobody has")
def _(w):
    _, a, b = trio(w)
    src = h.make_tree(a.path("data"), FILES)
    a.run("create", src, "-o", a.path("t.torrent"), "--piece-length", "128K").expect(h.OK)
    port = h.free_port()
    hashes = a.run("info", a.path("t.torrent"), "--json").expect(h.OK).json()
    link = f"magnet:?xt=urn:btih:{hashes['hash_v1']}&x.pe={h.HOST}:{port}&dn=some+data&so=0,2"
    d = b.daemon()
    b.run("get", "0" * 40, seconds=60).expect(h.NOT_FOUND).error_line("no such")
    check_eq(b.transfers(), [], "what failed is not kept")
    proc = b.start("get", link, "--wait", "60", "--json")
    wait_state(b, "some data", "metadata")
    check_eq(b.transfers()[0]["title"], "some data", "what it is called meanwhile")
    d.kill()
    done = proc.wait(30 * h.SLOW)
    check(done.code != h.OK and '"error"' in done.out, "the command says so", done.out)
    b.daemon()
    wait_state(b, "some data", "metadata")
    proc = b.start("get", link, "--wait", "60")
    a.start("get", a.path("t.torrent"), "--seed", "--port", str(port))
    done = proc.wait(60 * h.SLOW).expect(h.OK)
    check("2 of 4 files" in done.out and "data" in done.out, "what it says", done.out)
    check_eq(files_of(b.path("data")), ["a.txt", "b/one.jpg"], "files")
    wait_state(b, "data", "seeding")
    check_eq(b.transfers()[0]["name"], "data", "its name")
    b.run("get", link).expect(h.OK)


@test("what the daemon put there for a command that did not wait is replaced by the next version")
def _(w):
    _, a, b = trio(w)
    src = h.make_file(a.path("f"), 300 * KIB)
    share = a.share(src, "--as", "alice")
    b.daemon()
    done = b.run("get", "f", "-d").expect(h.OK)
    check("left to the daemon as number 1" in done.out, "what it says", done.out)
    wait_state(b, "f", "seeding")
    share.stop(signal.SIGTERM)
    h.make_file(src, 400 * KIB, seed=2)
    a.share(src, "--as", "alice")
    done = b.run("get", "f").expect(h.OK)
    check("version 2" in done.out and "in the old one's place" in done.out, "replaced", done.out)
    h.check_same(b.path("f"), src)
    b.run("remove", "f").expect(h.AMBIGUOUS)


if __name__ == "__main__":
    h.main()
