import json
import os

from .base import Adapter, first_line, fresh, program


class Transmission(Adapter):
    name = "transmission"
    modes = ("v1",)  # 3.00 takes no torrent with a file tree in it
    settings = "transmission-cli; cache-size-mb 64, no DHT/LPD/PEX/uTP, encryption tolerated, no preallocation"

    def version(self):
        return first_line(program("transmission-cli"), "-V")

    def _cmd(self, run, torrent, folder, port, what):
        conf = fresh(run, f"transmission-{what}")
        done = os.path.join(conf, "done")
        script = os.path.join(conf, "done.sh")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\n: > '{done}'\n")
        os.chmod(script, 0o755)
        with open(os.path.join(conf, "settings.json"), "w") as f:
            json.dump({"dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False, "preallocation": 0,
                       "port-forwarding-enabled": False, "peer-port": port, "cache-size-mb": 64, "encryption": 0,
                       "upload-slots-per-torrent": 14, "speed-limit-down-enabled": False, "speed-limit-up-enabled": False}, f)
        self.done = done
        return [program("transmission-cli"), "-g", conf, "-w", folder, "-p", str(port), "-et", "-M", "-f", script, torrent]

    def seed(self, run, torrent, folder, port):
        return self._cmd(run, torrent, folder, port, "seed")

    def get(self, run, torrent, folder, port):
        return self._cmd(run, torrent, folder, port, "get")

    def is_done(self, proc, run):
        return os.path.exists(self.done) or proc.poll() is not None
