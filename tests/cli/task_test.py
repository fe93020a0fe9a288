#!/usr/bin/env python3
"""Tasks with measures of their own, as made-up traces: every reader names the measure that the header names, turns the margin round where lower is better,
and judges nothing where the margin has no meaning. Each must also hold with the accuracy of older traces, which have no "task"."""
import csv
import json
import os
import random

import made_up
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEEDS = range(1, 7)
# name: measures of the header; what baseline has, and what the arm with Pool Skip has more (first measure).
TASKS = {
    "segmentation": ([{"name": "mean_iou", "unit": "%", "better": "higher", "chance": 0.2}, {"name": "pixel_error", "unit": "%", "better": "lower"}], 0.4, 0.1),
    "denoising": ([{"name": "wrong_share", "unit": "%", "better": "lower", "chance": None}], 0.4, -0.1),
    "depth": ([{"name": "rms_error", "unit": "mm", "better": "lower", "chance": 30}], 12.5, -2),
    "older": (None, 0.4, 0.1),
}


def rewrite(directory, task, value):
    """The trace of made_up with other measures; "older" keeps accuracy and has no task."""
    measures = TASKS[task][0]
    name = os.path.join(directory, "trace.jsonl")
    with open(name) as stream:
        records = [json.loads(line) for line in stream]
    for record in records:
        if record["type"] == "header" and measures:
            record["task"] = {"name": task, "measures": measures}
        if record["type"] not in ("eval", "end"):
            continue
        record.pop("accuracy")
        names = [measure["name"] for measure in measures] if measures else ["accuracy"]
        record.update({key: value if i == 0 else 0.25 for i, key in enumerate(names)})
    with open(name, "w") as stream:
        for record in records:
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")


def table(folder, name):
    with open(tap.path(folder, "tables", name + ".tsv")) as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def make(task):
    _, level, gain = TASKS[task]
    arguments = []
    for arm, config in (("baseline", {"pool_skip": 0}), ("ps2", {"pool_skip": 2, "pool_skip_zero_init": True})):
        for seed in SEEDS:
            directory = tap.path(task, f"{arm}{seed}")
            made_up.write(directory, arm, seed, config)
            noise = random.Random(f"{task} {arm} {seed}").uniform(-0.005, 0.005) * abs(gain) * 10
            rewrite(directory, task, round(level + (gain if arm == "ps2" else 0) + noise, 6))
        arguments += ["--arm", f"{arm}=" + ",".join(tap.path(task, f"{arm}{seed}") for seed in SEEDS)]
    return arguments


