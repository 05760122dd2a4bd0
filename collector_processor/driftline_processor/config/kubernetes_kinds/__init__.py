"""The kinds of Kubernetes that Driftline knows: their rollback, and the part of their schema that a patch has to fit.

Each kind is a file with its ``version`` and ``source``. A schema here is the part of the published one that a rollback
touches; where ``additionalProperties`` is absent, fields that it does not name pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from driftline_processor.core.nearest_names import near


@dataclass(frozen=True, slots=True)
class KubernetesKind:
    """A kind of resource.

    Attributes:
        source: Where its schema was read.
        version: Of the schema.
        api_version: Group and version.
        kind: Its name.
        plural: Its name in addresses.
        schema: The part of its schema that is known.
        rollback: ``patch``, a merge patch that rolls back, and the ``subresource`` that takes it; empty where there is
            none that fits every resource.
    """

    source: str
    version: str
    api_version: str
    kind: str
    plural: str
    schema: Mapping[str, Any]
    rollback: Mapping[str, Any]


@lru_cache(maxsize=1)
def known_kinds() -> Mapping[str, KubernetesKind]:
    """Return the known kinds by their names."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).parent.glob("*.json")))
    kinds = (KubernetesKind(**{"rollback": {}, **one}) for one in found)
    return {one.kind: one for one in kinds}


def patch_problems(schema: Mapping[str, Any], patch: object, at: str = "") -> Iterator[str]:
    """Yield a sentence for each part of a merge patch that a schema does not allow.

    Null removes a field, and a text with a placeholder may become anything: both pass. What a schema requires need not
    be in a patch, but for the items of a list, which a merge patch replaces as a whole.

    Args:
        schema: Part of a JSON schema.
        patch: What is to be changed.
        at: Where the part stands, such as ``.spec``.

    >>> spec = {"type": "object", "additionalProperties": False, "properties": {"paused": {"type": "boolean"}}}
    >>> list(patch_problems(spec, {"paused": "yes", "pasued": True}))
    [".paused: 'yes' is no boolean", ".pasued: there is no such field; did you mean 'paused'?"]
    """
    if patch is None or (isinstance(patch, str) and "{" in patch):
        return
    kind = schema.get("type")
    if kind is not None and not _is(kind, patch):
        yield f"{at}: {patch!r:.60} is no {kind}"
    elif isinstance(patch, Mapping):
        fields = schema.get("properties", {})
        for name, value in patch.items():
            if name in fields:
                yield from patch_problems(fields[name], value, f"{at}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{at}.{name}: there is no such field; {near(name, [*fields])}"
    elif isinstance(patch, list | tuple):
        item = schema.get("items", {})
        for number, value in enumerate(patch):
            for name in item.get("required", ()):
                if isinstance(value, Mapping) and name not in value:
                    yield f"{at}.{number}.{name}: is missing, and a merge patch replaces a list as a whole"
            yield from patch_problems(item, value, f"{at}.{number}")
    elif "minimum" in schema and patch < schema["minimum"]:
        yield f"{at}: {patch} is less than {schema['minimum']}"
    elif "maximum" in schema and patch > schema["maximum"]:
        yield f"{at}: {patch} is more than {schema['maximum']}"


def _is(kind: str, value: object) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    types: Mapping[str, type] = {"object": Mapping, "array": Sequence, "string": str, "boolean": bool}
    return isinstance(value, types[kind]) and (kind != "array" or not isinstance(value, str))
