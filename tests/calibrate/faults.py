"""False alarms and recall of findings, from short trainings: clean ones, and ones with a fault of
examples/faults/catalogue.json planted.
    faults.py PROGRAM FOLDER [--jobs 2] [--seeds 1,2,3] [--only FAULT,..] [--no-clean] [--no-faults] [--keep [--again]]
        [--write]
FOLDER is for data and runs, of which only the results stay. --write rewrites the rates that the program says
(analysis/findings/error_rate_list.def) and the tables of the documents. Standard library alone.
Thresholds are to be tuned on other seeds than the documents report (those from 101 on)."""
import argparse
import concurrent.futures
import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CATALOGUE = os.path.join(ROOT, "examples", "faults", "catalogue.json")
UPPER = ("serious", "critical")
SIDE, CLASSES, TRAIN, PROBE, TEST = 16, 10, 1024, 128, 256


# ---- data sets, as idx files ----

def templates(rng):
    """Ten smooth pictures: sums of three waves each."""
    pictures = []
    for _ in range(CLASSES):
        waves = [(rng.uniform(-3, 3), rng.uniform(-3, 3), rng.uniform(0, 6.28)) for _ in range(3)]
        pictures.append([sum(math.sin(2 * math.pi * (a * y + b * x) / SIDE + c) for a, b, c in waves)
                         for y in range(SIDE) for x in range(SIDE)])
    return pictures


def grey(value):
    return min(255, max(0, round(value)))


def waves_image(rng, pictures, label):
    strength, base = rng.uniform(15, 35), rng.uniform(108, 148)
    return bytes(grey(base + strength * v + rng.gauss(0, 20)) for v in pictures[label])


def blobs_image(rng, places, label):
    """A bright spot whose place and size say the class."""
    cy, cx, radius = places[label]
    cy, cx = cy + rng.uniform(-1.5, 1.5), cx + rng.uniform(-1.5, 1.5)
    level = rng.uniform(80, 120)
    spread = 2 * radius * radius
    return bytes(grey(60 + level * math.exp(-((y - cy) ** 2 + (x - cx) ** 2) / spread) + rng.gauss(0, 12))
                 for y in range(SIDE) for x in range(SIDE))


def write_idx(folder, part, images, labels):
    with open(os.path.join(folder, f"{part}-images-idx3-ubyte"), "wb") as stream:
        stream.write(struct.pack(">IIII", 0x803, len(images), SIDE, SIDE) + b"".join(images))
    with open(os.path.join(folder, f"{part}-labels-idx1-ubyte"), "wb") as stream:
        stream.write(struct.pack(">II", 0x801, len(labels)) + bytes(labels))


