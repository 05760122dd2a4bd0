"""A hook of MkDocs: links from a page to a file of the repository outside docs/ lead to the repository.

On GitHub, such links work as they are written. MkDocs serves docs/ only.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: object) -> str:
    """Return the text of a page with links to the repository."""
    folder, root = posixpath.dirname(page.file.src_uri), Path(config.docs_dir).parent

    def replaced(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, found[1]))
        outside = not target.startswith(("docs/", "../"))
        if not outside or not (root / target).exists():
            return found[0]
        kind = "tree" if (root / target).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{target}{found[2] or ''}"

    return _LINK.sub(replaced, markdown)
