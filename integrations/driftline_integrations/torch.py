"""PyTorch: predictions of a network, on the CPU or a GPU, by hooks on its root module.

``net = churn.instrument(net)`` adds two hooks to the module: one takes a snapshot of the input, one of the result.
PyTorch keeps hooks through ``eval``, ``to``, ``compile`` and ``copy.deepcopy``. ``state_dict`` does not contain them,
and a module that is saved as a whole can be loaded without Driftline. A module whose ``forward`` is PyTorch's own, such
as a ``Sequential``, also gets a subclass, because the compiler would otherwise remove its hooks.

``torch.jit`` modules, ``torch.export`` programs and a direct ``net.forward(x)`` have no hooks: decorate the function
that calls them instead.

The host queues work on a GPU and returns before the work is done. Reading a value would wait for all of it, and the
host's clock measures only the queueing. So tensors are copied after the caller's work, timed by events of the GPU, and
read when the copies have arrived.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import inspect
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from driftline.capture.absent import ABSENT
from driftline.capture.snapshot import select
from driftline.faults import FAULTS
from driftline.inputs.batch import Featureless
from driftline.integration.recorder import Recorder
from driftline.integration.suppression import is_suppressed

if TYPE_CHECKING:
    from types import FrameType

    from driftline.capture.prediction import Prediction
    from driftline.capture.signature import Selector
    from driftline.integration.recorder import Recorder
    from driftline.model import Model


Select = Callable[..., Any]


class DeviceCopies:
    """Copies of one call on its GPU: tensors that are copied to the host, and two events that time the stream."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cost = 0
        self.copies: dict[str, Any] = {}
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)
        self._devices = set[torch.device]()
        self._arrived: list[torch.cuda.Event] = []

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> DeviceCopies | None:
        """Return those of the GPU of the first tensor that is on a GPU; None if there is none."""
        return next((cls(value.device) for value in values if isinstance(value, torch.Tensor) and value.is_cuda), None)

    def start(self) -> None:
        """Record the start of the caller's work; the features have been queued before it."""
        self._start.record(torch.cuda.current_stream(self.device))

    def stop(self, select: Mapping[str, Select], result: Any) -> None:
        """Record the end of the caller's work, and queue the copies of what is selected from the result."""
        self._end.record(torch.cuda.current_stream(self.device))
        try:
            with torch.no_grad():
                for name, selector in select.items():
                    self.fetch(name, selector(result))
        except Exception as fault:
            FAULTS.swallow("result", fault)
        for device in self._devices:  # a network can be on several GPUs
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(device))
            self._arrived.append(event)

    def fetch(self, name: str, value: Any) -> None:
        """Queue the copy of a tensor into pinned memory; keep any other value unchanged."""
        if isinstance(value, torch.Tensor) and value.is_cuda:
            copy = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            copy.copy_(value.detach(), non_blocking=True)
            self._devices.add(value.device)
            self.cost += copy.numel() * copy.element_size()
            value = copy
        self.copies[name] = value

    def wait(self) -> int:
        """Wait for the device; return the duration of the work there, in nanoseconds."""
        for event in (self._start, self._end, *self._arrived):  # the start: features copied on another stream
            event.synchronize()
        return int(self._start.elapsed_time(self._end) * 1e6)


class DevicePrediction:
    """A prediction whose values are on a GPU, read on the background thread; see ``driftline.capture.deferred``."""

    def __init__(self, recorder: Recorder, prediction: Prediction, device: DeviceCopies) -> None:
        self.cost = device.cost
        self._recorder = recorder
        self._prediction = prediction
        self._device = device

    def read(self) -> Any:
        """Wait for the device, add the features and the selected values, and return the result."""
        prediction, copies = self._prediction, self._device.copies
        prediction.elapsed = self._device.wait()
        self._recorder.add(prediction, features=copies.get("features", ABSENT))
        if "score" in copies or "predicted" in copies:
            prediction.say(copies.get("score", ABSENT), copies.get("predicted", ABSENT))
        return copies.get("result", ABSENT)


M = TypeVar("M", bound=torch.nn.Module)

MOST_COLUMNS = 1024
"""A matrix with more columns is a spectrum or an embedding, not rows of features."""


