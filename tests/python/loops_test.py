#!/usr/bin/env python3
"""The recorder in training loops and models as users write them: whatever is called in between, whatever makes the
gradients, whatever is wrong with what is handed over. The run gives the same bits, and no number is of something else.
Speaks TAP; skipped with a reason where PyTorch is absent."""

import collections
import contextlib
import dataclasses
import math
import os
import pathlib
import resource
import sys
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "python"))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import path, records, report, run, skip  # noqa: E402

if tap.lacking("torch"):
    skip("the recorder in loops", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import poolscope  # noqa: E402

torch.set_num_threads(1)
VERSION = tuple(map(int, torch.__version__.split(".")[:2]))
STEPS, BATCH, WINDOW = 7, 6, 3
torch.manual_seed(7)
X, Y, PROBE = torch.randn(STEPS * BATCH, 3, 10, 10), torch.randint(4, (STEPS * BATCH,)), torch.randn(12, 3, 10, 10)


class Net(nn.Module):
    """One activation module for three convolutions. wrap: how each unit is called."""

    def __init__(self, wrap=lambda unit, x: unit(x), after=lambda x: x):
        super().__init__()
        self.a, self.b, self.c, self.fc = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 7, 3), nn.Conv2d(7, 9, 3), nn.Linear(9, 4)
        self.act, self.wrap, self.after = nn.ReLU(), wrap, after

    def activate(self, x):
        return self.act(x)

    def forward(self, x):
        for conv in (self.a, self.b, self.c):
            x = self.wrap(lambda x, conv=conv: self.after(self.activate(conv(x))), x)
        return self.fc(x.mean((2, 3)))


class Functional(Net):
    def activate(self, x):
        return F.relu(x)


def sgd(model, **more):
    return torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-3, **more)


def plain_step(model, optimizer, x, y, rec):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if rec is not None:
        rec.loss(loss)


def train(build, step, optimizer_of, folder=None, **options):
    """All that a run has come to, and what was warned of."""
    torch.manual_seed(3)
    model = build()
    optimizer, rec = optimizer_of(model), None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if folder is not None:
            rec = poolscope.record(model, optimizer, path(folder), **{"probe": PROBE, "window": WINDOW, **options})
        for i in range(STEPS):
            rows = slice(i * BATCH, (i + 1) * BATCH)
            step(model, optimizer, X[rows], Y[rows], rec)
        if rec is not None:
            rec.close()
    ours = [str(w.message) for w in said if "poolscope" in str(w.message)]
    return [t.clone() for t in model.state_dict().values()] + [torch.rand(3)], ours, model


def equal(a, b):
    return len(a) == len(b) and all(
        torch.equal(torch.nan_to_num(torch.view_as_real(p) if p.is_complex() else p), torch.nan_to_num(
            torch.view_as_real(q) if q.is_complex() else q)) for p, q in zip(a, b))


def valid(folder):
    result = run("validate", path(folder))
    return result.returncode == 0, result.stdout[-800:] + result.stderr[-400:]


def check(name, build, step=plain_step, optimizer_of=sgd, **options):
    """The same bits and a valid trace; gives the trace's folder."""
    folder = "".join(c if c.isalnum() else "-" for c in name)
    bare = train(build, step, optimizer_of)[0]
    watched, check.said, check.model = train(build, step, optimizer_of, folder, **options)
    good, note = valid(folder)
    report(equal(bare, watched) and good, f"{name}: the same bits, and a valid trace", note)
    return folder


def values(folder, layer, quantity, window=0):
    found = (r for r in records(folder, "window") if (r["layer"], r["window"]) == (layer, window))
    return next(found)["values"].get(quantity)


def like(folder, other, name, within=1e-5, but=()):
    """Whether all windows of two traces say the same."""
    wrong = []
    for a, b in zip(records(folder, "window"), records(other, "window")):
        for key, wanted in b["values"].items():
            got = a["values"].get(key)
            if key == "path_residual" or key in but:
                continue
            p, q = (torch.tensor([math.nan if v is None else float(v) for v in (v if isinstance(v, list) else [v])],
                                 dtype=torch.float64) for v in (got, wanted))
            near = p.shape == q.shape and bool(((p - q).abs() <= within * q.abs().max()).all() or torch.equal(p, q))
            if not near:
                wrong.append((a["window"], a["layer"], key, got, wanted))
    same = not wrong and len(records(folder, "window")) == len(records(other, "window")) > 0
    report(same, name, "\n".join(map(str, wrong[:6])))


