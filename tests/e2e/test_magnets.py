#!/usr/bin/python3
"""From a magnet link or an info-hash to the data: metadata from peers, honest ones and others; peer exchange."""

import base64
import os
import queue
import signal
import socket
import struct
import threading
import time
import urllib.parse

import harness as h
import wire
from harness import KIB, MIB, check, check_eq, test

NOBODY = "http://127.0.0.1:1"
SOMEWHERE = {"x": 3 * MIB, "y/z": 700_000, "one": 9, "none": 0}


def link_of(e, at=None, tracker=None):
    """The entry's magnet link, with an address and no trackers but the given one."""
    link = e["magnet"].split("&tr=")[0]
    if at:
        link += f"&x.pe={at}"
    return link + (f"&tr={urllib.parse.quote(tracker, '')}" if tracker else "")


def shared(w, what, *args, name="d"):
    """(source, entry, process, address) of what a peer shares through an index."""
    index = w.indexes[0] if w.indexes else w.index()
    a = w.peer("a", index)
    src = h.make_tree(a.path(name), what) if isinstance(what, dict) else h.make_file(a.path(name), what)
    p = a.share(src, *args)
    return src, index.entry(name), p, f"127.0.0.1:{p.port()}"


def long_metadata(w):
    """(source, entry, address, torrent) of what has several pieces of metadata."""
    src, e, p, at = shared(w, {f"f{i}": 10 + i for i in range(2000)}, "--v1-only")
    t = wire.Torrent(w.indexes[0].torrent("d"), src)
    check(len(t.info_raw) > 3 << 14, "several pieces of metadata", len(t.info_raw))
    return src, e, at, t


def linked(peer):
    """Names of the torrents that a home keeps of links."""
    folder = os.path.join(peer.home, "linked")
    return os.listdir(folder) if os.path.isdir(folder) else []


@test("get magnet:, of v1, v2 and hybrid torrents, by x.pe alone and without an index")
def _(w):
    b = w.peer("b", NOBODY)
    for kind in ("v1", "v2", "hybrid"):
        src, e, p, at = shared(w, SOMEWHERE, *([] if kind == "hybrid" else [f"--{kind}-only"]), name=kind)
        links = [link_of(e, at)]
        if e["hash_v1"]:
            links.append(f"magnet:?xt=urn:btih:{e['hash_v1']}&x.pe={at}")
        if e["hash_v2"]:
            links.append(f"magnet:?xt=urn:btmh:1220{e['hash_v2']}&x.pe={at}")
        for i, link in enumerate(links):
            b.get(link, "-o", f"{kind}{i}")
            h.check_same(b.path(f"{kind}{i}"), src)
        p.stop()
    check_eq(linked(b), [], "what is downloaded is not kept")


@test("bare info-hashes, and links whose peers only a tracker knows")
def _(w):
    src, e, p, at = shared(w, 2 * MIB)
    b = w.peer("b", NOBODY)
    base32 = base64.b32encode(bytes.fromhex(e["hash_v1"])).decode()
    for i, ref in enumerate((e["hash_v1"], e["hash_v2"], base32)):
        b.get(ref, "--peer", at, "-o", f"h{i}")
        h.check_same(b.path(f"h{i}"), src)
    b.get(link_of(e, tracker=w.indexes[0].announce), "-o", "t")
    h.check_same(b.path("t"), src)


@test("a hash that the index has no entry for is asked of the peers that its tracker knows")
def _(w):
    index = w.index()
    a, b = w.peer("a", index), w.peer("b", index)
    src = h.make_file(a.path("f"), 300_000)
    a.run("create", src, "-o", a.path("f.torrent"), "--tracker", index.announce).expect(h.OK)
    seed = a.start("get", a.path("f.torrent"), "-o", src, "--seed")
    t = wire.Torrent.load(a.path("f.torrent"), src)
    h.wait_for(lambda: b"there already" in seed.out(), 30 * h.SLOW, "the seed is up")
    b.get(t.hash_v1.hex(), "--wait", "30")
    h.check_same(b.path("f"), src)


