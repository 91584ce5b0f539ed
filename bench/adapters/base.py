"""What the scenarios ask of a client."""

import os
import shutil
import subprocess


class Missing(Exception):
    pass


class Job:
    """A process to start. `done`: a path that appears when its work is done; without it a getter ends then,
    and a seed announces that nothing is left."""

    def __init__(self, cmd, done=None):
        self.cmd, self.done = cmd, done


class Adapter:
    name = "?"
    modes = ("v1", "v2", "hybrid")  # kinds of torrent it takes
    many_per_address = True         # takes several peers from one address
    size_max = None                 # MiB; with more it would take minutes
    settings = ""                   # printed with the figures

    def version(self):
        """One line; raises Missing."""
        raise NotImplementedError

    def seed(self, run, torrent, folder, port):
        """The Job that serves what lies in folder; run.tracker sees it with left=0."""
        raise NotImplementedError

    def get(self, run, torrent, folder, port, stay=False):
        """The Job that fetches into folder. `stay`: and goes on serving until it is interrupted."""
        raise NotImplementedError


def program(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


def first_line(*cmd):
    p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return p.stdout.decode(errors="replace").split("\n")[0].strip()


def write_script(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path
