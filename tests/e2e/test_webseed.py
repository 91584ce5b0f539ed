#!/usr/bin/python3
"""Webseeds (BEP 19): what web servers have of a torrent is fetched from them, too, and believed no more than a peer."""

import contextlib
import os
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test
from web import Web

KINDS = {"hybrid": [], "v1": ["--v1-only"], "v2": ["--v2-only"]}


def torrent(p, src, *webseeds, kind="hybrid", more=()):
    """A .torrent of `src` that names webseeds, made by the peer."""
    out = p.path("t.torrent")
    p.run("create", src, "-o", out, *KINDS[kind], *[a for u in webseeds for a in ("--webseed", u)], *more).expect(h.OK)
    return out


def site(w):
    os.makedirs(os.path.join(w.dir, "www"), exist_ok=True)
    return os.path.join(w.dir, "www")


ODD = {"a.txt": 10, "sub/b c%20d?.bin": 700_000, "sub/ä#é/&=+;.dat": 90_001, "e": 0, "z": 333_333, "sub/16k": 16384}


@test("a file comes from a web server alone, whatever kind of torrent", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "disk image.bin"), 9 * MIB + 777)
    for kind in KINDS:
        p = w.peer(kind)
        with Web(www) as web:
            t = torrent(p, src, kind=kind)
            p.run("get", t, "--webseed", web.url, seconds=40).expect(h.OK)
            h.check_same(p.path("disk image.bin"), src)
            check(len(web.asked) <= 12, f"{kind}: long runs, few requests", web.asked)
            check(web.sent < 10 * MIB, f"{kind}: not much comes twice", web.sent)


@test("a folder with odd names comes from a web server alone, and pads are not asked for", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "odd folder"), ODD)
    for kind in KINDS:
        p = w.peer(kind)
        with Web(www) as web:
            t = torrent(p, src, kind=kind, more=["--piece-length", "32K"])
            p.run("get", t, "--webseed", web.url.rstrip("/"), seconds=40).expect(h.OK)
            h.check_same(p.path("odd folder"), src)
            check(not [a for a, _ in web.asked if b".pad" in a], "no pad is asked for", web.asked)


@test("a web server that takes its time is a holder, to who has a daemon fetch it, too: one file and several", 90)
def _(w):
    www = site(w)
    until = []  # longer after the first request than a get waits for a holder, and less than for an answer

    def late(path):
        until.append(time.monotonic() + 9)
        time.sleep(max(0, until[0] - time.monotonic()))
        return "well"
    names = [h.make_file(os.path.join(www, n), 200_000, seed=n) for n in ("f", "g", "h")]
    p = w.peer("p")
    p.daemon()
    with Web(www, late) as web:
        files = [p.path(os.path.basename(n) + ".torrent") for n in names]
        for src, out in zip(names, files):
            p.run("create", src, "-o", out).expect(h.OK)
        several = p.start("get", *files[1:], "--webseed", web.url)
        one = p.run("get", files[0], "--webseed", web.url, seconds=40).expect(h.OK)
        check("no holder" not in one.err, "what it says", one.err)
        done = several.wait(40 * h.SLOW).expect(h.OK)
        check("no holder" not in done.err, "what it says", done.err)


@test("share and create put webseeds in, and get of the name uses them when the sharer is gone", 60)
def _(w):
    w.index()
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 3 * MIB)
    with Web(www) as web:
        a, b = w.peer("a"), w.peer("b")
        s = a.share(src, "--webseed", web.url, name="f")
        s.stop()
        b.run("get", "f", seconds=40).expect(h.OK)
        h.check_same(b.path("f.bin"), src)
        check(web.sent >= 3 * MIB, "it came from the web server", web.sent)
    a.run("create", src, "-o", a.path("x.torrent"), "--webseed", "ftp://h/x").expect(h.USAGE).error_line("webseed")


@test("a web server that sends a wrong byte is not asked again, and the download goes on from peers", 60)
def _(w):
    w.index()
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 6 * MIB)
    for kind in KINDS:
        a, b = w.peer("a" + kind), w.peer("b" + kind)
        with Web(www, "wrong") as bad:
            a.share(src, *KINDS[kind], name="f" + kind)
            b.run("get", "f" + kind, "--webseed", bad.url, seconds=40).expect(h.OK)
            h.check_same(b.path("f.bin"), src)
            n = len(bad.asked)
            check(n <= 4, "it is not asked on", n)


