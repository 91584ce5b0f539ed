#!/usr/bin/python3
"""A stranger's word: whoever is far from us has us connect to nobody who is nearer: not in our network, nor on this machine."""

import os
import socket
import struct
import subprocess
import threading
import urllib.parse

import harness as h
import wire
from boxes import two_boxes
from harness import KIB, SLOW, check, check_eq, test

NOBODY = "http://127.0.0.1:1"
FAR, FAR_TOO = "203.0.113.5", "203.0.113.6"
NEAR, NEAR_TOO, CLOUD, HERE = "192.168.7.7", "192.168.7.8", "169.254.169.254", "127.0.0.1"
CONNECT = 1


def lay():
    """Addresses of each kind, all of them here."""
    h.need_root()
    if not h.HOST.startswith("10."):
        raise h.Skip("no network of its own here")
    for a in (FAR, FAR_TOO, NEAR, NEAR_TOO, CLOUD):
        subprocess.run(["ip", "addr", "replace", a + "/32", "dev", "lo"], check=True)


class Doors:
    """Where nobody lives who speaks, far and near; counts who comes."""

    def __init__(self, *hosts):
        self.of = {a: socket.create_server((a, 0)) for a in hosts}
        self.came = {a: 0 for a in hosts}

    def addrs(self):
        return [(a, s.getsockname()[1]) for a, s in self.of.items()]

    def compact(self):
        return wire.compact(self.addrs())

    def look(self):
        for a, s in self.of.items():
            s.setblocking(False)
            try:
                while True:
                    s.accept()[0].close()
                    self.came[a] += 1
            except BlockingIOError:
                pass
        return {a for a, n in self.came.items() if n > 0}

    def close(self):
        for s in self.of.values():
            s.close()


def only(doors, p, *hosts):
    """They are dialled, and no others."""
    h.wait_for(lambda: doors.look() >= set(hosts), 30 * SLOW, f"{hosts} are dialled")
    p.stop()
    check_eq(doors.look(), set(hosts), "who was dialled")
    doors.close()


class Teller:
    """A peer that has nothing, and tells of others as soon as it may."""

    def __init__(self, host, added):
        self.s, self.added = socket.create_server((host, 0)), added
        self.at = f"{host}:{self.s.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                threading.Thread(target=self.serve, args=(wire.Conn(self.s.accept()[0]),), daemon=True).start()
            except OSError:
                return

    def serve(self, c):
        try:
            c.read_handshake()
            ours = {"m": {"ut_pex": 3, "ut_holepunch": 4}}
            c.send(wire.handshake(c.their_hash) + wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode(ours)) + wire.msg(wire.HAVE_NONE))
            theirs = wire.bdecode(c.wait(wire.EXTENDED)[1][1:])[b"m"]
            self.tell(c, theirs)
            c.wait(wire.PIECE, seconds=60)  # never
        except (wire.Gone, TimeoutError):
            pass

    def tell(self, c, theirs):
        c.send(wire.msg(wire.EXTENDED, body=bytes([theirs[b"ut_pex"]]) + wire.bencode({"added": self.added})))

    def close(self):
        self.s.close()


class Puncher(Teller):
    """Tells us to dial them at the same time as they dial us (BEP 55)."""

    def tell(self, c, theirs):
        for i in range(0, len(self.added), 6):
            body = bytes([CONNECT, 0]) + self.added[i:i + 6] + struct.pack(">I", 0)
            c.send(wire.msg(wire.EXTENDED, body=bytes([theirs[b"ut_holepunch"]]) + body))


def torrent(w, announce=None, name="f"):
    src = h.make_file(w.path(name), 100 * KIB, seed=len(name))
    return wire.create_v1(src, w.path(name + ".torrent"), 16 * KIB, announce)


def link(t, announce=None):
    tr = "&tr=" + urllib.parse.quote(announce, safe="") if announce else ""
    return "magnet:?xt=urn:btih:" + t.hash.hex() + tr


def ways(w, announce=None):
    """By a .torrent, and by a link while it is asked what that means."""
    t = torrent(w, announce)
    return w.path("f.torrent"), link(t, announce)


ALL = (CLOUD, HERE, NEAR, FAR_TOO)


@test("a peer beyond our network names none in it, nor this machine")
def _(w):
    lay()
    for i, ref in enumerate(ways(w)):
        for who, dialled in ((FAR, {FAR_TOO}), (NEAR_TOO, {FAR_TOO, NEAR}), (HERE, set(ALL))):
            doors = Doors(*ALL)
            teller = Teller(who, doors.compact())
            p = w.peer(f"b{i}-{who}", NOBODY).start("get", ref, "--peer", teller.at, "--wait", "60")
            only(doors, p, *dialled)
            teller.close()


