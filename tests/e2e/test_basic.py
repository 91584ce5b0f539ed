#!/usr/bin/python3
"""The main job and the commands around it: index, share, get, ls, search, info, peers, unshare."""

import json
import os
import re
import resource
import signal
import sqlite3
import stat
import time

import harness as h
import terminal
import wire
from harness import KIB, MIB, check, check_eq, test


def rows(done):
    """The objects that a listing with --json printed."""
    j = done.expect(h.OK).json()
    if isinstance(j, list):
        return j
    return next(v for v in j.values() if isinstance(v, list))


@test("a file shared by name is got by name, equal to the last byte")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.owner = None
    src = h.make_file(a.path("debian.iso"), 5 * MIB + 12345)
    a.share(src, name="debian-12")
    check("@" in index.entry("debian-12")["owner"], "the owner is login@host when nothing else is said")
    done = b.get("debian-12")
    h.check_same(b.path("debian.iso"), src)
    check("debian.iso" in done.out, "get says what it got", done.out)
    check_eq([f for f in os.listdir(b.dir) if f != "debian.iso"], [], "files left beside the download")
    check_eq(index.entry("debian-12")["sha256"], h.sha256(src), "sha256 in the catalogue")


@test("what is mostly holes arrives so; --preallocate reserves all of it")
def _(w):
    index = w.index()
    a, b = w.peer("a", index), w.peer("b", index)
    src = h.make_file(a.path("image"), MIB)
    os.truncate(src, 48 * MIB)
    a.share(src)
    for name, more in (("thin", []), ("full", ["--preallocate"])):
        b.get("image", "-o", b.path(name), *more)
        h.check_same(b.path(name), src)
        took = os.stat(b.path(name)).st_blocks * 512
        check(took >= 48 * MIB if more else took < 4 * MIB, name, took)


@test("get -o puts it under another name, or into a folder")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("x.bin"), 300_000)
    a.share(src, name="x")
    b.get("x", "-o", "renamed.bin")
    h.check_same(b.path("renamed.bin"), src)
    os.mkdir(b.path("into"))
    b.get("x", "-o", b.path("into"))
    h.check_same(b.path("into", "x.bin"), src)


@test("a folder in nested folders is shared and got whole")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("data"), {"a.txt": 10, "sub/b.bin": 70_000, "sub/deep/er/c": 1, "sub/empty": 0, "z/q": 33333})
    a.share(src)
    b.get("data")
    h.check_same(b.path("data"), src)


@test("get of what is there already verifies it and transfers nothing; other content is left alone")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 400_000)
    a.share(src)
    b.get("f")
    again = b.get("f", "--json").json()
    check_eq((again["there_already"], again["downloaded"]), (True, 0), "second get")
    with open(b.path("f"), "r+b") as f:
        f.write(b"changed")
    before = h.sha256(b.path("f"))
    b.get("f", code=h.TAKEN)
    check_eq(h.sha256(b.path("f")), before, "the file that was in the way")


@test("ls, search, info and peers show an entry, its files and its holders")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("genome.tar"), 200_000), "--as", "alice")
    b.share(h.make_tree(b.path("models"), {"weights/w1.bin": 100, "readme.md": 20}), "--as", "bob")
    ls = b.run("ls").expect(h.OK)
    check("genome.tar" in ls.out and "models" in ls.out, "ls lists both", ls.out)
    check_eq({(e["owner"], e["name"]) for e in rows(b.run("ls", "--json"))},
             {("alice", "genome.tar"), ("bob", "models")}, "ls --json")
    for words in (["genome"], ["geno"], ["weights"], ["bob"]):
        check(b.run("search", *words).expect(h.OK).out.strip(), f"search {words} finds")
    check_eq([e["name"] for e in rows(b.run("search", "--json", "geno"))], ["genome.tar"], "search by prefix")
    info = b.run("info", "models", "--json").expect(h.OK).json()
    check_eq(info["owner"], "bob", "info --json")
    text = b.run("info", "models").expect(h.OK).out
    check("weights/w1.bin" in text and "readme.md" in text, "info lists the files", text)
    text = b.run("info", "genome.tar").expect(h.OK).out
    check(h.sha256(a.path("genome.tar")) in text, "info shows the SHA-256", text)
    peers = rows(b.run("peers", "--json"))
    check_eq(len(peers), 2, "peers --json")
    check(all(abs(p["since"] - time.time()) < 300 and p["addr"] for p in peers), "who is where, and since when", peers)
    check("shoal" in b.run("peers").expect(h.OK).out, "peers names the clients")