@test("a link that nobody can tell the meaning of: no holder, or what the index said; --wait waits")
def _(w):
    index = w.index()
    b = w.peer("b", index)
    b.run("get", f"magnet:?xt=urn:btih:{'ab' * 20}&x.pe=127.0.0.1:1").expect(h.NO_HOLDER).error_line("no holder on line")
    b.run("get", "ab" * 20).expect(h.NOT_FOUND)
    w.peer("c", NOBODY).run("get", "ab" * 32).expect(h.UNREACHABLE)
    b.run("get", "magnet:?xt=urn:btih:12").expect(h.CORRUPT).error_line("not a magnet link")
    src, e, p, at = shared(w, 100_000)
    p.stop()
    c = w.peer("c", NOBODY)
    waits = c.start("get", link_of(e, at), "--wait", "60")
    h.wait_for(lambda: waits.port(), 10 * h.SLOW, "it runs")
    w.peer("a", index).start("share", src, "--port", at.split(":")[1])
    waits.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(c.path("d"), src)


@test("what a link means is kept once it is known: after kill -9 it goes on with a peer that cannot tell")
def _(w):
    src, e, p, at = shared(w, 4 * MIB, "--v1-only")
    b = w.peer("b", NOBODY)
    t = wire.Torrent(w.indexes[0].torrent("d"), src)
    stalls = wire.StallingSeed(t, after=1 * MIB)
    # Metadata from one, data from the other alone.
    get = b.start("get", link_of(e, at), "--wait", "60", "--peer", stalls.addr)
    h.wait_for(lambda: any(x.endswith(".torrent") for x in linked(b)) or not get.alive(), 30 * h.SLOW, "the torrent is kept",
               every=0.001)
    get.kill()
    p.stop()
    stalls.stop()
    check(e["hash_v1"] + ".torrent" in linked(b), "kept under its hash", linked(b))
    seed = wire.FakeSeed(t)
    b.get(link_of(e), "--peer", seed.addr, "--wait", "30")
    h.check_same(b.path("d"), src)
    check_eq(linked(b), [], "forgotten once it is downloaded")
    seed.stop()


@test("files of a link that are asked for while it is not known what it means are wanted besides (daemon)")
def _(w):
    b = w.peer("b", NOBODY)
    src, e, p, at = shared(w, {"a": 1000, "b": 2000, "c": 3000})
    p.send(signal.SIGSTOP)
    b.daemon()
    for name in ("a", "b"):
        b.run("get", link_of(e, at), "--only", name, "-d").expect(h.OK)
    check_eq([t["state"] for t in b.transfers()], ["metadata"], "what it means is not known")
    p.send(signal.SIGCONT)
    h.wait_for(lambda: b.transfers()[0]["state"] == "seeding", 30 * h.SLOW, "it is fetched")
    check_eq(sorted(h.tree_sums(b.path("d"))), [b"a", b"b"], "both")


@test("so are those that a second link chooses by number, or all that it does not choose from; not by name and number")
def _(w):
    b, c = w.peer("b", NOBODY), w.peer("c", NOBODY)
    src, e, p, at = shared(w, {"a": 1000, "b": 2000, "c": 3000})
    p.send(signal.SIGSTOP)
    for x, more in ((b, "&so=4"), (c, "")):  # pads have numbers, too
        x.daemon()
        x.run("get", link_of(e, at) + "&so=0", "-d").expect(h.OK)
        x.run("get", link_of(e, at), "--only", "b", "-d").error_line("by name and by number")
        x.run("get", link_of(e, at) + more, "-d").expect(h.OK)
        check_eq([t["state"] for t in x.transfers()], ["metadata"], "what it means is not known")
    p.send(signal.SIGCONT)
    for x, files in ((b, [b"a", b"c"]), (c, [b"a", b"b", b"c"])):
        h.wait_for(lambda x=x: x.transfers()[0]["state"] == "seeding", 30 * h.SLOW, "it is fetched")
        check_eq(sorted(h.tree_sums(x.path("d"))), files, "by number")


