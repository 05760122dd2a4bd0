"""Values that can be found again in whatever leaves a process, however they were written."""

from __future__ import annotations

import base64
import logging
import re
import struct
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline import Privacy
from driftline.faults import FAULTS
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from tests.support.service import Service


class Kind(Enum):
    """An enumeration whose value is a marker."""

    MARKED = "MARK-enum-55d1ac"


class Shown:
    """An object that no feature can hold, and that says what it is wherever somebody writes it out."""

    def __repr__(self) -> str:
        return "MARK-shown-90ce77"


class Failing:
    """A number that cannot be read, and whose error says why."""

    def __float__(self) -> float:
        raise LookupError("MARK-failing-3b8812")


BORN = datetime(1987, 6, 5, 4, 3, 2, 123456, tzinfo=UTC)
SECRETS: dict[str, Any] = {
    "text": "MARK-text-7f3a91",
    "long": "MARK-long-c0ffee " * 200,
    "number": 73412.372915,
    "single": np.float32(0.73194).item(),
    "integer": 5550123987654,
    "flag": True,
    "bytes": b"MARK-bytes-1c9d04",
    "born": BORN,
    "kind": Kind.MARKED,
    "nested": {"inner": "MARK-nested-4d4d21", "list": [61823.118273]},
    "vector": np.array([0.61234567, -0.98765432, 0.51239876]),
    "shown": Shown(),
    "failing": Failing(),
}
"""Name of a feature → its value. ``flag`` has no value of its own: whether its feature is there at all is asked."""

_TEXTS = {
    "text": ["MARK-text-7f3a91"],
    "long": ["MARK-long-c0ffee"],
    "number": ["73412.37"],
    "single": ["0.73193"],
    "integer": ["5550123987654", "5.550123987654e+12"],
    "flag": ["value.flag"],
    "bytes": ["MARK-bytes-1c9d04"],
    "born": ["1987-06-05", "1987, 6, 5", "549864182"],
    "kind": ["MARK-enum-55d1ac"],
    "nested": ["MARK-nested-4d4d21", "61823.118"],
    "vector": ["0.61234567", "-0.98765432", "0.51239876"],
    "shown": ["MARK-shown-90ce77"],
    "failing": ["MARK-failing-3b8812"],
}
_NUMBERS: dict[str, list[float]] = {
    "number": [73412.372915],
    "single": [SECRETS["single"]],
    "integer": [5550123987654],
    "born": [BORN.timestamp(), 549_864_182_123_456_000],
    "nested": [61823.118273],
    "vector": SECRETS["vector"].tolist(),
}


def _forms(name: str) -> Iterator[bytes]:
    """Yield every way in which a value is written: as text and as bytes of a number; plain, in hex and in base64."""
    plain = [text.encode() for text in _TEXTS[name]]
    for number in _NUMBERS.get(name, ()):
        plain += [struct.pack(form, number) for form in ("<d", ">d", "<f", ">f")]
        if number == int(number):
            plain += [struct.pack(form, int(number)) for form in ("<q", ">q")] + [_varint(int(number))]
    for form in plain:
        yield form
        yield form.hex().encode()
        yield form.hex().upper().encode()
        for shift in range(3):  # where the bytes begin within a group of three
            coded = base64.b64encode(b"\0" * shift + form + b"\0" * (-(shift + len(form)) % 3))
            yield coded[-(-shift * 8 // 6) : (shift + len(form)) * 8 // 6]


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes((value & 0x7F | 0x80,)), value >> 7
    return out + bytes((value,))


FORMS: dict[str, tuple[bytes, ...]] = {name: tuple(_forms(name)) for name in SECRETS}


def found_in(left: dict[str, bytes]) -> set[tuple[str, str]]:
    """Return which secret is where. ``left``: name of a signal → all bytes of it that left the process."""
    return {
        (name, signal)
        for signal, data in left.items()
        for name, forms in FORMS.items()
        if any(f in data for f in forms)
    }


MARK = "MARKED-4b1f0c"


def found_on_disk(directory: Path, mark: str = MARK) -> list[str]:
    """Return the files of a directory that hold a text in any byte, or in what zstd has compressed there."""
    files = {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return sorted(name for name, data in files.items() if any(mark.encode() in part for part in _parts(data)))


def _parts(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file, then what each frame of zstd in them holds, as far as it can be read."""
    yield data
    for frame in re.finditer(re.escape(pa.compress(b"", codec="zstd", asbytes=True)[:4]), data):
        with suppress(OSError):
            yield pa.CompressedInputStream(pa.BufferReader(data[frame.start() :]), "zstd").read(1 << 20)


KEY = "0123456789abcdef"
NAMES = tuple(SECRETS)
STEPS = dict.fromkeys(NAMES, 1000.0)
RULES: dict[str, dict[str, Any]] = {
    "deny": {"privacy": Privacy(deny=NAMES)},
    "deny by pattern": {"privacy": Privacy(deny=("*",))},
    "allow": {"privacy": Privacy(allow=("open", "order"))},
    "hash": {"privacy": Privacy(hash=NAMES, key=KEY)},
    "round": {"privacy": Privacy(round=STEPS)},
    "scores": {"capture": "scores"},
    "none": {"capture": "none"},
}


class ProcessOutput:
    """Everything that left a process."""

    def __init__(self, service: Service, caplog: pytest.LogCaptureFixture) -> None:
        self.service = service
        self.caplog = caplog
        self.warned: list[warnings.WarningMessage] = []

    def signals(self) -> dict[str, bytes]:
        """Return all bytes by signal."""
        self.service.flush()
        spans = self.service.spans
        metrics = self.service.reader.get_metrics_data()
        written = [span.to_json() for span in spans] + [repr(span.events) for span in spans]
        handler = logging.Formatter("%(name)s %(message)s %(exc_text)s")
        logged = [r for r in self.caplog.records if r.name.partition(".")[0] in ("driftline", "opentelemetry")]
        lines = [handler.format(record) + repr(record.args) for record in logged]
        lines += ["".join(traceback.format_exception(*record.exc_info)) for record in logged if record.exc_info]
        return {
            "spans": encode_spans(spans).SerializeToString() + "".join(written).encode(),
            "records": b"".join(self.service.channel.bodies),
            "distributions": b"".join(self.service.metrics.bodies),
            "counts": b"" if metrics is None else metrics.to_json().encode(),
            "logs": "\n".join(lines).encode(),
            "warnings": "\n".join(str(one.message) for one in self.warned).encode(),
        }

    def found(self) -> set[tuple[str, str]]:
        """Return which secret is in which signal."""
        return found_in(self.signals())


@pytest.fixture
def output(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProcessOutput]:
    """Return what leaves the process of ``service``, warnings and logs included."""
    monkeypatch.setattr(FAULTS, "raising", False)
    caplog.set_level(logging.DEBUG)
    everything = ProcessOutput(service, caplog)
    with warnings.catch_warnings(record=True, action="always") as everything.warned:
        yield everything
