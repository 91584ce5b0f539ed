#!/usr/bin/python3
"""share --watch: what changes becomes a new version, once it is at rest; what nobody touched is not read again."""

import json
import os
import re
import shutil
import threading
import time

import harness as h
from harness import MIB, SLOW, check, check_eq, test


def version(index, name):
    return max([e["version"] for e in index.entries(name=name)] or [0])


def wait_version(index, name, n, seconds=30):
    h.wait_for(lambda: version(index, name) >= n, seconds * SLOW, f"version {n} of {name!r}")
    index.wait_seeds(name)
    check_eq(version(index, name), n, "the version")


def read_bytes(proc):
    """Bytes that the process has asked of files so far."""
    with open(f"/proc/{proc.pid}/io") as f:
        return int(re.search(r"^rchar: (\d+)$", f.read(), re.M).group(1))


@test("a folder: files that come, change, move and go are new versions, and who follows has them", seconds=150)
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {"one": 2 * MIB, "sub/two": MIB, "sub/three": 1000})
    share = a.share(src, "--watch", "--settle", "1")
    follow = g.start("get", "d", "--follow", "--every", "1", "--wait", "0")

    def is_there():
        try:
            return h.tree_sums(g.path("d")) == h.tree_sums(src)
        except OSError:
            return False  # just being replaced

    def arrives(n):
        wait_version(index, "d", n)
        h.wait_for(is_there, 30 * SLOW, f"version {n} is with who follows")

    h.wait_for(lambda: os.path.exists(g.path("d")), 30 * SLOW, "the first version")
    h.make_tree(src, {"new/deep/er/four": 300_000}, seed=2)
    arrives(2)
    h.make_tree(src, {"new/deep/er/five": 300_000, "one": 1 * MIB}, seed=3)
    arrives(3)
    os.rename(os.path.join(src, "new"), os.path.join(src, "moved"))
    os.unlink(os.path.join(src, "sub/three"))
    arrives(4)
    h.make_tree(src, {"moved/deep/six": 10}, seed=4)
    shutil.rmtree(os.path.join(src, "sub"))
    arrives(5)
    lines = re.findall(r"^serving a/d@(\d+) ", share.out().decode(), re.M)
    check_eq(lines, ["1", "2", "3", "4", "5"], "lines")
    check(follow.alive(), "who follows lives", follow.err())
    share.stop().expect(h.OK)


@test("one file, replaced and written to; with --json a line for each version")
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_file(a.path("f"), MIB)
    h.make_file(a.path("beside"), 10)
    share = a.start("share", src, "--watch", "--settle", "1", "--json")
    h.wait_for(lambda: b"]" in share.out(), 20 * SLOW, "the list of what is shared")
    wait_version(index, "f", 1)
    with open(src, "ab") as f:
        f.write(b"more")
    wait_version(index, "f", 2)
    os.rename(h.make_file(a.path("beside"), MIB, seed=2), src)
    wait_version(index, "f", 3)
    # Only its times change: nothing to publish.
    os.utime(src)
    h.make_file(a.path("beside"), 10)
    done = share.stop().expect(h.OK)
    first, rest = done.out[:done.out.index("]") + 1], done.out[done.out.index("]") + 1:]
    got = [json.loads(x) for x in rest.strip().split("\n") if x.strip().startswith('{"')]
    check_eq([x["version"] for x in got if "version" in x], [2, 3], "versions told")
    check_eq(json.loads(first[first.index("["):])[0]["version"], 1, "the first")
    check_eq(version(index, "f"), 3, "at the end")


@test("written to before anything was said: each version that is served is told once, the older ones first")
def _(w):
    index = w.index()
    for i, args in enumerate((["--json"], [], ["--json", "--progress", "json"])):
        a = w.peer(f"a{i}")
        src = h.make_file(a.path(f"f{i}"), MIB)
        share = a.start("share", src, "--watch", "--settle", "1", *args)
        h.wait_for(lambda: version(index, f"f{i}") == 1, 20 * SLOW, "the first version")
        with open(src, "ab") as f:
            f.write(b"more")
        wait_version(index, f"f{i}", 2)
        h.wait_for(lambda: re.search(rb'"version": ?2|@2', share.out()), 20 * SLOW, "the second is told")
        done = share.stop().expect(h.OK)
        told = re.findall(r'"version": ?(\d)|^serving .*@(\d) ', done.out, re.M)
        check([x + y for x, y in told] in (["1", "2"], ["2"]), "versions told", done.out)
        events = re.findall(r'"version":(\d).*"event":"serving"', done.err)
        if "--progress" in args:
            check(events in (["1", "2"], ["2"]), "events", done.err)


