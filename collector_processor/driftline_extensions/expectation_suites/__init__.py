"""Suites of other data-quality tools (Great Expectations, Soda), converted to expectations.

``tool_imports`` converts files of monitoring tools: `driftline import`.

May import `config` and `core`.
"""
