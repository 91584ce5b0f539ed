#!/usr/bin/python3
"""Files that are changed, cut, replaced, moved or removed while they are shared."""

import os
import shutil
import signal

import harness as h
from harness import KIB, MIB, SLOW, check, check_eq, test

KINDS = [["--v1-only"], ["--v2-only"], []]


def percent(index, name):
    peers = index.holders(name)["peers"]
    return max([p["percent"] for p in peers] or [0])


def innocent(get):
    """Nobody was taken for a liar."""
    err = get.err()
    check(b"banned" not in err and b"does not match" not in err, "a wrong byte was sent", err[-2000:])


def held_up(w, kind, size):
    """A getter that is stopped in the middle of what it gets from a share."""
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), size)
    share = a.share(src, "-v", *kind)
    get = g.start("get", "f", "-v", "--wait", "0")
    h.wait_for(lambda: h.part_bytes(g.dir) > size // 16 or not get.alive(), 30 * SLOW, "get is under way", every=0.001)
    get.send(signal.SIGSTOP)
    check(get.alive(), "it was stopped in time", get.err())
    return index, a, g, src, share, get


def change_and_back(w, kind, change):
    size = 768 * MIB
    index, a, g, src, share, get = held_up(w, kind, size)
    keep = a.path("keep")
    os.link(src, keep)
    if change == "removed":
        os.unlink(src)
    elif change == "replaced":
        other = h.make_file(a.path("other"), size, seed=2)
        os.rename(other, src)
    elif change == "cut":
        os.truncate(src, size // 2)
    h.wait_for(lambda: b"since it was verified" in share.err() or b"moved away" in share.err() or
               b"another size" in share.err(), 10 * SLOW, "share says what happened")
    h.wait_for(lambda: percent(index, "f") < 60, 15 * SLOW, "the index knows")
    check_eq(index.entry("f")["seeds"], 0, "seeds")
    get.send(signal.SIGCONT)
    if change == "cut":
        return share, get
    innocent(get)
    os.rename(keep, src)
    h.wait_for(lambda: b"served again" in share.err(), 60 * SLOW, "share serves it again")
    get.wait(120 * SLOW).expect(h.OK)
    innocent(get)
    h.check_same(g.path("f"), src)
    index.wait_seeds("f", seconds=20)
    return share, get


@test("a file that is removed while a peer gets it, and put back: no wrong byte, and the peer completes", seconds=200)
def _(w):
    change_and_back(w, [], "removed")


@test("a file that is replaced by another while a peer gets it: no wrong byte; put back it goes on (v1)", seconds=200)
def _(w):
    change_and_back(w, ["--v1-only"], "replaced")


@test("a file that is cut while a peer gets it: no wrong byte (v2)", seconds=200)
def _(w):
    share, get = change_and_back(w, ["--v2-only"], "cut")
    share.stop().expect(h.OK)
    innocent(get)


@test("in a folder the other files are served on, whatever the kind of torrent; who gets it completes once all is back", seconds=150)
def _(w):
    index = w.index()
    for n, kind in enumerate(KINDS):
        name = f"d{n}"
        a, g = w.peer(f"a{n}"), w.peer(f"g{n}")
        src = h.make_tree(a.path(name), {"x/one": MIB, "x/two": 3 * MIB, "y/three": 2 * MIB, "empty": 0})
        share = a.share(src, "-v", "--piece-length", "64K", *kind)
        os.rename(os.path.join(src, "x"), a.path("away"))
        h.wait_for(lambda: percent(index, name) < 40, 15 * SLOW, "the index knows that much is gone")
        check(percent(index, name) > 25, "the rest is there", percent(index, name))
        get = g.start("get", name, "-v", "--wait", "0")
        h.wait_for(lambda: h.part_bytes(g.dir) >= 2 * MIB - 64 * KIB, 30 * SLOW, "get has the rest")
        innocent(get)
        os.rename(a.path("away"), os.path.join(src, "x"))
        get.wait(60 * SLOW).expect(h.OK)
        innocent(get)
        h.check_same(g.path(name), src)
        check(b"x/" in share.err() and b"moved away" in share.err(), "share names a file", share.err())


@test("a download of some of the files is watched like one of all: what is changed is not sent, and is again once it is back")
def _(w):
    index = w.index()
    for n, kind in enumerate(KINDS):
        name = f"p{n}"
        a, b, g = w.peer(f"a{n}"), w.peer(f"b{n}"), w.peer(f"g{n}")
        src = h.make_tree(a.path(name), {"x/one": MIB, "x/two": 3 * MIB, "y/three": 2 * MIB})
        share = a.share(src, "--piece-length", "64K", *kind)
        part = b.start("get", name, "--only", "x/*", "--seed", "-v")
        h.wait_for(lambda: os.path.exists(b.path(name, "x", "two")), 30 * SLOW, "some of it is there")
        share.stop().expect(h.OK)
        two = b.path(name, "x", "two")
        with open(two, "r+b") as f:
            f.seek(MIB)
            f.write(bytes(MIB))
        h.wait_for(lambda: b"x/two: was changed" in part.err(), 20 * SLOW, "who serves it says so")
        get = g.start("get", name, "--only", "x/*", "-v", "--wait", "0")
        h.wait_for(lambda: h.part_bytes(g.dir) >= MIB, 30 * SLOW, "what was not changed comes")
        shutil.copyfile(os.path.join(src, "x", "two"), two)
        get.wait(60 * SLOW).expect(h.OK)
        innocent(get)
        h.check_same(g.path(name, "x"), os.path.join(src, "x"))
        h.wait_for(lambda: b"served again" in part.err(), 20 * SLOW, "it says that it serves it again")
        check(f"{name}/x/two: was changed".encode() in part.err(), "which file, by its name", part.err())


@test("beside a file that was changed no more is fetched; moved away it is fetched again (daemon)")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"x/one": MIB, "y/two": 2 * MIB, "z/three": MIB})
    a.share(src, "--piece-length", "64K", "--v1-only")
    b.daemon()
    b.run("get", "d", "--only", "x/*").expect(h.OK)
    one = b.path("d", "x", "one")
    with open(one, "r+b") as f:
        f.write(b"mine")
    h.wait_for(lambda: b.transfers("1")[0]["why"], 20 * SLOW, "it is noticed")
    b.run("priority", "1", "normal", "--file", "y/*").expect(h.TAKEN).error_line("d/x/one: was changed", "move it away")
    check_eq(sorted(h.tree_sums(b.path("d"))), [b"x/one"], "nothing more came")
    # What is only wanted less is nothing to fetch: the changed file is not written to.
    b.run("priority", "1", "high", "--file", "x/*").expect(h.OK)
    with open(one, "rb") as f:
        check_eq(f.read(4), b"mine", "the user's own")
    os.rename(one, b.path("kept"))
    h.wait_for(lambda: "moved away" in b.transfers("1")[0]["why"], 20 * SLOW, "that, too")
    b.run("priority", "1", "normal", "--file", "y/*").expect(h.OK)
    h.wait_for(lambda: os.path.exists(b.path("d", "y", "two")) and os.path.exists(one), 30 * SLOW, "both are there")
    h.check_same(b.path("d", "x"), os.path.join(src, "x"))
    h.check_same(b.path("d", "y"), os.path.join(src, "y"))
    h.wait_for(lambda: b.transfers("1")[0]["why"] is None, 20 * SLOW, "all is well")
    # Who keeps a version of his own wants the file no more.
    with open(one, "r+b") as f:
        f.write(b"mine")
    h.wait_for(lambda: b.transfers("1")[0]["why"], 20 * SLOW, "it is noticed again")
    b.run("priority", "1", "skip", "--file", "x/*").expect(h.OK)
    h.wait_for(lambda: b.transfers("1")[0]["why"] is None, 20 * SLOW, "nothing is amiss")
    with open(one, "rb") as f:
        check_eq(f.read(4), b"mine", "the user's own")


