"""A baseline: built from rows, kept as JSON, refused with a sentence when it is damaged."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.build import choose_bins, fold_tables
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.fold import fold
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline.tables.task import Task
from hypothesis import given
from hypothesis import strategies as st

from tests.support.facts import Facts, in_order

N = 1_000


def frame(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = rng.random(N)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, N).round(1),
            "plan": rng.choice(["basic", "pro"], N),
            "visits": rng.integers(0, 4, N),
            "p": p,
            "churned": rng.random(N) < p,
            "when": pd.date_range("2026-01-01", periods=N, freq="h"),
            "order": [f"A-{i}" for i in range(N)],
        }
    )


def built(**changes: Any) -> Baseline:
    arguments: dict[str, Any] = {
        "score": "p",
        "actual": "churned",
        "time": "when",
        "id": "order",
        "model": "churn",
        "task": "binary",
        "version": "7",
    }
    return Baseline.from_frame(frame(), **(arguments | changes))


def test_a_baseline_has_bins_and_the_reference_rows_over_them() -> None:
    baseline = built()
    assert (baseline.model, baseline.version, baseline.task) == ("churn", "7", Task("binary", ("0", "1"), "1", 0.5))
    assert list(baseline.bins.features) == ["age", "plan", "visits"]
    assert sorted(baseline.bins.features["plan"].categories) == ["basic", "pro"]  # type: ignore[union-attr]
    assert baseline.pane.rows == N
    assert baseline.pane.parts["outcomes"].tolist() == [N, N, N]
    assert baseline.pane.parts["confusion"].sum() == N
    for name, bins in baseline.bins.features.items():
        assert baseline.pane.parts[f"feature:{name}"][: bins.size].sum() == N


def test_the_names_of_the_columns_are_kept() -> None:
    assert built().columns == {
        "score": "p",
        "actual": "churned",
        "time": "when",
        "id": "order",
        "features": ["age", "plan", "visits"],
    }
    assert "score" not in built(score=frame()["p"]).columns


def test_points_in_time_are_features_only_when_named() -> None:
    assert "when" not in built(time=None).bins.features
    assert list(built(time=None, features=["when"]).bins.features) == ["when"]


@pytest.mark.parametrize(
    "convert",
    [
        lambda data: data,
        lambda data: {name: data[name].to_numpy() for name in data},
        lambda data: {name: data[name].tolist() for name in data},
        pa.Table.from_pandas,
    ],
)
def test_every_kind_of_frame_gives_the_same_baseline(convert: Callable[[pd.DataFrame], Any]) -> None:
    arguments: dict[str, Any] = {"score": "p", "actual": "churned", "model": "churn", "task": "binary"}
    features = ["age", "plan", "visits"]
    baseline = Baseline.from_frame(convert(frame()), features=features, **arguments)
    assert baseline.digest == Baseline.from_frame(frame(), features=features, **arguments).digest


def test_an_array_has_features_by_position() -> None:
    X = frame()[["age", "visits"]].to_numpy()
    score = frame()["p"].to_numpy()
    unnamed = Baseline.from_frame(X, score=score, model="m", task="binary")
    named = Baseline.from_frame(X, score=score, model="m", task="binary", features=["age", "visits"])
    assert list(unnamed.bins.features) == ["f0", "f1"]
    assert list(named.bins.features) == ["age", "visits"]


def test_two_score_columns_are_the_classes_in_their_order() -> None:
    p = frame()["p"].to_numpy()
    one = built(score=p)
    assert built(score=np.column_stack([1 - p, p])).digest == one.digest
    assert built(score=np.column_stack([p, 1 - p]), classes=[1, 0]).pane.parts["score"].tolist() == (
        one.pane.parts["score"].tolist()
    )


def test_multiclass_scores_may_be_columns() -> None:
    rng = np.random.default_rng(5)
    scores = rng.dirichlet([1, 1, 1], 200)
    X = {"x": rng.normal(size=200), "ant": scores[:, 0], "bee": scores[:, 1], "cat": scores[:, 2]}
    truth = np.array(["ant", "bee", "cat"])[scores.argmax(axis=1)]
    arguments: dict[str, Any] = {"actual": truth, "model": "m", "task": "multiclass"}
    baseline = Baseline.from_frame(X, score=["ant", "bee", "cat"], **arguments)
    assert baseline.task.classes == ("ant", "bee", "cat")
    assert baseline.columns["score"] == ["ant", "bee", "cat"]
    assert list(baseline.bins.features) == ["x"]
    assert baseline.pane.parts["confusion"].reshape(3, 3).diagonal().sum() == 200


def test_a_regression_predicts_its_value() -> None:
    X = {"x": np.arange(100.0), "price": np.arange(100.0) + 1, "paid": np.arange(100.0)}
    one = Baseline.from_frame(X, predicted="price", actual="paid", model="m", task="regression")
    other = Baseline.from_frame(X, score="price", actual="paid", model="m", task="regression")
    assert one.pane.parts["losses"].tolist() == other.pane.parts["losses"].tolist()
    assert one.pane.parts["losses"][:3].tolist() == [100, 100, 100]
    assert one.bins.classes is None


def test_only_a_predicted_class_is_enough() -> None:
    baseline = built(score=None, predicted=frame()["p"] > 0.5)
    assert baseline.bins.score is None
    assert baseline.pane.parts["class"].sum() == N


def test_rows_without_an_outcome_are_rows_all_the_same() -> None:
    actual = frame()["churned"].astype(object).to_numpy(copy=True)
    actual[:100] = None
    assert built(actual=actual).pane.parts["outcomes"][0] == N - 100


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"score": "q"}, ("score:", "'q'")),
        ({"features": ["agee"]}, ("features:", "'agee'")),
        ({"score": None}, ("score=", "predicted=")),
        ({"score": "plan"}, ("score=",)),
        ({"score": [0.5]}, ("1 rows",)),
        ({"task": "clustering"}, ("task is 'clustering'",)),
        ({"actual": "plan"}, ("positive_class=",)),
        ({"classes": ["a", "b"], "positive_class": "b"}, ("actual has values that are not classes: 0, 1;",)),
        ({"score": np.zeros((N, 3))}, ("3 score",)),
        ({"task": "multiclass"}, ("1 score", "2 classes", "'0'", "'1'", "classes=[...]")),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_fix(changes: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        built(**changes)


def test_no_rows_make_no_baseline() -> None:
    with pytest.raises(ValueError, match="there are no rows; a baseline needs reference rows"):
        Baseline.from_frame({"x": [], "p": []}, score="p", model="m", task="binary")
    with pytest.raises(ValueError, match="there are no rows"):
        Baseline.from_tables([])


def test_all_missing_and_constant_features_are_kept() -> None:
    X = {"gone": [None] * 50, "same": [1.0] * 50, "p": np.linspace(0, 1, 50)}
    baseline = Baseline.from_frame(X, score="p", model="m", task="binary")
    assert baseline.bins.features["gone"] == NumberBins(np.empty(0))
    assert baseline.pane.parts["feature:gone"].tolist() == [0, 50, 0]
    assert baseline.bins.features["same"].size == 3


def test_several_tables_are_one_reference() -> None:
    whole = frame()
    read = [
        table_from_frame(part, score="p", actual="churned", model="churn", task="binary", features=["age", "plan"])
        for part in (whole[:300], whole[300:])
    ]
    tables, truths = [table for table, *_ in read], [truth for _, truth, *_ in read]
    merged = Baseline.from_tables(tables, truths)
    once = Baseline.from_frame(
        whole, score="p", actual="churned", model="churn", task="binary", features=["age", "plan"]
    )
    assert merged.bins == once.bins
    assert merged.pane.parts.keys() == once.pane.parts.keys()
    for name, values in merged.pane.parts.items():
        assert values == pytest.approx(once.pane.parts[name], rel=1e-12), name


def test_more_rows_than_memory_are_folded_batch_by_batch() -> None:
    table, truth, *_ = table_from_frame(frame(), score="p", actual="churned", model="churn", task="binary")
    bins = choose_bins([table], table.task)
    batch, _ = fold_tables([table], [truth], bins)
    assert batch.parts["rows"].tolist() == [N, N, N]
    assert merge([batch, batch]).rows == 2 * N


def test_saving_and_loading_keeps_every_digit(tmp_path: Path) -> None:
    baseline = built()
    path = tmp_path / "churn.baseline.json"
    baseline.save(path)
    loaded = Baseline.load(path)
    assert loaded.digest == baseline.digest
    assert loaded.to_json() == baseline.to_json()
    assert loaded.bins == baseline.bins
    assert [file.name for file in tmp_path.iterdir()] == ["churn.baseline.json"]
    assert len(baseline.digest) == 32


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_saved_file_has_the_mode_that_open_would_give(tmp_path: Path, mask: int, mode: int) -> None:
    path, shared = tmp_path / "new.json", tmp_path / "shared.json"
    shared.write_text("old")
    shared.chmod(0o640)
    before = os.umask(mask)
    try:
        built().save(path)
        built().save(shared)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, shared)] == [mode, 0o640]
    assert shared.read_text() == path.read_text()


def test_a_baseline_is_kilobytes() -> None:
    assert len(built().to_json()) < 50_000


@pytest.mark.slow
def test_the_digest_tells_baselines_apart() -> None:
    assert built().digest != built(threshold=0.4).digest
    assert built().digest == built().digest


def test_saving_where_nothing_can_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text("old")
    broken = Baseline("m", "", Task(), ModelBins(), Pane({"rows": np.array([np.nan] * 3)}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.save(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_file_that_is_not_there_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file; build the baseline with"):
        Baseline.load(tmp_path / "missing.json")


def test_every_truncation_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    text = built().to_json()
    path = tmp_path / "cut.json"
    for end in range(0, len(text) - 1, 997):
        path.write_text(text[:end])
        with pytest.raises(ValueError, match=re.escape(f"{path}: this is not JSON")):
            Baseline.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        Baseline.load(path)


def _set(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(root: dict[str, Any]) -> None:
        at = root
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "place"),
    [
        (_set("schema", to="driftline.baseline/2"), "schema: 'driftline.baseline/2'"),
        (lambda root: root.pop("schema"), "this is not a baseline, because it has no 'schema'"),
        (_set("schema", to=None), "schema: None"),
        (_set("model", to=7), "model: "),
        (lambda root: root.pop("version"), "version: is missing"),
        (_set("task", "kind", to="clustering"), "task.kind: "),
        (_set("task", "classes", to=[1, 2]), "task.classes.0: "),
        (_set("task", "positive_class", to="7"), "task.positive_class: "),
        (_set("task", "threshold", to="x"), "task.threshold: "),
        (_set("task", "threshold", to=1.5), "task.threshold: "),
        (_set("task", "quantiles", to=[0.5]), "task.quantiles: "),
        (_set("bins", "features", "age", "edges", to=[3, 2, 1]), "bins.features.age: edges"),
        (_set("bins", "features", "age", to=[]), "bins.features.age: "),
        (_set("bins", "features", "age", "edges", to=[1.0, 10**400]), "bins.features.age.edges: "),
        (_set("bins", "features", "age", "edges", to=[1.0, True]), "bins.features.age.edges: "),
        (_set("bins", "features", "plan", "categories", to=["a", "a"]), "bins.features.plan: categories"),
        (_set("feature_order", to=["age"]), "feature_order: "),
        (_set("bins", "score", to={"edges": "x"}), "bins.score.edges: "),
        (_set("bins", "classes", to={"edges": []}), "bins.classes.categories: is missing"),
        (_set("pane", "parts", "rows", to=[1, 2]), "pane.parts.rows: "),
        (_set("pane", "parts", "rows", to="many"), "pane.parts.rows: "),
        (_set("pane", "parts", "feature:age", to=[1.0]), "pane.parts.feature:age: "),
        (_set("pane", "parts", "feature:x", to=[1.0]), "pane.parts.feature:x: "),
        (_set("pane", "parts", "losses", to=[float("nan")]), "pane.parts.losses: "),
        (_set("pane", "parts", "score_positive", "steps", to=[9999]), "pane.parts.score_positive: "),
        (_set("pane", "parts", "score_positive", "shape", to=[10**12]), "pane.parts.score_positive.shape: "),
        (_set("pane", "parts", "score_positive", "values", to=[1]), "pane.parts.score_positive: "),
        (lambda root: root["pane"]["parts"].pop("feature:age"), "pane.parts.feature:age: is missing"),
        (_set("columns", "score", to=7), "columns.score: "),
    ],
)
def test_what_somebody_broke_is_named(change: Callable[[dict[str, Any]], None], place: str) -> None:
    root = json.loads(built().to_json())
    change(root)
    with pytest.raises(ValueError, match=re.escape(place)) as raised:
        Baseline.from_json(json.dumps(root), where="churn.json")
    assert str(raised.value).startswith(f"churn.json: {place}")


@pytest.mark.parametrize("text", ["[]", "7", "null", '"x"', "{}", "[" * 100_000])
def test_any_other_json_is_no_baseline(text: str) -> None:
    with pytest.raises(ValueError, match=r"^churn\.json: "):
        Baseline.from_json(text, where="churn.json")


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=80)


@pytest.mark.slow
@given(VALUES, st.floats(0, 1), st.booleans())
def test_any_baseline_survives_json(values: list[float], threshold: float, provisional: bool) -> None:
    numbers: F64 = np.array(values, dtype=np.float64)
    table, truth, columns, _ = table_from_frame(
        {"x": numbers, "c": [str(v) for v in values]},
        score=np.linspace(0, 1, len(values)),
        actual=np.arange(len(values)) % 2,
        model="m",
        task="binary",
        threshold=threshold,
    )
    baseline = Baseline.from_tables([table], [truth], columns=columns, provisional=provisional)
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()
    assert again.bins == baseline.bins
    assert again.provisional == provisional
    assert isinstance(again.bins.features["c"], CategoryBins)
    for name, part in baseline.pane.parts.items():
        assert again.pane.parts[name].tolist() == part.tolist()


def test_reference_performance_is_in_the_pane() -> None:
    table, truth, *_ = table_from_frame(frame(), score="p", actual="churned", model="churn", task="binary")
    assert truth is not None
    expected = merge([fold(table, built().bins), fold_outcomes(table.task, table.scores, None, truth)])
    assert built().pane.parts["losses"].tolist() == expected.parts["losses"].tolist()
