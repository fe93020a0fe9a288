"""Writes traces of made-up runs in the format of src/trace/FORMAT.md, for tests that must hold whatever training does: rich enough that every prediction
has cases, the same on every machine. Nodes follow a Markov chain between alive, sparse (95 to 99 % of zeros), near-dead and dead; all other numbers are
drawn at random and agree with the states, so that every instrument check holds. Not a test itself."""
import json
import os
import random

CHANNELS, WINDOWS, STEPS = 12, 24, 10
# Three stages of three convolutions each, and before the last stage a gate behind an add, which the next convolution reads.
NAMES = [f"conv{l}" for l in range(6)] + ["add.relu"] + [f"conv{l}" for l in range(6, 9)]
SHARED = NAMES.index("add.relu")
IMAGES, POSITIONS, FAN_IN = 64, 16, 27
ELEMENTS = IMAGES * POSITIONS
# State: number of outputs that are not 0, of 1024 (near-dead from 99 % of zeros on: 10 at most; sparse from 95 % on: 51 at most).
OPEN = {"dead": (0, 0), "near": (1, 10), "sparse": (11, 51), "alive": (80, 900)}
NEXT = {"dead": {"near": 0.04, "sparse": 0.03, "alive": 0.05}, "near": {"dead": 0.12, "sparse": 0.1, "alive": 0.15},
        "sparse": {"dead": 0.04, "near": 0.1, "alive": 0.2}, "alive": {"dead": 0.03, "near": 0.06, "sparse": 0.08}}


class Run:
    """One run on its way; `revival` multiplies the chances of dead nodes, `death` those of dying."""

    def __init__(self, arm, seed, config, revival, death, pairing):
        self.arm, self.seed, self.config, self.revival, self.death = arm, seed, config, revival, death
        self.pairing = pairing
        self.module = config.get("pool_skip", 0) > 0
        self.reaches = self.module and config.get("pool_skip_cut") != "gradient"  # dead nodes get a gradient
        self.draw = random.Random(f"start {seed}")  # arms of a seed start alike
        self.states = [[self.draw.choices(list(OPEN), (3, 2, 2, 5))[0] for _ in range(CHANNELS)] for _ in NAMES]
        self.level = [self.draw.uniform(-0.3, 0.3) for _ in NAMES]
        self.opened = self.open_outputs()
        self.draw = random.Random(f"{arm} {seed}")

    def open_outputs(self):
        return [[self.draw.randint(*OPEN[state]) for state in layer] for layer in self.states]

    def move(self):
        for layer in self.states:
            for c, state in enumerate(layer):
                u = self.draw.random()
                for following, chance in NEXT[state].items():
                    u -= chance * (self.revival if state == "dead" else self.death if following == "dead" else 1)
                    if u < 0:
                        layer[c] = following
                        break
        self.opened = self.open_outputs()


def number(x):
    return float(f"{x:.9g}")


def layer_of(run, l):
    shared = l == SHARED
    return {"name": NAMES[l], "gate": NAMES[l] if shared else f"{NAMES[l]}.relu", "kind": "shared" if shared else "conv", "channels": CHANNELS, "position": l,
            "depth": l + (l < SHARED), "stage": f"stage{l // 3 if l < SHARED else 2}", "activation": "relu", "norm": None if shared else f"norm{l}",
            "pool_skip": f"pool{l}" if run.module and not shared else None, "bias": False, "fan_in": 0 if shared else FAN_IN,
            "inputs": [] if l == 0 or shared else [NAMES[l - 1]], "elements": POSITIONS}


PROBE = ("nonzero", "images_active", "mean_abs", "rms", "pre_max", "weight_l2", "weight_l1")
WINDOW = ("zeros", "shut_steps", "shut_filter_grad_steps", "shut_gamma_grad_steps", "shut_beta_grad_steps", "shut_reader_grad_steps", "grad_norm_rms", "grad_zero_steps",
          "path", "path_gradient", "path_carried", "path_decay", "path_residual", "net", "weight_start_l2", "out_net_gradient", "out_start_l2")


MODES = {"full": "pool_skip", "grid+conv+skip": "grid", "grid-energy+conv+skip": "grid_energy", "conv+skip": "conv_skip"}


def arm_is(config):
    """What the arm is, of a configuration with at most one peculiarity."""
    size, cut, renewed, leaky = config.get("pool_skip", 0), config.get("pool_skip_cut", "none"), config.get("reinit_dead", 0), config.get("leaky_slope", 0) > 0
    role = MODES.get(config.get("pool_skip_mode", "full"), "other") if size else "baseline"
    role = f"cut_{cut}" if cut != "none" else "reinit" if renewed else ("leaky_pool_skip" if size else "leaky") if leaky else role
    return {"role": role, "pool_size": size, "zero_init": config.get("pool_skip_zero_init", False), "cut": cut, "activation": "leaky_relu" if leaky else "relu",
            "reinit_dead": renewed}


def header(run):
    quantities = [{"name": name, "unit": "", "per": "node", "record": record, "description": "made up"} for record, names in (("probe", PROBE), ("window", WINDOW)) for name in names]
    return {"type": "header", "format": "poolscope-trace", "version": 2, "producer": "made up", "arm": run.arm, "arm_is": arm_is(run.config), "seed": run.seed, "config": run.config,
            "pairing": {**{key: f"{key}-{run.seed}" for key in ("backbone", "data", "order", "optimiser", "steps", "batch", "window", "probe")}, **run.pairing},
            "data": {"source": "made up", "digest": "0", "sample": [3, 1, 8, 8], "classes": 10, "train": 640, "probe": IMAGES, "test": 100},
            "machine": {"arch": "none", "simd": "none", "library": {}},
            "model": {"name": "made up", "parameters": 1000, "module_parameters": 100 if run.module else 0, "macs": 5},
            "window": STEPS, "steps": WINDOWS * STEPS, "layers": [layer_of(run, l) for l in range(len(NAMES))], "quantities": quantities}


