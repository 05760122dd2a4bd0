"""Card payments that the rules of an issuer hold back, for a model to decide. Simulated: no free set has reviews.

Seeded: the reviewers of hour 2 are late by half an hour. In hour 5 thieves pay by accounts that they took over, which
the model does not know. In the live part a merchant charges its new subscribers, four a second, each the same price:
the model takes them for thieves who test cards.
"""

import numpy as np
import pandas as pd

HOURS, PER_HOUR = 8, 2_400
LATE, TAKEN_OVER, SHARE_TAKEN_OVER = 2, 5, 0.3
"""Hours of the history that have a fault, and how many payments thieves add in the second, as a fraction of all."""
SUBSCRIBERS = 4
"""Charged per second by the merchant of the live part."""
FEATURES = [
    *(
        "amount",
        "merchant_category",
        "country",
        "card_age_days",
        "hour",
        "distance_km",
        "new_device",
        "same_amount_cards",
    ),
]
CATEGORIES, COUNTRIES = ["groceries", "electronics", "travel", "fashion", "digital"], ["DE", "FR", "IT", "PL", "US"]


def payments(
    start: pd.Timestamp, hours: float, name: str, random: np.random.Generator, taken_over: float = 0.0
) -> pd.DataFrame:
    """Return the payments of some hours: id, time, features, and whether it is fraud, which nobody knows.

    Args:
        start: When they begin.
        hours: How long they go on.
        name: Of these payments, in their ids.
        random: Of the whole simulation.
        taken_over: Frauds by accounts that were taken over, as a fraction of all payments.
    """
    size, attacked = round(PER_HOUR * hours), round(PER_HOUR * hours * taken_over)
    kind = random.choice(["genuine", "stolen", "tested"], size, p=[0.88, 0.06, 0.06])
    kind = random.permutation(np.append(kind, ["account"] * attacked))
    seconds = np.sort(random.uniform(0, 3600 * hours, len(kind)))
    stolen, tested, account = (kind == name for name in ("stolen", "tested", "account"))
    busy = random.random(len(kind)) < 0.1  # a large merchant, where others pay the same amount
    rows = pd.DataFrame(
        {
            "time": start + pd.to_timedelta(seconds, "s"),
            "amount": np.exp(random.normal(np.select([stolen, tested, account], [5.6, 1.2, 4.4], 3.6), 0.8)).round(2),
            "merchant_category": random.choice(CATEGORIES, len(kind), p=[0.3, 0.15, 0.1, 0.25, 0.2]),
            "country": random.choice(COUNTRIES, len(kind), p=[0.5, 0.2, 0.1, 0.1, 0.1]),
            "card_age_days": random.gamma(2, np.where(stolen | tested, 200, 500)).round(),
            "distance_km": random.exponential(np.select([stolen, account], [2_000, 400], 150)).round(1),
            "new_device": random.random(len(kind)) < np.select([stolen | tested, account], [0.8, 0.5], 0.1),
            "same_amount_cards": random.poisson(np.where(tested, 9, np.where(busy, 5, 1))),
            "fraud": (kind != "genuine").astype(int),
        }
    )
    rows["merchant_category"] = rows["merchant_category"].mask(tested, "digital")
    return _completed(rows, f"payment-{name}")


def subscriptions(start: pd.Timestamp, seconds: int, random: np.random.Generator) -> pd.DataFrame:
    """Return how the merchant charges its subscribers: genuine, and of the same amount."""
    size = SUBSCRIBERS * seconds
    rows = pd.DataFrame(
        {
            "time": start + pd.to_timedelta(np.arange(size) / SUBSCRIBERS, "s"),
            "amount": 9.99,
            "merchant_category": "digital",
            "country": random.choice(COUNTRIES, size, p=[0.5, 0.2, 0.1, 0.1, 0.1]),
            "card_age_days": random.gamma(2, 500, size).round(),
            "distance_km": random.exponential(150, size).round(1),
            "new_device": random.random(size) < 0.1,
            "same_amount_cards": np.minimum(np.arange(size), 600),
            "fraud": 0,
        }
    )
    return _completed(rows, "subscription")


def _completed(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    rows["new_device"], rows["hour"] = rows["new_device"].astype(int), rows["time"].dt.hour
    rows["time"] = rows["time"].dt.floor("s")
    rows.insert(0, "id", f"{name}-" + rows.index.astype(str))
    return rows
