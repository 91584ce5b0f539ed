#!/usr/bin/python3
"""G-12: the power goes. Whatever the disk kept, nothing is called held that is not there, all starts again and ends right.

A program is run once while all it does to its disk is written down; then it is started on what may be left of that at random moments
(power.py). SHOAL_CUTS=100 looks at so many in each test, a few when not given."""

import os
import shutil
import signal
import sqlite3

import harness as h
import power
import wire
from harness import MIB, SLOW, check, check_eq, test
from state_file import check_recorded, check_rechecked

CUTS = int(os.environ.get("SHOAL_CUTS", "6"))
SIZE = 3 * MIB


def download(w, mode, seed):
    """One that is stopped, killed, stopped and completed; the last third takes long enough to record by itself."""
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    src = h.make_file(a.path("f"), SIZE, seed)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "64K", *mode).expect(h.OK)
    t = wire.Torrent.load(a.path("f.torrent"), src)
    s = wire.SlowSeed(t, 2 * MIB if "SHOAL_CUTS" not in os.environ else MIB // 2)
    w.closers.append(s.stop)
    rec = power.Recorder(g.dir, w.path("power.log"))

    def start(env, peer=s.addr):
        return g.start("get", a.path("f.torrent"), "--wait", "60", "--json", "--peer", peer, env=env)
    for part, signo in ((1, signal.SIGINT), (2, signal.SIGKILL), (3, signal.SIGINT)):
        get, before = start(rec.env), s.sent
        h.wait_for(lambda: s.sent - before > SIZE // 6 or not get.alive(), 30 * SLOW, "some came", every=0.01)
        get.killed = True
        check(get.alive(), "it goes on", get.err())
        get.send(signo)
        get.p.wait(20 * SLOW)
    start(rec.env).wait(60 * SLOW).expect(h.OK)
    done, fetched, rechecked = rec.now(), 0, []
    seed = f"{h.HOST}:{a.start('get', a.path('f.torrent'), '--seed').port()}"
    for at, tree in rec.cuts(CUTS, seed):
        rec.make(tree)
        there = os.path.exists(g.path("f"))
        check(there or at < done, f"cut at {at} of {done}: it was complete and is gone", sorted(tree))
        if there:
            h.check_same(g.path("f"), src)
        held = check_recorded(g, t, s.data)
        rechecked.append(check_rechecked(g, t, a.path("f.torrent")))
        came = start({}, seed).wait(60 * SLOW, f"a start after a cut at {at}").expect(h.OK).json()["downloaded"]
        h.check_same(g.path("f"), src)
        check_eq(os.listdir(g.dir), ["f"], f"what is in the folder, cut at {at}")
        check(there or came <= SIZE - held * t.piece_length, f"cut at {at}: {held} pieces were recorded", came)
        fetched += came
    shown = [r for r in rechecked if r is not None]
    print(f"# recorded and hashed pieces after each: {shown}")
    print(f"# {CUTS} cuts of {done >> 10} KiB of log, {fetched / CUTS / MIB:.1f} of {SIZE >> 20} MiB fetched after one")


@test(f"G-12: after {CUTS} power cuts of a v1 download no piece is recorded that is not there, only unsure ones are hashed, and each start "
      "completes it", seconds=60 + 3 * CUTS)
def _(w):
    download(w, ["--v1-only"], 11)


@test(f"G-12: after {CUTS} power cuts of a v2 download no piece is recorded that is not there, only unsure ones are hashed, and each start "
      "completes it", seconds=60 + 3 * CUTS)
def _(w):
    download(w, ["--v2-only"], 12)


@test(f"G-12: after {CUTS} power cuts of a folder that replaces an older version there is one of them, whole, or none and it is fetched",
      seconds=60 + 2 * CUTS)
def _(w):
    a, g = w.peer("a"), w.peer("g")
    w.index()
    a.index_url = g.index_url = w.indexes[0].url
    old = h.make_tree(a.path("1", "d"), {f"s{i % 3}/f{i}": 5_000 * i for i in range(20)})
    new = h.make_tree(a.path("2", "d"), {f"s{i % 4}/f{i}": 6_000 * i for i in range(25)})
    os.unlink(os.path.join(new, "s0", "f4"))
    shutil.copy(os.path.join(old, "s1", "f16"), os.path.join(new, "s0", "f16"))
    shares = [a.share(old)]
    rec = power.Recorder(g.dir, w.path("power.log"))
    g.start("get", "d", env=rec.env).wait(60 * SLOW).expect(h.OK)
    first = rec.now()
    shares.append(a.share(new))
    h.wait_for(lambda: w.indexes[0].entry("d")["version"] == 2, 20 * SLOW, "there is a second version")
    g.start("get", "d", env=rec.env).wait(60 * SLOW).expect(h.OK)
    second = rec.now()
    sums, stands = {v: h.tree_sums(v) for v in (old, new)}, {old: 0, new: 0, None: 0}
    for at, tree in rec.cuts(CUTS, 13):
        rec.make(tree)
        is_there = next((v for v in (old, new) if os.path.exists(g.path("d")) and h.tree_sums(g.path("d")) == sums[v]), None)
        stands[is_there] += 1
        if os.path.exists(g.path("d")):
            check(is_there, f"cut at {at}: neither the old version nor the new one")
        check(at < first or is_there, f"cut at {at}: there was one, and is none")
        check(at < second or is_there == new, f"cut at {at}: the new one was there")
        g.run("get", "d", "--replace").expect(h.OK)
        h.check_same(g.path("d"), new)
        # What was begun of the older version may be gone on with; nobody asked for that here.
        check(at < first or os.listdir(g.dir) == ["d"], f"what is in the folder, cut at {at}", os.listdir(g.dir))
    print(f"# the old version was there {stands[old]} times, the new one {stands[new]} times, none {stands[None]} times")


@test(f"G-12: after {CUTS} power cuts of a daemon it has every transfer and wish that it acknowledged, and starts", seconds=90 + 3 * CUTS)
def _(w):
    w.index()
    disk, a, b = w.path("disk"), w.peer("a"), w.peer("b")
    srcs = [h.make_file(b.path(f"f{i}"), 200_000, seed=i) for i in range(3)]
    b.share(srcs[2])
    os.mkdir(disk)
    a.home, a.dir = os.path.join(disk, "home"), os.path.join(disk, "dir")
    os.mkdir(a.dir)
    rec = power.Recorder(disk, w.path("power.log"))
    facts = []  # (since when, name, state or None: gone)

    def act(name, state, *args):
        begun = rec.now()
        for i, f in enumerate(facts):
            if f[1] == name and f[3] is None:
                facts[i] = (f[0], name, f[2], begun)
        a.start(*args, env=rec.env).wait(30 * SLOW).expect(h.OK)
        facts.append((rec.now(), name, state, None))
    d = a.daemon(env=rec.env)
    act("f0", "seeding", "share", srcs[0], "-d", "--as", "alice")
    act("f1", "seeding", "share", srcs[1], "-d")
    act("f0", "paused", "pause", "1")
    act("f2", "seeding", "get", "f2")
    act("f1", None, "remove", "2")
    act("f0", "seeding", "resume", "1")
    d.stop(signal.SIGTERM).expect(h.OK)
    for at, tree in rec.cuts(CUTS, 14):
        rec.make(tree)
        os.makedirs(a.dir, exist_ok=True)
        d = a.daemon()
        found = {t["name"]: t for t in a.transfers()}
        check("damaged" not in d.err_text(), f"cut at {at}", d.err_text())
        for since, name, state, until in facts:
            if at < since or (until is not None and at >= until):
                continue
            check((name in found) == (state is not None), f"cut at {at}: {name} is {state}", sorted(found))
            if state is not None:
                h.wait_for(lambda: a.transfers(str(found[name]["id"]))[0]["state"] == state, 30 * SLOW, f"cut at {at}: {name} is {state}")
            if name == "f2" and state is not None:
                h.check_same(a.path("f2"), srcs[2])
        d.stop(signal.SIGTERM).expect(h.OK)


@test(f"G-12: after {CUTS} power cuts of an index the catalogue is whole and has all that was acknowledged", seconds=90 + 3 * CUTS)
def _(w):
    data, signer = w.path("data"), wire.Signer()
    w.closers.append(signer.close)
    os.mkdir(data)
    rec = power.Recorder(data, w.path("power.log"))
    index = w.index(data=data, env=rec.env)
    kept = []

    def publish(i):
        torrent = wire.bencode({"info": {"name": f"n{i}", "piece length": 16384, "length": 16384 * 20_000, "pieces": h.noise(400_000, i)}})
        body = wire.publish_body(signer, "dora", f"n{i}", torrent)
        status, text = h.http(index.url + "/api/v1/entries", "POST", body, {"Content-Type": "application/json"})
        check_eq(status, 201, f"publishing: {text!r}")
    for i in range(16):
        publish(i)
        kept.append((rec.now(), f"n{i}"))
        if i in (5, 11):
            index.proc.killed = True
            index.proc.send(signal.SIGKILL if i == 5 else signal.SIGTERM)
            index.proc.p.wait(20 * SLOW)
            index.start()
    index.proc.kill()
    index.env = {}
    for k, (at, tree) in enumerate(rec.cuts(CUTS, 15)):
        rec.make(tree)
        index.start()
        names = {e["name"] for e in index.api("entries", limit=500)["entries"]}
        check({n for since, n in kept if at >= since} <= names, f"cut at {at}: acknowledged and lost", sorted(names))
        publish(100 + k)
        index.proc.stop(signal.SIGTERM).expect(h.OK)
        with sqlite3.connect(f"file:{data}/catalogue.db?mode=ro", uri=True) as db:
            check_eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", f"the catalogue, cut at {at}")


if __name__ == "__main__":
    raise SystemExit(h.main())
