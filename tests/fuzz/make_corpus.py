#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets to corpus/<target>/.

Run it after a format has changed; the files are kept in the repository. Crash inputs
that a fuzzer found are put beside them by hand and stay there for good.
"""
import hashlib
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).parent / "corpus"
A20, B20 = b"a" * 20, b"b" * 20
BLOCK = 16384


def put(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def benc(v):
    if isinstance(v, int):
        return b"i%de" % v
    if isinstance(v, str):
        v = v.encode()
    if isinstance(v, bytes):
        return b"%d:%s" % (len(v), v)
    if isinstance(v, list):
        return b"l" + b"".join(map(benc, v)) + b"e"
    keys = sorted((k.encode() if isinstance(k, str) else k, x) for k, x in v.items())
    return b"d" + b"".join(benc(k) + benc(x) for k, x in keys) + b"e"


def sha1(data):
    return hashlib.sha1(data).digest()


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- bencode -----------------------------------------------------------------

def bencode():
    samples = {
        "int": b"i-42e", "zero": b"i0e", "max": b"i9223372036854775807e",
        "min": b"i-9223372036854775808e", "over": b"i9223372036854775808e",
        "string": b"4:spam", "empty": b"0:", "list": b"l4:spam4:eggse",
        "dict": b"d3:cow3:moo4:spam4:eggse", "nested": b"d4:spaml1:a1:bee",
        "unsorted": b"d1:b0:1:a0:e", "twice": b"d1:a0:1:a0:e",
        "minus_zero": b"i-0e", "leading_zero": b"i03e", "plus": b"i+1e",
        "bad_length": b"01:a", "huge_length": b"18446744073709551616:", "no_data": b"99999999:",
        "int_key": b"di1ei2ee", "cut": b"d1:a", "tail": b"i1ei2e",
        "depth_100": b"l" * 100 + b"e" * 100, "depth_101": b"l" * 101 + b"e" * 101,
        "dicts": b"d0:" * 50 + b"i1e" + b"e" * 50,
    }
    for name, data in samples.items():
        put("bencode", name, data)


# ---- torrents ----------------------------------------------------------------

def tree_root(data):
    leaves = [sha256(data[i:i + BLOCK]) for i in range(0, len(data), BLOCK)]
    width = 1
    while width < len(leaves):
        width *= 2
    leaves += [bytes(32)] * (width - len(leaves))
    while len(leaves) > 1:
        leaves = [sha256(leaves[i] + leaves[i + 1]) for i in range(0, len(leaves), 2)]
    return leaves[0]


def content(n):
    return bytes((31 * i + n) % 256 for i in range(n))


def file_v2(data):
    node = {"length": len(data)}
    if data:
        node["pieces root"] = tree_root(data)
    return {"": node}


def layers(files):
    """Pieces of one block: the piece layer is the leaf layer."""
    return {tree_root(d): b"".join(sha256(d[i:i + BLOCK]) for i in range(0, len(d), BLOCK))
            for d in files if len(d) > BLOCK}


def pieces(data):
    return b"".join(sha1(data[i:i + BLOCK]) for i in range(0, len(data), BLOCK))


def torrents():
    small, large = content(100), content(40000)
    outer = {"announce": "http://t:6969/announce", "created by": "shoal", "creation date": 1,
             "comment": "hi", "announce-list": [["http://t/a"], ["udp://u:1/"]]}
    single = {"name": "f", "piece length": BLOCK, "length": 40000, "pieces": pieces(large)}
    multi = {"name": "d", "piece length": BLOCK, "private": 1, "pieces": pieces(small + large),
             "files": [{"length": 100, "path": ["a", "b"]}, {"length": 0, "path": ["e"]},
                       {"length": 40000, "path": ["z"], "attr": "x"}]}
    v2 = {"name": "d", "piece length": BLOCK, "meta version": 2,
          "file tree": {"a": file_v2(small), "s": {"t": file_v2(large)}, "u": file_v2(b"")}}
    pad = bytes(BLOCK - 100)
    hybrid = {"name": "d", "piece length": BLOCK, "meta version": 2,
              "file tree": {"a": file_v2(small), "z": file_v2(large)},
              "files": [{"length": 100, "path": ["a"]},
                        {"length": len(pad), "path": [".pad", str(len(pad))], "attr": "p"},
                        {"length": 40000, "path": ["z"]}],
              "pieces": pieces(small + pad + large)}
    link = {"name": "d", "piece length": BLOCK, "pieces": pieces(small),
            "files": [{"length": 100, "path": ["a"]},
                      {"length": 0, "path": ["l"], "attr": "l", "symlink path": ["a"]}]}
    whole = {
        "v1_single": benc({**outer, "info": single}),
        "v1_multi": benc({**outer, "info": multi}),
        "v2": benc({**outer, "info": v2, "piece layers": layers([large])}),
        "hybrid": benc({**outer, "info": hybrid, "piece layers": layers([large])}),
        "symlink": benc({"info": link}),
        "empty_file": benc({"info": {"name": "e", "piece length": BLOCK, "length": 0,
                                     "pieces": b""}}),
        "one_piece": benc({"info": {"name": "p", "piece length": BLOCK, "length": 100,
                                    "pieces": pieces(small)}}),
        "no_layers": benc({"info": v2}),
        "traversal": benc({"info": {**multi, "name": ".."}}),
        "not_20": benc({"info": {**single, "pieces": b"x" * 59}}),
        "not_a_dict": b"le",
        "trailing": benc({"info": single}) + b"x",
    }
    for name, data in whole.items():
        put("torrent", name, data)


def magnets():
    v1, v2 = "xt=urn:btih:" + "0a" * 20, "xt=urn:btmh:1220" + "5f" * 32
    samples = {
        "v1": f"magnet:?{v1}",
        "base32": "magnet:?xt=urn:btih:" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "v2": f"magnet:?{v2}&dn=a%20name",
        "hybrid": f"magnet:?{v1}&{v2}&dn=n&tr=http%3A%2F%2Ft%2Fannounce&tr.1=udp://u:9/",
        "peers": f"magnet:?{v1}&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:6881",
        "ranges": f"magnet:?{v1}&so=0,2,4-7",
        "bad_hex": "magnet:?xt=urn:btih:" + "zz" * 20,
        "two_hashes": f"magnet:?{v1}&xt=urn:btih:" + "0b" * 20,
        "other_urn": "magnet:?xt=urn:sha1:ABC&dn=x",
        "many_trackers": f"magnet:?{v1}" + "&tr=http://t/" * 101,
        "bad_escape": f"magnet:?{v1}&dn=%zz",
        "not_magnet": "http://example.org/",
    }
    for name, text in samples.items():
        put("magnet", name, text.encode())


def names():
    samples = [b"report.pdf", b"me/report.pdf", b"me/report.pdf@3", b"a@latest", b"a@b", b"a/b/c",
               b"..", b"../../etc/passwd", b"a/../b", b"a\\..\\b", b"", b" lead", b"tail ",
               b"\xc0\xae\xc0\xae/x", "naïve – 名".encode(), b"esc\x1b[2J", b"c1\xc2\x9b", b"nul\0x",
               "rtl\u202egpj.exe".encode(), b"x" * 255, b"x" * 256, b"%n%s$(x);rm", b"-rf",
               b"a@4294967295", b"a@4294967296", b"a@0", b"\\", b"o" * 128 + b"/n"]
    for i, data in enumerate(samples):
        put("entry_name", "name_%02d" % i, data)


# ---- wire --------------------------------------------------------------------

def message(ident, body=b""):
    return struct.pack(">IB", len(body) + 1, ident) + body


def messages():
    req = struct.pack(">III", 1, BLOCK, BLOCK)
    ask = bytes(32) + struct.pack(">IIII", 0, 0, 2, 3)
    each = {
        "keepalive": bytes(4), "have": message(4, b"\0\0\0\1"), "bitfield": message(5, b"\xff\x80"),
        "request": message(6, req), "piece": message(7, req[:8] + b"payload"),
        "cancel": message(8, req), "port": message(9, b"\x1a\xe1"),
        "suggest": message(13, b"\0\0\0\1"), "reject": message(16, req),
        "allowed_fast": message(17, b"\0\0\0\1"), "extended": message(20, b"\0d1:md6:ut_pexi1eee"),
        "hash_request": message(21, ask), "hashes": message(22, ask + bytes(96)),
        "hash_reject": message(23, ask), "unknown": message(99, b"hi"),
        "flags": b"".join(message(i) for i in (0, 1, 2, 3, 14, 15)),
        "too_long": b"\xff\xff\xff\xff", "wrong_length": message(4, b"\0\0\0"),
    }
    for name, data in each.items():
        put("peer_msg", name, data)
    put("peer_msg", "stream", b"".join(v for k, v in each.items()
                                       if k not in ("too_long", "wrong_length")))


def greeting(peer_id, reserved=b"\0\0\0\0\0\x10\0\x15"):
    return b"\x13BitTorrent protocol" + reserved + A20 + peer_id


def handshakes():
    full = benc({"m": {"ut_metadata": 3, "ut_pex": 1, "lt_donthave": 7, "ut_holepunch": 4},
                 "metadata_size": 31235, "p": 6881, "reqq": 500, "upload_only": 1,
                 "v": "shoal 0.1.0", "yourip": b"\xc0\0\2\1"})
    ids = {"shoal": b"-SH0100-", "libtorrent": b"-LT2080-", "transmission": b"-TR4050-",
           "mainline": b"M7-10-5-", "aria2": b"A2-1-36-0-", "unknown": b"\x1b]52;\n\xff\0"}
    for name, start in ids.items():
        put("handshake_ext", name, greeting(start.ljust(20, b"x")) + full)
    put("handshake_ext", "ext", full)
    put("handshake_ext", "ext_v6", benc({"yourip": b"\x20\x01" + bytes(13) + b"\1", "p": 65535}))
    put("handshake_ext", "ext_empty", b"de")
    put("handshake_ext", "ext_long_v", benc({"v": "µ" * 60}))
    put("handshake_ext", "half", greeting(B20)[:47])
    put("handshake_ext", "wrong", b"GET / HTTP/1.1\r\n\r\n")


def queries():
    must = "info_hash=" + "a" * 20 + "&peer_id=" + "b" * 20 + "&port=6881"
    rows = {
        "plain": must, "full": must + "&uploaded=1&downloaded=2&left=3&event=started&numwant=9"
        "&compact=0&no_peer_id=1&supportcrypto=1&key=00ff&trackerid=t",
        "escaped": "info_hash=" + "%fF" * 20 + "&peer_id=" + "%2B" * 20 + "&port=1&event=completed",
        "ipv6": must + "&ipv6=%5B2001%3Adb8%3A%3A1%5D%3A6882&event=stopped",
        "claims": must + "&ip=192.0.2.66&ipv4=192.0.2.66:99&ipv6=::1",
        "port_0": must.replace("6881", "0"), "port_65536": must.replace("6881", "65536"),
        "numwant": must + "&numwant=-1", "numwant_big": must + "&numwant=1000000000",
        "left_2_64": must + "&left=18446744073709551616", "twice": must + "&port=1&port=2",
        "bad_escape": must + "&key=%zz", "scrape": "info_hash=" + "c" * 20 + "&info_hash=" + "b" * 20,
        "scrape_75": "&".join(["info_hash=" + "a" * 20] * 75), "empty": "&&=&",
    }
    for name, text in rows.items():
        put("http_announce", name, text.encode())


def requests():
    line = b"GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&port=1 HTTP/1.1\r\n"
    rows = {
        "plain": line + b"Host: x:6969\r\nUser-Agent: a/1\r\nAccept-Encoding: gzip\r\n\r\n",
        "close": line + b"Host: x\r\nConnection: close\r\n\r\n",
        "kept": b"GET /scrape/token HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "body": line + b"Content-Length: 5\r\n\r\nhello", "two": (line + b"\r\n") * 2,
        "folded": line + b"X: a\r\n b\r\n\r\n", "lf": line.replace(b"\r", b"") + b"\n",
        "cut": line + b"Host: x\r\n", "many": line + b"X: y\r\n" * 33 + b"\r\n",
        "post": b"POST / HTTP/1.1\r\n\r\n", "absolute": b"GET http://x/ HTTP/1.1\r\n\r\n",
    }
    for name, data in rows.items():
        put("http_get", name, data)


def replies():
    v6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\1\x1a\xe1"
    rows = {
        "compact": benc({"interval": 1800, "peers": b"\xc0\0\2\1\x1a\xe1" * 2, "peers6": v6}),
        "full": benc({"interval": 1800, "min interval": 60, "complete": 1, "incomplete": 2,
                      "downloaded": 3, "external ip": b"\xc6\x33\x64\7", "tracker id": "t",
                      "warning message": "w", "peers": [
                          {"ip": "192.0.2.1", "port": 6881, "peer id": A20},
                          {"ip": "2001:db8::1", "port": 258}, {"ip": "example.org", "port": 1}]}),
        "failure": benc({"failure reason": "busy \x1b[31m", "retry in": "5"}),
        "never": benc({"failure reason": "no tracker", "retry in": "never"}),
        "undialable": benc({"interval": 1, "peers": bytes(6) + b"\1\2\3\4\0\0" + b"\xff" * 6}),
        "ragged": benc({"interval": 1, "peers": b"\1\2\3\4\0\5\6"}),
        "many": benc({"interval": 1, "peers": b"\1\2\3\4\0\5" * 501}),
        "scrape": benc({"files": {A20: {"complete": 1, "downloaded": 2, "incomplete": 3},
                                  B20: {"complete": 4}, b"short": {}}}),
        "html": b"<html>", "empty": b"de",
        "url": b"http://tracker.example:6969/announce?pass=1",
        "url_path": b"https://announce.example/x/announce/pass#f",
    }
    for name, data in rows.items():
        put("http_reply", name, data)


def searches():
    rows = [b"one two", b"on* two", b'"one two"', b'-one -"a b" c ', b"", b'"', b"*", b"-", b"a-b",
            b"NEAR(a b)", b"a AND b", b"col:x", b"%" * 100, b"x " * 32, b"x " * 33,
            b"'; DROP TABLE entry; --", b"nul\0x", b"\xff", "naïve 名".encode(), b'a""b']
    for i, data in enumerate(rows):
        put("search", "text_%02d" % i, data)


# ---- sessions: see fuzz_session.c for the script --------------------------------

def zeros_leaf():
    return sha256(bytes(BLOCK))


def block(piece, begin, length=BLOCK):
    return struct.pack(">IBII", 9 + length, 7, piece, begin)


def request(piece, begin, length=BLOCK):
    return message(6, struct.pack(">III", piece, begin, length))


def script(kind, *steps):
    return bytes([kind]) + b"".join(bytes([op]) + data for op, data in steps)


def sessions():
    v1, v2, hybrid = 0, 1, 2
    seed, leech = greeting(b"-LT2080-" + b"s" * 12), greeting(b"-TR4050-" + b"l" * 12)
    plain = greeting(b"M7-10-5-" + b"p" * 12, bytes(8))
    all_blocks = [(p, b) for p in range(3) for b in ((0, BLOCK) if p < 2 else (0,))]
    opening = [(0, seed), (0, message(14)), (0, message(1)), (2, b"")]
    good = [(0, block(p, b)) for p, b in all_blocks] + [(3, b"")] * 3
    bad = [(0, block(p, b)) for p, b in all_blocks] + [(7, b""), (10, b""), (0x37, b"")]
    ext = (0, message(20, b"\0" + benc({"m": {"lt_donthave": 7}, "reqq": 250, "p": 6881})))
    put("session", "download_v1", script(v1, *opening, *good))
    put("session", "download_v2", script(v2, *opening, *good))
    put("session", "download_hybrid", script(hybrid, opening[0], ext, *opening[1:], *good))
    put("session", "bad_v1", script(v1, *opening, *bad, *good))
    put("session", "bad_v2", script(v2, *opening, *bad, *good))
    put("session", "plain", script(v1, (0, plain), (0, message(5, b"\xe0")), (0, message(1)),
                                   (2, b""), *good))
    put("session", "serve", script(v1 | 7 << 2, (1, leech), (1, message(15)), (1, message(2)),
                                   (42, b""), (1, request(0, 0)), (1, request(2, 0)),
                                   (1, message(8, struct.pack(">III", 2, 0, BLOCK))),
                                   (1, message(4, b"\0\0\0\1")), (1, message(3)), (11, b"")))
    put("session", "bad_requests", script(v1 | 7 << 2, (1, leech), (1, message(2)), (42, b""),
                                          (1, request(3, 0)), (1, request(0, 0xffffffff)),
                                          (1, request(2, BLOCK)), (1, request(0, 0, 0))))
    put("session", "hash_request", script(v2 | 7 << 2, (1, leech), (1, message(15)),
                                          (1, message(21, bytes(32) + struct.pack(">IIII", 0, 0, 2, 1)))))
    put("session", "two_peers", script(v2, *opening, (1, leech), (1, message(14)), (1, message(1)),
                                       (1, block(1, 0)), (0, block(0, 0)), (1, block(1, BLOCK)),
                                       (0, block(0, BLOCK)), (3, b""), (7, b""), (11, b""), (2, b"")))
    put("session", "unasked", script(v1, *opening, (0, block(9, 0)), (0, seed)))
    put("session", "bad_have", script(v1, *opening, (0, message(4, b"\0\0\0\3"))))
    put("session", "bad_bitfield", script(v1, (0, seed), (0, message(5, b"\xff"))))
    put("session", "ourselves", script(v1, (0, greeting(b"-SH0100-fuzzfuzzfuzz"))))
    put("session", "idle", script(v1, *opening, *[(0xfe, b"")] * 8))
    put("session", "pause", script(v1, *opening, (7, b""), (0, block(0, 0)), (7, b"")))
    put("session", "choke", script(v1, *opening, (0, message(0)), (0, message(16, struct.pack(
        ">III", 0, 0, BLOCK))), (0, message(17, b"\0\0\0\1")), (2, b""), (0, message(1))))


# ---- UDP tracker ---------------------------------------------------------------

def datagrams():
    def announce(event=0, numwant=0xffffffff, port=6881, options=b""):
        return struct.pack(">QII20s20sQQQIIIIH", 0x0102030405060708, 1, 0xa1a2a3a4, A20, B20, 1, 2, 3,
                           event, 0, 0xbeef, numwant, port) + options

    def url(text):
        return b"".join(struct.pack("BB", 2, len(text[i:i + 255])) + text[i:i + 255]
                        for i in range(0, len(text), 255))

    samples = {
        "connect": struct.pack(">QII", 0x41727101980, 0, 7),
        "not_connect": struct.pack(">QII", 0x41727101981, 0, 7),
        "announce": announce(), "started": announce(2, 50), "port_0": announce(port=0),
        "numwant_huge": announce(numwant=0x7fffffff), "event_4": announce(4), "cut": announce()[:97],
        "url": announce(options=url(b"/announce?passkey=0123456789")),
        "url_long": announce(options=url(b"u" * 512)), "url_too_long": announce(options=url(b"u" * 513)),
        "options": announce(options=b"\1\1\x7f\3abc" + url(b"/a") + b"\0rest"),
        "option_cut": announce(options=b"\2\x09/a"), "option_no_length": announce(options=b"\2"),
        "scrape": struct.pack(">QII", 1, 2, 3) + A20 + B20, "scrape_none": struct.pack(">QII", 1, 2, 3),
        "scrape_74": struct.pack(">QII", 1, 2, 3) + A20 * 74, "scrape_75": struct.pack(">QII", 1, 2, 3) + A20 * 75,
        "scrape_odd": struct.pack(">QII", 1, 2, 3) + A20 + b"1234567",
        "connected": struct.pack(">IIQ", 0, 7, 99),
        "told": struct.pack(">IIIII", 1, 7, 1800, 3, 2) + bytes([192, 0, 2, 1, 26, 225]) * 3,
        "told_v6": struct.pack(">IIIII", 1, 7, 1800, 3, 2) + (bytes([32, 1, 13, 184]) + bytes(11) + b"\1\x1a\xe1") * 2,
        "scraped": struct.pack(">II", 2, 7) + struct.pack(">III", 1, 2, 3) * 3,
        "error": struct.pack(">II", 3, 7) + b"go away",
    }
    for name, data in samples.items():
        put("udp_tracker", name, data)


# ---- lines of a live session -----------------------------------------------------

def session_lines():
    samples = {
        "ranges": b'\x04{"t":"join","id":0,"got":"0-99,104"}\n{"t":"change","id":0,"got":"150","lost":"3-5"}\n',
        "all": b'\x05{"got":"0-1601"}\n{"lost":"0-1601"}\n{"got":"0"}', "none": b'\x04{"got":"","lost":""}',
        "bits": b'\x03{"bits":"/4A="}\n{"bits":"gA==","at":8}', "bits_far": b'\x06{"bits":"////","at":262144}',
        "bits_spare": b'\x03{"bits":"//8="}', "at_odd": b'\x04{"bits":"gA==","at":3}', "beyond": b'\x02{"got":"8"}',
        "few": b'\x02{"got":"2-3","lost":"7"}',
        "empty": b'\x00{"got":"0"}', "types": b'\x04{"got":7}', "order": b'\x04{"got":"5,4"}',
        "twice": b'\x04{"got":"1","got":"2"}',
        "peers": b'\x01{"t":"peers","peers":["192.0.2.1:6881","[2001:db8::1]:1","x",7,null,"0.0.0.0:1"]}',
        "deep": b"\x04" + b"[" * 40, "no_object": b"\x04null\n", "rates": b'\x04{"t":"rates","rates":[[0,1,2]]}',
    }
    for name, data in samples.items():
        put("session_line", name, data)


# ---- service discovery -----------------------------------------------------------

def discovery():
    def name(*labels):
        return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"

    def message(flags, *records):
        n = [sum(1 for kind, _ in records if kind == k) for k in "qa"]
        return struct.pack(">HHHHHH", 0, flags, n[0], n[1], 0, 0) + b"".join(data for _, data in records)

    def question(n, kind):
        return "q", n + struct.pack(">HH", kind, 1)

    def record(n, kind, data, ttl=120):
        return "a", n + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data

    kind = name(b"_shoal", b"_tcp", b"local")
    instance = name(b"shoal on x", b"_shoal", b"_tcp", b"local")
    srv = struct.pack(">HHH", 0, 0, 6969)
    samples = {
        "ask": message(0, question(kind, 12)),
        "ask_types": message(0, question(name(b"_services", b"_dns-sd", b"_udp", b"local"), 12)),
        "known": message(0, question(kind, 12), record(kind, 12, instance, 4500)),
        "ask_host": message(0, question(name(b"x", b"local"), 255)), "ask_instance": message(0, question(instance, 33)),
        "told": message(0x8400, record(kind, 12, instance), record(instance, 33, srv + name(b"x", b"local")),
                        record(instance, 16, b"\x05id=ab\x02t="), record(name(b"x", b"local"), 1, bytes([10, 9, 0, 1])),
                        record(name(b"x", b"local"), 28, b"\xfd" + bytes(14) + b"\1")),
        "bye": message(0x8400, record(kind, 12, instance, 0)),
        "short": message(0x8400, record(kind, 12, b"\x03box\xc0\x0c"), record(b"\xc0\x29", 33, srv + b"\x01y\xc0\x18")),
        "circle": message(0x8400, record(b"\xc0\x0c", 12, b"")),
    }
    for name_, data in samples.items():
        put("mdns", name_, data)


# ---- extension messages: metadata and peer exchange ------------------------------------

def exchanges():
    request, reject = {"msg_type": 0, "piece": 7}, {"msg_type": 2, "piece": 0}
    samples = {
        "request": benc(request), "reject": benc(reject), "newer": benc({"msg_type": 9}),
        "data": benc({"msg_type": 1, "piece": 0, "total_size": 3}) + b"xyz",
        "data_short": benc({"msg_type": 1, "piece": 0, "total_size": 4}) + b"xyz",
        "data_second": benc({"msg_type": 1, "piece": 1, "total_size": BLOCK + 2}) + b"ab",
        "size_huge": benc({"msg_type": 1, "piece": 0, "total_size": 1 << 31}) + b"x",
        "size_negative": benc({"msg_type": 1, "piece": 0, "total_size": -1}),
        "peers": b"!" + bytes(range(64)), "peers_again": b"!" + bytes(range(255, 0, -1)),
        "peers_lie": b"!" + b"\x00\x01\x00\x03\x01\x07\x01\x09" * 12,
    }
    for name, data in samples.items():
        put("metadata", name, data)
    one, two = b"\x0a\x01\x00\x01\x1a\xe1", b"\x0a\x01\x00\x02\x1a\xe1"
    six = bytes([32, 1, 13, 184]) + bytes(11) + b"\1\x1a\xe1"
    samples = {
        "added": benc({"added": one + two, "added.f": b"\x02\x10"}), "flags_short": benc({"added": one + two, "added.f": b"\x10"}),
        "dropped": benc({"dropped": one, "dropped6": six}), "v6": benc({"added6": six, "added6.f": b"\x10"}),
        "both": benc({"added": one, "added.f": b"\x10", "dropped": two}), "twice": benc({"added": one * 3}),
        "cut": benc({"added": one[:5]}), "nobody": benc({"added": bytes(6) + b"\xe0\0\0\1\0\1"}),
        "many": benc({"added": b"".join(b"\x0a\x02\x00" + bytes([i]) + b"\x1a\xe1" for i in range(80))}), "empty": b"de",
    }
    for name, data in samples.items():
        put("pex", name, data)

    def said(slot, kind, addr, error=b"\0\0\0\0", seconds=0):
        body = bytes([kind, len(addr) > 6]) + addr + error
        return bytes([slot, seconds, len(body)]) + body
    host = b"\x08\x08\x08\x08\x1a\xe1"
    samples = {
        "rendezvous": said(0, 0, host), "connect": said(0, 1, host), "connect6": said(2, 1, six), "refused": said(0, 2, host, b"\0\0\0\2"),
        "bare": said(0, 1, host, b""), "asked": said(1, 1, host), "again": said(0, 1, host) + said(2, 1, host, seconds=130),
        "loopback": said(0, 1, b"\x7f\0\0\1\0\x50"), "multicast": said(0, 1, b"\xe0\0\0\1\0\x50"),
        "ports": b"".join(said(1, 1, host[:5] + bytes([i])) for i in range(8)),
        "many": b"".join(said(i, 1, b"\x08\x08" + bytes([i, 1]) + b"\1\1") for i in range(100)), "cut": said(0, 1, host)[:9],
    }
    for name, data in samples.items():
        put("holepunch", name, data)
    samples = {
        "clean": b"\x00\x07", "one_byte": b"\x01\x00" + b"\x00\x60\x01", "many": b"\x02\x30" + bytes(range(1, 61)),
        "rc4": b"\x03\x00", "cut": b"\x04\x05" + b"\x00\x10\xff" * 3, "late": b"\x05\xff" + b"\x02\x00\x80",
    }
    for name, data in samples.items():
        put("mse", name, data)


# ---- uTP -----------------------------------------------------------------------

def utp():
    def near(kind, seq=0, ack=1, window=255, mask=b"", payload=0):
        return bytes([0, kind, seq & 255, ack & 255, window, 1, len(mask)]) + mask + bytes([payload])
    data, fin, state, reset, syn = range(5)
    answered, let_in = b"\0" + near(state), b"\1" + near(data, ack=0)
    write, read, close, wait = b"\6\xff", b"\7\x40", b"\7\xff", b"\5\x10"
    put("utp", "dialled", answered + near(data, payload=3) + read + write + near(state, mask=b"\7\0\0\0") + wait * 3)
    put("utp", "accepted", let_in + near(data, 1, payload=9) + read + write + near(state, ack=3) + close + near(fin, 2))
    put("utp", "gap", answered + near(data, 1, payload=2) + near(data, 0, payload=2) + read * 2)
    put("utp", "around", b"\2" + near(state) + b"".join(near(data, i, payload=1) for i in range(9)) + read + write * 4)
    put("utp", "silent", answered + write + b"\5\xff" * 9)
    put("utp", "ended", answered + near(reset) + write + read)
    raw = struct.pack(">BBHIIIHH", 0x21, 9, 7, 1, 1, 1 << 20, 1, 100) + b"\1\2ab\0\x0b" + bytes(11)
    put("utp", "raw", answered + bytes([4, len(raw)]) + raw)
    put("utp", "again", let_in + near(syn, 0) + near(state, ack=100) + near(data, -1, payload=4))


# ---- the distributed hash table --------------------------------------------------

def krpc_messages(tid):
    def query(method, **args):
        return {"t": tid, "y": "q", "q": method, "a": {"id": A20, **args}}

    def reply(**what):
        return {"t": tid, "y": "r", "r": {"id": B20, **what}}
    item = {"v": {"ih": A20}, "k": b"k" * 32, "sig": b"s" * 64, "seq": 4}
    return {
        "ping": query("ping"), "find": query("find_node", target=B20), "find_ro": {**query("find_node", target=B20), "ro": 1},
        "want": query("find_node", target=B20, want=["n4", "n6"]), "get_peers": query("get_peers", info_hash=B20),
        "announce": query("announce_peer", info_hash=B20, port=6881, token=b"aoeusnth"),
        "implied": query("announce_peer", info_hash=B20, port=6881, token=b"aoeusnth", implied_port=1),
        "get": query("get", target=B20, seq=3), "put": query("put", token=b"aoeusnth", v="hello"),
        "put_mutable": query("put", token=b"aoeusnth", salt=b"n", cas=3, **item), "sample": query("sample_infohashes", target=B20),
        "unknown": query("vote", target=B20), "no_id": {"t": tid, "y": "q", "q": "ping", "a": {}},
        "pong": reply(), "nodes": reply(nodes=A20 + b"axje.u", nodes6=A20 + b"ABCDEFGHIJKLMNOPqr"),
        "peers": {**reply(token=b"aoeusnth", values=[b"axje.u", b"ABCDEFGHIJKLMNOPqr"]), "ip": b"axje.u"},
        "item": reply(token=b"aoeusnth", nodes=b"", **item), "samples": reply(samples=A20, interval=60, num=1, nodes=b""),
        "error": {"t": tid, "y": "e", "e": [201, "no"]},
    }


def hash_table():
    for name, m in krpc_messages(b"aa").items():
        put("krpc", name, benc(m))

    def said(kind, m):
        raw = benc(m)
        return bytes([kind]) + struct.pack(">H", len(raw)) + raw
    mine, theirs = krpc_messages(b"TTTT"), krpc_messages(b"aa")
    place, later = bytes([3, 7]), bytes([4]) + struct.pack(">H", 1500)
    put("dht", "asked", b"".join(said(0, theirs[k]) for k in ("ping", "find", "want", "get_peers", "get", "sample", "unknown", "no_id")))
    put("dht", "stored", b"".join(said(0, theirs[k]) for k in ("announce", "put", "put_mutable", "implied")))
    put("dht", "joined", place + said(1, mine["nodes"]) + later + later + later)
    put("dht", "searched", place + said(1, mine["pong"]) + b"".join(bytes([2, i]) + said(1, mine["peers"]) for i in range(4)))
    put("dht", "got", place + said(1, mine["pong"]) + bytes([2, 1]) + said(1, mine["item"]) + later)
    put("dht", "refused", place + said(1, mine["pong"]) + bytes([2, 0]) + said(1, mine["peers"]) + said(1, mine["error"]))
    put("dht", "silent", place + bytes([2, 2]) + later * 8)


# ---- what is kept, and rows of entries ---------------------------------------------

def state_file(version, *parts):
    """Without the checksum, which the target puts."""
    return struct.pack(">I", version) + b"".join(parts)


def records():
    torrent = benc({"info": {"length": 5, "name": "f", "piece length": 16384, "pieces": A20}})

    def resume(flags, pieces, bits, meta=torrent, times=b""):
        return b"\0SHOALRES" + state_file(1, struct.pack(">I", flags), sha256(b"x"), struct.pack(">I", pieces), bits,
                                          struct.pack(">I", len(meta)), meta, times)
    put("records", "resume", resume(0, 9, b"\xc0\0"))
    put("records", "resume_placed", resume(1, 8, b"\xff"))
    put("records", "resume_none", resume(0, 0, b"", b""))
    put("records", "resume_timed", resume(2, 9, b"\xc0\0", times=struct.pack(">QI", 1_800_000_000, 2) +
                                          struct.pack(">qI", 1_799_999_990, 5) + bytes(12)))
    put("records", "resume_spare", resume(0, 9, b"\xff\x40"))
    put("records", "resume_version", b"\0SHOALRES" + state_file(2))

    def field(tag, value):
        if isinstance(value, int):
            value = struct.pack(">Q", value)
        return struct.pack(">HI", tag, len(value)) + value

    def job(*fields):
        least = {1: 7, 2: 3, 3: A20, 13: b"/d/f", 14: b"alice/f@1", 15: b"f"}
        return b"\1SHOALJOB" + state_file(1, *(field(*f) for f in [*least.items(), *fields]))
    put("records", "job", job())
    put("records", "job_lists", job((4, sha256(b"v2")), (16, b"http://t/announce"), (16, b"udp://t:1"), (22, b"http://w/"),
                                    (30, b"*.txt"), (25, 2), (26, 1), (27, 5), (28, b"\1\2"), (6, sha256(b"r"))))
    put("records", "job_entry", job((31, b"alice"), (32, b"f"), (33, 1), (40, b"d1:a1:be"), (29, b"magnet:?xt=urn:btih:" + b"a" * 40)))
    put("records", "job_later", job((999, b"of a later time")))
    put("records", "job_twice", job((13, b"/other"), (5, sha256(b"s"))))
    put("records", "job_nul", job((19, b"http://i\0x")))
    put("records", "totals", b"\2SHOALSUM" + state_file(1, struct.pack(">I", 2), struct.pack(">IQQQ", 1, 2, 3, 4), bytes(28)))
    put("records", "totals_none", b"\2SHOALSUM" + state_file(1, bytes(4)))

    def hashes(kind, piece, *files):
        out = b"\3SHOALHSH" + state_file(1, struct.pack(">III", piece, kind, len(files)))
        for path, length, padded in files:
            n = -(-length // piece)
            out += struct.pack(">IIQQqq", len(path), padded, length, 5, 6, 7) + sha256(path) + sha256(b"") + path
            out += sha256(b"p") * n * (kind & 2 != 0 and length > piece) + A20 * n * (kind & 1)
        return out
    put("records", "hashes", hashes(3, 16384, (b"a", 5, 0), (b"b/c", 40000, 1)))
    put("records", "hashes_v1", hashes(1, 1024, (b"a", 3000, 0)))
    verified = struct.pack(">IIqq", 2, 9, 1700000000000000000, -(1 << 63))
    put("records", "verified", b"\4SHOALVER" + state_file(1, verified, b"\xc0\0"))
    put("records", "verified_spare", b"\4SHOALVER" + state_file(1, verified, b"\xc0\x40"))
    put("records", "verified_none", b"\4SHOALVER" + state_file(1, bytes(8)))
    put("records", "hashes_v2", hashes(2, 16384, (b"z", 16385, 0), (b"a", 0, 0)))


def entries():
    row = {"id": 1, "owner": "alice", "name": "f", "version": 1, "bytes": 5, "n_files": 1, "hash_v1": "aa" * 20, "hash_v2": None,
           "sha256": None, "published_at": 1700000000, "description": "words", "tags": [], "meta": {}, "key": "bb" * 32,
           "signature": "cc" * 64}
    for name, more in {"plain": {}, "tags": {"tags": ["a", "b"]}, "meta": {"meta": {"k": "v", "a": "b"}}, "sum": {"sha256": "dd" * 32},
                       "v2": {"hash_v1": None, "hash_v2": "ee" * 32}, "no_hash": {"hash_v1": None}, "id_0": {"id": 0},
                       "owner": {"owner": "a/b"}, "control": {"description": "a\u001bb"}, "types": {"tags": "a", "meta": [1]}}.items():
        put("entry_json", name, json.dumps({**row, **more}).encode())
    put("entry_json", "twice", b'{"id":1,"id":2}')
    put("entry_json", "deep", b'{"a":' + b"[" * 20 + b"]" * 20 + b"}")

    value = {"bytes": 5, "files": 1, "ih": A20, "name": "f", "owner": "alice", "published": 1700000000, "version": 3}
    v2 = {**value, "ih": sha256(b"v2")[:20], "ih2": sha256(b"v2"), "sha256": sha256(b"")}
    for name, salt, v in (("plain", b"f", value), ("hybrid", b"f", {**v2, "ih": A20}), ("v2", b"f", v2), ("bep46", b"some name", {"ih": A20}),
                          ("other", b"g", value), ("no_salt", b"", value), ("no_hash", b"f", {"name": "f"}), ("types", b"f", {**value, "version": "3"}),
                          ("long", sha256(b"n" * 100), {**value, "name": "n" * 100}), ("negative", b"f", {**value, "bytes": -1})):
        put("name_item", name, bytes([len(salt)]) + salt + benc(v))


# ---- the gateway, the local network, piece layers ------------------------------------

def gateway():
    for name, text in {"file": "alice/f", "version": "alice/f@2/a/b.txt\nbytes=0-99", "folder": "alice/f/", "latest": "a/b@latest/x\nbytes=5-",
                       "encoded": "al%20ice/n%C3%A9/a%20b\nbytes=-7", "slash": "a/b/c%2Fd", "nul": "a/b/c%00", "dots": "a/b/../c",
                       "dots_encoded": "a/b/%2e%2e/c", "many": "a//b///c", "bad": "a/b/%zz", "nobody": "/b", "several": "a/b\nbytes=0-1,5-6",
                       "wrap": "a/b\nbytes=18446744073709551615-18446744073709551616", "given": "bytes 0-99/100", "given_open": "bytes 5-6/*",
                       "given_bad": "bytes 9-8/10"}.items():
        put("gateway", name, text.encode())


def lan():
    def said(host, *lines):
        return "\r\n".join(["BT-SEARCH * HTTP/1.1", "Host: " + host, *lines, "", ""]).encode()
    one = "Infohash: " + "a1" * 20
    put("lan", "v4", said("239.192.152.143:6771", "Port: 6881", one, "cookie: x"))
    put("lan", "v6", said("[ff15::efc0:988f]:6771", "Port: 6881", one))
    put("lan", "two", said("239.192.152.143:6771", "port: 1", one, "INFOHASH: " + "B2" * 20))
    put("lan", "many", said("239.192.152.143:6771", "Port: 1", *[one] * 25))
    put("lan", "bad", said("x", "Port: 70000", "Infohash: zz"))
    put("lan", "lf", b"BT-SEARCH * HTTP/1.1\nPort:1\n" + one.encode())
    head = struct.pack(">BBBBII12x", 2, 0x81, 0, 0, 7200, 1)
    body = b"A" * 12 + struct.pack(">B3xHH", 6, 0x4141, 6881) + bytes(10) + b"\xff\xff\xcb\0q\1"
    put("lan", "pcp", head + body)
    put("lan", "pcp_refused", struct.pack(">BBBBII12x", 2, 0x81, 0, 2, 60, 1) + body)
    put("lan", "pcp_natpmp", bytes.fromhex("008000010000000a"))
    put("lan", "pcp_cut", head + body[:20])


def piece_layers():
    def hashes(peer, root, index, length, body, kind=22):
        m = bytes([kind]) + root + struct.pack(">IIII", 0, index, length, 9) + body
        return bytes([peer | 6 << 3]) + struct.pack(">I", len(m)) + m
    here, gone, wait, right, bent, no = (bytes([k << 3]) for k in range(6))
    put("layers", "honest", here + right + right)
    put("layers", "two", here + b"\1" + right + bytes([1 | 3 << 3]))
    put("layers", "rejects", here + no + wait + b"\3" + right + right)
    put("layers", "silent", here + wait + b"\x10" + b"\1" + bytes([1 | 3 << 3]) * 2)
    put("layers", "liar", here + bent + b"\5" + right)
    put("layers", "leaves", here + gone + here + right + gone)
    put("layers", "raves", here + hashes(0, sha256(b""), 0, 2, bytes(64)) + hashes(0, sha256(b""), 0, 512, b"", 23))


if __name__ == "__main__":
    bencode()
    torrents()
    magnets()
    names()
    messages()
    handshakes()
    queries()
    requests()
    replies()
    searches()
    sessions()
    datagrams()
    session_lines()
    discovery()
    exchanges()
    hash_table()
    utp()
    records()
    entries()
    gateway()
    lan()
    piece_layers()
