"""Volumes as a plan prepares them against nnU-Net's own preprocessor (the package nnunetv2): values, labels and sizes, and the way back to the file."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, done, lacking, must, path, report, skip  # noqa: E402

missing = lacking("numpy", "torch", "nibabel", "nnunetv2.preprocessing.resampling.default_resampling")
if missing:
    skip("volumes as nnU-Net prepares them", f"no {', '.join(missing)} here (make venv)")
    done()
import nibabel  # noqa: E402
import numpy  # noqa: E402

os.environ.update(nnUNet_raw=path("raw"), nnUNet_preprocessed=path("preprocessed"), nnUNet_results=path("results"))
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero  # noqa: E402
from nnunetv2.preprocessing.normalization.default_normalization_schemes import CTNormalization, ZScoreNormalization  # noqa: E402
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg_to_shape  # noqa: E402

TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "prepare_tool")
random = numpy.random.default_rng(7)


def smooth(sides):
    """Noise with something to interpolate, by d, h, w."""
    at = numpy.meshgrid(*(numpy.linspace(0, 1, n) for n in sides), indexing="ij")
    return sum(numpy.sin((5 + 3 * i) * a + i) for i, a in enumerate(at)) * 100 + random.normal(0, 15, sides) + 300


def write_set(name, channels, spacings, sides, zeros):
    folder = path(name)
    for part in ("imagesTr", "labelsTr"):
        os.makedirs(os.path.join(folder, part))
    for i, (mm, side) in enumerate(zip(spacings, sides)):
        label = numpy.zeros(side, dtype="u1")
        for k in (1, 2):
            start = [int(n * random.uniform(0.25, 0.5)) for n in side]
            label[tuple(slice(a, a + max(2, n // 3)) for a, n in zip(start, side))] = k
        affine = numpy.diag([mm[2], mm[1], mm[0], 1])
        for c in range(len(channels)):
            image = smooth(side)
            for axis, n in enumerate(side):
                edge = int(n * zeros)
                index = [slice(None)] * 3
                for part in (slice(0, edge), slice(n - edge, n)):
                    index[axis] = part
                    image[tuple(index)] = 0
            if zeros:  # a hole, and a dent
                image[tuple(slice(n // 2, n // 2 + 1) for n in side)] = 0
                image[side[0] // 2:side[0] // 2 + 2, : side[1] // 3, side[2] // 2:side[2] // 2 + 2] = 0
            nibabel.save(nibabel.Nifti1Image(image.transpose(2, 1, 0).astype("f4"), affine), os.path.join(folder, "imagesTr", f"c{i}_{c:04d}.nii.gz"))
        nibabel.save(nibabel.Nifti1Image(label.transpose(2, 1, 0), affine), os.path.join(folder, "labelsTr", f"c{i}.nii.gz"))
    with open(os.path.join(folder, "dataset.json"), "w") as stream:
        json.dump({"channel_names": {str(c): name for c, name in enumerate(channels)}, "labels": {"background": 0, "a": 1, "b": 2},
                   "numTraining": len(sides), "file_ending": ".nii.gz"}, stream)
    return folder


def resample(data, side, from_mm, to_mm, is_seg, order):
    return resample_data_or_seg_to_shape(data, side, from_mm, to_mm, is_seg=is_seg, order=order, order_z=0, force_separate_z=None)


def theirs(folder, plan, dimensions, index):
    """What nnU-Net does with a case, step by step as its preprocessor does."""
    count = len(plan["channels"])
    images = [numpy.asarray(nibabel.load(os.path.join(folder, "imagesTr", f"c{index}_{c:04d}.nii.gz")).dataobj).transpose(2, 1, 0) for c in range(count)]
    file = nibabel.load(os.path.join(folder, "labelsTr", f"c{index}.nii.gz"))
    mm = [float(value) for value in file.header.get_zooms()[::-1]]
    axes = plan["axes"]
    data = numpy.stack(images).astype("f4").transpose(0, *(a + 1 for a in axes))
    seg = numpy.asarray(file.dataobj).transpose(2, 1, 0)[None].astype("i2").transpose(0, *(a + 1 for a in axes))
    mm = [mm[a] for a in axes]
    data, seg, _ = crop_to_nonzero(data, seg)
    wanted = list(plan["3d_fullres"]["spacing"]) if dimensions == 3 else [mm[0], *plan["2d"]["spacing"]]
    side = compute_new_shape(data.shape[1:], mm, wanted)
    for c, channel in enumerate(plan["channels"]):
        properties = {"mean": channel["mean"], "std": channel["deviation"], "percentile_00_5": channel["percentile_00_5"],
                      "percentile_99_5": channel["percentile_99_5"]}
        scheme = {"ct": CTNormalization, "zscore": ZScoreNormalization}[channel["normalisation"]]
        data[c] = scheme(use_mask_for_norm=plan["masked"], intensityproperties=properties).run(data[c], seg[0])
    data = resample(data, side, mm, wanted, False, 3)
    seg = resample(seg, side, mm, wanted, True, 1)
    return data, numpy.maximum(seg[0], 0)


def ours(folder, plan, dimensions, index):
    result = subprocess.run([TOOL, "msd:" + folder, plan, str(dimensions), str(index)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.decode())
    line, _, rest = result.stdout.partition(b"\n")
    d, h, w, c = (int(word) for word in line.split())
    size = d * h * w
    pixel = numpy.frombuffer(rest[:4 * size * c], dtype="f4").reshape(d, h, w, c).transpose(3, 0, 1, 2)
    label = numpy.frombuffer(rest[4 * size * c:4 * size * c + 2 * size], dtype="i2").reshape(d, h, w)
    line, _, rest = rest[4 * size * c + 2 * size:].partition(b"\n")
    return pixel, label, numpy.frombuffer(rest, dtype="i2").reshape([int(word) for word in line.split()])


SETS = {
    "isotropic": (["MRI"], [(1, 1, 1), (1.3, 0.9, 1), (1, 1, 1.4)], [(30, 33, 28), (22, 30, 31), (28, 27, 25)], 0),
    "thick": (["CT"], [(0.8, 4, 0.8), (0.7, 5, 0.75), (0.8, 3, 0.9)], [(50, 14, 52), (44, 15, 48), (51, 12, 46)], 0),
    "heads": (["T1", "T2"], [(1, 1.1, 1.2), (1.2, 1, 1), (1, 1, 1)], [(36, 33, 38), (34, 38, 35), (33, 33, 33)], 0.15)}
for name, (channels, spacings, sides, zeros) in SETS.items():
    folder = write_set(name, channels, spacings, sides, zeros)
    must("plan", "msd:" + folder, "--quiet", "--out", path(name + ".json"))
    with open(path(name + ".json")) as stream:
        plan = json.load(stream)
    wrong = []
    for dimensions in (3, 2):
        for index in range(len(sides)):
            data, seg = theirs(folder, plan, dimensions, index)
            pixel, label, back = ours(folder, path(name + ".json"), dimensions, index)
            place = f"{dimensions}D case {index}: "
            if pixel.shape != data.shape:
                wrong.append(place + f"{pixel.shape} instead of {data.shape}")
                continue
            far = numpy.abs(pixel - data).max()
            if far > 2e-4:
                wrong.append(place + f"a value is {far} off at {numpy.unravel_index(numpy.abs(pixel - data).argmax(), data.shape)} of {data.shape}")
            # Where a class has a half exactly, sums of the shares are rounded either way.
            if (label != seg).mean() > 2e-3:
                wrong.append(place + f"{(label != seg).sum()} of {seg.size} labels differ")
            truth = numpy.asarray(nibabel.load(os.path.join(folder, "labelsTr", f"c{index}.nii.gz")).dataobj).transpose(2, 1, 0)
            if back.shape != truth.shape:
                wrong.append(place + "the way back leads to another shape")
            else:
                overlap = 2 * ((back > 0) & (truth > 0)).sum() / ((back > 0).sum() + (truth > 0).sum())
                if overlap < 0.85:
                    wrong.append(place + f"the way back leads elsewhere: overlap {overlap}")
    report(not wrong, f"volumes as nnU-Net prepares them: {name}, masked {plan['masked']}, axes {plan['axes']}", "\n".join(wrong))
done()
