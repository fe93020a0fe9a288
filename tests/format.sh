#!/bin/sh
# clang-format, of the one version whose layout the sources have: others lay some lines out otherwise.
#   tests/format.sh find      prints the program
#   tests/format.sh check     names the sources that are not formatted; exit 1 when there are any
#   tests/format.sh write     formats the sources in place
# Without the program each of them says so and ends with 2.
set -u
cd "$(dirname "$0")/.." || exit 2
version=19.1.7

find_program() {
    for program in .venv/bin/clang-format clang-format-19 clang-format; do
        case "$("$program" --version 2>/dev/null)" in *"version $version"*) echo "$program"; return ;; esac
    done
    return 1
}

sources() { find src analysis reports tests \( -name '*.c' -o -name '*.h' \) -print | sort; }

if ! program=$(find_program); then
    echo "clang-format $version is not here (make venv installs it; Debian 13's package has this version)"
    exit 2
fi
case "${1:-check}" in
    find) echo "$program" ;;
    write) sources | xargs "$program" -i ;;
    check)
        wrong=$(sources | xargs "$program" --dry-run 2>&1 | sed -n 's/^\([^:]*\):\([0-9]*\):.*clang-format-violations.*/\1:\2: is not formatted as .clang-format says; run make format/p' | sort -t: -u -k1,1)
        [ -z "$wrong" ] && exit 0
        echo "$wrong"
        exit 1 ;;
esac
