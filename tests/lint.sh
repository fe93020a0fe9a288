#!/bin/sh
# The house rules a script can check, and the closing line "N passed, N failed[, N skipped]"; exit 1 when one does not hold.
#   tests/lint.sh [PART...]
# Parts: includes (which folder may include which, who exits), lines (120 columns at most), unused (functions
# that nothing calls), format (.clang-format), cppcheck. All of them unless named.
# README.md ("How it is built") says in words what lives in each folder; change both together.
set -u
cd "$(dirname "$0")/.." || exit 2
passed=0; failed=0; skipped=0

# room: folders it may include (its own is always allowed)
allowed() {
    case "$1" in
        src/core) echo "" ;;
        src/parallel) echo "core" ;;
        src/kernels) echo "core parallel" ;;
        src/data) echo "core parallel" ;;
        src/layers) echo "core parallel kernels" ;;
        src/graph) echo "core layers" ;;
        src/models) echo "core layers graph" ;;
        src/net) echo "core parallel kernels layers graph" ;;
        src/trace) echo "core" ;;
        src/task) echo "core parallel kernels data graph net trace" ;;
        src/probe) echo "core parallel kernels layers graph net trace" ;;
        src/watch) echo "core trace" ;;
        src/run) echo "core parallel kernels data layers graph models net trace task probe" ;;
        src/measure) echo "core parallel kernels data layers graph models net trace task probe run analysis" ;;
        src/cli) echo "core parallel kernels data layers graph models net trace task probe watch run measure analysis reports" ;;
        analysis) echo "core parallel analysis trace" ;;
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

check_includes() {
    for room in core parallel kernels data layers graph models net trace task probe watch run measure cli; do check_room "src/$room" "$room"; done
    check_room analysis analysis
    check_room reports reports

    only_user() { # header, the only file that may include it
        grep -rlE "#include <($1)>" src analysis reports --include='*.c' --include='*.h' | grep -vE "^($2)$" |
            sed "s|\$| includes <$1>: only $2 may|"
    }
    only_user 'cblas.h' 'src/kernels/gemm.c'
    only_user 'png.h' 'src/data/png.c'
    for header in jpeglib.h jerror.h; do only_user $header 'src/data/jpeg.c'; done
    for header in ncurses.h term.h; do only_user $header 'src/watch/screen.c'; done
    for file in $(grep -rl '#include <lapacke.h>' src analysis reports); do
        case "$file" in analysis/*) ;; *) echo "$file includes <lapacke.h>: only analysis may" ;; esac
    done

    # Only main() exits; assertions are no way to answer user data.
    grep -rnE '(^|[^_a-z])(exit|abort) *\(' src analysis reports --include='*.c' | grep -v 'src/cli/main.c'
    grep -rn '#include <assert.h>' src analysis reports
    # What a layer type is, its role says (src/layers/layer.h): a new type would be unknown to whoever asks for names.
    grep -rnE 'str(n)?cmp\([^;]*(type|producer)->name' src analysis reports | sed 's/$/ (a type is known by its role)/'

    # Keys of the trace are named from their list (src/trace/key_list.def), where they are written and where they are read.
    {
        grep -rnE 'ps_trace_(add|begin)_[a-z]+ *\([^,;]*, *"' src analysis
        grep -rnE '[a-z]\((header|run->header|found|golden)->document, *"' src analysis
        grep -nE '[a-z]\((record|item|header|layer|event|said|object), *"' src/trace/*.c src/watch/model.c analysis/trace_reader.c
    } | sed 's/$/ (keys of the trace are PS_KEY)/'

    # Their NULL may mean that there is no memory; ps_json_try, ps_json_copy and ps_json_text say so.
    grep -rnE 'cJSON_(Parse[A-Za-z]*|Duplicate|Print[A-Za-z]*) *\(' src analysis reports --include='*.c' | grep -v '^src/core/json.c' |
        sed 's/$/ (through core\/json.h)/'
}

# Characters, not bytes: grep counts them where the locale is one of UTF-8. Tables, code and links of Markdown cannot be broken.
too_long() { LC_ALL=C.UTF-8 grep -nE '^.{121,}' "$1" | sed "s|^\([0-9]*\):.*|$1:\1: is longer than 120 columns|"; }
prose() { awk '/^ *```/ { code = !code } code || /^ *\|/ || /^    / || /\]\([^)]*\)/ || /https?:/ { print ""; next } { print }' "$1"; }
check_lines() {
    for file in $(find src analysis reports tests \( -name '*.c' -o -name '*.h' -o -name '*.def' \) -print | sort); do too_long "$file"; done
    for file in $(find . \( -name build -o -name .git -o -name .venv -o -name runs \) -prune -o -name '*.md' -print | sed 's|^\./||' | sort); do
        # Rows of a table that were wrapped into one line are no table.
        grep -nE '^ *\|.*\| +\|:?---|^[^|`]+\| *\|?:?---' "$file" | sed "s|^\([0-9]*\):.*|$file:\1: has rows of a table in one line|"
        prose "$file" | LC_ALL=C.UTF-8 grep -nE '^.{121,}' | sed "s|^\([0-9]*\):.*|$file:\1: is longer than 120 columns|"
    done
}

check_unused() {
    find src analysis reports \( -name '*.c' -o -name '*.h' -o -name '*.def' \) -print | sort | xargs awk -f tests/unused.awk | sort
}

# What each does not say rightly of C11 stands, with the reason, in tests/cppcheck.txt.
check_cppcheck() {
    cppcheck --quiet -j "$(nproc 2>/dev/null || echo 1)" --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=tests/cppcheck.txt --library=tests/cppcheck.cfg -Isrc -I. -DPS_ISA=base -DPS_ISA_base=1 \
        --template='{file}:{line}: {severity}: {message} [{id}]' src analysis reports tests/lib tests/ref 2>&1
}

run_part() { # name, what is checked, command...: what the command prints are faults
    name=$1; what=$2; shift 2
    "$@" >"$report"
    if [ -s "$report" ]; then
        failed=$((failed + 1)); echo "FAIL $name: $what"; sed 's/^/    /' "$report"
    else
        passed=$((passed + 1)); echo "ok   $name: $what"
    fi
}
# Where everything is said to be installed (CI), what wants a program has failed.
skip_part() {
    if [ -n "${PS_REQUIRE_ALL:-}" ]; then failed=$((failed + 1)); echo "FAIL $1: $2"
    else skipped=$((skipped + 1)); echo "skip $1: $2"; fi
}

for part in ${*:-includes lines unused format cppcheck}; do
    case "$part" in
        includes) run_part includes "every folder includes what it may, and only main exits" check_includes ;;
        lines) run_part lines "no line of C, headers, lists and prose is longer than 120 columns" check_lines ;;
        unused) run_part unused "every function that a header declares is used" check_unused ;;
        format)
            if why=$(tests/format.sh find); then run_part format "the sources are as .clang-format lays them out ($("$why" --version))" tests/format.sh check
            else skip_part format "$why"; fi ;;
        cppcheck)
            if command -v cppcheck >/dev/null 2>&1; then run_part cppcheck "$(cppcheck --version) finds nothing" check_cppcheck
            else skip_part cppcheck "cppcheck is not installed"; fi ;;
        *) echo "tests/lint.sh: there is no part $part; parts are includes, lines, unused, format, cppcheck" >&2; exit 2 ;;
    esac
done
if [ "$skipped" = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ "$failed" = 0 ]
