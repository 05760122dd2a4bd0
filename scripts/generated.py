"""Write the files that a script generates, or check that they hold what their source says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write_or_check(texts: Mapping[Path, str], problem: str, script: str, arguments: Sequence[str]) -> int:
    """Write the files that differ from their text, or only name them; return the exit code.

    Args:
        texts: The text of each file.
        problem: What is wrong with a file that differs, such as "differs from the registry".
        script: The ``__file__`` of the script.
        arguments: Those of the command: ``--check`` writes nothing, and exits with 1 if a file differs.
    """
    differing = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in differing:
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} {problem}; run: python -m scripts.{Path(script).stem}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
        print(f"wrote {name}")
    return int(bool(differing) and "--check" in arguments)


def between_markers(page: str, marker: str, text: str) -> str:
    """Return a page with a text between ``<!-- begin: marker -->`` and ``<!-- end: marker -->``.

    Raises:
        SystemExit: The page lacks a marker.

    >>> between_markers("a\\n<!-- begin: t -->\\nold\\n<!-- end: t -->\\nz\\n", "t", "new\\n")
    'a\\n<!-- begin: t -->\\nnew\\n<!-- end: t -->\\nz\\n'
    """
    begin, end = f"<!-- begin: {marker} -->\n", f"<!-- end: {marker} -->\n"
    head, opened, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not opened or not closed:
        raise SystemExit(f"the page has no marker {(end if opened else begin).strip()}")
    return head + begin + text + end + tail
