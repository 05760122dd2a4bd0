"""Read and check the parameters of a request: model, time, number. Raises 400 or 404 with a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from driftline.tables.classes import class_text
from driftline.tables.timestamps import instant
from starlette.exceptions import HTTPException
from starlette.requests import Request

from driftline_processor.access.routes import readable, require_covered
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.present import times
from driftline_processor.present.names import handle, near_handles
from driftline_processor.present.times import date_words
from driftline_processor.queries.model_view import ModelView, leading_model
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.readers.outcomes.fields import UnusableField, instant_of
from driftline_processor.web.place import with_slashes


def unknown_model(request: Request, name: str, snapshot: StateSnapshot) -> HTTPException:
    """Return the 404 for a model without data, with the nearest names that the sender may read."""
    near_models = near_handles(name, readable(request, (model.key.model for model in snapshot.models)))
    return HTTPException(404, f"no model {name[:80]!r} has sent predictions; {near_models or '/ lists all models'}")


def find_model(request: Request, snapshot: StateSnapshot) -> ModelView:
    """Return the model of the path and of ``?version=&environment=``.

    If several match: that of the model's verdict, as on its pages. Raises 404 with a sentence that lists the
    alternatives.
    """
    name = with_slashes(request.path_params["name"])
    models = snapshot.versions_of(name)
    if not models:
        raise unknown_model(request, name, snapshot)
    require_covered(request, models[0].key.model)
    parts = ("version", "environment")
    wanted_parts = {part: request.query_params[part] for part in parts if part in request.query_params}
    fitting = [
        model
        for model in models
        if all(handle(getattr(model.key, part)) == value for part, value in wanted_parts.items())
    ]
    if not fitting:
        part_words = " and ".join(f"{part} {value[:80]!r}" for part, value in wanted_parts.items())
        raise HTTPException(
            404, f"model {name[:80]!r} has no {part_words}; /models/{name[:80]} shows its versions and environments"
        )
    return leading_model(fitting)


def no_window(model: ModelView, window: str) -> HTTPException:
    """Return an error that lists the windows of a model."""
    has = ", ".join(model.windows) or "none yet"
    return HTTPException(404, f"{window[:80]!r} is not a window of this model; it has {has}")


def nearest_window(windows: Sequence[Evaluation], time: int, timezone: str) -> tuple[int, str]:
    """Return the index of the window that contains a time, else of the nearest window with a sentence about it.

    Args:
        windows: Windows of one length, at least one.
        time: Unix nanoseconds.
        timezone: Time zone of the sentence.
    """
    nearest = min(range(len(windows)), key=lambda index: _distance(windows[index].window, time))
    if not _distance(windows[nearest].window, time):
        return nearest, ""
    message = f"No window with predictions contains {date_words(time, timezone)}; the nearest is"
    return nearest, f"{message} {times.window_name(windows[nearest].window, timezone)}."


def _distance(window: Window, time: int) -> int:
    """Return the distance of a time from a window in nanoseconds; 0 within it."""
    return max(window.start - time, time - max(window.end - 1, window.start), 0)


def moment(request: Request, name: str, default: int | None = None) -> int:
    """Return a time parameter, ISO 8601 or unix time, in unix nanoseconds; required if ``default`` is None."""
    return read_moment(request.query_params.get(name), name, default)


def read_moment(said: str | None, name: str, default: int | None = None) -> int:
    """Return a time in ISO 8601 or unix time as unix nanoseconds; required if ``default`` is None."""
    if not said and default is not None:
        return default
    try:
        time = instant_of(said, name)  # 0 = not given
    except UnusableField:
        time = 0
    if not time and not _is_beginning((said or "").strip()):
        raise HTTPException(400, f"{name} must be a time, as in ?{name}=2026-03-01T00:00:00Z")
    return time


def _is_beginning(text: str) -> bool:
    """Return True for unix time 0, a valid begin of a range although nothing happens then."""
    for read in (float, instant):
        try:
            return text != "" and read(text) == 0
        except ValueError:
            continue
    return False


def number(request: Request, name: str, default: int, most: int) -> int:
    """Return an integer parameter from 1 to ``most``."""
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise HTTPException(400, f"{name} must be a number from 1 to {most}, as in ?{name}={default}")
    return int(text)


def read_flag(request: Request, name: str, default: bool) -> bool:
    """Return a parameter that is true or false, also as 1 or 0; Python's clients write ``True``."""
    text = class_text(request.query_params.get(name)) or class_text(default)
    if text not in ("0", "1"):
        raise HTTPException(400, f"{name} must be true or false, as in ?{name}={str(not default).lower()}")
    return text == "1"
