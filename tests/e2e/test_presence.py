#!/usr/bin/python3
"""Live sessions: who is on line and with which pieces, from one second to the next."""

import base64
import json
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
import urllib.parse

import harness as h
from boxes import two_boxes
from harness import HOST, KIB, MIB, SLOW, check, check_eq, test


ASK = b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shoal-session/1\r\n\r\n"


class Session:
    """A peer's end of a session, line by line."""

    def __init__(self, port, own=None, peer_port=7000, hello=True, host=HOST, peer_id=None, token=None):
        self.s = socket.create_connection((host, port), timeout=20, source_address=(own, 0) if own else None)
        self.f = self.s.makefile("rwb")
        more = f"Authorization: Bearer {token}\r\n" if token else ""
        self.raw(ASK.replace(b"Host: x\r\n", f"Host: x\r\n{more}".encode()))
        self.status = int(self.f.readline().split()[1])
        while self.f.readline().strip():
            pass
        if hello and self.status == 101:
            self.say(t="hello", peer_id=peer_id or os.urandom(20).hex(), port=peer_port, client="test 1")
            self.welcome = self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.f.close()
        self.s.close()

    def raw(self, data):
        self.f.write(data)
        self.f.flush()

    def say(self, **line):
        self.raw(json.dumps(line).encode() + b"\n")

    def hear(self):
        line = self.f.readline()
        return json.loads(line) if line else None

    def join(self, e, n, number=0, left=0, **more):
        self.say(t="join", id=number, v1=e["hash_v1"], v2=e["hash_v2"], pieces=n, left=left, **more)
        return self.hear()

    def ended(self):
        """What it says before it hangs up."""
        said = []
        try:
            while (line := self.hear()) is not None:
                said.append(line)
        except OSError:
            pass
        return said


