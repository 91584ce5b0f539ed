#!/usr/bin/python3
"""What hands that know curl, aria2, Transmission, rsync and git do without thinking."""

import os

import harness as h
from harness import KIB, check, test


def torrent_url(index, name):
    return f"{index.url}/api/v1/entries/{index.entry(name)['id']}/torrent"


@test("get, info and verify take the address of a .torrent, one or several; what is none, or not there, is said")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b", "http://127.0.0.1:1")
    src = [h.make_file(a.path(name), 100 * KIB, seed) for seed, name in enumerate(("one", "two"))]
    a.share(*src)
    one, two = torrent_url(index, "one"), torrent_url(index, "two")
    b.run("get", one).expect(h.OK)
    h.check_same(b.path("one"), src[0])
    check("name:          one" in b.run("info", one).expect(h.OK).out, "info of an address")
    b.run("verify", one, b.path("one")).expect(h.OK)
    b.run("get", one.replace("http", "HTTP", 1), two, "-q").expect(h.OK)
    h.check_same(b.path("two"), src[1])
    b.run("get", index.url + "/nothing.torrent").expect(h.NOT_FOUND).error_line("/nothing.torrent: the server answers with status 404")
    said = b.run("get", index.url + "/", one).expect(h.CORRUPT).err
    check("not a usable .torrent" in said, "what is no .torrent", said)


if __name__ == "__main__":
    raise SystemExit(h.main())
