"""A mapping of ``driftline.yaml``: the base of every section, and how its keys describe themselves.

A key is a pydantic field with a description. ``examples`` and ``json_schema_extra`` are used for the generated
page and the annotated example (``scripts/generate_configuration.py``):

- ``examples``: the value in YAML; the first one is shown. For sections by name: further entries.
- ``json_schema_extra["default"]``: the effect of an absent key in words, if the default value does not show it.
- ``json_schema_extra["shown"]``: True if the annotated file sets the key to its example instead of its default,
"comment" if the file shows the key as a comment only.
- ``json_schema_extra["name"]``: for sections by name, the name in the annotated file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, and values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Problem(NamedTuple):
    """A broken rule of a configuration.

    Attributes:
        key: The place in the file, such as ``models.churn.windows``; "" = the section itself.
        text: The rule and the fix.

    >>> str(Problem("windows", "'25' has no unit; use '25h' or '25m'"))
    "windows: '25' has no unit; use '25h' or '25m'"
    """

    key: str
    text: str

    def __str__(self) -> str:
        """Return the problem as text."""
        return f"{self.key}: {self.text}" if self.key else self.text


def under(key: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems of a section with the section's key as prefix."""
    for problem in problems:
        yield Problem(f"{key}.{problem.key}" if problem.key else key, problem.text)


def empty_is_default(written: object) -> object:
    """Read ``grpc:`` without a value as "with its defaults", as the Collector does."""
    if isinstance(written, Mapping):
        return {key: {} if value is None else value for key, value in written.items()}
    return written
