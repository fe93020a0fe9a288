#!/usr/bin/env python3
"""poolscope.PoolSkip beside poolscope's own layer: values and all gradients in every mode, in 2D and 3D, on maps that
are no multiple of the windows; how it is put into networks without touching anything else; and the digests of pairs."""

import copy
import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "python"))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import path, report, skip  # noqa: E402

if tap.lacking("torch"):
    skip("Pool Skip in PyTorch", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
from torch import nn  # noqa: E402

import poolscope  # noqa: E402

TOOL = os.path.join(tap.ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "grad", "parity_tool")
BOUND = 1e-5


def said_by(call, kind=ValueError):
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def off(ours, theirs):
    size = theirs.norm()
    return float((ours - theirs).norm() / size) if size > 0 else float(ours.norm())


# ---- beside the engine's layer ----
def engine(shape, attributes, x, dy, params):
    os.makedirs(path("layer"), exist_ok=True)
    given = {"x0": x, "dy": dy, **{"param/" + name: value for name, value in params.items()}}
    poolscope.save_weights(given, path("layer", "data.safetensors"))
    with open(path("layer", "case.json"), "w") as stream:
        json.dump({"layer": "pool_skip", "sample": {"inputs": [shape], "attributes": attributes}}, stream)
    done = subprocess.run([TOOL, path("layer")], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return poolscope.load_weights(path("layer", "engine.safetensors"))


def parity(shape, pool_size, mode, cut):
    torch.manual_seed(3)
    dims = 2 if shape[2] == 1 else 3
    module = poolscope.PoolSkip(shape[1], pool_size, mode, cut, dims=dims)
    x = torch.randn(shape, requires_grad=True)
    y = module(x.squeeze(2) if dims == 2 else x)
    y = y.unsqueeze(2) if dims == 2 else y
    dy = torch.randn(y.shape)
    y.backward(dy)
    wanted = {"y": y.detach(), "dx0": x.grad, **{"grad/" + name: p.grad for name, p in module.named_parameters()}}
    attributes = {"pool_size": pool_size, "mode": mode, "cut": cut}
    ours = engine(shape, attributes, x.detach(), dy, {name: p.detach() for name, p in module.named_parameters()})
    if set(ours) != set(wanted):
        return set(ours) ^ set(wanted)
    errors = {name: off(ours[name], value) for name, value in wanted.items()}
    return {name: error for name, error in errors.items() if not error <= BOUND}


if not os.path.exists(TOOL):
    skip("Pool Skip beside the engine's", "parity_tool is not built")
else:
    for mode in poolscope.POOL_SKIP_MODES:
        wrong = [
            (shape, e, parity(shape, e, mode, "none"))
            for shape, e in (
                ((2, 3, 1, 6, 8), 2),
                ((2, 3, 1, 7, 5), 2),
                ((1, 4, 1, 9, 10), 4),
                ((2, 3, 1, 4, 3), 1),
                ((2, 20, 1, 5, 5), 5),
                ((2, 3, 5, 4, 7), 2),
                ((1, 2, 3, 6, 7), 3),
            )
        ]
        report(
            not any(bad for _, _, bad in wrong),
            f"mode {mode}: values and gradients of the engine's layer, any size",
            wrong,
        )
    for cut in ("forward", "gradient"):
        wrong = [
            (mode, parity((2, 3, 1, 7, 6), 2, mode, cut)) for mode in poolscope.POOL_SKIP_MODES if mode != "pool+conv"
        ]
        report(not any(bad for _, bad in wrong), f"cut {cut}: the same", wrong)

# ---- the module by itself ----
x = torch.tensor([[[[5.0, 5.0], [5.0, 5.0]]]])
report(poolscope.PoolSkip(1, 2).select(x).flatten().tolist() == [5, 0, 0, 0], "the first of equal values wins")
module = poolscope.PoolSkip(3, 2, zero_init=True)
y = torch.randn(2, 3, 5, 5)
report(torch.equal(module(y), y), "with zero_init nothing changes at first")
report(not list(poolscope.PoolSkip(3, 2, "pool+skip").parameters()), "without a convolution there is nothing to learn")
for name, call, words in (
    ("a mode that there is not", lambda: poolscope.PoolSkip(3, 2, "ful"), ["'ful'", "grid+conv+skip"]),
    ("a cut that there is not", lambda: poolscope.PoolSkip(3, 2, cut="both"), ["'both'", "gradient"]),
    ("windows of no size", lambda: poolscope.PoolSkip(3, 0), ["from 1 to 16", "not 0"]),
    ("windows too large in 3D", lambda: poolscope.PoolSkip(3, 7, dims=3), ["from 1 to 6"]),
    ("a cut where there is no skip", lambda: poolscope.PoolSkip(3, 2, "pool+conv", "forward"), ["skip"]),
    (
        "zero_init where there is no convolution",
        lambda: poolscope.PoolSkip(3, 2, "pool+skip", zero_init=True),
        ["convolution"],
    ),
    (
        "a map smaller than a window",
        lambda: poolscope.PoolSkip(3, 4)(torch.zeros(1, 3, 3, 8)),
        ["larger than the map (3x8)", "clip=True"],
    ),
    ("a map with depth in 2D", lambda: poolscope.PoolSkip(3)(torch.zeros(1, 3, 4, 4, 4)), ["dims=3"]),
):
    text = said_by(call)
    report(text and all(word in text for word in words) and "\n" not in text, f"refused in a sentence: {name}", text)
report(
    poolscope.PoolSkip(3, 4, clip=True)(torch.zeros(1, 3, 3, 8)).shape == (1, 3, 3, 8), "clip cuts a window to the map"
)
report(
    poolscope.PoolSkip(3, 4, "conv+skip")(torch.zeros(1, 3, 3, 3)).shape == (1, 3, 3, 3),
    "conv+skip never pools, so that any size fits",
)
for dtype in (torch.bfloat16, torch.float64):
    module = poolscope.PoolSkip(3, 2, "grid-energy+conv+skip", dtype=dtype)
    report(module(torch.randn(2, 3, 5, 5, dtype=dtype)).dtype == dtype, f"in {dtype}")
y = torch.randn(2, 3, 6, 6).to(memory_format=torch.channels_last)
module = poolscope.PoolSkip(3, 2)
report(torch.allclose(module(y), module(y.contiguous()), atol=1e-6), "channels-last in memory is the same map")

# ---- no random number is taken ----
torch.manual_seed(7)
before = torch.get_rng_state()
one, two = poolscope.PoolSkip(3, 2), poolscope.PoolSkip(3, 2)
report(torch.equal(before, torch.get_rng_state()), "building one takes no random number")
report(not torch.equal(one.conv.weight, two.conv.weight), "two that are built one after the other are different")
torch.rand(1)
poolscope.PoolSkip(3, 2)
torch.manual_seed(7)
again = poolscope.PoolSkip(3, 2)
report(torch.equal(again.conv.weight, one.conv.weight), "the same seed gives the same module")
bound = 27**-0.5
report(
    one.conv.weight.abs().max() <= bound
    and one.conv.weight.abs().mean() > 0.3 * bound
    and one.conv.bias.abs().max() <= bound,
    "its weights start as PyTorch's own convolutions do",
)


# ---- put into networks ----
class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True), nn.Conv2d(c, c, 1)
        )

    def forward(self, x):
        return torch.relu(x + self.layers(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(Block(4), nn.MaxPool2d(2), Block(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.body(torch.relu(self.stem(x))).mean((2, 3)))


torch.manual_seed(1)
base = Net()
kept, state = copy.deepcopy(base.state_dict()), torch.get_rng_state()
arm = poolscope.insert_pool_skip(base, 2, mode="full")
x = torch.randn(2, 3, 9, 9)
torch.set_rng_state(state)
own = arm.state_dict()
report(torch.equal(state, torch.get_rng_state()), "inserting takes no random number")
report(
    all(name in own and torch.equal(own[name], value) for name, value in kept.items()),
    "names and values of the backbone stay",
)
report(
    sorted(set(own) - set(kept))
    == sorted(
        f"{name}.pool_skip.conv.{kind}"
        for name in ("stem", "body.0.layers.0", "body.0.layers.3", "body.2.layers.0", "body.2.layers.3")
        for kind in ("weight", "bias")
    ),
    "what is new is called after its convolution",
)
report(
    set(base.state_dict()) == set(kept) and isinstance(base.stem, nn.Conv2d) and type(base.stem) is nn.Conv2d,
    "the model itself is as it was",
)
report(arm.stem.weight.data_ptr() != base.stem.weight.data_ptr(), "and shares nothing with the copy")
hand = base.body[0].layers
first = arm.body[0].layers[0]
y = hand[0](x[:, :1].expand(-1, 4, -1, -1))
report(
    torch.allclose(first(x[:, :1].expand(-1, 4, -1, -1)), first.pool_skip(y)),
    "the module stands behind its convolution, before the normalisation",
)
report(
    torch.equal(poolscope.insert_pool_skip(base, 2).stem.pool_skip.conv.weight, arm.stem.pool_skip.conv.weight),
    "inserting again gives the same modules",
)
report(
    not torch.equal(arm.body[0].layers[0].pool_skip.conv.weight, arm.body[2].layers[0].pool_skip.conv.weight),
    "each its own",
)
other = poolscope.insert_pool_skip(base, {"stem": 0, "body.0.*": 4, "*": {"mode": "pool+skip"}})
report(
    not hasattr(other.stem, "pool_skip")
    and other.body[0].layers[0].pool_skip.pool_size == 4
    and other.body[2].layers[3].pool_skip.mode == "pool+skip",
    "a rule by patterns, the first that fits",
)
other = poolscope.insert_pool_skip(base, lambda name, module: 2 if module.kernel_size == (1, 1) else None)
report(
    [name for name, m in other.named_modules() if isinstance(m, poolscope.PoolSkip)]
    == ["body.0.layers.3.pool_skip", "body.2.layers.3.pool_skip"],
    "a rule by a function",
)
for name, rule, kind, words in (
    ("a rule that fits nothing", {"x": 2}, ValueError, ["no convolution was chosen", "5"]),
    ("a rule that says text", "2", TypeError, ["'2'", "stem"]),
):
    text = said_by(lambda rule=rule: poolscope.insert_pool_skip(base, rule), kind)
    report(text and all(word in text for word in words), f"refused in a sentence: {name}", text)
report(
    torch.equal(pickle.loads(pickle.dumps(arm))(x), arm(x)) and torch.equal(copy.deepcopy(arm)(x), arm(x)),
    "it can be copied and pickled",
)
small = poolscope.insert_pool_skip(
    nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1)), 2
)
report(small(x).shape == (2, 4, 1, 1), "a map of one position takes a window of one")
volume = poolscope.insert_pool_skip(nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU()), 2)
report(
    volume[0].pool_skip.dims == 3 and volume(torch.randn(1, 1, 5, 6, 7)).shape == (1, 4, 5, 6, 7),
    "3D convolutions get the 3D module",
)
parametrised = nn.Sequential(nn.Conv2d(3, 4, 1))
if hasattr(nn.utils, "parametrizations"):
    nn.utils.parametrizations.spectral_norm(parametrised[0])
    report(
        hasattr(poolscope.insert_pool_skip(parametrised, 2)[0], "pool_skip")
        and poolscope.insert_pool_skip(parametrised, 2)(x).shape == (2, 4, 9, 9),
        "a convolution with a parametrisation keeps it",
    )
