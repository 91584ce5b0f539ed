#!/usr/bin/python3
"""Webseeds between strangers: stock clients fetch from our gateway alone, and we from nginx alone."""

import os

import clients
import harness as h
from gateway_client import Gateway
from harness import MIB, check, test

KINDS = {"v1": ["--v1-only"], "v2": ["--v2-only"], "hybrid": []}
FOLDER = {"a b.txt": 10, "sub/c%20d.bin": 700_000, "sub/deep/z": 40_001, "y": 333_333}


def torrent(p, src, name, url, kind):
    out = p.path(name + ".torrent")
    p.run("create", src, "-o", out, "--webseed", url, *KINDS[kind]).expect(h.OK)
    return out


def fetch(w, client, kind):
    """A file and a folder, from the gateway of a daemon that knows neither yet."""
    w.index()
    a, b = w.peer("a"), w.peer("b")
    g = Gateway(b)
    c = client(w)
    for name, src in (("f.bin", h.make_file(a.path("f.bin"), 5 * MIB + 99)), ("d", h.make_tree(a.path("d"), FOLDER))):
        a.share(src, *KINDS[kind], name=name)
        # With a '/' at its end clients put the torrent's name behind it; without, those of folders do.
        for n, end in enumerate(("", "/")):
            t = torrent(a, src, f"{name}{n}", g.url("/n/a/" + name + end), kind)
            folder = w.path(f"{c.name}-{name}-{n}")
            p = c.get(t, folder)
            c.wait(p, os.path.join(folder, name), 60 * h.SLOW)
            h.check_same(os.path.join(folder, name), src)
            c.stop(p)


for _client in (clients.Libtorrent, clients.Aria2):
    for _kind in _client.modes:
        @test(f"{_client.name} fetches a {_kind} file and folder from the gateway alone", 180)
        def _(w, client=_client, kind=_kind):
            fetch(w, client, kind)


@test("get fetches a file and a folder from nginx alone", 120)
def _(w):
    nginx, port = h.need("nginx"), h.free_port()
    www = w.path("www")
    f = h.make_file(os.path.join(www, "f.bin"), 20 * MIB + 5)
    d = h.make_tree(os.path.join(www, "d"), FOLDER)
    conf = w.path("nginx.conf")
    with open(conf, "w") as out:
        out.write(f"daemon off; master_process off; pid {w.path('nginx.pid')}; error_log stderr warn; events {{}} http {{ access_log off; "
                  + "".join(f"{k}_temp_path {w.path('nginx-' + k)}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                  + f"server {{ listen {h.HOST}:{port}; root {www}; }} }}\n")
    os.chmod(w.dir, 0o755)
    p = w.start(nginx, "-c", conf, "-e", "stderr", name="nginx")
    p.killed = True

    def up():
        check(p.alive(), "nginx runs", p.err())
        try:
            return h.http(f"http://{h.HOST}:{port}/d/y")[0] == 200
        except OSError:
            return False
    h.wait_for(up, 20, "nginx answers")
    for kind in KINDS:
        peer = w.peer(kind)
        for name, src in (("f.bin", f), ("d", d)):
            url = f"http://{h.HOST}:{port}/"
            os.makedirs(peer.path("out"), exist_ok=True)
            t = torrent(peer, src, name, url, kind)
            peer.run("get", t, "--webseed", url, "-o", peer.path("out", ""), seconds=60).expect(h.OK)
            h.check_same(peer.path("out", name), src)


if __name__ == "__main__":
    h.main()
