"""Labels themselves: which rows to look at next, how late outcomes come, and whether they keep what was agreed."""
