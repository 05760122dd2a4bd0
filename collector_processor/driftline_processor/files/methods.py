"""`--method [FEATURE=]NAME` and `--methods [FEATURE=]NAME,NAME`: which drift methods decide, and which are shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from driftline.bins import CategoryBins
from driftline.fold import ModelBins

from driftline_processor.core.drift.choice import Choice, Choices, check_names
from driftline_processor.core.drift.methods import METHODS

from .errors import BadInput, near


def read_choices(deciding: Sequence[str], shown: Sequence[str], bins: ModelBins) -> Choices:
    """Read the options, each as often as it was given; a feature's name may contain an equals sign.

    Raises :class:`BadInput` for a method that there is not, that cannot decide or that does not compare such a
    feature, and for a feature that the baseline has not.

    >>> read_choices(["cramer_von_mises"], ["hellinger,l_infinity"], ModelBins()).everywhere
    Choice(deciding=('cramer_von_mises',), shown=('hellinger', 'l_infinity'))
    """
    everywhere: list[list[str]] = [[], []]
    features: dict[str, list[list[str]]] = {}
    for at, (option, given) in enumerate((("--method", deciding), ("--methods", shown))):
        for text in given:
            feature, names = _split(option, text, bins.features)
            try:
                check_names(names, deciding=at == 0)
            except ValueError as error:
                raise BadInput(f"{option} {text!r}: {error}") from None
            if feature is None:
                everywhere[at] += names
            else:
                _check_kind(f"{option} {text!r}", feature, names, bins)
                features.setdefault(feature, [[], []])[at] += names
    made = {name: Choice(tuple(methods[0]), tuple(methods[1])) for name, methods in features.items()}
    return Choices(Choice(tuple(everywhere[0]), tuple(everywhere[1])), made)


def _split(option: str, text: str, features: Collection[str]) -> tuple[str | None, list[str]]:
    feature, sign, names = text.rpartition("=")
    if sign and feature not in features:
        raise BadInput(f"{option} {text!r}: no feature '{feature}'; {near(feature, tuple(features))}")
    return feature if sign else None, [name.strip() for name in names.split(",") if name.strip()]


def _check_kind(said: str, feature: str, names: Sequence[str], bins: ModelBins) -> None:
    """Whether a number has so few values that it is compared as a boolean is known only with the counts."""
    kinds = {"category", "boolean"} if isinstance(bins.features[feature], CategoryBins) else {"number", "boolean"}
    for name in names:
        if not METHODS[name].kinds & kinds:
            what = "categories" if "category" in kinds else "numbers"
            raise BadInput(f"{said}: {name} does not compare {what}, and '{feature}' is one of them")
