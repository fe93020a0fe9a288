#!/usr/bin/env python3
"""Full training steps against PyTorch at the same thread count, in turns within one run; medians and ratios as Markdown.

    step_bench.py STEP_BENCH_PROGRAM [--threads 2] [--rounds 7] [--only NAME] [--sections speed,record,memory,growth]

PyTorch does what poolscope does without instruments: forward, cross-entropy, backward, SGD (Nesterov, weight decay). poolscope runs with all instruments
on at every step. A turn is as many steps as take about a quarter of a second (at least one), as training runs them; the first two rounds warm up. Between turns there is a pause, so that the threads with which
a side waits for work (OpenMP's spin for a while) do not run into the other's turn.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref"))

# name, width, pool size, batch, smallest ratio wanted
SPEED = [
    ("resnet18", 1, 0, 64, 2.2), ("resnet18", 1, 2, 64, 2.5), ("resnet18", 1, 4, 64, 3.0),
    ("resnet18", 1, 0, 8, 1.0), ("resnet18", 1, 2, 8, 1.0), ("resnet18", 1, 4, 8, 1.0),
    ("vgg16", 1, 0, 64, 1.0), ("vgg16", 1, 2, 64, 1.0), ("vgg16", 1, 4, 64, 1.0), ("vgg16", 1, 0, 8, 1.0), ("vgg16", 1, 2, 8, 1.0), ("vgg16", 1, 4, 8, 1.0),
    ("resnet50", 1, 0, 64, 1.0), ("resnet50", 1, 2, 64, 1.0), ("resnet50", 1, 4, 64, 1.0),
    ("resnet50", 1, 0, 8, 1.0), ("resnet50", 1, 2, 8, 1.0), ("resnet50", 1, 4, 8, 1.0),
    ("plain20", 1, 0, 64, 1.0), ("plain20", 1, 2, 64, 1.0), ("plain20", 1, 4, 64, 1.0),
    ("plain20", 1, 0, 8, 2.0), ("plain20", 1, 2, 8, 1.0), ("plain20", 1, 4, 8, 1.0),
    ("resnet350", 0.125, 0, 64, 2.0), ("resnet350", 0.125, 2, 64, 1.0), ("resnet350", 0.125, 4, 64, 3.0),
    ("resnet350", 0.125, 0, 8, 1.0), ("resnet350", 0.125, 2, 8, 1.0), ("resnet350", 0.125, 4, 8, 1.0),
]
PAUSE_SECONDS, TURN_MILLISECONDS = 0.02, 250
RECORD = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("resnet18", 1, 4, 64), ("plain20", 1, 0, 64), ("plain9", 1, 0, 64), ("resnet350", 0.125, 4, 64)]
MEMORY = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("vgg16", 1, 0, 64), ("resnet50", 1, 4, 64), ("resnet350", 0.125, 0, 64)]
GROWTH = [("resnet18", 1, 0, b) for b in (8, 16, 32, 64, 128)] + [("resnet18", w, 0, 32) for w in (0.25, 0.5, 1)] + \
         [(m, 0.25, 0, 32) for m in ("resnet50", "resnet101", "resnet152")]


class Engine:
    def __init__(self, program, model, width, e, batch, threads, mode):
        self.process = subprocess.Popen([program, model, str(width), str(e), str(batch), str(threads), mode], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("step_bench: the program ended")
        return [float(v) for v in line.split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class TorchSide:
    def __init__(self, model, width, e, batch, threads):
        import torch
        import torch_models
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.torch = torch
        self.net = torch_models.make(model, width, 10, e)
        self.net.train()
        for module in self.net.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        self.x = torch.randn(batch, 3, 32, 32)
        self.label = torch.arange(batch) % 10

    def step(self):
        start = time.perf_counter()
        self.sgd.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.net(self.x), self.label)
        loss.backward()
        self.sgd.step()
        return 1e3 * (time.perf_counter() - start)


def label_of(model, width, e, batch):
    return f"{model}{'' if width == 1 else f' x{width:g}'}, {'baseline' if e == 0 else f'Pool Skip {e}'}, batch {batch}"


def speed(options):
    print(f"\n## Full training steps, {options.threads} threads: PyTorch / poolscope with all instruments on\n")
    print("| step | poolscope ms | PyTorch ms | ratio (median of rounds) | lowest, highest | wanted | |\n|---|---|---|---|---|---|---|")
    for model, width, e, batch, wanted in SPEED:
        if options.only not in label_of(model, width, e, batch):
            continue
        ours = Engine(options.program, model, width, e, batch, options.threads, "full")
        theirs = TorchSide(model, width, e, batch, options.threads)
        a, b = [], []
        steps = 1
        for r in range(options.rounds + 2):
            time.sleep(PAUSE_SECONDS)
            mine = sum(ours.ask("step")[0] for _ in range(steps)) / steps
            time.sleep(PAUSE_SECONDS)
            other = sum(theirs.step() for _ in range(steps)) / steps
            steps = max(1, int(TURN_MILLISECONDS / max(mine, other)))
            if r >= 2:
                a.append(mine)
                b.append(other)
        ours.close()
        ratios = [y / x for x, y in zip(a, b)]
        ratio = statistics.median(ratios)
        print(f"| {label_of(model, width, e, batch)} | {statistics.median(a):.1f} | {statistics.median(b):.1f} | **{ratio:.2f}** | "
              f"{min(ratios):.2f}, {max(ratios):.2f} | {wanted:.1f} | {'met' if ratio >= wanted else 'not met'} |", flush=True)
        del theirs


def record(options):
    print(f"\n## What recording costs, {options.threads} threads: a step with all instruments / the same step without, in turns\n")
    print("| step | plain ms | ratio (median of rounds) | a probing of 512 images, ms |\n|---|---|---|---|")
    for model, width, e, batch in RECORD:
        if options.only not in label_of(model, width, e, batch):
            continue
        pair = Engine(options.program, model, width, e, batch, options.threads, "pair")
        rows = [pair.ask("step") for _ in range(3 * options.rounds + 2)][2:]
        probe = statistics.median(pair.ask("probe")[0] for _ in range(3))
        pair.close()
        print(f"| {label_of(model, width, e, batch)} | {statistics.median(r[0] for r in rows):.1f} | {statistics.median(r[1] / r[0] for r in rows):.3f} | "
              f"{probe:.0f} |", flush=True)


def torch_peak(options, case):
    """Peak memory of a process that does three steps, less that of one that only imports torch."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); import resource, step_bench\n"
            "c = sys.argv[2].split(',')\n"
            "import torch, torch_models\nbase = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "s = step_bench.TorchSide(c[0], float(c[1]), int(c[2]), int(c[3]), int(c[4]))\n"
            "for _ in range(3): s.step()\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n")
    here = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.run([sys.executable, "-c", code, here, ",".join(map(str, case + (options.threads,)))], capture_output=True, text=True, check=True)
    return float(out.stdout) * 1024 / 1e6


