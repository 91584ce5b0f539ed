#!/usr/bin/python3
"""Hole punching (BEP 55) with libtorrent as the one who asks, as the one who is asked for, and as the one between."""

import os

import clients

h = clients.h
from boxes import Box, Routers, Walls, cable  # noqa: E402
from harness import MIB, SLOW, check, test  # noqa: E402

TRIES = 12
QUIET = ("-v", "--no-dht", "--no-lsd", "--no-map", "--index", "http://127.0.0.1:1")


class Net:
    """A torrent that anna has and bert gets; the one in the world, whom both reach, has next to nothing of it."""

    def __init__(self, w, kind):
        self.w, self.net, self.v6 = w, kind(w), kind is Walls
        self.world, (self.anna, self.bert) = self.net.world, self.net.inside
        host = f"[{self.net.WORLD}]" if self.v6 else self.net.WORLD
        self.world.index(listen=f"{host}:6969")
        self.src = h.make_file(self.anna.peer.path("film"), 2 * MIB)
        self.torrent = w.path("film.torrent")
        self.anna.peer.run("create", self.src, "-o", self.torrent, "--v1-only", "--tracker", f"http://{host}:6969/announce").expect(h.OK)

    def lt(self, box, what, folder, *words):
        if self.w.start(clients.PYTHON, "-c", "import libtorrent", name="import").wait(20).code != 0:
            raise h.Skip("python3-libtorrent is not installed")
        os.makedirs(folder, exist_ok=True)
        p = self.w.start(*box.wrap, clients.PYTHON, clients.DRIVER, what, self.own(box), self.torrent, folder,
                         "both", *words, name="libtorrent")
        p.killed = True
        return p

    def own(self, box):
        """Its address."""
        if box in self.net.inside:
            i = self.net.inside.index(box)
            host = self.net.SEEN[i] if self.v6 else f"192.168.{i + 1}.2"
        else:
            host = "2a01:8::2" if self.v6 else "20.8.0.2"
        return f"[{host}]" if self.v6 else host

    def hub(self):
        """A machine in the world with one cable: libtorrent listens on the interface of its address alone."""
        box = Box(self.w, "hub")
        ends = ("2a01:8::2/64", "2a01:8::1/64") if self.v6 else ("20.8.0.2/16", "20.8.0.1/16")
        cable(box, self.world, ("net", "to-hub"), ends)
        box.ip("route", "add", "default", "via", ends[1].split("/")[0])
        return box

    def ours(self, box, *args):
        return box.start("get", self.torrent, *QUIET, "--wait", "90", *args)

    def anna_serves(self, *args):
        p = self.ours(self.anna, "-o", self.src, "--seed", *args)
        h.wait_for(lambda: b"there already" in p.out(), 30 * SLOW, "it is served")
        return p

    def third(self):
        return self.ours(self.world, "--limit-down", "20K", "--limit-lan", "-o", self.world.peer.path("film"))

    def seen(self, i):
        return f"brings us together with {'[' * self.v6}{self.net.SEEN[i]}{']' * self.v6}:"


class MetAlone(Exception):
    """Both had heard of the other and dialled at the same moment, so that each let the other in: no help was needed."""


def brought_together(n, i, ours):
    if n.seen(i) not in ours.err().decode():
        raise MetAlone("they were not brought together: " + ours.err()[-2000:].decode())


def they_are_asked_for(w, kind):
    n = Net(w, kind)
    n.third().port()
    n.lt(n.anna, "seed", n.anna.peer.dir)
    got = n.ours(n.bert, "-o", n.bert.peer.path("film"))
    got.wait(90 * SLOW).expect(h.OK)
    h.check_same(n.bert.peer.path("film"), n.src)
    brought_together(n, 0, got)


def they_ask(w, kind):
    n = Net(w, kind)
    n.third().port()
    serves = n.anna_serves()
    got = n.lt(n.bert, "get", n.bert.peer.path("theirs"))
    h.wait_for(lambda: b"done" in got.out() or not got.alive(), 90 * SLOW, "libtorrent is done")
    h.check_same(n.bert.peer.path("theirs", "film"), n.src)
    brought_together(n, 1, serves)


def they_are_between(w, kind):
    n = Net(w, kind)
    # Peers who are told of each other dial each other, and may meet without help.
    third = n.lt(n.hub(), "get", n.world.peer.path("theirs"), "slow", "nopex")
    h.wait_for(lambda: b"received peers" in third.out(), 30 * SLOW, "libtorrent has announced itself")
    # It looks for whom it is asked to find by the ends of its connections: over TCP those of peers who came are others.
    serves = n.anna_serves("--transport", "utp")
    h.wait_for(lambda: b"incoming connection" in third.out(), 30 * SLOW, "it is connected with anna")
    got = n.ours(n.bert, "-o", n.bert.peer.path("film"), "--transport", "utp")
    got.wait(90 * SLOW).expect(h.OK)
    h.check_same(n.bert.peer.path("film"), n.src)
    for i, p in ((0, got), (1, serves)):
        brought_together(n, i, p)


for kind, where in ((Routers, "behind routers that translate"), (Walls, "over IPv6, behind firewalls")):
    for fn, what in ((they_are_asked_for, "shoal gets from libtorrent"), (they_ask, "libtorrent gets from shoal"),
                     (they_are_between, "shoal gets from shoal, brought together by libtorrent")):
        def _(w, fn=fn, kind=kind):
            for i in range(TRIES):
                world = w if i == 0 else h.World()
                try:
                    return fn(world, kind)
                except MetAlone as e:
                    check(i + 1 < TRIES, str(e))
                finally:
                    if world is not w:
                        world.close()
                        world.remove()
        test(f"{what}, {where}", seconds=300)(_)


if __name__ == "__main__":
    raise SystemExit(h.main())
