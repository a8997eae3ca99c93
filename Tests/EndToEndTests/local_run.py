#!/usr/bin/env python3
"""Repeats a run of local steps with NumPy, bit by bit.

    python3 local_run.py make FOLDER
    python3 local_run.py check FOLDER initial/model.safetensors trained/model.safetensors

`make` writes data.npz and start.safetensors: features of 0 and 1, small whole labels, and parameters of few bits, so that
what a linear model computes of them in a short round is exact in float32. `check` asserts that it is, and so what is left
are the roundings of bf16 and of the average, as the guide's page Numerics defines them. The run is of momentum 0.5, η 0.25,
batches of 8 in 4 micro-batches, K and H as the trained model says. Shares no code with lockstep.
"""

import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

F = np.float32
ROWS, FEATURES, BATCH, MICRO = 32, 3, 8, 4
M64 = 2**64 - 1


def permutation(count, seed, stream):
    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        return z ^ (z >> 31)

    half = -(-max(6, (count - 1).bit_length()) // 2)
    mask = 2**half - 1
    state, keys = seed ^ mix((stream + 0x9E3779B97F4A7C15) & M64), []
    for _ in range(8):
        state = (state + 0x9E3779B97F4A7C15) & M64
        keys.append(mix(state))

    def at(index):
        value = index
        while True:
            left, right = value >> half, value & mask
            for key in keys:
                left, right = right, left ^ (mix((right + key) & M64) & mask)
            value = left << half | right
            if value < count:
                return value

    return [at(index) for index in range(count)]


def bf16(x):
    """To the nearest of 8 significant bits, ties to even, by the arithmetic of doubles. Only for normal numbers."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    return np.ldexp(np.rint(mantissa * 256), exponent - 8)


def exact(x):
    if np.any(np.asarray(x, F) != x):
        sys.exit(f"{x} is not exact in float32")
    return x


def run(theta, job, x, y, rounded, replicas):
    """theta: weights and the bias, float64 with float32 values. Returns it, and the velocity."""
    local_steps, per_epoch = job["local-steps"], ROWS // BATCH
    velocity = np.zeros_like(theta)
    for epoch in range(job["epochs"]):
        order = permutation(ROWS, job["seed"], 256 * epoch + 1)
        for first in range(0, per_epoch, local_steps):
            steps = range(first, min(first + local_steps, per_epoch))
            start, start_velocity = rounded(theta), rounded(velocity)
            sums = []
            for replica in range(replicas):
                own, own_velocity, share = start, start_velocity, BATCH // replicas
                for step in steps:
                    at = step * BATCH + replica * share
                    rows = np.array(order[at : at + share])
                    features = np.concatenate([x[rows], np.ones((share, 1))], axis=1)
                    error = exact(exact(features @ own) - y[rows])
                    g = exact(exact((2 * error) @ features) / share)
                    own_velocity = exact(0.5 * own_velocity + g)
                    own = exact(own - 0.25 * own_velocity)
                weight = share * len(steps)
                ends = [(start, own), (start_velocity, own_velocity)]
                sums.append([rounded(exact(weight * exact(before - after))) for before, after in ends])
            while len(sums) > 1:
                sums = [
                    [rounded(exact(a + b)) for a, b in zip(left, right)] for left, right in zip(sums[::2], sums[1::2])
                ]
            scale = F(1 / (BATCH * len(steps)))
            theta, velocity = (
                (F(1) * value.astype(F) - total.astype(F) * scale).astype(np.float64)
                for value, total in zip((theta, velocity), sums[0])
            )
    return theta, velocity


def make(folder):
    random = np.random.default_rng(7)
    x = random.integers(0, 2, (ROWS, FEATURES)).astype(F)
    y = random.integers(-3, 4, ROWS).astype(F)
    np.savez(f"{folder}/data.npz", x=x, y=y)
    start = {"0.weight": np.array([[0.71875, -1.28125, 0.40625]], F), "0.bias": np.array([0.09375], F)}
    save_file(start, f"{folder}/start.safetensors")


def vector(path):
    tensors = load_file(path)
    names = sorted(tensors, key=lambda name: name.endswith("bias"))
    return np.concatenate([tensors[name].reshape(-1) for name in names]).astype(np.float64)


def check(folder, initial_path, trained_path):
    with np.load(f"{folder}/data.npz") as data:
        x, y = data["x"].astype(np.float64), data["y"].astype(np.float64)
    with safe_open(trained_path, framework="numpy") as file:
        job = json.loads(file.metadata()["lockstep"])["job"]
    rounded = bf16 if job["precision"] == "bf16" else lambda value: value
    initial, trained = vector(initial_path), vector(trained_path)
    expected, _ = run(initial, job, x, y, rounded, job["replicas"])
    if np.any(expected.astype(F) != trained.astype(F)):
        sys.exit(f"the parameters are {trained} and not {expected}")
    other, _ = run(initial, job, x, y, rounded, 1)
    if np.any(other == expected):
        sys.exit("one replica has the same parameters")
    print(f"{expected.size} parameters are the same, bit for bit")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