def memory(options):
    print("\n## Peak memory, megabytes (PyTorch: growth of the process after its libraries are loaded)\n")
    print("| step | poolscope | with instruments | PyTorch |\n|---|---|---|---|")
    for case in MEMORY:
        if options.only not in label_of(*case):
            continue
        peaks = []
        for mode in ("plain", "full"):
            side = Engine(options.program, *case, options.threads, mode)
            for _ in range(3):
                side.ask("step")
            peaks.append(side.ask("memory")[0])
            side.close()
        print(f"| {label_of(*case)} | {peaks[0]:.0f} | {peaks[1]:.0f} | {torch_peak(options, case):.0f} |", flush=True)


def growth(options):
    print(f"\n## How the step grows with batch, width and depth, {options.threads} threads, instruments on\n")
    print("| step | ms | images/s |\n|---|---|---|")
    for model, width, e, batch in GROWTH:
        if options.only not in label_of(model, width, e, batch):
            continue
        side = Engine(options.program, model, width, e, batch, options.threads, "full")
        times = [side.ask("step")[0] for _ in range(options.rounds + 2)][2:]
        side.close()
        t = statistics.median(times)
        print(f"| {label_of(model, width, e, batch)} | {t:.1f} | {1e3 * batch / t:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="part of a line's name")
    parser.add_argument("--sections", default="speed,record,memory,growth")
    options = parser.parse_args()
    sections = {"speed": speed, "record": record, "memory": memory, "growth": growth}
    for name in options.sections.split(","):
        sections[name](options)


if __name__ == "__main__":
    main()
