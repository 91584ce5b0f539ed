#!/usr/bin/python3
"""O-46, O-47: allocations that fail, and little memory for large torrents.

SHOAL_ALLOCS=1 fails each allocation there is, once and from then on; a few of each scenario when not given."""

import base64
import http.client
import mmap
import os
import random
import resource
import socket
import time
import urllib.parse

import harness as h
import starve
import wire
from harness import GIB, KIB, MIB, SANITIZED, SLOW, check, check_eq, test

CAP = {resource.RLIMIT_DATA: 64 * MIB}


def need_plain():
    if SANITIZED:
        raise h.Skip("a sanitizer's own memory is beyond any such limit")


def sparse(path, n):
    """A file of n zeros that takes no room on disk."""
    with open(path, "wb") as f:
        f.truncate(n)
    return path


def greedy(t, port, n):
    """Connections that ask for much and read nothing."""
    out = [wire.Conn.dial(port, source=h.other(100 + i)) for i in range(n)]
    for c in out:
        c.greet(t.hash)
        c.send((wire.msg(wire.HAVE_NONE) if c.their_reserved[7] & 4 else b"") + wire.msg(wire.INTERESTED) +
               b"".join(wire.msg(wire.REQUEST, p, 0, wire.BLOCK) for p in range(100)))
    return out


@test("O-47: with 64 MiB of memory 1 GiB is shared and fetched, with 50 peers on either side", seconds=150)
def _(w):
    need_plain()
    w.index()
    a, b, g = w.peer("a"), w.peer("b"), w.peer("g")
    src = sparse(a.path("f"), GIB)
    share = a.start("share", src, "--name", "f", "--as", "a", limits=CAP)
    h.wait_for(lambda: b"serving" in share.out() or not share.alive(), 60, "it serves")
    check(share.alive(), "shared within 64 MiB", share.err())
    t = wire.Torrent(w.indexes[0].torrent("f"))
    with open(src, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    # Fewer than it dials: with twenty it would not call the one that is fast.
    slow = [wire.SlowSeed(t, 100 * KIB, data=data, host=h.other(n)) for n in range(15)]
    get = g.start("get", "f", "--json", *(a for s in slow for a in ("--peer", s.addr)), limits=CAP)
    idle = greedy(t, get.port(), 35)
    done = get.wait(120).expect(h.OK).json()
    check(all(s.sent for s in slow), "the slow ones had a part in it", [s.sent for s in slow])
    check_eq(os.path.getsize(g.path("f")), GIB, "length")
    idle += greedy(t, share.port(), 50)
    check(b.run("info", "f").code == h.OK and share.alive(), "who shares lives", share.err())
    print(f"# {done['seconds']:.1f} s")
    for s in slow:
        s.stop()
    for c in idle:
        c.close()


@test("O-47: with 64 MiB of memory a folder of 10,000 files is shared, listed, fetched and served on", seconds=120)
def _(w):
    need_plain()
    index = w.index(limits=CAP)
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_tree(a.path("d"), {f"s{i % 50}/f{i}": 100 + i % 1000 for i in range(10_000)})
    share = a.start("share", src, "--name", "d", "--as", "a", limits=CAP)
    index.wait_seeds("d", seconds=60)
    get = b.start("get", "d", "--seed", limits=CAP)
    index.wait_seeds("d", 2, seconds=60)
    share.stop().expect(h.OK)
    c.start("get", "d", limits=CAP).wait(60).expect(h.OK)
    h.check_same(c.path("d"), src)
    check(get.alive() and index.proc.alive(), "all live")


@test("O-47: with less than it needs each command says that memory is out, in one line, or does its work", seconds=90)
def _(w):
    need_plain()
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {f"s{i % 20}/f{i}": 100 + i % 1000 for i in range(3000)})
    a.share(src)
    codes = []
    for verb, args in (("get", ("d",)), ("share", (src, "--name", "e", "--as", "b")), ("ls", ()), ("info", ("d",)), ("create", (src, "-o"))):
        for mib in (2, 3, 6, 32, 64):
            out = (f"{mib}.torrent",) if verb == "create" else ()
            p = b.start(verb, *args, *out, limits={resource.RLIMIT_DATA: mib * MIB})
            h.wait_for(lambda: not p.alive() or b"serving" in p.out() or b"paused" in p.err(), 60,
                       f"{verb} with {mib} MiB ends, serves or waits")
            if p.alive():
                waits = b"serving" not in p.out()
                check(not waits or b"out of memory" in p.err(), "what it waits for", p.err())
                code = p.stop().code
                check(code == (h.INTERRUPTED if waits else h.OK) or b"verified" in p.out(),
                      "it ends so, or memory came back and it was done first", code, p.err())
                codes.append(h.OK)
                continue
            codes.append(p.p.returncode)
            check(p.p.returncode in (h.OK, h.FAILED), f"exit of {verb} with {mib} MiB", p.p.returncode, p.err())
            if p.p.returncode == h.FAILED:
                p.wait(1).error_line("memory|thread")
    check(h.FAILED in codes and h.OK in codes, "some had enough and some had not", codes)
    h.check_same(b.path("d"), src)
    check(index.proc.alive(), "the index lives")


