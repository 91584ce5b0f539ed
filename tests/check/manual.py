#!/usr/bin/python3
"""The manual page, --help and the completions speak of the same commands, options and exit codes."""

import os
import re
import shutil
import subprocess
import sys


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, check=True, text=True).stdout


def completions(shoal):
    """{command: its options}, as the tables of the program say it."""
    found = re.findall(r"^\t([a-z]+)\) options='([^']*)'", run(shoal, "completions", "bash"), re.M)
    return {command: options.split() for command, options in found}


def lint(page):
    if not shutil.which("mandoc"):
        return None
    got = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], stdout=subprocess.PIPE, text=True, check=False)
    return got.stdout.splitlines()


def undescribed(shoal, table):
    out = []
    for command, options in table.items():
        said = run(shoal, command, "--help")
        words = set(re.findall(r"--[a-z0-9-]+", said))
        out += [f"shoal {command} --help does not speak of {o}" for o in options if o not in words]
    return out


def unknown_to(page, table, codes):
    out = [f"no command {c}" for c in table if f".It Cm {c}" not in page]
    named = set(re.findall(r"(?<![a-z0-9-])-([a-z0-9][a-z0-9-]+)", page))
    for option in sorted({o for options in table.values() for o in options}):
        if option[2:] not in named:
            out.append(f"no option {option}")
    status = page.split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    out += [f"no exit status {c}" for c in codes if f".It {c}\n" not in status]
    return out


def unlisted(shoal, page, table):
    """Options that the synopsis of their command lacks; their one-letter form will do."""
    synopsis, out = {}, []
    for form in page.split(".Sh SYNOPSIS")[1].split(".Sh")[0].split("\n.Nm\n")[1:]:
        commands, _, rest = form.removeprefix(".Cm ").partition("\n")
        for command in commands.split(" | ") if " | " in commands else commands.split()[:1]:
            synopsis[command] = synopsis.get(command, "") + rest + "\n"
    common = set.intersection(*map(set, table.values()))
    for command, options in table.items():
        short = dict(re.findall(r"-([a-z]), (--[a-z-]+)", run(shoal, command, "--help")))
        for option in (o for o in options if o not in common):
            letters = [option[1:]] + [letter for letter, long in short.items() if long == option]
            if not any(re.search(rf"Fl {letter}(\s|$)", synopsis.get(command, "")) for letter in letters):
                out.append(f"the synopsis of {command} lacks {option}")
    return out


def main():
    shoal, page_path, source = sys.argv[1:]
    with open(page_path, encoding="utf-8") as f:
        page = f.read()
    with open(os.path.join(source, "src/cli/exit.h"), encoding="utf-8") as f:
        codes = re.findall(r"EXIT_\w+ = (\d+)", f.read())
    with open(os.path.join(source, "docs/api.md"), encoding="utf-8") as f:
        api = f.read().split("## Exit codes")[1]
    table = completions(shoal)
    tests = [
        ("mandoc finds nothing wrong with the page", lint(page_path)),
        ("--help describes every option", undescribed(shoal, table)),
        ("the page has every command, option and exit status", unknown_to(page, table, codes)),
        ("the synopsis of each command has its options", unlisted(shoal, page, table)),
        ("docs/api.md has every exit status", [f"no {c}" for c in codes if f"\n| {c} |" not in api]),
    ]
    print(f"1..{len(tests)}")
    for n, (what, wrong) in enumerate(tests, 1):
        print(f"{'not ' if wrong else ''}ok {n} - {what}{' # SKIP there is no mandoc' if wrong is None else ''}")
        for line in wrong or ():
            print("#", line)
    return 1 if any(wrong for _, wrong in tests) else 0


if __name__ == "__main__":
    sys.exit(main())
