#!/usr/bin/python3
"""Do the documents say what is so? Names of files, limits with their values, tests that show them, and links."""

import ast
import fnmatch
import os
import re
import sys

DOCS = ("README.md", "CHANGELOG.md", "docs/api.md", "docs/architecture.md", "docs/dependencies.md", "docs/limits.md",
        "docs/operations.md", "docs/performance.md", "docs/protocols.md", "docs/sim-results.md", "docs/simulation.md",
        "docs/testing.md")
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+((?:[^\n\\]|\\\n)+)", re.M)
JS_CONST = re.compile(r"^(?:export )?const (\w+) = ([^;\n]+);", re.M)
NUMBER = re.compile(r"(?<![\w^])(\d[\d,]*(?:\.\d+)?)(?:\^(\d+))?(?: ?(KiB|MiB|GiB|ms|s|min|h|days)\b)?")
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "days": 86400}
TICKS = {"_US": 1e6, "_MS": 1e3, "_S": 1}


class Tree:
    """The files of the repository, and what their text says."""

    def __init__(self, root):
        self.root = root
        self.files = set()
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if not f.startswith((".", "build"))]
            self.files.update(os.path.relpath(os.path.join(folder, n), root) for n in names)

    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            return f.read()

    def is_there(self, path):
        """A file, a folder, or a pattern of files."""
        return os.path.exists(os.path.join(self.root, path)) or any(fnmatch.fnmatch(f, path) for f in self.files)


def rows(text):
    """The cells of each row of each table."""
    for line in text.split("\n"):
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


# ---- links ---------------------------------------------------------------------------------

def anchors(text):
    for head in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")


def links(tree):
    for doc in DOCS:
        for target in re.findall(r"\]\(([^)\s]+)\)", tree.text(doc)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(doc), path)) if path else doc
            if not tree.is_there(path):
                yield f"{doc}: {target}: no such file"
            elif anchor and anchor not in anchors(tree.text(path)):
                yield f"{doc}: {target}: no such heading"


# ---- architecture.md -----------------------------------------------------------------------

def architecture(tree):
    """Names without a folder are of the folder that the heading above them names, if it names one."""
    anywhere = {os.path.basename(f) for f in tree.files}
    folder = ""
    for line in tree.text("docs/architecture.md").split("\n"):
        if line.startswith("#"):
            head = re.match(r"#+ (\w+):", line)
            folder = head.group(1) if head else ""
        for name in re.findall(r"`([\w/*]+\.(?:c|h|js|py|sh))`", line):
            places = [name, f"src/{name}", f"src/{folder}/{name}", f"{folder}/{name}"]
            if not any(tree.is_there(p) for p in places) and (folder or name not in anywhere):
                yield f"{name} ({folder or 'no folder'}): no such file"


# ---- limits.md -------------------------------------------------------------------------------

