"""`driftline.evaluate`: keyword arguments become the options of the command, and bad input raises an exception.

The SDK, which does not import the processor, finds it by the entry point of the group ``driftline_evaluation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.inputs.dataframes import index_hint
from driftline.tables.classes import class_text

from driftline_processor.core.nearest_names import near
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import OptionField, listed_names, options_of
from driftline_processor.readers.errors import BadInput, Say, arguments_of_python
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows, Reference, Rows, read_table
from driftline_processor.terminal.progress import show_progress

from .report import NotebookReport

_OPTIONS = options_of(EvaluationOptions)
_ARGUMENTS = (*_OPTIONS, "baseline", "outcomes", "champion", "progress")


def evaluate(
    current: Any,
    baseline: Any,
    outcomes: Any,
    options: Mapping[str, Any],
    progress: bool | None,
    champion: Any = None,
) -> NotebookReport:
    """Evaluate tables or files; see :func:`driftline.evaluation.evaluate` for the arguments.

    Args:
        current: Rows to evaluate.
        baseline: Baseline, or rows to compare with; None = only the options.
        outcomes: Outcomes; None = only those in the rows.
        options: The other arguments by name.
        progress: Whether a bar is shown; see :func:`driftline_processor.terminal.progress.show_progress`.
        champion: Predictions of the version in service; None = no comparison.

    Raises:
        TypeError: An option is unknown, or has another type.
        ValueError: A table, a column or an option is invalid.
    """
    settings = read_options(options)
    notes: list[str] = []
    try:
        with arguments_of_python(), show_progress(progress) as report_progress:
            rows = list(_rows(current, "current"))
            reference = None if baseline is None else _reference(baseline)
            truth = None if outcomes is None else _one_table(outcomes, "outcomes")
            in_service = None if champion is None else _one_table(champion, "champion")
            tables = {"current": current, "baseline": baseline, "outcomes": outcomes, "champion": champion}
            for name, table in tables.items():
                for one in table if isinstance(table, list | tuple) else (table,):
                    _check_index(one, name, settings, notes.append)
            inputs = EvaluationInputs(rows, reference, truth, champion=in_service)
            result = evaluate_files(inputs, settings, notes.append, report_progress)
    except BadInput as error:
        raise ValueError(str(error)) from None
    library = next((row.library for row in rows if isinstance(row, MemoryRows)), "")
    return NotebookReport(result, tuple(notes), settings.curves, library)


def _rows(value: Any, name: str) -> Iterator[Rows]:
    if not isinstance(value, list | tuple):
        yield _one_table(value, name)
        return
    if not value:
        raise BadInput(f"{name}: the list is empty; pass a table or a file")
    for index, row in enumerate(value):
        yield _one_table(row, f"{name}[{index}]")


def _one_table(value: Any, name: str) -> Rows:
    if isinstance(value, str | PathLike):
        return file_or_address(str(value))
    return read_table(value, name)


def _check_index(table: Any, name: str, settings: EvaluationOptions, say: Say) -> None:
    """Raise BadInput if an option names the index of a pandas DataFrame, which is not a column; report times in it."""
    if "datetime" in str(getattr(getattr(table, "index", None), "dtype", "")):
        say(f"{name}: the index contains times, but is not a column; use reset_index() to read them")
    for column in (settings.id, settings.time, settings.actual, settings.predicted, *settings.score):
        is_missing = column and column not in map(str, getattr(table, "columns", (column,)))
        if is_missing and (hint := index_hint(table, column)):
            raise BadInput(f"{name}: no column '{column}'{hint}")


def _reference(value: Any) -> Reference:
    return MemoryBaseline(value) if isinstance(value, Baseline) else _one_table(value, "baseline")


def read_options(options: Mapping[str, Any]) -> EvaluationOptions:
    """Return the options of a call in the form of the command's.

    Args:
        options: Arguments by name.

    Raises:
        TypeError: An option is unknown, or has another type.

    >>> read_options({"score": ["low", "high"], "window": "1d", "objectives": "recall >= 0.8"}).score
    ('low', 'high')
    """
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"evaluate() has no option '{name}'; {near(name, _ARGUMENTS)}")
    return EvaluationOptions(**{name: _value(_OPTIONS[name], value) for name, value in options.items()})


def _value(field: OptionField, value: Any) -> Any:
    """Return the value of a field from its argument. Raises ``TypeError`` for a value of another type."""
    if value is None:
        return field.default
    if field.option.values and not isinstance(value, str):
        return tuple(map(class_text, value)) if field.listed else class_text(value)
    if isinstance(value, np.generic):
        value = value.item()
    if hasattr(value, "__array__") and not (field.listed and all(isinstance(name, str) for name in value)):
        raise TypeError(
            f"evaluate(): {field.name}= contains values; add them to the table as a column, and pass the column's name"
        )
    if isinstance(value, str) and field.listed:
        return (value,) if field.option.repeated and value else listed_names(value)
    if isinstance(value, str | PathLike) and Path in get_args(field.kind):
        return Path(value)
    try:
        return msgspec.convert([*value] if hasattr(value, "__array__") else value, field.kind)
    except msgspec.ValidationError as error:
        raise TypeError(f"evaluate(): {field.name}={value!r:.60}: {error}") from None
