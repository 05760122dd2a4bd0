"""Data-quality checks, one per file, each with a constant ``CHECK``."""
