#!/usr/bin/env python3
"""Writes losses.json: losses, gradients and metrics by PyTorch in float64.

Run it with a Python that has PyTorch, after adding a case. LossTests.swift reads all cases.

Outputs, targets that are numbers, and weights are rounded to three decimals and then to float32; from those values all
others are computed. Gradients are those of the sum over the rows.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)
HERE = Path(__file__).parent


def float32(values):
    """Rounded to three decimals and then to float32, as float64."""
    return torch.round(torch.as_tensor(values).double(), decimals=3).float().double()


def decimals(values):
    """The three decimals that float32() started from."""
    return [round(value, 3) for value in values.flatten().tolist()]


def summed(loss, outputs):
    outputs.requires_grad_(True)
    gradient, = torch.autograd.grad(loss(outputs), outputs)
    return [float(f"{value:.10g}") for value in gradient.flatten().tolist()]


def cross_entropy(name, rows, classes, positions=1, smoothing=0.0, weights=None, ignored=None, scale=2.0, labels=None,
                  logits=None):
    logits = float32(torch.randn(rows * positions, classes) * scale) if logits is None else float32(logits)
    labels = torch.randint(classes, (rows * positions,)) if labels is None else torch.tensor(labels)
    weight = None if weights is None else float32(weights)
    counted = labels != (-1 if ignored is None else ignored)

    def total(outputs):
        return F.cross_entropy(outputs, labels, weight, ignore_index=-1 if ignored is None else ignored,
                               label_smoothing=smoothing, reduction="sum")

    divisor = (torch.ones(len(labels)) if weight is None else weight[labels])[counted].sum().item()
    order = logits.argsort(dim=1, descending=True, stable=True)
    rank = (order == labels[:, None]).int().argmax(dim=1)
    count = int(counted.sum())
    figures = {}
    if count:
        figures["accuracy"] = (rank[counted] == 0).double().mean().item()
        if classes > 10:
            figures["top5"] = (rank[counted] < 5).double().mean().item()
        if positions > 1:
            plain = F.cross_entropy(logits[counted], labels[counted])
            figures["perplexity"] = plain.exp().item()
    mean = None
    if divisor > 0:
        mean = F.cross_entropy(logits, labels, weight, ignore_index=-1 if ignored is None else ignored,
                               label_smoothing=smoothing).item()
    options = {"label-smoothing": smoothing}
    if weights is not None:
        options["class-weights"] = ",".join(str(w) for w in decimals(weight))
    if ignored is not None:
        options["ignored-class"] = ignored
    return dict(name=name, loss="cross-entropy", options=options, rows=rows, positions=positions, columns=classes,
                outputs=decimals(logits), targets=labels.tolist(), weight=divisor, mean=mean,
                gradient=summed(total, logits), figures=figures if divisor > 0 else {})


def numbers(name, loss, rows, columns, function, options=None, scale=2.0, targets=None, outputs=None):
    outputs = float32(torch.randn(rows, columns) * scale) if outputs is None else float32(outputs)
    targets = float32(torch.randn(rows, columns)) if targets is None else float32(targets)
    mean = function(outputs, targets).item()
    if loss == "binary-cross-entropy":
        figures = {"accuracy": ((outputs > 0) == (targets > 0.5)).double().mean().item()}
    else:
        variation = ((targets - targets.mean(dim=0)) ** 2).sum().item()
        figures = {"mae": (outputs - targets).abs().mean().item()}
        if variation > 0:
            figures["r2"] = 1 - ((outputs - targets) ** 2).sum().item() / variation
    return dict(name=name, loss=loss, options=options or {}, rows=rows, positions=1, columns=columns,
                outputs=decimals(outputs), targets=decimals(targets), weight=rows, mean=mean,
                gradient=summed(lambda o: function(o, targets) * rows, outputs), figures=figures)


def extreme(rows, columns):
    return torch.randn(rows, columns).sign() * 1e4


cases = [
    cross_entropy("plain", 9, 4),
    cross_entropy("two classes", 7, 2),
    cross_entropy("one row", 1, 7),
    cross_entropy("more than 10 classes", 40, 11, scale=1.0),
    cross_entropy("equal logits", 12, 12, labels=range(12), logits=torch.zeros(12, 12)),
    cross_entropy("1000 classes", 3, 1000),
    cross_entropy("1000 classes, all options", 3, 1000, smoothing=0.2, weights=torch.rand(1000), ignored=3,
                  labels=[3, 999, 17]),
    cross_entropy("smoothing", 9, 4, smoothing=0.1),
    cross_entropy("nothing but smoothing", 5, 3, smoothing=1.0),
    cross_entropy("weights", 9, 4, weights=[0.5, 2, 0, 1.25]),
    cross_entropy("smoothing and weights", 9, 17, smoothing=0.3, weights=torch.rand(17) * 3),
    cross_entropy("ignored", 9, 4, ignored=1),
    cross_entropy("ignored, smoothing and weights", 9, 4, smoothing=0.1, weights=[0.5, 2, 3, 1.25], ignored=1),
    cross_entropy("all ignored", 5, 3, smoothing=0.1, weights=[1, 2, 3], ignored=2, labels=[2] * 5),
    cross_entropy("no row has a weight", 3, 3, weights=[1, 0, 1], labels=[1] * 3),
    cross_entropy("positions", 3, 7, positions=5),
    cross_entropy("positions, all options", 3, 7, positions=5, smoothing=0.1,
                  weights=[0.5, 2, 3, 1.25, 1, 1, 4], ignored=6),
    cross_entropy("extreme", 6, 5, logits=extreme(6, 5)),
    cross_entropy("extreme, smoothing and weights", 6, 5, smoothing=0.1, weights=[0.5, 2, 3, 1.25, 1],
                  logits=extreme(6, 5)),
]
for columns in (1, 3, 40):
    cases += [
        numbers(f"squared error of {columns}", "mean-squared-error", 6, columns, F.mse_loss),
        numbers(f"absolute error of {columns}", "mean-absolute-error", 6, columns, F.l1_loss),
        numbers(f"huber of {columns}", "huber", 6, columns, F.huber_loss),
        numbers(f"wide huber of {columns}", "huber", 6, columns, lambda o, t: F.huber_loss(o, t, delta=2.5),
                {"huber-delta": 2.5}),
        numbers(f"binary cross-entropy of {columns}", "binary-cross-entropy", 6, columns,
                F.binary_cross_entropy_with_logits, targets=torch.randint(2, (6, columns))),
        numbers(f"binary cross-entropy of shares, {columns}", "binary-cross-entropy", 6, columns,
                F.binary_cross_entropy_with_logits, targets=torch.rand(6, columns)),
    ]
cases += [
    numbers("no error", "mean-absolute-error", 2, 2, F.l1_loss, targets=[[1, 2], [3, 4]], outputs=[[1, 2], [3, 5]]),
    numbers("errors of δ", "huber", 1, 4, F.huber_loss, targets=[[0, 0, 0, 0]], outputs=[[1, -1, 1.5, -1.5]]),
    numbers("one row", "huber", 1, 1, F.huber_loss),
    numbers("far off", "huber", 2, 5, F.huber_loss, outputs=extreme(2, 5)),
    numbers("extreme", "binary-cross-entropy", 4, 5, F.binary_cross_entropy_with_logits, outputs=extreme(4, 5),
            targets=torch.randint(2, (4, 5))),
    numbers("sure", "binary-cross-entropy", 1, 4, F.binary_cross_entropy_with_logits, outputs=[[20, -30, 40, -60]],
            targets=[[1, 0, 1, 0]]),
]
(HERE / "losses.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
