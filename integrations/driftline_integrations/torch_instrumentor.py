"""Record the PyTorch networks whose class ``DRIFTLINE_CONFIG`` declares, without importing PyTorch.

``opentelemetry-instrument`` loads every instrumentor that is installed, in every program that it starts. To import
PyTorch here would cost each program seconds. With a PyTorch that is too old, the error would end the instrumentation
of everything else.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS, logger

from driftline_integrations.instrumentation import instrumentor
from driftline_integrations.instrumentation.hooks import ConstructorHook, ImportHooks
from driftline_integrations.instrumentation.instrumentor import BaseInstrumentor, get_dependency_conflicts

if TYPE_CHECKING:
    from driftline.model import Model

_NEEDED = ("torch >= 2.5",)


class TorchInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Record the networks that the file in ``DRIFTLINE_CONFIG`` declares by class.

    ``[models.churn]`` with ``estimator = "shop.networks.Churn"`` and a task records every object of that class made or
    unpickled from then on. A network does not tell its task, so undeclared networks are not recorded. The class returns
    probabilities, or values.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the packages that must be installed."""
        return _NEEDED

    def _instrument(self, **kwargs: Any) -> None:
        instrumentor.remember_providers(self, kwargs)
        from driftline.declared_models import declared

        global _declared
        _declared = DeclaredNetworks(
            (instrumentor.with_providers(declaration.model), declaration.estimator)
            for declaration in declared()
            if "." in declaration.estimator
        )

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        instrumentor.forget_providers(self)
        _declared.leave()
        hooks = sys.modules.get("driftline_integrations.torch")  # nobody has hooks where nobody has imported it
        if hooks is not None:
            hooks.uninstrument_all()


class DeclaredNetworks:
    """Instrument each declared class once its module is imported."""

    def __init__(self, classes: Iterable[tuple[Model, str]] = ()) -> None:
        self._made: list[ConstructorHook] = []
        paths = [(model, path.rpartition(".")) for model, path in classes]
        self._imports = ImportHooks(
            *((home, functools.partial(self._attend, model, kind)) for model, (home, _, kind) in paths)
        )
        self._imports.await_all()

    def _attend(self, model: Model, name: str, module: Any) -> None:
        """Instrument every object of one class, now that its module is imported."""
        kind = getattr(module, name, None)
        network = getattr(sys.modules.get("torch.nn"), "Module", None)  # where nobody has it, this is no network
        if network is None or not (isinstance(kind, type) and issubclass(kind, network)):
            return
        conflict = get_dependency_conflicts(_NEEDED)
        if conflict is not None and conflict.found:
            if FAULTS.once(f"too old {conflict.found}"):
                logger.warning(
                    "driftline: %s is not recorded: %s is installed; recording needs %s",
                    model.name, conflict.found, conflict.required,
                )  # fmt: skip
            return
        hook = ConstructorHook(functools.partial(_instrument, model, kind), ("__init__", "__setstate__"))
        hook.attend([kind])
        self._made.append(hook)

    def leave(self) -> None:
        """Put the classes back as they were, where nobody else has changed them since."""
        self._imports.wanted = False
        while self._made:
            self._made.pop().leave()


def _instrument(model: Model, kind: type, network: Any) -> None:
    if type(network) is kind:
        model.instrument(network)


_declared = DeclaredNetworks()
