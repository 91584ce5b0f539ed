#!/usr/bin/python3
"""Tokens: who may read, publish and administrate at an index that is not open to all."""

import json
import os
import signal
import sqlite3
import urllib.parse

import harness as h
import wire
from harness import check, check_eq, test


def token(w, index, name, right="read"):
    done = w.peer("admin").run("index", "token", "add", name, "--right", right, "--data", index.data, "--json")
    return done.expect(h.OK).json()["token"]


def closed(index):
    return h.http(index.url + "/api/v1/entries")[0] == 401


def with_token(peer, secret, verb, *args):
    return peer.run(verb, *args, env={"SHOAL_TOKEN": secret})


def raw_announce(index, torrent, passkey=""):
    q = {"info_hash": torrent.hash_v1, "peer_id": b"-TR3000-abcdefghijkl", "port": "7000", "left": "1", "uploaded": "0",
         "downloaded": "0", "event": "started"}
    status, body = h.http(f"{index.url}/announce{passkey}?{urllib.parse.urlencode(q)}")
    check_eq(status, 200, "status of an announce")
    return wire.bdecode(body)


@test("with the first token a running index closes; each right lets its holder do so much and no more")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    check("open to everyone" in index.proc.out().decode(), "it says that it is open")
    a.share(h.make_file(a.path("f"), 50_000), "--as", "alice")
    read, publish = token(w, index, "reader"), token(w, index, "publisher", "publish")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    check_eq(h.http(index.url + "/healthz")[0], 200, "health needs no token")
    b.run("ls").expect(h.DENIED).error_line("token")
    b.run("get", "f").expect(h.DENIED).error_line("token")
    with_token(b, "0" * 40, "ls").expect(h.DENIED).error_line("no such token")
    check("f" in with_token(b, read, "ls", "--all").expect(h.OK).out, "a reader may list")
    with_token(b, read, "share", b.path("x") if h.make_file(b.path("x"), 10) else "").expect(h.DENIED).error_line("not good for that")
    h.wait_for(lambda: with_token(b, publish, "ls").code == h.OK, 5 * h.SLOW, "the second token is known, too")
    p = b.start("share", b.path("x"), env={"SHOAL_TOKEN": publish})
    h.wait_for(lambda: b"serving" in p.out(), 20 * h.SLOW, "a publisher may publish")
    check("x" in with_token(b, publish, "ls", "--all").expect(h.OK).out, "a publisher may list")
    p.stop(signal.SIGINT).expect(h.OK)
    with sqlite3.connect(f"file:{index.data}/catalogue.db?mode=ro", uri=True) as db:
        stored = b"".join(r[0] if isinstance(r[0], bytes) else r[0].encode()
                          for t in ("hash", "name") for r in db.execute(f"SELECT {t} FROM tokens"))
    check(read.encode() not in stored and bytes.fromhex(read) not in stored, "no secret is stored")


@test("a reader fetches with its token from sharers who have another; passkeys stand in the .torrent it gets, not in what is stored")
def _(w):
    index = w.index()
    read, publish = token(w, index, "reader"), token(w, index, "publisher", "publish")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 300_000)
    p = a.start("share", src, env={"SHOAL_TOKEN": publish})
    h.wait_for(lambda: b"serving" in p.out(), 20 * h.SLOW, "it is served")
    with_token(b, read, "get", "f").expect(h.OK)
    h.check_same(b.path("f"), src)
    entry = json.loads(h.http(index.url + "/api/v1/entries?token=" + read)[1])["entries"][0]
    served = h.http(f"{index.url}/api/v1/entries/{entry['id']}/torrent?token={read}")[1]
    check(f"/announce/{read}".encode() in served, "the reader's own passkey")
    check(publish.encode() not in served, "nobody else's passkey")
    with sqlite3.connect(f"file:{index.data}/catalogue.db?mode=ro", uri=True) as db:
        stored = db.execute("SELECT torrent FROM torrents").fetchone()[0]
    check(publish.encode() not in stored and read.encode() not in stored, "no passkey is stored")
    t = wire.Torrent(served)
    check(b"token" in raw_announce(index, t)[b"failure reason"], "no announce without a passkey")
    check(b"failure reason" in raw_announce(index, t, "/" + "1" * 40), "nor with a wrong one")
    check(b"peers" in raw_announce(index, t, "/" + read), "a stock client announces with its passkey")


