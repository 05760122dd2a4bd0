"""The selection of a model's page: the version, the range of windows, and the selected window."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException

from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation, MetricValue, Verdict, VerdictState, newest_closed
from driftline_processor.core.policy.firing import with_alert
from driftline_processor.present import times
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.names import handle
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ENOUGH_OUTCOMES, ModelView, leading_model, verdict_of
from driftline_processor.web.parameters import nearest_window, no_window, read_moment

from .place import Place, api_address, place_of

SHOWN = 90
"""Default number of windows on a timeline: four days of hours, a quarter of days."""

MOST_SHOWN = 1000
"""Upper limit of windows on a timeline, the newest of the range: there are no more pixels."""


MOST_SLICES = 200
"""Upper limit of slices in a form."""

PRESETS = (7, 30, 90)
"""Preset ranges in days before the newest window."""

ALL = "all"
"""Value of ``since`` for a range that begins with the first window."""

_DAY = 86_400 * 10**9
_BEFORE_THE_NEWEST = re.compile(r"-([1-9][0-9]{0,4})([hd])")


class RangeChoice(NamedTuple):
    """A range to choose: its name, the address of this page with it, and whether it is selected."""

    words: str
    address: str
    chosen: bool


class Selection(Struct, frozen=True):
    """The data of a model that a page shows.

    Attributes:
        place: The parameters of the address.
        model: The version and environment of the address.
        versions: All versions and environments of that model.
        window: The length of the windows, "" if there is none yet.
        windows_of_length: All windows of that length, oldest first.
        shown_windows: Windows of the range.
        chosen: The selected window; None if none has been evaluated.
        instead: Why the selected window is not the requested one; "" if it is.
    """

    place: Place
    model: ModelView
    versions: tuple[ModelView, ...]
    window: str
    windows_of_length: Sequence[Evaluation]
    shown_windows: Sequence[Evaluation]
    chosen: Evaluation | None
    instead: str = ""

    def to(self, evaluation: Evaluation, page: str = "", target: str = "") -> str:
        """Return the address of a window, on a page of this model."""
        before, after = _around_moment(self.place, self.window, page, target)
        return before + quote_plus(iso_time(evaluation.window.start)) + after

    def address_of(self, model: ModelView, page: str = "") -> str:
        """Return the address of another version or environment of this model."""
        place = place_of(model)
        return self.place.address(page, version=place.version, environment=place.environment)

    @property
    def earlier(self) -> Evaluation | None:
        """The window before the selected one."""
        index = self._at()
        return self.windows_of_length[index - 1] if index else None

    @property
    def next_window(self) -> Evaluation | None:
        """The window after the selected one."""
        index = self._at()
        return (
            self.windows_of_length[index + 1] if index is not None and index + 1 < len(self.windows_of_length) else None
        )

    def ranges(self, page: str = "") -> Iterator[RangeChoice]:
        """Yield the ranges with different windows: the default, the presets, and all."""
        if len(self.windows_of_length) < 2:
            return
        place = replace(self.place, at="", until="")
        length = self.windows_of_length[-1].window.end - self.windows_of_length[-1].window.start
        span = self.windows_of_length[-1].window.end - self.windows_of_length[0].window.start
        free, since = not self.place.until, self.place.since
        for days in PRESETS:
            if 2 * length <= days * _DAY < span:
                yield RangeChoice(f"{days} days", place.address(page, since=f"-{days}d"), free and since == f"-{days}d")
        if len(self.windows_of_length) > SHOWN:
            words = f"{SHOWN} windows"
            yield RangeChoice(words, place.address(page, since=""), free and not since)
        shows_all = free and (since == ALL or (not since and len(self.windows_of_length) <= SHOWN))
        yield RangeChoice("all", place.address(page, since=ALL), shows_all)

    def slice_names(self) -> list[str]:
        """Return the slices of the selected window and of the address."""
        window_slices = () if self.chosen is None else (*self.chosen.performance_slices, *self.chosen.slices)
        return sorted({*window_slices, *self.place.slices})[:MOST_SLICES]

    @property
    def reference(self) -> Mapping[str, MetricValue]:
        """Performance of the baseline."""
        if self.chosen is None:
            return {}
        evaluations = (self.chosen, *reversed(self.shown_windows))
        return next((evaluation.reference for evaluation in evaluations if evaluation.reference), {})

    @property
    def past(self) -> bool:
        """Whether windows have closed after the selected one, so that the current verdict is not about it.

        A window that the address names is a time of the record, which has rows of windows of all lengths.
        """
        if self.chosen is None or not (self.place.at or self.place.until):
            return False
        lengths = self.model.windows.values() if self.place.at else (self.windows_of_length,)
        newest = filter(None, map(newest_closed, lengths))
        return any(one.window.end > self.chosen.window.end for one in newest)

    def with_outcomes(self) -> Selection:
        """Return the selection of the newest window whose performance is known, if the address names no window.

        The newest window waits for its outcomes in every model whose outcomes take longer than a window.
        """
        chosen = self.chosen
        if chosen is None or self.place.at or self.place.until or chosen.outcome_rows >= ENOUGH_OUTCOMES:
            return self
        newest = self.model.measured(self.window)
        of_it = (one for one in self.shown_windows if newest is not None and one.window == newest.window)
        found = next((one for one in of_it if one.outcome_rows > chosen.outcome_rows), None)
        if found is None:
            return self
        name = times.window_name(found.window, self.model.timezone)
        return replace(
            self, chosen=found, instead=f"{name} has the newest final outcomes; later windows wait for theirs."
        )

    @property
    def as_of(self) -> str:
        """End of the selected window in words if its verdict is not the current one; else ""."""
        return "" if self.chosen is None or not self.past else times.window_end(self.chosen.window, self.model.timezone)

    @property
    def states(self) -> list[VerdictState]:
        """The state of the model as of the end of each shown window."""
        return self.states_of(self.shown_windows)

    def states_of(self, evaluations: Iterable[Evaluation]) -> list[VerdictState]:
        """Return the state of the model as of the end of each window; the current one for open windows."""
        now: VerdictState = "unknown" if self.model.verdict is None else self.model.verdict.state

        def state(one: Evaluation) -> VerdictState:
            if one.verdict is not None:  # windows of files have it, also those without times
                return one.verdict.state
            return self.model.record.state_as_of(one.window.end) if one.closed else now

        return [state(one) for one in evaluations]

    def verdict(self) -> Verdict | None:
        """Return the verdict as of the end of the selected window, from all data known today."""
        model, chosen = self.model, self.chosen
        return model.verdict if chosen is None or not self.past else model.record.as_of(chosen.window.end)

    def _at(self) -> int | None:
        if self.chosen is None:
            return None
        start = self.chosen.window.start
        return next(
            index for index, evaluation in enumerate(self.windows_of_length) if evaluation.window.start == start
        )


_MOMENT = "\0"
"""Placeholder of a time in an address that is computed once for all windows of a page; no name contains it."""


@lru_cache(maxsize=256)
def _around_moment(place: Place, window: str, page: str, target: str) -> tuple[str, str]:
    """Return the parts of the windows' addresses before and after the time."""
    before, _, after = place.address(page, target, at=_MOMENT, window=window).partition(quote_plus(_MOMENT))
    return before, after


