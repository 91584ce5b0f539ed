#!/usr/bin/python3
"""Stream encryption (MSE): stock clients that take nothing else, both directions, and shoal with itself."""

import os
import urllib.parse

import clients
from clients import Aria2, Libtorrent, Transmission

h = clients.h
import wire  # noqa: E402
from harness import MIB, check, test  # noqa: E402


def start(w, kind):
    """An index, and a seed's file in a folder of its own."""
    index = w.index()
    a = w.peer("a", index)
    return index, a, h.make_file(a.path("the file"), 6 * MIB + 4321)


def they_get(w, client, how):
    index, a, src = start(w, client)
    c = client(w, encrypted=True)
    a.share(src, "-v", "--v1-only", "--encryption", how, name="x")
    torrent = w.path("x.torrent")
    with open(torrent, "wb") as f:
        f.write(index.torrent("x"))
    p = c.get(torrent, w.path("theirs"))
    got = os.path.join(w.path("theirs"), "the file")
    c.wait(p, got, 60 * h.SLOW)
    h.check_same(got, src)


def we_get(w, client, how):
    index, a, src = start(w, client)
    g = w.peer("g", index)
    c = client(w, encrypted=True)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, "--v1-only").expect(h.OK)
    c.seed(torrent, a.dir)
    g.run("get", torrent, "--wait", "40", "--encryption", how, seconds=60).expect(h.OK)
    h.check_same(g.path("the file"), src)


for client, how in ((Aria2, "accept"), (Transmission, "accept"), (Libtorrent, "accept"), (Libtorrent, "require"), (Transmission, "prefer")):
    def _(w, client=client, how=how):
        they_get(w, client, how)
    test(f"{client.name} that requires encryption gets a file from shoal share --encryption {how}", seconds=90)(_)

    def _(w, client=client, how=how):
        we_get(w, client, how)
    test(f"shoal get --encryption {how} gets a file from {client.name} that requires encryption", seconds=90)(_)


@test("shoal with shoal: every two ways that can go together do; require and plain do not")
def _(w):
    index, a, src = start(w, None)
    shares = {how: w.peer(f"a-{how}", index) for how in ("accept", "prefer", "require")}
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    t = wire.Torrent.load(torrent, src)
    for how, peer in shares.items():
        seed = peer.start("get", torrent, "-o", src, "--seed", "--encryption", how)
        h.wait_for(lambda: b"there already" in seed.out(), 30 * h.SLOW, "the seed is up")
        for other in shares:
            g = w.peer(f"g-{how}-{other}", "http://127.0.0.1:1")
            g.get(torrent, "--peer", f"{h.HOST}:{seed.port()}", "--encryption", other)
            h.check_same(g.path("the file"), src)
        c = wire.Conn.dial(seed.port())
        c.send(wire.handshake(t.hash_v1))
        if how == "require":
            check(c.closed_within(10 * h.SLOW), "a plain handshake is refused")
        else:
            c.read_handshake()
        seed.stop()
    plain = wire.FakeSeed(t, host=h.other(1))
    g = w.peer("g", "http://127.0.0.1:1")
    g.run("get", torrent, "--peer", plain.addr, "--encryption", "require").expect(h.NO_HOLDER)
    g.get(torrent, "--peer", plain.addr, "--encryption", "prefer", "--wait", "30")
    h.check_same(g.path("the file"), src)
    plain.stop()


@test("what a magnet link means is asked encrypted, too: of libtorrent that requires it, and when we require it")
def _(w):
    index, a, src = start(w, None)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--tracker", index.announce, "--v1-only").expect(h.OK)
    t = wire.Torrent.load(torrent, src)
    Libtorrent(w, encrypted=True).seed(torrent, a.dir)
    link = f"magnet:?xt=urn:btih:{t.hash_v1.hex()}&tr={urllib.parse.quote(index.announce, '')}"
    for how in ("accept", "require"):
        g = w.peer(f"g-{how}", "http://127.0.0.1:1")
        g.run("get", link, "--wait", "40", "--encryption", how, seconds=60).expect(h.OK)
        h.check_same(g.path("the file"), src)


def asked_for(w, name, torrent, src, how):
    """A peer that asks what a link means, and knows nobody: others have to come to it."""
    g = w.peer(name, "http://127.0.0.1:1")
    link = f"magnet:?xt=urn:btih:{wire.Torrent.load(torrent, src).hash_v1.hex()}"
    p = g.start("get", link, "-v", "--wait", "40", "--encryption", how)
    return g, p, p.port()


@test("who comes encrypted to a link that is still being asked is asked in turn: our own peers and libtorrent")
def _(w):
    index, a, src = start(w, None)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    for ours, theirs in (("accept", "require"), ("require", "prefer")):
        g, p, port = asked_for(w, f"g-{ours}", torrent, src, ours)
        seed = a.start("get", torrent, "-o", src, "--seed", "--peer", f"{h.HOST}:{port}", "--encryption", theirs)
        p.wait(60 * h.SLOW).expect(h.OK)
        h.check_same(g.path("the file"), src)
        seed.stop()
    tracker = wire.FakeTracker(lambda q: wire.bencode({"interval": 60, "peers": wire.compact([(h.HOST, port)])}))
    torrent = w.path("y.torrent")
    a.run("create", src, "-o", torrent, "--v1-only", "--tracker", tracker.announce).expect(h.OK)
    g, p, port = asked_for(w, "g", torrent, src, "accept")
    Libtorrent(w, encrypted=True).seed(torrent, a.dir)
    p.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(g.path("the file"), src)
    tracker.stop()


@test("hostile: noise, keys without a secret, pads without end, torrents that are not here; slow ones time out")
def _(w):
    index, a, src = start(w, None)
    p = a.share(src)
    noise = h.noise(4000, 5)
    for first in (noise[:2000], bytes(96) + noise, bytes(95) + b"\1" + noise, b"\xff" * 96 + noise, b"\x13Bit" + noise[:1000],
                  bytes(95) + b"\5" + noise[:532]):
        c = wire.Conn.dial(p.port())
        c.send(first)
        check(c.closed_within(10 * h.SLOW), "closed", first[:8])
    silent = wire.Conn.dial(p.port())
    silent.send(noise[:96])
    check(silent.closed_within(20 * h.SLOW), "a handshake that does not go on")
    g = w.peer("g", index)
    g.get("the file")
    h.check_same(g.path("the file"), src)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
