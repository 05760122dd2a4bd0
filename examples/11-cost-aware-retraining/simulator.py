"""Evenings of a chain of shops: which articles are sold out before the next delivery? Simulated; no free set has it.

Seeded: in the week from 23 March people buy 8 % more, a small loss. From 30 March on the shops of the north get
their goods from a new warehouse, which delivers four days later than planned, and all shops keep less stock: a loss
that lasts. From 16 April on the old warehouse is back.
"""

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-03-02T00:00:00Z")
DAY = pd.Timedelta("1D")
DAYS, SHOPS, ARTICLES = 54, 12, 30
HOLIDAY, NEW_WAREHOUSE, OLD_WAREHOUSE = range(21, 28), 28, 45
FEATURES = ["north", "stock", "sold_per_day", "days_to_delivery", "promotion", "price"]


def evening(day: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the articles of all shops at the end of a day, with what becomes of them."""
    rows, new = SHOPS * ARTICLES, NEW_WAREHOUSE <= day < OLD_WAREHOUSE
    shop = np.repeat(np.arange(SHOPS), ARTICLES)
    north = (shop % 2).astype(float)
    rate = np.exp(random.normal(1.2, 0.8, rows))
    days = random.integers(1, 5, rows)
    promotion = (random.random(rows) < 0.15).astype(float)
    stock = np.ceil(rate * days * np.exp(random.normal(*((0.1, 0.3) if new else (0.5, 0.7)), rows)))
    demand = rate * (1 + 0.5 * promotion) * (1.08 if day in HOLIDAY else 1.0)
    until = days + 4 * north * new
    sold = random.poisson(demand * until * random.gamma(12, 1 / 12, rows))
    return pd.DataFrame(
        {
            "id": [f"{day}-{one}-{number}" for number, one in enumerate(shop)],
            "time": START + day * DAY + pd.Timedelta("20h") + pd.to_timedelta(np.arange(rows), "s"),
            "shop": [f"shop-{one}" for one in shop],
            "north": north,
            "stock": stock,
            "sold_per_day": (rate * random.gamma(20, 1 / 20, rows)).round(1),
            "days_to_delivery": days.astype(float),
            "promotion": promotion,
            "price": np.exp(random.normal(1, 0.7, rows)).round(2),
            "sold_out": (sold >= stock).astype(int),
            "left_over": (sold < 0.5 * stock).astype(int),
        }
    )
