#!/usr/bin/env python3
"""examples/pytorch as its readers would go through it: the README's own commands, one after the other, in a copy of the
folder; with fewer steps and seeds."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import PROGRAM, ROOT, path, report, skip  # noqa: E402

if tap.lacking("torch"):
    skip("examples/pytorch", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()

FOLDER = os.path.join(ROOT, "examples", "pytorch")
os.makedirs(path("bin"))
os.symlink(PROGRAM, path("bin", "poolscope"))
os.symlink(sys.executable, path("bin", "python3"))
shutil.copytree(FOLDER, path("stripes"))
with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as stream:
    commands = re.findall(r"(?m)^    (\S.*)$", stream.read())
report(
    commands[1:3] == ["cd stripes", 'export PYTHONPATH="$(poolscope python-path)"'],
    "the page begins with a copy",
    commands[:3],
)
# A virtual environment's Python knows its packages by where it is called from.
environment = {
    **os.environ,
    "PATH": path("bin") + os.pathsep + os.environ["PATH"],
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": subprocess.run([PROGRAM, "python-path"], stdout=subprocess.PIPE, text=True).stdout.strip(),
}
FEWER = (
    (r"^python3 train.py runs$", "python3 train.py runs 30 1 2"),
    (r"runs/(baseline|ps2)-1,runs/\1-2,runs/\1-3", r"runs/\1-1,runs/\1-2"),
    (r"--steps 60", "--steps 8 --window 4 --quiet"),
    (r"^python3 ", f"'{sys.executable}' "),
)
said = {}
for command in commands[3:]:
    words = command
    for pattern, other in FEWER:
        words = re.sub(pattern, other, words)
    result = subprocess.run(
        ["sh", "-c", words],
        cwd=path("stripes"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600 * tap.PATIENCE,
    )
    said[command.split(" --")[0]] = result.stdout
    report(result.returncode == 0, command[:90], words + "\n" + result.stdout[-1500:])
trained = re.search(r"ps2, seed 1: ([\d.]+) %", said.get("python3 train.py runs", ""))
measured = re.search(r"accuracy +([\d.]+) %", said.get("poolscope eval out/weights.safetensors", ""))
report(
    trained and measured and abs(float(trained[1]) - float(measured[1])) < 0.45,
    "poolscope finds the accuracy that PyTorch found, but for a picture at the border of two classes",
    (trained, measured),
)
report(os.path.exists(path("stripes", "comparison", "report.html")), "the report is there")
runs = [path("stripes", "runs", f"{arm}-{seed}") for arm in ("baseline", "ps2") for seed in (1, 2)]
report(all(tap.run("validate", run).returncode == 0 for run in runs), "every trace follows the format")
backbones = [tap.records(run, "header")[0]["pairing"]["backbone"] for run in runs]
report(
    backbones[0] == backbones[2] != backbones[1] == backbones[3] and backbones[0],
    "the arms of a seed are pairs by the digests of their backbones",
    backbones,
)
code = [name for name in os.listdir(FOLDER) if name.endswith(".py")]
with open(os.path.join(FOLDER, "train.py"), encoding="utf-8") as stream:
    marked = sum("# +" in line for line in stream)
report(len(code) >= 4 and marked == 5, "what poolscope adds to the script is marked", marked)
tap.done()
