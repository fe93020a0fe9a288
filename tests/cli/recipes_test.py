"""--recipe: what each sets, what may be another beside it, and what is refused."""
import json
import os
import re
import sys

sys.dont_write_bytecode = True
import tap
from tap import must, records, report, run, trace

NET = ["--model", "plain9", "--width", "0.05", *tap.OWN, "--record", "none", "--checkpoint-every", "0", "--window", "16"]
NONE = {"rotate": 0, "erase": 0, "rand_augment": "", "resized_crop_scale": "", "mixup": 0, "cutmix": 0, "label_smoothing": 0, "clip": 0, "lr_min": 0, "decay_exempt": "none"}
SGD = {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4, "lr": 0.1, "batch": 128, "epochs": 200, "schedule": "step", "step_factor": 0.2, "crop_pad": 4, "flip": True}
CCT = {"optimiser": "adamw", "weight_decay": 0.06, "batch": 128, "epochs": 310, "schedule": "cosine", "lr_min": 1e-5, "lr_by_epoch": True, "warmup_epochs": 10, "cooldown_epochs": 10,
       "flip": True, "resized_crop_scale": "0.8,1", "rand_augment": "m9-mstd0.5-inc1", "erase": 0.25, "mixup": 0.8, "cutmix": 1, "mix_switch": 0.5, "label_smoothing": 0.1,
       "decay_exempt": "norms,biases", "beta1": 0.9, "beta2": 0.999, "crop_pad": 0, "rotate": 0}
EXPECTED = {
    "devries": {**NONE, **SGD, "nesterov": True, "milestones": "0.3,0.6,0.8", "warmup": 0, "warmup_epochs": 0, "crop_black": False},
    "pool-skip-code": {**NONE, **SGD, "nesterov": False, "milestones": "0.295,0.595,0.795", "warmup_epochs": 1, "warmup_from": 0, "rotate": 15, "crop_black": True},
    "cct": {**CCT, "lr": 5.5e-4, "warmup_from": 1e-5, "mix_until_epoch": 175},
    "cct-c100": {**CCT, "lr": 6e-4, "warmup_from": 1e-6, "mix_until_epoch": 0},
}
NNUNET = {"optimiser": "sgd", "lr": 0.01, "momentum": 0.99, "nesterov": True, "weight_decay": 3e-5, "clip": 12, "epoch_steps": 250, "schedule": "polynomial", "poly_power": 0.9,
          "lr_by_epoch": True, "loss": "ce+dice", "foreground": 0.33, "pad_background": True, "patch_turn": 0.2, "patch_zoom": 0.2, "noise": 0.1, "blur": 0.2, "brightness": 0.15,
          "contrast": 0.15, "low_resolution": 0.25, "gamma_inverted": 0.1, "gamma": 0.3, "mirror": True, "flip": False, "rotate": 0, "crop_pad": 0}
DEEPLAB = {"optimiser": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4, "schedule": "polynomial", "poly_power": 0.9, "lr_min": 1e-6, "backbone_lr_factor": 0.1, "flip": True,
           "mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225", "clip": 0, "mirror": False}
# Those of masks, patches and networks that these data are not: their settings are looked at by what contradicts them.
MASKS = {
    "nnunet": NNUNET, "vnet-amos": {**NNUNET, "patch_size": "64,160,160"},
    "deeplab-voc": {**DEEPLAB, "lr": 0.01, "patch_size": "513", "pad_background": True, "crop_black": True, "patch_scale": "0.5,2"},
    "deeplab-cityscapes": {**DEEPLAB, "lr": 0.1, "patch_size": "768", "pad_background": False, "color_jitter": "0.5,0.5,0.5"},
}

with open(os.path.join(tap.ROOT, "src", "run", "recipe_list.def")) as stream:
    listed = re.findall(r'^PS_RECIPE\("([^"]+)"', stream.read(), re.M)
report(listed == list(EXPECTED) + list(MASKS), "the recipes of the list are those that this test knows", listed)
shown = must("help", "train").stdout
report(all(re.search(rf"\b{name}\b", shown) for name in listed), "and stand in --help")

