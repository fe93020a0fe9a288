"""The catalogue of faults (examples/faults): what it names is there, what plants its faults does what it says, and a network at rest, given
as a JSON graph with plain weights, is diagnosed without a training step."""
import json
import os
import sys

sys.dont_write_bytecode = True
import tap
from tap import OWN, ROOT, TINY, must, path, records, report, run

sys.path.insert(0, os.path.join(ROOT, "tests", "calibrate"))
import faults

NET = ["--model", "plain9", "--stages", "1,1,1", *TINY]
SHORT = ["--steps", "8", "--window", "4"]


def train(name, *options, net=NET):
    must("train", *net, *SHORT, *options, "--out", path(name))
    return faults.read_tensors(path(name, "checkpoint.safetensors"))


def losses(name):
    return [r["loss"] for r in records(path(name)) if r["type"] == "step"]


def values(tensors, name):
    return list(memoryview(tensors[name][1]).cast("f"))


# ---- the catalogue ----
with open(faults.CATALOGUE, encoding="utf-8") as stream:
    catalogue = json.load(stream)
planted = catalogue["faults"]
ids = [f["id"] for f in planted]
report(len(ids) >= 24 and len(set(ids)) == len(ids), "the catalogue has 24 faults or more, each once", len(ids))
rules = run("diagnose", "--rules").stdout
unknown = [rule for f in planted for rule in f["first"] if f"  {rule} (" not in rules]
report(not unknown, "the findings that must come first are rules", unknown)
knobs = run("help", "train").stdout
used = {k for f in planted for k in f.get("options", {})} | {k for f in planted for k in {**f["mend"], f["mend"].get("follow", "lr"): 0}} - {"follow", "weights", "data"} | {k for n in catalogue["networks"].values() for k in n}
used |= set(catalogue["base"])
missing = [k for k in used if f"--{k.replace('_', '-')}" not in knobs and f"--no-{k.replace('_', '-')}" not in knobs]
report(not missing, "its options are options of train", missing)
report(all(n in catalogue["networks"] for f in planted for n in f.get("networks", [])), "its networks are there")
with open(os.path.join(ROOT, "examples", "faults", "README.md"), encoding="utf-8") as stream:
    tutorial = stream.read()
absent = [i for i in ids if f"### {i} " not in tutorial]
report(not absent, "the tutorial has every fault", absent)

# ---- what plants them ----
start = train("start", "--lr", "0", "--record", "none")
frozen = train("frozen", "--freeze", "stage1.*,fc.bias")
same = [n for n in start if "running" not in n and start[n] == frozen[n]]
report(sorted(same) == ["fc.bias", "stage1.0.conv.weight", "stage1.0.norm.bias", "stage1.0.norm.weight"], "what is frozen stays bit for bit, and nothing else", same)
moved = [r["values"] for r in records(path("frozen")) if r["type"] == "window" and r["layer"] == "stage1.0.conv"]
report(all(set(v["path"]) == {0} and min(v["grad_norm_rms"]) > 0 for v in moved), "and its gradient is recorded all the same", moved[:1])
done = run("train", *NET, *SHORT, "--freeze", "nothing*", "--out", path("none"))
report(done.returncode == 2 and "nothing*" in done.stderr, "what is to be frozen and is not there is named", done.stderr)
still = train("momentum", "--norm-momentum", "0")
means = [v for n in still if n.endswith("running_mean") for v in values(still, n)] + [v - 1 for n in still if n.endswith("running_var") for v in values(still, n)]
report(len(means) > 0 and not any(means), "with a momentum of 0 running statistics stay as they start")
report(train("usual", "--norm-momentum", "0.1") == train("default"), "0.1 is what it is without saying")
faults.write_tensors(path("w.safetensors"), start)
order = ["--lr", "0", "--init", path("w.safetensors")]
for name, options in {"a": ["--seed", "1"], "b": ["--seed", "2"], "c": ["--seed", "1", "--no-shuffle"], "d": ["--seed", "2", "--no-shuffle"]}.items():
    train(name, *order, *options)
report(losses("a") != losses("b"), "batches are drawn by the seed")
report(losses("c") == losses("d") and losses("c") != losses("a"), "and without shuffling come as they are stored")
train("raw", *order, "--no-normalise")
headers = [next(r for r in records(path(name)) if r["type"] == "header") for name in ("a", "raw")]
report(headers[0]["data"]["digest"] != headers[1]["data"]["digest"], "images as stored are other data")
report(losses("raw") != losses("a"), "and other numbers for the network")

