"""poolscope for PyTorch: watch any training run, and write what poolscope reads.

    import poolscope
    with poolscope.record(model, optimizer, "runs/a", probe=images, seed=1, arm="baseline") as rec:
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rec.loss(loss)
"""
import contextlib
import json
import os
import time

import torch
from torch import nn

# ======================================================================================================================
# The recorder: record(...), and what it is made of
# ======================================================================================================================

# ---- what is recorded: the quantities ----

# ---- the network as operations: which gate shuts which nodes ----

# ---- the trace as text ----

# ---- windows: what training steps add up ----

# ---- probing: forward passes that leave no trace in the run ----

# ---- record ----

# ---- adapters: Lightning, Hugging Face ----

# ======================================================================================================================
# Pool Skip: the module, its controls, and how it is put into a network
# ======================================================================================================================
# What the recorder goes by: `PoolSkip.forward(y)` computes
#       source = y if self.observer is None else self.observer.alias(y)   (another name of the same values, so that the
#       path = self.conv(select(source))                                   gradient by the pool path can be told apart)
#       output = y + path
#       if self.observer is not None: self.observer.seen(y, path, output)
# with `observer = None` as a class attribute (no parameter, no entry of the state), and has the attributes `channels`,
# `pool_size`, `mode` ("full", "conv+skip", "grid+conv+skip", "grid-energy+conv+skip"), `cut` ("none", "forward",
# "gradient") and `conv`. The recorder takes the whole module for one operation.

# ======================================================================================================================
# Pairs: digests of what must be equal in two runs
# ======================================================================================================================

# ======================================================================================================================
# Export: a network as poolscope's JSON graph
# ======================================================================================================================
