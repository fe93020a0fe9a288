#!/bin/sh
# `make demo`: the quickstart experiment, then where its report is. Usage: examples/quickstart/run.sh [PROGRAM [DIRECTORY]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-build/release/poolscope}
[ -x "$program" ] || program=poolscope # where it is installed
out=${2:-build/demo}
"$program" experiment "$here/experiment.json" --out "$out"
echo
echo "The report: $out/report.html"
echo "(open it in a browser; no network is needed)"
