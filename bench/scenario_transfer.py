"""One seed to one getter: every client with every kind of torrent it takes, a plain copy, the floor."""

from functools import partial

import plain
from adapters.base import Missing
from exchange import exchange
from figures import best, both_cpu, keep, median, ratios, rounds, table, wall
from workspace import MIB

COLUMNS = ("wall", "span", "cpu seed", "cpu get", "anon seed", "anon get", "rss seed", "rss get")
ANON_MAX_MIB = 48
FLOOR, FLOORS = "floor (framed)", ("receive", "write", "hash", "hash2")
CURL, CURL_CHECKED = "curl from nginx", "curl then sha256sum"


def _rows_beside(run, mode):
    """The rows that are no BitTorrent clients."""
    more = {f"floor ({m})": (m, 1) for m in FLOORS} if mode == "v2" else {}
    rows = plain.floors(run, mode, {FLOOR: ("framed", 1), **more})
    try:
        run.versions[CURL] = {"version": plain.nginx_version(), "settings": "sendfile, tcp_nopush"}
        rows[CURL] = partial(plain.curl, run)
        rows[CURL_CHECKED] = partial(plain.curl, run, verify=True)
    except Missing as e:
        print(f"curl: skipped, {e}")
    return rows


def _check(run, mode, measured, others):
    ours, one = wall(measured, "shoal"), f"one to one, {mode}:"
    run.limits.ratio(f"{one} wall to libtorrent", ours, wall(measured, "libtorrent"), 0.6)
    if mode == "v1":
        run.limits.ratio(f"{one} wall to aria2", ours, wall(measured, "aria2"), 0.3)
    run.limits.ratio(f"{one} CPU of both sides to the best of the others", both_cpu(measured, "shoal"),
                     best(measured, others, both_cpu), 0.55)
    run.limits.ratio(f"{one} wall to the framed floor", ours, wall(measured, FLOOR), 1.25)
    run.limits.ratio(f"{one} wall to curl, which verifies nothing", ours, wall(measured, CURL), 1.0)
    anon = median(measured, "shoal", "anon get")
    run.limits.at_most(f"{one} anonymous memory of the getter", None if anon is None else anon / MIB, ANON_MAX_MIB,
                       " MiB")


def transfer(run):
    run.make_data()
    ours = {}
    for mode in ("v1", "v2", "hybrid") if run.args.mode == "all" else (run.args.mode,):
        able = run.able(mode)
        rows = {a.name: partial(exchange, run, run.torrent(mode), [a], [a]) for a in able}
        measured = rounds(run.runs, {**rows, **_rows_beside(run, mode)})
        if CURL in measured:
            print(f"\n{CURL}: {run.versions[CURL]['version']}; {run.versions[CURL]['settings']}")
        table(f"one seed to one getter, {mode}, {run.size} MiB, {run.results['congestion control']}, medians of "
              f"{run.runs} in {run.work}", measured, COLUMNS)
        ratios(measured, "shoal")
        keep(run, f"one to one, {mode}", measured)
        _check(run, mode, measured, [a.name for a in able if a.name != "shoal"])
        ours[mode] = wall(measured, "shoal")
    if "hybrid" in ours and "v2" in ours:
        run.limits.ratio("one to one: wall of hybrid to v2 only", ours["hybrid"], ours["v2"], 1.1)
