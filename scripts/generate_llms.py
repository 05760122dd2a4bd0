"""Write docs/llms.txt: the pages of the site with their first sentence, for language models (llmstxt.org).

python -m scripts.generate_llms            write the file
python -m scripts.generate_llms --check    exit 1 if it differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.generated import ROOT, write_or_check

FILE = ROOT / "docs" / "llms.txt"


def main(arguments: list[str]) -> int:
    """Write or check the file; return the exit code."""
    return write_or_check({FILE: llms_text()}, "differs from the pages", __file__, arguments)


def llms_text() -> str:
    """Return the text of the file."""
    site = navigation()
    lines = ["# Driftline", "", f"> {site['site_description']}", ""]
    for section in site["nav"]:
        for title, pages in section.items():
            lines += [f"## {title}", ""]
            lines += [f"- [{name}]({path}): {summary(ROOT / 'docs' / path)}" for name, path in pages_of(pages)]
            lines.append("")
    return "\n".join(lines)


def navigation() -> dict[str, Any]:
    """Return mkdocs.yml; its tags of Python and of the environment become None."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    configuration: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)
    return configuration


def pages_of(pages: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield title and path of each page of a section, also of its sections."""
    for page in pages:
        if isinstance(page, str):
            yield title_of(ROOT / "docs" / page), page
        else:
            for name, value in page.items():
                if isinstance(value, str):
                    yield name, value
                else:
                    yield from pages_of(value)


def title_of(page: Path) -> str:
    """Return the heading of a page."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def summary(page: Path) -> str:
    """Return the first sentence of a page, without links and marks."""
    for block in page.read_text(encoding="utf-8").split("\n\n")[1:]:
        if not block.startswith(("#", "!", "|", "<", "`", "-", ">")):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(block.split())).replace("**", "")
            return re.split(r"(?<=[.:?])\s", plain)[0]
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
