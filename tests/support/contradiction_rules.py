"""Rules that no two statements of a walk may break, each with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, groupby, pairwise
from typing import Any, NamedTuple

import pandas as pd

from tests.support.surfaces import NOW, UNWELL, Statement, is_figure, window_end
from tests.support.walks import FILES, SHOWN, Walk

NOTHING = ("nothing", "keep sending outcomes")
"""Beginnings of an advice that asks for nothing."""

DENIALS = ("no window has conclusive outcomes", "nothing is known yet")


class Rule(NamedTuple):
    """A rule.

    Attributes:
        name: What holds.
        reason: What a reader would do wrong otherwise.
        broken: Yields a sentence for each time it does not hold.
    """

    name: str
    reason: str
    broken: Callable[[Walk], Iterator[str]]


def is_now(moment: str) -> bool:
    """Return whether a moment is a present: the last one, or one before it."""
    return moment.startswith(NOW)


def differing(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield a sentence for each moment and topic on which statements differ, with the surfaces by value."""
    groups: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for one in statements:
        groups[one.moment, one.topic].append(one)
    for (moment, topic), group in groups.items():
        if any(not agree(one, other) for one, other in combinations(distinct(group), 2)):
            yield f"{moment}, {topic}: {by_value(group)}"


def distinct(group: Iterable[Statement]) -> Sequence[Statement]:
    """Return one statement of each value."""
    return [*{(one.value, one.tolerance): one for one in group}.values()]


def agree(one: Statement, other: Statement) -> bool:
    """Return whether two statements have the same value: numbers within their last digits, times as far as written."""
    if one.topic.startswith("since"):
        times = sorted((one.value.removesuffix("Z"), other.value.removesuffix("Z")), key=len)
        return bool(times[1].startswith(times[0])) or times[1] == f"{times[0]}T00:00:00"
    if isinstance(one.value, float) and isinstance(other.value, float):
        return abs(one.value - other.value) <= 1.001 * (one.tolerance + other.tolerance)
    return bool(one.value == other.value)


def by_value(group: Sequence[Statement]) -> str:
    """Return the values of statements, each with the surfaces that state it."""
    surfaces: dict[str, dict[str, None]] = defaultdict(dict)
    for one in group:
        surfaces[f"{one.value}"][one.surface] = None
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in surfaces.items())


def one_state_now(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.of("state") if is_now(one.moment))


def one_state_as_of_a_window(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.of("state") if not is_now(one.moment))


def one_state_at_the_end_of_windows(walk: Walk) -> Iterator[str]:
    """Compare windows of different lengths that end at the same moment."""
    ends: dict[str, list[Statement]] = defaultdict(list)
    for one in walk.of("state"):
        if one.surface == "card":
            length, _, start = one.moment.partition(" ")
            end = f"as of {window_end(length, start)}"
            ends[end].append(one._replace(surface=f"card of {length}", moment=end))
    for group in ends.values():
        yield from differing(group)


def one_begin(walk: Walk) -> Iterator[str]:
    yield from differing(walk.of("since"))


def one_begin_and_one_end_per_finding(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.statements if one.topic.startswith(("since of ", "end of ")))


def an_episode_keeps_its_begin(walk: Walk) -> Iterator[str]:
    for length in walk.world.windows:
        begins = {one.moment: one.value for one in walk.of("since") if one.surface == "card"}
        states = [one for one in walk.of("state") if one.surface == "card" and one.moment.startswith(length)]
        for before, after in pairwise({one.moment: one for one in states}.values()):
            if before.value == after.value and begins.get(before.moment) != begins.get(after.moment):
                yield f"{after.moment}: {begins.get(after.moment)}, before that {begins.get(before.moment)}"


def a_planted_fault_has_its_date(walk: Walk) -> Iterator[str]:
    """The date is in the step of the fault; without enough rows in it, in the first step that could show it."""
    world = walk.world
    steps = [(world.start_of(steps.start), world.start_of(world.first_shown(steps))) for steps in world.harmful]
    ranges = {(one.surface, one.moment): one.value for one in walk.of("earliest")}
    for one in walk.of("since"):
        if steps and (one.surface == "card" or is_now(one.moment)):
            begin = _time(one.value)
            planted = next((step for step, shown in steps if shown <= begin < shown + world.step), None)
            if planted is None:
                faults = ", ".join(str(step) for step, _ in steps)
                yield f"{one.moment}: {one.surface} since {one.value}, planted {faults}"
            elif one.surface.startswith("API") and "headline" not in one.surface and begin >= planted + world.step:
                earliest = ranges.get((one.surface, one.moment))
                if earliest is None or _time(earliest) > planted:
                    yield f"{one.moment}: {one.surface} between {earliest} and {one.value}, planted {planted}"


