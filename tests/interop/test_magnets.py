#!/usr/bin/python3
"""Magnet links between shoal and stock clients, both directions: metadata and then the data."""

import os

import clients
from clients import Aria2, Libtorrent, Transmission

h = clients.h
from harness import MIB, test  # noqa: E402


def mode_args(mode):
    return [] if mode == "hybrid" else [f"--{mode}-only"]



def they_get(w, client, mode):
    index = w.index()
    a = w.peer("a", index)
    c = client(w)
    src = h.make_file(a.path("the file"), 6 * MIB + 4321)
    a.share(src, "-v", *mode_args(mode), name="x")
    into = w.path("theirs")
    link = index.api(f"entries/{index.entry('x')['id']}")["magnet"]
    p = c.get(link, into)
    got = os.path.join(into, "the file")
    c.wait(p, got, 60 * h.SLOW)
    h.check_same(got, src)


def we_get(w, client, mode):
    index = w.index()
    a, g = w.peer("a", index), w.peer("g", "http://127.0.0.1:1")
    c = client(w)
    src = h.make_file(a.path("the file"), 6 * MIB + 4321)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, *mode_args(mode)).expect(h.OK)
    link = next(x for x in a.run("info", torrent).expect(h.OK).out.split() if x.startswith("magnet:?"))
    c.seed(torrent, a.dir)
    g.run("get", link, "--wait", "50", seconds=70).expect(h.OK)
    h.check_same(g.path("the file"), src)


for client in (Aria2, Transmission, Libtorrent):
    for mode in client.modes:
        def _(w, client=client, mode=mode):
            they_get(w, client, mode)
        test(f"{client.name} gets a {mode} torrent from shoal share by its magnet link", seconds=90)(_)

        def _(w, client=client, mode=mode):
            we_get(w, client, mode)
        test(f"shoal get gets a {mode} torrent from {client.name} by its magnet link", seconds=90)(_)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
