"""One exchange: some seeds come up, some getters start at once, and the clock runs until the last is done."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

from adapters.shoal import Shoal
from sent import Sent
from watch import Failed, Watched, end_all, wait
from workspace import check_copy

SEED_UP_S = 120
GET_S = 600
SETTLE_S = 0.3  # what a seed still does after its announce is not the exchange's


def link_folder(run, name):
    """The data again in a folder of its own, by hard links: one copy in memory for all seeds."""
    folder = run.fresh(name)
    subprocess.run(["cp", "-al", os.path.join(run.seed_dir, run.data_name), folder + "/"], check=True)
    return folder


def start_seeds(run, adapters, torrent):
    """They have announced that they have everything. Returns (processes, ports)."""
    procs, ports = [], []
    try:
        for i, a in enumerate(adapters):
            ports.append(run.ports.take())
            job = a.seed(run, torrent, link_folder(run, f"seed-{i}"), ports[-1])
            procs.append(Watched(job.cmd, run.log(f"{a.name}-seed-{i}"), job.done))
        for p, port, a in zip(procs, ports, adapters):
            wait(lambda p=p, port=port: port in run.tracker.seeds or p.is_done(), SEED_UP_S, f"{a.name} seeds")
            run.tracker.peers.add(port)  # libtorrent does not reach a tracker through another interface than its own
            if p.poll() is not None:
                raise Failed(f"{a.name}: the seed ended: {p.last_words()}")
        time.sleep(SETTLE_S)
    except BaseException:
        end_all(procs)
        raise
    return procs, ports


def start_getters(run, adapters, torrent, stay, line=None):
    procs, folders = [], []
    for i, a in enumerate(adapters):
        folders.append(run.fresh(f"get-{i}"))
        with run.at(line.host) if line else contextlib.nullcontext():
            job = a.get(run, torrent, folders[-1], run.ports.take(), stay)
        cmd = [*line.inside, *job.cmd] if line else job.cmd
        procs.append(Watched(cmd, run.log(f"{a.name}-get-{i}"), job.done))
    return procs, folders


def exchange(run, torrent, seeds, getters, stay=False, count=False, line=None):
    """`seeds`, `getters`: an adapter each. `stay`: getters serve on until the last is done. `count`:
    what the seeds sent, in copies of the data. `line`: getters are at its far end. CPU and memory: sum and
    largest of each side."""
    run.tracker.reset()
    sent = Sent() if count else None
    up, ports = start_seeds(run, seeds, torrent)
    down = []
    try:
        run.warm_memory(len(getters))
        for p in up:
            p.mark()
        begun = time.monotonic()
        down, folders = start_getters(run, getters, torrent, stay, line)
        wait(lambda: all([p.is_done() for p in down]), GET_S, f"{getters[0].name} gets")
        wall = time.monotonic() - begun
    finally:
        end_all(down)
        end_all(up)
        by_port = sent.end() if sent else None
    for folder, p in zip(folders, down):
        check_copy(run, folder, f"{' '.join(p.cmd)[:200]}: {p.last_words()[-500:]}")
        shutil.rmtree(folder)
    for i in range(len(up)):
        shutil.rmtree(run.path(f"seed-{i}"))
    copies = None
    if by_port is not None:
        copies = sum(by_port.get(p, 0) for p in ports) / data_bytes(run)
    return {"wall": wall, "cpu seed": sum(p.cpu() for p in up), "cpu get": sum(p.cpu() for p in down),
            "anon seed": max(p.peak_anon for p in up), "anon get": max(p.peak_anon for p in down),
            "rss seed": max(p.peak_rss for p in up), "rss get": max(p.peak_rss for p in down), "copies": copies}


def start_index(run):
    """`shoal index` that answers. Returns (process, its URL)."""
    port = run.ports.take()
    index = Watched(Shoal.command(run, "index", "--listen", f"{run.host}:{port}", "--data", run.fresh("index")),
                    run.log("index"))

    def answers():
        with socket.socket() as s:
            return s.connect_ex((run.host, port)) == 0 or index.poll() is not None
    wait(answers, 20, "the index answers")
    if index.poll() is not None:
        raise Failed(f"shoal index ended: {index.last_words()}")
    return index, f"http://{run.host}:{port}"


def data_bytes(run):
    path = os.path.join(run.seed_dir, run.data_name)
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(path) for f in names) \
        if os.path.isdir(path) else os.path.getsize(path)
