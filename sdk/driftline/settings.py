"""The ``DRIFTLINE_*`` environment variables of the SDK. An argument in code wins over the variable.

docs/reference/settings.md shows this table. A test compares both, and finds every variable that is read elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable.

    Attributes:
        variable: Name of the variable.
        argument: Argument in code that wins over the variable, "" without one.
        default: Value where neither argument nor variable is given.
        meaning: Description for docs/reference/settings.md.
    """

    variable: str
    argument: str
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DRIFTLINE_ENDPOINT",
        "configure(endpoint=)",
        "",
        "Where records, outcomes and baselines go: `driftline up`. A URL; its port says what it speaks: "
        "gRPC on 4317, HTTP on 4318, on others what OTEL_EXPORTER_OTLP_PROTOCOL says, else HTTP. "
        "Spans and metrics stay where they were.",
    ),
    Setting(
        "DRIFTLINE_CONFIG",
        "",
        "",
        "The TOML file that names the models of a program started with `opentelemetry-instrument`, and their routes.",
    ),
    Setting(
        "DRIFTLINE_MODEL_NAME",
        "Model(name)",
        "",
        "The model's name where no code says it: of estimators and networks that `opentelemetry-instrument` records. "
        "The name of their class unless said.",
    ),
    Setting(
        "DRIFTLINE_MODEL_VERSION", "Model(version=)", "", "The version of the model that DRIFTLINE_MODEL_NAME names."
    ),
    Setting(
        "DRIFTLINE_CAPTURE",
        "Model(capture=)",
        "features",
        "What leaves per row: `features` and scores, `scores` alone, or `none`. What does not leave per row is sent as "
        "distributions.",
    ),
    Setting(
        "DRIFTLINE_SPAN_FEATURES",
        "predict(span_features=)",
        "true",
        "Whether features ride on sampled spans. They are in the records either way.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_ALLOW",
        "Privacy(allow=)",
        "",
        "The only features and slices that may leave, as names or patterns with commas between: `age,income_*`. "
        "Empty: all.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_DENY",
        "Privacy(deny=)",
        "",
        "Features and slices that leave in no form. Adds to what the code denies, and cannot be undone there.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_HASH",
        "Privacy(hash=)",
        "",
        "Features and slices of which a keyed hash leaves.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_ROUND",
        "Privacy(round=)",
        "",
        "Numbers that are rounded to a multiple of a step: `income=1000,age=5`.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_HASH_ID",
        "Privacy(hash_id=)",
        "false",
        "Whether a keyed hash leaves instead of each prediction's id. Set it in the processes that send outcomes, too.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_KEY",
        "Privacy(key=)",
        "",
        "The key of the hashes: a secret of at least 16 bytes, the same in every process of the model.",
    ),
    Setting(
        "DRIFTLINE_DISTRIBUTIONS",
        "Model(distributions=)",
        "",
        "`false`: no distributions as metrics. `true`: those of up to 1,024 features; else of up to 64. "
        "Where `capture` keeps features in the process they are always sent, of up to 1,024.",
    ),
)

_BY_NAME = {setting.variable: setting for setting in SETTINGS}


def read(variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value of a variable, else its default.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.
        environ: Environment to read.

    Raises:
        KeyError: The variable is not in :data:`SETTINGS`.

    >>> read("DRIFTLINE_ENDPOINT")
    ''
    """
    return environ.get(variable, "").strip() or _BY_NAME[variable].default


def switch(variable: str) -> bool:
    """Return the value of a variable that is true or false.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.

    Raises:
        ValueError: The value is another text; the message names the fix.

    >>> switch("DRIFTLINE_SPAN_FEATURES")
    True
    """
    text = read(variable).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{variable}: {text!r} is neither true nor false; write one of them")
    return text == "true"


def names(variable: str) -> tuple[str, ...]:
    """Return the names in a variable, separated by commas.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.

    >>> names("DRIFTLINE_PRIVACY_DENY")
    ()
    """
    return tuple(name for part in read(variable).split(",") if (name := part.strip()))
