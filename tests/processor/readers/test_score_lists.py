"""Scores that are a list per row: in NDJSON, JSON, Parquet and a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from driftline_processor.readers.score_lists import split_scores
from driftline_processor.readers.sources import open_source

CLASSES = ("a", "b", "c")


def _rows(n: int, seed: int, k: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    # of few digits, which each version of pyarrow reads from JSON as the same numbers
    scores = np.rint(random.dirichlet(np.ones(k), n) * 256) / 256
    scores[:, -1] = 1 - scores[:, :-1].sum(axis=1)
    scores[0] = [1, *[0] * (k - 1)]
    actual = [CLASSES[random.choice(k, p=row)] for row in scores]
    return [
        {"x": round(float(x), 4), "proba": row.tolist(), "actual": label}
        for x, row, label in zip(random.normal(size=n), scores, actual, strict=True)
    ]


def _as(form: str, rows: list[dict[str, Any]], path: Path) -> object:
    if form == "table":
        return pa.Table.from_pylist(rows)
    path = path.with_suffix(f".{form}")
    if form == "parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("form", ["ndjson", "json", "parquet", "table"])
@pytest.mark.parametrize(("task", "k"), [("multiclass", 3), ("binary", 2)])
def test_a_list_of_scores_is_one_column_per_class(tmp_path: Path, form: str, task: str, k: int) -> None:
    before, after = _rows(400, 1, k), _rows(300, 2, k)
    options: dict[str, Any] = {"task": task, "classes": CLASSES[:k]}
    if task == "binary":
        options["positive_class"] = "b"
    lists = driftline.evaluate(
        _as(form, after, tmp_path / "after"), baseline=_as(form, before, tmp_path / "before"), score="proba", **options
    )

    def columns(rows: list[dict[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(
            [{"x": r["x"], "actual": r["actual"], **{f"p{i}": p for i, p in enumerate(r["proba"])}} for r in rows]
        )

    plain = driftline.evaluate(columns(after), baseline=columns(before), score=[f"p{i}" for i in range(k)], **options)
    for part in ("performance", "drift"):
        assert lists.to_dict()["windows"][0][part] == plain.to_dict()["windows"][0][part]
    assert lists.to_dict()["windows"][0]["rows"] == 300


def test_lists_of_another_length_are_missing_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"p": [0.25, 0.75]}\n{"p": [1, 0]}\n{"p": null}\n{"p": [1]}\n{"p": []}\n{"p": [null, 0.5]}\n')
    said: list[str] = []
    [source], names = split_scores([open_source(path, (), said.append)], ["p"], said.append)
    assert names == ("p[0]", "p[1]")
    assert np.array_equal(source.column("p[0]"), [0.25, 1, np.nan, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(source.column("p[1]"), [0.75, 0, np.nan, np.nan, np.nan, 0.5], equal_nan=True)
    assert said == [f"{path}: p: 2 rows without a list of 2 scores, treated as missing"]


@pytest.mark.parametrize(
    "form",
    ["[{0}, {1}]", "[{0},{1}]", "[{0} {1}]", " [ {0}  {1} ] ", "[[{0}, {1}]]", "[{0}; {1}]", "({0}, {1})"],
)
def test_a_list_of_scores_in_a_csv_is_read(tmp_path: Path, form: str) -> None:
    random = np.random.default_rng(1)
    p = random.random(600).round(6)
    frame = pd.DataFrame({"x": random.normal(size=600), "y": (random.random(600) < p).astype(int)})
    frame["probability"] = [form.format(round(1 - value, 6), value) for value in p.tolist()]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    options: dict[str, Any] = {"task": "binary", "score": "probability", "actual": "y"}
    report = driftline.evaluate(tmp_path / "rows.csv", baseline=tmp_path / "rows.csv", **options).to_dict()
    plain = frame.assign(probability=p)
    expected = driftline.evaluate(plain, baseline=plain, **options).to_dict()
    metrics = [document["windows"][0]["performance"]["realized"] for document in (report, expected)]
    assert metrics[0]["roc_auc"]["value"] == metrics[1]["roc_auc"]["value"]


def test_an_object_of_scores_in_a_csv_is_an_error_with_the_fix(tmp_path: Path) -> None:
    scores = ['{"no": 0.1, "yes": 0.9}', '{"no": 0.8, "yes": 0.2}'] * 300
    pd.DataFrame({"x": np.arange(600.0), "score": scores}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=r"write one column per class, and name the columns in the order"):
        driftline.evaluate(tmp_path / "rows.csv", baseline=tmp_path / "rows.csv", task="binary", actual="none")