# ---- allocations that fail -----------------------------------------------------------------


def chosen(total, seed, most):
    """(n, for ever) of the allocations to fail."""
    every = [(n, forever) for forever in (False, True) for n in range(1, total + 1)]
    return every if "SHOAL_ALLOCS" in os.environ else random.Random(seed).sample(every, min(most, len(every)))


def works(op):
    try:
        return op()
    except (OSError, ValueError, TimeoutError, http.client.HTTPException, wire.Gone, h.Failed):
        return False


def starve_running(al, proc, what, op, most=4):
    """`op` is tried while an allocation of proc fails: it may do without an answer; afterwards it gets one."""
    h.wait_for(lambda: works(op), 20 * SLOW, f"{what} is answered")
    al.fail(0)
    check(works(op), f"{what} is answered")
    total = max(al.asked, 1)
    for n, forever in chosen(total, what, most):
        al.fail(n, forever)
        works(op)
        al.fail(0)
        check(proc.alive(), f"{what}, allocation {n} of {total}{' and on' if forever else ''}: it died", proc.p.returncode, proc.err()[-500:])
        h.wait_for(lambda: works(op), 30 * SLOW, f"{what} is answered again after allocation {n}{' and on' if forever else ''} of {total}")
    print(f"# {what}: {total} allocations")


@test("O-46: whichever allocation of a download fails, once or for ever: no crash, a word, and a new start completes it", seconds=5000)
def _(w):
    al = starve.Allocations(w, "allocations")
    a, g = w.peer("a"), w.peer("g", "http://127.0.0.1:1")
    src, torrent = h.make_file(a.path("f"), 400 * KIB), a.path("f.torrent")
    a.run("create", src, "-o", torrent, "--piece-length", "64K").expect(h.OK)
    seed = a.start("get", torrent, "--seed")

    def get(env, patience="60"):
        return g.start("get", torrent, "--wait", patience, "--peer", f"{h.HOST}:{seed.port()}", env=env)
    al.fail(0)
    get(al.env).wait(60 * SLOW).expect(h.OK)
    total, ends = al.asked, {}
    os.unlink(g.path("f"))
    for n, forever in chosen(total, "download", 8):
        what = f"allocation {n} of {total}{' and on' if forever else ''}"
        al.fail(n, forever)
        p = get(al.env, "3")
        p.quiet = True
        h.wait_for(lambda: not p.alive() or (forever and (b"paused: out of memory" in p.err() or time.monotonic() > p.started + 4)),
                   60 * SLOW, f"{what}: an end, or a word")
        # Who dials again and again, or waits for the disk, goes on when there is memory.
        al.fail(0)
        h.wait_for(lambda: not p.alive(), 60 * SLOW, f"{what}: an end once there is memory")
        check(p.p.returncode >= 0, f"{what}: ended by a signal", p.p.returncode, p.err())
        # Who could not dial for want of memory has no holder; it would try again.
        check(p.p.returncode in (h.OK, h.FAILED, h.NO_HOLDER), f"{what}: exit", p.p.returncode, p.err())
        check(p.p.returncode == h.OK or p.err().strip(), f"{what}: a word")
        ends[p.p.returncode] = ends.get(p.p.returncode, 0) + 1
        if not os.path.exists(g.path("f")):
            get({}).wait(60 * SLOW).expect(h.OK)
        h.check_same(g.path("f"), src)
        for name in os.listdir(g.dir):
            os.unlink(g.path(name))
    print(f"# {total} allocations, exits {ends}")


