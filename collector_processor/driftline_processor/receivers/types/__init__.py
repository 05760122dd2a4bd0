"""The kinds of receiver besides OTLP, one a file: ``KIND.py`` with a class that is called ``RECEIVER`` there."""
