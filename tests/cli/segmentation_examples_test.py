"""examples/segmentation-2d and -3d: a few steps of each from the command that its README names, both arms and a report; a network that is built by a
plan."""
import json
import os
import sys

sys.dont_write_bytecode = True
import tap
from tap import path, report, run

FEW = ["--steps", "4", "--window", "2", "--train-limit", "8", "--test-limit", "2", "--probe", "8", "--seeds", "1", "--quiet"]

for name, model, place in (("segmentation-2d", "unet2d", "inc.double_conv.0.pool_skip"),
                           ("segmentation-3d", "nnunet3d", "encoder.stages.0.0.convs.0.conv.pool_skip")):
    file = os.path.join(tap.ROOT, "examples", name, "experiment.json")
    with open(file) as stream:
        document = json.load(stream)
    report(document["base"]["model"] == model and [arm["name"] for arm in document["arms"]] == ["baseline", "ps2"], f"{name}: its network and arms", document["base"])
    folder = path(name)
    result = run("experiment", file, "--out", folder, *FEW)
    report(result.returncode == 0 and os.path.exists(os.path.join(folder, "report.html")), f"{name}: trains both arms and reports", result.stdout + result.stderr)
    traces = [os.path.join(root, "trace.jsonl") for root, _, files in os.walk(folder) if "trace.jsonl" in files and "ps2" in root]
    with open(traces[0]) as stream:
        header, *_, last = [json.loads(line) for line in stream]
    report(place in json.dumps(header), f"{name}: Pool Skip stands in the encoder", list(header))
    measure = header["task"]["measures"][0]["name"]
    report(last["type"] == "end" and 0 <= last[measure] <= 1 and len(last["classes"][measure]) > 1, f"{name}: the run ends with {measure} of every class", last)

# The stages are those of the plan: one fewer in the file, one fewer in the network.
plan = path("plan.json")
result = run("plan", "synthetic-3d", "--out", plan, "--quiet")
with open(plan) as stream:
    planned = json.load(stream)
network = planned["3d_fullres"]
stages = len(network["strides"])
TRAIN = ["train", "--data", "synthetic-3d", "--model", "nnunet3d", "--width", "0.125", "--probe", "4", "--train-limit", "8", "--test-limit", "2", "--batch", "2",
         "--steps", "2", "--window", "2", "--loss", "ce+dice", "--quiet"]


def stages_of(name, *options):
    result = run(*TRAIN, *options, "--out", path(name))
    if result.returncode != 0:
        return result.stderr
    with open(path(name, "trace.jsonl")) as stream:
        header = json.loads(stream.readline())
    return sum(f'"encoder.stages.{i}.0.convs.0.conv"' in json.dumps(header) for i in range(12))


report(stages_of("planned", "--plan", plan) == stages == stages_of("automatic", "--plan", "auto"), "a network has the stages of its plan", stages)
for key in ("strides", "kernels", "features"):
    network[key].pop()
with open(plan, "w") as stream:
    json.dump(planned, stream)
report(stages_of("shorter", "--plan", plan) == stages - 1, "and of one that was changed", stages)
tap.done()
