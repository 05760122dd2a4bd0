"""Networks on a GPU: nothing waits for the device on the way, and what it computed arrives."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from driftline.tables.column_codec import strings

from tests.support.service import Service
from tests.support.unwrap import unwrap

torch = pytest.importorskip("torch", reason="torch is not installed: make frameworks")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

pytestmark = pytest.mark.frameworks

CYCLES = 2_000_000_000
"""About a second of a GPU at 2 GHz."""


class Slow(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A softmax that takes a second of the device's time, and none of the host's."""

    def __init__(self, cycles: int = CYCLES) -> None:
        super().__init__()
        self.cycles = cycles

    def forward(self, x: Any) -> Any:
        torch.cuda._sleep(self.cycles)
        return x.softmax(-1)


@pytest.fixture
def x() -> Any:
    return torch.tensor([[0.0, 0.0], [0.0, float(np.log(3.0))]], device="cuda")


def waits(x: Any, predict: Any) -> float:
    """Return the share of the device's time that the host spent in a call; the first one, which loads, left out."""
    predict(x)
    torch.cuda.synchronize()
    start = time.perf_counter()
    predict(x)
    host = time.perf_counter() - start
    torch.cuda.synchronize()
    return host / (time.perf_counter() - start)


def test_the_caller_does_not_wait_for_the_device(service: Service, x: Any) -> None:
    net = service.model().instrument(Slow().eval())
    share = waits(x, net)

    assert share < 0.1, share


def test_with_selectors_it_does_not_wait_either(service: Service, x: Any) -> None:
    net = service.model().instrument(Slow().eval(), score=lambda scores: scores[:, 1], predicted=lambda s: s.argmax(-1))
    share = waits(x, net)
    table = service.tables()[-1]

    assert share < 0.1, share
    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.5, 0.75] * 2)
    assert table.predicted is not None


def test_scores_features_and_the_devices_own_time_arrive(service: Service, x: Any) -> None:
    net = service.model().instrument(Slow().eval())
    answer = net(x)
    answer.zero_()
    x.zero_()
    table = service.table()

    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.5, 0.75])
    column = unwrap(table.features["f1"].numbers)
    assert column.tolist() == pytest.approx([0.0, np.log(3.0)])
    assert unwrap(table.duration).min() > 0.5
    (span,) = service.spans
    assert unwrap(span.end_time) - unwrap(span.start_time) > 5e8


def test_one_row_has_its_score_and_features_on_the_span(service: Service, x: Any) -> None:
    service.model().instrument(Slow(0).eval())(x[1:])

    table = service.table()
    attributes = service.attributes()
    assert attributes["ml.prediction.score"] == pytest.approx(0.75)
    assert attributes["driftline.feature.value.f1"] == pytest.approx(np.log(3.0))
    assert strings(table.id) == [attributes["ml.prediction.id"]]


def test_compiled_networks_and_half_precision(service: Service, x: Any) -> None:
    net = torch.compile(service.model().instrument(Slow(0).eval()), backend="eager")
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        net(x.to(kind))

    scores = np.concatenate([table.scores for table in service.tables() if table.scores is not None])
    np.testing.assert_allclose(scores[:, 0], [0.5, 0.75] * 3, atol=5e-3)


def test_a_graph_that_is_captured_and_replayed_is_left_alone(service: Service, x: Any) -> None:
    net = service.model().instrument(torch.nn.Softmax(-1).eval())
    with torch.no_grad():
        net(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = net(x)
        graph.replay()
    torch.cuda.synchronize()

    assert out[1].tolist() == pytest.approx([0.25, 0.75])


def test_an_error_on_the_way_is_raised_and_counted(service: Service, x: Any) -> None:
    net = service.model().instrument(torch.nn.Linear(3, 1).cuda().eval())
    with pytest.raises(RuntimeError, match="shapes"):
        net(x)

    assert service.attributes()["error.type"] == "RuntimeError"


def test_inside_a_decorated_function_nothing_waits(service: Service, x: Any) -> None:
    net = service.model().instrument(Slow().eval())

    @service.model().predict(features=lambda x: {"rows": len(x)})
    def handler(x: Any) -> float:
        net(x)
        return 0.25

    assert waits(x, handler) < 0.1
    scores = np.concatenate([unwrap(table.scores)[:, 0] for table in service.tables()])
    assert scores.tolist() == [0.25, 0.25]
