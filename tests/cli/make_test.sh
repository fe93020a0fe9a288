#!/bin/sh
# The targets that `make help` lists do what it says: those that are cheap are run in a copy of the sources with the objects that are there, of the
# others the commands are looked at.
cd "$(dirname "$0")/../.." || exit 2
build=${PS_BUILD:-build/release}; config=${build##*/}
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PS_GOLDEN_UPDATE PS_TESTS PS_NO_TESTS
copy=$(mktemp -d); out=$copy/out; trap 'rm -rf "$copy"' EXIT
number=0
report() { number=$((number + 1)); if [ "$1" = 0 ]; then echo "ok $number - $2"; else sed 's/^/# /' "$out" | tail -20; echo "not ok $number - $2"; fi; }
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
target() { make -C "$copy/tree" CONFIG="$config" --no-print-directory "$@" >"$out" 2>&1; }

mkdir -p "$copy/tree/build"
cp -a .ci .clang-format LICENSE Makefile README.md analysis examples reports src tests "$copy/tree/"
cp -a "$build" "$copy/tree/build/"
[ -d .venv ] && ln -s "$PWD/.venv" "$copy/tree/.venv"

make help >"$out" 2>&1; code=$?
targets=$(sed -n 's/^  make \([a-z-]*\) .*/\1/p' "$out")
[ $code = 0 ] && [ "$(echo "$targets" | wc -w)" = "$(grep -cE '^[a-z-]+:.*## ' Makefile)" ]; report $? "help lists every target that has a sentence"
for name in all demo check check-machines check-full bench calibrate asan ubsan tsan valgrind fuzz coverage golden-update install format lint clean; do
    echo "$targets" | grep -qx -- "$name" || { echo "# $name"; false; } || break
done; report $? "and the house plan's are among them"
missing=""
for name in $targets; do
    target -n "$name" || missing="$missing $name"
    for script in $(grep -oE '(tests|examples|\.ci)/[a-z/]*\.sh' "$out" | sort -u); do [ -x "$script" ] || missing="$missing $name:$script"; done
done
[ -z "$missing" ] || echo "# $missing"
[ -z "$missing" ]; report $? "make knows what each of them takes, and the scripts they run are there"

target all tests && ! grep -qE '^  (CC|LD) ' "$out"; report $? "all and tests: what is built is not built again"
rm "$copy/tree/$build/poolscope"
target all && [ -x "$copy/tree/$build/poolscope" ]; report $? "all builds the program"

target lint; code=$?
[ $code = 0 ] && [ "$(grep -cE '^(ok|skip) .*(includes|lines|format|cppcheck)' "$out")" = 4 ]; report $? "lint checks includes, lines, formatting and cppcheck, and all hold"
if tests/format.sh find >/dev/null; then
    before=$(cd "$copy/tree" && find src analysis reports tests -name '*.[ch]' -exec cksum {} + | sort)
    target format; after=$(cd "$copy/tree" && find src analysis reports tests -name '*.[ch]' -exec cksum {} + | sort)
    [ "$before" = "$after" ]; report $? "format leaves formatted sources as they are"
    printf 'int  f( void ) ;\n' >>"$copy/tree/src/core/text.h"
    target format && grep -qx 'int f(void);' "$copy/tree/src/core/text.h"; report $? "and formats what is not"
    cp -p src/core/text.h "$copy/tree/src/core/"
else
    target format; [ $? != 0 ] && grep -q 'clang-format .* is not here' "$out"; report $? "format says which program it wants"
    skip "and formats what is not" "no clang-format of the pinned version"
fi

target install DESTDIR="$copy/root" PREFIX=/usr && "$copy/root/usr/bin/poolscope" --version >"$out"; report $? "install puts a program under DESTDIR that runs"
if grep -q '^uninstall:' Makefile; then
    target uninstall DESTDIR="$copy/root" PREFIX=/usr && [ -z "$(find "$copy/root" ! -type d)" ]; report $? "uninstall leaves no file of it"
else skip "uninstall leaves no file of it" "there is no such target"; fi

if [ -n "$(tests/python.sh)" ]; then
    echo "stale" >"$copy/tree/tests/golden/compare.txt"
    target golden-update && cmp -s tests/golden/compare.txt "$copy/tree/tests/golden/compare.txt"; report $? "golden-update writes the golden files anew"
else skip "golden-update writes the golden files anew" "no python3"; fi
PS_CALIBRATE_SCALE=0.02 target calibrate; grep -q '^| inert: small gradient |' "$copy/tree/analysis/CALIBRATION.md" && grep -q 'PS_CALIBRATE_SCALE=0.02' "$copy/tree/analysis/CALIBRATION.md"
report $? "calibrate, on a fiftieth of the runs, rewrites its document"
target clean && [ ! -e "$copy/tree/build" ]; report $? "clean removes what was built"
echo "1..$number"
