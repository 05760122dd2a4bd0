"""Optional sections of a baseline, one subject a file. Imports reference rows, panes and tables."""
