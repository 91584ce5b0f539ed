#!/usr/bin/python3
"""The UDP tracker of `shoal index` as a client of BEP 15 sees it."""

import socket
import struct
import sys
import time

import harness as h
from boxes import forward, two_boxes
from harness import HOST, check, check_eq, test
from udp_client import ANNOUNCE, ERROR, HASH, MAGIC, SCRAPE, Client


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@test("two peers announce over UDP, see one another, and leave; scrape and the API count them")
def _(w):
    index = w.index()
    with Client(index.port) as c:
        c.connect()
        check_eq(c.announce(left=0), {"interval": 1800, "leechers": 0, "seeders": 1, "peers": []}, "the first")
        got = c.announce(port=7001, left=5, peer_id=b"-XX0001-bbbbbbbbbbbb")
        check_eq(got, {"interval": 1800, "leechers": 1, "seeders": 1, "peers": [(HOST, 7000)]}, "the second")
        check_eq(c.scrape(HASH, b"x" * 20), [(1, 0, 1), (0, 0, 0)], "scrape")
        check_eq(c.announce(port=7001, left=0, event=1, peer_id=b"-XX0001-bbbbbbbbbbbb")["peers"], [], "a seed is told of no seeds")
        check_eq(c.scrape(HASH), [(2, 1, 0)], "scrape")
        c.announce(event=3)
        check_eq(c.scrape(HASH), [(1, 1, 0)], "after one left")
    status = index.api("status")
    check_eq((status["peers"], status["swarms"], status["announces"], status["scrapes"]), (1, 1, 4, 3), "status")
    check(status["udp"]["connects"] >= 1 and status["udp"]["announces"] == 4, "udp", status)


@test("get finds who has it by nothing but a tracker over UDP; one before it that is gone costs little; both say goodbye")
def _(w):
    index = w.index()
    a, b = w.peer("a", "http://127.0.0.1:1"), w.peer("b", "http://127.0.0.1:1")
    src, torrent = h.make_file(a.path("f"), 3 * h.MIB), w.path("f.torrent")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        a.run("create", src, "-o", torrent, "--tracker", f"udp://{HOST}:{gone.getsockname()[1]}/announce",
              "--tracker", f"udp://localhost:{index.port}/announce").expect(h.OK)
    seed = a.start("get", torrent, "-o", a.dir + "/", "--seed")
    h.wait_for(lambda: index.api("status")["udp"]["announces"] >= 2, 30 * h.SLOW, "the seed is announced, by both hashes")
    begun = time.monotonic()
    b.run("get", torrent, "-o", b.path("got") + "/", "--wait", "30").expect(h.OK)
    check(time.monotonic() - begun < 12 * h.SLOW, "it took", time.monotonic() - begun)
    h.check_same(b.path("got", "f"), src)
    check_eq(index.api("status")["peers"], 2, "the getter has said goodbye")
    seed.stop()
    h.wait_for(lambda: index.api("status")["peers"] == 0, 10 * h.SLOW, "the seed says goodbye, too")
    check_eq(index.api("status")["announces"], index.api("status")["udp"]["announces"], "all came over UDP")


@test("to a tracker no route leads, here or by the word of a router: that is known at once, and said")
def _(w):
    a, b = two_boxes(w)
    a.ip("route", "add", "default", "via", "10.79.0.2")
    b.ip("route", "add", "unreachable", "20.66.0.0/24")
    forward(b)
    src, torrent = h.make_file(w.path("f"), h.MIB), w.path("f.torrent")
    a.run("create", src, "-o", torrent, "--tracker", "udp://20.66.0.1:80/announce").expect(h.OK)
    for box in (a, b):
        # Twice sent without an answer it would be silent for longer.
        done = box.run("get", torrent, "-o", box.peer.path("got"), "--no-lsd", "--wait", "2").expect(h.NO_HOLDER)
        check("no route to host" in done.err, "what is said", done.err)


@test("a tracker that takes the connection and says nothing, before one that lives, costs two seconds")
def _(w):
    index = w.index()
    a, b = w.peer("a", "http://127.0.0.1:1"), w.peer("b", "http://127.0.0.1:1")
    src, torrent = h.make_file(a.path("f"), h.MIB), w.path("f.torrent")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as mute:
        mute.bind((HOST, 0))
        mute.listen(16)
        a.run("create", src, "-o", torrent, "--tracker", f"http://{HOST}:{mute.getsockname()[1]}/announce",
              "--tracker", f"http://localhost:{index.port}/announce").expect(h.OK)
        seed = a.start("get", torrent, "-o", a.dir + "/", "--seed")
        h.wait_for(lambda: index.api("status")["peers"] == 2, 10 * h.SLOW, "the seed is known, by both hashes")
        # Without --wait: it would give up after six seconds in which it knows of nobody.
        done = b.run("get", torrent, "-o", b.path("got") + "/").expect(h.OK)
        check(done.seconds < 6 * h.SLOW, "it took", done.seconds)
        h.check_same(b.path("got", "f"), src)
        seed.stop().expect(h.OK)


