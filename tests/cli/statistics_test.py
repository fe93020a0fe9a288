#!/usr/bin/env python3
"""Every prediction's statistic, computed a second time from the trace by the definitions of analysis/predictions, is the one compare gives. The traces are made
up (made_up.py), so that every prediction has cases and nothing depends on how a training run turns out."""
import json
import math
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_up  # noqa: E402
from tap import done, must, path, report, run  # noqa: E402

NEAR_DEAD = 0.99  # from this share of zeros on
INERT = 1e-3      # path over weights, below it


class Trace:
    """Private layers only, but for `gates`, which knows shared ones, too; states[p][layer][channel] is "dead", "near" or "alive"."""

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
        self.gates = {}  # states by layer's name and step
        for r in records:
            if r["type"] == "probe":
                self.gates[r["layer"], r["step"]] = [self.state(n, r["elements"]) for n in r["values"]["nonzero"]]

    def state(self, nonzero, elements):
        return "dead" if nonzero == 0 else "near" if 1 - nonzero / elements >= self.near else "alive"

    def ends(self, span):
        """Indices of the last probe not after the window's first step, and of the first probe after its last one."""
        return max(i for i, s in enumerate(self.steps) if s <= span[0]), min(i for i, s in enumerate(self.steps) if s > span[1])

    def around(self, span):
        before, after = self.ends(span)
        return self.states[before], self.states[after]

    def nodes(self):
        return [(l, c) for l in range(len(self.layers)) for c in range(self.layers[l]["channels"])]

    def moving(self, span, l, c):
        values = self.windows[span][l]
        return values["path_gradient"][c] / values["weight_start_l2"][c] >= INERT

    def reader_moves(self, span, l, c):
        values = self.windows[span][l]
        return values["out_net_gradient"][c] / values["out_start_l2"][c] >= INERT


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
        before, after = t.around(span)
        for l, c in t.nodes():
            if before[l][c] == after[l][c] == "dead":
                steps += span[1] - span[0] + 1
                zero += t.windows[span][l]["grad_zero_steps"][c]
    return 1 - zero / steps


def w1_old(t):
    """All that begin the window dead, reopening or not."""
    steps = zero = 0
    for span in t.spans:
        for l, c in t.nodes():
            if t.around(span)[0][l][c] == "dead":
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
        for w in range(len(t.spans) - 2):
            _, after = t.around(t.spans[w])
            start, end = (t.steps[i] for i in t.ends(t.spans[w]))
            died = any(a != "dead" and b == "dead" for i in t.layers[l]["inputs"] for a, b in zip(t.gates[i, start], t.gates[i, end]))
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


def risk_sets(base, arm, dying, cohort_state="alive"):
    """(treated at risk, others, events, treated events) of each layer and time with an event, counted one by one."""
    sets = []
    for l in range(len(base.layers)):
        cohort = [(*fate(t, l, c, dying), t is arm) for t in (base, arm) for c in range(base.layers[l]["channels"])
                  if t.states[0][l][c] == (cohort_state if dying else "dead")]
        for time in sorted({m[0] for m in cohort if m[1]}):
            risk = [m for m in cohort if m[0] >= time]
            treated, events = sum(m[2] for m in risk), [m for m in risk if m[0] == time and m[1]]
            sets.append((treated, len(risk) - treated, len(events), sum(m[2] for m in events)))
    return sets


def score(sets, beta):
    """Observed less expected events of the treated, at the log ratio beta."""
    return sum(seen - events * math.exp(beta) * treated / (math.exp(beta) * treated + others)
               for treated, others, events, seen in sets)


def root(sets):
    """Where the score is 0, by halving; it falls with beta. Infinite where one side alone had events."""
    live = [s for s in sets if s[0] > 0 and s[1] > 0]
    if sum(s[3] for s in live) in (0, sum(s[2] for s in live)):
        return -math.inf if sum(s[3] for s in live) == 0 else math.inf
    low, high = -50.0, 50.0
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (middle, high) if score(sets, middle) > 0 else (low, middle)
    return (low + high) / 2


def hazard(base, arm, dying, cohort_state="alive"):
    return root(risk_sets(base, arm, dying, cohort_state))


def third_log(t, late):
    n = len(t.layers)
    chosen = [l for l in range(n) if (3 * l >= 2 * n if late else 3 * l < n)]
    weights = [t.layers[l]["fan_in"] * t.layers[l]["channels"] for l in chosen]
    return statistics.mean(math.log(ratio(t, t.steps[-1], l) * math.sqrt(w)) for l, w in zip(chosen, weights))


def largest_log(t):
    return math.log(max(ratio(t, t.steps[-1], l) for l in range(len(t.layers))))


def dead_mean(t):
    return statistics.mean(statistics.mean(s[l][c] == "dead" for l, c in t.nodes()) for s in t.states)


def p4_still(t):
    """Outgoing weights of nodes dead at both ends of a window."""
    return statistics.mean(not t.reader_moves(span, l, c) for span in t.spans for l in range(len(t.layers)) for c in dead_through(t, span, l))


