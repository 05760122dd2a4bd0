"""Columns of documents in files: the same descriptors as in a service, and drift between two weeks of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline

from tests.support.churn_files import Run

WORDS = ("where", "is", "my", "parcel", "it", "was", "late", "again", "please", "help", "the", "box", "broke", "open")


def complaints(n: int, seed: int, *, later: bool) -> pd.DataFrame:
    """Rows of a model of complaints; later ones are shorter and of words nobody had seen."""
    random = np.random.default_rng(seed)
    words = (*WORDS, "refund", "chatbot") if later else WORDS
    weights = np.array([1.0] * len(WORDS) + [6.0] * (len(words) - len(WORDS)))
    lengths = random.integers(4, 9 if later else 20, n)
    chances = weights / weights.sum()
    texts = [" ".join(random.choice(words, size, p=chances)) + f" {i}" for i, size in enumerate(lengths)]
    return pd.DataFrame({"message": texts, "amount": random.normal(50, 5, n), "score": random.random(n)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, later in (("reference", False), ("same", False), ("later", True)):
        frame = complaints(2000, len(name), later=later)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def states(run: Run, *arguments: object) -> dict[str, str]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    features: dict[str, Any] = json.loads(result.stdout)["windows"][0]["drift"]["features"]
    return {name: feature["state"] for name, feature in features.items()}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_texts_drift_by_their_descriptors(run: Run, folder: Path, ending: str) -> None:
    built = run(
        "baseline", "build", folder / f"reference.{ending}", "--model", "m", "--task", "binary", "-o", folder / "b.json"
    )
    assert built.exit_code == 0, built.stderr
    assert built.stderr == (
        "driftline: message: read as text, and compared by length, words and script; "
        "if they are categories, use --text-features none\n"
    )
    assert states(run, folder / f"same.{ending}", "--baseline", folder / "b.json") == {
        "amount": "ok",
        "message.length": "ok",
        "message.words": "ok",
        "message.unknown": "ok",
        "message.script": "ok",
        "message.topic": "ok",
    }
    assert states(run, folder / f"later.{ending}", "--baseline", folder / "b.json") == {
        "amount": "ok",
        "message.length": "drift",
        "message.words": "drift",
        "message.unknown": "drift",
        "message.script": "ok",
        "message.topic": "drift",
    }


@pytest.mark.slow
def test_the_baseline_of_a_file_is_that_of_its_frame(run: Run, folder: Path) -> None:
    run(
        "baseline", "build", folder / "reference.parquet", "--model", "m", "--task", "binary", "-o", folder / "b.json",
        "--text-features", "message",
    )  # fmt: skip
    frame = pd.read_parquet(folder / "reference.parquet")
    assert (
        Baseline.load(folder / "b.json").to_json()
        == Baseline.from_frame(frame, score="score", model="m", task="binary").to_json()
    )


@pytest.mark.slow
def test_rows_of_descriptors_compare_with_a_baseline_of_texts(run: Run, folder: Path) -> None:
    baseline = Baseline.from_frame(
        pd.read_parquet(folder / "reference.parquet"), score="score", model="m", task="binary"
    )
    baseline.save(folder / "b.json")
    texts = pd.read_parquet(folder / "later.parquet")
    rows = pd.DataFrame({"message.length": texts["message"].str.len(), "amount": texts["amount"], "score": 0.5})
    rows.to_csv(folder / "rows.csv", index=False)
    of_texts = states(run, folder / "later.parquet", "--baseline", folder / "b.json", "--features", "message")
    of_rows = states(run, folder / "rows.csv", "--baseline", folder / "b.json")
    assert of_rows["message.length"] == of_texts["message.length"] == "drift"
    assert list(of_texts) == [f"message.{one}" for one in ("length", "words", "unknown", "script", "topic")]


def test_none_is_a_category_as_before(run: Run, folder: Path) -> None:
    options = ("--text-features", "none", "--features", "message")
    found = states(run, folder / "same.csv", "--baseline", folder / "reference.csv", *options)
    assert list(found) == ["message"]


@pytest.mark.slow
def test_what_makes_no_sense_is_named(run: Run, folder: Path) -> None:
    missing = run(
        "baseline", "build", folder / "reference.csv", "--model", "m", "--task", "binary", "-o", folder / "b.json",
        "--text-features", "mesage",
    )  # fmt: skip
    assert missing.exit_code == 2
    assert "no column 'mesage' (--text-features)" in missing.stderr
    run("baseline", "build", folder / "reference.csv", "--model", "m", "--task", "binary", "-o", folder / "b.json")
    twice = run("evaluate", folder / "same.csv", "--baseline", folder / "b.json", "--text-features", "message")
    assert twice.exit_code == 2
    assert "already defines which features are text; remove the option" in twice.stderr
