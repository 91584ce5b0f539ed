"""Runs the real binary on loopback and says in TAP what held.

A test is a function with @test("sentence"); it gets a World: a temporary folder with an index
and peers in it, all of which are gone when the test ends. Nothing waits for a fixed time: every
wait is for a condition, with a deadline. The binary is $SHOAL_BIN.
"""

import ctypes
import functools
import hashlib
import http.client as http_client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BIN = os.environ.get("SHOAL_BIN", "shoal")

# Where everything listens. A file of tests that passes own_net to main() runs, as root, in a network
# of its own with 10.77.0.0/16 on loopback: addresses there are hosts like any other, while
# 127.0.0.0/8 is one host to bans and nobody to some clients.
HOST = os.environ.get("SHOAL_TEST_HOST", "127.0.0.1")


def other(n):
    """The n-th further address."""
    return f"{'10.77' if HOST.startswith('10.') else '127.1'}.{1 + n // 250}.{1 + n % 250}"


# Exit codes of shoal(1); see src/cli/exit.h.
OK, FAILED, USAGE, NOT_FOUND, UNREACHABLE, NO_HOLDER, AMBIGUOUS, TAKEN, DENIED, NO_SPACE, CORRUPT = range(11)
INTERRUPTED = 130


def _sanitized():
    """An ASan binary keeps freed memory and is several times slower."""
    try:
        with open(BIN, "rb") as f:
            return b"__asan_init" in f.read()
    except OSError:
        return False


SANITIZED = _sanitized()
SLOW = 3 if SANITIZED else 1
REPORT = re.compile(rb"ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|Assertion .* failed|WARNING: ThreadSanitizer")


class Skip(Exception):
    pass


class Failed(Exception):
    pass


def check(ok, text, *more):
    if not ok:
        raise Failed(text + "".join(" | " + repr(m)[:2000] for m in more))


def check_eq(got, want, text=""):
    if got != want:
        raise Failed(f"{text}: got {got!r}"[:1500] + f", want {want!r}"[:1500])


def need(*programs):
    """The paths of programs; skips the test when one is missing."""
    out = []
    for p in programs:
        path = shutil.which(p)
        if path is None:
            raise Skip(f"{p} is not installed")
        out.append(path)
    return out[0] if len(out) == 1 else out


_SHIMS = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(BIN)), "..", "..", "tests", "shim"))
BEGIN = os.path.join(_SHIMS, "begin")


def shim(name):
    """The path of a library of tests/shim, to start programs with."""
    path = os.path.join(_SHIMS, f"lib{name}.so")
    if not os.path.exists(path):
        raise Skip(f"the shim is not built: {path}")
    return path


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


# ---- waiting ------------------------------------------------------------------------------

def hears(pid, signo):
    """Does this process catch the signal?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        caught = int(next(line for line in f if line.startswith("SigCgt")).split()[1], 16)
    return caught >> (signo - 1) & 1


def wait_for(condition, seconds, what, every=0.05):
    """Call condition() until it answers something true, and return that. Strict about `seconds`."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() >= end:
            raise Failed(f"not within {seconds:g} s: {what}")
        time.sleep(every)


# ---- files --------------------------------------------------------------------------------

def sha256(path):
    with open(path, "rb", buffering=0) as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


@functools.cache
def _noise_of_files():
    return noise(4 * MIB)


