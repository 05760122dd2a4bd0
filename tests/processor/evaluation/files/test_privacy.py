"""Rules while building: what the file holds, and how rows are compared with it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from driftline import Baseline, Privacy
from driftline.baseline.baseline import protect_baseline
from driftline.baseline.sections.feature_marks import AppliedRules

from tests.support.churn_files import Run
from tests.support.facts import lacking

KEY = "a key of 16 bytes or more"
PRIVACY = Privacy(deny=("vip",), hash=("region",), round={"income": 5}, key=KEY)


def built(frame: pd.DataFrame, privacy: Privacy | None) -> Baseline:
    return Baseline.from_frame(
        frame, score="score", actual="actual", time="time", id="id", model="churn", task="binary", privacy=privacy
    )


def test_the_file_holds_what_the_rules_let_leave(reference: pd.DataFrame) -> None:
    baseline = built(reference, PRIVACY)
    assert list(baseline.bins.features) == ["age", "region", "income"]
    text = baseline.to_json()
    for told in ("north", "south", "vip"):
        assert told not in text
    assert baseline.extras.applied_rules == AppliedRules({"region": "hash", "income": "round"})
    assert baseline.extras.ranges is not None
    assert list(baseline.extras.ranges.by_feature) == ["age"]
    assert Baseline.from_json(text).digest == baseline.digest


def test_what_was_hashed_is_not_hashed_again_when_it_is_sent(reference: pd.DataFrame) -> None:
    baseline = built(reference, PRIVACY)
    assert protect_baseline(baseline, PRIVACY).to_json() == baseline.to_json()
    assert baseline.bins == protect_baseline(built(reference, None), PRIVACY).bins
    gone = protect_baseline(baseline, Privacy(deny=("region",)))
    assert list(gone.bins.features) == ["age", "income"]
    assert gone.extras.applied_rules == AppliedRules({"income": "round"})


def test_batches_are_protected_too(reference: pd.DataFrame) -> None:
    arguments = {"score": "score", "actual": "actual", "time": "time", "id": "id", "model": "churn", "task": "binary"}
    batches = Baseline.from_frame(lambda: [reference[:1_500], reference[1_500:]], privacy=PRIVACY, **arguments)  # type: ignore[arg-type]
    assert batches.bins == built(reference, PRIVACY).bins


@pytest.mark.slow
def test_rows_are_compared_as_the_rules_let_them_leave(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def states(name: str) -> dict[str, str]:
        result = run("evaluate", files / "week.parquet", "--baseline", files / name, "--json")
        assert result.exit_code == 0, result.stderr
        features = json.loads(result.stdout)["windows"][0]["drift"]["features"]
        return {feature: one["state"] for feature, one in features.items()}

    command = ("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary", "-o")
    assert run(*command, files / "plain.json").exit_code == 0
    monkeypatch.setenv("DRIFTLINE_PRIVACY_HASH", "region")
    monkeypatch.setenv("DRIFTLINE_PRIVACY_KEY", KEY)
    monkeypatch.setenv("DRIFTLINE_PRIVACY_DENY", "vip")
    assert run(*command, files / "ruled.json").exit_code == 0
    assert "north" not in (files / "ruled.json").read_text()
    plain = states("plain.json")
    assert plain == {"age": "inconclusive", "region": "drift", "vip": "ok", "income": "ok"}
    assert states("ruled.json") == {name: state for name, state in plain.items() if name != "vip"}
    monkeypatch.delenv("DRIFTLINE_PRIVACY_HASH")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "ruled.json", "--json")
    assert "region" not in json.loads(result.stdout)["windows"][0]["drift"]["features"]
    assert lacking(result.stderr, "region:", "DRIFTLINE_PRIVACY_HASH") == []
