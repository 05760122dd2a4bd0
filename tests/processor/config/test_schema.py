"""Wrong configurations never start, and say which key, which rule, which fix; all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import Config, ConfigError, Storage, load, validate_file
from driftline_processor.config.values import Address
from driftline_processor.core.metrics import install_metrics
from driftline_processor.custom_metrics import metric_of_function
from driftline_processor.exporters.types.otlp_grpc import OtlpGrpc
from driftline_processor.exporters.types.otlp_http import OtlpHttp

from tests.support.facts import Facts, lacking
from tests.support.paths import ROOT
from tests.support.unwrap import unwrap


def write(folder: Path, text: str) -> Path:
    path = folder / "driftline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


COMPLETE = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:4317"}, http: {endpoint: "127.0.0.1:4318"}}}}
web: {endpoint: "127.0.0.1:8780"}
storage: {directory: ./driftline-data, retention: 90d}
models:
  churn: {task: binary, classes: ["0", "1"], positive_class: "1", threshold: 0.5, windows: [1h, 1d],
          timezone: UTC, outcome_delay: 0s, slices: [region], min_effect: {}}
exporters:
  otlp_grpc/jaeger: {endpoint: "127.0.0.1:14317", tls: {insecure: true}, forward: [traces], derived: [traces]}
  otlp_http/prometheus: {endpoint: "http://127.0.0.1:9090/api/v1/otlp", derived: [metrics]}
"""


def test_the_documented_file_loads(tmp_path: Path) -> None:
    config = load(write(tmp_path, COMPLETE))
    churn, jaeger = config.models["churn"], config.exporters["otlp_grpc/jaeger"]
    assert (churn.task, churn.classes, churn.positive_class, churn.windows) == ("binary", ("0", "1"), "1", ("1h", "1d"))
    assert isinstance(jaeger, OtlpGrpc)
    assert (jaeger.tls.insecure, jaeger.forward, jaeger.derived) == (True, ("traces",), ("traces",))
    assert (jaeger.compression, jaeger.timeout, jaeger.temporality) == (None, timedelta(seconds=10), "cumulative")
    assert config.storage.retention == timedelta(days=90)
    assert config.storage.directory == tmp_path / "driftline-data"


def test_methods_are_chosen_per_model_and_per_feature(tmp_path: Path) -> None:
    text = "models: {churn: {method: cramer_von_mises, methods: [hellinger], features: {age: {method: [psi]}, plan: }}}"
    choices = load(write(tmp_path, text)).models["churn"].choices
    assert choices.of("age", "number") == ("psi", "js", "hellinger")
    assert choices.of("plan", "category") == ("chi2", "psi", "js", "hellinger")
    assert choices.of(None, "number") == ("cramer_von_mises", "psi", "js", "hellinger")


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("{method: kss}", ("models.churn.method:", "'kss'", "anderson_darling", "chi2")),
        ("{method: hellinger}", ("models.churn.method:", "'hellinger'")),
        ("{methods: [5]}", ("models.churn.methods:", "'5'")),
        ("{features: {age: {methods: [emd]}}}", ("models.churn.features.age.methods:", "'emd'")),
        ("{features: {age: {metod: psi}}}", ("models.churn.features.age.metod:", "'met")),
    ],
)
def test_a_method_that_there_is_not_is_named_with_those_there_are(tmp_path: Path, text: str, facts: Facts) -> None:
    (found,) = [*map(str, validate_file(write(tmp_path, f"models: {{churn: {text}}}")))]
    assert lacking(found, *facts) == []


def test_no_file_gives_the_documented_ports() -> None:
    protocols = load().receivers.otlp.protocols
    assert [unwrap(protocols.grpc).endpoint, unwrap(protocols.http).endpoint] == [
        Address("127.0.0.1", 4317),
        Address("127.0.0.1", 4318),
    ]
    assert load() == Config()


def test_two_loopback_addresses_may_share_a_port(tmp_path: Path) -> None:
    assert [*map(str, validate_file(write(tmp_path, "web: {endpoint: '127.0.0.2:4317'}")))] == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "models:\nexporters:\n", "{}"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    config = load(write(tmp_path, text))
    assert config.model_copy(update={"storage": Storage()}) == Config()
    assert config.storage.directory == tmp_path / "driftline-data"


