#!/usr/bin/env python3
"""Weights that PyTorch wrote, as poolscope's commands meet them: files of torch.save in all their forms, with the line
that converts them; wrapped models, other precisions, tied weights."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), os.path.join(HERE, "..", "..", "src", "python"), HERE]
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import path, report, run, skip  # noqa: E402

if tap.lacking("torch"):
    skip("weights of PyTorch", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
from torch import nn  # noqa: E402

import networks  # noqa: E402
import poolscope  # noqa: E402

torch.manual_seed(2)
model = networks.ResNet()
poolscope.export(model, torch.randn(2, 3, 8, 8), path("net.json"), path("weights.safetensors"))
NET = ["--graph", "net.json", *tap.OWN[:-1]]
plain = run("diagnose", "weights.safetensors", *NET, "--tsv")
report(plain.returncode == 0, "an exported network is diagnosed", plain.stderr)
state = model.state_dict()

# ---- files of torch.save ----
torch.save(state, path("state.pt"))
torch.save(state, path("old.pth"), _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "state_dict": state}, path("nested.ckpt"))
lines = {}
for file in ("state.pt", "old.pth", "nested.ckpt"):
    result = run("diagnose", file, *NET)
    said = result.stderr.strip()
    lines[file] = said[said.index("import torch") :] if "import torch" in said else ""
    report(
        result.returncode == 2 and lines[file] and len(said) <= 600 and "\n" not in said, f"{file}: one sentence", said
    )
if tap.lacking("safetensors"):
    skip("the line that converts them", "no safetensors here (make venv)")
else:
    for file, line in lines.items():
        words = line.replace('"FILE"', repr(path(file))).replace(
            '"weights.safetensors"', repr(path("converted.safetensors"))
        )
        done = subprocess.run([sys.executable, "-c", words], stderr=subprocess.PIPE, text=True)
        result = run("diagnose", "converted.safetensors", *NET, "--tsv")
        report(
            done.returncode == 0 and result.stdout == plain.stdout,
            f"{file}: its line converts it",
            done.stderr + result.stderr,
        )
        if os.path.exists(path("converted.safetensors")):
            os.remove(path("converted.safetensors"))
poolscope.save_weights(torch.load(path("state.pt")), path("own.safetensors"))
report(run("diagnose", "own.safetensors", *NET, "--tsv").stdout == plain.stdout, "and so does poolscope.save_weights")

# ---- wrapped, narrow, tied ----
wrapped = {
    "DataParallel": nn.DataParallel(model).state_dict(),
    "swa": torch.optim.swa_utils.AveragedModel(model).state_dict(),
}
if hasattr(torch, "compile"):
    wrapped["compile"] = torch.compile(model).state_dict()
    inside = networks.ResNet()
    inside.load_state_dict(state)
    inside.layer1 = torch.compile(inside.layer1)
    wrapped["compile inside"] = nn.DataParallel(inside).state_dict()
for name, tensors in wrapped.items():
    # as another program's writer would: names as they are
    kept = poolscope._plain_name
    poolscope._plain_name = lambda name: name
    poolscope.save_weights(tensors, path("wrapped.safetensors"))
    poolscope._plain_name = kept
    result = run("diagnose", "wrapped.safetensors", *NET, "--tsv")
    notes = [line for line in result.stderr.splitlines() if "module." in line or "_orig_mod." in line]
    report(
        result.stdout == plain.stdout and len(notes) == 1 + (name == "compile inside"),
        f"{name}: words of wrappers are left out, and that is said",
        result.stderr,
    )
for dtype in (torch.float16, torch.bfloat16, torch.float64):
    narrow = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    poolscope.save_weights(narrow, path("narrow.safetensors"))
    poolscope.save_weights(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in narrow.items()},
        path("wide.safetensors"),
    )
    result = run("eval", "narrow.safetensors", *NET, "--json")
    report(
        result.returncode == 0 and result.stdout == run("eval", "wide.safetensors", *NET, "--json").stdout,
        f"{dtype} is read as it is",
        result.stderr,
    )
    back = poolscope.load_weights(path("narrow.safetensors"))
    report(
        all(torch.equal(back[name], narrow[name]) and back[name].dtype == narrow[name].dtype for name in narrow),
        f"{dtype} comes back as it was",
    )
tied = nn.Sequential(
    nn.Conv2d(3, 3, 1, bias=False),
    nn.ReLU(),
    nn.Conv2d(3, 3, 1, bias=False),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(192, 10),
)
poolscope.export(tied, torch.randn(2, 3, 8, 8), path("tied.json"), path("tied-apart.safetensors"))
tied[2].weight = tied[0].weight
if tap.lacking("safetensors"):
    skip("tied weights as safetensors.torch.save_model writes them", "no safetensors here (make venv)")
else:
    from safetensors.torch import load_file, save_model

    save_model(tied, path("tied.safetensors"))
    result = run("eval", "tied.safetensors", "--graph", "tied.json", *tap.OWN[:-1])
    report(
        result.returncode == 0 and re.search(r"1 of its parameters? stands", result.stderr),
        "tied weights as safetensors.torch.save_model writes them",
        result.stderr,
    )
    poolscope.save_weights(tied, path("both.safetensors"))
    theirs = load_file(path("both.safetensors"))
    report(
        set(theirs) == set(tied.state_dict()) and all(torch.equal(theirs[k], v) for k, v in tied.state_dict().items()),
        "the format's own library reads what save_weights writes",
    )
tap.done()
