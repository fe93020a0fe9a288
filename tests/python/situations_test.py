#!/usr/bin/env python3
"""The recorder in the situations that training loops come in: whatever calls the activations, whatever steps the weights, the run gives the
same bits as without it, no hook is left, and the trace is valid and says what happened.
Speaks TAP; skipped with a reason where PyTorch is absent."""
import copy
import io
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "python"))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import path, records, report, run  # noqa: E402

if tap.lacking("torch"):
    tap.skip("the recorder for PyTorch", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import poolscope  # noqa: E402

torch.set_num_threads(1)
STEPS, BATCH, WINDOW = 7, 6, 3
torch.manual_seed(7)
X, Y, PROBE = torch.randn(STEPS * BATCH, 3, 8, 8), torch.randint(4, (STEPS * BATCH,)), torch.randn(12, 3, 8, 8)


def batch(step):
    return X[step * BATCH:(step + 1) * BATCH], Y[step * BATCH:(step + 1) * BATCH]


def plain_step(model, optimizers, x, y, rec):
    loss = F.cross_entropy(model(x), y)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    if rec is not None:
        rec.loss(loss)


def sgd(model):
    return [torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05, momentum=0.9, weight_decay=1e-3)]


def train(build, make_optimizers=sgd, step=plain_step, folder=None, steps=STEPS, **options):
    """Trains, with the recorder where there is a folder; all that the run has come to."""
    torch.manual_seed(3)
    model = build()
    optimizers = make_optimizers(model)
    rec = None
    if folder is not None:
        options.setdefault("window", WINDOW)
        rec = poolscope.record(model, optimizers, path(folder), probe=PROBE, seed=1, **options)
    for i in range(steps):
        step(model, optimizers, *batch(i), rec)
    if rec is not None:
        rec.close()
    return model, optimizers, [t.clone() for t in model.state_dict().values()] + [torch.rand(3)]


def hooks_of(model, optimizers):
    """What is left on them."""
    left = [module for module in model.modules() if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__ or
            "observer" in module.__dict__]
    left += [p for p in model.parameters() if p._backward_hooks]
    return left + [o for o in optimizers if "step" in o.__dict__ or getattr(o, "_optimizer_step_pre_hooks", None) or
                   getattr(o, "_optimizer_step_post_hooks", None)]


def check(name, build, make_optimizers=sgd, step=plain_step, **options):
    """The same bits, no hooks, a valid trace; gives the trace's folder and the model."""
    folder = "".join(c if c.isalnum() else "-" for c in name)
    bare = train(build, make_optimizers, step)[2]
    model, optimizers, watched = train(build, make_optimizers, step, folder, **options)
    report(len(bare) == len(watched) and all(torch.equal(a, b) for a, b in zip(bare, watched)), f"{name}: the same bits as without the recorder")
    left = hooks_of(model, optimizers)
    report(not left, f"{name}: no hook is left", left)
    valid = run("validate", path(folder))
    report(valid.returncode == 0, f"{name}: the trace follows the format", valid.stdout + valid.stderr)
    return folder, model


def header(folder):
    return records(folder, "header")[0]


def layers(folder):
    return {layer["name"]: layer for layer in header(folder)["layers"]}


def window(folder, layer, quantity, index=0):
    return next(r["values"][quantity] for r in records(folder, "window") if r["layer"] == layer and r["window"] == index)


def near(a, b, within=1e-5):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return a.shape == b.shape and bool(((a - b).abs() <= within * (1e-12 + b.abs().max())).all())


# ---- where activations are called ----

