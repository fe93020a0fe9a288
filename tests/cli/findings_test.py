"""Findings from the command line: diagnose of a directory, a trace under way, another program's and a checkpoint; its forms against their
schemas; --fail-on, --only, --ignore; explain; the page of one run; an experiment's table; watch; train --stop-on. Traces are made up, so that the
truth is known: a whole layer is dead from step 20 on, in names that try to break out of what they are written into."""
import csv
import json
import os
import re

from tap import ROOT, TINY, done, must, path, report, run, skip

try:
    import jsonschema
except ImportError:
    jsonschema = None

HOSTILE = "<script>alert(1)</script>`touch pwned`\u202e|\x1b[31m\"'%s@M{/Bold x}"
DIES_AT = 20


def lines(name="conv1", windows=6, dead=True, end=True, accuracy=0.5):
    """A healthy run of two layers of eight nodes, of which the second is shut from DIES_AT on where `dead`."""
    layers = [{"name": layer, "gate": f"relu{i}", "kind": "conv", "channels": 8, "position": i, "depth": i + 1, "stage": "", "activation": "relu", "norm": None,
               "pool_skip": None, "bias": True, "fan_in": 27, "inputs": [] if i == 0 else ["conv0"], "elements": 16} for i, layer in enumerate(["conv0", name])]
    quantity = {"unit": "", "per": "node", "description": "made up"}
    yield {"type": "header", "format": "poolscope-trace", "version": 2, "producer": "made up", "arm": "", "seed": 1, "config": {},
           "arm_is": {"role": "other", "pool_size": 0, "zero_init": False, "cut": "none", "activation": "relu", "reinit_dead": 0},
           "pairing": {key: "" for key in ("backbone", "data", "order", "optimiser", "steps", "batch", "window", "probe")},
           "data": {"classes": 10, "train": 640, "test": 100, "probe": 64}, "machine": {}, "model": {},
           "window": 10, "steps": 10 * windows, "layers": layers, "quantities": [
               {"name": "nonzero", "record": "probe", **quantity}, {"name": "grad_zero_steps", "record": "window", **quantity}, {"name": "loss", "record": "step", **quantity, "per": "step"}]}

    def probes(step):
        for layer in ("conv0", name):
            shut = dead and layer == name and step >= DIES_AT
            yield {"type": "probe", "step": step, "layer": layer, "images": 64, "elements": 1024, "values": {"nonzero": [0 if shut else 500] * 8}}
    yield from probes(0)
    for window in range(windows):
        for step in range(10 * window, 10 * window + 10):
            yield {"type": "step", "step": step, "loss": 2.3 / (1 + 0.05 * step)}
        for layer in ("conv0", name):
            shut = dead and layer == name and 10 * window >= DIES_AT
            yield {"type": "window", "window": window, "first": 10 * window, "last": 10 * window + 9, "layer": layer, "values": {"grad_zero_steps": [10 if shut else 0] * 8}}
        yield from probes(10 * window + 10)
    if end:
        yield {"type": "eval", "step": 10 * windows, "split": "test", "loss": 1.1, "accuracy": accuracy, "count": 100}
        yield {"type": "end", "steps": 10 * windows, "status": "finished", "loss": 1.1, "accuracy": accuracy}


def write(place, **options):
    os.makedirs(path(os.path.dirname(place)), exist_ok=True)
    with open(path(place), "w") as stream:
        for line in lines(**options):
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")
    return place


