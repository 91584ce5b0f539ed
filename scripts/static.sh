#!/bin/sh
# scripts/static.sh DIR - build in DIR a shoal that needs nothing but a C library: DIR/shoal.
#
# Debian has most of our libraries as archives, too. Of three it has not, and curl's would bring
# Kerberos and LDAP along: these are made from Debian's own sources, with what we use of them only.
set -eu

dir=${1:?"static.sh: which folder to build in?"}
here=$(cd "$(dirname "$0")/.." && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
jobs=$(nproc)
mkdir -p "$dir/sources" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
dir=$(cd "$dir" && pwd)
prefix=$dir/libraries

# Sources come through apt, which checks who signed them; the machine's own apt is left as it is.
fetch() {
	# The distribution's name, and nothing else, is wanted here.
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$dir/apt/sources.list"
	set -- -q -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User=root
	apt-get "$@" update
	cd "$dir/sources"
	apt-get "$@" source curl # with Debian's security patches
	apt-get "$@" source --tar-only --download-only qrencode util-linux
	tar xf qrencode_*.orig.tar.*
	tar xf util-linux_*.orig.tar.*
}

# One library: folder, then how to configure it.
library() {
	cd "$dir/sources/$1"
	shift
	./configure --prefix="$prefix" --disable-shared --enable-static "$@"
	# Patches have made configure older than what it is made of, which does no harm.
	make -j"$jobs" AUTOCONF=: AUTOHEADER=: AUTOMAKE=: ACLOCAL=: install
}

libraries() {
	library "$(cd "$dir/sources" && echo qrencode-*/)" --without-tools
	library "$(cd "$dir/sources" && echo util-linux-*/)" --disable-all-programs --enable-libsmartcols --disable-nls \
		--without-python --without-systemd --without-ncurses --without-ncursesw --without-tinfo --without-readline
	library "$(cd "$dir/sources" && echo curl-*/)" --with-openssl --without-zlib --without-brotli --without-zstd \
		--without-nghttp2 --without-libidn2 --without-libpsl --without-librtmp --without-libssh2 --without-gssapi \
		--disable-ldap --disable-ldaps --disable-ftp --disable-file --disable-dict --disable-telnet --disable-tftp \
		--disable-rtsp --disable-pop3 --disable-imap --disable-smb --disable-smtp --disable-gopher --disable-mqtt \
		--disable-manual --disable-ntlm --enable-threaded-resolver \
		--with-ca-bundle=/etc/ssl/certs/ca-certificates.crt --with-ca-path=/etc/ssl/certs
}

# Debian's own does not say what the archive of libbsd needs in turn.
libedit() {
	mkdir -p "$prefix/lib/pkgconfig"
	printf 'Name: libedit\nDescription: line editor\nVersion: %s\nCflags: %s\nLibs: -ledit -ltinfo -lbsd -lmd\n' \
		"$(pkg-config --modversion libedit)" "$(pkg-config --cflags libedit)" >"$prefix/lib/pkgconfig/libedit.pc"
}

if [ ! -f "$dir/libraries.done" ]; then
	{ fetch && libraries; } >"$dir/libraries.log" 2>&1 || { tail -n 20 "$dir/libraries.log" >&2; exit 1; }
	touch "$dir/libraries.done"
fi
libedit
if [ ! -f "$dir/build.ninja" ]; then
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig meson setup "$dir" "$here" --buildtype=release --prefer-static \
		-Dc_link_args='-static-libgcc -Wl,--gc-sections,-z,relro,-z,now' >"$dir/setup.log"
fi
ninja -C "$dir" src/cli/shoal >"$dir/build.log" || { tail -n 20 "$dir/build.log" >&2; exit 1; }
strip -o "$dir/shoal" "$dir/src/cli/shoal"
echo "$dir/shoal"
