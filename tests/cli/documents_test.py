"""The commands that the READMEs show run as they stand there, but for size: small made-up CIFAR files stand in for DIR, a few steps for hundreds."""
import glob
import os
import re
import shlex
import struct
import sys

sys.dont_write_bytecode = True
import random

import tap
from tap import must, path, report, run

FEW = ["--steps", "2", "--batch", "8", "--probe", "8", "--train-limit", "16", "--test-limit", "8"]
bytes_of = random.Random(1)
os.makedirs(path("DIR"))
for name, count in (("data_batch_1.bin", 600), ("test_batch.bin", 20)):
    with open(path("DIR", name), "wb") as stream:
        stream.write(b"".join(struct.pack("B", i % 10) + bytes_of.randbytes(3072) for i in range(count)))
for name, count in (("train.bin", 600), ("test.bin", 20)):  # CIFAR-100's, in the same folder
    with open(path("DIR", name), "wb") as stream:
        stream.write(b"".join(struct.pack("BB", i % 20, i % 100) + bytes_of.randbytes(3072) for i in range(count)))
os.symlink(os.path.join(tap.ROOT, "examples"), path("examples"))
for run_name in ("b1", "b2", "p1", "p2"):
    extra = ["--pool-skip", "2"] if run_name[0] == "p" else []
    must("train", "--model", "plain9", "--width", "0.25", *FEW, *extra, "--seed", run_name[1], "--quiet", "--out", f"runs/{run_name}")

shown = []
for document in ["README.md", *sorted(glob.glob("examples/*/README.md", root_dir=tap.ROOT))]:
    if document == "examples/ci/README.md":
        continue  # whole, in ci_example_test.py
    with open(os.path.join(tap.ROOT, document)) as stream:
        whole = re.sub(r" *\\\n +", " ", stream.read())  # a command may go on on the next line
    shown += [(document, line.strip()) for line in whole.splitlines() if re.match(r"    poolscope \w", line)]
report(len(shown) >= 5, "the READMEs show commands", shown)
for document, line in shown:
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "--open"]
    if words[0] == "train":
        words += [*FEW, "--quiet"]
    elif words[0] == "experiment":
        words += [*FEW, "--width", "0.25", "--dry-run"]
        if "deep" in line:
            words += ["--stages", "1,1,1,1"]
    elif words[0] == "watch":
        words.append("--help")
    result = run(*words)
    report(result.returncode == 0, f"{document}: {line}", " ".join(words) + "\n" + result.stderr)
tap.done()
