"""What arms differ in is said before the first run, and is what `compare` finds after the last; refused is only what leaves nothing to compare."""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
from tap import done, must, path, report, run

BASE = {"model": "plain9", "width": 0.25, "size": 8, "batch": 8, "probe": 16, "train_limit": 64, "test_limit": 16, "steps": 4, "window": 2}
# Settings of an arm beside the baseline's, and what a refusal names.
REFUSED = [({"probe": 24}, '"data"'), ({"train_limit": 48}, '"data"'), ({"test_limit": 8}, '"data"'), ({"size": 12}, '"data"'), ({"record": "layer:stage1*"}, "layer:stage1*")]
# Settings that make runs no pairs: the note's words, and the keys that the verdict names.
UNLIKE = [({"lr": 0.1}, '("lr=0.1" instead of "lr=0.05")', ["optimiser"]), ({"optimiser": "adamw"}, "adamw", ["optimiser"]), ({"weight_decay": 0.001}, "decay=0.001", ["optimiser"]),
          ({"schedule": "cosine"}, "cosine", ["optimiser"]), ({"milestones": "0.5"}, "milestones=0.5", ["optimiser"]), ({"steps": 6}, "steps (\"6\"", ["steps"]),
          ({"batch": 16}, "batch (\"16\"", ["batch"]), ({"window": 4}, "window (\"4\"", ["window"]), ({"crop_pad": 2}, "crop_pad=2", ["order"]), ({"flip": True}, "flip=yes", ["order"]),
          ({"rotate": 15}, "rotate=15", ["order"]), ({"rand_augment": "m9-mstd0.5-inc1"}, "rand_augment=m9-mstd0.5-inc1", ["order"]),
          ({"mixup": 0.8, "label_smoothing": 0.1}, "mixup=0.8 label_smoothing=0.1", ["order"]), ({"crop_pad": 1, "crop_black": True}, "crop_black=yes", ["order"]),
          ({"width": 0.5}, "backbone; layers", ["backbone", "layers"]), ({"init_scheme": "he"}, "backbone", ["backbone"]), ({"batch_norm": "no"}, "backbone", ["backbone", "layers"]),
          ({"model": "resnet18"}, "backbone; layers", ["backbone", "layers"]), ({"plant": "count=1,cause=bias"}, "backbone", ["backbone"]),
          ({"lr": 0.01, "momentum": 0.5}, '("lr=0.01 momentum=0.5" instead of "lr=0.05 momentum=0.9")', ["optimiser"])]
ALIKE = [{"pool_skip": 2}, {"leaky_slope": 0.1}, {"reinit_dead": 1}, {"eval_every": 1}, {"checkpoint_every": 0}, {"record": "zeros,nonzero*,path*"}, {"test_limit": 16}, {"dropout": -1},
         {"pool_skip": 2, "pool_skip_zero_init": True}]


def write(name, arms, **more):
    with open(path(name + ".json"), "w") as stream:
        json.dump({"base": BASE, "arms": arms, "seeds": [1], **more}, stream)
    return name + ".json"


def train(name, settings):
    with open(path(name + ".json"), "w") as stream:
        json.dump({**BASE, **settings}, stream)
    must("train", name + ".json", "--out", name, "--quiet", "--threads", "1")
    return name


def compare(number, settings):
    result = run("compare", "--arm", "baseline=base", "--arm", "other=" + train(f"run{number}", settings), "--out", "compared", "--quiet")
    if result.returncode != 0:
        return result, None
    with open(path("compared", "verdict.json")) as stream:
        return result, {arm["name"]: arm for arm in json.load(stream)["arms"]}["other"]


train("base", {})
number = 0
for settings, word in REFUSED:
    text, number = json.dumps(settings), number + 1
    file = write("e", [{"name": "other", **settings}, {"name": "baseline"}])
    dry, real = run("experiment", file, "--dry-run", "--threads", "1"), run("experiment", file, "--out", "out", "--quiet", "--no-report")
    report(dry.returncode == real.returncode == 2 and dry.stderr == real.stderr and word in dry.stderr and 'arm "other"' in dry.stderr and not os.path.exists(path("out")),
           f"{text} is refused before the first run", dry.stderr + real.stderr)
    report(compare(number, settings)[0].returncode == 2, f"{text}: compare says the same")
