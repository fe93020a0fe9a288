"""Scalars that others logged become traces: event files of TensorBoard (written here by the format's own rules, and by the real package where it is), tables
and JSON lines; what is no such log gets one sentence."""
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def part(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def event(step, **values):
    """Values are floats (simple_value) or bytes (a tensor)."""
    summary = b"".join(part(1, part(1, tag.encode()) + (part(8, value) if isinstance(value, bytes) else b"\x15" + struct.pack("<f", value)))
                       for tag, value in values.items())
    return b"\x09" + struct.pack("<d", 1e9) + b"\x10" + varint(step) + part(5, summary)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", crc32c(length)) + data + struct.pack("<I", crc32c(data))


def write(name, content):
    os.makedirs(os.path.dirname(tap.path(name)), exist_ok=True)
    with open(tap.path(name), "wb") as stream:
        stream.write(content)


FIRST = record(b"\x09" + struct.pack("<d", 1e9) + part(3, b"brain.Event:2"))
FLOAT = b"\x08\x01" + part(2, b"") + part(5, struct.pack("<f", 0.75))  # a tensor of one 32-bit float
DOUBLE = b"\x08\x02" + part(2, b"") + part(4, struct.pack("<d", 0.25))  # one of 64 bits, by its bytes
TEXT = b"\x08\x07" + part(2, b"") + part(8, b"a text")
report(crc32c(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF, "the checksum here is CRC-32C (by its check value)")

# ---- event files ----
log = FIRST + b"".join(record(event(step, **{"train/loss": 2.0 - step / 100, "lr": 0.1})) for step in range(0, 100, 10))
log += record(event(50, **{"val/acc": 0.5, "val/loss": 1.5})) + record(event(90, **{"val/acc": FLOAT, "val/loss": DOUBLE, "note": TEXT}))
write("logs/events.out.tfevents.1.here", log)
write("logs/hparams.yaml", b"{}")
must("import", "logs", "--seed", "3", "--arm", "baseline", "--role", "baseline", "--test-images", "1000", "--out", "a")
steps, evals, end = records("a", "step"), records("a", "eval"), records("a", "end")
report([r["step"] for r in steps] == list(range(0, 100, 10)) and abs(steps[1]["loss"] - 1.9) < 1e-6 and abs(steps[1]["lr"] - 0.1) < 1e-8, "losses and rates become step records", steps)
report([(r["step"], r["accuracy"], r["loss"], r["count"]) for r in evals] == [(50, 0.5, 1.5, 1000), (90, 0.75, 0.25, 1000)], "evaluations become eval records, tensors too", evals)
report(len(end) == 1 and end[0]["steps"] == 91, "and the run has its end", end)
header = records("a", "header")[0]
report(header["seed"] == 3 and header["arm"] == "baseline" and header["arm_is"]["role"] == "baseline" and not header["layers"], "the header says what was told", header)
report(run("validate", "a").returncode == 0, "the trace follows the format", run("validate", "a").stdout)
listed = run("import", "logs", "--list")
report("train/loss" in listed.stdout and "note" not in listed.stdout, "--list names the tags", listed.stdout + listed.stderr)
for seed in ("3", "4", "5"):
    for arm, role in (("baseline", "baseline"), ("ps2", "pool_skip")):
        must("import", "logs", "--seed", seed, "--arm", arm, "--role", role, "--test-images", "1000", "--out", f"{arm}-{seed}", *(["--compress", "gzip"] if arm == "ps2" else []))
compared = run("compare", *(word for arm in ("baseline", "ps2") for word in ("--arm", f"{arm}=" + ",".join(f"{arm}-{s}" for s in "345"))), "--out", "cmp")
with open(tap.path("cmp", "verdict.json")) as stream:
    verdict = json.load(stream)
rows = [c for c in verdict["comparison"] if c["measure"] == "test_accuracy"]
report(compared.returncode == 0 and rows and rows[0]["n"] == 3, "imported runs are compared as pairs", compared.stderr + str(rows))
write("resumed/events.out.tfevents.1.here", FIRST + b"".join(record(event(s, loss=9.0)) for s in range(4)))
write("resumed/events.out.tfevents.2.here", FIRST + b"".join(record(event(s, loss=1.0)) for s in range(2, 6)))
must("import", "resumed", "--out", "resumed-run")
report([r["loss"] for r in records("resumed-run", "step")] == [9, 9, 1, 1, 1, 1], "of two values at a step the later one counts: a run that was gone on with")

# ---- tables and JSON lines ----
write("log.csv", b'epoch,step,train_loss,"val_acc",note\n0,0,2.5,,"a, b"\n0,1,2.25,,\n1,2,,61.5,x\n')
must("import", "log.csv", "--percent", "--test-images", "10", "--out", "c")
report([r.get("loss") for r in records("c", "step")] == [2.5, 2.25] and records("c", "eval")[0]["accuracy"] == 0.615, "a table", records("c"))
write("log.jsonl", b'{"step": 0, "loss": 2.5, "learning_rate": 0.1}\n{"step": 1, "loss": "NaN", "text": "x"}\n{"step": 1, "eval_accuracy": 0.5}\n')
must("import", "log.jsonl", "--test-images", "10", "--out", "j")
report([r["loss"] for r in records("j", "step")] == [2.5, "NaN"] and records("j", "eval")[0]["accuracy"] == 0.5, "JSON lines; what is not finite stays so", records("j"))
report(run("validate", "j").returncode == 0 and run("validate", "c").returncode == 0, "both follow the format")
must("import", "log.csv", "--loss", "epoch", "--accuracy", "val_acc", "--percent", "--test-images", "10", "--unfinished", "--out", "u")
report(not records("u", "end") and [r["loss"] for r in records("u", "step")] == [0, 0, 1], "tags may be named, and a run may lack its end", records("u"))


# ---- one sentence each ----
def refused(name, words, *arguments):
    result = run("import", *arguments, *([] if "--out" in arguments else ["--out", "refused"]))
    good = result.returncode == 2 and len(result.stderr.splitlines()) == 1 and len(result.stderr) < 600 and all(word in result.stderr for word in words)
    report(good and not os.path.exists(tap.path("refused", "trace.jsonl")), name, f"{result.returncode} {result.stderr}")


refused("an accuracy without a count of images", ["--test-images"], "logs")
refused("an accuracy in percent", ["61.5", "--percent"], "log.csv", "--test-images", "10")
refused("a tag that is not there", ['"x"', "train/loss"], "logs", "--loss", "x", "--test-images", "1")
refused("an unknown role", ["--role", "king"], "logs", "--role", "king", "--test-images", "1")
refused("a trace that is there already", ["--force"], "log.jsonl", "--test-images", "1", "--out", "a")
write("none/x.txt", b"")
refused("a folder without event files", ["tfevents"], "none")
write("bad1", log[:40] + bytes([log[40] ^ 1]) + log[41:])
refused("a byte that was changed", ["record", "checksum"], "bad1")
write("bad2", struct.pack("<Q", 1 << 60) + struct.pack("<I", crc32c(struct.pack("<Q", 1 << 60))) + bytes(40))
refused("a record of an exabyte", ["256 MiB"], "bad2")
write("bad3", struct.pack("<Q", 1 << 60) + bytes(44))
refused("a length whose checksum does not hold", ["length", "checksum"], "bad3")
write("bad4", record(b"\xff\xff\xff"))
refused("a record that is no protocol buffer", ["protocol buffer"], "bad4")
write("bad5", FIRST)
refused("an event file without scalars", ["no scalars"], "bad5")
write("bad6", FIRST + record(event(0, strange=1.0)))
refused("scalars that none of its tags names", ["strange", "--loss"], "bad6")
write("bad7.csv", b"a,b\n1,2\n")
refused("a table without steps", ['"step"'], "bad7.csv")
write("bad8.csv", b"step,loss\nx,2\n")
refused("a step that is none", ['"x"'], "bad8.csv")
write("bad9.jsonl", b"[1]\n")
refused("lines that are no objects", ["JSON object"], "bad9.jsonl")
write("cut", log[:-7])
result = run("import", "cut", "--test-images", "1", "--out", "cut-run")
report(result.returncode == 0 and "cut off" in result.stderr and len(records("cut-run", "step")) == 10, "an event file that is cut off is read as far as it goes, and it is said", result.stderr)
bad = []
for place in range(0, len(log), 5):
    write("hurt", log[:place] + bytes([log[place] ^ 0x2A]) + log[place + 1:])
    result = run("import", "hurt", "--test-images", "1", "--force", "--out", "hurt-run")
    if result.returncode != 2 or len(result.stderr.splitlines()) > 2:
        bad.append(f"{place}: {result.returncode} {result.stderr}")
    if place > 400:
        break
report(not bad, "a byte that was changed anywhere is found", "\n".join(bad))

# ---- the real package ----
if tap.lacking("tensorboard", "torch"):
    tap.skip("event files of torch.utils.tensorboard", "tensorboard is not here (pip install tensorboard)")
else:
    os.makedirs(tap.path("real"), exist_ok=True)
    from torch.utils.tensorboard import SummaryWriter
    writer = SummaryWriter(tap.path("real"))
    for t in range(5):
        writer.add_scalar("train/loss", 2.5 - t, t)
        writer.add_scalar("val/acc", t / 8, t, new_style=True)
    writer.close()
    must("import", "real", "--test-images", "10", "--out", "real-run")
    report([r["loss"] for r in records("real-run", "step")] == [2.5, 1.5, 0.5, -0.5, -1.5] and [r["accuracy"] for r in records("real-run", "eval")] == [t / 8 for t in range(5)],
           "event files of torch.utils.tensorboard", records("real-run"))

tap.done()
