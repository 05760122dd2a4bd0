"""What NannyML 0.13.1 says of the PCA reconstruction error, on rows that are made anew from a seed.

    python -m venv peer && peer/bin/pip install nannyml==0.13.1 statsmodels
    peer/bin/python tests/golden/reconstruction.py

Writes reconstruction.json beside this file: the mean error of each chunk and the threshold. The test that reads it
makes the same rows.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = [f"x{at}" for at in range(8)]
CHUNK = 500
REFERENCE, ANALYSIS = 5_000, 1_500
FILE = Path(__file__).with_suffix(".json")


def made() -> dict[str, NDArray[np.float64]]:
    """8 features of 6,500 rows, four pairs correlated 0.7; from row 6,000 on, -0.7 with the same marginals."""
    rng = np.random.default_rng(20_261_120)
    z = rng.normal(size=(8, REFERENCE + ANALYSIS))
    turn = np.where(np.arange(REFERENCE + ANALYSIS) < REFERENCE + 1_000, 0.7, -0.7)
    z[1::2] = turn * z[::2] + np.sqrt(1 - 0.7**2) * z[1::2]
    z[2] = np.exp(z[2])
    z[0, ::17] = np.nan
    return dict(zip(NAMES, z, strict=True))


def main() -> None:
    """Ask NannyML."""
    import nannyml  # type: ignore[import-not-found]
    import pandas as pd

    frame = pd.DataFrame(made())
    calculator = nannyml.DataReconstructionDriftCalculator(column_names=NAMES, chunk_size=CHUNK)
    calculator.fit(frame.iloc[:REFERENCE])
    found = calculator.calculate(frame.iloc[REFERENCE:]).to_df()
    error = found[("reconstruction_error",)] if ("reconstruction_error",) in found else found["reconstruction_error"]
    of = found["chunk"]["period"] == "analysis"
    FILE.write_text(
        json.dumps(
            {
                "nannyml": nannyml.__version__,
                "reference": error["value"][~of].tolist(),
                "analysis": error["value"][of].tolist(),
                "upper": float(error["upper_threshold"].iloc[0]),
                "alert": [bool(one) for one in error["alert"][of]],
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
