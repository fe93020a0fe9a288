#!/usr/bin/env python3
"""Arms that differ in one numeric setting alone are a sweep: its table has what the runs recorded, its plot a point a run, and without one the plot says so.
Traces are made up."""
import csv
import json
import itertools
import os
import re
import shutil
import statistics
import sys
import xml.etree.ElementTree as tree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_up  # noqa: E402
from tap import done, path, report, run  # noqa: E402

SEEDS = 3
SVG = "{http://www.w3.org/2000/svg}"


def compare(name, arms, diverged=()):
    """arms: name -> (config, pairing keys). Returns the sentences of its verdict."""
    words = []
    for number, (arm, (config, pairing)) in enumerate(arms.items()):
        for seed in range(1, SEEDS + 1):
            made_up.write(path(name, "runs", arm, str(seed)), arm, seed, config, revival=1 + number, pairing={"data": "one", **{k: v.format(seed=seed) for k, v in pairing.items()}},
                          diverged=(arm, seed) in diverged)
        words += ["--arm", arm + "=" + ",".join(path(name, "runs", arm, str(s)) for s in range(1, SEEDS + 1))]
    made = run("compare", *words, "--out", name)
    report(made.returncode == 0, f"{name}: compares", made.stderr)
    with open(path(name, "verdict.json")) as stream:
        return "\n".join(json.load(stream)["summary"])


def table(name, which):
    with open(path(name, "tables", which + ".tsv")) as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def rate(lr):
    return {"lr": lr, "width": 1, "optimiser": "sgd"}, {"optimiser": f"sgd lr={lr}"}


RATES = {"baseline": rate(0.1), "small": rate(0.01), "large": rate(1), "larger": rate(3)}
said = compare("rates", RATES, diverged=[("larger", 2)])
rows = table("rates", "sweep")
runs = {(r["arm"], r["seed"]): r for r in table("rates", "runs")}
report(len(rows) == 4 * SEEDS and {r["factor"] for r in rows} == {"lr"} and {(r["arm"], r["value"]) for r in rows} == {("baseline", "0.1"), ("small", "0.01"), ("large", "1"), ("larger", "3")},
       "a row for every run, with its value", rows)
ended = [r for r in rows if r["diverged"] == "0"]
report(all(r["dead_share"] == runs[r["arm"], r["seed"]]["dead_end"] and r["test_accuracy"] == runs[r["arm"], r["seed"]]["test_accuracy"] for r in ended),
       "dead share and accuracy are those of the runs", rows)
last = {}
for r in table("rates", "dead_time"):
    if r["level"] == "network":
        last[r["arm"], r["seed"], r["name"]] = r
whole = {(a, s): (float(last[a, s, "private"]["dead"]) + float(last[a, s, "shared"]["dead"])) / (float(last[a, s, "private"]["nodes"]) + float(last[a, s, "shared"]["nodes"]))
         for a, s in runs}
report(all(abs(float(r["dead_share_all"]) - whole[r["arm"], r["seed"]]) < 1e-12 for r in ended), "and the second share is of all gates' channels", rows)
lost = [r for r in rows if r["diverged"] == "1"]
report([(r["arm"], r["seed"], r["dead_share"], r["dead_share_all"], r["test_accuracy"]) for r in lost] == [("larger", "2", "NA", "NA", "NA")], "a run that diverged has no end", lost)
report("Arms baseline, small, large, larger differ in lr alone, from 0.01 to 3" in said, "the summary names the sweep", said)

# Groups by their factor: an arm may be in two; what differs in two settings, or in a word, is in none.
both = {**RATES, "wide": ({"lr": 0.1, "width": 2, "optimiser": "sgd"}, {"backbone": "w{seed}"}), "wider": ({"lr": 0.1, "width": 4, "optimiser": "sgd"}, {"backbone": "v{seed}"}),
        "other": ({"lr": 0.5, "width": 3, "optimiser": "sgd"}, {"optimiser": "sgd lr=0.5"}), "adamw": ({"lr": 0.1, "width": 1, "optimiser": "adamw"}, {"optimiser": "adamw lr=0.1"})}
