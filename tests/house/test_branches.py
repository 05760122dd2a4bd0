"""A function is read at one sitting: there is a limit on its branches, and a lower one where claims are decided."""

from __future__ import annotations

import ast

import pytest

from .branches import branches_of_functions
from .modules import modules, within

MOST = 30
MOST_OF_CLAIMS = 20
CLAIMS = (
    "driftline_processor.core.verdict",
    "driftline_processor.policy.watch",
    "driftline_processor.evaluation.files",
)
"""Modules that decide what the product claims about a model, and what it sends messages about."""

STILL_ABOVE = {"driftline.capture.fast_call.recorded", "driftline.capture.fast_call.recorded.predict"}
"""Functions above their limit: a call inside them costs each decorated call 5 %. None is added."""


@pytest.mark.slow
def test_a_function_is_read_at_one_sitting() -> None:
    above = {
        name
        for module in modules()
        for name, branches in branches_of_functions(module.tree, module.name).items()
        if branches > (MOST_OF_CLAIMS if within(name, *CLAIMS) else MOST)
    }
    assert above == STILL_ABOVE


def test_the_modules_that_decide_claims_exist() -> None:
    names = {module.name for module in modules()}
    assert set(CLAIMS) - names == set()


@pytest.mark.parametrize(
    ("body", "branches"),
    [
        ("return x", 1),
        ("return 1 if x and y or z else 2", 4),
        ("if x: return 1\n  elif y: return 2\n  else: return 3", 3),
        ("for one in x:\n   while one: break", 3),
        ("return [one for two in x if two for one in two if one if y]", 6),
        ("try: assert x\n  except A: pass\n  except B: pass", 4),
        ("match x:\n   case 1: pass\n   case _: pass", 3),
        ("def inner():\n   if x: pass\n  return inner", 2),
    ],
)
def test_conditions_loops_and_handlers_are_branches(body: str, branches: int) -> None:
    tree = ast.parse(f"class Room:\n def outer(x, y, z):\n  {body}")
    assert branches_of_functions(tree, "house")["house.Room.outer"] == branches
