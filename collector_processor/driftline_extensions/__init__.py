"""Extensions that come with Driftline. Each has an entry point in ``pyproject.toml``, like those of third parties.

Nothing in ``driftline_processor`` imports an extension, and no extension imports another.
"""
