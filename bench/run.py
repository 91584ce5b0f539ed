#!/usr/bin/python3
"""Side-by-side figures: shoal and the stock clients, in one run, on this machine.

  bench/run.py transfer [--size MiB] [--mode v1|hybrid|v2] [--runs N] [--clients a,b] [--dir DIR]
  bench/run.py hash [--size MiB] [--runs N]
  bench/run.py small-files [--runs N]
  bench/run.py all

The binary is $SHOAL_BIN. As root everything runs in a network namespace of its own, where all sides
use cubic; else with the machine's congestion control, which is printed. --json FILE keeps the figures."""

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from adapters.aria2 import Aria2  # noqa: E402
from adapters.base import Missing, first_line, fresh  # noqa: E402
from adapters.libtorrent import PYTHON, Libtorrent  # noqa: E402
from adapters.shoal import BIN, Shoal  # noqa: E402
from adapters.transmission import Transmission  # noqa: E402

ADAPTERS = {a.name: a for a in (Shoal(), Libtorrent(), Aria2(), Transmission())}
MIB = 1 << 20
LIBC = ctypes.CDLL(None)


# ---- a network of our own -----------------------------------------------------------------

def enter_own_net():
    """127.0.0.0/8 is nobody to Transmission, so clients meet on 10.77.0.1."""
    if "BENCH_HOST" in os.environ or os.geteuid() != 0:
        return
    route = "ip route replace local {0} dev lo table local proto kernel scope host src {1} congctl cubic"
    setup = " && ".join(["ip link set lo up", "ip addr add 10.77.0.1/32 dev lo", route.format("10.77.0.1", "10.77.0.1"),
                         route.format("127.0.0.0/8", "127.0.0.1"), route.format("127.0.0.1", "127.0.0.1")])
    if subprocess.run(["unshare", "-n", "sh", "-c", setup], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.environ["BENCH_HOST"] = "10.77.0.1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", setup + ' && exec "$@"', "sh", sys.executable, "-B", *sys.argv])


def congestion_control(host):
    with socket.create_server((host, 0)) as s, socket.create_connection(s.getsockname()) as c:
        return c.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\0").decode()  # TCP_CONGESTION


class Tracker:
    """Tells everyone of everyone, and knows who has announced with left=0."""

    def __init__(self, host):
        self.listener = socket.create_server((host, 0), backlog=64)
        self.host = host
        self.url = f"http://{host}:{self.listener.getsockname()[1]}/announce"
        self.peers, self.seeds = set(), set()
        threading.Thread(target=self._loop, daemon=True).start()

    def reset(self):
        self.peers, self.seeds = set(), set()

    def _loop(self):
        while True:
            s, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(s,), daemon=True).start()

    def _answer(self, s):
        with s:
            s.settimeout(10)
            head = b""
            try:
                while b"\r\n\r\n" not in head:
                    got = s.recv(65536)
                    if not got:
                        return
                    head += got
                q = urllib.parse.parse_qs(head.split(b" ")[1].split(b"?", 1)[1].decode("latin-1"), keep_blank_values=True, encoding="latin-1")
                port, left = int(q["port"][0]), q.get("left", ["0"])[0]
                if q.get("event") == ["stopped"]:
                    self.peers.discard(port)
                else:
                    self.peers.add(port)
                    if left == "0":
                        self.seeds.add(port)
                body = b"".join(socket.inet_aton(self.host) + p.to_bytes(2, "big") for p in self.peers if p != port)
                reply = b"d8:completei1e10:incompletei1e8:intervali600e12:min intervali600e5:peers%d:%se" % (len(body), body)
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(reply) + reply)
            except (OSError, KeyError, ValueError, IndexError):
                pass


# ---- processes that are watched -----------------------------------------------------------

