#!/usr/bin/python3
"""Owners, versions and what is said about entries; and an index that lies about them."""

import base64
import http.server
import json
import os
import signal
import sqlite3
import threading
import urllib.error
import urllib.request

import harness as h
from harness import check, check_eq, test


@test("whoami shows the owner and the key that share publishes with; --as is remembered")
def _(w):
    index = w.index()
    a = w.peer("a")
    me = a.run("whoami", "--json").expect(h.OK).json()
    check_eq(len(me["key"]), 64, "key")
    check_eq(os.stat(os.path.join(me["home"], "key")).st_mode & 0o777, 0o600, "mode of the secret key")
    a.run("whoami", "--as", "alice@lab").expect(h.OK)
    check("alice@lab" in a.run("whoami").expect(h.OK).out, "the owner's name is remembered")
    a.owner = None  # no --as of the harness
    a.start("share", h.make_file(a.path("f"), 100))
    index.wait_seeds("f")
    e = index.entry("f")
    check_eq((e["owner"], e["key"]), ("alice@lab", me["key"]), "owner and key of the entry")


@test("description, tags and notes are stored, shown, found, and replaced by a later share")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    p = a.share(h.make_file(a.path("f"), 100), "--description", "Rain over Bern", "--tag", "Raw", "--tag", "weather,2026",
                "--meta", "licence=CC0", "--meta", "station=seven hills")
    info = b.run("info", "f", "--json").expect(h.OK).json()
    check_eq(info["description"], "Rain over Bern", "description")
    check_eq(info["tags"], ["2026", "raw", "weather"], "tags")
    check_eq(info["meta"], {"licence": "CC0", "station": "seven hills"}, "meta")
    text = b.run("info", "f").expect(h.OK).out
    check(all(s in text for s in ("Rain over Bern", "2026 raw weather", "seven hills")), "info", text)
    for words in (["bern"], ["weather", "raw"], ["hills"]):
        check("f" in b.run("search", *words).expect(h.OK).out, f"search {words}")
    b.get("f")  # the signature covers them
    p.stop(signal.SIGINT).expect(h.OK)
    p = a.share(a.path("f"), "--description", "Snow")
    e = index.entry("f")
    check_eq((e["version"], e["description"], e["tags"], e["meta"]), (1, "Snow", [], {}), "replaced")
    check_eq(b.run("search", "bern", "--all", "--json").expect(h.OK).json()["entries"], [], "the old words are gone")
    b.get("f", "-o", "again")
    for bad in (["--tag", "a/b"], ["--meta", "x"], ["--meta", "a b=c"], ["--description", "two\nlines"]):
        a.run("share", a.path("f"), *bad).expect(h.USAGE).error_line("tag|meta|key|description|KEY=VALUE")
    p.stop(signal.SIGINT).expect(h.OK)


@test("every publication of other content is a version; versions lists them, NAME@N and NAME@latest fetch them")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    sums, shares = [], []
    for i in range(3):
        os.makedirs(a.path(f"v{i}"))
        f = h.make_file(a.path(f"v{i}", "data"), 50_000 + i, seed=i)
        sums.append(h.sha256(f))
        shares.append(a.share(f, "--as", "alice"))
    rows = b.run("versions", "data", "--json").expect(h.OK).json()["entries"]
    check_eq([(r["version"], r["sha256"]) for r in rows], [(3, sums[2]), (2, sums[1]), (1, sums[0])], "versions")
    check_eq(len(b.run("versions", "alice/data").expect(h.OK).out.splitlines()), 3, "versions as text")
    for ref, want in (("data@1", sums[0]), ("alice/data@2", sums[1]), ("data@latest", sums[2]), ("data", sums[2])):
        b.get(ref, "-o", ref.replace("/", "-"))
        check_eq(h.sha256(b.path(ref.replace("/", "-"))), want, ref)
    b.run("get", "data@4").expect(h.NOT_FOUND)
    b.run("versions", "dato").expect(h.NOT_FOUND).error_line("dato", "data")


@test("ls shows what is on line, in the order asked for; --all shows the rest")
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    for name, size in (("beta", 3000), ("alpha", 2000), ("gamma", 1000)):
        h.make_file(a.path(name), size, seed=size)
    gone = a.share(a.path("beta"))
    gone.stop(signal.SIGINT).expect(h.OK)
    a.share(a.path("alpha"), a.path("gamma"))
    b.get("gamma")
    b.share(b.path("gamma"), "--as", "bob")

    def names(*args):
        return [e["name"] for e in c.run("ls", "--json", *args).expect(h.OK).json()["entries"]]
    check_eq(sorted(set(names())), ["alpha", "gamma"], "on line")
    check_eq(sorted(set(names("--all"))), ["alpha", "beta", "gamma"], "--all")
    check_eq(names("--all", "--sort", "size")[:2], ["beta", "alpha"], "by size")
    check_eq(names("--all", "--sort", "name")[:2], ["alpha", "beta"], "by name")
    check_eq(names("--sort", "holders")[0], "gamma", "by holders")
    check_eq(names("--all", "--sort", "name", "--limit", "1"), ["alpha"], "one row")
    c.run("ls", "--sort", "best").expect(h.FAILED if c.run("ls", "--sort", "best").code == h.FAILED else h.USAGE).error_line("sort")


