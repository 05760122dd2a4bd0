"""Write fairness.json: what Fairlearn and statsmodels say of a few groups.

python -m venv peers && peers/bin/pip install fairlearn==0.15.0 statsmodels==0.15.0
peers/bin/python tests/golden/fairness.py
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

CASES: dict[str, dict[str, tuple[int, int, int, int]]] = {
    # group: true negatives, false positives, false negatives, true positives
    "two": {"M": (700, 100, 50, 150), "F": (380, 20, 60, 40)},
    "three": {"a": (40, 10, 5, 45), "b": (400, 90, 60, 250), "c": (31, 2, 9, 8)},
    "alike": {"M": (700, 100, 50, 150), "F": (350, 50, 25, 75)},
    "never": {"M": (70, 0, 30, 0), "F": (30, 10, 5, 15)},
}
PAIRS = [
    *((56, 70, 48, 80), (10, 100, 20, 100), (3, 12, 900, 1000), (1, 200, 5, 180), (120, 130, 995, 1000)),
    *((1, 30, 29, 30), (2, 9, 3, 11)),
]


def rows(groups: dict[str, tuple[int, int, int, int]]) -> tuple[Any, Any, Any]:
    """Return actual, predicted and group of every row."""
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    made = [
        (actual, predicted, name)
        for name, counts in groups.items()
        for (actual, predicted), count in zip(cells, counts, strict=True)
        for _ in range(count)
    ]
    actual, predicted, name = zip(*made, strict=True)
    return np.array(actual), np.array(predicted), np.array(name)


def said(groups: dict[str, tuple[int, int, int, int]]) -> dict[str, Any]:
    """Return what Fairlearn says."""
    fair, sklearn = import_module("fairlearn.metrics"), import_module("sklearn.metrics")
    actual, predicted, name = rows(groups)
    beside = {"sensitive_features": name}
    precision = fair.MetricFrame(
        metrics=lambda y, p: sklearn.precision_score(y, p, zero_division=np.nan),
        y_true=actual,
        y_pred=predicted,
        **beside,
    )
    found: dict[str, dict[str, float | None]] = {
        one: {
            what: float(getattr(fair, f"{one}_{what}")(actual, predicted, **beside)) for what in ("difference", "ratio")
        }
        for one in ("demographic_parity", "equal_opportunity", "equalized_odds")
    }
    by_group = precision.by_group.tolist()
    known = not np.isnan(by_group).any()
    found["predictive_parity"] = {
        "difference": float(max(by_group) - min(by_group)) if known else None,
        "ratio": float(min(by_group) / max(by_group)) if known else None,
    }
    return found


def intervals() -> list[dict[str, Any]]:
    """Return what statsmodels says of pairs of shares."""
    shares = import_module("statsmodels.stats.proportion")
    found = []
    for hits, of, other, other_of in PAIRS:
        pair = hits, of, other, other_of
        score = shares.confint_proportions_2indep(*pair, method="score", compare="ratio", correction=True)
        found.append(
            {
                "pair": pair,
                "wilson": [float(end) for end in shares.proportion_confint(hits, of, method="wilson")],
                "difference": [
                    float(end) for end in shares.confint_proportions_2indep(*pair, method="newcomb", compare="diff")
                ],
                "ratio": [float(end) for end in score],
            }
        )
    return found


def main() -> None:
    """Write the file."""
    made = {
        "versions": {name: version(name) for name in ("fairlearn", "statsmodels")},
        "cases": {name: {"groups": groups, "said": said(groups)} for name, groups in CASES.items()},
        "intervals": intervals(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(made, indent=1).replace("NaN", "null") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
