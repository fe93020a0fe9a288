"""What there is to learn, and what learns it: stripes in ten directions under noise, 16 x 16 grey values, made up by a
seed; and a small network of a user's. The pictures are also written in the format of MNIST, which poolscope reads."""
import math
import os
import struct

import torch
from torch import nn


def pictures(count, seed):
    """Bytes n x 1 x 16 x 16, and which of ten directions each has."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (count,), generator=draw)
    angle, phase = labels * (math.pi / 10), torch.rand(count, generator=draw) * 6.3
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    along = torch.cos(angle)[:, None, None] * x + torch.sin(angle)[:, None, None] * y
    wave = torch.cos(1.2 * along + phase[:, None, None])
    noise = torch.randn(count, 16, 16, generator=draw)
    return (128 + 40 * wave + 50 * noise).clamp(0, 255).to(torch.uint8)[:, None], labels


def as_input(images):
    """What the network is given; to poolscope the same is said as --mean 0.5 --std 0.25."""
    return (images / 255 - 0.5) / 0.25


def network():
    def unit(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
                             nn.ReLU(inplace=True))

    return nn.Sequential(unit(1, 12), unit(12, 16), nn.MaxPool2d(2), unit(16, 24), nn.Conv2d(24, 24, 3, padding=1),
                         nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))


def write_idx(folder):
    """The same pictures as train.py has, for `--data idx:FOLDER`."""
    os.makedirs(folder, exist_ok=True)
    for part, (images, labels) in (("train", pictures(1024, 1)), ("t10k", pictures(256, 2))):
        with open(os.path.join(folder, f"{part}-images-idx3-ubyte"), "wb") as stream:
            stream.write(struct.pack(">IIII", 0x803, len(labels), 16, 16) + bytes(images.flatten().tolist()))
        with open(os.path.join(folder, f"{part}-labels-idx1-ubyte"), "wb") as stream:
            stream.write(struct.pack(">II", 0x801, len(labels)) + bytes(labels.tolist()))
