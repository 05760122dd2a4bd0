"""Suites of other data-quality tools (Great Expectations, Soda), read as expectations. Imports core, config."""
