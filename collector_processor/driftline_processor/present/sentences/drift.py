"""Words for drift of one column, of a slice, and of all features together, and why versions are not comparable."""

from __future__ import annotations

from collections.abc import Callable

from driftline_processor.core import facts
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import ColumnDrift, JointDrift, SliceDrift
from driftline_processor.present.numbers import percent
from driftline_processor.present.wording import short

from .outcomes import unreviewed_words
from .register import worded, words_as, words_of


@words_of(facts.TasksDiffer)
def _tasks_differ(fact: facts.TasksDiffer) -> str:
    known_tasks = [task for task in (fact.champion, fact.challenger) if task]
    if len(known_tasks) == 2:
        return f"one is {fact.champion}, the other {fact.challenger}"
    return (
        f"one is {known_tasks[0]}, and the task of the other is not known yet"
        if known_tasks
        else "their tasks are not known yet"
    )


@words_of(facts.TaskNotCompared)
def _task_not_compared(fact: facts.TaskNotCompared) -> str:
    return f"versions of a {fact.task or 'model whose task is unknown'} are not compared"


@words_of(facts.VersionUnreviewed)
def _version_unreviewed(fact: facts.VersionUnreviewed) -> str:
    return f"{unreviewed_words(fact.predictions)} (version {fact.version or 'without a name'})"


@words_of(facts.VersionWithoutOutcomes)
def _version_without_outcomes(fact: facts.VersionWithoutOutcomes) -> str:
    version = f"version {fact.version}" if fact.version else "the version without a name"
    return f"no outcome of {version} is known in this period"


NAMED = 4
"""Columns of a slice that are listed; the others are counted."""


@worded
def column_sentence(column: ColumnDrift) -> str:
    """Return the state of a column: size and value, variation of the reference's own windows, detectable change.

    Args:
        column: Drift of a feature, the score or the class.

    >>> from driftline_processor.core.evaluation import MethodValue
    >>> methods = {"ks": MethodValue(0.41, 1e-9)}
    >>> state = "within_normal_variation"
    >>> temp = ColumnDrift("feature", "temp", state, "ks", 900, methods, size="large", alike=(7, 60))
    >>> column_sentence(temp)  # doctest: +NORMALIZE_WHITESPACE
    'temp is far from the reference (KS 0.41, large), but 7 of the 60 windows of this length in the reference differ as
     much.'
    """
    name = column_words(column)
    return f"{name} {_SAID[column.state](column)}."


def column_words(column: ColumnDrift) -> str:
    """Return the name of a column in a sentence: a feature by its name, the others with an article."""
    return short(column.name) if column.column == "feature" else f"the {column.words}"


def _distance(column: ColumnDrift) -> str:
    """Return the value of the deciding method and the size: 'KS 0.41, large'."""
    method = column.methods.get(column.decided_by)
    if method is None or method.value is None:
        return column.size
    shown, value = column.decided_by, method.value
    psi = column.methods.get("psi")
    if shown == "chi2" and psi is not None and psi.value is not None:  # chi-square grows with the number of rows
        shown, value = "psi", psi.value
    return ", ".join(filter(None, [f"{METHODS[shown].symbol} {value:.3g}", column.size]))


def _similar_windows(similar: int, windows: int) -> str:
    """Return how many windows of the reference differ as much, as a clause."""
    count, differ = similar or "none", "differ" if similar > 1 else "differs"
    return f"{count} of the {windows} windows of this length in the reference {differ} as much"


_TOO_SHORT = (
    "the reference is too short to show whether its windows normally differ this much: "
    "use more days of reference, or a shorter window"
)


def _detectable(column: ColumnDrift) -> str:
    """Return the smallest shift that would have been detected; "" if unknown."""
    if column.detectable_change is None:
        return ""
    detectable = f"a shift of {column.detectable_change:.2g} standard deviations or more would have been detected"
    return detectable + among_frequent(column)


def among_frequent(column: ColumnDrift) -> str:
    """Return the rows to which the detectable change is limited; "" if it applies to all."""
    if column.pooled is None:
        return ""
    return f" among the {percent(1 - column.pooled)} of the rows with frequent categories"


def _drift(column: ColumnDrift) -> str:
    drifts = f"drifts ({_distance(column)})"
    if column.reason == "too_few_days":
        return f"{drifts}; {_TOO_SHORT}"
    if column.alike is None:
        return drifts
    similar = _similar_windows(*column.alike)
    return f"{drifts}: the difference is significant, although {similar}" if column.alike[0] else f"{drifts}; {similar}"


def _within_normal_variation(column: ColumnDrift) -> str:
    far = f"is far from the reference ({_distance(column)})"
    if column.alike is None:
        return f"{far}, but within its normal variation"
    if column.alike[0]:
        return f"{far}, but {_similar_windows(*column.alike)}"
    windows = f"the {column.alike[1]} windows of this length in the reference differs as much, but they vary so much"
    return f"{far}, and none of {windows} that the difference is not significant"


def _ok(column: ColumnDrift) -> str:
    difference = f"difference from the reference: {_distance(column)}"
    if column.size == "large":  # what is large and certain is ok only where its effect is below this limit
        difference += ", below the configured min_effect"
    detectable = _detectable(column)
    return f"does not drift ({difference})" + (f"; {detectable}" if detectable else "")


