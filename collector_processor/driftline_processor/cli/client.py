"""Requests to a running processor, and reads of the state of a stopped one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from driftline.baseline.baseline import Baseline
from driftline.tables.table import ModelKey
from driftline.tables.timestamps import instant
from msgspec import Struct

from driftline_processor.core.nearest_names import listed
from driftline_processor.present.names import handle
from driftline_processor.present.numbers import many
from driftline_processor.present.wording import iso_time
from driftline_processor.readers.errors import BadInput

from .connection import WAIT, Connection, error_of

_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_LONG_WAIT = 600.0
"""Timeout in seconds: a file with a month of rows is complete before its first byte is sent."""


def put_baseline(server: Connection, baseline: Baseline) -> str:
    """Send a baseline with ``PUT /v1/baselines/{model}/{version}``; return a sentence on the result.

    Raises :class:`BadInput` if there is no answer, or the baseline is rejected.
    """
    _ask("PUT", server, _path(baseline.model, baseline.version), content=baseline.to_json().encode())
    name = f"{baseline.model} version {baseline.version}" if baseline.version else baseline.model
    return f"{name} will be compared with these {many(baseline.pane.rows)} from now on; digest {baseline.digest}"


def fetch_production_baseline(server: Connection, key: ModelKey, since: str, until: str) -> Baseline:
    """Return a baseline of the rows that a processor counted between two times.

    ``since`` / ``until``: a time, or an age ("30d", "24h"). Raises :class:`BadInput` if there is no answer, or
    there are no such rows.
    """
    query = {**_period(since, until), "environment": key.environment}
    return Baseline.from_json(_ask("GET", server, _path(key.model, key.version), query), where=server.address)


def fetch_baseline(server: Connection, key: ModelKey) -> Baseline:
    """Return the active baseline of a version. Raises :class:`BadInput` if there is no answer, or there is none."""
    query = {"environment": key.environment}
    return Baseline.from_json(_ask("GET", server, _path(key.model, key.version), query), where=server.address)


def fetch_model(server: Connection, model: str) -> dict[str, Any]:
    """Return a model with its versions, as in ``GET /api/v1/models/{name}``.

    Raises :class:`BadInput` if there is no answer, or the model is unknown.
    """
    return dict(_get_json(server, f"/api/v1/models/{quote(handle(model), safe='')}"))


class SnapshotRows(Struct, frozen=True):
    """The rows of a snapshot.

    Attributes:
        since: A time, or an age ("7d").
        until: A time, or an age ("7d").
    """

    model: str
    version: str = ""
    environment: str = ""
    since: str = "7d"
    until: str = "0d"
    labelled: bool = False


def fetch_snapshot(server: Connection, selection: SnapshotRows, path: Path) -> dict[str, Any]:
    """Write the stored rows of a processor as Parquet; return a summary.

    Raises :class:`BadInput` if there is no answer, there are no such rows, or the file cannot be written.
    """
    query = {
        **_period(selection.since, selection.until),
        "version": selection.version,
        "environment": selection.environment,
        "labelled": "1" if selection.labelled else "",
    }
    headers = _download("GET", server, f"/v1/snapshots/{quote(selection.model, safe='')}", path, query)
    return dict(json.loads(headers["Driftline-Snapshot"]))


class TableSelection(Struct, frozen=True):
    """What the tables of results contain.

    Attributes:
        models: Names of models; empty = all.
        windows: Names of windows; empty = all.
    """

    models: Sequence[str] = ()
    windows: Sequence[str] = ()

    @property
    def parameters(self) -> dict[str, Sequence[str]]:
        """The parameters of a request."""
        return {"model": self.models, "window": self.windows}


def fetch_table_days(server: Connection, selection: TableSelection, since: str = "") -> dict[str, str]:
    """Return the days of the tables of results → their revision, as in ``GET /v1/tables``, oldest first.

    ``since``: only days from then on, a time or an age; "" = all. Raises :class:`BadInput` if there is no answer, or a
    model or a window is unknown.
    """
    first = iso_time(_moment("--from", since, time.time_ns()))[:10] if since else ""
    days = json.loads(_ask("GET", server, "/v1/tables", selection.parameters, wait=_LONG_WAIT))["days"]
    return {day: revision for day, revision in days.items() if day >= first}


def fetch_tables(server: Connection, selection: TableSelection, day: str, path: Path) -> None:
    """Write the tables of a day as a tar file of Parquet files.

    Raises :class:`BadInput` if there is no answer, or the file cannot be written.
    """
    _download("GET", server, f"/v1/tables/{day}", path, selection.parameters)


def fetch_backup(server: Connection, path: Path) -> None:
    """Write a backup of a running processor, readable by its owner only.

    Raises :class:`BadInput` if there is no answer, it is refused, or the file cannot be written.
    """
    _download("POST", server, "/v1/backups", path, mode=0o600)


def _download(
    method: str,
    server: Connection,
    resource: str,
    path: Path,
    parameters: Mapping[str, str | Sequence[str]] | None = None,
    mode: int = 0o666,
) -> httpx.Headers:
    """Write the body of an answer to a file, and return the headers of the answer. Raises :class:`BadInput`."""
    part = path.with_name(path.name + ".part")
    try:
        with (
            server.open_processor(_LONG_WAIT) as client,
            client.stream(method, resource, params=_given(parameters)) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise _refused(server, answer)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        return answer.headers
    except httpx.RemoteProtocolError:
        raise BadInput(f"{server.address}: the connection ended before {path.name} was complete; try again") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadInput(server.failure(error)) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def fetch_outcomes(server: Connection, model: str, id: str) -> dict[str, Any]:
    """Return all outcomes of an id, as in ``GET /api/v1/models/{name}/outcomes``.

    Raises :class:`BadInput` if there is no answer, or the model is unknown.
    """
    return dict(_get_json(server, _of_model(model, "outcomes"), {"id": id}))


def misspelled_models(server: Connection, models: Collection[str]) -> list[str]:
    """Return questions about models that a processor does not know but that resemble a known one; at most five.

    Empty if the processor does not answer.
    """
    messages = (_misspelled_model(server, name) for name in sorted(models)[:MOST_ASKED])
    # 5: misspelled models reported per upload
    return list(islice(filter(None, messages), 5))


MOST_ASKED = 20
"""Upper limit of unknown models per upload that are looked up, one request each."""


def _misspelled_model(server: Connection, model: str) -> str:
    """Return the processor's question with a similar model name; "" if it knows the model, or no name is similar."""
    try:
        with server.open() as client:
            answer = client.get(f"/api/v1/models/{quote(handle(model), safe='')}")
        message = str(answer.json()["error"]) if answer.status_code == httpx.codes.NOT_FOUND else ""
        return message if message.endswith("?") else ""
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return ""


