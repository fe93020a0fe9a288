#!/usr/bin/env python3
"""What src/python/poolscope.py costs: training steps of PyTorch with the recorder and without, in turns, and their ratios, by the clock
and by processor time (which others on the machine disturb less, and in which threads that spin while they wait are counted), as Markdown. Probing is
stated by itself: it comes once a window, however long that is.

    recorder_bench.py [--threads 2] [--rounds 5] [--model resnet18] [--batch 64] [--size 32]
"""
import argparse
import os
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "ref"), os.path.join(HERE, "..", "..", "src", "python")]
import torch  # noqa: E402

import poolscope  # noqa: E402
import torch_models  # noqa: E402

WANTED = {"light": 1.05, "full": 1.20}


class Side:
    """A model of its own that trains, with the recorder at a level or without (None)."""

    def __init__(self, options, level, folder):
        torch.manual_seed(1)
        self.model = torch_models.make(options.model, 1.0, 10, 0, options.size)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        self.x = torch.randn(options.batch, 3, options.size, options.size)
        self.label = torch.randint(10, (options.batch,))
        self.rec = None
        if level is not None:
            self.rec = poolscope.record(self.model, self.optimizer, folder, probe=self.x, level=level, window=1000)

    def step(self):
        """Seconds of one, by the clock and of the processors."""
        start = time.perf_counter(), time.process_time()
        loss = torch.nn.functional.cross_entropy(self.model(self.x), self.label)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.rec is not None:
            self.rec.loss(loss)
        return time.perf_counter() - start[0], time.process_time() - start[1]


def measure(options, level, folder):
    bare, watched = Side(options, None, folder), Side(options, level, folder)
    for side in (bare, watched):  # the first steps find their memory
        side.step()
    times = [(bare.step(), watched.step()) for _ in range(options.rounds)]
    start = time.perf_counter()
    watched.rec.look()
    probing = time.perf_counter() - start
    watched.rec.close(finished=False)
    without, within = (statistics.median(side[0] for side in sides) for sides in zip(*times))
    clock, processors = (statistics.median(b[k] / a[k] for a, b in times) for k in (0, 1))
    print(f"| {options.model}, batch {options.batch}, {options.size} x {options.size} | {level} | {without * 1e3:.0f} | {within * 1e3:.0f} | **{clock:.3f}** |"
          f" {processors:.3f} | {WANTED[level]:.2f} | {'met' if clock <= WANTED[level] else 'not met'} | {probing * 1e3:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("threads", 2), ("rounds", 5), ("batch", 64), ("size", 32)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--model", default="resnet18")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"A step in milliseconds, {options.threads} threads, medians of {options.rounds} turns; every step is recorded. A probing is of {options.batch} images and\n"
          "comes once a window. Ratios are medians of those of the turns.\n")
    print("| network | level | without, ms | with, ms | ratio by the clock | of processor time | at most | | a probing, ms |\n"
          "|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for level in WANTED:
            measure(options, level, os.path.join(folder, level))


if __name__ == "__main__":
    main()
