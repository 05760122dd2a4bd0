"""Write or send the rows of the alert's window whose labels are the most informative."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from driftline_processor.config.http_keys import header_problems, secret_url_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import FilePath, Secret
from driftline_processor.policy.action import (
    Exchange,
    HttpAction,
    Surroundings,
    file_safe,
    filled_address,
    with_own_headers,
)
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Request, idempotency_key
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources
from driftline_processor.present.wording import short


class LabelQueue(HttpAction):
    """Selects the window's predictions whose labels would be most informative, and saves or sends them."""

    changes = False
    targets = ("url",)

    directory: FilePath | None = Field(
        default=None,
        description="The directory for the files, one file per message.",
        examples=["/var/spool/labels"],
    )
    url: Secret | None = Field(
        default=None,
        description="The URL to send the predictions to, instead of `directory`. It may contain [the placeholders of a "
        "target](../alert/actions.md#targets-and-limits). Only its host is shown or logged.",
        examples=['"https://labels.example.com/queues/{model}"'],
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    format: Literal["csv", "spreadsheet", "json"] = Field(
        default="csv",
        description="The format, as in [`label-next`](http-api.md#get-apiv1modelsnamelabel-next).",
        examples=["json"],
    )
    rows: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        default=100, description="The maximum number of rows.", examples=["500"]
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        if (self.directory is None) == (self.url is None):
            yield Problem("directory", "set either directory or url")
        if self.directory is not None and self.directory.exists() and not self.directory.is_dir():
            yield Problem("directory", f"{self.directory} is not a folder; use another one")
        if self.url is not None:
            yield from secret_url_problems(self.url.get_secret_value())
            yield from header_problems(self.headers)
        elif self.headers:
            yield Problem("headers", "work only with url; remove them")

    def describe(self, message: Message) -> str:
        """Return the number of rows and their destination; the rows are drawn later."""
        place = urlsplit(self.address).hostname if self.url is not None else self.directory
        rows = f"at most {self.rows} rows of {short(str(message.facts['model']), 80)} to label"
        return f"would send {rows} to {place}, as {self._name(message)}"

    def carry_out(self, message: Message, around: Surroundings) -> str:
        """Draw the rows and write or send them unless this was done before; return their number and place."""
        if self.directory is None:
            return super().carry_out(message, around)
        path = self.directory / self._name(message)
        if path.exists():
            return f"{path} already exists"
        count, content = self._sheet(message, around.sources)
        return f"{_counted(count)}: {_write(path, content)}" if count else _counted(count)

    def exchange(self, message: Message, sources: Sources) -> Exchange[str]:
        """Draw the rows and send them."""
        from driftline_processor.queries.label_sheets import MEDIA_TYPES

        count, content = self._sheet(message, sources)
        if not count:
            return _counted(count)
        said = {"Idempotency-Key": idempotency_key(message.id), "Content-Type": MEDIA_TYPES[self.format]}
        headers = with_own_headers(said, self.headers)
        reply = yield Request("POST", filled_address(self.address, message), content=content, headers=headers)
        return f"{_counted(count)}: {self.reference(reply)}"

    def _sheet(self, message: Message, sources: Sources) -> tuple[int, bytes]:
        """Draw the rows; return their number and their sheet. NotTaken if the model no longer exists."""
        from driftline_processor.queries.label_sheets import label_sheet

        rows = sources.rows(message, self.rows)
        if rows is None:
            raise NotTaken(Answer("refused", f"there are no stored rows of {short(str(message.facts['model']), 80)}"))
        count = len(rows.batch.rows)
        return count, label_sheet(self.format, rows.key, rows.batch) if count else b""

    def _name(self, message: Message) -> str:
        return f"label-{file_safe(message.id)}.{'json' if self.format == 'json' else 'csv'}"


def _counted(count: int) -> str:
    if not count:
        return "no prediction is waiting for a label"
    return f"{count} row{'s' if count > 1 else ''} to label"


def _write(path: Path, content: bytes) -> str:
    """Write a file atomically and return its path."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # a new file: the path may be a link to another file
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise NotTaken(Answer("put_off", f"{path}: {error.strerror or error}")) from error
    return str(path)


ACTION = LabelQueue
