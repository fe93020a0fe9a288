"""Values that are not finite are named, in weights and in running statistics; a diverged run says so by its exit status."""
import json
import math
import os
import re
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import made_up
import tap
from tap import must, records, report, run

SMALL = ["--model", "plain9", "--width", "0.25", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "64", "--test-limit", "32", "--data", "synthetic"]
must("train", *SMALL, "--steps", "4", "--window", "2", "--threads", "1", "--quiet", "--out", "a")
whole = tap.tensors("a/checkpoint.safetensors")
with open(tap.path("a", "checkpoint.safetensors"), "rb") as stream:
    (size,) = struct.unpack("<Q", stream.read(8))
    shapes = {name: entry["shape"] for name, entry in json.loads(stream.read(size)).items() if name in whole}


def write(file, name, value, index=0):
    """Weights alone, with one value of one tensor replaced."""
    header, data = {}, b""
    for tensor, content in whole.items():
        if tensor == name:
            content = content[:4 * index] + struct.pack("<f", value) + content[4 * index + 4:]
        header[tensor] = {"dtype": "F32", "shape": shapes[tensor], "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    with open(tap.path(file), "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)


def diagnose(file, *options):
    return run("diagnose", file, *SMALL, "--threads", "1", *options)


# ---- the same network without a fault ----
write("whole.safetensors", None, 0)
sound = diagnose("whole.safetensors")
report(sound.returncode == 0 and "nonfinite" not in sound.stdout.split(" on 32 probe images")[0], "a sound network is not accused", sound.stdout + sound.stderr)

# ---- one value of one tensor ----
for name, value, word in (("stage2.0.conv.weight", math.nan, "parameter"), ("stage2.0.norm.weight", math.inf, "parameter"),
                          ("stage2.0.norm.bias", -math.inf, "parameter"), ("fc.bias", math.nan, "parameter"),
                          ("stage2.0.norm.running_mean", math.nan, "state"), ("stage2.0.norm.running_var", math.inf, "state")):
    write("w.safetensors", name, value)
    said = diagnose("w.safetensors")
    line = [text for text in said.stdout.splitlines() if text.startswith(name + " ")]
    report(said.returncode == 1 and name in said.stderr and len(said.stderr.splitlines()) == 1, f"{value} in {name}: exit 1, and one line names it",
           f"exit {said.returncode}: {said.stderr}")
    report(len(line) == 1 and word in line[0], f"{value} in {name}: listed as a {word}", said.stdout)
    for command in ("diagnose", "eval"):
        if os.path.exists("/dev/full"):
            lost = subprocess.run(["sh", "-c", '"$@" > /dev/full', "sh", tap.PROGRAM, command, "w.safetensors", *SMALL], cwd=tap.WORK, stderr=subprocess.PIPE, text=True)
            report(lost.returncode == 2 and "standard output" in lost.stderr, f"{value} in {name}: {command} > /dev/full is an error", f"{lost.returncode}: {lost.stderr}")
    own = [text.split() for text in said.stdout.splitlines() if text.startswith("stage2.0.conv:0 ")]
    if name.startswith("stage2.0."):
        report(len(own) == 1 and own[0][1:3] == ["nonfinite", "nonfinite_parameter"], f"{value} in {name}: its node's condition", said.stdout[:2000])
    found = json.loads(diagnose("w.safetensors", "--json").stdout)
    report([entry["name"] for entry in found["not_finite"]] == [name] and found["not_finite"][0]["state"] == (word == "state"),
           f"{value} in {name}: in JSON as well", found.get("not_finite"))
    tsv = diagnose("w.safetensors", "--tsv")
    report(tsv.returncode == 1 and all(row.count("\t") == 5 for row in tsv.stdout.splitlines()), f"{value} in {name}: exit 1 with --tsv, rows as always",
           tsv.stdout)
write("w.safetensors", "stage2.0.conv.weight", math.nan)
behind = [text.split()[1:3] for text in diagnose("w.safetensors").stdout.splitlines() if text.startswith("stage3.0.conv:")]
report(len(behind) > 0 and all(pair == ["nonfinite", "nonfinite_output"] for pair in behind), "nodes behind it are called by their outputs", behind)

# ---- a running variance below 0 ----
write("w.safetensors", "stage2.0.norm.running_var", -5)
said = diagnose("w.safetensors")
report(said.returncode == 1 and "state stage2.0.norm.running_var" in said.stderr and "-5 at 0" in said.stderr, "a variance below 0: exit 1, named as a state",
       f"exit {said.returncode}: {said.stderr}")
