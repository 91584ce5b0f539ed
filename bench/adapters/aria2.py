from .base import Adapter, Job, first_line, program, write_script


class Aria2(Adapter):
    name = "aria2"
    modes = ("v1",)  # 1.36 computes another info-hash for a torrent with a file tree in it
    settings = ("--file-allocation=none --disk-cache=64M, no DHT/LPD/PEX, no encryption required, --bt-max-peers=0, "
                "--bt-request-peer-speed-limit=500M; the seed does not verify first")

    def version(self):
        return first_line(program("aria2c"), "--version")

    @staticmethod
    def _command(torrent, folder, port, *more):
        return [program("aria2c"), "--no-conf", "-q", f"--dir={folder}", f"--listen-port={port}",
                "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false",
                "--disable-ipv6=true", "--file-allocation=none", "--disk-cache=64M", "--bt-require-crypto=false",
                "--bt-min-crypto-level=plain", "--bt-max-peers=0", "--bt-request-peer-speed-limit=500M",
                "--bt-max-open-files=1000", "--follow-torrent=false", *more, torrent]

    def seed(self, run, torrent, folder, port):
        return Job(self._command(torrent, folder, port, "--seed-ratio=0.0", "--bt-seed-unverified=true",
                                 "--allow-overwrite=true"))

    def get(self, run, torrent, folder, port, stay=False):
        if not stay:
            return Job(self._command(torrent, folder, port, "--seed-time=0"))
        conf = run.fresh(f"aria2-{port}")
        script = write_script(f"{conf}/done.sh", f": > '{conf}/done'\n")
        return Job(self._command(torrent, folder, port, "--seed-ratio=0.0", f"--on-bt-download-complete={script}"),
                   f"{conf}/done")