@test("many links in one list, beside other things")
def _(w):
    refs, srcs = [], []
    for i in range(6):
        src, e, p, at = shared(w, 50_000 + i, name=f"f{i}")
        refs.append(link_of(e, at) if i % 2 else e["hash_v1"])
        srcs.append(src)
    b = w.peer("b", w.indexes[0])
    with open(b.path("list"), "w") as f:
        f.write("\n".join([*refs, f"magnet:?xt=urn:btih:{'cd' * 20}"]) + "\n")
    os.mkdir(b.path("out"))
    b.run("get", "-i", "list", "-o", "out").expect(h.NOT_FOUND)
    for src in srcs:
        h.check_same(b.path("out", os.path.basename(src)), src)


@test("info prints a magnet link with both hashes and the tracker, and get understands it")
def _(w):
    src, e, p, at = shared(w, 100_000)
    b = w.peer("b", w.indexes[0])
    out = b.run("info", "d").expect(h.OK).out
    link = next(x for x in out.split() if x.startswith("magnet:?"))
    for part in (f"urn:btih:{e['hash_v1']}", f"urn:btmh:1220{e['hash_v2']}", urllib.parse.quote(w.indexes[0].announce, "")):
        check(part in link, f"{part} in the link", link)
    c = w.peer("c", NOBODY)
    c.get(link)
    h.check_same(c.path("d"), src)


# ---- peers that lie about metadata ---------------------------------------------------------

class MetadataPeer(wire.FakeSeed):
    """Has metadata to offer; what exactly is up to those who are made of it."""

    dials = False

    def __init__(self, torrent, info, size=None, **kw):
        self.info, self.size, self.asked = info, len(info) if size is None else size, 0
        super().__init__(torrent, data=b"", **kw)

    def serve(self, c):
        c.read_handshake(30)
        if not self.dials:
            c.send(wire.handshake(c.their_hash))
        c.send(wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode({"m": {"ut_metadata": 9}, "metadata_size": self.size})))
        self.begin(c)
        while True:
            k, body = c.recv(300)
            if k == wire.EXTENDED and body[:1] == b"\0":
                c.hello = wire.bdecode(body[1:])
                c.metadata_id = c.hello[b"m"].get(b"ut_metadata", 0)
            elif k == wire.EXTENDED and body[0] == 9:
                self.asked += 1
                self.on_metadata(c, wire.bdecode(body[1:])[b"piece"])
            else:
                self.on_other(c, k, body)

    def begin(self, c):
        pass

    def on_other(self, c, k, body):
        pass

    def say(self, c, fields, data=b""):
        c.send(wire.msg(wire.EXTENDED, body=bytes([c.metadata_id]) + wire.bencode(fields) + data))

    def on_metadata(self, c, piece):
        part = self.info[piece << 14:][:1 << 14]
        self.say(c, {"msg_type": 1, "piece": piece, "total_size": self.size}, part)


class Rejecting(MetadataPeer):
    def on_metadata(self, c, piece):
        self.say(c, {"msg_type": 2, "piece": piece})


class Changing(MetadataPeer):
    def on_metadata(self, c, piece):
        self.say(c, {"msg_type": 1, "piece": piece, "total_size": self.size + 1}, self.info[:1 << 14])


class Misshapen(MetadataPeer):
    """Pieces longer and shorter than they are."""

    def on_metadata(self, c, piece):
        part = self.info[piece << 14:][:1 << 14]
        self.say(c, {"msg_type": 1, "piece": piece, "total_size": self.size}, part[:-1] if self.asked % 2 else part + b"e")


class Asking(MetadataPeer):
    """Wants of us what we do not have."""

    def on_metadata(self, c, piece):
        for i in range(2000):
            self.say(c, {"msg_type": 0, "piece": i % 640})


class V1Alone(MetadataPeer):
    """A seed of a hybrid torrent that knows nothing of v2."""

    def begin(self, c):
        if c.their_hash != self.t.hash_v1:
            raise wire.Gone
        with open(self.t.path, "rb") as f:
            self.data = f.read()
        c.send(wire.msg(wire.HAVE_ALL))

    def on_other(self, c, k, body):
        self.on_message(c, k, body)


