#!/usr/bin/env python3
"""Every prediction's statistic, computed a second time from the trace by the definitions of predictions.def, is the one compare gives."""
import json
import math
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import done, must, path, report  # noqa: E402

NEAR_DEAD = 0.99  # from this share of zeros on
INERT = 1e-3      # path over weights, below it


class Trace:
    """Private layers only; states[p][layer][channel] is "dead", "near" or "alive"."""

    def __init__(self, directory, near=NEAR_DEAD):
        self.near = near
        with open(path(directory, "trace.jsonl")) as lines:
            records = [json.loads(line) for line in lines]
        self.layers = [layer for layer in records[0]["layers"] if layer["kind"] != "shared"]
        self.index = {layer["name"]: i for i, layer in enumerate(self.layers)}
        self.rate = {r["step"]: r["lr"] for r in records if r["type"] == "step"}
        self.accuracy = [r["accuracy"] for r in records if r["type"] == "eval" and r.get("split", "test") == "test"][-1]
        self.probes, self.windows = {}, {}
        for r in records:
            if r["type"] == "probe" and r["layer"] in self.index:
                self.probes.setdefault(r["step"], {})[self.index[r["layer"]]] = r
            if r["type"] == "window" and r["layer"] in self.index:
                self.windows.setdefault((r["first"], r["last"]), {})[self.index[r["layer"]]] = r["values"]
        self.steps = sorted(self.probes)
        self.spans = sorted(self.windows)
        self.states = [[[self.state(n, self.probes[s][l]["elements"]) for n in self.probes[s][l]["values"]["nonzero"]]
                        for l in range(len(self.layers))] for s in self.steps]

    def state(self, nonzero, elements):
        return "dead" if nonzero == 0 else "near" if 1 - nonzero / elements >= self.near else "alive"

    def around(self, span):
        """States at the last probe not after the window's first step, and at the first probe after its last one."""
        before = max(i for i, s in enumerate(self.steps) if s <= span[0])
        after = min(i for i, s in enumerate(self.steps) if s > span[1])
        return self.states[before], self.states[after]

    def nodes(self):
        return [(l, c) for l in range(len(self.layers)) for c in range(self.layers[l]["channels"])]

    def moving(self, span, l, c):
        values = self.windows[span][l]
        return values["path_gradient"][c] / values["weight_start_l2"][c] >= INERT


def mantel_haenszel(tables):
    """Difference of shares over 2 x 2 tables (Greenland and Robins 1985): (first, of), (second, of)."""
    kept = [t for t in tables if t[0][1] > 0 and t[1][1] > 0]
    top = sum((a * m - b * n) / (n + m) for (a, n), (b, m) in kept)
    return top / sum(n * m / (n + m) for (_, n), (_, m) in kept)


def ranks(values):
    ordered = sorted(values)
    return [statistics.mean(i + 1 for i, other in enumerate(ordered) if other == value) for value in values]


def w1(t):
    steps = zero = 0
    for span in t.spans:
        before, _ = t.around(span)
        for l, c in t.nodes():
            if before[l][c] == "dead":
                steps += span[1] - span[0] + 1
                zero += t.windows[span][l]["grad_zero_steps"][c]
    return 1 - zero / steps


def w2(t):
    tables = []
    for now, then in zip(t.states, t.states[1:]):
        for l in range(len(t.layers)):
            dead = [c for c, s in enumerate(now[l]) if s == "dead"]
            near = [c for c, s in enumerate(now[l]) if s == "near"]
            tables.append(((sum(then[l][c] != "dead" for c in dead), len(dead)), (sum(then[l][c] == "alive" for c in near), len(near))))
    return mantel_haenszel(tables)


