"""Bad input: one sentence that names the thing and the remedy, exit 2, no crash, and nothing left that looks like a finished run."""
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import tap
from tap import TINY, must, path, report, run

T = [*TINY, "--steps", "4", "--window", "2", "--threads", "1"]
RECORD = 3073


def write(name, content):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb" if isinstance(content, bytes) else "w") as stream:
        stream.write(content)
    return name


def check(name, arguments, *words, **options):
    """The run must fail as it should, and its sentence must hold every word."""
    faults = []
    result = run(*arguments, **options)
    lines = result.stderr.splitlines()
    if result.returncode != 2:
        faults.append(f"exit {result.returncode}")
    if len(lines) != 1 or not lines[0].startswith("poolscope: ") or len(lines[0]) > 600:
        faults.append(f"{len(lines)} lines on stderr")
    faults += [f"says nothing of {word!r}" for word in words if word not in result.stderr]
    if os.path.exists(path("out", "trace.jsonl")):
        with open(path("out", "trace.jsonl"), errors="replace") as stream:
            if '{"type":"end"' in stream.read():
                faults.append("left a run that looks finished")
    shutil.rmtree(path("out"), ignore_errors=True)
    report(not faults, name, "; ".join(faults) + "\n" + result.stderr)


def train(name, extra, *words, **options):
    base = own_network(T) if "--graph" in extra else T
    check(name, ["train", *base, *extra, "--out", "out"], *words, **options)


def own_network(base):
    """The options without those that shape named models, which do nothing to a graph of one's own."""
    at = base.index("--width")
    return base[:at] + base[at + 2:]


# ---- commands and options ----
check("unknown command", ["trian"], '"trian"', 'did you mean "train"')
check("nothing like a command", ["nonsense"], "--help")
check("unknown option", ["train", "--stepz", "3"], "--stepz", "did you mean --steps?")
check("one dash", ["train", "-steps", "3"], "two dashes")
check("option without value", ["train", "--steps"], "--steps needs a value")
check("missing --out", ["train", *T], "--out")
check("empty --out", ["train", *T, "--out", ""], "empty")
check("too many arguments", ["train", "a", "b"], '"b"', "usage")
check("too few arguments", ["eval"], "usage")
for option, value in (("--lr", "abc"), ("--lr", ""), ("--lr", "nan"), ("--lr", "-1"), ("--lr", "inf"), ("--lr", "1e400"), ("--steps", "0"), ("--steps", "1e18"),
                      ("--steps", "2.5"), ("--steps", "99999999999999999999"), ("--seed", "-3"), ("--batch", "100000"), ("--width", "1e-9"),
                      ("--pool-skip", "-2"), ("--dropout", "1"), ("--threads", "-1"), ("--threads", "100000"), ("--window", "0")):
    train(f"{option} {value!r}", [option, value], option.strip("-").replace("pool-skip", "pool"))
for option, value, word in (("--model", "resnet19", "resnet18"), ("--stages", "1,x", "--stages"), ("--stages", "0,0,0", "stage 1"), ("--batch-norm", "maybe", "yes or no"),
                            ("--pool-skip-placement", "conv9_x", "stage1"), ("--pool-skip-mode", "ful", "grid+conv+skip"), ("--pool-skip-cut", "both", "forward"),
                            ("--optimiser", "adm", "adamw"), ("--schedule", "cosin", "cosine"), ("--init-scheme", "xavier", "torch"),
                            ("--milestones", "0.5,a", "--milestones"), ("--plant", "share=2", "share"), ("--plant", "foo", "key=value"),
                            ("--record", "foo", "--record")):
    train(f"{option} {value}", ["--pool-skip", "2", option, value], word)

for option, value, word in (("--pool-skip-mode", "x", "grid+conv+skip"), ("--pool-skip-placement", "foo", "stage1"), ("--pool-skip-cut", "foo", "forward")):
    train(f"{option} {value} without --pool-skip", [option, value], word)
own = run("inspect", "--model", "plain9", "--width", "0.25", "--size", "8", "--json")
write("own.json", own.stdout)
for option, value, word in (("--pool-skip-mode", "x", "grid+conv+skip"), ("--pool-skip-cut", "foo", "forward")):
    check(f"{option} {value} with a graph of one's own", ["train", *own_network(T), "--graph", "own.json", option, value, "--out", "out"], word)
