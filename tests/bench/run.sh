#!/bin/sh
# All benchmarks into tests/bench/RESULTS.md: single convolutions against oneDNN, full steps against PyTorch, what recording and probing cost, memory-bound
# kernels, how fast traces are read. Takes about an hour on two idle processors; the two sides of every comparison take turns within one run.
#   tests/bench/run.sh BUILD_FOLDER [OUTPUT]
# What is measured takes its place in the chapter of this kind of processor and instruction set (results.py); all else in the file stays.
# PS_BENCH_THREADS (2), PS_BENCH_ROUNDS (7), PS_BENCH_PARTS (steps conv kernels probing recorder traces) and, of steps, PS_BENCH_ONLY (part of a line's name;
# "@": segmentation) and PS_BENCH_SECTIONS (speed,allocator,record,defaults,memory,growth,start,evaluation) shorten it. PS_BENCH_COMPILE=1 adds torch.compile
# to the speed of steps: slow, and g++ is needed. PS_BENCH_SIMD=avx2 holds both sides to AVX2.
# Parts whose other side is not installed (libdnnl-dev, PyTorch: tests/python.sh) say so in the result.
set -eu
cd "$(dirname "$0")/../.."
build=$1; out=${2:-tests/bench/RESULTS.md}
threads=${PS_BENCH_THREADS:-2}
rounds=${PS_BENCH_ROUNDS:-7}
parts=${PS_BENCH_PARTS:-steps conv kernels probing recorder traces}
python=$(tests/python.sh)
simd=${PS_BENCH_SIMD:-}
case $simd in
    '') ;;
    avx2) export PS_SIMD=avx2 OPENBLAS_CORETYPE=Haswell ;; # what else there is to set, the programs do themselves
    *) echo "PS_BENCH_SIMD=$simd: only avx2 is known" >&2; exit 2 ;;
esac
new=$(mktemp); trap 'rm -f "$new"' EXIT

part() { # title, command...: shows it on the terminal and keeps it
    printf '\n# %s\n\n' "$1" | tee -a "$new"; shift
    { "$@" || echo "(failed)"; } | tee -a "$new"
}
lacking() { part "$1" echo "$2"; } # title, why

{
    echo "$(nproc) processors${simd:+, held to $simd}"
    echo "$("$build/poolscope" --version)"
    cc --version | head -1
    date -u +%Y-%m-%d
    echo "$rounds rounds"
} | tee "$new"
wanted() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

if ! wanted steps; then :
elif "$python" -c 'import torch' 2>/dev/null; then
    echo "PyTorch $("$python" -c 'import torch; print(torch.__version__)')" | tee -a "$new"
    part "Full training steps" "$python" tests/bench/step_bench.py "$build/tests/bench/step_bench" --threads "$threads" --rounds "$rounds" \
        --only "${PS_BENCH_ONLY:-}" --sections "${PS_BENCH_SECTIONS:-speed,allocator,record,defaults,memory,growth,start,evaluation}" \
        ${PS_BENCH_COMPILE:+--compile} --simd "$simd"
else
    lacking "Full training steps" "PyTorch is not installed (make venv)"
fi
if ! wanted conv; then :
elif [ -x "$build/tests/bench/conv_bench" ]; then
    part "Single convolutions" "$build/tests/bench/conv_bench" --threads "$threads" --rounds "$rounds" ${simd:+--simd "$simd"}
else lacking "Single convolutions" "libdnnl-dev is not installed"; fi
if wanted kernels; then part "Memory-bound kernels" "$build/tests/bench/kernel_bench" --threads "$threads" --rounds "$rounds"; fi
if wanted probing; then part "Probing" "$build/tests/bench/probe_bench" --rounds "$rounds"; fi
if ! wanted recorder; then :
elif "$python" -c 'import torch' 2>/dev/null; then part "The recorder for PyTorch" "$python" tests/bench/recorder_bench.py --threads "$threads" --rounds "$rounds"
else lacking "The recorder for PyTorch" "PyTorch is not installed (make venv)"; fi
if wanted traces; then part "Reading traces" "$build/tests/bench/trace_bench"; fi
only=''
! wanted steps || only=${PS_BENCH_ONLY:-}
"$python" tests/bench/results.py "$out" "$new" --only "$only"
echo "Written: $out"
