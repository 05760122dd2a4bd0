"""The types of exporter, one per file: ``TYPE.py`` with a class named ``EXPORTER``."""
