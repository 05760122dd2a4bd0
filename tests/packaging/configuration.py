"""A configuration that names files of another machine, loaded with files that are here."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import yaml
from driftline_processor.config.schema import Config, load

from tests.support.paths import ROOT


def load_with_files(text: str, folder: str, here: Path) -> Config:
    """Load a configuration whose tokens and certificates are below a folder; they are made below ``here``.

    Args:
        text: The text of driftline.yaml.
        folder: The folder of the files in the text, such as ``/secrets/``.
        here: The folder for files in their place.
    """
    tree: dict[str, Any] = yaml.safe_load(text.replace(folder, f"{here}/"))
    for token in tree["auth"]["tokens"]:
        file = Path(token["sha256_file"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(hashlib.sha256(token["name"].encode()).hexdigest(), encoding="ascii")
    certificates = Path(tree["web"]["tls"]["cert_file"]).parent
    subprocess.run(["sh", str(ROOT / "otel-config/make_certificates.sh"), str(certificates), "driftline"], check=True)
    tree["storage"]["directory"] = str(here / "state")
    file = here / "driftline.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load(file)
