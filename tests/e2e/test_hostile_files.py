#!/usr/bin/python3
"""Torrents whose paths want out of the download folder, and folders that change under us (O-07, O-08)."""

import base64
import hashlib
import os
import shutil
import signal

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test


def torrent_v1(path, name, files, content):
    pieces = b"".join(hashlib.sha1(content[i:i + 16384]).digest() for i in range(0, len(content), 16384))
    with open(path, "wb") as f:
        f.write(wire.bencode({"info": {"name": name, "piece length": 16384, "pieces": pieces, "files": files}}))
    return wire.Torrent.load(path)


@test("O-07: paths that lead outside are refused or tamed; nothing outside the root changes", seconds=120)
def _(w):
    canary = h.Canary(w.path("canary"))
    g = w.peer("g", "http://127.0.0.1:1")
    content = h.noise(40_000)
    escape = os.path.basename(w.dir) + "-escape"
    evil = [["..", "canary", "keep.txt"], ["..", "..", escape], ["..", "..", "..", escape], ["/etc/shoal-test"], ["a", "..", "..", "b"], ["a\\..\\..\\b"], ["."], [""], ["..", ".."],
            [b"nul\0byte"], [b"\xc0\xae\xc0\xae", "x"], ["x" * 256], ["d/" * 2500 + "x"], ["a/../../canary/keep.txt"], ["~"], [], ["CON"],
            [b"\xff\xfe"], ["..", "home-g", "key"]]
    for i, path in enumerate(evil):
        for name in ("top", ".."):
            t = torrent_v1(g.path("e.torrent"), name, [{"length": len(content), "path": path}], content)
            seed = wire.FakeSeed(t, data=content)
            done = g.run("get", "e.torrent", "--wait", "3", "--peer", seed.addr, seconds=30)
            check(done.code in (h.OK, h.CORRUPT), f"{name}/{path}: exit", done.code, done.err)
            if done.code:
                done.error_line("e.torrent")
            canary.check()
            seed.stop()
            shutil.rmtree(g.path("top"), ignore_errors=True)
            for d, dirs, files in os.walk(w.dir):
                for f in files:
                    full = os.path.join(d, f)
                    check(full.startswith((g.dir + "/", w.path("log") + "/", w.path("canary") + "/", g.home + "/")), "a file outside", full)
    check(not os.path.exists("/etc/shoal-test") and not os.path.exists(os.path.join(os.path.dirname(w.dir), escape)), "nothing outside")
    for name in ("", "/abs", "../x", b"a\0b", "x" * 300):
        t = torrent_v1(g.path("e.torrent"), name, [{"length": len(content), "path": ["f"]}], content)
        done = g.run("get", "e.torrent", "--wait", "1", seconds=30)
        check(done.code in (h.CORRUPT, h.NO_HOLDER), f"name {name!r}", done.code, done.err)


@test("O-07: a file twice, and a file that is also a folder, are refused or kept apart")
def _(w):
    g = w.peer("g", "http://127.0.0.1:1")
    content = h.noise(32768)
    for files in ([["a"], ["a"]], [["a"], ["a", "b"]], [["a", "b"], ["a"]]):
        t = torrent_v1(g.path("e.torrent"), "top", [{"length": 16384, "path": p} for p in files], content)
        seed = wire.FakeSeed(t, data=content)
        done = g.run("get", "e.torrent", "--wait", "3", "--peer", seed.addr, seconds=30)
        check(done.code in (h.OK, h.CORRUPT), f"{files}", done.code, done.err)
        if done.code == h.OK:
            got = sorted(h.tree_sums(g.path("top")).values())
            check_eq(got, sorted(hashlib.sha256(content[i:i + 16384]).hexdigest() for i in (0, 16384)), "both are kept")
        seed.stop()


@test("O-08: links in a torrent are never made to lead outside")
def _(w):
    canary = h.Canary(w.path("canary"))
    g = w.peer("g", "http://127.0.0.1:1")
    content = h.noise(100)
    for target in (["etc", "passwd"], ["..", "..", "canary"], ["..", "canary", "keep.txt"]):
        files = [{"length": 0, "path": ["link"], "attr": "l", "symlink path": target},
                 {"length": 100, "path": ["link", "through.txt"]}]
        t = torrent_v1(g.path("e.torrent"), "top", files, content)
        seed = wire.FakeSeed(t, data=content)
        g.run("get", "e.torrent", "--wait", "3", "--peer", seed.addr, seconds=30)
        canary.check()
        for d, dirs, fs in os.walk(g.dir):
            for n in dirs + fs:
                p = os.path.join(d, n)
                check(not os.path.islink(p) or os.path.realpath(p).startswith(g.dir + "/"), "a link outside", p)
        seed.stop()


