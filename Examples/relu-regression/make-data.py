#!/usr/bin/env python3
"""Rewrites normal.csv.gz: 1,000 rows of 10 standard normal inputs and a standard normal target; needs NumPy."""

import gzip
import pathlib

import numpy as np

values = np.random.default_rng(0).standard_normal((1000, 11))
names = [f"x{i}" for i in range(10)] + ["y"]
lines = [",".join(names)] + [",".join(f"{value:.6f}" for value in row) for row in values]
with open(pathlib.Path(__file__).with_name("normal.csv.gz"), "wb") as file:
    file.write(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
