"""What the address of a page selects: model, also where names hold slashes, version, window and range."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import MetricChange, SlicePerformance
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.verdict.record import NO_RECORD
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.names import handle
from driftline_processor.present.sentences.verdict import verdict_headline
from driftline_processor.present.wording import iso_time, keep_units
from driftline_processor.web.place import SLASH, TABS, Place, feature_page, place_of, routed_path
from driftline_processor.web.selection import select
from msgspec import structs
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, animals, app_of, flights, many, ns, price
from tests.support.html_page import Page, page
from tests.support.unwrap import unwrap

Browse = Callable[[FakeView], TestClient]


def dates(sentence: str) -> list[str]:
    return re.findall(r"\d+ \w+ \d{4}", sentence)


def chosen(**place: str) -> str:
    found = unwrap(select(Place("flights", **place), [flights()]).chosen)  # type: ignore[arg-type]
    return iso_time(found.window.start)[:10]


def shown(**place: str) -> tuple[int, str, str]:
    found = select(Place("flights", **place), [flights()]).shown_windows  # type: ignore[arg-type]
    return len(found), iso_time(found[0].window.start)[:10], iso_time(found[-1].window.start)[:10]


def test_at_takes_any_moment_of_the_window() -> None:
    assert {chosen(window="1mo", at=at) for at in ("2013-07-09", "1373328000", "1373328000000000000")} == {"2013-07-01"}


@pytest.mark.parametrize(
    ("at", "begins", "facts"),
    [
        ("2013-09-18", "2013-09-17", ("18 September 2013", "17 September 2013")),  # a gap
        ("2013-09-18T11:59:00Z", "2013-09-17", ("18 September 2013, 11:59", "17 September 2013")),
        ("2013-09-18T12:00:00Z", "2013-09-19", ("18 September 2013, 12:00", "19 September 2013")),
        ("0", "2013-09-01", ("1 January 1970", "1 September 2013")),
        ("2014-01-02", "2014-01-01", ("2 January 2014", "1 January 2014")),
    ],
)
def test_where_no_window_stands_the_nearest_is_chosen(at: str, begins: str, facts: Facts) -> None:
    found = select(Place("flights", window="1d", at=at), [flights()])
    assert iso_time(unwrap(found.chosen).window.start)[:10] == begins
    assert lacking(found.instead, "No window with predictions", *facts) == []
    assert select(Place("flights", window="1d", at=begins), [flights()]).instead == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "tab", ["", "/performance", "/drift", "/data", "/predictions", "/versions", "/features/distance"]
)
def test_every_page_says_that_another_window_is_shown(browse: Browse, tab: str) -> None:
    text = page(browse(many()), f"/models/flights{tab}?window=1d&at=2013-09-18").text
    assert len(re.findall(r"18 September 2013; [^.]*17 September 2013\.", text)) == 1


def test_a_range_without_a_window_shows_the_newest_closed_one_and_says_so() -> None:
    model = flights()
    model.windows["1d"][0].closed = False
    for place in (Place("flights", window="1d", until="2013-01-01"), Place("flights", window="1d", until="1970-01-01")):
        found = select(place, [model])
        assert found.chosen is found.shown_windows[0]
        assert iso_time(unwrap(found.chosen).window.start)[:10] == "2013-12-31"
        assert dates(found.instead) == ["31 December 2013"]
    gap = select(Place("flights", window="1d", since="2013-09-18", until="2013-09-19"), [model])
    assert dates(gap.instead) == ["17 September 2013"]


def test_the_beginning_of_unix_time_is_a_time() -> None:
    for since in ("1970-01-01", "0", "0.0", "1970-01-01T00:00:00Z"):
        assert shown(window="1d", since=since, until="2013-09-03") == (2, "2013-09-01", "2013-09-02")
    with pytest.raises(HTTPException, match="from=0 is not before to=1970-01-01"):
        select(Place("flights", window="1d", since="0", until="1970-01-01"), [flights()])


def test_without_at_the_newest_closed_window_is_chosen() -> None:
    assert chosen(window="1d") == "2013-12-31"
    assert chosen(window="1d", until="2013-11-15") == "2013-11-14"
    assert chosen() == "2013-12-01"


def test_pages_of_outcomes_show_the_newest_window_that_has_them() -> None:
    model = flights()
    *_, known, _, closed, open_window = model.windows["1d"]
    closed.outcome_rows = 8
    model.outcome_delay = OutcomeDelay(2 * DAY, "configured")
    found = select(Place("flights", window="1d"), [model])
    assert (unwrap(found.chosen).window, open_window.closed) == (closed.window, False)
    shown = found.with_outcomes()
    assert unwrap(shown.chosen).window == known.window
    assert dates(shown.instead) == ["29 December 2013"]
    assert (shown.past, shown.verdict()) == (False, model.verdict)
    at = select(Place("flights", window="1d", at="2013-12-31"), [model])
    assert at.with_outcomes() is at
    closed.outcome_rows = 30
    found = select(Place("flights", window="1d"), [model])
    assert found.with_outcomes() is found


@pytest.mark.parametrize("tab", ["performance", "predictions"])
def test_a_page_of_outcomes_says_that_newer_windows_wait_for_theirs(browse: Browse, tab: str) -> None:
    model = flights()
    for one in model.windows["1d"][-9:]:
        one.outcome_rows, one.realized = 0, {}
    text = page(browse(FakeView([model])), f"/models/flights/{tab}?window=1d").text
    assert "23 December 2013 has the newest final outcomes; later windows wait for theirs." in text


def test_without_a_range_as_many_windows_are_shown_as_a_timeline_holds() -> None:
    assert shown(window="1d") == (90, "2013-10-02", "2014-01-01")


def test_a_range_is_shown_whole() -> None:
    assert shown(window="1d", since="2013-10-01", until="2013-10-04") == (3, "2013-10-01", "2013-10-03")
    assert shown(window="1d", since="all") == (120, "2013-09-01", "2014-01-01")


def test_a_range_may_begin_so_long_before_the_newest_window_ends() -> None:
    assert shown(window="1d", since="-3d") == (3, "2013-12-30", "2014-01-01")
    assert shown(window="1d", since="-48h") == (2, "2013-12-31", "2014-01-01")


@pytest.mark.parametrize("since", ["-3x", "-0d", "--1d", "-9999999d", "soon", " ", "-1", "1969-12-31"])
def test_a_range_that_nobody_can_read_is_refused(since: str) -> None:
    with pytest.raises(HTTPException, match=r"^400: from "):
        select(Place("flights", window="1d", since=since), [flights()])


def test_the_chosen_window_is_always_within_the_range() -> None:
    at = iso_time(ns(2013, 9, 5))
    assert shown(window="1d", since="2013-10-01", until="2013-10-04", at=at)[1] == "2013-09-05"


def test_ranges_to_choose_differ_from_each_other() -> None:
    model = flights()
    days = [(one.words, one.chosen) for one in select(Place("flights", window="1d"), [model]).ranges()]
    assert days == [("7 days", False), ("30 days", False), ("90 days", False), ("90 windows", True), ("all", False)]
    months = list(select(Place("flights", window="1mo", since="-90d", at="2013-12-02"), [model]).ranges("drift"))
    assert [(one.words, one.chosen) for one in months] == [("90 days", True), ("all", False)]
    assert months[1].address == "/models/flights/drift?window=1mo&from=all"
    alone = select(Place("animals"), [animals()])
    assert list(alone.ranges()) == []


def test_slices_of_the_chosen_window_and_of_the_address_can_be_chosen() -> None:
    model = flights()
    model.windows["1mo"][-1].performance_slices = {"b=1": SlicePerformance(1, {}), "a=1": SlicePerformance(1, {})}
    assert select(Place("flights", slices=("c=1",)), [model]).slice_names() == ["a=1", "b=1", "c=1"]


def test_the_range_and_the_slice_stay_in_every_link_of_every_tab(browse: Browse) -> None:
    state = "window=1d&from=-30d&slice=origin%3DJFK"
    client = browse(many())
    for tab in ("", "/performance", "/drift", "/data", "/versions"):
        links = page(client, f"/models/flights{tab}?{state}").links
        assert f"/models/flights/data?{state}" in links
        assert "/models/flights" + tab + "?window=1d&from=-7d&slice=origin%3DJFK" in links


def test_the_form_of_the_range_needs_no_script(browse: Browse) -> None:
    text = browse(many()).get("/models/flights/drift?version=winter&window=1d&from=2013-10-01&to=2013-10-04").text
    form = text.partition('<form action="/models/flights/drift"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="version" value="winter">' in form
    assert '<input type="hidden" name="window" value="1d">' in form
    assert '<input type="date" name="from" value="2013-10-01">' in form
    assert '<input type="date" name="to" value="2013-10-04">' in form
    answer = browse(many()).get("/models/flights/drift?version=winter&window=1d&from=2013-10-01&to=&slice=")
    assert answer.status_code == 200


def test_versions_of_one_name_are_reached_from_each_other(browse: Browse) -> None:
    old, new = animals(), animals()
    old.key = ModelKey("animals", "1")
    client = browse(FakeView([new, old]))
    assert "/models/animals?version=1" in page(client, "/models/animals?version=2").links
    assert page(client, "/models/animals?version=3", status=404).text.count("has no version '3'") == 1


def test_the_page_of_a_model_opens_on_a_version_that_has_rows() -> None:
    registered = replace(flights(), key=ModelKey("flights", "2026", "demo"), rows=0, windows={"1d": []}, verdict=None)
    for known in ([registered, flights()], [flights(), registered]):
        assert select(Place("flights"), known).model.key.version == "winter"
    pending_windows = replace(flights(), verdict=None)
    assert select(Place("flights"), [registered, pending_windows]).model.key.version == "winter"


def test_an_earlier_window_is_looked_at_with_the_verdict_of_its_time() -> None:
    model = flights()
    july = model.windows["1mo"][4]
    now, then = (select(place_of(model, "1mo", one), [model]) for one in (None, july))
    assert (now.past, now.verdict()) == (False, model.verdict)
    verdict = unwrap(then.verdict())
    assert then.past
    assert (now.as_of, then.as_of) == ("", "31 July 2013")
    assert unwrap(verdict.window_end) <= july.window.end


def test_the_newest_window_of_a_length_is_earlier_than_newer_windows_of_another_length() -> None:
    model = flights()
    november = model.windows["1mo"][8]
    model.windows["1mo"] = model.windows["1mo"][:9]
    model = structs.replace(model, record=NO_RECORD)
    first_seen, asked = (
        select(Place("flights", window="1mo"), [model]),
        select(place_of(model, "1mo", november), [model]),
    )
    assert (first_seen.chosen, first_seen.past) == (asked.chosen, False)
    assert asked.past
    assert asked.verdict() == model.record.as_of(november.window.end)
    assert asked.states[-1] == unwrap(asked.verdict()).state


@pytest.mark.parametrize(
    "tab", ["", "/performance", "/drift", "/data", "/predictions", "/versions", "/incidents", "/features/temp"]
)
def test_every_page_of_an_earlier_window_says_its_verdict_before_that_of_today(browse: Browse, tab: str) -> None:
    model = flights()
    for month in (3, 4):  # June and July: one month alone is not yet a degraded model
        one = structs.replace(model.windows["1mo"][month], maturity="mature")
        one.realized_changes = {"log_loss": MetricChange("worse", 0.2, 0.1, 0.3, 0.001)}
        model.windows["1mo"][month] = one
    model = structs.replace(model, record=NO_RECORD)
    july = model.windows["1mo"][4]
    then = unwrap(select(place_of(model, "1mo", july), [model]).verdict())
    assert model.verdict is not None
    assert (then.state, model.verdict.state) == ("degraded", "at_risk")
    html = browse(FakeView([model])).get(f"/models/flights{tab}?window=1mo&at=2013-07-01").text
    said = Page(html).text
    first, second = (
        said.index(keep_units(verdict_headline(then))),
        said.index(keep_units(verdict_headline(model.verdict))),
    )
    assert first < second
    assert re.search(r"(?i)\bas of 31 July 2013\b", said[:second])
    answers = re.findall(r'<h2 class="(?:answer [^"]*|headline answer)">(.*?)</h2>', html, re.DOTALL)
    assert [keep_units(verdict_headline(then)) in Page(one).text for one in answers] == [True]
    assert html.count('<p class="today">') == 1


def test_a_page_of_the_newest_window_says_the_verdict_of_today_alone(browse: Browse) -> None:
    html = browse(FakeView([flights()])).get("/models/flights/performance?window=1mo").text
    assert "As of" not in Page(html).text
    assert '<p class="today">' not in html


NAMES = ["a/drift", "a/report", "a/data", "a/features/x", "a/evaluations", "features/", "/", "a%2Fb", "drift"]


def named(name: str, feature: str = "area") -> FakeView:
    """Return a model of this name beside the one named ``a``, with one feature."""
    other, model = price(), price()
    other.key, model.key = ModelKey("a", "", ""), ModelKey(name, "", "")
    for windows in model.windows.values():
        for window in windows:
            known = next(iter(window.features.values()))
            window.features = {feature: replace(known, name=feature)}
    return FakeView([other, model])


@pytest.mark.parametrize("name", NAMES)
def test_each_page_of_a_model_is_reached_whatever_its_name_holds(browse: Browse, name: str) -> None:
    client, place = browse(named(name)), Place(name)
    for end, title in TABS.items():
        if end in ("incidents", "predictions"):
            continue  # their JSON names no model
        answer = client.get(place.address(end, format="json"))
        assert (answer.status_code, answer.json()["model"], title) == (200, name, title)
    assert client.get(place.address("report")).headers["content-type"].startswith("text/html")
    for end in ("", "/evaluations", "/versions"):
        assert client.get(f"/api/v1/models/{quote(name, safe='')}{end}").json()["model"] == name


@pytest.mark.parametrize("feature", ["sensor/data", "x/drift", "features/", "/", "drift", "report", "a/features/b"])
def test_each_feature_has_its_page_whatever_its_name(browse: Browse, feature: str) -> None:
    answer = browse(named("m", feature)).get(Place("m").address(feature_page(feature), format="json"))
    assert (answer.status_code, answer.json()["model"], answer.json()["feature"]) == (200, "m", feature)


def test_a_slash_that_nobody_encoded_is_part_of_a_name(browse: Browse) -> None:
    client = browse(named("a/b"))
    assert client.get("/models/a/b/drift?format=json").json()["model"] == "a/b"
    assert client.get("/api/v1/models/a/b/evaluations").json()["model"] == "a/b"


def test_without_the_path_as_it_came_the_decoded_one_is_routed() -> None:
    app = app_of(named("a/b"))

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await app({name: value for name, value in scope.items() if name != "raw_path"}, receive, send)

    client = TestClient(bare)
    assert client.get("/models/a%2Fb/drift?format=json").json()["model"] == "a/b"
    assert client.get("/models/a%2Fb").status_code == 200


def test_a_path_that_is_not_the_one_that_came_is_left_as_it_is() -> None:
    assert routed_path({"path": "/models/a/b", "raw_path": b"/proxy/models/a%2Fb"}) == "/models/a/b"
    assert routed_path({"path": "/static/a/b", "raw_path": b"/static/a%2fb"}) == "/static/a/b"
    assert routed_path({"path": "/models/a/b/c", "raw_path": b"/models/a%2fb/c?x=%2F"}) == f"/models/a{SLASH}b/c"


def test_what_is_not_there_is_told_with_its_slashes(browse: Browse) -> None:
    client = browse(named("m"))
    assert client.get("/models/x%2Fdrift?format=json").json() == {
        "error": "no model 'x/drift' has sent predictions; / lists all models"
    }
    assert (
        client.get("/api/v1/models/x%2Fversions")
        .json()["error"]
        .startswith("no model 'x/versions' has sent predictions")
    )


@pytest.mark.parametrize("control", ["\x00", "\x08", "\x1b", "\x7f", "\x9b", "\u202e", "\u2067"])
def test_no_page_of_a_model_contains_control_characters_of_its_name(browse: Browse, control: str) -> None:
    client = browse(named(f"a{control}red"))
    place = Place(handle(f"a{control}red"))
    for address in ("/", "/search?q=red", *map(place.address, TABS)):
        answer = client.get(address)
        assert answer.status_code == 200
        assert control not in answer.text
        assert "red" in answer.text


@pytest.mark.parametrize("name", ["\x00", "left\u202eright", "\x1b[31mred", "x" * 300, "x" * 60])
def test_a_suggested_name_is_one_that_the_links_use(browse: Browse, name: str) -> None:
    client = browse(named(name))
    shown = handle(name).rpartition("~")[0] or name[:-1]
    answer = client.get(f"/api/v1/models/{quote(shown, safe='')}")
    assert answer.status_code == 404
    suggested = re.findall("'([^']*)'", answer.json()["error"].split("; ")[1])
    assert handle(name) in suggested
    assert all(client.get(f"/models/{quote(one, safe='')}").status_code == 200 for one in suggested)


def test_a_name_that_cannot_be_encoded_is_a_question_mark_in_every_form(browse: Browse) -> None:
    client = browse(named("a\ud800b"))
    assert [one["model"] for one in client.get("/api/v1/models").json()["models"]] == ["a", "a?b"]
    assert sorted(one["model"] for one in client.get("/?format=json").json()["models"]) == ["a", "a?b"]
    place = Place(handle("a\ud800b"))
    for end in TABS:
        answer = client.get(f"{place.address(end)}?format=json")
        assert (answer.status_code, answer.json()["model"]) == (200, "a?b")
