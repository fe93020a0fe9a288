#!/usr/bin/env python3
"""Segmentation from end to end on volumes that the test writes: training, records of each class, evaluation by windows, label maps in the geometry of
their files, and measures that are those of these maps. Nothing hangs on what training makes of it."""
import csv
import gzip
import html
import json
import math
import os
import random
import re
import struct

import tap
from volume_file import write_nifti

CLASSES, CASES = 3, 9
GRAPH = {"format": "poolscope-graph", "version": 1, "name": "own", "input": [1, 8, 8, 8], "nodes": [
    {"name": "a", "type": "conv", "channels": 4, "padding": 1, "kernel": 3}, {"name": "a.relu", "type": "relu"},
    {"name": "out", "type": "conv", "channels": CLASSES, "kernel": 1}]}


def place(mm):
    """x runs to the left (a flip on reading), and the origin is nowhere in particular."""
    return (-mm[0], 0, 0, 10, 0, mm[1], 0, -4, 0, 0, mm[2], 7)


def read_nifti(path):
    with gzip.open(path) as stream:
        data = stream.read()
    side = struct.unpack_from("<8h", data, 40)[1:4]
    return data[:348], side, data[352:352 + side[0] * side[1] * side[2]]


def make(folder):
    truth = {}
    for part in ("imagesTr", "labelsTr"):
        os.makedirs(os.path.join(folder, part))
    for case in range(CASES):
        dice = random.Random(case)
        side, mm = [9 + case % 3, 12, 10 + case % 2], [1.5, 0.75, 2.0]
        labels, pixels = [], []
        for z in range(side[2]):
            for y in range(side[1]):
                for x in range(side[0]):
                    away = math.dist((x, y, z), (4, 6, 5))
                    labels.append(2 if away < 2 + case / 4 else 1 if away < 4 else 0)
                    pixels.append(labels[-1] * 50 + dice.gauss(0, 20))
        if case == CASES - 1:
            labels = [min(label, 1) for label in labels]  # one case without class 2
        name = f"case_{case:03d}"
        write_nifti(os.path.join(folder, "imagesTr", name + "_0000.nii.gz"), side, mm, pixels, 16, place(mm))
        write_nifti(os.path.join(folder, "labelsTr", name + ".nii.gz"), side, mm, labels, 2, place(mm))
        truth[name] = bytes(labels)
    json.dump({"channel_names": {"0": "CT"}, "labels": {"background": 0, "body": 1, "core": 2}, "numTraining": CASES, "file_ending": ".nii.gz"},
              open(os.path.join(folder, "dataset.json"), "w"))
    return truth


def dice_of(truth, predicted, k):
    both = sum(a == k == b for a, b in zip(truth, predicted))
    either = truth.count(k) + predicted.count(k)
    return 2 * both / either if either else None


folder, graph, run = tap.path("volumes"), tap.path("graph.json"), tap.path("run")
truth = make(folder)
json.dump(GRAPH, open(graph, "w"))
TRAIN = ["train", "--data", "msd:" + folder, "--graph", graph, "--patch-size", "8", "--batch", "2", "--probe", "2", "--fold", "0", "--folds", "3", "--window", "10", "--quiet"]
result = tap.run(*TRAIN, "--steps", "20", "--eval-every", "1", "--loss", "ce+dice", "--class-weights", "0.5,1,2", "--out", run)
tap.report(result.returncode == 0, "a network is trained on volumes", result.stderr)
result = tap.run("validate", run)
tap.report(result.returncode == 0, "its trace follows the format", result.stdout + result.stderr)
records = [json.loads(line) for line in open(os.path.join(run, "trace.jsonl"))]
header, end = records[0], records[-1]
names = [measure["name"] for measure in header["task"]["measures"]]
tap.report(header["task"]["name"] == "segmentation" and names == ["mean_dice", "nsd", "hd95", "mean_iou"] and all(m["rule"] for m in header["task"]["measures"])
           and header["data"]["class_names"] == ["background", "body", "core"], "the header names measures, their rules and the classes", header["task"])
evaluated = [record for record in records if record["type"] == "eval" and record["split"] == "test"]
tap.report(len(evaluated) == 2 and all(len(values) == CLASSES for record in evaluated + [end] for values in record["classes"].values())
           and end["classes"]["nsd"][0] is None, "evaluations and the end have measures of each class", end)
