"""Send files of outcomes to a running processor: in parts, each once, from where an earlier run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import xxhash

from .files.errors import BadInput, Say
from .files.outcome_parts import ROWS, Columns, Part, parts_of
from .runtime.transport import RETRYABLE_STATUSES, seconds_to_wait

PATIENCE = 60.0
"""Seconds for which one part is tried again: a processor that starts again, or writes its file anew, takes less."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0

_WAIT = 120.0


@dataclass(slots=True)
class Pushed:
    """What became of one file. ``reasons``: (row from 1, or None where only their number is known; rows; reason)."""

    accepted: int = 0
    rejected: int = 0
    went_on: int = 0
    reasons: list[tuple[int | None, int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """Where outcomes go, and whose they are. ``timeout``: seconds for which a part is tried again.

    ``pause``: waits so many seconds before another attempt; ``clock``: seconds that only grow.
    """

    url: str
    model: str = ""
    environment: str = ""
    timeout: float = PATIENCE
    pause: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic


def push(
    path: Path, target: Target, columns: Columns, say: Say, sent: Callable[[int], object], rows: int = ROWS
) -> Pushed:
    """Send one file; ``sent`` hears of rows that are on disk.

    Parts that are there already are not sent again, but for those of which rows were rejected: what was wrong with them
    is told again. Raises :class:`BadInput` when the file cannot be read, or a part is refused or not taken.
    """
    address = (target.url if "://" in target.url else f"http://{target.url}").rstrip("/")
    upload = upload_of(path, target, columns, rows)
    with httpx.Client(base_url=address, timeout=_WAIT) as client:
        known = _known(client, upload, target, say)
        done, faulty = int(known.get("next", 0)), set(known.get("parts_with_rejected", ()))
        pushed = Pushed(went_on=done)
        pushed.accepted, pushed.rejected = int(known.get("accepted", 0)), int(known.get("rejected", 0))
        for part in parts_of(path, columns, say, rows):
            if part.number >= done or part.number in faulty:
                _take(pushed, part, _send(client, upload, part, target, say))
            sent(part.rows)
    return pushed


def upload_of(path: Path, target: Target, columns: Columns, rows: int) -> str:
    """Return the name of an upload: the same for the same bytes sent in the same way, and another for any other."""
    digest = xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    said = (target.model, target.environment, sorted(columns.given.items()), rows, path.suffix, pa.__version__)
    digest.update(repr(said).encode())
    return f"push-{digest.hexdigest()}"


def _take(pushed: Pushed, part: Part, answer: dict[str, Any]) -> None:
    rejected = [(None if one["index"] is None else part.first + one["index"] + 1, one.get("rows", 1), one["reason"])
                for one in answer["rejected"]]  # fmt: skip
    if answer.get("more_rejected"):
        rejected.append((None, answer["more_rejected"], "more of the same part were rejected"))
    pushed.reasons += rejected
    if not answer["again"]:
        pushed.accepted += answer["accepted"]
        pushed.rejected += sum(rows for _, rows, _ in rejected)


def _known(client: httpx.Client, upload: str, target: Target, say: Say) -> dict[str, Any]:
    answer = _answer(lambda: client.get(f"/v1/outcomes/uploads/{upload}"), str(client.base_url), target, "nothing", say)
    if answer.status_code == 404 and "nothing of this upload" in answer.text:
        return {}
    return dict(_said(answer, str(client.base_url)))


def _send(client: httpx.Client, upload: str, part: Part, target: Target, say: Say) -> dict[str, Any]:
    named = {"model": target.model, "environment": target.environment, "upload": upload, "part": str(part.number)}
    parameters = {name: value for name, value in named.items() if value}
    headers = {"content-type": part.kind}
    post = lambda: client.post("/v1/outcomes", params=parameters, content=part.body, headers=headers)  # noqa: E731
    before = f"the first {part.first:,} rows" if part.first else "nothing"
    return dict(_said(_answer(post, str(client.base_url), target, before, say), str(client.base_url)))


def _answer(ask: Callable[[], httpx.Response], address: str, target: Target, before: str, say: Say) -> httpx.Response:
    """Ask until there is an answer that is one, or until the time is over; wait longer each time.

    What the OTLP specification calls retryable is asked again, and so is a connection that fails.
    """
    end: float | None = None
    wait = _SHORTEST_PAUSE
    while True:
        pause, there = wait, f"{before} are there" if before != "nothing" else ""
        try:
            answer = ask()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise BadInput(f"--endpoint: {address} is no URL: {error}") from None
        except httpx.HTTPError as error:
            said = f"nothing answers at {address} ({type(error).__name__})"
            there = there or "start 'driftline up', or name a running one with --endpoint"
        else:
            if answer.status_code not in RETRYABLE_STATUSES:
                return answer
            said = f"{address} answers {answer.status_code}{_reason(answer)}"
            told = seconds_to_wait(answer.headers.get("retry-after"))
            pause = wait if told is None else max(told, _SHORTEST_PAUSE)
        if end is None:
            end = target.clock() + target.timeout
        left = end - target.clock()
        if pause > left:
            break
        if wait == _SHORTEST_PAUSE:
            say(f"{said}; trying again for {left:.0f} s")
        target.pause(pause)
        wait = min(2 * wait, _LONGEST_PAUSE)
    raise BadInput(f"{said}; {there or 'nothing is there'}; run it again, and it goes on where it stopped")


def _reason(answer: httpx.Response) -> str:
    try:
        return f": {answer.json()['error']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _said(answer: httpx.Response, address: str) -> Any:
    try:
        document = answer.json()
        if answer.is_success:
            return document
        said = document["error"]
    except (ValueError, KeyError, TypeError):
        said = (
            f"it answers {answer.status_code}, but not as Driftline does; name the address of its pages or of OTLP/HTTP"
        )
    raise BadInput(f"{address}: {said}")


def sentences(path: Path, pushed: Pushed, most: int) -> Iterator[str]:
    """Say what became of a file: how many rows, and what was wrong with the first of those that were rejected."""
    yield f"{path}: {pushed.accepted:,} accepted, {pushed.rejected:,} rejected"
    for row, rows, reason in pushed.reasons[:most]:
        yield f"  {f'row {row:,}' if row is not None else f'{rows:,} rows'}: {reason}"
    if len(pushed.reasons) > most:
        yield f"  and {len(pushed.reasons) - most:,} more; --rejected FILE writes them all"


def write_rejected(path: Path, found: Sequence[tuple[Path, Pushed]]) -> None:
    """Write what was rejected as CSV: file, row, rows, reason."""
    import csv

    try:
        with path.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("file", "row", "rows", "reason"))
            for file, pushed in found:
                writer.writerows((file, row, rows, reason) for row, rows, reason in pushed.reasons)
    except OSError as error:
        raise BadInput(f"--rejected {path}: cannot be written: {error.strerror}") from error
