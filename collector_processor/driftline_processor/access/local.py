"""The token of the user who runs the processor, for decisions on a machine without ``auth`` in the configuration.

Whoever can read the file is that user, so that a decision carries a name that the operating system has checked.
"""

from __future__ import annotations

import getpass
import os
import secrets
from contextlib import suppress
from pathlib import Path


def local_token_file(port: int) -> Path:
    """Return the file of the token of a processor whose pages are on a port of this machine."""
    state_home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state_home) / "driftline" / f"{port}.token"


def user_name() -> str:
    """Return the name of the user who runs this process, or the number where it has no name (in a container)."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


class LocalToken:
    """A random token in a file that only this user can read, until :meth:`remove`.

    Args:
        path: The file. If it cannot be written, ``problem`` says why, and there is no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = new_token()
        self.name = user_name()
        self.problem: str | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secret(path, self.text)
        except OSError as error:
            self.problem = f"{path} cannot be written: {error.strerror}"

    def remove(self) -> None:
        """Delete the file, unless another process has replaced it."""
        with suppress(OSError):
            if self.path.read_text(encoding="ascii").strip() == self.text:
                self.path.unlink()


def new_token() -> str:
    """Return a random token of 256 bits."""
    return f"dlt_{secrets.token_urlsafe(32)}"


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, complete or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
