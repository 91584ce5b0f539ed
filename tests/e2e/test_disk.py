#!/usr/bin/python3
"""The disk says no: full, over a limit, full under the catalogue."""

import json
import os
import resource
import signal
import subprocess

import harness as h
import wire
from harness import MIB, check, check_eq, test


def fill_up(path):
    """Leave no byte of its disk."""
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass


@test("a full disk pauses the download with the reason; it completes within 60 s of space", seconds=150)
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 128 * MIB)
    mnt = w.mount(w.path("small"), "64m")
    a.share(src)
    get = g.start("get", "f", "-v", "-o", os.path.join(mnt, "f"))
    h.wait_for(lambda: b"paused" in get.err() or not get.alive(), 40 * h.SLOW, "get says that the disk is full")
    check(get.alive(), "it waits for space", get.err())
    check(b"full" in get.err() or b"space" in get.err(), "the reason is named", get.err())
    check(not os.path.exists(os.path.join(mnt, "f")), "nothing at the final name")
    cpu = get.cpu()
    w.remount(mnt, "200m")
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(os.path.join(mnt, "f"), src)
    check(get.err().count(b"\n") < 20, "few lines", get.err())


@test("a get stopped on a full disk is resumed after space returns")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 24 * MIB)
    mnt = w.mount(w.path("small"), "12m")
    a.share(src)
    get = g.start("get", "f", "-o", os.path.join(mnt, "f"))
    h.wait_for(lambda: b"paused" in get.err() or not get.alive(), 40 * h.SLOW, "get says that the disk is full")
    get.stop(signal.SIGINT).expect(h.INTERRUPTED)
    w.remount(mnt, "48m")
    g.get("f", "-o", os.path.join(mnt, "f"))
    h.check_same(os.path.join(mnt, "f"), src)


@test("--preallocate on a disk that is too small fails at once with exit 9 and leaves nothing")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 24 * MIB)
    mnt = w.mount(w.path("small"), "12m")
    a.share(src)
    g.run("get", "f", "--preallocate", "-o", os.path.join(mnt, "f"), seconds=20).expect(h.NO_SPACE).error_line("f")
    check_eq(os.listdir(mnt), [], "what is left of a file")
    a.share(h.make_tree(a.path("d"), {f"x{i}": 4 * MIB for i in range(6)}))
    g.run("get", "d", "--preallocate", "-o", mnt, seconds=20).expect(h.NO_SPACE).error_line("d")
    check_eq(os.listdir(mnt), [], "what is left of a folder, some of whose files had room")


@test("that the disk is full is said once, however often it is tried, and again when it is full once more", seconds=150)
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    mnt = w.mount(w.path("small"), "12m")
    a.share(h.make_file(a.path("f"), 24 * MIB), "--limit-up", "4M", "--limit-lan")
    get = g.start("get", "f", "-o", mnt, "--progress", "json")

    def tried_again():
        """While it is paused its rate falls; each try has peers send a little, be it a block or two."""
        lines = [x for x in get.err().splitlines() if x.startswith(b"{") and x.endswith(b"}")]
        events = [json.loads(x) for x in lines]
        paused = next((i for i, e in enumerate(events) if e.get("note") == "paused"), len(events))
        rates = [e["down_bps"] for e in events[paused:]]
        rises = [i for i in range(3, len(rates)) if rates[i - 3] > rates[i - 2] > rates[i - 1] < rates[i]]
        return len(rises) >= 2
    h.wait_for(lambda: tried_again() or not get.alive(), 60 * h.SLOW, "the disk is tried again")
    check_eq(get.err().count(b"paused:"), 1, "times it was said")
    w.remount(mnt, "18m")
    h.wait_for(lambda: get.err().count(b"paused:") == 2 or not get.alive(), 60 * h.SLOW, "it is said again")
    w.remount(mnt, "64m")
    get.wait(60 * h.SLOW).expect(h.OK)
    h.check_same(os.path.join(mnt, "f"), a.path("f"))


