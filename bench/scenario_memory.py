"""What it costs to hold much: a big file, 10,000 torrents, 200 idle peers, a getter with 50 peers."""

import os
import resource
import shutil
import time
from functools import partial

from adapters.shoal import Shoal
from exchange import exchange, start_index, start_seeds
from figures import keep, median, rounds, table
from idle_peers import IdlePeers
from watch import Failed, Watched, wait
from workspace import MIB

BIG_MIB = 8192
ANON_MAX_MIB = 48
TORRENTS, TORRENTS_ANON_MAX_MIB = 10000, 128
IDLE, IDLE_S = 200, 3
CROWD = 50


def _show(run, title, rows, columns):
    measured = {name: {k: [v] for k, v in figures.items()} for name, figures in rows.items()}
    table(title, measured, columns)
    keep(run, title, measured)


# ---- a file of 8 GiB that is nearly all holes at the seed, and real at the getter ------------

def _sparse(run):
    path = os.path.join(run.fresh("big"), run.data_name)
    with open(path, "wb") as f:
        f.truncate(BIG_MIB * MIB)
        for at in range(0, BIG_MIB * MIB, 64 * MIB):
            f.seek(at)
            f.write(at.to_bytes(8, "big"))
    return path


def _big_file(run):
    free = shutil.disk_usage(run.work).free
    if free < (BIG_MIB + 1024) * MIB:
        print(f"\n{BIG_MIB} MiB: skipped, {free // MIB} MiB free in {run.work}")
        run.limits.skip(f"getter of {BIG_MIB} MiB: anonymous memory", ANON_MAX_MIB, " MiB")
        return
    before = run.seed_dir
    data = _sparse(run)
    run.seed_dir = os.path.dirname(data)
    try:
        shoal = run.clients["shoal"]
        figures = exchange(run, run.torrent("v2", data), [shoal], [shoal])
    finally:
        run.seed_dir = before
        shutil.rmtree(os.path.dirname(data))
    _show(run, f"{BIG_MIB} MiB, sparse at the seed, v2", {"shoal": figures},
          ("wall", "cpu seed", "cpu get", "anon seed", "anon get", "rss seed", "rss get"))
    run.limits.at_most(f"getter of {BIG_MIB} MiB: anonymous memory", figures["anon get"] / MIB, ANON_MAX_MIB, " MiB")


# ---- many torrents in one process -----------------------------------------------------------

def _many_torrents(run):
    files = run.fresh("many")
    paths = [os.path.join(files, f"f{i:05}") for i in range(TORRENTS)]
    for i, path in enumerate(paths):
        with open(path, "wb") as f:
            f.write(i.to_bytes(8, "big") * 2048)
    index, url = start_index(run)
    port = run.ports.take()
    begun = time.monotonic()
    p = Watched(Shoal.command(run, "share", *paths, "--index", url, "--port", str(port), "--json"), run.log("many"))
    try:
        # The list of what is served is printed when the index has heard of all.
        wait(lambda: "f09999" in p.last_words() or p.poll() is not None, 600, f"{TORRENTS} torrents are served")
        if p.poll() is not None:
            raise Failed(f"shoal share ended: {p.last_words()}")
        figures = {"wall": time.monotonic() - begun, "cpu seed": p.cpu()}
        p.look()
        figures.update({"anon seed": p.anon, "rss seed": p.peak_rss})
        p.mark()
        time.sleep(IDLE_S)
        idle = p.cpu()
    finally:
        p.end()
        index.end()
        shutil.rmtree(files)
    _show(run, f"{TORRENTS} torrents of 16 KiB hashed, published and seeded by one process", {"shoal": figures},
          ("wall", "cpu seed", "anon seed", "rss seed"))
    print(f"idle afterwards: {idle / IDLE_S * 100:.1f} % of a core")
    run.limits.at_most(f"{TORRENTS} torrents: anonymous memory", figures["anon seed"] / MIB, TORRENTS_ANON_MAX_MIB,
                       " MiB")


# ---- peers that want nothing, and many that give ---------------------------------------------

def _idle(run):
    torrent = run.torrent("v1")
    run.tracker.reset()
    procs, ports = start_seeds(run, [run.clients["shoal"]], torrent)
    peers = None
    try:
        procs[0].look()
        before = procs[0].anon
        peers = IdlePeers(run.host, ports[0], torrent, IDLE)
        procs[0].mark()
        time.sleep(IDLE_S)
        cpu = procs[0].cpu()
        procs[0].look()
        after = procs[0].anon
    finally:
        if peers:
            peers.close()
        procs[0].end()
    print(f"\n{IDLE} idle peers of a seed ({peers.answered} answered): {(after - before) / IDLE / 1024:.1f} KiB of "
          f"anonymous memory each, {cpu / IDLE_S * 100:.1f} % of a core")
    run.results["scenarios"][f"{IDLE} idle peers"] = {"anon before": before, "anon after": after, "cpu": cpu / IDLE_S}


def _crowd(run):
    shoal = run.clients["shoal"]
    measured = rounds(1, {
        f"{n} peers": partial(exchange, run, run.torrent("v1"), [shoal] * n, [shoal]) for n in (1, CROWD)})
    table(f"one getter with many peers, v1, {run.size} MiB", measured,
          ("wall", "cpu seed", "cpu get", "anon seed", "anon get"))
    keep(run, "crowd", measured)
    anon = median(measured, f"{CROWD} peers", "anon get")
    run.limits.at_most(f"getter with {CROWD} peers: anonymous memory", None if anon is None else anon / MIB,
                       ANON_MAX_MIB, " MiB")


def memory(run):
    if "shoal" not in run.clients:
        return
    run.make_data()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a node gives itself descriptors; its parent must too
    for part in (_big_file, _many_torrents, _idle, _crowd):
        try:
            part(run)
        except Failed as e:
            run.limits.fail(f"memory,{part.__name__.replace('_', ' ')}", e)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
