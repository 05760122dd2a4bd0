"""``driftline doctor``: find everyday mistakes, each with its evidence and its fix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from driftline_processor.core.nearest_names import listed

from .connection import DEFAULT_URL, Connection
from .option_parameters import NOT_GIVEN, connects, for_a_reader_that_may_leave, report_bad_input, say

FOUND = 1
"""Exit code if something was found."""

NO_ANSWER = 2
"""Exit code if the processor does not answer, and nothing was found without it."""


@connects
def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Also check this configuration, even if no processor runs."),
    ] = None,
    server: Annotated[
        Connection,
        typer.Option(
            "--url", metavar="URL", help=f"URL of the processor. Default: the URL in --config, otherwise {DEFAULT_URL}."
        ),
    ] = NOT_GIVEN,
) -> None:
    """Find common mistakes in the configuration, the senders and the destinations, and show the fix for each.

    The command checks the environment variables of this shell, the file of --config if it is given, and the processor
    if it runs. Exit code: 0 = nothing was found, 1 = something was found, 2 = the processor does not answer, and no
    file was checked.
    """
    with report_bad_input():
        from driftline_processor.present.numbers import many
        from driftline_processor.present.wording import printable

        from . import checks

        findings = [*checks.check_environment(os.environ)]
        declared, problems = checks.load_configuration(config)
        findings += problems
        checked = ["the variables of this shell", *([str(config)] if config is not None else [])]
        if declared is not None and not server.url:
            server = structs.replace(server, url=checks.address_of_pages(declared))
        silent: str | None = ""
        if declared is not None or config is None or server.url:  # else a file that is not valid has the address
            silent, of_processor = checks.check_processor(server, [*declared.models] if declared is not None else [])
            findings += of_processor
        if declared is not None:
            asked = {f"{name} {checks.NEEDS_ATTENTION}" for name in declared.exporters}  # which are asked here
            findings = [finding for finding in findings if finding.what not in asked]
            findings += checks.check_configuration(declared, is_running=silent is None)
        if silent is None:
            checked.append(f"the processor at {server.address}")
        count = many(len(dict.fromkeys(findings)), "finding") if findings else "no problem"
        with for_a_reader_that_may_leave():
            for finding in dict.fromkeys(findings):
                typer.echo(f"{printable(finding.what)}\n  evidence: {printable(finding.evidence)}")
                typer.echo(f"  fix:      {printable(finding.fix)}\n")
            if silent:
                say(silent if config is None else f"{silent} (the other checks need it)")
            typer.echo(f"{count} in {listed(checked)}")
    if findings:
        raise typer.Exit(FOUND)
    if silent is not None and config is None:
        raise typer.Exit(NO_ANSWER)
