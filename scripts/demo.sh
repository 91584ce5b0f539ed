#!/usr/bin/env bash
# scripts/demo.sh SHOAL - an index, a sharer and three getters on this machine, with real data;
# says what happened and what to try next. Leaves nothing behind.
set -euo pipefail

shoal=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/shoal-demo.XXXXXX")
pids=()

cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $ %s\n' "$*"; }

# wait_for FILE PATTERN: until a line of FILE has it; 60 s at most.
wait_for() {
	for _ in $(seq 600); do
		grep -qs -- "$2" "$1" && return 0
		sleep 0.1
	done
	echo "demo: nothing like '$2' in $1 after 60 s:" >&2
	cat "$1" >&2
	exit 1
}

bytes=$((1 << 30))
free=$(df --output=avail -B1 "$work" | tail -n 1)
while [ "$bytes" -gt $((32 << 20)) ] && [ $((bytes * 6)) -gt "$free" ]; do bytes=$((bytes / 2)); done

say "1. Something real to share: programs and libraries of this machine, and a folder of headers"
{ tar cf - -C / usr/bin usr/lib 2>/dev/null || true; } | head -c "$bytes" >"$work/system.img" || true
cp -r /usr/include "$work/headers"
ls -l "$work/system.img"
echo "headers: $(find "$work/headers" -type f | wc -l) files, $(du -sh "$work/headers" | cut -f1)"

say "2. An index: tracker and catalogue in one"
show "shoal index"
SHOAL_HOME=$work/index "$shoal" index --listen 127.0.0.1:0 >"$work/index.log" 2>&1 &
pids+=($!)
wait_for "$work/index.log" 'http://'
url=$(grep -o 'http://[0-9.]*:[0-9]*' "$work/index.log" | head -n 1)
export SHOAL_INDEX=$url
echo "running at $url"

say "3. Machine A shares both"
show "shoal share system.img headers"
SHOAL_HOME=$work/a "$shoal" share --port 0 "$work/system.img" "$work/headers" >"$work/a.log" 2>&1 &
pids+=($!)
wait_for "$work/a.log" 'peer on port'
cat "$work/a.log"
show "shoal ls"
SHOAL_HOME=$work/b "$shoal" ls

say "4. Machines B, C and D get the file by name, all at once, from A and from one another"
show "shoal get system.img"
getters=()
for peer in b c d; do
	mkdir -p "$work/$peer"
	SHOAL_HOME=$work/$peer "$shoal" get --port 0 --json -o "$work/$peer/" system.img \
		>"$work/$peer.json" 2>"$work/$peer.err" &
	getters+=($!)
	pids+=($!)
done
for pid in "${getters[@]}"; do
	wait "$pid" || { cat "$work"/?.err >&2; exit 1; }
done
for peer in b c d; do
	python3 - "$peer" "$work/$peer.json" <<-'EOF'
		import json, sys
		d = json.load(open(sys.argv[2]))
		mib = lambda n: f"{n / 1048576:.0f} MiB"
		print(f"{sys.argv[1].upper()}: {mib(d['bytes'])} verified in {d['seconds']:.1f} s; "
		      f"fetched {mib(d['downloaded'])}, gave {mib(d['uploaded'])} to the others")
	EOF
done

say "5. And the folder"
show "shoal get headers"
SHOAL_HOME=$work/b "$shoal" get --port 0 -o "$work/b/" headers
diff -r "$work/headers" "$work/b/headers" >"$work/diff" || grep -v '^Only in' "$work/diff" || true

say "6. The checksums: A's original, then what B, C and D have"
(cd "$work" && sha256sum system.img b/system.img c/system.img d/system.img)
[ "$(cd "$work" && sha256sum {.,b,c,d}/system.img | cut -d' ' -f1 | sort -u | wc -l)" = 1 ] ||
	{ echo "demo: they differ" >&2; exit 1; }
SHOAL_HOME=$work/b "$shoal" info system.img | head -n 12

say "All four are equal. What to try next"
cat <<EOF
  shoal index                        on one machine; others of its network find it, the rest
                                     set SHOAL_INDEX=http://THAT:6969
  shoal share FILE-OR-FOLDER         on another, and on a third:
  shoal get NAME                     Ctrl-C and the same command again: it goes on
  shoal search WORDS; shoal info NAME; shoal peers
  shoal daemon -d; shoal status      a peer that stays, to which share and get hand over
  http://localhost:6969/             the catalogue in a browser, with links for any client
  shoal --help
EOF