def _time(text: str) -> pd.Timestamp:
    return pd.Timestamp(text).tz_localize(None).tz_localize("UTC")


def what_is_broken_has_the_begin_of_the_verdict(walk: Walk) -> Iterator[str]:
    """An objective that is broken, or calls that fail, while the model is degraded by them, is the same finding."""
    degraded = [one.value for one in walk.of("episode", NOW) if one.value[2] == "degraded"]
    for one in walk.of("broken", NOW):
        began, ended, subject = one.value
        meet = [
            since
            for since, until, _ in degraded
            if (ended is None or since < ended) and (until is None or began < until)
        ]
        if meet and began not in meet:
            yield f"{subject} since {began}, the model is degraded since {', '.join(meet)}"


def a_healthy_world_is_healthy(walk: Walk) -> Iterator[str]:
    if not walk.world.harmful:
        for one in (*walk.of("state"), *walk.shown):
            if one.topic == "state" and one.value == "degraded":
                yield f"{one.moment}: {one.surface} {one.value}"


def the_past_stays_as_it_was_shown(walk: Walk) -> Iterator[str]:
    today = {
        (one.moment, one.topic): one
        for one in walk.statements
        if one.surface == "card" and one.topic in ("state", "since")
    }
    for one in walk.shown:
        card = today.get((one.moment, one.topic))
        if card is not None and one.surface == f"{SHOWN}: API models" and not agree(card, one):
            yield f"{one.moment}, {one.topic}: {one.value} ({SHOWN}), {card.value} (card today)"


def a_message_states_what_was_shown(walk: Walk) -> Iterator[str]:
    for one in walk.messages:
        shown = [other for other in walk.shown if (other.moment, other.topic) == (one.moment, one.topic)]
        if one.topic in ("state", "since", "headline") and shown and not any(agree(one, other) for other in shown):
            yield f"{one.moment}, {one.topic}: {one.value} ({one.surface}), {by_value(shown)}"
    yield from differing(one for one in walk.messages if one.topic == "since")


def one_message_per_transition(walk: Walk) -> Iterator[str]:
    states = [one for one in walk.shown if one.topic == "state" and one.surface == f"{SHOWN}: API models"]
    opened = sum(body["kind"] == "opened" for body in walk.bodies)
    episodes = sum(
        after.value in UNWELL and (before is None or before.value not in UNWELL)
        for before, after in pairwise([None, *states])
        if after is not None
    )
    if opened != episodes:
        yield f"{opened} messages of kind opened, {episodes} episodes shown"
    for before, after in pairwise(walk.bodies):
        yield from _unlike_its_transition(before, after)


