"""``/api/v1`` and ``/v1``: one resource a module, as JSON. Imports present, core, and the read side of the
processor.
"""
