"""src/trace/FORMAT.md as a contract: what it allows a program of others to write passes `validate` and the readers, and what it forbids is refused by both,
with a sentence that names the key."""
import json
import sys

sys.dont_write_bytecode = True
import outsider
import tap
from outsider import header, layer, quantity, step, trace
from tap import must, report, run


def passes(name, lines):
    """validate and the reader of the analysis take it."""
    outsider.write(tap.path("t.jsonl"), lines)
    checked, read = run("validate", "t.jsonl"), run("compare", "--arm", "a=t.jsonl", "--out", "cmp")
    report(checked.returncode == 0 and read.returncode in (0, 1), name, checked.stdout + checked.stderr + read.stderr)


def refused(name, lines, *words):
    outsider.write(tap.path("t.jsonl"), lines)
    checked, read = run("validate", "t.jsonl"), run("compare", "--arm", "a=t.jsonl", "--out", "cmp")
    missing = [word for word in words if word not in checked.stdout or word not in read.stderr]
    report(checked.returncode == 1 and read.returncode == 2 and not missing, name, f"{missing}\n{checked.stdout}{checked.stderr}{read.stderr}")


passes("a trace of another program passes", trace())

# ---- how it was recorded ----
passes("precision, rank, accumulation and optimisers may be said", trace(header(
    every=2, precision="mixed bfloat16", rank=0, ranks=4, accumulate=8, optimisers=[{"name": "SGD", "groups": 2}, {"name": "AdamW"}])))
refused("a rank without ranks is refused", trace(header(rank=0)), '"rank"', '"ranks"')
refused("a rank beyond them, too", trace(header(rank=2, ranks=2)), '"rank" is 2 of 2')
refused("so is an optimiser without a name", trace(header(optimisers=[{"groups": 1}])), '"optimisers"[0]', '"name"')
refused("optimisers that are texts", trace(header(optimisers=["SGD"])), '"optimisers"[0]', '"name"')
refused("every 0", trace(header(every=0)), '"every" must be a whole number from 1')
refused("a batch of no batches", trace(header(accumulate=0)), '"accumulate"')
refused("a precision that is no text", trace(header(precision=16)), '"precision"')
refused("names of optimisers that are no list", trace(header(quantities=[quantity("zeros", "window", holds_for="SGD")])), '"holds_for"')
for loss_of in ("test", "train", "probe"):
    passes(f"the loss at the end may be of the split {loss_of}", [*trace()[:-1], outsider.end(loss_of=loss_of)])
refused("but of no other", [*trace()[:-1], outsider.end(loss_of="validation")], '"loss_of"')

# ---- what need not be known ----
for key in ("depth", "fan_in", "elements", "inputs"):
    passes(f"{key} of a layer may be unknown", trace(header(layers=[layer("c1", 0, **{key: None}), layer("c2", 1)])))
passes("an activation may have any name", trace(header(layers=[layer("c1", 0, activation="mish"), layer("c2", 1)])))
passes("where elements are not the same for all images, a record says how many there were",
       [line if line["type"] != "probe" else {**line, "elements": 37} for line in trace(header(layers=[
           layer("c1", 0, elements=None), layer("c2", 1, elements=None)]))])
passes("a run of which nothing but losses is known passes", [header(layers=[], quantities=[], arm=""), *(step(t) for t in range(4)), outsider.end()])
passes("and one of which not even that is", [header(layers=[], quantities=[], steps=0), {"type": "end", "steps": 0, "status": "finished"}])

# ---- order ----
lines = trace()
passes("steps may be left out", [line for line in lines if line.get("step") != 1 or line["type"] != "step"])
passes("all of them", [line for line in lines if line["type"] != "step"])
passes("losses of every tenth step, evaluations in between", [header(layers=[], quantities=[]), *(step(t) for t in range(0, 91, 10)), outsider.evaluated(97),
                                                              {**outsider.end(), "steps": 100}])
