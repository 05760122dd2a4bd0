"""The message of a failed assertion: the expected row, and the recorded rows, most similar first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from driftline.outputs.rankings import relevant_text
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text

from .captured_rows import CapturedOutcome, CapturedPrediction, Count, Loss

UNSAID: Any = object()
"""The field is not compared."""
MOST = 5
"""Maximum number of rows in a message."""
_SHORT = 200

Row = TypeVar("Row", CapturedPrediction, CapturedOutcome)
Expected = Mapping[str, Any]
"""Name of a field → expected value; an expected mapping must be contained in the field's mapping."""


def expected_fields(**fields: Any) -> Expected:
    """Return the expected fields of a row, in the form of a captured row."""
    return {name: _READERS.get(name, _itself)(value) for name, value in fields.items() if value is not UNSAID}


def _itself(value: Any) -> Any:
    return value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _actual(value: Any) -> Any:
    relevant = relevant_text(value)
    return class_text(value) or None if relevant is None else relevant


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "id": id_text,
    "score": _tuple,
    "items": _tuple,
    "predicted": class_text,
    "actual": _actual,
}


def find(kind: str, expected: Expected, rows: Sequence[Row], why: Callable[[], str]) -> Row:
    """Return the first row that matches. Raises ``AssertionError`` with the most similar rows. ``kind``: of rows."""
    __tracebackhide__ = True
    differing: list[tuple[Row, list[str]]] = [(row, _differences(expected, row)) for row in rows]
    for row, differences in differing:
        if not differences:
            return row
    raise AssertionError("\n".join(line for line in (*_nearest(kind, expected, differing), why()) if line))


def _nearest(kind: str, wanted: Expected, differing: list[tuple[Row, list[str]]]) -> Iterator[str]:
    """Yield the expected row, and the most similar rows."""
    expected = _described(wanted)
    first = f"no {kind} of {wanted['model']!r}{f' has {expected}' if expected else ''}"
    if not differing:
        yield f"{first}; none was captured"
        return
    n = len(differing)
    yield f"{first}; {n} {'was' if n == 1 else 'were'} captured{'' if n == 1 else ', nearest first'}:"
    for row, differences in sorted(differing, key=_distance)[:MOST]:
        yield f"  {row.model} {row.id!r}: {'; '.join(differences)}"
    if n > MOST:
        yield f"  and {n - MOST} more"


def _distance(pair: tuple[Row, list[str]]) -> tuple[bool, bool, int]:
    """Return a sort key: rows of the model first, then the row with the id, then rows with fewest differences."""
    differences = pair[1]
    fields = [difference.partition(" ")[0] for difference in differences]
    return "model" in fields, "id" in fields, len(differences)


def _described(expected: Expected) -> str:
    return ", ".join(f"{name} {_shorten(value)}" for name, value in expected.items() if name != "model")


def _differences(wanted: Expected, row: Any) -> list[str]:
    """Return the differences between a row and the expected one."""
    differences = []
    for name, expected in wanted.items():
        actual = getattr(row, name)
        if isinstance(expected, Mapping):
            differences += [
                f"{name[:-1]} {key!r} is {_shorten(actual[key]) if key in actual else 'not there'}, "
                f"not {_shorten(value)}"
                for key, value in expected.items()
                if key not in actual or not _same(value, actual[key])
            ]
        elif not _same(expected, actual):
            differences.append(f"{name} is {_shorten(actual)}, not {_shorten(expected)}")
    return differences


def _same(expected: Any, actual: Any) -> bool:
    try:
        return bool(expected == actual)
    except (TypeError, ValueError):  # an array compares element by element
        return bool(tuple(expected) == actual)


def _shorten(value: Any) -> str:
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def counted(counts: Sequence[Count], model: str, predictions: int, predicted: Any, error: Any) -> None:
    """Raise ``AssertionError`` unless the metric has this number of predictions."""
    __tracebackhide__ = True
    expected = expected_fields(model=model, predicted=predicted, error=error)
    alike = [count for count in counts if not _differences(expected, count)]
    total = sum(count.predictions for count in alike)
    if total == predictions:
        return
    description = _described(expected)
    counted = (
        f"{total} prediction{'' if total == 1 else 's'} of {model!r}{f' with {description}' if description else ''}"
    )
    lines = [f"{counted} {'was' if total == 1 else 'were'} counted, not {predictions}{'; all counts:' * bool(counts)}"]
    for count in counts:
        about = [f"{count.predictions} of {count.model}"]
        about += [f"predicted {count.predicted!r}"] if count.predicted else []
        about += [f"error {count.error!r}"] if count.error else []
        lines.append(f"  {', '.join(about)}")
    raise AssertionError("\n".join(lines))


def nothing_lost(lost: Sequence[Loss], log: Sequence[str]) -> None:
    """Raise ``AssertionError`` if there are losses."""
    __tracebackhide__ = True
    if not lost:
        return
    lines = ["some data could not be recorded:"]
    for loss in lost:
        of_model = f" of {loss.model}" if loss.model else ""
        lines.append(f"  {loss.count}{of_model}: {loss.reason or 'dropped'} ({loss.metric})")
    log_text = log_lines(log)
    raise AssertionError("\n".join([*lines, log_text] if log_text else lines))


def why(model: str, rows: Sequence[CapturedPrediction], counts: Sequence[Count], log: Sequence[str]) -> str:
    """Return the likely reasons why a prediction is missing."""
    counted = sum(count.predictions for count in counts if count.model == model)
    rowless = counted - sum(row.model == model for row in rows)
    lines = []
    if not counts:
        lines.append(f"there are no predictions; was the function that @{model}.predict decorates called?")
    elif rowless > 0:
        lines.append(
            f"{counted} {'was' if counted == 1 else 'were'} counted, but {rowless} of them have no row: "
            "with capture='none', rows stay in the process; see .counts and .distributions"
        )
    return "\n".join(line for line in (*lines, log_lines(log)) if line)


def log_lines(log: Sequence[str]) -> str:
    """Return the log lines below a heading; "" without log lines."""
    return "\n".join(["log lines:", *(f"  {line}" for line in log)]) if log else ""
