#!/usr/bin/python3
"""Usage: bench/dht_names.py [NODES] - how long a name is looked for in a real network of so many nodes (50) on
loopback, by commands that know one place and nobody else. Needs an index on loopback, and the binary at SHOAL_BIN."""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness as h  # noqa: E402

ON = {"SHOAL_NO_DHT": ""}
ASKED = 15


def seconds_of(fn):
    begun = time.monotonic()
    fn()
    return time.monotonic() - begun


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    w = h.World()
    try:
        w.index()
        maker, ports = w.peer("maker"), []
        src = h.make_file(maker.path("other"), 1000)
        maker.run("create", src, "-o", maker.path("other.torrent")).expect(h.OK)
        for i in range(n):
            ports.append(h.free_port())
            more = ["--dht-node", f"{h.HOST}:{ports[0]}"] if i else []
            w.peer(f"n{i}").start("get", maker.path("other.torrent"), "-o", src, "--seed", "--listen", h.HOST, "--port",
                                  str(ports[i]), *more, env=ON)
        last = w.peer(f"n{n - 1}")
        h.wait_for(lambda: last.run("dht", "--json", env=ON).json()["dht"][0]["nodes"] >= n // 2, 120, "they know each other",
                   every=1)
        place = ("--dht-node", f"{h.HOST}:{ports[0]}", "--listen", h.HOST)
        share = maker.start("share", h.make_file(maker.path("data"), 1000, seed=2), *place, env=ON)
        h.wait_for(lambda: b"without an index it is" in share.err(), 120, "the name is in the table")
        ref = share.err().decode().split("without an index it is ")[1].split(";")[0]
        cold = [seconds_of(lambda i=i: w.peer(f"c{i}").run("info", ref, *place, env=ON).expect(h.OK)) for i in range(ASKED)]
        print(share.err().decode().strip())
        print(f"{n} nodes, {ASKED} commands: median {statistics.median(cold):.2f} s, longest {max(cold):.2f} s")
    finally:
        w.close()
        w.remove()


if __name__ == "__main__":
    main()
