#!/bin/sh
# `poolscope report` from outside: formats, exit codes, well-formed pages, and a page of a thousand layers and 100,000 nodes in bounds.
cd "$(dirname "$0")/../.." || exit 2
build=${PS_BUILD:-build/release}; program=${PS_PROGRAM:-$PWD/$build/poolscope}; tool=$build/tests/unit/report_test
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
number=0
report() { number=$((number + 1)); if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi; }
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
python=$(command -v python3 || true)
check_page() { # page, name
    if [ -z "$python" ]; then skip "$2" "no python3"; return; fi
    "$python" tests/cli/report_check.py "$1" >"$work/faults"; code=$?
    sed 's/^/# /' "$work/faults"; report $code "$2"
}

echo "1..26"
"$tool" make "$work/plain" 3 3 4 6 8 0 || exit 2
"$program" report "$work/plain" --format html,md,json >"$work/out" 2>"$work/err"; report $? "html, md and json are written"
[ "$(wc -l <"$work/out")" = 3 ] && grep -q 'report.html$' "$work/out"; report $? "their paths are printed"
check_page "$work/plain/report.html" "the page is well-formed"
grep -q '%[^|]*| *[+-][0-9.]* pp |' "$work/plain/report.md" && ! grep '|' "$work/plain/report.md" | grep -q '[+][0-9.]* %'; report $? "differences of shares are percentage points"
if [ -n "$python" ]; then "$python" -m json.tool "$work/plain/report.json" >/dev/null; report $? "report.json is JSON"; else skip "report.json is JSON" "no python3"; fi
if command -v gnuplot >/dev/null 2>&1; then
    (cd "$work/plain/plots" && rm dead_time.svg && gnuplot dead_time.gp && [ -s dead_time.svg ]); report $? "a plot's script runs again by hand"
    (cd "$work/plain/plots" && gnuplot -e "format='pdf'" dead_time.gp && head -c 4 dead_time.pdf | grep -q '%PDF'); report $? "and gives PDF"
else skip "a plot's script runs again by hand" "no gnuplot"; skip "and gives PDF" "no gnuplot"; fi
"$program" report "$work/plain" --quiet >"$work/out" 2>&1; [ $? = 0 ] && [ ! -s "$work/out" ]; report $? "quiet prints nothing"

"$tool" make "$work/hostile" 6 2 4 6 5 1 || exit 2
(cd "$work" && "$program" report hostile --format html,md,json >/dev/null) && [ -z "$(find "$work" -name 'pwned*')" ]; report $? "hostile names run nothing"
check_page "$work/hostile/report.html" "and leave the page well-formed"
"$tool" make "$work/one" 1 1 1 1 1 0 && "$program" report "$work/one" --quiet; report $? "one arm, one seed, one layer, one node"
check_page "$work/one/report.html" "and its page is well-formed"
"$program" report "$work/one" --format html,md --quiet; ! grep -q '1 arm' "$work/one/report.md" "$work/one/report.html" && grep -q '>Seed<' "$work/one/report.html"; report $? "a page of one run counts no arms"
"$tool" make "$work/few" 1 2 1 1 1 0 && "$program" report "$work/few" --format html,md --quiet; grep -q '^1 arm, 2 runs;' "$work/few/report.md" && grep -q '1 arm, 2 runs<' "$work/few/report.html"; report $? "one arm is one arm"

"$program" report "$work/plain" --format docx >/dev/null 2>"$work/err"; [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ]; report $? "an unknown format: one sentence, exit 2"
"$program" report "$work" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'poolscope compare' "$work/err"; report $? "a folder without tables: exit 2 and the remedy"

"$program" report "$work/nowhere" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'nowhere: does not exist' "$work/err"; report $? "a folder that does not exist is called that"
"$program" report "" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'empty' "$work/err"; report $? "an empty path is called that"

cp -r "$work/plain" "$work/damaged"
for verdict in '{}' '[]' '{"format":"poolscope-trace"}'; do
    echo "$verdict" >"$work/damaged/verdict.json"
    "$program" report "$work/damaged" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'verdict.json: is no verdict' "$work/err" || { echo "# $verdict"; false; }
    code=$?; [ $code = 0 ] || break
done
report $code "what is no verdict is none"
echo '{"format":"poolscope-verdict","version":1}' >"$work/damaged/verdict.json"
"$program" report "$work/damaged" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'version.* 1, .*poolscope compare' "$work/err"; report $? "a verdict of an earlier version is named, with the remedy"
cp "$work/plain/verdict.json" "$work/damaged/"
sed -i '2,$s/0/x/g' "$work/damaged/tables/loss.tsv"
"$program" report "$work/damaged" >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'loss.tsv:[0-9]*: .* is no number' "$work/err"; report $? "damaged numbers: exit 2, file and line"

echo stale >"$work/plain/report.pdf"
PATH=/nowhere "$program" report "$work/plain" --format pdf --quiet >/dev/null 2>"$work/err"; [ $? = 2 ] && grep -q 'report.pdf was not made.*chromium' "$work/err"; report $? "a PDF without a browser: exit 2 and the remedy"
[ ! -e "$work/plain/report.pdf" ]; report $? "and no PDF of an earlier report stays"
grep -q 'every plot as PDF' "$work/err"; [ $? = 1 ]; report $? "nor is said that there are plots where gnuplot is missing, too"
mkdir "$work/bin"; printf '#!/bin/sh\nfor word; do case $word in --print-to-pdf=*) echo %%PDF >"${word#*=}" ;; esac; done\n' >"$work/bin/chromium"; chmod +x "$work/bin/chromium"
PATH="$work/bin:/bin:/usr/bin" "$program" report "$work/plain" --format pdf 2>/dev/null | grep -q 'report.pdf$'; report $? "the path of a PDF is printed"

"$tool" make "$work/big" 2 1 1000 50 30 0 || exit 2
# Time of the processors, not of the clock: other work on the machine must not fail the test. Sanitized builds are slower and not timed.
limit=10; case "$build" in *asan*|*tsan*|*coverage*|*debug*) limit=300 ;; esac
sh -c '"$1" report "$2" --quiet; code=$?; times; exit $code' time "$program" "$work/big" >"$work/times"; code=$?
seconds=$(awk '{ for (i = 1; i <= 2; i++) { split($i, part, "m"); sum += 60 * part[1] + part[2] } } END { print int(sum + 1) }' "$work/times")
echo "# 1,000 layers, 100,000 nodes: less than $seconds s of processor time, $(wc -c <"$work/big/report.html") bytes"
[ $code = 0 ] && [ "$seconds" -le "$limit" ]; report $? "100,000 nodes take less than 10 s"
[ "$(wc -c <"$work/big/report.html")" -lt 10000000 ]; report $? "and less than 10 MB"
