#!/usr/bin/python3
"""Running an index: stop, reload, logs, sites, what systemd is told."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

import harness as h
import wire
from authority import Authority, openssl
from harness import check, check_eq, test


def log_of(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def wait_event(path, event, n=1):
    def seen():
        return [e for e in log_of(path) if e["event"] == event][n - 1:n]
    return h.wait_for(seen, 10 * h.SLOW, f"{event} in the log")[0]


def announce(index, source, numwant=0, port=7000, to=None, headers="", **more):
    """Peers told, as (address, port)."""
    q = {"info_hash": b"h" * 20, "peer_id": b"-XX0001-" + os.urandom(6).hex().encode(), "port": port, "left": 1,
         "uploaded": 0, "downloaded": 0, "compact": 1, "numwant": numwant, **more}
    with socket.create_connection((h.HOST, to or index.port), timeout=10, source_address=(source, 0)) as s:
        target = "/announce?" + urllib.parse.urlencode(q)
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: s.recv(65536), b""))
    peers = wire.bdecode(said.split(b"\r\n\r\n", 1)[1])[b"peers"]
    return [(socket.inet_ntoa(a), p) for a, p in struct.iter_unpack(">4sH", peers)]


def accepted(index):
    """Connections that the index has taken out of the kernel's queue."""
    with open(f"/proc/{index.proc.pid}/net/tcp") as f:
        rows = [line.split() for line in list(f)[1:]]
    return sum(r[1].endswith(f":{index.port:04X}") and r[3] == "01" and r[9] != "0" for r in rows)


# ---- the end ------------------------------------------------------------------------------

@test("SIGTERM: what is under way is answered, who is idle is let go, nobody new is taken")
def _(w):
    index = w.index()
    idle = socket.create_connection((h.HOST, index.port))
    idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    check(b"200 OK" in idle.recv(4096), "the idle one had an answer")
    silent = socket.create_connection((h.HOST, index.port))
    half = socket.create_connection((h.HOST, index.port))
    body = b"{}"
    half.sendall(b"POST /api/v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n" % len(body))
    h.wait_for(lambda: accepted(index) >= 3, 5 * h.SLOW, "all are accepted")
    index.proc.send(signal.SIGTERM)
    idle.settimeout(5 * h.SLOW)
    check_eq(idle.recv(4096), b"", "the idle one is let go")
    silent.settimeout(5 * h.SLOW)
    try:
        check_eq(silent.recv(4096), b"", "the silent one is let go")
    except ConnectionResetError:
        pass
    try:
        socket.create_connection((h.HOST, index.port), timeout=1).close()
        raise h.Failed("a new connection was taken")
    except ConnectionRefusedError:
        pass
    check(index.proc.alive(), "it waits for who is under way")
    half.sendall(body)
    half.settimeout(5 * h.SLOW)
    check(b"400" in half.recv(4096).split(b"\r\n")[0], "its answer")
    index.proc.wait(1 * h.SLOW).expect(h.OK)


@test("SIGTERM: who never ends a request is waited for two seconds; a second signal does not wait")
def _(w):
    for signals in (1, 2):
        index = w.index(data=w.path(f"d{signals}"))
        with socket.create_connection((h.HOST, index.port)) as s:
            s.sendall(b"GET /he")
            h.wait_for(lambda: accepted(index) == 1, 5 * h.SLOW, "it is accepted")
            begun = time.monotonic()
            index.proc.send(signal.SIGTERM)
            if signals == 2:
                h.wait_for(lambda: b" stop " in index.proc.err(), 5 * h.SLOW, "the first signal is seen")
                index.proc.send(signal.SIGTERM)
            index.proc.wait(4 * h.SLOW).expect(h.OK)
            took = time.monotonic() - begun
            check(took >= 1.8 if signals == 1 else took < 1.5 * h.SLOW, f"{signals} signals: took {took:.2f} s")


# ---- SIGHUP -------------------------------------------------------------------------------

