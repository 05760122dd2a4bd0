"""Findings of the replay: the processor's own verdicts, and one experiment that only the demo can make.

Nothing here knows the answer: months are chosen by rules over the verdicts, and a finding whose condition does not hold
is not told. ``tests/end_to_end/demo`` recomputes the numbers with pandas and scikit-learn alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from msgspec import Struct
from sklearn.metrics import log_loss

from driftline_processor.present.numbers import number

from .data import FEATURES, replayed_rows, training_rows

LARGE_PSI = 0.25


class Month(Struct, frozen=True):
    """One evaluated month, out of the JSON of ``/api``.

    Attributes:
        name: Its name.
        state: The state of its verdict.
        sentence: The verdict's sentence.
        advice: What the verdict says to do.
        score_psi: How far the scores are from the winter's.
        over_constant: Log loss of the model less that of a constant.
    """

    name: str
    state: str
    sentence: str
    advice: str
    score_psi: float
    over_constant: float


def month_of(window: Mapping[str, Any]) -> Month | None:
    """Read one window; None while it lacks what the findings need."""
    realized, score, verdict = window["performance"]["realized"], window["drift"]["score"], window["verdict"]
    loss, constant = ((realized.get(name) or {}).get("value") for name in ("log_loss", "log_loss_constant"))
    if verdict is None or score is None or loss is None or constant is None or not window["closed"]:
        return None
    # Windows start at local midnight and are given in UTC; a day later it is the same month everywhere.
    start = pd.Timestamp(window["start"]) + pd.Timedelta(days=1)
    return Month(
        name=start.strftime("%B"),
        state=verdict["state"],
        sentence=verdict["sentence"],
        advice=verdict["next"],
        score_psi=score["methods"]["psi"]["value"],
        over_constant=loss - constant,
    )


def findings_of(answer: Mapping[str, Any], loss_with_frozen_weather: Callable[[str], float]) -> list[str]:
    """Return the verdict on the model, then on the months that show most.

    Args:
        answer: What ``/api`` answers about the months.
        loss_with_frozen_weather: Name of a month → the model's log loss in it with the weather of the winter.
    """
    verdict = answer["verdict"]
    sentences = [] if verdict is None else [f"{verdict['sentence']} {verdict['next']}"]
    months = [month for window in answer["windows"] if (month := month_of(window)) is not None]
    warned = [month for month in months if month.state == "at_risk"]
    wrong = [month for month in months if month.state == "degraded"]
    if warned and wrong and months.index(warned[0]) < months.index(wrong[0]):
        sentences.append(f"{warned[0].name} gave a warning before the performance dropped. {warned[0].sentence}")
    if wrong:
        worst = max(wrong, key=lambda month: month.over_constant)
        sentences.append(f"{worst.name} was the worst month. {worst.sentence} {worst.advice}")
        mended = loss_with_frozen_weather(worst.name)
        sentences.append(
            f"For {worst.name}, with temp and dewp set to their training means, the same model has a log loss of "
            f"{number(mended)}: the cause was weather that was not in the training data."
        )
    calm = [month for month in months if month.state == "healthy" and month.score_psi >= LARGE_PSI]
    if calm:
        furthest = max(calm, key=lambda month: month.score_psi)
        sentences.append(f"{furthest.name} shows drift without a drop of performance. {furthest.sentence}")
    unseen = [month for month in wrong if month.score_psi < LARGE_PSI / 2]
    if unseen:
        nearest = min(unseen, key=lambda month: month.score_psi)
        sentences.append(f"{nearest.name} shows a drop of performance without drift of the scores. {nearest.sentence}")
    return sentences


def log_loss_with_frozen_weather(model: Any, flights: pd.DataFrame, month: str) -> float:
    """Ask the model again about one month, with ``temp`` and ``dewp`` held at their training means."""
    rows = replayed_rows(flights)
    rows = rows[rows["late"].notna() & (rows["time"].dt.month_name() == month)]
    means = training_rows(flights)[["temp", "dewp"]].mean()
    frozen = rows[FEATURES].assign(temp=means["temp"], dewp=means["dewp"])
    return float(log_loss(rows["late"], model.predict_proba(frozen)[:, 1]))
