#!/usr/bin/python3
"""Does an index or a daemon grow? Both run for so many minutes while they are used gently, and are measured.

    SHOAL_BIN=build/src/cli/shoal python3 bench/soak.py [MINUTES]

The daemon shares 200 files and follows a name. All the while peers announce and leave over UDP and HTTP,
connections come with garbage and with honest handshakes and go, files are searched for, fetched and published
anew, the page is opened, and the daemon gets jobs that are taken away again. Every 30 s a line says what memory,
descriptors and threads both have. After the warm-up (a quarter of an hour, or a quarter of it all when that is
less) memory may grow by 1 MiB an hour, and descriptors and threads not at all; else it ends with 1."""

import base64
import contextlib
import heapq
import json
import os
import random
import socket
import statistics
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness as h  # noqa: E402
import udp_client  # noqa: E402
import wire  # noqa: E402

FILES, FILE_BYTES = 200, 96 * h.KIB
SAMPLE_S = 30
WARM_UP_S = 15 * 60
MIB_AN_HOUR = 1.0
FAULTS_ALLOWED = 0.01  # of all that was done: the machine may be asleep for a while
KEYS = ("rss", "anon", "fds", "threads")


def sample(proc):
    with open(f"/proc/{proc.pid}/status", encoding="ascii", errors="replace") as f:
        d = dict(line.split(":", 1) for line in f)
    return {"rss": int(d["VmRSS"].split()[0]) * h.KIB, "anon": int(d["RssAnon"].split()[0]) * h.KIB,
            "fds": proc.fds(), "threads": int(d["Threads"]), "cpu": proc.cpu()}


def slope_an_hour(points):
    """The median of the slopes between all pairs (Theil and Sen): a few peaks do not move it."""
    return 3600 * statistics.median((b[1] - a[1]) / (b[0] - a[0])
                                    for i, a in enumerate(points) for b in points[i + 1:])


