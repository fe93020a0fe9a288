"""`poolscope check` from outside: golden traces over thread counts and instruction sets, planted changes, rules, formats against their
schemas, exit codes, and the files of examples/ci."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, WORK, done, must, path, records, report, run, skip  # noqa: E402

# Few, small steps: rounding of different instruction sets is amplified from step to step, so tolerances hold for a stated number of steps.
SMALL = ["--model", "plain9", "--width", "0.34", "--probe", "64", "--train-limit", "512", "--test-limit", "64", "--steps", "8", "--window", "4", "--lr", "0.001", "--quiet"]
STEPS = "4"


def train(name, *options, simd=None):
    environment = dict(os.environ)
    if simd is not None:
        environment["PS_SIMD"] = simd
    must("train", *SMALL, "--out", name, *options, env=environment)
    return records(name, "header")[0]["machine"]["simd"]


def check(*arguments):
    return run("check", *arguments)


def verdict(*arguments):
    """Exit code, and the findings as JSON."""
    result = check(*arguments, "--format", "json")
    document = json.loads(result.stdout) if result.stdout.startswith("{") else {"suites": []}
    return result.returncode, [f for suite in document["suites"] for f in suite["findings"]], result


def planted(name, source, change):
    """A copy of a run's trace with a change to its records (parsed one by one; the change may delete, insert or move them)."""
    lines = [json.loads(line) for line in open(path(source, "trace.jsonl"))]
    change(lines)
    with open(path(name), "w") as stream:
        stream.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return name


def first(lines, kind, **keys):
    return next(r for r in lines if r["type"] == kind and all(r.get(k) == v for k, v in keys.items()))


# ---- golden traces ----
train("one", "--threads", "1")
result = check("one", "--golden", "golden.jsonl", "--bless")
report(result.returncode == 0 and "new golden trace" in result.stdout, "bless makes a golden trace", result.stderr)
report(not any('"type":"timing"' in line for line in open(path("golden.jsonl"))), "without timing records")
for threads in ("2", "3"):
    train("other", "--threads", threads, "--force")
    code, findings, result = verdict("other", "--golden", "golden.jsonl")
    report(code == 0 and not findings, f"{threads} threads match exactly", result.stdout[:1000])

train("seed2", "--seed", "2")
result = check("seed2", "--golden", "golden.jsonl", "--show", "3")
report(result.returncode == 1 and "config.seed" in result.stdout and "0 of 8 steps (0 %)" in result.stdout, "another seed does not, and it is said how much did", result.stdout[-1500:])
result = check("seed2", "--golden", "golden.jsonl", "--bless")
report(result.returncode == 0 and "config.seed" in result.stdout and "replaced" in result.stdout, "bless replaces on purpose and shows what changes", result.stdout[-500:])
must("check", "one", "--golden", "golden.jsonl", "--bless")

# ---- planted changes ----
LAYER = records("one", "header")[0]["layers"][4]["name"]


def flip(lines):
    values = first(lines, "probe", step=4, layer=LAYER)["values"]
    values["nonzero"][2] = 0 if values["nonzero"][2] > 0 else 100


def nudge(lines):
    values = first(lines, "window", window=0, layer=LAYER)["values"]
    values["grad_norm_rms"][3] *= 1.001


def rename(lines):
    for line in lines:
        if line.get("layer") == LAYER:
            line["layer"] = "new.name"
    for layer in lines[0]["layers"]:
        layer["name"] = "new.name" if layer["name"] == LAYER else layer["name"]
        layer["inputs"] = ["new.name" if name == LAYER else name for name in layer["inputs"]]


