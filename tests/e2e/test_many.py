#!/usr/bin/python3
"""Many torrents in one process: a folder of .torrent files, seeded and fetched by one get."""

import os
import re
import socket
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test

# Each .torrent is made by a process of its own, which takes ten times as long to start with a sanitizer.
N = 90 if h.SANITIZED else 300
# Where memory is looked at: meson has the C library write to all that is allocated, used or not.
AS_USED = {"MALLOC_PERTURB_": "0"}
# What a process with a thousand shares may take; it was 17 MiB once.
SHARES_BYTES = 12 * MIB


def make_torrents(peer, n, tracker=None):
    """n files of 20 to 100 KiB in data/, and a hybrid, v1 or v2 torrent of each in torrents/; their names."""
    os.mkdir(peer.path("torrents"))
    more = ["--tracker", tracker] if tracker else []
    names = [f"item-{i:03}" for i in range(n)]
    for i, name in enumerate(names):
        path = h.make_file(peer.path("data", name), 20 * KIB + i * 271, seed=name)
        kind = ([], ["--v1-only"], ["--v2-only"])[i % 3]
        peer.run("create", path, "-o", peer.path("torrents", name + ".torrent"), "--piece-length", "16K", *kind,
                 *more).expect(h.OK)
    return names


def torrent(peer, name):
    return peer.path("torrents", name + ".torrent")


def serving(proc, n):
    h.wait_for(lambda: f"serving {n} torrents".encode() in proc.out() or not proc.alive(), 60 * h.SLOW,
               f"{n} torrents are served")
    check(proc.alive(), "it serves", proc.err())
    return int(re.search(rb"on port (\d+)", proc.out())[1])


