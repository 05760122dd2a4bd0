"""The ``DRIFTLINE_*`` environment variables of the SDK. An argument in code wins over the variable.

docs/reference/settings.md shows this table. A test compares both, and fails if a variable is read elsewhere.
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
        argument: Argument in code that wins over the variable; "" if there is none.
        default: Value if neither argument nor variable is given.
        meaning: Description for docs/reference/settings.md.
        secret: Whether the value is secret, so that it is no option of a command: other users see its arguments.
    """

    variable: str
    argument: str
    default: str
    meaning: str
    secret: bool = False


OPTION_PREFIX = "OTEL_PYTHON_"
"""Prefix of the variables that the options of ``opentelemetry-instrument`` set: ``--driftline_endpoint`` sets
``OTEL_PYTHON_DRIFTLINE_ENDPOINT``. It sets no variable without the prefix ``OTEL_``.
"""

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DRIFTLINE_ENDPOINT",
        "configure(endpoint=)",
        "",
        "The URL of `driftline up`, to which records, outcomes and baselines are sent. The port "
        "selects the protocol: gRPC for 4317, HTTP for 4318, otherwise the value of OTEL_EXPORTER_OTLP_PROTOCOL, "
        "by default HTTP. The destination of spans and metrics does not change.",
    ),
    Setting(
        "DRIFTLINE_TOKEN_FILE",
        "",
        "",
        "The file with the token for `driftline up`, which `driftline token create` writes. The file is read for each "
        "request, so you can replace it at any time. The token is sent to DRIFTLINE_ENDPOINT and to the endpoint of "
        "`configure()`. It is also sent to the endpoint of OpenTelemetry if OTEL_EXPORTER_OTLP_HEADERS is not set. If "
        "an `authorization` header is set, that header is sent instead of the token.",
    ),
    Setting(
        "DRIFTLINE_CONFIG",
        "",
        "",
        "The TOML file with the models, and their routes, of a program that is started with "
        "`opentelemetry-instrument`.",
    ),
    Setting(
        "DRIFTLINE_MODEL_NAME",
        "Model(name)",
        "",
        "The name of a model that has no name in code: an estimator or network that `opentelemetry-instrument` "
        "records. Without the variable, the model has the name of its class.",
    ),
    Setting(
        "DRIFTLINE_MODEL_VERSION", "Model(version=)", "", "The version of the model that DRIFTLINE_MODEL_NAME names."
    ),
    Setting(
        "DRIFTLINE_CAPTURE",
        "Model(capture=)",
        "features",
        "The values that are sent per row: `features` and scores, only `scores`, or `none`. Values "
        "that are not sent per row are sent as distributions.",
    ),
    Setting(
        "DRIFTLINE_SPAN_FEATURES",
        "predict(span_features=)",
        "false",
        "Whether sampled spans contain the features. Records always contain them.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_ALLOW",
        "Privacy(allow=)",
        "",
        "The only features and slices that may be sent, as names or patterns separated by commas: `age,income_*`. If "
        "the variable is empty, all may be sent.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_DENY",
        "Privacy(deny=)",
        "",
        "Features and slices that are never sent, in any form. They are added to those that the code "
        "denies, and code cannot allow them.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_HASH",
        "Privacy(hash=)",
        "",
        "Features and slices that are sent as a keyed hash.",
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
        "Whether a keyed hash is sent instead of the id of each prediction. Set it also in the "
        "processes that send outcomes.",
    ),
    Setting(
        "DRIFTLINE_PRIVACY_KEY",
        "Privacy(key=)",
        "",
        "The key of the hashes: a secret of at least 16 bytes, the same in every process of the model.",
        secret=True,
    ),
    Setting(
        "DRIFTLINE_DISTRIBUTIONS",
        "Model(distributions=)",
        "",
        "`false`: distributions are not sent as metrics. `true`: they are sent for up to 1,024 features. Not set: "
        "they are sent for up to 64 features. If `capture` keeps features in the process, they are always sent, for "
        "up to 1,024 features.",
    ),
)

_BY_NAME = {setting.variable: setting for setting in SETTINGS}


def read(variable: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value of an option of ``opentelemetry-instrument``, else of the variable, else its default.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.
        environ: Environment to read.

    Raises:
        KeyError: The variable is not in :data:`SETTINGS`.

    >>> read("DRIFTLINE_ENDPOINT")
    ''
    """
    given = environ.get(OPTION_PREFIX + variable, "").strip() or environ.get(variable, "").strip()
    return given or _BY_NAME[variable].default


def switch(variable: str) -> bool:
    """Return the value of a variable that is true or false.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.

    Raises:
        ValueError: The value is neither true nor false; the message names the fix.

    >>> switch("DRIFTLINE_SPAN_FEATURES")
    False
    """
    text = read(variable).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{variable}: {text!r} must be true or false")
    return text == "true"


def names(variable: str) -> tuple[str, ...]:
    """Return the names in a variable, which are separated by commas.

    Args:
        variable: Name of a variable in :data:`SETTINGS`.

    >>> names("DRIFTLINE_PRIVACY_DENY")
    ()
    """
    return tuple(name for part in read(variable).split(",") if (name := part.strip()))
