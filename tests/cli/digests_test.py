"""What belongs to a run is known by digests: damaged and edited runs do not go on, clocks and places are no part of what a run is."""
import json
import os
import random
import shutil
import struct
import sys

sys.dont_write_bytecode = True
import preload
import tap
from tap import TINY, must, path, records, report, run, tensors, trace

chance = random.Random(41)
OPTIONS = [*TINY, "--width", "0.25", "--pool-skip", "2", "--batch-norm", "no", "--steps", "16", "--window", "4", "--threads", "1", "--flip"]
CHECKPOINT = "checkpoint.safetensors"


def copy(source, target):
    shutil.rmtree(path(target), ignore_errors=True)
    shutil.copytree(path(source), path(target))


def read(*parts):
    with open(path(*parts), "rb") as stream:
        return stream.read()


def write(content, *parts):
    with open(path(*parts), "wb") as stream:
        stream.write(content)


def without_end(directory):
    """A run that was killed between its last checkpoint and its end: there is something to go on with."""
    lines = read(directory, "trace.jsonl").splitlines(keepends=True)
    write(b"".join(line for line in lines if not line.startswith(b'{"type":"end"')), directory, "trace.jsonl")


def refuses(directory, *words):
    """"" where going on is refused in one sentence that has these words, and nothing was changed."""
    before = read(directory, "trace.jsonl")
    result = run("train", "--resume", directory, "--quiet")
    lines = result.stderr.strip().splitlines()
    if result.returncode != 2 or len(lines) != 1 or any(word not in lines[0] for word in words):
        return f"exit {result.returncode}: {result.stderr}"
    return "" if read(directory, "trace.jsonl") == before else "the trace was changed"


must("train", *OPTIONS, "--out", "whole")
copy("whole", "cut")
without_end("cut")
copy("cut", "again")
result = run("train", "--resume", "again", "--quiet")
report(result.returncode == 0 and trace("again") == trace("whole"), "a run that is whole goes on to the same trace", result.stderr)

# ---- flipped bits ----
CONTENT = read("cut", CHECKPOINT)
(SIZE,) = struct.unpack("<Q", CONTENT[:8])


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


faults = []
for at in [8 + SIZE, len(CONTENT) - 1, *(chance.randrange(8 + SIZE, len(CONTENT)) for _ in range(30))]:
    write(flipped(CONTENT, at), "cut", CHECKPOINT)
    if fault := refuses("cut", "checkpoint.safetensors", "tensors"):
        faults.append(f"byte {at}: {fault}")
report(not faults, "no run goes on from a checkpoint with a flipped bit in its tensors", "\n".join(faults))
faults = []
for at in (chance.randrange(8 + SIZE) for _ in range(30)):
    write(flipped(CONTENT, at), "cut", CHECKPOINT)
    if fault := refuses("cut", "checkpoint.safetensors"):
        faults.append(f"byte {at}: {fault}")
report(not faults, "nor in its header", "\n".join(faults))
write(flipped(CONTENT, len(CONTENT) - 3), "cut", CHECKPOINT)
for command in (["diagnose"], ["eval"], ["ranks"]):
    result = run(*command, path("cut", CHECKPOINT))
    report(result.returncode in (0, 1) and result.stderr.startswith("note: ") and "not those that were written" in result.stderr, f"{command[0]} says that the weights were changed", result.stderr)
result = run("train", *OPTIONS, "--fork", path("cut", CHECKPOINT), "--out", "forked-damaged")
report(result.returncode == 2 and "not those that were written" in result.stderr, "no run is forked from it", result.stderr)
write(CONTENT, "cut", CHECKPOINT)
result = run("diagnose", path("cut", CHECKPOINT))
report(result.stderr == "", "of whole weights nothing is said", result.stderr)

# ---- edits of the trace ----
TRACE = read("cut", "trace.jsonl")
header = json.loads(CONTENT[8:8 + SIZE])
length = json.loads(header["__metadata__"]["config"])["trace_bytes"]
faults = []
for _ in range(40):
    at = chance.randrange(length)
    changed = bytearray(TRACE)
    changed[at] = ord("7") if changed[at] != ord("7") else ord("3")
    write(bytes(changed), "cut", "trace.jsonl")
    if fault := refuses("cut", "trace.jsonl"):
        faults.append(f"byte {at}: {fault}")
