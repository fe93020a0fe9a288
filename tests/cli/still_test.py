"""Where nothing moves nobody dies and nobody comes back: at a learning rate of 0 or 1e-9, in every arm, by every convolution method and
instruction set. Nodes whose sign rounding decides stand on the edge, and nothing that they do is a death or a revival."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run

NET = ["--model", "plain9", "--width", "0.5", "--size", "12", "--batch", "16", "--probe", "48", "--train-limit", "96", "--test-limit", "16", "--quiet"]
DEEP = ["--model", "resnet18", "--width", "0.0625", *NET[4:]]
STILL = ["--steps", "6", "--window", "1", "--momentum", "0", "--record", "nonzero,pre_max*"]
ARMS = {"baseline": [], "ps2": ["--pool-skip", "2"], "ps4": ["--pool-skip", "4"], "grid": ["--pool-skip", "2", "--pool-skip-mode", "grid+conv+skip"]}


def state(low, high):
    return "dead" if high <= 0 else "alive" if low > 0 else "edge"


def judge(folder):
    """Transitions between dead and alive (through the edge, too), and how many nodes and probings were seen."""
    last, moved, seen, dead, edge = {}, [], 0, 0, 0
    for record in records(folder):
        if record["type"] != "probe":
            continue
        values = record["values"]
        for channel, (low, high) in enumerate(zip(values["pre_max_low"], values["pre_max_high"])):
            now, key = state(low, high), (record["layer"], channel)
            seen += 1
            dead += now == "dead"
            edge += now == "edge"
            if now == "edge":
                continue
            if last.setdefault(key, now) != now:
                moved.append((key, record["step"], low, high))
            last[key] = now
    return moved, seen, dead, edge


def still(name, start, net, lr, environment=None):
    for arm, options in ARMS.items():
        folder = f"{name}-{arm}"
        must("train", *net, *options, *STILL, "--lr", lr, *start, "--out", folder, env={**os.environ, **(environment or {})})
        moved, seen, dead, edge = judge(folder)
        report(not moved and seen > 0 and dead > 0, f"{name}, {arm}: nobody dies or comes back", f"{moved[:5]} of {seen}, {dead} dead, {edge} on the edge")
        report(edge <= 0.1 * seen, f"{name}, {arm}: few nodes are on the edge", f"{edge} of {seen}")


# ---- from the start, with planted dead nodes, and from weights that were trained into deadness ----
PLANTED = ["--plant", "share=0.25,cause=bias,seed=3"]
must("train", *NET, "--steps", "30", "--window", "30", "--lr", "0.5", "--record", "none", "--plant", "share=0.2,cause=bias,seed=5", "--out", "trained")
TRAINED = ["--fork", "trained/checkpoint.safetensors"]

still("rate 1e-9", PLANTED, NET, "1e-9")
still("rate 0", PLANTED, NET, "0")
still("trained first", TRAINED, NET, "1e-9")
still("a deep network", PLANTED, DEEP, "1e-9")

# ---- every method and instruction set that there is here ----
for method in ("winograd4", "gemm", "direct"):
    still("PS_CONV=" + method, PLANTED, NET, "1e-9", {"PS_CONV": method})
best = os.environ.get("PS_SIMD")
for level in ("base", "avx2") if best is None else ():
    if subprocess.run([tap.PROGRAM, "--version"], env={**os.environ, "PS_SIMD": level}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        still("PS_SIMD=" + level, PLANTED, NET, "1e-9", {"PS_SIMD": level})

# ---- training is what it was: what probing does leaves no trace in the weights ----
for name, record in (("all", "all"), ("none", "none")):
    must("train", *NET, "--pool-skip", "2", "--steps", "4", "--window", "2", "--record", record, "--out", "same-" + name)
report(tap.tensors("same-all/checkpoint.safetensors") == tap.tensors("same-none/checkpoint.safetensors"), "weights are the same with and without probing")

tap.done()