def test_only_named_protocols_are_received_and_an_empty_one_has_its_defaults(tmp_path: Path) -> None:
    protocols = load(write(tmp_path, "receivers: {otlp: {protocols: {grpc: }}}")).receivers.otlp.protocols
    assert unwrap(protocols.grpc).endpoint == Address("127.0.0.1", 4317)
    assert protocols.http is None


ONE_PROBLEM = [
    ("models: {churn: {windows: [25]}}", "models.churn.windows: '25' has no unit; use '25h' or '25m'"),
    (
        "models: {churn: {windows: [7m]}}",
        "models.churn.windows: '7m' is not a multiple of 5 minutes; use '5m' or '10m'",
    ),
    (
        "models: {churn: {windows: []}}",
        "models.churn.windows: the list is empty; add at least one window, such as [1d]",
    ),
    (
        "storage: {max_size: 10}",
        "storage.max_size: '10' is not a size; use a number and a unit, such as '10GB' or '512MiB'",
    ),
    (
        "storage: {max_size: 10KB}",
        "storage.max_size: is less than 20MB, which aggregates may need without any rows; use more",
    ),
    (
        "models: {churn: {windows: [1d, 1d]}}",
        "models.churn.windows: 1d, 1d: one of these is listed twice; list each one once",
    ),
    ("models: {churn: {windows: 1d}}", "models.churn.windows: '1d' is not a list; use [1d]"),
    ("storage: {retention: 90}", "storage.retention: '90' has no unit; use '90d' or '90h'"),
    ("storage: {retention: 0d}", "storage.retention: nothing would be kept; use a longer duration, such as '90d'"),
    (
        "storage: {retention: soon}",
        "storage.retention: 'soon' is not a duration; use a number and a unit (ms, s, m, h, d, w), such as '10s'",
    ),
    ("storage: {retention: 1.5}", "storage.retention: '1.5' has no unit; use '1.5d' or '1.5h'"),
    ("storage: {directroy: x}", "storage.directroy: there is no such key; did you mean 'directory'?"),
    (
        "storage: {colour: x}",
        "storage.colour: there is no such key; the keys are directory, in_memory, retention, max_size, log, audit",
    ),
    ("modles: {}", "modles: there is no such key; did you mean 'models'?"),
    (
        "models: {churn: {positiv_class: x}}",
        "models.churn.positiv_class: there is no such key; did you mean 'positive_class'?",
    ),
    (
        "receivers: {otlp: {protocols: {grpc: {endpoit: x}}}}",
        "receivers.otlp.protocols.grpc.endpoit: there is no such key; did you mean 'endpoint'?",
    ),
    ("web: 8780", "web: '8780' is not a mapping of keys to values; indent the keys below it, or put them in braces"),
    (
        "web: {endpoint: 8780}",
        "web.endpoint: '8780' is not an address; use only 'host:port', as in '127.0.0.1:4318'",
    ),
    ("web: {endpoint: 'localhost:87800'}", "web.endpoint: port 87800 does not exist; ports go up to 65535"),
    (
        "web: {endpoint: 'localhost:4318'}",
        "web.endpoint: localhost:4318 is also the address of receivers.otlp.protocols.http.endpoint; "
        "use a different port",
    ),
    (
        "{insecure_anonymous: true, web: {endpoint: '0.0.0.0:4317'}}",
        "web.endpoint: 0.0.0.0:4317 is also the address of receivers.otlp.protocols.grpc.endpoint; "
        "use a different port",
    ),
    (
        "receivers: {otlp: {protocols: {}}}",
        "receivers.otlp.protocols: is empty, so nothing would be received; add grpc, http or both",
    ),
    (
        "models: {churn: {timezone: Mars/Olympus}}",
        "models.churn.timezone: 'Mars/Olympus' is not a time zone; use an IANA name, as in 'UTC' or 'Europe/Paris'",
    ),
    (
        "models: {churn: {task: classify}}",
        "models.churn.task: 'classify' is not allowed; use 'binary', 'multiclass', 'regression' or 'ranking'",
    ),
    (
        "models: {churn: {classes: [no, yes], positive_class: maybe}}",
        "models.churn.positive_class: 'maybe' is not in classes (no, yes); use one of them",
    ),
    (
        "models: {churn: {task: binary, classes: [a, b, c]}}",
        "models.churn.classes: a binary model has two classes, not 3 (a, b, c); remove some, or set task: multiclass",
    ),
    (
        "models: {churn: {classes: [1, 1.0]}}",
        "models.churn.classes: a class is listed twice (1, 1); 1, 1.0, '1' and true are the same class",
    ),
    (
        "models: {fare: {task: regression, threshold: 0.5}}",
        "models.fare.threshold: only a binary model has one; remove it, or set task: binary instead of regression",
    ),
    ("models: {churn: {threshold: 50}}", "models.churn.threshold: '50' is out of range; use a number from 0 to 1"),
    ("models: {churn: {threshold: half}}", "models.churn.threshold: 'half' is not a number"),
    ("models: {churn: {threshold: .nan}}", "models.churn.threshold: '.nan' is not a number"),
    (
        "exporters: {jaeger: {endpoint: 'a:1', forward: [traces]}}",
        "exporters.jaeger: the name must begin with the type of the exporter; use otlp_grpc/NAME or otlp_http/NAME",
    ),
    ("exporters: {otlp/a: {forward: [traces]}}", "exporters.otlp/a.endpoint: is missing and has no default"),
    (
        "exporters: {otlp_http/a: {endpiont: 'http://a:1', endpoint: 'http://a:1', forward: [traces]}}",
        "exporters.otlp_http/a.endpiont: there is no such key; did you mean 'endpoint'?",
    ),
    (
        "exporters: {otlp/a: 5}",
        "exporters.otlp/a: '5' is not a mapping of keys to values; indent the keys below it, or put them in braces",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1'}}",
        "exporters.otlp/a: sends nothing; add forward or derived, with one or more of these values: "
        "forward: [traces, metrics, logs, records], derived: [metrics, traces, logs]",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [spans]}}",
        "exporters.otlp/a.forward: 'spans' is not allowed; use 'traces', 'metrics', 'logs' or 'records'",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a', forward: [traces]}}",
        "exporters.otlp/a.endpoint: 'a' has no port; use 'a:4317'",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'my host:4317', forward: [traces]}}",
        "exporters.otlp/a.endpoint: 'my host:4317' has no host; use 'host:port', as in '127.0.0.1:14317'",
    ),
    (
        "exporters: {otlp_http/a: {endpoint: 'http://:4317', forward: [traces]}}",
        "exporters.otlp_http/a.endpoint: 'http://:4317' has no host; use a URL, as in 'http://127.0.0.1:14318'",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'kafka://a:1', forward: [traces]}}",
        "exporters.otlp/a.endpoint: 'kafka://' is not supported; use 'host:port', as in '127.0.0.1:14317'",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'http://a:1/v1', forward: [traces]}}",
        "exporters.otlp/a.endpoint: 'http://a:1/v1' has a path, which gRPC does not support; "
        "use 'host:port', or name the exporter otlp_http/NAME",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:99999', forward: [traces]}}",
        "exporters.otlp/a.endpoint: 'a:99999' has no valid port; use a number up to 65535",
    ),
    (
        "exporters: {otlp_http/a: {endpoint: 'a:4318', forward: [traces]}}",
        "exporters.otlp_http/a.endpoint: 'a:4318' has no scheme; use 'http://a:4318' or 'https://a:4318'",
    ),
    (
        "exporters: {otlphttp/a: {endpoint: 'http://a:4318/v1/traces', forward: [traces]}}",
        "exporters.otlphttp/a.endpoint: 'http://a:4318/v1/traces' contains the path of a signal; "
        "driftline adds /v1/traces itself, so remove it",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'http://localhost:4317', forward: [traces]}}",
        "exporters.otlp/a.endpoint: http://localhost:4317 is driftline's own "
        "receivers.otlp.protocols.grpc.endpoint, which would be a loop; use the address of another destination",
    ),
    (
        "exporters: {otlp_http/a: {endpoint: 'http://127.0.0.1:4318', derived: [metrics]}}",
        "exporters.otlp_http/a.endpoint: http://127.0.0.1:4318 is driftline's own "
        "receivers.otlp.protocols.http.endpoint, which would be a loop; use the address of another destination",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], headers: {api key: x}}}",
        "exporters.otlp/a.headers: 'api key' is not a valid header name; use letters, digits and hyphens",
    ),
    (
        'exporters: {otlp/a: {endpoint: "a:1", forward: [traces], headers: {api-key: "s3cret\\n"}}}',
        "exporters.otlp/a.headers.api-key: the value contains a line break or another character that is not allowed "
        "in a header",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], forward_headers: [Content-Type]}}",
        "exporters.otlp/a.forward_headers: 'Content-Type' belongs to the request itself and cannot be forwarded; "
        "remove it",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], compression: zstd}}",
        "exporters.otlp/a.compression: 'zstd' is not allowed; use 'gzip' or 'none'",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], tls: {insecure: perhaps}}}",
        "exporters.otlp/a.tls.insecure: 'perhaps' must be true or false",
    ),
    (
        "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], tls: {insecure: yes}}}",
        "exporters.otlp/a.tls.insecure: 'yes' must be true or false",
    ),
    (
        "web: {endpoint: ':1'}\nweb: {endpoint: ':2'}",
        "line 2, column 1: 'web' is already set in line 1; remove one of the two",
    ),
    (
        "models: {m: {features: {email: {expect: {pattern: '(?=a)b'}}}}}",
        "models.m.features.email.expect.pattern: '(?=a)b' cannot be used as a pattern: RE2 has no look-around, "
        "such as (?=...) and (?<!...)",
    ),
    ("web: {endpoint: [", "line 1, column 18: expected the node content, but found '<stream end>'"),
    ("web: &a {endpoint: *a}", "line 1, column 6: found unconstructable recursive node"),
    ("storage: {directory: [a]}", "storage.directory: ['a'] is not a path; use a string"),
    (
        "storage: {directory: ~nobody-here/x}",
        "storage.directory: '~nobody-here/x' begins with a user who does not exist; use the full path",
    ),
    ("- a", "the file must be a mapping of keys to values, such as 'web: {endpoint: \"127.0.0.1:8780\"}'"),
    (
        "storage: {directory: '${env:DRIFTLINE_NOT_SET}/x'}",
        "storage.directory: the environment variable DRIFTLINE_NOT_SET is not set; set it, "
        "or use '${env:DRIFTLINE_NOT_SET:-default}'",
    ),
]