@test("SIGHUP: a renewed certificate is shown to those who come, what is broken is not taken over")
def _(w):
    ca = Authority(w)
    cert, key = ca.sign("one", "IP:" + h.HOST)
    cert2, key2 = ca.sign("two", "IP:" + h.HOST)
    log = w.path("events")
    index = w.index(args=["--tls-cert", cert, "--tls-key", key, "--log", log, "--log-format", "json"])
    check_eq((wait_event(log, "start")["tls"], wait_event(log, "start")["port"]), (True, index.port), "start")
    a, one = w.peer("a"), index.pin()
    shutil.copy(cert2, cert)
    index.proc.send(signal.SIGHUP)
    check(re.search("no key", wait_event(log, "reload_failed")["error"]), "half a renewal is told of")
    a.run("ls", "--pin", one).expect(h.OK)
    shutil.copy(key2, key)
    index.proc.send(signal.SIGHUP)
    wait_event(log, "reload")
    a.run("ls", "--pin", one).expect(h.DENIED).error_line("not the pinned one")
    a.run("ls", env={"SSL_CERT_FILE": ca.cert}).expect(h.OK)


@test("sites: answers prefer peers of the asker's site; SIGHUP reads them again")
def _(w):
    sites, log = w.path("sites"), w.path("events")
    with open(sites, "w") as f:
        f.write("# ours\n127.9.0.0/16=paris\n")
    index = w.index(args=["--site", "127.7.0.0/16=berlin", "--site", "127.8.0.0/16=berlin", "--sites", sites,
                          "--log", log, "--log-format", "json"])
    for i in range(60):
        announce(index, f"127.{7 + i % 3}.{i}.1")

    def near(nets):
        told = announce(index, "127.8.200.1", 20, event="started")
        check_eq(len(told), 20, "peers told")
        return sum(ip.split(".")[1] in nets for ip, _ in told)
    n = near("78")
    check(n >= 15, f"{n} of 20 are of the asker's site")
    with open(sites, "w") as f:
        f.write("127.9.0.0/16=berlin\n")
    index.proc.send(signal.SIGHUP)
    check_eq(wait_event(log, "reload")["sites"], 3, "sites after a reload")
    got = [near("9") for _ in range(10)]
    check(max(got) >= 5, "the third network has become near", got)
    with open(sites, "w") as f:
        f.write("nonsense\n")
    index.proc.send(signal.SIGHUP)
    check("nonsense" in wait_event(log, "reload_failed")["error"], "what is wrong in the file is told")
    check(index.up(), "it runs on")
    w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", w.path("d2"), "--site", "10.0.0.0/99=x").wait(20) \
        .expect(h.USAGE).error_line("10.0.0.0/99=x")


@test("SIGHUP: what is wrong with the sites keeps nothing else from being read again; each fault is said")
def _(w):
    ca = Authority(w)
    cert, key = ca.sign("one", "IP:" + h.HOST)
    new = ca.sign("two", "IP:" + h.HOST)
    sites, log = w.path("sites"), w.path("events")
    with open(sites, "w") as f:
        f.write("127.9.0.0/16=paris\n")
    index = w.index(args=["--tls-cert", cert, "--tls-key", key, "--sites", sites, "--log", log, "--log-format", "json"])
    a, one = w.peer("a"), index.pin()
    with open(sites, "w") as f:
        f.write("nonsense\n")
    for made, place in zip(new, (cert, key)):
        shutil.copy(made, place)
    index.proc.send(signal.SIGHUP)
    check("nonsense" in wait_event(log, "reload_failed")["error"], "what is wrong in the file is told")
    a.run("ls", "--pin", one).expect(h.DENIED).error_line("not the pinned one")
    openssl("ec", "-in", new[1], "-aes128", "-passout", "pass:secret", "-out", key)
    index.proc.send(signal.SIGHUP)
    check("the key has a passphrase" in wait_event(log, "reload_failed", 3)["error"], "the second fault is told, too")
    a.run("ls", env={"SSL_CERT_FILE": ca.cert}).expect(h.OK)
    index.proc.stop(signal.SIGTERM).expect(h.OK)


