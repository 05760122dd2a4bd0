"""Evaluate the rows of files: data sets, folds, slices, outcomes, baselines. May import `readers`, not `store`."""
