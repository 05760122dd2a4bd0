"""The demo end to end, with real processes over loopback, against the oracle that knows nothing of Driftline.

With a third of the flights, a day of them in a request: each month has enough to be judged by. ``make interop`` replays
all of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from driftline_processor.demo import data, runner
from driftline_processor.demo.runner import Finding, play
from rich.console import Console

from .oracle import CATEGORICAL, NUMERIC, Truth, truth

EVERY, BATCH_HOURS = 15, 24
MIN_EFFECT = 0.04
BIN = 0.011
"""A quantile bin holds a hundredth of the baseline: KS from bins is at most that (and rounding) below the exact one."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Finding, str]]:
    screen = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "EVERY", EVERY)
        patch.setattr(runner, "BATCH_HOURS", BATCH_HOURS)
        with play(tmp_path_factory.mktemp("demo"), Console(file=screen, width=160)) as finding:
            yield finding, screen.getvalue()


@pytest.fixture(scope="module")
def expected() -> dict[str, Truth]:
    return truth(EVERY)


@pytest.fixture(scope="module")
def months(played: tuple[Finding, str]) -> dict[str, dict[str, Any]]:
    finding, _ = played
    return {(pd.Timestamp(w["start"]) + pd.Timedelta(days=1)).month_name(): w for w in finding.months["windows"]}


def test_every_month_has_all_its_rows_and_outcomes(months: dict[str, Any], expected: dict[str, Truth]) -> None:
    assert {name: w["rows"] for name, w in months.items()} == {name: t.rows for name, t in expected.items()}
    assert sum(t.rows for t in expected.values()) == 18_989
    for name, true in expected.items():
        assert months[name]["outcomes"]["coverage"] == pytest.approx(true.coverage, abs=1e-12)


def test_realized_performance_is_what_scikit_learn_says(months: dict[str, Any], expected: dict[str, Truth]) -> None:
    for name, true in expected.items():
        realized = months[name]["performance"]["realized"]
        for metric, value in (
            ("log_loss", true.log_loss),
            ("brier", true.brier),
            ("accuracy", true.accuracy),
            ("mean_score", true.mean_score),
            ("actual_rate", true.actual_rate),
            ("log_loss_constant", true.constant),
        ):
            assert realized[metric]["value"] == pytest.approx(value, abs=1e-9), (name, metric)
        assert realized["roc_auc"]["value"] == pytest.approx(true.auc, abs=1e-3)


def test_estimates_are_isotonic_expectations_and_the_page_says_that_they_failed(
    months: dict[str, Any], expected: dict[str, Truth]
) -> None:
    for name, true in expected.items():
        estimated = months[name]["performance"]["estimated"]["accuracy"]
        assert estimated["value"] == pytest.approx(true.estimated, abs=2e-3), name
        assert estimated["rows"] == true.rows
    july = months["July"]["performance"]
    assert july["estimated"]["accuracy"]["value"] == pytest.approx(0.868, abs=2e-3)
    assert july["realized"]["accuracy"]["value"] < 0.7
    states = {name: w["performance"]["estimated"]["accuracy"]["record"]["state"] for name, w in months.items()}
    assert states["March"] == "unknown"
    assert {states[name] for name in ("July", "August", "December")} == {"failed"}


def test_drift_is_what_scipy_says(months: dict[str, Any], expected: dict[str, Truth]) -> None:
    for name, true in expected.items():
        features = months[name]["drift"]["features"]
        assert set(features) == {*NUMERIC, *CATEGORICAL}
        for feature, exact in true.ks.items():
            value = features[feature]["methods"]["ks"]["value"]
            assert exact - BIN <= value <= exact + 1e-9, (name, feature)
            clear = true.adjusted[feature] <= 1e-4 and exact > MIN_EFFECT + 2 * BIN
            quiet = true.adjusted[feature] > 0.05 or exact < MIN_EFFECT - 1e-3
            if clear or quiet:
                assert features[feature]["state"] == ("drift" if clear else "ok"), (name, feature)


def in_words(verdict: dict[str, Any]) -> str:
    """Return headline, cause and action of a verdict, as the demo quotes it."""
    return " ".join(filter(None, (f"{verdict['headline']}.", verdict["cause"], verdict["action"])))


def test_the_demo_quotes_the_verdicts_of_the_processor(
    played: tuple[Finding, str], months: dict[str, Any], expected: dict[str, Truth]
) -> None:
    finding, screen = played
    told = re.sub(r"\s+", " ", screen)
    verdict = finding.months["verdict"]
    assert finding.sentences[0] == in_words(verdict)
    assert all(sentence in told for sentence in finding.sentences)
    july, true = months["July"]["verdict"], expected["July"]
    assert july["state"] == "degraded"
    assert re.findall(r"\d+ to \d+ July 2013|\d+ %", july["sentence"])[:3] == [
        *("1 to 31 July 2013", f"{100 * true.mean_score:.2g} %", f"{100 * true.actual_rate:.2g} %")
    ]
    assert any(sentence.endswith(f" {in_words(july)}") for sentence in finding.sentences)
    assert (july["advice"], "1 July 2013" in july["action"]) == ("retrain_with_range", True)
    assert months["April"]["verdict"]["state"] == "at_risk"
    assert months["September"]["verdict"]["state"] in ("healthy", "at_risk")
    assert "with temp and dewp set to their training means" in told
