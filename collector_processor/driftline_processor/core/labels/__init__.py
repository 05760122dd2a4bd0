"""Labels: which rows to label next, how late outcomes come, whether they keep what was agreed. Imports intervals."""
