#!/usr/bin/python3
"""What one process may take of the system: connections, open files, memory; what it does when there is no more."""

import os
import resource
import signal
import socket
import threading
import time

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test


class Strangers:
    """So many silent connections to a port; those that are hung up on come again."""

    def __init__(self, host, port, n):
        self.at, self.n, self.socks, self.stop = (host, port), n, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            self.socks = [s for s in self.socks if not self.ended(s)]
            while len(self.socks) < self.n and not self.stop.is_set():
                s = socket.socket()
                s.settimeout(1)
                try:
                    s.connect(self.at)
                    self.socks.append(s)
                except OSError:
                    s.close()
                    break
            self.stop.wait(0.1)

    @staticmethod
    def ended(s):
        try:
            s.setblocking(False)
            if s.recv(1):
                return False
        except BlockingIOError:
            return False
        except OSError:
            pass
        s.close()
        return True

    def close(self):
        self.stop.set()
        self.thread.join(20)
        for s in self.socks:
            s.close()


def calm(proc, seconds=2.0):
    """What part of a core it takes in a while."""
    before, begun = proc.cpu(), time.monotonic()
    h.wait_for(lambda: time.monotonic() - begun >= seconds, 10 + seconds, "a while has passed", every=0.5)
    return (proc.cpu() - before) / (time.monotonic() - begun)


def with_files(n):
    return {resource.RLIMIT_NOFILE: n}


@test("15 descriptors more than it needs: 300 files are shared and got while 30 strangers connect, without spinning")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    want = h.make_tree(a.path("many"), {f"d{i % 7}/f{i}": 3 * KIB + i for i in range(300)})
    # The idle ones tell how many there are without a connection or a file.
    p = a.share(want)
    need = p.fds()
    p.stop()
    p = a.start("share", want, limits=with_files(need + 15))
    w.indexes[0].wait_seeds("many", 1)
    crowd = Strangers(h.HOST, p.port(), 30)
    w.closers.append(crowd.close)
    h.wait_for(lambda: p.fds() >= need + 4, 20 * h.SLOW, "strangers have come")
    g = b.start("get", "many", "--seed", limits=with_files(need + 20))
    mine = Strangers(h.HOST, g.port(), 30)
    w.closers.append(mine.close)
    h.wait_for(lambda: b"verified" in g.out(), 60 * h.SLOW, "all is had")
    g.stop()
    h.check_same(b.path("many"), want)
    check(calm(p) < 0.3 * h.SLOW, "it spins")
    check(p.fds() <= need + 15, "more than it may have")


@test("v1 torrents, whose blocks reach over many files, and encrypted links get by with few descriptors, too")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    want = h.make_tree(a.path("small"), {f"f{i}": 700 + i for i in range(300)})
    p = a.share(want, "--v1-only", "--encryption", "require")
    few = p.fds() + 4  # a connection, the folder, a file, and one to spare
    resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (few, few))
    b.run("get", "small", "--encryption", "require", "--max-open-files", "2").expect(h.OK)
    check(p.fds() <= few, "more than it may have")
    h.check_same(b.path("small"), want)


@test("G-21: an index without descriptors lets silent connections go, answers those that ask, and does not spin")
def _(w):
    index = w.index()
    need = index.proc.fds()
    index.proc.stop()
    index.limits = with_files(need + 12)
    index.start()
    crowd = Strangers(h.HOST, index.port, 40)
    w.closers.append(crowd.close)
    h.wait_for(lambda: index.proc.fds() >= need + 11, 20 * h.SLOW, "descriptors are out")
    for _ in range(5):
        begun = time.monotonic()
        status, _ = h.http(index.url + "/api/v1/status", timeout=20 * h.SLOW)
        check_eq(status, 200, "status")
        check(time.monotonic() - begun < 8 * h.SLOW, "who asks waits for long", time.monotonic() - begun)
    check(calm(index.proc) < 0.3 * h.SLOW, "it spins")


