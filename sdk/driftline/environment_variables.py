"""The options of ``opentelemetry-instrument`` for Driftline, which finds this module by its entry point.

It makes an option of each name here that begins with ``OTEL_``: ``--driftline_endpoint http://localhost:4318`` sets
``OTEL_PYTHON_DRIFTLINE_ENDPOINT``, and wins over ``DRIFTLINE_ENDPOINT``.
"""

from __future__ import annotations

from driftline.settings import OPTION_PREFIX, SETTINGS

globals().update(
    {OPTION_PREFIX + setting.variable: OPTION_PREFIX + setting.variable for setting in SETTINGS if not setting.secret}
)
