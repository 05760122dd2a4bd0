"""The commands of extensions: entry points of the group ``driftline_commands``, each a ``typer.Typer``."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from driftline_processor.config.kinds import installed

from .options import say

GROUP = "driftline_commands"


class Commands(TyperGroup):
    """The commands of Driftline, then those of extensions, which are imported when somebody names them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        names = super().list_commands(ctx)
        return [*names, *sorted(installed(GROUP).keys() - {*names})]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of this name, or if its extension cannot be imported."""
        command = super().get_command(ctx, cmd_name)
        if command is not None or (extension := installed(GROUP).get(cmd_name)) is None:
            return command
        try:
            return typer.main.get_command(extension.load())
        except Exception as error:  # of any distribution
            say(f"the extension '{cmd_name}' ({extension.value}) cannot be imported: {error}")
            return None
