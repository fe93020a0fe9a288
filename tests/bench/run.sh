#!/bin/sh
# All benchmarks into tests/bench/RESULTS.md: single convolutions against oneDNN, full steps against PyTorch, what recording and probing cost, memory-bound
# kernels, how fast traces are read. Takes about half an hour on two idle processors; the two sides of every comparison take turns within one run.
#   tests/bench/run.sh BUILD_FOLDER [OUTPUT]
# PS_BENCH_THREADS (2), PS_BENCH_ROUNDS (7), PS_BENCH_PARTS (steps conv kernels probing recorder traces) and, of steps, PS_BENCH_ONLY (part of a line's name;
# "@": segmentation) and PS_BENCH_SECTIONS (speed,allocator,record,defaults,memory,growth) shorten it.
# Parts whose other side is not installed (libdnnl-dev, PyTorch: tests/python.sh) say so in the result.
set -eu
cd "$(dirname "$0")/../.."
build=$1; out=${2:-tests/bench/RESULTS.md}
threads=${PS_BENCH_THREADS:-2}
rounds=${PS_BENCH_ROUNDS:-7}
parts=${PS_BENCH_PARTS:-steps conv kernels probing recorder traces}
python=$(tests/python.sh)
new=$(mktemp); trap 'rm -f "$new"' EXIT

part() { # title, command...: shows it on the terminal and keeps it
    printf '\n# %s\n' "$1" | tee -a "$new"; shift
    { "$@" || echo "(failed)"; } | tee -a "$new"
}

{
    echo "Made by \`make bench\`. Times are medians of rounds in which both sides take turns; quote the ratios."
    echo
    echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1), $(nproc) processors; $($build/poolscope --version); $(cc --version | head -1)"
} | tee "$new"
echo "Rounds: $rounds" | tee -a "$new"
wanted() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

if ! wanted steps; then :
elif "$python" -c 'import torch' 2>/dev/null; then
    echo "PyTorch $("$python" -c 'import torch; print(torch.__version__)')" | tee -a "$new"
    part "Full training steps" "$python" tests/bench/step_bench.py "$build/tests/bench/step_bench" --threads "$threads" --rounds "$rounds" \
        --only "${PS_BENCH_ONLY:-}" --sections "${PS_BENCH_SECTIONS:-speed,allocator,record,defaults,memory,growth}"
else
    echo "Full steps: PyTorch is not installed (make venv)" | tee -a "$new"
fi
if ! wanted conv; then :
elif [ -x "$build/tests/bench/conv_bench" ]; then part "Single convolutions" "$build/tests/bench/conv_bench" --threads "$threads" --rounds "$rounds"
else echo "Single convolutions: libdnnl-dev is not installed" | tee -a "$new"; fi
if wanted kernels; then part "Memory-bound kernels" "$build/tests/bench/kernel_bench" --threads "$threads" --rounds "$rounds"; fi
if wanted probing; then part "Probing" "$build/tests/bench/probe_bench" --rounds "$rounds"; fi
if ! wanted recorder; then :
elif "$python" -c 'import torch' 2>/dev/null; then part "The recorder for PyTorch" "$python" tests/bench/recorder_bench.py --threads "$threads" --rounds "$rounds"
else echo "The recorder for PyTorch: PyTorch is not installed (make venv)" | tee -a "$new"; fi
if wanted traces; then part "Reading traces" "$build/tests/bench/trace_bench"; fi
cat "$new" >"$out"
echo "Written: $out"
