#!/bin/sh
# Usage: banned.sh SOURCE_ROOT
# Functions that nobody may call, whatever the length of the buffer looks like, and arrays whose
# length is known only at run time (the compiler is asked to refuse those).
set -eu
cd "$1"

words='strcpy|strcat|sprintf|vsprintf|gets|atoi|strtok|system|popen|alloca|rand|srand'

echo "1..3"
failed=0

# Comments and string literals may speak of them.
found=$(find src tests/unit tests/sim tests/fuzz bench -name '*.[ch]' 2>/dev/null | sort | xargs awk -v words="$words" '
	BEGIN { call = "(^|[^A-Za-z0-9_.>])(" words ")[ \t]*[(]" }
	/^[ \t]*(\/\*|\*([ \/]|$))/ { next }
	{
		gsub(/"([^"\\]|\\.)*"/, "\"\"")
		sub(/\/\/.*/, "")
		sub(/\/\*.*\*\//, "")
	}
	$0 ~ call { print FILENAME ":" FNR ":" $0 }')
if [ -z "$found" ]; then
	echo "ok 1 - no banned function is called"
else
	failed=1
	echo "not ok 1 - no banned function is called"
	echo "$found" | sed 's/^/#   /'
fi

if grep -q -- "'-Wvla'" meson.build && grep -q 'werror=true' meson.build; then
	echo "ok 2 - the compiler refuses arrays of variable length"
else
	failed=1
	echo "not ok 2 - the compiler refuses arrays of variable length"
fi

found=$(grep -rnE '\b(TODO|FIXME|XXX)\b|^#[ \t]*if 0' src web --include='*.[ch]' --include='*.js' --include='*.html' || true)
if [ -z "$found" ]; then
	echo "ok 3 - nothing is left to do and no code is switched off"
else
	failed=1
	echo "not ok 3 - nothing is left to do and no code is switched off"
	echo "$found" | sed 's/^/#   /'
fi
exit $failed
