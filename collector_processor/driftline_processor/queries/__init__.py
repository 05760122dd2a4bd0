"""The read side of the state, for pages, API and exporters. Imports maintenance and below; knows no HTTP."""
