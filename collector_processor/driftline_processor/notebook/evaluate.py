"""`driftline.evaluate`: the options of a call as the request that the command makes, and its sentences as exceptions.

The entry point of the group ``driftline_evaluation``: the SDK, which knows no processor, finds it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from driftline.baseline.baseline import Baseline
from driftline.tables.classes import class_text

from driftline_processor.evaluation.files.request import EvaluationRequest, evaluate_request
from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_roles import ColumnOptions
from driftline_processor.readers.errors import BadInput, near
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows, Reference, Rows, read_table
from driftline_processor.terminal.progress import show_progress

from .report import NotebookReport

_COLUMNS = {field.name: field.default for field in fields(ColumnOptions)}
_REQUEST = {field.name for field in fields(EvaluationRequest)} - {"columns"}
_OPTIONS = (*_COLUMNS, *sorted(_REQUEST), "baseline", "outcomes", "curves", "progress")
_FILES = ("config", "expect", "performance")
_WHOLE_TEXTS = ("method", "methods", "metrics", "objectives")
"""Options of which one text is one entry, whatever it holds; of the others, a comma stands between two names."""


def evaluate(
    current: Any, baseline: Any, outcomes: Any, options: Mapping[str, Any], progress: bool | None
) -> NotebookReport:
    """Evaluate tables or files; see :func:`driftline.evaluation.evaluate`, whose arguments these are.

    Args:
        current: Rows to judge.
        baseline: What they are compared with; None = nothing but what an option names.
        outcomes: What really happened; None = nothing but what the rows hold.
        options: The other arguments by name.
        progress: Whether a bar is shown; see :func:`driftline_processor.terminal.progress.show_progress`.

    Raises:
        TypeError: There is no such option, or it is of another type.
        ValueError: A table, a column or an option cannot be made sense of.
    """
    request = read_options(options)
    notes: list[str] = []
    try:
        with show_progress(progress) as report_progress:
            rows = list(_rows(current, "current"))
            reference = None if baseline is None else _reference(baseline)
            truth = None if outcomes is None else _one_table(outcomes, "outcomes")
            result = evaluate_request(
                rows, reference, truth, request, lambda note: notes.append(in_arguments(note)), report_progress
            )
    except BadInput as error:
        raise ValueError(in_arguments(str(error))) from None
    library = next((one.library for one in rows if isinstance(one, MemoryRows)), "")
    return NotebookReport(result, tuple(notes), bool(options.get("curves")), library)


def _rows(value: Any, name: str) -> Iterator[Rows]:
    if not isinstance(value, list | tuple):
        yield _one_table(value, name)
        return
    if not value:
        raise BadInput(f"{name}: the list is empty; name a table or a file")
    for at, one in enumerate(value):
        yield _one_table(one, f"{name}[{at}]")


def _one_table(value: Any, name: str) -> Rows:
    if isinstance(value, str | PathLike):
        return file_or_address(str(value))
    return read_table(value, name)


def _reference(value: Any) -> Reference:
    return MemoryBaseline(value) if isinstance(value, Baseline) else _one_table(value, "baseline")


def read_options(options: Mapping[str, Any]) -> EvaluationRequest:
    """Return the options of a call as the command reads its own.

    Args:
        options: Arguments by name.

    Raises:
        TypeError: There is no such option, or it is of another type.

    >>> read_options({"score": ["low", "high"], "window": "1d", "objectives": "recall >= 0.8"}).columns.score
    ('low', 'high')
    """
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"evaluate() has no option '{name}'; {near(name, _OPTIONS)}")
    columns = {name: _column_option(name, value) for name, value in options.items() if name in _COLUMNS}
    others = {name: _request_option(name, value) for name, value in options.items() if name in _REQUEST}
    return EvaluationRequest(ColumnOptions(**columns), **others)


def _column_option(name: str, value: Any) -> Any:
    default = _COLUMNS[name]
    if name in ("classes", "positive_class"):
        texts = class_text if not isinstance(value, str) else str
        if name == "positive_class":
            return "" if value is None else texts(value)
        return tuple(map(class_text, value)) if not isinstance(value, str) else _names(name, value)
    if name == "quantiles" and not isinstance(value, str):
        return tuple(map(str, value))
    if default == ():
        return _names(name, value)
    if default == "":
        return _text(name, value)
    return value


def _request_option(name: str, value: Any) -> Any:
    if name in _FILES:
        return None if value is None else Path(value)
    if name in _WHOLE_TEXTS:
        return (value,) if isinstance(value, str) and value else _names(name, value)
    if name in ("window", "reference_last", "reference_without"):
        return _text(name, value)
    return value


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"evaluate(): {name}= takes a text, not {value!r:.60}")
    return value


def _names(name: str, value: Any) -> tuple[str, ...]:
    """Return names: of a text those between its commas, as the command has them."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"evaluate(): {name}= takes a name or a list of names, not {value!r:.60}")
    return tuple(value)


_WRITTEN = {
    **{name.replace("_", "-"): name for name in _OPTIONS},
    "objective": "objectives",
}
"""Option of the command → argument."""

_OPTION = re.compile(
    rf"(?<!build )--({'|'.join(sorted(_WRITTEN, key=len, reverse=True))})(?![\w-])"
    r"(?: (?:(?P<name>[A-Z]{2,}(?:,[A-Z,.]+)?|X,Y[,.Y]*)|(?P<value>\d\w*|none\b|binary\b|[.,](?=\s|$))))?(?P<colon>:?)"
)


def in_arguments(sentence: str) -> str:
    """Say in arguments of Python what the command says in options.

    >>> in_arguments("no column 'scor' (--score); did you mean 'score'?")
    "no column 'scor' (score=); did you mean 'score'?"
    >>> in_arguments("name it with --id COL, or --reference-last 30d")
    'name it with id=COL, or reference_last="30d"'
    """
    return _OPTION.sub(_argument, sentence)


def _argument(found: re.Match[str]) -> str:
    name = _WRITTEN[found[1]]
    if "=" in name:
        return f"{name}{found['colon']}"
    if found["name"]:
        return f"{name}={found['name']}{found['colon']}"
    if found["value"]:
        return f'{name}="{found["value"]}"{found["colon"]}'
    return f"{name}:" if found["colon"] else f"{name}="