class Events:
    """Server-sent events as they come, in a thread: a list of (event, data)."""

    def __init__(self, index, query="", forwarded=None):
        self.s = socket.create_connection((HOST, index.port), timeout=60)
        more = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
        self.s.sendall(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
        self.f = self.s.makefile("rb")
        self.status = int(self.f.readline().split()[1])
        self.headers = {}
        while line := self.f.readline().strip():
            k, v = line.decode().split(": ", 1)
            self.headers[k.lower()] = v
        self.got, self.ended = [], False
        if self.status == 200:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        kind = None
        try:
            for line in self.f:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    self.got.append((kind, json.loads(line[6:])))
        except (OSError, ValueError):
            pass
        self.ended = True

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()

    def wait(self, kind, condition, seconds=10):
        def there():
            return next((d for k, d in list(self.got) if k == kind and condition(d)), None)
        return h.wait_for(there, seconds * SLOW, f"an event {kind}", every=0.02)


def pieces(index, name):
    return index.api(f"entries/{index.entry(name)['id']}/pieces")


def holders(index, name):
    return {p["addr"]: p for p in index.holders(name)["peers"]}


def port_of(proc):
    return proc.port()


def announce(index, e, port, left):
    q = {"info_hash": bytes.fromhex(e["hash_v1"]), "peer_id": b"-TR3000-abcdefghijkl", "port": port, "left": left,
         "uploaded": 0, "downloaded": 0, "event": "started"}
    check_eq(h.http(f"{index.announce}?{urllib.parse.urlencode(q)}")[0], 200, "an announce")


@test("twenty torrents are one session and no announce; each is listed complete, with its map, at once")
def _(w):
    index, a = w.index(), w.peer("a")
    names = [f"f{i}" for i in range(20)]
    p = a.start("share", *[h.make_file(a.path(n), 40 * KIB, seed=n) for n in names])
    h.wait_for(lambda: p.out().count(b"serving a/") == 20, 30 * SLOW, "it serves all")
    status = index.api("status")
    check_eq((status["sessions"], status["announces"], status["peers"]), (1, 0, 40),
             "one session, twenty hybrid torrents")
    for n in names:
        e = index.entry(n)
        check_eq((e["seeds"], e["online"]), (1, 1), n)
    (holder,) = holders(index, "f7").values()
    check_eq((holder["session"], holder["percent"], holder["client"][:6]), (True, 100.0, "shoal "),
             f"the holder {holder}")
    check(isinstance(holder["rtt_us"], int) and holder["down_bps"] == 0 and holder["up_bps"] == 0, "its rates", holder)
    got = pieces(index, "f7")
    check_eq((got["known"], got["unknown"], got["copies"], got["can_complete"]), (1, 0, [0, got["pieces"]], True),
             "pieces")
    check_eq(got["holders"][0]["map"], base64.b64encode(b"\xff" * (got["pieces"] // 8) + bytes(
        [0xff00 >> got["pieces"] % 8 & 0xff] if got["pieces"] % 8 else [])).decode(), "the map")


@test("who leaves is delisted by the time it has gone; who is killed, within two seconds")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    p = a.share(h.make_file(a.path("f"), 100_000))
    q = b.start("get", "f", "--seed")
    index.wait_seeds("f", 2)
    check_eq(index.entry("f")["online"], 2, "both are there")
    q.wait_got()
    q.stop().expect(h.OK)
    h.wait_for(lambda: index.entry("f")["online"] == 1, 1 * SLOW, "who left is gone", every=0.01)
    p.kill()
    h.wait_for(lambda: index.entry("f")["online"] == 0, 2, "who was killed is gone", every=0.01)
    check_eq(index.api("status")["sessions"], 0, "sessions")


@test("who falls silent is gone within ten seconds, and comes back once when it wakes", seconds=90)
def _(w):
    index, a = w.index(), w.peer("a")
    p = a.share(h.make_file(a.path("f"), 100_000))
    p.send(signal.SIGSTOP)
    try:
        h.wait_for(lambda: index.entry("f")["online"] == 0, 10, "the silent one is gone")
        check_eq(index.api("status")["sessions"], 0, "sessions")
        check_eq(index.api("peers")["peers"], [], "peers")
    finally:
        p.send(signal.SIGCONT)
    index.wait_seeds("f", 1, seconds=10)
    status = index.api("status")
    check_eq((status["sessions"], status["peers"], len(index.holders("f")["peers"])), (1, 2, 1), "no ghosts")


@test("twenty peers are back within ten seconds of a restart of the index", seconds=120)
def _(w):
    index = w.index()
    peers = [w.peer(f"p{i}") for i in range(20)]
    procs = [p.start("share", h.make_file(p.path(p.name), 30_000, seed=p.name)) for p in peers]
    for p in procs:
        h.wait_for(lambda: b"serving" in p.out(), 60 * SLOW, "all share")
    index.proc.kill()
    index.start()
    h.wait_for(lambda: index.api("status")["sessions"] == 20, 10 * SLOW, "all are back")
    for p in peers:
        check_eq(index.entry(p.name)["seeds"], 1, f"{p.name} is listed again")
    check(all(p.alive() for p in procs), "nobody ended")


@test("an index that is killed in the middle of a transfer, and comes back, does not disturb it", seconds=120)
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 100 * MIB)
    p = a.share(src)
    g = b.start("get", "f", "--seed")
    h.wait_for(lambda: h.part_bytes(b.dir) > 0 or os.path.exists(b.path("f")), 20 * SLOW, "data came", every=0.001)
    p.send(signal.SIGSTOP)  # so that it stays in the middle
    index.proc.kill()
    p.send(signal.SIGCONT)
    h.wait_for(lambda: os.path.exists(b.path("f")), 60 * SLOW, "the download is whole")
    h.check_same(b.path("f"), src)
    check(g.alive() and p.alive(), "both go on")
    index.start()
    h.wait_for(lambda: index.entry("f")["seeds"] == 2, 10 * SLOW, "both are back")


@test("who waits for a holder is told of it the moment it comes")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 1 * MIB)
    a.share(src).stop().expect(h.OK)
    g = b.start("get", "f", "--wait", "60")
    h.wait_for(lambda: index.entry("f")["online"] == 1, 10 * SLOW, "it waits")
    a.share(src)
    g.wait(5 * SLOW, "the download after the holder came").expect(h.OK)