@test("the piece layers of a hybrid torrent are not waited for when its seeds know v1 alone")
def _(w):
    a, b = w.peer("a"), w.peer("b", NOBODY)
    src = h.make_file(a.path("f"), 6 * MIB)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "64K").expect(h.OK)
    t = wire.Torrent.load(a.path("f.torrent"), src)
    for hashes in (f"urn:btih:{t.hash_v1.hex()}&xt=urn:btmh:1220{t.hash_v2.hex()}", f"urn:btih:{t.hash_v1.hex()}"):
        seeds = [V1Alone(t, t.info_raw, host=h.other(i)) for i in range(2)]
        done = b.run("get", "magnet:?xt=" + hashes, *(x for s in seeds for x in ("--peer", s.addr))).expect(h.OK)
        h.check_same(b.path("f"), src)
        check(done.seconds < 8 * h.SLOW, "within seconds", done.seconds)
        os.unlink(b.path("f"))
        for s in seeds:
            s.stop()


class HashesUnasked(V1Alone):
    """And says hashes of nothing, again and again."""

    def begin(self, c):
        super().begin(c)
        threading.Thread(target=self.go_on, args=(c,), daemon=True).start()

    def go_on(self, c):
        try:
            while not self.stopped:
                c.send(wire.msg(wire.HASHES, body=bytes(48)))
                time.sleep(0.5)
        except wire.Gone:
            pass


@test("nor are they when somebody says hashes that nobody asked for (O-20)")
def _(w):
    a, b = w.peer("a"), w.peer("b", NOBODY)
    src = h.make_file(a.path("f"), 6 * MIB)
    a.run("create", src, "-o", a.path("f.torrent"), "--piece-length", "64K").expect(h.OK)
    t = wire.Torrent.load(a.path("f.torrent"), src)
    seeds = [kind(t, t.info_raw, host=h.other(i)) for i, kind in enumerate((V1Alone, HashesUnasked))]
    done = b.run("get", f"magnet:?xt=urn:btih:{t.hash_v1.hex()}&xt=urn:btmh:1220{t.hash_v2.hex()}",
                 *(x for s in seeds for x in ("--peer", s.addr)), seconds=60).expect(h.OK)
    h.check_same(b.path("f"), src)
    check(done.seconds < 8 * h.SLOW, "within seconds", done.seconds)
    for s in seeds:
        s.stop()


@test("O-20: who gives nothing of what was asked for keeps no place from those who have it", seconds=120)
def _(w):
    src, e, p, at = shared(w, 200_000)
    p.stop()
    b = w.peer("b", NOBODY)
    get = b.start("get", link_of(e, at), "--wait", "90")
    body = wire.bencode({"msg_type": 1, "piece": 0, "total_size": 1}) + b"x"
    crowd = []
    for i in range(40):
        c = wire.Conn.dial(get.port(), source=h.other(i))
        crowd.append(c)
        # As many as there are places for.
        c.send(wire.handshake(bytes.fromhex(e["hash_v1"])) + wire.msg(wire.EXTENDED, body=b"\2" + body))
    w.peer("a").start("share", src, "--port", at.split(":")[1])
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("d"), src)
    for c in crowd:
        c.close()


@test("O-20: sizes that cannot be, changing ones, rejects, floods and silence: the honest peer's metadata is had")
def _(w):
    src, e, at, t = long_metadata(w)
    kinds = [(MetadataPeer, 0), (MetadataPeer, -1), (MetadataPeer, 2 << 30), (MetadataPeer, (10 << 20) + 1), (Rejecting, None),
             (Changing, None), (Misshapen, None), (Asking, None), (wire.FakeSeed, None)]
    liars = []
    for i, (kind, size) in enumerate(kinds):
        liars.append(kind(t, data=b"", host=h.other(i)) if kind is wire.FakeSeed else kind(t, t.info_raw, size=size, host=h.other(i)))
    b = w.peer("b", NOBODY)
    more = [x for s in liars for x in ("--peer", s.addr)]
    b.get(link_of(e, at), *more, "--wait", "60", seconds=60)
    h.check_same(b.path("d"), src)
    for s in liars:
        s.stop()