class Functional(nn.Module):
    """Activations of every making: functions, methods, in place, modules built inside forward."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 6, 3, padding=1)
        self.three, self.norm = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.hidden, self.fc = nn.Linear(6 * 16, 9), nn.Linear(9, 4)

    def forward(self, x):
        x = F.relu(self.one(x))
        x = torch.relu(self.two(x))
        x = F.max_pool2d(nn.ReLU(inplace=True)(self.norm(self.three(x))), 2)
        return self.fc(self.hidden(x.flatten(1)).clamp_(min=0))


def sequential():
    return nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Conv2d(5, 6, 3),
                         nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))


folder, _ = check("in-place ReLU", sequential)
report(list(layers(folder)) == ["0", "4"] and layers(folder)["0"]["norm"] == "1" and layers(folder)["4"]["inputs"] == ["0"],
       "in-place ReLU: gates, normalisation and inputs are found", header(folder)["layers"])

folder, _ = check("functional ReLU", Functional)
found = layers(folder)
report(list(found) == ["one", "two", "three", "hidden"] and [found[n]["kind"] for n in found] == ["conv", "conv", "conv", "linear"] and
       found["three"]["norm"] == "norm" and found["hidden"]["inputs"] == ["three"] and found["hidden"]["fan_in"] == 96,
       "functional ReLU: every gate is found with what feeds it", header(folder)["layers"])


def zeros_of_functional():
    """Counted by hand, with the network run again."""
    torch.manual_seed(3)
    model = Functional()
    optimizers, zeros = sgd(model), 0
    for i in range(WINDOW):
        x, y = batch(i)
        with torch.no_grad():
            zeros += (F.relu(model.one(x)) == 0).double().mean((0, 2, 3))
        plain_step(model, optimizers, x, y, None)
    return zeros / WINDOW


report(near(window(folder, "one", "zeros"), zeros_of_functional(), 1e-8), "functional ReLU: zeros are those of the batches",
       (window(folder, "one", "zeros"), zeros_of_functional()))


class Twice(nn.Module):
    """One activation module, used twice; the second time behind an add."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.act, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Linear(4, 4)
        self.alias = self.act

    def forward(self, x):
        x = self.act(self.one(x))
        return self.fc(self.alias(self.two(x) + x).mean((2, 3)))


folder, _ = check("activation module used twice", Twice)
found = layers(folder)
report(list(found) == ["one", "act@2"] and found["act@2"]["kind"] == "shared" and found["one"]["gate"] == "act",
       "activation module used twice: each use is a layer", header(folder)["layers"])


class Shared(nn.Module):
    """One convolution, used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.same, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 4)

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.fc(F.relu(self.same(F.relu(self.same(x)))).mean((2, 3)))


folder, _ = check("shared weights", Shared)
found = layers(folder)
report(list(found) == ["first", "same", "same@2"] and found["same@2"]["inputs"] == ["same"] and
       window(folder, "same", "path") == window(folder, "same@2", "path") != window(folder, "first", "path"),
       "shared weights: two layers of the same weights", header(folder)["layers"])

# ---- how weights move ----


def frozen():
    model = Functional()
    for p in [*model.one.parameters(), *model.norm.parameters()]:
        p.requires_grad = False
    return model


folder, _ = check("frozen layers", frozen)
found = layers(folder)
report(found["one"].get("frozen") == ["weight", "bias"] and found["three"]["frozen"] == ["norm.weight", "norm.bias"] and "frozen" not in found["two"] and
       set(window(folder, "one", "net")) == {0}, "frozen layers: they are named, and stand still", header(folder)["layers"])


def accumulating(model, optimizers, x, y, rec):
    optimizers[0].zero_grad()
    for part in range(3):
        loss = F.cross_entropy(model(x[2 * part:2 * part + 2]), y[2 * part:2 * part + 2]) / 3
        loss.backward()
        if rec is not None:
            rec.loss(3 * loss)
    optimizers[0].step()


def gradients_by_hand(build, step, steps=WINDOW, layer="one"):
    """Root mean square of the row norms of a convolution's gradient, before the update."""
    torch.manual_seed(3)
    model, squares = build(), 0
    optimizers = sgd(model)
    for i in range(steps):
        held = []
        before = optimizers[0].step
        optimizers[0].step = lambda: (held.append(getattr(model, layer).weight.grad.clone()), before())[1]
        step(model, optimizers, *batch(i), None)
        del optimizers[0].step
        squares += held[0].double().flatten(1).pow(2).sum(1)
    return (squares / steps).sqrt()


folder, _ = check("gradient accumulation", Functional, step=accumulating, accumulate=3)
report(near(window(folder, "one", "grad_norm_rms"), gradients_by_hand(Functional, accumulating)) and header(folder)["accumulate"] == 3 and
       len(records(folder, "step")) == STEPS, "gradient accumulation: gradients are those of the whole step")


def clipped(model, optimizers, x, y, rec):
    loss = F.cross_entropy(model(x), y)
    optimizers[0].zero_grad()
    loss.backward()
    norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 0.1)))
    optimizers[0].step()


norms = []
folder, _ = check("clipping before the step", Functional, step=clipped)
steps = records(folder, "step")
report(near([s["grad_norm"] for s in steps], norms[-STEPS:]) and all(abs(s["clip"] * s["grad_norm"] - 0.1) < 1e-4 for s in steps) and
       near(window(folder, "one", "grad_norm_rms"), [v / 1 for v in gradients_by_hand(Functional, plain_step)], 2.0),
       "clipping before the step: norms are those before it, and the factor is told", steps[:2])
