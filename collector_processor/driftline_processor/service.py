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
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from driftline.tables.table import ModelKey
from msgspec.structs import replace
from starlette.types import ASGIApp

from driftline_processor.access.access import Access, KnownToken, anonymous_of, read_tokens
from driftline_processor.access.local import LocalToken, local_token_file, write_secret
from driftline_processor.access.principal import NOBODY
from driftline_processor.config.approval_waivers import waived_approvals
from driftline_processor.config.auth import Auth
from driftline_processor.config.business import BusinessReader, business_readers
from driftline_processor.config.exporters import OutcomeParent
from driftline_processor.config.reload import (
    ConfigChange,
    ConfigFile,
    Reloaded,
    ReloadError,
    Reloads,
    compare_with_running,
)
from driftline_processor.config.schema import Config, ConfigError
from driftline_processor.config.tls import CertificateError
from driftline_processor.config.values import Address
from driftline_processor.exporters.derived_metrics import DerivedMetrics, Sink
from driftline_processor.exporters.forwarder import Forwarder, described
from driftline_processor.exporters.metric_points import WorstMispredictions
from driftline_processor.exporters.outcome_spans import OutcomeSpans
from driftline_processor.exporters.verdict_events import VerdictEvents
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.channel import Channel, open_channel
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
from driftline_processor.servers.tls import ListenerTls
from driftline_processor.store.database import StorageError
from driftline_processor.web.probes import probes

from .deadline import Deadline
from .health import Health
from .memory_ceiling import MemoryCeiling
from .process_memory import keep_memory_small, resident
from .receipts import Signal, StorageOutage
from .state import State
from .state.state import configured_baselines

BAD_INPUT = 2
RECEIVING, EVALUATING, FORWARDING = 0.25, 0.6, 0.9
"""Fractions of ``shutdown.timeout`` at which each part of the shutdown ends; the rest is for closing the file."""

RELOADING = 10.0
"""Maximum seconds for which a reload waits for requests to destinations that are replaced."""

NOTE_LOGINS = 10.0
"""Seconds between entries of the audit log about failed log-ins."""

_log = logging.getLogger("driftline")


