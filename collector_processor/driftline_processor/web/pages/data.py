"""Data quality: faults, expectations, missing values, completeness, and the delay of outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.evaluation import Evaluation, Judgement
from driftline_processor.core.quality.judge import CHECKS
from driftline_processor.present.json_shapes import Key, time_of
from driftline_processor.present.numbers import many
from driftline_processor.present.sections import data
from driftline_processor.present.sections.section import PAGE
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.web.charts.sparklines import share_line
from driftline_processor.web.charts.timelines import outcome_coverage
from driftline_processor.web.page import Page, Table, table_of
from driftline_processor.web.selection import Selection, about, common_context
from driftline_processor.web.site import Site

CHANGED = 0.01
"""Minimum change of the fraction of missing values, in any window shown, for a feature to be listed."""

FEATURES = 30
"""Number of features with their fraction of missing values, the most changed first."""

_ORDER: dict[Judgement, int] = {"broken": 0, "inconclusive": 1, "met": 2}


class MissingShare(Struct, frozen=True):
    """Fractions of missing values of a feature.

    Attributes:
        name: Name of the feature.
        was: Fraction in the baseline; None if unknown.
        now: Fraction in the selected window; None if the feature did not arrive.
        over_time: Fraction in each window shown; None if the feature did not arrive.
    """

    name: str
    was: float | None
    now: float | None
    over_time: tuple[float | None, ...]

    @property
    def most(self) -> float | None:
        """Largest fraction in the windows shown; None if the feature did not arrive in any of them."""
        return max((share for share in self.over_time if share is not None), default=None)

    @property
    def change(self) -> float:
        """Largest difference from the baseline, or between two windows if the baseline has none."""
        shares = [share for share in self.over_time if share is not None]
        if not shares:
            return 0.0
        references = [self.was] if self.was is not None else [min(shares), max(shares)]
        return max(abs(share - reference) for share in shares for reference in references)


def routes(site: Site) -> list[BaseRoute]:
    """Return the route of the page."""

    def show(selection: Selection, _: Request) -> Page:
        return page(selection, site.clock())

    return [Guarded("/models/{name:path}/data", site.shows_model(show), may="read")]


def page(selection: Selection, now: int) -> Page:
    """Return the data quality of a window and over the range."""
    context, chosen = common_context(selection, "data", now), selection.chosen
    missing = missing_shares(selection.shown_windows, chosen)
    expected = () if chosen is None else sorted(chosen.expected, key=lambda one: _ORDER[one.state])
    context |= {
        "fine": "" if chosen is None else fine_sentence(chosen),
        "findings": None if chosen is None else data.findings(chosen).on_surface(PAGE),
        "expectations": None if chosen is None else data.expectations(chosen).on_surface(PAGE),
        "met": None if chosen is None else data.met_expectations(chosen).on_surface(PAGE),
        "missing": missing[:FEATURES],
        "missing_more": max(len(missing) - FEATURES, 0),
        "share_line": share_line,
        "most_missing": max((part or 0.0 for row in missing[:FEATURES] for part in row.over_time), default=0.0) or 1.0,
        "coverage_chart": outcome_coverage(selection.shown_windows, chosen, selection.model.timezone),
    }
    tables = {
        "findings": table_of(
            () if chosen is None else chosen.findings,
            *(
                "check",
                Key("features", by=", ".join),
                "severity was now p_value",
                Key("sentence", "", finding_sentence),
            ),
        ),
        "expectations": table_of(
            expected, "feature rule state low high rows", Key("sentence", "", expectation_sentence)
        ),
        "missing": table_of(missing, "feature=name baseline=was window=now most change"),
        "outcomes": outcomes_table(selection.shown_windows),
        "sources": table_of(
            selection.model.pane_sources,
            *("source epoch panes rows outcomes", time_of("first"), time_of("last"), time_of("received")),
        ),
    }
    return Page("model/data.html", context, tables, about(selection))


def fine_sentence(evaluation: Evaluation) -> str:
    """Return a sentence on the checks without problems; "" if nothing could be checked.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.windows.window import Window
    >>> fine_sentence(Evaluation(ModelKey("churn"), Window("1d", 0, 1), 500, True))
    ''
    """
    compared_features = [feature for feature in evaluation.features.values() if feature.state != "no_baseline"]
    if not compared_features:
        return ""
    failed = {finding.check for finding in evaluation.findings}
    finding_words = "no problem" if not failed else "no other problem"
    checks, features = many(len(CHECKS) - len(failed), "check"), many(len(compared_features), "feature")
    return f"{checks} of {features} found {finding_words}."


def missing_shares(evaluations: Sequence[Evaluation], chosen: Evaluation | None) -> list[MissingShare]:
    """Return the features whose fraction of missing values changed by :data:`CHANGED` or more, largest change first."""
    missing = []
    drifts = [evaluation.drift for evaluation in evaluations]
    for name in dict.fromkeys(name for drift in drifts for name in drift.places):
        was = (drift.of(name, drift.missing_was) for drift in reversed(drifts))
        share_now = None if chosen is None else chosen.drift.of(name, chosen.drift.missing)
        over_time = tuple(drift.of(name, drift.missing) for drift in drifts)
        missing.append(
            MissingShare(name, next((share for share in was if share is not None), None), share_now, over_time)
        )
    return sorted((feature for feature in missing if feature.change >= CHANGED), key=lambda feature: -feature.change)


def outcomes_table(evaluations: Sequence[Evaluation]) -> Table:
    """Return a row for each window: number of known outcomes and their delay."""
    return table_of(
        evaluations,
        *(time_of("start", "window.start"), time_of("end", "window.end")),
        "closed rows outcomes=outcome_rows coverage",
        "median_s=delay.median p90_s=delay.p90 p99_s=delay.p99 label_sla=label_sla.state",
    )
