"""What faults.py found, as a table on the terminal, and, with --write, in the documents."""
import collections
import math
import os
import statistics

import faults

ROOT = faults.ROOT


def wilson(found, count):
    """Upper bound of a 95 % interval of a share (Wilson's score)."""
    if count == 0:
        return math.nan
    z, p = 1.96, found / count
    spread = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return (p + z * z / (2 * count) + spread) / (1 + z * z / count)


def rates(catalogue, results):
    """By rule: clean runs, alarms (all levels; upper ones), planted, found, first, median step."""
    clean = [r for r in results if r["what"] == "clean" and faults.learned(r)]
    by = collections.defaultdict(lambda: {"clean": len(clean), "alarms": 0, "upper": 0, "planted": 0, "found": 0,
                                          "first": 0, "steps": []})
    for r in clean:
        for f in r["findings"]:
            by[f["id"]]["alarms"] += 1
            by[f["id"]]["upper"] += f["level"] in faults.UPPER
    expected = {f["id"]: f["first"] for f in catalogue["faults"]}
    for r in results:
        if r["what"] != "fault":
            continue
        ids, at = expected[r["name"]], faults.place(r, expected[r["name"]])
        rule = r["findings"][at]["id"] if at < 99 else ids[0]
        entry = by[rule]
        entry["planted"] += 1
        entry["found"] += at < 99
        entry["first"] += at == 0
        if at < 99 and r["findings"][at]["since"] is not None:
            entry["steps"].append(r["findings"][at]["since"])
    return by, clean


def add_silent(by, clean, args):
    """Rules that were asked and found nothing; those that could judge none of the clean runs were not measured."""
    for rule in faults.rules(args.program):
        if any(rule not in r["unknown"] for r in clean):
            by[rule]["clean"] = sum(rule not in r["unknown"] for r in clean)


def report(catalogue, results, args):
    by, clean = rates(catalogue, results)
    add_silent(by, clean, args)
    every = [r for r in results if r["what"] == "clean"]
    for r in every:
        if not faults.learned(r):
            print(f"clean run that did not learn: {r['name']} seed {r['seed']}: accuracy {r['accuracy']}")
    alarmed = [r for r in clean if faults.upper(r)]
    for r in clean:
        for f in r["findings"]:
            print(f"alarm in a clean run: {r['name']} seed {r['seed']}: {f['level']} {f['id']}: {f['sentence']}")
    planted = [r for r in results if r["what"] == "fault"]
    for fault in catalogue["faults"]:
        for r in planted:
            if r["name"] == fault["id"]:
                at = faults.place(r, fault["first"])
                mark = "first" if at == 0 else f"place {at + 1}" if at < 99 else "MISSED"
                print(f"{fault['id']:18} {r['network']:11} {r['seed']:4} {mark:8} accuracy {faults.accuracy(r):.2f}: "
                      + " ".join(f"{f['id']}({f['level'][0]},{f['since']})" for f in r["findings"][:6]))
        for r in results:
            if r["what"] == "mended" and r["name"] == fault["id"]:
                print(f"{fault['id']:18} {r['network']:11} mended by {', '.join(r['by'])}: accuracy "
                      f"{faults.accuracy(r):.2f} " + " ".join(f["id"] for f in faults.upper(r)))
    places = [faults.place(r, next(f["first"] for f in catalogue["faults"] if f["id"] == r["name"])) for r in planted]
    first, three = sum(p == 0 for p in places), sum(p < 3 for p in places)
    if every:
        print(f"clean runs: {len(every)}, {len(clean)} learned; {len(alarmed)} with a finding of the upper levels")
    if planted:
        print(f"planted: {len(planted)} runs; right finding first in {first} ({first / len(planted):.1%}), "
              f"among three in {three} ({three / len(planted):.1%})")
    if args.write:
        write(catalogue, results, by, clean, every, alarmed, places)
    good = len(alarmed) <= 0.05 * len(clean) and first >= 0.9 * len(planted) and three >= 0.97 * len(planted)
    return 0 if good else 1


