"""Order, crop, flip and mixing of training images as src/data/README.md ("Order and augmentation") defines them,
from that text alone."""
import math

MASK = 0xFFFFFFFF


def philox(key, index):
    counter = [index & MASK, index >> 32 & MASK, 0, 0]
    k0, k1 = key
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ k0, second & MASK, first >> 32 ^ counter[3] ^ k1, first & MASK]
        k0, k1 = k0 + 0x9E3779B9 & MASK, k1 + 0xBB67AE85 & MASK
    return counter


def fold(key, number):
    return tuple(philox(key, number)[2:])


def key(seed, name):
    digest = 14695981039346656037
    for byte in name.encode():
        digest = (digest ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return fold((digest & MASK, digest >> 32), seed)


def draw(k, index):
    return philox(k, index)[0]


def below(k, index, bound):
    return draw(k, index) * bound >> 32


def permutation(seed, epoch, count):
    k, order = fold(key(seed, "data/order"), epoch), list(range(count))
    for i in range(count, 1, -1):
        j = below(k, i, i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def view(seed, epoch, image, pad, flip, depth=False):
    """(z, y, x, mirrored) of a training image in an epoch."""
    k, places = fold(fold(key(seed, "data/augment"), epoch), image), 2 * pad + 1
    z = below(k, 2, places) - pad if depth else 0
    return z, below(k, 0, places) - pad, below(k, 1, places) - pad, bool(flip and draw(k, 3) & 1)


def rows(seed, steps, count, batch, pad=0, flip=False, depth=False):
    """(step, epoch, row, image, z, y, x, mirrored) of every row of the first steps."""
    an_epoch, order, known = count // batch, [], -1
    for step in range(steps):
        epoch, place = divmod(step, an_epoch)
        if epoch != known:
            order, known = permutation(seed, epoch, count), epoch
        for row in range(batch):
            image = order[place * batch + row]
            yield (step, epoch, row, image, *view(seed, epoch, image, pad, flip, depth))


def uniform(k, index):
    return (draw(k, index) >> 8) * 2.0 ** -24


def normal(k, index):
    words = philox(k, index)
    return math.sqrt(-2 * math.log((words[0] + 0.5) * 2.0 ** -32)) * math.cos(6.283185307179586 * words[1] * 2.0 ** -32)


def log_open(k, index):
    return math.log((draw(k, index) + 0.5) * 2.0 ** -32)


def log_gamma(k, alpha):
    """Natural logarithm of a gamma variate."""
    d = alpha + 1 - 1 / 3
    c, i = 1 / math.sqrt(9 * d), 1
    while True:
        x = normal(k, i)
        v = (1 + c * x) ** 3
        if v > 0 and log_open(k, i + 1) < x * x / 2 + d - d * v + d * math.log(v):
            return math.log(d * v) + log_open(k, 0) / alpha
        i += 2


def mixture(seed, step, epoch, h, w, mixup, cutmix, switch=0.5, until=0):
    """(share of a row's own image, None or (top, left, bottom, right) of the box that is its partner's)."""
    k = fold(key(seed, "data/mix"), step)
    if not (mixup or cutmix) or (until and epoch >= until):
        return 1.0, None
    cut = bool(cutmix) and not (mixup and uniform(k, 0) >= switch)
    alpha = cutmix if cut else mixup
    share = 1 / (1 + math.exp(log_gamma(fold(k, 1), alpha) - log_gamma(fold(k, 0), alpha)))
    if not cut:
        return share, None
    side = math.sqrt(1 - share)
    height, width, y, x = int(h * side), int(w * side), below(k, 1, h), below(k, 2, w)
    top, bottom, left, right = max(y - height // 2, 0), min(y + (height + 1) // 2, h), max(x - width // 2, 0), min(x + (width + 1) // 2, w)
    return 1 - (bottom - top) * (right - left) / (h * w), (top, left, bottom, right)
