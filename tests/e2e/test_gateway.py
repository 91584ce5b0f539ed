#!/usr/bin/python3
"""The gateway: names as files of a web server on loopback, verified, fetched as they are asked for."""

import http.client
import json
import os
import threading
import time
import urllib.parse

import harness as h
from gateway_client import Gateway
from harness import KIB, MIB, check, check_eq, test


def data(path):
    with open(path, "rb") as f:
        return f.read()


BROWSER = {"User-Agent": "Mozilla/5.0"}


@test("a name that is not here is looked for at the index, fetched and given; ranges, tags and HEAD are right", 90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("film.mp4"), 5 * MIB + 321)
    a.share(src, name="film")
    g, want = Gateway(b), data(src)
    status, head, body = g.ask("/n/a/film")
    check_eq((status, body == want), (200, True), "the whole")
    check_eq([b.transfers()[0].get(k) for k in ("owner", "entry", "version")], ["a", "film", 1], "which entry its transfer is")
    check_eq(head["Content-Length"], str(len(want)), "its length")
    check_eq((head["Content-Type"], head["Accept-Ranges"]), ("video/mp4", "bytes"), "its type")
    check_eq(head["X-Content-Type-Options"], "nosniff", "no sniffing")
    check("sandbox" in head["Content-Security-Policy"], "a sandbox", head)
    check_eq(head["Cross-Origin-Resource-Policy"], "same-origin", "not for other sites")
    check("Access-Control-Allow-Origin" not in head, "no CORS")
    tag = head["ETag"]
    check(tag.startswith('"') and len(tag) == 66, "a strong tag: the root of the file", tag)
    for ask, first, last in [("bytes=0-0", 0, 0), ("bytes=100-299", 100, 299), ("bytes=5000000-", 5000000, len(want) - 1),
                             ("bytes=-77", len(want) - 77, len(want) - 1), ("bytes=5242880-99999999", 5242880, len(want) - 1)]:
        status, head, body = g.ask("/n/a/film", headers={"Range": ask})
        check_eq((status, body == want[first:last + 1]), (206, True), ask)
        check_eq(head["Content-Range"], f"bytes {first}-{last}/{len(want)}", ask)
    status, head, _ = g.ask("/n/a/film", headers={"Range": "bytes=99999999-"})
    check_eq((status, head["Content-Range"]), (416, f"bytes */{len(want)}"), "beyond the end")
    status, head, body = g.ask("/n/a/film", headers={"Range": "bytes=0-1,5-6"})
    check_eq((status, len(body)), (200, len(want)), "several ranges are given as the whole")
    status, head, body = g.ask("/n/a/film", "HEAD")
    check_eq((status, body, head["Content-Length"], head["ETag"]), (200, b"", str(len(want)), tag), "HEAD")
    check_eq(g.ask("/n/a/film", headers={"If-None-Match": f'"x", {tag}'})[0], 304, "If-None-Match")
    check_eq(g.ask("/n/a/film", headers={"If-None-Match": '"x"'})[0], 200, "another tag")
    check_eq(g.ask("/n/a/film", headers={"If-Range": tag, "Range": "bytes=1-2"})[0], 206, "If-Range")
    check_eq(g.ask("/n/a/film", headers={"If-Range": '"x"', "Range": "bytes=1-2"})[0], 200, "If-Range of another")
    check("attachment" in g.ask("/n/a/film?download")[1]["Content-Disposition"], "to be saved")
    check("inline" in g.ask("/n/a/film")[1]["Content-Disposition"], "to be shown")
    check_eq(g.ask("/n/a/film@1", "HEAD")[0], 200, "a version")
    check_eq(g.ask("/n/a/film@7")[0], 404, "a version that is not")
    check_eq(g.ask("/n/a/film/film.mp4", headers={"Range": "bytes=0-9"})[2], want[:10], "with the file's name behind")
    check_eq(g.ask("/n/a/film/other")[0], 404, "another file's name")
    check_eq(g.ask("/n/nobody/film")[0], 404, "nobody's")
    check_eq(g.ask("/n/a/..%2f")[0], 404, "no address")


