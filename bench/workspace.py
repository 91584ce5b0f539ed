"""What the scenarios share: the folder, the data, the torrents, the tracker, the clients."""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile

import own_net
from adapters.aria2 import Aria2
from adapters.base import Missing
from adapters.libtorrent import Libtorrent
from adapters.rtorrent import Rtorrent
from adapters.shoal import BIN, Shoal
from adapters.transmission import Transmission
from limits import Limits
from tracker import Tracker
from watch import Failed

ADAPTERS = {a.name: a for a in (Shoal(), Libtorrent(), Aria2(), Transmission(), Rtorrent())}
MIB = 1 << 20
SOME_MIB = b"w" * MIB


class Run:
    def __init__(self, args):
        self.args, self.size, self.runs = args, args.size, args.runs
        self.host = own_net.host()
        self.work = tempfile.mkdtemp(prefix="shoal-bench-", dir=args.dir or self._memory())
        self.ports, self.tracker, self.limits = own_net.Ports(), Tracker(self.host), Limits()
        self.data_name, self.seed_dir = "data.bin", self.path("seed")
        self.clients, self.versions, self._torrents = {}, {}, {}
        self.results = {"machine": machine(), "congestion control": own_net.congestion_control(),
                        "folder": self.work, "size MiB": self.size, "runs": self.runs, "scenarios": {}}
        for name in args.clients.split(","):
            self._find(ADAPTERS[name])

    def _memory(self):
        """/dev/shm when the data of every scenario has room there: one origin and four copies."""
        room = 5 * self.size * MIB + (1 << 30)
        return "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > room else None

    def _find(self, a):
        try:
            self.versions[a.name] = {"version": a.version(), "settings": a.settings}
        except Missing as e:
            print(f"{a.name}: skipped, {e}")
            return
        if a.name == "transmission" and self.host.startswith("127."):
            print(f"{a.name}: skipped, it dials no address in 127.0.0.0/8 and a network of our own needs root")
            return
        self.clients[a.name] = a
        print(f"{a.name}: {self.versions[a.name]['version']}; {a.settings}")

    @property
    def data(self):
        return os.path.join(self.seed_dir, self.data_name)

    def able(self, mode, several=False, any_size=False):
        """The clients that take this kind of torrent at this size, ours first; `several`: from one address."""
        return [a for a in self.clients.values() if mode in a.modes and (a.many_per_address or not several) and
                (any_size or a.size_max is None or a.size_max >= self.size)]

    @contextlib.contextmanager
    def smaller(self, mib):
        """While it lasts, the data is of this size at most."""
        before = self.size, self.seed_dir
        if mib is not None and mib < self.size:
            self.size, self.seed_dir = mib, self.path(f"seed-of-{mib}")
        self.make_data()
        try:
            yield
        finally:
            self.size, self.seed_dir = before

    @contextlib.contextmanager
    def at(self, host):
        """While it lasts, jobs are made for this address, and the tracker says that all are there."""
        before = self.host
        self.host = self.tracker.host = host
        try:
            yield
        finally:
            self.host = self.tracker.host = before

    def path(self, *names):
        return os.path.join(self.work, *names)

    def fresh(self, name):
        """An empty folder of that name."""
        path = self.path(name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def warm_memory(self, copies=1):
        """Touch what so many copies of the data will take. A hypervisor takes back memory that is free, and whoever
        touches that again pays more for it than for all that is measured: by chance, or always the same one."""
        path = self.path("warm")
        with open(path, "wb") as f:
            for _ in range(copies * self.size + 128):
                f.write(SOME_MIB)
        os.unlink(path)

    def log(self, name):
        return self.path(name + ".log")

    def make_data(self):
        """Bytes that repeat only every 8 MiB, and not quite."""
        if os.path.exists(self.data):
            return
        os.makedirs(self.seed_dir, exist_ok=True)
        r = random.Random(1)
        block = r.randbytes(8 * MIB)
        with open(self.data, "wb") as f:
            left = self.size * MIB
            while left:
                n = min(left, len(block))
                f.write(r.randbytes(64) + block[64:n])
                left -= n

    def torrent(self, mode, data=None):
        """The .torrent of `data`, by default of the one big file; made once."""
        key = (mode, data or self.data)
        if key not in self._torrents:
            self._torrents[key] = self.path(f"{len(self._torrents)}-{mode}.torrent")
            subprocess.run([BIN, "create", key[1], "-o", self._torrents[key], "--tracker", self.tracker.url,
                            *mode_args(mode)], check=True, stdout=subprocess.DEVNULL)
        return self._torrents[key]

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)


def mode_args(mode):
    return [] if mode == "hybrid" else [f"--{mode}-only"]


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "?")
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def check_copy(run, folder, who):
    """The copy in `folder` is complete and right."""
    got, true = os.path.join(folder, run.data_name), os.path.join(run.seed_dir, run.data_name)
    compare = ["diff", "-rq", got, true] if os.path.isdir(true) else ["cmp", got, true]
    p = subprocess.run(compare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if p.returncode:
        raise Failed(f"{who}: {p.stdout.decode(errors='replace')[:300]}")
