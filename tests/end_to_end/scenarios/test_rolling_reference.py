"""Scenario 8: each day of a recommender beside its own last 30 days, features and scores, live and from a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.facts import lacking
from tests.support.sdk_fixtures import _inside as _inside

from .stage import Section, command, days, drifted, evaluated, live, same

START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS, ROWS, PAST, SINCE = 13, 130, 8, 12
"""People like other things than at the launch, all the time. After eight days there is past enough to compare with; on
the thirteenth a feed breaks, and what is shown is old."""


def impressions(rng: np.random.Generator, day: datetime, liked: float, hours: float) -> pd.DataFrame:
    affinity, age = rng.beta(liked, 3, ROWS), rng.exponential(hours, ROWS)
    return pd.DataFrame(
        {
            "time": pd.Timestamp(day) + pd.to_timedelta(np.sort(rng.integers(0, 86_400, ROWS)), unit="s"),
            "affinity": affinity,
            "age_hours": age,
            "slot": rng.choice(["top", "middle", "end"], ROWS),
            "score": 1 / (1 + np.exp(2 - 3 * affinity + age / 24)),
        }
    )


def test_a_day_is_compared_with_the_days_before_it_live_as_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, section = np.random.default_rng(8), Section(8)
    launch = [impressions(rng, day, 2.0, 12.0) for day in days(START - timedelta(days=180), 30)]
    pd.concat(launch).to_parquet("launch.parquet")
    build, evaluate = section.commands
    assert command(*build).exit_code == 0
    shown = [impressions(rng, day, 4.0, 24.0 if at >= SINCE else 12.0) for at, day in enumerate(days(START, DAYS))]
    pd.concat(shown).to_parquet("impressions.parquet")

    names: dict[str, Any] = {}
    with live(tmp_path, section.yaml[0], START) as stage:
        section.run(0, names)
        for at, row in enumerate(pd.concat(shown).to_dict("records")):
            stage.clock.set(row.pop("time").to_pydatetime())
            score = row.pop("score")
            assert names["chance_of_click"]({"impression": f"I-{at}", **row}) == pytest.approx(score, abs=1e-12)
        said = stage.windows("feed", [ROWS] * DAYS)

    told = evaluated(*evaluate)
    assert same(said, told) == []
    launched, stale = ["affinity", "score"], ["age_hours", "score"]
    assert drifted(told) == [launched] * PAST + [[]] * (SINCE - PAST) + [stale] * (DAYS - SINCE)
    compared = [one["baseline"]["compared"] for one in told]
    assert lacking(compared[PAST - 1], "30d", "24h", "910 rows", "7 of 30 days") == []
    assert all(lacking(one, "30d", "24h", f"{ROWS * at:,} rows") == [] for at, one in enumerate(compared[PAST:], PAST))
    assert {cause["since"] for cause in told[-1]["explanation"]["causes"]} == {"2026-09-13T00:00:00Z"}
    assert told[-1]["drift"]["incident"] == {}  # one window beside eight past days: a second one has to bear it out
    fixed = evaluated(*evaluate[: evaluate.index("--reference-last")])
    assert drifted(fixed)[PAST:SINCE] == [launched] * (SINCE - PAST)  # what the rolling reference has got used to
