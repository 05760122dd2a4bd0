"""`driftline skew`: compare the features logged online with those recomputed offline for the same ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline_processor.readers.addresses import file_or_address

from . import without_collections
from .evaluate import CROSSED
from .option_parameters import for_a_reader_that_may_leave, report_bad_input, say

if TYPE_CHECKING:
    from driftline_processor.evaluation.files.skew import Skew

_CONDITION = re.compile(
    r"\s*(?:any feature|features\.(?P<name>.+))\.(?P<leaf>differs|missing_online|missing_offline)\s*"
    r">\s*(?P<limit>\d*\.?\d+)\s*(?P<percent>%?)\s*"
)


def skew(
    online: Annotated[
        Path,
        typer.Argument(metavar="ONLINE", help="Rows with the features that the service used.", parser=file_or_address),
    ],
    offline: Annotated[
        Path,
        typer.Argument(metavar="OFFLINE", help="Rows with the features recomputed offline.", parser=file_or_address),
    ],
    id_column: Annotated[str, typer.Option("--id", metavar="COL", help="Column of the id in both files.")] = "id",
    features: Annotated[
        str, typer.Option(metavar="COL,COL", help="Features to compare. Default: all columns that both files have.")
    ] = "",
    entity: Annotated[
        str,
        typer.Option(
            metavar="COL",
            help="Column of OFFLINE with the entity, such as the customer. This option detects online values that "
            "come from the previous row of the same entity.",
        ),
    ] = "",
    time: Annotated[str, typer.Option(metavar="COL", help="Column of OFFLINE with the time, for --entity.")] = "time",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar='"any feature.LEAF > X"',
            help="Exit with code 3 if a feature is above the limit. LEAF is differs, missing_online or "
            "missing_offline. For a single feature, write features.NAME.LEAF. Repeatable.",
        ),
    ] = None,
) -> None:
    """Find training-serving skew: compare features that were logged online with the same features recomputed offline.

    Rows of the two files are matched by their id.

    Exit code 0: success, 3: a --fail-on condition is true, 2: bad input.
    """
    with report_bad_input(), without_collections():
        from driftline_processor.evaluation.files.skew import compare_online_offline
        from driftline_processor.readers.column_options import listed_names

        names = listed_names(features)
        result = compare_online_offline(online, offline, id_column, say, names, entity, time)
        crossed = [sentence for text in fail_on or () for sentence in _crossed(text, result)]
    with for_a_reader_that_may_leave():
        typer.echo(_json(result) if as_json else _text(result))
    for sentence in crossed:
        say(sentence)
    if crossed:
        raise typer.Exit(CROSSED)


def _crossed(text: str, result: Skew) -> list[str]:
    """Return a sentence per feature for which a condition is true."""
    from driftline_processor.core.nearest_names import near
    from driftline_processor.present.numbers import percent
    from driftline_processor.readers.errors import BadInput

    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadInput(f"--fail-on {text!r}: use 'any feature.differs > 1 %' or 'features.NAME.missing_online > 0'")
    if match["name"] and match["name"] not in result.features:
        raise BadInput(
            f"--fail-on {text!r}: no feature '{match['name']}'; {near(match['name'], tuple(result.features))}"
        )
    limit = float(match["limit"]) / (100 if match["percent"] else 1)
    names = [match["name"]] if match["name"] else list(result.features)
    values = {name: getattr(result.features[name], match["leaf"]) for name in names}
    return [
        f"--fail-on {text!r}: {name} is {percent(value)}"
        for name, value in values.items()
        if value is not None and value > limit
    ]


def _json(result: Skew) -> str:
    import msgspec

    return json.dumps({"schema": "driftline.skew/v1", **msgspec.to_builtins(result)}, indent=1)


def _text(result: Skew) -> str:
    from driftline_processor.present.numbers import many, number, percent

    features = result.features
    found = [name for name, skew in features.items() if skew.differs or skew.missing_online or skew.missing_offline]
    width = max(map(len, ("feature", *found)))
    alone = f"{many(result.only_online, 'id')} only online, {result.only_offline:,} only offline"
    lines = [f"{len(found)} of {len(features)} features differ in {many(result.rows)} with the same id ({alone})"]
    if found:
        lines += ["", f"{'feature':{width}}  differs  mean gap  max gap  missing online  missing offline  reason"]
    for name in found:
        skew = features[name]
        mean, largest = ("" if gap is None else number(gap) for gap in (skew.mean_difference, skew.max_difference))
        lines.append(
            f"{name:{width}}  {percent(skew.differs):>7}  {mean:>8}  {largest:>7}  {percent(skew.missing_online):>14}  "
            f"{percent(skew.missing_offline):>15}  {skew.reason or 'not proven'}"
        )
    return "\n".join(lines)