plain, plain_function = check("one module", Net), check("one function", Functional)

# ---- what else is called in the loop ----


def validating(model, optimizer, x, y, rec):
    plain_step(model, optimizer, x, y, rec)
    model.eval()(PROBE)
    with torch.no_grad():
        model(PROBE)
        model.train()(PROBE)


for build, other in ((Net, plain), (Functional, plain_function)):
    like(check(f"validation in the loop, {build.__name__}", build, validating), other,
         f"validation in the loop, {build.__name__}: only batches of training are counted")


class Backbone(nn.Module):
    """Its first half may run without gradient, or in evaluation mode while the rest trains."""

    def __init__(self, without_gradient=False):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        self.head, self.fc, self.without_gradient = nn.Conv2d(5, 4, 3), nn.Linear(4, 4), without_gradient

    def forward(self, x):
        with torch.no_grad() if self.without_gradient else contextlib.nullcontext():
            x = F.relu(self.body(x))
        return self.fc(F.relu(self.head(x)).mean((2, 3)))


def body_in_evaluation(model, optimizer, x, y, rec):
    model.train().body.eval()
    plain_step(model, optimizer, x, y, rec)


def only_head_in_training(model, optimizer, x, y, rec):
    model.eval().head.train()
    plain_step(model, optimizer, x, y, rec)


for name, step, without in (("a backbone in evaluation mode", body_in_evaluation, False),
                            ("a head in training mode", only_head_in_training, False),
                            ("a backbone without gradient", plain_step, True)):
    folder = check(name, lambda without=without: Backbone(without), step)
    zeros = [values(folder, layer, "zeros") for layer in ("body.0", "head")]
    report(all(z is not None and min(z) > 0 for z in zeros), f"{name}: zeros of its gates are counted", zeros)

# ---- activation checkpointing: units run again within the backward pass ----


def checkpointed(reentrant):
    def call(unit, x):
        return checkpoint(unit, x.requires_grad_() if reentrant and x.is_leaf else x, use_reentrant=reentrant)
    return call


def input_with_gradient(model, optimizer, x, y, rec):
    plain_step(model, optimizer, x.clone(), y, rec)


if VERSION < (2, 0):
    skip("activation checkpointing", "before version 2.0 nobody can tell a backward pass")
else:
    def longer(x):
        return (x * 1.5).sigmoid()  # so that the activation runs again

    for after, word in ((lambda x: x, "short"), (longer, "long")):
        for build in (Net, Functional):
            other = check(f"{word} units of {build.__name__}", lambda: build(after=after))
            for reentrant in (False, True):
                name = f"{word} units of {build.__name__}, {'re-entrant' if reentrant else 'other'} checkpointing"
                folder = check(name, lambda: build(checkpointed(reentrant), after), input_with_gradient)
                like(folder, other, f"{name}: nothing is counted twice, nor taken for another",
                     but=("grad_out_rms",) if reentrant else ())

    class Skipped(nn.Module):
        def __init__(self, again):
            super().__init__()
            skip = poolscope.PoolSkip(5, 2, seed=1)
            self.unit = nn.Sequential(nn.Conv2d(3, 5, 3), skip, nn.ReLU(), nn.Conv2d(5, 4, 3))
            self.fc, self.again = nn.Linear(4, 4), again

        def forward(self, x):
            x = self.unit(x) if self.again is None else checkpointed(self.again)(self.unit, x)
            return self.fc(x.mean((2, 3)))

    other = check("Pool Skip", lambda: Skipped(None))
    for reentrant in (False, True):
        name = f"Pool Skip, {'re-entrant' if reentrant else 'other'} checkpointing"
        folder = check(name, lambda: Skipped(reentrant), input_with_gradient)
        like(folder, other, f"{name}: energies are those of one pass")

# ---- gradients that do not come from loss.backward() ----


def by_hand(model, optimizer, x, y, rec):
    parameters = list(model.parameters())
    loss = F.cross_entropy(model(x), y)
    for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = gradient
    optimizer.step()


def by_function(model, optimizer, x, y, rec):
    from torch.func import functional_call, grad
    parameters = dict(model.named_parameters())
    gradients = grad(lambda p: F.cross_entropy(functional_call(model, p, (x,)), y))(parameters)
    for name, p in parameters.items():
        p.grad = gradients[name].detach().clone()
    optimizer.step()


