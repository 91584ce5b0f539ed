#!/usr/bin/python3
"""Runs the tests of the page's pure parts in Node, if there is one; the browser's tests go through them, too."""

import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    node = shutil.which("node")
    if node is None:
        print("1..1\nok 1 - pure parts of the page # SKIP node is not installed")
        return 0
    done = subprocess.run([node, "--test", "--test-reporter=tap", os.path.join(HERE, "pure.test.mjs")],
                          stdout=subprocess.PIPE)
    text = done.stdout.decode()
    inner = re.findall(r"^ *(ok|not ok) \d+ - (.*)$", text, re.M)
    names = [(ok, name) for ok, name in inner if not name.endswith(".mjs")]
    print(f"1..{max(1, len(names))}")
    for n, (ok, name) in enumerate(names, 1):
        print(f"{ok} {n} - {name}")
    if done.returncode != 0 or not names:
        print("# " + text.replace("\n", "\n# "))
    if not names:
        print("not ok 1 - the tests ran")
    return 0 if done.returncode == 0 and names else 1


if __name__ == "__main__":
    raise SystemExit(main())
