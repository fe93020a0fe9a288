#!/usr/bin/env python3
"""`poolscope ranks`: overlapping and dependent nodes written into a checkpoint are all found, and nothing else is."""
import csv
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import OWN, TINY, done, must, path, report, run  # noqa: E402


def change(source, target, name, edit):
    """A copy of a checkpoint in which edit(rows) has changed the rows of one weight."""
    with open(path(source), "rb") as stream:
        content = bytearray(stream.read())
    (size,) = struct.unpack("<Q", content[:8])
    entry = json.loads(content[8:8 + size])[name]
    first, last = (8 + size + offset for offset in entry["data_offsets"])
    values = list(struct.unpack(f"<{(last - first) // 4}f", content[first:last]))
    length = len(values) // entry["shape"][0]
    rows = [values[i:i + length] for i in range(0, len(values), length)]
    edit(rows)
    content[first:last] = struct.pack(f"<{len(values)}f", *(value for row in rows for value in row))
    with open(path(target), "wb") as stream:
        stream.write(content)


def table(directory, name):
    with open(path(directory, "tables", name + ".tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def plant(rows):
    rows[2] = [3.0 * value for value in rows[0]]
    rows[7] = [-0.5 * value for value in rows[0]]
    rows[5] = [a + 0.5 * b - 0.25 * c for a, b, c in zip(rows[1], rows[3], rows[4])]
    rows[6] = [0.0] * len(rows[6])


must("train", *TINY, "--model", "plain9", "--steps", "4", "--window", "2", "--lr", "0", "--out", "a")
must("ranks", "a/checkpoint.safetensors", "--out", "a", "--quiet")
ranks = table("a", "ranks")
report(len(ranks) == 9 and not table("a", "overlap") and not table("a", "opposite") and not table("a", "dependent"), "random weights raise no alarm")
report(all(1 <= float(r["weight_effective_rank"]) <= int(r["nodes"]) + 1e-6 and 1 <= float(r["weight_stable_rank"]) <= int(r["nodes"])
           and 0 < float(r["saturation"]) <= 1 for r in ranks), "ranks lie between 1 and the number of nodes", ranks)

change("a/checkpoint.safetensors", "b.safetensors", "stage2.1.conv.weight", plant)
printed = must("ranks", "b.safetensors", "--out", "b", "--quiet").stdout
overlap, opposite, dependent = table("b", "overlap"), table("b", "opposite"), table("b", "dependent")
report([(r["layer"], r["channel"], r["other"]) for r in overlap] == [("stage2.1.conv", "0", "2")] and float(overlap[0]["cosine"]) > 0.999999,
       "the planted pair is found, and no other", overlap)
report([(r["layer"], r["channel"], r["other"]) for r in opposite] == [("stage2.1.conv", c, "7") for c in "02"] and all(float(r["cosine"]) < -0.999999 for r in opposite),
       "opposite pairs are listed apart", opposite)
report([(r["overlapping_pairs"], r["opposite_pairs"]) for r in table("b", "ranks") if r["layer"] == "stage2.1.conv"] == [("1", "2")], "and counted apart")
report([(r["layer"], r["channel"]) for r in dependent] == [("stage2.1.conv", str(c)) for c in (0, 1, 2, 3, 4, 5, 7)], "so are the nodes that depend on each other",
       dependent)
report("1 overlapping pairs, 7 dependent nodes" in printed and "2 opposite pairs" in printed, "the terminal says the same", printed)

# A bias that a normalisation takes out again does not tell two nodes apart; without one, or behind a module, it does.
GRAPH = ('{"format":"poolscope-graph","version":1,"name":"own","input":[3,8,8],"nodes":[{"name":"c","type":"conv","channels":6,"padding":1},%s'
         '{"name":"r","type":"relu"},{"name":"g","type":"global_avg_pool"},{"name":"f","type":"linear","features":10}]}')
for name, nodes, pairs in (("norm", '{"name":"n","type":"batch_norm"},', 1), ("none", "", 0),
                           ("module", '{"name":"p","type":"pool_skip"},{"name":"n","type":"batch_norm"},', 0)):
    with open(path("graph.json"), "w") as stream:
        stream.write(GRAPH % nodes)
    must("train", *OWN, "--graph", "graph.json", "--steps", "2", "--window", "2", "--out", name)
    change(f"{name}/checkpoint.safetensors", "same.safetensors", "c.weight", lambda rows: rows.__setitem__(2, rows[0][:]))
    change("same.safetensors", "apart.safetensors", "c.bias", lambda rows: (rows[0].__setitem__(0, 0.0), rows[2].__setitem__(0, 1.0)))
    must("ranks", "apart.safetensors", "--out", "apart", "--quiet")
    report(len(table("apart", "overlap")) == pairs, f"equal filters with biases 0 and 1, behind: {name}: {pairs} pairs", table("apart", "overlap"))

for cause, noise, pairs, nodes in (("overlap", "0", 1, 2), ("overlap", "0.1", 0, 0), ("dependent", "0.0001", 0, 4), ("dependent", "0.1", 0, 0)):
    must("plant", "a/checkpoint.safetensors", "--plant", f"count=1,cause={cause},noise={noise},layers=stage2.1.conv", "--out", "c.safetensors")
    must("ranks", "c.safetensors", "--out", "c", "--quiet")
    found = [(r["layer"], r["channel"]) for r in table("c", "dependent")]
    report(len(table("c", "overlap")) == pairs and len(found) == nodes and all(f[0] == "stage2.1.conv" for f in found),
           f"plant's {cause} with noise {noise}: {pairs} pairs, {nodes} dependent nodes", found)

loose = must("ranks", "a/checkpoint.safetensors", "--cosine", "0.05", "--residual", "1", "--quiet").stdout
report("\n0 overlapping pairs" not in loose, "the thresholds are adjustable", loose)
for option, value in (("--cosine", "1.5"), ("--cosine", "x"), ("--residual", "0")):
    result = run("ranks", "a/checkpoint.safetensors", option, value)
    report(result.returncode == 2 and option in result.stderr, f"{option} {value} is refused", result.stderr)
must("train", *TINY, "--model", "resnet18", "--width", "0.125", "--steps", "2", "--window", "2", "--pool-skip", "2", "--out", "r")
result = run("ranks", "r/checkpoint.safetensors", "--out", "r", "--quiet")
report(result.returncode == 0 and any(r["weights"] == "NA" for r in table("r", "ranks")), "shared gates have outputs and no weights", result.stderr)
done()
