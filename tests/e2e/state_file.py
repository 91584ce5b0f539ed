"""What the state file of an unfinished download vouches for, and whether it is true."""

import hashlib
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
