"""`driftline evaluate` end to end: numbers against pandas, scikit-learn and scipy on the same files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.metrics import misnamed
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers import row_store
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking


def windows(run: Run, *arguments: object) -> list[dict[str, Any]]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)["windows"]
    return found


def test_two_files_and_nothing_else(run: Run, files: Path) -> None:
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json")
    answer = json.loads(result.stdout)
    assert (answer["model"], answer["version"], len(answer["windows"])) == ("week", "", 1)
    window = answer["windows"][0]
    assert window["rows"] == 3_000
    assert set(window["drift"]["features"]) == {"age", "region", "vip", "income", "score"}
    assert lacking(result.stderr, "--task") == []
    assert window["performance"]["estimated"] == {}
    assert window["performance"]["realized"] == window["performance"]["slices"] == {}
    assert window["performance"]["weak_slices"] is None
    assert window["outcomes"] == {"rows": 0, "coverage": 0.0, "delay": None, "sla": None}


def test_the_json_has_exactly_the_promised_shape(run: Run, files: Path) -> None:
    options = ("--task", "binary", "--outcomes", files / "outcomes.csv", "--version", "7", "--model", "churn")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json", *options)
    answer = json.loads(result.stdout)
    assert list(answer) == ["model", "version", "verdict", "concept", "outcome_delay", "windows", "columns"]
    assert answer["outcome_delay"] == {"seconds": None, "source": "unknown", "outcomes": None}
    concept = answer["concept"]
    assert list(concept) == [
        *("state", "measure", "since", "before", "after", "rise", "outcomes", "unusable", "corrected"),
        *("reason", "changes", "slices"),
    ]
    assert (concept["state"], concept["measure"]) == ("ok", "error_rate")
    assert (concept["outcomes"], concept["corrected"], concept["changes"]) == (2_400, 0, [])
    accuracy = answer["windows"][0]["performance"]["realized"]["accuracy"]["value"]
    assert concept["after"] == pytest.approx(1 - accuracy, abs=1e-12)
    assert (answer["model"], answer["version"]) == ("churn", "7")
    window = answer["windows"][0]
    assert list(window) == [
        "start",
        "end",
        "rows",
        "distributed",
        "closed",
        "verdict",
        "baseline",
        "drift",
        "explanation",
        "change",
        "service",
        "service_slices",
        "performance",
        "outcomes",
        "quality",
    ]
    assert list(window["drift"]) == [
        "features",
        "score",
        "class",
        "multivariate",
        "fraction",
        "weighted_fraction",
        "drifted_slices",
        "slices",
        "incident",
        "lasting",
    ]
    together = window["drift"]["multivariate"]["correlation"]
    assert list(together) == ["state", "reason", "rows", "value", "p_value", "was", "now", "contributors", "sentence"]
    assert list(together["contributors"][0]) == ["features", "value", "was", "now", "p_value"]
    age = window["drift"]["features"]["age"]
    assert list(age) == [
        "state",
        "reason",
        "decided_by",
        "rows",
        "methods",
        "effect",
        "size",
        "missing",
        "design_effect",
        "blocks",
        "detectable_change",
        "pooled",
        "alike",
        "p_normal_variation",
        "sentence",
    ]
    assert set(age["methods"]) == {"ks", "psi", "js"}
    assert list(age["methods"]["ks"]) == ["value", "p_value"]
    assert set(window["drift"]["class"]["methods"]) == {"chi2", "psi", "js"}
    why = window["explanation"]
    assert list(why) == ["sentence", "score", "causes"]
    assert list(why["causes"][0]) == [
        *("features", "check", "moved", "changes", "slice", "since", "or_earlier", "p_value"),
        *("importance", "weight", "score_shift", "sentence"),
    ]
    assert list(window["performance"]) == [
        *("maturity", "immature", "positive_class", "unreviewed", "realized", "estimated", "changes"),
        *("estimated_changes", "level", "constant_comparison", "importance_weighted", "label_shift", "slices"),
        *("label_age", "fast_labels", "weak_slices", "slice_change"),
        *("fairness", "broken", "inconclusive_windows", "overdue", "objectives"),
    ]
    auc = window["performance"]["realized"]["roc_auc"]
    assert list(auc) == ["value", "low", "high", "interval", "rows", "effective_rows", "source"]
    assert (auc["interval"], auc["rows"], auc["source"]) == ("logit", 2_400, "rows")
    assert auc["low"] < auc["value"] < auc["high"]
    assert window["outcomes"] == {"rows": 2_400, "coverage": 0.8, "delay": None, "sla": None}
    assert window["closed"] is True
    [finding] = window["quality"]["findings"]
    assert list(finding) == ["check", "features", "severity", "was", "now", "p_value", "sentence"]
    assert (finding["check"], finding["features"], finding["severity"]) == ("missing", ["income"], "major")
    assert lacking(finding["sentence"], "income:", "16 %", "3.2 %") == []


def test_drift_is_what_scipy_says(run: Run, files: Path, reference: pd.DataFrame, week: pd.DataFrame) -> None:
    [window] = windows(run, files / "week.parquet", "--baseline", files / "reference.parquet")
    features = window["drift"]["features"]

    counts = [frame["region"].value_counts().sort_index().to_numpy() for frame in (reference, week)]
    chi2 = stats.chi2_contingency(np.array(counts), correction=False)
    assert features["region"]["methods"]["chi2"]["value"] == pytest.approx(chi2.statistic, rel=1e-9)
    js = jensenshannon(*counts, base=2)
    assert features["region"]["methods"]["js"]["value"] == pytest.approx(js, rel=1e-9)

    ks = stats.ks_2samp(reference["income"].dropna(), week["income"].dropna(), method="asymp").statistic
    # over 100 quantile bins the distance can be missed by what one bin holds on both sides
    assert features["income"]["methods"]["ks"]["value"] == pytest.approx(ks, abs=0.02)
    assert features["income"]["rows"] == week["income"].notna().sum()

    assert {name: feature["state"] for name, feature in features.items()} == {
        "age": "inconclusive",  # moderate; so few weeks do not say what weeks do by themselves
        "region": "drift",
        "score": "inconclusive",
        "vip": "ok",
        "income": "ok",
    }
    assert window["drift"]["fraction"] == 1 / 3


def test_ks_is_exact_where_every_value_has_a_bin(
    run: Run, tmp_path: Path, reference: pd.DataFrame, week: pd.DataFrame
) -> None:
    for name, frame in (("was", reference), ("is", week)):
        pd.DataFrame({"decade": frame["age"] // 10}).to_parquet(tmp_path / f"{name}.parquet")
    [window] = windows(run, tmp_path / "is.parquet", "--baseline", tmp_path / "was.parquet")
    expected = stats.ks_2samp(reference["age"] // 10, week["age"] // 10, method="asymp")
    ks = window["drift"]["features"]["decade"]["methods"]["ks"]
    assert ks["value"] == pytest.approx(expected.statistic, abs=1e-12)


def test_p_values_are_corrected_over_the_features(run: Run, files: Path) -> None:
    [window] = windows(run, files / "week.parquet", "--baseline", files / "reference.parquet")
    p = [f["methods"][f["decided_by"]]["p_value"] for f in window["drift"]["features"].values()]
    alone = []
    for name in ("age", "region", "vip", "income", "score"):
        [one] = windows(run, files / "week.parquet", "--baseline", files / "reference.parquet", "--features", name)
        feature = one["drift"]["features"][name]
        alone.append(feature["methods"][feature["decided_by"]]["p_value"])
    assert sorted(p) == pytest.approx(sorted(stats.false_discovery_control(alone)), rel=1e-9)


def test_performance_is_what_scikit_learn_says(run: Run, files: Path, week: pd.DataFrame) -> None:
    [window] = windows(
        run, files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary",
        "--outcomes", files / "outcomes.csv",
    )  # fmt: skip
    known = week.head(2_400)
    y, p, decided = known["actual"], known["score"], known["score"] >= 0.5
    expected = {
        "accuracy": metrics.accuracy_score(y, decided),
        "precision": metrics.precision_score(y, decided),
        "recall": metrics.recall_score(y, decided),
        "f1": metrics.f1_score(y, decided),
        "roc_auc": metrics.roc_auc_score(y, p),
        "log_loss": metrics.log_loss(y, p),
        "brier": metrics.brier_score_loss(y, p),
    }
    realized = window["performance"]["realized"]
    assert {name: realized[name]["value"] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_every_metric_can_stand_in_a_condition(run: Run, tmp_path: Path, kind: str) -> None:
    said = "predicted" if kind == "multiclass" else "score"
    pd.DataFrame({said: [0, 1] * 50, "actual": [0, 1] * 50, "x": range(100)}).to_csv(tmp_path / "rows.csv", index=False)
    [window] = windows(run, tmp_path / "rows.csv", "--baseline", tmp_path / "rows.csv", "--task", kind)
    realized = set(window["performance"]["realized"])
    assert len(realized) > 3
    assert [misnamed(name, kind) for name in realized] == [""] * len(realized)


@pytest.mark.slow
def test_a_built_baseline_says_the_same_as_its_rows(run: Run, files: Path) -> None:
    built = run(
        "baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary",
        "-o", files / "churn.baseline.json",
    )  # fmt: skip
    assert built.exit_code == 0, built.stderr
    from_rows = windows(run, files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    assert windows(run, files / "week.parquet", "--baseline", files / "churn.baseline.json") == from_rows


def test_multiclass(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    scores = random.dirichlet([2, 1, 1], 1_000)
    names = np.array(["bus", "car", "train"])
    frame = pd.DataFrame(scores, columns=["p_bus", "p_car", "p_train"])
    frame["x"] = random.normal(size=1_000)
    frame["truth"] = names[[random.choice(3, p=row) for row in scores]]
    frame.to_parquet(tmp_path / "trips.parquet")
    [window] = windows(
        run, tmp_path / "trips.parquet", "--baseline", tmp_path / "trips.parquet", "--task", "multiclass",
        "--score", "p_bus,p_car,p_train", "--classes", "bus,car,train", "--actual", "truth",
    )  # fmt: skip
    realized = {name: metric["value"] for name, metric in window["performance"]["realized"].items()}
    decided = names[scores.argmax(axis=1)]
    assert realized["accuracy"] == pytest.approx(metrics.accuracy_score(frame["truth"], decided), rel=1e-9)
    assert realized["f1"] == pytest.approx(metrics.f1_score(frame["truth"], decided, average="macro"), rel=1e-9)
    assert realized["log_loss"] == pytest.approx(metrics.log_loss(frame["truth"], scores), rel=1e-9)
    assert list(window["drift"]["features"]) == ["x"]
    assert window["drift"]["score"]["state"] == window["drift"]["class"]["state"] == "ok"


def test_regression(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"x": random.normal(size=500)})
    frame["predicted"] = 3 * frame["x"]
    frame["actual"] = frame["predicted"] + random.normal(size=500)
    frame.to_parquet(tmp_path / "price.parquet")
    [window] = windows(
        run, tmp_path / "price.parquet", "--baseline", tmp_path / "price.parquet", "--task", "regression"
    )
    realized = {name: metric["value"] for name, metric in window["performance"]["realized"].items()}
    y, value = frame["actual"], frame["predicted"]
    assert realized["mae"] == pytest.approx(metrics.mean_absolute_error(y, value), rel=1e-9)
    assert realized["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, value), rel=1e-9)
    assert realized["r2"] == pytest.approx(metrics.r2_score(y, value), rel=1e-9)
    assert window["drift"]["class"] is None


@pytest.mark.slow
def test_windows_of_a_day_are_the_days_of_pandas(run: Run, files: Path, week: pd.DataFrame) -> None:
    found = windows(
        run, files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary",
        "--outcomes", files / "outcomes.csv", "--window", "1d",
    )  # fmt: skip
    days = week.groupby(week["time"].dt.strftime("%Y-%m-%dT00:00:00Z"))
    assert {window["start"]: window["rows"] for window in found} == days.size().to_dict()
    assert found[0]["end"] == found[1]["start"]
    assert all(window["closed"] for window in found)
    known = week.head(2_400)
    first = known[known["time"].dt.strftime("%Y-%m-%dT00:00:00Z") == found[0]["start"]]
    auc = found[0]["performance"]["realized"]["roc_auc"]["value"]
    assert auc == pytest.approx(metrics.roc_auc_score(first["actual"], first["score"]), rel=1e-9)
    assert sum(window["outcomes"]["rows"] for window in found) == 2_400


def test_windows_of_rows_follow_the_time(run: Run, files: Path, week: pd.DataFrame) -> None:
    week.drop(columns="actual").sample(frac=1, random_state=5).to_parquet(files / "shuffled.parquet")
    options = ("--baseline", files / "reference.parquet", "--window-rows", 1_400)
    found = windows(run, files / "shuffled.parquet", *options)
    assert [window["rows"] for window in found] == [1_400, 1_400, 200]
    assert found[0]["start"] == week["time"].iloc[0].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found == windows(run, files / "week.parquet", *options)


def test_several_files_are_one_set_of_rows(run: Run, files: Path, week: pd.DataFrame) -> None:
    part = week.drop(columns="actual")
    part.head(1_000).to_parquet(files / "a.parquet")
    part.tail(2_000).to_csv(files / "b.csv", index=False)
    options = ("--baseline", files / "reference.parquet", "--model", "churn")
    whole = windows(run, files / "week.parquet", *options)
    assert windows(run, files / "a.parquet", files / "b.csv", *options) == whole


@pytest.mark.parametrize("most", [1_000_000, 100])
@pytest.mark.parametrize("outcomes", [False, True])
@pytest.mark.parametrize(
    ("ids", "hours", "repeats"),
    [
        ([1, 2, 3, 2, 1], None, "2 of 905 rows repeat the id of an earlier row, and each counts: the first is row 4;"),
        ([1, 2, 3, 2, 1], [0, 1, 2, 1, 9], "1 of 905 rows repeat the id and time of an earlier row, and each counts: "),
        ([1, 2, 3, 2, 1], [0, 1, 2, 3, 4], ""),
        ([1, 2, 3, None, None], None, ""),
    ],
)
def test_rows_that_repeat_an_earlier_row_by_id_are_reported(
    ids: list[int | None],
    hours: list[int] | None,
    repeats: str,
    outcomes: bool,
    most: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ids that are scored again at a later time, such as customers, are not copies."""
    monkeypatch.setattr(row_store, "MOST_IN_MEMORY", most)
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"id": pd.array([*ids, *range(100, 1_000)], "Int64"), "x": random.normal(size=905)})
    frame["score"] = random.random(905)
    if hours is not None:
        frame["time"] = pd.Timestamp("2026-01-05") + pd.to_timedelta([*hours, *range(900)], unit="h")
    frame.to_parquet(tmp_path / "rows.parquet")
    if outcomes:
        pd.DataFrame({"id": range(100, 400), "actual": [0, 1] * 150}).to_csv(tmp_path / "outcomes.csv", index=False)
    said: list[str] = []
    inputs = EvaluationInputs(
        [tmp_path / "rows.parquet"], tmp_path / "rows.parquet", tmp_path / "outcomes.csv" if outcomes else None
    )
    evaluate_files(inputs, EvaluationOptions(model="m", task="binary"), said.append)
    found = [sentence for sentence in said if "earlier row" in sentence]
    assert len(found) == 2 * bool(repeats)  # of the baseline and of the rows
    assert all(f"rows.parquet: id: {repeats}" in sentence for sentence in found)