refused("a step does not come twice", [*lines[:3], step(0), step(0), *lines[4:]], "step 0 follows where step 1 or a later one is due")
refused("nor after its window", [*lines[:9], step(1), *lines[9:]], "step 1 follows")
refused("nor after a probing of the state behind it", [header(), *outsider.probed(0), step(0), *outsider.probed(2), step(1)], "step 1 follows where step 2")
refused("windows have no gap", [line if line["type"] != "window" or line["window"] == 0 else {**line, "first": 3, "last": 3} for line in lines],
        "begins at step 3, but step 2 is due")
refused("nor are they longer than the header says", trace(header(window=1)), "more than the header's 1")
refused("the last one ends with the run", [*lines[:-1], {**outsider.end(), "steps": 5}], "the last window ends at step 3, but the last step is 4")
refused("no record is of a step behind the end", [*lines[:-1], outsider.evaluated(9), outsider.end()], '"steps" is 4, but records before it are of 9 steps')
refused("listed quantities of windows are recorded", [line for line in lines if line["type"] != "window"], "lists quantities of window records")
refused("and listed ones of probings", [line for line in lines if line["type"] != "probe"], "begins with the probing of step 0")
refused("the first probing is of step 0", [header(), *outsider.probed(2)], "begins with the probing of step 0")
passes("where none is listed there need be none", [header(quantities=[]), *(step(t) for t in range(4)), outsider.end()])
refused("nothing follows the end", [*lines, outsider.evaluated(4)], "follows the end record")
refused("there is one header", [lines[0], *lines], "second header")

# ---- keys and values ----
text = json.dumps(header())
refused("no key stands twice in an object of the header", [text.replace('"gate": "act"', '"gate": "act", "gate": "b"', 1), *lines[1:]], '"gate" stands twice')
refused("nor in one of a record that no one reads", [*lines[:3], '{"type":"step","step":0,"x":{"y":1,"y":2}}', *lines[4:]], '"y" stands twice')
refused("nor within a list there", [lines[0], '{"type":"probe","step":0,"images":5,"elements":20,"layer":"c1","values":{},"x":[{"y":1,"y":2}]}', *lines[2:]],
        '"y" stands twice')
count = header()["quantities"] + [quantity("in_alive", "probe", per="layer")]
refused("no count is beyond 2^53", [header(quantities=count), *outsider.probed(0, values={"in_alive": 1e17})], '"in_alive" is 1e+17')
refused("what poolscope records itself stands where it says", trace(header(quantities=[quantity("zeros", "probe")])), '"zeros" is per node and stands in window')
refused("what is per step stands in step records", trace(header(quantities=count + [quantity("x", "window", per="step")])), 'quantity "x"')
refused("what is per node does not", trace(header(quantities=count + [quantity("x", "step")])), 'quantity "x"')
refused("words of frozen parts are known", trace(header(layers=[layer("c1", 0, frozen=["all"]), layer("c2", 1)])), '"frozen" holds "all"')
refused("channels fall into groups", trace(header(layers=[layer("c1", 0, groups=2), layer("c2", 1)])), '3 channels do not fall into 2 "groups"')
passes("depthwise is a convolution with groups", trace(header(layers=[layer("c1", 0, groups=3, fan_in=9), layer("c2", 1)])))
refused("as a kind it is none", trace(header(layers=[layer("c1", 0, kind="depthwise"), layer("c2", 1)])), '"kind" must be', '"depthwise"')
refused("a count of labels for each class", trace(header(data={"classes": 3, "class_counts": [1, 2]})), '"class_counts" holds 2 values for 3 classes')
refused("a mean for each channel", trace(header(data={"sample": [3, 1, 8, 8], "input_mean": [0]})), '"input_mean" holds 1 values for 3 channels')
refused("a deviation is not negative", trace(header(data={"input_sd": [-1]})), '"input_sd" is -1')
refused("what is not finite is one of four", [*lines[:3], {"type": "event", "step": 0, "event": "nonfinite", "what": "all"}, *lines[3:]], '"what" must be')
refused("the end counts such events", [*lines[:-1], outsider.end(nonfinite=1)], '"nonfinite" is 1, but the trace holds 0')

