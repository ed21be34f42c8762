"""``GET /metrics`` in Prometheus' text format: the state of the control plane at the scrape, and the requests of this process.

Every family has a bounded number of series: by platform, status, frequency or route, never by connection.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

from fastapi import Request, Security
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from adpulse.api import routing
from adpulse.api.access import scraper
from adpulse.api.problems import CLOSED, answers
from adpulse.bootstrap import App
from adpulse.model import Provider
from adpulse.platforms.registry import PLATFORMS
from adpulse.role import Role
from storage.control.gauges import AGES, ConnectionGroup, Ended, Snapshot
from storage.control.leader import SWEEP

router = routing.router("health", responses=CLOSED | answers(HTTPStatus.FORBIDDEN))

_DELAYED: Mapping[str, tuple[str, Callable[[ConnectionGroup], int]]] = {
    "postponed": ("Connections whose rest waits for the call budget.", lambda group: group.postponed),
    "cooling_down": ("Connections that rest because the platform asked for it.", lambda group: group.cooling_down),
    "failing": ("Active connections whose last sync failed.", lambda group: group.failing if group.active else 0),
    "stale": ("Scheduled connections without a completed sync for three intervals.", lambda group: group.stale),
    "never_synced": ("Scheduled connections whose first sync has not ended.", lambda group: group.never_synced if group.polled else 0),
}
_LAST_HOUR: Mapping[str, tuple[str, Callable[[Ended], int]]] = {
    "runs_changed": ("Of the syncs that ended in the last hour, those that changed stored metrics.", lambda group: group.changed),
    "rows_fetched": ("Rows of metrics that they read.", lambda group: group.rows_fetched),
    "rows_written": ("Rows of metrics that they wrote; the others were stored already.", lambda group: group.rows_written),
}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={HTTPStatus.OK.value: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format 0.0.4."}},
)
def read_metrics(request: Request, installation: Annotated[App, Security(scraper, scopes=[Role.OPERATOR])]) -> Response:
    """Computed at each request, for operators."""
    traffic: CollectorRegistry = request.app.state.traffic
    return Response(generate_latest(ControlPlane(installation)) + generate_latest(traffic), media_type=CONTENT_TYPE_LATEST)


class ControlPlane(Collector):
    """Reads the control plane at each scrape."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without a series."""
        snapshot = self._app.gauges.read()
        yield InfoMetricFamily("adpulse_build", "The version that answers.", {"version": version("adpulse")})
        yield from _connections(snapshot)
        yield from _freshness(snapshot)
        yield from _syncs(snapshot)
        yield _warnings(snapshot)
        yield from self._calls(snapshot)
        yield self._worker()
        yield self._versions()

    def _calls(self, snapshot: Snapshot) -> Iterator[Metric]:
        yield _by_provider("adpulse_calls_last_hour", "Platform calls of the last hour.", snapshot.calls.items())
        help_text = "Platform calls of the last hour of the account that made most."
        yield _by_provider("adpulse_account_calls_last_hour_max", help_text, snapshot.busiest_account.items())
        limit = self._app.settings.calls_per_hour
        yield GaugeMetricFamily("adpulse_account_calls_limit", "Calls that an account may make in any 60 minutes.", limit)
        used = GaugeMetricFamily("adpulse_scope_calls", "Calls that a platform counts together, within its window.", labels=["scope"])
        limits = GaugeMetricFamily("adpulse_scope_calls_limit", "Calls that may be made together within the window.", labels=["scope"])
        for scope in snapshot.scopes:
            used.add_metric([scope.scope], scope.calls)
            if limit_of_scope := self._app.scopes.of(scope.scope):
                limits.add_metric([scope.scope], limit_of_scope.calls)
        yield from (used, limits)

    def _versions(self) -> Metric:
        help_text = "Days until the platform may refuse the API version that is called; missing while no end is announced."
        family = GaugeMetricFamily("adpulse_api_version_days_left", help_text, labels=["provider", "version"])
        for pinned in self._app.api_versions().values():
            if pinned.days_left is not None:
                family.add_metric([pinned.platform.name, pinned.name], pinned.days_left)
        return family

    def _worker(self) -> Metric:
        family = GaugeMetricFamily("adpulse_worker_seen_seconds", "Seconds since a worker looked for work; missing before the first.")
        if (last_seen := self._app.leadership.time_since_renewal(SWEEP)) is not None:
            family.add_metric([], last_seen.total_seconds())
        return family