# ---- a network of other people's making, at rest ----
graph = must("inspect", "--model", "plain9", "--stages", "1,1,1", "--width", "0.5", "--input", "3,8,8", "--json").stdout
with open(path("net.json"), "w", encoding="utf-8") as stream:
    stream.write(graph)


def at_rest(kind):
    changed = {}
    for name, (shape, data) in start.items():
        values_of = faults.change(kind, name, shape, list(memoryview(data).cast("f"))) if kind else list(memoryview(data).cast("f"))
        changed[name] = (shape, faults.struct.pack(f"<{len(values_of)}f", *values_of))
    faults.write_tensors(path("weights.safetensors"), changed)
    before = sorted(os.listdir(tap.WORK))
    done = run("diagnose", path("weights.safetensors"), "--graph", path("net.json"), *OWN[:-1], "--json")
    document = json.loads(done.stdout) if done.stdout else {"findings": [], "cannot_be_judged": []}
    found = [f["rule"] if "rule" in f else f["id"] for f in document["findings"]]
    return found, document, sorted(os.listdir(tap.WORK)) == before, done


for kind, first in {"zero": "zero_weights", "constant": "twin_nodes", "shifts": "shut_by_norm"}.items():
    found, document, untouched, done = at_rest(kind)
    report(found[:1] == [first] and document.get("at_rest") is True, f"{kind} weights of a JSON graph: {first} first", f"{found}\n{done.stderr}")
    report(untouched and done.returncode == 0, "and nothing is written", done.stderr)
found, document, _, done = at_rest(None)
wrong = set(found) & {"overlapping_nodes", "linear_gates", "zero_weights", "twin_nodes", "dead_layer", "dead_nodes", "constant_nodes", "shut_by_norm", "variance_low"}
report(not wrong and document["cannot_be_judged"], "weights drawn at random have none of these, and what needs training cannot be judged", f"{found} {done.stderr}")
# Rows that point where another's do, at another length: no twins, whose norms are equal.
overlapping = {}
for name, (shape, data) in start.items():
    numbers = list(memoryview(data).cast("f"))
    if len(shape) > 1 and not name.startswith("fc."):
        row = len(numbers) // shape[0]
        for i in range(shape[0] // 2):
            numbers[(2 * i + 1) * row:(2 * i + 2) * row] = [(1.5 + i) * v for v in numbers[2 * i * row:(2 * i + 1) * row]]
    overlapping[name] = (shape, faults.struct.pack(f"<{len(numbers)}f", *numbers))
faults.write_tensors(path("overlapping.safetensors"), overlapping)
done = run("diagnose", path("overlapping.safetensors"), "--graph", path("net.json"), *OWN[:-1], "--json")
found = [f["id"] for f in json.loads(done.stdout)["findings"]] if done.stdout else []
report("overlapping_nodes" in found and "twin_nodes" not in found, "nodes that do what others do are found by their weights", f"{found} {done.stderr}")
found, document, _, done = at_rest("open")
report("linear_gates" in found, "and gates that never close", f"{found} {done.stderr}")

# Running statistics before a sum, behind which the gate is shared: no trace has them, a checkpoint does.
RESIDUAL = ["--model", "resnet18", "--stages", "1,1", "--width", "0.125", *TINY[2:]]
must("train", *RESIDUAL, *SHORT, "--steps", "40", "--out", path("residual"))
tensors = faults.read_tensors(path("residual", "checkpoint.safetensors"))
before_sum = [n for n in tensors if n.endswith(".4.running_var")]
for name in before_sum:
    numbers = [100 * v + 1 for v in memoryview(tensors[name][1]).cast("f")]
    tensors[name] = (tensors[name][0], faults.struct.pack(f"<{len(numbers)}f", *numbers))
faults.write_tensors(path("residual.safetensors"), tensors)
done = run("diagnose", path("residual.safetensors"), *RESIDUAL[:-1], "--only", "running_statistics", "--json")
document = json.loads(done.stdout) if done.stdout else {"findings": []}
layers = [layer for f in document["findings"] for layer in f["layers"]]
report(before_sum and layers and not any(layer.endswith(".0") for layer in layers), "running statistics before a sum are held against the batches of a checkpoint", f"{before_sum} {document} {done.stderr}")
tap.done()
