#!/bin/sh
# Public headers do not clash: all of them compile in one file, in either order, so that no two give one name two
# meanings; and each compiles by itself, so that it includes what it uses. Headers of vector kernels (*_simd.h,
# simd_vector.h) are for the sources of one instruction set alone, and lists (layers/list.h) are read with a macro set.
cd "$(dirname "$0")/../.." || exit 2
number=0
report() { number=$((number + 1)); if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi; }
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT

headers() { find src analysis reports -name '*.h' | grep -vE '_simd\.h$|/simd_vector\.h$|/list\.h$' | sort "$@"; }
include() { sed 's|^src/||; s|.*|#include "&"|'; }
compile() { ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Isrc -I. -isystem /usr/include/nifti -fsyntax-only "$1" 2>"$folder/said" || { sed 's/^/# /' "$folder/said" | head -20; return 1; }; }

echo "1..4"
headers | include >"$folder/all.c"; compile "$folder/all.c"; report $? "all $(headers | wc -l) headers compile in one file"
headers -r | include >"$folder/back.c"; compile "$folder/back.c"; report $? "in the other order, too"

alone=0
for header in $(headers); do
    echo "$header" | include >"$folder/one.c"
    compile "$folder/one.c" || { echo "# $header does not compile by itself"; alone=1; }
done
report $alone "each compiles by itself"

printf 'typedef struct { int x; } ps_status;\n' >"$folder/clash.h"
{ cat "$folder/all.c"; echo "#include \"$folder/clash.h\""; } >"$folder/planted.c"
compile "$folder/planted.c" >/dev/null; [ $? = 1 ]; report $? "a clash that is planted is found"
