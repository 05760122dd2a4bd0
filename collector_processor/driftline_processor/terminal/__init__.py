"""Terminal output: an Evaluation, a baseline, and `driftline top`. May import every package below, but not `store`."""
