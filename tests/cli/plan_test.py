"""`poolscope plan` against nnU-Net's own planner (the package nnunetv2): every figure of the plan, on the hippocampus cases where they are, and on three
generated sets: isotropic, thick slices of CT that lie along another axis, MR of two channels with zeros around."""
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, SLOW, difference, done, lacking, must, path, records, report, run, skip, trace  # noqa: E402
from volume_file import write_nifti  # noqa: E402

# ---- the command by itself ----

result = run("plan", "synthetic-3d", "--quiet")
report(result.returncode == 0 and "In three dimensions" in result.stdout and "In two dimensions" in result.stdout and result.stderr == "", "a table for people",
       result.stdout + result.stderr)
result = run("plan", "synthetic-3d", "--quiet", "--json", "--out", path("plan.json"))
with open(path("plan.json")) as stream:
    written = stream.read()
report(result.returncode == 0 and result.stdout == written and json.loads(written)["format"] == "poolscope-plan-1", "the same JSON on the terminal and in a file",
       result.stderr)
for words, expected in ((["synthetic"], "label maps"), (["nothing:x"], "no format"), ([], "DATA"), (["synthetic-3d", "--out", path("none", "plan.json")], "none")):
    result = run("plan", *words, "--quiet")
    report(result.returncode == 2 and expected in result.stderr, f"refused: {' '.join(words)}", result.stderr)

shown = run("plan", "--help").stdout.splitlines()
report(all(any(line.startswith(f"  {word} ") for line in shown) for word in ("spacing", "axes", "values", "network", "patch", "batch")), "--help keeps the lines of its list", shown)

# ---- training by a plan ----

LIMITS = ["--train-limit", "6", "--test-limit", "2", "--probe", "3"]
result = run("train", "--data", "synthetic-3d", *LIMITS, "--plan", path("plan.json"), "--graph", path("none.json"), "--out", path("run"))
report(result.returncode == 2 and "none.json" in result.stderr, "a network that is not there, beside a plan", result.stderr)
plan = json.loads(written)
plan["3d_fullres"].update(patch=[16, 16, 16], batch=3, strides=[[1, 1, 1]], kernels=[[3, 3, 3]], features=[4])
with open(path("small.json"), "w") as stream:
    json.dump(plan, stream)
with open(path("graph.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "own", "input": [1, 16, 16, 16], "nodes": [
        {"name": "a", "type": "conv", "channels": 4, "padding": 1, "kernel": 3}, {"name": "a.relu", "type": "relu"},
        {"name": "out", "type": "conv", "channels": 4, "kernel": 1}]}, stream)
TRAIN = ["train", "--data", "synthetic-3d", "--train-limit", "6", "--test-limit", "2", "--probe", "3", "--steps", "2", "--window", "1", "--graph",
         path("graph.json"), "--quiet"]
for name, words in (("one", ["--threads", "1", "--cache-mb", "1"]), ("three", ["--threads", "3"])):
    result = run(*TRAIN, "--plan", path("small.json"), *words, "--out", name)
    report(result.returncode == 0, f"training by a plan: {name} thread", result.stderr)
if result.returncode == 0:
    config = records("one", "header")[0]["config"]
    report((config["batch"], config["patch_size"], config["normalise"]) == (3, "16,16,16", False), "batch and patch are those of the plan", config)
    same = [[line for line in trace(name)[1:]] for name in ("one", "three")]
    report(difference(*same) == "", "the same trace for any number of threads and any cache", difference(*same))
for words, expected in ((["--plan", path("gone.json")], "gone.json"), (["--plan", path("small.json"), "--size", "16"], "leave --size out"),
                        (["--plan", path("small.json"), "--plan-network", "3d"], "3d_fullres or 2d"), (["--plan", path("graph.json")], "is no plan"),
                        (["--data", "synthetic", "--plan", path("small.json")], "none")):
    result = run(*TRAIN, *words, "--out", "refused")
    report(result.returncode == 2 and expected in result.stderr and not os.path.exists(path("refused")), f"refused: {expected}", result.stderr)

# ---- cases that are held out choose nothing ----


CASES, ODD = 6, 4


