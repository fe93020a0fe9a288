"""What the command-line tests share: running the program, TAP lines, traces and weights. Not a test itself."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("PS_PROGRAM") or os.path.abspath(os.path.join(os.environ.get("PS_BUILD", "build/release"), "poolscope"))
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# Sanitized builds are several times as slow; what is timed or killed must wait longer there.
SLOW = any(word in PROGRAM for word in ("asan", "tsan", "coverage", "debug"))
PATIENCE = 10 if SLOW else 1  # factor on every time limit

# A network of a few thousand weights on a few hundred small images: a run takes a fraction of a second.
TINY = ["--width", "0.5", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "256", "--test-limit", "48", "--quiet"]
OWN = TINY[2:]  # for a network of one\'s own, which has its width
# A run that diverges whatever it learns: each step's decay multiplies every weight by -1e9, so that they overflow in the fifth.
DIVERGING = ["--lr", "1e6", "--weight-decay", "1000", "--batch-norm", "no"]

_count = 0
_failed = 0
WORK = tempfile.mkdtemp(prefix="poolscope-test-")


def report(good, name, note=""):
    """One test's line; the note is shown where it failed."""
    global _count, _failed
    _count += 1
    if not good:
        _failed += 1
        for line in str(note).splitlines()[:20]:
            print("# " + line)
    print(("ok" if good else "not ok") + f" {_count} - {name}", flush=True)


def skip(name, reason):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {reason}", flush=True)


def lacking(*modules):
    """Those that this Python cannot import, for want of them or of what they need."""
    return [name for name in modules if subprocess.run([sys.executable, "-c", "import " + name], capture_output=True).returncode != 0]


def done():
    print(f"1..{_count}")
    shutil.rmtree(WORK, ignore_errors=True)
    sys.exit(1 if _failed else 0)


def path(*parts):
    return os.path.join(WORK, *parts)


def run(*arguments, **options):
    """Runs the program to its end: an object with returncode, stdout, stderr."""
    options.setdefault("cwd", WORK)
    options["timeout"] = PATIENCE * options.get("timeout", 600)
    return subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **options)


def must(*arguments, **options):
    """A run that the test needs and that is not what is tested."""
    result = run(*arguments, **options)
    if result.returncode != 0:
        print(f"# poolscope {' '.join(arguments)}: exit {result.returncode}\n# {result.stderr.strip()}")
        print("Bail out! a run that the tests need has failed", flush=True)
        sys.exit(2)
    return result


def levels():
    """The instruction sets that the program can run here, the least first: what it refuses is not there (PS_SIMD_MOST and PS_CLASS count, too)."""
    return [level for level in ("base", "avx2", "avx512") if run("--version", env={**os.environ, "PS_SIMD": level}).returncode == 0]


def records(directory, kind=None):
    with open(os.path.join(WORK, directory, "trace.jsonl")) as stream:
        lines = [json.loads(line) for line in stream]
    return [r for r in lines if kind is None or r["type"] == kind]


def trace(directory, without=("timing",)):
    """The trace's lines, but for records of these types."""
    start = tuple('{"type":"' + kind + '"' for kind in without)
    with open(os.path.join(WORK, directory, "trace.jsonl")) as stream:
        return [line for line in stream if not line.startswith(start)]


def difference(a, b):
    """Where two lists of lines differ first; "" where they do not."""
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            at = next((k for k, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
            return f"line {i + 1}, byte {at}: ...{x[max(0, at - 60):at + 60]!r}\n against ...{y[max(0, at - 60):at + 60]!r}"
    return "" if len(a) == len(b) else f"{len(a)} lines against {len(b)}"


def tensors(file, prefix="", without="optimiser/"):
    """Raw bytes of a safetensors file's tensors by name."""
    with open(os.path.join(WORK, file), "rb") as stream:
        content = stream.read()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    data = content[8 + size:]
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()
            if name != "__metadata__" and name.startswith(prefix) and not (without and name.startswith(without))}
