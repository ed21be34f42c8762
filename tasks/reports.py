"""Starts and polls the reports that a platform computes in its own time, for days that no request answers. Step: fetch.

Between two polls no thread waits: what is returned says when the day's hole is to be looked at next.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from adpulse.bootstrap import App
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import AdpulseError, BadRequest, ObjectGone, StatusRefused, TooMuchData, Unavailable
from adpulse.holes import Report
from adpulse.ladder import MOST_REPORTS, NEXT_SIZE, REPORT_HOURS, poll_pause
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Lease
from adpulse.platforms.base import CallSlot, Reports
from adpulse.platforms.registry import platform_of
from storage.control.holes import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """The report of one day."""

    app: App
    lease: Lease
    connection: Connection
    request: MetricsRequest

    def start(self, cause: TooMuchData) -> Retry | AdpulseError:
        """When its first poll is due, or its turn where the account has as many reports as it may; or why there is none.

        Raises:
            StatusRefused: a narrower filter may be taken.
            Transient: it may pass; a day that failed without a name is an error that is returned.
        """
        now, under_way = self.app.clock.now(), self.app.holes.reports_under_way(self.connection)
        if under_way >= MOST_REPORTS:
            return Retry(at=now + NEXT_SIZE, failed=False)
        try:
            report_id = self._client.start(self.connection, self.request, self._slot)
        except StatusRefused:
            raise
        except Unavailable as error:
            if cause.named:
                raise
            return TooMuchData(str(error), error.code, named=False)
        except BadRequest as error:
            return error
        return Retry(at=now + poll_pause(0, under_way + 1), report=Report(id=report_id, started_at=now, polls=0), failed=False)

    def read(self, report: Report) -> MetricsAnswer | Retry | AdpulseError:
        """Its rows, when its next poll is due, or why it does not come.

        Raises:
            Transient: it may pass within the report's hour.
        """
        now, label = self.app.clock.now(), platform_of(self.connection.provider).label
        late = not timedelta(0) <= now - report.started_at < REPORT_HOURS
        try:
            answer = self._client.read(self.connection, self.request, report.id, self._slot)
        except ObjectGone as error:
            return TooMuchData(f"{label} lost the report of {self.request.since} for {self.connection.name}.", error.code)
        except BadRequest as error:
            return error
        except Unavailable as error:
            if late:
                return error
            raise
        if answer is not None:
            return answer
        if late:
            stuck = f"{label} did not complete a report of {self.request.since} for {self.connection.name} within an hour."
            return TooMuchData(stuck, "async")
        polled = replace(report, polls=report.polls + 1)
        pause = poll_pause(polled.polls, self.app.holes.reports_under_way(self.connection))
        return Retry(at=now + pause, report=polled, failed=False)

    @property
    def _client(self) -> Reports:
        reports = self.app.client(self.connection).reports
        assert reports is not None  # noqa: S101 - only such platforms have the step
        return reports

    @property
    def _slot(self) -> CallSlot:
        return self.app.slot(self.lease, self.request.heat)
