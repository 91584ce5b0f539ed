#!/usr/bin/python3
"""The program as it is built for use, under valgrind: what sanitizers do not see, memory that was never written to."""

import harness as h
from harness import test


@test("under memcheck a share and a get read nothing that was never written, and lose no memory", seconds=120)
def _(w):
    if h.SANITIZED:
        raise h.Skip("it has a sanitizer of its own")
    memcheck = (h.need("valgrind"), "-q", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--error-exitcode=99")
    # valgrind knows no Landlock, and makes calls of its own.
    env = {"LD_PRELOAD": h.shim("openat2"), "SHOAL_NO_SANDBOX": "yes"}
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    src = h.make_tree(a.path("d"), {"x": 200_000, "y/z": 40_000, "e": 0})
    share = a.start("share", src, wrap=memcheck, env=env)
    index.wait_seeds("d", seconds=60)
    b.start("get", "d", wrap=memcheck, env=env).wait(60).expect(h.OK)
    h.check_same(b.path("d"), src)
    share.stop(seconds=30).expect(h.OK)


if __name__ == "__main__":
    raise SystemExit(h.main())
