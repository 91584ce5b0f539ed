#!/usr/bin/python3
"""What people meet first: settings, JSON of one form, completions in real shells."""

import http.server
import json
import os
import pty
import re
import select
import shutil
import subprocess
import threading
import time

import harness as h
from harness import KIB, MIB, check, check_eq, test


def settings(peer, text):
    os.makedirs(peer.home, exist_ok=True)
    path = os.path.join(peer.home, "config")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def commands():
    """Every command there is, from the program itself."""
    out = subprocess.run([h.BIN, "help"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.findall(r"^  ([a-z]+) +\S", out.split("Two machines")[0], re.M)


class Screen:
    """What a terminal shows: as much of xterm as a line editor uses."""

    SEQUENCE = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z@])")

    def __init__(self):
        self.rows, self.row, self.column = [[]], 0, 0

    def control(self, how_many, what):
        n = int(how_many) if how_many.isdigit() else 1
        row = self.rows[self.row]
        if what == "G":
            self.column = n - 1
        elif what == "A":
            self.row = max(self.row - n, 0)
        elif what == "C":
            self.column += n
        elif what == "D":
            self.column = max(self.column - n, 0)
        elif what == "P":
            del row[self.column:self.column + n]
        elif what == "@":
            row[self.column:self.column] = " " * n
        elif what in "JK":
            del row[self.column:]
            if what == "J":
                del self.rows[self.row + 1:]

    def put(self, c):
        row = self.rows[self.row]
        row += " " * (self.column + 1 - len(row))
        row[self.column] = c
        self.column += 1

    def feed(self, data):
        """Takes what is whole; returns the rest."""
        while data:
            sequence = self.SEQUENCE.match(data)
            if sequence:
                self.control(sequence[1].decode(), sequence[2].decode())
                data = data[sequence.end():]
                continue
            if data[:1] == b"\x1b" and (len(data) < 2 or data[1:2] == b"["):
                return data
            c = data[:1].decode("latin-1")
            data = data[1:]
            if c == "\r":
                self.column = 0
            elif c == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append([])
            elif c == "\b":
                self.column = max(self.column - 1, 0)
            elif c >= " ":
                self.put(c)
        return data

    def text(self):
        return "\n".join("".join(r) for r in self.rows)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, args, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(args[0], args, env)
        self.seen, self.screen = b"", Screen()

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, what, seconds=30):
        """What was printed up to and with `what`, which is taken away."""
        end = time.monotonic() + seconds * h.SLOW
        while what not in self.seen:
            left = end - time.monotonic()
            check(left > 0, f"never printed: {what!r}", self.seen[-1500:])
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    raise h.Failed(f"ended before {what!r}: {self.seen[-1500:]!r}") from None
        at = self.seen.index(what) + len(what)
        out, self.seen = self.seen[:at], self.seen[at:]
        return out

    def until_shown(self, pattern, seconds=30):
        """Until the screen matches; of all that was ever printed."""
        end = time.monotonic() + seconds * h.SLOW
        while not re.search(pattern, self.screen.text(), re.M):
            left = end - time.monotonic()
            check(left > 0, f"never shown: {pattern!r}", self.screen.text()[-1500:])
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen = self.screen.feed(self.seen + os.read(self.fd, 65536))
                except OSError:
                    raise h.Failed(f"ended before {pattern!r}: {self.screen.text()[-1500:]!r}") from None

    def close(self):
        """Until it has ended by itself."""
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitpid(self.pid, 0)[1]


# ---- settings -----------------------------------------------------------------------------