@test("nor does a tracker there that a torrent or a link names")
def _(w):
    lay()
    for who, dialled in ((FAR, {FAR_TOO}), (NEAR_TOO, {FAR_TOO, NEAR}), (HERE, set(ALL))):
        doors = Doors(*ALL)
        body = wire.bencode({"interval": 900, "peers": doors.compact()})
        tracker = wire.FakeTracker(lambda q: body, host=who)
        for i, ref in enumerate(ways(w, tracker.announce)):
            if i == 1:
                doors = Doors(*ALL)
                body = wire.bencode({"interval": 900, "peers": doors.compact()})
            p = w.peer(f"b{i}-{who}", NOBODY).start("get", ref, "--wait", "60")
            only(doors, p, *dialled)
        tracker.stop()


@test("an introducer beyond our network cannot have us knock there, and one in it can")
def _(w):
    lay()
    torrent(w)
    for who, words in ((FAR, "names"), (NEAR_TOO, "brings us together with")):
        teller = Puncher(who, wire.compact([(NEAR, 7000)]))
        p = w.peer(f"b-{who}", NOBODY).start("get", w.path("f.torrent"), "-v", "--peer", teller.at, "--wait", "60")
        h.wait_for(lambda: f"{words} {NEAR}:7000" in p.err_text(), 30 * SLOW, f"{who} {words}")
        p.stop()
        teller.close()


class Site:
    """A web server that keeps its connections: what is asked of it, and what it answers, by path."""

    def __init__(self, host, answers):
        self.s, self.answers, self.asked = socket.create_server((host, 0)), answers, []
        self.url = f"http://{host}:{self.s.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                threading.Thread(target=self.serve, args=(self.s.accept()[0],), daemon=True).start()
            except OSError:
                return

    def serve(self, c):
        got = b""
        with c:
            while True:
                while b"\r\n\r\n" not in got:
                    more = c.recv(65536)
                    if not more:
                        return
                    got += more
                head, got = got.split(b"\r\n\r\n", 1)
                path = head.split(b" ", 2)[1].split(b"?")[0].decode()
                self.asked.append(path)
                answer = self.answers(path)
                if isinstance(answer, str):
                    c.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % answer.encode())
                else:
                    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    def close(self):
        self.s.close()


def refused(w, name, *refs):
    """get ends, and says that some tracker led where it may not."""
    p = w.peer(name, NOBODY).start("get", *refs, "--wait", "2")
    p.wait(60 * SLOW).expect(h.NO_HOLDER)
    check("leads to this machine or into this network" in p.err_text(), "it says why", p.err())


@test("a tracker leads by a redirect to nobody who is nearer to us, even where we are connected already")
def _(w):
    lay()
    none = wire.bencode({"interval": 900, "peers": b""})
    near = Site(NEAR, lambda path: none)
    for i, to in enumerate((near.url + "/reboot", near.url.replace(NEAR, HERE), f"http://{CLOUD}/latest")):
        far = Site(FAR, lambda path: to)
        torrent(w, far.url + "/announce", f"far{i}")
        refused(w, f"one{i}", w.path(f"far{i}.torrent"))
        check_eq(far.asked[:1], ["/announce"], "it was asked")
        far.close()
    check_eq(near.asked, [], "what was asked in our network")

    # A tracker of our own network, whose connection is kept, and one beyond that leads there.
    seen = threading.Event()
    near.answers = lambda path: seen.set() or none
    far = Site(FAR, lambda path: seen.wait(20) and near.url + "/reboot")
    torrent(w, near.url + "/announce", "near")
    torrent(w, far.url + "/announce", "far")
    p = w.peer("two", NOBODY).start("get", w.path("near.torrent"), w.path("far.torrent"), "--wait", "2")
    p.wait(60 * SLOW).expect(h.NO_HOLDER)
    check("/announce" in far.asked and "/announce" in near.asked, "both were asked", far.asked, near.asked)
    check("/reboot" not in near.asked, "but nothing else", near.asked)
    near.close()
    far.close()


