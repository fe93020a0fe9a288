"""--freeze: frozen parameters get no update, the trace says so, and nodes whose weights are frozen are not judged inert. The network learns at a rate of
1e-6, so that every other node is inert by the rule."""
import csv
import json
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, path, records, report, run

NET = ["--model", "vgg16", "--stages", "1,1,1", "--width", "0.1", *tap.TINY[2:], "--pool-skip", "2", "--dropout", "0", "--steps", "8", "--window", "4", "--lr", "1e-6"]
header = lambda name: {layer["name"]: layer for layer in records(name)[0]["layers"]}
must("train", *NET, "--out", "start")
convs = [n for n, layer in header("start").items() if layer["kind"] == "conv"]
first, second, third = convs[:3]
own = header("start")[second]
PATTERNS = f"{second}.weight,{third}.bias,{own['norm']}.weight"
must("train", *NET, "--freeze", PATTERNS, "--out", "frozen")
layers = header("frozen")
report(not any("frozen" in layer for layer in header("start").values()), "where all is trained nothing is said of freezing")
report(layers[second]["frozen"] == ["weight", "norm.weight"] and layers[third]["frozen"] == ["bias"], "the trace says what is frozen of each layer", {n: layer.get("frozen") for n, layer in layers.items()})
report(layers[first].get("frozen") == ["readers"], "and where all weights that read a layer are", layers[first].get("frozen"))
report(run("validate", "frozen").returncode == 0, "the trace follows the format", run("validate", "frozen").stdout)
moved = [r["values"] for r in records("frozen", "window") if r["layer"] == second]
report(len(moved) > 0 and all(set(v["path"]) == {0} and max(v["grad_norm_rms"]) > 0 for v in moved), "frozen weights have gradients and no path")


def table(folder, name):
    with open(path(folder, "tables", name)) as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


done = run("compare", "--arm", "baseline=frozen", "--out", "c", "--quiet")
nodes = table("c", "nodes.tsv")
of = lambda layer: [r for r in nodes if r["layer"] == layer]
report(done.returncode in (0, 1) and {r["mobility"] for r in of(second)} == {"frozen"}, "the table of nodes calls them frozen", done.stderr + str({r["mobility"] for r in of(second)}))
report(all(r["condition"] != "inert" and r["path_gradient"] == "NA" for r in of(second)), "none of them is inert, and no movement is read", of(second)[:1])
report(any(r["mobility"] == "inert" for r in of(first)) and all(r["mobility"] in ("inert", "undefined") for r in of(first)), "while those that are trained at next to no rate are inert", of(first)[:1])
report({r["mobility"] for r in of(third)} <= {"inert", "undefined"}, "a frozen bias does not take its node out", {r["mobility"] for r in of(third)})
shares = {(r["layer"]): r["inert_share"] for r in table("c", "layer_time.tsv") if r["step"] == "8"}
report(shares[second] == "NA" and shares[first] != "NA", "the share of inert nodes is of trained ones alone", shares)
scatter = table("c", "inertia.tsv")
report(len(scatter) > 0 and not any(r["layer"] == second for r in scatter), "and so is the scatter")
counted = [r for r in table("c", "inertia_time.tsv") if r["state"] == "all"]
report(len(counted) > 0 and all(float(r["inert_share"]) == 1 for r in counted), "medians and shares of groups are over trained nodes", counted[:1])
must("train", *NET, "--freeze", "*.weight", "--out", "every")
every = {n: layer.get("frozen") for n, layer in header("every").items()}
report("readers" in every[first] and "weight" in every[first] and "pool_skip.weight" in every[first], "of a pattern for all weights all are named", every)
story = run("explain", "frozen", f"{second}:0")
report("frozen      weight, norm.weight (not trained)" in story.stdout, "explain says what of the node is frozen", story.stdout + story.stderr)
found = {f["id"]: f for f in json.loads(run("diagnose", "frozen", "--json").stdout)["findings"]}
report("frozen" in found and "as the trace says" in json.dumps(found["frozen"]), "diagnose says that it is so because it was asked for", list(found))
report(second not in json.dumps(found.get("inert_nodes", {})), "and no finding of inert nodes names them", found.get("inert_nodes"))
rules = [run("check", "frozen", "--expect", rule) for rule in (f'inert_share[layer="{first}"].final == 1', f'inert_share[layer="{second}"].final == 1')]
report(rules[0].returncode == 0 and rules[1].returncode == 1, "rules of check on inertia leave frozen nodes out", rules[0].stdout + rules[1].stdout)
tap.done()
