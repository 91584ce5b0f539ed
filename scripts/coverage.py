#!/usr/bin/python3
"""Usage: coverage.py BUILD_DIR [--missed PATH]

How much of src the tests of a build with -Db_coverage=true have run: lines and branches for each folder, and for
those files that take bytes of strangers apart ("parsers"), which shall have 95 % of their lines run. Exit 1 when
they have not. --missed names the lines that nobody ran of a file, or of all in a folder (src/wire).

Asks gcov, which comes with gcc. Branches of an assert() are not counted: the other way is a defect."""

import argparse
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARSERS = re.compile(r"src/(meta|wire)/|src/base/bencode\.|src/net/http_request\.")
PARSERS_LEAST = 95.0
AT_ONCE = 40


class File:
    def __init__(self, path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            self.text = f.read().split("\n")
        self.lines = collections.Counter()
        self.branches = collections.Counter()

    def add(self, line):
        """Takes what gcov says of one line in one object; a header's is in many."""
        n = line["line_number"]
        self.lines[n] += line["count"]
        if "assert(" in self.text[n - 1]:
            return
        for i, b in enumerate(line["branches"]):
            self.branches[n, line.get("function_name"), i] += b["count"]


def notes_of(build):
    """What gcc wrote of each object of src: the tests' own are of no interest."""
    for folder, _, names in os.walk(os.path.join(build, "src")):
        yield from (os.path.relpath(os.path.join(folder, n), build) for n in names if n.endswith(".gcno"))


def read(build):
    """{path beneath the root: File}"""
    files, notes = {}, sorted(notes_of(build))
    for at in range(0, len(notes), AT_ONCE):
        out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", *notes[at:at + AT_ONCE]],
                             cwd=build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        for report in out.splitlines():
            for f in json.loads(report)["files"] if report.strip() else ():
                path = os.path.relpath(os.path.join(build, f["file"]), ROOT)
                if not path.startswith("src/"):
                    continue
                if path not in files:
                    files[path] = File(path)
                for line in f["lines"]:
                    files[path].add(line)
    return files


def percent(counts):
    return 100.0 * sum(1 for c in counts if c) / len(counts) if counts else 100.0


def print_row(name, files):
    """Returns the percentage of lines."""
    lines = [c for f in files for c in f.lines.values()]
    branches = [c for f in files for c in f.branches.values()]
    print(f"{name:<12} {len(files):>5} {len(lines):>7} {percent(lines):>6.1f} % "
          f"{len(branches):>9} {percent(branches):>6.1f} %")
    return percent(lines)


def print_missed(files, below):
    for path, f in sorted(files.items()):
        missed = sorted(n for n, count in f.lines.items() if not count)
        if path.startswith(below) and missed:
            print(f"{path}: {percent(f.lines.values()):.1f} %")
            for n in missed:
                print(f"  {n:>5} {f.text[n - 1].strip()}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--missed", metavar="PATH")
    args = p.parse_args()
    files = read(os.path.abspath(args.build))
    if not files:
        sys.exit(f"{args.build}: nothing of gcov's; meson setup -Db_coverage=true, build, and run tests")
    if args.missed:
        print_missed(files, args.missed)
        return 0
    print(f"{'':<12} {'files':>5} {'lines':>7} {'run':>8} {'branches':>9} {'taken':>8}")
    for folder in sorted({os.path.dirname(path) for path in files}):
        print_row(folder, [f for path, f in files.items() if os.path.dirname(path) == folder])
    print_row("all", list(files.values()))
    parsers = print_row("parsers", [f for path, f in files.items() if PARSERS.match(path)])
    return 0 if parsers >= PARSERS_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
