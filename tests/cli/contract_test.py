"""src/trace/FORMAT.md as a contract: what it allows a program of others to write passes `validate` and the readers, and what it forbids is refused by both,
with a sentence that names the key."""
import json
import sys

sys.dont_write_bytecode = True
import outsider
import tap
from outsider import header, quantity, step, trace
from tap import report, run


def passes(name, lines):
    """validate and the reader of the analysis take it."""
    outsider.write(tap.path("t.jsonl"), lines)
    checked, read = run("validate", "t.jsonl"), run("compare", "--arm", "a=t.jsonl", "--out", "cmp")
    report(checked.returncode == 0 and read.returncode == 0, name, checked.stdout + checked.stderr + read.stderr)


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

tap.done()
