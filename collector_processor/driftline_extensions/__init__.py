"""Extensions that come with Driftline. Each is found by its entry point in ``pyproject.toml``, as one of a third party.

Nothing in ``driftline_processor`` imports an extension, and no extension imports another.
"""
