"""Tests of extensions use the files of a churn model and the state of a processor."""

from __future__ import annotations

from tests.support.churn_files import files as files
from tests.support.churn_files import reference as reference
from tests.support.churn_files import run as run
from tests.support.churn_files import week as week
from tests.support.fake_view import browse as browse
from tests.support.fake_view import served as served
from tests.support.state_fixtures import clock as clock
from tests.support.state_fixtures import open_state as open_state
from tests.support.state_fixtures import state as state
