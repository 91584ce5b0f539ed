#!/usr/bin/python3
"""Names without an index: what an owner shares stands in the distributed hash table under its key, signed, and is
found there by whoever has the key, or knows the owner already, when the index is gone."""

import os
import signal

import harness as h
from harness import HOST, KIB, MIB, check, check_eq, test

ON = {"SHOAL_NO_DHT": ""}
NOWHERE = "http://127.0.0.1:1"


class Table:
    """A node of the table, at which everybody begins."""

    def __init__(self, w, name="keeper"):
        self.peer, self.port = w.peer(name, NOWHERE), h.free_port()
        src = h.make_file(self.peer.path("other"), 64 * KIB, seed=9)
        self.peer.run("create", src, "-o", self.peer.path("other.torrent")).expect(h.OK)
        self.proc = self.peer.start("get", self.peer.path("other.torrent"), "-o", src, "--seed", "--port", str(self.port),
                                    "--listen", HOST, env=ON)
        self.at = ("--dht-node", f"{HOST}:{self.port}", "--listen", HOST)
        h.wait_for(lambda: b"verified" in self.proc.out(), 30 * h.SLOW, "the keeper serves")

    def items(self):
        got = self.peer.run("dht", "status", "--json", env=ON)
        return got.json()["dht"][0]["items"] if got.code == h.OK and got.json()["dht"] else 0

    def share(self, peer, path, *more):
        """Share it, until its name is in the table. Returns the process and KEY/NAME."""
        p = peer.start("share", path, *self.at, *more, env=ON)
        h.wait_for(lambda: b"without an index it is" in p.err(), 60 * h.SLOW, "its name is in the table")
        return p, self.key_name(p)

    @staticmethod
    def key_name(p):
        return p.err().decode().split("without an index it is ")[1].split(";")[0]

    def get(self, peer, ref, out, *more, code=h.OK):
        return peer.run("get", ref, "-o", peer.path(out), "--wait", "60", *self.at, *more, env=ON, seconds=100).expect(code)


@test("with the index gone, a key and a name are enough; so are a pinned owner's name and a link", seconds=120)
def _(w):
    table, index = Table(w), w.index()
    a, b, c = w.peer("ann"), w.peer("bob"), w.peer("cid", NOWHERE)
    src = h.make_file(a.path("data"), MIB)
    share, ref = table.share(a, src)
    key = a.run("whoami", "--json").json()["key"]
    check_eq(ref, f"{key}/data", "what to write in a letter")
    b.run("get", "ann/data", "-o", b.path("first"), "--peer", f"{HOST}:{share.port()}").expect(h.OK)  # pins the owner
    index.proc.stop(signal.SIGTERM)
    # The owner's key came in a letter.
    got = table.get(c, ref, "f")
    h.check_same(c.path("f"), src)
    check("data version 1 of " in got.err and "found in the distributed hash table" in got.err and key in got.err,
          "where it comes from is said", got.err)
    # The owner is known, and its index is gone.
    got = table.get(b, "ann/data@1", "g")
    h.check_same(b.path("g"), src)
    check("asking the distributed hash table" in got.err, "why it was asked is said", got.err)
    got = table.get(b, "ann/data@2", "h", code=h.UNREACHABLE)
    check("version 1 alone" in got.err, "only the newest is there", got.err)
    table.get(c, "ann/data", "h", code=h.UNREACHABLE)
    got = table.get(b, "ann/nothing", "h", code=h.UNREACHABLE)
    check("nothing of this key and name" in got.err, "neither here nor there", got.err)
    # As a link, and shown.
    link = f"magnet:?xs=urn:btpk:{key}&s={b'data'.hex()}"
    table.get(c, link, "l")
    h.check_same(c.path("l"), src)
    for who, what in ((c, ref), (c, link), (b, "ann/data")):
        j = who.run("info", what, "--json", *table.at, env=ON).expect(h.OK).json()
        check_eq((j["name"], j["version"], j["bytes"], j["n_files"], j["key"], j["found_in"]),
                 ("data", 1, MIB, 1, key, "dht"), "what the owner signed")
        check_eq(j["owner"], "ann" if who is b else key, "whom we know it as")
        check_eq(j["link"], link, "its link")
    shown = c.run("info", ref, *table.at, env=ON).expect(h.OK).out
    check("distributed hash table" in shown and link in shown and "magnet:?xt=urn:btih:" in shown, "for people", shown)
    c.run("get", ref, env={"SHOAL_NO_DHT": "yes"}).expect(h.USAGE).error_line("--no-dht")
    c.run("get", key + "/other", *table.at, env=ON).expect(h.NOT_FOUND).error_line("nothing of this key and name")


