#!/usr/bin/python3
"""What hands that know curl, aria2, Transmission, rsync and git do without thinking."""

import os
import signal
import subprocess

import harness as h
from harness import KIB, check, check_eq, test


def torrent_url(index, name):
    return f"{index.url}/api/v1/entries/{index.entry(name)['id']}/torrent"


@test("get, info and verify take the address of a .torrent, one or several; what is none, or not there, is said")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b", "http://127.0.0.1:1")
    src = [h.make_file(a.path(name), 100 * KIB, seed) for seed, name in enumerate(("one", "two"))]
    a.share(*src)
    one, two = torrent_url(index, "one"), torrent_url(index, "two")
    b.run("get", one).expect(h.OK)
    h.check_same(b.path("one"), src[0])
    check("name:          one" in b.run("info", one).expect(h.OK).out, "info of an address")
    b.run("verify", one, b.path("one")).expect(h.OK)
    b.run("get", one.replace("http", "HTTP", 1), two, "-q").expect(h.OK)
    h.check_same(b.path("two"), src[1])
    b.run("get", index.url + "/nothing.torrent").expect(h.NOT_FOUND).error_line("/nothing.torrent: the server answers with status 404")
    said = b.run("get", index.url + "/", one).expect(h.CORRUPT).err
    check("not a usable .torrent" in said, "what is no .torrent", said)


@test("an entry whose name ends in .torrent is got by it, unless there is such a file; what is neither is said to be neither")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = [h.make_file(a.path(n), 1000, n) for n in ("x.torrent", "y")]
    a.share(src[0])
    a.share(src[1])
    for ref, more in (("x.torrent", ()), ("a/x.torrent", ("-o", "by owner"))):
        b.run("get", ref, *more).expect(h.OK)
    h.check_same(b.path("x.torrent"), src[0])
    h.check_same(b.path("by owner"), src[0])
    b.run("get", "x.torrent").expect(h.CORRUPT).error_line("not a usable .torrent")
    with open(b.path("file.torrent"), "wb") as f:
        f.write(index.torrent("y"))
    b.get("file.torrent")
    h.check_same(b.path("y"), src[1])
    b.run("get", "z.torrent").expect(h.NOT_FOUND).error_line("z.torrent: no such entry", "nor is there a file of that name")
    for path in ("./z.torrent", b.path("z.torrent"), "sub/folder/z.torrent"):
        b.run("get", path).expect(h.NOT_FOUND).error_line("[Nn]o such file")
    b.run("get", "z.torrent", "--index", "http://127.0.0.1:1").expect(h.UNREACHABLE).error_line("nor is there a file of that name")
    os.remove(b.path("x.torrent"))
    b.run("get", "x.torrent", "y", "-o", b.path("two")).expect(h.OK)


@test("share --exclude leaves files and folders out, in each newer version, by the daemon, too; create does so as well")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"keep.c": 10, "sub/main.o": 20, "sub/keep.c": 30, ".git/config": 40, "out/x": 50})
    but = ("--exclude", ".git", "--exclude", "*.o", "--exclude", "out/")
    os.symlink("keep.c", os.path.join(src, "link"))
    said = a.run("create", src, "-o", a.path("d.torrent"), *but).expect(h.OK).err
    check("1 links and special files left out, as link" in said, "which one", said)
    check_eq([f["path"] for f in b.run("info", a.path("d.torrent"), "--json").json()["files"]], ["keep.c", "sub/keep.c"], "files")
    a.daemon()
    a.run("share", src, "-d", "--watch", "--settle", "1", *but).expect(h.OK)
    h.make_file(os.path.join(src, ".git", "index"), 60)
    h.make_file(os.path.join(src, "sub", "new.c"), 70)
    h.wait_for(lambda: index.entry("d")["version"] == 2, 30 * h.SLOW, "the newer version is published")
    b.get("d")
    check_eq(sorted(h.tree_sums(b.path("d"))), [b"keep.c", b"sub/keep.c", b"sub/new.c"], "what is in it")
    a.run("share", src, "--exclude", "*").expect(h.USAGE).error_line("d: no file is in it that --exclude leaves")


SPARED = "peers of the own network are not limited"


