"""Erasure on request, and retention by time and by size. Imports evaluation and below."""