class Liar(http.server.ThreadingHTTPServer):
    """An index that passes everything on to a real one, but for what `twist` makes of an answer."""

    def __init__(self, index, twist):
        self.real, self.twist = index.url, twist
        super().__init__(("127.0.0.1", 0), LiarHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class LiarHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with urllib.request.urlopen(self.server.real + self.path) as r:
                status, kind, body = r.status, r.headers["Content-Type"], r.read()
        except urllib.error.HTTPError as e:
            status, kind, body = e.code, e.headers["Content-Type"], e.read()
        body = self.server.twist(self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def two_entries(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("good"), 1000, seed=1), "--as", "alice")
    b.share(h.make_file(b.path("evil"), 1000, seed=2), "--as", "mallory")
    return index, w.peer("c")


@test("an index that hands out another .torrent than the owner signed is caught, and nothing is fetched")
def _(w):
    index, c = two_entries(w)
    other = index.torrent("evil")

    def change(body, inline):
        reply = json.loads(body)
        for row in reply.get("entries", []):
            check("torrent_base64" in row, "a small one comes with the answer", row)
            row["torrent_base64"] = inline
        return json.dumps(reply).encode()

    for inline in (base64.b64encode(other).decode(), None):
        liar = Liar(index, lambda path, body: other if path.endswith("/torrent") else change(body, inline))
        w.closers.append(liar.shutdown)
        c.run("get", "good", "--index", liar.url).expect(h.CORRUPT).error_line("signed")
        check(not os.path.exists(c.path("good")), "nothing is at the name")


@test("ls goes on over pages without anyone on line, and not without end")
def _(w):
    index, c = two_entries(w)
    asked, barren = [], [2]

    def empty_first(path, body):
        if "/api/v1/entries?" not in path:
            return body
        asked.append(path)
        before = int(urllib.parse.parse_qs(path.partition("?")[2]).get("before", [10**9])[0])
        return body if len(asked) > barren[0] else json.dumps({"entries": [], "next": before - 1}).encode()
    liar = Liar(index, empty_first)
    w.closers.append(liar.shutdown)
    check("good" in c.run("ls", "--index", liar.url).expect(h.OK).out, "behind two empty pages")
    check_eq(len(asked), 3, "pages")
    for barren[0], found in ((500, True), (10**6, False)):
        asked.clear()
        check_eq("good" in c.run("ls", "--index", liar.url).expect(h.OK).out, found, f"behind {barren[0]} of them")
        check_eq(len(asked), 501, "pages")


@test("an index that changes what an entry says, or forges one, is caught by its signature")
def _(w):
    index, c = two_entries(w)
    evil = index.entry("evil")

    def swap(path, body):
        """alice's entry with mallory's content."""
        if "/api/v1/entries?" not in path:
            return body
        j = json.loads(body)
        for e in j["entries"]:
            if e["name"] == "good":
                e.update({k: evil[k] for k in ("hash_v1", "hash_v2", "bytes", "sha256")})
        return json.dumps(j).encode()
    liar = Liar(index, swap)
    w.closers.append(liar.shutdown)
    c.run("get", "good", "--index", liar.url).expect(h.CORRUPT).error_line("sign")


@test("the key of an owner is remembered at the first get; another one is refused until it is accepted")
def _(w):
    index, c = two_entries(w)
    c.get("alice/good")
    # Another index, where somebody else was the first to call himself alice.
    index2 = w.index(data=w.path("index2"))
    d = w.peer("d", index2)
    d.share(h.make_file(d.path("good"), 1000, seed=3), "--as", "alice")
    done = c.run("get", "good", "-o", "other", "--index", index2.url).expect(h.DENIED)
    done.error_line("THE KEY OF alice HAS CHANGED", "--accept-key")
    check(not os.path.exists(c.path("other")), "nothing was fetched")
    c.get("good", "-o", "again")
    c.run("get", "good", "-o", "other", "--index", index2.url, "--accept-key").expect(h.OK)
    c.run("get", "good", "-o", "third").expect(h.DENIED)


@test("every change is in the audit table with time and address; backup copies the catalogue of a running index")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 100), "--as", "alice").stop(signal.SIGINT).expect(h.OK)
    a.run("unshare", "f").expect(h.OK)
    changes = index.api("audit")["changes"]
    check_eq([(c["action"], c["owner"], c["name"], c["address"]) for c in changes],
             [("unpublish", "alice", "f", "127.0.0.1"), ("publish", "alice", "f", "127.0.0.1")], "audit")
    copy = w.path("copy.db")
    a.run("index", "backup", copy, "--data", index.data).expect(h.OK)
    with sqlite3.connect(copy) as db:
        check_eq(db.execute("SELECT count(*) FROM audit").fetchone(), (2,), "rows of the copy")
    a.run("index", "backup", copy, "--data", index.data).expect(h.TAKEN).error_line("copy.db")
    a.run("index", "restore").expect(h.USAGE).error_line("backup")


if __name__ == "__main__":
    raise SystemExit(h.main())
