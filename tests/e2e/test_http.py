#!/usr/bin/python3
"""HTTP at the index: what is odd, slow, or too much of it, and the short way of announces."""

import json
import os
import re
import resource
import signal
import socket
import time
import urllib.parse

import harness as h
import wire
from harness import MIB, check, check_eq, test

IDLE = 10_000  # connections that G-21 speaks of
FIRST = 100
MOST = 10_240  # HTTP_CONNECTIONS_MAX


def query(n=0, **more):
    q = {"info_hash": b"h" * 20, "peer_id": b"-XX0001-%012d" % n, "port": 7000 + n, "left": 1, "uploaded": 0,
         "downloaded": 0, "compact": 1, **more}
    return urllib.parse.urlencode(q).encode()


def connect(index, timeout=10):
    return socket.create_connection((h.HOST, index.port), timeout=timeout * h.SLOW)


class Reader:
    """Answers one after the other from a connection."""

    def __init__(self, sock):
        self.sock, self.ahead = sock, b""

    def more(self):
        got = self.sock.recv(65536)
        check(got, "the connection ended in mid-answer", self.ahead[:200])
        self.ahead += got

    def answer(self):
        """(status, headers as text, body)"""
        while b"\r\n\r\n" not in self.ahead:
            self.more()
        head, self.ahead = self.ahead.split(b"\r\n\r\n", 1)
        n = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(self.ahead) < n:
            self.more()
        body, self.ahead = self.ahead[:n], self.ahead[n:]
        return int(head.split()[1]), head.decode(), body


def ended(s):
    """Has the other end closed it? Reads what is there."""
    s.setblocking(False)
    try:
        while s.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def honest_p99(index):
    """Milliseconds within which 99 % of requests on connections of their own are answered: the best of three rounds,
    since other tests may be at work on this machine, too."""
    def once():
        begun = time.monotonic()
        check_eq(h.http(index.url + "/healthz")[0], 200, "an honest request")
        return (time.monotonic() - begun) * 1000
    return min(sorted(once() for _ in range(200))[197] for _ in range(3))


# ---- the short way ------------------------------------------------------------------------

@test("an announce has one answer, whichever way and in however many pieces it comes")
def _(w):
    index = w.index()
    line = b"GET /announce?" + query() + b" HTTP/1.1\r\n"
    forms = {
        "plain": line + b"Host: x\r\n\r\n",
        "many headers": line + b"X: y\r\n" * 40 + b"\r\n",
        "line ends of LF": (line + b"Host: x\r\n\r\n").replace(b"\r", b""),
        "a body of nothing": line + b"Content-Length: 0\r\n\r\n",
        "its whole address": line.replace(b"GET ", b"GET http://x") + b"\r\n",
    }
    bodies = {}
    for what, request in forms.items():
        with connect(index) as s:
            s.sendall(request)
            status, head, body = Reader(s).answer()
        check_eq(status, 200, what)
        bodies[what] = wire.bdecode(body)
        for header in ("Content-Type: text/plain", "X-Content-Type-Options: nosniff", "Cache-Control: no-store",
                       "Content-Security-Policy: default-src 'none'"):
            check(header in head, f"{what}: {header}", head)
    check(all(b == bodies["plain"] for b in bodies.values()), "the same answer", bodies)
    with connect(index) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(forms["plain"]), 7):
            s.sendall(forms["plain"][i:i + 7])
        check_eq(wire.bdecode(Reader(s).answer()[2]), bodies["plain"], "in pieces")


