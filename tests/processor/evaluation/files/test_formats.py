"""The same rows give the same result in every format: CSV, Parquet, NDJSON, JSON, frames and Arrow tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline.inputs.texts_and_vectors import short_text
from driftline.panes.bins import CategoryBins
from driftline_processor.evaluation.files import weak_slices
from driftline_processor.readers import json_rows, spool, sqlite
from driftline_processor.readers.arrow_columns import ids, whole_column
from driftline_processor.readers.sources import open_source

from tests.support.churn_files import Run
from tests.support.unwrap import unwrap

N = 600


def _csv(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


def _parquet(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def _ndjson(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_json(path.with_suffix(".ndjson"), orient="records", lines=True)
    return path.with_suffix(".ndjson")


def _json(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_json(path.with_suffix(".json"), orient="records")
    return path.with_suffix(".json")


FORMATS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "csv": _csv,
    "parquet": _parquet,
    "ndjson": _ndjson,
    "json": _json,
    "pandas": lambda frame, _: frame,
    "polars": lambda frame, _: pl.DataFrame(frame.to_dict("list")),
    "arrow": lambda frame, _: pa.table(frame.to_dict("list")),
}


def rows(seed: int, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.random(N)
    return pd.DataFrame({"x": rng.normal(size=N), "score": score, "actual": rng.random(N) < score, **columns})


def evaluated(now: Any, was: Any) -> dict[str, Any]:
    report = driftline.evaluate(now, baseline=was, task="binary", actual="actual", score="score")
    window: dict[str, Any] = report.to_dict()["windows"][0]
    return window


def feature(now: Any, was: Any, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = evaluated(now, was)["drift"]["features"][name]
    return answer


@pytest.mark.parametrize("form", FORMATS)
def test_a_long_text_is_a_category_of_its_own(form: str, tmp_path: Path) -> None:
    urls = [f"https://example.com/{'a' * 300}?plan={plan}" for plan in "abc"]
    was = rows(1, url=np.resize(urls, N))
    same, other = rows(2, url=np.resize(urls, N)), rows(3, url=np.resize(urls[:1], N))
    write = FORMATS[form]
    baseline = write(was, tmp_path / "was")
    assert feature(write(same, tmp_path / "same"), baseline, "url")["state"] == "ok"
    answer = feature(write(other, tmp_path / "other"), baseline, "url")
    assert (answer["state"], answer["missing"]) == ("drift", {"was": 0.0, "now": 0.0})


def test_a_frame_has_the_long_categories_of_a_file(tmp_path: Path) -> None:
    url = "https://example.com/" + "a" * 300
    baseline = driftline.Baseline.from_frame(rows(1, url=[url] * N), model="m", task="binary", score="score")
    assert baseline.bins.features["url"] == CategoryBins((short_text(url),))
    assert feature(_csv(rows(2, url=[url] * N), tmp_path / "now"), baseline, "url")["missing"]["now"] == 0.0


def test_whole_numbers_of_the_type_of_a_category_are_categories() -> None:
    was, now = (rows(seed, agent=pd.Categorical(np.arange(N) % 5)) for seed in (1, 2))
    assert feature(now, was, "agent")["decided_by"] == "chi2"
    assert feature(now.astype({"agent": int}), was, "agent")["state"] == "ok"
    arrow = pa.Table.from_pandas(was)
    for frame in (was, arrow, lambda: [arrow]):
        baseline = driftline.Baseline.from_frame(frame, model="m", task="binary", score="score")
        assert baseline.bins.features["agent"] == CategoryBins(("0", "1", "2", "3", "4"))


def _written_as_texts(form: str, frame: pd.DataFrame, path: Path) -> Any:
    """Return rows of which each third value of ``a`` is a text, in a format that has both types."""
    records = [
        {**row, "a": str(row["a"]) if at % 3 == 0 else row["a"]} for at, row in enumerate(frame.to_dict("records"))
    ]
    if form == "pandas":
        return frame.assign(a=pd.Series([record["a"] for record in records], dtype=object))
    path = path.with_suffix(f".{form}")
    path.write_text(json.dumps(records) if form == "json" else "\n".join(map(json.dumps, records)))
    return path


@pytest.mark.parametrize("form", ["pandas", "ndjson", "json"])
def test_numbers_that_are_texts_are_said(form: str, tmp_path: Path) -> None:
    was, now = (rows(seed, a=1 + np.arange(N) % 7) for seed in (1, 2))
    mixed = _written_as_texts(form, now, tmp_path / "now")
    findings = evaluated(mixed, was)["quality"]["findings"]
    assert [(one["check"], one["features"], round(one["now"], 2)) for one in findings] == [("type_change", ["a"], 0.33)]
    texts = was.astype({"a": str})  # in a feature of texts, a number is its text
    assert feature(mixed, texts, "a")["state"] == "ok"


@pytest.mark.parametrize("form", ["ndjson", "sqlite", "pandas"])
def test_a_block_of_texts_is_not_read_as_numbers(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    was, now = (rows(seed, a=1 + np.arange(N) % 7) for seed in (1, 2))
    records = [{**row, "a": str(row["a"]) if at >= 400 else row["a"]} for at, row in enumerate(now.to_dict("records"))]
    source: Any
    if form == "pandas":
        monkeypatch.setattr(spool, "BATCH", 100)
        source = now.assign(a=pd.Series([record["a"] for record in records], dtype=object))
    elif form == "ndjson":
        monkeypatch.setattr(json_rows, "BLOCK", 2_000)
        source = tmp_path / "now.ndjson"
        source.write_text("\n".join(map(json.dumps, records)))
    else:
        monkeypatch.setattr(sqlite, "_CHUNK", 100)
        source = tmp_path / "now.db"
        with sqlite3.connect(source) as database:
            database.execute("CREATE TABLE rows (x, score, actual, a)")
            database.executemany("INSERT INTO rows VALUES (:x, :score, :actual, :a)", records)
        database.close()
    findings = evaluated(source, was)["quality"]["findings"]
    assert [(one["check"], one["features"], round(one["now"], 2)) for one in findings] == [("type_change", ["a"], 0.33)]


def test_ids_and_scores_of_several_types_keep_their_values(tmp_path: Path) -> None:
    lines = [{"id": 9007199254740993, "score": 0.25, "actual": 1}, {"id": "A-1", "score": "0.75", "actual": 0}]
    path = tmp_path / "rows.ndjson"
    path.write_text("\n".join(map(json.dumps, lines)))
    source = open_source(path, (), print)
    assert ids(source.column("id")).to_pylist() == ["9007199254740993", "A-1"]
    assert unwrap(whole_column(source.column("score"), True).numbers).tolist() == [0.25, 0.75]


def test_the_search_for_slices_is_bounded_in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "N", 2_000)
    was, now = rows(1), rows(2)
    assert evaluated(now, was)["performance"]["weak_slices"]["rows"] == 2_000
    monkeypatch.setattr(weak_slices, "WINDOW_CELLS", 1_000)
    assert evaluated(now, was)["performance"]["weak_slices"]["rows"] <= 1_000


def test_blanks_after_commas_in_one_of_two_files_change_no_result(run: Run, files: Path) -> None:
    for name in ("reference", "week"):
        pd.read_parquet(files / f"{name}.parquet").to_csv(files / f"{name}.csv", index=False)
        (files / f"{name}_blanks.csv").write_text((files / f"{name}.csv").read_text().replace(",", ", "))
    found = []
    for was, now in (("reference", "week"), ("reference", "week_blanks"), ("reference_blanks", "week_blanks")):
        options = ("--baseline", files / f"{was}.csv", "--task", "binary", "--model", "m", "--json")
        result = run("evaluate", files / f"{now}.csv", *options)
        assert result.exit_code == 0, result.stderr
        found.append(json.loads(result.stdout)["windows"][0])
    expected = found[0]
    for window in found[1:]:
        assert window["performance"] == expected["performance"]
        for name, values in expected["drift"]["features"].items():
            assert {key: window["drift"]["features"][name][key] for key in ("state", "missing", "effect")} == {
                key: values[key] for key in ("state", "missing", "effect")
            }


def test_names_that_differ_in_case_or_blanks_are_shown(run: Run, tmp_path: Path) -> None:
    rows = pd.DataFrame({"age": np.arange(900.0) % 50, "plan": ["a", "b", "c"] * 300, "score": np.arange(900) / 900})
    rows.to_parquet(tmp_path / "was.parquet")
    rows.rename(columns={"age": " age", "plan": "Plan"}).to_parquet(tmp_path / "now.parquet")
    options = ("--baseline", tmp_path / "was.parquet", "--task", "binary")
    result = run("evaluate", tmp_path / "now.parquet", *options)
    assert result.exit_code == 2
    assert "has none of the baseline's features age, plan; did you mean ' age', 'Plan'?" in result.stderr
    rows.rename(columns={"score": " Score"}).to_parquet(tmp_path / "now.parquet")
    result = run("evaluate", tmp_path / "now.parquet", *options)
    assert "no column 'score', which is the baseline's score" in result.stderr
    assert "did you mean ' Score'?" in result.stderr
    result = run("evaluate", tmp_path / "was.parquet", "--baseline", tmp_path / "now.parquet", "--task", "binary")
    assert "there is no score and no predicted class: only features are compared; did you mean ' Score'?" in (
        result.stderr
    )


@pytest.mark.parametrize("role", ["score", "actual", "time", "id", "feature", "option"])
def test_names_that_look_equal_are_written_in_ascii(run: Run, tmp_path: Path, role: str) -> None:
    """An accented letter is one character (NFC) in the baseline and two (NFD) in the new file."""
    one, two = "\u00e2ge", "a\u0302ge"
    random = np.random.default_rng(8)
    score = random.random(900)
    rows = pd.DataFrame({"x": np.arange(900) % 7, "feature": np.arange(900.0) % 50, "score": score, "option": 1})
    rows = rows.assign(actual=random.random(900) < score, id=np.arange(900), time="2026-01-01")
    for name, written in (("was", one), ("now", two)):
        rows.rename(columns={role: written}).to_csv(tmp_path / f"{name}.csv", index=False)
    options = () if role == "feature" else ("--slices" if role == "option" else f"--{role}", one)
    built = tmp_path / "m.baseline.json"
    made = run("baseline", "build", tmp_path / "was.csv", "-o", built, "--task", "binary", "--model", "m", *options)
    assert made.exit_code == 0, made.stderr
    baseline = ("--baseline", built)
    again = run("evaluate", tmp_path / "now.csv", *baseline, *(options if role == "option" else ()))
    assert f"did you mean {two!a}?" in again.stderr
    assert again.exit_code == (2 if role == "option" else 0)
    if role != "option":
        assert "names differ in their Unicode form (NFC, NFD)" in again.stderr


ROLES = ("actual", "score", "time", "id", "x")


def _dated(seed: int) -> pd.DataFrame:
    times = pd.date_range("2026-02-01", periods=N, freq="1h").strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = rows(seed, time=times, id=[f"p{index}" for index in range(N)])
    frame[["x", "score"]] = frame[["x", "score"]].round(6)  # pandas writes ten digits in JSON
    return frame.assign(actual=frame["actual"].astype(float))


@pytest.mark.parametrize(
    ("form", "name"),
    [
        pytest.param(form, name, marks=[] if form == "csv" or (form, name) == ("polars", "time") else pytest.mark.slow)
        for form in FORMATS
        for name in ROLES
    ],
)
def test_a_column_that_one_file_lacks_is_missing_in_its_rows(form: str, name: str, tmp_path: Path) -> None:
    was, now = _dated(1), _dated(2)
    parts = [now[:400], now[400:].drop(columns=name)]
    written = [FORMATS[form](part.reset_index(drop=True), tmp_path / str(index)) for index, part in enumerate(parts)]
    lacking = "current[1]" if form in ("pandas", "polars", "arrow") else str(written[1])
    columns: dict[str, Any] = {role: role for role in ROLES[:4]}
    report = driftline.evaluate(written, baseline=was, task="binary", **columns)
    assert f"{lacking}: no column {name}, which other files have; treated as missing there" in report.notes
    whole = driftline.evaluate(
        now.assign(**{name: now[name].where(now.index < 400)}), baseline=was, task="binary", **columns
    )
    assert report.to_dict()["windows"] == whole.to_dict()["windows"]
    assert report.to_dict()["windows"][0]["rows"] == (400 if name == "time" else N)


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_a_baseline_of_a_folder_has_the_outcomes_that_one_file_lacks(form: str, tmp_path: Path) -> None:
    was = _dated(1)
    folder = tmp_path / "was"
    folder.mkdir()
    FORMATS[form](was[:400], folder / "a")
    FORMATS[form](was[400:].drop(columns="actual").reset_index(drop=True), folder / "b")
    whole = was.assign(actual=was["actual"].where(was.index < 400))
    reports = [driftline.evaluate(_dated(2), baseline=old, task="binary", actual="actual") for old in (folder, whole)]
    assert reports[0].to_dict()["windows"] == reports[1].to_dict()["windows"]


def test_a_file_without_a_header_is_named(tmp_path: Path) -> None:
    now = _dated(2)
    now[:400].to_csv(tmp_path / "a.csv", index=False)
    now[400:].to_csv(tmp_path / "b.csv", index=False, header=False)
    with pytest.raises(ValueError, match=r"b\.csv: has columns .*, but none of x, score, actual, time"):
        driftline.evaluate(tmp_path, baseline=_dated(1), task="binary", actual="actual")


def test_an_unnamed_time_that_one_file_lacks_is_not_the_time() -> None:
    now = _dated(2).rename(columns={"time": "created"}).assign(created=pd.date_range("2026-02-01", periods=N, freq="h"))
    report = driftline.evaluate([now[:400], now[400:].drop(columns="created")], baseline=_dated(1)[["x"]])
    assert report.to_dict()["windows"][0]["rows"] == N


@pytest.mark.parametrize("option", ["category_features", "text_features"])
def test_codes_of_a_csv_that_are_named_as_categories_stay_texts(option: str, tmp_path: Path) -> None:
    """1.1 and 1.10 are two versions, as in Parquet."""
    rng = np.random.default_rng(1)
    was = pd.DataFrame({"ver": rng.choice(["1.1", "1.10", "1.2"], N), "x": rng.normal(size=N)})
    now = pd.DataFrame({"ver": rng.choice(["1.1", "1.2"], N), "x": rng.normal(size=N)})
    options: dict[str, Any] = {option: ["ver"]}
    windows = [
        driftline.evaluate(write(now, tmp_path / "now"), baseline=write(was, tmp_path / "was"), **options).to_dict()
        for write in (_csv, _parquet)
    ]
    assert windows[0]["windows"] == windows[1]["windows"]
    drift = windows[0]["windows"][0]["drift"]["features"]
    assert option == "text_features" or drift["ver"]["state"] == "drift"


@pytest.mark.parametrize(
    "values",
    [[0, 1, 2], [0.0, 1.0, None], [True, False, False], [0.5, 1.5, 1.5], ["1.1", "1.10", "2.0"], ["007", "7", "07"]],
)
@pytest.mark.parametrize("reference", [_csv, _parquet])
def test_categories_of_every_type_are_the_same_in_csv_and_parquet(
    values: list[Any], reference: Callable[[pd.DataFrame, Path], Path], tmp_path: Path
) -> None:
    frame = pd.DataFrame({"code": values * 200, "x": np.arange(N) % 7})
    baseline = reference(frame, tmp_path / "was")
    for write in (_csv, _parquet):
        report = driftline.evaluate(write(frame, tmp_path / "now"), baseline=baseline, category_features=["code"])
        drift = report.to_dict()["windows"][0]["drift"]["features"]["code"]
        assert (drift["state"], {method["value"] for method in drift["methods"].values()}) == ("ok", {0.0})