@test("hundreds of torrents are seeded by one process, and any of them is served at once", seconds=240)
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    names = make_torrents(a, N, index.announce)
    with open(a.path("list"), "w") as f:
        f.write("# what we seed\n\n" + "".join(torrent(a, n) + "\n" for n in names))
    seed = a.start("get", "-i", "list", "-o", "data/", "--seed", env=AS_USED)
    port = serving(seed, N)
    check(seed.fds() < 250, "idle torrents hold no descriptors", seed.fds())
    if not h.SANITIZED:
        check(seed.rss() < 32 * MIB, "they hold little memory", seed.rss())
    # By the address, whatever the tracker says.
    for i in (0, 1, 2, N // 2, N - 1):
        done = b.run("get", torrent(a, names[i]), "--peer", f"{h.HOST}:{port}", seconds=20).expect(h.OK)
        check(done.seconds < 5 * h.SLOW, "at once", done.seconds)
        h.check_same(b.path(names[i]), a.path("data", names[i]))
    # And all of them by the tracker alone.
    os.mkdir(c.path("into"))
    c.run("get", *[torrent(a, n) for n in names], "-o", "into", "-q", seconds=120).expect(h.OK)
    h.check_same(c.path("into"), a.path("data"))
    done = seed.stop(seconds=6)
    check_eq(done.code, h.OK, "exit of a seed")
    check(h.wait_for(lambda: index.api("status")["peers"] == 0, 40 * h.SLOW, "the goodbyes came"), "nobody is left")


def rests(proc):
    used = proc.cpu()
    time.sleep(0.3)
    return proc.cpu() - used < 0.05


@test("what one of a thousand shares costs is bounded, in memory and in time", seconds=120)
def _(w):
    index, a = w.index(), w.peer("a")
    n = 1000
    os.mkdir(a.path("files"))
    for i in range(n):
        with open(a.path("files", f"f{i}"), "wb") as f:
            f.write(b"%d" % i)
    share = a.start("share", *[a.path("files", f"f{i}") for i in range(n)], "-q", env=AS_USED)
    h.wait_for(lambda: index.api("status")["entries"] == n, 90 * h.SLOW, "all are published")
    h.wait_for(lambda: rests(share), 30 * h.SLOW, "idle ones cost next to nothing")
    if not h.SANITIZED:
        check(share.rss() < SHARES_BYTES, "of memory", share.rss())
    share.stop().expect(h.OK)


@test("what is missing is fetched, what is there is checked, what is broken is named; the others go on", seconds=90)
def _(w):
    a, b = w.peer("a", "http://127.0.0.1:1"), w.peer("b", "http://127.0.0.1:1")
    names = make_torrents(a, 30)
    torrents = [torrent(a, n) for n in names]
    seed = a.start("get", *torrents, "-o", "data", "--seed")
    peer = f"{h.HOST}:{serving(seed, 30)}"
    os.mkdir(b.path("data"))
    for n in names[:10]:
        with open(a.path("data", n), "rb") as f, open(b.path("data", n), "wb") as to:
            to.write(f.read())
    h.make_file(b.path("data", names[3]), os.path.getsize(a.path("data", names[3])), seed="other")
    with open(b.path("junk.torrent"), "wb") as f:
        f.write(b"d4:infod4:name1:xee")
    listing = "\n".join(torrents + [torrents[5], b.path("junk.torrent"), b.path("no-such.torrent")])
    with open(b.path("stdin"), "w") as f:
        f.write(listing)
    with open(b.path("stdin")) as f:
        done = w.start(*b.args("get", "-i", "-", "-o", "data", "--peer", peer), env=w.env(b.home), cwd=b.dir,
                       name="b-get", stdin=f).wait(60 * h.SLOW)
    check(names[3] in done.err and "other content" in done.err, "other content is named", done.err)
    check("junk.torrent" in done.err and "no-such.torrent" in done.err, "what cannot be read is named", done.err)
    check_eq(done.code, h.TAKEN, "the first failure is the exit code")
    check_eq(len(re.findall(r"^data/item-\d+: .* verified$", done.out, re.M)), 20, "lines of what was fetched")
    check_eq(re.findall(r"^(?!data/).*verified.*$", done.out, re.M), ["9 of 33 were there already, verified"], "of what was there")
    os.unlink(b.path("data", names[3]))
    b.run("get", *torrents, "-o", "data", "--peer", peer, seconds=60).expect(h.OK)
    h.check_same(b.path("data"), a.path("data"))
    seed.stop().expect(h.OK)


@test("torrents without a holder give their place to others, and end with exit 5", seconds=90)
def _(w):
    a, b = w.peer("a", "http://127.0.0.1:1"), w.peer("b", "http://127.0.0.1:1")
    names = make_torrents(a, 40)
    seed = a.start("get", *[torrent(a, n) for n in names[-4:]], "-o", "data", "--seed")
    peer = f"{h.HOST}:{serving(seed, 4)}"
    os.mkdir(b.path("data"))
    done = b.run("get", *[torrent(a, n) for n in names], "-o", "data", "--peer", peer, seconds=60).expect(h.NO_HOLDER)
    check_eq(done.err.count("no holder on line"), 36, "those that nobody has are named")
    for n in names[-4:]:
        h.check_same(b.path("data", n), a.path("data", n))


@test("a tracker that takes connections and never answers keeps neither the start nor the end", seconds=90)
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    s = socket.socket()
    s.bind((h.HOST, 0))
    s.listen(200)
    w.closers.append(s.close)
    names = make_torrents(a, 60, f"http://{h.HOST}:{s.getsockname()[1]}/announce")
    seed = a.start("get", *[torrent(a, n) for n in names], "-o", "data", "--seed")
    serving(seed, 60)
    check(seed.fds() < 250, "few requests are under way at a time", seed.fds())
    done = seed.stop(seconds=6)
    check_eq(done.code, h.OK, "exit")


@test("several names go into a folder, and are named by someone")
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    a.run("get", "x.torrent", "y.torrent", "-o", "/proc/no/such", seconds=20).expect(h.NOT_FOUND).error_line("/proc/no")
    h.make_file(a.path("plain"), 3)
    a.run("get", "x.torrent", "y.torrent", "-o", "plain", seconds=20).error_line("plain")
    a.run("get", seconds=20).expect(h.USAGE).error_line("usage")
    h.make_file(a.path("empty"), 0)
    a.run("get", "-i", "empty", seconds=20).expect(h.USAGE).error_line("usage")
    a.run("get", "-i", "no-list", seconds=20).expect(h.NOT_FOUND).error_line("no-list")


@test("a daemon shows more shares than go into one answer, each once", seconds=120)
def _(w):
    index, a = w.index(), w.peer("a")
    a.daemon()
    names = [f"f{i:03}" for i in range(502)]
    a.run("share", *[h.make_file(a.path("data", n), 1000, seed=n) for n in names], "--detach", "-q", seconds=100).expect(h.OK)
    shown = a.transfers()
    check_eq([t["name"] for t in shown], names, "the names, oldest first")
    check_eq(len({t["id"] for t in shown}), len(names), "numbers")
    done = a.run("status", "--json").expect(h.OK).json()
    check_eq((sorted(done), done["status"]["transfers"]), (["schema", "status", "transfers"], len(names)), "what else there is")
    check_eq(a.run("status").expect(h.OK).out.count("seeding"), len(names), "lines")
    a.run("unshare", names[1]).expect(h.OK)
    check_eq([t["name"] for t in a.transfers()], names[:1] + names[2:], "without one of them")


if __name__ == "__main__":
    raise SystemExit(h.main())
