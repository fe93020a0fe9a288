#!/bin/sh
# Prints the Python that runs the tests: PS_PYTHON; else the first of .venv's, python3 and Debian's own that has PyTorch and NumPy; else the
# first there is; nothing where there is none.
cd "$(dirname "$0")/.." || exit 2
if [ -n "${PS_PYTHON:-}" ]; then echo "$PS_PYTHON"; exit; fi
first=""
for python in "$PWD/.venv/bin/python" python3 /usr/bin/python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    [ -n "$first" ] || first=$python
    "$python" -c 'import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in ("torch", "numpy")))' 2>/dev/null || continue
    echo "$python"
    exit
done
[ -z "$first" ] || echo "$first"
