"""Constancy is a matter of outputs; a normalisation that sees one value a channel is refused."""
import json
import struct
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run

SMALL = ["--model", "plain9", "--width", "0.25", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "64", "--test-limit", "32", "--data", "synthetic"]
TRAIN = ["--steps", "4", "--window", "2", "--threads", "1", "--quiet"]


def edit(source, file, scale, shift=0.5):
    """Weights alone, the filter of stage2.0.conv:0 scaled and its shift set."""
    weights = tap.tensors(source)
    with open(tap.path(source), "rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(size))
    out, data = {}, b""
    for name, content in weights.items():
        if name == "stage2.0.conv.weight":
            length = len(content) // header[name]["shape"][0]
            row = struct.unpack(f"<{length // 4}f", content[:length])
            content = struct.pack(f"<{length // 4}f", *(x * scale for x in row)) + content[length:]
        if name == "stage2.0.norm.bias":
            content = struct.pack("<f", shift) + content[4:]
        out[name] = {"dtype": "F32", "shape": header[name]["shape"], "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(out).encode()
    with open(tap.path(file), "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


def node(file, *options):
    shown = run("diagnose", file, *SMALL, *options, "--threads", "1", "--tsv")
    rows = [line.split("\t") for line in shown.stdout.splitlines() if line.startswith("stage2.0.conv\t0\t")]
    return rows[0][2:4] if rows else [shown.stderr or "none"]


# ---- a filter that a normalisation swamps ----
must("train", *SMALL, *TRAIN, "--out", "a")
for scale, wanted in ((0, ["constant", "zero_incoming"]), (1e-14, ["constant", "no_variation"]), (1e-20, ["constant", "no_variation"]), (1, ["none"]),
                      (1e-2, ["none"])):
    edit("a/checkpoint.safetensors", "w.safetensors", scale)
    report(node("w.safetensors") == wanted, f"a filter times {scale:g} behind a shift of 0.5: {' '.join(wanted)}", node("w.safetensors"))

# Shut by its shift, it would be dead without the shift, too; a filter that is heard lives then.
for scale, shift, wanted in ((1e-14, -0.5, ["dead", "no_variation"]), (1e-20, -1e-3, ["dead", "no_variation"]),
                             (1e-14, -30, ["dead", "no_variation"]), (1, -30, ["dead", "norm_shift"])):
    edit("a/checkpoint.safetensors", "w.safetensors", scale, shift)
    report(node("w.safetensors") == wanted, f"a filter times {scale:g} behind a shift of {shift:g}: {' '.join(wanted)}",
           node("w.safetensors"))

# diagnose and compare judge by the same rules: the same weights at the start of a run
edit("a/checkpoint.safetensors", "tiny.safetensors", 1e-14)
must("train", *SMALL, *TRAIN, "--init", "tiny.safetensors", "--lr", "0", "--out", "tiny")
must("compare", "--arm", "baseline=tiny", "--out", "cmp")
with open(tap.path("cmp", "tables", "nodes.tsv")) as stream:
    rows = [line.rstrip("\n").split("\t") for line in stream]
entry = dict(zip(rows[0], [row for row in rows[1:] if row[rows[0].index("node")] == "stage2.0.conv:0"][0]))
report([entry["condition_start"], entry["cause_start"]] == ["constant", "no_variation"], "compare calls it by the same name", entry)
spread = [r["values"]["image_spread"][0] for r in records("tiny", "probe") if r["layer"] == "stage2.0.conv" and r["step"] == 0]
report(spread == [0], "its outputs do not differ from image to image", spread)

# ---- a zero filter that a Pool Skip feeds from other channels is no constant ----
must("train", *SMALL, "--pool-skip", "2", *TRAIN, "--out", "fed")
edit("fed/checkpoint.safetensors", "fed.safetensors", 0)
report(node("fed.safetensors", "--pool-skip", "2") != ["constant", "zero_incoming"], "a zero filter with a Pool Skip behind it lets other channels through",
       node("fed.safetensors", "--pool-skip", "2"))

# ---- a normalisation behind the gate: what is dead before it is constant behind it ----
def rewrite(source, file, change):
    """Weights alone; change(name, values) gives the new values."""
    weights = tap.tensors(source)
    with open(tap.path(source), "rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(size))
    out, data = {}, b""
    for name, content in weights.items():
        content = struct.pack(f"<{len(content) // 4}f", *change(name, struct.unpack(f"<{len(content) // 4}f", content)))
        out[name] = {"dtype": "F32", "shape": header[name]["shape"], "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(out).encode()
    with open(tap.path(file), "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


with open(tap.path("behind.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "behind", "input": [3, 8, 8], "nodes": [
        {"name": "c1", "type": "conv", "channels": 4, "padding": 1}, {"name": "r1", "type": "relu"}, {"name": "n1", "type": "batch_norm"},
        {"name": "c2", "type": "conv", "channels": 6, "padding": 1}, {"name": "r2", "type": "relu"}, {"name": "r3", "type": "relu"},
        {"name": "g", "type": "global_avg_pool"}, {"name": "f", "type": "linear", "features": 10}]}, stream)
BEHIND = ["--graph", "behind.json", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "64", "--test-limit", "32", "--data", "synthetic"]
must("train", *BEHIND, *TRAIN, "--out", "behind")
layers = {layer["name"]: layer for layer in records("behind", "header")[0]["layers"]}
report([layers[name]["inputs"] for name in ("c1", "c2", "r3")] == [[], ["c1"], []], "the header says whom the next layer reads through it", layers)
report("identity path" not in run("inspect", "--graph", "behind.json").stdout, "and inspect finds no way past its weights")


def behind(file):
    shown = run("diagnose", file, *BEHIND, "--threads", "1", "--tsv")
    return {tuple(line.split("\t")[:2]): line.split("\t")[2:4] for line in shown.stdout.splitlines() if line.count("\t") > 2}


def all_dead(name, values):
    return [-1e4] * len(values) if name == "c1.bias" else [1e-3 * i - 1e-3 for i in range(len(values))] if name == "n1.bias" else values


def unread(name, values):
    """c2's input channel 2, of 4 with 3 x 3 weights each; r3's channel 1."""
    if name == "c2.weight":
        return [0 if i // 9 % 4 == 2 else v for i, v in enumerate(values)]
    return [0 if i % 6 == 1 else v for i, v in enumerate(values)] if name == "f.weight" else values


rewrite("behind/checkpoint.safetensors", "dead.safetensors", all_dead)
found = behind("dead.safetensors")
report(all(found.get(("c1", str(c)), [""])[0] == "dead" for c in range(4)), "all of the first layer is dead", found)
report(all(found.get(("c2", str(c)), ["", ""])[0] in ("dead", "constant") and found["c2", str(c)][1] == "inputs_dead" for c in range(6)),
       "the layer behind the normalisation has dead inputs", found)
rewrite("behind/checkpoint.safetensors", "unread.safetensors", unread)
found = behind("unread.safetensors")
report(found.get(("c1", "2")) == ["unused", "zero_outgoing"], "a node read with zero weights behind its normalisation is unused", found)
report(found.get(("c2", "1")) == ["unused", "zero_outgoing"], "and so is one whose reader stands behind a second gate", found)

# ---- one value a channel ----
with open(tap.path("net.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "one", "input": [3, 8, 8], "nodes": [
        {"name": "c1", "type": "conv", "channels": 8, "kernel": 3, "padding": 1, "bias": False}, {"name": "n1", "type": "batch_norm"},
        {"name": "r1", "type": "relu"}, {"name": "p", "type": "max_pool", "kernel": 8},
        {"name": "c2", "type": "conv", "channels": 8, "kernel": 1, "bias": False}, {"name": "n2", "type": "batch_norm"}, {"name": "r2", "type": "relu"},
        {"name": "g", "type": "global_avg_pool"}, {"name": "f", "type": "linear", "features": 10}]}, stream)
ONE = ["--graph", "net.json", "--size", "8", "--probe", "32", "--train-limit", "64", "--test-limit", "32", "--threads", "1", "--steps", "4", "--window", "2"]
refused = run("train", *ONE, "--batch", "1", "--out", "one")
report(refused.returncode == 2 and "n2" in refused.stderr and "--batch" in refused.stderr, "training is refused; layer and remedy are named", refused.stderr)
report(run("train", *ONE, "--batch", "1", "--dry-run").returncode == 2, "and so is an estimate of it")
must("train", *ONE, "--batch", "2", "--quiet", "--out", "two")
weights = tap.tensors("two/checkpoint.safetensors")
kept = records("two")
refused = run("train", *ONE, "--batch", "1", "--force", "--out", "two")
report(refused.returncode == 2 and records("two") == kept, "an earlier run is not replaced by a run that is refused", refused.stderr)
with open(tap.path("two", "checkpoint.safetensors"), "rb") as stream:
    (size,) = struct.unpack("<Q", stream.read(8))
    header = json.loads(stream.read(size))
out, data = {}, b""
for name, content in weights.items():
    out[name] = {"dtype": "F32", "shape": header[name]["shape"], "data_offsets": [len(data), len(data) + len(content)]}
    data += content
text = json.dumps(out).encode()
with open(tap.path("alone.safetensors"), "wb") as stream:
    stream.write(struct.pack("<Q", len(text)) + text + data)
LOOK = ["alone.safetensors", "--graph", "net.json", "--size", "8", "--probe", "32", "--train-limit", "64", "--test-limit", "32", "--threads", "1"]
for command in ("diagnose", "ranks", "spectrum"):
    shown = run(command, *LOOK, "--batch", "1")
    report(shown.returncode == 2 and "n2" in shown.stderr, f"{command} with batches of one image is refused", shown.stdout[:300] + shown.stderr)
    report(run(command, *LOOK, "--batch", "2").returncode == 0, f"{command} with batches of two is not")
shown = run("eval", *LOOK, "--batch", "1")
report(shown.returncode == 0 and "dead      not measured" in shown.stdout and "n2" in shown.stdout, "evaluation needs no batch: it goes on without the dead share",
       shown.stdout + shown.stderr)
alike = run("eval", *LOOK, "--batch", "2")
report([t for t in shown.stdout.splitlines() if t.startswith(("loss", "accuracy"))] == [t for t in alike.stdout.splitlines() if t.startswith(("loss", "accuracy"))],
       "with the same loss and accuracy", shown.stdout + alike.stdout)

tap.done()