residual = torch.tensor(window(folder, "one", "path_residual")) / torch.tensor(window(folder, "one", "path"))
report(float(residual.max()) < 1e-3, "clipping before the step: the parts of an update add up", residual)


def halves(model):
    p = list(model.parameters())
    return [torch.optim.SGD(p[:4], 0.05, momentum=0.9), torch.optim.AdamW(p[4:], 1e-3)]


folder, _ = check("two optimizers", Functional, make_optimizers=halves)
report([o["name"] for o in header(folder)["optimisers"]] == ["SGD", "AdamW"] and len(records(folder, "step")) == STEPS and
       max(window(folder, "one", "path_residual")) < 1e-3 * max(window(folder, "one", "path")) and
       max(window(folder, "hidden", "path_residual")) < 1e-2 * max(window(folder, "hidden", "path")),
       "two optimizers: a step is over when both have stepped, and each layer's parts are those of its own", header(folder)["optimisers"])


def grouped(model):
    own = list(model.one.parameters())
    return [torch.optim.SGD([{"params": own, "lr": 0.01, "weight_decay": 0.1},
                             {"params": [p for p in model.parameters() if all(p is not q for q in own)]}], 0.05)]


folder, _ = check("parameter groups", Functional, make_optimizers=grouped)
report(min(window(folder, "one", "path_decay")) > 0 and max(window(folder, "two", "path_decay")) == 0 and header(folder)["optimisers"][0]["groups"] == 2,
       "parameter groups: each has its own rate and decay")

folder, _ = check("another optimiser", Functional, make_optimizers=lambda m: [torch.optim.RMSprop(m.parameters(), 1e-3)])
report(set(window(folder, "one", "path_gradient")) == {None} and min(window(folder, "one", "path")) > 0,
       "another optimiser: paths are measured, their parts are not")

# ---- precisions ----


def autocast(model, optimizers, x, y, rec):
    optimizers[0].zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(model(x).float(), y)
    loss.backward()
    optimizers[0].step()
    if rec is not None:
        rec.loss(loss)


folder, _ = check("AMP in bfloat16", Functional, step=autocast, precision="mixed bfloat16")
report(header(folder)["precision"] == "mixed bfloat16" and min(window(folder, "one", "zeros")) > 0, "AMP in bfloat16: it is told")


class Scaler:
    """Calls in GradScaler's documented order: scale, backward, unscale_, step (left out where a gradient is not finite), update."""

    def __init__(self):
        self.scale_by, self.unscaled = 1024.0, False

    def is_enabled(self):
        return True

    def get_scale(self):
        return self.scale_by

    def scale(self, loss):
        return loss * self.scale_by

    def unscale_(self, optimizer):
        self.unscaled = True
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad.div_(self.scale_by)

    def step(self, optimizer):
        if not self.unscaled:
            self.unscale_(optimizer)
        if all(bool(torch.isfinite(p.grad).all()) for group in optimizer.param_groups for p in group["params"]):
            optimizer.step()

    def update(self):
        self.scale_by, self.unscaled = self.scale_by / 2, False


scaler = Scaler()


def scaled(model, optimizers, x, y, rec):
    loss = F.cross_entropy(model(x), y)
    optimizers[0].zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizers[0])
    scaler.step(optimizers[0])
    scaler.update()
    if rec is not None:
        rec.loss(loss)


folder, _ = check("GradScaler", Functional, step=scaled, scaler=scaler)
plain, _ = check("without GradScaler", Functional)
report(near(window(folder, "one", "grad_norm_rms"), window(plain, "one", "grad_norm_rms"), 1e-4) and
       near(window(folder, "one", "grad_out_rms"), window(plain, "one", "grad_out_rms"), 1e-4) and
       near([s["grad_norm"] for s in records(folder, "step")], [s["grad_norm"] for s in records(plain, "step")], 1e-4) and
       {s["clip"] for s in records(folder, "step")} == {1}, "GradScaler: gradients are recorded unscaled")

# ---- Pool Skips ----


def skipped():
    return poolscope.insert_pool_skip(Functional(), 2, seed=5)


folder, _ = check("Pool Skip", skipped, arm="ps2")
report(header(folder)["arm_is"]["role"] == "pool_skip" and header(folder)["arm_is"]["pool_size"] == 2 and list(layers(folder)) == list(layers(plain)) and
       layers(folder)["one"]["pool_skip"] == "one.pool_skip" and header(folder)["pairing"]["backbone"] == header(plain)["pairing"]["backbone"],
       "Pool Skip: the arm says what it is, under the baseline's names", header(folder)["arm_is"])