@test("output that is no terminal is one line of tab-separated cells for each entry")
def _(w):
    w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("one"), 10))
    lines = a.run("ls").expect(h.OK).out.splitlines()
    check_eq(len(lines), 1, "lines of ls")
    check("\t" in lines[0] and "one" in lines[0], "cells", lines)
    check("\x1b" not in lines[0], "no colours in a pipe", lines)


@test("quiet get prints nothing, and no progress goes into a pipe")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("one"), 3 * MIB))
    done = b.get("one", "-q")
    check_eq((done.out, done.err), ("", ""), "output of get -q")
    done = b.get("one", "-o", "two")
    check("\r" not in done.err and "%" not in done.err, "no progress line", done.err)


@test("Ctrl-C ends share: the holder is gone at once, the entry stays; unshare removes it")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    p = a.share(h.make_file(a.path("one"), 1000))
    p.stop(signal.SIGINT).expect(h.OK)
    check_eq(index.holders("one")["online"], 0, "holders right after Ctrl-C")
    check("one" not in b.run("ls").out, "nobody has it on line: ls leaves it out")
    check("one" in b.run("ls", "--all").out, "the entry is still listed")
    b.run("unshare", "one").expect(h.DENIED if b.run("unshare", "one").code == h.DENIED else h.NOT_FOUND)
    check_eq(len(index.entries()), 1, "somebody else cannot unshare it")
    a.run("unshare", "one").expect(h.OK)
    check_eq(index.entries(), [], "entries after unshare")
    a.run("unshare", "one").expect(h.NOT_FOUND).error_line("/one: no such entry")
    a.run("unshare", "one@7").expect(h.NOT_FOUND).error_line("/one@7: no such entry")


@test("other content under the same name is the next version; NAME@1 still gets the first")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    one, two = h.make_file(a.path("v1/f"), 5000, seed=1), h.make_file(a.path("v2/f"), 6000, seed=2)
    a.share(one)
    a.share(two)
    check_eq([e["version"] for e in index.entries(name="f")], [2, 1], "versions, newest first")
    b.get("f", "-o", "newest")
    h.check_same(b.path("newest"), two)
    b.get("f@1", "-o", "first")
    h.check_same(b.path("first"), one)


@test("the same content under two names is one swarm")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 50_000), "--as", "alice")
    b.share(h.make_file(b.path("f"), 50_000), "--as", "bob")
    check_eq({e["hash_v2"] for e in index.entries()}.__len__(), 1, "info-hashes")
    index.wait_seeds("f", 2)
    c = w.peer("c")
    c.get("f")
    h.check_same(c.path("f"), a.path("f"))


@test("several paths are shared by one process")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    names = [f"n{i}" for i in range(5)]
    for i, n in enumerate(names):
        h.make_file(a.path(n), 1000 * i + 7, seed=i)
    a.start("share", *[a.path(n) for n in names])
    for n in names:
        index.wait_seeds(n)
        b.get(n)
        h.check_same(b.path(n), a.path(n))


@test("get by info-hash, by magnet link, by OWNER/NAME and from a .torrent file")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 77_777)
    a.share(src, "--as", "alice")
    e = index.entry("f")
    refs = [e["hash_v1"], e["hash_v2"], e["magnet"], "alice/f"]
    with open(b.path("f.torrent"), "wb") as out:
        out.write(index.torrent("f"))
    for i, ref in enumerate([*refs, "f.torrent"]):
        b.get(ref, "-o", f"got{i}")
        h.check_same(b.path(f"got{i}"), src)


