"""Temporary files of downloads: each in a folder that ends with the answer, or at the start after a kill."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from driftline_processor.process_folder import ProcessFolder, remove_abandoned

PREFIX: Final = "driftline-download-"


def download_folder() -> ProcessFolder:
    """Create a folder for the files of one download. Raises OSError."""
    return ProcessFolder(Path(tempfile.gettempdir()), PREFIX)


def remove_downloads_of_killed_processes() -> None:
    """Remove the folders of downloads whose process has ended."""
    remove_abandoned(Path(tempfile.gettempdir()), PREFIX)


class Download(FileResponse):
    """An answer with a compressed file, whose folder is removed when it was sent or its receiver left."""

    def __init__(self, folder: ProcessFolder, name: str, media_type: str, headers: Mapping[str, str]) -> None:
        self._folder = folder
        headers = {**headers, "Content-Encoding": "identity"}
        super().__init__(folder.path / name, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._folder.close()
