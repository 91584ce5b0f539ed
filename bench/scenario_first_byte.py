"""From the start of a getter to the first payload in its file."""

import os
import time
from functools import partial

from exchange import start_getters, start_seeds
from figures import keep, rounds, table, wall
from watch import Failed, end_all

FIRST_BYTE_S = 0.05
GIVE_UP_S = 60
NOT_PAYLOAD = ("-state", ".tmp", ".aria2", ".resume", ".torrent")


def _has_payload(folder):
    """Some file there has blocks: a byte was written, for a file that is only made long has none."""
    with os.scandir(folder) as entries:
        for e in entries:
            try:
                if e.is_file() and not e.name.endswith(NOT_PAYLOAD) and e.stat().st_blocks > 0:
                    return True
            except FileNotFoundError:  # it was renamed just now
                pass
    return False


def _first_byte(run, a, torrent):
    run.tracker.reset()
    up, _ = start_seeds(run, [a], torrent)
    down = []
    try:
        begun = time.monotonic()
        down, folders = start_getters(run, [a], torrent, False)
        while not _has_payload(folders[0]):
            if time.monotonic() - begun > GIVE_UP_S:
                raise Failed(f"nothing came: {down[0].last_words()}")
            time.sleep(0.0002)
        return {"wall": time.monotonic() - begun}
    finally:
        end_all(down + up)


def first_byte(run):
    run.make_data()
    mode = "v1" if run.args.mode == "all" else run.args.mode
    measured = rounds(run.runs, {a.name: partial(_first_byte, run, a, run.torrent(mode)) for a in run.able(mode)})
    table(f"from the start of the getter to the first payload in its file, {mode}, medians of {run.runs}", measured,
          ("wall", "span"))
    keep(run, "first byte", measured)
    ours = wall(measured, "shoal")
    run.limits.at_most("first byte", None if ours is None else ours * 1000, FIRST_BYTE_S * 1000, " ms")
