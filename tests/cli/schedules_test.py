"""Epochs and schedules: the rate of every step against the formula, and against PyTorch's schedulers where they say the same."""
import json
import math
import sys

sys.dont_write_bytecode = True
import tap
from tap import OWN, must, records, report, run, skip

# 256 images in batches of 16: 16 steps an epoch.
EPOCH, LR = 16, 0.1
NET = ["--model", "plain9", *["0.05" if w == "0.5" else w for w in tap.TINY], "--record", "none", "--lr", str(LR), "--checkpoint-every", "0"]


def rates(name, *options):
    must("train", *NET, *options, "--out", name)
    return [r["lr"] for r in records(name, "step")]


def close(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-15) for x, y in zip(a, b))


def cosine(t, whole, low=0.0, high=LR):
    return low + (high - low) * (1 + math.cos(math.pi * min(t / whole, 1))) / 2


# ---- epochs ----
must("train", *NET, "--epochs", "3", "--window", "10", "--eval-every-epoch", "--out", "epochs")
header = records("epochs")[0]
report(header["config"]["epochs"] == 3 and header["config"]["steps"] == 3 * EPOCH == header["steps"], "an epoch is the whole batches of the training images; the header has epochs and steps")
report([r["step"] for r in records("epochs", "eval")] == [20, 40, 48], "evaluated at the end of each window that an epoch ends in, and at the end",
       [r["step"] for r in records("epochs", "eval")])
must("train", *NET, "--epochs", "3", "--window", "8", "--eval-every-epoch", "--out", "whole")
report([r["step"] for r in records("whole", "eval")] == [16, 32, 48], "windows that divide an epoch: evaluated when it ends", [r["step"] for r in records("whole", "eval")])
must("train", *NET, "--steps", "48", "--window", "10", "--out", "steps")
report([r["loss"] for r in records("steps", "step")] == [r["loss"] for r in records("epochs", "step")], "epochs and as many steps are the same run")
for name, options, words in (
    ("epochs beside other steps", ["--epochs", "3", "--steps", "40"], ("--epochs 3", "48 steps", "--steps says 40", "leave one")),
    ("two times to evaluate", ["--epochs", "1", "--eval-every", "1", "--eval-every-epoch"], ("--eval-every 1", "--eval-every-epoch", "one of them")),
    ("two lengths of warm-up", ["--warmup", "3", "--warmup-epochs", "1"], ("--warmup 3", "--warmup-epochs 1", "one of them")),
    ("a start of no warm-up", ["--warmup-from", "0.01"], ("0.01", "needs a warm-up")),
    ("a negative start of warm-up", ["--warmup-from", "-0.5", "--warmup", "3"], ("--warmup-from", "-0.5")),
    ("a least rate of a constant one", ["--lr-min", "0.01"], ("constant", "cosine or polynomial")),
    ("a least rate above the rate", ["--schedule", "cosine", "--lr-min", "1"], ("least learning rate 1", "0.1")),
    ("a cool-down of the whole run", ["--schedule", "cosine", "--epochs", "2", "--cooldown-epochs", "2"], ("cool-down of 32 steps", "32 steps")),
    ("milestones in shares and epochs", ["--schedule", "step", "--epochs", "2", "--milestones", "0.5,60"], ("0.5", "60", "share", "epoch")),
    ("an unknown schedule", ["--schedule", "linear"], ("linear", "polynomial")),
    ("an unknown group without decay", ["--decay-exempt", "norms,gains"], ("gains", "norms, biases and embeddings")),
):
    result = run("train", *NET, *options, "--out", "never")
    report(result.returncode == 2 and all(w in result.stderr for w in words), f"{name}: refused with the remedy", result.stderr)
must("train", *NET, "--epochs", "3", "--steps", "48", "--out", "both")
report(records("both")[0]["config"]["steps"] == 48, "epochs beside as many steps agree")
must("train", "epochs/config.json", "--epochs", "1", "--quiet", "--out", "shorter")
must("train", "epochs/config.json", "--steps", "7", "--quiet", "--out", "shortest")
report([records(n)[0]["config"][k] for n in ("shorter", "shortest") for k in ("epochs", "steps")] == [1, 16, 0, 7], "one of the two on the command line replaces both of a file")
with open(tap.path("experiment.json"), "w") as stream:
    json.dump({"name": "e", "base": {"model": "plain9", "width": 0.05, "size": 8, "batch": 16, "probe": 32, "train_limit": 256, "test_limit": 48, "epochs": 2, "window": 16},
               "arms": [{"name": "baseline"}, {"name": "long", "epochs": 3}], "seeds": [1]}, stream)
