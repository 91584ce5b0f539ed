#!/usr/bin/python3
"""The index: durable, exact about who is there, harmless to hostile announces, searches and names."""

import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import struct
import threading
import time
import urllib.parse

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test


def announce(index, extra=b"", **params):
    """A raw announce; returns the decoded reply or the HTTP status."""
    q = {"info_hash": b"h" * 20, "peer_id": b"-XX0001-abcdefghijkl", "port": "7000", "left": "0", "compact": "1",
         "uploaded": "0", "downloaded": "0", "event": "started"}
    q.update(params)
    query = b"&".join(k.encode() + b"=" + (v if isinstance(v, bytes) and v.startswith(b"%RAW%") else
                                           urllib.parse.quote_from_bytes(v if isinstance(v, bytes) else str(v).encode()).encode())
                      for k, v in q.items() if v is not None).replace(b"%RAW%", b"") + extra
    return raw_announce(index, query)


def raw_announce(index, query, headers=b"", source="127.0.0.1"):
    s = socket.socket()
    s.bind((source, 0))
    s.settimeout(20)
    s.connect(("127.0.0.1", index.port))
    out = b""
    with s:
        try:
            s.sendall(b"GET /announce?" + query + b" HTTP/1.1\r\nHost: x\r\n" + headers + b"Connection: close\r\n\r\n")
            while chunk := s.recv(65536):
                out += chunk
        except OSError:
            pass
    status = int(out.split(b" ", 2)[1]) if out.startswith(b"HTTP/") else 0
    if status != 200:
        return status, None
    return 200, wire.bdecode(out.split(b"\r\n\r\n", 1)[1])


def refused(answer):
    status, reply = answer
    return 400 <= status < 500 or (status == 200 and b"failure reason" in reply)


def torrent_of(name, content, files=None):
    import hashlib
    info = {"name": name, "piece length": 16384, "pieces": hashlib.sha1(content).digest()}
    if files is None:
        info["length"] = len(content)
    else:
        info["files"] = files
    return wire.bencode({"info": info})


def post(index, body, **headers):
    headers = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    status, raw = h.http(index.url + "/api/v1/entries", "POST", body, headers)
    return status, json.loads(raw)


@test("what was answered with 2xx survives kill -9 with publishes in flight", seconds=120)
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    bodies = [wire.publish_body(signer, "alice", f"name-{i}", torrent_of(f"name-{i}", b"%d" % i)) for i in range(120)]
    accepted, lock = set(), threading.Lock()
    todo = list(range(len(bodies)))
    r = random.Random(7)
    for round_ in range(8):
        def publish():
            while True:
                with lock:
                    if not todo:
                        return
                    i = todo.pop()
                try:
                    status, _ = post(index, bodies[i])
                except (OSError, ValueError):
                    with lock:
                        todo.append(i)
                    return
                if status in (200, 201):
                    with lock:
                        accepted.add(i)
        threads = [threading.Thread(target=publish) for _ in range(4)]
        have = len(accepted)
        for t in threads:
            t.start()
        h.wait_for(lambda: len(accepted) > have + r.randrange(1, 12) or not todo, 20 * h.SLOW, "publishes", every=0.001)
        index.proc.kill()
        for t in threads:
            t.join(20)
        copy = w.path(f"copy{round_}")
        shutil.copytree(index.data, copy)
        files = [os.path.join(d, f) for d, _, fs in os.walk(copy) for f in fs]
        dbs = [f for f in files if open(f, "rb").read(16) == b"SQLite format 3\0"]
        check_eq(len(dbs), 1, "one catalogue")
        with sqlite3.connect(dbs[0]) as db:
            check_eq(db.execute("pragma integrity_check").fetchone(), ("ok",), "integrity_check")
        begun = time.monotonic()
        index.start()
        check(time.monotonic() - begun < 2 * h.SLOW, f"serving again after {time.monotonic() - begun:.1f} s")
        names = {e["name"] for e in index.entries(limit=500)}
        lost = {f"name-{i}" for i in accepted} - names
        check(not lost, f"acknowledged and lost in round {round_}", sorted(lost))
    check(len(accepted) > 20, f"only {len(accepted)} publishes were tried")


