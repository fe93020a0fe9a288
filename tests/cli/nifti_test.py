"""NIfTI files against nibabel: every voxel type in both byte orders, versions, scales and orientations are read as nibabel reads them, and
brought to the closest canonical order; label maps are written so that nibabel finds them where the input lies."""
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import ROOT, done, path, report, skip  # noqa: E402

try:
    import nibabel
    import numpy
except ImportError:
    skip("NIfTI files against nibabel", "no nibabel here (make venv)")
    done()

TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "nifti_tool")
TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
random.seed(5)
numpy.random.seed(5)


def tool(*arguments, given=b""):
    return subprocess.run([TOOL, *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rotation(most):
    """A turn by a random angle about a random axis, in radians."""
    axis = numpy.random.normal(size=3)
    x, y, z = axis / numpy.linalg.norm(axis)
    angle = random.uniform(-most, most)
    k = numpy.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return numpy.eye(3) + numpy.sin(angle) * k + (1 - numpy.cos(angle)) * (k @ k)


def affine_of(spacing):
    order = list(range(3))
    random.shuffle(order)
    signs = numpy.diag([random.choice([-1, 1]) for _ in range(3)])
    turned = rotation(0.5) @ signs @ numpy.eye(3)[:, order]
    affine = numpy.eye(4)
    affine[:3, :3] = turned * numpy.array(spacing)
    affine[:3, 3] = numpy.random.uniform(-100, 100, 3)
    return affine


def make(name, kind, order, second, forms, slope, channels):
    shape = tuple(random.randint(2, 9) for _ in range(3)) + ((channels,) if channels > 1 else ())
    if kind[0] == "f":
        raw = numpy.random.normal(size=shape) * 100
    else:
        info = numpy.iinfo(kind)
        raw = numpy.random.randint(max(info.min, -2**53), min(info.max, 2**53), size=shape, dtype="i8")
    raw = raw.astype(order + kind)
    spacing = [random.uniform(0.3, 5) for _ in range(3)]
    header = (nibabel.Nifti2Header if second else nibabel.Nifti1Header)(endianness=order)
    header.set_data_dtype(order + kind)
    header.set_data_shape(shape)
    header.set_zooms(spacing + ([1] if channels > 1 else []))
    if "s" in forms:
        header.set_sform(affine_of(spacing), 1)
    if "q" in forms:
        header.set_qform(affine_of(spacing), 1)
        header["pixdim"][1:4] = spacing
    if "m" in forms:
        header.set_xyzt_units("meter")
        header["pixdim"][1:4] /= 1000
    header["scl_slope"], header["scl_inter"] = slope
    header["vox_offset"] = header.single_vox_offset
    content = header.binaryblock + b"\0\0\0\0" + raw.tobytes(order="F")
    with (nibabel.openers.Opener(name, "wb") if name.endswith(".gz") else open(name, "wb")) as stream:
        stream.write(content)


def canonical(name):
    values = numpy.asarray(nibabel.as_closest_canonical(nibabel.load(name)).dataobj, dtype="f8").astype("f4")
    return (values if values.ndim == 4 else values[..., None]).transpose(2, 1, 0, 3)


def try_file(name, forms):
    """What is wrong with how a file is read and written like; "" where nothing is."""
    result = tool("read", name)
    if result.returncode != 0:
        return result.stderr.decode()
    line, _, rest = result.stdout.partition(b"\n")
    words = line.split()
    shape = tuple(int(word) for word in words[:4])
    wanted = canonical(name)
    stored = nibabel.load(name)
    order = numpy.argsort(nibabel.io_orientation(stored.affine)[:, 0])
    zooms = numpy.array(stored.header.get_zooms()[:3], dtype="f8")[order][::-1] * (1000 if "m" in forms else 1)
    if shape != wanted.shape or not numpy.allclose([float(word) for word in words[4:]], zooms, rtol=1e-5):
        return f"{line} but {wanted.shape} {zooms}"
    if not numpy.array_equal(numpy.frombuffer(rest, dtype="f4").reshape(shape), wanted):
        return "values differ"
    most = random.choice([3, 300])
    labels = numpy.random.randint(0, most, size=shape[:3], dtype="i2")
    out = path("labels." + random.choice(["nii", "nii.gz"]))
    result = tool("like", name, out, given=labels.tobytes())
    if result.returncode != 0:
        return result.stderr.decode()
    written, input_image = nibabel.load(out), nibabel.load(name)
    if not numpy.allclose(written.affine, input_image.affine) or written.shape != input_image.shape[:3] or type(written) is not type(input_image):
        return f"written with another geometry:\n{written.affine}\n{input_image.affine}"
    if written.get_data_dtype() != ("u1" if labels.max() < 256 else "i2") or not numpy.allclose(written.header.get_zooms(), input_image.header.get_zooms()[:3]):
        return "written with another type or spacing"
    return "" if numpy.array_equal(canonical(out)[..., 0], labels) else "labels are written elsewhere"


wrong = []
count = 0
for kind in TYPES:
    for order in "<>":
        for second in (False, True):
            for forms in ("s", "q", "sq", "", "sm"):
                slope = random.choice([(0, 5), (float("nan"), float("nan")), (1, 0), (0.5, -1024), (2, 3)])
                name = path(f"file{count}.nii" + random.choice(["", ".gz"]))
                make(name, kind, order, second, forms, slope, random.choice([1, 1, 3]))
                fault = try_file(name, forms)
                if fault:
                    wrong.append(f"{kind} {order} version {1 + second} forms '{forms}' slope {slope}: {fault}")
                count += 1
                os.remove(name)
report(not wrong, f"{count} files of every type, byte order, version, scale and orientation are read and written as nibabel does", "\n".join(wrong))

done()