def of_each_sample(model, optimizer, x, y, rec):
    from torch.func import functional_call, grad, vmap
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters, x, y):
        return F.cross_entropy(functional_call(model, parameters, (x[None],)), y[None])

    gradients = vmap(grad(loss), (None, 0, 0))(parameters, x, y)
    for name, p in model.named_parameters():
        p.grad = gradients[name].mean(0)
    optimizer.step()


if VERSION < (2, 1):
    skip("gradients by hand", "before version 2.1 torch.autograd.grad looks like a backward pass")
else:
    like(check("torch.autograd.grad", Net, by_hand), plain, "torch.autograd.grad: gradients are those of the step")
    for build, other in ((Net, plain), (Functional, plain_function)):
        name = f"torch.func, {build.__name__}"
        like(check(name, build, by_function), other, f"{name}: gradients are those of the step")
        name = f"vmap, {build.__name__}"
        folder = check(name, build, of_each_sample)
        report(set(values(folder, "a", "zeros")) == {None} and min(values(folder, "a", "grad_norm_rms")) > 0 and
               not check.said, f"{name}: what has no batch is not recorded, and the rest is", check.said)


def closure_step(model, optimizer, x, y, rec):
    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if rec is not None:
            rec.loss(loss)
        return loss
    optimizer.step(closure)


like(check("a closure", Net, closure_step), plain, "a closure: it is within the step")
check("LBFGS", Net, closure_step, lambda m: torch.optim.LBFGS(m.parameters(), 0.1, max_iter=3))

# ---- steps that a GradScaler leaves out ----


class Scaler:
    """In GradScaler's documented order; leaves out the update where a gradient is not finite, and halves its scale."""

    def __init__(self):
        self.by, self.bad = 1024.0, False

    def is_enabled(self):
        return True

    def get_scale(self):
        return self.by

    def scale(self, loss):
        return loss * self.by

    def step(self, optimizer):
        held = [p for group in optimizer.param_groups for p in group["params"]]
        for p in held:
            p.grad.div_(self.by)
        self.bad = not all(bool(torch.isfinite(p.grad).all()) for p in held)
        if not self.bad:
            optimizer.step()

    def update(self):
        self.by /= 2 if self.bad else 1


def overflowing(model, optimizer, x, y, rec):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    scaled = scaler.scale(loss)
    (scaled * float("inf") if torch.equal(x, X[2 * BATCH:3 * BATCH]) else scaled).backward()
    scaler.step(optimizer)
    scaler.update()
    if rec is not None:
        rec.loss(loss)


class Current:
    """Each run has a scaler of its own."""

    def __getattr__(self, name):
        return getattr(scaler, name)


kinds = [("a stand-in", Scaler, {})]
if hasattr(torch, "amp") and hasattr(torch.amp, "GradScaler"):
    kinds += [("GradScaler", lambda: torch.amp.GradScaler("cpu", init_scale=1024.0), {}),
              ("GradScaler, fused", lambda: torch.amp.GradScaler("cpu", init_scale=1024.0), {"fused": True})]
else:
    skip("the framework's own GradScaler", "this version has none for the processor")
for name, make, more in kinds:
    def build():
        global scaler
        scaler = make()
        return Net()

    scaler = make()
    folder = check(f"{name} that leaves a step out", build, overflowing, lambda m: sgd(m, **more), scaler=Current())
    steps = records(folder, "step")
    numbers = [v for r in records(folder, "window") for values_ in r["values"].values() for v in values_]
    report(len(steps) == STEPS - 1 and all(isinstance(s["grad_norm"], float) and s["grad_norm"] < 2 for s in steps) and
           not [v for v in numbers if isinstance(v, str)] and not records(folder, "event"),
           f"{name}: what the scaler leaves out is no step, and nothing of it is recorded", steps)

# ---- parameters and models of other kinds ----


class Odd(Net):
    """Sparse gradients, complex numbers, a parameter without dimensions, and a buffer that is put anew."""

    def __init__(self):
        super().__init__()
        self.words, self.out = nn.Embedding(20, 5, sparse=True), nn.Linear(5, 4)
        self.wave, self.scale = nn.Parameter(torch.randn(3, 3, dtype=torch.cfloat)), nn.Parameter(torch.tensor(1.0))
        self.register_buffer("average", torch.zeros(()))

    def forward(self, x):
        self.average = 0.9 * self.average + 0.1 * x.mean()
        more = self.out(self.words(torch.arange(3))).mean(0) + self.wave.abs().sum() * self.average
        return super().forward(x) * self.scale + more


def without_decay(model):
    return torch.optim.SGD(model.parameters(), 0.01)


