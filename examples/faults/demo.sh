#!/bin/sh
# `make demo-faults`: one sound training and three ill ones on generated data, and what the program says of each.
# Usage: examples/faults/demo.sh [PROGRAM [DIRECTORY]]
set -eu
program=${1:-build/release/poolscope}
[ -x "$program" ] || program=poolscope # where it is installed
out=${2:-build/demo-faults}
network="--model plain9 --stages 1,1,1 --width 0.75"
data="--size 16 --train-limit 1024 --test-limit 256 --probe 128 --batch 32 --steps 160 --window 20 --eval-every 2"
mkdir -p "$out"

look() { # name, what, options
    name=$1; what=$2; shift 2
    rm -rf "${out:?}/$name"
    echo
    echo "== $what: poolscope train $*"
    # shellcheck disable=SC2086
    "$program" train $network $data "$@" --quiet --out "$out/$name"
    # The first two findings; the rest follows from them.
    "$program" diagnose "$out/$name" | sed -e '/^Nodes at step/,$d' -e '/^3\. /,$d'
    echo "More: poolscope diagnose $out/$name"
    "$program" report "$out/$name" >/dev/null
}

look sound "A sound training"
look high "A learning rate of 0.5, without normalisation" --batch-norm no --init-scheme he --lr 0.5
look momentum "Running statistics that never follow, in a small ResNet" \
    --model resnet18 --stages 1,1 --width 0.125 --norm-momentum 0
look raw "Pixels from 0 to 255, as stored" --batch-norm no --init-scheme he --lr 0.02 --no-normalise
echo "The pages: report/report.html in $out/sound, $out/high, $out/momentum and $out/raw"
echo "(open them in a browser; no network is needed. What each fault looks like: examples/faults/README.md)"
