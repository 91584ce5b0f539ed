#!/usr/bin/python3
"""What machines do to programs: clocks that jump, disks that go away, folders with more than files in them."""

import mmap
import os
import signal
import socket
import struct
import subprocess
import time

import harness as h
from harness import MIB, SLOW, check, check_eq, test


class Clock:
    """The wall clock of the programs started with `env`."""

    def __init__(self, w):
        path = w.path("clock")
        with open(path, "wb") as f:
            f.write(bytes(8))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8)
        self.env = {"LD_PRELOAD": h.shim("skewclock"), "SHOAL_SKEWCLOCK": path,
                    "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}

    def jump(self, seconds):
        self.map[:] = struct.pack("=q", seconds)


@test("a clock that goes back a day and forward a year while a transfer runs changes nothing for it", seconds=120)
def _(w):
    clock = Clock(w)
    index = w.index(env=clock.env)
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 4 * MIB)
    share = a.start("share", src, "--name", "f", "--as", "a", "--limit-up", "1M", "--limit-lan", env=clock.env)
    index.wait_seeds("f")
    get = g.start("get", "f", env=clock.env)
    begun = time.monotonic()
    for part, seconds in ((1, -86400), (2, 365 * 86400)):
        h.wait_for(lambda: h.part_bytes(g.dir) >= part * MIB or not get.alive(), 30 * SLOW, "it goes on", every=0.02)
        check(get.alive(), "it is under way", get.err())
        clock.jump(seconds)
    get.wait(30 * SLOW).expect(h.OK)
    check(time.monotonic() - begun < 20 * SLOW, f"it took {time.monotonic() - begun:.1f} s")
    h.check_same(g.path("f"), src)
    check_eq(index.holders("f")["seeds"], 1, "seeds a year later: who shares is still there, who has left is not")
    check(share.alive(), "who shares lives", share.err())
    # Nothing of it is for ever, either.
    clock.jump(-30 * 86400)
    b = w.peer("b")
    b.start("get", "f", env=clock.env).wait(30 * SLOW).expect(h.OK)


@test("where there is no /proc a daemon runs and is asked; a home whose path is too long for that is named as the reason")
def _(w):
    h.need_root()
    if h.SANITIZED:
        raise h.Skip("the sanitizer looks for leaks by way of /proc")
    w.index()
    a, b = w.peer("a"), w.peer("b")
    # Empty, as in a chroot; of other programs nothing changes.
    bare = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    daemon = a.start("daemon", wrap=bare)
    h.wait_for(lambda: b"daemon" in daemon.out() or not daemon.alive(), 30 * SLOW, "the daemon is up")
    check(daemon.alive(), "it runs", daemon.err())
    src = h.make_file(a.path("f"), 100_000)
    a.start("share", src, "-d", wrap=bare).wait(30 * SLOW).expect(h.OK)
    check("seeding" in a.start("status", wrap=bare).wait(30 * SLOW).expect(h.OK).out, "status")
    b.start("get", "f", wrap=bare).wait(30 * SLOW).expect(h.OK)
    h.check_same(b.path("f"), src)
    long = w.peer("c")
    long.home = w.path("c" * 100)
    long.start("daemon", wrap=bare).wait(30 * SLOW).expect(h.FAILED).error_line("too long")


@test("pipes, sockets, devices and links in a shared folder are left out and said; none of them is waited for")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {"f": 1000, "s/g": 2000})
    os.mkfifo(os.path.join(src, "pipe"))
    os.symlink("/etc/passwd", os.path.join(src, "link"))
    os.symlink("..", os.path.join(src, "s", "up"))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.join(src, "socket"))
        if os.geteuid() == 0:
            os.mknod(os.path.join(src, "null"), 0o20666, os.makedev(1, 3))
        share = a.share(src, name="d")
        check(b"left out" in share.err() or b"skipped" in share.err(), "it is said", share.err())
        g.get("d")
        check_eq(sorted(h.tree_sums(g.path("d"))), [b"f", b"s/g"], "what was shared")
        for odd in ("pipe", "socket", "null"):
            if os.path.exists(os.path.join(src, odd)):
                a.run("share", os.path.join(src, odd), "--name", odd, seconds=10).error_line("neither a file nor a folder")


@test("that a torrent has no data in it, which others refuse, is said by create and share; of one with a byte nothing is")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    refused = "no data in it: most other clients refuse such a torrent"
    empty, some = h.make_tree(a.path("empty"), {"x": 0, "y/z": 0}), h.make_tree(a.path("some"), {"x": 0, "y": 1})
    for kind in ([], ["--v1-only"], ["--v2-only"]):
        for src, said in ((empty, True), (some, False)):
            done = a.run("create", src, "-o", a.path("t.torrent"), *kind).expect(h.OK)
            check_eq(refused in done.err, said, f"create {src} {kind}")
            os.unlink(a.path("t.torrent"))
    check("" == a.run("create", empty, "-q", "-o", a.path("t.torrent")).expect(h.OK).err, "-q says nothing")
    share = a.share(empty, some)
    check_eq(share.err_text().count(refused), 1, f"share: {share.err_text()}")
    check("empty: " + refused in share.err_text(), "which", share.err_text())
    b.get("empty")
    h.check_same(b.path("empty"), empty)


