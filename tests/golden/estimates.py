"""What NannyML estimates of its own data sets, chunk by chunk: the recipe of estimates.json and estimates.npz.

Run once in an environment of NannyML, from this folder; nothing of this is imported by the product or by the tests:

    pip install nannyml==0.13.1 "numpy<2" "pandas<2.2" "scikit-learn<1.6" "scipy<1.13" pip install statsmodels
    "category_encoders<2.7" NML_DISABLE_USAGE_LOGGING=1 python estimates.py

The data sets are synthetic and part of NannyML (Apache-2.0). Kept of them is what an estimate needs: of the car loans
and the prepaid cards scores, decisions and outcomes, sorted within each chunk; of the car prices every eighth row.
"""

from __future__ import annotations

import importlib.metadata
import json
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_suffix(".json")
ROWS = Path(__file__).with_suffix(".npz")
CHUNKS = 10

LOAN = ("roc_auc", "accuracy", "precision", "recall", "f1", "specificity", "average_precision")
CARDS = ("roc_auc", "accuracy", "precision", "recall", "f1")
PRICE = ("mae", "rmse", "mape")
FIELDS = ("value", "lower_threshold", "upper_threshold", "alert", "sampling_error")
PRICE_FEATURES = ("car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission")


def figures(result: Any, metrics: tuple[str, ...]) -> dict[str, Any]:
    """Return metric → field → chunk by chunk, of the chunks after the reference."""
    frame = result.filter(period="analysis").to_df()
    return {
        metric: {
            field: [bool(one) if field == "alert" else round(float(one), 9) for one in frame[metric][field]]
            for field in FIELDS
        }
        for metric in metrics
    }


def realized(result: Any, metrics: tuple[str, ...]) -> dict[str, list[float]]:
    """Return metric → value chunk by chunk."""
    frame = result.filter(period="analysis").to_df()
    return {metric: [round(float(one), 9) for one in frame[metric]["value"]] for metric in metrics}


def sorted_chunks(columns: dict[str, Any], length: int) -> dict[str, Any]:
    """Return columns with the rows of each chunk sorted: their order within it is of no matter, and packs badly."""
    n = len(next(iter(columns.values())))
    order = np.lexsort((*list(columns.values())[::-1], np.arange(n) // length))
    return {name: values[order] for name, values in columns.items()}


def car_loan(nml: Any, said: dict[str, Any]) -> dict[str, Any]:
    """Binary."""
    reference, analysis, targets = nml.load_synthetic_car_loan_dataset()
    analysis["repaid"] = targets["repaid"].to_numpy()
    of = {"y_pred_proba": "y_pred_proba", "y_pred": "y_pred", "y_true": "repaid", "chunk_size": 5_000}
    task = {"problem_type": "classification_binary", "metrics": list(LOAN)}
    said["car_loan"] = figures(nml.CBPE(**of, **task).fit(reference).estimate(analysis), LOAN)
    calculator = nml.PerformanceCalculator(**of, **task)
    said["car_loan"]["realized"] = realized(calculator.fit(reference).calculate(analysis), LOAN)
    kept: dict[str, Any] = {}
    for name, frame in (("reference", reference), ("analysis", analysis)):
        columns = {
            "score": np.round(frame["y_pred_proba"].to_numpy() * 100).astype(np.uint8),
            "predicted": frame["y_pred"].to_numpy().astype(np.uint8),
            "actual": frame["repaid"].to_numpy().astype(np.uint8),
        }
        assert np.allclose(columns["score"] / 100, frame["y_pred_proba"])
        kept |= {f"loan_{name}_{column}": values for column, values in sorted_chunks(columns, 5_000).items()}
    return kept


def cards(nml: Any, said: dict[str, Any]) -> dict[str, Any]:
    """Multiclass."""
    reference, analysis, targets = nml.load_synthetic_multiclass_classification_dataset()
    classes = ["highstreet_card", "prepaid_card", "upmarket_card"]
    analysis["y_true"] = targets["y_true"].to_numpy()
    length = len(analysis) // CHUNKS
    of = {
        "y_pred_proba": {name: f"y_pred_proba_{name}" for name in classes},
        "y_pred": "y_pred",
        "y_true": "y_true",
        "chunk_size": length,
    }
    task = {"problem_type": "classification_multiclass", "metrics": list(CARDS)}
    said["cards"] = figures(nml.CBPE(**of, **task).fit(reference).estimate(analysis), CARDS)
    said["cards"]["realized"] = realized(
        nml.PerformanceCalculator(**of, **task).fit(reference).calculate(analysis), CARDS
    )
    kept: dict[str, Any] = {}
    for name, frame in (("reference", reference), ("analysis", analysis)):
        columns = {one: np.round(frame[f"y_pred_proba_{one}"].to_numpy() * 100).astype(np.uint8) for one in classes}
        assert all(np.allclose(columns[one] / 100, frame[f"y_pred_proba_{one}"]) for one in classes)
        for column, source in (("predicted", "y_pred"), ("actual", "y_true")):
            columns[column] = np.array([classes.index(one) for one in frame[source]], np.uint8)
        kept |= {f"cards_{name}_{column}": values for column, values in sorted_chunks(columns, length).items()}
    return kept


def car_price(nml: Any, said: dict[str, Any]) -> dict[str, Any]:
    """Regression, every eighth row."""
    reference, analysis, targets = nml.load_synthetic_car_price_dataset()
    analysis["y_true"] = targets["y_true"].to_numpy()
    reference, analysis = (frame.iloc[::8].reset_index(drop=True) for frame in (reference, analysis))
    length = len(analysis) // CHUNKS
    task = {"y_pred": "y_pred", "y_true": "y_true", "metrics": list(PRICE), "chunk_size": length}
    dle = nml.DLE(feature_column_names=list(PRICE_FEATURES), **task, tune_hyperparameters=False)
    said["car_price"] = figures(dle.fit(reference).estimate(analysis), PRICE)
    calculator = nml.PerformanceCalculator(problem_type="regression", **task)
    said["car_price"]["realized"] = realized(calculator.fit(reference).calculate(analysis), PRICE)
    kept: dict[str, Any] = {}
    for name, frame in (("reference", reference), ("analysis", analysis)):
        columns: dict[str, Any] = {}
        for column in (*PRICE_FEATURES, "y_pred", "y_true"):
            values = frame[column]
            if values.dtype == object:
                labels = sorted(set(values))
                said["car_price"][column] = labels
                columns[column] = np.array([labels.index(one) for one in values], np.uint8)
            else:
                whole = values.to_numpy().astype(np.int64)
                assert (whole == values.to_numpy()).all()
                columns[column] = whole.astype(np.min_scalar_type(int(whole.max())))
        kept |= {f"price_{name}_{column}": values for column, values in sorted_chunks(columns, length).items()}
    return kept


def main() -> None:
    warnings.simplefilter("ignore")
    nml = import_module("nannyml")
    said: dict[str, Any] = {"version": importlib.metadata.version("nannyml")}
    kept = {**car_loan(nml, said), **cards(nml, said), **car_price(nml, said)}
    GOLDEN.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    np.savez_compressed(ROWS, **kept)


if __name__ == "__main__":
    main()
