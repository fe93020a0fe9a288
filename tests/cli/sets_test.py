"""Files that belong together: killed, refused by a full disk, damaged and changed, a comparison is the old one, the new one, or refused."""
import json
import os
import random
import resource
import shutil
import signal
import sys

sys.dont_write_bytecode = True
import preload
import tap
from tap import TINY, must, path, report, run

chance = random.Random(14)
SMALL = [*TINY, "--width", "0.25", "--steps", "8", "--window", "4", "--batch-norm", "no", "--threads", "1"]
for seed in ("1", "2"):
    must("train", *SMALL, "--seed", seed, "--out", f"b{seed}")
    must("train", *SMALL, "--seed", seed, "--pool-skip", "2", "--out", f"p{seed}")


def comparison(out, seeds="12"):
    return ["compare", "--arm", "baseline=" + ",".join("b" + s for s in seeds), "--arm", "ps2=" + ",".join("p" + s for s in seeds), "--out", out, "--quiet"]


def contents(directory):
    """Every file by its name; without temporary ones."""
    found = {}
    for folder, _, names in os.walk(path(directory)):
        for name in names:
            whole = os.path.join(folder, name)
            if ".tmp" not in name:
                with open(whole, "rb") as stream:
                    found[os.path.relpath(whole, path(directory))] = stream.read()
    return found


def read_by_all(directory):
    """What the readers of a comparison say: list of (exit status, stderr)."""
    return [(r.returncode, r.stderr) for r in (run("report", directory, "--format", "json", "--quiet", env={**os.environ, "PATH": "/nowhere"}), run("explain", directory))]


def copy(source, target):
    shutil.rmtree(path(target), ignore_errors=True)
    shutil.copytree(path(source), path(target))


def is_one_of(directory, known):
    """Whether the tables and the verdict are one of these comparisons, whole; what a reader says beside."""
    own = {name: text for name, text in contents(directory).items() if not name.startswith(("plots", "report"))}
    return own in known


must(*comparison("old", "1"))
must(*comparison("new"))
OLD, NEW = contents("old"), contents("new")
report("comparison.manifest.tsv" in OLD and all(name in OLD["comparison.manifest.tsv"].decode() for name in OLD if name != "comparison.manifest.tsv"),
       "the manifest of a comparison names all its files")
report(OLD["verdict.json"] != NEW["verdict.json"] and OLD["tables/runs.tsv"] != NEW["tables/runs.tsv"], "two comparisons to tell apart")
report(all(code == 0 for code, _ in read_by_all("new")), "a whole comparison is read", read_by_all("new"))


def refused(directory):
    """"" where every reader refuses the comparison as not whole, in one sentence, with exit status 2."""
    for code, text in read_by_all(directory):
        if code != 2 or len(text.strip().splitlines()) != 1 or "whole" not in text or "run `poolscope compare` again" not in text:
            return f"exit {code}: {text}"
    return ""


def after(directory, ended, faults, outcomes):
    """Looks at a comparison whose replacement was stopped; counts what it is."""
    if is_one_of(directory, [OLD]):
        outcomes["old"] = outcomes.get("old", 0) + 1
    elif is_one_of(directory, [NEW]):
        outcomes["new"] = outcomes.get("new", 0) + 1
    elif (says := refused(directory)):
        faults.append(f"{ended}: {says}")
    else:
        outcomes["refused"] = outcomes.get("refused", 0) + 1