@test("one host has all connections of a process, and makes way for others down to sixteen, or twice as many as they have")
def _(w):
    index = w.index()
    a = w.peer("a")
    h.make_file(a.path("x"), 64 * KIB)
    d = a.daemon("--max-peers", "40")
    a.run("share", a.path("x"), "-d").expect(h.OK)
    index.wait_seeds("x")
    t = wire.Torrent(index.torrent("x"))
    port = a.run("status", "--json").expect(h.OK).json()["status"]["port"]
    links = []

    def joins(host):
        c = wire.Conn.dial(port, source=host)
        links.append(c)
        try:
            c.send(wire.handshake(t.hash))
            c.read_handshake(20 * h.SLOW)
        except (wire.Gone, TimeoutError):
            return False
        return True

    def connections():
        return a.run("status", "--json").expect(h.OK).json()["status"]["quota"]["connections"]
    try:
        for i in range(40):
            check(joins(h.other(1)), "while there is room a host has all of it", i)
        h.wait_for(lambda: connections() == 40, 20 * h.SLOW, "forty are connected")
        check(not joins(h.other(1)), "one host has 41 of 40")
        for i in range(14):
            check(joins(h.other(2)), "another one finds a place", i)
        check(not joins(h.other(2)), "another one has more than half as many")
        # 26 are left of the first host. (One in a thousand shares a cell with a host that has many.)
        check_eq(sum(joins(h.other(3 + i)) for i in range(14)), 10, "others that find a place")
        check_eq(connections(), 40, "and not one more")
    finally:
        for c in links:
            c.close()
    d.stop()


@test("quotas hold at n and n + 1: connections of all, of one transfer, and files that are open")
def _(w):
    index = w.index()
    a = w.peer("a")
    h.make_file(a.path("x"), 64 * KIB)
    a.share(a.path("x"), "--max-peers", "4").stop()
    t = wire.Torrent(index.torrent("x"))
    d = a.daemon("--max-peers", "6", "--max-peers-per-transfer", "4", "--max-open-files", "2",
                 env={"SHOAL_MAX_MEMORY": "16M"})
    a.run("share", a.path("x"), "-d").expect(h.OK)
    index.wait_seeds("x")
    status = a.run("status", "--json").expect(h.OK).json()["status"]
    quota = status["quota"]
    names = ("max_peers", "max_peers_per_transfer", "max_open_files", "max_memory_bytes")
    check_eq([quota[k] for k in names], [6, 4, 2, 16 * MIB])
    links = []

    def dial(i):
        c = socket.create_connection((h.HOST, status["port"]), timeout=20)
        c.settimeout(20 * h.SLOW)
        c.sendall(wire.PROTOCOL + bytes(8) + t.hash + b"-XX0000-%012d" % i)
        try:
            return c, len(c.recv(68)) == 68
        except OSError:
            return c, False
    try:
        for i in range(5):
            c, taken = dial(i)
            links.append(c)
            check(taken == (i < 4), f"connection {i + 1} of a transfer that may have 4: taken {taken}")

        def connections():
            return a.run("status", "--json").expect(h.OK).json()["status"]["quota"]["connections"]
        h.wait_for(lambda: connections() == 4, 20 * h.SLOW, "four are connected")
        silent = [socket.create_connection((h.HOST, status["port"])) for _ in range(8)]
        links += silent
        h.wait_for(lambda: connections() == 6, 20 * h.SLOW, "six in all")
        h.wait_for(lambda: sum(Strangers.ended(s) for s in silent if s.fileno() >= 0) >= 0 and
                   sum(s.fileno() < 0 for s in silent) == 6, 20 * h.SLOW, "six of eight strangers were let go")
        check_eq(connections(), 6, "and not one more")
    finally:
        for c in links:
            c.close()
    d.stop()
    for bad in ("0", "x", "-1"):
        a.run("daemon", "--max-peers", bad).expect(h.USAGE)
    a.run("daemon", "--max-memory", "1M").expect(h.USAGE).error_line("8M")


@test("peers that begin messages and never end them cost no more memory than the quota; who holds most is let go")
def _(w):
    index = w.index()
    a = w.peer("a")
    h.make_file(a.path("x"), 64 * KIB)
    a.share(a.path("x"), "--max-memory", "8M").stop()
    t = wire.Torrent(index.torrent("x"))
    a.daemon("--max-memory", "8M")
    a.run("share", a.path("x"), "-d").expect(h.OK)
    index.wait_seeds("x")

    def status():
        return a.run("status", "--json").expect(h.OK).json()["status"]
    port, links = status()["port"], []
    try:
        for i in range(40):
            c = socket.create_connection((h.HOST, port), timeout=20 * h.SLOW)
            c.sendall(wire.PROTOCOL + bytes(8) + t.hash + b"-XX0000-%012d" % i)
            check_eq(len(c.recv(68)), 68, "handshake")
            links.append(c)
        check_eq(status()["quota"]["max_memory_bytes"], 8 * MIB)
        for c in links:
            try:  # an extension message of 300,000 bytes, all but the end
                c.sendall(b"\x00\x04\x93\xe0" + bytes([wire.EXTENDED, 9]) + bytes(290_000))
            except OSError:
                pass
            check(status()["quota"]["memory_bytes"] <= 8 * MIB, "more than the quota")
        left = status()["quota"]["connections"]
        check(5 <= left < 40, f"{left} of 40 are left")
    finally:
        for c in links:
            c.close()
    a.run("get", "x", "-o", a.path("y"), "--no-daemon").expect(h.OK)


