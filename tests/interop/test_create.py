#!/usr/bin/python3
"""`shoal create` makes the torrents that others make: equal info-hashes for the same input."""

import os
import sys

import clients

h = clients.h
import wire  # noqa: E402
from harness import KIB, MIB, check, check_eq, test  # noqa: E402

BLOCK = 16384
SIZES = [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK, 65535, 65536, 65537, 4 * BLOCK + 5,
         7 * 65536, 7 * 65536 + 1, 10 * 65536 - 1, 1_000_003]
TREES = {
    "two files": {"a": 10, "b": 20},
    "around blocks": {"a": BLOCK, "b": BLOCK - 1, "c": BLOCK + 1},
    "around pieces": {"a": 65536, "b": 65535, "c": 65537, "d": 3 * 65536},
    "nested": {"x/y/z": 100_000, "x/a": 1, "b": 70_000, "x/y.txt": 5},
    "empty files": {"a": 0, "b": 1, "c": 0, "d/e": 65536, "d/f": 0},
    "one file in a folder": {"only": 200_000},
    "order": {"B": 1, "a": 2, "A": 3, "b": 4, "a.b": 5, "a b": 6},
    "utf-8": {"ü": 10, "日本/語": 70_000, "z": 1},
    "folder beside file": {"foo/x": 5, "foo.txt": 6, "foo-bar": 7},
}
LT = r'''
import sys, libtorrent as lt, os
path, piece, mode, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
fs = lt.file_storage()
if len(sys.argv) > 5:  # v1 torrents keep the order they are given
    for rel in sys.argv[5:]:
        fs.add_file(os.path.join(os.path.basename(path), rel), os.path.getsize(os.path.join(path, rel)))
else:
    lt.add_files(fs, path)
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[mode]
t = lt.create_torrent(fs, piece, flags=flags)
lt.set_piece_hashes(t, os.path.dirname(path))
open(out, "wb").write(lt.bencode(t.generate()))
'''


def shoal(w, a, path, mode, piece="64K"):
    out = w.path("shoal.torrent")
    if os.path.exists(out):
        os.unlink(out)
    a.run("create", path, "-o", out, "--piece-length", piece, *([] if mode == "hybrid" else [f"--{mode}-only"])).expect(h.OK)
    return Hashes(open(out, "rb").read())


class Hashes:
    def __init__(self, raw):
        import hashlib
        top = wire.bdecode(raw)
        at = raw.index(b"4:info") + 6
        _, end = wire.bdecode_at(raw, at)
        self.top, self.info = top, top[b"info"]
        self.hash_v1 = hashlib.sha1(raw[at:end]).digest() if b"pieces" in self.info else None
        self.hash_v2 = hashlib.sha256(raw[at:end]).digest() if b"meta version" in self.info else None


def libtorrent(w, path, mode, piece=65536, order=()):
    out = w.path("lt.torrent")
    done = w.start(clients.PYTHON, "-c", LT, path, str(piece), mode, out, *order, name="lt").wait(60)
    if "No module named" in done.err:
        raise h.Skip("python3-libtorrent is not installed")
    done.expect(0)
    return Hashes(open(out, "rb").read())


def shown(info):
    return {k: (v if len(repr(v)) < 300 else f"{len(v)} long") for k, v in info.items()}


def same(w, a, path, mode, piece=65536):
    ours, order = shoal(w, a, path, mode, f"{piece // 1024}K"), ()
    if mode == "v1" and b"files" in ours.info:
        order = [b"/".join(f[b"path"]).decode() for f in ours.info[b"files"]]
    theirs = libtorrent(w, path, mode, piece, order)
    if mode != "v2":
        check(ours.hash_v1 == theirs.hash_v1, f"{path} {mode}: v1 info-hash", shown(ours.info), shown(theirs.info))
    if mode != "v1":
        check(ours.hash_v2 == theirs.hash_v2, f"{path} {mode}: v2 info-hash", shown(ours.info), shown(theirs.info))


for mode in ("v1", "v2", "hybrid"):
    def _(w, mode=mode):
        a = w.peer("a")
        for i, size in enumerate(SIZES):
            same(w, a, h.make_file(a.path(f"s{i}", f"size {size}"), size, seed=size), mode)
    test(f"single files of {len(SIZES)} sizes: {mode} info-hashes are libtorrent's", seconds=120)(_)

    def _(w, mode=mode):
        a = w.peer("a")
        for name, files in TREES.items():
            same(w, a, h.make_tree(a.path("trees", name), files), mode)
    test(f"folders of {len(TREES)} kinds: {mode} info-hashes are libtorrent's", seconds=120)(_)