@test("what is refused of the files of one version is no rule for the next (daemon that follows)")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"x/one": MIB, "y/two": MIB})
    a.share(src)
    b.daemon()
    b.run("get", "d", "--only", "x/*", "--follow", "--every", "1", "--detach").expect(h.OK)
    one = b.path("d", "x", "one")
    h.wait_for(lambda: b.transfers()[0]["state"] == "seeding", 20 * SLOW, "it is fetched")
    was = os.stat(one)
    with open(one, "r+b") as f:
        first = f.read(4)
        f.seek(0)
        f.write(b"mine")
    h.wait_for(lambda: b.transfers()[0]["why"], 20 * SLOW, "it is noticed")
    b.run("priority", "1", "normal", "--file", "y/*").expect(h.TAKEN)
    with open(one, "r+b") as f:
        f.write(first)
    os.utime(one, ns=(was.st_atime_ns, was.st_mtime_ns))
    h.wait_for(lambda: b.transfers()[0]["why"] is None, 20 * SLOW, "it is as it was")
    h.make_tree(a.path("d"), {"x/one": 2 * MIB, "y/two": 2 * MIB})
    a.share(src)
    h.wait_for(lambda: os.path.getsize(one) == 2 * MIB, 60 * SLOW, "the next version is there")
    check_eq(sorted(h.tree_sums(b.path("d"))), [b"x/one"], "of which only that is wanted that was")


