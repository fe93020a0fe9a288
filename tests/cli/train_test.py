"""`poolscope train` from outside: the same trace for any number of threads, weights that recording does not change, options, estimates."""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import TINY, must, report, run, tensors, trace

BOTTLENECK = ["--model", "resnet50", "--stages", "1,1,1,1", "--width", "0.1", "--size", "16", "--pool-skip", "2", "--dropout", "0.2",
              "--crop-pad", "2", "--flip", "--weight-decay", "0.001", "--batch", "16", "--probe", "32", "--train-limit", "256",
              "--test-limit", "48", "--steps", "6", "--window", "3", "--eval-every", "1", "--quiet"]
PLAIN = ["--model", "plain9", *TINY, "--steps", "8", "--window", "4", "--optimiser", "adamw", "--lr", "0.01", "--clip", "1"]

# ---- threads ----
for name, options in (("bottleneck with Pool Skip, normalisation, drop-out and augmentation", BOTTLENECK), ("plain network, AdamW", PLAIN)):
    short = name.split()[0]
    for threads in (1, 2, 3, 8):
        must("train", *options, "--threads", str(threads), "--out", f"{short}{threads}")
    for threads in (2, 3, 8):
        report(not tap.difference(trace(f"{short}1"), trace(f"{short}{threads}")), f"{name}: 1 and {threads} threads give the same trace",
               tap.difference(trace(f"{short}1"), trace(f"{short}{threads}")))
    report(tensors(f"{short}1/checkpoint.safetensors", without="") == tensors(f"{short}8/checkpoint.safetensors", without=""),
           f"{name}: and the same weights and optimiser state, to the bit")
must("train", *BOTTLENECK, "--seed", "2", "--out", "other")
report(tap.difference(trace("bottleneck1", ("timing", "header")), trace("other", ("timing", "header"))) != "", "another seed gives another trace")

# ---- recording changes nothing ----
for name, options in (("plain network", ["--model", "plain9", *TINY]), ("bottleneck with Pool Skip", BOTTLENECK)):
    weights = []
    for record in ("all", "none"):
        out = f"{name.split()[0]}-{record}"
        must("train", *options, "--steps", "50", "--window", "25", "--record", record, "--out", out)
        weights.append(tensors(f"{out}/checkpoint.safetensors"))
    report(weights[0] == weights[1] and len(weights[0]) > 10, f"{name}: 50 steps give bit-identical weights with and without instruments")

# ---- files of a run ----
report(sorted(os.listdir(tap.path("bottleneck1"))) == ["checkpoint.safetensors", "config.json", "trace.jsonl"], "a run's directory holds three files",
       os.listdir(tap.path("bottleneck1")))
report(run("validate", "bottleneck1").returncode == 0 and run("validate", "plain8/trace.jsonl").returncode == 0, "the traces follow the format")
# What the header says is what is used, not what was asked for.
must("train", *[w for w in TINY if w != "--quiet"], "--quiet", "--probe", "41", "--steps", "4", "--window", "4", "--out", "odd")
header = tap.records("odd")[0]
report(header["config"]["probe"] == 41 and header["data"]["probe"] == 32 and header["pairing"]["probe"] == "32" and {r["images"] for r in tap.records("odd", "probe")} == {32}
       and header["data"]["train"] == 256 and header["data"]["test"] == 48 == tap.records("odd", "eval")[-1]["count"], "the header counts the probe images that are measured", header["data"])
for option, count in (("--probe", "15"),):
    result = tap.run("train", *TINY, option, count, "--out", "never")
    report(result.returncode == 2 and count in result.stderr and not os.path.exists(tap.path("never")), f"{option} {count}: no batch of it is refused", result.stderr)

header, end = tap.records("plain1")[0], tap.records("plain1")[-1]
report(end["type"] == "end" and end["status"] == "finished" and end["steps"] == 8, "the last record is the end", end)
with open(tap.path("plain1", "config.json")) as stream:
    report(json.load(stream) == header["config"], "config.json and the header say the same")
must("train", "plain1/config.json", "--out", "again", "--quiet")
report(trace("again") == trace("plain1"), "config.json alone gives the same trace")
must("train", "plain1/config.json", "--steps", "4", "--out", "override", "--quiet")
report(tap.records("override")[0]["config"]["steps"] == 4, "options override the file")