check("sparse and complex parameters", Odd, optimizer_of=without_decay)
report(not check.said, "sparse and complex parameters: nothing is warned of", check.said)


def breaking(model, optimizer, x, y, rec):
    plain_step(model, optimizer, x * float("nan") if torch.equal(x, X[5 * BATCH:6 * BATCH]) else x, y, rec)


folder = check("a run that breaks", Odd, breaking, without_decay)
report(any(e["what"] == "gradient" for e in records(folder, "event")) and not check.said and
       records(folder)[-1]["type"] == "end", "a run that breaks is recorded to its end", check.said)


class Keywords(Net):
    def forward(self, x):
        for conv in (self.a, self.b, self.c):
            x = self.act(input=conv(input=x))
        return self.fc(input=x.mean((2, 3)))


like(check("keywords", Keywords), plain, "arguments by keyword", but=() if VERSION >= (2, 0) else ("grad_out_rms",))
Batch = collections.namedtuple("Batch", "image")


@dataclasses.dataclass
class Result:
    logits: torch.Tensor
    features: torch.Tensor


class Structured(Net):
    def forward(self, batch):
        features = self.act(self.a(batch.image))
        return Result(self.fc(self.act(self.c(self.act(self.b(features)))).mean((2, 3))), features)


def structured_step(model, optimizer, x, y, rec):
    loss = F.cross_entropy(model(Batch(x)).logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


folder = check("a named tuple in, a data class out", Structured, structured_step, probe=(Batch(PROBE),))
names = records(folder, "window")[0]["values"].keys()
report("out_start_l2" not in names and values(folder, "b", "out_start_l2") is not None,
       "a data class: what stands in it is read past all weights", names)


class More(Net):
    """In training it calls its activation once more than in evaluation."""

    def forward(self, x):
        if self.training:
            self.activate(x)
        return super().forward(x)


class MoreFunctions(Functional):
    def forward(self, x):
        if self.training:
            self.activate(x)
        return super().forward(x)


for build in (More, MoreFunctions):
    folder = check(f"calls in training alone, {build.__name__}", build)
    report(set(values(folder, "b", "zeros")) == {None} and min(values(folder, "b", "path")) > 0 and
           any("as often in training" in text for text in check.said) and len(check.said) == 3,
           f"calls in training alone, {build.__name__}: what cannot be told apart is not recorded, with a warning",
           check.said)


def thawing(model, optimizer, x, y, rec):
    if torch.equal(x, X[3 * BATCH:4 * BATCH]):
        for p in model.a.parameters():
            p.requires_grad_(True)
        optimizer.add_param_group({"params": list(model.a.parameters()), "lr": 0.01})
    plain_step(model, optimizer, x, y, rec)


def frozen():
    model = Net()
    for p in model.a.parameters():
        p.requires_grad_(False)
    return model


folder = check("a layer that thaws", frozen, thawing,
               lambda m: torch.optim.SGD([p for p in m.parameters() if p.requires_grad], 0.05, momentum=0.9))
report(set(values(folder, "a", "path")) == {0} and min(values(folder, "a", "path", 1)) > 0 and
       min(values(folder, "a", "grad_norm_rms", 1)) > 0, "a layer that thaws is recorded from then on")


class Indexed(Net):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(8, 4)

    def forward(self, x):
        return super().forward(x) + self.words((x[:, 0, 0] * 5).long().clamp(0, 7)).mean(1)


folder = check("indices that are kept in range", Indexed)
report([layer["name"] for layer in records(folder, "header")[0]["layers"]] == ["a", "b", "c"],
       "indices that are kept in range are no gate")


class Alike(nn.Sequential):
    def __init__(self):
        act = nn.ReLU()
        super().__init__(collections.OrderedDict([
            ("act", act), ("conv", nn.Conv2d(3, 3, 1)), ("again", act), ("act@2", nn.ReLU()),
            ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(3, 4))]))


folder = check("names that look like second uses", Alike)
report(len({layer["gate"] for layer in records(folder, "header")[0]["layers"]}) == 3,
       "names that look like second uses differ")

# ---- precision ----


