"""Suites of other data-quality tools (Great Expectations, Soda), read as expectations.

May import `config` and `core`.
"""
