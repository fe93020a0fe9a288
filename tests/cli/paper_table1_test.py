"""examples/paper-table1: each configuration runs, 3 steps of it, on made-up files in the layouts of CIFAR-10 and CIFAR-100; the published sizes are read and
their steps counted."""
import glob
import json
import os
import random
import struct
import sys

sys.dont_write_bytecode = True
import tap
from tap import path, report, run

FOLDER = os.path.join(tap.ROOT, "examples", "paper-table1")
NETWORKS = ["cct_7_3x1_32", "cvt_7_4_32", "googlenet", "mobilenet", "resnet18", "resnet50", "vgg16", "vit_7_4_32"]
random_bytes = random.Random(1)


def images(labels, names):
    """Files of a layout: `labels` bytes before each image."""
    folder = "cifar10" if labels == 1 else "cifar100"
    os.makedirs(path(folder))
    for name, count in names:
        with open(path(folder, name), "wb") as stream:
            stream.write(b"".join(struct.pack("B" * labels, *[i % 10] * labels) + random_bytes.randbytes(3072) for i in range(count)))
    return f"{folder}:{path(folder)}"


DATA = [images(1, (("data_batch_1.bin", 80), ("test_batch.bin", 16))), images(2, (("train.bin", 80), ("test.bin", 16)))]
FEW = ["--steps", "3", "--batch", "8", "--probe", "8", "--train-limit", "32", "--test-limit", "8", "--window", "3", "--seeds", "1", "--cooldown-epochs", "0"]

files = sorted(os.path.splitext(os.path.basename(f))[0] for f in glob.glob(os.path.join(FOLDER, "*.json")))
full = sorted(os.path.splitext(os.path.basename(f))[0] for f in glob.glob(os.path.join(FOLDER, "full", "*.json")))
report(files == full == NETWORKS, "every network has its file and its published size", (files, full))
for index, name in enumerate(NETWORKS):
    file = os.path.join(FOLDER, f"{name}.json")
    with open(file) as stream:
        document = json.load(stream)
    arms = [arm["name"] for arm in document["arms"]]
    report(arms == ["baseline", "ps2", "conv-skip", "grid2"] and len(document["seeds"]) >= 5 and document["base"]["model"] == name, f"{name}: its arms and seeds", arms)
    done = run("experiment", file, "--data", DATA[index % 2], *FEW, "--width", "0.0625", "--out", name, "--quiet", "--no-report")
    ends = [tap.records(f"{name}/runs/{arm}/seed-1")[-1] for arm in arms if os.path.exists(path(name, "runs", arm, "seed-1", "trace.jsonl"))]
    report(done.returncode in (0, 1) and len(ends) == 4 and all(e["type"] == "end" and e["steps"] == 3 for e in ends), f"{name}: 3 steps of every arm, {DATA[index % 2].split(':')[0]}", done.stderr)
    sizes = [tap.records(f"{name}/runs/{arm}/seed-1")[0]["model"] for arm in arms] if len(ends) == 4 else []
    report(len({s["module_parameters"] for s in sizes[1:]}) == 1 and sizes and sizes[0]["module_parameters"] == 0, f"{name}: the controls have as many parameters", sizes)
    done = run("plan-seeds", file)
    report(done.returncode == 0 and "5 of 5 seeds" in done.stdout, f"{name}: what its seeds can show is said", done.stdout + done.stderr)
    with open(os.path.join(FOLDER, "full", f"{name}.json")) as stream:
        published = json.load(stream)
    report(published["base"]["recipe"] == document["base"]["recipe"] and "width" not in published["base"] and "size" not in published["base"] and published["arms"] == document["arms"],
           f"{name}: the published size has the same recipe and arms")
    done = run("experiment", os.path.join(FOLDER, "full", f"{name}.json"), "--data", DATA[0], *FEW, "--width", "0.0625", "--size", "16", "--dry-run")
    report(done.returncode == 0 and "ps2" in done.stdout, f"{name}: and is an experiment", done.stderr)
tap.done()