@test("the cable is pulled: gone within ten seconds; plugged in again: back by itself", seconds=120)
def _(w):
    h.need_root()
    h.need("ip", "unshare", "nsenter")
    if not HOST.startswith("10.77."):
        raise h.Skip("needs a network of its own")
    index, a = w.index(), w.peer("a")
    box = w.start("unshare", "-n", "sleep", "600", name="box")
    box.killed = True  # by the end of the test

    def run(*args):
        if subprocess.run(args, capture_output=True).returncode != 0:
            raise h.Skip("cannot lay a cable here: " + " ".join(args))

    own = os.readlink("/proc/self/ns/net")
    h.wait_for(lambda: os.readlink(f"/proc/{box.pid}/ns/net") != own, 10, "the other network is there")
    run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", str(box.pid))
    w.closers.append(lambda: subprocess.run(["ip", "link", "del", "cable0"], capture_output=True))
    run("ip", "addr", "add", "10.78.0.1/24", "dev", "cable0")
    run("ip", "link", "set", "cable0", "up")
    inside = ["nsenter", "-n", "-t", str(box.pid), "--"]
    run(*inside, "ip", "addr", "add", "10.78.0.2/24", "dev", "cable1")
    run(*inside, "ip", "link", "set", "cable1", "up")
    run(*inside, "ip", "link", "set", "lo", "up")
    run(*inside, "ip", "route", "add", "default", "via", "10.78.0.1")
    p = a.start("share", h.make_file(a.path("f"), 100_000), wrap=inside)
    h.wait_for(lambda: b"serving" in p.out(), 30 * SLOW, "it serves")
    check_eq(list(holders(index, "f"))[0].split(":")[0], "10.78.0.2", "from over the cable")
    run("ip", "link", "set", "cable0", "down")
    h.wait_for(lambda: index.entry("f")["online"] == 0, 10, "who is cut off is gone")
    run("ip", "link", "set", "cable0", "up")
    h.wait_for(lambda: index.entry("f")["online"] == 1, 20 * SLOW, "it is back")
    h.wait_for(lambda: index.api("status")["sessions"] == 1, 20 * SLOW, "its session, too")
    check_eq(index.entry("f")["online"], 1, "it is there once")


@test("a getter whose address changes goes on within seconds", seconds=120)
def _(w):
    a, b = two_boxes(w)
    a.index("--no-lan")
    a.peer.index_url = b.peer.index_url = "http://10.79.0.1:6969"
    share = a.start("share", h.make_file(a.peer.path("f"), 12 * MIB), "--limit-lan", "--limit-up", "3M")
    h.wait_for(lambda: b"serving" in share.out(), 30 * SLOW, "it serves")
    get = b.start("get", "f")
    h.wait_for(lambda: h.part_bytes(b.peer.dir) > MIB, 30 * SLOW, "it has some")
    b.ip("addr", "del", "10.79.0.2/24", "dev", "cable")
    b.ip("addr", "add", "10.79.0.3/24", "dev", "cable")
    get.wait(50 * SLOW, "the download over another address").expect(h.OK)
    h.check_same(b.peer.path("f"), a.peer.path("f"))


