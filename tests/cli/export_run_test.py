"""poolscope export RUN: tables, arrays and event files hold what the trace holds, value by value; what was not measured is no number; the way back gives the same
steps and evaluations. Read here by the formats' own rules, and by NumPy, pandas and the real tensorboard where they are."""
import ast
import csv
import gzip
import json
import math
import os
import shutil
import struct
import sys
import zipfile
import zlib

sys.dont_write_bytecode = True
import tap
from event_crc import masked_crc
from tap import TINY, must, records, report, run

LAYERS = ["conv/1", 'strange "name", with ü✓ and\t..', "last"]
WIDTHS = [3, 2, 2]


def layer(name, channels, position):
    return {"name": name, "gate": f"{name}.relu", "kind": "conv", "channels": channels, "position": position, "depth": None, "stage": "", "activation": "relu", "norm": None,
            "pool_skip": None, "bias": False, "fan_in": None, "inputs": None, "elements": 4}


def quantity(name, unit, per, record, **more):
    return {"name": name, "unit": unit, "per": per, "record": record, "description": f"what {name} is, \"quoted\"", **more}


HEADER = {"type": "header", "format": "poolscope-trace", "version": 2, "producer": "made up", "arm": "a, \"b\"", "seed": -7, "config": {}, "pairing": {}, "data": {"classes": 2, "class_names": ["cat", "dog"]},
          "arm_is": {"role": "other", "pool_size": 0, "zero_init": False, "cut": "none", "activation": "relu", "reinit_dead": 0}, "machine": {}, "model": {}, "window": 4, "steps": 8, "every": 2,
          "optimisers": [{"name": "AdamW"}], "layers": [layer(n, c, i) for i, (n, c) in enumerate(zip(LAYERS, WIDTHS))],
          "quantities": [quantity("zeros", "share", "node", "window"), quantity("grad_norm_rms", "loss/weight", "node", "window"), quantity("path", "weight", "node", "window"),
                         quantity("net", "weight", "node", "window", holds_for=["SGD"]), quantity("own", "my unit", "layer", "window"), quantity("nonzero", "count", "node", "probe"),
                         quantity("rms", "output", "node", "probe"), quantity("activation_l2", "output", "layer", "probe")]}


def window(k, l, **values):
    return {"type": "window", "window": k, "first": 4 * k, "last": 4 * k + 3, "layer": LAYERS[l], "values": values}


def probe(step, l, **values):
    return {"type": "probe", "step": step, "layer": LAYERS[l], "images": 2, "elements": 8, "values": values}


TRACE = [HEADER,
         probe(0, 0, nonzero=[0, 3, None], rms=[0, 1.5, None], activation_l2=2.5), probe(0, 1, nonzero=[8, 0]), probe(0, 2, rms=[None, None]),
         {"type": "eval", "step": 0, "split": "probe", "loss": 2.5, "loss_batch": None, "count": 2},
         *({"type": "step", "step": t, "loss": [0.1, "NaN", 1 / 3, "-Infinity"][t], **({"lr": 0.05} if t % 2 else {})} for t in range(4)),
         window(0, 0, zeros=[0.1, None, "NaN"], grad_norm_rms=[3, 4, 0], path=[1, 2, 3], net=[1, 1, 1], own=0.123456789012345), window(0, 1, zeros=[None, None]), {**window(0, 2, zeros=[0, 1], path=[5e-324, 1e300]), "sampled": 1},
         probe(4, 0, nonzero=[1, 0, 0], activation_l2=None), probe(4, 1, nonzero=[0, 0]), probe(4, 2),
         {"type": "eval", "step": 4, "split": "test", "loss": 1.25, "accuracy": 0.5, "count": 100, "classes": {"accuracy": [0.25, None]}},
         {"type": "event", "step": 4, "event": "nonfinite", "what": "loss", "layer": ""},
         *({"type": "step", "step": t, "loss": 1e-30 * t, "clip": 0.5} for t in (5, 7)),
         window(1, 0, grad_norm_rms=["Infinity", 1, 2], own=None), window(1, 1, zeros=[0.25, 0.5], own="-Infinity"), window(1, 2),
         {"type": "eval", "step": 8, "split": "test", "loss": "NaN", "count": 50},
         {"type": "end", "steps": 8, "status": "finished"}]


