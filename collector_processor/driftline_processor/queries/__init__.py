"""Queries of the state, for pages, API and exporters, without HTTP. May import `maintenance` and below."""
