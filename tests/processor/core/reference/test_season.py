"""The reference with a window's own mix of seasons: what counts how much, and what is left of blocks of time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.seasons import Seasons
from driftline.panes.pane import Pane
from driftline.tables.timestamps import HOUR, Kind, Seasonality, UnknownSeasonality
from driftline_processor.core import facts
from driftline_processor.core.drift.reference import references
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.fact import Fact
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART, cycles, same_seasons, season_mix, seasonal_reference

from tests.support.unwrap import unwrap

START = 1_767_225_600 * 10**9


def built(days: int = 14, each: int = 10, kind: Kind = "hour", features: int = 2, seed: int = 5) -> Baseline:
    rng = np.random.default_rng(seed)
    hour = np.repeat(np.arange(days * 24), each)
    level = 3 * np.cos(2 * np.pi * (hour % 24 - 12) / 24)
    frame = {f"x{at}": level + rng.normal(size=len(hour)) for at in range(features)}
    return Baseline.from_frame(
        frame | {"p": level, "time": START + hour * HOUR},
        score="p", time="time", model="m", task="regression", seasonality=kind,
    )  # fmt: skip


def mixed(seasons: int, **share: float) -> Pane:
    mix = np.zeros(seasons)
    for name, weight in share.items():
        mix[int(name[1:])] = weight
    return Pane({PART: mix})


def test_a_window_of_one_hour_is_compared_with_that_hour() -> None:
    baseline = built()
    noon = seasonal_reference(baseline, "hour", mixed(24, h12=500.0))
    seasons = unwrap(baseline.extras.seasons)
    assert noon.notes == (facts.SameSeason(season="hour", thin=0, repeats=None),)
    assert noon.baseline.pane.parts["rows"].tolist() == [140.0, 140.0, 140.0]
    assert np.allclose(noon.baseline.pane.parts["feature:x0"], seasons.by_part["feature:x0"][12])
    assert noon.baseline.fold == baseline.fold


def test_rows_are_worth_as_many_as_would_tell_the_mix_as_well() -> None:
    rows = np.zeros((24, 3))
    rows[:] = 1_000.0
    seasons = Seasons(Seasonality("hour"), rows, {})
    mix = np.zeros(24)
    mix[[3, 4]] = 1.0, 3.0
    found = unwrap(season_mix(seasons, mix))
    assert found.part[[3, 4]].tolist() == [0.25, 0.75]
    assert found.rows == pytest.approx(1 / (0.25**2 / 1_000 + 0.75**2 / 1_000))
    usual = unwrap(season_mix(seasons, np.ones(24)))
    assert usual.rows == pytest.approx(24_000)


def test_a_thin_season_counts_together_with_its_neighbours_and_that_is_said() -> None:
    baseline = built(days=14, each=3)  # 42 rows an hour
    noon = seasonal_reference(baseline, "hour", mixed(24, h12=50.0))
    assert noon.baseline.pane.rows == 126
    assert noon.notes == (facts.SameSeason(season="hour", thin=1, repeats=None),)


def test_blocks_are_laid_over_the_cells_of_the_derived_reference() -> None:
    baseline = built()
    noon = seasonal_reference(baseline, "hour", mixed(24, h12=500.0)).baseline
    own = next(one for one in references(noon) if one.name == "x0")
    blocks = unwrap(noon.extras.blocks)
    counts = blocks.by_part["feature:x0"].counts
    assert counts.sum(axis=1) == pytest.approx(np.full(14, 240.0), rel=1e-3)
    shares = counts.sum(axis=0) / counts.sum()
    first = blocks.by_part["feature:x0"].first
    cells = np.add.reduceat(noon.pane.parts["feature:x0"][: len(own.bins.edges) + 1], first)  # type: ignore[union-attr]
    assert shares == pytest.approx(cells / cells.sum(), abs=0.02)


def test_what_is_known_of_less_than_two_cycles_is_compared_as_a_whole() -> None:
    week = built(days=7, kind="weekday")
    assert cycles(week) == pytest.approx(1 + 23 / 168)  # the last row is at the beginning of its hour
    same = seasonal_reference(week, "weekday", mixed(7, d2=100.0))
    assert same.baseline is week
    assert same.notes == (facts.SeasonsSeenOnce(season="weekday"),)
    unknown = seasonal_reference(built(), "weekday", mixed(7, d2=1.0))
    assert unknown.notes == (facts.SeasonsUnknown(season="weekday"),)


def test_features_together_are_those_of_the_season() -> None:
    baseline = built(days=14, each=40)
    assert baseline.bins.space is not None
    noon = seasonal_reference(baseline, "hour", mixed(24, h12=500.0)).baseline
    pairs = noon.pane.parts["pairs"]
    assert pairs[0] == pairs[1] == pytest.approx(560)
    many = replace(baseline.extras.seasons, by_part={})  # type: ignore[type-var]
    without = replace(baseline, extras=replace(baseline.extras, seasons=many))
    assert "pairs" not in seasonal_reference(without, "hour", mixed(24, h12=500.0)).baseline.pane.parts


def test_the_answer_is_the_same_for_hours_that_were_asked_for_before() -> None:
    baseline = built()
    noon = mixed(24, h12=500.0)
    assert (
        seasonal_reference(baseline, "hour", noon).baseline
        is seasonal_reference(baseline, "hour", mixed(24, h12=20.0)).baseline
    )
    assert seasonal_reference(baseline, "hour", Pane()).baseline is baseline


def test_noon_at_noon_is_no_news_and_noon_at_midnight_is() -> None:
    baseline = built()
    rng = np.random.default_rng(9)
    values = 3 + rng.normal(size=200)
    counts = np.bincount(np.searchsorted(baseline.bins.features["x0"].edges, values, side="right"), minlength=0)  # type: ignore[union-attr]
    for season, state in (("h12", "ok"), ("h0", "drift")):
        pane = mixed(24, **{season: 200.0})
        size = baseline.bins.features["x0"].size
        pane.parts["feature:x0"] = np.pad(counts, (0, size + 2 - len(counts))).astype(np.float64)
        found = drift(pane, seasonal_reference(baseline, "hour", pane).baseline, span=HOUR)
        assert found.features["x0"].state == state


def found(days: int, daily: float = 2.0, weekend: float = 0.0, timed: bool = True) -> Baseline:
    rng = np.random.default_rng(8)
    hour = np.repeat(np.arange(days * 24), 20)
    level = daily * np.cos(2 * np.pi * (hour % 24) / 24) + weekend * (hour // 24 % 7 >= 5)
    frame: dict[str, Any] = {"x": level + rng.normal(size=len(hour)), "p": rng.normal(size=len(hour))}
    frame |= {"time": START + hour * HOUR} if timed else {}
    named = {"time": "time"} if timed else {}
    return Baseline.from_frame(frame, score="p", model="m", task="regression", **named)  # type: ignore[arg-type]


def compared(baseline: Baseline, length: int, seasons: int = 24) -> tuple[Fact, ...]:
    pane = Pane({PART: np.eye(seasons)[12] * 100.0})
    reference = same_seasons(Reference(baseline), UnknownSeasonality(), pane, length)
    assert reference.seasonal == (reference.baseline is not baseline)
    return reference.notes


def test_an_hour_is_compared_with_the_hours_that_repeat_and_a_day_is_not() -> None:
    baseline = found(14)
    assert compared(baseline, HOUR) == (facts.SameSeason(season="hour", thin=0, repeats="hour"),)
    assert compared(baseline, 24 * HOUR) == ()


def test_a_day_is_compared_with_its_weekdays_and_a_week_is_not() -> None:
    baseline = found(28, weekend=2.0)
    for length, season in ((HOUR, "hour_of_week"), (24 * HOUR, "weekday")):
        same = facts.SameSeason(season=season, thin=0, repeats="hour_of_week")
        assert compared(baseline, length, 168) == (same,)
    assert compared(baseline, 7 * 24 * HOUR, 168) == ()


def test_a_day_whose_rows_came_at_other_hours_counts_by_its_weekday_alone() -> None:
    baseline = found(28, weekend=2.0)
    derived = same_seasons(Reference(baseline), UnknownSeasonality(), Pane({PART: np.eye(168)[12]}), 24 * HOUR)
    seasons = unwrap(baseline.extras.seasons)
    whole = seasons.by_part["feature:x"][:24].sum(axis=0)  # START is a Thursday, and season 12 a Monday's noon
    assert derived.baseline.pane.parts["feature:x"] / derived.baseline.pane.rows == pytest.approx(whole / whole.sum())


def test_a_reference_says_what_it_cannot_tell() -> None:
    assert compared(found(1), HOUR) == (facts.RepeatsUnknown(season="hour", least=2),)
    assert compared(found(7, daily=0), 24 * HOUR) == (facts.RepeatsUnknown(season="weekday", least=4),)
    assert compared(found(7, timed=False), HOUR) == (facts.RepeatsUnknown(season=None, least=0),)
    assert compared(found(28, daily=0), HOUR) == ()


def test_what_does_not_repeat_keeps_all_of_its_rows() -> None:
    baseline = found(14)
    noon = same_seasons(Reference(baseline), UnknownSeasonality(), Pane({PART: np.eye(24)[12]}), HOUR).baseline
    assert noon.pane.parts["score"].sum() == baseline.pane.rows
    assert noon.pane.parts["feature:x"].sum() == pytest.approx(baseline.pane.rows / 24)
    assert unwrap(noon.extras.blocks).by_part.keys() == {"feature:x", "score"}


def test_hours_that_differ_beyond_their_season_are_in_the_short_stretches() -> None:
    rng = np.random.default_rng(3)
    hour = np.repeat(np.arange(20 * 24), 40)
    own = rng.normal(size=20 * 24)[hour] * 0.5
    frame = {"x": 2 * np.cos(2 * np.pi * (hour % 24) / 24) + own + rng.normal(size=len(hour)), "p": own}
    known = {"score": "p", "time": "time", "model": "m", "task": "regression"}
    baseline = Baseline.from_frame(frame | {"time": START + hour * HOUR}, **known)  # type: ignore[arg-type]
    noon = same_seasons(Reference(baseline), UnknownSeasonality(), Pane({PART: np.eye(24)[12]}), HOUR).baseline
    blocks = unwrap(noon.extras.blocks)
    assert blocks.shorts is not None
    assert blocks.shorts.length == HOUR
    days, hours = blocks.by_part["feature:x"].counts, blocks.shorts.by_part["feature:x"].counts
    assert hours.sum(axis=1) == pytest.approx(np.full(20, 40.0), rel=0.02)

    def apart(counts: np.typing.NDArray[np.float64]) -> float:
        share = counts / counts.sum(axis=1, keepdims=True)
        return float(np.square(share - share.mean(axis=0)).sum(axis=1).mean())

    assert apart(hours) > 5 * apart(days)  # in a day 24 of them average out
    again = Baseline.from_json(baseline.to_json())
    assert again.to_json() == baseline.to_json()


def test_slices_move_with_all_rows_to_the_season() -> None:
    """A slice that is always 1.5 σ above all rows is so at noon, too, with the same share of its rows."""
    rng = np.random.default_rng(12)
    hour = np.repeat(np.arange(14 * 24), 100)
    place = np.arange(len(hour)) % 4
    number = np.cos(2 * np.pi * (hour % 24 - 12) / 24) + 1.5 * (place == 0) + rng.normal(size=len(hour))
    label = np.where(rng.random(len(hour)) < np.where(hour % 24 == 12, 0.6, 0.3) + 0.2 * (place == 0), "a", "b")
    frame = {"x": number, "c": label.astype(object), "p": rng.normal(size=len(hour)), "time": START + hour * HOUR}
    baseline = Baseline.from_frame(
        frame | {"slice": np.array(["odd", "s1", "s2", "s3"], object)[place]},
        score="p", time="time", model="m", task="regression", seasonality="hour", slices=["slice"],
    )  # fmt: skip
    noon = unwrap(seasonal_reference(baseline, "hour", mixed(24, h12=500.0)).baseline.extras.slices)
    pane = unwrap(noon.pane("slice=odd"))
    own = (place == 0) & (hour % 24 == 12)
    edges = baseline.bins.features["x"].edges  # type: ignore[union-attr]
    true = np.bincount(np.searchsorted(edges, number[own], side="right"), minlength=len(edges) + 1) / own.sum()
    counts = pane.parts["feature:x"][: len(edges) + 1]
    assert counts.sum() == pytest.approx(own.sum(), rel=1e-6)
    assert np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(true)).max() < 0.12
    labels = pane.parts["feature:c"][np.argsort(baseline.bins.features["c"].categories)]  # type: ignore[union-attr]
    assert labels[0] / labels.sum() == pytest.approx(np.mean(label[own] == "a"), abs=0.08)
    known = unwrap(baseline.extras.slices)
    always = known.by_key["slice"]["odd"].parts["feature:x"][: len(edges) + 1]
    assert np.abs(np.cumsum(always) / always.sum() - np.cumsum(true)).max() > 0.25
