#!/usr/bin/python3
"""What is run, and who is told, when something is complete or has failed."""

import http.server
import json
import os
import signal
import sys
import threading

import harness as h
from harness import HOST, KIB, SLOW, check, check_eq, test

# Writes its words and what of its environment is ours to a file.
NOTE = "import json, os, sys; json.dump([sys.argv[2:], {k: v for k, v in os.environ.items() if k.startswith('SHOAL_')}]," \
       " open(sys.argv[1] + '.new', 'w')); os.rename(sys.argv[1] + '.new', sys.argv[1])"


class Listener:
    """A server of webhooks: answers with the statuses it is given, then with 200."""

    def __init__(self, *statuses):
        self.heard, self.statuses = [], list(statuses)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append((self.headers["Content-Type"], json.loads(body)))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            def server_bind(self):
                self.socket.bind(self.server_address)
                self.server_address = self.socket.getsockname()
                self.server_name, self.server_port = self.server_address

        self.server = Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def note(path):
    h.wait_for(lambda: os.path.exists(path), 20 * SLOW, "the command ran")
    with open(path) as f:
        return json.load(f)


def command(path, *words):
    return " ".join([sys.executable, "-c", '"' + NOTE.replace("\\", "\\\\").replace('"', '\\"') + '"', path, *words])


@test("get --on-complete runs a command with its words as they are, and ends when it has ended")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("odd $(touch x); name"), 100 * KIB)
    a.share(src, name="f")
    out = b.path("note")
    b.run("get", "f", "-o", b.path("here"), "--on-complete",
          command(out, "{path}", "'a  b'", "{event}:{name}", "{nothing}", "$HOME")).expect(h.OK)
    words, env = note(out)
    check_eq(words, [b.path("here"), "a  b", "complete:odd $(touch x); name", "{nothing}", "$HOME"], "words")
    check_eq((env["SHOAL_PATH"], env["SHOAL_TITLE"], env["SHOAL_BYTES"], env["SHOAL_ERROR"]),
             (b.path("here"), "a/f@1", str(100 * KIB), ""), "environment")
    check(not os.path.exists(b.path("x")), "no shell")


@test("a command that fails or is not there is said, and the download is complete all the same")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 10 * KIB))
    check("ended with status 3" in b.run("get", "f", "-o", "1", "--on-complete", "sh -c 'exit 3'").expect(h.OK).err, "said")
    check("no-such: cannot be run" in b.run("get", "f", "-o", "2", "--on-complete", "no-such").expect(h.OK).err, "said")
    for bad in ("'open", "", "  "):
        b.run("get", "f", "-o", "3", "--on-complete", bad).expect(h.USAGE).error_line("--on-complete")
    b.run("get", "f", "-o", "3", "--webhook", "ftp://x/").expect(h.USAGE).error_line("--webhook")
    b.run("get", "f", "f", "--on-complete", "true").expect(h.USAGE).error_line("--on-complete")
    b.run("get", "f", "-o", "-", "--on-complete", "true").expect(h.USAGE).error_line("--on-complete")


@test("get --webhook tells it, again while it answers badly, and says when it was in vain")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 10 * KIB))
    with Listener(500) as one:
        b.run("get", "f", "-o", b.path("1"), "--webhook", one.url).expect(h.OK)
        check_eq(len(one.heard), 2, "told twice")
        kind, body = one.heard[1]
        check_eq(kind, "application/json", "kind")
        check_eq(body, {"schema": 1, "event": "complete", "title": "a/f@1", "name": "f", "path": b.path("1"),
                        "bytes": 10 * KIB, "error": None}, "body")
    with Listener(*[404] * 4) as two:
        check("not told: status 404" in b.run("get", "f", "-o", "2", "--webhook", two.url).expect(h.OK).err, "said")


@test("the daemon runs and tells for each that is complete, and that fails")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_file(a.path("f"), 100 * KIB)
    a.share(src)
    a.share(h.make_tree(a.path("folder"), {"x": 64 * KIB, "y": 50 * KIB}))
    out = b.path("note")
    with Listener() as one:
        b.daemon("--on-complete", command(out, "{event}", "{title}"), "--webhook", one.url)
        b.run("get", "f", "-o", b.path("f")).expect(h.OK)
        check_eq(note(out)[0], ["complete", "a/f@1"], "words")
        os.remove(out)
        b.run("get", "folder", "--only", "x", "-o", b.path("part")).expect(h.OK)
        h.wait_for(lambda: len(one.heard) == 2, 20 * SLOW, "it is told")
        check_eq([body["bytes"] for _, body in one.heard], [100 * KIB, 64 * KIB], "bytes, of a part those of that")
        check_eq(note(out)[0], ["complete", "a/folder@1"], "words")
        os.remove(out)
        with open(b.path("f"), "r+b") as f:
            f.write(b"other")
        b.run("recheck", "f").expect(h.OK)
        words, env = note(out)
        check_eq(words, ["failed", "a/f@1"], "words")
        check(env["SHOAL_ERROR"], "with the reason")
        h.wait_for(lambda: len(one.heard) == 3, 20 * SLOW, "all were told")
        check_eq([x[1]["event"] for x in one.heard], ["complete", "complete", "failed"], "events")


@test("SIGHUP: the daemon has the hooks of its file from then on; flags still beat it; what cannot change is named")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 50 * KIB), "--as", "alice")
    d = b.daemon("--max-active", "3")
    with Listener() as hear, open(os.path.join(b.home, "config"), "w") as f:
        f.write(f"[daemon]\nwebhook = {hear.url}\nmax-active = 8\nlisten = 127.0.0.1\n")
        f.flush()
        d.send(signal.SIGHUP)
        h.wait_for(lambda: "settings are read again" in d.err_text(), 10 * SLOW, "SIGHUP")
        check("from the next start on also: listen" in d.err_text(), "what cannot change", d.err_text())
        check("3 downloads" in b.run("queue").out, "the flag")
        b.run("get", "f").expect(h.OK)
        h.wait_for(lambda: hear.heard, 20 * SLOW, "the webhook is told")
        check_eq(hear.heard[0][1]["title"], "alice/f@1", "of what")


@test("SIGHUP: of settings of which one is not usable, none is used")
def _(w):
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 50 * KIB), "--as", "alice")
    os.makedirs(b.home, 0o700)
    with Listener() as hear, Listener() as other, open(os.path.join(b.home, "config"), "w") as f:
        f.write(f"[daemon]\nwebhook = {hear.url}\n")
        f.flush()
        d = b.daemon()
        f.seek(0)
        f.write(f"[daemon]\nwebhook = {other.url}\nmax-active = 8\n" + "limit-at = 01:00-02:00=1M\n" * 100)
        f.flush()
        d.send(signal.SIGHUP)
        h.wait_for(lambda: "settings are not usable: --limit-at" in d.err_text(), 10 * SLOW, "SIGHUP")
        b.run("get", "f").expect(h.OK)
        h.wait_for(lambda: hear.heard or other.heard, 20 * SLOW, "a webhook is told")
        check_eq((len(hear.heard), len(other.heard)), (1, 0), "the one that it had")
        check("8 downloads" not in b.run("queue").out, "nor the others")


if __name__ == "__main__":
    raise SystemExit(h.main())
