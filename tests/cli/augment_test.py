#!/usr/bin/env python3
"""Augmentation: every operation on 8-bit images is within one grey level of Pillow's, on random images and parameters; the engine's batches are
those that src/data/README.md defines, worked out from that text (tests/ref/augment.py) with Pillow's operations."""
import math
import os
import random
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, TINY, done, must, path, records, report, run, skip  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tests", "ref"))
try:
    from PIL import Image
except ImportError:
    Image = None

TOOLS = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli")
FILTERS = ["NEAREST", "BILINEAR", "BICUBIC"]


# ---- options ----

TRAIN = ["train", *TINY, "--steps", "4", "--window", "2"]
EVERYTHING = ["--crop-pad", "2", "--crop-black", "--flip", "--rotate", "15", "--color-jitter", "0.5,0.5,0.5", "--resized-crop-scale", "0.8,1", "--rand-augment", "rand-m9-mstd0.5-inc1",
              "--erase", "0.25", "--mixup", "0.8", "--cutmix", "1", "--mix-until-epoch", "1", "--label-smoothing", "0.1"]
for words, expected in (
        (["--rotate", "181"], "from 0 to 180"), (["--rotate", "nan"], "from 0 to 180"), (["--rotate", "-1"], "from 0 to 180"),
        (["--erase", "1.1"], "from 0 to 1"), (["--erase", "0.5", "--no-normalise"], "normalise them"),
        (["--resized-crop-scale", "0.8"], "two numbers"), (["--resized-crop-scale", "1,0.8"], "smaller first"), (["--resized-crop-scale", "0,1"], "above 0"),
        (["--resized-crop-scale", "0.5,1.5"], "up to 1"), (["--resized-crop-scale", "a,b"], "numbers"), (["--resized-crop-scale", "0.5,nan"], "numbers"),
        (["--resized-crop-scale", "0.5,1", "--resized-crop-ratio", "0,1"], "width to height"), (["--resized-crop-ratio", "1,1"], "resized_crop_scale"),
        (["--resized-crop-scale", "0.5,1", "--resized-crop-ratio", "1,1e300"], "width to height"), (["--crop-black"], "crop_pad"),
        (["--crop-pad", "8"], "less than the image's side"),
        (["--color-jitter", "0.5,0.5"], "three numbers"), (["--color-jitter", "0.5,2,0"], "from 0 (none) to 1"), (["--color-jitter", "a"], "numbers"),
        (["--color-jitter", "nan,0,0"], "numbers"), (["--patch-scale", "0.5,2"], "patch_size"), (["--patch-scale", "2,0.5", "--patch-size", "8"], "smaller first"),
        (["--patch-scale", "0,1", "--patch-size", "8"], "from 0.1 to 10"), (["--patch-scale", "1", "--patch-size", "8"], "two numbers"),
        (["--mixup", "-1"], "from 0"), (["--mixup", "nan"], "from 0"), (["--cutmix", "1e9"], "to 1000"), (["--label-smoothing", "1"], "to 0.999"),
        (["--mixup", "1", "--no-shuffle"], "shuffle the images"), (["--cutmix", "1", "--no-shuffle"], "shuffle the images"),
        (["--mixup", "1", "--mix-switch", "0.2"], "give both"), (["--mix-switch", "0.2"], "give both"), (["--mix-until-epoch", "3"], "give mixup or cutmix"),
        (["--mix-switch", "1.5", "--mixup", "1", "--cutmix", "1"], "from 0 to 1"), (["--mixup", "1", "--batch", "1"], "batch of 1"),
        *((["--rand-augment", text], "rand_augment") for text in ("9", "m", "m11", "m-1", "m9-", "-m9", "m9--inc1", "m9-m9", "inc2", "n0", "n16", "n1.5", "p2",
                                                                  "mstd-1", "rand-", "x1", "m9;inc1", "m1e9", "mnan", "minf", "M9", "m" * 400))):
    result = run(*TRAIN, "--out", "refused", *words)
    said = result.stderr.strip()
    report(result.returncode == 2 and expected in said and said.count("\n") == 0 and not os.path.exists(path("refused")),
           f"refused in one sentence: {' '.join(words)[:60]}", f"exit {result.returncode}: {said}")