class Constants:
    def __init__(self, tree):
        self.texts, self.of = {}, {}
        for path in sorted(tree.files):
            if path.startswith(("src/", "web/")) and path.endswith((".c", ".h", ".js")):
                text = re.sub(r"/\*.*?\*/", "", tree.text(path), flags=re.S)
                for name, value in (JS_CONST if path.endswith(".js") else DEFINE).findall(text):
                    self.texts.setdefault(name, {})[path] = value.replace("\\\n", " ").strip()

    def value(self, name, path):
        """None: it is none, or no number."""
        places = self.texts.get(name, {})
        text = places.get(path) or next(iter(places.values()), None)
        if text is None:
            return None
        text = re.sub(r"\b(0x[\da-fA-F]+|\d[\d.]*)[uUlL]+\b", r"\1", text)
        text = re.sub(r"\((?:u?int\d+_t|size_t|double)\)", "", text).replace("/", "//")
        try:
            return self.calculate(ast.parse(text, mode="eval").body, path)
        except (SyntaxError, ValueError):
            return None

    def calculate(self, node, path):
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.Name) and (value := self.value(node.id, path)) is not None:
            return value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self.calculate(node.operand, path)
        if isinstance(node, ast.BinOp):
            a, b = self.calculate(node.left, path), self.calculate(node.right, path)
            for kind, do in ((ast.Add, lambda: a + b), (ast.Sub, lambda: a - b), (ast.Mult, lambda: a * b),
                             (ast.FloorDiv, lambda: a // b), (ast.LShift, lambda: a << b)):
                if isinstance(node.op, kind):
                    return do()
        raise ValueError


def said(cell, name):
    """The numbers of a cell, as a constant of this name would have them."""
    tick = next((TICKS[end] for end in TICKS if name.endswith(end)), 1)
    out = set()
    for number, power, unit in NUMBER.findall(cell):
        n = float(number.replace(",", "")) ** int(power or 1)
        out.add(n)
        if unit in BYTES:
            out.add(n * BYTES[unit])
        elif unit:
            out.add(n * SECONDS[unit] * tick)
    return {round(x, 6) for x in out}


def limits(tree):
    constants = Constants(tree)
    for row in rows(tree.text("docs/limits.md")):
        if len(row) != 6:
            yield f"a row of {len(row)} cells: {row[0]}"
            continue
        places = [os.path.normpath(f"src/{p.strip()}") for p in row[2].split(",")]
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row[0]):
            place = next((p for p in places if p in constants.texts.get(name, {})), None)
            value = constants.value(name, place)
            if place is None:
                yield f"{name}: not in {row[2]}"
            elif value is not None and round(float(value), 6) not in said(row[1], name):
                yield f"{name} is {value}, not {row[1]}"


def shown(tree):
    """Tests are named as test_FILE: `NAME`, or by a part of a title as e2e test_FILE: "TITLE"."""
    for row in rows(tree.text("docs/limits.md")):
        for file, names in re.findall(r'\b(test_\w+): ((?:(?:`\w+`|"[^"]+")(?:, )?)+)', row[-1]):
            paths = [p for p in (f"tests/unit/{file}.c", f"tests/e2e/{file}.py") if tree.is_there(p)]
            text = "".join(map(tree.text, paths))
            for name, title in re.findall(r'`(\w+)`|"([^"]+)"', names):
                if (f"{name})" if name else title) not in text:
                    yield f"{row[0]}: {file}: {name or title}: no such test"


# ---- protocols.md ------------------------------------------------------------------------------

def is_module(tree, name):
    return any(tree.is_there(f"src/{name}{end}") for end in ("", ".c", ".h"))


def is_test(tree, kind, name):
    if kind in ("unit", "interop", "e2e"):
        name = name if name.startswith("test_") else f"test_{name}"
        return tree.is_there(f"tests/{kind}/{name}.{'c' if kind == 'unit' else 'py'}")
    return tree.is_there(f"tests/fuzz/fuzz_{name}.c") if kind == "fuzz" else True


def protocols(tree):
    for row in rows(tree.text("docs/protocols.md")):
        if len(row) != 4 or row[0] in ("BEP", "---"):
            continue
        for name in re.findall(r"[a-z]\w*(?:/[\w*]+)?", re.sub(r"\([^)]*\)", "", row[2])):
            if not is_module(tree, name):
                yield f"{row[0]}, {row[1]}: {name}: no such module"
        kind = ""
        for word in re.findall(r"[\w]+", re.sub(r"\([^)]*\)|\w+:|\w+, \w+:", "", row[3])):
            if word in ("unit", "interop", "e2e", "fuzz", "sim"):
                kind = word
            elif not is_test(tree, kind, word):
                yield f"{row[0]}, {row[1]}: {kind} {word}: no such test"


CHECKS = (("links lead somewhere", links), ("files that architecture.md names are there", architecture),
          ("limits are what limits.md says", limits), ("tests of limits are there", shown),
          ("modules and tests of protocols.md are there", protocols))


def main(root):
    tree, failed = Tree(root), False
    print(f"1..{len(CHECKS)}")
    for n, (what, find) in enumerate(CHECKS, 1):
        faults = list(find(tree))
        failed = failed or bool(faults)
        print(f"{'not ok' if faults else 'ok'} {n} - {what}")
        for fault in faults:
            print(f"#   {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
