#!/usr/bin/env python3
"""Reads a model that lockstep trained on the digits with NumPy and the safetensors package, and tests it again.

    python3 check_model.py model.safetensors digits.csv.gz

Shares no code with lockstep: the file is read by its published format, the forward pass is written from the
definition, in float64. Prints test_loss, test_accuracy and parameters_sha256 as JSON.
"""

import gzip
import hashlib
import json
import math
import sys

import numpy as np
from safetensors import safe_open

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
}


def main(model_path, data_path):
    with safe_open(model_path, framework="numpy") as file:
        description = json.loads(file.metadata()["lockstep"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    with gzip.open(data_path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    test = table[4::5]  # every fifth example
    features, labels = test[:, :-1], test[:, -1].astype(int)

    scaling = description["scaling"]
    x = (features - np.array(scaling["offset"])) * np.array(scaling["factor"])
    activation = ACTIVATIONS[description["job"].get("activation", "relu")]
    layers = sorted({int(name.split(".")[0]) for name in tensors})
    digest = hashlib.sha256()
    for layer in layers:
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]  # [out, in], as torch.nn.Linear has it
        digest.update(np.ascontiguousarray(weight.T).astype("<f4").tobytes())  # in memory it is [in, out]
        digest.update(bias.astype("<f4").tobytes())
        x = x @ weight.astype(np.float64).T + bias
        if layer != layers[-1]:
            x = activation(x)
    largest = x.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(x - largest).sum(axis=1)) + largest[:, 0]
    print(
        json.dumps(
            {
                "test_loss": float(np.mean(log_sum - x[np.arange(len(labels)), labels])),
                "test_accuracy": float(np.mean(x.argmax(axis=1) == labels)),
                "parameters_sha256": digest.hexdigest(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
