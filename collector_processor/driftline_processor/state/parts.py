"""All objects over one open state file, replaced together when the file is reopened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.config.schema import Config
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.evaluator import Evaluator
from driftline_processor.evaluation.version_comparison import VersionWatch
from driftline_processor.governance.decisions import DecisionStore
from driftline_processor.health import Counters
from driftline_processor.ingest.changes import ChangedPanes
from driftline_processor.ingest.request_queue import RequestQueue
from driftline_processor.ingest.transaction import Intake
from driftline_processor.join.concept_drift import ConceptWatch
from driftline_processor.join.outcome_join import Join
from driftline_processor.maintenance.retention import Sizing, Upkeep
from driftline_processor.memory_ceiling import share_of_caches
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.digests import Digests
from driftline_processor.policy.explanation import PolicyExplanations
from driftline_processor.policy.silences import Silences
from driftline_processor.policy.watch import MessageLinks, PolicyWatch
from driftline_processor.queries.baselines import BaselineShelf
from driftline_processor.queries.feature_history import FeatureHistories
from driftline_processor.queries.history import History
from driftline_processor.queries.label_queue import LabelQueue
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.predictions import KeptPredictions
from driftline_processor.queries.repeated_ids import RepeatedIdWatch
from driftline_processor.queries.result_tables import ResultTables
from driftline_processor.queries.snapshot import Snapshots
from driftline_processor.queries.state_snapshot import SnapshotPublisher
from driftline_processor.queries.unknown_outcomes import OutcomeReview
from driftline_processor.queries.verdicts import Verdicts
from driftline_processor.queries.weak_slices import Queries, WeakSliceSearch, WeakSlicesOfWindows
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Connection, Store
from driftline_processor.store.panes import KEEP_PANES
from driftline_processor.store.series import Series


class SharedParts(Struct, frozen=True, kw_only=True):
    """Inputs of the parts, which remain when the parts are replaced.

    Attributes:
        config: The configuration.
        baselines: The configured baselines, by model.
        clock: Unix nanoseconds.
        queue: The queue of requests to store.
        joined: Called with the joined or corrected rows after each join.
        links: Links in a message about an alert.
        put_off: Returns why a channel, by name, sends nothing for now; "" if it does.
        audit: The audit log.
    """

    config: Config
    store: Store
    baselines: Mapping[str, Baseline]
    counters: Counters
    clock: Callable[[], int]
    queue: RequestQueue
    joined: Callable[[pa.Table], None]
    links: MessageLinks
    put_off: Callable[[str], str]
    audit: AuditLog


def open_intake(
    store: Store,
    config: Config,
    baselines: Mapping[str, Baseline],
    counters: Counters,
    clock: Callable[[], int],
    audit: AuditLog,
) -> Intake:
    """Create the intake of requests from the file; ``baselines``: the configured ones."""
    business = {name: business_metric.keys(name) for name, business_metric in config.business.items()}
    models, limits = config.models, config.limits
    return Intake(
        store=store,
        models=models,
        configured=baselines,
        touched=ChangedPanes(),
        counters=counters,
        clock=clock,
        audit=audit,
        limits=limits,
        business=business,
    )


def _notifying(shared: SharedParts, connection: Connection, alerts: AlertStore) -> dict[str, Any]:
    """Return the parts that find and send messages, by their names."""
    config, clock = shared.config, shared.clock
    silences = Silences(config.silences, connection, shared.store.unreadable, shared.audit)
    policies = PolicyWatch(alerts, config, silences, clock, shared.links)
    waiting = policies.waits
    return {
        "silences": silences,
        "policies": policies,
        "digests": Digests(alerts, config.all_channels),
        "explanations": PolicyExplanations(alerts, config, silences, lambda: waiting.places, shared.put_off, clock),
    }


class Parts(Struct, frozen=True, kw_only=True):
    """All objects over one open state file, created from the file and never changed.

    Attributes:
        connection: Connection of the keeper.
        snapshots: Publishes the snapshots for pages, policies and exporters.
        queries: Queries of the file on request.
    """

    intake: Intake
    connection: Connection
    join: Join
    evaluator: Evaluator
    versions: VersionWatch
    upkeep: Upkeep
    verdicts: Verdicts
    snapshots: SnapshotPublisher
    queries: Queries
    alerts: AlertStore
    silences: Silences
    decisions: DecisionStore
    policies: PolicyWatch
    digests: Digests
    explanations: PolicyExplanations

    @classmethod
    def open(cls, intake: Intake, shared: SharedParts, at_once: int | None = None) -> Parts:
        """Create every part from the file, and publish a first snapshot.

        ``at_once``: number of models in this snapshot; ``snapshots.load`` adds the others. None = all.
        """
        store, config, clock, counters = shared.store, shared.config, shared.clock, shared.counters
        touched, series, baselines, slices = intake.touched, intake.series, intake.baselines, intake.slices
        share = share_of_caches(config.limits.memory)
        connection = store.connect(lasting=True)

        def watermark(series: Series) -> int:
            model_watermark = intake.watermarks.get((series.key.environment, series.key.model))
            return 0 if model_watermark is None else model_watermark.at(clock())

        def judged_until(series: Series) -> int:
            """Return the watermark of the roll-up, which leaves panes of waiting windows short."""
            reached, oldest = watermark(series), evaluator.waiting.oldest(series.number)
            return reached if oldest is None else min(reached, oldest + KEEP_PANES)

        concept = ConceptWatch(connection, series, baselines, slices)
        versions = VersionWatch(connection, series)
        join = Join(connection, series, touched, counters, concept, slices)
        join.listen(shared.joined)
        evaluations = EvaluationStore(connection, clock, share)
        evaluator = Evaluator(
            connection=connection,
            series=series,
            baselines=baselines,
            evaluations=evaluations,
            touched=touched,
            watermark=watermark,
            clock=clock,
            policies=config.watched_policies,
            share=share,
            lazily=True,
        )
        max_size, storage = config.storage.max_size, config.storage

        @contextmanager
        def resting() -> Iterator[None]:
            """Let nobody else write."""
            with shared.queue.resting(), store.appending:
                yield

        sizing = None if max_size is None else Sizing(connection, max_size, resting, store.rewrite)
        upkeep = Upkeep(
            connection=connection,
            series=series,
            touched=touched,
            watermark=judged_until,
            retention=storage.retention,
            counters=counters,
            clock=clock,
            sizing=sizing,
        )
        verdicts = Verdicts(lambda: intake.arrivals, connection, clock)
        weak_slices = WeakSliceSearch(store, series, baselines)
        outcome_review = OutcomeReview(store, series)
        queries = Queries(
            baselines=BaselineShelf(store, series, baselines, shared.baselines, shared.queue.offer),
            predictions=KeptPredictions(store, series),
            mispredictions=Mispredictions(store, series),
            history=History(store, series),
            features=FeatureHistories(store, series, baselines),
            labels=LabelQueue(store, series, baselines, evaluations),
            weak_slices=weak_slices,
            weak_slices_of_windows=WeakSlicesOfWindows(weak_slices),
            exports=Snapshots(store, series),
            results=ResultTables(store, series),
            outcome_review=outcome_review,
        )
        snapshots = SnapshotPublisher(
            intake=intake,
            join=join,
            concept=concept,
            versions=versions,
            evaluations=evaluations,
            upkeep=upkeep,
            waiting=evaluator.waiting,
            delays=evaluator.delays,
            verdicts=verdicts,
            outcome_review=outcome_review,
            repeated_ids=RepeatedIdWatch(store),
            clock=clock,
            currency=config.currency,
        )
        snapshots.start(at_once)
        alerts = AlertStore(connection, store.unreadable, shared.audit)
        return cls(
            intake=intake,
            connection=connection,
            join=join,
            evaluator=evaluator,
            versions=versions,
            upkeep=upkeep,
            verdicts=verdicts,
            snapshots=snapshots,
            queries=queries,
            alerts=alerts,
            decisions=DecisionStore(connection, store.unreadable, shared.audit),
            **_notifying(shared, connection, alerts),
        )

    def with_notifications(self, shared: SharedParts) -> Parts:
        """Return the same parts with the silences, channels and actions of another configuration."""
        return replace(self, **_notifying(shared, self.connection, self.alerts))

    def close(self) -> None:
        """Close the connections, after the parts were replaced or at the end."""
        self.intake.close()
        self.connection.close()
