"""Evaluate files against a baseline: windows, folds, slices and outcomes of rows in files. Imports readers, core."""
