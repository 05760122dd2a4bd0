"""How much of a model's input has drifted, as one number."""

from __future__ import annotations

from collections.abc import Mapping

from driftline.importance import Importance

from driftline_processor.core.evaluation import TargetDrift


def share_drifted(features: Mapping[str, TargetDrift]) -> float | None:
    """Return the share of features in state drift among those that could be judged; None where none could."""
    states = [feature.state for feature in features.values()]
    judged = states.count("ok") + states.count("drift")
    return states.count("drift") / judged if judged else None


def weighted_share(
    features: Mapping[str, TargetDrift], importance: Importance | None, whole: Mapping[str, str]
) -> float | None:
    """Return the drifted features' share of the importance of those that could be judged; None where none is known.

    ``importance``: to the model, as the baseline knows it. ``whole``: feature → the document whose descriptor it is, or
    its own name; a document has drifted as soon as one of its descriptors has.
    """
    if importance is None:
        return None
    judged: dict[str, bool] = {}
    for name, feature in features.items():
        if feature.state in ("ok", "drift"):
            judged[whole[name]] = judged.get(whole[name], False) or feature.state == "drift"
    shares = importance.shares(judged)
    return None if shares is None else sum(share for name, share in shares.items() if judged[name])