# ---- recorded steps ----
STEPS_OF = {"zeros": [0, 0.5, 1], "shut_steps": [0, 0, 2], "grad_zero_steps": [0, 1, 2]}
passes("a count may be as large as the window has steps", trace(values=STEPS_OF))
refused("and no larger than the steps that were recorded", trace(header(every=2), values=STEPS_OF), '"shut_steps" is 2', "from 0 to 1")
refused("which a window may say itself", trace(values=STEPS_OF, sampled=1), '"shut_steps" is 2', "from 0 to 1")
passes("0 of them: nothing was measured", trace(values={"zeros": [None] * 3}, sampled=0))
refused("more than the header leaves is refused", trace(header(every=2), sampled=2), '"sampled" is 2')
for bad in (-1, 0.5, "1", None):
    refused(f"sampled {bad!r} is refused", trace(sampled=bad), '"sampled" must be a whole number')


def table(name):
    with open(tap.path("cmp", "tables", name)) as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


# A node of 1e-3 of its weights in the one step of two that was recorded moves by an estimated 2e-3, and is not inert.
SLOW = {"zeros": [0.9, 0.5, 0.5], "grad_zero_steps": [1, 0, 0], "path": [0.0008] * 3, "path_gradient": [0.0008] * 3, "weight_start_l2": [1] * 3}
for every, mobility, share in ((1, "inert", "0.5"), (2, "moving", "1")):
    outsider.write(tap.path("t.jsonl"), trace(header(every=every), values=SLOW))
    run("compare", "--arm", "a=t.jsonl", "--out", "cmp")
    nodes = [row for row in table("nodes.tsv") if row["channel"] == "1"]
    report(nodes and all(row["mobility"] == mobility for row in nodes), f"every {every}: the bound of inertia is that of the whole window", nodes)
    dead = table("grad_dead.tsv")
    report(dead and all(float(row["zero_step_share"]) == float(share) for row in dead), f"every {every}: a share of steps is one of recorded steps", dead)

# ---- optimisers that a quantity holds for ----
PARTS = [quantity(name, "window", holds_for=["SGD", "AdamW"]) if name.startswith("path") else quantity(name, "window") for name in outsider.WINDOWED]
PARTS += [quantity(name, "probe") for name in outsider.PROBED]
for names, known in ((["SGD"], True), (["AdamW", "SGD"], True), (["SGD", "Lion"], False), (None, False)):
    optimisers = ... if names is None else [{"name": name} for name in names]
    passes(f"optimisers {names}: the trace is taken", trace(header(quantities=PARTS, optimisers=optimisers)))
    mobility = {row["mobility"] for row in table("nodes.tsv")}
    report(("NA" not in mobility) == known, f"and movement is {'judged' if known else 'not judged'}", mobility)

# ---- the loss of the end ----
for loss_of, shown in (("test", "1"), ("train", "NA")):
    lines = [line for line in trace() if line["type"] != "eval"]
    lines[-1] = outsider.end(loss_of=loss_of)
    outsider.write(tap.path("t.jsonl"), lines)
    run("compare", "--arm", "a=t.jsonl", "--out", "cmp")
    row = table("runs.tsv")[0]
    report(row["test_loss"] == shown, f"a loss of the {loss_of} split is {'shown' if shown != 'NA' else 'not shown'} as test loss", row)


# ---- a pair of arms ----
def compared(first, second):
    for path, lines in (("first.jsonl", first), ("second.jsonl", second)):
        outsider.write(tap.path(path), lines)
        must("validate", path)
    result = run("compare", "--arm", "baseline=first.jsonl", "--arm", "other=second.jsonl", "--out", "cmp")
    with open(tap.path("cmp", "verdict.json")) as stream:
        return result, json.load(stream)["summary"]


