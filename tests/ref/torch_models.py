"""Networks with and without Pool Skip in PyTorch: the independent side of the parity test.

Architectures: He et al. 2016 (residual nets), Simonyan & Zisserman 2015 (VGG), Sun et al. 2025 (Pool Skip and its placement after every
convolution of a block). Module names and their numbering are those of the public code of Pool Skip, so that the weights it saves have
the names that are written here. Where that code raises (maps not divisible by e) the unpooled map gets the input's size.

  torch_models.py count MODEL [--width W] [--pool-skip E] [--classes N]      number of learned values, backbone and modules
  torch_models.py case MODEL FOLDER [--width W] [--pool-skip E] [--lr L] ... what the parity test compares, as files in FOLDER
  torch_models.py skip FOLDER --shape N C H W --pool-skip E                  the same of one Pool Skip alone
"""
import argparse
import copy
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import torch_segmentation
from ref_widths import scaled

STAGES = {"resnet18": (1, [2, 2, 2, 2]), "resnet34": (1, [3, 4, 6, 3]), "resnet50": (4, [3, 4, 6, 3]), "resnet101": (4, [3, 4, 23, 3]),
          "resnet152": (4, [3, 8, 36, 3]), "resnet200": (4, [3, 24, 36, 3]), "resnet350": (4, [4, 36, 72, 4]),
          "resnet420": (4, [4, 44, 87, 4])}
PLAIN = {"plain9": (12, [3, 3, 3]), "plain20": (16, [7, 6, 6])}


INCEPTION = [("a3", 64, 96, 128, 16, 32, 32), ("b3", 128, 128, 192, 32, 96, 64), ("a4", 192, 96, 208, 16, 48, 64),
             ("b4", 160, 112, 224, 24, 64, 64), ("c4", 128, 128, 256, 24, 64, 64), ("d4", 112, 144, 288, 32, 64, 64),
             ("e4", 256, 160, 320, 32, 128, 128), ("a5", 256, 160, 320, 32, 128, 128), ("b5", 384, 192, 384, 48, 128, 128)]


class PoolSkip(nn.Module):
    """y + conv3x3(unpool(pool(y))); e larger than the map is clipped to it."""

    def __init__(self, channels, e):
        super().__init__()
        self.e = e
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, y):
        e = min(self.e, *y.shape[2:])
        kept = y
        if e > 1:
            top, places = F.max_pool2d(y, e, e, return_indices=True)
            kept = F.max_unpool2d(top, places, e, e, output_size=y.shape)
        return y + self.conv(kept)


def conv_norm(inputs, outputs, kernel, stride, e, gate):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)]
    if e:
        layers.append(PoolSkip(outputs, e))
    layers.append(nn.BatchNorm2d(outputs))
    if gate:
        layers.append(nn.ReLU())
    return layers


class Block(nn.Module):
    def __init__(self, inputs, planes, stride, expansion, e):
        super().__init__()
        outputs = planes * expansion
        if expansion == 1:
            layers = conv_norm(inputs, planes, 3, stride, e, True) + conv_norm(planes, outputs, 3, 1, e, False)
        else:
            layers = (conv_norm(inputs, planes, 1, 1, e, True) + conv_norm(planes, planes, 3, stride, e, True) +
                      conv_norm(planes, outputs, 1, 1, e, False))
        self.residual_function = nn.Sequential(*layers)
        change = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*(conv_norm(inputs, outputs, 1, stride, 0, False) if change else []))
        self.gate = nn.ReLU()

    def forward(self, x):
        return self.gate(self.residual_function(x) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, expansion, blocks, width, classes, e):
        super().__init__()
        stem = scaled(64, width)
        self.conv1 = nn.Sequential(*conv_norm(3, stem, 3, 1, 0, True))
        inputs = stem
        for s, count in enumerate(blocks):
            planes = scaled(64 << s, width)
            stage = []
            for i in range(count):
                stage.append(Block(inputs, planes, 2 if s and not i else 1, expansion, e))
                inputs = planes * expansion
            setattr(self, "conv%d_x" % (s + 2), nn.Sequential(*stage))
        self.stage_names = ["conv%d_x" % (s + 2) for s in range(len(blocks))]
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.conv1(x)
        for name in self.stage_names:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