PLANTED = [
    ("one node's deadness flipped", flip, {"value-differs", "partial-match"}, {"node": LAYER + ":2", "step": 4, "quantity": "probe.nonzero"}),
    ("one gradient off by 1e-3", nudge, {"value-differs", "partial-match"}, {"node": LAYER + ":3", "window": 0, "quantity": "window.grad_norm_rms"}),
    ("a window missing", lambda lines: lines.remove(first(lines, "window", window=1, layer=LAYER)), {"missing-record", "partial-match"},
     {"node": LAYER, "window": 1}),
    ("a NaN", lambda lines: first(lines, "step", step=3).__setitem__("loss", "NaN"), {"nan-differs", "partial-match"}, {"step": 3, "quantity": "step.loss"}),
    ("a layer renamed", rename, {"renamed-layer"}, {"node": LAYER}),
    ("records reordered", lambda lines: lines.append(lines.pop(lines.index(first(lines, "step", step=2)))), {"reordered-record"}, {"step": 2}),
    ("an extra record", lambda lines: lines.insert(20, {"type": "event", "step": 0, "event": "nonfinite", "what": "loss", "layer": ""}), {"extra-record"}, {}),
    ("the end cut off", lambda lines: lines.__delitem__(slice(lines.index(first(lines, "step", step=5)), None)), {"missing-record", "partial-match"}, {}),
]
for name, change, kinds, expected in PLANTED:
    code, findings, result = verdict(planted("planted.jsonl", "one", change), "--golden", "golden.jsonl")
    found = {f["kind"] for f in findings}
    named = any(all(f.get(k) == v for k, v in expected.items()) for f in findings)
    report(code == 1 and found == kinds and named, f"planted: {name} is caught and named", f"{code} {found}\n{findings[:3]}\n{result.stderr}")

train("ps2", "--pool-skip", "2", "--arm", "ps2")
code, findings, result = verdict("one", "ps2", "--golden", "ps2", "--golden", "golden.jsonl")
report(code == 1 and [f["kind"] for f in findings] == ["reordered-arm"] * 2, "planted: arms reordered are caught and named", findings[:3])
code, findings, result = verdict("one", "ps2", "--golden", "golden.jsonl", "--golden", "ps2")
report(code == 0, "and pass in their own order", result.stderr)

# ---- calibration ----
levels = [level for level in ("base", "avx2", "avx512") if train(level, simd=level) == level]
if len(levels) < 2:
    skip("tolerances across instruction sets", "this machine has only one")
    skip("a value beyond them", "this machine has only one")
else:
    # The level in the middle is held out: the tolerances were not measured on it.
    ends = [levels[0], levels[-1]]
    result = check("--calibrate", *ends, "--first-steps", STEPS, "--factor", "4", "--out", "tolerances.json")
    must("check", levels[-1], "--golden", "golden.simd", "--bless")
    results = [verdict(level, "--golden", "golden.simd", "--tolerance", "tolerances.json") for level in levels]
    report(all(code == 0 for code, _, _ in results), f"{', '.join(levels)} agree within tolerances calibrated on {' and '.join(ends)} over {STEPS} steps",
           "\n".join(str(f[:3]) for _, f, _ in results))
    code, findings, result = verdict(planted("planted.jsonl", levels[0], nudge), "--golden", "golden.simd", "--tolerance", "tolerances.json")
    report(code == 1 and any(f.get("node") == LAYER + ":3" and f["quantity"] == "window.grad_norm_rms" for f in findings),
           "and a gradient off by 1e-3 is still caught", f"{code} {findings[:3]} {result.stderr}")
result = check("--calibrate", "one", "seed2", "--first-steps", STEPS, "--out", "seeds.json")
tolerances = json.load(open(path("seeds.json")))
report(result.returncode == 0 and tolerances["first_steps"] == 4 and len(tolerances["derivation"]["runs"]) == 2 and
       tolerances["quantities"]["step.loss"]["largest_absolute"] > 0, "tolerances of other seeds, with their derivation", result.stderr)
result = check("one", "--golden", "golden.jsonl", "--tolerance", "seeds.json", "--first-steps", "8")
report(result.returncode == 2 and "measured over 4 steps" in result.stderr, "more steps than they were measured over: refused", result.stderr)

# ---- rules ----
with open(path("rules.txt"), "w") as stream:
    stream.write('# comment\n\nsteps == 8  # all of them\nmax(dead_share[layer=~"stage[1-3].*"], last 50%) <= 1\n')
