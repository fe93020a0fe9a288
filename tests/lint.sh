#!/bin/sh
# The house rules a script can check: which folder may include which, and nothing else. Prints every wrong arrow; exit 1 when there is one.
# README.md ("How it is built") says in words what lives in each; change both together.
set -u
cd "$(dirname "$0")/.." || exit 2
wrong=0

# room: folders it may include (its own is always allowed)
allowed() {
    case "$1" in
        src/core) echo "" ;;
        src/kernels) echo "core" ;;
        src/data) echo "core" ;;
        src/layers) echo "core kernels" ;;
        src/graph) echo "core layers" ;;
        src/models) echo "core layers graph" ;;
        src/net) echo "core kernels layers graph" ;;
        src/trace) echo "core" ;;
        src/probe) echo "core kernels layers graph net trace" ;;
        src/watch) echo "core" ;;
        src/cli) echo "core kernels data layers graph models net trace probe watch analysis reports" ;;
        analysis) echo "core analysis trace/trace_format.h" ;;
        reports) echo "core reports" ;;
    esac
}

check_room() { # room, prefix of its own includes
    room=$1; own=$2
    for file in $(find "$room" -name '*.c' -o -name '*.h' -o -name '*.def'); do
        sed -n 's/^[[:space:]]*#include "\([^"]*\)".*/\1/p' "$file" | while read -r included; do
            case "$included" in "$own"/*) continue ;; esac
            ok=0
            for may in $(allowed "$room"); do
                case "$included" in "$may"|"$may"/*) ok=1 ;; esac
            done
            [ "$ok" = 1 ] || echo "$file includes \"$included\": $room may not"
        done
    done
}

report=$(mktemp); trap 'rm -f "$report"' EXIT
for room in core kernels data layers graph models net trace probe watch cli; do check_room "src/$room" "$room" >>"$report"; done
check_room analysis analysis >>"$report"
check_room reports reports >>"$report"

only_user() { # header, the only file that may include it
    grep -rlE "#include <($1)>" src analysis reports --include='*.c' --include='*.h' | grep -vE "^($2)$" |
        sed "s|\$| includes <$1>: only $2 may|" >>"$report"
}
only_user 'cblas.h' 'src/kernels/gemm.c'
for header in ncurses.h term.h; do only_user $header 'src/watch/screen.c'; done
for file in $(grep -rl '#include <lapacke.h>' src analysis reports); do
    case "$file" in analysis/*) ;; *) echo "$file includes <lapacke.h>: only analysis may" >>"$report" ;; esac
done

# Only main() exits; assertions are no way to answer user data.
grep -rnE '(^|[^_a-z])(exit|abort) *\(' src analysis reports --include='*.c' | grep -v 'src/cli/main.c' >>"$report"
grep -rn '#include <assert.h>' src analysis reports >>"$report"

if [ -s "$report" ]; then cat "$report"; wrong=1; fi
exit $wrong
