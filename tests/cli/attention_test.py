#!/usr/bin/env python3
"""A transformer of one's own: the same trace and weights for any number of threads and after being killed, an unread head found with
its cause, and what the measurements say of it."""
import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from tap import OWN, done, must, path, report, run, tensors, trace  # noqa: E402

WIDTH, HEADS = 12, 3


def block(name, source):
    """As the public ViT has it: the second residual starts from the normalised values."""
    attn, add, norm = name + ".self_attn", name + ".add1", name + ".norm1"
    return [{"name": name + ".pre_norm", "type": "layer_norm", "inputs": [source]},
            {"name": attn, "type": "attention", "heads": HEADS, "qkv_bias": False, "dropout": 0.1},
            {"name": name + ".path1", "type": "drop_path", "p": 0.2}, {"name": add, "type": "add", "inputs": [name + ".path1", source]},
            {"name": norm, "type": "layer_norm"}, {"name": name + ".linear1", "type": "linear", "features": 2 * WIDTH},
            {"name": name + ".gelu", "type": "gelu"}, {"name": name + ".linear2", "type": "linear", "features": WIDTH},
            {"name": name + ".path2", "type": "drop_path", "p": 0.2}, {"name": name + ".add2", "type": "add", "inputs": [name + ".path2", norm]}]


NODES = [{"name": "tokens", "type": "conv", "channels": WIDTH, "kernel": 2, "stride": 2}, {"name": "class", "type": "class_token"},
         {"name": "position", "type": "position_embedding"}, *block("blocks.0", "position"), *block("blocks.1", "blocks.0.add2"),
         {"name": "norm", "type": "layer_norm"}, {"name": "first", "type": "token"}, {"name": "fc", "type": "linear", "features": 10}]
with open(path("vit.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "tiny-vit", "input": [3, 8, 8], "nodes": NODES}, stream)
OPTIONS = ["--graph", "vit.json", *OWN, "--init-scheme", "transformer", "--optimiser", "adamw", "--lr", "0.001", "--steps", "24", "--window", "4"]


def same(directory):
    """"" where the run in the directory is the first one."""
    return tap.difference(trace("whole"), trace(directory)) or (
        "" if tensors("whole/checkpoint.safetensors", without="") == tensors(f"{directory}/checkpoint.safetensors", without="") else "other weights")


must("train", *OPTIONS, "--threads", "1", "--out", "whole")
for threads in ("2", "3", "8"):
    must("train", *OPTIONS, "--threads", threads, "--out", "t" + threads)
    report(same("t" + threads) == "", f"attention on {threads} threads: the same bits as on one", same("t" + threads))

for number in range(3):
    directory = f"killed{number}"
    process = subprocess.Popen([tap.PROGRAM, "train", *OPTIONS, "--threads", "2", "--out", directory], cwd=tap.WORK, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 20 * tap.PATIENCE
    while not os.path.exists(path(directory, "checkpoint.safetensors")) and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.002 * (number + 1))
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = run("train", "--resume", directory, "--quiet") if os.path.exists(path(directory, "config.json")) else run("train", *OPTIONS, "--out", directory)
    report(again.returncode == 0 and same(directory) == "", f"killed and gone on with ({number + 1}): the same trace and weights",
           again.stderr + same(directory))

header = json.loads(open(path("whole", "trace.jsonl")).readline())
kinds = [(layer["kind"], layer["channels"]) for layer in header["layers"]]
report(kinds == [("attention", HEADS), ("linear", 2 * WIDTH)] * 2, "heads and hidden neurons are recorded", kinds)
valid = run("validate", "whole/trace.jsonl")
report(valid.returncode == 0, "the trace follows the format", valid.stdout)

must("train", *OPTIONS[:-4], "--steps", "4", "--window", "4", "--lr", "0", "--plant", "layers=*self_attn,count=1,cause=weights-out,seed=2", "--out", "planted")
planted = {(event["layer"], channel) for event in map(json.loads, trace("planted")) if event.get("event") == "planted"
           for channel in event["channels"]}
found = [line.split("\t") for line in must("diagnose", "planted/checkpoint.safetensors", "--tsv").stdout.splitlines()[1:]]
report(len(planted) == 2 and {(f[0], int(f[1])) for f in found} == planted and all(f[2:5] == ["unused", "zero_outgoing", "NA"] for f in found),
       "a head that nothing reads is unused, with its cause, and no other node is", f"{planted} {found}")

ranks = run("ranks", "whole/checkpoint.safetensors")
report(ranks.returncode == 0 and "linear1" in ranks.stdout and "self_attn" not in ranks.stdout, "ranks are those of the neurons", ranks.stdout + ranks.stderr)
for command, said in (("spectrum", "layers of type attention have no Hessian-vector products"), ("compensation", "has no Pool Skip")):
    refused = run(command, "whole/checkpoint.safetensors")
    report(refused.returncode == 2 and said in refused.stderr and refused.stderr.count("\n") == 1, f"{command} says in one sentence why not", refused.stderr)
done()
