#!/usr/bin/python3
"""uTP: stock clients that use it, both directions."""

import os

import clients
from clients import Libtorrent, Transmission

h = clients.h
from harness import MIB, test  # noqa: E402


def they_begin(w, client, index):
    """They get from us; the rest of it is in what is returned."""
    a = w.peer("a", index)
    src = h.make_file(a.path("the file"), 6 * MIB + 4321)
    c = client(w, utp=True)
    a.share(src, "-v", "--v1-only", "--transport", "utp", name="x")
    torrent = w.path("x.torrent")
    with open(torrent, "wb") as f:
        f.write(index.torrent("x"))
    p = c.get(torrent, w.path("theirs"))
    got = os.path.join(w.path("theirs"), "the file")

    def end():
        c.wait(p, got, 60 * h.SLOW)
        h.check_same(got, src)
    return end


def we_get(w, client, how, index):
    b, g = w.peer("b", index), w.peer("g", index)
    src = h.make_file(b.path("another"), 6 * MIB + 4321, seed=2)
    c = client(w, utp=True)
    torrent = w.path("y.torrent")
    b.run("create", src, "-o", torrent, "--tracker", index.announce, "--v1-only").expect(h.OK)
    c.seed(torrent, b.dir)
    g.run("get", torrent, "--wait", "60", "--transport", how, seconds=90).expect(h.OK)
    h.check_same(g.path("another"), src)


# Transmission 3.00 cannot be kept from TCP: there our side refuses it. It takes its time.
for client, how in ((Libtorrent, "both"), (Transmission, "utp")):
    def _(w, client=client, how=how):
        index = w.index()
        end = they_begin(w, client, index)
        we_get(w, client, how, index)
        end()
    test(f"{client.name} gets a file over uTP from shoal share, and shoal get --transport {how} from {client.name}", seconds=150)(_)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