values = {name: torch.tensor(window(folder, "one", name)) for name in ("pool_output", "pool_identity", "pool_path", "pool_cross", "pool_grad_total",
                                                                      "pool_grad_identity", "pool_grad_path", "pool_grad_cross")}
report(near(values["pool_output"], values["pool_identity"] + values["pool_path"] + 2 * values["pool_cross"]) and
       near(values["pool_grad_total"], values["pool_grad_identity"] + values["pool_grad_path"] + 2 * values["pool_grad_cross"]),
       "Pool Skip: energies add up, forward and backward", values)


def inserted():
    model = sequential()
    return nn.Sequential(model[0], poolscope.PoolSkip(5, 2, seed=1), *list(model)[1:])


folder, _ = check("Pool Skip in a Sequential", inserted)
report(list(layers(folder)) == ["0", "4"] and layers(folder)["0"]["norm"] == "1", "Pool Skip in a Sequential: what it renumbers keeps its name",
       header(folder)["layers"])

# ---- what is recorded ----

folder, _ = check("level light", Functional, level="light")
light = {q["name"] for q in header(folder)["quantities"]}
report(light == {"loss", "lr", "zeros", "weight_start_l2", "weight_l2", "nonzero"}, "level light: a handful of quantities", light)
folder, _ = check("patterns", Functional, level="zeros,path*,loss,layer:t*")
report(list(layers(folder)) == ["two", "three"] and all(q["name"] in ("zeros", "loss") or q["name"].startswith("path")
                                                        for q in header(folder)["quantities"]), "patterns choose quantities and layers", header(folder))
try:
    train(Functional, folder="wrong", level="zeroes")
    report(False, "a pattern that fits nothing is an error")
except ValueError as error:
    report("zeroes" in str(error), "a pattern that fits nothing is an error", error)
folder, _ = check("every third step", Functional, every=3)
report(header(folder)["every"] == 3 and all(r["sampled"] == 1 for r in records(folder, "window")) and "grad_norm" not in records(folder, "step")[1] and
       "path_gradient" not in records(folder, "window")[0]["values"], "every third step: sampled steps alone, and it is told")
timing = [r for r in records(folder, "timing") if "record_ns" in r]
report(timing and all(r["record_ns"] > 0 and r["probe_ns"] > 0 and r["train_ns"] > 0 for r in timing), "the recorder's own time is told", timing)


class Hostile(nn.Module):
    """Names as no sane person gives them."""
    NAMES = ("a/b\\c", "colon:1", 'quote"\'', "<b>&amp;", "ünïcode 日本 🧠", "tab\tand more", "%2e")

    def __init__(self):
        super().__init__()
        for name in self.NAMES:
            self._modules[name] = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        for name in self.NAMES:
            x = F.relu(self._modules[name](x))
        return self.fc(x.mean((2, 3)))


def quiet_step(model, optimizers, x, y, rec):
    plain_step(model, optimizers, x, y, rec)


folder, _ = check("hostile names", Hostile, step=quiet_step)
report([layer["name"] for layer in header(folder)["layers"]] == list(Hostile.NAMES), "hostile names are in the trace as they are", header(folder)["layers"])
os.makedirs(path("hostile"), exist_ok=True)
made = run("report", path(folder))
html = [os.path.join(where, name) for where, _, files in os.walk(path(folder)) for name in files if name.endswith(".html")]
text = open(html[0], encoding="utf-8").read() if html else ""
report(made.returncode == 0 and "ünïcode 日本 🧠" in text and "<b>&amp;:" not in text and "&lt;b&gt;&amp;amp;" in text,
       "hostile names come through to the report unharmed", made.stderr + str(html))

# ---- what goes wrong ----


class Broken(Exception):
    pass


def break_at(step):
    def run_step(model, optimizers, x, y, rec):
        if x is not None and torch.equal(x, batch(step)[0]):
            model(x)
            raise Broken
        plain_step(model, optimizers, x, y, rec)
    return run_step


torch.manual_seed(3)
model = Functional()
optimizers = sgd(model)
try:
    with poolscope.record(model, optimizers, path("broken"), probe=PROBE, window=WINDOW) as rec:
        for i in range(STEPS):
            break_at(5)(model, optimizers, *batch(i), rec)
except Broken:
    pass
valid, kinds = run("validate", path("broken")), [r["type"] for r in records("broken")]
report(valid.returncode == 0 and "end" not in kinds and kinds.count("step") == 5 and not hooks_of(model, optimizers),
       "an exception in the loop leaves a whole trace of all steps before it, and no hook", valid.stdout + valid.stderr + str(kinds))


