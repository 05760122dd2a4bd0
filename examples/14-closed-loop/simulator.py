"""A news page: its readers, the articles that each sees, and who clicks. Simulated: no free set has clicks by hour.

Seeded: in hours 16 and 17 a newsletter brings readers of whom nothing is known. From hour 26 on an advertisement does,
and they stay: what the recommender knows no longer tells who clicks, and the click rate is lower. A click depends on
the same things as before.
"""

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-03-02T00:00:00Z")
HOURS, PAGES, ARTICLES = 40, 75, 4
NEWSLETTER, DECLINE = (16, 17), 26
FEATURES = ["visits", "affinity", "hours", "phone"]


def impressions(hour: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the articles on the pages of an hour, a row for each, and whether it is clicked.

    Columns: id, page, time, earlier visits of the reader, affinity (share of her clicks that were on its topic), age of
    the article in hours, whether she reads on a phone, clicked.
    """
    size = PAGES * ARTICLES
    seconds = np.repeat((np.arange(PAGES) + 0.5) * 3600 / PAGES, ARTICLES)
    unknown = np.repeat(random.random(PAGES) < (0.92 if hour in NEWSLETTER or hour >= DECLINE else 0.1), ARTICLES)
    rows = pd.DataFrame(
        {
            "id": [f"{hour}-{number // ARTICLES}-{number % ARTICLES}" for number in range(size)],
            "page": [f"{hour}-{number // ARTICLES}" for number in range(size)],
            "time": START + pd.Timedelta(hours=hour) + pd.to_timedelta(seconds, "s"),
            "visits": np.where(unknown, 0, np.repeat(random.poisson(12, PAGES) + 1, ARTICLES)),
            "affinity": np.where(unknown, 0.0, random.beta(0.5, 1.0, size)).round(3),
            "hours": random.exponential(8, size).round(1),
            "phone": np.repeat(random.random(PAGES) < 0.6, ARTICLES),
        }
    )
    return rows.assign(clicked=random.random(size) < chance(rows))


def chance(rows: pd.DataFrame) -> pd.Series:
    """Return how probable a click is."""
    return 1 / (1 + np.exp(2.6 - 4.5 * rows["affinity"] + 0.05 * rows["hours"] - 0.3 * rows["phone"]))
