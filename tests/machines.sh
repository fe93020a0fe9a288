#!/bin/sh
# The tests as other machines would run them: with the lower instruction sets (PS_SIMD; PS_SIMD_MOST: as if there
# were no more, or the second-level cache were small), and with those of OpenBLAS's kernels that it can run (OPENBLAS_CORETYPE). What it cannot run is reported as skipped, with the reason.
#   tests/machines.sh BUILD_FOLDER [full|reduced]
# full: all tests at every lower instruction set, those that rest on arithmetic with every kernel. reduced (a few minutes, for CI): the tests below, with
# settings that cover each instruction set and three kernels. Ends with one line: "N passed, N failed[, N skipped]".
set -u
build=$1; form=${2:-full}
cd "$(dirname "$0")/.." || exit 2
flags=" $(sed -n 's/^flags[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -1) "
# Pages, lists and text: nothing is computed there that a kernel could round.
same='unit/(report|view|validate|trace_writer|check_rule|graph|core)_test|cli/(report|browser|lint|watch|documents|make|install|help)_test'
few='unit/(conv|attention|product|reduce|looks|processor|pool_skip|pointwise|norm|pooling|update|net|layers|probe|plant|planted_truth|spectrum|hessian|lanczos)_test|grad/layers_test|golden/|cli/(statistics|methods|mechanism|identities|train|check|verdict|ranks)_test'
passed=0; failed=0; skipped=0
log=$(mktemp); trap 'rm -f "$log"' EXIT

lacks() { # flags...: those that the processor has not
    for flag in "$@"; do case "$flags" in *" $flag "*) ;; *) printf ' %s' "$flag" ;; esac; done
}

kernel_needs() {
    case "$1" in
        Prescott) echo pni ;;
        Haswell|Zen) echo avx2 fma ;;
        SkylakeX) echo avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl ;;
        Cooperlake) echo avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16 ;;
    esac
}

skip() { skipped=$((skipped + 1)); echo "skip $1: $2"; }

# NAME=VALUE...: says why this machine cannot run them, nothing where it can.
impossible() {
    for pair in "$@"; do
        value=${pair#*=}
        case "$pair" in
            PS_SIMD=*) env "$pair" "$build/poolscope" --version >/dev/null 2>&1 || echo "this processor has no $value" ;;
            OPENBLAS_CORETYPE=*)
                missing=$(lacks $(kernel_needs "$value"))
                [ -z "$missing" ] || { echo "this processor lacks$missing"; return; }
                taken=$(env "$pair" "$build/poolscope" --version)
                # OpenBLAS knows its kernels by names of its own in capitals or not; another name means that it has none of this one.
                echo "$taken" | grep -qi "[ (]$value)" || echo "this BLAS has no such kernel, and takes another: $taken" ;;
        esac
    done
}

run_under() { # what to leave out and to choose as for run.sh, then NAME=VALUE...
    leave=$1; choose=$2; shift 2
    why=$(impossible "$@")
    if [ -n "$why" ]; then skip "$*" "$why"; return; fi
    env "$@" PS_NO_TESTS="$leave" PS_TESTS="$choose" tests/run.sh "$build" >"$log" 2>&1
    last=$(tail -1 "$log")
    case "$last" in
        *" passed, "*" failed"*)
            passed=$((passed + ${last%% passed*})); bad=${last#*passed, }; bad=${bad%% failed*}; failed=$((failed + bad))
            case "$last" in *skipped) more=${last##*failed, }; skipped=$((skipped + ${more%% skipped*})) ;; esac ;;
        *) bad=1; failed=$((failed + 1)) ;;
    esac
    if [ "$bad" = 0 ]; then echo "ok   $*: $last"; else echo "FAIL $*: $last"; sed -n '/^FAIL/,/^ok   /p' "$log" | grep -v '^ok   ' | sed 's/^/    /'; fi
}

case "$form" in
    full)
        for level in avx2 base; do run_under '' '' PS_SIMD=$level; done
        run_under '' '' PS_SIMD_MOST=base OPENBLAS_CORETYPE=Prescott
        run_under "$same" '' PS_SIMD_MOST=avx512-small
        for kernel in Haswell Zen SkylakeX Cooperlake Prescott; do run_under "$same" '' OPENBLAS_CORETYPE=$kernel; done ;;
    reduced)
        run_under '' "$few" PS_SIMD=avx2 OPENBLAS_CORETYPE=Haswell
        run_under '' "$few" PS_SIMD_MOST=base OPENBLAS_CORETYPE=Prescott
        run_under '' "$few" PS_SIMD_MOST=avx512-small OPENBLAS_CORETYPE=SkylakeX ;;
    *) echo "tests/machines.sh: the form is full or reduced, not $form" >&2; exit 2 ;;
esac
if [ "$skipped" = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
