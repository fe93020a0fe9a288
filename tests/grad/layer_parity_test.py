#!/usr/bin/env python3
"""Parity of single layers with PyTorch: the values and all gradients of each layer type in training mode, beside PyTorch's
module of the same weights in float64. Relative errors in L2 of at most 2e-6 of each array.

A type is one line of LAYERS: its name here, its attributes, the shapes of its inputs (n, c, d, h, w), and PyTorch's side: a
module whose parameters have the names of the type's own, applied to a list of inputs of those shapes. One that draws at random
says by `draws` how many numbers, and is handed those that the type here draws as `numbers`. Speaks TAP; skipped with a reason
where PyTorch is absent.
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from functools import partial

if importlib.util.find_spec("torch") is None or importlib.util.find_spec("numpy") is None:
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("ok 1 - parity of layers with PyTorch # SKIP no PyTorch here (make venv, or apt-get install python3-torch python3-numpy)\n1..1")
    sys.exit(0)

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", os.environ.get("PS_BUILD", "build/release"), "tests", "grad", "parity_tool")
sys.path.insert(0, os.path.join(HERE, "..", "ref"))
import torch_models  # noqa: E402

BOUND = 2e-6


class Around(nn.Module):
    """A module with `before` and `after` around its call, keeping the names of its parameters."""

    def __init__(self, module, before, after):
        super().__init__()
        self.before, self.after, self.inner = before, after, module

    def named_parameters(self, *arguments, **named):
        return self.inner.named_parameters(*arguments, **named)

    def forward(self, x):
        return self.after(self.inner(self.before(x)))


def channels_last(module):
    return Around(module, lambda x: x.movedim(1, -1), lambda y: y.movedim(-1, 1))


def flat(module):
    """For modules of maps without depth."""
    return Around(module, lambda x: x.squeeze(2), lambda y: y.unsqueeze(2))


class Tokens(nn.Module):
    """Of a map as the public code has it: n x tokens x channels."""

    def forward(self, x):
        return self.tokens(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(self.shape(x))

    def shape(self, x):
        return x.shape


class Attention(Tokens):
    """As the public code of CCT, dropout by given numbers."""

    spread = 1 / 16  # scores of some units: of some hundreds every weight is 0 or 1, and rounding decides which

    def __init__(self, c, heads, bias, p=0.0, draws=0):
        super().__init__()
        self.qkv, self.proj = nn.Linear(c, 3 * c, bias=bias), nn.Linear(c, c)
        self.heads, self.p, self.draws = heads, p, draws

    def tokens(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        a = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(dim=-1)
        if self.draws:
            a = a * (self.numbers >= np.float32(self.p)).reshape(a.shape) / (1 - self.p)
        return self.proj((a @ v).transpose(1, 2).reshape(n, t, c))


class Linear(Tokens):
    def __init__(self, c, k, bias=True):
        super().__init__()
        self.inner, self.k = nn.Linear(c, k, bias=bias), k

    def named_parameters(self, *arguments, **named):
        return self.inner.named_parameters(*arguments, **named)

    def tokens(self, x):
        return self.inner(x)

    def shape(self, x):
        return (x.shape[0], self.k, *x.shape[2:])


class Bare(Tokens):
    """Has one parameter, the layer itself."""

    def __init__(self, *shape):
        super().__init__()
        self.bare = nn.Parameter(torch.zeros(shape))

    def named_parameters(self, *arguments, **named):
        return [("", self.bare)]


class Embedding(Bare):
    def tokens(self, x):
        return x + self.bare


class ClassToken(Bare):
    def tokens(self, x):
        return torch.cat((self.bare.expand(x.shape[0], -1, -1), x), dim=1)

    def shape(self, x):
        return (x.shape[0], x.shape[1], 1, 1, 1 + x.shape[2:].numel())


class SequencePool(Tokens):
    """As the public code of CCT. The bias changes nothing: its gradient is exactly 0 here and rounding there."""

    def __init__(self, c):
        super().__init__()
        self.attention_pool = nn.Linear(c, 1)

    def named_parameters(self, *arguments, **named):
        return self.attention_pool.named_parameters(*arguments, **named)

    def tokens(self, x):
        return torch.matmul(self.attention_pool(x).softmax(dim=1).transpose(-1, -2), x)

    def shape(self, x):
        return (x.shape[0], x.shape[1], 1, 1, 1)


class DropPath(nn.Module):
    def __init__(self, p, draws):
        super().__init__()
        self.p, self.draws = p, draws

    def forward(self, x):
        return x * (self.numbers >= np.float32(self.p)).reshape(-1, 1, 1, 1, 1) / (1 - self.p)


class ChannelDropout(nn.Module):
    def __init__(self, p, draws):
        super().__init__()
        self.p, self.draws = p, draws

    def forward(self, x):
        return x * (self.numbers >= np.float32(self.p)).reshape(*x.shape[:2], 1, 1, 1) / (1 - self.p)


class Resized(nn.Module):
    """By a scale, or to the size of a second input, which gets no gradient."""

    def __init__(self, mode, corners, scale):
        super().__init__()
        self.mode, self.corners, self.scale = mode, corners, scale

    def forward(self, x, like=None):
        plane = x.shape[2] == 1 and (like is None or like.shape[2] == 1)
        first = 3 if plane else 2
        mode = self.mode if self.mode == "nearest" else "bilinear" if plane else "trilinear"
        size = [n * s for n, s in zip(x.shape[2:], self.scale)] if like is None else list(like.shape[2:])
        y = nn.functional.interpolate(x.squeeze(2) if plane else x, size=size[first - 2:], mode=mode, **self.corners)
        return (y.unsqueeze(2) if plane else y) + (0 if like is None else 0 * like.sum())


class PoolSkip3d(nn.Module):
    """The published module with a 3x3x3 convolution; what no window reaches is 0."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv3d(c, c, 3, padding=1)

    def forward(self, x):
        pooled, places = nn.functional.max_pool3d(x, 2, return_indices=True)
        return x + self.conv(nn.functional.max_unpool3d(pooled, places, 2, output_size=x.shape[2:]))


