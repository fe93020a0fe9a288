"""What commands take to look at: the directory of a run, a checkpoint, weights alone; whole or with a prefix, here or where the data are not."""
import json
import os
import re
import shutil
import struct
import sys

sys.dont_write_bytecode = True
import tap
from tap import TINY, must, path, report, run

T = [*TINY, "--model", "plain9", "--steps", "2", "--window", "2", "--threads", "1"]
NETWORK = ["--model", "plain9", "--width", "0.5", "--size", "8", "--batch", "16", "--probe", "32", "--train-limit", "256", "--test-limit", "48"]
COMMANDS = ("eval", "diagnose", "ranks", "spectrum")
FEW = {"spectrum": ["--probes", "1", "--steps", "4"], "diagnose": ["--tsv"]}
must("train", *T, "--out", "run")
must("train", *T, "--pool-skip", "2", "--out", "module")


def load(file):
    with open(path(file), "rb") as stream:
        content = stream.read()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8:8 + size]), content[8 + size:]


def save(file, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path(file), "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + data)
    return file


def weights(checkpoint, file, rename=lambda name: name, without=()):
    """The tensors of a checkpoint without what poolscope says besides."""
    header, data = load(checkpoint)
    entries, blob = {}, b""
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith("optimiser/") or any(word in name for word in without):
            continue
        piece = data[slice(*entry["data_offsets"])]
        entries[rename(name)] = {**entry, "data_offsets": [len(blob), len(blob) + len(piece)]}
        blob += piece
    return save(file, entries, blob)


def numbers(text):
    return [line.replace("at step 2 ", "of weights alone ") for line in text.splitlines() if not line.startswith("step ")]


weights("run/checkpoint.safetensors", "plain.safetensors")
weights("module/checkpoint.safetensors", "module.safetensors")

# ---- weights of another variant ----
V = [*TINY, "--width", "0.03", "--size", "8", "--steps", "2", "--window", "2", "--threads", "1"]
must("train", *V, "--model", "vit_7_4_32", "--stages", "1", "--out", "vit")
weights("vit/checkpoint.safetensors", "vit.safetensors")
refused = run("train", *V, "--model", "cvt_7_4_32", "--stages", "1", "--init", "vit.safetensors", "--out", "cvt")
report(refused.returncode == 2 and "classifier.attention_pool.weight" in refused.stderr and "classifier.class_emb" in refused.stderr,
       "weights with a class token are refused where there is none: what they lack and what they have instead is said", refused.stderr)

# ---- three ways to name the same network ----
for command in COMMANDS:
    extra = FEW.get(command, [])
    whole = must(command, "run/checkpoint.safetensors", *extra)
    report(run(command, "run", *extra).stdout == whole.stdout, f"{command} takes the directory of a run")
    result = run(command, "plain.safetensors", *NETWORK, *extra)
    report(result.returncode == 0 and numbers(result.stdout) == numbers(whole.stdout), f"{command} takes weights alone, with the same result", result.stderr)
    report("made-up images" in result.stderr, f"{command} says which images it takes", result.stderr)
    result = run(command, "plain.safetensors", *extra)
    report(result.returncode == 2 and "--model NAME" in result.stderr and "--graph FILE" in result.stderr, f"{command} asks for the network of weights alone", result.stderr)
    result = run(command, "run", "--width", "0.5", *extra)
    report(result.returncode == 2 and "leave out --width" in result.stderr, f"{command}: a checkpoint has its own network", result.stderr)
    result = run(command, "run", "--probe", "48", *extra)
    report(result.returncode == 0, f"{command}: a checkpoint is looked at on other data", result.stderr)
result = run("compensation", "module.safetensors", *NETWORK, "--pool-skip", "2")
report(result.returncode == 0 and result.stdout == must("compensation", "module").stdout, "compensation takes weights alone", result.stderr)
result = run("compensation", "module.safetensors", *NETWORK)
report(result.returncode == 2 and "no place in this network" in result.stderr, "weights with modules in a network without them", result.stderr)
with open(path("net.json"), "w") as stream:
    stream.write(must("inspect", "--model", "plain9", "--width", "0.5", "--input", "3,8,8", "--json").stdout)
result = run("diagnose", "plain.safetensors", "--tsv", "--graph", "net.json", *NETWORK[4:])
report(result.returncode == 0 and result.stdout == must("diagnose", "run", "--tsv").stdout, "weights alone of a graph of one's own", result.stderr)
report(json.loads(must("eval", "plain.safetensors", *NETWORK, "--json").stdout)["checkpoint_step"] is None, "of weights alone the step is not known")
must("ranks", "plain.safetensors", *NETWORK, "--out", "tables-of-plain", "--quiet")
with open(path("tables-of-plain", "tables", "measurements.tsv")) as stream:
    report(stream.read().splitlines()[1].split("\t")[2] == "NA", "nor in the record of a measurement")
result = run("plant", "run", "--plant", "count=1", "--out", "planted.safetensors")
report(result.returncode == 0 and os.path.exists(path("planted.safetensors")), "plant takes the directory of a run", result.stderr)
for option in ("--init", "--fork"):
    must("train", *T, option, "run", "--out", "from-directory")
    must("train", *T, option, "run/checkpoint.safetensors", "--out", "from-file")
    same = tap.tensors("from-directory/checkpoint.safetensors") == tap.tensors("from-file/checkpoint.safetensors")
    report(same, f"train {option} takes the directory of a run")
    for name in ("from-directory", "from-file"):
        shutil.rmtree(path(name))

# ---- a word before every name ----
for prefix in ("module.", "_orig_mod.", "model.backbone."):
    weights("run/checkpoint.safetensors", "wrapped.safetensors", lambda name: prefix + name)
    result = run("diagnose", "wrapped.safetensors", "--tsv", *NETWORK)
    report(result.returncode == 0 and result.stdout == must("diagnose", "run", "--tsv").stdout and result.stderr.count(f'"{prefix}"') == 1, f"{prefix} is left out, and that is said once", result.stderr)
    result = run("train", *[word for word in T if word != "--quiet"], "--init", "wrapped.safetensors", "--out", "wrapped")
    report(result.returncode == 0 and result.stderr.count(f'"{prefix}"') == 1, f"{prefix}: so it is with --init", result.stderr)
    shutil.rmtree(path("wrapped"))
weights("module/checkpoint.safetensors", "wrapped.safetensors", lambda name: "module." + name)
result = run("diagnose", "wrapped.safetensors", "--tsv", *NETWORK, "--pool-skip", "2")
report(result.returncode == 0 and result.stdout == must("diagnose", "module", "--tsv").stdout, "a prefix before the names of modules, too", result.stderr)
some = iter(range(1000))
weights("run/checkpoint.safetensors", "mixed.safetensors", lambda name: ("module." if next(some) % 2 == 0 else "") + name)
result = run("diagnose", "mixed.safetensors", *NETWORK)
report(result.returncode == 2 and 'begin with "module."' in result.stderr and "others do not" in result.stderr, "a prefix before some names only is named", result.stderr)
weights("run/checkpoint.safetensors", "other.safetensors", lambda name: "net." + name.replace("0", "zero"))
result = run("diagnose", "other.safetensors", *NETWORK)
report(result.returncode == 2 and "has no tensor" in result.stderr, "other names are no prefix", result.stderr)

# ---- words inside of names, names that only a shared tensor's metadata know, an average's counter ----
weights("run/checkpoint.safetensors", "inside.safetensors", lambda name: "module." + name.replace("0.", "0._orig_mod.", 1))
result = run("diagnose", "inside.safetensors", "--tsv", *NETWORK)
report(result.returncode == 0 and result.stdout == must("diagnose", "run", "--tsv").stdout and result.stderr.count('"_orig_mod."') == 1 and result.stderr.count('"module."') == 1,
       "the word of torch.compile inside of names is left out, behind a prefix, too, and that is said", result.stderr)
header, data = load("plain.safetensors")
same = [name for name in header if re.fullmatch(r"stage2\..*running_var", name)]
report(len(same) > 1, "two normalisations of one size", same)
for name in same[1:]:
    header.pop(name)
packed, blob = {}, b""
for name, entry in header.items():
    piece = data[slice(*entry["data_offsets"])]
    packed[name] = {**entry, "data_offsets": [len(blob), len(blob) + len(piece)]}
    blob += piece
save("shared.safetensors", {"__metadata__": {name: same[0] for name in same[1:]}, **packed}, blob)
result = run("eval", "shared.safetensors", *NETWORK)
report(result.returncode == 0 and f"{len(same) - 1} of its parameter" in result.stderr and "running statistics" not in result.stderr,
       "a tensor that another name shares is found by the file's metadata, and that is said", result.stderr)
save("averaged.safetensors", {**{"module." + name: {**entry, "data_offsets": [at + 8 for at in entry["data_offsets"]]} for name, entry in load("plain.safetensors")[0].items()},
                              "n_averaged": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}, b"\1" + bytes(7) + load("plain.safetensors")[1])
result = run("eval", "averaged.safetensors", *NETWORK)
report(result.returncode == 0 and result.stderr.count('"module."') == 1, "the counter of an averaged model is passed over", result.stderr)


# ---- half of a float's bytes ----
def narrowed(file, kind):
    header, data = load("plain.safetensors")
    entries, blob = {}, b""
    for name, entry in header.items():
        values = struct.unpack(f"<{(entry['data_offsets'][1] - entry['data_offsets'][0]) // 4}f", data[slice(*entry["data_offsets"])])
        piece = struct.pack(f"<{len(values)}e", *values) if kind == "F16" else b"".join(struct.pack("<f", value)[2:] for value in values)
        entries[name] = {**entry, "dtype": kind, "data_offsets": [len(blob), len(blob) + len(piece)]}
        blob += piece
    return save(file, entries, blob)


def widened(file):
    """The same values as F32, as a reader of the narrow file must see them."""
    header, data = load(file)
    entries, blob = {}, b""
    for name, entry in header.items():
        piece = data[slice(*entry["data_offsets"])]
        wide = b"".join(struct.pack("<f", value) for (value,) in struct.iter_unpack("<e", piece)) if entry["dtype"] == "F16" else (
            b"".join(b"\0\0" + piece[at:at + 2] for at in range(0, len(piece), 2)))
        entries[name] = {**entry, "dtype": "F32", "data_offsets": [len(blob), len(blob) + len(wide)]}
        blob += wide
    return save("wide.safetensors", entries, blob)


for kind in ("F16", "BF16"):
    narrowed("narrow.safetensors", kind)
    widened("narrow.safetensors")
    for command in COMMANDS:
        result = run(command, "narrow.safetensors", *NETWORK, *FEW.get(command, []))
        report(result.returncode == 0 and result.stdout == must(command, "wide.safetensors", *NETWORK, *FEW.get(command, [])).stdout, f"{command} reads {kind}", result.stderr)

# ---- what does not fit, counted ----
SHORT = 600


def refused_as(name, file, *words, command="diagnose", network=NETWORK):
    result = run(command, file, *network)
    said = result.stderr.strip().splitlines()[-1] if result.stderr.strip() else ""
    report(result.returncode == 2 and all(word in said for word in words) and len(said) <= SHORT, name, result.stderr)


weights("run/checkpoint.safetensors", "fewer.safetensors", without=("stage2.",))
absent = sum("stage2." in name and "running" not in name and not name.startswith("optimiser/") for name in load("run/checkpoint.safetensors")[0])
refused_as("missing tensors are named, the first of them, and counted", "fewer.safetensors", "has no tensor", f" and {absent - 3} more; check model or graph")
weights("run/checkpoint.safetensors", "renamed.safetensors", lambda name: name.replace("stage2.", "layer2."))
refused_as("with those that the file has instead", "renamed.safetensors", 'has no tensor "stage2.', 'but has "layer2.', "no place in this network", "more")
header, data = load("plain.safetensors")
save("more.safetensors", {**header, "head.weight": {"dtype": "F32", "shape": [2], "data_offsets": [len(data), len(data) + 8]}}, data + bytes(8))
refused_as("a tensor too many", "more.safetensors", 'tensor "head.weight" has no place in this network')
refused_as("tensors of another shape: the first, what it should be, and how many more", "plain.safetensors", "has shape [", "the network needs [", "more have another, too",
           network=["--model", "plain9", "--width", "0.25", *NETWORK[4:]])
broken = {name: struct.pack("<f", float("nan")) for name in ("stage2.0.0.weight",) if name in header} or {next(iter(header)): struct.pack("<f", float("nan"))}
(name, value), = broken.items()
at = header[name]["data_offsets"][0]
save("nan.safetensors", header, data[:at] + value + data[at + 4:])
for command in ("ranks", "plant", "spectrum"):
    extra = ["--plant", "count=1", "--out", "planted-nan.safetensors"] if command == "plant" else FEW.get(command, [])
    result = run(command, "nan.safetensors", *NETWORK, *extra)
    report(result.returncode == 2 and "not finite" in result.stderr and name in result.stderr and len(result.stderr.strip().splitlines()[-1]) <= SHORT, f"{command}: weights that are no numbers", result.stderr)
for command in ("eval", "diagnose"):
    result = run(command, "nan.safetensors", *NETWORK)
    report(result.returncode == 1 and "not finite" in result.stderr, f"{command}: weights that are no numbers are a finding", result.stderr)
save("long.safetensors", header, data + bytes(12))
refused_as("a file with bytes of nobody's behind its tensors", "long.safetensors", f"{len(data) + 12} bytes of data", str(len(data)), "copy or save it again")
save("short.safetensors", header, data[:-4])
refused_as("a file that ends too early", "short.safetensors", "cut short")
for start in (b"PK\x03\x04", b"\x80\x02"):
    with open(path("model.pt"), "wb") as stream:
        stream.write(start + bytes(60))
    for command in ("diagnose", "eval", "ranks", "spectrum", "compensation"):
        refused_as(f"{command}: a file of torch.save, with the line that converts it", "model.pt", "torch.save", "safetensors.torch", "save_file(", command=command)
    result = run("train", *T, "--init", "model.pt", "--out", "of-pt")
    report(result.returncode == 2 and "save_file(" in result.stderr, "train --init: the same", result.stderr)
    result = run("inspect", "--graph", "model.pt")
    report(result.returncode == 2 and "poolscope.export(" in result.stderr and "python-path" in result.stderr, "--graph: how the network is written", result.stderr)

# ---- planting in weights alone ----
result = run("plant", "wrapped.safetensors", *NETWORK, "--pool-skip", "2", "--plant", "count=2,cause=bias,layers=stage2.0*", "--out", "planted.safetensors")
report(result.returncode == 0 and result.stdout.startswith("layer\tchannel"), "plant takes weights alone", result.stderr)
report("__metadata__" not in load("planted.safetensors")[0] and run("diagnose", "planted.safetensors").returncode == 2, "and writes weights alone")
planted = {tuple(line.split("\t")[:2]) for line in result.stdout.splitlines()[1:]}
found = must("diagnose", "planted.safetensors", *NETWORK, "--pool-skip", "2", "--json").stdout
report(planted <= {(node["layer"], str(node["channel"])) for node in json.loads(found)["found"]}, "in which what was planted is found", found)

# ---- no running statistics ----
weights("run/checkpoint.safetensors", "bare.safetensors", without=("running_mean", "running_var"))
result = run("diagnose", "bare.safetensors", *NETWORK)
report(result.returncode == 0 and "no running statistics for 9 " in result.stderr, "missing running statistics are spoken of", result.stderr)

# ---- dead in evaluation mode only ----
header, data = load("run/checkpoint.safetensors")
name = next(name for name in header if re.fullmatch(r"stage2\.0\..*running_mean", name))
start = header[name]["data_offsets"][0]
save("shifted.safetensors", header, data[:start] + struct.pack("<f", 1e6) + data[start + 4:])
found = {(n["layer"], n["channel"]): n for n in json.loads(must("diagnose", "shifted.safetensors", "--json").stdout)["found"]}
node = found.get(("stage2.0.conv", 0), {})
report(node.get("condition") == "eval_dead" and node.get("cause") == "running_statistics" and node.get("images_active", 0) > 0, "a node that is silent in evaluation mode only is listed", node)
text = must("diagnose", "shifted.safetensors").stdout
report(re.search(r"^stage2\.0\.conv:0 +eval_dead +running_statistics", text, re.M) and re.search(r" [1-9]\d* eval_dead,", text), "so it is in words, and counted", text)

# ---- data that moved ----
def idx(folder, prefix, count):
    os.makedirs(path(folder), exist_ok=True)
    with open(path(folder, f"{prefix}-images-idx3-ubyte"), "wb") as stream:
        stream.write(struct.pack(">IIII", 0x803, count, 8, 8) + bytes((i * 37 + i // 64) % 256 for i in range(count * 64)))
    with open(path(folder, f"{prefix}-labels-idx1-ubyte"), "wb") as stream:
        stream.write(struct.pack(">II", 0x801, count) + bytes(i % 10 for i in range(count)))


idx("project/digits", "train", 96)
idx("project/digits", "t10k", 32)
D = ["--model", "plain9", "--width", "0.25", "--steps", "2", "--window", "2", "--batch", "16", "--probe", "32", "--threads", "1", "--quiet"]
must("train", *D, "--data", "idx:digits", "--out", "run", cwd=path("project"))
must("train", *D, "--data", "idx:" + path("project/digits"), "--out", "absolute", cwd=path("project"))
for command in ("eval", "diagnose", "ranks", "spectrum"):
    result = run(command, "project/run")
    report(result.returncode == 2 and '"idx:digits"' in result.stderr and "relative" in result.stderr and "--data" in result.stderr, f"{command} from another folder: where the data were", result.stderr)
report(run("diagnose", "project/run", "--tsv", "--data", "idx:project/digits").stdout == must("diagnose", "run", "--tsv", cwd=path("project")).stdout, "with --data it is as it was")
result = run("plant", "project/run", "--plant", "count=1", "--out", "p.safetensors")
report(result.returncode == 2 and "--data" in result.stderr, "plant from another folder", result.stderr)
report(run("plant", "project/run", "--plant", "count=1", "--out", "p.safetensors", "--data", "idx:project/digits").returncode == 0, "plant has --data, too")
os.rename(path("project/digits"), path("project/moved"))
result = run("diagnose", "absolute", cwd=path("project"))
report(result.returncode == 2 and "no such folder any more" in result.stderr and "--data" in result.stderr, "data that are gone", result.stderr)
tap.done()
