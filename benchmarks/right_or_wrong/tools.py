"""What each tool answers about each window: worse, fine, or neither. With its defaults, as its own guide does it.

    python -m benchmarks.right_or_wrong.tools TOOL STREAM [--folder FOLDER] [--factor FACTOR]

Run by the interpreter that has the tool; prints JSON: its version, and for each of its rows of the table the answers by
window.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .streams import STREAMS, Stream, labelled, window_keys

Answer = str
"""``worse``, ``fine``, or another: why neither was said. "no answer: REASON" if it cannot read the stream."""
Answers = dict[str, dict[int, Answer]]
"""Answers by the name of a row of the table, and by window."""

LEVEL = 0.05
THRESHOLD = 0.5
OF_STATE: dict[str, Answer] = {"degraded": "worse", "healthy": "fine"}


def driftline(stream: Stream, factor: float = 1.0) -> Answers:
    """Evaluate the stream as one file: the state of each window, and of the model when it ended.

    ``factor``: times the margins that Driftline would take; it reads them from its configuration.
    """
    task, days, rows = stream.kind
    options = {"time": "time", "window": f"{days}d"} if days else {"window_rows": rows}
    verdicts = import_module("benchmarks.right_or_wrong.verdicts")
    states = verdicts.states_of(
        stream.production, stream.reference, task, factor, **{stream.output_option: stream.output}, **options
    )
    keys = list(dict.fromkeys(stream.keys.tolist()))
    found: Answers = {}
    by_key: dict[int, str]
    for name, of_keys in states._asdict().items():
        by_key = dict(zip(keys, of_keys, strict=True))
        found[name] = {key: OF_STATE.get(by_key[key], by_key[key]) for key in stream.windows}
    return found


def evidently(stream: Stream) -> Answers:
    """Make two reports of each window: of drift, and of the model's quality with the tests of its preset.

    The dataset drifts if half of its columns do. A test of quality fails if a metric differs from the baseline's by a
    fifth, or of a regression by a tenth. ``decisive`` counts only tests of log loss, ROC AUC, the mean absolute error
    and, of predicted classes, accuracy, for the worse: no preset does so.
    """
    library, presets = import_module("evidently"), import_module("evidently.presets")
    columns = stream.reference[[*stream.inputs, stream.output]]
    numbers = list(columns.select_dtypes("number"))
    texts = [name for name in columns if name not in numbers]
    task, quality = stream.kind.task, presets.ClassificationPreset
    if task == "binary":
        kind = {
            "classification": [library.BinaryClassification(target="label", prediction_probas="score", pos_label=1)]
        }
    elif task == "multiclass":
        kind = {"classification": [library.MulticlassClassification(target="label", prediction_labels="prediction")]}
    else:
        kind = {"regression": [library.Regression(target="label", prediction="score")]}
        quality = presets.RegressionPreset
    definition = library.DataDefinition(numerical_columns=numbers, categorical_columns=texts, **kind)

    def dataset(rows: pd.DataFrame) -> Any:
        return library.Dataset.from_pandas(rows[[*columns, "label"]], data_definition=definition)

    reference, with_labels = dataset(stream.reference), dataset(labelled(stream.reference))
    found: Answers = {"drift": {}, "quality": {}, "decisive": {}}
    for key, rows in stream.windows.items():
        drift = library.Report([presets.DataDriftPreset()]).run(dataset(rows), reference).dict()
        share = next(one["value"]["share"] for one in drift["metrics"] if "DriftedColumnsCount" in one["metric_name"])
        report = library.Report([quality()], include_tests=True)
        tests = report.run(dataset(labelled(rows)), with_labels).dict()["tests"]
        failed = [test for test in tests if test["status"].value == "FAIL"]
        found["drift"][key] = "worse" if share >= THRESHOLD else "fine"
        found["quality"][key] = "worse" if failed else "fine"
        found["decisive"][key] = "worse" if any(_worse_for_evidently(test, task) for test in failed) else "fine"
    return found


def _worse_for_evidently(test: dict[str, Any], task: str) -> bool:
    """Whether a failed test is one of a deciding metric for the worse."""
    words = test["description"].replace(",", " ").split()
    actual, expected = float(words[words.index("value") + 1]), float(words[words.index("expected") + 1])
    if test["name"].startswith("Accuracy" if task == "multiclass" else "RocAuc"):
        return actual < expected
    return test["name"].startswith(("LogLoss", "Mean Absolute Error", "MAE")) and actual > expected


def nannyml(stream: Stream) -> Answers:
    """Realized performance, and its estimate without labels, in chunks of the windows' length.

    Its rule: a metric is beyond the mean of the baseline's chunks by three of their standard deviations; counted for
    the worse. Metrics of its guide: ROC AUC, F1, accuracy; the mean absolute error. Of several classes it needs the
    probabilities, even for an accuracy.
    """
    task = stream.kind.task
    if task == "multiclass":
        reason = "no answer: needs the probabilities of the classes"
        return {name: dict.fromkeys(stream.windows, reason) for name in ("realized", "estimated")}
    library, chunks = import_module("nannyml"), import_module("nannyml.chunk")

    class Chunker(chunks.Chunker):  # type: ignore[name-defined, misc]
        """Chunks are the windows."""

        def _split(self, data: pd.DataFrame) -> list[Any]:
            groups = data.groupby("window", sort=False)
            return [chunks.Chunk(key=str(key), data=rows) for key, rows in groups]

    def prepared(rows: pd.DataFrame, keys: Any) -> pd.DataFrame:
        return rows.assign(window=keys, decided=(rows["score"] >= THRESHOLD).astype(int))

    before = labelled(prepared(stream.reference, window_keys(stream.reference, stream.kind)))
    now = pd.concat([prepared(rows, key) for key, rows in stream.windows.items()], ignore_index=True)
    if task == "regression":
        better = {"mae": 1}
        columns = {"y_pred": "score", "y_true": "label", "metrics": list(better)}
        ways = {"realized": library.PerformanceCalculator(chunker=Chunker(), problem_type="regression", **columns)}
        ways["estimated"] = library.DLE(chunker=Chunker(), feature_column_names=stream.inputs, **columns)
    else:
        better = {"roc_auc": -1, "f1": -1, "accuracy": -1}
        columns = {"y_pred_proba": "score", "y_pred": "decided", "y_true": "label", "metrics": list(better)}
        kind = {"problem_type": "classification_binary"}
        ways = {"realized": library.PerformanceCalculator(chunker=Chunker(), **kind, **columns)}
        ways["estimated"] = library.CBPE(chunker=Chunker(), **kind, **columns)
    found: Answers = {}
    for name, way in ways.items():
        if name == "realized":
            result = way.fit(before).calculate(labelled(now))
        else:
            result = way.fit(before).estimate(now.drop(columns="label"))
        table = result.filter(period="analysis").to_df()
        found[name] = {
            key: _answer_of_nannyml([table[metric].iloc[at] for metric in better], list(better.values()))
            for at, key in enumerate(stream.windows)
        }
    return found


def _answer_of_nannyml(metrics: list[Any], worse: list[int]) -> Answer:
    """Return the answer of a chunk from its metrics, each with a value, two thresholds and an alert."""
    known = [(one, sign) for one, sign in zip(metrics, worse, strict=True) if not pd.isna(one["value"])]
    if not known:
        return "nothing"
    limits = ["upper_threshold" if sign > 0 else "lower_threshold" for _, sign in known]
    beyond = (sign * (one["value"] - one[limit]) > 0 for (one, sign), limit in zip(known, limits, strict=True))
    return "worse" if any(beyond) else "fine"


def scipy(stream: Stream) -> Answers:
    """Test each input and the output: Kolmogorov-Smirnov, of texts chi-square; Bonferroni at 5 %."""
    stats = import_module("scipy.stats")
    columns = [*stream.inputs, stream.output]
    found: dict[int, Answer] = {}
    for key, rows in stream.windows.items():
        p_values = [_p_value(stats, stream.reference[name], rows[name]) for name in columns]
        found[key] = "worse" if min(p_values) < LEVEL / len(columns) else "fine"
    return {"inputs": found}


def _p_value(stats: Any, before: pd.Series, now: pd.Series) -> float:
    if pd.api.types.is_numeric_dtype(before):
        before, now = before.dropna(), now.dropna()
        return float(stats.ks_2samp(before, now).pvalue) if len(now) else 0.0
    counts = pd.concat([before.value_counts(), now.value_counts()], axis=1).fillna(0)
    return float(stats.chi2_contingency(counts).pvalue) if len(counts) > 1 else 1.0


def river(stream: Stream) -> Answers:
    """Feed the errors to ADWIN, row by row: 0 or 1, or absolute errors over the baseline's mean.

    ADWIN reports a change and then adapts: from a change on, the model is worse while its mean is above the baseline's.
    """
    detector = import_module("river.drift").ADWIN()
    task, known = stream.kind.task, stream.production["label"].notna()
    before, now = (errors_of(labelled(rows), task) for rows in (stream.reference, stream.production))
    level = float(before.mean())
    unit = level if task == "regression" else 1.0
    for value in before:
        detector.update(value / unit)
    changed, found = False, dict[int, Answer]()
    for value, key in zip(now, stream.keys[known].tolist(), strict=True):
        detector.update(value / unit)
        changed = changed or detector.drift_detected
        found[key] = "worse" if changed and detector.estimation > level / unit else "fine"
    return {"errors": {key: found[key] for key in stream.windows}}


def errors_of(rows: pd.DataFrame, task: str) -> Any:
    """Return the error of each row."""
    if task == "regression":
        return (rows["score"] - rows["label"]).abs().to_numpy(np.float64)
    predicted = rows["score"] >= THRESHOLD if task == "binary" else rows["prediction"]
    return (predicted != rows["label"]).to_numpy(np.float64)


TOOLS: dict[str, Callable[[Stream], Answers]] = {
    "driftline": driftline,
    "evidently": evidently,
    "nannyml": nannyml,
    "river": river,
    "scipy": scipy,
}


def main() -> None:
    """Print the answers of a tool."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("stream", choices=STREAMS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--factor", type=float, default=1.0)
    options = parser.parse_args()
    stream = Stream(options.stream, options.folder)
    answers = driftline(stream, options.factor) if options.tool == "driftline" else TOOLS[options.tool](stream)
    print(json.dumps({"version": version(options.tool), "answers": answers}))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
