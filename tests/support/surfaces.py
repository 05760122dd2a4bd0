"""What the surfaces of a processor state about a model, as a reader finds it: in HTML, JSON, metrics and tables.

Every reader here parses an answer of the HTTP server and returns statements; none calls a function of the product.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

NOW = "now"
ONGOING = "ongoing"
LENGTHS = {"1h": pd.Timedelta("1h"), "1d": pd.Timedelta("1D")}
"""Lengths of windows."""

STATES = {
    "healthy": "healthy", "degraded": "degraded", "at risk": "at_risk", "unknown": "unknown", "no data": "no_data",
    "lagging": "lagging",
}  # fmt: skip
"""The words of a state → its name."""

UNWELL = ("degraded", "at_risk")
METRICS = {
    "MAE": "mae", "mean absolute error": "mae", "RMSE": "rmse", "R²": "r2", "MAPE": "mape", "bias": "bias",
    "predictions too low by": "-bias", "predictions too high by": "bias",
}  # fmt: skip
"""The words of a metric → its name; with a minus sign, the words state the negative value."""

DATE = r"(\d{1,2})(?: to \d{1,2})? ([A-Z][a-z]+) (\d{4})(?:, (\d\d:\d\d))?"
NUMBER = r"[−-]?\d[\d,]*(?:\.\d+)?"


class Statement(NamedTuple):
    """One thing that one surface states.

    Attributes:
        surface: The page, answer or message.
        moment: ``now``, or the window as of which it is stated: its length and its start.
        topic: ``state``, ``since``, ``since of COLUMN``, ``advice``, ``period end``, ``text``, or
            ``METRIC of PERIOD``, ``stated METRIC`` and ``baseline METRIC``.
        value: What is stated; times in ISO 8601.
        tolerance: Half a unit of the last digit of a rounded number.
    """

    surface: str
    moment: str
    topic: str
    value: Any
    tolerance: float = 0.0


def is_figure(one: Statement) -> bool:
    """Return whether a statement is about a metric of a period, which is the same in every present."""
    return " of " in one.topic and not one.topic.startswith(("since", "state", "end"))


def window_id(length: str, start: str) -> str:
    """Return the moment of a window."""
    return f"{length} {start}"


def window_end(length: str, start: str) -> str:
    """Return the end of a window."""
    return iso(pd.Timestamp(start) + LENGTHS[length])


def period(length: str, start: str) -> str:
    """Return the period of a window, as figures name it: its start and its end."""
    return f"{start} to {window_end(length, start)}"


def iso(time: Any) -> str:
    """Return a time of a table as ISO 8601."""
    return f"{pd.Timestamp(time):%Y-%m-%dT%H:%M:%SZ}"


def time_of(found: re.Match[str] | None) -> str | None:
    """Return the time that :data:`DATE` has found, in ISO 8601 as far as it is written: the day, or the minute.

    >>> time_of(re.search(DATE, "on 2 March 2026")), time_of(re.search(DATE, "since 2 March 2026, 20:00"))
    ('2026-03-02', '2026-03-02T20:00')
    """
    if found is None:
        return None
    day, month, year, clock = found.groups()
    date = datetime.strptime(f"{day} {month} {year}", "%d %B %Y").replace(tzinfo=UTC)
    return f"{date:%Y-%m-%d}T{clock}" if clock else f"{date:%Y-%m-%d}"


def span_in(words: str) -> str:
    """Return the period that the name of a window states.

    >>> span_in("1 to 7 July 2013"), span_in("28 June to 1 July 2013"), span_in("1 July 2013, 22:00 to 23:00")
    ... # doctest: +NORMALIZE_WHITESPACE
    ('2013-07-01T00:00:00Z to 2013-07-08T00:00:00Z', '2013-06-28T00:00:00Z to 2013-07-02T00:00:00Z',
     '2013-07-01T22:00:00Z to 2013-07-01T23:00:00Z')
    """
    first, _, last = words.partition(" to ")
    if ":" in words:
        start = pd.to_datetime(first, format="%d %B %Y, %H:%M", utc=True)
        end = start.normalize() + pd.Timedelta(f"{last}:00")
        end += pd.Timedelta("1D") if end <= start else pd.Timedelta(0)
    else:
        end = pd.to_datetime(last or first, format="%d %B %Y", utc=True) + pd.Timedelta("1D")
        parts = (last or first).split()
        start = pd.to_datetime(" ".join([*first.split(), *parts[len(first.split()) :]]), format="%d %B %Y", utc=True)
    return f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}"


def text_of(html: str) -> str:
    """Return the words of a piece of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split()).replace(" .", ".").replace(" ,", ",")


