"""`driftline retrain-check`: whether retraining pays off, from a running processor or from files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions

from .connection import Connection
from .option_parameters import (
    NOT_GIVEN,
    ROWS,
    connects,
    for_a_reader_that_may_leave,
    report_bad_input,
    say,
    takes_options,
)

if TYPE_CHECKING:
    from driftline_processor.core.retraining.decision import RetrainCost, RetrainTerms
    from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
    from driftline_processor.evaluation.files.inputs import EvaluationInputs

CODES = {"retrain": 0, "wait": 10, "inconclusive": 11}
"""Answer → exit code of the command, for a shell: ``driftline retrain-check ... && ./train.sh``."""


@connects
@takes_options
def retrain_check(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DATA]",
            help=f"Files of rows: {ROWS}. Default: the data of a running `driftline up`.",
            parser=file_or_address,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Baseline file (.json), or rows to compare with: a file, a pattern or a folder.",
            parser=file_or_address,
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the columns id and actual, and optionally time and weight.",
            parser=file_or_address,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="driftline.yaml with the costs of wrong predictions, to show the degradation as money. Only with "
            "DATA.",
        ),
    ] = None,
    server: Annotated[
        Connection,
        typer.Option("--url", metavar="URL", help="URL of a running `driftline up`. Not available with DATA."),
    ] = NOT_GIVEN,
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="Use only rows of this environment. Not available with DATA.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Metric that measures the degradation: a mean over predictions, such as accuracy, mae or log_loss.",
        ),
    ] = "",
    window: Annotated[
        str,
        typer.Option(
            metavar="7d",
            help="Length of the windows. Default: the longest window length of the model. For files, if no length is "
            "configured, the default is one window of all rows.",
        ),
    ] = "",
    horizon: Annotated[str, typer.Option(metavar="30d", help="How long a new version would be in use.")] = "30d",
    value: Annotated[
        float | None,
        typer.Option(
            metavar="MONEY", help="Cost of one wrong prediction (for accuracy), or of one unit of error (for mae)."
        ),
    ] = None,
    predictions: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Number of predictions in the horizon. Default: the number at the current rate."
        ),
    ] = None,
    cost: Annotated[
        float | None,
        typer.Option(metavar="MONEY", help="Cost of retraining. Default: the median cost of past training runs."),
    ] = None,
    currency: Annotated[str, typer.Option(metavar="EUR", help="Currency of --cost.")] = "",
    price_sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Prices of the resources that past training runs used: JSON or YAML."),
    ] = None,
    recovered: Annotated[
        float | None,
        typer.Option(metavar="FRACTION", help="Fraction of the degradation that retraining recovers."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all numbers of the calculation.")] = False,
    *,
    columns: ColumnOptions,
) -> None:
    """Compare the benefit of retraining with its cost.

    Exit code 0: retrain, 10: wait, 11: inconclusive, 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.core.retraining.decision import LOSSES, RetrainTerms
        from driftline_processor.readers.errors import BadInput

        if metric and metric not in LOSSES:
            raise BadInput(f"--metric {metric}: must be a mean over predictions; available: {', '.join(LOSSES)}")
        numbers = _limits(value, predictions, cost, recovered)
        if wrong := [f"{name} {number:g}" for name, number, limit in numbers if not 0 <= number <= limit]:
            raise BadInput(f"{wrong[0]}: must be at least 0; --recovered must also be at most 1")
        if cost is not None and price_sheet is not None:
            raise BadInput("--cost and --price-sheet: the cost can come from only one of the two; remove one option")
        if data and (server.url or environment or price_sheet):
            raise BadInput(
                "files contain no past training runs; remove --url, --environment and --price-sheet, or the files"
            )
        if not data and (baseline or outcomes or config):
            raise BadInput("--baseline, --outcomes and --config work only with files; pass the files with the rows")
        terms = RetrainTerms(
            metric=metric,
            value=value,
            cost=cost,
            currency=currency,
            horizon=days_of(horizon),
            predictions=predictions,
            share=recovered,
        )
        if data:
            from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
            from driftline_processor.evaluation.files.inputs import EvaluationInputs

            metrics = (terms.metric,) if terms.metric else ()
            options = EvaluationOptions.of_columns(columns, window=window, config=config, metrics=metrics)
            answer = _weigh_files(EvaluationInputs(data, baseline, outcomes), options, terms)
        else:
            if not columns.model:
                raise BadInput("--model is missing; set the model, for example --model churn")
            served = {
                "version": columns.version,
                "environment": environment,
                "window": window,
                "horizon": horizon,
            }
            answer = _weigh_served(server, columns.model, terms, served, price_sheet)
        with for_a_reader_that_may_leave():
            for line in [json.dumps(answer, indent=2)] if as_json else answer_lines(answer):
                typer.echo(line)
        raise typer.Exit(CODES[answer["answer"]])


