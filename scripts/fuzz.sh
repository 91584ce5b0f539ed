#!/bin/sh
# scripts/fuzz.sh BUILD_DIR SECONDS - run every fuzz target that long; stop at the first finding.
set -eu
build=$1 seconds=$2
here=$(dirname "$0")/..

for target in "$build"/tests/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	name=$(basename "$target")
	found="$build/corpus/${name#fuzz_}"
	mkdir -p "$found"
	echo "== $name for $seconds s"
	"$target" -max_total_time="$seconds" -print_final_stats=1 -timeout=5 -rss_limit_mb=1024 \
		-artifact_prefix="$build/$name-" "$found" "$here/tests/fuzz/corpus/${name#fuzz_}" \
		>"$build/$name.log" 2>&1 || { tail -n 40 "$build/$name.log"; exit 1; }
	grep -E 'stat::number_of_executed_units' "$build/$name.log"
done
