"""The pages on Triton, SageMaker and Vertex AI, whose programs cannot be installed: their code runs with stand-ins."""

from __future__ import annotations

import io
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from driftline.testing import Capture

from tests.support.paths import code_blocks

ORDER = {"order_id": "A-1", "age": 31, "plan": "basic"}


def run_page(name: str, monkeypatch: pytest.MonkeyPatch, **modules: Any) -> dict[str, Any]:
    """Run the code of a page with these modules; return its names."""
    for module, content in modules.items():
        stand_in = ModuleType(module)
        vars(stand_in).update(content)
        monkeypatch.setitem(sys.modules, module.replace("__", "."), stand_in)
    [block] = code_blocks(name, "python")
    names: dict[str, Any] = {"__name__": "page"}
    exec(block, names)
    return names


def test_sagemaker_records_what_is_sent_and_what_comes_back(
    driftline_capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = list[dict[str, Any]]()

    def invoke_endpoint(**keys: Any) -> dict[str, Any]:
        sent.append(keys)
        return {"Body": io.BytesIO(b'{"predictions": [{"score": 0.8}]}'), "InvokedProductionVariant": "all"}

    page = run_page(
        "sagemaker", monkeypatch, boto3={"client": lambda _: SimpleNamespace(invoke_endpoint=invoke_endpoint)}
    )
    assert page["score"](ORDER) == 0.8
    assert json.loads(sent[0]["Body"]) == {"instances": [{"age": 31, "plan": "basic"}]}
    driftline_capture.assert_predicted("churn", id="A-1", score=0.8)
    assert driftline_capture.predictions[0].features == {"age": 31, "plan": "basic"}


def test_vertex_records_what_is_sent_and_what_comes_back(
    driftline_capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endpoint:
        def __init__(self, endpoint_name: str) -> None:
            assert endpoint_name.startswith("projects/")

        def predict(self, instances: list[Any]) -> Any:
            assert instances == [{"age": 31, "plan": "basic"}]
            return SimpleNamespace(predictions=[{"score": 0.8}], deployed_model_id="3")

    modules = {"google__cloud": {"aiplatform": SimpleNamespace(Endpoint=Endpoint)}}
    page = run_page("vertex-ai", monkeypatch, **modules)
    assert page["score"](ORDER) == 0.8
    driftline_capture.assert_predicted("churn", id="A-1", score=0.8)


def test_triton_records_each_row_of_a_request(driftline_capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        def __init__(self, name: str, values: Any) -> None:
            self.name, self.values = name, values

        def as_numpy(self) -> Any:
            return self.values

    found = {
        "Tensor": Tensor,
        "InferenceResponse": list,
        "get_input_tensor_by_name": lambda request, name: next(tensor for tensor in request if tensor.name == name),
    }
    page = run_page("triton", monkeypatch, triton_python_backend_utils=found)
    model = page["TritonPythonModel"]()
    model.initialize({"model_name": "churn", "model_version": "3"})
    rows = np.array([[31.0, 10.0], [50.0, 2.0]], np.float32)
    [[first], [second]] = model.execute([[Tensor("FEATURES", rows)], [Tensor("FEATURES", rows[:1])]])
    assert (len(first.values), len(second.values), first.name) == (2, 1, "SCORE")
    predictions = driftline_capture.predictions
    assert [prediction.features for prediction in predictions[:2]] == [
        {"age": 31.0, "months": 10.0},
        {"age": 50.0, "months": 2.0},
    ]
    assert [prediction.version for prediction in predictions] == ["3", "3", "3"]
    assert predictions[0].score == pytest.approx(float(first.values[0]))
    model.finalize()