class Soak:
    def __init__(self, world):
        self.w, self.r = world, random.Random(1)
        self.index = world.index()
        self.on = {"SHOAL_NO_DHT": ""}
        self.keeper, self.writer, self.getter = (world.peer(n) for n in ("keeper", "writer", "getter"))
        self.daemon = self.keeper.daemon("--listen", h.HOST, env=self.on)
        self.port = self.keeper.api("GET", "status")[1]["port"]
        paths = [h.make_file(self.keeper.path(f"file-{i}.bin"), FILE_BYTES, seed=i) for i in range(FILES)]
        self.keeper.run("share", *paths, "--detach", seconds=120).expect(h.OK)
        self.index.wait_seeds(f"file-{FILES - 1}.bin")
        self.entries = self.index.entries(limit=500)
        self.version = 0
        self.publish(fetched=False)
        self.keeper.run("get", "news", "--follow", "--detach").expect(h.OK)
        self.visit_all()
        self.extra = [self.spare(i) for i in range(4)]
        self.streams = []
        self.staying = []

    def visit_all(self):
        """A transfer keeps about 6 KiB from the first time it is fetched on: not to be taken for growth later."""
        self.getter.run("get", *(e["name"] for e in self.entries), "--no-daemon", "-o", self.getter.dir, env=self.on,
                        seconds=120).expect(h.OK)
        for e in self.entries:
            os.unlink(self.getter.path(e["name"]))

    def spare(self, i):
        """A file and its torrent that no index knows."""
        path = h.make_file(self.keeper.path(f"spare-{i}"), FILE_BYTES, seed=f"spare {i}")
        self.keeper.run("create", path, "-o", path + ".torrent").expect(h.OK)
        with open(path + ".torrent", "rb") as f:
            return path, base64.b64encode(f.read()).decode()

    def address(self):
        return h.other(self.r.randrange(2000))

    def some(self):
        return self.r.choice(self.entries)

    # ---- what is done, again and again --------------------------------------------------

    def announce_udp(self):
        hash_ = bytes.fromhex(self.some()["hash_v1"]) if self.r.random() < 0.5 else self.r.randbytes(20)
        who = {"peer_id": wire.new_peer_id(), "port": self.r.randrange(1024, 65536)}
        with udp_client.Client(self.index.port, h.HOST, own=self.address()) as c:
            c.connect()
            h.check(c.announce(hash_, left=5, **who) is not None, "an announce over UDP")
            c.scrape(hash_)
            c.announce(hash_, left=0, event=1, **who)
            if self.r.random() < 0.95:  # the others are forgotten after an hour
                c.announce(hash_, event=3, **who)

    def announce_http(self):
        hash_ = bytes.fromhex(self.some()["hash_v1"]) if self.r.random() < 0.5 else self.r.randbytes(20)
        about = urllib.parse.urlencode({"info_hash": hash_, "peer_id": wire.new_peer_id(), "left": 5,
                                        "port": self.r.randrange(1024, 65536)}, quote_via=urllib.parse.quote)
        for event in ("started", "stopped"):
            h.check_eq(h.http(f"{self.index.announce}?{about}&event={event}")[0], 200, "an announce over HTTP")

    def search(self):
        word = self.r.choice(["file", "bin", f"file-{self.r.randrange(FILES)}", "nothing", "-file", '"file bin"'])
        for path, query in (("entries", {"q": word}), ("near", {"name": "flie-7.bin"}), ("peers", {}), ("audit", {"limit": 20})):
            h.http(f"{self.index.url}/api/v1/{path}?{urllib.parse.urlencode(query)}")

    def garbage(self):
        for port in (self.port, self.index.port):
            with contextlib.suppress(OSError, wire.Gone):
                c = wire.Conn.dial(port, source=self.address())
                c.send(self.r.randbytes(self.r.choice([1, 20, 68, 4000])))
                if self.r.random() < 0.5:
                    c.reset()
                c.close()

    def handshake(self):
        info_hash = bytes.fromhex(self.some()["hash_v1"])
        with contextlib.closing(wire.Conn.dial(self.port, source=self.address())) as c:
            c.leech(info_hash)
            h.check(c.fetch(0, 0, 16 * h.KIB), "a block of the daemon")

    def publish(self, fetched=True):
        """A new version, shared until the daemon, which follows, has it."""
        self.version += 1
        path = h.make_file(self.writer.path("news"), FILE_BYTES + self.version, seed=f"news {self.version}")
        p = self.writer.share(path)
        if fetched:
            def there():
                return any(t.get("version") == self.version and t["complete"] for t in self.transfers() if t.get("entry") == "news")
            h.wait_for(there, 60, f"version {self.version} is at the daemon", every=0.5)
            p.stop()
            self.forget(p)

    def transfers(self):
        return self.keeper.api("GET", "transfers")[1]["transfers"]

    def get(self):
        entry = self.some()
        p = self.getter.start("get", entry["name"], "--no-daemon", env=self.on)
        p.wait(60)
        h.check_eq(p.p.returncode, 0, f"get {entry['name']}: {p.err_text()[-300:]}")
        copy = self.getter.path(entry["name"])
        h.check_eq(h.sha256(copy), entry["sha256"], "what was fetched")
        os.unlink(copy)
        self.forget(p)

    def forget(self, proc):
        for path in (proc.out_path, proc.err_path):
            os.unlink(path)
        self.w.procs.remove(proc)

    def page(self):
        for path in ("", "app.js", "feed.atom", "metrics", "stats.json", f"api/v1/entries/{self.some()['id']}/holders",
                     f"api/v1/entries/{self.some()['id']}/pieces"):
            h.http(f"{self.index.url}/{path}")
        self.stream(self.index.port, f"/api/v1/events?entry={self.some()['id']}")

    def stream(self, port, path, host=h.HOST, **headers):
        """Events are listened to until ten others came."""
        s = socket.create_connection((host, port), timeout=10)
        lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
        self.streams.append(s)
        if len(self.streams) > 10:
            self.streams.pop(0).close()
        for s in self.streams:
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while s.recv(65536):
                    pass

    def session(self):
        ask = b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shoal-session/1\r\n\r\n"
        hello = {"t": "hello", "peer_id": self.r.randbytes(20).hex(), "port": self.r.randrange(1024, 65536), "client": "soak"}
        entry = self.some()
        join = {"t": "join", "id": 0, "v1": entry["hash_v1"], "v2": entry["hash_v2"], "pieces": 6, "left": 9, "got": "0-2"}
        with socket.create_connection((h.HOST, self.index.port), timeout=10, source_address=(self.address(), 0)) as s:
            s.sendall(ask + json.dumps(hello).encode() + b"\n" + json.dumps(join).encode() + b"\n")
            said = b""
            while b'"peers"' not in said:
                more = s.recv(65536)
                h.check(more, "a session that goes on", said)
                said += more

    def jobs(self):
        path, torrent = self.r.choice(self.extra)
        status, made = self.keeper.api("POST", "transfers", {"torrent": torrent, "path": path, "seed": True})
        h.check_eq(status, 201, f"adding a job: {made}")
        ref = f"transfers/{made['id']}"
        for method, what, body in (("POST", "/pause", {}), ("POST", "/resume", {}), ("GET", "/files", None), ("GET", "/peers", None),
                                   ("PATCH", "", {"limit_up_bps": 1000000}), ("POST", "/recheck", {}), ("DELETE", "", None)):
            status, said = self.keeper.api(method, ref + what, body)
            h.check_eq(status, 200, f"{method} {what}: {said}")

    def links(self):
        """A link that nobody can follow."""
        status, made = self.keeper.api("POST", "transfers", {"magnet": "magnet:?xt=urn:btih:" + self.r.randbytes(20).hex(),
                                                             "path": self.keeper.path("none"), "into": False})
        h.check_eq(status, 201, f"adding a link: {made}")
        self.staying.append(made["id"])
        if len(self.staying) > 3:
            h.check_eq(self.keeper.api("DELETE", f"transfers/{self.staying.pop(0)}")[0], 200, "removing a link")

    def names(self):
        """Files by name, as a player fetches them."""
        with open(os.path.join(self.keeper.home, "run", "api"), encoding="ascii") as f:
            url = f.read().strip()
        status, got = h.http(f"{url}/n/{self.keeper.owner}/{self.some()['name']}", headers={"Range": "bytes=100-299"})
        h.check_eq((status, len(got)), (206, 200), "a file by name")
        self.keeper.api("GET", "status")
        with open(os.path.join(self.keeper.home, "api-token"), encoding="ascii") as f:
            token = f.read().strip()
        at = urllib.parse.urlsplit(url)
        self.stream(at.port, "/api/v1/events", at.hostname, Authorization="Bearer " + token)

    # ---- the run ------------------------------------------------------------------------

    def run(self, seconds):
        """(samples, done, faults); what is due first is done first."""
        every = {self.announce_udp: 1, self.announce_http: 2, self.handshake: 3, self.garbage: 3, self.search: 4,
                 self.session: 5, self.page: 10, self.names: 10, self.jobs: 20, self.links: 30, self.get: 20, self.publish: 60}
        begun = time.monotonic()
        due = [(begun + n * 0.3, n, what, s) for n, (what, s) in enumerate(every.items())]
        samples, done, faults = [], 0, []
        while (now := time.monotonic()) < begun + seconds:
            if now >= begun + len(samples) * SAMPLE_S:
                samples.append((now - begun, sample(self.index.proc), sample(self.daemon)))
                tell(samples, done, len(faults))
            at, n, what, s = due[0]
            if at > now:
                time.sleep(min(at - now, 1))
                continue
            heapq.heapreplace(due, (max(at + s, now), n, what, s))
            done += 1
            try:
                what()
            except (h.Failed, OSError, wire.Gone, ValueError) as e:
                faults.append(f"{time.monotonic() - begun:.0f} s, {what.__name__}: {e!r}")
                print("#", faults[-1][:500], flush=True)
        return samples, done, faults