class Watched:
    """A process, its CPU seconds (with those of its children) and its memory."""

    def __init__(self, cmd, log):
        self.log = open(log, "ab")
        self.p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
                                  preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))  # PR_SET_PDEATHSIG
        self.pid, self.usage, self.code = self.p.pid, None, None
        self.peak_rss = self.peak_anon = 0
        self.cpu_before = 0.0
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self):
        while self.usage is None:
            try:
                with open(f"/proc/{self.pid}/status") as f:
                    d = dict(line.split(":", 1) for line in f)
                self.peak_rss = max(self.peak_rss, int(d["VmHWM"].split()[0]) << 10)
                self.peak_anon = max(self.peak_anon, int(d["RssAnon"].split()[0]) << 10)
            except (OSError, KeyError, ValueError):
                pass
            time.sleep(0.01)

    def poll(self):
        if self.usage is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.usage, self.code = usage, os.waitstatus_to_exitcode(status)
                self.p.returncode = self.code
        return self.code

    def mark(self):
        """CPU used from here on counts."""
        with open(f"/proc/{self.pid}/stat") as f:
            a = f.read().rsplit(")", 1)[1].split()
        self.cpu_before = (int(a[11]) + int(a[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGINT)
            until = time.monotonic() + 10
            while self.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            if self.poll() is None:
                os.kill(self.pid, signal.SIGKILL)
                while self.poll() is None:
                    time.sleep(0.01)
        self.log.close()

    def cpu(self):
        return self.usage.ru_utime + self.usage.ru_stime - self.cpu_before


# ---- the scenarios ------------------------------------------------------------------------

class Run:
    def __init__(self, args):
        self.args = args
        self.host = os.environ.get("BENCH_HOST", "127.0.0.1")
        room = 3 * args.size * MIB + (1 << 30)
        base = args.dir or ("/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > room else None)
        self.work = tempfile.mkdtemp(prefix="shoal-bench-", dir=base)
        self.data_name = "data.bin"
        self.seed_dir = os.path.join(self.work, "seed")
        os.makedirs(self.seed_dir)
        self.data = os.path.join(self.seed_dir, self.data_name)
        self.tracker = Tracker(self.host)
        self.results = {"machine": machine(), "congestion control": congestion_control(self.host), "folder": self.work, "scenarios": {}}

    def make_data(self):
        if os.path.exists(self.data):
            return
        r = random.Random(1)
        block = r.randbytes(8 * MIB)
        with open(self.data, "wb") as f:
            left = self.args.size * MIB
            while left:
                n = min(left, len(block))
                f.write(r.randbytes(64) + block[64:n])
                left -= n

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def free_port():
    with socket.socket() as s:
        s.bind(("", 0))
        return s.getsockname()[1]


def wait(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.002)


def med(values):
    return statistics.median(values)


def one_transfer(run, a, torrent):
    run.tracker.reset()
    into = fresh(run, "get")
    log = os.path.join(run.work, f"{a.name}.log")
    port = free_port()
    seed = Watched(a.seed(run, torrent, run.seed_dir, port), log)
    try:
        wait(lambda: port in run.tracker.seeds or seed.poll() is not None, 120, f"{a.name} seeds")
        if seed.poll() is not None:
            raise SystemExit(f"{a.name}: the seed ended: {open(log, errors='replace').read()[-2000:]}")
        time.sleep(0.3)
        seed.mark()
        begun = time.monotonic()
        getter = Watched(a.get(run, torrent, into, free_port()), log)
        try:
            wait(lambda: a.is_done(getter, run), 600, f"{a.name} gets")
            wall = time.monotonic() - begun
        finally:
            getter.end()
    finally:
        seed.end()
    got = os.path.join(into, run.data_name)
    if not os.path.exists(got) or os.path.getsize(got) != os.path.getsize(run.data):
        raise SystemExit(f"{a.name}: incomplete: {open(log, errors='replace').read()[-2000:]}")
    if subprocess.run(["cmp", "-s", got, run.data], check=False).returncode:
        raise SystemExit(f"{a.name}: wrong bytes")
    shutil.rmtree(into)
    return {"wall": wall, "cpu seed": seed.cpu(), "cpu get": getter.cpu(), "rss seed": seed.peak_rss, "rss get": getter.peak_rss,
            "anon seed": seed.peak_anon, "anon get": getter.peak_anon}


def transfer(run):
    args = run.args
    run.make_data()
    torrents = {}

    def torrent(mode):
        if mode not in torrents:
            torrents[mode] = os.path.join(run.work, f"{mode}.torrent")
            subprocess.run([BIN, "create", run.data, "-o", torrents[mode], "--tracker", run.tracker.url, *mode_args(mode)], check=True,
                           stdout=subprocess.DEVNULL)
        return torrents[mode]
    chosen = []
    for name in args.clients.split(","):
        a = ADAPTERS[name]
        try:
            a.text = a.version()
        except Missing as e:
            print(f"{name}: skipped, {e}")
            continue
        if name == "transmission" and run.host.startswith("127."):
            print(f"{name}: skipped, it dials no address in 127.0.0.0/8 and a network of our own needs root")
            continue
        a.mode = args.mode if args.mode in a.modes else a.modes[0]
        chosen.append(a)
        print(f"{name}: {a.text}; {a.mode} torrent; {a.settings}")
    figures = {a.name: [] for a in chosen}
    for i in range(args.runs + 1):  # the first is not counted
        for a in chosen[i % len(chosen):] + chosen[:i % len(chosen)]:
            r = one_transfer(run, a, torrent(a.mode))
            if i:
                figures[a.name].append(r)
    print(f"\none seed to one getter, {args.size} MiB, {run.results['congestion control']}, medians of {args.runs} in {run.work}")
    print(f"{'':13} {'wall s':>8} {'(min-max)':>13} {'MiB/s':>7} {'CPU seed':>9} {'CPU get':>8} {'anon seed':>10} {'anon get':>9} {'RSS seed':>9} {'RSS get':>8}")
    out = {}
    for a in chosen:
        m = {k: med([r[k] for r in figures[a.name]]) for k in figures[a.name][0]}
        walls = [r["wall"] for r in figures[a.name]]
        out[a.name] = {"version": a.text, "mode": a.mode, "settings": a.settings, "median": m, "runs": figures[a.name]}
        span = f"({min(walls):.2f}-{max(walls):.2f})"
        print(f"{a.name:13} {m['wall']:8.2f} {span:>13} {args.size / m['wall']:7.0f} {m['cpu seed']:9.2f} {m['cpu get']:8.2f} "
              f"{m['anon seed'] / MIB:9.1f}M {m['anon get'] / MIB:8.1f}M {m['rss seed'] / MIB:8.1f}M {m['rss get'] / MIB:7.1f}M")
    ours = out.get("shoal", {}).get("median")
    if ours:
        for name, o in out.items():
            if name != "shoal":
                t = o["median"]
                print(f"shoal : {name}  wall {ours['wall'] / t['wall']:.2f}  CPU "
                      f"{(ours['cpu seed'] + ours['cpu get']) / (t['cpu seed'] + t['cpu get']):.2f}")
    run.results["scenarios"][f"transfer {args.size} MiB {args.mode}"] = out


def mode_args(mode):
    return [] if mode == "hybrid" else [f"--{mode}-only"]


LT_HASH = """
import sys, os, libtorrent as lt
fs = lt.file_storage(); lt.add_files(fs, sys.argv[1])
t = lt.create_torrent(fs, int(sys.argv[3]), flags={"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[sys.argv[2]])
lt.set_piece_hashes(t, os.path.dirname(sys.argv[1]))
"""


def timed(cmd, cpus=None):
    """(wall, CPU seconds) of a command that must succeed."""
    if cpus is not None:
        cmd = ["taskset", "-c", cpus, *cmd]
    begun = time.monotonic()
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    wall = time.monotonic() - begun
    p.returncode = os.waitstatus_to_exitcode(status)
    p.stderr.close()
    if p.returncode != 0:
        raise SystemExit(f"{' '.join(cmd)}: exit {p.returncode}: {err[-500:]!r}")
    return wall, usage.ru_utime + usage.ru_stime


def hashing(run):
    args = run.args
    run.make_data()
    out_torrent = os.path.join(run.work, "hash.torrent")
    one, two = "0", "0,1"
    piece = "1M"
    rows = {"openssl dgst -sha256, 1 core": (["openssl", "dgst", "-sha256", run.data], one),
            "openssl dgst -sha1, 1 core": (["openssl", "dgst", "-sha1", run.data], one)}
    for mode in ("v2", "hybrid", "v1"):
        cmd = [BIN, "create", run.data, "-o", out_torrent, "--piece-length", piece, *mode_args(mode)]
        rows[f"shoal create {mode}, 1 core"] = (cmd, one)
        if os.cpu_count() > 1:
            rows[f"shoal create {mode}, 2 cores"] = (cmd, two)
    try:
        ADAPTERS["libtorrent"].version()
        for mode in ("v2", "hybrid", "v1"):
            rows[f"libtorrent set_piece_hashes {mode}"] = ([PYTHON, "-c", LT_HASH, run.data, mode, str(MIB)], None)
    except Missing as e:
        print(f"libtorrent: skipped, {e}")
    if shutil.which("mktorrent"):
        rows["mktorrent (v1)"] = (["mktorrent", "-l", "20", "-a", "http://x/", "-o", out_torrent, run.data], None)
    figures = {k: [] for k in rows}
    for i in range(args.runs + 1):
        keys = list(rows)
        for k in keys[i % len(keys):] + keys[:i % len(keys)]:
            if os.path.exists(out_torrent):
                os.unlink(out_torrent)
            r = timed(*rows[k])
            if i:
                figures[k].append(r)
    print(f"\nhashing {args.size} MiB from memory, medians of {args.runs}; {first_line('openssl', 'version')}")
    print(f"{'':38} {'wall s':>8} {'CPU s':>8} {'MiB/s':>8} {'of openssl sha256':>18}")
    base = med([r[0] for r in figures["openssl dgst -sha256, 1 core"]])
    out = {}
    for k, v in figures.items():
        wall, cpu = med([r[0] for r in v]), med([r[1] for r in v])
        out[k] = {"wall": wall, "cpu": cpu}
        print(f"{k:38} {wall:8.2f} {cpu:8.2f} {args.size / wall:8.0f} {base / wall:18.2f}")
    run.results["scenarios"][f"hash {args.size} MiB"] = out


def small_files(run):
    tree = os.path.join(run.work, "tree")
    r = random.Random(2)
    for i in range(5000):
        d = os.path.join(tree, f"d{i % 50}", f"e{i % 7}")
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, f"f{i}"), "wb") as f:
            f.write(r.randbytes(10240))
    torrent = os.path.join(run.work, "tree.torrent")
    subprocess.run([BIN, "create", tree, "-o", torrent, "--tracker", run.tracker.url], check=True, stdout=subprocess.DEVNULL)
    run.data_name = "tree"
    shoal = ADAPTERS["shoal"]
    copy = ["sh", "-c", 'cp -r "$1" "$2" && find "$2" -type f -exec sha256sum {} + > /dev/null', "sh", tree, os.path.join(run.work, "copy")]
    figures = {"cp -r and sha256sum": [], "shoal get": []}
    log = os.path.join(run.work, "small.log")
    for i in range(run.args.runs + 1):
        shutil.rmtree(os.path.join(run.work, "copy"), ignore_errors=True)
        c = timed(copy)
        run.tracker.reset()
        port = free_port()
        into = fresh(run, "get")
        seed = Watched(shoal.seed(run, torrent, run.work, port), log)
        wait(lambda: port in run.tracker.seeds, 60, "shoal seeds")
        begun = time.monotonic()
        getter = Watched(shoal.get(run, torrent, into, free_port()), log)
        wait(lambda: getter.poll() is not None, 120, "shoal gets")
        g = time.monotonic() - begun, getter.cpu()
        seed.end()
        if getter.code != 0 or subprocess.run(["diff", "-r", tree, os.path.join(into, "tree")], check=False).returncode:
            raise SystemExit(f"shoal: wrong: {open(log, errors='replace').read()[-2000:]}")
        if i:
            figures["cp -r and sha256sum"].append(c)
            figures["shoal get"].append(g)
    print(f"\n5,000 files of 10 KiB, medians of {run.args.runs} in {run.work}")
    out = {k: {"wall": med([x[0] for x in v]), "cpu": med([x[1] for x in v])} for k, v in figures.items()}
    for k, v in out.items():
        print(f"{k:22} wall {v['wall']:6.3f} s  CPU {v['cpu']:6.3f} s")
    print(f"ratio of wall {out['shoal get']['wall'] / out['cp -r and sha256sum']['wall']:.2f}")
    run.results["scenarios"]["small files"] = out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenario", choices=["transfer", "hash", "small-files", "all"])
    p.add_argument("--size", type=int, default=2048, help="MiB")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--mode", choices=["v1", "hybrid", "v2"], default="v1")
    p.add_argument("--clients", default="shoal,libtorrent,aria2,transmission")
    p.add_argument("--dir", help="where the data lies; /dev/shm if there is room")
    p.add_argument("--json", help="write the figures to this file")
    args = p.parse_args()
    enter_own_net()
    if shutil.which(BIN) is None:
        raise SystemExit(f"no shoal at {BIN}: set SHOAL_BIN")
    run = Run(args)
    try:
        print(f"{run.results['machine']}; congestion control {run.results['congestion control']}")
        for name, scenario in (("transfer", transfer), ("hash", hashing), ("small-files", small_files)):
            if args.scenario in (name, "all"):
                scenario(run)
        if args.json:
            with open(args.json, "w") as f:
                json.dump(run.results, f, indent=1)
    finally:
        run.close()


if __name__ == "__main__":
    main()
