#!/usr/bin/python3
"""An index that nobody names: found on the local network, known again, and not to be replaced by another."""

import os
import re
import shutil
import sys
import time

import harness as h
import wire
from boxes import two_boxes
from harness import KIB, SLOW, check, check_eq, test


def text(path):
    with open(path) as f:
        return f.read()


def found_by(box):
    """The URL that `ls -v` says it found."""
    err = box.run("ls", "-v").expect(h.OK).err
    m = re.search(r"using the index '[^']*' at (\S+), found on this network", err)
    return m and m.group(1)


@test("two machines, two commands, no address typed: the first byte is there within three seconds")
def _(w):
    a, b = two_boxes(w)
    index = a.index()
    src = h.make_file(a.peer.path("film.bin"), 300 * KIB)
    share = a.start("share", src)
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves")
    check("index http://10.79.0.1:6969" in share.out().decode(), "found by the sharer, too", share.out())
    began = time.monotonic()
    b.run("get", "film.bin", "-o", b.peer.path("out")).expect(h.OK)
    took = time.monotonic() - began
    check(took < 3 * SLOW, "all of it, found and fetched, in three seconds", took)
    check_eq(h.sha256(b.peer.path("out")), h.sha256(src), "the same bytes")
    check_eq(found_by(b), "http://10.79.0.1:6969", "found again")
    share.stop().expect(h.OK)
    index.stop().expect(h.OK)


@test("an index that is known is found at once; said good-bye to, this machine's own is asked")
def _(w):
    a, b = two_boxes(w)
    index = a.index()
    first = b.run("ls").expect(h.OK)
    check("using the index" in first.err, "told of the first time", first.err)
    began = time.monotonic()
    check("using" not in b.run("ls").expect(h.OK).err, "and not again")
    check(time.monotonic() - began < 1 * SLOW, "quick", time.monotonic() - began)
    index.stop().expect(h.OK)
    b.run("ls").expect(h.UNREACHABLE).error_line("127.0.0.1:6969")


@test("an index on a loopback address, or with --no-lan, is not told of")
def _(w):
    a, b = two_boxes(w)
    for args in (dict(listen="127.0.0.1"), dict(listen="10.79.0.1:6969")):
        index = a.index(*([] if "127" in args["listen"] else ["--no-lan"]), **args)
        b.run("ls").expect(h.UNREACHABLE).error_line("127.0.0.1:6969")
        if "127" in args["listen"]:
            a.run("ls").expect(h.OK)
        index.stop().expect(h.OK)
    index = a.index(listen="10.79.0.1:6969")
    check_eq(found_by(b), "http://10.79.0.1:6969", "on one address it is")
    index.stop().expect(h.OK)


@test("an index at 0.0.0.0 or :: is told of, and says where it can be called")
def _(w):
    a, b = two_boxes(w)
    for listen in ("0.0.0.0", "[::]:6969"):
        index = a.index(listen=listen)
        check(index.out().startswith(b"index at http://10.79.0.1:6969 "), "the start line", index.out())
        check_eq(found_by(b), "http://10.79.0.1:6969", listen)
        index.stop().expect(h.OK)
    a.ip("addr", "flush", "dev", "cable")
    a.ip("addr", "add", "fd00:79::1/64", "dev", "cable", "nodad")
    index = a.index()
    check(index.out().startswith(b"index at http://[fd00:79::1]:6969 "), "on a machine of IPv6 alone", index.out())
    index.stop().expect(h.OK)


@test("of two indexes none is taken: both are named, and --index chooses")
def _(w):
    a, b = two_boxes(w)
    one, two = a.index(data=a.peer.path("1")), a.index("--port", "6970", data=a.peer.path("2"))
    r = b.run("ls").expect(h.AMBIGUOUS)
    r.error_line("--index")
    for url in ("http://10.79.0.1:6969", "http://10.79.0.1:6970"):
        check(url in r.err, f"{url} is named", r.err)
        b.run("ls", "--index", url).expect(h.OK)
    two.stop().expect(h.OK)
    check_eq(found_by(b), "http://10.79.0.1:6969", "the only one now")
    # From here on the one that is known is taken, whoever else is there.
    two = a.index("--port", "6970", data=a.peer.path("2"))
    check_eq(found_by(b), "http://10.79.0.1:6969", "the known one")
    one.stop().expect(h.OK)
    two.stop().expect(h.OK)


