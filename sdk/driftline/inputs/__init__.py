"""Inputs of ``predict`` and reference frames, one kind a file: rows, batches, columns. Imports panes and tables."""
