"""A unit stays on the line of its number; what is no sentence stays as it is."""

from __future__ import annotations

import pytest
from driftline_processor.present.wording import NO_BREAK, keep_units, keep_units_of_page


@pytest.mark.parametrize("unit", ["%", "points", "ms", "h", "MiB", "σ"])
def test_no_line_breaks_between_a_number_and_its_unit(unit: str) -> None:
    assert keep_units(f"up to 12.5 {unit}, then less") == f"up to 12.5{NO_BREAK}{unit}, then less"


def test_words_that_follow_a_number_may_begin_a_line() -> None:
    said = "12 models of 5 days, 3 slices and 4 more"
    assert keep_units(said) == said


def test_only_the_words_of_a_page_are_changed() -> None:
    html = '<input value="5 %"><script type="application/json">"5 %"</script><p title="5 %">5 % <b>6</b> %</p>'
    assert keep_units_of_page(html) == html.replace(">5 % <", f">5{NO_BREAK}% <")
