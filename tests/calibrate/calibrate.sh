#!/bin/sh
# Rewrites analysis/CALIBRATION.md from simulation.   calibrate.sh BUILD_FOLDER
# PS_CALIBRATE_SCALE multiplies the number of simulated runs (1: 22,000, some minutes).
set -u
cd "$(dirname "$0")/../.." || exit 2
scale=${PS_CALIBRATE_SCALE:-1}
table=$(mktemp) || exit 2
trap 'rm -f "$table"' EXIT
"$1/tests/calibrate/calibrate" "$scale" >"$table"
code=$?
[ "$code" -le 1 ] || exit 2
{
    cat <<TEXT
# Error rates of the tests, by simulation

Written by \`make calibrate\` (\`PS_CALIBRATE_SCALE=$scale\`). Runs of a made-up network with known truth (tests/lib/trace_fixture.c) go through the same
reader, metrics and tests as real ones. "False alarms": the truth is that there is no effect, and the one-sided test at 5 % says there is one. The exact
size is the largest probability at or below 5 % that a sign-flip test of that many seeds can have; a rate outside the range of chance is marked (!).
"Power": how often a planted effect is found (how large it is, stands in tests/calibrate/calibrate.c). Three seeds can show nothing at 5 %.

TEXT
    cat "$table"
} >analysis/CALIBRATION.md
[ "$code" = 0 ] || echo "calibrate: a false-alarm rate lies outside the range of chance; see analysis/CALIBRATION.md" >&2
exit "$code"
