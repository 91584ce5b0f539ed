#!/usr/bin/python3
"""Started because somebody asked: sockets that a service manager made, as sd_listen_fds(3) hands them over."""

import fcntl
import os
import socket
import stat
import sys

import harness as h
from harness import KIB, check, check_eq, test

# What systemd does between fork and exec.
HAND_OVER = """
import os, sys
fds = [int(x) for x in sys.argv[1].split(",")]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """The sockets, and a process for them once somebody knocks."""

    def __init__(self, world):
        self.world, self.fds = world, []

    def add(self, sock):
        self.fds.append(fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 20))
        sock.close()

    def tcp(self, host="127.0.0.1", port=0):
        s = socket.create_server((host, port))
        port = s.getsockname()[1]
        self.add(s)
        return port

    def local(self, path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        os.chmod(path, 0o600)
        s.listen(16)
        self.add(s)

    def start(self, args, env, cwd=None):
        return self.world.start(sys.executable, "-c", HAND_OVER, ",".join(map(str, self.fds)), *args, env=env, cwd=cwd,
                                name="activated", fds=self.fds)

    def close(self):
        for fd in self.fds:
            os.close(fd)


def manager(w):
    m = Manager(w)
    w.closers.append(m.close)
    return m


@test("the daemon takes its control socket and HTTP port, leaves the socket's name, is started again by who asks")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    h.make_file(a.path("x"), 300 * KIB)
    sock = os.path.join(a.home, "run", "daemon.sock")
    m = manager(w)
    m.local(sock)
    port = m.tcp()
    # It asks before anybody is there, and is answered by who comes.
    asks = a.start("status", "--json")
    d = m.start(a.args("daemon"), w.env(a.home))
    check_eq(asks.wait(30 * h.SLOW).expect(h.OK).json()["transfers"], [], "transfers")
    with open(os.path.join(a.home, "run", "api"), encoding="ascii") as f:
        check_eq(f.read().strip(), f"http://127.0.0.1:{port}", "the address of its HTTP API")
    check_eq(a.api("GET", "status")[0], 200, "HTTP")
    a.run("share", a.path("x"), "-d").expect(h.OK)
    index.wait_seeds("x")
    b.get("x")
    # One is enough.
    a.run("daemon").expect(h.TAKEN)
    a.run("leave").expect(h.OK)
    d.wait(15 * h.SLOW).expect(h.OK)
    check(stat.S_ISSOCK(os.stat(sock).st_mode), "the name of the socket is gone")
    asks = a.start("status", "--json")
    d = m.start(a.args("daemon"), w.env(a.home))
    check_eq(len(asks.wait(30 * h.SLOW).expect(h.OK).json()["transfers"]), 1, "what it shares")
    d.stop().expect(h.OK)


@test("the index serves the socket that it is given, TCP and UDP on that port, and says so")
def _(w):
    m = manager(w)
    port = h.free_port()
    m.tcp(h.HOST, port)
    env = w.env(os.path.join(w.dir, "home-index"))
    p = m.start([h.BIN, "index", "--data", w.path("data")], env)
    check_eq(h.http(f"http://{h.HOST}:{port}/api/v1/status")[0], 200, "status")
    h.wait_for(lambda: f"{h.HOST}:{port}/announce" in p.out().decode(), 10 * h.SLOW, "it says where")
    check_eq(p.listening(), {port}, "it listens there and nowhere else")
    p.stop().expect(h.OK)
    m.start([h.BIN, "index", "--data", w.path("data"), "--listen", ":0"], env).wait(20 * h.SLOW).expect(h.USAGE) \
        .error_line("exclude each other")


@test("what is no listening stream, or is open to others, is refused by name; what is for another process is let be")
def _(w):
    a = w.peer("a")
    m = manager(w)
    m.add(socket.socket(type=socket.SOCK_DGRAM))
    refused = m.start(a.args("daemon"), w.env(a.home)).wait(20 * h.SLOW)
    refused.expect(h.USAGE).error_line("descriptor 3", "ListenStream")
    m = manager(w)
    m.tcp("0.0.0.0")
    m.start(a.args("daemon"), w.env(a.home)).wait(20 * h.SLOW).expect(h.USAGE).error_line("not on 127.0.0.1")
    d = a.daemon(env={"LISTEN_PID": "1", "LISTEN_FDS": "3"})
    check_eq(a.transfers(), [], "it runs as ever")
    d.stop()


if __name__ == "__main__":
    raise SystemExit(h.main())