def w3(t):
    """Least squares over nodes with effects of the layer and of the window within its stage; solved by taking means out in turn."""
    cells = []
    readers = [l for l, layer in enumerate(t.layers) if layer["inputs"]]
    for l in readers:
        inputs = [t.index[name] for name in t.layers[l]["inputs"] if name in t.index]
        for w in range(len(t.spans) - 2):
            before, after = t.around(t.spans[w])
            died = any(a != "dead" and b == "dead" for i in inputs for a, b in zip(before[i], after[i]))
            moving = [c for c in range(t.layers[l]["channels"]) if t.moving(t.spans[w], l, c) and after[l][c] != "dead"]
            inert = [not (t.moving(t.spans[w + 1], l, c) and t.moving(t.spans[w + 2], l, c)) for c in moving]
            if moving:
                cells.append((len(moving), float(died), statistics.mean(inert), l, (t.layers[l]["stage"], w)))
    return two_way(cells)


def two_way(cells):
    """Cells (weight, treated, outcome, group, stratum)."""
    treated, outcome = [c[1] for c in cells], [c[2] for c in cells]
    for _ in range(20000):
        moved = 0.0
        for key in (3, 4):
            sums = {}
            for cell, d, y in zip(cells, treated, outcome):
                n, total, other = sums.get(cell[key], (0, 0, 0))
                sums[cell[key]] = (n + cell[0], total + cell[0] * d, other + cell[0] * y)
            means = [(sums[cell[key]][1] / sums[cell[key]][0], sums[cell[key]][2] / sums[cell[key]][0]) for cell in cells]
            moved = max([moved] + [max(abs(d), abs(y)) for d, y in means])
            treated, outcome = [d - m[0] for d, m in zip(treated, means)], [y - m[1] for y, m in zip(outcome, means)]
        if moved < 1e-13:
            break
    return sum(c[0] * d * y for c, d, y in zip(cells, treated, outcome)) / sum(c[0] * d * d for c, d in zip(cells, treated))


def ratio(t, step, l):
    values = t.probes[step][l]["values"]
    return math.sqrt(sum(x * x for x in values["weight_l2"])) / sum(values["weight_l1"])


def without_effects(panel, at):
    """Rows less their least-squares lines in time, columns less their means, in turn until nothing moves; None: nothing there."""
    panel, moved = [list(row) for row in panel], 1.0
    while moved > 1e-14:
        moved = 0.0
        for row in panel:
            there = [i for i, v in enumerate(row) if v is not None]
            time, value = statistics.mean(at[i] for i in there), statistics.mean(row[i] for i in there)
            slope = sum((at[i] - time) * row[i] for i in there) / sum((at[i] - time) ** 2 for i in there)
            for i in there:
                line = value + slope * (at[i] - time)
                row[i], moved = row[i] - line, max(moved, abs(line))
        for i in range(len(at)):
            column = [row for row in panel if row[i] is not None]
            mean = statistics.mean(row[i] for row in column) if column else 0.0
            for row in column:
                row[i] -= mean
            moved = max(moved, abs(mean))
    return panel


def lead_of(x, y):
    """Of one layer's residuals: cross-correlation of ranks at +1 less that at -1."""
    there = [i for i, v in enumerate(x) if v is not None]
    a, b = [dict(zip(there, (r - (len(there) + 1) / 2 for r in ranks([round(v[i], 11) for i in there])))) for v in (x, y)]
    beside = [i for i in there if i + 1 in a]
    return sum(a[i] * b[i + 1] - a[i + 1] * b[i] for i in beside) / math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))


def w4(t):
    change, deaths = [], []
    for l in range(len(t.layers)):
        risk = [[c for c, s in enumerate(now[l]) if s != "dead"] for now in t.states[:-1]]
        died = [sum(then[l][c] == "dead" for c in nodes) / t.layers[l]["channels"] if nodes else None for nodes, then in zip(risk, t.states[1:])]
        moved = [math.log(ratio(t, b, l) / ratio(t, a, l)) if d is not None else None for a, b, d in zip(t.steps, t.steps[1:], died)]
        if sum(d is not None for d in died) >= 6 and any(died) and any(moved):
            change.append(moved)
            deaths.append(died)
    return statistics.mean(map(lead_of, without_effects(change, t.steps[:-1]), without_effects(deaths, t.steps[:-1])))


