"""Examples of integrations run where their framework is installed."""

from __future__ import annotations

from importlib.util import find_spec

NEED_TORCH = ["torch.py", "device.py"]
collect_ignore = [] if find_spec("torch") else [f"integrations/driftline_integrations/{name}" for name in NEED_TORCH]
