#!/usr/bin/env python3
"""Predicts a table with the modules of the guide's page PyTorch, and compares with the predictions of lockstep.

    python3 pytorch_table.py PyTorch.md model.safetensors table.csv predictions.csv

The model is a perceptron with a hidden layer of 24. Prints the largest difference of probabilities, or of numbers divided
by their deviation.
"""

import csv
import json
import re
import struct
import sys

import torch


def main(page, model, table, predictions):
    modules = {}
    for block in re.findall(r"<!-- modules -->\n```python\n(.*?)```", open(page).read(), re.S):
        exec(block, modules)
    data = open(model, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    description = json.loads(header.pop("__metadata__")["lockstep"])
    tensors = {
        name: torch.frombuffer(bytearray(body[slice(*entry["data_offsets"])]), dtype=torch.float32).view(entry["shape"])
        for name, entry in header.items()
    }
    recipe, scaling = description["recipe"], description["scaling"]
    label = recipe["labels"][0]
    classes = label.get("classes")
    net = modules["table"](recipe, len(classes) if classes else 1, [24])
    net.load_state_dict(tensors, strict=True)
    rows = list(csv.DictReader(open(table, newline="")))
    x = torch.tensor([modules["features"](recipe, row) for row in rows])
    with torch.no_grad():
        found = net((x - torch.tensor(scaling["offset"])) * torch.tensor(scaling["factor"]))
    if classes:
        found = found.softmax(1)
    wanted = list(csv.DictReader(open(predictions, newline="")))
    names = ["probability_" + name for name in classes] if classes else ["prediction"]
    expected = torch.tensor([[float(row[name]) for name in names] for row in wanted])
    if not classes:
        expected = (expected - label["mean"]) / label["deviation"]
    assert found.shape == expected.shape and len(rows) > 100, (found.shape, expected.shape)
    print(float((found - expected).abs().max()))


main(*sys.argv[1:])