@test("a limit on file sizes (RLIMIT_FSIZE) pauses with the reason and does not kill")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_file(a.path("f"), 24 * MIB)
    a.share(src)
    get = g.start("get", "f", limits={resource.RLIMIT_FSIZE: 8 * MIB})
    h.wait_for(lambda: b"paused" in get.err() or not get.alive(), 40 * h.SLOW, "get says why it cannot write")
    if get.alive():
        done = get.stop(signal.SIGINT).expect(h.INTERRUPTED)
    else:
        done = get.wait(1).expect(h.NO_SPACE)
    check("limit" in done.err or "large" in done.err or "space" in done.err or "full" in done.err, "the reason", done.err)
    g.get("f")
    h.check_same(g.path("f"), src)


@test("the catalogue on a full disk: publishing says so with exit 9, reading keeps working, space heals it")
def _(w):
    mnt = w.mount(w.path("small"), "3m")
    index = w.index(data=os.path.join(mnt, "data"))
    a = w.peer("a")
    a.share(h.make_file(a.path("before"), 1000))
    fill = os.path.join(mnt, "fill")
    fill_up(fill)
    big = h.make_tree(a.path("big"), {f"file-{i:05}": 1 for i in range(3000)})
    status, codes = None, []
    for i in range(2):
        done = a.run("share", big, "--name", f"big{i}", seconds=30)
        codes.append(done.code)
        done.error_line("catalogue|index", "full|space")
    check_eq(codes, [h.NO_SPACE] * 2, "exit of share")
    signer = wire.Signer()
    w.closers.append(signer.close)
    torrent = a.path("after.torrent")
    a.run("create", h.make_file(a.path("after"), 4 * MIB), "-o", torrent, "--piece-length", "16K").expect(h.OK)
    with open(torrent, "rb") as f:
        body = wire.publish_body(signer, "dora", "after", f.read())

    def publish():
        return h.http(index.url + "/api/v1/entries", "POST", body, {"Content-Type": "application/json"})
    status, said = publish()
    check_eq((status, json.loads(said)["error"]["code"]), (507, "no_space"), "the answer on a full disk")
    for path in ("/api/v1/entries", "/api/v1/entries?q=before", "/api/v1/status", "/healthz", "/feed.atom", "/metrics"):
        check_eq(h.http(index.url + path)[0], 200, f"GET {path} on a full disk")
    check("before" in a.run("ls", "--all").expect(h.OK).out, "ls keeps working")
    b = w.peer("b")
    b.get("before")
    h.check_same(b.path("before"), a.path("before"))
    check(index.proc.alive(), "the index lives")
    os.unlink(fill)
    w.remount(mnt, "32m")
    check_eq(publish()[0], 201, "publishing once there is room")
    a.share(big, name="big")
    index.proc.kill()
    index.start()
    check_eq({e["name"] for e in index.entries()}, {"before", "big", "after"}, "entries after kill -9")


@test("a catalogue that may only be read: publishing and removing say so, and blame no other owner; reading works")
def _(w):
    mnt = w.mount(w.path("data"), "32m")
    index = w.index(data=os.path.join(mnt, "d"))
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000)).stop()
    index.proc.kill()
    subprocess.run(["mount", "-o", "remount,ro", mnt], check=True)
    index.start()
    src = h.make_file(b.path("g"), 1000, seed=2)
    b.run("share", src, "--as", "b").expect(h.FAILED).error_line("may not be written to")
    a.run("unshare", "f").expect(h.FAILED).error_line("may not be written to")
    check("f" in b.run("ls", "--all").expect(h.OK).out, "ls")
    # One that was closed properly cannot even be opened so.
    index.proc.stop()
    subprocess.run(["mount", "-o", "remount,rw", mnt], check=True)
    index.start()
    index.proc.stop()
    subprocess.run(["mount", "-o", "remount,ro", mnt], check=True)
    a.run("index", "--data", index.data, "--listen", f"{h.HOST}:0").expect(h.DENIED).error_line("Read-only")


