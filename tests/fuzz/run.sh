#!/bin/sh
# Runs every fuzz target of a build made with -Dfuzz=true for a while.
#
# usage: run.sh BUILD [SECONDS [TARGET...]]   SECONDS for each target, default 60
#
# New inputs and crashes go to BUILD/tests/fuzz/found/; a crash input belongs into
# corpus/<target>/ together with the fix.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)/tests/fuzz
seconds=${2:-60}
shift
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- $(cd "$here" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')

failed=0
for target in "$@"; do
	dict=$(sed -n "s/^$target //p" "$here/dict/targets")
	found=$build/found/$target
	mkdir -p "$found"
	if "$build/fuzz_$target" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 \
		-rss_limit_mb=2048 ${dict:+-dict="$here/dict/$dict.dict"} \
		-artifact_prefix="$found-" "$found" "$here/corpus/$target" >"$found.log" 2>&1; then
		echo "ok - $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log") runs"
	else
		echo "not ok - $target: see $found.log"
		failed=1
	fi
done
exit $failed
