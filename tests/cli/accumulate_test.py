"""--accumulate: a step is one update from several batches, and every instrument covers all of them."""
import math
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run, tensors, trace

NET = ["--model", "vgg16", "--stages", "1,1", "--width", "0.1", "--size", "8", "--pool-skip", "2", "--probe", "64", "--train-limit", "256", "--test-limit", "48", "--dropout", "0",
       "--lr", "0.05", "--weight-decay", "0.001", "--crop-pad", "1", "--flip", "--quiet"]
PLAIN = [*NET, "--batch-norm", "no", "--steps", "6", "--window", "3"]


def near(a, b, tolerance=1e-4):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(near(x, y, tolerance) for x, y in zip(a, b))
    if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
        return a == b
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-6)


# ---- one batch and its parts ----
must("train", *PLAIN, "--batch", "64", "--out", "whole")
must("train", *PLAIN, "--batch", "16", "--accumulate", "4", "--out", "parts")
# Images are mixed with each other over all parts, as in the whole batch.
MIXED = ["--mixup", "0.8", "--cutmix", "1", "--label-smoothing", "0.1"]
must("train", *PLAIN, *MIXED, "--batch", "64", "--out", "whole-mixed")
must("train", *PLAIN, *MIXED, "--batch", "16", "--accumulate", "4", "--out", "parts-mixed")
for kind, how in (("step", ""), ("window", ""), ("step", "-mixed"), ("window", "-mixed")):
    ours, theirs, wrong = records("parts" + how, kind), records("whole" + how, kind), []
    for a, b in zip(ours, theirs):
        a, b = ({**r, **r.get("values", {})} for r in (a, b))
        wrong += [f"{kind} {b.get('step', b.get('window'))} {b.get('layer', '')} {k}: {a[k]} {b[k]}" for k in b if k != "values" and k != "path_residual" and not near(a.get(k), b[k])]
    report(len(ours) == len(theirs) > 0 and not wrong, f"without batch normalisation every {kind} record is that of the whole batch{how and ', mixed'}", "\n".join(wrong))
header = records("parts")[0]
report(header["pairing"]["batch"] == "16 accumulate=4" and records("whole")[0]["pairing"]["batch"] == "64", "the header says how many batches a step has", header["pairing"])
report(run("validate", "parts").returncode == 0, "the trace follows the format")

# ---- epochs, estimate, what diagnose sees ----
must("train", *NET, "--batch", "16", "--accumulate", "4", "--epochs", "2", "--window", "4", "--out", "epochs")
report(records("epochs")[0]["steps"] == 8, "an epoch is as many steps as there are updates", records("epochs")[0]["steps"])
done = run("train", *PLAIN, "--batch", "64", "--accumulate", "5", "--out", "never")
report(done.returncode == 2 and "256 training images" in done.stderr and "320" in done.stderr, "more images than there are for one step are refused", done.stderr)
for options in (["--steps", "2"], ["--epochs", "1"]):
    done = run("train", *NET, "--batch", "65536", "--accumulate", "65536", *options, "--probe", "64", "--out", "never")
    report(done.returncode == 2 and done.stderr.startswith("poolscope: "), "as are more than a number holds", done.stderr)
for parts in ("1", "8"):
    must("train", *NET, "--batch", "4", "--accumulate", parts, "--steps", "4", "--window", "2", "--out", f"small{parts}")
small = [run("diagnose", f"small{p}", "--json").stdout for p in ("1", "8")]
report(all('"small_batches"' in s and "batches of 4 images" in s for s in small), "batches too small for their normalisation are those of the parts", small[1][:400])
dry = [must("train", *NET, "--batch", "16", "--accumulate", p, "--dry-run").stdout for p in ("1", "4")]
report(all("memory" in d for d in dry), "the estimate takes parts", dry)

# ---- threads, kill and resume ----
NORMALISED = [*NET, "--dropout", "0.2", "--batch", "16", "--accumulate", "3", "--steps", "12", "--window", "3"]
for threads in (1, 2, 3):
    must("train", *NORMALISED, "--threads", str(threads), "--out", f"t{threads}")
for threads in (2, 3):
    report(not tap.difference(trace("t1"), trace(f"t{threads}")) and tensors("t1/checkpoint.safetensors", without="") == tensors(f"t{threads}/checkpoint.safetensors", without=""),
           f"1 and {threads} threads give the same trace and weights, to the bit", tap.difference(trace("t1"), trace(f"t{threads}")))
process = subprocess.Popen([tap.PROGRAM, "train", *NORMALISED, "--out", "killed"], cwd=tap.WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
deadline = time.monotonic() + 60 * tap.PATIENCE
while process.poll() is None and time.monotonic() < deadline and not os.path.exists(tap.path("killed", "checkpoint.safetensors")):
    time.sleep(0.002)
process.send_signal(signal.SIGKILL)
process.wait()
must("train", "--resume", "killed", "--quiet")
report(not tap.difference(trace("t1"), trace("killed")) and tensors("t1/checkpoint.safetensors", without="") == tensors("killed/checkpoint.safetensors", without=""),
       "killed and gone on with: the same trace and weights", tap.difference(trace("t1"), trace("killed")))
# Running statistics move once a batch: 3 batches a step leave (1 - momentum)^(3 steps) of their start, as three times the steps do.
must("train", *NORMALISED[:-4], "--lr", "0", "--weight-decay", "0", "--dropout", "0", "--no-shuffle", "--crop-pad", "0", "--steps", "4", "--window", "4", "--out", "moving3")
must("train", *NORMALISED[:-6], "--lr", "0", "--weight-decay", "0", "--dropout", "0", "--no-shuffle", "--crop-pad", "0", "--steps", "12", "--window", "12", "--out", "moving1")
running = [{n: v for n, v in tensors(f"moving{p}/checkpoint.safetensors").items() if "running" in n} for p in (1, 3)]
report(len(running[0]) > 0 and running[0] == running[1], "running statistics move once a batch")
tap.done()