POOLED = {**outsider.ARM, "role": "pool_skip", "pool_size": 2}


def named(names, **more):
    """A trace of two layers of other names."""
    renamed = dict(zip(("c1", "c2"), names))
    lines = trace(header(layers=[layer(names[0], 0), layer(names[1], 1, inputs=[names[0]])], **more))
    return [{**line, "layer": renamed[line["layer"]]} if "layer" in line else line for line in lines]


result, said = compared(named(("f.0", "f.3")), named(("f.0", "f.4"), arm_is=POOLED))
sentence = [text for text in said if "no counterpart" in text]
report(result.returncode == 0 and len(sentence) == 1 and "f.4" in sentence[0] and "f.3" in sentence[0] and "tell the recorder" in sentence[0],
       "layers that a module renumbered are named, with what to do", result.stderr + "\n".join(said))
rows = [(row["arm"], row["layer"], row["lacks"]) for row in table("unmatched_layers.tsv")]
report(rows == [("other", "f.4", "no layer of this name"), ("baseline", "f.3", "no layer of this name")], "and stand in a table", rows)
report("layers" in [row for row in table("arms.tsv") if row["arm"] == "other"][0]["differs"], "the arms are no pair")
ARMS = ("compare", "--arm", "baseline=baseline.jsonl", "--arm", "other=other.jsonl", "--out", "none")
for pairing in ({}, {"backbone": "a", "data": "d"}):
    for name, names in (("baseline", ("f.0", "f.3")), ("other", ("g.0", "g.4"))):
        outsider.write(tap.path(f"{name}.jsonl"), named(names, pairing=pairing))
    result = run(*ARMS)
    report(result.returncode == 2 and "shares no layer" in result.stderr and "g.0" in result.stderr and "recorder" in result.stderr,
           f"runs of one network without a layer in common are refused (pairing {pairing})", result.stderr)
for name, names in (("baseline", ("f.0", "f.3")), ("other", ("g.0", "g.4"))):
    outsider.write(tap.path(f"{name}.jsonl"), named(names, pairing={"backbone": name, "data": "d"}))
result = run(*ARMS)
report(result.returncode == 0, "declared to be two networks, they are compared as whole runs", result.stderr)
result, said = compared(trace(header(every=2)), trace())
report("every" in table("arms.tsv")[1]["differs"] and any("one of 2 steps" in text for text in said), "other recorded steps are said, and make no pair", said)
result, said = compared(trace(header(precision="mixed bfloat16", rank=1, ranks=4, accumulate=8)), trace())
report(any("in mixed bfloat16; 8 batches a step; by process 1 of 4" in text for text in said), "how an arm was recorded is said", said)
result, said = compared(trace(header(quantities=PARTS, optimisers=[{"name": "Lion"}])), trace())
report(any("path, path_gradient" in text and "not judged" in text for text in said), "and which quantities are not judged", said)

# ---- a module that no layer names ----
SHUT = {"zeros": [1, 0.5, 0.75], "shut_steps": [2, 0, 0], "grad_zero_steps": [0, 0, 0], "grad_norm_rms": [1, 1, 1]}
QUANTITIES = header()["quantities"] + [quantity("grad_norm_rms", "window")]
for module in (None, "ps1"):
    layers = [layer("c1", 0, pool_skip=module), layer("c2", 1, pool_skip=module)]
    result, said = compared(trace(header(quantities=QUANTITIES)), trace(header(arm_is=POOLED, quantities=QUANTITIES, layers=layers), values=SHUT))
    told = [text for text in said if '"pool_skip": null' in text and "c1" in text and "name it" in text]
    report((result.returncode, len(told)) == ((1, 1) if module is None else (0, 0)),
           f"pool_skip {module!r}: a gradient behind a shut gate {'names the key' if module is None else 'is no fault'}", result.stderr + "\n".join(said))

tap.done()