@test("share --v2-only and --v1-only make what they say, and both are got")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("two"), 100_000), "--v2-only")
    a.share(h.make_file(a.path("one"), 100_001), "--v1-only")
    e = index.entry("two")
    check(e["hash_v1"] is None and e["hash_v2"], "v2 only", e)
    e = index.entry("one")
    check(e["hash_v2"] is None and e["hash_v1"], "v1 only", e)
    for n in ("one", "two"):
        b.get(n)
        h.check_same(b.path(n), a.path(n))


@test("create and verify work without an index")
def _(w):
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"x": 40_000, "y/z": 5})
    own = h.make_file(a.path("d.torrent.tmp"), 10)
    a.run("create", src, "-o", a.path("d.torrent")).expect(h.OK)
    check_eq(os.path.getsize(own), 10, "what lies beside it is the user's")
    a.run("verify", a.path("d.torrent"), src).expect(h.OK)
    with open(a.path("d", "x"), "r+b") as f:
        f.seek(20_000)
        f.write(b"!")
    done = a.run("verify", a.path("d.torrent"), src).expect(h.CORRUPT)
    check("x" in done.out + done.err, "verify names the bad file", done.out, done.err)


@test("verify finds the one file of a folder, which v2 does not tell from a file, under its own name")
def _(w):
    a = w.peer("a")
    src = h.make_tree(a.path("d"), {"f": 40_000})
    torrent = a.path("d.torrent")
    a.run("create", src, "--v2-only", "-o", torrent).expect(h.OK)
    a.run("verify", torrent, src).expect(h.OK)
    os.rename(os.path.join(src, "f"), a.path("f"))
    a.run("verify", torrent).expect(h.OK)
    a.run("verify", torrent, src).expect(h.NOT_FOUND).error_line(os.path.join(src, "f"))


@test("each command has --help with its usage and an example; shoal --version says the version")
def _(w):
    a = w.peer("a")
    for verb in ("index", "share", "get", "ls", "search", "info", "peers", "unshare", "create", "verify"):
        text = w.start(h.BIN, verb, "--help", env=w.env(a.home)).wait(20).expect(h.OK).out
        check(f"shoal {verb}" in text and "xample" in text, f"help of {verb}", text)
    text = w.start(h.BIN, "--help", env=w.env(a.home)).wait(20).expect(h.OK).out
    check(all(v in text for v in ("index", "share", "get", "search")), "shoal --help", text)
    check(re.search(r"\d+\.\d+", w.start(h.BIN, "--version", env=w.env(a.home)).wait(20).expect(h.OK).out), "version")


# ---- what goes wrong, in one line, with its own exit code ----------------------------------

@test("wrong use: no verb, unknown verb, unknown option, missing and spare arguments")
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    for args in ([], ["gte"], ["get"], ["get", "x", "--no-such"], ["info", "x", "y"], ["get", "x", "--port", "70000"],
                 ["share", "--port"], ["ls", "--limit", "many"], ["get", "x", "--seed=3"]):
        done = w.start(h.BIN, *args, env=w.env(a.home)).wait(20)
        check_eq(done.code, h.USAGE, f"exit of shoal {args} ({done.err[-300:]})")
        check(done.err or not args and "usage" in done.out, f"shoal {args} says why")
    for args, says in ((["gte"], "did you mean 'get'"), (["help", "gte"], "did you mean 'get'"), (["config", "gte"], "did you mean 'get'"),
                       (["--json", "ls"], "options stand behind a command")):
        w.start(h.BIN, *args, env=w.env(a.home)).wait(20).expect(h.USAGE).error_line(says)
    a.run("create", "").expect(h.NOT_FOUND).error_line("'': No such file")


@test("index not reachable: exit 4, one line that names the index")
def _(w):
    port = h.free_port()
    a = w.peer("a", f"http://127.0.0.1:{port}")
    f = h.make_file(a.path("f"), 10)
    for args in (["get", "x"], ["ls"], ["search", "x"], ["info", "x"], ["peers"], ["unshare", "x"], ["share", f]):
        a.run(*args).expect(h.UNREACHABLE).error_line(f"127.0.0.1:{port}")
    out = a.run("ls", "--json").expect(h.UNREACHABLE).json()
    check(out["error"]["code"] and out["error"]["message"], "error as JSON", out)