loss = arm(x).square().sum()
loss.backward()
report(all(p.grad is not None for p in arm.parameters()), "every weight of the arm gets a gradient")


# ---- digests of pairs ----
def by_hand(state):
    digest = hashlib.sha256()
    for name in sorted(state, key=lambda name: name.encode()):
        value = state[name]
        numbers = value.flatten().tolist()
        packed = (
            struct.pack(f"<{len(numbers)}f", *numbers)
            if value.is_floating_point()
            else struct.pack(f"<{len(numbers)}q", *numbers)
        )
        digest.update(name.encode() + b"\0" + ",".join(map(str, value.shape)).encode() + b"\0" + packed)
    return "sha256:" + digest.hexdigest()


digest = poolscope.pairing_digest(base)
report(digest == by_hand(base.state_dict()), "the digest is that of the format's recipe", digest)
report(poolscope.pairing_digest(poolscope.insert_pool_skip(base, 2)) == digest, "an arm has the digest of its baseline")
report(poolscope.pairing_digest(nn.DataParallel(base)) == digest, "and so has a wrapped model")
report(
    poolscope.pairing_digest(copy.deepcopy(base).double()) == digest,
    "and one in another precision that holds the values",
)
changed = copy.deepcopy(base)
with torch.no_grad():
    changed.stem.weight[0, 0, 0, 0] += 1e-3
report(poolscope.pairing_digest(changed) != digest, "one other value is another digest")
plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
moved = nn.Sequential(plain[0], poolscope.PoolSkip(4, 2), plain[1], plain[2])
report(
    poolscope.pairing_digest(moved) == poolscope.pairing_digest(plain),
    "a Sequential that a Pool Skip renumbered has its old names",
)
other = nn.ModuleDict({"a": plain[0], "b": plain[1], "c": plain[2]})
report(
    poolscope.pairing_digest(other) != poolscope.pairing_digest(plain)
    and poolscope.pairing_digest(other, {"a": "0", "b": "1"}) == poolscope.pairing_digest(plain),
    "other names can be told",
)
if hasattr(torch, "compile"):
    report(poolscope.pairing_digest(torch.compile(base)) == digest, "a compiled model has it, too")
else:
    skip("a compiled model has it, too", "no torch.compile in this PyTorch")
tap.done()
