"""Findings of the replay in sentences, each number from the processor's own evaluations.

Nothing here knows the answer: months are chosen by rules over the numbers, and a sentence whose condition does not hold
is not said. ``tests/end_to_end/demo`` recomputes the numbers with pandas and scikit-learn alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from .data import FEATURES, replayed_rows, training_rows

LARGE_PSI = 0.25


@dataclass(frozen=True, slots=True)
class Month:
    """One evaluated month, out of the JSON of ``/api``."""

    name: str
    rows: int
    coverage: float
    drifted: tuple[str, ...]
    effects: dict[str, float]
    score_psi: float
    mean_score: float
    actual_rate: float
    log_loss: float
    constant: float
    auc: float


def month_of(window: dict[str, Any]) -> Month | None:
    """Read one window; None while it lacks a number that the story needs."""
    realized = window["performance"]["realized"]
    needed = ("mean_score", "actual_rate", "log_loss", "log_loss_constant", "roc_auc")
    score = window["drift"]["score"]
    if score is None or any((realized.get(name) or {}).get("value") is None for name in needed):
        return None
    features = window["drift"]["features"]
    # Windows start at local midnight and are given in UTC; a day later it is the same month everywhere.
    start = pd.Timestamp(window["start"]) + pd.Timedelta(days=1)
    return Month(
        name=start.strftime("%B"),
        rows=window["rows"],
        coverage=window["outcomes"]["coverage"],
        drifted=tuple(name for name, feature in features.items() if feature["state"] == "drift"),
        effects={name: feature["methods"].get("ks", {}).get("value") or 0.0 for name, feature in features.items()},
        score_psi=score["methods"]["psi"]["value"],
        mean_score=realized["mean_score"]["value"],
        actual_rate=realized["actual_rate"]["value"],
        log_loss=realized["log_loss"]["value"],
        constant=realized["log_loss_constant"]["value"],
        auc=realized["roc_auc"]["value"],
    )


def log_loss_with_frozen_weather(model: Any, flights: pd.DataFrame, month: str) -> float:
    """Ask the model again about one month, with ``temp`` and ``dewp`` held at their training means."""
    rows = replayed_rows(flights)
    rows = rows[rows["late"].notna() & (rows["time"].dt.month_name() == month)]
    means = training_rows(flights)[["temp", "dewp"]].mean()
    frozen = rows[FEATURES].assign(temp=means["temp"], dewp=means["dewp"])
    return float(log_loss(rows["late"], model.predict_proba(frozen)[:, 1]))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def findings_of(
    months: list[Month], reference_log_loss: float, reference_auc: float, frozen: dict[str, float]
) -> list[str]:
    """Say what was found. ``frozen``: month → log loss with temperature and dew point held (see above)."""
    sentences: list[str] = []
    moved = [m for m in months if m.score_psi >= LARGE_PSI]
    if moved:
        first = moved[0]
        top = sorted(first.drifted, key=lambda name: -first.effects[name])[:2]
        which = " and ".join(f"{name} (KS {first.effects[name]:.2f})" for name in top)
        sentences.append(
            f"Before any label could say so, {which} left the winter the model was trained on: by {first.name} "
            f"the score distribution had moved with them (PSI {first.score_psi:.2f}, large from {LARGE_PSI})."
        )
    worse = [m for m in months if m.log_loss > m.constant]
    if worse:
        worst = max(worse, key=lambda m: m.log_loss - m.constant)
        sentences.append(
            f"It went wrong: in {worst.name} the model said {worst.mean_score:.1%} of the flights would be late and "
            f"{worst.actual_rate:.1%} were. Its log loss of {worst.log_loss:.3f} is worse than the "
            f"{worst.constant:.3f} of a constant that always says the winter's rate"
            + (f" (so it was in {_listed([m.name for m in worse])})." if len(worse) > 1 else ".")
        )
        repaired = frozen.get(worst.name)
        if repaired is not None and repaired < worst.constant:
            sentences.append(
                f"The cause is the weather it had never seen: asked again with temp and dewp held at their training "
                f"means, the same model's log loss in {worst.name} is {repaired:.3f}."
            )
    low, high = min(months, key=lambda m: m.auc), max(months, key=lambda m: m.auc)
    sentences.append(
        f"AUC would not have told: it stays between {low.auc:.2f} ({low.name}) and {high.auc:.2f} ({high.name}), "
        f"{reference_auc:.2f} on the winter's held-out days; ranking survived, calibration did not."
    )
    harmless = [m for m in moved if m.log_loss < min(m.constant, reference_log_loss)]
    if harmless:
        calm = max(harmless, key=lambda m: m.score_psi)
        sentences.append(
            f"Drift is not loss: {calm.name}'s scores are far from the winter's, too (PSI {calm.score_psi:.2f}), and "
            f"its log loss of {calm.log_loss:.3f} is better than the winter's own {reference_log_loss:.3f}."
        )
    unseen = [m for m in months if m.score_psi < LARGE_PSI / 2.5 and m.log_loss > reference_log_loss * 1.1]
    if unseen:
        quiet = max(unseen, key=lambda m: m.log_loss)
        sentences.append(
            f"And loss is not drift: {quiet.name}'s scores look like the winter's (PSI {quiet.score_psi:.2f}), yet "
            f"{quiet.actual_rate:.1%} were late where the model said {quiet.mean_score:.1%}: log loss "
            f"{quiet.log_loss:.3f}. Only the outcomes show it."
        )
    return sentences


def reference_of(model: Any, reference: pd.DataFrame) -> tuple[float, float]:
    """Log loss and AUC on the held-out winter days."""
    known = reference[reference["late"].notna()]
    scores = np.asarray(model.predict_proba(known[FEATURES])[:, 1])
    return float(log_loss(known["late"], scores)), float(roc_auc_score(known["late"], scores))
