#!/usr/bin/env python3
"""Writes a C file that holds the given files, for src/node/web_assets.h.

usage: embed.py OUT.c FILE...
"""
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def array(name, data):
    rows = [", ".join(str(b) for b in data[i:i + 20]) for i in range(0, len(data), 20)]
    return "static const unsigned char %s[] = {\n\t%s\n};\n\n" % (name, ",\n\t".join(rows))


def main(out, files):
    arrays, table = [], []
    for number, path in enumerate(files):
        base = os.path.basename(path)
        url = "/" if base == "index.html" else "/" + base
        with open(path, "rb") as f:
            data = f.read()
        arrays.append(array("data_%d" % number, data))
        table.append('\t{"%s", "%s", "\\"%s\\"", data_%d, sizeof(data_%d)},\n'
                     % (url, TYPES[os.path.splitext(base)[1]], hashlib.sha256(data).hexdigest()[:32], number, number))
    with open(out, "w", encoding="ascii") as f:
        f.write('#include "node/web_assets.h"\n\n')
        f.writelines(arrays)
        f.write("const struct web_asset web_assets[] = {\n%s};\n\n" % "".join(table))
        f.write("const size_t web_n_assets = sizeof(web_assets) / sizeof(web_assets[0]);\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
