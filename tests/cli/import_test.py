"""Scalars that others logged become traces: event files of TensorBoard (written here by the format's own rules, and by the real package where it is), tables
and JSON; what is no such log gets one sentence."""
import json
import os
import struct
import sys

sys.dont_write_bytecode = True
import tap
from event_crc import masked_crc
from tap import must, records, report, run


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
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def write(name, content):
    os.makedirs(os.path.dirname(tap.path(name)), exist_ok=True)
    with open(tap.path(name), "wb") as stream:
        stream.write(content)


FIRST = record(b"\x09" + struct.pack("<d", 1e9) + part(3, b"brain.Event:2"))
FLOAT = b"\x08\x01" + part(2, b"") + part(5, struct.pack("<f", 0.75))  # a tensor of one 32-bit float
DOUBLE = b"\x08\x02" + part(2, b"") + part(4, struct.pack("<d", 0.25))  # one of 64 bits, by its bytes
TEXT = b"\x08\x07" + part(2, b"") + part(8, b"a text")
report(masked_crc(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF, "the checksum here is CRC-32C (by its check value)")

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

# ---- logs as programs write them ----
def taken(name, log, *arguments, file="", files=None):
    """The trace of a log, or None; and what was said."""
    for place, content in (files or {file or f"{name}-log": log}).items():
        write(place, content)
    source = file or (os.path.dirname(next(iter(files))).split("/")[0] if files else f"{name}-log")
    result = run("import", source, "--out", name, "--test-images", "10", *arguments)
    if result.returncode != 0:
        return [], [], result.stderr
    sound = run("validate", name)
    said = result.stdout + result.stderr + ("" if sound.returncode == 0 else sound.stdout)
    report(sound.returncode == 0, f"{name}: the trace follows the format", said)
    return [(r["step"], r.get("loss")) for r in records(name, "step")], [(r["step"], r.get("loss"), r.get("accuracy")) for r in records(name, "eval")], said


lightning = b"epoch,lr-SGD,step,test_acc,test_loss,train_loss,val_acc,val_loss\n,0.1,9,,,,,\n0,,9,,,2.25,,\n0,,19,,,,0.5,1.5\n1,,29,,,1.25,,\n1,,39,,,,0.75,1.25\n2,,40,0.625,1.0,,,\n"
steps, evals, said = taken("lightning", None, files={"lightning-log/metrics.csv": lightning})
report([(s, v) for s, v in steps if v is not None] == [(9, 2.25), (29, 1.25)] and records("lightning", "step")[0].get("lr") == 0.1, "Lightning's metrics.csv, with rows half empty", steps)
report(evals == [(40, 1.0, 0.625)], "the test split goes before validation, for loss and accuracy alike", evals)
steps, evals, said = taken("lightning-val", lightning, "--accuracy", "val_acc", file="lightning-val.csv")
report(evals == [(19, 1.5, 0.5), (39, 1.25, 0.75)], "where the accuracy is named, its loss is of the same split", evals)
state = {"global_step": 20, "log_history": [{"epoch": 0.5, "grad_norm": 1.5, "learning_rate": 0.1, "loss": 2.5, "step": 10}, {"epoch": 1.0, "eval_accuracy": 0.5, "eval_loss": 1.5, "eval_runtime": 3.5, "step": 10},
                                            {"epoch": 1.0, "grad_norm": float("nan"), "learning_rate": 0.05, "loss": float("inf"), "step": 20}, {"epoch": 1.0, "train_loss": 2.0, "train_runtime": 9.5, "step": 20}]}
steps, evals, said = taken("hugging", None, files={"hugging-log/trainer_state.json": json.dumps(state).encode()})
report(steps == [(10, 2.5), (20, "Infinity")] and evals == [(10, 1.5, 0.5)] and records("hugging", "step")[1]["grad_norm"] == "NaN", "Hugging Face's trainer_state.json, with Python's NaN and Infinity, not its mean over the run", f"{steps} {evals}")
steps, evals, said = taken("lines", b'{"step": 0, "loss": NaN, "text": "NaN, -Infinity", "lr": 0.1}\n{"step": 1, "loss": -Infinity}\n{"_runtime": 3}\n{"step": 2, "lo', file="lines.jsonl")
report(steps == [(0, "NaN"), (1, "-Infinity")] and "cut off" in said and "1 rows have no step" in said, "bare NaN in lines, a row without step, a last line that is cut off", f"{steps} {said}")
steps, evals, said = taken("wandb", b'{"_step": 0, "train": {"loss": 2.5}, "val": {"acc": 0.25}}\n{"_step": 5, "train": {"loss": 1.5}, "val": {"acc": 0.5}}\n', file="wandb.jsonl")
report(steps == [(0, 2.5), (5, 1.5)] and evals == [(0, None, 0.25), (5, None, 0.5)], "W&B's history: _step, and objects within objects", f"{steps} {evals}")
steps, evals, said = taken("keras", b"epoch,accuracy,loss,val_accuracy,val_loss\n0,0.25,2.5,0.5,2.25\n1,0.5,1.5,0.625,1.75\n", file="keras.csv")
report(steps == [(0, 2.5), (1, 1.5)] and evals == [(0, 2.25, 0.5), (1, 1.75, 0.625)] and "epochs" in said, "Keras's CSVLogger: epochs stand for steps, said; its accuracy of the training is not that of a test", f"{steps} {evals} {said}")
steps, evals, said = taken("tf2", None, files={"tf2-log/train/events.out.tfevents.1.v2": FIRST + b"".join(record(event(e, epoch_loss=part(0, b"")[:0] + b"\x08\x01" + part(2, b"") + part(4, struct.pack("<f", 2.5 - e)))) for e in range(3)),
                                               "tf2-log/validation/events.out.tfevents.2.v2": FIRST + b"".join(record(event(e, epoch_accuracy=FLOAT)) for e in range(3))})
report(steps == [(0, 2.5), (1, 1.5), (2, 0.5)] and evals == [(e, None, 0.75) for e in range(3)], "TensorFlow's folders train and validation, values as tensors", f"{steps} {evals} {said}")
steps, evals, said = taken("gone-on", None, files={"gone-on-log/events.out.tfevents.9.here.1.9": FIRST + b"".join(record(event(s, loss=9.0)) for s in (0, 10, 20, 30, 40)),
                                                   "gone-on-log/events.out.tfevents.9.here.1.10": FIRST + b"".join(record(event(s, loss=1.0)) for s in (15, 25))})
report(steps == [(0, 9), (10, 9), (15, 1), (25, 1)] and "3 earlier ones" in said, "a later file that begins earlier replaces what stands from there on, and it is said; its name counts by its numbers", f"{steps} {said}")
steps, evals, said = taken("twice", b"step,loss\n0,9\n10,9\n20,9\nstep,loss\n5,1\n15,1\n", file="twice.csv")
report(steps == [(0, 9), (5, 1), (15, 1)], "so do rows behind a second line of names", steps)
steps, evals, said = taken("shuffled", b"step,loss\n2,3\n0,1\n1,9\n1,2\n", file="shuffled.csv")
report(steps == [(0, 1), (1, 2), (2, 3)] and "1 earlier ones" in said, "rows in any order; of two at a step the later one", f"{steps} {said}")
steps, evals, said = taken("quotes", b'\xef\xbb\xbfnote;"step";"train ""loss""";loss\n"two\nlines; and ""more""";1;x; 2.5 \nNA;2.0;NA;nan\n;3;;1e400\n;4;;oops\n;5', "--lr", "none", file="quotes.csv")
report(steps == [(1, 2.5), (2, "NaN"), (3, "Infinity")] and "1 texts" in said and "cut off" in said, "quotation marks, cells of two lines, semicolons, a byte order mark, texts, a last row cut off", f"{steps} {said}")
steps, evals, said = taken("dice", b"step,loss,val_dice,val_iou\n1,2.5,0.5,0.25\n2,1.5,0.75,0.5\n", "--measure", "dice=val_dice", "--measure", "mean_iou=val_iou", file="dice.csv")
header = records("dice", "header")[0]
report([m["name"] for m in header["task"]["measures"]] == ["dice", "mean_iou"] and [(r["dice"], r["mean_iou"]) for r in records("dice", "eval")] == [(0.5, 0.25), (0.75, 0.5)], "other measures than the accuracy", header.get("task"))
steps, evals, said = taken("known", b"step,loss\n1,2\n", "--pairing", "data=cifar10", "--pairing", "order=seed 1, shuffled", file="known.csv")
report(records("known", "header")[0]["pairing"] == {"data": "cifar10", "order": "seed 1, shuffled"} and records("twice", "header")[0]["pairing"] == {}, "what pairs share is what was told, and nothing else")
for tag, role in {"Loss/train": "loss", "trainLoss": "loss", "train_loss_step": "loss", "validation/epoch_accuracy": "accuracy", "valAcc": "accuracy", "eval_top1": "accuracy", "lr-AdamW/pg1": "lr", "test/loss": "test-loss",
                  "train/loss_box": "-", "loss_scale": "-", "accuracy": "-", "train_acc": "-", "train/val_loss": "-", "learning_rate": "lr", "glossary": "-"}.items():
    write("roles.csv", f"step,{tag}\n1,0.5\n".encode())
    listed = run("import", "roles.csv", "--list").stdout.splitlines()
    report(len(listed) == 2 and listed[1].split()[3:] == [role, tag], f"{tag} is taken for {role}", listed)
write("many.csv", ("step," + ",".join(f"c{i}" for i in range(3999)) + "\n" + "".join(f"{k}," + ",".join("1" for _ in range(3999)) + "\n" for k in range(20))).encode())
report(run("import", "many.csv", "--loss", "c3998", "--out", "many").returncode == 0, "a table of 4000 columns")
write("strange", FIRST + b"".join(record(event(s, **{"loss\x1b[31m": 1.0, "\u00e4\u2713": 2.0})) for s in range(3)))
listed = run("import", "strange", "--list").stdout
report(len(listed.splitlines()) == 3 and "\x1b" not in listed and "\u00e4\u2713" in listed, "tags that a terminal would obey are one tag each, and harmless", repr(listed))
os.makedirs(tap.path("sealed"), exist_ok=True)
write("sealed/trace.jsonl", b'{"type":"header","format":"poolscope-trace","version":2,"producer":"poolscope 0.1.0"}\n')
result = run("import", "log.jsonl", "--test-images", "1", "--out", "sealed", "--force")
report(result.returncode == 2 and "recorded" in result.stderr and os.path.getsize(tap.path("sealed/trace.jsonl")) > 50, "a trace that was recorded stays, whatever is forced", result.stderr)
must("import", "log.jsonl", "--test-images", "1", "--out", "j", "--force", "--compress", "zstd")
report(sorted(os.listdir(tap.path("j"))) == ["trace.jsonl.zst"], "an imported one is replaced as a whole, and leaves no pieces", os.listdir(tap.path("j")))


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
refused("a measure without a tag", ["--measure", "NAME=TAG"], "log.csv", "--measure", "Dice", "--test-images", "1")
refused("a measure with a name that is taken", ['"loss"'], "log.csv", "--measure", "loss=val_acc", "--test-images", "1")
refused("a pairing that is none", ["KEY=TEXT"], "log.csv", "--pairing", "data", "--percent", "--test-images", "1")
refused("a run of poolscope", ["needs no import"], "sealed")
write("bad10.csv", b"step;loss\n1,5;2\n")
refused("a step with a comma", ["is no step"], "bad10.csv")
write("bad11.csv", b"step,loss\n1,2,5\n")
refused("a number with a comma in a table of commas", ["bad11.csv:2", "more cells"], "bad11.csv")
write("bad12.csv", b'step,loss\n1,"2\n2,3\n')
refused("quotation marks that never end", ["bad12.csv:2", "never ends"], "bad12.csv")
write("bad13.csv", b"step,lr,loss\n1,-0.5,1\n")
refused("a negative learning rate", ['"lr"', "-0.5"], "bad13.csv")
write("bad14.csv", b"step,loss\n1,2\0\n")
refused("a zero byte", ["zero byte"], "bad14.csv")
write("bad15.jsonl", b'{"step": 1.5, "loss": 1}\n')
refused("half a step", ["is no step"], "bad15.jsonl")
write("bad16.jsonl", b'{"loss": 1}\n')
refused("lines without steps", ["--step"], "bad16.jsonl")
write("bad17.jsonl", b'{"step": 1, "loss" 1}\n{"step": 2, "loss": 1}\n')
refused("a line that is no JSON", ["bad17.jsonl:1"], "bad17.jsonl")
write("bad18.json", b'{"epoch": 1}')
refused("a document without rows", ["log_history"], "bad18.json")
refused("a column of steps that is not there", ["--step", '"x"'], "log.csv", "--step", "x")
os.mkfifo(tap.path("pipe.tfevents"))
refused("a pipe", ["regular file"], "pipe.tfevents")
write("none/x.txt", b"")
refused("a folder without event files", ["tfevents"], "none")
write("bad1", log[:40] + bytes([log[40] ^ 1]) + log[41:])
refused("a byte that was changed", ["record", "checksum"], "bad1")
write("bad2", struct.pack("<Q", 1 << 60) + struct.pack("<I", masked_crc(struct.pack("<Q", 1 << 60))) + bytes(40))
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
    tap.skip("event files of torch.utils.tensorboard", "tensorboard is not here (make venv)")
else:
    import numpy
    from torch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tap.path("real")) as writer:
        for t in range(5):
            writer.add_scalar("train/loss", 2.5 - t, t)
            writer.add_scalar("train/loss_box", 9, t)
            writer.add_scalars("rates", {"lr": 0.5}, t)
            writer.add_scalar("val/acc", t / 8, t, new_style=True)
            writer.add_scalar("val/loss", float("nan") if t == 2 else t, t, double_precision=True)
        writer.add_histogram("weights", numpy.arange(100.0), 0)
        writer.add_text("note", "a text", 0)
        writer.add_hparams({"lr": 0.5}, {"hparam/accuracy": 0.5}, run_name="hparams")
    must("import", "real", "--test-images", "10", "--lr", "rates_lr/rates", "--out", "real-run")
    report([(r["loss"], r["lr"]) for r in records("real-run", "step")] == [(2.5 - t, 0.5) for t in range(5)] and [r["accuracy"] for r in records("real-run", "eval")] == [t / 8 for t in range(5)]
           and [r["loss"] for r in records("real-run", "eval")] == [0, 1, "NaN", 3, 4], "event files of torch.utils.tensorboard", records("real-run"))
    report(run("validate", "real-run").returncode == 0, "which follow the format")
    with SummaryWriter(tap.path("real"), purge_step=3) as writer:
        writer.add_scalar("train/loss", -9, 3)
    must("import", "real", "--test-images", "10", "--out", "real-run", "--force")
    report([r.get("loss") for r in records("real-run", "step") if "loss" in r] == [2.5, 1.5, 0.5, -9], "a writer with purge_step replaces the rest", records("real-run", "step"))

tap.done()
