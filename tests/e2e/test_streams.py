#!/usr/bin/python3
"""get -o -: verified bytes in order to a pipe; share -: standard input."""

import os
import shutil
import signal
import subprocess
import tarfile
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test

TO_FILE = ("bash", "-c", '"$@" > got', "bash")
TO_CAT = ("bash", "-c", '"$@" | cat > got; exit ${PIPESTATUS[0]}', "bash")
TO_TAR = ("bash", "-c", '"$@" | tar x; exit ${PIPESTATUS[0]}', "bash")


def piped(p, name, *args, wrap=TO_CAT, code=h.OK, env=None):
    return p.start("get", name, "-o", "-", *args, wrap=wrap, env=env).wait(90 * h.SLOW).expect(code)


def nothing_left(p):
    check_eq([f for f in os.listdir(p.dir) if f != "got"], [], "files left in the folder")
    home = os.path.join(p.home, "scratch")
    check_eq(os.listdir(home) if os.path.isdir(home) else [], [], "files left in the home")


for kind in ((), ("--v1-only",), ("--v2-only",)):
    @test(f"get -o - writes a file to a pipe and to a file, and leaves nothing {' '.join(kind)}")
    def _(w, kind=kind):
        w.index()
        a, b = w.peer("a"), w.peer("b")
        src = h.make_file(a.path("film"), 5 * MIB + 77)
        a.share(src, *kind)
        for wrap in (TO_CAT, TO_FILE):
            piped(b, "film", wrap=wrap)
            h.check_same(b.path("got"), src)
            nothing_left(b)


@test("get -o - of a folder is a tar archive, with long and odd names; of one chosen file that file")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    files = {"a.txt": 100, "sub/" + "long" * 40: 70_000, "sub/é ü\n": 1, "z/empty": 0, "z/block": 512}
    src = h.make_tree(a.path("data"), files)
    os.chmod(os.path.join(src, "a.txt"), 0o755)
    a.share(src)
    piped(b, "data")
    with tarfile.open(b.path("got")) as tar:
        check_eq(sorted(tar.getnames()), sorted("data/" + f for f in files), "names")
        check_eq(tar.getmember("data/a.txt").mode & 0o111, 0o111, "the executable one")
        for f in files:
            want = open(os.path.join(src, f), "rb").read()
            check_eq(tar.extractfile("data/" + f).read(), want, f)
    os.mkdir(b.path("out"))
    piped(b, "data", wrap=("bash", "-c", '"$@" | tar x -C out; exit ${PIPESTATUS[1]}', "bash"))
    h.check_same(b.path("out", "data"), src)
    piped(b, "data", "--only", "z/block")
    check_eq(open(b.path("got"), "rb").read(), open(os.path.join(src, "z/block"), "rb").read(), "one file")


@test("get -o - ends quietly when its reader has had enough")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("film"), 8 * MIB))
    done = piped(b, "film", wrap=("bash", "-c", '"$@" | head -c 1000 > got; exit ${PIPESTATUS[0]}', "bash"), code=141)
    check_eq(done.err, "", "what was said")
    check_eq(open(b.path("got"), "rb").read(), open(a.path("film"), "rb").read()[:1000], "the first bytes")
    nothing_left(b)


@test("what a killed get -o - has left is removed by the next one; what one that runs is using is not")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 3 * MIB)
    a.share(src, "--limit-up", "600K", "--limit-lan")
    home = os.path.join(b.home, "scratch")

    def begin(known):
        p = b.start("get", "film", "-o", "-")
        p.quiet = True
        folder = h.wait_for(lambda: os.path.isdir(home) and set(os.listdir(home)) - known, 30 * h.SLOW, "it has a folder").pop()
        h.wait_for(lambda: h.part_bytes(os.path.join(home, folder)), 30 * h.SLOW, "something is in it")
        os.utime(os.path.join(home, folder), (0, 0))
        return p, folder
    killed, left = begin(set())
    killed.kill()
    check_eq(os.listdir(home), [left], "it is left")
    p, folder = begin({left})
    check_eq(os.listdir(home), [folder], "the next one has removed it")
    q, _ = begin({folder})
    check(folder in os.listdir(home), "what is in use is not")
    q.stop()
    p.wait(60 * h.SLOW).expect(h.OK)
    with open(p.out_path, "rb") as f, open(src, "rb") as g:
        check(f.read() == g.read(), "it got all")
    nothing_left(b)


def on_disk(folder):
    """Bytes that files in it take; holes are none."""
    return sum(os.stat(os.path.join(d, f)).st_blocks * 512 for d, _, fs in os.walk(folder) for f in fs)


def settled(f, seconds=1):
    """What f() gives once that has been the same for a while."""
    last, since = f(), time.monotonic()
    def same():
        nonlocal last, since
        now = f()
        if now != last:
            last, since = now, time.monotonic()
        return last > 0 and time.monotonic() - since > seconds
    h.wait_for(same, 60 * h.SLOW, "it changes no more")
    return last


