#!/usr/bin/env python3
"""Writes operations.json: outputs and gradients of layers by PyTorch in float64.

Run it with a Python that has PyTorch, after adding a case. OperationTests.swift has a layer for each case.

Inputs, parameters and the gradient with respect to the output are rounded to three decimals and then to float32; from
those values all others are computed. Parameters have the names, shapes and order of PyTorch's state_dict. Images are
height x width x channels in the file. The gradients are those of the sum of outputs times their gradients.

Batch norm computes each micro-batch on its own. Its running averages are the statistics: the file has their values in
evaluations, the outputs of an evaluation, and the sums over the examples of what a step averages, which is the mean and the
unbiased variance of each micro-batch.
"""

import json
import math
import pathlib
import zlib

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
random = torch.Generator()


def to_three_decimals(values):
    return ((values * 1000).round() / 1000).to(torch.float32).to(torch.float64)


def rounded(*shape, deviation=1.0):
    return to_three_decimals(torch.randn(*shape, generator=random) * deviation)


class Function(nn.Module):
    """A function of the inputs and of the parts, which are modules or parameters by name."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


def image(x):
    return x.permute(0, 3, 1, 2)


def table(x):
    return x.permute(0, 2, 3, 1)


cases = {}
# Small cases that are compared with central differences here.
checked = []


def case(
    name, module, *shapes, examples=3, micro_batches=None, ids=None, images=False, check=False, deviation=0.5
):
    """Adds a case.

    shapes: of each input without the examples; micro_batches: the examples of each, for batch norm, in place of one of all
    examples; ids: the token numbers, in place of inputs; images: whether the module's inputs and outputs of three axes are
    channels-first.
    """
    assert name not in cases, name
    # So a new case does not change the others.
    random.manual_seed(zlib.crc32(name.encode()))
    module = module.to(torch.float64)
    parameters = dict(module.named_parameters())
    # The counters of batches are no statistics: PyTorch reads them only where it has no momentum.
    statistics = {key: x for key, x in module.named_buffers() if not key.endswith("num_batches_tracked")}
    assert set(parameters) | {key for key, _ in module.named_buffers()} == set(module.state_dict()), name
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(rounded(*parameter.shape, deviation=deviation))
        for key, statistic in statistics.items():
            values = rounded(*statistic.shape)
            statistic.copy_(to_three_decimals(values.abs() + 0.25) if key.endswith("running_var") else values)
    if micro_batches:
        examples = sum(micro_batches)
    entry = {"name": name, "examples": examples, "inputs": [], "parameters": []}
    if ids is not None:
        ids = torch.tensor(ids)
        entry["examples"] = ids.shape[0]
        entry["ids"] = {"shape": list(ids.shape[1:]), "values": ids.flatten().tolist()}
        inputs = [ids]
    else:
        inputs = [rounded(examples, *shape).requires_grad_() for shape in shapes]

    def compute(*inputs):
        if not images:
            return module(*inputs)
        output = module(*[image(x) if x.dim() == 4 else x for x in inputs])
        return table(output) if output.dim() == 4 else output

    sums = {key: torch.zeros_like(x) for key, x in statistics.items()}
    if statistics:
        entry["microBatches"] = micro_batches or [examples]
        given = {key: x.clone() for key, x in statistics.items()}
        module.eval()
        evaluated = compute(*inputs)
        module.train()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                # So the running averages are the statistics of the last batch.
                part.momentum = 1

    def run(*inputs):
        if not statistics:
            return compute(*inputs)
        outputs = []
        for parts in zip(*[x.split(entry["microBatches"]) for x in inputs]):
            if len(parts[0]) > 0:
                outputs.append(compute(*parts))
                for key, total in sums.items():
                    total += len(parts[0]) * statistics[key]
        return torch.cat(outputs)

    output = run(*inputs)
    output_gradient = rounded(*output.shape)
    (output * output_gradient).sum().backward()

    def short(values):
        return [float(f"{value:.3f}") for value in values.detach().flatten().tolist()]

    def long(values):
        return [float(f"{value:.9g}") for value in values.detach().flatten().tolist()]

    if ids is None:
        for x in inputs:
            entry["inputs"].append({"shape": list(x.shape[1:]), "values": short(x), "gradient": long(x.grad)})
    for parameter_name, x in parameters.items():
        entry["parameters"].append(
            {"name": parameter_name, "shape": list(x.shape), "values": short(x), "gradient": long(x.grad)}
        )
    if statistics:
        entry["statistics"] = [
            {"name": key, "shape": list(x.shape), "values": short(given[key]), "gradient": long(sums[key])}
            for key, x in statistics.items()
        ]
        entry["evaluated"] = long(evaluated)
    entry["output"] = {"shape": list(output.shape[1:]), "values": long(output), "gradient": short(output_gradient)}
    cases[name] = entry

    if check:
        differentiable = [x for x in inputs if x.requires_grad]
        assert torch.autograd.gradcheck(
            lambda *_: run(*inputs), (*differentiable, *parameters.values()), eps=1e-6, atol=1e-6, rtol=1e-5
        ), name
        checked.append(name)


activations = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
}

# Linear.
case("linear", nn.Linear(7, 5), (7,), check=True)
case("linear of one example", nn.Linear(33, 17), (33,), examples=1)
case("linear to one", nn.Linear(3, 1), (3,), examples=5)
case("linear without bias", nn.Linear(7, 5, bias=False), (7,))
case("linear of positions", nn.Linear(7, 19), (5, 7))
case("linear of positions without bias", nn.Linear(6, 3, bias=False), (1, 6))
for name, activation in activations.items():
    case(f"{name}", activation(), (3, 11))
    case(f"linear, {name}", nn.Sequential(nn.Linear(7, 18), activation()), (7,), check=name == "gelu")
    case(f"linear without bias, {name}", nn.Sequential(nn.Linear(7, 6, bias=False), activation()), (7,))
    case(
        f"linear of positions, {name}, linear",
        nn.Sequential(nn.Linear(7, 9), activation(), nn.Linear(9, 4)),
        (3, 7),
        check=name == "gelu-tanh",
    )
    case(f"{name}, linear", nn.Sequential(activation(), nn.Linear(9, 4)), (9,))
    case(f"{name}, {name}", nn.Sequential(nn.Linear(5, 9), activation(), activation()), (5,))


# Convolutions.
def same(kernel, stride, dilation=1):
    """The padding that an output for every stride-th pixel needs; half of it, rounded down, before."""
    pairs = [x if isinstance(x, tuple) else (x, x) for x in (kernel, dilation)]
    padding = []
    for size, distance in reversed(list(zip(*pairs))):
        total = distance * (size - 1)
        padding += [total // 2, total - total // 2]
    return padding


class SameConv2d(nn.Conv2d):
    def forward(self, x):
        return super().forward(F.pad(x, same(self.kernel_size, self.stride, self.dilation)))


def conv(name, shape, module, **options):
    case(f"conv {name}", module, shape, images=True, **options)


conv("1", (4, 5, 3), nn.Conv2d(3, 4, 1), check=True)
conv("1 stride 2", (5, 6, 7), nn.Conv2d(7, 3, 1, stride=2))
conv("3", (6, 5, 3), nn.Conv2d(3, 17, 3))
conv("3 of one example", (6, 5, 3), nn.Conv2d(3, 2, 3), examples=1)
conv("3 of one channel", (5, 7, 1), nn.Conv2d(1, 5, 3), examples=5)
conv("3 same", (5, 6, 3), SameConv2d(3, 5, 3))
conv("3 same, wide", (4, 19, 2), SameConv2d(2, 33, 3), examples=1)
conv("3 same stride 2", (6, 7, 3), SameConv2d(3, 4, 3, stride=2))
conv("2 same", (4, 5, 3), SameConv2d(3, 4, 2))
conv("4 same stride 3", (7, 8, 1), SameConv2d(1, 3, 4, stride=3))
conv("3 padding 2", (4, 3, 3), nn.Conv2d(3, 4, 3, padding=2))
conv("3 padding 1x2 stride 1x2", (4, 5, 3), nn.Conv2d(3, 4, 3, padding=(1, 2), stride=(1, 2)), check=True)
conv("1 padding 2", (3, 2, 3), nn.Conv2d(3, 4, 1, padding=2))
conv("2 padding 3 stride 2", (3, 4, 1), nn.Conv2d(1, 4, 2, padding=3, stride=2))
conv("5", (7, 8, 3), nn.Conv2d(3, 4, 5), examples=2)
conv("5 same of 3x3 pixels", (3, 3, 7), SameConv2d(7, 3, 5), examples=2)
conv("5 stride 3 with pixels that none reads", (10, 9, 1), nn.Conv2d(1, 3, 5, stride=3))
conv("3x5", (5, 7, 3), nn.Conv2d(3, 4, (3, 5)))
conv("3x5 same stride 2", (5, 7, 3), SameConv2d(3, 4, (3, 5), stride=2))
conv("2 stride 2 with pixels that none reads", (5, 7, 3), nn.Conv2d(3, 4, 2, stride=2))
conv("1 stride 3 with pixels that none reads", (6, 9, 3), nn.Conv2d(3, 4, 1, stride=3))
conv("3 dilation 2", (7, 8, 3), nn.Conv2d(3, 4, 3, dilation=2), check=True)
conv("3 same dilation 2 stride 2", (7, 6, 3), SameConv2d(3, 4, 3, dilation=2, stride=2))
conv("3x2 dilation 1x3", (4, 7, 1), nn.Conv2d(1, 4, (3, 2), dilation=(1, 3)))
conv("3 groups 2", (4, 5, 6), nn.Conv2d(6, 4, 3, groups=2), check=True)
conv("3 same groups 2 stride 2", (5, 6, 2), SameConv2d(2, 34, 3, groups=2, stride=2), examples=2)
conv("3 depthwise", (5, 6, 7), nn.Conv2d(7, 7, 3, groups=7))
conv("3 depthwise same stride 2 without bias", (5, 6, 3), SameConv2d(3, 3, 3, groups=3, stride=2, bias=False))
conv("3 depthwise of two outputs each", (4, 5, 3), nn.Conv2d(3, 6, 3, groups=3), check=True)
conv("3 depthwise of wide images", (5, 6, 19), SameConv2d(19, 19, 3, groups=19), examples=2)
conv("3 without bias", (5, 6, 3), nn.Conv2d(3, 4, 3, bias=False))
conv("of the whole image", (3, 4, 3), nn.Conv2d(3, 5, (3, 4)))
for name in ["relu", "gelu", "sigmoid"]:
    activation = activations[name]
    conv(f"3, {name}", (5, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3), activation()))
    conv(f"3 without bias, {name}", (5, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), activation()))
    conv(
        f"3, {name}, conv 3",
        (6, 5, 3),
        nn.Sequential(SameConv2d(3, 4, 3), activation(), nn.Conv2d(4, 2, 3, stride=2)),
    )
conv("3, relu, conv 3 groups 2", (5, 5, 1), nn.Sequential(SameConv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3, groups=2)))
conv(
    "3, silu, conv 3 depthwise",
    (5, 5, 1),
    nn.Sequential(SameConv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 3, groups=4)),
)
conv(
    "3, tanh, conv 3 dilation 2",
    (5, 5, 1),
    nn.Sequential(SameConv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3, dilation=2)),
)
conv(
    "3, gelu-tanh, conv 1",
    (4, 5, 1),
    nn.Sequential(nn.Conv2d(1, 4, 3), activations["gelu-tanh"](), nn.Conv2d(4, 2, 1)),
)


# Pooling.
def pool(name, shape, module, **options):
    case(name, module, shape, images=True, **options)


pool("max pool 2", (4, 6, 3), nn.MaxPool2d(2), check=True)
pool("max pool 2 with pixels that none reads", (5, 7, 19), nn.MaxPool2d(2))
pool("max pool 3 stride 2 padding 1", (5, 6, 3), nn.MaxPool2d(3, stride=2, padding=1))
pool("max pool 3 stride 1", (5, 6, 3), nn.MaxPool2d(3, stride=1))
pool("max pool 2x3 stride 1x2", (4, 7, 1), nn.MaxPool2d((2, 3), stride=(1, 2)), examples=1)
pool("max pool 3 same", (4, 5, 2), Function(lambda _, x: F.max_pool2d(x, 3, stride=1, padding=1)))
pool(
    "max pool 2 stride 1 same",
    (4, 5, 2),
    Function(lambda _, x: F.max_pool2d(F.pad(x, same(2, 1), value=-math.inf), 2, stride=1)),
)
pool("max pool 15x17", (16, 17, 1), nn.MaxPool2d((15, 17), stride=1), examples=1)
pool("conv, relu, max pool", (6, 7, 1), nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.MaxPool2d(2)))
pool("relu, max pool", (5, 6, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)))
pool("relu, max pool, max pool", (8, 8, 1), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(2)))
pool("gelu, max pool", (5, 6, 3), nn.Sequential(nn.GELU(), nn.MaxPool2d(2)))
pool(
    "relu, max pool and the relu itself",
    (4, 4, 3),
    Function(lambda _, x: F.max_pool2d(F.relu(x), 3, stride=1, padding=1) + F.relu(x)),
)
pool("average pool 2", (4, 6, 3), nn.AvgPool2d(2), check=True)
pool("average pool 2 with pixels that none reads", (5, 7, 3), nn.AvgPool2d(2))
pool("average pool 3 stride 2 padding 1", (5, 6, 3), nn.AvgPool2d(3, stride=2, padding=1))
pool(
    "average pool 3 stride 2 padding 1 of the image alone",
    (5, 6, 18),
    nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
)
pool("average pool 3x2 stride 1", (5, 6, 3), nn.AvgPool2d((3, 2), stride=1))
pool(
    "average pool 2 stride 1 same",
    (4, 5, 2),
    Function(lambda _, x: F.avg_pool2d(F.pad(x, same(2, 1)), 2, stride=1)),
)
pool("global average pool", (3, 5, 18), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
pool("global average pool of one pixel", (1, 1, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), examples=1)
pool("global max pool", (3, 5, 4), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()))
pool("flatten", (3, 4, 5), nn.Flatten())
pool("flatten one channel", (3, 4, 1), nn.Flatten())
pool("flatten one pixel", (1, 1, 5), nn.Flatten())
case("flatten positions", nn.Flatten(), (3, 4))
pool("flatten, linear", (3, 2, 5), nn.Sequential(nn.Flatten(), nn.Linear(30, 3)))
pool(
    "conv, relu, max pool, flatten, linear",
    (9, 8, 1),
    nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 4)),
    examples=5,
)
pool(
    "a small LeNet",
    (12, 12, 1),
    nn.Sequential(
        SameConv2d(1, 3, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    ),
)
pool(
    "conv, average pool, gelu, flatten, linear",
    (6, 6, 2),
    nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(2), nn.GELU(), nn.Flatten(), nn.Linear(12, 4)),
)

# Norms.
case("layer norm", nn.LayerNorm(7), (7,), check=True)
case("layer norm of positions", nn.LayerNorm(37), (3, 37))
case("layer norm of epsilon 0.1", nn.LayerNorm(9, eps=0.1), (9,), examples=1)
case("layer norm of two values", nn.LayerNorm(2, eps=0.01), (3, 2))
case("rms norm", nn.RMSNorm(7, eps=1e-5), (7,), check=True)
case("rms norm of positions", nn.RMSNorm(37, eps=1e-5), (3, 37))
case("rms norm of epsilon 0.1", nn.RMSNorm(1, eps=0.1), (4, 1), examples=1)
for groups in [1, 2, 6]:
    pool(f"group norm {groups}", (3, 5, 6), nn.GroupNorm(groups, 6), check=groups == 2)
pool("group norm 2 of wide images", (3, 2, 34), nn.GroupNorm(2, 34, eps=0.1), examples=2)
case("group norm 3 of a row", nn.GroupNorm(3, 12), (12,))
case(
    "linear, layer norm, tanh, rms norm, linear",
    nn.Sequential(nn.Linear(5, 9), nn.LayerNorm(9), nn.Tanh(), nn.RMSNorm(9, eps=1e-5), nn.Linear(9, 3)),
    (4, 5),
)

# Batch norm. Of two rows the gradient is a small difference of large values, so epsilon is large there.
case("batch norm of rows", nn.BatchNorm1d(7), (7,), examples=5, check=True)
case("batch norm of rows in micro-batches", nn.BatchNorm1d(5), (5,), micro_batches=[5, 3, 0, 9, 4])
case("batch norm of wide rows of epsilon 0.1", nn.BatchNorm1d(67, eps=0.1), (67,), micro_batches=[2, 6])
case(
    "batch norm of positions",
    Function(lambda self, x: self.norm(x.transpose(1, 2)).transpose(1, 2), norm=nn.BatchNorm1d(7)),
    (4, 7),
    micro_batches=[3, 1],
)
pool("batch norm of images", (3, 5, 6), nn.BatchNorm2d(6), examples=4, check=True)
pool("batch norm of images in micro-batches", (3, 5, 6), nn.BatchNorm2d(6), micro_batches=[3, 1, 4, 0, 2])
pool("batch norm of micro-batches of one image", (3, 5, 6), nn.BatchNorm2d(6), micro_batches=[1, 1, 1])
pool("batch norm of one image", (5, 7, 1), nn.BatchNorm2d(1), examples=1)
pool("batch norm of single pixels", (1, 1, 4), nn.BatchNorm2d(4, eps=0.1), micro_batches=[2, 0, 5, 3])
pool("batch norm of wide images of epsilon 0.1", (2, 2, 34), nn.BatchNorm2d(34, eps=0.1), micro_batches=[2, 1])
case(
    "linear, batch norm, tanh, batch norm, linear",
    nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.BatchNorm1d(9, eps=0.1), nn.Linear(9, 3)),
    (5,),
    micro_batches=[8, 6, 9],
)
pool(
    "conv, batch norm, relu, max pool",
    (6, 7, 2),
    nn.Sequential(nn.Conv2d(2, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
    micro_batches=[2, 3],
)

# Embeddings.
ids = [[1, 4, 1, 0, 1], [2, 2, 6, 6, 6], [5, 1, 0, 6, 3]]
case("embedding", nn.Embedding(8, 5), ids=ids, check=True)
case("embedding of one example", nn.Embedding(7, 19), ids=ids[:1])


def tied(self, x):
    return F.linear(torch.tanh(self.token(x)), self.token.weight)


def norm_tied(self, x):
    return F.linear(self.norm(self.token(x)), self.token.weight)


case("embedding, tanh and as linear", Function(tied, token=nn.Embedding(9, 5)), ids=ids, check=True)
case(
    "embedding, norm and as linear", Function(norm_tied, token=nn.Embedding(7, 6), norm=nn.LayerNorm(6)), ids=ids
)
case("as linear of inputs", Function(lambda self, x: F.linear(x, self.token.weight), token=nn.Embedding(9, 5)), (3, 5))


def positions(self, x):
    return x + self.weight[: x.shape[1]]


def parameter(*shape):
    return nn.Parameter(torch.zeros(*shape))


case("positions", Function(positions, weight=parameter(4, 5)), (4, 5))
case("positions, fewer than the context", Function(positions, weight=parameter(7, 5)), (4, 5), check=True)
case("positions of one position", Function(positions, weight=parameter(3, 17)), (1, 17), examples=1)


# Attention.
class SelfAttention(nn.MultiheadAttention):
    def __init__(self, width, heads, causal, **options):
        super().__init__(width, heads, batch_first=True, **options)
        self.causal = causal

    def forward(self, x):
        count = x.shape[1]
        mask = torch.ones(count, count, dtype=torch.bool).triu(1) if self.causal else None
        return super().forward(x, x, x, attn_mask=mask, need_weights=False)[0]


def scaled_dot_product(queries, keys, values, heads, causal):
    """By hand, for inputs of examples x positions x width."""

    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    queries, keys, values = split(queries), split(keys), split(values)
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    return (scores.softmax(-1) @ values).transpose(1, 2).flatten(2)


def rotated(x, heads, base):
    """Element i of a head turned with element i + half, by position * base^(-2 i / width)."""
    x = x.unflatten(-1, (heads, -1))
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[1])[:, None] * base ** (-torch.arange(half) / half)
    cosines, sines = angles.cos()[:, None, :], angles.sin()[:, None, :]
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1).flatten(-2)


class RotaryAttention(SelfAttention):
    def __init__(self, width, heads, causal, base, **options):
        super().__init__(width, heads, causal, **options)
        self.base = base

    def forward(self, x):
        queries, keys, values = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        queries, keys = (rotated(y, self.num_heads, self.base) for y in (queries, keys))
        return self.out_proj(scaled_dot_product(queries, keys, values, self.num_heads, self.causal))


for causal in [False, True]:
    kind = "causal " if causal else ""
    for count, width, heads, examples in [(1, 6, 2, 2), (5, 6, 2, 3), (70, 6, 3, 2)]:
        case(
            f"{kind}attention of {count} positions",
            SelfAttention(width, heads, causal),
            (count, width),
            examples=examples,
            check=count == 5,
        )
    case(f"{kind}attention without bias", SelfAttention(8, 1, causal, bias=False), (3, 8))
    case(f"{kind}attention of wide heads", SelfAttention(20, 1, causal), (4, 20), examples=1, deviation=0.2)
    case(f"{kind}rotary attention", RotaryAttention(8, 2, causal, 10000.0), (5, 8), check=causal)
    case(f"{kind}rotary attention of base 100", RotaryAttention(6, 1, causal, 100.0, bias=False), (4, 6))

case(
    "attention of queries to keys",
    Function(lambda _, q, k, v: scaled_dot_product(q, k, v, 2, False)),
    (3, 6),
    (5, 6),
    (5, 6),
    check=True,
)
case(
    "attention of more queries than keys",
    Function(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v)),
    (67, 3),
    (2, 3),
    (2, 3),
    examples=1,
)
case(
    "attention of few queries to many keys",
    Function(lambda _, q, k, v: scaled_dot_product(q, k, v, 2, False)),
    (2, 4),
    (130, 4),
    (130, 4),
    examples=1,
)
case(
    "attention of a head of 70 values",
    Function(lambda _, q, k, v: scaled_dot_product(q, k, v, 1, False)),
    (2, 70),
    (3, 70),
    (3, 70),
    examples=1,
)
case(
    "causal attention of three inputs",
    Function(lambda _, q, k, v: scaled_dot_product(q, k, v, 3, True)),
    (4, 6),
    (4, 6),
    (4, 6),
)
case("attention of one input thrice", Function(lambda _, x: scaled_dot_product(x, x, x, 2, False)), (4, 6))
case(
    "attention of a projection twice",
    Function(
        lambda self, x: scaled_dot_product(self.query(x), (y := self.key(x)), y, 2, True),
        query=nn.Linear(5, 6),
        key=nn.Linear(5, 6),
    ),
    (4, 5),
)

# Arithmetic.
case("softmax", nn.Softmax(-1), (7,), check=True)
case("softmax of positions", nn.Softmax(-1), (3, 19))
case("softmax of one value", nn.Softmax(-1), (3, 1), examples=1)
case("linear, softmax, linear", nn.Sequential(nn.Linear(4, 7), nn.Softmax(-1), nn.Linear(7, 3)), (4,))
case("sum", Function(lambda _, x, y: x + y), (3, 7), (3, 7))
case("product", Function(lambda _, x, y: x * y), (3, 7), (3, 7), check=True)
case("x + x", Function(lambda _, x: x + x), (5,))
case("x * x", Function(lambda _, x: x * x), (5,))
case("x * x * x + x", Function(lambda _, x: x * x * x + x), (5,), check=True)
case("(x + y) * (x + y)", Function(lambda _, x, y: (x + y) * (x + y)), (5,), (5,))
case("x + tanh(x)", Function(lambda _, x: x + x.tanh()), (5,))
case("x * sigmoid(x)", Function(lambda _, x: x * x.sigmoid()), (5,))
case("gelu(x) + relu(x) * tanh(x)", Function(lambda _, x: F.gelu(x) + x.relu() * x.tanh()), (17,))


def residual(self, x):
    y = x + self.first(x)
    return y + self.second(y.tanh())


def doubled(self, x):
    y = self.first(x)
    z = y.relu()
    return z + y + self.second(z * y)


case("residuals", Function(residual, first=nn.Linear(5, 5), second=nn.Linear(5, 5)), (5,), check=True)
case("values used thrice", Function(doubled, first=nn.Linear(5, 6), second=nn.Linear(6, 6)), (5,))
case(
    "a layer used twice",
    Function(lambda self, x: self.layer(self.layer(x).tanh()), layer=nn.Linear(5, 5)),
    (5,),
    check=True,
)
case(
    "layers used twice and thrice",
    Function(
        lambda self, x: self.norm(self.layer(self.norm(x)) + self.norm(self.layer(x))),
        layer=nn.Linear(5, 5),
        norm=nn.LayerNorm(5),
    ),
    (2, 5),
)
pool(
    "a convolution used twice",
    (4, 5, 3),
    Function(lambda self, x: self.layer(self.layer(x).relu()), layer=SameConv2d(3, 3, 3)),
)
case("concatenated", Function(lambda _, x, y: torch.cat([x, y], -1)), (3, 4), (3, 7))
case(
    "concatenated, used again",
    Function(
        lambda self, x: self.out(torch.cat([x, self.hidden(x).relu(), x], -1)),
        hidden=nn.Linear(4, 3),
        out=nn.Linear(11, 2),
    ),
    (4,),
    check=True,
)
case("transposed", Function(lambda _, x: x.transpose(-1, -2)), (3, 7))
case("transposed with leading axes", Function(lambda _, x: x.transpose(-1, -2)), (2, 5, 3))
case("reshaped", Function(lambda _, x: x.reshape(x.shape[0], 2, 9)), (6, 3))
case("reshaped and used again", Function(lambda _, x: (x.flatten(1).tanh().reshape(x.shape) * x)), (2, 3))
case("matrix product", Function(lambda _, x, y: x @ y), (3, 5), (5, 7), check=True)
case("matrix product with leading axes", Function(lambda _, x, y: x @ y), (2, 3, 5), (2, 5, 4))
case("matrix product to a number", Function(lambda _, x, y: x @ y), (1, 5), (5, 1), examples=1)
case("product with its transpose", Function(lambda _, x: x @ x.transpose(-1, -2)), (3, 5))
case("square of a matrix", Function(lambda _, x: x @ x), (4, 4), check=True)
case(
    "attention by matrix products",
    Function(
        lambda self, x: (self.query(x) @ self.key(x).transpose(-1, -2)).softmax(-1) @ self.value(x),
        query=nn.Linear(4, 3),
        key=nn.Linear(4, 3),
        value=nn.Linear(4, 5),
    ),
    (6, 4),
)


# Whole parts of models.
def norm(groups, channels):
    """A batch norm where there are no groups."""
    return nn.GroupNorm(groups, channels) if groups else nn.BatchNorm2d(channels)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, channels, stride, groups, shortcut):
        super().__init__()
        self.conv1 = SameConv2d(inputs, channels, 3, stride=stride, bias=False)
        self.norm1 = norm(groups, channels)
        self.conv2 = SameConv2d(channels, channels, 3, bias=False)
        self.norm2 = norm(groups, channels)
        if shortcut:
            self.shortcut = nn.Conv2d(inputs, channels, 1, stride=stride, bias=False)

    def forward(self, x):
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (y + (self.shortcut(x) if hasattr(self, "shortcut") else x)).relu()


class ResidualNetwork(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.stem = SameConv2d(1, 8, 3, bias=False)
        self.norm = norm(groups, 8)
        self.stages = nn.ModuleList(
            [
                nn.ModuleList([ResidualBlock(8, 8, 1, groups, False)]),
                nn.ModuleList([ResidualBlock(8, 8, 2, groups, True), ResidualBlock(8, 8, 1, groups, False)]),
            ]
        )
        self.output = nn.Linear(8, 3)

    def forward(self, x):
        y = self.norm(self.stem(x)).relu()
        for stage in self.stages:
            for block in stage:
                y = block(y)
        return self.output(y.mean((-1, -2)))


pool("a residual block", (4, 5, 8), ResidualBlock(8, 8, 1, 1, False), examples=2)
pool("a residual block of stride 2", (5, 4, 3), ResidualBlock(3, 8, 2, 8, True), examples=2)
pool("a residual network", (6, 5, 1), ResidualNetwork(8), examples=3)
pool("a residual block of batch norm", (5, 4, 3), ResidualBlock(3, 8, 2, None, True), micro_batches=[2, 3])
pool("a residual network of batch norm", (6, 5, 1), ResidualNetwork(None), micro_batches=[3, 2, 4])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, True)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        y = x + self.attention(self.norm1(x))
        return y + self.down(F.gelu(self.up(self.norm2(y))))


class Transformer(nn.Module):
    def __init__(self, layers, heads, width, context, tokens, outputs):
        super().__init__()
        self.token = nn.Embedding(tokens, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        if outputs:
            self.output = nn.Linear(width, outputs, bias=False)

    def forward(self, x):
        y = self.token(x) + self.positions(torch.arange(x.shape[1]))
        for block in self.blocks:
            y = block(y)
        y = self.norm(y)
        return self.output(y) if hasattr(self, "output") else F.linear(y, self.token.weight)


case("a transformer's block", Block(6, 2), (5, 6), check=True, deviation=0.3)
case("two transformer's blocks", nn.Sequential(Block(4, 2), Block(4, 1)), (3, 4), deviation=0.3)
case("a transformer", Transformer(2, 2, 6, 7, 9, 5), ids=ids, deviation=0.3)
case("a tied transformer", Transformer(2, 2, 6, 5, 7, None), ids=ids, deviation=0.3)

assert len(checked) >= 20
path = pathlib.Path(__file__).with_name("operations.json")
lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in cases.values())
path.write_text(f"[\n{lines}\n]\n")
print(f"{len(cases)} cases, {len(checked)} of them compared with central differences, {path.stat().st_size:,} bytes")
