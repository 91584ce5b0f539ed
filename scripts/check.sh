#!/bin/sh
# scripts/check.sh - build every configuration, run its tests, print one tally.
#
#   build        gcc, as installed             all tests
#   build-asan   clang, ASan + UBSan           all but those with other clients or a browser, which wait on them
#   build-tsan   clang, TSan                   what has threads
set -u
cd "$(dirname "$0")/.."

setup() { # directory, compiler, options...
	dir=$1 cc=$2
	shift 2
	[ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" "$@" >"$dir.log" 2>&1 ||
		{ cat "$dir.log"; exit 1; }
	rm -f "$dir.log"
}

run() { # directory, meson test arguments...; builds only what those tests need
	echo "== $*"
	dir=$1
	shift
	# Three tests a core: most of them wait for something most of the time.
	# A test that failed is in the tally; a build that failed ends it here.
	meson test -C "$dir" --print-errorlogs --num-processes $(($(nproc) * 3)) "$@" >"$dir/check.log" 2>&1 ||
		[ -s "$dir/meson-logs/testlog.json" ] || { tail -n 60 "$dir/check.log"; exit 1; }
	grep -E 'ERROR|FAIL|TIMEOUT|INTERRUPT' "$dir/check.log" | head -n 40
}

setup build gcc --buildtype=release
# Reports name lines, which is all that is wanted of debug information; half optimized is compiled sooner, and runs as fast.
lines="-Ddebug=false -Dc_args=-gline-tables-only -Db_lundef=false"
setup build-asan clang $lines -Doptimization=1 -Db_sanitize=address,undefined
setup build-tsan clang $lines -Db_sanitize=thread

# While tests wait for something, what comes next is compiled. A build that fails here fails again,
# and is heard of, in run().
ahead() {
	nice -n 19 ninja -C build-asan
	nice -n 19 ninja -C build-tsan threads
}

rm -f build*/meson-logs/testlog.json
ahead >/dev/null 2>&1 &
ahead=$!
run build
wait "$ahead"
# Few and long, so beside the others. Each of the processes that they fork would wait a second at its end for races.
TSAN_OPTIONS=atexit_sleep_ms=20 run build-tsan --suite threads --timeout-multiplier 3 &
tsan=$!
run build-asan --no-suite interop --timeout-multiplier 3
wait "$tsan" || exit 1
exec python3 tests/tally.py build build-asan build-tsan
