"""One model: its verdict, the sections of its windows from ``/api/v1``, and its versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from rich.console import Group, RenderableType

from driftline_processor.present import times
from driftline_processor.present.numbers import compact, many
from driftline_processor.present.sections.section import Cell, Column, ModelSections, Section, Table, row
from driftline_processor.present.sentences.verdict import LINE_TITLES, verdict_word
from driftline_processor.present.wording import short

from .api_tables import ModelRow, nanoseconds, part_label
from .console import Text
from .evaluation import VERDICT_STYLES
from .sections import section_views

WINDOWS = 24
"""Number of requested windows: the length of a sparkline."""

_VERSIONS = (Column(""), Column("state"), Column("rows", "number"), Column("outcomes", "number"), Column(""))


def decode_sections(document: bytes) -> ModelSections:
    """Return ``/api/v1/models/{name}/sections``. Raises ``ValueError`` if it is something else."""
    try:
        return msgspec.json.decode(document, type=ModelSections)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError("the response of the processor does not contain the data of a model") from error


def model_view(row: ModelRow, part: Mapping[str, Any], answer: ModelSections | None, now: int) -> RenderableType:
    """Return the view of a model.

    Args:
        row: The model with all of its versions.
        part: The shown version in an environment, from ``/api/v1/models``.
        answer: The sections of its windows of one length; None while they are fetched.
        now: Unix nanoseconds.
    """
    parts: list[RenderableType] = [_heading(part, now), Text(), *_verdict(row, part)]
    parts += [Text(short(hint, 300), "cyan") for hint in part["hints"]]
    if answer is None:
        return Group(*parts, Text(), Text("loading the windows", "dim"))
    return Group(*parts, *section_views([*answer.sections, *_versions(row, part)], " on its page"))


def _heading(part: Mapping[str, Any], now: int) -> Text:
    received = nanoseconds(part["received"]) if part["received"] else 0
    facts = [part["task"], many(part["rows"] + part.get("distributed", 0)), many(part["outcomes"], "outcome")]
    facts += [f"last row {times.ago(received, now)}" if received else "no rows yet"]
    facts += [] if part.get("in_use", True) else ["not in use"]
    return Text.assemble((part_label(part), "bold"), "".join(f" · {fact}" for fact in facts if fact))


def _verdict(row: ModelRow, part: Mapping[str, Any]) -> Iterator[Text]:
    """Yield the full verdict of the model, and of the version if it differs."""
    verdicts = [row.verdict] if part is row.version or row.verdict is None else [row.verdict, part.get("verdict")]
    if all(verdict is None for verdict in verdicts):
        yield Text("There is no verdict before the first window.", "dim")
    for verdict in verdicts:
        if verdict is not None:
            yield Text(short(verdict["headline"], 400), f"bold {VERDICT_STYLES.get(verdict['state'], '')}")
            for key, title in LINE_TITLES.items():
                if verdict[key]:
                    style = "dim" if key == "certainty" else ""
                    yield Text.assemble((f"{title}: ", "dim"), (short(verdict[key], 1000), style))


def _versions(model: ModelRow, current: Mapping[str, Any]) -> Iterator[Section]:
    """Lay out the versions and environments if there are several."""
    if len(model.parts) == 1:
        return
    rows = []
    for part in model.parts:
        verdict, note = part.get("verdict"), "" if part.get("in_use", True) else "not in use"
        rows.append(
            row(
                part_label(part),
                "–" if verdict is None else verdict_word(short(verdict["state"], 12)),
                compact(part["rows"] + part.get("distributed", 0)),
                compact(part["outcomes"]),
                Cell("shown here" if part is current else note, "quiet"),
            )
        )
    yield Section("versions", "Versions", (Table(_VERSIONS, tuple(rows)),), note="press v for the next version")
