"""Options and the advice about them: every option that a sentence names is one that the command has which says it; what a command has no use for is refused."""
import glob
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import tap
from tap import PROGRAM, ROOT, TINY, must, path, report, run

COMMANDS = re.findall(r"^  (\w+) ", must("--help").stdout.split("Commands\n")[1].split("\n\n")[0], re.M)
OPTIONS = {command: set(re.findall(r"^  --([a-z0-9-]+)", must("help", command).stdout, re.M)) for command in COMMANDS}
ALL = set.union(*OPTIONS.values())

# ---- what help looks like ----
ugly = []
for command in ["", *COMMANDS]:
    text = must("help", *([command] if command else []), cwd=ROOT).stdout  # elsewhere the examples' files have long names
    ugly += [f"help {command}: {line}" for line in text.splitlines() if len(line) > 100 or line != line.rstrip()]
    ugly += [f"help {command}: ends with {text[-10:]!r}"] if not re.search(r"[^\n]\n$", text) or "\n\n\n" in text else []
report(not ugly, "help has lines of 100 columns at most and no blank ones at its end", "\n".join(ugly))
report("goes alone" in " ".join(must("help", "compare").stdout.split()) and "\\," in must("help", "compare").stdout, "compare's help says what becomes of commas in names")

# ---- sentences in the sources ----
# Which commands can say what stands in a file outside of cmd_*.c. A file that names an option and stands not here fails the test.
WEIGHTS = ["eval", "diagnose", "compensation", "spectrum", "ranks"]
LOOKS = WEIGHTS + ["plant"]
RUNS = ["train", "experiment"]
SAYS = {
    "src/run/session.c": {"data": LOOKS, "fork": RUNS, "init": RUNS, "": RUNS + WEIGHTS}, "src/run/network.c": RUNS + WEIGHTS + ["inspect"],
    **{"src/models/%s.c" % family: RUNS + WEIGHTS + ["inspect"] for family in ("transformer", "builder", "nnunet", "vnet")}, "src/run/subject.c": WEIGHTS,
    "src/run/run.c": ["train"], "src/run/settle.c": ["train", "experiment"], "src/run/planned.c": RUNS, "src/run/resume.c": RUNS, "src/run/directory.c": ["train"], "src/measure/compensation.c": ["compensation"], "src/measure/spectrum.c": ["spectrum"],
    "src/measure/predict.c": ["predict"], "src/run/images.c": ["predict"], "src/measure/ranks.c": ["ranks"], "src/measure/measurement.c": ["compensation", "spectrum", "ranks"], "src/run/experiment.c": ["experiment"],
    "src/run/schedule.c": ["experiment"], "src/kernels/processor.c": RUNS, "src/parallel/threads.c": RUNS + LOOKS, "analysis/explain_node.c": ["explain"], "analysis/explain.c": ["explain"],
    "src/data/dataset.c": RUNS + LOOKS, "src/data/choice.c": RUNS + LOOKS, "src/data/source.c": RUNS + LOOKS, "src/data/loader.c": RUNS + LOOKS, "src/probe/plant.c": RUNS + ["plant"],
    "src/probe/plant_combine.c": RUNS + ["plant"], "src/probe/plant_near_miss.c": RUNS + ["plant"], "src/probe/record.c": RUNS, "src/watch/screen.c": ["watch"],
    **{"src/trace/%s.c" % file: ["import"] for file in ("scalar_table", "scalar_json", "imported")},
    "analysis/export/export.c": ["export"], "src/net/net.c": {"batch": RUNS + LOOKS}, "analysis/check/check.c": ["check"], "analysis/check/golden.c": ["check"],
}
STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"')
WORD = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


def calls(text):
    """The texts of every ps_fail, whole: strings that stand side by side are one."""
    for match in re.finditer(r"\bps_fail\(", text):
        depth, at, quoted = 1, match.end(), False
        while depth > 0 and at < len(text):
            c = text[at]
            if quoted and c == "\\":
                at += 1
            elif c == '"':
                quoted = not quoted
            elif not quoted:
                depth += (c == "(") - (c == ")")
            at += 1
        sentence, end = "", 0
        for part in STRINGS.finditer(text[match.end():at]):
            beside = text[match.end() + end:match.end() + part.start()].strip() == ""
            sentence, end = sentence + ("" if beside else " ") + part.group(1), part.end()
        yield sentence


def owners(file, option):
    name = os.path.basename(file)
    if name.startswith("cmd_"):
        return [name[4:-2]]
    said = SAYS.get(file)
    if isinstance(said, dict):
        return said.get(option, said.get(""))
    return said


