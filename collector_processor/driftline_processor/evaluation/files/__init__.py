"""The rows of files as windows: data sets, folds, slices, outcomes, baselines. May import `readers`, never `store`."""
