"""Augmentation of training images as src/data/README.md ("Order and augmentation") defines it, from that text alone, with Pillow's operations."""
import math

from PIL import Image, ImageEnhance, ImageOps

from data_order import below, draw, fold, key, normal, philox, uniform


def colour(fill):
    return tuple(fill) if len(fill) > 1 else fill[0]


def tone(image, name, number):
    if name == "autocontrast":
        return ImageOps.autocontrast(image)
    if name == "equalize":
        return ImageOps.equalize(image)
    if name == "invert":
        return ImageOps.invert(image)
    if name == "posterize":
        mask = ~(2 ** (8 - number) - 1)
        return image.point([v & mask for v in range(256)] * len(image.getbands()))  # ImageOps.posterize refuses 0 bits
    if name == "solarize":
        return ImageOps.solarize(image, number)
    if name == "solarize_add":
        return image.point([min(255, v + number) if v < 128 else v for v in range(256)] * len(image.getbands()))
    return getattr(ImageEnhance, name.capitalize())(image).enhance(number)


def four(k, index):
    """The normal numbers of one counter."""
    words, out = philox(k, index), []
    for i in (0, 2):
        radius, angle = math.sqrt(-2 * math.log((words[i] + 0.5) * 2.0 ** -32)), 6.283185307179586 * words[i + 1] * 2.0 ** -32
        out += [radius * math.cos(angle), radius * math.sin(angle)]
    return out


def between(low, high, k, index):
    return low + (high - low) * uniform(k, index)


def smooth(odd):
    return Image.BICUBIC if odd else Image.BILINEAR


def resized_crop(image, k, scale, ratio):
    w, h = image.size
    place = None
    for i in range(10):
        area, shape = between(*scale, k, 4 * i) * h * w, math.exp(between(math.log(ratio[0]), math.log(ratio[1]), k, 4 * i + 1))
        pw, ph = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 1 <= pw <= w and 1 <= ph <= h:
            place = below(k, 4 * i + 2, h - ph + 1), below(k, 4 * i + 3, w - pw + 1), ph, pw
            break
    if place is None:
        ph, pw = (round(w / ratio[0]) if w / h < ratio[0] else h), (round(h * ratio[1]) if w / h > ratio[1] else w)
        place = (h - ph) // 2, (w - pw) // 2, ph, pw
    top, left, ph, pw = place
    return image.crop((left, top, left + pw, top + ph)).resize((w, h), smooth(draw(k, 40) & 1))


def crop(image, k, pad, fill):
    w, h = image.size
    y, x = below(k, 0, 2 * pad + 1) - pad, below(k, 1, 2 * pad + 1) - pad
    out = Image.new(image.mode, image.size, colour(fill))
    out.paste(image, (-x, -y))
    return out


def flip(image, k):
    return image.transpose(Image.FLIP_LEFT_RIGHT) if draw(k, 3) & 1 else image


def rotate(image, k, degrees):
    return image.rotate(degrees * (2 * uniform(k, 0) - 1), Image.NEAREST)


def color_jitter(image, k, jitter):
    order = [0, 1, 2]
    for i in (3, 2):
        other = below(fold(k, 3), i, i)
        order[i - 1], order[other] = order[other], order[i - 1]
    for which in order:
        if jitter[which] > 0:
            image = tone(image, ["brightness", "contrast", "color"][which], 1 + jitter[which] * (2 * uniform(k, which) - 1))
    return image


def layer(image, q, spec, grey):
    if uniform(q, 1) >= spec["p"]:
        return image
    m, mstd = spec["m"], spec["mstd"]
    level = max(0, min(10, m * uniform(q, 2) if mstd > 100 else m + mstd * normal(q, 2))) / 10
    sign, inc, number, (w, h) = -1 if draw(q, 3) & 1 else 1, spec["inc"], below(q, 0, 15), image.size
    options = {"resample": smooth(draw(q, 4) & 1), "fillcolor": colour(grey)}
    if number < 3:
        return tone(image, ["autocontrast", "equalize", "invert"][number], None)
    if number == 3:
        return image.rotate(sign * level * 30, **options)
    if number < 7:
        parameter = [int(level * 4), int(level * 256), int(level * 110)][number - 4]
        turned = [4 - parameter, 256 - parameter, parameter][number - 4]
        return tone(image, ["posterize", "solarize", "solarize_add"][number - 4], turned if inc else parameter)
    if number < 11:
        return tone(image, ["color", "contrast", "brightness", "sharpness"][number - 7], max(0.1, 1 + sign * level * 0.9) if inc else level * 1.8 + 0.1)
    matrix = [(1, sign * level * 0.3, 0, 0, 1, 0), (1, 0, 0, sign * level * 0.3, 1, 0), (1, 0, sign * level * 0.45 * w, 0, 1, 0),
              (1, 0, 0, 0, 1, sign * level * 0.45 * h)][number - 11]
    return image.transform(image.size, Image.AFFINE, matrix, **options)


def erase(values, k, probability, h, w, c):
    """Of normalised values [h][w][c], in place."""
    if uniform(k, 0) >= probability:
        return
    for i in range(10):
        n = 1 + 4 * i
        area, aspect = between(0.02, 1 / 3, k, n) * h * w, math.exp(between(math.log(0.3), math.log(1 / 0.3), k, n + 1))
        ph, pw = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if ph >= h or pw >= w:
            continue
        top, left, noise, j = below(k, n + 2, h - ph + 1), below(k, n + 3, w - pw + 1), fold(k, 41), 0
        for y in range(top, top + ph):
            for at in range((y * w + left) * c, (y * w + left + pw) * c):
                values[at] = four(noise, j // 4)[j % 4]
                j += 1
        return


def load(image, seed, epoch, number, options, grey):
    """An 8-bit image as a training batch shows it before normalisation. grey: the mean of the training images, in bytes."""
    def k(name):
        return fold(fold(key(seed, name), epoch), number)
    if "scale" in options:
        image = resized_crop(image, k("data/augment/resized_crop"), options["scale"], options["ratio"])
    if options.get("crop_pad"):
        image = crop(image, k("data/augment"), options["crop_pad"], options["outside"])
    if options.get("flip"):
        image = flip(image, k("data/augment"))
    if options.get("rotate"):
        image = rotate(image, k("data/augment/rotate"), options["rotate"])
    if "jitter" in options:
        image = color_jitter(image, k("data/augment/color_jitter"), options["jitter"])
    for i in range(options["rand"]["n"] if "rand" in options else 0):
        image = layer(image, fold(k("data/augment/rand"), i), options["rand"], grey)
    return image
