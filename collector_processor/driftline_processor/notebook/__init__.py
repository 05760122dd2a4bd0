"""Notebooks: `driftline.evaluate` over tables in memory, and its answer as a page, as tables and as figures."""
