#!/usr/bin/env python3
"""Softened labels: loss and gradient of classification beside PyTorch's cross_entropy, with label_smoothing and against targets of two labels.
Speaks TAP; skipped with a reason where PyTorch is absent."""
import os
import subprocess
import sys

try:
    import numpy
    import torch
except ImportError:
    print("1..1\nok 1 # SKIP no torch or numpy in this Python (make venv installs them)")
    sys.exit(0)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "grad", "loss_tool")
ROWS, failed, count = 33, 0, 0
dice = numpy.random.default_rng(5)


def ours(outputs, label, other, smoothing, share):
    data = outputs.astype("<f4").tobytes() + label.astype("<i4").tobytes() + other.astype("<i4").tobytes()
    words = [str(len(outputs)), str(outputs.shape[1]), repr(smoothing), repr(share)]
    out = subprocess.run([TOOL, *words], input=data, stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(out, "<f8", 1)[0], numpy.frombuffer(out, "<f4", -1, 8).reshape(outputs.shape)


def theirs(outputs, label, other, smoothing, share):
    x = torch.tensor(outputs, dtype=torch.float64, requires_grad=True)
    if share < 0:
        loss = torch.nn.functional.cross_entropy(x, torch.tensor(label), ignore_index=-1, label_smoothing=smoothing)
    else:
        counts = torch.tensor(label >= 0)
        hard = [torch.nn.functional.one_hot(torch.tensor(numpy.maximum(labels, 0)), x.shape[1]).double() for labels in (label, other)]
        targets = share * hard[0] + (1 - share) * hard[1]
        loss = torch.nn.functional.cross_entropy(x[counts], targets[counts], label_smoothing=smoothing)
    loss.backward()
    return loss.item(), x.grad.numpy()


for channels in (2, 10, 100):
    for smoothing in (0.0, 0.1, 0.6):
        for share in (-1.0, 0.0, 0.35, 1.0):
            outputs = dice.normal(size=(ROWS, channels)).astype(numpy.float32) * 3
            label, other = dice.integers(0, channels, ROWS), dice.integers(0, channels, ROWS)
            label[[3, ROWS - 1]] = -1
            loss, gradient = ours(outputs, label, other, smoothing, share)
            wanted, slope = theirs(outputs, label, other, smoothing, share)
            good = abs(loss - wanted) < 1e-6 * max(1, abs(wanted)) and abs(gradient - slope).max() < 1e-7
            count += 1
            failed += not good
            if not good:
                print(f"# loss {loss} against {wanted}, gradient {abs(gradient - slope).max()} apart")
            what = "" if share < 0 else f", share {share}"
            print(("ok" if good else "not ok") + f" {count} - {channels} classes, smoothing {smoothing}{what}")
print(f"1..{count}")
sys.exit(1 if failed else 0)