@pytest.mark.parametrize(("text", "problem"), ONE_PROBLEM, ids=[problem[:60] for _, problem in ONE_PROBLEM])
def test_a_wrong_key_is_named_with_rule_and_fix(tmp_path: Path, text: str, problem: str) -> None:
    assert [*map(str, validate_file(write(tmp_path, text)))] == [problem]


@pytest.mark.slow
def test_a_file_nested_too_deeply_is_one_sentence(tmp_path: Path) -> None:
    [problem] = [*map(str, validate_file(write(tmp_path, "[" * 2000)))]
    assert problem.startswith("not valid YAML: maximum recursion depth exceeded")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = """
web: {endpoint: "localhost:4318"}
storage: {retention: 90, folder: x}
models: {churn: {windows: [25], timezone: Mars, classes: [a, b], positive_class: c}}
exporters:
  otlp/a: {endpoint: nowhere, forward: [traces]}
  otlp/b: {forward: [trace], compression: zip}
  otlp/c: {endpoint: "a:1"}
"""
    assert sorted(problem.key for problem in validate_file(write(tmp_path, text))) == [
        "exporters.otlp/a.endpoint",
        "exporters.otlp/b.compression",
        "exporters.otlp/b.endpoint",
        "exporters.otlp/b.forward",
        "exporters.otlp/c",
        "models.churn.positive_class",
        "models.churn.timezone",
        "models.churn.windows",
        "storage.folder",
        "storage.retention",
        "web.endpoint",
    ]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    assert [*map(str, validate_file(path))] == [f"{path}: cannot be read: No such file or directory"]
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)