@test("a peer that came over HTTP and one that came over UDP see one another, with one thread and with three")
def _(w):
    for threads in ("1", "3"):
        index = w.index(args=["--udp-threads", threads])
        for n in range(6):  # info-hashes of every shard
            hash_ = bytes([0, 0, 0, n]) + b"z" * 16
            quoted = "".join(f"%{b:02x}" for b in hash_)
            status, body = h.http(f"{index.announce}?info_hash={quoted}&peer_id=-XX0001-cccccccccccc&port=7100&left=5")
            check_eq(status, 200)
            with Client(index.port) as c:
                check_eq(c.connect().announce(hash_, port=7200, left=5)["peers"], [(HOST, 7100)], "over UDP")
            body = h.http(f"{index.announce}?info_hash={quoted}&peer_id=-XX0001-cccccccccccc&port=7100&left=5")[1]
            check(socket.inet_aton(HOST) + struct.pack(">H", 7200) in body, "over HTTP", body)
        check_eq(len(index.api("peers")["peers"]), 2, "peers of all shards")
        with Client(index.port) as c:
            rows = c.connect().scrape(*(bytes([0, 0, 0, n]) + b"z" * 16 for n in range(6)))
            check_eq(rows, [(0, 0, 2)] * 6, "one scrape over all shards")
        index.proc.stop().expect(h.OK)


@test("IPv6 peers announce over IPv6 and are told in its form; IPv4 and IPv6 reach one index")
def _(w):
    if not has_ipv6():
        raise h.Skip("no IPv6 here")
    index = w.index()
    index.proc.stop()
    port = h.free_port()
    p = w.start(h.BIN, "index", "--listen", f":{port}", "--data", w.path("both"), env=w.env(w.path("home-both")), name="both")
    h.wait_for(lambda: b"udp://" in p.out(), 10 * h.SLOW, "the index is up")
    with Client(port, "::1") as a, Client(port, "::1") as b, Client(port, "127.0.0.1") as c:
        a.connect().announce(port=7000, left=1)
        got = b.connect().announce(port=7001, left=1, peer_id=b"-XX0001-bbbbbbbbbbbb")
        check_eq(got["peers"], [("::1", 7000)], "over IPv6")
        got = c.connect().announce(port=7002, left=1, peer_id=b"-XX0001-cccccccccccc")
        check_eq((got["leechers"], got["peers"]), (3, []), "over IPv4")
        check_eq(a.announce(port=7000, left=1)["peers"], [("::1", 7001)], "the first again")


@test("on every address, an answer leaves from the address that was asked")
def _(w):
    port = h.free_port()
    p = w.start(h.BIN, "index", "--listen", f":{port}", "--data", w.path("d"), env=w.env(w.path("home-d")), name="wild")
    h.wait_for(lambda: b"udp://" in p.out(), 10 * h.SLOW, "the index is up")
    for host in ("127.0.0.1", "127.0.0.5", "127.9.8.7"):
        with Client(port, host) as c:  # a connected socket hears nobody else
            check(c.connect().announce() is not None, f"asked at {host}")


@test("O-23, O-25: wrong connection ids are not answered, and a new connect mends it after a restart")
def _(w):
    index = w.index()
    with Client(index.port) as c, Client(index.port, own=h.other(1)) as d:
        c.connect()
        check(c.announce() is not None, "a good id")
        for wrong in (0, 1, MAGIC, c.id ^ 1, c.id ^ 1 << 63, 2 ** 64 - 1):
            check_eq(c.announce(id_=wrong, seconds=0.3), None, f"id {wrong:x}")
        check_eq(d.announce(id_=c.id, seconds=0.3), None, "the id of another address")
        before = c.id
        index.proc.kill()
        index.start()
        check_eq(c.announce(seconds=0.3), None, "an id from before the restart")
        check(c.connect().announce() is not None and c.id != before, "a new one")
    check(index.api("status")["udp"]["ignored"] >= 1, "they are counted")