# ---- stopped at every change of the file system ----
if preload.library():
    copy("old", "cmp")
    changes, allocations = preload.counts(*comparison("cmp"))
    report(changes > 80 and allocations > 1000, "a comparison changes files and allocates", f"{changes} {allocations}")
    for word, ended in (("kill", -signal.SIGKILL), ("refuse", 2)):
        faults, outcomes = [], {}
        for at in range(1, changes + 1):
            if 6 < at < changes - 6 and chance.random() < (0.5 if word == "kill" else 0.7):
                continue
            copy("old", "cmp")
            result = preload.run(*comparison("cmp"), **{word: at})
            if result.returncode == 0 and word == "refuse" and is_one_of("cmp", [NEW]):
                outcomes["done"] = outcomes.get("done", 0) + 1  # what was refused was not needed
                continue
            if result.returncode != ended:
                faults.append(f"{word} at {at}: exit {result.returncode} {result.stderr}")
                continue
            after("cmp", f"{word} at {at}", faults, outcomes)
            if chance.random() < 0.15:
                must(*comparison("cmp"))
                if not is_one_of("cmp", [NEW]) or any(".tmp" in name for name in os.listdir(path("cmp/tables"))):
                    faults.append(f"{word} at {at}: comparing again does not mend it")
        print(f"# {word}: {outcomes}")
        report(not faults and outcomes.get("old", 0) > 0 and outcomes.get("refused", 0) > 0, f"{word} at every step: the old comparison, the new one, or a refusal", "\n".join(faults))
    shutil.rmtree(path("first"), ignore_errors=True)
    faults, outcomes = [], {}
    for at in range(changes // 2, changes, 5):
        shutil.rmtree(path("first"), ignore_errors=True)
        preload.run(*comparison("first"), kill=at)
        if os.path.exists(path("first", "comparison.manifest.tsv")):
            after("first", f"first, killed at {at}", faults, outcomes)
        elif any(code != 2 or "poolscope compare" not in text for code, text in read_by_all("first")[:1]):
            faults.append(f"first, killed at {at}: {read_by_all('first')}")
    print(f"# first comparison: {outcomes}")
    report(not faults, "a first comparison that was killed is refused", "\n".join(faults))
else:
    for name in ("killed", "refused", "first"):
        tap.skip(f"{name} at every step", "cannot be loaded into this program")

# ---- files that may not grow: a full disk ----
faults, outcomes = [], {}
for size in (0, 1, 200, 1000, 3000, 10000, 40000, 100000):
    copy("old", "cmp")
    result = run(*comparison("cmp"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    if result.returncode not in (0, 2):
        faults.append(f"{size} bytes: exit {result.returncode} {result.stderr}")
    after("cmp", f"{size} bytes", faults, outcomes)
print(f"# files that may not grow: {outcomes}")
report(not faults and set(outcomes) <= {"old", "new"} and outcomes.get("old", 0) > 3, "where files may not grow, the old comparison stays whole", f"{outcomes}\n" + "\n".join(faults))

# ---- flipped bits, lost and foreign files ----
names = sorted(name for name in NEW if name != "comparison.manifest.tsv")
faults = []
for _ in range(40):
    copy("new", "cmp")
    name = chance.choice([n for n in names if NEW[n]])
    content = bytearray(NEW[name])
    at = chance.randrange(len(content))
    content[at] ^= 1 << chance.randrange(8)
    with open(path("cmp", name), "wb") as stream:
        stream.write(content)
    if (says := refused("cmp")) or name not in run("explain", "cmp").stderr:
        faults.append(f"{name}: {says}")
report(not faults, "every flipped bit is refused, with the file's name", "\n".join(faults))
manifest, faults = NEW["comparison.manifest.tsv"], []
for _ in range(20):
    copy("new", "cmp")
    content = bytearray(manifest)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    with open(path("cmp", "comparison.manifest.tsv"), "wb") as stream:
        stream.write(content)
    if any(code != 2 for code, _ in read_by_all("cmp")):
        faults.append(str(read_by_all("cmp")))
report(not faults, "so is every flipped bit of the manifest", "\n".join(faults))
copy("new", "cmp")
shutil.copy(path("old", "verdict.json"), path("cmp", "verdict.json"))
report(not refused("cmp"), "a verdict of another comparison beside the tables is refused", refused("cmp"))
copy("new", "cmp")
os.remove(path("cmp", "tables", "nodes.tsv"))
report(not refused("cmp") and "nodes.tsv: is missing" in run("explain", "cmp").stderr, "a missing table is refused", refused("cmp"))

# ---- what was measured on a checkpoint ----
must("ranks", "b1/checkpoint.safetensors", "--out", "b1", "--quiet")
must(*comparison("cmp"))
report(os.path.exists(path("cmp/tables/ranks.tsv")) and "tables/ranks.tsv" in contents("cmp")["comparison.manifest.tsv"].decode(), "measurements that were gathered belong to the comparison")
with open(path("b1/tables/ranks.tsv"), "a") as stream:
    stream.write("\n")
result = run(*comparison("cmp"))
report(result.returncode == 2 and "ranks.tsv" in result.stderr and "measure again" in result.stderr and len(result.stderr.splitlines()) == 1, "a measurement that was changed is not gathered", result.stderr)
must("ranks", "b1/checkpoint.safetensors", "--out", "b1", "--quiet")
report(run(*comparison("cmp")).returncode == 0, "measured again, it is")
shutil.rmtree(path("b1/tables"))
os.remove(path("b1/measurements.manifest.tsv"))
must(*comparison("cmp"))
report(not os.path.exists(path("cmp/tables/ranks.tsv")) and is_one_of("cmp", [NEW]), "a table that the new comparison has not does not stay beside it", sorted(contents("cmp")))

# ---- plots and pages ----
PAGES = {"report.html", "report.md", "report.json"}
# Tables of a new comparison beside the page of an older one: nobody reads the page's digests but who is told.
copy("old", "beside")
must("report", "beside", "--format", "md", "--quiet", env={**os.environ, "PATH": "/nowhere"})
same, other = [w for w in comparison("beside", "1") if w != "--quiet"], [w for w in comparison("beside") if w != "--quiet"]
report("report.md" not in run(*same).stderr, "a report of the same comparison is not called older")
result = run(*other)
report(result.returncode == 0 and "note: beside/report.md shows an earlier comparison" in result.stderr and "`poolscope report beside` renews it" in result.stderr,
       "a report of another comparison is, and the command that renews it is named", result.stderr)
must("report", "beside", "--format", "md", "--quiet", env={**os.environ, "PATH": "/nowhere"})
report("report.md" not in run(*other).stderr, "until it is renewed")
plain = {**os.environ, "PATH": "/nowhere"}  # no gnuplot: scripts and data are made all the same
copy("old", "cmp")
must("report", "cmp", "--format", "html,md,json", "--quiet", env=plain)
OLD_PAGES = {name: text for name, text in contents("cmp").items() if name in PAGES or name.startswith("plots")}
copy("new", "cmp")
must("report", "cmp", "--format", "html,md,json", "--quiet", env=plain)
NEW_PAGES = {name: text for name, text in contents("cmp").items() if name in PAGES or name.startswith("plots")}
report(PAGES <= set(NEW_PAGES) and all(OLD_PAGES[name] != NEW_PAGES[name] for name in PAGES), "pages of two comparisons to tell apart")
if preload.library():
    def page_run(**what):
        """The new comparison in place, the old pages and plots beside it, as a killed `experiment` leaves them; then a report that is stopped."""
        copy("old", "cmp")
        must("report", "cmp", "--format", "html,md,json", "--quiet", env=plain)
        must(*comparison("cmp"))
        return preload.run("report", "cmp", "--format", "html,md,json", "--quiet", **what)

    copy("new", "cmp")
    changes, _ = preload.counts("report", "cmp", "--format", "html,md,json", "--quiet")
    faults, mixed = [], 0
    for at in sorted(chance.sample(range(1, changes + 1), min(changes, 25))):
        page_run(kill=at)
        found = contents("cmp")
        pages = {name: found[name] for name in PAGES & set(found)}
        plots = {name: text for name, text in found.items() if name.startswith("plots/data")}
        old = pages == {name: OLD_PAGES[name] for name in pages} and all(OLD_PAGES.get(name) == text for name, text in plots.items())
        new_pages = any(pages[name] != OLD_PAGES[name] for name in pages)
        new_plots = any(OLD_PAGES.get(name) != text for name, text in plots.items())
        if not old and any(pages[name] == OLD_PAGES[name] for name in pages) and (new_pages or new_plots):
            faults.append(f"killed at {at}: an old page beside new files")
    report(not faults, "a report that is killed leaves no old page beside new plots", "\n".join(faults))
    must("report", "cmp", "--format", "html,md,json", "--quiet")
    report(not [name for name in os.listdir(path("cmp")) if name.startswith(".")], "and the next one clears away what it left", os.listdir(path("cmp")))
else:
    tap.skip("a killed report", "cannot be loaded into this program")

# ---- several forms of one check ----
must("check", "b1", "--golden", "golden.jsonl", "--bless")


def checks(trace, **what):
    arguments = ["check", trace, "--golden", "golden.jsonl", "--format", "junit", "--out", "check.xml", "--format", "sarif", "--out", "check.sarif", "--quiet"]
    return preload.run(*arguments, **what) if what else run(*arguments)


def forms():
    found = {}
    for name in ("check.xml", "check.sarif"):
        if os.path.exists(path(name)):
            with open(path(name)) as stream:
                found[name] = [line for line in stream if "timestamp" not in line]
    return found


report(checks("b2").returncode == 1, "two forms of one check")
FAILED = forms()
report(checks("b1").returncode == 0 and set(forms()) == {"check.xml", "check.sarif"} and all(forms()[name] != FAILED[name] for name in FAILED), "and both of the next")
HELD = forms()
for wrong in (["--format", "junit", "--format", "sarif", "--out", "x"], ["--format", "junit", "--out", "x", "--out", "y"], ["--format", "junit", "--out", "x", "--format", "sarif", "--out", "x"]):
    report(run("check", "b1", "--golden", "golden.jsonl", *wrong).returncode == 2, "refused: " + " ".join(wrong))
if preload.library():
    faults = []
    for at in range(1, 9):
        checks("b2")
        checks("b1", kill=at)
        left = forms()
        if left not in (FAILED, HELD) and any(left[name] == FAILED[name] for name in left) and any(left[name] == HELD[name] for name in left):
            faults.append(f"killed at {at}: one form of each check")
    report(not faults, "killed, no form of one check stands beside one of another", "\n".join(faults))
else:
    tap.skip("a killed check", "cannot be loaded into this program")

# ---- allocations that fail: the same outputs, or an error ----
if preload.library():
    def without_clock(directory):
        return {name: text for name, text in contents(directory).items()}

    def same_or_error(name, arguments, good, code, looks):
        """Samples the N-th allocation; `looks` gives what was put out."""
        _, allocations = preload.counts(*arguments)
        faults, errors = [], 0
        places = sorted(set(range(1, 30)) | set(chance.sample(range(1, allocations + 1), min(allocations, 90))))
        for at in places:
            looks(clear=True)
            result = preload.run(*arguments, no_memory=at)
            if result.returncode == 2 and result.stderr.startswith("poolscope: ") and len(result.stderr.strip().splitlines()) == 1:
                errors += 1
            elif result.returncode != code or (looks(), result.stdout) != good:
                faults.append(f"allocation {at}: exit {result.returncode} {result.stderr[:300]}")
        print(f"# {name}: {errors} of {len(places)} failed allocations are errors")
        report(not faults and errors > len(places) / 2, f"{name}: without memory an error, or the same outputs", "\n".join(faults))

    def compared(clear=False):
        if clear:
            shutil.rmtree(path("mem"), ignore_errors=True)
        return contents("mem")

    shutil.rmtree(path("mem"), ignore_errors=True)
    loud = comparison("mem")[:-1]
    compared(clear=True)
    first = must(*loud)
    same_or_error("compare", loud, (compared(), first.stdout), 0, compared)

    def nothing(clear=False):
        return ""

    for form in ("text", "json", "sarif"):
        arguments = ["check", "b2", "--golden", "golden.jsonl", "--format", form, "--expect", "max(dead_share, last 50%) < 2"]
        first = run(*arguments)
        same_or_error("check as " + form, arguments, ("", first.stdout), first.returncode, nothing)
else:
    tap.skip("allocations that fail", "cannot be loaded into this program")
tap.done()
