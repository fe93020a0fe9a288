"""poolscope for PyTorch: watch any training run, and write what poolscope reads.

    import poolscope
    with poolscope.record(model, optimizer, "runs/a", probe=images, seed=1, arm="baseline") as rec:
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rec.loss(loss)                                  # optional, as is rec.eval(accuracy=0.9, count=1000)

Then `poolscope report runs/a`, `poolscope diagnose runs/a`, `poolscope compare runs` and the other commands work on it.
The whole file needs nothing but PyTorch, 1.13 or later.

How it looks without touching. One forward pass over two probe images shows which functions the model calls, and which
tensor goes where (PyTorch hands every call to a `TorchFunctionMode` first): so activations are found wherever they are
called, with the convolution that feeds each and the weights that read it. While training, hooks count what passes;
after `optimizer.step()` the weights are compared with what they were. At the end of every window the probe images are
run through the model, and running statistics, random numbers and modes are put back. No hook changes a value: the run
gives the same bits as without it, and when the recorder is closed, no hook is left.
"""
import collections
import contextlib
import copy
import ctypes
import dataclasses
import fnmatch
import hashlib
import json
import math
import os
import platform
import random
import re
import sys
import threading
import time
import traceback
import types
import warnings
import weakref

import torch
from torch import fx, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# ======================================================================================================================
# The recorder: record(...), and what it is made of
# ======================================================================================================================

# ---- what is recorded: the quantities ----

# record, per, name, unit, description; what each is exactly stands in FORMAT.md.
_QUANTITIES = [tuple(part.strip() for part in line.split("|")) for line in """
step | step | loss | nats | mean loss of the training batch, before the update
step | step | lr | 1 | learning rate
step | step | grad_norm | loss/weight | norm of the backbone's gradient, before clipping
step | step | grad_norm_module | loss/weight | the same of the inserted modules
step | step | clip | 1 | factor by which the backbone's gradient was clipped (1: not)
step | step | clip_module | 1 | the same of the inserted modules
window | node | zeros | share | gate outputs exactly 0 on the training batches, as a share of all
window | node | grad_norm_rms | loss/weight | root mean square over steps of the gradient norm of the incoming weights
window | node | grad_zero_steps | count | steps on which every element of that gradient was exactly 0
window | node | grad_out_rms | loss/output | root mean square over steps of the gradient norm of what enters the gate, \
or its norm where that stands right before
window | node | path | weight | path length: sum of the norms of the weight updates
window | node | path_gradient | weight | part of this window's gradients
window | node | path_carried | weight | part of gradients from before the window, through momentum or AdamW's first \
moment
window | node | path_decay | weight | part of weight decay
window | node | path_residual | weight | rounding: update minus the sum of its parts
window | node | net | weight | net displacement: norm of the sum of the updates
window | node | net_gradient | weight | net displacement by gradients (this window's and carried)
window | node | net_decay | weight | net displacement by weight decay
window | node | weight_start_l2 | weight | norm of the incoming weights when the window began
window | node | out_net_gradient | weight | net displacement, by this window's gradients, of all weights that read the \
node
window | node | out_start_l2 | weight | norm of all weights that read the node when the window began
window | node | pool_identity | output^2 | Pool Skip: sum of squares of its input y, mean over steps
window | node | pool_path | output^2 | Pool Skip: sum of squares of the pool path, mean over steps
window | node | pool_output | output^2 | Pool Skip: sum of squares of its output o, mean over steps
window | node | pool_grad_identity | (loss/output)^2 | Pool Skip: sum of squares of the identity part of dL/dy, mean \
over steps
window | node | pool_grad_path | (loss/output)^2 | Pool Skip: sum of squares of the pool path's part of dL/dy, mean \
over steps
window | node | pool_grad_total | (loss/output)^2 | Pool Skip: sum of squares of dL/dy, mean over steps
window | node | pool_cross | output^2 | Pool Skip: sum of y times the pool path, mean over steps
window | node | pool_grad_cross | (loss/output)^2 | Pool Skip: sum of both parts of dL/dy multiplied, mean over steps
window | node | pool_row_grad_rms | loss/weight | root mean square over steps of the gradient norm of the node's own \
row of the Pool Skip convolution
window | node | pool_row_grad_zero_steps | count | steps on which every element of that gradient was exactly 0
window | node | shut_steps | count | steps whose batch shut the gate: every one of its outputs was exactly 0
window | node | shut_filter_grad_steps | count | those of them with a gradient that is not 0 in the incoming weights \
or the bias
window | node | shut_gamma_grad_steps | count | the same of the scale of its normalisation
window | node | shut_beta_grad_steps | count | the same of the shift of its normalisation
window | node | shut_pool_row_grad_steps | count | the same of the node's own row (and bias) of the Pool Skip \
convolution
window | node | shut_identity_grad_steps | count | the same of the identity part of its Pool Skip's dL/dy
window | node | shut_reader_grad_steps | count | the same of all weights that read the node and see 0 where its gate \
is shut
probe | node | weight_l2 | weight | L2 norm of the incoming weights
probe | node | weight_l1 | weight | L1 norm of the incoming weights
probe | node | bias | weight | bias
probe | node | gamma | weight | scale of its normalisation
probe | node | beta | weight | shift of its normalisation
probe | node | norm_mean | output | mean of what enters its normalisation, over the probe images
probe | node | norm_var | output^2 | variance of what enters its normalisation, over the probe images
probe | node | running_mean | output | running mean of its normalisation, by which evaluation mode goes
probe | node | running_var | output^2 | running variance of its normalisation, by which evaluation mode goes
probe | node | out_l2 | weight | L2 norm of all weights that read the node
probe | layer | in_alive | count | input channels of the layer that are not dead
probe | node | nonzero | count | gate outputs that are not exactly 0, batch statistics
probe | node | images_active | count | probe images with at least one such output
probe | node | mean | output | mean of the gate output
probe | node | mean_abs | output | mean of its absolute value
probe | node | rms | output | root mean square of the gate output
probe | node | image_spread | output | largest difference between a probe image's gate output and the first image's at \
the same position
probe | node | saturated | share | gate outputs at which the derivative of the gate is below 1e-3, though they are no \
0 of a ReLU
probe | node | at_ceiling | share | gate outputs exactly at the gate's ceiling, which take no gradient either
probe | node | nonzero_eval | count | gate outputs that are not exactly 0, running statistics
probe | node | nonzero_half | count | nonzero on the first half of the images of each probe batch
probe | node | nonzero_quarter | count | nonzero on the first quarter of the images of each probe batch
probe | node | pre_max | output | largest value that entered the gate
probe | node | in_l2 | output | root mean square of what enters the gate, or its norm where that stands right before
probe | layer | activation_l1 | output | L1 norm of the whole gate output
probe | layer | activation_l2 | output | L2 norm of the whole gate output
probe | node | pool_weight_l2 | weight | L2 norm of the node's own row of the Pool Skip convolution
""".replace("\\\n", "").strip().splitlines()]

_RECORD_OF = {name: record for record, _, name, _, _ in _QUANTITIES}

# The parts of an update are linear in gradient, momentum and decay under these alone; sampled steps do not have them.
_PARTS = ("path_gradient", "path_carried", "path_decay", "path_residual", "net_gradient", "net_decay",
          "out_net_gradient")
_SHUT = ("shut_steps", "shut_filter_grad_steps", "shut_gamma_grad_steps", "shut_beta_grad_steps",
         "shut_pool_row_grad_steps", "shut_identity_grad_steps", "shut_reader_grad_steps")
_POOL_SUMS = ("pool_identity", "pool_path", "pool_output", "pool_cross", "pool_grad_identity", "pool_grad_path",
              "pool_grad_total", "pool_grad_cross")
_LIGHT = "loss,lr,zeros,weight_start_l2,weight_l2,nonzero"


def _choose(items, names, what):
    """Those of the names that patterns choose, as `--record` has it: `a*,b`, or `-a*` for all others."""
    chosen = None
    for item in items:
        wanted, pattern = not item.startswith("-"), item.lstrip("-")
        found = {name for name in names if fnmatch.fnmatchcase(name, "*" if pattern == "all" else pattern)}
        if not found and pattern != "none":
            raise ValueError(f"poolscope.record: no {what} matches {pattern!r}; there are {', '.join(sorted(names))}")
        if chosen is None:
            chosen = set() if wanted else set(names)
        chosen = chosen | found if wanted else chosen - found
    return set(names) if chosen is None else chosen


# ---- the network as operations: which gate shuts which nodes ----

# An activation: its name in traces, what the death of a node behind it is, where it is cut off, its slope below 0, and
# whether a 0 stays 0.
_Gate = collections.namedtuple("_Gate", "activation means ceiling slope keeps_zero", defaults=(None, None, True))
_RELU = _Gate("relu", "zero")
_CURVED = {name: _Gate(name, "saturated") for name in ("elu", "selu", "celu", "gelu", "silu", "mish", "hardswish",
                                                       "prelu", "rrelu", "tanh", "hardshrink", "softshrink")}
_CURVED["softplus"] = _Gate("softplus", "saturated", keeps_zero=False)


def _argument(args, kwargs, at, name, default=None):
    return args[at] if len(args) > at else kwargs.get(name, default)


def _cut_off(low, high):
    """min(max(x, low), high) is a gate where low is 0."""
    if isinstance(low, torch.Tensor) or low != 0 or isinstance(high, torch.Tensor):
        return None
    if high is None or high == math.inf:
        return _RELU
    return _Gate("relu6" if high == 6 else "clamp", "zero or ceiling", ceiling=float(high))


def _gate_of(name, args, kwargs):
    """What kind of gate a function is that is called so; None: none. Indices that are kept in range are none."""
    entering = _argument(args, kwargs, 0, "input")
    if isinstance(entering, torch.Tensor) and not entering.is_floating_point():
        return None
    if name == "relu":
        return _RELU
    if name == "relu6":
        return _cut_off(0, 6)
    if name in ("clamp", "clip", "clamp_min"):
        return _cut_off(_argument(args, kwargs, 1, "min"), _argument(args, kwargs, 2, "max"))
    if name == "hardtanh":
        return _cut_off(_argument(args, kwargs, 1, "min_val", -1), _argument(args, kwargs, 2, "max_val", 1))
    if name == "threshold":
        zero = _argument(args, kwargs, 1, "threshold") == 0 and _argument(args, kwargs, 2, "value") == 0
        return _RELU if zero else None
    if name == "leaky_relu":
        slope = float(_argument(args, kwargs, 1, "negative_slope", 0.01))
        return _Gate("leaky_relu", "saturated", slope=slope) if slope else _RELU
    return _CURVED.get(name)


_CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}
_TRANSPOSED = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
_WEIGHTED = _CONVOLUTIONS | _TRANSPOSED | {"linear"}
_NORMS = {"batch_norm", "instance_norm"}
_NORMS_ACROSS = {"layer_norm", "group_norm", "rms_norm"}
# Each channel by itself, and the channels stay where they are.
_ALIKE = {"dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "interpolate", "upsample", "pad",
          "contiguous", "clone", "to", "float", "half", "bfloat16", "double", "type", "cpu", "cuda", "alias", "detach"}
_ALIKE |= {f"{name}{d}d{more}" for d in (1, 2, 3) for more in ("", "_with_indices")
           for name in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "lp_pool", "dropout")}
_UNPOOLING = {"max_unpool1d", "max_unpool2d", "max_unpool3d"}
_RESHAPING = {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
_REDUCING = {"mean", "amax"}

# What a channel of a dead node is further on: exactly 0; the same for every image; or open, as good as alive (behind an
# unpooling it tells where other values stand).
_ZERO, _CONSTANT, _OPEN = range(3)
_KEPT, _MOVED, _LOST = (_ZERO, _CONSTANT), (_CONSTANT, _CONSTANT), (_ZERO, _OPEN)


class _Op:
    """One function of the forward pass. inputs: the operations whose outputs it reads, None: not known, -1: the
    network's input; the first `values` of them give the values (others say where these go). axis: of the channels."""

    def __init__(self, role, name, inputs, shape, axis, place=None):
        self.role, self.name, self.inputs, self.place = role, name, inputs, place
        self.shape, self.axis, self.values = tuple(shape), axis, len(inputs)
        self.gate = self.weight = self.bias = self.module = self.owner = None
        self.weight_shape, self.groups, self.path, self.has_bias = (), 1, "", False

    @property
    def channels(self):
        return self.shape[self.axis] if -1 < self.axis < len(self.shape) else 0

    @property
    def keeps_channels(self):
        return self.role == "hands" or (self.role in ("norm", "gate") and len(self.inputs) == 1)

    @property
    def way(self):
        """What 0 and what a constant become."""
        if self.role == "hands":
            return _LOST if self.name in _UNPOOLING else _KEPT
        return _KEPT if self.role == "gate" and self.gate.keeps_zero else _MOVED


def _tensors(value):
    """All tensors of nested arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = vars(value).values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _uncompiled(act):
    """torch.compile runs it as it is, between two pieces of compiled code."""
    disable = getattr(getattr(torch, "compiler", None), "disable", None)
    return disable(act) if disable is not None and act is not None else act


class _Hook:
    """Stays with its own module: a copied or pickled model carries one that does nothing. compiled: whether it acts
    between pieces of compiled code, too."""

    def __init__(self, act=None, compiled=True):
        self.act, self.compiled = _uncompiled(act), compiled

    def __call__(self, *arguments):
        if self.act is None or not (self.compiled or not _is_compiling()):
            return None
        return self.act(*arguments)

    def __deepcopy__(self, memo):
        return _Hook()

    def __reduce__(self):
        return (_Hook, ())


class _Walk(TorchFunctionMode):
    """Follows one forward pass: which function is called in which module. Calls of a kind that matters get a place:
    (module, kind, how many of this kind came before it in this module)."""

    def __init__(self, model):
        super().__init__()
        self.model, self.hooks, self.inside, self.muted = model, [], [], 0
        self.calls, self.count = collections.Counter(), collections.Counter()

    def __enter__(self):
        for module in self.model.modules():
            self.hooks.append(module.register_forward_pre_hook(_Hook(self.enter)))
            self.hooks.append(module.register_forward_hook(_Hook(self.leave)))
        return super().__enter__()

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)

    def enter(self, module, inputs):
        self.inside.append(module)
        self.calls[module] += 1
        self.muted += isinstance(module, PoolSkip)

    def leave(self, module, inputs, output):
        self.inside.pop()
        self.muted -= isinstance(module, PoolSkip)
        if not self.muted:
            self.left(module, inputs, output)

    def left(self, module, inputs, output):
        pass

    def place(self, kind):
        owner = self.inside[-1] if self.inside else self.model
        self.count[owner, kind] += 1
        return owner, kind, self.count[owner, kind] - 1

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.muted:
            return func(*args, **kwargs)
        name = func.__name__.strip("_")
        gate = _gate_of(name, args, kwargs)
        kind = "gate" if gate else "weights" if name in _WEIGHTED else "norm" if name in _NORMS else None
        place = self.place(kind) if kind else None
        return self.call(place, name, gate, func, args, kwargs)


class _Tracer(_Walk):
    """Notes every operation that the network's input reaches."""

    def __init__(self, model):
        super().__init__(model)
        self.ops, self.of, self.kept = [], {}, []  # of: id of a tensor -> its operation; kept: so that ids stay theirs
        self.paths = {module: path for path, module in model.named_modules()}
        self.parameters = {id(p): name for name, p in model.named_parameters()}

    def run(self, args, kwargs):
        self.put((args, kwargs), -1)
        with self:
            output = self.model(*args, **kwargs)
        self.outputs = [self.of[id(t)] for t in _tensors(output) if id(t) in self.of]
        self.kept.clear()
        return self

    def put(self, value, op):
        for tensor in _tensors(value):
            self.of[id(tensor)] = op
            self.kept.append(tensor)

    def add(self, op, output):
        op.path = self.paths.get(self.inside[-1] if self.inside else op.module, "")
        self.ops.append(op)
        self.put(output, len(self.ops) - 1)

    def axis_of(self, at):
        return self.ops[at].axis if at is not None and at >= 0 else 1

    def call(self, place, name, gate, func, args, kwargs):
        read = _tensors((args, kwargs))
        # Before the call: a function in place makes what it read its own output.
        inputs = [self.of[id(t)] for t in read if id(t) in self.of]
        before = next((tuple(t.shape) for t in read if id(t) in self.of), ())
        grad = any(t.requires_grad for t in read if id(t) in self.of)
        output = func(*args, **kwargs)
        made = _tensors(output) or (read[:1] if name == "setitem" else [])
        if place:
            self.add_placed(place, name, gate, args, kwargs, inputs, made)
        elif made and inputs and (made[0].requires_grad or not grad):
            self.add_other(name, args, kwargs, inputs, before, made)
        return output

    def add_placed(self, place, name, gate, args, kwargs, inputs, made):
        first = _argument(args, kwargs, 0, "input")
        source = self.of[id(first)] if id(first) in self.of else (inputs[0] if inputs else None)
        axis = {"weights": made[0].dim() - 1 if name == "linear" else 1}.get(place[1], self.axis_of(source))
        op = _Op(place[1], name, [source], made[0].shape, axis, place)
        op.gate, op.module = gate, place[0]
        if place[1] == "weights":
            self.add_weights(op, first, _argument(args, kwargs, 1, "weight"), _argument(args, kwargs, 2, "bias"))
        elif place[1] == "norm":
            op.weight, op.bias = _argument(args, kwargs, 3, "weight"), _argument(args, kwargs, 4, "bias")
        self.add(op, made)

    def add_weights(self, op, entering, weight, bias):
        """Weights that are computed (weight norm, say) are no parameter: nothing is recorded of them."""
        op.weight_shape, op.has_bias = tuple(weight.shape), bias is not None
        op.owner = self.parameters.get(id(weight))
        op.weight, op.bias = weight if op.owner else None, bias if id(bias) in self.parameters else None
        op.groups = (op.channels if op.name in _TRANSPOSED else entering.shape[op.axis]) // weight.shape[1]

    def add_other(self, name, args, kwargs, inputs, before, made):
        axis = self.axis_of(inputs[0])
        went = self.channels_go(name, args, kwargs, before, axis, tuple(made[0].shape), len(inputs))
        role = "other" if went is None else "hands"
        role = "across" if name in _NORMS_ACROSS and len(inputs) == 1 else role
        op = _Op(role, name, inputs, made[0].shape, axis if went is None else went)
        if name in _UNPOOLING:
            op.values = 1
        if role == "across":
            op.weight, op.bias = _argument(args, kwargs, 2, "weight"), _argument(args, kwargs, 3, "bias")
        self.add(op, made)

    def channels_go(self, name, args, kwargs, before, axis, after, inputs):
        """The axis of the channels behind a function that hands each on by itself; None: it does not."""
        if name == "cat" or name == "concat":
            dim = _argument(args, kwargs, 1, "dim", kwargs.get("axis", 0))
            return axis if dim % len(after) == axis else None
        if inputs > 1 and name not in _UNPOOLING:
            return None
        if name in _ALIKE or name in _UNPOOLING or (name in ("mul", "div", "truediv") and after == before):
            return axis if len(_tensors((args, kwargs))) == 1 or name in _UNPOOLING else None
        if name in _REDUCING:
            dims = _argument(args, kwargs, 1, "dim")
            dims = [dims] if isinstance(dims, int) else list(dims or range(len(before)))
            dims = {d % len(before) for d in dims}
            if axis in dims or 0 in dims:
                return None
            return axis if len(after) == len(before) else axis - sum(d < axis for d in dims)
        if name in ("transpose", "swapaxes", "permute"):
            return self.turned(name, args, kwargs, len(before), axis)
        if name in _RESHAPING:
            return _reshaped(before, axis, after)
        return None

    @staticmethod
    def turned(name, args, kwargs, dims, axis):
        if name == "permute":
            order = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:] or kwargs.get("dims", ())
            order = [d % dims for d in order]
            return order.index(axis) if axis in order else None
        two = [_argument(args, kwargs, at, key) for at, key in ((1, "dim0"), (2, "dim1"))]
        if not all(isinstance(d, int) for d in two):
            return None
        two = [d % dims for d in two]
        return two[1 - two.index(axis)] if axis in two else axis

    def left(self, module, inputs, output):
        """What a module did unseen (a function of its own in C++, a Pool Skip) is one operation."""
        made = _tensors(output)
        sources = [self.of[id(t)] for t in _tensors(inputs) if id(t) in self.of]
        skips = isinstance(module, PoolSkip)
        if not made or not sources or (id(made[0]) in self.of and not skips):
            return
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        role = "pool_skip" if skips else "norm" if norm else "other"
        op = _Op(role, type(module).__name__, sources, made[0].shape, self.axis_of(sources[0]))
        if norm:
            op.weight, op.bias = module.weight, module.bias
        self.add(op, made)
        op.module, op.path = module, self.paths.get(module, "")


def _reshaped(before, axis, after):
    """Where the channels are behind a view; several features of one stay neighbours (flattening)."""
    if before[:axis] == after[:axis] and len(after) > axis:
        if after[axis] == before[axis] or (len(after) == axis + 1 and after[axis] == math.prod(before[axis:])):
            return axis
    if axis == len(before) - 1 and after and after[-1] == before[-1]:
        return len(after) - 1
    return None


class _Layer:
    """A gate with what feeds it and what reads it; in traces its nodes are the gate's channels."""

    def __init__(self, ops, at, depth):
        gate = ops[at]
        self.gate_op, self.gate, self.depth = at, gate.gate, depth[at]
        self.channels, self.elements = gate.channels, math.prod(gate.shape[1:]) // max(1, gate.channels)
        self.source_op = self.norm_op = self.pool_op = self.gain_op = None
        self.feeds, self.readers, self.identity_path = [], [], False

    @property
    def rectifies(self):
        return self.gate.means != "saturated"

    @property
    def shared(self):
        return self.source_op is None


# feeds: of what the source reads. readers: weights that read the layer; `first` of their inputs is its channel 0, and
# `stride` inputs stand for a channel (features behind a flattening).
_Feed = collections.namedtuple("_Feed", "layer first channels dead")
_Reader = collections.namedtuple("_Reader", "op first stride way")
_Piece = collections.namedtuple("_Piece", "layer channels stride way")


