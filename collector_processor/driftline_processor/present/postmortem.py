"""The postmortem of an incident as Markdown: known facts are filled in, the other sections have questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final

from driftline.tables.timestamps import instant
from msgspec import Struct, field

from driftline_processor.core.windows.window import DAY, HOUR
from driftline_processor.present.alerts import kind_words
from driftline_processor.present.numbers import many, number, rounded_ends
from driftline_processor.present.sentences.verdict import LINE_TITLES
from driftline_processor.present.wording import format_percent, listed, printable, short

ASKED: Final = (
    ("What happened?", "In plain words, for readers who were not involved."),
    ("What did it cost our customers?", "Who was affected, and how did they notice?"),
    ("What went well?", ""),
    ("What did we learn?", ""),
    ("What do we change, who does it, and until when?", ""),
)
"""Sections for people to fill in → their question."""

LATE: Final = HOUR
"""Nanoseconds after the end of a window from which its rows or outcomes count as late; normally it is minutes."""

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")


class Incident(Struct, frozen=True):
    """Facts of an incident, as the API returns them.

    Attributes:
        alert: The alert with its messages.
        window: Length of the windows.
        windows: The windows around it, oldest first.
        wrong: The worst wrong predictions.
        replays: A policy in words → its replay over the same windows.
        unknown: Why it is unknown what would have detected it earlier; "" if replays show it.
    """

    alert: Mapping[str, Any]
    window: str = ""
    windows: Sequence[Mapping[str, Any]] = ()
    wrong: Sequence[Mapping[str, Any]] = ()
    replays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: str = ""


def postmortem(incident: Incident) -> str:
    """Return an incident as Markdown."""
    return "\n".join(_lines(incident)) + "\n"


def _lines(incident: Incident) -> Iterator[str]:
    alert = incident.alert
    yield f"# Postmortem: {_plain(alert['model'], 80)}, {_day(alert['since'] or alert['fired'])}"
    yield ""
    yield _plain(alert["finding"], 600)
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, text in _facts(incident):
        yield f"| {name} | {text} |"
    yield from ("", "## Timeline", "")
    yield "| time (UTC) | event |"
    yield "|---|---|"
    for time, text in sorted(_events(incident)):
        yield f"| {_plain(time, 40)} | {text} |"
    yield from ("", "## Impact", "", *_losses(incident))
    yield from ("", "## What would have detected it earlier?", "", *_sooner(incident))
    yield from ("", "## Wrong predictions", "", *_wrong(incident))
    for title, question in ASKED:
        yield from ("", f"## {title}", "", f"*{question}*" if question else "", "")


def _facts(incident: Incident) -> Iterator[tuple[str, str]]:
    alert = incident.alert
    place = f", {_plain(alert['environment'], 40)}" if alert["environment"] else ""
    yield "Model", f"{_plain(alert['model'], 80)} {_plain(alert['version'], 40)}{place}".rstrip()
    yield "Policy", f"{_plain(alert['policy'], 80)}, {_plain(alert['severity'], 20)}"
    if alert["owner"]:
        yield "Owner", _plain(alert["owner"], 80)
    verdict = _newest_verdict(incident)
    if verdict.get("cause"):
        yield LINE_TITLES["cause"], _plain(verdict["cause"], 300)
    if verdict.get("later"):
        yield LINE_TITLES["later"], _plain(verdict["later"], 600)
    if verdict.get("kind"):
        yield "Kind of change", _plain(verdict["kind"].replace("_", " "), 40)
    yield "Onset", _plain(alert["since"] or "unknown", 40)
    until = alert["until"] or alert["resolved"]
    yield "Recovery", _plain(until or "not yet: the alert is open", 40)
    yield from _delays(alert)
    acknowledgement = alert["acknowledged"]
    if acknowledgement and alert["notified"]:
        notified = max(filter(acknowledgement["time"].__ge__, _notified(alert)), default=alert["notified"])
        yield "From the notification to the acknowledgement", _between(notified, acknowledgement["time"])
    if alert["since"] and until:
        yield "From the onset to the recovery", _between(alert["since"], until)
    yield "Alert", f"`{_code(alert['id'])}`"


def _newest_verdict(incident: Incident) -> Mapping[str, Any]:
    """Return the newest row of the record in the time of an incident, of a degraded model if there is one; else {}.

    Outcomes that arrive later revise the rows, and newer rows have more of them: the newest one knows most.
    """
    windows = (window for window in incident.windows if _is_within(window, incident.alert))
    verdicts = [window["verdict"] for window in windows if window.get("verdict")]
    unwell = {one["state"]: one for one in verdicts}
    with_cause = (one for one in reversed(verdicts) if one.get("cause"))
    return unwell.get("degraded") or unwell.get("at_risk") or next(with_cause, {})


def _notified(alert: Mapping[str, Any]) -> list[str]:
    """Return the times of the notifications of an alert; that of the newest opening if its messages are unknown."""
    sent = (one for one in alert["messages"] if "/" not in one["channel"] and one["result"] == "delivered")
    return sorted(one["created"] for one in sent) or [alert["notified"]]


def _delays(alert: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the delays until the first notification, separately for event time and wall time.

    Onsets are in event time and messages in wall time; late rows and outcomes explain the difference. An alert that
    was resolved and opened again keeps its first notification.
    """
    if not alert["since"] or not alert["notified"]:
        return
    notified = _notified(alert)[0]
    late = instant(alert["first_seen"]) - instant(alert["fired"])
    if late < LATE:
        yield "From the onset to the first notification", _between(alert["since"], notified)
        return
    delay_words = f"{_between(alert['since'], alert['fired'])}, in event time"
    yield "From the onset to the end of the window that detected it", delay_words
    yield "From the end of this window to its evaluation", f"{_duration(late)}, because rows or outcomes arrived late"
    yield "From the evaluation to the first notification", _between(alert["first_seen"], notified)


