"""What the explanation says of the demo's real flights, month by month."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.demo import data, train
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.sentences.causes import cause_sentence

CAUSES = 2


def months(directory: Path) -> list[Evaluation]:
    """Train in winter, and evaluate every fifth flight of March to July against the held-out days of winter."""
    flights = data.load()
    model = train.fit(flights)
    train.baseline_of(model, flights).save(directory / "baseline.json")
    rows = data.replayed_rows(flights)
    rows = rows[rows["time"].dt.month.between(3, 7)]  # in UTC, as windows of files are
    scored = rows[["id", "time", *data.FEATURES]].assign(score=model.predict_proba(rows[data.FEATURES])[:, 1])
    scored.to_parquet(directory / "flights.parquet")
    files = [directory / "flights.parquet"], directory / "baseline.json"
    return evaluate_files(EvaluationInputs(*files), EvaluationOptions(window="1mo"), lambda _: None).evaluations


def told(evaluations: list[Evaluation]) -> str:
    """Return the first causes of each month."""
    lines = []
    for one in evaluations:
        found = one.explanation
        assert found is not None
        assert found.score_was is not None
        assert found.score_now is not None
        score = f"mean score {found.score_was:.3f} → {found.score_now:.3f}"
        lines.append(f"    {datetime.fromtimestamp(one.window.start / 10**9, UTC):%B}: {score}")
        lines += [f"      {at}. {cause_sentence(cause)}" for at, cause in enumerate(found.causes[:CAUSES], 1)]
    return "\n".join(lines) + "\n"
