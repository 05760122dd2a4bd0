"""Tensors on a GPU: copied behind the work of the caller, who does not wait, and read when they have arrived.

The host only queues work on a GPU and is back before it is done. To look at a value there is to wait for all of it, and
the host's clock says how long queueing took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from driftline.prediction import ABSENT

if TYPE_CHECKING:
    from driftline.prediction import Prediction
    from driftline.recorder import Recorder


class OnDevice:
    """What one call leaves on its GPU: tensors on their way, and two events in the stream that time it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cost = 0
        self.copies: dict[str, Any] = {}
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)
        self._here: list[torch.cuda.Event] = []
        self._start.record(torch.cuda.current_stream(device))

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> OnDevice | None:
        """Begin on the GPU of the first tensor that is on one; None where none is."""
        return next((cls(value.device) for value in values if isinstance(value, torch.Tensor) and value.is_cuda), None)

    def stop(self) -> None:
        """Note that the work ends here."""
        self._end.record(torch.cuda.current_stream(self.device))

    def fetch(self, name: str, value: Any) -> None:
        """Queue the copy of a tensor into pinned memory; keep anything else as it is."""
        if isinstance(value, torch.Tensor) and value.is_cuda:
            copy = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            copy.copy_(value.detach(), non_blocking=True)
            here = torch.cuda.Event()
            here.record(torch.cuda.current_stream(value.device))
            self._here.append(here)
            self.cost += copy.numel() * copy.element_size()
            value = copy
        self.copies[name] = value

    def wait(self) -> int:
        """Wait for the device; return how long the work took there, in nanoseconds."""
        for here in self._here:
            here.synchronize()
        self._end.synchronize()
        return int(self._start.elapsed_time(self._end) * 1e6)


class Arrival:
    """A prediction whose values a GPU still has; read on the background thread. See ``driftline.later``."""

    def __init__(self, recorder: Recorder, prediction: Prediction, device: OnDevice) -> None:
        self.cost = device.cost
        self._recorder = recorder
        self._prediction = prediction
        self._device = device

    def read(self) -> Any:
        """Wait for the device, add the features and what was selected, and return the result."""
        prediction, copies = self._prediction, self._device.copies
        prediction.elapsed = self._device.wait()
        self._recorder.add(prediction, features=copies.get("features", ABSENT))
        if "score" in copies or "predicted" in copies:
            prediction.say(copies.get("score", ABSENT), copies.get("predicted", ABSENT))
        return copies.get("result", ABSENT)
