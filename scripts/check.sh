#!/bin/sh
# scripts/check.sh - build every configuration, run all tests in each, print one tally.
set -u
cd "$(dirname "$0")/.."

configs="build build-asan build-tsan build-clang"

setup() { # directory, compiler, options...
	dir=$1 cc=$2
	shift 2
	[ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" "$@" >"$dir.log" 2>&1 ||
		{ cat "$dir.log"; exit 1; }
	rm -f "$dir.log"
}

run() { # directory, meson test arguments...
	dir=$1
	shift
	echo "== $dir: building"
	ninja -C "$dir" >"$dir/build.log" 2>&1 || { tail -n 60 "$dir/build.log"; exit 1; }
	echo "== $dir: testing"
	meson test -C "$dir" --no-rebuild --print-errorlogs "$@" || true
}

setup build gcc --buildtype=release
setup build-asan gcc -Db_sanitize=address,undefined -Db_lundef=false
setup build-tsan clang -Db_sanitize=thread -Db_lundef=false
setup build-clang clang --buildtype=debugoptimized

run build
run build-asan --timeout-multiplier 3
run build-tsan --suite threads --timeout-multiplier 3
run build-clang --suite unit
exec python3 tests/tally.py $configs
