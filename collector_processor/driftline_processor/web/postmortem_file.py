"""A postmortem as one file of HTML, which needs nothing beside itself."""

from __future__ import annotations

from html import escape

from markdown_it import MarkdownIt

from .report import content_security_policy, style


def postmortem_html(text: str) -> str:
    """Return a postmortem, which is Markdown, as a document of HTML; mark-up in it stays text."""
    title = text.partition("\n")[0].removeprefix("# ").replace("\\", "")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy())}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{style()}</style></head><body><main class="card">\n{body}</main></body></html>\n'
    )