def test_a_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert [*map(str, validate_file(path))] == [f"{path}: cannot be read: it is not UTF-8 text"]


def test_variables_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_TEST_TOKEN", "s3cret")
    monkeypatch.delenv("DRIFTLINE_TEST_PORT", raising=False)
    text = """
exporters:
  otlp/a: {endpoint: "a:${env:DRIFTLINE_TEST_PORT:-4317}", forward: [traces],
           headers: {api-key: "${env:DRIFTLINE_TEST_TOKEN}", price: "$$5", number: 0123}}
"""
    exporter = load(write(tmp_path, text)).exporters["otlp/a"]
    assert isinstance(exporter, OtlpGrpc)
    assert exporter.endpoint == "a:4317"
    assert {key: value.get_secret_value() for key, value in exporter.headers.items()} == {
        "api-key": "s3cret",
        "price": "$5",
        "number": "0123",
    }


SECRET = "hunter2-Z9!x"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("web: {endpoint: '${env:DRIFTLINE_TEST_TOKEN}'}", ("web.endpoint: '${env:DRIFTLINE_TEST_TOKEN}' ",)),
        (
            "models: {m: {windows: ['${env:DRIFTLINE_TEST_TOKEN}']}}",
            ("models.m.windows: '${env:DRIFTLINE_TEST_TOKEN}' ",),
        ),
        ("models: {m: {baseline: 'x/${DRIFTLINE_TEST_TOKEN}'}}", ("models.m.baseline:",)),
        (
            "exporters: {otlp/a: {endpoint: 'ftp://me:${env:DRIFTLINE_TEST_TOKEN:-none}@a:1', forward: [traces]}}",
            ("exporters.otlp/a.endpoint: ",),
        ),
    ],
)
def test_a_problem_names_the_variable_and_never_shows_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, facts: Facts
) -> None:
    monkeypatch.setenv("DRIFTLINE_TEST_TOKEN", SECRET)
    [said] = [*map(str, validate_file(write(tmp_path, text)))]
    assert lacking(said, *facts) == []
    assert SECRET not in said
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "driftline.yaml")
    assert [*map(str, refused.value.problems)] == [said]


