"""Readers of the inputs of ``predict`` and of reference frames, one kind per file. Imports panes and tables."""
