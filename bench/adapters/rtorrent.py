from .base import Adapter, Job, first_line, program

RC = """system.daemon.set = true
session.path.set = {conf}
directory.default.set = {folder}
network.bind_address.set = {host}
network.port_range.set = {port}-{port}
network.port_random.set = no
network.send_buffer.size.set = 4M
network.receive_buffer.size.set = 4M
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = none
trackers.use_udp.set = no
pieces.memory.max.set = 1024M
pieces.hash.on_completion.set = no
method.set_key = event.download.finished, done, "execute.nothrow=touch,{conf}/done"
"""


class Rtorrent(Adapter):
    name = "rtorrent"
    modes = ("v1",)  # 0.9.8 reads no file tree
    many_per_address = False
    settings = ("as a daemon without rc file; no DHT/PEX/UDP/encryption, 4 MiB socket buffers, 1 GiB of memory for "
                "pieces, no second check on completion; the seed verifies first")

    def version(self):
        return first_line(program("rtorrent"), "-h")

    @staticmethod
    def _job(run, torrent, folder, port, done):
        conf = run.fresh(f"rtorrent-{port}")
        with open(f"{conf}/rc", "w", encoding="utf-8") as f:
            f.write(RC.format(conf=conf, folder=folder, host=run.host, port=port))
        return Job([program("rtorrent"), "-n", "-o", f"import={conf}/rc", torrent], f"{conf}/done" if done else None)

    def seed(self, run, torrent, folder, port):
        return self._job(run, torrent, folder, port, False)

    def get(self, run, torrent, folder, port, stay=False):
        return self._job(run, torrent, folder, port, True)
