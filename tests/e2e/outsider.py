"""Those at one address who hear of a peer: python3 outsider.py HOST TORRENT PEER_HOST PEER_PORT. A tracker (port 6970), a
node of the hash table (7001) and a peer that dials; each says what port it hears, one line each time: "tracker 7100". The
peer says of "node", too, where that of the other is."""

import os
import re
import socket
import sys
import threading
import time

import wire


def hear(who, port):
    """In one write: print() may make several, between which others write, and readers read."""
    os.write(1, f"{who} {port}\n".encode())


class Tracker(threading.Thread):
    def __init__(self, host):
        super().__init__(daemon=True)
        self.sock = socket.create_server((host, 6970))

    def run(self):
        while True:
            c, _ = self.sock.accept()
            head = c.recv(4096)
            hear("tracker", int(re.search(rb"[?&]port=(\d+)", head).group(1)))
            body = wire.bencode({"interval": 1800, "peers": b""})
            c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            c.close()


def node_id(host):
    """One that BEP 42 allows at this address, by CRC-32C."""
    crc = 0xffffffff
    for byte in (int.from_bytes(socket.inet_aton(host), "big") & 0x030f3fff).to_bytes(4, "big"):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return (crc ^ 0xffffffff).to_bytes(4, "big")[:3] + bytes(17)


class Node(threading.Thread):
    def __init__(self, host):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 7001))
        self.id = node_id(host)

    def run(self):
        while True:
            raw, who = self.sock.recvfrom(4096)
            m = wire.bdecode(raw)
            if m.get(b"y") != b"q":
                continue
            if m[b"q"] == b"announce_peer":
                hear("table", m[b"a"][b"port"])
            r = {"id": self.id, "nodes": b"", "token": b"t"}
            self.sock.sendto(wire.bencode({"t": m[b"t"], "y": "r", "r": r}), who)


def peer(host, torrent, to):
    """Stays for as long as it is let, and hears every extension handshake and where the other's node is."""
    try:
        c = wire.Conn.dial(to[1], host=to[0], source=host)
        c.greet(torrent.hash, reserved=bytes((0, 0, 0, 0, 0, 0x10, 0, 0x05)))
        c.send(wire.msg(wire.HAVE_NONE))
        while True:
            kind, body = c.wait(wire.EXTENDED, wire.PORT, seconds=600)
            if kind == wire.PORT:
                hear("node", int.from_bytes(body, "big"))
                continue
            port = wire.bdecode_at(body, 1)[0].get(b"p") if body[0] == 0 else None
            if port is not None:
                hear("peer", port)
    except (OSError, EOFError, wire.Gone):
        time.sleep(0.2)


def main():
    host, torrent, to = sys.argv[1], wire.Torrent.load(sys.argv[2]), (sys.argv[3], int(sys.argv[4]))
    Tracker(host).start()
    Node(host).start()
    print("ready", flush=True)
    while True:
        peer(host, torrent, to)


if __name__ == "__main__":
    main()
