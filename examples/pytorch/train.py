"""A training script in PyTorch, and what poolscope adds to it: the three places marked +. Usage:
train.py DIRECTORY [STEPS [SEED ...]]: each seed is trained without and with Pool Skip."""
import os
import sys

import poolscope  # +
import torch
from task import as_input, network, pictures
from torch.nn.functional import cross_entropy

directory, steps, seeds = sys.argv[1], int((sys.argv + ["150"])[2]), sys.argv[3:] or ["1", "2", "3"]
torch.set_num_threads(1)
(images, labels), (test_images, test_labels) = pictures(1024, seed=1), pictures(256, seed=2)
images, test_images = as_input(images), as_input(test_images)


def train(arm, seed, out):
    torch.manual_seed(seed)
    model = network()
    if arm == "ps2":
        model = poolscope.insert_pool_skip(model, 2)  # + the arm: the same weights, and modules behind convolutions
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    order = torch.Generator().manual_seed(seed)
    with poolscope.record(model, optimizer, out, probe=images[:128], seed=seed, arm=arm, window=25, steps=steps,  # +
                          measures={"accuracy": "higher"}, pairing={"data": "stripes", "order": f"seed {seed}"}) as rec:
        for _ in range(steps):
            batch = torch.randint(len(images), (32,), generator=order)
            loss = cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rec.loss(loss)  # +
        with torch.no_grad():
            logits = model.eval()(test_images)
        right = (logits.argmax(1) == test_labels).float().mean().item()
        rec.eval(loss=cross_entropy(logits, test_labels).item(), count=len(test_labels), accuracy=right)  # +
    torch.save(model.state_dict(), os.path.join(out, "model.pt"))
    print(f"{arm}, seed {seed}: {100 * right:.1f} % of the test pictures right")


for seed in seeds:
    for arm in ("baseline", "ps2"):
        train(arm, int(seed), os.path.join(directory, f"{arm}-{seed}"))
