"""What run.py asks of a client."""

import os
import shutil
import subprocess


class Missing(Exception):
    pass


class Adapter:
    name = "?"
    modes = ("v1", "hybrid", "v2")  # kinds of torrent it takes
    settings = ""                   # printed with the figures

    def version(self):
        return "?"

    def seed(self, run, torrent, folder, port):
        """The command of a process that serves what lies in folder; run.tracker sees it with left=0."""
        raise NotImplementedError

    def get(self, run, torrent, folder, port):
        """The command of a process that fetches into folder."""
        raise NotImplementedError

    def is_done(self, proc, run):
        """Has the getter ended its work? By default: the process has ended."""
        return proc.poll() is not None


def program(name):
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


def first_line(*cmd):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return p.stdout.decode(errors="replace").split("\n")[0].strip()


def fresh(run, name):
    path = os.path.join(run.work, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