def w5(t):
    differences = []
    for l in range(len(t.layers)):
        gaps = []
        for span in t.spans:
            before, _ = t.around(span)
            values, rate = t.windows[span][l], sum(t.rate[s] for s in range(span[0], span[1] + 1))
            speeds = {"near": [], "alive": [], "dead": []}
            for c, s in enumerate(before[l]):
                speeds[s].append(math.log10(max(values["path"][c] / values["weight_start_l2"][c], 1e-9) / rate))
            if speeds["near"] and speeds["alive"]:
                gaps.append(statistics.mean(speeds["near"]) - statistics.mean(speeds["alive"]))
        third = len(gaps) // 3
        if third > 0:
            differences.append(statistics.mean(gaps[-third:]) - statistics.mean(gaps[:third]))
    return statistics.mean(differences)


def dead_before(t, span, l):
    return [c for c, s in enumerate(t.around(span)[0][l]) if s == "dead"]


def dead_through(t, span, l):
    before, after = t.around(span)
    return [c for c in range(t.layers[l]["channels"]) if before[l][c] == "dead" and after[l][c] == "dead"]


def p1(t, population=dead_before):
    found = []
    for span in t.spans:
        for l in range(len(t.layers)):
            gradient = t.windows[span][l]["grad_norm_rms"]
            alive = [gradient[c] for c, s in enumerate(t.around(span)[0][l]) if s == "alive"]
            if alive and statistics.median(alive) != 0:
                found += [gradient[c] / statistics.median(alive) for c in population(t, span, l)]
    return statistics.median(found)


def p4(t, population=dead_before):
    moving = [t.moving(span, l, c) for span in t.spans for l in range(len(t.layers)) for c in population(t, span, l)]
    return statistics.mean(moving)


def p9(t):
    tables = []
    for span, following in zip(t.spans, t.spans[1:]):
        _, after = t.around(following)
        for l in range(len(t.layers)):
            gradient, shut = t.windows[span][l]["grad_norm_rms"], t.windows[span][l]["shut_steps"]
            dead = [c for c in dead_through(t, span, l) if shut[c] == span[1] - span[0] + 1]
            middle = statistics.median(gradient[c] for c in dead) if dead else 0
            halves = [c for c in dead if gradient[c] > middle], [c for c in dead if gradient[c] <= middle]
            tables.append(tuple((sum(after[l][c] != "dead" for c in half), len(half)) for half in halves))
    return mantel_haenszel(tables)


def fate(t, l, c, dying):
    """Probes until the state at the first probe ends, and whether it does."""
    for p, states in enumerate(t.states):
        if (states[l][c] == "dead") == dying:
            return t.steps[p], True
    return t.steps[-1], False


def hazard(base, arm, dying, cohort_state="alive"):
    """Peto: (O - E) / V of the log-rank test, stratified by layer, from risk sets counted one by one."""
    excess = variance = 0.0
    for l in range(len(base.layers)):
        cohort = [(*fate(t, l, c, dying), t is arm) for t in (base, arm) for c in range(base.layers[l]["channels"])
                  if t.states[0][l][c] == (cohort_state if dying else "dead")]
        for time in sorted({m[0] for m in cohort if m[1]}):
            risk = [m for m in cohort if m[0] >= time]
            n, treated = len(risk), sum(m[2] for m in risk)
            events = [m for m in risk if m[0] == time and m[1]]
            excess += sum(m[2] for m in events) - len(events) * treated / n
            if n > 1:
                variance += len(events) * (treated / n) * (1 - treated / n) * (n - len(events)) / (n - 1)
    return excess / variance


def third_log(t, late):
    n = len(t.layers)
    chosen = [l for l in range(n) if (3 * l >= 2 * n if late else 3 * l < n)]
    weights = [t.layers[l]["fan_in"] * t.layers[l]["channels"] for l in chosen]
    return statistics.mean(math.log(ratio(t, t.steps[-1], l) * math.sqrt(w)) for l, w in zip(chosen, weights))


def dead_mean(t):
    return statistics.mean(statistics.mean(s[l][c] == "dead" for l, c in t.nodes()) for s in t.states)


