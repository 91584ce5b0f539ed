#!/usr/bin/python3
"""Usage: lt_driver.py seed|check|get HOST TORRENT|LINK FOLDER [encrypted] [utp] [both] [slow] [nopex] [super] - one libtorrent session; "seed" takes
what is there on trust, and knows no hashes of blocks, "check" hashes it first. Prints "done" when the torrent is complete,
and stays until it is told to end."""

import signal
import sys
import time

import libtorrent as lt


def main():
    what, host, torrent, folder = sys.argv[1:5]
    utp, both = "utp" in sys.argv[5:], "both" in sys.argv[5:]
    policy = 0 if "encrypted" in sys.argv[5:] else 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    s = lt.session({
        "listen_interfaces": host + ":0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "allow_multiple_connections_per_ip": True, "enable_outgoing_utp": utp or both,
        "enable_incoming_utp": utp or both, "enable_outgoing_tcp": not utp, "enable_incoming_tcp": not utp,
        "in_enc_policy": policy, "out_enc_policy": policy, "allowed_enc_level": 2 if policy == 0 else 3,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification |
        lt.alert.category_t.storage_notification |
        lt.alert.category_t.tracker_notification | lt.alert.category_t.peer_notification,
    }, **({"flags": 0} if "nopex" in sys.argv[5:] else {}))
    s.apply_settings({"enable_lsd": "lsd" in sys.argv[5:]})
    if both:  # dials that routers swallow end soon
        s.apply_settings({"peer_connect_timeout": 3, "utp_connect_timeout": 1000, "utp_syn_resends": 1, "min_reconnect_time": 2})
    if "slow" in sys.argv[5:]:
        s.apply_settings({"download_rate_limit": 20000})
    if torrent.startswith("magnet:"):
        p = lt.parse_magnet_uri(torrent)
    else:
        p = lt.add_torrent_params()
        p.ti = lt.torrent_info(torrent)
    p.save_path = folder
    if what == "seed":
        p.flags |= lt.torrent_flags.seed_mode
    if "super" in sys.argv[5:]:
        p.flags |= lt.torrent_flags.super_seeding
    t = s.add_torrent(p)
    complete = said = False
    while True:
        s.wait_for_alert(200)
        for a in s.pop_alerts():
            print(a.message(), flush=True)
            if complete and not said and isinstance(a, lt.cache_flushed_alert):
                said = True
                print("done", flush=True)
        # What it has verified it may not have written yet.
        if not complete and t.status().is_seeding:
            complete = True
            t.flush_cache()


if __name__ == "__main__":
    main()
