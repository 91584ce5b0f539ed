"""Over long, thin lines: how much of the line is used, and what a small file waits for."""

from functools import partial

from adapters.base import Missing
from exchange import exchange
from far import Line
from figures import best, keep, ratios, rounds, table, wall
from plain import curl

# What is between the two, how many seeds, and the data: (name, RTT ms, Mbit/s, queue ms, lost of a million, seeds, MiB)
LINES = (("far", 200, 100, 50, 0, 1, 64), ("lossy", 100, 100, 50, 1000, 1, 16),
         ("far, four seeds", 200, 100, 50, 0, 4, 64), ("a small file, far", 200, 100, 50, 0, 1, 1))


def _one(run, mode, name, figures, seeds, mib):
    with run.smaller(mib), Line(run, *figures) as line:
        torrent = run.torrent(mode)
        rows = {a.name: partial(exchange, run, torrent, [a] * seeds, [a], line=line)
                for a in run.able(mode, several=seeds > 1)}
        rows["curl"] = partial(curl, run, line=line)
        measured = rounds(run.runs, rows)
    rtt, mbit, queue, ppm = figures
    table(f"{name}: {seeds} to 1 over {mbit} Mbit/s, {rtt} ms, queue of {queue} ms, {ppm / 10000:g} % lost, {mode}, {mib} MiB "
          f"({mib * 8.388608 / mbit:.2f} s of it), medians of {run.runs}", measured, ("wall", "cpu seed", "cpu get"))
    ratios(measured, "shoal")
    keep(run, name, measured)
    others = [a for a in measured if a not in ("shoal", "curl")]
    run.limits.ratio(f"{name}: wall to the best of the others", wall(measured, "shoal"), best(measured, others, wall), 1.0)
    run.limits.ratio(f"{name}: wall to curl", wall(measured, "shoal"), wall(measured, "curl"), 1.1)


def far(run):
    mode = "v1" if run.args.mode == "all" else run.args.mode
    try:
        for name, rtt, mbit, queue, ppm, seeds, mib in LINES:
            _one(run, mode, name, (rtt, mbit, queue, ppm), seeds, mib)
    except Missing as e:
        print(f"far: skipped, {e}")
