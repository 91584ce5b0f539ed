"""What shoal is held against besides other clients: a plain copy over HTTP, and the bare floor."""

import json
import os
import shutil
import time
from functools import partial

from adapters.base import first_line, program
from adapters.shoal import BIN
from watch import Failed, Watched, timed, wait
from workspace import check_copy

FLOOR = os.environ.get("SHOAL_FLOOR") or os.path.join(os.path.dirname(BIN), "..", "..", "bench", "floor")
NGINX = """daemon off; master_process off; pid {conf}/pid; error_log stderr; events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {conf}/1; proxy_temp_path {conf}/2;
fastcgi_temp_path {conf}/3; uwsgi_temp_path {conf}/4; scgi_temp_path {conf}/5;
server {{ listen {host}:{port}; root {root}; }} }}
"""


def nginx_version():
    curl_version = " ".join(first_line(program("curl"), "--version").split()[:2])
    return f"{first_line(program('nginx'), '-v')}, {curl_version}"


def _start_nginx(run, port):
    conf = run.fresh("nginx")
    with open(f"{conf}/nginx.conf", "w", encoding="utf-8") as f:
        f.write(NGINX.format(conf=conf, host=run.host, port=port, root=run.seed_dir))
    server = Watched([program("nginx"), "-c", f"{conf}/nginx.conf", "-e", "stderr"], run.log("nginx"))
    wait(lambda: os.path.exists(f"{conf}/pid") or server.poll() is not None, 20, "nginx starts")
    if server.poll() is not None:
        raise Failed(f"nginx: {server.last_words()}")
    return server


def curl(run, verify=False, line=None):
    """The file from nginx in the same folder; `verify`: then sha256sum of the copy; `line`: curl is at its far end."""
    port = run.ports.take()
    into = run.fresh("curl")
    copy = os.path.join(into, run.data_name)
    server = _start_nginx(run, port)
    try:
        run.warm_memory()
        script = 'curl -sf -o "$1" "$2"' + (' && sha256sum "$1" >/dev/null' if verify else "")
        server.mark()
        begun = time.monotonic()
        url = f"http://{run.host}:{port}/{run.data_name}"
        getter = Watched([*(line.inside if line else []), "sh", "-c", script, "sh", copy, url], run.log("curl"))
        wait(getter.is_done, 300, "curl gets")
        wall = time.monotonic() - begun
        getter.end()
    finally:
        server.end()
    check_copy(run, into, f"curl: {getter.last_words()}")
    shutil.rmtree(into)
    return {"wall": wall, "cpu seed": server.cpu(), "cpu get": getter.cpu(), "anon seed": server.peak_anon,
            "rss seed": server.peak_rss}


def floors(run, mode, rows):
    """A row of floor.c for each of {title: (its MODE, SENDERS)}, hashing as torrents of this mode; none if it is not built."""
    if not os.access(FLOOR, os.X_OK):
        print(f"floor: skipped, no {FLOOR}: set SHOAL_FLOOR")
        return {}
    digest = "sha1" if mode == "v1" else "sha256"
    return {title: partial(_floor, run, what, digest, senders) for title, (what, senders) in rows.items()}


def _floor(run, mode, digest, senders):
    out = os.path.join(run.fresh("floor"), "out")
    run.warm_memory()
    figures = json.loads(timed([FLOOR, mode, run.data, out, digest, str(senders)])["out"])
    shutil.rmtree(run.path("floor"))
    return {"wall": figures["wall"], "cpu seed": figures["cpu_seed"], "cpu get": figures["cpu_get"]}