compare("both", both)
groups = {}
for r in table("both", "sweep"):
    groups.setdefault((r["sweep"], r["factor"]), set()).add(r["arm"])
report(groups == {("1", "lr"): set(RATES), ("2", "width"): {"baseline", "wide", "wider"}}, "each factor is a group of its own", groups)
rows = [r for r in table("both", "comparison") if r["measure"] == "test_accuracy"]
away = [float(runs_of[a, str(s)]) for runs_of in [{(r["arm"], r["seed"]): r["test_accuracy"] for r in table("both", "runs")}] for a in ("wide", "baseline") for s in range(1, SEEDS + 1)]


def rank_sum(values, n):
    """Two-sided, of all choices of n of the ranks."""
    order = sorted(values)
    own = sum(order.index(v) for v in values[:n])
    sums = [sum(c) for c in itertools.combinations(range(len(values)), n)]
    return min(1, 2 * min(sum(s >= own for s in sums), sum(s <= own for s in sums)) / len(sums))


said = {r["arm"]: (r["side_by_side"], r["p_rank_sum"]) for r in rows}
report(said["wide"][0] == "index" and abs(float(said["wide"][1]) - rank_sum(away, SEEDS)) < 1e-9 and said["small"] == ("seed", "NA"),
       "arms without a common backbone have the rank sum beside the paired test", said)
compare("keys", {a: ({}, rate(v)[1]) for a, v in (("baseline", 0.1), ("small", 0.01), ("large", 1))})
report({(r["factor"], r["value"]) for r in table("keys", "sweep")} == {("lr", "0.1"), ("lr", "0.01"), ("lr", "1")}, "without a configuration the pairing keys tell", table("keys", "sweep"))
said = compare("two", {"baseline": rate(0.1), "small": rate(0.01)})
report(not table("two", "sweep") and " alone, from " not in said, "two values are no sweep", said)
decays = {f"decay{d}": ({"weight_decay": d}, {"optimiser": f"sgd decay={d}"}) for d in (0, 0.001, 0.01, 0.1)}
compare("zero", decays)


def page(name):
    made = run("report", name, "--format", "html")
    with open(path(name, "report.html")) as stream:
        text = stream.read()
    return made, re.search(r'<figure id="[^"]*sweep".*?</figure>', text, re.S)


def words(name):
    return [w for t in tree.parse(path(name, "plots", "sweep.svg")).getroot().iter(SVG + "text") for w in ["".join(t.itertext()).strip()] if w]


if shutil.which("gnuplot") is not None:
    for name, ticks, factors in (("rates", ["0.01", "0.1", "1"], ["lr"]), ("both", ["0.01", "1", "2", "4"], ["lr", "width"]), ("zero", ["0", "0.001", "0.01", "0.1"], ["weight_decay"])):
        made, figure = page(name)
        drawn = words(name)
        report(made.returncode == 0 and "could not be drawn" not in made.stderr and figure is not None and "Not recorded" not in figure.group(0), f"{name}: the plot is drawn", made.stderr)
        report(all(drawn.count(t) >= 2 for t in ticks) and all(f in drawn for f in factors), f"{name}: values and setting stand on the axis", drawn)
        report(("a run diverged" in drawn) == (name == "rates"), f"{name}: divergence is marked where there is one", drawn)
    with open(path("rates", "plots", "data", "sweep.medians.tsv")) as stream:
        medians = [line.split("\t") for line in stream if line[0] not in "#\n"]
    expected = [(v, statistics.median(float(r["dead_share"]) for r in ended if r["value"] == v)) for v in ("0.01", "0.1", "1", "3")]
    report([m[0] for m in medians] == [v for v, _ in expected] and all(abs(float(m[1]) - e) < 1e-6 for m, (_, e) in zip(medians, expected)), "lines join the medians by rising value", medians)
made, figure = page("two")
report(made.returncode == 0 and figure is not None and "Not recorded" in figure.group(0), "without a sweep the plot says so", made.stderr)
done()
