#!/usr/bin/python3
"""The long-lived peer: what it keeps over restarts and kills, its two doors, and commands that hand over to it."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test
from terminal import Terminal


def state(peer, ref):
    found = peer.transfers(ref)
    return found[0]["state"]


def wait_state(peer, ref, want, seconds=30):
    h.wait_for(lambda: state(peer, ref) == want, seconds * h.SLOW, f"{ref} is {want}", every=0.1)


def api_url(peer):
    with open(os.path.join(peer.home, "run", "api")) as f:
        return f.read().strip()


def two(w, **kw):
    index = w.index(**kw)
    return index, w.peer("a"), w.peer("b")


@test("one daemon a home; it is asked, and ends within two seconds; without one commands say so")
def _(w):
    w.index()
    a = w.peer("a")
    a.run("status").expect(h.NOT_FOUND).error_line("no daemon runs", "shoal daemon")
    d = a.daemon()
    a.run("daemon").expect(h.TAKEN).error_line("runs from this home already")
    check_eq(a.transfers(), [], "transfers")
    check_eq(os.stat(os.path.join(a.home, "api-token")).st_mode & 0o777, 0o600, "mode of the token")
    check_eq(os.stat(os.path.join(a.home, "jobs")).st_mode & 0o777, 0o700, "mode of the folder")
    begun = time.monotonic()
    d.stop(signal.SIGTERM).expect(h.OK)
    check(time.monotonic() - begun < 2 * h.SLOW, "ends within two seconds")
    check(not os.path.exists(os.path.join(a.home, "run", "api")), "the address is gone")
    check_eq(os.listdir(os.path.join(a.home, "run")), ["daemon.lock"], "sockets are gone")
    d = a.daemon()
    a.run("leave").expect(h.OK)
    d.wait(10 * h.SLOW).expect(h.OK)


@test("a daemon begins right after another one has left, and one that is leaving answers")
def _(w):
    w.index()
    a = w.peer("a")
    leaving, over = threading.Event(), threading.Event()
    w.closers.append(over.set)

    def reply(query):
        if b"event=stopped" in query:
            leaving.set()
            over.wait(30)
        return wire.bencode({"interval": 1800, "peers": b""})

    tracker = wire.FakeTracker(reply)
    a.run("create", h.make_file(a.path("f"), 1000), "-o", a.path("t.torrent"), "--tracker", tracker.announce).expect(h.OK)
    d = a.daemon()
    os.mkdir(a.path("into"))
    a.run("get", a.path("t.torrent"), "-o", a.path("into"), "-d").expect(h.OK)
    h.wait_for(lambda: a.transfers()[0]["tracker_ok"] > 0, 20 * h.SLOW, "the tracker has answered")
    d.send(signal.SIGTERM)
    check(leaving.wait(20 * h.SLOW), "it says goodbye")
    for verb in (("status",), ("pause", "1"), ("get", a.path("t.torrent"), "-d")):
        a.run(*verb).expect(h.NOT_FOUND).error_line("the daemon is leaving")
    after = a.daemon()
    d.wait(10 * h.SLOW).expect(h.OK)
    check_eq(len(a.transfers()), 1, "transfers")
    over.set()
    for _ in range(5):
        a.run("leave").expect(h.OK)
        before, after = after, a.daemon()
        before.wait(10 * h.SLOW).expect(h.OK)


@test("daemon --detach answers once all is ready, and tells why not; as JSON, too")
def _(w):
    w.index()
    a = w.peer("a")

    def begin(*options):
        done = a.run("daemon", "--detach", *options).expect(h.OK)
        pid = done.json()["pid"] if options else int(done.out.split()[1].rstrip(":"))
        w.closers.append(lambda: os.path.exists(f"/proc/{pid}") and os.kill(pid, signal.SIGKILL))
        check_eq(a.transfers(), [], "it answers")
        return done, pid

    def end(pid):
        os.kill(pid, signal.SIGTERM)
        h.wait_for(lambda: a.run("status").code == h.NOT_FOUND, 10 * h.SLOW, "it has ended")

    done, pid = begin()
    check(done.out.startswith("daemon "), "what it says", done.out)
    a.run("daemon", "-d").expect(h.TAKEN).error_line("runs from this home already")
    refused = a.run("daemon", "-d", "--json").expect(h.TAKEN)
    check_eq([refused.json()["error"]["code"], refused.err], ["exists", ""], "why not, as JSON")
    end(pid)
    done, pid = begin("--json")
    said = done.json()
    with open(os.path.join(a.home, "run", "api"), encoding="ascii") as f:
        check_eq([said["schema"], said["transfers"], said["http"]], [1, 0, f.read().strip()], "what it says as JSON")
    end(pid)


@test("get once more of what the daemon has: --replace replaces what was changed, and how long it is served is heeded")
def _(w):
    _, a, b = two(w)
    src = h.make_file(a.path("f"), 2 * MIB)
    share = a.share(src, "--as", "alice")
    b.daemon()

    def change():
        with open(b.path("f"), "r+b") as f:
            f.write(b"mine")

    b.run("get", "f").expect(h.OK)
    change()
    b.run("get", "f").expect(h.TAKEN).error_line("--replace replaces it")
    done = b.run("get", "f", "--replace", "--json").expect(h.OK).json()
    check_eq([done["there_already"], done["replaced"]], [False, True], "what it says")
    h.check_same(b.path("f"), src)
    check(b.transfers("f")[0]["down_total"] < 3 * MIB, "what is right of it is not fetched again", b.transfers("f"))
    change()
    b.run("get", "f", "--replace").expect(h.OK)
    h.check_same(b.path("f"), src)
    # Of one that was never complete, too.
    h.make_file(b.path("g"), 5000, seed=7)
    b.run("remove", "f").expect(h.OK)
    b.run("get", "f", "-o", "g", "-d").expect(h.OK)
    wait_state(b, "f", "failed")
    b.run("get", "f", "-o", "g", "--replace").expect(h.OK)
    h.check_same(b.path("g"), src)
    share.stop(signal.SIGTERM)

    def served(*options):
        b.run("get", "f", "-o", "g", *options).expect(h.OK)
        t = b.transfers("f")[0]
        return t["no_seed"], t["seed_ratio_milli"], t["seed_time_s"]

    check_eq(served(), (False, 0, 0), "as before")
    check_eq(served("--seed-ratio", "2"), (False, 2000, 0), "--seed-ratio")
    check_eq(served("--no-seed"), (True, 0, 0), "--no-seed")
    wait_state(b, "f", "done")
    check_eq(served("--seed-time", "1h"), (False, 0, 3600), "--seed-time")
    wait_state(b, "f", "seeding")


@test("share and get hand over; the daemons go on with it after restarts, without hashing")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), 3 * MIB)
    da, db = a.daemon(), b.daemon()
    done = a.run("share", src, "-d", "--as", "alice").expect(h.OK)
    check("serving alice/f@1" in done.out and "by the daemon" in done.out, "share", done.out)
    done = b.run("get", "f", "--json").expect(h.OK)
    check_eq(done.json()["path"], "./f", "path, as without a daemon")
    h.check_same(b.path("f"), src)
    index.wait_seeds("f", 2)
    for p, seed in ((a, True), (b, False)):
        t = p.transfers("f")[0]
        check_eq((t["state"], t["title"], t["seed"], t["complete"]), ("seeding", "alice/f@1", seed, True), p.name)
    da.stop(signal.SIGTERM).expect(h.OK)
    db.kill()
    da, db = a.daemon(), b.daemon()
    wait_state(a, "f", "seeding")
    wait_state(b, "f", "seeding")
    # Killed, it has the sum that was saved last, which may be of the middle of it.
    check(b.transfers("f")[0]["down_total"] <= 3 * MIB, "what was fetched", b.transfers("f"))
    index.wait_seeds("f", 2)
    check("hashed again" not in da.err_text() + db.err_text(), "nothing was hashed")
    done = b.run("get", "f").expect(h.OK)
    check("there already" in done.out, "again", done.out)
    c = w.peer("c")
    c.get("f", "--json")
    h.check_same(c.path("f"), src)


@test("get once more of what was deleted fetches it anew; what was changed is not called verified")
def _(w):
    _, a, b = two(w)
    src = h.make_file(a.path("f"), 2 * MIB)
    a.share(src, "--as", "alice")
    d = b.daemon()
    for flags in ((), ("--no-seed",)):
        b.run("get", "f", *flags).expect(h.OK)
        check("there already" in b.run("get", "f").expect(h.OK).out, "untouched")
        os.unlink(b.path("f"))
        done = b.run("get", "f").expect(h.OK)
        check("there already" not in done.out, "deleted", done.out)
        h.check_same(b.path("f"), src)
        with open(b.path("f"), "r+b") as f:
            f.write(b"mine")
        b.run("get", "f").expect(h.TAKEN).error_line("f", "changed")
        with open(b.path("f"), "rb") as f:
            check_eq(f.read(4), b"mine", "the user's own")
        os.rename(b.path("f"), b.path("kept"))
        b.run("get", "f").expect(h.OK)
        h.check_same(b.path("f"), src)
        b.run("remove", "1" if not flags else "2", "--with-data").expect(h.OK)
        h.wait_for(lambda: not os.path.exists(b.path("f")), 10 * h.SLOW, "it is gone")
    d.stop(signal.SIGTERM).expect(h.OK)


@test("share of what was moved serves it where it is now")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), MIB)
    a.daemon()
    a.run("share", src, "-d", "--as", "alice").expect(h.OK)
    os.mkdir(a.path("new"))
    moved = a.path("new", "f")
    os.rename(src, moved)
    a.run("share", moved, "-d", "--as", "alice").expect(h.OK)
    check_eq([t["path"] for t in a.transfers()], [moved], "where it is")
    b.get("f")
    h.check_same(b.path("f"), moved)
    # In two places: the one that is served is as good.
    shutil.copy(moved, src)
    a.run("pause", "f").expect(h.OK)
    a.run("share", src, "-d", "--as", "alice").expect(h.OK)
    check_eq([(t["path"], t["state"]) for t in a.transfers()], [(moved, "seeding")], "the one it has")
    # What is still being fetched is not given up for it.
    b.daemon()
    a.run("pause", "f").expect(h.OK)
    b.run("get", "f", "-d", "-o", b.path("to")).expect(h.OK)
    b.run("share", b.path("f"), "-d", "--as", "bert", seconds=20)
    check_eq([t["path"] for t in b.transfers()], [b.path("to")], "the download")


@test("what is shared again at another index is told there by the daemon at once, and after a restart")
def _(w):
    first, second = w.index(), w.index(data=w.path("second"))
    a, b = w.peer("a", index=first), w.peer("b", index=second)
    src = h.make_file(a.path("f"), 300 * KIB)
    d = a.daemon("--no-dht")
    a.run("share", src, "-d").expect(h.OK)
    first.wait_seeds("f")
    a.index_url = second.url
    a.run("share", src, "-d").expect(h.OK)
    second.wait_seeds("f")
    first.proc.stop()
    d.kill()
    a.daemon("--no-dht")
    second.wait_seeds("f")
    b.get("f")
    h.check_same(b.path("f"), src)


@test("a download whose folder is moved away fails within seconds, not at its end, and goes on once it is back")
def _(w):
    _, a, b = two(w)
    src = h.make_file(a.path("f"), 8 * MIB)
    a.share(src, "--piece-length", "16K")
    b.daemon("--limit-down", "64K", "--limit-lan")
    os.mkdir(b.path("into"))
    b.run("get", "f", "-o", "into/", "-d").expect(h.OK)
    h.wait_for(lambda: b.transfers("f")[0]["done_bytes"] > 0, 30 * h.SLOW, "some of it is there")
    os.rename(b.path("into"), b.path("elsewhere"))
    wait_state(b, "f", "failed")
    t = b.transfers("f")[0]
    check("its folder was moved or taken away meanwhile" in t["why"], "why", t)
    check(0 < t["done_bytes"] < 4 * MIB, "long before the end", t)
    os.rename(b.path("elsewhere"), b.path("into"))
    b.run("limit", "--down", "0").expect(h.OK)
    b.run("resume", "f").expect(h.OK)
    wait_state(b, "f", "seeding")
    h.check_same(b.path("into", "f"), src)


@test("recheck of what is not seeded any more looks at it, too")
def _(w):
    _, a, b = two(w)
    src = h.make_file(a.path("f"), 2 * MIB)
    a.share(src, "--as", "alice")
    b.daemon()
    b.run("get", "f", "--no-seed").expect(h.OK)
    wait_state(b, "f", "done")
    b.run("recheck", "f").expect(h.OK)
    wait_state(b, "f", "done")
    with open(b.path("f"), "r+b") as f:
        f.write(b"mine")
    b.run("recheck", "f").expect(h.OK)
    wait_state(b, "f", "failed")


@test("remove --with-data of an older version leaves the newer one at the same place; of that one it takes it")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    folder = h.make_tree(a.path("folder"), {"x": 1000, "y": 2000})
    src = h.make_file(a.path("f"), 1000)
    a.run("share", src, folder, "-d", "--as", "alice").expect(h.OK)
    a.run("pause", "f", "folder").expect(h.OK)  # of what runs the older one would go by itself
    h.make_file(src, 1000, seed=5)
    h.make_file(a.path("folder/y"), 2000, seed=6)
    a.run("share", src, folder, "-d", "--as", "alice").expect(h.OK)
    old, new = ([str(t["id"]) for t in a.transfers() if t["version"] == v] for v in (1, 2))
    a.run("remove", *old, "--with-data").expect(h.OK)
    h.wait_for(lambda: not [f for f in os.listdir(os.path.join(a.home, "jobs")) if f.split(".")[0] in old], 20 * h.SLOW, "it is done")
    check(os.path.exists(src) and sorted(os.listdir(folder)) == ["x", "y"], "nothing is missing")
    check_eq([t["state"] for t in a.transfers()], ["seeding"] * 2, "the newer ones are served")
    a.run("remove", *new, "--with-data").expect(h.OK)
    h.wait_for(lambda: not os.path.exists(src) and not os.path.exists(folder), 20 * h.SLOW, "their data goes")


@test("remove --with-data of an older version leaves what was changed since the newer one was shared from there")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    src = h.make_file(a.path("f"), 1000)
    for seed in (5, 6):
        a.run("share", src, "-d", "--as", "alice").expect(h.OK)
        a.run("pause", "f@1").expect(h.OK)  # else it would go by itself
        h.make_file(src, 1000, seed=seed)
    old, new = (str(t["id"]) for t in sorted(a.transfers(), key=lambda t: t["version"]))
    a.run("remove", old, "--with-data").expect(h.OK)
    h.wait_for(lambda: not [f for f in os.listdir(os.path.join(a.home, "jobs")) if f.split(".")[0] == old], 20 * h.SLOW, "it is done")
    check(os.path.exists(src), "the file is there")
    a.run("remove", new, "--with-data").expect(h.OK)
    h.wait_for(lambda: not os.path.exists(src), 20 * h.SLOW, "it goes with the newer one")


@test("an older version that was changed goes once a newer one is shared from its place; what is whole, or called otherwise, stays")
def _(w):
    index, a, _ = two(w)
    d = a.daemon()
    src = h.make_file(a.path("f"), 1000)
    folder = h.make_tree(a.path("folder"), {"x": 1000})

    def wait_titles(*want):
        h.wait_for(lambda: sorted(t["title"] for t in a.transfers()) == [f"alice/{t}" for t in want], 30 * h.SLOW, f"{want} are there")

    a.run("share", src, folder, "-d", "--as", "alice").expect(h.OK)
    a.run("share", src, "--name", "g", "-d", "--as", "alice").expect(h.OK)
    h.make_file(src, 1000, seed=5)
    h.make_file(a.path("folder/y"), 1000)
    h.wait_for(lambda: a.transfers("f")[0]["why"], 20 * h.SLOW, "it is noticed")
    wait_titles("f@1", "folder@1")
    one = a.start("share", folder, "--as", "alice")
    h.wait_for(lambda: b"serving alice/folder@2" in one.out(), 20 * h.SLOW, "it is shared")
    a.run("share", src, folder, "-d", "--as", "alice").expect(h.OK)
    wait_titles("f@2", "folder@1", "folder@2", "g@1")
    check_eq(state(a, "folder@1"), "seeding", "all of it is there")
    h.make_file(a.path("folder/x"), 1000, seed=5)
    a.run("share", folder, "-d", "--as", "alice").expect(h.OK)
    wait_titles("f@2", "folder@3", "g@1")
    h.wait_for(lambda: b"serving alice/folder@3" in one.out(), 20 * h.SLOW, "who shows the older one shows the newer one then")
    one.stop().expect(h.OK)
    d.stop(signal.SIGTERM).expect(h.OK)
    d = a.daemon()
    h.wait_for(lambda: [t["state"] for t in a.transfers()].count("seeding") >= 2, 20 * h.SLOW, "they are served")
    wait_titles("f@2", "folder@3", "g@1")
    check("alice/f@1" not in d.err().decode(), "that is said once", d.err())


@test("remove --with-data leaves what another transfer has, too: a file by itself, a folder in it or around it; and says so")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    folder = h.make_tree(a.path("folder"), {"x": 1000, "y": 2000, "sub/z": 3000, "sub/deep/t": 10, "other/u": 10})
    a.run("share", folder, a.path("folder/x"), a.path("folder/sub"), "-d", "--as", "alice").expect(h.OK)
    whole, one, sub = (a.transfers(name)[0]["id"] for name in ("folder", "x", "sub"))

    def remove(n, *options):
        done = a.run("remove", str(n), "--with-data", *options).expect(h.OK)
        h.wait_for(lambda: not os.path.exists(os.path.join(a.home, "jobs", f"{n}.job")), 20 * h.SLOW, "it is done")
        return done

    done = remove(whole)
    check(any(f"stays, such as number {n}\n" in done.out for n in (one, sub)), "it says so", done.out)
    check_eq(sorted(map(os.fsdecode, h.tree_sums(folder))), ["sub/deep/t", "sub/z", "x"], "what is left")
    check_eq([t["state"] for t in a.transfers()], ["seeding"] * 2, "they are served")
    h.make_file(a.path("folder/y"), 2000)
    a.run("share", folder, "-d").expect(h.OK)
    whole = max(t["id"] for t in a.transfers())
    for n in (one, sub):
        check_eq(remove(n, "--json").json()["data_kept_by"], whole, "whose it is")
    check_eq(sorted(map(os.fsdecode, h.tree_sums(folder))), ["sub/deep/t", "sub/z", "x", "y"], "the folder is whole")
    check("stays" not in remove(whole).out, "nobody else has it")
    check(not os.path.exists(folder), "and goes with the last of them")


@test("Ctrl-C leaves get and share to the daemon, and says so; get -d does not wait")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), 2 * MIB)
    a.daemon()
    share = a.start("share", src, "--as", "alice")
    index.wait_seeds("f")
    h.wait_for(lambda: b"serving" in share.out(), 20 * h.SLOW, "it serves")
    done = share.stop().expect(h.OK)
    check("the daemon goes on serving" in done.err, "share", done.err)
    check_eq(state(a, "f"), "seeding", "it goes on")
    a.run("pause", "f").expect(h.OK)
    b.daemon()
    get = b.start("get", "f", "--wait", "60", "--progress", "json")
    h.wait_for(lambda: b'"progress"' in get.err(), 20 * h.SLOW, "it is handed over, and looked at")
    done = get.stop().expect(h.INTERRUPTED)
    check("the daemon goes on with it as number 1" in done.err, "get", done.err)
    a.run("resume", "f").expect(h.OK)
    wait_state(b, "f", "seeding", 60)
    h.check_same(b.path("f"), src)
    b.run("remove", "f", "--data").expect(h.OK)
    h.wait_for(lambda: not os.path.exists(b.path("f")), 10 * h.SLOW, "its file is gone")
    b.run("get", "f", "-d").expect(h.OK)
    h.wait_for(lambda: os.path.exists(b.path("f")), 60 * h.SLOW, "it arrives")
    h.check_same(b.path("f"), src)


@test("Ctrl-C at the moment when get hands over says what becomes of it, too")
def _(w):
    index, a, b = two(w)
    a.share(h.make_file(a.path("f"), 1000), "--as", "alice").stop()
    b.daemon()
    for n in range(1, 6):
        get = b.start("get", "f", "--wait", "60")
        h.wait_for(lambda: os.path.exists(os.path.join(b.home, "jobs", f"{n}.job")), 20 * h.SLOW, "it is handed over", every=0.0005)
        done = get.stop().expect(h.INTERRUPTED)
        check(f"the daemon goes on with it as number {n}; " in done.err and "'shoal remove' ends it" in done.err, "what it says", done.err)
        b.run("remove", str(n)).expect(h.OK)


@test("what the daemon refuses once it is published stays listed, which is said")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    os.rmdir(os.path.join(a.home, "jobs"))
    done = a.run("share", h.make_file(a.path("f"), 1000), "--as", "alice").expect(h.NOT_FOUND)
    done.error_line("No such file", "alice/f@1 stays listed; 'shoal unshare alice/f@1' removes it")
    check_eq(len(index.entries()), 1, "entries")
    a.run("unshare", "alice/f@1").expect(h.OK)


@test("get by the daemon fails as by itself: no holder, other content, a folder that is not there")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), 300 * KIB)
    share = a.share(src, "--as", "alice")
    b.daemon()
    h.make_file(b.path("f"), 5000, seed=7)
    b.run("get", "f").expect(h.TAKEN).error_line("is there already, with other content")
    b.run("get", "f", "-o", "no/such/folder/f").expect(h.NOT_FOUND)
    share.stop(signal.SIGTERM)
    b.run("get", "f", "-o", "g", seconds=60).expect(h.NO_HOLDER).error_line("no holder on line")
    check_eq(b.transfers(), [], "what failed is not kept")
    share = a.share(src, "--as", "alice")
    b.run("get", "f", "-o", "g", "--no-seed").expect(h.OK)
    check_eq(b.transfers("f")[0]["state"], "done", "not served")
    b.run("get", "f", "-o", "other").expect(h.TAKEN).error_line("the daemon has it already, as number \\d", "--no-daemon")
    b.run("get", "f", "-o", "other", "--no-daemon").expect(h.OK)
    h.check_same(b.path("other"), src)


@test("pause, resume, recheck, priority, queue, remove; by number, name or hash")
def _(w):
    index, a, _ = two(w)
    srcs = [h.make_file(a.path(f"f{i}"), 200_000, seed=i) for i in range(3)]
    a.daemon("--max-active", "2")
    a.run("share", *srcs, "-d", "--as", "alice").expect(h.OK)
    done = a.run("pause", "1", "f1").expect(h.OK)
    check_eq(done.out, "paused 1: alice/f0@1\npaused 2: alice/f1@1\n", "what it says")
    check_eq([t["state"] for t in a.transfers()], ["paused", "paused", "seeding"], "states")
    h.wait_for(lambda: not index.entries(name="f0", online=1), 20 * h.SLOW, "the index was told")
    a.run("resume", a.transfers("1")[0]["hash_v1"][:8]).expect(h.OK)
    index.wait_seeds("f0")
    check_eq(a.run("priority", "3", "high", "--json").expect(h.OK).json()["priority"], 10, "priority")
    a.run("priority", "3", "tall").expect(h.USAGE)
    check("2 downloads at a time" in a.run("queue").expect(h.OK).out, "queue")
    check_eq(a.run("queue", "9", "--json").expect(h.OK).json()["max_active"], 9, "queue")
    with open(srcs[2], "r+b") as f:
        f.write(b"other")
    a.run("recheck", "f2").expect(h.OK)
    wait_state(a, "f2", "failed")
    check(a.transfers("f2")[0]["why"], "why")
    a.run("pause", "nothing").expect(h.NOT_FOUND).error_line("no such transfer")
    a.run("pause", "f").expect(h.AMBIGUOUS).error_line("number 1, 2, 3")
    a.run("remove", "1", "2", "3").expect(h.OK)
    check_eq(a.transfers(), [], "all are gone")
    check(all(os.path.exists(s) for s in srcs), "their files are not")
    check_eq([n for n in os.listdir(os.path.join(a.home, "jobs")) if n != "totals"], [], "records are gone")


@test("remove --with-data takes no beginnings: the number or name of what is gone is not another's")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    srcs = [h.make_file(a.path(n), 20_000, seed=i) for i, n in enumerate(("tmpfile", "1-photos", "report", "report-2025"))]
    a.run("share", *srcs, "-d", "--as", "alice").expect(h.OK)
    a.run("remove", "1", "--with-data").expect(h.OK)
    a.run("remove", "1", "--with-data").expect(h.NOT_FOUND).error_line("1: no such transfer")
    a.run("remove", "report", "--with-data").expect(h.OK)
    a.run("remove", "report", "--with-data").expect(h.NOT_FOUND).error_line("in full, number 4 is alice/report-2025@1")
    check_eq(a.api("DELETE", "transfers/report?data=1")[0], 404, "by HTTP")
    check_eq([t["title"] for t in a.transfers()], ["alice/1-photos@1", "alice/report-2025@1"], "what is left")
    check_eq([os.path.exists(s) for s in srcs], [False, True, False, True], "files")
    a.run("pause", "1-ph").expect(h.OK)


@test("limits: of all, of one, remembered, as options of the daemon and of get; SIGHUP reads settings again")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), 3 * MIB)
    a.share(src, "--as", "alice")
    d = b.daemon("--limit-lan", "--limit-down", "2M")
    check_eq(b.run("limit").expect(h.OK).out, "all together: down 2.0 MiB/s, up no limit\n", "options")
    check_eq(b.run("limit", "--down", "0", "--up", "100K", "--json").expect(h.OK).json()["limit_up_bps"], 100 * KIB, "all")
    b.run("get", "f", "-d", "--limit-down", "500K").expect(h.OK)
    check_eq(b.transfers("f")[0]["limit_down_bps"], 500 * KIB, "of get")
    begun = time.monotonic()
    wait_state(b, "f", "seeding", 60)
    check(time.monotonic() - begun > 3, "it is slow", time.monotonic() - begun)
    b.run("limit", "f", "--up", "1M").expect(h.OK)
    d.kill()
    with open(os.path.join(b.home, "config"), "w") as f:
        f.write("[daemon]\nmax-active = 7\n")
    d = b.daemon()
    t = b.transfers("f")[0]
    check_eq((t["limit_down_bps"], t["limit_up_bps"]), (500 * KIB, MIB), "remembered")
    check("7 downloads" in b.run("queue").out, "from the file")
    with open(os.path.join(b.home, "config"), "w") as f:
        f.write("[daemon]\nmax-active = 8\nlimit-down = 3M\n")
    d.send(signal.SIGHUP)
    h.wait_for(lambda: "8 downloads" in b.run("queue").out, 10 * h.SLOW, "SIGHUP")
    check("down 3.0 MiB/s" in b.run("limit").out, "SIGHUP")
    with open(os.path.join(b.home, "config"), "w") as f:
        f.write("nonsense\n")
    d.send(signal.SIGHUP)
    h.wait_for(lambda: "not usable" in d.err_text(), 10 * h.SLOW, "it is said")
    check(d.alive(), "it goes on")
    os.unlink(os.path.join(b.home, "config"))


@test("unshare ends what the daemon serves under that name")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    a.run("share", h.make_file(a.path("f"), 20_000), h.make_file(a.path("g"), 20_000, seed=2), "-d",
          "--as", "alice").expect(h.OK)
    a.run("unshare", "f").expect(h.OK)
    check_eq([t["title"] for t in a.transfers()], ["alice/g@1"], "what is left")
    check(os.path.exists(a.path("f")), "the file stays")


@test("what is shared as two names is served until the last of them is unshared; status has both")
def _(w):
    index, a, b = two(w)
    d = a.daemon()
    src = h.make_file(a.path("f"), 20_000)

    def names():
        return [row.split("\t")[1] for row in a.run("status").expect(h.OK).out.splitlines()]

    for name in ("old", "new", "newer"):
        a.run("share", src, "-d", "--as", "alice", "--name", name).expect(h.OK)
    check_eq(names(), ["alice/old@1, alice/new@1, alice/newer@1"], "status")
    check_eq(a.transfers("newer")[0]["also"], ["alice/new@1", "alice/newer@1"], "as JSON")
    a.run("unshare", "old").expect(h.OK)
    check_eq(names(), ["alice/newer@1, alice/new@1"], "status")
    d.kill()
    d = a.daemon()
    a.run("unshare", "newer").expect(h.OK)
    check_eq(names(), ["alice/new@1"], "status")
    b.get("new")
    # From another place it goes on under all of them.
    os.makedirs(a.path("d"))
    os.rename(src, a.path("d/f"))
    a.run("share", a.path("d/f"), "-d", "--as", "alice", "--name", "more").expect(h.OK)
    check_eq(names(), ["alice/more@1, alice/new@1"], "status")
    a.run("unshare", "more").expect(h.OK)
    b.get("new", "-o", "again")
    a.run("unshare", "new").expect(h.OK)
    check_eq(a.transfers(), [], "the last one")


@test("status: a table, one transfer, again and again until Ctrl-C")
def _(w):
    index, a, _ = two(w)
    a.daemon()
    a.run("share", h.make_file(a.path("f"), 200_000), "-d", "--as", "alice").expect(h.OK)
    row = a.run("status").expect(h.OK).out.split("\t")
    check_eq(row[:5], ["1", "alice/f@1", "seeding", "100%", "195.3 KiB"], "row")
    watch = a.start("status", "--watch")
    h.wait_for(lambda: watch.out().count(b"alice/f@1") >= 2, 20 * h.SLOW, "it is shown again")
    watch.stop().expect(h.OK)
    check(b"\n\n1\talice" in watch.out(), "an empty line between", watch.out())
    with open("/dev/full", "wb") as full:
        p = subprocess.Popen(a.args("status", "--watch"), stdout=full, stderr=subprocess.DEVNULL, env=w.env(a.home), cwd=a.dir)
    check_eq(p.wait(20 * h.SLOW), h.NO_SPACE, "it ends when nothing can be shown")
    for term, wipes in (("dumb", False), ("vt100", True)):
        t = Terminal(w, a.args("status", "--watch"), w.env(a.home), a.dir, term=term)
        h.wait_for(lambda: t.text() and t.raw.count("alice/f@1") >= 2, 20 * h.SLOW, "it is shown again")
        check_eq("\x1b" in t.raw, wipes, f"TERM={term} is steered: {t.raw!r}")
        t.send("\x03")
        t.wait_end(h.OK)


# ---- the HTTP door ------------------------------------------------------------------------

@test("API: only by its own names, from its own pages, with the token (O-36)")
def _(w):
    w.index()
    a = w.peer("a")
    a.daemon()
    port = int(api_url(a).rsplit(":", 1)[1])

    def ask(code, path="transfers", method="GET", **kw):
        status, body = a.api(method, path, **kw)
        check_eq(status, code, f"{method} {path} {kw}")
        return body
    ask(200)
    for host in ("evil.example", f"127.0.0.1:{port + 1}", "evil.example:%d" % port, ""):
        check_eq(ask(421, headers={"Host": host})["error"]["code"], "wrong_host", host)
    for host in ("127.0.0.1", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        ask(200, headers={"Host": host})
    check_eq(ask(403, headers={"Origin": "http://evil.example"})["error"]["code"], "forbidden_origin", "origin")
    ask(403, headers={"Origin": "null"})
    ask(403, headers={"Sec-Fetch-Site": "cross-site"})
    ask(403, headers={"Sec-Fetch-Site": "same-site"})
    ask(200, headers={"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"})
    check_eq(ask(401, token=False)["error"]["code"], "token_needed", "no token")
    ask(401, headers={"Authorization": "Bearer " + "0" * 64})
    ask(401, path="no/such", token=False)
    ask(404, path="no/such")
    check_eq(ask(405, method="DELETE")["error"]["message"], "only GET, HEAD, POST here", "as Allow says it")
    ask(415, method="POST", body={}, headers={"Content-Type": "text/plain"})
    ask(421, token=False, headers={"Host": "evil.example", "Origin": "http://evil.example"})
    # Nothing but loopback.
    d = [p for p in w.procs if p.name.endswith("daemon")][0]
    check(port in d.listening(), "it listens")
    with open("/proc/net/tcp") as f:
        mine = [x.split()[1] for x in f if f":{port:04X} 00000000:0000 0A" in x]
    check_eq(mine, [f"0100007F:{port:04X}"], "on loopback alone")
    for raw in (b"GET /announce?info_hash=" + b"a" * 20 + b" HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
        check(b" 421 " in h.raw_http(port, raw, host="127.0.0.1").split(b"\r\n")[0], "without a Host")


def request_of(a, path, **more):
    with open(a.path("f.torrent"), "rb") as f:
        return {"torrent": base64.b64encode(f.read()).decode(), "path": path, **more}


@test("API: add, list, look, change, recheck, remove; what is malformed is refused by name")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), 500_000)
    a.run("create", src, "-o", a.path("f.torrent"), "--tracker", index.announce).expect(h.OK)
    a.daemon()
    status, t = a.api("POST", "transfers", request_of(a, src, seed=True, title="mine/f@1", priority=3))
    check_eq((status, t["id"], t["title"], t["priority"]), (201, 1, "mine/f@1", 3), "added")
    check_eq(a.api("POST", "transfers", request_of(a, src))[0], 409, "twice")
    wait_state(a, "1", "seeding")
    check_eq(a.api("GET", "transfers/mine%2Ff@1")[1]["transfer"]["id"], 1, "by title")
    check_eq(len(a.api("GET", "transfers")[1]["transfers"]), 1, "list")
    got = a.api("GET", "transfers?limit=1&sort=name&state=seeding,paused")[1]
    check_eq((len(got["transfers"]), got["total"], got["offset"], got["next"]), (1, 1, 0, None), "a page")
    check_eq(a.api("GET", "transfers?state=paused")[1]["total"], 0, "of another state")
    check_eq(a.api("GET", "transfers?offset=7")[1]["transfers"], [], "behind the end")
    for bad in ("limit=0", "limit=501", "limit=x", "limit=", "offset=-1", "sort=size", "sort=", "state=idle", "state=" + "a" * 300):
        status, got = a.api("GET", "transfers?" + bad)
        check(status == 400 and bad.split("=")[0] in got["error"]["message"], bad, status, got)
    check_eq(a.api("GET", "transfers/1/peers")[1], {"peers": []}, "peers")
    t = a.api("PATCH", "transfers/1", {"limit_down_bps": 1000, "priority": -4, "paused": True})[1]["transfer"]
    check_eq((t["limit_down_bps"], t["limit_up_bps"], t["priority"], t["state"]), (1000, 0, -4, "paused"), "changed")
    check_eq(a.api("PATCH", "transfers/1", {"title": "mine/g@2"})[1]["transfer"]["title"], "mine/g@2", "title")
    check_eq(a.api("PATCH", "transfers/1", {"title": "x" * 1025})[0], 400, "a title too long")
    check_eq(a.api("POST", "transfers/1/resume", {})[1]["transfer"]["state"], "queued", "resumed")
    check_eq(a.api("POST", "transfers/1/recheck", {})[0], 200, "recheck")
    wait_state(a, "1", "seeding")
    check_eq(a.api("PUT", "status", {"max_active": 3})[1]["max_active"], 3, "status")
    for body, member in ((request_of(a, "f"), "path"), (request_of(a, src, seed=1), "seed"),
                         (request_of(a, src, trackers="x"), "trackers"), (request_of(a, src, title=["x"]), "title"),
                         (request_of(a, src, title=""), "title"), (request_of(a, src, title="a\nb"), "title"),
                         (request_of(a, src, stamp="00"), "stamp"), (request_of(a, src, peers=["nowhere"]), "peers"),
                         (request_of(a, src, peers="1.2.3.4:5"), "peers"), (request_of(a, src, donors="x"), "donors"),
                         ({"path": src}, "torrent"), ({"torrent": "!!", "path": src}, "torrent"),
                         (request_of(a, src, priority=1 << 40), "priority")):
        status, got = a.api("POST", "transfers", body)
        check(status == 400 and member in got["error"]["message"], f"without {member}", status, got)
    status, got = a.api("POST", "transfers", {"torrent": base64.b64encode(b"de").decode(), "path": src})
    check_eq((status, got["error"]["code"]), (422, "bad_torrent"), "no torrent")
    for raw in (b"", b"[1]", b'{"a":1,"a":2}', b"{" * 5000, b"\xff"):
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " +
                   open(os.path.join(a.home, "api-token")).read().strip()}
        check_eq(h.http(api_url(a) + "/api/v1/transfers", "POST", raw, headers)[0], 400, repr(raw[:10]))
    before = a.api("GET", "transfers/1")[1]["transfer"]
    for part, member in (({"paused": 1}, "paused"), ({"paused": "x"}, "paused"), ({"title": ""}, "title"), ({"title": 5}, "title"),
                         ({"title": "a\nb"}, "title"), ({"title": "x" * 1025}, "title"), ({"want": "low"}, "files"),
                         ({"files": "*", "want": "low"}, "files"), ({"files": ["*"]}, "want"), ({"limit_up_bps": -1}, "limit_up_bps"),
                         ({"priority": 1 << 40}, "priority")):
        status, got = a.api("PATCH", "transfers/1", {"limit_down_bps": 5, "priority": 7, "paused": True, **part})
        check(status == 400 and f'"{member}"' in got["error"]["message"], f"refused for {member}", part, status, got)
    after = a.api("GET", "transfers/1")[1]["transfer"]
    check_eq([after[k] for k in ("limit_down_bps", "priority", "state", "title")],
             [before[k] for k in ("limit_down_bps", "priority", "state", "title")], "nothing of what is refused was done")
    for method, path, body, member in (("POST", "transfers", request_of(a, src, down_bps=5), "down_bps"),
                                       ("POST", "transfers", request_of(a, src, follow={"evry_s": 5}), "evry_s"),
                                       ("POST", "transfers", request_of(a, src, watch={"path": src, "privat": True}), "privat"),
                                       ("POST", "transfers", request_of(a, src, donors=[{"file": 0, "path": "x"}]), "path"),
                                       ("PATCH", "transfers/1", {"priority": 9, "down_bps": 5}, "down_bps"),
                                       ("PATCH", "transfers/1", {"priority": 9, "\x1b[2J": None}, "\\x1b[2J"),
                                       ("PUT", "status", {"max_active": 9, "up_bps": 5}, "up_bps"),
                                       ("POST", "transfers/1/pause", {"reason": "x"}, "reason")):
        status, got = a.api(method, path, body)
        check(status == 400 and got["error"]["code"] == "bad_request" and f'unknown member "{member}"' in got["error"]["message"],
              f"{member} is unknown", status, got)
    check_eq(a.api("GET", "transfers/1")[1]["transfer"], after, "nothing was done")
    check_eq(a.api("GET", "status")[1]["max_active"], 3, "nor of all together")
    status = a.api("PUT", "status", {"limit_down_bps": 0, "limit_up_bps": 5 * MIB})[1]
    check_eq((status["limit_down_bps"], status["limit_up_bps"]), (0, 5 * MIB), "limits are called what they are shown as")
    check_eq(a.api("GET", "transfers/2")[0], 404, "none such")
    check_eq(a.api("GET", "transfers/1/fly")[0], 404, "no such word")
    for method, path, allow in (("POST", "1", "GET, HEAD, PATCH, DELETE"), ("GET", "1/pause", "POST"), ("PATCH", "1/recheck", "POST"),
                                ("POST", "1/files", "GET, HEAD"), ("DELETE", "1/peers", "GET, HEAD")):
        status, got = a.api(method, "transfers/" + path, {})
        check_eq((status, got["error"]["message"]), (405, f"only {allow} here"), f"{method} {path}")
    for bad in ("yes", "true", "2", "", "1" * 300):
        status, said = a.api("DELETE", f"transfers/1?data={bad}")
        check_eq((status, '"data"' in said["error"]["message"]), (400, True), f"data={bad}")
    check_eq(a.api("DELETE", "transfers/1?data=1")[1]["removed"]["id"], 1, "removed")
    h.wait_for(lambda: not os.path.exists(src), 10 * h.SLOW, "its file is gone")


class Events:
    """Server-sent events, as they come."""

    def __init__(self, peer):
        with open(os.path.join(peer.home, "api-token")) as f:
            token = f.read().strip()
        port = int(api_url(peer).rsplit(":", 1)[1])
        self.s = socket.create_connection(("127.0.0.1", port))
        peer.world.closers.append(self.s.close)
        self.s.sendall(f"GET /api/v1/events?token={token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self.s.setblocking(False)
        self.text = b""

    def seen(self):
        try:
            while chunk := self.s.recv(65536):
                self.text += chunk
        except BlockingIOError:
            pass
        out = []
        for block in self.text.split(b"\n\n"):
            lines = dict(x.split(b": ", 1) for x in block.split(b"\n") if b": " in x and x[:1] in b"ed")
            if b"event" in lines:
                out.append((lines[b"event"].decode(), json.loads(lines[b"data"])))
        return out

    def wait(self, name, seconds=30):
        def there():
            return next((d for n, d in self.seen() if n == name), None)
        return h.wait_for(there, seconds * h.SLOW, f"the event {name}")


@test("API: what happens to transfers is told as server-sent events")
def _(w):
    index, a, b = two(w)
    src = h.make_file(a.path("f"), MIB)
    a.share(src, "--as", "alice")
    b.daemon()
    events = Events(b)
    h.wait_for(lambda: events.seen() == [] and b"200 OK" in events.text, 10 * h.SLOW, "the stream is open")
    b.run("get", "f").expect(h.OK)
    check_eq(events.wait("added")["title"], "alice/f@1", "added")
    check_eq(events.wait("complete")["complete"], True, "complete")
    events.wait("state")
    b.run("remove", "f").expect(h.OK)
    check_eq(events.wait("removed")["id"], 1, "removed")


# ---- what is kept -----------------------------------------------------------------------------

@test("killed at any system call that touches files while one is added: there whole, or not at all (O-41)", seconds=240)
def _(w):
    strace = h.need("strace")
    if h.SANITIZED:
        raise h.Skip("strace and ASan do not go together")
    index, a, _ = two(w)
    srcs = [h.make_file(a.path(f"f{i}"), 50_000, seed=i) for i in range(2)]
    a.daemon()
    a.run("share", srcs[0], "-d", "--as", "alice").expect(h.OK)
    [p for p in w.procs if p.name.endswith("daemon")][0].stop(signal.SIGTERM)
    keep = a.home + "-keep"
    shutil.copytree(a.home, keep, symlinks=True)
    a.run("create", srcs[1], "-o", a.path("f.torrent"), "--tracker", index.announce).expect(h.OK)
    calls, kills = ("openat2", "write", "fsync", "renameat", "renameat2"), 0
    for call in calls:
        for n in range(1, 12):
            shutil.rmtree(a.home)
            shutil.copytree(keep, a.home, symlinks=True)
            d = a.daemon()
            tracer = w.start(strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={n}",
                             "-p", str(d.pid), name="strace")
            h.wait_for(lambda: not d.alive() or b"TracerPid:\t0" not in open(f"/proc/{d.pid}/status", "rb").read(), 60,
                       "it is traced, or was killed while it recorded totals")
            d.killed = True
            try:
                a.api("POST", "transfers", request_of(a, srcs[1], seed=True))
            except (OSError, ValueError):
                pass
            try:
                d.p.wait(0.5)
                dead = True
            except subprocess.TimeoutExpired:
                dead = False
            d.kill()
            tracer.p.wait(10)
            again = a.daemon()
            names = [t["name"] for t in a.transfers()]
            check(names in (["f0"], ["f0", "f1"]), f"{call} {n}", names)
            if len(names) == 2:
                wait_state(a, "2", "seeding")
            wait_state(a, "1", "seeding")
            check("damaged" not in again.err_text(), f"{call} {n}", again.err_text())
            kills += dead
            again.stop(signal.SIGTERM)
            if not dead:
                break
    check(kills >= 5, f"it was killed {kills} times")


@test("a damaged record costs that transfer alone, and is said")
def _(w):
    index, a, _ = two(w)
    srcs = [h.make_file(a.path(f"f{i}"), 50_000, seed=i) for i in range(3)]
    d = a.daemon()
    a.run("share", *srcs, "-d", "--as", "alice").expect(h.OK)
    d.kill()
    record = os.path.join(a.home, "jobs", "2.job")
    with open(record, "r+b") as f:
        f.seek(60)
        byte = f.read(1)
        f.seek(60)
        f.write(bytes([byte[0] ^ 1]))
    d = a.daemon()
    check_eq([t["name"] for t in a.transfers()], ["f0", "f2"], "the others")
    check("number 2 is left out" in d.err_text(), "it is said", d.err_text())
    check(os.path.exists(record), "it is left to look at")


if __name__ == "__main__":
    raise SystemExit(h.main())
