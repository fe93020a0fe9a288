"""Runs that are killed or stopped and go on: the same trace (timing apart) and the same weights as without the interruption."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import tap
from tap import TINY, must, path, report, run, tensors, trace

KILLS = 20
OPTIONS = ["--model", "plain9", *TINY, "--batch-norm", "no", "--pool-skip", "2", "--dropout", "0.1", "--flip", "--crop-pad", "1",
           "--rotate", "10", "--rand-augment", "m9-mstd0.5-inc1", "--erase", "0.25", "--mixup", "0.8", "--cutmix", "1", "--label-smoothing", "0.1",
           "--steps", "48", "--window", "4", "--eval-every", "3", "--schedule", "cosine", "--weight-decay", "0.001",
           "--plant", "share=0.2,cause=bias", "--threads", "1"]


def start(*arguments):
    return subprocess.Popen([tap.PROGRAM, *arguments], cwd=tap.WORK, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def same(directory):
    """"" where the run in the directory is the uninterrupted one."""
    return tap.difference(trace("whole"), trace(directory)) or (
        "" if tensors("whole/checkpoint.safetensors", without="") == tensors(f"{directory}/checkpoint.safetensors", without="") else "other weights")


def go_on(directory, *again):
    """Resumes; where the run was killed before it had a directory, starts it anew as a user would."""
    if not os.path.exists(path(directory, "config.json")):
        return run("train", *again, "--out", directory)
    return run("train", "--resume", directory, "--quiet")


began = time.monotonic()
must("train", *OPTIONS, "--out", "whole")
duration = time.monotonic() - began
chance = random.Random(20)

# ---- SIGKILL at random moments: the machine's load decides what is hit, the seed only the times ----
faults, steps_seen = [], set()
for i in range(KILLS):
    name = f"killed{i}"
    process = start("train", *OPTIONS, "--out", name)
    time.sleep(chance.uniform(0, duration))
    kill(process)
    if os.path.exists(path(name, "trace.jsonl")):
        with open(path(name, "trace.jsonl")) as stream:
            steps_seen.add(stream.read().count('"type":"step"'))
    result = go_on(name, *OPTIONS)
    fault = result.stderr if result.returncode != 0 else same(name)
    if fault:
        faults.append(f"{name}: {fault}")
    left = [f for f in os.listdir(path(name)) if ".tmp" in f]
    if left:
        faults.append(f"{name}: {left} left behind")
    shutil.rmtree(path(name))
print(f"# killed at {len(steps_seen)} different places: {sorted(steps_seen)}")
report(not faults, f"killed with SIGKILL at {KILLS} random moments: the same trace and weights", "\n".join(faults))

# ---- one run, killed again and again ----
process = start("train", *OPTIONS, "--out", "often")
for _ in range(4):
    time.sleep(duration * 0.4)
    kill(process)
    if not os.path.exists(path("often", "config.json")):
        process = start("train", *OPTIONS, "--out", "often")
    else:
        process = start("train", "--resume", "often", "--quiet")
_, message = process.communicate()
report(process.returncode == 0 and not same("often"), "killed again and again while it goes on: the same trace and weights", message + same("often"))

# ---- killed while a checkpoint is being written ----
hits, faults = 0, []
for attempt in range(12):
    if hits == 3:
        break
    name = f"writing{attempt}"
    process = start("train", *OPTIONS, "--window", "2", "--out", name)
    while process.poll() is None:
        try:
            half = [f for f in os.listdir(path(name)) if f.startswith("checkpoint.safetensors.tmp")]
        except FileNotFoundError:
            half = []
        if half and chance.random() < 0.3:
            break
    kill(process)
    if not [f for f in os.listdir(path(name)) if ".tmp" in f]:
        continue
    hits += 1
    result = go_on(name)
    if hits == 1:
        must("train", *OPTIONS, "--window", "2", "--out", "whole2")
    if result.returncode != 0 or tap.difference(trace("whole2"), trace(name)):
        faults.append(f"{name}: {result.stderr} {tap.difference(trace('whole2'), trace(name))}")
    if [f for f in os.listdir(path(name)) if ".tmp" in f]:
        faults.append(f"{name}: the half-written checkpoint was left behind")
if hits:
    report(not faults, f"killed while a checkpoint was being written ({hits} times): the same trace", "\n".join(faults))
else:
    tap.skip("killed while a checkpoint was being written", "no attempt hit that moment")

# ---- torn traces and checkpoints ----
shutil.copytree(path("whole"), path("torn"))
with open(path("torn", "trace.jsonl"), "rb") as stream:
    content = stream.read()
with open(path("torn", "trace.jsonl"), "wb") as stream:  # the checkpoint is of the last step; what follows it may be torn anywhere
    stream.write(content[:content.rindex(b'{"type":"end"') + 9])
result = run("train", "--resume", "torn", "--quiet")
report(result.returncode == 0 and not same("torn"), "a last line cut off is written anew", result.stderr + same("torn"))

# ---- asked to stop ----
for number, word in ((signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")):
    for every in ("1", "0"):
        name = f"{word}-{every}"
        process = start("train", *[o for o in OPTIONS if o != "--quiet"], "--checkpoint-every", every, "--out", name)
        while process.poll() is None and not os.path.exists(path(name, "trace.jsonl")):
            time.sleep(0.002)
        time.sleep(duration * 0.3)
        process.send_signal(number)
        _, message = process.communicate()
        where = message.strip().splitlines()[-1] if message.strip() else ""
        if process.returncode == 0:
            tap.skip(f"{word} (a checkpoint every {every} windows)", "the run was over before the signal")
            continue
        report(process.returncode == 2 and f"go on with: poolscope train --resume {name}" in where, f"{word} (checkpoint every {every}): exit 2, and how to go on",
               f"exit {process.returncode}\n{message}")
        cut = tap.records(name)
        done = sum(r["type"] == "step" for r in cut)
        report(cut[-1]["type"] != "end" and done % 4 == 0 and f"after step {done - 1} of 48" in where, f"{word}: it ended its window, and no end is written",
               f"{done} steps; {where}")
        run("train", "--resume", name, "--quiet")
        changed = [line.replace(f'"checkpoint_every":{every}', '"checkpoint_every":1') for line in trace(name)]
        report(not tap.difference(trace("whole"), changed), f"{word}: resumed, it ends in the same trace", tap.difference(trace("whole"), changed))

result = run("train", "--resume", "whole", "--quiet")
report(result.returncode == 0 and not same("whole"), "resuming a finished run does nothing")

# ---- a diverged run, cut after the checkpoint that holds its broken weights ----
run("train", *TINY, *tap.DIVERGING, "--steps", "40", "--window", "4", "--out", "diverged")
kept = trace("diverged")
with open(path("diverged", "trace.jsonl")) as stream:
    lines = stream.readlines()
with open(path("diverged", "trace.jsonl"), "w") as stream:
    stream.writelines(line for line in lines[:-1])
result = run("train", "--resume", "diverged", "--quiet")
report(result.returncode == 1 and trace("diverged") == kept, "a diverged run that was killed before its end still ends as diverged",
       result.stderr + tap.difference(kept, trace("diverged")))

# ---- two processes at one run ----
process = start("train", *OPTIONS, "--steps", "100000", "--out", "twice")
while process.poll() is None and not os.path.exists(path("twice", "checkpoint.safetensors")):
    time.sleep(0.002)
result = run("train", "--resume", "twice", "--quiet")
report(result.returncode == 2 and "another process" in result.stderr, "a run that is under way is not resumed by a second process", result.stderr)
result = run("train", *OPTIONS, "--force", "--out", "twice")
report(result.returncode == 2 and "another process" in result.stderr, "nor replaced", result.stderr)
kill(process)
tap.done()
