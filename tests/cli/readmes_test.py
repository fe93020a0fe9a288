"""Every folder of the main README has the README promised there, which says how to add what the folder has lists of."""
import glob
import os
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import report

os.chdir(tap.ROOT)


def read(name):
    with open(name, encoding="utf-8") as stream:
        return stream.read()


def named(table):
    """Folders of the table, each with the file it links."""
    return {folder: file for row in re.findall(r"(?m)^\| (\[?`.*?`.*?) \|", table) for folder, file in re.findall(r"\[`([\w/]+)`\]\(([^)]*)\)", row)}


main = read("README.md")
table = main[main.index("| folder |") :].split("\n\n")[0]
folders = named(table)
there = {name.rstrip("/") for name in glob.glob("src/*/")} | {"analysis", "reports", "tests"}
there -= {name for name in there if not glob.glob(f"{name}/**/*.[chp]*", recursive=True)}
report(set(folders) == there, "the table names every folder, and links it", sorted(set(folders) ^ there))
for folder, file in sorted(folders.items()):
    good = file == f"{folder}/README.md" and os.path.isfile(file) and read(file).startswith("# ") and len(read(file)) > 200
    report(good, f"{folder} has its README", file)
for what, file in {
    "layer": "src/layers", "recorded quantity": "src/probe", "data format": "src/data", "augmentation": "src/data", "task": "src/task", "model": "src/models",
    "measurement": "src/measure", "command": "src/cli", "prediction": "analysis/predictions", "plot": "reports",
}.items():
    said = re.search(r"Adding a layer[^.]*\bone\s+file", main).group(0)
    report(re.search(f"\\ban? {what}", re.sub(r"\s+", " ", said)) and re.search(r"(?m)^## Adding", read(f"{file}/README.md")), f"{file} says how to add a {what}")
lists = {os.path.dirname(name) for name in glob.glob("src/*/*_list.def")} - {"src/core", "src/trace"}
report(not [name for name in lists if not re.search(r"(?m)^## Adding", read(f"{name}/README.md"))], "so does every folder with a list", sorted(lists))
missing = []
for file in ["README.md", *glob.glob("*/**/README.md", recursive=True)]:
    if file.startswith(("build/", "runs/")):
        continue
    text = re.sub(r"(?ms)^```.*?^```", "", read(file))
    for word in re.findall(r"\]\(([^)#:]+)\)", text):
        if not os.path.exists(os.path.join(os.path.dirname(file), word)):
            missing.append(f"{file}: {word}")
    for word in re.findall(r"`((?:[\w.]+/)*\w+\.(?:[ch]|def|py|gp|awk))`", text):
        if not re.search(r"\b(x|augment_x|conv_x|cmd_x|p10|x_fuzz|x_test|q_x|ID|NAME|q_NAME)\.", word) and not any(
            os.path.exists(os.path.join(place, word)) for place in (os.path.dirname(file), "", "src", "tests", "analysis", "reports", "reports/plots")
        ):
            missing.append(f"{file}: {word}")
report(not missing, "what READMEs link and name is there", missing)
report(named("| [`src/a`](src/a/README.md), [`b`](b/README.md) | c |") == {"src/a": "src/a/README.md", "b": "b/README.md"}, "the table is read")
tap.done()
