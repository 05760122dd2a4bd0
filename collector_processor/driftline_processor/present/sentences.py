"""An Evaluation in one sentence, and the numbers, names and characters of the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

import numpy as np
from driftline.tables.table import F64

from driftline_processor.core.drift import slices
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import Evaluation, TargetDrift
from driftline_processor.core.windows.window import Window

BLOCKS = " ▁▂▃▄▅▆▇█"
MOST_CELLS = 16

METHOD_NAMES = {name: method.symbol for name, method in METHODS.items()}
METRIC_NAMES = {"roc_auc": "AUC", "log_loss": "log loss", "brier": "Brier", "f1": "F1", "mae": "MAE", "rmse": "RMSE"}
METRIC_NAMES |= {"r2": "R²", "log_loss_constant": "log loss of a constant", "mape": "MAPE", "ks": "KS"}
METRIC_NAMES |= {"roc_auc_ovr": "AUC, one against the rest", "f1_weighted": "F1, weighted"}
STATE_WORDS = {"too_few_rows": "too few rows", "no_baseline": "no baseline"}
HEADLINES = ("roc_auc", "accuracy", "mae")
"""The metric that stands for a model in one sentence: the first of these that is known."""


def metric_name(name: str) -> str:
    """Return the metric's usual name: "roc_auc" is the AUC."""
    return METRIC_NAMES.get(name, name.replace("_", " "))


def number(value: float | None) -> str:
    """Write a value in at most about six characters; a dash where it is unknown.

    >>> number(0.41234), number(12345.6), number(None), number(0.00001), number(0.0)
    ('0.412', '12,346', '–', '1.0e-05', '0')
    """
    if value is None or value != value:
        return "–"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.0005:
        return f"{value:.1e}"
    if size < 10:
        return f"{value:.3f}"
    return f"{value:.1f}" if size < 1000 else f"{value:,.0f}" if size < 1e6 else f"{value:.2e}"


def percent(share: float | None) -> str:
    """Write a share in percent; what is more than nothing is never 0.

    >>> percent(0.974), percent(0.0004), percent(0.0), percent(None), percent(0.9999)
    ('97 %', '<1 %', '0 %', '–', '>99 %')
    """
    if share is None:
        return "–"
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{share * 100:.0f} %"


def histogram(shares: F64 | None, highest: float) -> str:
    """Draw shares as one line of blocks, ``highest`` as a full one; what is more than nothing is seen.

    >>> histogram(np.array([0.0, 0.001, 0.25, 0.5]), 0.5)
    ' ▁▄█'
    """
    if shares is None or highest <= 0:
        return ""
    top = len(BLOCKS) - 1
    heights = np.clip(np.rint(np.asarray(shares) / highest * top), 0, top).astype(int)
    heights[(heights == 0) & (np.asarray(shares) > 0)] = 1
    return "".join(BLOCKS[height] for height in heights.tolist())


def fewer_cells(shares: F64, most: int = MOST_CELLS) -> F64:
    """Merge neighbouring cells until at most ``most`` are left.

    >>> fewer_cells(np.array([0.1, 0.2, 0.3, 0.4]), 2).round(1).tolist()
    [0.3, 0.7]
    """
    if len(shares) <= most:
        return shares
    step = -(-len(shares) // most)
    return np.add.reduceat(shares, np.arange(0, len(shares), step))


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or change its colours: names come from other people's data.

    >>> printable("a\\x1b[31mb")
    'a·[31mb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def window_text(window: Window, zone: tzinfo = UTC) -> str:
    """Name a window by its days, or by its times where it does not begin and end at midnight.

    >>> window_text(Window("1d", 0, 86_400 * 10**9)), window_text(Window("1h", 0, 3600 * 10**9))
    ('1970-01-01', '1970-01-01 00:00 – 01:00')
    >>> window_text(Window("1mo", 0, 31 * 86_400 * 10**9))
    '1970-01'
    """
    if window.start == window.end:
        return "all rows"
    first, end = (datetime.fromtimestamp(time / 10**9, zone) for time in (window.start, window.end))
    if (first.hour, first.minute, end.hour, end.minute) == (0, 0, 0, 0) and window.name:
        last = datetime.fromtimestamp(window.end / 10**9 - 1, zone)
        if window.name == "1mo":
            return f"{first:%Y-%m}"
        return f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"
    if window.end - window.start < 60 * 10**9:
        return f"{first:%Y-%m-%d %H:%M:%S}"
    until = f"{end:%H:%M}" if first.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} – {until}"


