"""``driftline up``: the main path of the processor.

receivers ──▶ log: append → sync → acknowledge
               ├──▶ state: decode → one transaction; join; evaluate ──▶ pages
               │            └──▶ derived metrics, outcome spans ──▶ log
               └──▶ forwarder: accepted requests, unchanged ──▶ destinations
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from driftline.tables.table import ModelKey
from msgspec.structs import replace
from starlette.types import ASGIApp

from driftline_processor.access.access import Access, anonymous_of
from driftline_processor.access.local import LocalToken, local_token_file, write_secret
from driftline_processor.access.principal import NOBODY
from driftline_processor.config.auth import Auth
from driftline_processor.config.business import business_readers
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.config.values import Address
from driftline_processor.exporters.derived_metrics import DerivedMetrics, Sink
from driftline_processor.exporters.forwarder import Forwarder, described
from driftline_processor.exporters.metric_points import WorstMispredictions
from driftline_processor.exporters.outcome_spans import OutcomeSpans
from driftline_processor.exporters.verdict_events import VerdictEvents
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.channel import open_channel
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.links import AlertLinks
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import AlertRows, Report, Sources
from driftline_processor.present.links import Links
from driftline_processor.receivers.receiver import Receiver, Surroundings, make_receivers
from driftline_processor.servers.browser_guard import AccessRules
from driftline_processor.servers.http_server import Connections, HttpPort, HttpServers, raise_most_files
from driftline_processor.servers.late_application import LateApplication
from driftline_processor.servers.ports import PortInUse
from driftline_processor.servers.request_memory import RequestMemory
from driftline_processor.store.database import StorageError
from driftline_processor.web.probes import probes

from .deadline import Deadline
from .health import Health
from .memory_ceiling import MemoryCeiling
from .process_memory import keep_memory_small, resident
from .receipts import Signal
from .state import State

BAD_INPUT = 2
RECEIVING, EVALUATING, FORWARDING = 0.25, 0.6, 0.9
"""Fractions of ``shutdown.timeout`` at which each part of the shutdown ends; the rest is for closing the file."""

_log = logging.getLogger("driftline")


class Service:
    """The processor. ``clock``: unix nanoseconds; ``monotonic``: seconds, for ``shutdown.timeout``.

    ``addresses``: its addresses, with the real ports, after the start.

    >>> Service(load()).health.body()
    {'ready': False, 'problems': [{'name': 'service', 'message': 'the processor has not started', 'ready': False}]}
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._monotonic = monotonic
        self.health = Health()
        self.health.report("service", "the processor has not started")
        self.health.watch("threads", lambda: self.health.ended_thread)
        self.addresses: dict[str, Address] = {}
        self.access = _access_of(config)
        self._local_token: LocalToken | None = None
        self._clock = clock
        self._ceiling = ceiling = MemoryCeiling(config.limits.memory)
        self._memory = RequestMemory(config.limits.request_bytes or ceiling.requests, ceiling=ceiling)
        self.health.watch("memory", ceiling.sentence, ready=True)
        self._servers = HttpServers(Connections(config.limits.connections), self._memory)
        self._web: HttpPort | None = None
        self._forwarder: Forwarder | None = None
        self._state: State | None = None
        self._derived: DerivedMetrics | None = None
        self._couriers: Couriers | None = None
        self._loading: threading.Thread | None = None
        self._stopping = threading.Event()
        self._worst: WorstMispredictions | None = None
        self._receivers: list[Receiver] = []
        retention = int(config.storage.retention.total_seconds() * 10**9)
        self._business = [*business_readers(config.business, retention, clock)]
        self.health.watch("business", self._unread_business, ready=True)

    def start(self) -> None:
        """Start everything; after ConfigError, PortInUse or StorageError nothing keeps running."""
        try:
            self._bind()  # first, because a port in use is the most likely error
            self._state = state = State(self.config, self.health, self._clock, ceiling=self._ceiling)
            self._forward(state)
            self._notify(state)
            state.start()
            for receiver in self._receivers:
                receiver.start(state)
            for reader in self._business:
                reader.start(state)
            self._loading = self._serve(state)
        except BaseException:
            self.stop()
            raise
        self.health.clear("service")
        self._loading.start()

    def _bind(self) -> None:
        """Bind the ports of the receivers and of the pages."""
        counters, hosts = self.health.counters, self.config.allowed_hosts
        around = Surroundings(counters, self._clock, self._memory, self._servers, hosts, self._grace, self.access)
        for name, receiver in make_receivers(self.config.receivers, around):
            self._receivers.append(receiver)
            if receiver.address is not None:
                self.addresses[name] = receiver.address
        web = self.config.web.endpoint
        self._web = self._servers.bind(web, "web.endpoint", AccessRules([web.host, *hosts]))
        self.addresses["web"] = self._web.address
        if not self.config.auth.enabled:
            self._local_token = self.access.local = LocalToken(local_token_file(self._web.address.port))
        self._reload_access(self.config)

    def _reload_access(self, config: Config) -> None:
        """Use the log-ins of a configuration. Raises OSError and ValueError; then nothing changes."""
        self.access.replace(config.auth, anonymous_of(config.auth, metrics=config.metrics_anonymous))

    def _forward(self, state: State) -> None:
        """Send accepted requests and derived telemetry to the destinations that want them."""
        counters = self.health.counters
        self._forwarder = forwarder = Forwarder(self.config, counters, state.log, self._clock)
        state.forward(forwarder)

        def offers(signal: Signal) -> dict[str, Callable[[bytes], object]]:
            exporters = self.config.exporters.items()
            return {
                name: partial(forwarder.send, name, signal)
                for name, exporter in exporters
                if signal in exporter.derived
            }

        self._worst = worst = WorstMispredictions(lambda: state.parts.intake.series, counters, self._clock)
        state.on_joined(worst)
        sinks = [Sink(offer, self.config.exporters[name].temporality) for name, offer in offers("metrics").items()]
        self._derived = DerivedMetrics(state, sinks, self._clock, worst=worst)
        self._derived.start()

        def keys() -> dict[int, ModelKey]:
            return {number: series.key for number, series in state.parts.intake.series.by_number().items()}

        state.on_joined(OutcomeSpans(keys, [*offers("traces").values()], counters, links=self._links))
        state.on_verdict(VerdictEvents([*offers("logs").values()], self._links))
        forwarder.start()

    def _notify(self, state: State) -> None:
        """Send the messages of alerts to their channels and actions."""
        links = self._links_of_messages

        def report(message: Message) -> Report | None:
            from driftline_processor.web.alert_report import AlertReports

            return AlertReports(state, links, self._clock)(message)

        channels = {name: open_channel(keys, report) for name, keys in self.config.all_channels.items()}
        sources = Sources(report, AlertRows(state))
        actions = {name: ActionChannel(keys, sources) for name, keys in self.config.actions.items()}
        self._couriers = couriers = Couriers({**channels, **actions}, self._clock, state.notifications.note_attempt)
        self.health.watch("messages", couriers.sentence, ready=True)
        page = f"{links.public_url}/incidents" if links.public_url else ""
        state.notifications.send_by(couriers, AlertLinks(links, lambda: state.queries.mispredictions), page)
        couriers.start()

    def _serve(self, state: State) -> threading.Thread:
        """Open the port of the pages and the API; return the thread that loads them at the end of the start."""
        assert self._web is not None
        application = LateApplication(partial(self._pages, state, self._clock()), probes(self.health))
        self._web.start(application, self._grace)
        return threading.Thread(target=partial(self._load_pages, application), name="driftline-pages", daemon=True)

    def _pages(self, state: State, started: int) -> ASGIApp:
        """Load the pages and the API: a third of all modules, for which readiness does not wait."""
        from driftline_processor.web.app import create_app
        from driftline_processor.web.site import Process, Site

        limits = self.config.limits
        limits_by_noun = {
            "models": limits.models,
            "versions of a model": limits.versions,
            "connections": limits.connections,
        }
        site = Site(
            state=state,
            health=self.health,
            access=self.access,
            clock=self._clock,
            addresses={name: str(address) for name, address in self.addresses.items()},
            links=self._links,
            process=Process(self.lines, resident, limits.memory, limits_by_noun, started),
            exemplars=dict if self._worst is None else self._worst.exemplars,
        )
        return create_app(site)

    def _load_pages(self, application: LateApplication) -> None:
        application.load(self._stopping.wait)
        from driftline_processor.web.page import compile_templates

        compile_templates(self._stopping.is_set)

    def stop(self) -> None:
        """Stop accepting, answer and evaluate running requests, deliver queued ones, and close. Idempotent.

        All of it within ``shutdown.timeout``: remaining windows are evaluated after the next start.
        """
        self._stopping.set()
        self.health.report("service", "the processor is stopping")
        deadline = Deadline.after(self.config.shutdown.timeout.total_seconds(), self._monotonic)
        for step in self._ending(deadline):
            try:
                step()
            except Exception:
                _log.exception("a component could not be stopped; the others are stopped")
        if self._local_token is not None:
            self._local_token.remove()
        self._web = self._state = self._derived = self._forwarder = self._couriers = None
        self._receivers = []

    def _ending(self, deadline: Deadline) -> Iterator[Callable[[], object]]:
        """Yield the steps of the shutdown, each with its remaining time."""
        receiving, forwarding = deadline.share(RECEIVING), deadline.share(FORWARDING)
        yield self._servers.end
        for reader in self._business:
            yield partial(reader.stop, receiving.left)
        for receiver in self._receivers:
            yield partial(receiver.stop, receiving.left)
        if self._loading is not None:
            yield partial(self._loading.join, receiving.left)
        if self._web is not None:
            yield partial(self._web.stop, receiving.left)
        if self._state is not None:
            yield partial(self._state.finish, deadline.share(EVALUATING))
        if self._couriers is not None:
            # 3.0: maximum seconds for sending waiting messages; the rest are sent after the next start
            yield partial(self._couriers.stop, min(3.0, forwarding.left))
            if self._state is not None:
                yield self._state.note_deliveries
        if self._derived is not None:
            yield partial(self._derived.stop, forwarding.left)
        if self._forwarder is not None:
            yield partial(self._forwarder.stop, forwarding.left)
        if self._state is not None:
            yield self._state.close

    def _unread_business(self) -> str | None:
        return "; ".join(filter(None, (reader.sentence() for reader in self._business))) or None

    @property
    def _links(self) -> Links:
        """Links to traces and to the public address of the pages."""
        return Links(self.config.web.trace_url, self.config.web.public_url)

    @property
    def _links_of_messages(self) -> Links:
        """Links in messages: without ``web.public_url``, with the local address of the pages."""
        links, web = self._links, self.addresses["web"]
        return links if links.public_url or not web.loopback else replace(links, public_url=f"http://{web}")

    @property
    def _grace(self) -> float:
        """Seconds that an HTTP port waits for running requests when it is stopped."""
        return RECEIVING * self.config.shutdown.timeout.total_seconds()

    @property
    def _notification_lines(self) -> list[str]:
        """Return lines about the recipients of notifications, without addresses."""
        policies, channels = self.config.watched_policies, self.config.all_channels
        if not policies:
            return []
        return [f"notifying {', '.join(channels) or 'no channel'} by the policies {', '.join(policies)}"]

    def lines(self) -> list[str]:
        """Return lines about receivers, pages, storage, destinations and notifications."""
        listening = [receiver.line for receiver in self._receivers if receiver.address is not None]
        lines = [
            f"driftline receives {' and '.join(listening)}",
            f"pages on http://{self.addresses['web']}",
            *(receiver.line for receiver in self._receivers if receiver.address is None),
            *(line for reader in self._business for line in reader.lines),
            "rows are kept in memory, and are lost when this process ends"
            if self.config.storage.in_memory
            else f"rows are kept in {self.config.storage.directory}",
            *described(self.config),
            *self._notification_lines,
            *(f"warning: {one}" for one in self.config.warnings()),
        ]
        if self._local_token is not None:
            problem = self._local_token.problem
            lines.append(
                f"warning: nobody can log in: {problem}"
                if problem
                else f"decisions are those of {self._local_token.name}, who logs in by 'driftline login'"
            )
        exposed = [str(address) for address in self.addresses.values() if not address.loopback]
        if exposed and self.config.insecure_anonymous:
            lines.append(
                f"warning: everyone who can reach {', '.join(exposed)} can send and read data (insecure_anonymous)"
            )
        return lines


