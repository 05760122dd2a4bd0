"""The checks of the conformance suite: each sends requests, or uses earlier answers, and returns what it observed.

A check of HTTP or gRPC alone has the transport in its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

from .endpoint import Answer, Transport
from .messages import LOGS, MEDIA, MIB, SIGNALS, TRACES, UNUSABLE, Encoding, Request, Requests, Signal

Outcome = Literal["pass", "fail", "not observed"]

RECOMMENDED_LIMIT = 64
"""MiB that the specification recommends as the limit of a request."""

CONCURRENT = 8
"""Requests that are sent at the same time."""

_MOST_SHOWN = 2
"""Different answers of a kept rule that are shown with their messages."""


class Observation(Struct, frozen=True):
    """The result of a check.

    Attributes:
        outcome: Whether the endpoint keeps the sentence.
        sent: What was sent.
        received: What came back; for a failure, only the answers that break the sentence.
    """

    outcome: Outcome
    sent: str
    received: str


class Subject:
    """What the checks of one transport use: the transport, the signals of the endpoint, and the common answers."""

    def __init__(self, transport: Transport, requests: Requests, over_limit: int = 0) -> None:
        """Send one valid request per signal.

        Args:
            transport: The transport.
            requests: Makes the requests.
            over_limit: MiB that exceed the limit of the endpoint; 0 = no large request is sent.
        """
        self.transport = transport
        self.requests = requests
        self.over_limit = over_limit
        first = transport.send_all([requests.valid(signal) for signal in SIGNALS])
        self.valid = [answer for answer in first if answer.code not in ("404", "UNIMPLEMENTED")]
        """The answers to a valid request in protobuf, for the signals of the endpoint; no signal is mandatory."""
        self.signals: list[Signal] = [answer.request.signal for answer in self.valid]

    @cached_property
    def json(self) -> list[Answer]:
        """The answers to a valid request per signal, in JSON; empty if the endpoint accepts no JSON."""
        answers = self.transport.send_all([self.requests.valid(signal, "JSON") for signal in self.signals])
        return answers if any(answer.succeeded for answer in answers) else []

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The encodings that the endpoint accepts over HTTP."""
        return ("protobuf", "JSON") if self.json else ("protobuf",)

    @cached_property
    def undecodable(self) -> list[Answer]:
        """The answers of HTTP to what cannot be decoded."""
        wanted = [self.requests.undecodable(self.signals[0], encoding) for encoding in self.encodings]
        return self.transport.send_all([*wanted, self.requests.damaged(self.signals[0])])

    @cached_property
    def failures(self) -> list[Answer]:
        """The answers of HTTP that are errors."""
        answers = [*self.undecodable, *self.transport.send_all(self.requests.misdirected(self.signals[0]))]
        return [answer for answer in answers if not answer.succeeded]

    @cached_property
    def unusable(self) -> list[Answer]:
        """The answers to requests of which a part may be rejected."""
        parts = {
            "traces": [self.requests.without_ids(), self.requests.mistimed(TRACES)],
            "metrics": [self.requests.without_values()],
            "logs": [self.requests.mistimed(LOGS)],
        }
        return self.transport.send_all([request for signal in self.signals for request in parts[signal.name]])

    @property
    def rejecting(self) -> list[Answer]:
        """Those of ``unusable`` with a number of rejected items."""
        return [answer for answer in self.unusable if answer.rejected > 0]


Check = Callable[[Subject], Observation]


def every(answers: Sequence[Answer], keeps: Callable[[Answer], bool], nothing: str = "") -> Observation:
    """Observe a rule that each answer must keep.

    Args:
        answers: The answers.
        keeps: Whether an answer keeps the rule.
        nothing: Why there are no answers, for that case.
    """
    if not answers:
        return Observation("not observed", "", nothing)
    broken = [answer for answer in answers if not keeps(answer)]
    named = [f"{answer.request.words}: {answer}" if len(answers) > 1 else str(answer) for answer in broken]
    shown = dict.fromkeys(named or map(str, answers))
    if not broken and len(shown) > _MOST_SHOWN:
        shown = dict.fromkeys(f"{answer.code} {answer.media}".strip() for answer in answers)
    return Observation("fail" if broken else "pass", _listed(answers), "; ".join(shown))


def _listed(answers: Sequence[Answer]) -> str:
    """Return what was sent; signals of which the same was sent are named together."""
    signals: dict[str, list[str]] = {}
    for request in (answer.request for answer in answers):
        before, name, after = request.words.rpartition(request.signal.name)
        signals.setdefault(f"{before}{{}}{after}" if name else after, []).append(name)
    return "; ".join(words.replace("{}", ", ".join(names)) for words, names in signals.items())