@test("two names are unpublished and stay so after kill -9")
def _(w):
    index = w.index()
    a = w.peer("a")
    for n in "xy":
        a.share(h.make_file(a.path(n), 100, seed=n)).stop()
    a.run("unshare", "x").expect(h.OK)
    index.proc.kill()
    index.start()
    check_eq([e["name"] for e in index.entries()], ["y"], "entries")


@test("a holder that leaves is gone at once; one that crashes within 30 s; one that lives stays", seconds=100)
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_file(a.path("f"), 1000)
    pa = a.share(src)
    pb = b.start("get", "f", "--seed")
    pc = c.start("get", "f", "--seed")
    index.wait_seeds("f", 3)
    pb.wait_got()
    pb.stop().expect(h.OK)
    check_eq(index.holders("f")["online"], 2, "holders after one left")
    pc.kill()
    killed = time.monotonic()
    h.wait_for(lambda: index.holders("f")["online"] == 1, 31, "the crashed holder is gone")
    while time.monotonic() < killed + 45:
        check_eq(index.holders("f")["online"], 1, "the living holder stays")
        time.sleep(0.5)
    check(pa.alive(), "share lives")


@test("the same peer on both swarms of a hybrid counts once")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 1000))
    e = index.entry("f")
    check_eq((e["online"], e["seeds"], e["holders"]), (1, 1, 1), "counts")
    check_eq(len(index.holders("f")["peers"]), 1, "holders")
    check_eq(len(index.api("peers")["peers"]), 1, "peers")
    row = index.api("entries?name=f&peers=20")["entries"][0]
    check_eq((row["peers"], row["complete"]), ([index.holders("f")["peers"][0]["addr"]], 1), "whom to ask for it")
    check("peers" not in index.api("entries?name=f")["entries"][0], "nobody asked for them")
    index.api("entries?name=f&peers=21", want=400)


@test("a .torrent of 8 KiB comes with the answer to its name, and get asks no more; a larger one is asked for")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")

    def publish(name, pieces):
        path = h.make_file(a.path(name), pieces * 16 * KIB, seed=name)
        shared = a.share(path, "--piece-length", "16K", "--v1-only")
        return shared, len(index.torrent(name))

    # Each piece more is twenty bytes more.
    first = publish("f100", 100)
    most = 100 + (8192 - first[1]) // 20
    for name, pieces, told in (("f200", most, True), ("f201", most + 1, False)):
        _, size = publish(name, pieces)
        check_eq(size <= 8192, told, f"its .torrent of {size} bytes")
        row = index.entries(name=name, torrent=1)[0]
        check_eq("torrent_base64" in row, told, "it is in the answer")
        if told:
            check_eq(base64.b64decode(row["torrent_base64"]), index.torrent(name), "it is the same")
        check("torrent_base64" not in index.entries(name=name)[0], "nobody asked for it")
        before = index.api("status")["requests"]
        b.get(name)
        h.check_same(b.path(name), a.path(name))
        # The question for the name, the session, and these two for the count.
        asked = index.api("status")["requests"] - before - 1
        check_eq(asked, 2 if told else 3, "questions of get")
    rows = index.entries(torrent=1)
    check_eq([r["name"] for r in rows], ["f201", "f200", "f100"], "the list")
    check(all("torrent_base64" not in r for r in rows), "of the first alone, which is too large")
    index.api("entries?torrent=2", want=400)


# ---- announces (O-28) ---------------------------------------------------------------------

