"""A reference season by season: counted right, the same however it is read, and back from its JSON."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.privacy.policy import Privacy
from driftline.tables.timestamps import DAY, HOUR, Kind, Seasonality

from tests.support.unwrap import unwrap

START = 1_767_225_600 * 10**9  # Thursday, 2026-01-01


def frame(days: int = 21, rows_an_hour: int = 4, seed: int = 3) -> dict[str, Any]:
    """Noons are high, nights low, Sundays lower; a label that prefers the morning."""
    rng = np.random.default_rng(seed)
    hour = np.repeat(np.arange(days * 24), rows_an_hour)
    sunday = (hour // 24 + 3) % 7 == 6
    level = 2 * np.cos(2 * np.pi * (hour % 24 - 12) / 24) - sunday
    early = rng.random(len(hour)) < np.where(hour % 24 < 12, 0.8, 0.2)
    return {
        "x": level + rng.normal(size=len(hour)),
        "part": np.where(early, "early", "late"),
        "p": rng.random(len(hour)),
        "time": START + hour * HOUR + rng.integers(0, HOUR, len(hour)),
    }


def built(kind: Kind = "hour", timezone: str = "UTC", **options: Any) -> Baseline:
    return Baseline.from_frame(
        frame(), score="p", time="time", model="m", task="regression", seasonality=kind, timezone=timezone, **options
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize("kind", ["hour", "weekday", "hour_of_week"])
def test_a_season_is_that_of_the_clock_on_the_wall(kind: Kind, zone: str) -> None:
    times = np.arange(START, START + 400 * DAY, 7 * HOUR + 11 * 60 * 10**9)
    clocks = [datetime.fromtimestamp(time // 10**9, ZoneInfo(zone)) for time in times.tolist()]
    of = {
        "hour": lambda c: c.hour,
        "weekday": lambda c: c.weekday(),
        "hour_of_week": lambda c: c.weekday() * 24 + c.hour,
    }
    assert Seasonality(kind, zone).of(times).tolist() == [of[kind](clock) for clock in clocks]


def test_neighbours_are_as_many_before_as_after_and_none_twice() -> None:
    assert Seasonality("weekday").around(0, 1) == [6, 0, 1]
    assert sorted(Seasonality("weekday").around(3, 5)) == list(range(7))


def test_the_seasons_add_up_to_the_whole() -> None:
    baseline = built("hour_of_week")
    seasons = unwrap(baseline.extras.seasons)
    assert seasons.rows[:, 0].sum() == baseline.pane.rows
    for name in ("feature:x", "feature:part", "score", "pca", "pairs"):
        assert np.allclose(seasons.by_part[name].sum(axis=0), baseline.pane.parts[name], rtol=1e-12), name


def test_blocks_are_what_is_left_when_the_seasons_are_taken_out() -> None:
    baseline = built("weekday")
    seasons, blocks = baseline.extras.seasons, baseline.extras.blocks
    assert seasons is not None
    assert blocks is not None
    assert blocks.length == seasons.length == DAY

    def apart(counts: np.typing.NDArray[np.float64]) -> float:
        share = counts / counts.sum(axis=1, keepdims=True)
        return float(np.square(share - share.mean(axis=0)).sum(axis=1).mean())

    left = apart(seasons.blocks["feature:x"].counts)
    assert left < 0.7 * apart(blocks.by_part["feature:x"].counts)  # Sundays are no news
    assert left == pytest.approx(9 / 10 / 96, rel=0.35)  # what 96 independent rows in ten cells make


def test_a_baseline_keeps_its_seasons_over_json() -> None:
    baseline = built("hour", "Europe/Paris")
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()
    assert unwrap(again.extras.seasons).seasonality == Seasonality("hour", "Europe/Paris")


def test_a_baseline_without_seasonality_is_as_it_was() -> None:
    assert built("hour").extras.seasons is not None
    plain = Baseline.from_frame(frame(), score="p", time="time", model="m", task="regression", seasonality="none")
    assert plain.extras.seasons is None
    assert "seasons" not in json.loads(plain.to_json())["extras"]


def test_batches_give_the_seasons_of_the_whole() -> None:
    whole = frame()
    parts = [{name: values[at::3] for name, values in whole.items()} for at in range(3)]
    said = {"score": "p", "time": "time", "model": "m", "task": "regression", "seasonality": "hour"}
    together = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    assert Baseline.from_frame(lambda: parts, **said).to_json() == Baseline.from_frame(together, **said).to_json()  # type: ignore[arg-type]


def test_what_is_denied_is_in_no_season() -> None:
    seasons = unwrap(built(privacy=Privacy(deny=("x",))).extras.seasons)
    assert set(seasons.by_part) == {"feature:part", "score"} == set(seasons.blocks)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda s: s["seasonality"].update(kind="month"), ".seasonality.kind: "),
        (lambda s: s["seasonality"].update(timezone="Mars/Olympus"), ": timezone"),
        (lambda s: s.pop("rows"), ".rows: is missing"),
        (lambda s: s["rows"].pop(), ": rows"),
        (lambda s: s["by_part"].update({"feature:y": [[1]] * 24}), ": 'feature:y'"),
        (lambda s: s["by_part"]["feature:x"]["steps"].append(10**6), ".by_part.feature:x: has "),
        (lambda s: s["blocks"]["feature:part"].pop("first"), ": the blocks of 'feature:part'"),
        (lambda s: s["blocks"]["feature:x"]["counts"].pop(), ": the blocks of 'feature:x'"),
        (lambda s: s.update(starts=[2, 1]), ": starts"),
    ],
)
def test_damaged_seasons_are_named(change: Any, place: str) -> None:
    root = json.loads(built().to_json())
    change(root["extras"]["seasons"])
    with pytest.raises(ValueError, match=re.escape(f"extras.seasons{place}")):
        Baseline.from_json(json.dumps(root))


def test_seasons_need_times_and_a_zone_that_there_is() -> None:
    with pytest.raises(ValueError, match=r"seasonality='hour'.*time="):
        Baseline.from_frame(frame(), score="p", model="m", task="regression", seasonality="hour")
    with pytest.raises(ValueError, match=r"timezone='Mars'.*IANA.*'Europe/Paris'"):
        built(timezone="Mars")
    with pytest.raises(ValueError, match=r"'month'.*hour, weekday, hour_of_week"):
        built("month")  # type: ignore[arg-type]


def test_a_number_costs_kilobytes() -> None:
    many = frame(days=28, rows_an_hour=40)
    columns = {"x": many["x"], "time": many["time"], "p": np.zeros(len(many["x"]))}

    def size(kind: Kind | Literal["none"]) -> int:
        found = Baseline.from_frame(
            columns, score="p", time="time", model="m", task="regression", seasonality=kind, features=["x"]
        )
        return len(found.to_json())

    plain = size("none")
    kinds: tuple[Kind, ...] = ("hour", "weekday", "hour_of_week")
    assert [round((size(kind) - plain) / 1_000) for kind in kinds] == [15, 10, 47]
