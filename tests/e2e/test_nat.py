#!/usr/bin/python3
"""Behind routers that let nobody in: a common peer brings two together (BEP 55), and cannot send us just anywhere."""

import select
import socket
import struct
import subprocess

import harness as h
import wire
from boxes import Routers, Walls
from harness import KIB, MIB, SLOW, check, check_eq, test

QUIET = ("-v", "--no-dht", "--no-lsd", "--no-map")
RENDEZVOUS, CONNECT, ERROR = range(3)
UT_HOLEPUNCH = 9


def third_brings_together(w, net, host):
    world, (anna, bert) = net.world, net.inside
    world.index(listen=f"{host}:6969")
    url = ("--index", f"http://{host}:6969")
    src = h.make_file(anna.peer.path("film"), 4 * MIB)
    share = anna.start("share", src, *url, *QUIET)
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves")
    share.stop().expect(h.OK)
    third = world.start("get", "film", *url, *QUIET, "--limit-down", "20K", "--wait", "60", "-o", world.peer.path("film"))
    third.port()
    share = anna.start("share", src, *url, *QUIET)
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves again")
    got = bert.start("get", "film", *url, *QUIET, "-o", bert.peer.path("film"))
    got.wait(60 * SLOW).expect(h.OK)
    check_eq(h.sha256(bert.peer.path("film")), h.sha256(src), "the same bytes")
    facts = world.run("explain", "--json", "film").expect(h.OK).json()["explained"][0]["facts"]
    check(facts["done_bytes"] < 2 * MIB, "the third has little of it", facts)
    for p, other in ((got, net.SEEN[0]), (share, net.SEEN[1])):
        check(f"brings us together with {other}:" in p.err().decode(), "as the third said", p.err())
    share.stop().expect(h.OK)


@test("two peers whose routers translate addresses fetch from each other, brought together by a third")
def _(w):
    net = Routers(w)
    third_brings_together(w, net, net.WORLD)


@test("so do two over IPv6, whose firewalls let nobody in")
def _(w):
    net = Walls(w)
    net.SEEN = [f"[{a}]" for a in net.SEEN]
    third_brings_together(w, net, f"[{net.WORLD}]")


@test("without a common peer the index brings them together")
def _(w):
    net = Routers(w)
    anna, bert = net.inside
    net.world.index(listen="0.0.0.0:6969")
    url = ("--index", f"http://{net.WORLD}:6969")
    src = h.make_file(anna.peer.path("film"), 1 * MIB)
    share = anna.start("share", src, *url, *QUIET)
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves")
    got = bert.start("get", "film", *url, *QUIET, "--wait", "40", "-o", bert.peer.path("film"))
    got.wait(60 * SLOW).expect(h.OK)
    check_eq(h.sha256(bert.peer.path("film")), h.sha256(src), "the same bytes")
    for p, other in ((got, net.SEEN[0]), (share, net.SEEN[1])):
        check(f"the index brings us together with {other}:" in p.err().decode(), "as the index said", p.err())
    share.stop().expect(h.OK)


# ---- an introducer that is not what it seems ------------------------------------------------------

def pack(kind, addr, error=0):
    host, port = addr
    return struct.pack(">BB4sHI", kind, 0, socket.inet_aton(host), port, error)


class Fake:
    """A raw connection that speaks of hole punching."""

    def __init__(self, port, info_hash, source, listen_port=0, knows=True):
        self.c = wire.Conn.dial(port, source=source).greet(info_hash)
        m = {"m": {"ut_holepunch": UT_HOLEPUNCH if knows else 0, "ut_pex": 3}, "p": listen_port, "yourip": bytes([9, 9, 9, 9])}
        self.c.send(wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode(m)))
        self.c.send(wire.msg(wire.HAVE_NONE))
        self.ours = wire.bdecode(self.c.wait(wire.EXTENDED)[1][1:])

    def says(self, body):
        self.c.send(wire.msg(wire.EXTENDED, body=bytes([self.ours[b"m"][b"ut_holepunch"]]) + body))

    def hears(self, seconds=10 * SLOW):
        while True:
            _, body = self.c.wait(wire.EXTENDED, seconds=seconds)
            if body[0] == UT_HOLEPUNCH:
                return body[1:]


