#!/usr/bin/env python3
"""Order and augmentation of training images are what src/data/README.md says: the engine's batches, pixel by pixel, against batches worked
out from that text alone (tests/ref/data_order.py)."""
import math
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, WORK, done, path, report  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tests", "ref"))
import data_order  # noqa: E402

TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "order_tool")


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def engine(source, seed, batch, pad, flip, steps, probe, limit, values, labels, *words):
    """Labels and pixels of every row, in order."""
    done_run = subprocess.run([TOOL, source, *map(str, (seed, batch, pad, int(flip), steps, probe, limit)), *words], stdout=subprocess.PIPE, check=True)
    data, at, rows = done_run.stdout, 0, []
    for _ in range(steps):
        label = struct.unpack_from(f"<{batch * labels}i", data, at)
        at += 4 * batch * labels
        x = struct.unpack_from(f"<{batch * values}f", data, at)
        at += 4 * batch * values
        rows += [(label[r * labels:(r + 1) * labels], x[r * values:(r + 1) * values]) for r in range(batch)]
    return rows if at == len(data) else []


def table(images, channels):
    """(v - mean) / deviation of every byte, for each channel of the training images in use."""
    tables = []
    for c in range(channels):
        values = [v for image in images for v in image[c::channels]]
        mean = sum(values) / len(values)
        deviation = math.sqrt(max(0.0, sum(v * v for v in values) / len(values) - mean * mean)) or 1.0
        tables.append([single((v - mean) / deviation) for v in range(256)])
    return tables


def expected(images, labels, shape, seed, batch, pad, flip, steps, probe, limit):
    """The same rows from the document: shape is (c, d, h, w), an image its bytes channels last, labels one or one a position."""
    c, d, h, w = shape
    used = len(images) - probe
    used = min(limit, used) if limit else used
    normal = table(images[:used], c)
    for _, _, _, image, z0, y0, x0, mirrored in data_order.rows(seed, steps, used, batch, pad, flip, d > 1):
        pixels, classes = [], []
        for z in range(d):
            for y in range(h):
                for x in range(w):
                    from_z, from_y, from_x = z + z0, y + y0, (w - 1 - x if mirrored else x) + x0
                    inside = 0 <= from_z < d and 0 <= from_y < h and 0 <= from_x < w
                    place = (from_z * h + from_y) * w + from_x
                    pixels += [normal[k][images[image][place * c + k]] if inside else 0.0 for k in range(c)]
                    classes.append(labels[image][place] if inside and len(labels[image]) > 1 else -1)
        yield tuple(classes) if len(labels[image]) > 1 else tuple(labels[image]), pixels


def compare(name, source, images, labels, shape, seed, batch, pad, flip, steps, probe, limit):
    values = shape[0] * shape[1] * shape[2] * shape[3]
    got = engine(source, seed, batch, pad, flip, steps, probe, limit, values, len(labels[0]))
    want = list(expected(images, labels, shape, seed, batch, pad, flip, steps, probe, limit))
    wrong = next((i for i, (a, b) in enumerate(zip(got, want)) if a[0] != b[0]), None)
    report(len(got) == len(want) and wrong is None, name + ": labels of every row", f"{len(got)} rows, {len(want)} expected, row {wrong} differs")
    # A value may stand one rounding apart: mean and deviation are sums.
    far = [i for i, (a, b) in enumerate(zip(got, want)) if any(abs(p - q) > 2e-7 * (1 + abs(q)) for p, q in zip(a[1], b[1]))]
    report(len(got) == len(want) and not far, name + ": pixels of every row", far[:10])


report(data_order.philox((0, 0), 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], "Philox gives the published numbers")

# 61 images of 5 x 6 that are all different, with labels that repeat.
COUNT, HEIGHT, WIDTH = 61, 5, 6
images = [bytes((i * 37 + v * 11 + (i * v) % 13) % 256 for v in range(HEIGHT * WIDTH)) for i in range(COUNT)]
labels = [((i * 7) % 10,) for i in range(COUNT)]
os.makedirs(path("idx"))
with open(path("idx", "train-images-idx3-ubyte"), "wb") as file:
    file.write(struct.pack(">IIII", 0x803, COUNT, HEIGHT, WIDTH) + b"".join(images))
with open(path("idx", "train-labels-idx1-ubyte"), "wb") as file:
    file.write(struct.pack(">II", 0x801, COUNT) + bytes(label[0] for label in labels))
source = "idx:" + os.path.join(WORK, "idx")
flat = (1, 1, HEIGHT, WIDTH)
compare("as stored, three epochs and a part", source, images, labels, flat, 1, 8, 0, False, 23, 0, 0)
compare("cropped and flipped, less a probe", source, images, labels, flat, 2, 7, 2, True, 20, 9, 0)
compare("flipped only, the first images", source, images, labels, flat, 2147483647, 5, 0, True, 17, 11, 33)



def compare_mixed(name, seed, batch, steps, **mix):
    """Each row with its opposite, by the mixture of its step."""
    plain = engine(source, seed, batch, 1, True, steps, 0, 0, HEIGHT * WIDTH, 1)
    got = engine(source, seed, batch, 1, True, steps, 0, 0, HEIGHT * WIDTH, 1, *(f"{word}={value!r}" for word, value in mix.items()))
    far, kinds = [], set()
    for i, (label, x) in enumerate(got):
        step, row = divmod(i, batch)
        share, box = data_order.mixture(seed, step, step // (COUNT // batch), HEIGHT, WIDTH, mix.get("mixup", 0), mix.get("cutmix", 0), mix.get("switch", 0.5),
                                        mix.get("until", 0))
        kinds.add("none" if share == 1 else "box" if box else "sum")
        own, other = plain[i][1], plain[step * batch + batch - 1 - row][1]
        for at, value in enumerate(x):
            y, column = divmod(at, WIDTH)
            inside = box and box[0] <= y < box[2] and box[1] <= column < box[3]
            want = other[at] if inside else own[at] if box else share * own[at] + (1 - share) * other[at]
            if abs(value - want) > 2e-6 * (1 + abs(want)) or label != plain[i][0]:
                far.append((step, row, at, value, want))
    report(len(got) == len(plain) == batch * steps and not far, f"{name}: rows are mixed as the document says ({', '.join(sorted(kinds))})", far[:5])


compare_mixed("mixup", 3, 8, 20, mixup=0.8)
compare_mixed("mixup of a batch of odd size, small alpha, two epochs", 4, 9, 24, mixup=0.1, until=2)
compare_mixed("cutmix", 5, 6, 30, cutmix=1.0)
compare_mixed("both", 6, 10, 40, mixup=0.8, cutmix=1.0, switch=0.3)

volumes = [bytes((31 * i + 7 * v) % 251 for v in range(120)) for i in range(23)]
places = [tuple((i + p) % 3 for p in range(60)) for i in range(23)]
compare("volumes with a label a position", "volume", volumes, places, (2, 3, 4, 5), 5, 4, 2, True, 13, 2, 0)

# What the text says and what was followed are one: its constants and names stand in it.
with open(os.path.join(ROOT, "src", "data", "README.md"), encoding="utf-8") as file:
    text = re.sub(r"\s+", " ", file.read())
report(all(word in text for word in ("Philox 4x32-10", "14695981039346656037", "1099511628211", '"data/order"', '"data/augment"', '"data/mix"')),
       "the text holds the constants and the names of the keys")
done()
