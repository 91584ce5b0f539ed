#!/usr/bin/python3
"""Asking peers that run: why is it slow, and will you leave? And leaving with what nobody else has."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import time

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test


def sockets(peer):
    run = os.path.join(peer.home, "run")
    return os.listdir(run) if os.path.isdir(run) else []


def causes(peer, name, **kw):
    """[(cause, sentence)] of a download that runs."""
    done = peer.run("explain", name, "--json", **kw)
    if done.code != h.OK:
        return []
    return [(y["cause"], y["text"]) for x in done.json()["explained"] for y in x["why"]]


def wait_cause(peer, name, cause, says="", seconds=30):
    def there():
        found = causes(peer, name)
        return next((text for c, text in found if c == cause and says in text), None)
    return h.wait_for(there, seconds * h.SLOW, f"explain says {cause}", every=0.2)


def torrent(w, size=8 * MIB):
    a = w.peer("a")
    src = h.make_file(a.path("f"), size)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "64K").expect(h.OK)
    return a.path("f.torrent"), wire.Torrent.load(a.path("f.torrent"), src)


@test("explain: few sources, with rate and round trip, of one slow peer; in words and as JSON")
def _(w):
    path, t = torrent(w)
    s = wire.SlowSeed(t, 300 * KIB)
    g = w.peer("g", "http://127.0.0.1:1")
    get = g.start("get", path, "--wait", "60", "--peer", s.addr)
    text = wait_cause(g, "f", "few_sources", "iB/s")
    check("1 connected peer has" in text, "the sentence", text)
    one = g.run("explain", "f", "--json").expect(h.OK).json()["explained"][0]
    f = one["facts"]
    check_eq((f["peers"], f["useful"], f["unchoked"], f["total_bytes"]), (1, 1, 1, 8 * MIB), "facts")
    check(f["requests"] > 0 and one["phase"] == "downloading" and one["peer"] == str(get.pid), "facts", one)
    text = g.run("explain").expect(h.OK).out
    for part in ("f: downloading", "1. few sources", "blocks asked for", "round trip"):
        check(part in text, f"in words: {part}", text)
    g.run("explain", "other").expect(h.NOT_FOUND).error_line("other")
    get.stop().expect(h.INTERRUPTED)
    s.stop()


@test("explain: choked, by a peer that has everything and gives nothing")
def _(w):
    path, t = torrent(w, MIB)
    s = wire.ChokingSeed(t)
    g = w.peer("g", "http://127.0.0.1:1")
    get = g.start("get", path, "--wait", "60", "--peer", s.addr)
    check("of 1 peer with something that is missing 0 let us" in wait_cause(g, "f", "choked"), "the sentence")
    get.stop().expect(h.INTERRUPTED)
    s.stop()


@test("explain: nobody there, and the tracker's words when it is that")
def _(w):
    path, t = torrent(w)
    g = w.peer("g", "http://127.0.0.1:1")
    port = h.free_port()
    get = g.start("get", path, "--wait", "60", "--tracker", f"http://127.0.0.1:{port}/announce")
    wait_cause(g, "f", "no_peers")
    text = wait_cause(g, "f", "tracker")
    check("no tracker has answered" in text, "the sentence", text)
    get.stop().expect(h.INTERRUPTED)


@test("explain: complete; an info-hash and OWNER/NAME name it, too")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 100_000), "--as", "alice")
    e = index.entry("f")
    for name in ("f", "alice/f", "alice/f@1", "f@1", e["hash_v1"], e["hash_v2"]):
        check_eq([c for c, _ in causes(a, name)], ["not_downloading"], name)
    check_eq(causes(a, "f@2"), [], "f@2")


@test("explain NAME tells of all that are called so, whoever's they are, and knows each name of one content")
def _(w):
    w.index()
    a = w.peer("a")
    a.daemon()
    one, other = h.make_file(a.path("f"), 100_000), h.make_file(a.path("g"), 50_000)
    for path, *options in ((one, "--name", "first"), (one, "--name", "second"), (other, "--name", "second", "--as", "bob")):
        a.run("share", path, *options, "-d").expect(h.OK)
    for name, want in (("first", {"a/first@1"}), ("second", {"a/first@1", "bob/second@1"}), ("a/second", {"a/first@1"}),
                       ("a/second@1", {"a/first@1"}), ("bob/second", {"bob/second@1"})):
        told = a.run("explain", name, "--json").expect(h.OK).json()["explained"]
        check_eq({x["title"] for x in told}, want, name)
        check_eq({t for x in told for t in x.get("also", [])}, {"a/second@1"} if "a/first@1" in want else set(), name)
    check("a/first@1, a/second@1: seeding" in a.run("explain", "a/second").out, "in words")
    a.run("explain", "third").expect(h.NOT_FOUND)


@test("leave ends every running peer of the home, and says so; without one it is exit 3")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.run("leave").expect(h.NOT_FOUND).error_line("no peer is running")
    a.run("explain").expect(h.NOT_FOUND)
    procs = [a.share(h.make_file(a.path(f"f{i}"), 10_000, seed=i)) for i in range(2)]
    other = b.share(h.make_file(b.path("g"), 10_000, seed=9))
    check_eq(sorted(sockets(a)), sorted(f"{p.pid}.sock" for p in procs), "sockets")
    check_eq(os.stat(os.path.join(a.home, "run")).st_mode & 0o777, 0o700, "mode of the folder")
    check_eq(os.stat(os.path.join(a.home, "run", f"{procs[0].pid}.sock")).st_mode & 0o777, 0o600, "mode of a socket")
    done = a.run("leave", "--json").expect(h.OK).json()
    check_eq(sorted(x["peer"] for x in done["left"]), sorted(str(p.pid) for p in procs), "who has left")
    check(all(x["pieces_only_here"] > 0 for x in done["left"]), "and with what", done)
    for p in procs:
        p.wait(10 * h.SLOW).expect(h.OK)
        check("only copy" in p.err_text(), "the peer says it, too", p.err_text())
    check_eq(sockets(a), [], "sockets are gone")
    check(other.alive(), "others' peers are left alone")


@test("a killed peer's socket is cleared away by the next command; what is no question is refused")
def _(w):
    w.index()
    a = w.peer("a")
    p = a.share(h.make_file(a.path("f"), 10_000))
    p.kill()
    check_eq(len(sockets(a)), 1, "it is left")
    a.run("explain").expect(h.NOT_FOUND)
    check_eq(sockets(a), [], "it is cleared away")
    p = a.share(a.path("f"))
    for line, code in ((b"{}", "malformed"), (b"[1]", "malformed"), (b"\x00\xff", "malformed"),
                       (b'{"verb": 3}', "malformed"), (b'{"verb": "fly"}', "invalid"), (b"{" * 9000, "malformed")):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(a.home, "run", f"{p.pid}.sock"))
            s.settimeout(10 * h.SLOW)
            s.sendall(line + b"\n")
            answer = b""
            while chunk := s.recv(4096):
                answer += chunk
        check_eq(json.loads(answer)["error"]["code"], code, repr(line[:20]))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(a.home, "run", f"{p.pid}.sock"))
        try:
            s.sendall(b"x" * MIB)
        except OSError:
            pass
    check(p.alive(), "it lives")
    p.stop().expect(h.OK)


@test("who leaves with the only copy says so; not when others have it, as the index knows")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    p = a.share(h.make_file(a.path("f"), 300_000), "--as", "alice", "--piece-length", "16K")
    done = p.stop(signal.SIGTERM).expect(h.OK)
    check("the only copy of 19 pieces of alice/f@1" in done.err, "warning", done.err)
    check(done.seconds < 60, "at once")
    p = a.share(a.path("f"), "--as", "alice")
    seed = b.start("get", "f", "--seed")
    index.wait_seeds("f", 2)
    done = p.stop(signal.SIGTERM).expect(h.OK)
    check("only copy" not in done.err, "no warning", done.err)
    both = a.start("share", h.make_file(a.path("x"), 1000), h.make_file(a.path("y"), 2000), "--as", "alice")
    index.wait_seeds("x")
    index.wait_seeds("y")
    left = a.run("leave").expect(h.OK)
    check(re.search("only copy of 2 pieces of alice/[xy]@1 and others\n", left.err), "of several", left.err)
    check(" and others" in both.wait(10 * h.SLOW).err, "the peer says it, too", both.err())
    index.proc.kill()
    done = seed.stop(signal.SIGTERM)
    check("only copy" in done.err, "without the index nobody knows of others", done.err)


@test("a daemon asks the index of each of its torrents who else has it before it says that nobody has")
def _(w):
    indexes = [w.index(), w.index(data=w.path("other-index"))]
    a = w.peer("a")
    daemon = a.daemon()
    for i, index in enumerate(indexes):
        b = w.peer(f"b{i}", index)
        b.share(h.make_file(b.path(f"f{i}"), 300_000, seed=i))
        a.run("get", f"f{i}", "--index", index.url).expect(h.OK)
        index.wait_seeds(f"f{i}", 2)
    left = a.run("leave").expect(h.OK)
    check("only copy" not in left.err, "both indexes know better", left.err)
    daemon.wait(20 * h.SLOW)
    daemon = a.daemon()
    for i, index in enumerate(indexes):
        index.wait_seeds(f"f{i}", 2)
    indexes[1].proc.kill()
    left = a.run("leave").expect(h.OK)
    check("pieces of b1/f1@1\n" in left.err, "what no index knows of", left.err)
    daemon.wait(20 * h.SLOW)


class Terminal:
    """A peer whose stderr is a terminal."""

    def __init__(self, peer, verb, *args):
        self.master, slave = pty.openpty()
        self.text = b""
        env = peer.world.env(peer.home)
        self.p = h.subprocess.Popen(peer.args(verb, *args), stdout=h.subprocess.DEVNULL, stdin=slave, stderr=slave,
                                    env=env, cwd=peer.dir)
        os.close(slave)
        os.set_blocking(self.master, False)
        peer.world.closers.append(self.end)

    def says(self, what):
        try:
            while chunk := os.read(self.master, 4096):
                self.text += chunk
        except OSError:
            pass
        return what in self.text

    def end(self):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        os.close(self.master)


@test("on a terminal the first Ctrl-C warns and waits until others have it, the second leaves")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    h.make_file(a.path("f"), 300_000)
    t = Terminal(a, "share", "f", "--as", "alice")
    index.wait_seeds("f")
    t.p.send_signal(signal.SIGINT)
    h.wait_for(lambda: t.says(b"you hold the only copy of"), 10 * h.SLOW, "the warning")
    check(t.says(b"Ctrl-C again leaves, or wait: draining"), "what can be done", t.text)
    check(t.p.poll() is None, "it stays")
    t.p.send_signal(signal.SIGINT)
    check_eq(t.p.wait(10 * h.SLOW), h.OK, "the second one leaves")

    t = Terminal(a, "share", "f", "--as", "alice")
    index.wait_seeds("f")
    t.p.send_signal(signal.SIGINT)
    h.wait_for(lambda: t.says(b"draining"), 10 * h.SLOW, "the warning")
    seed = b.start("get", "f", "--seed")
    check_eq(t.p.wait(30 * h.SLOW), h.OK, "it leaves by itself")
    h.wait_for(lambda: t.says(b"others have everything now"), 5, "and says why")
    h.check_same(b.path("f"), a.path("f"))
    seed.stop().expect(h.OK)


@test("--drain stays until others have everything, or for --drain-timeout; leave --drain asks for it")
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_file(a.path("f"), 2 * MIB)
    p = a.share(src, "--drain")
    p.send(signal.SIGTERM)
    h.wait_for(lambda: b"draining for up to 10m" in p.err(), 10 * h.SLOW, "it drains")
    seed = b.start("get", "f", "--seed")
    p.wait(30 * h.SLOW).expect(h.OK)
    h.wait_for(lambda: os.path.exists(b.path("f")), 10 * h.SLOW, "others have it")
    h.check_same(b.path("f"), src)
    seed.stop().expect(h.OK)

    p = a.share(src, "--drain", "--drain-timeout", "1s")
    done = p.stop(signal.SIGTERM, seconds=20).expect(h.OK)
    check("leaving with the only copy of" in done.err, "the time is over", done.err)

    p = a.share(src)
    leave = a.start("leave", "--drain", "--json")
    h.wait_for(lambda: b"draining" in p.err(), 10 * h.SLOW, "it drains")
    check(leave.alive(), "leave waits")
    seed = c.start("get", "f", "--seed")
    left = leave.wait(30 * h.SLOW).expect(h.OK).json()["left"]
    check_eq([x["pieces_only_here"] for x in left], [0], "nothing is lost")
    p.wait(10 * h.SLOW).expect(h.OK)
    seed.wait_got()
    index.wait_seeds("f", 1)
    seed.stop().expect(h.OK)


def locked(path, mode):
    fd = os.open(path, mode, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def opens(p, path):
    return any(os.path.realpath(f"/proc/{p.pid}/fd/{n}") == os.path.realpath(path) for n in os.listdir(f"/proc/{p.pid}/fd"))


@test("a signal while a start waits for something ends it as documented: daemon and index with 0, share and get with 130")
def _(w):
    a = w.peer("a")
    src = h.make_file(a.path("f"), 1000)
    run = os.path.join(a.home, "run")
    os.makedirs(run, mode=0o700)
    silent = socket.create_server((h.HOST, 0))
    asked = []
    sites = a.path("sites")
    os.mkfifo(sites)
    url = f"http://{h.HOST}:{silent.getsockname()[1]}"
    for signo in (signal.SIGTERM, signal.SIGINT):
        fd = locked(os.path.join(run, "daemon.lock"), os.O_RDWR | os.O_CREAT)
        p = a.start("daemon")
        h.wait_for(lambda: opens(p, os.path.join(run, "daemon.lock")), 20 * h.SLOW, "it waits for the one before")
        p.stop(signo).expect(h.OK)
        os.close(fd)
        p = a.start("index", "--data", a.path("data"), "--sites", sites)
        h.wait_for(lambda: h.hears(p.pid, signal.SIGTERM), 5 * h.SLOW, "it listens to signals")
        p.stop(signo).expect(h.OK)
        fd = locked(a.home, os.O_RDONLY)
        p = a.start("share", src)
        h.wait_for(lambda: opens(p, a.home), 20 * h.SLOW, "it waits for its home")
        check_eq(p.stop(signo).expect(h.INTERRUPTED).err, "stopped before anything was shared\n", "what it says")
        os.close(fd)
        p = a.start("get", "f", "--index", url)
        silent.settimeout(20 * h.SLOW)
        asked.append(silent.accept())
        p.stop(signo).expect(h.INTERRUPTED)


@test("a signal at any of the first moments of a start ends it in order")
def _(w):
    index, a = w.index(), w.peer("a")
    src = h.make_file(a.path("f"), 1000)
    a.run("create", src, "-o", a.path("f.torrent")).expect(h.OK)
    for ms in range(0, 40, 2):
        for code, *args in ((0, "daemon", "--port", "0", "--http-port", "0"), (130, "get", a.path("f.torrent"), "-o", a.path(f"new{ms}/"))):
            p = a.start(*args)
            h.wait_for(lambda: not p.alive() or h.hears(p.pid, signal.SIGTERM), 20 * h.SLOW, "it listens to signals", every=0.001)
            time.sleep(ms / 1000)
            p.stop(signal.SIGTERM if ms % 4 else signal.SIGINT).expect(code)
    check("daemon" in a.run("status").err, "none runs")


if __name__ == "__main__":
    raise SystemExit(h.main())
