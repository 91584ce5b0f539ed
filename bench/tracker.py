"""A tracker that tells every getter of everyone, and knows who has announced that nothing is left.

A seed is told of nobody: it needs nobody, and so all of its connections come in on its own port,
which is how sent.py tells what it has sent."""

import socket
import threading
import urllib.parse


class Tracker:
    def __init__(self, host):
        self.listener = socket.create_server((host, 0), backlog=256)
        self.host = host
        self.url = f"http://{host}:{self.listener.getsockname()[1]}/announce"
        self.peers, self.seeds = set(), set()
        threading.Thread(target=self._loop, daemon=True).start()

    def reset(self):
        self.peers, self.seeds = set(), set()

    def _loop(self):
        while True:
            s, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(s,), daemon=True).start()

    def _answer(self, s):
        with s:
            s.settimeout(10)
            try:
                reply = self._announce(self._read_query(s))
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                          b"Connection: close\r\n\r\n%s" % (len(reply), reply))
            except (OSError, KeyError, ValueError, IndexError):
                pass

    @staticmethod
    def _read_query(s):
        head = b""
        while b"\r\n\r\n" not in head:
            got = s.recv(65536)
            if not got:
                raise ValueError("closed")
            head += got
        text = head.split(b" ")[1].split(b"?", 1)[1].decode("latin-1")
        return urllib.parse.parse_qs(text, keep_blank_values=True, encoding="latin-1")

    def _announce(self, q):
        port, left = int(q["port"][0]), q.get("left", ["0"])[0]
        if q.get("event") == ["stopped"]:
            self.peers.discard(port)
        else:
            self.peers.add(port)
            if left == "0":
                self.seeds.add(port)
        told = () if left == "0" else sorted(self.peers - {port})
        body = b"".join(socket.inet_aton(self.host) + p.to_bytes(2, "big") for p in told)
        return (b"d8:completei1e10:incompletei1e8:intervali600e12:min intervali600e5:peers%d:%se"
                % (len(body), body))
