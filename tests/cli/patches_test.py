#!/usr/bin/env python3
"""Training on patches from the command line: bit for bit the same for any number of threads and any cache, and after a run that was stopped went on; folds,
published lists, files that cannot be read; a published recipe on volumes; and what makes no sense is refused in a sentence."""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run, trace

GRAPH = {"format": "poolscope-graph", "version": 1, "name": "own", "input": [1, 8, 8, 8], "nodes": [
    {"name": "a", "type": "conv", "channels": 4, "padding": 1, "kernel": 3}, {"name": "a.relu", "type": "relu"},
    {"name": "out", "type": "conv", "channels": 3, "kernel": 1}]}
with open(tap.path("graph.json"), "w") as stream:
    json.dump(GRAPH, stream)


def classes():
    """Those of the generated volumes, which the network must have."""
    done = run("train", "--data", "synthetic-3d", "--graph", "graph.json", "--patch-size", "8", "--probe", "2", "--batch", "2", "--steps", "1", "--out", "first")
    if done.returncode == 0:
        return records("first")[0]["data"]["classes"]
    for count in range(2, 12):
        GRAPH["nodes"][-1]["channels"] = count
        with open(tap.path("graph.json"), "w") as out:
            json.dump(GRAPH, out)
        if run("train", "--data", "synthetic-3d", "--graph", "graph.json", "--patch-size", "8", "--probe", "2", "--batch", "2", "--steps", "1", "--out", "first").returncode == 0:
            return count
    return 0


COUNT = classes()
report(COUNT > 1, "patches of generated volumes are trained on", COUNT)
BASE = ["--data", "synthetic-3d", "--graph", "graph.json", "--patch-size", "8", "--probe", "2", "--batch", "2", "--steps", "12", "--window", "4", "--train-limit", "6", "--test-limit", "2"]
NNUNET = [*BASE, "--recipe", "nnunet", "--epoch-steps", "5"]


def same(out):
    """The trace but for what took how long, and for the configuration."""
    lines = []
    for line in records(out):
        if line["type"] == "timing":
            continue
        line.pop("config", None)
        lines.append(line)
    return lines


must("train", *NNUNET, "--threads", "1", "--out", "one")
config = records("one")[0]["config"]
report((config["momentum"], config["clip"], config["loss"], config["foreground"], config["mirror"]) == (0.99, 12, "ce+dice", 0.33, True), "the recipe of nnU-Net is in the header", config)
rates = [r["lr"] for r in records("one", "step")]
report(len(set(rates[:5])) == 1 and rates[5] < rates[4], "and its rate changes from epoch to epoch, of five steps each", rates)
for name, options in (("three threads", ["--threads", "3"]), ("no cache", ["--cache-mb", "0"]), ("a small cache and two threads", ["--cache-mb", "1", "--threads", "2"])):
    must("train", *NNUNET, *options, "--out", name.replace(" ", "-"))
    report(same(name.replace(" ", "-")) == same("one"), f"{name}: the same trace")
must("train", *NNUNET, "--seed", "2", "--out", "other")
data = [{**records(out)[0]["data"], "file_order": 0} for out in ("one", "other")]
report(data[0] == data[1], "another seed has the same probe set and data")
report(same("other") != same("one"), "and sees other patches")

# ---- a run that goes on: killed somewhere behind its first checkpoint ----
LONG = [*NNUNET, "--steps", "400", "--record", "none", "--quiet"]
must("train", *LONG, "--out", "whole")
process = subprocess.Popen([tap.PROGRAM, "train", *LONG, "--out", "killed"], cwd=tap.WORK, stderr=subprocess.DEVNULL)
for _ in range(2000):
    if os.path.exists(tap.path("killed/checkpoint.safetensors")):
        break
    time.sleep(0.005)
process.kill()
process.wait()
must("train", "--resume", "killed", "--quiet")
report(not tap.difference(trace("whole"), trace("killed")), "a run that was killed goes on to the same trace", tap.difference(trace("whole"), trace("killed")))

# ---- epochs of so many steps ----
must("train", *BASE, "--epoch-steps", "40", "--quiet", "--out", "short")
report(records("short")[0]["pairing"]["batch"] == "2 epoch_steps=40" and records("first")[0]["pairing"]["batch"] == "2", "the header says how long an epoch is called", records("short")[0]["pairing"])
for target in ("short", "short/checkpoint.safetensors"):
    found = [f for f in json.loads(must("diagnose", target, "--json").stdout)["findings"] if f["id"] == "short_run"]
    report(len(found) == 1 and "an epoch has 40" in json.dumps(found) and "never seen" not in json.dumps(found), f"findings count that epoch: {target}", found)
must("train", *BASE[:-4], "--train-limit", "60", "--test-limit", "2", "--epoch-steps", "4", "--quiet", "--out", "enough")
found = json.loads(must("diagnose", "enough", "--json").stdout)["findings"]
report(not [f for f in found if f["id"] == "short_run"], "a run of three such epochs is none of less than one", found)

# ---- folds and lists ----
digests = set()
for fold in range(5):
    must("train", *BASE[:-4], "--test-limit", "1", "--fold", str(fold), "--out", f"fold{fold}")
    digests.add(records(f"fold{fold}")[0]["data"]["digest"])
report(len(digests) == 5, "five folds are five data sets", digests)
for words, options in (
    (("say which with fold",), ["--split-file", "lists.json"]),
    (("fold 5 of 5",), ["--fold", "5"]),
    (("have no names", "leave --split-file out"), ["--fold", "0", "--split-file", "lists.json"]),
    (("foreground", "patch_size"), ["--patch-size", "", "--size", "16", "--foreground", "0.5"]),
    (("patch_turn", "patch_size"), ["--patch-size", "", "--size", "16", "--patch-turn", "0.5"]),
    (("pad_background", "patch_size"), ["--patch-size", "", "--pad-background"]),
    (("epoch_steps", "order"), ["--epoch-steps", "3", "--no-shuffle"]),
    (("mean has 2 numbers and std has 1",), ["--mean", "1,2", "--std", "1"]),
    (("backbone_lr_factor", "leave it out"), ["--backbone-lr-factor", "0.1"]),
    (("patch_size",), ["--patch-size", "8,x"]),
):
    done = run("train", *BASE, *options, "--out", "never")
    report(done.returncode == 2 and all(w in done.stderr for w in words) and done.stderr.count("\n") <= 3, f"{' '.join(options)}: refused", done.stderr)
tap.done()