def _inconclusive(column: ColumnDrift) -> str:
    if column.reason == "not_comparable":
        rare = ": most rows have categories that are too rare to compare" if column.size else ""
        return f"cannot be compared with the reference{rare}"
    if column.reason == "too_few_rows":
        few = f"{column.rows:,} rows are too few"
        if column.detectable_change is not None:
            few += f" to detect a shift below {column.detectable_change:.2g} standard deviations"
        if column.size == "large":
            return (
                f"is inconclusive: the difference from the reference ({_distance(column)}) may be chance, "
                f"because {few}; use a longer window"
            )
        return f"is inconclusive: {few}; use a longer window"
    if column.p_normal_variation is None:
        return f"differs from the reference ({_distance(column)}); {_TOO_SHORT}"
    detectable = _detectable(column)
    differ = f"its days differ so much that only {detectable}" if detectable else "its days differ too much"
    return f"is inconclusive: {differ}; use more days of reference"


_SAID: dict[str, Callable[[ColumnDrift], str]] = {
    "drift": _drift,
    "within_normal_variation": _within_normal_variation,
    "ok": _ok,
    "inconclusive": _inconclusive,
    "no_baseline": lambda _: "has no reference to be compared with",
}


@worded
def slice_sentence(slice_drift: SliceDrift) -> str:
    """Return a slice in a few words.

    >>> slice_sentence(SliceDrift(900, "ok", "", 12, 0.0, {}, None, None))
    'none of 12 features drifts'
    """
    columns = [_column_in_slice(column) for column in slice_drift.drifted()]
    if columns:
        more = f" and {len(columns) - NAMED} more" if len(columns) > NAMED else ""
        return f"{', '.join(columns[:NAMED])}{more}"
    if slice_drift.state == "ok":
        return f"none of {slice_drift.evaluated} features drifts" if slice_drift.evaluated else "no drift"
    if slice_drift.compared:
        return "the baseline has no such slice"
    return slice_drift.reason.replace("_", " ") or "inconclusive"


def _column_in_slice(column: ColumnDrift) -> str:
    name = column_words(column)
    value = column.methods[column.decided_by].value
    return f"{name} ({METHODS[column.decided_by].title} {value:.3g}, {column.size})" if value is not None else name


@worded
def joint_sentence(joint_drift: JointDrift) -> str:
    """Return the sentence about the joint drift of all features by one method.

    >>> drift = JointDrift("domain_classifier", "drift", 900, 0.62, 1e-9, 0.1, 0.5, 0.62)
    >>> joint_sentence(drift)
    "a classifier distinguishes these rows from the baseline's with an AUC of 0.620"
    """
    return _JOINT[joint_drift.method](joint_drift) if joint_drift.method in _JOINT else ""


def _names(joint_drift: JointDrift) -> list[str]:
    return [contributor.features[0] for contributor in joint_drift.contributors[:2]]


def _classifier(joint_drift: JointDrift) -> str:
    names = _names(joint_drift)
    auc = f"{joint_drift.now or 0.5:.3f}"
    return (
        f"a classifier distinguishes these rows from the baseline's with an AUC of {auc}{_contributors_clause(names)}"
    )


def _correlation(joint_drift: JointDrift) -> str:
    """Return the pair with the largest change, and the number of other changed pairs."""
    if not joint_drift.contributors:
        return ""
    first, second = joint_drift.contributors[0].features
    other_pairs = joint_drift.changed_pairs - 1
    more = f", and {other_pairs} more pair{'' if other_pairs == 1 else 's'} changed" if other_pairs > 0 else ""
    was, now = joint_drift.was or 0, joint_drift.now or 0
    return f"the correlation of {first} and {second} is {now:+.2f}, but was {was:+.2f} in the baseline{more}"


def _reconstruction(joint_drift: JointDrift) -> str:
    """Return the two errors and the features that are reconstructed worse, or why they are not comparable."""
    if joint_drift.missing:
        largest, left = joint_drift.missing[0], len(joint_drift.missing) - 1
        name, was, now = largest.features[0], largest.was or 0.0, largest.now or 0.0
        more = f", and {left} more feature{' differs' if left == 1 else 's differ'} like this" if left else ""
        return (
            f"inconclusive: {100 * now:.3g} % of the values of {name} are missing or invalid ({100 * was:.3g} % in "
            f"the baseline){more}; missing values are replaced by the mean, so the errors cannot be compared"
        )
    is_worse = (joint_drift.value or 0.0) > 0
    worse = [contributor.features[0] for contributor in joint_drift.contributors[:2] if contributor.value > 0]
    return (
        f"the principal components of the baseline reconstruct these rows {'worse' if is_worse else 'better'} than "
        f"the rows of the baseline: the error is {joint_drift.now or 0:.3g}, but {joint_drift.was or 0:.3g} in the "
        f"baseline{_contributors_clause(worse if is_worse else [])}"
    )


def _contributors_clause(names: list[str]) -> str:
    return f"; {' and '.join(names)} contribute{'' if len(names) > 1 else 's'} most" if names else ""


_JOINT: dict[str, Callable[[JointDrift], str]] = {
    "domain_classifier": _classifier,
    "correlation": _correlation,
    "pca": _reconstruction,
}


words_as(
    {
        facts.NoRequestOfBoth: "no request scored by both versions has an outcome yet",
        facts.NoHourOfBoth: "there is no hour in which the outcomes of both versions are known",
    }
)