@test("a limit that does not count for who is near is said not to, once; one that counts says nothing")
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    a.share(h.make_file(a.path("f"), 300 * KIB))
    check_eq(b.get("f", "--limit-down", "1M").err.count(SPARED), 1, "said by get")
    check_eq(b.get("f", "-o", "g", "--limit-down", "1M", "--limit-lan").err.count(SPARED), 0, "said with --limit-lan")
    check_eq(b.get("f", "-o", "h").err.count(SPARED), 0, "said without a limit")
    b.daemon()
    c.daemon("--limit-lan")
    check(SPARED in b.run("limit", "--down", "1M").expect(h.OK).err, "said by limit")
    check(SPARED not in b.run("limit").expect(h.OK).err, "said when nothing is set")
    check(SPARED not in c.run("limit", "--down", "1M").expect(h.OK).err, "said where they are limited")


@test("get --seed-ratio and --seed-time serve until so much was sent, or so long, and end: one, several, and by a daemon")
def _(w):
    w.index()
    a, b, c, d, e = (w.peer(name) for name in "abcde")
    share = a.share(h.make_file(a.path("f"), 200 * KIB))
    a.share(h.make_file(a.path("g"), 200 * KIB, 2))
    c.start("get", "f", "g", "--seed-time", "1").wait(30 * h.SLOW).expect(h.OK)
    d.daemon()
    d.run("get", "f", "--seed-ratio", "1").expect(h.OK)
    share.stop().expect(h.OK)

    def state():
        return d.transfers("1")[0]["state"]
    check_eq(state(), "seeding", "the daemon's, as long as nobody fetches from it")
    one = b.start("get", "f", "--seed-ratio", "0.5")
    h.wait_for(lambda: state() == "done", 30 * h.SLOW, "the daemon's is done")
    d.run("resume", "1").expect(h.OK)
    h.wait_for(lambda: state() == "seeding", 30 * h.SLOW, "and serves again when it is told to")
    h.wait_for(lambda: b"verified" in one.out(), 30 * h.SLOW, "it has all")
    e.run("get", "f", "--from", f"{h.HOST}:{one.port()}", "--no-upload").expect(h.OK)
    one.wait(30 * h.SLOW).expect(h.OK)
    for bad in ("0", "1.", ".5", "1.0001", "1001", "x"):
        b.run("get", "f", "--seed-ratio", bad).expect(h.USAGE).error_line("not a number of copies")
    b.run("get", "f", "--seed-time", "1", "--follow").expect(h.USAGE)


@test("-o makes the folder that is meant: with a slash at its end, or for several; else a missing one is an error")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000), h.make_file(a.path("g"), 2000))
    b.get("f", "-o", b.path("new/one") + "/")
    b.run("get", "f", "g", "-o", b.path("new/two")).expect(h.OK)
    check_eq(sorted(h.tree_sums(b.path("new"))), [b"one/f", b"two/f", b"two/g"], "files")
    b.run("get", "f", "-o", b.path("other/f")).expect(h.NOT_FOUND).error_line("other: No such file or directory")
    h.make_file(b.path("file"), 10)
    b.run("get", "d/sub/f").expect(h.USAGE).error_line("one file of a folder is fetched by NAME --only PATH")
    b.run("get", "f", "g", "-o", b.path("file")).expect(h.TAKEN).error_line("Not a directory")
    b.daemon()
    b.run("get", "g", "-o", b.path("new/three") + "/").expect(h.OK)
    check(os.path.exists(b.path("new/three/g")), "by the daemon")


