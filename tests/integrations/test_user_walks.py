"""ONNX Runtime and LightGBM, used as their own tutorials use them: each line of a user is one model's rows."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.testing import Capture

X = np.array([[1.0, 2.0], [-1.0, -3.0]], np.float32)
SCORES = [0.98201, 0.00669]


def converted(zipmap: bool) -> Any:
    """A logistic regression as ``skl2onnx`` writes it: a label, and probabilities as a tensor or as a ZipMap."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, kinds, domain = onnx.helper, onnx.TensorProto, "ai.onnx.ml"
    weights = {"coefficients": [-1.0, -0.5, 1.0, 0.5], "intercepts": [0.0, 0.0], "classlabels_ints": [0, 1]}
    names = ["label", "probabilities"]
    nodes = [helper.make_node("LinearClassifier", ["x"], names, domain=domain, post_transform="SOFTMAX", **weights)]
    outputs = [helper.make_tensor_value_info("label", kinds.INT64, ["n"])]
    if zipmap:
        nodes.append(
            helper.make_node("ZipMap", names[1:], ["output_probability"], domain=domain, classlabels_int64s=[0, 1])
        )
        pairs = helper.make_map_type_proto(kinds.INT64, helper.make_tensor_type_proto(kinds.FLOAT, None))
        outputs.append(helper.make_value_info("output_probability", helper.make_sequence_type_proto(pairs)))
    else:
        outputs.append(helper.make_tensor_value_info("probabilities", kinds.FLOAT, ["n", 2]))
    inputs = [helper.make_tensor_value_info("x", kinds.FLOAT, ["n", 2])]
    versions = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=versions, ir_version=9)
    return runtime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize(
    ("zipmap", "outputs"),
    [(False, None), (True, None), (False, ["probabilities"]), (True, ["label", "output_probability"])],
)
def test_a_converted_classifier_in_onnx_runtime(
    driftline_capture: Capture, zipmap: bool, outputs: list[str] | None
) -> None:
    session = converted(zipmap)
    model = driftline.Model("churn", task="binary", feature_names=("age", "months"))
    model.instrument(session).run(outputs, {session.get_inputs()[0].name: X})
    found = driftline_capture.predictions
    assert [row.features for row in found] == [{"age": 1, "months": 2}, {"age": -1, "months": -3}]
    assert [row.score for row in found] == pytest.approx(SCORES, abs=1e-4)
    assert [row.predicted for row in found] == ["1", "0"]


@pytest.mark.parametrize("way", ["estimator", "booster", "loaded"])
def test_a_lightgbm_model_of_a_frame_with_categories(driftline_capture: Capture, way: str) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 90, 300), "plan": pd.Categorical(rng.choice(["a", "b"], 300))})
    old = (frame["age"] > 50).astype(int)
    model = driftline.Model("churn", task="binary")
    if way == "estimator":
        estimator = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(frame, old)
        scores = model.instrument(estimator).predict_proba(frame.head(3))[:, 1]
    else:
        booster = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(frame, old), 5)
        if way == "loaded":
            booster = lightgbm.Booster(model_str=booster.model_to_string())
        scores = model.instrument(booster).predict(frame.head(3))
    found = driftline_capture.predictions
    assert [row.features for row in found] == frame.head(3).to_dict("records")
    assert [row.score for row in found] == pytest.approx(list(scores))