# ---- the log ------------------------------------------------------------------------------

@test("the log has one line an event, as JSON or text; a moved file is opened anew; secrets are never in it (G-27)")
def _(w):
    log = w.path("events")
    index = w.index(args=["--log", log, "--log-format", "json"])
    a = w.peer("a")
    h.make_file(a.path("f"), 100)
    p = a.share(a.path("f"), name="a \"name\"")
    e = wait_event(log, "publish")
    check_eq((e["owner"], e["name"], e["version"], e["from"]), ("a", "a \"name\"", 1, h.HOST), "publish")
    p.stop(signal.SIGINT).expect(h.OK)
    os.rename(log, log + ".1")
    index.proc.send(signal.SIGHUP)
    h.wait_for(lambda: os.path.exists(log), 10 * h.SLOW, "a new file")
    wait_event(log, "reload")
    made = a.run("index", "token", "add", "x", "--right", "publish", "--data", index.data, "--json").expect(h.OK)
    secret = made.json()["token"]
    h.wait_for(lambda: h.http(index.url + "/api/v1/entries")[0] == 401, 5 * h.SLOW, "the index closes")
    a.run("unshare", "a \"name\"", env={"SHOAL_TOKEN": secret}).expect(h.OK)
    for path in ("/api/v1/entries?token=guess1", "/announce/guess2?info_hash=" + "h" * 20, "/scrape/guess3"):
        h.http(index.url + path)
    wait_event(log, "wrong_token", 3)
    index.proc.stop(signal.SIGTERM).expect(h.OK)
    check_eq([e["event"] for e in log_of(log)], ["reload", "unpublish"] + ["wrong_token"] * 3 + ["stop"], "events")
    with open(log) as f:
        text = f.read()
    check("guess" not in text and secret not in text, "no token is in the log", text)
    text = w.index(data=w.path("d2"))
    w.peer("b", text).share(h.make_file(w.path("g"), 10), name="b c")
    line = r"(?m)^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ publish owner=b name=\"b c\" version=1 from=\S+$"
    check(re.search(line, text.proc.err_text()), "a line of text", text.proc.err_text())
    w.start(h.BIN, "index", "--log-format", "xml", "--data", w.path("d3")).wait(20) \
        .expect(h.USAGE).error_line("text json")


# ---- monitoring and feeds -----------------------------------------------------------------

def samples_of(text):
    """What a Prometheus scraper reads, by the rules of its text format and `promtool check metrics`."""
    kinds, helped, out = {}, set(), {}
    check(text.endswith("\n"), "the last line ends")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            check(name not in helped and words.strip(), f"{name} has one HELP")
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            check(name in helped and name not in kinds and kind in ("counter", "gauge"), line)
            check(name.endswith("_total") == (kind == "counter"), f"{name}: counters end with _total, gauges do not")
            kinds[name] = kind
        else:
            m = re.fullmatch(r"([a-z_:][a-z0-9_:]*)(\{[a-z_]+=\"[^\"\\\n]*\"\})? ([0-9.e+]+)", line)
            check(m is not None and m.group(1) in kinds and m.group(1) not in out, f"a sample: {line}")
            out[m.group(1)] = float(m.group(3))
    check_eq(set(kinds), set(out), "each metric has a sample")
    return out


@test("/metrics is what Prometheus reads, and counts what happens")
def _(w):
    index = w.index()
    before = samples_of(h.http(index.url + "/metrics")[1].decode())
    announce(index, "127.0.0.9")
    w.peer("a").share(h.make_file(w.path("f"), 1000))
    after = samples_of(h.http(index.url + "/metrics")[1].decode())
    check(all(n.startswith("shoal_") for n in after), "names", after)
    for name, more in (("shoal_announces_total", 1), ("shoal_entries", 1), ("shoal_sessions", 1), ("shoal_entry_bytes", 1000)):
        check_eq(after[name] - before[name], more, name)


ATOM = "{http://www.w3.org/2005/Atom}"