def test_a_copy_of_a_file_is_reported_with_its_first_row(files: Path, week: pd.DataFrame) -> None:
    week.head(1_000).to_parquet(files / "a.parquet")
    week.head(400).to_parquet(files / "b.parquet")
    report = driftline.evaluate([files / "a.parquet", files / "b.parquet"], baseline=files / "reference.parquet")
    assert [note for note in report.notes if "earlier row" in note] == [
        f"{files}/b.parquet: id: 400 of 1,400 rows repeat the id and time of an earlier row, and each counts: "
        "the first is row 1; remove copies"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["week.csv", "week.csv.gz", "week.ndjson", "week.jsonl", "week.tsv"])
def test_every_format_gives_the_same_numbers(run: Run, files: Path, week: pd.DataFrame, name: str) -> None:
    rows = week.drop(columns="actual")
    if "json" in name:
        texts = rows.assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).replace({np.nan: None})
        lines = [json.dumps(row) for row in texts.to_dict(orient="records")]
        (files / name).write_text("\n".join(lines))
    else:
        rows.to_csv(files / name, index=False, sep="\t" if name.endswith("tsv") else ",")
    options = ("--baseline", files / "reference.parquet", "--task", "binary", "--outcomes", files / "outcomes.csv")
    [expected], [found] = windows(run, files / "week.parquet", *options), windows(run, files / name, *options)
    assert found == expected


