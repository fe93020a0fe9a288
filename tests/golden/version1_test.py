#!/usr/bin/env python3
"""Traces of version 1, kept in tests/golden/version-1, are read as ever: their verdict and tables are those of the same runs in version 2, whose headers
say what the arms are. There nothing hangs on the configuration: with none, or an odd one, no control is taken for the treatment."""
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from tap import done, must, path, report, run  # noqa: E402

PLAIN = {"role": "baseline", "pool_size": 0, "zero_init": False, "cut": "none", "activation": "relu", "reinit_dead": 0}
ARMS = {"base": PLAIN, "module": {**PLAIN, "role": "pool_skip", "pool_size": 2}, "grid": {**PLAIN, "role": "grid", "pool_size": 2},
        "cut": {**PLAIN, "role": "cut_gradient", "pool_size": 2, "cut": "gradient"}, "renewed": {**PLAIN, "role": "reinit", "reinit_dead": 4}}
SEEDS = (1, 2)
ODD = {"pool_skip": "two", "pool_skip_mode": 3, "pool_skip_cut": None}


def lines_of(arm, seed):
    with open(os.path.join(HERE, "version-1", f"{arm}{seed}.jsonl")) as stream:
        return stream.read().splitlines()


def write(name, lines, **keys):
    header = {**json.loads(lines[0]), **keys}
    with open(path(name), "w") as stream:
        stream.write("\n".join([json.dumps(header), *lines[1:]]) + "\n")


def compare(**keys):
    """The comparison of the runs with these keys in their headers, which all stand at the same paths: (its folder's texts, what it printed)."""
    for arm, arm_is in ARMS.items():
        for seed in SEEDS:
            write(f"{arm}{seed}.jsonl", lines_of(arm, seed), **({**keys, "arm_is": arm_is} if keys else {}))
    out = must("compare", *[f"--arm={arm}=" + ",".join(f"{arm}{seed}.jsonl" for seed in SEEDS) for arm in ARMS], "--out", "compared").stdout
    texts = {}
    for folder, _, names in os.walk(path("compared")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as stream:
                texts[name] = stream.read()
    return texts, out


def differing(one, other):
    return "\n".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


old, old_out = compare()
for arm in ARMS:
    report(run("validate", f"{arm}1.jsonl").returncode == 0, f"version 1, {arm}: follows the format")
new, new_out = compare(version=2)
for arm in ARMS:
    report(run("validate", f"{arm}1.jsonl").returncode == 0, f"version 2, {arm}: follows the format")
report(old["verdict.json"] == new["verdict.json"], "the verdict of version 1 is that of the same runs in version 2")
report(old == new and old_out == new_out, "and so is everything else", differing(old, new))
for name, config in (("no configuration", {}), ("an odd configuration", ODD)):
    texts, out = compare(version=2, config=config)
    apart = {"identity.tsv", "comparison.manifest.tsv"}  # they tell configurations apart
    report(not set(differing(texts, new).split()) - apart, f"with {name} nothing changes in version 2", differing(texts, new))

# In version 1 what poolscope did not write is no treatment either.
for arm in ("base", "module"):
    for seed in SEEDS:
        write(f"{arm}{seed}.jsonl", lines_of(arm, seed), **({"config": {"pool_skip": 2, "pool_skip_cut": "sideways"}} if arm == "module" else {}))
out = must("compare", "--arm=base=base1.jsonl,base2.jsonl", "--arm=module=module1.jsonl,module2.jsonl", "--out", "odd").stdout
with open(path("odd/verdict.json")) as stream:
    report("no arm with Pool Skip" in stream.read(), "version 1, an unknown cut: an arm of another kind", out)

# What contradicts itself is refused by every reader, by the key that does so.
for name, arm, arm_is, words in (
        ("none", "module", None, '"arm_is" must be an object'), ("an unknown role", "module", {**ARMS["module"], "role": "treatment"}, '"role" must be one of'),
        ("a baseline with modules", "module", PLAIN, 'the role "baseline" has no module, but layer "conv0" names one'),
        ("a treatment whose gradient is cut", "module", {**ARMS["module"], "cut": "gradient"}, '"cut" contradicts the role "pool_skip"'),
        ("a cut arm without a cut", "module", {**ARMS["cut"], "cut": "none"}, '"cut" contradicts the role "cut_gradient"'),
        ("a leaky arm of ReLUs", "base", {**PLAIN, "role": "leaky"}, '"activation" contradicts the role "leaky"'),
        ("a baseline that is drawn anew", "base", {**PLAIN, "reinit_dead": 1}, '"reinit_dead" contradicts the role "baseline"'),
        ("a baseline with a pool size", "base", {**PLAIN, "pool_size": 2}, '"pool_size" contradicts the role "baseline"'),
        ("half a pool size", "module", {**ARMS["module"], "pool_size": 1.5}, '"pool_size" must be a whole number'),
        ("zero_init as a number", "module", {**ARMS["module"], "zero_init": 1}, '"zero_init" must be true or false'),
        ("an unknown cut", "module", {**ARMS["module"], "cut": "sideways"}, '"cut" must be none, forward or gradient')):
    lines = lines_of(arm, 1)
    write("faulty.jsonl", lines, version=2, **({"arm_is": arm_is} if arm_is is not None else {}))
    checked, read = run("validate", "faulty.jsonl"), run("explain", "faulty.jsonl", "conv0:0")
    report(checked.returncode == 1 and words in checked.stdout, f"arm_is, {name}: validate says so", checked.stdout + checked.stderr)
    report(read.returncode == 2 and words in read.stderr, f"arm_is, {name}: refused by readers", read.stdout + read.stderr)
write("faulty.jsonl", lines_of("module", 1), version=2, arm_is={**PLAIN, "role": "other"})
report(run("validate", "faulty.jsonl").returncode == 0, "of another kind an arm may be whatever it is")
write("faulty.jsonl", lines_of("module", 1), version=3, arm_is=ARMS["module"])
read = run("explain", "faulty.jsonl", "conv0:0")
report(read.returncode == 2 and "has trace version 3, and this program reads versions 1 to 2; take a newer poolscope" in read.stderr, "version 3: what to do is said", read.stderr)
done()