@test("a right announce is answered; two peers see one another; scrape counts them")
def _(w):
    index = w.index()
    status, reply = announce(index)
    check_eq(status, 200)
    check(b"interval" in reply and b"peers" in reply, "reply", reply)
    status, reply = announce(index, peer_id=b"-XX0001-bbbbbbbbbbbb", port=7001, left=5)
    check(struct.pack(">4sH", bytes([127, 0, 0, 1]), 7000) in reply[b"peers"], "the first peer is told to the second", reply)
    status, reply = announce(index, peer_id=b"-XX0001-cccccccccccc", port=7002, left=0)
    check(b"\x1b\x58" not in reply[b"peers"], "a seed is not told of seeds", reply)
    status, reply = announce(index, peer_id=b"-XX0001-dddddddddddd", port=7003, left=1, compact=0)
    check(isinstance(reply[b"peers"], list) and reply[b"peers"][0][b"ip"] == b"127.0.0.1", "compact=0", reply)
    status, body = h.http(index.url + "/scrape?info_hash=" + "h" * 20)
    row = wire.bdecode(body)[b"files"][b"h" * 20]
    check_eq((row[b"complete"], row[b"incomplete"]), (2, 2), "scrape")
    announce(index, event="stopped")
    row = wire.bdecode(h.http(index.url + "/scrape?info_hash=" + "h" * 20)[1])[b"files"][b"h" * 20]
    check_eq(row[b"complete"], 1, "after stopped")


@test("O-28: announces out of bounds are refused, and nobody is added by them")
def _(w):
    index = w.index()
    watch = h.Watch(index.proc)
    for what in (dict(info_hash=b"h" * 19), dict(info_hash=b"h" * 21), dict(info_hash=b""), dict(info_hash=None),
                 dict(info_hash=b"%RAW%%zz" + b"h" * 19), dict(info_hash=b"%RAW%" + b"h" * 19 + b"%4"),
                 dict(peer_id=b"p" * 19), dict(peer_id=b"p" * 21), dict(peer_id=None),
                 dict(port=0), dict(port=65536), dict(port=-1), dict(port=None), dict(port="7000x"), dict(port=""),
                 dict(port=2 ** 32 + 7000), dict(left=2 ** 64), dict(left=-1), dict(left="x"),
                 dict(uploaded=2 ** 64), dict(event="bogus"), dict(numwant="x")):
        got = announce(index, **what)
        check(refused(got) or (what.keys() & {"event", "numwant"} and got[0] == 200), f"announce {what}", got)
    first = b"info_hash=" + b"h" * 20 + b"&peer_id=" + b"p" * 20 + b"&left=0"
    check(refused(raw_announce(index, first + b"&port=7000&port=7001")), "a key twice")
    check(refused(raw_announce(index, first + b"&port=7000&info_hash=" + b"i" * 20)), "two info_hash")
    check(refused(raw_announce(index, b"")), "an empty query")
    got = raw_announce(index, first + b"&port=7000&x=" + b"a" * (64 * KIB))
    check(400 <= got[0] < 500 or got[0] == 0, "a query of 64 KiB", got)
    check(index.api("status")["peers"] <= 1, "peers added by bad announces", index.api("status"))
    watch.settle()
    body = h.http(index.url + "/scrape?info_hash=" + "h" * 20)[1]
    files = wire.bdecode(body).get(b"files", {})
    row = files.get(b"h" * 20, {b"complete": 0, b"incomplete": 0})
    check(row[b"complete"] + row[b"incomplete"] <= 1, "peers added by bad announces", row)


@test("O-28: the address is the connection's, whatever ip=, ipv4=, ipv6= or headers say")
def _(w):
    index = w.index()
    base = b"info_hash=" + b"h" * 20 + b"&peer_id=" + b"p" * 20 + b"&port=7000&left=0&compact=1"
    for more, headers in ((b"&ip=8.8.8.8", b""), (b"&ipv4=8.8.8.8:80", b""), (b"&ipv6=2001:db8::1", b""),
                          (b"", b"X-Forwarded-For: 8.8.8.8\r\nX-Real-IP: 8.8.8.8\r\nForwarded: for=8.8.8.8\r\n")):
        raw_announce(index, base + more, headers)
        _, reply = announce(index, peer_id=b"q" * 20, port=7005, left=1)
        check_eq(reply[b"peers"].replace(struct.pack(">4sH", bytes([127, 0, 0, 1]), 7005), b""),
                 struct.pack(">4sH", bytes([127, 0, 0, 1]), 7000), "peers told")
        check(not reply.get(b"peers6"), "no IPv6 peers", reply)