@test("info shows copies as a histogram, what is rarest and who has it, as ranges; of stock clients it is unknown")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 4 * MIB))
    e, n = index.entry("f"), pieces(index, "f")["pieces"]
    check(n > 200, "enough pieces", n)
    with Session(index.port) as s:
        s.join(e, n, left=5, got="0-9,12,100-199")
        announce(index, e, 7999, 12345)
        got = pieces(index, "f")
        check_eq((got["known"], got["unknown"], got["can_complete"]), (2, 1, True), f"pieces {got}")
        check_eq(got["copies"], [0, n - 111, 111], "copies")
        check_eq(got["rarest"], {"copies": 1, "ranges": f"10-11,13-99,200-{n - 1}"}, "rarest")
        check_eq(got["distributed_milli"], 1000 + 111 * 1000 // n, "distributed")
        text = a.run("info", "f").expect(h.OK).out
        for want in (f"{n} of 16.0 KiB", "can complete:  yes", f"1 copy: 10-11,13-99,200-{n - 1}", "###", " 111\n"):
            check(want in text, f"info says {want!r}", text)
        check(len(text) < 3000 and max(map(len, text.splitlines())) < 400, "it is short", text)
        check(f"{HOST}:7000\t{100 * 111 * 10 // n / 10}%" in text, "percent from the map", text)
        text = a.run("info", "f", "--pieces").expect(h.OK).out
        rows = {r.split("\t")[0]: r.split("\t")[1:] for r in text.splitlines() if r.count("\t") == 2}
        check_eq(rows[f"{HOST}:7000"], ["111", "0-9,12,100-199"], "ranges")
        check_eq(rows[f"{HOST}:7999"], ["?", "unknown"], "a stock client")
        check([str(n), f"0-{n - 1}"] in rows.values(), "the sharer", rows)
        j = a.run("info", "f", "--json").expect(h.OK).json()
        check_eq((j["pieces"]["copies"], "holders" in j["pieces"]), ([0, n - 111, 111], False), "json")
        stock = next(p for p in j["peers"] if p["port"] == 7999)
        check_eq((stock["session"], stock["rtt_us"], stock["down_bps"]), (False, None, None), "a stock client")
        j = a.run("info", "f", "--json", "--pieces").expect(h.OK).json()
        check_eq(sorted((x["have"], x["ranges"]) for x in j["pieces"]["holders"]),
                 [(111, "0-9,12,100-199"), (n, f"0-{n - 1}")], "json --pieces")
        announce(index, e, 7998, 0)
        s.say(t="more", id=0)
        more = s.hear()
        while more["t"] != "peers":
            more = s.hear()
        first, others = set(more["peers"][:more["complete"]]), set(more["peers"][more["complete"]:])
        check_eq((len(first), f"{HOST}:7998" in first, others), (2, True, {f"{HOST}:7999"}), f"the complete come first: {more}")
    h.wait_for(lambda: pieces(index, "f")["known"] == 1, 2 * SLOW, "the session's map went with it")


@test("maps change, rates are told, hybrid peers are found in both swarms, newcomers are told of once")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 4 * MIB)).stop()
    e, n = index.entry("f"), pieces(index, "f")["pieces"]
    with Session(index.port, peer_port=7001) as s, Session(index.port, peer_port=7002) as t:
        check_eq(s.join(e, n, left=100)["peers"], [], "nobody is there yet")
        told = t.join(e, n, left=0, got=f"0-{n - 1}")["peers"]
        check_eq(set(told), {f"{HOST}:7001"}, "the first is told to the second")
        check_eq(s.hear(), {"t": "peers", "id": 0, "peers": [f"{HOST}:7002"], "complete": 1}, "and the second to the first")
        s.say(t="change", id=0, got="3-7", left=50)
        s.say(t="change", id=0, lost="5", bits=base64.b64encode(b"\x80").decode(), at=8)
        s.say(t="rates", rates=[[0, 1000, 2000], [9, 1, 1]])
        s.say(t="more", id=0)
        check_eq(set(s.hear()["peers"]), {f"{HOST}:7002"}, "more peers")
        for session, other, complete in ((s, 7002, 1), (t, 7001, 0)):
            check_eq(session.hear(), {"t": "punch", "id": 0, "peers": [f"{HOST}:{other}"], "complete": complete},
                     "to be dialled at once by both")
        mine = holders(index, "f")[f"{HOST}:7001"]
        check_eq((mine["down_bps"], mine["up_bps"], mine["left"]), (1000, 2000, 50), "rates")
        maps = {x["addr"]: x for x in pieces(index, "f")["holders"]}
        check_eq(base64.b64decode(maps[f"{HOST}:7001"]["map"])[:2], b"\x1b\x80", "3, 4, 6, 7 and 8")
        s.say(t="change", id=0, got=f"0-{n - 1}", left=0)
        s.say(t="beat")
        check_eq(s.hear(), {"t": "ack"}, "a beat is answered")
        scraped = h.http(f"{index.url}/scrape?info_hash={urllib.parse.quote(bytes.fromhex(e['hash_v2'])[:20])}")[1]
        check(b"8:completei2e" in scraped and b"10:downloadedi1e" in scraped, "the v2 swarm has both", scraped)
        s.say(t="leave", id=0)
        s.say(t="beat")
        s.hear()
        check_eq(list(holders(index, "f")), [f"{HOST}:7002"], "who left the swarm")
        check_eq(index.api("status")["sessions"], 2, "its session stays")


@test("a peer that comes again takes the place of its older session")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 4 * MIB)).stop()
    e, n = index.entry("f"), pieces(index, "f")["pieces"]
    one = Session(index.port, peer_id="ab" * 20)
    one.join(e, n, left=0, got=f"0-{n - 1}")
    with Session(index.port, peer_id="ab" * 20) as two:
        check_eq(two.welcome["t"], "welcome", "the newer one")
        two.join(e, n, left=0, got=f"0-{n - 1}")
        check(any(x["t"] == "error" for x in one.ended()), "the older one is told")
        check_eq((index.api("status")["sessions"], len(holders(index, "f"))), (1, 1), "one is left")
    one.close()


