"""Estimates beside NannyML's on the data sets that it brings, chunk by chunk (tests/golden/estimates.py)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import Column, ModelKey, PredictionTable, Text
from driftline_processor.core.estimate.estimator import estimate_metrics
from driftline_processor.core.estimate.sums import learned_parts, score_parts
from driftline_processor.core.evaluation import Estimate

from tests.support.paths import GOLDEN_FILES

GOLDEN = GOLDEN_FILES / "estimates.json"
CHUNKS = 10
DAY = 86_400 * 10**9
NANNYML: dict[str, Any] = json.loads(GOLDEN.read_text())
CARDS = ("highstreet_card", "prepaid_card", "upmarket_card")

Columns = dict[str, Any]


def columns(which: str) -> Columns:
    """The kept columns of ``loan_reference``, say."""
    with np.load(GOLDEN.with_suffix(".npz")) as kept:
        return {name[len(which) + 1 :]: kept[name] for name in kept.files if name.startswith(f"{which}_")}


def chunk_days(n: int) -> Any:
    """A day for each chunk: the rows of a chunk are sorted, their times are not known any more."""
    return (np.arange(n) // (n // CHUNKS) + 20_000) * (DAY // 10**9) + 3_600.0


def estimates(built: Baseline, chunk: PredictionTable) -> dict[str, Estimate]:
    group = np.zeros(len(chunk), np.int64)
    found = [*score_parts(chunk, group), *learned_parts(chunk, built, group, 1)]
    parts = {"rows": np.full(3, float(len(chunk)))} | {one.part: one.dense(1)[0] for one in found}
    return estimate_metrics(Pane(parts), built, built.task, DAY)


def chunks(
    built: Baseline, scores: Any, predicted: Column | None = None, features: dict[str, Column] | None = None
) -> list[dict[str, Estimate]]:
    """The estimates of each tenth of the rows."""
    n = len(scores) // CHUNKS
    found = []
    for at in range(CHUNKS):
        some = slice(at * n, (at + 1) * n)
        own = None if predicted is None or predicted.codes is None else predicted.codes[some]
        table = PredictionTable(
            ModelKey("m"), built.task, np.zeros(n, np.int64), Text(np.zeros(n + 1, np.int32), b""), scores[some],
            predicted=None if own is None or predicted is None else Column(codes=own, categories=predicted.categories),
            features={name: _part(column, some) for name, column in (features or {}).items()},
        )  # fmt: skip
        found.append(estimates(built, table))
    return found


def _part(column: Column, some: slice) -> Column:
    numbers = None if column.numbers is None else column.numbers[some]
    return Column(numbers, None if column.codes is None else column.codes[some], column.categories)


@lru_cache
def loans() -> list[dict[str, Estimate]]:
    was, now = columns("loan_reference"), columns("loan_analysis")
    built = Baseline.from_frame(
        {"p": was["score"] / 100, "said": was["predicted"], "y": was["actual"], "t": chunk_days(len(was["score"]))},
        score="p", predicted="said", actual="y", time="t", features=[], model="loan", task="binary",
    )  # fmt: skip
    said = Column(codes=now["predicted"].astype(np.int32), categories=("0", "1"))
    return chunks(built, now["score"][:, np.newaxis] / 100, said)


@lru_cache
def cards() -> list[dict[str, Estimate]]:
    was, now = columns("cards_reference"), columns("cards_analysis")
    frame = {name: was[name] / 100 for name in CARDS}
    labels = np.array(CARDS)
    built = Baseline.from_frame(
        frame | {"said": labels[was["predicted"]], "y": labels[was["actual"]], "t": chunk_days(len(was["actual"]))},
        score=list(CARDS), predicted="said", actual="y", time="t", features=[], model="cards", task="multiclass",
        classes=list(CARDS),
    )  # fmt: skip
    said = Column(codes=now["predicted"].astype(np.int32), categories=CARDS)
    return chunks(built, np.column_stack([now[name] for name in CARDS]) / 100, said)


@lru_cache
def prices() -> list[dict[str, Estimate]]:
    was, now = columns("price_reference"), columns("price_analysis")
    labels = {name: tuple(NANNYML["car_price"][name]) for name in ("fuel", "transmission")}
    frame = {
        name: np.array(labels[name])[values] if name in labels else values.astype(float) for name, values in was.items()
    }
    built = Baseline.from_frame(
        frame | {"t": chunk_days(len(was["y_true"]))},
        score="y_pred", actual="y_true", time="t", model="price", task="regression",
        features=[name for name in was if not name.startswith("y_")],
    )  # fmt: skip
    features = {
        name: Column(codes=values.astype(np.int32), categories=labels[name])
        if name in labels
        else Column(numbers=values.astype(float))
        for name, values in now.items()
        if not name.startswith("y_")
    }
    return chunks(built, now["y_pred"].astype(float)[:, np.newaxis], features=features)


def values(found: list[dict[str, Estimate]], metric: str) -> list[float]:
    return [one[metric].value or np.nan for one in found]


@pytest.mark.parametrize(
    ("metric", "within"),
    [
        ("roc_auc", 1e-5), ("accuracy", 1e-5), ("precision", 1e-5), ("recall", 1e-5), ("f1", 1e-5),
        ("specificity", 1e-5), ("average_precision", 1e-3),
    ],
)  # fmt: skip
def test_car_loans_are_estimated_as_nannyml_does(metric: str, within: float) -> None:
    assert values(loans(), metric) == pytest.approx(NANNYML["car_loan"][metric]["value"], abs=within)


def test_car_loans_alert_in_exactly_the_last_five_chunks() -> None:
    for metric in ("roc_auc", "accuracy", "f1"):
        alerts = [at for at, one in enumerate(loans()) if one[metric].alert]
        assert alerts == [5, 6, 7, 8, 9], metric
        assert alerts == [at for at, alert in enumerate(NANNYML["car_loan"][metric]["alert"]) if alert]


def test_what_is_realized_of_the_car_loans_lies_within_the_intervals() -> None:
    inside = [
        one[metric].low <= real <= one[metric].high
        for metric in ("roc_auc", "accuracy", "f1")
        for one, real in zip(loans(), NANNYML["car_loan"]["realized"][metric], strict=True)
    ]
    assert np.mean(inside) >= 0.9


@pytest.mark.parametrize(
    ("metric", "theirs", "within"),
    [
        ("accuracy", "accuracy", 0.002), ("precision", "precision", 0.002), ("recall", "recall", 0.002),
        ("f1", "f1", 0.002), ("roc_auc_ovr", "roc_auc", 0.002),
    ],
)  # fmt: skip
def test_cards_are_estimated_as_nannyml_does(metric: str, theirs: str, within: float) -> None:
    assert values(cards(), metric) == pytest.approx(NANNYML["cards"][theirs]["value"], abs=within)


@pytest.mark.parametrize(("metric", "within"), [("mae", 0.05), ("rmse", 0.04), ("mape", 0.1)])
def test_car_prices_are_estimated_as_nannyml_does(metric: str, within: float) -> None:
    assert values(prices(), metric) == pytest.approx(NANNYML["car_price"][metric]["value"], rel=within)


@pytest.mark.parametrize("metric", ["mae", "rmse", "mape"])
def test_car_prices_are_within_six_percent_of_what_is_realized(metric: str) -> None:
    assert values(prices(), metric) == pytest.approx(NANNYML["car_price"]["realized"][metric], rel=0.06)


@pytest.mark.parametrize("metric", ["mae", "mape"])
def test_losses_of_car_prices_are_no_further_from_what_is_realized_than_nannymls(metric: str) -> None:
    said = NANNYML["car_price"]
    realized, theirs = np.array(said["realized"][metric]), np.array(said[metric]["value"])
    ours = np.array(values(prices(), metric))
    off, off_theirs = (np.abs(one / realized - 1).mean() for one in (ours, theirs))
    assert off <= off_theirs


@pytest.mark.parametrize(("metric", "least"), [("mae", 5), ("rmse", 5), ("mape", 3)])
def test_car_prices_alert_in_the_last_five_chunks(metric: str, least: int) -> None:
    alerts = [at for at, one in enumerate(prices()) if one[metric].alert]
    assert set(alerts) <= {5, 6, 7, 8, 9}
    assert len(alerts) >= least
