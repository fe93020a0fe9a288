"""Takes a network that train.py has trained out of PyTorch, for poolscope. Usage: take_out.py RUN DIRECTORY"""
import os
import sys

import poolscope
import torch
from task import as_input, network, pictures, write_idx

run, directory = sys.argv[1:]
model = network()
if "ps2" in run:
    model = poolscope.insert_pool_skip(model, 2)
model.load_state_dict(torch.load(os.path.join(run, "model.pt")))
os.makedirs(directory, exist_ok=True)
write_idx(os.path.join(directory, "pictures"))
poolscope.export(model, as_input(pictures(2, seed=1)[0]), os.path.join(directory, "net.json"),
                 os.path.join(directory, "weights.safetensors"))
