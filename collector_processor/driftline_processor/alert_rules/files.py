"""The generated files: Prometheus rules for all models, Prometheus rules of a configuration, and Alertmanager routes.

Routes are by owner, then by tier and severity. Receivers are left for people to fill in, and are kept on the
next run. Rules for all models have no owner label, so routes list the models of each owner by name.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final, NamedTuple

import yaml
from driftline.semconv import attributes as a

from driftline_processor.config.model import Model
from driftline_processor.config.policies import Policy, Silence
from driftline_processor.config.schema import Config
from driftline_processor.present.wording import iso_time, printable

from . import error_budgets, policy_rules
from .promql import Pattern, globs, label, matcher, one_of
from .signal_queries import LeftOut

NOBODY: Final = "unowned"
"""Receiver of models without a team."""

PROCESSOR: Final = "driftline"
"""Receiver of alerts on the processor."""

_GROUP_OF_PROCESSOR: Final = "driftline-processor"
_DIGEST_TIER: Final = 3
"""Tier whose alerts are grouped once a day."""

_DEGRADED: Final = "ModelWrong"
_CAUSES: Final = ("ConceptChanged", "DriftIncident", "DataFault")
"""Alerts of which the verdict on a degraded model says whether they are the cause; tickets next to its page."""

_ALERTMANAGER_HEAD: Final = """\
# Routes of Alertmanager, written by `driftline rules` from the teams and tiers of driftline.yaml.
# Fill in the receivers: their content, global and templates are kept when this file is written again.
#   page    needs attention now: models of tier 1, repeated every hour, and other models, every four hours
#   ticket  needs attention this week
#   digest  all alerts of tier 3, once a day
"""

Route = dict[str, Any]
"""A route in Alertmanager's format."""


def alertmanager_config(config: Config, before: str = "") -> str:
    """Return a configuration of Alertmanager.

    Args:
        config: Source of teams, tiers, policies and silences.
        before: The previous file, whose receivers, ``global`` and ``templates`` are kept.

    Raises:
        ValueError: The previous file is not valid YAML; the message contains the error.
    """
    previous = _read(before)
    routes = [*_policy_routes(config.watched_policies), _route(PROCESSOR, [("alertname", one_of(_own_alerts()))])]
    routes += _owner_routes(config.models)
    tree: Route = {
        **{key: value for key, value in previous.items() if key in ("global", "templates")},
        "route": {
            "receiver": f"{NOBODY} ticket",
            "group_by": [label(a.ML_MODEL_NAME), label(a.DEPLOYMENT_ENVIRONMENT_NAME)],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [*routes, _route(f"{NOBODY} page", [("severity", "page")])],
        },
        "inhibit_rules": [*_inhibitions(config.watched_policies)],
    }
    tree["receivers"] = _receivers(tree["route"], previous.get("receivers"))
    return _ALERTMANAGER_HEAD + "".join(f"# {line}\n" for line in _silences(config.silences)) + dump(tree)


def _read(before: str) -> Mapping[str, Any]:
    try:
        tree = yaml.safe_load(before)
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML ({printable(str(error))[:80]}); fix it, or move it away") from error
    return tree if isinstance(tree, dict) else {}


def _own_alerts() -> list[str]:
    """Return the names of the alerts on the processor."""
    groups = yaml.safe_load(rules_of_any_model())["groups"]
    processor_group = next(group for group in groups if group["name"] == _GROUP_OF_PROCESSOR)
    return [rule["alert"] for rule in processor_group["rules"]]


def _route(receiver: str, labels: Sequence[tuple[str, str | Pattern]], **more: object) -> Route:
    return {"receiver": receiver, "matchers": [matcher(name, value) for name, value in labels], **more}


def _policy_routes(policies: Mapping[str, Policy]) -> Iterator[Route]:
    """Yield the routes of policies with channels or their own owner."""
    for name, policy in policies.items():
        *other_channels, last = policy.notify or ("",)
        if last:
            yield from (_route(channel, [("policy", name)], **{"continue": True}) for channel in other_channels)
            yield _route(last, [("policy", name)])
    for owner in dict.fromkeys(policy.owner for policy in policies.values() if policy.owner):
        page = _route(f"{owner} page", [("severity", "page")])
        yield _route(f"{owner} ticket", [("owner", owner)], routes=[page])


def _owner_routes(models: Mapping[str, Model]) -> Iterator[Route]:
    """Yield a route for each team with sub-routes for its tiers."""
    owners: dict[str, list[str]] = {}
    for name, model in models.items():
        owners.setdefault(model.team or NOBODY, []).append(name)
    for owner, names in owners.items():
        tiers: dict[int | None, list[str]] = {}
        for name in names:
            tiers.setdefault(models[name].tier, []).append(name)
        routes = []
        if digest := tiers.get(_DIGEST_TIER):
            daily = {"group_by": [], "group_wait": "5m", "group_interval": "1d", "repeat_interval": "1w"}
            routes.append(_route(f"{owner} digest", [(a.ML_MODEL_NAME, one_of(digest))], **daily))
        if first := tiers.get(1):
            labels = [(a.ML_MODEL_NAME, one_of(first)), ("severity", "page")]
            routes.append(_route(f"{owner} page", labels, repeat_interval="1h"))
        routes.append(_route(f"{owner} page", [("severity", "page")]))
        yield _route(f"{owner} ticket", [(a.ML_MODEL_NAME, one_of(names))], routes=routes)


