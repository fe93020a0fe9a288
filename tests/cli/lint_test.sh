#!/bin/sh
# The house rules hold (tests/lint.sh), and the checker itself catches a planted wrong arrow.
cd "$(dirname "$0")/../.." || exit 2
echo "1..2"
if out=$(tests/lint.sh); then echo "ok 1 - includes follow the table of rooms"; else echo "$out" | sed 's/^/# /'; echo "not ok 1 - includes follow the table of rooms"; fi
copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
cp -r src analysis reports "$copy"/; mkdir "$copy/tests"; cp tests/lint.sh "$copy/tests/"
printf '#include "probe/probe.h"\n' >"$copy/src/net/wrong.c"
if "$copy/tests/lint.sh" | grep -q 'src/net/wrong.c includes "probe/probe.h"'; then echo "ok 2 - a wrong arrow is caught"; else echo "not ok 2 - a wrong arrow is caught"; fi
