#!/usr/bin/env python3
"""Repeats a run of the model `quadratic` in bf16 with NumPy, bit by bit.

    python3 bf16_run.py initial/model.safetensors trained/model.safetensors STEPS LEAVES RATE

Shares no code with lockstep: it follows the guide's page Numerics. A step has LEAVES examples, one a leaf, and the rule is
sgd. Fails if the trained parameters are others, or if those of the same run in float32 are the same, which would prove
nothing.
"""

import sys

import numpy as np
from safetensors.numpy import load_file

F = np.float32


def bf16(x):
    """To the nearest of 8 significant bits, ties to even, by the arithmetic of doubles. Only for normal numbers."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 256), exponent - 8).astype(F)


def exact(x):
    return x


def tree(leaf, first, end, rounded):
    """The sum over the leaves [first, end)."""
    if end - first == 1:
        return rounded(leaf)
    width = 1
    while 2 * width < end - first:
        width *= 2
    return rounded(tree(leaf, first, first + width, rounded) + tree(leaf, first + width, end, rounded))


def run(theta, steps, leaves, rate, rounded):
    slope, scale = F(2.0 / theta.size), F(1.0 / leaves)
    for _ in range(steps):
        total = tree(slope * rounded(theta), 0, leaves, rounded)
        theta = theta - F(rate) * (total * scale)
    return theta


def main(initial_path, trained_path, steps, leaves, rate):
    initial, trained = (load_file(path)["theta"].reshape(-1) for path in (initial_path, trained_path))
    expected = run(initial, int(steps), int(leaves), float(rate), bf16)
    differing = np.flatnonzero(expected.view(np.uint32) != trained.view(np.uint32))
    if differing.size:
        i = differing[0]
        sys.exit(f"{differing.size} of {initial.size} parameters differ; parameter {i} is {trained[i]} and not {expected[i]}")
    plain = run(initial, int(steps), int(leaves), float(rate), exact)
    if np.count_nonzero(plain != expected) < initial.size // 2:
        sys.exit("a run in float32 has the same parameters")
    print(f"{initial.size} parameters are the same, bit for bit")


if __name__ == "__main__":
    main(*sys.argv[1:])