wrong, unknown, sentences = [], [], 0
for file in sorted(glob.glob("src/**/*.c", root_dir=ROOT, recursive=True) + glob.glob("analysis/**/*.c", root_dir=ROOT, recursive=True) + glob.glob("reports/*.c", root_dir=ROOT)):
    with open(os.path.join(ROOT, file)) as stream:
        text = stream.read()
    for sentence in calls(text):
        # What another command is named for: `poolscope train --resume`.
        for command, rest in re.findall(r"poolscope (\w+)((?: [^`;,)]*)?)", sentence):
            for option in WORD.findall(rest):
                sentences += 1
                if option not in OPTIONS.get(command, ()):
                    wrong.append(f"{file}: poolscope {command} has no --{option}: {sentence[:100]}")
        for option in WORD.findall(re.sub(r"poolscope (\w+)((?: [^`;,)]*)?)", "", sentence)):
            sentences += 1
            if option in ("help", "version"):
                continue
            says = owners(file, option)
            if says is None:
                unknown.append(f"{file}: --{option}: {sentence[:100]}")
            else:
                wrong += [f"{file}: {command} has no --{option}: {sentence[:100]}" for command in says if option not in OPTIONS[command]]
report(sentences > 30, "the sources name options in their sentences", sentences)
report(not wrong, "every option that is advised is one of the command that says it", "\n".join(sorted(set(wrong))))
report(not unknown, "of every file it is known who says its sentences (SAYS)", "\n".join(sorted(set(unknown))))

# Options in help, and commands in documents.
wrong = []
for command in COMMANDS:
    for line in must("help", command).stdout.splitlines():
        for other, rest in re.findall(r"poolscope (\w+)([^`]*)", line):
            wrong += [f"help {command}: {line}" for option in WORD.findall(rest) if option not in OPTIONS.get(other, ALL) and option not in ("help", "version")]
for document in glob.glob("**/*.md", root_dir=ROOT, recursive=True):
    if document.startswith(("build", ".venv")):
        continue
    with open(os.path.join(ROOT, document)) as stream:
        for line in stream:
            for other, rest in re.findall(r"poolscope (\w+)([^`|#]*)", line):
                wrong += [f"{document}: {line.strip()}" for option in WORD.findall(rest) if other in OPTIONS and option not in OPTIONS[other] | {"help"}
                          and not re.match(r"no-", option)]
report(not wrong, "help and documents name options that there are", "\n".join(wrong))

# ---- what a command has no use for ----
kept = [(command, option) for command in COMMANDS for option in sorted(ALL - OPTIONS[command])
        if run(command, f"--{option}=1").returncode != 2]
report(not kept, "every command refuses every option of the others", kept)
faults = []
for command in COMMANDS:
    for option in sorted(ALL - OPTIONS[command]):
        said = run(command, f"--{option}=1").stderr
        faults += [f"{command} --{option}: {said.strip()}" for advised in WORD.findall(said.split("poolscope: ", 1)[-1].replace(f"--{option}", "", 1))
                   if advised not in OPTIONS[command] | {"help"}]
report(not faults, "and what it advises then is its own", "\n".join(faults[:10]))

