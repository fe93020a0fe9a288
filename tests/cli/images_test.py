#!/usr/bin/env python3
"""Pictures: what PNG and JPEG files of every kind are read as, held against Pillow's reading of them; data sets of picture files on the command line."""
import array
import io
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from tap import ROOT, done, must, path, report, run, skip  # noqa: E402

try:
    from PIL import Image, ImageOps
except ImportError:
    Image = None

TOOL = os.path.join(ROOT, os.environ.get("PS_BUILD", "build/release"), "tests", "cli", "picture_tool")
W, H = 61, 43


def read(kind, file):
    """(height, width, bytes), or the sentence."""
    result = subprocess.run([TOOL, kind, file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * tap.PATIENCE)
    if result.returncode != 0:
        return result.stderr.decode()
    line, rest = result.stdout.split(b"\n", 1)
    return (*map(int, line.split()), rest)


def plane(step, kind="L"):
    """A smooth plane with an edge."""
    return Image.frombytes("L", (W, H), bytes((x * 3 + y * step + (60 if x > W // 2 else 0)) % 256 for y in range(H) for x in range(W))).convert(kind)


def distance(file, picture):
    """The largest difference of the engine's reading from Pillow's picture; a sentence where it cannot be read."""
    got = read("rgb", file)
    wanted = picture.convert("RGB")
    if isinstance(got, str) or got[:2] != (wanted.height, wanted.width):
        return got if isinstance(got, str) else f"{got[:2]} against {(wanted.height, wanted.width)}"
    return max(abs(a - b) for a, b in zip(got[2], wanted.tobytes()))


def check(name, file, bound=0, picture=None):
    found = distance(path(file), picture or Image.open(path(file)))
    report(not isinstance(found, str) and found <= bound, f"{name} is read as Pillow reads it" + (f", within {bound}" if bound else ""), found)


def png_kinds():
    rgb = Image.merge("RGB", [plane(1), plane(2), plane(5)])
    kinds = {"grey": plane(1), "bilevel": plane(1).convert("1"), "grey with alpha": Image.merge("LA", [plane(1), plane(7)]), "colour": rgb,
             "colour with alpha": Image.merge("RGBA", [*rgb.split(), plane(3)]), "palette": rgb.quantize(100), "palette of 2 bits": rgb.quantize(4)}
    for name, picture in kinds.items():
        picture.save(path("a.png"), **({"bits": 2} if "2 bits" in name else {}))
        check(f"PNG, {name}", "a.png")
    rgb.quantize(30).save(path("a.png"), transparency=3)
    check("PNG, a palette with a transparent colour", "a.png")


def png_of_16_bits():
    words = array.array("H", ((x * 997 + y * 313) % 65536 for y in range(H) for x in range(W)))
    Image.frombytes("I;16", (W, H), words.tobytes()).save(path("deep.png"))
    check("PNG, grey of 16 bits (its upper 8)", "deep.png", picture=Image.frombytes("L", (W, H), bytes(v >> 8 for v in words)))
    got = read("labels", path("deep.png"))
    big = array.array("H", words)
    big.byteswap()
    report(got[2] == big.tobytes(), "a label map of 16 bits keeps its numbers", got[:2])


def labels():
    numbers = bytes((x + 3 * y) % 21 if (x + y) % 9 else 255 for y in range(H) for x in range(W))
    picture = Image.frombytes("P", (W, H), numbers)
    picture.putpalette([v for i in range(256) for v in (i, 255 - i, i * 3 % 256)])
    for name, image in (("palette", picture), ("grey", Image.frombytes("L", (W, H), numbers))):
        image.save(path("map.png"))
        got = read("labels", path("map.png"))
        report(not isinstance(got, str) and got[2][1::2] == numbers and not any(got[2][0::2]), f"a label map, {name}: the numbers as stored", got)
    picture.convert("RGB").save(path("map.png"))
    report("colour picture" in read("labels", path("map.png")), "a label map in colours is refused with a sentence")


def jpeg_kinds():
    rgb = Image.merge("RGB", [plane(1), plane(2), plane(5)])
    for name, picture, options in (("colour", rgb, {}), ("all samples of colour", rgb, {"subsampling": 0}), ("half of them", rgb, {"subsampling": 1}),
                                   ("progressive", rgb, {"progressive": True}), ("of low quality", rgb, {"quality": 5}), ("grey", plane(2), {}),
                                   ("grey and progressive", plane(2), {"progressive": True}),
                                   ("restart markers", rgb, {"restart_marker_blocks": 4})):
        picture.save(path("a.jpg"), **{"quality": 90, **options})
        check(f"JPEG, {name},", "a.jpg", 2)
    for transform in (False, True):  # Pillow takes inks to be upside down, as those of Adobe's programs are: its own files say so with the marker
        rgb.convert("CMYK").save(path("ink.jpg"), quality=95, **({"progressive": True} if transform else {}))
        check("JPEG of inks (CMYK)" + (", progressive," if transform else ","), "ink.jpg", 3)


def orientations():
    rgb = Image.merge("RGB", [plane(1), plane(2), plane(5)])
    found = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for file, options in (("turned.jpg", {"quality": 95}), ("turned.png", {})):
            rgb.save(path(file), exif=exif, **options)
            found[orientation, file] = distance(path(file), ImageOps.exif_transpose(Image.open(path(file))))
    report(all(not isinstance(v, str) and v <= 2 for v in found.values()), "pictures are turned as Exif says, in all eight ways, as Pillow turns them", found)


def damage():
    """No cut and no byte changed makes another picture of a PNG file, or ends the program otherwise than with a sentence."""
    stream = io.BytesIO()
    Image.merge("RGB", [plane(1), plane(2), plane(5)]).save(stream, "JPEG", quality=80)
    whole = stream.getvalue()
    bad = []
    for size in range(2, len(whole) - 20, len(whole) // 20):
        with open(path("cut.jpg"), "wb") as file:
            file.write(whole[:size])
        said = read("rgb", path("cut.jpg"))
        if not (isinstance(said, str) and said.startswith(path("cut.jpg") + ": ") and said.count("\n") == 1):
            bad.append((size, said))
    report(not bad, "a JPEG file that is cut short anywhere is refused in one sentence, and not shown in grey", bad[:1])


def training():
    """A user's own pictures: two classes of unlike sizes, JPEG and PNG."""
    for part, count in (("train", 30), ("test", 6)):
        for label in ("dark", "light"):
            os.makedirs(path("own", part, label))
            for i in range(count):
                shade = 40 + i if label == "dark" else 215 - i
                Image.new("RGB", (20 + i % 3, 16 + i % 2), (shade, 90, shade)).save(path("own", part, label, f"{i}.{'png' if i % 2 else 'jpg'}"))
    start = ["train", "--model", "plain9", "--width", "0.5", "--data", "images:own", "--batch", "8", "--probe", "8", "--steps", "4", "--window", "2", "--quiet"]
    result = run(*start, "--out", "a")
    report(result.returncode == 2 and "--size" in result.stderr, "pictures of unlike sizes want a size", result.stderr)
    result = run(*start, "--size", "16", "--out", "a")
    header = tap.records("a")[0]["data"] if result.returncode == 0 else {}
    report(header.get("sample") == [3, 1, 16, 16] and header.get("classes") == 2, "a user's own pictures are trained on", result.stderr)
    with open(path("own", "train", "dark", "torn.png"), "wb") as stream:
        stream.write(b"torn")
    result = run(*start, "--size", "16", "--out", "b")
    report(result.returncode == 2 and "own/train/dark/torn.png" in result.stderr and "--skip-bad" in result.stderr, "a file that is no picture is named", result.stderr)
    result = run(*start, "--size", "16", "--skip-bad", "--out", "b")
    report(result.returncode == 0 and "left out: own/train/dark/torn.png" in result.stderr, "and left out where that is asked for", result.stderr)
    report(tap.records("a")[0]["data"]["digest"] == tap.records("b")[0]["data"]["digest"], "which leaves the same data")
    os.remove(path("own", "train", "dark", "torn.png"))
    # 48 MB when it is decoded, for each of the threads that decode: to resize it takes a row of it more, and not eight times as much.
    Image.new("L", (4000, 4000), 50).save(path("own", "train", "dark", "large.png"))
    if tap.SLOW:
        skip("a large picture is resized in little more memory than it takes", "instrumented builds take more of their own")
        return
    process = subprocess.Popen([tap.PROGRAM, *start, "--size", "16", "--threads", "2", "--out", path("large")], cwd=path())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    report(process.returncode == 0 and used.ru_maxrss < 300000, "a large picture is resized in little more memory than it takes", [process.returncode, used.ru_maxrss])


def street(folder, masks, part, count, number=None):
    """Pictures with label maps: number of a pixel (x, y); left out: stripes of 0, 1 and 2."""
    for kind in (part, masks):
        os.makedirs(path(folder, kind), exist_ok=True)
    for i in range(count):
        Image.new("RGB", (16, 16), (40 + i, 90, 120)).save(path(folder, part, f"{part.split('/')[-1]}{i}.{'jpg' if 'JPEG' in part else 'png'}"))
        Image.frombytes("L", (16, 16), bytes(x % 3 if number is None else number for y in range(16) for x in range(16))).save(path(folder, masks, f"{part.split('/')[-1]}{i}.png"))


DENSE = {"format": "poolscope-graph", "version": 1, "name": "own", "input": [3, 1, 16, 16], "nodes": [{"name": "out", "type": "conv", "channels": 11, "kernel": 1}]}


def dense(classes):
    with open(path(f"dense{classes}.json"), "w") as stream:
        json.dump({**DENSE, "nodes": [{**DENSE["nodes"][0], "channels": classes}]}, stream)
    return ["train", "--graph", f"dense{classes}.json", "--size", "16", "--batch", "2", "--probe", "2", "--steps", "2", "--window", "2", "--quiet", "--no-pictures"]


def class_zero():
    """Soft Dice counts class 0 where it is none like a background, unless told otherwise."""
    street("film", "trainannot", "train", 6)
    street("film", "testannot", "test", 2)
    wanted = {(): True, ("--no-dice-background",): False, ("--dice-background",): True}
    for given, on in wanted.items():
        for loss in ("dice", "ce+dice"):
            result = run(*dense(11), "--data", "camvid:film", "--loss", loss, *given, "--out", "film-run")
            config = tap.records("film-run")[0]["config"] if result.returncode == 0 else {}
            report(config.get("dice_background") is on, f"sky is a class of CamVid: {loss} {' '.join(given)}", result.stderr or config.get("dice_background"))
            shutil.rmtree(path("film-run"), ignore_errors=True)
    losses = {}
    for given in ((), ("--no-dice-background",), ("--dice-background",)):
        must(*dense(11), "--data", "camvid:film", "--loss", "dice", *given, "--out", "film-run")
        losses[given] = [record["loss"] for record in tap.records("film-run") if "loss" in record][-1]
        if not given:
            must("train", "film-run/config.json", "--out", "film-again", "--quiet", "--no-pictures")
            report(tap.records("film-again")[0]["config"]["dice_background"] is True, "the configuration of such a run is one to run again")
        shutil.rmtree(path("film-run"))
    report(losses[()] == losses[("--dice-background",)] != losses[("--no-dice-background",)], "and the loss is that with it", losses)
    result = run(*dense(11), "--data", "camvid:film", "--recipe", "nnunet", "--patch-size", "16", "--size", "0", "--lr", "0.01", "--out", "film-recipe")
    report(result.returncode == 0 and tap.records("film-recipe")[0]["config"]["dice_background"], "likewise by a recipe", result.stderr)
    result = run("train", "film-recipe/config.json", "--out", "film-recipe2", "--quiet", "--no-pictures")
    report(result.returncode == 0, "whose configuration can be run again", result.stderr)
    result = run(*dense(5), "--data", "synthetic-2d", "--train-limit", "8", "--test-limit", "2", "--loss", "dice", "--out", "shapes")
    report(result.returncode == 0 and tap.records("shapes")[0]["config"]["dice_background"] is False, "generated shapes lie on a background", result.stderr)


def nothing_counts():
    """Label maps of nothing but what does not count."""
    street("void", "trainannot", "train", 6, 11)
    street("void", "testannot", "test", 2, 11)
    result = run(*dense(11), "--data", "camvid:void", "--out", "void-run")
    report(result.returncode == 2 and "no position of the 4 training samples has a label that counts" in result.stderr, "label maps in which nothing counts are not trained on", result.stderr)
    result = must(*dense(11), "--data", "camvid:film", "--out", "seen")
    street("half", "trainannot", "train", 6)
    street("half", "testannot", "test", 2, 11)
    result = run("eval", "seen/checkpoint.safetensors", "--data", "camvid:half")
    report("no position of the 2 test images has a label that counts" in result.stdout and "no test images" not in result.stdout, "nor said to be none at all", result.stdout + result.stderr)


if Image is None:
    skip("pictures as Pillow reads them", "no Pillow here")
else:
    png_kinds()
    png_of_16_bits()
    labels()
    jpeg_kinds()
    orientations()
    damage()
    training()
    class_zero()
    nothing_counts()
done()
