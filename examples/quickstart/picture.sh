#!/bin/sh
# Makes the picture in the project's README anew: runs the quickstart and photographs the first screen of its report.
#   examples/quickstart/picture.sh [PROGRAM]     needs chromium and python3
#   examples/quickstart/picture.sh --counts      only says what a picture of today shows; it stands in the PNG's comment
set -eu
cd "$(dirname "$0")/../.."
example=examples/quickstart
entries() { grep -c "^ *$1" "$2"; }

# What the first screen counts: arms, runs, predictions, and the plots below.
arms=$(sed -n '/"arms"/,/\]/p' $example/experiment.json | grep -c '"name"')
seeds=$(sed -n 's/.*"seeds": \[\([^]]*\)\].*/\1/p' $example/experiment.json | tr ',' '\n' | wc -l)
own=$(grep -o '"against"' $example/experiment.json | wc -l) # contrasts that the file registers beside the list
counts="$arms arms, $((arms * seeds)) runs, \
$(($(entries 'PS_PREDICTION(' analysis/predictions/prediction_list.def) + own)) predictions, \
$(($(wc -l <reports/plot_list.tsv) - 1)) plots"
if [ "${1:-}" = --counts ]; then echo "$counts"; exit 0; fi

program=$(cd "$(dirname "${1:-build/release/poolscope}")" && pwd)/poolscope
for tool in chromium python3; do
    command -v $tool >/dev/null || { echo "picture.sh: needs $tool; install it (Debian: chromium, python3)" >&2; exit 2; }
done
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$program" experiment $example/experiment.json --out "$work/run"
chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --hide-scrollbars --window-size=1200,1500 \
    --screenshot="$work/page.png" "file://$work/run/report.html" 2>"$work/log" || { cat "$work/log" >&2; exit 2; }
# The counts go into the PNG as its comment.
python3 - "$work/page.png" "$example/report.png" "$counts" <<'EOF'
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
chunk = b"tEXt" + b"Comment\0" + sys.argv[3].encode()
comment = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
open(sys.argv[2], "wb").write(data[:33] + comment + data[33:])  # behind the signature and IHDR
EOF
echo "$example/report.png: $counts"
