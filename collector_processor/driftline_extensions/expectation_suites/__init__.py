"""Suites of other data-quality tools (Great Expectations, Soda), converted to expectations.

May import `config` and `core`.
"""
