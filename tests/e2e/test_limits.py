#!/usr/bin/python3
"""Rate limits and schedules, from the command line."""

import time

import harness as h
from harness import KIB, MIB, check, check_eq, test


def shared(w, n, *args):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film"), n)
    a.share(src, *args)
    return src, b


@test("get --limit-down is kept, and explain says that it is the limit")
def _(w):
    src, b = shared(w, 6 * MIB)
    begun = time.monotonic()
    proc = b.start("get", "film", "--limit-down", "2M", "--limit-lan", "--json")
    h.wait_for(lambda: "limit" in b.run("explain").out, 20, "explain says that it is the limit")
    took = proc.wait(60 * h.SLOW).expect(h.OK).json()["seconds"]
    check(time.monotonic() - begun > 2.6, f"6 MiB at 2 MiB/s took {took:.2f} s")
    check(h.SANITIZED or took < 8, f"6 MiB at 2 MiB/s took {took:.2f} s")
    h.check_same(b.path("film"), src)


@test("share --limit-up is kept; peers of the own network are not limited unasked")
def _(w):
    src, b = shared(w, 4 * MIB, "--limit-up", "100K")
    done = b.get("film", "--json").json()
    check(h.SANITIZED or done["seconds"] < 10, f"4 MiB took {done['seconds']:.2f} s")
    w2 = b.world.peer("c")
    src = h.make_file(w2.path("other"), 3 * MIB)
    w2.share(src, "--limit-up", "1M", "--limit-lan")
    done = b.get("other", "--json").json()
    check(done["seconds"] > 2.5, f"3 MiB at 1 MiB/s took {done['seconds']:.2f} s")


@test("--limit-at holds at its time of day, and what cannot be read is refused")
def _(w):
    src, b = shared(w, 2 * MIB)
    done = b.get("film", "--limit-at", "00:00-00:00=1M", "--limit-lan", "--json").json()
    check(done["seconds"] > 1.5, f"2 MiB at 1 MiB/s took {done['seconds']:.2f} s")
    for bad in ("25:00-26:00=1M", "08:00=1M", "08:00-18:00=fast"):
        b.run("get", "x", "--limit-at", bad).expect(h.USAGE).error_line("limit-at")
    b.run("get", "x", "--limit-down", "1.5M").expect(h.USAGE).error_line("not a rate")


@test("get --no-upload serves nobody")
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    seed = a.share(h.make_file(a.path("film"), 500 * KIB))
    b.start("get", "film", "--no-upload", "--seed")
    h.wait_for(lambda: w.indexes[0].entry("film")["seeds"] == 2, 30 * h.SLOW, "two seeds")
    seed.stop()
    proc = c.start("get", "film")
    h.wait_for(lambda: "choked" in c.run("explain").out, 30 * h.SLOW, "explain says that nobody lets us download")
    check("0 B of" in proc.stop().err, "nothing came", proc.err_text())


if __name__ == "__main__":
    h.main()
