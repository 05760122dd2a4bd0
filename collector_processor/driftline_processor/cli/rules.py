"""`driftline rules`: a configuration as rules of Prometheus and routes of Alertmanager."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from driftline_processor.readers.errors import BadInput

from .option_parameters import report_bad_input, say


def rules(
    config: Annotated[Path, typer.Option(metavar="FILE", help="Configuration file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Directory for the files.")],
) -> None:
    """Write Prometheus rules and Alertmanager routes."""
    with report_bad_input():
        from driftline_processor.alert_rules.files import ALERTMANAGER, rule_files
        from driftline_processor.config.schema import ConfigError, load

        try:
            settings = load(config)
        except ConfigError as error:
            raise BadInput(str(error)) from error
        routes = output / ALERTMANAGER
        try:
            before = routes.read_text(encoding="utf-8") if routes.exists() else ""
            files = rule_files(settings, before)
            output.mkdir(parents=True, exist_ok=True)
            for name, text in files.texts.items():
                (output / name).write_text(text, encoding="utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(f"{routes}: is not UTF-8; fix it, or move it away") from error
        except ValueError as error:
            raise BadInput(f"{routes}: {error}") from error
        except OSError as error:
            raise BadInput(f"{error.filename or output}: cannot be written: {error.strerror}") from error
        for omission in files.left_out:
            say(omission.sentence)
        typer.echo("\n".join(str(output / name) for name in files.texts))
