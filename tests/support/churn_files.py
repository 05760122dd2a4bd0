"""Two files of a churn model: reference rows, and a later week in which regions changed and incomes went missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline_processor.cli.commands import app
from typer.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `driftline` with these arguments."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def churn(n: int, seed: int, later: bool) -> pd.DataFrame:
    """Rows as a service would have logged them; ``id`` is a whole number."""
    random = np.random.default_rng(seed)
    age = np.round(random.normal(51 if later else 45, 12, n))
    region = random.choice(["north", "south", "east"], n, p=[0.2, 0.3, 0.5] if later else [0.5, 0.3, 0.2])
    income = random.normal(50, 10, n)
    income[random.random(n) < (0.15 if later else 0.03)] = np.nan
    score = 1 / (1 + np.exp(-(0.05 * (age - 45) + random.normal(0, 0.5, n))))
    start = pd.Timestamp("2026-02-02" if later else "2026-01-05", tz="UTC")
    return pd.DataFrame(
        {
            "id": np.arange(n) + seed * 1_000_000,
            "time": start + pd.to_timedelta(np.sort(random.integers(0, 7 * 86_400, n)), unit="s"),
            "score": score,
            "actual": (random.random(n) < score).astype(np.int64),
            "age": age,
            "region": region,
            "vip": random.random(n) < 0.1,
            "income": income,
        }
    )


@pytest.fixture(scope="session")
def reference() -> pd.DataFrame:
    """Return four thousand rows of the reference."""
    return churn(4_000, 1, later=False)


@pytest.fixture(scope="session")
def week() -> pd.DataFrame:
    """Return three thousand rows of a later week."""
    return churn(3_000, 2, later=True)


@pytest.fixture
def files(tmp_path: Path, reference: pd.DataFrame, week: pd.DataFrame) -> Path:
    """Return a folder of a test's own, see :func:`write_files`."""
    return write_files(tmp_path, reference, week)


def write_files(folder: Path, reference: pd.DataFrame, week: pd.DataFrame) -> Path:
    """Write reference.parquet, week.parquet (no actual) and outcomes.csv (of the first 2,400 rows)."""
    reference.to_parquet(folder / "reference.parquet")
    week.drop(columns="actual").to_parquet(folder / "week.parquet")
    week[["id", "actual"]].head(2_400).to_csv(folder / "outcomes.csv", index=False)
    return folder