def instrument(
    model: Model,
    module: M,
    *,
    features: Selector | None = None,
    score: Selector | None = None,
    predicted: Selector | None = None,
    span_features: bool | None = None,
) -> M:
    """Record the predictions of a network in evaluation mode.

    On a GPU, the call never waits for the device: features and scores are copied after the caller's work, and read when
    the copies have arrived. The duration is the device's. Inside an open prediction of the same model, nothing is
    recorded twice.

    Args:
        model: Model that the predictions belong to.
        module: ``torch.nn.Module``.
        features: Name of an argument of ``forward``, or a function of its arguments, such as
            ``lambda images: {"brightness": images.mean((1, 2, 3))}``. Default: the first argument, if it is a matrix
            of at most 1,024 floating-point columns, or one row of it. For any other argument, only the number of rows
            is recorded.
        score: Field of the result, or a function of it. A score is a probability, and most networks return logits:
            ``score=lambda logits: logits.softmax(-1)``. The function runs on the device, without gradients.
        predicted: Field of the result that is the predicted class or value, or a function of the result.
        span_features: Put the features of one row on sampled spans. Default: the model's setting.

    Returns:
        The module itself.

    Raises:
        TypeError: The model has no task, ``module`` has no hooks, or ``forward`` lacks the argument.

    >>> import driftline
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()).eval()
    >>> instrument(driftline.Model("churn", task="binary"), net) is net
    True
    >>> uninstrument(net)
    """
    name = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule) or not isinstance(module, torch.nn.Module) or _exported(module):
        raise TypeError(
            f"instrument() adds hooks to a torch.nn.Module, but {name} does not support hooks; "
            "decorate the function that calls it instead: @model.predict"
        )
    uninstrument(module)
    recorder = Recorder(
        model,
        f"{name}.forward",
        scope="driftline.torch",
        score=_without_gradients(score),
        predicted=_without_gradients(predicted),
        span_features=span_features,
    )
    Hooks(recorder, _features_of(module, features), _selecting(score), _selecting(predicted)).attach(module)
    return module


def _exported(module: torch.nn.Module) -> bool:
    """Return True for the module of an exported program, which is always in training mode and never runs hooks.

    torch replaces ``eval`` on such a module by a function that raises (``torch.export.ExportedProgram.module``).
    """
    return isinstance(module, torch.fx.GraphModule) and "eval" in vars(module)


def uninstrument(module: torch.nn.Module) -> None:
    """Remove the hooks of a module, or of a copy of a module.

    Args:
        module: Module that was passed to :func:`instrument`, or a copy.
    """
    if "_driftline_plain" in vars(type(module)):  # unless other code has subclassed ours since
        module.__class__ = type(module)._driftline_plain
    compiled = vars(module).get("_compiled_call_impl")
    if isinstance(compiled, CompiledCall):
        module._compiled_call_impl = compiled.compiled
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for key in [key for key, hook in hooks.items() if isinstance(hook, Hook)]:
            del hooks[key]


def uninstrument_all() -> None:
    """Stop recording every module. Hooks of copies stay, and do nothing."""
    for hooks in list(_attached):
        hooks.close()


@dataclass(slots=True)
class _Call:
    """A running call.

    Attributes:
        frame: Frame of the call.
        handled: The exception that was being handled when it began.
    """

    prediction: Prediction
    frame: FrameType | None
    handled: BaseException | None
    device: DeviceCopies | None


