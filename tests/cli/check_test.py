"""`poolscope check` from outside: golden traces over thread counts and instruction sets, planted changes, rules, formats against their
schemas, exit codes, and the files of examples/ci."""
import json
import os
import re
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from tap import PROGRAM, ROOT, WORK, done, must, path, records, report, run, skip  # noqa: E402

# Few, small steps: rounding of different instruction sets is amplified from step to step, so tolerances hold for a stated number of steps.
SMALL = ["--model", "plain9", "--width", "0.34", "--probe", "64", "--train-limit", "512", "--test-limit", "64", "--steps", "8", "--window", "4", "--lr", "0.001", "--quiet"]
STEPS = "4"


def train(name, *options):
    must("train", *SMALL, "--out", name, *options)


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
# The node with the largest gradient in the layer's first window: 0 would stay 0.
gradients = first(records("one"), "window", window=0, layer=LAYER)["values"]["grad_norm_rms"]
NUDGED = gradients.index(max(gradients))


def flip(lines):
    values = first(lines, "probe", step=4, layer=LAYER)["values"]
    values["nonzero"][2] = 0 if values["nonzero"][2] > 0 else 100


def nudge(lines):
    values = first(lines, "window", window=0, layer=LAYER)["values"]
    values["grad_norm_rms"][NUDGED] *= 1.001


def rename(lines, to="new.name"):
    for line in lines:
        if line.get("layer") == LAYER:
            line["layer"] = to
    for layer in lines[0]["layers"]:
        layer["name"] = to if layer["name"] == LAYER else layer["name"]
        layer["inputs"] = [to if name == LAYER else name for name in layer["inputs"]]


def skip_probing(lines):
    lines[:] = [r for r in lines if r["type"] != "probe" or r["step"] != 4]


def move_eval(lines):
    """Before the last probe record: evaluations may stand anywhere in between."""
    evaluation = lines.pop(lines.index(first(lines, "eval", split="test")))
    lines.insert(max(i for i, r in enumerate(lines) if r["type"] == "probe"), evaluation)


PLANTED = [
    ("one node's deadness flipped", flip, {"value-differs", "partial-match"}, {"node": LAYER + ":2", "step": 4, "quantity": "probe.nonzero"}),
    ("one gradient off by 1e-3", nudge, {"value-differs", "partial-match"}, {"node": f"{LAYER}:{NUDGED}", "window": 0, "quantity": "window.grad_norm_rms"}),
    ("a probing missing", skip_probing, {"missing-record", "partial-match"}, {"node": LAYER, "step": 4}),
    ("a NaN", lambda lines: first(lines, "step", step=3).__setitem__("loss", "NaN"), {"nan-differs", "partial-match"}, {"step": 3, "quantity": "step.loss"}),
    ("a layer renamed", rename, {"renamed-layer"}, {"node": LAYER}),
    ("records reordered", move_eval, {"reordered-record"}, {}),
    ("an extra record", lambda lines: lines.insert(2, {"type": "event", "step": 0, "event": "nonfinite", "what": "loss", "layer": ""}), {"extra-record"}, {}),
    ("the end cut off", lambda lines: lines.__delitem__(slice(lines.index(first(lines, "step", step=5)), None)), {"missing-record", "partial-match"}, {}),
]
for name, change, kinds, expected in PLANTED:
    code, findings, result = verdict(planted("planted.jsonl", "one", change), "--golden", "golden.jsonl")
    found = {f["kind"] for f in findings}
    named = any(all(f.get(k) == v for k, v in expected.items()) for f in findings)
    report(code == 1 and found == kinds and named, f"planted: {name} is caught and named", f"{code} {found}\n{findings[:3]}\n{result.stderr}")

