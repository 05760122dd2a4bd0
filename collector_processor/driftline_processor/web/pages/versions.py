"""Versions of a model: comparison with the champion, traffic, and two versions or two windows side by side."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MetricValue
from driftline_processor.core.retraining.past import RetrainGain
from driftline_processor.present.json_shapes import Key, or_null, time_of
from driftline_processor.present.metrics import metric_names
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import finite
from driftline_processor.present.sections import versions as version_sections
from driftline_processor.present.sections.section import PAGE
from driftline_processor.present.sentences.register import clause
from driftline_processor.present.sentences.verdict import verdict_sentence
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import iso_time, short
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.retraining import gains_of_model
from driftline_processor.web.charts.distributions import distribution
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.parameters import nearest_window, read_moment
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

SIDES = ("left", "right")
METRIC_COLUMNS = {"": "value", "_low": "low", "_high": "high", "_rows": "rows"}

FEATURES = 50
"""Features side by side on the page, those with the largest difference; the CSV has all."""


RUNS = 10
"""Training runs on the page, the newest; the CSV has all."""


class Side(Struct, frozen=True):
    """One side of a comparison: a version of the model in a window.

    Attributes:
        model: The version and environment.
        evaluation: Its window.
        title: Its title, which distinguishes it from the other side.
    """

    model: ModelView
    evaluation: Evaluation
    title: str


class MetricPair(Struct, frozen=True):
    """One metric of both sides; None if a side lacks it."""

    name: str
    left: MetricValue | None
    right: MetricValue | None

    @property
    def difference(self) -> float | None:
        """Right minus left."""
        if self.left is None or self.right is None or self.left.value is None or self.right.value is None:
            return None
        return self.right.value - self.left.value

    @property
    def is_separate(self) -> bool | None:
        """Whether the intervals do not overlap; None if a side has no interval."""
        if self.left is None or self.right is None:
            return None
        ends = (self.left.low, self.left.high, self.right.low, self.right.high)
        if any(end is None for end in ends):
            return None
        low, high, other_low, other_high = (float(end) for end in ends if end is not None)
        return high < other_low or other_high < low


class DriftPair(Struct, frozen=True):
    """The drift of one feature on both sides, each from its own baseline; None if a side lacks it."""

    name: str
    left: ColumnDrift | None
    right: ColumnDrift | None

    @property
    def difference(self) -> float:
        """Absolute difference of the two PSI values; infinite if only one side has the feature."""
        sizes = [_psi(column) for column in (self.left, self.right)]
        if self.left is None or self.right is None:
            return float("inf")
        return abs((sizes[1] or 0.0) - (sizes[0] or 0.0))


class SideBySide(Struct, frozen=True):
    """Two versions or two windows side by side.

    Attributes:
        left: The selected window.
        right: The other side of the comparison.
        metrics: Pairs, the most important first.
        features: Pairs, the largest difference first.
        score: The scores of both in one drawing; None if their cells differ.
        scores: The drawing of each side next to its own baseline if the cells differ.
        instead: Why the right window is not the requested one; "" if it is.
    """

    left: Side
    right: Side
    metrics: tuple[MetricPair, ...]
    features: tuple[DriftPair, ...]
    score: Markup | None
    scores: tuple[Markup | None, ...]
    instead: str = ""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, request: Request) -> Page:
        return page(selection, site.clock(), request.query_params.get("compare", ""))

    return [Guarded("/models/{name:path}/versions", site.shows_model(show), may="read")]


def page(selection: Selection, now: int, compare: str = "") -> Page:
    """Return the versions of a model and the selected window next to another version or window.

    Args:
        selection: The model, the range, and the selected window.
        now: Unix nanoseconds.
        compare: ``version:`` and a version, or ``at:`` and a time in another window; "" compares nothing.
    """
    context = common_context(selection, "versions", now)
    ranked = sorted(selection.versions, key=lambda view: -view.last)
    comparison = None if not compare or selection.chosen is None else side_by_side(selection, selection.chosen, compare)
    context |= {
        "compared": [
            version_sections.comparison(side, selection.model.timezone).on_surface(PAGE)
            for side in selection.model.versions
        ],
        "versions": [(view, traffic_share(selection, view)) for view in ranked],
        "compare": compare,
        "found": comparison,
        "features": comparison.features[:FEATURES] if comparison else (),
        "features_more": max(len(comparison.features) - FEATURES, 0) if comparison else 0,
        "other_versions": _offered_versions(selection),
        "other_windows": _offered_windows(selection),
        "psi": _psi,
    }
    loss, gains = gains_of_model(selection.versions)
    context |= {"loss": loss, "gains": gains[::-1][:RUNS], "gains_more": max(len(gains) - RUNS, 0)}
    tables = {"versions": _versions_table(selection, ranked)}
    if gains:
        tables["training_runs"] = _runs_table(gains)
    if comparison is not None:
        tables |= {"metrics": _metrics_table(comparison), "features": _features_table(comparison)}
    compared = {"compare": compare or None, "compared_instead": (comparison.instead or None) if comparison else None}
    return Page("model/versions.html", context, tables, {**about(selection), **compared})


def side_by_side(selection: Selection, chosen: Evaluation, compare: str) -> SideBySide:
    """Return the selected window next to the side that ``compare`` names. Raises 400 or 404 with a sentence."""
    kind, _, name = compare.partition(":")
    tz, instead = selection.model.timezone, ""
    if kind == "version":
        right = _version_side(selection, chosen, name)
    elif kind == "at":
        nearest, instead = nearest_window(selection.windows_of_length, read_moment(name, "compare=at:"), tz)
        other_evaluation = selection.windows_of_length[nearest]
        right = Side(selection.model, other_evaluation, window_name(other_evaluation.window, tz))
    else:
        raise HTTPException(400, "compare must have the form version:VERSION or at:TIME, as in ?compare=at:2026-03-01")
    same_model = right.model is selection.model
    left = Side(
        selection.model,
        chosen,
        window_name(chosen.window, tz) if same_model else _version_title(selection.model, selection.versions),
    )
    before, after = left.evaluation, right.evaluation
    names = metric_names(dict.fromkeys((*before.realized, *after.realized)))
    metrics = tuple(MetricPair(one, before.realized.get(one), after.realized.get(one)) for one in names)
    features = [
        DriftPair(one, before.features.get(one), after.features.get(one))
        for one in dict.fromkeys((*before.features, *after.features))
    ]
    features.sort(key=lambda pair: -pair.difference)
    score = scores_together(before.score or before.predicted, after.score or after.predicted)
    distributions = [distribution(one.score) if one.score else None for one in (before, after)]
    return SideBySide(
        left=left,
        right=right,
        metrics=metrics,
        features=tuple(features),
        score=score,
        scores=() if score is not None else tuple(distributions),
        instead=instead,
    )


def scores_together(left: ColumnDrift | None, right: ColumnDrift | None) -> Markup | None:
    """Draw two distributions over the same cells in one picture: the left as an outline, the right as bars."""
    if left is None or right is None or left.now is None or right.now is None or left.cells != right.cells:
        return None
    return distribution(replace(right, was=left.now))


def traffic_share(selection: Selection, model: ModelView) -> float | None:
    """Return a version's fraction of all predictions in the selected window; None if there are none."""
    if selection.chosen is None:
        return None
    window = selection.chosen.window
    rows = {id(view): _rows_within(view, selection.window, window.start, window.end) for view in selection.versions}
    total = sum(rows.values())
    return rows[id(model)] / total if total else None


