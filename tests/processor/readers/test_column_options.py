"""Lists of names in options."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline_processor.readers.column_options import listed_names
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_files import Run

NAMES = st.text("ab,\"' é", min_size=1, max_size=8).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("age, plan,", ("age", "plan")),
        ("", ()),
        (" , ", ()),
        ('"age, in years",plan', ("age, in years", "plan")),
        ('plan, "age, in years"', ("plan", "age, in years")),
        ('5" screen,plan', ('5" screen', "plan")),
        ('"the ""best"", really"', ('the "best", really',)),
        ("age,\nplan", ("age", "plan")),
    ],
)
def test_names_are_separated_by_commas_outside_quotes(text: str, names: tuple[str, ...]) -> None:
    assert listed_names(text) == names


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_name_can_be_listed(names: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(names)
    assert listed_names(text.getvalue()) == tuple(names)


AGE = "age, in years"


def _rows(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    score = random.random(300)
    columns = {AGE: random.integers(20, 60, 300), "plan": random.choice(["a", "b"], 300), "p, q": score}
    return pd.DataFrame({**columns, "actual": random.random(300) < score})


@pytest.mark.parametrize("option", ["--features", "--text-features", "--category-features", "--slices", "--score"])
def test_a_name_with_a_comma_works_as_the_message_says(run: Run, tmp_path: Path, option: str) -> None:
    for name, seed in (("was", 1), ("now", 2)):
        _rows(seed).to_csv(tmp_path / f"{name}.csv", index=False)
    command = ["evaluate", tmp_path / "now.csv", "--baseline", tmp_path / "was.csv", "--task", "binary"]
    given_name = "p, q" if option == "--score" else AGE
    command += [] if option == "--score" else ["--score", '"p, q"']
    result = run(*command, option, given_name)
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(
        f"did you mean '{given_name}'? In a list, a name with a comma is in double quotes: \"{given_name}\""
    )
    result = run(*command, option, f'"{given_name}"', "--json")
    assert result.exit_code == 0, result.stderr
    features = json.loads(result.stdout)["windows"][0]["drift"]["features"]
    assert ("plan" in features) == (option != "--features")
    report = driftline.evaluate(_rows(2), baseline=_rows(1), task="binary", score=["p, q"], features=[AGE])
    assert [*report.windows[0]["drift"]["features"]] == [AGE]
