"""The connection to a running processor, in tasks and in the triggerer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .versions import AirflowException, BaseHook

DEFAULT_PORT = 8780
SECONDS = 30.0
"""Timeout of one request in seconds."""


class DriftlineError(AirflowException):  # type: ignore[misc]
    """A processor does not answer, or refuses a request; the text names the fix."""


class UnknownModelError(DriftlineError):
    """A processor does not have the model; the text names the most similar model."""


class DriftlineHook(BaseHook):  # type: ignore[misc]
    """Queries a running processor.

    The connection has host and port of its pages; its password is sent as a bearer token.

    Args:
        driftline_conn_id: Id of the connection.
    """

    conn_name_attr = "driftline_conn_id"
    default_conn_name = "driftline_default"
    conn_type = "driftline"
    hook_name = "Driftline"

    def __init__(self, driftline_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.driftline_conn_id = driftline_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the visible fields of a connection."""
        return {
            "hidden_fields": ["login", "extra"],
            "relabeling": {"password": "Token", "schema": "Scheme"},
            "placeholders": {"host": "driftline", "port": str(DEFAULT_PORT), "schema": "http"},
        }

    def address(self) -> tuple[str, dict[str, str]]:
        """Return the address of the pages, and the headers of a request."""
        connection = self.get_connection(self.driftline_conn_id)
        host = connection.host or "localhost"
        if "://" not in host:
            host = f"{connection.schema or 'http'}://{host}"
        if connection.port:
            host = f"{host.rstrip('/')}:{connection.port}"
        headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
        return host.rstrip("/"), headers

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's verdict, versions and newest windows."""
        return self._get(model_path(name))

    def retraining(self, name: str, terms: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return whether retraining pays off; ``terms``: for example ``{"value": 0.5, "horizon": "30d"}``."""
        return self._get(f"{model_path(name)}/retraining", terms)

    def test_connection(self) -> tuple[bool, str]:
        """Return whether a processor answers, and its answer."""
        try:
            return True, f"connected; number of models: {self._get('/api/v1/models', {'limit': 1})['total']}"
        except Exception as error:
            return False, str(error)

    def _get(self, path: str, parameters: Mapping[str, object] | None = None) -> dict[str, Any]:
        address, headers = self.address()
        query = {name: str(value) for name, value in (parameters or {}).items()}
        try:
            return read_answer(address, httpx.get(address + path, params=query, headers=headers, timeout=SECONDS))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise silent(address, error) from error


async def fetch_model(client: httpx.AsyncClient, address: str, headers: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return a model's verdict, versions and newest windows, without blocking the triggerer."""
    try:
        response = await client.get(address + model_path(name), headers=dict(headers), timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise silent(address, error) from error
    return read_answer(address, response)


def model_path(name: str) -> str:
    """Return the path of a model in the API, with its name escaped."""
    return f"/api/v1/models/{quote(name, safe='')}"


def read_answer(address: str, response: httpx.Response) -> dict[str, Any]:
    """Return the document of an answer.

    Raises:
        UnknownModelError: There is no such model.
        DriftlineError: Any other refusal.
    """
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.is_success and isinstance(document, dict):
        return document
    error = document.get("error") if isinstance(document, dict) else None
    if response.status_code == httpx.codes.NOT_FOUND and error:
        raise UnknownModelError(f"{address}: {error}")
    raise DriftlineError(f"{address}: {error or f'status {response.status_code}, which is not an answer of Driftline'}")


def silent(address: str, error: Exception) -> DriftlineError:
    """Return the error of a processor that does not answer."""
    return DriftlineError(f"no answer from {address} ({type(error).__name__}); is 'driftline up' running there?")
