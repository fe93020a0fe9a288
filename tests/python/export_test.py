#!/usr/bin/env python3
"""poolscope.export: networks as users write them, taken out and worked out by poolscope: logits in evaluation mode and
all gradients of a training step beside PyTorch's own; the commands that run on them; what cannot be taken out, named
with its place."""

import copy
import json
import os
import subprocess
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), os.path.join(HERE, "..", "..", "src", "python"), HERE]
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import must, path, report, run, skip  # noqa: E402

if tap.lacking("torch"):
    skip("networks out of PyTorch", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import networks  # noqa: E402
import poolscope  # noqa: E402

TOOL = os.path.join(tap.ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "grad", "parity_tool")
BOUND = 1e-5
BATCH = 3


def off(ours, theirs):
    size = theirs.norm()
    return float((ours.double() - theirs).norm() / size) if size > 0 else float(ours.double().norm())


def made(name):
    torch.manual_seed(5)
    make, shape = networks.NETWORKS[name]
    model = make()
    with torch.no_grad():  # what a trained model has and a new one has not
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 2.0)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.uniform_(-0.5, 0.5)
    return model, torch.randn(BATCH, *shape)


def exported(model, x, folder):
    os.makedirs(path(folder), exist_ok=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        poolscope.export(model, x, path(folder, "net.json"), path(folder, "weights.safetensors"))
    return [str(w.message) for w in said if "poolscope.export" in str(w.message)]


def engine(folder, x, label):
    poolscope.save_weights({"x": x, "label": label}, path(folder, "data.safetensors"))
    with open(path(folder, "case.json"), "w") as stream:
        json.dump({"graph": path(folder, "net.json"), "batch": x.shape[0]}, stream)
    done = subprocess.run([TOOL, path(folder)], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return None, None, done.stderr
    return (
        poolscope.load_weights(path(folder, "evaluation.safetensors")),
        poolscope.load_weights(path(folder, "engine.safetensors")),
        "",
    )


# Where the engine has other names than the model.
OTHER = {
    "in_proj_weight": "qkv.weight",
    "in_proj_bias": "qkv.bias",
    "out_proj.weight": "proj.weight",
    "out_proj.bias": "proj.bias",
}


def engine_name(name):
    return next((name[: -len(end)] + new for end, new in OTHER.items() if name.endswith(end)), name)


def torch_side(model, x, label):
    model = copy.deepcopy(model).double()
    with torch.no_grad():
        expected = model.eval()(x.double())
    loss = F.cross_entropy(model.train()(x.double()), label)
    loss.backward()
    return expected, {engine_name(name): p.grad for name, p in model.named_parameters() if p.grad is not None}


def check_values(name, model, x):
    notes = exported(model, x, name)
    with torch.no_grad():
        spatial = copy.deepcopy(model).eval()(x).shape[2:]
    label = torch.randint(0, 2, (BATCH, *spatial))
    evaluation, first, wrong = engine(name, x, label.float())
    if wrong:
        report(False, f"{name}: poolscope takes it", wrong)
        return notes
    expected, gradients = torch_side(model, x, label)
    error = off(evaluation["logits"].reshape(expected.shape), expected)
    report(error <= BOUND, f"{name}: logits of evaluation mode, relative error {error:.0e}")
    given = {key[5:]: value for key, value in first.items() if key.startswith("grad/")}
    whole = sum(float(g.norm()) ** 2 for g in gradients.values()) ** 0.5
    errors = {
        key: float((given[key].double() - g).norm() / max(float(g.norm()), 1e-3 * whole))
        for key, g in gradients.items()
        if key in given
    }
    lost = set(gradients) - set(given)
    worst = max(errors, key=errors.get)
    report(
        not lost and errors[worst] <= 10 * BOUND,
        f"{name}: {len(errors)} gradients of a training step, the worst {errors[worst]:.0e} ({worst})",
        lost,
    )
    return notes


if not os.path.exists(TOOL):
    skip("values beside the engine's", "parity_tool is not built")
else:
    for name in networks.NETWORKS:
        model, x = made(name)
        before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
        state = torch.get_rng_state()
        notes = check_values(name, model, x)
        same = all(torch.equal(before[key], value) for key, value in model.state_dict().items())
        torch.set_rng_state(state)
        exported(model, x, "again")
        report(
            same and modes == [m.training for m in model.modules()] and torch.equal(state, torch.get_rng_state()),
            f"{name}: model and random state are as before",
        )
        report(
            len(notes) == (name == "Groups"), f"{name}: nothing to remark but what training would do otherwise", notes
        )
    model, x = made("ResNet")
    check_values("with Pool Skip", poolscope.insert_pool_skip(model, {"layer2.*": 4, "*": 2}), x)
    model, x = made("UNet3d")
    check_values("with Pool Skip in 3D", poolscope.insert_pool_skip(model, {"out": 0, "*": 2}), x)
    check_values(
        "with the energy of a grid",
        poolscope.insert_pool_skip(made("Plain")[0], 3, mode="grid-energy+conv+skip"),
        made("Plain")[1],
    )
    check_values("in half precision", made("MobileNet")[0].to(torch.bfloat16).float(), made("MobileNet")[1])


# ---- names ----
def document(folder):
    with open(path(folder, "net.json"), encoding="utf-8") as stream:
        return json.load(stream)


def nodes(folder):
    return {node["name"]: node for node in document(folder)["nodes"]}


model, x = made("ResNet")
exported(model, x, "resnet")
weights = poolscope.load_weights(path("resnet", "weights.safetensors"))
wanted = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
report(
    set(weights) == wanted and all(torch.equal(weights[key], model.state_dict()[key]) for key in wanted),
    "weights have the names of the model's state",
)
report(
    {"conv1", "layer1.0.relu", "layer1.0.relu_2", "layer2.0.downsample.0", "fc"} <= set(nodes("resnet"))
    and nodes("resnet")["layer1.0.bn1"]["stage"] == "layer1",
    "operations those of its modules",
    sorted(nodes("resnet")),
)
loaded = copy.deepcopy(model)
loaded.load_state_dict(poolscope.load_weights(path("resnet", "weights.safetensors")), strict=False)
report(torch.equal(loaded.eval()(x), model.eval()(x)), "and go back into the model")
sequence = nn.Sequential(
    nn.Conv2d(3, 4, 3), poolscope.PoolSkip(4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
).train()
exported(sequence, torch.randn(2, 3, 8, 8), "sequence")
report(
    [(n["name"], n.get("file_name", n["name"])) for n in document("sequence")["nodes"]]
    == [("0", "0"), ("0.pool_skip", "1"), ("1", "2"), ("2", "2"), ("3", "3"), ("4", "5")],
    "where a Pool Skip renumbers a Sequential, names are those of the baseline",
    document("sequence")["nodes"],
)


class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module('schön/"quoted":1', nn.Conv2d(3, 4, 1))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(getattr(self, 'schön/"quoted":1')(x).relu().mean((2, 3)))


exported(Strange(), torch.randn(2, 3, 8, 8), "strange")
report(
    'schön/"quoted":1' in nodes("strange") and run("inspect", "--graph", path("strange", "net.json")).returncode == 0,
    "strange names come through",
)
exported(nn.DataParallel(model), x, "wrapped")
report(nodes("wrapped") == nodes("resnet"), "a wrapped model is the model within")
if hasattr(torch, "compile"):
    exported(torch.compile(model), x, "wrapped")
    report(nodes("wrapped") == nodes("resnet"), "and so is a compiled one")


class Auxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head, self.extra = nn.Conv2d(3, 4, 3), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        y = F.relu(self.conv(x)).mean((2, 3))
        return (self.head(y), self.extra(y)) if self.training else self.head(y)


notes = exported(Auxiliary(), torch.randn(2, 3, 8, 8), "auxiliary")
report(
    len(notes) == 1 and "extra.weight" in notes[0] and "2 of 6" in notes[0],
    "what evaluation mode leaves out is named",
    notes,
)

# ---- the commands ----
torch.manual_seed(1)
model = poolscope.insert_pool_skip(networks.ResNet(10), 2)
exported(model, torch.randn(2, 3, 8, 8), "net")
NET = ["--graph", "net/net.json", *tap.OWN[:-1]]
for command in ("diagnose", "ranks", "spectrum", "compensation", "eval"):
    extra = ["--probes", "1", "--steps", "4"] if command == "spectrum" else []
    result = run(command, "net/weights.safetensors", *NET, *extra)
    report(
        result.returncode == 0
        and "layer1.0" in result.stdout
        or command in ("eval", "spectrum")
        and result.returncode == 0,
        f"{command} runs on it",
        result.stderr,
    )
result = run(
    "plant", "net/weights.safetensors", *NET, "--plant", "count=2,cause=weights-in", "--out", "planted.safetensors"
)
report(result.returncode == 0, "plant runs on it", result.stderr)
trained = must(
    "train", *NET, "--quiet", "--steps", "4", "--window", "2", "--init", "net/weights.safetensors", "--out", "run"
)
report(must("validate", "run").returncode == 0, "train goes on from its weights")
state = poolscope.load_weights(path("run"))
missing, unexpected = model.load_state_dict(state, strict=False)
report(
    not unexpected and all(name.endswith("num_batches_tracked") for name in missing),
    "and what was trained goes back into the model",
    (missing, unexpected),
)
shown = model.eval()(torch.randn(2, 3, 8, 8))
report(bool(shown.isfinite().all()), "which works with it")
names = {layer["name"] for layer in tap.records("run", "header")[0]["layers"]}
report({"conv1", "layer2.0.conv1"} <= names, "layers of the trace are called as in the model", names)


# ---- what has no counterpart ----
class One(nn.Module):
    """A convolution, then what is asked for, then a mean and a linear layer."""

    def __init__(self, then, **modules):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.then, self.fc = then, nn.Linear(4, 5)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.fc(self.then(self, self.conv(x)).mean((2, 3)))


def line_of(text):
    with open(os.path.abspath(__file__), encoding="utf-8") as stream:
        return next(i + 1 for i, line in enumerate(stream) if text in line)


def refused_as(name, model, x, *words, place=None):
    try:
        poolscope.export(model, x, path("refused.json"), path("refused.safetensors"))
        said = ""
    except poolscope.ExportError as error:
        said = str(error)
    where = f"{os.path.basename(__file__)}:{line_of(place)}" if place else ""
    good = said and "\n" not in said and len(said) <= 600 and all(word in said for word in words) and where in said
    report(
        good and not os.path.exists(path("refused.json")) and not os.path.exists(path("refused.safetensors")),
        f"refused with its place: {name}",
        f"{said} ({where})",
    )


X = torch.randn(2, 3, 8, 8)
refused_as("a function", One(lambda m, y: F.hardswish(y)), X, "hardswish", "has no counterpart", place="F.hardswish(y)")
refused_as("a method", One(lambda m, y: y.tanh()), X, "tanh", "has no counterpart", place="y.tanh()")
refused_as(
    "a module",
    One(lambda m, y: m.act(y), act=nn.Mish()),
    X,
    "Mish",
    "in act",
    "has no counterpart",
    place="act=nn.Mish()",
)
refused_as("a product", One(lambda m, y: y * torch.sigmoid(y)), X, "has no counterpart", place="y * torch.sigmoid(y)")
refused_as("a sum with a number", One(lambda m, y: y + 1.5), X, "add", "numbers", place="y + 1.5")
refused_as(
    "a group of channels",
    One(lambda m, y: m.norm(y), norm=nn.GroupNorm(2, 4)),
    X,
    "GroupNorm",
    "4 channels in 2 groups",
    place="norm=nn.GroupNorm(2, 4)",
)
refused_as(
    "statistics of the batch alone",
    One(lambda m, y: m.norm(y), norm=nn.BatchNorm2d(4, track_running_stats=False)),
    X,
    "running statistics",
    place="track_running_stats=False",
)
refused_as(
    "the approximate GELU", One(lambda m, y: F.gelu(y, approximate="tanh")), X, "exact", place='approximate="tanh"'
)
refused_as(
    "weights used twice",
    One(lambda m, y: m.conv2(m.conv2(y)), conv2=nn.Conv2d(4, 4, 1)),
    X,
    "used before",
    "deepcopy",
    place="m.conv2(m.conv2(y))",
)
refused_as(
    "windows over the edge",
    One(lambda m, y: F.max_pool2d(y, 3, ceil_mode=True)),
    X,
    "ceil_mode",
    place="ceil_mode=True",
)
refused_as(
    "windows of several sizes",
    One(lambda m, y: F.adaptive_avg_pool2d(y, 3)),
    X,
    "3x3",
    "8x8",
    "divides",
    place="adaptive_avg_pool2d(y, 3)",
)
refused_as(
    "a mirrored border", One(lambda m, y: F.pad(y, (1, 1, 1, 1), mode="reflect")), X, "zeros", place='mode="reflect"'
)
refused_as(
    "a convolution with another border",
    One(lambda m, y: m.conv2(y), conv2=nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")),
    X,
    "circular",
    place="padding_mode=\"circular\"",
)
refused_as("a part of a map", One(lambda m, y: y[:, :4, 1:, 1:]), X, "parts", place="y[:, :4, 1:, 1:]")
refused_as("a slope of its own", One(lambda m, y: F.leaky_relu(y, -0.5)), X, "-0.5", place="F.leaky_relu(y, -0.5)")
refused_as("a decision by values", One(lambda m, y: y if y.sum() > 0 else -y), X, "values", place="y.sum() > 0")
refused_as(
    "weights of a formula",
    One(lambda m, y: F.conv2d(y, m.conv2.weight / 2), conv2=nn.Conv2d(4, 4, 1)),
    X,
    "truediv",
    place="m.conv2.weight / 2",
)
refused_as(
    "a size that nothing has",
    One(lambda m, y: F.interpolate(y, size=(11, 13), mode="bilinear")),
    X,
    "11x13",
    place="size=(11, 13)",
)
refused_as(
    "a softmax at the end", nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Softmax(1)), X, "Softmax", "takes logits"
)
refused_as(
    "several outputs",
    nn.ModuleDict({"a": nn.Conv2d(3, 4, 1)})
    and Auxiliary().train()
    and type(
        "Two",
        (nn.Module,),
        {
            "__init__": lambda self: (nn.Module.__init__(self), setattr(self, "conv", nn.Conv2d(3, 4, 1)), None)[-1],
            "forward": lambda self, x: (self.conv(x), x),
        },
    )(),
    X,
    "one tensor of logits",
)
refused_as("an input of another kind", nn.Linear(4, 4), torch.zeros(2, 3, 4), "example_input")
refused_as("a map over the last axis", nn.Sequential(nn.Linear(8, 4)), X, "linear")
result = run("inspect", "--graph", "net/net.json")
report(result.returncode == 0 and "pool_skip" in result.stdout, "inspect prints it", result.stderr)
tap.done()
