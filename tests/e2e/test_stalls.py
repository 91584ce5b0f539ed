#!/usr/bin/python3
"""O-45: whoever uploads is stopped, killed or cut off in mid-piece. What was asked of it comes from elsewhere, and what it sent of a
piece counts. How resets and silence of single connections are taken is in test_hostile_wire.py."""

import functools
import shutil
import signal
import time

import boxes
import harness as h
from harness import KIB, MIB, SLOW, check, test

SIZE = 10 * MIB
# A block that is on its way twice at the end, or was cut in two, from each of some connections.
SMALL = 256 * KIB


def torrent_of(w):
    """(path of the data, path of its .torrent): in pieces of 1 MiB, of which a third is fetched in the half second that is looked at."""
    a = w.peer("maker")
    src = h.make_file(a.path("f"), SIZE)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "1M").expect(h.OK)
    return src, a.path("f.torrent")


def stalling(w, src, torrent, what, hinder, uploader, other, getter, at):
    """`uploader` and `other` seed at 1 and 2 MiB/s; the first is hindered when it has sent some pieces and a part of one."""
    seeds, to = [], []
    for p, rate in ((uploader, "1M"), (other, "2M")):
        shutil.copy(src, p.path("f"))
        seeds.append(p.start("get", torrent, "--seed", "--limit-up", rate, "--limit-lan"))
        to += ["--peer", f"{at(p)}:{seeds[-1].port()}"]
    get = getter.start("get", torrent, "--json", "--wait", "90", *to)
    h.wait_for(lambda: h.part_bytes(getter.dir) >= 3 * MIB or not get.alive(), 60 * SLOW, "both have sent some", every=0.01)
    check(get.alive(), f"{what}: it is under way", get.err())
    begun = time.monotonic()
    hinder(seeds[0])
    left = (SIZE - h.part_bytes(getter.dir)) / MIB
    done = get.wait((left + 30) * SLOW, f"completing after {what}").expect(h.OK).json()
    took = time.monotonic() - begun
    h.check_same(getter.path("f"), src)
    check(done["downloaded"] + done["wasted"] <= SIZE + SMALL, f"{what}: what was sent of a piece was fetched again", done)
    print(f"# {what}: {took:.1f} s, {(done['downloaded'] + done['wasted'] - SIZE) >> 10} KiB fetched twice")
    for s in seeds:
        s.kill()


@test("O-45: an uploader that is stopped (SIGSTOP) or killed in mid-piece is gone around within 30 s; nothing is fetched twice",
      seconds=180)
def _(w):
    src, torrent = torrent_of(w)
    crowd = h.Crowd()
    for n, (what, signo) in enumerate((("SIGSTOP", signal.SIGSTOP), ("kill -9", signal.SIGKILL))):
        def hinder(proc, signo=signo):
            proc.killed = True
            proc.send(signo)
        crowd.start(stalling, w, src, torrent, what, hinder, *(w.peer(f"{who}{n}", "http://127.0.0.1:1") for who in "uog"),
                    lambda peer: h.HOST)
    crowd.join(170 * SLOW)


@test("O-45: packets of an uploader that vanish in mid-piece are gone around within 30 s; nothing is fetched twice", seconds=180)
def _(w):
    src, torrent = torrent_of(w)
    a, b = boxes.two_boxes(w)
    peers = []
    for name, box in (("u", b), ("o", a), ("g", a)):
        peers.append(w.peer(name, "http://127.0.0.1:1"))
        peers[-1].start = functools.partial(peers[-1].start, wrap=box.wrap)
    stalling(w, src, torrent, "a pulled cable", lambda proc: b.ip("link", "set", "cable", "down"), *peers,
             lambda peer: "10.79.0.2" if peer is peers[0] else "10.79.0.1")


if __name__ == "__main__":
    raise SystemExit(h.main())