def test_methods_are_chosen_per_run_and_per_feature(run: Run, files: Path) -> None:
    result = run(
        "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json", "--task", "binary",
        "--method", "cramer_von_mises,proportion", "--method", "income=mean_shift",
        "--methods", "hellinger", "--methods", "age=wasserstein,wasserstein_scaled",
    )  # fmt: skip
    assert result.exit_code == 0
    found = json.loads(result.stdout)["windows"][0]["drift"]
    methods = {name: list(column["methods"]) for name, column in found["features"].items()}
    assert methods == {
        "age": ["cramer_von_mises", "psi", "js", "hellinger", "wasserstein", "wasserstein_scaled"],
        "region": ["chi2", "psi", "js", "hellinger"],
        "vip": ["proportion", "psi", "js", "hellinger"],
        "income": ["mean_shift", "psi", "js", "hellinger"],
    }
    age = found["features"]["age"]
    assert age["decided_by"] == "cramer_von_mises"
    assert age["methods"]["wasserstein"]["value"] == pytest.approx(6, abs=0.7)  # the ages are 51 ± 12 instead of 45
    assert age["methods"]["wasserstein_scaled"]["value"] == pytest.approx(0.5, abs=0.07)


def test_chosen_methods_have_columns_and_may_be_conditions(run: Run, files: Path) -> None:
    data = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet")
    result = run(*data, "--methods", "age=wasserstein", "--fail-on", "drift.features.age.methods.wasserstein.value > 4")
    assert result.exit_code == 3
    heading, age = (next(line for line in result.stdout.splitlines() if word in line) for word in ("→ is", "age "))
    assert " W " in heading
    assert "6.0" in age or "5." in age


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "kss"], "--method kss: 'kss' is not a drift method; use one of anderson_darling, chi2,"),
        (["--method", "js"], "--method js: 'js' has no p-value, so it cannot decide whether there is"),
        (["--methods", "aeg=js"], "--methods aeg=js: no feature 'aeg'; did you mean 'age'?"),
        (["--methods", "region=ks"], "ks cannot compare this column, which is a category in the baseline; use one of"),
        (
            ["--method", "age=chi2"],
            "--method age=chi2: chi2 cannot compare this column, which is a number in the baseline; "
            "use one of anderson",
        ),
        (
            ["--methods", "vip=wasserstein"],
            "compared as a category with at most two values in the baseline; use one of chi2,",
        ),
        (["--method", "chi2"], ""),
        (["--methods", "age=wasserstein"], ""),
        (
            ["--fail-on", "drift.features.age.methods.hellinger.value > 1"],
            "hellinger is not computed; add --methods hellinger",
        ),
    ],
)
def test_a_method_that_makes_no_sense_is_bad_input(run: Run, files: Path, options: list[str], said: str) -> None:
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options)
    assert result.exit_code == (2 if said else 0)
    assert said in " ".join(result.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("cut", [[], ["--window", "1d"]])
def test_exact_values_are_those_of_scipy_and_decide_nothing(
    run: Run, files: Path, reference: pd.DataFrame, week: pd.DataFrame, cut: list[str]
) -> None:
    data = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json", "--task", "binary")
    options = ("--methods", "wasserstein,cramer_von_mises,hellinger", *cut)
    binned, exact = (json.loads(run(*data, *options, *more).stdout)["windows"] for more in ([], ["--exact"]))
    assert len(exact) == len(binned) == (7 if cut else 1)
    day = week["time"].dt.floor("1D") if cut else week["time"].dt.floor("365D")
    for at, (_, rows) in enumerate(week.groupby(day)):
        for name in ("age", "income", "score"):
            one = exact[at]["drift"]["score"] if name == "score" else exact[at]["drift"]["features"][name]
            other = binned[at]["drift"]["score"] if name == "score" else binned[at]["drift"]["features"][name]
            was, now = reference[name].dropna(), rows[name].dropna()
            assert one["methods"]["ks"]["value"] == pytest.approx(stats.ks_2samp(was, now).statistic, abs=1e-9)
            if name != "age":  # ages are tied, and scipy ranks ties otherwise
                expected = stats.cramervonmises_2samp(was, now).statistic
                assert one["methods"]["cramer_von_mises"]["value"] == pytest.approx(expected, rel=1e-9)
            bounds = np.quantile(was, [0.001, 0.999])
            expected = stats.wasserstein_distance(was.clip(*bounds), now.clip(*bounds))
            assert one["methods"]["wasserstein"]["value"] == pytest.approx(expected, rel=1e-6)
            assert one["state"] == other["state"]
            assert one["methods"]["ks"]["p_value"] == other["methods"]["ks"]["p_value"]
            assert one["methods"]["hellinger"] == other["methods"]["hellinger"]
    assert exact != binned


@pytest.mark.slow
def test_exact_values_need_rows(run: Run, files: Path, reference: pd.DataFrame) -> None:
    built = files / "churn.baseline.json"
    build = ("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary", "-o", built)
    run(*build)
    data = ("evaluate", files / "week.parquet", "--baseline", built, "--json", "--exact")
    missing = run(*data)
    assert missing.exit_code == 2
    assert lacking(missing.stderr, "churn.baseline.json", "churn.baseline.rows.parquet") == []
    same = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--json", "--exact",
               "--task", "binary")  # fmt: skip
    expected = json.loads(same.stdout)["windows"]
    reference.to_parquet(files / "churn.baseline.rows.parquet")
    assert json.loads(run(*data).stdout)["windows"] == expected
    run(*build, "--keep-rows")
    assert json.loads(run(*data).stdout)["windows"] == expected