@test("a folder that get made for -o goes again when nothing came; what was there, or has something in it, stays")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 1000)
    a.run("create", h.make_file(a.path("g"), 1000, seed=7), "-o", b.path("f.torrent")).expect(h.OK)
    a.share(src)
    os.mkdir(b.path("kept"))
    for what in (("nosuch",), ("nosuch", "neither")):
        for new in ("new/", "x/y/", b.path("x//y/")):
            b.run("get", *what, "-o", new).expect(h.NOT_FOUND)
            check(not os.path.exists(b.path(new.split("/")[0] or "x")), "it is gone", what, new, os.listdir(b.dir))
        b.run("get", *what, "-o", "kept/").expect(h.NOT_FOUND)
        b.run("get", *what, "-o", "kept/x/y/").expect(h.NOT_FOUND)
        check_eq(os.listdir(b.path("kept")), [], "what was there stays")
    b.run("get", "f.torrent", "-o", "begun/", "--wait", "1", "--no-dht", "--no-lsd", "--peer", f"{h.HOST}:1").expect(h.NO_HOLDER)
    check(len(os.listdir(b.path("begun"))) > 0, "what was begun goes on there")
    check_eq(b.run("get", "f", "nosuch", "-o", "x/y/").code, h.NOT_FOUND, "one of two")
    check_eq(h.tree_sums(b.path("x")).keys(), {b"y/f"}, "what came stays")
    b.daemon()
    b.run("get", "nosuch", "-o", "new/").expect(h.NOT_FOUND)
    check(not os.path.exists(b.path("new")), "beside a daemon, too")


@test("what is in the way, or under way, is not said to be denied: each exit code has its one meaning", seconds=90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    tree = h.make_tree(a.path("d"), {"x": 1000, "sub/y": 2000})
    a.share(tree)
    a.share(h.make_file(a.path("f"), 16 * h.MIB), "--limit-up", "1M", "--limit-lan")
    h.make_file(b.path("file"), 10)
    b.run("create", tree, "-o", "d.torrent").expect(h.OK)
    b.run("verify", "d.torrent", "file").expect(h.CORRUPT).error_line("file: a file, where the torrent has a folder")
    b.run("verify", "d.torrent", "file/d").expect(h.NOT_FOUND).error_line("Not a directory")
    b.run("create", tree, "-o", "file/d.torrent").expect(h.NOT_FOUND).error_line("Not a directory")
    first = b.start("get", "f")
    h.wait_for(lambda: h.part_bytes(b.dir) > 0 or not first.alive(), 30 * h.SLOW, "it is under way")
    b.run("get", "f").expect(h.FAILED).error_line("another shoal is downloading this")
    check_eq(b.run("get", "f", "--json").json()["error"]["code"], "busy", "for programs")
    first.stop()
    for by_daemon in (False, True):
        if by_daemon:
            b.daemon()
        b.run("get", "d", "-o", "file").expect(h.TAKEN).error_line("is there already, with other content")
        b.run("get", "d", "-o", "file/d").expect(h.NOT_FOUND).error_line("Not a directory")
    check_eq(os.path.getsize(b.path("file")), 10, "the file stays")


@test("of many things to get, the one that is wrong, or asked for twice, is named")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000))
    said = b.run("get", "magnet:?xt=urn:btih:zz", "f", "a/f").expect(h.CORRUPT).err
    check("magnet:?xt=urn:btih:zz: not a magnet link that can be used" in said, "the link", said)
    check("f: this torrent is here already" in said, "what is asked for twice", said)
    h.check_same(b.path("f"), a.path("f"))


@test("of several names those that are there already are said, and one that is given twice is no failure")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000), h.make_file(a.path("g"), 2000, seed=2))
    for daemon in (False, True):
        if daemon:
            b.daemon()
        done = b.run("get", "f", "f", "a/f").expect(h.OK)
        check_eq(done.out.splitlines()[0], "./f: 1000 B verified", "fetched")
        check(daemon or done.err.count("f: this torrent is here already") == 2, "what is asked for twice", done.err)
        h.check_same(b.path("f"), a.path("f"))
        b.run("get", "g").expect(h.OK)
        check_eq(b.run("get", "f", "g").expect(h.OK).out, "2 of 2 were there already, verified\n", "once more")
        check_eq(b.run("get", "-q", "f", "g").expect(h.OK).out, "", "-q")
        os.unlink(b.path("f"))
        os.unlink(b.path("g"))
    # What was wrong with the first is no better with the second.
    b.run("leave").expect(h.OK)
    h.make_file(b.path("f"), 1000, seed=3)
    b.run("get", "f", "f").expect(h.TAKEN)


@test("a folder in the place of a fetched file was never a version of it")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000))
    b.get("f")
    os.unlink(b.path("f"))
    os.mkdir(b.path("f"))
    done = b.run("get", "f").expect(h.TAKEN).error_line("f: is there already, with other content")
    check("version" not in done.err, "what it never was", done.err)
    b.run("get", "f", "--replace").expect(h.OK)
    h.check_same(b.path("f"), a.path("f"))


