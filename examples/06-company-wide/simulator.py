"""Applications for credit, pages of a shop and letters, for 54 models. Simulated: no free set has a whole company.

Seeded; all other models are as they were trained:
`default-in-year` (tier 1): from 12 March on `utilisation` comes as a percentage instead of a fraction.
`toxicity` (tier 1): from 15 March, 11:00 on letters come without `links`, and its calls fail.
`collateral-value` (tier 1): from 9 March on its outcomes come three days late.
`reorder` (tier 2): from 12 March on customers click regardless of what it recommends.
`invoice-fields` (tier 2): from 12 March on letters are five times as long.
`cross-sell` and `sentiment` (tier 3): in the week from 9 March on half of the outcomes are of another class.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

START, DAYS = pd.Timestamp("2026-03-02T00:00:00Z"), 15
DAY, HOUR = pd.Timedelta("1D"), pd.Timedelta("1h")
FEW, MANY = 30, 100
"""Rows of a model per day, without and with a fault."""

FROM = START + 10 * DAY
WEEK_FROM = START + 7 * DAY
FAILS_FROM = START + 13 * DAY + 11 * HOUR
UNIT, FAILING, LATE, TASTE, LONGER, ANOTHER = (
    *("default-in-year", "toxicity", "collateral-value", "reorder", "invoice-fields"),
    ("cross-sell", "sentiment"),
)
FAULTY = (UNIT, FAILING, LATE, TASTE, LONGER, *ANOTHER)
FEATURES = {
    "credit": ["income", "utilisation", "months_at_address", "late_payments", "amount"],
    "recommendation": ["visits", "affinity", "hours", "phone"],
    "text": ["words", "links", "capitals", "channel"],
}
CLASSES = {"credit": [0, 1], "recommendation": [0, 1], "text": ["low", "normal", "urgent"]}


def fleet() -> pd.DataFrame:
    """Return name, tier and team of each model that the teams declare in `models/`."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("models/*.yaml"))]
    rows = {name: keys for file in files for name, keys in file["models"].items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").reset_index()


def features(team: str, rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Return what a team's models see: applicants, pages that are shown, or letters."""
    if team == "credit":
        return pd.DataFrame(
            {
                "income": np.exp(random.normal(7.8, 0.45, rows)).round(-1),
                "utilisation": random.beta(2, 3, rows).round(3),
                "months_at_address": random.exponential(60, rows).round(),
                "late_payments": random.poisson(0.4, rows),
                "amount": np.exp(random.normal(8.9, 0.6, rows)).round(-2),
            }
        )
    if team == "recommendation":
        return pd.DataFrame(
            {
                "visits": random.poisson(12, rows),
                "affinity": random.beta(1.5, 2, rows).round(3),
                "hours": random.exponential(8, rows).round(1),
                "phone": random.random(rows) < 0.6,
            }
        )
    return pd.DataFrame(
        {
            "words": np.exp(random.normal(4.2, 0.5, rows)).round(),
            "links": random.poisson(0.6, rows),
            "capitals": random.beta(1.2, 14, rows).round(3),
            "channel": random.choice(["mail", "chat", "form"], rows, p=[0.5, 0.3, 0.2]),
        }
    )


def outcomes(team: str, model: str, seen: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Return what became of each row: whether somebody fell behind or clicked, or how urgent a letter was."""
    own = np.random.default_rng(list(model.encode()))  # each model is about something else
    numbers = {
        "credit": lambda: 5 * (seen["utilisation"] - 0.4) + 0.8 * seen["late_payments"] - 0.7,
        "recommendation": lambda: 6 * (seen["affinity"] - 0.43) - 0.04 * (seen["hours"] - 8),
        "text": lambda: (
            1.5 * (np.log(seen["words"]) - 4.2) + 1.2 * (seen["links"] - 0.6) + 14 * (seen["capitals"] - 0.08)
        ),
    }
    tendency = 2 * numbers[team]() + own.normal(0, 0.3) + random.logistic(0, 1, len(seen))
    classes = np.array(CLASSES[team])
    return classes[(tendency.to_numpy()[:, None] > ([0] if team != "text" else [-1.5, 1.5])).sum(axis=1)]


def traffic(model: str, team: str, random: np.random.Generator) -> pd.DataFrame:
    """Return fifteen days of a model as its service sees them: id, time, features; `actual` and when it is `known`."""
    per_day = MANY if model in FAULTY else FEW
    rows = DAYS * per_day
    offsets = np.sort(random.uniform(9 * 3600, 13 * 3600, (DAYS, per_day)), axis=1) + np.arange(DAYS)[:, None] * 86_400
    time = START + pd.to_timedelta(offsets.ravel().round(3), "s")
    seen = features(team, rows, random)
    actual = outcomes(team, model, seen, random)
    if model == TASTE:
        actual = np.where(time >= FROM, random.permutation(actual), actual)
    if model in ANOTHER:
        another = pd.Series(actual).map(dict(zip(CLASSES[team], np.roll(CLASSES[team], 1), strict=True)))
        actual = np.where((time >= WEEK_FROM) & (random.random(rows) < 0.5), another, actual)
    if model == UNIT:
        seen["utilisation"] = seen["utilisation"].mask(time >= FROM, 100 * seen["utilisation"])
    if model == LONGER:
        seen["words"] = seen["words"].mask(time >= FROM, 5 * seen["words"])
    if model == FAILING:
        seen["links"] = seen["links"].astype(float).mask(time >= FAILS_FROM)
    late = 3 * DAY if model == LATE else 0 * DAY
    known = time + 8 * HOUR + pd.to_timedelta(np.where(time >= WEEK_FROM, late.total_seconds(), 0), "s")
    ids = [f"{model}-{number}" for number in range(rows)]
    return seen.assign(id=ids, time=time, actual=actual, known=known)


def history(model: str, team: str, rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Return rows of February, before any fault."""
    seen = features(team, rows, random)
    time = START - 28 * DAY + pd.to_timedelta(np.sort(random.uniform(0, 28 * 86_400, rows)).round(), "s")
    return seen.assign(time=time, actual=outcomes(team, model, seen, random))


def orders(clicks: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return what the shop sells: an order for a part of the recommendations that were clicked."""
    bought = clicks[(clicks["actual"] == 1) & (random.random(len(clicks)) < 0.3)]
    amount = np.exp(random.normal(3.4, 0.5, len(bought))).round(2)
    return pd.DataFrame({"day": bought["time"].dt.strftime("%Y-%m-%d"), "page": bought["id"], "amount": amount})
