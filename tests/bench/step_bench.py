#!/usr/bin/env python3
"""Full training steps against PyTorch at the same thread count, in turns within one run; medians and ratios as Markdown.

    step_bench.py STEP_BENCH_PROGRAM [--threads 2] [--rounds 7] [--only NAME] [--compile] [--simd avx2]
                  [--sections speed,allocator,record,defaults,memory,growth,start,evaluation]

PyTorch does what poolscope does without instruments: forward, cross-entropy, backward, SGD (Nesterov, weight decay). poolscope runs with all instruments
on at every step. Either side is a process of its own. A turn is as many steps as take about a quarter of a second (at least one), as training runs
them; the first rounds warm up. Between turns there is a pause, so that the threads with which a side waits for work (OpenMP's spin for a while) do
not run into the other's turn.

PyTorch is given its best setting: the allocator keeps freed memory and asks for large pages (glibc's variables below), as poolscope's own does, and its
maps lie channels-last where a trial of each line finds that faster ("last" in the table; "first" where not). By default its large blocks go back to the
kernel at every step and are cleared anew, which costs it a good part of a step on a machine whose page faults are dear; section "allocator" shows how
much.

--compile adds torch.compile to the section "speed": forward pass, loss and backward pass as inductor makes them (a C++ compiler is needed, g++), in the
layout in which the eager side is the faster; the update is PyTorch's own, as in the eager side. Compiling and the first steps are done before any time is
taken. Where it fails, or is not done within COMPILE_SECONDS, the column has "-" and the reason stands below the table.

--simd avx2 holds both sides to AVX2 (HELD below), as a processor without AVX-512 would.

Growth: a step with all instruments, in turns with the same step without instruments whose operations are timed (step_bench.c, command `work`). The bound
that the table names is
    (all FLOPs of the step) / (the convolutions' FLOPs / the time they took) + (bytes of all other operations and of the update) / triad
FLOPs and bytes as `poolscope train --profile` counts them (src/run/profile.h): two a multiply-add, every array read and written once. FLOPs beyond
the convolutions' (linear layers) count at the convolutions' rate. The triad is measured by the process at its start, from and to memory.

Start: what `poolscope train --profile` says goes before the first step on generated data (the probing of the network as it begins is part of it; reading
data is named, not counted), and the time of `poolscope --version`, which is that of loading the program and ending it. Two windows, since evaluation mode
is probed at the ends of every fourth, counted from the last: the first probing is then that of a run at the default settings. Evaluation: images a second of the evaluation at a
run's end beside those of forward passes of its training, without instruments (--record none), both by the profile of that run.
"""
import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref"))

# name with the size of the input, width, pool size, batch
SEGMENTATION = [(model, width, e, batch) for model, width, batch in (
    ("unet2d@128x128", 0.5, 4), ("deeplabv3plus-mobilenetv2@129x129", 1, 4), ("deeplabv3plus-resnet101@129x129", 0.5, 2),
    ("nnunet2d@128x128", 0.5, 4), ("unet3d@32x48x32", 0.5, 2), ("nnunet3d@40x56x40", 0.5, 2), ("vnet@48x48x48", 0.5, 1)) for e in (0, 2)]
