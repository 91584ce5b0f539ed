"""What the state file of an unfinished download vouches for, and whether it is true."""

import errno
import hashlib
import os
import signal
import struct

import harness as h
from harness import check, check_eq


def recorded(state_path):
    """Pieces that the state file vouches for; None when it is not whole. See src/store/resume.h."""
    with open(state_path, "rb") as f:
        raw = f.read()
    if len(raw) < 84 or hashlib.sha256(raw[:-32]).digest() != raw[-32:]:
        return None
    check_eq(raw[:8], b"SHOALRES", "heading of the state file")
    n, = struct.unpack(">I", raw[48:52])
    bits = raw[52:52 + (n + 7) // 8]
    return {i for i in range(n) if bits[i >> 3] & (0x80 >> (i & 7))}


def check_recorded(peer, t, source):
    """No false "have": each recorded piece lies on disk as it should. Returns how many there are."""
    for data, state in h.part_of(peer.dir):
        if state is None:
            return 0
        pieces = recorded(state)
        check(pieces is not None, "the state file is whole after kill -9")
        with open(data, "rb") as f:
            for p in pieces:
                f.seek(p * t.piece_length)
                got = f.read(t.piece_size(p))
                at = p * t.piece_length
                check(got == source[at:at + len(got)] and len(got) == t.piece_size(p), f"piece {p} is recorded but not there")
        return len(pieces)
    return 0


def unsure(data, t, recorded_pieces):
    """Pieces of the one file that have data on disk, but are not recorded."""
    out, at = set(), 0
    with open(data, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        while at < size:
            try:
                begin = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError as e:
                if e.errno == errno.ENXIO:
                    break
                raise
            at = os.lseek(f.fileno(), begin, os.SEEK_HOLE)
            out.update(range(begin // t.piece_length, (at - 1) // t.piece_length + 1))
    return out - recorded_pieces


def check_rechecked(peer, t, torrent):
    """A start after an unclean end hashes the pieces that are unsure, and no others. Returns how many of each: recorded, unsure; None
    when there is nothing on disk yet."""
    parts = h.part_of(peer.dir)
    if not parts:
        return None
    data, state = parts[0]
    have = (recorded(state) or set()) if state is not None else set()
    dirty = unsure(data, t, have)
    d = peer.daemon("--no-dht", "--no-lsd")
    peer.run("get", torrent, "-d").expect(h.OK)
    job = h.wait_for(lambda: next((j for j in peer.transfers() if j["state"] not in ("queued", "checking")), None), 20 * h.SLOW,
                     "it is checked")
    check_eq(job["to_check_bytes"], len(dirty) * t.piece_length, f"bytes that were hashed, {len(have)} pieces being recorded")
    peer.run("remove", str(job["id"])).expect(h.OK)
    d.stop(signal.SIGTERM).expect(h.OK)
    return len(have), len(dirty)
