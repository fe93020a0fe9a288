#!/bin/sh
# make install, make uninstall. What was installed stands in PREFIX/share/poolscope/installed, one line each, so that
# uninstall removes that and nothing else: "f FILE", and "d FOLDER" where the folder was made here.
#   PREFIX=/usr/local DESTDIR= .ci/install.sh install PROGRAM
#   PREFIX=/usr/local DESTDIR= .ci/install.sh uninstall
# DESTDIR (for makers of packages) goes before every path and stands in no file.
set -eu
prefix=${PREFIX:-/usr/local}
case "$prefix" in /*) ;; *) echo "make install: PREFIX must be a path from / on, not \"$prefix\"" >&2; exit 2 ;; esac
root=${DESTDIR:-}$prefix
list=share/poolscope/installed
umask 022

folder() { # path below the prefix: makes it and those above it, and notes the new ones
    [ -d "$root/$1" ] && return
    case "$1" in */*) folder "${1%/*}" ;; esac
    mkdir -p "$root/$1"
    echo "d $1" >>"$notes"
}

file() { # source, path below the prefix, mode
    case "$2" in */*) folder "${2%/*}" ;; esac
    install -m "${3:-644}" "$1" "$root/$2"
    echo "f $2" >>"$notes"
}

made() { # path below the prefix, of what stands on the input
    cat >"$work/made"
    [ -s "$work/made" ] || { echo "make install: nothing came out for $1" >&2; exit 2; }
    file "$work/made" "$1"
}

tree() { # files with their names in the source tree, for the documents refer to each other by them
    for source in "$@"; do
        mode=644
        [ -x "$source" ] && mode=755
        file "$source" "share/doc/poolscope/$source" $mode
    done
}

# As the program itself says it, from where it lies now; DESTDIR is taken out again.
say() {
    here=$(cd "$root" && pwd -P)
    (cd / && unset PS_SHARE && "$here/bin/poolscope" help "$@") |
        sed "s|$(roff "$here")|$(roff "$prefix")|g; s|$here|$prefix|g"
}
roff() { printf %s "$1" | sed 's/-/\\\\-/g'; }

remove() {
    [ -f "$root/$list" ] || return 0
    while read -r kind path; do
        if [ "$kind" = f ]; then rm -f "$root/$path"; fi
    done <"$root/$list"
    # Folders from the inside out; one that holds something else stays.
    sed -n 's/^d //p' "$root/$list" | sort -r >"$work/folders"
    rm -f "$root/$list"
    while read -r path; do rmdir "$root/$path" 2>/dev/null || true; done <"$work/folders"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
notes=$work/notes
cd "$(dirname "$0")/.."
case "${1:-}" in
    uninstall)
        [ -f "$root/$list" ] || { echo "make uninstall: nothing of poolscope is installed under $root" >&2; exit 2; }
        remove
        exit 0 ;;
    install) ;;
    *) echo "usage: $0 install PROGRAM | uninstall" >&2; exit 2 ;;
esac
program=$2
remove # what an earlier version installed
: >"$notes"
[ -d "$root" ] || mkdir -p "$root"
file "$program" bin/poolscope 755
for source in reports/plot_list.tsv reports/page.css reports/page.js; do file "$source" "share/poolscope/${source#reports/}"; done
for source in reports/plots/*.gp; do file "$source" "share/poolscope/${source#reports/}"; done
for source in analysis/*.schema.json analysis/*/*.schema.json reports/*.schema.json; do
    file "$source" "share/poolscope/schemas/${source##*/}"
done
file src/python/poolscope.py share/poolscope/python/poolscope.py
file src/trace/schema.json share/poolscope/schemas/trace.schema.json
tree README.md LICENSE analysis/*.md analysis/*/*.md reports/*.md src/*.md src/*/*.md tests/README.md tests/bench/RESULTS.md
tree src/trace/schema.json analysis/*.schema.json analysis/*/*.schema.json reports/*.schema.json
for source in examples/*/* examples/*/*/*; do
    case "$source" in */picture.sh) ;; *.md|*.json|*.sh|*.txt|*.yml|*.png|*.py|*/pre-commit) tree "$source" ;; esac
done
say --man | made share/man/man1/poolscope.1
for command in $(say --completion bash | sed -n "s/^    local commands='\(.*\)'\$/\1/p"); do
    say "$command" --man | made "share/man/man1/poolscope-$command.1"
done
say --completion bash | made share/bash-completion/completions/poolscope
say --completion zsh | made share/zsh/site-functions/_poolscope
say --completion fish | made share/fish/vendor_completions.d/poolscope.fish
folder "${list%/*}"
cp "$notes" "$root/$list"
chmod 644 "$root/$list"
