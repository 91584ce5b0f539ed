"""Stock BitTorrent clients behind one face: seed(torrent, folder) and get(torrent, folder).

Each is a process with a port of its own and none of its discovery but the tracker. `host`: the address it has."""

import os
import re
import shutil
import signal
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h  # noqa: E402

PYTHON = "/usr/bin/python3"
DRIVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lt_driver.py")


class Aria2:
    name = "aria2"
    # 1.36 forgets the empty names of a file tree and so arrives at an info-hash of its own.
    modes = ("v1",)

    def __init__(self, w, encrypted=False, host=None):
        self.w, self.bin, self.encrypted, self.host = w, h.need("aria2c"), encrypted, host or h.HOST

    def _start(self, torrent, folder, *more):
        os.makedirs(folder, exist_ok=True)
        log = self.w.path(f"aria2-{self.w.n_procs}.log")
        if self.encrypted:
            more = ("--bt-require-crypto=true", "--bt-min-crypto-level=arc4", *more)
        p = self.w.start(self.bin, "--no-conf", f"--interface={self.host}", f"--log={log}", "--log-level=debug", f"--dir={folder}", f"--listen-port={h.free_port()}", "--enable-dht=false",
                            "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6=true",
                            "--file-allocation=none", "--follow-torrent=false", "--summary-interval=0", "--console-log-level=notice",
                            "--bt-request-peer-speed-limit=500M", "--no-netrc", "--all-proxy=", *more, torrent, name=self.name)
        p.log = log
        return p

    def seed(self, torrent, folder):
        return self._start(torrent, folder, "--seed-ratio=0.0", "--check-integrity=true", "--bt-seed-unverified=false",
                           "--allow-overwrite=true")

    def get(self, torrent, folder):
        return self._start(torrent, folder, "--seed-time=0")

    def wait(self, p, path, seconds):
        try:
            p.wait(seconds).expect(0)
        except h.Failed as e:
            with open(p.log, errors="replace") as f:
                told = [line[:200] for line in f if re.search(r"Tracker|eer|announce|Exception|handshake|banned", line)]
            raise h.Failed(f"{e}\n" + "".join(told[:60]))

    def stop(self, p):
        p.killed = True
        p.send(signal.SIGINT)


class Transmission:
    name = "transmission"
    # 3.00 takes no torrent with a file tree in it, whoever made it.
    modes = ("v1",)
    makes_empty_files = False

    def __init__(self, w, encrypted=False, utp=False, host=None):
        self.utp = "--utp" if utp else "--no-utp"
        self.w, self.encryption = w, "--encryption-required" if encrypted else "--encryption-tolerated"
        self.host = host or h.HOST
        self.bin, self.remote = h.need("transmission-daemon", "transmission-remote")

    def _start(self, torrent, folder):
        os.makedirs(folder, exist_ok=True)
        conf = self.w.path(f"transmission-{self.w.n_procs}")
        os.makedirs(conf)
        rpc = h.free_port()
        p = self.w.start(self.bin, "-f", "-g", conf, "-w", folder, "-p", str(rpc), "-P", str(h.free_port()), "-i", self.host, *self.dht(conf), "--no-lpd",
                         "--no-portmap", self.utp, "-T", "--no-incomplete-dir", "-a", "127.0.0.1,10.77.0.1", self.encryption,
                         name=self.name)
        p.rpc = rpc
        p.killed = True  # it is ended by a signal
        h.wait_for(lambda: self._ask(p, "-si").code == 0, 20, "transmission-daemon answers", every=0.2)
        said = self._ask(p, "-w", folder, "-a", torrent)
        h.check("Error" not in said.out, "the torrent was added", said.out)
        return p

    def dht(self, conf):
        return ["--no-dht"]

    def _ask(self, p, *args):
        r = self.w.start(self.remote, f"127.0.0.1:{p.rpc}", *args, name="remote")
        r.quiet = True
        return r.wait(20)

    seed = get = _start

    def limit_up(self, p, kilobytes):
        self._ask(p, "-u", str(kilobytes))

    def wait(self, p, path, seconds):
        def done():
            out = self._ask(p, "-t", "1", "-i").out
            return "Percent Done: 100%" in out and "Have: None" not in out and os.path.exists(path)
        try:
            h.wait_for(done, seconds, "transmission is done", every=0.3)
        except h.Failed:
            raise h.Failed("transmission is not done: " + self._ask(p, "-t", "1", "-i").out[-900:] + self._ask(p, "-t", "1", "-ip").out)

    def stop(self, p):
        p.send(signal.SIGTERM)