def test_exact_values_of_rows_that_were_kept_rounded_are_of_rounded_ones(
    run: Run, files: Path, reference: pd.DataFrame, week: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_PRIVACY_ROUND", "income=10")
    built = files / "churn.baseline.json"
    run(
        "baseline",
        "build",
        files / "reference.parquet",
        "--model",
        "churn",
        "--task",
        "binary",
        "--keep-rows",
        "-o",
        built,
    )
    window = json.loads(run("evaluate", files / "week.parquet", "--baseline", built, "--json", "--exact").stdout)[
        "windows"
    ][0]
    was, now = ((rows["income"].dropna() / 10).round() * 10 for rows in (reference, week))
    found = window["drift"]["features"]["income"]["methods"]["ks"]["value"]
    assert found == pytest.approx(stats.ks_2samp(was, now).statistic, abs=1e-9)


@pytest.mark.slow
def test_the_most_wrong_rows_are_told_with_their_traces(run: Run, files: Path, week: pd.DataFrame) -> None:
    traced = week.drop(columns="actual").assign(trace_id=[f"{at:032x}" for at in range(len(week))])
    traced.to_parquet(files / "traced.parquet")
    reference, outcomes = files / "reference.parquet", files / "outcomes.csv"
    asked = (files / "traced.parquet", "--baseline", reference, "--task", "binary", "--outcomes", outcomes)
    found = windows(run, *asked, "--window", "1d", "--mispredictions", 3)
    first = found[0]["performance"]["mispredictions"]
    rows = week.head(2_400)[lambda rows: rows["time"] < week["time"].min().normalize() + pd.Timedelta(days=1)]
    chance = rows["score"].where(rows["actual"] == 1, 1 - rows["score"])
    wrong = (1 - chance)[chance < 0.5].nlargest(3)
    assert (first["outcomes"], first["wrong"]) == (len(rows), int((chance < 0.5).sum()))
    assert [row["id"] for row in first["rows"]] == [str(id) for id in rows.loc[wrong.index, "id"]]
    assert [row["loss"] for row in first["rows"]] == pytest.approx(wrong.tolist())
    assert [row["trace_id"] for row in first["rows"]] == [f"{at:032x}" for at in wrong.index]
    assert "trace_id" not in found[0]["drift"]["features"]
    assert found[-1]["performance"]["mispredictions"] == {"outcomes": 0, "wrong": 0, "rows": []}
    assert run("evaluate", *asked, "--mispredictions", 3).stdout.count("000000000000000") == 3
    assert "mispredictions" not in windows(run, *asked)[0]["performance"]


def test_each_step_of_the_work_is_heard_from_its_beginning_to_its_end(files: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    options = EvaluationOptions(task="binary", time="time", window="1d")
    result = evaluate_files(
        EvaluationInputs([files / "week.parquet"], files / "reference.parquet"),
        options,
        lambda _: None,
        progress=lambda *said: heard.append(said),
    )
    steps = list(dict.fromkeys(what for *_, what in heard))
    assert steps == [
        "Building the baseline",
        "Reading rows",
        "Counting rows",
        "Judging windows",
        "Detecting concept drift",
    ]
    rows = 2 * 4_000  # the reference is read twice
    assert [said for said in heard if said[2] == "Building the baseline"][-1][:2] == (rows, rows)
    # once for the drawn windows, and once for all rows, which are the longest window of the record
    assert [said[:2] for said in heard if said[2] == "Counting rows"] == [(0, 3_000), (3_000, 3_000)] * 2
    windows = len(result.evaluations)
    reports = [said[:2] for said in heard if said[2] == "Judging windows"]
    assert reports == [(0, windows), (windows, windows), (0, 1), (1, 1)]


WORDS = ("where", "is", "my", "parcel", "it", "was", "late", "again", "please", "help", "the", "box", "broke", "open")


def complaints(n: int, seed: int, *, later: bool) -> pd.DataFrame:
    """Rows of a model of complaints; later ones are shorter and of words nobody had seen."""
    random = np.random.default_rng(seed)
    words = (*WORDS, "refund", "chatbot") if later else WORDS
    weights = np.array([1.0] * len(WORDS) + [6.0] * (len(words) - len(WORDS)))
    lengths = random.integers(4, 9 if later else 20, n)
    chances = weights / weights.sum()
    texts = [" ".join(random.choice(words, size, p=chances)) + f" {i}" for i, size in enumerate(lengths)]
    return pd.DataFrame({"message": texts, "amount": random.normal(50, 5, n), "score": random.random(n)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, later in (("reference", False), ("same", False), ("later", True)):
        frame = complaints(2000, len(name), later=later)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def states(run: Run, *arguments: object) -> dict[str, str]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    features: dict[str, Any] = json.loads(result.stdout)["windows"][0]["drift"]["features"]
    return {name: feature["state"] for name, feature in features.items()}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_texts_drift_by_their_descriptors(run: Run, folder: Path, ending: str) -> None:
    built = run(
        "baseline", "build", folder / f"reference.{ending}", "--model", "m", "--task", "binary", "-o", folder / "b.json"
    )
    assert built.exit_code == 0, built.stderr
    assert built.stderr.startswith(
        "driftline: message: read as text, and compared by length, words and script; "
        "if they are categories, use --text-features none\n"
    )
    assert states(run, folder / f"same.{ending}", "--baseline", folder / "b.json") == {
        "amount": "ok",
        "message.length": "ok",
        "message.words": "ok",
        "message.unknown": "ok",
        "message.script": "ok",
        "message.topic": "ok",
    }
    assert states(run, folder / f"later.{ending}", "--baseline", folder / "b.json") == {
        "amount": "ok",
        "message.length": "drift",
        "message.words": "drift",
        "message.unknown": "drift",
        "message.script": "ok",
        "message.topic": "drift",
    }


@pytest.mark.slow
def test_the_baseline_of_a_file_is_that_of_its_frame(run: Run, folder: Path) -> None:
    run(
        "baseline", "build", folder / "reference.parquet", "--model", "m", "--task", "binary", "-o", folder / "b.json",
        "--text-features", "message",
    )  # fmt: skip
    frame = pd.read_parquet(folder / "reference.parquet")
    assert (
        Baseline.load(folder / "b.json").to_json()
        == Baseline.from_frame(frame, score="score", model="m", task="binary").to_json()
    )


@pytest.mark.slow
def test_rows_of_descriptors_compare_with_a_baseline_of_texts(run: Run, folder: Path) -> None:
    baseline = Baseline.from_frame(
        pd.read_parquet(folder / "reference.parquet"), score="score", model="m", task="binary"
    )
    baseline.save(folder / "b.json")
    texts = pd.read_parquet(folder / "later.parquet")
    rows = pd.DataFrame({"message.length": texts["message"].str.len(), "amount": texts["amount"], "score": 0.5})
    rows.to_csv(folder / "rows.csv", index=False)
    of_texts = states(run, folder / "later.parquet", "--baseline", folder / "b.json", "--features", "message")
    of_rows = states(run, folder / "rows.csv", "--baseline", folder / "b.json")
    assert of_rows["message.length"] == of_texts["message.length"] == "drift"
    assert list(of_texts) == [f"message.{one}" for one in ("length", "words", "unknown", "script", "topic")]


def test_none_is_a_category_as_before(run: Run, folder: Path) -> None:
    options = ("--text-features", "none", "--features", "message")
    found = states(run, folder / "same.csv", "--baseline", folder / "reference.csv", *options)
    assert list(found) == ["message"]


@pytest.mark.slow
def test_what_makes_no_sense_is_named(run: Run, folder: Path) -> None:
    missing = run(
        "baseline", "build", folder / "reference.csv", "--model", "m", "--task", "binary", "-o", folder / "b.json",
        "--text-features", "mesage",
    )  # fmt: skip
    assert missing.exit_code == 2
    assert "no column 'mesage' (--text-features)" in missing.stderr
    run("baseline", "build", folder / "reference.csv", "--model", "m", "--task", "binary", "-o", folder / "b.json")
    twice = run("evaluate", folder / "same.csv", "--baseline", folder / "b.json", "--text-features", "message")
    assert twice.exit_code == 2
    assert "already defines which features are text; remove the option" in twice.stderr


EXPECT = """
models:
  week:
    expect: {rows: ">= 3000", duplicates: "< 1%", freshness: 1h}
    features:
      income: {expect: {missing: "< 5%", range: [0, 100], unique: ">= 90%"}}
      region: {expect: {values: [north, south]}}
      absent: {expect: {exists: true}}
"""


def expected(window: dict[str, Any]) -> dict[str, tuple[str, float | None]]:
    return {
        f"{one['feature'] or ''} {one['rule']}".strip(): (one["state"], one["low"])
        for one in window["quality"]["expectations"]
    }


@pytest.mark.slow
def test_expectations_of_a_file_are_judged_by_its_rows(run: Run, files: Path) -> None:
    (files / "driftline.yaml").write_text(EXPECT)
    result = run(
        "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary",
        "--expect", files / "driftline.yaml", "--json", "--fail-on", "quality.broken > 1",
    )  # fmt: skip
    assert result.exit_code == 3
    assert lacking(result.stderr, "--expect: absent:") == []
    [window] = json.loads(result.stdout)["windows"]
    found = expected(window)
    for rule, share in (("income missing: < 5%", 0.155), ("region values: [north, south]", 0.5)):
        state, low = found.pop(rule)
        assert state == "broken"
        assert low == pytest.approx(share, abs=0.03)
    state, age = found.pop("freshness: 1h")
    assert state == "broken"  # the file is all there is, and its newest row is of February 2026
    assert age is not None
    assert age > 86_400
    assert found == {
        "rows: >= 3000": ("met", 3_000.0),
        "duplicates: < 1%": ("met", 0.0),
        "income range: [0, 100]": ("met", 1.0),
        "income unique: >= 90%": ("met", 1.0),
        "absent exists: true": ("inconclusive", None),
    }


@pytest.mark.slow
def test_windows_of_a_day_are_judged_each_by_itself(run: Run, files: Path) -> None:
    (files / "driftline.yaml").write_text(EXPECT.replace(">= 3000", ">= 430"))
    options = ("--task", "binary", "--expect", files / "driftline.yaml", "--window", "1d", "--json")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options)
    windows = json.loads(result.stdout)["windows"]
    assert len(windows) == 7
    for window in windows:
        state, low = expected(window)["rows: >= 430"]
        assert (state, low) == ("met" if window["rows"] >= 430 else "broken", window["rows"])
        assert expected(window)["freshness: 1h"][0] == "met"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("models: {week: {windows: [25]}}", ("'25' has no unit",)),
        ("models: {week: {}}", ("'expect:'",)),
        ("models: {other: {expect: {rows: 1}}}", ("it has nothing for the model 'week'",)),
    ],
)
def test_a_file_that_expects_nothing_usable_is_bad_input(run: Run, files: Path, text: str, facts: Facts) -> None:
    (files / "driftline.yaml").write_text(text)
    options = ("--expect", files / "driftline.yaml")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options)
    assert result.exit_code == 2
    assert lacking(result.stderr, *facts) == []


