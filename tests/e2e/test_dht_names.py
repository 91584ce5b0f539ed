#!/usr/bin/python3
"""Names without an index: what an owner shares stands in the distributed hash table under its key, signed, and is
found there by whoever has the key, or knows the owner already, when the index is gone."""

import base64
import hashlib
import os
import signal
import socket
import time

import harness as h
import wire
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
    link = f"magnet:?xs=urn:btpk:{key}&s={b'data'.hex()}"
    check_eq(b.run("info", "data", "--json").json()["link"], link, "the index's entry has the link, too")
    b.run("get", "ann/data", "-o", b.path("first"), "--peer", f"{HOST}:{share.port()}").expect(h.OK)  # pins the owner
    index.proc.stop(signal.SIGTERM)
    for who, what in ((c, ref), (c, link), (b, "ann/data")):
        j = who.run("info", what, "--json", *table.at, env=ON).expect(h.OK).json()
        check_eq((j["name"], j["version"], j["bytes"], j["n_files"], j["key"], j["found_in"]),
                 ("data", 1, MIB, 1, key, "dht"), "what the owner signed")
        check_eq(j["owner"], "ann" if who is b else key, "whom we know it as")
        check_eq(j["link"], link, "its link")
    shown = c.run("info", ref, *table.at, env=ON).expect(h.OK).out
    check("distributed hash table" in shown and link in shown and "magnet:?xt=urn:btih:" in shown, "for people", shown)
    # What is not to be had.
    got = table.get(b, "ann/data@2", "h", code=h.UNREACHABLE)
    check("version 1 alone" in got.err, "only the newest is there", got.err)
    got = table.get(b, "ann/nothing", "h", code=h.UNREACHABLE)
    check("nothing of this key and name" in got.err, "neither here nor there", got.err)
    table.get(c, "ann/data", "h", code=h.UNREACHABLE)
    c.run("get", key + "/other", *table.at, env=ON).expect(h.NOT_FOUND).error_line("nothing of this key and name")
    c.run("get", ref, env={"SHOAL_NO_DHT": "yes"}).expect(h.USAGE).error_line("--no-dht")
    c.run("get", ref, "--follow", *table.at, env=ON).expect(h.USAGE)
    # The owner's key came in a letter; the owner is known, and its index is gone; the key came as a link.
    for who, what in ((c, ref), (b, "ann/data@1"), (c, link)):
        got = table.get(who, what, "f")
        h.check_same(who.path("f"), src)
        check("data version 1 of " in got.err and "found in the distributed hash table" in got.err and key in got.err,
              "where it comes from is said", got.err)
        check(("asking the distributed hash table" in got.err) == (who is b), "and why it was asked", got.err)


@test("the newest version wins; an older share does not take its place, whoever has the key", seconds=120)
def _(w):
    table = Table(w)
    w.index()
    a, c = w.peer("ann"), w.peer("cid", NOWHERE)
    one, two, three = (h.make_file(a.path(f"f{n}"), 300 * KIB, seed=n) for n in range(3))
    a.daemon(*table.at, env=ON)
    old, ref = table.share(a, one, "--name", "data")
    table.share(a, two, "--name", "data", "--no-daemon")
    j = c.run("info", ref, "--json", *table.at, env=ON).expect(h.OK).json()
    check_eq(j["version"], 2, "the newest version")
    # The daemon has only what was signed then, and begins anew.
    a.run("pause", "1").expect(h.OK)
    a.run("resume", "1").expect(h.OK)
    h.wait_for(lambda: a.transfers()[0]["name_is_old"], 60 * h.SLOW, "the daemon finds that there is a newer one")
    check_eq(a.transfers()[0]["name_newest"], j["seq"], "which one")
    table.get(c, ref, "f")
    h.check_same(c.path("f"), two)
    # The next one replaces what was fetched as the same name of the same key.
    table.share(a, three, "--name", "data", "--no-daemon")
    got = table.get(c, ref, "f", "--json").json()
    check_eq((got["version"], got["replaced"]), (3, True), "the third in the second one's place")
    h.check_same(c.path("f"), three)
    check(old.alive(), "the first share goes on")


