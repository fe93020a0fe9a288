#!/usr/bin/env python3
"""AdamW's accounting against PyTorch: the engine's run is repeated with autograd and torch.optim.AdamW in float64, from the same initial
weights and the same batches (order and augmentation worked out from src/data/README.md), and the updates are split by the definitions
(src/kernels/update.h): this window's share of the first moment, what was carried over the window's start, and decay.

Nodes whose gradient dies between the windows are there too: some images are seen in the first window alone, so that a node which only they
open has carried moments and a gradient of exactly zero in the second.
Speaks TAP; skipped with a reason where PyTorch is absent.
"""
import importlib.util
import json
import os
import struct
import sys

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("numpy") is None:
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("ok 1 - AdamW's accounting against PyTorch # SKIP no PyTorch here (Debian: apt-get install python3-torch python3-numpy)\n1..1")
    sys.exit(0)

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
sys.path.insert(0, os.path.join(HERE, "..", "ref"))
import data_order  # noqa: E402
from tap import done, must, path, records, report, tensors  # noqa: E402

torch.set_num_threads(1)
SEED, BATCH, WINDOW, WINDOWS, SIDE, PROBE, COUNT, CLASSES = 3, 8, 6, 3, 6, 8, 160, 10
STEPS = WINDOW * WINDOWS
LR, BETA1, BETA2, EPS, DECAY, PAD = 0.01, 0.9, 0.99, 1e-3, 0.05, 1
TRAIN = COUNT - PROBE  # 152 images are 19 batches: the run stays within the first epoch

# ---- data: noise; what only the first window shows is bright ----
rng = np.random.RandomState(1)
images = rng.randint(60, 120, size=(COUNT, SIDE, SIDE)).astype(np.uint8)
labels = rng.randint(0, CLASSES, size=COUNT).astype(np.uint8)
order = data_order.permutation(SEED, 0, TRAIN)
images[order[:WINDOW * BATCH]] = np.minimum(255, images[order[:WINDOW * BATCH]].astype(int) + 135)
os.makedirs(path("idx"))
with open(path("idx", "train-images-idx3-ubyte"), "wb") as file:
    file.write(struct.pack(">IIII", 0x803, COUNT, SIDE, SIDE) + images.tobytes())
with open(path("idx", "train-labels-idx1-ubyte"), "wb") as file:
    file.write(struct.pack(">II", 0x801, COUNT) + labels.tobytes())
with open(path("net.json"), "w", encoding="utf-8") as file:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "small", "input": [1, SIDE, SIDE], "nodes": [
        {"name": "conv1", "type": "conv", "channels": 6, "padding": 1}, {"name": "relu1", "type": "relu"},
        {"name": "conv2", "type": "conv", "channels": 5}, {"name": "pool2", "type": "max_pool"}, {"name": "relu2", "type": "relu"},
        {"name": "flat", "type": "flatten"}, {"name": "fc1", "type": "linear", "features": 7}, {"name": "relu3", "type": "relu"},
        {"name": "fc2", "type": "linear", "features": 10}]}, file)

# ---- the engine ----
OPTIONS = ["--graph", path("net.json"), "--data", "idx:" + path("idx"), "--seed", str(SEED), "--batch", str(BATCH), "--probe", str(PROBE),
           "--window", str(WINDOW), "--optimiser", "adamw", "--beta1", str(BETA1), "--beta2", str(BETA2), "--eps", str(EPS), "--crop-pad", str(PAD), "--flip",
           "--steps", str(STEPS), "--lr", str(LR), "--weight-decay", str(DECAY), "--threads", "1", "--quiet"]
NAMES = ["conv1", "conv2", "fc1", "fc2"]
SHAPES = [(6, 1, 3, 3), (5, 6, 3, 3), (7, 20), (10, 7)]
initial = {}
for layer, shape in zip(NAMES, SHAPES):
    bound = 1.5 / np.sqrt(np.prod(shape[1:]))
    initial[layer + ".weight"] = rng.uniform(-bound, bound, size=shape).astype(np.float32)
    initial[layer + ".bias"] = rng.uniform(0, 0.2, size=shape[0]).astype(np.float32)
initial["conv1.weight"][0] = 0.2  # opened by bright images alone
initial["conv1.bias"][0] = -0.7
header, place = {}, 0
for name, value in initial.items():
    header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [place, place + value.nbytes]}
    place += value.nbytes