def state_in(sentence: str) -> str | None:
    """Return the state with which a headline begins."""
    found = re.match("|".join(STATES), sentence.lower())
    return STATES[found[0]] if found else None


def begin_in(sentence: str) -> str | None:
    """Return the time since which, or on which, a sentence states its finding."""
    return time_of(re.search(rf"\b(?:since|on) {DATE}", sentence))


def rounded(text: str) -> tuple[float, float]:
    """Return a number as it is written, and half a unit of its last digit.

    >>> rounded("−2.63"), rounded("4 %")
    ((-2.63, 0.005), (0.04, 0.005))
    """
    digits = re.search(NUMBER, text)
    assert digits is not None, text
    plain = digits[0].replace("−", "-").replace(",", "")
    scale = 0.01 if text[digits.end() :].lstrip().startswith("%") else 1.0
    return float(plain) * scale, 0.5 * scale * 10.0 ** -len(plain.partition(".")[2])


def figures_in(sentence: str) -> Iterator[tuple[str, float, float]]:
    """Yield the metric, the value and the tolerance of each figure of a headline."""
    for words, name in METRICS.items():
        found = re.search(rf"\b{re.escape(words)} ({NUMBER})", sentence, re.IGNORECASE)
        if found is not None:
            value, tolerance = rounded(found[1])
            yield (name[1:], -value, tolerance) if name.startswith("-") else (name, value, tolerance)