@test("hostile lines end their session and nothing else (O-30)", seconds=120)
def _(w):
    index = w.index()
    watch = h.Watch(index.proc)
    hello = b'{"t":"hello","peer_id":"%s","port":1,"client":"x"}' % (b"00" * 20)
    join = b'{"t":"join","id":0,"v1":"%s","pieces":9,"left":1}' % (b"11" * 20)
    first = [b"x" * 70_000, b'{"t":"' + b"x" * 65_520 + b'"}', b"\n", b"null\n", b"[]\n", b'"hello"\n',
             b"\xff\xfe\n", b'{"t":7}\n',
             b'{"t":"hello","t":"hello"}\n', b"[" * 60_000 + b"\n", b'{"t":"hello"}\n', b'{"t":"beat"}\n', join + b"\n",
             hello.replace(b'"port":1', b'"port":65536') + b"\n", hello.replace(b'"port":1', b'"port":"1"') + b"\n",
             hello.replace(b"0000", b"00zz") + b"\n", hello.replace(b'"x"', b'"' + b"y" * 64 + b'"') + b"\n",
             hello.replace(b'"x"', b"[]") + b"\n"]
    later = [hello, join.replace(b'"id":0', b'"id":-1'), join.replace(b'"id":0', b'"id":99999'),
             join.replace(b'"v1"', b'"v0"'),
             join.replace(b'"pieces":9', b'"pieces":2097153'), join.replace(b'"left":1', b'"left":1,"got":"9"'),
             join.replace(b'"left":1', b'"left":1,"bits":"////"'), join + b"\n" + join,
             b'{"t":"change","id":0,"got":"1"}',
             join + b'\n{"t":"change","id":0,"got":"0-9"}', join + b'\n{"t":"change","id":"0"}',
             b'{"t":"leave","id":5}',
             b'{"t":"rates","rates":{}}', b'{"t":"rates","rates":["x"]}', b'{"t":"rates","rates":[[0,1]]}',
             b'{"t":"rates","rates":[[-1,1,1]]}', b'{"t":"rates","rates":[[0,-1,1]]}',
             b'{"t":"rates","rates":[[0,1,null]]}',
             b'{"t":"rates","rates":[' + b"[0,1,1]," * 1000 + b"[0,1,1]]}", b'{"t":"more"}']
    for line in first + [hello + b"\n" + x + b"\n" for x in later]:
        with Session(index.port, hello=False) as s:
            s.s.settimeout(20)
            try:
                s.raw(line)
            except OSError:
                pass
            s.ended()
    with Session(index.port) as s:  # of a later version
        s.say(t="something new", of={"any": "kind"})
        s.say(t="beat")
        check_eq(s.hear(), {"t": "ack"}, "unknown lines do no harm")
    with Session(index.port, hello=False) as s:  # says nothing at all
        said = s.ended()
        check(said and said[-1]["t"] == "error", "who never says hello is let go", said)
    h.wait_for(lambda: index.api("status")["sessions"] == 0, 5 * SLOW, "none is left")
    for n, (request, status) in enumerate([("Upgrade: websocket", 426), ("X: y", 426)]):
        head = f"GET /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{request}\r\n\r\n"
        got = h.raw_http(index.port, head.encode())
        check(f" {status} ".encode() in got.split(b"\r\n")[0], f"refused, {n}", got[:200])
    watch.settle()


MUTE = 500  # INDEX_MUTE_HOST_MAX


@test("who opens sessions without a word crowds out himself, and nobody else", seconds=60)
def _(w):
    index = w.index()
    with Session(index.port, h.other(6), hello=False) as slow:
        mute = [Session(index.port, h.other(5), hello=False) for _ in range(MUTE)]
        for s in (mute[0], mute.pop(), slow):
            s.say(t="hello", peer_id=os.urandom(20).hex(), port=7000, client="slow")
            check_eq(s.hear()["t"], "welcome", "who says hello in time is let in")
        mute += [Session(index.port, h.other(5), hello=False) for _ in range(2)]
        check_eq(len(mute), MUTE + 1, "as many as may be, and the one with a word")
        one_more = Session(index.port, h.other(5))
        check_eq(one_more.welcome["t"], "welcome", "the newest may speak, too")
        check_eq(mute[1].hear(), {"t": "error", "why": "no hello, and others wait"}, "the oldest goes")
        mute[2].say(t="hello", peer_id=os.urandom(20).hex(), port=7002, client="slow")
        check_eq(mute[2].hear()["t"], "welcome", "only that one")
        for s in mute + [one_more]:
            s.close()