@test("other piece lengths agree with libtorrent as well", seconds=90)
def _(w):
    a = w.peer("a")
    src = h.make_file(a.path("f"), 3 * MIB + 17)
    tree = h.make_tree(a.path("t"), {"a": MIB + 1, "b": MIB - 1, "c/d": 5})
    for piece in (16 * KIB, 32 * KIB, 256 * KIB, MIB, 4 * MIB):
        for path in (src, tree):
            for mode in ("v1", "v2", "hybrid"):
                same(w, a, path, mode, piece)


@test("piece layers in the .torrent are libtorrent's")
def _(w):
    a = w.peer("a")
    src = h.make_tree(a.path("t"), {"a": 5 * 65536 + 1, "b": 65536, "c": 65537})
    ours, theirs = shoal(w, a, src, "hybrid"), libtorrent(w, src, "hybrid")
    check_eq(ours.top[b"piece layers"], theirs.top[b"piece layers"], "piece layers")


def v1_of_others(w, a, make):
    for i, size in enumerate(SIZES):
        path = h.make_file(a.path(f"s{i}", f"size {size}"), size, seed=size)
        out = w.path(f"other{i}.torrent")
        make(path, out)
        check_eq(shoal(w, a, path, "v1").hash_v1.hex(), Hashes(open(out, "rb").read()).hash_v1.hex(), f"size {size}")
    for name in ("two files", "around pieces", "nested"):
        path = h.make_tree(a.path("trees", name), TREES[name])
        out = w.path(f"{name}.torrent")
        make(path, out)
        ours, theirs = shoal(w, a, path, "v1"), Hashes(open(out, "rb").read())
        same_order = [f[b"path"] for f in ours.info[b"files"]] == [f[b"path"] for f in theirs.info[b"files"]]
        check(not same_order or ours.hash_v1 == theirs.hash_v1, f"{name}: info-hash", shown(ours.info), shown(theirs.info))
        check({tuple(f[b"path"]) for f in ours.info[b"files"]} == {tuple(f[b"path"]) for f in theirs.info[b"files"]}, "files")


@test("v1 info-hashes are mktorrent's", seconds=90)
def _(w):
    mk = h.need("mktorrent")
    a = w.peer("a")
    v1_of_others(w, a, lambda path, out: w.start(mk, "-d", "-l", "16", "-a", "http://x/", "-o", out, path, name="mk").wait(30).expect(0))


@test("v1 info-hashes are transmission-create's", seconds=90)
def _(w):
    tc = h.need("transmission-create")
    a = w.peer("a")

    def make(path, out):
        w.start(tc, "-s", "64", "-o", out, path, name="tc").wait(30).expect(0)
        # It says "private: 0" in the info dictionary; without it the rest must be the same.
        top = wire.bdecode(open(out, "rb").read())
        top[b"info"].pop(b"private", None)
        with open(out, "wb") as f:
            f.write(wire.bencode(top))
    v1_of_others(w, a, make)


@test("others take our torrents apart: libtorrent loads each kind and verifies the data", seconds=90)
def _(w):
    a = w.peer("a")
    src = h.make_tree(a.path("t"), TREES["nested"])
    code = ("import sys, libtorrent as lt, time\n"
            "ti = lt.torrent_info(sys.argv[1]); s = lt.session({'enable_dht': False, 'enable_lsd': False, 'listen_interfaces': '127.0.0.1:0'})\n"
            "t = s.add_torrent({'ti': ti, 'save_path': sys.argv[2]})\n"
            "end = time.time() + 20\n"
            "while time.time() < end and not t.status().is_seeding: time.sleep(0.05)\n"
            "print(t.status().is_seeding, ti.num_pieces())\n")
    for mode in ("v1", "v2", "hybrid"):
        shoal(w, a, src, mode)
        done = w.start(clients.PYTHON, "-c", code, w.path("shoal.torrent"), a.dir, name="check").wait(40)
        if "No module named" in done.err:
            raise h.Skip("python3-libtorrent is not installed")
        check(done.out.startswith("True"), f"libtorrent verifies our {mode} torrent", done.out, done.err[-500:])


if __name__ == "__main__":
    raise SystemExit(h.main())
