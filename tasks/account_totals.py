"""Reads what the whole account has, right after what its campaigns have. Step: fetch."""

from datetime import date

from adpulse.bootstrap import App
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import TooMuchData
from adpulse.fetch_result import FetchResult
from adpulse.ladder import halves_of_days
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Fetch, Lease
from adpulse.planner.windows import spans
from tasks.holes import unanswered
from tasks.optional import optional


def read_account_totals(app: App, lease: Lease, connection: Connection, fetch: Fetch, campaigns_read: frozenset[date]) -> None:
    """Stage the account's totals of the days whose campaigns' totals were read a moment ago.

    What the account has beyond its campaigns can only be told from two reads of one time, so other days wait for the next totals.
    The numbers of entities do not need these, so a failure is a warning.
    """
    fetched_at = app.clock.now()
    days = [day for day in fetch.days if day in campaigns_read]
    if not days:
        app.staging.write(lease.run_id, unanswered(fetch, fetched_at))
        return
    requests = [MetricsRequest.of(fetch, span.since, span.until) for span in spans(days, len(days))]

    def read() -> list[MetricsAnswer]:
        return [answer for request in requests for answer in _read(app, lease, connection, request)]

    answers = optional(app.warnings, lease, fetch, read)
    if answers is not None:
        rows, _, refused = MetricsAnswer.merged(answers)
        unread = frozenset(fetch.days) - set(days)
        app.staging.write(lease.run_id, FetchResult(fetch=fetch, fetched_at=fetched_at, table=rows, refused=refused, unread=unread))


def _read(app: App, lease: Lease, connection: Connection, request: MetricsRequest) -> list[MetricsAnswer]:
    """The answer, in two halves where it is too big: a day has one row, so what is still too big then is not so by its size."""
    client, slot = app.client(connection), app.slot(lease, request.heat)
    try:
        return [client.metrics(connection, request, slot)]
    except TooMuchData:
        if request.is_one_day:
            raise
    return [client.metrics(connection, half, slot) for half in halves_of_days(request)]
