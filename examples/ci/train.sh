#!/bin/sh
# Trains a few steps and writes the run to the folder $1 (or only $1/trace.jsonl, by any program that follows the trace
# format): small, seeded, and at a small rate, so that it takes a moment and rounding has no time to grow. POOLSCOPE
# names the program where it is not in PATH; further arguments go to it.
set -eu
run=$1
shift
exec "${POOLSCOPE:-poolscope}" train --model plain9 --width 0.25 --size 8 --train-limit 256 --test-limit 64 --probe 32 \
    --batch 16 --steps 8 --window 4 --lr 0.001 --threads 1 --quiet --force --out "$run" "$@"