def _unlike_its_transition(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield that a message about a degradation has another kind than the change of the findings since the last one."""
    if "resolved" in (before["kind"], after["kind"]) or not before["findings"] or not after["findings"]:
        return
    stated, now = _lasting(before), _lasting(after)
    over = {one["subject"] for one in after["findings"] if one["until"] is not None and one["subject"] not in now}
    cause, replaced = ([name for name, role in one.items() if role == "cause"] for one in (now, stated))
    kinds = {"recovered"} if over & {*stated} else set[str]()
    kinds |= {"joined"} if {name for name, role in now.items() if role == "joined"} - {*stated} else set()
    kinds |= {"cause_changed"} if cause and replaced and cause != replaced and not over & {*replaced} else set()
    if after["kind"] not in (kinds or {"worse"}):
        yield f"{after['kind']} {after['title']!r}: {', '.join(sorted(kinds)) or 'nothing'} since the message before"


def _lasting(body: Mapping[str, Any]) -> dict[str, str]:
    harmful = (one for one in body["findings"] if one["role"] != "harmless" and one["until"] is None)
    return {one["subject"]: one["role"] for one in harmful}


def one_figure(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.statements if is_figure(one))
    yield from differing(one for one in walk.statements if one.topic.startswith("baseline "))
    yield from differing(one for one in walk.statements if one.topic.startswith("stated "))


def the_advice_fits_the_state(walk: Walk) -> Iterator[str]:
    states = {(one.surface, one.moment): one.value for one in walk.of("state")}
    idle = [one for one in walk.of("advice") if one.value.lower().startswith(NOTHING)]
    wrong = [one for one in idle if states.get((one.surface, one.moment)) in UNWELL]
    for moment in sorted({one.moment for one in wrong}):
        yield f"{moment}, advice of an unwell model: {by_value([one for one in wrong if one.moment == moment])}"
    for moment, statements in walk.presents().items():
        alerting = sorted({one.surface for one in statements if one.topic.startswith("open ")})
        asking_nothing = [one for one in idle if one.moment == moment]
        if alerting and asking_nothing:
            yield f"{moment}, advice next to {', '.join(alerting)}: {by_value(asking_nothing)}"


def an_incident_is_open_iff_the_model_is_unwell(walk: Walk) -> Iterator[str]:
    for moment, statements in walk.presents().items():
        state = next(one.value for one in statements if (one.surface, one.topic) == ("API model", "state"))
        incidents = [one for one in statements if one.topic == "open verdict incident"]
        if (state in UNWELL) != bool(incidents):
            yield f"{moment}: {state}, with {len(incidents)} open incidents of the verdict"
        # A policy may wait before it fires, but it must not go on when the model is well.
        if state not in UNWELL and any(one.topic == "open alert" for one in statements):
            yield f"{moment}: {state}, with an open alert about the verdict"


def a_broken_objective_is_stated(walk: Walk) -> Iterator[str]:
    for moment, statements in walk.presents().items():
        headline = next(one.value for one in statements if (one.surface, one.topic) == ("overview", "headline"))
        broken = [one.value for one in statements if one.topic == "open objective incident"]
        if broken and not headline.startswith(("Degraded", "At risk")) and ", but " not in headline:
            yield f"{moment}: {headline!r}, with an open incident of {', '.join(broken)}"


def an_incident_spans_what_the_cards_show(walk: Walk) -> Iterator[str]:
    """Each run of unwell cards is one incident. A card may know of a begin and of an end a few windows late."""
    episodes = [one.value for one in walk.of("episode", NOW)]
    cards = {one.moment: one for one in walk.of("state") if one.surface == "card"}.values()
    of_length = sorted((one for one in cards if one.moment.startswith(f"{walk.world.windows[0]} ")), key=_moment)
    unshown = [*episodes]
    for unwell, run in groupby(of_length, key=lambda one: one.value in UNWELL):
        windows = [one.moment.partition(" ") for one in run]
        first, ends = windows[0][2], [window_end(length, start) for length, _, start in windows]
        over = [one for one in episodes if one[0] < ends[-1] and (one[1] is None or first <= one[1])]
        if unwell and not any(since < ends[0] for since, _, _ in over):
            yield f"{first}: unwell (cards until {ends[-1]}), outside the incidents {episodes}"
        if unwell:
            unshown = [one for one in unshown if one not in over]
    starts = [one.moment.partition(" ")[2] for one in of_length]
    for since, until, state in unshown:
        if any(since <= start and (until is None or start < until) for start in starts):
            yield f"{state} from {since} to {until} (incident), and no card is unwell"


def _moment(one: Statement) -> str:
    return one.moment


def one_state_per_objective(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.statements if one.topic.startswith("state of "))


def conclusive_windows_are_not_denied(walk: Walk) -> Iterator[str]:
    conclusive = sorted(
        one.moment.partition(" ")[2]
        for one in walk.of("state")
        if one.surface == "strip" and one.value in ("healthy", "degraded")
    )
    for one in walk.of("text"):
        start = one.moment.partition(" ")[2] or "the end"
        denial = next((words for words in DENIALS if words in one.value.lower()), None)
        if denial and conclusive and conclusive[0] <= start:
            yield f"{one.moment}: {one.surface} has {denial!r}, although the strip has a state for {conclusive[0]}"


def a_degradation_has_a_period_that_shows_it(walk: Walk) -> Iterator[str]:
    states = {
        one.moment: one.value for one in walk.shown if one.topic == "state" and one.surface == f"{SHOWN}: API models"
    }
    empty = [f"{walk.world.start_of(step):%Y-%m-%dT%H:%M:%SZ}" for step, rows in walk.world.few.items() if rows < 5]
    now = {one.moment: one.value for one in walk.shown if one.topic == "now" and one.surface == f"{SHOWN}: API models"}
    for one in walk.shown:
        if one.moment.endswith(tuple(empty)):
            continue  # the last period with enough rows to show it still counts
        if one.topic == "period end" and one.surface == f"{SHOWN}: API models" and states[one.moment] in UNWELL:
            length, _, start = one.moment.partition(" ")
            ends_soon = "more healthy" in now.get(one.moment, "")  # the verdict states what the newest windows show
            if one.value < window_end(length, start) and not ends_soon:
                yield f"{one.moment}: {states[one.moment]} by a period that ends at {one.value}"


def one_headline_now(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.of("headline") if is_now(one.moment))


def one_headline_as_of_a_window(walk: Walk) -> Iterator[str]:
    yield from differing(one for one in walk.of("headline") if not is_now(one.moment))


def files_state_what_is_live(walk: Walk) -> Iterator[str]:
    live = [one for one in walk.statements if one.moment == NOW and one.surface in ("API model", "API model, headline")]
    configured = walk.files.get(FILES[2], [])
    for topic in ("state", "since", "headline"):
        yield from differing(one for one in (*live, *configured) if one.topic == topic)


def one_state_for_the_same_rows(walk: Walk) -> Iterator[str]:
    statements = [one for cut in FILES[:2] for one in walk.files.get(cut, ())]
    for topic in ("state", "since"):
        yield from differing(one for one in statements if one.topic == topic)


RULES = (
    Rule("one state now", "two pages would send two people to do opposite things", one_state_now),
    Rule("one state as of a window", "the strip and the card of a day are read together", one_state_as_of_a_window),
    Rule(
        "one state at the end of windows of any length",
        "the length of the windows chooses what is drawn, not what is true",
        one_state_at_the_end_of_windows,
    ),
    Rule("one begin of the state", "an engineer compares the date with deployments", one_begin),
    Rule(
        "one begin and one end per finding",
        "a fault with two dates looks like two faults",
        one_begin_and_one_end_per_finding,
    ),
    Rule(
        "an episode keeps its begin",
        "a date that moves cannot be compared with a deployment",
        an_episode_keeps_its_begin,
    ),
    Rule("a planted fault has its date", "a date is believed", a_planted_fault_has_its_date),
    Rule(
        "what is broken has the begin of the verdict",
        "one fault with two dates looks like two faults",
        what_is_broken_has_the_begin_of_the_verdict,
    ),
    Rule("a healthy world is not degraded", "a false alarm costs a night", a_healthy_world_is_healthy),
    Rule(
        "the past stays as it was shown",
        "a postmortem asks what was known at that time, and nothing is late here",
        the_past_stays_as_it_was_shown,
    ),
    Rule("one headline now", "the headline is what is quoted", one_headline_now),
    Rule("one headline as of a window", "the headline is what is quoted", one_headline_as_of_a_window),
    Rule(
        "one figure per metric and window", "a number that is different elsewhere is not trusted anywhere", one_figure
    ),
    Rule("the advice fits the state", "nobody acts on 'nothing' while a phone rings", the_advice_fits_the_state),
    Rule(
        "an incident is open if and only if the model is unwell",
        "an open incident of a healthy model is closed unread",
        an_incident_is_open_iff_the_model_is_unwell,
    ),
    Rule(
        "an incident spans what the cards show",
        "the timeline of a postmortem is made of incidents",
        an_incident_spans_what_the_cards_show,
    ),
    Rule(
        "a broken objective is stated",
        "'healthy' next to a page that rang is not believed",
        a_broken_objective_is_stated,
    ),
    Rule("one state per objective and window", "an objective is a promise to somebody else", one_state_per_objective),
    Rule(
        "conclusive windows are not denied",
        "a reader would wait for outcomes that are there",
        conclusive_windows_are_not_denied,
    ),
    Rule(
        "a degradation has a period that shows it",
        "a state without a period that ends now is an opinion about the past",
        a_degradation_has_a_period_that_shows_it,
    ),
    Rule(
        "a message states what was shown",
        "the page that a message links to must confirm it",
        a_message_states_what_was_shown,
    ),
    Rule("one message per transition", "a second message about the same begin is noise", one_message_per_transition),
    Rule("files state what is live", "an analysis in a notebook answers a page", files_state_what_is_live),
    Rule(
        "the same rows have one state, as one window and by window",
        "the cut of the windows is not a fact about the model",
        one_state_for_the_same_rows,
    ),
)