@test("a flood of joins is taken to its limit, in bounded memory, and gone with its session (O-27)", seconds=240)
def _(w):
    index = w.index()
    n = 20_000 if h.SANITIZED else 100_000
    with Session(index.port) as s:
        crowd = h.Crowd()

        def flood():
            for at in range(0, n + 10, 1000):
                s.raw(b"".join(b'{"t":"join","id":%d,"v1":"%040x","pieces":1000,"left":1,"got":"1"}\n' % (i, i)
                               for i in range(at, min(at + 1000, n + 10))))
        crowd.start(flood)
        kinds = [s.hear()["t"] for _ in range(n + 10)]
        crowd.join(60)
        check_eq(kinds.count("refused"), 0 if h.SANITIZED else 10, "those beyond the limit are refused")
        check(h.SANITIZED or index.proc.rss() < 160 * MIB, "memory", index.proc.rss() >> 20)
        check(index.api("status")["peers"] >= n, "all are in the tracker")
    h.wait_for(lambda: index.api("status")["peers"] == 0, 30 * SLOW, "all are gone")


@test("events tell of the catalogue, of presence and of one entry's swarm, at most once a second")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 4 * MIB)).stop()
    e, n = index.entry("f"), pieces(index, "f")["pieces"]
    ev, other = Events(index, f"?entry={e['id']}"), Events(index)
    check_eq((ev.status, ev.headers["content-type"]), (200, "text/event-stream"), "the stream")
    first = ev.wait("swarm", lambda d: True)
    check_eq((first["pieces"], first["known"], first["holders"]), (n, 0, []), "what is, first")
    with Session(index.port) as s:
        s.join(e, n, left=9, got="1-3")
        d = ev.wait("swarm", lambda d: d["known"] == 1)
        want = {"addr": f"{HOST}:7000", "have": 3, "down_bps": 0, "up_bps": 0, "changed": "1-3"}
        check_eq(d["holders"], [want], "gained")
        check("map" not in json.dumps(d), "no maps in events")
        late = Events(index, f"?entry={e['id']}")
        d = late.wait("swarm", lambda d: True)
        check_eq(d["holders"][0]["changed"], "1-3", "who comes later hears all at first")
        for i in range(10, 60, 2):
            s.say(t="change", id=0, got=str(i))
        d = ev.wait("swarm", lambda d: d["holders"] and d["holders"][0]["have"] == 28)
        swarms = [x for k, x in ev.got if k == "swarm" and x["holders"]]
        gained = ",".join(x["holders"][0]["changed"] for x in swarms if x["holders"][0]["changed"])
        gained = sorted(gained.split(","), key=lambda r: int(r.split("-")[0]))
        check_eq(gained, ["1-3"] + [str(i) for i in range(10, 60, 2)], "each piece is told once")
        check(len(swarms) <= 5, "not more often than each second", len(swarms))
        s.say(t="rates", rates=[[0, 77, 88]])
        ev.wait("swarm", lambda d: d["holders"] and d["holders"][0]["down_bps"] == 77)
        other.wait("presence", lambda d: d == {"peers": 2, "sessions": 1})
    ev.wait("swarm", lambda d: d["known"] == 0 and d["distributed_milli"] == 0)
    a.share(h.make_file(a.path("g"), 50_000))
    g = index.entry("g")["id"]
    other.wait("catalogue", lambda d: d == {"change": "publish", "id": g})
    a.run("unshare", "g").expect(h.OK)
    other.wait("catalogue", lambda d: d == {"change": "unpublish", "id": g})
    check(not any(k == "swarm" for k, _ in other.got), "a swarm is told of to those who asked")
    check_eq(Events(index, "?entry=999999").status, 404, "no such entry")
    check_eq(Events(index, "?entry=x").status, 400, "no number")
    for x in (ev, other, late):
        x.close()


@test("a name of 500 versions and more that goes is one event; of one with fewer each is told of")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 1000)).stop()
    for n in (500, 499):
        # So many versions of it: straight into the catalogue, with their words.
        first = index.entry("f")
        index.proc.stop()
        with sqlite3.connect(index.data + "/catalogue.db", timeout=20) as db:
            for i in range(1, n):
                at = db.execute("INSERT INTO entries (owner, name, version, hash_v1, bytes, n_files, published_at, signature)"
                                " SELECT owner, name, version + ?, randomblob(20), 1, 1, published_at, signature"
                                " FROM entries WHERE id = ?", (i, first["id"])).lastrowid
                db.execute("INSERT INTO words (rowid, name, owner, paths, description) VALUES (?, 'f', 'a', '', '')", (at,))
        db.close()
        index.start()
        events = Events(index)
        check(f"{n} versions" in a.run("unshare", "f").expect(h.OK).out, "all of them go")
        # What comes after all of those.
        a.share(h.make_file(a.path("f"), 1000, seed=n)).stop()
        events.wait("catalogue", lambda d: d["change"] == "publish")
        gone = [d for k, d in events.got if k == "catalogue" and d["change"] == "unpublish"]
        if n == 500:
            check_eq(gone, [{"change": "unpublish", "id": None, "owner": "a", "name": "f"}], "one for all")
        else:
            check_eq([d["id"] for d in gone], list(range(at, at - n + 1, -1)) + [first["id"]], "one for each, the newest first")
        events.close()