@test("a limit on file sizes does not kill an index: publishing says so, reading works")
def _(w):
    index = w.index()
    a, b = w.peer("a"), w.peer("b")
    a.share(h.make_file(a.path("f"), 1000)).stop()
    index.proc.stop()
    index.limits = {resource.RLIMIT_FSIZE: os.path.getsize(os.path.join(index.data, "catalogue.db"))}
    index.start()
    big = h.make_tree(b.path("g"), {f"x{i}" * 50: 1 for i in range(3000)})
    b.run("share", big, "--as", "b").expect(h.NO_SPACE).error_line("full")
    check("f" in b.run("ls", "--all").expect(h.OK).out, "ls")


@test("a daemon whose home is full says so to each command and goes on with what it has; room heals it")
def _(w):
    mnt = w.mount(w.path("small"), "4m")
    w.index()
    a, b = w.peer("a"), w.peer("b")
    a.home = os.path.join(mnt, "home")
    srcs = [h.make_file(a.path(f"f{i}"), 700_000, seed=i) for i in range(3)]
    d = a.daemon()
    a.run("share", srcs[0], "-d", "--as", "alice").expect(h.OK)
    fill = os.path.join(mnt, "fill")
    fill_up(fill)
    torrent = b.path("f2.torrent")
    b.run("create", srcs[2], "-o", torrent).expect(h.OK)
    for args in (("share", srcs[1], "-d"), ("get", torrent)):
        a.run(*args).expect(h.NO_SPACE).error_line("full|space")
    b.get("f0")
    h.check_same(b.path("f0"), srcs[0])
    # What was asked for is done all the same; it is the record that is missing.
    a.run("pause", "1").expect(h.NO_SPACE).error_line("full|space")
    check_eq([(t["name"], t["state"]) for t in a.transfers()], [("f0", "paused")], "transfers on a full disk")
    os.unlink(fill)
    a.run("share", srcs[1], "-d").expect(h.OK)
    a.run("pause", "1").expect(h.OK)
    d.kill()
    d = a.daemon()
    check_eq([(t["name"], t["state"]) for t in a.transfers()], [("f0", "paused"), ("f1", "seeding")], "after kill -9")


@test("a download folder that does not exist, or is a file, is an error that names it")
def _(w):
    w.index()
    a, g = w.peer("a"), w.peer("g")
    a.share(h.make_file(a.path("f"), 1000))
    done = g.run("get", "f", "-o", g.path("no", "such", "f"), seconds=20).expect(h.NOT_FOUND).error_line("such")
    h.make_file(g.path("plain"), 3)
    done = g.run("get", "f", "-o", g.path("plain", "f"), seconds=20)
    check(done.code != h.OK, "exit", done.code)
    done.error_line("plain")


@test("a folder taken away during the download does not bring it down")
def _(w):
    import shutil
    w.index()
    a, g = w.peer("a"), w.peer("g")
    src = h.make_tree(a.path("d"), {f"x{i}": MIB for i in range(64)})
    a.share(src, "--limit-up", "30M", "--limit-lan")
    os.mkdir(g.path("into"))
    get = g.start("get", "d", "-o", g.path("into", "d"))
    h.wait_for(lambda: h.part_bytes(g.path("into")) > MIB or not get.alive(), 20 * h.SLOW, "it is under way", every=0.005)

    def is_gone():
        shutil.rmtree(g.path("into"), ignore_errors=True)  # a new file may come between
        return not os.path.exists(g.path("into"))

    h.wait_for(is_gone, 10, "the folder is taken away")
    get.wait(30 * h.SLOW).expect(h.NOT_FOUND).error_line("run the same command again")
    os.mkdir(g.path("into"))
    g.run("get", "d", "-o", g.path("into", "d")).expect(h.OK)
    check(h.tree_sums(src) == h.tree_sums(g.path("into", "d")), "the second get has it all")


if __name__ == "__main__":
    raise SystemExit(h.main())