@test("an index that accepts and never answers is given up, exit 4")
def _(w):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        a = w.peer("a", f"http://127.0.0.1:{s.getsockname()[1]}")
        a.run("ls", seconds=45).expect(h.UNREACHABLE).error_line("127.0.0.1")


@test("name unknown: exit 3, with near names")
def _(w):
    w.index()
    a = w.peer("a")
    share = a.share(h.make_file(a.path("f"), 10), name="debian-12")
    a.run("get", "debain-12").expect(h.NOT_FOUND).error_line("debain-12", "debian-12")
    a.run("info", "debian-1").expect(h.NOT_FOUND).error_line("debian-12")
    a.run("get", "zzzzzzzz").expect(h.NOT_FOUND).error_line("zzzzzzzz")
    a.run("get", "0" * 40).expect(h.NOT_FOUND)
    share.stop()
    h.wait_for(lambda: "no holder is on line" in a.run("info", "debian-12").expect(h.OK).out, 20 * h.SLOW, "nobody has it")
    a.run("get", "debian-12@9").expect(h.NOT_FOUND)


@test("a home that cannot be made: get, ls and info work and say what is not remembered; no daemon is asked")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 100_000)
    a.share(src, name="f")
    env = {"SHOAL_HOME": "/dev/null/home"}
    check("not remembered" in b.run("get", "f", env=env).expect(h.OK).err, "said")
    h.check_same(b.path("f"), src)
    for args, code in ((["ls"], h.OK), (["info", "f"], h.OK), (["get", "f"], h.OK), (["get", "f", "-d"], h.NOT_FOUND),
                       (["status"], h.NOT_FOUND), (["explain"], h.NOT_FOUND), (["leave"], h.NOT_FOUND)):
        b.run(*args, env=env).expect(code)


@test("of a folder of small files the rate that get tells is that of their bytes, not of the pads between them")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    for i in range(400):
        h.make_file(a.path("small", f"{i}"), 100)
    a.share(a.path("small"), name="small")
    said = b.get("small").out
    got = re.search(r"verified in ([0-9.]+) s \(([0-9.]+) (K|M)?i?B/s\)", said)
    check(got, "time and rate are told", said)
    rate = float(got.group(2)) * {None: 1, "K": KIB, "M": MIB}[got.group(3)]
    check(rate * (float(got.group(1)) - 0.05) <= 40_000 * 1.1, "no faster than it was", said)


@test("no holder on line: exit 5 within ten seconds, nothing at the final name")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 100_000)).stop()
    done = b.run("get", "f", seconds=12).expect(h.NO_HOLDER).error_line("f", "holder")
    check(not os.path.exists(b.path("f")), "nothing at the final name")
    done = b.run("get", "f", "--wait", "2", seconds=12).expect(h.NO_HOLDER)
    check(done.seconds < 9 * h.SLOW, "--wait 2 is kept", done.seconds)


@test("not a file: missing, a device, a folder of nothing, a socket: exit says which")
def _(w):
    w.index()
    a = w.peer("a")
    a.run("share", a.path("missing")).expect(h.NOT_FOUND).error_line("missing")
    os.mkfifo(a.path("pipe"))
    done = a.run("share", a.path("pipe"), seconds=15)
    check(done.code in (h.FAILED, h.USAGE, h.NOT_FOUND), "exit for a fifo", done.code)
    done.error_line("pipe")
    done = a.run("share", "/dev/null", seconds=15)
    check(done.code != h.OK, "a device is refused")
    a.run("get", "missing.torrent").expect(h.NOT_FOUND).error_line("missing.torrent")
    a.run("verify", a.path("missing.torrent"), a.path("x")).expect(h.NOT_FOUND)


