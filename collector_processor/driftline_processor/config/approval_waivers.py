"""Actions that may change what serves predictions and run without an approval, because the file says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from .actions import ActionKeys, ActionLimits
from .model import Model
from .policies import Policy


class Waiver(Struct, frozen=True):
    """An action without an approval.

    Attributes:
        action: Name of the action.
        model: Name of the model; "" for all models of a tier.
        words: Which models, and the limits.
    """

    action: str
    model: str
    words: str


def waived_approvals(
    actions: Mapping[str, ActionKeys],
    policies: Mapping[str, Policy],
    models: Mapping[str, Model],
    limits: ActionLimits,
) -> Iterator[Waiver]:
    """Yield each action that changes models without an approval, by tier, and by model for models without a tier.

    Args:
        actions: Actions by name.
        policies: Policies by name.
        models: The declared models by name.
        limits: Limits of all actions.
    """
    for name, action in actions.items():
        if not action.may_change_model(name) or action.needs_approval(name) or action.dry_run:
            continue
        naming = [policy for policy in policies.values() if policy.enabled and name in policy.actions]
        covered = {
            model: keys.tier for model, keys in models.items() if any(one.covers(model, keys.tier) for one in naming)
        }
        own = "" if action.rate_limit is None else f"{action.rate_limit}; "
        limit_words = (
            f"at most {own}{limits.per_model} and model, {limits.total} in all, with {limits.min_rows} rows or more"
        )
        for tier in sorted({tier for tier in covered.values() if tier is not None}):
            count = [*covered.values()].count(tier)
            of_tier = f"tier {tier} ({count} model{'s' if count > 1 else ''})"
            yield Waiver(name, "", f"runs without an approval for {of_tier}: {limit_words}")
        for model, tier_of_model in covered.items():
            if tier_of_model is None:
                yield Waiver(name, model, f"runs without an approval: {limit_words}")