@pytest.mark.slow
def test_windows_are_written_as_openlineage_events(run: Run, files: Path) -> None:
    out = files / "events.ndjson"
    options = ("--task", "binary", "--window", "1d", "--write", f"openlineage={out}")
    assert run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options).exit_code == 0
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(events) == 7
    assert len({event["run"]["runId"] for event in events}) == 7
    assert {event["inputs"][0]["name"] for event in events} == {str((files / "week.parquet").resolve())}
    told = events[0]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [one["success"] for one in told if one["assertion"] == "missing"] == [False, False]
    nowhere = ("--write", f"openlineage={files / 'no' / 'folder'}")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *nowhere)
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


@pytest.mark.parametrize("n", [3, 2_000])
def test_a_feature_that_is_gone_is_a_finding_of_however_few_rows(
    run: Run, files: Path, reference: pd.DataFrame, n: int
) -> None:
    few = reference.head(40)
    few.to_parquet(files / "few.parquet")
    few.head(n).rename(columns={"age": "age_years"}).to_parquet(files / "now.parquet")
    answer = json.loads(run("evaluate", files / "now.parquet", "--baseline", files / "few.parquet", "--json").stdout)
    found = {one["features"][0]: one for one in answer["windows"][0]["quality"]["findings"]}
    assert (found["age"]["check"], found["age"]["severity"]) == ("missing", "critical")


