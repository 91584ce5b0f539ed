#!/bin/sh
# scripts/deps.sh SET... - install what building (build), packing (deb), testing (test), testing for 32 bits (i386)
# and measuring (bench, which takes what test has too) need on Debian 12.
# Does nothing when all of it is there; else needs root or sudo.
#
# scripts/deps.sh list-ARCH SET... - print the names instead, of the packages for amd64, i386, ...
set -eu

arch=$(dpkg --print-architecture)
list=
case ${1:-} in
list-*) list=yes arch=${1#list-}; shift ;;
esac

build="gcc libc6-dev meson ninja-build pkg-config python3 libevent-dev libcurl4-openssl-dev
	libssl-dev libsqlite3-dev libjansson-dev libsmartcols-dev libqrencode-dev libnatpmp-dev libminiupnpc-dev
	libedit-dev libncurses-dev libseccomp-dev"
test="clang llvm libclang-rt-14-dev libcmocka-dev aria2 transmission-daemon transmission-cli mktorrent
	python3-libtorrent opentracker openssl iproute2 nftables valgrind
	chromium fonts-dejavu-core cppcheck mandoc zsh fish lintian mmdebstrap"
# Intel's, and where it is missing hashing is slower, no more.
[ "$arch" != amd64 ] || build="$build libipsec-mb-dev"
deb="dpkg-dev"
i386="mmdebstrap arch-test iproute2"
bench="nginx-light curl rtorrent g++ libtorrent-rasterbar-dev"

want=""
for set in "$@"; do
	case $set in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	bench) want="$want $bench" ;;
	deb) want="$want $deb" ;;
	i386) want="$want $i386" ;;
	*) echo "deps.sh: $set: no such set" >&2; exit 2 ;;
	esac
done

if [ -n "$list" ]; then
	echo $want
	exit 0
fi

missing=""
for package in $want; do
	state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps.sh: run as root or install sudo; missing:$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# Daemons that come with the test clients must not start: tests run their own.
if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "deps.sh: apt-get could not install:$missing" >&2
	exit 1
fi
rm -f "$log"
