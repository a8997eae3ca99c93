#!/usr/bin/env python3
"""Holds a run of adam.yaml or adadelta.yaml against the same steps in float64, from the run's own start.

    lockstep train --job Examples/quadratic/adam.yaml --steps 0 --output start
    lockstep train --job Examples/quadratic/adam.yaml --output run
    python3 Examples/quadratic/check.py adam start run        # needs NumPy and safetensors
"""

import sys

import numpy as np
from safetensors.numpy import load_file

rule, start, end = sys.argv[1:]
theta = load_file(f"{start}/model.safetensors")["theta"].astype(np.float64)
found = load_file(f"{end}/model.safetensors")["theta"].astype(np.float64)
first = second = np.zeros_like(theta)
for t in range(1, 1001):
    gradient = 2 * theta / theta.size
    if rule == "adam":  # Kingma & Ba 2015, Algorithm 1
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        theta = theta - 0.001 * first / (1 - 0.9**t) / (np.sqrt(second / (1 - 0.99**t)) + 1e-7)
    else:  # Zeiler 2012, Algorithm 1
        first = 0.95 * first + 0.05 * gradient**2
        update = np.sqrt(second + 1e-7) / np.sqrt(first + 1e-7) * gradient
        second = 0.95 * second + 0.05 * update**2
        theta = theta - update
error = np.max(np.abs(found - theta) / np.maximum(1, np.abs(theta)))
print(f"mean of squares {np.mean(found**2):.6f}, float64 {np.mean(theta**2):.6f}, largest relative error {error:.1e}")
sys.exit(0 if error < 1e-5 else 1)