def write_cases(folder, odd, cases=CASES):
    """A CT of two classes, of which one case is like no other: larger, coarser, brighter."""
    for part in ("imagesTr", "labelsTr"):
        os.makedirs(path(folder, part))
    for i in range(cases):
        dice, other = random.Random(i), odd and i == ODD
        side, mm, bright = ((40, 20, 24), (1, 1, 6), 5000) if other else ((20 + i, 18, 22 - i), (1, 1.5, 2), 100)
        count = side[0] * side[1] * side[2]
        label = bytes(dice.randrange(2) for _ in range(count))
        values = [dice.gauss(bright * (1 + k), 10) for k in label]
        write_nifti(path(folder, "imagesTr", f"case_{i}_0000.nii.gz"), side, mm, values, 16)
        write_nifti(path(folder, "labelsTr", f"case_{i}.nii.gz"), side, mm, label, 2)
    with open(path(folder, "dataset.json"), "w") as stream:
        json.dump({"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "numTraining": cases, "file_ending": ".nii.gz"}, stream)


def plan_of(folder, *words):
    return must("plan", "msd:" + path(folder), "--json", "--quiet", *words).stdout


write_cases("even", False)
write_cases("odd", True)
THREE = ["--folds", "3"]
same = [k for k in range(3) if plan_of("even", *THREE, "--fold", str(k)) == plan_of("odd", *THREE, "--fold", str(k))]
report(len(same) == 1, "of three folds the one that holds the odd case out is planned as if it were not there", same)
held = str(same[0] if same else 0)
report(json.loads(plan_of("odd", *THREE, "--fold", held))["cases"] == CASES - 2, "a plan says how many cases it was made from")
report(plan_of("odd") != plan_of("even") and json.loads(plan_of("odd"))["cases"] == CASES, "without a fold all training cases are planned from")
with open(path("lists.json"), "w") as stream:
    json.dump([{"train": [f"case_{i}" for i in range(CASES) if i != ODD], "val": [f"case_{ODD}"]}], stream)
LISTED = ["--split-file", path("lists.json"), "--fold", "0"]
report(plan_of("odd", *LISTED) == plan_of("even", *LISTED) != plan_of("even"), "likewise by a list of names")
for words, expected in ((["--fold", "3", *THREE], "fold 3 of 3"), (THREE, "say which with fold"), (["--split-file", path("lists.json")], "say which with fold")):
    result = run("plan", "msd:" + path("even"), *words, "--quiet")
    report(result.returncode == 2 and expected in result.stderr, f"refused: {' '.join(words)}", result.stderr)

FOLD = ["train", "--plan", "auto", *THREE, "--probe", "1", "--batch", "1", "--model", "nnunet3d", "--width", "0.1", "--steps", "2", "--window", "1", "--quiet"]
for name in ("even", "odd"):
    must(*FOLD, "--data", "msd:" + path(name), "--fold", held, "--out", "held-" + name)
kinds = [trace("held-" + name, without=("header", "timing", "eval", "end")) for name in ("even", "odd")]
report(kinds[0] and difference(*kinds) == "", "and so it is trained: the same steps, windows and probings", difference(*kinds))
configs = [records("held-" + name, "header")[0]["config"] for name in ("even", "odd")]
report(all(configs[0][key] == configs[1][key] for key in ("batch", "patch_size")), "with the same patch and batch", configs)

result = run("train", "--recipe", "nnunet", "--model", "nnunet3d", "--data", "msd:" + path("even"), "--out", "no-plan")
report(result.returncode == 2 and "the recipe nnunet trains on patches of a plan" in result.stderr, "the recipe of nnU-Net without a plan says so", result.stderr)

# ---- volumes are passed over row by row, and never held ----

SIDE = (512, 512, 64)  # 67 MB of floats
for part, code, name in (("imagesTr", 16, "a_0000.nii"), ("labelsTr", 2, "a.nii")):
    os.makedirs(path("large", part))
    first = struct.pack("<1000f", *range(1, 1001)) if code == 16 else b"\1" * 1000
    write_nifti(path("large", part, name), SIDE, (0.7, 0.7, 3), first, code)
    os.truncate(path("large", part, name), 352 + SIDE[0] * SIDE[1] * SIDE[2] * (4 if code == 16 else 1))
with open(path("large", "dataset.json"), "w") as stream:
    json.dump({"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "numTraining": 1, "file_ending": ".nii"}, stream)
if SLOW:
    skip("a plan takes less memory than one of its volumes", "instrumented builds take more of their own")
else:
    process = subprocess.Popen([PROGRAM, "plan", "msd:" + path("large"), "--quiet"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    report(process.returncode == 0 and used.ru_maxrss * 1024 < 4 * SIDE[0] * SIDE[1] * SIDE[2], "a plan takes less memory than one of its volumes",
           [process.returncode, used.ru_maxrss])
shutil.rmtree(path("large"))

# ---- what is held apart for the probe is a matter of the data, where nobody said ----

write_cases("many", False, 9)
write_cases("few", False, 3)
SHORT = ["train", "--plan", "auto", "--model", "nnunet3d", "--batch", "1", "--width", "0.1", "--steps", "2", "--window", "1", "--data", "msd:" + path("many"), "--quiet"]
for name, words in (("all", []), ("fold", [*THREE, "--fold", "0"]), ("asked", ["--probe", "2"])):
    must(*SHORT, *words, "--out", name)
heads = {name: records(name, "header")[0] for name in ("all", "fold", "asked")}
probes = [(heads[name]["data"]["probe"], heads[name]["config"]["probe"]) for name in ("all", "fold")]
report(probes == [(2, 2), (1, 1)], "without --probe a quarter of the training cases are held apart, and the header says so", probes)
report(difference(trace("all"), trace("asked")) == "", "as if --probe had said so", difference(trace("all"), trace("asked")))
result = run(*SHORT, "--probe", "9", "--out", "nothing-left")
report(result.returncode == 2 and "--probe" in result.stderr and not os.path.exists(path("nothing-left")), "a probe that leaves nothing is refused", result.stderr)
result = run(*SHORT, "--probe", "9", "--plan", path("gone.json"), "--out", "nothing-left")
report(result.returncode == 2 and "--probe" in result.stderr, "before there is a plan", result.stderr)
result = run("eval", "asked", "--data", "msd:" + path("few"), *THREE, "--fold", "0")
report(result.returncode == 0, "a network is looked at on data that have fewer cases than its own probe", result.stderr)

# ---- a network is used by the plan that it was trained by ----

must("predict", "held-even", "--data", "msd:" + path("odd"), "--fold", "-1", "--split", "train", "--out", "by-its-own", "--quiet")
with open(path("own.json"), "w") as stream:
    stream.write(plan_of("even", *THREE, "--fold", held))
must(*FOLD[:1], "--plan", path("own.json"), *FOLD[3:], "--data", "msd:" + path("even"), "--fold", held, "--out", "by-file")
os.rename(path("own.json"), path("gone.json"))
must("predict", "by-file", "--data", "msd:" + path("odd"), "--fold", "-1", "--split", "train", "--out", "by-a-file", "--quiet")
maps = [sorted(name for name in os.listdir(path(folder)) if name.endswith(".nii.gz")) for folder in ("by-its-own", "by-a-file")]


def content(folder, name):
    with gzip.open(path(folder, name)) as stream:
        return stream.read()


report(len(maps[0]) == CASES - 1 and maps[0] == maps[1] and all(content("by-its-own", n) == content("by-a-file", n) for n in maps[0]),
       "planned by itself or by a file, on other data a network sees them as it was trained to", maps)
# ---- cases of which only the voxels are wrong ----

BAD = {1: float("nan"), 3: float("inf")}
for i, value in BAD.items():
    voxels = struct.pack("<8f", 1, 2, value, 4, 5, 6, 7, 8)
    write_nifti(path("even", "imagesTr", f"case_{i}_0000.nii.gz"), (2, 2, 2), (1, 1, 1), voxels, 16)
    write_nifti(path("even", "labelsTr", f"case_{i}.nii.gz"), (2, 2, 2), (1, 1, 1), bytes([0, 1] * 4), 2)
for words in (["plan", "msd:" + path("even")], [*[word for word in FOLD if word != "--quiet"], "--fold", "-1", "--data", "msd:" + path("even"), "--out", "refused"]):
    result = run(*words)
    report(result.returncode == 2 and all(f"case_{i}_0000" in result.stderr for i in BAD) and "--skip-bad" in result.stderr,
           f"all that cannot be read are named: {words[0]}", result.stderr)
    result = run(*words[:-1], words[-1].replace("refused", "skipped"), "--skip-bad")
    report(result.returncode == 0 and all(f"case_{i}_0000" in result.stderr for i in BAD), f"or left out: {words[0]}", result.stderr)
report(json.loads(run("plan", "msd:" + path("even"), "--skip-bad", "--json", "--quiet").stdout)["cases"] == CASES - 2, "a plan from what is left")

SETS = "plans of nnU-Net"
missing = lacking("numpy", "torch", "nibabel", "nnunetv2.experiment_planning.experiment_planners.default_experiment_planner")
if missing:
    skip(SETS, f"no {', '.join(missing)} here (make venv)")
    done()
import nibabel  # noqa: E402
import numpy  # noqa: E402

os.environ.update(nnUNet_raw=path("raw"), nnUNet_preprocessed=path("preprocessed"), nnUNet_results=path("results"))

NNUNET = """
import sys
if __name__ == "__main__":
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
    extractor = DatasetFingerprintExtractor(sys.argv[1], 1)
    extractor.show_progress_bar = False
    extractor.run(overwrite_existing=True)
    ExperimentPlanner(sys.argv[1]).plan_experiment()
"""


def close(a, b, tolerance=1e-6):
    return numpy.allclose(numpy.array(a, dtype="f8"), numpy.array(b, dtype="f8"), rtol=tolerance, atol=1e-9)


def differences(plan, theirs, axes):
    """Lines about the numbers of a network that differ."""
    keys = theirs["architecture"]["arch_kwargs"]
    pairs = (("spacing", plan["spacing"], theirs["spacing"]), ("median", plan["median"], theirs["median_image_size_in_voxels"]),
             ("patch", plan["patch"], theirs["patch_size"]), ("batch", [plan["batch"]], [theirs["batch_size"]]), ("strides", plan["strides"], keys["strides"]),
             ("kernels", plan["kernels"], keys["kernel_sizes"]), ("features", plan["features"], keys["features_per_stage"]),
             ("stages", [len(plan["features"])], [keys["n_stages"]]), ("batch_dice", [plan["batch_dice"]], [theirs["batch_dice"]]))
    return [f"{axes} {name}: {ours} instead of {other}" for name, ours, other in pairs if numpy.shape(ours) != numpy.shape(other) or not close(ours, other)]


SCHEMES = {"ZScoreNormalization": "zscore", "CTNormalization": "ct"}


def compare(number, name):
    folder = f"Dataset{number:03d}_{name}"
    result = subprocess.run([sys.executable, script, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        return [result.stdout[-2000:]]
    with open(path("preprocessed", folder, "nnUNetPlans.json")) as stream:
        theirs = json.load(stream)
    result = run("plan", "msd:" + path("raw", folder), "--json", "--quiet")
    if result.returncode != 0:
        return [result.stderr]
    ours = json.loads(result.stdout)
    wrong = []
    if ours["axes"] != theirs["transpose_forward"]:
        wrong.append(f"axes: {ours['axes']} instead of {theirs['transpose_forward']}")
    if ours["low_resolution"] != ("3d_lowres" in theirs["configurations"]):
        wrong.append(f"low resolution: {ours['low_resolution']}")
    for dimensions in ("3d_fullres", "2d"):
        wrong += differences(ours[dimensions], theirs["configurations"][dimensions], dimensions)
    schemes = theirs["configurations"]["2d"]["normalization_schemes"]
    masks = theirs["configurations"]["2d"]["use_mask_for_norm"]
    for i, channel in enumerate(ours["channels"]):
        other = theirs["foreground_intensity_properties_per_channel"][str(i)]
        if channel["normalisation"] != SCHEMES[schemes[i]] or (channel["normalisation"] == "zscore" and ours["masked"] != masks[i]):
            wrong.append(f"normalisation of channel {i}: {channel['normalisation']}, {ours['masked']} instead of {schemes[i]}, {masks[i]}")
        # Both draw their own voxels of the foreground: within what draws differ by.
        spread = other["std"] or 1
        for key in ("mean", "median", "percentile_00_5", "percentile_99_5"):
            if abs(channel[key] - other[key]) > 0.05 * spread + (0.05 * abs(other[key]) if key == "percentile_99_5" else 0):
                wrong.append(f"{key} of channel {i}: {channel[key]} instead of {other[key]}")
        if abs(channel["deviation"] / spread - 1) > 0.05:
            wrong.append(f"deviation of channel {i}: {channel['deviation']} instead of {spread}")
    return wrong


def write_set(number, name, channels, labels, cases):
    """cases: (image of [channel], labels, affine); arrays by x, y, z."""
    folder = path("raw", f"Dataset{number:03d}_{name}")
    for part in ("imagesTr", "labelsTr"):
        os.makedirs(os.path.join(folder, part))
    count = 0
    for images, label, affine in cases:
        for c, image in enumerate(images):
            nibabel.save(nibabel.Nifti1Image(image.astype("f4"), affine), os.path.join(folder, "imagesTr", f"case_{count:03d}_{c:04d}.nii.gz"))
        nibabel.save(nibabel.Nifti1Image(label.astype("u1"), affine), os.path.join(folder, "labelsTr", f"case_{count:03d}.nii.gz"))
        count += 1
    with open(os.path.join(folder, "dataset.json"), "w") as stream:
        json.dump({"channel_names": {str(i): c for i, c in enumerate(channels)}, "labels": {"background": 0, **{f"organ {k}": k for k in range(1, labels)}},
                   "numTraining": count, "file_ending": ".nii.gz"}, stream)


numbers = numpy.random.default_rng(3)


def cases_of(count, shape, spread, spacing, labels, channels=1, zeros=0.0):
    """Volumes about a shape and a spacing, with boxes of labels; a share of each side is zero on both ends."""
    for _ in range(count):
        sides = [max(2, int(n * numbers.uniform(1 - spread, 1 + spread))) for n in shape]
        mm = [s * numbers.uniform(1 - spread, 1 + spread) for s in spacing]
        label = numpy.zeros(sides, dtype="u1")
        for k in range(1, labels):
            start = [int(n * numbers.uniform(0.25, 0.55)) for n in sides]
            label[tuple(slice(a, a + max(1, n // 5)) for a, n in zip(start, sides))] = k
        images = [numbers.normal(100 * (c + 1), 20, sides) + 150 * label for c in range(channels)]
        for image in images:
            for axis, n in enumerate(sides):
                edge = int(n * zeros)
                index = [slice(None)] * 3
                for part in (slice(0, edge), slice(n - edge, n)):
                    index[axis] = part
                    image[tuple(index)] = 0
        yield images, label, numpy.diag([*mm, 1])


script = path("plan_with_nnunet.py")
with open(script, "w") as stream:
    stream.write(NNUNET)
write_set(901, "isotropic", ["MRI"], 3, cases_of(12, (70, 60, 50), 0.15, (1, 1, 1), 3))
write_set(902, "thick", ["CT"], 5, cases_of(8, (230, 40, 220), 0.1, (0.8, 4, 0.8), 5))
write_set(903, "two", ["T1", "T2"], 4, cases_of(9, (64, 80, 72), 0.1, (1.2, 0.9, 1.1), 4, channels=2, zeros=0.15))
for number, name in ((901, "isotropic"), (902, "thick"), (903, "two")):
    wrong = compare(number, name)
    report(not wrong, f"{SETS}: generated, {name}", "\n".join(wrong))

real = os.path.join(os.environ.get("PS_DATA", "nowhere"), "hippocampus")
if os.path.isdir(real):
    folder = path("raw", "Dataset904_hippocampus")
    os.makedirs(os.path.join(folder, "imagesTr"))
    os.makedirs(os.path.join(folder, "labelsTr"))
    names = sorted(name for name in os.listdir(os.path.join(real, "imagesTr")) if name.endswith(".nii.gz"))
    for name in names:
        shutil.copy(os.path.join(real, "imagesTr", name), os.path.join(folder, "imagesTr", name.replace(".nii.gz", "_0000.nii.gz")))
        shutil.copy(os.path.join(real, "labelsTr", name), os.path.join(folder, "labelsTr", name))
    with open(os.path.join(folder, "dataset.json"), "w") as stream:
        json.dump({"channel_names": {"0": "MRI"}, "labels": {"background": 0, "anterior": 1, "posterior": 2}, "numTraining": len(names),
                   "file_ending": ".nii.gz"}, stream)
    wrong = compare(904, "hippocampus")
    report(not wrong, f"{SETS}: hippocampus", "\n".join(wrong))
else:
    skip(f"{SETS}: hippocampus", "no such data here (PS_DATA names the folder that holds hippocampus)")
done()