def test_a_feature_that_a_built_baseline_compares_with_nothing_is_named(
    run: Run, files: Path, reference: pd.DataFrame
) -> None:
    reference.assign(order=[f"o{at}" for at in range(len(reference))]).to_parquet(files / "reference.parquet")
    path = files / "churn.json"
    run("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary", "-o", path)
    said = run("evaluate", files / "reference.parquet", "--baseline", path).stderr.splitlines()
    assert any(line.startswith("driftline: order: not compared") and str(path) in line for line in said)


def test_a_time_stored_as_a_number_is_said_with_the_option_of_the_time(
    run: Run, files: Path, reference: pd.DataFrame
) -> None:
    rows = reference[["age"]].assign(event_ts=1_770_000_000 + np.arange(len(reference)))
    rows.to_csv(files / "rows.csv", index=False)
    said = run("evaluate", files / "rows.csv", "--baseline", files / "rows.csv").stderr.splitlines()
    (sentence,) = (line for line in said if "event_ts: a time stored as a number" in line)
    assert sentence.endswith(
        "use --time event_ts if it is the time of the rows, or list it in --features if it is a feature"
    )


NAMED = ("--score", "score", "--id", "id", "--time", "time", "--task", "binary", "--actual", "late")
DAY = 86_400
START = 1_767_225_600
"""1 January 2026, 00:00 UTC."""