def p4_reopened(t):
    """Outgoing weights of nodes dead at the probe before the window's own and open at both ends of the window."""
    found = []
    for span in t.spans:
        before, after = t.around(span)
        earlier = t.ends(span)[0] - 1
        found += [t.reader_moves(span, l, c) for l, c in t.nodes() if earlier >= 0 and t.states[earlier][l][c] == "dead" and "dead" not in (before[l][c], after[l][c])]
    return statistics.mean(found)


def dead_end(t):
    return statistics.mean(t.states[-1][l][c] == "dead" for l, c in t.nodes())


def at_least(n, k):
    return sum(math.comb(n, i) for i in range(k, n + 1)) / 2 ** n


def sign_test(values, margin, greater):
    """(beyond, against, p, p against, bounds, coverage) of the median; bounds None where not even all of n are enough."""
    sign, n = 1 if greater else -1, len(values)
    beyond, against = (sum(sign * side * (v - margin) > 0 for v in values) for side in (1, -1))
    needed = next((k for k in range(n // 2, n + 1) if at_least(n, k) <= 0.05), None)
    ordered = sorted(values)
    bounds = None if needed is None else (ordered[n - needed], ordered[needed - 1])
    return beyond, against, at_least(n, beyond), at_least(n, against), bounds, None if needed is None else 1 - 2 * at_least(n, needed)


SEEDS = (1, 2, 3, 4, 5)
# Configuration, and by how much reopening and dying are likelier than in the baseline: every role that a prediction compares but for LeakyReLU,
# whose nodes are never dead.
ARMS = {"base": ({}, 1, 1), "module": ({"pool_skip": 2}, 2, 0.6), "four": ({"pool_skip": 4}, 1.5, 0.8),
        "grid": ({"pool_skip": 2, "pool_skip_mode": "grid+conv+skip"}, 1.4, 0.9), "energy": ({"pool_skip": 2, "pool_skip_mode": "grid-energy+conv+skip"}, 1.2, 1),
        "conv": ({"pool_skip": 2, "pool_skip_mode": "conv+skip"}, 1.3, 1), "cut": ({"pool_skip": 2, "pool_skip_cut": "gradient"}, 1, 1.1),
        "mute": ({"pool_skip": 2, "pool_skip_cut": "forward"}, 1.1, 0.7), "renewed": ({"reinit_dead": 4}, 3, 1)}
for arm, (config, revival, death) in ARMS.items():
    for seed in SEEDS:
        made_up.write(path(f"{arm}{seed}"), arm, seed, config, revival, death)
invalid = [r for r in (run("validate", f"{arm}{SEEDS[0]}") for arm in ARMS) if r.returncode != 0]
report(not invalid, "the made-up traces follow the format", "\n".join(r.stdout + r.stderr for r in invalid))
must("compare", *(word for arm in ARMS for word in ("--arm", f"{arm}=" + ",".join(f"{arm}{seed}" for seed in SEEDS))), "--out", "compared", "--quiet")
with open(path("compared", "verdict.json")) as stream:
    verdict = json.load(stream)
broken = [c for c in verdict["checks"] if c["holds"] is False]
report(not broken, "and contradict no instrument check", broken)
given = {p["id"]: p for p in verdict["predictions"]}
traces = {arm: [Trace(f"{arm}{seed}") for seed in SEEDS] for arm in ARMS}


def alone(statistic, arm):
    return [statistic(t) for t in traces[arm]]


def contrast(statistic, arm, against):
    return [statistic(t) - statistic(o) for t, o in zip(traces[arm], traces[against])]


def hazards(dying, state="alive"):
    return [hazard(o, t, dying, state) for t, o in zip(traces["module"], traces["base"])]


def accuracy(t):
    return t.accuracy


# Each part's value in every seed.
EXPECTED = {"W1": [alone(w1, "base")], "W2": [alone(w2, "base")], "W3": [alone(w3, "base")], "W4": [alone(w4, "base")], "W5": [alone(w5, "base")],
            "P1": [alone(p1, "module")], "P2": [hazards(False)], "P3": [hazards(True)],
            "P4": [alone(p4, "module"), alone(p4_still, "module"), alone(p4_reopened, "module")],
            "P5": [contrast(lambda t: third_log(t, False), "module", "base"), contrast(lambda t: third_log(t, True), "module", "base")],
            "P6": [contrast(accuracy, "module", "base")], "P7": [contrast(dead_mean, "module", other) for other in ("grid", "energy", "conv")],
            "P8": [contrast(dead_mean, "module", "four")], "P9": [alone(p9, "module")], "M1": [contrast(dead_mean, "module", "cut")],
            "M2": [contrast(dead_mean, "module", "mute")], "M3": [contrast(dead_end, "module", "renewed")],
            "C1": [contrast(dead_mean, "module", "base"), contrast(dead_end, "module", "base")], "C2": [contrast(accuracy, "module", "base")],
            "C3": [contrast(largest_log, "module", "base")]}


def close(a, b):
    a = float(a) if isinstance(a, str) else a  # "Infinity"
    return a is not None and (a == b or abs(a - b) <= 1e-6 * max(1, abs(b)))


for name, parts in EXPECTED.items():
    found = [[v["value"] for v in part["values"]] for part in given[name]["parts"]]
    good = [len(part) == len(SEEDS) for part in found] == [True] * len(parts) and all(close(f, e) for a, b in zip(found, parts) for f, e in zip(a, b))
    report(good, f"{name}: {given[name]['statistic']}", f"{given[name]['sentence']}\n{found}\nexpected {parts}")
    if not good:
        continue
    for number, (values, part) in enumerate(zip(parts, given[name]["parts"]), 1):
        beyond, against, p, p_against, bounds, coverage = sign_test(values, part["margin"], given[name]["direction"] == "greater")
        same = (part["n"], part["beyond"], part["against_it"], part["ties"] + part["neither"]) == (len(values), beyond, against, len(values) - beyond - against)
        same = same and abs(part["p"] - p) < 1e-12 and abs(part["p_against"] - p_against) < 1e-12 and abs(part["coverage"] - coverage) < 1e-12
        same = same and close(part["estimate"], statistics.median(values)) and close(part["low"], bounds[0]) and close(part["high"], bounds[1])
        report(same, f"{name}, part {number}: counts, p, median and bounds", f"{[part[k] for k in ('beyond', 'against_it', 'p', 'estimate', 'low', 'high')]}\n"
               f"expected {beyond, against, p, statistics.median(values), bounds}")
    report(given[name]["verdict"] == "not_judged" and given[name]["place"] == "exploratory" and not given[name]["words"], f"{name}: was not registered, so there is no verdict")
# One ratio for all seeds together, and how many events stand behind it.
for name, dying in (("P2", False), ("P3", True)):
    sets = [risk_sets(o, t, dying) for t, o in zip(traces["module"], traces["base"])]
    pooled, part = root([s for of in sets for s in of]), given[name]["parts"][0]
    report(close(part["pooled"], pooled), f"{name}: the ratio that fits all seeds together", f"{part['pooled']}, expected {pooled}")
    margin = part["margin"]
    wrong = [(v["observed"] - v["expected"], score(of, margin)) for v, of in zip(part["values"], sets)
             if not close(v["observed"] - v["expected"], score(of, margin)) or v["events_arm"] != sum(s[3] for s in of)]
    report(not wrong and len(part["values"]) == len(SEEDS), f"{name}: scores at the margin and events, seed by seed", wrong)
missing = sorted(set(given) - set(EXPECTED))
report(missing == ["M4", "M5", "S1", "S2", "S3", "S4"], "no other prediction is left out but those on LeakyReLU, and on saturation, which rectifiers do not have", missing)


def varied(prediction, variation, values):
    """Whether the row of the variation is the median of these values, and not that of the prediction itself."""
    row = next(v for v in given[prediction]["sensitivity"]["variations"] if v["variation"] == variation)
    expected, plain = statistics.median(values), statistics.median(EXPECTED[prediction][0])
    report(close(row["estimate"], expected) and abs(expected - plain) > 1e-6, f"{prediction}, {row['title']}", f"{row['estimate']}, expected {expected}, not {plain}")


varied("W1", "dead_at_start", alone(w1_old, "base"))
varied("P1", "dead_through", [p1(t, dead_through) for t in traces["module"]])
varied("P3", "near_dead_cohort", hazards(True, "near"))
row = next(v for v in given["P4"]["sensitivity"]["variations"] if v["variation"] == "dead_through")
# Of P4 the population of the first part alone is varied; which part decides then is another matter.
through = [p4(t, dead_through) for t in traces["module"]]
parts = [through, *EXPECTED["P4"][1:]]
choices = [statistics.median(values) for values in parts]
report(through != EXPECTED["P4"][0] and any(close(row["estimate"], c) for c in choices), f"P4, {row['title']}", f"{row['estimate']}, expected one of {choices}")
traces = {arm: [Trace(f"{arm}{seed}", 0.95) for seed in SEEDS] for arm in ("base", "module")}
varied("W2", "near_dead_0.95", alone(w2, "base"))
varied("W5", "near_dead_0.95", alone(w5, "base"))
varied("P1", "near_dead_0.95", alone(p1, "module"))
varied("P3", "near_dead_0.95", hazards(True))
# numpy.linalg.lstsq on the columns of times, layers and layers x time for the residuals, scipy.stats.rankdata for their ranks (NumPy 1.24, SciPy 1.10)
WIDE = [[.3, .1, -.2, .5, .4, -.1, .2, .6], [1.1, .2, .9, -.4, .3, .8, None, .1], [-.6, None, .2, .7, .1, -.3, .9, .5]]
SHARE = [[.05, .1, 0, .2, .15, .05, 0, .1], [.1, .05, .2, .1, 0, .15, None, .05], [0, None, .05, 0, .2, .1, .05, .15]]
AT = [0, 10, 20, 30, 45, 50, 60, 70]
found = list(map(lead_of, without_effects(WIDE, AT), without_effects(SHARE, AT)))
report(all(abs(f - e) < 1e-12 for f, e in zip(found, [0.08333333333333333, 0.6428571428571429, 0.5357142857142857])),
       "leads computed here are NumPy's and SciPy's", str(found))
done()