def feed_of(index, query=""):
    """Its id, and id, time and links of each entry by title; holds it against what RFC 4287 asks."""
    status, body = h.http(index.url + "/feed.atom" + query)
    check_eq(status, 200, "status of the feed")
    feed = ElementTree.fromstring(body)
    check_eq(feed.tag, ATOM + "feed")
    uuid_urn, stamp = r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    out = {}
    for e in [feed] + feed.findall(ATOM + "entry"):
        for tag, form in (("id", uuid_urn), ("title", r".+"), ("updated", stamp)):
            found = e.findall(ATOM + tag)
            check(len(found) == 1 and re.fullmatch(form, found[0].text), f"one {tag}", ElementTree.tostring(e))
        links = {k.get("rel"): k for k in e.findall(ATOM + "link")}
        # Without a content an entry must have a link to where there is one.
        check("alternate" in links and ("self" if e is feed else "enclosure") in links, "links", list(links))
        if e is not feed:
            check(e.findtext(f"{ATOM}author/{ATOM}name"), "an author")
            out[e.findtext(ATOM + "title")] = (
                e.findtext(ATOM + "id"), e.findtext(ATOM + "updated"),
                {rel: urllib.parse.urljoin(index.url + "/feed.atom", k.get("href")) for rel, k in links.items()})
    ids = [feed.findtext(ATOM + "id")] + [e[0] for e in out.values()]
    check_eq(len(set(ids)), len(ids), "ids are of one thing each")
    check_eq(feed.findtext(ATOM + "updated"), max([e[1] for e in out.values()] or ["1970-01-01T00:00:00Z"]), "the newest")
    return ids[0], out


@test("the feed is valid Atom; ids stay over a restart, a change of words and a backup, and are no other index's")
def _(w):
    index = w.index()
    a = w.peer("a")
    feed_of(index)
    for name in ("f <&>", "g"):
        a.share(h.make_file(a.path(name), 100, name), "--description", "one").stop(signal.SIGINT).expect(h.OK)
    feed, entries = feed_of(index)
    check_eq(list(entries), ["g@1", "f <&>@1"], "newest first")
    status, body = h.http(entries["g@1"][2]["enclosure"])
    check(status == 200 and b"4:info" in body, "the enclosure is the .torrent")
    check_eq(h.http(entries["g@1"][2]["alternate"].split("#")[0])[0], 200, "the page")
    a.share(a.path("g"), "--description", "two").stop(signal.SIGINT).expect(h.OK)
    index.proc.stop()
    index.start()
    feed2, again = feed_of(index)
    check_eq((feed2, {t: e[0] for t, e in again.items()}), (feed, {t: e[0] for t, e in entries.items()}), "ids")
    copy, other = w.path("copy"), w.index(data=w.path("other"))
    os.mkdir(copy)
    a.run("index", "backup", copy + "/catalogue.db", "--data", index.data).expect(h.OK)
    check_eq(feed_of(w.index(data=copy)), (feed, {t: (*e[:2], {k: v.replace(index.url, w.indexes[-1].url)
                                                              for k, v in e[2].items()}) for t, e in again.items()}),
             "the feed of the copy")
    w.peer("b", other).share(h.make_file(w.path("g"), 100, "g"), name="g")
    feed3, entries3 = feed_of(other)
    check(feed3 != feed and entries3["g@1"][0] != entries["g@1"][0], "another index and owner have other ids")


@test("at a closed index the feed's .torrents carry the token that the reader showed")
def _(w):
    index = w.index()
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 100)).stop(signal.SIGINT).expect(h.OK)
    secret = a.run("index", "token", "add", "reader", "--data", index.data, "--json").expect(h.OK).json()["token"]
    h.wait_for(lambda: h.http(index.url + "/feed.atom")[0] == 401, 5 * h.SLOW, "the index closes")
    status, body = h.http(feed_of(index, "?token=" + secret)[1]["f@1"][2]["enclosure"])
    check(status == 200 and b"/announce/" + secret.encode() in body, "the .torrent, with a passkey", body[:200])
    status, body = h.http(index.url + "/feed.atom?before=1&token=" + secret)
    first = [k for k in ElementTree.fromstring(body).findall(ATOM + "link") if k.get("rel") == "first"]
    check_eq([k.get("href") for k in first], ["feed.atom?token=" + secret], "other pages carry it, too")


