"""What was not measured is no number: data without a test split, traces that claim numbers of no image, networks without a gate."""
import json
import struct
import sys

sys.dont_write_bytecode = True
import os
import made_up
import tap
from tap import must, records, report, run

# ---- data without a test split ----
IMAGES = 96
os.makedirs(tap.path("data"))
with open(tap.path("data", "train-images-idx3-ubyte"), "wb") as stream:
    stream.write(struct.pack(">IIII", 0x803, IMAGES, 28, 28))
    for i in range(IMAGES):
        stream.write(bytes((p * (i % 10 + 1) + i) % 256 for p in range(28 * 28)))
with open(tap.path("data", "train-labels-idx1-ubyte"), "wb") as stream:
    stream.write(struct.pack(">II", 0x801, IMAGES) + bytes(i % 10 for i in range(IMAGES)))
BASE = ["--model", "plain9", "--width", "0.25", "--data", "idx:data", "--steps", "4", "--window", "2", "--batch", "16", "--probe", "32",
        "--threads", "1"]
for seed in ("1", "2", "3"):
    for e in ("0", "2"):
        must("train", *BASE, "--eval-every", "1", "--quiet", "--seed", seed, "--pool-skip", e, "--out", f"r{e}-{seed}")
end = records("r0-1")[-1]
tested = [r for r in records("r0-1", "eval") if r["split"] == "test"]
report(not tested, "without test images there are no records of evaluations on them", tested)
report(end["loss"] is None and end["accuracy"] is None, "and the end record has neither loss nor accuracy", end)
report(run("validate", "r0-1").returncode == 0, "the trace follows the format")
said = run("train", *BASE, "--out", "said")
report("accuracy not measured" in said.stderr and "0.00 %" not in said.stderr, "progress ends with what was not measured", said.stderr[-300:])

arms = ["--arm", "baseline=" + ",".join(f"r0-{s}" for s in (1, 2, 3)), "--arm", "ps2=" + ",".join(f"r2-{s}" for s in (1, 2, 3))]
compared = run("compare", *arms, "--out", "cmp")
with open(tap.path("cmp", "verdict.json")) as stream:
    verdict = json.load(stream)
for name in ("P6", "M5"):
    entry = [p for p in verdict["predictions"] if p["id"] == name][0]
    report(entry["verdict"] == "not_testable", f"{name} is not testable", entry["sentence"])
report("no measured test accuracy" in [p for p in verdict["predictions"] if p["id"] == "P6"][0]["sentence"], "and P6 says why",
       compared.stdout[-2000:])
for name in ("test_accuracy", "test_loss"):
    entry = [c for c in verdict["comparison"] if c["measure"] == name]
    report(all(c["n"] == 0 for c in entry), f"no seed is compared by {name}", entry)
with open(tap.path("cmp", "tables", "runs.tsv")) as stream:
    rows = [line.rstrip("\n").split("\t") for line in stream]
for name in ("test_accuracy", "test_loss"):
    column = rows[0].index(name)
    report(all(row[column] == "NA" for row in rows[1:]), f"{name} is NA in every row of runs.tsv", [row[column] for row in rows])
alone = run("compare", "--arm", "baseline=r0-1", "--out", "alone")
row = [line.split() for line in alone.stdout.splitlines() if line.startswith("  baseline ")]
report(len(row) == 1 and row[0][-2] == "-", "the summary of one run has no number for it", alone.stdout[:800])
for rule in ("test_loss.final < 1", "accuracy.final >= 0", "test_loss < 1 or accuracy < 1"):
    checked = run("check", "r0-1", "--expect", rule)
    report(checked.returncode == 1 and "not recorded" in checked.stdout + checked.stderr, f"the rule {rule} does not hold: not recorded",
           checked.stdout + checked.stderr)
watched = run("watch", "r0-1", "--once")
line = [text for text in watched.stdout.splitlines() if text.startswith("accuracy")]
report(len(line) == 1 and "not recorded" in line[0] and "0.0" not in line[0], "watch says that no accuracy was recorded", watched.stdout + watched.stderr)
shown = run("eval", "r0-1/checkpoint.safetensors")
report(shown.returncode == 0 and "not measured" in shown.stdout and "0.00" not in shown.stdout.split("dead")[0], "eval says so, too",
       shown.stdout + shown.stderr)
answer = json.loads(run("eval", "r0-1/checkpoint.safetensors", "--json").stdout)
report(answer["loss"] is None and answer["accuracy"] is None and answer["images"] == 0 and answer["dead_share"] is not None,
       "and gives null as JSON", answer)

