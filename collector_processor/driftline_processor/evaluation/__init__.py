"""Evaluate windows, live and from files, and compare versions. May import `join`, `readers` and below."""