# ---- data ---------------------------------------------------------------------------------

@test("one index at a time has the data; it is free again when that one ends, however it does")
def _(w):
    index = w.index()
    w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", index.data).wait(20).expect(h.TAKEN) \
        .error_line("another index")
    index.proc.kill()
    index.proc.wait(10)
    index.start()


@test("a backup that was made while the index ran is an index again: names, versions, keys and tokens")
def _(w):
    index = w.index()
    a = w.peer("a")
    for n in (1, 2):
        a.share(h.make_file(a.path("f"), 1000, n), "--as", "alice").stop(signal.SIGINT).expect(h.OK)
    copy = w.path("copy")
    os.mkdir(copy)
    secret = a.run("index", "token", "add", "reader", "--right", "publish", "--data", index.data, "--json").json()["token"]
    a.run("index", "backup", copy + "/catalogue.db", "--data", index.data).expect(h.OK)
    index.proc.kill()
    index.proc.wait(10)
    restored = w.index(data=copy)
    check_eq(h.http(restored.url + "/api/v1/entries")[0], 401, "without a token")
    b = w.peer("b", restored)
    check_eq(b.run("versions", "f", env={"SHOAL_TOKEN": secret}).expect(h.OK).out.count("alice"), 2, "versions")
    h.make_file(b.path("f"), 10)
    b.run("share", b.path("f"), "--as", "alice", env={"SHOAL_TOKEN": secret}).expect(h.TAKEN)
    a2 = w.peer("a", restored)
    p = a2.start("share", a2.path("f"), "--as", "alice", env={"SHOAL_TOKEN": secret})
    h.wait_for(lambda: b"serving" in p.out(), 20 * h.SLOW, "it is served")
    b.run("get", "f", "-o", "got", env={"SHOAL_TOKEN": secret}).expect(h.OK)
    h.check_same(b.path("got"), a2.path("f"))
    p.stop(signal.SIGINT).expect(h.OK)


def fatten(index, megabytes):
    """Makes the catalogue of a stopped index so much larger."""
    with sqlite3.connect(index.data + "/catalogue.db") as db:
        db.executemany("INSERT INTO torrents VALUES (?, zeroblob(1048576))", ((n,) for n in range(1000, 1000 + megabytes)))
    db.close()