# name, width, pool size, batch, smallest ratio wanted (None: nothing is)
SPEED = [
    *(("resnet18", 1, e, 64, wanted) for e, wanted in ((0, 2.2), (2, 2.5), (4, 3.0))),
    *(("resnet18", 1, e, 8, wanted) for e, wanted in ((0, 1.8), (2, 2.0), (4, 2.4))),
    *(("vgg16", 1, e, batch, 1.8 if e == 0 else None) for batch in (64, 8) for e in (0, 2, 4)),
    *(("resnet50", 1, e, batch, 1.8 if e == 0 else None) for batch in (64, 8) for e in (0, 2, 4)),
    *(("mobilenet", 1, e, batch, wanted) for batch in (64, 8) for e, wanted in ((0, 2.0), (2, 2.5))),
    *(("googlenet", 1, e, batch, 1.8 if e == 0 else None) for batch in (64, 8) for e in (0, 2)),
    *((model, 1, 0, batch, 1.2) for model in ("vit_7_4_32", "cvt_7_4_32", "cct_7_3x1_32") for batch in (64, 8)),
    *(("plain20", 1, e, 64, wanted) for e, wanted in ((0, 2.2), (2, 2.4), (4, 3.0))),
    *(("plain20", 1, e, 8, None) for e in (0, 2, 4)),
    *(("resnet350", 0.125, e, batch, 2.4 if (e, batch) == (0, 64) else None) for batch in (64, 8) for e in (0, 2, 4)),
    *((model, width, e, batch, 2.0 if e else 1.5 if model.startswith("vnet") else 1.8) for model, width, e, batch in SEGMENTATION),
]
AIMS = {("resnet18", 1, 0, 64): 3.0, ("resnet18", 1, 2, 64): 3.5, ("resnet18", 1, 4, 64): 4.5}
CLASSES = 10
PAUSE_SECONDS, TURN_MILLISECONDS = 0.02, 250
FEWEST_ROUNDS, LINE_SECONDS = 3, 60  # a line stops early when it has that many rounds and took that long
SLOW_TURN = 2000  # milliseconds; where turns are longer, the first one has warmed up enough
COMPILE_SECONDS, COMPILED_WARM_UP = 600, 3
SHORT = 20  # steps of a run whose start or end is looked at
INSTRUMENTS_WANTED, DEFAULTS_WANTED, MEMORY_WANTED, GROWTH_WANTED = 1.02, 0.05, 1.25, 1.5
START_WANTED = 300  # milliseconds, beside reading the data
RECORD = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("resnet18", 1, 4, 64), ("plain20", 1, 0, 64), ("plain9", 1, 0, 64), ("resnet350", 0.125, 4, 64)]
MEMORY = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("resnet18", 1, 4, 64), ("vgg16", 1, 0, 64), ("vgg16", 1, 2, 64), ("resnet50", 1, 0, 64),
          ("plain20", 1, 0, 64), ("plain20", 1, 0, 8), ("resnet350", 0.125, 0, 64), ("resnet350", 0.125, 4, 64),
          *SEGMENTATION]
ALLOCATOR = [("resnet18", 1, 0, 64), ("resnet18", 1, 2, 64), ("plain20", 1, 0, 8)]
GROWTH = [("resnet18", w, 0, 64) for w in (0.125, 0.25, 0.5, 1)] + [("resnet18", 1, 0, b) for b in (8, 16, 32)]
DEPTH = [("resnet18", 1, 0, 128)] + [("resnet18", w, 0, 32) for w in (0.25, 0.5)] + [(m, 0.25, 0, 32) for m in ("resnet50", "resnet101", "resnet152")]
RUNS = ["resnet18", "plain20", "mobilenet"]