@test("who reads only the first lines of what is printed ends it quietly, as with other filters")
def _(w):
    w.index()
    a = w.peer("a")
    p = subprocess.Popen(a.args("doctor"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=w.env(a.home), cwd=a.dir)
    p.stdout.readline()
    p.stdout.close()
    said = p.stderr.read()
    p.stderr.close()
    check_eq((p.wait(30 * h.SLOW), said), (-signal.SIGPIPE, b""), "how it ends")


@test("what is printed goes nowhere when the standard streams are closed, not into what is opened in their place")
def _(w):
    a = w.peer("a")
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    p = w.start(*closed, h.BIN, "index", "--listen", "127.0.0.1:0", "--data", w.path("data"), env=w.env(a.home))
    h.wait_for(lambda: os.path.exists(w.path("data", "catalogue.db-wal")) or not p.alive(), 20 * h.SLOW, "it runs")
    check_eq([os.readlink(f"/proc/{p.pid}/fd/{n}") for n in range(3)], ["/dev/null"] * 3, "what they are")
    p.stop(signal.SIGTERM)
    p = w.start("sh", "-c", 'exec "$@" >&-', "sh", h.BIN, "create", h.make_file(a.path("f"), 1000), "-o", a.path("t"), env=w.env(a.home))
    p.wait(20 * h.SLOW).expect(h.FAILED).error_line("standard output: Bad file descriptor")


@test("what other tools call a command is answered with what it is called here")
def _(w):
    a = w.peer("a")
    for theirs, ours in (("rm", "remove"), ("download", "get"), ("publish", "share"), ("version", "--version"), ("lst", "ls")):
        a.run(theirs).expect(h.USAGE).error_line(f"did you mean '{ours}'?")


@test("the magnet link of a folder of very many files has the index's trackers, too, for clients that know nobody")
def _(w):
    index = w.index()
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {f"{i:05}-{'x' * 90}": 1 for i in range(4200)})
    a.share(src)
    assert len(index.torrent("d")) > 1 << 20
    link = a.run("info", "d", "--json").expect(h.OK).json()["magnet"]
    check("&tr=http" in link and "&tr=udp" in link, "trackers", link)


@test("ls GLOB lists the names that it fits, of any page of the catalogue; OWNER/ in it means the owner, too")
def _(w):
    w.index()
    a, b = w.peer("anna"), w.peer("bert")
    src = a.path("src")
    os.makedirs(src)
    a.share(*(h.make_file(os.path.join(src, f"n-{i:03}"), 10, i) for i in range(150)), name=None, wait=False)
    b.share(h.make_file(b.path("n-001"), 20), wait=False)
    h.wait_for(lambda: len(b.run("ls", "--all").out.splitlines()) == 151, 30 * h.SLOW, "all are there", every=0.3)

    def names(*args):
        return [(e["owner"], e["name"]) for e in b.run("ls", *args, "--json", "--sort", "name").expect(h.OK).json()["entries"]]
    check_eq(sorted(names("n-001")), [("anna", "n-001"), ("bert", "n-001")], "a name")
    check_eq(names("anna/n-00?", "n-14[89]"), [("anna", f"n-{i:03}") for i in (*range(10), 148, 149)], "globs")
    check_eq(len(names("n-*", "--limit", "7")), 7, "no more than wanted")
    said = b.run("ls", "nothing*").expect(h.OK)
    check_eq((said.out, "nothing found" in said.err), ("", True), "none")


@test("a proxy that the environment names and that does not answer is named, not blamed on the index")
def _(w):
    a = w.peer("a")
    port = h.free_port()
    away = {"http_proxy": f"http://127.0.0.1:{port}", "no_proxy": ""}
    said = f"connection refused by 127.0.0.1:{port}, a proxy that the environment names"
    a.run("ls", "--index", "http://198.51.100.1:6969", env=away).expect(h.UNREACHABLE).error_line(said)
    a.run("get", "http://198.51.100.1/x.torrent", env=away).expect(h.UNREACHABLE).error_line(said)


if __name__ == "__main__":
    raise SystemExit(h.main())
