"""Hints: missing settings and data with the fix, one sentence each.

Among them: a baseline that was not held out, because every window since is worse than its own rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from driftline.semconv import attributes as a
from msgspec import Struct, field

from driftline_processor.config.model import Model
from driftline_processor.config.policy_warnings import no_room
from driftline_processor.core.drift.method_choice import misfits
from driftline_processor.core.evaluation import Evaluation, newest_window
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.outcomes.unknown import STRAYS, UnknownOutcomes
from driftline_processor.core.performance.objective import newest_objectives
from driftline_processor.core.verdict.training_rows import never_as_good
from driftline_processor.core.windows.improbable_times import ImprobableTimes
from driftline_processor.ingest.changes import SeriesTotals
from driftline_processor.ingest.completeness import Balance
from driftline_processor.present.metrics import metric_title
from driftline_processor.present.names import near_names
from driftline_processor.present.numbers import count, many, number, percent
from driftline_processor.present.sentences.objectives import overdue
from driftline_processor.present.sentences.outcomes import (
    OTHER_PROCESSORS,
    delay_sentence,
    improbable_times_sentence,
    unknown_outcomes_sentence,
)
from driftline_processor.present.sentences.window import COMPLETE
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import short
from driftline_processor.store.baselines import NEEDED, ActiveBaseline
from driftline_processor.store.series import Series

from .repeated_ids import RepeatedIds

_FEW = 5


class ModelSummary(Struct, frozen=True):
    """Input of the hints about one model.

    Attributes:
        series: The model and version.
        settings: Its section of driftline.yaml.
        in_force: The active baseline; None without one.
        learned: Number of rows of a baseline that is still being learned.
        totals: Sums over its predictions.
        outcomes: Number of joined outcomes.
        pending: Number of outcomes without a prediction.
        fullest: The newest evaluation with the most rows, of any window length, so that one night without a
            feature does not count as a missing feature.
        unusable: Number of outcomes with an actual that is invalid for the model.
        balance: Rows that arrived compared with predictions that were counted.
        windows: Window name → evaluations, oldest first.
        waiting: A sentence on windows that have waited for evaluation for long, or "".
        delay: Maximum delay of outcomes.
        unknown: Why its newest outcomes cannot be used.
        times: Improbable times of its newest predictions; None if they are usual.
        unmarked: Points of its distributions that were set aside, because nothing states that their rows are in no
            record.
        incomplete_rows: Number of its newest predictions of which the sender dropped attributes.
        repeated: Its newest predictions, if many arrived again.
        rows_elsewhere: Whether another processor may have rows that were counted.
        predictions_elsewhere: Whether another processor may have the predictions of the pending outcomes.
        is_pending_long: Whether the oldest pending outcome has waited for longer than a sender keeps predictions. An
            outcome that is known at once overtakes its prediction, which the SDK sends in batches.
    """

    series: Series
    settings: Model
    in_force: ActiveBaseline | None
    learned: int
    totals: SeriesTotals
    outcomes: int
    pending: int
    fullest: Evaluation | None
    unusable: int = 0
    balance: Balance | None = None
    windows: Mapping[str, Sequence[Evaluation]] = field(default_factory=dict)
    waiting: str = ""
    delay: OutcomeDelay = UNKNOWN_DELAY
    unknown: tuple[UnknownOutcomes, ...] = ()
    times: ImprobableTimes | None = None
    unmarked: int = 0
    incomplete_rows: int = 0
    repeated: RepeatedIds | None = None
    rows_elsewhere: bool = False
    predictions_elsewhere: bool = False
    is_pending_long: bool = True


def hints(model: ModelSummary) -> tuple[str, ...]:
    """Return the missing settings and data of a model, a sentence each."""
    series, settings, in_force, totals = model.series, model.settings, model.in_force, model.totals
    hint_list = [f"{series.key.model}: {model.waiting}."] if model.waiting else []
    if model.unmarked:
        hint_list.append(_unmarked(series.key.model, model.unmarked))
    else:
        hint_list += _incomplete(series, model.balance, settings.timezone, model.rows_elsewhere)
        hint_list += _counted_twice(series, model.balance, totals, settings.timezone)
    hint_list += _baseline(series, in_force, model.learned, totals)
    hint_list += [*_task(series, settings), *_unscored(series, totals), *_repeated(series, model.repeated)]
    hint_list += _dropped_attributes(series, model.incomplete_rows)
    hint_list += _features(in_force, model.fullest, settings.timezone)
    hint_list += [
        *_marked(in_force),
        *_methods(series, in_force, settings),
        *_slices(in_force, settings),
        *_too_good(series, in_force, model.windows),
        *_no_room(series, model.windows),
        *_overdue(series, model.windows),
        *_too_young(series, model.windows, model.delay, model.outcomes),
    ]
    hint_list += _unusable(series, model.unusable)
    if model.times is not None:
        hint_list.append(improbable_times_sentence(model.times, settings.timezone))
        if not totals.rows:
            return tuple(hint_list)  # outcomes wait for predictions that were refused
    if totals.distributed and not totals.rows:
        return (*hint_list, *_outcomes_of_nothing(series, model.pending))
    waiting_hints = _outcomes(
        series, model.outcomes + model.unusable, model.pending, model.unknown, is_long=model.is_pending_long
    )
    elsewhere = (OTHER_PROCESSORS,) if model.predictions_elsewhere else ()
    return (*hint_list, *(" ".join((hint, *elsewhere)) for hint in waiting_hints))


def unmarked_hints(points: Mapping[str, int]) -> tuple[str, ...]:
    """Return hints about distributions of models of which nothing else has arrived; at most five.

    Args:
        points: Number of points by model.
    """
    names = sorted(points, key=lambda name: (-points[name], name))
    return tuple(_unmarked(name, points[name]) for name in names[:_FEW])


def _unmarked(model: str, points: int) -> str:
    return (
        f"{many(points, 'point')} of distributions of {short(model)} {'is' if points == 1 else 'are'} not counted, "
        "because nothing states that the rows are in no record; if the service sends no spans and no records of these "
        f"predictions, set {a.DRIFTLINE_CAPTURE}=metrics on its resource (OTEL_RESOURCE_ATTRIBUTES) or on the points."
    )


NO_PREDICTION = "which has sent no predictions"
"""Words of a hint about outcomes of an unknown model."""


def unknown_model_hints(pending: Mapping[str, int], models: Collection[str]) -> tuple[str, ...]:
    """Return hints about outcomes for models without predictions: mostly a typo in a model's name.

    At most five, those with most outcomes first.

    Args:
        pending: Outcomes without a prediction, by model.
        models: Models with predictions.

    >>> unknown_model_hints({"rsik": 1, "churn": 9}, {"churn", "risk"})
    ("1 outcome waits for model rsik, which has sent no predictions; did you mean 'risk'?",)
    >>> unknown_model_hints({"m0": 9}, {"churn", "risk"})
    ('9 outcomes wait for model m0, which has sent no predictions; models with predictions: churn, risk.',)
    """
    unknown_names = sorted((name for name in pending if name not in models), key=lambda name: (-pending[name], name))
    known_names = sorted(models)
    known_words = f"models with predictions: {_names(tuple(known_names))}." if models else "no model has sent any."
    hints = [
        f"{_waiting(pending[name])} for model {short(name)}, {NO_PREDICTION}; "
        f"{near_names(name, known_names) or known_words + (f' {OTHER_PROCESSORS}' if pending[name] >= STRAYS else '')}"
        for name in unknown_names[:_FEW]
    ]
    if len(unknown_names) > _FEW:
        hints.append(f"Outcomes wait for {many(len(unknown_names) - _FEW, 'more model')} without a prediction.")
    return tuple(hints)


def _methods(series: Series, in_force: ActiveBaseline | None, settings: Model) -> Iterator[str]:
    """Yield configured methods that cannot compare their feature."""
    if in_force is not None:
        for wrong in misfits(settings.choices, in_force.baseline):
            yield f"{wrong.key(series.key.model)}: {wrong}. Until then it is ignored."


def _slices(in_force: ActiveBaseline | None, settings: Model) -> Iterator[str]:
    """Yield the configured slice keys whose values are not in the baseline."""
    if in_force is None or settings.reference is not None:
        return
    baseline_slices = in_force.baseline.extras.slices
    missing = [key for key in settings.slices if baseline_slices is None or key not in baseline_slices.by_key]
    if missing:
        yield (
            f"The baseline has no slices by {_names(tuple(missing))}: such slices are compared with all of its rows "
            f"and cannot cause a verdict; build the baseline with slices={missing}, "
            "or with driftline baseline build --slices."
        )


def _incomplete(series: Series, balance: Balance | None, timezone: str, elsewhere: bool) -> Iterator[str]:
    """Yield a completeness below 1: a full buffer or lost rows."""
    if balance is None or balance.completeness >= COMPLETE or balance.counted - balance.rows <= balance.doubt:
        return
    yield (
        f"{count(balance.rows)} of the {count(balance.counted)} predictions ({percent(balance.completeness)}) that "
        f"{series.key.model} counted {window_name(balance.stretch, timezone)} have arrived: "
        "either a buffer of the service was full, or "
        "its records do not reach this processor; see the log of the service and driftline.sdk.dropped.rows."
        + (f" {OTHER_PROCESSORS}" if elsewhere else "")
    )


def _counted_twice(series: Series, balance: Balance | None, totals: SeriesTotals, timezone: str) -> Iterator[str]:
    """Yield a completeness above 1 if rows arrive both in records and in distributions."""
    if balance is None or not (totals.rows and totals.distributed) or balance.completeness * COMPLETE <= 1:
        return
    yield (
        f"{count(balance.rows)} rows of {series.key.model} have arrived {window_name(balance.stretch, timezone)}, in "
        f"records and in distributions, but its services counted {count(balance.counted)} predictions: if a service "
        f"sends both, remove {a.DRIFTLINE_CAPTURE}=metrics from it, because its rows count twice."
    )


def _baseline(series: Series, in_force: ActiveBaseline | None, learned: int, totals: SeriesTotals) -> Iterator[str]:
    model, version = series.key.model, series.key.version
    in_yaml = f"driftline.yaml: models.{model}.baseline"
    name_one = f"pass one to driftline.Model({model!r}, baseline=...), or set it in {in_yaml}"
    model_version = f"{model} {version}".rstrip()
    if in_force is None and totals.distributed and not totals.rows and not learned:
        yield (
            f"{model_version} has no baseline, so its distributions are not compared: there are no rows from "
            f"which Driftline could learn one; {name_one}."
        )
    elif in_force is None:
        so_far = f"{count(learned)} of {count(NEEDED)} rows"
        yield f"{model_version} has no baseline: learning {so_far} for a provisional one; {name_one}."
    elif in_force.source == "provisional":
        rows = in_force.baseline.pane.rows
        yield (
            f"{model_version} is compared with its own first {many(rows)}; if you have rows that are known to be "
            f"correct, build a baseline from them: {name_one}."
        )
    elif in_force.baseline.version not in ("", version):
        yield (
            f"Version {version or '(none)'} has no baseline of its own; "
            f"it is compared with the baseline of version {in_force.baseline.version}."
        )


def _task(series: Series, settings: Model) -> Iterator[str]:
    task, model = series.task, series.key.model
    if task.has_threshold and not task.positive_class:
        yield (
            f"The positive class of {model} is not set, so its scores cannot be evaluated; "
            f"set models.{model}.positive_class to one of {', '.join(task.classes)}."
        )
    if settings.positive_class and series.declared_task.positive_class not in ("", settings.positive_class):
        yield (
            f"{model} sends positive class {series.declared_task.positive_class}, "
            f"but driftline.yaml sets {settings.positive_class}, "
            f"which takes precedence: scores are read as the probability of {settings.positive_class}."
        )
    if settings.classes and series.declared_task.classes and set(settings.classes) != set(series.declared_task.classes):
        yield (
            f"{model} sends the classes {_names(series.declared_task.classes)}, "
            f"but driftline.yaml sets {_names(settings.classes)}; "
            f"set models.{model}.classes to the classes of the model."
        )


def _unscored(series: Series, totals: SeriesTotals) -> Iterator[str]:
    if series.task.ranks_items:  # the items alone are a valid result
        return
    # 0.01: minimum fraction of predictions without a score for a hint: single calls fail in every service
    if totals.unscored and totals.unscored >= 0.01 * totals.rows:
        yield (
            f"{count(totals.unscored)} of {count(totals.rows)} predictions of {series.key.model} arrived without "
            "score or class: either the call failed, or its return value is not a score; see the log of the service."
        )


def _repeated(series: Series, repeated: RepeatedIds | None) -> Iterator[str]:
    """Yield that predictions arrived again at another time, as the calls of a service that retries."""
    if repeated is not None:
        yield (
            f"The newest {many(repeated.rows, 'prediction')} of {series.key.model} have {many(repeated.ids, 'id')}: "
            f"{count(repeated.repeats)} repeat the id, the features and the result of one at most an hour earlier, and "
            "each counts; if the service retries its calls, send the time of the first call with each retry, or create "
            "an id per call."
        )


def _dropped_attributes(series: Series, rows: int) -> Iterator[str]:
    """Yield that features are missing because an OpenTelemetry SDK keeps only the first attributes."""
    if rows:
        yield (
            f"{many(rows, 'prediction')} of {series.key.model} arrived without some attributes, so features look "
            "missing: the OpenTelemetry SDK of the service drops attributes above its limit, by default 128; set "
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, for log records OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT, to at least the "
            "number of features and 32."
        )


def _features(in_force: ActiveBaseline | None, newest: Evaluation | None, timezone: str) -> Iterator[str]:
    if in_force is None or newest is None or not (newest.missing_features or newest.new_features):
        return
    expected = len(in_force.baseline.bins.features)
    arrive = expected - len(newest.missing_features)
    window_words = f"{window_name(newest.window, timezone)}: {arrive} of {expected} baseline features arrived"
    if newest.missing_features:
        window_words += f"; missing: {_names(newest.missing_features)}"
    if newest.new_features:
        window_words += f"; new: {_names(newest.new_features)}"
    yield window_words + "."


def _marked(in_force: ActiveBaseline | None) -> Iterator[str]:
    """Yield columns of a baseline that are not declared as features."""
    marks = None if in_force is None else in_force.baseline.extras.marks
    if marks is not None:
        yield (
            f"Not compared, because they are identifiers or times: {_names(tuple(marks.by_feature))}; "
            "exclude them from what the model records, or list the features when you build the baseline."
        )


def _too_good(
    series: Series, in_force: ActiveBaseline | None, windows: Mapping[str, Sequence[Evaluation]]
) -> Iterator[str]:
    if in_force is None or in_force.source == "provisional":
        return
    for found in filter(None, map(never_as_good, windows.values())):
        yield (
            f"All {found.windows} windows of {series.key.model} with outcomes perform worse than the rows of its "
            f"baseline ({metric_title(found.metric)} {number(found.baseline)} in the baseline, {number(found.best)} at "
            "best since then): if the model was trained on these rows, build the baseline from other rows."
        )
        return


def _no_room(series: Series, windows: Mapping[str, Sequence[Evaluation]]) -> Iterator[str]:
    """Yield the objectives and limits of policies that the rows of the baseline break."""
    for name, window in windows.items():
        reference = newest_window(window).reference if window else {}
        for objective in newest_objectives(window).values():
            if objective.relative or objective.slice or objective.limit is None:
                continue
            named = f"policy '{objective.policy}'" if objective.policy else f"objective '{short(objective.rule)}'"
            if words := no_room(named, objective.metric, objective.limit, reference):
                yield f"{series.key.model}, in windows of {name}: {words}."


def _overdue(series: Series, windows: Mapping[str, Sequence[Evaluation]]) -> Iterator[str]:
    """Yield the objectives that have been inconclusive for too long."""
    for name, window in windows.items():
        for newest_objective in newest_objectives(window).values():
            if overdue_words := overdue(newest_objective):
                yield f"{series.key.model}: {short(newest_objective.rule)}, in windows of {name}: {overdue_words}."


def _too_young(
    series: Series, windows: Mapping[str, Sequence[Evaluation]], delay: OutcomeDelay, outcomes: int
) -> Iterator[str]:
    """Yield why joined outcomes give no performance: no closed window is mature."""
    closed = [evaluation for window in windows.values() for evaluation in window if evaluation.closed]
    if outcomes and closed and all(evaluation.young for evaluation in closed):
        yield (
            f"The performance of {series.key.model} is not final in any window yet: the outcome delay has not passed. "
            f"{delay_sentence(delay, series.key.model)}"
        )


def _unusable(series: Series, unusable: int) -> Iterator[str]:
    if not unusable:
        return
    task, model = series.task, series.key.model
    outcomes = f"{many(unusable, 'outcome')} of {model}"
    if task.predicts_number:
        yield f"{outcomes} could not be used: the actual value must be a number. Send them again with a number."
    else:
        yield (
            f"{outcomes} could not be used: their actual is not one of the classes {_names(task.classes)}. "
            f"Send them again with one of these, or first set the classes of the model: "
            f"driftline.Model({model!r}, classes=...) or models.{model}.classes."
        )


def _outcomes(
    series: Series, outcomes: int, pending: int, unknown: Sequence[UnknownOutcomes], *, is_long: bool
) -> Iterator[str]:
    model, waiting = series.key.model, [reason for reason in unknown if reason.kind != "actual"]
    for reason in waiting:
        yield f"{_waiting(reason.rows)} for a prediction of {model}: {unknown_outcomes_sentence(reason)}."
    if pending and not waiting:
        if not is_long:
            return
        yield (
            f"{_waiting(pending)} for a prediction of {model} with the same id: check that both use the same id and "
            "the same deployment.environment.name, and that prediction_time, if set, is the time of the prediction."
        )
    elif not outcomes and not waiting:
        yield f"No outcomes yet: send driftline.Model({model!r}).outcome(id, actual) or POST /v1/outcomes."


def _outcomes_of_nothing(series: Series, pending: int) -> Iterator[str]:
    if pending:
        yield (
            f"{_waiting(pending)} for a prediction of {series.key.model}, but its service sends only distributions, "
            "not "
            'the rows to join them with: capture="scores" sends id and score, and no features.'
        )


def _waiting(pending: int) -> str:
    return f"{many(pending, 'outcome')} {'waits' if pending == 1 else 'wait'}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(short, names[:_FEW])) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
