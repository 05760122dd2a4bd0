"""Processes of the SDK are tested with internal errors raised, a stopped clock and numbered ids."""

from __future__ import annotations

from tests.support.sdk_fixtures import _inside as _inside
from tests.support.sdk_fixtures import reasons as reasons
from tests.support.sdk_fixtures import receiver as receiver
from tests.support.sdk_fixtures import service as service