@test("a connection carries announces, scrapes, calls and pages in any order, pipelined or not")
def _(w):
    index = w.index()
    with connect(index) as s:
        r = Reader(s)
        for i in range(300):
            s.sendall(b"GET /announce?" + query(i) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            status, head, body = r.answer()
            check(status == 200 and b"interval" in wire.bdecode(body), f"announce {i}", body)
            check("close" not in head.lower(), f"announce {i}", head)
        for path in (b"/scrape?info_hash=" + b"h" * 20, b"/api/v1/status", b"/announce?" + query(1), b"/", b"/scrape"):
            s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            check_eq(r.answer()[0], 200, path)
    with connect(index) as s:
        s.sendall(b"".join(b"GET /announce?" + query(i) + b" HTTP/1.1\r\nHost: x\r\n\r\n" for i in range(1000)))
        r = Reader(s)
        for i in range(1000):
            check(r.answer()[0] == 200, f"pipelined announce {i}")
    check_eq(index.api("status")["peers"], 1000, "peers")
    with connect(index) as s:
        s.sendall(b"GET /announce?" + query() + b" HTTP/1.0\r\n\r\n")
        check("Connection: close" in Reader(s).answer()[1], "HTTP/1.0")
        check_eq(s.recv(1), b"", "closed")


@test("who announces on and on and takes no answer costs nobody anything")
def _(w):
    index = w.index()
    for i in range(200):
        h.http(f"{index.announce}?" + query(i).decode())
    watch = h.Watch(index.proc, more_bytes=8 * MIB)
    s = connect(index)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setblocking(False)
    request = b"GET /announce?" + query(1, numwant=200, compact=0) + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    begun = time.monotonic()
    gone = False
    while not gone and time.monotonic() < begun + 5 * h.SLOW:
        try:
            s.send(request)
        except BlockingIOError:
            break
        except OSError:
            gone = True
    check_eq(h.http(index.url + "/healthz")[0], 200, "others are served")
    s.close()
    watch.settle()


# ---- grammar (O-30) -----------------------------------------------------------------------

@test("O-30: broken, ambiguous and huge requests are refused, and none is smuggled behind another")
def _(w):
    index = w.index()
    watch = h.Watch(index.proc, more_bytes=16 * MIB)
    big = b"a" * MIB
    hidden = b"GET /announce?" + query(5) + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    post = b"POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    cases = {
        "a request line of 1 MB": b"GET /announce?x=" + big + b" HTTP/1.1\r\n\r\n",
        "10,000 headers": b"GET /announce?" + query() + b" HTTP/1.1\r\n" + b"X-Y: z\r\n" * 10_000 + b"\r\n",
        "a length twice": post + b"Content-Length: 2\r\nContent-Length: 300\r\n\r\n{}" + hidden,
        "length and coding": post + b"Content-Length: 300\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        "a coding of two": post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
        "a negative length": post + b"Content-Length: -1\r\n\r\n" + hidden,
        "a length with a sign": post + b"Content-Length: +2\r\n\r\n{}" + hidden,
        "a bad chunk": post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + hidden,
        "a chunk of 2^64": post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}" + hidden,
        "a body of HEAD": b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden,
        "a coded body of HEAD": b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        "a blank before the colon": post + b"Content-Length : %d\r\n\r\n" % len(hidden) + hidden,
        "two hosts": hidden.replace(b"Host: x", b"Host: x\r\nHost: y"),
        "a NUL in a header": b"GET /announce HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "HTTP/0.9": b"GET /announce?" + query() + b"\r\n",
        "no HTTP": b"\x13BitTorrent protocol" + bytes(48) + b"\r\n\r\n",
        "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    }
    for what, request in cases.items():
        said = h.raw_http(index.port, request, timeout=12 * h.SLOW)
        statuses = [int(x) for x in re.findall(rb"(?m)^HTTP/1\.\d (\d+)", said)]
        fine = all(400 <= x < 500 or x in (501, 505) for x in statuses) or what == "a NUL in a header"
        check(fine, f"{what}: {statuses}", said[:300])
    check_eq(index.api("status")["peers"], 0, "nobody got in behind another's request")
    watch.settle()