# What breaks the format is refused, and where, by every command that reads traces; watch, which must not end, counts it.
BROKEN = [
    ("a step stands twice", lambda lines: lines.insert(lines.index(first(lines, "step", step=5)), first(lines, "step", step=4)), "step 4 follows where step 5 or a later one is due"),
    ("a window stands twice", lambda lines: lines.insert(lines.index(first(lines, "probe", step=8)), first(lines, "window", window=0)), "window 0 follows where window 2 is due"),
    ("a probe record stands twice", lambda lines: lines.insert(2, lines[1]), "two records of layer"),
    ("a record of one layer is missing", lambda lines: lines.remove(first(lines, "window", window=1, layer=LAYER)), "has no record of layer"),
    ("no probing of step 0", lambda lines: lines.__setitem__(slice(None), [r for r in lines if r["type"] != "probe" or r["step"] > 0]), "begins with the probing of step 0"),
    ("a bare NaN", lambda lines: first(lines, "step", step=3).__setitem__("loss", float("nan")), "bare NaN"),
    ("a bare Infinity in the header", lambda lines: lines[0]["config"].__setitem__("best", float("inf")), "bare Infinity"),
    ("more dead than outputs", lambda lines: first(lines, "probe", step=4)["values"]["nonzero"].__setitem__(0, 1e9), "which must be from 0 to"),
    ("a ceiling without its death", lambda lines: lines[0]["layers"][0].__setitem__("ceiling", 6), "both or neither"),
    ("a death at a ceiling that is nowhere", lambda lines: lines[0]["layers"][0].__setitem__("dead_means", "zero or ceiling"), "both or neither"),
    ("another spelling of an activation", lambda lines: lines[0]["layers"][0].__setitem__("activation", "ReLU"), 'write "relu"'),
]
for name, change, sentence in BROKEN:
    planted("broken.jsonl", "one", change)
    for command in (["validate", "broken.jsonl"], ["check", "broken.jsonl", "--golden", "golden.jsonl"], ["check", "one", "--golden", "broken.jsonl"],
                    ["check", "broken.jsonl", "--expect", "steps >= 8"], ["compare", "--arm", "a=broken.jsonl", "--out", "compared"]):
        result = run(*command)
        report(result.returncode == (1 if command[0] == "validate" else 2) and sentence in result.stdout + result.stderr and "broken.jsonl:" in result.stdout + result.stderr,
               f"{name}: refused by {command[0]}, with the line", f"{result.returncode} {result.stdout[:300]} {result.stderr}")
    result = run("watch", "broken.jsonl", "--once", "--width", "300")
    report(sentence in result.stdout + result.stderr and ("line" in result.stdout + result.stderr), f"{name}: shown by watch", result.stdout[:600] + result.stderr)

train("ps2", "--pool-skip", "2", "--arm", "ps2")
code, findings, result = verdict("one", "ps2", "--golden", "ps2", "--golden", "golden.jsonl")
report(code == 1 and [f["kind"] for f in findings] == ["reordered-arm"] * 2, "planted: arms reordered are caught and named", findings[:3])
code, findings, result = verdict("one", "ps2", "--golden", "golden.jsonl", "--golden", "ps2")
report(code == 0, "and pass in their own order", result.stderr)

# ---- calibration ----
# Gates of slope 0.9999: where rounding turns a true one, gradients jump by far more than rounding, and whether one turns is a matter of luck.
# Means of what enters a normalisation may cancel to almost 0, of which rounding is any part: they are left out.
FEW = ["--model", "plain9", "--width", "0.34", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "256", "--test-limit", "48",
       "--steps", "8", "--window", "4", "--lr", "0.001", "--leaky-slope", "0.9999", "--record", "all,-norm_mean,-running_mean", "--threads", "1", "--quiet", "--force"]


def few(name, seed, **environment):
    must("train", *FEW, "--seed", str(seed), "--out", name, env={**os.environ, **environment})
    return name


levels = tap.levels()
best = levels[-1]
HELD_OUT = 6
if len(levels) < 2:
    skip("tolerances across instruction sets", "this machine has only one")
    skip("a value beyond them", "this machine has only one")
