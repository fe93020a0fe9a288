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
