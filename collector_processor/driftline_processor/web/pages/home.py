"""The first page: a row for each model, the one that needs somebody first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from driftline_processor.core.evaluation import Evaluation, Verdict, VerdictState
from driftline_processor.core.verdict import ORDER
from driftline_processor.core.wording import iso_time
from driftline_processor.present import names, states, titles, verdicts
from driftline_processor.queries.overview import ModelView, has_performance, leading_model, verdict_of
from driftline_processor.web.page import Page, Table
from driftline_processor.web.place import Place
from driftline_processor.web.selection import default_window

DEFAULT_ADDRESSES = {"grpc": "127.0.0.1:4317", "http": "127.0.0.1:4318"}
"""The addresses of the OTLP receivers, for the page that says how to send the first prediction."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """All versions and environments of a model in one row.

    Attributes:
        model: The one that the verdict is about.
        versions: How many versions and environments there are.
        verdict: The verdict of them all.
        rows: Predictions of them all.
        received: When the newest of them arrived, unix nanoseconds, 0 = none.
        windows: The windows of ``model`` of the most informative length.
        measured: The newest of them whose performance is known.
        metric: The metric of it that stands for the model, "" where none is known.
    """

    model: ModelView
    versions: int
    verdict: Verdict | None
    rows: int
    received: int
    window: str
    windows: Sequence[Evaluation]
    measured: Evaluation | None
    metric: str

    @property
    def state(self) -> VerdictState:
        """The state of the verdict; unknown where there is none."""
        return "unknown" if self.verdict is None else self.verdict.state

    @property
    def address(self) -> str:
        """The address of the model's page."""
        return Place(names.handle(self.model.key.model)).address()


def page(
    known: Sequence[ModelView],
    hints: Sequence[str],
    now: int,
    addresses: Mapping[str, str],
    host: str,
    asked: QueryParams,
) -> Page:
    """Return the page of all models, or how to send the first prediction when there is none.

    Args:
        known: All versions of all models.
        hints: Sentences on what belongs to no model.
        now: Unix nanoseconds.
        addresses: Of the OTLP receivers.
        host: Of this page.
        asked: ``q`` searches names, ``state`` chooses one state.
    """
    if not known:
        where = {**DEFAULT_ADDRESSES, **addresses}
        return Page("start.html", {"now": now, "hints": hints, "host": host, "addresses": where})
    rows = model_rows(known)
    counts = Counter(row.state for row in rows)
    query, state = asked.get("q", "").strip(), asked.get("state", "")
    shown = [row for row in rows if (not state or row.state == state) and query.lower() in row.model.key.model.lower()]
    return Page(
        "home.html",
        {
            "now": now,
            "hints": hints,
            "rows": shown,
            "known": len(rows),
            "counts": [(one.state, counts[one.state]) for one in ORDER if counts[one.state]],
            "query": query,
            "state": state,
        },
        {"models": _table(shown)},
        {"hints": list(hints), "counts": dict(counts)},
    )


def model_rows(known: Sequence[ModelView]) -> list[ModelRow]:
    """Return a row for each model, the one that needs somebody first; equals stay in their order."""
    by_name: dict[str, list[ModelView]] = {}
    for model in known:
        by_name.setdefault(model.key.model, []).append(model)
    return verdicts.worst_first([_row(versions) for versions in by_name.values()], lambda row: row.verdict)


def _row(versions: Sequence[ModelView]) -> ModelRow:
    model = leading_model(versions)
    window = default_window(model)
    windows = model.windows.get(window, [])
    measured = model.measured(window) or next((one for one in reversed(windows) if has_performance(one)), None)
    metrics = titles.metric_names(measured.realized) if measured else []
    rows = sum(one.rows + one.distributed for one in versions)
    received = max(one.received for one in versions)
    telling = next((name for name in metrics if titles.direction(name)), "")
    return ModelRow(model, len(versions), verdict_of(versions), rows, received, window, windows, measured, telling)


def _table(rows: Sequence[ModelRow]) -> Table:
    columns = (
        "model",
        "version",
        "environment",
        "state",
        "since",
        "sentence",
        "next",
        "rows",
        "metric",
        "value",
        "drifted",
    )
    return Table(
        columns,
        [
            (
                *(row.model.key.model, row.model.key.version, row.model.key.environment, row.state),
                None if row.verdict is None or row.verdict.since is None else iso_time(row.verdict.since),
                None if row.verdict is None else verdicts.verdict_sentence(row.verdict),
                None if row.verdict is None else verdicts.verdict_next(row.verdict),
                row.rows,
                row.metric or None,
                None if row.measured is None or not row.metric else row.measured.realized[row.metric].value,
                states.drifted(row.windows[-1]) if row.windows else None,
            )
            for row in rows
        ],
    )
