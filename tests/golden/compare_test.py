#!/usr/bin/env python3
"""What `compare` prints of made-up traces is what it printed when tests/golden/compare.txt was written: the words exactly, numbers to a part in a
thousand (the last digit of a printed one may round otherwise elsewhere). Where a change is meant, `make golden-update` rewrites the file and shows it."""
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
import made_up  # noqa: E402
from tap import done, must, path, report, run  # noqa: E402

GOLDEN = os.path.join(HERE, "compare.txt")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
ARMS = {"baseline": ({}, 1, 1), "ps2": ({"pool_skip": 2, "pool_skip_zero_init": True}, 2, 0.6), "ps4": ({"pool_skip": 4, "pool_skip_zero_init": True}, 1.5, 0.8)}


def differences(now, golden):
    """Lines that say something else, as a person would want to see them."""
    found = []
    for a, b in zip(now, golden):
        x, y = NUMBER.findall(a), NUMBER.findall(b)
        same = NUMBER.sub("#", " ".join(a.split())) == NUMBER.sub("#", " ".join(b.split())) and len(x) == len(y)
        if not same or any(abs(float(p) - float(q)) > 1e-3 * abs(float(q)) + 1e-9 for p, q in zip(x, y)):
            found += ["- " + b, "+ " + a]
    return found + ([f"{len(now)} lines, {len(golden)} in the golden file"] if len(now) != len(golden) else [])


SEEDS = range(1, 11)
for arm, (config, revival, death) in ARMS.items():
    for seed in SEEDS:
        made_up.write(path(f"{arm}{seed}"), arm, seed, config, revival, death)
arms = [f"--arm={arm}=" + ",".join(f"{arm}{seed}" for seed in SEEDS) for arm in ARMS]
text = must("compare", *arms, "--out", "compared").stdout
if os.environ.get("PS_GOLDEN_UPDATE"):
    with open(GOLDEN, "w") as stream:
        stream.write(text)
with open(GOLDEN) as stream:
    golden = stream.read().splitlines()
found = differences(text.splitlines(), golden)
report(not found, "the summary of a comparison is the golden one (make golden-update, where a change is meant)", "\n".join(found))
at = next(i for i, line in enumerate(golden) if line.startswith("  baseline"))
for name, line in (("a number off by a hundredth", NUMBER.sub(lambda m: f"{float(m.group()) * 1.01:.9g}", golden[at])), ("another word", golden[at].replace("baseline", "basement"))):
    report(len(differences([*golden[:at], line, *golden[at + 1:]], golden)) == 2, f"{name} is seen")
report(differences(golden[:-1], golden) != [], "and a line that is missing")
report(run("explain", "compared", "P2").returncode == 0, "and its numbers are traced back")
done()