result = check("one", "ps2", "--checks", "rules.txt", "--expect", "finished == 1")
report(result.returncode == 0 and "6 of 6 checks held" in result.stdout, "rules that hold", result.stdout + result.stderr)
result = check("one", "--expect", "accuracy.final > 1", "--expect", "nowhere.final > 1")
report(result.returncode == 1 and "not recorded" in result.stdout and "0 of 2 checks held" in result.stdout, "rules that do not", result.stdout)
with open(path("wrong.txt"), "w") as stream:
    stream.write("steps == 8\nmax(loss, last 5) < 1\n")
result = check("one", "--checks", "wrong.txt")
report(result.returncode == 2 and "wrong.txt:2: " in result.stderr and result.stderr.endswith("                  ^\n"), "a mistake: file, line and a caret, exit 2", result.stderr)

# ---- errors ----
for name, arguments, sentence in [
    ("nothing to check", ["one"], "nothing to check"),
    ("no trace", ["nowhere", "--golden", "golden.jsonl"], "cannot be opened"),
    ("no golden trace", ["one", "--golden", "nowhere.jsonl"], "cannot be opened"),
    ("unknown format", ["one", "--expect", "steps > 1", "--format", "yaml"], "unknown format"),
    ("a tolerance file that is none", ["one", "--golden", "golden.jsonl", "--tolerance", "rules.txt"], "rules.txt"),
    ("tolerances without a golden trace", ["one", "--expect", "steps > 1", "--tolerance", "seeds.json"], "--golden FILE, too"),
    ("one run to calibrate", ["one", "--calibrate", "--out", "x.json"], "two runs"),
    ("a folder that is not there", ["one", "--expect", "steps > 1", "--out", "nowhere/x.json"], "nowhere"),
]:
    result = check(*arguments)
    report(result.returncode == 2 and sentence in result.stderr and "Traceback" not in result.stderr, f"{name}: exit 2 and a sentence", result.stderr)

# ---- formats ----
hostile = 'a<b>&"\'\\ \u00e4 \u0007 %n'
planted("hostile.jsonl", "one", lambda lines: [
    layer.__setitem__("name", hostile) for layer in lines[0]["layers"][4:5]] and [line.__setitem__("layer", hostile) for line in lines if line.get("layer") == LAYER])
both = ["hostile.jsonl", "planted.jsonl", "--golden", "golden.jsonl", "--expect", "steps == 8", "--expect", "nowhere > 1"]
for output in ("json", "junit", "sarif"):
    result = check(*both, "--format", output, "--out", "report." + output)
    report(result.returncode == 1 and "checks held" in result.stdout, f"{output} is written, text is printed", result.stderr)
    check("one", "--golden", "golden.jsonl", "--format", output, "--out", "held." + output)
if shutil.which("xmllint"):
    files = [path("report.junit"), path("held.junit")]
    lint = subprocess.run(["xmllint", "--noout", "--schema", os.path.join(ROOT, "tests/cli/junit.xsd"), *files], stderr=subprocess.PIPE, text=True)
    report(lint.returncode == 0, "junit is valid by its schema", lint.stderr)
else:
    skip("junit is valid by its schema", "no xmllint (libxml2-utils)")