@test("O-46: whichever allocation of a seed fails, it serves the next one who asks", seconds=3000)
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    src, torrent = h.make_file(a.path("f"), 400 * KIB), a.path("f.torrent")
    a.run("create", src, "-o", torrent, "--piece-length", "64K").expect(h.OK)
    t, al = wire.Torrent.load(torrent, src), starve.Allocations(w, "allocations")
    seed = a.start("get", torrent, "--seed", env={**al.env, "SHOAL_NO_DHT": ""})
    port, data = seed.port(), open(src, "rb").read()

    def handshake():
        c = wire.Conn.dial(port, timeout=2)
        try:
            c.greet(t.hash, seconds=2)
            return True
        finally:
            c.close()

    def piece():
        c = wire.Conn.dial(port, timeout=2)
        try:
            c.leech(t.hash, seconds=2)
            return c.fetch(1, 0, wire.BLOCK, seconds=2) == data[64 * KIB:64 * KIB + wire.BLOCK]
        finally:
            c.close()

    def dht():
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect((h.HOST, port))
            s.send(wire.bencode({"a": {"id": os.urandom(20), "info_hash": t.hash}, "q": "get_peers", "t": "aa", "y": "q"}))
            return wire.bdecode(s.recv(2000))[b"y"] == b"r"
    for what, op in (("a handshake", handshake), ("a piece", piece), ("a DHT query", dht)):
        starve_running(al, seed, what, op)


@test("O-46: whichever allocation of an index or a daemon fails, it answers the next request", seconds=5000)
def _(w):
    al = starve.Allocations(w, "allocations")
    index = w.index(env=al.env)
    a, b = w.peer("a"), w.peer("b")
    signer, count = wire.Signer(), iter(range(10 ** 6))
    w.closers.append(signer.close)
    a.share(h.make_file(a.path("f"), 100_000))

    def announce():
        q = {"info_hash": os.urandom(20), "peer_id": wire.new_peer_id(), "port": 7000, "left": 1, "uploaded": 0, "downloaded": 0}
        return b"interval" in h.http(index.announce + "?" + urllib.parse.urlencode(q), timeout=2)[1]

    def publish():
        name = f"n{next(count)}"
        raw = wire.bencode({"info": {"name": name, "piece length": 16384, "length": 1, "pieces": os.urandom(20)}})
        return h.http(index.url + "/api/v1/entries", "POST", wire.publish_body(signer, "dora", name, raw),
                      {"Content-Type": "application/json"}, timeout=2)[0] == 201
    for what, op in (("an announce", announce), ("publishing", publish),
                     ("a search", lambda: b'"f"' in h.http(index.url + "/api/v1/entries?q=f", timeout=2)[1]),
                     ("the page", lambda: h.http(index.url + "/", timeout=2)[0] == 200)):
        starve_running(al, index.proc, what, op)
    al = starve.Allocations(w, "daemon-allocations")
    d = b.daemon(env=al.env)
    b.run("get", "f").expect(h.OK)
    with open(os.path.join(b.home, "run", "api")) as f:
        url = f.read().strip()
    src = h.make_file(b.path("s"), 50_000)
    b.run("create", src, "-o", b.path("s.torrent")).expect(h.OK)
    with open(b.path("s.torrent"), "rb") as f:
        text = base64.b64encode(f.read()).decode()

    def add_and_remove():
        b.api("POST", "transfers", {"torrent": text, "path": src, "seed": True})
        # It may have been there already, from a try whose answer was lost.
        ids = [t["id"] for t in b.api("GET", "transfers")[1].get("transfers", []) if t["name"] == "s"]
        return bool(ids) and b.api("DELETE", f"transfers/{ids[0]}")[0] in (200, 204)
    for what, op in (("a list of transfers", lambda: b.api("GET", "transfers")[0] == 200), ("a transfer that is added and removed", add_and_remove),
                     ("the gateway", lambda: len(h.http(url + "/n/a/f", timeout=2)[1]) == 100_000)):
        starve_running(al, d, what, op)


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
