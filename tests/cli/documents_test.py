"""The commands that the READMEs show run as they stand there, but for size: small made-up files (CIFAR, CamVid, volumes) stand in for DIR, a few steps for
hundreds."""
import glob
import os
import re
import shlex
import struct
import sys
import zlib

sys.dont_write_bytecode = True
import random

import tap
from tap import must, path, report, run
from volume_file import write_nifti

FEW = ["--steps", "2", "--batch", "8", "--probe", "8", "--train-limit", "16", "--test-limit", "8"]
bytes_of = random.Random(1)
os.makedirs(path("DIR"))
for name, count in (("data_batch_1.bin", 600), ("test_batch.bin", 20)):
    with open(path("DIR", name), "wb") as stream:
        stream.write(b"".join(struct.pack("B", i % 10) + bytes_of.randbytes(3072) for i in range(count)))
for name, count in (("train.bin", 600), ("test.bin", 20)):  # CIFAR-100's, in the same folder
    with open(path("DIR", name), "wb") as stream:
        stream.write(b"".join(struct.pack("BB", i % 20, i % 100) + bytes_of.randbytes(3072) for i in range(count)))


def write_png(file, side, channels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + (bytes(bytes_of.randrange(11) for _ in range(side)) if channels == 1 else bytes_of.randbytes(3 * side))
    with open(file, "wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0 if channels == 1 else 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b""))


for part, count in (("train", 30), ("val", 8)):  # CamVid's
    for folder, channels in ((part, 3), (part + "annot", 1)):
        os.makedirs(path("DIR", folder))
        for i in range(count):
            write_png(path("DIR", folder, f"{i:02}.png"), 64, channels)
for folder, count in (("imagesTr", 40), ("labelsTr", 40), ("imagesTs", 8), ("labelsTs", 8)):  # the Medical Segmentation Decathlon's
    os.makedirs(path("DIR", folder))
    for i in range(count):
        write_nifti(path("DIR", folder, f"case_{folder[6:]}{i:02}.nii.gz"), (16, 16, 16), (1, 1, 1),
                    bytes_of.randbytes(4096) if folder.startswith("images") else bytes([0, 1, 2, 1] * 1024), 2)
os.makedirs(path("FOLDER"))  # pictures without labels
for i in range(3):
    write_png(path("FOLDER", f"{i}.png"), 64, 3)
os.symlink(os.path.join(tap.ROOT, "examples"), path("examples"))
for run_name in ("b1", "b2", "p1", "p2"):
    extra = ["--pool-skip", "2"] if run_name[0] == "p" else []
    must("train", "--model", "plain9", "--width", "0.25", *FEW, *extra, "--seed", run_name[1], "--quiet", "--out", f"runs/{run_name}")

shown = []
for document in ["README.md", *sorted(glob.glob("examples/*/README.md", root_dir=tap.ROOT))]:
    if document in ("examples/ci/README.md", "examples/pytorch/README.md"):
        continue  # whole, in ci_example_test.py and tests/python/example_test.py
    with open(os.path.join(tap.ROOT, document)) as stream:
        whole = re.sub(r" *\\\n +", " ", stream.read())  # a command may go on on the next line
    shown += [(document, line.strip()) for line in whole.splitlines() if re.match(r"    poolscope \w", line)]
report(len(shown) >= 5, "the READMEs show commands", shown)
for document, line in shown:
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "--open"]
    if words[0] == "train":
        words += [*FEW, "--quiet", *(["--width", "0.25"] if "deeplab" in line or "nnunet" in line else [])]
    elif words[0] == "experiment":
        words += [*FEW, "--width", "0.25", "--dry-run"]
        if "deep" in line:
            words += ["--stages", "1,1,1,1"]
    elif words[0] == "watch":
        words.append("--help")
    result = run(*words)
    report(result.returncode == 0, f"{document}: {line}", " ".join(words) + "\n" + result.stderr)
tap.done()
