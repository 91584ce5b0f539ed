#!/usr/bin/python3
"""All that `get` can do is done by the daemon, too: many at once, parts of folders, links; and it remembers."""

import os
import signal
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test
from web import Web

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
    b.run("get", *names[30:32], "-o", "into", "--wait", "1", seconds=60).expect(h.NO_HOLDER)
    check_eq(len(b.transfers()), 30, "what failed is not kept")
    proc = b.start("get", *names[30:], "-o", "into", "--wait", "60")
    h.wait_for(lambda: len(b.transfers()) == 40, 30 * h.SLOW, "all are handed over")
    done = proc.stop().expect(h.INTERRUPTED)
    check("goes on with 10 of 10" in done.err, "Ctrl-C", done.err)
    check_eq(len(b.transfers()), 40, "they stay")


@test("what is small is there at once by a daemon, too: get does not wait for its next look")
def _(w):
    _, a, b = trio(w)
    srcs = [h.make_file(a.path(f"f{i}"), 20 * KIB, seed=i) for i in range(10)]
    seed = a.share(srcs[0], *srcs[1:], wait=False)
    h.wait_for(lambda: b"peer on port" in seed.out(), 30 * h.SLOW, "all are shared")
    b.daemon()
    # The quickest: the machine may be busy. A look each fifth of a second is more than that alone.
    took = min(b.run("get", os.path.basename(s)).expect(h.OK).seconds for s in srcs)
    check(took < 0.2 * h.SLOW, "the quickest took", took)


@test("what nobody has holds up what waits behind it for six seconds, not for thirty")
def _(w):
    _, a, b = trio(w)
    for name in ("gone", "there"):
        h.make_file(a.path(name), 20 * KIB, seed=name)
    a.share(a.path("gone")).stop()
    a.share(a.path("there"))
    b.daemon("--max-active", "1")
    b.run("get", "-d", "gone").expect(h.OK)
    wait_state(b, "gone", "downloading")
    b.run("get", "-d", "there").expect(h.OK)
    wait_state(b, "there", "seeding", 15)
    wait_state(b, "gone", "downloading")


@test("a daemon that stands still keeps what was handed over: get says so and ends, and it goes on once it wakes", seconds=150)
def _(w):
    _, a, b = trio(w)
    big, *others = [h.make_file(a.path(name), 4 * MIB, seed=n) for n, name in enumerate(("big", "other", "third"))]
    seed = a.share(big, *others, "--as", "alice", wait=False)
    h.wait_for(lambda: b"peer on port" in seed.out(), 30 * h.SLOW, "all are shared")
    d = b.daemon("--limit-down", "1K", "--limit-lan")
    os.mkdir(b.path("into"))
    one = b.start("get", "big")
    wait_state(b, "big", "downloading")
    many = b.start("get", "other", "third", "-o", "into", "--wait", "300")
    h.wait_for(lambda: len(b.transfers()) == 3, 30 * h.SLOW, "the others, too")
    d.send(signal.SIGSTOP)
    one.wait(60 * h.SLOW).expect(h.UNREACHABLE).error_line("the daemon does not answer; it goes on with it as number 1")
    done = many.wait(60 * h.SLOW).expect(h.UNREACHABLE)
    check("the daemon goes on with 2 of 2" in done.err, "what is left", done.err)
    d.send(signal.SIGCONT)
    b.run("limit", "--down", "0").expect(h.OK)
    for at, name in ((b.path("big"), "big"), (b.path("into", "other"), "other"), (b.path("into", "third"), "third")):
        wait_state(b, name, "seeding", 60)
        h.check_same(at, a.path(name))


@test("a command that gives up leaves to the daemon what another one has asked for meanwhile", seconds=90)
def _(w):
    _, _, b = trio(w)
    f, g = (f"magnet:?xt=urn:btih:{pair * 20}" for pair in ("ab", "cd"))
    b.daemon()
    one = b.start("get", f, "-o", "f")
    other = b.start("get", g, "-o", "g")
    h.wait_for(lambda: len(b.transfers()) == 2, 30 * h.SLOW, "both are handed over")
    done = b.run("get", f, "-o", "f", "-d").expect(h.OK)
    check("left to the daemon as number" in done.out, "what it says", done.out)
    one.wait(60 * h.SLOW).expect(h.NOT_FOUND)
    other.wait(60 * h.SLOW).expect(h.NOT_FOUND)
    check_eq([t["hash_v1"] for t in b.transfers()], ["ab" * 20], "what was left to it stays; what nobody else wants does not")