@test("O-28: at most 200 peers in a reply, 50 when not asked; numwant -1 and 10^9 are harmless")
def _(w):
    index = w.index()
    for i in range(300):
        raw_announce(index, b"info_hash=" + b"h" * 20 + b"&peer_id=-XX0001-%012d&port=%d&left=1&compact=1" % (i, 10000 + i),
                     source=f"127.0.{1 + i // 200}.{1 + i % 200}")
    for numwant, most in ((None, 50), (10 ** 9, 200), (200, 200), (201, 200), (-1, 200), (7, 7), (0, 0)):
        status, reply = announce(index, port=9999, left=1, numwant=numwant)
        n = len(reply[b"peers"]) // 6
        check(n <= most, f"numwant {numwant}: {n} peers")
        if numwant in (None, 200, 7):
            check_eq(n, most, f"numwant {numwant}")


@test("scrape: 74 hashes are answered, 75 and none are refused, others' hashes are no error")
def _(w):
    index = w.index()

    def scrape(n):
        q = "&".join("info_hash=" + urllib.parse.quote(bytes([65 + i % 20]) * 19 + bytes([48 + i])) for i in range(n))
        status, body = h.http(index.url + "/scrape?" + q)
        return status, wire.bdecode(body) if status == 200 else None
    status, reply = scrape(74)
    check(status == 200 and b"failure reason" not in reply, "74 hashes", reply)
    check(refused(scrape(75)), "75 hashes")
    check(refused(scrape(0)), "everything")


# ---- search (O-31) ------------------------------------------------------------------------

@test("O-31: search text is words, never a query language; nothing costs much")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 10), name="alpha-beta gamma's")
    texts = ['"', '""', '"alpha', "*", "-", "alpha*", "NEAR(", "NEAR(alpha beta)", "AND", "alpha AND", "OR OR", "NOT alpha",
             "col:x", "name:alpha", "{name}: alpha", "^alpha", "%" * 1000, "'", "';drop table entries;--", "' OR 1=1 --", "\\",
             "(", ")", "((((", "a" * 10_000, " ".join(f"w{i}" for i in range(1000)), "\u202e", "日本", "\x00", "\x1b[31m",
             "alpha\x00beta", " ", "+", "a-b", "e" * 65, "🐟" * 500, " ".join(["a*"] * 200), "-" * 5000]
    watch = h.Watch(index.proc)
    for t in texts:
        cpu, begun = index.proc.cpu(), time.monotonic()
        status, body = h.http(index.url + "/api/v1/entries?q=" + urllib.parse.quote(t))
        check(status in (200, 400, 414), f"search {t[:40]!r}: {status}", body)
        check(not re.search(rb"sqlite|fts5|syntax error|SELECT|near \"", body, re.I), f"search {t[:40]!r} speaks SQL", body)
        json.loads(body)
        check(index.proc.cpu() - cpu <= 0.25 * h.SLOW, f"search {t[:40]!r} took {index.proc.cpu() - cpu:.2f} s of CPU")
    for t in ("alpha", "ALPHA", "beta", "gam", "alpha beta", "alpha-beta", "gamma's", '"alpha"', "alpha*", "(gamma)"):
        check_eq(len(index.entries(q=t)), 1, f"search {t!r}")
    for t in ("delta", "alpha delta", "lpha"):
        check_eq(len(index.entries(q=t)), 0, f"search {t!r}")
    check_eq(index.entries(name="alpha-beta gamma's")[0]["name"], "alpha-beta gamma's", "exact name")
    watch.settle()


