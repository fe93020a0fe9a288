#!/bin/sh
# Fuzzes every reader: each tests/fuzz/NAME_fuzz.c for some seconds (default 60), starting from tests/fuzz/seeds/NAME/.
#   tests/fuzz/run.sh [SECONDS] [NAME...]
# With clang's libFuzzer where it works (coverage guides the search), else with random damage to the seeds, and says so.
# Exit 1 and the path of the input when a reader crashes, leaks or hangs. Extra libraries of the program come from LIBS.
set -u
cd "$(dirname "$0")/../.." || exit 2
seconds=${1:-60}; [ $# -gt 0 ] && shift
names=${*:-$(ls tests/fuzz/*_fuzz.c | sed 's|.*/||; s|_fuzz\.c$||')}
libs=${LIBS:-"$(pkg-config --libs openblas 2>/dev/null || echo -lopenblas) -llapacke -lcjson $(pkg-config --libs libpng libjpeg 2>/dev/null || echo -lpng -ljpeg) -lnifti2 -lz -lzstd -lm -pthread"}
build=build/fuzz
mkdir -p "$build"

probe="$build/probe.c"
echo 'int LLVMFuzzerTestOneInput(const unsigned char *b, unsigned long n) { return b && n > 99999; }' >"$probe"
if command -v clang >/dev/null 2>&1 && clang -fsanitize=fuzzer,address "$probe" -o "$build/probe" 2>/dev/null; then
    compiler=clang
    flags="-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-unknown-pragmas"
    link="-fsanitize=fuzzer,address,undefined"
    driver=""
else
    echo "note: no clang with libFuzzer here (Debian: apt-get install clang); damaging the seeds blindly instead"
    compiler=cc
    flags="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    link=$flags
    driver=tests/fuzz/plain_main.c
fi

make -s CC="$compiler" CONFIG=fuzz CFLAGS="$flags" "$build/libpoolscope.a" >/dev/null || exit 2

failed=0
for name in $names; do
    program="$build/${name}_fuzz"
    seeds="tests/fuzz/seeds/$name"
    # shellcheck disable=SC2086
    "$compiler" -std=c11 -D_DEFAULT_SOURCE -Isrc -D_POSIX_C_SOURCE=200809L -I. -Itests/fuzz $flags $link \
        "tests/fuzz/${name}_fuzz.c" tests/fuzz/fuzz.c $driver "$build/libpoolscope.a" $libs -o "$program" || exit 2
    corpus="$build/corpus/$name"
    mkdir -p "$corpus"
    [ -d "$seeds" ] && cp "$seeds"/* "$corpus"/
    if [ -z "$driver" ]; then
        "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$build/$name-" -verbosity=0 \
            -print_final_stats=1 "$corpus" >"$build/$name.log" 2>&1
    else
        "$program" "$seconds" "$corpus" >"$build/$name.log" 2>&1
    fi
    code=$?
    if [ "$code" = 0 ]; then
        echo "ok   $name: $(sed -n 's/^stat::number_of_executed_units: *\(.*\)/\1 inputs/p; s/^\([0-9]* inputs\) in .*/\1/p' "$build/$name.log" | head -1), nothing found"
    else
        echo "FAIL $name (exit $code): see $build/$name.log"; tail -25 "$build/$name.log"; failed=1
    fi
done
exit "$failed"