def _rows_within(model: ModelView, name: str, start: int, end: int) -> int:
    return sum(
        evaluation.rows
        for evaluation in model.windows.get(name, ())
        if evaluation.window.start < end and start < evaluation.window.end
    )


def _version_side(selection: Selection, chosen: Evaluation, name: str) -> Side:
    """Return another version in the same window, else in its newest closed window of that length."""
    fitting = [view for view in selection.versions if handle(view.key.version) == name and view is not selection.model]
    environment = selection.model.key.environment
    fitting.sort(key=lambda view: (view.key.environment != environment, -(view.rows + view.distributed)))
    if not fitting:
        raise HTTPException(
            404,
            f"this model has no other version {name[:80]!r}; the table of versions lists all versions",
        )
    model = fitting[0]
    windows = model.windows.get(selection.window, [])
    at_once = [window for window in windows if window.window.start == chosen.window.start]
    closed = [window for window in windows if window.closed]
    evaluations = at_once or closed[-1:] or windows[-1:]
    if not evaluations:
        raise HTTPException(404, f"version {name[:80]!r} has no window of this length; choose another length")
    return Side(model, evaluations[0], _version_title(model, selection.versions))


def _version_title(model: ModelView, same: Sequence[ModelView]) -> str:
    version = short(model.key.version, 32) or "no version"
    twice = sum(view.key.version == model.key.version for view in same) > 1
    return f"{version} in {short(model.key.environment, 32) or 'no environment'}" if twice else version