@test("what a peer calls itself in its session is escaped, once")
def _(w):
    index, a = w.index(), w.peer("a")
    a.share(h.make_file(a.path("f"), 10 * KIB)).stop()
    e = index.entry("f")
    with Session(index.port, hello=False) as s:
        name = "cl\x1b[2J\u202e\u00ad\\ü"
        s.say(t="hello", peer_id=os.urandom(20).hex(), port=7000, client=name)
        s.hear()
        s.join(e, 1, left=0, got="0")
        h.wait_for(lambda: holders(index, "f"), 10 * SLOW, "it is a holder")
        (holder,) = holders(index, "f").values()
        check_eq(holder["client"], "cl\\x1b[2J\\u{202e}\\u{00ad}\\\\ü", "in the API")
        out = a.run("info", "f").expect(h.OK).out
        check("cl\\x1b[2J\\u{202e}" in out and "\x1b" not in out, "by info", out)
    with Session(index.port, hello=False) as s:  # the longest there is
        s.say(t="hello", peer_id=os.urandom(20).hex(), port=7001, client="\x1b" * 63)
        s.hear()
        s.join(e, 1, left=0, got="0")
        h.wait_for(lambda: any(p["client"] == "\\x1b" * 63 for p in holders(index, "f").values()), 10 * SLOW, "whole")


@test("so many listen to events, of one host no more; places come free again")
def _(w):
    index = w.index()
    streams = [Events(index) for _ in range(50)]
    check_eq({s.status for s in streams}, {200}, "fifty listen")
    check_eq(Events(index).status, 503, "one more does not")
    streams.pop().close()
    h.wait_for(lambda: Events(index).status == 200, 5 * SLOW, "a place came free")
    for s in streams:
        s.close()
    check_eq(h.http(index.url + "/healthz")[0], 200, "it is well")


@test("a host that listens to events from a whole /64 of IPv6 is one")
def _(w):
    index = w.index(args=("--trust-proxy", HOST))
    streams = [Events(index, forwarded=f"2001:db8::{i:x}") for i in range(50)]
    check_eq({s.status for s in streams}, {200}, "fifty listen")
    check_eq(Events(index, forwarded="2001:db8::ffff:1").status, 503, "one more of this /64 does not")
    check_eq(Events(index, forwarded="2001:db8:0:1::1").status, 200, "one of another does")
    for s in streams:
        s.close()


class Screen:
    """In front of an index, as an older one or a proxy would be: it knows no sessions, or takes its time."""

    def __init__(self, index, sessions=False, publish_s=0):
        self.index, self.sessions, self.publish_s = index, sessions, publish_s
        self.s = socket.create_server((HOST, 0))
        self.port = self.s.getsockname()[1]
        self.asked = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        try:
            head = c.recv(65536)
            if b"/api/v1/session" in head:
                self.asked += 1
            if b"/api/v1/session" in head and not self.sessions:
                c.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                c.close()
                return
            up = socket.create_connection((HOST, self.index.port))
            up.sendall(head)
            threading.Thread(target=self.pipe, args=(c, up), daemon=True).start()
            self.pipe(up, c)
        except OSError:
            pass

    def pipe(self, a, b):
        try:
            while data := a.recv(65536):
                if data.startswith(b"POST "):
                    time.sleep(self.publish_s)
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@test("an index without sessions is announced to as ever")
def _(w):
    index = w.index()
    screen = Screen(index)
    a, b = w.peer("a"), w.peer("b")
    a.index_url = b.index_url = f"http://{HOST}:{screen.port}"
    src = h.make_file(a.path("f"), 1 * MIB)
    p = a.start("share", src)
    h.wait_for(lambda: b"serving" in p.out(), 20 * SLOW, "it serves")
    check_eq((index.api("status")["sessions"], index.entry("f")["seeds"]), (0, 1), "announced")
    check(index.api("status")["announces"] >= 2, "both hashes")
    b.get("f")
    h.check_same(b.path("f"), src)
    check_eq(screen.asked, 2, "each asked for a session once")
    screen.s.close()