BEST = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "MALLOC_MMAP_THRESHOLD_": str(1 << 40), "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(256 << 20)}
# Of poolscope, oneDNN, ATen (inductor chooses by it, too), what inductor's compiler may use, MKL, OpenBLAS.
HELD = {"avx2": {"PS_SIMD": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "TORCHINDUCTOR_CPP_MARCH": "haswell",
                 "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}}


class Side:
    """A process that does one step, or says its peak memory, whenever it is asked to on its standard input."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                        env={**os.environ, **(environment or {})}, preexec_fn=os.setpgrp)

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("step_bench: a side ended")
        return line.strip()

    def ask(self, command):
        return [float(v) for v in self.say(command).split()]

    def turn(self, steps):
        time.sleep(PAUSE_SECONDS)
        return sum(self.ask("step")[0] for _ in range(steps)) / steps

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def end(self):
        """With all that it started (the compiler's workers, which outlive it for a while)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def engine(options, case, mode):
    return Side([options.program, *map(str, case), str(options.threads), mode])


def pytorch(options, case, environment=BEST, layout="first", way="eager"):
    return Side([sys.executable, os.path.abspath(__file__), "--torch-side", ",".join(map(str, (*case, layout, way))), "--threads", str(options.threads), "-"],
                environment)


def compiled_pytorch(options, case, environment, layout):
    """The side as inductor compiled it, warmed up; or None, and why."""
    side = pytorch(options, case, environment, layout, "compiled")
    late, began = threading.Timer(COMPILE_SECONDS, side.end), time.monotonic()
    late.start()
    try:
        answer = side.say("warm")
    except (SystemExit, BrokenPipeError):
        answer = f"was not compiled within {COMPILE_SECONDS} s" if time.monotonic() - began >= COMPILE_SECONDS else "the process ended"
    late.cancel()
    if answer == "warm":
        return side, None
    side.end()
    return None, answer


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
    """The PyTorch side: answers `step` with milliseconds, `memory` with the peak growth of the process since its libraries were loaded, and
    `warm` with "warm" after some steps, or with what went wrong with them."""
    import torch
    import torch_models
    import torch_segmentation
    base = peak_megabytes()
    model, width, e, batch, layout, way = options.torch_side.split(",")
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

    def loss():
        return torch_segmentation.loss_of(net(x), label)

    if way == "compiled":
        loss = torch.compile(loss)

    def step():
        start = time.perf_counter()
        sgd.zero_grad()
        loss().backward()
        sgd.step()
        return 1e3 * (time.perf_counter() - start)

    for command in sys.stdin:
        if command.strip() == "memory":
            print(peak_megabytes() - base, flush=True)
        elif command.strip() == "step":
            print(step(), flush=True)
        else:
            print(warmed_up(step), flush=True)


def warmed_up(step):
    try:
        for _ in range(COMPILED_WARM_UP):
            step()
    except Exception as error:  # of the compiler: whatever it is, it is a line of the report
        return f"{type(error).__name__}: " + " ".join(str(error).split())[:200]
    return "warm"


def label_of(model, width, e, batch):
    return f"{model}{'' if width == 1 else f' x{width:g}'}, {'baseline' if e == 0 else f'Pool Skip {e}'}, batch {batch}"


def in_turns(sides, rounds):
    """Milliseconds a step of all sides, in turns: one row a round."""
    rows, steps, start = [], 1, time.monotonic()
    for r in range(rounds + 2):
        if len(rows) >= FEWEST_ROUNDS and time.monotonic() - start > LINE_SECONDS:
            break
        row = [side.turn(steps) for side in sides]
        steps = max(1, int(TURN_MILLISECONDS / max(row)))
        if r >= 2 or (r == 1 and max(row) > SLOW_TURN):
            rows.append(row)
    for side in sides:
        side.close()
    return rows


def verdict(held):
    return "met" if held else "not met"


def speed_row(options, case, environment=BEST, compiling=False):
    """The ratio, the row, and why it has no figure of torch.compile."""
    theirs, layout = faster_pytorch(options, case, environment)
    compiled, reason = compiled_pytorch(options, case, environment, layout) if compiling else (None, None)
    sides = [engine(options, case, "full"), theirs, *([compiled] if compiled else [])]
    rows = in_turns(sides, options.rounds)
    if compiled:
        compiled.end()
    ratios = [row[1] / row[0] for row in rows]
    ratio = statistics.median(ratios)
    cells = [label_of(*case), f"{statistics.median(row[0] for row in rows):.1f}", f"{statistics.median(row[1] for row in rows):.1f}", layout,
             f"**{ratio:.2f}**", f"{min(ratios):.2f}, {max(ratios):.2f}"]
    if compiled:
        cells += [f"{statistics.median(row[2] for row in rows):.1f}", f"{statistics.median(row[2] / row[0] for row in rows):.2f}"]
    elif compiling:
        cells += ["-", "-"]
    return ratio, " | ".join(cells), reason


def wanted_cell(case, wanted):
    if wanted is None:
        return "-"
    return f"{wanted:.1f}" + (f" (aim {AIMS[tuple(case)]:.1f})" if tuple(case) in AIMS else "")


def speed(options):
    print(f"\n## Full training steps, {options.threads} threads: PyTorch / poolscope with all instruments on{options.held_to}"
          f"{', and torch.compile' if options.compile else ''}\n")
    if options.compile:
        print("`torch.compile`: forward pass, loss and backward pass made by inductor, in the same layout, compiled and warmed up before any time is taken.\n")
    columns = ["step", "poolscope ms", "PyTorch ms", "channels", "ratio (median of rounds)", "lowest, highest",
               *(["torch.compile ms", "torch.compile / poolscope"] if options.compile else []), "wanted", ""]
    print(f"| {' | '.join(columns[:-1])} | |\n|{'---|' * len(columns)}")
    failed = []
    for *case, wanted in SPEED:
        if options.only not in label_of(*case):
            continue
        ratio, row, reason = speed_row(options, case, compiling=options.compile)
        print(f"| {row} | {wanted_cell(case, wanted)} | {'' if wanted is None else verdict(ratio >= wanted)} |".replace("|  |", "| |"), flush=True)
        if reason:
            failed.append(f"- {label_of(*case)}: no torch.compile, {reason}"[:118])
    if failed:
        print("\n" + "\n".join(failed), flush=True)


def allocator(options):
    print(f"\n## The same with PyTorch's allocator as it comes{options.held_to}\n")
    print("| step | poolscope ms | PyTorch ms | channels | ratio (median of rounds) | lowest, highest |\n|---|---|---|---|---|---|")
    for case in ALLOCATOR:
        if options.only in label_of(*case):
            print(f"| {speed_row(options, case, {})[1]} |", flush=True)


def record(options):
    print(f"\n## What recording costs, {options.threads} threads: a step with all instruments / the same step without, in turns{options.held_to}\n")
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
              f"{verdict(ratio <= INSTRUMENTS_WANTED)} | {probe:.0f} |", flush=True)


def profiled(options, model, *settings):
    """Of a run on generated data, by the profile: milliseconds of what goes before its first step, and of its parts (all divided by its steps); images
    of its end's evaluation."""
    with tempfile.TemporaryDirectory() as directory:
        out = subprocess.run([options.poolscope, "train", "--model", model, "--data", "synthetic", *settings, "--threads", str(options.threads), "--profile",
                              "--quiet", "--out", directory + "/run"], check=True, capture_output=True, text=True).stdout
        with open(directory + "/run/trace.jsonl", encoding="utf-8") as trace:
            images = next(record["count"] for record in map(json.loads, trace) if record["type"] == "eval")
    before = {name: float(value) for name, value in re.findall(r"^  (\S.*?)  +([\d.]+)$", out, re.M)}
    parts = {name: float(value) for name, value in re.findall(r"^  (\S.*?)  +([\d.]+) +[\d.]+ +[\d.]+ %$", out, re.M)}
    return before, parts, images


def defaults(options):
    """A run as `poolscope train` makes it where nobody says how often to look: what instruments add to its steps, and its probings."""
    print(f"\n## What recording costs at the default settings, probings included, {options.threads} threads{options.held_to}\n")
    print(f"Wanted: at most {DEFAULTS_WANTED:.0%} of the training.\n\n| run | instruments | probings | in all | |\n|---|---|---|---|---|")
    pair = engine(options, ("resnet18@16x16", 1, 0, 64), "pair")
    rows = [pair.ask("step") for _ in range(3 * options.rounds + 2)][2:]
    pair.close()
    instruments = statistics.median(r[1] / r[0] for r in rows) - 1
    part_ms = profiled(options, "resnet18")[1]
    training = sum(part_ms[part] for part in ("waiting for input", "forward", "loss", "backward", "update")) / (1 + instruments)
    probings = part_ms["probing, between steps"] / training
    whole = instruments + probings
    print(f"| resnet18, 240 steps of 64 | {instruments:.1%} | {probings:.1%} | {whole:.1%} | {verdict(whole <= DEFAULTS_WANTED)} |", flush=True)


def peak_of(side):
    for _ in range(3):
        side.ask("step")
    peak = side.ask("memory")[0]
    side.close()
    return peak


def memory(options):
    print("\n## Peak memory, megabytes\n\nOf the whole process; of PyTorch the growth of the process after its libraries are loaded, "
          "allocator as it comes.\n")
    print(f"Wanted: with instruments at most {MEMORY_WANTED} times as much as without, and at most PyTorch's.\n")
    print("| step | poolscope | with instruments | times | PyTorch | |\n|---|---|---|---|---|---|")
    for case in MEMORY:
        if options.only not in label_of(*case):
            continue
        plain, full = peak_of(engine(options, case, "plain")), peak_of(engine(options, case, "full"))
        theirs = peak_of(pytorch(options, case, {}))
        print(f"| {label_of(*case)} | {plain:.0f} | {full:.0f} | {full / plain:.2f} | {theirs:.0f} | "
              f"{verdict(full <= MEMORY_WANTED * plain and full <= theirs)} |", flush=True)


def growth_row(options, case):
    full, plain = engine(options, case, "full"), engine(options, case, "plain")
    rows = [(full.turn(1), *plain.ask("work")) for _ in range(options.rounds + 2)][2:]
    full.close()
    plain.close()
    ms, conv_ms = (statistics.median(row[k] for row in rows) for k in (0, 1))
    conv_gflop, gflop, gigabytes, triad = rows[0][2:]
    rate = conv_gflop / conv_ms  # TFLOP/s
    products, streams = gflop / rate, 1e3 * gigabytes / triad
    bound = products + streams
    return (f"{label_of(*case)} | {ms:.1f} | {gflop:.1f} | {1e3 * rate:.0f} | {products:.1f} | {gigabytes:.3f} | {triad:.1f} | {streams:.1f} | {bound:.1f} | "
            f"**{ms / bound:.2f}** | {verdict(ms <= GROWTH_WANTED * bound)}")


def growth(options):
    print(f"\n## How the step grows with width and batch, {options.threads} threads, instruments on{options.held_to}\n")
    print(f"Wanted: at most {GROWTH_WANTED} times (FLOPs / the measured rate of the step's convolutions + bytes that all else moves / triad).\n")
    print("| step | ms | GFLOP | convolutions, GFLOP/s | products, ms | GB of all else | triad, GB/s | streams, ms | bound, ms | step / bound | |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for case in GROWTH:
        if options.only in label_of(*case):
            print(f"| {growth_row(options, case)} |", flush=True)
    print("\n| other steps | ms | images/s |\n|---|---|---|")
    for case in DEPTH:
        if options.only not in label_of(*case):
            continue
        side = engine(options, case, "full")
        t = statistics.median([side.ask("step")[0] for _ in range(options.rounds + 2)][2:])
        side.close()
        print(f"| {label_of(*case)} | {t:.1f} | {1e3 * case[3] / t:.0f} |", flush=True)


def loading(options):
    """Milliseconds from a command to the end of the smallest thing that the program does."""
    start = time.perf_counter()
    subprocess.run([options.poolscope, "--version"], check=True, capture_output=True)
    return 1e3 * (time.perf_counter() - start)


def start(options):
    print(f"\n## From the command to the first step, {options.threads} threads{options.held_to}\n")
    print(f"Medians of {options.rounds} runs of {SHORT} steps in two windows on generated data; all else by default. The program is loaded, and ended, by "
          f"`poolscope --version`. Wanted: all but the data within {START_WANTED} ms.\n")
    print("| run | loading the program | settings | network and trace | first probing | all of these, ms | | reading the data, ms | a training step, ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model in RUNS:
        if options.only not in model:
            continue
        rows = []
        for _ in range(options.rounds):
            before, parts, _ = profiled(options, model, "--steps", str(SHORT), "--window", str(SHORT // 2), "--test-limit", "64")
            step = sum(parts[part] for part in ("forward", "loss", "backward", "update"))
            rows.append([loading(options), before["settings"], before["network and trace"], before["first probing"], before["data"], step])
        *ours, data, step = (statistics.median(column) for column in zip(*rows))
        whole = sum(ours)
        print(f"| {model} | {' | '.join(f'{ms:.1f}' for ms in ours)} | {whole:.1f} | {verdict(whole <= START_WANTED)} | {data:.1f} | {step:.1f} |", flush=True)


def evaluation(options):
    print(f"\n## The evaluation at a run's end, {options.threads} threads{options.held_to}\n")
    print(f"Medians of {options.rounds} runs of {SHORT} steps, without instruments.\n")
    print("| run | images | evaluated, images/s | trained, forward passes alone, images/s | ratio |\n|---|---|---|---|---|")
    for model in RUNS:
        if options.only not in model:
            continue
        rows = []
        for _ in range(options.rounds):
            _, parts, images = profiled(options, model, "--steps", str(SHORT), "--window", str(SHORT), "--batch", "64", "--record", "none")
            rows.append((images, 1e3 * images / (parts["evaluation, between steps"] * SHORT), 1e3 * 64 / parts["forward"]))
        images, evaluated, trained = (statistics.median(column) for column in zip(*rows))
        print(f"| {model} | {images:.0f} | {evaluated:.0f} | {trained:.0f} | **{statistics.median(row[1] / row[2] for row in rows):.2f}** |", flush=True)


SECTIONS = {"speed": speed, "allocator": allocator, "record": record, "defaults": defaults, "memory": memory, "growth": growth, "start": start,
            "evaluation": evaluation}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="part of a line's name")
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--compile", action="store_true", help="torch.compile in a column of its own")
    parser.add_argument("--simd", choices=["", *HELD], default="", help="an instruction set to hold both sides to")
    parser.add_argument("--torch-side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_side:
        return serve_pytorch(options)
    os.environ.update(HELD.get(options.simd, {}))
    options.held_to = f", {options.simd.upper()}" if options.simd else ""
    options.poolscope = os.path.join(os.path.dirname(options.program), "..", "..", "poolscope")
    for name in options.sections.split(","):
        SECTIONS[name](options)


if __name__ == "__main__":
    main()
