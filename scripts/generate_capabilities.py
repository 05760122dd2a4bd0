"""Write the tables of docs/reference/capabilities.md from the routes of the processor.

python -m scripts.generate_capabilities            write the page
python -m scripts.generate_capabilities --check    exit 1 where it differs
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any
from unittest.mock import MagicMock

from driftline_processor.access.access import Access
from driftline_processor.access.routes import Guarded
from driftline_processor.config import capabilities
from driftline_processor.health import Health
from driftline_processor.web.app import create_app
from driftline_processor.web.site import Site

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "capabilities.md"

HEAD = """# Capabilities

What each capability allows, and which one each address needs. `all` gives every capability.
[How to give them](../deploy/security.md).
This page is generated from the routes.

| capability | allows to |
|---|---|
"""

ROUTES = """
A token whose `models` are not `*` may use two kinds of addresses: those that name one of its models in the
path, and those marked *, whose answers contain only its models. For all other addresses, the answer is 403.

| method | address | needs |
|---|---|---|
| `POST` | `/v1/traces`, `/v1/metrics`, and both over gRPC * | `ingest` |
| `POST` | `/v1/logs`, also over gRPC *: predictions and other records | `ingest` |
| `POST` | `/v1/cloudevents` *, on the OTLP/HTTP port | `ingest` |
| `POST` | `/v1/logs`, also over gRPC *: outcomes, baselines | `outcomes`, `baselines` |
"""


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = HEAD + "".join(meanings()) + ROUTES + "".join(sorted(rows()))
    return write_or_check({PAGE: page}, "differs from the routes", __file__, arguments)


def meanings() -> list[str]:
    """Return a line for each capability, from the docstring of ``Capability``."""
    source = inspect.getsource(capabilities)
    pairs = re.findall(r"^- ``(\w+)``: (.+)$", source, re.MULTILINE)
    assert [name for name, _ in pairs] == list(capabilities.CAPABILITIES)
    return [f"| `{name}` | {meaning.replace('``', '`')} |\n" for name, meaning in pairs]


def rows() -> list[str]:
    """Return a line for each route and method."""
    state: Any = MagicMock()
    app = create_app(Site(state=state, health=Health(), access=Access.without_log_in()))
    return [
        f"| `{method}` | `{re.sub(r':path}', '}', route.path)}`{' *' if route.by_model else ''} | "
        f"{'no log-in' if route.may == 'anyone' else f'`{route.may}`'} |\n"
        for route in app.routes
        if isinstance(route, Guarded)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
