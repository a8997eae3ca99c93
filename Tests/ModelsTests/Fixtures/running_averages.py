#!/usr/bin/env python3
"""Writes running_averages.json: the running averages of ten steps of PyTorch's BatchNorm2d in float64.

A step's micro-batches each have an own copy of the layer, which starts from the running averages before the step. Those
after it are the means of the copies', weighted by their examples. Images are height x width x channels in the file.
"""

import copy
import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
random = torch.Generator().manual_seed(1)
channels = 3
layer = torch.nn.BatchNorm2d(channels, momentum=0.1)
# Of single examples, of unequal sizes, an empty one, and steps of one micro-batch.
steps = [[4], [3, 1], [1, 1, 1], [6, 2, 1], [2, 0, 5], [5], [1, 7], [2, 2, 2, 2], [1], [9, 1, 1, 1]]
entries = []
for number, micro_batches in enumerate(steps):
    parts, copies = [], []
    for count in micro_batches:
        # Another distribution for each micro-batch, so that their weights matter.
        mean, deviation = torch.randn(2, channels, generator=random)
        x = mean + deviation * torch.randn(count, 2, 3, channels, generator=random)
        x = ((x * 1000).round() / 1000).to(torch.float32).to(torch.float64)
        parts.append(x)
        if count > 0:
            own = copy.deepcopy(layer)
            own(x.permute(0, 3, 1, 2))
            copies.append((count / sum(micro_batches), own))
    for name in ["running_mean", "running_var"]:
        getattr(layer, name).copy_(sum(weight * getattr(own, name) for weight, own in copies))
    entries.append(
        {
            "microBatches": micro_batches,
            "values": [float(f"{value:.3f}") for value in torch.cat(parts).flatten().tolist()],
            "means": layer.running_mean.tolist(),
            "variances": layer.running_var.tolist(),
        }
    )
path = pathlib.Path(__file__).with_name("running_averages.json")
path.write_text("[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]\n")
print(f"{len(entries)} steps, {path.stat().st_size:,} bytes")