for threads in ("1", "3"):
    must(*TRAIN, *EVERYTHING, "--threads", threads, "--out", "threads-" + threads)
config = records("threads-1", "header")[0]["config"]
report(all(config[name] == value for name, value in (("rotate", 15), ("erase", 0.25), ("rand_augment", "rand-m9-mstd0.5-inc1"), ("crop_black", True),
                                                     ("resized_crop_scale", "0.8,1"), ("mixup", 0.8), ("cutmix", 1),
                                                     ("mix_switch", 0.5), ("mix_until_epoch", 1), ("label_smoothing", 0.1))), "the header of the trace says what was done to images", config)

must(*TRAIN, "--label-smoothing", "0.1", "--out", "smoothed")
must(*TRAIN, "--out", "plain")
floors = [records(name, "header")[0]["data"].get("loss_floor") for name in ("smoothed", "threads-1", "plain")]
own, rest = 0.91, 0.01  # of ten classes
report(abs(floors[0] + own * math.log(own) + 9 * rest * math.log(rest)) < 1e-12 and floors[1] > 0 and floors[2] is None,
       "the least loss that softened labels allow stands in the header", floors)
report(all(run("validate", name).returncode == 0 for name in ("smoothed", "threads-1")), "the traces follow the format")


def steps_of(directory):
    return [{k: v for k, v in r.items() if "ns" not in k} for r in records(directory) if r["type"] not in ("header", "timing")]


report(steps_of("threads-1") == steps_of("threads-3"), "the same trace for any number of threads")


# ---- operations against Pillow ----

def ours(h, w, c, jobs):
    """What the engine makes of (line, image) each."""
    text = b"".join(line.encode() + b"\n" + image for line, image in jobs)
    out = subprocess.run([os.path.join(TOOLS, "augment_tool"), str(h), str(w), str(c)], input=text, stdout=subprocess.PIPE, check=True).stdout
    return [out[i:i + h * w * c] for i in range(0, len(out), h * w * c)]