@test("get -o - to a reader that takes nothing holds little memory and disk, and goes on when it does")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), 64 * MIB)
    a.share(src)
    env = {**w.env(b.home), "TMPDIR": b.dir}
    proc = subprocess.Popen(b.args("get", "film", "-o", "-", "-q"), stdout=subprocess.PIPE, env=env, cwd=b.dir)
    try:
        ahead = settled(lambda: on_disk(b.dir))
        check(16 * MIB < ahead < 44 * MIB, "what is fetched ahead", ahead)
        with open(f"/proc/{proc.pid}/status") as f:
            peak = next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))
        check(h.SANITIZED or peak < 64 * KIB, f"{peak} KiB resident")
        check_eq(proc.stdout.read() == open(src, "rb").read(), True, "all of it")
        check_eq(proc.wait(30 * h.SLOW), 0, "exit code")
    finally:
        proc.kill()
        proc.wait()
    nothing_left(b)


@test("get -o - of more than the disk has room for comes through, a file and a folder", 90)
def _(w):
    h.need_root()
    w.index()
    for kind, seed, make in ([], 1, lambda p: h.make_file(p, 72 * MIB, 1)), \
                            (["--v1-only"], 2, lambda p: h.make_tree(p, {"a": 30 * MIB + 1, "b": 777, "c": 36 * MIB}, 2)):
        a, b = w.peer(f"a{seed}"), w.peer(f"b{seed}")
        src = make(a.path(f"data{seed}"))
        a.share(src, *kind)
        small = w.path(f"small{seed}")
        w.mount(small, 48 * MIB)
        done = piped(b, f"data{seed}", wrap=TO_CAT if seed == 1 else TO_TAR, env={"TMPDIR": small})
        check("no room on the disk for all of it" in done.err, "it says so", done.err)
        h.check_same(b.path("got") if seed == 1 else b.path(f"data{seed}"), src)
        check_eq(os.listdir(small), [], "what is left")


@test("get -o - comes through on a disk smaller than what it fetches ahead; on a disk too small for even a few pieces it ends with that", 120)
def _(w):
    h.need_root()
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("data"), 50 * MIB)
    a.share(src, "--piece-length", "512K")
    small = w.path("small")
    w.mount(small, 20 * MIB)
    piped(b, "data", env={"TMPDIR": small})
    h.check_same(b.path("got"), src)
    w.remount(small, MIB // 2)
    done = piped(b, "data", env={"TMPDIR": small}, code=h.NO_SPACE)
    check("No space left on device" in done.err.split("\n")[-2], "why", done.err)
    check_eq(os.listdir(small), [], "what is left")
    away = w.path("no such folder")
    done = piped(b, "data", env={"TMPDIR": away}, code=h.NOT_FOUND).error_line("no such folder: No such file or directory")
    check(not os.path.exists(away), "it is not made")


@test("get -o - refuses what does not go with it")
def _(w):
    w.index()
    b = w.peer("b")
    for more in (["--json"], ["--seed"], ["--follow"], ["y"]):
        b.run("get", "x", "-o", "-", *more).expect(h.USAGE)
    piped(b, "nothing", code=h.NOT_FOUND)


@test("share - publishes standard input under a name, and says where it is kept")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("in"), 3 * MIB + 1)
    proc = a.start("share", "-", "--name", "backup.img", wrap=("sh", "-c", 'exec "$@" < in', "sh"))
    index.wait_seeds("backup.img")
    os.remove(src)
    b.get("backup.img")
    got = h.sha256(b.path("backup.img"))
    done = proc.stop().expect(h.OK)
    kept = done.err.split("standard input is kept in ")[1].split("\n")[0]
    check_eq(h.sha256(kept), got, "what is kept")
    os.mkdir(a.path("spool"))
    proc = a.start("share", "-", "--name", "two", "--spool", a.path("spool"), wrap=("sh", "-c", 'echo two > two.in; exec "$@" < two.in', "sh"))
    index.wait_seeds("two")
    check_eq(len(os.listdir(a.path("spool"))), 1, "the folder that was asked for")
    a.run("share", "-").expect(h.USAGE)
    a.run("share", "-", "--name", "a/../b").expect(h.USAGE)


@test("share - of nothing and of one byte; interrupted, or its place taken away, it leaves nothing and says so")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    spool = os.path.join(a.home, "spool")
    begin = lambda name, feed: a.start("share", "-", "--name", name, wrap=("bash", "-c", f'exec "$@" < <({feed})', "bash"))
    kept = lambda: [f for _, _, fs in os.walk(spool) for f in fs]
    for name, feed, size in ("none", "true", 0), ("one", "printf x", 1):
        p = begin(name, feed)
        index.wait_seeds(name)
        b.get(name)
        check_eq(os.path.getsize(b.path(name)), size, name)
        p.stop()
    for signo in (signal.SIGINT, signal.SIGTERM):
        p = begin("half", "printf half; exec sleep 60")
        h.wait_for(lambda: "half" in kept(), 20 * h.SLOW, "it is being written")
        p.killed = True
        check_eq(p.stop(signo).code, -signo, "how it ended")
        check_eq(sorted(kept()), ["none", "one"], "what is left")
    p = begin("gone", f"printf half; while [ -e {spool} ]; do sleep .05; done")
    h.wait_for(lambda: "gone" in kept(), 20 * h.SLOW, "it is being written")
    shutil.rmtree(spool)
    p.wait(20 * h.SLOW).expect(h.NOT_FOUND).error_line("removed while it was written")
    check("is kept in" not in p.err_text(), "nothing is kept", p.err_text())


if __name__ == "__main__":
    h.main()
