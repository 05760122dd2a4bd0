"""Policies: conditions on a model's windows that trigger notifications, and since when they hold.

Pure functions over evaluations: a replay of old windows gives the same result as the live evaluation. May import every
other package of core.
"""