class Libtorrent:
    name = "libtorrent"
    modes = ("v1", "v2", "hybrid")

    def __init__(self, w, encrypted=False, utp=False, host=None, poses=False):
        self.w, self.host = w, host or h.HOST
        self.words = ["encrypted"] * encrypted + ["utp"] * utp + ["super"] * poses
        if w.start(PYTHON, "-c", "import libtorrent", name="import").wait(20).code != 0:
            raise h.Skip("python3-libtorrent is not installed")

    def _start(self, what, torrent, folder):
        os.makedirs(folder, exist_ok=True)
        p = self.w.start(PYTHON, DRIVER, what, self.host, torrent, folder, *self.words, name=self.name)
        p.killed = True
        return p

    def seed(self, torrent, folder):
        return self._start("seed", torrent, folder)

    def seed_checked(self, torrent, folder):
        return self._start("check", torrent, folder)

    def get(self, torrent, folder):
        return self._start("get", torrent, folder)

    def wait(self, p, path, seconds):
        h.wait_for(lambda: b"done" in p.out() or not p.alive(), seconds, f"libtorrent is done: {p.out()[-300:]!r}")
        h.check(b"done" in p.out(), "libtorrent ended early", p.out()[-300:], p.err()[-500:])

    def stop(self, p):
        p.send(signal.SIGTERM)


RTORRENT_RC = """system.daemon.set = true
session.path.set = {conf}
directory.default.set = {folder}
network.bind_address.set = {host}
network.port_range.set = {port}-{port}
network.port_random.set = no
network.scgi.open_local = {conf}/scgi
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = {encryption}
trackers.use_udp.set = no
method.set_key = event.download.finished, done, "execute.nothrow=touch,{conf}/done"
log.open_file = log, {conf}/log
log.add_output = info, log
log.add_output = tracker_debug, log
"""


class Rtorrent:
    name = "rtorrent"
    modes = ("v1",)  # 0.9.8 reads no file tree

    def __init__(self, w, encrypted=False, host=None, poses=False):
        self.w, self.bin, self.host = w, h.need("rtorrent"), host or h.HOST
        self.more = "protocol.connection.seed.set = initial_seed\n" if poses else ""
        self.encryption = "allow_incoming,try_outgoing,require,require_rc4" if encrypted else "none"

    def _start(self, torrent, folder):
        os.makedirs(folder, exist_ok=True)
        conf = self.w.path(f"rtorrent-{self.w.n_procs}")
        os.makedirs(conf)
        with open(conf + "/rc", "w", encoding="utf-8") as f:
            f.write(RTORRENT_RC.format(conf=conf, folder=folder, host=self.host, port=h.free_port(), encryption=self.encryption) + self.more)
        p = self.w.start(self.bin, "-n", "-o", f"import={conf}/rc", torrent, name=self.name)
        p.killed = True  # it is ended by a signal
        p.conf = conf
        return p

    seed = get = _start

    def wait(self, p, path, seconds):
        try:
            h.wait_for(lambda: os.path.exists(p.conf + "/done") or not p.alive(), seconds, "rtorrent is done", every=0.2)
            h.check(p.alive(), "rtorrent ended early", p.err()[-500:])
        except h.Failed as e:
            with open(p.conf + "/log", errors="replace") as f:
                raise h.Failed(f"{e}\n" + f.read()[-3000:])

    def stop(self, p):
        p.send(signal.SIGTERM)


ALL = (Aria2, Transmission, Rtorrent, Libtorrent)


class Opentracker:
    """Debian's opentracker runs on a list of permitted info-hashes."""

    def __init__(self, w, hashes):
        self.dir = w.path("opentracker")
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        with open(os.path.join(self.dir, "list"), "w") as f:
            f.writelines(x.hex() + "\n" for x in hashes)
        self.port = h.free_port()
        self.announce = f"http://{h.HOST}:{self.port}/announce"
        more = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.proc = w.start(h.need("opentracker"), "-i", h.HOST, "-p", str(self.port), "-P", str(self.port), *more, "-d",
                            self.dir, "-w", "list" if more else os.path.join(self.dir, "list"), name="opentracker")
        self.proc.killed = True

        def up():
            q = urllib.parse.quote(hashes[0])
            try:
                return h.http(f"http://{h.HOST}:{self.port}/scrape?info_hash={q}", timeout=3)[0] == 200
            except OSError:
                h.check(self.proc.alive(), "opentracker ended", self.proc.err())
                return False
        h.wait_for(up, 15, "opentracker answers")

    def seeds(self, hash_):
        body = h.http(f"http://{h.HOST}:{self.port}/scrape?info_hash={urllib.parse.quote(hash_)}")[1]
        import wire
        return wire.bdecode(body).get(b"files", {}).get(hash_, {}).get(b"complete", 0)
