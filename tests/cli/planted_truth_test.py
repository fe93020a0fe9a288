#!/usr/bin/env python3
"""Planted truth: nodes made dead in checkpoints that the trace knows nothing of are all found, with their cause, and no others.

PS_PLANTINGS sets how many plantings are drawn (100)."""
import csv, os, shutil, subprocess, sys, tempfile

program = os.environ["PS_PROGRAM"]
plantings = int(os.environ.get("PS_PLANTINGS", "100"))
folder = tempfile.mkdtemp(prefix="ps_planted_")

# Small networks whose nodes are all active before planting (checked below): without and with normalisation, and a residual one. They have
# trained, but at a rate so small that what is active is settled by the initial weights, whatever training would make of them.
COMMON = ["--size", "8", "--probe", "512", "--batch", "64", "--train-limit", "1280", "--test-limit", "64", "--init-scheme", "he", "--seed", "5", "--quiet"]
NETWORKS = {
    "plain": ["--model", "plain9", "--width", "0.5", "--batch-norm", "no"],
    "normalised": ["--model", "plain9", "--width", "0.5", "--batch-norm", "yes"],
    "residual": ["--model", "resnet18", "--width", "0.125"],
}
CAUSES = ["bias", "weights-in", "weights-out", "near-miss", "gamma"]  # a network without normalisation has no gamma


def run(*arguments):
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def table(directory, name):
    with open(os.path.join(folder, directory, "tables", name + ".tsv")) as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def diagnose(network, weights):
    """The nodes' rows as they are at the first probe of a run that starts from these weights."""
    shutil.rmtree(os.path.join(folder, "run"), ignore_errors=True)
    run("train", *NETWORKS[network], *COMMON, "--init", weights, "--steps", "1", "--window", "1", "--lr", "0", "--out", "run")
    run("compare", "--arm", "planted=run", "--out", "compared", "--quiet")
    return table("compared", "nodes")


def expected(cause, normalised):
    """(condition, cause) that the diagnosis must give."""
    return {
        "bias": ("dead", "norm_shift" if normalised else "negative_bias"),
        "weights-in": ("dead", "zero_incoming"),
        "weights-out": ("unused", "zero_outgoing"),
        "gamma": ("dead", "gamma_zero"),
        "upstream": ("dead", "inputs_dead"),
        "near-miss": ("none", "none"),
    }[cause]


def judge(network, number):
    """One planting; returns sentences about what was diagnosed wrongly."""
    choice = CAUSES[: 4 if network == "plain" else 5]
    causes = [choice[(number // 3 + i) % len(choice)] for i in range(1 + number % 4)]
    spec = f"count=1,cause={'+'.join(causes)},seed={number},value=-30"
    if number % 10 == 9:
        spec = f"count=1,cause=upstream,seed={number},value=-30"
    planted = run("plant", network + ".safetensors", "--plant", spec, "--out", "planted.safetensors")
    truth = {}
    for line in planted.splitlines():
        cells = line.split("\t")
        if len(cells) >= 3 and cells[1].isdigit():
            truth[f"{cells[0]}:{cells[1]}"] = cells[2]
    wrong, missed = [], set(truth)
    for row in diagnose(network, "planted.safetensors"):
        found = (row["condition_start"], row["cause_start"])
        cause = truth.get(row["node"])
        missed.discard(row["node"])
        # Where a whole layer falls silent, others may die with it, rightly (no image activates them), say the same of every image,
        # or have nothing left but rounding.
        collateral = cause is None and "upstream" in spec and (
            found[0] == "dead" and row["images_active"] == "0" or found in (("constant", "no_variation"), ("edge", "none")))
        want = found if collateral else expected(cause, row["gamma"] != "NA") if cause else ("none", "none")
        # A node that the batch just opens, or the shift of what feeds it, may be 0 on every image by the running statistics,
        # which were not planted: then that is the finding, and the recorded counts of evaluation mode bear it out.
        fades = want == ("none", "none") and found == ("eval_dead", "running_statistics") and row["state_eval"] == "dead"
        if found != want and not fades:
            wrong.append(f"{network}, {spec}: {row['node']} planted {cause}: diagnosed {found}, not {want}")
        if cause is None and found[0] == "dead" and row["images_active"] != "0":
            wrong.append(f"{network}, {spec}: {row['node']} planted None: called dead, and active on {row['images_active']} images")
        if cause == "near-miss" and row["images_active"] != "1":
            wrong.append(f"{network}, {spec}: {row['node']} is active on {row['images_active']} images, not 1")
    return len(truth), wrong + [f"{node} is not in the table" for node in missed]


def main():
    print("1..3")
    active = True
    for name, options in NETWORKS.items():
        run("train", *options, *COMMON, "--steps", "20", "--window", "20", "--lr", "1e-5", "--clip", "1", "--out", name)
        shutil.copy(os.path.join(folder, name, "checkpoint.safetensors"), os.path.join(folder, name + ".safetensors"))
        for row in diagnose(name, name + ".safetensors"):
            if row["condition_start"] != "none" or int(float(row["images_active"])) < 2:
                active = False
                print(f"# {name}: {row['node']} is {row['condition_start']} ({row['cause_start']}) before anything is planted")
    print(f"{'ok' if active else 'not ok'} 1 - trained networks with every node active give no diagnosis")
    planted, wrong, alarms = 0, [], []
    names = list(NETWORKS)
    for number in range(plantings):
        count, sentences = judge(names[number % len(names)], number)
        planted += count
        for sentence in sentences:
            (alarms if "planted None" in sentence else wrong).append(sentence)
    for sentence in (wrong + alarms)[:20]:
        print("#", sentence)
    print(f"{'ok' if planted > 0 and not wrong else 'not ok'} 2 - all of {planted} nodes in {plantings} plantings are diagnosed rightly")
    print(f"{'ok' if not alarms else 'not ok'} 3 - no other node is accused")


try:
    main()
except RuntimeError as error:
    print("# " + str(error))
    sys.exit(1)
finally:
    shutil.rmtree(folder, ignore_errors=True)