def _offered_versions(selection: Selection) -> list[tuple[str, str]]:
    """Return value and title of each other version."""
    other_versions = dict.fromkeys(
        view.key.version for view in selection.versions if view.key.version != selection.model.key.version
    )
    return [(f"version:{handle(version)}", short(version, 40) or "no version") for version in other_versions]


def _offered_windows(selection: Selection) -> list[tuple[str, str]]:
    """Return value and title of each other window, newest first."""
    timezone = selection.model.timezone
    # 90: windows in the list to compare with, the newest
    other_windows = [
        evaluation for evaluation in reversed(selection.windows_of_length) if evaluation is not selection.chosen
    ][:90]
    return [
        (f"at:{iso_time(evaluation.window.start)}", window_name(evaluation.window, timezone))
        for evaluation in other_windows
    ]


def _psi(column: ColumnDrift | None) -> float | None:
    psi = None if column is None else column.methods.get("psi")
    return None if psi is None else finite(psi.value)


def _versions_table(selection: Selection, ranked: Sequence[ModelView]) -> Table:
    return table_of(
        ranked,
        "version=key.version environment=key.environment state=verdict.state",
        Key("sentence", "verdict", lambda verdict: verdict_sentence(verdict) if verdict else None),
        Key("traffic_share", "", lambda view: traffic_share(selection, view)),
        Key("rows", "", lambda view: view.rows + view.distributed),
        "outcomes",
        Key("first", "", lambda view: iso_time(view.first) if view.received else None),
        Key("last", "", lambda view: iso_time(view.last) if view.received else None),
        "baseline=baseline.source in_use shadow",
    )


def _runs_table(gains: Sequence[RetrainGain]) -> Table:
    return table_of(
        gains,
        "id=run.id version=run.version",
        time_of("end", "run.end"),
        *(f"{name}=run.{name}" for name in ("seconds", "cpu_seconds", "gpu_seconds", "peak_memory", "cost")),
        or_null("currency", "run.currency"),
        "loss_before=before loss_after=after loss_reference=reference recovered_share=recovered",
        Key("reason", by=lambda reason: clause(reason) or None),
        or_null("error", "run.error"),
    )


def _metrics_table(side_by_side: SideBySide) -> Table:
    values = [" ".join(f"{side}{key}={side}.{path}" for key, path in METRIC_COLUMNS.items()) for side in SIDES]
    return table_of(side_by_side.metrics, "metric=name", *values, "difference intervals_apart=is_separate")


def _features_table(side_by_side: SideBySide) -> Table:
    drifts: list[str | Key] = []
    for side in SIDES:
        drifts += [
            f"{side}_state={side}.state",
            or_null(f"{side}_size", f"{side}.size"),
            Key(f"{side}_psi", side, _psi),
        ]
    return table_of(side_by_side.features, "feature=name", *drifts)