@test("O-34: a foreign Host or Origin, forms, preflights and GET change nothing")
def _(w):
    index = w.index()
    w.peer("a").share(h.make_file(w.path("f"), 10))
    body = json.dumps({"admin": True, "owner": "a", "name": "f", "version": 0}).encode()
    kind = {"Content-Type": "application/json"}
    for what, method, path, headers, want in (
            ("an Origin", "POST", "unpublish", {**kind, "Origin": "http://evil.example"}, 403),
            ("an Origin of null", "POST", "unpublish", {**kind, "Origin": "null"}, 403),
            ("a form", "POST", "unpublish", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
            ("plain text", "POST", "unpublish", {"Content-Type": "text/plain"}, 415),
            ("a preflight", "OPTIONS", "entries", {"Origin": "http://evil.example"}, 405),
            ("a GET", "GET", "unpublish", kind, 405)):
        sent = None if method in ("GET", "OPTIONS") else body
        status, said = h.http(f"{index.url}/api/v1/{path}", method, sent, headers)
        check_eq(status, want, what)
    for host in (b"Host: evil.example\r\n", b""):
        said = h.raw_http(index.port, b"GET /api/v1/entries HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        check(b"Access-Control-Allow" not in said, "no other page may read it", said[:500])
        check(b"evil.example" not in said, "the name is believed for nobody else", said[:800])
    check_eq(len(index.entries()), 1, "entries")


@test("O-34: over loopback a page's own name does not lead to what an open index has, unless it is named")
def _(w):
    index = w.index()
    w.peer("a").share(h.make_file(w.path("f"), 10))
    entry = index.entry("f")["id"]
    judged = ["/api/v1/" + x for x in ("entries", f"entries/{entry}", f"entries/{entry}/torrent", f"entries/{entry}/qr.svg",
                                       "near?name=f", "peers", "status", "events", "dht-nodes", "audit")]
    judged += ["/stats.json", "/metrics", "/feed.atom"]

    def status(path, host):
        return h.http(index.url + path, headers={"Host": host})[0]
    for path in judged:
        status_, said = h.http(index.url + path, headers={"Host": "evil.example:6969"})
        check_eq([status_, json.loads(said)["error"]["code"]], [421, "wrong_host"], path)
    for path in ("/", "/app.js", "/healthz", "/announce", "/scrape"):
        check_eq(status(path, "evil.example"), 200, path)
    for host in (f"localhost:{index.port}", "127.0.0.1", "nas", "nas.local", "[::1]:6969", socket.gethostname()):
        check_eq(status("/api/v1/entries", host), 200, host)
    index.proc.stop(signal.SIGTERM).expect(h.OK)
    index.args += ["--host", "shoal.example", "--host", "other.example:80"]
    index.start()
    for host, want in (("shoal.example", 200), ("Other.example:6969", 200), ("127.0.0.1", 200), ("evil.example", 421)):
        check_eq(status("/api/v1/entries", host), want, host)


@test("O-33: there is no path out of the page")
def _(w):
    index = w.index()
    for path in ("/../etc/passwd", "/%2e%2e%2fetc%2fpasswd", "/%252e%252e%252fetc/passwd", "/..\\..\\etc\\passwd",
                 "//etc/passwd", "/app.js%00.html", "/%00", "/" + "a" * 10_000, "/app.js/../../../etc/passwd",
                 "/announce/../../etc/passwd", "/./app.js", "/APP.JS", "/catalogue.db", "/tls.pem"):
        said = h.raw_http(index.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = int(said.split()[1]) if said else 0
        check(status in (0, 400, 404, 414) or (status == 200 and b"failure reason" in said), path, said[:300])
        check(b"root:" not in said, path)


# ---- slow ones and many (O-29, G-21) ------------------------------------------------------

@test("O-29: 2,000 connections that dawdle in headers, bodies and answers are hung up on, and keep nobody waiting",
      seconds=100)
def _(w):
    index = w.index()
    for i in range(200):
        h.http(f"{index.announce}?" + query(i).decode())
    watch = h.Watch(index.proc, more_bytes=48 * MIB)
    head = b"POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    kinds = (b"GET /announce?info_", head + b"{", b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
    socks = []
    for i in range(2000):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        s.settimeout(10 * h.SLOW)
        s.connect((h.HOST, index.port))
        s.sendall(kinds[i % 3])
        socks.append(s)
    begun = time.monotonic()
    most = honest_p99(index)
    check(most <= 200 * h.SLOW, f"99 % of honest requests took up to {most:.0f} ms")
    live = list(enumerate(socks))
    trickle = begun
    while live and time.monotonic() < begun + 45 * h.SLOW:
        if time.monotonic() >= trickle + 5:
            trickle = time.monotonic()
            for i, s in live:
                try:  # a byte to read of the answer, or one more of the request
                    s.setblocking(False)
                    s.recv(1) if i % 3 == 2 else s.send(b"x")
                except OSError:
                    pass
        live = [(i, s) for i, s in live if i % 3 == 2 or not ended(s)]
        if time.monotonic() > begun + 15 * h.SLOW:
            unfinished = sum(i % 3 != 2 for i, _ in live)
            check(unfinished == 0, f"{unfinished} unfinished requests after 15 s")
            live = [(i, s) for i, s in live if not ended(s)]
        time.sleep(0.2)
    check(not live, f"{len(live)} are left after 45 s")
    for s in socks:
        s.close()
    watch.settle()


def accepted_all(index):
    return index.proc.fds() >= IDLE


def raise_limit(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        if os.geteuid() != 0:
            raise h.Skip(f"needs {n} descriptors")
        hard = n
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n), max(hard, n)))


@test("G-21: 10,000 idle connections take at most 64 MiB, keep nobody waiting, and the longest silent make way for more",
      seconds=120)
def _(w):
    raise_limit(MOST + 500)
    index = w.index(limits={resource.RLIMIT_NOFILE: MOST + 500})
    before, socks = index.proc.rss(), []
    # Some announced, some have seen the rest of the index.
    paths = (b"/announce?" + query(), b"/api/v1/near?name=x")

    def add():
        s = connect(index)
        s.sendall(b"GET " + paths[len(socks) % 2] + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        socks.append(s)
    try:
        begun = time.monotonic()
        while len(socks) < IDLE:
            add()
            if len(socks) == FIRST:  # answered, they are silent before the others come
                check(all(s.recv(4096).startswith(b"HTTP/1.1 ") for s in socks), "the first are answered")
        h.wait_for(lambda: accepted_all(index), 5 * h.SLOW, "all are accepted")
        most = honest_p99(index)
        grown = (index.proc.rss() - before) / MIB
        print(f"# {IDLE} connections: {grown:.1f} MiB more, 99 % of honest requests within {most:.1f} ms")
        check(accepted_all(index), f"after {time.monotonic() - begun:.1f} s some were hung up on")
        if not h.SANITIZED:
            check(grown <= 64, f"{grown:.1f} MiB more")
            check(most <= 50, f"99 % of honest requests took up to {most:.0f} ms")
        while len(socks) < MOST and not h.SANITIZED:
            add()
        if not h.SANITIZED:
            check_eq(h.http(index.url + "/healthz")[0], 200, "one too many is answered")
            gone = [i for i, s in enumerate(socks) if ended(s)]
            check(len(gone) == 1 and gone[0] < FIRST, "one of the longest silent made way", gone)
            for s in socks:
                try:
                    s.send(b"G")  # begun, they are silent no more
                except OSError:
                    pass
            said = []

            def refused():
                socks.append(connect(index))
                socks[-1].sendall(b"G")
                with connect(index) as s:
                    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    said[:] = Reader(s).answer()[:2]
                    return said[0] == 503 and s.recv(1) == b""
            h.wait_for(refused, 8 * h.SLOW, "among those who ask, one too many is told so, and hung up on")
            check("Retry-After" in said[1], "it is told when to ask again", said)
    finally:
        for s in socks:
            s.close()
    h.wait_for(lambda: index.proc.fds() < 100, 20 * h.SLOW, "all are gone")
    check_eq(h.http(index.url + "/healthz")[0], 200, "there is room again")


if __name__ == "__main__":
    raise SystemExit(h.main())
