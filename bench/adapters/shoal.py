import os

from .base import Adapter, Job, first_line, program

BIN = os.environ.get("SHOAL_BIN", "shoal")


class Shoal(Adapter):
    name = "shoal"
    settings = "as it comes"

    def version(self):
        return first_line(program(BIN), "--version")

    @staticmethod
    def command(run, *args):
        return ["env", f"SHOAL_HOME={run.path('home')}", BIN, *args]

    def _get(self, run, torrent, folder, port, *more):
        return self.command(run, "get", torrent, "-o", folder + "/", "--index", "http://127.0.0.1:1",
                            "--port", str(port), *more)

    def seed(self, run, torrent, folder, port):
        return Job(self._get(run, torrent, folder, port, "--seed"))

    def get(self, run, torrent, folder, port, stay=False):
        if not stay:
            return Job(self._get(run, torrent, folder, port, "--wait", "60"))
        # The final name appears when all is verified and on disk.
        return Job(self._get(run, torrent, folder, port, "--wait", "60", "--seed"), os.path.join(folder, run.data_name))