class Vgg16(nn.Module):
    """Dropout is left out: the test compares with it switched off. Its places in the numbering stay."""

    def __init__(self, width, classes, e):
        super().__init__()
        layers, inputs = [], 3
        for s, count in enumerate([2, 2, 3, 3, 3]):
            for _ in range(count):
                outputs = scaled(64 << min(s, 3), width)
                layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
                if e:
                    layers.append(PoolSkip(outputs, e))
                layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        hidden = scaled(4096, width)
        self.classifier = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Identity(), nn.Linear(hidden, hidden), nn.ReLU(),
                                        nn.Identity(), nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def separate(inputs, outputs, stride, e):
    """A depthwise convolution and a pointwise one, each normalised and rectified."""
    def half(conv, channels):
        return nn.Sequential(conv, *([PoolSkip(channels, e)] if e else []), nn.BatchNorm2d(channels), nn.ReLU())

    block = nn.Module()
    block.depthwise = half(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), inputs)
    block.pointwise = half(nn.Conv2d(inputs, outputs, 1), outputs)
    return block


class MobileNet(nn.Module):
    """Howard et al. 2017, arXiv 1704.04861, with the names of weiaicunzai/pytorch-cifar100; widths are cut off, not rounded."""

    def __init__(self, width, classes, e):
        super().__init__()
        inputs = max(1, int(width * 32))
        first = nn.Module()
        first.conv = nn.Conv2d(3, inputs, 3, padding=1, bias=False)
        if e:
            first.pool_skip = PoolSkip(inputs, e)
        first.bn = nn.BatchNorm2d(inputs)
        first.relu = nn.ReLU()
        self.places = []
        for s, (place, count) in enumerate([("stem", 1), ("conv1", 2), ("conv2", 2), ("conv3", 6), ("conv4", 2)]):
            outputs = max(1, int(width * (64 << s)))
            blocks = [first] if s == 0 else []
            for i in range(count):
                blocks.append(separate(inputs, outputs, 2 if s and not i else 1, e))
                inputs = outputs
            setattr(self, place, nn.ModuleList(blocks))
            self.places.append(place)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        for place in self.places:
            for block in getattr(self, place):
                if hasattr(block, "depthwise"):
                    x = block.pointwise(block.depthwise(x))
                    continue
                x = block.conv(x)
                if hasattr(block, "pool_skip"):
                    x = block.pool_skip(x)
                x = block.relu(block.bn(x))
        return self.fc(x.mean((2, 3)))