def spoil(kind, rng, images, labels):
    """Plants a fault in the training part (its last PROBE images are the probe set)."""
    n = len(images)
    if kind == "grey":
        images[:] = [bytes([128]) * (SIDE * SIDE)] * n
    elif kind == "flat":
        images[:] = [bytes([rng.randrange(256)]) * (SIDE * SIDE) for _ in range(n)]
    elif kind == "identical":
        images[:] = [images[0]] * n
    elif kind == "one-class":
        labels[:] = [0] * n
    elif kind == "shuffled":
        rng.shuffle(labels)
    elif kind == "probe":
        images[-PROBE:] = [bytes(min(255, v // 2 + 120) for v in image) for image in images[-PROBE:]]
    elif kind == "sorted":
        order = sorted(range(n - PROBE), key=lambda i: labels[i])
        images[:-PROBE] = [images[i] for i in order]
        labels[:-PROBE] = [labels[i] for i in order]


def choose_label(kind, rng, i):
    if kind == "unequal":
        return 0 if rng.random() < 0.95 else rng.randrange(CLASSES)
    return i % (CLASSES // 2) if kind == "missing" else i % CLASSES


def make_data(folder, kind, seed):
    """kind: waves, blobs, or a fault planted in waves. Returns what --data takes."""
    if kind == "synthetic":
        return "synthetic"
    if os.path.isdir(folder):
        return "idx:" + folder
    rng = random.Random(f"{kind if kind == 'blobs' else 'waves'}/{seed}")
    if kind == "blobs":
        shapes = [(rng.uniform(3, 12), rng.uniform(3, 12), rng.uniform(1, 3)) for _ in range(CLASSES)]
    else:
        shapes = templates(rng)
    draw = blobs_image if kind == "blobs" else waves_image
    made = folder + ".new"
    shutil.rmtree(made, ignore_errors=True)
    os.makedirs(made)
    labels = [choose_label(kind, rng, i) for i in range(TRAIN + PROBE)]
    images = [draw(rng, shapes, label) for label in labels]
    spoil(kind, rng, images, labels)
    write_idx(made, "train", images, labels)
    labels = [rng.randrange(CLASSES) if kind == "unequal" else i % CLASSES for i in range(TEST)]
    if kind == "one-class":
        labels = [0] * TEST
    images = [draw(rng, shapes, label) for label in labels]
    if kind in ("grey", "identical", "flat"):
        spoil(kind, rng, images, labels)
    write_idx(made, "t10k", images, labels)
    os.rename(made, folder)
    return "idx:" + folder


# ---- starting weights, as safetensors ----

def read_tensors(path):
    with open(path, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        data = stream.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if not name.startswith("optimiser/"):
            tensors[name] = (entry["shape"], data[begin:end])
    return tensors


def write_tensors(path, tensors):
    header, at = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


def change(kind, name, shape, values):
    weight, last = len(shape) > 1, name.startswith("fc.")
    shift = name.endswith(".bias") and not last
    if "running" in name:
        return values
    if kind == "zero":
        return [0.0] * len(values) if weight or last or name.endswith("conv.bias") else values
    if kind == "constant":
        return [0.05] * len(values) if weight else values if not name.endswith(".bias") else [0.0] * len(values)
    if kind == "large":
        return [20 * v for v in values] if weight else values
    if kind == "small":
        return [0.02 * v for v in values] if weight else values
    if kind in ("biases", "shifts"):
        return [-1.5 if kind == "biases" else -4.0] * len(values) if shift else values
    if kind in ("open", "shut"):
        return [10.0 if kind == "open" else -30.0] * len(values) if shift else values
    if kind == "prior":
        return [20.0, *values[1:]] if last and not weight else values
    if kind == "logits":
        return [100 * v for v in values] if weight and last else values
    raise SystemExit(f"no such change of weights: {kind}")


def make_weights(program, folder, kind, options):
    """The start that this run would have, changed."""
    start = os.path.join(folder, "start")
    train(program, {**options, "steps": 1, "window": 1, "lr": 0}, start)
    tensors = read_tensors(os.path.join(start, "checkpoint.safetensors"))
    for name, (shape, data) in tensors.items():
        values = list(struct.unpack(f"<{len(data) // 4}f", data))
        tensors[name] = (shape, struct.pack(f"<{len(values)}f", *change(kind, name, shape, values)))
    path = os.path.join(folder, "weights.safetensors")
    write_tensors(path, tensors)
    return path


# ---- runs ----

def arguments(options):
    out = []
    for key, value in options.items():
        name = "--" + key.replace("_", "-")
        if value is True or value is False:
            out.append(name if value else "--no-" + name[2:])
        else:
            out += [name, str(value)]
    return out


def train(program, options, out):
    shutil.rmtree(out, ignore_errors=True)
    command = [program, "train", *arguments(options), "--threads", "1", "--quiet", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments(options))}: {done.stderr.strip()}")


def rules(program):
    """Ids of all rules."""
    text = subprocess.run([program, "diagnose", "--rules"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(?m)^  (\w+) \(", text)


def look(program, out):
    done = subprocess.run([program, "diagnose", out, "--json"], capture_output=True, text=True, timeout=600)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"diagnose {out}: {done.stderr.strip()}")
    document = json.loads(done.stdout)
    with open(os.path.join(out, "trace.jsonl"), encoding="utf-8") as stream:
        end = json.loads(stream.read().strip().split("\n")[-1])
    findings = [{"id": f.get("rule", f.get("id")), "level": f["level"], "since": f.get("since"),
                 "sentence": f.get("sentence", ""), "remedy": f.get("try", "")} for f in document["findings"]]
    unknown = [u if isinstance(u, str) else u.get("rule", u.get("id")) for u in document["cannot_be_judged"]]
    return {"findings": findings, "unknown": unknown, "accuracy": end.get("accuracy"), "status": end.get("status")}


def accuracy(result):
    value = result["accuracy"]
    return value if isinstance(value, (int, float)) else math.nan


def learned(result):
    """Far above one in ten, with evaluation's own statistics."""
    return result["status"] == "finished" and accuracy(result) >= 0.5


DONE = {}  # what came of a training, by its options and weights: many faults are mended into the same sound run


def run_of(job, folder, options, weights):
    """Trains (or, with --again, takes what is there) and diagnoses; the same training once."""
    program, run = job["program"], os.path.join(folder, "run")
    key = json.dumps([options, weights], sort_keys=True)
    if key in DONE:
        return DONE[key]
    if not (job["again"] and os.path.exists(os.path.join(run, "trace.jsonl"))):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        options = dict(options)
        if weights:
            options["init"] = make_weights(program, folder, weights, options)
        train(program, options, run)
    DONE[key] = look(program, run)
    if not job.get("keep"):
        shutil.rmtree(folder)
    return DONE[key]


# What a remedy names, as it words it.
NAMED = {"lr": r"learning rate of about ([0-9.e+-]+)", "clip": r"usual norm, ([0-9.e+-]+)",
         "weight_decay": r"weight decay of about ([0-9.e+-]+)"}


def advised(key, options, result):
    """The value that the first finding's remedy names; None: it names none."""
    remedy = result["findings"][0]["remedy"] if result["findings"] else ""
    named = re.search(NAMED[key], remedy, re.IGNORECASE)
    if named:
        return float(named.group(1).rstrip("."))
    return options[key] / 10 if key == "lr" and "tenth" in remedy else None


def is_sound(result):
    return learned(result) and not upper(result)


def follow(job, key, result):
    """Does what the first finding says, up to three times, and each time looks again."""
    options, by, last = dict(job["options"]), [], None
    for turn in range(3):
        value = advised(key, options, last or result)
        if value is None:
            break
        options[key] = value
        by.append(f"--{key.replace('_', '-')} {value:g}")
        last = run_of(job, f"{job['folder']}-mended-{turn}", options, job["weights"])
        if is_sound(last):
            break
    return by, last


def remedy(job, mend):
    """Options, data and weights with what the catalogue's "mend" changes; null: as in a sound run."""
    options, by = dict(job["options"]), []
    for key, value in mend.items():
        if key == "data":
            options["data"] = job["sound"]["data"]
        elif key != "weights" and value is None and key not in job["sound"]:
            by.append(f"no --{key.replace('_', '-')}" if options.pop(key) is not False else f"no --no-{key}")
        elif key != "weights":
            options[key] = job["sound"][key] if value is None else value
            by.append(f"--{key.replace('_', '-')} {options[key]}")
    by += ["sound data"] if "data" in mend else []
    by += ["the usual start"] if "weights" in mend else []
    return by, run_of(job, job["folder"] + "-mended", options, None if "weights" in mend else job["weights"])


def one(job):
    """Trains and diagnoses; of a fault that is to be mended does so, and looks again."""
    result = run_of(job, job["folder"], job["options"], job.get("weights"))
    shared = {k: job[k] for k in ("name", "network", "seed")}
    results = [{**shared, "what": job["what"], **result}]
    mend = job.get("mend")
    if mend is not None:
        by, mended = follow(job, mend["follow"], result) if "follow" in mend else remedy(job, mend)
        if mended is not None:
            results.append({**shared, "what": "mended", "by": by, **mended})
    return results


def clean_jobs(catalogue, args):
    jobs = []
    for network, own in catalogue["networks"].items():
        for skip in (0, 2):
            for optimiser in ("sgd", "adamw"):
                for data in ("synthetic", "waves", "blobs"):
                    for seed in args.seeds[:2]:
                        options = {**catalogue["base"], **own, "seed": seed, "optimiser": optimiser, "pool_skip": skip}
                        if optimiser == "adamw":
                            options.update(lr=0.003, weight_decay=0.01)
                        if data != "synthetic":
                            options.update(size=0, train_limit=0, test_limit=0)
                        options["data"] = make_data(os.path.join(args.folder, f"data-{data}-{seed}"), data, seed)
                        name = f"{network} {'Pool Skip' if skip else 'without'} {optimiser} {data}"
                        jobs.append({"what": "clean", "name": name, "network": network, "seed": seed,
                                     "options": options})
    return jobs


def fault_jobs(catalogue, args):
    jobs = []
    for fault in catalogue["faults"]:
        if args.only and fault["id"] not in args.only:
            continue
        for network in fault.get("networks", catalogue["networks"]):
            for seed in args.seeds:
                data = fault.get("data", "synthetic")
                options = {**catalogue["base"], **catalogue["networks"][network], "seed": seed}
                if data != "synthetic":
                    options.update(size=0, train_limit=0, test_limit=0)
                sound = {**options, "data": make_data(os.path.join(args.folder, f"data-waves-{seed}"), "waves", seed)}
                options["data"] = make_data(os.path.join(args.folder, f"data-{data}-{seed}"), data, seed)
                for key, value in fault.get("options", {}).items():
                    options[key] = value[network] if isinstance(value, dict) else value
                jobs.append({"name": fault["id"], "network": network, "seed": seed, "what": "fault",
                             "options": options, "weights": fault.get("weights"), "sound": sound,
                             "mend": fault["mend"] if seed == args.seeds[0] else None})
    return jobs


def run_all(jobs, args):
    for job in jobs:
        name = "-".join([job["what"], job["name"].replace(" ", "-"), job["network"], str(job["seed"])])
        job.update(program=os.path.abspath(args.program), folder=os.path.join(args.folder, name), keep=args.keep,
                   again=args.again)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = []
        for i, of_job in enumerate(pool.map(one, jobs)):
            results += of_job
            if sys.stderr.isatty():
                print(f"\r{i + 1} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    return results


# ---- what came of it ----

def upper(result):
    return [f for f in result["findings"] if f["level"] in UPPER]


def place(result, ids):
    """The place of the first of the findings that may come first, from 0; 99: none."""
    return next((i for i, f in enumerate(result["findings"]) if f["id"] in ids), 99)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=lambda t: [int(s) for s in t.split(",")], default=[1, 2, 3])
    parser.add_argument("--only", type=lambda t: t.split(","))
    parser.add_argument("--no-clean", action="store_true")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the runs in FOLDER")
    parser.add_argument("--again", action="store_true",
                        help="diagnose the runs that --keep left in FOLDER, and train only those that are not there")
    parser.add_argument("--results", help="no runs, but those of an earlier results.json")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    import faults_report  # which imports this file
    args.folder = os.path.abspath(args.folder)
    os.makedirs(args.folder, exist_ok=True)
    with open(CATALOGUE, encoding="utf-8") as stream:
        catalogue = json.load(stream)
    if args.results:
        with open(args.results, encoding="utf-8") as stream:
            return faults_report.report(catalogue, json.load(stream), args)
    jobs = [] if args.no_clean else clean_jobs(catalogue, args)
    jobs += [] if args.no_faults else fault_jobs(catalogue, args)
    results = run_all(jobs, args)
    with open(os.path.join(args.folder, "results.json"), "w", encoding="utf-8") as stream:
        json.dump(results, stream, indent=1)
    return faults_report.report(catalogue, results, args)


if __name__ == "__main__":
    sys.exit(main())
