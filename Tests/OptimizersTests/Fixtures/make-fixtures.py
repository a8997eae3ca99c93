#!/usr/bin/env python3
"""Expected parameters of the update rules, in float64, written from the papers and from nothing of this package.

    python3 make-fixtures.py        # rewrites rules.json beside it; needs NumPy

Each case: 200 steps over 24 parameters. The gradients are sums over `examples` examples, as the coordinator gets them,
stored as float32 so that both sides start from the same numbers. Kept: the start, the gradients' seed and generator
written out as numbers, and the parameters after steps 1, 2, 10 and 200.
"""

import json
import pathlib

import numpy as np

STEPS, COUNT, EXAMPLES = 200, 24, 32
KEPT = [1, 2, 10, 200]


def adam(theta, gradients, learning_rate, beta1, beta2, epsilon):
    """Kingma & Ba 2015, Algorithm 1."""
    m = np.zeros_like(theta)
    v = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
        yield theta


def rmsprop(theta, gradients, learning_rate, rho, epsilon):
    """Tieleman & Hinton 2012, lecture 6.5; epsilon outside the root."""
    v = np.zeros_like(theta)
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        theta = theta - learning_rate * g / (np.sqrt(v) + epsilon)
        yield theta


CASES = [
    ("adam", adam, {}),
    ("adam", adam, {"learning-rate": 0.01, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}),
    ("adam", adam, {"learning-rate": 0.1, "beta1": 0.0, "beta2": 0.5, "epsilon": 1e-3}),
    ("rmsprop", rmsprop, {}),
    ("rmsprop", rmsprop, {"learning-rate": 0.01, "rho": 0.99, "epsilon": 1e-6}),
    ("rmsprop", rmsprop, {"learning-rate": 0.05, "rho": 0.0, "epsilon": 1e-2}),
]
DEFAULTS = {
    "adam": {"learning-rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "rmsprop": {"learning-rate": 0.001, "rho": 0.9, "epsilon": 1e-8},
}


def main():
    random = np.random.default_rng(20260101)
    start = random.standard_normal(COUNT).astype(np.float32)
    # Sizes from 1e-4 to 1e4 an element, some elements zero for a while, as real gradients have it.
    sizes = 10.0 ** np.linspace(-4, 4, COUNT)
    sums = random.standard_normal((STEPS, COUNT)) * sizes * EXAMPLES
    sums[:20, ::5] = 0
    sums = sums.astype(np.float32)
    gradients = sums.astype(np.float64) / EXAMPLES
    cases = []
    for name, rule, options in CASES:
        values = {key.replace("-", "_"): value for key, value in {**DEFAULTS[name], **options}.items()}
        path = list(rule(start.astype(np.float64), gradients, **values))
        cases.append({"rule": name, "options": options, "parameters": {str(t): path[t - 1].tolist() for t in KEPT}})
    fixture = {
        "examples": EXAMPLES,
        "start": start.tolist(),
        "gradientSums": sums.tolist(),
        "cases": cases,
    }
    path = pathlib.Path(__file__).with_name("rules.json")
    path.write_text(json.dumps(fixture) + "\n")
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
