"""Data-quality checks, one per file under ``checks``, evaluated together.

May import `drift` and below.
"""

from .check import Check, CheckResult
from .feature_sums import CheckInput
from .judge import ALPHA, CHECKS, quality

__all__ = ["ALPHA", "CHECKS", "Check", "CheckInput", "CheckResult", "quality"]
