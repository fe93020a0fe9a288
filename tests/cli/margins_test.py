"""Margins stand once, in analysis/predictions: what documents, scripts and tests say of them agrees."""
import glob
import os
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import report

os.chdir(tap.ROOT)


def read(name):
    with open(name) as stream:
        return stream.read()


def named(files):
    return {re.search(r'\.id = "(\w+)"', read(name)).group(1): name for name in files}


listed = re.findall(r"^PS_PREDICTION\((\w+)\) /\* (.*) \*/$", read("analysis/predictions/prediction_list.def"), re.M)
files = [name for name in sorted(glob.glob("analysis/predictions/*.c")) if "const ps_prediction ps_prediction_" in read(name)]
margins = {name: {float(number) for number in re.findall(r"\.margin = (-?[0-9.]+)", read(file))} for name, file in named(files).items()}
report(sorted(f"analysis/predictions/{name}.c" for name, _ in listed) == files, "every prediction is in the list", (listed, files))
report(all(f"analysis/predictions/{name.lower()}.c" == file for name, file in named(files).items()), "files have the names of their predictions")
report(all(f'.title = "{title}"' in read(f"analysis/predictions/{name}.c") for name, title in listed), "the list has their titles")
report(all(margins.values()), "every prediction has a margin", margins)

NUMBER = r"-?\d+(?:\.\d+)?"


def disagreeing(text):
    """The places of a text that give a prediction another margin than its own."""
    found = []
    for match in re.finditer(rf"margins? of ([WPM]\d+)\b[^.;\n]*?({NUMBER})", text):
        found += [match.group(0)] if float(match.group(2)) not in margins.get(match.group(1), ()) else []
    for line in text.splitlines():
        cells = re.match(rf"\|.*\(((?:[WPM]\d+(?:, )?)+)\) \| ({NUMBER}) \| .*\|", line)
        if cells and float(cells.group(2)) not in {0}.union(*(margins.get(name, ()) for name in cells.group(1).split(", "))):
            found.append(line)
    return found


own = "tests/cli/margins_test.py"
for name in sorted(glob.glob("**/*", recursive=True)):
    if name.startswith(("build/", "runs/")) or name == own or not name.endswith((".md", ".py", ".sh", ".c", ".h", ".def")):
        continue
    wrong = disagreeing(read(name))
    if wrong or name == "analysis/CALIBRATION.md":
        report(not wrong, f"{name} gives predictions their own margins", wrong)
for planted in ("the margin of P6, -0.03", "| share (W1) | 0.06 | 3 | 0 |"):
    report(len(disagreeing(planted)) == 1, f"another margin is found: {planted}")
for right in ("the margin of P6, -0.01", "| share (W1) | 0.05 | 3 | 0 |", "| share (W1) | 0 | 3 | 0 |"):
    report(not disagreeing(right), f"the right one is not: {right}")
tap.done()
