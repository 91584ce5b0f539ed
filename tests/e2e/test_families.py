#!/usr/bin/python3
"""Machines with addresses of both families, and trackers whose name stands for both (BEP 7)."""

import subprocess

import harness as h
import wire
from harness import HOST, check, check_eq, test
from udp_client import Client

NAME, V6 = "tracker.example", "fd77::1"


class Both:
    """An index that answers over both families, and a peer for whom NAME means it, by `addresses`."""

    def __init__(self, w, addresses=(HOST, V6), listen=""):
        h.need_root()
        if HOST.startswith("127.") or subprocess.run(["ip", "-6", "addr", "replace", V6 + "/128", "dev", "lo"], capture_output=True).returncode != 0:
            raise h.Skip("there is no network of both families to be had")
        self.w, self.port = w, h.free_port()
        with open(w.path("hosts"), "w") as f:
            f.writelines(f"{a} {NAME}\n" for a in addresses)
        self.wrap = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', w.path("hosts"))
        p = w.start(h.BIN, "index", "--listen", f"{listen}:{self.port}", "--data", w.path("both"), env=w.env(w.path("home-both")), name="both")
        h.wait_for(lambda: b"udp://" in p.out(), 10 * h.SLOW, "the index is up")

    def seed(self, scheme):
        a = self.w.peer("a", "http://127.0.0.1:1")
        src, torrent = h.make_file(a.path("f"), 100_000), self.w.path(scheme + ".torrent")
        a.run("create", src, "-o", torrent, "--tracker", f"{scheme}://{NAME}:{self.port}/announce").expect(h.OK)
        self.hash = wire.Torrent.load(torrent).hash_v1
        return a.start("get", torrent, "-o", a.dir + "/", "--seed", wrap=self.wrap)

    def peers(self, host):
        """Whom somebody is told of who asks at `host`, but for those that ask in this way."""
        with Client(self.port, host) as c:
            return [a for a, port in c.connect().announce(self.hash, port=7000, left=1)["peers"] if port != 7000]


@test("a tracker whose name has addresses of both families knows a peer by both, and hears from both that it leaves", seconds=120)
def _(w):
    both = Both(w)
    for scheme in ("udp", "http"):
        seed = both.seed(scheme)
        for host in (HOST, V6):
            h.wait_for(lambda: both.peers(host) == [host], 20 * h.SLOW, f"{scheme}: the seed is known at {host}")
        seed.stop()
        for host in (HOST, V6):
            check_eq(both.peers(host), [], f"{scheme}: after its goodbye, at {host}")


@test("an address of the other family where nobody answers costs a tracker nothing", seconds=90)
def _(w):
    both = Both(w, listen=HOST)
    for scheme in ("udp", "http"):
        seed = both.seed(scheme)
        h.wait_for(lambda: both.peers(HOST) == [HOST], 20 * h.SLOW, f"{scheme}: the seed is known")
        check(b"tracker" not in seed.err(), f"{scheme}: nothing is said of it", seed.err())
        seed.stop()
        check_eq(both.peers(HOST), [], f"{scheme}: after its goodbye")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
