"""What peers say of the same rows by the same name: the recipe of drift_methods.json.

Run once in an environment of each peer, from this folder (Evidently wants pandas < 3, NannyML statsmodels); nothing of
this is imported by the product or by the tests:

    python drift_methods.py evidently && python drift_methods.py nannyml && python drift_methods.py whylogs
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_suffix(".json")


def samples() -> dict[str, tuple[Any, Any]]:
    """Draw reference and window of each case; RandomState draws the same in every numpy."""
    rng = np.random.RandomState(20_261_120)
    labels = np.array(["red", "green", "blue", "grey"])
    return {
        "normal": (rng.normal(50, 12, 3_000), rng.normal(53, 13, 800)),
        "skewed": (rng.lognormal(3, 0.6, 3_000), rng.lognormal(3.1, 0.6, 800)),
        "large": (rng.normal(0, 1, 50_000), rng.normal(1, 1, 10_000)),
        "stray": (np.append(rng.normal(0, 1, 49_999), 1e9), rng.normal(1, 1, 10_000)),
        "labels": (
            rng.choice(labels, 3_000, p=[0.4, 0.3, 0.2, 0.1]),
            rng.choice(labels, 800, p=[0.3, 0.35, 0.2, 0.15]),
        ),
        "flag": ((rng.random_sample(3_000) < 0.3).astype(float), (rng.random_sample(800) < 0.36).astype(float)),
    }


def evidently(kind: str) -> dict[str, Callable[[Any, Any], float]]:
    """Return its tests by the product's names, for numbers or categories."""
    import pandas as pd

    stattests: Any = import_module("evidently.legacy.calculations.stattests")
    ColumnType = import_module("evidently.legacy.core").ColumnType
    numeric = kind == "number"
    column = ColumnType.Numerical if numeric else ColumnType.Categorical
    found = {
        "js": stattests.jensenshannon_stat_test,
        "hellinger": stattests.hellinger_stat_test,
        "psi": stattests.psi_stat_test,
    }
    if numeric:
        found |= {
            "ks p": stattests.ks_stat_test,
            "wasserstein_scaled": stattests.wasserstein_stat_test,
            "anderson_darling p": stattests.anderson_darling_test,
            "cramer_von_mises p": stattests.cramer_von_mises,
            "mean_shift p": stattests.t_test,
        }
    else:
        found |= {"chi2 p": stattests.chi_stat_test, "proportion p": stattests.z_stat_test}

    def asked(test: Any) -> Callable[[Any, Any], float]:
        return lambda was, now: float(test.func(pd.Series(was), pd.Series(now), column, 0.05)[0])

    return {name: asked(test) for name, test in found.items()}


def nannyml(kind: str) -> dict[str, Callable[[Any, Any], float]]:
    """Return its methods by the product's names."""
    import pandas as pd

    methods = import_module("nannyml.drift.univariate.methods")
    feature = methods.FeatureType.CONTINUOUS if kind == "number" else methods.FeatureType.CATEGORICAL
    names = {"js": "jensen_shannon", "hellinger": "hellinger"}
    more = {"ks": "kolmogorov_smirnov", "wasserstein": "wasserstein"}
    names |= more if kind == "number" else {"chi2": "chi2", "l_infinity": "l_infinity"}

    def asked(key: str) -> Callable[[Any, Any], float]:
        def ask(was: Any, now: Any) -> float:
            method = methods.MethodFactory.create(key=key, feature_type=feature, chunker=None, threshold=None)
            method._fit(pd.Series(was))
            return float(method._calculate(pd.Series(now)))

        return ask

    return {name: asked(key) for name, key in names.items()}


def whylogs(kind: str) -> dict[str, Callable[[Any, Any], float]]:
    """Return its algorithms by the product's names."""
    import pandas as pd

    why, drift = import_module("whylogs"), import_module("whylogs.viz.drift.column_drift_algorithms")

    def asked(algorithm: Any, field: str) -> Callable[[Any, Any], float]:
        def ask(was: Any, now: Any) -> float:
            before, after = (why.log(pd.DataFrame({"x": side})).profile().view().get_column("x") for side in (was, now))
            return float(getattr(algorithm.calculate(after, before), field))

        return ask

    if kind == "number":
        return {"ks p": asked(drift.KS(), "pvalue"), "hellinger": asked(drift.Hellinger(), "statistic")}
    return {"chi2 p": asked(drift.ChiSquare(), "pvalue")}


def main(peer: str) -> None:
    warnings.simplefilter("ignore")
    said: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    said[peer] = {"version": importlib.metadata.version(peer)}
    for name, (was, now) in samples().items():
        kind = "category" if name in ("labels", "flag") else "number"
        said[peer][name] = {}
        for method, ask in globals()[peer](kind).items():
            try:
                said[peer][name][method] = round(float(ask(was.copy(), now.copy())), 12)
            except Exception as error:  # what a peer cannot compute is no answer
                print(f"{peer} {name} {method}: {error!r:.200}", file=sys.stderr)
    GOLDEN.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
