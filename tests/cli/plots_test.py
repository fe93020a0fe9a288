#!/usr/bin/env python3
"""Plots as a reader meets them: no label is cut off at the edge, arms beyond the eighth are told apart, and pages show
what lies beside them. Tables are made up (tests/unit/report_test make); without gnuplot there is nothing to look at."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as tree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, done, path, report, run, skip  # noqa: E402

TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests/unit/report_test")
SVG = "{http://www.w3.org/2000/svg}"


def texts(element, x=0.0, y=0.0, turned=False, anchor="start", size=14.0):
    """Every text of a gnuplot drawing: where it is anchored, whether it is turned, how, its size and its words."""
    for part in element:
        px, py, pt = x, y, turned
        moved = re.search(r"translate\(\s*([-\d.]+)\s*,\s*([-\d.]+)", part.get("transform", ""))
        if moved:
            px, py = x + float(moved.group(1)), y + float(moved.group(2))
        if re.search(r"rotate\((270|-?90)", part.get("transform", "")):
            pt = True
        pa, ps = part.get("text-anchor", anchor), float(part.get("font-size", size))
        if part.tag == SVG + "text":
            words = "".join(part.itertext()).strip()
            if words:
                yield px + float(part.get("x", 0)), py + float(part.get("y", 0)), pt, pa, ps, words
        else:
            yield from texts(part, px, py, pt, pa, ps)


def cut_off(file):
    """Texts that reach over the drawing's edge by more than a character, at half an em a character."""
    root = tree.parse(file).getroot()
    width, height = map(float, root.get("viewBox").split()[2:])
    for x, y, turned, anchor, size, words in texts(root):
        length = 0.5 * size * len(words)
        before = {"start": 0, "middle": length / 2, "end": length}[anchor]
        first, last = (y - length + before, y + before) if turned else (x - before, x + length - before)
        end, across, room = (height, x, width) if turned else (width, y, height)
        if first < -size or last > end + size or across < size / 2 or across > room + 1:
            yield f"{os.path.basename(file)}: \"{words}\" from {first:.0f} to {last:.0f} of {end:.0f}, at {across:.0f} of {room:.0f}"


def drawings(directory):
    folder = path(directory, "plots")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".svg"))


if shutil.which("gnuplot") is None:
    skip("plots", "no gnuplot")
    done()

for name, shape in (("three", "3 3 4 6 8 0"), ("twelve", "12 2 4 6 8 0"), ("one", "1 1 1 1 1 0")):
    subprocess.run([TOOL, "make", path(name), *shape.split()], check=True, stdout=subprocess.DEVNULL)
    made = run("report", name, "--format", "html,md")
    report(made.returncode == 0 and "could not be drawn" not in made.stderr, f"{name} arms: all plots are drawn", made.stderr)
    faults = [fault for file in drawings(name) for fault in cut_off(file)]
    report(len(drawings(name)) > 3 and not faults, f"{name} arms: no label is cut off at the edge", "\n".join(faults))

def undrawn(file):
    """Labels of axes that the script sets unconditionally and that gnuplot left out without a word."""
    with open(file[:-3] + "gp") as stream:
        wanted = re.findall(r'^set [xy]label "([^"]+)"', stream.read(), re.M)
    drawn = {t[-1] for t in texts(tree.parse(file).getroot())}
    return [f"{os.path.basename(file)}: {label}" for label in wanted if label not in drawn]


missing = [fault for name in ("three", "twelve") for file in drawings(name) for fault in undrawn(file)]
report(not missing, "every axis label that a script sets is drawn", "\n".join(missing))

with open(path("twelve", "plots", "dead_time.svg")) as stream:
    dashed = len(re.findall(r"stroke-dasharray", stream.read()))
with open(path("three", "plots", "dead_time.svg")) as stream:
    plain = len(re.findall(r"stroke-dasharray", stream.read()))
report(dashed > 0 and plain == 0, "arms beyond the eighth repeat colours with dashes", f"{dashed} and {plain} dashed lines")

words = " ".join(t[-1] for t in texts(tree.parse(path("three", "plots", "pairs.svg")).getroot()))
report("(pp)" in words and "%" not in words, "differences of shares are percentage points", words)
with open(os.path.join(ROOT, "reports", "plots", "loss.gp")) as stream:
    report("smooth" not in stream.read(), "the loss is a running mean, no curve that makes values up")

with open(path("three", "report.md")) as stream:
    text = stream.read()
shown = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
report(len(shown) > 10 and all(os.path.getsize(path("three", p)) > 0 for p in shown), "the Markdown shows the pictures beside it", shown)
report("not corrected" in text, "and says that the comparison's p-values are not corrected")
with open(path("three", "report.html")) as stream:
    page = stream.read()
report(re.search(r'id="layers".*<b>0</b> .*<b>1</b> ', page, re.S), "the page says which layer has which number")


def comments(png):
    """Texts of a PNG file: its tEXt chunks."""
    with open(png, "rb") as stream:
        data = stream.read()
    at, found = 8, {}
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"tEXt":
            key, _, value = data[at + 8:at + 8 + length].partition(b"\0")
            found[key.decode()] = value.decode()
        at += 12 + length
    return found


# The picture of the README says what it shows (examples/quickstart/picture.sh makes both anew): that is what a page of the
# quickstart counts today, here made of a network and a run that are small.
with open(os.path.join(ROOT, "examples/quickstart/experiment.json")) as stream:
    quickstart = json.load(stream)
quickstart["base"].update(width=0.25, size=8, batch=16, probe=32, train_limit=64, test_limit=32, steps=4, window=2)
quickstart["fork"]["steps"] = 2
del quickstart["measure"]
with open(path("quickstart.json"), "w") as stream:
    json.dump(quickstart, stream)
made = run("experiment", "quickstart.json", "--out", "quickstart", "--quiet")
with open(path("quickstart", "report.html")) as stream:
    page = stream.read()
arms = re.search(r"<dt>Arms</dt><dd>([^<]*)</dd>", page)
predictions = set(re.findall(r'(?:<th scope="row" class="words">|<li><b>)([A-Z][0-9]+) ', page))
shown = f"{arms.group(1) if arms else 'no arms'}, {len(predictions)} predictions, {page.count('<figure id=')} plots"
written = comments(os.path.join(ROOT, "examples/quickstart/report.png")).get("Comment", "none")
report(made.returncode == 0 and shown == written, "the README's picture is of today's report",
       f"it shows: {written}\ntoday: {shown}\nmake it anew with examples/quickstart/picture.sh\n{made.stderr}")
counts = subprocess.run(["sh", os.path.join(ROOT, "examples/quickstart/picture.sh"), "--counts"], stdout=subprocess.PIPE, text=True)
report(counts.returncode == 0 and counts.stdout.strip() == shown, "what is written into a picture is what the page counts",
       f"written: {counts.stdout.strip()}\nthe page: {shown}")
done()