def dilated(rate):
    return flat(nn.Conv2d(20, 24, 3, padding=rate, dilation=rate, bias=False))


MAP, TOKENS, VOLUME = (4, 19, 1, 7, 5), (3, 64, 1, 16, 1), (2, 7, 3, 4, 5)
LAYERS = [
    ("relu", {}, [MAP], lambda: nn.ReLU()),
    ("leaky_relu", {"slope": 0.2}, [MAP], lambda: nn.LeakyReLU(0.2)),
    ("relu6", {}, [VOLUME], lambda: nn.ReLU6()),
    ("gelu", {}, [MAP], lambda: nn.GELU()),
    ("gelu", {}, [TOKENS], lambda: nn.GELU()),
    ("silu", {}, [MAP], lambda: nn.SiLU()),
    ("elu", {}, [MAP], lambda: nn.ELU()),
    ("elu", {"alpha": 0.5}, [TOKENS], lambda: nn.ELU(0.5)),
    ("prelu", {}, [MAP], lambda: nn.PReLU()),
    ("prelu", {"shared": False}, [MAP], lambda: nn.PReLU(19)),
    ("layer_norm", {}, [TOKENS], lambda: channels_last(nn.LayerNorm(64))),
    ("layer_norm", {"eps": 1e-3}, [VOLUME], lambda: channels_last(nn.LayerNorm(7, eps=1e-3))),
    ("linear", {"features": 9}, [MAP], lambda: Linear(19, 9)),
    ("linear", {"features": 80, "bias": False}, [TOKENS], lambda: Linear(64, 80, False)),
    ("attention", {"heads": 4}, [TOKENS], lambda: Attention(64, 4, True)),
    ("attention", {"heads": 1, "qkv_bias": False}, [MAP], lambda: Attention(19, 1, False)),
    ("attention", {"heads": 2, "dropout": 0.25}, [(5, 8, 1, 3, 45)], lambda: Attention(8, 2, True, 0.25, 5 * 2 * 135 * 135)),
    ("position_embedding", {}, [MAP], lambda: Embedding(1, 35, 19)),
    ("class_token", {}, [VOLUME], lambda: ClassToken(1, 1, 7)),
    ("sequence_pool", {}, [TOKENS], lambda: SequencePool(64)),
    ("drop_path", {"p": 0.4}, [VOLUME], lambda: DropPath(0.4, 2)),
    ("drop_path", {"p": 0.1}, [(40, 3, 1, 2, 2)], lambda: DropPath(0.1, 40)),
    ("batch_norm", {}, [MAP], lambda: flat(nn.BatchNorm2d(19))),
    ("batch_norm", {}, [VOLUME], lambda: nn.BatchNorm3d(7)),
    ("instance_norm", {}, [MAP], lambda: flat(nn.InstanceNorm2d(19, affine=True))),
    ("instance_norm", {"eps": 1e-3}, [VOLUME], lambda: nn.InstanceNorm3d(7, eps=1e-3, affine=True)),
    ("instance_norm", {"affine": False}, [VOLUME], lambda: nn.InstanceNorm3d(7)),
    ("instance_norm", {"activation": "leaky_relu", "slope": 0.2}, [VOLUME],
     lambda: Around(nn.InstanceNorm3d(7, affine=True), lambda x: x, nn.LeakyReLU(0.2))),
    *[("resize", {"mode": mode, **corners, **size}, [shape] + ([target] if not size else []), partial(Resized, mode, corners, by))
      for shape, target, size, by in [(MAP, (4, 2, 1, 14, 10), {"scale": 2}, (1, 2, 2)), (MAP, (4, 2, 1, 4, 13), {}, None),
                                      (VOLUME, None, {"scale": [2, 1, 3]}, (2, 1, 3)), (VOLUME, (2, 1, 5, 3, 8), {}, None),
                                      ((2, 19, 1, 1, 1), (2, 1, 1, 3, 5), {}, None)]
      for mode, corners in [("nearest", {}), ("linear", {}), ("linear", {"align_corners": True})]],
    ("pad", {"before": 2}, [MAP], lambda: nn.ConstantPad3d((2, 2, 2, 2, 0, 0), 0.0)),
    ("pad", {"before": [1, 0, 2], "after": [0, -2, 1]}, [VOLUME], lambda: nn.ConstantPad3d((2, 1, 0, -2, 1, 0), 0.0)),
    ("dropout", {"p": 0.4, "channels": True}, [VOLUME], lambda: ChannelDropout(0.4, 2 * 7)),
    ("max_pool", {"kernel": [1, 2, 2]}, [VOLUME], lambda: nn.MaxPool3d((1, 2, 2))),
    ("max_pool", {"kernel": 3, "stride": 2, "padding": 1}, [VOLUME], lambda: nn.MaxPool3d(3, 2, 1)),
    ("avg_pool", {"kernel": 2}, [VOLUME], lambda: nn.AvgPool3d(2)),
    ("global_avg_pool", {}, [VOLUME], lambda: nn.AdaptiveAvgPool3d(1)),
    ("conv", {"channels": 8, "kernel": 3, "padding": 1}, [(2, 16, 6, 9, 7)], lambda: nn.Conv3d(16, 8, 3, padding=1)),
    ("conv", {"channels": 16, "kernel": 5, "padding": 2, "bias": False}, [(2, 16, 7, 6, 9)],
     lambda: nn.Conv3d(16, 16, 5, padding=2, bias=False)),
    ("conv", {"channels": 32, "kernel": 3, "padding": 1, "stride": [1, 2, 2]}, [(2, 16, 5, 9, 8)],
     lambda: nn.Conv3d(16, 32, 3, padding=1, stride=(1, 2, 2))),
    ("conv", {"channels": 32, "kernel": [1, 3, 3], "padding": [0, 1, 1]}, [(2, 16, 5, 9, 8)],
     lambda: nn.Conv3d(16, 32, (1, 3, 3), padding=(0, 1, 1))),
    ("conv", {"channels": 32, "kernel": 2, "stride": 2}, [(2, 16, 6, 8, 9)], lambda: nn.Conv3d(16, 32, 2, stride=2)),
    *[("conv", {"channels": 24, "kernel": 3, "padding": rate, "dilation": rate, "bias": False}, [(2, 20, 1, 33, 33)],
       partial(dilated, rate)) for rate in (6, 12, 18)],
    ("pool_skip", {}, [(2, 8, 5, 6, 7)], lambda: PoolSkip3d(8)),
    ("conv", {"channels": 6, "kernel": 3, "padding": 1}, [MAP], lambda: flat(nn.Conv2d(19, 6, 3, padding=1))),
    ("conv", {"channels": 19, "kernel": 3, "stride": 2, "groups": 19}, [MAP], lambda: flat(nn.Conv2d(19, 19, 3, stride=2, groups=19))),
    ("conv_transpose", {"channels": 6}, [MAP], lambda: flat(nn.ConvTranspose2d(19, 6, 2, stride=2))),
    ("conv_transpose", {"channels": 5}, [VOLUME], lambda: nn.ConvTranspose3d(7, 5, 2, stride=2)),
    ("conv_transpose", {"channels": 5, "kernel": [1, 2, 2], "bias": False}, [VOLUME],
     lambda: nn.ConvTranspose3d(7, 5, (1, 2, 2), stride=(1, 2, 2), bias=False)),
    ("conv_transpose", {"channels": 6, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}, [MAP],
     lambda: flat(nn.ConvTranspose2d(19, 6, 3, stride=2, padding=1, output_padding=1))),
    ("conv_transpose", {"channels": 38, "kernel": 3, "stride": [1, 2], "dilation": 2, "groups": 19}, [MAP],
     lambda: flat(nn.ConvTranspose2d(19, 38, 3, stride=(1, 2), dilation=2, groups=19))),
    ("conv_transpose", {"channels": 14, "kernel": [3, 2, 1], "stride": [2, 3, 1], "padding": [1, 0, 0], "groups": 7}, [VOLUME],
     lambda: nn.ConvTranspose3d(7, 14, (3, 2, 1), stride=(2, 3, 1), padding=(1, 0, 0), groups=7)),
]

