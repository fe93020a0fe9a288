"""nnU-Net's augmentations against the package that nnU-Net itself uses (batchgeneratorsv2): each with the numbers that it drew here, value by value, on
images, volumes and slices; and where nnU-Net's loader cuts patches."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import done, lacking, report, skip  # noqa: E402

TOOL = os.path.join(os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "values_tool")
missing = lacking("numpy", "torch", "batchgeneratorsv2.transforms.spatial.spatial", "batchgeneratorsv2.transforms.noise.gaussian_blur")
if missing:
    skip("augmentations of nnU-Net", f"no {', '.join(missing)} here (make venv)")
    done()
import numpy  # noqa: E402
import torch  # noqa: E402
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform  # noqa: E402
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform  # noqa: E402
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform  # noqa: E402
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform  # noqa: E402
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform  # noqa: E402
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform  # noqa: E402
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform  # noqa: E402

torch.set_num_threads(1)
SEEDS = 12
SHAPES = (("a volume", (11, 14, 17)), ("thick slices", (5, 24, 17)), ("an image", (1, 19, 16)))
random = numpy.random.default_rng(5)


def ours(name, seed, x, *rest):
    """The numbers that were drawn, and the bytes that came out."""
    shape = [str(n) for n in (x.shape[0:3] + (x.shape[3:] or (1,)))]
    out = subprocess.run([TOOL, name, str(seed), *shape, *[str(n) for n in rest[1:]]], input=x.astype("f4").tobytes() + (rest[0] if rest else b""),
                         stdout=subprocess.PIPE, check=True).stdout
    line, _, values = out.partition(b"\n")
    return [float(word) for word in line.split()], values


def per_channel(numbers, channels):
    rows = numpy.reshape(numbers, (channels, -1))
    return rows[:, 0] > 0, rows[:, 1:]


def given(transform, image, **parameters):
    return transform._apply_to_image(image.clone(), **parameters)


def theirs(name, image, numbers, slices):
    """image [c][d][h][w], or [c][h][w]; numbers: those drawn here."""
    channels, sides = image.shape[0], image.ndim - 1
    if name == "mirror":
        axes = [i + sides - 3 for i in range(3 - sides, 3) if int(numbers[0]) >> i & 1]
        return given(MirrorTransform((0, 1, 2)), image, axes=axes)
    happens, value = per_channel(numbers, channels)
    which = torch.from_numpy(numpy.flatnonzero(happens))
    value = value[happens]
    if name == "blur":
        return given(GaussianBlurTransform((0.5, 1), False, False, 0.5), image, apply_to_channel=torch.from_numpy(happens), sigmas=value[:, 3 - sides:].tolist())
    if name == "low_resolution":
        scales = torch.tensor(numpy.repeat(value, sides, axis=1), dtype=torch.float32)
        if slices:
            scales[:, 0] = 1
        return given(SimulateLowResolutionTransform((0.5, 1), False, True, None), image, apply_to_channel=which, scales=scales)
    factors = torch.tensor(value[:, 0], dtype=torch.float32)
    if name == "brightness":
        return given(MultiplicativeBrightnessTransform((1, 1), False), image, apply_to_channel=which, multipliers=factors)
    if name == "contrast":
        return given(ContrastTransform((1, 1), True, False), image, apply_to_channel=which, multipliers=factors)
    yes = torch.ones(len(which), dtype=torch.bool)
    return given(GammaTransform((1, 1), 0, False, 1, 1), image, apply_to_channel=which, retain_stats=yes, invert_image=yes & (name == "gamma_inverted"), gamma=factors)


for name in ("brightness", "contrast", "gamma", "gamma_inverted", "blur", "low_resolution", "mirror"):
    for title, shape in SHAPES:
        worst, changed = 0.0, False
        for seed in range(SEEDS):
            x = random.normal(size=(*shape, 2)).astype("f4")
            numbers, values = ours(name, seed, x)
            found = numpy.frombuffer(values, dtype="f4").reshape(x.shape)
            image = torch.from_numpy(x.transpose(3, 0, 1, 2).copy())
            other = theirs(name, image[:, 0] if shape[0] == 1 else image, numbers, 1 < shape[0] < max(shape) / 3).numpy()
            other = (other[:, None] if shape[0] == 1 else other).transpose(1, 2, 3, 0)
            worst = max(worst, float(numpy.abs(found - other).max()))
            changed = changed or not numpy.array_equal(found, x)
        report(worst < (1e-6 if name == "mirror" else 2e-5) and changed, f"{name} of {title}", f"largest difference {worst:g}")

# ---- turns and scales ----

for title, shape, patch in (("a volume", (22, 20, 24), (12, 14, 12)), ("thick slices", (5, 40, 37), (5, 20, 17)), ("an image", (1, 41, 30), (1, 21, 18)),
                            ("a patch as large as its volume", (12, 13, 14), (12, 13, 14))):
    worst, labels, most = 0.0, 0, 0
    slices = patch[0] == 1 or max(patch) > 3 * patch[0]
    for seed in range(SEEDS):
        x = random.normal(size=shape).astype("f4")
        mask = random.integers(0, 4, tuple(-(-n // 3) for n in shape))  # blocks, so that most places lie within one label
        mask = numpy.kron(mask, numpy.ones((3, 3, 3), dtype="i2"))[:shape[0], :shape[1], :shape[2]].astype("i2")
        numbers, values = ours("turn", seed, x, mask.tobytes(), *patch)
        count = int(numpy.prod(patch))
        found, found_label = numpy.frombuffer(values[:4 * count], dtype="f4").reshape(patch), numpy.frombuffer(values[4 * count:], dtype="i4").reshape(patch)
        angles, scale = numpy.radians(numbers[:3]), numbers[3]
        turn = SpatialTransform(patch[1:] if slices else patch, 0, False, p_rotation=1, rotation=lambda image, dim: angles[0 if slices else dim], p_scaling=1,
                                scaling=lambda image, dim: scale, p_synchronize_scaling_across_axes=1, border_mode_seg="constant", padding_value_seg=-1)
        # Slices are channels there, so that all of them are turned alike.
        image, segmentation = torch.from_numpy(x), torch.from_numpy(mask.copy())
        image, segmentation = (image, segmentation) if slices else (image[None], segmentation[None])
        drawn = turn.get_parameters(image=image)
        other = turn._apply_to_image(image, **drawn).numpy().reshape(patch)
        other_label = turn._apply_to_segmentation(segmentation, **drawn).numpy().reshape(patch)
        worst = max(worst, float(numpy.abs(found - other).max()))
        labels += int((found_label != other_label).sum())
        most += count
    report(worst < 5e-5, f"turned and scaled: {title}", f"largest difference {worst:g}")
    report(labels <= most / 500, f"with its labels: {title}", f"{labels} of {most} differ: more than near ties")

# ---- where patches are cut that lie around the foreground ----

BOXES = "patches around the foreground begin where nnU-Net's do"
missing = lacking("nnunetv2.training.dataloading.data_loader")
if missing:
    skip(BOXES, f"no {', '.join(missing)} here (make venv)")
    done()
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader  # noqa: E402

wrong = []
for _ in range(60):
    shape, patch = random.integers(3, 20, 3), random.integers(3, 12, 3)
    voxel = [int(random.integers(0, n)) for n in shape]
    loader = nnUNetDataLoader.__new__(nnUNetDataLoader)
    loader.patch_size, loader.need_to_pad, loader.has_ignore, loader.annotated_classes_key = tuple(patch), numpy.zeros(3, dtype=int), False, (-1, 0, 1)
    other, _ = loader.get_bbox(shape, True, {1: numpy.array([[0, *voxel]])})
    words = [str(n) for n in (*shape, *patch, *voxel)]
    found = [int(n) for n in subprocess.run([TOOL, "box", *words], stdout=subprocess.PIPE, text=True, check=True).stdout.split()]
    if found != [int(n) for n in other]:
        wrong.append(f"sample {shape}, patch {patch}, voxel {voxel}: {found} instead of {other}")
report(not wrong, BOXES, "\n".join(wrong))
done()
