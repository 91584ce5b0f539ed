#!/usr/bin/python3
"""The systemd units of a user's daemon, and the sockets that start it and the index: systemd understands them, and
they run what they should."""

import os
import re
import shutil
import subprocess
import sys
import tempfile


def complaints(unit, text, manager, service):
    """What systemd has to say to a unit, beside a service of that name."""
    true = shutil.which("true") or "/bin/true"
    with tempfile.TemporaryDirectory() as d:
        for name, content in ((unit, text), (service, "[Service]\nExecStart=/bin/true\n")):
            path = os.path.join(d, name)
            if not os.path.exists(path):
                with open(path, "w", encoding="ascii") as f:
                    f.write(re.sub(r"^ExecStart=\S+", "ExecStart=" + true, content, flags=re.M))
        seen = subprocess.run(["systemd-analyze", manager, "verify", "--man=no", os.path.join(d, unit)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env={**os.environ, "XDG_RUNTIME_DIR": d})
        return [x for x in seen.stdout.splitlines() if unit in x]


def main():
    texts = {}
    for path in sys.argv[1:]:
        with open(path, encoding="ascii") as f:
            texts[os.path.basename(path)] = f.read()
    wants = {
        "shoal.service": ("/shoal daemon\n", "Type=notify\n", "NoNewPrivileges=yes\n",
                          "RestartPreventExitStatus=2\n", "WantedBy=default.target\n"),
        "shoal.socket": ("ListenStream=%h/.local/share/shoal/run/daemon.sock\n", "ListenStream=127.0.0.1:6880\n",
                         "SocketMode=0600\n", "DirectoryMode=0700\n", "WantedBy=sockets.target\n"),
        "shoal-index.socket": ("ListenStream=6969\n", "BindIPv6Only=both\n", "WantedBy=sockets.target\n"),
    }
    bad = 0
    print(f"1..{2 * len(wants)}")
    for n, (unit, parts) in enumerate(wants.items()):
        ok = all(x in texts[unit] for x in parts)
        bad += not ok
        print(f"{'' if ok else 'not '}ok {2 * n + 1} - {unit} says what it should")
        if not shutil.which("systemd-analyze"):
            print(f"ok {2 * n + 2} - systemd understands {unit} # SKIP there is no systemd-analyze")
            continue
        manager = "--system" if "index" in unit else "--user"
        mine = complaints(unit, texts[unit], manager, unit.replace(".socket", ".service"))
        bad += bool(mine)
        print(f"{'not ' if mine else ''}ok {2 * n + 2} - systemd understands every line of {unit}")
        for line in mine:
            print("#", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