@test("get --peer and --webseed add to whom the daemon fetches from what it has looked for in vain", seconds=90)
def _(w):
    a, b = w.peer("a"), w.peer("b")
    srcs = [h.make_file(a.path(name), 300 * KIB, seed=n) for n, name in enumerate("fgh")]
    for src in srcs:
        a.run("create", src, "-o", f"{src}.torrent").expect(h.OK)
    port = h.free_port()
    a.start("get", *(f"{src}.torrent" for src in srcs[:2]), "-o", a.dir, "--seed", "--port", str(port))
    b.daemon()
    link = "magnet:?xt=urn:btih:" + a.run("info", f"{srcs[0]}.torrent", "--json").expect(h.OK).json()["hash_v1"]
    b.run("get", link, "-o", "f", "-d").expect(h.OK)
    for src in srcs[1:]:
        b.run("get", f"{src}.torrent", "-d").expect(h.OK)
    h.wait_for(lambda: [t["state"] for t in b.transfers()] == ["metadata", "downloading", "downloading"], 30 * h.SLOW, "they wait")
    with Web(a.dir) as web:
        for ref, *whom in ((link, "-o", "f", "--peer", f"{h.HOST}:{port}"), (f"{srcs[1]}.torrent", "--peer", f"{h.HOST}:{port}"),
                           (f"{srcs[2]}.torrent", "--webseed", web.url)):
            b.run("get", ref, *whom, "--wait", "30", seconds=60).expect(h.OK)
    for src in srcs:
        h.check_same(b.path(os.path.basename(src)), src)


@test("what a daemon watches stays its owner's, by whatever name others are published later", seconds=90)
def _(w):
    index, a = w.index(), w.peer("a")
    srcs = [h.make_file(a.path(name), 1000, seed=n) for n, name in enumerate("fg")]
    d = a.daemon()
    for src, owner in zip(srcs, ("alice", "bert")):
        a.run("share", src, "--watch", "--settle", "1", "--as", owner, "-d").expect(h.OK)
    for turn in (2, 3):
        # At once, for a daemon that has just begun may look while it is written.
        for n, src in enumerate(srcs):
            os.replace(h.make_file(src + ".new", 1000, seed=10 * turn + n), src)
        for name, owner in (("f", "alice"), ("g", "bert")):
            h.wait_for(lambda: index.entries(name=name, owner=owner, version=turn), 30 * h.SLOW, f"{owner}/{name}@{turn}")
        wait_state(a, f"f@{turn}", "seeding")
        wait_state(a, f"g@{turn}", "seeding")
        d.stop(signal.SIGTERM)
        d = a.daemon()
    check_eq({e["owner"] for e in index.entries()}, {"alice", "bert"}, "owners")


@test("what is being written while a daemon that watches it begins is one version, and what was written before is one at once", seconds=120)
def _(w):
    index, a = w.index(), w.peer("a")
    src, settle = a.path("f"), 5 * h.SLOW
    h.make_file(src, 1000, seed=1)
    d = a.daemon()
    a.run("share", src, "--watch", "--settle", str(int(settle)), "-d").expect(h.OK)
    index.wait_seeds("f")
    for version, writes in ((2, 2), (3, 1)):
        d.stop(signal.SIGTERM)
        with open(src, "wb") as f:
            f.write(bytes([version]) * 1000)
        if writes == 1:
            h.wait_for(lambda: time.time() - os.stat(src).st_ctime > settle, 3 * settle, "it is at rest")
        d = a.daemon()
        begun = time.monotonic()
        if writes == 2:
            with open(src, "ab") as f:
                f.write(bytes(1000))
        h.wait_for(lambda: index.entries(name="f", version=version), 40 * h.SLOW, f"version {version}")
        check((time.monotonic() - begun < settle - 1) == (writes == 1), "it waits for what is not at rest alone")
        wait_state(a, f"f@{version}", "seeding")
        check_eq([e["bytes"] for e in index.entries(name="f", version=version)], [1000 * writes], "as it is by then")
    check_eq(index.entries(name="f", version=4), [], "a further version")