# ---- traces of other programs that claim numbers of no image ----
lines = [json.loads(text) for text in tap.trace("r0-1")]
with open(tap.path("claims.jsonl"), "w") as stream:
    for record in lines:
        if record["type"] == "end":
            stream.write(json.dumps({"type": "eval", "step": record["steps"], "split": "test", "loss": 0, "accuracy": 0, "count": 0}) + "\n")
            record.update(loss=0, accuracy=0)
        stream.write(json.dumps(record) + "\n")
found = run("check", "claims.jsonl", "--expect", "test_loss.final < 1")
report(found.returncode == 1 and "not recorded" in found.stdout + found.stderr, "a loss of 0 over 0 images is no loss", found.stdout + found.stderr)
run("compare", "--arm", "baseline=claims.jsonl", "--out", "claimed")
with open(tap.path("claimed", "tables", "runs.tsv")) as stream:
    rows = [line.rstrip("\n").split("\t") for line in stream]
report(rows[1][rows[0].index("test_loss")] == "NA" and rows[1][rows[0].index("test_accuracy")] == "NA", "and stands in no table", rows)
judged = run("validate", "claims.jsonl")
report(judged.returncode == 1 and "\"count\" is 0" in judged.stdout + judged.stderr, "validate names it", judged.stdout + judged.stderr)
watched = run("watch", "claims.jsonl", "--once")
report(any(text.startswith("accuracy") and "not recorded" in text for text in watched.stdout.splitlines()), "watch shows none", watched.stdout)
with open(tap.path("unseen.jsonl"), "w") as stream:
    for record in lines:
        if record["type"] == "probe":
            record.update(images=0, elements=0)
        stream.write(json.dumps(record) + "\n")
unseen = run("check", "unseen.jsonl", "--expect", "dead_share.final <= 1")
report(unseen.returncode == 2 and "0 images" in unseen.stderr, "a probe record of no image tells of no dead node", unseen.stdout + unseen.stderr)

# ---- a network without a gate of its own ----
with open(tap.path("net.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "linear", "input": [3, 8, 8],
               "nodes": [{"name": "g", "type": "global_avg_pool"}, {"name": "f", "type": "linear", "features": 10}]}, stream)
plain = run("train", "--graph", "net.json", "--size", "8", "--steps", "4", "--window", "2", "--batch", "16", "--probe", "32", "--train-limit", "64",
            "--test-limit", "32", "--threads", "1", "--out", "linear")
report(plain.returncode == 0 and "nan" not in plain.stderr, "progress of a network without gates shows no dead share", plain.stderr[-300:])
shown = run("eval", "linear/checkpoint.safetensors")
report("dead      not measured" in shown.stdout, "eval of it says that no node has a gate", shown.stdout + shown.stderr)
report(json.loads(run("eval", "linear/checkpoint.safetensors", "--json").stdout)["dead_share"] is None, "and gives null as JSON")

# ---- what a layer reads: not said is not the network's input ----
made_up.write(tap.path("said"), "baseline", 1, {"pool_skip": 0})


def cause_of_dead(inputs, shut, **keys):
    """The causes and evidence of conv1's dead nodes at the end, conv1 having no normalisation; shut: all of conv0 is dead."""
    lines = []
    for record in records("said"):
        if record["type"] == "header":
            record["layers"][1].update(norm=None, inputs=inputs, **keys)
        if record["type"] == "probe" and record["layer"] == "conv0" and shut:
            record["values"].update({name: [0] * made_up.CHANNELS for name in ("nonzero", "images_active", "mean_abs", "rms")},
                                    pre_max=[-1] * made_up.CHANNELS)
        lines.append(json.dumps(record))
    os.makedirs(tap.path("changed"), exist_ok=True)
    with open(tap.path("changed", "trace.jsonl"), "w") as stream:
        stream.write("\n".join(lines) + "\n")
    must("compare", "--arm", "baseline=changed", "--out", "causes")
    with open(tap.path("causes", "tables", "nodes.tsv")) as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    nodes = [dict(zip(rows[0], row)) for row in rows[1:]]
    return {(n["cause"], n["evidence"] if n["cause"] == "unknown" else "") for n in nodes if n["node"].startswith("conv1:") and n["condition"] == "dead"}


for inputs, shut, keys, wanted in (
        (["conv0"], False, {}, ("negative_input", "")), (["conv0"], True, {}, ("inputs_dead", "")), ([], True, {}, ("negative_input", "")),
        (None, True, {}, ("unknown", "not_recorded=in_alive")), (["conv0"], True, {"ungated_inputs": True}, ("negative_input", "")),
        (["conv0"], True, {"ungated_inputs": False}, ("inputs_dead", ""))):
    found = cause_of_dead(inputs, shut, **keys)
    report(found == {wanted}, f"inputs {inputs}, {keys or 'nothing beside'}, {'all' if shut else 'some'} of conv0 dead: {wanted[0]}", found)
report(run("validate", "changed").returncode == 0, "the format knows both keys")

tap.done()