def _events(incident: Incident) -> Iterator[tuple[str, str]]:
    alert = incident.alert
    if alert["since"]:
        yield alert["since"], "**Onset**, according to the windows"
    first = min((one["outcome_time"] for one in incident.wrong if one.get("outcome_time")), default=None)
    if first is not None:
        yield first, "**First outcome** of the wrong predictions below"
    yield alert["fired"], f"**Fired**: end of the window in which {_plain(alert['policy'], 80)} fired"
    for one in alert["messages"]:
        word = "Action" if "/" in one["channel"] else "Notification"
        event = f"**{word}** to {_plain(one['channel'], 80)}, {_plain(kind_words(one['kind']), 20)}: "
        event += _plain(one["result"].replace("_", " "), 40)
        event += f" ({_plain(one['detail'], 200)})" if one["detail"] else ""
        yield one["created"], event
        if one["approved"]:
            why = f": {_plain(one['approved']['why'], 200)}" if one["approved"]["why"] else ""
            yield one["approved"]["time"], f"**Approved** by {_plain(one['approved']['by'], 80)}{why}"
    if acknowledgement := alert["acknowledged"]:
        why = f": {_plain(acknowledgement['why'], 200)}" if acknowledgement["why"] else ""
        yield acknowledgement["time"], f"**Acknowledged** by {_plain(acknowledgement['by'], 80)}{why}"
    if alert["until"]:
        yield alert["until"], "**Recovery**, according to the windows"
    if alert["resolved"]:
        yield alert["resolved"], "**Resolved**: the alert was closed"


# -- what was lost ----------------------------------------------------------------------------------------------------


def _losses(incident: Incident) -> Iterator[str]:
    windows = [window for window in incident.windows if _is_within(window, incident.alert)]
    losses = _errors_lost(windows), _errors_grown(windows), _money_lost(windows), _calls_failed(windows)
    loss_sentences = [loss_sentence for loss_sentence in losses if loss_sentence]
    if not loss_sentences:
        yield "Unknown: no window of this period has both outcomes and a baseline with outcomes, and no call failed."
        return
    yield from (f"- {loss_sentence}" for loss_sentence in loss_sentences)
    outcomes = sum(window["outcomes"]["rows"] for window in windows)
    rows = sum(window["rows"] for window in windows)
    share = f", {format_percent(outcomes / rows)} of the predictions" if rows else ""
    yield f"- {len(windows):,} windows of {_plain(incident.window, 20)}, {outcomes:,} outcomes{share}."


