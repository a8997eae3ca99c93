#!/usr/bin/env python3
"""Writes scores.json: figures of predictions by scikit-learn and NumPy in float64.

Run it with a Python that has scikit-learn 1.6 or later, after adding a case. ScoresTests.swift reads all cases.

Outputs and targets are rounded to float32; from those values all figures are computed. Figures that are not defined are
null: scikit-learn calls them nan.
"""
import json
import math
from pathlib import Path

import numpy as np
from sklearn import metrics

random = np.random.default_rng(11)
HERE = Path(__file__).parent


def float32(values):
    """Rounded to three decimals and then to float32, as float64."""
    return np.round(values, 3).astype(np.float32).astype(np.float64)


def decimals(values):
    """As few decimals as name the float32 numbers."""
    return [float(str(value)) for value in values.astype(np.float32).flatten()]


def defined(value):
    return None if value is None or math.isnan(value) else float(value)


def classification(name, labels, rows, is_logits):
    labels, rows = np.array(labels), float32(np.array(rows))
    classes = rows.shape[1]
    every = np.arange(classes)
    probabilities = rows
    if is_logits:
        powers = np.exp(rows - rows.max(1, keepdims=True))
        probabilities = powers / powers.sum(1, keepdims=True)
    predicted = rows.argmax(1)

    def table(average):
        found = metrics.precision_recall_fscore_support(
            labels, predicted, labels=every, average=average, zero_division=np.nan)[:3]
        return [[defined(value) for value in np.atleast_1d(column)] for column in found]

    own = probabilities[np.arange(len(labels)), labels]
    # scikit-learn's log loss divides probabilities by their sum and clips them; these need neither.
    loss = -np.log(own).mean()
    if is_logits and own.min() > 1e-12:
        assert math.isclose(loss, metrics.log_loss(labels, probabilities, labels=every), rel_tol=1e-9)
    confidence = probabilities[np.arange(len(labels)), predicted]
    bins = np.minimum((confidence * 10).astype(int), 9)
    calibration, error = [], 0.0
    for index in range(10):
        inside = bins == index
        count = int(inside.sum())
        mean = defined(confidence[inside].mean()) if count else None
        accuracy = defined((predicted == labels)[inside].mean()) if count else None
        calibration.append([count, mean, accuracy])
        error += count / len(labels) * abs(accuracy - mean) if count else 0
    area = None
    if classes == 2 and len(set(labels)) == 2:
        score = rows[:, 1] - rows[:, 0] if is_logits else rows[:, 1]
        area = metrics.roc_auc_score(labels, score.astype(np.float32))
    return {
        "name": name, "classes": classes, "isLogits": is_logits, "labels": labels.tolist(),
        "rows": [round(value, 3) for value in rows.flatten().tolist()],
        "confusion": metrics.confusion_matrix(labels, predicted, labels=every).tolist(),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balancedAccuracy": metrics.balanced_accuracy_score(labels, predicted),
        "logLoss": loss, "areaUnderCurve": defined(area),
        "perClass": table(None), "macro": table("macro"), "weighted": table("weighted"),
        "calibration": calibration, "calibrationError": error,
    }


def learned(labels, classes, scale):
    """Logits that know the label more or less."""
    return random.normal(size=(len(labels), classes)) * 2 + scale * np.eye(classes)[labels]


def probabilities(logits):
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def classifications():
    labels = random.integers(0, 5, 200)
    yield classification("five classes, logits", labels, learned(labels, 5, 3), True)
    labels = random.choice(4, 200, p=[0.8, 0.15, 0.05, 0])
    rows = learned(labels, 4, 2)
    rows[:, 2:] -= 20
    yield classification("one class is never predicted, one is without examples too", labels, rows, True)
    labels = random.integers(0, 2, 250)
    yield classification("two classes, logits", labels, learned(labels, 2, 1), True)
    rows = np.round(probabilities(learned(labels, 2, 1)), 1)
    rows = np.clip(np.stack([1 - rows[:, 1], rows[:, 1]], 1), 0.05, 0.95)
    yield classification("two classes, probabilities with many ties", labels, rows, False)
    rows = [[0.5, 0.5], [0.1, 0.9], [0.3, 0.7]]
    yield classification("two classes of which one has examples", [1, 1, 1], rows, False)
    yield classification("logits that are far apart", [0, 1, 2, 0], [[50, -50, 0], [0, 300, 1], [700, 1, 0], [0, 0, 0]],
                         True)
    yield classification("one example", [2], [[0.1, 0.2, 0.7]], False)
    labels = random.integers(0, 30, 150)
    rows = np.clip(probabilities(learned(labels, 30, 4)), 0.001, 1)
    yield classification("thirty classes, probabilities", labels, rows, False)


def regression(name, targets, predictions):
    targets, predictions = (np.asarray(values, np.float32).astype(np.float64) for values in (targets, predictions))
    errors = predictions - targets
    worst = np.abs(errors).argmax(0)
    columns = range(targets.shape[1])
    constant = [len(set(targets[:, column])) == 1 for column in columns]

    def each(metric):
        return metric(targets, predictions, multioutput="raw_values").tolist()

    return {
        "name": name, "outputs": targets.shape[1],
        "targets": decimals(targets), "predictions": decimals(predictions),
        # Of equal targets scikit-learn calls it 0 or 1.
        "rSquared": [
            None if constant[column] else metrics.r2_score(targets[:, column], predictions[:, column])
            for column in columns
        ],
        "meanAbsoluteError": each(metrics.mean_absolute_error),
        "rootMeanSquaredError": each(metrics.root_mean_squared_error),
        "meanError": errors.mean(0).tolist(),
        "largestError": [[int(row), float(errors[row, column])] for column, row in enumerate(worst)],
    }


def regressions():
    targets = random.normal(size=(200, 1))
    yield regression("one output", targets, targets + 0.3 * random.normal(size=(200, 1)))
    targets = random.normal(size=(60, 3)) * [1, 1000, 1e-3] + [0, -50, 3]
    noise = random.normal(size=(60, 3)) * [0.1, 400, 1e-3]
    yield regression("three outputs in different units", targets, targets * 0.9 + noise)
    targets = 100_000 + random.normal(size=(100, 1))
    yield regression("targets far from 0", targets, targets + 0.5 * random.normal(size=(100, 1)))
    yield regression("equal targets", [[0.1]] * 7, [[0.1 * index] for index in range(7)])
    yield regression("equally large errors", [[0], [1], [2], [3]], [[0.5], [3], [2], [1]])
    yield regression("one example", [[2.5]], [[2]])


def write(cases, key):
    lines = ",\n".join(json.dumps(case) for case in cases)
    return f'"{key}": [\n{lines}\n]'


(HERE / "scores.json").write_text(
    "{\n" + write(classifications(), "classification") + ",\n" + write(regressions(), "regression") + "\n}\n")
