#!/usr/bin/python3
"""Stopped and killed downloads go on where they were; what is recorded is on disk.

O-40, G-10: SHOAL_KILLS=200 kills so often in all, in downloads of 512 MiB; 50 times in smaller ones when not given."""

import os
import random
import signal
import struct
import time

import harness as h
import wire
from harness import MIB, check, check_eq, test
from state_file import check_recorded, check_rechecked, recorded

KILLS = int(os.environ.get("SHOAL_KILLS", "50"))
# Bytes, and bytes a second: about what is fetched while it is killed so often.
SIZE, RATE = (512 * MIB, 512 * MIB // max(KILLS // 5, 12)) if "SHOAL_KILLS" in os.environ else (80 * MIB, 6 * MIB)
SHARES = [KILLS // 3 + (i < KILLS % 3) for i in range(3)]


class Timed(wire.SlowSeed):
    """Notes when it was first asked since `mark`."""
    asked_at = None

    def on_request(self, c, piece, begin, length):
        if self.asked_at is None:
            self.asked_at = time.monotonic()
        super().on_request(c, piece, begin, length)


def prepare(w, mode, size, rate, seed=1):
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    src = h.make_file(a.path("f"), size, seed=seed)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "256K", *mode).expect(h.OK)
    t = wire.Torrent.load(a.path("f.torrent"), src)
    return g, src, t, Timed(t, rate), a.path("f.torrent")


def kill_many(w, mode, kills, seed):
    """Short runs that are killed; one in five is stopped properly and so records what it has, and one is long
    enough to record by itself."""
    size, rate = SIZE, RATE
    r = random.Random(seed)
    g, src, t, s, torrent = prepare(w, mode, size, rate, seed)
    before = 0
    for i in range(kills + kills // 5):
        proper = i % 6 == 5
        s.asked_at = None
        get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
        h.wait_for(lambda: s.asked_at or not get.alive(), 5 * h.SLOW, f"asking again within 5 s (run {i})", every=0.01)
        time.sleep(6.0 if i == kills // 2 else r.uniform(0.0, 0.45))
        check(get.alive(), f"the download was over before run {i} was ended: make it slower", get.err()[-500:])
        if proper:
            get.stop(signal.SIGINT).expect(h.INTERRUPTED)
        else:
            get.kill()
        held = check_recorded(g, t, s.data)
        check(held >= before, f"run {i}: {before} pieces were recorded, now {held}")
        check(held > before or not proper and i != kills // 2, f"run {i} recorded nothing ({held} pieces)")
        before = held
    check(before * t.piece_length > size // 4, f"only {before} pieces were ever recorded")
    s.rate = max(rate, 64 * MIB)
    done = g.run("get", torrent, "--wait", "60", "--peer", s.addr, "--json", seconds=90).expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check_eq(os.listdir(g.dir), ["f"], "nothing is left beside the download")
    lost = s.sent - size
    check(lost <= kills * 2 * MIB, f"{lost / MIB:.1f} MiB fetched again over {kills} kills")
    print(f"# {kills} kills: {before} pieces recorded before the last run, {lost / MIB:.1f} MiB fetched again")
    check(done["downloaded"] <= size - before * t.piece_length, "the last run fetched no recorded piece", done)
    s.stop()


@test(f"O-40: kill -9 at {SHARES[0]} random moments of a v1 download: no byte wrong, little fetched again", seconds=90 + 2 * KILLS)
def _(w):
    kill_many(w, ["--v1-only"], SHARES[0], 101)


@test(f"O-40: kill -9 at {SHARES[1]} random moments of a v2 download: no byte wrong, little fetched again", seconds=90 + 2 * KILLS)
def _(w):
    kill_many(w, ["--v2-only"], SHARES[1], 202)


@test(f"O-40: kill -9 at {SHARES[2]} random moments of a hybrid download: no byte wrong, little fetched again", seconds=90 + 2 * KILLS)
def _(w):
    kill_many(w, [], SHARES[2], 303)


def wait_written(g, get, some, before=0):
    """So much more lies on disk: what the seed has sent may be on its way for long on a busy machine."""
    h.wait_for(lambda: h.part_bytes(g.dir) - before > some or not get.alive(), 30 * h.SLOW, "some came", every=0.01)


def recheck_after_kill(w, mode):
    """Stopped, so that much is recorded; then killed, with a little more on disk."""
    g, src, t, s, torrent = prepare(w, mode, 16 * MIB, 8 * MIB)
    w.closers.append(s.stop)
    for some, signo in ((8 * MIB, signal.SIGINT), (2 * MIB, signal.SIGKILL)):
        before = h.part_bytes(g.dir)
        get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
        wait_written(g, get, some, before)
        check(get.alive(), "it goes on", get.err())
        if signo == signal.SIGKILL:
            get.kill()
        else:
            get.stop(signo).expect(h.INTERRUPTED)
    have, dirty = check_rechecked(g, t, torrent)
    check(have * t.piece_length >= 6 * MIB and 0 < dirty <= 20, "recorded, and unsure", have, dirty)
    done = g.run("get", torrent, "--wait", "60", "--peer", s.addr, "--json").expect(h.OK).json()
    h.check_same(g.path("f"), src)
    check(done["downloaded"] <= 16 * MIB - have * t.piece_length, "what was recorded is not fetched again", done)
    print(f"# {have} pieces were recorded, {dirty} were hashed")


@test("after a kill only those pieces of a v1 download are hashed that had data and were not recorded")
def _(w):
    recheck_after_kill(w, ["--v1-only"])


@test("after a kill only those pieces of a v2 download are hashed that had data and were not recorded")
def _(w):
    recheck_after_kill(w, ["--v2-only"])


@test("a folder killed in mid-transfer is completed")
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {f"s{i % 9}/f{i}": (i * 7919) % 200_000 for i in range(800)})
    a.share(src)
    for i in range(6):
        get = g.start("get", "d")
        h.wait_for(lambda: h.part_bytes(g.dir) > (i + 1) * 4 * MIB or not get.alive(), 20 * h.SLOW, "progress", every=0.005)
        get.kill()
    g.get("d") if not os.path.exists(g.path("d")) else None
    h.check_same(g.path("d"), src)
    check_eq(index.holders("d")["seeds"] >= 1, True, "the seed is there")


@test("Ctrl-C in mid-transfer: exit 130, says how to go on, goes on from there")
def _(w):
    size = 32 * MIB
    g, src, t, s, torrent = prepare(w, [], size, 12 * MIB)
    get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
    wait_written(g, get, 8 * MIB)
    done = get.stop(signal.SIGINT).expect(h.INTERRUPTED)
    check("same command" in done.err or "resume" in done.err, "says how to go on", done.err)
    held = check_recorded(g, t, s.data)
    check(held * t.piece_length >= 6 * MIB, f"{held} pieces were recorded")
    check(not os.path.exists(g.path("f")), "nothing at the final name")
    sent = s.sent
    g.run("get", torrent, "--wait", "60", "--peer", s.addr, seconds=60).expect(h.OK)
    h.check_same(g.path("f"), src)
    check(s.sent - sent <= size - held * t.piece_length + MIB, "recorded pieces are not fetched again")
    s.stop()


@test("a damaged, cut, emptied or foreign state file costs a check of the data, not the data")
def _(w):
    size = 16 * MIB
    g, src, t, s, torrent = prepare(w, [], size, 40 * MIB)

    def flip(raw):
        return raw[:len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1:]

    def all_ones(raw):
        n = struct.unpack(">I", raw[48:52])[0]
        return raw[:52] + b"\xff" * ((n + 7) // 8) + raw[52 + (n + 7) // 8:]

    ways = {"a flipped bit": flip, "cut": lambda raw: raw[:-40], "emptied": lambda raw: b"", "noise": lambda raw: os.urandom(500),
            "all pieces claimed, sum wrong": all_ones, "version 9": lambda raw: raw[:8] + b"\0\0\0\x09" + raw[12:],
            "gone": None}
    for way, damage in ways.items():
        get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
        wait_written(g, get, 8 * MIB)
        get.stop(signal.SIGINT)
        (data, state), = h.part_of(g.dir)
        if damage is None:
            os.unlink(state)
        else:
            with open(state, "rb") as f:
                raw = f.read()
            with open(state, "wb") as f:
                f.write(damage(raw))
        on_disk = h.part_bytes(g.dir)
        sent = s.sent
        g.run("get", torrent, "--wait", "60", "--peer", s.addr, seconds=60).expect(h.OK)
        h.check_same(g.path("f"), src)
        check(s.sent - sent <= size - on_disk + 3 * MIB, f"state {way}: {(s.sent - sent) >> 20} MiB fetched again")
        os.unlink(g.path("f"))
    s.stop()


@test("data cut short or gone under a good state file is noticed and fetched again")
def _(w):
    g, src, t, s, torrent = prepare(w, [], 16 * MIB, 40 * MIB)
    for way in ("cut", "gone"):
        get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
        wait_written(g, get, 8 * MIB)
        get.stop(signal.SIGINT)
        (data, state), = h.part_of(g.dir)
        if way == "cut":
            os.truncate(data, 3 * MIB + 17)
        else:
            os.unlink(data)
        g.run("get", torrent, "--wait", "60", "--peer", s.addr, seconds=60).expect(h.OK)
        h.check_same(g.path("f"), src)
        os.unlink(g.path("f"))
    s.stop()


def flip(path, at, seconds_later=0):
    """Another program writes into the file; its size stays."""
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(1)
        f.seek(at)
        f.write(bytes([was[0] ^ 1]))
    if seconds_later:
        os.utime(path, (time.time() + seconds_later,) * 2)


def fetch_some(g, s, torrent, some, signo):
    """Returns (unfinished file, pieces recorded of it)."""
    before = h.part_bytes(g.dir)
    get = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
    wait_written(g, get, some, before)
    check(get.alive(), "it goes on", get.err())
    if signo == signal.SIGKILL:
        get.kill()
    else:
        get.stop(signo).expect(h.INTERRUPTED)
    check(b"as this download left it" not in get.err(), "nobody else was there", get.err())
    (data, state), = h.part_of(g.dir)
    return data, recorded(state) or set()


@test("what somebody else writes into an unfinished download while it is stopped is found, said and fetched again", seconds=120)
def _(w):
    g, src, t, s, torrent = prepare(w, [], 16 * MIB, 8 * MIB)
    w.closers.append(s.stop)
    fetch_some(g, s, torrent, 3 * MIB, signal.SIGINT)
    data, held = fetch_some(g, s, torrent, 3 * MIB, signal.SIGINT)
    check(len(held) * t.piece_length > 4 * MIB, "much is recorded", len(held))
    size = os.path.getsize(data)
    flip(data, sorted(held)[len(held) // 2] * t.piece_length + t.piece_length // 2)
    check_eq(os.path.getsize(data), size, "size")
    sent = s.sent
    done = g.run("get", torrent, "--wait", "60", "--peer", s.addr, seconds=60).expect(h.OK)
    check("/f: is not as this download left it: what is there is hashed again" in done.err, "says what it looks at, and why", done.err)
    h.check_same(g.path("f"), src)
    check(s.sent - sent <= 16 * MIB - (len(held) - 2) * t.piece_length, "what was not changed is not fetched again", s.sent - sent)


@test("after kill -9 what it wrote itself is believed, and what somebody else wrote later is not", seconds=120)
def _(w):
    g, src, t, s, torrent = prepare(w, [], 16 * MIB, 8 * MIB)
    w.closers.append(s.stop)
    fetch_some(g, s, torrent, 4 * MIB, signal.SIGINT)
    for _ in range(2):
        data, held = fetch_some(g, s, torrent, MIB, signal.SIGKILL)
    check(len(held) * t.piece_length >= 3 * MIB, "much is recorded", len(held))
    flip(data, max(held) * t.piece_length + 5, 3600)
    done = g.run("get", torrent, "--wait", "60", "--peer", s.addr, seconds=60).expect(h.OK)
    check("/f: is not as this download left it" in done.err, "says so", done.err)
    h.check_same(g.path("f"), src)


@test("what somebody else writes while the daemon is away is found, and the other files are believed", seconds=120)
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {"one": 6 * MIB, "two": 6 * MIB})
    a.share(src, "--limit-up", "3M", "--limit-lan")
    daemon = g.daemon("--no-dht", "--no-lsd")
    g.run("get", "d", "-d").expect(h.OK)
    h.wait_for(lambda: g.transfers()[0]["done_bytes"] > 7 * MIB, 30 * h.SLOW, "more than one file is there", every=0.01)
    daemon.stop(signal.SIGTERM).expect(h.OK)
    (data, _), = h.part_of(g.dir)
    daemon = g.daemon("--no-dht", "--no-lsd")
    h.wait_for(lambda: g.transfers()[0]["state"] == "downloading", 20 * h.SLOW, "it goes on")
    hashed = g.transfers()[0]["to_check_bytes"]
    check(hashed <= MIB, f"{hashed} bytes were hashed after a proper end: more than what was under way")
    daemon.stop(signal.SIGTERM).expect(h.OK)
    flip(os.path.join(data, "one"), 100_000)
    daemon = g.daemon("--no-dht", "--no-lsd")
    h.wait_for(lambda: os.path.exists(g.path("d")), 40 * h.SLOW, "it is completed")
    check("d/one: is not as this download left it: what is there is hashed again" in daemon.err_text(), "says which", daemon.err_text())
    h.check_same(g.path("d"), src)


@test("two gets of the same thing to the same place: one wins, the other says why, no byte wrong")
def _(w):
    g, src, t, s, torrent = prepare(w, [], 8 * MIB, 8 * MIB)
    one = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
    h.wait_for(lambda: s.sent > MIB, 20 * h.SLOW, "the first is under way")
    two = g.start("get", torrent, "--wait", "60", "--peer", s.addr)
    a, b = one.wait(40 * h.SLOW), two.wait(40 * h.SLOW)
    check(h.OK in (a.code, b.code), "one of them succeeds", a.code, a.err, b.code, b.err)
    check(all(c.code >= 0 for c in (a, b)), "none crashes")
    h.check_same(g.path("f"), src)
    s.stop()


if __name__ == "__main__":
    raise SystemExit(h.main())
