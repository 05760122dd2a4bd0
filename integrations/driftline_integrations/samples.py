"""The samples an estimator is given: always n of them, where one alone is a prediction of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

DOCUMENT = "text"
"""The name of the only feature where samples are texts, as a vectorizer takes them."""


def rows_of(samples: Any) -> Any:
    """Return what the SDK records: a row where there is one sample, the samples as they are otherwise.

    >>> rows_of(np.array([[1.0, 2.0]]))
    array([1., 2.])
    >>> rows_of(["free money"]), rows_of(["free money", "hello"])["text"].tolist()
    ({'text': 'free money'}, ['free money', 'hello'])
    """
    if isinstance(samples, np.ndarray):
        if samples.ndim == 2 and len(samples) == 1:
            return samples[0]
        return _documents(samples.tolist()) if samples.ndim == 1 and samples.dtype.kind in "OU" else samples
    if isinstance(samples, list | tuple):
        if samples and isinstance(samples[0], str):
            return _documents(samples)
        return samples[0] if len(samples) == 1 else samples
    if getattr(samples, "ndim", 0) == 1 and hasattr(samples, "tolist"):  # a Series of texts
        values = samples.tolist()
        return _documents(values) if values and isinstance(values[0], str) else samples
    if hasattr(samples, "columns") and getattr(samples, "shape", (0,))[0] == 1 and hasattr(samples, "to_numpy"):
        return dict(zip(map(str, samples.columns), samples.to_numpy()[0].tolist(), strict=True))  # itertuples: 5 times
    return samples


def _documents(texts: Any) -> Any:
    if len(texts) == 1:
        return {DOCUMENT: texts[0]}
    rows = np.empty(len(texts), [(DOCUMENT, object)])
    rows[DOCUMENT] = texts
    return rows
