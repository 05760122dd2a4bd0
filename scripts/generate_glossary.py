"""Write the table of docs/glossary.md, and the tooltips of the site, from the words of the pages.

python -m scripts.generate_glossary            write both files
python -m scripts.generate_glossary --check    exit 1 if one differs
"""

from __future__ import annotations

import sys

from driftline_processor.present.glossary import WORDS, Word

from scripts.generated import ROOT, write_or_check

DOCS = ROOT / "docs"
PAGE, TOOLTIPS = DOCS / "glossary.md", DOCS / "abbreviations.md"
HEAD = "| word | means |\n|---|---|\n"


def main(arguments: list[str]) -> int:
    """Write or check the files; return the exit code."""
    return write_or_check(
        {PAGE: glossary(), TOOLTIPS: tooltips()}, "differs from present/glossary.py", __file__, arguments
    )


def glossary() -> str:
    """Return the page with its table."""
    return PAGE.read_text(encoding="utf-8").partition(HEAD)[0] + HEAD + "".join(f"{row(word)}\n" for word in WORDS)


def tooltips() -> str:
    """Return the abbreviations of Markdown, which MkDocs shows as tooltips: of terms that need an explanation."""
    return "".join(
        f"*[{term}]: {word.plain}\n" for word in WORDS for term in (word.term, *word.also) if explained(term)
    )


def explained(term: str) -> bool:
    """Return True for terms of several words or with capital letters, and for a few others."""
    return " " in term or term != term.lower() or term in ("pane", "watermark", "coverage", "completeness")


def row(word: Word) -> str:
    """Return the line of the table that says what a word means."""
    terms = ", ".join(f"**{term}**" for term in (word.term, *word.also))
    more = f" ([{word.more}]({word.page}))" if word.page else ""
    return f"| {terms} | {word.means}{more} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
