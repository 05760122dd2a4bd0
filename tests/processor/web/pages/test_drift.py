"""The page Drift: outputs, the heat map, and a table of features that is searched and sorted by its address."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

from driftline_processor.core.evaluation import Evaluation, JointDrift, LastingDrift, SliceDrift
from driftline_processor.present.sentences.drift import joint_sentence
from driftline_processor.present.wording import keep_units
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, flights, fraud, learning, many, ns, price
from tests.support.html_page import Page, page

Browse = Callable[[FakeView], TestClient]

JULY = "/models/flights/drift?window=1mo&at=2013-07-01"
IMPORTANCE = {"humid": 0.5, "temp": 0.3, "carrier": 0.2}


def features(found: Page) -> list[str]:
    return [
        name.removeprefix("feature-") for name in found.ids if name.startswith("feature-") and name != "feature-table"
    ]


def with_importance() -> FakeView:
    model = flights()
    assert model.baseline is not None
    return FakeView([replace(model, baseline=replace(model.baseline, importance=IMPORTANCE))])


def many_features(n: int) -> FakeView:
    model = price()
    area = model.windows["1d"][0].features["area"]
    model.windows["1d"][0].features = {f"f{at}": structs.replace(area, name=f"f{at}") for at in range(n)}
    return FakeView([model])


def test_the_first_lines_say_what_lasts_and_how_many_features_drift(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.lasting = LastingDrift(
        *("digest", ("feature:temp",), (), (900.0,), (), ("level",), (1.5,), (4,), (0,), (9.0,)),
        found={"feature:temp": (ns(2013, 4, 1), ns(2013, 6, 1))},
    )
    text = page(browse(FakeView([model])), JULY).text
    assert "Drift in July 2013 3 of 9 features drift" in text
    lasts = text.index("lasting shift: over the 4 windows from 1 April 2013 on")
    assert text.index("3 of 9 features drift") < lasts < text.index("Score ")


def test_the_score_and_the_predicted_class_stand_side_by_side_with_their_methods_folded(browse: Browse) -> None:
    html = browse(many()).get(JULY).text
    outputs = html[html.index('class="two outputs"') : html.index('class="legend"', html.index('class="two outputs"'))]
    assert outputs.count("<article") == 2
    assert outputs.count("<details>") == 2
    shown, folded = outputs.split("<details>")[0], outputs[outputs.index("<details>") :]
    assert "p &lt; 0.0001" not in shown
    assert re.search(r'class="decides">Kolmogorov-Smirnov [0-9.]+, p &lt; 0\.0001', folded)


def test_features_are_ranked_by_what_matters(browse: Browse) -> None:
    assert features(page(browse(many()), JULY))[:3] == ["temp", "dewp", "wind_speed"]


def test_a_feature_shows_its_state_size_and_since_when_and_leads_to_its_page(browse: Browse) -> None:
    html = browse(many()).get(JULY).text
    row = html[html.index('id="feature-temp"') :]
    row = row[: row.index("</tr>")]
    assert '<a href="/models/flights/features/temp?window=1mo&amp;at=2013-07-01">temp</a>' in row
    assert "drift, large" in row
    assert "2013-03-01" in row
    assert row.count("<svg") == 2
    assert "p-value" not in row


def test_statistical_detail_is_folded_below_the_table(browse: Browse) -> None:
    html = browse(many()).get(JULY).text
    folded = html[html.index('<details id="how">') :]
    row = folded[folded.index(">temp</th>") :]
    row = row[: row.index("</tr>")]
    assert "Kolmogorov-Smirnov" in row
    assert "&lt; 0.0001" in row
    assert keep_units("0.4 → 2 %") in row


def test_the_table_is_searched_and_sorted_by_its_address(browse: Browse) -> None:
    client = browse(with_importance())
    assert features(page(client, JULY + "&q=TEMP")) == ["temp"]
    assert features(page(client, JULY + "&sort=name"))[:3] == ["carrier", "dewp", "distance"]
    assert features(page(client, JULY + "&sort=importance"))[:3] == ["humid", "temp", "carrier"]
    assert features(page(client, JULY + "&sort=since"))[:3] == ["temp", "dewp", "wind_speed"]
    assert features(page(client, JULY + "&sort=nonsense"))[:1] == ["temp"]


def test_headers_sort_and_say_by_what_the_table_is_sorted(browse: Browse) -> None:
    html = browse(with_importance()).get(JULY + "&sort=importance&q=e").text
    assert re.findall(r'aria-sort="(\w+)"><a [^>]*>([\w ]+)</a>', html) == [("descending", "importance")]
    heads = re.findall(r'<a href="([^"]*)">(?:feature|PSI|since|importance)</a></th>', html)
    assert len(heads) == 4
    assert all("q=e" in head and "at=2013-07-01" in head for head in heads)


def test_importance_is_a_column_where_it_is_known(browse: Browse) -> None:
    told = page(browse(with_importance()), JULY)
    assert "30 % 2nd of 3" in told.text
    assert "importance" not in page(browse(many()), JULY).text


def test_a_search_that_finds_nothing_says_so(browse: Browse) -> None:
    found = page(browse(many()), JULY + "&q=%3Cb%3E")
    assert features(found) == []
    assert "None of the 9 features has “<b>” in its name" in found.text
    assert "b" not in found.tags


def test_the_search_keeps_the_place(browse: Browse) -> None:
    html = browse(many()).get("/models/flights/drift?window=1mo&at=2013-07-01&version=winter&sort=name").text
    form = html[html.index("<main") :]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
    assert hidden == {"window": "1mo", "at": "2013-07-01", "version": "winter", "sort": "name"}


def test_hundreds_of_features_are_all_in_the_table_and_forty_in_the_heat_map(browse: Browse) -> None:
    view = many_features(200)
    model = view.known[0]
    first = model.windows["1d"][0]
    day = first.window.end - first.window.start
    earlier = structs.replace(first.window, start=first.window.start - day, end=first.window.start)
    model.windows["1d"] = [structs.replace(first, window=earlier), first]
    client = browse(view)
    html = client.get("/models/price/drift").text
    assert len(features(Page(html))) == 200
    assert html.count('class="row"') == 40
    assert "all 200 features" in html
    assert client.get("/models/price/drift?heat=all").text.count('class="row"') == 200


def test_csv_and_json_have_all_features_whatever_is_searched(browse: Browse) -> None:
    client = browse(with_importance())
    rows = list(csv.DictReader(io.StringIO(client.get(JULY + "&q=temp&format=csv").text)))
    assert [row["feature"] for row in rows][:2] == ["temp", "dewp"]
    assert len(rows) == 9
    assert (rows[0]["state"], rows[0]["size"], rows[0]["since"][:10]) == ("drift", "large", "2013-03-01")
    told = client.get(JULY + "&format=json").json()["features"][0]
    assert (told["feature"], told["importance"], told["method"]) == ("temp", 0.3, "ks")


def test_slices_and_features_together_stand_below_the_table(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.slices = {"origin=JFK": SliceDrift(900, "drift", "", 9, 1 / 9, {"temp": july.features["temp"]}, None, None)}
    july.joint = {"domain_classifier": JointDrift("domain_classifier", "drift", 900, 0.8, 0.001, 0.3, 0.5, 0.8)}
    found = page(browse(FakeView([model])), JULY)
    assert found.ids.index("features") < found.ids.index("slices") < found.ids.index("together")
    assert "origin=JFK 900" in found.text
    assert joint_sentence(july.joint["domain_classifier"]) in found.text


def test_slices_that_the_baseline_does_not_know_are_one_line(browse: Browse) -> None:
    model = flights()
    july = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    july.slices = {
        name: SliceDrift(900, "no_baseline", "", 0, 0.0, {}, None, None) for name in ("origin=A", "origin=B")
    }
    for address in (JULY, JULY.replace("/drift", "/features/temp")):
        found = page(browse(FakeView([model])), address).text
        text = found[found.index("Features" if "/drift" in address else "compared with the baseline") :]
        assert "2 slices; the baseline does not contain them" in text
        assert "origin=A" not in text


def test_a_range_over_two_years_says_the_years_at_its_ends(browse: Browse) -> None:
    found = page(browse(many()), "/models/flights/drift?window=1d").text
    assert "2013-10-02 – 2014-01-01" in found
    within = page(browse(many()), "/models/flights/drift?window=1d&from=2013-10-02&to=2013-12-01").text
    assert "2013-10-02 – 2013-11-30" in within


def test_predictions_of_a_regression_are_not_called_a_score(browse: Browse) -> None:
    model = price()
    area = model.windows["1d"][0].features["area"]
    model.windows["1d"][0].score = structs.replace(area, column="score", name="")
    html = browse(FakeView([model])).get("/models/price/drift").text
    assert html.partition('id="score">\n<h3>')[2].startswith("Predictions ")


def test_a_model_without_features_or_windows_says_why(browse: Browse) -> None:
    assert "no_baseline" not in page(browse(FakeView([learning()])), "/models/churn/drift").text
    bare = fraud()
    for one in bare.windows["1h"]:
        one.features = {}
    assert "No feature has arrived in this window" in page(browse(FakeView([bare])), "/models/fraud/drift").text
    nothing = replace(price(), windows={"1d": list[Evaluation]()})
    assert "No window has been evaluated yet" in page(browse(FakeView([nothing])), "/models/price/drift").text