def delete_predictions(server: Connection, model: str, by: str, values: Sequence[str], environment: str = "") -> str:
    """Delete with ``DELETE /v1/predictions`` and wait for the end; return a sentence on the result.

    ``by``: "id" or "subject". Raises :class:`BadInput` if there is no answer, or the request is rejected.
    """
    return _delete(server, "/v1/predictions", model, by, values, environment)


def delete_model(server: Connection, model: str, versions: Sequence[str] = (), environment: str = "") -> str:
    """Delete with ``DELETE /v1/models`` and wait for the end; return a sentence on the result.

    ``versions``: only these, empty = all. Raises :class:`BadInput` if there is no answer, or the request is
    rejected.
    """
    deleted = _delete(server, "/v1/models", model, "version", versions, environment)
    return f"{deleted}; no data of {', '.join([model, *versions])} is left"


def _delete(server: Connection, path: str, model: str, by: str, values: Sequence[str], environment: str) -> str:
    parameters = {"model": model, by: list(values), "environment": environment}
    answer = json.loads(_ask("DELETE", server, path, parameters, wait=None))
    predictions, outcomes = answer["predictions"], answer["outcomes"]
    deleted = f"{many(predictions, 'prediction')} and {many(outcomes, 'outcome')} of {model}"
    return f"{deleted} were deleted, also from the disk"


