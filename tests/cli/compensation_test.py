#!/usr/bin/env python3
"""`poolscope compensation`: dropout is off, signs are those behind the normalisation, and what has no gate of its own has no dead channels."""
import csv
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import OWN, TINY, done, must, path, report, run  # noqa: E402

GRAPH = ('{"format":"poolscope-graph","version":1,"name":"own","input":[3,8,8],"nodes":[{"name":"c","type":"conv","channels":6,"padding":1},'
         '{"name":"p","type":"pool_skip"},{"name":"n","type":"batch_norm"},{"name":"r","type":"relu"},{"name":"g","type":"global_avg_pool"},'
         '{"name":"d","type":"dropout","p":%g},{"name":"f","type":"linear","features":10}]}')


def rows(directory):
    with open(path(directory, "tables", "compensation.tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def measure(out, *options):
    must("train", *(OWN if "--graph" in options else TINY), "--steps", "2", "--window", "1", "--lr", "0", *options, "--out", out)
    printed = must("compensation", f"{out}/checkpoint.safetensors", "--out", out, "--quiet").stdout
    return rows(out), printed


# The same weights before a dropout that drops half and before one that drops nothing.
found = {}
for p in (0.5, 0):
    with open(path("graph.json"), "w") as stream:
        stream.write(GRAPH % p)
    found[p] = measure(f"p{p}", "--graph", "graph.json")
report(found[0.5] == found[0], "dropout is off", f"{found[0.5][1]}\n{found[0][1]}")
table = found[0][0]
report([r["group"] for r in table] == ["all", "alive", "dead"] and all(float(r["grad_total"]) > 0 for r in table[:2]), "a module before its own gate: all, alive, dead", table)
report({r["norm"] for r in table} == {"n"}, "the normalisation is named", table)

table, printed = measure("residual", "--model", "resnet18", "--width", "0.125", "--pool-skip", "2")
own = {r["layer"] for r in table if r["group"] == "dead"}
shared = [r for r in table if r["layer"] not in own]
report(len(own) > 0 and len(shared) > 0 and all(r["group"] == "all" for r in shared), "no dead group where the gate stands behind an add", table)
report(all(r["norm"] != "NA" for r in table), "the normalisation before an add is found, too", [r["norm"] for r in table])
dead = {line.split()[0]: line.split()[-4] for line in printed.splitlines() if line.split() and line.split()[0] in {r["layer"] for r in table}}
report(len(dead) == len(own) + len(shared) and all((dead[layer] == "-") == (layer not in own) for layer in dead), "the terminal shows - there", dead)

table, printed = measure("bare", "--model", "plain9", "--batch-norm", "no", "--pool-skip", "2")
report({r["norm"] for r in table} == {"NA"} and all(r["opened_frozen"] == r["opened_own"] and r["shut_frozen"] == r["shut_own"] for r in table if r["channels"] != "0")
       and printed.count("*") > len({r["layer"] for r in table}), "without a normalisation the signs are those of o and y, and marked", printed)

# ---- behind a transposed convolution nothing is defined ----
with open(path("up.json"), "w") as stream:
    stream.write("""{"format": "poolscope-graph", "version": 1, "name": "up", "input": [3, 8, 8], "nodes": [
  {"name": "a", "type": "conv", "channels": 4, "kernel": 3, "padding": 1, "stride": 2}, {"name": "a.relu", "type": "relu"},
  {"name": "up", "type": "conv_transpose", "channels": 4, "kernel": 2, "stride": 2},
  {"name": "up.ps", "type": "pool_skip", "pool_size": 2}, {"name": "up.relu", "type": "relu"},
  {"name": "avg", "type": "global_avg_pool"}, {"name": "fc", "type": "linear", "features": 10}]}""")
must("train", *OWN, "--graph", "up.json", "--steps", "2", "--window", "2", "--out", "up")
result = run("compensation", "up")
report(result.returncode == 2 and '"up.ps"' in result.stderr and '"up" before it is a conv_transpose' in result.stderr, "a module behind a transposed convolution is refused in a sentence",
       result.stderr)
done()
