"""Results of drills as sentences, JSON, JUnit and a table of faults by models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from driftline_processor.present.sentences.verdict import verdict_cause, verdict_sentence
from driftline_processor.present.wording import iso_time, printable, short

from .drill import DrillResult, Fired, time_words
from .faults import FAULTS, Fault


def first_sentence(result: DrillResult) -> str:
    """Return the result of a drill."""
    drill = f"The drill '{printable(result.title)}' of {short(result.model, 80)}"
    if result.outcome == "not_applicable":
        return f"{drill} cannot run: {printable(result.reason)}."
    if result.outcome == "inconclusive":
        return (
            f"It is inconclusive whether {drill[:1].lower()}{drill[1:]} would be detected: {printable(result.reason)}."
        )
    if result.outcome == "not_found":
        return f"{drill} was not detected in {time_words(result.lived)}: {printable(result.reason)}."
    first = result.fired[0]
    after = time_words(result.found_after or 0)
    sentence = f"{drill} was detected after {after}, by the policy '{short(first.policy, 80)}'"
    if result.outcome == "found":
        later_text = ""
        if (result.named_after or 0) > (result.found_after or 0):
            later_text = f", after {time_words(result.named_after or 0)}"
        return f"{sentence}; its cause was identified correctly{later_text}."
    cause = "" if result.verdict is None else verdict_cause(result.verdict)
    named = f" Named instead: {cause}" if cause else ""
    return f"{sentence}; its cause was not identified.{named}"


def quiet_sentence(result: DrillResult) -> str:
    """Return whether the same traffic without the fault raised alerts."""
    if result.outcome == "not_applicable":
        return ""
    if not result.noise:
        return "The same traffic without the fault caused no alert."
    sentences = []
    if own := _policies(firing for firing in result.noise if firing.own_problem):
        sentences.append(f"The rows have a problem of their own, with alerts of these policies: {own}.")
    if false := _policies(firing for firing in result.noise if not firing.own_problem):
        sentences.append(f"The same traffic without the fault also caused alerts of these policies: {false}.")
    return " ".join(sentences)


def _policies(firings: Iterable[Fired]) -> str:
    return ", ".join(dict.fromkeys(f"'{short(firing.policy, 80)}'" for firing in firings))


def is_quiet(result: DrillResult) -> bool:
    """Return True if the same traffic without the fault caused no false alarm."""
    return all(firing.own_problem for firing in result.noise)


def drill_lines(result: DrillResult, limit_ns: int | None = None) -> Iterator[str]:
    """Yield a drill in lines, the result first."""
    yield first_sentence(result)
    if result.outcome == "not_applicable":
        return
    if limit_ns is not None and result.outcome == "found" and not result.within(limit_ns):
        yield f"That is later than the limit of {time_words(limit_ns)} (--within)."
    yield quiet_sentence(result)
    fault = result.fault
    size = f", {result.size:g} {fault.unit}" if fault.unit else ""
    fraction = "" if result.fraction >= 1 else f", in {result.fraction:.0%} of the rows"
    change = f"{fault.description}{size}{fraction}"
    yield f"What broke: {change}, from {iso_time(result.at)} on; {result.rows:,.0f} rows per day."
    if result.source:
        yield f"Traffic: {printable(result.source)}."
    yield f"Expected: {fault.reason}"
    for firing in result.fired:
        yield from _fired_lines(firing)
    if not result.fired and result.seen_after is not None:
        yield f"The pages showed it after {time_words(result.seen_after)}."
    if result.verdict is not None:
        yield f"The verdict at that time: {verdict_sentence(result.verdict)}"
    yield from (printable(firing) for firing in result.would)
    yield f"Runbook: /runbooks/{fault.runbook}"


def _fired_lines(fired: Fired) -> Iterator[str]:
    windows = "" if not fired.windows else f", in {'1 window' if fired.windows == 1 else f'{fired.windows} windows'}"
    windows += f" of {fired.window}" if fired.windows else ""
    firing = f"policy '{short(fired.policy, 80)}', {fired.severity}, after {time_words(fired.after)}{windows}"
    yield f"Fired: {firing}. Notified: {_recipients(fired)}."
    yield from (f"Would run: {printable(action)[:300]}" for action in fired.done)


def _recipients(fired: Fired) -> str:
    """Return who is notified by a policy that fired, and who is notified later."""
    recipients = [
        *(short(name, 80) for name in fired.notified),
        *(f"held for the {short(name, 100)}" for name in fired.hold_reasons),
    ]
    return ", ".join(recipients) or ("nobody: silenced" if fired.silenced else "nobody: no channel")


def drill_json(result: DrillResult) -> dict[str, Any]:
    """Return a drill as JSON values; times are ISO 8601, durations seconds."""
    verdict = result.verdict
    return {
        "fault": result.fault.name,
        "model": result.model,
        "features": list(result.features),
        "outcome": result.outcome,
        "sentence": first_sentence(result),
        "why": printable(result.reason),
        "at": iso_time(result.at) if result.at else None,
        "size": result.size,
        "fraction": result.fraction,
        "rows_a_day": round(result.rows, 1),
        "lived_seconds": result.lived // 10**9,
        "found_after_seconds": _seconds(result.found_after),
        "named_after_seconds": _seconds(result.named_after),
        "seen_after_seconds": _seconds(result.seen_after),
        "windows": result.fired[0].windows if result.fired else None,
        "fired": [_fired_json(firing) for firing in result.fired],
        "verdict": None
        if verdict is None
        else {
            "state": verdict.state,
            "kind": verdict.kind or None,
            "cause": verdict_cause(verdict),
            "sentence": verdict_sentence(verdict),
        },
        "traffic": result.source,
        "quiet": is_quiet(result),
        "fired_without_fault": [_fired_json(firing) for firing in result.noise],
        "would_have_found": [printable(firing) for firing in result.would],
        "expected": {
            "kinds": list(result.fault.kinds),
            "states": list(result.fault.states),
            "why": result.fault.reason,
            "runbook": f"/runbooks/{result.fault.runbook}",
        },
    }


def _fired_json(fired: Fired) -> dict[str, Any]:
    return {
        "policy": fired.policy,
        "severity": fired.severity,
        "state": fired.state or None,
        "finding": fired.finding,
        "after_seconds": fired.after // 10**9,
        "windows": fired.windows,
        "window": fired.window,
        "notified": list(fired.notified),
        "hold_reasons": list(fired.hold_reasons),
        "silenced": fired.silenced,
        "own_problem": fired.own_problem,
        "done": list(fired.done),
    }


def _seconds(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // 10**9


# -- many drills ----------------------------------------------------------------------------------------------------

_CELLS = {"not_found": "not found", "inconclusive": "inconclusive", "not_applicable": "not applicable"}


def cell(result: DrillResult, limit_ns: int | None = None) -> str:
    """Return a drill as a table cell."""
    if result.outcome in _CELLS:
        return _CELLS[result.outcome]
    words = time_words(result.found_after or 0)
    words += ", named" if result.outcome == "found" else ", not named"
    return f"{words}, too late" if result.outcome == "found" and not result.within(limit_ns) else words


def has_passed(result: DrillResult, limit_ns: int | None = None) -> bool:
    """Return True if a drill was found with the right cause in time, or if it is not applicable."""
    return result.outcome == "not_applicable" or result.within(limit_ns)


def summary(results: Sequence[DrillResult], limit_ns: int | None = None) -> str:
    """Return how many drills were found."""
    applicable = [result for result in results if result.outcome != "not_applicable"]
    found_count = sum(result.within(limit_ns) for result in applicable)
    limit = "" if limit_ns is None else f" within {time_words(limit_ns)}"
    noisy = sorted({result.model for result in applicable if not is_quiet(result)})
    quiet = (
        "The same traffic without a fault caused no alert."
        if not noisy
        else f"Models with alerts in the same traffic without a fault: {', '.join(short(name, 80) for name in noisy)}."
    )
    return (
        f"{found_count} of {len(applicable)} faults were detected, and their cause identified correctly{limit}. {quiet}"
    )


def _rows(results: Sequence[DrillResult], limit_ns: int | None) -> Iterator[list[str]]:
    models = list(dict.fromkeys(result.model for result in results))
    results_by_fault = {(result.fault.name, result.model): result for result in results}
    yield ["fault", *(short(name, 40) for name in models)]
    for name in dict.fromkeys(result.fault.name for result in results):
        yield [
            name,
            *(
                cell(results_by_fault[name, model], limit_ns) if (name, model) in results_by_fault else ""
                for model in models
            ),
        ]


def table_text(results: Sequence[DrillResult], limit_ns: int | None = None) -> str:
    """Return the table of faults by models for a terminal, the summary first."""
    rows = [*_rows(results, limit_ns)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    sentences = [first_sentence(result) for result in results if not has_passed(result, limit_ns)]
    advice = [f"  {printable(advice_line)}" for result in results for advice_line in result.would]
    return "\n".join([summary(results, limit_ns), "", *lines, *([""] if sentences else []), *sentences, *advice])


def table_markdown(results: Sequence[DrillResult], limit_ns: int | None = None) -> str:
    """Return the table as Markdown, for the summary of a pipeline."""
    head, *rows = [[text.replace("|", "\\|") for text in row] for row in _rows(results, limit_ns)]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    missed = [
        f"- {first_sentence(result)} {' '.join(map(printable, result.would))}".rstrip()
        for result in results
        if not has_passed(result, limit_ns)
    ]
    return "\n".join([summary(results, limit_ns), "", *lines, *([""] if missed else []), *missed])


def expectations_table() -> str:
    """Return each fault with its expected notification as Markdown, for the documentation."""

    def row(fault: Fault) -> str:
        size = f"{fault.size:g} {fault.unit}" if fault.unit else "–"
        link = f"[{fault.runbook}](../runbooks/{fault.runbook}.md)"
        return f"| `{fault.name}` | {fault.description} | {size} | {fault.reason} | {link} |"

    head = "| fault | what breaks | size | expected alert | runbook |\n|---|---|---|---|---|"
    return "\n".join([head, *map(row, FAULTS.values())])