@test("settings: the file is used, a section is of one command, flags and environment beat it")
def _(w):
    i = w.index()
    p = w.peer("a", "http://127.0.0.1:1")
    p.index_url = None
    path = settings(p, f"# the lab's\nindex = {i.url}\n[ls]\nlimit = 1\nall = yes\n")
    share = w.peer("s")
    for n in ("one", "two"):
        share.share(h.make_file(share.path(n), 40 * KIB, seed=n), name=n).stop()
    check_eq(len(p.run("ls").expect(h.OK).out.splitlines()), 1, "rows as the section says")
    check_eq(len(p.run("ls", "--limit", "5").expect(h.OK).out.splitlines()), 2, "rows as the flag says")
    check_eq(p.run("ls", "--all=no").expect(h.OK).out, "", "a flag taken back")
    p.run("ls", env={"SHOAL_INDEX": "http://127.0.0.1:1"}).expect(h.UNREACHABLE)
    rows = {(r["name"], r["command"]): r for r in p.run("config", "--json").expect(h.OK).json()["settings"]}
    check_eq((rows["index", None]["value"], rows["index", None]["from"]), (i.url, f"{path}:2"), "index")
    check_eq((rows["limit", "ls"]["value"], rows["limit", "ls"]["from"]), ("1", f"{path}:4"), "limit")
    check_eq(rows["pin", None]["from"], "default", "pin")
    rows = {r["name"]: r for r in p.run("config", "ls", "--json", env={"SHOAL_INDEX": "http://x",
                                                                         "SHOAL_TOKEN": "s3cret"}).expect(h.OK).json()["settings"]}
    check_eq((rows["index"]["value"], rows["index"]["from"]), ("http://x", "SHOAL_INDEX"), "index from the environment")
    check_eq((rows["all"]["value"], rows["all"]["from"]), ("yes", f"{path}:5"), "all")
    check_eq(rows["token"]["value"], "(hidden)", "a token")


@test("settings: a mistake is named with file, line and reason, by every command")
def _(w):
    p = w.peer("a")
    for text, says in (("indx = x\n", r"config:1: no setting 'indx'; did you mean 'index'\?"),
                       ("index = x\n\nport = many\n", r"config:3: port 'many': not a port"),
                       ("nothing\n", r"config:1: neither KEY = VALUE"),
                       ("[whoami]\nlatest = yes\n", r"config:2: 'whoami' takes no 'latest'")):
        path = settings(p, text)
        p.run("whoami").expect(h.USAGE).error_line("shoal whoami: ", re.escape(path), says)
    settings(p, "[nobody]\nlatest = yes\n")
    p.run("whoami").expect(h.OK)
    p.run("config").expect(h.USAGE).error_line("config:2: in a section that is named like no command")
    p.run("config", "get").expect(h.USAGE).error_line("config:2: in a section that is named like no command")
    found = p.run("doctor", "--json", "--port", "0", "--index", "http://127.0.0.1:1").json()["checks"]
    seen = next(c for c in found if c["check"] == "settings")
    check_eq(seen["result"], "warn", seen["text"])
    check("config:2: in a section" in seen["text"], "doctor names the line", seen["text"])


# ---- JSON ---------------------------------------------------------------------------------

def documents(text):
    """All the JSON values in a text, one behind the other."""
    decoder, at, out = json.JSONDecoder(), 0, []
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        out.append(value)
    return out


def check_schema(text, what):
    found = documents(text)
    check(found, f"{what}: no JSON", text)
    for value in found:
        for item in value if isinstance(value, list) else [value]:
            check(isinstance(item, dict) and item.get("schema") == 1, f"{what}: not marked with the schema", item)


@test("--json: every command prints objects marked with schema 1, errors too", seconds=120)
def _(w):
    i = w.index()
    p = w.peer("a")
    src = h.make_file(p.path("f"), 200 * KIB)
    serving = p.share(src, "--json", name="f", wait=False)
    i.wait_seeds("f")
    arguments = {
        "share": None, "get": ["f", "-o", p.path("g")], "ls": [], "search": ["f"], "info": ["f"], "versions": ["f"],
        "peers": [], "unshare": ["f"], "explain": [], "leave": [], "whoami": [], "config": [],
        "completions": ["fish"], "create": [src, "-o", p.path("t.torrent")], "verify": [p.path("t.torrent"), src],
        "index": ["token", "list", "--data", i.data], "doctor": [], "shell": None,
    }
    order = sorted(commands(), key=lambda c: (c in ("leave", "unshare"), c))
    for c in order:
        # One that is not known here must at least fail in the same form.
        args = arguments.get(c, ["no-such-argument", "--no-such-option"])
        if args is not None:
            check_schema(p.run(c, *args, "--json").out, c)
        check_schema(p.run(c, "--no-such-option", "--json").expect(h.USAGE).out, f"{c}, an error")
    serving.wait(20)
    check_schema(serving.out().decode(), "share")


