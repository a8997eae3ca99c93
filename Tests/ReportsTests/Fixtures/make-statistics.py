#!/usr/bin/env python3
"""Expected statistics of a sweep, by NumPy and SciPy and from nothing of this package.

    python3 make-statistics.py    # rewrites statistics.json beside it; needs NumPy 2 and SciPy 1.11

Quantiles are NumPy's default and SciPy's mquantiles with the same type. Intervals are percentiles over all n to the n
resamples, which SciPy's bootstrap, with many drawn ones, must find within its noise. The best of n is counted over all
draws.
"""

import itertools
import json
import pathlib

import numpy as np
from scipy import stats

SEED = 20261129
SHARES = [0, 0.025, 0.25, 0.5, 0.75, 0.975, 1]


def quantiles(values):
    ours = np.quantile(values, SHARES)
    theirs = stats.mstats.mquantiles(values, SHARES, alphap=1, betap=1)
    assert np.allclose(ours, theirs, rtol=1e-12)
    return {"values": values.tolist(), "shares": SHARES, "quantiles": ours.tolist()}


def interval(values, level):
    means = np.array([np.mean(drawn) for drawn in itertools.product(values, repeat=len(values))])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    drawn = stats.bootstrap(
        (values,), np.mean, confidence_level=level, method="percentile", n_resamples=200_000, rng=np.random.default_rng(1)
    ).confidence_interval
    for share, theirs in [((1 - level) / 2, drawn.low), ((1 + level) / 2, drawn.high)]:
        # Their noise: 200,000 draws hit a share within 0.0015 with four deviations.
        around = np.quantile(means, [share - 0.002, share + 0.002], method="inverted_cdf")
        assert around[0] <= theirs + 1e-9 and theirs <= around[1] + 1e-9, (values, around, theirs)
    return {"values": values.tolist(), "level": level, "low": float(low), "high": float(high)}


def best_of(losses):
    medians = []
    for count in range(1, len(losses) + 1):
        best = [min(drawn) for drawn in itertools.product(losses, repeat=count)]
        medians.append(float(np.quantile(best, 0.5, method="inverted_cdf")))
    # JSON has no infinity.
    return {"losses": [None if np.isinf(x) else x for x in losses], "best": [None if np.isinf(x) else x for x in medians]}


def rate_test(rates, losses):
    """Of a run that was not cut short: smoothed losses by their explicit weights, and what is read from them."""
    smoothed = []
    for end in range(1, len(losses) + 1):
        value = np.average(losses[:end], weights=0.9 ** np.arange(end - 1, -1, -1))
        if not np.isfinite(value) or value > 4 * min(smoothed, default=np.inf):
            break
        smoothed.append(value)
    lowest = int(np.argmin(smoothed))
    falls = -np.diff(smoothed)
    has_diverged = len(smoothed) < len(losses)
    return {
        "rates": list(rates),
        "losses": [None if np.isinf(x) else x for x in losses],
        "smoothed": smoothed,
        "hasDiverged": has_diverged,
        "least": rates[lowest],
        "steepest": rates[int(np.argmax(falls)) + 1] if max(falls) > 0 else None,
        "suggestion": float(f"{rates[lowest] / 10:.1e}") if lowest > 0 and (has_diverged or lowest < len(smoothed) - 1) else None,
    }


def main():
    random = np.random.default_rng(SEED)
    content = {
        "quantiles": [quantiles(random.standard_normal(count)) for count in (1, 2, 3, 5, 8, 41)],
        "intervals": [
            interval(random.standard_normal(count) * scale, level)
            for count, scale, level in [(2, 1, 0.95), (3, 1e-3, 0.95), (5, 1, 0.95), (5, 100, 0.8), (7, 1, 0.95)]
        ],
        "bestOf": [
            best_of([0.5, 0.3, 0.4]),
            best_of([float(x) for x in random.standard_normal(6)]),
            best_of([float("inf"), 0.2, float("inf"), 0.1, float("inf"), float("inf")]),
            best_of([float("inf")] * 3),
        ],
        "rateTests": [
            rate_test([float(x) for x in np.geomspace(1e-6, 10, len(losses))], [float(x) for x in losses])
            for losses in [
                # Falls and diverges; falls and becomes infinite; falls to the end; falls, then rises a little; never falls.
                np.concatenate([2 - 1.5 / (1 + np.exp(-(np.arange(60) - 40) / 4)), 2.0 ** np.arange(20)])
                + 0.01 * random.standard_normal(80),
                np.concatenate([np.linspace(3, 1, 30), [np.inf]]),
                np.linspace(3, 1, 30),
                np.concatenate([np.linspace(3, 1, 30), np.linspace(1, 3, 20)]),
                np.linspace(1, 2, 30),
            ]
        ],
    }
    pathlib.Path(__file__).with_name("statistics.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
