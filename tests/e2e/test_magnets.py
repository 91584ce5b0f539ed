#!/usr/bin/python3
"""From a magnet link or an info-hash to the data: metadata from peers, honest ones and others."""

import os

import harness as h
from harness import KIB, MIB, check, check_eq, test


def shared(w, files, *args, name="d"):
    """A seed without an index: (what, the .torrent's facts, the process, its address)."""
    a = w.peer("a", w.index())
    src = h.make_tree(a.path(name), files) if isinstance(files, dict) else h.make_file(a.path(name), files)
    p = a.share(src, *args)
    return src, w.indexes[0].entry(name), p, f"127.0.0.1:{p.port()}"


def alone(w, name="b"):
    """A peer whose index is nobody."""
    return w.peer(name, "http://127.0.0.1:1")


@test("get magnet:, of v1, v2 and hybrid torrents, by x.pe alone and without an index")
def _(w):
    index = w.index()
    a, b = w.peer("a", index), alone(w)
    for kind in ("--v1-only", "--v2-only", "--hybrid"):
        name = "d" + kind
        src = h.make_tree(a.path(name), {"x": 3 * MIB, "y/z": 700_000, "one": 9, "none": 0})
        p = a.share(src, *([] if kind == "--hybrid" else [kind]))
        e, at = index.entry(name), f"127.0.0.1:{p.port()}"
        links = [f"magnet:?xt=urn:btih:{e['hash_v1']}" if e["hash_v1"] else None,
                 f"magnet:?xt=urn:btmh:1220{e['hash_v2']}" if e["hash_v2"] else None, e["magnet"].split("&tr=")[0]]
        for i, link in enumerate(x for x in links if x):
            b.get(f"{link}&x.pe={at}", "-o", f"{name}{i}")
            h.check_same(b.path(f"{name}{i}"), src)
        p.stop()


if __name__ == "__main__":
    h.main()