# ---- what each sets: the steps are few, the settings whole ----
for name, expected in EXPECTED.items():
    must("train", *NET, "--train-limit", "256", "--recipe", name, "--probe", "16", "--batch", "16", "--steps", "2", "--cooldown-epochs", "0", "--out", name)
    config = records(name)[0]["config"]
    expected = {**expected, "batch": 16, "epochs": 0, "cooldown_epochs": 0}
    wrong = {k: (config.get(k), v) for k, v in expected.items() if config.get(k) != v}
    report(config["recipe"] == name and not wrong, f"{name}: the header has its name and every setting", wrong)
done = run("train", *NET, "--recipe", "devries", "--batch", "16", "--epochs", "5", "--schedule", "step", "--out", "epochs")
rates = [r["lr"] for r in records("epochs", "step")]
report(done.returncode == 0 and len(rates) == 80 and [round(r, 12) for r in (rates[0], rates[23], rates[24], rates[48], rates[64])] == [0.1, 0.1, 0.02, 0.004, 0.0008],
       "a shorter run falls at the same shares", rates[::8])
must("train", *NET, "--recipe", "pool-skip-code", "--batch", "16", "--epochs", "2", "--out", "code")
rates = [r["lr"] for r in records("code", "step")]
report(rates[:4] == [0.1 * i / 16 for i in range(4)], "the authors' warm-up: lr i / iterations", rates[:4])
must("train", "epochs/config.json", "--out", "again", "--quiet")
report(trace("again") == trace("epochs"), "the configuration of such a run is that run")
must("train", "--resume", "epochs", "--quiet")

# ---- and of masks: each setting again beside the recipe is none that contradicts it, another one is ----
FREE = ("lr", "epoch_steps", "patch_size", "mean", "std", "crop_pad")
FLAGS = ("flip", "mirror", "crop_black")  # off is allowed, below
for name, expected in MASKS.items():
    wrong = []
    for key, value in expected.items():
        if key in FREE or key in FLAGS and value:
            continue
        option = "--" + key.replace("_", "-")
        other = [option if not value else "--no-" + option[2:]] if isinstance(value, bool) else [option, {"optimiser": "adamw", "schedule": "step", "loss": "dice"}.get(key, "0.4,0.6,0.7" if "," in str(value) or value == "" else "0.0625" if key != "crop_pad" else "1")]
        done = run("train", *NET, "--recipe", name, *other, "--steps", "2", "--out", "never")
        if done.returncode != 2 or f"{key} = " not in done.stderr or "contradicts" not in done.stderr:
            wrong.append((key, done.stderr))
    report(not wrong, f"{name}: every setting of training and augmentation is the recipe's", wrong)

# ---- each augmentation can be switched off ----
SHAPES = ["train", "--data", "synthetic-2d", "--size", "32", "--train-limit", "8", "--test-limit", "2", "--probe", "4", "--batch", "2", "--model", "unet2d", "--width", "0.1",
          "--patch-size", "32", "--steps", "1", "--window", "1", "--record", "none", "--checkpoint-every", "0", "--quiet"]
AUGMENTATIONS = [line for line in re.findall(r"^PS_RUN_(\w+)\((\w+), ([^,]*),", re.search(r'PS_RUN_GROUP\("Augmentation"\)(.*?)PS_RUN_GROUP', open(os.path.join(
    tap.ROOT, "src", "run", "option_list.def")).read(), re.S).group(1), re.M) if line[1] not in ("resized_crop_ratio", "mix_switch")]
CCT_NET = ["train", *NET, "--batch", "16", "--steps", "2", "--warmup-epochs", "1", "--cooldown-epochs", "0"]
DEEP = [*SHAPES, "--model", "deeplabv3plus-mobilenetv2"]
for name, data in (("nnunet", SHAPES), ("deeplab-voc", DEEP), ("deeplab-cityscapes", DEEP), ("cct", CCT_NET)):
    words = [word for kind, key, off in AUGMENTATIONS for word in (["--no-" + key.replace("_", "-")] if kind == "FLAG" else ["--" + key.replace("_", "-"), off.strip('"')])]
    done = run(*data, "--recipe", name, *words, "--out", "off-" + name)
    config = records("off-" + name)[0]["config"] if done.returncode == 0 else {}
    wrong = {key: config.get(key) for kind, key, off in AUGMENTATIONS if config.get(key) not in (False, 0, "")}
    report(done.returncode == 0 and config["recipe"] == name and not wrong, f"{name}: every augmentation can be switched off, and the header says so", done.stderr + str(wrong))