def leaves(tree: object) -> Iterator[tuple[dict[str, Any] | list[Any], Any]]:
    """Every value of a tree, as what holds it and where."""
    if isinstance(tree, dict | list):
        for place in list(tree) if isinstance(tree, dict) else range(len(tree)):
            if isinstance(tree[place], dict | list):
                yield from leaves(tree[place])
            else:
                yield tree, place


@pytest.mark.slow
def test_no_key_of_the_annotated_configuration_shows_what_a_variable_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_TEST_TOKEN", SECRET)
    annotated = yaml.safe_load((ROOT / "otel-config" / "driftline.yaml").read_text())
    pieces = [SECRET[at : at + 6].lower() for at in range(len(SECRET) - 5)]
    wrong = 0
    for holder, place in list(leaves(annotated)):
        kept, holder[place] = holder[place], "${env:DRIFTLINE_TEST_TOKEN}"
        problems = [*map(str, validate_file(write(tmp_path, yaml.safe_dump(annotated))))]
        holder[place] = kept
        wrong += any("${env:DRIFTLINE_TEST_TOKEN}" in problem for problem in problems)
        assert [problem for problem in problems if any(piece in problem.lower() for piece in pieces)] == []
    assert wrong > 10


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], headers: {api-key: s3cret}}}"
    config = load(write(tmp_path, text))
    assert "s3cret" not in f"{config!r} {config}"
    assert "api-key" in repr(config)


def test_a_baseline_is_looked_for_beside_the_file_and_must_load(tmp_path: Path) -> None:
    problems = [*map(str, validate_file(write(tmp_path, "models: {churn: {baseline: churn.baseline.json}}")))]
    assert len(problems) == 1
    assert (
        lacking(
            problems[0], "models.churn.baseline:", f"{tmp_path / 'churn.baseline.json'}", "'driftline baseline build'"
        )
        == []
    )
    (tmp_path / "churn.baseline.json").write_text("{}")
    [problem] = [*map(str, validate_file(tmp_path / "driftline.yaml"))]
    said = f"models.churn.baseline: {tmp_path / 'churn.baseline.json'}: this is not a baseline, because it has no"
    assert problem.startswith(said)


def test_a_baseline_of_another_task_or_other_classes_is_found(tmp_path: Path) -> None:
    rows = {"age": np.array([20.0, 30.0, 40.0, 50.0])}
    scores, actual = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])
    baseline = Baseline.from_frame(rows, score=scores, actual=actual, model="churn", task="binary")
    baseline.save(tmp_path / "b.json")
    fine = "models: {churn: {baseline: b.json, task: binary, classes: [0, 1]}}"
    assert [*map(str, validate_file(write(tmp_path, fine)))] == []
    assert [*map(str, validate_file(write(tmp_path, "models: {churn: {baseline: b.json, task: regression}}")))] == [
        f"models.churn.task: 'regression', but the baseline {tmp_path / 'b.json'} is for a binary model; "
        "use the same task"
    ]
    assert [*map(str, validate_file(write(tmp_path, "models: {churn: {baseline: b.json, classes: [stay, go]}}")))] == [
        f"models.churn.classes: stay, go, but the baseline {tmp_path / 'b.json'} has 0, 1; use the same classes, "
        "or rebuild the baseline"
    ]


