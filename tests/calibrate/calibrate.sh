#!/bin/sh
# Rewrites analysis/CALIBRATION.md from simulation.   calibrate.sh BUILD_FOLDER
# PS_CALIBRATE_SCALE multiplies the number of simulated runs (1: 13,200 for the tests, and 16 seeds a planting: about five minutes of one processor).
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
# Error rates of the tests and of the diagnoses, by simulation

Written by \`make calibrate\` (\`PS_CALIBRATE_SCALE=$scale\`). Every rate stands with the number of cases it was counted in.

## Tests of the predictions

Runs of a made-up network with known truth (tests/lib/trace_fixture.c) go through the same reader, metrics and tests as real ones. "False alarms": the
truth lies at the margin (0 where no margin is simulated), and the one-sided test at 5 % says it is beyond. The exact size is the largest probability at
or below 5 % that a sign-flip test of that many seeds can have; a rate outside the range of chance is marked (!). "Power": how often a planted effect is
found (how large it is, stands in tests/calibrate/calibrate.c). Three seeds can show nothing at 5 %. What no test may take for an
effect is in all runs: a course in common (deaths, revivals, inertia, path lengths and l2/l1 all fall over time without one causing the other), bent courses
of each layer's own in deaths and in l2/l1, death rates and l2/l1 that hang on their past, and an l2/l1 that falls in the window of a death.

Not simulated by itself: P7 takes the largest p of three contrasts of the dead share, so its false alarms are at most those of one; M4 is a share that is 0
or nearly so in every run, too skewed for a test about a margin to be exact; the instrument checks are identities without chance.

TEXT
    cat "$table"
} >analysis/CALIBRATION.md
[ "$code" = 0 ] || echo "calibrate: a false-alarm rate lies outside the range of chance, or a diagnosis is wrong; see analysis/CALIBRATION.md" >&2
exit "$code"