@test("what the daemon cannot watch, follow or serve as it is asked is refused, not said to be done", seconds=90)
def _(w):
    index, a, b = trio(w)
    f, g = (h.make_file(a.path(name), 100 * KIB, seed=n) for n, name in enumerate("fg"))
    a.share(f, "--as", "alice")
    b.daemon()
    b.get("f")
    b.run("share", "f", "--watch", "--as", "bert", "-d").expect(h.TAKEN).error_line("as number 1, which was fetched, not shared")
    b.run("share", "f", "-d").expect(h.OK)
    copies = [h.make_file(b.path(d, "h"), 100 * KIB, seed=5) for d in ("one", "two")]
    b.run("share", copies[0], "-d").expect(h.OK)
    b.run("get", "b/h", "-o", copies[0], "--follow", "-d").expect(h.TAKEN).error_line("as number 2, which was shared, not fetched")
    b.run("share", copies[1], "--watch", "-d").expect(h.TAKEN).error_line("as number 2 at .*/one/h, and watches no other place")
    b.run("share", copies[1], "-d").expect(h.OK)
    check_eq([(t["watches"], t["follows"]) for t in b.transfers()], [(False, False)] * 2, "as they were")
    # Fetched to be served no more, or for a while, and shared.
    b.run("get", "f", "-d", "--no-seed").expect(h.OK)
    wait_state(b, "alice/f", "done")
    b.run("share", "f", "-d").expect(h.OK)
    wait_state(b, "alice/f", "seeding")
    b.run("get", "f", "-d", "--seed-time", "1").expect(h.OK)
    wait_state(b, "alice/f", "done")
    b.run("share", h.make_file(b.path("three", "f"), 100 * KIB, seed=0), "-d").expect(h.OK)
    wait_state(b, "alice/f", "seeding")
    # Nobody has it, and it is fetched.
    b.run("create", g, "-o", b.path("g.torrent")).expect(h.OK)
    b.run("get", "g.torrent", "-o", "there", "-d").expect(h.OK)
    b.run("share", g, "-d").expect(h.TAKEN).error_line("as number 3 at .*/there, where it fetches it.* 'shoal remove 3' ends that")
    b.run("remove", "3").expect(h.OK)
    b.run("share", g, "-d").expect(h.OK)
    index.wait_seeds("g")


