"""`driftline skew`: planted differences between online and offline rows are found, and their reasons only if proven."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run

N = 2_000
STALE = "online is stale: it has the value of the row before of the same entity"


def _offline() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "order_id": [f"o{i}" for i in range(N)],
            "customer": rng.integers(0, 200, N),
            "at": pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(N), unit="min"),
            "amount": rng.lognormal(3, 1, N),
            "days": np.where(rng.random(N) < 0.1, np.nan, rng.integers(1, 90, N).astype(float)),
            "flag": rng.random(N) < 0.5,
            "plan": rng.choice(["basic", "plus", "pro"], N),
        }
    )


def _previous(rows: pd.DataFrame, name: str) -> pd.Series[Any]:
    return rows.groupby("customer")[name].shift(1).fillna(rows[name])


@pytest.fixture
def offline(tmp_path: Path) -> pd.DataFrame:
    rows = _offline()
    rows.to_parquet(tmp_path / "offline.parquet")
    return rows


def _skew(run: Run, tmp_path: Path, online: pd.DataFrame, *arguments: str) -> dict[str, Any]:
    online.sample(frac=1, random_state=1).to_parquet(tmp_path / "online.parquet")
    files = (tmp_path / "online.parquet", tmp_path / "offline.parquet")
    result = run("skew", *files, "--id", "order_id", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_equal_features_differ_nowhere_also_as_float32(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    online = offline.astype({"amount": np.float32, "days": np.float32, "flag": int})
    answer = _skew(run, tmp_path, online)
    assert (answer["rows"], answer["only_online"], answer["only_offline"]) == (N, 0, 0)
    assert set(answer["features"]) == {"customer", "amount", "days", "flag", "plan"}
    for feature in answer["features"].values():
        assert feature["differs"] == feature["missing_online"] == feature["missing_offline"] == 0
        assert feature["reason"] == ""


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        (lambda rows: rows["amount"] * 1_000, "online is offline multiplied by 1000"),
        (lambda rows: rows["amount"] + 273.15, "online is offline plus 273.15"),
        (lambda rows: rows["amount"].round(2), "online is rounded to 2 decimals"),
        (lambda rows: rows["amount"] * 0, "online has 0 instead"),
        (lambda rows: _previous(rows, "amount"), STALE),
        (lambda rows: rows["amount"] * np.random.default_rng(1).uniform(1, 2, N), ""),
        (lambda rows: rows["amount"].sample(frac=1, random_state=2).to_numpy(), ""),
    ],
)  # fmt: skip
def test_a_reason_is_named_if_it_is_proven(
    run: Run, tmp_path: Path, offline: pd.DataFrame, planted: Any, reason: str
) -> None:
    online = offline.assign(amount=planted)
    answer = _skew(run, tmp_path, online, "--entity", "customer", "--time", "at")
    first, *others = answer["features"]
    amount = answer["features"]["amount"]
    gap = (online["amount"] - offline["amount"]).to_numpy()
    differing = ~np.isclose(online["amount"], offline["amount"], rtol=1e-6, atol=1e-9)
    assert (first, amount["reason"]) == ("amount", reason)
    assert amount["differs"] == differing.mean()
    assert amount["mean_difference"] == pytest.approx(gap[differing].mean())
    assert amount["max_difference"] == np.abs(gap).max()
    assert all(answer["features"][name]["differs"] == 0 for name in others)


def test_a_stale_category_is_proven_too(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    online = offline.assign(plan=_previous(offline, "plan"))
    plan = _skew(run, tmp_path, online, "--entity", "customer", "--time", "at")["features"]["plan"]
    assert plan["differs"] == (online["plan"] != offline["plan"]).mean()
    assert plan["reason"].startswith("online is stale")
    assert _skew(run, tmp_path, online)["features"]["plan"]["reason"] == ""  # without an entity nothing proves it


def test_two_values_prove_no_factor(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    flag = _skew(run, tmp_path, offline.assign(flag=~offline["flag"]))["features"]["flag"]
    assert (flag["differs"], flag["reason"]) == (1.0, "")


def test_a_default_instead_of_missing_is_no_difference_of_values(
    run: Run, tmp_path: Path, offline: pd.DataFrame
) -> None:
    days = _skew(run, tmp_path, offline.assign(days=offline["days"].fillna(-1)))["features"]["days"]
    assert days["reason"] == "online has -1 where offline is missing"
    assert (days["differs"], days["missing_online"]) == (0, 0)
    assert days["missing_offline"] == offline["days"].isna().mean()


def test_numbers_on_one_side_and_texts_on_the_other(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    codes = _skew(run, tmp_path, offline.assign(plan=1.0))["features"]["plan"]
    assert (codes["differs"], codes["reason"]) == (1.0, "one side has numbers, the other has texts")


def test_ids_on_one_side_and_repeated_ids_are_counted(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    online = pd.concat([offline.iloc[10:], offline.iloc[10:12], offline.head(3).assign(order_id=["x", "y", "z"])])
    answer = _skew(run, tmp_path, online)
    assert (answer["rows"], answer["only_online"], answer["only_offline"], answer["repeated"]) == (N - 12, 3, 12, 4)


def test_a_csv_and_a_log_are_compared_with_parquet(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    offline.to_csv(tmp_path / "online.csv", index=False)
    offline.to_json(tmp_path / "online.jsonl", orient="records", lines=True, double_precision=15, date_format="iso")
    for name in ("online.csv", "online.jsonl"):
        result = run("skew", tmp_path / name, tmp_path / "offline.parquet", "--id", "order_id")
        assert result.stdout.startswith("0 of 5 features differ in 2,000 rows"), result.stdout


def test_several_files_and_a_database_are_a_side(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    offline.iloc[:1_000].to_parquet(tmp_path / "online-1.parquet")
    offline.iloc[1_000:].to_parquet(tmp_path / "online-2.parquet")
    with closing(sqlite3.connect(tmp_path / "log.db")) as database:
        offline.drop(columns="at").to_sql("features", database, index=False)
        database.commit()
    for online in (tmp_path / "online-*.parquet", f"sqlite:///{tmp_path}/log.db"):
        result = run("skew", online, tmp_path / "offline.parquet", "--id", "order_id")
        assert result.stdout.startswith("0 of 5 features differ in 2,000 rows"), result.stdout


def test_an_infinity_differs_and_has_no_gap(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    amount = offline["amount"].copy()
    amount[:100] = np.inf
    skew = _skew(run, tmp_path, offline.assign(amount=amount))["features"]["amount"]
    assert (skew["differs"], skew["max_difference"], skew["reason"]) == (0.05, None, "online has inf instead")


def test_fail_on_names_the_features_and_ends_with_3(run: Run, tmp_path: Path, offline: pd.DataFrame) -> None:
    offline.assign(amount=offline["amount"] + 1).to_parquet(tmp_path / "online.parquet")
    files = (tmp_path / "online.parquet", tmp_path / "offline.parquet", "--id", "order_id", "--fail-on")
    failed = run("skew", *files, "any feature.differs > 1 %")
    assert (failed.exit_code, "amount is 100 %" in failed.stderr) == (3, True)
    assert run("skew", *files, "features.days.differs > 0").exit_code == 0
    for condition, problem in (("amount > 1", "any feature.differs > 1 %"), ("features.amont.differs > 0", "amount")):
        wrong = run("skew", *files, condition)
        assert (wrong.exit_code, problem in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--id", "order"), "no column 'order' (--id); did you mean 'order_id'"),
        (("--id", "at"), "is also in"),
        (("--id", "order_id", "--features", "amont"), "no column 'amont' (--features)"),
        (("--id", "order_id", "--entity", "costumer"), "no column 'costumer' (--entity)"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, tmp_path: Path, offline: pd.DataFrame, arguments: tuple[str, ...], problem: str
) -> None:
    offline.assign(at=offline["at"] + pd.Timedelta(days=99)).to_parquet(tmp_path / "online.parquet")
    result = run("skew", tmp_path / "online.parquet", tmp_path / "offline.parquet", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr.splitlines()[-1]