train("--milestones that fall", ["--milestones", "0.9,0.1"], "rise")
train("--fork together with --init", ["--fork", "a", "--init", "b"], "--fork", "--init")
train("a range in whole numbers", ["--seed", "-1"], "from 0 to 2147483647")
result = run("train", *T, "--model", "nope", "--out", "out")
report(result.returncode == 2 and "did you mean" not in result.stderr and "poolscope models" in result.stderr, "no guess where nothing is near", result.stderr)
for extra, word in ((["--record", "nope*"], "nope"), (["--plant", "share=2"], "share"), (["--plant", "foo=1"], "foo"), (["--out", ""], "empty"), (["--plant", "count=100000"], "count=100000"),
                    (["--pool-skip-mode", "x"], "grid+conv+skip")):
    check(f"a dry run refuses what the run would: {' '.join(extra)}", ["train", *T, "--dry-run", *extra], word)
must("train", *T, "--dry-run", "--plant", "share=0.5", "--record", "path*,layer:stage1*", "--out", "dry")
report(not os.path.exists(path("dry")), "a dry run writes nothing")

# ---- configurations ----
for text, word in (('{"modle":"plain9"}', 'did you mean "model"'), ('{"lr":"0.1"}', '"lr" must be a number'), ('{"flip":1}', "true or false"), ("[1]", "JSON object"),
                   ("", ":1:1"), ('{"steps":10', "JSON"), ('{"steps":1e99}', "steps"), ('{"model":3}', "text in quotes"), ('{"lr":NaN}', "JSON")):
    check(f"configuration {text[:20]!r}", ["train", write("c/config.json", text), "--out", "out"], "c/config.json", word)
check("missing configuration", ["train", "none.json", "--out", "out"], "none.json")
check("configuration that is a folder", ["train", ".", "--out", "out"], "give a file")

# ---- data ----
train("data: no such folder", ["--data", "cifar10:nowhere"], "nowhere", "data_batch_1.bin")
train("data: unknown format", ["--data", "foo:bar"], "cifar10:DIR")
os.makedirs(path("empty"))
train("data: empty folder", ["--data", "cifar10:empty"], "empty", "data_batch_1.bin")
write("short/data_batch_1.bin", b"\0" * (RECORD + 1000))
train("data: short CIFAR record", ["--data", "cifar10:short"], "short/data_batch_1.bin", "record 1", str(RECORD))
write("label/data_batch_1.bin", b"\377" * RECORD * 600)
write("label/test_batch.bin", b"\0" * RECORD * 64)
train("data: wrong label", ["--data", "cifar10:label"], "label 255")
images = struct.pack(">IIII", 0x1234, 2, 28, 28) + b"\0" * 2 * 784
write("magic/train-images-idx3-ubyte", images)
write("magic/train-labels-idx1-ubyte", struct.pack(">II", 0x801, 2) + b"\0\1")
train("data: wrong idx magic", ["--data", "idx:magic"], "train-images-idx3-ubyte", "magic")
write("torn/train-images-idx3-ubyte.gz", gzip.compress(images)[:20])
train("data: cut-off .gz", ["--data", "idx:torn"], "train-images-idx3-ubyte.gz")
train("data: fewer images than a batch", ["--train-limit", "5"], "5 training images", "batch of 16")
train("data: no probe batch", ["--probe", "1"], "--probe", "--batch")

# ---- networks of the user's own ----
graph = ('{"format":"poolscope-graph","version":1,"name":"own","input":[3,8,8],"nodes":[{"name":"c","type":"conv","channels":4,"padding":1},'
         '{"name":"p","type":"pool_skip","pool_size":%d},{"name":"r","type":"relu"},{"name":"g","type":"global_avg_pool"},{"name":"f","type":"linear","features":%d}]}')
train("an e larger than every map", ["--graph", write("g/large.json", graph % (9, 10))], "g/large.json", '"p"', "9")
train("a map where a label a sample is to be told", ["--graph", write("g/map.json", graph.replace('{"name":"g","type":"global_avg_pool"},', "") % (2, 10))],
      '"f"', "10x1x8x8", "global_avg_pool")
train("a graph with other classes", ["--graph", write("g/classes.json", graph % (2, 3))], "g/classes.json", "3 classes")
for option, value in (("--width", "0.5"), ("--stages", "1,1"), ("--batch-norm", "no"), ("--leaky-slope", "0.1"), ("--dropout", "0.1")):
    train(f"{option} beside a graph of one's own", ["--graph", write("g/own.json", graph % (2, 10)), option, value], "g/own.json", option, "leave it out")
train("a graph that is none", ["--graph", write("g/none.json", "{}")], "g/none.json", "format")
train("a missing graph", ["--graph", "g/absent.json"], "g/absent.json")