def _access_of(config: Config) -> Access:
    """Return the rules of who may do what, before the files of tokens are read."""
    secure = config.web.public_url.startswith("https://")
    return Access(Auth(), NOBODY, _session_key(config), secure)


def _session_key(config: Config) -> bytes:
    """Return the key that signs sessions, which outlives a restart if the state does."""
    file = config.storage.directory / "session.key"
    if config.storage.in_memory:
        return secrets.token_bytes(32)
    with suppress(OSError, ValueError):
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
        if len(key) == 32:
            return key
    key = secrets.token_bytes(32)
    with suppress(OSError):  # the state reports a directory that cannot be written
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(file, key.hex())
    return key


def run(config_file: Path | None = None, forward: str | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 0 normally, 2 for an error that the user must fix.

    A second signal, or the end of ``shutdown.timeout``, ends the process immediately; acknowledged requests are on
    disk.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)  # errors are logged once, without an address
    raise_most_files()
    keep_memory_small()
    with _private_files(), _Signals() as signals:
        try:
            service = Service(load(config_file, forward))
            with service.health.watched_threads():
                service.start()
                print(*service.lines(), sep="\n", flush=True)
                signals.wait()
                print("driftline: stopping", flush=True)
                _stop(service)
        except ConfigError as wrong:
            print(*(f"driftline: {problem}" for problem in wrong.problems), sep="\n", file=sys.stderr)
            return BAD_INPUT
        except (PortInUse, StorageError) as wrong:
            print(f"driftline: {wrong}", file=sys.stderr)
            return BAD_INPUT
    return 0