@test("a lying web server alone: nothing wrong is kept, and get says that nobody has it", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 2 * MIB)
    p = w.peer("p")
    with Web(www, "wrong") as bad:
        t = torrent(p, src)
        done = p.run("get", t, "--webseed", bad.url, "--wait", "2", "-v", seconds=40).expect(h.NO_HOLDER)
        check("not asked again" in done.err, "banned, and it is said", done.err)
        check(not os.path.exists(p.path("f.bin")), "nothing at the final name")


@test("two web servers and a peer bring it together", 60)
def _(w):
    w.index()
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 24 * MIB)
    a, b = w.peer("a"), w.peer("b")
    with Web(www, "slow") as one, Web(www, "slow") as two:
        a.share(src, name="f")
        b.run("get", "f", "--webseed", one.url, "--webseed", two.url, seconds=50).expect(h.OK)
        h.check_same(b.path("f.bin"), src)


@test("answers of every bad kind cost the server its place, or a pause, and never the data", 120)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 2 * MIB + 5)
    said = {"shifted": "another part", "size": "another size", "gzip": "compressed", "403": "403", "404": "404",
            "418": "418", "503": "503", "500": "500", "hang": "", "half": "", "endless": ""}
    for how, word in said.items():
        p = w.peer("p" + how)
        t = torrent(p, src)
        with Web(www) as good, Web(www, how) as bad:
            # The bad one is the torrent's user's first choice; the other comes in for it.
            done = p.run("get", t, "--webseed", bad.url, "--webseed", good.url, "-v", seconds=60).expect(h.OK)
            h.check_same(p.path("f.bin"), src)
            check(not bad.asked or word in done.err, f"{how}: it is said", done.err[-1500:])


@test("a server that is busy for a while is asked again", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 1 * MIB)
    p = w.peer("p")
    tries = []
    with Web(www, lambda path: tries.append(1) or ("503" if len(tries) < 3 else "well")) as web:
        p.run("get", torrent(p, src), "--webseed", web.url, "--wait", "30", seconds=50).expect(h.OK)
        h.check_same(p.path("f.bin"), src)


@test("a server that knows no ranges serves small files, and not large ones", 60)
def _(w):
    www = site(w)
    small = h.make_file(os.path.join(www, "small"), 3 * MIB)
    large = h.make_file(os.path.join(www, "large"), 17 * MIB)
    p = w.peer("p")
    with Web(www, "whole") as web:
        p.run("get", torrent(p, small), "--webseed", web.url, seconds=50).expect(h.OK)
        h.check_same(p.path("small"), small)
    os.unlink(p.path("t.torrent"))
    with Web(www, "whole") as web:
        done = p.run("get", torrent(p, large), "--webseed", web.url, "--wait", "1", "-v", seconds=50).expect(h.NO_HOLDER)
        check("whole files only" in done.err, "the reason is said", done.err)


@test("of a folder a server that knows no ranges serves the small files, and is asked once for all large ones", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "d"), {"1 large": 17 * MIB, "2 small": 1 * MIB, "3 large": 17 * MIB, "4 small": 1 * MIB})
    p = w.peer("p")
    with Web(www, "whole") as web, Web(www, lambda path: "404" if path.endswith(b"small") else "well") as other:
        p.run("get", torrent(p, src), "--webseed", web.url, "--webseed", other.url, seconds=50).expect(h.OK)
        h.check_same(p.path("d"), src)
        check_eq(len([path for path, _ in web.asked if path.endswith(b"large")]), 1, "requests for large files")


@test("web servers that have nothing of what is missing make way for one that has it, where there are more than are asked at a time", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "d"), {"a": 1 * MIB, "b": 1 * MIB})
    p = w.peer("p")
    with contextlib.ExitStack() as stack:
        lacking = [stack.enter_context(Web(www, lambda path: "404" if path.endswith(b"/b") else "well")) for _ in range(4)]
        last = stack.enter_context(Web(www))
        p.run("get", torrent(p, src), *(a for web in (*lacking, last) for a in ("--webseed", web.url)), seconds=40).expect(h.OK)
        h.check_same(p.path("d"), src)


@test("get gives up on a folder when what is left of it is what its web server does not have", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "d"), {"a": 1 * MIB, "b": 1 * MIB})
    p = w.peer("p")
    with Web(www, lambda path: "404" if path.endswith(b"/b") else "well") as web:
        p.run("get", torrent(p, src), "--webseed", web.url, "--wait", "1", seconds=40).expect(h.NO_HOLDER)


