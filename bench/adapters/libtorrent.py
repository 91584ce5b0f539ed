"""libtorrent through its Python binding. Run as a program it is one session:
libtorrent.py seed|get|stay HOST PORT TORRENT FOLDER DONE"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that python3-libtorrent belongs to


def drive():
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
    import signal

    import libtorrent as lt
    what, host, port, torrent, folder, done = sys.argv[1:]
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    settings = lt.high_performance_seed() if what == "seed" else lt.default_settings()
    category = lt.alert.category_t
    settings.update({
        "listen_interfaces": f"{host}:{port}", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False, "in_enc_policy": 2,
        "out_enc_policy": 2, "send_buffer_watermark": 4 << 20, "send_buffer_low_watermark": 1 << 20,
        "send_buffer_watermark_factor": 200, "max_out_request_queue": 2000, "max_allowed_in_request_queue": 2000,
        "request_queue_time": 3, "max_queued_disk_bytes": 32 << 20, "aio_threads": 4, "hashing_threads": 2,
        "alert_mask": int(category.status_notification) | int(category.storage_notification),
        "mixed_mode_algorithm": 0, "close_redundant_connections": True, "allow_multiple_connections_per_ip": True,
    })
    s = lt.session(settings)
    p = lt.add_torrent_params()
    p.ti = lt.torrent_info(torrent)
    p.save_path = folder
    if what == "seed":
        p.flags |= lt.torrent_flags.seed_mode
    t = s.add_torrent(p)
    finished = False
    while True:
        s.wait_for_alert(1000 if what == "seed" else 5)
        for a in s.pop_alerts():
            if what == "seed" and isinstance(a, lt.state_changed_alert) and t.status().is_seeding:
                open(done, "w", encoding="ascii").close()
            if what != "seed" and isinstance(a, lt.torrent_finished_alert):
                finished = True
                t.flush_cache()
            elif finished and isinstance(a, lt.cache_flushed_alert):  # it says so at other times, too
                if what == "get":
                    os._exit(0)  # finished, and the file holds all of it
                open(done, "w", encoding="ascii").close()


if __name__ == "__main__":
    drive()
else:
    from .base import Adapter, Job, Missing, first_line, program

    class Libtorrent(Adapter):
        name = "libtorrent"
        settings = ("high_performance_seed() for the seed; no DHT/LSD/uTP/encryption; several peers from one address; "
                    "send_buffer_watermark 4 MiB, max_out_request_queue 2000, aio_threads 4, hashing_threads 2, "
                    "max_queued_disk_bytes 32 MiB; the seed does not verify first; the start of Python counts")

        def version(self):
            text = first_line(program(PYTHON), "-c", "import libtorrent; print(libtorrent.__version__)")
            if "rror" in text or "Traceback" in text:
                raise Missing("python3-libtorrent is not installed")
            return "libtorrent " + text

        @staticmethod
        def _command(what, run, torrent, folder, port, done="-"):
            return [PYTHON, os.path.abspath(__file__), what, run.host, str(port), torrent, folder, done]

        def seed(self, run, torrent, folder, port):
            done = os.path.join(run.fresh(f"libtorrent-{port}"), "done")
            return Job(self._command("seed", run, torrent, folder, port, done), done)

        def get(self, run, torrent, folder, port, stay=False):
            if not stay:
                return Job(self._command("get", run, torrent, folder, port))
            done = os.path.join(run.fresh(f"libtorrent-{port}"), "done")
            return Job(self._command("stay", run, torrent, folder, port, done), done)
