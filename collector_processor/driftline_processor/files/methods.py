"""`--method [FEATURE=]NAME` and `--methods [FEATURE=]NAME,NAME`: which drift methods decide, and which are shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from driftline.baseline import Baseline

from driftline_processor.core.drift.choice import Choice, Choices, check_names
from driftline_processor.core.drift.misfit import misfits

from .errors import BadInput, near


def read_choices(deciding: Sequence[str], shown: Sequence[str], baseline: Baseline) -> Choices:
    """Read the options, each as often as it was given; a feature's name may contain an equals sign.

    Raises :class:`BadInput` for a method that there is not, that cannot decide or that does not compare such a
    feature, and for a feature that the baseline has not.

    >>> rows = {"age": [3, 4, 5], "score": [0.1, 0.2, 0.3]}
    >>> baseline = Baseline.from_frame(rows, score="score", model="m", task="binary")
    >>> read_choices(["cramer_von_mises"], ["hellinger,l_infinity"], baseline).everywhere
    Choice(deciding=('cramer_von_mises',), shown=('hellinger', 'l_infinity'))
    """
    everywhere: list[list[str]] = [[], []]
    features: dict[str, list[list[str]]] = {}
    for at, (option, given) in enumerate((("--method", deciding), ("--methods", shown))):
        for text in given:
            feature, names = _split(option, text, baseline.bins.features)
            try:
                check_names(names, deciding=at == 0)
            except ValueError as error:
                raise BadInput(f"{option} {text!r}: {error}") from None
            if feature is None:
                everywhere[at] += names
            else:
                features.setdefault(feature, [[], []])[at] += names
    made = {name: Choice(tuple(methods[0]), tuple(methods[1])) for name, methods in features.items()}
    choices = Choices(Choice(tuple(everywhere[0]), tuple(everywhere[1])), made)
    for wrong in misfits(choices, baseline):
        option = "--method" if wrong.deciding else "--methods"
        raise BadInput(f"{option} {wrong.feature}={wrong.method}: {wrong}")
    return choices


def _split(option: str, text: str, features: Collection[str]) -> tuple[str | None, list[str]]:
    feature, sign, names = text.rpartition("=")
    if sign and feature not in features:
        raise BadInput(f"{option} {text!r}: no feature '{feature}'; {near(feature, tuple(features))}")
    return feature if sign else None, [name.strip() for name in names.split(",") if name.strip()]
