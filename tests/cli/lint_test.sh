#!/bin/sh
# The house rules hold (tests/lint.sh), and the checker itself catches what is planted: a wrong arrow, a badly formatted line, over-long lines, and what
# cppcheck would call an error. cppcheck reads all sources in `make lint` alone, for it takes its time.
cd "$(dirname "$0")/../.." || exit 2
number=0
report() { number=$((number + 1)); if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi; }
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }

echo "1..20"
tests/lint.sh includes lines unused >"${out:=$(mktemp)}"; code=$?
[ $code = 0 ] || sed 's/^/# /' "$out"
report $code "includes follow the table of rooms, no line is too long, and no function is unused"
formatter=$(tests/format.sh find) && here=0 || here=1
if [ $here = 0 ]; then tests/lint.sh format >"$out" || sed 's/^/# /' "$out"; grep -q '^1 passed, 0 failed$' "$out"; report $? "the sources are formatted"
else skip "the sources are formatted" "$formatter"; fi

copy=$(mktemp -d); trap 'rm -rf "$copy" "$out"' EXIT
cp -r src analysis reports tests .clang-format "$copy"/
[ -d .venv ] && ln -s "$PWD/.venv" "$copy/.venv"
lint() { "$copy/tests/lint.sh" "$@" >"$out" 2>&1; [ $? = 1 ]; }
caught() { lint "$1" && grep -q "$2" "$out"; code=$?; [ $code = 0 ] || sed 's/^/# /' "$out"; report $code "$3"; }

printf '#include "probe/probe.h"\n' >"$copy/src/net/wrong.c"
caught includes 'src/net/wrong.c includes "probe/probe.h"' "a wrong arrow is caught"
printf '#include <cblas.h>\n' >"$copy/src/net/wrong.c"
caught includes 'src/net/wrong.c includes <cblas.h>' "so is a header that another file alone may include"
printf 'void f(void);\nvoid f(void) { exit(3); }\n' >"$copy/src/net/wrong.c"
caught includes 'src/net/wrong.c:2' "and an exit"
printf '#include "graph/graph.h"\n#include <string.h>\nint f(const ps_node *n);\nint f(const ps_node *n) { return strcmp(n->type->name, "relu"); }\n' >"$copy/src/net/wrong.c"
caught includes 'src/net/wrong.c:4.*known by its role' "and a layer type that is asked for its name"
rm "$copy/src/net/wrong.c"

wrong=$copy/src/net/wrong
printf '/* Text "/*" in "tables/*". */\nint ps_wrong_dead(int one,\n                  int two);\n' >"$wrong.h"
printf 'const char *glob = "*/*";\nint ps_wrong_dead(int one, int two) { return one + two; } /* ps_wrong_dead() in words */\n' >"$wrong.c"
caught unused 'src/net/wrong.h:2: nothing uses ps_wrong_dead' "a function that nothing uses is caught"
printf 'static inline int ps_wrong_inline(int one) {\n    return one;\n}\n' >"$wrong.h"
caught unused 'src/net/wrong.h:1: nothing uses ps_wrong_inline' "also one that stands in its header"
printf '/* A sum. For tests. */\nint ps_wrong_dead(int one, int two);\n' >"$wrong.h"
"$copy/tests/lint.sh" unused >"$out"; report $? "not one that is said to be for tests"
printf '/* For tests. */\nint ps_wrong_spared(void);\n\nint ps_wrong_dead(int one, int two);\n' >"$wrong.h"
caught unused 'src/net/wrong.h:4: nothing uses ps_wrong_dead' "what is said of one function is not said of the next"
printf 'int ps_wrong_dead(int one, int two);\n' >"$wrong.h"
printf 'int caller(void) { return ps_wrong_dead(1, 2); }\n' >>"$wrong.c"
"$copy/tests/lint.sh" unused >"$out"; report $? "and not one that is called"
rm "$wrong.h" "$wrong.c"

long=$(printf "%0121d" 0)
for file in src/net/wrong.c src/net/wrong.def README.md; do
    printf '/* short */\n%s\n' "$long" >"$copy/$file"
    caught lines "$file:2: is longer than 120 columns" "a line of 121 columns is caught in $file"
    rm "$copy/$file"
done
printf '| %s |\n\n```\n%s\n```\n\n    %s\n\n[%s](x)\n\n%sä\n' "$long" "$long" "$long" "$long" "$(printf '%0119d' 0)" >"$copy/README.md"
"$copy/tests/lint.sh" lines >"$out"; report $? "tables, code and links may be longer, and letters count, not bytes"

printf '| a | b |\n|---|---|\n| 1 | 2 |\n' >"$copy/README.md"
"$copy/tests/lint.sh" lines >"$out"; report $? "a table is no fault"
printf '| a | b | |---|---| | 1 | 2 |\n' >"$copy/README.md"
caught lines 'README.md:1: has rows of a table in one line' "rows of a table that were wrapped into prose are caught"
rm "$copy/README.md"

printf 'int f( void )\n{\n  return 1; }\n' >"$copy/src/net/wrong.c"
if [ $here = 0 ]; then caught format 'src/net/wrong.c:1: is not formatted' "a badly formatted line is caught"; else skip "a badly formatted line is caught" "$formatter"; fi
printf '#!/bin/sh\necho "clang-format version 3.0.0"\n' >"$copy/old"; chmod +x "$copy/old"; mkdir "$copy/bin"
ln -s "$copy/old" "$copy/bin/clang-format"; ln -s "$copy/old" "$copy/bin/clang-format-19"; rm -f "$copy/.venv"
# Where every check is asked for (CI), a missing one fails: here the word for a user is looked at.
PS_REQUIRE_ALL= PATH="$copy/bin:$PATH" "$copy/tests/lint.sh" format >"$out"; code=$?
grep -q '^skip format: clang-format .* is not here' "$out" && [ $code = 0 ]; report $? "another version of clang-format is said and fails nothing"

if command -v cppcheck >/dev/null 2>&1; then
    rm -rf "$copy/src" "$copy/analysis" "$copy/reports" "$copy/tests/lib" "$copy/tests/ref"
    mkdir -p "$copy/src" "$copy/analysis" "$copy/reports" "$copy/tests/lib" "$copy/tests/ref"
    printf 'int f(int i) {\n    int a[2] = {0, 1};\n    return i > 1 ? a[2] : a[0];\n}\n' >"$copy/src/wrong.c"
    caught cppcheck 'src/wrong.c:3: error: ' "an error that cppcheck sees is caught"
else skip "an error that cppcheck sees is caught" "cppcheck is not installed"; fi
