#!/usr/bin/python3
"""Announces: what one costs shoal's index, opentracker, and a server that only echoes.

  bench/announce.py [--runs N] [--seconds S] [--peers N] [--rate N] [--only WORD,...]

Needs root (a network namespace of its own, in which 10/8 are addresses of this machine, and the highest priority
for both sides). The binary is $SHOAL_BIN, the load generator $ANNOUNCE_LOAD, or bench/announce_load of the same
build. Each round starts each server anew, fills it with all peers over UDP, and announces peers by chance; the first
round is not counted. Figures are medians. With --rate the load is so many announces a second, and the delay of
answers is shown."""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("SHOAL_BIN", os.path.join(HERE, "..", "build", "src", "cli", "shoal"))
LOAD = os.environ.get("ANNOUNCE_LOAD") or os.path.join(os.path.dirname(os.path.abspath(BIN)), "..", "..", "bench", "announce_load")
HOST, PORT, FROM = "10.0.0.1", "7301", "10.1.0.1"
TORRENTS = 10000
SETUP = f"ip link set lo up && ip addr add {HOST}/32 dev lo && ip route add local 10.0.0.0/8 dev lo"
URGENT = ["nice", "-n", "-20"]


def enter_own_net():
    if os.environ.get("ANNOUNCE_NET"):
        return
    if os.geteuid() != 0:
        sys.exit("announce.py: needs root, for a network namespace of its own")
    os.environ["ANNOUNCE_NET"] = "1"
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", SETUP + ' && exec "$@"', "sh", sys.executable, "-B", *sys.argv])


def shoal(work, *more):
    return [BIN, "index", "--listen", f"{HOST}:{PORT}", "--data", os.path.join(work, "data"), "-q", *more]


def opentracker(work):
    """Debian's takes the info-hashes of a list alone, which it wants beneath its root."""
    hashes = subprocess.run([LOAD, "--hashes", str(TORRENTS)], stdout=subprocess.PIPE, check=True).stdout
    os.chmod(work, 0o755)
    with open(os.path.join(work, "list"), "wb") as f:
        f.write(hashes)
    return ["opentracker", "-i", HOST, "-p", PORT, "-P", PORT, "-u", "nobody", "-d", work, "-w", "list"]


def echo(_):
    return [LOAD, "--echo", "--to", f"{HOST}:{PORT}"]


ROWS = {
    "udp echo": (echo, []),
    "udp shoal": (lambda w: shoal(w, "--udp-threads", "1"), []),
    "udp shoal, 2 threads": (lambda w: shoal(w, "--udp-threads", "2"), []),
    "udp opentracker": (opentracker, []),
    "http shoal": (shoal, ["--http"]),
    "http opentracker": (opentracker, ["--http"]),
    "keep-alive shoal": (shoal, ["--keep-alive"]),
    "keep-alive opentracker": (opentracker, ["--keep-alive"]),
}


def load(pid, o, *more):
    args = [LOAD, "--to", f"{HOST}:{PORT}", "--from", FROM, "--peers", str(o.peers), "--torrents", str(TORRENTS),
            "--seconds", str(o.seconds), "--pid", str(pid), *more]
    p = subprocess.run(URGENT + args, stdout=subprocess.PIPE, text=True, check=True)
    return p.stdout.strip().split("\n")[-1]


def number(line, pattern):
    found = re.search(r"([0-9.]+) " + pattern, line)
    return float(found.group(1)) if found else 0.0


def once(row, o):
    make, args = ROWS[row]
    with tempfile.TemporaryDirectory() as work:
        with subprocess.Popen(URGENT + make(work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                time.sleep(0.7)
                if make is not echo:
                    load(server.pid, argparse.Namespace(peers=o.peers, seconds=0.1))
                rate = ["--rate", str(o.rate)] if o.rate else []
                line = load(server.pid, o, "--no-fill", *args, *rate)
                with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
                    rss = next(int(x.split()[1]) / 1024 for x in f if x.startswith("VmHWM"))
            finally:
                server.send_signal(signal.SIGKILL)
    return {"answered/s": number(line, "answered/s"), "per CPU s": number(line, "answered per CPU s"),
            "bytes": number(line, "bytes"), "peak MiB": rss,
            "p50 ms": float(re.search(r"p50 ([0-9.]+)", line).group(1)),
            "p99 ms": float(re.search(r"p99 ([0-9.]+)", line).group(1))}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--peers", type=int, default=1000000)
    p.add_argument("--rate", type=int, default=0)
    p.add_argument("--only", default="")
    o = p.parse_args()
    enter_own_net()
    rows = [r for r in ROWS if not o.only or any(w in r for w in o.only.split(","))]
    if not shutil.which("opentracker"):
        rows = [r for r in rows if "opentracker" not in r]
    got = {r: [] for r in rows}
    for n in range(o.runs + 1):
        for row in rows[n % len(rows):] + rows[:n % len(rows)]:
            figures = once(row, o)
            if n > 0:
                got[row].append(figures)
    print(f"{o.peers} peers in {TORRENTS} torrents, {o.runs} rounds of {o.seconds:g} s")
    for row, list_ in got.items():
        cells = [f"{key} {statistics.median(f[key] for f in list_):.{3 if 'ms' in key else 0}f}" for key in list_[0]]
        print(f"{row:24}" + "   ".join(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
