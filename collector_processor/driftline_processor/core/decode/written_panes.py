"""Decode the document of ``POST /v1/panes``: panes that a batch job has folded.

One pane that cannot be used does not affect the others. ``docs/reference/panes.md`` describes the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from driftline.tables.column_codec import ColumnError, decode_numbers
from driftline.tables.table import ModelKey
from msgspec import Meta, Struct
from numpy.typing import NDArray

MOST_PANES = 10_000
"""Maximum number of panes in a document."""

_MOST_TEXT = 1_024
"""Maximum number of characters of a name, as of outcomes."""

_LAST = 2**63 - 1

_NONE = ""

Name = Annotated[str, Meta(min_length=1, max_length=_MOST_TEXT)]
Text = Annotated[str, Meta(max_length=_MOST_TEXT)]
Place = Annotated[int, Meta(ge=0, le=2**31 - 1)]


Sums = list[float] | dict[int, float] | NDArray[Any]
"""The sums of a part, (width,), or those that are not zero by their place."""


class MalformedPanes(ValueError):  # noqa: N818 - the state of a document, and the sentence its sender reads
    """The reason why a whole document cannot be read."""


class WrittenPane(Struct, frozen=True):
    """One pane as it was sent.

    Attributes:
        index: Its position in the document.
        start: Unix nanoseconds.
        span: Name of its length.
        slice: ``key=value``; "" = all rows.
        sums: Part → its sums.
    """

    index: int
    start: int
    span: str
    slice: str
    sums: Mapping[str, Sums]

    @property
    def has_outcomes(self) -> bool:
        """Whether rows of it have outcomes."""
        return "outcomes" in self.sums


class RefusedPane(Struct, frozen=True):
    """A pane that is not stored.

    Attributes:
        index: Its position in the document.
        reason: A sentence with the rule.
    """

    index: int
    reason: str


class WrittenPanes(Struct, frozen=True):
    """The panes of a document.

    Attributes:
        key: The model, version and environment.
        baseline: Digest of the baseline over whose bins they are counted.
        source: Name of the job.
        epoch: Number of its run.
        panes: The panes that could be read.
        refused: The other panes.
    """

    key: ModelKey
    baseline: str
    source: str
    epoch: int
    panes: tuple[WrittenPane, ...] = ()
    refused: tuple[RefusedPane, ...] = ()


class _Document(Struct, forbid_unknown_fields=True):
    model: Name
    baseline: Name
    source: Name
    epoch: Annotated[int, Meta(ge=0, le=_LAST)]
    panes: Annotated[list[msgspec.Raw], Meta(max_length=MOST_PANES)]
    version: Text = _NONE
    environment: Text = _NONE


class _Pane(Struct, forbid_unknown_fields=True):
    start: Annotated[int, Meta(ge=0, le=_LAST)]
    span: Literal["5m", "1h", "1d"]
    sums: dict[Text, list[float] | dict[Place, float] | bytes]
    slice: Text = _NONE


_document, _pane = msgspec.json.Decoder(_Document), msgspec.json.Decoder(_Pane)


def parse_panes(body: bytes) -> WrittenPanes:
    """Return the panes of a document of JSON.

    Raises:
        MalformedPanes: It is not such a document.

    >>> about = b'"model": "churn", "baseline": "d1", "source": "nightly", "epoch": 7'
    >>> panes = parse_panes(b"{" + about + b', "panes": [{"start": 0, "span": "1h", "sums": {"rows": [1, 1, 1]}}, 5]}')
    >>> panes.panes[0].sums, panes.refused[0].reason
    ({'rows': [1.0, 1.0, 1.0]}, 'Expected `object`, got `int`')
    """
    try:
        document = _document.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedPanes(f"this is not a document of panes: {error}") from None
    panes, refused = list[WrittenPane](), list[RefusedPane]()
    for index, raw in enumerate(document.panes):
        try:
            panes.append(_pane_of(index, raw))
        except ColumnError as error:
            refused.append(RefusedPane(index, f"the bytes of a part are not a column of numbers ({error.reason})"))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            refused.append(RefusedPane(index, str(error)))
    key = ModelKey(document.model, document.version, document.environment)
    return WrittenPanes(key, document.baseline, document.source, document.epoch, tuple(panes), tuple(refused))


def _pane_of(index: int, raw: Any) -> WrittenPane:
    pane = _pane.decode(raw)
    sums: dict[str, Sums] = {
        part: decode_numbers(values) if isinstance(values, bytes) else values for part, values in pane.sums.items()
    }
    return WrittenPane(index, pane.start, pane.span, pane.slice, sums)