failures = tests = 0


def report(good, name, detail):
    global failures, tests
    tests += 1
    failures += not good
    print("%s %d - %s: %s" % ("ok" if good else "not ok", tests, name, detail), flush=True)


def off(ours, theirs):
    if ours.shape != theirs.shape:
        return float("inf")
    size = np.linalg.norm(theirs)
    if not ours.any() and size < 1e-12:  # what is exactly 0 there, too, but for float64's rounding
        return 0.0
    return float(np.linalg.norm(ours - theirs) / size) if size > 0 else float(np.linalg.norm(ours))


def single(*shape):
    """Normal numbers that float32 has exactly, in float64."""
    return torch.randn(shape).double().float().double()


def run_tool(folder, case):
    """What went wrong, or nothing."""
    with open(os.path.join(folder, "case.json"), "w") as stream:
        json.dump(case, stream)
    done = subprocess.run([TOOL, folder], stderr=subprocess.PIPE, text=True)
    return "" if done.returncode == 0 else "parity_tool ended with %d: %s" % (done.returncode, done.stderr.strip())


def torch_side(module, shapes):
    """What goes in, and what comes out in float64. Inputs reach into both tails."""
    module = module.double()
    inputs = [(4 * single(*shape)).requires_grad_() for shape in shapes]
    given = {f"x{i}": x.detach().numpy() for i, x in enumerate(inputs)}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_((single(*parameter.shape) * getattr(module, "spread", 0.5)).float().double())
            given["param/" + name] = parameter.numpy()
    y = module(*inputs)
    dy = single(*y.shape)
    y.backward(dy)
    given["dy"] = dy.numpy()
    wanted = {"y": y.detach().numpy(), **{f"dx{i}": x.grad.numpy() for i, x in enumerate(inputs)},
              **{"grad/" + name: parameter.grad.numpy() for name, parameter in module.named_parameters()}}
    return given, wanted


