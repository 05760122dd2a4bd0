"""Whatever a file holds, it is either taken or refused in sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline_processor.config.schema import validate_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = st.sampled_from(
    [
        "receivers",
        "otlp",
        "protocols",
        "grpc",
        "http",
        "endpoint",
        "web",
        "storage",
        "directory",
        "retention",
        "models",
        "churn",
        "task",
        "classes",
        "threshold",
        "positive_class",
        "baseline",
        "windows",
        "timezone",
        "outcome_delay",
        "slices",
        "cluster",
        "min_effect",
        "method",
        "methods",
        "features",
        "metrics",
        "feature",
        "feature_attribute",
        "score",
        "match",
        "rows",
        "gauge",
        "exporters",
        "otlp/a",
        "otlp_http/b",
        "forward",
        "derived",
        "headers",
        "compression",
        "timeout",
        "tls",
        "insecure",
        "ca_file",
        "temporality",
        "forward_headers",
        "ks",
        "nonsense",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["127.0.0.1:4317", "http://a:1", "1d", "90", "0s", "-1s", "binary", "traces", "${env:X:-1}", "[::1]:0"]
    ),
)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "driftline.yaml"


def check(path: Path) -> None:
    problems = [*map(str, validate_file(path))]
    assert all(isinstance(problem, str) and problem for problem in problems)
    assert len(problems) == len(set(problems))


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(KEYS, TREES, max_size=4))
def test_any_tree(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(tree))
    check(path)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    exporters=st.dictionaries(
        st.sampled_from(["otlp/a", "otlp_http/b", "c"]), st.dictionaries(KEYS, TREES, max_size=5)
    ),
    models=st.dictionaries(KEYS, st.dictionaries(KEYS, TREES, max_size=5), max_size=2),
)
def test_any_model_and_exporter(path: Path, exporters: dict[str, Any], models: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump({"exporters": exporters, "models": models}))
    check(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("ab:{}[]-,&*!|>'\"#%@`$ \n\t0"), max_size=30))
def test_any_text(path: Path, text: str) -> None:
    path.write_text(text)
    check(path)