def select(place: Place, model_views: Sequence[ModelView]) -> Selection:
    """Return the selection of an address. Raises 404 or 400 with a sentence if something does not exist."""
    same = tuple(model for model in model_views if handle(model.key.model) == place.model)
    model = _model(place, same)
    window = place.window or default_window(model)
    windows = model.windows.get(window)
    if windows is None and window:
        raise no_window(model, window)
    if not windows:
        return Selection(
            place=place, model=model, versions=same, window=window, windows_of_length=(), shown_windows=(), chosen=None
        )
    index, instead = _chosen(windows, place, model.timezone)
    begin, end = _range(windows, index, place)
    recorded = [*windows[:begin], *with_track_records(windows, begin)]
    return Selection(
        place=place,
        model=model,
        versions=same,
        window=window,
        windows_of_length=recorded,
        shown_windows=recorded[begin:end],
        chosen=recorded[index],
        instead=instead,
    )


def default_window(model: ModelView) -> str:
    """Return the longest window length with a closed window, else the shortest."""
    length = {name: window[-1].window.end - window[-1].window.start for name, window in model.windows.items() if window}
    closed = [name for name in length if any(evaluation.closed for evaluation in model.windows[name])]
    if closed:
        return max(closed, key=lambda name: length[name])
    return min(length, key=lambda name: length[name]) if length else next(iter(model.windows), "")


