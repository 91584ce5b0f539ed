#!/bin/sh
# scripts/i386.sh DIR [ARGUMENT OF MESON TEST...] - build for 32 bits and run tests, by default those of single parts.
#
# Where a pointer, a size_t and a long have four bytes, widths that do not fit show: as an error of the compiler or of a
# test. All in a Debian of its own in DIR/root, made when it is not there yet: needs root, and Debian's servers then.
set -eu

dir=${1:?"i386.sh: which folder to build in?"}
shift
[ $# -gt 0 ] || set -- --suite unit --suite fuzz
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

if [ ! -f "$dir/root.done" ]; then
	rm -rf "$dir/root"
	packages=$("$here/scripts/deps.sh" list-i386 build | tr ' ' ',')
	mmdebstrap --quiet --variant=minbase --architectures=i386 --include="$packages,libcmocka-dev,openssl,iproute2" \
		bookworm "$dir/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$dir/root.log" 2>&1 ||
		{ tail -n 20 "$dir/root.log" >&2; exit 1; }
	touch "$dir/root.done"
fi

# A network of its own, with loopback alone, and mounts that end with it.
# shellcheck disable=SC2016
exec unshare --net --mount sh -c '
	set -eu
	here=$1 root=$2
	shift 2
	ip link set lo up
	mkdir -p "$root/src"
	mount --bind "$here" "$root/src"
	mount -t proc proc "$root/proc"
	mount -t sysfs sys "$root/sys"
	echo "127.0.0.1 localhost" >"$root/etc/hosts"
	mount --rbind /dev "$root/dev"
	exec chroot "$root" sh -c "
		set -eu
		cd /tmp
		[ -f /build/build.ninja ] || meson setup /build /src \"-Dc_args=-msse2 -mfpmath=sse\" -Dwerror=false
		ninja -C /build >/build/build.log || { tail -n 40 /build/build.log; exit 1; }
		# Sizes in tests are of their own making; those of the program may come from strangers.
		if grep -A 5 \"^[./]*src/src/.*warning:\" /build/build.log; then
			rm -rf /build/src
			exit 1
		fi
		exec meson test -C /build --print-errorlogs \"\$@\"
	" sh "$@"
' sh "$here" "$dir/root" "$@"
