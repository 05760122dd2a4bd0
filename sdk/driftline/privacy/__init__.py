"""Privacy rules: which values are exported. Imports inputs, panes and tables."""
