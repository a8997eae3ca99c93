#!/usr/bin/env python3
"""What --outer-every does to the test loss, at equal steps.

    swift build -c release --product lockstep && python3 Benchmarks/outer_steps.py [--program .build/release/lockstep]
        [--jobs digits fashion-mnist transformer]

Runs each job with adam, without outer steps and with several, for three seeds and for each of several learning rates.
The rates matter: with step size α and momentum μ, parameters that drift in one direction move up to α / (1 − μ) times
as far as by the rule alone, so outer steps at one rate are also to be compared with a larger rate without them.

Prints a table for each job: the mean test loss and accuracy over the seeds at the rule's usual rate, and at the rate
with the smallest mean test loss, which is chosen for each row by itself. The last column counts the seeds whose test
loss at a row's best rate is below that of the same seed without outer steps at its own. All runs of a job have the same
number of steps. The results are the same bits on any machine and for any number of workers.

The transformer learns the text of the GNU General Public License, as Debian and Ubuntu have it.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import tempfile

JOBS = {
    "digits": ["--data", "digits", "--epochs", "10"],
    "fashion-mnist": ["--data", "fashion-mnist", "--epochs", "2"],
    "transformer": [
        *["--data", "text:/usr/share/common-licenses/GPL-3", "--model", "transformer", "--layers", "1", "--heads", "2"],
        *["--width", "32", "--context", "32", "--batch-size", "32", "--steps", "800"],
    ],
}
OUTER = {
    "off": [],
    "H = 1": ["--outer-every", "1"],
    "H = 8": ["--outer-every", "8"],
    "H = 32": ["--outer-every", "32"],
    "H = 8, α 0.7, μ 0.5": ["--outer-every", "8", "--outer-learning-rate", "0.7", "--outer-momentum", "0.5"],
}
USUAL = 0.001
RATES = {
    "digits": [0.000125, 0.00025, 0.0005, USUAL, 0.002, 0.004],
    "fashion-mnist": [0.000125, 0.00025, 0.0005, USUAL, 0.002, 0.004],
    "transformer": [0.0005, USUAL, 0.002, 0.004, 0.008, 0.016, 0.032],
}
SEEDS = [0, 1, 2]


def measure(program, options, rate, seed):
    """The test loss, infinite for a run that diverges, and the accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", *options, "--learning-rate", str(rate), "--seed", str(seed)]
        run = subprocess.run([*command, "--output", f"{folder}/run"], capture_output=True, text=True)
        summary = json.loads(pathlib.Path(folder, "run/summary.json").read_text())
        if run.returncode != 0 and summary["status"] == "completed":
            raise SystemExit(run.stderr)
        if summary["status"] != "completed":
            if "finite" not in run.stderr:
                raise SystemExit(run.stderr)
            return float("inf"), 0.0
        return summary["test_loss"], summary["test_accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=".build/release/lockstep")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    arguments = parser.parse_args()
    for job in arguments.jobs:
        print(f"\n{job}: lockstep train {' '.join(JOBS[job])}\n")
        print("| outer steps | at 0.001: loss | accuracy | best rate | loss | accuracy | better than off |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        off = None
        for name, outer in OUTER.items():
            results = {
                (rate, seed): measure(arguments.program, JOBS[job] + outer, rate, seed)
                for rate, seed in itertools.product(RATES[job], SEEDS)
            }

            def mean(rate, index, results=results):
                return statistics.fmean(results[rate, seed][index] for seed in SEEDS)

            best = min(RATES[job], key=lambda rate: mean(rate, 0))
            losses = [results[best, seed][0] for seed in SEEDS]
            off = off or losses
            better = "" if off is losses else f"{sum(map(float.__lt__, losses, off))} of {len(SEEDS)}"
            cells = [
                *[name, f"{mean(USUAL, 0):.4f}", f"{mean(USUAL, 1):.4f}"],
                *[f"{best:g}", f"{mean(best, 0):.4f}", f"{mean(best, 1):.4f}", better],
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
