"""`make install` into an empty place: what runs from there, what its help and pages name, and that `make uninstall` leaves what was there before."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import tap
from tap import PROGRAM, ROOT, path, report, skip

SCRIPT = os.path.join(ROOT, ".ci", "install.sh")
PREFIX = path("pre-fix") # with a hyphen, which roff writes otherwise
OUTSIDE = path("elsewhere")
os.makedirs(OUTSIDE)


def install(action, *arguments, prefix=PREFIX, destdir=""):
    return subprocess.run([SCRIPT, action, *arguments], env={**os.environ, "PREFIX": prefix, "DESTDIR": destdir}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def files(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, folders, names in os.walk(folder) for name in names + folders)


def installed(*arguments, **options):
    return subprocess.run([os.path.join(PREFIX, "bin", "poolscope"), *arguments], cwd=OUTSIDE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=600 * tap.PATIENCE, **options)


# ---- what was there before ----
os.makedirs(os.path.join(PREFIX, "share", "man", "man1"))
os.makedirs(os.path.join(PREFIX, "bin"))
for name in ("share/man/man1/other.1", "bin/other"):
    with open(os.path.join(PREFIX, name), "w") as stream:
        stream.write("somebody else's\n")
before = files(PREFIX)
result = install("uninstall")
report(result.returncode == 2 and "nothing of poolscope" in result.stdout and files(PREFIX) == before, "uninstall where nothing was installed says so", result.stdout)
result = install("install", PROGRAM)
report(result.returncode == 0, "install", result.stdout)
first = files(PREFIX)
report(install("install", PROGRAM).returncode == 0 and files(PREFIX) == first, "installing again changes nothing")
report("PREFIX" in install("install", PROGRAM, prefix="relative").stdout and not os.path.exists(os.path.join(ROOT, "relative")), "a relative PREFIX is refused")

# ---- the whole of it ----
commands = re.findall(r"^  ([\w-]+) ", installed("--help").stdout.split("Commands\n")[1].split("\n\n")[0], re.M)
report(len(commands) >= 17, "the help lists commands", commands)
wanted = ["bin/poolscope", "share/poolscope/plot_list.tsv", "share/poolscope/schemas/verdict.schema.json", "share/poolscope/schemas/check.schema.json",
          "share/poolscope/python/poolscope.py",
          "share/doc/poolscope/LICENSE", "share/doc/poolscope/README.md", "share/doc/poolscope/src/trace/FORMAT.md", "share/doc/poolscope/analysis/CAUSES.md",
          "share/doc/poolscope/examples/quickstart/experiment.json", "share/doc/poolscope/examples/ci/pre-commit", "share/man/man1/poolscope.1",
          "share/bash-completion/completions/poolscope", "share/zsh/site-functions/_poolscope", "share/fish/vendor_completions.d/poolscope.fish",
          *(f"share/man/man1/poolscope-{command}.1" for command in commands)]
report(all(name in first for name in wanted), "program, plots, schemas, documents, examples, licence, pages and completions are there", set(wanted) - set(first))
schemas = glob.glob(os.path.join(ROOT, "src", "**", "*schema.json"), recursive=True) + [
    name for folder in ("analysis", "reports") for name in glob.glob(os.path.join(ROOT, folder, "**", "*schema.json"), recursive=True)]
report(len(schemas) >= 5 and all("share/doc/poolscope/" + os.path.relpath(name, ROOT) in first for name in schemas), "every schema is there", schemas)
with open(os.path.join(PREFIX, "share/zsh/site-functions/_poolscope")) as stream:
    report(stream.read().count("'*--arm=") == 1, "zsh offers a repeatable option again")
plots = [os.path.relpath(name, os.path.join(ROOT, "reports")) for name in glob.glob(os.path.join(ROOT, "reports", "plots", "*.gp"))]
report(all("share/poolscope/" + name in first for name in plots), "every plot is there")
broken = []
for document in glob.glob(os.path.join(PREFIX, "share/doc/poolscope/**/*.md"), recursive=True):
    with open(document) as stream:
        for target in re.findall(r"\]\(([^)#:]+)\)", stream.read()):
            if not os.path.exists(os.path.join(os.path.dirname(document), target)):
                broken.append(f"{os.path.relpath(document, PREFIX)}: {target}")
report(not broken, "every link of the documents leads somewhere", "\n".join(broken))

# ---- it works from where it is ----
tiny = [*tap.TINY, "--steps", "2", "--window", "2", "--threads", "1"]
example = os.path.join(PREFIX, "share/doc/poolscope/examples/quickstart/experiment.json")
result = installed("experiment", example, "--seeds", "1", "--arms", "baseline,ps2", "--out", "runs", *[word for word in tiny if word != "--quiet"], "--quiet")
report(result.returncode in (0, 1) and os.path.exists(os.path.join(OUTSIDE, "runs", "report.html")), "an installed example runs, with a report", result.stderr)
texts = {"--help": installed("--help").stdout, **{command: installed("help", command).stdout for command in commands}}
named = {(command, word.strip("`'\"(),;")) for command, text in texts.items() for word in text.split() if "examples/" in word or word.endswith(".md") or ".md." in word}
missing = [pair for pair in named if not os.path.exists(os.path.join(OUTSIDE, pair[1].rstrip(".")))]
report(len(named) >= 4 and not missing, "help names files that are there", missing)
alone = os.path.join(OUTSIDE, "alone")
os.makedirs(alone)
shutil.copy(os.path.join(PREFIX, "bin", "poolscope"), alone)
result = subprocess.run([os.path.join(alone, "poolscope"), "--help"], cwd=alone, stdout=subprocess.PIPE, text=True)
report(result.returncode == 0 and "examples/" not in result.stdout, "a program without its examples names none", result.stdout)
report(texts["train"] == installed("train", "--help").stdout and texts["train"].startswith("poolscope train"), "help COMMAND is COMMAND --help")
result = installed("help", "trian")
report(result.returncode == 2 and 'did you mean "train"' in result.stderr, "help of no command", result.stderr)
result = installed("help", "--completion", "tcsh")
report(result.returncode == 2 and "bash, zsh and fish" in result.stderr, "completion of another shell", result.stderr)

result = installed("python-path")
report(result.returncode == 0 and result.stdout == os.path.join(os.path.realpath(PREFIX), "share/poolscope/python") + "\n", "python-path: the folder of the file for PyTorch", result)
result = subprocess.run([PROGRAM, "python-path"], cwd=OUTSIDE, stdout=subprocess.PIPE, text=True)
report(result.stdout == os.path.join(os.path.realpath(ROOT), "src/python") + "\n", "python-path of a program that is not installed: that of the sources", result.stdout)
with open(os.path.join(PREFIX, "share/poolscope/python/poolscope.py")) as one, open(os.path.join(ROOT, "src/python/poolscope.py")) as other:
    report(one.read() == other.read(), "what is installed is the file of the sources")

# ---- manual pages ----
pages = sorted(glob.glob(os.path.join(PREFIX, "share/man/man1/poolscope*.1")))
report(len(pages) == len(commands) + 1, "one page for each command, and one for all", pages)
renderer = shutil.which("groff")
if renderer is None:
    skip("the pages are sound roff", "no groff")
    skip("the pages say what the help says", "no groff")
else:
    complaints, lacking = "", []
    for page in pages:
        result = subprocess.run([renderer, "-man", "-Tascii", "-ww", "-P-cbou", "-rLL=2000n", page], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        complaints += result.stderr
        command = os.path.basename(page)[len("poolscope-"):-2]
        if command not in commands:
            continue
        shown = " ".join(result.stdout.split())
        options = re.findall(r"^  (--[a-z0-9-]+)", texts[command], re.M)
        lacking += [f"{command}: {option}" for option in options if option not in shown]
        lacking += [f"{command}: {line}" for line in texts[command].split("\n\n")[1].splitlines()[:1] if " ".join(line.split())[:60] not in shown]
    report(not complaints, "the pages are sound roff", complaints)
    report(not lacking, "the pages say what the help says", lacking)
if shutil.which("man"):
    result = subprocess.run(["man", "--warnings", "-l", os.path.join(PREFIX, "share/man/man1/poolscope-train.1")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "MANPAGER": "cat"})
    report(result.returncode == 0 and not result.stderr, "man shows one without a warning", result.stderr)
else:
    skip("man shows one without a warning", "no man")

# ---- completions ----
bash_file = os.path.join(PREFIX, "share/bash-completion/completions/poolscope")


def complete(*words):
    script = (f'. "{bash_file}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _poolscope; printf "%s\\n" "${{COMPREPLY[@]}}"')
    result = subprocess.run(["bash", "-c", script, "bash", "poolscope", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.stdout.split()


if shutil.which("bash"):
    report(subprocess.run(["bash", "-n", bash_file]).returncode == 0, "the completion for bash is sound")
    report(complete("tr") == ["train"] and complete("help", "dia") == ["diagnose"], "commands are completed", complete("tr"))
    wrong = []
    for command in commands:
        options = sorted(set(re.findall(r"^  (--[a-z0-9-]+)", texts[command], re.M)))
        if sorted(complete(command, "--")) != options:
            wrong.append((command, set(options) ^ set(complete(command, "--"))))
    report(not wrong, "for every command exactly the options of its help are completed", wrong)
    report(complete("train", "fi") == [], "names of files are left to bash")
for shell, program, name in (("zsh", ["zsh", "-n"], "share/zsh/site-functions/_poolscope"), ("fish", ["fish", "--no-execute"], "share/fish/vendor_completions.d/poolscope.fish")):
    if shutil.which(shell):
        report(subprocess.run([*program, os.path.join(PREFIX, name)]).returncode == 0, f"the completion for {shell} is sound")
    else:
        skip(f"the completion for {shell} is sound", f"no {shell}")
for name in ("share/zsh/site-functions/_poolscope", "share/fish/vendor_completions.d/poolscope.fish"):
    with open(os.path.join(PREFIX, name)) as stream:
        text = stream.read()
    lacking = [option for command in commands for option in re.findall(r"^  --([a-z0-9-]+)", texts[command], re.M) if not re.search(r"(--|-l )" + option + r"\b", text)]
    report(not lacking, f"{os.path.basename(name)} knows every option", lacking)

# ---- packages ----
result = install("install", PROGRAM, prefix="/usr/pool-scope", destdir=path("dest-dir"))
report(result.returncode == 0, "install for a package", result.stdout)
told = [name for name in files(path("dest-dir")) if os.path.isfile(path("dest-dir", name)) and b"dest-dir" in open(path("dest-dir", name), "rb").read().replace(b"\\-", b"-")]
report(not told, "DESTDIR stands in no file", told)
with open(path("dest-dir/usr/pool-scope/share/man/man1/poolscope-experiment.1")) as stream:
    report("/usr/pool-scope/share/doc/poolscope/examples/" in stream.read().replace("\\-", "-"), "pages name the examples where they will be")

# ---- and away again ----
with open(os.path.join(PREFIX, "share/poolscope/mine"), "w") as stream:
    stream.write("a user's own\n")
result = install("uninstall")
after = files(PREFIX)
report(result.returncode == 0 and after == sorted(before + ["share/poolscope", "share/poolscope/mine"]), "uninstall leaves what was there before and what is somebody else's",
       set(after) ^ set(before))
with open(os.path.join(ROOT, "Makefile")) as stream:
    makefile = stream.read()
report(all(re.search(rf"^{target}:.*\n\t@PREFIX='\$\(PREFIX\)' DESTDIR='\$\(DESTDIR\)' \.ci/install\.sh {target}", makefile, re.M) for target in ("install", "uninstall")),
       "make install and make uninstall are these")
tap.done()
