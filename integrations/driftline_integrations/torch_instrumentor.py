"""Record the PyTorch networks whose class ``DRIFTLINE_CONFIG`` declares, without importing PyTorch.

``opentelemetry-instrument`` loads every installed instrumentor in every program that it starts. Importing PyTorch here
would cost each program seconds, and an error of an old PyTorch would end all other instrumentation.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from driftline.declared_models import declared
from driftline.faults import FAULTS, logger

from driftline_integrations.instrumentation.hooks import ConstructorHook, ImportHooks
from driftline_integrations.instrumentation.instrumentor import (
    ProcessInstrumentor,
    get_dependency_conflicts,
    with_providers,
)

if TYPE_CHECKING:
    from driftline.model import Model

_NEEDED = ("torch >= 2.5",)


class DeclaredNetworks:
    """Instrument each declared class once its module is imported."""

    def __init__(self) -> None:
        self._hooks: list[ConstructorHook] = []
        self._imports = ImportHooks()

    def instrument(self) -> None:
        """Wait for the modules of the classes that the file currently declares."""
        classes = [
            (with_providers(declaration.model), *declaration.estimator.rpartition("."))
            for declaration in declared()
            if "." in declaration.estimator
        ]
        self._imports = ImportHooks(
            *((home, functools.partial(self._attend, model, kind)) for model, home, _, kind in classes)
        )
        self._imports.await_all()

    def _attend(self, model: Model, name: str, module: Any) -> None:
        """Instrument every object of one class after the import of its module."""
        kind = getattr(module, name, None)
        network = getattr(sys.modules.get("torch.nn"), "Module", None)  # where nobody has it, this is no network
        if network is None or not (isinstance(kind, type) and issubclass(kind, network)):
            return
        conflict = get_dependency_conflicts(_NEEDED)
        if conflict is not None and conflict.found:
            if FAULTS.once(f"too old {conflict.found}"):
                logger.warning(
                    "driftline: %s is not recorded: %s is installed, but %s is required",
                    model.name, conflict.found, conflict.required,
                )  # fmt: skip
            return
        hook = ConstructorHook(functools.partial(_instrument, model, kind), ("__init__", "__setstate__"))
        hook.attend([kind])
        self._hooks.append(hook)

    def uninstrument(self) -> None:
        """Restore the classes, unless other code has changed them since."""
        self._imports.active = False
        while self._hooks:
            self._hooks.pop().leave()
        hooks = sys.modules.get("driftline_integrations.torch")  # nobody has hooks where nobody has imported it
        if hooks is not None:
            hooks.uninstrument_all()


def _instrument(model: Model, kind: type, network: Any) -> None:
    if type(network) is kind:
        model.instrument(network)


class TorchInstrumentor(ProcessInstrumentor):
    """Record the networks that the file in ``DRIFTLINE_CONFIG`` declares by class.

    ``[models.churn]`` with ``estimator = "shop.networks.Churn"`` and a task records every object of that class created
    or unpickled from then on. A network does not contain its task, so undeclared networks are not recorded. The class
    must return probabilities or values.
    """

    library = DeclaredNetworks()
    dependencies = _NEEDED
