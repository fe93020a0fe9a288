#!/bin/sh
# `make calibrate-diagnoses`: how often findings err, from short trainings (about ten minutes of two processors).
#   faults.sh BUILD_FOLDER
# PS_CALIBRATE_SEEDS: the seeds of the runs (1,2,3; those from 101 on are for tuning, and their numbers are not
# written into the documents).
set -u
cd "$(dirname "$0")/../.." || exit 2
seeds=${PS_CALIBRATE_SEEDS:-1,2,3}
write=--write
[ "$seeds" = 1,2,3 ] || write=
# shellcheck disable=SC2086
python3 tests/calibrate/faults.py "$1/poolscope" "$1/tests/calibrate/faults" --seeds "$seeds" $write
code=$?
[ "$code" -ne 1 ] || echo "calibrate-diagnoses: findings err more often than they may; see the lines above" >&2
exit "$code"