class Surfaces:
    """The surfaces of one model behind one client.

    Attributes:
        statements: Everything read so far.
    """

    def __init__(self, client: TestClient, model: str) -> None:
        self.client, self.model = client, model
        self.path = f"/models/{quote(model)}"
        self.statements: list[Statement] = []

    def say(self, surface: str, moment: str, topic: str, value: Any, tolerance: float = 0.0) -> None:
        """Note a statement; an absent value states nothing."""
        if value is not None and value != "":
            self.statements.append(Statement(surface, moment, topic, value, tolerance))

    def html(self, address: str) -> str:
        """Return the HTML of a page."""
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:300])
        return answer.text

    def json(self, address: str) -> Any:
        """Return a JSON answer."""
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:300])
        return answer.json()

    # What is stated now

    def read_now(self) -> None:
        """Read the surfaces that show the present."""
        self._home()
        self.read_api()
        self._verdict_page("overview", NOW, self.path)
        self._answer_page("drift page", NOW, f"{self.path}/drift")
        self._answer_page("performance page", NOW, f"{self.path}/performance")
        self._answer_page("report", NOW, f"/api/v1{self.path}/report")
        self._scorecards()
        self._incidents()
        self._alerts()
        self._policies(NOW)
        self._metrics()

    def _home(self) -> None:
        page = self.html("/")
        row = re.search(
            rf'<tr id="model-{re.escape(self.model)}".*?</tr>(?:\s*<tr class="why">.*?</tr>)?', page, re.DOTALL
        )
        assert row is not None, page
        self.say("home", NOW, "state", _state_of_badge(row[0]))
        since = re.search(r'<td class="triage-when"><time datetime="([^"]+)"', row[0])
        if since is not None and _state_of_badge(row[0]) in UNWELL:
            self.say("home", NOW, "since", since[1])
        figure = re.search(r'<span title="([^"]*)">(.*?)</span>', row[0], re.DOTALL)
        if figure is not None:
            _, _, window = figure[1].partition(", ")
            title, value = re.match(rf"(.*?) ({NUMBER})", text_of(figure[2])).groups()  # type: ignore[union-attr]
            if title in METRICS:
                self.say("home", NOW, f"{METRICS[title]} of {span_in(window)}", *rounded(value))
        reason = re.search(r'<td class="what">(.*?)</td>', row[0], re.DOTALL)
        self.say("home", NOW, "text", text_of(reason[1]) if reason else None)
        step = re.search(r'<span class="step">(.*?)</span>', row[0], re.DOTALL)
        self.say("home", NOW, "short advice", text_of(step[1]) if step else None)
        (brief,) = (one for one in self.json("/?format=json")["models"] if one["model"] == self.model)
        self.read_verdict("home as JSON", NOW, {**brief, "metric": None})

    def read_api(self) -> None:
        answer = self.json("/api/v1/models")
        (model,) = (one for one in answer["models"] if one["model"] == self.model)
        self.read_verdict("API models", NOW, model["verdict"])
        self.read_verdict("API models, by name", NOW, answer["verdicts"][self.model])
        self.read_verdict("API model", NOW, self.json(f"/api/v1{self.path}")["verdict"])
        self.read_verdict("API evaluations, top", NOW, self.json(f"/api/v1{self.path}/evaluations")["verdict"])

    def _scorecards(self) -> None:
        page = self.html("/scorecard")
        row = re.search(rf'<tr id="model-{re.escape(self.model)}".*?</tr>', page, re.DOTALL)
        self.say("scorecard of all", NOW, "state", row and _state_of_badge(row[0]))
        answer = self.json("/scorecard?format=json")
        (card,) = (one for one in answer["models"] if one["model"] == self.model)
        self.say("scorecard as JSON", NOW, "state", card["state"])
        if card["state"] in UNWELL:
            self.say("scorecard as JSON", NOW, "since", card["since"])
        (line,) = (one for one in answer["lines"] if (one["model"], one["subject"]) == (self.model, "verdict"))
        self._headline("scorecard as JSON, line", NOW, line["reason"])
        own = self.html(f"{self.path}/scorecard")
        self.read_answer(own, "scorecard", NOW)
        reason = re.search(r'<tr id="line-verdict">.*?<td class="words"[^>]*>(.*?)</td>', own, re.DOTALL)
        self._headline("scorecard, line", NOW, text_of(reason[1]) if reason else "")
        self.say("review", NOW, "state", _state_of_badge(self._row_of_review() or ""))

    def _row_of_review(self) -> str | None:
        page = self.html("/review")
        rows = re.findall(r'<tr class="reviewed-model.*?</tr>', page, re.DOTALL)
        return next((row for row in rows if f">{self.model}</th>" in row), None)

    def _incidents(self) -> None:
        answer = self.json("/incidents?format=json&show=all")
        newest: dict[str, Mapping[str, Any]] = {}
        for one in sorted(answer["incidents"], key=lambda incident: incident["since"]):
            if one["model"] != self.model:
                continue
            if one["kind"] == "verdict":
                self.say("incident verdict", NOW, "episode", (one["since"], one["until"], one["subject"]))
            if one["kind"] in ("objective", "service"):
                self.say(f"incident {one['kind']}", NOW, "broken", (one["since"], one["until"], one["subject"]))
            if one["kind"] == "drift" and one["subject"].startswith("feature:"):
                newest[one["subject"].partition(":")[2]] = one
            if one["until"] is not None:
                continue
            surface = f"incident {one['kind']}"
            if one["kind"] == "verdict":
                self.say(surface, NOW, "state", one["subject"])
                self.say(surface, NOW, "open verdict incident", one["subject"])
                self.say(surface, NOW, "since", one["since"])
                self._figures(surface, NOW, one["sentence"])
            elif one["kind"] == "objective":
                self.say(surface, NOW, "open objective incident", one["subject"])
        for column, one in newest.items():
            self.say("incident drift", NOW, f"since of {column}", one["since"])
            self.say("incident drift", NOW, f"end of {column}", one["until"] or ONGOING)
        page = self.html("/incidents?state=open&kind=verdict")
        for row in re.findall(r'<tr id="incident-.*?</tr>', page, re.DOTALL):
            if f">{self.model} " in row:
                word = re.search(r'<td class="quiet">(.*?)</td>', row)
                since = re.search(r'<td><time datetime="([^"]+)"', row)
                self.say("incidents page", NOW, "state", word and STATES.get(word[1].strip()))
                self.say("incidents page", NOW, "since", since and since[1])

    def _alerts(self) -> None:
        for one in self.json("/api/v1/alerts?state=open")["alerts"]:
            if one["model"] == self.model and one["state"]:
                self.say("alert", NOW, "state", one["state"])
                self.say("alert", NOW, "since", one["since"])
                self.say("alert", NOW, "open alert", one["state"])
                self.say("alert, finding", NOW, "since", begin_in(one["finding"]))
                self._figures("alert, finding", NOW, one["finding"])
                page = self.html(f"/alerts/{one['id']}")
                row = re.search(rf'<tr id="alert-{one["id"]}">.*?</tr>', page, re.DOTALL)
                since = row and re.search(r'<td class="is-time"><time datetime="([^"]+)"', row[0])
                self.say("alert page", NOW, "since", since and since[1])

    def _policies(self, moment: str) -> None:
        """Read what policies answer now, and for each window in their table."""
        for policy in self.json(f"/api/v1{self.path}/policies")["policies"]:
            if not policy["when"].startswith("verdict is"):
                continue
            self.say("policy", moment, "state", _state_in_sentence(policy["verdict"]))
            for window in policy["windows"]:
                moment_of = window_id(policy["window"], window["start"])
                for part in window["parts"]:
                    self.say("policy, by window", moment_of, "state", _state_in_sentence(part["finding"]))
                    if _state_in_sentence(part["finding"]) in UNWELL:
                        self.say("policy, by window", moment_of, "since", begin_in(part["finding"]))

    def _metrics(self) -> None:
        samples = [
            sample
            for family in text_string_to_metric_families(self.html("/metrics"))
            for sample in family.samples
            if sample.labels.get("ml_model_name") == self.model
        ]
        newest = {
            length: (length, iso(pd.Timestamp(one.value, unit="s", tz="UTC") - LENGTHS[length]))
            for one in samples
            if one.name == "driftline_performance_window_end_seconds"
            for length in [one.labels["driftline_window"]]
        }
        for one in samples:
            if one.name == "driftline_model_status" and one.value == 1:
                self.say("metrics", NOW, "state", one.labels["driftline_state"])
            if one.name == "driftline_objective_status" and one.value == 1:
                length, start = newest[one.labels["driftline_window"]]
                topic = f"state of {one.labels['driftline_objective_rule']}"
                self.say("metrics", window_id(length, start), topic, one.labels["driftline_state"])
            if one.name == "driftline_performance_value" and "driftline_performance_slice" not in one.labels:
                metric, window = one.labels["driftline_performance_metric"], newest[one.labels["driftline_window"]]
                self.say("metrics", NOW, f"{metric} of {period(*window)}", one.value, 1e-9)

    # What commands print about a running processor

    def read_commands(self, run: Callable[..., str]) -> None:
        """Read ``driftline top``, and the postmortem of each alert.

        Args:
            run: Runs `driftline` with arguments and the address of the processor, and returns its output.
        """
        top = " ".join(run("top").split())
        headline = re.search(
            rf"({'|'.join(STATES)})\b.*?(?= {re.escape(self.model)}|  | model state)", top, re.IGNORECASE
        )
        if headline is not None:
            self.say("top", NOW, "state", state_in(headline[0]))
            if state_in(headline[0]) in UNWELL:
                self.say("top", NOW, "since", begin_in(headline[0]))
        row = re.search(rf"{re.escape(self.model)} 1 +({'|'.join(STATES)})\b", top)
        self.say("top, row", NOW, "state", row and STATES[row[1]])
        for alert in self.json("/api/v1/alerts")["alerts"]:
            if alert["model"] == self.model and alert["state"]:
                self.say("alert", NOW, f"since of alert {alert['id']}", alert["since"])
                self.say("alert", NOW, f"end of alert {alert['id']}", alert["until"])
                text = run("postmortem", alert["id"], "--url").replace("\\", "")
                for title, topic in (("Onset", "since"), ("Recovery", "end")):
                    time = re.search(rf"\| {title} \| (\d{{4}}-[\dT:.-]+Z)", text)
                    self.say("postmortem", NOW, f"{topic} of alert {alert['id']}", time and time[1])

    # What is stated as of a window

    def closed_windows(self, length: str) -> list[Mapping[str, Any]]:
        """Return the closed windows of a length, as the API lists them."""
        windows = self.json(f"/api/v1{self.path}/evaluations?window={length}&limit=1000&slices=false")["windows"]
        return [window for window in windows if window["closed"]]

    def read_windows(self, length: str) -> None:
        """Read the surfaces as of each closed window of a length."""
        windows = self.closed_windows(length)
        for window in windows:
            self._window_of_api(length, window)
        self._strip(length, {window["start"] for window in windows})
        self._tables(length, windows)
        for window in windows:
            self._as_of(length, window)

    def _window_of_api(self, length: str, window: Mapping[str, Any]) -> None:
        moment = window_id(length, window["start"])
        if window["verdict"] is not None:
            self.say("API evaluations", moment, "state", window["verdict"]["state"])
            if window["verdict"]["state"] in UNWELL:
                self.say("API evaluations", moment, "since", window["verdict"]["since"])
        for metric, one in window["performance"]["realized"].items():
            self.say("API evaluations", NOW, f"{metric} of {period(length, window['start'])}", one["value"], 1e-9)
        for one in window["performance"]["objectives"]:
            self.say("API evaluations", moment, f"state of {one['objective']}", one["state"])
        for column, since in (window["drift"]["incident"] or {}).items():
            if column.startswith("feature:"):
                self.say("API evaluations, drift", moment, f"since of {column.partition(':')[2]}", since)

    def _strip(self, length: str, closed: Iterable[str]) -> None:
        page = self.html(f"{self.path}/drift?window={length}&from=all")
        strip = re.search(r'<svg class="strip".*?</svg>', page, re.DOTALL)
        assert strip is not None, page
        bars = re.findall(r'class="bar verdict-(\w+)', strip[0])
        links = re.findall(r'<a href="[^"]*?at=([^"&]+)[^"]*"[^>]*><title>(.*?)</title>', strip[0])
        assert len(bars) == len(links)
        for state, (at, title) in zip(bars, links, strict=True):
            start = unescape(at).replace("%3A", ":")
            if start in closed:
                self.say("strip", window_id(length, start), "state", state)
                word = re.search(rf"rows?, (?:open, )?({'|'.join(STATES)})", title)
                self.say("strip, title", window_id(length, start), "state", word and STATES[word[1]])

    def _tables(self, length: str, windows: Iterable[Mapping[str, Any]]) -> None:
        for day in sorted({window["start"][:10] for window in windows}):
            answer = self.client.get(f"/v1/tables/{day}?model={quote(self.model)}&window={length}")
            assert answer.status_code == 200, answer.text
            tables = _tables_in(answer.content)
            for row in tables.get("verdicts", []):
                moment = window_id(length, iso(row["window_start"]))
                self.say("tables", moment, "state", row["state"])
                if row["state"] in UNWELL:
                    self.say("tables", moment, "since", iso(row["since"]))
            for row in tables.get("metrics", []):
                if row["basis"] == "realized" and not row["slice"] and row["value"] is not None:
                    when = period(length, iso(row["window_start"]))
                    self.say("tables", NOW, f"{row['metric']} of {when}", row["value"], 1e-9)

    def _as_of(self, length: str, window: Mapping[str, Any]) -> None:
        start = window["start"]
        moment, query = window_id(length, start), f"?window={length}&at={quote(start)}"
        page = self._verdict_page("card", moment, self.path + query)
        self._figures_of_overview(page, period(length, start))
        self._details_of_overview(page, moment)
        self._objectives(self._answer_page("performance page", moment, f"{self.path}/performance{query}"), moment)
        self._answer_page("report", moment, f"{self.path}/report{query}")
        as_json = self.json(f"{self.path}{query}&format=json")
        self.read_verdict("card as JSON", moment, as_json["verdict"])
        for row in as_json["windows"]:
            for metric in row.keys() & METRICS.values():
                self.say("card as JSON", NOW, f"{metric} of {period(length, row['start'])}", row[metric], 1e-9)

    def _figures_of_overview(self, page: str, when: str) -> None:
        for figure in re.findall(r'<li class="figure.*?</li>', page, re.DOTALL):
            title = text_of(re.search(r'<span class="title">(.*?)</span>', figure)[1])  # type: ignore[index]
            value = text_of(re.search(r'<span class="value">(.*?)</span>', figure)[1])  # type: ignore[index]
            than = text_of(re.search(r'<span class="than">(.*?)</span>', figure)[1])  # type: ignore[index]
            if title in METRICS and re.match(NUMBER, value):
                self.say("card, figures", NOW, f"{METRICS[title]} of {when}", *rounded(value))
                if re.match(f"baseline {NUMBER}", than):
                    self.say("card, figures", NOW, f"baseline {METRICS[title]}", *rounded(than))

    def _details_of_overview(self, page: str, moment: str) -> None:
        """Read the objectives of an overview, and since when its columns have drifted."""
        section = re.search(r'<section[^>]*aria-label="objectives">.*?</section>', page, re.DOTALL)
        for rule, words in re.findall(r"<li><a[^>]*>(.*?)</a> <span[^>]*>(.*?)</span>", section[0] if section else ""):
            self.say("card, objectives", moment, f"state of {unescape(rule)}", words.partition(":")[0])
        section = re.search(r'<section id="causes".*?</section>', page, re.DOTALL)
        for column, words in re.findall(r"<li><a[^>]*>(\w+)</a>(.*?)</li>", section[0] if section else "", re.DOTALL):
            self.say("card, causes", moment, f"since of {column}", begin_in(text_of(words)))

    def _objectives(self, page: str, moment: str) -> None:
        """Read the objectives of a page of performance."""
        table = re.search(r'<div[^>]*id="objectives">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
        for state, rule in re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td>", table[1] if table else "", re.DOTALL):
            self.say("performance page", moment, f"state of {unescape(rule)}", text_of(state).partition(":")[0])

    # Parts of pages and answers

    def _verdict_page(self, surface: str, moment: str, address: str) -> str:
        """Read the section of the verdict of an overview, and return the page."""
        page = self.html(address)
        part = re.search(r'<section class="verdict verdict-(\w+)" id="verdict".*?</section>', page, re.DOTALL)
        assert part is not None, page
        self.say(surface, moment, "state", _state_of_badge(part[0]))
        self.say(f"{surface}, colour", moment, "state", part[1])
        since = re.search(rf'<span class="quiet">since {DATE}', part[0])
        if part[1] in UNWELL:
            self.say(f"{surface}, line", moment, "since", time_of(since))
        headline = re.search(r'<h2 class="headline answer">(.*?)</h2>', part[0], re.DOTALL)
        self._headline(surface, moment, text_of(headline[1]) if headline else "")
        lines = {
            text_of(title): text_of(words)
            for title, words in re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", part[0], re.DOTALL)
        }
        self.say(surface, moment, "advice", lines.get("Do"))
        self.say(surface, moment, "text", text_of(part[0]))
        today = re.search(r'<p class="today">.*?</a>: (.*?)</p>', page, re.DOTALL)
        if today is not None:
            self._headline(f"{surface}, today", NOW, text_of(today[1]))
        whole = re.search(r'<p id="whole-verdict">(.*?)</p>', page, re.DOTALL)
        self.say(f"{surface}, whole sentence", moment, "state", _state_in_sentence(text_of(whole[1]) if whole else ""))
        return page

    def _answer_page(self, surface: str, moment: str, address: str) -> str:
        page = self.html(address)
        self.read_answer(page, surface, moment)
        return page

    def read_answer(self, page: str, surface: str, moment: str) -> None:
        """Read the line that answers how the model is, at the top of a page."""
        found = re.search(r'<h2 class="answer verdict-(\w+)">(.*?)</h2>', page, re.DOTALL)
        if found is None:
            return
        self.say(f"{surface}, colour", moment, "state", found[1])
        self._headline(surface, moment, re.sub(r"^As of .*?: ", "", text_of(found[2])))
        do = re.search(r"<dt>Do</dt><dd>(.*?)</dd>", page, re.DOTALL)
        self.say(surface, moment, "advice", text_of(do[1]) if do else None)

    def _headline(self, surface: str, moment: str, headline: str) -> None:
        """Read a headline: its state, its begin and its figures."""
        state = state_in(headline)
        self.say(surface, moment, "state", state)
        self.say(surface, moment, "headline", headline.partition(". ")[0].rstrip("."))
        if state in UNWELL:
            self.say(surface, moment, "since", begin_in(headline))
        self._figures(surface, moment, headline)

    def _figures(self, surface: str, moment: str, sentence: str) -> None:
        for metric, value, tolerance in figures_in(sentence):
            self.say(surface, moment, f"stated {metric}", value, tolerance)

    def read_verdict(self, surface: str, moment: str, verdict: Mapping[str, Any] | None) -> None:
        if verdict is None:
            return
        self.say(surface, moment, "state", verdict["state"])
        if verdict["state"] in UNWELL:
            self.say(surface, moment, "since", verdict["since"])
            self.say(surface, moment, "earliest", verdict.get("since_earliest"))
        self._headline(f"{surface}, headline", moment, verdict["headline"])
        self.say(surface, moment, "advice", verdict["action"])
        if verdict.get("now"):
            self.say(surface, moment, "now", verdict["now"])
        decided = verdict.get("window")
        if decided is not None:
            self.say(surface, moment, "period end", decided["end"])
            for metric, value, tolerance in figures_in(verdict["headline"]):
                self.say(surface, NOW, f"{metric} of {decided['start']} to {decided['end']}", value, tolerance)
        for later in verdict.get("later_findings") or ():
            column = later["subject"].partition(":")[2]
            if later["shown"] and column:
                self.say(f"{surface}, later", moment, f"since of {column}", later["since"])
                self.say(f"{surface}, later", moment, f"end of {column}", later["until"] or ONGOING)


def read_message(body: Mapping[str, Any], moment: str) -> Iterator[Statement]:
    """Yield what a message states, sent when a window was the newest."""
    surface = f"message {body['kind']}"
    resolved = body["kind"] == "resolved"
    if body["verdict"]:
        yield Statement(surface, moment, "state", body["verdict"])
    if body["verdict"] in UNWELL and not resolved:
        yield Statement(surface, moment, "since", body["verdict_since"])
        yield Statement(f"{surface}, alert", moment, "since", body["since"])
        for part in ("title", "headline", "finding", "text"):
            of_finding = part == "title" and body["kind"] in ("joined", "cause_changed", "recovered")
            begin = None if of_finding else begin_in(body[part] or "")
            if begin is not None:
                yield Statement(f"{surface}, {part}", moment, "since", begin)
    if body["headline"]:
        yield Statement(f"{surface}, headline", moment, "state", state_in(body["headline"]))
        yield Statement(surface, moment, "headline", body["headline"])
    if body["action"]:
        yield Statement(surface, moment, "advice", body["action"])


def _state_of_badge(html: str) -> str | None:
    found = re.search(r'<span class="badge verdict-(\w+)">(.*?)</span>', html)
    if found is None:
        return None
    assert STATES.get(text_of(found[2])) == found[1], found[0]
    return found[1]


def _state_in_sentence(sentence: str | None) -> str | None:
    """Return the state in a sentence such as "In the window of 2 March 2026 the model is healthy: ..."."""
    words = "|".join(STATES)
    if "whether the model" in (sentence or "").lower():
        return "unknown"
    found = re.search(rf"\bmodel (?:is|was|has been) ({words})\b", sentence or "")
    return STATES[found[1]] if found else None


def _tables_in(archive: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table of a tar file of Parquet files."""
    tables = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            content = tar.extractfile(member)
            assert content is not None
            rows = pd.read_parquet(io.BytesIO(content.read())).to_dict("records")
            tables[member.name.removesuffix(".parquet")] = [
                {str(key): value for key, value in row.items()} for row in rows
            ]
    return tables