def _pass(way, channel):
    return channel if channel == _OPEN else way[channel]


def _join(first, second):
    return _pass(second, first[0]), _pass(second, first[1])


class _Graph:
    """Which gate shuts which nodes, by the same rules as poolscope's own networks (src/graph/units.c): a gate is a
    node's own where only one normalisation, one Pool Skip and layers that hand channels on lie between its weights and
    it, and nothing else reads what lies there."""

    def __init__(self, ops, outputs, input_channels):
        self.ops, self.input_channels = ops, input_channels
        self.read = collections.Counter(i for op in ops for i in op.inputs if i is not None)
        self.read.update(outputs)
        self.depth = self.depths()
        self.layers = [_Layer(ops, i, self.depth) for i, op in enumerate(ops) if op.role == "gate"]
        self.layer_of = {layer.gate_op: layer for layer in self.layers}
        self.origin = []
        for layer in self.layers:
            self.find_source(layer)
        for i in range(len(ops)):
            self.origin.append(self.find_origin(i))
            self.find_readers(i)
        for at in outputs:
            self.read_past(at)
        for layer in reversed(self.layers):
            self.hand_readers_back(layer)
        for layer in self.layers:
            self.find_feeds(layer)

    def depths(self):
        depth = []
        for op in self.ops:
            deepest = max((depth[i] for i in op.inputs if i is not None and i >= 0), default=0)
            depth.append(deepest + (op.role == "weights"))
        return depth

    def find_source(self, layer):
        gate, norm, pool = self.ops[layer.gate_op], None, None
        at = gate.inputs[0]
        if at is not None and at >= 0 and self.ops[at].role == "across":
            layer.gain_op = at
        while at is not None and at >= 0 and self.read[at] == 1:
            op = self.ops[at]
            if op.role == "weights":
                layer.source_op, layer.norm_op, layer.pool_op = at, norm, pool
                return
            if op.role == "norm" and norm is None:
                norm = at
            elif op.role == "pool_skip" and pool is None:
                pool = at
            elif not (op.role == "hands" and op.values == 1 and self.features(op) == 1):
                return
            at = op.inputs[0]

    def features(self, op):
        """Channels that one of its input's becomes."""
        channels = sum(self.channels(i) for i in op.inputs[:op.values])
        return op.channels // channels if channels else 1

    def channels(self, at):
        return self.ops[at].channels if at is not None and at >= 0 else self.input_channels

    def find_origin(self, index):
        op = self.ops[index]
        if index in self.layer_of:
            return [_Piece(self.layer_of[index], op.channels, 1, _KEPT)]
        if not op.keeps_channels:
            return [_Piece(None, op.channels, 1, _KEPT)]
        inputs, features = op.inputs[:op.values], self.features(op)
        return [piece for i in inputs for piece in self.pieces(i, features, op.way, op.channels)]

    def pieces(self, at, features=1, way=_KEPT, channels=0):
        if at is None or at < 0:
            return [_Piece(None, channels, features, _KEPT)]
        return [_Piece(p.layer, p.channels * features, p.stride * features, _join(p.way, way)) for p in self.origin[at]]

    def find_readers(self, index):
        """Everything but weights and what keeps channels is a way past all weights."""
        op = self.ops[index]
        if op.keeps_channels:
            return
        for i in op.inputs:
            first = 0
            for piece in self.origin[i] if i is not None and i >= 0 else ():
                if piece.layer is not None and op.role == "weights":
                    piece.layer.readers.append(_Reader(op, first, piece.stride, piece.way))
                elif piece.layer is not None:
                    piece.layer.identity_path = True
                first += piece.channels

    def read_past(self, at):
        for piece in self.origin[at] if at >= 0 else ():
            if piece.layer is not None:
                piece.layer.identity_path = True

    def hand_readers_back(self, layer):
        """Whoever reads a gate reads the gate before it, too."""
        op, first = self.ops[layer.gate_op], 0
        for piece in self.origin[op.inputs[0]] if op.inputs[0] is not None and op.inputs[0] >= 0 else ():
            if piece.layer is not None:
                before = piece.layer
                before.identity_path |= layer.identity_path
                before.readers += [_Reader(r.op, r.first + first * r.stride, r.stride * piece.stride,
                                           _join(_join(piece.way, op.way), r.way)) for r in layer.readers]
            first += piece.channels

    def find_feeds(self, layer):
        if layer.shared:
            return
        source, first = self.ops[layer.source_op], 0
        layer.inputs_known = source.inputs[0] is not None
        for piece in self.pieces(source.inputs[0], channels=self.channels(source.inputs[0])):
            layer.feeds.append(_Feed(piece.layer, first, piece.channels, piece.way[0]))
            first += piece.channels


def _baseline_paths(model, given):
    """What modules are called in the network without Pool Skips: one that is inserted into a Sequential renumbers what
    follows it. given: further names, by the path of a module (and of all within it)."""
    names = {"": ""}
    for path, module in model.named_modules():
        inserted = 0
        for name, child in module.named_children():
            numbered = isinstance(module, nn.Sequential) and name.isdigit()
            base = str(int(name) - inserted) if numbered else name
            inserted += numbered and isinstance(child, PoolSkip)
            full = f"{path}.{name}" if path else name
            names.setdefault(full, f"{names.get(path, path)}.{base}".lstrip("."))
    if not given:
        return names
    return {path: _renamed(path, name, given) for path, name in names.items()}


def _renamed(path, name, given):
    for end in [path] + [path[:i] for i in range(len(path) - 1, 0, -1) if path[i] == "."]:
        if end in given:
            return given[end] + path[len(end):]
    return name


def _name_layers(model, graph, given):
    """Nodes are called as the convolution or linear layer that owns them, else as the activation; what is used again
    gets its number behind "@"."""
    paths, taken = _baseline_paths(model, given), set()

    def inner(path, name):
        return f"{paths.get(path, path)}.{name}".lstrip(".")

    for op in graph.ops:
        op.called = paths.get(op.path, op.path) or op.name
        if op.role == "weights" and op.owner:
            path, _, name = op.owner.rpartition(".")
            op.called = inner(path, name) if name != "weight" else paths.get(path, path)
        elif op.role == "gate" and not op.alone:
            op.called = inner(op.path, op.name)
        op.called = (given or {}).get(op.called, op.called)
        if op.role in ("weights", "gate"):
            name, use = op.called, 1
            while op.called in taken:
                use += 1
                op.called = f"{name}@{use}"
            taken.add(op.called)
    for layer in graph.layers:
        layer.gate_name = graph.ops[layer.gate_op].called
        layer.name = layer.gate_name if layer.shared else graph.ops[layer.source_op].called


def _trace_network(model, args, kwargs, names):
    """The graph of a model, by one forward pass over a few images, in evaluation mode."""
    with _undisturbed(model), torch.enable_grad(), _plain_attention():
        _set_mode(model, ())
        tracer = _Tracer(model).run(args, kwargs)
    for op in tracer.ops:
        # A module whose every call is this one function: a hook on it sees what the function sees.
        op.alone = op.place is not None and not list(op.place[0].children()) and \
            tracer.calls[op.place[0]] == tracer.count[op.place[0], op.place[1]]
    first = _tensors((args, kwargs))[0]
    graph = _Graph(tracer.ops, tracer.outputs, first.shape[1] if first.dim() > 1 else 1)
    graph.calls, graph.count = tracer.calls, tracer.count
    graph.owners = {op.place[0] for op in graph.ops if op.place is not None}
    _name_layers(model, graph, names)
    return graph


# ---- the trace as text ----

def _number(value, digits=9):
    """A measured value; counts are whole, and what is not finite is a text."""
    if value is None:
        return "null"
    value = float(value)
    if value != value:
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else format(value, f".{digits}g")


