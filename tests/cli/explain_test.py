"""`poolscope explain DIR LAYER:CHANNEL`: a made-up trace whose story is known, runs of an experiment, hostile names; `--causes`; `watch` on an experiment."""
import json
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, path, report, run

# ---- a story that is known: alpha:1 dies at step 2 by its bias, is dead on, and lives again at step 8 ----
QUANTITIES = {"nonzero": "probe", "images_active": "probe", "pre_max": "probe", "bias": "probe", "weight_l2": "probe", "out_l2": "probe", "in_alive": "probe",
              "path_gradient": "window", "path_decay": "window", "weight_start_l2": "window", "grad_zero_steps": "window"}
HEADER = {"type": "header", "format": "poolscope-trace", "version": 1, "producer": "t", "arm": "ps2", "seed": 3, "config": {}, "pairing": {}, "data": {}, "machine": {},
          "model": {"name": "tiny"}, "window": 2, "steps": 8, "quantities": [{"name": name, "unit": "1", "per": "layer" if name == "in_alive" else "node", "record": record, "description": ""} for name, record in QUANTITIES.items()],
          "layers": [{"name": name, "kind": "conv", "gate": name + ".relu", "activation": "relu", "shared": False, "bias": True, "norm": None, "pool_skip": None, "stage": "", "channels": 2,
                      "position": i, "depth": i, "fan_in": 9, "elements": 4, "inputs": []} for i, name in enumerate(("alpha", "be:ta"))]}
LIVES = [True, False, False, False, True]
lines = [HEADER]
for k, lives in enumerate(LIVES):
    if k > 0:
        lines += [{"type": "step", "step": step, "loss": 1} for step in (2 * k - 2, 2 * k - 1)]
        for name in ("alpha", "be:ta"):
            lines.append({"type": "window", "window": k - 1, "first": 2 * k - 2, "last": 2 * k - 1, "layer": name,
                          "values": {"path_gradient": [0.5, 0.25 * k], "path_decay": [0, 0], "weight_start_l2": [1, 1], "grad_zero_steps": [0, 0]}})
    for name in ("alpha", "be:ta"):
        dead = name == "alpha" and not lives
        lines.append({"type": "probe", "step": 2 * k, "layer": name, "images": 4, "elements": 16,
                      "values": {"nonzero": [5, 0 if dead else 6], "images_active": [4, 0 if dead else 3], "pre_max": [1, -2.5 if dead else 1.5], "bias": [0, -3 if dead else 0],
                                 "weight_l2": [1, 1], "out_l2": [1, 1], "in_alive": 3}})
lines.append({"type": "end", "steps": 8, "status": "finished"})


def write(name, records):
    os.makedirs(path(name), exist_ok=True)
    with open(path(name, "trace.jsonl"), "w") as stream:
        stream.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


write("known", lines)
result = run("explain", "known", "alpha:1")
report(result.returncode == 0, "a run's directory and a node", result.stderr)
rows = [line.split() for line in result.stdout.splitlines() if re.match(r" +\d+ (alive|dead)", line)]
place = {step: 1 + next(i for i, r in enumerate(lines) if r["type"] == "probe" and r["step"] == step and r["layer"] == "alpha") for step in (0, 2, 4, 6, 8)}
want = [["0", "alive", "none", "none", "3", "1.5", "-", "-", str(place[0])], ["2", "dead", "dead", "negative_bias", "0", "-2.5", "0.25", "0", str(place[2])],
        ["6", "dead", "dead", "negative_bias", "0", "-2.5", "0.75", "0", str(place[6])], ["8", "alive", "none", "none", "3", "1.5", "1", "0", str(place[8])]]
