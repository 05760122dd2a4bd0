"""The types of exporter, one a file: ``TYPE.py`` with a class that is called ``EXPORTER`` there."""