def tell(samples, done, faults):
    cells = [f"{name} rss {s['rss'] >> 10} anon {s['anon'] >> 10} KiB fds {s['fds']} threads {s['threads']} cpu {s['cpu']:.1f} s"
             for name, s in zip(("index", "daemon"), samples[-1][1:])]
    print(f"{samples[-1][0]:6.0f} s  {'  '.join(cells)}  done {done} faults {faults}", flush=True)


def verdict(samples, warm_up):
    """What is wrong. Memory by its slope; of what is counted, the median of the last third against the most of the
    first: connections of the moment are in it, and how many of them a look meets differs."""
    wrong = []
    kept = [s for s in samples if s[0] >= warm_up]
    third = len(kept) // 3
    if third < 2:
        return ["too short to tell"]
    for side, name in ((1, "index"), (2, "daemon")):
        for key in KEYS:
            points = [(s[0], s[side][key]) for s in kept]
            if key in ("rss", "anon"):
                slope = slope_an_hour(points) / h.MIB
                text = f"{name} {key}: {points[0][1] / h.MIB:.2f} to {points[-1][1] / h.MIB:.2f} MiB, slope {slope:+.3f} MiB/h"
                bad = slope > MIB_AN_HOUR
            else:
                first, last = max(v for _, v in points[:third]), statistics.median(v for _, v in points[-third:])
                text, bad = f"{name} {key}: {first:g} at most at first, {last:g} at last", last > first
            print(text)
            if bad:
                wrong.append(text)
    return wrong


def main():
    h.enter_own_net()
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 120
    world = h.World()
    try:
        samples, done, faults = Soak(world).run(minutes * 60)
        wrong = verdict(samples, min(WARM_UP_S, minutes * 15))
        if len(faults) > FAULTS_ALLOWED * done:
            wrong.append(f"{len(faults)} of {done} things that were done failed")
        wrong += world.close()
    finally:
        world.close()
        world.remove()
    print("\n".join(["FAIL", *wrong] if wrong else ["PASS"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
