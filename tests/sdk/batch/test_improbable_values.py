"""Improbable times, scores that are NaN, an id that is the index, features of another name: each is logged once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest

from tests.support.service import NOW, Service, returns

Reasons = Callable[[str], dict[str, int]]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def times(rows: int, value: Any) -> dict[str, Any] | pd.DataFrame:
    return {"x": 1.0, "at": value} if rows == 1 else pd.DataFrame({"x": [1.0] * rows, "at": [value] * rows})


@pytest.mark.parametrize("rows", [1, 3])
def test_unreadable_times_are_counted_and_logged_once_with_their_form(
    service: Service, caplog: pytest.LogCaptureFixture, reasons: Reasons, rows: int
) -> None:
    predict = service.model().predict(returns(0.5 if rows == 1 else [0.5] * rows), time="at")
    for _ in range(2):
        predict(times(rows, "19/11/2026 00:00:56"))
        service.flush()

    (line,) = warnings_of(caplog)
    assert "'at'" in line
    assert "'99/99/9999 99:99:99'" in line
    assert reasons("driftline.sdk.unusable.values") == {"unreadable_time": 2 * rows}


@pytest.mark.parametrize("rows", [1, 3])
def test_a_unix_time_as_a_text_is_described_as_such(
    service: Service, caplog: pytest.LogCaptureFixture, rows: int
) -> None:
    predict = service.model().predict(returns(0.5 if rows == 1 else [0.5] * rows), time="at")
    predict(times(rows, "1767225600"))
    service.flush()

    (line,) = warnings_of(caplog)
    assert "such as a text of 10 digits: " in line
    assert line.endswith("or unix times as numbers")


@pytest.mark.parametrize("value", ["19/11/2026 00:00:56", True, 0, 20261119])
def test_rows_with_an_unreadable_time_are_counted_for_the_processor(service: Service, value: Any) -> None:
    service.model().predict(returns([0.5] * 3), time="at")(pd.DataFrame({"x": [1.0] * 3, "at": [value, None, value]}))
    service.flush()

    (table,) = service.tables()
    assert table.undated == 2
    assert table.time.tolist() == [NOW] * 3


def test_an_unreadable_time_of_one_prediction_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture, reasons: Reasons
) -> None:
    service.model().predict(returns(0.5), time=lambda _: "Nov 19")({"x": 1.0})
    service.flush()

    (line,) = warnings_of(caplog)
    assert "'aaa 99'" in line
    assert reasons("driftline.sdk.unusable.values") == {"unreadable_time": 1}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("minutes", "lines"), [(-600, 0), (5, 0), (33 * 60, 1)])
def test_times_in_the_future_are_logged_once(
    service: Service, caplog: pytest.LogCaptureFixture, rows: int, minutes: int, lines: int
) -> None:
    predict = service.model().predict(returns(0.5 if rows == 1 else [0.5] * rows), time="at")
    for _ in range(2):
        predict(times(rows, (datetime.fromtimestamp(NOW / 1e9, UTC) + timedelta(minutes=minutes)).isoformat()))
        service.flush()

    assert len(warnings_of(caplog)) == lines


@pytest.mark.parametrize("none", [None, "", np.nan])
def test_a_missing_time_is_the_time_of_the_call(service: Service, caplog: pytest.LogCaptureFixture, none: Any) -> None:
    service.model().predict(returns([0.5] * 3), time="at")(times(3, none))
    service.flush()

    assert warnings_of(caplog) == []


@pytest.mark.parametrize("result", [float("nan"), [0.5, float("nan"), float("inf")]])
def test_scores_that_are_nan_are_logged_once(service: Service, caplog: pytest.LogCaptureFixture, result: Any) -> None:
    n = 1 if isinstance(result, float) else len(result)
    predict = service.model().predict(returns(result))
    for _ in range(2):
        predict({"x": 1.0} if n == 1 else [{"x": 1.0}] * n)
        service.flush()

    assert len([line for line in warnings_of(caplog) if "NaN" in line]) == 1


def test_an_id_that_is_the_index_is_named_with_its_fix(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["P1", "P2"], name="order"))
    service.model().predict(returns([0.5, 0.5]), id="order")(frame)
    service.flush()

    (line,) = warnings_of(caplog)
    assert "reset_index()" in line
    with pytest.raises(ValueError, match=r"reset_index\(names='id'\)"):
        service.model().outcomes(frame.rename_axis(None).assign(actual=1))
    with pytest.raises(ValueError, match=r"'order' is the index: use reset_index\(\)"):
        driftline.evaluate(frame, baseline=frame, id="order")


@pytest.mark.parametrize(("given", "named"), [("Income", " but with 'Income'"), ("zip", "")])
@pytest.mark.parametrize("rows", [1, 3])
def test_features_of_another_name_are_logged_once(
    service: Service, caplog: pytest.LogCaptureFixture, given: str, named: str, rows: int
) -> None:
    model = service.model(feature_names=["age", "income"])
    predict = model.predict(returns(0.5 if rows == 1 else [0.5] * rows))
    row = {"age": 1.0, given: 2.0}
    for _ in range(2):
        predict(row if rows == 1 else pd.DataFrame([row] * rows))
        service.flush()

    (line,) = warnings_of(caplog)
    assert f"was called without 'income'{named}, which" in line


def test_features_that_are_there_are_not_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    predict = service.model(feature_names=["age", "income"]).predict(returns([0.5] * 3))
    predict(pd.DataFrame([{"age": 1.0, "income": 2.0, "Income": 3.0}] * 3))
    predict(np.zeros((3, 2)))
    service.flush()

    assert warnings_of(caplog) == []
