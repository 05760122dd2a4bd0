"""OpenTelemetry's ``BaseInstrumentor``, or its replacement, and the providers that were passed to ``instrument()``.

Only a program that instruments the whole process requires ``opentelemetry-instrumentation``. ``churn.instrument(app)``
does not, so a service with FastAPI and Driftline needs nothing else.

``FlaskInstrumentor().instrument(tracer_provider=, meter_provider=)`` replaces the global providers for models that are
not made in code. A process passes the same providers to all its instrumentors, so the last ones apply to all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, ClassVar, Protocol

from driftline import Model

try:
    from opentelemetry.instrumentation.dependencies import get_dependency_conflicts as get_dependency_conflicts
    from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
        BaseInstrumentor as BaseInstrumentor,
    )
except ModuleNotFoundError as _missing:
    if not (_missing.name or "").startswith("opentelemetry.instrumentation"):
        raise

    class BaseInstrumentor:  # type: ignore[no-redef]
        """Says what is missing to whoever instruments a whole process."""

        def instrument(self, **kwargs: Any) -> None:  # noqa: ARG002
            """Raise ``ModuleNotFoundError``."""
            raise ModuleNotFoundError(
                f"{type(self).__name__} instruments a whole process with a package that is not installed: "
                "pip install opentelemetry-instrumentation; or instrument one object: Model(...).instrument(object)",
                name="opentelemetry.instrumentation",
            )

        def uninstrument(self, **kwargs: Any) -> None:
            """Do nothing: nothing was instrumented."""

    def get_dependency_conflicts(*_: object) -> None:  # type: ignore[misc]
        """Return that nothing is in the way."""


_NAMES = ("tracer_provider", "meter_provider")
_providers: dict[str, dict[str, Any]] = {}


class Recordable(Protocol):
    """The objects that an instrumentor records while it is active, such as the estimators of a library."""

    def instrument(self) -> None:
        """Record from now on."""

    def uninstrument(self) -> None:
        """Stop recording, and restore every attribute."""


class ProcessInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """An instrumentor of a whole process, which ``opentelemetry-instrument`` finds by its entry point.

    Attributes:
        library: The instrumented library.
        dependencies: Packages that provide the library, as requirements; one of them must be installed.
    """

    library: ClassVar[Recordable]
    dependencies: ClassVar[Sequence[str]]

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the package that must be installed: of several, the one that is."""
        return [next(filter(_is_installed, self.dependencies), self.dependencies[0])]

    def _instrument(self, **kwargs: Any) -> None:
        _providers.pop(type(self).__name__, None)
        providers = {name: kwargs[name] for name in _NAMES if kwargs.get(name) is not None}
        if providers:
            _providers[type(self).__name__] = providers
        self.library.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        _providers.pop(type(self).__name__, None)
        self.library.uninstrument()


def _is_installed(requirement: str) -> bool:
    try:
        distribution(requirement.partition(" ")[0])
    except PackageNotFoundError:
        return False
    return True


def with_providers(model: Model) -> Model:
    """Return a model that was not made in code, with the providers that were passed to an instrumentor, if any."""
    if not _providers:
        return model
    providers = list(_providers.values())[-1]
    copy = Model.__new__(Model)
    copy.__dict__.update(model.__dict__, _blocks={}, _identity=replace(model._identity, **providers))
    return copy