def python_with_jsonschema():
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and subprocess.run([python, "-c", "import jsonschema"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


VALIDATE = ("import json,sys,jsonschema; s=json.load(open(sys.argv[1])); v=jsonschema.Draft4Validator if 'draft-04' in s['$schema'] else jsonschema.Draft7Validator; "
            "v.check_schema(s); [v(s).validate(json.load(open(f))) for f in sys.argv[2:]]")


def whole_sarif_schema():
    """The schema that OASIS publishes, from a package that carries it; None where there is no way to it (no npm, no network)."""
    target = os.path.join(ROOT, "build/schemas/sarif-2.1.0.json")
    subprocess.run(["sh", os.path.join(ROOT, "tests/cli/fetch_sarif_schema.sh")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return target if os.path.exists(target) else None


def broken_sarif():
    """Faults that the whole schema must see, or it would be no test: a level that SARIF does not know, a line 0, a result without a message."""
    for name, edit in (("level", lambda r: r.update(level="bad")), ("line", lambda r: r.update(locations=[{"physicalLocation": {"region": {"startLine": 0}}}])),
                       ("message", lambda r: r.pop("message"))):
        content = json.load(open(path("report.sarif")))
        edit(content["runs"][0]["results"][0])
        with open(path(name + ".broken"), "w") as stream:
            json.dump(content, stream)
        yield name + ".broken"


python = python_with_jsonschema()
for name, schema, files in [
    ("json", "analysis/check/check.schema.json", ["report.json", "held.json"]),
    ("sarif", "tests/cli/sarif.schema.json", ["report.sarif", "held.sarif"]),
    ("a tolerance file", "analysis/check/tolerances.schema.json", ["seeds.json"]),
]:
    if python is None:
        skip(f"{name} is valid by its schema", "no jsonschema (python3-jsonschema)")
        continue
    result = subprocess.run([python, "-c", VALIDATE, os.path.join(ROOT, schema), *map(path, files)], stderr=subprocess.PIPE, text=True)
    report(result.returncode == 0, f"{name} is valid by its schema", result.stderr[-800:])
whole = whole_sarif_schema()
if whole is None or python is None:
    skip("sarif is valid by the whole schema of OASIS", "no npm or no network, or no jsonschema (python3-jsonschema)")
else:
    result = subprocess.run([python, "-c", VALIDATE, whole, path("report.sarif"), path("held.sarif")], stderr=subprocess.PIPE, text=True)
    report(result.returncode == 0, "sarif is valid by the whole schema of OASIS", result.stderr[-800:])
    passed = [name for name in broken_sarif() if subprocess.run([python, "-c", VALIDATE, whole, path(name)], stderr=subprocess.DEVNULL).returncode == 0]
    report(not passed, "and what is wrong is not", passed)
sarif = json.load(open(path("report.sarif")))["runs"][0]
rules = [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
report(all(rules[r["ruleIndex"]] == r["ruleId"] for r in sarif["results"]) and sarif["results"], "results of sarif point to their rules")

# ---- documents ----
grammar = open(os.path.join(ROOT, "analysis/check/GRAMMAR.md")).read()
listed = [m.group(1) for name in ("series", "function") for m in re.finditer(r"^PS_(?:SERIES|FUNCTION)\((\w+),", open(os.path.join(ROOT, f"analysis/check/{name}_list.def")).read(), re.M)]
report(listed and all(f"`{name}`" in grammar for name in listed), "the grammar's document lists every series and function")
examples = re.findall(r"^    ([a-z].*[<>=] .*)$", grammar, re.M)
results = [check("one", "--expect", example) for example in examples]
report(len(examples) >= 5 and all(r.returncode in (0, 1) for r in results), "and its examples are rules", "\n".join(r.stderr for r in results))

# ---- examples/ci ----
ci = os.path.join(ROOT, "examples", "ci")
result = check("one", "--checks", os.path.join(ci, "checks.txt"))
report(result.returncode in (0, 1) and "not recorded" not in result.stdout, "the checks file of examples/ci is one", result.stdout + result.stderr)
report(subprocess.run(["sh", "-n", os.path.join(ci, "pre-commit")]).returncode == 0, "its hook is a shell script")
os.makedirs(path("repository/.poolscope"))
subprocess.run(["git", "init", "-q"], cwd=path("repository"))
shutil.copy(path("golden.jsonl"), path("repository/.poolscope/golden.jsonl"))
with open(path("repository/.poolscope/train.sh"), "w") as stream:
    stream.write(f"set -e\ncp -r {path('one')}/. \"$1\"\n")
with open(path("repository/.poolscope/checks.txt"), "w") as stream:
    stream.write("finished == 1\n")
hook = lambda: subprocess.run(["sh", os.path.join(ci, "pre-commit")], cwd=path("repository"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "POOLSCOPE": os.environ.get("PS_PROGRAM") or os.path.join(ROOT, "build/release/poolscope")})
result = hook()
report(result.returncode == 0, "the hook lets an unchanged trace pass", result.stdout)
with open(path("repository/.poolscope/checks.txt"), "a") as stream:
    stream.write("steps > 8\n")
result = hook()
report(result.returncode != 0 and "steps > 8" in result.stdout, "and stops a commit that breaks a rule", result.stdout)

done()
