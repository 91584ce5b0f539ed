#!/usr/bin/python3
"""What processes that talk to strangers have given up, and that what they still must do works."""

import os
import re
import shutil
import signal
import subprocess

import harness as h
from harness import KIB, SLOW, check, check_eq, test

PARTS = ("files", "calls", "rights")


_found = []


def confined(w):
    """The parts that commands have here, as doctor says."""
    if h.SANITIZED:
        raise h.Skip("sanitizers trace the process: their builds have no sandbox")
    if not _found:
        checks = w.peer("doctor").run("doctor", "--json", "--port", "0").json()["checks"]
        _found.append({c["check"]: c["text"] for c in checks}["sandbox"])
    has = [part for part in PARTS if re.search(part + r"( \(\w+\))?: yes", _found[0])]
    if not has:
        raise h.Skip(f"no sandbox here: {_found[0]}")
    return has


def status(pid, thread=None):
    where = f"/proc/{pid}/status" if thread is None else f"/proc/{pid}/task/{thread}/status"
    with open(where, encoding="ascii", errors="replace") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def check_confined(pid, has, what):
    """All threads of it."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        s = status(pid, thread)
        if "rights" in has:
            check_eq((s["NoNewPrivs"], int(s["CapEff"], 16), int(s["CapPrm"], 16)), ("1", 0, 0), f"{what}: rights")
        if "calls" in has:
            check_eq(s["Seccomp"], "2", f"{what}: calls")


@test("index, share, daemon and get are confined, every thread of them; with --no-sandbox they are not")
def _(w):
    has = confined(w)
    index = w.index()
    a, b, c = w.peer("a"), w.peer("b"), w.peer("c")
    src = h.make_file(a.path("f"), 300 * KIB)
    share = a.share(src)
    check_confined(index.proc.pid, has, "index")
    s = status(share.pid)
    check_eq(s["Seccomp"], "2" if "calls" in has else "0", "share")
    read_search = 1 << 2
    check(int(s["CapEff"], 16) & ~read_search == 0, "share reads as root, and no more", s["CapEff"])
    d = b.daemon()
    check_confined(d.pid, has, "daemon")
    get = c.start("get", "f", "--seed")
    h.wait_for(lambda: os.path.exists(c.path("f")), 20 * SLOW, "the download")
    check_confined(get.pid, has, "get")
    h.check_same(c.path("f"), src)
    get.stop()
    free = c.start("get", "f", "--seed", "--no-sandbox", "-o", "again")
    h.wait_for(lambda: os.path.exists(c.path("again")), 20 * SLOW, "the download")
    check_eq((status(free.pid)["Seccomp"], status(free.pid)["NoNewPrivs"]), ("0", "0"), "--no-sandbox")


@test("an index reads certificates again that were replaced, and opens its log anew, within its sandbox")
def _(w):
    confined(w)
    certs, logs = w.path("certs"), w.path("logs")
    for folder in (certs, logs, w.path("new")):
        os.makedirs(folder)

    def make(folder, name):
        subprocess.run([h.need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem", "-subj", "/CN=" + name],
                       check=True, stderr=subprocess.DEVNULL)
    make(certs, "one")
    log = os.path.join(logs, "index.log")
    proc = w.start(h.BIN, "index", "--listen", f"{h.HOST}:0", "--data", w.path("data"), "--log", log, "--no-udp",
                   "--tls-cert", certs + "/cert.pem", "--tls-key", certs + "/key.pem", "--no-lan", name="index")
    h.wait_for(lambda: os.path.exists(log) and "start" in open(log).read(), 15 * SLOW, "it is up")
    make(w.path("new"), "two")
    for name in ("cert.pem", "key.pem"):
        os.rename(w.path("new", name), os.path.join(certs, name))
    os.rename(log, log + ".1")
    proc.send(signal.SIGHUP)
    h.wait_for(lambda: os.path.exists(log) and "reload" in open(log).read(), 10 * SLOW, "the log was opened anew")
    check("reload_failed" not in open(log).read(), "all was read again", open(log).read())


@test("a get reads .torrent files and --reuse wherever they are, and its command writes anywhere; -v says what of the sandbox there is not")
def _(w):
    has = confined(w)
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 300 * KIB)
    a.share(src)
    torrent = w.path("elsewhere.torrent")
    a.run("create", src, "-o", torrent).expect(h.OK)
    shutil.copy(src, w.path("older"))
    for ref, out in ((torrent, "one"), ("f", "two")):
        told = w.path("told-" + out)
        got = b.run("get", ref, "-o", out, "-v", "--reuse", w.path("older"), "--on-complete", "touch " + told).expect(h.OK)
        check(os.path.exists(told), "the user's command is run, and not confined", got.err)
        check(("sandbox:" in got.err) == (len(has) < len(PARTS)), "-v says what is not there", got.err)
        h.check_same(b.path(out), src)


@test("a daemon writes where its user says, and not where the system is")
def _(w):
    has = confined(w)
    h.need_root()
    if "files" not in has:
        raise h.Skip("no Landlock here")
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 30 * KIB)
    a.share(src)
    b.daemon()
    got = b.run("get", "f", "-o", "/etc/shoal-sandbox-test").expect(h.DENIED)
    check("ermission denied (to the daemon; --no-daemon does it as you)" in got.err, "why", got.err)
    check(not os.path.exists("/etc/shoal-sandbox-test"), "nothing is there")
    where = w.path("new")
    os.makedirs(where)
    b.run("get", "f", "-o", where + "/f").expect(h.OK)
    h.check_same(where + "/f", src)


@test("a daemon with --beneath reads and writes there and in its home alone")
def _(w):
    if "files" not in confined(w):
        raise h.Skip("no Landlock here")
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 30 * KIB))
    for name in ("in", "out"):
        os.makedirs(w.path(name))
    b.daemon("--beneath", w.path("in"))
    check("ermission denied" in b.run("get", "f", "-o", w.path("out", "f")).expect(h.DENIED).err, "written elsewhere")
    refused = b.run("share", h.make_file(w.path("out", "g"), KIB), "--detach").expect(h.DENIED)
    check("--no-daemon" in refused.err, "how it can be shared", refused.err)
    check_eq(index.entries(name="g"), [], "what the daemon may not read is not published")
    b.run("get", "f", "-o", w.path("in", "f")).expect(h.OK)
    h.check_same(w.path("in", "f"), a.path("f"))
    b.run("share", h.make_file(w.path("in", "h"), KIB), "--detach").expect(h.OK)


@test("root's daemon says before it is published that it may not read a file of somebody else's in a folder")
def _(w):
    if "rights" not in confined(w):
        raise h.Skip("root keeps its rights here")
    h.need_root()
    index = w.index()
    a = w.peer("a")
    folder = h.make_tree(a.path("folder"), {"mine": KIB, "sub/theirs": KIB})
    theirs = os.path.join(folder, "sub", "theirs")
    os.chown(theirs, 65534, 65534)
    os.chmod(theirs, 0o600)
    a.daemon()
    refused = a.run("share", folder, "--detach").expect(h.DENIED)
    refused.error_line("theirs: Permission denied", "--no-daemon")
    check_eq(index.entries(name="folder"), [], "nothing is published")
    os.chmod(theirs, 0o644)
    a.run("share", folder, "--detach").expect(h.OK)


@test("doctor names the commands that settings or the environment keep out of the sandbox")
def _(w):
    confined(w)
    p = w.peer("p")
    os.makedirs(p.home)
    with open(os.path.join(p.home, "config"), "w", encoding="ascii") as f:
        f.write("[get]\nno-sandbox = yes\n")

    def sandbox(**env):
        checks = p.run("doctor", "--json", "--port", "0", env=env).json()["checks"]
        return next(c for c in checks if c["check"] == "sandbox")
    found = sandbox()
    check_eq((found["result"], found["text"].split(":")[0]), ("warn", "none for get"), "by the settings")
    check("settings" in found["advice"], "where", found)
    found = sandbox(SHOAL_NO_SANDBOX="yes")
    check_eq(found["text"].split(":")[0], "none for index, share, get, daemon", "by the environment")
    check("SHOAL_NO_SANDBOX" in found["advice"], "where", found)
    check("none for" not in sandbox(SHOAL_NO_SANDBOX="no")["text"], "the environment counts before the settings")


if __name__ == "__main__":
    raise SystemExit(h.main())
