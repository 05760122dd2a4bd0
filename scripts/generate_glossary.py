"""Write the table of docs/glossary.md from the words that the pages know.

python scripts/generate_glossary.py            write the page
python scripts/generate_glossary.py --check    exit 1 where it differs
"""

from __future__ import annotations

import sys
from pathlib import Path

from driftline_processor.present.glossary import WORDS, Word

PAGE = Path(__file__).resolve().parents[1] / "docs" / "glossary.md"
HEAD = "| word | means |\n|---|---|\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    after = before.partition(HEAD)[0] + HEAD + "".join(f"{row(word)}\n" for word in WORDS)
    if after == before:
        return 0
    if "--check" in arguments:
        print("docs/glossary.md is not what present/glossary.py says; run: python scripts/generate_glossary.py")
        return 1
    PAGE.write_text(after, encoding="utf-8")
    print("wrote docs/glossary.md")
    return 0


def row(word: Word) -> str:
    """Return the line of the table that says what a word means."""
    terms = ", ".join(f"**{term}**" for term in (word.term, *word.also))
    more = f" ([{word.more}]({word.page}))" if word.page else ""
    return f"| {terms} | {word.means}{more} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
