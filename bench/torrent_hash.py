"""The v1 info-hash of a .torrent file."""

import hashlib


def _end(data, at):
    """Where the bencoded value that starts at `at` ends."""
    c = data[at:at + 1]
    if c == b"i":
        return data.index(b"e", at) + 1
    if c in (b"l", b"d"):
        at += 1
        while data[at:at + 1] != b"e":
            at = _end(data, at)
        return at + 1
    colon = data.index(b":", at)
    return colon + 1 + int(data[at:colon])


def info_hash(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 1
    while data[at:at + 1] != b"e":
        key_end = _end(data, at)
        value_end = _end(data, key_end)
        if data[at:key_end] == b"4:info":
            return hashlib.sha1(data[key_end:value_end]).digest()
        at = value_end
    raise ValueError(f"{path}: no info dictionary")