class Endless(wire.FakeSeed):
    """Peers of any torrent: of its metadata, as large as there may be, all comes but the last piece."""

    SIZE, LAST = 10 * MIB, 639
    given = 0

    def serve(self, c):
        c.read_handshake(30)
        c.send(wire.handshake(c.their_hash))
        c.send(wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode({"m": {"ut_metadata": 9}, "metadata_size": self.SIZE})))
        part = bytes(1 << 14)
        while True:
            k, body = c.recv(300)
            if k == wire.EXTENDED and body[:1] == b"\0":
                number = bytes([wire.bdecode(body[1:])[b"m"][b"ut_metadata"]])
            elif k == wire.EXTENDED and body[0] == 9:
                piece = wire.bdecode(body[1:])[b"piece"]
                if piece < self.LAST:
                    head = wire.bencode({"msg_type": 1, "piece": piece, "total_size": self.SIZE})
                    c.send(wire.msg(wire.EXTENDED, body=number + head + part))
                    self.given += len(part)


@test("O-20: a hundred links to peers that give 10 MiB of metadata each: a daemon keeps to its memory, and an honest link is had")
def _(w):
    src, e, at, t = long_metadata(w)
    liars = [Endless(t, data=b"", host=h.other(i)) for i in range(4)]
    b = w.peer("b", NOBODY)
    # Memory that is asked for and not used yet would be used by the test itself.
    d = b.daemon("--max-memory", "16M", "--max-active", "200", "--no-dht", env={"MALLOC_PERTURB_": "0"})
    before = d.peak_rss()
    links = [f"magnet:?xt=urn:btih:{i:040x}&x.pe={liars[i % 4].addr}\n" for i in range(100)]
    links[50] = link_of(e, at) + "\n"
    with open(b.path("list"), "w") as f:
        f.writelines(links)
    b.run("get", "-i", b.path("list"), "-d").expect(h.OK)
    h.wait_for(lambda: os.path.exists(b.path("d")), 40 * h.SLOW, "the honest one is had")
    h.wait_for(lambda: sum(s.given for s in liars) > 30 * MIB, 60 * h.SLOW, "the others give more than may be kept")
    h.check_same(b.path("d"), src)
    print(f"# {(d.peak_rss() - before) / MIB:.1f} MiB more at most, {sum(s.given for s in liars) / MIB:.0f} MiB given")
    if not h.SANITIZED:
        check(d.peak_rss() - before < 20 * MIB, "memory", d.peak_rss() - before)
    for s in liars:
        s.stop()


