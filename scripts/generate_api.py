"""Write docs/reference/api.md from the public docstrings of ``driftline`` and ``driftline.testing``.

python -m scripts.generate_api            write the page
python -m scripts.generate_api --check    exit 1 where the page differs

Both exit 1 where a public docstring does not describe every argument of its signature, in order.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import driftline
import driftline.testing

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "api.md"
HEAD = """# Python API

<!-- Generated from the docstrings by scripts/generate_api.py (make semconv); do not edit. -->

This page lists every public class and function of the SDK, with its docstring. [Recorded data](sdk.md) describes the
inputs, results and selectors in full.
"""
CONSTRUCTED = ("Clock", "Model", "Privacy")
"""Classes that people construct."""

MEMBERS = {
    "Baseline": ("from_frame", "load", "save", "to_json", "from_json", "digest"),
    "Model": ("name", "version", "predict", "prediction", "instrument", "outcome", "outcomes"),
    "Prediction": ("id", "score", "predicted"),
    "Privacy": (),
}
"""Members of a class that people use. Default: all documented members without an underscore."""

SECTIONS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Raises": "Raises",
    "Returns": "Returns",
    "Yields": "Yields",
}
"""Section of a docstring → its title on the page."""

_SECTION = re.compile(rf"({'|'.join(SECTIONS)}):\n")
_ENTRY = re.compile(r"\*{0,2}([\w.]+)(?: \([^)]*\))?: ")


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    modules = (driftline, driftline.testing)
    undescribed = [sentence for module in modules for sentence in undescribed_arguments(module)]
    for sentence in undescribed:
        print(sentence)
    page = "\n".join([HEAD, *contents(modules), *(part for module in modules for part in sections(module))])
    code = write_or_check({PAGE: page}, "is not what the docstrings say", __file__, arguments)
    return code or bool(undescribed)


def contents(modules: tuple[ModuleType, ...]) -> Iterator[str]:
    """Yield the table of contents: each public name with the first sentence of its docstring."""
    yield "| name | purpose |\n|---|---|"
    for module in modules:
        for name in module.__all__:
            path = f"{module.__name__}.{name}"
            purpose = markdown(inspect.getdoc(getattr(module, name)) or "").partition("\n")[0]
            yield f"| [`{path}`](#{path.replace('.', '').lower()}) | {re.split(r'(?<=[.]) ', purpose)[0]} |"
    yield ""


def sections(module: ModuleType) -> Iterator[str]:
    """Yield a section for each public name of a module."""
    for name, member, documented in public_members(module):
        path = f"{name}.{member}" if member else f"{module.__name__}.{name}"
        yield f"### `{path}`\n" if member else f"## `{path}`\n"
        if is_called(name, member, documented):
            yield call(path, documented)
        yield markdown(inspect.getdoc(documented) or "")


def public_members(module: ModuleType) -> Iterator[tuple[str, str, Any]]:
    """Yield the name of a public class or function, the name of its member ("" for itself), and the object."""
    for name in module.__all__:
        public = getattr(module, name)
        yield name, "", public
        for member in members(public) if isinstance(public, type) else ():
            static = inspect.getattr_static(public, member)
            yield name, member, getattr(public, member) if isinstance(static, classmethod | staticmethod) else static


def members(kind: type) -> tuple[str, ...]:
    """Return the names of the documented members of a class."""
    if kind.__name__ in MEMBERS:
        return MEMBERS[kind.__name__]
    documented = (property, classmethod, staticmethod, type(members))
    return tuple(name for name, value in vars(kind).items() if name[0] != "_" and isinstance(value, documented))


def is_called(name: str, member: str, documented: Any) -> bool:
    """Return True for functions, methods, and classes that people construct."""
    return callable(documented) and (bool(member) or not isinstance(documented, type) or name in CONSTRUCTED)


def undescribed_arguments(module: ModuleType) -> Iterator[str]:
    """Yield a sentence for each docstring whose ``Args:`` are not the arguments of the signature, in order."""
    for name, member, documented in public_members(module):
        if not is_called(name, member, documented):
            continue
        arguments = [argument for argument in inspect.signature(documented).parameters if argument != "self"]
        described = [_ENTRY.match(entry) for entry in entries(section(inspect.getdoc(documented) or "", "Args"))]
        if [match[1] for match in described if match] != arguments:
            path = ".".join(filter(None, (module.__name__, name, member)))
            yield f"{path}: Args: must describe {', '.join(arguments)}, in this order"


def call(path: str, function: Any) -> str:
    """Return the signature as a block, an argument a line where one line would be too long."""
    signature = inspect.signature(function)
    written: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(argument.startswith("*") for argument in written):
            written.append("*")
        stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
        annotation = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
        default = "" if parameter.default is parameter.empty else f" = {default_text(parameter.default)}"
        written.append(f"{stars}{name}{annotation}{default}")
    arguments = ", ".join(argument for argument in written if argument != "self")
    if len(arguments) > 80:
        arguments = "".join(f"\n    {argument}," for argument in written if argument != "self") + "\n"
    returned = signature.return_annotation
    result = "" if returned in (signature.empty, "None", None) else f" -> {returned}"
    return f"```text\n{path}({arguments}){result}\n```\n"


def default_text(default: object) -> str:
    """Return a default as code; three dots for a sentinel."""
    return "..." if type(default) is object else repr(default)


def markdown(docstring: str) -> str:
    """Return a docstring as Markdown: roles as code, examples as blocks, sections as lists.

    >>> print(markdown("Send it.\\n\\nArgs:\\n    id: Id, as in\\n        :meth:`outcome`.\\n\\nReturns:\\n    A row."))
    Send it.
    <BLANKLINE>
    **Arguments:**
    <BLANKLINE>
    - `id`: Id, as in `outcome`.
    <BLANKLINE>
    **Returns:** A row.
    <BLANKLINE>
    """
    docstring = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", docstring).replace("``", "`")
    paragraphs = []
    for paragraph in docstring.split("\n\n"):
        head = _SECTION.match(paragraph)
        if paragraph.startswith(">>>"):
            paragraphs.append(f"```pycon\n{paragraph}\n```")
        elif head is None:
            paragraphs.append(paragraph)
        elif head[1] in ("Returns", "Yields"):
            paragraphs.append(f"**{SECTIONS[head[1]]}:** {' '.join(paragraph[head.end() :].split())}")
        else:
            listed = [_ENTRY.sub(r"- `\1`: ", entry, count=1) for entry in entries(paragraph[head.end() :])]
            paragraphs += [f"**{SECTIONS[head[1]]}:**", "\n".join(listed)]
    return "\n\n".join(paragraphs) + "\n"


def section(docstring: str, name: str) -> str:
    """Return the body of a section, "" where the docstring lacks it."""
    return next((part.partition("\n")[2] for part in docstring.split("\n\n") if part.startswith(f"{name}:\n")), "")


def entries(body: str) -> Iterator[str]:
    """Yield each entry of a section as one line; an entry is indented by four, its further lines by more."""
    for entry in re.split(r"\n(?=    \S)", "\n" + body):
        if line := " ".join(entry.split()):
            yield line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
