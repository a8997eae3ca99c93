#!/usr/bin/env python3
"""Repeats a run of local steps with NumPy, in float64, and compares it.

    python3 local_steps.py initial/model.safetensors run digits.csv.gz

The run is of the digits, an mlp with one layer of tanh, and sgd, momentum or adam. Shares no code with lockstep: order and
cuts of the examples follow the guide's page Protocol, the rules and the average their papers' equations, the gradient the
definition. Fails if a parameter, a moment or a loss differs by more than float32 explains, or if a run that averages once
more often has the same ones, which would prove nothing.
"""

import gzip
import json
import sys

import numpy as np
from safetensors import safe_open

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


def cuts(first, end, leaves):
    """Successive ranges whose sizes differ by at most one, the larger ones first."""
    size, larger = divmod(end - first, leaves)
    starts = [first + leaf * size + min(leaf, larger) for leaf in range(leaves + 1)]
    return list(zip(starts, starts[1:]))


def gradient(theta, x, y):
    """The sum over the rows of the cross-entropy and its gradient."""
    w1, b1, w2, b2 = theta
    hidden = np.tanh(x @ w1.T + b1)
    z = hidden @ w2.T + b2
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).sum()
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    back = (d @ w2) * (1 - hidden * hidden)
    return loss, [back.T @ x, back.sum(0), d.T @ hidden, d.sum(0)]


class Rule:
    """`slots` are lists of tensors such as theta."""

    def __init__(self, job):
        self.job, self.rate = job, job["learning-rate"]
        self.count = {"sgd": 0, "momentum": 1, "adam": 2}[job["optimizer"]]

    def update(self, theta, slots, g, number):
        if self.job["clip-norm"] > 0:
            norm = np.sqrt(sum((t * t).sum() for t in g))
            g = [t * min(1, self.job["clip-norm"] / norm) for t in g]
        if self.count == 0:
            return [t - self.rate * d for t, d in zip(theta, g)], slots
        if self.count == 1:
            u = [self.job["momentum"] * u + d for u, d in zip(slots[0], g)]
            return [t - self.rate * v for t, v in zip(theta, u)], [u]
        b1, b2, epsilon = self.job["beta1"], self.job["beta2"], self.job["epsilon"]
        m = [b1 * m + (1 - b1) * d for m, d in zip(slots[0], g)]
        v = [b2 * v + (1 - b2) * d * d for v, d in zip(slots[1], g)]
        c1, c2 = 1 - b1**number, 1 - b2**number
        moved = [t - self.rate * (a / c1) / (np.sqrt(b / c2) + epsilon) for t, a, b in zip(theta, m, v)]
        return moved, [m, v]


def run(initial, job, x, y, local_steps):
    n, batch, micro = len(y), min(job["batch-size"], len(y)), job["micro-batches"]
    per_epoch, replicas, rule = -(-n // batch), job["replicas"], Rule(job)
    zeros = [np.zeros_like(t) for t in initial]
    theta, slots = initial, [zeros] * rule.count
    velocity, losses, updates = zeros, [], 0
    for epoch in range(job["epochs"]):
        order = permutation(n, job["seed"], 256 * epoch + 1)
        for start in range(0, per_epoch, local_steps):
            steps = range(start, min(start + local_steps, per_epoch))
            sums = {step: [0.0, 0] for step in steps}
            ends, weights = [], []
            for replica in range(replicas):
                own, own_slots, examples = theta, slots, 0
                for step in steps:
                    first, end = step * batch, min(step * batch + batch, n)
                    leaves = cuts(first, end, min(micro, end - first))
                    share = leaves[replica * micro // replicas : (replica + 1) * micro // replicas]
                    if not share:
                        continue
                    rows = [order[p] for p in range(share[0][0], share[-1][1])]
                    loss, g = gradient(own, x[rows], y[rows])
                    sums[step][0] += loss
                    sums[step][1] += len(rows)
                    examples += len(rows)
                    g = [t / len(rows) for t in g]
                    own, own_slots = rule.update(own, own_slots, g, updates + step - start + 1)
                ends.append((own, own_slots))
                weights.append(examples)

            def mean(pick):
                parts = [pick(end) for end in ends]
                return [sum(w * p[i] for w, p in zip(weights, parts)) / sum(weights) for i in range(len(initial))]

            average = mean(lambda end: end[0])
            slots = [mean(lambda end, i=i: end[1][i]) for i in range(rule.count)]
            if "outer-learning-rate" in job:
                delta = [t - a for t, a in zip(theta, average)]
                velocity = [job["outer-momentum"] * u + d for u, d in zip(velocity, delta)]
                average = [
                    t - job["outer-learning-rate"] * (d + job["outer-momentum"] * u)
                    for t, d, u in zip(theta, delta, velocity)
                ]
            theta, updates = average, updates + len(steps)
            losses += [sums[step][0] / sums[step][1] for step in steps]
    return theta, slots, losses


def tensors(path):
    with safe_open(path, framework="numpy") as file:
        found = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
        return found, json.loads((file.metadata() or {}).get("lockstep", "{}"))


def main(initial_path, folder, data_path):
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    initial, _ = tensors(initial_path)
    if set(initial) != set(names):
        names = sorted(initial, key=lambda name: (int(name.split(".")[0]), name.endswith("bias")))
    trained, description = tensors(f"{folder}/model.safetensors")
    job, scaling = description["job"], description["scaling"]
    with gzip.open(data_path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    train = table[np.arange(len(table)) % 5 != 4]  # every fifth example is a test
    x = (train[:, :-1] - np.array(scaling["offset"])) * np.array(scaling["factor"])
    y = train[:, -1].astype(int)
    begin = [initial[name] for name in names]
    theta, _, losses = run(begin, job, x, y, job["local-steps"])
    with open(f"{folder}/metrics.jsonl") as file:
        lines = [json.loads(line) for line in file]
    found = [line["loss"] for line in lines if line["event"] == "step"]
    if len(found) != len(losses):
        sys.exit(f"{len(found)} steps and not {len(losses)}")
    wrong = max(abs(a - b) for a, b in zip(found, losses))
    error = max(np.abs(trained[name] - t).max() for name, t in zip(names, theta))
    if not max(wrong, error) < 1e-4:
        sys.exit(f"losses differ by {wrong}, and parameters by {error}")
    other, _, _ = run(begin, job, x, y, job["local-steps"] - 1)
    least = max(np.abs(a - b).max() for a, b in zip(theta, other))
    if least < 1e-3:
        sys.exit(f"with rounds of one step less, parameters differ by {least} only")
    print(f"{len(losses)} losses and {sum(t.size for t in theta)} parameters are the same")


if __name__ == "__main__":
    main(*sys.argv[1:])
