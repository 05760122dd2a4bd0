"""How many files and connections the system lets this process open."""

from __future__ import annotations

import sys

_WANTED = 16_384
"""Enough for every connection that is allowed by default, and for DuckDB."""

if sys.platform == "win32":

    def most_files() -> int:
        """Return how many files may be open."""
        return _WANTED

    def raise_most_files() -> None:
        """Do nothing: Windows has no such limit."""

else:
    import resource

    def most_files() -> int:
        """Return how many files may be open, as things stand now."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return _WANTED if soft == resource.RLIM_INFINITY else soft

    def raise_most_files() -> None:
        """Raise the soft limit on open files as far as this user may, up to what is ever needed."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
