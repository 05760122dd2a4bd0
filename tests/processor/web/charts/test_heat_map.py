"""The heat map: what each cell says, where rows and columns lead, and a line of text for the table."""

from __future__ import annotations

import re

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.web.charts.heat_map import heat_map, trend
from msgspec.structs import replace

from tests.support.fake_view import flights


def months() -> list[Evaluation]:
    return flights().windows["1mo"]


def drawn(evaluations: list[Evaluation], features: list[str]) -> str:
    return str(
        heat_map(
            *(evaluations, features, evaluations[-1]),
            lambda one: f"/w?at={one.window.start}",
            lambda name: f"/f/{len(name)}",
            "UTC",
        )
    )


def test_each_cell_has_the_letter_of_its_state_and_size() -> None:
    evaluations = months()
    del evaluations[1].features["humid"]
    found = re.search(r'data-cells="([^"]*)"', drawn(evaluations, ["temp", "humid"]))
    assert found is not None
    temp, humid = found[1].split(" ")
    assert (len(temp), humid[:3]) == (10, "o.o")
    sizes = {"": "o", "small": "s", "moderate": "m", "large": "l"}
    told = [one.features["temp"] for one in evaluations]
    assert temp == "".join(sizes[one.size] if one.state == "drift" else "o" for one in told)


def test_all_cells_of_a_shade_are_one_mark() -> None:
    picture = drawn(months(), ["temp", "dewp", "humid"])
    shades = re.findall(r'<path class="cell ([a-z-]+)" d="([^"]*)"', picture)
    assert len(shades) == len({shade for shade, _ in shades})
    assert sum(path.count("M") for _, path in shades) == 30


def test_rows_lead_to_features_and_columns_to_windows_without_being_tab_stops() -> None:
    evaluations = months()
    picture = drawn(evaluations, ["temp", "humid"])
    assert re.findall(r'class="row" href="([^"]*)"', picture) == ["/f/4", "/f/5"]
    columns = re.findall(r'class="column" href="([^"]*)"', picture)
    assert columns == [f"/w?at={one.window.start}" for one in evaluations]
    assert picture.count("<a ") == picture.count('tabindex="-1"')


def test_a_name_from_the_wire_is_text() -> None:
    picture = drawn(months(), ["<b>\"'"])
    assert "<b>" not in picture
    assert "&lt;b&gt;" in picture


def test_an_open_window_is_drawn_apart() -> None:
    evaluations = months()
    evaluations[-1] = replace(evaluations[-1], closed=False)
    assert drawn(evaluations, ["humid"]).count('class="cell is-ok open"') == 1


def test_a_line_of_text_is_as_high_as_psi_and_joins_what_is_equal() -> None:
    picture = str(trend("temp", months()))
    assert 'class="size drift-large"' in picture
    assert "v-100h" in picture  # a PSI of .5 and more reaches the top
    quiet = str(trend("origin", months()))
    assert re.findall(r'd="([^"]*)"', quiet) == ["M20 100h98v-8h-98z"]
