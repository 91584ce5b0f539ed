"""Peers that shake hands and then want nothing."""

import os
import socket

from torrent_hash import info_hash

PROTOCOL = b"\x13BitTorrent protocol"


class IdlePeers:
    def __init__(self, host, port, torrent, n):
        """`n` connections to host:port, whose handshakes for this v1 or hybrid torrent are answered."""
        self.sockets = []
        for i in range(n):
            s = socket.create_connection((host, port), timeout=20)
            self.sockets.append(s)
            s.sendall(PROTOCOL + bytes(8) + info_hash(torrent) + b"-XX0000-%012d" % (i + os.getpid() * 1000 % 10**9))
        self.answered = sum(self._answers(s) for s in self.sockets)

    @staticmethod
    def _answers(s):
        got = b""
        while len(got) < 68:
            part = s.recv(68 - len(got))
            if not part:
                return False
            got += part
        return got.startswith(PROTOCOL)

    def close(self):
        for s in self.sockets:
            s.close()
