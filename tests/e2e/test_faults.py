#!/usr/bin/python3
"""O-41, O-42: killed at each system call that touches a download, and each of them refused, once and for ever.

SHOAL_FAULTS=100 tries up to so many calls of each kind, 3 when not given."""

import os
import re
import signal
import subprocess

import harness as h
import wire
from harness import MIB, SLOW, check, test
from state_file import check_recorded

MOST = int(os.environ.get("SHOAL_FAULTS", "3"))
SIZE = 1 * MIB
RENAMES = "rename,renameat,renameat2"
KINDS = ["pwrite64", "fsync,fdatasync", RENAMES, "openat2", "ftruncate", "unlinkat"]


class Scene:
    def __init__(self, w):
        self.strace = h.need("strace")
        self.a, self.g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
        self.src = h.make_file(self.a.path("f"), SIZE)
        self.torrent = self.a.path("f.torrent")
        self.a.run("create", self.src, "-o", self.torrent, "--piece-length", "64K").expect(h.OK)
        self.t = wire.Torrent.load(self.torrent, self.src)
        self.seed = wire.FakeSeed(self.t)
        w.closers.append(self.seed.stop)
        if subprocess.run([self.strace, "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
            raise h.Skip("strace cannot trace here")

    def get(self, *inject, only=None):
        """only: calls on this file alone; else the loader's may be among them."""
        wrap = () if not inject else (self.strace, "-f", "-qq", "-o", "/dev/null", *(("-P", only) if only else ()),
                                      "-e", "trace=" + inject[0].split(":")[0].removeprefix("inject="), "-e", inject[0])
        p = self.g.start("get", self.torrent, "--wait", "60", "--peer", self.seed.addr, wrap=wrap,
                         env={"ASAN_OPTIONS": "detect_leaks=0"})
        p.killed = bool(inject)
        return p

    def completes(self, what):
        done = self.get().wait(60 * SLOW, what)
        check(done.code == h.OK, f"a new start after {what}", done.code, done.err)
        h.check_same(self.g.path("f"), self.src)
        check(os.listdir(self.g.dir) == ["f"], f"nothing is left after {what}", os.listdir(self.g.dir))
        os.unlink(self.g.path("f"))


def clear(folder):
    for n in os.listdir(folder):
        os.unlink(os.path.join(folder, n))


@test("O-41: killed at each call that touches the download: what is recorded is there, and a new start completes it",
      seconds=300)
def _(w):
    s, killed = Scene(w), 0
    for kind in KINDS:
        for n in range(1, MOST + 1):
            get = s.get(f"inject={kind}:signal=SIGKILL:when={n}")
            get.p.wait(60 * SLOW)
            if os.path.exists(s.g.path("f")):
                h.check_same(s.g.path("f"), s.src)
                clear(s.g.dir)
                if get.p.returncode == h.OK:
                    break  # there are fewer calls of that kind
                continue
            killed += 1
            check_recorded(s.g, s.t, s.seed.data)
            s.completes(f"being killed at {kind} {n}")
    check(killed >= 5, f"only {killed} were killed")
    print(f"# killed {killed} times")


def refused(s, kind, error, n, forever, only=None):
    """What became of a download of which a call is refused."""
    what = f"{error} of {kind} {n}{' and on' if forever else ''}"
    get = s.get(f"inject={kind}:error={error}:when={n}{'+' if forever else ''}", only=only)
    h.wait_for(lambda: not get.alive() or (forever and b"paused" in get.err()), 60 * SLOW, f"an end or a word after {what}")
    if get.alive():
        # Nothing is lost by stopping it here.
        with open(f"/proc/{get.pid}/task/{get.pid}/children") as f:
            os.kill(int(f.read()), signal.SIGINT)
        get.p.wait(60 * SLOW)
    check(not re.search(rb"Sanitizer|Assertion", get.err()), f"a crash after {what}", get.err())
    if get.p.returncode == h.OK:
        h.check_same(s.g.path("f"), s.src)
        clear(s.g.dir)
        return
    check(get.p.returncode > 0, f"ended by a signal after {what}", get.p.returncode, get.err())
    check(get.err().strip(), f"a reason for {what}")
    check_recorded(s.g, s.t, s.seed.data)
    if os.path.exists(s.g.path("f")):
        h.check_same(s.g.path("f"), s.src)
        clear(s.g.dir)
        return
    s.completes(what)


@test("O-42: each such call is refused once: it goes on by itself, or says why and a new start completes it", seconds=400)
def _(w):
    s = Scene(w)
    for kind, error in (("pwrite64", "ENOSPC"), ("pwrite64", "EINTR"), ("fsync,fdatasync", "EIO"), (RENAMES, "EIO"),
                        ("openat2", "EMFILE"), ("ftruncate", "EDQUOT")):
        for n in range(1, min(MOST, 8) + 1 if MOST > 3 else 3):
            refused(s, kind, error, n, False)


@test("O-42: such a call is refused for ever: it says why; once that ends nothing is lost", seconds=400)
def _(w):
    s = Scene(w)
    for kind, error in (("pwrite64", "EDQUOT"), ("fsync,fdatasync", "ENOSPC"), (RENAMES, "ENOSPC"), ("openat2", "EACCES")):
        refused(s, kind, error, 1, True)
        refused(s, kind, error, 2, True)


@test("G-09: each call of a recheck is refused, once and for ever: nothing is had that is not there, and all is completed", seconds=400)
def _(w):
    s = Scene(w)
    part = s.g.path(f".f.{(s.t.hash_v2 or s.t.hash_v1).hex()[:8]}.shoal")
    for kind, error in (("pread64", "EIO"), ("fstat,newfstatat", "EIO"), ("lseek", "EINVAL"), ("fdatasync", "EIO")):
        for n, forever in ((1, False), (1, True), *((n, False) for n in range(2, MOST + 1) if MOST > 3)):
            with open(part, "wb") as f:
                f.write(s.seed.data[:SIZE // 2])
            refused(s, kind, error, n, forever, part)


if __name__ == "__main__":
    raise SystemExit(h.main())