# ---- places to write to ----
write("file", "")
check("--out is a file", ["train", *T, "--out", "file"], "in the way")
check("--out below a file", ["train", *T, "--out", "file/deep"], "in the way")
if os.geteuid() != 0:
    os.makedirs(path("locked"))
    os.chmod(path("locked"), 0o500)
    check("--out in a folder that may not be written", ["train", *T, "--out", "locked/run"], "locked")
else:
    # Root may write everywhere, so it becomes somebody else, who must be able to reach the program.
    def nobody():
        os.setgid(65534)
        os.setuid(65534)

    os.mkdir(path("locked"), 0o755)
    os.chmod(tap.WORK, 0o755)
    try:
        reachable = run("--version", preexec_fn=nobody).returncode == 0
    except PermissionError:
        reachable = False
    if reachable:
        check("--out in a folder that may not be written", ["train", *T, "--out", "locked/run"], "locked/run", "Permission denied", preexec_fn=nobody)
    else:
        tap.skip("--out in a folder that may not be written", "the program lies where nobody but root may go")
must("train", *T, "--out", "run")
check("--out holds a run", ["train", *T, "--out", "run"], "--resume run", "--force")
check("a dry run to a place that holds a run", ["train", *T, "--out", "run", "--dry-run"], "--resume run", "--force")
must("train", *T, "--out", "run", "--force", "--dry-run")
must("train", *T, "--out", "run", "--force")


def full_disk():
    """No file may grow past 24 kB: what a full disk does, without one."""
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (24000, 24000))


