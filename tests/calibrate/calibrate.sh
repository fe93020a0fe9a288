#!/bin/sh
# Rewrites analysis/CALIBRATION.md from simulation.   calibrate.sh BUILD_FOLDER
# PS_CALIBRATE_SCALE multiplies the number of simulated runs (1: 13,200 for the tests, 16 seeds a planting, and 20,000 drawn
# experiments a row for the words of a verdict: about five minutes of one processor).
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
# Error rates of the tests, of the diagnoses and of a verdict's words, by simulation

Written by \`make calibrate\` (\`PS_CALIBRATE_SCALE=$scale\`). Every rate stands with the number of cases it was counted in.

## Tests of the predictions

Runs of a made-up network with known truth (tests/lib/trace_fixture.c) go through the reader, the metrics, the hazard
ratio and the exact sign test that real ones go through. "False alarms": the truth lies at the margin of the row, and
the one-sided test at 5 % says it is beyond. The exact size is the largest probability at or below 5 % that a sign test
of that many seeds can have; a rate above the range of chance is marked (!), a lower one is no fault: values at the
margin count for neither side. "Power": how often a planted effect is found (how large it is, stands in
tests/calibrate/calibrate.c). Fewer than five seeds can show nothing at 5 %. What no test may take for an effect is in
all runs: a course in common (deaths, revivals, inertia, path lengths and l2/l1 all fall over time without one causing
the other), bent courses of each layer's own in deaths and in l2/l1, death rates and l2/l1 that hang on their past, and
an l2/l1 that falls in the window of a death.

What the table leaves out:

- Each row is one test in the predicted direction, at the 5 % of a single test, as a primary question has it. Questions
  that are judged in order, and parts that must all hold, can only withhold a *shown*; how often, and the tests against,
  are not simulated here.
- A row with margin 0 tests against 0, where \`predictions/\` has another margin (W2 to W5, P2, P3, P7 to P9, M1 to
  M3): the row shows that the effects lie about the absence of an effect, not that they lie about that margin.
- Parts 2 and 3 of P4 (outgoing weights) have no row: those weights do not vary at random in the made-up runs. In the
  runs of P9 every node that is dead through a window is shut on every batch of it. P7 takes the largest p of three
  contrasts of the dead share, so its false alarms are at most those of one. M4 is a share that is 0 or nearly so in
  every run, and has no row.
- The rules of who counts (pairs, left-out seeds, diverged runs, cohorts) are no part of it. A group of seeds in which a
  run gives no number is left out (the count behind "of" is smaller then); a comparison leaves out that seed alone.
- The instrument checks are identities without chance.

TEXT
    cat "$table"
} >analysis/CALIBRATION.md
[ "$code" = 0 ] || echo "calibrate: a false-alarm rate lies outside the range of chance, a diagnosis is wrong, or words of a verdict are false too often; see analysis/CALIBRATION.md" >&2
exit "$code"