for settings, word, keys in UNLIKE:
    text, number = json.dumps(settings), number + 1
    dry = run("experiment", write("e", [{"name": "other", **settings}, {"name": "baseline"}]), "--dry-run", "--threads", "1")
    way = "index" if "backbone" in keys else "seed"
    report(dry.returncode == 0 and word in dry.stderr and f"side by side by {way}" in dry.stderr, f"{text} is said before the first run", dry.stderr)
    result, arm = compare(number, settings)
    report(arm is not None and [d["key"] for d in arm["differs"]] == keys and arm["side_by_side"] == way and set(settings) == {d["key"] for d in arm["settings"]},
           f"{text}: compare finds the same", result.stderr + json.dumps(arm))
for settings in ALIKE:
    text, number = json.dumps(settings), number + 1
    dry = run("experiment", write("e", [{"name": "other", **settings}, {"name": "baseline"}]), "--dry-run", "--threads", "1")
    report(dry.returncode == 0 and "differ" not in dry.stderr, f"{text}: pairs all the same", dry.stderr)
    result, arm = compare(number, settings)
    report(arm is not None and arm["differs"] == [] and arm["side_by_side"] == "seed", f"{text}: compare finds pairs", result.stderr + json.dumps(arm))

# Which predictions will not be testable stands there before any compute, for the arms that each would compare: of several the one that makes pairs.
SLOW = {"lr": 0.01}
said = run("experiment", write("e", [{"name": "baseline"}, {"name": "slow", "pool_skip": 2, **SLOW}]), "--dry-run").stderr
report(re.search(r'Not testable.*P6.*\("slow" against "baseline": optimiser\)', said), "predictions that will not be testable are named", said)
said = run("experiment", write("e", [{"name": "baseline"}, {"name": "slow", **SLOW}, {"name": "ps2_slow", "pool_skip": 2, **SLOW}]), "--dry-run").stderr
report("No prediction of the list compares arms that differ so" in said and '"ps2_slow"' in said, "an arm that makes pairs with another one is compared with that", said)
file = write("e", [{"name": "baseline"}, {"name": "slow", "pool_skip": 2, "pool_skip_zero_init": True, **SLOW}])
must("experiment", file, "--out", "slow", "--quiet", "--no-report")
with open(path("slow", "verdict.json")) as stream:
    verdict = json.load(stream)
of = {p["id"]: p for p in verdict["predictions"]}
report(of["P6"]["verdict"] == "not_testable" and "arms slow and baseline differ in optimiser, too" in of["P6"]["sentence"], "and are not, in the verdict, for that reason", of["P6"]["sentence"])
report(any("differ in more than the arm" in s and "lr (0.01 instead of 0.05)" in s and "They share backbone, data, order, steps" in s for s in verdict["summary"]),
       "the summary says what is shared", verdict["summary"])

# A part of an experiment is asked for its own arms alone; forks do not wait for their parent.
file = write("e", [{"name": "baseline"}, {"name": "short", "test_limit": 8}, {"name": "ps2", "pool_skip": 2}])
report(run("experiment", file, "--dry-run", "--arms", "ps2").returncode == 0, "an arm that is not asked for is not asked about")
file = write("f", [{"name": "baseline"}, {"name": "half", "width": 0.5}], fork={"steps": 2})
result = run("experiment", file, "--out", "forked", "--quiet")
report(result.returncode == 2 and '"backbone"' in result.stderr and not os.path.exists(path("forked")), "arms of a fork are compared before their parent is trained", result.stderr)
file = write("f", [{"name": "baseline"}, {"name": "adamw", "optimiser": "adamw", "lr": 0.001}], fork={"steps": 2})
report(run("experiment", file, "--dry-run").returncode == 0, "arms of a fork may have optimisers of their own")
done()
