#!/bin/sh
# Usage: cppcheck.sh SOURCE_ROOT
# Nothing that cppcheck has to say of src is left open; what it is wrong about is listed in
# suppressions.txt, with reasons.
set -eu
cd "$1"
here=tests/check/cppcheck

if ! command -v cppcheck >/dev/null; then
	echo "1..0 # SKIP there is no cppcheck"
	exit 0
fi
echo "1..1"
found=$(cppcheck --quiet --std=c11 --library=posix --library=gnu --library=$here/macros.cfg \
	--enable=warning,portability,performance --suppressions-list=$here/suppressions.txt -I src \
	--template='{file}:{line}: {id}: {message}' src 2>&1)
if [ -z "$found" ]; then
	echo "ok 1 - nothing is found"
	exit 0
fi
echo "not ok 1 - nothing is found"
echo "$found" | sed 's/^/#   /'
exit 1
