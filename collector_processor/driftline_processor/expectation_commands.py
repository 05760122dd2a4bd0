"""`driftline expectations`: what is expected of a model's data, as other tools wrote it down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .files.errors import BadInput

if TYPE_CHECKING:
    from .core.expectations.rule import Expectations


def expectations_of(file: Path | None) -> dict[str, Expectations]:
    """Return what a configuration expects of each of its models; nothing without one."""
    if file is None:
        return {}
    from .runtime.config import ConfigError, load

    try:
        models = load(file).models
    except ConfigError as error:
        raise BadInput(f"--expect {file}: {error}") from error
    expected = {name: model.expectations for name, model in models.items() if model.expectations}
    if not expected:
        raise BadInput(f"--expect {file}: it expects nothing; write 'expect:' below a model or one of its features")
    return expected
