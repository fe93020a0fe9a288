"""examples/ci as its users would go through it: copied into a new git repository by the README's own commands, the hook at the first commit and
after, the workflow step by step (but for building), with and without a golden trace; its rules on every seed and instruction set tried."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, ROOT, SLOW, done, path, report, run, skip  # noqa: E402

CI = os.path.join(ROOT, "examples", "ci")
with open(os.path.join(CI, "poolscope.yml")) as stream:
    workflow = stream.read()
with open(os.path.join(CI, "README.md")) as stream:
    readme = stream.read()


def steps():
    """(name, script) of every step with a `run`."""
    for block in re.split(r"^      - ", workflow, flags=re.M)[1:]:
        name = re.search(r"name: (.*)", block)
        script = re.search(r"^        run: (?:\|\n((?:          .*\n)+)|(.*)$)", block, re.M)
        if script:
            yield name.group(1), re.sub(r"^          ", "", script.group(1) or script.group(2), flags=re.M)


scripts = dict(steps())
report(list(scripts) == ["Build poolscope", "Train", "Check"], "the workflow's steps are those that are run here", list(scripts))
for variable in sorted(set(re.findall(r"\bvars\.(\w+)", workflow))):
    report(variable in readme, f"the README says that {variable} is needed")

checkout = path("checkout")
os.makedirs(checkout)
os.makedirs(path("bin"))
os.symlink(PROGRAM, path("bin", "poolscope"))
environment = {**os.environ, "PATH": path("bin") + ":" + os.environ["PATH"], "RUNNER_TEMP": path("temp"), "HOME": path(), "GIT_CONFIG_NOSYSTEM": "1",
               **{f"GIT_{who}_{what}": "tester@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}
for variable in [name for name in environment if name.startswith("GIT_") and name in os.environ]:
    del environment[variable]  # those of a repository that runs this test
environment.update({f"GIT_{who}_{what}": "tester@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")})


def shell(script, **variables):
    return subprocess.run(["bash", "-e", "-c", script], cwd=checkout, env={**environment, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def step(name, **variables):
    return shell(scripts[name], **variables)


def said(result):
    return f"exit {result.returncode}\n{result.stdout[-800:]}{result.stderr[-800:]}"


def inside(name):
    return os.path.join(checkout, name)


# ---- the README's commands, in a new repository ----
commands = re.search(r"In your repository:\n\n((?:    .*\n)+)", readme).group(1).replace("CI/", CI + "/")
git = shutil.which("git") is not None
result = shell("git init -q ." if git else "mkdir -p .git/hooks")
result = shell(commands)
report(result.returncode == 0 and os.access(inside(".git/hooks/pre-commit"), os.X_OK), "the README's commands set it up", said(result))

# ---- the hook ----
if not git:
    for name in range(8):
        skip("the hook", "no git")
else:
    result = shell("echo a >a; git add -A; git commit -qm first")
    report(result.returncode == 0 and "checks held" in result.stdout + result.stderr, "the first commit passes", said(result))
    golden = re.search(r"^    sh .poolscope/train.sh \S+\n    poolscope check .*--bless\n", readme, re.M).group(0)
    result = shell(golden + "git add -A; git commit -qm golden")
    report(result.returncode == 0 and "golden coverage: 8 of 8 steps" in result.stdout + result.stderr, "and with a golden trace", said(result))
    tracked = shell("git ls-files").stdout.split()
    report(".poolscope/golden.jsonl" in tracked and not [name for name in tracked if name.endswith(("trace.jsonl", ".safetensors", "config.json"))],
           "no run is put into the repository", tracked)
    shell("sed -i 's/--lr 0.001/--lr 0.002/' .poolscope/train.sh")
    result = shell("git commit -qam changed")
    report(result.returncode != 0 and "config.lr" in result.stdout + result.stderr and shell("git log --format=%s").stdout == "golden\nfirst\n", "a changed training is stopped", said(result))
    result = shell("git commit -qam changed --no-verify && git revert --no-edit HEAD")
    report(result.returncode == 0, "but by --no-verify; back again it passes", said(result))
    result = shell("git mv .poolscope poolscope-away; git commit -qm none")
    report(result.returncode == 0 and "no training is checked" in result.stderr, "without a training there is nothing to check", said(result))
    result = shell("git mv poolscope-away .poolscope; git commit -qm back", PATH="/usr/bin:/bin", POOLSCOPE="no-such-program")
    report(result.returncode != 0 and "set POOLSCOPE" in result.stderr, "without the program the commit stops, with the remedy", said(result))
    result = shell("git mv .poolscope/checks.txt c && git mv .poolscope/golden.jsonl g; git commit -qm back; code=$?; git mv c .poolscope/checks.txt; git rm -q --cached g; exit $code")
    report(result.returncode == 0 and "nothing is checked" in result.stderr, "nor without rules and golden trace", said(result))
for name in ("golden.jsonl", "tolerances.json"):
    if os.path.exists(inside(".poolscope/" + name)):
        os.remove(inside(".poolscope/" + name))

# ---- the rules: every seed, every instruction set and core that is tried ----
machines = [{}, {"PS_SIMD": "base"}, {"PS_SIMD": "base", "OPENBLAS_CORETYPE": "Prescott"}, {"OPENBLAS_CORETYPE": "Nehalem"}]
failed = []
for seed in range(1, 31 if SLOW else 9):
    for machine in machines if seed < 4 else machines[:1]:
        result = shell(f"sh .poolscope/train.sh seeds --seed {seed} && poolscope check seeds --checks .poolscope/checks.txt", **machine)
        if result.returncode != 0:
            failed.append(f"seed {seed} {machine}: {said(result)}")
report(not failed, "the rules hold for every seed and instruction set tried", "\n".join(failed))
broken = {"a loss that blew up": 'max(loss) < 20', "no gradient": "min(grad_norm) > 1e-6", "dead nodes": "max(dead_share) < 0.5"}
with open(inside("seeds/trace.jsonl")) as stream:
    records = [json.loads(line) for line in stream]
for name, rule in broken.items():
    for record in records:
        if record["type"] == "step" and record["step"] == 3:
            record["loss"], record["grad_norm"] = (1e3, 1) if "loss" in rule else (2, 0 if "norm" in rule else 1)
        if record["type"] == "probe" and "dead" in rule:
            record["values"]["nonzero"] = [0] * len(record["values"]["nonzero"])
            for bound in ("pre_max_low", "pre_max_high"):
                if bound in record["values"]:
                    record["values"][bound] = [-1] * len(record["values"][bound])
    with open(inside("broken.jsonl"), "w") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)
    result = shell("poolscope check broken.jsonl --checks .poolscope/checks.txt")
    report(result.returncode == 1 and f"FAIL {rule}" in result.stdout, f"and find {name}", said(result))

# ---- the workflow ----
result = step("Build poolscope")
report(result.returncode != 0 and "POOLSCOPE_REPOSITORY" in result.stderr, "without the variable the build says which one is missing", result.stderr)
result = step("Train")
report(result.returncode == 0, "it trains", said(result))
result = step("Check")
report(result.returncode == 0 and os.path.exists(inside("check.sarif")) and os.path.exists(inside("check.xml")), "it checks without a golden trace", said(result))
blessed = run("check", "poolscope-run", "--golden", ".poolscope/golden.jsonl", "--bless", cwd=checkout)
result = step("Check")
report(result.returncode == 0, "with one", said(blessed) + said(result))
loop = re.search(r"^    for seed in.*?^    poolscope check --calibrate [^\n]*\n", readme, re.M | re.S).group(0).replace("1 2 3 4 5", "1 2 3" if not SLOW else "1 2 3 4 5")
result = shell(loop)
report(result.returncode == 0 and os.path.exists(inside(".poolscope/tolerances.json")), "the README's commands measure tolerances", said(result))
if git:
    left = shell("git status --porcelain --untracked-files=all").stdout.split("\n")
    report(not [line for line in left if "poolscope/runs" in line], "and leave no runs in sight of git", "\n".join(left))
else:
    skip("and leave no runs in sight of git", "no git")
result = step("Check")
report(result.returncode == 0, "and it checks with them", said(result))

# Another learning rate: few results, all counted, and inside the repository.
os.remove(inside(".poolscope/tolerances.json"))
shell("sh .poolscope/train.sh poolscope-run --lr 0.0011")
result = step("Check")
with open(inside("check.sarif")) as stream:
    results = json.load(stream)["runs"][0]["results"]
addresses = {place["physicalLocation"]["artifactLocation"]["uri"] for r in results for place in r["locations"]}
counted = sum(r["occurrenceCount"] for r in results)
report(result.returncode == 1 and addresses == {"poolscope-run/trace.jsonl"}, "what failed lies inside the repository", f"{addresses} {said(result)}")
report(len(results) <= 51 < counted and os.path.getsize(inside("check.sarif")) < 75000, "a changed learning rate is some fifty results, whatever it changes",
       f"{len(results)} results of {counted}, {os.path.getsize(inside('check.sarif'))} bytes")

# A golden trace of another machine: the failure says so.
with open(inside(".poolscope/golden.jsonl")) as stream:
    golden = stream.read()
with open(inside(".poolscope/golden.jsonl"), "w") as stream:
    stream.write(re.sub(r'"simd":"[^"]*"', '"simd":"other"', golden, count=1))
result = step("Check")
report(result.returncode == 1 and "instruction set: other in the golden trace" in result.stdout and "--calibrate" in result.stdout, "a golden trace of another instruction set is called that", said(result))
shell("sh .poolscope/train.sh poolscope-run")
result = step("Check")
report(result.returncode == 0 and "instruction set" not in result.stdout, "but not where the values are equal", said(result))
done()