@test("what is larger than a question to the daemon is handed over, too, and leaves no file behind")
def _(w):
    index, a, b = trio(w)
    a.daemon()
    tree = h.make_tree(a.path("tree"), {f"folder with a long name/file with a long name {i:04}": 100 for i in range(400)})
    a.run("share", tree, "--detach").expect(h.OK)
    check(len(index.torrent("tree")) > 32 * KIB, "the .torrent alone is larger")
    check_eq([f for f in os.listdir(os.path.join(a.home, "run")) if f.startswith("add-")], [], "requests left behind")
    b.get("tree")
    h.check_same(b.path("tree"), tree)


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
    rows = b.run("files", "data", "--json").expect(h.OK).json()
    check_eq([(f["path"], f["bytes"], f["done_bytes"] == f["bytes"], f["priority"]) for f in rows["files"]],
             [("a.txt", 100_000, False, "skip"), ("b/one.jpg", 300_000, True, "normal"), ("b/two.raw", 700_001, False, "skip"),
              ("c/three.jpg", 1 * MIB, False, "skip")], "files")
    check_eq((rows["id"], rows["title"]), (1, "alice/data@1"), "whose")
    lines = [line.split("\t") for line in b.run("files", "1").expect(h.OK).out.splitlines()]
    check_eq((lines[1][1:], lines[3][3:]), (["100%", "293.0 KiB", "normal", "b/one.jpg"], ["skip", "c/three.jpg"]), "table")
    check_eq(b.api("GET", "transfers/1/files")[1], {"files": rows["files"], "next": None}, "over HTTP")
    last = rows["files"][-1]
    check_eq(b.api("GET", f"transfers/1/files?from={last['index']}")[1]["files"], [last], "from there on")
    check_eq(b.api("GET", "transfers/1/files?from=x")[0], 400, "from where?")
    b.run("files", "nothing").expect(h.NOT_FOUND)
    b.run("get", "data", "--only", "*.iso").expect(h.NOT_FOUND).error_line("none of its files")
    d.kill()
    b.daemon()
    wait_state(b, "data", "seeding")
    check_eq(b.transfers("data")[0]["wanted_files"], 1, "remembered")
    said = b.run("get", "data", "--only", "*.jpg", "--json").expect(h.OK).json()
    check_eq((said["files"], said["files_in_all"], said["there_already"]), (2, 4, False), "more of it")
    check(said["seconds"] < 3 * h.SLOW, "from whom it had no use for until then, at once", said["seconds"])
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
    lines = [line.split("\t") for line in b.run("files", "data").expect(h.OK).out.splitlines()]
    check_eq([(line[1], line[3]) for line in lines[:4]], [("0%", "normal")] * 3 + [("0%", "skip")], "how much is there")
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
    b.run("get", "0" * 40, "--wait", "1", "-q", seconds=60).expect(h.NOT_FOUND).error_line("no such")
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
    check_eq([t["title"] for t in b.transfers()], ["alice/f@2"], "the older one is no more")


def newest(index, name):
    return max([e["version"] for e in index.entries(name=name)] or [0])


@test("share --watch and get --follow are left to daemons, which go on with them over a kill", seconds=180)
def _(w):
    index, a, b = trio(w)
    src = h.make_tree(a.path("d"), {"one": 300 * KIB, "sub/two": 70 * KIB})
    da, db = a.daemon(), b.daemon()

    def arrives(n, meanwhile=lambda: None):
        h.wait_for(lambda: newest(index, "d") >= n, 30 * h.SLOW, f"version {n} is published")
        h.wait_for(lambda: meanwhile() or [t["title"] for t in b.transfers()] == [f"alice/d@{n}"], 60 * h.SLOW,
                   f"version {n} arrives")
        h.check_same(b.path("d"), src)
        h.wait_for(lambda: [(t["title"], t["state"]) for t in a.transfers()] == [(f"alice/d@{n}", "seeding")],
                   30 * h.SLOW, "the older one is shared no more")

    share = a.start("share", src, "--watch", "--settle", "1", "--as", "alice", "--description", "of words")
    h.wait_for(lambda: b"serving alice/d@1" in share.out(), 30 * h.SLOW, "it is shared")
    follow = b.start("get", "d", "--follow", "--every", "1")
    h.wait_for(lambda: b"verified" in follow.out(), 30 * h.SLOW, "it is fetched")
    check_eq([(t["watches"], t["follows"]) for t in a.transfers() + b.transfers()], [(True, False), (False, True)], "shown")
    check("follows" in b.run("status").out, "in the table")

    h.make_tree(src, {"sub/three": 50 * KIB}, seed=2)
    arrives(2)
    h.wait_for(lambda: b"serving alice/d@2" in share.out(), 30 * h.SLOW, "the sharer is told")
    h.wait_for(lambda: b"version 2, " in follow.out(), 30 * h.SLOW, "the follower is told")
    os.unlink(os.path.join(src, "sub", "three"))  # as it was at first: a version like others
    arrives(3)
    h.wait_for(lambda: b"serving alice/d@3" in share.out(), 30 * h.SLOW, "the sharer is told of that, too")
    h.wait_for(lambda: b"version 3, " in follow.out(), 30 * h.SLOW, "so is the follower")
    check_eq(index.entry("d")["description"], "of words", "what is said of it stays")
    check("goes on serving and watching" in share.stop().expect(h.OK).err, "Ctrl-C", share.err())
    check("the daemon goes on following it" in follow.stop().expect(h.OK).err, "Ctrl-C", follow.err())

    h.make_tree(src, {"one": 200 * KIB}, seed=3)
    # What is changed of it meanwhile, all the time, keeps nobody from asking the index.
    arrives(4, lambda: b.run("limit", "d", "--down", "1G") and None)
    da.kill()
    db.kill()
    h.make_tree(src, {"four": 100 * KIB}, seed=4)  # while nobody looks
    da = a.daemon()
    b.daemon()
    arrives(5)
    check(b"hashed again" not in da.err(), "what changed is not hashed for the older version, too", da.err())
    a.run("pause", "d").expect(h.OK)
    h.make_tree(src, {"five": 1000}, seed=5)
    a.run("resume", "d").expect(h.OK)
    arrives(6)
    a.run("unshare", "d").expect(h.OK)
    check_eq(a.transfers(), [], "it is shared no more")