# -- rules of one answer ------------------------------------------------------------------------------------------


def _succeeds(answer: Answer) -> bool:
    return answer.succeeded


def is_200(answer: Answer) -> bool:
    """Return True for the status of a success."""
    return answer.code == "200"


def is_response(answer: Answer) -> bool:
    """Return True if the body is exactly the response message of the signal."""
    return answer.is_response


def _is_unset_or_warning(answer: Answer) -> bool:
    return answer.warning is None or _is_warning(answer)


def _is_warning(answer: Answer) -> bool:
    return answer.rejected == 0 and bool(answer.warning and answer.warning.strip())


def has_media_of_request(answer: Answer) -> bool:
    """Return True if the response has the encoding of the request as its type."""
    return answer.media == MEDIA[answer.request.encoding]


def has_status(answer: Answer) -> bool:
    """Return True for an error with a ``Status``."""
    return answer.status is not None and answer.body != b""


def _is_appropriate(answer: Answer) -> bool:
    return answer.is_response if answer.succeeded else has_status(answer)


# -- checks of both transports ------------------------------------------------------------------------------------


def valid(keeps: Callable[[Answer], bool]) -> Check:
    """Return the check of the answers to valid requests in protobuf."""
    return lambda subject: every(subject.valid, keeps)


def accepts_unknown_field(subject: Subject) -> Observation:
    """Check that fields of a later version are accepted."""
    wanted = [subject.requests.unknown_field(signal) for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def rejects_more_than_its_limit(subject: Subject) -> Observation:
    """Check that requests over the limit are rejected, also if they are small before decompression."""
    return every(_padded(subject, subject.over_limit), lambda answer: not answer.succeeded, _NO_LARGE)


def accepts_recommended_size(subject: Subject) -> Observation:
    """Check that requests of the recommended limit are accepted."""
    return every(_padded(subject, RECOMMENDED_LIMIT), _succeeds, _NO_LARGE)


def _padded(subject: Subject, size: int) -> list[Answer]:
    """Return the answers to a plain and a compressed request of so many MiB; none without a size over the limit."""
    if not subject.over_limit:
        return []
    padded, signal = subject.requests.padded, subject.signals[0]
    return subject.transport.send_all([padded(signal, size * MIB, compressed=gzip) for gzip in (False, True)])


def partial(keeps: Callable[[Answer], bool]) -> Check:
    """Return the check of the answers that reject a part of a request."""

    def check(subject: Subject) -> Observation:
        if subject.rejecting:
            return every(subject.rejecting, keeps)
        whole = every(subject.unusable, _succeeds)
        return Observation("not observed", whole.sent, f"no part was rejected: {whole.received}")

    return check


def leaves_unset(answers: Sequence[Answer]) -> Observation:
    """Observe full successes; one with a warning is one, too."""
    accepted = [answer for answer in answers if answer.succeeded and answer.rejected <= 0]
    return every(accepted, _is_unset_or_warning, "no valid request was accepted")


def warnings(subject: Subject) -> Observation:
    """Check the successes with a warning: they reject nothing and have a text."""
    _ = subject.unusable
    answers = [answer for answer in subject.transport.answers if answer.succeeded and answer.rejected <= 0]
    # trace_service.proto: one that is empty is equivalent to none
    return every([one for one in answers if one.warning or one.rejected], _is_warning, "no response had a warning")


_NO_LARGE = "large requests are sent with --over-limit only"

accepts_valid = valid(_succeeds)
rejected_as_partial = partial(is_response)
counts_rejected = partial(lambda answer: answer.rejected == UNUSABLE)
explains_rejected = partial(lambda answer: bool(answer.warning))


# -- checks of gRPC -----------------------------------------------------------------------------------------------


def grpc_gzip(subject: Subject) -> Observation:
    """Check that gzip is accepted for each signal."""
    wanted = [subject.requests.valid(signal, compressed=True) for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def grpc_is_exhausted(subject: Subject) -> Observation:
    """Check the code of requests over the limit."""
    return every(
        _padded(subject, subject.over_limit),
        lambda answer: answer.code == "RESOURCE_EXHAUSTED" and not answer.is_retryable,
        _NO_LARGE,
    )


def grpc_concurrent(subject: Subject) -> Observation:
    """Check that requests on one connection are accepted at the same time."""
    wanted = [subject.requests.concurrent(subject.signals[0], number) for number in range(1, CONCURRENT + 1)]
    observed = every(subject.transport.send_together(wanted), _succeeds)
    return Observation(observed.outcome, f"{CONCURRENT} requests at the same time", observed.received)


def grpc_appropriate(subject: Subject) -> Observation:
    """Check that successes have the response message, and that a bad request is an error."""
    bad = subject.transport.send(subject.requests.undecodable(subject.signals[0]))
    return every([*subject.valid, bad], lambda answer: answer.is_response if answer is not bad else not bad.succeeded)


def grpc_empty(subject: Subject) -> Observation:
    """Check that an empty request is a success."""
    return every(subject.transport.send_all([*map(subject.requests.empty, subject.signals)]), _succeeds)


def grpc_invalid_argument(subject: Subject) -> Observation:
    """Check the code of a request that cannot be decoded."""
    bad = subject.transport.send(subject.requests.undecodable(subject.signals[0]))
    return every([bad], lambda answer: answer.code == "INVALID_ARGUMENT")


# -- checks of HTTP -----------------------------------------------------------------------------------------------


def http_gzip(subject: Subject) -> Observation:
    """Check that gzip is accepted in each encoding."""
    wanted = [subject.requests.valid(subject.signals[0], encoding, compressed=True) for encoding in subject.encodings]
    return every(subject.transport.send_all(wanted), _succeeds)


def http_11(subject: Subject) -> Observation:
    """Check that a request over HTTP/1.1 is accepted."""
    observed = every(subject.valid[:1], _succeeds)
    return Observation(observed.outcome, f"{observed.sent}, over HTTP/1.1", observed.received)


def http_is_too_large(subject: Subject) -> Observation:
    """Check the status of requests over the limit; a connection that is closed is no answer."""
    answered = [answer for answer in _padded(subject, subject.over_limit) if answer.code]
    nothing = "the endpoint closed the connection" if subject.over_limit else _NO_LARGE
    return every(answered, lambda answer: answer.code == "413", nothing)


def http_valid(keeps: Callable[[Answer], bool], *encodings: Encoding) -> Check:
    """Return the check of the answers to valid requests in these encodings."""

    def check(subject: Subject) -> Observation:
        answers = [
            answer
            for answer in (*subject.valid, *subject.json)
            if not encodings or answer.request.encoding in encodings
        ]
        return every(answers, keeps, _NO_JSON)

    return check


def http_media(*encodings: Encoding) -> Check:
    """Return the check of the Content-Type of successes and of failures; a failure without a body needs none."""

    def check(subject: Subject) -> Observation:
        answers = [*subject.valid, *subject.json, *(one for one in subject.undecodable if one.body)]
        return every([one for one in answers if one.request.encoding in encodings], has_media_of_request, _NO_JSON)

    return check


def http_json(*requests: Callable[[Requests], Request]) -> Check:
    """Return the check that spans in JSON are accepted."""

    def check(subject: Subject) -> Observation:
        wanted = (
            [request(subject.requests) for request in requests] if subject.json and TRACES in subject.signals else []
        )
        return every(subject.transport.send_all(wanted), _succeeds, _NO_JSON)

    return check


def http_unknown_json_fields(subject: Subject) -> Observation:
    """Check that unknown fields in JSON change nothing in the answer."""
    if not subject.json or TRACES not in subject.signals:
        return every([], _succeeds, _NO_JSON)
    without = subject.transport.send(subject.requests.valid(TRACES, "JSON"))
    answer = subject.transport.send(subject.requests.unknown_json_fields())
    return every([answer], lambda one: one.succeeded and (one.code, one.body) == (without.code, without.body))


def http_appropriate(subject: Subject) -> Observation:
    """Check that successes have the response message, and errors a ``Status``."""
    return every([*subject.valid, *subject.json, *subject.failures], _is_appropriate)


def http_empty(subject: Subject) -> Observation:
    """Check that an empty request is a success in each encoding."""
    wanted = [subject.requests.empty(signal, encoding) for encoding in subject.encodings for signal in subject.signals]
    return every(subject.transport.send_all(wanted), _succeeds)


def http_failures(keeps: Callable[[Answer], bool]) -> Check:
    """Return the check of all errors."""
    return lambda subject: every(subject.failures, keeps, "the endpoint accepted every bad request")


def http_undecodable(keeps: Callable[[Answer], bool]) -> Check:
    """Return the check of the answers to what cannot be decoded."""
    return lambda subject: every(subject.undecodable, keeps)


def http_accepts_json(subject: Subject) -> Observation:
    """Check that protobuf and JSON are accepted on one port."""
    wanted = [subject.requests.valid(signal, "JSON") for signal in subject.signals]
    return every([*subject.valid, *subject.transport.send_all(wanted)], _succeeds)


_NO_JSON = "the endpoint accepts no spans as JSON"
