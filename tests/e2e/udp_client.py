"""A client of BEP 15 that shows what the tracker says."""

import socket
import struct
import time

from harness import HOST, check_eq

MAGIC = 0x41727101980
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
HASH = b"h" * 20


class Client:
    """A datagram socket with a connection id. `host` is where the tracker is, `own` where we are."""

    def __init__(self, port, host=HOST, own=None):
        self.v6 = ":" in host
        self.s = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET, socket.SOCK_DGRAM)
        if own:
            self.s.bind((own, 0))
        self.s.connect((host, port))
        self.n, self.id = 0, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def ask(self, action, rest=b"", id_=None, seconds=10):
        """(action, body) of the answer; None when nothing comes."""
        self.n += 1
        head = struct.pack(">QII", MAGIC if action == CONNECT else self.id if id_ is None else id_, action, self.n)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.s.send(head + rest)
            self.s.settimeout(min(1.0, seconds))
            try:
                while True:
                    got = self.s.recv(4096)
                    kind, n = struct.unpack(">II", got[:8])
                    if n == self.n:
                        return kind, got[8:]
            except TimeoutError:
                pass
        return None

    def connect(self):
        kind, body = self.ask(CONNECT)
        check_eq((kind, len(body)), (CONNECT, 8), "connect")
        self.id, = struct.unpack(">Q", body)
        return self

    def announce(self, info_hash=HASH, port=7000, left=0, event=2, numwant=-1, peer_id=b"-XX0001-aaaaaaaaaaaa", options=b"", **kw):
        rest = struct.pack(">20s20sQQQIIIiH", info_hash, peer_id, 0, left, 0, event, 0x01020304, 0, numwant, port)
        got = self.ask(ANNOUNCE, rest + options, **kw)
        if got is None or got[0] != ANNOUNCE:
            return got
        interval, leechers, seeders = struct.unpack(">III", got[1][:12])
        stride, family = (18, socket.AF_INET6) if self.v6 else (6, socket.AF_INET)
        packed = got[1][12:]
        check_eq(len(packed) % stride, 0, "whole peers")
        peers = [(socket.inet_ntop(family, packed[i:i + stride - 2]), struct.unpack(">H", packed[i + stride - 2:i + stride])[0])
                 for i in range(0, len(packed), stride)]
        return {"interval": interval, "leechers": leechers, "seeders": seeders, "peers": sorted(peers)}

    def scrape(self, *hashes):
        got = self.ask(SCRAPE, b"".join(hashes))
        if got[0] != SCRAPE:
            return got
        return [struct.unpack(">III", got[1][i:i + 12]) for i in range(0, len(got[1]), 12)]
