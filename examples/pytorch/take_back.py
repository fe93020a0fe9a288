"""Loads what poolscope trained on back into the model, and counts as train.py does. Usage: take_back.py RUN"""
import sys

import poolscope
import torch
from task import as_input, network, pictures

model = network()
state = poolscope.load_weights(sys.argv[1])
if any("pool_skip" in name for name in state):
    model = poolscope.insert_pool_skip(model, 2)
model.load_state_dict(state, strict=False)  # all but counters of batches
images, labels = pictures(256, seed=2)
with torch.no_grad():
    right = (model.eval()(as_input(images)).argmax(1) == labels).float().mean().item()
print(f"{100 * right:.1f} % of the test pictures right")
