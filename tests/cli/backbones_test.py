#!/usr/bin/env python3
"""--init with weights of a backbone by itself, as torchvision names those of ImageNet: all of it is loaded, a head of 1000 classes is left out with a sentence,
and the network's own head starts as it does without."""
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import done, must, path, report, run, tensors  # noqa: E402

STATE = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def norm(name):
    return [f"{name}.{part}" for part in STATE]


def resnet101():
    """Names of torchvision's state dict."""
    names = ["conv1.weight", *norm("bn1")]
    for layer, blocks in enumerate((3, 4, 23, 3), 1):
        for i in range(blocks):
            block = f"layer{layer}.{i}"
            for k in (1, 2, 3):
                names += [f"{block}.conv{k}.weight", *norm(f"{block}.bn{k}")]
            if i == 0:
                names += [f"{block}.downsample.0.weight", *norm(f"{block}.downsample.1")]
    return names, ["fc.weight", "fc.bias"]


def mobilenetv2():
    names = ["features.0.0.weight", *norm("features.0.1")]
    for i in range(1, 18):
        block = f"features.{i}.conv"
        first = [f"{block}.0.0.weight", *norm(f"{block}.0.1")]
        names += [*first, f"{block}.1.weight", *norm(f"{block}.2")] if i == 1 else [
            *first, f"{block}.1.0.weight", *norm(f"{block}.1.1"), f"{block}.2.weight", *norm(f"{block}.3")]
    return names, ["features.18.0.weight", *norm("features.18.1"), "classifier.1.weight", "classifier.1.bias"]


def alone(name):
    """The name in torchvision of a parameter here."""
    name = name[len("backbone."):]
    for part in ("low_level_features.", "high_level_features."):
        if name.startswith(part):
            return "features." + name[len(part):]
    return name


def header_of(file):
    with open(path(file), "rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        return {name: entry for name, entry in json.loads(stream.read(size)).items() if name != "__metadata__"}


def save(file, entries):
    """entries: name to (type, shape, bytes)."""
    header, data = {}, b""
    for name, (kind, shape, content) in entries.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path(file), "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


TRAIN = ["train", "--data", "synthetic-2d", "--patch-size", "32", "--batch", "2", "--probe", "2", "--train-limit", "4", "--test-limit", "1", "--width", "0.03",
         "--steps", "1", "--window", "1", "--lr", "0", "--norm-momentum", "0", "--quiet"]
for model, (names, head) in (("deeplabv3plus-resnet101", resnet101()), ("deeplabv3plus-mobilenetv2", mobilenetv2())):
    must(*TRAIN, "--model", model, "--seed", "1", "--out", model)
    must(*TRAIN, "--model", model, "--seed", "2", "--out", model + "-2")
    file = model + "/checkpoint.safetensors"
    own, content = header_of(file), tensors(file)
    backbone = {name for name in content if name.startswith("backbone.")}
    wanted = {name for name in names if not name.endswith("num_batches_tracked")}
    report({alone(name) for name in backbone} == wanted, f"{model}: its backbone has torchvision's names", sorted({alone(n) for n in backbone} ^ wanted)[:6])
    entries = {alone(name): ("F32", own[name]["shape"], content[name]) for name in own if name in backbone}
    entries.update({name: ("I64", [], struct.pack("<q", 7)) for name in names if name.endswith("num_batches_tracked")})
    for name in head:
        shape = [] if name.endswith("num_batches_tracked") else [1000, 4] if name in ("fc.weight", "classifier.1.weight") else [4]
        entries[name] = ("I64", [], struct.pack("<q", 7)) if not shape else ("F32", shape, bytes(4 * (4000 if len(shape) == 2 else 4)))
    save("backbone.safetensors", entries)
    loud = [word for word in TRAIN if word != "--quiet"]
    result = run(*loud, "--model", model, "--seed", "2", "--init", "backbone.safetensors", "--out", model + "-init")
    idle = sum(not name.endswith("num_batches_tracked") for name in head)
    report(result.returncode == 0 and "holds a backbone by itself" in result.stderr and f"{idle} of its tensors (\"{min(head)}\" first) are left out" in result.stderr,
           f"{model}: it is loaded, and what was left out is said", result.stderr)
    if result.returncode != 0:
        continue
    now, other = tensors(model + "-init/checkpoint.safetensors"), tensors(model + "-2/checkpoint.safetensors")
    report(all(now[name] == content[name] for name in backbone), f"{model}: every tensor of the backbone is the file's")
    rest = [name for name in now if name not in backbone]
    report(rest and all(now[name] == other[name] for name in rest), f"{model}: the head starts as it does without the file")
    result = run("eval", "backbone.safetensors", "--model", model, *TRAIN[1:15])
    report(result.returncode == 2 and "a backbone by itself" in result.stderr and "--init" in result.stderr, f"{model}: nothing is measured with half a network",
           result.stderr)
    for broken, expected in (({name: entry for name, entry in entries.items() if name != names[6]}, "has no tensor"),
                             ({**entries, names[0]: ("F32", [1, 1, 1, 1], bytes(4))}, "has shape [1, 1, 1, 1]")):
        save("broken.safetensors", broken)
        result = run(*TRAIN, "--model", model, "--init", "broken.safetensors", "--out", "refused")
        report(result.returncode == 2 and expected in result.stderr and not os.path.exists(path("refused")), f"{model}: refused: {expected}", result.stderr)
done()