report(rows == want, "the story: states, causes, movement and lines of the trace, without the probes that are alike", "\n".join(map(str, rows)))
tables = [[line.split() for line in block.splitlines()[1:]] for block in result.stdout.split("\n\n") if " quantity " in block]
report(f"At that probe, before step 8 (known/trace.jsonl:{place[8]})" in result.stdout and "In the window before it, steps 6 to 7 (known/trace.jsonl:" in result.stdout and
       tables == [[["quantity", "value", "unit"], ["nonzero", "6"], ["images_active", "3"], ["pre_max", "1.5"], ["bias", "0"], ["weight_l2", "1"], ["out_l2", "1"],
                   ["in_alive", "3", "(of", "the", "whole", "layer)"]],
                  [["quantity", "value", "unit"], ["path_gradient", "1"], ["path_decay", "0"], ["weight_start_l2", "1"], ["grad_zero_steps", "0"]]],
       "the channel's own values are shown, quantity by quantity", f"{tables}\n{result.stdout}")
report(max(map(len, result.stdout.splitlines())) <= 120 and "{" not in result.stdout, "in lines that are not cut", result.stdout)
odd = json.loads(json.dumps(lines).replace('"bias": [0, 0]', '"bias": [0, null]').replace('"pre_max": [1, 1.5]', '"pre_max": [1, "Infinity"]').replace('"unit": "1"', '"unit": "steps"', 1))
write("odd", odd)
text = must("explain", "odd", "alpha:1").stdout
report(re.search(r"^    bias +-$", text, re.M) and re.search(r"^    pre_max +Infinity$", text, re.M) and re.search(r"^    nonzero +6  steps$", text, re.M),
       "with what is missing, what is not finite, and units", text)
report(run("explain", "known/trace.jsonl", "alpha:1").stdout.splitlines()[2:] == result.stdout.splitlines()[2:], "a trace alone is enough")
write("cut", lines[:-7]) # ends at step 6
text = must("explain", "cut", "alpha:1").stdout
report(all(word in " ".join(text.split()) for word in ("cause negative_bias", "evidence pre_max=-2.5 bias=-3", "the largest value that enters the gate (pre_max - bias) would be above 0", "may help")),
       "of a node that is dead: cause, rule, evidence, remedy", text)
report(run("explain", "known", "be:ta:0").returncode == 0, "a layer's name may have a colon")
for name, words in (("alpha:2", ("channels 0 to 1",)), ("alhpa:1", ('did you mean "alpha"',)), ("completely other:1", ("has no layer",)), ("alpha:x", ("number of a channel",)), ("alpha:", ("number of a channel",))):
    result = run("explain", "known", name)
    report(result.returncode == 2 and all(word in result.stderr for word in words) and not result.stdout, f"explain {name}", result.stderr)
result = run("explain", "known", "alpha:1", "--arm", "ps2")
report(result.returncode == 2 and "--arm" in result.stderr, "one run has no arms to choose from", result.stderr)
for arguments in (["known"], ["known", "P1"], ["known/trace.jsonl", "P1"]):
    result = run("explain", *arguments)
    report(result.returncode == 2 and "LAYER:CHANNEL" in result.stderr, f"a run has no verdict: {' '.join(arguments)}", result.stderr)
hostile = json.loads(json.dumps(lines).replace("alpha", "a\\u001b[2Jx"))
write("hostile", hostile)
result = run("explain", "hostile", "a\x1b[2Jx:1")
report(result.returncode == 0 and "\x1b" not in result.stdout, "control characters of names stay away from the terminal", repr(result.stdout[:200]))
write("empty-of-probes", [{**HEADER, "quantities": []}, {**lines[-1], "steps": 0}])
result = run("explain", "empty-of-probes", "alpha:1")
report(result.returncode == 2 and "no probe record" in result.stderr, "without probes nothing is known", result.stderr)

# ---- what causes mean ----
text = " ".join(must("explain", "--causes").stdout.split())
with open(os.path.join(tap.ROOT, "analysis", "CAUSES.md")) as stream:
    rows = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in stream if line.startswith("| `")]
report(len(rows) > 18 and all(" ".join(row[-2 if len(row) == 5 else -1].split()) in text for row in rows if row[0] != "`none`"), "--causes says what the page says")
result = run("explain", "--causes", "known")
report(result.returncode == 2, "--causes is about no run", result.stderr)