def median(steps):
    return round(statistics.median(steps)) if steps else -1


def write(catalogue, results, by, clean, every, alarmed, places):
    write_rates(by)
    write_table(catalogue, results, by, clean, every, alarmed, places)
    write_tutorial(catalogue, results)


def write_rates(by):
    path = os.path.join(ROOT, "analysis", "findings", "error_rate_list.def")
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    head = text[: text.index("*/") + 2]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(head + "\n")
        for rule, e in sorted(by.items()):
            numbers = [e[k] for k in ("clean", "alarms", "planted", "found", "first")] + [median(e["steps"])]
            stream.write(f"PS_ERROR_RATE({rule}, {', '.join(map(str, numbers))})\n")


def write_table(catalogue, results, by, clean, every, alarmed, places):
    planted = [r for r in results if r["what"] == "fault"]
    n, first, three = len(planted), sum(p == 0 for p in places), sum(p < 3 for p in places)
    alarm_share, first_share, three_share = len(alarmed) / max(1, len(clean)), first / max(1, n), three / max(1, n)
    lines = [
        "# How often findings err",
        "",
        *wrap(
            "Written by `make calibrate-diagnoses` (tests/calibrate/faults.py): short trainings of small networks on "
            "generated data, clean ones and ones with a fault of [examples/faults](../../examples/faults/README.md) "
            "planted. They say how often rules err on runs like these; long trainings of large networks were not among "
            "them.\n\n"
            f"- Clean: {len(every)} runs (plain networks with and without normalisation, residual ones, each with and "
            "without Pool Skip; SGD and AdamW; three data sets). "
            f"{len(clean)} of them learned (half of the test images right, or more) and are counted; those that did "
            "not are no clean runs.\n"
            f"- {len(alarmed)} of {len(clean)} have a finding of the two upper levels ({alarm_share:.1%}; the true "
            f"share is below {wilson(len(alarmed), len(clean)):.1%} with 97.5 % confidence, were runs independent).\n"
            f"- Planted: {len({r['name'] for r in planted})} faults, {n} runs. The right finding is the first in "
            f"{first} ({first_share:.1%}), among the first three in {three} ({three_share:.1%}).\n\n"
            "\"Alarms\" counts findings of any level in clean runs, \"upper\" those of the two upper levels. "
            "\"Planted\" are the runs with a fault whose finding this is; \"found\" and \"first\" how often it was "
            "found, and came first. \"Step\" is the median of the steps since when it says the fault is there."
        ).split("\n"),
        "| rule | clean runs | alarms | upper | planted | found | first | step |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rule, e in sorted(by.items()):
        step = median(e["steps"])
        cells = [rule] + [e[k] for k in ("clean", "alarms", "upper", "planted", "found", "first")]
        lines.append("| " + " | ".join(map(str, cells + [step if step >= 0 else "-"])) + " |")
    lines += ["", *wrap(
        "Rules without a row could judge none of these runs. A finding may be right for several faults, and a fault "
        "may have several right findings (examples/faults/catalogue.json, \"first\"); a run counts for the one that "
        "came first of them.").split("\n"), "## Where the right finding was not the first", ""]
    missed = collections.Counter()
    for r, p in zip(planted, places):
        if p > 0:
            came = r["findings"][0]["id"] if r["findings"] else "nothing"
            missed[(r["name"], r["network"], "missed" if p == 99 else f"place {p + 1}", came)] += 1
    heads = ["| fault | network | runs | the right finding | first came |", "|---|---|---|---|---|"]
    lines += heads if missed else ["Nowhere."]
    for (name, network, where, came), count in sorted(missed.items()):
        lines.append(f"| {name} | {network} | {count} | {where} | {came} |")
    with open(os.path.join(ROOT, "analysis", "findings", "ERROR_RATES.md"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


def write_tutorial(catalogue, results):
    """The table of faults in examples/faults/README.md, and a section for each, between its marks."""
    path = os.path.join(ROOT, "examples", "faults", "README.md")
    begin, end = "<!-- faults -->\n", "<!-- end of faults -->\n"
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    table = ["| fault | first finding | done | mends it |", "|---|---|---|---|"]
    lines = []
    for fault in catalogue["faults"]:
        ill = [r for r in results if r["what"] == "fault" and r["name"] == fault["id"]]
        well = [r for r in results if r["what"] == "mended" and r["name"] == fault["id"]]
        firsts = collections.Counter(r["findings"][0]["id"] if r["findings"] else "nothing" for r in ill)
        came = ", ".join(f"`{rule}`" + (f" ({count} of {len(ill)})" if count < len(ill) else "")
                         for rule, count in firsts.most_common())
        done = "; ".join(dict.fromkeys(", then ".join(spell_step(step) for step in r["by"]) for r in well))
        table.append(f"| [{fault['id']}](#{fault['id']}-{fault['group'].replace(' ', '-')}) | {came} | {done} | "
                     f"{verdict(ill, well)} |")
        what = fault["what"][0].upper() + fault["what"][1:]
        lines += [f"### {fault['id']} ({fault['group']})", "", f"{what}: {fault['looks']}.", ""]
        how = [spell(key, value) for key, value in fault.get("options", {}).items()]
        how += [f"data \"{fault['data']}\""] if "data" in fault else []
        how += [f"weights \"{fault['weights']}\""] if "weights" in fault else []
        before, after = [faults.accuracy(r) for r in ill], [faults.accuracy(r) for r in well]
        where = f", in {' and '.join(fault['networks'])}" if "networks" in fault else ""
        lines += [f"- planted by: `{' '.join(how)}`{where}",
                  f"- first finding: {came}; it leads to: {fault['next']}",
                  f"- done: {done}; test accuracy {show(before)} before, {show(after)} after",
                  f"- mends it? {verdict(ill, well)}", *left_over(well), ""]
    body = "\n".join(table) + "\n\n" + wrap("\n".join(lines))
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text[: text.index(begin) + len(begin)] + "\n" + body + text[text.index(end) :])


def spell_step(step):
    return f"`{step}`" if step.startswith("--") else step


def left_over(well):
    """What a mended run still has of the upper levels, by network."""
    return [f"- left in {r['network']}: {', '.join(f['id'] for f in faults.upper(r))} (test accuracy "
            f"{show([faults.accuracy(r)])})" for r in well if faults.upper(r)]


def spell(key, value):
    """An option as it is typed; of one that differs between networks all values."""
    if isinstance(value, bool):
        return f"--no-{key}"
    values = sorted({str(v) for v in value.values()}) if isinstance(value, dict) else [str(value)]
    return f"--{key.replace('_', '-')} {' or '.join(values)}"


def wrap(text, width=120):
    """Lines of at most `width`; what goes on in a list is indented."""
    out = []
    for line in text.split("\n"):
        indent = "  " if line.startswith("- ") else ""
        while len(line) > width:
            cut = line.rfind(" ", 0, width)
            out.append(line[:cut])
            line = indent + line[cut + 1 :]
        out.append(line)
    return "\n".join(out) + "\n"


def show(values):
    known = [v for v in values if not math.isnan(v)]
    return f"{100 * statistics.median(known):.0f} %" if known else "none"


def verdict(ill, well):
    """A run is mended where it learns and has no finding of the two upper levels."""
    if not well:
        return "not tried: the finding names nothing to do"
    sound = sum(faults.is_sound(r) for r in well)
    if sound < len(well):
        return f"in {sound} of {len(well)} networks"
    harmed = sum(not faults.learned(r) for r in ill)
    if harmed == len(ill):
        return "yes"
    return f"yes (with the fault {len(ill) - harmed} of {len(ill)} runs learned, too)"
