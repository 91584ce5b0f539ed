#!/usr/bin/python3
"""Usage: exports.py BUILD LIBRARY... - every function that a file of src exports is called from another file.

Else it is dead, or its file's own and static. A call from a test counts: that is a way to look in. Read off the symbols
of what was built."""

import os
import subprocess
import sys

# Of a pair that is one interface; the other half is called.
HALVES = {"stream_from_tcp"}


def symbols(paths, kinds):
    """Names of these kinds (see nm(1)) in files."""
    for at in range(0, len(paths), 200):
        out = subprocess.run(["nm", "-P", *paths[at:at + 200]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, check=False).stdout
        for line in out.splitlines():
            name, kind, *_ = [*line.split(), ""]
            if kind and kind in kinds:
                yield name


def objects(build):
    for folder, _, names in os.walk(build):
        yield from (os.path.join(folder, n) for n in names if n.endswith(".o"))


def main(build, libraries):
    built = sorted(objects(build))
    if not any("/tests/unit/" in path for path in built):
        print("1..0 # SKIP the tests, who call some, are not built")
        return 0
    wanted = set(symbols(built, "U"))
    print(f"1..{len(libraries)}")
    failed = False
    for n, library in enumerate(libraries, 1):
        names = set(symbols([library], "T"))
        own = sorted(names - wanted - HALVES)
        failed = failed or bool(own) or not names
        print(f"{'not ok' if own or not names else 'ok'} {n} - {os.path.basename(library)}: of {len(names)} functions "
              "each is called from elsewhere")
        for name in own:
            print(f"#   {name} is not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
