"""Processor classes from outside: in the header, chosen by PS_CLASS, kept by a run that goes on, refused where this processor cannot."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import tap
from tap import must, path, records, report, run, tensors, trace

CLEAN = {name: value for name, value in os.environ.items() if name not in ("PS_SIMD", "PS_CLASS")}
# Of a depth at which the default rule takes convolutions (the weight gradients of "direct") whose sums follow the size of the cache: a smaller network would
# give the same bits in either class, and whether a run keeps its class could not be seen in its values.
OPTIONS = ["--model", "resnet18", "--width", "0.25", "--size", "16", "--batch", "16", "--probe", "16", "--train-limit", "64", "--test-limit", "8", "--quiet",
           "--steps", "24", "--window", "4", "--threads", "1"]
LEVELS = [level for level in ("base", "avx2", "avx512") if run("--version", env={**CLEAN, "PS_SIMD": level}).returncode == 0]


def having(**environment):
    return {**CLEAN, **environment}


def class_of(directory):
    return records(directory, "header")[0]["machine"].get("class")


def values(directory):
    return trace(directory, without=("timing", "header"))


# ---- the header, and what may be asked for ----
must("train", *OPTIONS, "--out", "own", env=CLEAN)
own = class_of("own")
report(own in [f"{LEVELS[-1]}-{cache}" for cache in ("large", "small")], "the header names this processor's class", own)
report(records("own", "header")[0]["machine"]["simd"] == own.split("-")[0], "which begins with the instruction set")
for level in LEVELS:
    for cache in ("large", "small"):
        name = f"{level}-{cache}"
        must("train", *OPTIONS, "--out", name, env=having(PS_CLASS=name))
        report(class_of(name) == name, f"PS_CLASS={name} is in the header", class_of(name))
for level in LEVELS:
    report(values(f"{level}-large") != values(f"{level}-small"), f"{level}: the two sizes of the cache give other bits, so that what follows can tell them apart")
report(values(own) == values("own"), "PS_CLASS that says what there is changes nothing", tap.difference(values(own), values("own")))
must("train", *OPTIONS[:-1], "2", "--out", "two", env=having(PS_CLASS="base-small"))
report(values("two") == values("base-small"), "in one class the trace is the same for any number of threads", tap.difference(values("two"), values("base-small")))
report(run("validate", "base-small/trace.jsonl").returncode == 0, "such a trace is valid")
for name, environment, words in (
        ("a class that is none", {"PS_CLASS": "avx2"}, "PS_CLASS=avx2: there is no such processor class"),
        ("an empty one", {"PS_CLASS": ""}, "there is no such processor class"),
        ("one above what there is", {"PS_CLASS": "avx2-small", "PS_SIMD_MOST": "base"}, "no more than base"),
        ("one against PS_SIMD", {"PS_CLASS": f"{LEVELS[-1]}-small", "PS_SIMD": "base"}, "two instruction sets" if len(LEVELS) > 1 else "")):
    result = run("train", *OPTIONS, "--out", "none", env=having(**environment))
    report(words in result.stderr and result.returncode == (2 if words else 0), name + (" is refused" if words else " is none here"), result.stderr)
    shutil.rmtree(path("none"), ignore_errors=True)
result = run("train", *OPTIONS, "--out", "both", env=having(PS_CLASS="base-small", PS_SIMD="base"))
report(result.returncode == 0 and class_of("both") == "base-small", "PS_SIMD beside it may say the same", result.stderr)
must("train", *OPTIONS, "--out", "pretended", env=having(PS_SIMD_MOST="base-small"))
report(class_of("pretended") == "base-small", "PS_SIMD_MOST stands for a processor of a class", class_of("pretended"))


# ---- runs that go on ----
def killed(directory, name, *options):
    """A run of that class, killed behind its first checkpoint and before its end."""
    for attempt in range(20):
        shutil.rmtree(path(directory), ignore_errors=True)
        process = subprocess.Popen([tap.PROGRAM, "train", *OPTIONS, *options, "--out", directory], cwd=tap.WORK, env=having(PS_CLASS=name), stderr=subprocess.DEVNULL)
        while process.poll() is None and not os.path.exists(path(directory, "checkpoint.safetensors")):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not records_end(directory):
            return
    tap.report(False, f"{directory}: no run could be killed before its end")


def records_end(directory):
    with open(path(directory, "trace.jsonl")) as stream:
        return '"type":"end"' in stream.read()


def resume(directory, **environment):
    return run("train", "--resume", directory, "--quiet", env=having(**environment))


other = own.split("-")[0] + ("-small" if own.endswith("large") else "-large")
for name in dict.fromkeys((other, "base-large", "base-small")):
    killed("going", name)
    result = resume("going")
    fault = result.stderr or tap.difference(trace(name), trace("going"))
    report(result.returncode == 0 and not fault and tensors(f"{name}/checkpoint.safetensors") == tensors("going/checkpoint.safetensors"),
           f"a run of {name} goes on in it without a word, to the same trace and weights", fault)
killed("going", "base-small")
before = open(path("going", "trace.jsonl"), "rb").read()
for name, environment, words in (("PS_CLASS", {"PS_CLASS": "base-large"}, ("PS_CLASS=base-large asks for another", "leave PS_CLASS out")),
                                 ("PS_SIMD", {"PS_SIMD": LEVELS[-1]}, ("asks for another", "leave PS_SIMD out"))):
    if name == "PS_SIMD" and len(LEVELS) < 2:
        tap.skip("a run that goes on under another PS_SIMD", "this machine has one instruction set")
        continue
    result = resume("going", **environment)
    report(result.returncode == 2 and all(word in result.stderr for word in (*words, "going/trace.jsonl", "base-small")), f"a run that goes on under another {name} is refused",
           result.stderr)
report(open(path("going", "trace.jsonl"), "rb").read() == before, "and left as it was")
result = resume("going", PS_SIMD="base", PS_CLASS="base-small")
report(result.returncode == 0 and trace("going") == trace("base-small"), "under the same ones it goes on", result.stderr)
if len(LEVELS) < 2:
    tap.skip("a run of a class that this processor has not", "this machine has one instruction set")
else:
    killed("going", own)
    before = open(path("going", "trace.jsonl"), "rb").read()
    result = resume("going", PS_SIMD_MOST="base")
    report(result.returncode == 2 and result.stderr.count("\n") == 1 and all(word in result.stderr for word in ("going/trace.jsonl", own, "no more than base", "--out")) and
           open(path("going", "trace.jsonl"), "rb").read() == before, "a run of a class that this processor has not is refused in one sentence, and left as it was", result.stderr)
    result = resume("going", PS_SIMD_MOST=other)
    report(result.returncode == 0 and trace("going") == trace("own"), "where only the cache is another, it goes on", result.stderr + tap.difference(trace("going"), trace("own")))


# ---- headers of older versions, behind a checkpoint that vouches for them ----
def fnv(data, state=0xcbf29ce484222325):
    for byte in data:
        state = (state ^ byte) * 0x100000001b3 % 2**64
    return state


def vouched(directory, then, now):
    """The trace with another word in its header, of the same length, and a checkpoint that has seen it."""
    with open(path(directory, "trace.jsonl"), "r+b") as stream:
        trace_text = stream.read().replace(then, now, 1)
        stream.seek(0)
        stream.write(trace_text)
    with open(path(directory, "checkpoint.safetensors"), "r+b") as stream:
        whole = stream.read()
        (length,) = struct.unpack("<Q", whole[:8])
        said = json.loads(whole[8:8 + length])["__metadata__"]
        record = json.loads(said["config"])
        digest = b"%016x" % fnv(trace_text[:record["trace_bytes"]])
        graph, config = said["graph"].encode(), said["config"].encode().replace(record["trace_digest"].encode(), digest)
        of_all = fnv(struct.pack("<Q", len(graph)) + graph + config, int(said["state"], 16))
        stream.seek(0)
        stream.write(whole.replace(record["trace_digest"].encode(), digest, 1).replace(said["digest"].encode(), b"%016x" % of_all, 1))


killed("going", "base-" + own.split("-")[1])
vouched("going", b'"class":', b'"klass":')
result = resume("going")
report(result.returncode == 0 and result.stderr.count("note: ") == 1 and "does not say the processor class" in result.stderr and "base-" + own.split("-")[1] in result.stderr,
       "a trace that does not say its class goes on in this machine's cache, and a note says so", result.stderr)
report(values("going") == values("base-" + own.split("-")[1]), "here it is the same one", tap.difference(values("going"), values("base-" + own.split("-")[1])))


# ---- headers of older versions, and of none: before the first checkpoint, where nothing vouches for them ----
def only_header(machine):
    shutil.rmtree(path("begun"), ignore_errors=True)
    shutil.copytree(path("base-small"), path("begun"))
    os.remove(path("begun", "checkpoint.safetensors"))
    header = records("begun", "header")[0]
    header["machine"] = machine
    with open(path("begun", "trace.jsonl"), "w") as stream:
        stream.write(json.dumps(header, separators=(",", ":")) + "\n")


only_header({"arch": "x86_64", "simd": "base", "library": {}})
result = resume("begun")
report(result.returncode == 0 and class_of("begun") == "base-" + own.split("-")[1], "a header without a class: its instruction set, and this machine's cache", result.stderr)
only_header({"arch": "x86_64", "simd": "base", "library": {}})
result = resume("begun", PS_CLASS=other.replace(own.split("-")[0], "base"))
report(result.returncode == 0 and class_of("begun") == "base-" + other.split("-")[1], "or the cache of PS_CLASS", result.stderr)
only_header({"simd": "base", "class": "base-small"})
result = resume("begun")
report(result.returncode == 0 and trace("begun") == trace("base-small"), "killed before the first checkpoint a run begins anew in its class", result.stderr)
for machine, word in (({"class": "avx9-large"}, "avx9-large"), ({"class": ""}, '""'), ({"class": "base-small\n\x1b[31m"}, "base-small"), ({"simd": "neon"}, "neon"),
                      ({"simd": "base", "class": "x" * 100000}, "xxx")):
    only_header(machine)
    result = resume("begun")
    report(result.returncode == 2 and result.stderr.count("\n") == 1 and "\x1b" not in result.stderr and len(result.stderr) < 500 and word in result.stderr
           and "begun/trace.jsonl" in result.stderr and "does not know" in result.stderr, f"a header with {str(machine)[:40]} is refused", result.stderr)
for machine in ({}, {"class": None, "simd": None}, {"class": 3}, [], "none", None):
    only_header(machine)
    result = resume("begun")
    report(result.returncode == 0 and class_of("begun") == own, f"one with {machine} says nothing: the processor's own", result.stderr)

# ---- experiments ----
base = {"model": "plain9", "width": 0.5, "size": 8, "batch": 16, "probe": 32, "train_limit": 256, "test_limit": 48, "steps": 8, "window": 4}
with open(path("e.json"), "w") as stream:
    json.dump({"name": "e", "base": base, "seeds": [1, 2], "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}]}, stream)


def experiment(*more, **environment):
    return run("experiment", "e.json", "--out", "e", "--quiet", "--no-report", *more, env=having(**environment))


def classes():
    return {f"{arm}/{seed}": class_of(f"e/runs/{arm}/seed-{seed}") for arm in ("baseline", "ps2") for seed in (1, 2) if os.path.exists(path("e", "runs", arm, f"seed-{seed}"))}


result = experiment("--seeds", "1", "--arms", "baseline", PS_CLASS="base-small")
report(result.returncode in (0, 1) and set(classes().values()) == {"base-small"}, "an experiment begins in one class", f"{result.stderr}{classes()}")
result = experiment()
report(result.returncode in (0, 1) and len(classes()) == 4 and set(classes().values()) == {"base-small"}, "and its other runs begin in the same", f"{result.stderr}{classes()}")
vouched("e/runs/baseline/seed-1", b'"class":"base-small"', b'"class":"base-giant"')
shutil.rmtree(path("e", "runs", "ps2", "seed-2"))
result = experiment(PS_CLASS="base-small")
report(result.returncode in (0, 1) and "giant" not in result.stderr and classes()["ps2/2"] == "base-small", "a finished run of a class that is not known is passed over",
       f"{result.stderr}{classes()}")
if len(LEVELS) > 1:
    shutil.rmtree(path("e"))
    experiment("--seeds", "1", PS_CLASS=own)
    result = experiment(PS_SIMD_MOST="base-small")
    report(result.returncode in (0, 1) and classes()["ps2/1"] == own and classes()["ps2/2"] == "base-small", "but for a processor that has it not", f"{result.stderr}{classes()}")
    report(result.stderr.count("note: ") == 1 and own in result.stderr and "of base-small" in result.stderr, "and one note names both classes", result.stderr)
    page = open(path("e", "report.html")).read() if run("report", "e").returncode == 0 else ""
    fact = page[page.find("<dt>Processor class"):][:100]
    report(f"<dt>Processor class</dt><dd>{own}, base-small</dd>" in fact, "as does the report", fact)
    for arm in ("baseline", "ps2"):
        shutil.rmtree(path("e", "runs", arm, "seed-2"))
    result = experiment("--seeds", "2", PS_CLASS="base-small")
    report(result.stderr.count("note: ") == 1 and own in result.stderr, "runs that were not asked for count, too", result.stderr)
    os.remove(path("e", "runs", "ps2", "seed-1", "checkpoint.safetensors"))
    lines = open(path("e", "runs", "ps2", "seed-1", "trace.jsonl")).readlines()
    with open(path("e", "runs", "ps2", "seed-1", "trace.jsonl"), "w") as stream:
        stream.write(lines[0])
    result = experiment(PS_SIMD_MOST="base-small")
    report(result.returncode == 2 and own in result.stderr and "ps2/seed-1" in result.stderr, "where a run of it would have to go on, that is refused", result.stderr)
else:
    tap.skip("runs of an experiment on a lesser processor", "this machine has one instruction set")

# ---- comparing ----
shutil.copytree(path("base-small"), path("golden"))
shutil.copytree(path("base-small"), path("changed"))
lines = open(path("changed", "trace.jsonl")).readlines()
lines[0] = lines[0].replace('"base-small"', '"base-large"')
lines = [line.replace('"loss":', '"loss":1', 1) if line.startswith('{"type":"step","step":3') else line for line in lines]
with open(path("changed", "trace.jsonl"), "w") as stream:
    stream.writelines(lines)
result = run("check", "changed", "--golden", "golden/trace.jsonl")
report(result.returncode == 1 and "processor class: base-small in the golden trace, base-large in this one" in result.stdout and "instruction set" not in result.stdout,
       "values of another class: it is said", result.stdout[-600:])

tap.done()
