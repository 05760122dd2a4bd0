"""Data-quality checks, one per file under ``checks``, evaluated together.

May import `drift` and below.
"""
