#!/usr/bin/python3
"""What is shown where: terminals of every width, behind other work, files and pipes that take no more."""

import os

import harness as h
from harness import MIB, check, check_eq, test
from terminal import Terminal

NAME = "a-file-with-quite-a-long-name-that-goes-on.iso"


def slow(peer, *args):
    """A download of two seconds."""
    return peer.args("get", NAME, "--limit-down", "2M", "--limit-lan", *args)


@test("the progress line of a long name has its figures on a terminal of any width, and follows a change of it")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path(NAME), 4 * MIB))
    t = Terminal(w, slow(b), w.env(b.home), b.dir, columns=20)
    t.wait(r"^a-file\S*~ +\d+%$")
    for columns, shown in ((40, r"^a-file\S*~ +\d+% \S+ of 4.0 MiB$"), (100, r"^a-file\S+[^~] +\d+% .* 1 peer")):
        t.resize(columns, 24)
        t.wait(shown)
    t.wait_end(h.OK)
    check("4.0 MiB verified" in t.raw, "its end", t.raw[-300:])


@test("behind other work on a terminal no progress is drawn into that, and the end is said")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path(NAME), MIB))
    t = Terminal(w, ["bash", "-c", 'set -m; "$@" & wait $!', "bash", *slow(b)], w.env(b.home), b.dir)
    t.wait_end(h.OK)
    check("verified" in t.raw and "%" not in t.raw and "\x1b" not in t.raw, "the end alone", t.raw)


@test("standard output that is full is said, with the exit code of a full disk")
def _(w):
    w.index()
    a = w.peer("a")
    p = a.start("whoami", wrap=("sh", "-c", 'exec "$@" > /dev/full', "sh"))
    p.wait(20).expect(h.NO_SPACE).error_line("standard output: No space left")
    # The same where it was met on the way, by what is flushed line by line or is too long for one write.
    a.share(h.make_file(a.path("f"), 1000))
    for args in (a.args("get", "f", "-o", "g", "--json"), a.args("get", "f", "-o", "h"), a.args("completions", "bash")):
        done = w.start("sh", "-c", 'exec "$@" > /dev/full', "sh", *args, env=w.env(a.home), cwd=a.dir).wait(20 * h.SLOW).expect(h.NO_SPACE)
        done.error_line("standard output: No space left")
    h.need_root()
    w.mount(w.path("small"), 8192)
    done = w.start("sh", "-c", 'exec "$@" > ../small/f', "sh", *a.args("completions", "bash"), env=w.env(a.home), cwd=a.dir).wait(20 * h.SLOW)
    done.expect(h.NO_SPACE).error_line("standard output: No space left")


@test("an unknown command is said as JSON to who wants that; a --name that no file can have is blamed, not the files")
def _(w):
    a = w.peer("a", "http://127.0.0.1:1")
    for args in (["foo", "--json"], ["help", "foo", "--json"]):
        error = w.start(h.BIN, *args, env=w.env(a.home)).wait(20).expect(h.USAGE).json()["error"]
        check_eq((error["code"], "foo" in error["message"]), ("invalid", True), f"{args}")
    h.make_file(a.path("f"), 1000)
    for name in ("a/b", "..", "x" * 300):
        a.run("create", "f", "--name", name).expect(h.USAGE).error_line("--name '.*': not what a file can be called")
    check_eq(os.listdir(a.dir), ["f"], "nothing is made")


if __name__ == "__main__":
    raise SystemExit(h.main())
