#!/usr/bin/env python3
"""Full training steps against PyTorch at the same thread count, in turns within one run; medians and ratios as Markdown.

    step_bench.py STEP_BENCH_PROGRAM [--threads 2] [--rounds 7] [--only NAME] [--sections speed,allocator,record,defaults,memory,growth]

PyTorch does what poolscope does without instruments: forward, cross-entropy, backward, SGD (Nesterov, weight decay). poolscope runs with all instruments
on at every step. Either side is a process of its own. A turn is as many steps as take about a quarter of a second (at least one), as training runs
them; the first rounds warm up. Between turns there is a pause, so that the threads with which a side waits for work (OpenMP's spin for a while) do
not run into the other's turn.

PyTorch is given its best setting: the allocator keeps freed memory and asks for large pages (glibc's variables below), as poolscope's own does, and its
maps lie channels-last where a trial of each line finds that faster ("last" in the table; "first" where not). By default its large blocks go back to the
kernel at every step and are cleared anew, which costs it a good part of a step on a machine whose page faults are dear; section "allocator" shows how
much.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref"))

# name with the size of the input, width, pool size, batch
SEGMENTATION = [(model, width, e, batch) for model, width, batch in (
    ("unet2d@128x128", 0.5, 4), ("deeplabv3plus-mobilenetv2@129x129", 1, 4), ("deeplabv3plus-resnet101@129x129", 0.5, 2),
    ("nnunet2d@128x128", 0.5, 4), ("unet3d@32x48x32", 0.5, 2), ("nnunet3d@40x56x40", 0.5, 2), ("vnet@48x48x48", 0.5, 1)) for e in (0, 2)]
# name, width, pool size, batch, smallest ratio wanted
SPEED = [
    ("resnet18", 1, 0, 64, 2.2), ("resnet18", 1, 2, 64, 2.5), ("resnet18", 1, 4, 64, 3.0),
    ("resnet18", 1, 0, 8, 1.0), ("resnet18", 1, 2, 8, 1.0), ("resnet18", 1, 4, 8, 1.0),
    ("vgg16", 1, 0, 64, 1.0), ("vgg16", 1, 2, 64, 1.0), ("vgg16", 1, 4, 64, 1.0), ("vgg16", 1, 0, 8, 1.0), ("vgg16", 1, 2, 8, 1.0), ("vgg16", 1, 4, 8, 1.0),
    ("resnet50", 1, 0, 64, 1.0), ("resnet50", 1, 2, 64, 1.0), ("resnet50", 1, 4, 64, 1.0),
    ("resnet50", 1, 0, 8, 1.0), ("resnet50", 1, 2, 8, 1.0), ("resnet50", 1, 4, 8, 1.0),
    ("mobilenet", 1, 0, 64, 1.0), ("mobilenet", 1, 2, 64, 1.0), ("mobilenet", 1, 0, 8, 1.0), ("mobilenet", 1, 2, 8, 1.0),
    ("googlenet", 1, 0, 64, 1.0), ("googlenet", 1, 2, 64, 1.0), ("googlenet", 1, 0, 8, 1.0), ("googlenet", 1, 2, 8, 1.0),
    *((model, 1, 0, batch, 1.0) for model in ("vit_7_4_32", "cvt_7_4_32", "cct_7_3x1_32") for batch in (64, 8)),
    ("plain20", 1, 0, 64, 1.0), ("plain20", 1, 2, 64, 1.0), ("plain20", 1, 4, 64, 1.0),
    ("plain20", 1, 0, 8, 2.0), ("plain20", 1, 2, 8, 1.0), ("plain20", 1, 4, 8, 1.0),
    ("resnet350", 0.125, 0, 64, 2.0), ("resnet350", 0.125, 2, 64, 1.0), ("resnet350", 0.125, 4, 64, 3.0),
    ("resnet350", 0.125, 0, 8, 1.0), ("resnet350", 0.125, 2, 8, 1.0), ("resnet350", 0.125, 4, 8, 1.0),
    *((*case, 1.0) for case in SEGMENTATION),
]
CLASSES = 10
PAUSE_SECONDS, TURN_MILLISECONDS = 0.02, 250
FEWEST_ROUNDS, LINE_SECONDS = 3, 60  # a line stops early when it has that many rounds and took that long
SLOW_TURN = 2000  # milliseconds; where turns are longer, the first one has warmed up enough
DEFAULTS_WANTED = 0.05
INSTRUMENTS_WANTED = 1.03
RECORD = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("resnet18", 1, 4, 64), ("plain20", 1, 0, 64), ("plain9", 1, 0, 64), ("resnet350", 0.125, 4, 64)]
MEMORY = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("resnet18", 1, 4, 64), ("vgg16", 1, 0, 64), ("vgg16", 1, 2, 64), ("resnet50", 1, 0, 64),
          ("plain20", 1, 0, 64), ("plain20", 1, 0, 8), ("resnet350", 0.125, 0, 64), ("resnet350", 0.125, 4, 64),
          *SEGMENTATION]
ALLOCATOR = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("plain20", 1, 0, 8)]
GROWTH = [("resnet18", 1, 0, b) for b in (8, 16, 32, 64, 128)] + [("resnet18", w, 0, 32) for w in (0.25, 0.5, 1)] + \
         [(m, 0.25, 0, 32) for m in ("resnet50", "resnet101", "resnet152")]


BEST = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "MALLOC_MMAP_THRESHOLD_": str(1 << 40), "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(256 << 20)}


class Side:
    """A process that does one step, or says its peak memory, whenever it is asked to on its standard input."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                        env={**os.environ, **(environment or {})})

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("step_bench: a side ended")
        return [float(v) for v in line.split()]

    def turn(self, steps):
        time.sleep(PAUSE_SECONDS)
        return sum(self.ask("step")[0] for _ in range(steps)) / steps

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def engine(options, case, mode):
    return Side([options.program, *map(str, case), str(options.threads), mode])