class Hooks:
    """The two hooks of one module and of its copies.

    Attributes:
        recorder: Recorder of the predictions.
        features: Function from the arguments of ``forward`` to the features.
        score: Function from a result on a GPU to the score.
        predicted: Function from a result on a GPU to the predicted class or value.
    """

    def __init__(
        self, recorder: Recorder, features: Select, score: Select | None = None, predicted: Select | None = None
    ) -> None:
        self._recorder = recorder
        self._features = features
        self._select = {"score": score, "predicted": predicted}
        self._calls: ContextVar[tuple[_Call, ...]] = ContextVar("driftline_torch", default=())
        self._active = True
        self._module: weakref.ref[torch.nn.Module] | None = None

    def attach(self, module: torch.nn.Module) -> None:
        """Add both hooks to a module: ours runs first before ``forward``, and always after it, also if it raises."""
        self._module = weakref.ref(module)
        _attached.add(self)
        module.register_forward_pre_hook(Hook(_run, self._before), prepend=True, with_kwargs=True)
        module.register_forward_hook(Hook(_run, self._after), with_kwargs=True, always_call=True)
        if _has_torch_forward(module):
            try:
                module.__class__ = _hooked_class(type(module))
            except TypeError as fault:  # a metaclass with more arguments, or a final class
                FAULTS.swallow("torch", fault)
            compiled = vars(module).get("_compiled_call_impl")
            if compiled is not None:
                module._compiled_call_impl = CompiledCall(self, module, compiled)

    def close(self) -> None:
        """Remove both hooks from the module; on its copies, they do nothing."""
        self._active = False
        module = None if self._module is None else self._module()
        if module is not None:
            uninstrument(module)

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if module.training or not self._active or is_suppressed():
            return
        frame = _call_of(sys._getframe(1))
        self._close_what_was_left(frame)
        features = ABSENT
        try:
            with torch.no_grad():
                features = as_rows(self._features(*args, **kwargs))
        except Exception as fault:
            FAULTS.swallow("features", fault)
        device = DeviceCopies.of((*args, *kwargs.values()))
        if device is not None:
            if isinstance(features, torch.Tensor):
                device.fetch("features", features)
                features = ABSENT
            device.start()
        call = _Call(self._recorder.open(features), frame, sys.exc_info()[1], device)
        self._calls.set((*self._calls.get(), call))

    def _after(self, module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ARG002
        calls = self._calls.get()
        if module.training or not calls or is_suppressed():
            return
        call = calls[-1]
        self._calls.set(calls[:-1])
        error = sys.exc_info()[1] if result is None else None
        if error is not None and error is not call.handled:
            self._recorder.close(call.prediction, ABSENT, error)
        elif call.device is None:
            self._recorder.close(call.prediction, result)
        elif call.prediction.fills is not None:  # it would be read at once, and the caller would wait for the device
            self._recorder.close(call.prediction)
        else:
            self._leave_to(call.device, call.prediction, result)

    def _leave_to(self, device: DeviceCopies, prediction: Prediction, result: Any) -> None:
        """Let the background thread read the values from the device."""
        selectors = {name: select for name, select in self._select.items() if select is not None}
        device.stop(selectors or {"result": _itself}, result)
        self._recorder.close_later(prediction, DevicePrediction(self._recorder, prediction, device))

    def _close_what_was_left(self, frame: FrameType | None) -> None:
        """Close the predictions of calls that no longer run: after Ctrl-C, PyTorch does not call the hook."""
        calls = self._calls.get()
        if not calls:
            return
        running: set[int] = set()
        while frame is not None:
            running.add(id(frame))
            frame = frame.f_back
        while calls and id(calls[-1].frame) not in running:
            self._recorder.close(calls[-1].prediction, ABSENT, KeyboardInterrupt())
            calls = calls[:-1]
        self._calls.set(calls)


class CompiledCall:
    """The call of a module that was compiled in place before it got hooks, which the compiler would remove.

    Attributes:
        compiled: Function that PyTorch calls in place of the module.
    """

    def __init__(self, hooks: Hooks, module: torch.nn.Module, compiled: Select) -> None:
        self._hooks, self._module, self.compiled = hooks, weakref.ref(module), compiled

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the compiled module between the two hooks."""
        module, result = self._module(), None
        _run(self._hooks._before, module, args, kwargs)
        try:
            result = self.compiled(*args, **kwargs)
            return result
        finally:
            _run(self._hooks._after, module, args, kwargs, result)


def _has_torch_forward(module: torch.nn.Module) -> bool:
    """Return True if ``forward`` is PyTorch's own, and not set on the object, as for a compiled module."""
    code = getattr(getattr(type(module), "forward", None), "__code__", None)
    return code is not None and "forward" not in vars(module) and code.co_filename.startswith(_TORCH)


def _hooked_class(plain: Any) -> Any:
    """Return the subclass for instrumented modules of a class: it has a ``forward`` that calls the original.

    PyTorch's compiler normally starts at ``forward`` and leaves hooks to Python. For a ``forward`` that is PyTorch's
    own, it starts at the caller, and traces the hooks as part of a larger network. PyTorch itself subclasses modules in
    ``parametrize`` and ``fully_shard``. Pickles name the original class, and deep copies keep the subclass.
    """
    for subclass in plain.__subclasses__():  # one for all, so that modules of one structure share what is compiled
        if vars(subclass).get("_driftline_plain") is plain:
            return subclass

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        return plain.forward(self, *args, **kwargs)

    def reduce(self: Any, protocol: Any) -> Any:
        reduced = plain.__reduce_ex__(self, protocol)
        if not isinstance(reduced, tuple):
            return reduced
        make, arguments, *rest = reduced
        arguments = tuple(plain if argument is kind else argument for argument in arguments)
        if make is vars(copyreg)["__newobj__"]:  # pickle compares this class with the object's class
            make = plain.__new__
        return (plain if make is kind else make, arguments, *rest)

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        if hasattr(plain, "__deepcopy__"):
            return plain.__deepcopy__(self, memo)
        make, arguments, state = reduce(self, 4)[:3]
        copied = memo[id(self)] = make(*copy.deepcopy(arguments, memo))
        copied.__class__ = kind
        copied.__setstate__(copy.deepcopy(state, memo))
        return copied

    # The compiler caches eight versions per code object, so each class has its own.
    forward.__code__ = forward.__code__.replace(co_name="forward")
    attributes = {
        "forward": functools.wraps(plain.forward)(forward),
        "__reduce_ex__": reduce,
        "__deepcopy__": deepcopy,
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "_driftline_plain": plain,
    }
    kind = type(plain)(plain.__name__, (plain,), attributes)
    return kind


_TORCH = str(Path(torch.__file__).parent) + os.sep

_attached: weakref.WeakSet[Hooks] = weakref.WeakSet()


def _call_of(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the module's call, which lasts as long as the prediction."""
    while frame is not None and frame.f_code.co_filename != torch.nn.modules.module.__file__:
        frame = frame.f_back
    return frame


class Hook(functools.partial[None]):
    """One hook, ``Hook(_run, function)``; copies of a module share it.

    A partial, because PyTorch's compiler traces the ``__call__`` of any other object, which breaks its graph.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Hook:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a method that accepts anything and does nothing: the module loads without Driftline."""
        return getattr, (nullcontext(), "__exit__")


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _run(function: Callable[..., None], *arguments: Any) -> None:
    """Run a hook. Never raises, and does nothing during export, tracing and graph capture."""
    try:
        looked_at = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if not looked_at and not (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()):
            function(*arguments)
    except Exception as fault:
        FAULTS.swallow("torch", fault)


@torch.compiler.substitute_in_graph(_run, skip_signature_check=True)  # type: ignore[untyped-decorator]
def _nothing(function: Callable[..., None], *arguments: Any) -> None:  # noqa: ARG001
    """Replace a hook in the graph of a larger network, where the module is not the root."""
    return


def _features_of(module: torch.nn.Module, selector: Selector | None) -> Callable[..., Any]:
    """Return the function from the arguments of ``forward`` to the features."""
    if callable(selector):
        return selector
    parameters = list(inspect.signature(module.forward).parameters.values())
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if selector is not None and selector not in names:
        raise TypeError(f"{type(module).__name__}.forward has no argument {selector!r}; it has {', '.join(names)}")
    keyword = selector or (names[0] if names else "")
    position = names.index(keyword) if keyword else 0

    def features(*args: Any, **kwargs: Any) -> Any:
        argument = args[position] if len(args) > position else kwargs.get(keyword, ABSENT)
        return (
            argument
            if not isinstance(argument, torch.Tensor) or argument.is_floating_point()
            else _number_of_rows(argument)
        )

    return features


def as_rows(value: Any) -> Any:
    """Return the features to record: rows of numbers unchanged; for any other tensor, its number of rows.

    Args:
        value: First argument of ``forward``.

    >>> as_rows(torch.zeros(1, 3)).shape, as_rows(torch.zeros(8, 3, 32, 32)).count
    (torch.Size([3]), 8)
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.ndim not in (1, 2) or value.shape[-1] > MOST_COLUMNS:
        return _number_of_rows(value)
    return value[0] if value.ndim == 2 and len(value) == 1 else value


def _number_of_rows(tensor: torch.Tensor) -> Any:
    return Featureless(len(tensor)) if tensor.ndim and len(tensor) > 1 else ABSENT


def _without_gradients(selector: Selector | None) -> Selector | None:
    if not callable(selector):
        return selector
    function = selector

    def select(result: Any) -> Any:
        with torch.no_grad():
            return function(result)

    return select


def _selecting(selector: Selector | None) -> Select | None:
    return None if selector is None else functools.partial(select, selector)


def _itself(result: Any) -> Any:
    return result