def _inhibitions(policies: Mapping[str, Policy]) -> Iterator[dict[str, list[str]]]:
    """Yield the inhibition rules: ``unless`` of policies, slow burns under fast ones, and causes under the verdict."""
    model = [label(a.ML_MODEL_NAME), label(a.DEPLOYMENT_ENVIRONMENT_NAME)]
    yield {
        "source_matchers": [matcher("alertname", _DEGRADED)],
        "target_matchers": [matcher("alertname", one_of(_CAUSES))],
        "equal": [*model, label(a.ML_MODEL_VERSION)],
    }
    burns = matcher("alertname", error_budgets.ALERT)
    yield {
        "source_matchers": [burns, matcher("severity", "page")],
        "target_matchers": [burns, matcher("severity", "ticket")],
        "equal": [*model, label(a.ML_MODEL_VERSION), label(a.DRIFTLINE_OBJECTIVE_RULE)],
    }
    fires = matcher("alertname", policy_rules.ALERT)
    for name, policy in policies.items():
        if policy.unless:
            yield {
                "source_matchers": [fires, matcher("policy", one_of(policy.unless))],
                "target_matchers": [fires, matcher("policy", name)],
                "equal": model,
            }


def _receivers(route: Route, previous: object) -> list[dict[str, Any]]:
    """Return the receivers of routes with their previous content; other previous receivers are kept."""
    listed = previous if isinstance(previous, list) else []
    before = {receiver["name"]: receiver for receiver in listed if isinstance(receiver, dict) and "name" in receiver}
    names = dict.fromkeys([*_named(route), *before])
    return [before.get(name, {"name": name}) for name in names]


def _named(route: Route) -> Iterator[str]:
    yield route["receiver"]
    for child in route.get("routes", ()):
        yield from _named(child)


def _silences(silences: Mapping[str, Silence]) -> Iterator[str]:
    """Yield the commands that create silences, which Alertmanager stores in its state and not in this file."""
    if silences:
        yield "Silences are entered into a running Alertmanager:"
    for name, silence in silences.items():
        labels = [
            *_matching(a.ML_MODEL_NAME, silence.models),
            *_matching(a.DEPLOYMENT_ENVIRONMENT_NAME, silence.environments),
            *_matching("policy", silence.policies),
        ]
        if not labels:
            labels = [matcher("alertname", Pattern(".+"))]
        times = f"--start={iso_time(silence.since)} --end={iso_time(silence.until)}"
        comment = shlex.quote(f"driftline.yaml: silences.{name}")
        yield printable(f"amtool silence add {times} --comment={comment} {' '.join(map(shlex.quote, labels))}")


def _matching(name: str, patterns: Iterable[str]) -> list[str]:
    pattern = globs(patterns)
    return [] if pattern is None else [matcher(name, pattern)]


ANY_MODEL: Final = "driftline.rules.yml"
"""File of the rules for all models: verdicts, drift, data and the processor."""

OF_MODELS: Final = "driftline.models.rules.yml"
"""File of the rules of a configuration."""

RUNBOOK: Final = "docs/alert/respond.md"
"""The page with a section for each alert."""

_HEAD: Final = f"""\
# Alerts of Prometheus on the objectives and policies of driftline.yaml, written by `driftline rules`; do not edit.
# {ANY_MODEL} contains the rules for all models: add both files to rule_files of prometheus.yml.
"""


class RuleFile(NamedTuple):
    """Rules, and what cannot be expressed as a rule.

    Attributes:
        text: YAML for Prometheus 2.42 and newer.
        left_out: What PromQL cannot express.
    """

    text: str
    left_out: Sequence[LeftOut]


def rules_of_any_model() -> str:
    """Return the rules for all models as YAML."""
    return resources.files(__package__).joinpath(ANY_MODEL).read_text(encoding="utf-8")


def rules_of_models(config: Config) -> RuleFile:
    """Return the rules on error budgets and policies of a configuration."""
    budgets, without = error_budgets.budgets(config.models)
    fired, policies_left_out = policy_rules.policy_rules(
        config.watched_policies, config.models, runbook(policy_rules.ALERT)
    )
    spent = [
        *error_budgets.recording_rules(budgets),
        *error_budgets.alerts(budgets, runbook(error_budgets.ALERT)),
    ]
    rule_groups = (("driftline-error-budgets", spent), ("driftline-policies", fired))
    groups = [{"name": name, "rules": rules} for name, rules in rule_groups if rules]
    left_out = [*without, *policies_left_out]
    return RuleFile(_HEAD + comments(left_out) + dump({"groups": groups}), left_out)


def runbook(alert: str) -> str:
    """Return the documentation address of an alert."""
    return f"{RUNBOOK}#{alert.lower()}"


def comments(left_out: Sequence[LeftOut]) -> str:
    """Return the omissions as YAML comments."""
    return "".join(f"# {printable(omission.sentence)}\n" for omission in left_out)


def dump(tree: object) -> str:
    """Return YAML in key order with each text on one line."""
    return yaml.safe_dump(tree, sort_keys=False, width=10**6, allow_unicode=True)


ALERTMANAGER: Final = "alertmanager.yml"
"""File of the routes, in which people fill in receivers."""


class RuleFiles(NamedTuple):
    """The generated files.

    Attributes:
        texts: Name of a file → its text.
        left_out: Parts of the configuration without a rule.
    """

    texts: Mapping[str, str]
    left_out: Sequence[LeftOut]


def rule_files(config: Config, routes_before: str = "") -> RuleFiles:
    """Return all files for a configuration.

    Args:
        config: The models with their objectives, teams and tiers, and the policies.
        routes_before: The previous file of routes, whose receivers are kept.

    Raises:
        ValueError: The previous file of routes cannot be read; the message contains the error.
    """
    rules = rules_of_models(config)
    texts = {
        ANY_MODEL: rules_of_any_model(),
        OF_MODELS: rules.text,
        ALERTMANAGER: alertmanager_config(config, routes_before),
    }
    return RuleFiles(texts, rules.left_out)