# ---- subsets of an experiment ----
with open(path("e.json"), "w") as stream:
    json.dump({"base": {"model": "plain9", "width": 0.25, "size": 8, "steps": 2, "window": 2, "batch": 8, "probe": 16, "train_limit": 32, "test_limit": 16},
               "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}, {"name": "ps4", "pool_skip": 4}], "seeds": [1, 2, 3]}, stream)


def runs_in(directory):
    return sorted(os.path.relpath(name, path(directory, "runs")) for name in glob.glob(path(directory, "runs", "*", "seed-*")))


for option, advice in (("--seed", "--seeds"), ("--arm", "--arms")):
    result = run("experiment", "e.json", "--out", "x", option, "1")
    report(result.returncode == 2 and advice in result.stderr and not os.path.exists(path("x")), f"experiment {option} is refused and leads to {advice}", result.stderr)
result = run("experiment", "e.json", "--out", "x", "--seedz", "1")
report("did you mean --seeds?" in result.stderr, "a mistyped --seeds leads to --seeds", result.stderr)
for option, value, known in (("--seeds", "1,7", "1,2,3"), ("--seeds", "1,,2", "1,2,3"), ("--seeds", "", "1,2,3"), ("--seeds", "01", "1,2,3"), ("--arms", "ps2,ps", "baseline,ps2,ps4")):
    result = run("experiment", "e.json", "--out", "x", option, value)
    report(result.returncode == 2 and known in result.stderr and not os.path.exists(path("x")), f"{option} {value!r}: what the file has is named", result.stderr)
must("experiment", "e.json", "--out", "x", "--seeds", "3,1", "--arms", "ps4,baseline", "--quiet", "--no-report", "--threads", "1")
report(runs_in("x") == ["baseline/seed-1", "baseline/seed-3", "ps4/seed-1", "ps4/seed-3"], "--seeds and --arms run these and no others", runs_in("x"))
must("experiment", "e.json", "--out", "x", "--quiet", "--no-report", "--threads", "1")
report(len(runs_in("x")) == 9, "without them the rest follows", runs_in("x"))


def compared_runs(directory):
    with open(path(directory, "tables", "runs.tsv")) as stream:
        return sorted(tuple(line.split("\t")[:2]) for line in stream if not line.startswith("arm\t"))


NINE = sorted((arm, seed) for arm in ("baseline", "ps2", "ps4") for seed in "123")
report(compared_runs("x") == NINE, "and the comparison has all", compared_runs("x"))
for more in ([], ["--force"]):
    result = run("experiment", "e.json", "--out", "x", "--seeds", "2", "--arms", "ps2", "--no-report", "--threads", "1", *more)
    report(result.returncode == 0 and compared_runs("x") == NINE, f"a part of them run again {more} takes none out of the comparison", f"{compared_runs('x')}\n{result.stderr}")
    said = " ".join(result.stderr.split())
    report("asked for: arms baseline (the reference, always part), ps2; seeds 2;" in said and "other 7 runs 7 are there" in said and "ps4/seed-3" in said,
           "and it is said what was asked for and what was there", result.stderr)
os.remove(path("x/runs/ps4/seed-3/trace.jsonl"))
must("experiment", "e.json", "--out", "x", "--seeds", "2", "--quiet", "--no-report", "--threads", "1")
report(compared_runs("x") == [r for r in NINE if r != ("ps4", "3")], "a run that is not finished and was not asked for has no part", compared_runs("x"))
kept = open(path("x/verdict.json")).read()
result = run("experiment", "e.json", "--out", "x", "--seeds", "2", "--steps", "3", "--force", "--quiet", "--no-report")
report(result.returncode == 2 and "steps = 2" in result.stderr and "without --seeds and --arms" in result.stderr and open(path("x/verdict.json")).read() == kept,
       "a part with other settings than the rest is refused", result.stderr)
result = run("experiment", "e.json", "--out", "y", "--seeds", "1", "--arms", "ps4", "--no-report", "--threads", "1")
report(runs_in("y") == ["baseline/seed-1", "ps4/seed-1"] and "none of the file's other 7 runs" in result.stderr, "the reference is part of every part", result.stderr)
for place, key in (("base", "seed"), ("base", "arm"), ("arms", "seed"), ("arms", "arm"), ("fork", "seed"), ("arms of forks", "plant"), ("arms of forks", "init"), ("arms of forks", "fork")):
    with open(path("e.json")) as stream:
        document = json.load(stream)
    value = 1 if key == "seed" else "count=1"
    if "fork" in place:
        document["fork"] = {"steps": 2}
    target = document["arms"][1] if place.startswith("arms") else document[place]
    target[key] = value
    with open(path("bad.json"), "w") as stream:
        json.dump(document, stream)
    result = run("experiment", "bad.json", "--out", "bad")
    report(result.returncode == 2 and f'"{key}" does nothing there' in result.stderr and not os.path.exists(path("bad")), f'"{key}" in {place} is not passed over in silence', result.stderr)

# ---- runs of an arm ----
T = [*TINY, "--model", "plain9", "--steps", "2", "--window", "2", "--threads", "1"]
for seed in ("1", "2", "3"):
    must("train", *T, "--seed", seed, "--out", f"sweep/lr=0.05,seed={seed}")
    must("train", *T, "--seed", seed, "--pool-skip", "2", "--out", f"p{seed}")
must("train", *T, "--seed", "1", "--out", "odd[1]")


def compared(name, *arms):
    result = run("compare", *[word for arm in arms for word in ("--arm", arm)], "--out", "cmp", "--quiet")
    rows = []
    if result.returncode == 0:
        with open(path("cmp", "tables", "runs.tsv")) as stream:
            rows = [line.split("\t")[:2] for line in stream][1:]
    return result, sorted(f"{arm}{seed}" for arm, seed in rows)


SIX = ["b1", "b2", "b3", "p1", "p2", "p3"]
commas = "sweep/lr=0.05,seed="
for name, arms, want in (("one --arm a run", [f"b={commas}{s}" for s in "123"] + [f"p=p{s}" for s in "123"], SIX),
                         ("a comma behind a backslash", ["b=" + ",".join(commas.replace(",", "\\,") + s for s in "123"), "p=p1,p2,p3"], SIX),
                         ("patterns", [f"b={commas}*", "p=p[1-3]"], SIX),
                         ("patterns in a list", [f"b={commas}1", f"b={commas}[23]", "p=p1,p[23]"], SIX),
                         ("a name with a comma alone, brackets in a name", [f"b={commas}1", "p=p1"], ["b1", "p1"]),
                         ("a folder called as a pattern", ["b=odd[1]", "p=p1"], ["b1", "p1"])):
    result, found = compared(name, *arms)
    report(result.returncode == 0 and found == want, f"compare: {name}", f"{found}\n{result.stderr}")
result, _ = compared("split", f"b={commas}1,{commas}2", "p=p1,p2")
report(result.returncode == 2 and "--arm b=RUN of its own" in result.stderr, "compare: commas that could belong to the name are spoken of", result.stderr)
result, _ = compared("none", "b=nothing*", "p=p1")
report(result.returncode == 2 and '"nothing*"' in result.stderr, "compare: a pattern that no run fits", result.stderr)

# ---- graphs of one's own ----
with open(path("own.json"), "w") as stream:
    stream.write(must("inspect", "--model", "plain9", "--width", "0.25", "--input", "1,12,12", "--classes", "3", "--json").stdout.replace('"name":"plain9"', '"name":"mine"', 1))
result = run("inspect", "--graph", "own.json")
report(result.returncode == 0, "inspect --graph needs nothing besides", result.stderr)
result = run("inspect", "--graph", "own.json", "--input", "3,8,8")
report(result.returncode == 2 and "--input" in result.stderr and "--size" not in result.stderr, "inspect --graph with another input leads to --input", result.stderr)
result = run("train", *[w for w in T if w not in ("--quiet", "--width", "0.5")], "--graph", "own.json", "--out", "g")
report(result.returncode == 2 and "--size" in result.stderr, "train --graph with other data leads to --size", result.stderr)
with open(path("own.json"), "w") as stream:
    stream.write(re.sub(r'"name": *"plain9"', '"name":"mine"', must("inspect", "--model", "plain9", "--width", "0.25", "--input", "3,8,8", "--json").stdout, count=1))
result = run("train", *[w for w in T if w not in ("--quiet", "--model", "plain9", "--width", "0.5")], "--graph", "own.json", "--out", "g")
report(result.returncode == 0 and "mine [" in result.stderr and "plain9" not in result.stderr, "train --graph shows its own network's name", result.stderr)

# ---- who reads our output may go ----
for arguments in (["models"], ["--help"], ["inspect", "--model", "resnet50", "--json"], ["inspect", "--model", "resnet50"], ["help", "--completion", "zsh"], ["explain", "--causes"],
                  ["check", "p1", "--expect", "max(loss) < 1e9", "--format", "json", "--out", "/dev/stdout"]):
    reader, writer = os.pipe()
    process = subprocess.Popen([PROGRAM, *arguments], cwd=tap.WORK, stdout=writer, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.close(reader))
    os.close(reader)
    os.close(writer)
    said = process.communicate()[1]
    report(process.returncode == 0 and said == "", f"{' '.join(arguments[:3])} | (nobody): no error", f"exit {process.returncode}: {said}")

# ---- ~ ----
os.makedirs(path("home", "mnist"), exist_ok=True)
for arguments, word in ((["train", *T, "--data", "idx:~/mnist", "--out", "t"], "$HOME/mnist"), (["train", *T, "--out=~/t"], "$HOME/t"), (["compare", "--arm", "b=p1,~/p2", "--out", "c"], "$HOME/p2"),
                        (["diagnose", "~/run"], "$HOME/run"), (["train", *T, "--init=~/w.safetensors", "--out", "t"], "$HOME/w.safetensors")):
    result = run(*arguments, env={**os.environ, "HOME": path("home")})
    report(result.returncode == 2 and word in result.stderr and "shell" in result.stderr and not os.path.exists(path("~")) and not os.path.exists(path("t")),
           f"a ~ that the shell left: {arguments[-1] if arguments[0] != 'train' else [w for w in arguments if '~' in w][0]}", result.stderr)
with open(path("tilde.json"), "w") as stream:
    json.dump({"data": "idx:~/mnist"}, stream)
result = run("train", "tilde.json", "--out", "t")
report(result.returncode == 2 and "$HOME/mnist" in result.stderr, "a ~ in a file of settings", result.stderr)
report(run("check", "p1", "--expect", "max(dead_share[layer=~\"stage1.*\"]) <= 1").returncode == 0, "a rule's =~ is none")
os.makedirs(path("~"))
must("train", *T, "--out", "./~/r")
report(run("diagnose", "~/r").returncode == 0, "a folder that is called ~ is one")
tap.done()