@test("a daemon that follows gives up a version that nobody has for the next one, and what it had of it goes", seconds=150)
def _(w):
    index, a, b = trio(w)
    db = b.daemon()
    src = h.make_tree(a.path("d"), {"one": 300 * KIB})

    def arrives(n):
        h.wait_for(lambda: [(t["title"], t["state"]) for t in b.transfers()] == [(f"a/d@{n}", "seeding")], 60 * h.SLOW,
                   f"version {n} is there")
        h.check_same(b.path("d"), src)
        h.wait_for(lambda: h.part_of(b.dir) == [], 10 * h.SLOW, "and nothing of another")

    def vanishes(seed):
        h.make_tree(src, {"one": 8 * MIB}, seed=seed)
        share = a.share(src, "--limit-up", "200K", "--limit-lan")
        h.wait_for(lambda: h.part_bytes(b.dir) > 0, 30 * h.SLOW, "it is under way")
        share.kill()

    share = a.share(src)
    b.run("get", "d", "--follow", "--every", "1", "-d").expect(h.OK)
    arrives(1)
    share.stop()
    vanishes(2)
    h.make_tree(src, {"one": 400 * KIB}, seed=3)
    share = a.share(src)
    arrives(3)
    check(b"a/d@2 is had by nobody; going on with version 3" in db.out() + db.err(), "it says so", db.out())
    share.stop()
    vanishes(4)
    h.make_tree(src, {"one": 400 * KIB}, seed=3)  # what it was before
    a.share(src)
    arrives(5)
    check_eq([t["follows"] for t in b.transfers()], [True], "and goes on following")


@test("a daemon that follows leaves alone what somebody changed, says so, and goes on when it is asked to replace it", seconds=120)
def _(w):
    index, a, b = trio(w)
    src = h.make_tree(a.path("d"), {"one": 100 * KIB})
    a.daemon()
    a.run("share", src, "--watch", "--settle", "1", "--as", "alice", "-d").expect(h.OK)
    db = b.daemon()
    done = b.run("get", "d", "--follow", "--every", "1", "-d").expect(h.OK)
    check("left to the daemon" in done.out, "detached", done.out)
    wait_state(b, "d", "seeding")
    with open(b.path("d", "mine"), "w") as f:
        f.write("mine")
    h.make_tree(src, {"two": 1000}, seed=2)
    why = h.wait_for(lambda: b.transfers()[0]["upkeep_why"], 30 * h.SLOW, "it says what is in the way")
    check("was changed" in why, "why", why)
    check_eq([(t["title"], t["state"]) for t in b.transfers()], [("alice/d@1", "seeding")], "it stays")
    check_eq(open(b.path("d", "mine")).read(), "mine", "it is untouched")
    check_eq(db.err().count(b"was changed"), 1, "said once")
    os.unlink(b.path("d", "mine"))
    b.run("get", "d@1", "--follow").expect(h.USAGE)
    index.proc.kill()
    h.wait_for(lambda: "unreachable" in (b.transfers()[0]["upkeep_why"] or "") or
               "cannot connect" in (b.transfers()[0]["upkeep_why"] or "") or
               "refused" in (b.transfers()[0]["upkeep_why"] or ""), 30 * h.SLOW, "the index is away")
    index.start()
    b.run("get", "d", "--follow", "--every", "1", "--replace", "-d").expect(h.OK)
    h.wait_for(lambda: [t["title"] for t in b.transfers()] == ["alice/d@2"], 30 * h.SLOW, "version 2")
    h.wait_for(lambda: os.path.exists(b.path("d", "two")), 30 * h.SLOW, "it arrives")


