"""Read the payloads of requests to models: rows of features, and their predictions.

The formats are V1 of KServe and TensorFlow Serving (``{"instances": [...]}``, ``{"predictions": [...]}``), V2, the Open
Inference Protocol of MLServer, Triton and KServe (``{"inputs": [tensor, ...]}``, ``{"outputs": [tensor, ...]}``), and
the lists, JSON Lines and CSV of SageMaker and Vertex AI.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

_LISTS = ("instances", "predictions", "inputs", "outputs")
_CLASSES = ("predicted_label", "predicted_class", "prediction", "label", "class", "predicted")
_SCORES = ("probabilities", "scores", "probability", "score", "value")
_GREATEST = 1e300


def payload_rows(text: str) -> list[Any]:
    """Return the rows of a payload: values of JSON, or lines of CSV. Raises ValueError and MsgspecError.

    >>> payload_rows('{"instances": [{"age": 31}, {"age": 5}]}'), payload_rows("31,basic\\n5,pro\\n")
    ([{'age': 31}, {'age': 5}], ['31,basic', '5,pro'])
    >>> payload_rows('{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}')
    [[1, 2], [3, 4]]
    >>> payload_rows('{"outputs": [{"name": "predict", "shape": [2, 1], "datatype": "INT64", "data": [0, 1]}]}')
    [{'prediction': 0}, {'prediction': 1}]
    """
    if not text.lstrip().startswith(("{", "[")):
        return _lines(text)
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError:  # JSON Lines
        return [msgspec.json.decode(line) for line in _lines(text)]
    for name in ("inputs", "outputs"):
        if isinstance(body, dict) and _are_tensors(body.get(name)):
            return _input_rows(body[name]) if name == "inputs" else _output_rows(body[name])
    for name in _LISTS:
        if isinstance(body, dict) and isinstance(body.get(name), list):
            scores = next((body[key] for key in _SCORES if isinstance(body.get(key), list)), None)
            if scores is not None and len(scores) == len(body[name]):
                return [{"prediction": label, "score": score} for label, score in zip(body[name], scores, strict=True)]
            return list(body[name])
    return [body] if isinstance(body, dict) or not any(isinstance(row, list | dict) for row in body) else body


def _lines(text: str) -> list[Any]:
    return [line for line in text.splitlines() if line.strip()]


def _are_tensors(tensors: Any) -> bool:
    return (
        isinstance(tensors, list)
        and bool(tensors)
        and all(isinstance(tensor, dict) and {"name", "shape", "datatype"} <= tensor.keys() for tensor in tensors)
    )


def _tensor_rows(tensor: dict[str, Any]) -> list[list[Any]]:
    """Return the values of each row of a tensor, whose first dimension is the row."""
    name, shape, data = str(tensor["name"])[:60], tensor["shape"], tensor.get("data")
    if not isinstance(data, list):
        raise ValueError(f"the tensor '{name}' has no data in JSON; binary data cannot be read, so send JSON")
    if not isinstance(shape, list) or not shape or not all(isinstance(size, int) for size in shape):
        raise ValueError(f"the tensor '{name}' has no shape; send a list of whole numbers, as in [2, 4]")
    flat = list(_flat(data))
    rows, width = shape[0], math.prod(shape[1:])
    if min(shape) < 0 or not width or rows * width != len(flat):  # [10**9, 0] has as many empty rows
        raise ValueError(f"the tensor '{name}' has the shape {shape}, but {len(flat)} values")
    return [flat[row * width : (row + 1) * width] for row in range(rows)]


def _flat(data: list[Any]) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _equal_rows(tensors: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], list[list[Any]]]]:
    read = [(tensor, _tensor_rows(tensor)) for tensor in tensors]
    if len({len(rows) for _, rows in read}) > 1:
        raise ValueError("the tensors of a payload have different numbers of rows; the first dimension must be the row")
    return read


def _input_rows(tensors: Sequence[dict[str, Any]]) -> list[Any]:
    """Return a list per row of one wide tensor; of tensors with a column each, an object per row."""
    read = _equal_rows(tensors)
    if len(read) == 1 and len(read[0][0]["shape"]) > 1 and math.prod(read[0][0]["shape"][1:]) > 1:
        return list(read[0][1])
    objects: list[Any] = [{} for _ in read[0][1]]
    for tensor, rows in read:
        for row, values in zip(objects, rows, strict=True):
            name = str(tensor["name"])
            names = [name] if len(values) == 1 else [f"{name}_{at}" for at in range(len(values))]
            row.update(zip(names, values, strict=True))
    return objects


def _output_rows(tensors: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the class and the scores of each row: floating-point numbers are scores, everything else is a class."""
    read = _equal_rows(tensors)
    objects: list[Any] = [{} for _ in read[0][1]]
    for tensor, rows in read:
        scores = str(tensor["datatype"]).startswith(("FP", "BF"))
        for row, values in zip(objects, rows, strict=True):
            if scores:
                row.setdefault("scores", values)
            elif len(values) == 1:
                row.setdefault("prediction", values[0])
    return objects


def predictions_of_rows(predictions: list[Any], rows: int) -> list[Any] | None:
    """Return a prediction per row, each None without a response; None if there are more or fewer of them than rows.

    Several rows may be answered in one line of CSV or one list.
    """
    if len(predictions) == 1 and rows > 1:
        [values] = predictions
        predictions = values.split(",") if isinstance(values, str) else values if isinstance(values, list) else [values]
    if not predictions:
        return [None] * rows
    return predictions if len(predictions) == rows else None


def row_values(row: Any) -> Any:
    """Return the values of a row, which may be in a list named ``features``."""
    return row["features"] if isinstance(row, dict) and isinstance(row.get("features"), list | dict) else row


def row_prediction(value: Any) -> dict[str, Any]:
    """Return the class (``predicted``) and the scores of one prediction.

    >>> row_prediction({"predicted_label": 1, "score": 0.8}), row_prediction("yes,0.9"), row_prediction([0.2, 0.8])
    ({'predicted': 1, 'scores': [0.8]}, {'predicted': 'yes', 'scores': [0.9]}, {'scores': [0.2, 0.8]})
    """
    prediction: dict[str, Any] = {}
    if isinstance(value, dict):
        label = next((value[name] for name in _CLASSES if not isinstance(value.get(name), list | dict | None)), None)
        scores = next((value[name] for name in _SCORES if value.get(name) is not None), None)
        prediction = {"predicted": label} if label is not None else {}
        value = scores
    values = value if isinstance(value, list) else [value] if not isinstance(value, str) else value.split(",")
    numbers = [_number(item) for item in values]
    if numbers and isinstance(numbers[0], str) and "predicted" not in prediction:
        prediction["predicted"], *numbers = numbers
    if numbers and all(isinstance(number, int | float) and abs(number) < _GREATEST for number in numbers):
        prediction["scores"] = numbers
    return prediction


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text
