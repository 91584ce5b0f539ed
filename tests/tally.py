#!/usr/bin/python3
"""Usage: tally.py BUILD_DIR...

Counts every check of every test program in meson-logs/testlog.json, prints those that failed, and
ends with "N passed, N failed, N skipped". A program that crashed, timed out, or promised more
checks than it made counts as one failure more. Exit 1 when anything failed or nothing ran."""

import json
import os
import re
import sys

LINE = re.compile(r"^(not )?ok\b[ \t]*(\d+)?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*skip\b.*)?$", re.I)
SKIP = re.compile(r"#\s*skip", re.I)
TODO = re.compile(r"#\s*todo", re.I)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, text, detail=()):
        self.failed += 1
        self.failures.append((text, list(detail)))


def count_tap(count, name, out):
    """Counts the lines of one program. Returns (checks seen, checks promised or None, failed)."""
    seen, promised, failed, collecting = 0, None, 0, None
    for line in out.split("\n"):
        if m := PLAN.match(line):
            promised = int(m.group(1))
            if m.group(2) and promised == 0:
                count.skipped += 1
        elif m := LINE.match(line):
            seen += 1
            collecting = None
            if SKIP.search(m.group(3)):
                count.skipped += 1
            elif m.group(1) and not TODO.search(m.group(3)):
                failed += 1
                count.fail(f"{name}: {m.group(3).strip(' -')}")
                collecting = count.failures[-1][1]
            else:
                count.passed += 1
        elif line.startswith("#") and collecting is not None and len(collecting) < 40:
            collecting.append(line)
    return seen, promised, failed


def count_test(count, t):
    name, result = t["name"], t["result"]
    out = t.get("stdout") or ""
    err = (t.get("stderr") or "").rstrip().split("\n")[-20:]
    if result == "SKIP" and not LINE.search(out):
        count.skipped += 1
        return
    seen, promised, failed = count_tap(count, name, out)
    if result in ("OK", "EXPECTEDFAIL", "SKIP"):
        if seen == 0 and promised is None:
            count.passed += 1  # a program without TAP is one check
        return
    if result == "TIMEOUT":
        count.fail(f"{name}: timed out", err)
    elif promised is not None and seen != promised:
        count.fail(f"{name}: made {seen} of {promised} checks ({result}, exit {t.get('returncode')})", err)
    elif failed == 0:
        count.fail(f"{name}: {result}, exit {t.get('returncode')}", err)


def main(build_dirs):
    count = Count()
    for d in build_dirs:
        path = os.path.join(d, "meson-logs", "testlog.json")
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f:
                    if line.strip():
                        count_test(count, json.loads(line))
        except OSError as e:
            count.fail(f"{path}: {e.strerror}")
    for text, detail in count.failures:
        print(f"FAILED {text}")
        for line in detail:
            print(f"    {line}")
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed or count.passed == 0 else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
