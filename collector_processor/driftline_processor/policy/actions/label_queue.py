"""Ask for labels: write the rows of the alert's window whose label would teach most into a file, or send them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from driftline_processor.config.actions import LabelQueue
from driftline_processor.core.wording import short
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken, idempotency_key
from driftline_processor.policy.channels.secrets import secret_parts
from driftline_processor.policy.sources import Sources
from driftline_processor.queries.label_sheets import MEDIA_TYPES, label_sheet

from .action import file_safe, filled_address, header_secrets


class LabelQueueAction:
    """The rows to label, for one folder or one receiver."""

    def __init__(self, config: LabelQueue, sources: Sources) -> None:
        self._config, self._sources = config, sources
        self._url = "" if config.url is None else config.url.get_secret_value()
        self.secrets = [*header_secrets(config.headers), *secret_parts(self._url)]
        self._service = HttpService(self._url, config.timeout.total_seconds()) if self._url else None

    def describe(self, message: Message) -> str:
        """Return how many rows would go where; which ones is only known when they are drawn."""
        place = urlsplit(self._url).hostname if self._url else self._config.directory
        rows = f"at most {self._config.rows} rows of {short(str(message.facts['model']), 80)} to label"
        return f"would send {rows} to {place}, as {self._name(message)}"

    def carry_out(self, message: Message) -> str:
        """Draw the rows and write or send them, unless they are there already; return how many, and where."""
        path = None if self._config.directory is None else self._config.directory / self._name(message)
        if path is not None and path.exists():
            return f"{path} is there already"
        found = self._sources.rows(message, self._config.rows)
        if found is None:
            raise NotTaken(Answer("refused", f"nothing is kept of {short(str(message.facts['model']), 80)}"))
        count = len(found.batch.rows)
        if not count:
            return "no prediction waits for its label"
        said = f"{count} row{'s' if count > 1 else ''} to label"
        content = label_sheet(self._config.format, found.key, found.batch)
        return f"{said}: {self._send(message, content) if path is None else _write(path, content)}"

    def close(self) -> None:
        """Close the connection."""
        if self._service is not None:
            self._service.close()

    def _name(self, message: Message) -> str:
        return f"label-{file_safe(message.id)}.{'json' if self._config.format == 'json' else 'csv'}"

    def _send(self, message: Message, content: bytes) -> str:
        assert self._service is not None
        own = {name: value.get_secret_value() for name, value in self._config.headers.items()}
        given = {name.lower() for name in own}
        said = {"Idempotency-Key": idempotency_key(message.id), "Content-Type": MEDIA_TYPES[self._config.format]}
        headers = {name: value for name, value in said.items() if name.lower() not in given} | own
        url = filled_address(self._url, message)
        return f"HTTP {self._service.ask('POST', url, content=content, headers=headers).status}"


def _write(path: Path, content: bytes) -> str:
    """Write a file as a whole or not at all, and return its path."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # a new one: somebody may have put a link to another file there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise NotTaken(Answer("put_off", f"{path}: {error.strerror or error}")) from error
    return str(path)


ACTION = LabelQueueAction
