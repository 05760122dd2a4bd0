"""`driftline evaluate` end to end: numbers against pandas, scikit-learn and scipy on the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core.metrics import misnamed
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.options import EvaluationOptions
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics

from tests.support.churn_files import Run
from tests.support.facts import lacking


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
    assert list(answer) == ["model", "version", "verdict", "concept", "outcome_delay", "windows"]
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
        *("label_age", "fast_labels", "weak_slices"),
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
    heading, age = (next(line for line in result.stdout.splitlines() if word in line) for word in ("was ", "age "))
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
    assert [said[:2] for said in heard if said[2] == "Counting rows"] == [(0, 3_000), (3_000, 3_000)]
    windows = len(result.evaluations)
    assert [said[:2] for said in heard if said[2] == "Judging windows"] == [(0, windows), (windows, windows)]