class Fails(Functional):
    def forward(self, x):
        x = F.relu(self.one(x))
        if getattr(self, "fail", False):
            raise Broken
        return super().forward(x[:, :3])


def failing_sometimes(model, optimizers, x, y, rec):
    model.fail = True
    try:
        model(x)
    except Broken:
        pass
    model.fail = False
    plain_step(model, optimizers, x, y, rec)


check("a forward pass that fails and is caught", Fails, step=failing_sometimes)
try:
    model = Functional()
    poolscope.record(model, sgd(model), path("nothing"))
    report(False, "without probe images or an example it says what to give")
except ValueError as error:
    report("probe=" in str(error) and "example=" in str(error), "without probe images or an example it says what to give", error)

# ---- going on ----


def resumed(at, folder):
    """Cut off somewhere behind a checkpoint at step `at`, and gone on from it."""
    torch.manual_seed(3)
    model = Functional()
    optimizers = sgd(model)
    rec = poolscope.record(model, optimizers, path(folder), probe=PROBE, seed=1, window=WINDOW)
    for i in range(at):
        plain_step(model, optimizers, *batch(i), rec)
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizers[0].state_dict(), "poolscope": rec.state_dict()}, buffer)
    plain_step(model, optimizers, *batch(at), rec)
    rec.close(finished=False)
    buffer.seek(0)
    new = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 0)  # before, it refused floats
    state = torch.load(buffer, **({"weights_only": True} if new else {}))
    model = Functional()
    optimizers = sgd(model)
    model.load_state_dict(state["model"])
    optimizers[0].load_state_dict(state["optimizer"])
    with poolscope.record(model, optimizers, path(folder), probe=PROBE, seed=1, window=WINDOW, resume=state["poolscope"]) as rec:
        for i in range(at, STEPS):
            plain_step(model, optimizers, *batch(i), rec)


for at in (WINDOW, WINDOW + 1):
    resumed(at, f"resumed{at}")
    difference = tap.difference(tap.trace(plain), tap.trace(f"resumed{at}"))
    report(not difference, f"a run that goes on from step {at} leaves the trace of one that was never cut off", difference)

# ---- wrapped models ----


def wrapped_step(model, optimizers, x, y, rec):
    plain_step(nn.DataParallel(model), optimizers, x, y, rec)


folder, _ = check("DataParallel", Functional, step=wrapped_step)
report(not tap.difference(tap.trace(plain), tap.trace(folder)), "DataParallel: the trace is that of the plain model")


def copying_step(model, optimizers, x, y, rec):
    """An average of the weights is kept in a copy, which runs, too; and the model is saved whole."""
    average = copy.deepcopy(model)
    average(x)
    torch.save(model, io.BytesIO())
    plain_step(model, optimizers, x, y, rec)


check("copies of a model with functions", Functional, step=copying_step)
folder, _ = check("copies of the model", sequential, step=copying_step)
plain, _ = check("no copies of the model", sequential)
report(window(folder, "4", "zeros") is not None and len(records(folder)) == len(records(plain)), "copies of the model are not recorded")

# ---- commands ----

for seed in (1, 2, 3):
    for arm, build in (("baseline", Functional), ("ps2", skipped)):
        torch.manual_seed(seed)
        model = build()
        optimizers = sgd(model)
        with poolscope.record(model, optimizers, path("both", f"{arm}-seed{seed}"), probe=PROBE, seed=seed, arm=arm, window=2, steps=6) as rec:
            for i in range(6):
                plain_step(model, optimizers, *batch(i), rec)
            rec.eval(loss=1.0, accuracy=0.5, count=100)
folders = [path("both", f"baseline-seed{seed}") for seed in (1, 2, 3)]
arms = ["--arm", "baseline=" + ",".join(folders), "--arm", "ps2=" + ",".join(name.replace("baseline", "ps2") for name in folders)]
compared = run("compare", *arms, "--out", path("compared"))
report(compared.returncode == 0 and "seed" in compared.stdout + open(path("compared", "tables", "comparison.tsv")).read(), "compare takes its traces as pairs", compared.stdout[-1500:] + compared.stderr)
for command in (["report", folders[0]], ["diagnose", folders[0]], ["watch", folders[0], "--once"], ["explain", folders[0], "one:1"]):
    result = run(*command)
    report(result.returncode in (0, 1) and not result.stderr, f"{command[0]} takes them", result.stdout[-800:] + result.stderr)
end = records(folders[0], "end")[0]
report(end["accuracy"] == 0.5 and end["loss"] == 1 and end["steps"] == 6, "the end record has the last evaluation", json.dumps(end))
tap.done()