own = [text.split()[1:3] for text in said.stdout.splitlines() if text.startswith("stage2.0.conv:0 ")]
report(own == [["nonfinite", "nonfinite_parameter"]] and "variances below 0, the first is -5 at 0" in said.stdout, "a variance below 0: its node's condition",
       said.stdout[:2000])
behind = [text.split()[1:3] for text in said.stdout.splitlines() if text.startswith("stage3.0.conv:")]
report(len(behind) > 0 and all(pair == ["nonfinite", "nonfinite_output"] for pair in behind), "nodes behind it are called by their outputs in evaluation mode",
       behind)
report([entry["name"] for entry in json.loads(diagnose("w.safetensors", "--json").stdout)["not_finite"]] == ["stage2.0.norm.running_var"],
       "a variance below 0: in JSON as well")
shown = run("eval", "w.safetensors", *SMALL, "--threads", "1")
report(shown.returncode == 1 and "loss      NaN" in shown.stdout and "stage2.0.norm.running_var" in shown.stderr and len(shown.stderr.splitlines()) == 1,
       "eval: exit 1, and one line names it", f"exit {shown.returncode}: {shown.stdout}{shown.stderr}")
# a statistic that overflows in evaluation mode alone: all numbers are finite, the outputs are not
write("w.safetensors", "stage2.0.norm.running_mean", -3e38)
said = diagnose("w.safetensors")
report(said.returncode == 1 and any("nonfinite_output" in text and "nonzero_eval=NaN" in text for text in said.stdout.splitlines()),
       "outputs that overflow in evaluation mode are named", f"exit {said.returncode}: {said.stdout[:2000]}{said.stderr}")
shown = run("eval", "w.safetensors", *SMALL, "--threads", "1", "--json")
found = json.loads(shown.stdout)
report(shown.returncode == 1 and found["loss"] in ("NaN", "Infinity") and found["accuracy"] is None, "eval: exit 1, and no accuracy of such outputs",
       f"exit {shown.returncode}: {shown.stdout}{shown.stderr}")
must("train", *SMALL, "--steps", "2", "--window", "1", "--probe-eval-every", "1", "--lr", "0", "--threads", "1", "--quiet", "--init", "w.safetensors", "--out",
     "eval-blown")
last = [r for r in records("eval-blown", "probe") if r["step"] == 0 and r["layer"] == "stage3.0.conv"][0]["values"]["nonzero_eval"]
report("NaN" in last and run("validate", "eval-blown").returncode == 0, "the trace counts none of them, and is valid", last)

# ---- NaN is written one way ----
write("w.safetensors", "stage2.0.conv.weight", -math.nan)
said = diagnose("w.safetensors")
report("nan" not in said.stdout + said.stderr and "weight_l2=NaN" in said.stdout and "NaN at 0" in said.stderr, "NaN has one spelling, whatever its sign",
       said.stdout[:1000] + said.stderr)

# ---- measurements rest on comparisons: none is made of such numbers ----
for command in ("ranks", "spectrum"):
    measured = run(command, "w.safetensors", *SMALL, "--threads", "1", "--quiet")
    report(measured.returncode == 2 and "stage2.0.conv.weight" in measured.stderr, f"{command} refuses, and names the parameter",
           f"exit {measured.returncode}: {measured.stderr}")

# ---- a diverged run ----
DIVERGING = [*tap.TINY, *tap.DIVERGING, "--steps", "40", "--window", "4"]
for quiet in ([], ["--quiet"]):
    options = [o for o in DIVERGING if o != "--quiet"] + quiet
    ended = run("train", *options, "--out", "diverged" + "".join(quiet))
    last = [text for text in ended.stderr.splitlines() if text.startswith("poolscope: ")]
    report(records("diverged" + "".join(quiet))[-1]["status"] == "diverged", "the trace says that the run diverged")
    report(ended.returncode == 1 and len(last) == 1 and "diverged" in last[0], f"exit 1 and one line {' '.join(quiet)}", f"exit {ended.returncode}: {ended.stderr}")
report(len(ended.stderr.splitlines()) == 1, "under --quiet nothing else", ended.stderr)
again = run("train", "--resume", "diverged", "--quiet")
report(again.returncode == 1 and "diverged" in again.stderr, "going on with it says so again", f"exit {again.returncode}: {again.stderr}")
compared = run("compare", "--arm", "baseline=diverged", "--out", "cmp")
with open(tap.path("cmp", "tables", "nodes.tsv")) as stream:
    rows = [line.rstrip("\n").split("\t") for line in stream]
