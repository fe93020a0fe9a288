#!/usr/bin/env python3
"""Measures of label maps beside independent programs: areas of surface elements, normalised surface Dice and Hausdorff distances of surface-distance
(DeepMind), Dice, IoU and surface Dice of MONAI, on random blobs in 2D and 3D. Speaks TAP; skipped with a reason where the programs are absent."""
import os
import subprocess
import sys
import warnings

try:
    import numpy
    import torch
    import scipy.ndimage
except ImportError as absent:
    print(f"1..1\nok 1 # SKIP no {absent.name} in this Python (make venv installs it)")
    sys.exit(0)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "measures_tool")
CLASSES, count, failed = 4, 0, 0
warnings.simplefilter("ignore")
numpy.Inf = numpy.inf  # surface-distance 0.1 was written for NumPy 1
if not hasattr(scipy.ndimage, "filters"):
    scipy.ndimage.filters = scipy.ndimage.morphology = scipy.ndimage
dice = numpy.random.default_rng(3)


def report(good, what, why=""):
    global count, failed
    count += 1
    failed += not good
    if not good:
        print("# " + str(why).replace("\n", "\n# "))
    print(("ok" if good else "not ok") + f" {count} - {what}")


def skip(what):
    global count
    count += 1
    print(f"ok {count} # SKIP {what}")


def ours(truth, predicted, mm, tolerance):
    shape = truth.shape if truth.ndim == 3 else (1, *truth.shape)
    words = [str(CLASSES), *map(str, shape), *map(repr, mm if len(mm) == 3 else [1.0, *mm]), repr(tolerance)]
    data = truth.astype("<i2").tobytes() + predicted.astype("<i2").tobytes()
    values = numpy.frombuffer(subprocess.run([TOOL, *words], input=data, stdout=subprocess.PIPE, check=True).stdout, "<f8")
    return values[:256], values[256:272], values[272:274], values[274:].reshape(CLASSES, 4)


def blobs(shape, shift=0):
    """Smooth noise in classes, some voxels of which are moved to other ones."""
    noise = scipy.ndimage.gaussian_filter(dice.normal(size=shape), 1.5)
    levels = numpy.quantile(noise, [0.6, 0.75, 0.9])
    return noise, lambda field: numpy.digitize(field, levels)


def pairs():
    for shape, mm in (((12, 17, 14), (1.0, 1.0, 1.0)), ((9, 20, 18), (3.5, 0.8, 1.1)), ((24, 31), (1.0, 1.0)), ((30, 22), (0.5, 1.7))):
        for _ in range(3):
            noise, classes = blobs(shape)
            other = noise + 0.4 * noise.std() * scipy.ndimage.gaussian_filter(dice.normal(size=shape), 1) / 0.3
            yield shape, mm, classes(noise), classes(other)


def same(a, b):
    return (numpy.isnan(a) and numpy.isnan(b)) or a == b or abs(a - b) < 1e-6 * max(1, abs(b))


try:
    import surface_distance
    from surface_distance import lookup_tables
except ImportError:
    surface_distance = None
if surface_distance is None:
    skip("no surface-distance in this Python (make venv installs it)")
else:
    worst = 0
    for mm in ((1.0, 1.0, 1.0), (1.0, 2.0, 3.5), (0.7, 0.9, 5.0), (3.0, 1.0, 1.0)):
        small = numpy.zeros((2, 2, 2))
        area, length = ours(small, small, mm, 1.0)[:2]
        worst = max(worst, abs(area - lookup_tables.create_table_neighbour_code_to_surface_area(mm)).max() / max(area))
        worst = max(worst, abs(length - lookup_tables.create_table_neighbour_code_to_contour_length(mm[1:])).max() / max(length))
    report(worst < 1e-5, "areas and lengths of all surface elements are those of surface-distance", worst)
    for shape, mm, truth, predicted in pairs():
        for tolerance in (0.0, 1.0, 2.5):
            found, wanted = ours(truth, predicted, mm, tolerance)[3], []
            for k in range(CLASSES):
                distances = surface_distance.compute_surface_distances(truth == k, predicted == k, mm)
                wanted.append((surface_distance.compute_surface_dice_at_tolerance(distances, tolerance),
                               surface_distance.compute_robust_hausdorff(distances, 95)))
            good = all(same(found[k][2 + i], wanted[k][i]) for k in range(CLASSES) for i in range(2))
            report(good, f"surfaces of {shape}, cells {mm}, tolerance {tolerance}: as surface-distance", [found[:, 2:], wanted])
try:
    from monai.metrics import compute_iou, compute_surface_dice, get_confusion_matrix  # noqa: F401
    from monai.metrics import DiceMetric
except ImportError:
    DiceMetric = None
if DiceMetric is None:
    skip("no monai in this Python (make venv installs it)")
else:
    for shape, mm, truth, predicted in pairs():
        hot = [torch.tensor(numpy.stack([field == k for k in range(CLASSES)])[None].astype("float32")) for field in (predicted, truth)]
        right, mean, found = ours(truth, predicted, mm, 1.0)[2][0], ours(truth, predicted, mm, 1.0)[2][1], ours(truth, predicted, mm, 1.0)[3]
        iou = compute_iou(*hot, include_background=True)[0].numpy()
        overlap = DiceMetric(include_background=True, reduction="none")(*hot)[0].numpy()
        good = all(same(found[k][0], float(iou[k])) and same(found[k][1], float(overlap[k])) for k in range(CLASSES))
        report(good and same(mean, float(iou.mean())) and same(right, float((truth == predicted).mean())), f"overlap of {shape}: as MONAI", [found, iou, overlap])
        surface = compute_surface_dice(*hot, class_thresholds=[1.0] * CLASSES, include_background=True, spacing=list(mm), use_subvoxels=True)[0].numpy()
        report(all(abs(found[k][2] - float(surface[k])) < 1e-4 for k in range(CLASSES)), f"surfaces of {shape}: as MONAI with sub-voxels", [found[:, 2], surface])
print(f"1..{count}")
sys.exit(1 if failed else 0)
