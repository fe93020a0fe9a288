#!/usr/bin/env python3
"""Instrument checks on runs of the engine itself: with many dead nodes every identity is judged often and holds, in every arm; and one
number of such a trace put wrong makes the run faulty, in the one check that the number belongs to, at its line."""
import csv
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import TINY, done, must, path, report, run  # noqa: E402

BATCHES = {"shut_gate_no_gradient", "shut_gate_no_gamma_gradient", "shut_gate_no_beta_gradient", "dead_input_no_gradient"}
MODULE = {"shut_gate_no_row_gradient", "shut_gate_no_identity", "shut_gate_all_by_pool", "pool_parts_add_up", "pool_gradient_parts_add_up"}
ALWAYS = {"shut_steps_agree", "update_parts_add_up", "net_within_path", "path_within_parts", "dead_is_silent"}
OPTIONS = [*TINY, "--steps", "30", "--window", "5", "--plant", "share=0.25,cause=bias,seed=1", "--checkpoint-every", "0"]


def checks(name, *runs):
    """Exit code of a comparison of one arm, and its rows of checks.tsv by check."""
    result = run("compare", "--arm", name + "=" + ",".join(runs), "--out", "out", "--quiet")
    with open(path("out", "tables", "checks.tsv"), newline="", encoding="utf-8") as file:
        return result.returncode, {row["check"]: row for row in csv.DictReader(file, delimiter="\t")}


# Arms: plain; Pool Skip, whole and with either way cut; a residual network whose gates are shared; AdamW; none of it normalised.
ARMS = {
    "base": (["--model", "plain9"], BATCHES | ALWAYS),
    "ps2": (["--model", "plain9", "--pool-skip", "2"], BATCHES - {"shut_gate_no_gradient"} | MODULE | ALWAYS),
    "cut_forward": (["--model", "plain9", "--pool-skip", "2", "--pool-skip-cut", "forward"], BATCHES - {"shut_gate_no_gradient"} | MODULE | ALWAYS),
    "cut_gradient": (["--model", "plain9", "--pool-skip", "2", "--pool-skip-cut", "gradient"], BATCHES | MODULE | ALWAYS),
    "residual": (["--model", "resnet18", "--width", "0.125", "--pool-skip", "2"], BATCHES - {"shut_gate_no_gradient"} | MODULE | ALWAYS),
    "adamw": (["--model", "plain9", "--optimiser", "adamw", "--lr", "0.01"], BATCHES | ALWAYS),
    "bare": (["--model", "plain9", "--batch-norm", "no"], {"shut_gate_no_gradient", "dead_input_no_gradient"} | ALWAYS),
}
for name, (options, judged) in ARMS.items():
    must("train", *OPTIONS, *options, "--out", name)
    code, rows = checks(name, name)
    silent = [c for c in judged if float(rows[c]["cases"]) < 10]
    wrong = [(c, r["violations"], r["first_violation"]) for c, r in rows.items() if float(r["violations"]) > 0]
    report(code == 0 and not wrong, name + ": every identity holds", wrong)
    report(not silent, name + ": each was judged at least ten times", {c: rows[c]["cases"] for c in silent})

# A leaky gate is never shut: nothing is claimed of it.
must("train", *OPTIONS, "--model", "plain9", "--leaky-slope", "0.1", "--out", "leaky")
code, rows = checks("leaky", "leaky")
report(code == 0 and all(rows[c]["holds"] == "NA" for c in BATCHES), "a leaky gate is not judged")

# What was not recorded is not judged.
must("train", *OPTIONS, "--model", "plain9", "--record", "all,-shut_*,-pool_*", "--out", "partly")
code, rows = checks("partly", "partly")
unrecorded = (BATCHES | MODULE | {"shut_steps_agree"}) - {"shut_gate_no_gradient"}
report(code == 0 and all(rows[c]["holds"] == "NA" for c in unrecorded), "nothing is guessed of what was not recorded",
       {c: rows[c]["holds"] for c in unrecorded})


def put_wrong(source, quantity, change):
    """A copy of a trace in which the first value that `change` alters is altered. Returns the number of its line."""
    os.makedirs(path("wrong"), exist_ok=True)
    altered = 0
    with open(path(source, "trace.jsonl"), encoding="utf-8") as old, open(path("wrong", "trace.jsonl"), "w", encoding="utf-8") as new:
        for number, line in enumerate(old, 1):
            record = json.loads(line)
            values = record.get("values", {}).get(quantity) if not altered and record["type"] == "window" else None
            for c in range(len(values or [])):
                value = change(values[c], {k: v[c] for k, v in record["values"].items() if isinstance(v, list)})
                if value is not None and not altered:
                    values[c] = value
                    altered = number
                    line = json.dumps(record) + "\n"
            new.write(line)
    return altered


def one_more(count, node):
    return count + 1 if count is not None and node["shut_steps"] > 0 else None


FAULTS = [
    ("base", "shut_filter_grad_steps", one_more, "shut_gate_no_gradient"),
    ("base", "shut_gamma_grad_steps", one_more, "shut_gate_no_gamma_gradient"),
    ("base", "shut_beta_grad_steps", one_more, "shut_gate_no_beta_gradient"),
    ("base", "shut_reader_grad_steps", one_more, "dead_input_no_gradient"),
    ("ps2", "shut_pool_row_grad_steps", one_more, "shut_gate_no_row_gradient"),
    ("ps2", "shut_identity_grad_steps", one_more, "shut_gate_no_identity"),
    ("ps2", "pool_cross", lambda v, node: v - 1e-4 * node["pool_identity"] if node["pool_identity"] else None, "pool_parts_add_up"),
    ("ps2", "pool_grad_cross", lambda v, node: v + 1e-4 * node["pool_grad_path"] if node["pool_grad_identity"] else None,
     "pool_gradient_parts_add_up"),
    ("base", "shut_steps", lambda v, node: 5 if node["zeros"] < 1 and v == 0 else None, "shut_steps_agree"),
]
for source, quantity, change, check in FAULTS:
    line = put_wrong(source, quantity, change)
    code, rows = checks("wrong", "wrong")
    failed = {c for c, r in rows.items() if r["holds"] == "0"}
    others = {"shut_gate_no_gradient"} if quantity == "shut_steps" else set()  # an open gate said to be shut has a gradient
    report(line > 0 and code == 1 and check in failed and failed <= {check} | others, f"{quantity} put wrong: the run is faulty in {check}",
           (line, code, failed))
    place = rows[check]["first_violation"].rsplit(":", 1)
    report(place[0].endswith("trace.jsonl") and place[1] == str(line), f"{quantity}: its line is named", (rows[check]["first_violation"], line))

done()