@test("the address of a .torrent leads by a redirect neither to this machine nor to a link-local address")
def _(w):
    lay()
    torrent(w, "http://127.0.0.1:1/announce")
    with open(w.path("f.torrent"), "rb") as f:
        data = f.read()
    for i, (who, to, followed) in enumerate(((FAR, CLOUD, False), (FAR, HERE, False), (NEAR, CLOUD, False), (NEAR, HERE, False), (CLOUD, HERE, False),
                                             (FAR, FAR_TOO, True), (FAR, NEAR, True), (NEAR, FAR, True), (HERE, CLOUD, True), (HERE, HERE, True),
                                             (CLOUD, CLOUD, True))):
        last = Site(to, lambda path: data)
        first = Site(who, lambda path: last.url + "/moved.torrent")
        p = w.peer(f"p{i}", NOBODY).run("get", first.url + "/f.torrent", "--wait", "1", "--no-dht", "--no-lsd")
        check_eq((first.asked, last.asked), (["/f.torrent"], ["/moved.torrent"] if followed else []), f"{who} to {to}")
        if followed:
            p.expect(h.NO_HOLDER)
        else:
            check("leads to this machine or to a link-local address" in p.expect(h.DENIED).err, "it says why", p)
        first.close()
        last.close()


@test("nor does a web server, whoever named it")
def _(w):
    lay()
    t = torrent(w)
    with open(w.path("f"), "rb") as f:
        data = f.read()
    for i, (who, to, followed) in enumerate(((FAR, CLOUD, False), (FAR, HERE, False), (NEAR, HERE, False), (FAR, NEAR, True), (HERE, HERE, True))):
        last = Site(to, lambda path: data)
        first = Site(who, lambda path: last.url + "/moved")
        p = w.peer(f"p{i}", NOBODY).run("get", t.path + ".torrent", "--webseed", first.url + "/f", "--wait", "1", "-v")
        check_eq((first.asked[:1], last.asked[:1]), (["/f"], ["/moved"] if followed else []), f"{who} to {to}")
        if followed:
            p.expect(h.OK)
        else:
            check("leads to this machine or to a link-local address" in p.expect(h.NO_HOLDER).err, "it says why", p)
        first.close()
        last.close()


@test("a redirect to who is as far away is followed")
def _(w):
    lay()
    for who, to in ((FAR, FAR_TOO), (NEAR, NEAR_TOO), (NEAR, FAR), (HERE, NEAR)):
        doors = Doors(FAR_TOO)
        last = Site(to, lambda path: wire.bencode({"interval": 900, "peers": doors.compact()}))
        first = Site(who, lambda path: last.url + "/moved")
        torrent(w, first.url + "/announce")
        p = w.peer(f"{who}-{to}", NOBODY).start("get", w.path("f.torrent"), "--wait", "60")
        only(doors, p, FAR_TOO)
        check("/moved" in last.asked, "it was followed", last.asked)
        first.close()
        last.close()


@test("the user's own index may have a public address and know of peers in our network")
def _(w):
    anna, bert = two_boxes(w)
    anna.ip("addr", "add", "203.0.113.1/32", "dev", "lo")
    bert.ip("route", "add", "default", "via", "10.79.0.1")
    anna.index(listen="0.0.0.0:6969")
    index = "http://203.0.113.1:6969"
    quiet = ("--no-dht", "--no-lsd", "--no-map")

    src = h.make_file(bert.peer.path("film"), 300 * KIB)
    share = bert.start("share", src, "--index", index, *quiet)
    h.wait_for(lambda: b"serving" in share.out(), 20 * SLOW, "it serves")
    bert.run("get", "film", "--index", index, *quiet, "-o", bert.peer.path("by-name")).expect(h.OK)
    h.check_same(bert.peer.path("by-name"), src)

    # What nobody published: its tracker alone knows who has it.
    src = h.make_file(bert.peer.path("other"), 300 * KIB, seed=2)
    bert.run("create", src, "-o", bert.peer.path("t.torrent")).expect(h.OK)
    t = wire.Torrent.load(bert.peer.path("t.torrent"), src)
    seed = bert.start("get", "t.torrent", "-o", src, "--seed", "--index", NOBODY, "--tracker", index + "/announce", *quiet)
    h.wait_for(lambda: b"verified" in seed.out() + seed.err(), 20 * SLOW, "it seeds")
    bert.run("get", link(t), "--index", index, *quiet, "-o", bert.peer.path("by-link")).expect(h.OK)
    h.check_same(bert.peer.path("by-link"), src)
    seed.stop()
    share.stop()


if __name__ == "__main__":
    raise SystemExit(h.main(own_net=True))