def narrow_step(model, optimizer, x, y, rec):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(model(x).float(), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def skipped():
    return poolscope.insert_pool_skip(Functional(), 2, seed=5)


folder = check("autocast", skipped, narrow_step)
said = [records(name, "header")[0]["precision"] for name in (folder, plain)]
report(said == ["mixed bfloat16", "float32"],
       "autocast: the header says in which precision the gates are computed")
sums = {name: torch.tensor(values(folder, "a", f"pool_{name}")) for name in ("output", "identity", "path", "cross")}
gap = (sums["identity"] + sums["path"] + 2 * sums["cross"] - sums["output"]).abs() / sums["output"]
report(float(gap.max()) < 2e-3, "autocast: sums are not rounded to it", gap)

# ---- zeros are counted in pieces, by several ways through memory ----
wrong = []
for shape, axis in (((3, 5, 7, 9), 1), ((9, 70, 40, 41), 1), ((700, 64, 2), 1), ((6, 512), 1), ((4, 50, 96), 2),
                    ((2, 3, 9, 30, 31), 1), ((1, 2, 800, 800), 1), ((0, 4, 3, 3), 1), ((5, 4, 3, 0), 1)):
    for make in (lambda x: x, torch.Tensor.double, torch.Tensor.bfloat16,
                 lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
                 lambda x: x.to(memory_format=torch.channels_last) if x.dim() == 4 else x):
        x = make(torch.randn(shape).relu_())
        if x.numel():
            x[(0,) * x.dim()] = math.nan
        by_hand_ = (x == 0).transpose(0, axis).flatten(1).sum(1)
        if not torch.equal(poolscope._count_zeros(x, axis).long(), by_hand_):
            wrong.append((shape, axis, x.dtype, x.stride()))
report(not wrong, "zeros are counted exactly, whatever the shape and the order in memory", wrong)

# ---- what is handed over ----
refusals = [("probe", TypeError, {"probe": torch.utils.data.DataLoader([1])}), ("window", ValueError, {"window": 0}),
            ("every", ValueError, {"every": 0}), ("seed", ValueError, {"seed": 2**60}),
            ("Top-1", ValueError, {"measures": {"Top-1": "higher"}}),
            ("better", ValueError, {"measures": {"top1": "more"}})]
for word, kind, options in refusals:
    try:
        train(Net, plain_step, sgd, "refused", **options)
        report(False, f"{word} is refused")
    except kind as error:
        report("poolscope.record" in str(error) and word in str(error), f"{word} is refused", error)
if sys.version_info >= (3, 11):
    try:
        train(Net, plain_step, sgd, "refused", probe=(PROBE, Y[:12]))
        report(False, "labels beside the probe images: told what probe is")
    except TypeError as error:
        report("without labels" in error.__notes__[0], "labels beside the probe images: told what probe is", error)
try:
    poolscope.record(Net(), [], path("refused"), probe=PROBE)
    report(False, "no optimizer is refused")
except ValueError as error:
    report("optimizer" in str(error), "no optimizer is refused", error)
lazy = Net()
lazy.fc = nn.LazyLinear(4)
try:
    poolscope.record(lazy, torch.optim.SGD(lazy.a.parameters(), 0.1), path("refused"), probe=PROBE)
    report(False, "parameters without a shape are refused")
except ValueError as error:
    report("fc.weight" in str(error), "parameters without a shape are refused", error)
settings = {"folder": pathlib.Path("a"), "rate": math.nan, "on": torch.device("cpu"), 3: {1}, "big": 2**70, "yes": True}
wanted = {"folder": "a", "rate": "NaN", "on": "cpu", "3": [1], "big": str(2**70), "yes": True}
found = records(check("settings of any kind", Net, config=settings), "header")[0]["config"]
report(found == wanted, "settings of any kind are written as what they are, or as text", found)

# ---- its own time ----
pause, calls, real = 0.004, [0], poolscope._sum_squares


def slow(*arguments):
    calls[0] += 1
    time.sleep(pause)
    return real(*arguments)


poolscope._sum_squares = slow
folder = check("a slow gradient hook", skipped)
poolscope._sum_squares = real
spent = [r["record_ns"] for r in records(folder, "timing") if "record_ns" in r][-1]
told = (calls, spent)
report(calls[0] > 30 and spent > calls[0] * pause * 1e9, "time in hooks of gradients is the recorder's own", told)

# ---- ends ----


def hooks_of(model, optimizer):
    left = [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    left += [p for p in model.parameters() if p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None)]
    return left + [o for o in (optimizer,) if getattr(o, "_optimizer_step_pre_hooks", None) or "step" in o.__dict__]


def started(folder, **options):
    torch.manual_seed(3)
    model = Net()
    optimizer = sgd(model)
    return model, optimizer, poolscope.record(model, optimizer, path(folder), probe=PROBE, window=WINDOW, **options)


def go_on(model, optimizer, rec, steps):
    for i in steps:
        plain_step(model, optimizer, X[i * BATCH:(i + 1) * BATCH], Y[i * BATCH:(i + 1) * BATCH], rec)


def fails_after(calls):
    counts, real = [0], poolscope._count_zeros

    def count(*arguments):
        counts[0] += 1
        if counts[0] > calls:
            raise ZeroDivisionError("planted")
        return real(*arguments)
    return count, real


bare = train(Net, plain_step, sgd)[0]
poolscope._count_zeros, real = fails_after(10)
watched, said, model = train(Net, plain_step, sgd, "failed")
poolscope._count_zeros = real
good, note = valid("failed")
report(equal(bare, watched) and len(said) == 1 and "planted" in said[0] and not hooks_of(model, sgd(model)),
       "a fault of the recorder's own ends the recording, not the run", said)
report(good and records("failed")[-1]["type"] != "end" and len(records("failed", "step")) >= 2,
       "and leaves a whole trace", note)

model, optimizer, rec = started("full")
size = os.path.getsize(path("full", "trace.jsonl"))
before = resource.getrlimit(resource.RLIMIT_FSIZE)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, before[1]))
    try:
        go_on(model, optimizer, rec, range(STEPS))
        rec.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