@test("O-08: a torrent with a link out of it is had whole without the link, by get and a daemon, and that is said")
def _(w):
    canary = h.Canary(w.path("canary"))
    g, d = w.peer("g", "http://127.0.0.1:1"), w.peer("d", "http://127.0.0.1:1")
    content = h.noise(100)
    files = [{"length": 0, "path": ["link"], "attr": "l", "symlink path": ["..", "..", "canary"]}, {"length": 60, "path": ["a"]}, {"length": 40, "path": ["b"]}]
    t = torrent_v1(w.path("e.torrent"), "top", files, content)
    seed = wire.FakeSeed(t, data=content)
    d.daemon()
    for peer, args in ((g, ()), (g, ("--only", "*")), (d, ())):
        done = peer.run("get", w.path("e.torrent"), "--peer", seed.addr, *args, seconds=30).expect(h.OK)
        check("top: 1 symbolic link is not made" in done.err, "it is said", done.err)
        check(" of " not in done.out, "nothing of it is missing", done.out)
        check_eq(sorted(os.listdir(peer.path("top"))), ["a", "b"], "what was made")
        if peer is g:
            shutil.rmtree(peer.path("top"))
    job = d.run("status", "--json").expect(h.OK).json()["transfers"][0]
    check_eq((job["files"], job["wanted_files"]), (2, 2), "files, and those that are wanted")
    done = g.run("get", w.path("e.torrent"), "--peer", seed.addr, "--only", "a", seconds=30).expect(h.OK)
    check("symbolic" not in done.err and "1 of 2 files" in done.out, "one of two", done.out, done.err)
    seed.stop()
    canary.check()


@test("O-08: a link that lies at the final name is not followed")
def _(w):
    canary = h.Canary(w.path("canary"))
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {"sub/x": 8 * MIB, "sub2/keep2.txt": 100_000, "y": 50_000})
    a.share(src).stop()
    os.symlink(w.path("canary"), g.path("d"))
    a.share(src, wait=False)
    index.wait_seeds("d")
    g.get("d", code=h.TAKEN)
    canary.check()
    check(os.path.islink(g.path("d")), "the link is left as it was")
    os.unlink(g.path("d"))