@test("an index with a key is not replaced by one that says it is the same, nor by a stranger")
def _(w):
    a, b = two_boxes(w)
    real = a.index("--tls-self-signed")
    check_eq(found_by(b), "https://10.79.0.1:6969", "found, with TLS")
    b.run("ls").expect(h.OK)
    real.stop().expect(h.OK)
    known = text(os.path.join(b.peer.home, "known_indexes"))
    check(re.fullmatch(r"sha256//\S+ [0-9a-f]{32}\n", known), "its key is remembered", known)

    # With its id, and without TLS or with a key of its own.
    for args in ([], ["--tls-self-signed"]):
        fake = a.peer.path("fake" + "".join(args))
        os.makedirs(fake)
        shutil.copy(a.peer.path("index", "id"), fake)
        spoof = a.index(*args, data=fake)
        b.run("ls").expect(h.DENIED).error_line("THE KEY OF THE INDEX HAS CHANGED")
        # The real one is taken although the other one is there.
        real = a.index("--tls-self-signed", "--port", "6971")
        check_eq(found_by(b), "https://10.79.0.1:6971", "the real one")
        real.stop().expect(h.OK)
        spoof.stop().expect(h.OK)

    stranger = a.index(data=a.peer.path("other"))
    b.run("ls").expect(h.DENIED).error_line("--index")
    b.run("ls", "--index", "http://10.79.0.1:6969").expect(h.OK)
    stranger.stop().expect(h.OK)
    check_eq(text(os.path.join(b.peer.home, "known_indexes")), known, "nothing was forgotten")


@test("a machine that is plugged in later hears of the index, and the index of it")
def _(w):
    a, b = two_boxes(w)
    a.ip("link", "set", "cable", "down")
    index = a.index()
    b.run("ls").expect(h.UNREACHABLE)
    a.ip("link", "set", "cable", "up")
    h.wait_for(lambda: b.run("ls").code == h.OK, 40 * SLOW, "found")
    index.stop().expect(h.OK)


# ---- peers (BEP 14) ------------------------------------------------------------------------

LOOKING = {"SHOAL_NO_LSD": ""}


def torrent_of(box, size, *args):
    """A seed in a box, which nobody is told of but by the network: (source, .torrent, its facts)."""
    src = h.make_file(box.peer.path(f"f{size}"), size)
    box.peer.run("create", src, "-o", box.peer.path("f.torrent"), *args).expect(h.OK)
    seed = box.start("get", box.peer.path("f.torrent"), "-o", src, "--seed", "-v", "--index", "http://127.0.0.1:1", env=LOOKING)
    h.wait_for(lambda: b"there already" in seed.out(), 30 * SLOW, "the seed is up")
    return src, box.peer.path("f.torrent"), wire.Torrent.load(box.peer.path("f.torrent"), src)


def listening(box):
    """Prints what is said to the group on the cable of bert's box."""
    p = box.w.start(*box.wrap, "python3", "-c", SNIFF, name="sniffer")
    p.killed = True
    h.wait_for(lambda: b"ready" in p.out(), 20 * SLOW, "the cable is looked at")
    return p


@test("peers on one link find each other: for a .torrent without trackers, and for a bare info-hash")
def _(w):
    a, b = two_boxes(w)
    sniffer = listening(b)
    src, torrent, t = torrent_of(a, 300 * KIB)
    # What the seed says at its start is over, so that those who come must make themselves heard.
    h.wait_for(lambda: t.hash_v1.hex().encode() in sniffer.out(), 20 * SLOW, "the seed has said what it has")
    for ref in (t.hash_v2.hex(), torrent, t.hash_v1.hex()):
        began = time.monotonic()
        b.start("get", ref, "-o", "got", "--index", "http://127.0.0.1:1", "--wait", "30", env=LOOKING).wait(60 * SLOW).expect(h.OK)
        check(time.monotonic() - began < 3 * SLOW, "within three seconds", time.monotonic() - began)
        h.check_same(b.peer.path("got"), src)
        os.unlink(b.peer.path("got"))
    b.run("get", torrent, "-o", "got", "--index", "http://127.0.0.1:1", "--no-lsd").expect(h.NO_HOLDER)


