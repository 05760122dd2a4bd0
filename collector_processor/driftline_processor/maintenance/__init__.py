"""Erasure on request, and retention by time and by size. May import `evaluation` and below."""