@test("as many trackers are written as are read, and none that would not be")
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    src = h.make_file(a.path("f"), 1000)

    def create(urls):
        return a.run("create", src, "-o", a.path("f.torrent"), *(f"--tracker={u}" for u in urls))
    urls = [f"http://t{i}.example/a" for i in range(101)]
    create(urls).expect(h.USAGE).error_line("--tracker: at most 100 of them")
    for bad in ("http://h.example/a b", "udp://h.example:1/\t", "http://h.example/" + "a" * 2048):
        create([bad]).expect(h.USAGE).error_line("not the address of a tracker")
    create(urls[:100]).expect(h.OK)
    check_eq(len(a.run("info", a.path("f.torrent"), "--json").expect(h.OK).json()["trackers"]), 100, "trackers that are read")
    w.index()
    b = w.peer("b")
    b.run("share", src, *(f"--tracker={u}" for u in urls[:100]), seconds=20).error_line("at most 99 of them beside the index's")


@test("a link, a pipe or a device at the destination stays, with --replace, too; a name that no disk takes is called that")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000))
    os.mkfifo(b.path("pipe"))
    os.symlink("nowhere", b.path("link"))
    for dest in ("pipe", "link", "/dev/null"):
        before = os.lstat(b.path(dest))
        for more in ([], ["--replace"]):
            b.run("get", "f", "-o", dest, *more).expect(h.TAKEN).error_line("neither a file nor a folder, and stays")
        check_eq(os.lstat(b.path(dest))[:4], before[:4], f"{dest} afterwards")
    b.run("get", "f", "-o", "x" * 256).expect(h.USAGE).error_line("File name too long")


@test("bytes that are no UTF-8 are shown once as \\xHH, by index, .torrent and daemon, and told apart from backslashes")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {b"caf\xe9": 10, b"caf\\xe9": 20})
    a.share(src, name="d")
    b.daemon()
    b.run("get", "d", "-d").expect(h.OK)
    a.run("create", src, "-o", a.path("d.torrent")).expect(h.OK)

    def paths(files):
        return sorted((f["path"], f.get("path_hex", "")) for f in files)
    for peer, args in ((a, ("info", "d")), (a, ("info", a.path("d.torrent"))), (b, ("files", "d"))):
        out = peer.run(*args).expect(h.OK).out
        for shown in ("caf\\xe9\n", "caf\\\\xe9\n"):
            check(shown in out, f"{args}: not {shown!r}", out)
        check_eq(paths(peer.run(*args, "--json").expect(h.OK).json()["files"]),
                 [("caf\\xe9", ""), ("caf\\xe9", b"caf\xe9".hex())], f"{args} --json")


@test("a disk that is taken away: who downloads to it does not say that all is well, who shares from it serves no wrong byte", seconds=120)
def _(w):
    w.index()
    a, g, b = w.peer("a"), w.peer("g"), w.peer("b")
    from_, to = w.mount(w.path("from"), "64m"), w.mount(w.path("to"), "64m")
    src = h.make_file(os.path.join(from_, "f"), 12 * MIB)
    keep = h.make_file(a.path("keep"), 12 * MIB)
    share = a.share(src, "--limit-up", "4M", "--limit-lan")
    get = g.start("get", "f", "-o", os.path.join(to, "f"))
    h.wait_for(lambda: h.part_bytes(to) > 2 * MIB or not get.alive(), 30 * SLOW, "it is under way", every=0.01)
    subprocess.run(["umount", "-l", to], check=True)
    done = get.wait(60 * SLOW)
    check(done.code not in (h.OK,) or os.path.exists(os.path.join(to, "f")), "it says that all is well, and there is nothing", done.out)
    check(done.code >= 0 and done.err.strip(), "a reason", done.code, done.err)
    subprocess.run(["umount", "-l", from_], check=True)
    after = b.start("get", "f")
    h.wait_for(lambda: not after.alive() or b"no holder" in after.err(), 60 * SLOW, "a word on what cannot be had")
    if after.alive():
        after.stop()
    if os.path.exists(b.path("f")):
        h.check_same(b.path("f"), keep)
    check(share.alive(), "who shared lives", share.err())
    share.stop(signal.SIGINT).expect(h.OK)


if __name__ == "__main__":
    raise SystemExit(h.main())
