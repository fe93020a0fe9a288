"""One meaning of dead: every command counts the same two populations of one residual network, and to the digit."""
import json
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run

NETWORK = ["--model", "resnet18", *tap.TINY, "--width", "0.0625", "--plant", "share=0.3,cause=bias,value=-6,seed=1"]
for e in ("0", "2"):
    must("train", *NETWORK, "--steps", "8", "--window", "4", "--seed", "1", "--pool-skip", e, "--arm", f"e{e}", "--out", f"r{e}")


def edges(values, key):
    return values[key] if key in values else [None] * len(values["nonzero"])


def count(directory):
    """Of the last probing: dead and known nodes, as FORMAT.md defines them."""
    header, probes = records(directory)[0], records(directory, "probe")
    last, shares = probes[-1]["step"], {}
    for name, kinds in (("own", ("conv", "linear")), ("all", ("conv", "linear", "shared"))):
        dead = known = 0
        of_kind = {layer["name"] for layer in header["layers"] if layer["kind"] in kinds}
        for record in probes:
            if record["step"] != last or record["layer"] not in of_kind:
                continue
            values = record["values"]
            for nonzero, high in zip(values["nonzero"], edges(values, "pre_max_high")):
                known += 1
                dead += nonzero == 0 if high is None else high <= 0
        shares[name] = dead, known
    return shares


expected = count("r0")
own, every = (expected[name][0] / expected[name][1] for name in ("own", "all"))
report(0 < expected["own"][0] < expected["all"][1] and expected["all"][1] > expected["own"][1], "the network has both kinds of gates, and dead nodes",
       expected)

shown = json.loads(run("eval", "r0/checkpoint.safetensors", "--json").stdout)
report(abs(shown["dead_share"] - own) < 1e-8 and abs(shown["dead_all_share"] - every) < 1e-8, "eval --json has both", (shown, own, every))
text = run("eval", "r0/checkpoint.safetensors").stdout
report(f"{100 * own:.2f} % of nodes with a gate of their own" in text and f"{100 * every:.2f} % of all gates' channels" in text,
       "and eval names them", text)
text = run("diagnose", "r0/checkpoint.safetensors").stdout
for name, who in (("own", "nodes with a gate of their own"), ("all", "all gates' channels")):
    dead, known = expected[name]
    report(f"{dead} of {known} {who} are dead ({100 * dead / known:.2f} %)" in text, f"diagnose counts {who}", text[-400:])
text = run("watch", "r0", "--once").stdout
for word, share in (("dead ", own), ("dead, all", every)):
    line = [l for l in text.splitlines() if l.startswith(word) and not (word == "dead " and l.startswith("dead, all"))]
    report(len(line) == 1 and f"{100 * share:.1f} %" in line[0], f"watch shows \"{word.strip()}\"", (line, share))
for series, share in (("dead_share", own), ("dead_all_share", every)):
    rule = f"{series}.final > {share - 1e-9:.12f} and {series}.final < {share + 1e-9:.12f}"
    held = run("check", "r0", "--expect", rule)
    report(held.returncode == 0, f"a rule about {series} sees it", held.stdout + held.stderr)
compared = must("compare", "--arm", "baseline=r0", "--arm", "ps2=r2", "--out", "cmp")
with open(tap.path("cmp", "tables", "runs.tsv")) as stream:
    names, row = (stream.readline().rstrip("\n").split("\t") for _ in range(2))
cells = dict(zip(names, row))
report(abs(float(cells["dead_end"]) - own) < 1e-8 and abs(float(cells["dead_all_end"]) - every) < 1e-8, "compare's tables have both",
       (cells["dead_end"], cells["dead_all_end"]))
line = [l for l in compared.stdout.splitlines() if l.startswith("  baseline")]
report(len(line) == 1 and re.search(rf"\b{100 * own:.1f} %\s+{100 * every:.1f} %", line[0]) is not None, "and so has its summary", line)
must("report", "cmp", "--quiet")
with open(tap.path("cmp", "report.html")) as stream:
    page = stream.read()
report("gate of their own" in page and "all gates" in page, "the page names both")
tap.done()