@test("a backup ends although the catalogue is written to all the time, and nobody who writes waits for it")
def _(w):
    index = w.index()
    index.proc.stop()
    fatten(index, 40)
    index.start()
    done, written = threading.Event(), []

    def write():
        db = sqlite3.connect(index.data + "/catalogue.db", timeout=20, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        while not done.is_set():
            db.execute("INSERT INTO audit (at, address, action, owner, name, version) VALUES (1, 'x', 'publish', 'o', 'n', 1)")
            written.append(1)
        db.close()
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        h.wait_for(lambda: written, 20 * h.SLOW, "it is written to")
        w.peer("a").run("index", "backup", w.path("copy.db"), "--data", index.data).expect(h.OK)
    finally:
        done.set()
        writer.join(30)
    with sqlite3.connect(w.path("copy.db")) as db:
        check_eq(db.execute("PRAGMA integrity_check").fetchone()[0], "ok", "the copy")
        check_eq(db.execute("SELECT count(*) FROM torrents").fetchone()[0], 40, "what is in it")
    db.close()


@test("a backup that is killed leaves nothing that passes for one, nor is in the way of the next")
def _(w):
    index = w.index()
    index.proc.stop()
    fatten(index, 100)
    copy = w.path("copies")
    os.mkdir(copy)
    a = w.peer("a")
    p = a.start("index", "backup", copy + "/c.db", "--data", index.data)
    h.wait_for(lambda: os.listdir(copy), 20 * h.SLOW, "it has begun", every=0.001)
    p.kill()
    if p.wait(10).code == h.OK:
        return  # it was faster
    check("c.db" not in os.listdir(copy), f"what is left: {os.listdir(copy)}")
    a.run("index", "backup", copy + "/c.db", "--data", index.data).expect(h.OK)
    check_eq([f for f in os.listdir(copy) if not f.startswith("c.db.")], ["c.db"], "the next one")


@test("what is wrong with how it is started ends an index with 2, and its unit leaves it at that; the rest with another code")
def _(w):
    data = ["--data", w.path("data"), "--no-lan"]
    w.start(h.BIN, "index", *data, "--listen", "x:y:z").wait(20 * h.SLOW).expect(h.USAGE)
    # At the machine's start it may have the address in a moment.
    p = w.start(h.BIN, "index", *data, "--listen", "192.0.2.1:0")
    p.wait(20 * h.SLOW).expect(h.FAILED).error_line("no such address")
    p = w.start(h.BIN, "index", *data, "--listen", f"{h.HOST}:{w.index().port}")
    p.wait(20 * h.SLOW).expect(h.TAKEN).error_line("is taken")


# ---- a proxy in front ------------------------------------------------------------------------

def nginx_as_documented(w, index, port, below=False):
    """With the lines that docs/operations.md has; `below`: those for an index below /shoal."""
    nginx = h.need("nginx")
    with open(os.path.join(os.path.dirname(__file__), "../../docs/operations.md"), encoding="utf-8") as f:
        text = f.read()
    block = re.search(r"^    location / \{.*?^    \}", text, re.M | re.S).group(0)
    if below:
        more = "".join(re.findall(r"^        proxy_.*;\n", text[text.index(block) + len(block):], re.M))
        check_eq(more.count("\n"), 2, "lines for an index below a path")
        block = re.sub(r" *proxy_pass .*\n", lambda m: more, block.replace("location /", "location /shoal/"))
    block = block.replace("127.0.0.1:6969", f"{h.HOST}:{index.port}")
    temp = "".join(f"{k}_temp_path {w.path('nginx-' + k)}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = w.path("nginx.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"daemon off; master_process off; pid {w.path('nginx.pid')}; events {{}}\n"
                f"http {{ access_log off; {temp} server {{ listen {h.HOST}:{port};\n{block} }} }}\n")
    p = w.start(nginx, "-c", conf, "-e", "stderr", name="nginx")
    p.killed = True
    h.wait_for(lambda: port in p.listening() or not p.alive(), 20 * h.SLOW, "nginx answers")


@test("behind a proxy peers are known by their own addresses, with a session, where the index trusts it, and else not")
def _(w):
    index = w.index(args=("--host", "localhost", "--trust-proxy", h.HOST))
    port, whom = h.free_port(), h.other(3)
    nginx_as_documented(w, index, port)
    a = w.peer("a", f"http://{h.HOST}:{port}")
    a.start("share", h.make_file(a.path("f"), 100_000))
    index.wait_seeds("f")
    h.wait_for(lambda: index.api("status")["sessions"] == 1, 20 * h.SLOW, "its session is there")
    path = f"/api/v1/entries/{index.entry('f')['id']}/torrent"
    torrent = wire.bdecode(h.http(f"http://{h.HOST}:{port}{path}")[1])
    check_eq(torrent[b"announce"].decode(), f"http://{h.HOST}:{port}/announce", "tracker")
    # Who comes to the proxy from elsewhere is told of by that address.
    announce(index, whom, to=port)
    check_eq(announce(index, h.HOST, numwant=10)[0][0], whom, "asked through the proxy")
    # Who is no proxy may say what he likes.
    announce(index, h.other(4), headers="X-Forwarded-For: 203.0.113.9\r\n", port=7001)
    check("203.0.113.9" not in str(announce(index, h.HOST, numwant=10, port=7002)), "he is who he is")
    # Nor may a page that a browser on the index's machine shows.
    page = {"Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    check_eq(h.http(f"{index.url}/api/v1/entries", headers=page)[0], 421, "another name for us")
    p = w.start(h.BIN, "index", "--data", w.path("d"), "--trust-proxy", "nginx")
    p.wait(20 * h.SLOW).expect(h.USAGE).error_line("trust-proxy")


@test("below a path of another site's peers share, fetch and have sessions, and what is handed out leads there")
def _(w):
    index = w.index(args=("--host", "localhost", "--trust-proxy", h.HOST))
    port = h.free_port()
    nginx_as_documented(w, index, port, below=True)
    here = f"http://{h.HOST}:{port}/shoal"
    a, b = w.peer("a", here + "/"), w.peer("b", here)
    a.start("share", h.make_file(a.path("f"), 100_000))
    index.wait_seeds("f")
    h.wait_for(lambda: index.api("status")["sessions"] == 1, 20 * h.SLOW, "its session is there")
    b.run("get", "f").expect(h.OK)
    e = f"{here}/api/v1/entries/{index.entry('f')['id']}"
    check_eq(wire.bdecode(h.http(e + "/torrent")[1])[b"announce"].decode(), here + "/announce", "tracker")
    check(urllib.parse.quote(here + "/announce", safe="") in json.loads(h.http(e)[1])["magnet"], "and in the link")
    check(b'href="style.css"' in h.http(here + "/")[1], "the page")
    # Who is no proxy may say what he likes.
    index2 = w.index(data=w.path("two"))
    w.peer("c", index2).share(h.make_file(w.path("g"), 100, "g"), name="g")
    direct = h.http(f"{index2.url}/api/v1/entries/1/torrent", headers={"X-Forwarded-Prefix": "/x"})[1]
    check_eq(wire.bdecode(direct)[b"announce"].decode(), index2.url + "/announce", "believed of nobody")


# ---- systemd ------------------------------------------------------------------------------

@test("whoever started it is told through NOTIFY_SOCKET when it is ready, reloads and stops")
def _(w):
    path = w.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(10 * h.SLOW)
        p = w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", w.path("d"),
                    env={**w.env(w.path("home")), "NOTIFY_SOCKET": path})
        check_eq(s.recv(100), b"READY=1")
        p.send(signal.SIGHUP)
        check_eq([s.recv(100), s.recv(100)], [b"RELOADING=1", b"READY=1"])
        p.send(signal.SIGTERM)
        check_eq(s.recv(100), b"STOPPING=1")
        p.wait(5 * h.SLOW).expect(h.OK)


# ---- trackers of handed-out torrents ------------------------------------------------------

@test("a .torrent and a magnet link name the UDP tracker behind the HTTP one, where it can be reached")
def _(w):
    index = w.index(args=["--host", "proxy.example"])
    a = w.peer("a")
    a.share(h.make_file(a.path("f"), 1000))
    udp = f"udp://{h.HOST}:{index.port}/announce"
    url = f"{index.url}/api/v1/entries/{index.entry('f')['id']}"
    t = wire.bdecode(index.torrent("f"))
    check_eq(t[b"announce-list"], [[index.announce.encode()], [udp.encode()]], "tiers")
    check_eq(t[b"announce"], index.announce.encode(), "announce")
    check(urllib.parse.quote(udp, "") in json.loads(h.http(url)[1])["magnet"], "a magnet link")
    behind = wire.bdecode(h.http(url + "/torrent", headers={"Host": "proxy.example"})[1])
    check_eq(behind[b"announce-list"][0], [b"http://proxy.example/announce"], "behind a proxy")
    check(b"udp://" not in b"".join(sum(behind[b"announce-list"], [])), "no UDP behind a proxy", behind)
    index.proc.stop(signal.SIGTERM).expect(h.OK)
    index.args.append("--no-udp")
    index.start()
    check_eq(wire.bdecode(index.torrent("f"))[b"announce-list"], [[index.announce.encode()]], "without UDP")


if __name__ == "__main__":
    raise SystemExit(h.main())
