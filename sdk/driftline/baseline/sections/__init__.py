"""Optional sections of a baseline, one subject per file. Imports reference rows, panes and tables."""