@test("listing is paged, newest first, each entry once")
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    for i in range(25):
        status, j = post(index, wire.publish_body(signer, "alice", f"n{i}", torrent_of(f"n{i}", b"%d" % i)))
        check_eq(status, 201, f"publish ({j})")
    seen, before, pages = [], None, 0
    while True:
        page = index.api("entries", limit=10, **({"before": before} if before else {}))
        seen += [e["name"] for e in page["entries"]]
        pages += 1
        before = page["next"]
        if before is None:
            break
    check_eq(seen, [f"n{i}" for i in reversed(range(25))], "names in order")
    check_eq(pages, 3, "pages")
    for bad in ("limit=0", "limit=501", "limit=x", "before=-1", "before=99999999999999999999", "version=x", "hash=zz"):
        status, body = h.http(index.url + "/api/v1/entries?" + bad)
        check_eq((status, json.loads(body)["error"]["code"]), (400, "bad_request"), bad)
    a = w.peer("a")
    check_eq(len(a.run("ls", "--all", "--limit", "7").expect(h.OK).out.splitlines()), 7, "ls --limit 7")


# ---- publishing ---------------------------------------------------------------------------

@test("publishing is refused without a right signature, by another key, with a wrong hash, for a broken torrent")
def _(w):
    index = w.index()
    alice, mallory = wire.Signer(), wire.Signer()
    w.closers += [alice.close, mallory.close]
    raw = torrent_of("f", b"x")
    good = json.loads(wire.publish_body(alice, "alice", "f", raw))

    def tried(code, status, **changes):
        got = post(index, json.dumps({**good, **changes}).encode())
        check_eq((got[0], got[1].get("error", {}).get("code")), (status, code), f"{list(changes)}")
    tried("bad_signature", 403, name="g")
    tried("bad_signature", 403, signature="00" * 64)
    tried("bad_signature", 403, key=mallory.key.hex())
    tried("bad_signature", 403, torrent=json.loads(wire.publish_body(alice, "alice", "f", torrent_of("f", b"y")))["torrent"])
    tried("bad_torrent", 422, torrent="AAAA")
    tried("bad_request", 400, torrent="not base64!")
    tried("bad_request", 400, name="")
    tried("bad_request", 400, key="zz")
    tried("bad_request", 400, published_at="now")
    tried("mismatch", 422, hash_v1="11" * 20)
    tried("mismatch", 422, bytes=2)
    old = wire.publish_body(alice, "alice", "f", raw, when=int(time.time()) - 4000)
    check_eq(post(index, old)[1]["error"]["code"], "stale", "an old signature")
    check_eq(index.entries(), [], "entries")
    check_eq(post(index, json.dumps(good).encode())[0], 201, "the right one")
    check_eq(post(index, json.dumps(good).encode())[0], 200, "again")
    theirs = wire.publish_body(mallory, "alice", "g", torrent_of("g", b"z"))
    check_eq(post(index, theirs)[1]["error"]["code"], "name_taken", "somebody else's owner name")


