"""Order and augmentation of training images as src/data/README.md ("Order and augmentation") defines them,
from that text alone."""
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
