"""Driftline in somebody's tests: what was recorded, in memory, with ids and times that repeat."""
