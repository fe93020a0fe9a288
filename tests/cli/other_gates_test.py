#!/usr/bin/env python3
"""Gates that are no plain rectifiers, from weights to tables: nodes planted in networks with ReLU6, GELU and depthwise filters stand in nodes.tsv
with what they are and why, saturation.tsv counts them, and no table has a share of dead nodes where none can be exactly dead."""
import csv, json, os, shutil, subprocess, sys, tempfile

program = os.environ["PS_PROGRAM"]
folder = tempfile.mkdtemp(prefix="ps_gates_")
tests = failures = 0

NODES = [{"name": "a", "type": "conv", "channels": 6, "padding": 1}, {"name": "ag", "type": "relu6"},
         {"name": "b", "type": "conv", "channels": 6, "padding": 1, "groups": 6}, {"name": "bg", "type": "relu"},
         {"name": "c", "type": "conv", "channels": 6, "padding": 1}, {"name": "cg", "type": "gelu"},
         {"name": "d", "type": "conv", "channels": 6, "padding": 1}, {"name": "dn", "type": "layer_norm"}, {"name": "dg", "type": "gelu"},
         {"name": "p", "type": "global_avg_pool"}, {"name": "fc", "type": "linear", "features": 10}]
COMMON = ["--graph", "net.json", "--size", "8", "--probe", "64", "--batch", "32", "--train-limit", "64", "--test-limit", "32", "--init-scheme", "he", "--seed", "5", "--quiet"]


def report(good, name, detail=""):
    global tests, failures
    tests += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}" + ("" if good else f": {str(detail)[:1500]}"), flush=True)


