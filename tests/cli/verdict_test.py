#!/usr/bin/env python3
"""compare and explain on real runs: verdict.json keeps its schema, tables and verdict agree, wrong input gets one sentence and exit 2."""
import csv, json, os, shutil, subprocess, sys, tempfile

program = os.environ["PS_PROGRAM"]
schema = json.load(open("analysis/verdict.schema.json"))
folder = tempfile.mkdtemp(prefix="ps_verdict_")
TRAIN = ["--model", "plain9", "--width", "0.25", "--batch-norm", "no", "--size", "8", "--probe", "64", "--batch", "32", "--steps", "30", "--window", "10",
         "--plant", "share=0.25,seed=1,cause=bias", "--train-limit", "640", "--test-limit", "64", "--init-scheme", "he", "--lr", "0.02", "--clip", "5", "--quiet"]
number = 0


def run(*arguments):
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)


def check(holds, name, *why):
    global number
    number += 1
    print(f"{'ok' if holds else 'not ok'} {number} - {name}")
    for line in [] if holds else why:
        print("# " + str(line).replace("\n", "\n# "))


def resolve(node):
    while "$ref" in node:
        target = schema
        for step in node["$ref"].lstrip("#/").split("/"):
            target = target[step]
        node = target
    return node


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def has_type(value, name):
    if name == "integer":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def violations(value, node, where="$"):
    """The part of JSON Schema that verdict.schema.json uses."""
    node = resolve(node)
    found = []
    if "anyOf" in node and all(violations(value, option, where) for option in node["anyOf"]):
        found.append(f"{where}: fits none of the choices")
    if "const" in node and value != node["const"]:
        found.append(f"{where}: is not {node['const']}")
    if "enum" in node and value not in node["enum"]:
        found.append(f"{where}: {value} is not one of {node['enum']}")
    names = node.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(has_type(value, name) for name in names):
        return found + [f"{where}: {value!r} is no {names}"]
    if isinstance(value, dict):
        found += [f"{where}: lacks {key}" for key in node.get("required", []) if key not in value]
        if node.get("additionalProperties") is False:
            found += [f"{where}: has {key}, which the schema does not know" for key in value if key not in node.get("properties", {})]
        for key, part in node.get("properties", {}).items():
            if key in value:
                found += violations(value[key], part, f"{where}.{key}")
    if isinstance(value, list) and "items" in node:
        for i, item in enumerate(value):
            found += violations(item, node["items"], f"{where}[{i}]")
    return found


