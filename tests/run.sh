#!/bin/sh
# Runs the tests and ends with one line: "N passed, N failed, N skipped".
#   tests/run.sh BUILD_FOLDER [GROUP...]      groups: unit grad golden cli python (default: all)
# Every test speaks TAP: cmocka programs (built from tests/GROUP/*_test.c) and scripts (tests/GROUP/*_test.sh, *_test.py; the latter under the Python
# that tests/python.sh chooses). A test's output is shown only when something in it failed. PS_TESTS: an extended regular expression, only tests whose
# path it matches are run; PS_NO_TESTS: those are not. With PS_REQUIRE_ALL=1 a test skipped for want of a program counts as failed. PS_TEST_WRAPPER
# runs programs under a tool (valgrind). What else is set in the environment (PS_SIMD, OPENBLAS_CORETYPE) goes through to the tests.
set -u
build=$1; shift
groups=${*:-unit grad golden cli python}
cd "$(dirname "$0")/.." || exit 2
export PS_BUILD="$build" PS_PROGRAM="$PWD/$build/poolscope" CMOCKA_MESSAGE_OUTPUT=TAP
export OPENBLAS_NUM_THREADS=1
python=$(tests/python.sh)
passed=0; failed=0; skipped=0
log=$(mktemp); trap 'rm -f "$log"' EXIT

count() { grep -c "$1" "$log" || true; }

run_one() { # name, command...
    name=$1; shift
    "$@" >"$log" 2>&1; code=$?
    # cmocka 1.1.5 prints a skipped test as "not ok N # SKIP name"; its reason is what the test printed as "# skipped: reason".
    sed -i 's/^not ok \([0-9]*\) # SKIP/ok \1 # SKIP/' "$log"
    ok=$(count '^ok '); bad=$(count '^not ok '); skip=$(count '^ok .*# [Ss][Kk][Ii][Pp]')
    planned=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    ok=$((ok - skip))
    # Where everything is said to be installed (CI), a test that skips for want of a program has failed; not so beside packages that come from
    # PyPI alone (MONAI, nnU-Net, surface-distance, nibabel, SciPy), which may be out of reach.
    if [ -n "${PS_REQUIRE_ALL:-}" ]; then
        wanting=$(grep -ciE '(# SKIP|# skipped).*(python3|torch|numpy|gnuplot|xmllint|jsonschema|npm|chromium|tmux|no tic|no zsh|no fish|no groff|no man|cppcheck|clang-format|no Rscript)' "$log" || true)
        bad=$((bad + wanting)); skip=$((skip > wanting ? skip - wanting : 0))
    fi
    # A crash, a missing plan or a plan cut short is a failure, whatever was printed before it.
    if [ "$bad" = 0 ] && { [ "$code" != 0 ] || [ "$planned" -lt 1 ] || [ $((ok + skip)) -lt "$planned" ]; }; then bad=1; fi
    passed=$((passed + ok)); failed=$((failed + bad)); skipped=$((skipped + skip))
    if [ "$bad" != 0 ]; then
        printf 'FAIL %s (exit %s, %s of %s passed)\n' "$name" "$code" "$ok" "$planned"; sed 's/^/    /' "$log"
    else
        printf 'ok   %-44s %4s passed%s\n' "$name" "$ok" "$([ "$skip" = 0 ] || printf ', %s skipped: %s' "$skip" "$(sed -n 's/^# skipped: *//p; s/^ok .*# *[Ss][Kk][Ii][Pp]:* *//p' "$log" | head -1)")"
    fi
}

wanted() {
    if [ -n "${PS_TESTS:-}" ] && ! echo "$1" | grep -qE "$PS_TESTS"; then return 1; fi
    if [ -n "${PS_NO_TESTS:-}" ] && echo "$1" | grep -qE "$PS_NO_TESTS"; then return 1; fi
}

for group in $groups; do
    for source in tests/"$group"/*_test.c tests/"$group"/*_test.sh tests/"$group"/*_test.py; do
        [ -e "$source" ] && wanted "$source" || continue
        case "$source" in
            *.c) run_one "${source%.c}" ${PS_TEST_WRAPPER:-} "$build/${source%.c}" ;;
            *.sh) run_one "$source" sh "$source" ;;
            *.py) if [ -n "$python" ]; then run_one "$source" "$python" "$source"; else run_one "$source" printf '1..1\nok 1 # SKIP no python3\n'; fi ;;
        esac
    done
done
if [ "$skipped" = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
