#!/usr/bin/python3
"""Usage: count.py --baseline FILE --buildtype T --sanitize S --compiler C [--renew] WORKLOAD

Instructions of our own code per block, message or file, counted by callgrind, against those in the
baseline. A count says the same on a busy machine as on an idle one, and for the same binary nearly the
same every time; libc and OpenSSL, which choose code by processor, are left out. More than the
tolerance above the baseline fails. --renew writes the baseline anew."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOLERANCE = 0.10
WORKLOADS = ("download", "upload", "haves", "encode", "decode", "parse", "announce")
COST = re.compile(r"^[+\-*]?\d+\s+(\d+)$|^\*\s+(\d+)$")


def skip_reason(args):
    if args.sanitize != "none":
        return f"sanitizer build ({args.sanitize}): it counts the sanitizer"
    if args.buildtype != "release":
        return f"{args.buildtype} build: the baseline is for release"
    if not args.compiler.startswith("gcc"):
        return f"built by {args.compiler}: the baseline is for gcc"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    return None


def self_cost(path, program):
    """Instructions in one profile that are in `program`'s own code, those it calls elsewhere left out."""
    total, ours, is_call = 0, False, False
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            line = line.rstrip("\n")
            if line.startswith("ob="):
                ours = os.path.basename(line[3:]) == program
            elif line.startswith("calls="):
                is_call = True  # the next line is the cost of the callee
            elif m := COST.match(line):
                if ours and not is_call:
                    total += int(m.group(1) or m.group(2))
                is_call = False
    return total


def count(workload, name):
    """Instructions per unit."""
    with tempfile.TemporaryDirectory(prefix="shoal-perf-") as folder:
        out = os.path.join(folder, "profile")
        p = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                            f"--toggle-collect=measure_{name}", "--compress-strings=no", "--compress-pos=no",
                            workload, name],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if p.returncode != 0:
            raise SystemExit(f"Bail out! {workload} {name}: exit {p.returncode}\n{p.stderr[-2000:]}")
        return round(self_cost(out, os.path.basename(workload)) / int(p.stdout), 1)


def read_baseline(path):
    """(compiler, {name: instructions})"""
    compiler, counts = None, {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("compiler "):
                compiler = line.split(" ", 1)[1].strip()
            elif line.strip() and not line.startswith("#"):
                name, n = line.split()
                counts[name] = float(n)
    return compiler, counts


def write_baseline(path, compiler, counts):
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Instructions of our own code per block (download, upload), message (haves, encode, decode),\n"
                "# file (parse) and announce, in a release build. Written by `make perf-baseline`.\n"
                f"compiler {compiler}\n")
        f.writelines(f"{name} {n}\n" for name, n in counts.items())


def compare(counts, baseline):
    print(f"1..{len(counts)}")
    failed = False
    for i, (name, n) in enumerate(counts.items(), 1):
        base = baseline.get(name)
        if base is None:
            print(f"not ok {i} - {name}: {n} instructions, and the baseline does not know it: make perf-baseline")
            failed = True
            continue
        change = f"{n} instructions, {100 * (n / base - 1):+.1f} % against {base}"
        ok = n <= base * (1 + TOLERANCE)
        failed = failed or not ok
        print(f"{'ok' if ok else 'not ok'} {i} - {name}: {change}")
        if n < base * (1 - TOLERANCE):
            print("# so much less that the baseline should be renewed: make perf-baseline")
    return 1 if failed else 0


def main():
    p = argparse.ArgumentParser()
    for name in ("--baseline", "--buildtype", "--sanitize", "--compiler"):
        p.add_argument(name, required=True)
    p.add_argument("--renew", action="store_true")
    p.add_argument("workload")
    args = p.parse_args()
    reason = skip_reason(args)
    if reason is None and not args.renew:
        compiler, baseline = read_baseline(args.baseline)
        if compiler != args.compiler:
            reason = f"built by {args.compiler}: the baseline is for {compiler}"
    if reason is not None:
        print(f"1..0 # SKIP {reason}")
        return 1 if args.renew else 0
    counts = {name: count(args.workload, name) for name in WORKLOADS}
    if args.renew:
        write_baseline(args.baseline, args.compiler, counts)
        print(open(args.baseline, encoding="utf-8").read(), end="")
        return 0
    return compare(counts, baseline)


if __name__ == "__main__":
    sys.exit(main())
