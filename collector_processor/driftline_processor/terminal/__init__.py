"""Views in a terminal: an Evaluation, a baseline, and `driftline top`. Imports present, core."""
