"""The annotated configuration shows every key there is, and is taken as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from driftline_processor.config.schema import Config, validate_file
from pydantic import BaseModel

from tests.support.paths import ROOT

ANNOTATED = ROOT / "otel-config/driftline.yaml"


def keys(annotation: object) -> Iterator[str]:
    """Yield the keys that may be written at and below a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield name
            yield from keys(field.annotation)
    for part in get_args(annotation):
        yield from keys(part)


def test_the_annotated_configuration_is_accepted() -> None:
    assert validate_file(ANNOTATED) == []


def test_the_annotated_configuration_shows_every_key() -> None:
    text = ANNOTATED.read_text(encoding="utf-8")
    assert [key for key in keys(Config) if not re.search(rf"\b{key}:", text)] == []