# ---- in a comparison ----
with open(path("e.json"), "w") as stream:
    json.dump({"base": {"model": "plain9", "width": 0.25, "size": 8, "steps": 4, "window": 2, "batch": 8, "probe": 16, "train_limit": 32, "test_limit": 16},
               "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}], "seeds": [1, 2]}, stream)
must("experiment", "e.json", "--out", "e", "--quiet", "--no-report", "--threads", "1")
result = run("explain", "e", "stage2.0.conv:1")
report(result.returncode == 0 and len(re.findall(r"^  (?:baseline|ps2) +[12] ", result.stdout, re.M)) == 4 and "--arm NAME" in result.stdout, "a comparison shows a row a run", result.stdout + result.stderr)
result = run("explain", "e", "stage2.0.conv:1", "--arm", "ps2", "--seed", "2")
alone = run("explain", "e/runs/ps2/seed-2", "stage2.0.conv:1").stdout
told = alone.split("\n  At that probe")[0]
report(result.returncode == 0 and "\n".join(told.splitlines()[2:]) in result.stdout and re.findall(r"^    \S.*", alone, re.M) == re.findall(r"^    \S.*", result.stdout, re.M), "arm and seed tell the story of that run", result.stdout + result.stderr)
elsewhere = run("explain", path("e"), "stage2.0.conv:1", "--arm", "ps2", "--seed", "2", cwd="/")
report(elsewhere.returncode == 0, "and so they do from another folder", elsewhere.stderr)
for arguments in (["stage2.0.conv:1", "--arm", "ps3"], ["stage2.0.conv:99"], ["stage2.0.conv:1", "--seed", "7"]):
    result = run("explain", "e", *arguments)
    report(result.returncode == 2 and "nodes.tsv" in result.stderr, f"explain {' '.join(arguments)}", result.stderr)
result = run("explain", "e", "P1", "--arm", "ps2")
report(result.returncode == 2 and "LAYER:CHANNEL" in result.stderr, "--arm is for nodes", result.stderr)

# ---- watching an experiment ----
result = run("watch", "e")
rows = [line.split() for line in result.stdout.splitlines()[2:]]
report(result.returncode == 0 and [row[:3] for row in rows] == [[arm, seed, "finished"] for arm in ("baseline", "ps2") for seed in "12"], "watch shows an experiment run by run", result.stdout + result.stderr)
report(all(row[3] == "4/4" for row in rows) and "4 of the 4 runs" in result.stdout, "with steps", result.stdout)
with open(path("e/runs/ps2/seed-2/trace.jsonl")) as stream:
    whole = stream.read().splitlines(keepends=True)
with open(path("e/runs/ps2/seed-2/trace.jsonl"), "w") as stream:
    stream.writelines(line for line in whole if '"type":"end"' not in line)
os.remove(path("e/runs/ps2/seed-1/trace.jsonl"))
os.makedirs(path("e/runs/ps2/seed-10"))
os.makedirs(path("e/runs/parent/seed-1"))
os.makedirs(path("e/runs/other/no-seed"))
text = must("watch", "e").stdout
states = [re.match(r"(\S+) +(\d+)  (.{12})", line).groups() for line in text.splitlines()[2:]]
report([(a, s, t.strip()) for a, s, t in states] == [("parent", "1", "no trace yet"), ("baseline", "1", "finished"), ("baseline", "2", "finished"), ("ps2", "1", "no trace yet"),
                                                    ("ps2", "2", "no end yet"), ("ps2", "10", "no trace yet")], "runs under way and to come, parents first", text)
report(max(map(len, must("watch", "e", "--width", "37").stdout.splitlines())) <= 37, "no line is wider than asked")
shutil.rmtree(path("e/runs"))
result = run("watch", "e")
report(result.returncode == 2 and "trace.jsonl" in result.stderr, "a folder that is neither a run nor an experiment", result.stderr)
tap.done()