condition, cause = rows[0].index("condition"), rows[0].index("cause")
report(all(row[condition] not in ("none", "dead", "constant") and row[cause] != "none" for row in rows[1:]),
       "no node of a network that blew up is called healthy at its last probe", {tuple((row[condition], row[cause])) for row in rows[1:]})
report(any(row[condition] == "nonfinite" for row in rows[1:]), "and those whose numbers are not finite are called that")
report(all("moving" != row[rows[0].index("mobility")] for row in rows[1:] if row[rows[0].index("path_gradient")] == "NaN"),
       "a path that is no number does not move")

for rule in ("dead_share.final <= 1", "max(dead_nodes) >= 0", "deaths >= 0"):
    checked = run("check", "diverged", "--expect", rule)
    report(checked.returncode == 1 and "NaN" in checked.stdout + checked.stderr, f"{rule} does not hold by the probings before it blew up",
           checked.stdout + checked.stderr)

watched = run("watch", "diverged", "--once")
line = [text for text in watched.stdout.splitlines() if text.startswith("dead ")]
report(len(line) == 1 and line[0].split()[1] == "-" and "revived" not in watched.stdout, "watch shows no dead share of outputs that are not finite, and no revival",
       watched.stdout)
report("dead" not in run("train", *[o for o in DIVERGING if o != "--quiet"], "--out", "told").stderr.splitlines()[-2].split("diverged")[-1],
       "the last line of progress gives none either")
shown = run("eval", "w.safetensors", *SMALL, "--threads", "1")
report(shown.returncode == 1 and "dead      not measured: outputs on the probe set are not finite" in shown.stdout and "stage2.0.conv.weight" in shown.stderr,
       "nor does eval, which exits with 1", f"exit {shown.returncode}: {shown.stdout}{shown.stderr}")

# a trace that records nothing but whether outputs are 0, which a NaN is not: the event alone says what happened
run("train", *DIVERGING, "--record", "nonzero", "--out", "little")
must("compare", "--arm", "baseline=little", "--out", "little-cmp")
with open(tap.path("little-cmp", "tables", "nodes.tsv")) as stream:
    rows = [line.rstrip("\n").split("\t") for line in stream]
report(all(row[rows[0].index("state")] == "NA" and row[rows[0].index("condition")] != "none" for row in rows[1:]),
       "a NaN is no output that differs from 0", {(row[rows[0].index("state")], row[rows[0].index("condition")]) for row in rows[1:]})

# ---- numbers of the last window that are not finite ----
def edit(source, out, change):
    lines = [json.loads(line) for line in open(tap.path(source, "trace.jsonl"))]
    os.makedirs(tap.path(out), exist_ok=True)
    change(lines)
    with open(tap.path(out, "trace.jsonl"), "w") as stream:
        for line in lines:
            stream.write(json.dumps(line) + "\n")


for quantity in ("path_gradient", "weight_start_l2"):
    def spoil(lines):
        last = [r for r in lines if r["type"] == "window" and r["layer"] == "stage2.0.conv"][-1]
        last["values"][quantity][0] = "NaN"
    edit("a", "spoilt", spoil)
    told = run("explain", "spoilt", "stage2.0.conv:0").stdout
    report("nonfinite_update" in told and quantity + "=NaN" in told, f"{quantity} of the last window is NaN: the node is not called sound", told[-1500:])

