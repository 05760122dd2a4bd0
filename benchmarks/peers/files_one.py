"""Judge labelled rows of a Parquet file with one library, as a whole command, in the interpreter that has it.

python -m benchmarks.peers.files_one LIBRARY REFERENCE CURRENT [BASELINE]

``REFERENCE``, ``CURRENT``: features ``number_*`` and ``text_*``, a ``score`` and a ``label``. Each library does what
its own guide does with such rows: drift of every feature, and performance by the labels.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

THRESHOLD = 0.5
DECIDED = "decided"
BATCH = 131_072


def main(library: str, reference: str, current: str, baseline: str = "") -> None:
    """Run one library and print how much it said, so that nothing is put off."""
    warnings.filterwarnings("ignore")
    print(len(str(WAYS[library](reference, current, baseline))))


def numpy(_reference: str, current: str, baseline: str) -> object:
    """Count over given bins, and compute metrics from sorted scores: the least there is to do."""
    np, parquet = import_module("numpy"), import_module("pyarrow.parquet")
    said = json.loads(Path(baseline).read_text())
    features: dict[str, dict[str, Any]] = {**said["features"], "score": said["score"]}
    texts = [name for name, one in features.items() if "labels" in one]
    counts: dict[str, Any] = {}
    scores, labels = [], []
    for batch in parquet.ParquetFile(current, read_dictionary=texts).iter_batches(BATCH):
        for name, one in features.items():
            values = batch.column(name)
            if name in texts:
                place = {label: at for at, label in enumerate(one["labels"])}
                codes = np.array([place.get(label, len(place)) for label in values.dictionary.to_pylist()])
                found = np.bincount(codes[values.indices.to_numpy()], minlength=len(place) + 1)
            else:
                edges = np.array(one["edges"])
                at = np.searchsorted(edges, values.to_numpy(), side="right")
                found = np.bincount(at, minlength=len(edges) + 1)
            counts[name] = counts.get(name, 0) + found
        scores.append(batch.column("score").to_numpy())
        labels.append(batch.column("label").to_numpy())
    score, positive = np.concatenate(scores), np.concatenate(labels) == 1
    confusion = np.bincount(2 * positive + (score >= THRESHOLD), minlength=4)
    chance = np.clip(np.where(positive, score, 1 - score), 1e-15, 1)
    log_loss, brier = -np.log(chance).mean(), ((score - positive) ** 2).mean()
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]), 1))
    hits = np.cumsum(positive[order])[last]
    recall, misses = hits / hits[-1], (last + 1 - hits) / (last[-1] + 1 - hits[-1])
    area = np.trapezoid(np.append(0, recall), np.append(0, misses))
    precision = (np.diff(np.append(0, recall)) * hits / (last + 1)).sum()
    tenth = np.clip((score * 10).astype(int), 0, 9)
    calibration = np.abs(np.bincount(tenth, score) - np.bincount(tenth, positive)).sum() / len(score)
    return counts, confusion, log_loss, brier, area, precision, calibration


def evidently(reference: str, current: str, _: str) -> object:
    """Two presets, of drift and of classification, with their own methods."""
    library, presets = import_module("evidently"), import_module("evidently.presets")
    before, now = _frames(reference, current)
    definition = library.DataDefinition(
        classification=[library.BinaryClassification(target="label", prediction_probas="score", pos_label=1)],
        numerical_columns=[name for name in now.columns if name.startswith("number_")],
        categorical_columns=[name for name in now.columns if name.startswith("text_")],
    )
    rows = [library.Dataset.from_pandas(frame, data_definition=definition) for frame in (now, before)]
    return library.Report([presets.DataDriftPreset(), presets.ClassificationPreset()]).run(*rows).dict()


def nannyml(reference: str, current: str, _: str) -> object:
    """Jensen-Shannon distance of each feature, realized performance, and its estimate without labels; one chunk."""
    library = import_module("nannyml")
    before, now = _frames(reference, current)
    for frame in (before, now):
        frame[DECIDED] = (frame["score"] >= THRESHOLD).astype(int)
    names = [name for name in now.columns if name.startswith(("number_", "text_"))]
    columns = {"y_pred_proba": "score", "y_pred": DECIDED, "y_true": "label", "chunk_size": len(now)}
    metrics = ["roc_auc", "f1", "accuracy", "precision", "recall"]
    kind = "classification_binary"
    calculators = (
        library.UnivariateDriftCalculator(column_names=names, chunk_size=len(now)),
        library.PerformanceCalculator(problem_type=kind, metrics=metrics, **columns),
    )
    found = [one.fit(before).calculate(now).to_df() for one in calculators]
    return [*found, library.CBPE(problem_type=kind, metrics=metrics, **columns).fit(before).estimate(now).to_df()]


def whylogs(_reference: str, current: str, _: str) -> object:
    """Profile the columns and the performance of the current rows; it compares nothing."""
    library = import_module("whylogs")
    frame = import_module("pandas").read_parquet(current)
    frame[DECIDED] = (frame["score"] >= THRESHOLD).astype(int)
    columns = {"target_column": "label", "prediction_column": DECIDED, "score_column": "score"}
    return library.log_classification_metrics(frame, log_full_data=True, **columns).view().to_pandas().to_json()


def _frames(*paths: str) -> list[Any]:
    pandas = import_module("pandas")
    return [pandas.read_parquet(path) for path in paths]


WAYS = {"numpy": numpy, "evidently": evidently, "nannyml": nannyml, "whylogs": whylogs}

if __name__ == "__main__":
    main(*sys.argv[1:])
