"""A baseline that may leave: what the privacy rules say of a feature's values holds for its bins, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .baseline import Baseline
from .baseline_json import Columns
from .bins import Bins
from .descriptors import SUFFIXES, raw_names
from .joint import PARTS
from .leaving import Leaving
from .pane import Pane
from .privacy import Privacy
from .ruled import HASHED, ROUNDED, Ruled
from .rules import COMMON_VALUES, DENY, Hash, Rule
from .strays import PREFIXES

if TYPE_CHECKING:
    from .identity import Capture  # which loads OpenTelemetry, and files need none


def protected(baseline: Baseline, privacy: Privacy, capture: Capture = "features") -> Baseline:
    """Return the baseline as the rules let it leave, and as it compares with rows under the same rules.

    A denied feature is not in it. The labels of a hashed one are hashed; a hashed number is not in it, since hashes
    have no order. The edges of a rounded one lie between two multiples of its step, and tell no value. What a rule was
    applied to while the baseline was built (:mod:`driftline.ruled`) stays as it is. What is known of all features
    together stays behind where any rule applies: it was counted over the bins as they were. So do slices by a key that
    has a rule. ``capture``: at a level below "features" nothing tells the value of a single reference row.
    """
    if capture != "features":
        baseline = _without_single_values(baseline)
    text_of = {f"{text}{suffix}": text for text in baseline.texts for suffix in SUFFIXES}
    rules = {
        name: privacy.part(text_of[name], name) if name in text_of else privacy.rule(name)
        for name in baseline.bins.features
    }
    ruled = {} if baseline.extras.ruled is None else dict(baseline.extras.ruled.of)
    rules = {name: None if name in ruled and rule is not DENY else rule for name, rule in rules.items()}
    return _under(rules, _without_ruled_keys(baseline, privacy))


def _without_single_values(baseline: Baseline) -> Baseline:
    """Return a baseline without least and greatest values, and without bins of numbers that few rows had."""
    rules: dict[str, Rule | None] = {}
    for name, bins in baseline.bins.features.items():
        counts = baseline.pane.parts.get(f"feature:{name}", np.zeros(bins.size + 2))
        rules[name] = COMMON_VALUES if COMMON_VALUES.bins(bins, counts)[0] is not bins else None
    return _under(rules, replace(baseline, extras=replace(baseline.extras, ranges=None)))


def _under(rules: Mapping[str, Rule | None], baseline: Baseline) -> Baseline:
    """Return a baseline under a rule for each feature, None for those that leave as they are."""
    if all(rule is None for rule in rules.values()):
        return baseline
    text_of = {f"{text}{suffix}": text for text in baseline.texts for suffix in SUFFIXES}
    ruled = {} if baseline.extras.ruled is None else dict(baseline.extras.ruled.of)
    features: dict[str, Bins] = {}
    parts = {name: sums for name, sums in baseline.pane.parts.items() if name not in PARTS}
    for name, bins in baseline.bins.features.items():
        rule = rules[name]
        counts = parts.pop(f"feature:{name}", np.zeros(bins.size + 2))
        parts.pop(f"elsewhere:{name}", None)  # it counts by the place of a feature, and some are not there any more
        if rule is not None:
            parts.pop(f"embedding:{name}", None)
            for part in PREFIXES:
                parts.pop(f"{part}{name}", None)
        fit = (bins, counts) if rule is None else rule.bins(bins, counts)
        if fit is not None:
            features[name], parts[f"feature:{name}"] = fit
    projections = {name: one for name, one in baseline.bins.projections.items() if rules[name] is None}
    texts = {name: words for name, words in baseline.texts.items() if any(text_of.get(own) == name for own in features)}
    named = {role: name for role, name in baseline.columns.items() if role != "features"}
    return replace(
        baseline,
        bins=replace(baseline.bins, features=features, projections=projections, space=None),
        pane=Pane(parts),
        columns={**named, "features": list(raw_names(tuple(features), tuple(texts)))},
        texts=texts,
        extras=replace(baseline.extras.leaving(_leaving(features, texts, rules)), ruled=_ruled(features, rules, ruled)),
    )


def _without_ruled_keys(baseline: Baseline, privacy: Privacy) -> Baseline:
    slices = baseline.extras.slices
    ruled = [] if slices is None else [key for key in slices.of if privacy.rule(key) is not None]
    if slices is None or not ruled:
        return baseline
    named = {role: name for role, name in baseline.columns.items() if role != "slices"}
    kept = [key for key in slices.of if key not in ruled]
    columns: Columns = {**named, "slices": kept} if kept else named
    outcomes = baseline.extras.slice_outcomes
    known = None if outcomes is None else outcomes.without(ruled)
    extras = replace(baseline.extras, slices=slices.without(ruled), slice_outcomes=known)
    return replace(baseline, columns=columns, extras=extras)


def _leaving(features: Collection[str], texts: Collection[str], rules: Mapping[str, Rule | None]) -> Leaving:
    return Leaving(kept={*features, *texts}, plain={name for name in features if rules[name] is None})


def _ruled(features: Collection[str], rules: Mapping[str, Rule | None], before: Mapping[str, str]) -> Ruled | None:
    of = {name: kind for name, kind in before.items() if name in features}
    for name in features:
        rule = rules[name]
        if rule is not None and rule is not COMMON_VALUES:  # which changes no row
            of[name] = HASHED if isinstance(rule, Hash) else ROUNDED
    return Ruled(of) if of else None