@test("JSON of a path that is no UTF-8 has its bytes as \\xHH")
def _(w):
    index, p = w.index(), w.peer("a")
    copy, home = (os.fsdecode(os.fsencode(w.path(name)) + b"\xff") for name in ("copy", "home"))
    said = p.run("index", "backup", copy, "--data", index.data, "--json").expect(h.OK).json()
    check_eq(said["backup"], w.path("copy") + "\\xff", "the copy")
    said = p.run("whoami", "--json", env={"SHOAL_HOME": home}).expect(h.OK).json()
    check_eq(said["home"], w.path("home") + "\\xff", "the home")


@test("--progress json: lines of events on standard error, wherever it leads")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 8 * MIB)
    serving = a.share(src, "--progress", "json", name="f")
    got = b.get("f", "--progress", "json", "-q")
    for text, label in ((got.err, "f"), (serving.err_text(), None)):
        lines = [json.loads(x) for x in text.splitlines()]
        served = [x for x in lines if x["event"] == "serving"]
        check_eq([(x["schema"], x["owner"], x["name"], x["version"], x["path"]) for x in served],
                 [] if label else [(1, "a", "f", 1, src)], "what is served")
        lines = [x for x in lines if x["event"] != "serving"]
        check(lines, "no progress", text)
        for x in lines:
            check_eq((x["schema"], x["event"]), (1, "progress"), "an event")
            check(set(x) >= {"label", "done", "total", "down_bps", "up_bps", "peers", "eta_s", "note"}, "members", x)
            check(label is None or x["label"] == label, "its label", x)
    check_eq(b.run("get", "f", "--progress", "none").expect(h.OK).err, "", "none")
    b.run("get", "f", "--progress", "loud").expect(h.USAGE).error_line("not one of: auto json none")


# ---- doctor -------------------------------------------------------------------------------

@test("doctor: a line for each thing that can be wrong, with what to do; as JSON; the exit code says whether it matters")
def _(w):
    w.index()
    p = w.peer("a")
    p.run("whoami").expect(h.OK)

    def doctor(*args, code, env=None):
        found = p.run("doctor", "--json", *args, env=env).expect(code).json()
        return {c["check"]: c for c in found["checks"]}
    seen = doctor("--port", "0", code=h.OK)
    check_eq(set(seen), {"settings", "home", "key", "space", "disk", "files", "watches", "sandbox", "port", "index", "clock", "peers",
                         "address", "versions"},
             "what is looked at")
    for name in ("settings", "key", "port", "index", "clock", "peers", "versions"):
        check_eq(seen[name]["result"], "ok", f"{name}: {seen[name]['text']}")
    text = p.run("doctor", "--port", "0").expect(h.OK).out
    check(re.search(r"^ok    index     http\S+ answers, version", text, re.M), "in words", text)

    os.chmod(os.path.join(p.home, "key"), 0o644)
    settings(p, "token = secret\n")
    os.chmod(os.path.join(p.home, "config"), 0o644)
    taken = h.socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    seen = doctor("--listen", "127.0.0.1", "--port", str(port), "--index", "http://127.0.0.1:1", code=h.FAILED)
    taken.close()
    for name, result, says, advice in (
            ("key", "fail", "others may read this secret key", "chmod 600"),
            ("settings", "warn", "has a token, and others may read it", "chmod 600"),
            ("port", "fail", str(port), "--port"),
            ("index", "fail", "connection refused", "shoal index"),
            ("clock", "warn", "no index", "")):
        got = seen[name]
        check_eq(got["result"], result, name)
        check(says in got["text"] and advice in got["advice"], name, got)
    settings(p, "[daemon]\nmax-peers = many\n")
    os.chmod(os.path.join(p.home, "key"), 0o600)
    with open(os.path.join(p.home, "key"), "w", encoding="ascii") as f:
        f.write("no key\n")
    seen = doctor("--port", "0", "--pin", "abc", code=h.FAILED)
    for name, says in (("settings", "config:2: max-peers 'many'"), ("key", "damaged"), ("index", "'abc' is no pin")):
        check_eq(seen[name]["result"], "fail", name)
        check(says in seen[name]["text"], name, seen[name])
    check_eq(seen["index"]["advice"], "", "the text says it")
    h.make_file(p.path("file"), 1)
    nowhere = doctor("--port", "0", code=h.FAILED, env={"SHOAL_HOME": p.path("file/home")})
    check_eq(nowhere["home"]["result"], "fail", "a home that cannot be made")
    check(p.path("file/home") + " cannot be written to" in nowhere["home"]["text"], "it is named", nowhere["home"])
    quiet = p.run("doctor", "-q", "--index", "http://127.0.0.1:1").expect(h.FAILED).out
    check("fail  index" in quiet and "ok " not in quiet, "-q says what is wrong alone", quiet)