def test_the_path_of_a_certificate_is_relative_to_the_configuration(tmp_path: Path) -> None:
    text = "exporters: {otlp/a: {endpoint: 'a:1', forward: [traces], tls: {ca_file: no.pem}}}"
    [problem] = validate_file(write(tmp_path, text))
    assert str(problem).startswith(f"exporters.otlp/a.tls.ca_file: {tmp_path}/no.pem cannot be read: No such file")


@pytest.mark.parametrize(
    ("url", "name", "endpoint", "insecure"),
    [
        ("http://127.0.0.1:14318", "otlp_http/forward", "http://127.0.0.1:14318", False),
        ("https://otlp.example/x", "otlp_http/forward", "https://otlp.example/x", False),
        ("127.0.0.1:14317", "otlp_grpc/forward", "127.0.0.1:14317", True),
        ("grpc://127.0.0.1:14317/", "otlp_grpc/forward", "127.0.0.1:14317", True),
        ("grpcs://otlp.example:443", "otlp_grpc/forward", "otlp.example:443", False),
    ],
)
def test_forward_sends_everything_to_one_url(url: str, name: str, endpoint: str, insecure: bool) -> None:
    exporter = load(None, url).exporters[name]
    assert isinstance(exporter, OtlpHttp if name.startswith("otlp_http") else OtlpGrpc)
    assert (exporter.endpoint, exporter.tls.insecure) == (endpoint, insecure)
    assert exporter.forward == ("traces", "metrics", "logs", "records")
    assert exporter.derived == ("metrics", "traces", "logs")


def test_forwarding_to_oneself_is_a_loop() -> None:
    with pytest.raises(ConfigError, match="a loop"):
        load(None, "http://localhost:4318")


def test_forwarding_to_an_unknown_scheme_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"http://.*https://.*grpc://.*grpcs://.*host:port"):
        load(None, "kafka://broker:9092")


@pytest.mark.parametrize(
    ("written", "facts"),
    [
        ("{enable: true}", ("models.churn.concept.enable:", "'enabled'")),
    ],
)
def test_what_is_wrong_with_concept_drift_is_said(tmp_path: Path, written: str, facts: Facts) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(f"models: {{churn: {{concept: {written}}}}}")
    (found,) = [*map(str, validate_file(path))]
    assert lacking(found, *facts) == []


@pytest.mark.parametrize(
    ("written", "facts"),
    [
        ("{metric: recall, min: 0.9, slice: 7}", ("country=NL",)),
        ("{metric: recall, min: 0.9, slice: country, window: 1h, rolling: true}", ("rolling",)),
        ("{metric: recall, min: 0.9, slice: a, min_rows: 0}", ("min_rows:",)),
        ("{metric: recall, min: 0.9, alert_after: true}", ("alert_after:",)),
        ("recall >= 0.9 in country= over 1d", ("'country='", "key=value")),
        ("acuracy >= 0.85", ("performance.objectives:", "'acuracy'", "'accuracy'")),
        ("{metric: acuracy, min: 0.85}", ("performance.objectives:", "'acuracy'", "'accuracy'")),
        ("recall >= 0.9 in country over 5m", ("one hour",)),
    ],
)
def test_what_is_wrong_with_an_objective_is_said(tmp_path: Path, written: str, facts: Facts) -> None:
    text = f"models: {{churn: {{windows: [5m, 1d], performance: {{objectives: [{written}]}}}}}}"
    [problem] = [*map(str, validate_file(write(tmp_path, text)))]
    assert lacking(problem, *facts) == []


def test_an_objective_is_of_a_metric_that_the_model_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    text = "models: {churn: {task: regression, performance: {objectives: [rmsee <= 3, saved >= 1], metrics: [maee]}}}"
    saved = metric_of_function("saved", lambda *_: 1.0)
    monkeypatch.setattr("driftline_processor.config.schema.load_custom_metrics", lambda: install_metrics([saved]))
    request.addfinalizer(lambda: install_metrics(()))
    assert lacking(next(map(str, validate_file(write(tmp_path, text)))), "'maee'", "'mae'") == []
    [second] = [*map(str, validate_file(write(tmp_path, text.replace("maee", "saved"))))]
    assert lacking(second, "models.churn.performance.objectives:", "'rmsee'", "'rmse'") == []
    assert load(write(tmp_path, text.replace("maee", "saved").replace("rmsee", "rmse"))).models["churn"].performance


