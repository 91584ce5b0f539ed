#!/usr/bin/python3
"""Side-by-side figures: shoal, the stock clients and a plain copy, in one run, on this machine.

  bench/run.py SCENARIO... [--size MiB] [--runs N] [--mode v1|v2|hybrid|all] [--clients a,b] [--dir DIR] [--json FILE]

  transfer      one seed to one getter; curl from nginx; the bare floor
  four-seeds    four seeds to one getter
  four-getters  one seed to four getters at once
  cross         shoal with each stock client, against the stock client with itself
  hash          making torrents, and `shoal share`
  small-files   20,000 files of 4 KiB
  far           one seed, or four, to one getter over long lines (bench/line.c); curl from nginx
  first-byte    from the start of a getter to the first payload on disk
  memory        8 GiB, 10,000 torrents, 200 idle peers, 50 seeds
  all           all of these

The binary is $SHOAL_BIN; the floor is $SHOAL_FLOOR, or bench/floor of the same build. As root everything runs in
a network namespace of its own, where all sides use cubic; else with the machine's congestion control, which is
printed. Ends with the limits that shoal has to keep, and 1 when one is missed. Round 0 of each scenario is not
counted."""

import argparse
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import own_net  # noqa: E402
from adapters.shoal import BIN  # noqa: E402
from scenario_cross import cross  # noqa: E402
from scenario_far import far  # noqa: E402
from scenario_first_byte import first_byte  # noqa: E402
from scenario_hash import hashing  # noqa: E402
from scenario_memory import memory  # noqa: E402
from scenario_small_files import small_files  # noqa: E402
from scenario_swarm import four_getters, four_seeds  # noqa: E402
from scenario_transfer import transfer  # noqa: E402
from watch import Failed  # noqa: E402
from workspace import ADAPTERS, Run  # noqa: E402

SCENARIOS = {"transfer": transfer, "four-seeds": four_seeds, "four-getters": four_getters, "cross": cross,
             "hash": hashing, "small-files": small_files, "far": far, "first-byte": first_byte, "memory": memory}


def read_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenario", nargs="+", choices=[*SCENARIOS, "all"])
    p.add_argument("--size", type=int, default=2048, help="MiB")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--mode", choices=["v1", "v2", "hybrid", "all"], default="all",
                   help="kind of torrent; all: each where it matters, else v1, which every client takes")
    p.add_argument("--clients", default=",".join(ADAPTERS))
    p.add_argument("--dir", help="where the data lies; /dev/shm if there is room")
    p.add_argument("--json", help="write the figures to this file")
    return p.parse_args()


def measure(run, wanted):
    for name, scenario in SCENARIOS.items():
        if name in wanted or "all" in wanted:
            try:
                scenario(run)
            except Failed as e:
                run.limits.fail(name, e)


def main():
    args = read_args()
    own_net.enter()
    if shutil.which(BIN) is None:
        raise SystemExit(f"no shoal at {BIN}: set SHOAL_BIN")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes then too
    run = Run(args)
    try:
        print(f"{run.results['machine']}; congestion control {run.results['congestion control']}; {run.work}")
        measure(run, args.scenario)
        if "shoal" in run.clients:
            run.limits.show()
        if args.json:
            run.results.update(clients=run.versions, limits=run.limits.checks)
            with open(args.json, "w", encoding="utf-8") as f:
                json.dump(run.results, f, indent=1)
    finally:
        run.close()
    return 1 if "shoal" in run.clients and run.limits.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
