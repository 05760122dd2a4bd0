"""The read side of the state, for pages, API and exporters; no HTTP. May import `maintenance` and below."""