@test("a sharer whom its index lets in no more says so, once; with its token it would be")
def _(w):
    index = w.index()
    a = w.peer("a")
    p = a.share(h.make_file(a.path("f"), 100))
    secret = token(w, index, "reader")
    h.wait_for(lambda: b"does not let this peer in" in p.err(), 20 * h.SLOW, "it is told")
    check(index.url in p.err_text() and p.err_text().count("token") == 1, "once", p.err_text())
    check_eq(json.loads(h.http(index.url + "/api/v1/peers?token=" + secret)[1])["peers"], [], "nobody is listed")
    p.stop(signal.SIGINT).expect(h.OK)


@test("what is shared again with a renewed token is told with it by the daemon, at once or when the old one is revoked, and after a restart",
      seconds=120)
def _(w):
    index = w.index()
    old = token(w, index, "old", "publish")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    a = w.peer("a")
    first, second = h.make_file(a.path("first"), 100_000), h.make_file(a.path("second"), 100_001)

    def lets_in(secret):
        return h.http(index.url + "/api/v1/entries?token=" + secret)[0] == 200

    def known(name, right):
        secret = token(w, index, name, right)
        h.wait_for(lambda: lets_in(secret), 5 * h.SLOW, f"{name} is known")
        return secret
    reader = known("reader", "read")

    def on_line(*names):
        def there():
            status, body = h.http(index.url + "/api/v1/entries?token=" + reader)
            return status == 200 and sorted(e["name"] for e in json.loads(body)["entries"] if e["seeds"] > 0) == sorted(names)
        h.wait_for(there, 30 * h.SLOW, f"on line: {names}")

    def revoke(name):
        w.peer("admin").run("index", "token", "revoke", name, "--data", index.data).expect(h.OK)
    d = a.daemon()
    with_token(a, old, "share", first, "-d").expect(h.OK)
    with_token(a, old, "share", second, "-d").expect(h.OK)
    on_line("first", "second")
    new = known("new", "publish")
    revoke("old")
    h.wait_for(lambda: b"does not let this peer in" in d.err(), 30 * h.SLOW, "it is let in no more")
    on_line()
    with_token(a, new, "share", second, "-d").expect(h.OK)
    on_line("first", "second")
    d.kill()
    on_line()
    d = a.daemon()
    on_line("first", "second")
    newest = known("newest", "publish")
    with_token(a, newest, "share", first, "-d").expect(h.OK)
    revoke("new")
    h.wait_for(lambda: not lets_in(new), 5 * h.SLOW, "the second one is worth nothing")
    on_line("first", "second")
    with_token(a, newest, "share", second, "-d").expect(h.OK)
    d.kill()
    on_line()
    d = a.daemon()
    on_line("first", "second")
    check(b"does not let" not in d.err(), "nothing to complain of", d.err())


