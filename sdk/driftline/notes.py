"""What people are told about how their function is read: one line each, in full sentences, from the background."""

from __future__ import annotations

from .current import Prediction
from .faults import FAULTS, logger
from .outputs import Output, Unread
from .plan import Plan

_SCORE_WORDS = ("prob", "score", "confidence", "p_")
_CLASS_WORDS = ("label", "class", "pred", "decision", "outcome")


def tell(prediction: Prediction, output: Output) -> None:
    """Log how the first recorded call of a function was read, and the fix where its result could not be."""
    plan = prediction.plan
    if output.unread is not None and FAULTS.once(f"unread {plan.identity.name} {plan.name}"):
        logger.warning("driftline: %s", unread_line(plan, output.unread))
    if prediction.error or not FAULTS.once(f"read {plan.identity.name} {plan.name}"):
        return
    given = "no features" if plan.first_input is None else plan.first_input.text
    rows = "one row" if prediction.batch is None else f"{prediction.count} rows"
    logger.info(
        "driftline: %s.%s: read %s as %s, %s", plan.identity.name, plan.name, given, rows, _result(plan, output)
    )


def unread_line(plan: Plan, unread: Unread) -> str:
    """Return the sentence for a result that could not be read, with the line that helps."""
    name = plan.identity.name
    if unread.fields:
        score = _guess(unread.fields, _SCORE_WORDS)
        predicted = _guess(unread.fields, _CLASS_WORDS)
        fix = ", ".join(
            f'{selector}="{field}"' for selector, field in (("score", score), ("predicted", predicted)) if field
        )
        fix = fix or 'score="...", predicted="..."'
    else:
        fix = "score=lambda result: ..., predicted=lambda result: ..."
    return f"{name}.{plan.name} returned {unread.text}; say which: @{name}.predict({fix})"


def _guess(fields: tuple[str, ...], words: tuple[str, ...]) -> str:
    return next((field for word in words for field in fields if word in field.lower()), "")


def _result(plan: Plan, output: Output) -> str:
    task = plan.identity.task
    what = "what was set" if plan.first_result is None else plan.first_result.text
    if output.unread is not None or (output.scores is None and output.predicted is None):
        return f"{what} could not be read"
    if task.kind == "regression":
        return f"{what} as the value"
    if output.scores is None:
        return f"{what} as the predicted class"
    if task.kind == "multiclass":
        return f"{what} as the scores of {len(task.classes)} classes"
    return f"{what} as the score of class {task.positive_class!r}, which is predicted at {task.threshold:g}"
