"""R says today what is stored of it (tests/ref/statistics.tsv), which tests/unit/r_reference_test.c compares with poolscope's statistics."""
import math
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import tap
from tap import report, skip


def rows(text):
    return [[name, [float(x) for x in inputs.split()], [float(x) for x in results.split()]]
            for name, inputs, results in (line.split("\t") for line in text.splitlines())]


def near(a, b, tolerance):
    return len(a) == len(b) and all(x == y or (math.isnan(x) and math.isnan(y)) or abs(x - y) <= tolerance * (1 + abs(y)) for x, y in zip(a, b))


name = "R gives what is stored of it"
if shutil.which("Rscript") is None:
    skip(name, "no Rscript (r-base-core)")
else:
    ran = subprocess.run(["Rscript", "--vanilla", os.path.join(tap.ROOT, "tests/ref/statistics.R")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, timeout=600, env={**os.environ, "LC_ALL": "C"})
    report(ran.returncode == 0, "the R code runs", ran.stderr)
    with open(os.path.join(tap.ROOT, "tests/ref/statistics.tsv"), encoding="ascii") as stream:
        stored = rows(stream.read())
    now = rows(ran.stdout) if ran.returncode == 0 else []
    wrong = [f"line {i + 1}: {a} is stored as {b}" for i, (a, b) in enumerate(zip(now, stored))
             if a[0] != b[0] or not near(a[1], b[1], 1e-12) or not near(a[2], b[2], 1e-8)]
    report(len(now) == len(stored) > 300 and not wrong, name, "\n".join(wrong) or f"{len(now)} rows, {len(stored)} stored")
tap.done()