else:
    runs = [few(f"few-{seed}-{level}", seed, PS_SIMD=level) for seed in range(1, HELD_OUT) for level in (levels[0], best)]
    result = check("--calibrate", *runs, "--first-steps", STEPS, "--factor", "10", "--out", "tolerances.json")
    tolerances = json.load(open(path("tolerances.json")))
    compared = [r["compared_with"] for r in tolerances["derivation"]["runs"]]
    report(result.returncode == 0 and compared == [None if i % 2 == 0 else runs[i - 1] for i in range(len(runs))] and "a node was dead" not in result.stdout,
           f"calibration pools the deviations within {HELD_OUT - 1} seeds", result.stdout + result.stderr)
    # Held out: another seed, and with it convolutions by the matrix products of OpenBLAS, whose arithmetic PS_SIMD does not choose.
    golden = few("few-held", HELD_OUT, PS_SIMD=levels[0])
    must("check", golden, "--golden", "golden.simd", "--bless")
    held = [few(f"few-held-{level}", HELD_OUT, PS_SIMD=level) for level in levels[1:]]
    held += [few(f"few-held-{core}", HELD_OUT, PS_SIMD=levels[0], PS_CONV="gemm", OPENBLAS_CORETYPE=core) for core in ("Prescott", "Nehalem")]
    results = [verdict(name, "--golden", "golden.simd", "--tolerance", "tolerances.json") for name in held]
    report(all(code == 0 for code, _, _ in results), f"a held-out seed on {', '.join(levels[1:])} and by two cores of OpenBLAS agrees with {levels[0]} over {STEPS} steps",
           "\n".join(str(f[:3]) for _, f, _ in results))
    lines = [[line for line in open(path(name, "trace.jsonl")) if not line.startswith(('{"type":"timing"', '{"type":"header"'))] for name in (golden, *held)]
    cores = {records(name, "header")[0]["machine"]["library"]["blas"] for name in held}
    report(lines[0] not in lines[1:2] and (len(cores) == 1 or lines[0] not in lines[1:]), "and they do differ", str(cores))
    code, findings, result = verdict(planted("planted.jsonl", held[0], nudge), "--golden", "golden.simd", "--tolerance", "tolerances.json")
    report(code == 1 and [(f.get("node"), f["quantity"]) for f in findings if f["kind"] == "value-differs"] == [(f"{LAYER}:{NUDGED}", "window.grad_norm_rms")],
           "and a gradient off by 1e-3 is still caught", f"{code} {findings[:3]} {result.stderr}")
    code, findings, result = verdict(planted("planted.jsonl", held[0], flip), "--golden", "golden.simd", "--tolerance", "tolerances.json")
    report(code == 1 and any(f.get("node") == LAYER + ":2" and f["quantity"] == "probe.nonzero" for f in findings), "and a flipped node", f"{code} {findings[:3]}")
result = check("--calibrate", "one", "seed2", "--first-steps", STEPS, "--out", "seeds.json")
tolerances = json.load(open(path("seeds.json")))
code, findings, _ = verdict(planted("planted.jsonl", "one", flip), "--golden", "golden.jsonl", "--tolerance", "seeds.json")
report(code == 1 and any(f.get("node") == LAYER + ":2" and f.get("message") == "dead in one trace only" for f in findings),
       "a flipped node is caught under the widest tolerances", f"{code} {findings[:3]}")
report(result.returncode == 0 and tolerances["first_steps"] == 4 and len(tolerances["derivation"]["runs"]) == 2 and
       tolerances["quantities"]["step.loss"]["largest_absolute"] > 0, "tolerances of other seeds, with their derivation", result.stderr)
result = check("one", "--golden", "golden.jsonl", "--tolerance", "seeds.json", "--first-steps", "8")
report(result.returncode == 2 and "measured over 4 steps" in result.stderr, "more steps than they were measured over: refused", result.stderr)

# ---- rules ----
with open(path("rules.txt"), "w") as stream:
    stream.write('# comment\n\nsteps == 8  # all of them\nmax(dead_share[layer=~"stage[1-3].*"], last 50%) <= 1\n')
result = check("one", "ps2", "--checks", "rules.txt", "--expect", "finished == 1")
report(result.returncode == 0 and "8 of 8 checks held" in result.stdout, "rules that hold", result.stdout + result.stderr)
result = check("one", "--expect", "accuracy.final > 1", "--expect", "nowhere.final > 1")
report(result.returncode == 1 and "not recorded" in result.stdout and "1 of 3 checks held" in result.stdout, "rules that do not", result.stdout)
result = check("one", "--expect", "max(los) < 1 or steps > 1")
report(result.returncode == 1 and "did you mean loss?" in result.stdout, "a misspelt name does not pass beside an or", result.stdout)
result = check("one", "--expect", "loss.final / 0 > 1")
report(result.returncode == 1 and "division by zero" in result.stdout, "nor does a division by zero", result.stdout)
result = check("one", "--expect", "1 < 2")
report(result.returncode == 0 and "ok   1 < 2: names no series of the trace\n" in result.stdout, "a rule that asks nothing says so", result.stdout)
with open(path("one", "trace.jsonl")) as whole, open(path("cut.jsonl"), "w") as stream:
    text = whole.read()
    stream.write(text[:text.rindex("\n", 0, 40000) + 20])
