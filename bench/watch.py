"""Processes that are watched: when they end, what CPU they use, what memory they take at most."""

import ctypes
import os
import signal
import subprocess
import threading
import time

LIBC = ctypes.CDLL(None)
CPUCLOCK_SCHED = 2  # of clock ids that clock_getcpuclockid(3) makes
SAMPLE_S = 0.005  # between two looks at some process, however many there are
ASK_AGAIN_S, END_S = 1, 6  # an interrupted process is asked again (rtorrent then hurries), and killed at last


def _die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Watched:
    """One process. CPU seconds include those of its children that it waited for."""

    living = 0

    def __init__(self, cmd, log, done=None):
        """`done`: a path that appears when the work is done; without it, the process ends then."""
        self.cmd, self.log_path, self.done = cmd, log, done
        self.log = open(log, "ab")
        self.p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  start_new_session=True, preexec_fn=_die_with_parent)
        self.pid, self.usage, self.code = self.p.pid, None, None
        self.peak_rss = self.peak_anon = self.anon = 0
        self.cpu_before = 0.0
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self):
        Watched.living += 1
        while self.usage is None:
            self.look()
            time.sleep(SAMPLE_S * Watched.living)
        Watched.living -= 1

    def look(self):
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
                d = dict(line.split(":", 1) for line in f)
            self.anon = int(d["RssAnon"].split()[0]) << 10
            self.peak_rss = max(self.peak_rss, int(d["VmHWM"].split()[0]) << 10)
            self.peak_anon = max(self.peak_anon, self.anon)
        except (OSError, KeyError, ValueError):
            pass

    def poll(self):
        if self.usage is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.usage, self.code = usage, os.waitstatus_to_exitcode(status)
                self.p.returncode = self.code
        return self.code

    def is_done(self):
        return (self.done is not None and os.path.exists(self.done)) or self.poll() is not None

    def _cpu_now(self):
        """By the process's own clock: /proc counts in hundredths of a second, which four seeds make four of."""
        return time.clock_gettime(~self.pid << 3 | CPUCLOCK_SCHED)

    def mark(self):
        """CPU used from here on counts."""
        self.cpu_before = self._cpu_now()

    def cpu(self):
        """Seconds since mark()."""
        if self.usage is None:
            return self._cpu_now() - self.cpu_before
        return self.usage.ru_utime + self.usage.ru_stime - self.cpu_before

    def interrupt(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGINT)

    def end(self):
        self.interrupt()
        for seconds, then in ((ASK_AGAIN_S, signal.SIGINT), (END_S, signal.SIGKILL), (END_S, 0)):
            until = time.monotonic() + seconds
            while self.poll() is None and time.monotonic() < until:
                time.sleep(0.005)
            if self.poll() is None:
                os.kill(self.pid, then)
        self.log.close()

    def last_words(self):
        with open(self.log_path, errors="replace", encoding="utf-8") as f:
            return f.read()[-2000:]


def end_all(procs):
    for p in procs:
        p.interrupt()
    for p in procs:
        p.end()


def wait(condition, seconds, what, every=0.002):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(every)


class Failed(Exception):
    """A client did not do what was asked of it: its row is left out."""


def timed(cmd, cpus=None):
    """{wall, cpu} of a command that must succeed; its standard output under "out"."""
    if cpus is not None:
        cmd = ["taskset", "-c", cpus, *cmd]
    begun = time.monotonic()
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = p.stdout.read(), p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    wall = time.monotonic() - begun
    p.returncode = os.waitstatus_to_exitcode(status)
    p.stdout.close()
    p.stderr.close()
    if p.returncode != 0:
        raise Failed(f"{' '.join(cmd)}: exit {p.returncode}: {err[-500:]!r}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "out": out}