text = json.dumps(header).encode()
with open(path("initial.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(value.tobytes() for value in initial.values()))
must("train", *OPTIONS, "--init", path("initial.safetensors"), "--out", "run")
final = tensors("run/checkpoint.safetensors")
windows = {(r["window"], r["layer"]): r["values"] for r in records("run", "window")}

# ---- the same in PyTorch ----
used = images[:TRAIN].astype(np.float64)
normal = ((images - used.mean()) / used.std()).astype(np.float32).astype(np.float64)
rows = list(data_order.rows(SEED, STEPS, TRAIN, BATCH, PAD, True))


def batch(step):
    x = np.zeros((BATCH, 1, SIDE, SIDE))
    for _, _, row, image, _, y, z, mirrored in rows[step * BATCH:(step + 1) * BATCH]:
        padded = np.pad(normal[image], PAD)[PAD + y:PAD + y + SIDE, PAD + z:PAD + z + SIDE]
        x[row, 0] = padded[:, ::-1] if mirrored else padded
    return torch.tensor(x), torch.tensor([int(labels[r[3]]) for r in rows[step * BATCH:(step + 1) * BATCH]])


param = {name: torch.tensor(value.astype(np.float64), requires_grad=True) for name, value in initial.items()}
optimiser = torch.optim.AdamW(param.values(), lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=DECAY)
F = torch.nn.functional


def loss_of(x, label):
    h = F.relu(F.conv2d(x, param["conv1.weight"], param["conv1.bias"], padding=1))
    h = F.relu(F.max_pool2d(F.conv2d(h, param["conv2.weight"], param["conv2.bias"]), 2))
    h = F.relu(F.linear(h.flatten(1), param["fc1.weight"], param["fc1.bias"]))
    return F.cross_entropy(F.linear(h, param["fc2.weight"], param["fc2.bias"]), label)


def row_norm(value):
    return np.sqrt((value.reshape(value.shape[0], -1) ** 2).sum(1))


PARTS = ("path_gradient", "path_carried", "path_decay")
expected, split_error = {}, 0.0
for window in range(WINDOWS):
    start = {name: p.detach().numpy().copy() for name, p in param.items()}
    moment = {name: optimiser.state[p]["exp_avg"].numpy().copy() if p in optimiser.state else np.zeros(p.shape) for name, p in param.items()}
    own = {name: np.zeros(p.shape) for name, p in param.items()}
    total = {name: {part: np.zeros(p.shape) for part in PARTS} for name, p in param.items()}
    sums = {name: {part: 0.0 for part in (*PARTS, "path", "squares", "zero")} for name in param}
    for step in range(window * WINDOW, (window + 1) * WINDOW):
        optimiser.zero_grad()
        loss_of(*batch(step)).backward()
        before = {name: p.detach().numpy().copy() for name, p in param.items()}
        optimiser.step()
        for name, p in param.items():
            g, state = p.grad.numpy(), optimiser.state[p]
            t = int(state["step"])
            moment[name] = BETA1 * moment[name]
            own[name] = BETA1 * own[name] + (1 - BETA1) * g
            scale = LR / (1 - BETA1 ** t) / (np.sqrt(state["exp_avg_sq"].numpy() / (1 - BETA2 ** t)) + EPS)
            part = {"path_gradient": -scale * own[name], "path_carried": -scale * moment[name], "path_decay": -LR * DECAY * before[name]}
            moved = p.detach().numpy() - before[name]
            split_error = max(split_error, float(np.abs(moved - sum(part.values())).max()))
            for key, value in part.items():
                total[name][key] += value
                sums[name][key] += row_norm(value)
            sums[name]["path"] += row_norm(moved)
            sums[name]["squares"] += row_norm(g) ** 2
            sums[name]["zero"] += row_norm(g) == 0
    for i, layer in enumerate(NAMES[:3]):
        name, reader = layer + ".weight", total[NAMES[i + 1] + ".weight"]["path_gradient"]
        if layer == "conv2":  # behind the flattening: four features a channel
            reader = reader.reshape(reader.shape[0], 5, 4)
        value = {key: sums[name][key] for key in (*PARTS, "path")}
        value["grad_norm_rms"] = np.sqrt(sums[name]["squares"] / WINDOW)
        value["grad_zero_steps"] = sums[name]["zero"]
        value["net"] = row_norm(param[name].detach().numpy() - start[name])
        value["net_gradient"] = row_norm(total[name]["path_gradient"] + total[name]["path_carried"])
        value["net_decay"] = row_norm(total[name]["path_decay"])
        value["out_net_gradient"] = row_norm(reader.swapaxes(0, 1).copy())
        expected[window, layer] = value

report(split_error < 1e-12, "the three parts add up to PyTorch's own step", split_error)
error = max(float(np.abs(np.frombuffer(final[name], "<f4").reshape(p.shape) - p.detach().numpy()).max()) for name, p in param.items())
report(error < 1e-4, "the engine's run ends at PyTorch's weights", error)
for key in expected[0, "conv1"]:
    worst = (0.0, "")
    for (window, layer), value in expected.items():
        for channel, (got, want) in enumerate(zip(windows[window, layer][key], value[key])):
            # What is exactly 0 is so on both sides.
            off = abs(got - want) / (2e-3 * abs(want) + 1e-7) if want else (0 if got == 0 else float("inf"))
            worst = max(worst, (off, f"window {window}, {layer}:{channel}: {got}, PyTorch {want}"))
    report(worst[0] <= 1, key, worst)
silent = [(w, layer, c) for (w, layer), v in expected.items() if w > 0 for c in range(len(v["path"]))
          if v["grad_zero_steps"][c] == WINDOW and v["path_carried"][c] > 0]
report(len(silent) > 0 and all(windows[w, layer]["path_gradient"][c] == 0 and windows[w, layer]["path_carried"][c] > 0 for w, layer, c in silent),
       f"nodes that learned in an earlier window alone move by what was carried alone ({len(silent)} node-windows)", silent)
done()
