"""How convolutions are computed must not show in what is learned beyond what another seed shows. Other methods and instruction sets round differently: curves
agree to the last digits until the first gate or maximum is decided the other way, then part as any two roundings do. Late in training the same seed computed
in two ways lies no further apart than two seeds do (medians: a run now and then takes another turn altogether)."""
import itertools
import os
import statistics
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, report

STEPS, LAST, SEEDS = 40, 15, range(1, 7)
RUN = ["--model", "plain9", "--width", "0.5", "--size", "16", "--batch", "16", "--probe", "32", "--train-limit", "512", "--test-limit", "48", "--steps",
       str(STEPS), "--window", "20", "--lr", "0.05", "--record", "none", "--quiet", "--force", "--out", "run"]


def losses(seed, environment, options):
    must("train", *RUN, *options, "--seed", str(seed), env={**os.environ, **environment})
    return [r["loss"] for r in tap.records("run", "step")]


def late(curve):
    return statistics.fmean(curve[-LAST:])


for name, options in (("batch normalisation", ()), ("Pool Skip", ("--pool-skip", "2"))):
    usual = [losses(seed, {}, options) for seed in SEEDS]
    spread = statistics.median(abs(late(a) - late(b)) for a, b in itertools.combinations(usual, 2))
    report(spread > 0.01, f"{name}: late losses of two seeds differ by {spread:.3g}", [late(curve) for curve in usual])
    for environment in ({"PS_CONV": "reference"}, {"PS_CONV": "winograd4"}, {"PS_SIMD": "base"}):
        setting = "=".join(*environment.items())
        other = [losses(seed, environment, options) for seed in SEEDS]
        start = statistics.median(abs(a[0] - b[0]) for a, b in zip(usual, other))
        report(0 < start < 1e-5, f"{name}: {setting} rounds otherwise, by {start:.1g} in the first loss", start)
        differences = [late(b) - late(a) for a, b in zip(usual, other)]
        apart = statistics.median(map(abs, differences))
        report(apart < spread, f"{name}: with {setting} a seed's late loss moves by {apart:.2g}, less than from seed to seed", differences)

tap.done()
