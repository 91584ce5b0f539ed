#!/usr/bin/python3
"""Stock clients that find one another by nothing but the index's UDP tracker."""

import os

import clients
from clients import Aria2, Libtorrent, Transmission

h = clients.h
import wire  # noqa: E402
from harness import MIB, check, test  # noqa: E402


class Aria2Udp(Aria2):
    """aria2 speaks to UDP trackers through the socket of its DHT, which knows nobody here."""

    def _start(self, torrent, folder, *more):
        return super()._start(torrent, folder, "--enable-dht=true", f"--dht-listen-port={h.free_port()}",
                              f"--dht-file-path={self.w.path('dht.dat')}", *more)


def meet(w, seeder, getter):
    index = w.index()
    a = w.peer("a")
    seed, get = seeder(w), getter(w)
    src = h.make_file(a.path("the file.bin"), 3 * MIB + 4321)
    torrent = w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--v1-only", "--tracker", f"udp://{h.HOST}:{index.port}/announce").expect(h.OK)
    hash_ = wire.Torrent.load(torrent).hash_v1
    seed.seed(torrent, a.dir)
    quoted = "".join(f"%{b:02x}" for b in hash_)

    def seeds():
        return wire.bdecode(h.http(f"{index.url}/scrape?info_hash={quoted}")[1])[b"files"][hash_][b"complete"]
    h.wait_for(lambda: seeds() == 1, 30 * h.SLOW, "the seed is announced")
    into = w.path("theirs")
    p = get.get(torrent, into)
    got = os.path.join(into, "the file.bin")
    get.wait(p, got, 60 * h.SLOW)
    h.check_same(got, src)
    status = index.api("status")
    check(status["udp"]["announces"] >= 2 and status["announces"] == status["udp"]["announces"], "all came over UDP", status)


@test("shoal and libtorrent find one another through opentracker over UDP", seconds=120)
def _(w):
    a, b = w.peer("a", "http://127.0.0.1:1"), w.peer("b", "http://127.0.0.1:1")
    src, torrent = h.make_file(a.path("the file.bin"), 3 * MIB + 4321), w.path("x.torrent")
    a.run("create", src, "-o", torrent, "--v1-only").expect(h.OK)
    hash_ = wire.Torrent.load(torrent).hash_v1
    tracker = clients.Opentracker(w, [hash_])
    os.remove(torrent)
    a.run("create", src, "-o", torrent, "--v1-only", "--tracker", f"udp://{h.HOST}:{tracker.port}/announce").expect(h.OK)
    seed = a.start("get", torrent, "-o", a.dir + "/", "--seed")
    h.wait_for(lambda: tracker.seeds(hash_) == 1, 30 * h.SLOW, "shoal is announced")
    lt = Libtorrent(w)
    into = w.path("theirs")
    p = lt.get(torrent, into)
    lt.wait(p, os.path.join(into, "the file.bin"), 60 * h.SLOW)
    h.check_same(os.path.join(into, "the file.bin"), src)
    seed.stop()
    h.wait_for(lambda: tracker.seeds(hash_) <= 1, 10 * h.SLOW, "shoal has left")
    b.run("get", torrent, "-o", b.path("ours") + "/", "--wait", "30").expect(h.OK)
    h.check_same(b.path("ours", "the file.bin"), src)


for one, other in ((Aria2Udp, Libtorrent), (Libtorrent, Transmission), (Transmission, Aria2Udp)):
    def _(w, one=one, other=other):
        meet(w, one, other)
    test(f"{other.name} finds {one.name} through the UDP tracker", seconds=120)(_)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