def _model(place: Place, same: Sequence[ModelView]) -> ModelView:
    parts = {"version": place.version, "environment": place.environment}
    parts_given = {part: value for part, value in parts.items() if value is not None}
    fitting = [
        view for view in same if all(handle(getattr(view.key, part)) == value for part, value in parts_given.items())
    ]
    if not fitting:
        words = " and ".join(f"{part} {value[:80]!r}" for part, value in parts_given.items())
        raise HTTPException(
            404,
            f"model {place.model[:80]!r} has no {words}; "
            f"/models/{place.model[:80]} shows its versions and environments",
        )
    return leading_model(fitting)


def _chosen(windows: Sequence[Evaluation], place: Place, timezone: str) -> tuple[int, str]:
    """Return the index of the selected window, and why it is not the requested one."""
    if place.at:
        return nearest_window(windows, read_moment(place.at, "at"), timezone)
    since, until = _limits(windows, place)
    before = [index for index, window in enumerate(windows) if window.window.start < until]
    indices = before or range(len(windows))
    chosen = next((index for index in reversed(indices) if windows[index].closed), indices[-1])
    if not (place.since or place.until) or (before and since < windows[before[-1]].window.end):
        return chosen, ""
    return (
        chosen,
        f"There is no window in this range; the page shows {times.window_name(windows[chosen].window, timezone)}.",
    )


def _range(windows: Sequence[Evaluation], chosen: int, place: Place) -> tuple[int, int]:
    """Return the indices of the windows of the range, which always includes the selected one."""
    if not place.since and not place.until:
        begin = max(min(chosen - SHOWN // 2, len(windows) - SHOWN), 0)
        return begin, min(begin + SHOWN, len(windows))
    since, until = _limits(windows, place)
    within = [
        index for index, window in enumerate(windows) if since < window.window.end and window.window.start < until
    ]
    begin, end = (within[0], within[-1] + 1) if within else (chosen, chosen + 1)
    begin, end = min(begin, chosen), max(end, chosen + 1)
    return max(begin, end - MOST_SHOWN), end


def _limits(windows: Sequence[Evaluation], place: Place) -> tuple[int, int]:
    """Return the begin and the end of the range; ``-30d`` begins 30 days before the end of the newest window."""
    end = windows[-1].window.end
    until = read_moment(place.until, "to", end)
    before = _BEFORE_THE_NEWEST.fullmatch(place.since)
    if before is not None:
        return end - int(before[1]) * (_DAY if before[2] == "d" else _DAY // 24), until
    since = 0 if place.since == ALL else read_moment(place.since, "from", 0)
    if place.until and place.since and place.since != ALL and since >= until:
        raise HTTPException(
            400, f"from={place.since[:40]} is not before to={place.until[:40]}; put the earlier one first"
        )
    return since, until


def common_context(selection: Selection, tab: str, now: int) -> dict[str, Any]:
    """Return the template variables of the frame of a model's page."""
    model = selection.model
    return {
        "selection": selection,
        "place": selection.place,
        "model": model,
        "same": selection.versions,
        "window": selection.window,
        "chosen": selection.chosen,
        "shown": selection.shown_windows,
        "reference": selection.reference,
        "tab": tab,
        "now": now,
        "at": lambda evaluation: selection.to(evaluation, tab),
        "lead": lambda evaluation: selection.to(evaluation, tab),
        "api": lambda resource, **asked: api_address(model, resource, asked),
    }


def about(selection: Selection, policies: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON keys next to the tables of a model's page.

    Args:
        selection: The selection of the page.
        policies: The policies of the model with an open alert that has sent a notification.
    """
    model, chosen = selection.model, selection.chosen
    return {
        "model": model.key.model,
        "version": model.key.version,
        "environment": model.key.environment,
        "verdict": json_of(
            selection.verdict() if selection.past else with_alert(verdict_of(selection.versions), policies)
        ),
        "window": selection.window,
        "start": None if chosen is None else iso_time(chosen.window.start),
        "end": None if chosen is None else iso_time(chosen.window.end),
        "timezone": model.timezone,
        "instead": selection.instead or None,
    }
