"""Conditions of a sensor, evaluated on a processor's answer about a model. No Airflow, no network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

STATES = ("healthy", "degraded", "at_risk", "unknown", "no_data", "lagging")


@dataclass(frozen=True, slots=True)
class Condition:
    """Conditions on a model, all of which must hold; None = not checked.

    Attributes:
        states: Accepted states of the verdict.
        drift_fraction: Minimum fraction of features with drift in the newest closed window.
        coverage: Minimum fraction of predictions of the newest closed window with a known outcome.
        outcomes: Minimum number of outcomes of that window.
        window: Length of that window, "" = the longest.
    """

    states: tuple[str, ...] = ()
    drift_fraction: float | None = None
    coverage: float | None = None
    outcomes: int | None = None
    window: str = ""

    @classmethod
    def read(
        cls,
        states: Collection[str] | str,
        drift_fraction: float | None,
        coverage: float | None,
        outcomes: int | None,
        window: str,
    ) -> Condition:
        """Return a condition. Raises ``ValueError`` for an unknown state, or if nothing is checked."""
        state_names = (states,) if isinstance(states, str) else tuple(states)
        if unknown := [state for state in state_names if state not in STATES]:
            raise ValueError(f"{unknown[0]!r} is not a state of a verdict; the states are {', '.join(STATES)}")
        if not state_names and drift_fraction is None and coverage is None and outcomes is None:
            raise ValueError("there is no condition to wait for; set states, drift_fraction, coverage or outcomes")
        return cls(state_names, drift_fraction, coverage, outcomes, window)

    def to_json(self) -> dict[str, Any]:
        """Return the condition as JSON for a trigger; ``Condition(**document)`` restores it."""
        return {**asdict(self), "states": list(self.states)}

    def holds(self, model: Mapping[str, Any]) -> tuple[bool, str]:
        """Return whether the condition holds, and a description of the values.

        Args:
            model: The answer of ``GET /api/v1/models/{name}``.
        """
        verdict = model.get("verdict") or {}
        state = str(verdict.get("state", "not available yet"))
        window = newest_window(model, self.window)
        drift = ((window or {}).get("drift") or {}).get("fraction")
        outcomes = (window or {}).get("outcomes") or {}
        results: list[tuple[bool, str]] = []
        if self.states:
            results.append((state in self.states, f"the verdict is {state}"))
        for name, minimum, number in (
            ("fraction of drifted features", self.drift_fraction, drift),
            ("coverage of outcomes", self.coverage, outcomes.get("coverage")),
            ("outcomes", self.outcomes, outcomes.get("rows")),
        ):
            if minimum is not None:
                description = "unknown" if number is None else f"{number:g}"
                results.append(
                    (number is not None and number >= minimum, f"{name}: {description}, required {minimum:g}")
                )
        window_text = "" if window is None else f"; window that starts at {window['start']}"
        return all(
            is_met for is_met, _ in results
        ), f"{', '.join(description for _, description in results)}{window_text}"


def newest_window(model: Mapping[str, Any], length: str = "") -> Mapping[str, Any] | None:
    """Return the newest closed window of the versions in use; None if no window is closed.

    Args:
        model: The answer of ``GET /api/v1/models/{name}``.
        length: Length of the window, "" = the longest.
    """
    windows = [
        window["closed"]
        for version in model.get("versions", ())
        if version.get("in_use", True)
        for name, window in version.get("windows", {}).items()
        if window.get("closed") and length in ("", name)
    ]

    def order(window: Mapping[str, Any]) -> tuple[str, str]:
        return window["end"], _backwards(window["start"])

    return max(windows, key=order, default=None)


def _backwards(time: str) -> str:
    """Return a text that sorts times in reverse: of windows with the same end, the longest is used."""
    return "".join(chr(0x10FFF - ord(character)) for character in time)
