#!/bin/sh
# What a result hangs on, in a few lines: processor, system, compiler and libraries.
cd "$(dirname "$0")/.." || exit 2
field() { sed -n "s/^$1[^:]*: *//p" /proc/cpuinfo 2>/dev/null | head -1; }
r_version() { if command -v Rscript >/dev/null 2>&1; then Rscript --version 2>&1 | head -1; else echo 'no R'; fi; } # 4.1 says it on stderr
package() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "?"; }
flags=" $(field flags) "
shown=""
for flag in pni ssse3 sse4_2 avx f16c fma avx2 avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16 amx_tile; do
    case "$flags" in *" $flag "*) shown="$shown $flag" ;; esac
done
python=$(tests/python.sh)
echo "Processor: $(field 'model name') ($(nproc) of them; family $(field 'cpu family'), model $(field 'model'));$shown"
echo "System: Debian $(cat /etc/debian_version 2>/dev/null || echo '?'), $(uname -srm)"
echo "Compiler: $(cc --version | head -1); $(make --version | head -1)"
echo "Libraries: OpenBLAS $(package libopenblas-dev), LAPACKE $(package liblapacke-dev), cJSON $(package libcjson-dev), zlib $(package zlib1g-dev), zstd $(package libzstd-dev), libpng $(package libpng-dev), libjpeg $(package libjpeg62-turbo-dev), libnifti2 $(package libnifti2-dev)," \
    "ncurses $(package libncurses-dev), cmocka $(package libcmocka-dev), oneDNN $(package libdnnl-dev)"
echo "Programs: $(gnuplot --version 2>/dev/null || echo 'no gnuplot'); $("$python" --version 2>/dev/null || echo 'no Python') ($python);" \
    "PyTorch $("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || echo none); $(r_version); $(cppcheck --version 2>/dev/null || echo 'no cppcheck');" \
    "$("$(tests/format.sh find 2>/dev/null || true)" --version 2>/dev/null || echo 'no clang-format 19.1.7')"