@contextmanager
def _private_files() -> Iterator[None]:
    """Restrict files written within the block to their owner; DuckDB may write temporary files at any time."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _stop(service: Service) -> None:
    """Stop on another thread, so that this one can handle a second signal and the timeout."""
    stopping = threading.Thread(target=service.stop, name="driftline-stopping", daemon=True)
    stopping.start()
    seconds = service.config.shutdown.timeout.total_seconds()
    stopping.join(seconds)
    if stopping.is_alive():
        _end_at_once(f"shutdown.timeout ({seconds:g} s) has expired", 1)


def _end_at_once(why: str, code: int) -> NoReturn:
    """End the process without cleaning up; the next start recovers as after a crash."""
    os.write(
        sys.stderr.fileno(), f"driftline: {why}: stopping immediately; all acknowledged data is on disk\n".encode()
    )
    os._exit(code)


class _Signals:
    """Handles SIGTERM, SIGINT and SIGHUP within a ``with`` block."""

    def __init__(self) -> None:
        self._arrived: SimpleQueue[int] = SimpleQueue()  # a signal handler may put into it while the main thread waits
        self._ending = False
        self._before: dict[int, Any] = {}

    def wait(self) -> None:
        """Wait for the first signal that ends the process."""
        self._arrived.get()

    def __enter__(self) -> _Signals:
        handlers: dict[int, Any] = {signal.SIGTERM: self._end, signal.SIGINT: self._end}
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = self._hang_up  # unless `nohup` ignores it
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, _: object) -> None:
        if self._ending:
            _end_at_once(f"a second signal ({signal.Signals(number).name})", 128 + number)
        self._ending = True
        self._arrived.put(number)

    def _hang_up(self, *_: object) -> None:
        line = "driftline: SIGHUP has no effect: the configuration is read only at the start; restart to reload it\n"
        os.write(sys.stderr.fileno(), line.encode())
