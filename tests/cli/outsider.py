"""Traces as another program would write them, by FORMAT.md alone: short ones whose every key a test may change. Not a test itself."""
import json
import os

ARM = {"role": "baseline", "pool_size": 0, "zero_init": False, "cut": "none", "activation": "relu", "reinit_dead": 0}
LAYER = {"gate": "act", "kind": "conv", "channels": 3, "depth": 1, "stage": "", "activation": "relu", "norm": None, "pool_skip": None,
         "bias": True, "fan_in": 9, "inputs": [], "elements": 4}
STEPS, WINDOW, IMAGES = 4, 2, 5
WINDOWED, PROBED = ("zeros", "shut_steps", "grad_zero_steps", "path", "path_gradient", "weight_start_l2"), ("nonzero", "weight_l2")


def layer(name, position, **changed):
    return {"name": name, "position": position, **LAYER, **changed}


def quantity(name, record, per="node", **more):
    return {"name": name, "unit": "1", "per": per, "record": record, "description": "", **more}


def header(**changed):
    """A header of two layers; a key that is changed to `...` is left out."""
    keys = {"type": "header", "format": "poolscope-trace", "version": 2, "producer": "outsider", "arm": "a", "arm_is": ARM, "seed": 1,
            "config": {}, "pairing": {}, "data": {}, "machine": {}, "model": {}, "window": WINDOW, "steps": STEPS,
            "layers": [layer("c1", 0), layer("c2", 1, inputs=["c1"])],
            "quantities": [quantity(name, "window") for name in WINDOWED] + [quantity(name, "probe") for name in PROBED]}
    keys.update(changed)
    return {key: value for key, value in keys.items() if value is not ...}


def step(number, **more):
    return {"type": "step", "step": number, "loss": 1.5 - 0.1 * number, "lr": 0.1, **more}


def windowed(number, first, last, layers=("c1", "c2"), values=None, **more):
    values = values or {"zeros": [0, 0.5, 0.75], "shut_steps": [0, 0, 0], "grad_zero_steps": [0, 0, 1], "path": [0.1, 0.2, 0.001],
                        "path_gradient": [0.1, 0.2, 0.001], "weight_start_l2": [1, 1, 2]}
    return [{"type": "window", "window": number, "first": first, "last": last, **more, "layer": name, "values": values} for name in layers]


def probed(number, layers=("c1", "c2"), values=None, **more):
    values = values or {"nonzero": [0, 20, 7], "weight_l2": [1, 1, 2]}
    return [{"type": "probe", "step": number, "layer": name, "images": IMAGES, "elements": 20, **more, "values": values} for name in layers]


def evaluated(number, **more):
    return {"type": "eval", "step": number, "split": "test", "loss": 1, "accuracy": 0.5, "count": 10, **more}


def end(**more):
    return {"type": "end", "steps": STEPS, "status": "finished", "loss": 1, "accuracy": 0.5, **more}


def trace(head=None, **more):
    """All of a run: two windows of two steps. more: keys of its window records."""
    lines = [head or header(), *probed(0)]
    for number in range(STEPS // WINDOW):
        first, last = number * WINDOW, (number + 1) * WINDOW - 1
        lines += [step(t) for t in range(first, last + 1)] + windowed(number, first, last, **more) + probed(last + 1)
    return lines + [evaluated(STEPS), end()]


def write(path, lines):
    """Records, or lines of text as they are."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False, allow_nan=False)) + "\n" for line in lines)
