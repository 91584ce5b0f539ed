#!/usr/bin/python3
"""What people meet first: settings, JSON of one form, completions in real shells."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
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
        "index": ["token", "list", "--data", p.path("data")], "doctor": [],
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


@test("--progress json: lines of events on standard error, wherever it leads")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 8 * MIB)
    serving = a.share(src, "--progress", "json", name="f")
    got = b.get("f", "--progress", "json", "-q")
    for text, label in ((got.err, "f"), (serving.err_text(), None)):
        lines = [json.loads(x) for x in text.splitlines()]
        check(lines, "no progress", text)
        for x in lines:
            check_eq((x["schema"], x["event"]), (1, "progress"), "an event")
            check(set(x) >= {"label", "done", "total", "down_bps", "up_bps", "peers", "eta_s", "note"}, "members", x)
            check(label is None or x["label"] == label, "its label", x)
    check_eq(b.run("get", "f", "--progress", "none").expect(h.OK).err, "", "none")
    b.run("get", "f", "--progress", "loud").expect(h.USAGE).error_line("neither auto, json nor none")


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
    check_eq(set(seen), {"settings", "key", "space", "disk", "files", "watches", "port", "index", "clock", "peers", "versions"},
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
    quiet = p.run("doctor", "-q", "--index", "http://127.0.0.1:1").expect(h.FAILED).out
    check("fail  index" in quiet and "ok " not in quiet, "-q says what is wrong alone", quiet)


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


@test("completions: fish offers the same, with descriptions", seconds=120)
def _(w):
    h.need("fish")
    c = Catalogue(w)

    def raw(line):
        return c.run("fish", "--no-config", "-c", 'shoal completions fish | source; complete -C $argv[1]', "--", line)
    compare(lambda line: [x.split("\t")[0] for x in raw(line)])
    check("--replace\treplace what is at DEST, whatever it is" in raw("shoal get --repl"), "a description", raw("shoal get --repl"))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, args, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(args[0], args, env)
        self.seen = b""

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

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


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
