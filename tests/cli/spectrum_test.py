#!/usr/bin/env python3
"""`poolscope spectrum`: the sweep over steps and probes, planted dead nodes against the same network without, and the bound on steps."""
import csv
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import OWN, TINY, done, must, path, report, run  # noqa: E402

GRAPH = ('{"format":"poolscope-graph","version":1,"name":"own","input":[3,8,8],"nodes":[{"name":"a","type":"conv","channels":4,"padding":1},'
         '{"name":"ra","type":"relu"},{"name":"b","type":"conv","channels":3,"padding":1},{"name":"rb","type":"relu"},'
         '{"name":"g","type":"global_avg_pool"},{"name":"f","type":"linear","features":10}]}')
PARAMETERS = 4 * 28 + 3 * 37 + 10 * 4


def rows(directory, name):
    with open(path(directory, "tables", name + ".tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def mass(directory, **keys):
    found = [r for r in rows(directory, "spectrum_mass") if all(float(r[k]) == v for k, v in keys.items())]
    return found[0] if len(found) == 1 else found


with open(path("graph.json"), "w") as stream:
    stream.write(GRAPH)
must("train", *OWN, "--graph", "graph.json", "--init-scheme", "he", "--steps", "4", "--window", "2", "--lr", "0", "--out", "a")
WHOLE = ["--probes", "3", "--steps", "2147483647", "--quiet"]
printed = must("spectrum", "a/checkpoint.safetensors", *WHOLE, "--out", "a").stdout
report(all(int(r["steps"]) <= PARAMETERS for r in rows("a", "spectrum_mass")) and f"{PARAMETERS} parameters" in printed, "no more steps than parameters", printed)
sweep = sorted({int(r["steps"]) for r in rows("a", "spectrum_mass")})
report(sweep == [PARAMETERS // 8, PARAMETERS // 4, PARAMETERS // 2, PARAMETERS], "after an eighth, a quarter, half of the steps, and all", sweep)

# What the sweep says of fewer steps is what fewer steps give; what it says of probes left out is what those probes say.
must("spectrum", "a/checkpoint.safetensors", "--probes", "3", "--steps", str(sweep[0]), "--quiet", "--out", "short")
columns = ("mass", "standard_error", "left_out_min", "left_out_max")
report(all([mass("a", probes=p, steps=sweep[0], epsilon=e)[c] for c in columns] == [mass("short", probes=p, steps=sweep[0], epsilon=e)[c] for c in columns]
           for p in (1, 2, 3) for e in (1e-6, 1e-3, 1e-1)), "fewer steps, without their products")
two = mass("a", probes=2, steps=PARAMETERS, epsilon=1e-3)
single = mass("a", probes=1, steps=PARAMETERS, epsilon=1e-3)
report(single["left_out_min"] == "NA" and min(abs(float(two[c]) - float(single["mass"])) for c in ("left_out_min", "left_out_max")) < 1e-8,
       "left out: of two probes the other one remains", (single, two))

# Two nodes of the first layer made dead: their 2 x 28 incoming weights, and the 2 x 27 that read them, lose all curvature.
must("plant", "a/checkpoint.safetensors", "--plant", "count=2,cause=bias,value=-30,layers=a,seed=1", "--out", "b.safetensors")
printed = must("spectrum", "b.safetensors", *WHOLE, "--against", "a", "--out", "b").stdout
before, after = (next(r for r in rows(d, "spectrum_nodes") if r["state"] == "dead") for d in "ab")
report(int(after["nodes"]) == int(before["nodes"]) + 2 and int(after["parameters"]) == int(before["parameters"]) + 2 * 28
       and abs(float(after["share"]) - int(after["parameters"]) / PARAMETERS) < 1e-8, "the planted nodes are counted with their weights", (before, after))
report(float(after["ratio_max"]) == 0, "the loss does not feel them", after)
row = mass("b", probes=3, steps=PARAMETERS, epsilon=1e-4)
other = mass("a", probes=3, steps=PARAMETERS, epsilon=1e-4)
report(abs(float(row["excess"]) - (float(row["mass"]) - float(other["mass"]))) < 1e-8 and other["excess"] == "NA", "the excess is the difference", row)
share = 2 * (28 + 27) / PARAMETERS
report(0.5 * share < float(row["excess"]) < 1.1 * share, f"near zero: more by about the planted share, {share:.3f}", row)
report("excess over the other network" in printed, "the terminal says it", printed)

for options, word in ((["--steps", "0"], "--steps"), (["--steps", "8", "--against", "a"], "--against"), (["--against", "nowhere"], "nowhere")):
    result = run("spectrum", "b.safetensors", "--quiet", *options)
    report(result.returncode == 2 and word in result.stderr, f"{' '.join(options)} is refused", result.stderr)
done()
