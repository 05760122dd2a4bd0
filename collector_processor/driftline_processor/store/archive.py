"""Backups of the state: one tar file with the database, the log of requests, and a manifest with checksums at its end.

A file without the manifest is incomplete. See ``docs/deploy/storage.md``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from driftline_processor.core.decode.untrusted_json import load_json
from driftline_processor.present.numbers import many
from driftline_processor.present.wording import iso_time

from .migrations import SCHEMA_VERSION

MANIFEST = "manifest.json"

DATABASE = "driftline.duckdb"

_FORMAT = 1
_CHUNK = 1 << 20
_MOST_MANIFEST = 1 << 25
"""Maximum bytes of a manifest; a file has some 100."""

_NAMES = re.compile(
    r"driftline\.duckdb|driftline\.audit\.key|erase\.[a-z0-9.-]+|log/[0-9]{20}\.log|log/acknowledged|"
    r"log/cursors/(?!\.)[A-Za-z0-9_.%~-]+"
)
"""Names in a backup; a restore writes no others."""


class ArchiveError(Exception):
    """A backup cannot be read; the message has the file, the rule and the fix."""


class DamagedArchiveError(ArchiveError):
    """A backup is incomplete or damaged."""


class Member(Struct, frozen=True):
    """A file of the state.

    Attributes:
        name: Name in the backup, relative to the directory of the state.
        source: The file, or its content.
        size: Number of its first bytes to store; None = all.
    """

    name: str
    source: Path | bytes
    size: int | None = None


class Manifest(Struct, frozen=True):
    """The content of a backup.

    Attributes:
        schema: Version of the tables.
        created: When it was made, ISO 8601.
        driftline: Version of Driftline.
        duckdb: Version of DuckDB.
        digests: SHA-256 of each file, in hexadecimal.
    """

    schema: int
    created: str
    driftline: str
    duckdb: str
    digests: dict[str, str]


def archive_blocks(members: Iterable[Member], schema: int = SCHEMA_VERSION) -> Iterator[bytes]:
    """Yield the bytes of a backup. Raises OSError if a file cannot be read or is shorter than its size."""
    digests: dict[str, str] = {}
    for member in members:
        digest = hashlib.sha256()
        yield from _file_blocks(member, digest)
        digests[member.name] = digest.hexdigest()
    manifest = {
        "format": _FORMAT,
        "schema": schema,
        "created": iso_time(time.time_ns() // 10**9 * 10**9),
        "driftline": version("driftline"),
        "duckdb": version("duckdb"),
        "digests": digests,
    }
    yield from _file_blocks(Member(MANIFEST, json.dumps(manifest, indent=1).encode()), hashlib.sha256())
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file_blocks(member: Member, digest: Any) -> Iterator[bytes]:
    source = member.source
    size = len(source) if isinstance(source, bytes) else member.size
    info = tarfile.TarInfo(member.name)
    info.size = source.stat().st_size if size is None and isinstance(source, Path) else size or 0
    info.mode, info.mtime = 0o600, int(time.time())
    yield info.tobuf(tarfile.GNU_FORMAT)
    for block in _content(source, info.size):
        digest.update(block)
        yield block
    yield bytes(-info.size % tarfile.BLOCKSIZE)


def _content(source: Path | bytes, size: int) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while size > 0:
            block = file.read(min(size, _CHUNK))
            if not block:
                raise OSError(f"{source} is shorter than expected")
            size -= len(block)
            yield block


def write_archive(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a backup to a file, synced, readable by its owner only. Raises OSError; then there is no file."""
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def unpack(archive: Path, into: Path | None = None) -> Manifest:
    """Compare the checksums of a backup, and write its files into an empty directory, if one is given.

    The files are not synced: a sync of each takes a minute for 20,000, and the backup has them until one sync of all.

    Raises:
        DamagedArchiveError: The backup is incomplete or damaged.
        ArchiveError: The file is not a backup, or of a newer version.
        OSError: A file cannot be read or written.
    """
    digests: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    is_backup = False
    try:
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for info in tar:
                content = tar.extractfile(info) if info.isreg() else None
                if content is None or (info.name != MANIFEST and _NAMES.fullmatch(info.name) is None):
                    raise ArchiveError(
                        f"{archive}: contains {info.name!r:.80}, which is not a file of a state; "
                        "use a file that 'driftline state backup' wrote"
                    )
                is_backup = True
                if info.name == MANIFEST:
                    manifest = _manifest_of(content.read(_MOST_MANIFEST))
                else:
                    digests[info.name] = _read(content, into / info.name if into is not None else None)
    except (tarfile.TarError, EOFError, ValueError) as error:
        kind = DamagedArchiveError if is_backup else ArchiveError
        raise kind(
            f"{archive}: is not a complete backup ({error}); use a file that 'driftline state backup' wrote completely"
        ) from None
    return _checked(archive, manifest, digests)


def _manifest_of(data: bytes) -> dict[str, Any]:
    manifest = load_json(data)
    schema, digests = (manifest.get(name) if isinstance(manifest, dict) else None for name in ("schema", "digests"))
    if not isinstance(schema, int) or not isinstance(digests, dict):
        raise ValueError("its manifest has no schema or no digests")
    return dict(manifest)


def _read(content: IO[bytes], path: Path | None) -> str:
    """Return the checksum of a file, and write it to a path, if one is given."""
    digest = hashlib.sha256()
    if path is None:
        while block := content.read(_CHUNK):
            digest.update(block)
        return digest.hexdigest()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while block := content.read(_CHUNK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _checked(archive: Path, manifest: dict[str, Any] | None, digests: dict[str, str]) -> Manifest:
    if manifest is None:
        kind = DamagedArchiveError if digests else ArchiveError
        raise kind(f"{archive}: ends before its manifest, so it is incomplete; make or copy the backup again")
    if manifest.get("format") != _FORMAT or manifest.get("schema", 0) > SCHEMA_VERSION:
        raise ArchiveError(
            f"{archive}: was made by a newer version of Driftline ({manifest.get('driftline')}, schema "
            f"{manifest.get('schema')}; this version reads {SCHEMA_VERSION}); restore it with that version"
        )
    known = {DATABASE: None, **manifest["digests"]}
    wrong = sorted(name for name in known.keys() | digests if known.get(name) != digests.get(name, ""))
    if wrong:
        damaged = wrong[0] if len(wrong) == 1 else f"{wrong[0]} and {many(len(wrong) - 1, 'other file')}"
        is_are = "is" if len(wrong) == 1 else "are"
        raise DamagedArchiveError(f"{archive}: {damaged} {is_are} damaged or missing; use another backup")
    del manifest["format"]
    return Manifest(**manifest)
