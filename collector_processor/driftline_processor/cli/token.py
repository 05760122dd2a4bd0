"""``driftline token create``: write a token and its digest; ``driftline login``: print a link that logs in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from driftline_processor.access.local import local_token_file, new_token, write_secret
from driftline_processor.config.capabilities import CAPABILITIES
from driftline_processor.core.nearest_names import near
from driftline_processor.readers.errors import BadInput

from .option_parameters import report_bad_input

app = typer.Typer(help="Create tokens for programs and people.", no_args_is_help=True)


@app.callback()
def token() -> None:
    """Make a group of the command."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who holds the token, such as a service or a person.")],
    may: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help=f"What the holder may do: {', '.join(CAPABILITIES)}, or all; separated by commas."
        ),
    ],
    models: Annotated[
        str, typer.Option(metavar="PATTERNS", help="Only these models, such as 'churn-*'; separated by commas.")
    ] = "*",
    directory: Annotated[
        Path, typer.Option("-d", "--directory", metavar="DIR", help="The directory of the two files.")
    ] = Path(),
) -> None:
    """Write two files: NAME.token for the holder of the token, and NAME.sha256 for the processor.

    The command prints the lines to add to driftline.yaml.
    """
    with report_bad_input():
        capabilities = [part.strip() for part in may.split(",") if part.strip()]
        for capability in capabilities:
            if capability not in (*CAPABILITIES, "all"):
                raise BadInput(f"--may: '{capability}' is not a capability; {near(capability, [*CAPABILITIES, 'all'])}")
        if not capabilities:
            raise BadInput("--may: is empty; use for example 'ingest,outcomes'")
        if not name.strip() or "/" in name or name.startswith(".") or not name.isprintable():
            raise BadInput(f"'{name}' cannot be the name of a file; use letters, digits, '-' and '_'")
        token_file, digest_file = directory / f"{name}.token", directory / f"{name}.sha256"
        for file in (token_file, digest_file):
            if file.exists():
                raise BadInput(f"{file} exists already; delete it to replace the token")
        text = new_token()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write_secret(token_file, text)
            write_secret(digest_file, hashlib.sha256(text.encode()).hexdigest())
        except OSError as error:
            raise BadInput(f"{directory}: the token cannot be written: {error.strerror}") from None
    patterns = [part.strip() for part in models.split(",") if part.strip()]
    restricted = "" if patterns == ["*"] else f", models: {json.dumps(patterns)}"
    typer.echo(
        f"{token_file} is for the holder; {digest_file} is for the processor. Add to driftline.yaml:\n\n"
        f"auth:\n  tokens:\n    - {{name: {json.dumps(name)}, sha256_file: {digest_file.resolve()}, "
        f"may: [{', '.join(capabilities)}]{restricted}}}"
    )


def login(
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="URL of a `driftline up` on this machine.")
    ] = "http://127.0.0.1:8780",
) -> None:
    """Print a link that logs you in to the pages of a processor that you run on this machine."""
    with report_bad_input():
        address = (url if "://" in url else f"http://{url}").rstrip("/")
        file = local_token_file(urlsplit(address).port or 8780)
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise BadInput(
                f"{file} cannot be read ({error.strerror}): start 'driftline up' as this user, or log in at "
                f"{address}/login with a token of 'auth' in its configuration"
            ) from None
    typer.echo(f"{address}/login#{text}")
