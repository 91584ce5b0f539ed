#!/usr/bin/python3
"""TLS: whom clients trust, and that everything of an index goes over it."""

import os
import re
import signal
import socket
import ssl
import stat

import harness as h
import wire
from authority import Authority, openssl
from harness import KIB, check, check_eq, test

WRONG_PIN = "sha256//" + "A" * 43 + "="


def tls_index(w, pair, **kw):
    return w.index(args=["--tls-cert", pair[0], "--tls-key", pair[1]], **kw)


def pinned(index, pin=None):
    return {"SHOAL_PIN": pin or index.pin()}


@test("a self-signed index: share, get, announces and all else go over TLS to who has its pin")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 300 * KIB)
    p = a.start("share", src, env=pinned(index))
    index.wait_seeds("f")
    h.wait_for(lambda: index.holders("f")["peers"][0]["session"], 10 * h.SLOW, "the sharer has a live session")
    plain = b.run("ls", "--index", index.url.replace("https:", "http:")).expect(h.UNREACHABLE)
    plain.error_line(r"does it want https\?\)$")
    b.run("get", "f", "--pin", index.pin()).expect(h.OK)
    h.check_same(b.path("f"), src)
    status = index.api("status")
    check_eq(status["announces_refused"], 0, "refused announces")
    check_eq(status["pin"], index.pin(), "the pin, for the page")
    check(index.announce.startswith("https://"), "the URL")
    check_eq(wire.bdecode(index.torrent("f"))[b"announce"], index.announce.encode(), "the tracker of a .torrent")
    magnet = index.api(f"entries/{index.entry('f')['id']}")["magnet"]
    check("tr=https%3A%2F%2F" in magnet, "the tracker of a magnet link", magnet)
    p.stop(signal.SIGINT).expect(h.OK)
    check_eq(index.holders("f")["online"], 0, "goodbyes went over TLS")


@test("events of an index stream over TLS")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((h.HOST, index.port), timeout=20 * h.SLOW) as raw, context.wrap_socket(raw) as s:
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        said = s.recv(65536)
        check(b" 200 " in said.split(b"\r\n")[0] and b"text/event-stream" in said, "a stream", said)
        p = w.peer("a").start("share", h.make_file(w.path("f"), 10), env=pinned(index))
        while b"event: catalogue" not in said:
            said += s.recv(65536)
    h.wait_for(lambda: b"serving" in p.out(), 20 * h.SLOW, "it is up")


@test("get --follow and a peer that leaves ask a self-signed index by its pin, too")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 300 * KIB)
    p = a.start("share", src, env=pinned(index))
    index.wait_seeds("f")
    f = b.start("get", "f", "--follow", "--every", "1s", env=pinned(index))
    h.wait_for(lambda: f.out().count(b"\n") == 1, 20 * h.SLOW, "the first version")
    p.stop(signal.SIGINT).expect(h.OK)
    h.make_file(src, 300 * KIB, 2)
    p = a.start("share", src, env=pinned(index))
    h.wait_for(lambda: f.out().count(b"\n") == 2, 20 * h.SLOW, "the second version")
    h.check_same(b.path("f"), src)
    index.wait_seeds("f", 2)
    left = p.stop(signal.SIGINT).expect(h.OK)
    check("only copy" not in left.err, "the index knows of the other copy", left.err)
    f.stop(signal.SIGINT).expect(h.OK)


