#!/usr/bin/env python3
"""Loads a saved model into the module of the guide's page PyTorch, and compares the outputs with lockstep's.

    python3 pytorch_page.py PyTorch.md model.safetensors outputs.json 'lenet(channels=1, outputs=10)'

outputs.json has "shape" (of an example, as lockstep stores it), "inputs" and "outputs", all examples one after the other.
The safetensors file is read by its published format. Prints the largest difference, divided by the largest output.
"""

import json
import re
import struct
import sys

import torch


def tensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    types = {"F32": torch.float32, "I64": torch.int64}
    return {
        name: torch.frombuffer(bytearray(body[slice(*entry["data_offsets"])]), dtype=types[entry["dtype"]])
        .view(entry["shape"])
        for name, entry in header.items()
    }


def main(page, model, outputs, expression):
    modules = {}
    for block in re.findall(r"<!-- modules -->\n```python\n(.*?)```", open(page).read(), re.S):
        exec(block, modules)
    net = eval(expression, modules)
    net.load_state_dict(tensors(model), strict=True)
    net.eval()
    expected = json.load(open(outputs))
    inputs = torch.tensor(expected["inputs"], dtype=torch.float32).view(-1, *expected["shape"])
    if len(expected["shape"]) == 3:
        inputs = inputs.permute(0, 3, 1, 2)
    if "Embedding" in str(net):
        inputs = inputs.long()
    if expression.startswith("mlp"):
        inputs = inputs.flatten(1)
    with torch.no_grad():
        found = net(inputs).flatten()
    wanted = torch.tensor(expected["outputs"], dtype=torch.float32)
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    print(float((found - wanted).abs().max() / wanted.abs().max()))


main(*sys.argv[1:])
