"""Five days of four teams: what their 52 models are asked, and what became of it. Simulated: no free set has a fleet.

Seeded, from Wednesday 4 March 2026 on:

- `card-fraud` (tier 1): version 2026-03 ships on Thursday. It was trained with `amount` and `distance_km` swapped.
- `churn` (tier 1): from Friday on, customers leave for other reasons, so that no version is right.
- `transfer-fraud` (tier 1): on Sunday from 13:00 on, half of the calls come without `distance_km`, and fail.
- `also-bought` (tier 2): from Thursday on, customers buy for other reasons.
- `coupon` (tier 3): discounts are far larger than in the training data.
"""

from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import yaml

START, DAYS = pd.Timestamp("2026-03-04T00:00:00Z"), 5
DAY, HOUR = pd.Timedelta("1D"), pd.Timedelta("1h")
SHIPPED, USUAL, SWAPPED = START + DAY, "2026-02", "2026-03"
OTHER_REASONS = {"churn": START + 2 * DAY, "also-bought": START + DAY}
FAILING = "transfer-fraud", START + 4 * DAY + 13 * HOUR, START + 5 * DAY
LARGE_DISCOUNTS = "coupon"
FAULTY = ("card-fraud", "churn", "transfer-fraud", "also-bought", "coupon")
OPEN = range(9, 17)
ROWS_PER_HOUR = {1: 36, 2: 8, 3: 4}
FEATURES = {
    "credit": ["income", "amount", "months_at_address", "open_accounts", "late_payments"],
    "fraud": ["amount", "hour", "distance_km", "payments_today", "account_days"],
    "shop": ["visits", "price", "discount", "days_since_order"],
    "support": ["words", "wait_minutes", "tickets_before", "tenure_months"],
}


def fleet() -> pd.DataFrame:
    """Return team and tier of each model, those of tier 3 first: the backlog that tier 1 has before it."""
    files = sorted((Path(__file__).parent / "models").glob("*.yaml"))
    declared = {name: keys for file in files for name, keys in yaml.safe_load(file.read_text())["models"].items()}
    table = pd.DataFrame.from_dict(declared, orient="index")[["team", "tier"]]
    return table.sort_values("tier", ascending=False, kind="stable")


def versions(model: str, tier: int) -> list[str]:
    """Return the versions of a model, the oldest first; tier 1 has one to go back to."""
    if model == "card-fraud":
        return [USUAL, SWAPPED]
    return ["2026-01", USUAL] if tier == 1 else [USUAL]


def _features(team: str, hours: np.ndarray, random: np.random.Generator) -> pd.DataFrame:
    size = len(hours)
    if team == "credit":
        columns = {
            "income": np.exp(random.normal(7.8, 0.45, size)).round(-1),
            "amount": np.exp(random.normal(8.9, 0.6, size)).round(-2),
            "months_at_address": random.exponential(60, size).round(),
            "open_accounts": random.poisson(3, size),
            "late_payments": random.poisson(0.8, size),
        }
    elif team == "fraud":
        columns = {
            "amount": np.exp(random.normal(3.6, 0.9, size)).round(2),
            "hour": hours,
            "distance_km": np.exp(random.normal(2, 1.2, size)).round(1),
            "payments_today": random.poisson(2, size),
            "account_days": random.exponential(700, size).round(),
        }
    elif team == "shop":
        columns = {
            "visits": random.poisson(6, size),
            "price": np.exp(random.normal(3.2, 0.6, size)).round(2),
            "discount": random.beta(2, 10, size).round(2),
            "days_since_order": random.exponential(40, size).round(),
        }
    else:
        columns = {
            "words": np.exp(random.normal(3.8, 0.6, size)).round(),
            "wait_minutes": random.exponential(15, size).round(1),
            "tickets_before": random.poisson(2, size),
            "tenure_months": random.exponential(30, size).round(),
        }
    return pd.DataFrame(columns)


def _chance(model: str, table: pd.DataFrame) -> np.ndarray:
    """Return how probable each outcome is, by weights that are the model's own."""
    own = np.random.default_rng(crc32(model.encode()))
    ranks = table.rank(pct=True).to_numpy() - 0.5
    weights = own.choice([-1, 1], ranks.shape[1]) * own.uniform(2.5, 4, ranks.shape[1])
    return 1 / (1 + np.exp(1 - ranks @ weights))


def rows(model: str, team: str, times: pd.DatetimeIndex, random: np.random.Generator) -> pd.DataFrame:
    """Return what a model is asked at these times, with `actual`, what became of it."""
    table = _features(team, np.asarray(times.hour), random)
    chance = _chance(model, table)
    if model == LARGE_DISCOUNTS and times[0] >= START:
        table["discount"] = (3 * table["discount"]).clip(upper=0.9).round(2)
    if model in OTHER_REASONS:
        chance = np.where(times >= OTHER_REASONS[model], random.permutation(chance), chance)
    return table.assign(time=times, actual=(random.random(len(times)) < chance).astype(int))


def history(model: str, team: str, size: int, random: np.random.Generator) -> pd.DataFrame:
    """Return rows of the opening hours of February."""
    hours = 24 * random.integers(0, 28, size) + random.integers(OPEN.start, OPEN.stop, size)
    return rows(model, team, START - 28 * DAY + pd.to_timedelta(np.sort(hours), "h"), random)


def traffic(model: str, team: str, tier: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the rows of the opening hours of these days and of the first hour after them, with an id each."""
    hours = [24 * day + hour for day in range(DAYS) for hour in OPEN] + [24 * DAYS + OPEN[0]]
    hours = np.repeat(hours, ROWS_PER_HOUR[tier])
    seconds = np.sort(hours * 3600 + random.integers(0, 3600, len(hours)))
    table = rows(model, team, START + pd.to_timedelta(seconds, "s"), random)
    table.insert(0, "id", [f"{model}-{number}" for number in range(len(table))])
    return table


def fails(model: str, table: pd.DataFrame) -> pd.Series:
    """Return which rows come without `distance_km`: every second one of the hours that are seeded."""
    name, since, until = FAILING
    return (table["time"] >= since) & (table["time"] < until) & (model == name) & (np.arange(len(table)) % 2 == 0)
