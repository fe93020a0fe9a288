"""`poolscope experiment`, `compare`, `report`, `explain` and `inspect` from outside, on runs of a fraction of a second."""
import csv
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import tap
from tap import OWN, TINY, must, path, records, report, run, tensors, trace

BASE = {"model": "plain9", "width": 0.5, "size": 8, "batch": 16, "probe": 32, "train_limit": 256, "test_limit": 48, "steps": 8, "window": 4, "batch_norm": False,
        "init_scheme": "he"}


def document(name, **more):
    content = {"name": name, "question": "Does it run?", "base": BASE, "seeds": [1, 2],
               "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}, {"name": "grid", "pool_skip": 2, "pool_skip_mode": "grid+conv+skip"}]}
    content.update(more)
    with open(path(name + ".json"), "w") as stream:
        json.dump(content, stream)
    return name + ".json"


def experiment(name, out, *more, **options):
    return run("experiment", name + ".json", "--out", out, "--quiet", "--no-report", *more, **options)


# ---- a whole experiment ----
document("pair")
result = run("experiment", "pair.json", "--dry-run")
report(result.returncode == 0 and "6 runs" in result.stdout and "disk" in result.stdout and not os.path.exists(path("runs")), "--dry-run says what it will need and writes nothing",
       result.stdout + result.stderr)
result = run("experiment", "pair.json", "--out", "nowhere", env={**os.environ, "PS_SHARE": path("empty")})
report(result.returncode == 2 and "plot_list.tsv" in result.stderr and not os.path.exists(path("nowhere")), "what the report lacks is said before the first run",
       result.stdout + result.stderr)
result = run("experiment", "pair.json", "--out", "pair", "--jobs", "2")
report(result.returncode == 0, "an experiment runs, compares and reports", result.stderr)
report({"experiment.json", "runs", "tables", "verdict.json", "report.html"} <= set(os.listdir(path("pair"))), "its directory holds all it should", os.listdir(path("pair")))
report("ps2" in result.stdout and "baseline" in result.stdout, "the summary names the arms")
with open(path("pair", "verdict.json")) as stream:
    report(isinstance(json.load(stream), dict), "verdict.json is JSON")
keys = {arm: [records(f"pair/runs/{arm}/seed-{seed}")[0]["pairing"] for seed in (1, 2)] for arm in ("baseline", "ps2", "grid")}
report(keys["baseline"] == keys["ps2"] == keys["grid"] and keys["baseline"][0] != keys["baseline"][1], "arms of a seed have the same pairing key, seeds do not")

# The scheduler gives the runs that `train` gives alone.
must("train", "pair/runs/ps2/seed-2/config.json", "--out", "alone", "--quiet")
report(trace("alone") == trace("pair/runs/ps2/seed-2"), "a run of an experiment is the same run alone")

# ---- second call ----
before = {(a, s): os.stat(path(f"pair/runs/{a}/seed-{s}/trace.jsonl")).st_mtime_ns for a in keys for s in (1, 2)}
cut = path("pair/runs/grid/seed-1/trace.jsonl")
whole = trace("pair/runs/grid/seed-1")
with open(cut) as stream:
    lines = stream.readlines()
with open(cut, "w") as stream:
    stream.writelines(lines[:-1])
shutil.rmtree(path("pair/runs/ps2/seed-1"))
result = experiment("pair", "pair")
after = {key: os.stat(path(f"pair/runs/{key[0]}/seed-{key[1]}/trace.jsonl")).st_mtime_ns for key in before}
changed = {key for key in before if before[key] != after[key]}
report(result.returncode == 0 and changed == {("grid", 1), ("ps2", 1)}, "a second call goes on with what is not finished, and only that", f"{changed} {result.stderr}")
report(trace("pair/runs/grid/seed-1") == whole, "and ends it as it was")
result = experiment("pair", "pair", "--steps", "12")
report(result.returncode == 2 and "steps = 8" in result.stderr and "--force" in result.stderr, "other settings in a directory that has runs are refused", result.stderr)
result = experiment("pair", "pair", "--steps", "12", "--force")
report(result.returncode == 0 and records("pair/runs/ps2/seed-1")[-1]["steps"] == 12, "--force runs it anew", result.stderr)

for option, words in (("--arms", "ps2,ps2"), ("--seeds", "1,2,1")):
    result = experiment("pair", "twice", option, words)
    report(result.returncode == 2 and "twice" in result.stderr and not os.path.exists(path("twice")), f"{option} {words} is refused", result.stderr)
for command in ("eval", "ranks", "spectrum", "compensation"):
    result = run(command, "alone/trace.jsonl")
    report(result.returncode == 2 and "is JSON" in result.stderr and "directory of the run, which is alone, or" in result.stderr, f"{command} of a trace says what to give", result.stderr)

# ---- stopped and gone on with ----
document("long", base={**BASE, "steps": 200, "window": 4}, arms=[{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}])


def start(out):
    return subprocess.Popen([tap.PROGRAM, "experiment", "long.json", "--out", out, "--quiet", "--no-report", "--jobs", "2"], cwd=tap.WORK, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def children(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as stream:
        return [int(pid) for pid in stream.read().split()]


def wait_until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


def runs_on(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


for number, word in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
    process = start(word)
    wait_until(lambda: os.path.exists(path(word, "runs/baseline/seed-1/checkpoint.safetensors")))
    pids = children(process)
    process.send_signal(number)  # to the parent alone
    _, message = process.communicate(timeout=300 * tap.PATIENCE)
    report(process.returncode == 2 and "the same command goes on" in message and not any(runs_on(pid) for pid in pids),
           f"{word} to the parent alone stops its runs and says how to go on", f"exit {process.returncode} {message}")
    left = [r for r in ("baseline/seed-1", "baseline/seed-2") if os.path.exists(path(word, "runs", r, "trace.jsonl")) and records(f"{word}/runs/{r}")[-1]["type"] != "end"]
    report(len(left) > 0, f"{word}: runs were under way", left)

process = start("killed")
wait_until(lambda: os.path.exists(path("killed", "runs/baseline/seed-1/checkpoint.safetensors")))
pids = children(process)
process.send_signal(signal.SIGKILL)
process.wait()
process.stderr.close()
report(wait_until(lambda: not any(runs_on(pid) for pid in pids), 60), "when the parent is killed, its runs end, too")
for out in ("SIGTERM", "killed"):
    result = experiment("long", out, "--jobs", "2")
    report(result.returncode == 0, f"{out}: the same command goes on to the end", result.stderr)
faults = [d for arm in ("baseline", "ps2") for seed in (1, 2)
          if (d := tap.difference(trace(f"SIGTERM/runs/{arm}/seed-{seed}"), trace(f"killed/runs/{arm}/seed-{seed}")))]
report(not faults, "and both give the same traces", "\n".join(faults))

process = start("lost")
wait_until(lambda: os.path.exists(path("lost", "runs/baseline/seed-1/checkpoint.safetensors")))
os.kill(children(process)[0], signal.SIGKILL)
_, message = process.communicate(timeout=300 * tap.PATIENCE)
report(process.returncode == 2 and "signal 9" in message, "a run that is killed is named", f"exit {process.returncode} {message}")

# ---- forks ----
document("fork", fork={"steps": 8, "plant": "share=0.25,cause=bias"}, seeds=[3],
         arms=[{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}, {"name": "conv", "pool_skip": 2, "pool_skip_mode": "conv+skip"}])
result = experiment("fork", "fork")
report(result.returncode == 0, "arms forked from one checkpoint", result.stderr)
starts = {arm: [r["values"] for r in records(f"fork/runs/{arm}/seed-3", "probe") if r["step"] == 0] for arm in ("baseline", "ps2", "conv")}
for values in starts.values():
    for value in values:
        for name in [n for n in value if n.startswith("pool_")]:
            del value[name]  # only arms with modules have these
report(len(starts["baseline"]) > 0 and starts["baseline"] == starts["ps2"] == starts["conv"], "with modules at zero they start alike, whatever is probed")
events = [e for e in records("fork/runs/ps2/seed-3", "event") if e["event"] == "forked"]
report(len(events) == 1 and len(events[0]["checkpoint"]) == 16, "the fork stands in the trace", events)
parent = {k: v for k, v in tensors("fork/runs/parent/seed-3/checkpoint.safetensors").items() if "running" not in k}
must("train", "fork/runs/ps2/seed-3/config.json", "--lr", "0", "--out", "still", "--quiet", "--force")
still = tensors("still/checkpoint.safetensors")
report(sum(value in still.values() for value in parent.values()) == len(parent), "and its weights are the parent's")
report(json.load(open(path("fork", "runs", "ps2", "seed-3", "config.json")))["plant"] == "", "what was planted in the parent is not planted again")


def planted(directory):
    return [{k: e[k] for k in ("step", "layer", "cause", "channels")} for e in records(directory, "event") if e["event"] == "planted"]


told = planted("fork/runs/parent/seed-3")
report(told and all(planted(f"fork/runs/{arm}/seed-3") == told for arm in ("baseline", "ps2", "conv")),
       "but stands in every arm's trace, so that one can ask what became of it", told)
must("train", *TINY, "--batch-norm", "no", "--steps", "4", "--fork", "fork/runs/baseline/seed-3", "--plant", "count=1,cause=bias,layers=stage3*,seed=9", "--out", "again")
report(planted("again")[:len(told)] == told and len(planted("again")) > len(told), "a fork of a fork knows both plantings", planted("again"))
with open(path("fork", "tables", "planted.tsv")) as stream:
    report({line.split("\t")[0] for line in stream} == {"arm", "baseline", "ps2", "conv"}, "and the table of planted nodes has all arms")

# ---- compare, report, explain by hand ----
arms = [f"--arm={arm}=" + ",".join(f"pair/runs/{arm}/seed-{s}" for s in (1, 2)) for arm in keys]
result = run("compare", *arms, "--out", "by-hand")
report(result.returncode == 0 and os.path.exists(path("by-hand/verdict.json")) and "seed" in result.stdout, "compare takes runs one by one", result.stderr)
report(run("compare", *arms, "--out", "by-hand", "--quiet").stdout == "", "compare --quiet says nothing")
if shutil.which("gnuplot"):
    result = run("report", "by-hand", "--quiet")
    report(result.returncode == 0 and os.path.exists(path("by-hand/report.html")), "report makes the page", result.stderr)
else:
    tap.skip("report makes the page", "no gnuplot")
result = run("explain", "by-hand")
names = re.findall(r"\bP\d+\b", result.stdout)
report(result.returncode == 0 and len(names) > 0 and run("explain", "by-hand", names[0]).returncode == 0, "explain lists predictions and shows one", result.stdout + result.stderr)

# ---- measurements of the last checkpoints ----
QUICK = {"compensation": {}, "ranks": {"cosine": 0.99}, "spectrum": {"probes": 1, "steps": 4}}


def rows(*where):
    with open(path(*where)) as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def stamps(out):
    return {name: os.stat(name).st_mtime_ns for name in glob.glob(path(out, "runs/*/*/tables/*.tsv"))}


for content, word in (({"measure": ["rank"]}, "compensation, ranks, spectrum"), ({"measure": "ranks"}, "must be a list"), ({"measure": ["ranks", "ranks"]}, "twice"),
                      ({"measure": {"ranks": 3}}, "object of options"), ({"measure": {"spectrum": {"probe": 2}}}, "--probes"), ({"measure": {"spectrum": {"probes": 0}}}, "--probes"),
                      ({"measure": {"ranks": {"cosine": "2"}}}, "--cosine"), ({"measure": {"ranks": {"cosine": None}}}, "number"), ({"measure": {"ranks": {"out": "x"}}}, "--out"),
                      ({"measure": [3]}, "does not know")):
    document("faulty", **content)
    result = experiment("faulty", "faulty")
    report(result.returncode == 2 and word in result.stderr and not os.path.exists(path("faulty")), f"{json.dumps(content)} is refused", result.stderr)

document("measured", measure=QUICK, seeds=[4, 5])
result = run("experiment", "measured.json", "--out", "measured", "--quiet")
report(result.returncode == 0, "an experiment measures", result.stderr)
compensation, ranks, density = (rows("measured", "tables", name + ".tsv") for name in ("compensation", "ranks", "spectrum_density"))
report([key for key in ranks[0]][:2] == ["arm", "seed"] and [(r["arm"], r["seed"]) for r in ranks[::9]] == [(a, s) for a in ("baseline", "ps2", "grid") for s in ("4", "5")],
       "ranks of every run stand under its arm and seed, in order", ranks[:3])
report({(r["arm"], r["seed"]) for r in compensation} == {(a, s) for a in ("ps2", "grid") for s in "45"}, "compensation of the arms with modules", compensation[:3])
report(all(abs(sum(float(value) for key, value in r.items() if key.endswith("_share")) - 1) < 1e-6 for r in compensation if r["group"] == "all"), "its shares add up to 1")
report({r["arm"] for r in density} == {"baseline", "ps2", "grid"}, "the spectrum of all arms, the grid's too")
for arm in ("baseline", "ps2", "grid"):
    for seed in "45":
        mine = [(float(r["relative"]), float(r["relative_density"])) for r in density if (r["arm"], r["seed"]) == (arm, seed)]
        area = sum(y for _, y in mine) * (mine[1][0] - mine[0][0])
        report(abs(area - 1) < 0.02, f"{arm} {seed}: the density's area is 1", area)
must("ranks", "measured/runs/ps2/seed-5/checkpoint.safetensors", "--cosine", "0.99", "--out", "once", "--quiet")
report([{k: v for k, v in r.items() if k not in ("arm", "seed")} for r in ranks if (r["arm"], r["seed"]) == ("ps2", "5")] == rows("once", "tables", "ranks.tsv"),
       "a run is measured as the command measures it")
if shutil.which("gnuplot"):
    with open(path("measured/report.html")) as stream:
        page = stream.read()
    report(all(f'<figure id="{plot}"><h3' in page for plot in ("compensation", "ranks", "spectrum")), "the report shows all three")
else:
    tap.skip("the report shows all three", "no gnuplot")

document("unmeasurable", measure={"compensation": {}, "ranks": {}}, seeds=[4],
         arms=[{"name": "baseline"}, {"name": "energy", "pool_skip": 2, "pool_skip_mode": "grid-energy+conv+skip"}, {"name": "cut", "pool_skip": 2, "pool_skip_cut": "forward"}])
result = experiment("unmeasurable", "unmeasurable")
report(result.returncode == 0 and {r["arm"] for r in rows("unmeasurable", "tables", "ranks.tsv")} == {"baseline", "energy", "cut"},
       "modules that cannot be taken apart do not hold up the measurements", result.stderr)
lacking = {r["arm"]: r["why"] for r in rows("unmeasurable", "tables", "unmeasured.tsv")}
report(set(lacking) == {"baseline", "energy", "cut"} and "no Pool Skip" in lacking["baseline"] and "not for mode" in lacking["energy"],
       "the comparison's tables say who was not measured, and why", lacking)
arms = [f"--arm={arm}=unmeasurable/runs/{arm}/seed-4" for arm in lacking]
result = run("compare", *arms, "--out", "said")
report(all(f"note: compensation: not measured in arm {arm} (1 of 1 runs): {why}" in result.stderr for arm, why in lacking.items()) and "ranks: not" not in result.stderr,
       "and so does the terminal", result.stderr)
if shutil.which("gnuplot"):
    must("report", "said", "--format", "html,md", "--quiet")
    for form in ("report.html", "report.md"):
        with open(path("said", form)) as stream:
            page = stream.read()
        report(all(f"Not measured in arm {arm} (seeds 4)" in page.replace("\\", "") for arm in lacking), f"and {form}")
else:
    tap.skip("and report.html", "no gnuplot")
    tap.skip("and report.md", "no gnuplot")

before = stamps("measured")
result = experiment("measured", "measured")
report(result.returncode == 0 and stamps("measured") == before, "a second call measures nothing again", result.stderr)
os.remove(path("measured/runs/ps2/seed-4/tables/overlap.tsv"))
shutil.rmtree(path("measured/runs/grid/seed-5/tables"))
result = experiment("measured", "measured")
changed = {os.path.relpath(name, path("measured/runs")).split("/tables")[0] for name, stamp in stamps("measured").items() if before.get(name) != stamp}
report(result.returncode == 0 and changed == {"ps2/seed-4", "grid/seed-5"} and rows("measured", "tables", "ranks.tsv") == ranks, "what is missing is measured, and only that", f"{changed} {result.stderr}")
document("measured", measure={**QUICK, "ranks": {"cosine": 0.5}}, seeds=[4, 5])
before = stamps("measured")
result = experiment("measured", "measured")
changed = {os.path.basename(name) for name, stamp in stamps("measured").items() if before.get(name) != stamp}
report(result.returncode == 0 and changed == {"measurements.tsv", "ranks.tsv", "overlap.tsv", "opposite.tsv", "dependent.tsv"}, "other options: measured anew, and only that", f"{changed} {result.stderr}")

# Of runs that exist, gathered by compare.
arms = [f"--arm={arm}=" + ",".join(f"pair/runs/{arm}/seed-{s}" for s in (1, 2)) for arm in keys]
must("ranks", "pair/runs/ps2/seed-2/checkpoint.safetensors", "--out", "pair/runs/ps2/seed-2", "--quiet")
with open(path("by-hand/tables/compensation.tsv"), "w") as stream:
    stream.write("kept\n")
result = run("compare", *arms, "--out", "by-hand", "--quiet")
report(result.returncode == 0 and {(r["arm"], r["seed"]) for r in rows("by-hand", "tables", "ranks.tsv")} == {("ps2", "2")}, "compare gathers what was measured by hand", result.stderr)
with open(path("by-hand/tables/compensation.tsv")) as stream:
    report(stream.read() == "kept\n", "and leaves tables that no run has")
shutil.copy(path("pair/runs/ps2/seed-1/checkpoint.safetensors"), path("pair/runs/ps2/seed-2/checkpoint.safetensors"))
os.remove(path("by-hand/tables/ranks.tsv"))
result = run("compare", *arms, "--out", "by-hand")
report(result.returncode == 0 and "another checkpoint" in result.stderr and not os.path.exists(path("by-hand/tables/ranks.tsv")), "numbers of another checkpoint are not taken", result.stderr)

# Diverged runs have nothing to tell; forks measure their arms, not the parents.
document("wild", measure=["ranks"], seeds=[1], base={**BASE, "lr": 1e6, "weight_decay": 1000}, arms=[{"name": "baseline"}])
result = experiment("wild", "wild")
report(result.returncode == 0 and records("wild/runs/baseline/seed-1")[-1]["status"] == "diverged" and not glob.glob(path("wild/**/ranks.tsv"), recursive=True),
       "a diverged run is passed over", result.stderr)
document("forked", measure=["ranks"], fork={"steps": 4}, seeds=[3], arms=[{"name": "baseline"}])
result = experiment("forked", "forked")
report(result.returncode == 0 and not os.path.exists(path("forked/runs/parent/seed-3/tables")), "parents are not measured", result.stderr)

# ---- networks ----
result = run("models")
report(result.returncode == 0 and all(name in result.stdout for name in ("plain9", "d110", "vgg16", "resnet18", "resnet34", "resnet50", "resnet420")), "models lists the networks")


def placed(*options):
    text = run("inspect", "--model", "resnet18", "--width", "0.25", "--pool-skip", "2", "--json", *options).stdout
    return [n["name"] for n in json.loads(text)["nodes"] if n["type"] == "pool_skip"]


shown = run("inspect", "--model", "resnet18", "--width", "0.25", "--pool-skip", "2").stdout
report(len(placed()) == 16 and all(shown.count(name) >= 2 for name in placed()), "inspect lists the 16 modules of resnet18, one a convolution of the blocks", shown[:1500])
report(len(placed("--pool-skip-placement", "all")) > 16, "placement all: more of them")
report(0 < len(placed("--pool-skip-placement", "conv2_x")) < 16, "placement by stage: fewer")
result = run("inspect", "--model", "plain9", "--pool-skip", "8", "--input", "3,8,8")
report(result.returncode == 0 and result.stdout.count("clipped to the map from 8") == 6, "inspect says where an e is clipped", result.stdout + result.stderr)
with open(path("own.json"), "w") as stream:
    stream.write(run("inspect", "--model", "plain9", "--width", "0.5", "--input", "3,8,8", "--json").stdout)
must("train", "--graph", "own.json", *OWN, "--steps", "4", "--out", "own")
must("train", "--model", "plain9", *TINY, "--steps", "4", "--out", "named")
report(tensors("own/checkpoint.safetensors") == tensors("named/checkpoint.safetensors"), "a network written out and read back trains to the same weights")
report(json.load(open(path("own/config.json")))["model"] == records("own")[0]["config"]["model"] == "" and records("own")[0]["model"]["name"] == "plain9",
       "and is called by no model's name but its own")
# As an earlier version left it: with the name of the default network, and without its end.
must("train", "--graph", "own.json", *OWN, "--steps", "8", "--window", "4", "--out", "older")
whole = trace("older")
with open(path("older/config.json")) as stream:
    text = re.sub(r'"model":(\s*)""', r'"model":\1"plain9"', stream.read())
with open(path("older/config.json"), "w") as stream:
    stream.write(text)
with open(path("older/trace.jsonl")) as stream:
    lines = stream.readlines()
with open(path("older/trace.jsonl"), "w") as stream:
    stream.writelines(lines[:-1])
result = run("train", "--resume", "older", "--quiet")
report('"plain9"' in text and result.returncode == 0 and trace("older") == whole and run("eval", "older").returncode == 0, "a run of an earlier version goes on and is read", result.stderr)
with open(path("graph.json"), "w") as stream:
    json.dump({"base": {**BASE, "graph": "own.json", "batch_norm": "", "width": 1}, "arms": [{"name": "baseline"}], "seeds": [1]}, stream)
must("experiment", "graph.json", "--out", "graph", "--quiet", "--no-report")
with open(path("graph/runs/baseline/seed-1/config.json")) as stream:
    text = re.sub(r'"model":(\s*)""', r'"model":\1"plain9"', stream.read())
with open(path("graph/runs/baseline/seed-1/config.json"), "w") as stream:
    stream.write(text)
result = run("experiment", "graph.json", "--out", "graph", "--quiet", "--no-report")
report(result.returncode == 0 and '"plain9"' in text, "and an experiment of one goes on", result.stderr)
must("train", *OWN, "--steps", "4", "--graph", "own.json", "--fork", "own", "--out", "fork-of-own")

# ---- planting and diagnosis of a checkpoint ----
result = run("plant", "named/checkpoint.safetensors", "--plant", "count=1,cause=bias+gamma,seed=2,value=-50", "--out", "planted.safetensors")
planted = {tuple(line.split("\t")[:2]): line.split("\t")[2] for line in result.stdout.splitlines()[1:]}
table = [line.split("\t") for line in run("diagnose", "planted.safetensors", "--tsv").stdout.splitlines()[1:]]
found = {(row[0], row[1]): (row[2], row[3]) for row in table}
report(len(planted) == 9 and all(found.get(node) == ("dead", {"bias": "norm_shift", "gamma": "gamma_zero"}[cause]) for node, cause in planted.items()),
       "diagnose finds what plant planted, with the cause", f"{planted}\n{found}")
listed = json.loads(run("diagnose", "planted.safetensors", "--json").stdout)
report({(n["layer"], str(n["channel"])) for n in listed["found"]} == set(found), "and says the same as JSON")
report(run("diagnose", "planted.safetensors", "--nodes").stdout.count(" dead ") >= len(planted), "and as a table")
tap.done()
