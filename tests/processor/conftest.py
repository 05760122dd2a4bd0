"""Tests of the processor open a state, the pages, or the files of a churn model."""

from __future__ import annotations

from tests.support.churn_files import files as files
from tests.support.churn_files import reference as reference
from tests.support.churn_files import run as run
from tests.support.churn_files import week as week
from tests.support.fake_view import browse as browse
from tests.support.fake_view import model as model
from tests.support.fake_view import served as served
from tests.support.kept_requests import kept as kept
from tests.support.state_fixtures import clock as clock
from tests.support.state_fixtures import connection as connection
from tests.support.state_fixtures import open_state as open_state
from tests.support.state_fixtures import state as state
from tests.support.state_fixtures import store as store
