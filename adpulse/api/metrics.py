"""``GET /metrics`` in Prometheus' text format: the control plane as it is at the scrape, and the requests of this process.

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

_HELD_UP: Mapping[str, tuple[str, Callable[[ConnectionGroup], int]]] = {
    "postponed": ("Connections whose rest waits for the call budget.", lambda group: group.postponed),
    "cooling_down": ("Connections that rest because the platform asked for it.", lambda group: group.cooling_down),
    "failing": ("Active connections whose last sync failed.", lambda group: group.failing if group.active else 0),
    "stale": ("Scheduled connections without a completed sync for three intervals.", lambda group: group.stale),
    "never_synced": ("Scheduled connections whose first sync has not ended.", lambda group: group.never_synced if group.polled else 0),
}
_LAST_HOUR: Mapping[str, tuple[str, Callable[[Ended], int]]] = {
    "runs_changed": ("Of the syncs that ended in the last hour, those that changed stored metrics.", lambda each: each.changed),
    "rows_fetched": ("Rows of metrics that they read.", lambda each: each.rows_fetched),
    "rows_written": ("Rows of metrics that they wrote; the others were stored already.", lambda each: each.rows_written),
}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={HTTPStatus.OK.value: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format 0.0.4."}},
)
def read_metrics(request: Request, installation: Annotated[App, Security(scraper, scopes=[Role.OPERATOR])]) -> Response:
    """Counted anew at each request, for operators."""
    traffic: CollectorRegistry = request.app.state.traffic
    return Response(generate_latest(ControlPlane(installation)) + generate_latest(traffic), media_type=CONTENT_TYPE_LATEST)


class ControlPlane(Collector):
    """Reads the control plane each time it is collected."""

    def __init__(self, app: App) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Every family; one without a series is there all the same."""
        found = self._app.gauges.read()
        yield InfoMetricFamily("adpulse_build", "The version that answers.", {"version": version("adpulse")})
        yield from _connections(found)
        yield from _freshness(found)
        yield from _syncs(found)
        yield from self._calls(found)
        yield self._worker()
        yield self._versions()

    def _calls(self, found: Snapshot) -> Iterator[Metric]:
        yield _by_provider("adpulse_calls_last_hour", "Platform calls of the last hour.", found.calls.items())
        told = "Platform calls of the last hour of the account that made most."
        yield _by_provider("adpulse_account_calls_last_hour_max", told, found.busiest_account.items())
        limit = self._app.settings.calls_per_hour
        yield GaugeMetricFamily("adpulse_account_calls_limit", "Calls that an account may make in any 60 minutes.", limit)
        used = GaugeMetricFamily("adpulse_scope_calls", "Calls that a platform counts together, within its window.", labels=["scope"])
        limits = GaugeMetricFamily("adpulse_scope_calls_limit", "Calls that may be made together within the window.", labels=["scope"])
        for each in found.scopes:
            used.add_metric([each.scope], each.calls)
            if most := self._app.scopes.of(each.scope):
                limits.add_metric([each.scope], most.calls)
        yield from (used, limits)

    def _versions(self) -> Metric:
        help_text = "Days until the platform may refuse the API version that is called; missing while no end is announced."
        family = GaugeMetricFamily("adpulse_api_version_days_left", help_text, labels=["provider", "version"])
        for pinned in self._app.api_versions():
            if pinned.days_left is not None:
                family.add_metric([pinned.platform.name, pinned.name], pinned.days_left)
        return family

    def _worker(self) -> Metric:
        family = GaugeMetricFamily("adpulse_worker_seen_seconds", "Seconds since a worker looked for work; missing before the first.")
        if (seen := self._app.leadership.seen(SWEEP)) is not None:
            family.add_metric([], seen.total_seconds())
        return family


def _connections(found: Snapshot) -> Iterator[Metric]:
    labels = ["provider", "status", "frequency"]
    every = GaugeMetricFamily("adpulse_connections", "Connections by platform, status and frequency.", labels=labels)
    for group in found.connections:
        every.add_metric([group.provider, group.status, group.frequency], group.count)
    yield every
    for name, (told, count) in _HELD_UP.items():
        totals = Counter(dict.fromkeys(PLATFORMS, 0))
        for group in found.connections:
            totals[group.provider] += count(group)
        yield _by_provider(f"adpulse_connections_{name}", told, totals.items())


def _freshness(found: Snapshot) -> Iterator[Metric]:
    ages = HistogramMetricFamily(
        "adpulse_freshness_seconds", "Scheduled connections by the seconds since their last completed sync, now.", labels=["provider"]
    )
    oldest = GaugeMetricFamily(
        "adpulse_freshness_oldest_seconds",
        "Seconds since the last completed sync, of the connection that waits longest.",
        labels=["provider"],
    )
    for provider in PLATFORMS:
        groups = [each for each in found.connections if each.provider == provider and each.polled]
        within = [sum(each.synced_within[place] for each in groups) for place in range(len(AGES))]
        synced = sum(each.count - each.never_synced for each in groups)
        bounds = [*((str(float(age)), float(count)) for age, count in zip(AGES, within, strict=True)), ("+Inf", float(synced))]
        ages.add_metric([provider], bounds, sum_value=None)
        if (since := _longest_ago(groups)) is not None:
            oldest.add_metric([provider], max((found.now - since).total_seconds(), 0))
    yield from (ages, oldest)


def _longest_ago(groups: list[ConnectionGroup]) -> datetime | None:
    return min((each.oldest for each in groups if each.oldest), default=None)


def _syncs(found: Snapshot) -> Iterator[Metric]:
    runs = GaugeMetricFamily("adpulse_runs_open", "Syncs that are not closed, by state.", labels=["provider", "state"])
    for (provider, state), count in found.open_runs.items():
        runs.add_metric([provider, state], count)
    yield runs
    letters = [(provider, found.dead_letters.get(provider, 0)) for provider in PLATFORMS]
    yield _by_provider("adpulse_dead_letters", "Syncs that ended without success and wait for a person.", letters)
    ended = GaugeMetricFamily("adpulse_runs_last_hour", "Syncs that ended in the last hour, by state.", labels=["provider", "state"])
    for each in found.ended:
        ended.add_metric([each.provider, each.state], each.count)
    yield ended
    for name, (told, counted) in _LAST_HOUR.items():
        totals = [(provider, sum(counted(each) for each in found.ended if each.provider == provider)) for provider in PLATFORMS]
        yield _by_provider(f"adpulse_{name}_last_hour", told, totals)


def _by_provider(name: str, told: str, values: Iterable[tuple[Provider, int]]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=["provider"])
    for provider, value in values:
        family.add_metric([provider], value)
    return family
