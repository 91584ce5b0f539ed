"""A terminal of the simplest kind (vt100) around a program: what it shows, and keys for it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

import harness as h
from harness import check

_CSI = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
_OTHER = re.compile(r"\x1b[()][A-Za-z0-9]|\x1b[=>78MDE]|[\x00-\x1f]")


class Terminal:
    def __init__(self, world, args, env, cwd, columns=80, rows=24, term="vt100"):
        self.master, slave = pty.openpty()
        self.columns, self.rows = columns, rows
        self._size(slave)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.p = subprocess.Popen([os.fspath(a) for a in args], stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
                                  env={**env, "TERM": term, "LC_ALL": "C.UTF-8"}, preexec_fn=self._lead)
        os.set_blocking(self.master, False)
        self.raw, self.rest = "", b""
        self._wipe()
        world.closers.append(self.close)

    @staticmethod
    def _lead():
        """As under a shell: what has nobody above it in its session cannot be stopped."""
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        pid = os.fork()
        if pid:
            os.closerange(3, 1024)
            _, status = os.waitpid(pid, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)

    def pid(self):
        """Of the program itself."""
        with open(f"/proc/{self.p.pid}/task/{self.p.pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def is_stopped(self):
        with open(f"/proc/{self.pid()}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    def _size(self, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def _wipe(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.y = self.x = 0

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self._wipe()
        self._size(self.master)

    def send(self, keys):
        os.write(self.master, keys.encode())

    def _put(self, c):
        if self.x >= self.columns:
            self.x, self.y = 0, min(self.y + 1, self.rows - 1)
        wide = unicodedata.east_asian_width(c) in "WF"
        self.cells[self.y][self.x] = c
        if wide and self.x + 1 < self.columns:
            self.cells[self.y][self.x + 1] = ""
        self.x += 1 + wide

    def _steer(self, args, letter):
        n = [int(a) if a.isdigit() else 0 for a in args.split(";")]
        first = max(1, n[0])
        if letter == "H":
            self.y, self.x = max(1, n[0]) - 1, max(1, n[1] if len(n) > 1 else 1) - 1
        elif letter in "ABCD":
            self.y += {"A": -first, "B": first}.get(letter, 0)
            self.x += {"C": first, "D": -first}.get(letter, 0)
        elif letter == "K":
            span = {0: range(self.x, self.columns), 1: range(self.x + 1)}.get(n[0], range(self.columns))
            for x in span:
                self.cells[self.y][x] = " "
        elif letter == "J":
            self.cells[self.y][self.x:] = [" "] * (self.columns - self.x)
            for y in range(self.y + 1, self.rows):
                self.cells[y] = [" "] * self.columns
        self.y, self.x = min(max(self.y, 0), self.rows - 1), min(max(self.x, 0), self.columns)

    def _control(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.y = min(self.y + 1, self.rows - 1)
        elif c == "\b":
            self.x = max(self.x - 1, 0)
        elif c == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)

    def _take(self, text):
        while text:
            if m := _CSI.match(text):
                self._steer(*m.groups())
            elif m := _OTHER.match(text):
                self._control(m.group())
            elif text[0] == "\x1b" and len(text) < 12:
                return text
            else:
                self._put(text[0])
            text = text[m.end() if m else 1:]
        return ""

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                new = os.read(self.master, 65536)
            except OSError:
                break
            if not new:
                break
            self.rest += new
        try:
            text, self.rest = self.rest.decode(), b""
        except UnicodeDecodeError as e:
            text, self.rest = self.rest[:e.start].decode(), self.rest[e.start:]
        self.raw += text
        self.rest = self._take(text).encode() + self.rest

    def lines(self):
        self.read()
        return ["".join(line).rstrip() for line in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def wait(self, pattern, seconds=15):
        try:
            return h.wait_for(lambda: re.search(pattern, self.text(), re.M), seconds * h.SLOW,
                              f"the screen shows /{pattern}/")
        except h.Failed as e:
            raise h.Failed(f"{e}; it shows:\n{self.text()}\n{self.raw[-300:]!r}")

    def wait_end(self, code, seconds=15):
        """The program has ended so, and the terminal is as it was."""
        end = time.monotonic() + seconds * h.SLOW
        while self.p.poll() is None and time.monotonic() < end:
            self.read()
            time.sleep(0.02)
        self.read()
        check(self.p.poll() == code, f"exit {self.p.poll()}, want {code}", self.raw[-600:])
        check(self.is_restored(), "the terminal is not as it was")

    def is_restored(self):
        now = termios.tcgetattr(self.slave)
        return now[:4] == self.before[:4]

    def close(self):
        if self.p.poll() is None:
            os.kill(self.pid(), signal.SIGKILL)
            self.p.wait(10)
        for fd in (self.master, self.slave):
            os.close(fd)
