#!/usr/bin/python3
"""O-41, O-42, O-44: an index that is killed, or whose disk refuses, at any moment.

SHOAL_KILLS=200 kills it so often under load, 20 when not given; SHOAL_FAULTS=100 tries so many of the calls that write
one entry, 3 of each kind when not given."""

import os
import random
import signal
import sqlite3
import threading
import urllib.parse

import harness as h
import wire
from harness import check, check_eq, test

KILLS = int(os.environ.get("SHOAL_KILLS", "20"))
FAULTS = int(os.environ.get("SHOAL_FAULTS", "3"))


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


# ---- one entry, call by call ------------------------------------------------------------

class Faulty:
    """An index that publishes under strace, which kills it at a call or has the call refused."""

    def __init__(self, w):
        self.w, self.strace = w, h.need("strace")
        if h.SANITIZED:
            raise h.Skip("strace and ASan do not go together")
        self.index, self.signer = w.index(), wire.Signer()
        w.closers.append(self.signer.close)
        self.kept, self.tried = set(), 0

    def publish(self):
        """The status; 0 when it was killed."""
        self.tried += 1
        name = f"n{self.tried}"
        body = wire.publish_body(self.signer, "alice", name, torrent_of(name))
        try:
            status, said = h.http(self.index.url + "/api/v1/entries", "POST", body, {"Content-Type": "application/json"},
                                  timeout=20 * h.SLOW)
        except (OSError, ValueError):
            return 0, name
        if status == 201:
            self.kept.add(name)
        else:
            check(status in (500, 507) and b'"code":"' in said, f"{name}: the answer says what is wrong", status, said)
        return status, name

    def under(self, inject):
        pid = self.index.proc.pid
        tracer = self.w.start(self.strace, "-f", "-qq", "-o", "/dev/null", "-e", "inject=" + inject, "-p", str(pid), name="strace")
        tracer.killed = True

        def traced():
            with open(f"/proc/{pid}/status", "rb") as f:
                return b"TracerPid:\t0" not in f.read()
        h.wait_for(traced, 30 * h.SLOW, "it is traced")
        status, name = self.publish()
        if status:
            tracer.p.send_signal(signal.SIGINT)
        tracer.p.wait(20 * h.SLOW)
        return status, name

    def check_there(self, unsure, what):
        """All that was acknowledged is listed; `unsure` may be."""
        names = {e["name"] for e in self.index.api("entries", limit=500)["entries"]}
        check(names - {unsure} == self.kept - {unsure}, what, names ^ self.kept)
        if unsure in names:
            self.kept.add(unsure)


def calls_of_one():
    """Of the three dozen writes of one entry the first and last ones count most."""
    return [("pwrite64", n) for n in (range(1, FAULTS + 1) if FAULTS > 3 else (1, 2, 20))] + [("fdatasync", 1)]


@test("O-41: killed at each call that writes an entry: what was acknowledged is there, the catalogue is whole", seconds=400)
def _(w):
    f, killed = Faulty(w), 0
    check_eq(f.publish()[0], 201, "an entry")
    for call, n in calls_of_one():
        f.index.proc.quiet = f.index.proc.killed = True
        status, name = f.under(f"{call}:signal=KILL:when={n}")
        if status == 0:
            killed += 1
            f.index.proc.p.wait(20 * h.SLOW)
            f.index.start()
        f.check_there(name, f"after a kill at {call} {n}")
    check(killed >= 3, f"it was killed {killed} times")
    check_eq(f.publish()[0], 201, "one more entry")
    f.index.proc.stop().expect(h.OK)
    with sqlite3.connect(f"file:{f.index.data}/catalogue.db?mode=ro", uri=True) as db:
        check_eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "the catalogue at the end")


@test("O-42: a call that writes an entry is refused, once and for ever: the answer says so, lists go on, the next is taken",
      seconds=400)
def _(w):
    f = Faulty(w)
    check_eq(f.publish()[0], 201, "an entry")
    for call, n in calls_of_one():
        for error in ("ENOSPC", "EIO"):
            for forever in ("", "+"):
                what = f"{error} of {call} {n}{forever}"
                status, name = f.under(f"{call}:error={error}:when={n}{forever}")
                check(status != 0 and f.index.proc.alive(), f"it lives after {what}")
                f.check_there(None, f"after {what}")
                check_eq(f.publish()[0], 201, f"the next after {what}")
    f.index.proc.stop().expect(h.OK)
    f.index.start()
    f.check_there(None, "after a new start")


if __name__ == "__main__":
    raise SystemExit(h.main())