def _limits(
    value: float | None, predictions: float | None, cost: float | None, recovered: float | None
) -> list[tuple[str, float, float]]:
    """Return the given numbers, each with its option and its upper limit."""
    options = (("--value", value, 1e15), ("--predictions", predictions, 1e15), ("--cost", cost, 1e15))
    return [
        (name, number, limit)
        for name, number, limit in (*options, ("--recovered", recovered, 1.0))
        if number is not None
    ]


def days_of(horizon: str) -> float:
    """Return a duration in days. Raises BadInput if it is invalid.

    >>> days_of("2w"), days_of("12h")
    (14.0, 0.5)
    """
    from driftline_processor.config.values import parse_duration
    from driftline_processor.readers.errors import BadInput

    with suppress(ValueError):
        if (days := parse_duration(horizon, "d", "h") / timedelta(days=1)) > 0:
            return days
    raise BadInput(f"--horizon {horizon}: use hours, days or weeks, such as 30d")


def answer_lines(answer: Mapping[str, Any]) -> list[str]:
    """Return the answer in words: the advice first, then its reasons."""
    return [answer["sentence"], *(f"  {reason[:1].upper()}{reason[1:]}." for reason in answer["reasons"])]


def _weigh_served(
    server: Connection, model: str, terms: RetrainTerms, parameters: Mapping[str, str], price_sheet: Path | None
) -> dict[str, Any]:
    """Return the answer of a running processor; ``parameters``: selection of the model's windows."""
    from . import client

    amount, currency, source = terms.cost, terms.currency, dict[str, Any]()
    if price_sheet is not None:
        priced = _priced(price_sheet, client.fetch_training_runs(server, model), model)
        amount, currency = priced.amount, priced.currency
        source = {"source": priced.source, "runs": priced.runs}
        say(
            f"{price_sheet}: a training run costs {amount:,.2f} {currency}".rstrip()
            + f" (median; number of past runs: {priced.runs})"
        )
    parameters = {
        **parameters,
        "metric": terms.metric,
        "currency": currency,
        "value": _number_text(terms.value),
        "cost": _number_text(amount),
        "predictions": _number_text(terms.predictions),
        "recovered": _number_text(terms.share),
    }
    answer = client.fetch_retraining(server, model, parameters)
    return {**answer, "cost": {**answer["cost"], **source}} if answer["cost"] else answer


def _priced(sheet: Path, runs: Sequence[Mapping[str, Any]], model: str) -> RetrainCost:
    """Return the median cost of successful past runs by a price sheet."""
    from driftline.training.price_sheet import UnusablePriceSheet, Usage, read_price_sheet

    from driftline_processor.core.retraining.decision import RetrainCost
    from driftline_processor.readers.errors import BadInput

    try:
        prices = read_price_sheet(sheet)
    except UnusablePriceSheet as error:
        raise BadInput(str(error)) from error
    used = (
        Usage(
            run["seconds"],
            run["cpu_seconds"],
            run["peak_memory_bytes"],
            run["gpu_seconds"],
            run["gpu_type"] or "",
        )
        for run in runs
        if run["error"] is None
    )
    costs = [cost.amount for usage in used if (cost := prices.cost(usage)) is not None]
    if not costs:
        raise BadInput(f"--price-sheet {sheet}: it has no price for any recorded training run of {model}; use --cost")
    return RetrainCost(median(costs), prices.currency, "price sheet", len(costs))


def _weigh_files(inputs: EvaluationInputs, options: EvaluationOptions, terms: RetrainTerms) -> dict[str, Any]:
    """Evaluate rows of files as `driftline evaluate` does, and use the newest window."""
    from driftline_processor.core.retraining.decision import question_of, weigh_retraining
    from driftline_processor.evaluation.files.evaluate import evaluate_files
    from driftline_processor.present.retraining import answer_json
    from driftline_processor.terminal.progress import show_progress

    with show_progress() as progress:
        result = evaluate_files(inputs, options, say, progress)
    windows = [evaluation for evaluation in result.evaluations if evaluation.closed]
    measured = [window for window in windows if window.realized and window.maturity == "mature"]
    answer = weigh_retraining(question_of(terms, windows, measured, measured, ()))
    return answer_json(answer, result.key)


def _number_text(number: float | None) -> str:
    return "" if number is None else repr(number)
