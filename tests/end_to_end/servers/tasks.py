"""A Celery app that predicts, with a queue that is a folder: no broker to install."""

from __future__ import annotations

import os
from pathlib import Path

import celery

from .shop import score

queue = os.environ["SHOP_QUEUE"]
for folder in ("in", "done"):
    (Path(queue) / folder).mkdir(parents=True, exist_ok=True)
app = celery.Celery(
    "shop",
    broker="filesystem://",
    broker_transport_options={
        "data_folder_in": f"{queue}/in",
        "data_folder_out": f"{queue}/in",
        "processed_folder": f"{queue}/done",
        "store_processed": True,
    },
)
app.conf.worker_hijack_root_logger = False


@app.task(name="shop.predict")  # type: ignore[untyped-decorator]
def predict(customer: str) -> float:
    return score({"id": customer})