done = run("experiment", "experiment.json", "--out", "e", "--quiet", "--no-report")
report(done.returncode == 0 and [records(f"e/runs/{a}/seed-1")[0]["steps"] for a in ("baseline", "long")] == [32, 48], "epochs of an experiment's base and of an arm", done.stderr)
again = run("experiment", "experiment.json", "--out", "e", "--quiet", "--no-report")
report(again.returncode == done.returncode, "and the same experiment once more finds its runs", again.stderr)

# ---- schedules ----
T = 4 * EPOCH
LONG = ["--epochs", "4", "--window", "64"]
report(close(rates("c", *LONG, "--schedule", "cosine", "--lr-min", "0.01"), [cosine(t, T, 0.01) for t in range(T)]), "cosine down to a rate")
report(close(rates("cd", *LONG, "--schedule", "cosine", "--lr-min", "0.01", "--cooldown-epochs", "1"), [cosine(t, T - EPOCH, 0.01) for t in range(T)]),
       "cosine with an epoch of cool-down")
report(close(rates("ct", *LONG, "--schedule", "cosine", "--lr-min", "0.001", "--cooldown-epochs", "1", "--warmup-epochs", "2", "--warmup-from", "0.005", "--lr-by-epoch"),
             [(0.005 + (LR - 0.005) * e / 2) if e < 2 else cosine(e, 3, 0.001) for e in (t // EPOCH for t in range(T))]), "by epochs, with warm-up and cool-down (as timm has it)")
report(close(rates("p", *LONG, "--schedule", "polynomial", "--poly-power", "0.9", "--lr-min", "0.02"), [max(LR * (1 - t / T) ** 0.9, 0.02) for t in range(T)]),
       "polynomial, with a floor (as DeepLab's code has it)")
report(close(rates("pe", *LONG, "--schedule", "polynomial", "--poly-power", "2", "--lr-by-epoch"), [LR * (1 - t // EPOCH / 4) ** 2 for t in range(T)]), "polynomial by epochs")
steps = rates("s", *LONG, "--schedule", "step", "--milestones", "1,2,3", "--step-factor", "0.2")
report(close(steps, [LR * 0.2 ** (t // EPOCH) for t in range(T)]), "milestones in epochs fall at an epoch's first step")
report(close(rates("ss", *LONG, "--schedule", "step", "--milestones", "0.25,0.5,0.75"), steps), "and are those in shares")
report(close(rates("sl", *LONG, "--schedule", "step", "--milestones", "2,60"), [LR * 0.2 ** (t >= 32) for t in range(T)]), "milestones behind the end never come")
report(close(rates("w", *LONG, "--warmup-epochs", "1", "--warmup-from", "0"), [LR * min(t / EPOCH, 1) for t in range(T)]), "warm-up over epoch 1 from 0: lr i / iterations")
report(close(rates("wd", *LONG, "--warmup", "5"), [LR * min((t + 1) / 5, 1) for t in range(T)]), "warm-up as by default: lr (i + 1) / steps")
report(rates("we", *LONG, "--warmup-epochs", "0.5", "--schedule", "cosine") == rates("wf", *LONG, "--warmup", "8", "--schedule", "cosine"), "warm-up in epochs is that in steps")

try:
    import torch
except ImportError:
    torch = None
if torch is None:
    skip("PyTorch's schedulers", "torch is not there")
else:
    def of_torch(make):
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
        scheduler, found = make(optimiser), []
        for _ in range(T):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        return found

    of = torch.optim.lr_scheduler
    for name, run_name, make in (
        ("CosineAnnealingLR", "c", lambda o: of.CosineAnnealingLR(o, T, eta_min=0.01)),
        ("MultiStepLR", "s", lambda o: of.MultiStepLR(o, [EPOCH, 2 * EPOCH, 3 * EPOCH], gamma=0.2)),
        ("LinearLR", "w", lambda o: of.LambdaLR(o, lambda t: min(t / EPOCH, 1))),
    ):
        ours = [r["lr"] for r in records(run_name, "step")]
        theirs = of_torch(make)
        report(all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(ours, theirs)), f"{name} of PyTorch gives the same rates")
    ours = rates("pt", *LONG, "--schedule", "polynomial", "--poly-power", "0.9")
    report(all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(ours, of_torch(lambda o: of.PolynomialLR(o, T, power=0.9)))), "PolynomialLR of PyTorch gives the same rates")

# ---- weight decay by groups ----
for name, options in (("all", []), ("exempt", ["--decay-exempt", "norms,biases"])):
    must("train", *NET, "--steps", "4", "--window", "4", "--weight-decay", "0.5", *options, "--out", name)
report("decay_exempt=norms,biases" in records("exempt")[0]["pairing"]["optimiser"] and "decay_exempt" not in records("all")[0]["pairing"]["optimiser"], "the header says which groups go without decay")
tap.done()