def _warnings(snapshot: Snapshot) -> Metric:
    help_text = "Warnings of connections: what fails, or is odd, without stopping their numbers."
    family = GaugeMetricFamily("adpulse_connection_warnings", help_text, labels=["provider", "kind"])
    for (provider, kind), count in sorted(snapshot.warnings.items()):
        family.add_metric([provider, kind], count)
    return family


def _connections(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ["provider", "status", "frequency"]
    counts = GaugeMetricFamily("adpulse_connections", "Connections by platform, status and frequency.", labels=labels)
    for group in snapshot.connections:
        counts.add_metric([group.provider, group.status, group.frequency], group.count)
    yield counts
    for name, (help_text, count) in _DELAYED.items():
        totals = Counter(dict.fromkeys(PLATFORMS, 0))
        for group in snapshot.connections:
            totals[group.provider] += count(group)
        yield _by_provider(f"adpulse_connections_{name}", help_text, totals.items())


def _freshness(snapshot: Snapshot) -> Iterator[Metric]:
    ages = HistogramMetricFamily(
        "adpulse_freshness_seconds", "Scheduled connections by the seconds since their last completed sync, now.", labels=["provider"]
    )
    oldest = GaugeMetricFamily(
        "adpulse_freshness_oldest_seconds",
        "Seconds since the last completed sync, of the connection that waits longest.",
        labels=["provider"],
    )
    for provider in PLATFORMS:
        groups = [group for group in snapshot.connections if group.provider == provider and group.polled]
        within = [sum(group.synced_within[place] for group in groups) for place in range(len(AGES))]
        synced = sum(group.count - group.never_synced for group in groups)
        bounds = [*((str(float(age)), float(count)) for age, count in zip(AGES, within, strict=True)), ("+Inf", float(synced))]
        ages.add_metric([provider], bounds, sum_value=None)
        if (since := _longest_ago(groups)) is not None:
            oldest.add_metric([provider], max((snapshot.now - since).total_seconds(), 0))
    yield from (ages, oldest)


def _longest_ago(groups: list[ConnectionGroup]) -> datetime | None:
    return min((group.oldest for group in groups if group.oldest), default=None)


def _syncs(snapshot: Snapshot) -> Iterator[Metric]:
    runs = GaugeMetricFamily("adpulse_runs_open", "Syncs that are not closed, by state.", labels=["provider", "state"])
    for (provider, state), count in snapshot.open_runs.items():
        runs.add_metric([provider, state], count)
    yield runs
    letters = [(provider, snapshot.dead_letters.get(provider, 0)) for provider in PLATFORMS]
    yield _by_provider("adpulse_dead_letters", "Syncs that ended without success and wait for a person.", letters)
    ended = GaugeMetricFamily("adpulse_runs_last_hour", "Syncs that ended in the last hour, by state.", labels=["provider", "state"])
    for group in snapshot.ended:
        ended.add_metric([group.provider, group.state], group.count)
    yield ended
    for name, (help_text, counted) in _LAST_HOUR.items():
        totals = [(provider, sum(counted(group) for group in snapshot.ended if group.provider == provider)) for provider in PLATFORMS]
        yield _by_provider(f"adpulse_{name}_last_hour", help_text, totals)


def _by_provider(name: str, help_text: str, values: Iterable[tuple[Provider, int]]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["provider"])
    for provider, value in values:
        family.add_metric([provider], value)
    return family