def run(*arguments):
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def table(name):
    with open(os.path.join(folder, "compared", "tables", name + ".tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


with open(os.path.join(folder, "net.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "gates", "input": [3, 8, 8], "nodes": NODES}, stream)
run("train", *COMMON, "--steps", "1", "--window", "1", "--lr", "0", "--out", "start")
listed = run("plant", "start", "--out", "planted.safetensors", "--plant",
             "count=2,cause=ceiling,layers=a,value=-40,seed=1;count=1,cause=bias,layers=a,value=-400,seed=1;"
             "count=2,cause=bias,layers=c,value=-400,seed=2;count=1,cause=gamma,layers=dg,seed=3")
truth = {f"{cells[0]}:{cells[1]}": cells[2] for cells in (line.split("\t") for line in listed.splitlines()) if len(cells) >= 3 and cells[1].isdigit()}
run("train", *COMMON, "--init", "planted.safetensors", "--steps", "1", "--window", "1", "--lr", "0", "--out", "run")
run("compare", "--arm", "planted=run", "--out", "compared", "--quiet")
found = {row["node"]: (row["condition"], row["cause"]) for row in table("nodes")}

expected = {"ceiling": ("stuck", "ceiling_bias"), "gamma": ("constant", "gamma_zero")}
wrong = {node: (cause, found[node]) for node, cause in truth.items() if cause in expected and found[node] != expected[cause]}
report(len(truth) == 6 and not wrong, "stuck channels and a gain of 0 are named", (truth, wrong))
report(all(found[node] == ("dead" if node[0] == "a" else "saturated", "negative_bias") for node, cause in truth.items() if cause == "bias"),
       "a ReLU6 far down is dead, a GELU as far down saturated, both by their bias", {node: found[node] for node in truth})
dead = next(int(node[2:]) for node, cause in truth.items() if cause == "bias" and node[0] == "a")
cut_off = sorted(node for node, (_, cause) in found.items() if cause == "inputs_dead")
report(cut_off == [f"b:{dead}"], "behind a dead channel only its own depthwise filter has no input", (dead, cut_off))

with open(os.path.join(folder, "run", "trace.jsonl")) as stream:
    layers = {layer["name"]: layer for layer in json.loads(stream.readline())["layers"]}
said = {name: (layer.get("dead_means"), layer.get("ceiling"), layer.get("groups", 1)) for name, layer in layers.items()}
report(said == {"a": ("zero or ceiling", 6, 1), "b": ("zero", None, 6), "c": ("saturated", None, 1), "dg": ("saturated", None, 1)}, "the header says what death can be", said)

rows = {row["layer"]: row for row in table("saturation") if row["step"] == "0"}
report(set(rows) == {"a", "c", "dg"} and rows["a"]["stuck"] == "2" and rows["a"]["saturated"] == "NA" and rows["c"]["saturated"] == "2" and rows["c"]["stuck"] == "NA",
       "saturation.tsv counts them", rows)
shares = {row["layer"]: row["dead_share"] for row in table("layer_time") if row["step"] == "0"}
report(shares["c"] == shares["dg"] == "NA" and shares["a"] not in ("NA", "0"), "there is no dead share where no node can be exactly dead", shares)
with open(os.path.join(folder, "compared", "verdict.json")) as stream:
    text = stream.read()
report("no node can be exactly dead" in text and "at the activation's ceiling" in text, "the verdict says so of both kinds")
answer = subprocess.run([program, "diagnose", "run"], cwd=folder, capture_output=True, text=True).stdout
report("12 nodes cannot be exactly dead" in answer and "6 nodes die at 0" in answer and "2 of them are stuck" in answer, "diagnose says what death is behind each", answer)

for option, sentence in ((["--activation", "tanh"], "use one of relu, leaky_relu"), (["--activation", "gelu", "--leaky-slope", "0.1"], "leave one of both out")):
    done = subprocess.run([program, "train", "--model", "plain9", *option, "--out", "none"], cwd=folder, capture_output=True, text=True)
    report(done.returncode == 2 and sentence in done.stderr, f"{' '.join(option)} is refused", done.stderr)

# LeakyReLU makes a control of an arm where it was put instead of the network's own activation, and not where a network has it of its own.
VOLUMES = ["--model", "nnunet3d", "--width", "0.0625", "--data", "synthetic-3d", "--patch-size", "16,16,16", "--train-limit", "6", "--test-limit", "2", "--probe", "2", "--batch", "2", "--steps",
           "1", "--window", "1", "--quiet"]
PICTURES = ["--model", "plain9", "--width", "0.125", "--size", "8", "--train-limit", "64", "--test-limit", "32", "--probe", "32", "--batch", "32", "--steps", "1", "--window", "1", "--quiet"]
for network, options, role in ((VOLUMES, [], "baseline"), (VOLUMES, ["--pool-skip", "2"], "pool_skip"), (VOLUMES, ["--pool-skip", "2", "--pool-skip-mode", "conv+skip"], "conv_skip"),
                               (VOLUMES, ["--leaky-slope", "0.2"], "baseline"), (VOLUMES, ["--activation", "relu"], "baseline"), (PICTURES, ["--leaky-slope", "0.01"], "leaky"),
                               (PICTURES, ["--activation", "leaky_relu", "--pool-skip", "2"], "leaky_pool_skip"), (PICTURES, ["--activation", "elu"], "baseline")):
    run("train", *network, *options, "--out", "roles", "--force")
    with open(os.path.join(folder, "roles", "trace.jsonl")) as stream:
        found = json.loads(stream.readline())["arm_is"]["role"]
    report(found == role, f"{network[1]} {' '.join(options)}: the role is {role}", found)
    told = subprocess.run([program, "eval", "roles"], cwd=folder, capture_output=True, text=True)
    nobody = network is VOLUMES and "relu" not in options or "elu" in options
    report(told.returncode == 0 and ("no node can be exactly dead" in told.stdout) == nobody, f"{network[1]} {' '.join(options)}: eval counts dead nodes where there can be some",
           told.stdout + told.stderr)
    listed = subprocess.run([program, "validate", "roles/trace.jsonl"], cwd=folder, capture_output=True, text=True)
    report(listed.returncode == 0, f"{network[1]} {' '.join(options)}: the trace is valid", listed.stdout + listed.stderr)

# Where nobody can be dead the page gives no share of the dead, and counts no seeds of none.
run("train", *VOLUMES, "--out", "alone")
run("train", *VOLUMES, "--pool-skip", "2", "--out", "beside")
run("compare", "--arm", "baseline=alone", "--arm", "ps2=beside", "--out", "leaky", "--quiet")
run("report", "leaky", "--format", "html,md", "--quiet")
for name in ("report.html", "report.md"):
    with open(os.path.join(folder, "leaky", name)) as stream:
        page = stream.read()
    report("Test mean Dice" in page and "cannot be exactly dead" in page and "averaged over time: baseline" not in page and "of 0 seeds" not in page, f"{name} counts no dead nodes there")
print(f"1..{tests}")
shutil.rmtree(folder)
sys.exit(1 if failures else 0)
