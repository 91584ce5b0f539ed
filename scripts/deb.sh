#!/bin/sh
# scripts/deb.sh DIR - build in DIR, pack DIR/shoal_VERSION_ARCH.deb, and print its path.
set -eu

dir=${1:?"deb.sh: which folder to build in?"}
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
root=$dir/root

# As Debian wants programs hardened; the optimization stays ours.
export DEB_CFLAGS_MAINT_STRIP="-O2 -g"
eval "$(DEB_BUILD_MAINT_OPTIONS=hardening=+bindnow dpkg-buildflags --export=sh)"

# The same tree gives the same package.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/CHANGELOG.md")
	export SOURCE_DATE_EPOCH
fi

[ -f "$dir/build.ninja" ] ||
	meson setup "$dir" "$here" --prefix=/usr --sysconfdir=/etc --buildtype=release \
		-Dzsh_completions=share/zsh/vendor-completions >"$dir/setup.log"
ninja -C "$dir" src/cli/shoal dist/shoal dist/_shoal dist/shoal.fish >"$dir/build.log" ||
	{ tail -n 20 "$dir/build.log" >&2; exit 1; }
rm -rf "$root" "$dir/debian"
DESTDIR=$root meson install -C "$dir" --no-rebuild --quiet >/dev/null

version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$here/meson.build" | head -n 1)
arch=$(dpkg --print-architecture)
debian=$here/dist/debian
doc=$root/usr/share/doc/shoal

strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/shoal"
gzip -9n "$root/usr/share/man/man1/shoal.1"
rm "$doc/LICENSE" # copyright says it
mv "$doc/CHANGELOG.md" "$doc/changelog"
gzip -9n "$doc/changelog"
cp "$debian/copyright" "$doc/copyright"
sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/" "$debian/changelog.in" |
	gzip -9n >"$doc/changelog.Debian.gz"
find "$doc" -name '*.svg' -exec gzip -9n {} +
mkdir -p "$root/etc/default" "$root/DEBIAN" "$root/usr/share/lintian/overrides"
# It is no part of Debian, so there is nothing to close there.
echo 'shoal: initial-upload-closes-no-bugs' >"$root/usr/share/lintian/overrides/shoal"
cp "$debian/default" "$root/etc/default/shoal-index"
echo /etc/default/shoal-index >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
	cp "$debian/$script" "$root/DEBIAN/$script"
	chmod 755 "$root/DEBIAN/$script"
done

# dpkg-shlibdeps wants to stand in a source package.
mkdir -p "$dir/debian"
printf 'Source: shoal\n\nPackage: shoal\nArchitecture: any\n' >"$dir/debian/control"
depends=$(cd "$dir" && dpkg-shlibdeps -O -e"$root/usr/bin/shoal" 2>"$dir/shlibdeps.log" | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$dir/shlibdeps.log" >&2; exit 1; }
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
sed -e "s/@VERSION@/$version-1/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$size/" \
	"$debian/control.in" >"$root/DEBIAN/control"
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f ! -path '*/DEBIAN/*' ! -path '*/bin/*' -exec chmod 644 {} +
(cd "$root" && find usr -type f -exec md5sum {} + | sort -k 2) >"$root/DEBIAN/md5sums"

dpkg-deb --root-owner-group --build "$root" "$dir/shoal_$version-1_$arch.deb" >/dev/null
echo "$dir/shoal_$version-1_$arch.deb"
