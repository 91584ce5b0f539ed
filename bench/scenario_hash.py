"""Making a torrent of one big file that is in memory: every hash of it, by everyone."""

import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from functools import partial

from adapters.base import first_line
from adapters.libtorrent import PYTHON
from adapters.shoal import BIN, Shoal
from exchange import start_index
from figures import best, keep, median, rounds, table, wall
from watch import Failed, Watched, timed, wait
from workspace import MIB, mode_args

PIECE = "1M"
SHARE = "shoal share hybrid, with plain SHA-256"

# Like lt_hash.cpp, on one thread.
LT_CREATE = """
import json, os, sys, time, libtorrent as lt
fs = lt.file_storage(); lt.add_files(fs, os.path.join(sys.argv[1], sys.argv[2]))
flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[sys.argv[3]]
t = lt.create_torrent(fs, int(sys.argv[4]), flags=flags)
begun = time.monotonic()
lt.set_piece_hashes(t, sys.argv[1])
print(json.dumps({"wall": time.monotonic() - begun}))
"""


def _command(cmd, out, cpus=None):
    """A command that writes `out` anew; its own clock counts where it has one."""
    if os.path.exists(out):
        os.unlink(out)
    r = timed(cmd, cpus)
    own = json.loads(r["out"]) if r["out"].startswith(b'{"wall"') else {}
    return {"wall": own.get("wall", r["wall"]), "cpu": r["cpu"]}


def _is_listed(url, name):
    with urllib.request.urlopen(f"{url}/api/v1/entries", timeout=20) as reply:
        return name.encode() in reply.read()


def _share(run, url, tries):
    """`shoal share` until the index lists it: hashed and published."""
    name = f"data-{next(tries)}."
    cmd = Shoal.command(run, "share", run.data, "--index", url, "--port", str(run.ports.take()), "--piece-length",
                        PIECE, "--name", name, "--rehash")
    begun = time.monotonic()
    p = Watched(cmd, run.log("share"))
    try:
        wait(lambda: _is_listed(url, name) or p.poll() is not None, 120, "shoal shares", every=0.01)
        if p.poll() is not None:
            raise Failed(f"shoal share ended: {p.last_words()}")
        return {"wall": time.monotonic() - begun, "cpu": p.cpu()}
    finally:
        p.end()


def _build_lt_hash(run):
    """The program that hashes with libtorrent on several threads; None when it cannot be built here."""
    program = run.path("lt_hash")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lt_hash.cpp")
    build = 'c++ -O2 -o "$1" "$2" $(pkg-config --cflags --libs libtorrent-rasterbar)'
    p = subprocess.run(["sh", "-c", build, "sh", program, source], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
    return program if p.returncode == 0 else None


def _libtorrent_rows(run, out):
    """{mode: {row: what measures it}}"""
    rows = {}
    program = _build_lt_hash(run)
    cores = os.cpu_count()
    for mode in ("v1", "v2", "hybrid"):
        what = [run.seed_dir, run.data_name, mode, str(MIB)]
        if program:
            rows[mode] = {f"libtorrent {mode}, {n} threads": partial(_command, [program, *what, str(n)], out)
                          for n in (cores, 2 * cores)}
        elif "libtorrent" in run.clients:
            rows[mode] = {f"libtorrent {mode}, 1 thread": partial(_command, [PYTHON, "-c", LT_CREATE, *what], out)}
    if not program:
        print("libtorrent: hashes on one thread, for there is no C++ compiler or no libtorrent-rasterbar-dev")
    return rows


def _rows(run, out):
    rows = {f"openssl dgst -{d}, 1 core": partial(_command, ["openssl", "dgst", f"-{d}", run.data], out, "0")
            for d in ("sha256", "sha1")}
    for mode in ("v1", "v2", "hybrid"):
        cmd = [BIN, "create", run.data, "-o", out, "--piece-length", PIECE, *mode_args(mode)]
        rows[f"shoal create {mode}, 1 core"] = partial(_command, cmd, out, "0")
        rows[f"shoal create {mode}"] = partial(_command, cmd, out)
    if shutil.which("mktorrent"):
        rows["mktorrent v1"] = partial(_command, ["mktorrent", "-l", "20", "-a", "http://x/", "-o", out, run.data], out)
    return rows


def hashing(run):
    run.make_data()
    out = run.path("hash.torrent")
    rows, libtorrent = _rows(run, out), _libtorrent_rows(run, out)
    for of_mode in libtorrent.values():
        rows.update(of_mode)
    index, url = start_index(run)
    try:
        rows[SHARE] = partial(_share, run, url, itertools.count())
        measured = rounds(run.runs, rows)
    finally:
        index.end()
    table(f"hashing {run.size} MiB from memory, medians of {run.runs}; {first_line('openssl', 'version')}", measured,
          ("wall", "span", "cpu"))
    keep(run, "hash", measured)
    theirs = {}
    for mode in ("v1", "v2", "hybrid"):
        theirs[mode] = best(measured, libtorrent.get(mode, ()), wall)
        run.limits.ratio(f"hash {mode}: wall to libtorrent's best", wall(measured, f"shoal create {mode}"),
                         theirs[mode], 0.95)
    run.limits.ratio("hash hybrid and plain SHA-256, published: wall to libtorrent's hybrid", wall(measured, SHARE),
                     theirs["hybrid"], 1.35)
    cpu = [median(measured, n, "cpu") for n in ("shoal create hybrid", SHARE)]
    if None not in cpu:
        print(f"plain SHA-256 and publishing: {cpu[1] - cpu[0]:.2f} CPU s more than the torrent alone")