@test("a storm of 3,000 files, and a file that is written slowly, are one version each; the old one is served meanwhile", seconds=120)
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"one": 1000})
    share = a.share(src, "--watch", "--settle", "2")
    for i in range(3000):
        with open(os.path.join(src, f"f{i % 7}-{i}"), "wb") as f:
            f.write(b"%d" % i)
    wait_version(index, "d", 2, 60)
    h.wait_for(lambda: b"  3001 files" in share.out(), 10 * SLOW, "all of them in one version")
    with open(os.path.join(src, "slow"), "wb", buffering=0) as f:
        end = time.monotonic() + 4.5
        while time.monotonic() < end:
            f.write(b"x" * 1000)
            time.sleep(1.5)
            check_eq(version(index, "d"), 2, "while it is being written")
    wait_version(index, "d", 3)
    check_eq(index.holders("d")["seeds"], 1, "one seed")


@test("what nobody touched is not read again: not by a new version, nor by a new start", seconds=120)
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"big": 192 * MIB, "small": 1000})
    big = os.path.join(src, "big")
    # Old enough to be remembered: a file system's clock is coarse.
    h.wait_for(lambda: time.time() - os.stat(big).st_ctime > 4, 20, "it is a few seconds old")
    share = a.share(src, "--watch", "--settle", "1")
    before = read_bytes(share)
    check(before > 192 * MIB, "it was read once", before)
    h.make_tree(src, {"small": 2000}, seed=2)
    wait_version(index, "d", 2)
    check(read_bytes(share) - before < 32 * MIB, "it was not read again", read_bytes(share) - before)
    share.stop().expect(h.OK)
    h.make_tree(src, {"small": 3000}, seed=3)
    share = a.share(src, "--watch", "--settle", "1")
    wait_version(index, "d", 3)
    check(read_bytes(share) < 32 * MIB, "nor by a new start", read_bytes(share))
    share.stop().expect(h.OK)
    started = time.monotonic()
    share = a.share(src)
    print(f"# a new start of 192 MiB: {time.monotonic() - started:.2f} s, {read_bytes(share) >> 10} KiB read")
    check_eq(version(index, "d"), 3, "the same content is no new version")
    share.stop().expect(h.OK)
    # Times set back do not deceive it.
    st = os.stat(big)
    with open(big, "r+b") as f:
        f.write(b"something else")
    os.utime(big, ns=(st.st_atime_ns, st.st_mtime_ns))
    share = a.share(src)
    wait_version(index, "d", 4)
    check(read_bytes(share) > 192 * MIB, "it was read", read_bytes(share))
    share.stop().expect(h.OK)
    share = a.share(src, "--rehash")
    check(read_bytes(share) > 192 * MIB, "--rehash reads all", read_bytes(share))


@test("what is left out of a share may be written without end: what is in it comes to rest all the same", seconds=120)
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    b.daemon()
    for p, name, more in ((a, "by-itself", ()), (b, "by-the-daemon", ("-d",))):
        src = h.make_tree(p.path("d"), {"one": 1000, "sub/out.log": 10, "cache/deep/x": 10})
        options = ("--name", name, "--watch", "--settle", "2", "--exclude", "*.log", "--exclude", "cache/", *more)
        if more:
            p.run("share", src, *options).expect(h.OK)
        else:
            p.share(src, *options, name=None, wait=False)
        wait_version(index, name, 1)
        over = threading.Event()

        def write(src=src, over=over):
            n = 0
            while not over.wait(0.2):
                n += 1
                h.make_tree(src, {"sub/out.log": n, "cache/deep/x": n, f"cache/new{n}/y": n, ".f.0123abcd.shoal": n})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            h.make_tree(src, {"sub/two": 500})
            wait_version(index, name, 2)
        finally:
            over.set()
            writer.join()
        check_eq(index.entries(name=name)[0]["n_files"], 2, "its files")


@test("the folder goes away and comes back; the index goes away and comes back", seconds=120)
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"one": 1000, "s/two": 2000})
    share = a.share(src, "--watch", "--settle", "1")
    os.rename(src, a.path("away"))
    h.wait_for(lambda: b"no new version" in share.err() or b"No such" in share.err() or b"no such" in share.err(),
               20 * SLOW, "share says that it is gone")
    os.rename(a.path("away"), src)
    h.make_tree(src, {"three": 3000}, seed=3)
    wait_version(index, "d", 2, 40)
    index.proc.quiet = True
    index.proc.kill()
    said = len(share.err())
    h.make_tree(src, {"four": 3000}, seed=4)
    h.wait_for(lambda: len(share.err()) > said, 20 * SLOW, "share says that the index is away")
    index.start()
    wait_version(index, "d", 3, 40)
    check(share.err().count(b"\n") < 12, "few lines", share.err())


if __name__ == "__main__":
    raise SystemExit(h.main())
