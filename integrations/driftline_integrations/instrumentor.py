"""OpenTelemetry's ``BaseInstrumentor``, or what stands for it where ``opentelemetry-instrumentation`` is not installed.

``churn.instrument(app)`` needs nothing of that package: only who instruments a whole process does, and
``opentelemetry-instrument``, which comes with it. So a service that has FastAPI and Driftline works as it is.
"""

from __future__ import annotations

from typing import Any

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
                f"{type(self).__name__} instruments a whole process with OpenTelemetry's own package, which is not "
                "installed: pip install opentelemetry-instrumentation; or name one object: Model(...).instrument(it)",
                name="opentelemetry.instrumentation",
            )

        def uninstrument(self, **kwargs: Any) -> None:
            """Do nothing: nothing was instrumented."""

    def get_dependency_conflicts(*_: object) -> None:  # type: ignore[misc]
        """Return that nothing is in the way."""