for task, (measures, level, gain) in TASKS.items():
    first = measures[0] if measures else {"name": "accuracy", "unit": "%", "better": "higher"}
    name, title, higher, share = first["name"], first["name"].replace("_", " ").replace("iou", "IoU"), first["better"] == "higher", first["unit"] == "%"
    arguments = make(task)
    trace = tap.path(task, "baseline1")
    result = tap.run("validate", trace)
    tap.report(result.returncode == 0, f"{task}: the trace is valid", result.stdout + result.stderr)
    result = tap.run("compare", *arguments, "--out", tap.path(task + "-compared"))
    tap.report(result.returncode == 0, f"{task}: runs are compared", result.stderr)
    folder = task + "-compared"
    names = [measure["name"] for measure in measures] if measures else ["accuracy"]
    columns = list(table(folder, "eval")[0])
    tap.report(columns == ["arm", "seed", "step", "split", "loss", *names, "count"], f"{task}: eval.tsv has the columns of the measures", columns)
    columns = [column for column in table(folder, "runs")[0] if column.startswith("test_")]
    tap.report(columns == ["test_loss"] + ["test_" + key for key in names], f"{task}: and so has runs.tsv", columns)
    row = [r for r in table(folder, "comparison") if r["measure"] == "test_" + name]
    good = (len(row) == 1 and row[0]["better"] == first["better"] and row[0]["unit"] == ("share" if share else first["unit"])
            and abs(float(row[0]["mean_difference"]) - gain) < abs(gain) / 5 and row[0]["wins"] == str(len(SEEDS)))
    tap.report(good, f"{task}: comparison.tsv counts wins in the measure's own direction", row)
    verdict = json.load(open(tap.path(folder, "verdict.json")))
    p6 = [p for p in verdict["predictions"] if p["id"] == "P6"][0]
    worse = "lower" if higher else "higher"
    tap.report(p6["title"].startswith(f"{title} is not {worse} by ") and f"Test {title} with Pool Skip is not {worse} by" in p6["statement"]
               and p6["measure"] == "test_" + name, f"{task}: P6 has the measure's name", p6)
    if share:
        tap.report(p6["direction"] == ("greater" if higher else "less") and p6["margin"] == (-0.01 if higher else 0.01) and p6["verdict"] != "refuted"
                   and p6["verdict"] != "not_testable" and abs(p6["estimate"] - gain) < abs(gain) / 5, f"{task}: and its direction", p6)
    else:
        tap.report(p6["verdict"] == "not_testable" and name in p6["sentence"], f"{task}: P6 is not judged without a margin", p6)
    if measures:
        everything = json.dumps(verdict) + "".join(open(tap.path(folder, "tables", file)).read() for file in os.listdir(tap.path(folder, "tables")))
        tap.report("accuracy" not in everything, f"{task}: nobody speaks of accuracy")
    result = tap.run("report", tap.path(folder))
    page = open(tap.path(folder, "report.html")).read() if result.returncode == 0 else ""
    if measures:
        tap.report("accuracy" not in page.lower(), f"{task}: nor does the page", [line[:200] for line in page.lower().splitlines() if "accuracy" in line])
    mean = sum(float(row["test_" + name]) for row in table(folder, "runs") if row["arm"] == "baseline") / len(SEEDS)
    cell = f"{100 * mean:.1f}&nbsp;%" if share else f">{mean:.3g}"
    tap.report(f">Test {title}<" in page and f">test_{name}<" in page and cell in page, f"{task}: so does the page, at a glance and run by run",
               [result.stderr, cell])
    plots = {plot: open(tap.path(folder, "plots", plot + ".gp")).read() for plot in ("measure", "pairs")} if page else {}
    tap.report(page.count(f"Test {title}") >= 2 and f"mean({name})" in plots["measure"] and f"measure=test_{name} " in plots["pairs"]
               and "{measure" not in page + "".join(plots.values()), f"{task}: and so do the plots", result.stderr)
    value = [json.loads(line) for line in open(os.path.join(trace, "trace.jsonl"))][-1][name]
    for rule, status in ((f"{name} == {value}", 0), (f"{name}.final == {value}", 0), (f"{name} > {value}", 1)):
        result = tap.run("check", trace, "--expect", rule)
        tap.report(result.returncode == status, f"{task}: the rule {rule.split(' ', 1)[0]} {rule.split(' ')[1]} is answered", result.stdout + result.stderr)
    result = tap.run("check", tap.path(task, "ps23"), "--golden", os.path.join(tap.path(task, "ps23"), "trace.jsonl"))
    tap.report(result.returncode == 0, f"{task}: golden runs hold", result.stdout + result.stderr)
    result = tap.run("watch", trace, "--once")
    shown = f"{100 * value:.1f}" if share else f"{value:.4g}"
    tap.report(result.returncode == 0 and any(line.startswith(title) and shown in line for line in result.stdout.splitlines()),
               f"{task}: watch shows it", result.stdout + result.stderr)

result = tap.run("compare", "--arm", "baseline=" + tap.path("depth", "baseline1"), "--arm", "ps2=" + tap.path("denoising", "ps21"), "--out", tap.path("mixed"))
tap.report(result.returncode == 2 and "one task" in result.stderr, "runs of different tasks are not compared", result.stderr)
# A measure's name stands in its task's file, and once more for traces of the time before tasks; a book may have it in its title.
knowing = set()
for folder in ("src", "analysis", "reports"):
    for place, _, files in os.walk(os.path.join(TOP, folder)):
        for file in files:
            path = os.path.join(place, file)
            if file.endswith((".c", ".h", ".def", ".gp", ".tsv")) and "accuracy" in open(path).read().lower().replace("accuracy and stability", ""):
                knowing.add(os.path.relpath(path, TOP))
# What logs of other programs call it is known to those who read such logs.
knowing -= {"src/cli/cmd_import.c", "src/trace/imported.h", "src/trace/scalar_role.c", "src/trace/scalar_role.h"}
tap.report(knowing == {"src/task/classification.c", "src/task/segmentation.c", "src/trace/trace_task.c"}, "no other source knows the name of a measure", sorted(knowing))
tap.done()