@test("a private torrent is not said to the local network, another one is: shown by what goes over the cable")
def _(w):
    a, b = two_boxes(w)
    sniffer = listening(b)
    _, _, hidden = torrent_of(a, 100 * KIB, "--private")
    os.unlink(a.peer.path("f.torrent"))
    _, _, shown = torrent_of(a, 120 * KIB)
    h.wait_for(lambda: shown.hash_v1.hex().encode() in sniffer.out(), 20 * SLOW, "the other one is said")
    check(hidden.hash_v1.hex().encode() not in sniffer.out(), "the private one is not", sniffer.out())


@test("of more links than fit one datagram each is said to the local network")
def _(w):
    _, b = two_boxes(w)
    sniffer = listening(b)
    hashes = [f"{i:040x}" for i in range(1, 51)]
    with open(b.peer.path("list"), "w") as f:
        f.writelines(f"magnet:?xt=urn:btih:{x}\n" for x in hashes)
    d = b.start("daemon", "--max-active", "100", "--no-dht", "--index", "http://127.0.0.1:1", env=LOOKING)
    h.wait_for(lambda: b"daemon" in d.out() + d.err(), 20 * SLOW, "the daemon runs")
    b.run("get", "-i", b.peer.path("list"), "-d").expect(h.OK)
    h.wait_for(lambda: all(x.encode() in sniffer.out() for x in hashes), 20 * SLOW, "all are said")


@test("what is fetched from chosen peers alone is neither said to the local network nor taken from others there")
def _(w):
    a, b = two_boxes(w)
    sniffer = listening(b)
    src, torrent, t = torrent_of(a, 100 * KIB)
    h.wait_for(lambda: t.hash_v1.hex().encode() in sniffer.out(), 20 * SLOW, "the seed has said what it has")
    get = ("get", torrent, "-o", "got", "--index", "http://127.0.0.1:1", "--wait", "6")
    b.run(*get, "--from", "10.79.0.9:7", "--port", "7101", env=LOOKING).expect(h.NO_HOLDER)
    check(b"Port: 7101" not in sniffer.out(), "it is not said", sniffer.out())
    b.run(*get, "--port", "7102", env=LOOKING).expect(h.OK)
    check(b"Port: 7102" in sniffer.out(), "another one is", sniffer.out())
    h.check_same(b.peer.path("got"), src)


SNIFF = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 6771))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.192.152.143") + socket.inet_aton("10.79.0.2"))
print("ready", flush=True)
while True:
    print(s.recv(2000).decode(), flush=True)
"""


@test("who reaches the index past a proxy that the environment names may ask what it names in this network", 90)
def _(w):
    a, b = two_boxes(w)
    index, www = a.index("--no-lan"), a.peer.path("www")
    url = "http://10.79.0.1:6969"
    h.make_file(os.path.join(www, "f.bin"), 300 * KIB)
    w.start(*a.wrap, sys.executable, "-m", "http.server", "--directory", www, "8000", name="www")
    share = a.start("share", os.path.join(www, "f.bin"), "--name", "f", "--index", url, "--webseed", "http://10.79.0.1:8000/f.bin")
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves")
    share.stop().expect(h.OK)
    past = {"no proxy": {"http_proxy": "", "https_proxy": ""},
            "excepted": {"http_proxy": "http://10.79.0.9:3128", "no_proxy": "10.79.0.1"}}
    for what, env in past.items():
        b.run("get", "f", "--index", url, "-o", b.peer.path(what), "--wait", "5", env=env).expect(h.OK)
        check_eq(h.sha256(b.peer.path(what)), h.sha256(os.path.join(www, "f.bin")), what)
    index.stop().expect(h.OK)


if __name__ == "__main__":
    raise SystemExit(h.main())