@test("calls from a web page, of another type, or too large are refused")
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    body = wire.publish_body(signer, "alice", "f", torrent_of("f", b"x"))
    check_eq(post(index, body, Origin="http://evil.example")[0], 403, "with an Origin")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        check_eq(h.http(index.url + "/api/v1/entries", "POST", body, {"Content-Type": kind})[0], 415, kind)
    for bad in (b"", b"{", b"[]", b"[" * 100_000, b'{"a":1,"a":2}', b"{} x", b'{"a":1e999999}', b'{"a":"\\ud800"}', b"\xff"):
        status, j = post(index, bad)
        check(status == 400 and j["error"]["code"] in ("bad_json", "bad_request"), f"body {bad[:20]!r}", status, j)
    said = h.raw_http(index.port, b"POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                  b"Content-Length: 200000000\r\n\r\n", timeout=15)
    check(b" 413 " in said.split(b"\r\n")[0], "200 MB announced", said[:200])
    check_eq(h.http(index.url + "/api/v1/entries", "PUT", b"{}", {"Content-Type": "application/json"})[0], 405, "PUT")
    check_eq(h.http(index.url + "/api/v1/nothing")[0], 404, "unknown path")
    for path in ("/../etc/passwd", "/%2e%2e%2fetc/passwd", "//etc/passwd", "/app.js/../x", "/%00", "/" + "a" * 3000):
        check(b" 200 " not in h.raw_http(index.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
              .split(b"\r\n")[0], path)
    check_eq(index.entries(), [], "entries")


@test("the page at / is served, safe to look at, and asks nobody else")
def _(w):
    import urllib.request
    index = w.index()
    with urllib.request.urlopen(index.url + "/") as r:
        page, headers = r.read().decode(), {k.lower(): v for k, v in r.headers.items()}
    check("<html" in page.lower(), "a page")
    check("content-security-policy" in headers and "unsafe-inline" not in headers["content-security-policy"], "CSP", headers)
    check_eq(headers.get("x-content-type-options"), "nosniff", "nosniff")
    check(not re.search(r'(src|href)="(https?:)?//', page), "nothing from elsewhere")
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        check_eq(h.http(index.url + asset)[0], 200, asset)


@test("a QR code that would not fit leaves the trackers out")
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    sides = []
    for n in (1, 400):
        trackers = [[f"http://tracker-{i}.example:6969/announce"] for i in range(n)]
        t = wire.bencode({"announce": trackers[0][0], "announce-list": trackers,
                          "info": {"name": f"x{n}", "piece length": 16384, "pieces": b"p" * 20, "length": n}})
        status, made = post(index, wire.publish_body(signer, "alice", f"x{n}", t))
        check_eq(status, 201, f"publish: {made}")
        status, svg = h.http(f"{index.url}/api/v1/entries/{made['id']}/qr.svg")
        check_eq(status, 200, "the code")
        sides.append(int(re.search(rb'viewBox="0 0 (\d+) ', svg)[1]))
    check(len(index.api("entries/2")["magnet"]) > 3000, "the link is long")
    check(sides[1] < sides[0], "the code is no larger than that of a link without trackers", sides)


# ---- hostile names (O-36) -----------------------------------------------------------------

EVIL = ["\x1b[31mred", "\x1b]52;c;ZXZpbA==\x07", "a\u009b31m", "bell\x07", "cr\rover", "nl\nline", "\u202etxt.exe", "%n%s%s%n",
        "$(touch pwned)", "; rm -rf x", "`id`", "\u200bzero"]
BAD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069\u200b]")


@test("O-36: names with control characters are refused as entries, and the refusal itself is escaped")
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    for i, n in enumerate(EVIL):
        for owner, name in ((f"alice", n), (n, "plain")):
            status, j = post(index, wire.publish_body(signer, owner, name, torrent_of(f"t{i}", b"%d" % i)))
            if BAD.search(n):
                check_eq(status, 400, f"publish {owner!r}/{name!r}")
                check(not BAD.search(j["error"]["message"]), "the message is escaped", j)
    for e in index.entries(limit=500):
        check(not BAD.search(e["name"] + e["owner"]), "an entry", e)
    check(not BAD.search(index.proc.out().decode("utf-8", "replace") + index.proc.err_text()), "the log is escaped")


@test("O-36: file names, torrent names and comments are escaped by info, get, search and the API")
def _(w):
    index = w.index()
    signer = wire.Signer()
    w.closers.append(signer.close)
    a = w.peer("a")
    files = [{"length": 0, "path": ["d", n.replace("/", "_")]} for n in EVIL]
    files.append({"length": 1, "path": ["x"]})
    import hashlib
    raw = wire.bencode({"comment": "".join(EVIL), "created by": EVIL[0], "info": {
        "name": EVIL[0], "piece length": 16384, "pieces": hashlib.sha1(b"x").digest(), "files": files}})
    sums = {"n_files": len(files)}
    t = wire.Torrent(raw)
    when = int(time.time())
    signed = {"action": "publish", "bytes": 1, "files": len(files), "key": signer.key, "name": "evil", "owner": "mallory",
              "published at": when, "hash v1": t.hash_v1}
    import base64
    body = {"owner": "mallory", "name": "evil", "key": signer.key.hex(), "published_at": when,
            "signature": signer.sign(b"shoal entry 1\n" + wire.bencode(signed)).hex(), "torrent": base64.b64encode(raw).decode()}
    status, j = post(index, json.dumps(body).encode())
    check_eq(status, 201, f"publish ({j})")
    for args in (["info", "evil"], ["ls", "--all"], ["search", "--all", "red"], ["info", "evil", "--json"], ["get", "evil", "--wait", "1"],
                 ["ls", "--all", "-v"]):
        done = a.run(*args, seconds=25)
        check(not BAD.search(done.out), f"stdout of {args}", done.out[:1500])
        check(not BAD.search(done.err), f"stderr of {args}", done.err[:1500])
    check(not os.path.exists(a.path("pwned")), "no shell was called")
    with open(a.path("evil.torrent"), "wb") as f:
        f.write(raw)
    for args in (["verify", "evil.torrent", a.path("nothing")], ["get", "evil.torrent", "--wait", "1", "-v"]):
        done = a.run(*args, seconds=25)
        check(not BAD.search(done.out + done.err), f"output of {args}", done.out[:800], done.err[:800])


@test("O-36: client names and a tracker's failure reason are escaped")
def _(w):
    index = w.index()
    a = w.peer("a")
    for i, n in enumerate(EVIL):
        raw = n.encode()[:20]
        announce(index, peer_id=raw + b"x" * (20 - len(raw)), port=7000 + i)
    done = a.run("peers").expect(h.OK)
    check_eq(len(done.out.splitlines()), len(EVIL), "one line for each peer")
    check(not BAD.search(done.out), "output of peers", done.out)
    check(not BAD.search(json.dumps(index.api("peers"), ensure_ascii=False)), "JSON of peers")
    tracker = wire.FakeTracker(lambda q: wire.bencode({"failure reason": "".join(EVIL)}))
    w.closers.append(tracker.stop)
    t = wire.create_v1(h.make_file(a.path("f"), 1000), a.path("f.torrent"), 16 * KIB, tracker.announce)
    os.unlink(a.path("f"))
    done = a.run("get", "f.torrent", "-v", seconds=25).expect(h.NO_HOLDER)
    check(not BAD.search(done.err + done.out), "stderr of get", done.err)
    check("red" in done.err, "the tracker's reason is told", done.err)


@test("slow and silent HTTP clients are closed in time and keep nobody waiting", seconds=90)
def _(w):
    index = w.index()
    watch = h.Watch(index.proc)
    socks = []
    for i in range(300):
        s = socket.create_connection(("127.0.0.1", index.port))
        s.sendall((b"GET /api/v1/st", b"", b"POST /api/v1/entries HTTP/1.1\r\nContent-Type: application/json\r\n"
                   b"Content-Length: 1000\r\n\r\n{")[i % 3])
        socks.append(s)
    begun = time.monotonic()
    for _ in range(20):
        t = time.monotonic()
        check_eq(h.http(index.url + "/api/v1/status")[0], 200, "honest request")
        check(time.monotonic() - t < 1 * h.SLOW, "an honest request waited", time.monotonic() - t)

    def closed():
        n = 0
        for s in socks:
            s.setblocking(False)
            try:
                while s.recv(4096):
                    pass
                n += 1
            except BlockingIOError:
                pass
            except OSError:
                n += 1
        return n == len(socks)
    h.wait_for(closed, 40 - (time.monotonic() - begun), "silent clients are closed", every=0.2)
    for s in socks:
        s.close()
    watch.settle()


if __name__ == "__main__":
    raise SystemExit(h.main())
