"""Replays: recorded or generated rows of a model, processed by the live code of a configuration in event time.

``traffic`` has the rows, ``recorded`` reads them from files, ``shadow`` processes them, and ``policies`` returns what
the policies of a configuration would have sent.
"""
