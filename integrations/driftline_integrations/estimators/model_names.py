"""The model of an object that no code names: from the environment, the configuration file, else from its class name."""

from __future__ import annotations

import sys
from typing import Any

from driftline import Model
from driftline.declared_models import read_declarations
from driftline.faults import FAULTS, logger
from driftline.settings import read

from driftline_integrations.instrumentation.instrumentor import with_providers

from .fitted import last_step


class ModelLeftOut(ValueError):  # noqa: N818 - what becomes of it, not an error of the program
    """A model that the file skips for its mistakes, so it is not recorded. The text has the reason."""


def warn_other_model(target: object, earlier: str, model: str) -> None:
    """Warn once that code names an object for a second model, of which alone it then records predictions."""
    if earlier != model and FAULTS.once(f"other model {earlier} {model}"):
        logger.warning(
            "driftline: the %s that was recorded as %s is now recorded as %s only; to record one call for two models, "
            "use a with block: with driftline.Model(%r, task=...).prediction(features=...) as p: p.score = ...",
            type(target).__name__, earlier, model, earlier,
        )  # fmt: skip


def model_of(estimator: Any) -> Model:
    """Return the model of an estimator that no code has named.

    ``DRIFTLINE_MODEL_NAME`` and ``DRIFTLINE_MODEL_VERSION`` name it, with other arguments from the file's model of that
    name; else it is the model in the file whose ``estimator`` is the class of the estimator, or of its last step; else
    the only model in the file without ``estimator`` and ``routes``; else its name is the name of that class.

    Raises :class:`ModelLeftOut` if the file skips a model of that name or ``estimator``, or one without ``estimator``.
    """
    name = read("DRIFTLINE_MODEL_NAME")
    if name:
        return declared_model(name) or with_providers(Model(name, version=read("DRIFTLINE_MODEL_VERSION")))
    file, last = read_declarations(), last_step(estimator)
    for candidate in (estimator, last):
        for declaration in file.declared:
            if declaration.estimator and isinstance(candidate, _class(declaration.estimator)):
                return with_providers(declaration.model)
    for left in file.left_out:
        if not left.estimator or isinstance(estimator, kind := _class(left.estimator)) or isinstance(last, kind):
            raise ModelLeftOut(left.reason)
    anybody = [declaration for declaration in file.declared if not declaration.estimator and not declaration.routes]
    if len(anybody) == 1:
        return with_providers(anybody[0].model)
    return with_providers(Model(type(last).__name__, version=read("DRIFTLINE_MODEL_VERSION")))


def declared_model(name: str) -> Model | None:
    """Return the file's model of a name; None if there is none. Raises :class:`ModelLeftOut` if the file skips it."""
    file = read_declarations()
    for declaration in file.declared:
        if declaration.model.name == name:
            return with_providers(declaration.model)
    for left in file.left_out:
        if left.name in (name, ""):
            raise ModelLeftOut(left.reason)
    return None


def _class(name: str) -> type | tuple[()]:
    """Return the class of a dotted name under its public path; () if its module is not imported."""
    module, _, attribute = name.rpartition(".")
    kind = getattr(sys.modules.get(module), attribute, ())
    return kind if isinstance(kind, type) else ()
