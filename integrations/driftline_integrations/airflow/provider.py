"""The metadata of the Airflow provider (entry point ``apache_airflow_provider``)."""

from __future__ import annotations

from typing import Any

_HOME = "driftline_integrations.airflow"


def get_provider_info() -> dict[str, Any]:
    """Return the name of the provider and its connection type."""
    return {
        "package-name": "driftline",
        "name": "Driftline",
        "description": "Operators, a sensor and a trigger: whether a model is still healthy, and whether to retrain.",
        "connection-types": [
            {"connection-type": "driftline", "hook-class-name": f"{_HOME}.hook.DriftlineHook"},
        ],
        "integrations": [
            {
                "integration-name": "Driftline",
                "external-doc-url": "https://pypi.org/project/driftline/",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": "Driftline", "python-modules": [f"{_HOME}.operators"]}],
        "sensors": [{"integration-name": "Driftline", "python-modules": [f"{_HOME}.sensors"]}],
        "hooks": [{"integration-name": "Driftline", "python-modules": [f"{_HOME}.hook"]}],
        "triggers": [{"integration-name": "Driftline", "python-modules": [f"{_HOME}.triggers"]}],
    }
