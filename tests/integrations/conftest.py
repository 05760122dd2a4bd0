"""Tests of integrations run as those of the SDK do: internal errors raised, a stopped clock and numbered ids."""

from __future__ import annotations

from tests.sdk.conftest import _inside as _inside
from tests.sdk.conftest import receiver as receiver
from tests.sdk.conftest import service as service
