"""torch: a 1-D tensor is a row, a 2-D tensor is a batch. torch itself is never imported.

A tensor on an accelerator is not recorded: copying it would make the caller wait for the device, and a copy on the
device would use memory that the model needs. Sparse and quantised tensors are not recorded either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from driftline.loss_counters import ON_DEVICE, UNSUPPORTED_INPUT
from driftline.tables.table import Column

from .array import read as read_array
from .batch import Batch, Unrecorded
from .row import Row
from .values import column_of_array, name_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Reader


def reader(kind: type) -> Reader | None:
    """Return the reader if the type is a tensor."""
    return read if name_in(kind, "torch", "Tensor") else None


def column_reader(kind: type) -> Callable[[Any], NDArray[Any] | Column] | None:
    """Return the reader of a column if the type is a tensor."""
    return (lambda values: column_of_array(array_of(values))) if name_in(kind, "torch", "Tensor") else None


def read(value: Any) -> Row | Batch | Unrecorded:
    """Read a tensor as the array that shares its memory."""
    rows, is_row = int(value.shape[0]) if value.ndim > 1 else None, value.ndim > 2
    if value.device.type != "cpu":
        fix = f"copying it from {value.device} would block the call; use features=lambda ...: ....cpu()"
        return Unrecorded(ON_DEVICE, fix, rows, is_row)
    if str(value.layout) != "torch.strided" or value.is_quantized:
        return Unrecorded(UNSUPPORTED_INPUT, "use a dense tensor", rows, is_row)
    return read_array(array_of(value))


def array_of(tensor: Any) -> NDArray[Any]:
    """Return a dense tensor on the CPU as an array, which shares its memory if numpy has the dtype."""
    tensor = tensor.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return np.asarray(tensor.resolve_conj().resolve_neg().numpy())


def on_cpu(tensor: Any) -> bool:
    """Return True if a tensor can be read without waiting for a device."""
    return bool(tensor.device.type == "cpu" and str(tensor.layout) == "torch.strided" and not tensor.is_quantized)