def inception_branch(inputs, spec, e, first=()):
    """spec: (channels, kernel, eps) of each convolution with bias, its normalisation and rectifier behind it."""
    layers = list(first)
    for channels, kernel, eps in spec:
        layers.append(nn.Conv2d(inputs, channels, kernel, padding=kernel // 2))
        if e:
            layers.append(PoolSkip(channels, e))
        layers += [nn.BatchNorm2d(channels, eps), nn.ReLU()]
        inputs = channels
    return nn.Sequential(*layers)


class GoogLeNet(nn.Module):
    """Szegedy et al. 2015, arXiv 1409.4842, with the names and the one odd eps (the first 3x3 of branch 3 has its channel count) of
    weiaicunzai/pytorch-cifar100. Dropout is left out, as in Vgg16."""

    def __init__(self, width, classes, e):
        super().__init__()
        first, second = scaled(64, width), scaled(192, width)
        self.prelayer = nn.Sequential(*conv_norm(3, first, 3, 1, e, True), *conv_norm(first, first, 3, 1, e, True),
                                      *conv_norm(first, second, 3, 1, e, True))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = second
        for name, *widths in INCEPTION:
            one, r3, three, r5, five, pool = (scaled(w, width) for w in widths)
            block = nn.Module()
            block.b1 = inception_branch(inputs, [(one, 1, 1e-5)], e)
            block.b2 = inception_branch(inputs, [(r3, 1, 1e-5), (three, 3, 1e-5)], e)
            block.b3 = inception_branch(inputs, [(r5, 1, 1e-5), (five, 3, five), (five, 3, 1e-5)], e)
            block.b4 = inception_branch(inputs, [(pool, 1, 1e-5)], e, [nn.MaxPool2d(3, 1, 1)])
            setattr(self, name, block)
            inputs = one + three + five + pool
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.prelayer(x)
        for name, *_ in INCEPTION:
            if name.startswith("a"):
                x = self.maxpool(x)
            block = getattr(self, name)
            x = torch.cat([block.b1(x), block.b2(x), block.b3(x), block.b4(x)], 1)
        return self.linear(x.mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, channels, heads, dropout):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.attn_drop = nn.Dropout(dropout)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        share = self.attn_drop(torch.softmax(q @ k.transpose(2, 3) * (c // self.heads) ** -0.5, -1))
        return self.proj((share @ v).transpose(1, 2).reshape(n, t, c))


class DropPath(nn.Module):
    """Leaves out whole samples of a branch, and scales the others up."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        return x * torch.bernoulli(torch.full([x.shape[0], 1, 1], 1 - self.p)) / (1 - self.p)


class TransformerBlock(nn.Module):
    """The second residual starts from the normalised x, as the public code has it."""

    def __init__(self, channels, heads, hidden, dropout, drop_path):
        super().__init__()
        self.pre_norm = nn.LayerNorm(channels)
        self.self_attn = Attention(channels, heads, dropout)
        self.norm1 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x):
        x = self.norm1(x + self.drop_path(self.self_attn(self.pre_norm(x))))
        return x + self.drop_path(self.linear2(F.gelu(self.linear1(x))))


class Transformer(nn.Module):
    """ViT, CVT and CCT of Hassani et al. 2021 (arXiv 2104.05704) with the names of SHI-Labs/Compact-Transformers: 7 blocks, 4 heads.
    tokenizer: (kernel, stride, padding, bias, whether a rectifier and a pooling follow)."""

    def __init__(self, width, classes, e, tokenizer, class_token, dropout=0.1, drop_path=0.1, size=32):
        super().__init__()
        kernel, stride, padding, bias, pooled = tokenizer
        channels, depth, heads = scaled(256, width), 7, 4
        layers = [nn.Conv2d(3, channels, kernel, stride, padding, bias=bias)]
        if e:
            layers.append(PoolSkip(channels, e))
        if pooled:
            layers += [nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        self.tokenizer = nn.Module()
        self.tokenizer.conv_layers = nn.ModuleList([nn.Sequential(*layers)])
        side = (size + 2 * padding - kernel) // stride + 1
        side = (side - 1) // 2 + 1 if pooled else side
        head = self.classifier = nn.Module()
        head.positional_emb = nn.Parameter(torch.empty(1, side * side + class_token, channels))
        if class_token:
            head.class_emb = nn.Parameter(torch.zeros(1, 1, channels))
        else:
            head.attention_pool = nn.Linear(channels, 1)
        rates = torch.linspace(0, drop_path, depth).tolist()
        head.blocks = nn.ModuleList([TransformerBlock(channels, heads, 2 * channels, dropout, rate) for rate in rates])
        head.norm = nn.LayerNorm(channels)
        head.fc = nn.Linear(channels, classes)
        self.start()

    def start(self):
        nn.init.trunc_normal_(self.classifier.positional_emb, std=0.2)
        for part in self.classifier.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        nn.init.kaiming_normal_(self.tokenizer.conv_layers[0][0].weight)

    def forward(self, x):
        head = self.classifier
        x = self.tokenizer.conv_layers[0](x).flatten(2).transpose(1, 2)
        if hasattr(head, "class_emb"):
            x = torch.cat([head.class_emb.expand(x.shape[0], -1, -1), x], 1)
        x = x + head.positional_emb
        for block in head.blocks:
            x = block(x)
        x = head.norm(x)
        if hasattr(head, "class_emb"):
            return head.fc(x[:, 0])
        share = torch.softmax(head.attention_pool(x), 1)
        return head.fc((share * x).sum(1))


def transformer(tokenizer, class_token):
    return lambda width, classes, e, **more: Transformer(width, classes, e, tokenizer, class_token, **more)


class Plain(nn.Module):
    """3x3 convolutions with batch normalisation in stages, no shortcuts; names are not those of the engine (benchmarks only)."""

    def __init__(self, base, blocks, width, classes, e):
        super().__init__()
        layers, inputs = [], 3
        for s, count in enumerate(blocks):
            for i in range(count):
                outputs = scaled(base << s, width)
                layers += conv_norm(inputs, outputs, 3, 2 if s and not i else 1, e, True)
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


TRANSFORMERS = {"vit_7_4_32": transformer((4, 4, 0, True, False), True), "cvt_7_4_32": transformer((4, 4, 0, True, False), False),
                "cct_7_3x1_32": transformer((3, 1, 1, False, True), False)}
OTHERS = {"vgg16": Vgg16, "mobilenet": MobileNet, "googlenet": GoogLeNet, **TRANSFORMERS}


def make(name, width=1.0, classes=10, e=0, size=32):
    """Dropout and dropped paths are off."""
    if name in torch_segmentation.MODELS:
        return torch_segmentation.make(name, width, classes, e, size)
    if name in PLAIN:
        return Plain(*PLAIN[name], width, classes, e)
    if name in TRANSFORMERS:
        return TRANSFORMERS[name](width, classes, e, dropout=0.0, drop_path=0.0, size=size)
    if name in OTHERS:
        return OTHERS[name](width, classes, e)
    expansion, blocks = STAGES[name]
    return ResNet(expansion, blocks, width, classes, e)


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> array, written as F32 in the order given."""
    header, data = {}, []
    if metadata:
        header["__metadata__"] = metadata
    at = 0
    for name, array in tensors.items():
        array = np.ascontiguousarray(array, dtype="<f4")
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        data.append(array)
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in data:
            file.write(array.tobytes())


def read_safetensors(path):
    types = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8"}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], types[t["dtype"]]).reshape(t["shape"]) for name, t in header.items()}


def weights_of(model):
    return {torch_segmentation.name_in_files(name): value.detach().numpy() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def gradients(model, x, label):
    model.zero_grad()
    outputs = model(x)
    loss = torch_segmentation.loss_of(outputs, label)
    loss.backward()
    logits = outputs if torch.is_tensor(outputs) else outputs[-1][0]
    grads = {torch_segmentation.name_in_files(name): torch.zeros_like(p) if p.grad is None else p.grad.clone()
             for name, p in model.named_parameters()}
    return logits.detach(), loss.item(), grads


def write_json(options, name, content):
    with open(os.path.join(options.folder, name), "w") as file:
        json.dump(content, file)


def soften(model, branch, module, shift=0.0):
    """Scales the last norm of each residual branch, and each Pool Skip's convolution, and shifts every batch norm, so that most gates are
    open: a net whose loss is not a chaotic function of its weights, so that two ways of rounding can be compared over many steps."""
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, Block):
                part.residual_function[-1].weight.mul_(branch)
            if isinstance(part, torch_segmentation.Bottleneck):
                part.bn3.weight.mul_(branch)
            if isinstance(part, (PoolSkip, torch_segmentation.PoolSkip)):
                part.conv.weight.mul_(module)
                part.conv.bias.mul_(module)
            if isinstance(part, (nn.BatchNorm2d, nn.BatchNorm3d)):
                part.bias.add_(shift)


def gap_of(values, e, stride, padding=0):
    """Smallest distance of a window's maximum to the next value, relative to the map's RMS. Windows of zeros are left out: behind
    a ReLU they are ties on both sides, and their gradient is zero. So are equal values: copies of one maximum behind overlapping
    windows, of which both sides take the first."""
    dims = values.dim() - 2
    windows = F.pad(values, [padding] * 2 * dims, value=-1e30)
    for axis in range(2, 2 + dims):
        windows = windows.unfold(axis, e, stride)
    top = windows.flatten(-dims).topk(2, dim=-1).values
    top = top.movedim(-1, 0).flatten(1)
    gap = (top[0] - top[1])[(top[0] != 0) & (top[0] != top[1])]
    return (gap.min() / values.pow(2).mean().sqrt()).item() if gap.numel() else 1.0


def clearness(model, x):
    """How far the nearest decision of a forward pass (a ReLU's sign, a window's maximum) is from falling the other way, relative to
    the map's RMS. Gradients are discontinuous there: no two ways of rounding agree about a case with a tie in it."""
    found = []

    def look(module, inputs, _):
        z = inputs[0].detach()
        if isinstance(module, (nn.ReLU, nn.LeakyReLU, nn.ReLU6)):
            edge = torch.minimum(z.abs(), (z - 6).abs()) if isinstance(module, nn.ReLU6) else z.abs()
            found.append((edge.min() / z.pow(2).mean().sqrt()).item())
        else:
            pooling = isinstance(module, (nn.MaxPool2d, nn.MaxPool3d))
            e = module.kernel_size if pooling else min(module.e, *z.shape[2:])
            found.append(gap_of(z, e, *((module.stride, module.padding) if pooling else (e,))) if e > 1 else 1.0)

    kinds = (nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.MaxPool2d, nn.MaxPool3d, PoolSkip, torch_segmentation.PoolSkip)
    hooks = [m.register_forward_hook(look) for m in model.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return min(found, default=1.0)


def draw_batch(options):
    if options.model not in torch_segmentation.MODELS:
        return torch.randn(options.batch, 3, options.size, options.size), torch.randint(options.classes, (options.batch,))
    shape = torch_segmentation.shape_of(options.model, options.size)
    x = torch.randn(options.batch, torch_segmentation.channels_of(options.model), *shape)
    return x, torch.randint(options.classes, (options.batch, *shape))


def draw(options):
    """The first case from --seed on whose decisions are clear by --clear in float64: chosen without looking at any engine."""
    for seed in range(options.seed, options.seed + 500):
        torch.manual_seed(seed)
        model = make(options.model, options.width, options.classes, options.pool_skip, options.size)
        soften(model, options.branch, options.module, options.shift)
        x, label = draw_batch(options)
        if options.clear == 0 or clearness(copy.deepcopy(model).double(), x.double()) >= options.clear:
            return seed, model, x, label
    sys.exit("torch_models.py: no clear case among 500 seeds; lower --clear or take a smaller batch")


def run_case(options):
    """Files: case, weights, data (x, label: one batch, trained on again and again), torch (logits and gradients of the first step),
    losses of every step. With --double the torch side is worked out in float64."""
    options.seed, model, x, label = draw(options)
    case = ("seed", "model", "width", "pool_skip", "size", "batch", "classes", "steps", "lr", "momentum", "weight_decay")
    write_json(options, "case.json", {key: getattr(options, key) for key in case})
    write_safetensors(os.path.join(options.folder, "weights.safetensors"), weights_of(model))
    write_safetensors(os.path.join(options.folder, "data.safetensors"), {"x": x.numpy(), "label": label.numpy()})
    if options.double:
        model, x = model.double(), x.double()
    # The running statistics move with each forward pass in training mode, but nothing here reads them.
    logits, _, grads = gradients(model, x, label)
    write_safetensors(os.path.join(options.folder, "torch.safetensors"),
                      {"logits": logits.numpy(), **{"grad/" + name: g.numpy() for name, g in grads.items()}})
    optimiser = torch.optim.SGD(model.parameters(), options.lr, momentum=options.momentum, weight_decay=options.weight_decay)
    losses = []
    for _ in range(options.steps):
        losses.append(gradients(model, x, label)[1])
        optimiser.step()
    write_json(options, "torch.json", {"losses": losses})


def run_skip(options):
    torch.manual_seed(options.seed)
    n, c, h, w = options.shape
    module = PoolSkip(c, options.pool_skip)
    y = torch.randn(n, c, h, w, requires_grad=True)
    d_o = torch.randn(n, c, h, w)
    write_json(options, "case.json", {"n": n, "c": c, "h": h, "w": w, "e": options.pool_skip})
    write_safetensors(os.path.join(options.folder, "data.safetensors"),
                      {"y": y.detach().numpy(), "w": module.conv.weight.detach().numpy(), "bias": module.conv.bias.detach().numpy(),
                       "d_o": d_o.numpy()})
    o = module(y)
    o.backward(d_o)
    write_safetensors(os.path.join(options.folder, "torch.safetensors"),
                      {"o": o.detach().numpy(), "dy": y.grad.numpy(), "dw": module.conv.weight.grad.numpy(),
                       "dbias": module.conv.bias.grad.numpy()})


def count(options):
    model = make(options.model, options.width, options.classes, options.pool_skip, options.size)
    kinds = (PoolSkip, torch_segmentation.PoolSkip)
    modules = {id(p) for m in model.modules() if isinstance(m, kinds) for p in m.parameters()}
    total = [0, 0]
    for p in model.parameters():
        total[id(p) in modules] += p.numel()
    print(*total)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("count", "case", "skip"):
        sub = commands.add_parser(name)
        if name != "skip":
            sub.add_argument("model", choices=[*STAGES, *OTHERS, *torch_segmentation.MODELS])
            sub.add_argument("--width", type=float, default=1.0)
            sub.add_argument("--classes", type=int, default=10)
            sub.add_argument("--size", type=int, default=32)
        if name != "count":
            sub.add_argument("folder")
            sub.add_argument("--seed", type=int, default=1)
        if name == "skip":
            sub.add_argument("--shape", type=int, nargs=4, required=True)
        if name == "case":
            sub.add_argument("--steps", type=int, default=20)
            sub.add_argument("--batch", type=int, default=8)
            sub.add_argument("--lr", type=float, default=0.001)
            sub.add_argument("--momentum", type=float, default=0.9)
            sub.add_argument("--weight-decay", type=float, default=5e-4)
            sub.add_argument("--branch", type=float, default=1.0, help="factor on the last norm of each residual branch")
            sub.add_argument("--module", type=float, default=1.0, help="factor on the convolution of each Pool Skip")
            sub.add_argument("--shift", type=float, default=0.0, help="added to the shift of every batch norm")
            sub.add_argument("--clear", type=float, default=0.0, help="least distance of every decision from a tie")
            sub.add_argument("--double", action="store_true", help="compute in float64")
        sub.add_argument("--pool-skip", type=int, default=0, metavar="E")
    options = parser.parse_args()
    {"count": count, "case": run_case, "skip": run_skip}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
