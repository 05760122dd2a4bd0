"""A news feed: readers, its articles, and who clicks. Simulated, since no free stream has features, lists and clicks.

Seeded: on days 20 and 21 the readers are those of a holiday, who click as ever. On day 27 the page loads slowly, and
everybody clicks less. From day 34 on an advertisement brings readers who like cooking, which the feed hardly has; for
two days they are curious, and from day 36 on they click less.
"""

import math

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-03-02T00:00:00Z")
TOPICS = ["politics", "sports", "business", "culture", "cooking"]
DAYS, READERS, CANDIDATES = 40, 150, 12
HOLIDAY, SLOW, NEW, TIRED = (20, 21), 27, 34, 36


def readers(day: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the readers of a day: id, time, age, minutes a day and favourite topic."""
    new = random.random(READERS) < (0.6 if day >= NEW else 0.0)
    younger = 14 if day in HOLIDAY else 0
    favourite = random.choice(TOPICS, READERS, p=[0.3, 0.3, 0.2, 0.18, 0.02])
    return pd.DataFrame(
        {
            "id": [f"page-{day}-{number}" for number in range(READERS)],
            "time": START + pd.Timedelta(days=day) + pd.to_timedelta((np.arange(READERS) + 0.5) * 86400 / READERS, "s"),
            "age": np.round(random.normal(46 - younger, 11, READERS) - 12 * new).clip(16, 95),
            "minutes": np.round(random.gamma(4, 5, READERS), 1),
            "favourite": np.where(new, "cooking", favourite),
        }
    )


def articles(random: np.random.Generator) -> list[dict]:
    """Return the articles from which a page is made: name, topic and age in hours."""
    topics = random.choice(TOPICS, CANDIDATES, p=[0.28, 0.28, 0.22, 0.2, 0.02])
    numbers, hours = random.choice(10_000, CANDIDATES, replace=False), random.exponential(10, CANDIDATES)
    return [
        {"article": f"{topic}-{number}", "topic": str(topic), "hours": round(age, 1)}
        for topic, number, age in zip(topics, numbers, hours.tolist(), strict=True)
    ]


def chance_of_click(reader: dict, topic: str, hours: float, rank: int, day: int) -> float:
    """Return how probable it is that a reader clicks on the article at a rank of the page, the best is 0."""
    likes = 1.6 if topic == reader["favourite"] else 0.0
    if reader["favourite"] == "cooking" and NEW <= day < TIRED:
        likes = 1.6  # curious
    slow = 0.8 if day == SLOW else 0.0
    return 1 / (1 + math.exp(1.6 - likes + hours / 24 + 0.5 * rank + slow))
