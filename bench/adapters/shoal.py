import os

from .base import Adapter, first_line, program

BIN = os.environ.get("SHOAL_BIN", "shoal")


class Shoal(Adapter):
    name = "shoal"
    settings = "as it comes"

    def version(self):
        return first_line(program(BIN), "--version")

    def _cmd(self, run, torrent, folder, port, home, *more):
        return ["env", f"SHOAL_HOME={os.path.join(run.work, home)}", BIN, "get", torrent, "-o", folder + "/", "--index", "http://127.0.0.1:1",
                "--port", str(port), *more]

    def seed(self, run, torrent, folder, port):
        return self._cmd(run, torrent, folder, port, "home-seed", "--seed")

    def get(self, run, torrent, folder, port):
        return self._cmd(run, torrent, folder, port, "home-get", "--wait", "60")
