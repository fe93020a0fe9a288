#!/bin/sh
# Installs what the build, the reports and the tests need on Debian and its relatives; elsewhere says what to install.
# Does nothing (and asks for no rights) when everything is there. PS_SETUP_EXTRA names further packages (CI asks for more).
set -eu
packages="gcc make pkg-config libopenblas-dev liblapacke-dev libcjson-dev zlib1g-dev libncurses-dev libcmocka-dev gnuplot-nox ${PS_SETUP_EXTRA:-}"

if ! command -v dpkg-query >/dev/null 2>&1; then
    missing=""
    for program in cc make gnuplot; do command -v "$program" >/dev/null 2>&1 || missing="$missing $program"; done
    for header in cblas.h lapacke.h cjson/cJSON.h zlib.h ncurses.h cmocka.h; do
        printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\n' "$header" |
            cc -E - >/dev/null 2>&1 || missing="$missing $header"
    done
    [ -z "$missing" ] && exit 0
    echo "This is no Debian-like system, so please install by hand:$missing" >&2
    echo "(a C11 compiler, GNU make, OpenBLAS with cblas.h, LAPACKE, cJSON, zlib, ncurses, cmocka and gnuplot)." >&2
    exit 2
fi

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    case "$status" in "install ok installed") ;; *) missing="$missing $package" ;; esac
done
# Any npm will do: Debian's would throw out that of nodejs.org.
command -v npm >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ npm\>//')
case "$missing" in *gnuplot-nox*)
    # Any gnuplot will do.
    command -v gnuplot >/dev/null 2>&1 && missing=$(echo "$missing" | sed 's/ gnuplot-nox//') ;;
esac
[ -z "$(echo "$missing" | tr -d ' ')" ] && exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1; then as_root=sudo; else
        echo "Missing packages:$missing" >&2
        echo "Run as root: apt-get install$missing" >&2
        exit 2
    fi
fi
echo "Installing missing packages:$missing"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
