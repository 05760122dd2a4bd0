"""Applications for credit, and who falls behind. Simulated, since no free stream has decisions with late outcomes.

Seeded: from 4 May on the credit bureau of the south sends `utilisation` in percent instead of a fraction. Of the
applications of the week from 6 April, two in three outcomes come three weeks late, because a bank's file was lost.
"""

import numpy as np
import pandas as pd

START, WEEKS = pd.Timestamp("2026-03-02T00:00:00Z"), 13
BROKEN_FROM = pd.Timestamp("2026-05-04T00:00:00Z")
LATE_WEEK = pd.Timestamp("2026-04-06T00:00:00Z")
WEEK, LOST = pd.Timedelta("7D"), pd.Timedelta("21D")
REGIONS = {"north": 0.25, "east": 0.2, "south": 0.33, "west": 0.22}
FEATURES = ["age", "income", "utilisation", "months_at_address", "open_accounts", "late_payments", "amount"]


def applications(start: pd.Timestamp, days: int, random: np.random.Generator) -> pd.DataFrame:
    """Return the applications of some days as the applicants made them, with who falls behind."""
    per_day = random.poisson(np.where(np.arange(days) % 7 < 5, 100, 50))
    rows = int(per_day.sum())
    seconds = np.repeat(np.arange(days), per_day) * 86_400 + random.uniform(8, 20, rows) * 3_600
    strain = random.normal(0, 1, rows)  # nobody sees how a household fares, only what follows from it
    table = pd.DataFrame(
        {
            "time": start + pd.to_timedelta(np.sort(seconds).round(), "s"),
            "region": random.choice([*REGIONS], rows, p=[*REGIONS.values()]),
            "age": random.normal(43, 13, rows).clip(18, 85).round(),
            "income": np.exp(random.normal(7.8, 0.45, rows) - 0.1 * strain).round(-1),
            "utilisation": (1 / (1 + np.exp(0.6 - 1.3 * strain - random.normal(0, 0.8, rows)))).round(3),
            "months_at_address": random.exponential(60, rows).round(),
            "open_accounts": random.poisson(np.exp(1.0 + 0.2 * strain)),
            "late_payments": random.poisson(np.exp(-1.3 + 0.5 * strain)),
            "amount": np.exp(random.normal(8.9, 0.6, rows)).round(-2),
        }
    )
    risk = (
        5.5 * table["utilisation"]
        + 0.3 * table["late_payments"]
        - 0.5 * np.log(table["income"] / 2_400)
        - 0.015 * (table["age"] - 43)
        - 0.002 * table["months_at_address"]
        + 0.35 * np.log(table["amount"] / 7_000)
    )
    defaulted = random.random(rows) < 1 / (1 + np.exp(3.8 - risk))
    return table.assign(id=[f"application-{start:%m%d}-{number}" for number in range(rows)], defaulted=defaulted * 1)


def as_served(table: pd.DataFrame) -> pd.DataFrame:
    """Return the applications as the service sees them: with the fault of the bureau in the south."""
    percent = (table["region"] == "south") & (table["time"] >= BROKEN_FROM)
    return table.assign(utilisation=table["utilisation"].mask(percent, (100 * table["utilisation"]).round(1)))


def outcomes(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return id, time and `defaulted` of the first instalments that banks report: of 60 %, after five to 14 days."""
    known = table[random.random(len(table)) < 0.6]
    delay = pd.to_timedelta(random.uniform(5, 13.9, len(known)) * 86_400, "s").round("s")
    late_week = (known["time"] >= LATE_WEEK) & (known["time"] < LATE_WEEK + WEEK)
    lost = late_week & (random.random(len(known)) < 2 / 3)
    return known[["id", "defaulted"]].assign(time=known["time"] + delay + lost.astype(int) * LOST)