class Door:
    """Where a uTP connection may be asked for."""

    def __init__(self, host):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((host, 0))
        self.addr = self.s.getsockname()

    def knocked(self, seconds):
        """The type of the first packet, 4: SYN; None: nothing came."""
        if not select.select([self.s], [], [], seconds)[0]:
            return None
        return self.s.recv(2000)[0] >> 4


def swarm_of(w, *args, name="f"):
    index = w.indexes[0] if w.indexes else w.index()
    a = w.peer(f"sharer-of-{name}", index)
    src = h.make_file(a.path(name), 100 * KIB)
    p = a.share(src, "-v", *args)
    return p, bytes.fromhex(index.entry(name)["hash_v1"])


@test("told to connect, a peer dials its own network and not this machine, networks it is not in, nobody or itself; each once")
def _(w):
    if not h.HOST.startswith("10."):
        raise h.Skip("needs a network of its own")
    # A network that it is part of, beside the one of single hosts.
    if subprocess.run(["ip", "addr", "add", "10.78.0.1/24", "dev", "lo"]).returncode != 0:
        raise h.Skip("cannot add an address here")
    p, info_hash = swarm_of(w)
    fake = Fake(p.port(), info_hash, h.other(1))
    here, near = Door("127.0.0.1"), Door("10.78.0.9")
    for addr in (here.addr, ("169.254.7.7", 7), ("10.99.1.1", 7), ("192.168.7.7", 7), ("0.0.0.0", 7), ("224.0.0.5", 7), (h.HOST, 0), near.addr, near.addr):
        fake.says(pack(CONNECT, addr))
    check_eq(near.knocked(10 * SLOW), 4, "a SYN")
    check_eq(here.knocked(0), None, "nothing to this machine")
    said = p.err().decode()
    check("169.254" not in said, "a link's own address is not even looked at", said)
    check_eq(said.count("brings us together with"), 1, "once, and with nobody else" + said)
    for net in ("10.99.1.1:7", "192.168.7.7:7"):
        check(f"names {net}" in said, "looked at, and left alone", said)


@test("as an introducer a peer tells both, and refuses with the reason whom it cannot bring together")
def _(w):
    if not h.HOST.startswith("10."):
        raise h.Skip("needs a network of its own")
    p, info_hash = swarm_of(w)
    one, two = (Fake(p.port(), info_hash, h.other(n), 7000 + n) for n in (1, 2))
    dumb = Fake(p.port(), info_hash, h.other(3), 7003, knows=False)
    one.says(pack(RENDEZVOUS, (h.other(2), 7002)))
    check_eq(one.hears(), pack(CONNECT, (h.other(2), 7002)), "told of the other")
    check_eq(two.hears(), pack(CONNECT, (h.other(1), 7001)), "and the other of it")
    for to, error in (((h.other(9), 7), 2), ((h.other(3), 7003), 3), (("0.0.0.0", 7), 1), (("127.0.0.1", 7), 2)):
        one.says(pack(RENDEZVOUS, to))
        check_eq(one.hears(), pack(ERROR, to, error), f"no rendezvous with {to}")
    check(b"ut_holepunch" in dumb.ours[b"m"], "it offers it to everyone", dumb.ours)


@test("a private torrent, and a peer without uTP, know nothing of it")
def _(w):
    for name, args in (("private", ("--private",)), ("tcp", ("--transport", "tcp"))):
        p, info_hash = swarm_of(w, *args, name=name)
        check(b"ut_holepunch" not in Fake(p.port(), info_hash, h.other(1)).ours[b"m"], f"not offered with {args}")


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