@test("a file that is written to in one place: the rest is served; share says which file")
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 8 * MIB)
    share = a.share(src, "--piece-length", "64K", "-v")
    with open(src, "r+b") as f:
        f.seek(3 * MIB + 5)
        f.write(b"not what it was")
    h.wait_for(lambda: 99 < percent(index, "f") < 100, 20 * SLOW, "all but one piece is there")
    check(b"/f: was changed" in share.err(), "share names it", share.err())
    get = g.start("get", "f", "-v", "--wait", "0")
    h.wait_for(lambda: h.part_bytes(g.dir) >= 8 * MIB - 128 * KIB, 30 * SLOW, "get has the rest")
    innocent(get)
    get.stop(signal.SIGINT).expect(h.INTERRUPTED)
    done = share.stop().expect(h.OK)
    check("share it again" in done.err, "what to do", done.err)


@test("each file of a share that is changed, removed or moved later than another is named, too, once")
def _(w):
    w.index()
    a = w.peer("a")
    src = a.path("d")
    os.mkdir(src)
    for i, name in enumerate("abc"):
        h.make_file(os.path.join(src, name), 300 * KIB, seed=i)
    share = a.share(src)

    def says(text):
        h.wait_for(lambda: text in share.err(), 20 * SLOW, f"share says {text}")
    os.unlink(os.path.join(src, "a"))
    says(b"d/a: was removed or moved away; share it again")
    with open(os.path.join(src, "b"), "r+b") as f:
        f.write(b"not what it was")
    says(b"d/b: was changed since it was verified; share it again")
    done = share.stop().expect(h.OK)
    check_eq(done.err.count("share it again"), 2, "each is said once")


def hashing_the_last(w, *args):
    """A share of a folder whose first file was hashed and whose last one, which is all holes, is being hashed; and the index."""
    index = w.index()
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"a.bin": 8 * MIB})
    with open(os.path.join(src, "z.bin"), "wb") as f:
        f.truncate((256 if h.SLOW > 1 else 1536) * MIB)
    share = a.start("share", src, *args)

    def reads(name):
        return any(x.endswith(name) for x in share.open_files())
    h.wait_for(lambda: (reads("z.bin") and not reads("a.bin")) or not share.alive(), 30 * SLOW, "it hashes the last one", every=0.001)
    share.send(signal.SIGSTOP)
    check(reads("z.bin") and not reads("a.bin"), "it was stopped in time", share.err())
    return index, a, src, share, lambda: reads("z.bin")


def change(src, data=b"CHANGED", at=MIB):
    """Returns what was there."""
    with open(os.path.join(src, "a.bin"), "r+b") as f:
        f.seek(at)
        was = f.read(len(data))
        f.seek(at)
        f.write(data)
    return was


@test("a file that is changed, or grows, while the others are hashed: nothing is published, and it is named", seconds=120)
def _(w):
    index, a, src, share, _ = hashing_the_last(w)
    change(src)
    share.send(signal.SIGCONT)
    done = share.wait(60 * SLOW)
    done.error_line("a.bin", "changed after it was hashed")
    check(done.code not in (h.OK, h.USAGE), "it is not what was asked for that is wrong", done.code)
    check_eq(index.entries(), [], "published")


