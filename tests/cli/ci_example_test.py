"""The workflow of examples/ci as a runner would go through it, step by step (but for building): with and without tolerances, from an empty checkout."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, ROOT, TINY, done, path, report, run  # noqa: E402

with open(os.path.join(ROOT, "examples", "ci", "poolscope.yml")) as stream:
    workflow = stream.read()
with open(os.path.join(ROOT, "examples", "ci", "README.md")) as stream:
    readme = stream.read()


def steps():
    """(name, script) of every step with a `run`."""
    for block in re.split(r"^      - ", workflow, flags=re.M)[1:]:
        name = re.match(r"name: (.*)", block)
        script = re.search(r"^        run: (?:\|\n((?:          .*\n)+)|(.*)$)", block, re.M)
        if script:
            yield name.group(1), re.sub(r"^          ", "", script.group(1) or script.group(2), flags=re.M)


scripts = dict(steps())
report(list(scripts) == ["Build poolscope", "Train", "Check", "Check the rules"], "the workflow's steps are those that are run here", list(scripts))
for variable in sorted(set(re.findall(r"\bvars\.(\w+)", workflow))):
    report(variable in readme, f"the README says that {variable} is needed")

checkout = path("checkout")
os.makedirs(os.path.join(checkout, ".poolscope"))
os.makedirs(path("bin"))
os.symlink(PROGRAM, path("bin", "poolscope"))
shutil.copy(os.path.join(ROOT, "examples", "ci", "checks.txt"), os.path.join(checkout, ".poolscope"))
with open(os.path.join(checkout, ".poolscope", "train.sh"), "w") as stream:
    stream.write(f"poolscope train --model plain9 {' '.join(TINY)} --steps 4 --window 2 --force --out \"$1\"\n")
environment = {**os.environ, "PATH": path("bin") + ":" + os.environ["PATH"], "RUNNER_TEMP": path("temp")}


def step(name):
    return subprocess.run(["bash", "-e", "-c", scripts[name]], cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


result = step("Build poolscope")
report(result.returncode != 0 and "POOLSCOPE_REPOSITORY" in result.stderr, "without the variable the build says which one is missing", result.stderr)
result = step("Train")
report(result.returncode == 0, "it trains", result.stderr)
blessed = run("check", "poolscope-run", "--golden", ".poolscope/golden.jsonl", "--bless", cwd=checkout)
for tolerances in (False, True):
    if tolerances:
        run("check", "--calibrate", "poolscope-run", "poolscope-run", "--out", ".poolscope/tolerances.json", cwd=checkout)
    result = step("Check")
    report(result.returncode == 0, f"it checks {'with' if tolerances else 'without'} a tolerance file", blessed.stderr + result.stdout + result.stderr)
result = step("Check the rules")
report(result.returncode in (0, 1) and os.path.exists(os.path.join(checkout, "check.xml")), "it checks the rules", result.stderr)
with open(os.path.join(checkout, ".poolscope", "golden.jsonl")) as stream:
    golden = stream.read()
with open(os.path.join(checkout, ".poolscope", "golden.jsonl"), "w") as stream:
    stream.write(re.sub(r'"loss":[0-9.e+-]+', '"loss":0', golden))
os.remove(os.path.join(checkout, ".poolscope", "tolerances.json"))
result = step("Check")
with open(os.path.join(checkout, "check.sarif")) as stream:
    addresses = {l["physicalLocation"]["artifactLocation"]["uri"] for r in json.load(stream)["runs"][0]["results"] for l in r["locations"]}
report(result.returncode == 1 and addresses == {"poolscope-run/trace.jsonl"}, "what failed lies inside the repository", f"{result.returncode} {addresses} {result.stderr}")
done()