def _values(values, count):
    """One number or an array of one for each channel; None: not measured."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().tolist()
    if count is None:
        return _number(values)
    return "[" + ",".join(map(_number, [None] * count if values is None else values)) + "]"


def _text(value):
    return json.dumps(value, allow_nan=False)


def _free(value):
    """Settings of a user's as JSON, whatever they are: what it has no form for is its text."""
    if isinstance(value, dict):
        return {str(key): _free(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_free(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else json.loads(_number(value))
    plain = value is None or isinstance(value, (bool, str)) or isinstance(value, int) and abs(value) <= 2**53
    return value if plain else str(value)


def _record(kind, *pairs):
    """A line of the trace; values are JSON already."""
    return "{" + ",".join([f'"type":"{kind}"', *(f"{_text(key)}:{value}" for key, value in pairs)]) + "}\n"


class _TraceFile:
    """Whole lines only: what has not been ended is never in the file, whatever becomes of the program."""

    def __init__(self, path, offset=0):
        self.path, self.file = path, open(path, "r+b" if offset else "wb", buffering=0)
        self.file.truncate(offset)
        self.file.seek(offset)
        self.lines, self.offset = [], offset

    def add(self, line):
        self.lines.append(line)

    def flush(self):
        data = "".join(self.lines).encode()
        self.lines.clear()
        self.write(data)

    def write(self, data):
        """All of it or nothing."""
        try:
            self.put(data)
        except BaseException:
            self.file.truncate(self.offset)
            self.file.seek(self.offset)
            raise
        self.offset += len(data)

    def put(self, data):
        left = memoryview(data)
        while left:
            left = left[self.file.write(left):]

    def put_first(self, line):
        """In place of the first line, which is no longer; in the same file, which others may be reading."""
        with open(self.path, "rb") as stream:
            stream.readline()
            data = line.encode() + stream.read()
        self.file.seek(0)
        self.put(data)
        self.offset = len(data)

    def close(self):
        if not self.file.closed:
            self.flush()
            self.file.close()


# ---- windows: what training steps add up ----

def _nodes(tensor, axis):
    """As [images, channels, positions]."""
    tensor = tensor if axis == 1 else tensor.movedim(axis, 1)
    return tensor.flatten(2) if tensor.dim() > 2 else tensor.unsqueeze(-1)


def _wide(tensor):
    return torch.float32 if tensor.device.type == "mps" else torch.float64


# Sums over images and positions, one dimension after the other: several times as fast as both at once, as are sums in
# 32 bits of what is counted, and a norm of what is squared (of 10 formulations on a map of 64 x 64 x 32 x 32: 5.5 ms
# against 29 for zeros, 0.5 against 24 for squares, beside 77 for a convolution). On a processor zeros are faster still
# as numbers that are 0 or 1 (1.5 ms): comparing gives these several at a time, and truth values one by one; in pieces
# that stay in its cache.

_PIECE = 1 << 19  # numbers; their sums are exact
_piece = threading.local()


def _count_zeros(output, axis):
    if output.device.type == "cpu" and output.dtype in (torch.float32, torch.float64) and output.numel():
        channels, last, nodes = output.shape[axis], output.movedim(axis, -1), _nodes(output, axis)
        if last.is_contiguous() and channels <= _PIECE:
            return _zeros_of_columns(last.view(-1, channels))
        if nodes.is_contiguous() and nodes.shape[2] < 64 and nodes[0].numel() <= _PIECE:
            return _zeros_of_columns(nodes.flatten(1)).view(channels, -1).sum(1)
        if nodes.is_contiguous() and nodes.shape[2] <= _PIECE:
            rows = torch.cat([part.sum(1) for part in _zeros_in_pieces(nodes.flatten(0, 1))])
            return rows.view(-1, channels).sum(0, dtype=torch.float64).long()
    return (_nodes(output, axis) == 0).sum(2, dtype=torch.int32).sum(0)


def _zeros_of_columns(rows):
    return sum(part.sum(0).double() for part in _zeros_in_pieces(rows)).long()


def _zeros_in_pieces(rows):
    """1 where a number is 0, else 0; some rows at a time, all in the same place."""
    buffer = getattr(_piece, str(rows.dtype), None)
    if buffer is None:
        buffer = torch.empty(_PIECE, dtype=rows.dtype)
        setattr(_piece, str(rows.dtype), buffer)
    step = _PIECE // rows.shape[1]
    for first in range(0, rows.shape[0], step):
        part = rows[first:first + step]
        yield torch.eq(part, 0, out=buffer[:part.numel()].view(part.shape))


def _sum_squares(tensor, axis):
    """Of each channel."""
    nodes = _nodes(tensor.detach(), axis)
    nodes = nodes if nodes.dtype in (torch.float32, torch.float64) else nodes.float()
    return torch.linalg.vector_norm(nodes, dim=2).to(_wide(nodes)).square().sum(0)


def _sum_products(a, b, axis):
    a, b = (t.detach() if t.dtype in (torch.float32, torch.float64) else t.detach().float() for t in (a, b))
    return _nodes(a * b, axis).sum(2).to(_wide(a)).sum(0)


def _rows(tensor, op):
    """[nodes, weights of each]; transposed convolutions have the nodes second."""
    if op is None or op.name not in _TRANSPOSED:
        return tensor.flatten(1)
    grouped = tensor.unflatten(0, (op.groups, -1)).transpose(1, 2)
    return grouped.flatten(0, 1).flatten(1)


def _norm(gradient):
    """Of all its elements; sparse ones and complex numbers, too."""
    gradient = gradient.coalesce().values() if gradient.is_sparse else gradient
    wide = gradient.is_complex() or gradient.dtype in (torch.float32, torch.float64)
    return float(torch.linalg.vector_norm(gradient if wide else gradient.float()))


def _row_norms(rows):
    rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
    return torch.linalg.vector_norm(rows, dim=1).to(_wide(rows))


def _input_squares(tensor, op):
    """Sums of squares of the weights that read each input."""
    squares = tensor.to(_wide(tensor)) ** 2
    if op.name in _TRANSPOSED:
        return squares.flatten(1).sum(1)
    if squares.dim() == 2:
        return squares.sum(0)
    return squares.unflatten(0, (op.groups, -1)).flatten(3).sum((1, 3)).flatten()


def _of_reader(values, reader, channels):
    """Those of a layer's channels."""
    return values[reader.first:reader.first + channels * reader.stride].view(channels, reader.stride).sum(1)


def _moving(rows):
    """Rows with an element that is finite and not 0."""
    return ((rows != 0) & torch.isfinite(rows)).any(1)


def _moving_rows(gradient, op, nodes):
    rows = _rows(gradient, op) if gradient.dim() > 1 else gradient.unsqueeze(1)
    return _moving(rows[nodes])


def _moving_inputs(op, inputs):
    """Whether any weight that reads an input has such a gradient."""
    gradient = op.weight.grad
    if gradient is None:
        return torch.zeros(inputs.shape, dtype=torch.bool, device=inputs.device)
    if op.name in _TRANSPOSED:
        return _moving(gradient[inputs].flatten(1))
    if op.groups == 1:
        return _moving(gradient[:, inputs].transpose(0, 1).flatten(1))
    by_input = gradient.unflatten(0, (op.groups, -1)).transpose(1, 2).flatten(0, 1)
    return _moving(by_input[inputs].flatten(1))


class _Room:
    """Memory for what lasts no longer than a statement, shared by all weights: blocks that come and go with every step
    are cleared anew by the system."""

    def __init__(self):
        self.blocks = {}

    def like(self, tensor, place=0):
        key, size = (tensor.device, tensor.dtype, place), tensor.numel()
        if key not in self.blocks or self.blocks[key].numel() < size:
            self.blocks[key] = torch.empty(size, dtype=tensor.dtype, device=tensor.device)
        if tensor.is_contiguous():
            return self.blocks[key][:size].view(tensor.shape)
        return torch.empty_like(tensor)


class _Account:
    """What moved a parameter over a window, as src/kernels/update_account.h has it. Under SGD and AdamW an update is
    the sum of three parts: of this window's gradients (by a buffer that starts at zero with the window), of momentum
    carried over its start (which only fades), and of weight decay. It only reads, around the optimiser's step.
    moves, splits: whether updates are recorded, and their parts."""

    STATE = ("start", "sums", "buffer", "gradient_sum", "decay_buffer", "decay_sum", "carried", "carried_norms",
             "carried_sum", "carried_moved", "factor", "split", "start_norms")

    def __init__(self, parameter, op, moves, splits, room=None):
        self.parameter, self.op, self.moves, self.splits = parameter, op, moves, splits
        self.room = _Room() if room is None else room
        self.rule = None          # how the optimiser moves it
        self.decay_buffer = None  # the share of weight decay in SGD's momentum; it outlives windows
        self.before = torch.empty_like(parameter.detach()) if moves else None
        self.norms = self.is_zero = None

    def begin(self):
        """At a window's start, before its first update."""
        weights = self.parameter.detach()
        self.start_norms = _row_norms(self.rows(weights))
        zero = torch.zeros_like(self.start_norms)
        self.sums = {name: zero.clone() for name in ("path", "gradient", "carried", "decay", "residual", "squares",
                                                      "zero_steps")}
        self.split = self.splits and self.moves and self.rule is not None
        self.start = weights.clone() if self.moves else None
        self.buffer = torch.zeros_like(weights) if self.split else None
        self.gradient_sum = torch.zeros_like(weights) if self.split else None
        self.decay_sum = self.carried = self.carried_norms = self.carried_sum = None
        self.factor, self.carried_moved = 1.0, 0.0
        if self.split:
            self.carry(self.rule.momentum(self.parameter))

    def carry(self, momentum):
        if momentum is None:
            return
        self.carried = momentum.detach().to(self.start.dtype).clone()
        if self.decay_buffer is not None:
            self.carried -= self.decay_buffer
        self.carried_norms = _row_norms(self.rows(self.carried))

    def rows(self, tensor):
        return _rows(tensor, self.op)

    def see_gradient(self, gradient, scale):
        """Before clipping; gives its norm. Squares may underflow: what is 0 is looked at again."""
        rows = self.rows(gradient.detach())
        self.norms = _row_norms(rows) / scale
        self.is_zero = self.norms == 0
        if bool(self.is_zero.any()):
            self.is_zero &= ~(rows != 0).any(1)
        return float(torch.linalg.vector_norm(self.norms))

    def add_gradient(self):
        """Of this step, whose gradients are complete; none is one of zeros."""
        if self.norms is None:
            self.sums["zero_steps"] += 1
        else:
            self.sums["squares"] += self.norms ** 2
            self.sums["zero_steps"] += self.is_zero

    def keep(self):
        if {t.device for t in (self.start_norms, self.before) if t is not None} != {self.parameter.device}:
            self.follow()
        if self.moves:
            self.before.copy_(self.parameter.detach())

    def follow(self):
        """To the device that the model has been moved to."""
        move = lambda value: value.to(self.parameter.device) if isinstance(value, torch.Tensor) else value  # noqa: E731
        self.sums = {name: move(value) for name, value in self.sums.items()}
        for name in (*self.STATE, "before", "norms", "is_zero"):
            setattr(self, name, move(getattr(self, name)))

    def add_update(self):
        if not self.moves:
            return
        weights = self.parameter.detach()
        update = torch.sub(weights, self.before, out=self.room.like(weights))
        self.sums["path"] += _row_norms(self.rows(update))
        if self.split and self.parameter.grad is not None:
            self.rule.split(self, self.parameter.grad.detach(), update)

    def spare(self):
        """Room for a part of an update; the update itself stands in another place."""
        return self.room.like(self.start, 1)

    def add_part(self, name, part, scale=1.0):
        self.sums[name] += _row_norms(self.rows(part)) * abs(scale)

    def results(self, steps):
        found = {"grad_norm_rms": (self.sums["squares"] / steps).sqrt() if steps else None,
                 "grad_zero_steps": self.sums["zero_steps"], "weight_start_l2": self.start_norms}
        if self.moves:
            found["path"] = self.sums["path"]
            found["net"] = _row_norms(self.rows(self.parameter.detach() - self.start))
        if self.split:
            found.update({f"path_{name}": self.sums[name] for name in ("gradient", "carried", "decay", "residual")})
            found["net_gradient"] = _row_norms(self.rows(self.gradient_sum + self.carried_net()))
            found["net_decay"] = (torch.zeros_like(self.start_norms) if self.decay_sum is None
                                  else _row_norms(self.rows(self.decay_sum)))
        return found

    def carried_net(self):
        if self.carried is None:
            return 0.0
        return self.carried * self.carried_moved if self.carried_sum is None else self.carried_sum

    def state(self):
        return {key: self.__dict__.get(key) for key in self.STATE}

    def load(self, state):
        self.__dict__.update(state)


class _Sgd:
    """B <- mu B + (1 - dampening) (c g + lambda w), w <- w - lr B (nesterov: lr (c g + lambda w + mu B))."""

    def __init__(self, optimizer, group):
        self.optimizer, self.group = optimizer, group

    def momentum(self, parameter):
        return self.optimizer.state.get(parameter, {}).get("momentum_buffer") if self.group["momentum"] else None

    def split(self, account, gradient, update):
        g, lr = self.group, float(self.group["lr"])
        mu, decay, nesterov = g["momentum"], g["weight_decay"], g["nesterov"]
        gradient = -gradient if g.get("maximize") else gradient
        # PyTorch's first buffer is the gradient itself, without dampening.
        share = 1.0 if not mu or account.carried is None and account.factor == 1.0 else 1.0 - g["dampening"]
        account.factor *= mu
        if share == 1:
            torch.add(gradient, account.buffer, alpha=mu, out=account.buffer)
        else:
            account.buffer.mul_(mu).add_(gradient, alpha=share)
        part = account.buffer if not nesterov else torch.add(gradient, account.buffer, alpha=mu, out=account.spare())
        account.add_part("gradient", part, lr)
        account.gradient_sum.add_(part, alpha=-lr)
        rest = update.add_(part, alpha=lr)
        if decay or account.decay_buffer is not None:
            self.split_decay(account, lr, mu, decay, share, rest)
        if account.carried is not None:
            moved = lr * account.factor * (mu if nesterov else 1.0)
            account.sums["carried"] += account.carried_norms * moved
            account.carried_moved -= moved
            rest.add_(account.carried, alpha=moved)
        account.add_part("residual", rest)

    def split_decay(self, account, lr, mu, decay, share, rest):
        if account.decay_buffer is None:
            account.decay_buffer = torch.zeros_like(account.start)
        if account.decay_sum is None:
            account.decay_sum = torch.zeros_like(account.start)
        account.decay_buffer.mul_(mu).add_(account.before, alpha=share * decay)
        part = account.decay_buffer
        if self.group["nesterov"]:
            part = torch.mul(part, mu, out=account.spare()).add_(account.before, alpha=decay)
        account.add_part("decay", part, lr)
        account.decay_sum.add_(part, alpha=-lr)
        rest.add_(part, alpha=lr)


class _AdamW:
    """m <- b1 m + (1 - b1) c g, w <- w - s m - lr lambda w: the first moment is split, and s, which holds the second
    one, is shared by the parts."""

    def __init__(self, optimizer, group):
        self.optimizer, self.group = optimizer, group

    def momentum(self, parameter):
        return self.optimizer.state.get(parameter, {}).get("exp_avg")

    def scale(self, account):
        state, g = self.optimizer.state[account.parameter], self.group
        beta1, beta2 = g["betas"]
        step = float(state["step"])
        square = state["max_exp_avg_sq"] if g["amsgrad"] else state["exp_avg_sq"]
        size = torch.sqrt(square, out=account.room.like(square, 2))
        size.div_(math.sqrt(1 - beta2 ** step)).add_(g["eps"])
        return size.reciprocal_().mul_(float(g["lr"]) / (1 - beta1 ** step))

    def split(self, account, gradient, update):
        g, beta = self.group, self.group["betas"][0]
        scale = self.scale(account)
        account.factor *= beta
        account.buffer.mul_(beta).add_(gradient, alpha=(beta - 1) if g.get("maximize") else (1 - beta))
        part = torch.mul(account.buffer, scale, out=account.spare())
        account.add_part("gradient", part)
        account.gradient_sum.sub_(part)
        rest = update.add_(part)
        if account.carried is not None:
            part = torch.mul(account.carried, account.factor, out=account.spare()).mul_(scale)
            account.add_part("carried", part)
            account.carried_sum = -part if account.carried_sum is None else account.carried_sum.sub_(part)
            rest.add_(part)
        if g["weight_decay"]:
            step = float(g["lr"]) * g["weight_decay"]
            if account.decay_sum is None:
                account.decay_sum = torch.zeros_like(account.start)
            account.add_part("decay", account.before, step)
            account.decay_sum.add_(account.before, alpha=-step)
            rest.add_(account.before, alpha=step)
        account.add_part("residual", rest)


def _rule_of(optimizer, group):
    """How an optimiser's updates are split, None: they cannot be."""
    if isinstance(optimizer, torch.optim.SGD):
        return _Sgd(optimizer, group)
    decoupled = group.get("decoupled_weight_decay", isinstance(optimizer, torch.optim.AdamW))
    adam = isinstance(optimizer, (torch.optim.AdamW, torch.optim.Adam))
    return _AdamW(optimizer, group) if adam and (decoupled or not group["weight_decay"]) else None


class _Watch:
    """What the training steps of a window show at one gate."""

    def __init__(self, layer, axis, counts, safely):
        self.layer, self.axis, self.counts = layer, axis, counts  # counts: of the steps that shut it
        self.safely, self.dtype = safely, None
        self.begin()
        self.begin_step()

    def begin(self):
        self.zeros, self.outputs, self.sums, self.unsure = 0, 0, {}, False

    def begin_step(self):
        self.seen, self.passed = [], []  # lists: the replicas of DataParallel add to them side by side

    def add(self, name, values):
        self.sums[name] = self.sums[name] + values if name in self.sums else values

    def see_output(self, output):
        if output.shape[self.axis] != self.layer.channels:
            self.unsure = True
            return
        zeros, self.dtype = _count_zeros(output, self.axis), output.dtype
        self.seen.append((zeros, output.numel() // zeros.numel()))

    def see_gradient(self, entering):
        if entering.requires_grad:
            entering.register_hook(self.safely(lambda g: self.add_passed("grad_out", g)))

    def add_passed(self, name, tensor):
        """The sum of its squares."""
        tensor = _unwrapped(tensor)
        if tensor is not None and tensor.shape[self.axis] == self.layer.channels:
            self.passed.append((name, _sum_squares(tensor, self.axis)))

    def end_step(self, scale, moving):
        """scale: of the loss. moving: whether what must stand still behind a shut gate has gradient."""
        if self.seen:
            device = self.seen[0][0].device
            zeros, outputs = sum(z.to(device) for z, _ in self.seen), sum(n for _, n in self.seen)
            self.zeros, self.outputs = self.zeros + zeros, self.outputs + outputs
            self.judge_shut(zeros == outputs, moving)
        for name, values in self.passed:
            self.add(name, values / (scale * scale) if "grad" in name else values)
        self.begin_step()

    def judge_shut(self, shut, moving):
        nodes = shut.nonzero().squeeze(1)
        for name in self.counts:
            found = shut.long()
            if name != "shut_steps" and len(nodes):
                found[nodes] = moving(self, name, nodes).to(found)
            self.add(name, found)

    def results(self, steps):
        """unsure: what was counted is of something else, too."""
        if not steps or self.unsure:
            return {}
        found = {"zeros": self.zeros.cpu().double() / self.outputs if self.outputs else None}
        found["grad_out_rms"] = (self.sums["grad_out"] / steps).sqrt() if "grad_out" in self.sums else None
        found.update({name: self.sums.get(name) for name in _SHUT})
        if self.layer.pool is not None:
            zero = torch.zeros(self.layer.channels)
            found.update({name: self.sums[name] / steps if name in self.sums else zero for name in _POOL_SUMS})
        return found


class _PoolObserver:
    """Energies of both paths of a Pool Skip, forward and backward (see PoolSkip.forward)."""

    def __init__(self, watch, listens):
        self.watch, self.listens = watch, listens

    def alias(self, y):
        """The same values under another name, so that the gradient by the pool path can be told apart."""
        if not y.requires_grad or _unwrapped(y) is None or not self.listens(again=True):
            return y
        alias, watch = y.view_as(y), self.watch
        y.register_hook(watch.safely(lambda g: watch.add_passed("pool_grad_total", g)))
        alias.register_hook(watch.safely(self.see_path_gradient))
        return alias

    def seen(self, y, path, output):
        if output.requires_grad and _unwrapped(output) is not None and self.listens(again=True):
            output.register_hook(self.watch.safely(self.see_identity_gradient))
        y, path, output = map(_unwrapped, (y, path, output))
        if output is None or not self.listens():
            return
        cross = _sum_products(y, path, self.watch.axis) * (self.watch.layer.pool.cut != "forward")
        self.watch.passed.append(("pool_cross", cross))
        for name, values in (("pool_identity", y), ("pool_path", path), ("pool_output", output)):
            self.watch.add_passed(name, values)

    def see_identity_gradient(self, gradient):
        self.identity = gradient
        self.watch.add_passed("pool_grad_identity", gradient)

    def see_path_gradient(self, gradient):
        identity, self.identity = self.identity, None
        self.watch.passed.append(("pool_grad_cross", _sum_products(identity, gradient, self.watch.axis)))
        self.watch.add_passed("pool_grad_path", gradient)


class _Calls:
    """How often something is called in a forward pass. wanted: how often it was in the one that showed the network;
    watches: those that go by which call is which; both by what is counted."""

    def __init__(self, wanted, watches):
        self.count, self.wanted, self.watches = collections.Counter(), wanted, watches

    def of_others(self):
        """Watches whose calls are not told apart, now that a pass has ended."""
        return [watch for key, wanted in self.wanted.items() if self.count[key] not in (0, wanted)
                for watch in self.watches[key]]


class _Listener(TorchFunctionMode):
    """Sees the functions that are called outright (F.relu, torch.relu, x.relu_()) while the model runs. taps: by module
    and number of the call in it; the modules around tell which one runs."""

    def __init__(self, taps, inside, count):
        super().__init__()
        self.taps, self.inside, self.count = taps, inside, count
        count.clear()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        owner = self.inside[-1] if self.inside else None
        kind = self.kind_of(func, args, kwargs) if owner in self.taps else None
        if kind is None:
            return func(*args, **kwargs)
        tap = self.taps[owner].get((kind, self.count[owner, kind]))
        self.count[owner, kind] += 1
        if tap is None or not tap.listens(owner):
            return func(*args, **kwargs)
        tap.safely(tap.before)(_argument(args, kwargs, 0, "input"))
        output = func(*args, **kwargs)
        tap.safely(tap.after)(output)
        return output

    @staticmethod
    def kind_of(func, args, kwargs):
        name = func.__name__.strip("_")
        return "gate" if _gate_of(name, args, kwargs) else "norm" if name in _NORMS else None


def _unwrapped(tensor):
    """The values that torch.func.grad and its like have put a tensor around; None of a vmap: there is no batch."""
    functorch = getattr(torch._C, "_functorch", None)
    while functorch is not None and functorch.is_functorch_wrapped_tensor(tensor):
        if functorch.is_batchedtensor(tensor):
            return None
        tensor = functorch.get_unwrapped(tensor)
    return tensor


class _Tap:
    """What is looked at where one function is called: what enters it, what comes out."""

    def __init__(self, listens, safely):
        self.listens, self.safely = listens, safely
        self.entering, self.leaving, self.watches = [], [], []

    def before(self, entering):
        if isinstance(entering, torch.Tensor) and _unwrapped(entering) is not None:
            for see in self.entering:
                see(entering)

    def after(self, output):
        output = _unwrapped(output.detach())
        if output is not None:
            for see in self.leaving:
                see(output)


# ---- probing: forward passes that leave no trace in the run ----

_MODED = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def _normalisations(model):
    """Those that take the batch's own statistics in training."""
    return [m for m in model.modules() if isinstance(m, _MODED) and (m.training or not model.training)]


def _set_mode(model, normalisations):
    """Evaluation mode, without dropout; but for these, which take the batch's own statistics."""
    for module in model.modules():
        module.training = False
    for module in normalisations:
        module.training = True


@contextlib.contextmanager
def _plain_attention():
    """Fused attention would call its activation unseen."""
    mha = getattr(torch.backends, "mha", None)
    if mha is None:
        yield
        return
    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


def _random_states():
    states = [(random.setstate, random.getstate()), (torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    return states


@contextlib.contextmanager
def _undisturbed(model):
    """Puts back modes, buffers (running statistics) and random numbers; compiled code is left aside."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, name, buffer, buffer.detach().clone()) for module in model.modules()
               for name, buffer in module._buffers.items() if buffer is not None]
    states, compiled = _random_states(), getattr(model, "_compiled_call_impl", None)
    if compiled is not None:
        model._compiled_call_impl = None
    device = next((p.device.type for p in model.parameters()), "cpu")
    try:
        with torch.autocast(device_type=device, enabled=False):
            yield
    finally:
        if compiled is not None:
            model._compiled_call_impl = compiled
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for module, name, buffer, value in buffers:
                buffer.copy_(value)
                module._buffers[name] = buffer  # some models put another in its place
        for restore, state in states:
            restore(state)


def _part(before, images, parts):
    """Images of this batch that belong to one of so many parts of all, rounded up over all batches together."""
    return -(-(before + images) // parts) + (-before // parts)


class _Look:
    """What one probing shows of one gate; sums over the probe batches."""

    def __init__(self, layer, graph):
        self.layer, self.graph, self.axis = layer, graph, graph.ops[layer.gate_op].axis
        self.found, self.images, self.first = {}, 0, None

    def add(self, name, values):
        self.found[name] = self.found[name] + values if name in self.found else values

    def raise_to(self, name, values):
        old = self.found.get(name)
        self.found[name] = values if old is None else torch.maximum(old, values)

    def entry(self, entering):
        nodes = _nodes(entering, self.axis)
        self.add("entry_squares", (nodes.to(_wide(nodes)) ** 2).sum((0, 2)))

    def norm(self, entering):
        nodes = _nodes(entering, self.axis).to(_wide(entering))
        self.add("norm_sum", nodes.sum((0, 2)))
        self.add("norm_squares", (nodes ** 2).sum((0, 2)))
        self.add("norm_values", nodes.shape[0] * nodes.shape[2])

    def gate(self, func, args, kwargs, entering):
        """Before the gate, which may work in place."""
        self.raise_to("pre_max", _nodes(entering, self.axis).amax((0, 2)))
        if not self.layer.rectifies:
            self.add("flat", _nodes(_is_flat(func, entering, args, kwargs), self.axis).sum((0, 2)))

    def output(self, output):
        y = _nodes(output.detach(), self.axis)
        open_, wide = y != 0, y.to(_wide(y))
        self.add("nonzero", open_.sum((0, 2)))
        self.add("images_active", open_.any(2).sum(0))
        self.add("sum", wide.sum((0, 2)))
        self.add("sum_abs", wide.abs().sum((0, 2)))
        self.add("squares", (wide ** 2).sum((0, 2)))
        for name, parts in (("nonzero_half", 2), ("nonzero_quarter", 4)):
            self.add(name, open_[:_part(self.images, y.shape[0], parts)].sum((0, 2)))
        if self.layer.gate.ceiling is not None:
            self.add("at_ceiling", (y == self.layer.gate.ceiling).sum((0, 2)))
        self.first = y[:1].clone() if self.first is None else self.first
        self.raise_to("image_spread", (y - self.first).abs().amax((0, 2)))
        self.images += y.shape[0]

    def output_eval(self, output):
        y = _nodes(output.detach(), self.axis)
        self.add("nonzero_eval", (y != 0).sum((0, 2)))
        self.add("finite_eval", (~torch.isfinite(y)).sum((0, 2)))

    def features(self, entering):
        """Which features of a flattening are alive: other than 0 on any image, or different from image to image where a
        dead one is a constant."""
        x = entering.detach().flatten(1)
        varies = x != x[:1] if x.shape[0] > 1 else torch.ones_like(x, dtype=torch.bool)
        constant = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        for feed in self.layer.feeds:
            constant[feed.first:feed.first + feed.channels] = feed.dead == _CONSTANT
        alive = torch.where(constant, varies, x != 0).any(0)
        self.found["features"] = self.found["features"] | alive if "features" in self.found else alive

    def results(self):
        f, layer, outputs = self.found, self.layer, self.images * self.layer.elements
        if "nonzero" not in f:  # the gate was not reached
            return {}
        found = {name: f[name] for name in ("nonzero", "images_active", "nonzero_half", "nonzero_quarter", "pre_max")}
        found.update(mean=f["sum"] / outputs, mean_abs=f["sum_abs"] / outputs, rms=(f["squares"] / outputs).sqrt(),
                     activation_l1=f["sum_abs"].sum(), activation_l2=f["squares"].sum().sqrt())
        found["image_spread"] = f["image_spread"] if self.images > 1 else None
        found["in_l2"] = (f["entry_squares"] / outputs).sqrt() if "entry_squares" in f else None
        for name, key in (("saturated", "flat"), ("at_ceiling", "at_ceiling")):
            if key in f:
                found[name] = f[key] / outputs
        if "nonzero_eval" in f:
            found["nonzero_eval"] = torch.where(f["finite_eval"] == 0, f["nonzero_eval"].double(), math.nan)
        if "norm_sum" in f:
            mean = f["norm_sum"] / f["norm_values"]
            found["norm_mean"] = mean
            found["norm_var"] = (f["norm_squares"] / f["norm_values"] - mean ** 2).clamp(min=0)
        return found

    def in_alive(self, looks):
        """Channels that the layer's weights read and that are not dead; None: no gate shuts any of them."""
        alive, gated = 0, False
        for feed in self.layer.feeds:
            gated |= feed.layer is not None
            if feed.layer is None or feed.dead == _OPEN:
                alive += feed.channels
                continue
            nonzero = looks[feed.layer].found.get("nonzero")
            if nonzero is None:
                return None
            stride = feed.channels // feed.layer.channels
            live = nonzero != 0
            if stride > 1:
                live = live.repeat_interleave(stride) & self.found["features"][feed.first:feed.first + feed.channels]
            alive += int(live.sum())
        return alive if gated else None


def _is_flat(func, entering, args, kwargs):
    """Where the derivative of a gate is below 1e-3 in size."""
    with torch.enable_grad():
        x = entering.detach().clone().requires_grad_()
        output = func(x.clone(), *args[1:], **{key: value for key, value in kwargs.items() if key != "input"})
        slope, = torch.autograd.grad(output.sum(), x)
    return slope.abs() < 1e-3


class _Probe(_Walk):
    """One forward pass over a probe batch that shows every gate to its look. both: without running statistics there is
    nothing that tells the two modes apart, and one pass serves both."""

    def __init__(self, model, graph, looks, evaluation, both):
        super().__init__(model)
        self.evaluation, self.both, self.looks = evaluation, both, looks
        self.gates = {graph.ops[layer.gate_op].place: layer for layer in looks}
        self.norms, self.sources = collections.defaultdict(list), {}
        for layer in looks:
            if layer.norm_op is not None:
                self.norms[graph.ops[layer.norm_op].place].append(layer)
            if any(feed.layer and feed.channels > feed.layer.channels for feed in layer.feeds):
                self.sources[graph.ops[layer.source_op].place] = layer

    def call(self, place, name, gate, func, args, kwargs):
        if place is None or (self.evaluation and place not in self.gates):
            return func(*args, **kwargs)
        entering = _argument(args, kwargs, 0, "input")
        layer = self.gates.get(place)
        if not self.evaluation:
            self.look_before(place, layer, func, args, kwargs, entering)
        output = func(*args, **kwargs)
        if layer is not None and not self.evaluation:
            self.looks[layer].output(output)
        if layer is not None and (self.evaluation or self.both):
            self.looks[layer].output_eval(output)
        return output

    def look_before(self, place, layer, func, args, kwargs, entering):
        if layer is not None:
            self.looks[layer].gate(func, args, kwargs, entering)
            if layer.entry_op == layer.gate_op:
                self.looks[layer].entry(entering)
        for normed in self.norms.get(place, ()):
            self.looks[normed].norm(entering)
            if normed.entry_op == normed.norm_op:
                self.looks[normed].entry(entering)
        if place in self.sources:
            self.looks[self.sources[place]].features(entering)


# ---- record ----

def _plain_model(model):
    """The module within DataParallel and its like, which has the names and keeps its hooks."""
    while isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        model = model.module
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None:
        raise RuntimeError("poolscope.record: the model is compiled already, and compiled code does not see hooks that "
                           "are set afterwards; record the plain model first, then call torch.compile(model)")
    return model


def _rank():
    """Which process this is, of how many."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    if "TORCHELASTIC_RUN_ID" in os.environ:  # under torchrun, before the processes have met
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def _check_choices(window, every, seed, measures, optimizers):
    """What a trace could not say."""
    for name, value in (("window", window), ("every", every)):
        if int(value) != value or value < 1:
            raise ValueError(f"poolscope.record: {name} is {value!r}, which must be a whole number from 1 on")
    if int(seed) != seed or abs(seed) > 2**53:
        raise ValueError(f"poolscope.record: seed is {seed!r}, which must be a whole number of at most 2^53 in size; "
                         "it tells the runs of an arm apart, so give the one that you chose")
    taken = ("type", "step", "split", "loss", "loss_batch", "count", "classes")
    for name, better in measures.items():
        if not re.fullmatch("[a-z0-9_]{1,31}", name) or name in taken or better not in ("higher", "lower"):
            raise ValueError(f"poolscope.record: measures={{{name!r}: {better!r}}} cannot be written; a measure's name "
                             f"is of small letters, digits and _ (at most 31, and none of {', '.join(taken)}), and "
                             "\"higher\" or \"lower\" says which way is better")
    if not 1 <= len(measures) <= 4:
        raise ValueError(f"poolscope.record: {len(measures)} measures are given, and a trace has 1 to 4")
    if not optimizers or not all(hasattr(optimizer, "param_groups") for optimizer in optimizers):
        raise ValueError("poolscope.record: give the optimizer that trains the model, or a list of them")


def _check_model(model):
    """Parameters that get their shape with the first batch would draw their values within the recorder."""
    lazy = [name for name, p in model.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise ValueError(f"poolscope.record: \"{lazy[0]}\" has no shape yet; call the model once with a batch before "
                         "the optimizer is made, then record it")


_recorders = weakref.WeakValueDictionary()  # by the trace that each is writing


def _end_earlier(path):
    """A recorder that was left open, in a notebook say, must not go on writing to the same file."""
    earlier = _recorders.get(path)
    if earlier is not None and not earlier.closed:
        warnings.warn(f"poolscope.record: another recorder was still writing {path}; it ends here", stacklevel=4)
        earlier.close(finished=False)


def _put_aside(directory):
    """What an earlier run has left there is not lost."""
    for name in ("trace.jsonl", "trace.jsonl.gz", "trace.jsonl.zst"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.replace(path, path + ".old")
            warnings.warn(f"poolscope.record: {directory} held a trace already, which is {name}.old now", stacklevel=5)


class _Own:
    """Adds up the recorder's own time; within another one it is part of that."""

    def __init__(self, recorder):
        self.recorder = recorder

    def __enter__(self):
        self.recorder.depth += 1
        if self.recorder.depth == 1:
            self.recorder.entered = time.perf_counter_ns()

    def __exit__(self, *error):
        self.recorder.depth -= 1
        if self.recorder.depth == 0:
            self.recorder.own_ns += time.perf_counter_ns() - self.recorder.entered


class _Undo:
    """Something to be taken back, as a hook is removed."""

    def __init__(self, remove):
        self.remove = remove


def _wrap_step(optimizer, before, after):
    """Hooks of optimisers, for PyTorch before 2.0. Schedulers ask for a method, and mark what they have seen."""
    step, own = optimizer.step, optimizer.__dict__.get("step")

    def watched(_, *args, **kwargs):
        before()
        result = step(*args, **kwargs)
        after()
        return result

    def remove():
        if optimizer.__dict__.get("step") is ours:  # else another has wrapped it, and it hands on what does nothing now
            optimizer.__dict__.pop("step")
            optimizer.__dict__.update({"step": own} if own is not None else {})

    watched.__dict__.update(getattr(step, "__dict__", {}))
    optimizer.step = ours = types.MethodType(watched, optimizer)
    return _Undo(remove)


def _even_if_it_fails():
    """How a forward hook is set that comes even where the forward pass fails (from PyTorch 2.0 on)."""
    return {"always_call": True} if hasattr(torch, "compile") else {}


def _in_backward():
    """Whether a backward pass is under way in this thread (told from PyTorch 2.0 on)."""
    task = getattr(torch._C, "_current_graph_task_id", None)
    return task is not None and task() != -1


def _is_compiling():
    return hasattr(torch, "compiler") and hasattr(torch.compiler, "is_compiling") and torch.compiler.is_compiling()


def _sliced(value, first, end):
    """Samples first .. end - 1 of every tensor."""
    if isinstance(value, torch.Tensor):
        return value[first:end] if value.dim() else value
    return _mapped(value, lambda item: _sliced(item, first, end))


def _mapped(value, change):
    """A container of the same kind with all its items changed."""
    if isinstance(value, dict):
        return {key: change(item) for key, item in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    return type(value)(*map(change, value)) if hasattr(value, "_fields") else type(value)(map(change, value))


def _moved(value, like):
    """Onto the model's device, and in its precision."""
    if isinstance(value, torch.Tensor):
        return value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
    return _mapped(value, lambda item: _moved(item, like))


class record:
    """Watches a training run and writes its trace to `directory`/trace.jsonl; a context manager, or closed by close().
    A trace that stands there already becomes trace.jsonl.old.

    model       the network, plain or in DataParallel or DistributedDataParallel (where rank 0 writes); compile it after
    optimizer   one or a list; a step of the trace ends when all have stepped, or the next batch comes
    probe       images on which nodes are judged at every window's end: a tensor, a tuple of arguments or a dict of
                them, the first dimension counting images. None: nothing is probed, and `example` shows what the model
                takes
    seed, arm   of the run; arms are compared by pairs of equal seeds
    window      steps per window; every: record every so many steps alone
    level       "full", "light" (loss, lr, zeros, norms of weights, what is dead), or patterns as `--record` has them
    scaler      the GradScaler, so that gradients are recorded unscaled
    names       {module's path: the baseline's}, where Pool Skips that were put into an nn.Sequential do not explain it
    role, arm_is    what the arm is, where the network does not show it (FORMAT.md, "arm_is")
    pairing     {"data": .., "order": ..}: digests of what must be equal in two runs for them to be a pair
    measures    {"accuracy": "higher"}: what rec.eval gets, beside the loss
    steps       how many are planned, 0: not known
    resume      what rec.state_dict() gave at the step that the run goes on from
    """

    def __init__(self, model, optimizer, directory, probe=None, seed=0, arm="", window=40, every=1, scaler=None,
                 level="full", names=None, role=None, arm_is=None, pairing=None, steps=0, example=None, probe_batch=128,
                 probe_every=1, measures=None, data=None, config=None, name=None, precision=None, accumulate=None,
                 resume=None):
        self.model, self.hooks, self.closed = _plain_model(model), [], False
        self.rank, self.ranks = _rank()
        if self.rank != 0:
            return
        given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
        self.optimizers = [getattr(o, "optimizer", o) for o in given]  # without what Accelerate puts around them
        _check_choices(window, every, seed, measures or {"accuracy": "higher"}, self.optimizers)
        _check_model(self.model)
        self.window, self.every, self.scaler, self.probe_every = int(window), int(every), scaler, int(probe_every)
        self.probe, self.probe_batch = probe, probe_batch
        self.measures = dict(measures or {"accuracy": "higher"})
        self.step = self.window_first = self.sampled = 0
        self.probe_ns = self.train_ns = self.window_train_ns = 0
        self.own_ns = self.depth = 0
        self.open = self.sampling = self.probing = self.begun = self.flushing = False
        self.pending, self.after, self.losses, self.last_eval = None, [], [], {}
        self.nonfinite, self.said, self.stepped, self.calls = 0, set(), set(), []
        self.passing, self.doubted = None, set()  # passing: whether a pass that runs is one of training
        with _Own(self):
            self.graph = self.see_network(self.example(example), names)
            self.prepare(level)
            header = self.header(names, seed, arm, role, arm_is, pairing, steps, data, config, name, precision,
                                 accumulate)
            self.head = header
            self.start(directory, header, resume)
            self.attach()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close(finished=error is None)

    # -- the user's --

    def loss(self, value):
        """Loss of a batch, before or after optimizer.step(); the mean of several, where gradients accumulate."""
        if self.rank == 0 and not self.closed:
            value = value.detach().clone() if isinstance(value, torch.Tensor) else float(value)
            (self.losses if self.open or self.pending is None else self.pending["losses"]).append(value)

    def eval(self, loss=None, count=None, split="test", **measures):
        """What an evaluation gave: rec.eval(accuracy=0.93, loss=0.2, count=10000); shares are from 0 to 1."""
        if self.rank != 0 or self.closed:
            return
        count = self.test_count if count is None else int(count)
        if not count:
            raise ValueError("rec.eval: give count=..., the number of images that were evaluated")
        for key, value in measures.items():
            if key not in self.measures:
                raise ValueError(f"rec.eval: {key!r} is no measure of this recorder; give "
                                 f"poolscope.record(..., measures={{{key!r}: \"higher\"}})")
            if value is not None and self.is_share(key) and not 0 <= float(value) <= 1:
                raise ValueError(f"rec.eval: {key} is {float(value):g}, which must be a share from 0 to 1")
        values = [("loss", loss)] + [(key, measures[key]) for key in self.measures if key in measures]
        values = [(key, _number(value, 17)) for key, value in values]
        self.after.append(_record("eval", ("step", self.step), ("split", _text(split)), *values, ("count", count)))
        if split == "test":
            self.last_eval = dict(values)
        if self.pending is None and not self.open:
            self.settle()

    def state_dict(self):
        """What a run that goes on needs, of any step's end; torch.save takes it."""
        if self.rank != 0:
            return {}
        if self.closed:
            raise RuntimeError("rec.state_dict: the trace has been ended; ask for the state before that")
        self.settle()
        self.file.flush()
        return {"step": self.step, "offset": self.file.offset, "first": self.window_first, "sampled": self.sampled,
                "accounts": {name: account.state() for name, account in self.accounts.items()},
                "watches": [(w.zeros, w.outputs, dict(w.sums)) for w in self.watches], "eval": self.last_eval,
                "nonfinite": self.nonfinite}

    def close(self, finished=True):
        """Ends the trace and takes all hooks away. finished: False leaves the trace without its end, as of a run that
        was cut off."""
        if self.closed:
            return
        self.closed = True
        for hook in self.hooks:
            hook.remove()
        if self.rank != 0:
            return
        with _Own(self):
            behind = f'{{"type":"eval","step":{self.step},'  # an evaluation after the last step: after its window, too
            late = [line for line in self.after if line.startswith(behind)]
            self.after = [line for line in self.after if not line.startswith(behind)]
            if finished and self.step > self.window_first:
                self.end_window()
            if finished and self.probes and self.probed_step != self.step:
                self.look()
            self.after += late
            self.settle()
            if finished:
                self.end()
            self.file.close()

    # -- what is recorded --

    def example(self, example):
        """Arguments of a call with few images."""
        given = self.probe if self.probe is not None else example
        if given is None:
            raise ValueError("poolscope.record: give probe=images, on which nodes are judged, or at least example=..., "
                             "a batch that the model can be called with")
        args, kwargs = self.arguments(given)
        return _sliced(args, 0, 2), _sliced(kwargs, 0, 2)

    def see_network(self, example, names):
        try:
            return _trace_network(self.model, *example, names)
        except Exception as error:
            if hasattr(error, "add_note"):  # from Python 3.11 on
                error.add_note("poolscope.record: the model could not be called with the first two of the probe "
                               "images; probe is what it takes: a tensor, a tuple of its arguments or a dict of them, "
                               "without labels")
            raise

    def arguments(self, given):
        if not _tensors(given):
            raise TypeError(f"poolscope.record: probe is a {type(given).__name__}, which holds no tensor; give a "
                            "tensor of images, a tuple of the model's arguments or a dict of them")
        args = () if isinstance(given, dict) else tuple(given) if isinstance(given, (list, tuple)) else (given,)
        like = next((p for p in self.model.parameters() if p.is_floating_point()), torch.zeros(1))
        return _moved(args, like), _moved(given if isinstance(given, dict) else {}, like)

    def prepare(self, level):
        names = [q[2] for q in _QUANTITIES]
        items = {"full": "", "light": _LIGHT}.get(level, level)
        items = [item.strip() for item in (items.split(",") if isinstance(items, str) else items) if item.strip()]
        layers = [item.replace("layer:", "", 1) for item in items if item.lstrip("-").startswith("layer:")]
        self.wanted = _choose([i for i in items if not i.lstrip("-").startswith("layer:")], names, "quantity")
        if self.every > 1:
            self.wanted -= set(_PARTS)
        chosen = _choose(layers, [layer.name for layer in self.graph.layers], "layer")
        self.layers = [layer for layer in self.graph.layers if layer.name in chosen]
        for layer in self.graph.layers:
            self.describe(layer)
        self.probes = self.probe is not None
        self.quantities = [q for q in _QUANTITIES if q[2] in self.wanted and
                           (q[0] == "step" or any(self.records(q[2], layer) for layer in self.layers))]
        self.make_accounts()

    def describe(self, layer):
        """What the trace and the instruments must know of a layer."""
        ops = self.graph.ops
        of = lambda at: None if at is None else ops[at]  # noqa: E731
        source, norm, pool = of(layer.source_op), of(layer.norm_op), of(layer.pool_op)
        layer.source, layer.pool = source, pool.module if pool else None
        layer.weight, layer.bias = (source.weight, source.bias) if source else (None, None)
        scale = norm or of(layer.gain_op)
        layer.gamma, layer.beta = (scale.weight, scale.bias) if scale else (None, None)
        layer.norm_name = scale.called if scale else None
        layer.norm_module = norm.module if norm else None
        layer.norm_of_sample = scale is not None and (norm is None or "instance" in norm.name.lower())
        layer.running = getattr(layer.norm_module, "running_mean", None) is not None
        before = ops[layer.gate_op].inputs[0]
        layer.entry_op = before if norm is not None and before == layer.norm_op else layer.gate_op
        entry = ops[layer.entry_op].inputs[0]
        layer.has_entry_gradient = entry is not None and entry >= 0
        layer.read_by_weights = bool(layer.readers) and not layer.identity_path and \
            all(r.op.weight is not None for r in layer.readers)

    def records(self, name, layer):
        """Whether a layer can have a quantity."""
        if name not in self.wanted or (_RECORD_OF[name] == "probe" and not self.probes):
            return False
        weights, rectifies = layer.weight is not None, layer.rectifies
        if name in ("grad_norm_rms", "grad_zero_steps", "path", "net", "weight_start_l2", "weight_l2", "weight_l1"):
            return weights
        if name in ("out_net_gradient", "out_start_l2"):
            return layer.read_by_weights
        if name in _PARTS:
            return weights
        if name in ("bias", "in_alive"):
            return not layer.shared
        if name in ("gamma", "beta"):
            return not layer.shared or layer.gain_op is not None
        if name in ("norm_mean", "norm_var", "running_mean", "running_var"):
            return layer.running
        if name.startswith("pool_"):
            return layer.pool is not None and (name in _POOL_SUMS or layer.pool.conv is not None)
        row = layer.pool is not None and layer.pool.conv is not None
        return {"grad_out_rms": layer.has_entry_gradient, "saturated": not rectifies,
                "at_ceiling": layer.gate.ceiling is not None, "shut_steps": rectifies,
                "shut_filter_grad_steps": rectifies and weights,
                "shut_gamma_grad_steps": rectifies and self.has_own_norm(layer),
                "shut_beta_grad_steps": rectifies and self.has_own_norm(layer),
                "shut_pool_row_grad_steps": rectifies and row,
                "shut_identity_grad_steps": rectifies and layer.pool is not None,
                "shut_reader_grad_steps": rectifies and self.readers_see_zero(layer)}.get(name, True)

    @staticmethod
    def has_own_norm(layer):
        """A normalisation that no Pool Skip stands behind."""
        behind = layer.pool_op is None or (layer.norm_op or 0) > layer.pool_op
        return layer.weight is not None and layer.norm_op is not None and layer.gamma is not None and behind

    @staticmethod
    def readers_see_zero(layer):
        return bool(layer.readers) and all(r.way[0] == _ZERO and r.op.weight is not None for r in layer.readers)

    def make_accounts(self):
        """An account for each parameter whose movement or gradient is recorded, row by row."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        pool = {id(p) for m in self.model.modules() if isinstance(m, PoolSkip) for p in m.parameters()}
        self.backbone = [p for p in self.model.parameters() if id(p) not in pool]
        self.inserted = [p for p in self.model.parameters() if id(p) in pool]
        self.accounts, own, room = {}, [], _Room()
        for layer in self.layers:
            if self.wants(layer, "path", "net", "weight_start_l2", "grad_norm_rms", "grad_zero_steps", *_PARTS,
                          "shut_filter_grad_steps"):
                own.append((layer.weight, layer.source))
            if self.wants(layer, "out_net_gradient", "out_start_l2"):
                own += [(reader.op.weight, reader.op) for reader in layer.readers]
        moves = self.wants_any("path", "net", "out_start_l2", *_PARTS)
        for parameter, op in own:
            if parameter is not None:
                self.accounts.setdefault(names[id(parameter)], _Account(parameter, op, moves, self.every == 1, room))
        for layer in self.layers:
            if self.wants(layer, "pool_row_grad_rms", "pool_row_grad_zero_steps"):
                weight = layer.pool.conv.weight
                self.accounts.setdefault(names[id(weight)], _Account(weight, None, False, False))
        self.account_of = {id(a.parameter): a for a in self.accounts.values()}
        self.own_parameters = {id(p) for p in self.model.parameters()}

    def wants(self, layer, *names):
        return any(self.records(name, layer) for name in names)

    def wants_any(self, *names):
        return not self.wanted.isdisjoint(names)

    # -- the header --

    def header(self, names, seed, arm, role, arm_is, pairing, steps, data, config, name, precision, accumulate):
        dtype = next((p.dtype for p in self.model.parameters() if p.is_floating_point()), torch.float32)
        self.may_be_mixed = precision is None and dtype == torch.float32
        if precision is None:
            precision = "mixed float16" if self.scaler is not None and self.scaler.is_enabled() else \
                str(dtype).replace("torch.", "")
        self.test_count = int((data or {}).get("test", 0))
        header = {"type": "header", "format": "poolscope-trace", "version": 2, "producer": "poolscope.py",
                  "arm": arm, "arm_is": self.arm_is(role, arm_is), "seed": int(seed), "config": _free(config or {}),
                  "pairing": self.pairing(names, pairing or {}), "data": {**self.probe_data(), **(data or {})}}
        if list(self.measures) != ["accuracy"]:
            header["task"] = {"name": "other", "measures": [
                {"name": key, "unit": "%" if key == "accuracy" else "", "better": better}
                for key, better in self.measures.items()]}
        header.update(machine={"arch": platform.machine(), "library": {"torch": torch.__version__}},
                      model={"name": name or type(self.model).__name__,
                             "parameters": sum(p.numel() for p in self.backbone),
                             "module_parameters": sum(p.numel() for p in self.inserted)},
                      window=self.window, steps=int(steps), precision=precision)
        if self.every > 1:
            header["every"] = self.every
        if self.ranks > 1:
            header.update(rank=self.rank, ranks=self.ranks)
        if accumulate:
            header["accumulate"] = int(accumulate)
        header["optimisers"] = [{"name": type(o).__name__, "groups": len(o.param_groups)} for o in self.optimizers]
        header["layers"] = [self.layer_entry(layer, i) for i, layer in enumerate(self.layers)]
        header["quantities"] = [self.quantity_entry(*q) for q in self.quantities]
        return header

    @staticmethod
    def quantity_entry(record, per, name, unit, description):
        entry = {"name": name, "unit": unit, "per": per, "record": record, "description": description}
        return {**entry, "holds_for": ["SGD", "AdamW"]} if name in _PARTS else entry

    def probe_data(self):
        if not self.probes:
            return {}
        args, kwargs = self.arguments(self.probe)
        first = _tensors((args, kwargs))[0]
        shape = list(first.shape[1:4])
        shape = shape[:1] + [1] * (4 - len(shape)) + shape[1:] if 1 <= len(shape) < 4 else None
        return {"probe": first.shape[0], **({"sample": shape} if shape and first.dim() < 5 else {})}

    def pairing(self, names, given):
        first = self.optimizers[0]
        settings = {k: v for k, v in first.param_groups[0].items()
                    if k != "params" and isinstance(v, (int, float, tuple, str, bool))}
        found = {"backbone": pairing_digest(self.model, names), "window": str(self.window),
                 "optimiser": f"{type(first).__name__} {settings}"}
        return {**found, **{str(key): str(value) for key, value in given.items()}}

    def arm_is(self, role, given):
        """What the arm is, by its Pool Skips and activations; given: keys that are known better."""
        skips = [m for m in self.model.modules() if isinstance(m, PoolSkip)]
        activations = {layer.gate.activation for layer in self.graph.layers}
        sizes, modes, cuts = ({getattr(s, key) for s in skips} for key in ("pool_size", "mode", "cut"))
        activation = activations.pop() if len(activations) == 1 else "mixed" if activations else ""
        cut = cuts.pop() if len(cuts) == 1 else "none"
        found = {"role": role or self.role(skips, modes, cut, activation),
                 "pool_size": sizes.pop() if len(sizes) == 1 else 0,
                 "zero_init": bool(skips) and all(s.conv is not None and not s.conv.weight.any() for s in skips),
                 "cut": cut, "activation": activation, "reinit_dead": 0}
        return {**found, **(given or {})}

    @staticmethod
    def role(skips, modes, cut, activation):
        leaky = activation == "leaky_relu"
        if not skips:
            return "leaky" if leaky else "baseline"
        kind = {"full": "pool_skip", "conv+skip": "conv_skip", "grid+conv+skip": "grid",
                "grid-energy+conv+skip": "grid_energy"}.get(modes.pop() if len(modes) == 1 else "", "other")
        if leaky or cut != "none":
            changed = "leaky_pool_skip" if cut == "none" else "other" if leaky else f"cut_{cut}"
            return changed if kind == "pool_skip" else "other"
        return kind

    def layer_entry(self, layer, position):
        gate, source = layer.gate, layer.source
        linear = source is not None and source.name == "linear"
        entry = {"name": layer.name, "gate": layer.gate_name,
                 "kind": "shared" if layer.shared else "linear" if linear else "conv",
                 "channels": layer.channels, "position": position, "depth": layer.depth,
                 "stage": layer.name.split(".")[0] if "." in layer.name else "",
                 "activation": gate.activation, "dead_means": gate.means, "norm": layer.norm_name,
                 "pool_skip": f"{layer.name}.pool_skip" if layer.pool is not None else None}
        entry.update({key: getattr(gate, key) for key in ("ceiling", "slope") if getattr(gate, key) is not None})
        if layer.norm_of_sample:
            entry["norm_over"] = "sample"
        if layer.norm_module is not None and hasattr(layer.norm_module, "eps"):
            entry["norm_eps"] = float(layer.norm_module.eps)
        fan_in = math.prod(source.weight_shape) // layer.channels if source else 0
        entry.update(bias=bool(source and source.has_bias), fan_in=fan_in)
        if source is not None and source.groups > 1:
            entry["groups"] = source.groups
        entry.update(self.inputs_of(layer))
        frozen = self.frozen(layer)
        if frozen:
            entry["frozen"] = frozen
        entry["elements"] = layer.elements
        return entry

    def inputs_of(self, layer):
        if layer.shared:
            return {"inputs": []}
        if not layer.inputs_known:
            return {"inputs": None}
        feeds = [feed.layer for feed in layer.feeds]
        known = [f for f in feeds if f in self.layers]
        return {"inputs": list(dict.fromkeys(f.name for f in known)), "ungated_inputs": len(known) < len(feeds)}

    def frozen(self, layer):
        trained = {id(p) for o in self.optimizers for group in o.param_groups for p in group["params"]}
        own = [("weight", layer.weight), ("bias", layer.bias), ("norm.weight", layer.gamma), ("norm.bias", layer.beta)]
        if layer.pool is not None and layer.pool.conv is not None:
            own += [("pool_skip.weight", layer.pool.conv.weight), ("pool_skip.bias", layer.pool.conv.bias)]
        stands = lambda p: p is not None and not (p.requires_grad and id(p) in trained)  # noqa: E731
        readers = bool(layer.readers) and all(stands(reader.op.weight) for reader in layer.readers)
        return [word for word, p in own if stands(p)] + ["readers"] * readers

    # -- hooks --

    def start(self, directory, header, resume):
        os.makedirs(directory, exist_ok=True)
        path = os.path.realpath(os.path.join(directory, "trace.jsonl"))
        _end_earlier(path)
        if not resume:
            _put_aside(directory)
        text = _text(header) + "\n"
        self.watches = [_Watch(layer, self.graph.ops[layer.gate_op].axis,
                               [name for name in _SHUT if self.records(name, layer)], self.safely)
                        for layer in self.layers]
        if resume:
            self.check_header(path, header)
        self.file = _TraceFile(path, resume["offset"] if resume else 0)
        _recorders[path] = self
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.probed_step = None
        if resume:
            self.go_on(resume)
        else:
            self.file.add(text)
            if self.probes:
                self.look()
                self.settle()
        self.file.add(_record("timing", ("step", self.step), ("threads", torch.get_num_threads()),
                              ("started", _text(now)), *([("resumed", "true")] if resume else [])))
        self.file.flush()

    @staticmethod
    def check_header(path, header):
        with open(path, encoding="utf-8") as stream:
            before = json.loads(stream.readline())
        for key in ("layers", "quantities", "window"):
            if before[key] != json.loads(_text(header[key])):
                raise ValueError(f"{path}: the trace is of another run (its {key!r} differ); give the run that goes on "
                                 "the model, window and level that it began with")

    def go_on(self, state):
        self.step, self.window_first, self.sampled = state["step"], state["first"], state["sampled"]
        self.nonfinite, self.last_eval = state["nonfinite"], state["eval"]
        self.probed_step = self.step if self.step == self.window_first else None
        for name, saved in state["accounts"].items():
            self.accounts[name].load(saved)
        for watch, (zeros, outputs, sums) in zip(self.watches, state["watches"]):
            watch.zeros, watch.outputs, watch.sums = zeros, outputs, dict(sums)

    def attach(self):
        self.place_taps()
        for watch in self.watches:
            if watch.layer.pool is not None and self.wants(watch.layer, *_POOL_SUMS, "shut_identity_grad_steps"):
                self.observe(watch)
        for parameter in self.model.parameters():
            if parameter.requires_grad and self.wants_gradients():
                # The former (from PyTorch 2.1 on) is not there for torch.autograd.grad, which adds nothing up.
                self.hook(getattr(parameter, "register_post_accumulate_grad_hook", parameter.register_hook),
                          self.on_gradient)
        for optimizer in self.optimizers:
            self.attach_optimizer(optimizer)

    def wants_gradients(self):
        return self.wants_any("grad_norm", "grad_norm_module", "clip", "clip_module", "grad_norm_rms",
                              "grad_zero_steps", "shut_filter_grad_steps", "pool_row_grad_rms",
                              "pool_row_grad_zero_steps")

    def hook(self, register, act, compiled=True, **how):
        """One that fails ends the recording, not the run."""
        self.hooks.append(register(_Hook(self.safely(act), compiled), **how))

    def safely(self, act):
        """What hooks call: its time is the recorder's own."""
        def guarded(*arguments):
            try:
                with _Own(self):
                    return act(*arguments)
            except Exception as error:
                self.fail(error)
                return None

        return guarded

    def fail(self, error):
        if self.closed:
            return
        said = "".join(traceback.format_exception(type(error), error, error.__traceback__)[-3:]).strip()
        warnings.warn(f"poolscope: the recording ends at step {self.step} and the run goes on, for this came up:\n"
                      f"{said}", RuntimeWarning, stacklevel=2)
        try:
            self.close(finished=False)
        except Exception as another:  # a full disk, say
            warnings.warn(f"poolscope: the trace could not be closed, either: {another}", RuntimeWarning, stacklevel=2)

    def place_taps(self):
        """Hooks on modules that are one function each; other functions are listened to while the model runs."""
        taps = {}
        for watch in self.watches:
            layer, ops = watch.layer, self.graph.ops
            tap = lambda at: taps.setdefault(ops[at].place, _Tap(self.listens, self.safely))  # noqa: E731
            if self.wants(layer, "zeros", *_SHUT):
                tap(layer.gate_op).leaving.append(watch.see_output)
                tap(layer.gate_op).watches.append(watch)
            if self.records("grad_out_rms", layer):
                tap(layer.entry_op).entering.append(watch.see_gradient)
                tap(layer.entry_op).watches.append(watch)
        called, hooked = collections.defaultdict(dict), {op.place for op in self.graph.ops if op.alone}
        for place, tap in taps.items():
            if place in hooked:
                called[place[0]][place[2]] = tap
        self.hook(self.model.register_forward_pre_hook, self.begin_pass)
        for module, uses in called.items():
            self.hook_module(module, uses)
        self.listen({place: tap for place, tap in taps.items() if place not in hooked})
        self.hook(self.model.register_forward_hook, self.end_pass, **_even_if_it_fails())

    def begin_pass(self, module, inputs):
        """Whether it is one of training goes for all that is called in it, also for parts in evaluation mode or
        without gradient. Calls are counted from here on; replicas of DataParallel count their own."""
        if module is not self.model or self.closed or self.probing:
            return
        self.passing = torch.is_grad_enabled() and not _in_backward() and any(m.training for m in module.modules())
        for calls in self.calls:
            calls.count.clear()
        if self.passing and self.was_left_out():
            self.forget_batches()

    def end_pass(self, module, inputs, output):
        if module is not self.model:
            return
        passing, self.passing = self.passing, None
        for calls in self.calls if passing and output is not None else ():
            for watch in calls.of_others():
                self.doubt(watch)

    def doubt(self, watch):
        """Some models call more in training than in evaluation: which call is which is not known then."""
        watch.unsure = True
        if watch.layer.name not in self.doubted:
            self.doubted.add(watch.layer.name)
            warnings.warn(f"poolscope: \"{watch.layer.gate_name}\" is not called as often in training as in "
                          "evaluation, in which the network was looked at; what passes it in training is not recorded",
                          stacklevel=2)

    def hook_module(self, module, uses):
        """uses: the tap of each of its calls in a forward pass; with others between them, these have none."""
        total = self.graph.calls[module]
        watches = [watch for tap in uses.values() for watch in tap.watches]
        calls = _Calls({id(module): total}, {id(module): watches})  # by module, of which DataParallel makes replicas
        count = calls.count
        self.calls.append(calls)

        def enter(called, inputs, named=None):
            if _in_backward():  # activation checkpointing comes by once more, for the sake of gradients
                use = 0 if total == 1 else None
            else:
                use = count[id(called)] % total
                count[id(called)] += 1
            if use in uses and uses[use].entering and uses[use].listens(called, again=True):
                uses[use].before(inputs[0] if inputs else next(iter((named or {}).values()), None))

        def leave(called, inputs, output):
            use = (count[id(called)] - 1) % total
            if use in uses and uses[use].leaving and uses[use].listens(called):
                uses[use].after(output)

        def enter_named(called, inputs, named):
            enter(called, inputs, named)

        if hasattr(torch, "compile"):  # from PyTorch 2.0 on
            self.hook(module.register_forward_pre_hook, enter_named, with_kwargs=True)
        else:
            self.hook(module.register_forward_pre_hook, enter)
        self.hook(module.register_forward_hook, leave)

    def listen(self, taps):
        """Functions without a module of their own: a listener is on while the model runs."""
        if not taps:
            return
        inside, by_module, running = [self.model], collections.defaultdict(dict), []
        watches = collections.defaultdict(list)
        for (owner, kind, use), tap in taps.items():
            by_module[owner][kind, use] = tap
            watches[owner, kind] += tap.watches
        calls = _Calls({key: self.graph.count[key] for key in watches}, watches)
        self.calls.append(calls)

        def begin(module, inputs):
            leave()  # what a forward pass that failed has left
            if module is self.model and not self.closed and not self.probing:
                inside[:] = [self.model]
                running.append(_Listener(by_module, inside, calls.count))
                running[0].__enter__()

        def leave(*_):
            if running:
                running.pop().__exit__(None, None, None)

        for owner in self.graph.owners:
            if owner is not self.model:
                self.hook_around(owner, lambda module, *_: inside.append(module), lambda *_: inside.pop() and None)
        self.hook_around(self.model, begin, leave)
        self.hooks.append(_Undo(leave))

    def hook_around(self, module, before, after):
        """Not in compiled code, which does not hand its functions to a listener."""
        self.hook(module.register_forward_pre_hook, before, compiled=False)
        self.hook(module.register_forward_hook, after, compiled=False, **_even_if_it_fails())

    def observe(self, watch):
        skip = watch.layer.pool
        skip.observer = observer = _PoolObserver(watch, lambda again=False: self.listens(skip, again))
        observer.alias, observer.seen = _uncompiled(observer.alias), _uncompiled(self.safely(observer.seen))
        self.hooks.append(_Undo(lambda: skip.__dict__.pop("observer", None)))

    def attach_optimizer(self, optimizer):
        before, after = lambda *_: self.before_update(optimizer), lambda *_: self.after_update(optimizer)
        if hasattr(optimizer, "register_step_pre_hook"):
            self.hook(optimizer.register_step_pre_hook, before)
            self.hook(optimizer.register_step_post_hook, after)
            return
        self.hooks.append(_wrap_step(optimizer, self.safely(before), self.safely(after)))

    # -- a step --

    def listens(self, module, again=False):
        """Whether what passes here belongs to a training step that is recorded. again: also what activation
        checkpointing runs once more within the backward pass."""
        if self.closed or self.probing:
            return False
        if _in_backward():
            return again and self.open and self.sampling
        outside = self.passing is None  # a part of the model is called by itself
        if not (module.training and torch.is_grad_enabled() if outside else self.passing):
            return False
        if not self.open or self.stepped:
            self.begin_step()
        return self.sampling

    def was_left_out(self):
        """Whether the GradScaler has left out the update that belongs to what has been recorded: it makes its scale
        smaller then."""
        waits = self.open and not self.stepped and self.norms and self.scaler is not None
        return bool(waits) and float(self.scaler.get_scale()) < self.scale

    def forget_batches(self):
        for watch in self.watches:
            watch.begin_step()
        for account in self.accounts.values():
            account.norms = None
        self.losses, self.norms, self.scale = [], {}, 1.0

    def begin_step(self):
        """With the first batch of a step, or its update."""
        with _Own(self):
            if self.open:  # not all optimisers have stepped, and the next batch is here
                self.end_step()
            self.settle()
            self.open_step()

    def open_step(self):
        self.open, self.stepped, self.queued = True, set(), False
        self.step_start, self.step_own = time.perf_counter_ns(), self.own_time()
        self.sampling = self.step % self.every == 0
        self.scale, self.norms, self.clips = 1.0, {}, [None, None]
        for account in self.accounts.values():
            account.norms = None
        if self.step == self.window_first and not self.begun:
            self.begin_window()

    def own_time(self):
        return self.own_ns + (time.perf_counter_ns() - self.entered if self.depth else 0)

    def on_gradient(self, gradient):
        """A gradient is added up: all are there when this pass ends, and nothing has been clipped yet."""
        if self.open and self.sampling and not self.queued and not self.closed:
            self.queued = True
            queue = torch.autograd.Variable._execution_engine.queue_callback
            # DistributedDataParallel ends in a callback of its own; one that is queued by ours comes after it.
            seen = self.safely(self.after_backward)
            queue((lambda: queue(seen)) if self.ranks > 1 else seen)

    def after_backward(self):
        self.queued = False
        if self.open and not self.closed:
            with _Own(self), torch.no_grad():
                self.see_gradients(float(self.scaler.get_scale()) if self.scaler is not None else 1.0)

    def see_gradients(self, scale):
        self.scale = scale
        for p in self.backbone + self.inserted:
            if p.grad is not None:
                self.see_gradient(p, scale)

    def see_gradient(self, p, scale):
        account = self.account_of.get(id(p))
        if account is not None:
            self.norms[id(p)] = account.see_gradient(p.grad, scale)
        elif self.wants_any("grad_norm", "grad_norm_module", "clip", "clip_module"):
            self.norms[id(p)] = _norm(p.grad) / scale

    def see_other_gradients(self, optimizer):
        """Those that were put there by hand, of torch.func, say."""
        for p in (p for group in optimizer.param_groups for p in group["params"]):
            if p.grad is not None and id(p) not in self.norms and id(p) in self.own_parameters:
                self.see_gradient(p, 1.0)

    def before_update(self, optimizer):
        if self.closed or self.probing:
            return
        with _Own(self), torch.no_grad():
            if not self.open or optimizer in self.stepped:
                self.begin_step()
            if self.sampling:
                if self.wants_gradients():
                    self.see_other_gradients(optimizer)
                for account in self.accounts_of(optimizer):
                    account.keep()

    def accounts_of(self, optimizer):
        """Those of its parameters, with the rule by which it moves them."""
        for group in optimizer.param_groups:
            rule = _rule_of(optimizer, group)
            for parameter in group["params"]:
                account = self.account_of.get(id(parameter))
                if account is not None:
                    account.rule = rule
                    yield account

    def after_update(self, optimizer):
        if self.closed or self.probing or not self.open:
            return
        if float(getattr(optimizer, "found_inf", None) or 0):  # under a GradScaler a fused one leaves it out by itself
            self.forget_batches()
            return
        with _Own(self), torch.no_grad():
            if self.sampling:
                for account in self.accounts_of(optimizer):
                    account.add_update()
                self.see_clipping(optimizer)
            self.stepped.add(optimizer)
            if len(self.stepped) == len(self.optimizers):
                self.end_step()

    def see_clipping(self, optimizer):
        """What gradients were multiplied by before the update, told by the largest of them."""
        if not self.norms or not self.wants_any("clip", "clip_module"):
            return
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for i, parameters in enumerate((self.backbone, self.inserted)):
            known = [p for p in parameters if id(p) in held and p.grad is not None and self.norms.get(id(p), 0) > 0]
            if known:
                largest = max(known, key=lambda p: self.norms[id(p)])
                ratio = self.norm_of(largest) / self.norms[id(largest)]
                self.clips[i] = 1.0 if abs(ratio - 1) < 1e-5 else min(1.0, ratio)

    def norm_of(self, parameter):
        """Of its gradient as it is; added up as in see_gradients, so that equal ones are equal."""
        account = self.account_of.get(id(parameter))
        return _norm(parameter.grad) if account is None else _norm(_row_norms(account.rows(parameter.grad.detach())))

    def end_step(self):
        if self.sampling:
            for watch in self.watches:
                watch.end_step(self.scale, self.moving)
            for account in self.accounts.values():
                account.add_gradient()
            self.sampled += 1
        self.pending = {"step": self.step, "losses": self.losses, "values": self.step_values()}
        self.losses, self.open, self.stepped = [], False, set()
        self.say_nonfinite_gradients()
        if self.step == 0:
            self.tell_precision()
        self.train_ns += time.perf_counter_ns() - self.step_start - (self.own_time() - self.step_own)
        self.step += 1
        if self.step - self.window_first == self.window:
            self.end_window()

    def tell_precision(self):
        """That of autocast shows with the first step alone."""
        narrow = {str(watch.dtype).replace("torch.", "") for watch in self.watches} & {"bfloat16", "float16"}
        if self.may_be_mixed and len(narrow) == 1:
            self.head["precision"] = f"mixed {narrow.pop()}"
            self.file.put_first(_text(self.head) + "\n")

    def step_values(self):
        values = [("lr", self.optimizers[0].param_groups[0]["lr"])]
        if self.sampling and self.norms:
            for name, parameters in (("grad_norm", self.backbone), ("grad_norm_module", self.inserted)):
                values.append((name, math.sqrt(sum(self.norms.get(id(p), 0) ** 2 for p in parameters))))
            values += [(name, 1.0 if clip is None else clip) for name, clip in zip(("clip", "clip_module"), self.clips)]
        return values

    def moving(self, watch, quantity, nodes):
        """Which of these nodes have a finite gradient other than 0 in the parameters that a quantity asks about."""
        layer = watch.layer
        if quantity == "shut_identity_grad_steps":
            energy = sum(values for name, values in watch.passed if name == "pool_grad_identity")
            energy = torch.as_tensor(energy, device=nodes.device).expand(layer.channels)[nodes]
            return (energy != 0) & torch.isfinite(energy)
        if quantity == "shut_reader_grad_steps":
            return sum(self.is_read(nodes, r) for r in layer.readers) > 0
        pool = layer.pool.conv if layer.pool is not None else None
        own = {"shut_filter_grad_steps": [layer.weight, layer.bias], "shut_gamma_grad_steps": [layer.gamma],
               "shut_beta_grad_steps": [layer.beta],
               "shut_pool_row_grad_steps": [pool.weight, pool.bias] if pool is not None else []}[quantity]
        moving = torch.zeros_like(nodes, dtype=torch.bool)
        for parameter in own:
            if parameter is not None and parameter.grad is not None:
                at = nodes.to(parameter.device)
                op = layer.source if parameter is layer.weight else None
                moving |= _moving_rows(parameter.grad, op, at).to(moving.device)
        return moving

    @staticmethod
    def is_read(nodes, reader):
        """By weights with such a gradient; several inputs of theirs may stand for a node."""
        at = nodes.to(reader.op.weight.device)
        inputs = reader.first + at.unsqueeze(1) * reader.stride + torch.arange(reader.stride, device=at.device)
        return _moving_inputs(reader.op, inputs.flatten()).view(inputs.shape).any(1).long().to(nodes.device)

    def say_nonfinite_gradients(self):
        bad = {key for key, norm in self.norms.items() if not math.isfinite(norm)}
        for name, p in self.model.named_parameters() if bad else ():
            for what, values in (("gradient", p.grad if id(p) in bad else None), ("weight", p.detach())):
                finite = None if values is None or values.is_sparse else torch.isfinite(values)
                if finite is not None and not bool(finite.all()):
                    rows = finite.flatten(1).all(1) if finite.dim() > 1 else finite.flatten()
                    self.say(what, self.step, name.rpartition(".")[0], int((~rows).long().argmax()))

    def say(self, what, step, layer="", channel=None):
        """An event, once a window for each layer."""
        if (what, layer) in self.said:
            return
        self.said.add((what, layer))
        self.nonfinite += 1
        more = [("channel", str(channel))] if channel is not None else []
        self.after.append(_record("event", ("step", step), ("event", '"nonfinite"'), ("what", _text(what)),
                                  ("layer", _text(layer)), *more))

    def settle(self):
        """Writes the last step, whose loss has been handed over by now, and what came after it."""
        if self.pending is not None:
            step, losses = self.pending["step"], [float(loss) for loss in self.pending["losses"]]
            loss = [("loss", sum(losses) / len(losses))] if losses else []
            values = [(name, value) for name, value in loss + self.pending["values"] if name in self.wanted]
            self.file.add(_record("step", ("step", step), *((name, _number(value, 17)) for name, value in values)))
            self.pending, after, self.after = None, self.after, []
            if loss and not math.isfinite(loss[0][1]):
                self.say("loss", step)
            self.after += after
        for line in self.after:
            self.file.add(line)
        self.after = []
        if self.flushing:
            self.file.flush()
            self.flushing = False

    # -- a window --

    def begin_window(self):
        self.begun, self.sampled, self.window_train_ns, self.said = True, 0, self.train_ns, set()
        for watch in self.watches:
            watch.begin()
        with torch.no_grad():
            for optimizer in self.optimizers:
                for _ in self.accounts_of(optimizer):
                    pass  # it tells them their rules
            for account in self.accounts.values():
                account.begin()

    def end_window(self):
        first, steps, index = self.window_first, self.step - self.window_first, self.window_first // self.window
        with torch.no_grad():
            for watch in self.watches:
                self.add_window(watch, index, first)
        self.window_first, self.begun = self.step, False
        if self.probes and (index + 1) % self.probe_every == 0:
            self.look()
        self.add_timing(steps)
        self.flushing = True  # once the last step's loss is known

    def add_window(self, watch, index, first):
        layer = watch.layer
        found, account = watch.results(self.sampled), self.account_of.get(id(layer.weight))
        if account is not None:
            found.update(account.results(self.sampled))
        if self.wants(layer, "out_net_gradient", "out_start_l2"):
            found.update(self.outgoing(layer))
        if self.wants(layer, "pool_row_grad_rms", "pool_row_grad_zero_steps"):
            rows = self.account_of[id(layer.pool.conv.weight)].results(self.sampled)
            found.update(pool_row_grad_rms=rows["grad_norm_rms"], pool_row_grad_zero_steps=rows["grad_zero_steps"])
        sampled = [("sampled", self.sampled)] if self.every > 1 else []
        self.add_values("window", layer, found, ("window", index), ("first", first), ("last", self.step - 1), *sampled)

    def add_values(self, kind, layer, found, *keys):
        names = [(q[2], q[1]) for q in self.quantities if q[0] == kind and self.records(q[2], layer)]
        if not names:
            return
        values = ",".join(f'"{name}":{_values(found.get(name), layer.channels if per == "node" else None)}'
                          for name, per in names)
        at = [pair for pair in keys if pair[0] not in ("images", "elements")]
        rest = [pair for pair in keys if pair[0] in ("images", "elements")]
        self.after.append(_record(kind, *at, ("layer", _text(layer.name)), *rest, ("values", "{" + values + "}")))

    def outgoing(self, layer):
        """Of all weights that read the layer: how far this window's gradients moved them, and what they were."""
        accounts = [(self.account_of[id(reader.op.weight)], reader) for reader in layer.readers]
        start = [_of_reader(_input_squares(a.start, r.op), r, layer.channels) for a, r in accounts]
        moved = [_of_reader(_input_squares(a.gradient_sum, r.op), r, layer.channels) for a, r in accounts if a.split]
        found = {"out_start_l2": sum(start).sqrt()}
        if len(moved) == len(accounts):
            found["out_net_gradient"] = sum(moved).sqrt()
        return found

    def add_timing(self, steps):
        spent = self.train_ns - self.window_train_ns
        self.after.append(_record(
            "timing", ("step", self.step), ("threads", torch.get_num_threads()), ("step_ns", spent // max(1, steps)),
            ("record_ns", max(0, self.own_time() - self.probe_ns)), ("probe_ns", self.probe_ns),
            ("train_ns", self.train_ns)))

    # -- a probing --

    def look(self):
        """Judges every node on the probe images, in the state before the next step."""
        start = time.perf_counter_ns()
        looks, images = {layer: _Look(layer, self.graph) for layer in self.layers}, 0
        self.probing = True
        try:
            images = self.pass_probe(looks)
        finally:
            self.probing = False
        for layer in self.layers:
            found = {**looks[layer].results(), **self.at_rest(layer)}
            if "in_alive" in self.wanted and not layer.shared:
                found["in_alive"] = looks[layer].in_alive(looks)
            self.add_values("probe", layer, found, ("step", self.step), ("images", images),
                            ("elements", images * layer.elements))
            self.say_nonfinite_outputs(layer, found)
        self.probed_step = self.step
        self.probe_ns += time.perf_counter_ns() - start

    def pass_probe(self, looks):
        args, kwargs = self.arguments(self.probe)
        images, size = _tensors((args, kwargs))[0].shape[0], self.probe_batch
        norms = _normalisations(self.model)
        for first in range(0, images, size):
            batch = _sliced(args, first, first + size), _sliced(kwargs, first, first + size)
            for evaluation in (False, True) if norms else (False,):
                # Each pass by itself: one with batch statistics moves the running ones.
                with _undisturbed(self.model), torch.no_grad(), _plain_attention():
                    _set_mode(self.model, () if evaluation else norms)
                    with _Probe(self.model, self.graph, looks, evaluation, both=not norms):
                        self.model(*batch[0], **batch[1])
        return images

    def at_rest(self, layer):
        """What the parameters themselves tell."""
        found = {}
        with torch.no_grad():
            if layer.weight is not None:
                rows = _rows(layer.weight.detach(), layer.source)
                found.update(weight_l2=_row_norms(rows), weight_l1=rows.abs().sum(1, dtype=_wide(rows)))
            for name, value in (("bias", layer.bias), ("gamma", layer.gamma), ("beta", layer.beta)):
                found[name] = value
            if layer.running:
                found.update(running_mean=layer.norm_module.running_mean, running_var=layer.norm_module.running_var)
            if layer.pool is not None and layer.pool.conv is not None:
                found["pool_weight_l2"] = _row_norms(_rows(layer.pool.conv.weight.detach(), None))
            if layer.read_by_weights and "out_l2" in self.wanted:
                squares = [_of_reader(_input_squares(r.op.weight.detach(), r.op), r, layer.channels)
                           for r in layer.readers]
                found["out_l2"] = sum(squares).sqrt()
        return found

    def say_nonfinite_outputs(self, layer, found):
        rms = found.get("rms")
        if rms is not None and not bool(torch.isfinite(rms).all()):
            self.say("activation", self.step, layer.name, int((~torch.isfinite(rms)).long().argmax()))

    def end(self):
        evaluated = self.last_eval or {"loss": "null", **{key: "null" for key in self.measures}}
        more = [("nonfinite", self.nonfinite)] if self.nonfinite else []
        self.file.add(_record("end", ("steps", self.step), ("status", '"finished"'), *evaluated.items(), *more))

    def is_share(self, measure):
        return measure == "accuracy"

# ---- adapters: Lightning, Hugging Face ----

def lightning_callback(directory, **options):
    """A callback for Lightning's Trainer: Trainer(callbacks=[poolscope.lightning_callback("runs/a", probe=images)]).
    options: those of record(). Losses are what training_step returns; a checkpoint holds what going on needs."""
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

    class Recorder(Callback):
        recorder = saved = None

        def on_train_start(self, trainer, pl_module):
            scaler = getattr(getattr(trainer, "precision_plugin", None), "scaler", None)
            self.recorder = record(pl_module, trainer.optimizers, directory, resume=self.saved,
                                   **{"scaler": scaler, **options})

        def on_train_batch_end(self, trainer, pl_module, outputs, *batch):
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if loss is not None:
                self.recorder.loss(loss)

        def on_train_end(self, trainer, pl_module):
            self.recorder.close()

        def on_exception(self, trainer, pl_module, exception):
            if self.recorder is not None:
                self.recorder.close(finished=False)

        def state_dict(self):
            return self.recorder.state_dict() if self.recorder is not None and not self.recorder.closed else {}

        def load_state_dict(self, state_dict):
            self.saved = state_dict or None

    return Recorder()


def transformers_callback(directory, **options):
    """A callback for Hugging Face's Trainer: Trainer(..., callbacks=[poolscope.transformers_callback("runs/a",
    probe=images)]). Gradients are seen as they arrive, not in on_pre_optimizer_step, which comes after clipping. Losses
    are those that the Trainer logs; one for each step with logging_steps=1. A checkpoint holds what going on needs."""
    from transformers import TrainerCallback

    class Recorder(TrainerCallback):
        recorder = None

        def on_train_begin(self, args, state, control, model=None, optimizer=None, **more):
            kept = self.file_of(args, state)
            resume = torch.load(kept) if state.global_step and os.path.exists(kept) else None
            chosen = {"steps": max(0, state.max_steps), "accumulate": args.gradient_accumulation_steps,
                      "scaler": getattr(optimizer, "scaler", None), "resume": resume, **options}
            self.recorder = record(model, optimizer, directory, **chosen)

        def on_save(self, args, state, control, **more):
            if self.recorder is not None and self.recorder.rank == 0:
                torch.save(self.recorder.state_dict(), self.file_of(args, state))

        @staticmethod
        def file_of(args, state):
            return os.path.join(args.output_dir, f"checkpoint-{state.global_step}", "poolscope.pt")

        def on_log(self, args, state, control, logs=None, **more):
            if self.recorder is not None and args.logging_steps == 1 and "loss" in (logs or {}):
                self.recorder.loss(logs["loss"])

        def on_train_end(self, args, state, control, **more):
            self.recorder.close()

    return Recorder()


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

POOL_SKIP_MODES = ("full", "pool+skip", "conv+skip", "pool+conv", "grid+conv+skip", "grid-energy+conv+skip")
POOL_SKIP_CUTS = ("none", "forward", "gradient")
_LARGEST_WINDOW = {2: 16, 3: 6}


def _seed_of(*words):
    """63 bits that depend on the words alone."""
    digest = hashlib.sha256("\0".join(str(word) for word in words).encode())
    return int.from_bytes(digest.digest()[:8], "little") >> 1


_drawn = {"state": None, "count": 0}


def _seed_of_this_place():
    """From the state that random numbers are in, without taking any: a script that starts from a seed gets the same
    modules every time. Modules that are made without a draw between them get different ones."""
    state = hashlib.sha256(_bytes_of(torch.get_rng_state())).hexdigest()
    _drawn["count"] = _drawn["count"] + 1 if _drawn["state"] == state else 0
    _drawn["state"] = state
    return _seed_of(state, _drawn["count"])


class PoolSkip(nn.Module):
    """o = y + conv3x3(unpool(maxpool(y))) (Sun et al. 2025, arXiv 2409.13154), and its controls, as poolscope computes
    them: windows of pool_size in every direction (pool_size: a whole number), rows and columns beyond the last whole
    window belong to none. `mode` is one of POOL_SKIP_MODES, `cut` one of POOL_SKIP_CUTS; what they mean stands in
    poolscope's src/layers/README.md. dims: 2, or 3 for maps with depth. zero_init: the convolution starts at zero, so
    that the module changes nothing until it learns. clip: a pool_size larger than a map is cut to it; else that is an
    error.

    Takes no number from PyTorch's random state, so that a backbone built around it is the one built without. `seed`:
    what its own convolution starts from; left out, it follows from the random state as it is."""

    observer = None

    def __init__(self, channels, pool_size=2, mode="full", cut="none", zero_init=False, dims=2, clip=False, seed=None,
                 device=None, dtype=None):
        super().__init__()
        if mode not in POOL_SKIP_MODES:
            raise ValueError(f"PoolSkip: there is no mode {mode!r}; choose one of {', '.join(POOL_SKIP_MODES)}")
        if cut not in POOL_SKIP_CUTS:
            raise ValueError(f"PoolSkip: there is no cut {cut!r}; choose one of {', '.join(POOL_SKIP_CUTS)}")
        if dims not in (2, 3):
            raise ValueError(f"PoolSkip: dims must be 2 or 3, not {dims!r}")
        if not isinstance(pool_size, int) or not 1 <= pool_size <= _LARGEST_WINDOW[dims]:
            raise ValueError(f"PoolSkip: pool_size must be a whole number from 1 to {_LARGEST_WINDOW[dims]} "
                             f"({dims}D), not {pool_size!r}")
        if cut != "none" and mode == "pool+conv":
            raise ValueError(f"PoolSkip: a cut needs a mode with a skip; {mode!r} has nothing but the path to cut")
        if zero_init and mode == "pool+skip":
            raise ValueError(f"PoolSkip: zero_init needs a mode with a convolution, and {mode!r} has none")
        self.channels, self.pool_size, self.mode, self.cut = channels, pool_size, mode, cut
        self.dims, self.clip, self.zero_init = dims, clip, zero_init
        self.conv = None if mode == "pool+skip" else self._convolution(seed, device, dtype)

    def _convolution(self, seed, device, dtype):
        kind = nn.Conv2d if self.dims == 2 else nn.Conv3d
        conv = nn.utils.skip_init(kind, self.channels, self.channels, 3, padding=1, device=device or "cpu", dtype=dtype)
        generator = torch.Generator().manual_seed(_seed_of_this_place() if seed is None else seed)
        bound = 0 if self.zero_init else (self.channels * 3 ** self.dims) ** -0.5
        with torch.no_grad():  # uniform within +-bound, weights and bias, as PyTorch's own convolutions
            for parameter in (conv.weight, conv.bias):
                parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound)
        return conv

    def extra_repr(self):
        return f"{self.channels}, pool_size={self.pool_size}, mode={self.mode!r}" + (
            "" if self.cut == "none" else f", cut={self.cut!r}")

    def window(self, y):
        """The side of the windows on this map."""
        if y.dim() != self.dims + 2:
            raise ValueError(f"PoolSkip: takes n x c x {'' if self.dims == 2 else 'd x '}h x w, not "
                             f"{'x'.join(map(str, y.shape))}; say dims={5 - self.dims} for the other")
        side = min(y.shape[2:])
        if self.pool_size <= side or self.mode == "conv+skip":
            return self.pool_size
        if self.clip:
            return side
        raise ValueError(f"PoolSkip: pool_size {self.pool_size} is larger than the map "
                         f"({'x'.join(map(str, y.shape[2:]))}); take a smaller one here, or clip=True")

    def _largest(self, y, e):
        """Where each window's maximum lies (the first in scan order)."""
        pool = functional.max_pool2d if self.dims == 2 else functional.max_pool3d
        _, places = pool(y, e, e, return_indices=True)
        mask = torch.zeros(y.shape, dtype=torch.bool, device=y.device)
        mask.flatten(2).scatter_(2, places.flatten(2), True)
        return mask

    def _first(self, y, e):
        """The first position of every whole window: the same for all channels."""
        mask = torch.zeros((1, 1) + tuple(y.shape[2:]), dtype=torch.bool, device=y.device)
        mask[(slice(None), slice(None)) + tuple(slice(0, side // e * e, e) for side in y.shape[2:])] = True
        return mask

    def _energy(self, y, mask):
        kept = torch.where(mask, y, torch.zeros((), dtype=y.dtype, device=y.device)).double()
        return kept.square().sum([0] + list(range(2, y.dim())), keepdim=True)

    def select(self, y):
        """u: y at one place of each window, 0 elsewhere. What is chosen is constant to the gradient."""
        e = self.window(y)
        if e == 1 or self.mode == "conv+skip":
            return y
        zero = torch.zeros((), dtype=y.dtype, device=y.device)
        with torch.no_grad():
            grid = self.mode.startswith("grid")
            mask = self._first(y, e) if grid else self._largest(y, e)
            scale = None
            if self.mode.startswith("grid-energy"):
                present = self._energy(y, mask)
                wanted = self._energy(y, self._largest(y, e))
                scale = torch.where(present == 0, torch.ones_like(present), (wanted / present).sqrt()).to(y.dtype)
        u = torch.where(mask, y, zero)
        return u if scale is None else u * scale

    def forward(self, y):
        source = y if self.observer is None else self.observer.alias(y)
        path = self.select(source.detach() if self.cut == "gradient" else source)
        if self.conv is not None:
            path = self.conv(path)
        if self.mode == "pool+conv":
            output = path
        else:
            output = y + (path - path.detach() if self.cut == "forward" else path)
        if self.observer is not None:
            self.observer.seen(y, path, output)
        return output


class _PoolSkipped:
    """A convolution with a Pool Skip behind it that keeps its place and the names of its own weights."""

    def forward(self, *arguments, **named):
        return self.pool_skip(super().forward(*arguments, **named))


class Conv2dPoolSkip(_PoolSkipped, nn.Conv2d):
    pass


class Conv3dPoolSkip(_PoolSkipped, nn.Conv3d):
    pass


_pool_skipped = {nn.Conv2d: Conv2dPoolSkip, nn.Conv3d: Conv3dPoolSkip}


def _pool_skipped_class(kind):
    if kind not in _pool_skipped:  # a convolution of the user's, or one that is reparametrised
        _pool_skipped[kind] = type(kind.__name__ + "PoolSkip", (_PoolSkipped, kind), {"__module__": __name__})
    return _pool_skipped[kind]


def _choice(rule, name, module):
    """What a rule says of one convolution: arguments of PoolSkip; None: no Pool Skip here."""
    if callable(rule):
        chosen = rule(name, module)
    elif isinstance(rule, dict):
        chosen = next((value for pattern, value in rule.items() if fnmatch.fnmatchcase(name, pattern)), None)
    else:
        chosen = rule
    if isinstance(chosen, bool) or not isinstance(chosen, (int, dict, type(None))):
        raise TypeError(f"insert_pool_skip: the rule says {chosen!r} of \"{name}\"; say a pool size, 0 or None for no "
                        "Pool Skip, or a dictionary of PoolSkip's arguments")
    return {"pool_size": chosen} if isinstance(chosen, int) and chosen else chosen or None


def insert_pool_skip(model, rule=2, seed=None, inplace=False, **arguments):
    """A copy of the model with a Pool Skip behind its 2D and 3D convolutions, for the arm of a pair: the backbone has
    the same weights and the same names, and no random number is taken from PyTorch's state. Insert before the optimiser
    is made.

    rule: a pool size for every convolution; or {pattern: pool size} over the names of modules, of which the first that
    fits counts ({"layer1.*": 2}); or a function of (name, module) that says a pool size, a dictionary of PoolSkip's
    arguments, or None for no Pool Skip here. arguments: what goes to every PoolSkip (mode=, cut=, zero_init=). A pool
    size larger than a map is cut to it.

    The convolution "NAME" keeps its place and its names ("NAME.weight"); the module is "NAME.pool_skip". seed: of the
    modules' own weights, which also depend on the names; left out, the one PyTorch was seeded with."""
    model = model if inplace else copy.deepcopy(model)
    seed = torch.initial_seed() if seed is None else seed
    inserted = 0
    for name, module in list(model.named_modules()):
        if not isinstance(module, (nn.Conv2d, nn.Conv3d)) or isinstance(module, _PoolSkipped):
            continue
        if any(isinstance(outer, PoolSkip) for outer in _modules_around(model, name)):
            continue
        chosen = _choice(rule, name, module)
        if chosen is None:
            continue
        dims = 2 if isinstance(module, nn.Conv2d) else 3
        given = {"clip": True, "seed": _seed_of(seed, name), **arguments, **chosen}
        skip = PoolSkip(module.out_channels, dims=dims, device=module.weight.device, dtype=module.weight.dtype, **given)
        skip.train(module.training)
        module.pool_skip = skip
        module.__class__ = _pool_skipped_class(type(module))
        inserted += 1
    if not inserted:
        raise ValueError("insert_pool_skip: no convolution was chosen; the model has "
                         f"{sum(isinstance(m, (nn.Conv2d, nn.Conv3d)) for m in model.modules())} in 2D and 3D, and the "
                         "rule names none of them")
    return model


def _modules_around(model, name):
    """The modules that hold the one of this name, the outermost first."""
    at = model
    for word in name.split(".")[:-1]:
        yield at
        at = getattr(at, word)
    yield at


# ======================================================================================================================
# Pairs: digests of what must be equal in two runs
# ======================================================================================================================

_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def _plain_name(name):
    """Without the words that torch.compile and its like put into names."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def _without_wrappers(model):
    """The user's own model: not DataParallel's, DistributedDataParallel's or torch.compile's wrapper of it."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(model, wrappers) or hasattr(model, "_orig_mod"):
        model = model.module if isinstance(model, wrappers) else model._orig_mod
    return model


def _bytes_of(tensor):
    """The values row by row, little-endian."""
    tensor = tensor.detach().to("cpu").contiguous()
    if tensor.numel() == 0:
        return b""
    if sys.byteorder == "big" and tensor.element_size() > 1:
        tensor = tensor.reshape(-1, 1).view(torch.uint8).flip(1).contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())


def _tensors_of_backbone(model, names):
    """(name in the baseline, tensor) of every parameter and buffer that is not a Pool Skip's."""
    baseline = _baseline_paths(model, names)
    for path, module in model.named_modules(remove_duplicate=False):
        if not any(isinstance(holder, PoolSkip) for holder in [*_modules_around(model, path), module]):
            old = _plain_name(baseline.get(path, path) + ".")
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None:
                    yield old.lstrip(".") + name, tensor


def pairing_digest(model, names=None):
    """What "backbone" in a trace's "pairing" is: a digest of names, shapes and values of all that is not a Pool Skip
    (poolscope's src/trace/FORMAT.md). Two runs that start from models with the same digest are a pair. Names are those
    of the network without Pool Skips: one that stands in a Sequential is not counted there. names: further ones, as for
    `record` ({a module's path here: its path in the baseline})."""
    digest = hashlib.sha256()
    tensors = _tensors_of_backbone(_without_wrappers(model), names)
    for name, tensor in sorted(((name.encode(), tensor) for name, tensor in tensors), key=lambda pair: pair[0]):
        values = tensor.detach().to(torch.float32 if tensor.is_floating_point() else torch.int64)
        digest.update(name + b"\0" + ",".join(map(str, tensor.shape)).encode() + b"\0" + _bytes_of(values))
    return "sha256:" + digest.hexdigest()


# ======================================================================================================================
# Export: a network as poolscope's JSON graph
# ======================================================================================================================

# ---- weights as safetensors ----

_SAFE_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
               torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
               torch.bool: "BOOL"}


def save_weights(model, path, metadata=None):
    """Writes a model's weights, or a dictionary of tensors by name, as safetensors: an 8-byte length, a JSON header,
    the values. Tensors that share their memory are written each by itself. metadata: a dictionary of texts."""
    state = model if isinstance(model, dict) else _without_wrappers(model).state_dict()
    tensors = {_plain_name(name): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    header, end = ({"__metadata__": metadata} if metadata else {}), 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _SAFE_TYPES:
            raise TypeError(f"save_weights: \"{name}\" holds {tensor.dtype}, which the format has no name for; convert "
                            "it, or leave it out")
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _SAFE_TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with _whole_file(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            stream.write(_bytes_of(tensor))


def load_weights(path):
    """The tensors of a safetensors file by name, for model.load_state_dict; of a checkpoint of poolscope without the
    optimiser's. A run's directory stands for its last checkpoint."""
    if os.path.isdir(path):
        path = os.path.join(path, "checkpoint.safetensors")
    types, tensors = {name: kind for kind, name in _SAFE_TYPES.items()}, {}
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > os.path.getsize(path):
            raise ValueError(f"{path}: is no safetensors file; PyTorch's own are read with torch.load")
        header, data = json.loads(stream.read(length)), bytearray(stream.read())
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith("optimiser/"):
            continue
        start, end = entry["data_offsets"]
        if end > len(data) or entry["dtype"] not in types:
            raise ValueError(f"{path}: \"{name}\" is cut short, or of a number type that is not read "
                             f"({entry['dtype']})")
        flat = torch.frombuffer(data[start:end], dtype=types[entry["dtype"]]) if end > start else torch.empty(
            0, dtype=types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors


@contextlib.contextmanager
def _whole_file(path):
    """A file to write to that takes its place when it is whole."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as stream:
            yield stream
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)

# ---- a network as poolscope's JSON graph ----

class ExportError(ValueError):
    """The network has something that poolscope's graph has no counterpart for; the sentence says what and where."""


_OWN_FILE = os.path.abspath(__file__)
_TORCH_FOLDER = os.path.dirname(os.path.abspath(torch.__file__))
_MOST_INPUTS = 16  # of one operation


def _is_of_user(frame_file):
    file = os.path.abspath(frame_file)
    return not (frame_file.startswith("<") or file == _OWN_FILE or file.startswith(_TORCH_FOLDER + os.sep))


def _place():
    """file:line in the user's code that calls just now."""
    frame = sys._getframe(1)
    while frame is not None and not _is_of_user(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _place_of_error(error):
    place, at = "", error.__traceback__
    while at is not None:
        if _is_of_user(at.tb_frame.f_code.co_filename):
            place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
        at = at.tb_next
    return place


class _Call:
    """One operation of the forward pass: what was called, with what, where, and what came out."""

    def __init__(self, node, path, place, value):
        self.node, self.path, self.place, self.value = node, path, place, value

    def what(self):
        return getattr(self.node.target, "__name__", self.node.target)


class _Root(nn.Module):
    """With one input, whatever else the model's forward could be given."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


class _TracedTensor(fx.Proxy):
    """A tensor on its way through the network. What it is asked about its shape, it answers."""

    def __getattr__(self, name):
        if name in ("shape", "ndim", "dtype", "device", "requires_grad", "is_cuda", "layout"):
            return getattr(self.tracer.calls[self.node].value, name)
        return super().__getattr__(name)

    def __len__(self):
        return len(self.tracer.calls[self.node].value)


class _GraphTracer(fx.Tracer):
    """torch.fx, with every operation carried out as it is met: so that shapes are numbers, and decisions that follow
    from them are taken as in the run."""

    def __init__(self, x):
        super().__init__()
        self.x, self.calls, self.paths, self.carrying_out = x, {}, [""], 0

    def is_leaf_module(self, module, path):
        own = type(module).forward
        return isinstance(module, (PoolSkip, _PoolSkipped)) or super().is_leaf_module(module, path) or any(
            isinstance(module, kind) and own is kind.forward for kind in _MODULES)

    def proxy(self, node):
        return _TracedTensor(node, self)

    def call_module(self, module, forward, arguments, named):
        if self.carrying_out:
            return forward(*arguments, **named)
        path = self.path_of_module(module)
        self.paths.append(path[6:] if path.startswith("model.") else "")
        try:
            return super().call_module(module, forward, arguments, named)
        finally:
            self.paths.pop()

    def getattr(self, name, value, cache):
        return value if self.carrying_out else super().getattr(name, value, cache)

    def to_bool(self, traced):
        raise ExportError(f"export: the network decides something by the values of a tensor ({_place()}), and "
                          "poolscope's graph is the same for all values; take the decision out of forward")

    def iter(self, traced):
        return iter([traced[i] for i in range(len(traced))])

    def create_proxy(self, kind, target, arguments, named, *rest, **more):
        traced = super().create_proxy(kind, target, arguments, named, *rest, **more)
        node, place = traced.node, _place()
        if kind == "output":
            return traced
        self.carrying_out += 1
        try:
            value = self.carry_out(node)
        finally:
            self.carrying_out -= 1
        if not any(isinstance(part, torch.Tensor) for part in (value if isinstance(value, (tuple, list)) else [value])):
            self.graph.erase_node(node)  # a number, a shape: known here and now
            return value
        self.calls[node] = _Call(node, self.paths[-1], place, value)
        return traced

    def carry_out(self, node):
        if node.op == "placeholder":
            return self.x
        if node.op == "get_attr":
            return _attribute(self.root, node.target)
        given, named = fx.node.map_arg((node.args, node.kwargs), lambda other: self.calls[other].value)
        if node.op == "call_module":
            return self.root.get_submodule(node.target)(*given, **named)
        if node.op == "call_method":
            return getattr(given[0], node.target)(*given[1:], **named)
        return node.target(*given, **named)


def _attribute(module, path):
    *holders, name = path.split(".")
    for holder in holders:
        module = getattr(module, holder)
    return getattr(module, name)


class _Map:
    """What an operation of the graph gives. axes: the tensor's axes in PyTorch, "n", "c" and others; space: depth,
    height and width here."""

    def __init__(self, name, axes, space, channels):
        self.name, self.axes, self.space, self.channels = name, tuple(axes), tuple(space), channels

    def seen_as(self, axes):
        return _Map(self.name, axes, self.space, self.channels)


class _Weight:
    """A parameter that forward uses by itself."""

    def __init__(self, path, tensor):
        self.path, self.tensor = path, tensor


class _Several(tuple):
    """What an operation with several results gave."""


def _per_dimension(value, dims):
    return [int(v) for v in value] if isinstance(value, (tuple, list)) else [int(value)] * dims


def _short(values):
    """As one number where all are equal."""
    return values[0] if len(set(values)) == 1 else list(values)


class _Exporter:
    """Carries operations over, one after the other (_MODULES, _FUNCTIONS: what each is here)."""

    def __init__(self, model, root):
        self.model, self.root = model, root
        self.nodes, self.tensors, self.notes = [], {}, []
        self.found, self.newest, self.taken, self.used_at = {}, {}, {"input"}, {}
        self.baseline = _baseline_paths(model, None)
        self.call, self.input, self.shape_before = None, None, ()

    # -- sentences --

    def fail(self, why, what=None):
        call = self.call
        inside = f", in {call.path}" if call.path else ""
        where = f" ({call.place}{inside})" if call.place else f" (in {call.path})" if call.path else ""
        what = what or (type(self.module).__name__ if call.node.op == "call_module" else call.what())
        raise ExportError(f"export: {what}{where} {why}")

    def none_here(self, remedy="replace it by what the graph has (`poolscope inspect --layers`)"):
        self.fail(f"has no counterpart in poolscope's graph; {remedy}")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    # -- what was called with what --

    def kind(self):
        """The function's name, or that of the module's type in small letters."""
        return type(self.module).__name__.lower() if self.call.node.op == "call_module" else self.call.what()

    @property
    def module(self):
        return self.root.get_submodule(self.call.node.target)

    def given(self, place, name, default=None):
        node = self.call.node
        if len(node.args) > place:
            return node.args[place]
        return node.kwargs.get(name, default)

    def map_of(self, argument):
        """The map that an argument is; None: it is none."""
        return self.found.get(self.newest_of(argument)) if isinstance(argument, fx.Node) else None

    def newest_of(self, node):
        """What stands in a tensor that was changed in place."""
        while node in self.newest:
            node = self.newest[node]
        return node

    @staticmethod
    def source_node(node):
        return next((given for given in [*node.args, *node.kwargs.values()] if isinstance(given, fx.Node)), None)

    def source(self, place=0, name="input"):
        found = self.map_of(self.given(place, name))
        if not isinstance(found, _Map):
            self.fail("works on what is no map of the network's, and the graph has no constants")
        return found

    def channels_first(self, x, dims=None):
        if x.axes[:2] != ("n", "c") or (dims is not None and len(x.axes) != dims + 2):
            self.fail(f"is given axes {' x '.join(x.axes)}, not n x c x ..; poolscope's counterpart knows that alone")

    # -- operations --

    def named(self, path, fallback):
        """A name that no other operation has: the module's, in the network without Pool Skips."""
        path = self.baseline.get(path, path) or fallback
        name, count = path, 1
        while name in self.taken:
            count += 1
            name = f"{path}_{count}"
        self.taken.add(name)
        return name

    def add(self, kind, sources, space, channels, attributes=None, axes=None, path=None, file_name=None, module=False):
        is_module = self.call.node.op == "call_module"
        owner = self.call.path if path is None else path
        if path is None and not is_module:
            owner = f"{owner}.{self.call.what()}" if owner else self.call.what()
        name = self.named(owner, kind)
        node = {"name": name, "type": kind, "inputs": [source.name for source in sources]}
        if file_name is not None and file_name != name:
            node["file_name"] = file_name
        before = next((other for other in self.nodes if other["name"] == sources[0].name), {})
        stage = before.get("stage", "") if module else name.split(".")[0] if "." in name else ""
        if stage:
            node["stage"] = stage
        if module:
            node["module"] = True
        node.update(attributes or {})
        self.nodes.append(node)
        return _Map(name, sources[0].axes if axes is None else axes, space, channels)

    def keep(self, file_name, suffix, tensor, shape=None):
        name = f"{file_name}.{suffix}" if suffix else file_name
        self.tensors[name] = tensor.detach().to("cpu", torch.float32).reshape(shape or tensor.shape)

    def claim(self, *tensors):
        """Every operation has weights of its own."""
        for tensor in tensors:
            if tensor is None:
                continue
            key = (tensor.data_ptr(), tuple(tensor.shape))
            if key in self.used_at and tensor.numel():
                self.fail(f"uses weights that are used before, at {self.used_at[key]}; operations of poolscope's graph "
                          "share none: give each its own (copy.deepcopy of the module)")
            self.used_at[key] = self.call.place or self.call.path

    def space_of(self, value, axes):
        """Depth, height and width of a tensor with channels first."""
        return (1,) * (5 - len(axes)) + tuple(value.shape[2:])

    def elementwise(self, kind, x, attributes=None):
        return self.add(kind, [x], x.space, x.channels, attributes)


# Functions that carry a module or a call over: by type of module, and by name of function or method.
_MODULES, _FUNCTIONS = {}, {}


def _for_modules(*kinds):
    return lambda function: [_MODULES.setdefault(kind, function) for kind in kinds] and function


def _for_functions(*names):
    return lambda function: [_FUNCTIONS.setdefault(name, function) for name in names] and function


# -- what has weights --

def _convolution(e, x, weight, bias, stride, padding, dilation, groups, file_name):
    dims = weight.dim() - 2
    if dims == 1:
        e.none_here("write it in 2D, with a height of 1")
    e.channels_first(x, dims)
    kernel, dilation = list(weight.shape[2:]), _per_dimension(dilation, dims)
    if padding == "same":
        wanted = [d * (k - 1) for d, k in zip(dilation, kernel)]
        if any(w % 2 for w in wanted):
            e.fail("pads one side more than the other, which poolscope's conv does not; pad before it")
        padding = [w // 2 for w in wanted]
    padding = [0] * dims if padding == "valid" else _per_dimension(padding, dims)
    e.claim(weight, bias)
    e.keep(file_name, "weight", weight)
    if bias is not None:
        e.keep(file_name, "bias", bias)
    attributes = {"channels": weight.shape[0], "kernel": _short(kernel)}
    for name, values, usual in (("stride", _per_dimension(stride, dims), 1), ("padding", padding, 0),
                                ("dilation", dilation, 1)):
        if values != [usual] * dims:
            attributes[name] = _short(values)
    if groups != 1:
        attributes["groups"] = groups
    if bias is None:
        attributes["bias"] = False
    if dims == 2 and x.space[0] > 1 or dims == 3 and x.space[0] == 1:
        attributes["dims"] = dims
    value = e.call.value
    return e.add("conv", [x], e.space_of(value, x.axes), weight.shape[0], attributes, path=file_name,
                 file_name=file_name)


@_for_modules(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def _export_conv(e):
    m, path = e.module, e.call.path
    if m.padding_mode != "zeros":
        e.fail(f"pads with \"{m.padding_mode}\"; poolscope pads with zeros")
    y = _convolution(e, e.source(), m.weight, m.bias, m.stride, m.padding, m.dilation, m.groups, path)
    return _pool_skip(e, y, m.pool_skip, path + ".pool_skip") if isinstance(m, _PoolSkipped) else y


def _own_weights(e, weight, bias):
    """The path of the module whose "weight" and "bias" a function is called with."""
    weight, bias = e.map_of(weight), e.map_of(bias)
    if not isinstance(weight, _Weight) or not weight.path.endswith("weight") or (
            bias is not None and bias.path != weight.path[:-6] + "bias"):
        e.fail("is called with weights that are no module's \"weight\" and \"bias\"; call the module")
    return weight.path[:-7] if weight.path != "weight" else "", weight.tensor, None if bias is None else bias.tensor


@_for_functions("conv2d", "conv3d")
def _export_conv_function(e):
    path, weight, bias = _own_weights(e, e.given(1, "weight"), e.given(2, "bias"))
    return _convolution(e, e.source(), weight, bias, e.given(3, "stride", 1), e.given(4, "padding", 0),
                        e.given(5, "dilation", 1), e.given(6, "groups", 1), path)


@_for_modules(nn.ConvTranspose2d, nn.ConvTranspose3d)
def _export_conv_transpose(e):
    m, x, dims = e.module, e.source(), e.module.weight.dim() - 2
    e.channels_first(x, dims)
    if e.given(1, "output_size") is not None:
        e.fail("is told a size of its output; say output_padding instead")
    e.claim(m.weight, m.bias)
    e.keep(e.call.path, "weight", m.weight)
    if m.bias is not None:
        e.keep(e.call.path, "bias", m.bias)
    attributes = {"channels": m.out_channels, "kernel": _short(_per_dimension(m.kernel_size, dims)),
                  "stride": _short(_per_dimension(m.stride, dims))}
    for name, values, usual in (("padding", m.padding, 0), ("output_padding", m.output_padding, 0),
                                ("dilation", m.dilation, 1)):
        if _per_dimension(values, dims) != [usual] * dims:
            attributes[name] = _short(_per_dimension(values, dims))
    if m.groups != 1:
        attributes["groups"] = m.groups
    if m.bias is None:
        attributes["bias"] = False
    if dims == 2 and x.space[0] > 1 or dims == 3 and x.space[0] == 1:
        attributes["dims"] = dims
    return e.add("conv_transpose", [x], e.space_of(e.call.value, x.axes), m.out_channels, attributes,
                 file_name=e.call.path)


def _linear(e, x, weight, bias, path):
    if x.axes[-1] != "c":
        e.fail(f"works along the last of {' x '.join(x.axes)}, which is not the channels; poolscope's linear does")
    e.claim(weight, bias)
    e.keep(path, "weight", weight)
    if bias is not None:
        e.keep(path, "bias", bias)
    attributes = {"features": weight.shape[0], **({} if bias is not None else {"bias": False})}
    return e.add("linear", [x], x.space, weight.shape[0], attributes, path=path, file_name=path)


@_for_modules(nn.Linear)
def _export_linear(e):
    return _linear(e, e.source(), e.module.weight, e.module.bias, e.call.path)


@_for_functions("linear")
def _export_linear_function(e):
    path, weight, bias = _own_weights(e, e.given(1, "weight"), e.given(2, "bias"))
    return _linear(e, e.source(), weight, bias, path)


def _keep_gain(e, m, channels):
    """Gain and shift; where the module has none, those that change nothing."""
    if m.weight is None:
        e.note(f"\"{e.call.path}\" has no gain and shift to learn, which poolscope's counterpart always has: they "
               "start as 1 and 0, and training there moves them")
    for suffix, tensor, usual in (("weight", m.weight, torch.ones), ("bias", m.bias, torch.zeros)):
        e.claim(tensor)
        e.keep(e.call.path, suffix, usual(channels) if tensor is None else tensor)


@_for_modules(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def _export_batch_norm(e):
    m, x = e.module, e.source()
    e.channels_first(x)
    if m.running_mean is None:
        e.fail("keeps no running statistics (track_running_stats=False); poolscope's batch_norm goes by them in "
               "evaluation mode")
    if m.momentum is None:
        e.note(f"\"{e.call.path}\" averages its statistics over all batches (momentum=None); poolscope goes on with a "
               "momentum of 0.1")
    _keep_gain(e, m, m.num_features)
    e.keep(e.call.path, "running_mean", m.running_mean)
    e.keep(e.call.path, "running_var", m.running_var)
    momentum = 0.1 if m.momentum is None else m.momentum
    attributes = {**({"eps": m.eps} if m.eps != 1e-5 else {}), **({"momentum": momentum} if momentum != 0.1 else {})}
    return e.add("batch_norm", [x], x.space, x.channels, attributes, file_name=e.call.path)


def _instance_norm(e, m, x, affine):
    e.channels_first(x)
    if affine:
        _keep_gain(e, m, x.channels)
    attributes = {**({"eps": m.eps} if m.eps != 1e-5 else {}), **({} if affine else {"affine": False})}
    return e.add("instance_norm", [x], x.space, x.channels, attributes, file_name=e.call.path)


@_for_modules(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
def _export_instance_norm(e):
    if e.module.track_running_stats:
        e.fail("goes by running statistics in evaluation mode (track_running_stats=True); poolscope's does not")
    return _instance_norm(e, e.module, e.source(), e.module.affine)


@_for_modules(nn.GroupNorm)
def _export_group_norm(e):
    m, x = e.module, e.source()
    if m.num_groups != m.num_channels:
        e.none_here(f"poolscope has none of several channels a group ({m.num_channels} channels in {m.num_groups} "
                    "groups): take batch or instance normalisation, or a group a channel")
    return _instance_norm(e, m, x, m.affine)


@_for_modules(nn.LayerNorm)
def _export_layer_norm(e):
    m, x = e.module, e.source()
    if x.axes[-1] != "c" or tuple(m.normalized_shape) != (x.channels,):
        e.fail(f"normalises {'x'.join(map(str, m.normalized_shape))} of {' x '.join(x.axes)}; poolscope's layer_norm "
               "takes the channels of each position alone")
    _keep_gain(e, m, x.channels)
    return e.add("layer_norm", [x], x.space, x.channels, {"eps": m.eps} if m.eps != 1e-5 else {},
                 file_name=e.call.path)


def _pool_skip(e, y, m, path):
    """Named after what it stands behind, wherever the module is."""
    e.channels_first(y, m.dims)
    side = min(y.space[3 - m.dims:])
    size = m.pool_size if m.pool_size <= side or m.mode == "conv+skip" else side
    attributes = {"pool_size": size, **({"mode": m.mode} if m.mode != "full" else {}),
                  **({"cut": m.cut} if m.cut != "none" else {}), **({"zero_init": True} if m.zero_init else {})}
    if size != m.pool_size:
        attributes["pool_size_asked"] = m.pool_size
    if m.conv is not None:
        e.claim(m.conv.weight, m.conv.bias)
        e.keep(path, "conv.weight", m.conv.weight)
        e.keep(path, "conv.bias", m.conv.bias)
    return e.add("pool_skip", [y], y.space, y.channels, attributes, path=y.name + ".pool_skip", file_name=path,
                 module=True)


@_for_modules(PoolSkip)
def _export_pool_skip(e):
    return _pool_skip(e, e.source(0, "y"), e.module, e.call.path)


@_for_modules(nn.MultiheadAttention)
def _export_attention(e):
    m, x = e.module, e.source(0, "query")
    same = all(self_given is e.given(0, "query") for self_given in (e.given(1, "key"), e.given(2, "value")))
    wanted = ("n", "t", "c") if getattr(m, "batch_first", False) else ("t", "n", "c")
    if not same or x.axes != wanted or m.in_proj_weight is None or m.bias_k is not None or m.add_zero_attn or any(
            e.given(place, name) is not None for place, name in ((3, "key_padding_mask"), (5, "attn_mask"))):
        e.fail("is not self-attention without masks, all that poolscope's attention is")
    e.claim(m.in_proj_weight, m.in_proj_bias, m.out_proj.weight, m.out_proj.bias)
    path = e.call.path
    e.keep(path, "qkv.weight", m.in_proj_weight)
    if m.in_proj_bias is not None:
        e.keep(path, "qkv.bias", m.in_proj_bias)
    e.keep(path, "proj.weight", m.out_proj.weight)
    e.keep(path, "proj.bias", torch.zeros(m.embed_dim) if m.out_proj.bias is None else m.out_proj.bias)
    attributes = {"heads": m.num_heads, **({"dropout": m.dropout} if m.dropout else {}),
                  **({} if m.in_proj_bias is not None else {"qkv_bias": False})}
    return _Several((e.add("attention", [x], x.space, x.channels, attributes, file_name=path), None))


# -- activations --

def _activation(kind, read=None):
    """read(e): its attributes, of a module or a call."""
    return lambda e: e.elementwise(kind, e.source(), read(e) if read else None)


def _setting(place, name, default, attribute=None):
    """The value of a module's setting or a function's argument."""
    def read(e):
        if e.call.node.op == "call_module":
            return getattr(e.module, attribute or name)
        return e.given(place, name, default)
    return read


for _kinds, _names, _carry in (
        ((nn.ReLU,), ("relu", "relu_"), _activation("relu")),
        ((nn.ReLU6,), ("relu6",), _activation("relu6")),
        ((nn.SiLU,), ("silu",), _activation("silu"))):
    _for_modules(*_kinds)(_carry)
    _for_functions(*_names)(_carry)


@_for_modules(nn.LeakyReLU)
@_for_functions("leaky_relu", "leaky_relu_")
def _export_leaky_relu(e):
    slope = _setting(1, "negative_slope", 0.01)(e)
    if not 0 <= slope <= 1:
        e.fail(f"has a slope of {slope}; poolscope's is from 0 to 1")
    return e.elementwise("leaky_relu", e.source(), {"slope": slope})


@_for_modules(nn.ELU)
@_for_functions("elu", "elu_")
def _export_elu(e):
    return e.elementwise("elu", e.source(), {"alpha": _setting(1, "alpha", 1.0)(e)})


@_for_modules(nn.GELU)
@_for_functions("gelu")
def _export_gelu(e):
    if _setting(1, "approximate", "none")(e) != "none":
        e.none_here("poolscope's gelu is the exact one (approximate=\"none\")")
    return e.elementwise("gelu", e.source())


@_for_modules(nn.Hardtanh)
@_for_functions("hardtanh", "hardtanh_", "clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_")
def _export_clamp(e):
    tanh = e.call.node.op == "call_module" or "hardtanh" in e.call.what()
    low = _setting(1, "min_val" if tanh else "min", -1 if tanh else None)(e)
    high = _setting(2, "max_val" if tanh else "max", 1 if tanh else None)(e)
    if low != 0 or high not in (None, 6):
        e.none_here(f"of such cuts it has those at 0 and 6 (relu6) and at 0 alone (relu), not from {low} to {high}")
    return e.elementwise("relu6" if high == 6 else "relu", e.source())


@_for_modules(nn.PReLU)
def _export_prelu(e):
    m, x = e.module, e.source()
    if m.num_parameters > 1:
        e.channels_first(x)
    e.claim(m.weight)
    e.keep(e.call.path, "weight", m.weight)
    return e.add("prelu", [x], x.space, x.channels, {} if m.num_parameters == 1 else {"shared": False},
                 file_name=e.call.path)


@_for_functions("softmax", "log_softmax", "sigmoid", "logsigmoid")
@_for_modules(nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Softmax2d)
def _export_softmax(e):
    e.none_here("at the end of a network leave it out: the loss takes logits")


# -- pooling --

def _floor_sides(space, kernel, stride, padding):
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(space, kernel, stride, padding))


def _pool(e, kind, x, kernel, stride, padding):
    dims = len(e.call.value.shape) - 2 if isinstance(e.call.value, torch.Tensor) else len(x.axes) - 2
    e.channels_first(x)
    kernel, padding = _per_dimension(kernel, dims), _per_dimension(padding, dims)
    stride = kernel if stride in (None, [], ()) else _per_dimension(stride, dims)
    space = e.space_of(e.call.value, x.axes)
    if space[3 - dims:] != _floor_sides(x.space[3 - dims:], kernel, stride, padding):
        e.fail("takes windows that reach over the edge (ceil_mode=True); poolscope's stay within")
    attributes = {"kernel": _short(kernel), "stride": _short(stride)}
    if any(padding):
        attributes["padding"] = _short(padding)
    return e.add(kind, [x], space, x.channels, attributes)


@_for_modules(nn.MaxPool2d, nn.MaxPool3d)
@_for_functions("max_pool2d", "max_pool3d", "_max_pool2d", "_max_pool3d")
def _export_max_pool(e):
    if _setting(6, "return_indices", False)(e):
        e.none_here("of the places of maxima it knows nothing; leave out return_indices")
    if any(d != 1 for d in _per_dimension(_setting(4, "dilation", 1)(e), 1)):
        e.fail("has windows with gaps (dilation), which poolscope's max_pool has not")
    return _pool(e, "max_pool", e.source(), _setting(1, "kernel_size", None)(e), _setting(2, "stride", None)(e),
                 _setting(3, "padding", 0)(e))


@_for_modules(nn.AvgPool2d, nn.AvgPool3d)
@_for_functions("avg_pool2d", "avg_pool3d")
def _export_avg_pool(e):
    padding = _setting(3, "padding", 0)(e)
    if not _setting(5, "count_include_pad", True)(e) and any(_per_dimension(padding, 1)):
        e.fail("leaves its padding out of the mean (count_include_pad=False); poolscope's counts it")
    if _setting(6, "divisor_override", None)(e) is not None:
        e.fail("divides by a number of its own (divisor_override)")
    return _pool(e, "avg_pool", e.source(), _setting(1, "kernel_size", None)(e), _setting(2, "stride", None)(e),
                 padding)


@_for_modules(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
@_for_functions("adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _export_adaptive_pool(e):
    x, maximum = e.source(), "max" in e.kind()
    space = e.space_of(e.call.value, x.axes)
    e.channels_first(x)
    if space == (1, 1, 1) and not maximum:
        return e.add("global_avg_pool", [x], space, x.channels)
    if space == x.space:
        return x
    if any(a % b for a, b in zip(x.space, space)):
        e.fail(f"makes {'x'.join(map(str, space))} of {'x'.join(map(str, x.space))} with windows of several sizes; "
               "poolscope's are all alike: choose a size that divides the map's")
    kernel = [a // b for a, b in zip(x.space, space)][5 - len(x.axes):]
    return _pool(e, "max_pool" if maximum else "avg_pool", x, kernel, kernel, 0)


@_for_functions("mean")
def _export_mean(e):
    x, axes = e.source(), e.given(1, "dim")
    rank = len(x.axes)
    axes = range(rank) if axes is None else [axes] if isinstance(axes, int) else axes
    over = {x.axes[axis % rank] for axis in axes}
    if over != set(x.axes) - {"n", "c"} or not over:
        e.fail(f"is over {', '.join(sorted(over)) or 'nothing'} of {' x '.join(x.axes)}; poolscope has the mean over "
               "all positions alone")
    y = e.add("global_avg_pool", [x], (1, 1, 1), x.channels)
    return y if e.given(2, "keepdim", False) else y.seen_as([axis for axis in x.axes if axis in ("n", "c")])


# -- what changes no value --

@_for_modules(nn.Identity)
@_for_functions("contiguous", "clone", "detach", "to", "float", "type_as", "identity")
def _export_identity(e):
    return e.map_of(e.given(0, "input"))


@_for_modules(nn.Dropout, nn.Dropout2d, nn.Dropout3d)
@_for_functions("dropout", "dropout_", "dropout2d", "dropout3d", "feature_dropout")
def _export_dropout(e):
    x, p = e.source(), _setting(1, "p", 0.5)(e)
    channels = e.kind() not in ("dropout", "dropout_")
    if channels:
        e.channels_first(x)
    return e.elementwise("dropout", x, {"p": p, **({"channels": True} if channels else {})})


def _as_shape(e, x, shape):
    """The same values in another shape: nothing that is done here, or a vector of all."""
    shape, old = tuple(shape), tuple(e.shape_before)
    if len(shape) == 2 and shape[0] == old[0] and x.axes[0] == "n" and len(old) > 2:
        if x.space == (1, 1, 1):
            return x.seen_as(("n", "c"))
        if x.axes[:2] == ("n", "c"):
            features = x.channels * x.space[0] * x.space[1] * x.space[2]
            return e.add("flatten", [x], (1, 1, 1), features, axes=("n", "c"))
    if x.axes[:2] == ("n", "c") and shape[:2] == old[:2]:
        if len(shape) == 3 and shape[2] == x.space[0] * x.space[1] * x.space[2]:
            return x.seen_as(("n", "c", "t"))
        if len(shape) in (4, 5) and (1,) * (5 - len(shape)) + shape[2:] == x.space:
            return x.seen_as(("n", "c") + ("d", "h", "w")[5 - len(shape):])
    kept = [(axis, side) for axis, side in zip(x.axes, old) if side != 1 or axis in ("n", "c")]
    axes = []  # where nothing but sides of 1 come and go
    for side in shape:
        axes.append(kept.pop(0)[0] if kept and kept[0][1] == side else "1" if side == 1 else "?")
    if kept or "?" in axes:
        e.fail(f"makes {'x'.join(map(str, shape))} of {' x '.join(x.axes)} ({'x'.join(map(str, old))}); poolscope has "
               "the vector of all values (flatten), and positions in a row")
    return x.seen_as(axes)


@_for_modules(nn.Flatten, nn.Unflatten)
@_for_functions("flatten", "reshape", "view", "squeeze", "unsqueeze", "view_as", "reshape_as", "squeeze_", "unflatten")
def _export_reshape(e):
    return _as_shape(e, e.source(), e.call.value.shape)


@_for_functions("permute", "transpose", "swapaxes", "movedim", "moveaxis")
def _export_permute(e):
    x = e.source()
    marks = torch.empty(tuple(range(2, 2 + len(x.axes))), device="meta")  # every axis has a size of its own
    given = [marks] + list(e.call.node.args[1:])
    turn = e.call.node.target if e.call.node.op == "call_function" else getattr(torch.Tensor, e.call.node.target)
    kept = {name: value for name, value in e.call.node.kwargs.items() if name not in ("input", "self")}
    return x.seen_as([x.axes[side - 2] for side in turn(*given, **kept).shape])


@_for_functions("getitem")
def _export_item(e):
    x, index = e.map_of(e.given(0, "a")), e.given(1, "b")
    if isinstance(x, _Several):
        if x[index] is None:
            e.fail("takes what poolscope's counterpart does not give")
        return x[index]
    whole = slice(None)
    if isinstance(x, _Map) and x.axes == ("n", "t", "c") and isinstance(index, tuple) and index[0] == whole and (
            isinstance(index[1], int)) and all(part == whole for part in index[2:]):
        token = index[1] % (x.space[0] * x.space[1] * x.space[2])
        return e.add("token", [x], (1, 1, 1), x.channels, {"index": token} if token else {}, axes=("n", "c"))
    if isinstance(x, _Map) and tuple(e.call.value.shape) == tuple(e.shape_before):
        return x
    e.none_here("poolscope takes no parts of maps")


@_for_functions("expand", "repeat", "expand_as")
def _export_expand(e):
    x = e.map_of(e.given(0, "input"))
    if isinstance(x, _Weight):
        return x  # along the samples: what reads it says whether that is all
    e.none_here()


# -- several inputs --

@_for_functions("add", "iadd", "add_")
def _export_add(e):
    a, b = e.map_of(e.given(0, "input")), e.map_of(e.given(1, "other"))
    if e.given(2, "alpha", 1) != 1:
        e.fail("adds a multiple (alpha)")
    if isinstance(a, _Weight) and isinstance(b, _Map):
        a, b = b, a
    if isinstance(a, _Map) and isinstance(b, _Weight):
        positions = a.space[0] * a.space[1] * a.space[2]
        if a.axes != ("n", "t", "c") or tuple(b.tensor.shape)[-2:] != (positions, a.channels):
            e.fail("adds a parameter that is no vector of each position; poolscope has that alone (position_embedding)")
        e.claim(b.tensor)
        e.keep(b.path, "", b.tensor, (1, positions, a.channels))
        return e.add("position_embedding", [a], a.space, a.channels, path=b.path, file_name=b.path)
    if not isinstance(a, _Map) or not isinstance(b, _Map):
        e.none_here("poolscope adds maps to each other, not numbers or constants")
    if a.axes != b.axes or a.space != b.space or a.channels != b.channels:
        e.fail("adds maps of different shapes; poolscope's have one shape")
    return e.add("add", [a, b], a.space, a.channels)


@_for_functions("cat", "concat", "concatenate")
def _export_cat(e):
    given, axis = e.given(0, "tensors"), e.given(1, "dim", 0)
    maps = [e.map_of(part) for part in given]
    if len(maps) == 2 and isinstance(maps[0], _Weight) and isinstance(maps[1], _Map):
        return _class_token(e, maps[0], maps[1], axis)
    if not all(isinstance(part, _Map) for part in maps):
        e.none_here("poolscope puts maps together, not constants")
    if any(part.axes != maps[0].axes or part.space != maps[0].space for part in maps) or maps[0].axes[axis] != "c":
        e.fail("does not put channels of maps of one size one after the other, all that poolscope's concat does")
    while len(maps) > 1:  # of many the first few by themselves
        some, rest = maps[:_MOST_INPUTS], maps[_MOST_INPUTS:]
        maps = [e.add("concat", some, some[0].space, sum(part.channels for part in some)), *rest]
    return maps[0]


def _class_token(e, token, x, axis):
    if x.axes != ("n", "t", "c") or axis % 3 != 1 or token.tensor.numel() != x.channels:
        e.fail("puts a parameter before something else than a row of positions; poolscope has that alone (class_token)")
    e.claim(token.tensor)
    e.keep(token.path, "", token.tensor, (1, 1, x.channels))
    positions = 1 + x.space[0] * x.space[1] * x.space[2]
    return e.add("class_token", [x], (1, 1, positions), x.channels, path=token.path, file_name=token.path)


@_for_modules(nn.Upsample)
@_for_functions("interpolate", "upsample")
def _export_resize(e):
    x, mode, corners = e.source(), _setting(3, "mode", "nearest")(e), _setting(4, "align_corners", None)(e)
    dims, space = len(x.axes) - 2, e.space_of(e.call.value, x.axes)
    e.channels_first(x)
    if e.call.node.kwargs.get("antialias"):
        e.fail("smooths before it takes away (antialias=True)")
    if mode not in ("nearest", "nearest-exact", "bilinear", "trilinear"):
        e.none_here(f"poolscope's resize is \"nearest\" or linear, not \"{mode}\"")
    if space == x.space:
        return x
    attributes = {"mode": "nearest" if mode.startswith("nearest") else "linear"}
    if corners:
        attributes["align_corners"] = True
    scale = [b // a for a, b in zip(x.space, space)][3 - dims:]
    if all(a * s == b for a, s, b in zip(x.space[3 - dims:], scale, space[3 - dims:])):
        return e.add("resize", [x], space, x.channels, {**attributes, "scale": _short(scale)})
    factor = _setting(2, "scale_factor", None)(e)
    factors = [factor] * dims if isinstance(factor, (int, float)) else factor or []
    if mode == "nearest-exact" or any(a * f != b for a, f, b in zip(x.space[3 - dims:], factors, space[3 - dims:])):
        e.fail("has a factor that does not lead to whole sides; say the size")
    like = next((m for m in [e.input, *e.found.values()] if isinstance(m, _Map) and m.space == space), None)
    if like is None:
        e.fail(f"makes {'x'.join(map(str, space[3 - dims:]))} of {'x'.join(map(str, x.space[3 - dims:]))}; poolscope "
               "resizes by whole factors, or to the size of a map that comes before, and none has that one")
    return e.add("resize", [x, like], space, x.channels, attributes)


@_for_modules(nn.ZeroPad2d, nn.ConstantPad2d, nn.ConstantPad3d)
@_for_functions("pad")
def _export_pad(e):
    x, is_module = e.source(), e.call.node.op == "call_module"
    dims = len(x.axes) - 2
    e.channels_first(x)
    sides = list(_setting(1, "pad", None, "padding")(e))
    mode = "constant" if is_module else e.given(2, "mode", "constant")
    if mode != "constant" or (_setting(3, "value", 0)(e) or 0) != 0:
        e.fail("pads with something else than zeros")
    if any(sides[2 * dims:]):
        e.none_here("poolscope pads positions, not channels")
    sides = (sides + [0] * 2 * dims)[:2 * dims]
    return e.add("pad", [x], e.space_of(e.call.value, x.axes), x.channels,
                 {"before": sides[0::2][::-1], "after": sides[1::2][::-1]})


# -- the whole --

def _changes_its_input(node, root):
    """Whether what comes after sees the result under the input's name, too."""
    if node.op == "call_module":
        return bool(getattr(root.get_submodule(node.target), "inplace", False))
    name = getattr(node.target, "__name__", node.target)
    return node.op.startswith("call") and (name == "iadd" or name.endswith("_") and not name.endswith("__") or bool(
        node.kwargs.get("inplace", False)))


def _needed(graph, root):
    """Nodes that the output depends on."""
    needed = set()
    for node in reversed(graph.nodes):
        if node.op == "output" or node in needed or _changes_its_input(node, root):
            needed.add(node)
            needed.update(node.all_input_nodes)
    return needed


def _carry_over(e, call):
    node, e.call = call.node, call
    if node.op == "get_attr":
        return _Weight(node.target.replace("model.", "", 1), call.value)
    kinds = type(e.module).__mro__ if node.op == "call_module" else ()
    carry = next((_MODULES[kind] for kind in kinds if kind in _MODULES), None) if kinds else _FUNCTIONS.get(call.what())
    if carry is None:
        e.none_here()
    return carry(e)


def _input_of(e, x):
    if x.dim() not in (2, 4, 5) or not x.is_floating_point():
        raise ExportError("export: example_input must be a batch as the network takes it: floats, n x channels x "
                          f"height x width, n x channels x depth x height x width, or n x features; it is "
                          f"{tuple(x.shape)}, {x.dtype}")
    axes = ("n", "c") + ("d", "h", "w")[5 - x.dim():]
    return _Map("input", axes, e.space_of(x, axes) if x.dim() > 2 else (1, 1, 1), x.shape[1])


def _check_output(found):
    if isinstance(found, _Map) and found.name != "input" and found.axes[:2] == ("n", "c") and "t" not in found.axes:
        return
    raise ExportError("export: the model must give one tensor of logits, n x classes or n x classes x height x width; "
                      "export a module that picks it where there are several")


def _walk(e, tracer, graph):
    needed = _needed(graph, e.root)
    for node in graph.nodes:
        if node.op == "placeholder":
            e.input = e.found[node] = _input_of(e, tracer.x)
        elif node.op == "output":
            result = e.map_of(node.args[0])
            _check_output(result)
            return result
        elif node in needed:
            first = e.source_node(node)
            e.shape_before = tracer.calls[first].value.shape if first is not None and isinstance(
                tracer.calls[first].value, torch.Tensor) else ()
            e.found[node] = _carry_over(e, tracer.calls[node])
            if _changes_its_input(node, e.root) and first is not None:
                e.newest[e.newest_of(first)] = node


def _keep_reachable(e, last):
    by_name, wanted, at = {node["name"]: node for node in e.nodes}, set(), [last.name]
    while at:
        name = at.pop()
        if name != "input" and name not in wanted:
            wanted.add(name)
            at += by_name[name]["inputs"]
    e.nodes = [node for node in e.nodes if node["name"] in wanted]
    owners = tuple(node.get("file_name", node["name"]) for node in e.nodes)
    e.tensors = {name: tensor for name, tensor in e.tensors.items()
                 if any(name == owner or name.startswith(owner + ".") for owner in owners)}
    return owners


def _note_left_out(e, owners):
    state = [name for name, _ in e.model.named_parameters()]
    idle = [name for name in state if not any(name == owner or name.startswith(owner + ".") for owner in owners)]
    if idle:
        e.note(f"{len(idle)} of {len(state)} parameters have no part in what the model gives in evaluation mode, and "
               f"were left out: {', '.join(idle[:3])}{', ..' if len(idle) > 3 else ''}")


def _traced(root, x):
    tracer = _GraphTracer(x.clone())
    try:
        return tracer, tracer.trace(root)
    except ExportError:
        raise
    except Exception as error:
        place = _place_of_error(error)
        said = str(error).splitlines()[0] if str(error) else ""
        raise ExportError(f"export: forward cannot be followed beyond {place or 'its start'}: {type(error).__name__}: "
                          f"{said}") from error


@contextlib.contextmanager
def _at_rest(model, x):
    """Evaluation mode, without gradients; modes and random numbers are as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.no_grad(), torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training


def _graph_of(model, x, name):
    """The document, the weights, and what the user must know."""
    with _at_rest(model, x):
        expected = model(x.clone())
        root = _Root(model).eval()
        tracer, graph = _traced(root, x)
        e = _Exporter(model, root)
        owners = _keep_reachable(e, _walk(e, tracer, graph))
    _note_left_out(e, owners)
    document = {"format": "poolscope-graph", "version": 1, "name": name or type(model).__name__,
                "input": [x.shape[1], *(x.shape[2:] if x.dim() > 2 else (1, 1))], "nodes": e.nodes}
    _check_values(document, e.tensors, x, expected)
    return document, e.tensors, e.notes


def export(model, example_input, graph_path, weights_path=None, name=None):
    """Writes a network as poolscope's JSON graph and its weights as safetensors:

        poolscope.export(model, images, "net.json", "weights.safetensors")
        $ poolscope diagnose weights.safetensors --graph net.json --data cifar10:DIR
        $ poolscope train --graph net.json --init weights.safetensors --data cifar10:DIR --out runs/a

    It is the network of evaluation mode, followed by torch.fx on example_input (a batch of any size; the height and
    width count). Operations have the names of the modules, weights those of the model's state. What has no counterpart
    is named in an ExportError, with its place in your code; a remark is a warning. The graph that was made is worked
    out on example_input and must give what the model gives. The model is left as it was."""
    document, tensors, notes = _graph_of(_without_wrappers(model), example_input, name)
    for note in notes:
        warnings.warn(f"poolscope.export: {note}", stacklevel=2)
    nodes = ",\n".join("  " + json.dumps(node, ensure_ascii=False) for node in document["nodes"])
    head = json.dumps({key: value for key, value in document.items() if key != "nodes"}, ensure_ascii=False)
    if weights_path is not None:
        save_weights(tensors, weights_path)
    with _whole_file(graph_path) as stream:
        stream.write(f"{head[:-1]},\n \"nodes\": [\n{nodes}\n ]}}\n".encode())


# -- the graph worked out by PyTorch, to see that it is the model --

def _worked_out(node, x, w):
    """What an operation gives of inputs x, n x c x d x h x w each; w(suffix): its weights."""
    kind, first = node["type"], x[0]
    flat = first.flatten(2).transpose(1, 2)  # n x t x c
    plain = {"relu": functional.relu, "relu6": functional.relu6, "silu": functional.silu, "gelu": functional.gelu,
             "dropout": lambda y: y, "concat": lambda y: torch.cat(x, 1), "add": lambda y: sum(x[1:], y),
             "flatten": lambda y: y.flatten(1)[:, :, None, None, None],
             "global_avg_pool": lambda y: y.mean((2, 3, 4), keepdim=True),
             "leaky_relu": lambda y: functional.leaky_relu(y, node.get("slope", 0.01)),
             "elu": lambda y: functional.elu(y, node.get("alpha", 1.0)),
             "prelu": lambda y: functional.prelu(y, w("weight"))}
    if kind in plain:
        return plain[kind](first)
    if kind in ("conv", "conv_transpose"):
        weight = w("weight")
        dims = weight.dim() - 2
        weight = weight if dims == 3 else weight.unsqueeze(2)
        stride, padding, dilation = (_fill(node.get(key, usual), dims, usual) for key, usual in (
            ("stride", 1), ("padding", 0), ("dilation", 1)))
        if kind == "conv":
            return functional.conv3d(first, weight, w("bias"), stride, padding, dilation, node.get("groups", 1))
        return functional.conv_transpose3d(first, weight, w("bias"), stride, padding, _fill(
            node.get("output_padding", 0), dims, 0), node.get("groups", 1), dilation)
    if kind == "linear":
        return _as_map(functional.linear(flat, w("weight"), w("bias")), first)
    if kind == "batch_norm":
        return functional.batch_norm(first, w("running_mean"), w("running_var"), w("weight"), w("bias"),
                                     eps=node.get("eps", 1e-5))
    if kind == "instance_norm":
        return functional.instance_norm(first, weight=w("weight"), bias=w("bias"), eps=node.get("eps", 1e-5))
    if kind == "layer_norm":
        normal = functional.layer_norm(flat, flat.shape[2:], w("weight"), w("bias"), node.get("eps", 1e-5))
        return _as_map(normal, first)
    if kind in ("max_pool", "avg_pool"):
        dims = 3 if first.shape[2] > 1 else 2
        kernel, stride, padding = (_fill(node.get(key, 0), dims, usual) for key, usual in (
            ("kernel", 1), ("stride", 1), ("padding", 0)))
        pool = functional.max_pool3d if kind == "max_pool" else functional.avg_pool3d
        return pool(first, kernel, stride, padding)
    if kind == "pool_skip":
        return _pool_skip_worked_out(node, first, w)
    if kind == "resize":
        return _resized(node, first, x)
    if kind == "pad":
        before, after = ([0] * (3 - len(node[key])) + node[key] for key in ("before", "after"))
        return functional.pad(first, [side for pair in reversed(list(zip(before, after))) for side in pair])
    if kind == "position_embedding":
        return _as_map(flat + w(""), first)
    if kind == "class_token":
        return torch.cat((w("").expand(first.shape[0], -1, -1), flat), 1).transpose(1, 2)[:, :, None, None]
    if kind == "token":
        return flat[:, node.get("index", 0), :, None, None, None]
    if kind == "attention":
        return _attention_worked_out(node, first, flat, w)
    raise ExportError(f"export: \"{kind}\" cannot be worked out")


def _fill(value, dims, usual):
    return [usual] * (3 - dims) + _per_dimension(value, dims)


def _as_map(flat, like):
    return flat.transpose(1, 2).reshape(flat.shape[0], flat.shape[2], *like.shape[2:])


def _pool_skip_worked_out(node, first, w):
    weight, plane = w("conv.weight"), first.shape[2] == 1
    module = PoolSkip(first.shape[1], node["pool_size"], node.get("mode", "full"), node.get("cut", "none"),
                      dims=2 if plane else 3, dtype=first.dtype, device=first.device, seed=0)
    if module.conv is not None:
        module.conv.weight.copy_(weight)
        module.conv.bias.copy_(w("conv.bias"))
    return module(first.squeeze(2)).unsqueeze(2) if plane else module(first)


def _resized(node, first, x):
    dims = 3 if first.shape[2] > 1 else 2
    if "scale" in node:
        size = [side * factor for side, factor in zip(first.shape[2:], _fill(node["scale"], dims, 1))]
    else:
        size = list(x[1].shape[2:])
    if node["mode"] == "nearest":
        return functional.interpolate(first, size)
    return functional.interpolate(first, size, mode="trilinear", align_corners=node.get("align_corners", False))


def _attention_worked_out(node, first, flat, w):
    heads, (n, t, c) = node["heads"], flat.shape
    q, k, v = functional.linear(flat, w("qkv.weight"), w("qkv.bias")).reshape(n, t, 3, heads, c // heads).permute(
        2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-2, -1) * (c // heads) ** -0.5).softmax(-1)
    return _as_map(functional.linear((weights @ v).transpose(1, 2).reshape(n, t, c), w("proj.weight"), w("proj.bias")),
                   first)


def _check_values(document, tensors, x, expected):
    """The graph must give what the model gives, within rounding."""
    tensors = {name: tensor.to(x.device, torch.float64) for name, tensor in tensors.items()}
    maps = {"input": x.double().reshape(x.shape[0], x.shape[1], *(1,) * (5 - max(x.dim(), 2)), *x.shape[2:])}
    with torch.no_grad():
        for node in document["nodes"]:
            owner = node.get("file_name", node["name"])
            maps[node["name"]] = _worked_out(node, [maps[name] for name in node["inputs"]], lambda suffix: tensors.get(
                f"{owner}.{suffix}" if suffix else owner))
    ours, theirs = maps[document["nodes"][-1]["name"]].reshape(expected.shape), expected.double()
    off = float((ours - theirs).norm() / theirs.norm().clamp_min(1e-30))
    if not off < 1e-2 and not (off != off and torch.equal(ours.isnan(), theirs.isnan())):
        raise ExportError(f"export: the graph that was made gives other values than the model (relative {off:.1g}): "
                          "forward does something that was not followed, as a change of a tensor through a view of it; "
                          "please report it with the model")
