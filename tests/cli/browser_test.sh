#!/bin/sh
# The page in a real browser (chromium without a window): no console error, nothing fetched, the table of nodes sorts and filters, the button
# turns the page dark. A script is put into a copy of the page, for the page itself carries no test. PS_REQUIRE_BROWSER=1: a missing browser fails.
cd "$(dirname "$0")/../.." || exit 2
tool=${PS_BUILD:-build/release}/tests/unit/report_test
browser=""
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then browser=$name; break; fi
done
echo "1..10"
if [ -z "$browser" ] || [ ! -x "$tool" ]; then
    reason="no chromium found"; [ -n "$browser" ] && reason="tests/unit/report_test is not built"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        if [ "${PS_REQUIRE_BROWSER:-0}" = 1 ]; then echo "not ok $i - $reason"; else echo "ok $i # SKIP $reason"; fi
    done
    exit 0
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
number=0
report() { number=$((number + 1)); if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi; }

sandbox=""; [ "$(id -u)" = 0 ] && sandbox=--no-sandbox
browse() { # further options..., address
    timeout 120 "$browser" --headless --disable-gpu $sandbox --user-data-dir="$work/profile" --virtual-time-budget=3000 --enable-logging=stderr "$@" 2>"$work/log"
}

cat >"$work/head.html" <<'END'
<script>
window.faults = [];
window.addEventListener('error', function (event) { faults.push('error: ' + event.message); }, true);
['error', 'warn'].forEach(function (kind) { var old = console[kind]; console[kind] = function () { faults.push(kind + ': ' + [].join.call(arguments, ' ')); old.apply(console, arguments); }; });
document.addEventListener('securitypolicyviolation', function (event) { faults.push('policy: ' + event.blockedURI); });
</script>
END
cat >"$work/foot.html" <<'END'
<script>
(function () {
    var results = {}, table = document.getElementById('nodes'), heads = table.tHead.rows[0].cells;
    function column(index) { return [].filter.call(table.tBodies[0].rows, function (row) { return !row.hidden; }).map(function (row) { var c = row.cells[index]; return c.getAttribute('data-key') || c.textContent; }); }
    function click(index) { heads[index].querySelector('button').click(); }
    function ordered(list, sign) { return list.every(function (x, i) { return i === 0 || isNaN(x) || sign * (parseFloat(x) - parseFloat(list[i - 1])) >= 0; }); }
    function first(name) { return [].findIndex.call(heads, function (head) { return head.textContent.indexOf(name) === 0; }); }
    var dead = first('Dead, %'), node = first('Node'), all = column(dead).length;
    click(dead); var up = column(dead); click(dead); var down = column(dead);
    results.sort = all > 20 && ordered(up, 1) && ordered(down, -1) && up.join() !== down.join() && heads[dead].getAttribute('aria-sort') === 'descending';
    click(node); results.text = column(node).every(function (x, i, list) { return i === 0 || list[i - 1] <= x; }) && !heads[dead].hasAttribute('aria-sort');
    var state = document.querySelector('select[data-column="3"]');
    state.value = 'dead'; state.dispatchEvent(new Event('change'));
    var some = column(3).length;
    results.filter = some > 0 && some < all && column(3).every(function (x) { return x === 'dead'; });
    var find = document.getElementById('node-text');
    find.value = 'no such node'; find.dispatchEvent(new Event('input'));
    results.find = column(3).length === 0 && document.getElementById('node-count').textContent === '0 of ' + all + ' rows shown';
    var paper = getComputedStyle(document.body).backgroundColor;
    document.getElementById('theme').click();
    results.dark = getComputedStyle(document.body).backgroundColor !== paper;
    results.closed = performance.getEntriesByType('resource').length === 0;
    results.quiet = faults.length === 0;
    document.title = 'RESULT ' + Object.keys(results).map(function (key) { return key + '=' + results[key]; }).join(' ') + ' ' + faults.join(' | ');
})();
</script>
END
probe_page() { # folder: a copy of its page with the two scripts, run; prints the title it ends with
    awk -v head="$work/head.html" -v foot="$work/foot.html" '
        /<style>/ && !done { while ((getline line < head) > 0) print line; done = 1 }
        /<\/body>/ { while ((getline line < foot) > 0) print line }
        { print }' "$1/report.html" >"$1/probe.html"
    browse --dump-dom "file://$1/probe.html" | grep -o 'RESULT [^<]*' | head -1
}

"$tool" make "$work/plain" 3 3 6 10 12 0 && "$tool" write "$work/plain" html || exit 2
"$tool" make "$work/hostile" 6 2 4 6 5 1 && "$tool" write "$work/hostile" html || exit 2
result=$(probe_page "$work/plain"); echo "# $result"
for word in sort text filter find dark; do
    case "$result" in *"$word=true"*) report 0 "$word works" ;; *) report 1 "$word works" ;; esac
done
case "$result" in *"closed=true quiet=true"*) report 0 "nothing is fetched and the console is silent" ;; *) report 1 "nothing is fetched and the console is silent" ;; esac
result=$(probe_page "$work/hostile"); echo "# $result"
case "$result" in *"closed=true quiet=true"*) report 0 "hostile names do nothing" ;; *) report 1 "hostile names do nothing" ;; esac
sed -i 's|<main id="main">|<main id="main"><img src="planted.png" alt="">|' "$work/hostile/report.html"
case "$(probe_page "$work/hostile")" in *"quiet=true"*) report 1 "a planted picture from outside is refused and seen" ;; *) report 0 "a planted picture from outside is refused and seen" ;; esac
browse --window-size=1000,1400 --screenshot="$work/page.png" "file://$work/plain/report.html" >/dev/null
[ -s "$work/page.png" ]; report $? "a screenshot can be taken"
# What is folded on the screen is open on paper; the wide tables of configuration and runs are left out there.
browse --no-pdf-header-footer --print-to-pdf="$work/page.pdf" "file://$work/plain/report.html" >/dev/null
if command -v pdftotext >/dev/null 2>&1; then
    pdftotext -layout "$work/page.pdf" "$work/page.txt"
    grep -q 'A gate shut on a batch' "$work/page.txt" && ! grep -q 'definitions used\|config.pool_skip' "$work/page.txt"; report $? "a print opens what is folded and leaves out wide tables"
elif [ "${PS_REQUIRE_BROWSER:-0}" = 1 ]; then report 1 "no pdftotext found"; else report 0 "a print # SKIP no pdftotext found"; fi
