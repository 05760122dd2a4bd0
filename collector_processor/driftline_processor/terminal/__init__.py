"""Views in a terminal: an Evaluation, a baseline, and `driftline top`. May import every room below, never `store`."""