def _errors_lost(windows: Sequence[Mapping[str, Any]]) -> str:
    """Return the number of wrong outcomes in excess of the baseline's rate; "" if unknown."""
    total = _summed(windows, "accuracy", lambda window: -window["outcomes"]["rows"])
    if total is None:
        return ""
    more, low, high = total
    word = "more" if more >= 0 else "fewer"
    ends = f" ({low:,.0f} to {high:,.0f})"
    return f"**{abs(more):,.0f} {word} wrong predictions**{ends} than expected from the accuracy of the baseline."


def _errors_grown(windows: Sequence[Mapping[str, Any]]) -> str:
    """Return the mean rise of the absolute error of a regression; "" for other tasks, and if it is unknown."""
    known = [window for window in windows if _change_of(window, "mae") is not None]
    outcomes = sum(window["outcomes"]["rows"] for window in known)
    total = _summed(known, "mae", lambda window: window["outcomes"]["rows"] / outcomes)
    if total is None:
        return ""
    rise, low, high = total
    word = "higher" if rise >= 0 else "lower"
    ends = f" ({' to '.join(rounded_ends(low, high))})"
    return f"**A mean absolute error {number(abs(rise))} {word}**{ends} than in the baseline."


def _calls_failed(windows: Sequence[Mapping[str, Any]]) -> str:
    """Return the number of failed calls and their kinds; "" if none failed."""
    services = [window["service"] for window in windows if window.get("service")]
    calls, failed = (sum(service[name] for service in services) for name in ("calls", "failed"))
    if not failed:
        return ""
    kinds = Counter[str]()
    for service in services:
        kinds.update(service["errors"])
    named = f" ({listed([_plain(name, 40) for name, _ in kinds.most_common(3)])})" if kinds else ""
    return f"**{many(failed, 'failed call')}**, {format_percent(failed / calls)} of {calls:,}{named}."


def _money_lost(windows: Sequence[Mapping[str, Any]]) -> str:
    """Return the loss of money compared with the baseline; "" if neither costs nor value are configured."""
    for name, sign in (("cost_per_prediction", 1), ("value_per_prediction", -1)):
        total = _summed(windows, name, lambda window, sign=sign: sign * window["rows"])  # type: ignore[misc]
        if total is not None:
            assumption = "rows without outcomes are assumed to be like the others"
            lost, low, high = total
            return f"**{lost:,.0f}** ({low:,.0f} to {high:,.0f}) in the unit of `{name}`; {assumption}."
    return ""


def _summed(
    windows: Sequence[Mapping[str, Any]], name: str, weight: Callable[[Mapping[str, Any]], float]
) -> tuple[float, float, float] | None:
    """Return the sum of a change from the baseline over windows, and its interval; None if unknown.

    The ends are sums of the windows' ends, so the interval is wider than 95 % requires.
    """
    total, low, high, is_known = 0.0, 0.0, 0.0, False
    for window in windows:
        change = _change_of(window, name)
        if change is None:
            continue
        is_known, factor = True, weight(window)
        ends = [change[end] if change.get(end) is not None else change["change"] for end in ("low", "high")]
        total += factor * change["change"]
        low += min(factor * end for end in ends)
        high += max(factor * end for end in ends)
    return (total, low, high) if is_known else None


