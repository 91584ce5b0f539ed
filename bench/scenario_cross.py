"""shoal and a stock client with each other, against the stock client with itself."""

from functools import partial

from exchange import exchange
from figures import keep, rounds, table, wall

RUNS_OF_THE_SLOW = 3


def _with(run, stock, mode):
    """One stock client in one kind of torrent."""
    shoal, torrent, alone = run.clients["shoal"], run.torrent(mode), f"{stock.name} -> {stock.name}"
    runs = run.runs if stock.size_max is None else min(run.runs, RUNS_OF_THE_SLOW)
    pairs = ((shoal, stock), (stock, shoal), (stock, stock))
    measured = rounds(runs, {f"{a.name} -> {b.name}": partial(exchange, run, torrent, [a], [b]) for a, b in pairs})
    table(f"seed -> getter, {mode}, {run.size} MiB, medians of {runs}", measured,
          ("wall", "span", "cpu seed", "cpu get"))
    keep(run, f"cross, {mode}, {stock.name}, {run.size} MiB", measured)
    for row in (f"shoal -> {stock.name}", f"{stock.name} -> shoal"):
        run.limits.ratio(f"cross, {mode}: wall of {row} to {stock.name} alone", wall(measured, row),
                         wall(measured, alone), 1.0)


def cross(run):
    if "shoal" not in run.clients:
        return
    for mode in ("v1", "v2", "hybrid") if run.args.mode == "all" else (run.args.mode,):
        for stock in run.able(mode, any_size=True):
            if stock.name != "shoal":
                with run.smaller(stock.size_max):
                    _with(run, stock, mode)