tap.report(header["task"].get("loss") == "weighted ce+dice", "and what is trained for", header["task"])
open_rules = {rule["id"]: rule["needs"] for rule in json.loads(tap.run("diagnose", run, "--json").stdout or "{}").get("cannot_be_judged", [])}
tap.report("not known for weighted ce+dice" in open_rules.get("start_loss", ""), "rules that need the loss of a guess say that nobody knows it", open_rules)
broken = tap.path("broken.jsonl")
for what, wrong in (("another measure", {"depth": [1, 2, 3]}), ("another number of classes", {"mean_dice": [1, 0.5]}), ("a share above 1", {"mean_dice": [1, 2, 0]}),
                    ("a text", {"mean_dice": ["high", 0, 0]})):
    with open(broken, "w") as stream:
        for record in records:
            stream.write(json.dumps({**record, "classes": wrong} if record is end else record, separators=(",", ":")) + "\n")
    result = tap.run("validate", broken)
    tap.report(result.returncode == 1 and "classes" in result.stdout + result.stderr or "mean_dice" in result.stdout + result.stderr,
               f"measures of classes: {what} is a breach", result.stdout + result.stderr)

out = tap.path("predicted")
result = tap.run("predict", run, "--out", out, "--split", "train", "--pictures", "--quiet")
tap.report(result.returncode == 0 and "label maps in" in result.stdout, "label maps are predicted", result.stderr)
measures = json.load(open(os.path.join(out, "measures.json"))) if result.returncode == 0 else {"cases": []}
good, headers, dice = bool(measures["cases"]), True, {1: [], 2: []}
for case in measures["cases"]:
    name = case["case"]
    source = os.path.join(folder, "imagesTr", name + "_0000.nii.gz")
    if not os.path.exists(source):
        name, source = name.removesuffix("_0000"), os.path.join(folder, "imagesTr", name.removesuffix("_0000") + "_0000.nii.gz")
    own, given = read_nifti(os.path.join(out, case["case"] + ".nii.gz")), read_nifti(source)
    headers = headers and own[1] == given[1] and own[0][76:92] == given[0][76:92] and own[0][252:328] == given[0][252:328]
    headers = headers and os.path.exists(os.path.join(out, case["case"] + ".overlay.png"))
    for k in range(CLASSES):
        value, wanted = case["classes"]["dice"][k], dice_of(truth[name], own[2], k)
        good = good and (wanted is None and value is None or abs(value - wanted) < 1e-9)
        if k > 0 and wanted is not None:
            dice[k].append(wanted)
tap.report(headers, "they have the size, the spacing and the place of their images, and a picture each")
tap.report(good, "Dice of each case and class is that of the maps", measures["cases"][:1])
# Cases of a class that is in neither map have no number.
means = [sum(values) / len(values) for values in dice.values() if values]
tap.report(bool(means) and abs(measures["measures"]["mean_dice"] - sum(means) / len(means)) < 1e-9, "the mean is over cases that have the class, then over classes",
           [measures.get("measures"), means])
rows = list(csv.DictReader(open(os.path.join(out, "measures.csv")))) if measures["cases"] else []
tap.report(len(rows) == len(measures["cases"]) * CLASSES and set(rows[0]) == {"case", "class", "name", "dice", "nsd", "hd95", "iou"}, "and measures.csv has a row for each", rows[:1])

for threads in ("1", "3"):
    result = tap.run("eval", run, "--json", "--threads", threads, "--mirror-eval")
    tap.report(result.returncode == 0, f"eval with {threads} threads", result.stderr)
    values = json.loads(result.stdout) if result.returncode == 0 else {}
    first = values if threads == "1" else first
tap.report(first == values and set(names) <= set(values), "it gives the same for any number of threads", [first, values])
result = tap.run("eval", run)
tap.report("\nvolumes   " in result.stdout and "class     2 core:" in result.stdout and "the diagonal of the image" in result.stdout, "eval shows classes and rules", result.stdout)
# Two runs side by side: the tables of classes are the records, and their differences.
second, both = tap.path("second"), tap.path("both")
tap.run(*TRAIN, "--steps", "20", "--eval-every", "1", "--loss", "ce+dice", "--class-weights", "0.5,1,2", "--lr", "0.01", "--out", second)
result = tap.run("compare", "--arm", "a=" + run, "--arm", "b=" + second, "--out", both)
ends = [json.loads(open(os.path.join(place, "trace.jsonl")).readlines()[-1])["classes"] for place in (run, second)]
rows = list(csv.DictReader(open(os.path.join(both, "tables", "class_comparison.tsv")), delimiter="\t")) if result.returncode == 0 else []
good = bool(rows) and all(abs(float(row["mean_difference"]) - (ends[1][row["measure"]][int(row["class"])] - ends[0][row["measure"]][int(row["class"])])) < 1e-6
                          for row in rows)
