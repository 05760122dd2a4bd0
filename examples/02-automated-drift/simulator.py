"""Viewers of a film service, its catalogue, and what they watch. Simulated, since no free set has viewers by day.

Seeded: day 5 is a school holiday, with young viewers for one day. From day 9 to day 15 a serial of which everybody
talks brings older viewers who watch dramas; from day 16 on tastes are as they were.
"""

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-03-02T00:00:00Z")
REFERENCE, DAYS, VIEWERS = 28, 21, 200
HOLIDAY, SERIAL = 5, range(9, 16)
GENRES = ["comedy", "crime", "documentary", "drama", "thriller"]
FILMS = {
    "comedy": ["Two Left Shoes", "The Wrong Wedding", "Uncle Otto"],
    "crime": ["The Cut", "Harbour Street", "Nobody's Witness"],
    "documentary": ["Up North", "The Last Glacier"],
    "drama": ["Blue Hour", "The Daughters", "A Winter Letter"],
    "thriller": ["Night Ferry", "Signal Lost"],
}


def viewers(day: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the viewers of a day; days before 0 are those of the reference month.

    Columns: id, time, age in years, minutes watched in the last week, share of dramas in them, favourite genre.
    """
    come_for_serial = random.random(VIEWERS) < (0.5 if day in SERIAL else 0.0)
    younger = 14 if day == HOLIDAY else 0
    seconds = (np.arange(VIEWERS) + 0.5) * 86400 / VIEWERS
    return pd.DataFrame(
        {
            "id": [f"visit-{day}-{number}" for number in range(VIEWERS)],
            "time": START + pd.Timedelta(days=day) + pd.to_timedelta(seconds, "s"),
            "age": np.round(random.normal(41 - younger, 11, VIEWERS) + 12 * come_for_serial, 1).clip(14, 95),
            "minutes": np.round(random.gamma(3, 60, VIEWERS)),
            "drama": np.round(random.beta(2 + 6 * come_for_serial, 5, VIEWERS), 3),
            "genre": np.where(come_for_serial, "drama", random.choice(GENRES, VIEWERS, p=[0.3, 0.22, 0.1, 0.2, 0.18])),
        }
    )


def watched(month: pd.DataFrame, random: np.random.Generator) -> list[str]:
    """Return the genre of the film that each viewer watched."""
    likes = np.stack([1.5 * (month["genre"] == genre) for genre in GENRES], axis=1)
    likes[:, GENRES.index("drama")] += 3 * month["drama"]
    likes[:, GENRES.index("documentary")] += (month["age"] - 40) / 20
    return [GENRES[at] for at in (likes + random.gumbel(size=likes.shape)).argmax(axis=1)]
