"""The examples of the page of verdicts are the words of the code, for windows that a test can build."""

from __future__ import annotations

from driftline_processor.present.verdicts import verdict_certainty, verdict_sentence

from tests.support.verdict_examples import PAGE, examples


def table() -> list[str]:
    return [
        f"| {case} | `{one.state}` | {verdict_sentence(one)} | {verdict_certainty(one)} |" for case, one in examples()
    ]


def test_the_examples_of_the_page_are_those_of_the_code() -> None:
    told = PAGE.read_text(encoding="utf-8").partition("<!-- examples -->\n")[2].partition("<!-- /examples -->")[0]
    assert told.splitlines() == table()


def test_every_state_has_an_example_that_says_what_to_do() -> None:
    verdicts = [one for _, one in examples()]
    assert {one.state for one in verdicts} == {"healthy", "degraded", "at_risk", "unknown", "no_data", "lagging"}
    assert all(one.reasons and one.advice for one in verdicts)