write(TRACE[:length - 200], "cut", "trace.jsonl")
if fault := refuses("cut", "trace.jsonl"):
    faults.append(f"shorter: {fault}")
write(TRACE, "cut", "trace.jsonl")
report(not faults, "no run goes on with a trace that was changed", "\n".join(faults))

# ---- edits of the configuration ----
CONFIG = json.loads(read("cut", "config.json"))
OTHER = {"model": "vgg16", "graph": "no.json", "stages": "2,2", "batch_norm": "yes", "pool_skip_mode": "conv+skip", "pool_skip_placement": "all", "pool_skip_cut": "forward",
         "optimiser": "adamw", "schedule": "cosine", "milestones": "0.5", "init_scheme": "he", "init": "x", "fork": "x", "plant": "share=0.1,cause=bias", "record": "none",
         "arm": "x", "activation": "gelu", "data": "synthetic", "freeze": "conv*", "decay_exempt": "norms", "recipe": "cct",
         "resized_crop_scale": "0.5,1", "resized_crop_ratio": "0.5,2", "rand_augment": "m3", "tokenizer": "3x2", "plan": "auto", "plan_network": "2d",
         "patch_size": "8", "split_file": "no.json", "mean": "1,1,1", "std": "2,2,2", "patch_scale": "0.5,2", "color_jitter": "0.5,0.5,0.5", "loss": "dice",
         "class_weights": "1,2"}
faults = []
for key, value in CONFIG.items():
    if key == "data":
        continue
    edited = dict(CONFIG)
    edited[key] = not value if isinstance(value, bool) else OTHER[key] if isinstance(value, str) else value + 1 if key not in ("momentum", "beta1", "beta2", "dropout", "leaky_slope", "norm_momentum", "mix_switch",
                                                                                                                             "eps", "step_factor", "label_smoothing") else 0.25
    write(json.dumps(edited).encode(), "cut", "config.json")
    if fault := refuses("cut", f'"{key}"', "config.json"):
        faults.append(f"{key}: {fault}")
report(not faults, f"each of {len(CONFIG) - 1} edited keys is refused by its name", "\n".join(faults))
lacking = {key: value for key, value in CONFIG.items() if key != "width"}
write(json.dumps(lacking).encode(), "cut", "config.json")
report(not refuses("cut", '"width"'), "so is one that was taken out", refuses("cut", '"width"'))
copy("whole", "early")
os.remove(path("early", CHECKPOINT))
without_end("early")
write(json.dumps({**CONFIG, "lr": 0.5}).encode(), "early", "config.json")
report(not refuses("early", '"lr"'), "before the first checkpoint the trace's header knows the configuration", refuses("early", '"lr"'))
write(json.dumps(CONFIG, indent=8).encode(), "cut", "config.json")
copy("cut", "spaced")
report(run("train", "--resume", "spaced", "--quiet").returncode == 0 and trace("spaced") == trace("whole"), "blanks are no edit")

# ---- where the data lie is no part of what a run is; what they are is ----
def images(folder, first):
    os.makedirs(path(folder))
    source = random.Random(3)
    for name, count in (("data_batch_1.bin", 128), ("test_batch.bin", 32)):
        content = b"".join(bytes([i % 10]) + source.randbytes(3072) for i in range(count))
        write(content[:1] + bytes([first]) * 3072 + content[3073:], folder, name)


images("here", 10)
images("other", 200)
shutil.copytree(path("here"), path("there"))
plain = [o for o in OPTIONS if o not in ("--train-limit", "256")]
must("train", *plain, "--train-limit", "64", "--test-limit", "16", "--data", "cifar10:here", "--out", "dated")
kept = trace("dated")
without_end("dated")
moved = {**json.loads(read("dated", "config.json")), "data": "cifar10:other"}
write(json.dumps(moved).encode(), "dated", "config.json")
report(not refuses("dated", '"cifar10:other"', "not the images"), "other images are refused", refuses("dated", '"cifar10:other"'))
shutil.rmtree(path("here"))
write(json.dumps({**moved, "data": "cifar10:there"}).encode(), "dated", "config.json")
result = run("train", "--resume", "dated", "--quiet")
report(result.returncode == 0 and trace("dated") == kept, "the same images elsewhere are not", result.stderr)

