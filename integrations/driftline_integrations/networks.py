"""Networks that the file of ``DRIFTLINE_CONFIG`` declares, instrumented when they are made.

``opentelemetry-instrument`` loads this in every process, so PyTorch, which takes seconds, is not imported here: a class
of networks has imported it itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import wrapt
from driftline.faults import FAULTS
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from driftline.model import Model


class TorchInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Record the networks that the file named by ``DRIFTLINE_CONFIG`` declares by their class.

    ``[models.churn]`` with ``estimator = "shop.networks.Churn"`` and a task: every object of that class that is made or
    unpickled from then on. A network does not say what it predicts, so none is recorded that is not declared; what its
    class returns has to be probabilities, or values.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed for this to do anything."""
        return ("torch >= 2.5",)

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        from driftline.settings_file import declared

        for one in declared():
            home, _, kind = one.estimator.rpartition(".")
            if home:
                wrapt.register_post_import_hook(_births(one.model, kind), home)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        while _attended:
            kind, name, original = _attended.pop()
            delattr(kind, name) if original is None else setattr(kind, name, original)


_attended: list[tuple[type, str, Any]] = []


def _births(model: Model, name: str) -> Callable[[Any], None]:
    """Return what instruments every object of a module's class, once that module is imported."""

    def attend(module: Any) -> None:
        kind = getattr(module, name, None)
        network = getattr(sys.modules.get("torch.nn"), "Module", None)  # where nobody has it, this is no network
        if network is not None and isinstance(kind, type) and issubclass(kind, network):
            for birth in ("__init__", "__setstate__"):
                _attended.append((kind, birth, kind.__dict__.get(birth)))
                setattr(kind, birth, _born(model, kind, getattr(kind, birth)))

    return attend


def _born(model: Model, kind: type, birth: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(birth)
    def born(module: Any, *args: Any, **kwargs: Any) -> None:
        birth(module, *args, **kwargs)
        if type(module) is kind:
            try:
                from .torch import instrument

                instrument(model, module)
            except Exception as fault:
                FAULTS.swallow("instrument", fault)

    return born
