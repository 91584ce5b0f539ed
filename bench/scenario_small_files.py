"""A tree of many small files: every client, and `cp -r`."""

import contextlib
import os
import random
import shutil
from functools import partial

from exchange import exchange
from figures import best, keep, ratios, rounds, table, wall
from watch import timed

FILES, BYTES = 20000, 4096
TREE = "tree"


@contextlib.contextmanager
def _tree(run):
    """While it lasts, the data of the run is the tree."""
    folder = run.path("small")
    r = random.Random(2)
    for i in range(FILES):
        d = os.path.join(folder, TREE, f"d{i % 100}", f"e{i % 7}")
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, f"f{i}"), "wb") as f:
            f.write(r.randbytes(BYTES))
    before = run.data_name, run.seed_dir
    run.data_name, run.seed_dir = TREE, folder
    try:
        yield os.path.join(folder, TREE)
    finally:
        run.data_name, run.seed_dir = before
        shutil.rmtree(folder)


def _copy(run, tree, verify=False):
    to = run.path("copy")
    shutil.rmtree(to, ignore_errors=True)
    script = 'cp -r "$1" "$2"' + (' && find "$2" -type f -exec sha256sum {} + >/dev/null' if verify else "")
    r = timed(["sh", "-c", script, "sh", tree, to])
    shutil.rmtree(to)
    return {"wall": r["wall"], "cpu seed": 0.0, "cpu get": r["cpu"]}


def small_files(run):
    with _tree(run) as tree:
        rows = {"cp -r": partial(_copy, run, tree), "cp -r and sha256sum": partial(_copy, run, tree, verify=True)}
        for mode in ("v1", "hybrid"):
            for a in run.able(mode):  # a client that is slow with one big file is not asked
                rows[f"{a.name} {mode}"] = partial(exchange, run, run.torrent(mode, tree), [a], [a])
        measured = rounds(run.runs, rows)
    table(f"{FILES} files of {BYTES} bytes, one seed to one getter, medians of {run.runs}", measured,
          ("wall", "span", "cpu seed", "cpu get", "anon seed", "anon get"))
    for mode in ("v1", "hybrid"):
        ratios(measured, f"shoal {mode}")
    keep(run, "small files", measured)
    for mode in ("v1", "hybrid"):
        others = [n for n in measured if n.endswith(" " + mode) and not n.startswith("shoal")]
        run.limits.ratio(f"{FILES} files, {mode}: wall to the best client", wall(measured, f"shoal {mode}"),
                         best(measured, others, wall), 0.5)
