#!/usr/bin/env python3
"""The recorder among other frameworks: DistributedDataParallel with two processes, torch.compile, Lightning and Hugging Face's Trainer.
Speaks TAP; what is not installed is skipped with a reason."""
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
SOURCES = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "python"))
sys.path.insert(0, SOURCES)
sys.dont_write_bytecode = True
import tap  # noqa: E402
from tap import path, records, report, run, skip  # noqa: E402

if tap.lacking("torch"):
    skip("the recorder among frameworks", "no PyTorch here (make venv, or apt-get install python3-torch)")
    tap.done()
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

import poolscope  # noqa: E402

torch.set_num_threads(1)
torch.manual_seed(7)
X, Y, PROBE = torch.randn(48, 3, 8, 8), torch.randint(4, (48,)), torch.randn(8, 3, 8, 8)


def build(seed=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Conv2d(5, 6, 3), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))


def is_valid(name, folder):
    valid = run("validate", path(folder))
    report(valid.returncode == 0, f"{name}: the trace follows the format", valid.stdout + valid.stderr)
    return [r["type"] for r in records(folder)]


def values(folder, quantity, layer="0"):
    return [r["values"][quantity] for r in records(folder, "window") if r["layer"] == layer]


def close(a, b, within=1e-4):
    a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    return a.shape == b.shape and bool(((a - b).abs() <= within * (1e-9 + b.abs().max())).all())


def train(model, optimizer, folder, wrap=None):
    with poolscope.record(model, optimizer, path(folder), probe=PROBE, window=3) as rec:
        called = wrap(model) if wrap else model
        for i in range(6):
            loss = F.cross_entropy(called(X[8 * i:8 * i + 8]), Y[8 * i:8 * i + 8])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rec.loss(loss)


# ---- two processes ----

WORKER = """
import os, sys
import torch, torch.distributed, torch.nn.functional as F
sys.path[:0] = [{sources!r}, {here!r}]
import poolscope
rank = int(sys.argv[1])
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[2])
torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
torch.set_num_threads(1)
torch.manual_seed(7)
X, Y, PROBE = torch.randn(48, 3, 8, 8), torch.randint(4, (48,)), torch.randn(8, 3, 8, 8)
torch.manual_seed(3)
nn = torch.nn
model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.Conv2d(5, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
wrapped = nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
watch = poolscope.record(wrapped, optimizer, sys.argv[3], probe=PROBE, window=3) if sys.argv[4] == "watched" else None
norms = []
for i in range(6):
    rows = slice(8 * i + 4 * rank, 8 * i + 4 * rank + 4)
    loss = F.cross_entropy(wrapped(X[rows]), Y[rows])
    optimizer.zero_grad()
    loss.backward()
    norms.append(float(model[0].weight.grad.norm()))
    optimizer.step()
    if watch:
        watch.loss(loss)
        watch.eval(accuracy=0.5, count=8)
if watch:
    watch.close()
if rank == 0:
    torch.save((model.state_dict(), norms), sys.argv[3] + ".pt")
torch.distributed.barrier()  # rank 0 keeps the store that the other one still talks to
torch.distributed.destroy_process_group()
# DistributedDataParallel keeps the group, and gloo's threads with it, beyond this, with the recorder or without (PyTorch
# 2.13; even where the wrapper is gone). A thread that asks for the interpreter's lock while the interpreter ends is
# thrown out of it, through C++ that does not let it: "terminate called without an active exception". So it does not end.
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
"""


def two_processes(folder, watched):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = WORKER.format(sources=SOURCES, here=os.path.dirname(os.path.abspath(__file__)))
    jobs = [subprocess.Popen([sys.executable, "-c", text, str(rank), str(port), path(folder), watched], stderr=subprocess.PIPE, text=True)
            for rank in (0, 1)]
    errors = [job.communicate(timeout=300 * tap.PATIENCE)[1] for job in jobs]
    return all(job.returncode == 0 for job in jobs), "\n".join(errors)[-1500:]


if torch.distributed.is_available() and torch.distributed.is_gloo_available() if hasattr(torch.distributed, "is_gloo_available") else \
        torch.distributed.is_available():
    bare, errors = two_processes("bare", "bare")
    good, more = two_processes("ddp", "watched")
    report(bare and good, "DistributedDataParallel: both processes come to their end", errors + more)
    if bare and good:
        is_valid("DistributedDataParallel", "ddp")
        (first, norms), (second, _) = torch.load(path("bare.pt")), torch.load(path("ddp.pt"))
        report(all(torch.equal(first[key], second[key]) for key in first), "DistributedDataParallel: the same bits as without the recorder")
        header = records("ddp", "header")[0]
        report(header["rank"] == 0 and header["ranks"] == 2 and len(records("ddp", "header")) == 1, "DistributedDataParallel: rank 0 alone writes")
        grads = torch.tensor(values("ddp", "grad_norm_rms")).pow(2).sum(1) * 3
        hand = torch.tensor(norms).pow(2).view(2, 3).sum(1)
        report(close(grads.tolist(), hand.tolist()), "DistributedDataParallel: gradients are those of all processes together", (grads, hand))
else:
    skip("DistributedDataParallel", "this build of the framework has no gloo")

# ---- torch.compile ----


def compiled(model):
    """What hooks meet is what reads the code; which code comes out of it does not matter."""
    return torch.compile(model, backend="aot_eager")