# ---- the shell ----------------------------------------------------------------------------

def pipe_shell(peer, script, *args, seconds=90):
    """Commands from a pipe."""
    env = {**peer.world.env(peer.home), "SHOAL_INDEX": peer.index_url, "SHOAL_PORT": "0"}
    path = peer.path(f"script-{peer.world.n_procs}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(script)
    with open(path, "rb") as f:
        p = h.Proc(peer.world, [h.BIN, "shell", *args], env=env, cwd=peer.dir, name=f"{peer.name}-shell", stdin=f)
    return p.wait(seconds * h.SLOW)


@test("shell: quit unpublishes all that was shared here, whatever its name, and nothing else", seconds=120)
def _(w):
    i = w.index()
    b = w.peer("b")
    for name in ("report", "report final.pdf", "two", "three"):
        h.make_file(b.path(name), 10 * KIB, seed=len(name))
    b.share(b.path("report")).stop().expect(h.OK)
    os.mkfifo(b.path("fifo"))
    fd = os.open(b.path("fifo"), os.O_RDWR)
    with open(b.path("fifo"), "rb") as f:
        p = h.Proc(w, [h.BIN, "shell"], env={**w.env(b.home), "SHOAL_INDEX": i.url, "SHOAL_PORT": "0"}, cwd=b.dir,
                   name="b-shell", stdin=f)
    os.write(fd, b"share 'report final.pdf'\nshare two three\n")
    for name in ("report final.pdf", "three"):
        h.wait_for(lambda: f"serving b/{name}@1".encode() in p.out(), 30 * h.SLOW, f"{name} is served")
    os.write(fd, b"unshare two\nstatus\n")
    h.wait_for(lambda: b"\tshare\tb/three@1\tserving" in p.out(), 30 * h.SLOW, "the other one goes on")
    check_eq(sorted(e["name"] for e in i.entries()), ["report", "report final.pdf", "three"], "before quit")
    os.write(fd, b"quit\n")
    check_eq(p.wait(30 * h.SLOW).code, h.OK, "quit")
    os.close(fd)
    check_eq([e["name"] for e in i.entries()], ["report"], "what was there before")


@test("shell: commands from a pipe; a download is waited for at the end, a share is unpublished by quit", seconds=120)
def _(w):
    i = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f 1"), 3 * MIB)
    a.share(src, name="the f")
    done = pipe_shell(b, "# a comment\n\nls\nget 'the f' -o g\nlocal\nnonsense\nls --nonsense\nget 'x\n")
    check_eq(done.code, h.USAGE, f"shell: {done.err}")
    h.check_same(b.path("g"), src)
    check(done.out.startswith("the f\t1\t3.0 MiB"), "ls", done.out)
    check(re.search(r"^\[1\] g: 3.0 MiB verified|^\[1\] .*/g: 3.0 MiB verified", done.out, re.M), "it said so", done.out)
    for line in ("no command 'nonsense'; 'help' lists them", "shoal ls: unknown option '--nonsense'", "shell: a quote is not closed"):
        check(line in done.err, line, done.err)
    h.make_file(b.path("mine"), 100 * KIB)
    path = b.path("fifo")
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    with open(path, "rb") as f:
        p = h.Proc(w, [h.BIN, "shell"], env={**w.env(b.home), "SHOAL_INDEX": i.url, "SHOAL_PORT": "0"}, cwd=b.dir,
                   name="b-shell", stdin=f)
    os.write(fd, b"share mine --as b\n")
    i.wait_seeds("mine")
    h.wait_for(lambda: b"serving b/mine@1" in p.out(), 30 * h.SLOW, "the shell says that it serves")
    os.write(fd, b"local\nstatus\n")
    h.wait_for(lambda: b"mine\t100.0 KiB\tserved\tb/mine@1" in p.out() and b"1\tshare\tb/mine@1\tserving" in p.out(),
               30 * h.SLOW, "local and status")
    os.write(fd, b"set delay 5\nset limit-up 100K\nset limit-up much\nset\n")
    h.wait_for(lambda: re.search(rb"^delay +5\nlimit-down +0\nlimit-up +100K$", p.out(), re.M), 30 * h.SLOW, "set")
    check("--limit-up 'much'" in p.err_text(), "a limit that is none", p.err_text())
    os.write(fd, b"quit\n")
    check_eq(p.wait(30 * h.SLOW).code, h.USAGE, "quit, after one that was wrong")
    os.close(fd)
    check_eq(i.entries(name="mine"), [], "what it shared is unpublished")
    check(i.entry("the f"), "what others shared is not")


@test("shell: of a script the first command, share or download that does not end well gives the exit code")
def _(w):
    i = w.index()
    a = w.peer("a")
    h.make_file(a.path("f"), 10 * KIB)
    for script, code in (
            ("# nothing\nls\nwhoami\nhelp\nset delay 5\nshare f\nls\nquit\n", h.OK),
            ("ls\ninfo nothing\nnonsense\n", h.NOT_FOUND),
            ("get nothing -o x\nwait\nls\n", h.NOT_FOUND),
            ("share f --nonsense\nls\n", h.USAGE),
            ("connect http://127.0.0.1:1\nls\n", h.UNREACHABLE),
            ("stop 7\nquit\n", h.NOT_FOUND),
            ("stop\n", h.USAGE), ("set nothing 1\n", h.USAGE), ("quit --now\n", h.USAGE), ("help nothing\n", h.USAGE),
            ("local nowhere\n", h.NOT_FOUND), ("shell\n", h.USAGE)):
        check_eq(pipe_shell(a, script).code, code, script)


@test("shell: connect uses another index, which learns no token and needs no key of the one before")
def _(w):
    first, open_one = w.index(args=["--tls-self-signed"]), w.index(data=w.path("open"))
    a = w.peer("a", open_one.url)
    secret = "5" * 40
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(f"{self.path} {self.headers}")
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer((h.HOST, 0), Listener) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://{h.HOST}:{other.server_address[1]}"
        done = pipe_shell(a, f"connect {first.url} --pin {first.pin()} --token {secret}\n"
                          f"connect {url}\nconnect\nconnect {open_one.url}\nls\n")
        other.shutdown()
    check(heard and not [x for x in heard if secret in x], "what the other index hears", heard)
    said = [x for x in done.out.split("\n") if x.startswith("connected to ")]
    check_eq([x.split()[2].rstrip(",") for x in said], [first.url, first.url, open_one.url], f"connected: {done.err}")


@test("shell on a terminal: history, completion, messages above the line that is typed, Ctrl-C, quit", seconds=180)
def _(w):
    i = w.index()
    a = w.peer("a")
    for n in ("genome.tar", "genetics.csv"):
        h.make_file(a.path(n), 300 * KIB, seed=n)
    a.share(a.path("genome.tar"), name="genome of all")
    env = {**w.env(a.home), "SHOAL_PORT": "0", "TERM": "xterm"}
    t = Terminal([h.BIN, "shell", "--index", i.url], env, a.dir)
    t.until_shown(f"^connected to {i.url}")
    t.until_shown(r"^shoal> $")
    t.type("sha\t")  # the command, then a path that two files begin with
    t.until_shown(r"^shoal> share $")
    t.type("gene\t")
    t.until_shown(r"^shoal> share genetics.csv $")
    t.type("--name gen\n")
    t.type("get genome\\ o")  # while this stands there, the share says that it serves: above it
    t.until_shown(r"^\[1\] serving a/gen@1 .*\n+shoal> get genome\\ o$")
    t.type("\t -o got\n")
    t.until_shown(r"^shoal> get genome\\ of\\ all  ?-o got *$")
    t.until_shown(r"^\[2\] .*got: 300.0 KiB verified in")
    t.until_shown(r"^shoal> $")
    t.type("garbage\x03")
    t.until_shown(r"'quit' ends\nshoal> $")
    t.type("\x1b[A")  # the line before
    t.until_shown(r"'quit' ends\nshoal> get genome\\ of\\ all  ?-o got *$")
    t.type("\x15ls --sort ho\t")
    t.until_shown(r"^shoal> ls --sort holders $")
    t.type("\n")
    t.until_shown(r"^NAME +VERSION +SIZE[^~]*^gen [^~]*^shoal> \Z")
    t.type("ge\t")  # only one command
    t.until_shown(r"^shoal> get $")
    t.type("gen\t")  # two names
    t.until_shown(r"^gen  genome of all\nshoal> get gen$")
    t.type("\x15help quit\n")
    t.until_shown(r"^usage: quit \[--keep\]\nshoal> \Z")
    t.type("connect http://127.0.0.1:1\n")
    t.until_shown("connection refused.*\nshoal> \Z")
    t.type("quit\n")
    check_eq(t.close(), 0, "quit")
    check_eq([e["name"] for e in i.entries()], ["genome of all"], "what it shared is unpublished")
    history = os.path.join(a.home, "history")
    check_eq(os.stat(history).st_mode & 0o777, 0o600, "the history is private")
    with open(history, encoding="utf-8") as f:
        text = f.read()
    check("help\\040quit" in text or "help quit" in text, "remembered", text)
    t = Terminal([h.BIN, "shell", "--index", i.url], env, a.dir)
    t.until_shown(r"^shoal> $")
    t.type("\x12help q")
    t.until_shown("help quit")
    t.type("\x1b\x05\n")
    t.until_shown(r"^usage: quit.*\nshoal> \Z")
    t.type("\x04")  # the end of input ends it, too
    check_eq(t.close(), 0, "the end of input")


@test("shell: --from takes one holder alone; set delay makes this peer slow to answer", seconds=180)
def _(w):
    w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_file(a.path("f"), 4 * MIB)
    one = a.share(src, "--listen", h.other(0), name="f")
    # Who listens there alone is found by nobody, as the index sees another address of it.
    b.get("f", "-o", b.path("f"), "--peer", f"{h.other(0)}:{one.port()}")
    two = b.start("get", "f", "-o", b.path("f"), "--seed", "--listen", "127.0.0.1", "--progress", "json")
    h.wait_for(lambda: w.indexes[0].holders("f"), 30 * h.SLOW, "a second holder")
    port = one.port()
    done = pipe_shell(c, f"get f --from {h.other(0)}:{port}\n")
    h.check_same(c.path("f"), src)
    sent = [json.loads(x) for x in two.err_text().splitlines() if x.startswith("{")]
    check_eq(max((x["up_bps"] for x in sent), default=0), 0, f"the other one sent something; {done.out}")
    c.run("get", "f", "--from", "x", "--peer", "y").expect(h.USAGE).error_line("exclude each other")
    two.stop()

    def seconds(*args):
        d = w.peer(f"d{len(args)}")
        return d.get("f", "-o", d.path("f"), "--from", f"{h.other(0)}:{port}").seconds
    fast = seconds()
    pids = json.dumps([one.pid])
    check_eq(ask(a, '{"verb": "set", "peers": [1], "delay_ms": 400}')["set"], False, "another peer is meant")
    check_eq(ask(a, f'{{"verb": "set", "peers": {pids}, "delay_ms": 400}}')["set"], True, "set")
    slow = seconds("slow")
    check(slow > fast + 1, "as fast as before", fast, slow)


def ask(peer, question):
    """The answer of the one peer that runs from this home."""
    run = os.path.join(peer.home, "run")
    with h.socket.socket(h.socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(os.path.join(run, os.listdir(run)[0]))
        s.sendall(question.encode() + b"\n")
        return json.loads(s.makefile().readline())


# ---- completions --------------------------------------------------------------------------

class Catalogue:
    """An index with some names, and what a shell needs to complete them."""

    def __init__(self, w):
        self.i = w.index()
        self.p = w.peer("a")
        serving = [self.p.share(h.make_file(self.p.path(n), 20 * KIB, seed=n), name=n) for n in ("genome.tar", "with space")]
        check(all(s.alive() for s in serving), "serving")
        os.makedirs(self.p.path("bin"), exist_ok=True)
        os.symlink(os.path.abspath(h.BIN), self.p.path("bin", "shoal"))
        for n in ("x.torrent", "x.txt"):
            h.make_file(self.p.path("files", n), 10)
        self.env = {**w.env(self.p.home), "SHOAL_INDEX": self.i.url, "ASAN_OPTIONS": "detect_leaks=0",
                    "PATH": self.p.path("bin") + ":" + os.environ["PATH"], "HOME": self.p.dir, "TERM": "dumb"}

    def run(self, *args, text=""):
        got = subprocess.run(args, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env,
                             cwd=self.p.path("files"), timeout=60 * h.SLOW, check=False)
        check_eq(got.stderr, "", f"{args[0]} complains")
        return got.stdout.splitlines()


WANTED = [  # what is typed, what is offered, what is not
    ("shoal ver", {"versions", "verify"}, {"get"}),
    ("shoal ge", {"get"}, {"ls"}),
    ("shoal get --repl", {"--replace"}, {"--name"}),
    ("shoal ls --sort ", {"name", "size", "date", "holders"}, {"genome.tar"}),
    ("shoal get gen", {"genome.tar"}, {"with space"}),
    ("shoal completions ", {"bash", "zsh", "fish"}, {"genome.tar"}),
    ("shoal config versi", {"versions"}, {"verify"}),
    ("shoal share x.t", {"x.torrent", "x.txt"}, set()),
    ("shoal get -o x.tx", {"x.txt"}, {"x.torrent"}),
    ("shoal index tok", {"token"}, {"add"}),
    ("shoal index token ", {"add", "list", "revoke"}, {"backup"}),
]


def compare(offered):
    for line, want, never in WANTED:
        got = set(offered(line))
        check(want <= got, f"{line!r}: not offered", want - got, got)
        check(not never & got, f"{line!r}: offered", never & got)


@test("completions: bash offers commands, options, their values, names of the index and files", seconds=120)
def _(w):
    h.need("bash")
    c = Catalogue(w)
    script = "source <(shoal completions bash)\n"

    def offered(line):
        return c.run("bash", "--norc", "-c", script + 'COMP_LINE=$1 COMP_POINT=${#1}; _shoal 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"',
                     "bash", line)
    compare(offered)
    check_eq(offered("shoal ls --sort=ho"), ["holders"], "--option=value")
    check_eq(offered("shoal get with"), ["with\\ space"], "quoted")


@test("completions: what bash puts in is one word, the name or file itself, and is never run", seconds=120)
def _(w):
    h.need("bash")
    c = Catalogue(w)
    names = ["two words", "zq`touch ran`", "dq$HOME", "semi;touch ran"]
    served = c.p.start("share", *[h.make_file(c.p.path("odd", n), 100, seed=n) for n in names])
    h.wait_for(lambda: all(any(e["name"] == n for e in c.i.entries()) for n in names) or not served.alive(), 30 * h.SLOW, "all are published")
    for n in ("my file.torrent", "my$HOME.torrent", "a dir/in side.torrent", "~tilde.torrent"):
        h.make_file(c.p.path("files", n), 10)
    t = Terminal(["bash", "--norc", "--noprofile", "-i"], {**c.env, "PS1": ""}, c.p.path("files"))
    t.type("bind 'set enable-bracketed-paste off'; source <(shoal completions bash); shoal() { printf '<%s>' \"$@\" .; echo; }; echo rea''dy\n")
    t.until(b"ready\r\n")
    for typed, words in (("info two\t", ["info", "two words"]), ("info two\\ w\t", ["info", "two words"]), ("info zq\t", ["info", names[1]]),
                         ("info dq\t", ["info", names[2]]), ("peers sem\t", ["peers", names[3]]), ("verify my\\ f\t", ["verify", "my file.torrent"]),
                         ("verify my\\$\t", ["verify", "my$HOME.torrent"]), ("share a\t\t", ["share", "a dir/in side.torrent"]),
                         ("verify \\~t\t", ["verify", "~tilde.torrent"]), ("share ~/odd/two\t", ["share", c.p.path("odd/two words")]),
                         ("get -o a\tx", ["get", "-o", "a dir/x"])):
        t.type("shoal " + typed + "\n")
        t.until(("<" + "><".join(words) + "><.>\r\n").encode())
    check(not os.path.exists(c.p.path("files", "ran")), "a name was run")
    t.type("exit\n")
    t.close()


@test("completions: fish offers the same, with descriptions", seconds=120)
def _(w):
    h.need("fish")
    c = Catalogue(w)

    def raw(line):
        return c.run("fish", "--no-config", "-c", 'shoal completions fish | source; complete -C $argv[1]', "--", line)
    compare(lambda line: [x.split("\t")[0] for x in raw(line)])
    check("--replace\treplace the file or folder at DEST, whatever it is" in raw("shoal get --repl"), "a description", raw("shoal get --repl"))


@test("completions: zsh offers the same on a terminal", seconds=180)
def _(w):
    h.need("zsh")
    c = Catalogue(w)
    fns = c.p.path("zfunc")
    os.makedirs(fns)
    with open(os.path.join(fns, "_shoal"), "w", encoding="utf-8") as f:
        f.write("\n".join(c.run("shoal", "completions", "zsh")) + "\n")
    t = Terminal(["zsh", "-f", "-i"], {**c.env, "PS1": "", "TERM": "xterm"}, c.p.path("files"))
    # List what there is without asking, one a line, and never insert the first of several.
    t.type(f"fpath=({fns} $fpath); autoload -U compinit; compinit -D -u; LISTMAX=1000; COLUMNS=200; "
           "setopt no_auto_menu no_list_ambiguous no_beep; bindkey '^T' list-choices; PS1=''; echo rea''dy\n")
    t.until(b"ready\r\n", 60)
    for line, want, never in WANTED:
        if len(want) == 1:  # only one: it is put in
            t.type(line + "\t")
            t.until(next(iter(want)).encode())
        else:
            t.type(line + "\x14")
            got = b""
            for word in sorted(want):
                got += t.until(word.encode()) if word.encode() not in got else b""
            check(not any(n.encode() in got for n in never), f"{line!r}: offered", got)
        t.type("\x15\x0cecho mar''ker\n")  # the line is wiped
        t.until(b"marker\r\n")
    t.type("exit\n")
    t.close()


if __name__ == "__main__":
    h.main()
