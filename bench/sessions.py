#!/usr/bin/python3
"""Live sessions at one index: memory and CPU of so many peers that are there and idle.

    SHOAL_BIN=build/src/cli/shoal python3 bench/sessions.py [SESSIONS]

Each is in one swarm of 1,280 pieces with half of them in its map, which is the costliest kind, and beats
every 3 s. First they come one after the other, each waiting for its answer; then all are cut off; then
they come all at once, as after a restart of the index. They come from 200 addresses of 127.1.0.0/16."""

import base64
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness as h  # noqa: E402

import socket  # noqa: E402

ASK = b"GET /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shoal-session/1\r\n\r\n"
HALF = base64.b64encode(b"\x55" * 160).decode()
BEATS = 4


def come(index, i, wait):
    s = socket.create_connection((h.HOST, index.port), timeout=60, source_address=(h.other(i % 200), 0))
    hello = {"t": "hello", "peer_id": f"{i:040x}", "port": 1 + i // 200, "client": "bench"}
    join = {"t": "join", "id": 0, "v1": "11" * 20, "v2": "22" * 32, "pieces": 1280, "left": 9, "bits": HALF}
    s.sendall(ASK + json.dumps(hello).encode() + b"\n" + json.dumps(join).encode() + b"\n")
    said = b""
    while wait and b'"peers"' not in said:
        said += s.recv(65536)
    return s


def beat(socks):
    for s in socks:
        s.sendall(b'{"t":"beat"}\n')


def crowd(index, n, wait, before):
    begun, socks = time.monotonic(), []
    for i in range(n):
        socks.append(come(index, i, wait))
        if i % 1000 == 999:
            beat(socks)
    h.wait_for(lambda: index.api("status")["sessions"] == n, 30, "all are there")
    came = time.monotonic() - begun
    cpu, begun = index.proc.cpu(), time.monotonic()
    for _ in range(BEATS):
        beat(socks)
        time.sleep(3)
    cpu = (index.proc.cpu() - cpu) / (time.monotonic() - begun)
    rss = index.proc.rss()
    print(f"{'one by one' if wait else 'all at once'}: {n} sessions in {came:.1f} s; index {rss / h.MIB:.1f} MiB "
          f"({(rss - before) // n} bytes each), {100 * cpu:.1f} % of a core for beats", flush=True)
    for s in socks:
        s.close()
    begun = time.monotonic()
    h.wait_for(lambda: index.api("status")["sessions"] == 0, 30, "all are gone")
    print(f"gone within {time.monotonic() - begun:.2f} s of the last one's end", flush=True)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    world = h.World()
    try:
        index = world.index()
        before = index.proc.rss()
        crowd(index, n, True, before)
        crowd(index, n, False, before)
    finally:
        world.close()
        world.remove()


if __name__ == "__main__":
    main()
