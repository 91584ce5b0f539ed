import json

from .base import Adapter, Job, first_line, program, write_script


class Transmission(Adapter):
    name = "transmission"
    modes = ("v1",)  # 3.00 takes no torrent with a file tree in it
    many_per_address = False
    size_max = 64  # it asks for 512 blocks a second, whatever comes back: 8 MiB/s
    settings = ("transmission-cli; cache-size-mb 64, no DHT/LPD/PEX/uTP, encryption tolerated, no preallocation; "
                "the seed verifies first")

    def version(self):
        return first_line(program("transmission-cli"), "-V")

    @staticmethod
    def _job(run, torrent, folder, port):
        conf = run.fresh(f"transmission-{port}")
        script = write_script(f"{conf}/done.sh", f": > '{conf}/done'\n")
        with open(f"{conf}/settings.json", "w", encoding="utf-8") as f:
            json.dump({"dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
                       "preallocation": 0, "port-forwarding-enabled": False, "peer-port": port, "cache-size-mb": 64,
                       "encryption": 0, "upload-slots-per-torrent": 14, "speed-limit-down-enabled": False,
                       "speed-limit-up-enabled": False}, f)
        return Job([program("transmission-cli"), "-g", conf, "-w", folder, "-p", str(port), "-et", "-M", "-f", script,
                    torrent], f"{conf}/done")

    # A seed announces before it has verified, and calls its script after that too.
    def seed(self, run, torrent, folder, port):
        return self._job(run, torrent, folder, port)

    def get(self, run, torrent, folder, port, stay=False):
        return self._job(run, torrent, folder, port)
