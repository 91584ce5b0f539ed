"""A network namespace of our own, where every client meets the same loopback and the same TCP."""

import os
import socket
import subprocess
import sys

ADDRESS = "10.77.0.1"  # 127.0.0.0/8 is nobody to Transmission


def enter():
    """As root: start this program again in a namespace where all sides use cubic. Else: stay."""
    if "BENCH_HOST" in os.environ or os.geteuid() != 0:
        return
    route = "ip route replace local {0} dev lo table local proto kernel scope host src {1} congctl cubic"
    setup = " && ".join(["ip link set lo up", f"ip addr add {ADDRESS}/32 dev lo", route.format(ADDRESS, ADDRESS),
                         route.format("127.0.0.0/8", "127.0.0.1"), route.format("127.0.0.1", "127.0.0.1")])
    tried = subprocess.run(["unshare", "-n", "sh", "-c", setup], stderr=subprocess.DEVNULL, check=False)
    if tried.returncode == 0:
        os.environ["BENCH_HOST"] = ADDRESS
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", setup + ' && exec "$@"', "sh", sys.executable, "-B",
                              *sys.argv])


def host():
    return os.environ.get("BENCH_HOST", "127.0.0.1")


def congestion_control():
    with socket.create_server((host(), 0)) as s, socket.create_connection(s.getsockname()) as c:
        return c.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b"\0").decode()  # TCP_CONGESTION


class Ports:
    """Free ports below those that the kernel gives to outgoing connections."""

    def __init__(self):
        self.next = 20000

    def take(self):
        while True:
            self.next = 20000 if self.next >= 32000 else self.next + 1
            with socket.socket() as s:
                try:
                    s.bind((host(), self.next))
                    return self.next
                except OSError:
                    pass
