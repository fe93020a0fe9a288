#!/usr/bin/env python3
"""Parity of `poolscope spectrum` with PyTorch: the ends of the Hessian's spectrum agree within 1 % with Lanczos on double backward (float64).

Both sides see the same images: they are written as CIFAR-10 files, of which the probe is the last batch and the rest gives mean and deviation
(src/data/README.md). Every pixel stands for a block of 2 x 2, so that the resizing to 16 x 16 is exact. Weights come from the checkpoint that
`poolscope train` leaves; batch normalisation takes the batch's statistics. Speaks TAP; skipped with a reason where PyTorch is absent.
"""
import csv
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("numpy") is None:
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("ok 1 - parity of the Hessian with PyTorch # SKIP no PyTorch here (make venv, or apt-get install python3-torch python3-numpy)\n1..1")
    sys.exit(0)

import numpy as np
import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "ref"))
import torch_models  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("PS_PROGRAM") or os.path.join(os.environ.get("PS_BUILD", "build/release"), "poolscope"))
BATCH, TRAIN, SIZE, STEPS, TOLERANCE = 16, 48, 16, 40, 0.01
NETWORKS = [("resnet18", "resnet18", 0.0625, 0), ("resnet18 with Pool Skip 2", "resnet18", 0.0625, 2), ("resnet18 with Pool Skip 4", "resnet18", 0.0625, 4)]


def write_data(folder):
    """Training images and the probe behind them; returns the probe as both sides see it."""
    draw = np.random.default_rng(1)
    label = draw.integers(0, 10, TRAIN + BATCH)
    small = np.clip(draw.normal(128, 40, (TRAIN + BATCH, 3, SIZE, SIZE)) + 8 * (label - 5)[:, None, None, None], 0, 255).astype(np.uint8)
    blocks = small.repeat(2, axis=2).repeat(2, axis=3).reshape(TRAIN + BATCH, -1)
    rows = np.concatenate([label[:, None].astype(np.uint8), blocks], axis=1)
    rows.tofile(os.path.join(folder, "data_batch_1.bin"))
    rows[:BATCH].tofile(os.path.join(folder, "test_batch.bin"))
    images = small.astype(np.float64)
    mean, deviation = (f(images[:TRAIN], axis=(0, 2, 3)).reshape(1, 3, 1, 1) for f in (np.mean, np.std))
    return torch.from_numpy((images[TRAIN:] - mean) / deviation), torch.from_numpy(label[TRAIN:])


def poolscope(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        print("Bail out! poolscope %s: %s" % (arguments[0], done.stderr.strip()))
        sys.exit(2)


def engine(folder, data, model, width, e):
    """The ends of the spectrum by the program, and the weights they belong to."""
    out = os.path.join(folder, "run")
    shutil.rmtree(out, ignore_errors=True)
    poolscope("train", "--model", model, "--width", str(width), "--pool-skip", str(e), "--data", "cifar10:" + data, "--size", str(SIZE), "--batch",
              str(BATCH), "--probe", str(BATCH), "--steps", "4", "--window", "4", "--lr", "0.01", "--dropout", "0", "--record", "none", "--out", out,
              "--quiet")
    checkpoint = os.path.join(out, "checkpoint.safetensors")
    poolscope("spectrum", checkpoint, "--batches", "1", "--probes", "1", "--steps", str(STEPS), "--out", out, "--quiet")
    with open(os.path.join(out, "tables", "spectrum.tsv")) as lines:
        values = [float(row["value"]) for row in csv.DictReader(lines, delimiter="\t")]
    return values[-1], values[0], torch_models.read_safetensors(checkpoint)


def double_backward(model, x, label):
    """The Hessian as a function of vectors, and its dimension."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    loss = torch.nn.functional.cross_entropy(model(x), label)
    flat = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, create_graph=True)])

    def product(v):
        parts = torch.autograd.grad(flat @ v, parameters, retain_graph=True)
        return torch.cat([part.reshape(-1) for part in parts])

    return product, flat.numel()


def lanczos(product, dimension, steps):
    """Largest and smallest Ritz value, with full reorthogonalisation."""
    generator = torch.Generator().manual_seed(7)
    v = torch.randn(dimension, generator=generator, dtype=torch.float64)
    basis, alpha, beta = [v / v.norm()], [], []
    for _ in range(steps):
        w = product(basis[-1])
        alpha.append(float(w @ basis[-1]))
        for _ in range(2):
            for q in basis:
                w = w - (w @ q) * q
        beta.append(float(w.norm()))
        basis.append(w / w.norm())
    values = np.linalg.eigvalsh(np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1))
    return values[-1], values[0]


def reference(model, width, e, tensors, x, label):
    network = torch_models.make(model, width, 10, e).double()
    state = network.state_dict()
    for name in state:
        if name in tensors:
            state[name] = torch.from_numpy(tensors[name].astype(np.float64))
        elif not name.endswith("num_batches_tracked"):
            print("Bail out! the checkpoint has no %s" % name)
            sys.exit(2)
    network.load_state_dict(state)
    network.train()
    return lanczos(*double_backward(network, x, label), STEPS)


def main():
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp(prefix="ps_hessian_")
    data = os.path.join(folder, "data")
    os.mkdir(data)
    x, label = write_data(data)
    failed = 0
    for number, (name, model, width, e) in enumerate(NETWORKS, 1):
        top, bottom, tensors = engine(folder, data, model, width, e)
        wanted_top, wanted_bottom = reference(model, width, e, tensors, x, label)
        good = abs(top - wanted_top) <= TOLERANCE * abs(wanted_top) and abs(bottom - wanted_bottom) <= TOLERANCE * abs(wanted_top)
        failed += not good
        print("%s %d - %s: largest %.7g, PyTorch %.7g; smallest %.7g, PyTorch %.7g" % ("ok" if good else "not ok", number, name, top, wanted_top, bottom,
                                                                                      wanted_bottom), flush=True)
    print("1..%d" % len(NETWORKS))
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