# ---- a network that was read from a file ----
must("train", *OPTIONS, "--out", "named")
write(run("inspect", "--model", "plain9", "--width", "0.25", "--batch-norm", "no", "--input", "3,8,8", "--json").stdout.encode(), "own.json")
own = [o for o in OPTIONS if o not in ("--width", "0.25", "0.5", "--batch-norm", "no", "--pool-skip", "2")]
must("train", *own, "--graph", "own.json", "--out", "drawn")
kept = trace("drawn")
without_end("drawn")
os.remove(path("own.json"))
result = run("train", "--resume", "drawn", "--quiet")
report(result.returncode == 0 and trace("drawn") == kept, "a run goes on with its own network when the file of it is gone", result.stderr)

# ---- forks: no clock and no place in what they are ----
DOCUMENT = {"base": {"model": "plain9", "width": 0.25, "size": 8, "batch": 16, "probe": 32, "train_limit": 128, "test_limit": 16, "steps": 8, "window": 4, "batch_norm": False},
            "seeds": [1], "fork": {"steps": 4}, "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}]}
write(json.dumps(DOCUMENT).encode(), "fork.json")


def experiment(out, *more, **options):
    return run("experiment", "fork.json", "--out", out, "--quiet", "--no-report", "--threads", "1", *more, **options)


def forked(directory):
    return [r["checkpoint"] for r in records(directory, "event") if r["event"] == "forked"]


report(experiment("fork").returncode == 0 and len(forked("fork/runs/ps2/seed-1")) == 1, "arms forked from one parent")
if preload.library():
    result = preload.run("experiment", "fork.json", "--out", "slow", "--quiet", "--no-report", "--threads", "1", clock=12345)
    differs = read("fork/runs/parent/seed-1", CHECKPOINT) != read("slow/runs/parent/seed-1", CHECKPOINT)
    report(result.returncode == 0 and differs and tensors("fork/runs/parent/seed-1/" + CHECKPOINT) == tensors("slow/runs/parent/seed-1/" + CHECKPOINT),
           "on a clock of another speed the parent has the same weights and another length of its trace", result.stderr)
    report(trace("fork/runs/ps2/seed-1") == trace("slow/runs/ps2/seed-1"), "and the forks have the same traces", tap.difference(trace("fork/runs/ps2/seed-1"), trace("slow/runs/ps2/seed-1")))
    result = run("check", "slow/runs/ps2/seed-1", "--golden", "fork/runs/ps2/seed-1/trace.jsonl")
    report(result.returncode == 0, "a golden check of a forked run holds whatever the clock says", result.stdout)
else:
    tap.skip("forks on another clock", "cannot be loaded into this program")
os.makedirs(path("far", "away"))
os.rename(path("fork"), path("far", "away", "fork"))
before = trace("far/away/fork/runs/ps2/seed-1")
shutil.rmtree(path("far/away/fork/runs/ps2"))
result = experiment("far/away/fork")
report(result.returncode == 0 and trace("far/away/fork/runs/ps2/seed-1") == before, "a forked experiment that was moved goes on as it was", result.stderr)
copy("far/away/fork", "copied")
os.remove(path("copied/runs/ps2/seed-1", CHECKPOINT))
without_end("copied/runs/ps2/seed-1")
shutil.rmtree(path("far"))
result = experiment("copied")
report(result.returncode == 0 and trace("copied/runs/ps2/seed-1") == before, "a copy forks from its own parent, when the first one is gone", result.stderr)
result = run("train", "copied/runs/ps2/seed-1/config.json", "--out", "alone", "--quiet")
report(result.returncode == 0 and tensors("alone/" + CHECKPOINT) == tensors("copied/runs/ps2/seed-1/" + CHECKPOINT), "and its configuration alone gives the same run", result.stderr)
write(flipped(read("copied/runs/ps2/seed-1/trace.jsonl"), 5000), "copied/runs/ps2/seed-1/trace.jsonl")
result = experiment("copied")
report(result.returncode == 2 and "trace.jsonl" in result.stderr and len(result.stderr.strip().splitlines()) == 1, "a finished run whose trace was changed is not taken for done", result.stderr)
tap.done()