@test("permission: exit 8 for what cannot be read, or written")
def _(w):
    index = w.index()
    a = w.peer("a")
    os.chmod(w.dir, 0o777)
    for d in (a.dir, ):
        os.chmod(d, 0o777)
    secret = h.make_file(a.path("secret"), 100)
    os.chmod(secret, 0)
    os.makedirs(a.path("locked"))
    os.chmod(a.path("locked"), 0o555)
    a.share(h.make_file(a.path("open"), 100))
    as_nobody = []
    if os.geteuid() == 0:
        as_nobody = [h.need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    b = w.peer("b")
    os.makedirs(b.home)
    os.chmod(b.home, 0o777)
    os.chmod(b.dir, 0o777)
    b.start("share", secret, wrap=as_nobody).wait(20).expect(h.DENIED).error_line("secret")
    b.start("get", "open", "-o", a.path("locked", "x"), wrap=as_nobody).wait(30).expect(h.DENIED).error_line("locked")
    check_eq(len(index.entries()), 1, "entries")


@test("name taken: an owner name belongs to its first key, exit 7")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 100), "--as", "alice")
    f = h.make_file(b.path("g"), 100, seed=5)
    done = b.run("share", f, "--as", "alice")
    check(done.code in (h.TAKEN, h.DENIED), "exit for a taken owner name", done.code)
    check_eq(done.code, h.TAKEN, "exit for a taken owner name")
    done.error_line("alice")
    b.share(f, "--as", "bobby").stop()
    b.run("share", f, "--as", "alice").expect(h.TAKEN)
    b.run("unshare", "g", "--as", "alice").expect(h.NOT_FOUND)
    check_eq(b.run("whoami", "--json").expect(h.OK).json()["owner"], "bobby", "what the index refused is not remembered")
    b.owner = None
    b.share(h.make_file(b.path("g2"), 100, seed=6))
    check_eq(w.indexes[0].entry("g2")["owner"], "bobby", "the owner name chosen is remembered")


@test("several contents under one name: exit 6 with the list; OWNER/NAME and --latest choose")
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    a.share(h.make_file(a.path("f"), 100, seed=1), "--as", "alice")
    b.share(h.make_file(b.path("f"), 100, seed=2), "--as", "bob")
    done = c.run("get", "f").expect(h.AMBIGUOUS)
    check("alice/f" in done.err and "bob/f" in done.err, "both are listed", done.err)
    c.get("alice/f", "-o", "fa")
    h.check_same(c.path("fa"), a.path("f"))
    c.get("f", "--latest", "-o", "fl")
    h.check_same(c.path("fl"), b.path("f"))


@test("whose newest version is older than five hundred of another owner's is not forgotten")
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    a.share(h.make_file(a.path("f"), 100, seed=1), "--as", "alice")
    b.share(h.make_file(b.path("f"), 100, seed=2), "--as", "bob")
    with sqlite3.connect(index.data + "/catalogue.db", timeout=20) as db:
        db.executemany("INSERT INTO entries (owner, name, version, hash_v1, bytes, n_files, published_at, signature)"
                       " SELECT owner, name, ?, randomblob(20), bytes, n_files, published_at, signature FROM entries"
                       " WHERE id = 2", ((v,) for v in range(2, 503)))
    db.close()
    done = c.run("info", "f").expect(h.AMBIGUOUS)
    check("alice/f@1" in done.err and "bob/f@502" in done.err, "both are listed", done.err)
    c.get("alice/f", "-o", "fa")
    h.check_same(c.path("fa"), a.path("f"))


@test("versions lists all of them, however many")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 100)).stop(signal.SIGINT)
    with sqlite3.connect(index.data + "/catalogue.db", timeout=20) as db:
        same = ("owner, name, hash_v1, hash_v2, bytes, n_files, sha256, published_at, signature, description, tags, meta")
        db.executemany(f"INSERT INTO entries (version, {same}) SELECT ?, {same} FROM entries WHERE id = 1",
                       ((v,) for v in range(2, 1202)))
    db.close()
    said = a.run("versions", "f", "--json").expect(h.OK).json()
    check_eq([[e["version"] for e in said["entries"]], said["next"]], [list(range(1201, 0, -1)), None], "as JSON")
    check_eq(len(a.run("versions", "f").expect(h.OK).out.splitlines()), 1201, "for people")


