"""What is wrong with the data itself, beside drift: one check a file under ``checks``, each judged like the others."""

from .check import Check, Tested
from .judge import ALPHA, CHECKS, quality
from .look import Look

__all__ = ["ALPHA", "CHECKS", "Check", "Look", "Tested", "quality"]
