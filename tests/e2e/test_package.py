#!/usr/bin/python3
"""Put in place: make install, the Debian package, the static program.

These build the program anew, so they take minutes; what needs Debian's servers only runs with SHOAL_PACKAGES=1.
"""

import os
import re
import shutil
import subprocess

import harness as h
from harness import KIB, check, check_eq, test

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(h.BIN))))


def need_packages():
    if os.environ.get("SHOAL_PACKAGES") != "1":
        raise h.Skip("takes minutes and Debian's servers: SHOAL_PACKAGES=1")
    h.need_root()


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, names in os.walk(folder) for f in names)


def do(w, *args, seconds=600, **kw):
    return w.start(*args, name=os.path.basename(args[0]), **kw).wait(seconds).expect(h.OK)


@test("make install puts program, manual, completions, unit and docs in place; make uninstall takes all of it away",
      seconds=120)
def _(w):
    h.need("meson")
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        raise h.Skip("the program is in no build folder")
    root = w.path("root")
    do(w, "meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
    names = files_of(root)
    for end in ("bin/shoal", "man/man1/shoal.1", "bash-completion/completions/shoal", "_shoal", "vendor_completions.d/shoal.fish",
                "systemd/system/shoal-index.service", "systemd/system/shoal-index.socket", "systemd/user/shoal.service",
                "systemd/user/shoal.socket", "doc/shoal/operations.md", "doc/shoal/README.md"):
        check(any(n.endswith(end) for n in names), f"no {end}", names)
    shoal = os.path.join(root, next(n for n in names if n.endswith("bin/shoal")))
    unit = os.path.join(root, next(n for n in names if n.endswith("shoal-index.service")))
    with open(unit, encoding="ascii") as f:
        check(f"ExecStart={shoal[len(root):]} index" in f.read(), "the unit starts another program")
    do(w, "ninja", "-C", BUILD, "uninstall")
    check_eq(files_of(root), [], "left behind")


def package(w):
    h.need("dpkg-deb", "dpkg-shlibdeps", "meson", "ninja")
    if h.SANITIZED:
        raise h.Skip("once is enough")
    return do(w, os.path.join(SOURCE, "scripts", "deb.sh"), os.path.join(SOURCE, "build-deb")).out.split()[-1]


@test("make deb: a package with its dependencies in which lintian finds nothing", seconds=900)
def _(w):
    need_packages()
    deb = package(w)
    fields = do(w, "dpkg-deb", "--info", deb).out
    for library in ("libc6 ", "libcurl4 ", "libssl3 ", "libevent-2.1-7 ", "libsqlite3-0 "):
        check(library in re.search(r"Depends: (.*)", fields).group(1), f"does not depend on {library}", fields)
    names = do(w, "dpkg-deb", "--contents", deb).out
    for name in ("./usr/bin/shoal", "./usr/share/man/man1/shoal.1.gz", "./usr/share/bash-completion/completions/shoal",
                 "./usr/share/zsh/vendor-completions/_shoal", "./usr/share/fish/vendor_completions.d/shoal.fish",
                 "./usr/lib/systemd/system/shoal-index.service", "./etc/default/shoal-index", "./usr/share/doc/shoal/copyright"):
        check(f" {name}\n" in names, f"no {name}", names)
    if shutil.which("lintian"):
        check_eq(do(w, "lintian", deb, env={**os.environ, "LC_ALL": "C.UTF-8"}).out, "", "lintian")


# What an index and two peers on one machine do, for /bin/sh alone.
TRIAL = r"""
set -e
export SHOAL_INDEX=http://127.0.0.1:6977
mkdir -p /tmp/t && cd /tmp/t
echo hello >f
SHOAL_HOME=/tmp/t/i shoal index --listen 127.0.0.1:6977 --data /tmp/t/data >index.log 2>&1 & index=$!
n=0; until grep -q 'index at' index.log; do n=$((n + 1)); [ $n -lt 100 ] || exit 9; sleep 0.2; done
SHOAL_HOME=/tmp/t/a shoal share f --port 0 --listen 127.0.0.1 >share.log 2>&1 & share=$!
n=0; until grep -q serving share.log; do n=$((n + 1)); [ $n -lt 100 ] || exit 9; sleep 0.2; done
SHOAL_HOME=/tmp/t/b shoal get f --wait 60 --port 0 -o g
cmp f g
kill $share $index; wait
shoal --version
"""


def own_loopback(root, script):
    """`script` in the root, in a network of its own; loopback is set up from here, as a small root has no ip(8)."""
    ip = h.need("ip")
    inner = f'{ip} link set lo up && exec chroot "$0" /bin/sh -c "$1"'
    got = subprocess.run(["unshare", "--net", "/bin/sh", "-c", inner, root, script], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=180, check=False)
    check_eq(got.returncode, 0, f"in there: {got.stdout[-2000:]}")
    return got.stdout


@test("make deb: it installs on a bare Debian 12 and works there; purged, nothing of it is left", seconds=1800)
def _(w):
    need_packages()
    h.need("mmdebstrap", "unshare", "chroot")
    deb, root = package(w), w.path("bookworm")
    do(w, "mmdebstrap", "--quiet", "--variant=minbase", f"--customize-hook=copy-in {deb} /tmp",
       '--customize-hook=chroot "$1" find / -xdev -path /tmp -prune -o -path /var/lib/dpkg -prune -o -print '
       f'| sort >{w.path("before")}',
       f'--customize-hook=chroot "$1" apt-get install -y --no-install-recommends /tmp/{os.path.basename(deb)}',
       "bookworm", root, os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian"), seconds=1500)
    version = own_loopback(root, TRIAL).splitlines()[-1]
    check(version.startswith("shoal "), "its version", version)
    own_loopback(root, "dpkg --purge shoal")
    left = [n for n in own_loopback(root, "find / -xdev -name '*shoal*' -not -path '/tmp/*'").splitlines() if n]
    check_eq(left, [], "left behind")


@test("make static: it needs a C library alone, and works where there is nothing else", seconds=1800)
def _(w):
    need_packages()
    h.need("mmdebstrap", "unshare", "chroot")
    if h.SANITIZED:
        raise h.Skip("once is enough")
    shoal = do(w, os.path.join(SOURCE, "scripts", "static.sh"), os.path.join(SOURCE, "build-static"),
               seconds=1500).out.split()[-1]
    needed = re.findall(r"\(NEEDED\).*\[([^]]+)\]", do(w, "readelf", "-d", shoal).out)
    check(set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0", "libdl.so.2"}, "needs", needed)
    # Another distribution's C library, busybox, and nothing else.
    root = w.path("other")
    do(w, "mmdebstrap", "--quiet", "--variant=extract", "--include=libc6,busybox-static",
       os.environ.get("OTHER_SUITE", "trixie"), root, os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian"))
    bin_dir = os.path.join(root, "usr", "bin")
    for link in ("bin", "lib", "lib64"):  # the package that brings these is not here
        if not os.path.lexists(os.path.join(root, link)):
            os.symlink(f"usr/{link}", os.path.join(root, link))
    os.makedirs(os.path.join(root, "tmp"), exist_ok=True)
    shutil.copy(shoal, os.path.join(bin_dir, "shoal"))
    for applet in ("sh", "mkdir", "grep", "sleep", "cmp", "kill", "cat"):
        if not os.path.lexists(os.path.join(bin_dir, applet)):
            os.symlink("busybox", os.path.join(bin_dir, applet))
    version = own_loopback(root, TRIAL).splitlines()[-1]
    check(version.startswith("shoal "), "its version", version)


if __name__ == "__main__":
    h.main()
