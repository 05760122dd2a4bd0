"""Payments by card at an online marketplace, simulated: public fraud sets have columns without names.

Seeded in the second week: on 10 March 2025, from 18:00 to 21:00 UTC, the gateway passes on one payment in three. From
11 to 13 March thieves who bought a list of young cards try them at gift shops, many times a day.
"""

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-03-03T00:00:00Z")
"""A Monday; two weeks are served from here on, and the four weeks before are for training."""
SERVED, TRAINING = 14, 28
LOSS = pd.date_range("2025-03-10T18:00Z", periods=3, freq="h")
ATTACK = pd.date_range("2025-03-11", periods=3, freq="D", tz="UTC")
CATEGORIES = ["groceries", "electronics", "travel", "fashion", "gift_cards", "restaurants"]
USUAL, STOLEN = [0.34, 0.14, 0.08, 0.22, 0.04, 0.18], [0.1, 0.3, 0.14, 0.18, 0.2, 0.08]
FEATURES = [
    *(
        "amount",
        "merchant_category",
        "hour",
        "country_distance_km",
        "card_age_days",
        "payments_last_day",
        "card_present",
    ),
]


def payments(first_day: int, days: int, seed: int) -> pd.DataFrame:
    """Return the payments of some days: id, time, features and whether it was fraud.

    Args:
        first_day: Counted from START; days before it have a number below 0.
        days: How many.
        seed: Of the random numbers.
    """
    random = np.random.default_rng(seed)
    hours = pd.date_range(START + pd.Timedelta(days=first_day), periods=24 * days, freq="h")
    usual = random.poisson(70 - 15 * np.cos((hours.hour - 3) * np.pi / 12))
    tested = random.poisson(np.where(hours.normalize().isin(ATTACK), 6, 0))
    genuine = _payments(hours.repeat(usual), random.random(usual.sum()) < 0.03, random)
    attack = _payments(hours.repeat(tested), np.ones(tested.sum(), dtype=bool), random)
    attack["merchant_category"] = "gift_cards"
    attack["card_age_days"] = random.integers(1, 60, len(attack))
    attack["payments_last_day"] = 4 + random.poisson(5, len(attack))
    rows = pd.concat([genuine, attack]).sort_values("at", ignore_index=True)
    lost = rows["at"].dt.floor("h").isin(LOSS) & (random.random(len(rows)) > 1 / 3)
    rows = rows[~lost].reset_index(drop=True)
    rows.insert(0, "payment", "payment-" + rows["at"].dt.strftime("%m%d-") + rows.index.astype(str))
    return rows


def _payments(hours: pd.DatetimeIndex, fraud: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    """Return a payment for each of the hours, as those of thieves are where it is fraud."""
    size = len(hours)
    return pd.DataFrame(
        {
            "at": hours + pd.to_timedelta(random.integers(0, 3600, size), "s"),
            "amount": np.round(random.lognormal(np.where(fraud, 4.1, 3.4), 0.9), 2),
            "merchant_category": np.where(
                fraud, random.choice(CATEGORIES, size, p=STOLEN), random.choice(CATEGORIES, size, p=USUAL)
            ),
            "hour": hours.hour,
            "country_distance_km": np.round(random.exponential(np.where(fraud, 600, 180)), 1),
            "card_age_days": np.round(random.gamma(2, np.where(fraud, 280, 500))),
            "payments_last_day": random.poisson(np.where(fraud, 2.2, 1.2)),
            "card_present": random.random(size) < np.where(fraud, 0.2, 0.55),
            "fraud": fraud.astype(int),
        }
    )