@test("O-08: a folder swapped for a link during the download is not followed")
def _(w):
    canary = h.Canary(w.path("canary"))
    g = w.peer("g", "http://127.0.0.1:1")
    size = 12 * MIB
    content = h.noise(size)
    files = [{"length": size // 48, "path": ["sub", f"f{i}"]} for i in range(48)]
    t = torrent_v1(g.path("e.torrent"), "d", files, content)
    seed = wire.SlowSeed(t, 4 * MIB, data=content)
    get = g.start("get", "e.torrent", "--wait", "20", "--peer", seed.addr)
    h.wait_for(lambda: h.part_bytes(g.dir) > 2 * MIB or not get.alive(), 30 * h.SLOW, "it is under way")
    (data, _), = h.part_of(g.dir)
    os.rename(os.path.join(data, "sub"), os.path.join(data, "moved"))
    os.symlink(w.path("canary"), os.path.join(data, "sub"))
    h.wait_for(lambda: not get.alive() or seed.sent >= size or b"paused" in get.err(), 30 * h.SLOW, "it goes on, pauses or ends")
    if get.alive():
        # What has said why it ends needs a while, in which it no longer listens to Ctrl-C.
        h.wait_for(lambda: not get.alive() or b"paused" in get.err(), 15 * h.SLOW, "it ends or pauses")
        get.stop(signal.SIGINT)
    canary.check()
    check_eq(sorted(os.listdir(w.path("canary"))), ["keep.txt", "sub"], "names in the canary")
    check_eq(get.p.returncode >= 0, True, "no crash")
    seed.stop()


@test("O-07: a name that begins with a dot is written where the user says so, never where the publisher does", seconds=120)
def _(w):
    index = w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path(".bash_login"), 50_000)
    tree = h.make_tree(a.path(".ssh"), {"authorized_keys": 1000, ".in": 100})
    ports = [a.share(src, name="debian-12").port(), a.share(tree, name="keys").port()]
    hidden = (("debian-12", ".bash_login"), ("keys", ".ssh"))
    entries = [index.api(f"entries/{index.entry(n)['id']}") for n, _ in hidden]
    check_eq([e["content_name"] for e in entries], [n for _, n in hidden], "what the index says they are called")
    for (name, own), e, port in zip(hidden, entries, ports):
        out = g.run("info", name).expect(h.OK).out
        check(f" name:     {own}\n" in out or f" name:   {own}\n" in out, "info says so", out)
        with open(g.path("t.torrent"), "wb") as f:
            f.write(index.torrent(name))
        os.makedirs(g.path("into"), exist_ok=True)
        with open(g.path("list"), "w") as f:
            f.write(name + "\n")
        for how in ((name,), (name, "-o", "into"), (name, "-o", "new/"), (name, "--follow"), ("-i", "list"), ("t.torrent",), (e["magnet"],),
                    (e["hash_v1"], "--index", "http://127.0.0.1:1", "--peer", f"{h.HOST}:{port}"),
                    (index.url + e["torrent"],), *(((name, "-o", "-"),) if name == "keys" else ())):
            done = g.run("get", *how, seconds=30).expect(h.TAKEN)
            done.error_line(own, "-o")
    daemon = g.daemon()
    for (name, own), e, port in zip(hidden, entries, ports):
        for how in ((name,), ("-i", "list"), (e["magnet"],),
                    (e["hash_v1"], "--index", "http://127.0.0.1:1", "--peer", f"{h.HOST}:{port}")):
            g.run("get", *how, seconds=30).expect(h.TAKEN).error_line("-o")
        status, said = g.api("POST", "transfers", {"torrent": base64.b64encode(index.torrent(name)).decode(), "path": g.dir, "into": True})
        check_eq((status, own in said["error"]["message"]), (400, True), "what programs are told")
        check_eq(g.transfers(), [], "what the daemon keeps of it")
    check_eq(sorted(n for _, d, f in os.walk(g.dir) for n in d + f), ["into", "list", "t.torrent"], "what came to lie there")
    # By the user's own word it is got, and what is in a folder is called what it is called.
    g.get("debian-12", "-o", ".bash_login")
    h.check_same(g.path(".bash_login"), src)
    g.get("keys", "-o", "into/.ssh")
    check_eq(h.tree_sums(g.path("into/.ssh")), h.tree_sums(tree), "the folder")
    check_eq(g.run("get", "debian-12", "-o", "-").expect(h.OK).out_bytes, open(src, "rb").read(), "bytes alone have no name")
    daemon.stop()


@test("O-06: a torrent of a million files, of 3 million tokens, or of more than 64 MiB is refused or taken within bounds", seconds=90)
def _(w):
    import resource
    g = w.peer("g", "http://127.0.0.1:1")
    many = b"d4:infod5:filesl" + b"".join(b"d6:lengthi1e4:pathl%d:%dee" % (len(str(i)), i) for i in range(1_000_000)) + \
        b"e4:name1:d12:piece lengthi16384e6:pieces1240:" + bytes(1240) + b"ee"
    tokens = b"d4:infol" + b"i1e" * 3_100_000 + b"ee"
    deep = b"d4:info" + b"l" * 1_000_000 + b"e" * 1_000_000 + b"e"
    for name, raw in (("many", many), ("tokens", tokens), ("deep", deep), ("large", b"")):
        with open(g.path(name + ".torrent"), "wb") as f:
            f.write(raw)
            f.truncate(len(raw) or 64 * MIB + 1)
        done = g.run("verify", name + ".torrent", g.path("nothing"), seconds=20)
        check(done.code in (h.CORRUPT, h.NOT_FOUND, h.FAILED), f"{name}", done.code, done.err[:300])
        done.error_line(name + ".torrent" if done.code != h.NOT_FOUND else "")
        check(done.seconds < 3 * h.SLOW, f"{name} took {done.seconds:.1f} s")


if __name__ == "__main__":
    raise SystemExit(h.main())