@test("a sharer that is held up between two files announces neither: its session had no time yet")
def _(w):
    index, a = w.index(), w.peer("a")
    screen = Screen(index, sessions=True, publish_s=3)
    a.index_url = f"http://{HOST}:{screen.port}"
    p = a.start("share", *[h.make_file(a.path(n), 40 * KIB, seed=n) for n in ("f", "g")])
    h.wait_for(lambda: p.out().count(b"serving a/") == 2, 30 * SLOW, "it serves")
    status = index.api("status")
    check_eq((status["sessions"], status["announces"], status["peers"]), (1, 0, 4), "one session")
    screen.s.close()


@test("who comes with a revoked token is let go within seconds", seconds=60)
def _(w):
    index, admin = w.index(), w.peer("admin")
    add = ["index", "token", "add", "--right", "read", "--data", index.data, "--json"]
    made = admin.run(*add, "reader").expect(h.OK).json()
    admin.run(*add, "other").expect(h.OK)
    h.wait_for(lambda: h.http(index.url + "/api/v1/entries")[0] == 401, 5 * SLOW, "the index closes")
    check_eq(Session(index.port).status, 401, "without a token")
    with Session(index.port, token=made["token"]) as s:
        check_eq(s.welcome["t"], "welcome", "with one")
        check_eq(Events(index).status, 401, "events, too")
        ev = Events(index, "?token=" + made["token"])
        check_eq(ev.status, 200, "events with a token")
        stop = threading.Event()

        def beat():
            while not stop.wait(2):
                s.say(t="beat")
        crowd = h.Crowd()
        crowd.start(beat)
        admin.run("index", "token", "revoke", "reader", "--data", index.data).expect(h.OK)
        begun = time.monotonic()
        said = s.ended()
        stop.set()
        check(said and said[-1]["t"] == "error" and "token" in said[-1]["why"], "it is told why", said)
        check(time.monotonic() - begun < 12 * SLOW, "soon")
        h.wait_for(lambda: ev.ended, 7 * SLOW, "the events end, too")
        ev.close()


@test("10,000 sessions are held in 64 MiB, and all are gone at once", seconds=240)
def _(w):
    n = 1000 if h.SANITIZED else 10_000
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 20 * MIB)).stop()
    e, pcs = index.entry("f"), pieces(index, "f")["pieces"]
    before = index.proc.rss()
    socks, stop, crowd = [], threading.Event(), h.Crowd()
    half = base64.b64encode(b"\x55" * (pcs // 8)).decode()

    def beat():
        while not stop.wait(3):
            for s in list(socks):
                s.sendall(b'{"t":"beat"}\n')
    crowd.start(beat)
    join = {"t": "join", "id": 0, "v1": e["hash_v1"], "v2": e["hash_v2"], "pieces": pcs, "left": 9, "bits": half}
    join = json.dumps(join).encode() + b"\n"
    for first in range(0, n, 100):
        bunch = []
        for i in range(first, first + 100):
            s = socket.create_connection((HOST, index.port), timeout=30, source_address=(h.other(i % 200), 0))
            hello = {"t": "hello", "peer_id": f"{i:040x}", "port": 1 + i // 200, "client": "test"}
            s.sendall(ASK + json.dumps(hello).encode() + b"\n" + join)
            bunch.append(s)
        for s in bunch:
            said = b""
            while b'"peers"' not in said:
                said += s.recv(65536)
        socks += bunch
    check_eq(index.api("status")["sessions"], n, "all are there")
    got = pieces(index, "f")
    check_eq((got["known"], len(got["holders"]), sum(got["copies"])), (n, 200, pcs), "their maps are counted")
    rss = index.proc.rss()
    print(f"# {n} sessions: {before >> 20} -> {rss >> 20} MiB, {(rss - before) // n} bytes each", flush=True)
    check(h.SANITIZED or rss <= 64 * MIB, "memory", rss >> 20)
    stop.set()
    crowd.join(30)
    for s in socks:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    h.wait_for(lambda: index.api("status")["sessions"] == 0, 10 * SLOW, "all are gone")
    check_eq(index.api("status")["peers"], 0, "from the tracker, too")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