@test("'anonymous' gives everyone a right; a revoked token is worth nothing within seconds")
def _(w):
    index = w.index()
    a = w.peer("a")
    secret = token(w, index, "ci", "publish")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    said = h.raw_http(index.port, b"GET /api/v1/entries HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    check(b"\r\nWWW-Authenticate: Bearer\r\n" in said, "it says what it wants", said)
    a.run("index", "token", "add", "anonymous", "--data", index.data).expect(h.OK)
    h.wait_for(lambda: not closed(index), 5 * h.SLOW, "everyone may read")
    h.make_file(a.path("f"), 10)
    a.run("share", a.path("f")).expect(h.DENIED).error_line("token")
    p = a.start("share", a.path("f"), env={"SHOAL_TOKEN": secret})
    h.wait_for(lambda: b"serving" in p.out(), 20 * h.SLOW, "it is served")
    p.stop(signal.SIGINT).expect(h.OK)
    listed = a.run("index", "token", "list", "--data", index.data, "--json").expect(h.OK).json()["tokens"]
    check_eq([(t["name"], t["right"]) for t in listed], [("anonymous", "read"), ("ci", "publish")], "list")
    a.run("index", "token", "add", "ci", "--data", index.data).expect(h.TAKEN)
    a.run("index", "token", "revoke", "nobody", "--data", index.data).expect(h.NOT_FOUND)
    a.run("index", "token", "add", "x", "--right", "root", "--data", index.data).expect(h.USAGE)
    done = a.run("index", "token", "revoke", "ci", "--data", index.data, "--json").expect(h.OK)
    check_eq((done.json()["revoked"], done.json()["open"]), ("ci", False), "revoked")

    def worthless():
        return h.http(index.url + "/api/v1/entries", "POST", b"{}", {"Content-Type": "application/json",
                                                                     "Authorization": "Bearer " + secret})[0] == 401
    h.wait_for(worthless, 5 * h.SLOW, "the revoked token is refused")
    with_token(a, secret, "share", a.path("f")).expect(h.DENIED).error_line("no such token")
    check("open to everyone" in a.run("index", "token", "revoke", "anonymous", "--data", index.data).expect(h.OK).err,
          "the last one opens the index: that is said")


@test("at its start an index says who may do what, or the reader believes it closed when it is not")
def _(w):
    a = w.peer("a")
    data = a.path("data")
    for name, said in ((None, "open to everyone"), ("anonymous", "everyone who can reach it may read; to publish takes a token")):
        if name:
            a.run("index", "token", "add", name, "--data", data).expect(h.OK)
        check(said in w.index(data=data).proc.stop().out, said)
    a.run("index", "token", "revoke", "anonymous", "--data", data).expect(h.OK)
    a.run("index", "token", "add", "one", "--data", data).expect(h.OK)
    check("open to those with a token" in w.index(data=data).proc.stop().out, "closed")
    for what in (["--log", "/nonexistent/x"], ["backup", "/nonexistent/x"]):
        a.run("index", *what, "--data", data).expect(h.NOT_FOUND).error_line("/nonexistent/x: No such file")


@test("a first token may come before the first start, so the index is never open; other questions need a catalogue")
def _(w):
    a = w.peer("a")
    data = a.path("new", "data")
    for args in (["token", "list"], ["token", "revoke", "x"], ["backup", a.path("copy")]):
        a.run("index", *args, "--data", data).expect(h.NOT_FOUND).error_line("no catalogue of an index; see --data")
    check(not os.path.exists(a.path("new")), "asking makes nothing")
    a.run("index", "token", "add", "first", "--data", data).expect(h.OK)
    check(closed(w.index(data=data)), "closed from its start")


@test("the admin removes anybody's entry, without the owner's key; nobody else does")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("spam"), 10), "--as", "mallory").stop(signal.SIGINT).expect(h.OK)
    b.run("unshare", "mallory/spam", "--admin").expect(h.DENIED).error_line("token")
    # It closes when it knows of the first one.
    admin, publish = token(w, index, "boss", "admin"), token(w, index, "p", "publish")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    with_token(b, publish, "unshare", "mallory/spam", "--admin").expect(h.DENIED)
    with_token(b, admin, "unshare", "spam", "--admin").expect(h.USAGE)
    with_token(b, admin, "unshare", "mallory/none", "--admin").expect(h.NOT_FOUND)
    check("1 version" in with_token(b, admin, "unshare", "mallory/spam", "--admin").expect(h.OK).out, "it is gone")
    status, body = h.http(index.url + "/api/v1/audit?limit=1&token=" + admin)
    change = json.loads(body)["changes"][0]
    check_eq((change["action"], change["key"], change["token"]), ("admin unpublish", None, "boss"), "audit")
    check(not any(secret in body.decode() for secret in (admin, publish)), "no secret is told")
    p = a.start("share", h.make_file(a.path("good"), 10), env={"SHOAL_TOKEN": publish})
    h.wait_for(lambda: b"serving" in p.out(), 10 * h.SLOW, "it is shared with a token")
    p.stop(signal.SIGINT).expect(h.OK)
    with_token(a, publish, "unshare", "good").expect(h.OK)
    status, body = h.http(index.url + "/api/v1/audit?limit=2&token=" + admin)
    check_eq([(c["action"], c["token"]) for c in json.loads(body)["changes"]], [("unpublish", "p"), ("publish", "p")],
             "names of tokens")


@test("who guesses tokens is locked out")
def _(w):
    index = w.index()
    secret = token(w, index, "reader")
    h.wait_for(lambda: closed(index), 5 * h.SLOW, "the index closes")
    a = w.peer("a")
    for i in range(10):
        check_eq(h.http(f"{index.url}/api/v1/entries?token={i}")[0], 401, "a guess")
    check_eq(h.http(f"{index.url}/api/v1/entries?token=10")[0], 429, "one too many")
    with_token(a, secret, "ls").expect(h.DENIED).error_line("ten minutes")


if __name__ == "__main__":
    raise SystemExit(h.main())