@test("several contents under one name: on a terminal it is asked whose is meant")
def _(w):
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    a.share(h.make_file(a.path("f"), 100, seed=1), "--as", "alice")
    b.share(h.make_file(b.path("f"), 100, seed=2), "--as", "bob")

    def get(keys, code):
        t = terminal.Terminal(w, c.args("get", "f"), w.env(c.home), c.dir)
        t.wait(r"alice/f@1 +100 B")
        t.wait(r"^whose\?")
        t.send(keys)
        t.wait_end(code, 30 * h.SLOW)
        return t
    get("alice\n", h.OK)
    h.check_same(c.path("f"), a.path("f"))
    os.unlink(c.path("f"))
    for keys, code in (("\n", h.AMBIGUOUS), ("\x04", h.AMBIGUOUS), ("nobody\n", h.NOT_FOUND)):
        get(keys, code)
    get("\x03", -signal.SIGINT & 0xff)
    # Once it is answered Ctrl-C is what it was before.
    t = terminal.Terminal(w, c.args("get", "f"), w.env(c.home), c.dir)
    t.wait(r"^whose\?")
    index.proc.send(signal.SIGSTOP)
    t.send("alice\n")
    h.wait_for(lambda: h.hears(t.pid(), signal.SIGINT), 20 * h.SLOW, "the answer is taken")
    t.send("\x03")
    t.wait_end(h.INTERRUPTED, 20 * h.SLOW)
    index.proc.send(signal.SIGCONT)
    check(not os.path.exists(c.path("f")), "nothing was fetched")


@test("corrupt .torrent: exit 10 with the fault named")
def _(w):
    w.index()
    a = w.peer("a")
    cases = {"empty": b"", "noise": os.urandom(300), "cut": b"d4:infod6:lengthi5e",
             "noinfo": b"d8:announce3:abce", "html": b"<html>404 Not Found</html>"}
    good = wire.create_v1(h.make_file(a.path("f"), 100_000), a.path("good.torrent"), 16 * KIB).raw
    cases["pieces"] = good.replace(b"6:pieces140:", b"6:pieces139:")
    cases["trailing"] = good + b"x"
    for name, raw in cases.items():
        with open(a.path(name + ".torrent"), "wb") as f:
            f.write(raw)
        a.run("get", name + ".torrent").expect(h.CORRUPT).error_line(name)
        a.run("verify", name + ".torrent", a.path("f")).expect(h.CORRUPT).error_line(name)


@test("the key is made at first use, readable by its owner alone; one that others can read is refused")
def _(w):
    w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 10)).stop()
    secrets = [os.path.join(d, f) for d, _, fs in os.walk(a.home) for f in fs]
    keys = [p for p in secrets if os.path.getsize(p) >= 32 and "key" in os.path.basename(p)]
    check(keys, "a key file beneath SHOAL_HOME", secrets)
    check_eq(stat.S_IMODE(os.stat(keys[0]).st_mode), 0o600, "mode of the key")
    os.chmod(keys[0], 0o644)
    a.run("share", a.path("f")).expect(h.DENIED).error_line("key")


@test("a second index on the same port says so and ends")
def _(w):
    index = w.index()
    done = w.start(h.BIN, "index", "--listen", f"127.0.0.1:{index.port}", "--data", w.path("other"),
                   env=w.env(w.path("h"))).wait(20)
    check(done.code not in (h.OK, None) and done.code > 0, "exit", done.code)
    done.error_line(str(index.port))


@test("Ctrl-C stops the index properly; what was published is there after a restart")
def _(w):
    index = w.index()
    a = w.peer("a")
    p = a.share(h.make_file(a.path("f"), 10_000))
    p.stop()
    done = index.proc.stop(signal.SIGINT)
    check(done.code in (h.OK, h.INTERRUPTED), "exit of the index", done.code, done.err)
    index.start()
    check_eq(index.entry("f")["sha256"], h.sha256(a.path("f")), "the entry after the restart")


@test("share of a file that changes later never serves wrong bytes")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 2 * MIB)
    p = a.share(src)
    with open(src, "r+b") as f:
        f.seek(MIB)
        f.write(os.urandom(MIB))
    done = b.run("get", "f", "--wait", "4", seconds=40)
    check(done.code in (h.NO_HOLDER, h.CORRUPT, h.FAILED), "get does not succeed", done.code, done.out)
    check(not os.path.exists(b.path("f")), "nothing wrong at the final name")
    check(p.alive() or p.p.returncode > 0, "share did not crash")


if __name__ == "__main__":
    raise SystemExit(h.main())
