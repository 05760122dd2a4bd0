"""Faults of the data itself, beside drift: one check a file under ``checks``, judged together.

May import `drift` and below.
"""

from .check import Check, CheckResult
from .feature_sums import CheckInput
from .judge import ALPHA, CHECKS, quality

__all__ = ["ALPHA", "CHECKS", "Check", "CheckInput", "CheckResult", "quality"]