ballast = bytearray(b"x") * (400 << 20)
must("train", *TINY, "--steps", "2", "--window", "2", "--out", "small")
del ballast
peaks = [r["peak_memory_bytes"] for r in tap.records("small") if r["type"] == "timing" and "peak_memory_bytes" in r]
report(peaks and max(peaks) < 300 << 20, "the recorded peak memory is the run's own, not that of the program that started it", peaks)

# ---- options ----
must("train", *TINY, "--steps", "2", "--out=equals", "--no-flip", "--nesterov")
config = tap.records("equals")[0]["config"]
report(config["nesterov"] is True and config["flip"] is False, "--name=value, flags and --no-flag")
result = run("train", *[o for o in TINY if o != "--quiet"], "--steps", "2", "--out", "loud")
report(result.returncode == 0 and "\r" not in result.stderr and "2/2" in result.stderr, "progress without a terminal is plain lines", result.stderr)
report(run("train", *TINY, "--steps", "2", "--out", "silent").stderr == "", "--quiet says nothing")
result = run("train", *TINY, "--steps", "40", "--window", "10", *tap.DIVERGING, "--out", "diverging")
report(result.returncode == 1 and tap.records("diverging")[-1]["status"] == "diverged", "a diverged run is a result, not an error: exit 1", result.stderr)
report(run("validate", "diverging").returncode == 0, "and its trace follows the format")

# ---- where the time goes ----
result = must("train", *PLAIN, "--profile", "--out", "profiled")
parts = dict(re.findall(r"^  ([a-z ,]+?) +\d+\.\d\d +\d+\.\d\d +(\d+\.\d) %$", result.stdout, re.M))
report(len(parts) == 10 and abs(sum(map(float, parts.values())) - 100) < 1, "--profile: the parts of a run are all of it", (parts, result.stdout))
start = dict(re.findall(r"^  (settings|data|network and trace|first probing) +(\d+\.\d\d)$", result.stdout, re.M))
report(len(start) == 4 and float(start["network and trace"]) > 0 and float(start["first probing"]) > 0,
       "--profile: what goes before the first step", result.stdout)
rows = re.findall(r"^ +(\d+\.\d\d) +(\d+\.\d\d) +(\d+\.\d) % +(\S+) +(\S+) +(\d+) %  (\S+)  (\w+)", result.stdout, re.M)
report(abs(sum(float(row[2]) for row in rows) - 100) < 1 + 0.05 * len(rows) and {"conv", "linear"} <= {row[7] for row in rows},
       "and its operations all of the passes", result.stdout)
report(all(float(row[3]) > 0 for row in rows if row[7] == "conv"), "of which those that multiply say at what rate", result.stdout)
bound = re.search(r"^All operations take (\d+\.\d\d) ms a step\..* they would take (\d+\.\d\d) ms\.$", result.stdout, re.M)
report(bound is not None and 0 < float(bound[2]) <= float(bound[1]), "and what the machine's peaks would leave of them", result.stdout)
report(not tap.difference(trace("plain1"), trace("profiled")), "and the trace is what it is without")

# ---- estimates ----
result = run("train", *TINY, "--steps", "100", "--dry-run")
report(result.returncode == 0 and all(re.search(rf"^{word} +\d", result.stdout, re.M) for word in ("time", "memory", "disk")),
       "--dry-run prints time, memory and disk", result.stdout + result.stderr)
run("train", *TINY, "--steps", "100", "--dry-run", "--out", "dry")
report(not os.path.exists(tap.path("dry")), "--dry-run writes nothing")

# ---- clipped pool sizes ----
loud = [o for o in TINY if o != "--quiet"]
result = run("train", *loud, "--pool-skip", "8", "--steps", "2", "--out", "clipped")
report(result.returncode == 0 and "clipped to" in result.stderr, "an e larger than a map is clipped and said", result.stderr)
events = [e for e in tap.records("clipped", "event") if e["event"] == "clipped_e"]
report(len(events) > 0 and all(e["from"] == 8 and e["to"] < 8 for e in events), "and stands in the trace")

# ---- evaluation ----
result = run("eval", "plain1/checkpoint.safetensors", "--json")
measured = json.loads(result.stdout) if result.returncode == 0 else {}
report(abs(measured.get("accuracy", 9) - end["accuracy"]) < 1e-8 and abs(measured.get("loss", 0) - end["loss"]) < 1e-6, "eval gives the accuracy of the run's end",
       result.stdout + result.stderr)
report("accuracy" in run("eval", "plain1/checkpoint.safetensors", "--data", "synthetic").stdout, "eval takes other data")
tap.done()