@test("the certificate that an index made for itself is its own alone, and stays over a restart")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    pin, path = index.pin(), os.path.join(index.data, "tls.pem")
    check_eq(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of the key")
    index.proc.stop(signal.SIGTERM).expect(h.OK)
    index.start()
    check_eq(index.pin(), pin, "pin after a restart")
    index.proc.stop(signal.SIGTERM).expect(h.OK)
    os.chmod(path, 0o644)
    w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", index.data, "--tls-self-signed").wait(20 * h.SLOW) \
        .expect(h.DENIED).error_line("others may read", "chmod 600")


@test("O-32: without a pin a self-signed certificate is refused, and with a wrong one every certificate")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    a = w.peer("a")
    a.run("ls").expect(h.DENIED).error_line(re.escape(index.url), "self-signed", "--pin")
    a.run("ls", "--pin", WRONG_PIN).expect(h.DENIED).error_line("not the pinned one")
    for bad in ("x", "sha256//", WRONG_PIN + ";" + index.pin(), "/etc/passwd", WRONG_PIN[:-1] + "A"):
        a.run("ls", "--pin", bad).expect(h.USAGE).error_line("no pin")
    h.make_file(a.path("f"), 10)
    a.run("share", a.path("f")).expect(h.DENIED).error_line("self-signed")
    check_eq(index.api("entries")["entries"], [], "nothing was published")
    plain = w.peer("b", f"http://{h.HOST}:{index.port}")
    plain.run("ls").expect(h.UNREACHABLE)
    plain.run("ls", "--pin", index.pin()).expect(h.USAGE).error_line("https://")
    served = w.index(data=w.path("plain"))
    w.peer("c", served.url.replace("http:", "https:")).run("ls").expect(h.CORRUPT).error_line("does not speak TLS")


@test("O-32: an authority's certificate is good for its host and its time, for clients that trust it")
def _(w):
    ca = Authority(w)
    env = {"SSL_CERT_FILE": ca.cert}
    host = "IP:" + h.HOST
    good = tls_index(w, ca.sign("good", host))
    w.peer("a").run("ls", env=env).expect(h.OK)
    w.peer("a").run("ls").expect(h.DENIED).error_line("nobody this machine trusts|self-signed")
    w.peer("a").run("ls", "--pin", WRONG_PIN, env=env).expect(h.DENIED).error_line("not the pinned one")
    w.peer("a").run("ls", "--pin", good.pin()).expect(h.OK)
    other = tls_index(w, ca.sign("other", "DNS:other.example"), data=w.path("d2"))
    w.peer("b", other.url).run("ls", env=env).expect(h.DENIED).error_line("another host")
    expired = tls_index(w, ca.sign("expired", host, days="-1"), data=w.path("d3"))
    w.peer("c", expired.url).run("ls", env=env).expect(h.DENIED).error_line("expired")


@test("O-32: a pin is for its one server; another tracker must be trusted like any other")
def _(w):
    index = w.index(args=["--tls-self-signed"])
    other = w.index(args=["--tls-self-signed"], data=w.path("other"))
    a, b = w.peer("a"), w.peer("b")
    a.run("create", h.make_file(a.path("f"), 1000), "--tracker", other.announce, "-o", b.path("f.torrent")).expect(h.OK)
    check("self-signed" in b.run("get", "f.torrent", "-v", env=pinned(index)).expect(h.NO_HOLDER).err, "not trusted")
    check_eq(other.api("status")["announces"], 0, "announces at the other tracker")
    check_eq(b.run("ls", env=pinned(other)).code, h.DENIED, "the pin of another server")


@test("certificates that cannot be used are told of at start")
def _(w):
    ca = Authority(w)
    cert, key = ca.sign("x", "DNS:x")
    _, key2 = ca.sign("y", "DNS:y")

    def start(*args):
        return w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", w.path("d"), *args).wait(20 * h.SLOW)
    start("--tls-cert", cert).expect(h.USAGE).error_line("go together")
    start("--tls-cert", cert, "--tls-key", key, "--tls-self-signed").expect(h.USAGE).error_line("exclude")
    start("--tls-cert", cert, "--tls-key", key2).expect(h.USAGE).error_line("y.key", "no key")
    start("--tls-cert", key, "--tls-key", key).expect(h.USAGE).error_line("x.key", "no certificate")
    start("--tls-cert", w.path("none"), "--tls-key", key).expect(h.NOT_FOUND) \
        .error_line("none: No such file")
    openssl("ec", "-in", key, "-aes128", "-passout", "pass:secret", "-out", w.path("locked"))
    start("--tls-cert", cert, "--tls-key", w.path("locked")).expect(h.USAGE).error_line("locked: the key has a passphrase")


@test("clients that stall in the handshake are hung up on, and keep nobody waiting", seconds=40)
def _(w):
    index = w.index(args=["--tls-self-signed"])
    watch = h.Watch(index.proc)
    socks = [socket.create_connection((h.HOST, index.port)) for _ in range(100)]
    for i, s in enumerate(socks):
        s.sendall((b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n")[i % 3])
    check_eq(h.http(index.url + "/healthz")[0], 200, "an honest client")

    def closed(s):
        s.settimeout(0.01)
        try:
            while s.recv(4096):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True
    h.wait_for(lambda: all(closed(s) for s in socks), 14 * h.SLOW, "all are hung up on", every=0.2)
    for s in socks:
        s.close()
    watch.settle()


if __name__ == "__main__":
    raise SystemExit(h.main())
