"""``GET /api/v1/models/{name}/mispredictions``: ten wrong predictions, the worst first, with links to their traces."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.core.evaluation import newest_window
from driftline_processor.core.performance.mispredictions import MOST
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, moment, nearest_window, no_window, number
from driftline_processor.web.place import read_place
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def mispredictions(request: Request) -> FiniteJSON:
        model = find_model(request, site.state.snapshot)
        since, until, instead = _stretch(request, model)
        slices = read_place(request).slice_values()
        source = site.state.queries.mispredictions
        worst = source.worst(model.key, since, until, number(request, "limit", 10, MOST), slices)
        site.note_rows(request, "mispredictions", len(worst.rows), model.key.model, model.key.environment)
        return FiniteJSON(
            {
                "model": model.key.model,
                "version": model.key.version,
                "environment": model.key.environment,
                "start": iso_time(since),
                "end": iso_time(until),
                "instead": instead or None,
                "slice": slices,
                "outcomes": worst.outcomes,
                "wrong": worst.wrong,
                "rows": list(map(json_of, map(site.links.with_trace, worst.rows))),
            }
        )

    return [
        Guarded(
            "/api/v1/models/{name:path}/mispredictions",
            mispredictions,
            may="read_rows",
            parameters="version environment window at since until slice* limit",
        )
    ]


def _stretch(request: Request, model: ModelView) -> tuple[int, int, str]:
    """Return the period: the newest closed window of ``?window=1d``, else ``?since=&until=``, else everything stored.

    The last item says why the window differs from the one that ``at`` selects; "" if it does not differ.
    """
    name = request.query_params.get("window")
    if name:
        evaluations = model.windows.get(name)
        if not evaluations:
            raise no_window(model, name)
        chosen = newest_window(evaluations)
        if request.query_params.get("at"):
            nearest, instead = nearest_window(evaluations, moment(request, "at"), model.timezone)
            return evaluations[nearest].window.start, evaluations[nearest].window.end, instead
        return chosen.window.start, chosen.window.end, ""
    return moment(request, "since", min(model.first, model.last)), moment(request, "until", model.last + 1), ""