class Service:
    """The processor. ``clock``: unix nanoseconds; ``monotonic``: seconds, for ``shutdown.timeout``.

    ``addresses``: its addresses, with the real ports, after the start. ``file``: the file of a
    reload; None = the defaults.

    >>> Service(Config()).health.body()
    {'ready': False, 'problems': [{'name': 'service', 'message': 'the processor has not started', 'ready': False}]}
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        file: ConfigFile | None = None,
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
        self._reloading = threading.Lock()
        self.reloads = Reloads(file or ConfigFile(), self.health, clock)
        self._noting = threading.Thread(target=self._note_logins, name="driftline-logins", daemon=True)
        self._verdict_offers: list[Callable[[bytes], object]] = []
        self._outcome_offers: dict[OutcomeParent, list[Callable[[bytes], object]]] = {"prediction": [], "none": []}
        self._worst: WorstMispredictions | None = None
        self._receivers: list[Receiver] = []
        self._business = self._business_readers(config)
        self.health.watch("business", self._unread_business, ready=True)

    def start(self) -> None:
        """Start everything; after ConfigError, PortInUse or StorageError nothing keeps running."""
        try:
            self._bind()  # first, because a port in use is the most likely error
            self._state = state = State(self.config, self.health, self._clock, ceiling=self._ceiling)
            self.access.sign_by(_session_key(self.config))
            self._forward(state)
            self._notify(state)
            state.start()
            for receiver in self._receivers:
                receiver.start(state)
            for reader in self._business:
                reader.start(state)
            self._loading = self._serve(state)
            self._audit_configuration(state, "the configuration was loaded at the start")
            self._audit_waivers(state, self.config)
        except BaseException:
            self.stop()
            raise
        self.health.clear("service")
        self._loading.start()
        self._noting.start()

    def _bind(self) -> None:
        """Bind the ports of the receivers and of the pages."""
        counters, hosts = self.health.counters, self.config.allowed_hosts
        around = Surroundings(counters, self._clock, self._memory, self._servers, hosts, self._grace, self.access)
        for name, receiver in make_receivers(self.config.receivers, around):
            self._receivers.append(receiver)
            if receiver.address is not None:
                self.addresses[name] = receiver.address
        web = self.config.web.endpoint
        tls = None if self.config.web.tls is None else ListenerTls("web", self.config.web.tls)
        self._web = self._servers.bind(web, "web.endpoint", AccessRules([web.host, *hosts]), tls=tls)
        for name, listener in self._encrypted():
            self.health.watch(f"tls {name}", listener.sentence, ready=True)
        self.addresses["web"] = self._web.address
        self._use_access(self.config, read_tokens(self.config.auth))

    def _use_access(self, config: Config, tokens: Sequence[KnownToken]) -> list[str]:
        """Use the log-ins of a configuration; return the names of the holders whose token has changed."""
        assert self._web is not None
        if not config.auth.enabled and self._local_token is None:
            self._local_token = LocalToken(local_token_file(self._web.address.port))
        elif config.auth.enabled and self._local_token is not None:
            self._local_token.remove()
            self._local_token = None
        self.access.local = self._local_token
        return self.access.replace(config.auth, anonymous_of(config.auth, metrics=config.metrics_anonymous), tokens)

    def _forward(self, state: State) -> None:
        """Send accepted requests and derived telemetry to the destinations that want them."""
        counters = self.health.counters
        self._forwarder = forwarder = Forwarder(self.config, counters, state.log, self._clock)
        self.health.watch("destinations", forwarder.sentence, ready=True)
        state.forward(forwarder)
        self._worst = worst = WorstMispredictions(lambda: state.parts.intake.series, counters, self._clock)
        state.on_joined(worst)
        self._derived = DerivedMetrics(state, [], self._clock, worst=worst)
        self._send_derived(forwarder, self.config)

        def keys() -> dict[int, ModelKey]:
            return {number: series.key for number, series in state.parts.intake.series.by_number().items()}

        state.on_joined(OutcomeSpans(keys, self._outcome_offers, counters, links=self._links))
        state.on_verdict(VerdictEvents(self._verdict_offers, self._links))
        forwarder.start()

    def _send_derived(self, forwarder: Forwarder, config: Config) -> None:
        """Send derived telemetry to the destinations of a configuration that want it."""

        def offers(signal: Signal) -> dict[str, Callable[[bytes], object]]:
            names = [name for name, keys in config.exporters.items() if signal in keys.derived]
            return {name: partial(forwarder.send, name, signal) for name in names}

        self._verdict_offers[:] = offers("logs").values()
        for parent, listed in self._outcome_offers.items():
            listed[:] = [
                offer for name, offer in offers("traces").items() if config.exporters[name].outcome_parent == parent
            ]
        assert self._derived is not None
        self._derived.replace(
            [Sink(offer, config.exporters[name].temporality) for name, offer in offers("metrics").items()]
        )

    def _notify(self, state: State) -> None:
        """Send the messages of alerts to their channels and actions."""
        channels = self._open_channels(state, self.config)
        self._couriers = couriers = Couriers(channels, self._clock, state.notifications.note_attempt)
        self.health.watch("messages", couriers.sentence, ready=True)
        links = self._links_of_messages
        page = f"{links.public_url}/incidents" if links.public_url else ""
        state.notifications.send_by(couriers, AlertLinks(links, lambda: state.queries.mispredictions), page)
        couriers.start()

    def _open_channels(self, state: State, config: Config, before: Config | None = None) -> dict[str, Channel]:
        """Return the channels and actions of a configuration, except those that are the same in the one ``before``."""
        links = self._links_of_messages

        def report(message: Message) -> Report | None:
            from driftline_processor.web.alert_report import AlertReports

            return AlertReports(state, links, self._clock)(message)

        sources = Sources(report, AlertRows(state))
        channels, actions = config.all_channels, config.actions
        if before is not None:
            channels = {name: keys for name, keys in channels.items() if keys != before.all_channels.get(name)}
            actions = {name: keys for name, keys in actions.items() if keys != before.actions.get(name)}
        return {
            **{name: open_channel(keys, report) for name, keys in channels.items()},
            **{
                name: ActionChannel(keys, sources, state.notifications.refuse_unapproved)
                for name, keys in actions.items()
            },
        }

    def _business_readers(self, config: Config) -> list[BusinessReader]:
        retention = int(config.storage.retention.total_seconds() * 10**9)
        return [*business_readers(config.business, retention, self._clock)]

    def reload(self, by: str = "", how: str = "") -> Reloaded:
        """Check the file of the configuration whole, and use it without a pause of the receivers.

        Raises ReloadError with every problem; then the configuration before it remains.

        Args:
            by: Who asks for it: a person, a token or a signal.
            how: How that person logged in; ``signal`` for a signal.
        """
        with self._reloading:
            if self._state is None or self._stopping.is_set():
                raise ReloadError(["the processor is starting or stopping; reload when it is ready"], 503)
            try:
                reloaded = self._reload(self._state, by, how)
            except (ConfigError, OSError, ValueError, StorageOutage) as error:
                problems = [*map(str, error.problems)] if isinstance(error, ConfigError) else [str(error)]
                self._refuse_reload(self._state, problems, by, how)
                raise ReloadError(problems, 503 if isinstance(error, StorageOutage) else 400) from error
            except Exception as error:
                _log.exception("the configuration could not be reloaded")
                self.reloads.fail(["an internal error; see the log of the processor"])
                raise ReloadError(self.reloads.problems, 500) from error
        _log.info("driftline: %s: %s", by or "reload", reloaded.sentence)
        return reloaded

    def _reload(self, state: State, by: str, how: str) -> Reloaded:
        """Prepare everything that may fail, then use it."""
        assert self._forwarder is not None
        digest, before = self.reloads.file.digest(), self.config
        change = compare_with_running(before, self.reloads.file.load())
        config = change.config
        baselines, tokens = configured_baselines(config.models), read_tokens(config.auth)
        files = [f"models.{name}.baseline" for name in state.changed_baselines(baselines)]
        replaced = [tls for _, tls in self._encrypted() if tls.outdated]
        changed = list(dict.fromkeys([*change.changed, *files, *(f"{tls.key}.tls (its files)" for tls in replaced)]))
        business = self._business_readers(config) if _reads_other_business(change) else None
        channels = self._open_channels(state, config, before)
        exporters = self._forwarder.connect_changed(config.exporters)
        what = ", ".join(changed) or "nothing"
        self._audit_configuration(state, "the configuration was reloaded", f"changed: {what:.400}", digest, by, how)
        self._audit_waivers(state, config)
        if change.concerns_state or files:
            state.replace_config(config, baselines, channels)
        self._forwarder.replace(config.exporters, exporters, RELOADING)
        self._send_derived(self._forwarder, config)
        if business is not None:
            ended, self._business = self._business, business
            for reader in ended:
                reader.stop(RELOADING)
            for reader in business:
                reader.start(state)
        for tls in replaced:
            tls.reload()
        holders = self._use_access(config, tokens)
        if "auth.tokens" not in changed:
            changed += [f"auth.tokens ({name})" for name in holders]
        self.config = config
        self.reloads.succeed(digest, change.waiting)
        return Reloaded(changed, change.waiting, digest)

    def _refuse_reload(self, state: State, problems: Sequence[str], by: str, how: str) -> None:
        """Log and record that a file cannot be used."""
        self.reloads.fail(problems)
        _log.error(
            "driftline: %s: the configuration was not reloaded, and the one before it is in use:%s",
            by or "reload",
            "".join(f"\n  {problem}" for problem in problems),
        )
        words = "the configuration was not reloaded, because the file has problems"
        with suppress(StorageOutage):
            self._audit_configuration(state, words, "; ".join(problems)[:400], self.reloads.file.digest(), by, how)

    def _audit_configuration(
        self, state: State, words: str, why: str = "", digest: str = "", by: str = "", how: str = ""
    ) -> None:
        """Record in the audit log which file is used, with its digest. Raises StorageOutage."""
        file = self.reloads.file.path
        subject = "" if file is None else file.name
        reason = "no file: the defaults" if file is None else f"SHA-256 {digest or self.reloads.digest}"
        reason = f"{reason}; {why}" if why else reason
        state.audit("configured", by=by, how=how, subject=subject, words=words, why=reason)

    def _audit_waivers(self, state: State, config: Config) -> None:
        """Record in the audit log which actions run without an approval, by tier or model. Raises StorageOutage."""
        for waiver in waived_approvals(config.actions, config.policies, config.models, config.limits.actions):
            state.audit("configured", subject=waiver.action, model=waiver.model, words=waiver.words)

    def _note_logins(self) -> None:
        """Record failed log-ins in the audit log until the end."""
        while not self._stopping.wait(NOTE_LOGINS):
            self._note_failed_logins()

    def _note_failed_logins(self) -> None:
        state = self._state
        for failed in self.access.attempts.drain() if state is not None else ():
            assert state is not None
            state.audit("login_failed", subject=failed.address, words="log-ins failed", count=failed.count)

    def _serve(self, state: State) -> threading.Thread:
        """Open the port of the pages and the API; return the thread that loads them at the end of the start."""
        assert self._web is not None
        application = LateApplication(partial(self._pages, state, self._clock()), probes(self.health, self.access))
        self._web.start(application, self._grace)
        return threading.Thread(target=partial(self._load_pages, application), name="driftline-pages", daemon=True)

    def _pages(self, state: State, started: int) -> ASGIApp:
        """Load the pages and the API: a third of all modules, for which readiness does not wait."""
        from driftline_processor.web.app import create_app
        from driftline_processor.web.site import Process, Site

        limits, storage = self.config.limits, self.config.storage
        forwarder, couriers = self._forwarder, self._couriers
        assert forwarder is not None
        assert couriers is not None
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
            process=Process(
                self.lines,
                resident,
                limits.memory,
                limits_by_noun,
                started,
                reloads=self.reloads,
                destinations=forwarder.reports,
                channels=couriers.reports,
                policies=lambda: [*self.config.watched_policies],
                directory=None if storage.in_memory else storage.directory,
                log_limit=storage.log.max_size,
            ),
            exemplars=dict if self._worst is None else self._worst.exemplars,
            reload=self.reload,
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
        is_mine = self._reloading.acquire(timeout=deadline.share(RECEIVING).left)  # a reload that has begun ends first
        for step in self._ending(deadline):
            try:
                step()
            except Exception:
                _log.exception("a component could not be stopped; the others are stopped")
        if is_mine:
            self._reloading.release()
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
        yield self._note_failed_logins
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

    def _encrypted(self) -> Iterator[tuple[str, ListenerTls]]:
        """Yield the name and the certificate of each listener with TLS."""
        for receiver in self._receivers:
            tls = getattr(receiver, "tls", None)
            if tls is not None:
                yield receiver.line, tls
        if self._web is not None and self._web.tls is not None:
            yield "pages", self._web.tls

    def _unencrypted(self) -> list[str]:
        """Return the addresses beyond this machine without TLS."""
        listeners = [(receiver.address, getattr(receiver, "tls", None)) for receiver in self._receivers]
        if self._web is not None:
            listeners.append((self._web.address, self._web.tls))
        return [
            str(address) for address, tls in listeners if address is not None and not address.loopback and tls is None
        ]

    @property
    def _local_url(self) -> str:
        """The address of the pages on this machine."""
        return f"{'http' if self.config.web.tls is None else 'https'}://{self.addresses['web']}"

    @property
    def _links_of_messages(self) -> Links:
        """Links in messages: without ``web.public_url``, with the local address of the pages."""
        links, web = self._links, self.addresses["web"]
        return links if links.public_url or not web.loopback else replace(links, public_url=self._local_url)

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
            f"pages on {self.config.web.public_url or self._local_url}",
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
                else f"decisions carry the name {self._local_token.name}; 'driftline login {self._local_url}' prints a "
                "link that logs you in"
            )
        if self.config.auth.enabled and (plain := self._unencrypted()):
            lines.append(
                f"warning: tokens travel unencrypted to {', '.join(plain)}; set 'tls: {{cert_file, key_file}}' there, "
                "unless an encrypting proxy or mesh is in front"
            )
        exposed = [str(address) for address in self.addresses.values() if not address.loopback]
        if exposed and self.config.insecure_anonymous:
            lines.append(
                f"warning: everyone who can reach {', '.join(exposed)} can send and read data (insecure_anonymous)"
            )
        return lines


def _reads_other_business(change: ConfigChange) -> bool:
    """Return True if readers of business series must be replaced."""
    return any(key.startswith("business") or key == "storage.retention" for key in change.changed)


def _access_of(config: Config) -> Access:
    """Return the rules of who may do what, before the files of tokens are read."""
    secure = config.web.tls is not None or config.web.public_url.startswith("https://")
    return Access(Auth(), NOBODY, secrets.token_bytes(32), secure)


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
            file = ConfigFile(config_file, forward)
            service = Service(file.load(), file=file)
            with service.health.watched_threads():
                service.start()
                print(*service.lines(), sep="\n", flush=True)
                signals.wait(_HangUps(service))
                print("driftline: stopping", flush=True)
                _stop(service)
        except ConfigError as wrong:
            print(*(f"driftline: {problem}" for problem in wrong.problems), sep="\n", file=sys.stderr)
            return BAD_INPUT
        except (PortInUse, StorageError, CertificateError) as wrong:
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


_SIGHUP = int(getattr(signal, "SIGHUP", 0))
"""0 on Windows."""


class _HangUps:
    """Reloads the configuration on another thread, once for all signals that arrive meanwhile."""

    def __init__(self, service: Service) -> None:
        self._service, self._due = service, threading.Event()
        threading.Thread(target=self._run, name="driftline-reload", daemon=True).start()

    def __call__(self) -> None:
        """Request a reload."""
        self._due.set()

    def _run(self) -> None:
        while self._due.wait():
            self._due.clear()
            with suppress(ReloadError):  # it is logged
                self._service.reload("SIGHUP", "signal")


class _Signals:
    """Handles SIGTERM, SIGINT and SIGHUP within a ``with`` block.

    The system may deliver a signal to any thread, and a main thread that waits for a lock would not notice. So it waits
    for a socket, to which Python writes the number of each signal.
    """

    def __init__(self) -> None:
        self._numbers, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._ending = False
        self._before: dict[int, Any] = {}
        self._descriptor = -1

    def wait(self, hang_up: Callable[[], object]) -> None:
        """Wait for the first signal that ends the process; call ``hang_up`` for each SIGHUP, also an earlier one."""
        while True:
            for number in self._numbers.recv(4_096):
                if number in (signal.SIGTERM, signal.SIGINT):
                    return
                if number == _SIGHUP:
                    hang_up()

    def __enter__(self) -> _Signals:
        handlers: dict[int, Any] = {signal.SIGTERM: self._end, signal.SIGINT: self._end}
        if _SIGHUP and signal.getsignal(_SIGHUP) is not signal.SIG_IGN:
            handlers[_SIGHUP] = lambda *_: None  # unless `nohup` ignores it
        self._descriptor = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor)
        self._numbers.close()
        self._written.close()

    def _end(self, number: int, _: object) -> None:
        if self._ending:
            _end_at_once(f"a second signal ({signal.Signals(number).name})", 128 + number)
        self._ending = True
