"""Rankings in files: lists in any format, and clicks on them, with the rows or apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.performance.realized import realized

from tests.support.churn_files import Run
from tests.support.facts import lacking

LISTS: list[Any] = [["x", "y", "z"], ["y", "x"], ["z"], []]
ROWS: Any = pd.DataFrame({"id": ["a", "b", "c", "d"], "items": LISTS, "score": [0.9, 0.8, 0.7, 0.6], "u": range(4)})
METRICS = ("ctr", "hit_rate@1", "precision@5", "recall@1", "ndcg@5", "mrr@5", "map@5")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ROWS.to_parquet("rows.parquet")
    pd.DataFrame({"score": [0.5, 0.6] * 50, "u": range(100)}).to_parquet("was.parquet")
    return tmp_path


def evaluate(run: Run, data: str, *options: str) -> tuple[dict[str, Any], list[str]]:
    """Return what was realized in the one window, and what was said."""
    result = run("evaluate", data, "--baseline", "was.parquet", "--task", "ranking", "--json", *options)
    assert result.exit_code == 0, result.stderr
    (window,) = json.loads(result.stdout)["windows"]
    realized = window["performance"]["realized"]
    return {name: metric["value"] for name, metric in realized.items()}, [
        line.removeprefix("driftline: ") for line in result.stderr.splitlines() if "driftline: columns: " not in line
    ]


EXPECTED = {"ctr": 2 / 3, "hit_rate@1": 1 / 3, "precision@5": (0.2 + 0.4) / 3, "recall@1": (0 + 0.5) / 2}


def test_clicks_in_a_file_of_outcomes(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,item,actual\na,y,1\nb,x,1\nb,y,1\nc,,0\nnobody,x,1\n")
    found, said = evaluate(run, "rows.parquet", "--outcomes", "o.csv")
    assert {name: found[name] for name in EXPECTED} == pytest.approx(EXPECTED)
    assert found["mrr@5"] == pytest.approx((0.5 + 1) / 2)
    assert len(said) == 1
    assert lacking(said[0], "o.csv:", "1 outcome", "'id'", "'nobody'") == []


@pytest.mark.parametrize("name", ["o.parquet", "o.ndjson", "o.csv"])
def test_whole_lists_in_a_file_of_outcomes(run: Run, folder: Path, name: str) -> None:
    lists = [["y"], ["x", "y"], []]
    if name == "o.csv":
        (folder / name).write_text('id,actual\na,"[""y""]"\nb,"[""x"",""y""]"\nc,[]\n')
    elif name == "o.ndjson":
        lines = [json.dumps({"id": id, "actual": one}) for id, one in zip("abc", lists, strict=True)]
        (folder / name).write_text("\n".join(lines))
    else:
        pd.DataFrame({"id": list("abc"), "actual": lists}).to_parquet(name)
    found, said = evaluate(run, "rows.parquet", "--outcomes", name)
    assert {metric: found[metric] for metric in EXPECTED} == pytest.approx(EXPECTED)
    assert said == []


def test_corrections_by_time_retractions_and_weights(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text(
        "id,item,actual,time,retracted,weight\n"
        "a,z,1,2026-01-03,,\na,x,1,2026-01-02,,2\na,x,,2026-01-04,true,\nb,,0,2026-01-01,,6\nb,x,late,2026-01-05,,\n"
    )
    found, said = evaluate(run, "rows.parquet", "--outcomes", "o.csv")
    assert found["ctr"] == pytest.approx(2 / 8)  # a list that was chosen for review weighs the same after a click
    assert found["mrr@5"] == pytest.approx(1 / 3)
    assert len(said) == 1
    assert lacking(said[0], "o.csv:", "1 outcome", "row 5") == []


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.ndjson"])
def test_relevant_items_beside_the_rows(run: Run, folder: Path, name: str) -> None:
    rows: Any = ROWS.assign(actual=[["y"], ["x", "y"], [], None])
    if name == "rows.csv":
        texts = {
            column: [None if one is None else json.dumps(one) for one in rows[column]] for column in ("items", "actual")
        }
        rows.assign(**texts).to_csv(name, index=False)
    elif name == "rows.ndjson":
        (folder / name).write_text("\n".join(json.dumps(row) for row in rows.to_dict(orient="records")))
    else:
        rows.to_parquet(name)
    found, said = evaluate(run, name)
    assert {metric: found[metric] for metric in EXPECTED} == pytest.approx(EXPECTED)
    assert said == []


def test_graded_relevance_is_a_map(run: Run, folder: Path) -> None:
    gains = pa.array([[("y", 3.0), ("q", 1.0)], None, [("z", 0.0)], None], pa.map_(pa.string(), pa.float64()))
    pq.write_table(pa.Table.from_pandas(ROWS).append_column("actual", gains), folder / "graded.parquet")
    found, _ = evaluate(run, "graded.parquet")
    best = 3 + 1 / 1.5849625007211563
    assert found["ndcg@5"] == pytest.approx(3 / 1.5849625007211563 / best)
    assert found["ctr"] == 0.5


def test_lists_of_items_and_scores_are_lists_of_items(run: Run, folder: Path) -> None:
    pairs = [[{"item": item, "score": 0.5} for item in one] for one in LISTS]
    ROWS.assign(items=pairs).to_parquet("pairs.parquet")
    (folder / "o.csv").write_text("id,item,actual\na,y,1\nb,x,1\nb,y,1\nc,,0\n")
    found, _ = evaluate(run, "pairs.parquet", "--outcomes", "o.csv")
    assert {name: found[name] for name in EXPECTED} == pytest.approx(EXPECTED)


@pytest.mark.usefixtures("folder")
def test_a_number_for_the_list_tells_the_click_rate_without_any_items(run: Run) -> None:
    ROWS.drop(columns="items").assign(actual=[1, 0, 0, None]).to_parquet("clicked.parquet")
    found, said = evaluate(run, "clicked.parquet")
    assert found["ctr"] == pytest.approx(1 / 3)
    assert said == []


def test_other_cutoffs_are_declared(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,item,actual\na,y,1\n")
    (folder / "driftline.yaml").write_text("models: {was: {performance: {cutoffs: [3]}}}")
    found, _ = evaluate(run, "rows.parquet", "--outcomes", "o.csv", "--performance", "driftline.yaml", "--model", "was")
    assert sorted(found) == ["ctr", "hit_rate@3", "map@3", "mrr@3", "ndcg@3", "precision@3", "recall@3"]


@pytest.mark.usefixtures("folder")
def test_a_column_that_holds_no_lists_is_named(run: Run) -> None:
    for name, rows in (("n", ROWS.assign(items=[1, 2, 3, 4])), ("t", ROWS.assign(items=["x y"] * 4))):
        rows.to_parquet(f"{name}.parquet")
        result = run("evaluate", f"{name}.parquet", "--baseline", "was.parquet", "--task", "ranking")
        assert result.exit_code == 2
        assert lacking(result.stderr, "items:") == []


def test_silence_is_an_outcome_where_the_model_says_so(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,item,actual\na,y,1\n")
    (folder / "driftline.yaml").write_text("models: {was: {task: ranking, performance: {outcomes: implicit}}}")
    found, _ = evaluate(run, "rows.parquet", "--outcomes", "o.csv", "--performance", "driftline.yaml", "--model", "was")
    assert (found["ctr"], found["hit_rate@5"], found["mrr@5"]) == (0.25, 0.25, 0.5)


def test_a_baseline_knows_how_well_its_own_lists_were_ranked(run: Run, folder: Path) -> None:
    was: Any = ROWS.assign(actual=[["y"], ["x", "y"], [], []]).rename(columns={"items": "shown"})
    pd.concat([was] * 30).to_parquet("was.parquet")
    build = ("baseline", "build", "was.parquet", "--model", "was", "--task", "ranking", "--items", "shown")
    built = run(*build, "-o", "b.json")
    assert built.exit_code == 0, built.stderr
    baseline = Baseline.load("b.json")
    before = {name: metric.value for name, metric in realized(baseline.pane, baseline.task).items()}
    assert (before["ctr"], before["hit_rate@1"]) == (0.5, 0.25)
    assert before["mrr@5"] == pytest.approx((0.5 + 1) / 2)
    ROWS.rename(columns={"items": "shown"}).to_parquet("now.parquet")
    (folder / "o.csv").write_text("id,item,actual\na,y,1\n")
    result = run("evaluate", "now.parquet", "--baseline", "b.json", "--outcomes", "o.csv", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["windows"][0]["performance"]["realized"]["mrr@5"]["value"] == 0.5