@test("G-22: 1,000 idle peers are within 32 MiB of memory, and one more is one too many")
def _(w):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        raise h.Skip("needs 2,000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    index = w.index()
    a = w.peer("a")
    h.make_file(a.path("x"), 8 * MIB)
    p = a.share(a.path("x"), "--max-peers-per-transfer", "1000")
    t, port, links = wire.Torrent(index.torrent("x")), p.port(), []
    try:
        for i in range(1001):
            c = socket.create_connection((h.HOST, port), timeout=20 * h.SLOW)
            links.append(c)
            c.sendall(wire.PROTOCOL + bytes(8) + t.hash + b"-XX0000-%012d" % i)
        answered = 0
        for c in links:
            try:
                answered += len(c.recv(68)) == 68
            except OSError:
                pass
        check_eq(answered, 1000, "peers that are answered")
        print(f"# 1,000 idle peers: {p.peak_rss() / MIB:.1f} MiB in all, {p.rss() / MIB:.1f} MiB of them anonymous")
        if not h.SANITIZED:
            check(p.peak_rss() <= 32 * MIB, "memory", p.peak_rss())
    finally:
        for c in links:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@test("doctor says what may be had, and warns where it is little")
def _(w):
    a = w.peer("a")
    done = a.run("doctor", "--max-open-files", "7", "--max-peers", "9", "--json", limits=with_files(200)).json()
    found = next(c for c in done["checks"] if c["check"] == "files")
    for part in ("200 files and connections", "9 peers", " 7 files"):
        check(part in found["text"], "text", found)
    check_eq(found["result"], "warn", "result")


@test("SIGHUP: lower quotas hold at once, and no transfer ends; higher ones let peers in again; what is encrypted stays")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 2 * MIB)
    d = a.daemon("--no-map")
    a.run("share", src, "--as", "alice", "-d").expect(h.OK)
    index.wait_seeds("f")
    hashed = bytes.fromhex(a.transfers()[0]["hash_v1"])
    port = a.run("status", "--json").json()["status"]["port"]
    conns = []
    w.closers.append(lambda: [c.close() for c in conns])

    def crowd(n):
        for _ in range(n):
            c = wire.Conn.dial(port).greet(hashed)
            c.send(wire.msg(wire.HAVE_NONE) + wire.msg(wire.INTERESTED))
            conns.append(c)

    def status():
        return a.run("status", "--json").expect(h.OK).json()

    def reload(text, times):
        with open(os.path.join(a.home, "config"), "w") as f:
            f.write("[daemon]\n" + text)
        d.send(signal.SIGHUP)
        h.wait_for(lambda: d.err().count(b"settings are read again") == times, 10 * h.SLOW, "SIGHUP")

    def peers_are(n, what):
        h.wait_for(lambda: status()["transfers"][0]["peers"] == n, 20 * h.SLOW, what)

    crowd(20)
    peers_are(20, "they are connected")
    reload("max-peers-per-transfer = 6\nmax-open-files = 3\nmax-memory = 16M\ntransport = tcp\n", 1)
    q = status()["status"]["quota"]
    check_eq((q["max_peers_per_transfer"], q["max_open_files"], q["max_memory_bytes"]), (6, 3, 16 * MIB), "quotas")
    peers_are(6, "those over it are let go")
    check_eq(sum(c.closed_within(0.5) for c in conns), 14, "closed")
    check("from the next start on also: transport" in d.err_text(), "what cannot change", d.err_text())
    reload("max-peers = 4\n", 2)
    peers_are(4, "of all together")
    check_eq(status()["status"]["quota"]["connections"], 4, "connections")
    reload("max-peers = 40\n", 3)
    b.run("get", "f", "--wait", "20").expect(h.OK)
    h.check_same(b.path("f"), src)
    peers_are(4, "who fetched has left")
    have = status()["transfers"][0]["peers"]
    crowd(20)
    peers_are(have + 20, "there is room again")
    reload("encryption = require\n", 4)
    peers_are(0, "who talks in the clear is let go")
    t = status()["transfers"][0]
    check_eq((t["state"], t["why"]), ("seeding", None), "the transfer goes on")


if __name__ == "__main__":
    raise SystemExit(h.main())