def test_an_objective_of_a_slice_is_read_in_either_form_and_its_key_is_cut_by(tmp_path: Path) -> None:
    said = "[{metric: recall, min: 0.9, slice: vip=true, window: 1d, alert_after: 3}, 'recall >= 0.9 in vip=1 over 1d']"
    text = f"models: {{churn: {{slices: [country], performance: {{objectives: {said}}}}}}}"
    model = load(write(tmp_path, text)).models["churn"]
    one, other = model.performance.objectives
    assert (one.rule, other.rule, one.alert_after) == (other.rule, "recall >= 0.9 in vip=1 over 1d", 3)
    assert model.sliced == ("country", "vip")


@pytest.mark.parametrize(
    ("written", "facts"),
    [
        ("limits: {connections: many}", ("limits.connections:", "'many'")),
        ("limits: {request_bytes: 1MiB}", ("limits.request_bytes:", "32MiB", "20MiB")),
        (
            "allowed_hosts: ['http://drift.example.com']",
            ("allowed_hosts:", "'http://drift.example.com'", "'drift.example.com'", "'*.example.com'"),
        ),
        (
            "receivers: {otlp: {protocols: {http: {cors: {allowed_origins: [shop.example.com]}}}}}",
            ("receivers.otlp.protocols.http.cors.allowed_origins:", "'shop.example.com'", "'https://shop.example.com'"),
        ),
    ],
)
def test_limits_and_names_that_cannot_be_are_named(written: str, facts: Facts, tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text(written)
    (found,) = [*map(str, validate_file(path))]
    assert lacking(found, *facts) == []


def test_one_host_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("{allowed_hosts: drift.example.com, limits: {request_bytes: 1GiB}}")
    assert load(path).allowed_hosts == ("drift.example.com",)
    assert load(path).limits.request_bytes == 2**30


def test_storage_in_memory_can_be_said_in_short(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("storage: memory")
    assert load(path).storage.in_memory
    path.write_text("storage: disk")
    (problem,) = [*map(str, validate_file(path))]
    assert problem.startswith("storage")


def test_links_are_as_they_are_written(tmp_path: Path) -> None:
    web = "web: {public_url: 'https://example.com/driftline/', trace_url: 'http://jaeger:16686/trace/{trace_id}?uiFind={span_id}'}"
    found = load(write(tmp_path, web)).web
    assert found.public_url == "https://example.com/driftline"
    assert found.trace_url == "http://jaeger:16686/trace/{trace_id}?uiFind={span_id}"
    assert (load().web.public_url, load().web.trace_url) == ("", "")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            "public_url: driftline.example.com",
            "public_url: 'driftline.example.com' is not the URL of a page; use http or https, host and path, "
            "as in 'https://driftline.example.com'",
        ),
        (
            "public_url: 'javascript:alert(1)//x'",
            "public_url: 'javascript:alert(1)//x' is not the URL of a page; use http or https, host and path, "
            "as in 'https://driftline.example.com'",
        ),
        (
            "public_url: 'https://example.com?x=1'",
            "public_url: 'https://example.com?x=1' must end with its path; remove '?' or '#' and what follows",
        ),
        (
            "public_url: 'https://ann:secret@example.com'",
            "public_url: 'example.com' is preceded by a user name, which every link would show; remove the user name",
        ),
        (
            "trace_url: 'http://localhost:16686/trace/'",
            "trace_url: 'http://localhost:16686/trace/' has no {trace_id}; "
            "use for example 'http://localhost:16686/trace/{trace_id}'",
        ),
        (
            "trace_url: 'http://localhost:16686/trace/{traceID}'",
            "trace_url: 'http://localhost:16686/trace/{traceID}' contains {traceID}, which is not a placeholder; "
            "use {trace_id} or {span_id}",
        ),
        (
            "trace_url: 'http://localhost:16686/{trace_id.__class__}'",
            "trace_url: 'http://localhost:16686/{trace_id.__class__}' contains {trace_id.__class__}, "
            "which is not a placeholder; use {trace_id} or {span_id}",
        ),
        (
            "trace_url: 'http://localhost:16686/{trace_id!r}'",
            "trace_url: 'http://localhost:16686/{trace_id!r}' has more than the name inside the braces of {trace_id}; "
            "use only {trace_id}",
        ),
        (
            "trace_url: 'http://localhost:16686/{trace_id'",
            "trace_url: 'http://localhost:16686/{trace_id' has an unmatched brace; "
            "use for example 'http://localhost:16686/trace/{trace_id}'",
        ),
        (
            "trace_url: 'http://{trace_id}.example.com/'",
            "trace_url: 'http://{trace_id}.example.com/' has a placeholder in its host; "
            "put {trace_id} after the host, as in 'http://localhost:16686/trace/{trace_id}'",
        ),
        (
            "trace_url: 'ftp://localhost/{trace_id}'",
            "trace_url: 'ftp://localhost/{trace_id}' is not the URL of a page; use http or https, host and path, "
            "as in 'http://localhost:16686/trace/{trace_id}'",
        ),
    ],
)
def test_a_link_that_would_lead_nowhere_is_named(written: str, problem: str, tmp_path: Path) -> None:
    key, _, value = written.partition(": ")
    assert [*map(str, validate_file(write(tmp_path, f"web:\n  {key}: {value}\n")))] == [f"web.{problem}"]