train("full disk", ["--steps", "40"], "could not be written", preexec_fn=full_disk)
if os.path.exists("/dev/full"):
    with open("/dev/full", "w") as full:
        result = subprocess.run([tap.PROGRAM, "models"], stdout=full, stderr=subprocess.PIPE, text=True)
    report(result.returncode == 2 and "standard output" in result.stderr, "standard output on a full disk", result.stderr)
    # Lost output goes before the check that did not hold: what it says has not arrived.
    must("train", *tap.TINY, "--steps", "4", "--out", "lost")
    with open(path("lost/trace.jsonl")) as stream:
        lines = stream.readlines()
    with open(path("broken.jsonl"), "w") as stream:
        stream.writelines(lines[:-2] + lines[-1:] + lines[-2:-1])
    for arguments in (["check", "lost", "--expect", "max(loss) < -1"], ["check", "lost", "--expect", "max(loss) < -1", "--format", "sarif"], ["validate", "broken.jsonl"]):
        report(tap.run(*arguments).returncode == 1, f"{' '.join(arguments)}: does not hold")
        with open("/dev/full", "w") as full:
            result = subprocess.run([tap.PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tap.WORK)
        report(result.returncode == 2 and "standard output" in result.stderr, f"{' '.join(arguments)} > /dev/full is an error", f"{result.returncode}: {result.stderr}")

# ---- one file given for another ----
must("train", *TINY, "--steps", "4", "--out", "taken")
weights = "taken/checkpoint.safetensors"
for arguments, word in ((["explain", weights, "stage1.0.conv:1"], "a trace is wanted here; give the directory of the run"), (["validate", weights], "a trace is wanted here"),
                        (["watch", weights], "a trace is wanted here"), (["check", weights, "--expect", "max(loss) < 9"], "a trace is wanted here"),
                        (["compare", "--arm", "b=" + weights, "--out", "none"], "a trace is wanted here"), (["inspect", "--graph", weights], "poolscope inspect --model NAME --json"),
                        (["train", "--graph", weights, "--out", "none"], "poolscope inspect --model NAME --json"), (["train", weights, "--out", "none"], "its config.json"),
                        (["experiment", weights, "--out", "none"], "JSON is wanted here")):
    result = run(*arguments)
    report(result.returncode == 2 and "is a file of weights" in result.stderr and word in result.stderr and len(result.stderr.splitlines()) == 1 and not os.path.exists(path("none")),
           f"{' '.join(arguments)}: weights are no such file", result.stderr)
for arguments in (["eval"], ["ranks"], ["plant", "--plant", "count=1", "--out", "none"], ["train", *TINY, "--out", "none", "--init"]):
    result = run(*arguments, "taken/trace.jsonl")
    report(result.returncode == 2 and "give the directory of the run, which is taken, or its checkpoint.safetensors" in result.stderr,
           f"{arguments[0]} of a trace names the run", result.stderr)
# A header of 8827 bytes begins with the bytes of '{"'.
text = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
with open(path("odd.safetensors"), "wb") as stream:
    stream.write(struct.pack("<Q", 8827) + text + b" " * (8827 - len(text)) + bytes(4))
result = run("diagnose", "odd.safetensors", "--model", "plain9")
report(result.returncode == 2 and "JSON" not in result.stderr, "weights are not taken for JSON by their first two bytes", result.stderr)

# ---- the environment ----
for variable, value, words in (("PS_SIMD", "avx", ("base, avx2 and avx512",)), ("PS_SIMD", "", ("PS_SIMD",)), ("PS_CLASS", "avx2", ("as in avx2-small",)), ("PS_CONV", "gem", ("gemm", "reference"))):
    train(f"{variable}={value}", [], f"{variable}={value}: there is no such", *words, env={**os.environ, variable: value})

train("an instruction set above what there is", [], "PS_SIMD=avx2", "no more than base", env={**os.environ, "PS_SIMD_MOST": "base", "PS_SIMD": "avx2"})

# ---- runs and checkpoints ----
check("resume: nothing there", ["train", "--resume", "nowhere"], "nowhere", "no run")
check("resume with options", ["train", "--resume", "run", "--lr", "3"], "own configuration")
with open(path("run", "checkpoint.safetensors"), "rb") as stream:
    checkpoint = stream.read()
with open(path("run", "trace.jsonl"), "rb") as stream:
    trace = stream.read()
unfinished = trace[:trace.rindex(b'{"type":"end"')]


def damaged(checkpoint_bytes, trace_bytes):
    shutil.rmtree(path("bad"), ignore_errors=True)
    shutil.copytree(path("run"), path("bad"))
    write("bad/checkpoint.safetensors", checkpoint_bytes)
    write("bad/trace.jsonl", trace_bytes)
    return "bad/checkpoint.safetensors"


for name, content in (("empty", b""), ("cut off", checkpoint[:len(checkpoint) // 2]), ("a header length beyond the file", struct.pack("<Q", 1 << 60) + checkpoint[8:]),
                      ("no JSON", checkpoint[:8] + b"x" * 100 + checkpoint[108:]), ("noise", os.urandom(5000))):
    damaged(content, unfinished)
    for command in (["train", "--resume", "bad", "--quiet"], ["eval", "bad/checkpoint.safetensors"], ["diagnose", "bad/checkpoint.safetensors"],
                    ["train", *T, "--init", "bad/checkpoint.safetensors", "--out", "out"]):
        check(f"corrupt checkpoint ({name}): {' '.join(command[:2])}", command, "bad/checkpoint.safetensors")
for name, content in (("empty", b""), ("shorter than its checkpoint", unfinished[:len(unfinished) // 3]), ("shifted by a byte", b" " + unfinished)):
    damaged(checkpoint, content)
    check(f"corrupt trace on resume ({name})", ["train", "--resume", "bad", "--quiet"], "bad/trace.jsonl")
check("weights of another network", ["train", *T, "--model", "vgg16", "--size", "32", "--init", "run/checkpoint.safetensors", "--out", "out"], "has no tensor")
check("missing checkpoint", ["eval", "none.safetensors"], "none.safetensors")
check("a folder that is no run", ["eval", "empty"], "empty", "no checkpoint.safetensors", "directory of a run")
check("the folder of an experiment", ["diagnose", os.path.dirname(write("exp/runs/baseline/seed-1/x", ""))[:-len("/runs/baseline/seed-1")]], "exp/runs/ARM/seed-N")
check("plant without --out", ["plant", "run/checkpoint.safetensors", "--plant", "share=0.5"], "--out")
with open(path("run", "checkpoint.safetensors"), "rb") as stream:
    before = stream.read()
os.symlink("run/checkpoint.safetensors", path("link.safetensors"))
for target in ("run/checkpoint.safetensors", "./run/../run/checkpoint.safetensors", "link.safetensors"):
    check(f"plant over its own checkpoint: {target}", ["plant", "run/checkpoint.safetensors", "--plant", "share=0.5", "--out", target], "would replace")
with open(path("run", "checkpoint.safetensors"), "rb") as stream:
    report(stream.read() == before, "which stays as it was")
check("plant more nodes than there are", ["plant", "run/checkpoint.safetensors", "--plant", "count=100000", "--out", "planted.safetensors"], "count=100000", "stage1")
check("ranks: a number that is none", ["ranks", "run/checkpoint.safetensors", "--cosine", "nan"], "needs a number from")
check("an empty path", ["watch", ""], "empty")
must("train", "--graph", write("g/small.json", graph % (2, 10)), "--steps", "1", "--size", "8", "--batch", "4", "--probe", "4", "--train-limit", "8", "--test-limit", "4", "--quiet", "--out", "small")
result = run("spectrum", "small/checkpoint.safetensors", "--steps", "2147483647", "--probes", "1", timeout=120)
report(result.returncode == 0 and "more than there are parameters" in result.stderr, "spectrum: no more steps than parameters", result.stderr)
check("diagnose with two formats", ["diagnose", "run/checkpoint.safetensors", "--json", "--tsv"], "one of")

# ---- experiments and comparisons ----
base = '"base":{"size":8,"width":0.5,"steps":4,"window":2,"batch":16,"probe":32,"train_limit":64,"test_limit":16},'
for name, text, word in (("no arms", '{%s"seeds":[1]}' % base, '"arms"'), ("no seeds", '{%s"arms":[{"name":"a"}]}' % base, '"seeds"'),
                         ("a seed twice", '{%s"seeds":[1,1],"arms":[{"name":"a"}]}' % base, "twice"),
                         ("an arm twice", '{%s"seeds":[1],"arms":[{"name":"a"},{"name":"a"}]}' % base, 'called "a"'),
                         ("an arm's name with a slash", '{%s"seeds":[1],"arms":[{"name":"../a"}]}' % base, "../a"),
                         ("an arm without name", '{%s"seeds":[1],"arms":[{}]}' % base, "name"),
                         ("an arm that is a number", '{%s"seeds":[1],"arms":[3]}' % base, "arms[0]"),
                         ("base that is a number", '{"base":3,"seeds":[1],"arms":[{"name":"a"}]}', "base"),
                         ("an unknown key", '{%s"seeds":[1],"armz":[],"arms":[{"name":"a"}]}' % base, "armz"),
                         ("an arm's unknown key", '{%s"seeds":[1],"arms":[{"name":"a","pool_skpi":2}]}' % base, "pool_skip"),
                         ("a seed of 1.5", '{%s"seeds":[1.5],"arms":[{"name":"a"}]}' % base, "whole"),
                         ("an arm that cannot be built", '{%s"seeds":[1],"arms":[{"name":"a","model":"zzz"}]}' % base, "zzz")):
    check(f"experiment: {name}", ["experiment", write("e/experiment.json", text), "--out", "out", "--quiet"], word)
check("experiment: missing file", ["experiment", "none.json", "--out", "out"], "none.json")
check("experiment: missing --out", ["experiment", "e/experiment.json"], "--out")
check("compare: no arms", ["compare", "--out", "out"], "--arm")
check("compare: an arm without runs", ["compare", "--arm", "a", "--out", "out"], "NAME=RUN")
check("compare: a run that is not there", ["compare", "--arm", "a=none", "--out", "out"], "none")
must("train", *T, "--lr", "0.1", "--out", "other")
must("train", *T, "--train-limit", "200", "--out", "elsewhere")
check("compare: runs of other data", ["compare", "--arm", "baseline=run", "--arm", "b=elsewhere", "--out", "out"], "data")
check("compare: one seed twice", ["compare", "--arm", "a=run,run", "--out", "out"], "seed 1")
check("report: no tables there", ["report", "empty"], "poolscope compare")
check("explain: no verdict there", ["explain", "empty"], "empty")
check("validate: missing trace", ["validate", "none.jsonl"], "none.jsonl")
check("validate: no file", ["validate", "/dev/zero"], "/dev/zero", "is no regular file")
with open(path("endless.jsonl"), "wb") as stream:
    stream.truncate(300 << 20)  # zeros, which take no room
check("validate: a line without an end", ["validate", "endless.jsonl"], "endless.jsonl:1", "256 MiB")
result = run("validate", write("v/trace.jsonl", "{}\n"))
report(result.returncode == 1, "validate: a trace that is none: exit 1", result.stdout + result.stderr)

# ---- what is asked for works ----
names = re.findall(r"^  ([a-z]+) ", run("--help").stdout.split("First steps")[0], re.M)
report(len(names) >= 10 and run("--version").stdout.startswith("poolscope "), "--help and --version")
wrong = []
for name in names:
    result = run(name, "--help")
    if result.returncode != 0 or not result.stdout.startswith(f"poolscope {name}") or result.stderr:
        wrong.append(f"{name} --help: exit {result.returncode}")
    for option in re.findall(r"^  --([a-z0-9-]+)", result.stdout, re.M):
        stderr = run(name, f"--{option}").stderr if option not in ("open", "quiet", "force") else ""
        if "unknown option" in stderr:
            wrong.append(f"{name}: --{option} is in its help and unknown")
report(not wrong, "every command has its --help, and every option in it is known", "\n".join(wrong))
report(run().stdout == run("--help").stdout, "without a command: the help")
tap.done()