@test("a file that is changed while the folder is published: it is named, and the others are served", seconds=120)
def _(w):
    index, a, src, share, is_hashing = hashing_the_last(w, "-v")
    index.proc.send(signal.SIGSTOP)
    share.send(signal.SIGCONT)
    cpu = [-1.0]

    def waits():
        before, cpu[0] = cpu[0], share.cpu()
        return not is_hashing() and cpu[0] == before
    h.wait_for(waits, 60 * SLOW, "all is hashed, and the index has not answered", every=1)
    was = change(src)
    index.proc.send(signal.SIGCONT)
    h.wait_for(lambda: b"serving" in share.out() or not share.alive(), 60 * SLOW, "share is up")
    check(b"d/a.bin: is not what the torrent says; share it again" in share.err(), "share names it", share.err())
    g = w.peer("g")
    get = g.start("get", "d", "--only", "a.bin", "-v", "--wait", "0")
    h.wait_for(lambda: 0 < h.part_bytes(g.dir), 30 * SLOW, "what was not changed comes")
    innocent(get)
    change(src, was)
    get.wait(60 * SLOW).expect(h.OK)
    innocent(get)
    h.check_same(g.path("d", "a.bin"), os.path.join(src, "a.bin"))


@test("a watched one is published as it is by then", seconds=120)
def _(w):
    index, a, src, share, _ = hashing_the_last(w, "--watch", "--settle", "60s")
    change(src, at=8 * MIB)
    share.send(signal.SIGCONT)
    h.wait_for(lambda: b"serving" in share.out() or not share.alive(), 60 * SLOW, "share is up")
    g = w.peer("g")
    g.get("d", "--only", "a.bin")
    h.check_same(g.path("d", "a.bin"), os.path.join(src, "a.bin"))
    check_eq(index.entry("d")["version"], 1, "the first that was published")


@test("shares of which something is missing when the daemon starts: the others are served; what is missing is once it is there", seconds=150)
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {f"f{i}": 256 * KIB for i in range(9)})
    daemon = a.daemon()
    a.run("share", src, "-d").expect(h.OK)
    daemon.stop(signal.SIGTERM).expect(h.OK)
    os.rename(os.path.join(src, "f7"), a.path("away"))
    daemon = a.daemon()
    h.wait_for(lambda: 85 < percent(index, "d") < 90, 20 * SLOW, "the others are there")
    check_eq(a.transfers()[0]["state"], "seeding", "state")
    h.wait_for(lambda: "d/f7: was removed" in a.transfers()[0]["why"], 20 * SLOW, "which is missing")
    g.get("d", "--only", "f3")
    os.rename(a.path("away"), os.path.join(src, "f7"))
    h.wait_for(lambda: a.transfers()[0]["why"] is None, 60 * SLOW, "it is as it was")
    g.get("d", "--only", "f7")
    daemon.stop(signal.SIGTERM).expect(h.OK)
    # On a disk that comes late.
    os.rename(src, a.path("away"))
    daemon = a.daemon()
    h.wait_for(lambda: a.transfers()[0]["state"] == "failed", 20 * SLOW, "nothing is there")
    os.rename(a.path("away"), src)
    h.wait_for(lambda: a.transfers()[0]["state"] == "seeding", 90 * SLOW, "it is looked for")
    g.get("d")
    h.check_same(g.path("d"), src)


@test("without inotify a change is found when it is read, and said once")
def _(w):
    h.need_root()
    h.need("unshare")
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 4 * MIB)
    # Of a user of its own, who may watch nothing.
    wrap = ("unshare", "--user", "--map-root-user", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh")
    share = a.start("share", src, "-v", wrap=wrap)
    h.wait_for(lambda: b"serving" in share.out() or not share.alive(), 30 * SLOW, "share is up")
    if not share.alive():
        raise h.Skip("no user namespaces here")
    check_eq(share.err().count(b"changes are found when they are read"), 1, "said once")
    os.truncate(src, MIB)
    get = g.start("get", "f", "-v", "--wait", "0")
    h.wait_for(lambda: b"another size" in share.err() or b"changed" in share.err(), 30 * SLOW, "found")
    innocent(get)


if __name__ == "__main__":
    raise SystemExit(h.main())
