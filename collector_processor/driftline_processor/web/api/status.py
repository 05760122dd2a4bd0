"""``GET /api/v1/status``: the status of the processor, which is also on the page ``/status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.health import SendingReport
from driftline_processor.present.wording import iso_time
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.process_status import ProcessStatus, process_status
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def status(_: Request) -> Response:
        return FiniteJSON({**status_json(process_status(site)), "time": iso_time(site.clock())})

    return [Guarded("/api/v1/status", status, may="read", parameters="")]


def status_json(status: ProcessStatus) -> dict[str, Any]:
    """Return the status in the format of the API."""
    configuration = asdict(status.configuration)
    for name in ("file", "sha256"):
        configuration[name] = configuration[name] or None
    configuration["loaded"] = _time(status.configuration.loaded)
    return {
        "version": status.version,
        "ready": status.ready,
        "started": _time(status.started),
        "configuration": configuration,
        "addresses": dict(status.addresses),
        "evaluation": {
            "lag_seconds": dict(status.lags),
            "evaluated_until": _time(status.evaluated),
            "pending_windows": status.pending,
        },
        "disk": {**asdict(status.disk), "directory": status.disk.directory or None},
        "memory": {"used": status.memory or None, "limit": status.memory_limit or None},
        "destinations": _reports(status.destinations),
        "channels": _reports(status.channels),
        "policies": [{"name": name, "open_alerts": count} for name, count in status.policies.items()],
        "rejected_rows": dict(status.rejected),
        "attention": [asdict(one) for one in status.attention],
    }


def _reports(reports: Sequence[SendingReport]) -> list[dict[str, Any]]:
    return [
        {
            "name": report.name,
            "waiting": report.waiting,
            "last_success": _time(report.succeeded),
            "last_error": report.error or None,
            "last_error_time": _time(report.failed),
        }
        for report in reports
    ]


def _time(nanoseconds: int | None) -> str | None:
    return iso_time(nanoseconds) if nanoseconds else None
