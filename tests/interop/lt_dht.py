#!/usr/bin/python3
"""Usage: lt_dht.py HOST PORT WHAT ... - a libtorrent node of the table, which begins at HOST:PORT.

  seed|get TORRENT FOLDER  a torrent by nothing but the table; prints "done" when it is complete
  put SEED KEY SALT VALUE  a mutable item (SEED, KEY, SALT in hex); prints "done" when nodes took it
  read KEY SALT            prints "item ..." of what is found
Prints "port N" and, when it takes part, "ready". Stays until it is told to end."""

import hashlib
import signal
import sys
import time

import libtorrent as lt

SETTINGS = {
    "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True, "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "in_enc_policy": 2, "out_enc_policy": 2, "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False, "dht_prefer_verified_node_ids": False, "dht_ignore_dark_internet": False,
    "alert_mask": lt.alert.category_t.all_categories & ~lt.alert.category_t.dht_log_notification,
}


def expanded(seed):
    """RFC 8032: what libtorrent calls the private key."""
    k = bytearray(hashlib.sha512(seed).digest())
    k[0] &= 248
    k[31] = (k[31] & 63) | 64
    return bytes(k)


def main():
    host, port, what, *rest = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    s = lt.session({**SETTINGS, "listen_interfaces": host + ":0", "dht_bootstrap_nodes": f"{host}:{port}"})
    s.add_dht_node((host, int(port)))
    print("port", s.listen_port(), flush=True)
    torrent = None
    if what in ("seed", "get"):
        p = lt.add_torrent_params()
        p.ti = lt.torrent_info(rest[0])
        p.save_path = rest[1]
        if what == "seed":
            p.flags |= lt.torrent_flags.seed_mode
        torrent = s.add_torrent(p)
    ready = asked = complete = said = False
    while True:
        s.wait_for_alert(200)
        for a in s.pop_alerts():
            if complete and not said and isinstance(a, lt.cache_flushed_alert):
                said = True
                print("done", flush=True)
            elif isinstance(a, lt.dht_put_alert) and a.num_success > 0:
                print("done", flush=True)
            elif isinstance(a, lt.dht_mutable_item_alert):
                # Its Python knows values that are strings alone; the message has any.
                print("item", a.message(), flush=True)
            elif isinstance(a, lt.dht_bootstrap_alert):
                ready = True
                print("ready", flush=True)
            elif "dht" in a.message().lower():
                print(a.message(), flush=True)
        if ready and not asked and what in ("put", "read"):
            asked = True
            if what == "put":
                seed, key, salt, value = rest
                s.dht_put_mutable_item(expanded(bytes.fromhex(seed)), bytes.fromhex(key), value.encode(),
                                       bytes.fromhex(salt))
            else:
                s.dht_get_mutable_item(bytes.fromhex(rest[0]), bytes.fromhex(rest[1]))
        if torrent and ready and not asked:
            asked = True
            torrent.force_dht_announce()
        # What it has verified it may not have written yet.
        if torrent and not complete and torrent.status().is_seeding:
            complete = True
            torrent.flush_cache()
        time.sleep(0.05)


if __name__ == "__main__":
    main()
