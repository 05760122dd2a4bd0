"""The receiver types besides OTLP, one per file: ``KIND.py`` with a class named ``RECEIVER``."""
