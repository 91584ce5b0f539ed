"""What a disk may hold after the power went: read off the log of tests/shim/powerlog.c.

A disk keeps what was synced. Of what was not, each change of a folder and each 4 KiB block of each write may be there or not, in any
order; a block may be torn at a sector. Its time of change is that of what was synced, or of anything since. A rename is whole or not at all, and changes of folders come in their order or,
harsher than file systems with a journal are, each for itself. Names are safe once their folder was synced, bytes once their file was."""

import os
import random
import shutil
import stat
import struct

import harness as h

HEAD = struct.Struct("=cBHHHQQQQ")
BLOCK, SECTOR = 4096, 512
# Of changes that were not synced survive...
FATES = ("none", "all", "first", "some")


class File:
    """Bytes that are safe, and what was done since."""

    def __init__(self, data=b"", mode=0o644, changed=None):
        self.safe, self.since, self.mode = bytearray(data), [], mode
        self.changed, self.changed_since = changed, []

    @staticmethod
    def do(data, at, new):
        """new None: cut or lengthen to `at`."""
        if new is None:
            del data[at:]
            data.extend(bytes(at - len(data)))
            return
        if len(data) < at:
            data.extend(bytes(at - len(data)))
        data[at:at + len(new)] = new

    def sync(self):
        for at, new in self.since:
            self.do(self.safe, at, new)
        self.changed = self.changed_since[-1] if self.changed_since else self.changed
        self.since, self.changed_since = [], []

    def after_cut(self, r):
        fate = r.choice(FATES)
        keep = r.randrange(len(self.since) + 1)
        if fate == "none":
            return bytes(self.safe)
        out = bytearray(self.safe)
        for i, (at, new) in enumerate(self.since):
            if fate == "all" or (fate == "first" and i < keep):
                self.do(out, at, new)
            elif fate == "some" and new is None:
                if r.random() < 0.5:
                    self.do(out, at, None)
            elif fate == "some":
                self.do_some(out, at, new, r)
        return bytes(out)

    def do_some(self, out, at, new, r):
        odds, end = r.choice((0.1, 0.5, 0.9)), at + len(new)
        while at < end:
            n = min(BLOCK - at % BLOCK, end - at)
            part = new[len(new) - (end - at):][:n]
            chance = r.random()
            if chance < odds:
                self.do(out, at, part if r.random() < 0.9 else part[:r.randrange(n // SECTOR + 1) * SECTOR])
            elif chance < odds + 0.05 and len(out) < at + n:
                self.do(out, at + n, None)  # the file was longer already, its bytes had not come
            at += n


class Folder:
    def __init__(self, mode=0o755):
        self.safe, self.mode = {}, mode


class Disk:
    """The tree beneath `root` as it is now, to which a log is applied."""

    def __init__(self, root):
        self.root, self.nodes, self.changes = root, {}, []
        self.top = self.scan(root)

    def scan(self, path):
        st = os.lstat(path)
        if stat.S_ISDIR(st.st_mode):
            node = Folder(stat.S_IMODE(st.st_mode))
            node.safe = {n: self.scan(os.path.join(path, n)) for n in os.listdir(path)}
            node.safe = {n: x for n, x in node.safe.items() if x is not None}
        elif stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                node = File(f.read(), stat.S_IMODE(st.st_mode), st.st_mtime_ns)
        else:
            return None
        self.nodes[st.st_ino] = node
        return node

    @staticmethod
    def change(entries, c):
        """Do (kind, folder, other folder, name, other name, node) to what `entries` gives for a folder."""
        kind, a, b, name, name2, node = c
        if kind == "put":
            entries(a)[name] = node
        elif kind == "take":
            entries(a).pop(name, None)
        elif name in entries(a):
            moved = entries(a).pop(name)
            if kind == "swap" and name2 in entries(b):
                entries(a)[name] = entries(b)[name2]
            entries(b)[name2] = moved

    def sync_folder(self, folder):
        """A change of two folders is one; none is safe before those it stands on."""
        touched, safe, rest = {id(folder)}, [], []
        for c in reversed(self.changes):
            if id(c[1]) in touched or id(c[2]) in touched:
                touched |= {id(x) for x in (c[1], c[2]) if x is not None}
                safe.append(c)
            else:
                rest.append(c)
        for c in reversed(safe):
            self.change(lambda f: f.safe, c)
        self.changes = rest[::-1]

    def apply(self, op, flags, a, b, at, name, name2, data):
        folder, other, node = self.nodes.get(a), self.nodes.get(b), self.nodes.get(a)
        if op in "CLUR" and not isinstance(folder, Folder):
            if op == "C":
                self.nodes.pop(b, None)  # an inode that had been another file's before
            return
        if op == "C":
            self.nodes[b] = Folder(mode=at) if flags else File(mode=at)
            self.changes.append(("put", folder, None, name, None, self.nodes[b]))
        elif op == "L" and other is not None:
            self.changes.append(("put", folder, None, name, None, other))
        elif op == "U":
            self.changes.append(("take", folder, None, name, None, None))
        elif op == "R" and isinstance(other, Folder):
            self.changes.append(("swap" if flags else "move", folder, other, name, name2, None))
        elif op == "W" and isinstance(node, File):
            node.since.append((at, data))
            node.changed_since.append(b)
        elif op == "T" and isinstance(node, File):
            node.since.append((at, None))
            node.changed_since.append(b)
        elif op == "S" and isinstance(node, File):
            node.sync()
        elif op == "S" and isinstance(node, Folder):
            self.sync_folder(node)
        elif op == "A":
            for x in self.nodes.values():
                if isinstance(x, File):
                    x.sync()
            for c in self.changes:
                self.change(lambda f: f.safe, c)
            self.changes = []

    def after_cut(self, r):
        """{path: (bytes, or None for a folder; mode; time of change)} of one of the trees that may be left."""
        entries = {}

        def of(folder):
            return entries.setdefault(id(folder), dict(folder.safe))
        fate, keep = r.choice(FATES), r.randrange(len(self.changes) + 1)
        for i, c in enumerate(self.changes):
            if fate == "all" or (fate == "first" and i < keep) or (fate == "some" and r.random() < 0.5):
                self.change(of, c)
        out = {}

        def walk(folder, path, seen):
            for name, node in of(folder).items():
                at = os.path.join(path, name)
                if isinstance(node, File):
                    out[at] = (node.after_cut(r), node.mode, r.choice([node.changed, *node.changed_since]))
                elif id(node) not in seen:
                    out[at] = (None, node.mode, None)
                    walk(node, at, seen | {id(node)})
        walk(self.top, "", {id(self.top)})
        return out


def records(log, start=0, end=None):
    """(offset behind it, arguments of Disk.apply) of each record."""
    with open(log, "rb") as f:
        raw = f.read(end)
    at = start
    while at + HEAD.size <= len(raw):
        op, flags, n1, n2, _, a, b, pos, size = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name, name2 = raw[at:at + n1], raw[at + n1:at + n1 + n2]
        at += n1 + n2
        op = op.decode()
        data = raw[at:at + size] if op == "W" else b""
        at += len(data)
        yield at, (op, flags, a, b, size if op == "T" else pos, os.fsdecode(name), os.fsdecode(name2), data)


class Recorder:
    """Runs programs under the shim, and gives the trees of cuts. Begin when `root` is as it shall be on the disk."""

    def __init__(self, root, log):
        self.root, self.log, self.disk = root, log, None
        self.begun = Disk(root)
        self.env = {"LD_PRELOAD": h.shim("powerlog"), "SHOAL_POWERLOG": log,
                    "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}

    def now(self):
        """How long the log is: what was acknowledged by now must be there after each later cut."""
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def cuts(self, n, seed):
        """n times (offset in the log, tree), in the order of time. Half are near a sync or a change of names, where there are few."""
        r = random.Random(seed)
        all_of = list(records(self.log))
        sharp = [i for i, (_, x) in enumerate(all_of) if x[0] != "W"]
        chosen = sorted(min(len(all_of), max(0, r.choice(sharp) + r.randrange(-1, 3))) if k % 2 and sharp else
                        r.randrange(len(all_of) + 1) for k in range(n))
        disk, done = self.begun, 0
        for k, at in enumerate(chosen):
            for _, args in all_of[done:at]:
                disk.apply(*args)
            done = max(done, at)
            yield all_of[at - 1][0] if at > 0 else 0, disk.after_cut(random.Random(f"{seed}/{k}"))

    def make(self, tree):
        """Put a tree in the place of what is at root."""
        shutil.rmtree(self.root)
        os.mkdir(self.root)
        for path, (data, mode, changed) in sorted(tree.items()):
            full = os.path.join(self.root, path)
            if data is None:
                os.mkdir(full)
                continue
            with open(full, "wb") as f:
                f.write(data)
            os.chmod(full, mode)
            if changed is not None:
                os.utime(full, ns=(changed, changed))
