"""Names in the bytes of Latin-1, which JSON has no texts for: what a run would write into its trace is refused, and where results name files all that
is written is UTF-8 all the same."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, ROOT, TINY, WORK, done, must, path, report  # noqa: E402

FOLDER = b"caf\xe9"


def run(*words):
    return subprocess.run([PROGRAM, *words], cwd=WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def decodes(data):
    try:
        data.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


os.mkdir(os.path.join(os.fsencode(WORK), FOLDER))
small = ["train", "--model", "plain9", *TINY, "--steps", "4", "--window", "2"]
for option, value in (("--data", b"idx:" + FOLDER), ("--arm", b"caf\xe9"), ("--init", FOLDER + b"/x.safetensors"), ("--fork", FOLDER)):
    result = run(*small, option, value, "--out", "refused")
    report(result.returncode == 2 and b"no UTF-8" in result.stderr and decodes(result.stderr) and not os.path.exists(path("refused", "trace.jsonl")),
           f"train {option}: refused with a sentence", result.stderr)
for arm in (b"baseline", b"ps2"):
    result = run(*small, *(["--pool-skip", "2"] if arm == b"ps2" else []), "--out", FOLDER + b"/" + arm)
    report(result.returncode == 0 and decodes(open(os.path.join(os.fsencode(WORK), FOLDER, arm, b"trace.jsonl"), "rb").read()), f"a run in such a folder: {arm.decode()}", result.stderr)
baseline, ps2 = FOLDER + b"/baseline", FOLDER + b"/ps2"
result = run("compare", "--arm", b"caf\xe9=" + baseline, "--out", "refused")
report(result.returncode == 2 and b"is no UTF-8" in result.stderr, "compare: such a name of an arm is refused", result.stderr)
must(*small, "--out", "plain")
commands = {
    "validate": ["validate", baseline],
    "compare": ["compare", "--arm", b"baseline=" + baseline, "--arm", b"ps2=" + ps2, "--out", FOLDER + b"/cmp"],
    "report": ["report", FOLDER + b"/cmp", "--quiet"],
    "explain": ["explain", FOLDER + b"/cmp", "P6"],
    "check": ["check", ps2, "--golden", baseline, "--format", "json", "--out", "check.json"],
    "check, sarif": ["check", ps2, "--golden", baseline, "--format", "sarif", "--out", "check.sarif"],
    "check, junit": ["check", ps2, "--golden", baseline, "--format", "junit", "--out", "check.xml"],
    "calibrate": ["check", "--calibrate", baseline, baseline, "--out", "tolerances.json"],
    "diagnose": ["diagnose", baseline, "--json"],
    "eval": ["eval", baseline, "--json"],
    "watch": ["watch", baseline, "--once"],
    "compensation": ["compensation", ps2],
    "ranks": ["ranks", baseline],
}
for name, command in commands.items():
    result = run(*command)
    report(result.returncode in (0, 1) and decodes(result.stdout) and decodes(result.stderr), f"{name}: what it prints is UTF-8", result.stdout[-300:] + result.stderr)
# A byte order mark means the same everywhere: nothing. UTF-16 is called that.
MARK = "\ufeff".encode()
with open(os.path.join(ROOT, "examples", "custom-net", "two-paths.json"), "rb") as stream:
    graph = stream.read()
with open(path("plain", "trace.jsonl"), "rb") as stream:
    trace = stream.read()
must("check", "--calibrate", "plain", "plain", "--out", "tolerances.json", "--first-steps", "2")
with open(path("tolerances.json"), "rb") as stream:
    tolerances = stream.read()
plain = ["--model", "plain9", *TINY, "--steps", "4", "--window", "2"]
settings = json.dumps({"name": "x", "seeds": [1], "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}]}).encode()
documents = {
    "configuration": (b'{"seed": 3}\r\n', ["train", "FILE", *plain, "--out", "of-config", "--force"]),
    "experiment": (settings, ["experiment", "FILE", *plain, "--dry-run", "--out", "of-experiment"]),
    "rules": (b"finished == 1\r\nsteps == 4\r\n", ["check", "plain", "--checks", "FILE"]),
    "tolerances": (tolerances, ["check", "plain", "--golden", "plain", "--tolerance", "FILE"]),
    "graph": (graph, ["inspect", "--graph", "FILE"]),
    "trace, check": (trace, ["check", "FILE", "--expect", "steps == 4"]),
    "trace, golden": (trace, ["check", "plain", "--golden", "FILE"]),
    "trace, compare": (trace, ["compare", "--arm", "a=FILE", "--out", "of-trace"]),
    "trace, validate": (trace, ["validate", "FILE"]),
    "trace, watch": (trace, ["watch", "FILE", "--once"]),
}
for name, (content, command) in documents.items():
    for kind, data in (("plain", content), ("with a byte order mark", MARK + content), ("in UTF-16", content.decode().encode("utf-16"))):
        with open(path("document"), "wb") as stream:
            stream.write(data)
        result = run(*[word.replace("FILE", "document") for word in command])
        said = result.stdout + result.stderr
        report(b"UTF-16" in said and result.returncode == 2 if kind == "in UTF-16" else result.returncode == 0 and b"BREAK" not in said, f"{name}, {kind}", f"{result.returncode} {said[-400:]}")
wrong = []
for folder, _, files in os.walk(os.fsencode(WORK)):
    for file in files:
        with open(os.path.join(folder, file), "rb") as stream:
            data = stream.read()
        if file.endswith((b".json", b".jsonl", b".sarif", b".xml", b".html", b".md")) and not decodes(data):
            wrong.append(os.path.join(folder, file))
        elif file.endswith((b".json", b".sarif")):
            json.loads(data)
report(not wrong, "and so is every document that was written", wrong)
done()
