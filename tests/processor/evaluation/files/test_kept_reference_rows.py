"""Rows kept beside a baseline: only when asked for, few, and as the rules let them leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline import Baseline
from driftline_processor.evaluation.files.baseline import MOST_ROWS, kept_rows_path, load_rows

from tests.support.churn_files import Run
from tests.support.facts import lacking

OPTIONS = ("--model", "churn", "--task", "binary")


def test_nothing_is_kept_unless_asked_for(run: Run, files: Path) -> None:
    assert run("baseline", "build", files / "reference.parquet", *OPTIONS, "-o", files / "b.json").exit_code == 0
    assert not kept_rows_path(files / "b.json").exists()


def test_kept_rows_are_those_of_the_reference(run: Run, files: Path, reference: pd.DataFrame) -> None:
    result = run("baseline", "build", files / "reference.parquet", *OPTIONS, "--keep-rows", "-o", files / "b.json")
    path = kept_rows_path(files / "b.json")
    assert lacking(result.stderr, f"{path}:", "4,000 rows") == []
    table, actual = load_rows(path, Baseline.load(files / "b.json"))
    assert actual is not None
    np.testing.assert_array_equal(table.features["age"].numbers, reference["age"])
    np.testing.assert_array_equal(table.features["income"].numbers, reference["income"])
    np.testing.assert_array_equal(actual.numbers, reference["actual"])
    np.testing.assert_array_equal(table.scores[:, 0], reference["score"])  # type: ignore[index]
    np.testing.assert_array_equal(table.time, reference["time"].astype("int64") * (10**9 // _per_second(reference)))
    region = table.features["region"]
    assert region.codes is not None
    assert [region.categories[code] for code in region.codes[:50].tolist()] == reference["region"][:50].tolist()


def _per_second(frame: pd.DataFrame) -> int:
    return {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[frame["time"].dt.unit]


def test_they_are_few_and_hold_no_id_no_document_and_nothing_rare(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 12_000
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "id": [f"secret-id-{at}" for at in range(n)],
            "user": [f"secret-user-{at}" for at in range(n)],
            "note": [f"the parcel of secret customer {at} came late again" for at in range(n)],
            "city": np.where(np.arange(n) < 5, "secret village", rng.choice(["Aarau", "Basel"], n)),
            "name": rng.choice(["secret anna", "secret bert"], n),
            "ssn": rng.choice(["secret 1", "secret 2"], n),
            "score": rng.random(n),
        }
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_DENY", "ssn")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_HASH", "name")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", "a key of 16 bytes or more")
    result = run("baseline", "build", tmp_path / "rows.parquet", *OPTIONS, "--keep-rows", "-o", tmp_path / "b.json")
    assert result.exit_code == 0, result.stderr
    baseline = Baseline.load(tmp_path / "b.json")
    table, actual = load_rows(kept_rows_path(tmp_path / "b.json"), baseline)
    assert (len(table), actual) == (MOST_ROWS, None)
    assert {"city", "name", "note.length"} <= set(table.features) <= {*baseline.bins.features}
    assert "user" not in table.features
    assert set(table.features["city"].categories) == {"Aarau", "Basel", "other"}
    whole = pd.read_parquet(kept_rows_path(tmp_path / "b.json"))
    assert not any("secret" in str(value) for name in whole for value in whole[name].unique())