def probed(run, l):
    nodes = run.opened[l]
    values = {"nonzero": nodes, "images_active": [-(-n // POSITIONS) for n in nodes], "mean_abs": [number(n / ELEMENTS) for n in nodes],
              "rms": [number(2 * n / ELEMENTS) for n in nodes], "pre_max": [number(run.draw.uniform(0.1, 2) if n else -run.draw.uniform(0.1, 2)) for n in nodes]}
    if l != SHARED:
        run.level[l] += run.draw.gauss(0, 0.03) - (0.01 if run.module else 0)
        values["weight_l2"] = [number(run.draw.uniform(0.5, 2)) for _ in nodes]
        values["weight_l1"] = [number(w * 5 ** 0.5 * run.draw.uniform(0.9, 1.1) * 2.718281828 ** -run.level[l]) for w in values["weight_l2"]]
    return {name: values[name] for name in PROBE if name in values}


def gate_of(run, before, after):
    """(zeros, batches that shut the gate) of a window: a node dead at both ends is shut on all batches, or on all but one now and then."""
    if before == after == "dead":
        return (1, STEPS) if run.draw.random() < 0.8 else (0.999, STEPS - 1)
    zeros = run.draw.uniform(0.96, 0.999) if "dead" in (before, after) or "near" in (before, after) else run.draw.uniform(0.3, 0.9)
    return number(zeros), run.draw.randint(0, int(zeros * STEPS) - 1)


def moved(run, before, after, shut):
    """A node's window: gradients in decades around those of the living; every other node of a slow kind does not reach the bound of the inert."""
    shut_all = shut == STEPS
    reached = run.reaches or not shut_all
    gradient = 10 ** run.draw.gauss({"dead": -2 if run.reaches else -3, "near": -1}.get(before, 0), 0.4) if reached else 0
    weight = run.draw.uniform(0.5, 2)
    path = weight * 10 ** run.draw.gauss(-2.7, 0.5) if reached else 0
    carried, decay = weight * run.draw.uniform(0, 1e-3), weight * run.draw.uniform(0, 1e-4)
    out = run.draw.uniform(0.5, 2)
    still = before == after == "dead"
    values = {"shut_filter_grad_steps": shut if run.reaches else 0, "shut_gamma_grad_steps": 0, "shut_beta_grad_steps": 0, "shut_reader_grad_steps": 0,
              "grad_norm_rms": gradient, "grad_zero_steps": run.draw.randint(0, 2) if run.reaches else shut, "path": 0.9 * (path + carried + decay),
              "path_gradient": path, "path_carried": carried, "path_decay": decay, "path_residual": 0, "net": 0.5 * (path + carried + decay), "weight_start_l2": weight,
              "out_net_gradient": out * 10 ** run.draw.gauss(-4.5 if still else -2.7, 0.7), "out_start_l2": out}
    return {name: value if isinstance(value, int) else number(value) for name, value in values.items()}


def windowed(run, l, before):
    nodes = []
    for was, now in zip(before[l], run.states[l]):
        zeros, shut = gate_of(run, was, now)
        nodes.append({"zeros": zeros, "shut_steps": shut, **(moved(run, was, now, shut) if l != SHARED else {})})
    return {name: [node[name] for node in nodes] for name in WINDOW if name in nodes[0]}


def lines_of(run, accuracy, diverged):
    def probes(step):
        for l, name in enumerate(NAMES):
            yield {"type": "probe", "step": step, "layer": name, "images": IMAGES, "elements": ELEMENTS, "values": probed(run, l)}

    yield header(run)
    yield {"type": "event", "step": 0, "event": "forked", "checkpoint": f"{run.seed:016x}"}
    yield from probes(0)
    for window in range(WINDOWS):
        first, last = window * STEPS, (window + 1) * STEPS - 1
        before = [list(layer) for layer in run.states]
        run.move()
        for step in range(first, last + 1):
            yield {"type": "step", "step": step, "loss": number(2.3 / (1 + 0.01 * step)), "lr": number(0.1 * (1 - step / (WINDOWS * STEPS))), "grad_norm": 1, "clip": 1}
        for l, name in enumerate(NAMES):
            yield {"type": "window", "window": window, "first": first, "last": last, "layer": name, "values": windowed(run, l, before)}
        yield from probes(last + 1)
    if diverged:
        yield {"type": "event", "step": WINDOWS * STEPS, "event": "diverged"}
        yield {"type": "end", "steps": WINDOWS * STEPS, "status": "diverged"}
        return
    yield {"type": "eval", "step": WINDOWS * STEPS, "split": "test", "loss": 1.5, "accuracy": accuracy, "count": 100}
    yield {"type": "end", "steps": WINDOWS * STEPS, "status": "finished", "loss": 1.5, "accuracy": accuracy}


def write(directory, arm, seed, config, revival=1, death=1, pairing={}, diverged=False):
    """The run's directory with trace.jsonl in it. All numbers come from (arm, seed); pairing: keys that are other than those of all runs of the seed."""
    os.makedirs(directory, exist_ok=True)
    run = Run(arm, seed, config, revival, death, pairing)
    accuracy = number(random.Random(f"accuracy {arm} {seed}").uniform(0.4, 0.6))
    with open(os.path.join(directory, "trace.jsonl"), "w") as stream:
        for line in lines_of(run, accuracy, diverged):
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")
