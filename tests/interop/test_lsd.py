#!/usr/bin/python3
"""Local service discovery (BEP 14) with stock clients: two machines on one cable, who have nothing else to find each
other by. Transmission takes a quarter of a minute to think of it: only with SHOAL_LSD=all."""

import os

import clients
from clients import Libtorrent, Transmission

h = clients.h
from boxes import two_boxes  # noqa: E402
from harness import KIB, SLOW, test  # noqa: E402

NOBODY = ("--index", "http://127.0.0.1:1")
LOOKING = {"SHOAL_NO_LSD": ""}


class Elsewhere:
    """The world of a test, but programs start in a box, and look for peers on its network."""

    def __init__(self, box, addr):
        self.box, self.addr = box, addr
        box.ip("route", "add", "239.0.0.0/8", "dev", "cable")

    def __getattr__(self, name):
        return getattr(self.box.w, name)

    def start(self, *args, **kw):
        theirs = ["--lpd" if a == "--no-lpd" else self.addr if a == h.HOST else a for a in args]
        return self.box.w.start(*self.box.wrap, *theirs, *(["lsd"] if clients.DRIVER in args else []), **kw)


def made(box):
    src = h.make_file(box.peer.path("the file"), 600 * KIB)
    torrent = box.w.path("x.torrent")
    box.peer.run("create", src, "-o", torrent, "--v1-only").expect(h.OK)
    return src, torrent


for kind in (Libtorrent, Transmission) if os.environ.get("SHOAL_LSD") == "all" else (Libtorrent,):
    def _(w, kind=kind):
        a, b = two_boxes(w)
        src, torrent = made(a)
        seed = a.start("get", torrent, "-o", src, "--seed", *NOBODY, env=LOOKING)
        h.wait_for(lambda: b"there already" in seed.out(), 30 * SLOW, "the seed is up")
        c = kind(Elsewhere(b, "10.79.0.2"))
        p = c.get(torrent, w.path("theirs"))
        got = os.path.join(w.path("theirs"), "the file")
        c.wait(p, got, 60 * SLOW)
        h.check_same(got, src)
    test(f"{kind.name} finds shoal on the local network", seconds=90)(_)

    def _(w, kind=kind):
        a, b = two_boxes(w)
        src, torrent = made(a)
        kind(Elsewhere(b, "10.79.0.2")).seed(torrent, a.peer.dir)
        a.start("get", torrent, "-o", a.peer.path("got"), "--wait", "50", *NOBODY, env=LOOKING).wait(70 * SLOW).expect(h.OK)
        h.check_same(a.peer.path("got"), src)
    test(f"shoal finds {kind.name} on the local network", seconds=90)(_)


if __name__ == "__main__":
    raise SystemExit(h.main())
