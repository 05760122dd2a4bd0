"""Read the files of an evaluation: which columns play which part, the rows, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from driftline.baseline import Baseline
from driftline.bins import NumberBins
from driftline.tables import F64

from .against import features_in
from .concept import Heard
from .errors import BadInput, Say, listed
from .joined import join
from .notation import Notation, notations_of, tell_unread
from .outcomes import read_outcomes, slices_in
from .rankings import join_rankings, with_lists
from .roles import ColumnOptions, Roles, find_roles, has_patterns, rows_with
from .rows import Rows, for_task, read_rows, texts_of, with_time, written_as
from .source import Source, open_sources
from .truth import name_strangers
from .values import is_text


@dataclass(frozen=True, slots=True)
class Read:
    """``rows``: of each file. ``weights``: of its outcomes, float64 (n,), None where all count alike.

    ``heard``: per file what came first of each row; None where no outcomes came apart from the rows. ``later``: keys of
    slices that come with outcomes only; ``groups``: columns that tell groups of people and are no slices otherwise.
    ``notations``: how columns are written, of those that play a part.
    """

    roles: Roles
    rows: list[Rows]
    weights: list[F64 | None]
    heard: list[Heard] | None
    later: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    notations: Mapping[str, Notation] = field(default_factory=dict)


def read_files(
    data: Sequence[Path],
    outcomes: Path | None,
    baseline: Baseline,
    options: ColumnOptions,
    say: Say,
    attributes: Sequence[str] = (),
    sampled: bool = False,
) -> Read:
    """Read the rows of files, and join them with their outcomes where these come apart.

    ``attributes``: keys that tell groups of people, and those of objectives: columns of the rows or slices of the
    outcomes. ``sampled``: outcomes without a weight, of rows of which none has one,
    are left out.
    """
    task, bins = baseline.task, baseline.bins
    sources = open_sources(data, texts_of(baseline, options), say, written=written_as(baseline, options))
    _name_texts(sources, baseline, say)
    there = features_in(sources, baseline)
    patterns = options.features if has_patterns(options.features) else ()
    if patterns:  # of the baseline's features: which it has was chosen when it was built
        options = replace(options, features=())
        names = {name for source in sources for name in source.schema.names}
        if chosen := [name for name in there if name in names]:
            sources = rows_with(sources, chosen, say)
    shared = [name for name in sources[0].schema.names if all(name in source.schema.names for source in sources)]
    told = () if outcomes is None else slices_in(outcomes, say)
    later = tuple(key for key in dict.fromkeys((*options.slices, *attributes)) if key in told and key not in shared)
    if strange := [name for name in attributes if name not in shared and name not in later]:
        say(f"fairness, objectives: no column and no slice of an outcome is called {listed(strange)}")
    options = replace(options, slices=tuple(key for key in options.slices if key not in later))
    roles = find_roles(sources, options, task.kind, baseline.columns, say, there, bins.projections)
    groups = tuple(name for name in dict.fromkeys(attributes) if name in shared and name not in roles.slices)
    unknown = tuple(name for name in roles.unknown if name not in groups)
    if patterns:
        unknown = tuple(name for name in unknown if any(fnmatchcase(name, pattern) for pattern in patterns))
    roles = replace(roles, slices=(*roles.slices, *groups), unknown=unknown)
    tell_unread(sources, {*roles.features, roles.time}, say)
    reads = [for_task(read_rows(source, roles, task.kind, say), task) for source in sources]
    if roles.time:
        reads = [with_time(read, roles.time, say) for read in reads]
    if task.kind == "ranking":
        reads = [with_lists(read, roles, say) for read in reads]
    weights: list[F64 | None] = [None] * len(reads)
    heard: list[Heard] | None = None
    if outcomes is not None:
        if not roles.id:
            raise BadInput(f"{data[0]}: no id column to join {outcomes} with; name it with --id COL")
        known = read_outcomes(outcomes, task, say, written_as(baseline, options))
        if task.kind == "ranking":
            reads, weights = join_rankings(known, reads, roles.id, say, sampled)
        else:
            reads, weights, heard = join(known, reads, roles.id, say, sampled)
    name_strangers(reads, task, say)
    parts = {*roles.features, *roles.score, roles.actual, roles.time}
    notations = {name: one for name, one in notations_of(sources).items() if name in parts}
    return Read(roles, reads, weights, heard, later, groups, notations)


def _name_texts(sources: Sequence[Source], baseline: Baseline, say: Say) -> None:
    """Name features that are texts here and numbers in the baseline: it may have been built from a CSV."""
    numbers = {name for name, over in baseline.bins.features.items() if isinstance(over, NumberBins) and over.size > 1}
    for source in sources:
        typed = [one.name for one in source.schema if is_text(one.type) and one.name not in source.by_looks]
        if found := [name for name in typed if name in numbers]:
            say(
                f"{source.path}: {listed(found)}: texts here, numbers in the baseline, which is another type; "
                "if it was built from a CSV, which says no types, build it from Parquet or NDJSON"
            )
