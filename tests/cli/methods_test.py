"""How convolutions are computed shows in the last digits alone, whatever the method and the instruction set. Judged on networks without decisions (gates
whose slope is all but 1, a module without maximum): where a gate or a maximum is decided by a rounding error, two right computations part as two seeds do, and nothing
can be said of how far. With decisions the first loss alone is compared: one that turns moves few of its many terms."""
import os
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import levels, must, report, run

RUN = ["--model", "plain9", "--width", "0.5", "--size", "16", "--batch", "16", "--probe", "32", "--train-limit", "512", "--test-limit", "48", "--steps", "12",
       "--window", "6", "--lr", "0.01", "--seed", "1", "--record", "none", "--quiet", "--force", "--out", "run"]
# name, options, largest relative difference of the first loss, of all 12 losses (None: not judged), and of the first gradient's norm
NETWORKS = [
    ("no decisions", ["--leaky-slope", "0.9999"], 1e-5, 1e-3, 1e-4),
    ("no decisions, conv and skip", ["--leaky-slope", "0.9999", "--pool-skip", "2", "--pool-skip-mode", "conv+skip"], 1e-5, 1e-3, 1e-4),
    ("gates", [], 1e-2, None, None),
    ("gates and maxima", ["--pool-skip", "2"], 1e-2, None, None),
]


def curve(environment, options):
    must("train", *RUN, *options, env={**os.environ, **environment})
    steps = tap.records("run", "step")
    return [r["loss"] for r in steps], steps[0]["grad_norm"]


def apart(a, b):
    return max(abs(x - y) / abs(x) for x, y in zip(a, b))


methods = re.search(r"known are (.*)", run("train", "--out", "none", env={**os.environ, "PS_CONV": "?"}).stderr).group(1).replace(" and ", ", ").split(", ")
report({"reference", "gemm"} <= set(methods), "the methods are known by their names", methods)
SETTINGS = [{"PS_CONV": method} for method in methods if method != "reference"] + [{"PS_SIMD": level} for level in levels()]
for name, options, first, whole, gradient in NETWORKS:
    losses, norm = curve({"PS_CONV": "reference"}, options)
    found = {"=".join(*s.items()): curve(s, options) for s in SETTINGS}
    far = {s: apart(losses[:1], other[:1]) for s, (other, _) in found.items()}
    report(max(far.values()) <= first, f"{name}: the first loss differs by a share of {first:g} at most", far)
    if whole is None:
        continue
    far = {s: (apart(losses, other), apart([norm], [n])) for s, (other, n) in found.items()}
    report(all(a <= whole and b <= gradient for a, b in far.values()), f"{name}: and 12 losses by {whole:g}, the first gradient's norm by {gradient:g}", far)
    report(found["PS_CONV=gemm"][0] != losses, f"{name}: gemm does round otherwise")

tap.done()
