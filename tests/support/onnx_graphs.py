"""Small graphs for onnxruntime."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort
from onnx import TensorProto, helper


def session_of(*nodes: Any, inputs: dict[str, Any], outputs: dict[str, Any], name: str = "graph") -> Any:
    """Build a graph: ``inputs`` and ``outputs`` by name, (type, shape)."""
    graph = helper.make_graph(
        list(nodes),
        name,
        [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
        [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def network() -> Any:
    """Return a graph that gives the softmax of its two inputs."""
    return session_of(
        helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
        inputs={"x": (TensorProto.FLOAT, ["n", 2])},
        outputs={"probabilities": (TensorProto.FLOAT, ["n", 2])},
        name="churn",
    )