def versions(server: Connection, model: str, environment: str, sections: bool = False) -> dict[str, Any]:
    """Return ``GET /api/v1/models/{name}/versions``. Raises :class:`BadInput` if there is no answer."""
    query = {"environment": environment, "sections": "true" if sections else ""}
    return dict(_get_json(server, _of_model(model, "versions"), query))


def fetch_retraining(server: Connection, model: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return a processor's answer on retraining. Raises :class:`BadInput` if there is no answer."""
    return dict(_get_json(server, _of_model(model, "retraining"), parameters))


def fetch_training_runs(server: Connection, model: str) -> list[dict[str, Any]]:
    """Return the training runs of a model. Raises :class:`BadInput` if there is no answer."""
    return list(_get_json(server, _of_model(model, "training-runs"))["training_runs"])


class ReportRange(Struct, frozen=True):
    """The period of a report.

    Attributes:
        since: A time, or an age ("30d"); "" = as many windows as a page shows.
        until: A time, or an age; "" = now.
        window: Length of the windows, "" = the longest with a closed window.
    """

    since: str = ""
    until: str = ""
    window: str = ""
    version: str = ""
    environment: str = ""


def fetch_report(server: Connection, model: str, report_range: ReportRange) -> str:
    """Return a report as HTML. Raises :class:`BadInput` if there is no answer, or no such model or time."""
    now = time.time_ns()
    query = {
        "from": iso_time(_moment("--from", report_range.since, now)) if report_range.since else "",
        "to": iso_time(_moment("--to", report_range.until, now)) if report_range.until else "",
        "window": report_range.window,
        "version": report_range.version,
        "environment": report_range.environment,
    }
    return _ask("GET", server, _of_model(model, "report"), query, wait=_LONG_WAIT)


def write_text(path: Path, text: str) -> None:
    """Write a file atomically. Raises :class:`BadInput` if it cannot be written."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))
        part.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def time_range(since: str, until: str, now: int | None = None) -> tuple[int, int]:
    """Return ``--since`` and ``--until`` as unix nanoseconds; both are a time or an age.

    >>> time_range("36h", "2026-03-02T00:00:00Z", now=1772452800 * 10**9)
    (1772323200000000000, 1772409600000000000)
    """
    now = time.time_ns() if now is None else now
    return _moment("--since", since, now), _moment("--until", until, now)


def _moment(option: str, text: str, now: int) -> int:
    if text[:-1].isdecimal() and text[-1:] in _SECONDS:
        return now - int(text[:-1]) * _SECONDS[text[-1]] * 10**9
    try:
        return instant(text)
    except ValueError:
        raise BadInput(f"{option}: {text!r} is not a time; use 30d, 24h or 2026-03-01T00:00:00Z") from None


def _path(model: str, version: str) -> str:
    parts = [model, version] if version else [model]
    return "/v1/baselines/" + "/".join(quote(part, safe="") for part in parts)


def fetch_status(server: Connection) -> dict[str, Any]:
    """Return the status of a processor, as in ``GET /api/v1/status``; :class:`BadInput` if there is no answer."""
    return dict(_get_json(server, "/api/v1/status"))


def fetch_names_and_hints(server: Connection) -> tuple[list[str], list[str]]:
    """Return the names of all models, and the hints about models and the processor.

    Raises BadInput if there is no answer.
    """
    names: dict[str, None] = {}
    hints: dict[str, None] = {}
    path: str | None = "/api/v1/models"
    while path is not None:
        answer = _get_json(server, path)
        hints |= dict.fromkeys([*answer["hints"], *(hint for model in answer["models"] for hint in model["hints"])])
        names |= dict.fromkeys(model["model"] for model in answer["models"])
        path = answer["next"]
    return [*names], [*hints]


def fetch_alerts(server: Connection, model: str = "", state: str = "") -> dict[str, Any]:
    """Return the alerts, as in ``GET /api/v1/alerts``; :class:`BadInput` if there is no answer."""
    return dict(_get_json(server, "/api/v1/alerts", {"model": model, "state": state}))


def fetch_audit(server: Connection, model: str, kind: str, limit: int) -> dict[str, Any]:
    """Return the audit log, as in ``GET /api/v1/audit``; :class:`BadInput` if there is no answer."""
    return dict(_get_json(server, "/api/v1/audit", {"model": model, "kind": kind, "limit": str(limit)}))


def fetch_audit_log(server: Connection, path: Path) -> None:
    """Write the whole audit log as JSON lines, as in ``GET /api/v1/audit/export``; :class:`BadInput` without it."""
    _download("GET", server, "/api/v1/audit/export", path)


def fetch_windows(server: Connection, alert: Mapping[str, Any], window: str) -> list[dict[str, Any]]:
    """Return the windows of a length of the version of an alert; :class:`BadInput` if there is no answer."""
    query = {"window": window, "slices": "false", **_version_of(alert)}
    return list(_get_json(server, _of_model(alert["model"], "evaluations"), query, wait=_LONG_WAIT)["windows"])


def fetch_wrong(server: Connection, alert: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ten worst wrong predictions of the time of an alert; :class:`BadInput` if there is no answer."""
    until = alert["until"] or iso_time(time.time_ns())
    query = {"since": alert["since"], "until": until, "limit": "10", **_version_of(alert)}
    return list(_get_json(server, _of_model(alert["model"], "mispredictions"), query, wait=_LONG_WAIT)["rows"])


def _version_of(alert: Mapping[str, Any]) -> dict[str, str]:
    return {"version": handle(alert["version"]), "environment": handle(alert["environment"])}


def find_alert(server: Connection, begin: str) -> dict[str, Any]:
    """Return the alert whose id begins with ``begin``. Raises :class:`BadInput` if there is none, or several."""
    alerts = {str(alert_json["id"]): alert_json for alert_json in fetch_alerts(server)["alerts"]}
    ids = [id for id in alerts if begin and id.startswith(begin)]
    if begin in ids or len(ids) == 1:
        return dict(alerts[begin if begin in ids else ids[0]])
    if ids:
        raise BadInput(
            f"{begin}: {len(ids)} alerts have an id that begins like this: {listed(sorted(ids))}; "
            "use more characters of the id"
        )
    raise BadInput(f"{begin:.40}: no alert has this id; `driftline incidents list --all` lists all alerts")


def acknowledge_alert(
    server: Connection, alert: str, by: str, why: str = "", *, take_over: bool = False
) -> dict[str, Any]:
    """Acknowledge an alert and return it. Raises :class:`BadInput` if there is no answer, or no such alert."""
    fields = {"by": by, "why": why} | ({"take_over": "true"} if take_over else {})
    return _post_form(server, f"/api/v1/alerts/{quote(alert, safe='')}/acknowledgement", **fields)


def fetch_silences(server: Connection, model: str = "") -> dict[str, Any]:
    """Return the silences, as in ``GET /v1/silences``; :class:`BadInput` if there is no answer."""
    return dict(_get_json(server, "/v1/silences", {"model": model}))


def silence(
    server: Connection, model: str, environment: str, policy: str, lasts: str, by: str, why: str
) -> dict[str, Any]:
    """Silence a model, and return the silence; :class:`BadInput` if there is no answer, or no such model."""
    fields = {"model": model, "environment": environment, "policy": policy, "for": lasts, "by": by, "why": why}
    return _post_form(server, "/v1/silences", **fields)


def end_silence(server: Connection, id: str, by: str) -> dict[str, Any]:
    """End a silence, and return it; :class:`BadInput` if there is no answer, or no such silence."""
    return _send_form("DELETE", server, f"/v1/silences/{quote(id, safe='')}", by=by)


def approve_action(server: Connection, alert: str, action: str, by: str, why: str, digest: str) -> dict[str, Any]:
    """Approve an action of an alert and return the alert. Raises :class:`BadInput` if no approval is pending.

    ``digest``: of what the action would send, as the alert shows it.
    """
    fields = {"action": action, "by": by, "why": why, "digest": digest}
    return _post_form(server, f"/api/v1/alerts/{quote(alert, safe='')}/approval", **fields)


def fetch_review(server: Connection, quarter: str = "", since: str = "", until: str = "") -> str:
    """Return the review of a period as one HTML document; :class:`BadInput` without an answer or such a period."""
    return _ask("GET", server, "/api/v1/review", {"quarter": quarter, "from": since, "to": until}, wait=_LONG_WAIT)


def fetch_decisions(server: Connection, model: str) -> dict[str, Any]:
    """Return the decisions about a model; :class:`BadInput` if there is no answer, or no such model."""
    return dict(_get_json(server, _of_model(model, "decisions")))


def decide(server: Connection, model: str, version: str, kind: str, by: str, why: str) -> dict[str, Any]:
    """Record a decision about a model and return it. Raises :class:`BadInput` if it is rejected."""
    return _post_form(server, _of_model(model, "decisions"), kind=kind, by=by, why=why, version=version)


def annotate(server: Connection, model: str, text: str, kind: str, by: str, version: str, time: str) -> dict[str, Any]:
    """Record an annotation; :class:`BadInput` if there is no answer, or no such model."""
    return _post_form(server, "/v1/annotations", model=model, text=text, kind=kind, by=by, version=version, time=time)


def _post_form(server: Connection, path: str, **fields: str) -> dict[str, Any]:
    return _send_form("POST", server, path, **fields)


def _send_form(method: str, server: Connection, path: str, **fields: str) -> dict[str, Any]:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return dict(json.loads(_ask(method, server, path, content=urlencode(fields).encode(), headers=kind)))


def replay_policies(
    server: Connection, policies: object, model: str = "", *, all_quiet: bool = False
) -> dict[str, Any]:
    """Return the notifications that policies would have sent, as in ``POST /api/v1/policies/replay``.

    Raises :class:`BadInput` if there is no answer, or a policy is rejected.
    """
    content = json.dumps({"policies": policies, "all_quiet": all_quiet}).encode()
    headers = {"content-type": "application/json"}
    path = "/api/v1/policies/replay"
    return dict(
        json.loads(
            _ask(
                method="POST",
                server=server,
                path=path,
                parameters={"model": model},
                content=content,
                wait=_LONG_WAIT,
                headers=headers,
            )
        )
    )


def _ask(
    method: str,
    server: Connection,
    path: str,
    parameters: Mapping[str, str | Sequence[str]] | None = None,
    content: bytes = b"",
    wait: float | None = WAIT,
    headers: Mapping[str, str] | None = None,
) -> str:
    with server.open_processor(wait) as client:
        answer = client.request(method, path, params=_given(parameters), content=content or None, headers=headers)
    if answer.is_success:
        return answer.text
    raise _refused(server, answer)


def _get_json(server: Connection, path: str, parameters: Mapping[str, str] | None = None, wait: float = WAIT) -> Any:
    return json.loads(_ask("GET", server, path, parameters, wait=wait))


def _given(parameters: Mapping[str, str | Sequence[str]] | None) -> dict[str, str | Sequence[str]]:
    return {name: value for name, value in (parameters or {}).items() if value}


def _of_model(model: str, resource: str) -> str:
    return f"/api/v1/models/{quote(handle(model), safe='')}/{resource}"


def _period(since: str, until: str) -> dict[str, str]:
    start, end = time_range(since, until)
    return {"since": iso_time(start), "until": iso_time(end)}


def _refused(server: Connection, answer: httpx.Response) -> BadInput:
    return BadInput(server.refusal(answer.status_code, error_of(answer)))