def table(name):
    with open(path(name), newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def schema_breach(name, document):
    with open(os.path.join(ROOT, name)) as stream:
        try:
            jsonschema.validate(document, json.load(stream))
        except jsonschema.ValidationError as error:
            return f"{list(error.absolute_path)}: {error.message[:300]}"
    return ""


write("ill/trace.jsonl")
write("hostile/trace.jsonl", name=HOSTILE)
write("going/trace.jsonl", end=False)
write("well/trace.jsonl", dead=False)
with open(path("going/trace.jsonl"), "a") as stream:
    stream.write('{"type":"step","step":60,"lo')

# ---- a trace, its directory, a run under way ----
def diagnosis(*arguments):
    result = run("diagnose", *arguments, "--json")
    return json.loads(result.stdout) if result.returncode == 0 else {"error": result.stderr}


for target in ("ill", "ill/trace.jsonl", "going", "hostile"):
    found = diagnosis(target)
    first = found.get("findings", [{}])[0]
    name = HOSTILE if target == "hostile" else "conv1"
    report(first.get("id") == "dead_layer" and first["level"] == "critical" and first["since"] == DIES_AT and first["layers"] == [name],
           f"{target}: the dead layer comes first, since the step at which it died", found)
    report(found["finished"] == (target != "going") and found["at_rest"] is False and "found" not in found, f"{target}: how far the run is; no nodes without weights", found)
    lines_named = [entry["line"] for entry in first.get("evidence", []) if "line" in entry]
    with open(path(found["trace"])) as stream:
        rows = stream.read().split("\n")
    report(lines_named and all(json.loads(rows[line - 1]).get("layer") == name for line in lines_named), f"{target}: its evidence are that layer's rows", first)
    if jsonschema:
        report(not schema_breach("analysis/findings/diagnosis.schema.json", found), f"{target}: JSON as in its schema", schema_breach("analysis/findings/diagnosis.schema.json", found))
    else:
        skip(f"{target}: JSON as in its schema", "no jsonschema")

well = diagnosis("well")
report(not [f for f in well["findings"] if f["group"] == "nodes"], "a run without dead nodes has no finding of nodes", well["findings"])
known = set(re.findall(r"^  (\w+) \(", must("diagnose", "--rules").stdout, re.M))
report(known and {f["id"] for f in well["findings"]} | {f["id"] for f in well["cannot_be_judged"]} <= known and "dead_layer" in known, "--rules lists every rule", known)
report(any(f["id"] == "shut_by_norm" or "needs" in f for f in well["cannot_be_judged"]), "rules that lack something are named", well["cannot_be_judged"])
text = must("diagnose", "well").stdout
report("Cannot be judged" in text and "healthy" not in text, "and as text; nothing is called healthy", text)
text = must("diagnose", "hostile").stdout
report("\x1b" not in text and "\u202e" not in text and "dead_layer" in text, "what a terminal would obey is not printed", text)

# ---- choosing, failing ----
report(diagnosis("ill", "--only", "dead_layer")["findings"][0]["id"] == "dead_layer" and len(diagnosis("ill", "--only", "dead_layer")["findings"]) == 1, "--only asks that rule alone")
report("dead_layer" not in [f["id"] for f in diagnosis("ill", "--ignore", "dead_layer")["findings"]], "--ignore leaves it out")
for option, level, status in (("ill", "critical", 1), ("ill", "note", 1), ("well", "critical", 0)):
    result = run("diagnose", option, "--fail-on", level)
    report(result.returncode == status and (status == 0 or "--fail-on" in result.stderr), f"{option}: --fail-on {level} is exit status {status}", result.stderr)
result = run("diagnose", "ill", "--fail-on", "critical", "--ignore", "dead_layer,bottleneck,dead_nodes")
report(result.returncode == 0, "what is left out fails nothing", result.stderr)
for arguments, words in ((["ill", "--only", "nonsense"], "--rules"), (["ill", "--fail-on", "bad"], "note, warning, serious and critical"), (["ill", "--json", "--sarif"], "choose one of"),
                         (["ill/trace.jsonl", "--tsv"], "poolscope explain"), (["ill/trace.jsonl", "--data", "synthetic"], "leave out --data"), ([], "usage")):
    result = run("diagnose", *arguments)
    report(result.returncode == 2 and words in result.stderr and len(result.stderr.splitlines()) == 1, f"diagnose {' '.join(arguments)}: one sentence", result.stderr)
with open(path("broken.jsonl"), "w") as stream:
    stream.write('{"type":"header","format":"poolscope-trace"\n{"type":"probe"}\n')
result = run("diagnose", "broken.jsonl")
report(result.returncode == 2 and "broken.jsonl" in result.stderr, "a broken trace is no run", result.stderr)

# ---- SARIF ----
sarif = json.loads(must("diagnose", "hostile", "--sarif").stdout)
result = sarif["runs"][0]["results"][0]
rules = sarif["runs"][0]["tool"]["driver"]["rules"]
report(rules[result["ruleIndex"]]["id"] == result["ruleId"] == "dead_layer" and result["level"] == "error"
       and result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == HOSTILE, "SARIF names rule, level and layer", result)
report(all(r.get("kind") == "open" for r in sarif["runs"][0]["results"] if r["message"]["text"].startswith("cannot be judged")), "what cannot be judged is open, not passed")
if jsonschema:
    report(not schema_breach("tests/cli/sarif.schema.json", sarif), "as in its schema", schema_breach("tests/cli/sarif.schema.json", sarif))
else:
    skip("as in its schema", "no jsonschema")

# ---- explain ----
text = must("explain", "ill", "dead_layer").stdout
report(re.search(r"ill/trace\.jsonl:\d+:\n +\{\"type\":\"probe\"", text) and "threshold" in text, "explain shows the rows of the trace", text)
result = run("explain", "well", "dead_layer")
report(result.returncode == 2 and "was looked for and not found" in result.stderr, "of what was not found it says so", result.stderr)
result = run("explain", "well", well["cannot_be_judged"][0]["id"])
report(result.returncode == 2 and "it needs" in result.stderr, "and what could not be judged, with what it needs", result.stderr)

# ---- watch, report ----
text = must("watch", "ill", "--once").stdout
report(re.search(r"^findings: [1-9]", text, re.M) and "critical since step 20" in text, "watch shows the worst findings", text)
text = must("watch", "hostile", "--once").stdout
report("\x1b" not in text and "critical" in text, "with names that obey no terminal", text)
must("report", "hostile", "--format", "html,md,json", "--quiet")
with open(path("hostile/report/report.html"), encoding="utf-8") as stream:
    page = stream.read()
captions = " ".join(re.findall(r"<figcaption.*?</figcaption>|<summary>.*?</summary>", page, re.S))
said = re.findall(r"\b(?:arms?|seeds|reference)\b", captions)
report(captions and not said, "and its captions speak of no arms and no seeds", said)
report("What is wrong with" in page and "since step 20" in page and "h-predictions" not in page and "<script>alert" not in page, "the page of one run begins with its findings, and has no predictions")
report(not os.path.exists(path("pwned")) and page.index("level-critical") < page.index("id=\"dead_heat\"") if "id=\"dead_heat\"" in page else True, "names run nothing; plots follow")
rows = table("hostile/report/tables/findings.tsv")
report(rows[0]["id"] == "dead_layer" and rows[0]["since"] == str(DIES_AT) and rows[0]["level"] == "critical", "the table of findings", rows[0])
with open(path("hostile/report/report.json")) as stream:
    document = json.load(stream)
report(document["findings"][0]["id"] == "dead_layer", "and report.json")
if jsonschema:
    report(not schema_breach("reports/report.schema.json", document), "as in its schema", schema_breach("reports/report.schema.json", document))
else:
    skip("as in its schema", "no jsonschema")
must("report", "ill/trace.jsonl", "--quiet")
report(os.path.exists(path("ill/report/report.html")), "of a trace the page stands beside it")

# ---- a comparison says whose runs are ill ----
must("compare", "--arm", "baseline=well", "--arm", "other=ill", "--out", "cmp", "--quiet")
arms = {row["arm"] for row in table("cmp/tables/findings.tsv") if row["level"] in ("serious", "critical")}
with open(path("cmp/verdict.json")) as stream:
    summary = json.load(stream)["summary"]
report("other" in arms and "baseline" not in arms and any("findings.tsv" in s and "other (1 of 1)" in s for s in summary), "compare names the arm with an ill run", summary)
must("report", "cmp", "--quiet")
with open(path("cmp/report.html"), encoding="utf-8") as stream:
    page = stream.read()
report("What is wrong with single runs" in page and "h-predictions" in page, "and its page has the findings beside the predictions")

# ---- a run of poolscope's own: nodes behind the findings, --stop-on ----
SHUT = [*TINY, "--steps", "40", "--window", "4", "--batch-norm", "no", "--plant", "layers=stage3.2.conv,cause=bias,share=1"]
planted = run("train", *SHUT, "--out", "planted")
found = diagnosis("planted") if planted.returncode == 0 else {"error": planted.stderr}
report("findings" in found and "found" in found and found["checkpoint_step"] == 40, "a run with a checkpoint has nodes behind the findings", found)
if jsonschema and "findings" in found:
    report(not schema_breach("analysis/findings/diagnosis.schema.json", found), "as in the schema", schema_breach("analysis/findings/diagnosis.schema.json", found))
rest = diagnosis("planted/checkpoint.safetensors")
report(rest.get("at_rest") is True and rest["trace"] is None, "a checkpoint alone is judged at rest", rest)
stopped = run("train", *SHUT, "--out", "stopped", "--stop-on", "dead_layer")
ids = [f["id"] for f in found.get("findings", [])]
if "dead_layer" in ids:
    report(stopped.returncode == 1 and "--stop-on" in stopped.stderr and "dead_layer" in stopped.stderr and "--resume" in stopped.stderr, "--stop-on ends it with the reason", stopped.stderr)
    steps = diagnosis("stopped")["steps"]
    report(0 < steps < 40 and steps % 4 == 0, "at a window's end", steps)
    resumed = run("train", "--resume", "stopped", "--quiet")
    with open(path("planted/trace.jsonl")) as a, open(path("stopped/trace.jsonl")) as b:
        same = [line for line in a if '"timing"' not in line] == [line for line in b if '"timing"' not in line]
    report(resumed.returncode == 0 and same, "and it goes on to the same trace", resumed.stderr)
else:
    report(False, "the planted layer is dead", f"{ids} {planted.stderr}")
# ---- batches that cannot be quartered: what is said of parts of the probe set holds for all of it ----
for batch in (1, 2, 3, 6, 7):
    name = f"batch{batch}"
    must("train", *[str(batch) if o == "16" else o for o in TINY], "--stages", "1,1", "--steps", "4", "--window", "4", "--batch-norm", "no", "--plant", "share=1,cause=bias,value=30", "--out", name) # every gate open
    result = run("validate", name)
    report(result.returncode == 0, f"a trace with batches of {batch} is sound", result.stderr)
    result = run("diagnose", name, "--json")
    report(result.returncode == 0 and "findings" in result.stdout, "and is diagnosed", result.stderr)
result = run("train", *SHUT, "--out", "none", "--stop-on", "nonsense")
report(result.returncode == 2 and "neither a finding nor a level" in result.stderr and not os.path.exists(path("none")), "--stop-on refuses what it does not know", result.stderr)
done()