def table(name):
    with open(os.path.join(folder, "compared", "tables", name + ".tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def main():
    print("1..20")
    for seed in "1", "2":
        for arm, size in (("base", "0"), ("ps2", "2")):
            done = run("train", *TRAIN, "--seed", seed, "--pool-skip", size, "--out", arm + seed)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
    arms = ["--arm", "baseline=base1,base2", "--arm", "ps2=ps21,ps22"]
    done = run("compare", *arms, "--out", "compared")
    check(done.returncode == 0, "compare ends with 0", done.stdout, done.stderr)
    check("No question was registered" in done.stdout and '"primary"' in done.stdout, "the summary says that all is exploratory, and how to register",
          done.stdout)
    check("2 paired seeds" in done.stdout and "p = 0.5 at best" in done.stdout, "and what two seeds can show", done.stdout)
    verdict = json.load(open(os.path.join(folder, "compared", "verdict.json")))
    check(verdict["summary"][0].startswith("No question was registered before these runs"), "so does the first sentence", verdict["summary"])
    judged = [p["id"] for p in verdict["predictions"] if p["verdict"] not in ("not_judged", "not_testable") or any(part["words"] for part in p["parts"])]
    check(not judged and len(done.stdout.splitlines()) <= 40, "nothing has a verdict's words, and the summary fits 40 lines", judged, done.stdout)
    found = violations(verdict, schema)
    check(not found, "verdict.json keeps its schema", *found)
    strange = json.loads(json.dumps(verdict))
    strange["predictions"][0]["parts"][0]["unheard"] = 1
    check(violations(strange, schema) == ["$.predictions[0].parts[0]: has unheard, which the schema does not know"], "a key the schema does not know is found",
          violations(strange, schema))
    checks = [c for c in verdict["checks"] if c["holds"] is not None]
    check(len(checks) >= 8 and all(c["holds"] for c in checks), "the instrument checks hold on real runs", checks)
    silent = sum(c["holds"] is None for c in verdict["checks"])
    check(silent > 0 and f"Instrument checks: {len(checks)} of {len(verdict['checks'])} hold, {silent} not recorded" in done.stdout,
          "the summary says how many checks judged nothing", done.stdout)
    accuracy = [c for c in verdict["comparison"] if c["measure"] == "test_accuracy"][0]
    rows = [r for r in table("pairs") if r["measure"] == "test_accuracy"]
    differences = {int(r["seed"]): float(r["value_arm"]) - float(r["value_reference"]) for r in rows}
    same = all(abs(differences[d["seed"]] - d["value"]) < 1e-7 for d in accuracy["differences"]) and len(differences) == 2
    check(same, "tables and verdict give the same differences", rows, accuracy)
    done = run("explain", "compared", "W1")
    check(done.returncode == 0 and "trace.jsonl:" in done.stdout, "explain leads to trace rows", done.stdout, done.stderr)
    told = [run("explain", "compared", p["id"]) for p in verdict["predictions"]]
    sums = [v for p in verdict["predictions"] for part in p["parts"] for v in part["values"] if not v["no_event"]]
    again = sum(d.stdout.count("recomputed: ") for d in told)
    check(all(d.returncode == 0 and ": 0 rows" not in d.stdout for d in told) and again == len(sums) and again >= 8,
          "every number is added up again from its terms (P5, P6 and W1 have some in any case)", again, len(sums), *[d.stderr for d in told])
    elsewhere = subprocess.run([program, "explain", os.path.join(folder, "compared"), "W1"], cwd="/", capture_output=True, text=True)
    check(elsewhere.returncode == 0 and "base1/trace.jsonl:" in elsewhere.stdout, "explain works from another directory", elsewhere.stdout, elsewhere.stderr)
    nodes = table("nodes")
    check(len(nodes) > 0 and all(n["cause"] != "unknown" and n["cause_start"] != "unknown" for n in nodes),
          "where everything is recorded no cause is unknown", [n for n in nodes if n["cause"] == "unknown"][:3])
    lines, missing = {}, []
    pairs = [d for c in verdict["comparison"] for d in c["differences"]]
    for d in pairs:
        for trace, line in ((d["trace"], d["first_line"]), (d["reference_trace"], d["reference_line"])):
            if trace not in lines:
                with open(os.path.join(folder, trace)) as stream:
                    lines[trace] = [json.loads(text)["type"] for text in stream]
            if not 1 < line <= len(lines[trace]) or lines[trace][line - 1] not in ("probe", "window", "step", "eval"):
                missing.append((trace, line))
    check(pairs and not missing, "every difference names records of both traces", missing)
    before = open(os.path.join(folder, "compared", "verdict.json")).read()
    run("compare", *arms, "--out", "compared", "--quiet")
    check(before == open(os.path.join(folder, "compared", "verdict.json")).read(), "comparing again gives the same verdict")
    shutil.copytree(os.path.join(folder, "ps22"), os.path.join(folder, "bad"))
    with open(os.path.join(folder, "bad", "trace.jsonl")) as stream:
        records = [json.loads(text) for text in stream]
    with open(os.path.join(folder, "bad", "trace.jsonl"), "w") as stream:
        for record in records:
            if record["type"] == "end":
                stream.write(json.dumps({"type": "event", "step": record["steps"], "event": "diverged"}) + "\n")
                record["status"] = "diverged"
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    done = run("compare", "--arm", "baseline=base1,base2", "--arm", "ps2=ps21,bad", "--out", "x")
    shutil.rmtree(os.path.join(folder, "x"), ignore_errors=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ps2")]
    check(done.returncode == 0 and len(lines) == 1 and lines[0].split()[-1] in "12" and "!" in lines[0] and "ps2 seed 2 diverged" in done.stdout,
          "a diverged run stays in the summary, as the worst", done.stdout, done.stderr)
    done = run("compare", "--arm", "baseline=base1", "--arm", "ps2=nowhere", "--out", "x")
    check(done.returncode == 2 and "nowhere" in done.stderr and not os.path.exists(os.path.join(folder, "x")),
          "a missing run gets a sentence and exit 2, and leaves nothing", done.returncode, done.stderr)
    done = run("train", *TRAIN, "--seed", "1", "--lr", "0.03", "--pool-skip", "2", "--out", "other")
    done = run("compare", "--arm", "baseline=base1", "--arm", "ps2=other", "--out", "x")
    check(done.returncode == 0 and "differ in more than the arm: ps2 in optimiser" in done.stdout, "runs that are no pair are compared, and the key is named", done.stdout, done.stderr)
    with open(os.path.join(folder, "x", "verdict.json")) as stream:
        document = json.load(stream)
    faults = violations(document, schema)
    check(not faults and document["arms"][1]["differs"][0]["key"] == "optimiser", "and the verdict follows its schema", faults)


try:
    main()
except RuntimeError as error:
    print("# " + str(error))
    sys.exit(1)
finally:
    shutil.rmtree(folder, ignore_errors=True)
