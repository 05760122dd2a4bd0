"""Which model an estimator is that no code has named: what the environment or the file says, else its class."""

from __future__ import annotations

import sys
from typing import Any

from driftline import Model
from driftline.settings import read
from driftline.settings_file import declared

from .fitted import last_step
from .providers import through


def model_of(estimator: Any) -> Model:
    """Return the model of an estimator that nobody has named.

    ``DRIFTLINE_MODEL_NAME`` and ``DRIFTLINE_MODEL_VERSION`` name it, and the file's model of that name says the rest;
    else the model in the file whose ``estimator`` is the class of the estimator, or of the step that decides; else the
    only one in the file without ``estimator`` and ``routes``; else it is called by the name of that class.
    """
    name, models = read("DRIFTLINE_MODEL_NAME"), declared()
    last = last_step(estimator)
    if name:
        found = [one for one in models if one.model.name == name]
    else:
        found = [one for one in models if one.estimator and isinstance(estimator, _class(one.estimator))]
        found = found or [one for one in models if one.estimator and isinstance(last, _class(one.estimator))]
        anybody = [one for one in models if not one.estimator and not one.routes]
        found = found or (anybody if len(anybody) == 1 else [])
    if found:
        return through(found[0].model)
    return through(Model(name or type(last).__name__, version=read("DRIFTLINE_MODEL_VERSION")))


def _class(name: str) -> type | tuple[()]:
    """Return the class of a dotted name, public as people import it; nothing where nobody has imported its module."""
    module, _, attribute = name.rpartition(".")
    kind = getattr(sys.modules.get(module), attribute, ())
    return kind if isinstance(kind, type) else ()
