"""`driftline forget`: what is kept of somebody's predictions is deleted by the running processor."""

from __future__ import annotations

from typing import Annotated

import typer

from .files.errors import BadInput
from .options import Url, one_sentence

PAGES = "http://127.0.0.1:8780"


def forget(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    id: Annotated[list[str] | None, typer.Option(metavar="ID", help="A prediction's id; repeatable.")] = None,
    subject: Annotated[
        list[str] | None, typer.Option(metavar="VALUE", help="Whom rows are about (models.NAME.subject); repeatable.")
    ] = None,
    environment: Annotated[str, typer.Option(metavar="NAME", help="Only in this environment.")] = "",
    url: Url = PAGES,
) -> None:
    """Delete what is kept of predictions, by id or by subject, from every table and from the disk."""
    with one_sentence():
        from .remote import erase

        if bool(id) == bool(subject):
            raise BadInput("say what to delete: --id ID or --subject VALUE, either of them as often as needed")
        typer.echo(erase(url, model, "id" if id else "subject", id or subject or [], environment))