def put(port, signer, salt, seq, value):
    """Put an item by hand. Returns the reply to it."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(10 * h.SLOW)
    me = os.urandom(20)

    def ask(q, args):
        udp.sendto(wire.bencode({"a": {"id": me, **args}, "q": q, "ro": 1, "t": b"aa", "y": "q"}), (HOST, port))
        return wire.bdecode(udp.recv(2000))
    token = ask("get", {"target": hashlib.sha1(signer.key + salt).digest()})[b"r"][b"token"]
    signed = b"4:salt%d:%s3:seqi%de1:v%s" % (len(salt), salt, seq, wire.bencode(value))
    reply = ask("put", {"k": signer.key, "salt": salt, "seq": seq, "sig": signer.sign(signed), "token": token, "v": value})
    udp.close()
    return reply


@test("a machine with the same key and a clock that is ahead does not keep a newer version out", seconds=60)
def _(w):
    table = Table(w)
    w.index()
    a, c = w.peer("ann"), w.peer("cid", NOWHERE)
    a.run("whoami").expect(h.OK)
    with open(os.path.join(a.home, "key"), encoding="ascii") as f:
        signer = wire.Signer(bytes.fromhex(f.read().split()[0]))
    ahead = int(time.time()) + 100000
    for salt in (b"data", b"by the daemon"):
        check_eq(put(table.port, signer, salt, ahead, {"ih": b"x" * 20})[b"y"], b"r", "it is put")
    key = signer.key.hex()
    j = c.run("info", key + "/data", "--json", *table.at, env=ON).expect(h.OK).json()
    check_eq((j["hash_v1"], j["version"], j["seq"]), ((b"x" * 20).hex(), 0, ahead), "an item of others, with ih alone")
    table.share(a, h.make_file(a.path("f"), 100 * KIB), "--name", "data")
    j = c.run("info", key + "/data", "--json", *table.at, env=ON).expect(h.OK).json()
    check_eq((j["version"], j["seq"]), (1, ahead + 1), "what was published now is the newest")
    a.daemon(*table.at, env=ON)
    table.share(a, h.make_file(a.path("g"), 100 * KIB, seed=2), "--name", "by the daemon")
    j = c.run("info", key + "/by the daemon", "--json", *table.at, env=ON).expect(h.OK).json()
    check_eq((j["version"], j["seq"]), (1, ahead + 1), "and so it is when a daemon has it")
    # What stands there and is no name.
    for n, value in enumerate((b"text", {"ih": b"short"}, {"ih": b"x" * 20, "name": "another"})):
        put(table.port, signer, b"odd", n, value)
        c.run("get", key + "/odd", *table.at, env=ON).expect(h.CORRUPT).error_line("is no name")
    signer.close()


@test("a daemon puts what it was handed over, without any key, and again after a restart", seconds=120)
def _(w):
    table, index = Table(w), w.index()
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
    check_eq(a.api("GET", "status")[1]["dht"]["nodes"], 1, "how its node of the table stands")
    check("distributed hash table: 1 nodes" in a.run("status", "-v").expect(h.OK).out, "and for people")
    with open(os.path.join(a.home, "run", "api")) as f, open(os.path.join(a.home, "api-token")) as token:
        url, auth = f.read().strip(), {"Authorization": "Bearer " + token.read().strip()}
    check_eq(h.http(url + "/metrics")[0], 401, "figures are for who has the token")
    figures = h.http(url + "/metrics", headers=auth)[1].decode()
    check("\nshoal_dht_nodes 1\n" in figures and '\nshoal_transfers{state="seeding"} 1\n' in figures, "figures", figures)
    c.run("info", ref, *again.at, env=ON).expect(h.OK)
    body = {"torrent": base64.b64encode(index.torrent("data")).decode(), "path": a.path("other"), "item": "ZGU="}
    status, got = a.api("POST", "transfers", body)
    check_eq((status, got["error"]["code"]), (400, "bad_request"), "an item that nobody signed")


@test("an index tells peers and commands that know nobody who else is in the table", seconds=60)
def _(w):
    index = w.index()
    check_eq(index.api("dht-nodes"), {"nodes": []}, "nobody yet")
    a, b, c = w.peer("ann"), w.peer("bob"), w.peer("cid")
    here = ("--listen", HOST)
    one, two = h.make_file(a.path("one"), 100 * KIB, seed=1), h.make_file(b.path("two"), 100 * KIB, seed=2)
    a.share(h.make_file(a.path("quiet"), 1000), *here)  # --no-dht
    p = a.start("share", one, *here, env=ON)
    nodes = h.wait_for(lambda: index.api("dht-nodes")["nodes"], 20 * h.SLOW, "it is told of a node")
    check_eq(nodes, [f"{HOST}:{p.port()}"], "which one")
    q = b.start("share", two, *here, env=ON)
    for who in (p, q):
        h.wait_for(lambda who=who: b"without an index it is" in who.err(), 60 * h.SLOW, "both found each other")
    check_eq(index.api("status")["dht_nodes"], 2, "counted")
    check("shoal_dht_nodes 2" in h.http(index.url + "/metrics")[1].decode(), "and for Prometheus")
    ref = Table.key_name(q)
    j = c.run("info", ref, "--json", *here, env=ON).expect(h.OK).json()
    check_eq((j["name"], j["version"]), ("two", 1), "a command begins there, too")
    q.stop()
    h.wait_for(lambda: len(index.api("dht-nodes")["nodes"]) == 1, 20 * h.SLOW, "who leaves is told of no more")


@test("a hash that nobody has: the table is asked, that is said, and Ctrl-C ends it at once", seconds=60)
def _(w):
    table = Table(w)
    b = w.peer("bob", NOWHERE)
    got = b.run("get", "ab" * 20, *table.at, env=ON).expect(h.NO_HOLDER)
    got.error_line("none known to the distributed hash table")
    waits = b.start("get", "ab" * 20, "--wait", "600", "--progress", "json", *table.at, env=ON)
    h.wait_for(lambda: b"looking for peers" in waits.err(), 20 * h.SLOW, "what it does is said")
    waits.stop(signal.SIGINT, seconds=10).expect(h.INTERRUPTED)


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
