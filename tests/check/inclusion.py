#!/usr/bin/python3
"""Who may include whom: the rules of docs/architecture.md, read off the #include lines of src/."""

import os
import re
import sys

PURE = {"base", "meta", "wire"}
MAY = {
    "base": set(),
    "meta": {"base"},
    "wire": {"base"},
    "swarm": PURE,
    "dht": PURE,
    "index": PURE,
    "store": PURE,
    "net": PURE,
    "sys": set(),
    "node": PURE | {"swarm", "dht", "index", "store", "net"},
    "daemon": PURE | {"store", "net", "node"},
    "cli": PURE | {"swarm", "dht", "index", "store", "net", "sys", "node", "daemon"},
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def sources(src):
    for folder, _, files in sorted(os.walk(src)):
        for f in sorted(files):
            if f.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, f), src)


def faults_of(src, path, text):
    folder = path.split(os.sep)[0]
    if os.sep not in path or folder not in MAY:
        return [f"{path}: lies in no folder that architecture.md knows"]
    out = []
    included = INCLUDE.findall(text)
    for target in included:
        there = target.split("/")[0]
        if "/" not in target or not (there in MAY):
            # What the build makes (the page, as bytes) has no folder of the tree.
            if os.path.exists(os.path.join(src, folder, target)):
                out.append(f'{path}: "{target}" is written without its folder')
        elif there != folder and there not in MAY[folder]:
            out.append(f"{path}: {folder} may not include {target}")
        elif not os.path.exists(os.path.join(src, target)):
            out.append(f"{path}: {target} does not exist")
    own = path[:-2] + ".h"
    if path.endswith(".c") and os.path.exists(os.path.join(src, own)) and included[:1] != [own]:
        out.append(f"{path}: does not include its own header first")
    return out


def main(src):
    by_folder = {}
    for path in sources(src):
        with open(os.path.join(src, path), encoding="utf-8") as f:
            by_folder.setdefault(path.split(os.sep)[0], []).extend(faults_of(src, path, f.read()))
    print(f"1..{len(by_folder)}")
    for n, (folder, faults) in enumerate(sorted(by_folder.items()), 1):
        print(f"{'not ok' if faults else 'ok'} {n} - {folder} includes only what it may")
        for fault in faults:
            print(f"#   {fault}")
    return 1 if any(by_folder.values()) or not by_folder else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