result = check("cut.jsonl", "--expect", "steps >= 1")
report(result.returncode == 1 and re.search(r"FAIL end record: the trace has none: \d of 8 steps are there, and it ends within a line", result.stdout) is not None,
       "rules do not pass on a trace that was cut", result.stdout)
result = check("cut.jsonl", "--expect", "steps >= 1", "--unfinished")
report(result.returncode == 0 and "of 8 steps" in result.stdout, "unless that is allowed, and it is said", result.stdout)
result = check("cut.jsonl", "--golden", "cut.golden", "--bless")
report(result.returncode == 2 and "ends within a line" in result.stderr and not os.path.exists(path("cut.golden")), "nor is it blessed", result.stderr)
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
    ("a folder that is not there", ["one", "--expect", "steps > 1", "--out", "nowhere/x.json"], "make its folder"),
    ("a folder in place of a file", ["one", "--expect", "steps > 1", "--out", "one"], "give the name of a file"),
    ("an empty name", ["one", "--expect", "steps > 1", "--out", ""], "is empty"),
    ("--factor without --calibrate", ["one", "--golden", "golden.jsonl", "--factor", "3"], "--factor belongs to --calibrate"),
    ("--calibrate with a golden trace", ["one", "seed2", "--calibrate", "--out", "x.json", "--golden", "golden.jsonl"], "--golden means nothing with --calibrate"),
    ("--calibrate with a rule", ["one", "seed2", "--calibrate", "--out", "x.json", "--expect", "steps > 1"], "--expect means nothing"),
    ("--calibrate with a format", ["one", "seed2", "--calibrate", "--out", "x.json", "--format", "json"], "--format means nothing"),
    ("--bless with a format", ["one", "--golden", "x.jsonl", "--bless", "--format", "json"], "--format means nothing with --bless"),
    ("--bless with --out", ["one", "--golden", "x.jsonl", "--bless", "--out", "x.txt"], "--out means nothing with --bless"),
    ("--bless with a rule", ["one", "--golden", "x.jsonl", "--bless", "--expect", "steps > 1"], "--expect means nothing"),
    ("--unfinished without rules", ["one", "--golden", "golden.jsonl", "--unfinished"], "--unfinished is about rules"),
    ("an instruction set that is none", ["one", "--expect", "steps > 1"], "PS_SIMD=avx"),
]:
    result = run("check", *arguments, env={**os.environ, "PS_SIMD": "avx"} if "PS_SIMD" in sentence else os.environ)
    report(result.returncode == 2 and sentence in result.stderr and "Traceback" not in result.stderr, f"{name}: exit 2 and a sentence", result.stderr)
report(not os.path.exists(path("x.json")) and not os.path.exists(path("x.jsonl")), "and nothing was written")

# ---- how much is told ----
seed2 = ["seed2", "--golden", "golden.jsonl"]
for form in ("json", "junit", "sarif"):
    result = check(*seed2, "--format", form, "--out", "all." + form, "--quiet")
    report(result.returncode == 1 and result.stdout == "" and os.path.getsize(path("all." + form)) < 400000, f"--quiet prints nothing, {form} is written and small", result.stdout[:200])
    check(*seed2, "--format", form, "--out", "few." + form, "--max-results", "2")
    report(os.path.getsize(path("few." + form)) < os.path.getsize(path("all." + form)), f"--max-results bounds {form}")
document = json.load(open(path("few.json")))["suites"][0]
report(len(document["findings"]) == 2 and sum(f["count"] for f in document["findings"]) + document["findings_left_out"] == document["findings_total"],
       "json counts what it leaves out", {k: document[k] for k in ("findings_total", "findings_left_out")})
results = json.load(open(path("few.sarif")))["runs"][0]["results"]
report(len(results) == 3 and results[2]["ruleId"] == "more-findings" and sum(r["occurrenceCount"] for r in results) == document["findings_total"], "and so does sarif", results[2])
result = check("one", "--golden", "golden.jsonl", "--quiet")
report(result.returncode == 0 and result.stdout + result.stderr == "", "--quiet says nothing where all holds", result.stdout + result.stderr)
for arguments, sentence in ((["--max-results", "2"], "--show is that of text"), (["--format", "json", "--max-results", "0"], "a whole number from 1"),
                            (["--format", "json", "--quiet"], "give --out FILE"), (["--bless", "--max-results", "2"], "--max-results means nothing with --bless")):
    result = check(*seed2, *arguments)
    report(result.returncode == 2 and sentence in result.stderr, f"{' '.join(arguments)}: exit 2 and a sentence", result.stderr)
