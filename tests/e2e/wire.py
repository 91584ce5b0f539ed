"""A small BitTorrent peer that can misbehave, a tracker that can lie, and what they need:
bencode, .torrent files, Ed25519 for publishing by hand.
"""

import base64
import hashlib
import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time

from harness import HOST, other

CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL, PORT = range(10)
SUGGEST, HAVE_ALL, HAVE_NONE, REJECT, ALLOWED_FAST = range(13, 18)
EXTENDED, HASH_REQUEST, HASHES, HASH_REJECT = 20, 21, 22, 23
BLOCK = 16 << 10
PROTOCOL = b"\x13BitTorrent protocol"


# ---- bencode ------------------------------------------------------------------------------

def bencode(v):
    if isinstance(v, bool):
        v = int(v)
    if isinstance(v, int):
        return b"i%de" % v
    if isinstance(v, str):
        v = v.encode()
    if isinstance(v, (bytes, bytearray)):
        return b"%d:" % len(v) + bytes(v)
    if isinstance(v, (list, tuple)):
        return b"l" + b"".join(map(bencode, v)) + b"e"
    items = sorted((k.encode() if isinstance(k, str) else k, x) for k, x in v.items())
    return b"d" + b"".join(bencode(k) + bencode(x) for k, x in items) + b"e"


def bdecode_at(b, i):
    c = b[i:i + 1]
    if c == b"i":
        e = b.index(b"e", i)
        return int(b[i + 1:e]), e + 1
    if c == b"l":
        i, out = i + 1, []
        while b[i:i + 1] != b"e":
            v, i = bdecode_at(b, i)
            out.append(v)
        return out, i + 1
    if c == b"d":
        i, out = i + 1, {}
        while b[i:i + 1] != b"e":
            k, i = bdecode_at(b, i)
            out[k], i = bdecode_at(b, i)
        return out, i + 1
    e = b.index(b":", i)
    n = int(b[i:e])
    if e + 1 + n > len(b):
        raise ValueError("cut short")
    return b[e + 1:e + 1 + n], e + 1 + n


def bdecode(b):
    v, end = bdecode_at(b, 0)
    if end != len(b):
        raise ValueError("bytes after the end")
    return v


# ---- .torrent -----------------------------------------------------------------------------