good, note = valid("full")
report(good and equal(list(model.state_dict().values()), bare[:-1]) and said,
       "a full disk: the run goes on, and the trace is of whole lines", note + str([str(w.message) for w in said]))

one = started("again")
go_on(*one, range(4))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    two = started("again")
go_on(*one, range(4, STEPS))
go_on(*two, range(STEPS))
two[2].close()
one[2].close()
good, note = valid("again")
told = any("still writing" in str(w.message) for w in said)
report(good and told and not tap.difference(tap.trace("again"), tap.trace(plain)),
       "a recorder that was left open does not write into the trace of the next one", note)
try:
    two[2].state_dict()
    report(False, "the state of a trace that has been ended is refused")
except RuntimeError as error:
    report("ended" in str(error), "the state of a trace that has been ended is refused", error)

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    model, optimizer, rec = started("again")
rec.close()
with open(path("again", "trace.jsonl.old"), encoding="utf-8") as stream:
    kept = sum(line.startswith('{"type":"step"') for line in stream)
report(kept == STEPS and "held a trace already" in str(said[0].message) and valid("again")[0],
       "a trace that stood there already is kept under another name", kept)

model, optimizer, rec = started("first")
other = poolscope.record(model, optimizer, path("second"), probe=PROBE, window=WINDOW)
for i in range(STEPS):
    go_on(model, optimizer, rec, [i])
    other.loss(0.5)
other.close()
rec.close()
like("first", plain, "two recorders of one model: the first is as alone")
like("second", plain, "two recorders of one model: so is the second")
report(not hooks_of(model, optimizer), "two recorders of one model: no hook is left")


class Interrupted(Net):
    def forward(self, x):
        if getattr(self, "late", False):
            self.act(self.a(x))
            raise KeyboardInterrupt
        return super().forward(x)


torch.manual_seed(3)
model = Interrupted()
optimizer = sgd(model)
try:
    with poolscope.record(model, optimizer, path("interrupted"), probe=PROBE, window=WINDOW) as rec:
        go_on(model, optimizer, rec, range(4))
        model.late = True
        go_on(model, optimizer, rec, range(4, STEPS))
except KeyboardInterrupt:
    pass
good, note = valid("interrupted")
report(good and len(records("interrupted", "step")) == 4 and not hooks_of(model, optimizer),
       "an interruption by the keyboard leaves a whole trace", note)
os.environ.update(TORCHELASTIC_RUN_ID="1", RANK="1", WORLD_SIZE="2")
model, optimizer, rec = started("elsewhere")
go_on(model, optimizer, rec, range(2))
rec.close()
for name in ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"):
    del os.environ[name]
report(not os.path.exists(path("elsewhere")),
       "under torchrun the first process alone writes, even before they have met")
for when in ("before its first step", "within a window"):
    account = poolscope._Account(nn.Linear(3, 4).weight, None, True, True)
    if when == "within a window":
        account.begin()
    account.parameter = nn.Linear(3, 4, device="meta").weight
    if when != "within a window":
        account.begin()
    account.keep()
    account.add_update()
    kept = (account.sums["path"], account.before, account.start, account.start_norms)
    report({t.device.type for t in kept} == {"meta"},
           f"a model that is moved {when}: what is kept of its weights follows")
tap.done()
