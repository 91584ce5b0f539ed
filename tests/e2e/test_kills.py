#!/usr/bin/python3
"""O-44: an index that is killed again and again under load. SHOAL_KILLS=200 kills it so often, 20 when not given."""

import os
import random
import sqlite3
import threading
import urllib.parse

import harness as h
import wire
from harness import check, check_eq, test

KILLS = int(os.environ.get("SHOAL_KILLS", "20"))


def torrent_of(name):
    return wire.bencode({"info": {"name": name, "piece length": 16384, "length": 1, "pieces": os.urandom(20)}})


class Load:
    """Publishes and announces as fast as it is answered, and remembers what was acknowledged."""

    def __init__(self, w, index):
        self.index, self.stop = index, threading.Event()
        self.kept, self.removed, self.refused, self.announced = {}, set(), [], 0
        self.crowd = h.Crowd()
        for n in range(2):
            signer = wire.Signer()
            w.closers.append(signer.close)
            self.crowd.start(self.publish, signer, f"owner{n}")
        self.crowd.start(self.announce)

    def ask(self, *args):
        """None: the index is not there."""
        try:
            return h.http(*args, timeout=5 * h.SLOW)
        except OSError:
            return None
        except ValueError:
            return None  # an answer that was cut off

    def publish(self, signer, owner):
        n = 0
        while not self.stop.is_set():
            n += 1
            body = wire.publish_body(signer, owner, f"n{n}", torrent_of(f"{owner}-{n}"))
            got = self.ask(self.index.url + "/api/v1/entries", "POST", body, {"Content-Type": "application/json"})
            if got is None:
                self.stop.wait(0.01)
            elif got[0] == 201:
                self.kept[f"{owner}/n{n}"] = True
            else:
                self.refused.append(got)

    def announce(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            q = {"info_hash": n.to_bytes(20, "big"), "peer_id": b"-XX0001-%012d" % n, "port": 7000, "left": 1,
                 "uploaded": 0, "downloaded": 0}
            if self.ask(self.index.announce + "?" + urllib.parse.urlencode(q)) is None:
                self.stop.wait(0.01)
            else:
                self.announced += 1

    def end(self):
        self.stop.set()
        self.crowd.join(30 * h.SLOW)


@test(f"O-44: after {KILLS} times kill -9 under load all that was acknowledged is there, and the catalogue is whole",
      seconds=30 + 3 * KILLS)
def _(w):
    index = w.index()
    a = w.peer("a")
    share = a.share(h.make_file(a.path("f"), 1000))
    load = Load(w, index)
    chance = random.Random(44)
    for n in range(KILLS):
        before = len(load.kept)
        h.wait_for(lambda: len(load.kept) > before, 10 * h.SLOW, "something is acknowledged")
        load.stop.wait(chance.random() * 0.2)
        index.proc.quiet = True
        index.proc.kill()
        with sqlite3.connect(f"file:{index.data}/catalogue.db?mode=ro", uri=True) as db:
            if n % 10 == 0:
                check_eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", f"the catalogue after kill {n + 1}")
        index.start()
    load.end()
    check_eq(load.refused, [], "refused while it was up")
    check(load.announced > KILLS, "announces were answered in between", load.announced)
    there, page = set(), None
    while page is None or page["next"] is not None:
        page = index.api("entries", limit=500, **({"before": page["next"]} if page else {}))
        there |= {f"{e['owner']}/{e['name']}" for e in page["entries"]}
    lost = set(load.kept) - there
    check(not lost, f"{len(lost)} of {len(load.kept)} acknowledged entries are lost", sorted(lost)[:10])
    print(f"# {KILLS} kills, {len(load.kept)} entries acknowledged, {load.announced} announces answered")
    check(share.alive(), "who shares lives")
    index.wait_seeds("f", seconds=45)
    index.proc.stop().expect(h.OK)
    with sqlite3.connect(f"file:{index.data}/catalogue.db?mode=ro", uri=True) as db:
        check_eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "the catalogue at the end")


if __name__ == "__main__":
    raise SystemExit(h.main())