def can_compile():
    if not hasattr(torch, "compile"):
        return "before version 2.0 there is nothing to compile with"
    try:
        compiled(nn.ReLU())(torch.ones(3))
    except Exception as error:  # a version of Python that it does not know, say
        print("# " + str(error).splitlines()[0][:200])
        return "nothing can be compiled here"
    return ""


why = can_compile()
if why:
    skip("torch.compile", why)
else:
    plain = build()
    train(plain, torch.optim.SGD(plain.parameters(), 0.05, momentum=0.9), "plain")
    model = build()
    train(model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), "compiled", compiled)
    is_valid("torch.compile", "compiled")
    same = all(close(values("compiled", name), values("plain", name), 1e-3) for name in ("zeros", "grad_norm_rms", "path", "grad_out_rms", "shut_steps"))
    report(same, "torch.compile: hooks that were set before see what they see in the plain model",
           [(values("compiled", n), values("plain", n)) for n in ("zeros", "grad_norm_rms")])
    try:
        poolscope.record(compiled(build()), torch.optim.SGD(model.parameters(), 0.1), path("late"), probe=PROBE)
        report(False, "torch.compile: a model that is compiled already is refused")
    except RuntimeError as error:
        report("compiled already" in str(error), "torch.compile: a model that is compiled already is refused", error)

# ---- Lightning ----


def with_lightning():
    import lightning.pytorch as lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, index):
            x, y = batch
            return F.cross_entropy(self(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=8)

    def fit(callbacks, steps=6, **more):
        lightning.seed_everything(1, verbose=False)
        model = Module()
        trainer = lightning.Trainer(max_steps=steps, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, callbacks=callbacks,
                                    enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=0.1, **more)
        trainer.fit(model, loader)
        return model

    bare, watched = fit([]), fit([poolscope.lightning_callback(path("lightning"), probe=PROBE, window=3)])
    report(all(torch.equal(a, b) for a, b in zip(bare.state_dict().values(), watched.state_dict().values())),
           "Lightning: the same bits as without the recorder")
    is_valid("Lightning", "lightning")
    steps = records("lightning", "step")
    report(len(steps) == 6 and all(s["grad_norm"] > 0.1 and abs(s["clip"] * s["grad_norm"] - 0.1) < 1e-3 and s["loss"] > 0 for s in steps) and
           records("lightning")[-1]["type"] == "end", "Lightning: losses, and gradients before clipping", steps[:2])
    fit([poolscope.lightning_callback(path("accumulated"), probe=PROBE, window=3)], 3, accumulate_grad_batches=2)
    is_valid("Lightning with accumulation", "accumulated")
    report(len(records("accumulated", "step")) == 3, "Lightning with accumulation: a step is an update")


if tap.lacking("lightning"):
    skip("Lightning", "no package lightning here")
else:
    import logging
    import warnings
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with_lightning()

# ---- Hugging Face ----


class Killed(Exception):
    pass


def with_transformers():
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = build()

        def forward(self, x, labels=None):
            logits = self.net(x)
            return {"logits": logits} if labels is None else {"loss": F.cross_entropy(logits, labels), "logits": logits}

    data = [{"x": x, "labels": int(y)} for x, y in zip(X, Y)]

    def fit(callbacks, resume=None, **more):
        torch.manual_seed(2)
        model = Model()
        arguments = TrainingArguments(path("hf-out"), max_steps=6, per_device_train_batch_size=4, gradient_accumulation_steps=2, max_grad_norm=0.1,
                                      learning_rate=1e-3, report_to=[], logging_steps=1, disable_tqdm=True, use_cpu=True, seed=5,
                                      **{"save_strategy": "no", **more})
        Trainer(model=model, args=arguments, train_dataset=data, callbacks=callbacks).train(resume_from_checkpoint=resume)
        return model

    class Killer(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            if state.global_step == 5:
                raise Killed

    def killed():
        """After a checkpoint at step 4; and gone on from there."""
        saving = {"save_strategy": "steps", "save_steps": 4}
        try:
            fit([poolscope.transformers_callback(path("hf2"), probe={"x": PROBE}, window=3), Killer()], **saving)
        except Killed:
            pass
        fit([poolscope.transformers_callback(path("hf2"), probe={"x": PROBE}, window=3)], path("hf-out", "checkpoint-4"), **saving)

    quiet = os.dup(1)
    os.dup2(2, 1)  # it prints its logs
    try:
        bare = fit([])
        watched = fit([poolscope.transformers_callback(path("hf"), probe={"x": PROBE}, window=3)])
        killed()
    finally:
        os.dup2(quiet, 1)
    report(all(torch.equal(a, b) for a, b in zip(bare.state_dict().values(), watched.state_dict().values())),
           "Hugging Face: the same bits as without the recorder")
    is_valid("Hugging Face", "hf")
    steps, header = records("hf", "step"), records("hf", "header")[0]
    report(len(steps) == 6 and all(s["grad_norm"] > 0.1 and abs(s["clip"] * s["grad_norm"] - 0.1) < 1e-3 for s in steps) and header["accumulate"] == 2,
           "Hugging Face: gradients before clipping", steps[:2])
    report(sum("loss" in s for s in steps) >= 5, "Hugging Face: losses, where every step is logged", json.dumps(steps[:2]))
    difference = tap.difference(tap.trace("hf2"), tap.trace("hf"))
    report(not difference, "Hugging Face: a run that goes on from a checkpoint leaves the trace of one that was never cut off", difference)


if tap.lacking("transformers", "accelerate"):
    skip("Hugging Face", "no packages transformers and accelerate here")
else:
    with_transformers()
tap.done()
