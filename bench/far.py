"""A long line between the seeds and the getters (line.c), which then are in another network namespace."""

import contextlib
import os
import subprocess

import own_net
from adapters.base import Missing
from adapters.shoal import BIN
from watch import Failed, Watched, wait

LINE = os.environ.get("SHOAL_LINE") or os.path.join(os.path.dirname(BIN), "..", "..", "bench", "line")
NAME, HERE, THERE = "far0", "10.78.0.1", "10.78.0.2"
CONGESTION = "congctl cubic"


def _ip(prefix, *commands):
    for c in commands:
        subprocess.run([*prefix, "ip", *c.split()], check=True)


class Line:
    """While it is entered, `inside` is what a command needs in front to run at the far end, and `host` the
    address there. The near end is an interface with an address of its own: libtorrent's seeds hear nothing
    that comes through another one than their address's."""

    def __init__(self, run, rtt_ms, mbit, queue_ms, loss_ppm=0):
        self.figures = [str(v) for v in (rtt_ms, mbit, queue_ms, loss_ppm)]
        self.run, self.host = run, THERE
        self.process = self.inside = None
        self.near = contextlib.ExitStack()

    def __enter__(self):
        if self.run.host != own_net.ADDRESS:
            raise Missing("a line needs root, and a network namespace of our own")
        self.process = Watched([LINE, NAME, *self.figures], self.run.log("line"))
        try:
            wait(lambda: "ready" in self.process.last_words() or self.process.poll() is not None, 20, "the line")
            if self.process.poll() is not None:
                raise Failed(f"line: {self.process.last_words()}")
            self._set_up()
        except BaseException:
            self.process.end()
            raise
        self.near.enter_context(self.run.at(HERE))
        return self

    def _set_up(self):
        self.inside = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "--"]
        _ip([], f"addr add {HERE}/24 dev {NAME}", f"link set {NAME} up",
            f"route replace {THERE} dev {NAME} src {HERE} {CONGESTION}")
        _ip(self.inside, "link set lo up", f"addr add {THERE}/24 dev {NAME}", f"link set {NAME} up",
            f"route replace default via {HERE} dev {NAME} src {THERE} {CONGESTION}")

    def __exit__(self, *_):
        self.near.close()
        self.process.end()
