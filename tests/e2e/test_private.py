#!/usr/bin/python3
"""Private torrents (BEP 27): peers come from the tracker alone. Shown by every packet that crosses the cable."""

import os
import socket
import struct
import sys

import harness as h
import wire
from boxes import two_boxes
from harness import KIB, SLOW, check, check_eq, test

# What would speak if it may: the table, the local network, uTP.
FREE = {"SHOAL_NO_LSD": "", "SHOAL_NO_DHT": ""}
A, B = "10.79.0.1", "10.79.0.2"
# Nobody has these: whoever is sent there asks the cable who does.
TOLD, NAMED = "10.79.0.77", "10.79.0.78"
NODE_PORT = 4242
PORT, EXTENDED = 9, 20

# Runs in the box of bert: each frame with its length before it.
SNIFFER = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
s.bind(("cable", 0))
out = open(sys.argv[1], "wb", 0)
print("ready", flush=True)
while True:
    frame = s.recv(1 << 17)
    out.write(struct.pack(">I", len(frame)) + frame)
"""

# A peer that says all that a private torrent's peers must not heed, and then gets a block, so that all was heard.
STRANGER = """
import json, socket, struct, sys
sys.path.insert(0, sys.argv[1])
import wire
host, port, info_hash, told, named, node = sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4]), *sys.argv[5:8]
c = wire.Conn(socket.create_connection((host, port), 10))
reserved = bytearray(8)
reserved[5], reserved[7] = 0x10, 0x05
c.greet(info_hash, reserved=bytes(reserved))
c.send(wire.msg(wire.EXTENDED, body=b"\\0" + wire.bencode({"m": {"ut_pex": 1, "ut_metadata": 2, "ut_holepunch": 4}, "p": 7001})))
c.send(wire.msg(wire.HAVE_NONE) + wire.msg(wire.INTERESTED))
c.wait(wire.UNCHOKE, seconds=30)
compact = lambda a: socket.inet_aton(a) + struct.pack(">H", 7777)
c.send(wire.msg(9, body=struct.pack(">H", int(node))))
c.send(wire.msg(wire.EXTENDED, body=b"\\1" + wire.bencode({"added": compact(told), "added.f": b"\\x0c"})))
c.send(wire.msg(wire.EXTENDED, body=b"\\4" + struct.pack(">BB4sHI", 1, 0, socket.inet_aton(named), 7777, 0)))
assert c.fetch(0, 0, 1000) is not None
print("heard", flush=True)
"""


class Cable:
    """All that went over it."""

    def __init__(self, box):
        self.path = box.w.path("cable.frames")
        self.proc = box.w.start(*box.wrap, "python3", "-c", SNIFFER, self.path, name="sniffer")
        h.wait_for(lambda: b"ready" in self.proc.out(), 20 * SLOW, "the cable is looked at")

    def frames(self):
        with open(self.path, "rb") as f:
            data = f.read()
        at = 0
        while at + 4 <= len(data):
            n = struct.unpack_from(">I", data, at)[0]
            yield data[at + 4:at + 4 + n]
            at += 4 + n

    def datagrams(self):
        """(source, source port, destination, port, bytes) of UDP over IPv4 and IPv6."""
        for f in self.frames():
            kind, ip = f[12:14], f[14:]
            if kind == b"\x08\x00" and ip[9] == 17:
                head, ends = (ip[0] & 15) * 4, (socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]))
            elif kind == b"\x86\xdd" and ip[6] == 17:
                head, ends = 40, tuple(socket.inet_ntop(socket.AF_INET6, ip[i:i + 16]) for i in (8, 24))
            else:
                continue
            ports = struct.unpack_from(">HH", ip, head)
            yield ends[0], ports[0], ends[1], ports[1], ip[head + 8:]

    def sought(self):
        """Addresses that somebody on the cable asked for (ARP)."""
        return {socket.inet_ntoa(f[38:42]) for f in self.frames() if f[12:14] == b"\x08\x06"}

    def streams(self):
        """The bytes of each direction of each TCP connection."""
        out = {}
        for f in self.frames():
            ip = f[14:]
            if f[12:14] != b"\x08\x00" or ip[9] != 6:
                continue
            head, size = (ip[0] & 15) * 4, struct.unpack_from(">H", ip, 2)[0]
            sport, dport, seq = struct.unpack_from(">HHI", ip, head)
            flags, data = ip[head + 13], ip[head + (ip[head + 12] >> 4) * 4:size]
            key = (ip[12:16], sport, ip[16:20], dport)
            if flags & 2:
                out[key] = [seq + 1, bytearray()]
            if data and key in out:
                first, got = out[key]
                at = seq - first & 0xffffffff
                if at <= len(got):
                    got[at:at + len(data)] = data
        return {k: bytes(v[1]) for k, v in out.items()}

    def peers(self, info_hash):
        """Of each stream of a peer in this swarm: (its side, handshake, messages)."""
        for key, data in self.streams().items():
            if data[:20] != b"\x13BitTorrent protocol" or data[28:48] not in info_hash:
                continue
            messages, at = [], 68
            while at + 4 <= len(data):
                n = struct.unpack_from(">I", data, at)[0]
                if n and at + 4 + n <= len(data):
                    messages.append((data[at + 4], data[at + 5:at + 4 + n]))
                at += 4 + n
            yield key, data[:68], messages

    def close(self):
        self.proc.killed = True
        self.proc.kill()


def is_utp(datagram):
    """A peer whom TCP does not reach within two and a half seconds, as on a busy machine, is dialled over uTP."""
    _, _, _, port, data = datagram
    return port not in (53, 5353, 6771, NODE_PORT) and len(data) >= 20 and data[0] & 15 == 1 and data[0] >> 4 <= 4


def hashes(t):
    return {x[:20] for x in (t.hash_v1, t.hash_v2) if x}


def serve(box, src, torrent, *args):
    p = box.start("get", torrent, "-o", src, "--seed", "-v", "--dht-node", f"{B}:{NODE_PORT}", *args, env=FREE)
    h.wait_for(lambda: b"there already" in p.out(), 30 * SLOW, "it is served")
    return p


def spoken_by_ours(cable, t, but=7001):
    """Names of extensions that ours offer, kinds of messages they send, and whether they offer a table."""
    offered, kinds, dht = set(), set(), False
    for _, hello, messages in cable.peers(hashes(t)):
        if hello[48:51] != b"-SH":
            continue
        dht = dht or bool(hello[27] & 1)
        for kind, body in messages:
            kinds.add((kind, body[0]) if kind == EXTENDED else kind)
            if kind == EXTENDED and body[0] == 0:
                offered |= {k.decode() for k, v in wire.bdecode(body[1:])[b"m"].items() if v}
    return offered, kinds, dht


@test("of private torrents, v1, v2 and hybrid, nothing is on the cable but the tracker's and the peers' connections", seconds=150)
def _(w):
    a, b = two_boxes(w)
    index = a.index("--no-lan", listen=f"{A}:6969")
    url = ("--index", f"http://{A}:6969")
    cable = Cable(b)
    for kind in ("v1", "v2", "hybrid"):
        src = h.make_file(a.peer.path(kind), 300 * KIB)
        torrent = w.path(f"{kind}.torrent")
        a.peer.run("create", src, "-o", torrent, "--private", "--tracker", f"http://{A}:6969/announce",
                   *([] if kind == "hybrid" else [f"--{kind}-only"])).expect(h.OK)
        t = wire.Torrent.load(torrent, src)
        seed = serve(a, src, torrent, *url)
        args = [os.path.dirname(os.path.abspath(__file__)), A, str(seed.port()), (t.hash_v1 or t.hash_v2[:20]).hex(), TOLD, NAMED,
                str(NODE_PORT)]
        stranger = w.start(*b.wrap, sys.executable, "-c", STRANGER, *args, name="stranger")
        stranger.wait(60 * SLOW).expect(0)
        got = b.start("get", torrent, "-o", f"got-{kind}", "--wait", "60", *url, "--dht-node", f"{B}:{NODE_PORT}", env=FREE)
        got.wait(60 * SLOW).expect(h.OK)
        h.check_same(b.peer.path(f"got-{kind}"), src)
        seed.stop().expect(h.OK)
        offered, kinds, dht = spoken_by_ours(cable, t)
        check(kinds, "their connections are seen")
        check_eq(offered & {"ut_pex", "ut_metadata", "ut_holepunch"}, set(), f"extensions offered for {kind}")
        check(PORT not in kinds and not dht, "no node is told of", kinds)
        check(not {(EXTENDED, n) for n in (1, 2, 4)} & kinds, "no such message", kinds)
        check_eq([d for d in cable.datagrams() if not is_utp(d)], [], f"datagrams for {kind}")
        check_eq(cable.sought() - {A, B}, set(), f"hosts that were looked for, for {kind}")

    # The same of one that is not: so would it have been seen.
    src, torrent = h.make_file(a.peer.path("open"), 300 * KIB), w.path("open.torrent")
    a.peer.run("create", src, "-o", torrent, "--tracker", f"http://{A}:6969/announce").expect(h.OK)
    t = wire.Torrent.load(torrent, src)
    seed = serve(a, src, torrent, *url)
    args = [os.path.dirname(os.path.abspath(__file__)), A, str(seed.port()), t.hash_v1.hex(), TOLD, NAMED, str(NODE_PORT)]
    w.start(*b.wrap, sys.executable, "-c", STRANGER, *args, name="stranger").wait(60 * SLOW).expect(0)
    h.wait_for(lambda: any(d[3] == NODE_PORT for d in cable.datagrams()), 20 * SLOW, "the table is asked")
    h.wait_for(lambda: any(d[3] == 6771 for d in cable.datagrams()), 20 * SLOW, "the local network is told")
    h.wait_for(lambda: {TOLD, NAMED} <= cable.sought(), 20 * SLOW, "whom it is told of it dials")
    offered, kinds, dht = spoken_by_ours(cable, t)
    check({"ut_pex", "ut_metadata", "ut_holepunch"} <= offered and dht and PORT in kinds, "all of it", offered, kinds, dht)
    seed.stop().expect(h.OK)
    cable.close()
    index.stop().expect(h.OK)


if __name__ == "__main__":
    raise SystemExit(h.main())