@test("O-24: refusals say why; BEP 41 options are read, and refused when they go past the end")
def _(w):
    index = w.index()
    with Client(index.port) as c:
        c.connect()
        check_eq(c.announce(port=0), (ERROR, b"port is 0"), "port 0")
        check_eq(c.announce(options=b"\x02\x09/announce\x01\x7f\x02ab\0tail")["seeders"], 1, "options")
        check_eq(c.announce(options=b"\x02\x09/an"), (ERROR, b"an option goes past the end"), "a bad option")
        check_eq(c.ask(ANNOUNCE, b"x" * 81)[0], ERROR, "97 bytes")
        check_eq(c.ask(SCRAPE)[0], ERROR, "no hash")
        check_eq(c.ask(SCRAPE, HASH * 75)[0], ERROR, "75 hashes")
        check_eq(c.scrape(*[HASH] * 74), [(1, 0, 0)] * 74, "74 hashes")


@test("numwant is honoured, 50 when negative and 200 at most, in answers of at most 1232 bytes")
def _(w):
    index = w.index()
    with Client(index.port) as c:
        c.connect()
        for port in range(2000, 2300):
            c.announce(port=port, left=1, numwant=0, peer_id=b"-XX0001-%012d" % port)
        for want, told in ((0, 0), (7, 7), (-1, 50), (200, 200), (2 ** 31 - 1, 200)):
            got = c.announce(port=9999, left=1, numwant=want)
            check_eq(len(set(got["peers"])), told, f"numwant {want}")
            check_eq(len(got["peers"]), told, "no peer twice")


FLOOD = """
import random, socket, struct, sys
host, port, own, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
r = random.Random(seed)
junk = [r.randbytes(n) for n in (0, 15, 16, 98, 98, 116, 1400)] + [
    struct.pack(">QII", seed, 1, 7) + b"j" * 82, struct.pack(">QII", 0x41727101980, 0, seed)]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((own, 0))
    s.connect((host, port))
    while True:
        for j in junk:
            try:
                s.send(j)
            except OSError:
                pass
"""


@test("O-26: under a flood of junk 99 of 100 clients are answered; memory and log stay small", seconds=90)
def _(w):
    index = w.index()
    watch = h.Watch(index.proc, 16 * h.MIB)
    floods = [w.start(sys.executable, "-c", FLOOD, HOST, str(index.port), h.other(seed), str(seed)) for seed in (1, 2)]
    before = index.api("status")["udp"]["ignored"]
    h.wait_for(lambda: index.api("status")["udp"]["ignored"] > before + 20000, 20 * h.SLOW, "the flood has begun")
    tried, good, first = 0, 0, 0
    begun = time.monotonic()
    while tried < 200 or time.monotonic() - begun < 5:
        with Client(index.port, own=h.other(100 + tried % 200)) as c:
            tried += 1
            at = time.monotonic()
            # A datagram that is lost is sent again, as every client does.
            good += c.connect().announce(left=1, port=2000 + tried % 60000) is not None
            first += time.monotonic() - at < 0.5
    took = time.monotonic() - begun
    check(all(f.alive() for f in floods), "the flood went on")
    ignored = index.api("status")["udp"]["ignored"] - before
    for f in floods:
        f.kill()
        f.wait(10)
    print(f"# {ignored / took:.0f} junk datagrams a second; of {tried} clients {good} were answered, {first} within half a second")
    check(good >= 0.99 * tried, f"only {good} of {tried} were answered")
    watch.settle(log_lines=6)
    check_eq(index.api("status")["peers"], good, "nobody was added by junk")


@test("--no-udp leaves the port alone; a taken UDP port is told and the index does not start")
def _(w):
    index = w.index(args=["--no-udp"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((HOST, index.port))
        check(b"udp" not in index.proc.out(), "the start line", index.proc.out())
        check_eq(index.api("status")["udp"], None, "status")
        index.proc.stop().expect(h.OK)
        p = w.start(h.BIN, "index", "--listen", f"{HOST}:{index.port}", "--data", index.data, env=w.env(w.path("home-2")), name="second")
        p.wait(10 * h.SLOW).expect(h.TAKEN).error_line("UDP", "taken")
    for args in (["--udp-threads", "17"], ["--udp-threads", "0"], ["--udp-threads", "1", "--no-udp"]):
        w.peer("x").run("index", *args).expect(h.USAGE)


@test("any free port is the same for HTTP and UDP, and the start line names both")
def _(w):
    p = w.start(h.BIN, "index", "--listen", f"{HOST}:0", "--data", w.path("d"), env=w.env(w.path("home-d")), name="any")
    h.wait_for(lambda: b"udp://" in p.out(), 10 * h.SLOW, "the index is up")
    port = p.port()
    line = p.out().split(b"\n")[0].decode()
    check_eq(line, f"index at http://{HOST}:{port} (tracker http://{HOST}:{port}/announce and udp://{HOST}:{port}/announce)")
    with Client(port) as c:
        check(c.connect().announce() is not None, "UDP on that port")


if __name__ == "__main__":
    raise SystemExit(h.main())
