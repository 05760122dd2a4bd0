"""Notebooks: `driftline.evaluate` over tables in memory, with its result as a page, as tables and as figures."""
