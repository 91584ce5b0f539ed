#!/usr/bin/python3
"""shoal top: the daemon on a whole screen."""

import os
import signal

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test
from terminal import Terminal


def top(w, peer, **kw):
    return Terminal(w, peer.args("top"), w.env(peer.home), peer.dir, **kw)


def busy(w):
    """A daemon with three transfers, one of which goes on and on, and one that a stranger named."""
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    h.make_file(a.path("slow.bin"), 4 * MIB, 1)
    h.make_file(b.path("done.bin"), 300 * KIB, 2)
    a.share(a.path("slow.bin"), "--limit-up", "40K", "--limit-lan")
    b.daemon()
    b.run("share", b.path("done.bin"), "-d").expect(h.OK)
    b.run("get", "slow.bin", "-d", "-o", b.path("slow.bin")).expect(h.OK)
    with open(b.path("odd.torrent"), "wb") as f:
        info = {"name": "日本\x1b[31m\x07語", "length": 5, "piece length": 16 * KIB, "pieces": bytes(20)}
        f.write(wire.bencode({"info": info}))
    b.run("get", b.path("odd.torrent"), "-d", "-o", b.path("odd")).expect(h.OK)
    return index, a, b


@test("transfers, pieces, peers are shown; keys select, pause, resume, sort, explain; sizes change; names do no harm")
def _(w):
    _, a, b = busy(w)
    t = top(w, b)
    t.wait(r"^shoal .*3 transfers")
    t.wait(r"^ +1 b/done\.bin@1 +seeding +100%")
    t.wait(r"^ +2 a/slow\.bin@1 +downloading +\d+% +[\d.]+ KiB/s")
    t.wait(r"日本\\x1b\[31m\\x07語")
    t.wait(r"^\[#+\] 19 of 19 pieces")
    lines = t.lines()
    row = next(x for x in t.cells if "日" in x)
    first = next(x for x in t.cells if "%" in x)
    check_eq(row.index("%") - row.index("日"), first.index("%") - 5, "columns are aligned")
    check("\x1b[31m" not in t.raw and "\x07" not in t.raw, "a stranger's escape sequence came through")
    check(any(x.startswith("q quit") for x in lines), "keys", lines)
    t.send("j")
    t.wait(r"^2 a/slow\.bin@1\n\[[#+.-]+\] \d+ of \d+ pieces\nHAS .*\n100% +[\d.]+ .*127\.0\.0\.1:\d+ +shoal")
    t.send("p")
    t.wait(r"^ +2 a/slow\.bin@1 +paused")
    check_eq(b.transfers("2")[0]["state"], "paused")
    t.send("r")
    t.wait(r"^ +2 a/slow\.bin@1 +downloading")
    t.send("s")
    t.wait(r"NAME\*")
    t.send("\r")
    t.wait(r"^2 a/slow\.bin@1\nstate +downloading")
    t.wait(r"^path +" + os.path.join(b.dir, "slow.bin")[:40])
    t.send("?")
    t.wait(r"pause, resume it")
    t.send("\x1b")
    t.wait(r"^ID|^ +ID")
    t.resize(40, 10)
    t.wait(r"^ +2 a/slow\.bin.* +\d+%")
    check(all(len(x) <= 40 for x in t.lines()), "lines are too long", t.lines())
    t.resize(100, 30)
    t.wait(r"PEERS ETA")
    t.send("q")
    t.wait_end(0)


@test("the terminal is given back: by q, SIGINT, SIGTERM, and while it is stopped; a daemon that goes and comes")
def _(w):
    w.index()
    b = w.peer("b")
    d = b.daemon()
    for signo in (signal.SIGINT, signal.SIGTERM):
        t = top(w, b)
        t.wait("the daemon has no transfers")
        check(not t.is_restored(), "it has taken the terminal")
        os.kill(t.pid(), signo)
        t.wait_end(0)
    t = top(w, b)
    t.wait("the daemon has no transfers")
    os.kill(t.pid(), signal.SIGTSTP)
    h.wait_for(t.is_stopped, 10 * h.SLOW, "it is stopped")
    check(t.is_restored(), "stopped, it holds the terminal")
    t.read()
    t.raw = ""
    os.kill(t.pid(), signal.SIGCONT)
    h.wait_for(lambda: t.text() and "the daemon has no transfers" in t.raw, 10 * h.SLOW, "it draws anew")
    d.stop(signal.SIGTERM)
    t.wait("no daemon runs from this home")
    d = b.daemon()
    t.wait("^q quit")
    t.send("q")
    t.wait_end(0)


@test("where there is nothing to draw on it says so, and how to go on")
def _(w):
    w.index()
    b = w.peer("b")
    t = top(w, b)
    t.wait_end(h.NOT_FOUND)
    check("shoal daemon -d" in t.raw, "how to start one", t.raw)
    b.daemon()
    b.run("top").expect(h.USAGE).error_line("terminal", "shoal status --watch")
    b.run("top", "--json").expect(h.USAGE)
    for term in ("dumb", "no-such-terminal"):
        t = top(w, b, term=term)
        t.wait_end(h.USAGE)
        check("TERM" in t.raw and "status --watch" in t.raw, "refusal", t.raw)
    t = top(w, b, columns=15, rows=4)
    t.wait("too small")
    t.resize(80, 24)
    t.wait("the daemon has no transfers")
    t.send("q")
    t.wait_end(0)


if __name__ == "__main__":
    raise SystemExit(h.main())