def compare(kind, attributes, shapes, make):
    name = f"{kind} {json.dumps(attributes)} on {' and '.join('x'.join(map(str, shape)) for shape in shapes)}"
    torch.manual_seed(tests)
    module, case = make(), {"layer": kind, "sample": {"inputs": shapes, "attributes": attributes}}
    with tempfile.TemporaryDirectory(prefix="ps_layer_") as folder:
        wrong = run_tool(folder, {**case, "numbers": module.draws}) if getattr(module, "draws", 0) else ""
        if not wrong and getattr(module, "draws", 0):
            module.numbers = torch.from_numpy(torch_models.read_safetensors(os.path.join(folder, "numbers.safetensors"))["numbers"].copy())
        given, wanted = ({}, {}) if wrong else torch_side(module, shapes)
        if not wrong:
            torch_models.write_safetensors(os.path.join(folder, "data.safetensors"), given)
            wrong = run_tool(folder, case)
        if wrong:
            report(False, name, wrong)
            return
        ours = torch_models.read_safetensors(os.path.join(folder, "engine.safetensors"))
    if set(ours) != set(wanted):
        report(False, name, "other arrays: " + ", ".join(sorted(set(ours) ^ set(wanted))))
        return
    errors = {key: off(ours[key].astype(np.float64), wanted[key].reshape(ours[key].shape)) for key in wanted}
    worst = max(errors, key=errors.get)
    report(errors[worst] <= BOUND, name, "%d arrays, worst relative error %.1e (%s)" % (len(errors), errors[worst], worst))


for layer in LAYERS:
    compare(*layer)
print("1..%d" % tests)
sys.exit(1 if failures else 0)