def test_a_model_has_a_team_and_a_tier(tmp_path: Path) -> None:
    models = load(write(tmp_path, "models: {churn: {team: payments, tier: 1}, flights: }")).models
    assert (models["churn"].team, models["churn"].tier) == ("payments", 1)
    assert (models["flights"].team, models["flights"].tier) == (None, None)


@pytest.mark.parametrize("written", ["tier: 0", "tier: 4", "tier: '1'", "tier: true", "team: ''", f"team: {'x' * 81}"])
def test_a_team_or_tier_that_cannot_be_is_named(written: str, tmp_path: Path) -> None:
    (problem,) = [*map(str, validate_file(write(tmp_path, f"models: {{churn: {{{written}}}}}")))]
    assert problem.startswith(f"models.churn.{written.partition(':')[0]}: ")


@pytest.mark.parametrize("section", ["policies", "silences", "channels"])
@pytest.mark.parametrize("name", ["", " "])
def test_what_has_no_name_is_refused(section: str, name: str) -> None:
    keys: dict[str, Any] = {
        "policies": {"when": "data faulty"},
        "silences": {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
        "channels": {"url": "https://127.0.0.1:1/"},
    }
    config = Config.model_validate({"storage": "memory", section: {name: keys[section]}})
    (problem,) = [*map(str, config.problems())]
    assert problem.startswith(f"{section}: ")


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("notify: [taem]\nchannels: {team: 'https://a.example/x'}", ("notify.0:", "'taem'", "'team'")),
        ("notify: 'https://me:hunter22@[::1/x'", ("notify.0:", "'https://'", "'https://host/path'")),
        ("notify: 'https://me:hunter22@a.example:99999999/x'", ("notify.0:", "'https://'", "'https://host/path'")),
        ("notify: 'htps://a.example/x'", ("notify.0:", "'htps'", "'https'", "'httpsms'")),
        (
            "notify: ['https://a.example/x', 'slack://${DRIFTLINE_NOT_SET}/x']",
            ("notify.1:", "DRIFTLINE_NOT_SET", "'${env:DRIFTLINE_NOT_SET:-default}'"),
        ),
        (
            "channels: {team: 'slack://${DRIFTLINE_NOT_SET}/x'}",
            ("channels.team:", "DRIFTLINE_NOT_SET", "'${env:DRIFTLINE_NOT_SET:-default}'"),
        ),
        (
            "web: {endpoint: '${DRIFTLINE_NOT_SET}'}",
            ("web.endpoint:", "DRIFTLINE_NOT_SET", "'${env:DRIFTLINE_NOT_SET:-default}'"),
        ),
        ("policies: {p: {when: features drfit}}", ("policies.p.when:", "'features drfit'", "'features drift'")),
        ("policies: {p: {when: 3 featurs drift}}", ("policies.p.when:", "'3 featurs drift'", "'3 features drift'")),
        ("policies: {p: {when: accuracy < 85}}", ("policies.p.when: accuracy:", "'85'", "'85 %'")),
        ("policies: {p: {when: accuracy < 850 %}}", ("policies.p.when: accuracy:", "'850 %'", "100 %", "'100 %'")),
    ],
)
def test_one_mistake_is_one_sentence_with_what_was_meant(tmp_path: Path, text: str, facts: Facts) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(text, encoding="utf-8")
    (found,) = [*map(str, validate_file(file))]
    assert lacking(found, *facts) == []
