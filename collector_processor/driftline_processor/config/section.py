"""One mapping of ``driftline.yaml``: the base of every section, and how a section's keys describe themselves.

A key is a pydantic field with a description. ``examples`` and ``json_schema_extra`` serve the generated page and the
annotated example (``scripts/generate_configuration.py``):

- ``examples``: YAML, as people would write the value; the first one is shown. Of sections by name: further entries.
- ``json_schema_extra["default"]``: what holds where the key is absent, in words, where no value says it.
- ``json_schema_extra["shown"]``: True where the annotated file sets the key to its example instead of its default,
  "comment" where the file shows the key as a comment only.
- ``json_schema_extra["name"]``: of sections by name, the name that the annotated file uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, and values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def empty_is_default(written: object) -> object:
    """Read ``grpc:`` with nothing after it as "with its defaults", as the Collector does."""
    if isinstance(written, Mapping):
        return {key: {} if value is None else value for key, value in written.items()}
    return written
