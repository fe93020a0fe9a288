#!/usr/bin/env python3
"""Predictions as people look at them: label maps in the size of their pictures, what is laid over what and in which colour, the pictures that a run leaves
beside its trace, and the report that shows them. Networks have weights that the test chooses, so that what they predict is known."""
import json
import os
import re
import shutil
import struct
import sys
import zlib

sys.dont_write_bytecode = True
import tap
from tap import must, path, report, run
from volume_file import write_nifti

PALE = (224, 224, 192)


# ---- PNG by hand ----

def write_png(file, width, height, rows, colour):
    """rows: bytes of each; colour: 0 grey, 2 RGB."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(file, "wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


def read_png(file):
    """(width, height, channels, rows) of 8-bit pictures, of palettes the index."""
    with open(file, "rb") as stream:
        data = stream.read()
    at, body = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
        body += data[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    raw, rows, line = zlib.decompress(body), [], width * channels
    above = bytes(line)
    for y in range(height):
        kind, row = raw[y * (line + 1)], bytearray(raw[y * (line + 1) + 1:(y + 1) * (line + 1)])
        for i in range(line):
            left = row[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            p = left + above[i] - corner
            nearest = min((abs(p - v), k, v) for k, v in enumerate((left, above[i], corner)))[2]
            row[i] = (row[i] + (0, left, above[i], (left + above[i]) // 2, nearest)[kind]) % 256
        above = bytes(row)
        rows.append(above)
    return width, height, channels, rows


def voc(k):
    return tuple(sum((k >> (3 * i + j) & 1) << (7 - i) for i in range(3)) for j in range(3))


# ---- data: bright blocks on dark ground; what is bright is class 1, a stripe does not count ----

def picture(width, height, at):
    """Image and labels, row by row: RGB and numbers."""
    image, labels = [], []
    for y in range(height):
        pixels, numbers = bytearray(), bytearray()
        for x in range(width):
            bright = width // 4 <= x < width * 3 // 4 and height // 4 <= y < height * 3 // 4
            pixels += bytes((220 - at, 200, 180)) if bright else bytes((20, 40 + at, 60))
            numbers.append(11 if y < 2 else int(bright))
        image.append(bytes(pixels))
        labels.append(bytes(numbers))
    return image, labels


ODD = 'odd <b>&"name\'|`'
SIZES = {"train": [(96, 64)] * 6, "val": [(96, 64), (64, 48), (40, 56), (128, 64), (33, 47)]}


def make(folder):
    for split, sizes in SIZES.items():
        for part in (split, split + "annot"):
            os.makedirs(os.path.join(folder, part))
        for i, (width, height) in enumerate(sizes):
            image, labels = picture(width, height, i)
            name = ODD if split == "val" and i == 0 else f"{split}{i}"
            write_png(os.path.join(folder, split, name + ".png"), width, height, image, 2)
            write_png(os.path.join(folder, split + "annot", name + ".png"), width, height, labels, 0)


def write_weights(file, tensors):
    header, body = {}, b""
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + 4 * len(values)]}
        body += struct.pack(f"<{len(values)}f", *values)
    text = json.dumps(header).encode()
    with open(file, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + body)


def graph(file, side, classes=11):
    with open(file, "w") as stream:
        json.dump({"format": "poolscope-graph", "version": 1, "name": "own", "input": [3, 1, side, side],
                   "nodes": [{"name": "out", "type": "conv", "channels": classes, "kernel": 1, "bias": True}]}, stream)


folder, graph32, weights = path("street"), path("graph.json"), path("weights.safetensors")
make(folder)
graph(graph32, 32)
# Red above a half is class 1, else class 0: of shares of 255, far from each other.
write_weights(weights, {"out.weight": ([11, 3, 1, 1], [0, 0, 0, 40, 0, 0] + [0] * 27), "out.bias": ([11], [0, -20] + [-30] * 9)})
PREDICT = ["predict", weights, "--graph", graph32, "--data", "camvid:" + folder, "--size", "32", "--batch", "2", "--probe", "2", "--mean", "0,0,0", "--std", "1,1,1", "--quiet"]

# ---- label maps in the size of their pictures ----
out = path("predicted")
result = run(*PREDICT, "--out", out, "--pictures")
report(result.returncode == 0, "pictures that were resized are predicted", result.stderr)
measures = json.load(open(os.path.join(out, "measures.json")))
sizes, right, dices, panels = [], [], [], []
for i, (width, height) in enumerate(SIZES["val"]):
    name = ODD if i == 0 else f"val{i}"
    got = read_png(os.path.join(out, name + ".png"))
    sizes.append(got[:2] == (width, height))
    image, labels = picture(width, height, i)
    flat, predicted = b"".join(labels), b"".join(got[3])
    pairs = [(a, b) for a, b in zip(flat, predicted) if a != 11]
    right.append(sum(a == b for a, b in pairs) / len(pairs))
    case = next(case for case in measures["cases"] if case["case"] == name)
    for k in (0, 1):
        both, either = sum(a == k == b for a, b in pairs), sum((a == k) + (b == k) for a, b in pairs)
        dices.append(abs(case["classes"]["dice"][k] - 2 * both / either) < 1e-9)
    # What is laid over: the picture itself; labels; predictions.
    whole_width, whole_height, channels, rows = read_png(os.path.join(out, name + ".overlay.png"))
    good = (whole_width, whole_height, channels) == (3 * width + 8, height, 4)
    for y in range(height if good else 0):
        for x in range(width):
            pixel = image[y][3 * x:3 * x + 3]
            grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
            wanted = [tuple(pixel)]
            for label in (labels[y][x], got[3][y][x]):
                colour = PALE if label == 11 else voc(label)
                wanted.append(tuple((grey + colour[c]) / 2 if label > 0 else grey for c in range(3)))
            for panel in range(3):
                at = 4 * (x + panel * (width + 4))
                good = good and rows[y][at + 3] == 255 and all(abs(rows[y][at + c] - wanted[panel][c]) <= 0.51 for c in range(3))
    panels.append(good)
report(all(sizes), "each label map is as large as its picture", sizes)
report(min(right) > 0.93, "they lie where the bright block lies", right)
report(all(dices), "and are measured against the label maps of the files", dices)
report(all(panels), "overlays: the picture in its colours, labels and predictions in theirs over grey, pale where nothing counts", panels)
result = run("eval", *PREDICT[1:-1], "--json")
value = json.loads(result.stdout)["mean_iou"] if result.returncode == 0 else None
report(value is not None and abs(value - measures["measures"]["mean_iou"]) < 1e-8, "eval measures the same", [value, measures["measures"], result.stderr])

# Volumes likewise: --size makes them another, and the maps are those of the files.
segments = path("volumes")


def make_volumes(target, names, test=()):
    for part in ("imagesTr", "labelsTr", "imagesTs"):
        os.makedirs(os.path.join(target, part), exist_ok=True)
    for i in range(5):
        side, mm = (12 + i, 10, 8 + i), (1.0, 1.0, 2.0)
        labels = [int(3 <= x < 9 and 2 <= y < 8) + int(3 <= x < 9 and 2 <= y < 5 and z >= 4) for z in range(side[2]) for y in range(side[1]) for x in range(side[0])]
        write_nifti(os.path.join(target, "imagesTr", f"case{i}.nii"), side, mm, [100.0 * k + i for k in labels], 16, (mm[0], 0, 0, 0, 0, mm[1], 0, 0, 0, 0, mm[2], 0))
        write_nifti(os.path.join(target, "labelsTr", f"case{i}.nii"), side, mm, labels, 2, (mm[0], 0, 0, 0, 0, mm[1], 0, 0, 0, 0, mm[2], 0))
    for i in test:
        shutil.copy(os.path.join(target, "imagesTr", f"case{i}.nii"), os.path.join(target, "imagesTs", f"new{i}.nii"))
    with open(os.path.join(target, "dataset.json"), "w") as stream:
        json.dump({"channel_names": {"0": "CT"}, "labels": {name: k for k, name in enumerate(names)}, "numTraining": 5, "file_ending": ".nii"}, stream)


HOSTILE = ["background", '<img src=x onerror="alert(1)">|`&', "</script>"]
make_volumes(segments, HOSTILE, (1, 3))
with open(path("graph3.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "own", "input": [1, 16, 16, 16],
               "nodes": [{"name": "a", "type": "conv", "channels": 4, "padding": 1, "kernel": 3}, {"name": "a.relu", "type": "relu"},
                         {"name": "out", "type": "conv", "channels": 3, "kernel": 1}]}, stream)
VOLUMES = ["train", "--data", "msd:" + segments, "--graph", path("graph3.json"), "--size", "16", "--batch", "1", "--probe", "1", "--fold", "0", "--folds", "2",
           "--steps", "4", "--window", "2", "--quiet"]
must(*VOLUMES, "--out", path("resized"))
result = run("predict", path("resized"), "--out", path("p3"), "--pictures", "--quiet")
cases = json.load(open(path("p3", "measures.json")))["cases"] if result.returncode == 0 else []
good = bool(cases)
for case in cases:
    data, given = open(path("p3", case["case"] + ".nii.gz"), "rb").read(), open(case["file"], "rb").read()
    map_ = zlib.decompress(data, 31)
    side = struct.unpack_from("<8h", map_, 40)[1:4]
    truth = open(case["file"].replace("imagesTr", "labelsTr"), "rb").read()[352:]
    predicted = map_[352:352 + side[0] * side[1] * side[2]]
    good = good and side == struct.unpack_from("<8h", given, 40)[1:4]
    for k in range(3):
        either = truth.count(k) + predicted.count(k)
        value, wanted = case["classes"]["dice"][k], 2 * sum(a == k == b for a, b in zip(truth, predicted)) / either if either else None
        good = good and (value is None and wanted is None or value is not None and abs(value - wanted) < 1e-9)
    # Slices across d, h and w, one below the other: 1 mm is a pixel's length times a number that makes the longest side 160.
    width, height = read_png(path("p3", case["case"] + ".overlay.png"))[:2]
    mm = [side[0], side[1], 2 * side[2]]
    unit = max(mm) / 160
    pixels = [int(length / unit + 0.5) for length in mm]
    good = good and (width, height) == (3 * max(pixels[0], pixels[1]) + 8, pixels[1] + 2 * pixels[2] + 8)
report(good, "volumes that were resized are predicted and measured in their files' sizes, and shown in their proportions", [result.stderr, cases[:1]])

# ---- what a run leaves beside its trace ----
TRAIN = ["train", "--data", "camvid:" + folder, "--graph", graph32, "--size", "32", "--batch", "2", "--probe", "2", "--steps", "4", "--window", "2", "--quiet"]
a, b = path("a"), path("b")
must(*TRAIN, "--out", a)
must(*TRAIN, "--lr", "0.3", "--out", b)


def pictures(place):
    place = os.path.join(place, "pictures")
    return {name: open(os.path.join(place, name), "rb").read() for name in sorted(os.listdir(place))} if os.path.isdir(place) else None


first, second = pictures(a), pictures(b)
names = [f"{n}.{what}.png" for n in (1, 2, 3) for what in ("image", "predicted", "truth")]
report(sorted(first) == names + ["pictures.json", "pictures.manifest.tsv"], "a run leaves three samples beside its trace", sorted(first or []))
listed = json.loads(first["pictures.json"])
report([sample["index"] for sample in listed["samples"]] == [0, 1, 3] and listed["samples"][0]["name"] == ODD and listed["classes"][1] == {"name": "building", "colour": "#800000"},
       "the list says which they are, and the colours", listed)
report(all(first[name] == second[name] for name in names if "predicted" not in name), "they are the same for every arm")
threads = path("threads")
must(*TRAIN, "--threads", "3", "--out", threads)
report(pictures(threads) == first, "and for any number of threads")
# Stopped after its last step, before its end: it goes on from there.
lines = open(os.path.join(a, "trace.jsonl"), "rb").read().splitlines(True)
stopped = path("stopped")
shutil.copytree(a, stopped)
with open(os.path.join(stopped, "trace.jsonl"), "wb") as stream:
    stream.writelines(line for line in lines if b'"type":"end"' not in line)
shutil.rmtree(os.path.join(stopped, "pictures"))
result = run("train", "--resume", stopped, "--quiet")
report(result.returncode == 0 and pictures(stopped) == first, "a run that goes on leaves the same", result.stderr)
shutil.copytree(a, path("none"))
result = run(*TRAIN, "--out", path("none"), "--force", "--no-pictures")
report(result.returncode == 0 and pictures(path("none")) is None, "--no-pictures leaves none, nor those of the run that was replaced", result.stderr)
result = run(*TRAIN, "--lr", "1e6", "--weight-decay", "1000", "--steps", "40", "--out", path("diverged"))
report(result.returncode == 1 and pictures(path("diverged")) is None, "nor does a run that diverged", [result.returncode, result.stderr])
must("train", *tap.TINY, "--steps", "2", "--window", "2", "--out", path("classes"))
report(pictures(path("classes")) is None, "nor one whose samples have one label each")

# ---- the report ----
both = path("both")
must("compare", "--arm", "a=" + a, "--arm", "b=" + b, "--out", both)
result = run("report", both, "--format", "html,md", "--quiet")
page = open(os.path.join(both, "report.html")).read() if result.returncode == 0 else ""
section = page[page.find('id="h-pictures"'):].split("</section>")[0]
report(section.count("<figure") == 3 and section.count("<img ") == 12 and section.count("data:image/png;base64,") == 12, "the report shows image, truth and both arms of each",
       [result.stderr, section.count("<img ")])
alts = re.findall(r'alt="([^"]*)"', section)
report("odd &lt;b&gt;&amp;&quot;name&#39;|`" in section and "<b>&" not in section and len(alts) == 12, "names are escaped", alts[:3])
report('style="fill:#800000"/></svg>building' in section and "sky (no colour)" in section, "a legend names the colours", section[:600])
markdown = open(os.path.join(both, "report.md")).read()
linked = re.findall(r"\((plots/sample-[^)]*)\)", markdown)
report(len(linked) == 12 and all(os.path.exists(os.path.join(both, name)) for name in linked), "Markdown leads to the files", linked)
with open(os.path.join(b, "pictures", "2.predicted.png"), "ab") as stream:
    stream.write(b"x")
must("report", both, "--format", "html,md", "--quiet")
section = open(os.path.join(both, "report.html")).read().split('id="h-pictures"')[1].split("</section>")[0]
report(section.count("<img ") == 9 and section.count("no picture") == 3, "pictures that were changed are not shown", section.count("<img "))
shutil.rmtree(os.path.join(a, "pictures"))
shutil.rmtree(os.path.join(b, "pictures"))
result = run("report", both, "--format", "html,md", "--quiet")
report(result.returncode == 0 and "h-pictures" not in open(os.path.join(both, "report.html")).read(), "a report without pictures has no place for them", result.stderr)
one = must("report", path("resized"), "--quiet")
page = open(path("resized", "report", "report.html")).read()
report("h-pictures" in page and "<img src=x" not in page and "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;|`&amp;" in page and page.count("</script>") == 1,
       "classes may be called anything", page.count("</script>"))
# ---- images without labels ----
def maps(place):
    return {name: open(os.path.join(place, name), "rb").read() for name in sorted(os.listdir(place))}


def same_maps(name, subject, given, wanted, options=()):
    out = path("out-of-" + name)
    result = run("predict", subject, "--images", given, "--out", out, "--quiet", *options)
    got = maps(out) if result.returncode == 0 else result.stderr
    report(got == wanted and "nothing was measured, as the images have no labels" in result.stdout, f"images without labels: {name}, maps as with labels, and nothing else",
           [result.stdout, got if isinstance(got, str) else sorted(got), sorted(wanted)])


def only_maps(place):
    return {name: data for name, data in maps(place).items() if name.endswith((".nii.gz", ".png")) and "overlay" not in name}


must(*TRAIN, "--out", path("a2"))
must("predict", path("a2"), "--out", path("with"), "--quiet")
with_labels = only_maps(path("with"))
bare = path("bare")
os.rename(os.path.join(folder, "val"), bare)
os.rename(folder, folder + "-gone")  # nothing of the training is needed
same_maps("pictures", path("a2"), bare, with_labels)
result = run("predict", path("a2"), "--images", bare, "--out", path("shown"), "--pictures", "--quiet")
shown = read_png(path("shown", "val1.overlay.png"))[:2] if result.returncode == 0 else result.stderr
report(shown == (2 * SIZES["val"][1][0] + 4, SIZES["val"][1][1]), "their overlays have no truth", shown)

volumes, cases = path("bare-volumes"), only_maps(path("p3"))
os.makedirs(volumes)
for name in cases:
    shutil.copy(os.path.join(segments, "imagesTr", name.replace(".nii.gz", ".nii")), volumes)
same_maps("volumes", path("resized"), volumes, cases)
result = run("predict", path("resized"), "--out", path("ts"), "--fold", "-1", "--quiet")
report(result.returncode == 2 and "--images" in result.stderr, "imagesTs without labels are no test part, and the sentence says how to predict on them", result.stderr)
result = run("predict", path("resized"), "--images", os.path.join(segments, "imagesTs"), "--out", path("ts"), "--quiet")
report(result.returncode == 0 and sorted(os.listdir(path("ts"))) == ["new1.nii.gz", "new3.nii.gz"], "their folder is", [result.stderr, os.listdir(path("ts"))])

# As a plan prepares them, and with a file a channel.
raw = path("raw")
make_volumes(raw, ["background", "one", "two"])
for i in range(5):
    file = os.path.join(raw, "imagesTr", f"case{i}")
    shutil.copy(file + ".nii", file + "_0001.nii")
    os.rename(file + ".nii", file + "_0000.nii")
with open(os.path.join(raw, "dataset.json"), "w") as stream:
    json.dump({"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "one": 1, "two": 2}, "numTraining": 5, "file_ending": ".nii"}, stream)
with open(path("graph2.json"), "w") as stream:
    json.dump({"format": "poolscope-graph", "version": 1, "name": "own", "input": [2, 8, 8, 8], "nodes": [{"name": "out", "type": "conv", "channels": 3, "kernel": 3, "padding": 1}]}, stream)
must("train", "--data", "msd:" + raw, "--graph", path("graph2.json"), "--plan", "auto", "--patch-size", "8", "--batch", "1", "--probe", "1", "--fold", "0", "--folds", "2", "--steps", "4",
     "--window", "2", "--quiet", "--out", path("planned"))
must("predict", path("planned"), "--out", path("planned-with"), "--quiet")
cases, two = only_maps(path("planned-with")), path("two-channels")
os.makedirs(two)
for name in cases:
    for channel in ("_0000.nii", "_0001.nii"):
        shutil.copy(os.path.join(raw, "imagesTr", name.replace(".nii.gz", channel)), two)
os.rename(raw, raw + "-gone")
same_maps("planned", path("planned"), two, cases)

for name in ("empty", "mixed", "twins", "lacking"):
    os.makedirs(path(name))
shutil.copy(os.path.join(bare, "val1.png"), path("mixed"))
shutil.copy(os.path.join(segments, "imagesTr", "case0.nii"), path("mixed"))
for ending in (".png", ".PNG"):
    shutil.copy(os.path.join(bare, "val1.png"), path("twins", "x" + ending))
shutil.copy(os.path.join(segments, "imagesTr", "case0.nii"), path("lacking", "case0_0000.nii"))
with open(os.path.join(volumes, "zbroken.nii"), "wb") as stream:
    stream.write(b"no volume")
older = path("older")
shutil.copytree(path("a2"), older)
with open(os.path.join(older, "checkpoint.safetensors"), "rb") as stream:
    data = stream.read()
with open(os.path.join(older, "checkpoint.safetensors"), "wb") as stream:
    stream.write(data.replace(rb',\"input\":', rb',\"inpux\":'))
for subject, given, sentence, *options in ((path("a2"), path("empty"), "holds no images"), (path("a2"), path("mixed"), "one kind"), (path("a2"), path("twins"), "rename"),
                                           (path("a2"), path("nowhere"), "nowhere"), (path("planned"), path("lacking"), "channels"), (path("resized"), volumes, "zbroken.nii"),
                                           (weights, bare, "needs a checkpoint"), (path("classes"), bare, "one class a sample"), (path("a2"), bare, "--data", "--data", "synthetic-2d"),
                                           (path("a2"), bare, "--fold", "--fold", "1"), (older, bare, "give --mean and --std"), (path("resized"), bare, "channel")):
    result = run("predict", subject, "--images", given, "--out", path("refused"), "--quiet", *options)
    report(result.returncode == 2 and sentence in result.stderr and result.stderr.count("\n") <= 2, f"images are refused: {sentence}", result.stderr)
result = run("predict", path("resized"), "--images", volumes, "--out", path("skipped"), "--skip-bad", "--quiet")
report(result.returncode == 0 and len(os.listdir(path("skipped"))) == len(os.listdir(volumes)) - 1 and "zbroken" in result.stderr, "--skip-bad leaves out what cannot be read", [result, os.listdir(volumes)])
tap.done()