@test("a folder is listed as a page and as JSON, escaped; its files are given, and what could run is to be saved", 90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    files = {"a b.txt": 10, "sub/<img src=x onerror=alert(1)>.html": 3000, "sub/100%.svg": 200_000, "e": 0, "sub/deep/z.js": 5}
    for kind in ([], ["--v1-only"], ["--v2-only"]):
        name = "site" + "".join(kind).strip("-")
        src = h.make_tree(a.path(name), files, seed=name)
        a.share(src, *kind, name=name)
    g = Gateway(b)
    check_eq(g.ask("/n/a/site/")[0], 200, "a list")
    check_eq(g.ask("/n/a/site/a%20b.txt", "HEAD")[1]["Content-Length"], "10", "a head")
    check_eq(g.ask("/n/a/site/nothing")[0], 404, "no such file")
    check_eq(b.transfers(), [], "who only looks has nothing fetched")
    for name in ("site", "sitev1-only", "sitev2-only"):
        base = f"/n/a/{name}"
        status, head, _ = g.ask(base)
        check_eq((status, head["Location"]), (301, f"./{name}/"), "to the folder")
        status, head, page = g.ask(base + "/sub/")
        check_eq((status, head["Content-Type"]), (200, "text/html; charset=utf-8"), "a page")
        check(b"<img src=x" not in page and b"&lt;img src=x" in page, "escaped", page)
        j = json.loads(g.ask(base, headers={"Accept": "application/json"})[2])
        check_eq([(e["name"], e["type"], e["bytes"]) for e in j["entries"]],
                 [("sub", "folder", 203_005), ("a b.txt", "file", 10), ("e", "file", 0)], "as JSON")
        for rel, n in files.items():
            for prefix in ("/", f"/{name}/"):
                status, head, body = g.ask(base + prefix + urllib.parse.quote(rel))
                check_eq((status, body == data(os.path.join(a.path(name), rel))), (200, True), prefix + rel)
            if rel.endswith((".html", ".svg")):
                check("attachment" in head["Content-Disposition"], "to be saved", rel)
        check_eq(g.ask(base + "/sub/deep/nothing")[0], 404, "no such file")


@test("of a folder only the files that are asked for are fetched, also after a restart; what a user chose stays chosen", 90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    files = {"a": 300_000, "!b": 200_000, "sub/c": 2_000_000, "d": 5_000_000, "[1] x*?\\.bin": 1000, "1 x*?\\.bin": 1000}
    src = h.make_tree(a.path("data"), files)
    a.share(src)
    g = Gateway(b)
    take = lambda rel: check(g.ask("/n/a/data/" + urllib.parse.quote(rel))[2] == data(os.path.join(src, rel)), rel)
    wanted = lambda: b.transfers()[0]["wanted_files"]
    for i, rel in enumerate(("!b", "a")):
        take(rel)
        check_eq(wanted(), i + 1, "files that are wanted")
    h.wait_for(lambda: b.transfers()[0]["state"] == "seeding", 30 * h.SLOW, "they are there")
    check(b.transfers()[0]["down_total"] < 1_500_000, "fetched", b.transfers())
    g.proc.stop()
    g = Gateway(b)
    check_eq(wanted(), 2, "after a restart")
    take("sub/c")
    take("a")
    check_eq(wanted(), 3, "one more")
    take("[1] x*?\\.bin")
    check_eq(wanted(), 4, "that one alone")


@test("pages elsewhere read nothing and begin nothing; the user, players and the token do", 60)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    for n in "12345":
        a.share(h.make_file(a.path("f" + n), 100_000, seed=n), name="f" + n)
    g = Gateway(b)
    check_eq(g.ask("/n/a/f1", headers={**BROWSER, "Sec-Fetch-Site": "cross-site"})[0], 403, "a picture elsewhere")
    check_eq(g.ask("/n/a/f1", headers={**BROWSER, "Sec-Fetch-Site": "same-site"})[0], 403, "a site beside")
    check_eq(g.ask("/n/a/f1", headers={**BROWSER, "Origin": "http://evil.example"})[0], 403, "another origin")
    check_eq(g.ask("/n/a/f1", headers={"Host": "evil.example"})[0], 421, "another name for us")
    check_eq(g.ask("/n/a/f1", headers=BROWSER)[0], 403, "a browser that does not say where from")
    check_eq(os.path.exists(os.path.join(b.home, "gateway")), False, "nothing was begun")
    check_eq(g.ask("/n/a/f1", headers={**BROWSER, "Authorization": "Bearer " + g.token()})[0], 200, "the token")
    check_eq(g.ask("/n/a/f2?token=" + g.token(), headers=BROWSER)[0], 200, "the token in the address")
    check_eq(g.ask("/n/a/f3", headers={**BROWSER, "Sec-Fetch-Site": "none"})[0], 200, "typed by the user")
    check_eq(g.ask("/n/a/f4", headers={**BROWSER, "Sec-Fetch-Site": "same-origin"})[0], 200, "our own page")
    check_eq(g.ask("/n/a/f5", headers={"User-Agent": "mpv/0.35"})[0], 200, "a player")
    check_eq(g.ask("/n/a/f1", headers=BROWSER)[0], 200, "what is here is given")
    check_eq(g.ask("/n/a/f1", headers={**BROWSER, "Sec-Fetch-Site": "cross-site"})[0], 403, "but not to pages elsewhere")


@test("what is shared under several names is given under each of them, also to those who may have nothing fetched", 60)
def _(w):
    w.index()
    a = w.peer("a")
    g, src = Gateway(a), h.make_file(a.path("f"), 1000)
    for name in ("f", "g"):
        a.run("share", src, "--name", name, "-d", "--as", "alice").expect(h.OK)
    for path, want in (("f", 200), ("g", 200), ("g@1", 200), ("g@2", 403), ("h", 403)):
        status, _, body = g.ask(f"/n/alice/{path}", headers=BROWSER)
        check_eq((status, body == data(src)), (want, want == 200), path)


@test("seeking in what is not here yet starts within a second", 90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    size = (96 if h.SANITIZED else 512) * MIB
    src = h.make_file(a.path("film.mkv"), size)
    a.share(src, name="film")
    g = Gateway(b)
    worst = 0.0
    with open(src, "rb") as f:
        for at in (0, size - 1 * MIB, size // 2, size // 3, size // 5 * 4):
            start = time.monotonic()
            status, _, body = g.ask("/n/a/film", headers={"Range": f"bytes={at}-{at + 64 * KIB - 1}"})
            took = time.monotonic() - start
            f.seek(at)
            check_eq((status, body == f.read(64 * KIB)), (206, True), f"at {at}")
            worst = max(worst, took)
    print(f"# slowest seek of {size >> 20} MiB: {worst * 1000:.0f} ms")
    check(worst < 5 * h.SLOW, "seeking takes long", worst)


@test("two hundred clients at once, slow ones among them, cost little memory; who leaves is forgotten", 120)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f.bin"), 24 * MIB)
    a.share(src, name="f")
    g, want = Gateway(b), data(src)
    check_eq(g.ask("/n/a/f")[2] == want, True, "the first one")
    watch = h.Watch(g.proc, more_bytes=120 * MIB)
    slow = []
    host, port = g.address.split(":")
    for _ in range(100):
        c = http.client.HTTPConnection(host, int(port), timeout=60)
        c.request("GET", "/n/a/f")
        slow.append(c)
    crowd = h.Crowd()

    def one(n):
        at = n * 100_000
        check_eq(g.ask("/n/a/f", headers={"Range": f"bytes={at}-{at + 199_999}"})[2] == want[at:at + 200_000], True, "a part")
    for n in range(100):
        crowd.start(one, n)
    crowd.join(60 * h.SLOW)
    slow[0].timeout = 60
    check_eq(slow[0].getresponse().read() == want, True, "a slow one gets all of it")
    for c in slow:
        c.close()
    watch.settle()


@test("a job that is removed while it is read cuts the body short, and the daemon goes on", 60)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f.bin"), 32 * MIB)
    s = a.share(src, name="f")
    g = Gateway(b)
    s.stop()  # it is known, and nobody has it
    host, port = g.address.split(":")
    c = http.client.HTTPConnection(host, int(port), timeout=60)
    c.request("GET", "/n/a/f")
    r = c.getresponse()
    check_eq((r.status, r.headers["Content-Length"]), (200, str(32 * MIB)), "the head is there")
    got = []
    t = threading.Thread(target=lambda: got.append(short(r)))
    t.start()
    status, _, body = g.ask("/api/v1/transfers", headers={"Authorization": "Bearer " + g.token()})
    job = json.loads(body)["transfers"][0]["id"]
    status, _, body = g.ask(f"/api/v1/transfers/{job}", "DELETE", headers={"Authorization": "Bearer " + g.token()})
    check(status in (200, 202, 204), "removed", status, body)
    t.join(30)
    check_eq(got, [True], "it was cut short")
    check(g.proc.alive(), "the daemon lives")


@test("remove --with-data of what was fetched leaves no empty folder behind, be it a file or of a folder, whole or not", 90)
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f.bin"), 300_000), name="f")
    a.share(h.make_tree(a.path("site"), {"sub/x": 300_000, "y": 10}, seed="site"), name="site")
    late = a.share(h.make_file(a.path("late.bin"), 8 * MIB), name="late")
    g = Gateway(b)
    kept = os.path.join(b.home, "gateway")
    check_eq((g.ask("/n/a/f")[0], g.ask("/n/a/site/sub/x")[0], g.ask("/n/a/late", "HEAD")[0]), (200, 200, 200), "fetched")
    late.stop()
    c = http.client.HTTPConnection(*g.address.split(":"), timeout=60)
    c.request("GET", "/n/a/late")
    h.wait_for(lambda: len(os.listdir(kept)) == 3, 20 * h.SLOW, "each has a folder")
    for name in ("f", "site", "late"):
        b.run("remove", name, "--with-data").expect(h.OK)
    h.wait_for(lambda: os.listdir(kept) == [], 20 * h.SLOW, "they are gone")
    c.close()
    check_eq(g.ask("/n/a/f")[0], 200, "and fetched again")
    b.run("remove", "f").expect(h.OK)
    check_eq(len(os.listdir(kept)), 1, "without --with-data it stays")


def short(r):
    try:
        return len(r.read()) < 32 * MIB
    except (http.client.IncompleteRead, OSError):
        return True


if __name__ == "__main__":
    h.main()