Columns = dict[str, Any]


def rows(seed: int, n: int, first: int, days: int) -> Columns:
    """Return rows of a calibrated model of two features, and a third that it does not use."""
    draw = np.random.default_rng(seed)
    age, visits, noise = draw.normal(size=(3, n))
    score = 1 / (1 + np.exp(-(1.2 * age - 0.8 * visits - 0.5)))
    time = START + first * DAY + np.sort(draw.integers(0, days * DAY, n))
    actual = (draw.random(n) < score).astype(np.int64)
    return {
        "id": np.arange(n),
        "time": time,
        "age": age,
        "visits": visits,
        "noise": noise,
        "score": score,
        "late": actual,
    }


def write(path: Path, columns: Columns) -> Path:
    times = pa.array(np.asarray(columns["time"]) * 1_000_000, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({**columns, "time": times}), path)
    return path


@pytest.fixture
def answer(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Evaluate rows against 30 days of the same model, and return the JSON."""
    reference = write(tmp_path / "reference.parquet", rows(1, 20_000, 0, 30))

    def evaluate(columns: Columns, *options: str) -> dict[str, Any]:
        data = write(tmp_path / "rows.parquet", columns)
        result = run("evaluate", data, "--baseline", reference, *NAMED, "--json", *options)
        assert result.exit_code in (0, 3), result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return evaluate


Answer = Callable[..., dict[str, Any]]


def flipped(columns: Columns, share: float = 0.15) -> Columns:
    """Let a share of outcomes be the other one, from the first row on: what no input shows."""
    wrong = np.random.default_rng(5).random(len(columns["late"])) < share
    return {**columns, "late": np.where(wrong, 1 - columns["late"], columns["late"])}


def without(columns: Columns, *names: str) -> Columns:
    return {name: values for name, values in columns.items() if name not in names}


def test_a_model_as_good_as_its_baseline_is_right(answer: Answer) -> None:
    verdict = answer(rows(2, 8_000, 30, 14))["verdict"]
    assert verdict["state"] == "healthy"
    assert lacking(verdict["sentence"], "31 January to 13 February 2026", "healthy") == []
    assert verdict["action"] == "Nothing: keep sending outcomes."


def test_a_loss_without_drift_is_wrong_and_only_the_outcomes_show_it(answer: Answer) -> None:
    verdict = answer(flipped(rows(2, 8_000, 30, 14)))["verdict"]
    assert (verdict["state"], verdict["metric"]) == ("degraded", "log_loss")
    assert verdict["interval"][0] > 0
    assert "never_as_good" in verdict["reasons"]  # no day was, though none of the inputs drifted


@pytest.mark.slow
def test_a_model_that_is_worse_from_its_first_row_is_wrong_in_every_window(answer: Answer) -> None:
    found = answer(flipped(rows(2, 28_000, 30, 28)), "--window", "1w")
    whole = [window["verdict"]["state"] for window in found["windows"] if window["rows"] > 5_000]
    assert len(whole) >= 3
    assert set(whole) == {"degraded"}
    assert found["verdict"]["state"] == "degraded"


def test_drift_without_loss_is_right_and_says_that_it_did_no_harm(answer: Answer) -> None:
    moved = rows(2, 8_000, 30, 14)
    moved["noise"] = moved["noise"] + 1.5
    found = answer(moved)
    assert found["windows"][0]["drift"]["features"]["noise"]["state"] == "drift"
    assert found["verdict"]["state"] == "healthy"
    assert "harmless_cause" in found["verdict"]["reasons"]


def test_drift_without_outcomes_is_a_risk_and_names_the_feature(answer: Answer) -> None:
    moved = rows(2, 8_000, 30, 14)
    moved["age"] = moved["age"] + 1.5
    verdict = answer(without(moved, "late"))["verdict"]
    assert verdict["state"] == "at_risk"
    assert "age drifted (" in verdict["sentence"]
    assert "no outcome is known; send its outcomes" in verdict["sentence"]


def test_without_outcomes_and_drift_nobody_knows_and_the_labels_that_would_tell_are_counted(answer: Answer) -> None:
    verdict = answer(without(rows(2, 8_000, 30, 14), "late"))["verdict"]
    assert verdict["state"] == "unknown"
    assert lacking(verdict["sentence"], "healthy", "31 January to 13 February 2026") == []
    assert "no outcome is known; send its outcomes, or label" in verdict["sentence"]


def test_a_few_outcomes_tell_nothing(answer: Answer) -> None:
    verdict = answer(rows(2, 20, 30, 14))["verdict"]
    assert verdict["state"] == "unknown"


def test_a_feature_that_is_gone_is_a_fault_of_the_data(answer: Answer) -> None:
    gone = without(rows(2, 8_000, 30, 14), "late")
    gone["age"] = np.full(len(gone["age"]), np.nan)
    verdict = answer(gone)["verdict"]
    assert (verdict["state"], verdict["kind"]) == ("at_risk", "data_fault")
    assert verdict["advice"] == "repair_columns"
    assert verdict["action"].startswith("Fix age ")


def test_the_terminal_prints_the_same_headline_and_lines_first_and_a_condition_reads_it(
    run: Run, tmp_path: Path
) -> None:
    reference = write(tmp_path / "reference.parquet", rows(1, 20_000, 0, 30))
    data = write(tmp_path / "rows.parquet", flipped(rows(2, 8_000, 30, 14)))
    command = ("evaluate", data, "--baseline", reference, *NAMED)
    told = json.loads(run(*command, "--json").stdout)["verdict"]
    shown = run(*command, "--fail-on", "verdict.state == degraded")
    assert shown.exit_code == 3
    titles = {"evidence": "Evidence", "cause": "Cause", "now": "Now", "action": "Do", "certainty": "Confidence"}
    assert all(told[name] for name in ("headline", *titles))
    lines = [told["headline"], *(f"{title}: {told[name]}" for name, title in titles.items())]
    assert " ".join(shown.stdout.split()).startswith(" ".join(lines))
