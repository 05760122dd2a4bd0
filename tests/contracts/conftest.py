"""Contracts are checked on a state, and on the files of a churn model."""

from __future__ import annotations

from tests.support.churn_files import files as files
from tests.support.churn_files import reference as reference
from tests.support.churn_files import run as run
from tests.support.churn_files import week as week
from tests.support.kept_requests import kept as kept
from tests.support.state_fixtures import clock as clock
from tests.support.state_fixtures import open_state as open_state
from tests.support.state_fixtures import state as state
