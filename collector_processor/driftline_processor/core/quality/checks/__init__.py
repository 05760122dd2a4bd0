"""One data-quality check a file, each with a ``CHECK``."""