@test("O-20: right size and wrong bytes: the copy is thrown away, the liar banned after two of its own")
def _(w):
    src, e, at, t = long_metadata(w)
    liar = MetadataPeer(t, t.info_raw[:-2] + b"!e", host=h.other(0))
    b = w.peer("b", NOBODY)
    get = b.start("get", link_of(e), "--peer", liar.addr, "--wait", "120", "-v")
    h.wait_for(lambda: b"is not what the link means" in get.err(), 30 * h.SLOW, "the liar is found out")
    asked = liar.asked
    # One copy together with whoever else might have been there, two alone.
    check_eq(asked, 3 * (-(-len(t.info_raw) // (1 << 14))), "pieces asked of the liar")
    get.stop()
    again = b.start("get", link_of(e, at), "--peer", liar.addr, "--wait", "120")
    again.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("d"), src)
    liar.stop()


# ---- from metadata to data on one connection -------------------------------------------------

class Whole(MetadataPeer):
    """Has metadata and data; says what it has at once, and `more` behind it."""

    def __init__(self, torrent, more=b"", **kw):
        self.more, self.last = more, None
        super().__init__(torrent, torrent.info_raw, **kw)
        with open(torrent.path, "rb") as f:
            self.data = f.read()

    def begin(self, c):
        self.last = c
        c.send(wire.msg(wire.HAVE_ALL) + self.more)

    def on_other(self, c, k, body):
        self.on_message(c, k, body)


class Way:
    """To one port, and back, each taking so many seconds; counts connections."""

    def __init__(self, to, seconds=0.0):
        self.to, self.seconds, self.count = to, seconds, 0
        self.listener = socket.create_server((h.HOST, 0))
        self.addr = f"{h.HOST}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            # The handshake of TCP takes its time, too.
            time.sleep(2 * self.seconds)
            try:
                there = socket.create_connection((h.HOST, self.to))
            except OSError:
                return
            for a, b in ((here, there), (there, here)):
                q = queue.Queue()
                threading.Thread(target=self.take, args=(a, q), daemon=True).start()
                threading.Thread(target=self.give, args=(b, q), daemon=True).start()

    def take(self, s, q):
        data = b"."
        while data:
            try:
                data = s.recv(1 << 16)
            except OSError:
                data = b""
            q.put((time.monotonic() + self.seconds, data))

    def give(self, s, q):
        data = b"."
        while data:
            at, data = q.get()
            time.sleep(max(0.0, at - time.monotonic()))
            try:
                s.sendall(data) if data else s.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@test("who gave the metadata gives the data on the same connection: v1, v2 and hybrid, plain and encrypted")
def _(w):
    b = w.peer("b", NOBODY)
    for kind in ("v1", "v2", "hybrid"):
        # Of several pieces, so that hashes are asked for as well.
        src, e, p, at = shared(w, 3 * MIB, *([] if kind == "hybrid" else [f"--{kind}-only"]), name=kind)
        for how in ("accept", "require"):
            way = Way(p.port())
            b.get(link_of(e, way.addr), "-o", kind + how, "--encryption", how)
            h.check_same(b.path(kind + how), src)
            check_eq(way.count, 1, f"connections for {kind}, {how}")
            way.close()
        p.stop()


def get_time(w, seconds, times):
    """Of a file of one block, from a magnet link."""
    src, e, p, at = shared(w, 16 * KIB)
    took = []
    for i in range(times):
        b, way = w.peer(f"b{i}-{seconds}", NOBODY), Way(p.port(), seconds)
        took.append(b.run("get", link_of(e, way.addr), "--no-dht", "--no-lsd").expect(h.OK).seconds)
        way.close()
    return sorted(took)[len(took) // 2]


if "SHOAL_MEASURE" in os.environ:
    @test("how long a link takes to the first block", seconds=120)
    def _(w):
        for ms in (0, 25):
            print(f"# {2 * ms} ms there and back: {get_time(w, ms / 1000, 11) * 1000:.0f} ms", flush=True)


@test("a peer that came while a link was asked about gives metadata and data where it is")
def _(w):
    src, e, p, at = shared(w, 1 * MIB, "--v1-only")
    p.stop()
    b = w.peer("b", NOBODY)
    t = wire.Torrent(w.indexes[0].torrent("d"), src)
    whole = Whole(t)
    whole.dials = True
    get = b.start("get", link_of(e), "-o", "f", "--wait", "60")
    c = wire.Conn.dial(get.port())
    c.send(wire.handshake(t.hash_v1))
    threading.Thread(target=whole._run, args=(c,), daemon=True).start()
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("f"), src)
    check_eq(whole.accepted, 0, "connections that it was asked for")
    whole.stop()


@test("met anew are those of a private torrent, and those who say more than is kept")
def _(w):
    a, b = w.peer("a", NOBODY), w.peer("b", NOBODY)
    src = h.make_file(a.path("f"), 300_000)
    for name, args, more, n in (("open", [], b"", 1), ("private", ["--private"], b"", 2),
                                ("loud", [], wire.msg(wire.HAVE, 0) * (400 * KIB // 9), 2)):
        torrent = w.path(f"{name}.torrent")
        a.run("create", src, "-o", torrent, "--v1-only", *args).expect(h.OK)
        t = wire.Torrent.load(torrent, src)
        whole = Whole(t, more, host=h.other(0))
        b.get(f"magnet:?xt=urn:btih:{t.hash_v1.hex()}&x.pe={whole.addr}", "-o", name, "--wait", "30")
        h.check_same(b.path(name), src)
        check_eq(whole.accepted, n, f"connections: {name}")
        if name == "private":
            check(b"ut_pex" not in whole.last.hello[b"m"], "no peer exchange is offered for it", whole.last.hello)
        whole.stop()


# ---- peer exchange -------------------------------------------------------------------------

class Exchanger:
    """A raw connection that takes part in peer exchange."""

    def __init__(self, port, info_hash, listen_port=0, source="127.0.0.1"):
        self.c = wire.Conn.dial(port, source=source).greet(info_hash)
        self.c.send(wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode({"m": {"ut_pex": 3}, "p": listen_port})))
        self.c.send(wire.msg(wire.HAVE_NONE))
        self.ours = wire.bdecode(self.c.wait(wire.EXTENDED)[1][1:])

    def told(self, seconds):
        end = time.monotonic() + seconds
        try:
            while True:
                k, body = self.c.wait(wire.EXTENDED, seconds=max(0.01, end - time.monotonic()))
                if body[0] == 3:
                    return wire.bdecode(body[1:])
        except TimeoutError:
            return None

    def tell(self, *messages):
        """Peers, a list a message; all at once."""
        number = bytes([self.ours[b"m"][b"ut_pex"]])
        self.c.send(b"".join(wire.msg(wire.EXTENDED, body=number + wire.bencode({"added": b"".join(m)})) for m in messages))


class Door:
    """Where nobody lives who speaks; counts who comes."""

    def __init__(self):
        self.s = socket.create_server((h.HOST, 0))
        self.s.setblocking(False)
        self.port = self.s.getsockname()[1]

    def close(self):
        n = 0
        try:
            while True:
                self.s.accept()[0].close()
                n += 1
        except BlockingIOError:
            self.s.close()
            return n


def compact(host, port):
    return bytes(map(int, host.split("."))) + struct.pack(">H", port)


@test("peers are told of each other, and what they tell is dialled")
def _(w):
    src, e, p, at = shared(w, 1 * MIB)
    hash_v1 = bytes.fromhex(e["hash_v1"])
    one, two = Exchanger(p.port(), hash_v1, 7001), Exchanger(p.port(), hash_v1, 7002)
    got = one.told(20 * h.SLOW)
    check(got, "the first is told of the second")
    check_eq(got[b"added"], compact("127.0.0.1", 7002), "where he listens")
    check_eq(two.told(20 * h.SLOW)[b"added"], compact("127.0.0.1", 7001), "and the other way")
    b = w.peer("b", NOBODY)
    b.run("create", src, "-o", b.path("d.torrent"), "--piece-length", "64K").expect(h.OK)
    t = wire.Torrent.load(b.path("d.torrent"), src)
    seed = wire.FakeSeed(t, host="127.0.0.1")
    get = b.start("get", "d.torrent", "--wait", "60")
    hash_v1 = t.hash_v1
    teller = Exchanger(get.port(), hash_v1)
    teller.tell([compact("127.0.0.1", seed.port)])
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("d"), src)
    seed.stop()


class Telling(wire.SlowSeed):
    """Tells by peer exchange of another one."""

    def __init__(self, torrent, other, **kw):
        self.other = other
        super().__init__(torrent, **kw)

    def serve(self, c):
        c.read_handshake(30)
        c.send(wire.handshake(c.their_hash) + wire.msg(wire.EXTENDED, body=b"\0" + wire.bencode({"m": {"ut_pex": 3}})))
        self.open(c)
        while True:
            k, body = c.recv(300)
            if k == wire.EXTENDED and body[:1] == b"\0":
                number = bytes([wire.bdecode(body[1:])[b"m"][b"ut_pex"]])
                added = compact(self.other.host, self.other.port)
                c.send(wire.msg(wire.EXTENDED, body=number + wire.bencode({"added": added})))
            else:
                self.on_message(c, k, body)


@test("get --from: who told what a link means is fetched from only if it is named")
def _(w):
    b = w.peer("b", NOBODY)
    src, e, p, at = shared(w, 100 * KIB)
    dead = f"{h.other(0)}:1"
    b.run("get", link_of(e, at), "--from", dead, "--wait", "5").expect(h.NO_HOLDER)
    check(linked(b), "what it means is known")
    b.get(link_of(e, at), "-o", "d", "--from", at)
    h.check_same(b.path("d"), src)


@test("get --from dials nobody but whom it names, whoever else it is told of by them")
def _(w):
    b = w.peer("b", NOBODY)
    t = wire.create_v1(h.make_file(w.path("f"), 1 * MIB), w.path("f.torrent"), 64 * KIB)
    stranger = wire.FakeSeed(t, host=h.other(1))
    named = Telling(t, stranger, rate=400 * KIB, host=h.other(0))
    for args, met in ((("--from", named.addr), False), (("--peer", named.addr), True)):
        b.get(w.path("f.torrent"), *args, "-o", args[0])
        h.check_same(b.path(args[0]), t.path)
        check_eq(stranger.accepted > 0, met, f"the stranger is dialled with {args[0]}")
    named.stop()
    stranger.stop()


@test("while a link is asked about, a peer that does not know tells of one that does")
def _(w):
    src, e, p, at = shared(w, 1 * MIB)
    b = w.peer("b", NOBODY)
    get = b.start("get", "magnet:?xt=urn:btih:" + e["hash_v1"], "-o", b.path("f"), "--wait", "60")
    teller = Exchanger(get.port(), bytes.fromhex(e["hash_v1"]))
    seconds = Door()
    teller.tell([compact("127.0.0.1", int(at.split(":")[1]))], *[[compact("127.0.0.1", seconds.port)]] * 5)
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(b.path("f"), src)
    check_eq(seconds.close(), 0, "dials of whom it was told of sooner than a minute later (O-21)")


@test("O-21: a private torrent neither tells nor takes any peers, nor gives its metadata")
def _(w):
    a, b = w.peer("a", NOBODY), w.peer("b", NOBODY)
    src = h.make_file(a.path("f"), 300_000)
    a.run("create", src, "-o", a.path("f.torrent"), "--private").expect(h.OK)
    t = wire.Torrent.load(a.path("f.torrent"), src)
    seed = a.start("get", a.path("f.torrent"), "-o", src, "--seed")
    h.wait_for(lambda: b"there already" in seed.out(), 30 * h.SLOW, "the seed is up")
    one, two = Exchanger(seed.port(), t.hash_v1, 7001), Exchanger(seed.port(), t.hash_v1, 7002)
    check(b"ut_pex" not in one.ours[b"m"] and b"ut_metadata" not in one.ours[b"m"], "not offered", one.ours)
    check_eq(one.told(5), None, "nothing is told")
    fake = wire.FakeSeed(t, host="127.0.0.1")
    two.c.send(wire.msg(wire.EXTENDED, body=b"\1" + wire.bencode({"added": compact("127.0.0.1", fake.port)})))
    check_eq(two.told(2), None, "nothing is told")
    check_eq(fake.accepted, 0, "nobody was dialled")
    fake.stop()


@test("a .torrent is announced where --tracker says, and never at the index by itself")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 100_000)
    a.run("create", src, "-o", a.path("f.torrent")).expect(h.OK)
    seed = a.start("get", a.path("f.torrent"), "-o", src, "--seed")
    h.wait_for(lambda: b"there already" in seed.out(), 30 * h.SLOW, "the seed is up")
    b.run("get", a.path("f.torrent"), "-o", "one", "--peer", f"{h.HOST}:{seed.port()}").expect(h.OK)
    status = index.api("status")
    check_eq((status["announces"], status["sessions"], status["peers"]), (0, 0, 0), "the index knows nothing of it")
    seed.stop(signal.SIGINT)
    a.start("get", a.path("f.torrent"), "-o", src, "--seed", "--tracker", index.announce)
    h.wait_for(lambda: index.api("status")["peers"] > 0, 20 * h.SLOW, "it is told")
    b.run("get", a.path("f.torrent"), "-o", "two", "--tracker", index.announce).expect(h.OK)


if __name__ == "__main__":
    raise SystemExit(h.main())
