#!/bin/sh
# Plants a bug in each fuzz target and shows that the fuzzer finds it within a minute.
#
# usage: seeded_bugs.sh [FOLDER [TARGET...]]   FOLDER takes the builds (default: a new one)
#
# Run from anywhere; needs clang with libFuzzer. The corpus alone must not show the bug,
# or nothing would have been searched for.
set -eu

seconds=60
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-$(mktemp -d)}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- $(cd "$here" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')

cc="${CLANG:-clang} -std=c17 -D_GNU_SOURCE -g -O1 -I$root/src"
san="-fsanitize=address,undefined -fno-sanitize-recover=all"
folders="base meta wire"
case " $* " in *" session "* | *" metadata "* | *" holepunch "* | *" layers "*) folders="$folders swarm" ;; esac
case " $* " in *" dht "*) folders="$folders dht" ;; esac
case " $* " in *" search "* | *" session_line "*) folders="$folders index" ;; esac

mkdir -p "$work/obj"
rm -f "$work"/obj/*.o
for folder in $folders; do
	for file in "$root/src/$folder"/*.c; do
		$cc $san -fsanitize=fuzzer-no-link -c "$file" \
			-o "$work/obj/$folder-$(basename "$file" .c).o"
	done
done
# Pure files of folders that are not.
pure=
case " $* " in *" session_line "* | *" entry_json "*)
	pure="node/base64 node/entry_json node/json_put node/json_read node/session_line" ;;
esac
case " $* " in *" records "*) pure="$pure store/hash_record store/resume store/verified daemon/job_record" ;; esac
case " $* " in *" gateway "*) pure="$pure daemon/gateway_path" ;; esac
for name in $pure; do
	$cc $san -fsanitize=fuzzer-no-link -c "$root/src/$name.c" -o "$work/obj/$(echo "$name" | tr / -).o"
done

# Inputs are kept as they are found: a planted bug hangs on values, which the usual
# shortening of inputs by their coverage throws away.
missed=0
for target in "$@"; do
	$cc $san -fsanitize=fuzzer -DSEED_BUG "$here/fuzz_$target.c" "$work"/obj/*.o \
		-o "$work/seeded_$target" -lcrypto -ljansson -lm
	dict=$(sed -n "s/^$target //p" "$here/dict/targets")
	corpus=$here/corpus/$target
	if ! "$work/seeded_$target" -runs=0 "$corpus" >"$work/$target.log" 2>&1; then
		echo "not ok - $target: the corpus alone shows the planted bug"
		missed=1
		continue
	fi
	new=$work/new_$target
	rm -rf "$new"
	mkdir "$new"
	start=$(date +%s)
	if "$work/seeded_$target" -max_total_time=$seconds -max_len=1000 -reduce_inputs=0 -seed=1 \
		${dict:+-dict="$here/dict/$dict.dict"} -artifact_prefix="$work/$target-" \
		"$new" "$corpus" >"$work/$target.log" 2>&1; then
		echo "not ok - $target: not found in $seconds s"
		missed=1
	elif grep -q "the planted bug was found" "$work/$target.log"; then
		echo "ok - $target: found after $(($(date +%s) - start)) s"
	else
		echo "not ok - $target: something else was found, see $work/$target.log"
		missed=1
	fi
done
exit $missed
