"""Files that are artifacts of MLflow: `runs:/RUN/path`, `models:/NAME/VERSION/path`, and the data set a run was given.

MLflow is asked when somebody names such an address, and only then; its tracking server is `MLFLOW_TRACKING_URI`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from .errors import BadInput

_SCHEMES = ("runs:/", "models:/", "mlflow-artifacts:/")
_CONTEXTS = ("reference", "evaluation", "validation", "test")
"""A run names what each data set is to it; these are rows that it was not trained on."""


def local(path: Path) -> Path:
    """Return a file as it is, an artifact of MLflow downloaded.

    ``runs:/RUN`` alone is the data set that was logged to the run (``mlflow.log_input``) as evaluation, validation or
    test. Raises :class:`BadInput` when MLflow is not installed, or has no such thing.
    """
    address = str(path)
    if not address.startswith(_SCHEMES):
        return path
    try:
        import mlflow
    except ModuleNotFoundError:
        raise BadInput(f"{address}: mlflow is not installed; pip install mlflow-skinny") from None
    run = address.removeprefix("runs:/")
    try:
        if address.startswith("runs:/") and "/" not in run:
            found = Path(_data_set(mlflow, run))
        else:
            found = Path(mlflow.artifacts.download_artifacts(artifact_uri=address))
    except BadInput:
        raise
    except Exception as error:  # whatever its store raises: a network, a permission, a name
        raise BadInput(f"{address}: MLflow cannot read it: {str(error).strip().splitlines()[0]}") from error
    if found.is_dir():
        files = sorted(one.name for one in found.iterdir())
        raise BadInput(f"{address}: is a folder; name one of {', '.join(files[:8])}")
    return _table(found)


def _data_set(mlflow: Any, run: str) -> str:
    logged = mlflow.get_run(run).inputs.dataset_inputs
    by_context = {tag.value: one.dataset for one in logged for tag in one.tags if tag.key == "mlflow.data.context"}
    chosen = next((by_context[context] for context in _CONTEXTS if context in by_context), None)
    if chosen is None:
        known = ", ".join(f"{one.dataset.name}" for one in logged) or "none"
        raise BadInput(
            f"runs:/{run}: no data set was logged to the run as {', '.join(_CONTEXTS[1:])} (there is {known}); "
            "name a file of its artifacts, as in runs:/RUN/reference.parquet"
        )
    return str(mlflow.data.get_source(chosen).load())


def _table(path: Path) -> Path:
    """A table that ``mlflow.log_table`` wrote is JSON of columns and rows: as Parquet, beside it."""
    if path.suffix != ".json":
        return path
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return path
    if not isinstance(said, dict) or said.keys() != {"columns", "data"}:
        return path
    columns = {str(name): [row[at] for row in said["data"]] for at, name in enumerate(said["columns"])}
    written = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pa.table(columns), written)
    return written