@test("the newest version wins; an older share does not take its place, whoever has the key", seconds=120)
def _(w):
    table = Table(w)
    w.index()
    a, c = w.peer("ann"), w.peer("cid", NOWHERE)
    one, two = h.make_file(a.path("one"), 300 * KIB, seed=1), h.make_file(a.path("two"), 300 * KIB, seed=2)
    old, ref = table.share(a, one, "--name", "data")
    new, _ = table.share(a, two, "--name", "data")
    j = c.run("info", ref, "--json", *table.at, env=ON).expect(h.OK).json()
    check_eq(j["version"], 2, "the newest version")
    table.get(c, ref, "f")
    h.check_same(c.path("f"), two)
    # The next one replaces what was fetched as the same name of the same key.
    new.stop()
    three = h.make_file(a.path("three"), 300 * KIB, seed=3)
    table.share(a, three, "--name", "data")
    got = table.get(c, ref, "f", "--json").json()
    check_eq((got["version"], got["replaced"]), (3, True), "the third in the second one's place")
    h.check_same(c.path("f"), three)
    check(old.alive(), "the first share goes on")


@test("a daemon puts what it was handed over, without any key, and again after a restart", seconds=120)
def _(w):
    table = Table(w)
    w.index()
    a, c = w.peer("ann"), w.peer("cid", NOWHERE)
    src = h.make_file(a.path("data"), 500 * KIB)
    d = a.daemon(*table.at, env=ON)
    _, ref = table.share(a, src)
    secret = open(os.path.join(a.home, "key"), "rb").read().split()[0]
    for folder, _, files in os.walk(os.path.join(a.home, "jobs")):
        for f in files:
            with open(os.path.join(folder, f), "rb") as one:
                check(secret not in one.read(), "the key is nowhere in what the daemon keeps")
    table.get(c, ref, "f")
    h.check_same(c.path("f"), src)
    d.stop(signal.SIGTERM).expect(h.OK)
    # Nobody keeps it any more: another table.
    table.proc.stop()
    again = Table(w, "another")
    d = a.daemon(*again.at, env=ON)
    h.wait_for(lambda: again.items() == 1, 60 * h.SLOW, "the name is put again")
    h.wait_for(lambda: a.transfers()[0]["name_nodes"] == 1, 20 * h.SLOW, "and the daemon says so")
    c.run("info", ref, *again.at, env=ON).expect(h.OK)


@test("what is private, or shared with --no-dht, puts nothing", seconds=60)
def _(w):
    table = Table(w)
    w.index()
    a = w.peer("ann")
    for args, env in ((("--private",), ON), (("--no-dht",), ON)):
        src = h.make_file(a.path("x" + args[0]), 100 * KIB)
        p = a.start("share", src, *table.at, *args, env=env)
        h.wait_for(lambda p=p: b"serving" in p.out(), 30 * h.SLOW, "it is served")
    open_, _ = table.share(a, h.make_file(a.path("open"), 100 * KIB, seed=4))
    check_eq(table.items(), 1, "the open one's name alone")


if __name__ == "__main__":
    raise SystemExit(h.main())
