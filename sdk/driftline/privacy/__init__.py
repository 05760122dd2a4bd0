"""Privacy rules: what may leave the process. Imports inputs, panes and tables."""
