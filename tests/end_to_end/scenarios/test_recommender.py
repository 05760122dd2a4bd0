"""Scenario 2: stored reference data, a comparison every night, and the same numbers from the service itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.sdk_fixtures import _inside as _inside

from .stage import Section, command, days, drifted, evaluated, live, same

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, ROWS, SINCE = 7, 250, 5
"""From the sixth day on viewers want more drama."""


def viewers(rng: np.random.Generator, day: datetime, rows: int, shifted: bool = False) -> pd.DataFrame:
    seconds = np.sort(rng.uniform(0, 86_400, rows))
    drama = rng.beta(6 if shifted else 2, 2, rows)
    return pd.DataFrame(
        {
            "time": pd.Timestamp(day) + pd.to_timedelta(np.round(seconds), unit="s"),
            "age": np.round(rng.normal(41, 13, rows)),
            "minutes": rng.lognormal(4, 0.6, rows),
            "drama": drama,
            "genre": rng.choice(
                ["drama", "crime", "comedy", "docu"], rows, p=[0.55, 0.2, 0.15, 0.1] if shifted else None
            ),
            "score": np.maximum(np.maximum(drama, 1 - drama), 0.5),
        }
    )


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Section:
    """The page's section, in a folder with the reference and a file for every day."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    month = [viewers(rng, day, 160) for day in days(START - timedelta(days=30), 30)]
    pd.concat(month).to_parquet("reference.parquet")
    Path("days").mkdir()
    for at, day in enumerate(days(START, DAYS)):
        viewers(rng, day, ROWS, at >= SINCE).to_parquet(f"days/{day:%Y-%m-%d}.parquet")
    section = Section(2)
    assert command(*section.commands[0]).exit_code == 0
    return section


def files() -> list[str]:
    return sorted(str(path) for path in Path("days").glob("*.parquet"))


def test_the_nightly_comparison_ends_with_3_on_the_nights_after_the_shift(section: Section) -> None:
    codes = []
    for file in files():
        Path(file).rename("yesterday.parquet")
        codes.append(command(*section.commands[1]).exit_code)
    assert codes == [0] * SINCE + [3] * (DAYS - SINCE)


def test_the_service_says_what_the_files_say(section: Section, tmp_path: Path) -> None:
    names: dict[str, Any] = section.run(0, {})
    with live(tmp_path, section.yaml[0], START) as stage:
        for file in files():
            for viewer in pd.read_parquet(file).to_dict("records"):
                stage.clock.set(viewer.pop("time").to_pydatetime())
                score = viewer.pop("score")
                assert names["recommend"](viewer)[0][1] == score
        said = stage.windows("films", [ROWS] * DAYS)

    _, _, listed = section.commands
    assert listed[1] == "days/*.parquet"  # which a shell makes these files of
    told = evaluated(listed[0], *files(), *listed[2:])
    assert same(said, told) == []
    assert drifted(told) == [[]] * SINCE + [["drama", "genre", "score"]] * (DAYS - SINCE)
    assert {cause["since"] for cause in told[-1]["explanation"]["causes"]} == {"2026-03-07T00:00:00Z"}
    assert [one["drift"]["fraction"] for one in told] == [0.0] * SINCE + [0.5] * (DAYS - SINCE)
    assert [one["drift"]["incident"] != {} for one in told] == [False] * SINCE + [True] * (DAYS - SINCE)
    for file, window in zip(
        files(), told, strict=True
    ):  # a night's file by itself: the same drift, and nothing of before
        (alone,) = evaluated("evaluate", file, *listed[2:])
        assert same(alone["drift"]["features"], window["drift"]["features"]) == []