def minute(time: int) -> str:
    """Write unix nanoseconds as a minute of UTC.

    >>> minute(86_400 * 10**9)
    '1970-01-02 00:00'
    """
    return f"{datetime.fromtimestamp(time / 10**9, UTC):%Y-%m-%d %H:%M}"


def ranked(evaluation: Evaluation) -> list[TargetDrift]:
    """Sort the features by what matters: drifted first, then what cannot be told, each by the size of its PSI."""
    return sorted(evaluation.features.values(), key=_rank)


def _rank(target: TargetDrift) -> tuple[int, float, str]:
    psi = target.methods.get("psi")
    value = psi.value if psi is not None and psi.value is not None else -1.0
    return ({"drift": 0, "ok": 2}.get(target.state, 1), -value, target.name)


def method_value(target: TargetDrift, method: str) -> str:
    """Name and value of a drift method, "" where it has none."""
    found = target.methods.get(method)
    if found is None or found.value is None:
        return ""
    tiny = 0 < found.value < 0.0005
    value = "<0.001" if tiny else number(found.value)
    return f"{METHOD_NAMES.get(method, method)} {value}"


def p_value(p: float | None) -> str:
    """Write a p-value; "" where there is none.

    >>> p_value(0.0234), p_value(1e-9), p_value(None)
    ('0.023', '<1e-6', '')
    """
    return "" if p is None else "<1e-6" if p < 1e-6 else f"{p:.2g}"


TELLING = 0.04
"""How far stretches of a baseline differ that is worth a word."""


def resemblances(targets: Iterable[TargetDrift]) -> list[str]:
    """Tell of targets whose rows resemble each other how they were judged: a line each, and one of what is no news.

    >>> alike = TargetDrift("feature", "age", "ok", "ks", 100, {}, design_effect=20.4, blocks=(0.01, 0.3))
    >>> week = TargetDrift("feature", "temp", "ok", "ks", 100, {}, blocks=(0.01, 0.3))
    >>> for line in resemblances([alike, week]):
    ...     print(line)
    age: 20 rows count as one, they are alike; stretches of the baseline differ from it by 0.010 to 0.300
    no farther from the baseline than stretches of its own are: temp
    """
    lines, usual = [], []
    for target in targets:
        name = {"score": "score", "class": "predicted class"}.get(target.target, printable(target.name))
        differ = ""
        if target.blocks is not None:
            low, high = (number(one) for one in target.blocks)
            differ = f"stretches of the baseline differ from it by {low} to {high}"
        p_value = target.methods[target.decided_by].p_value if target.decided_by in target.methods else None
        if target.state == "too_few_rows" and p_value is not None and differ:
            lines.append(f"{name}: {differ}; this is far, and they are too few to be sure that it is news")
        elif target.design_effect >= 2:
            alike = f"{name}: {target.design_effect:.0f} rows count as one, they are alike"
            lines.append(f"{alike}; {differ}" if differ else alike)
        elif target.blocks is not None and target.blocks[1] >= TELLING and target.state == "ok":
            usual.append(name)
    return (
        [*lines, f"no farther from the baseline than stretches of its own are: {', '.join(usual)}"] if usual else lines
    )


def sentence(evaluation: Evaluation) -> str:
    """Tell the whole evaluation in one sentence that a person can read."""
    parts = (
        _feature_words(evaluation),
        _prediction_words(evaluation),
        _slice_words(evaluation),
        _joint_words(evaluation),
        _quality_words(evaluation),
        _expected_words(evaluation),
        _performance_words(evaluation),
    )
    return "; ".join(part for part in parts if part) + "."


