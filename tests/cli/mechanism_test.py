#!/usr/bin/env python3
"""The arms that take the mechanism apart: dead nodes drawn anew (what is changed, when, and that a resumed run does the same), and the
predictions that compare Pool Skip with them."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PATIENCE, PROGRAM, TINY, WORK, difference, done, must, path, records, report, run, tensors, trace  # noqa: E402

PLANTED = [*TINY, "--model", "plain9", "--batch-norm", "no", "--init-scheme", "he", "--plant", "share=0.25,cause=weights-in,seed=1", "--lr", "0.01",
           "--window", "2"]


def train(out, *options):
    must("train", *PLANTED, *options, "--out", out)


def events(directory):
    return [r for r in records(directory, "event") if r["event"] == "reinitialised"]


def dead(directory, step):
    return {r["layer"]: {c for c, v in enumerate(r["values"]["nonzero"]) if v == 0} for r in records(directory, "probe") if r["step"] == step}


train("plain", "--steps", "8")
train("renewed", "--steps", "8", "--reinit-dead", "2")
report(not events("plain") and {e["step"] for e in events("renewed")} == {4}, "every second window, but not at the end", events("renewed"))
at_four, planted = dead("renewed", 4), {e["layer"]: set(e["channels"]) for e in events("renewed")}
report(planted == {layer: nodes for layer, nodes in at_four.items() if nodes}, "exactly the nodes that the probing of that step found dead", (planted, at_four))
report(run("validate", "renewed/trace.jsonl").returncode == 0, "the trace is valid")
first = trace("plain"), trace("renewed")
report(difference(first[0][1:20], first[1][1:20]) == "", "until then the run is that without the option")

# Other nodes keep their weights: one step with no learning rate changes nothing else.
train("still", "--steps", "4", "--lr", "0", "--reinit-dead", "1")
train("start", "--steps", "2", "--lr", "0")
was, now = tensors("start/checkpoint.safetensors"), tensors("still/checkpoint.safetensors")
renewed = {e["layer"]: e["channels"] for e in events("still")}
good = True
for layer, channels in renewed.items():
    old, new = was[layer + ".weight"], now[layer + ".weight"]
    nodes = len(was[layer + ".bias"]) // 4
    row = len(old) // nodes
    for c in range(nodes):
        same = old[c * row:(c + 1) * row] == new[c * row:(c + 1) * row]
        good = good and same != (c in channels)
report(good and len(renewed) > 0, "only dead nodes' incoming weights change", renewed)
before, after = sum(map(len, dead("start", 2).values())), sum(map(len, dead("still", 4).values()))
report(after < before, "nodes drawn anew come alive", (before, after))

# Resumed after a kill: the same trace and the same weights.
# So many steps that the run is stopped on its way on any machine.
long = ["--steps", "3000", "--momentum", "0.9", "--reinit-dead", "1", "--checkpoint-every", "1"]
process = subprocess.Popen([PROGRAM, "train", *PLANTED, *long, "--out", path("killed")], cwd=WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
deadline = time.time() + 60
while time.time() < deadline and not os.path.exists(path("killed", "checkpoint.safetensors")):
    time.sleep(0.02)
process.send_signal(signal.SIGINT)
process.wait(60)
stopped = max((r["last"] + 1 for r in records("killed", "window")), default=0)
if 0 < stopped < 3000:
    config = json.load(open(path("killed", "config.json")))
    report(config["reinit_dead"] == 1, "the option stands in the configuration")
    subprocess.run([PROGRAM, "train", "--resume", path("killed"), "--quiet"], cwd=WORK, timeout=600 * PATIENCE, check=True)
    must("train", *PLANTED, *long, "--out", "whole")
    report(difference(trace("whole"), trace("killed")) == "", "a resumed run draws the same", difference(trace("whole"), trace("killed")))
    report(tensors("whole/checkpoint.safetensors", without="") == tensors("killed/checkpoint.safetensors", without=""), "and ends with the same weights")
else:
    report(False, "the run was stopped on its way", stopped)

# The experiment's verdict knows these arms, and the cut ones keep every identity.
experiment = {"name": "mechanism", "base": {"model": "plain9", "batch_norm": "no", "width": 0.5, "size": 8, "batch": 16, "probe": 32, "train_limit": 256,
                                             "test_limit": 48, "steps": 8, "window": 2, "lr": 0.01, "init_scheme": "he"},
              "fork": {"steps": 2, "plant": "share=0.25,cause=bias,value=-4,seed=1"},
              "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}, {"name": "cut", "pool_skip": 2, "pool_skip_cut": "gradient"},
                       {"name": "mute", "pool_skip": 2, "pool_skip_cut": "forward"}, {"name": "renewed", "reinit_dead": 1},
                       {"name": "leaky", "leaky_slope": 0.01}, {"name": "leaky-ps2", "leaky_slope": 0.01, "pool_skip": 2}], "seeds": [1, 2]}
with open(path("experiment.json"), "w") as stream:
    json.dump(experiment, stream)
result = run("experiment", "experiment.json", "--out", "mechanism", "--quiet")
report(result.returncode == 0, "an experiment with all arms holds", result.stderr)
verdict = json.load(open(path("mechanism", "verdict.json")))
found = {p["id"]: p for p in verdict["predictions"]}
report(all(found[i]["verdict"] != "not_testable" for i in ("M1", "M2", "M3", "M4", "M5")), "M1 to M5 are tested", {i: found[i]["sentence"] for i in found if i[0] == "M"})
report(found["M4"]["estimate"] == 0, "nothing is dead with LeakyReLU", found["M4"])
report(all(run("explain", "mechanism", i).returncode == 0 for i in ("M3", "M4")), "explain leads back to the traces")

# What an arm is stands in its header, as its network has it: modules of a fork start at zero.
PLAIN = {"role": "baseline", "pool_size": 0, "zero_init": False, "cut": "none", "activation": "relu", "reinit_dead": 0}
MODULE = {**PLAIN, "role": "pool_skip", "pool_size": 2, "zero_init": True}
ROLES = {"baseline": PLAIN, "ps2": MODULE, "cut": {**MODULE, "role": "cut_gradient", "cut": "gradient"}, "mute": {**MODULE, "role": "cut_forward", "cut": "forward"},
         "renewed": {**PLAIN, "role": "reinit", "reinit_dead": 1}, "leaky": {**PLAIN, "role": "leaky", "activation": "leaky_relu"},
         "leaky-ps2": {**MODULE, "role": "leaky_pool_skip", "activation": "leaky_relu"}}


def arm_is(folder):
    with open(path(folder, "trace.jsonl")) as stream:
        return json.loads(stream.readline())["arm_is"]


for arm, said in ROLES.items():
    report(arm_is(f"mechanism/runs/{arm}/seed-1") == said, f"{arm}: the header says what it is", arm_is(f"mechanism/runs/{arm}/seed-1"))
shutil.rmtree(path("mechanism"), ignore_errors=True)
# A network of one's own has its modules in the graph; what is no one kind of module is of no role.
CONTROL = {"type": "pool_skip", "pool_size": 4, "mode": "conv+skip"}
for name, modules, said in (("control", [CONTROL], {**PLAIN, "role": "conv_skip", "pool_size": 4}),
                            ("two sizes", [CONTROL, {**CONTROL, "pool_size": 2}], {**PLAIN, "role": "conv_skip"}),
                            ("two kinds", [CONTROL, {**CONTROL, "mode": "full"}], {**PLAIN, "role": "other", "pool_size": 4}),
                            ("a cut control", [{**CONTROL, "cut": "gradient"}], {**PLAIN, "role": "other", "pool_size": 4, "cut": "gradient"}),
                            ("at zero", [{**CONTROL, "mode": "full", "zero_init": True}], {**MODULE, "pool_size": 4})):
    nodes = [{"name": "c0", "type": "conv", "channels": 4, "padding": 1}, {"name": "r0", "type": "relu"}]
    for i, module in enumerate(modules):
        nodes += [{"name": f"c{i + 1}", "type": "conv", "channels": 4, "padding": 1}, {"name": f"p{i}", **module}, {"name": f"r{i + 1}", "type": "relu"}]
    nodes += [{"name": "g", "type": "global_avg_pool"}, {"name": "f", "type": "linear", "features": 10}]
    with open(path("own.json"), "w") as stream:
        json.dump({"format": "poolscope-graph", "version": 1, "name": "own", "input": [3, 8, 8], "nodes": nodes}, stream)
    result = run("train", "--graph", "own.json", "--size", "8", "--batch", "8", "--probe", "8", "--train-limit", "32", "--test-limit", "8", "--steps", "2", "--window", "2",
                 "--quiet", "--out", "own")
    report(result.returncode == 0 and arm_is("own") == said, f"own network, {name}: the header says what it is", result.stderr or arm_is("own"))
    shutil.rmtree(path("own"), ignore_errors=True)
done()
