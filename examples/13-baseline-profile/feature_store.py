"""The team's feature store: how often it rains at a station on the next day. Seeded: on one day it is slow."""

import time
from pathlib import Path

import pandas as pd

SLOW_DAY, SLOW_SECONDS = "2016-04-06", 0.3
"""On this day every second station waits so long (`SLOW_STATIONS`)."""

_weather = pd.read_csv(Path(__file__).with_name("weather.csv.gz"))
_usual = _weather[_weather["split"] == "train"].groupby("station")["rain_tomorrow"].mean()
SLOW_STATIONS = {*_usual.index[::2]}


def usual_rain(station: str, when: str) -> float:
    """Return the fraction of days before a rainy day at a station."""
    if when.startswith(SLOW_DAY) and station in SLOW_STATIONS:
        time.sleep(SLOW_SECONDS)
    return float(_usual[station])
