"""What an experiment refuses before its first run is what `compare` would refuse after the last, and nothing else."""
import json
import os
import sys

sys.dont_write_bytecode = True
from tap import done, must, path, report, run

BASE = {"model": "plain9", "width": 0.25, "size": 8, "batch": 8, "probe": 16, "train_limit": 64, "test_limit": 16, "steps": 4, "window": 2}
# Settings of an arm beside the baseline's, and what a refusal names.
UNLIKE = [({"lr": 0.1}, "lr=0.1"), ({"optimiser": "adamw"}, "adamw"), ({"weight_decay": 0.001}, "decay=0.001"), ({"schedule": "cosine"}, "cosine"),
          ({"milestones": "0.5"}, "milestones=0.5"), ({"steps": 6}, "6"), ({"batch": 16}, "16"), ({"window": 4}, "4"), ({"crop_pad": 2}, "crop_pad=2"), ({"flip": True}, "flip=yes"),
          ({"probe": 24}, '"data"'), ({"train_limit": 48}, '"data"'), ({"test_limit": 8}, '"data"'), ({"size": 12}, '"data"'), ({"width": 0.5}, '"backbone"'),
          ({"init_scheme": "he"}, '"backbone"'), ({"batch_norm": "no"}, '"backbone"'), ({"model": "resnet18"}, '"backbone"'), ({"plant": "count=1,cause=bias"}, '"backbone"'),
          ({"record": "layer:stage1*"}, "layer:stage1*")]
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


train("base", {})
for number, (settings, word) in enumerate(UNLIKE + [(s, None) for s in ALIKE]):
    text = json.dumps(settings)
    file = write("e", [{"name": "other", **settings}, {"name": "baseline"}])
    dry, real = run("experiment", file, "--dry-run", "--threads", "1"), None
    if word is not None:
        real = run("experiment", file, "--out", "out", "--quiet", "--no-report")
        report(dry.returncode == real.returncode == 2 and dry.stderr == real.stderr and word in dry.stderr and 'arm "other"' in dry.stderr and not os.path.exists(path("out")),
               f"{text} is refused before the first run", dry.stderr + real.stderr)
    else:
        report(dry.returncode == 0, f"{text} may differ between arms", dry.stderr)
    compared = run("compare", "--arm", "baseline=base", "--arm", "other=" + train(f"run{number}", settings), "--out", "compared", "--quiet")
    report((compared.returncode == 2) == (word is not None), f"{text}: compare says the same", compared.stderr)

# The message has what differs, and no more of it.
said = run("experiment", write("e", [{"name": "baseline"}, {"name": "slow", "lr": 0.01, "momentum": 0.5}]), "--dry-run").stderr
report('is "lr=0.01 momentum=0.5" in it and "lr=0.05 momentum=0.9" in the reference' in said and "nesterov" not in said, "of long texts the words that differ are shown", said)
# A part of an experiment is asked for its own arms alone; forks do not wait for their parent.
file = write("e", [{"name": "baseline"}, {"name": "slow", "lr": 0.01}, {"name": "ps2", "pool_skip": 2}])
report(run("experiment", file, "--dry-run", "--arms", "ps2").returncode == 0, "an arm that is not asked for is not asked about")
file = write("f", [{"name": "baseline"}, {"name": "half", "width": 0.5}], fork={"steps": 2})
result = run("experiment", file, "--out", "forked", "--quiet")
report(result.returncode == 2 and '"backbone"' in result.stderr and not os.path.exists(path("forked")), "arms of a fork are compared before their parent is trained", result.stderr)
done()