@test("a file that is missing in a folder is left to others, and the rest comes", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "d"), {"a": 1 * MIB, "b": 1 * MIB, "c": 1 * MIB})
    p = w.peer("p")
    t = torrent(p, src, more=["--piece-length", "64K"])
    with Web(www, lambda path: "404" if path.endswith(b"/b") else "well") as web, Web(www) as other:
        p.run("get", t, "--webseed", web.url, "--webseed", other.url, seconds=50).expect(h.OK)
        h.check_same(p.path("d"), src)


@test("redirects are followed to web servers and nowhere else", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 1 * MIB)
    p = w.peer("p")
    with Web(www) as good, Web(www, "to " + good.url.rstrip("/")) as via:
        p.run("get", torrent(p, src), "--webseed", via.url, seconds=50).expect(h.OK)
        h.check_same(p.path("f.bin"), src)
    for where in ("file://" + www, "ftp://127.0.0.1"):
        q = w.peer("q" + where[:3])
        with Web(www, "to " + where) as via:
            q.run("get", torrent(q, src), "--webseed", via.url, "--wait", "1", seconds=50).expect(h.NO_HOLDER)
            check_eq(h.part_bytes(q.dir) < MIB, True, "nothing came")


@test("a stranger's torrent does not make us ask this machine or this network; an index of this machine may name it", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 1 * MIB)
    p = w.peer("p")
    with Web(www) as web:
        names = [web.url, web.url.replace("127.0.0.1", "localhost"), web.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
                 web.url.replace("127.0.0.1", "0.0.0.0"), web.url.replace("127.0.0.1", "2130706433")]
        t = torrent(p, src, *names)
        done = p.run("get", t, "--wait", "2", "-v", seconds=50).expect(h.NO_HOLDER)
        check_eq(web.asked, [], "nobody was asked")
        check("this machine or in this network" in done.err, "it is said", done.err)
        # What the user names may be anywhere, also when the torrent names it, too.
        p.run("get", t, "--webseed", web.url, seconds=50).expect(h.OK)


@test("an interrupted download from a web server goes on where it was", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 24 * MIB)
    p = w.peer("p")
    with Web(www, "slow") as web:
        t = torrent(p, src)
        g = p.start("get", t, "--webseed", web.url)
        h.wait_for(lambda: web.sent > 6 * MIB, 30, "some of it came")
        g.stop()
        web.how = "well"
        p.run("get", t, "--webseed", web.url, seconds=50).expect(h.OK)
        h.check_same(p.path("f.bin"), src)
        check(web.sent < 34 * MIB, "little came twice", web.sent)


@test("of a folder only what is wanted is asked of a web server, and in sequence if told so", 60)
def _(w):
    www = site(w)
    src = h.make_tree(os.path.join(www, "d"), {"a": 4 * MIB, "b": 4 * MIB, "c": 4 * MIB})
    p, q = w.peer("p"), w.peer("q")
    t = torrent(p, src, more=["--piece-length", "64K"])
    with Web(www) as web:
        p.run("get", t, "--only", "b", "--webseed", web.url, seconds=50).expect(h.OK)
        h.check_same(p.path("d", "b"), os.path.join(src, "b"))
        check(web.sent < 4 * MIB + 300 * KIB, "nothing else was asked for", web.sent, web.asked)
    with Web(www) as web:
        q.run("get", t, "--sequential", "--webseed", web.url, seconds=50).expect(h.OK)
        h.check_same(q.path("d"), src)
        starts = [(path, int(ask[6:].split("-")[0])) for path, ask in web.asked]
        check_eq(starts, sorted(starts), "from the front to the end")


@test("limits of rate hold for web servers, too", 60)
def _(w):
    www = site(w)
    src = h.make_file(os.path.join(www, "f.bin"), 2 * MIB)
    p = w.peer("p")
    with Web(www) as web:
        start = time.monotonic()
        p.run("get", torrent(p, src), "--webseed", web.url, "--limit-down", "512K", "--limit-lan", seconds=50).expect(h.OK)
        took = time.monotonic() - start
        h.check_same(p.path("f.bin"), src)
        check(took > 3.2, "2 MiB at 512 KiB a second", took)


if __name__ == "__main__":
    h.main()