class Torrent:
    """A torrent of one file, or of several seen as one space (pads included)."""

    def __init__(self, raw, path=None):
        self.raw = raw
        top = bdecode(raw)
        info = top[b"info"]
        self.top, self.info = top, info
        at = raw.index(b"4:info") + 6
        _, end = bdecode_at(raw, at)
        self.info_raw = raw[at:end]
        self.v1 = b"pieces" in info
        self.v2 = info.get(b"meta version") == 2
        self.hash_v1 = hashlib.sha1(self.info_raw).digest() if self.v1 else None
        self.hash_v2 = hashlib.sha256(self.info_raw).digest() if self.v2 else None
        self.hash = self.hash_v1 or self.hash_v2[:20]
        self.name = info[b"name"]
        self.piece_length = info[b"piece length"]
        self.path = path
        if b"length" in info:
            self.length = info[b"length"]
        elif b"files" in info:
            self.length = sum(f[b"length"] for f in info[b"files"])
        else:
            (leaf,) = info[b"file tree"].values()
            self.length = leaf[b""][b"length"]
        self.n_pieces = -(-self.length // self.piece_length)

    @staticmethod
    def load(torrent_path, data_path=None):
        with open(torrent_path, "rb") as f:
            return Torrent(f.read(), data_path)

    def piece_size(self, piece):
        return min(self.piece_length, self.length - piece * self.piece_length)

    def blocks(self):
        for p in range(self.n_pieces):
            size = self.piece_size(p)
            for begin in range(0, size, BLOCK):
                yield p, begin, min(BLOCK, size - begin)

    def bitfield(self, have=None):
        out = bytearray(-(-self.n_pieces // 8))
        for p in range(self.n_pieces) if have is None else have:
            out[p >> 3] |= 0x80 >> (p & 7)
        return bytes(out)


def create_v1(path, out, piece_length, announce=None, name=None):
    """A v1 torrent of one file, made here and not by the program under test."""
    pieces = b""
    with open(path, "rb") as f:
        while chunk := f.read(piece_length):
            pieces += hashlib.sha1(chunk).digest()
    top = {"info": {"name": name or os.path.basename(path), "piece length": piece_length,
                    "length": os.path.getsize(path), "pieces": pieces}}
    if announce:
        top["announce"] = announce
    with open(out, "wb") as f:
        f.write(bencode(top))
    return Torrent.load(out, path)


def create_padded(folder, out, piece_length, announce=None):
    """The same of a folder, with a pad (BEP 47) behind each file that does not end with a piece."""
    files, space = [], b""
    for d, _, names in sorted(os.walk(folder)):
        for path in sorted(os.path.join(d, n) for n in names):
            with open(path, "rb") as f:
                data = f.read()
            pad = -len(data) % piece_length
            files.append({"path": os.path.relpath(path, folder).split(os.sep), "length": len(data)})
            if pad:
                files.append({"path": [".pad", str(pad)], "length": pad, "attr": "p"})
            space += data + bytes(pad)
    pieces = b"".join(hashlib.sha1(space[i:i + piece_length]).digest() for i in range(0, len(space), piece_length))
    top = {"info": {"name": os.path.basename(folder), "piece length": piece_length, "files": files, "pieces": pieces}}
    if announce:
        top["announce"] = announce
    with open(out, "wb") as f:
        f.write(bencode(top))
    return Torrent.load(out, folder)


# ---- messages -----------------------------------------------------------------------------

def msg(kind, *ints, body=b""):
    payload = bytes([kind]) + b"".join(struct.pack(">I", i & 0xffffffff) for i in ints) + body
    return struct.pack(">I", len(payload)) + payload


def handshake(info_hash, peer_id=None, reserved=None, fast=True, extended=True, v2=False):
    r = bytearray(8)
    if extended:
        r[5] |= 0x10
    if fast:
        r[7] |= 0x04
    if v2:
        r[7] |= 0x10
    return PROTOCOL + (reserved or bytes(r)) + info_hash + (peer_id or new_peer_id())


def new_peer_id():
    return b"-XX0001-" + base64.b32encode(os.urandom(10))[:12]


class Gone(Exception):
    """The other side closed."""


class Conn:
    """One connection to a peer. `reads` and `writes` are whole messages."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.their_id = self.their_reserved = self.their_hash = None
        self.unchoked = False
        self.rejected = set()
        self.seen = []

    @staticmethod
    def dial(port, host=HOST, source=HOST, timeout=10):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((source, 0))
        s.settimeout(timeout)
        s.connect((host, port))
        return Conn(s)

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone(str(e))

    def _fill(self, n, end):
        while len(self.buf) < n:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            try:
                got = self.sock.recv(262144)
            except socket.timeout:
                raise TimeoutError
            except OSError as e:
                raise Gone(str(e))
            if not got:
                raise Gone("closed")
            self.buf += got

    def read_exactly(self, n, seconds=10):
        self._fill(n, time.monotonic() + seconds)
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def read_handshake(self, seconds=10):
        h = self.read_exactly(68, seconds)
        if h[:20] != PROTOCOL:
            raise Gone("no handshake")
        self.their_reserved, self.their_hash, self.their_id = h[20:28], h[28:48], h[48:]

    def greet(self, info_hash, seconds=10, **kw):
        self.send(handshake(info_hash, **kw))
        self.read_handshake(seconds)
        return self

    def recv(self, seconds=10):
        """(kind, payload); kind None is a keep-alive."""
        end = time.monotonic() + seconds
        self._fill(4, end)
        n = struct.unpack(">I", self.buf[:4])[0]
        if n > 1 << 20:
            raise AssertionError(f"a message of {n} bytes")
        self._fill(4 + n, end)
        body, self.buf = self.buf[4:4 + n], self.buf[4 + n:]
        if n == 0:
            return None, b""
        self.seen.append(body[0])
        if body[0] == UNCHOKE:
            self.unchoked = True
        elif body[0] == CHOKE:
            self.unchoked = False
        return body[0], body[1:]

    def wait(self, *kinds, seconds=10):
        end = time.monotonic() + seconds
        while True:
            k, body = self.recv(max(0.01, end - time.monotonic()))
            if k in kinds:
                return k, body

    def leech(self, info_hash, seconds=15, **kw):
        """Handshake, interested, and wait to be unchoked."""
        self.greet(info_hash, **kw)
        self.send(msg(HAVE_NONE) if kw.get("fast", True) else b"")
        self.send(msg(INTERESTED))
        if not self.unchoked:
            self.wait(UNCHOKE, seconds=seconds)
        return self

    def fetch(self, piece, begin, length, seconds=15):
        self.send(msg(REQUEST, piece, begin, length))
        end = time.monotonic() + seconds
        while True:
            k, body = self.recv(max(0.01, end - time.monotonic()))
            if k == PIECE and struct.unpack(">II", body[:8]) == (piece, begin):
                return body[8:]
            if k == REJECT and struct.unpack(">III", body) == (piece, begin, length):
                return None

    def introduce(self, listen_port=0):
        """The extension handshake (BEP 10)."""
        self.send(msg(EXTENDED, body=b"\0" + bencode({"m": {}, "p": listen_port, "v": "test"})))

    def closed_within(self, seconds):
        """Does the other side close, whatever it says before that?"""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                if not self.sock.recv(262144):
                    return True
            except socket.timeout:
                return False
            except OSError:
                return True


# ---- a peer that listens ------------------------------------------------------------------

class FakeSeed:
    """Listens on an address of its own (bans go by address) and serves one torrent; `data` may
    differ from the truth. Methods are there to be overridden."""

    def __init__(self, torrent, data=None, host=None, port=0, fast=True, v2=False):
        host = host or other(0)
        self.t, self.host, self.fast, self.v2 = torrent, host, fast, v2
        if data is None:
            with open(torrent.path, "rb") as f:
                data = f.read()
        self.data = data
        self.sent = 0               # payload bytes
        self.bad = 0                # spoilt blocks sent
        self.accepted = 0
        self.requests = 0
        self.conns = []
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.addr = f"{host}:{self.port}"
        self.stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.stopped:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._run, args=(Conn(s),), daemon=True).start()

    def _run(self, c):
        with self.lock:
            self.conns.append(c)
        try:
            self.serve(c)
        except (Gone, TimeoutError, OSError, AssertionError):
            pass
        finally:
            c.close()
            with self.lock:
                if c in self.conns:
                    self.conns.remove(c)

    def serve(self, c):
        c.read_handshake(30)
        if c.their_hash not in (self.t.hash_v1, (self.t.hash_v2 or b"")[:20]):
            return
        c.send(handshake(c.their_hash, fast=self.fast, extended=False, v2=self.v2))
        self.open(c)
        while True:
            k, body = c.recv(300)
            self.on_message(c, k, body)

    def open(self, c):
        c.send(msg(HAVE_ALL) if self.fast else msg(BITFIELD, body=self.t.bitfield()))

    def on_message(self, c, k, body):
        if k == INTERESTED:
            self.on_interested(c)
        elif k == REQUEST:
            self.requests += 1
            self.on_request(c, *struct.unpack(">III", body))
        elif k == HASH_REQUEST:
            c.send(msg(HASH_REJECT, body=body))

    def on_interested(self, c):
        c.send(msg(UNCHOKE))

    def on_request(self, c, piece, begin, length):
        self.answer(c, piece, begin, self.block(piece, begin, length))

    def block(self, piece, begin, length):
        at = piece * self.t.piece_length + begin
        return self.data[at:at + length]

    def answer(self, c, piece, begin, block):
        c.send(msg(PIECE, piece, begin, body=block))
        self.sent += len(block)

    def connected(self):
        with self.lock:
            return len(self.conns)

    def stop(self):
        self.stopped = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for c in self.conns:
                try:
                    c.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class CorruptSeed(FakeSeed):
    """Spoils one block in `every` (the first it is asked for among them when first=True)."""

    def __init__(self, torrent, every, first=True, **kw):
        super().__init__(torrent, **kw)
        self.every, self.count = every, 0 if first else 1

    def on_request(self, c, piece, begin, length):
        block = self.block(piece, begin, length)
        with self.lock:
            spoil = self.count % self.every == 0
            self.count += 1
        if spoil:
            block = bytes([block[0] ^ 0xff]) + block[1:]
            self.bad += 1
        self.answer(c, piece, begin, block)


class SlowSeed(FakeSeed):
    """`rate` bytes a second over all its connections."""

    def __init__(self, torrent, rate, **kw):
        self.rate, self.free_at, self.pace = rate, 0.0, threading.Lock()
        super().__init__(torrent, **kw)
        # What waits in a socket was not taken by anyone.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 128 << 10)

    def answer(self, c, piece, begin, block):
        data = msg(PIECE, piece, begin, body=block)
        step = max(64, min(len(data), self.rate // 20))
        for i in range(0, len(data), step):
            part = data[i:i + step]
            with self.pace:
                now = time.monotonic()
                self.free_at = max(self.free_at, now - 0.02) + len(part) / self.rate
                wait = self.free_at - now
            if wait > 0:
                time.sleep(wait)
            if self.stopped:
                raise Gone
            c.send(part)
        self.sent += len(block)


class ChokingSeed(FakeSeed):
    def on_interested(self, c):
        c.send(msg(CHOKE))


class IgnoringSeed(FakeSeed):
    def on_request(self, c, piece, begin, length):
        pass


class RejectingSeed(FakeSeed):
    def on_request(self, c, piece, begin, length):
        c.send(msg(REJECT, piece, begin, length))


class StallingSeed(FakeSeed):
    """Serves `after` bytes, then half a block, then nothing more: as if every packet were lost."""

    def __init__(self, torrent, after, then=None, **kw):
        super().__init__(torrent, **kw)
        self.after, self.then = after, then
        self.stalled = threading.Event()

    def on_request(self, c, piece, begin, length):
        block = self.block(piece, begin, length)
        if self.stalled.is_set():
            return
        if self.sent + length <= self.after:
            self.answer(c, piece, begin, block)
            return
        self.stalled.set()
        c.send(msg(PIECE, piece, begin, body=block)[:13 + length // 2])
        if self.then:
            self.then(c)


# ---- a tracker that says what it is told --------------------------------------------------

class FakeTracker:
    """reply(params) -> bytes of the body; params is the raw query."""

    def __init__(self, reply, host=HOST):
        self.reply, self.queries = reply, []
        self.listener = socket.create_server((host, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.announce = f"http://{host}:{self.port}/announce"
        self.stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.stopped:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s:
            s.settimeout(20)
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    got = s.recv(65536)
                    if not got:
                        return
                    head += got
                query = head.split(b" ", 2)[1]
                self.queries.append(query)
                body = self.reply(query)
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                          b"Connection: close\r\n\r\n" % len(body) + body)
            except OSError:
                pass

    def stop(self):
        self.stopped = True
        self.listener.close()


def compact(peers):
    return b"".join(socket.inet_aton(h) + struct.pack(">H", p) for h, p in peers)


# ---- Ed25519 (RFC 8032) by the openssl program, and publishing by hand --------------------

class Signer:
    def __init__(self, seed=None):
        self.seed = seed or os.urandom(32)
        der = bytes.fromhex("302e020100300506032b657004220420") + self.seed
        fd, self.pem = tempfile.mkstemp(prefix="shoal-key-")
        with os.fdopen(fd, "wb") as f:
            f.write(b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n")
        out = subprocess.run(["openssl", "pkey", "-in", self.pem, "-pubout", "-outform", "DER"], check=True,
                             stdout=subprocess.PIPE).stdout
        self.key = out[-32:]

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.pem, "-in", f.name],
                                  check=True, stdout=subprocess.PIPE).stdout

    def close(self):
        os.unlink(self.pem)


def publish_body(signer, owner, name, torrent, sha256=None, when=None):
    """The body of POST /api/v1/entries for a torrent of one file; see docs/api.md, Signatures."""
    t = Torrent(torrent)
    when = when or int(time.time())
    signed = {"action": "publish", "bytes": t.length, "files": 1, "key": signer.key, "name": name,
              "owner": owner, "published at": when}
    if t.hash_v1:
        signed["hash v1"] = t.hash_v1
    if t.hash_v2:
        signed["hash v2"] = t.hash_v2
    if sha256:
        signed["sha256"] = bytes.fromhex(sha256)
    sig = signer.sign(b"shoal entry 1\n" + bencode(signed))
    body = {"owner": owner, "name": name, "key": signer.key.hex(), "signature": sig.hex(), "published_at": when,
            "torrent": base64.b64encode(torrent).decode()}
    if sha256:
        body["sha256"] = [sha256]
    return json.dumps(body).encode()