def _change_of(window: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the change of a metric from the baseline in a window; None if it is unknown."""
    change = (window["performance"].get("changes") or {}).get(name)
    return change if change and change.get("change") is not None else None


def _is_within(window: Mapping[str, Any], alert: Mapping[str, Any]) -> bool:
    """Return True if a window lies in the time of an alert."""
    if not alert["since"] or not window["start"]:
        return False
    until = alert["until"] or alert["resolved"]
    end = instant(until) if until else inf
    return instant(window["end"]) > instant(alert["since"]) and instant(window["start"]) < end


# -- what would have found it sooner ----------------------------------------------------------------------------------


def _sooner(incident: Incident) -> Iterator[str]:
    if incident.unknown:
        yield _plain(incident.unknown, 300)
        return
    fired, earlier_firings = instant(incident.alert["fired"]), []
    for words, replay in incident.replays.items():
        time = first_firing(replay, incident.alert)
        if time is not None and time < fired:
            earlier_firings.append((time, words, replay["false_alarms"]["sentence"]))
    if not earlier_firings:
        names = len(incident.replays)
        yield f"None of the {names} other policies, replayed over the same windows with the outcomes known now."
        return
    yield "These policies were replayed over the same windows with the outcomes known now, including late ones."
    yield ""
    yield "| policy | earlier by | false alarms |"
    yield "|---|---|---|"
    for time, words, alarms in sorted(earlier_firings):
        yield f"| {_plain(words, 200)} | {_duration(fired - time)} | {_plain(alarms, 200)} |"


def first_firing(told: Mapping[str, Any], alert: Mapping[str, Any]) -> int | None:
    """Return when a replayed policy first fired for an alert's subject, unix nanoseconds; None if it did not.

    Args:
        told: The policy of a replay.
        alert: The alert, as in the API.
    """
    since = instant(alert["since"] or alert["fired"])
    until = instant(alert["until"]) if alert["until"] else None
    times = [
        instant(firing["fired"])
        for firing in told["firings"]
        if (firing["until"] is None or instant(firing["until"]) > since)
        and (until is None or instant(firing["fired"]) <= until)
        and instant(firing["since"] or firing["fired"]) >= since - DAY
    ]
    return min(times, default=None)


# -- which predictions ------------------------------------------------------------------------------------------------


def _wrong(incident: Incident) -> Iterator[str]:
    if not incident.wrong:
        yield "No wrong prediction is stored."
        return
    yield "| prediction | time | predicted | actual | trace |"
    yield "|---|---|---|---|---|"
    for misprediction in incident.wrong:
        prediction = (
            misprediction.get("predicted") if misprediction.get("predicted") is not None else misprediction.get("score")
        )
        link = str(misprediction.get("trace_url") or "")
        trace = _plain(misprediction.get("trace_id") or "–", 40)
        if re.fullmatch(r"https?://[^\s()<>\[\]\"'|]+", link):
            trace = f"[{trace}]({link})"
        cells = (
            f"`{_code(misprediction.get('id') or '')}`",
            _plain(misprediction.get("time") or "–", 40),
            _value(prediction),
        )
        yield f"| {' | '.join((*cells, _value(misprediction.get('actual')), trace))} |"


def _value(value: object) -> str:
    if value is None:
        return "–"
    return _plain(f"{value:.4g}" if isinstance(value, float) else str(value), 60)


# -- words ------------------------------------------------------------------------------------------------------------


def _plain(text: object, most: int) -> str:
    r"""Return a text on one line with its Markdown markup escaped.

    >>> _plain("a|b <script> [x](y)", 80)
    'a\\|b \\<script\\> \\[x\\]\\(y\\)'
    """
    return _MARKS.sub(r"\\\1", short(" ".join(printable(str(text)).split()), most))


def _code(text: object) -> str:
    """Return a text for a code span in a table."""
    return short(printable(str(text)), 80).replace("`", "'").replace("|", "¦")


def _day(time: str) -> str:
    return _plain(str(time).partition("T")[0], 20)


def _between(start: str, end: str) -> str:
    return _duration(max(0, instant(end) - instant(start)))


def _duration(nanoseconds: int) -> str:
    """Return a duration in its largest unit.

    >>> _duration(DAY), _duration(36 * HOUR), _duration(HOUR // 2)
    ('1 day', '1.5 days', '30 minutes')
    """
    units = ((DAY, "day"), (HOUR, "hour"), (HOUR // 60, "minute"))
    unit, word = next((unit for unit in units if nanoseconds >= unit[0]), units[-1])
    number = f"{max(nanoseconds / unit, 1):.3g}"
    return f"{number} {word}" if number == "1" else f"{number} {word}s"
