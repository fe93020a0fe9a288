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


def our_map(outputs, label, kind, batch_dice, background, weights):
    """Outputs [samples][rows][channels]."""
    data = outputs.astype("<f4").tobytes() + label.astype("<i4").tobytes()
    words = ["map", *map(str, outputs.shape), kind, str(int(batch_dice)), str(int(background)), *map(repr, weights)]
    out = subprocess.run([TOOL, *words], input=data, stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(out, "<f8", 1)[0], numpy.frombuffer(out, "<f4", -1, 8).reshape(outputs.shape)


def their_dice(x, label, batch_dice, background):
    """nnU-Net's MemoryEfficientSoftDiceLoss with a mask of what counts, written out; its value is -Dice."""
    p = torch.softmax(x, 2)
    mask = (label >= 0).unsqueeze(2)
    hard = torch.nn.functional.one_hot(label.clamp(min=0), x.shape[2]) * mask
    if not background:
        p, hard = p[..., 1:], hard[..., 1:]
    both, predicted, true = (p * hard).sum(1), (p * mask).sum(1), hard.sum(1)
    if batch_dice:
        both, predicted, true = both.sum(0), predicted.sum(0), true.sum(0)
    return -((2 * both + 1e-5) / torch.clip(true + predicted + 1e-5, 1e-8)).mean()


def their_map(outputs, label, kind, batch_dice, background, weights):
    x, label = torch.tensor(outputs, dtype=torch.float64, requires_grad=True), torch.tensor(label)
    loss = torch.zeros((), dtype=torch.float64)
    if kind.startswith("ce"):
        weight = torch.tensor(weights, dtype=torch.float64) if weights else None
        loss = loss + torch.nn.functional.cross_entropy(x.transpose(1, 2), label, weight=weight, ignore_index=-1)
    if kind.endswith("dice"):
        loss = loss + 1 + their_dice(x, label, batch_dice, background)
    loss.backward()
    return loss.item(), x.grad.numpy()


for channels in (2, 5, 19):
    weights = [round(float(w), 3) for w in dice.uniform(0.1, 3, channels)]
    for kind, batch_dice, background, given in (("ce", 0, 0, []), ("ce", 0, 0, weights), ("dice", 0, 0, []), ("dice", 1, 0, []), ("dice", 0, 1, []),
                                                ("ce+dice", 0, 0, []), ("ce+dice", 1, 0, weights)):
        outputs = dice.normal(size=(3, 150, channels)).astype(numpy.float32) * 3
        label = dice.integers(-1, channels, (3, 150))
        label[1][label[1] == 1] = 0
        loss, gradient = our_map(outputs, label, kind, batch_dice, background, given)
        wanted, slope = their_map(outputs, label, kind, batch_dice, background, given)
        good = abs(loss - wanted) < 1e-6 * max(1, abs(wanted)) and abs(gradient - slope).max() < 1e-7
        count += 1
        failed += not good
        if not good:
            print(f"# loss {loss} against {wanted}, gradient {abs(gradient - slope).max()} apart")
        print(("ok" if good else "not ok") + f" {count} - maps of {channels} classes: {kind}, batch {batch_dice}, background {background}, weights {len(given)}")
try:
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
except ImportError:
    MemoryEfficientSoftDiceLoss = None
count += 1
if MemoryEfficientSoftDiceLoss is None:
    print(f"ok {count} # SKIP no nnunetv2 in this Python (make venv installs it)")
else:
    good = True
    for batch_dice in (False, True):
        outputs = dice.normal(size=(2, 96, 4)).astype(numpy.float32)
        label = dice.integers(-1, 4, (2, 96))
        loss = our_map(outputs, label, "dice", batch_dice, False, [])[0]
        module = MemoryEfficientSoftDiceLoss(apply_nonlin=lambda x: torch.softmax(x, 1), batch_dice=batch_dice, do_bg=False, smooth=1e-5, ddp=False)
        shape = (2, 4, 4, 4, 6)
        x, y = torch.tensor(outputs).transpose(1, 2).reshape(shape), torch.tensor(label).reshape(2, 1, 4, 4, 6)
        good = good and abs(1 + module(x, y.clamp(min=0), loss_mask=(y >= 0)).item() - loss) < 1e-6
    failed += not good
    print(("ok" if good else "not ok") + f" {count} - soft Dice is nnU-Net's own and 1")
print(f"1..{count}")
sys.exit(1 if failed else 0)