planted("simd.jsonl", "seed2", lambda lines: lines[0]["machine"].__setitem__("simd", "other"))
result = check("simd.jsonl", "--golden", "golden.jsonl")
report(result.returncode == 1 and "instruction set" in result.stdout and "other in this one" in result.stdout and "--calibrate" in result.stdout, "values of another instruction set: it is said, with the remedy",
       result.stdout[-600:])
report("instruction set" not in check(*seed2).stdout, "values of the same one: it is not")

# ---- places to write to ----
os.symlink("real.json", path("link.json"))
result = check("one", "--golden", "golden.jsonl", "--format", "json", "--out", "link.json")
report(result.returncode == 0 and os.path.islink(path("link.json")) and json.load(open(path("real.json")))["held"], "--out through a link leaves the link", result.stderr)
os.mkfifo(path("fifo"))
reader = subprocess.Popen(["cat", path("fifo")], stdout=subprocess.PIPE, text=True)
result = check("one", "--golden", "golden.jsonl", "--format", "json", "--out", "fifo")
report(result.returncode == 0 and json.loads(reader.communicate(timeout=60)[0])["held"] and stat.S_ISFIFO(os.stat(path("fifo")).st_mode), "--out into a pipe", result.stderr)
with open(path("redirected.txt"), "w") as stream:
    subprocess.run([PROGRAM, "check", path("one"), "--golden", path("golden.jsonl"), "--format", "json", "--out", "/dev/stdout"], stdout=stream, check=False)
text = open(path("redirected.txt")).read()
report(text.startswith("{") and text.endswith("checks held\n"), "--out /dev/stdout into a file: both are in it", text[:200])
# Nodes of their own, never those of the machine: what is tested is that they survive.
try:
    os.mknod(path("full"), 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    open(path("full"), "w").close()
    made = True
except OSError:
    made = False
if made:
    for arguments in (["one", "--golden", "golden.jsonl", "--format", "json", "--out", "full"], ["--calibrate", "one", "seed2", "--out", "full"], ["one", "--golden", "full", "--bless"]):
        result = check(*arguments)
        report(result.returncode == 2 and "full: " in result.stderr and stat.S_ISCHR(os.stat(path("full")).st_mode), "a full device: an error, and the device is still one", result.stderr)
    result = run("check", "full", "--expect", "steps > 1", timeout=60)
    report(result.returncode == 2 and "no regular file" in result.stderr, "a device without end is no trace", result.stderr)
else:
    for _ in range(4):
        skip("a full device", "no device nodes may be made here")

# ---- formats ----
hostile = 'a<b>&"\'\\ \u00e4 \u0007 %n \u001b[31m\n\u202e\u009b'
planted("hostile.jsonl", "one", lambda lines: rename(lines, hostile))
both = ["hostile.jsonl", "planted.jsonl", "--golden", "golden.jsonl", "--expect", "steps == 8", "--expect", "nowhere > 1"]
result = check(*both)
lines = [line for line in result.stdout.splitlines() if "a<b>&" in line]
report(lines and not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]", result.stdout) and all("%n ?[31m???" in line for line in lines),
       "names from traces cannot command the terminal", repr(lines[:2]))
result = run("validate", planted("nameless.jsonl", "one", lambda lines: [line.__setitem__("layer", hostile) for line in lines if line.get("layer") == LAYER]))
report(result.returncode == 1 and "%n ?[31m???" in result.stdout and "\u001b" not in result.stdout + result.stderr and "\u202e" not in result.stdout, "nor in validate", result.stdout[:300])
result = run("compare", "--arm", "\u001b[31mx\u202e=one", "--out", "compared")
report(result.returncode == 0 and "?[31mx?" in result.stdout and "\u001b" not in result.stdout, "nor in compare", result.stdout[:300] + result.stderr)
result = run("compare", "--arm", "\u001b[31mx=nowhere", "--out", "compared")
report(result.returncode == 2 and "\u001b" not in result.stderr, "nor in an error", result.stderr)
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
    ("a tolerance file", "analysis/check/tolerances.schema.json", ["seeds.json"] + (["tolerances.json"] if len(levels) > 1 else [])),
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
