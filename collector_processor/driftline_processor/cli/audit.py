"""`driftline audit list`, `verify` and `export`: read the audit log, and check that nothing was changed or removed."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import HERE, connects, for_a_reader_that_may_leave, report_bad_input

app = typer.Typer(
    help="Read the audit log, and check that nothing was changed or removed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BROKEN = 1
"""Exit code of a log that was changed."""

MOST_RANGES = 10
"""Upper limit of listed ranges of removed entries."""


@app.callback()
def audit() -> None:
    """Read the audit log, and check that nothing was changed or removed."""


@app.command(name="list")
@connects
def list_entries(
    model: Annotated[str, typer.Option(metavar="NAME", help="Only entries about this model.")] = "",
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="Only entries of this kind, such as approved, erased or rows_read.")
    ] = "",
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Number of entries to list: the newest N entries.")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    server: Connection = HERE,
) -> None:
    """List the audit log: what happened, to which model, who did it and why. The newest entry is the last."""
    with report_bad_input():
        from . import client

        answer = client.fetch_audit(server, model, kind, limit)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["entries"]:
            typer.echo("the audit log has no such entries" if model or kind else "the audit log is empty")
            return
        for entry in reversed(answer["entries"]):
            typer.echo(entry_line(entry))


@app.command()
@connects
def export(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the JSON lines.")],
    server: Connection = HERE,
) -> None:
    """Write the whole audit log as JSON lines, the oldest entry first, and print its head.

    The head is the number and the hash of the last entry.
    """
    with report_bad_input():
        from driftline_processor.core.audit_chain import verify_chain

        from . import client

        client.fetch_audit_log(server, output)
        typer.echo(f"{output}: head {verify_chain(_documents(output)).head}")


@app.command()
@connects
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="File that `driftline audit export` wrote. Default: the audit log of the processor at --url.",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="N:HASH",
            help="A head (number and hash of the last entry) that was recorded earlier. `driftline audit` and the "
            "metric driftline_audit_head contain the head. Without this option, the removal of the last entries is "
            "not detected.",
        ),
    ] = None,
    server: Connection = HERE,
) -> None:
    """Check the chain of hashes of the audit log.

    Exit code 0: the chain is intact, 1: an entry was changed, removed or moved, 2: bad input.
    """
    with report_bad_input(), tempfile.TemporaryDirectory() as folder:
        from driftline_processor.core.audit_chain import Head, verify_chain

        from . import client

        try:
            recorded = None if head is None else Head.parse(head)
        except ValueError as error:
            raise BadInput(f"--head: {error}") from None
        log = file or Path(folder) / "audit.jsonl"
        if file is None:
            client.fetch_audit_log(server, log)
        result = verify_chain(_documents(log), recorded)
        if not result.entries and recorded is None and result.broken is None:
            raise BadInput(f"{file or 'the audit log'}: has no entries; use --head to detect that entries were removed")
        if recorded is not None and result.broken is None:
            for start, end in result.removed:
                if start <= recorded.sequence <= end:
                    raise BadInput(f"--head: entry {recorded.sequence} was removed (storage.audit); use a newer head")
        with for_a_reader_that_may_leave():
            typer.echo(f"{_entries(result.entries)}, head {result.head}")
            if result.removed:
                count = sum(end - start + 1 for start, end in result.removed)
                ranges = ", ".join(f"{start} to {end}" for start, end in result.removed[:MOST_RANGES])
                more = f" and {len(result.removed) - MOST_RANGES:,} more ranges" * (len(result.removed) > MOST_RANGES)
                verb = "was" if count == 1 else "were"
                typer.echo(f"{_entries(count)} {verb} removed (storage.audit): {ranges}{more}")
        if result.broken is not None:
            typer.echo(f"broken at entry {result.broken}: {result.reason}", err=True)
            raise typer.Exit(BROKEN)
        typer.echo("the chain is intact")


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def entry_line(entry: Mapping[str, Any]) -> str:
    """Return an entry of the audit log as one line, from the JSON of the API."""
    place = f" ({entry['environment']})" if entry["environment"] else ""
    author = f"; {entry['by']}" if entry["by"] else ""
    why = f": {entry['why']}" if entry["why"] else ""
    alert = f"  alert {entry['alert']}" if entry["alert"] else ""
    count = "" if entry["count"] is None else f": {entry['count']:,}"
    statement = f"{entry['subject']} {entry['words']}{count}{author}{why}".strip()
    return f"{_seconds(entry['time'])}  {entry['kind']}  {entry['model'] or '-'}{place}  {statement}{alert}"


def _seconds(time: str) -> str:
    """Return a time of the API without its fraction of a second."""
    return re.sub(r"\.\d+Z$", "Z", time)


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of an export; one that is not an entry is empty. Raises :class:`BadInput`."""
    from driftline_processor.core.decode.untrusted_json import UnreadableJson, load_json

    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    document = load_json(line)
                except UnreadableJson:
                    document = None
                if number == 1 and not (isinstance(document, dict) and "sequence" in document):
                    raise BadInput(f"{file}: line 1 is not an entry; use a file of 'driftline audit export'")
                yield document if isinstance(document, dict) else {}
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from None