def pytorch(options, case, environment=BEST, layout="first"):
    return Side([sys.executable, os.path.abspath(__file__), "--torch-side", ",".join(map(str, (*case, layout))), "--threads", str(options.threads), "-"],
                environment)


def faster_pytorch(options, case, environment):
    """The side whose maps lie as suits it, and how."""
    trial = {layout: pytorch(options, case, environment, layout) for layout in ("first", "last")}
    fastest = {layout: side.turn(1) for layout, side in trial.items()}
    for layout, side in trial.items():
        fastest[layout] = min(fastest[layout], *(side.turn(1) for _ in range(2))) if fastest[layout] < SLOW_TURN else fastest[layout]
    layout = min(fastest, key=fastest.get)
    for other, side in trial.items():
        if other != layout:
            side.close()
    return trial[layout], layout


def peak_megabytes():
    """Of this program alone (getrusage keeps what the program before an exec had)."""
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6


def serve_pytorch(options):
    """The PyTorch side: answers `step` with milliseconds, `memory` with the peak growth of the process since its libraries were loaded."""
    import torch
    import torch_models
    import torch_segmentation
    base = peak_megabytes()
    model, width, e, batch, layout = options.torch_side.split(",")
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    model, _, size = model.partition("@")
    shape = [int(side) for side in size.split("x")] if size else [32, 32]
    volumes = len(shape) == 3
    net = torch_models.make(model, float(width), CLASSES, int(e), shape if size else 32)
    net.train()
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    x = torch.randn(int(batch), 1 if volumes else 3, *shape)
    if layout == "last":
        order = torch.channels_last_3d if volumes else torch.channels_last
        net, x = net.to(memory_format=order), x.to(memory_format=order)
    places = (int(batch), *shape) if size else (int(batch),)
    label = torch.arange(int(torch.tensor(places).prod())).reshape(places) % CLASSES
    for command in sys.stdin:
        if command.strip() == "memory":
            print(peak_megabytes() - base, flush=True)
            continue
        start = time.perf_counter()
        sgd.zero_grad()
        torch_segmentation.loss_of(net(x), label).backward()
        sgd.step()
        print(1e3 * (time.perf_counter() - start), flush=True)


def label_of(model, width, e, batch):
    return f"{model}{'' if width == 1 else f' x{width:g}'}, {'baseline' if e == 0 else f'Pool Skip {e}'}, batch {batch}"


def in_turns(ours, theirs, rounds):
    """Milliseconds a step of both sides, one pair a round."""
    pairs, steps, start = [], 1, time.monotonic()
    for r in range(rounds + 2):
        if len(pairs) >= FEWEST_ROUNDS and time.monotonic() - start > LINE_SECONDS:
            break
        pair = ours.turn(steps), theirs.turn(steps)
        steps = max(1, int(TURN_MILLISECONDS / max(pair)))
        if r >= 2 or (r == 1 and max(pair) > SLOW_TURN):
            pairs.append(pair)
    ours.close()
    theirs.close()
    return pairs


def speed_row(options, case, environment=BEST):
    theirs, layout = faster_pytorch(options, case, environment)
    pairs = in_turns(engine(options, case, "full"), theirs, options.rounds)
    ratios = [b / a for a, b in pairs]
    ratio = statistics.median(ratios)
    return ratio, (f"{label_of(*case)} | {statistics.median(a for a, _ in pairs):.1f} | {statistics.median(b for _, b in pairs):.1f} | {layout} | **{ratio:.2f}** | "
                   f"{min(ratios):.2f}, {max(ratios):.2f}")