def _prediction_words(evaluation: Evaluation) -> str:
    targets = ((evaluation.score, "the score"), (evaluation.predicted, "the predicted class"))
    drifted = [f"{name}{_how_much(t)}" for t, name in targets if t is not None and t.state == "drift"]
    if not drifted:
        return ""
    too = any(target.state == "drift" for target in evaluation.features.values())
    return f"so did {' and '.join(drifted)}" if too else f"but {' and '.join(drifted)} did"


def _feature_words(evaluation: Evaluation) -> str:
    order = ranked(evaluation)
    drifted = [target for target in order if target.state == "drift"]
    told = [target for target in order if target.state in ("drift", "ok")]
    if not order:
        return f"{evaluation.rows:,} rows"
    if not told:
        return f"no feature can be judged: {STATE_WORDS.get(order[0].state, order[0].state)}"
    features = f"{len(told)} feature{'' if len(told) == 1 else 's'}"
    rest = "" if len(told) == len(order) else f" ({len(order) - len(told)} cannot be judged)"
    if not drifted:
        return f"none of {features} drifted{rest}"
    return f"{len(drifted)} of {features} drifted{rest}, {printable(drifted[0].name)} most{_how_much(drifted[0])}"


def _slice_words(evaluation: Evaluation) -> str:
    """Name the slice in which most rows are where something drifts, and how many more there are."""
    drifted = [name for name, found in slices.rank_drifted_slices(evaluation.slices) if found.state == "drift"]
    if not drifted:
        return ""
    more = f" and {len(drifted) - 1} more slice{'' if len(drifted) == 2 else 's'}" if drifted[1:] else ""
    return f"drift in {printable(drifted[0])}{more}"


def _joint_words(evaluation: Evaluation) -> str:
    """Tell what is seen in the features together, where none of them shows it by itself."""
    drifted = [found for found in evaluation.joint.values() if found.state == "drift"]
    if not drifted or any(target.state == "drift" for target in evaluation.features.values()):
        return ""
    return f"but together they did: {printable(drifted[0].sentence)}"


def _quality_words(evaluation: Evaluation) -> str:
    """Tell the gravest finding about the data, and how many more there are."""
    if not evaluation.findings:
        return ""
    more = len(evaluation.findings) - 1
    rest = f" (and {more} more finding{'' if more == 1 else 's'})" if more else ""
    return f"{printable(evaluation.findings[0].sentence)}{rest}"


def _expected_words(evaluation: Evaluation) -> str:
    broken = sum(expected.state == "broken" for expected in evaluation.expected)
    return f"{broken} of {len(evaluation.expected)} expectations are broken" if broken else ""


def _how_much(target: TargetDrift) -> str:
    """Return how far, by a value that is comparable: a chi-square statistic grows with the rows, so PSI speaks for
    it.
    """
    shown = method_value(target, "psi" if target.decided_by == "chi2" else target.decided_by)
    return f" ({shown}: {target.size})" if shown and target.size else ""


def _performance_words(evaluation: Evaluation) -> str:
    known = [name for name in HEADLINES if name in evaluation.realized and evaluation.realized[name].value is not None]
    if not known:
        return "performance is unknown" if evaluation.outcome_rows else "no outcomes, so performance is unknown"
    name = known[0]
    reference = evaluation.reference.get(name)
    text = f"{metric_name(name)} {number(evaluation.realized[name].value)} on {percent(evaluation.coverage)} of rows"
    if reference is not None and reference.value is not None:
        text += f", {number(reference.value)} in the baseline"
    return text + _worse_than_a_constant(evaluation)


def _worse_than_a_constant(evaluation: Evaluation) -> str:
    """Tell what an AUC hides: scores that rank well and are yet worse than always saying the baseline's rate."""
    loss, constant = (
        metric.value if (metric := evaluation.realized.get(name)) is not None else None
        for name in ("log_loss", "log_loss_constant")
    )
    if loss is None or constant is None or loss <= constant:
        return ""
    return f"; its log loss of {number(loss)} is worse than the {number(constant)} of a constant"