def make_file(path, n, seed=1):
    """A file of n bytes that no two seeds share a block of. Only the head of each block is noise of its own: much of
    it would take the tests longer than what they test."""
    os.makedirs(os.path.dirname(os.fspath(path)), exist_ok=True)
    block, head, r = 16 * KIB, 16, random.Random(f"{seed}")
    chunk = bytearray(_noise_of_files()[:n])
    left = n
    with open(path, "wb", buffering=0) as f:
        while left:
            heads = r.randbytes(-(-len(chunk) // block) * head)
            for i, at in enumerate(range(0, len(chunk), block)):
                end = min(at + head, len(chunk))
                chunk[at:end] = heads[i * head:i * head + end - at]
            left -= f.write(memoryview(chunk)[:left])
    return path


def scatter(path, every=20, seed=1):
    """Overwrite one block of 16 KiB in `every`, all over the file."""
    r = random.Random(seed)
    with open(path, "r+b") as f:
        for at in range(0, os.path.getsize(path), every * 16 * KIB):
            f.seek(at + r.randrange(every) * 16 * KIB)
            f.write(r.randbytes(100))


def make_tree(root, files, seed=1):
    """files: {relative path (str or bytes): length}."""
    root = os.fsencode(root)
    for i, (rel, n) in enumerate(files.items()):
        path = os.path.join(root, os.fsencode(rel))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(noise(n, f"{seed}/{i}"))
    return os.fsdecode(root)


def tree_sums(root):
    """{relative path as bytes: sha256} of everything beneath root, or of a single file."""
    root = os.fsencode(root)
    if os.path.isfile(root):
        return {b"": sha256(root)}
    out = {}
    for d, dirs, files in os.walk(root):
        for f in files:
            p = os.path.join(d, f)
            out[os.path.relpath(p, root)] = "link" if os.path.islink(p) else sha256(p)
    return out


def same_bytes(a, b):
    """Whether two files are equal, in a third of the time that their sums take."""
    one, two = bytearray(MIB), bytearray(MIB)
    with open(a, "rb", buffering=0) as f, open(b, "rb", buffering=0) as g:
        while n := f.readinto(one):
            if g.readinto(two) != n or one != two:
                return False
        return not g.readinto(two)


def check_same(got, want):
    check(os.path.exists(got), f"{got} is missing")
    if os.path.isfile(got) and os.path.isfile(want) and same_bytes(got, want):
        return
    a, b = tree_sums(got), tree_sums(want)
    if a != b:
        only = sorted(set(a.items()) ^ set(b.items()))[:6]
        raise Failed(f"{got} differs from {want}: {only}")


def part_of(folder):
    """The unfinished downloads in a folder, as (data, state or None): see src/store/store.h."""
    out = []
    for n in os.listdir(folder):
        if n.startswith(".") and n.endswith(".shoal"):
            state = os.path.join(folder, n + "-state")
            out.append((os.path.join(folder, n), state if os.path.exists(state) else None))
    return out


def part_bytes(folder):
    """Bytes on disk of the unfinished downloads in a folder."""
    total = 0
    for data, _ in part_of(folder):
        paths = [data]
        if os.path.isdir(data):
            paths = [os.path.join(d, f) for d, _, fs in os.walk(data) for f in fs]
        for p in paths:
            try:
                total += os.stat(p).st_blocks * 512
            except OSError:
                pass
    return total


# ---- sockets ------------------------------------------------------------------------------

_given = set()


def free_port(host=HOST):
    """A port that is free for TCP and UDP, below the range the kernel hands out by itself, so
    that no outgoing connection takes it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        if port in _given:
            continue
        with socket.socket() as t, socket.socket(type=socket.SOCK_DGRAM) as u:
            try:
                t.bind((host, port))
                u.bind((host, port))
            except OSError:
                continue
        _given.add(port)
        return port


# Certificates are what shoal is to check, not Python.
_any_certificate = ssl._create_unverified_context()


def http(url, method="GET", body=None, headers=None, timeout=20):
    """(status, bytes), whatever the status. Not urllib, which takes longer than the index: tests ask again and again."""
    at = urllib.parse.urlsplit(url)
    c = http_client.HTTPSConnection(at.hostname, at.port, timeout=timeout, context=_any_certificate) if at.scheme == "https" \
        else http_client.HTTPConnection(at.hostname, at.port, timeout=timeout)
    send = {"Connection": "close", **(headers or {})}
    if body is not None:
        send.setdefault("Content-Type", "application/x-www-form-urlencoded")
    try:
        c.request(method, urllib.parse.urlunsplit(("", "", at.path or "/", at.query, "")), body, send)
        with c.getresponse() as r:
            return r.status, r.read()
    finally:
        c.close()


def raw_http(port, request, timeout=20, host=HOST):
    """Send bytes as they are; everything the server says until it closes or falls silent."""
    out = b""
    with socket.create_connection((host, port), timeout=timeout) as s:
        try:
            s.sendall(request)
        except OSError:
            pass
        s.settimeout(timeout)
        try:
            while chunk := s.recv(65536):
                out += chunk
        except OSError:
            pass
    return out


# ---- processes ----------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
# A large buffer that is freed stays ours, or the kernel clears its pages anew each time one is wanted.
_libc.mallopt(-3, 32 * MIB)   # M_MMAP_THRESHOLD
_libc.mallopt(-1, 256 * MIB)  # M_TRIM_THRESHOLD


def begun(args, limits=None):
    """The same as a program that ends when this one does, with {RLIMIT_: n}: see tests/shim/begin.c."""
    return [BEGIN, *(f"{what}={n}" for what, n in (limits or {}).items()), "--", *args]


class Done:
    """A program that has ended."""

    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.seconds = args, code, seconds
        self.out_bytes, self.err_bytes = out, err
        self.out, self.err = out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as e:
            raise Failed(f"{self}: no JSON: {e}: {self.out[:500]!r}")

    def __str__(self):
        return " ".join(map(str, self.args))

    def expect(self, code):
        if self.code != code:
            raise Failed(f"{self}: exit {self.code}, want {code}; stdout {self.out[-800:]!r} stderr {self.err[-800:]!r}")
        return self

    def error_line(self, *parts):
        """stderr is one line of error and has each of `parts` (regular expressions) in it."""
        lines = [x for x in self.err.split("\n") if x]
        check(len(lines) == 1, f"{self}: not one line of error", self.err)
        for p in parts:
            check(re.search(p, lines[0]), f"{self}: no /{p}/ in the error", lines[0])
        return self


class Proc:
    """A program that runs. Output goes to files, so that it never blocks."""

    def __init__(self, world, args, env=None, limits=None, cwd=None, name="proc", stdin=None, fds=()):
        world.n_procs += 1
        self.args, self.name = [os.fspath(a) for a in args], f"{world.n_procs}-{name}"
        self.out_path = os.path.join(world.dir, "log", self.name + ".out")
        self.err_path = os.path.join(world.dir, "log", self.name + ".err")
        os.makedirs(os.path.dirname(self.out_path), exist_ok=True)
        self.started = time.monotonic()
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.p = subprocess.Popen(begun(self.args, limits), stdout=out, stderr=err, stdin=stdin or subprocess.DEVNULL,
                                      env=env, cwd=cwd, pass_fds=fds)
        self.pid = self.p.pid
        self.killed = False
        self.quiet = False  # of no interest when a test fails
        self.judged = False
        world.procs.append(self)

    def alive(self):
        return self.p.poll() is None

    def out(self):
        with open(self.out_path, "rb") as f:
            return f.read()

    def err(self):
        with open(self.err_path, "rb") as f:
            return f.read()

    def err_text(self):
        return self.err().decode("utf-8", "replace")

    def send(self, signo):
        if self.alive():
            os.kill(self.pid, signo)

    def kill(self):
        """kill -9, and wait for it."""
        self.killed = True
        self.send(signal.SIGKILL)
        self.p.wait(10)

    def wait(self, seconds, what=None):
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"still running after {seconds:g} s: {what or ' '.join(self.args)}; stderr {self.err()[-600:]!r}")
        return Done(self.args, self.p.returncode, self.out(), self.err(), time.monotonic() - self.started)

    def wait_got(self, seconds=30):
        """Until a get says that all is there; the index hears of it before."""
        wait_for(lambda: b"verified" in self.out(), seconds * SLOW, f"{self.name} has it", every=0.01)

    def stop(self, signo=signal.SIGINT, seconds=15):
        """Ask it to leave properly."""
        if not self.alive():
            return self.wait(1)
        self.send(signal.SIGCONT)
        self.send(signo)
        return self.wait(seconds * SLOW, f"{self.name} after signal {signo}")

    def rss(self):
        """Resident bytes that are not files' pages."""
        return self._status("RssAnon") * KIB

    def peak_rss(self):
        return self._status("VmHWM") * KIB

    def _status(self, key):
        try:
            with open(f"/proc/{self.pid}/status") as f:
                for line in f:
                    if line.startswith(key + ":"):
                        return int(line.split()[1])
        except OSError:
            pass
        return 0

    def fds(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def cpu(self):
        """CPU seconds used so far."""
        with open(f"/proc/{self.pid}/stat") as f:
            a = f.read().rsplit(")", 1)[1].split()
        return (int(a[11]) + int(a[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        out = []
        try:
            for fd in os.listdir(f"/proc/{self.pid}/fd"):
                try:
                    out.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
                except OSError:
                    pass
        except OSError:
            pass
        return out

    def listening(self):
        """TCP ports that this process listens on."""
        inodes = {m.group(1) for p in self.open_files() if (m := re.fullmatch(r"socket:\[(\d+)\]", p))}
        ports = set()
        for table in ("tcp", "tcp6"):
            try:
                with open(f"/proc/{self.pid}/net/{table}") as f:
                    for line in list(f)[1:]:
                        a = line.split()
                        if a[3] == "0A" and a[9] in inodes:
                            ports.add(int(a[1].rsplit(":", 1)[1], 16))
            except OSError:
                pass
        return ports

    def port(self, seconds=10):
        return wait_for(self.listening, seconds * SLOW, f"{self.name} listens").pop()

    def judge(self):
        """Complaints of a sanitizer, or death by a signal that nobody sent."""
        if self.judged:
            return None
        self.judged = True
        for text in (self.err(), self.out()):
            if m := REPORT.search(text):
                at = max(0, m.start() - 200)
                return f"{self.name}: {text[at:at + 3000].decode('utf-8', 'replace')}"
        code = self.p.poll()
        if code is not None and code < 0 and not self.killed:
            return f"{self.name}: ended by signal {-code}: {self.err()[-1000:].decode('utf-8', 'replace')}"
        return None


class Index:
    """`shoal index` on a port of its own."""

    def __init__(self, world, data=None, port=None, limits=None, args=(), env=None):
        self.world = world
        self.data = data or os.path.join(world.dir, "index-data")
        self.port = port or free_port()
        self.url = f"{'https' if any(a.startswith('--tls') for a in args) else 'http'}://{HOST}:{self.port}"
        self.announce = self.url + "/announce"
        self.limits, self.args, self.env = limits, list(args), env or {}
        self.proc = None
        self.start()

    def start(self):
        self.proc = Proc(self.world, [BIN, "index", "--listen", f"{HOST}:{self.port}", "--data", self.data, *self.args],
                         env={**self.world.env(os.path.join(self.world.dir, "home-index")), **self.env}, limits=self.limits,
                         name="index")
        wait_for(self.up, 15 * SLOW, "the index answers")

    def pin(self):
        return re.search(r"^pin (\S+)$", self.proc.out().decode(), re.M).group(1)

    def up(self):
        if not self.proc.alive():
            raise Failed(f"the index ended: {self.proc.err()[-1000:]!r}")
        try:
            return http(self.url + "/healthz", timeout=5)[0] == 200
        except OSError:
            return False

    def api(self, path, want=200, **query):
        url = self.url + "/api/v1/" + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        status, body = http(url)
        check(status == want, f"GET {url}: {status}", body)
        return json.loads(body)

    def entries(self, **query):
        return self.api("entries", **query)["entries"]

    def entry(self, name):
        found = self.entries(name=name)
        check(found, f"no entry {name!r} in the index")
        return found[0]

    def holders(self, name):
        return self.api(f"entries/{self.entry(name)['id']}/holders")

    def torrent(self, name):
        return http(f"{self.url}/api/v1/entries/{self.entry(name)['id']}/torrent")[1]

    def wait_seeds(self, name, n=1, seconds=30):
        def there():
            found = self.entries(name=name)
            return found and found[0]["seeds"] >= n
        return wait_for(there, seconds * SLOW, f"{n} seeds of {name!r} at the index")


class Peer:
    """One user's machine: a SHOAL_HOME and a folder to work in."""

    def __init__(self, world, name, index=None):
        self.world, self.name = world, name
        self.dir = os.path.join(world.dir, name)
        self.home = os.path.join(world.dir, f"home-{name}")
        os.makedirs(self.dir, exist_ok=True)
        self.index_url = index.url if isinstance(index, Index) else index
        # Peers of a test share one login, and an owner name belongs to one key.
        self.owner = name

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def args(self, verb, *args):
        out = [BIN, verb]
        if verb not in ("create", "verify", "index") and self.index_url:
            out += ["--index", self.index_url]
        if verb in ("share", "get", "daemon"):
            out += ["--port", "0"]
        if verb == "daemon":
            out += ["--http-port", "0"]
        if verb == "share" and self.owner and "--as" not in args:
            out += ["--as", self.owner]
        return out + [os.fspath(a) for a in args]

    def start(self, verb, *args, env=None, limits=None, wrap=()):
        return Proc(self.world, [*wrap, *self.args(verb, *args)], env={**self.world.env(self.home), **(env or {})},
                    limits=limits, cwd=self.dir, name=f"{self.name}-{verb}")

    def run(self, verb, *args, seconds=60, env=None, limits=None):
        return self.start(verb, *args, env=env, limits=limits).wait(seconds * SLOW)

    def daemon(self, *args, **kw):
        """Start `shoal daemon`, and wait until it answers."""
        p = self.start("daemon", *args, **kw)

        def up():
            if not p.alive():
                raise Failed(f"the daemon ended: {p.err()[-1000:]!r}")
            return b"daemon" in p.out()
        wait_for(up, 30 * SLOW, "the daemon is up")
        return p

    def transfers(self, *ref):
        """What `shoal status [REF] --json` shows, asked without it if that can be: tests ask again and again."""
        if not os.path.exists(os.path.join(self.home, "run", "api")):
            return self.run("status", *ref, "--json").expect(OK).json()["transfers"]
        status, got = self.api("GET", "transfers" + "".join("/" + urllib.parse.quote(r, safe="") for r in ref))
        check(status == 200, f"{self.name}'s daemon: {status} for its transfers", got)
        return [got["transfer"]] if ref else got["transfers"]

    def api(self, method, path, body=None, headers=None, token=True):
        """(status, decoded JSON) of the daemon's HTTP API."""
        with open(os.path.join(self.home, "run", "api")) as f:
            url = f.read().strip()
        send = dict(headers or {})
        if token:
            with open(os.path.join(self.home, "api-token")) as f:
                send.setdefault("Authorization", "Bearer " + f.read().strip())
        if body is not None:
            body = json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        status, text = http(url + "/api/v1/" + path, method, body, send)
        return status, json.loads(text) if text else None

    def share(self, path, *args, name=None, wait=True):
        """Start `shoal share` and wait until the index knows it as a seed."""
        more = ["--name", name] if name is not None else []
        p = self.start("share", path, *more, *args)
        if wait:
            index = next(i for i in self.world.indexes if i.url == self.index_url)
            shown = name if name is not None else os.path.basename(os.path.normpath(os.fspath(path)))

            def seeds():
                if not p.alive():
                    raise Failed(f"share ended: {p.err()[-1000:]!r}")
                return b"serving" in p.out() and any(e["seeds"] > 0 for e in index.entries(name=shown))
            wait_for(seeds, 60 * SLOW, f"share of {shown!r} is up")
        return p

    def get(self, ref, *args, seconds=120, code=OK):
        return self.run("get", *args, "--", ref, seconds=seconds).expect(code) if str(ref).startswith("-") else \
            self.run("get", ref, *args, seconds=seconds).expect(code)


class World:
    """What one test has: a folder, an index, peers. close() ends everything in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="shoal-e2e-")
        os.chmod(self.dir, 0o755)
        self.procs, self.indexes, self.closers = [], [], []
        self.n_procs = 0

    def env(self, home):
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith("SHOAL_") and k.lower() not in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}
        keep.update(SHOAL_HOME=home, SHOAL_NO_MAP="yes", SHOAL_NO_LSD="yes", SHOAL_NO_DHT="yes", LC_ALL="C.UTF-8",
                    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1", TERM="dumb")
        keep.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        return keep

    def index(self, **kw):
        i = Index(self, **kw)
        self.indexes.append(i)
        return i

    def peer(self, name, index=None):
        if index is None:
            index = self.indexes[0] if self.indexes else "http://127.0.0.1:1"
        return Peer(self, name, index)

    def start(self, *args, name="proc", **kw):
        return Proc(self, args, name=name, **kw)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def mount(self, path, size):
        """A tmpfs of `size` bytes at path, until the test ends."""
        need_root()
        os.makedirs(path, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "shoal-test", path],
                          stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("cannot mount a tmpfs here")
        self.closers.append(lambda: subprocess.run(["umount", "-l", path], check=False))
        return path

    def remount(self, path, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", path], check=True)

    def close(self):
        """Returns what was wrong with any process."""
        for p in self.procs:
            if p.alive():
                p.send(signal.SIGCONT)
                p.send(signal.SIGINT)
        end = time.monotonic() + 10 * SLOW
        for p in self.procs:
            try:
                p.p.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()
        for c in reversed(self.closers):
            try:
                c()
            except Exception:
                traceback.print_exc()
        return [text for p in self.procs if (text := p.judge())]

    def tails(self):
        out = []
        chatty = [p for p in self.procs if not p.quiet][-12:]
        for p in chatty:
            for kind, text in (("stdout", p.out()), ("stderr", p.err())):
                if text:
                    out.append(f"{p.name} {kind} (exit {p.p.poll()}): " +
                               text[-1200:].decode("utf-8", "backslashreplace"))
        return out

    def remove(self):
        subprocess.run(["chmod", "-R", "u+rwX", self.dir], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- a crowd of threads that a test started -----------------------------------------------

class Crowd:
    """Threads whose first exception fails the test."""

    def __init__(self):
        self.threads, self.errors = [], []

    def start(self, fn, *args):
        def run():
            try:
                fn(*args)
            except BaseException as e:
                self.errors.append(e)
        t = threading.Thread(target=run, daemon=True)
        t.start()
        self.threads.append(t)
        return t

    def join(self, seconds):
        end = time.monotonic() + seconds
        for t in self.threads:
            t.join(max(0.0, end - time.monotonic()))
            check(not t.is_alive(), f"a part of the test still runs after {seconds} s")
        if self.errors:
            raise self.errors[0]


# ---- the hostile checks of HOSTILE-INPUTS: alive, bounded, contained -----------------------

class Watch:
    """Notes a process's memory and descriptors, and says later whether they are sound."""

    def __init__(self, proc, more_bytes=32 * MIB):
        self.proc, self.more = proc, more_bytes
        self.rss, self.fds = proc.rss(), proc.fds()
        self.cpu = proc.cpu()
        self.log = len(proc.err()) + len(proc.out())

    def settle(self, slack_fds=2, seconds=30, log_lines=200):
        check(self.proc.alive(), f"{self.proc.name} died", self.proc.err()[-1000:])
        if not SANITIZED:
            rss = self.proc.rss()
            check(rss <= self.rss + self.more, f"memory grew from {self.rss >> 20} to {rss >> 20} MiB")
        wait_for(lambda: self.proc.fds() <= self.fds + slack_fds, seconds * SLOW,
                 f"descriptors back at {self.fds} (now {self.proc.fds()})")
        grown = (self.proc.err() + self.proc.out())[self.log:]
        check(grown.count(b"\n") <= log_lines, "too many lines of log", grown[-800:])


class Canary:
    """A tree beside the downloads that nobody may touch."""

    def __init__(self, root):
        self.root = root
        make_tree(root, {"keep.txt": 100, "sub/keep2.txt": 2000})
        self.sums = tree_sums(root)

    def check(self):
        check_eq(tree_sums(self.root), self.sums, "files outside the download")


# ---- the runner ---------------------------------------------------------------------------

_tests = []


def test(sentence, seconds=60):
    def add(fn):
        _tests.append((sentence, seconds, fn))
        return fn
    return add


class _Alarm(Exception):
    pass


def _on_alarm(signo, frame):
    raise _Alarm()


def _comment(text):
    for line in text.split("\n"):
        clean = line.encode("ascii", "backslashreplace").decode()
        clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "?", clean)
        print("#   " + clean, flush=True)


def _run_one(n, sentence, seconds, fn):
    world = World()
    why, skipped = None, None
    begun = time.monotonic()
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(int(seconds * SLOW) + 1)
    try:
        fn(world)
    except Skip as e:
        skipped = str(e)
    except _Alarm:
        why = f"not done within {seconds * SLOW:g} s\n" + traceback.format_exc()
    except Failed as e:
        where = traceback.extract_tb(sys.exc_info()[2])
        lines = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in where[1:]]
        why = f"{e}\n(at {' '.join(lines)})"
    except Exception:
        why = traceback.format_exc()
    finally:
        signal.alarm(0)
    try:
        wrong = world.close()
        if wrong and why is None:
            why = "\n".join(wrong)
        label = f"{n} - {sentence}"
        if skipped is not None and why is None:
            print(f"ok {label} # SKIP {skipped}", flush=True)
        elif why is None:
            print(f"ok {label}", flush=True)
        else:
            print(f"not ok {label}", flush=True)
            _comment(why)
            for tail in world.tails():
                _comment(tail)
        if os.environ.get("SHOAL_TEST_TIMES"):
            print(f"# {time.monotonic() - begun:.1f} s", flush=True)
    finally:
        if os.environ.get("SHOAL_TEST_KEEP"):
            print(f"# kept {world.dir}", flush=True)
        else:
            world.remove()
    return why is None


def enter_own_net():
    """As root: start this program again in a network with 10.77.0.0/16 on loopback, where HOST is 10.77.0.1."""
    setup = "ip link set lo up && ip addr add 10.77.0.1/32 dev lo && ip route add local 10.77.0.0/16 dev lo"
    if "SHOAL_TEST_HOST" in os.environ or os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return
    if subprocess.run(["unshare", "-n", "sh", "-c", setup], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["SHOAL_TEST_HOST"] = "10.77.0.1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", setup + ' && exec "$@"', "sh", sys.executable, "-B", *sys.argv])


def main(own_net=False):
    """Run every test of the file, or those whose sentence has one of the arguments in it."""
    if own_net:
        enter_own_net()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    for path in (BIN, BEGIN):
        if shutil.which(path) is None:
            print(f"Bail out! no {path}; SHOAL_BIN is the program in a build folder")
            return 1
    chosen = [t for t in _tests if len(sys.argv) < 2 or any(a in t[0] for a in sys.argv[1:])]
    print(f"1..{len(chosen)}", flush=True)
    good = 0
    for n, (sentence, seconds, fn) in enumerate(chosen, 1):
        good += _run_one(n, sentence, seconds, fn)
    return 0 if good == len(chosen) else 1
