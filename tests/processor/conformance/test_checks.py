"""Each check of the suite fails for a receiver with the fault that it is about, and for no other fault."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from driftline_processor.conformance import checks
from driftline_processor.conformance.endpoint import Trust, open_grpc, open_http
from driftline_processor.conformance.report import Report, run
from driftline_processor.conformance.requirements import CHECKED

from tests.support.faulty_receiver import LIMIT, receiver

# The names of the checks that fail, without the transport in front of those that both have.
FAULTS: dict[str, set[str]] = {
    "plain": {
        *("grpc.concurrent", "grpc.gzip", "grpc.none", "grpc.response", "grpc.success.message", "grpc.versions"),
        *("http.1.1", "http.bad-data.status", "http.none", "http.one-port", "http.success.message"),
        *("http.success.status", "http.versions"),
    },
    "gzip": {"grpc.gzip", "http.gzip"},
    "empty": {"grpc.empty", "http.empty"},
    "sequential": {"grpc.concurrent"},
    "undecodable accepted": {
        *("grpc.response", "grpc.failure.permanent", "http.bad-data.status", "http.bad-data.details"),
        "http.failure.status",
    },
    "undecodable is internal": {"grpc.failure.permanent", "http.bad-data.status", "http.failure.permanent"},
    "unknown field": {"grpc.versions", "http.versions"},
    "message": {"grpc.response", "grpc.success.message", "http.response", "http.success.message"},
    "count": {"grpc.partial.count", "http.partial.count"},
    "no reason": {"grpc.partial.reason", "http.partial.reason"},
    "field of partial success": {"grpc.partial.message", "http.partial.message"},
    "empty partial success": {"grpc.success.unset", "http.success.unset"},
    "negative count": {
        *("grpc.partial.warning", "grpc.success.unset", "http.partial.warning", "http.success.unset"),
    },
    "no JSON": {"http.one-port"},
    "protobuf type": {"http.protobuf.media", "http.response.media", "http.response.protobuf"},
    "JSON type": {"http.json.media", "http.response.json", "http.response.media"},
    "202": {"http.partial.status", "http.success.status"},
    "no Status": {
        *("http.bad-data.details", "http.failure.message", "http.failure.reason", "http.response"),
        *("http.response.json", "http.response.media", "http.response.protobuf"),
    },
    "no message": {"http.failure.reason"},
    "no details": {"http.bad-data.details"},
    "no answer": {
        *("http.bad-data.details", "http.bad-data.status", "http.failure.message", "http.failure.permanent"),
        *("http.failure.reason", "http.failure.status", "http.response"),
    },
    "upper case": {"http.json.ids"},
    "integer enums": {"http.json.enums"},
    "unknown JSON fields": {"http.json.unknown"},
    "integers": {"http.json.integers"},
    "no limit": {"grpc.request-limit", "grpc.request-limit.code", "http.request-limit", "http.request-limit.code"},
    "low limit": {"grpc.request-limit.default", "http.request-limit.default"},
    "code of limit": {"grpc.request-limit.code", "http.request-limit.code"},
    "retryable limit": {"grpc.request-limit.code"},
}


def check(fault: str, over_limit: int = LIMIT + 1) -> Report:
    trust = Trust({}, context=True)
    with receiver(fault) as addresses, ExitStack() as opened:
        transports = {"http": open_http(addresses.http, trust), "grpc": open_grpc(addresses.grpc, trust)}
        for transport in transports.values():
            opened.callback(transport.close)
        return run(transports, over_limit)


def names(report: Report, outcome: str) -> set[str]:
    return {one.requirement.name for one in report.results if one.observed.outcome == outcome}


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "RECOMMENDED_LIMIT", LIMIT)


def test_a_receiver_without_a_fault_passes_each_check() -> None:
    report = check("")

    assert names(report, "fail") == set()
    assert names(report, "not observed") == {"grpc.partial.warning", "http.partial.warning"}
    assert report.conforms


def test_a_warning_keeps_the_specification() -> None:
    report = check("warning")

    assert names(report, "fail") == names(report, "not observed") == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_checks_and_no_other(fault: str) -> None:
    report = check(fault, LIMIT + 1 if "limit" in fault else 0)

    assert names(report, "fail") == FAULTS[fault]
    assert report.conforms == (not any(one.name in FAULTS[fault] for one in CHECKED if one.level == "MUST"))


def test_each_check_fails_for_a_fault() -> None:
    assert {one.name for one in CHECKED} - set().union(*FAULTS.values()) == set()


def test_without_a_size_no_large_request_is_sent() -> None:
    report = check("no limit", over_limit=0)

    assert names(report, "fail") == set()
    assert {one.observed.received for one in report.results if "request-limit" in one.requirement.name} == {
        "large requests are sent with --over-limit only"
    }
    assert report.requests == 58


def test_a_failure_shows_the_answers_that_break_the_sentence() -> None:
    report = check("no reason")
    observed = next(one.observed for one in report.results if one.requirement.name == "grpc.partial.reason")

    assert observed.sent == (
        "traces, 2 of 3 with ids of zeroes; metrics, 2 of 3 without a value; logs, 2 of 3 as predictions 400 days ahead"
    )
    assert observed.received.split("; ")[1] == (
        "metrics, 2 of 3 without a value: OK rejected_data_points=2, error_message ''"
    )


def test_an_endpoint_of_one_signal_is_checked_with_this_signal() -> None:
    report = check("only metrics", LIMIT + 1)

    assert report.signals == {"http": ["metrics"], "grpc": ["metrics"]}
    assert names(report, "fail") == set()
    assert {"grpc.none", "grpc.partial.count", "http.request-limit", "http.response.json"} <= names(report, "pass")
    assert {"http.json.ids", "http.json.unknown"} <= names(report, "not observed")
