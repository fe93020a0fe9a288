#!/usr/bin/env python3
"""How many nodes stand on the edge, and whether that is enough: the same network under several roundings. A node that
is dead under one and alive under another should have been on the edge; PS_ROUNDING_TURN (kernels/rounding.h) is to be
as small as it can be without such nodes.

    tests/calibrate/edge.py PROGRAM [SEEDS]      needs NumPy; with 4 seeds some three minutes

ResNet-18 at a quarter of its width with planted dead nodes and Pool Skip 2 and 4, at its start, where near-ties are
most. Roundings: the instruction sets that there are, and weights moved by a unit or two in their last place. Another
share is tried by a program made with it:
    make CONFIG=turn32 CFLAGS="-O2 -DNDEBUG -DPS_ROUNDING_TURN=0.03125" SIMD_CFLAGS_turn32=-O3"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

NET = ["--model", "resnet18", "--width", "0.25", "--size", "32", "--batch", "16", "--probe", "48", "--lr", "0",
       "--train-limit", "96", "--test-limit", "16", "--steps", "1", "--window", "1", "--quiet", "--force"]
program, seeds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
rng = np.random.default_rng(1)


def train(folder, *options, env=None):
    ran = subprocess.run([program, "train", *NET, *options, "--out", folder], env={**os.environ, **(env or {})},
                         stderr=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        sys.exit(ran.stderr)


def read(file):
    with open(file, "rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        header, data = json.loads(stream.read(size)), stream.read()
    return {name: (entry["shape"], np.frombuffer(data[slice(*entry["data_offsets"])], "<f4"))
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32" and not name.startswith("optimiser/")}


def write(file, weights, units):
    """Every weight moved up or down by so many units of 2^-24 of itself."""
    header, data = {}, b""
    for name, (shape, value) in weights.items():
        moved = (value * (1 + rng.choice([-1, 1], value.shape) * units * 2.0 ** -24)).astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(moved)]}
        data += moved
    text = json.dumps(header).encode()
    with open(file, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


def states(folder):
    found = {}
    with open(os.path.join(folder, "trace.jsonl")) as stream:
        for record in map(json.loads, stream):
            if record["type"] == "probe" and record["step"] == 0:
                values = record["values"]
                for channel, (low, high) in enumerate(zip(values["pre_max_low"], values["pre_max_high"])):
                    found[record["layer"], channel] = "dead" if high <= 0 else "alive" if low > 0 else "edge"
    return found


def runs_at(level):
    ran = subprocess.run([program, "--version"], env={**os.environ, "PS_SIMD": level}, capture_output=True)
    return ran.returncode == 0


levels = [level for level in ("avx512", "avx2", "base") if runs_at(level)]
total = [0, 0, 0, 0]
print("| network | nodes | dead | on the edge | dead and alive |\n|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as work:
    start, file, out = (os.path.join(work, name) for name in ("start", "weights.safetensors", "out"))
    for pool in ("2", "4"):
        for seed in range(1, seeds + 1):
            options = ["--pool-skip", pool, "--seed", str(seed)]
            train(start, *options, "--record", "none", "--plant", "share=0.25,cause=bias,seed=3")
            weights, seen = read(os.path.join(start, "checkpoint.safetensors")), []
            for units, level in [(0, level) for level in levels] + [(1 + i % 2, levels[0]) for i in range(8)]:
                write(file, weights, units)
                train(out, *options, "--record", "nonzero,pre_max*", "--init", file, env={"PS_SIMD": level})
                seen.append(states(out))
            first = list(seen[0].values())
            counts = [len(first), first.count("dead"), first.count("edge"),
                      sum({"dead", "alive"} <= {states_of[node] for states_of in seen} for node in seen[0])]
            total = [a + b for a, b in zip(total, counts)]
            print(f"| Pool Skip {pool}, seed {seed} | " + " | ".join(map(str, counts)) + " |", flush=True)
print("| all | " + " | ".join(map(str, total)) + " |")