def random_image(dice, h, w, c):
    """Noise, gradients, few values, one value: what tables and borders could trip over."""
    kind, n = dice.randrange(5), h * w * c
    if kind == 0:
        return bytes(dice.randrange(256) for _ in range(n))
    if kind == 1:
        low, high = sorted((dice.randrange(256), dice.randrange(256)))
        return bytes(dice.randint(low, high) for _ in range(n))
    if kind == 2:
        return bytes((i * 3 + i // w * 5) % 256 for i in range(n))
    if kind == 3:
        few = [dice.randrange(256) for _ in range(3)]
        return bytes(dice.choice(few) for _ in range(n))
    return bytes([dice.randrange(256)]) * n


def random_job(dice, name, h, w, c):
    """(line for the tool, call for tests/ref/augment.py) of an operation with random parameters."""
    fill, smooth = tuple(dice.randrange(256) for _ in range(c)), dice.choice((1, 2))
    words = " ".join(map(str, fill))
    if name in ("autocontrast", "equalize", "invert"):
        return name, lambda image: augment.tone(image, name, None)
    if name in ("posterize", "solarize", "solarize_add"):
        number = dice.randint(0, {"posterize": 8, "solarize": 256, "solarize_add": 110}[name])
        return f"{name} {number}", lambda image: augment.tone(image, name, number)
    if name in ("color", "contrast", "brightness", "sharpness"):
        factor = dice.uniform(0.1, 1.9)
        return f"{name} {factor!r}", lambda image: augment.tone(image, name, factor)
    if name == "rotate":
        way, degrees = dice.randrange(3), dice.uniform(-180, 180) if dice.random() < 0.3 else dice.uniform(-30, 30)
        return f"rotate {way} {degrees!r} {words}", lambda image: image.rotate(degrees, getattr(Image, FILTERS[way]), fillcolor=augment.colour(fill))
    if name == "part":
        ph, pw = dice.randint(1, h), dice.randint(1, w)
        top, left = dice.randint(0, h - ph), dice.randint(0, w - pw)
        return (f"part {smooth} {top} {left} {ph} {pw}",
                lambda image: image.crop((left, top, left + pw, top + ph)).resize((w, h), getattr(Image, FILTERS[smooth])))
    v = dice.uniform(-0.3, 0.3) if name[:5] == "shear" else dice.uniform(-0.45, 0.45) * (w if name[-1] == "x" else h)
    m = {"shear_x": (1, v, 0, 0, 1, 0), "shear_y": (1, 0, 0, v, 1, 0), "translate_x": (1, 0, v, 0, 1, 0), "translate_y": (1, 0, 0, 0, 1, v)}[name]
    return (f"warp {smooth} {' '.join(map(repr, m))} {words}",
            lambda image: image.transform(image.size, Image.AFFINE, m, getattr(Image, FILTERS[smooth]), fillcolor=augment.colour(fill)))


OPERATIONS = ["autocontrast", "equalize", "invert", "posterize", "solarize", "solarize_add", "color", "contrast", "brightness", "sharpness", "rotate",
              "shear_x", "shear_y", "translate_x", "translate_y", "part"]
SIZES = [(32, 32, 3), (28, 28, 1), (17, 9, 3), (5, 6, 1), (2, 3, 3), (1, 1, 3)]


def compare_operation(name):
    dice, worst, same, count = random.Random(name), 0, 0, 0
    for h, w, c in SIZES:
        jobs = [(random_job(dice, name, h, w, c), random_image(dice, h, w, c)) for _ in range(40)]
        for ((line, reference), image), got in zip(jobs, ours(h, w, c, [(job[0], image) for job, image in jobs])):
            want = reference(Image.frombytes("RGB" if c == 3 else "L", (w, h), image)).tobytes()
            far = max(abs(a - b) for a, b in zip(got, want))
            if far > worst:
                worst, where = far, f"{line} on {h} x {w} x {c}: {far} grey levels apart"
            same, count = same + (far == 0), count + 1
    report(worst <= 1, f"{name} is Pillow's within a grey level ({count} images, {same} the same)", where if worst else "")


if Image is None:
    skip("operations and batches against Pillow", "no Pillow in this Python (make venv installs it; Debian: python3-pil)")
    done()
import augment  # noqa: E402
import data_order  # noqa: E402

for operation in OPERATIONS:
    compare_operation(operation)


# ---- the engine's batches against the document ----

COUNT, BATCH, SEED = 24, 8, 11


def write_cifar(folder, images):
    os.makedirs(folder)
    with open(os.path.join(folder, "data_batch_1.bin"), "wb") as stream:
        for i, image in enumerate(images):
            stream.write(bytes([i % 10]) + b"".join(image[c::3] for c in range(3)))


def write_idx(folder, images, h, w):
    os.makedirs(folder)
    with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as stream:
        stream.write(struct.pack(">IIII", 0x803, len(images), h, w) + b"".join(images))
    with open(os.path.join(folder, "train-labels-idx1-ubyte"), "wb") as stream:
        stream.write(struct.pack(">II", 0x801, len(images)) + bytes(i % 10 for i in range(len(images))))


def engine(source, steps, pad, flip, values, *words):
    data = subprocess.run([os.path.join(TOOLS, "order_tool"), source, *map(str, (SEED, BATCH, pad, int(flip), steps, 0, 0)), *words],
                          stdout=subprocess.PIPE, check=True).stdout
    size = BATCH * (1 + values)
    rows = []
    for step in range(steps):
        x = struct.unpack_from(f"<{BATCH * values}f", data, 4 * (step * size + BATCH))
        rows += [x[r * values:(r + 1) * values] for r in range(BATCH)]
    return rows if len(data) == 4 * size * steps else []


def moments(images, c):
    means, deviations = [], []
    for k in range(c):
        values = [v for image in images for v in image[k::c]]
        means.append(sum(values) / len(values))
        deviations.append((sum(v * v for v in values) / len(values) - means[-1] ** 2) ** 0.5)
    return means, deviations


def compare_batches(name, h, w, c, options, *words, erase=0.0):
    """Of raw bytes, but where something is erased: then of normalised values."""
    dice, steps = random.Random(name), 9
    images, folder = [random_image(dice, h, w, c) for _ in range(COUNT)], path(name.replace(" ", "-"))
    if c == 3:
        write_cifar(folder, images)
    else:
        write_idx(folder, images, h, w)
    means, deviations = moments(images, c)
    source, grey = ("cifar10:" if c == 3 else "idx:") + folder, [round(m) for m in means]
    words = [*words, *([f"erase={erase}"] if erase else ["raw=1"])]
    got = engine(source, steps, options.get("crop_pad", 0), options.get("flip", False), h * w * c, *words)
    options = {**options, "outside": grey if erase and not options.get("black") else [0] * c}
    worst, same, rows = 0, 0, list(data_order.rows(SEED, steps, COUNT, BATCH))
    for (_, epoch, _, number, *_), x in zip(rows, got):
        bytes_of = augment.load(Image.frombytes("RGB" if c == 3 else "L", (w, h), images[number]), SEED, epoch, number, options, grey).tobytes()
        want, scale = list(map(float, bytes_of)), 1
        if erase:
            want, scale = [(v - means[i % c]) / deviations[i % c] for i, v in enumerate(want)], min(deviations)
            augment.erase(want, data_order.fold(data_order.fold(data_order.key(SEED, "data/augment/erase"), epoch), number), erase, h, w, c)
        far = max(abs(a - b) * scale for a, b in zip(x, want))
        worst, same = max(worst, far), same + (far < 1e-3)
    report(len(got) == len(rows) and worst <= 1.001, f"{name}: batches are those of the document ({len(got)} rows, {same} the same)", f"{worst} grey levels")


RAND = {"n": 2, "p": 0.5, "m": 9, "mstd": 0.5, "inc": True}
compare_batches("rotation after crop and flip", 32, 32, 3, {"crop_pad": 4, "flip": True, "rotate": 15}, "rotate=15")
compare_batches("resized crops", 32, 32, 3, {"scale": (0.8, 1), "ratio": (0.75, 4 / 3), "flip": True}, "scale=0.8,1", f"ratio=0.75,{4 / 3!r}")
compare_batches("resized crops that seldom fit", 20, 12, 1, {"scale": (0.9, 1), "ratio": (1.5, 3)}, "scale=0.9,1", "ratio=1.5,3")
compare_batches("RandAugment", 32, 32, 3, {"flip": True, "rand": RAND}, "rand_augment=rand-m9-mstd0.5-inc1")
compare_batches("RandAugment of grey images, as strong as can be", 28, 28, 1, {"rand": {"n": 4, "p": 1, "m": 10, "mstd": 3, "inc": False}},
                "rand_augment=n4-p1-mstd3")
compare_batches("RandAugment of uniform magnitude", 32, 32, 3, {"rand": {**RAND, "mstd": 101, "n": 3, "p": 0.9}}, "rand_augment=m9-mstd101-inc1-n3-p0.9")
compare_batches("colour jitter", 32, 32, 3, {"flip": True, "jitter": (0.5, 0.5, 0.5)}, "jitter=0.5,0.5,0.5")
compare_batches("jitter of brightness and contrast of grey images", 28, 28, 1, {"jitter": (0.3, 1, 0)}, "jitter=0.3,1,0")
compare_batches("jitter of saturation alone", 32, 32, 3, {"jitter": (0, 0, 1)}, "jitter=0,0,1")
compare_batches("erasing", 32, 32, 3, {}, erase=0.9)
compare_batches("all of it", 32, 32, 3, {"scale": (0.8, 1), "ratio": (0.75, 4 / 3), "crop_pad": 3, "flip": True, "rotate": 10, "rand": RAND},
                "scale=0.8,1", f"ratio=0.75,{4 / 3!r}", "rotate=10", "rand_augment=m9-mstd0.5-inc1", erase=0.25)
compare_batches("all of it with black outside", 32, 32, 3, {"crop_pad": 3, "black": True, "rotate": 10}, "crop_black=1", "rotate=10", erase=0.25)
done()