@test("a version that the daemon published, but could not serve, is served as soon as it can be", seconds=120)
def _(w):
    index, a = w.index(), w.peer("a")
    h.make_file(a.path("watched", "f"), 40 * KIB)
    h.make_file(a.path("other", "f"), 50 * KIB)
    a.daemon()
    a.run("share", a.path("watched", "f"), "--name", "w", "--watch", "--settle", "1", "-d").expect(h.OK)
    a.run("share", a.path("other", "f"), "--name", "o", "-d").expect(h.OK)
    with open(a.path("other", "f"), "rb") as f:
        content = f.read()
    with open(a.path("watched", "f"), "wb") as f:
        f.write(content)  # one swarm, which has a job already

    def job(name):
        return [t for t in a.transfers() if t["title"].split("/")[1].startswith(name + "@")]

    h.wait_for(lambda: newest(index, "w") == 2, 30 * h.SLOW, "it is published")
    h.wait_for(lambda: job("w")[0]["upkeep_why"], 30 * h.SLOW, "it says that it is not served")
    a.run("remove", "o").expect(h.OK)
    h.wait_for(lambda: [(t["version"], t["state"]) for t in job("w")] == [(2, "seeding")], 60 * h.SLOW, "it is served")
    check_eq(newest(index, "w"), 2, "published once")


@test("share --watch that is asked for again is watched as is said then; get --follow goes by what was said of files", seconds=120)
def _(w):
    index, a, b = trio(w)
    src = h.make_tree(a.path("d"), {"one": 300 * KIB, "big/two": 200 * KIB})
    watch = ["share", src, "--watch", "--settle", "1", "--as", "alice", "-d"]
    da = a.daemon()
    a.run(*watch, "--description", "of words", "--limit-up", "10M").expect(h.OK)
    b.daemon()
    b.run("get", "d", "--follow", "--every", "1", "-d").expect(h.OK)
    wait_state(b, "d", "seeding")
    b.run("priority", "d", "skip", "--file", "nothing").expect(h.NOT_FOUND).error_line("no file of it matches")
    b.run("priority", "d", "skip", "--file", "big/*").expect(h.OK)  # of versions to come: all of this is there

    def why():
        return a.transfers()[0]["upkeep_why"]

    da.kill()
    key = os.path.join(a.home, "key")
    os.chmod(key, 0o644)  # it is used by nobody like this
    da = a.daemon()
    check("key" in h.wait_for(why, 30 * h.SLOW, "it says that it cannot be watched"), "why")
    a.run("limit", "d", "--up", "9M").expect(h.OK)
    os.chmod(key, 0o600)
    a.run("pause", "d").expect(h.OK)
    a.run("resume", "d").expect(h.OK)
    h.wait_for(lambda: why() is None, 30 * h.SLOW, "it is watched when it goes on")
    check_eq(da.err().count(b"is not watched"), 1, "said once")

    a.run(*watch, "--description", "of deeds", "--tag", "new", "--limit-up", "20M").expect(h.OK)
    check_eq(a.transfers()[0]["limit_up_bps"], 20 * MIB, "its limit")
    h.make_tree(src, {"big/three": 100 * KIB, "four": 1000}, seed=2)
    h.wait_for(lambda: [t["title"] for t in b.transfers()] == ["alice/d@2"], 60 * h.SLOW, "version 2 arrives")
    e = index.entry("d")
    check_eq((e["version"], e["description"], e["tags"]), (2, "of deeds", ["new"]), "what is said of it")
    check_eq(files_of(b.path("d")), ["four", "one"], "what is skipped stays so")


if __name__ == "__main__":
    h.main()