def write(name, lines, pack=False):
    os.makedirs(tap.path(name), exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    with open(tap.path(name, "trace.jsonl" + (".gz" if pack else "")), "wb") as stream:
        stream.write(gzip.compress(text) if pack else text)


def number(value):
    """As a trace has it: None where nothing was measured."""
    return None if value is None else float(value)  # float("-Infinity"), too


def same(a, b):
    return (a is None and b is None) or (a is not None and b is not None and (a == b or (math.isnan(a) and math.isnan(b))))


def table(*name):
    with open(tap.path(*name), newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def cell(row, key):
    return None if row[key] == "" else float(row[key])


# ---- tables ----
write("made", TRACE)
checked = run("validate", "made")
report(checked.returncode == 0, "the made-up trace follows the format", checked.stdout)
done = run("export", "made")
report(done.returncode == 0 and done.stderr == "", "a run is exported as tables into its folder", done.stderr)


def check_tables(directory, trace, name):
    header, wrong = trace[0], []

    def expect(what, found, expected):
        if not same(found, expected):
            wrong.append(f"{what}: {found} instead of {expected}")

    steps, evals = ([r for r in trace if r["type"] == kind] for kind in ("step", "eval"))
    rows = table(directory, "steps.csv")
    if [r["step"] for r in rows] != [str(r["step"]) for r in steps]:
        wrong.append("steps.csv has other steps")
    for row, r in zip(rows, steps):
        for key in ("loss", "lr", "grad_norm", "clip"):
            expect(f"step {r['step']} {key}", cell(row, key), number(r.get(key)))
    rows = table(directory, "evals.csv")
    if [(r["step"], r["split"]) for r in rows] != [(str(r["step"]), r["split"]) for r in evals]:
        wrong.append("evals.csv has other rows")
    for row, r in zip(rows, evals):
        for key in ("loss", "loss_batch", "accuracy", "count"):
            expect(f"eval {r['step']} {key}", cell(row, key), number(r.get(key)))
    holding = {q["name"]: q for q in header["quantities"] if "holds_for" not in q}
    for kind, key in (("window", "window"), ("probe", "step")):
        for per, file in (("node", f"{kind}s.csv"), ("layer", f"{kind}_layers.csv")):
            names = [q for q in holding if holding[q]["record"] == kind and holding[q]["per"] == per]
            if not names:
                if os.path.exists(tap.path(directory, file)):
                    wrong.append(f"{file} is there")
                continue
            rows = {(r[key], r["layer"], r.get("channel")): r for r in table(directory, file)}
            expected = 0
            for r in (r for r in trace if r["type"] == kind):
                channels = next(x["channels"] for x in header["layers"] if x["name"] == r["layer"])
                for c in range(channels) if per == "node" else [None]:
                    row = rows.get((str(r[key]), r["layer"], None if c is None else str(c)))
                    expected += 1
                    if row is None or set(row) & set(holding) != set(names) or row["arm"] != header["arm"] or row["seed"] != str(header["seed"]):
                        wrong.append(f"{file}: {r[key]} {r['layer']} {c}: {row}")
                        continue
                    for q in names:
                        value = r["values"].get(q)
                        expect(f"{file} {r[key]} {r['layer']} {c} {q}", cell(row, q), number(value[c] if isinstance(value, list) else value))
            if expected != len(rows):
                wrong.append(f"{file} has {len(rows)} rows, not {expected}")
    report(not wrong, name, "\n".join(wrong))


check_tables("made/export", TRACE, "tables hold what the trace holds, and nothing where it has nothing")
report([r["state"] for r in table("made/export", "probes.csv")] == ["dead", "alive", "", "alive", "dead", "", "", "alive", "dead", "dead", "dead", "dead", "", ""], "a node's state stands with its probing",
       [r["state"] for r in table("made/export", "probes.csv")])
report([r["sampled"] for r in table("made/export", "windows.csv")][::2] == ["2", "2", "2", "1", "2", "2", "2"], "and how many steps of a window were recorded")
report([(r["class"], r["class_name"], r["value"]) for r in table("made/export", "classes.csv")] == [("0", "cat", "0.25"), ("1", "dog", "")], "measures of each class", table("made/export", "classes.csv"))
report([json.loads(r["record"])["what"] for r in table("made/export", "events.csv")] == ["loss"], "events, as they stand in the trace")
units = {r["name"]: (r["unit"], r["record"], r["per"]) for r in table("made/export", "quantities.csv")}
report(units["own"] == ("my unit", "window", "layer") and units["loss"] == ("nats", "step", "step") and "net" not in units, "units and meanings; what does not hold for the optimiser is left out", units)
report([r["layer"] for r in table("made/export", "layers.csv")] == LAYERS, "layers")
must("export", "made", "--units", "--out", "units")
report(list(table("units", "steps.csv")[0])[3:5] == ["loss [nats]", "lr [1]"] and "accuracy [share]" in table("units", "evals.csv")[0], "--units puts them into the first row", list(table("units", "steps.csv")[0]))

# ---- arrays ----
must("export", "made", "--format", "npz", "--out", "arrays")


def array(content):
    """An array of .npy 1.0 as nested lists, by the format's rules."""
    assert content[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", content[8:10])
    head = ast.literal_eval(content[10:10 + length].decode())
    assert (10 + length) % 64 == 0 and content[9 + length:10 + length] == b"\n" and set(head) == {"descr", "fortran_order", "shape"} and not head["fortran_order"]
    data, kind, shape = content[10 + length:], head["descr"], head["shape"]
    count = math.prod(shape)
    if kind.startswith("<U"):
        width = int(kind[2:])
        assert len(data) == 4 * width * count
        flat = [data[4 * width * i:4 * width * (i + 1)].decode("utf-32-le").rstrip("\0") for i in range(count)]
    else:
        assert len(data) == 8 * count and kind in ("<f8", "<i8")
        flat = list(struct.unpack(f"<{count}{'d' if kind == '<f8' else 'q'}", data))
    if shape == ():
        return flat[0]
    return flat if len(shape) == 1 else [flat[shape[1] * i:shape[1] * (i + 1)] for i in range(shape[0])]


def arrays(*name):
    with zipfile.ZipFile(tap.path(*name)) as archive:
        assert archive.testzip() is None
        return {n[:-4]: array(archive.read(n)) for n in archive.namelist()}


def check_arrays(z, trace, name):
    header, wrong = trace[0], []
    steps, evals, windows, probes = ([r for r in trace if r["type"] == kind] for kind in ("step", "eval", "window", "probe"))
    nan = float("nan")

    def expect(key, values):
        found = z.get(key)
        flat = [x for row in (found or []) for x in (row if isinstance(row, list) else [row])]
        wanted = [nan if v is None else number(v) for v in values]
        if found is None or len(flat) != len(wanted) or not all(same(a, b) for a, b in zip(flat, wanted)):
            wrong.append(f"{key}: {found} instead of {wanted}")

    expect("steps/step", [r["step"] for r in steps])
    for key in ("loss", "lr", "clip"):
        expect(f"steps/{key}", [r.get(key) for r in steps])
    for key in ("step", "loss", "loss_batch", "accuracy", "count"):
        expect(f"evals/{key}", [r.get(key) for r in evals])
    if z["evals/split"] != [r["split"] for r in evals] or z["layers"] != [x["name"] for x in header["layers"]] or z["seed"] != header["seed"] or z["arm"] != header["arm"]:
        wrong.append(f"{z['evals/split']} {z['layers']} {z['seed']} {z['arm']}")
    for kind, rs, key in (("window", windows, "window"), ("probe", probes, "step")):
        places = sorted({r[key] for r in rs})
        if kind == "probe":
            expect("probes/step", places)
        for q in header["quantities"]:
            for x in header["layers"]:
                of = {r[key]: r["values"].get(q["name"]) for r in rs if r["layer"] == x["name"]}
                there = any(q["name"] in r["values"] for r in rs if r["layer"] == x["name"]) and "holds_for" not in q
                if q["record"] != kind:
                    continue
                if not there:
                    wrong += [f"{q['name']} of {x['name']} is there"] if f"{kind}s/{q['name']}/{x['name']}" in z else []
                    continue
                width = x["channels"] if q["per"] == "node" else 1
                expect(f"{kind}s/{q['name']}/{x['name']}", [v for p in places for v in (of.get(p) if isinstance(of.get(p), list) else [of.get(p)] * width)])
    report(not wrong, name, "\n".join(wrong))


z = arrays("arrays", "run.npz")
check_arrays(z, TRACE, "arrays [windows, nodes] hold what the trace holds, NaN where it has nothing")
report([[None if math.isnan(x) else x for x in row] for row in z["probes/dead/conv/1"]] == [[1, 0, None], [0, 1, 1]], "which nodes are dead", z["probes/dead/conv/1"])
with open(tap.path("arrays", "run.npz"), "rb") as stream:
    first = stream.read()
must("export", "made", "--format", "npz", "--out", "arrays", "--force")
with open(tap.path("arrays", "run.npz"), "rb") as stream:
    report(stream.read() == first, "the same trace gives the same bytes")
if tap.lacking("numpy"):
    tap.skip("numpy.load", "NumPy is not here")
else:
    import numpy
    loaded = numpy.load(tap.path("arrays", "run.npz"))
    report(set(loaded.files) == set(z) and loaded["windows/zeros/conv/1"].shape == (2, 3) and loaded["windows/own/conv/1"].shape == (2,) and loaded["steps/loss"].dtype == numpy.float64
           and loaded["steps/step"].dtype == numpy.int64 and str(loaded["arm"]) == 'a, "b"' and list(loaded["layers"]) == LAYERS and loaded[f"windows/path/{LAYERS[2]}"][0, 0] == 5e-324,
           "numpy.load gives them at once", loaded.files)
if tap.lacking("pandas"):
    tap.skip("pandas", "pandas is not here")
else:
    import pandas
    frame = pandas.read_csv(tap.path("made", "export", "windows.csv"))
    report(len(frame) == 14 and frame["zeros"].isna().sum() == 9 and str(frame["path"].dtype) == "float64" and pandas.read_csv(tap.path("made", "export", "steps.csv"))["loss"].iloc[3] == -math.inf,
           "pandas reads the tables as numbers", f"{frame.dtypes} {frame['zeros'].isna().sum()}")

# ---- event files ----
must("export", "made", "--format", "tensorboard", "--out", "board")


def fields(data):
    """Number and value of the fields of a message."""
    def varint(at):
        value = shift = 0
        while True:
            value, shift, at = value | (data[at] & 0x7F) << shift, shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at
    at = 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 0:
            value, at = varint(at)
        elif key & 7 == 2:
            length, at = varint(at)
            value, at = data[at:at + length], at + length
        else:
            size = 8 if key & 7 == 1 else 4
            (value,) = struct.unpack("<d" if size == 8 else "<f", data[at:at + size])
            at += size
        yield key >> 3, value
    assert at == len(data)


def board(*name):
    scalars, histograms, version = {}, {}, None
    with open(tap.path(*name), "rb") as stream:
        data = stream.read()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12:12 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8]) and struct.unpack("<I", data[12 + length:16 + length])[0] == masked_crc(body)
        data = data[16 + length:]
        event = dict(fields(body))
        version = version or event.get(3)
        for _, value in fields(event.get(5, b"")):
            value = dict(fields(value))
            if 2 in value:
                scalars.setdefault(value[1].decode(), []).append((event[2], value[2]))
            else:
                histo = dict(fields(value[5]))
                limits, counts = ([x[0] for x in struct.iter_unpack("<d", histo[k])] for k in (6, 7))
                histograms.setdefault(value[1].decode(), []).append((event[2], histo[1], histo[2], histo[3], histo[4], limits, counts))
    return version, scalars, histograms


def single(value):
    return struct.unpack("<f", struct.pack("<f", float(value)))[0]


EVENTS = ("board", "tensorboard", "events.out.tfevents.0000000000.poolscope")
version, scalars, histograms = board(*EVENTS)
report(version == b"brain.Event:2" and [s for s, _ in scalars["train/loss"]] == [0, 1, 2, 3, 5, 7] and all(same(v, single(r["loss"])) for (_, v), r in zip(scalars["train/loss"], [r for r in TRACE if r["type"] == "step"])),
       "event files hold the losses", scalars["train/loss"])
report(scalars["train/lr"] == [(1, single(0.05)), (3, single(0.05))] and scalars["test/accuracy"] == [(4, 0.5)] and scalars["test/count"] == [(4, 100), (8, 50)] and scalars["probe/loss"] == [(0, 2.5)] and "probe/loss_batch" not in scalars,
       "what was not measured is no point", scalars)
report(scalars["dead_share/conv/1"] == [(0, 0.5), (4, single(2 / 3))] and scalars[f"dead_share/{LAYERS[1]}"] == [(0, 0.5), (4, 1)] and "dead_share/last" not in scalars, "shares of dead nodes a layer", scalars)
report(scalars["layer_grad_norm/conv/1"] == [(3, 5), (7, math.inf)] and scalars["own/conv/1"] == [(3, single(0.123456789012345))], "gradient norms and other numbers of layers", scalars)
step, low, high, count, total, limits, counts = histograms["path/conv/1"][0]
report((step, low, high, count, total) == (3, 1, 3, 3, 6) and len(limits) == len(counts) and limits == sorted(limits) and limits[-1] == 3 and sum(counts) == 3 and counts[0] == counts[-1] == 1, "histograms over nodes", histograms["path/conv/1"])
report([h[3] for h in histograms["zeros/conv/1"]] == [1] and [h[0] for h in histograms[f"zeros/{LAYERS[1]}"]] == [7] and sum(histograms["path/last"][0][6]) == 2 and "net/conv/1" not in histograms, "of what was measured and is finite", histograms.keys())
if tap.lacking("tensorboard"):
    tap.skip("the real tensorboard reads it", "tensorboard is not here (make venv)")
else:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    accumulator = EventAccumulator(tap.path("board", "tensorboard"), size_guidance={"scalars": 0, "histograms": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    report(set(tags["scalars"]) == set(scalars) and set(tags["histograms"]) == set(histograms) and [(e.step, e.value) for e in accumulator.Scalars("dead_share/conv/1")] == scalars["dead_share/conv/1"]
           and accumulator.Histograms("path/conv/1")[0].histogram_value.num == 3, "the real tensorboard reads it", tags)

# ---- and back ----
STEPS = [{k: v for k, v in r.items() if v is not None} for r in TRACE if r["type"] == "step"]
TESTS = [{k: v for k, v in r.items() if k not in ("classes",)} for r in TRACE if r["type"] == "eval" and r["split"] == "test"]


def round_trip(name, source, cut):
    must("import", source, "--out", name)
    report(run("validate", name).returncode == 0, f"{name}: the trace follows the format")
    for kind, expected in (("step", STEPS), ("eval", TESTS)):
        found = records(name, kind)
        good = len(found) == len(expected) and all(set(a) == set(b) and all(a[k] == b[k] or (k not in ("step", "type", "split", "count") and same(number(a[k]), cut(b[k]))) for k in a) for a, b in zip(found, expected))
        report(good, f"{name}: every {kind} record comes back", f"{found}\n{expected}")


round_trip("from-tables", "made/export", number)
round_trip("from-units", "units", number)
round_trip("from-events", "board/tensorboard", single)

# ---- files stay what they are ----
before = {n: os.stat(tap.path("made", "export", n)).st_mtime_ns for n in os.listdir(tap.path("made", "export"))}
result = run("export", "made")
report(result.returncode == 2 and "--force" in result.stderr and {n: os.stat(tap.path("made", "export", n)).st_mtime_ns for n in os.listdir(tap.path("made", "export"))} == before, "what is there stays", result.stderr)
must("export", "made", "--format", "npz,tensorboard")
report(sorted(set(os.listdir(tap.path("made", "export"))) - set(before)) == ["run.npz", "tensorboard"], "another format comes beside it", os.listdir(tap.path("made", "export")))
thin = [dict(HEADER, layers=[], quantities=[])] + [r for r in TRACE[1:] if r["type"] in ("step", "end")]
write("made", thin)
must("export", "made", "--force")
report(not os.path.exists(tap.path("made", "export", "windows.csv")) and not os.path.exists(tap.path("made", "export", "classes.csv")) and os.path.exists(tap.path("made", "export", "run.npz")),
       "tables that a run does not have do not stay from an earlier one", os.listdir(tap.path("made", "export")))
check_tables("made/export", thin, "a run of losses alone")
must("export", "made", "--format", "npz", "--force")
check_arrays(arrays("made", "export", "run.npz"), thin, "as arrays, too")
write("broken", TRACE[:12] + [window(5, 0, zeros=[0, 0, 0])])
result = run("export", "broken", "--format", "csv,npz,tensorboard")
left = [n for _, _, names in os.walk(tap.path("broken", "export")) for n in names]
report(result.returncode == 2 and len(result.stderr.splitlines()) == 1 and not left, "a trace that breaks the format leaves nothing", f"{result.stderr} {left}")
for list_, word in (("csv,xls", '"xls"'), ("", '""'), ("csv,", '""')):
    result = run("export", "made", "--format", list_, "--out", "none")
    report(result.returncode == 2 and word in result.stderr and "npz" in result.stderr and not os.path.exists(tap.path("none")), f"--format {list_!r} is refused with what there is", result.stderr)
result = run("export", "nowhere")
report(result.returncode == 2 and len(result.stderr.splitlines()) == 1, "so is a run that is not there", result.stderr)
write("cut", TRACE)
with open(tap.path("cut", "trace.jsonl"), "r+b") as stream:
    stream.truncate(os.path.getsize(tap.path("cut", "trace.jsonl")) - 120)
result = run("export", "cut", "--format", "csv,npz")
report(result.returncode == 0 and "cut off" in result.stderr and len(table("cut", "export", "steps.csv")) == 6, "a trace that is cut off is exported as far as it goes, and it is said", result.stderr)

# ---- a real run, packed ----
must("train", "--model", "plain9", "--pool-skip", "2", *TINY, "--steps", "12", "--window", "4", "--record", "all", "--compress", "gzip", "--out", "real")
with gzip.open(tap.path("real", "trace.jsonl.gz"), "rt") as stream:
    real = [json.loads(line) for line in stream]
must("export", "real", "--format", "csv,npz,tensorboard")
check_tables("real/export", real, "tables of a real run, packed with gzip")
check_arrays(arrays("real", "export", "run.npz"), real, "its arrays")
version, scalars, histograms = board("real", "export", "tensorboard", "events.out.tfevents.0000000000.poolscope")
report([v for _, v in scalars["train/loss"]] == [single(r["loss"]) for r in real if r["type"] == "step"], "its events")
must("import", "real/export", "--seed", "1", "--out", "real-back")
found = records("real-back", "eval")
expected = [r for r in real if r["type"] == "eval" and r["split"] == "test"]
report([(r["step"], r["loss"], r["accuracy"], r["count"]) for r in found] == [(r["step"], r["loss"], r["accuracy"], r["count"]) for r in expected], "and the way back", found)

tap.done()