def speed(options):
    print(f"\n## Full training steps, {options.threads} threads: PyTorch / poolscope with all instruments on\n")
    print("| step | poolscope ms | PyTorch ms | channels | ratio (median of rounds) | lowest, highest | wanted | |\n|---|---|---|---|---|---|---|---|")
    missed = []
    for *case, wanted in SPEED:
        if options.only not in label_of(*case):
            continue
        ratio, row = speed_row(options, case)
        print(f"| {row} | {wanted:.1f} | {'met' if ratio >= wanted else 'not met'} |", flush=True)
        if ratio < wanted:
            missed.append(label_of(*case))
    print(f"\nNot met: {'; '.join(missed) or 'none'}.", flush=True)


def allocator(options):
    print("\n## The same with PyTorch's allocator as it comes\n")
    print("| step | poolscope ms | PyTorch ms | channels | ratio (median of rounds) | lowest, highest |\n|---|---|---|---|---|---|")
    for case in ALLOCATOR:
        if options.only in label_of(*case):
            print(f"| {speed_row(options, case, {})[1]} |", flush=True)


def record(options):
    print(f"\n## What recording costs, {options.threads} threads: a step with all instruments / the same step without, in turns\n")
    print(f"Wanted: at most {INSTRUMENTS_WANTED}.\n\n| step | plain ms | ratio (median of rounds) | | a probing of 512 images, ms |\n|---|---|---|---|---|")
    for model, width, e, batch in RECORD:
        if options.only not in label_of(model, width, e, batch):
            continue
        pair = engine(options, (model, width, e, batch), "pair")
        rows = [pair.ask("step") for _ in range(3 * options.rounds + 2)][2:]
        probe = statistics.median(pair.ask("probe")[0] for _ in range(3))
        pair.close()
        ratio = statistics.median(r[1] / r[0] for r in rows)
        print(f"| {label_of(model, width, e, batch)} | {statistics.median(r[0] for r in rows):.1f} | {ratio:.3f} | "
              f"{'met' if ratio <= INSTRUMENTS_WANTED else 'not met'} | {probe:.0f} |", flush=True)


def defaults(options):
    """A run as `poolscope train` makes it where nobody says how often to look: what instruments add to its steps, and its probings."""
    print(f"\n## What recording costs at the default settings, probings included, {options.threads} threads\n")
    print(f"Wanted: at most {DEFAULTS_WANTED:.0%} of the training.\n\n| run | instruments | probings | in all | |\n|---|---|---|---|---|")
    program = os.path.join(os.path.dirname(options.program), "..", "..", "poolscope")
    pair = engine(options, ("resnet18@16x16", 1, 0, 64), "pair")
    rows = [pair.ask("step") for _ in range(3 * options.rounds + 2)][2:]
    pair.close()
    instruments = statistics.median(r[1] / r[0] for r in rows) - 1
    with tempfile.TemporaryDirectory() as directory:
        out = subprocess.run([program, "train", "--model", "resnet18", "--threads", str(options.threads), "--profile", "--quiet", "--out", directory + "/run"],
                             check=True, capture_output=True, text=True).stdout
    seconds = {name: float(value) for name, value in re.findall(r"^  (\S.*?)  +[\d.]+ +([\d.]+) +[\d.]+ %$", out, re.M)}
    training = sum(seconds[part] for part in ("waiting for input", "forward", "loss", "backward", "update")) / (1 + instruments)
    probings = seconds["probing, between steps"] / training
    whole = instruments + probings
    print(f"| resnet18, 240 steps of 64 | {instruments:.1%} | {probings:.1%} | {whole:.1%} | {'met' if whole <= DEFAULTS_WANTED else 'not met'} |", flush=True)


def peak_of(side):
    for _ in range(3):
        side.ask("step")
    peak = side.ask("memory")[0]
    side.close()
    return peak


def memory(options):
    print("\n## Peak memory, megabytes\n\nOf the whole process; of PyTorch the growth of the process after its libraries are loaded, "
          "allocator as it comes.\n")
    print("| step | poolscope | with instruments | PyTorch | |\n|---|---|---|---|---|")
    for case in MEMORY:
        if options.only not in label_of(*case):
            continue
        plain, full = peak_of(engine(options, case, "plain")), peak_of(engine(options, case, "full"))
        theirs = peak_of(pytorch(options, case, {}))
        print(f"| {label_of(*case)} | {plain:.0f} | {full:.0f} | {theirs:.0f} | {'met' if plain <= theirs else 'not met'} |", flush=True)


def growth(options):
    print(f"\n## How the step grows with batch, width and depth, {options.threads} threads, instruments on\n")
    print("| step | ms | images/s |\n|---|---|---|")
    for model, width, e, batch in GROWTH:
        if options.only not in label_of(model, width, e, batch):
            continue
        side = engine(options, (model, width, e, batch), "full")
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
    parser.add_argument("--sections", default="speed,allocator,record,defaults,memory,growth")
    parser.add_argument("--torch-side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_side:
        return serve_pytorch(options)
    sections = {"speed": speed, "allocator": allocator, "record": record, "defaults": defaults, "memory": memory, "growth": growth}
    for name in options.sections.split(","):
        sections[name](options)


if __name__ == "__main__":
    main()
