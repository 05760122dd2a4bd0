"""Where the repository and its golden files lie, whatever folder a test is in."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_FILES = ROOT / "tests" / "golden"
INSTRUMENT_PAGES = ROOT / "docs/instrument"

INTEGRATIONS = {
    "fastapi": ("web-services", "FastAPI"),
    "flask": ("web-services", "Flask"),
    "sklearn": ("estimators", "scikit-learn"),
    "xgboost": ("estimators", "XGBoost"),
    "lightgbm": ("estimators", "LightGBM"),
    "catboost": ("estimators", "CatBoost"),
    "torch": ("deep-learning", "PyTorch"),
    "onnxruntime": ("deep-learning", "ONNX Runtime"),
    "mlflow": ("deep-learning", "MLflow"),
    "experiment-trackers": ("deep-learning", "Weights & Biases, Comet"),
    "kserve": ("model-servers", "KServe and MLServer"),
    "bentoml": ("model-servers", "BentoML"),
    "ray-serve": ("model-servers", "Ray Serve"),
    "triton": ("model-servers", "Triton"),
    "sagemaker": ("model-servers", "SageMaker"),
    "vertex-ai": ("model-servers", "Vertex AI"),
}
"""The page of an integration, and the heading of its section there."""


def integration_section(name: str) -> str:
    """Return the section of the documentation about an integration."""
    page, heading = INTEGRATIONS[name]
    text = (INSTRUMENT_PAGES / f"{page}.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"docs/instrument/{page}.md has no section '{heading}'")
    return rest.partition("\n## ")[0]


def code_blocks(name: str, language: str) -> list[str]:
    """Return the blocks of a language in the section about an integration, also those within tabs."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```", integration_section(name), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]