RUN = ["--model", "plain9", "--width", "1", "--size", "8", "--batch", "16", "--probe", "64", "--train-limit", "640", "--test-limit", "64", "--quiet",
       "--init-scheme", "he", "--steps", "240", "--window", "10", "--seed", "3", "--lr", "0.1", "--batch-norm", "yes",
       "--plant", "share=0.4,cause=bias,value=-3.3,seed=1;share=0.2,cause=bias,value=-2.6,seed=2"]
must("train", *RUN, "--out", "base")
must("train", *RUN, "--pool-skip", "2", "--pool-skip-zero-init", "--out", "module")
must("train", *RUN, "--pool-skip", "4", "--pool-skip-zero-init", "--out", "four")
must("compare", "--arm", "base=base", "--arm", "module=module", "--arm", "four=four", "--out", "compared", "--quiet")
with open(path("compared", "verdict.json")) as stream:
    verdict = json.load(stream)
given = {p["id"]: p for p in verdict["predictions"]}
base, module, four = Trace("base"), Trace("module"), Trace("four")
shallow, late = (third_log(module, side) - third_log(base, side) for side in (False, True))
EXPECTED = {"W1": w1(base), "W2": w2(base), "W3": w3(base), "W4": w4(base), "W5": w5(base), "P1": p1(module), "P2": hazard(base, module, False),
            "P3": hazard(base, module, True), "P4": p4(module), "P6": module.accuracy - base.accuracy, "P8": dead_mean(module) - dead_mean(four),
            "P9": p9(module)}
for name, value in EXPECTED.items():
    estimate = given[name]["estimate"]
    report(estimate is not None and abs(estimate - value) <= 1e-6 * max(1, abs(value)), f"{name}: {given[name]['statistic']}", f"{estimate}, expected {value}")
report(any(abs(given["P5"]["estimate"] - side) <= 1e-6 for side in (shallow, late)), f"P5: {given['P5']['statistic']}",
       f"{given['P5']['estimate']}, expected {shallow} or {late}")
for name, variation, value in (("P1", "dead_through", p1(module, dead_through)), ("P4", "dead_through", p4(module, dead_through)),
                               ("P3", "near_dead_cohort", hazard(base, module, True, "near"))):
    row = next(v for v in given[name]["sensitivity"]["variations"] if v["variation"] == variation)
    report(abs(row["estimate"] - value) <= 1e-6 and value != EXPECTED[name], f"{name} among {row['title']}",
           f"{row['estimate']}, expected {value}, not {EXPECTED[name]}")
base_low, module_low = Trace("base", 0.95), Trace("module", 0.95)
moved = 0
for name, value in (("W2", w2(base_low)), ("W5", w5(base_low)), ("P1", p1(module_low)), ("P3", hazard(base_low, module_low, True))):
    row = next(v for v in given[name]["sensitivity"]["variations"] if v["variation"] == "near_dead_0.95")
    report(row["estimate"] is not None and abs(row["estimate"] - value) <= 1e-6 * max(1, abs(value)), f"{name}, {row['title']}",
           f"{row['estimate']}, expected {value}")
    moved += abs(value - EXPECTED[name]) > 1e-6
report(moved >= 3, "from 95 % of zeros on other nodes are near-dead", f"{moved} of 4 numbers differ")
# numpy.linalg.lstsq on the columns of times, layers and layers x time for the residuals, scipy.stats.rankdata for their ranks (NumPy 1.24, SciPy 1.10)
WIDE = [[.3, .1, -.2, .5, .4, -.1, .2, .6], [1.1, .2, .9, -.4, .3, .8, None, .1], [-.6, None, .2, .7, .1, -.3, .9, .5]]
SHARE = [[.05, .1, 0, .2, .15, .05, 0, .1], [.1, .05, .2, .1, 0, .15, None, .05], [0, None, .05, 0, .2, .1, .05, .15]]
AT = [0, 10, 20, 30, 45, 50, 60, 70]
found = list(map(lead_of, without_effects(WIDE, AT), without_effects(SHARE, AT)))
report(all(abs(f - e) < 1e-12 for f, e in zip(found, [0.08333333333333333, 0.6428571428571429, 0.5357142857142857])),
       "leads computed here are NumPy's and SciPy's", str(found))
done()
