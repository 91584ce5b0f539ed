"""Programs whose nth allocation fails: the other end of tests/shim/failnth.c."""

import mmap
import os
import struct

import harness as h


class Allocations:
    """`env` starts a program that counts; it fails what fail() says, from then on."""

    def __init__(self, w, name):
        if h.SANITIZED:
            raise h.Skip("a sanitizer has an allocator of its own")
        shim = h.shim("failnth")
        path = w.path(name)
        with open(path, "wb") as f:
            f.write(bytes(40))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)
        self.env = {"LD_PRELOAD": shim, "SHOAL_FAILNTH": path}

    def fail(self, n, forever=False, everyone=False):
        """The nth from now; 0: none."""
        self.map[:] = struct.pack("=5Q", 0, forever, everyone, 0, 0)
        self.map[:8] = struct.pack("=Q", n)

    @property
    def asked(self):
        return struct.unpack("=5Q", self.map[:])[3]

    @property
    def failed(self):
        return struct.unpack("=5Q", self.map[:])[4]