tap.report(good and {row["name"] for row in rows} == {"background", "body", "core"}, "class_comparison.tsv has the differences of each class", [result.stderr, rows[:2]])
rows = list(csv.DictReader(open(os.path.join(both, "tables", "classes.tsv")), delimiter="\t")) if result.returncode == 0 else []
good = bool(rows) and all(abs(float(row["value"]) - ends[row["arm"] == "b"][row["measure"]][int(row["class"])]) < 1e-6 for row in rows)
tap.report(good, "classes.tsv has what the last evaluation measured of each", rows[:2])
result = tap.run("report", both)
page = open(os.path.join(both, "report.html")).read() if result.returncode == 0 else ""
tap.report("Test mean Dice of each class" in page, "and the page draws them", result.stderr)
table = page[page.find('class="scroll classes"'):].split("</table>")[0]
cells = [html.unescape(cell) for cell in re.findall(r'<tr><th scope="row">core</th><td class="n">([^<]*)</td><td class="n">([^<]*)</td></tr>', table)[3]] if table else []
shown = ["–" if end["mean_iou"][2] is None else f"{100 * end['mean_iou'][2]:.10g}" for end in ends]
tap.report(len(cells) == 2 and all(a == b or abs(float(a.split("\xa0")[0]) - float(b)) < 0.06 for a, b in zip(cells, shown)) and "hd95, mm" in table,
           "a table beside the drawing has the numbers of each measure, class and arm", [cells, shown, table[:300]])

for words, sentence in ((["predict", run, "--out", out], "nothing is written over"), (["predict", run, "--out", tap.path("p2"), "--split", "all"], "test, train or probe"),
                        (["predict", run], "needs --out"), ([*TRAIN, "--steps", "5", "--loss", "focal", "--out", tap.path("r2")], "ce, dice or ce+dice"),
                        ([*TRAIN, "--steps", "5", "--class-weights", "1,2", "--out", tap.path("r3")], "3 classes"),
                        ([*TRAIN, "--steps", "5", "--batch-dice", "--out", tap.path("r4")], "of soft Dice"),
                        (["train", "--data", "synthetic", "--loss", "dice", "--out", tap.path("r5")], "of data with masks"),
                        (["train", "--data", "synthetic-2d", "--model", "unet2d", "--width", "0.125", "--tolerance-mm", "2", "--out", tap.path("r6")], "without a unit"),
                        ([*TRAIN, "--steps", "5", "--plan-network", "2d", "--out", tap.path("r7")], "and there is none"),
                        (["predict", run, "--images", tap.path(), "--tolerance-mm", "2", "--out", tap.path("p3")], "no labels to measure by")):
    result = tap.run(*words)
    tap.report(result.returncode == 2 and sentence in result.stderr, f"{' '.join(words[:1] + words[-3:-2])}: refused where {sentence}", result.stderr)

# What is asked is put in the words of what is measured here; where no data are looked at, no measure is named.
asked = tap.path("asked.json")
with open(asked, "w") as stream:
    json.dump({"base": {"model": "unet2d", "width": 0.125, "data": "synthetic-2d", "size": 32, "probe": 8, "batch": 8, "steps": 4, "train_limit": 24, "test_limit": 8},
               "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}], "primary": "C2", "secondary": ["P6"], "seeds": [1, 2, 3, 4, 5]}, stream)
result = tap.run("experiment", asked, "--dry-run")
tap.report(result.returncode == 0 and 'C2, "mean IoU is higher' in result.stdout and 'P6, "mean IoU is not lower' in result.stdout and "accuracy" not in result.stdout,
           "--dry-run asks of the task's own measure", [result.stdout, result.stderr])
with open(asked) as stream:
    document = json.load(stream)
document["base"].update({"model": "nnunet3d", "data": "msd:not-there", "plan": "auto", "epochs": 3})
del document["base"]["size"], document["base"]["steps"]
with open(asked, "w") as stream:
    json.dump(document, stream)
result = tap.run("plan-seeds", asked)
tap.report(result.returncode == 0 and "the task's first measure is better" in result.stdout and "accuracy" not in result.stdout,
           "plan-seeds needs no data, and names no measure without any", [result.stdout, result.stderr])
tap.done()
