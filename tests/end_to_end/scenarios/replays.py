"""The rows and outcomes of scenarios 1, 9, 12 and 14, as a service and its users would send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from .killed import Processor
from .stage import Section, Windows, command, evaluated

START = pd.Timestamp("2026-03-02T00:00:00Z")
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """``rows``: what is predicted, without scores. ``truth``: what happens. ``outcomes``: what is said of it."""

    number: int
    model: str
    features: tuple[str, ...]
    window: str
    rows: Callable[[Rng, int], pd.DataFrame]
    truth: Callable[[Rng, pd.DataFrame], pd.Series]
    outcomes: Callable[[Rng, pd.DataFrame], pd.DataFrame]
    size: int
    hours: int


def moments(rng: Rng, size: int, hours: int) -> pd.DatetimeIndex:
    return START + pd.to_timedelta(np.sort(rng.uniform(0, hours * 3_600 * 1_000, size)).astype(int), unit="ms")


def likely(rng: Rng, logit: Any) -> pd.Series:
    return pd.Series((rng.random(len(logit)) < 1 / (1 + np.exp(-np.asarray(logit)))).astype(int))


def customers(rng: Rng, size: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tenure": rng.exponential(20, size),
            "charges": rng.normal(60, 20, size),
            "contract": rng.choice(["monthly", "yearly"], size),
        }
    )


def leaves(rng: Rng, rows: pd.DataFrame) -> pd.Series:
    late = 0.0 if "time" not in rows else np.where(rows["time"] >= START + pd.Timedelta(days=4), 1.0, 0.0)
    return likely(rng, 12 - rows["tenure"] + 0.05 * (rows["charges"] - 60) + 30 * late * (rows["tenure"] > 20))


def late_and_corrected(rng: Rng, rows: pd.DataFrame) -> pd.DataFrame:
    """Most outcomes within two days, some twice with another word, some taken back."""
    known = rows.sample(frac=0.85, random_state=1)
    said = known[["id", "actual"]].assign(
        time=known["time"] + pd.to_timedelta(rng.uniform(1, 47, len(known)), unit="h")
    )
    wrong = said.iloc[:80].assign(
        actual=1 - said["actual"].iloc[:80], time=said["time"].iloc[:80] - pd.Timedelta("30min")
    )
    back = said.iloc[100:130].assign(retracted=True, time=said["time"].iloc[100:130] + pd.Timedelta("1h"))
    again = said.iloc[100:110].assign(time=said["time"].iloc[100:110] + pd.Timedelta("2h"))
    return pd.concat([said, wrong, back, again]).assign(retracted=lambda it: it.get("retracted", False) == True)  # noqa: E712


def payments(rng: Rng, size: int) -> pd.DataFrame:
    return pd.DataFrame({"amount": rng.normal(0, 1, size)})


def fraud(rng: Rng, rows: pd.DataFrame) -> pd.Series:
    logit = 9 * (rows["amount"] - 0.8)
    if "time" in rows:
        logit = logit - 3 * (rows["time"] >= START + pd.Timedelta("3h"))
    return likely(rng, logit)


def reviewed(rng: Rng, rows: pd.DataFrame) -> pd.DataFrame:
    share = np.where(rows["score"] >= 0.5, 1 / 3, 1 / 50)
    chosen = rows[rng.random(len(rows)) < share]
    weight = np.where(chosen["score"] >= 0.5, 3.0, 50.0)
    late = pd.to_timedelta(rng.uniform(5, 500, len(chosen)), unit="s")
    return chosen[["id", "actual"]].assign(weight=weight, time=chosen["time"] + late)


def applicants(rng: Rng, size: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "income": rng.normal(0, 1, size),
            "debt": rng.normal(0, 1, size),
            "region": rng.choice(["north", "south"], size, p=[0.7, 0.3]),
        }
    )


def defaults(rng: Rng, rows: pd.DataFrame) -> pd.Series:
    worse = pd.Series(0.0, rows.index)
    if "time" in rows:
        worse += (rows["time"] >= START + pd.Timedelta("14D")) & (rows["region"] == "south")
    return likely(rng, (1 - worse) * (1.5 * rows["debt"] - 1.5 * rows["income"]) - 1)


def some_late(rng: Rng, rows: pd.DataFrame) -> pd.DataFrame:
    known = rows[rng.random(len(rows)) < 0.6]
    late = pd.to_timedelta(rng.exponential(6, len(known)), unit="D")
    group = rng.choice(["a", "b"], len(known))
    return known[["id", "actual"]].assign(time=known["time"] + late).assign(**{"slice.group": group})


def impressions(rng: Rng, size: int) -> pd.DataFrame:
    return pd.DataFrame({"age": rng.normal(0, 1, size), "hour": rng.integers(0, 24, size).astype(float)})


def clicked(rng: Rng, rows: pd.DataFrame) -> pd.Series:
    return likely(rng, 1.5 * rows["age"] + 0.02 * rows["hour"] - 1)


def of_the_first_hours(_: Rng, rows: pd.DataFrame) -> pd.DataFrame:
    known = rows[rows["time"] < START + pd.Timedelta("6h")]
    return known[["id", "actual"]].assign(time=known["time"] + pd.Timedelta("1h"))


CASES = [
    Case(1, "churn", ("tenure", "charges"), "1d", customers, leaves, late_and_corrected, 3_000, 7 * 24),
    Case(9, "fraud", ("amount",), "1h", payments, fraud, reviewed, 6_000, 7),
    Case(12, "credit", ("income", "debt"), "1w", applicants, defaults, some_late, 4_000, 5 * 7 * 24),
    Case(14, "clicks", ("age", "hour"), "1h", impressions, clicked, of_the_first_hours, 4_000, 13),
]


def made(case: Case, folder: Path) -> tuple[Any, pd.DataFrame, pd.DataFrame]:
    """Write the files of a case; return the model, the rows, and the outcomes in the order in which they come."""
    rng = np.random.default_rng(case.number)
    training, held_out = case.rows(rng, 4_000), case.rows(rng, 6_000)
    classifier = LogisticRegression().fit(training[list(case.features)], case.truth(rng, training))
    held_out["score"] = classifier.predict_proba(held_out[list(case.features)])[:, 1]
    held_out["actual"] = case.truth(rng, held_out)
    held_out.to_parquet(folder / "held_out.parquet")

    rows = case.rows(rng, case.size)
    rows.insert(0, "id", [f"{case.model}-{at}" for at in range(case.size)])
    rows.insert(1, "time", moments(rng, case.size, case.hours))
    if case.number == 14:
        rows["age"] -= 2.0 * (rows["time"] >= START + pd.Timedelta("6h"))  # who comes now clicks less
    truth = rows.assign(score=classifier.predict_proba(rows[list(case.features)])[:, 1], actual=case.truth(rng, rows))
    truth.drop(columns="actual").to_parquet(folder / "rows.parquet")
    outcomes = case.outcomes(rng, truth).sort_values("time", kind="stable").reset_index(drop=True)
    outcomes.to_parquet(folder / "outcomes.parquet")
    return classifier, rows, outcomes


@dataclass(frozen=True)
class Replay:
    """``told``: what files say of the rows and outcomes."""

    case: Case
    section: Section
    classifier: Any
    rows: pd.DataFrame
    outcomes: pd.DataFrame
    told: Windows


def staged(case: Case, folder: Path) -> Replay:
    """Make the files of a case in the folder in which we are, and evaluate them."""
    section = Section(case.number)
    classifier, rows, outcomes = made(case, folder)
    (folder / "driftline.yaml").write_text(section.yaml[0])
    build, evaluate = section.commands
    assert command(*build).exit_code == 0
    return Replay(case, section, classifier, rows, outcomes, evaluated(*evaluate))


def all_models(replays: list[Replay], folder: Path) -> str:
    """Return one configuration of all models, each as its section has it, with its baseline where it was built."""
    models: dict[str, Any] = {}
    for one in replays:
        said = yaml.safe_load(one.section.yaml[0])
        assert (list(said), list(said["models"])) == (["models"], [one.case.model])
        model = said["models"][one.case.model]
        models[one.case.model] = {**model, "baseline": str(folder / one.case.model / model["baseline"])}
    return yaml.safe_dump({"models": models})


def told(processor: Processor) -> list[dict[str, Any]]:
    """Return the alerts that the processor knows."""
    found: list[dict[str, Any]] = processor.get("/api/v1/alerts")["alerts"]
    return found


def send(processor: Processor, replay: Replay) -> None:
    """Send all rows over OTLP, and all their outcomes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTLINE_ENDPOINT", processor.otlp)
        patch.setenv("OTEL_TRACES_EXPORTER", "none")
        replay.section.run(0, {"classifier": replay.classifier})["score"](replay.rows)
        assert driftline.flush()
        driftline.shutdown()
    processor.post(replay.outcomes, replay.case.model)