done = run(*CCT_NET, "--recipe", "cct", "--mixup", "0", "--cutmix", "0", "--out", "unmixed")
config = records("unmixed")[0]["config"] if done.returncode == 0 else {}
report(done.returncode == 0 and config["mix_until_epoch"] == 0 and config["erase"] == 0.25, "what belongs to one that is off goes with it, the others stay", done.stderr)

# ---- contradictions ----
for name, options, words in (
    ("devries", ["--no-nesterov"], ("nesterov = no", "devries", "it is yes", "leave")),
    ("devries", ["--rotate", "15"], ("rotate = 15", "devries", "it is 0")),
    ("devries", ["--warmup-epochs", "1"], ("warmup_epochs = 1", "devries", "it is 0")),
    ("devries", ["--optimiser", "adamw"], ('optimiser = "adamw"', "devries", '"sgd"')),
    ("pool-skip-code", ["--nesterov"], ("nesterov = yes", "pool-skip-code", "it is no")),
    ("pool-skip-code", ["--milestones", "60,120,160"], ("milestones", "pool-skip-code", "0.295,0.595,0.795")),
    ("cct", ["--weight-decay", "0.01"], ("weight_decay = 0.01", "cct", "0.06")),
    ("cct", ["--crop-pad", "4"], ("crop_pad = 4", "cct", "it is 0")),
    ("cct", ["--warmup", "5"], ("warmup = 5", "cct", "it is 0")),
    ("Devries", [], ("Devries", "there are devries, pool-skip-code, cct, cct-c100")),
):
    done = run("train", *NET, "--recipe", name, "--batch", "16", "--steps", "2", *options, "--out", "never")
    report(done.returncode == 2 and all(w in done.stderr for w in words) and done.stderr.count("\n") <= 3, f"{name} beside {' '.join(options) or 'nothing'}: refused with the remedy", done.stderr)
must("train", *NET, "--recipe", "cct", "--batch", "16", "--steps", "2", "--lr", "1e-3", "--warmup-epochs", "1", "--cooldown-epochs", "0", "--weight-decay", "0.06", "--out", "beside")
report([records("beside")[0]["config"][k] for k in ("lr", "warmup_epochs", "cooldown_epochs")] == [1e-3, 1, 0], "its rate, its length and what goes by the length may be others")

# ---- in experiments ----
with open(tap.path("experiment.json"), "w") as stream:
    base = {"model": "plain9", "width": 0.05, "size": 8, "batch": 16, "probe": 32, "train_limit": 256, "test_limit": 48, "epochs": 1, "window": 16, "record": "none"}
    json.dump({"name": "e", "base": base, "arms": [{"name": "baseline", "recipe": "devries"}, {"name": "code", "recipe": "pool-skip-code"}], "seeds": [1]}, stream)
done = run("experiment", "experiment.json", "--out", "e", "--quiet", "--no-report")
configs = {arm: records(f"e/runs/{arm}/seed-1")[0]["config"] for arm in ("baseline", "code")}
report(done.returncode in (0, 1) and [configs[a]["nesterov"] for a in configs] == [True, False] and configs["code"]["rotate"] == 15, "recipes of an experiment's arms", done.stderr)
again = run("experiment", "experiment.json", "--out", "e", "--quiet", "--no-report")
report(again.returncode == done.returncode, "and once more finds its runs", again.stderr)
done = run("experiment", "experiment.json", "--rotate", "7", "--out", "f", "--quiet", "--no-report")
report(done.returncode == 2 and "rotate = 7" in done.stderr and "devries" in done.stderr, "what the command line says beside a file's recipe counts, too", done.stderr)
tap.done()