# ---- an experiment with a diverged run ----
with open(tap.path("experiment.json"), "w") as stream:
    json.dump({"base": {"model": "plain9", "width": 0.25, "size": 8, "batch": 16, "probe": 32, "train_limit": 64, "test_limit": 32, "steps": 24,
                        "window": 4, "lr": 1e6, "weight_decay": 1000, "batch_norm": False},
               "seeds": [1, 2], "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}]}, stream)
done = run("experiment", "experiment.json", "--out", "e", "--no-report", "--quiet", "--threads", "1")
report(done.returncode == 0 and os.path.exists(tap.path("e", "verdict.json")), "it goes on to the comparison", f"exit {done.returncode}: {done.stderr}")
report("4 of 4 runs diverged" in done.stderr and "ps2/seed-2" in done.stderr and len(done.stderr.splitlines()) == 1,
       "and says which runs they were, also under --quiet", done.stderr)
again = run("experiment", "experiment.json", "--out", "e", "--no-report", "--quiet", "--threads", "1")
report(again.returncode == 0 and "4 of 4 runs diverged" in again.stderr, "and again where they are found finished", again.stderr)

# ---- no run starts from values that are not finite ----
write("w.safetensors", "stage2.0.conv.weight", math.nan)
for option in ("--init", "--fork"):
    said = run("train", *SMALL, "--steps", "2", "--window", "1", "--quiet", option, "w.safetensors", "--out", "from-nan")
    report(said.returncode == 2 and "stage2.0.conv.weight" in said.stderr and "not finite" in said.stderr and not os.path.exists(tap.path("from-nan", "trace.jsonl")),
           f"{option}: values that are not finite are refused, with the tensor's name", f"exit {said.returncode}: {said.stderr}")

# ---- a run that comes to its end with values that are not finite says so ----
write("w.safetensors", "stage3.2.norm.weight", 1e25)  # finite, but the squares of what it scales are not
STEADY = [*SMALL, "--steps", "2", "--window", "1", "--lr", "0", "--threads", "1", "--quiet"]
said = run("train", *STEADY, "--init", "w.safetensors", "--out", "infinite")
end, events = records("infinite")[-1], [r for r in records("infinite") if r["type"] == "event" and r["event"] == "nonfinite"]
report(said.returncode == 0 and end["status"] == "finished" and len(events) > 0, "activations whose squares overflow end no run", said.stderr)
report(end.get("nonfinite") == len(events), "the end record counts the events", end)
report(len(said.stderr.splitlines()) == 1 and "not finite" in said.stderr and "infinite" in said.stderr, "one line says so, although nothing else is said",
       said.stderr)
report(run("validate", "infinite").returncode == 0, "and the trace is valid")
again = run("train", "--resume", "infinite", "--quiet")
report(again.returncode == 0 and "not finite" in again.stderr, "so does a second attempt to go on", again.stderr)
must("train", *STEADY, "--init", "whole.safetensors", "--out", "finite")
report("nonfinite" not in records("finite")[-1], "a sound run's end says nothing of it")

# ---- every command has one spelling for what is not finite, whatever its sign ----
made_up.write(tap.path("sound"), "baseline", 1, {"pool_skip": 0})
SPOILT = {"window": {"path_gradient": "NaN", "weight_start_l2": "NaN", "grad_norm_rms": "Infinity", "path_decay": "-Infinity"},
          "probe": {"mean_abs": "NaN", "weight_l2": "NaN", "pre_max": "-Infinity", "rms": "Infinity"}}


def spoilt(record, late):
    """From half of the run on: values, losses and norms that are not finite."""
    if record["type"] == "step" and record["step"] >= late:
        record.update(loss="NaN", grad_norm="Infinity")
    if record["type"] in SPOILT and record.get("first", record.get("step")) >= late:
        for name, value in SPOILT[record["type"]].items():
            if value != "-Infinity" or name == "pre_max":
                record["values"].update({name: [value] + record["values"][name][1:]} if name in record["values"] else {})
    if record["type"] in ("eval", "end"):
        record.update(loss="NaN", accuracy="NaN")
    return json.dumps(record)


for name, late in (("half", made_up.WINDOWS * made_up.STEPS // 2), ("whole", 0)):
    os.makedirs(tap.path(name), exist_ok=True)
    with open(tap.path(name, "trace.jsonl"), "w") as stream:
        stream.write("\n".join(spoilt(record, late) for record in records("sound")) + "\n")
    report(run("validate", name).returncode == 0, f"{name}: follows the format", run("validate", name).stdout)
    run("compare", "--arm", f"baseline={name}", "--arm", "ps2=sound", "--out", f"cmp-{name}")
    COMMANDS = [("compare", "--arm", f"baseline={name}", "--arm", "ps2=sound", "--out", f"cmp-{name}"),
                ("compare", "--arm", f"baseline={name}", "--out", f"one-{name}"), ("watch", name, "--once"),
                ("explain", f"cmp-{name}", "conv0:0"), ("explain", f"cmp-{name}", "P6"), ("explain", f"cmp-{name}", "W3"),
                ("check", name, "--golden", "sound/trace.jsonl"), ("check", "sound", "--golden", f"{name}/trace.jsonl")]
    COMMANDS += [("check", name, "--unfinished", "--expect", rule) for rule in
                 ("loss.final < 1", "loss.final - loss.first < 0", "0 * max(grad_norm) == 0", "max(grad_norm) - max(grad_norm) == 0",
                  "mean(path_gradient) < 1", "accuracy.final > 0", "max(weight_l2) < 9")]
    for command in COMMANDS:
        said = run(*command)
        odd = [line for line in (said.stdout + said.stderr).splitlines() if re.search(r"(?<![\w.-])[-+]?(nan|inf)(?!\w)", line)]
        report(said.returncode in (0, 1, 2) and not odd, f"{name}: {' '.join(command)[:70]} spells what is not finite as a trace does", odd[:5])

tap.done()
