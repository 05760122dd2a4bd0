"""Applications, payments and customers of 21 models, from 4 to 9 March 2026. Simulated: no free set has a bank.

Seeded, each in one model; all others are as they were trained:
`credit-risk`: from 6 March on the bureau counts closed cards, too: `utilisation` of people of 60 or more is 0.3 higher.
`mortgage-risk`: from 5 March on nine in ten women who will fall behind look like those who will not.
`card-fraud`: one batch of ten waits for the list of merchants, in one hour of 6 March and in two hours of 7 March.
`sanctions-match`: from 8:00 to 12:00 on 8 March every fourth payment comes without a distance, and its call fails.
`affordability`: outcomes of 5 March have not come after two days.
`merchant-risk`: from 7 March on three of five features come in other units.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

START, DAYS = pd.Timestamp("2026-03-04T00:00:00Z"), 6
DAY, HOUR = pd.Timedelta("1D"), pd.Timedelta("1h")
UNFAIR, UNEQUAL, SLOW, FAILING, LATE, DRIFTING = (
    *("credit-risk", "mortgage-risk", "card-fraud", "sanctions-match", "affordability", "merchant-risk"),
)
DRILLED = "device-risk"
"""Has no fault, until one is injected."""
UNFAIR_FROM, UNEQUAL_FROM, DRIFTS_FROM, LATE_DAY = START + 2 * DAY, START + DAY, START + 3 * DAY, START + DAY
SLOW_ONCE = [START + 2 * DAY + 10 * HOUR]
SLOW_TWICE = [START + 3 * DAY + 10 * HOUR, START + 3 * DAY + 11 * HOUR]
FAILS = (START + 4 * DAY + 8 * HOUR, START + 4 * DAY + 12 * HOUR)

BATCHES, BATCH = 10, 38
"""Payments of `card-fraud` come in so many batches per hour, of so many each: p99 is inconclusive below 368 calls."""
PER_HOUR = {UNFAIR: 8, UNEQUAL: 12, SLOW: BATCHES * BATCH, FAILING: 10, DRIFTING: 8, DRILLED: 8}
"""Rows of a model per hour, in tiers 2 and 3 every second or third hour; of others three in tier 1, else one."""

FEATURES = {
    "lending": ["income", "utilisation", "months_at_address", "late_payments", "amount"],
    "payments": ["amount", "distance_km", "payments_today", "hours_since_last", "merchant_age_months"],
    "wealth": ["years_to_goal", "invested", "volatility", "logins", "products"],
}


def fleet() -> pd.DataFrame:
    """Return name, tier and team of each model that the teams declare in `models/`."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("models/*.yaml"))]
    rows = {name: keys for file in files for name, keys in file["models"].items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").reset_index()


def cases(team: str, rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Return what a team's models see. People have an age group and a gender, which no model uses."""
    people = {
        "age_group": np.where(random.random(rows) < 0.3, "60 or more", "below 60"),
        "gender": random.choice(["woman", "man"], rows),
    }
    if team == "lending":
        return pd.DataFrame(
            {
                "income": np.exp(random.normal(7.8, 0.45, rows)).round(-1),
                "utilisation": random.beta(2, 3, rows).round(3),
                "months_at_address": random.exponential(60, rows).round(),
                "late_payments": random.poisson(0.4, rows),
                "amount": np.exp(random.normal(8.9, 0.6, rows)).round(-2),
                **people,
            }
        )
    if team == "payments":
        return pd.DataFrame(
            {
                "amount": np.exp(random.normal(3.6, 0.9, rows)).round(2),
                "distance_km": random.exponential(25, rows).round(1),
                "payments_today": random.poisson(2, rows),
                "hours_since_last": random.exponential(9, rows).round(1),
                "merchant_age_months": random.exponential(50, rows).round(),
            }
        )
    return pd.DataFrame(
        {
            "years_to_goal": random.uniform(1, 30, rows).round(),
            "invested": np.exp(random.normal(9.6, 0.8, rows)).round(-1),
            "volatility": random.beta(2, 5, rows).round(3),
            "logins": random.poisson(4, rows),
            "products": random.poisson(1.5, rows),
            **people,
        }
    )


def outcomes(team: str, model: str, seen: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
    """Return what became of each case: 1 = arrears, fraud, or whatever else the model looks for."""
    own = np.random.default_rng(list(model.encode()))  # each model is about something else
    numbers = {
        "lending": lambda: 5 * (seen["utilisation"] - 0.5) + 0.8 * seen["late_payments"] - 0.3,
        "payments": lambda: 0.06 * (seen["distance_km"] - 30) + 0.5 * (seen["payments_today"] - 2),
        "wealth": lambda: 7 * (seen["volatility"] - 0.32) + 0.3 * (seen["logins"] - 4),
    }
    tendency = 2 * numbers[team]() + own.normal(0, 0.3) + random.logistic(0, 1, len(seen))
    return (tendency.to_numpy() > 0).astype(int)


def traffic(model: str, team: str, tier: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the cases of a model; `actual`, and when it is `known`; whether the call is `slow`."""
    hours = np.arange(0, 24 * DAYS, tier)
    each = np.repeat(hours, PER_HOUR.get(model, 3 if tier == 1 else 1))
    time = (START + pd.to_timedelta(np.sort(each + random.random(len(each))).round(6), "h")).round("ms")
    seen = cases(team, len(each), random)
    actual = outcomes(team, model, seen, random)
    seen["slow"] = False
    if model == UNFAIR:
        older = (seen["age_group"] == "60 or more") & (time >= UNFAIR_FROM)
        seen["utilisation"] += 0.3 * older
    if model == UNEQUAL:
        hidden = (seen["gender"] == "woman") & (actual == 1) & (time >= UNEQUAL_FROM) & (random.random(len(seen)) < 0.9)
        others = seen[(seen["gender"] == "woman") & (actual == 0)].sample(hidden.sum(), random_state=15, replace=True)
        seen.loc[hidden, FEATURES[team]] = others[FEATURES[team]].to_numpy()
    if model == SLOW:
        seen["slow"] = time.floor("h").isin([*SLOW_ONCE, *SLOW_TWICE]) & (np.arange(len(seen)) // BATCH % BATCHES == 0)
    if model == FAILING:
        without = (time >= FAILS[0]) & (time < FAILS[1]) & (np.arange(len(seen)) % 4 == 0)
        seen["distance_km"] = seen["distance_km"].mask(without)
    if model == DRIFTING:
        seen["amount"] = seen["amount"].mask(time >= DRIFTS_FROM, 100 * seen["amount"])
        seen["distance_km"] = seen["distance_km"].mask(time >= DRIFTS_FROM, seen["distance_km"] / 1.609)
        seen["hours_since_last"] = seen["hours_since_last"].mask(time >= DRIFTS_FROM, 60 * seen["hours_since_last"])
    late = (model == LATE) & (time.floor("D") == LATE_DAY)
    known = time + pd.to_timedelta(np.where(late, 30 * 24, 12), "h")
    ids = [f"{model}-{number}" for number in range(len(seen))]
    return seen.assign(id=ids, time=time, actual=actual, known=known)


def history(model: str, team: str, rows: int, random: np.random.Generator) -> pd.DataFrame:
    """Return cases of February, before any fault."""
    seen = cases(team, rows, random)
    return seen.assign(actual=outcomes(team, model, seen, random))
