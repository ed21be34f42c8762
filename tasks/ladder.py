"""Reads the days of a fetch, in smaller requests where the platform cannot answer it whole. Step: fetch.

What smaller requests there are is said in ``adpulse.ladder``; here they are made. What was answered is kept whatever happens to the rest.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pyarrow as pa

from adpulse import refused_table
from adpulse.bootstrap import App
from adpulse.entity_names import MetricsAnswer, merge_names
from adpulse.errors import (
    AdpulseError,
    BadRequest,
    ObjectGone,
    RateLimited,
    SeveralDays,
    StatusRefused,
    TooMuchData,
    Transient,
    Unavailable,
    Unreadable,
)
from adpulse.fetch_result import FetchResult
from adpulse.holes import Hole, HoleKey, Report
from adpulse.ladder import (
    FULL_RETRIES,
    MOST_REFUSED,
    MOST_REFUSED_RANGES,
    MOST_REPORTS,
    NEXT_SIZE,
    REPORT_HOURS,
    campaign_halves,
    descend,
    levels_of_campaigns,
    poll_pause,
)
from adpulse.metric_rows import METRIC_SCHEMA, summed, with_profit
from adpulse.metrics_request import MetricsRequest, Step
from adpulse.model import Connection, Fetch, Lease
from adpulse.planner.windows import spans
from adpulse.platforms.registry import platform_of
from storage.control.holes import Retry
from tasks.holes import answered_lately, failed_until, note_hole

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)


class _Unfinished(Exception):
    """The read stops here; what was answered is kept."""

    def __init__(self, error: AdpulseError) -> None:
        super().__init__(str(error))
        self.error = error


class _Skipped(Exception):
    """The request failed, and the other days are tried all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of a fetch; ``error`` is why days that are no holes were not read, ``left_holes`` whether holes were noted."""

    result: FetchResult
    error: AdpulseError | None
    left_holes: bool


def read_days(app: App, lease: Lease, connection: Connection, fetch: Fetch, holes: Mapping[HoleKey, Hole]) -> Reading:
    """Read every day of the fetch that the platform answers in one way or another, by the connection's filters.

    ``holes`` are the connection's, of any kind of read.

    Raises:
        AdpulseError: nothing was answered.
    """
    return _Days(app=app, lease=lease, connection=connection, fetch=fetch, known=holes).read()


@dataclass(slots=True, kw_only=True)
class _Days:
    """The read of one fetch. ``refused`` counts the requests that were too big."""

    app: App
    lease: Lease
    connection: Connection
    fetch: Fetch
    known: Mapping[HoleKey, Hole]
    answers: list[MetricsAnswer] = field(default_factory=list)
    unread: set[date] = field(default_factory=set)
    longest: int = 0
    limit: int | None = None
    refused: int = 0
    went_down: bool = False
    split_days: bool = False
    left_holes: bool = False
    skipped: list[Unavailable] = field(default_factory=list)
    doubtful: list[tuple[MetricsRequest, TooMuchData]] = field(default_factory=list)
    fetched_at: datetime = field(init=False)
    holes: dict[date, Hole] = field(init=False)
    reports: int = field(init=False)
    failed_before: int | None = field(init=False)

    def __post_init__(self) -> None:
        """Note when it begins and which of its days are holes."""
        self.fetched_at = self.app.clock.now()
        self.holes = {day: hole for (kind, day), hole in self.known.items() if kind is self.fetch.kind}
        self.reports = sum(hole.report is not None for hole in self.known.values())
        self.failed_before = self.app.working_sizes.noted(self.connection.ledger_key, self._failed)

    def read(self) -> Reading:
        self.unread = set(self.fetch.days)
        error: AdpulseError | None = None
        try:
            for request in self._requests():
                self._take(request)
        except _Unfinished as unfinished:
            error = unfinished.error
        except Transient as failure:
            error = failure
        error = self._settle_doubts() or error or next(iter(self.skipped), None)
        if error and not self.answers and not self.left_holes:
            raise error
        self._remember_size()
        return Reading(result=self._result(), error=error, left_holes=self.left_holes)

    def _requests(self) -> Iterator[MetricsRequest]:
        """The days in spans of the account's working size, newest first, then those that are holes of any kind, each by itself."""
        longest = self.app.working_sizes.current(self.connection.ledger_key, self._part, len(self.fetch.days))
        alone = {day for _, day in self.known}
        for span in spans((day for day in self.fetch.days if day not in alone), longest):
            yield MetricsRequest.of(self.fetch, span.since, span.until)
        for day in sorted(alone & set(self.fetch.days), reverse=True):
            if day not in self.holes or self.holes[day].retry_at <= self.fetched_at:
                yield MetricsRequest.of(self.fetch, day, day)

    def _take(self, request: MetricsRequest) -> None:
        """Read these days, or take the steps down for them."""
        hole = self.holes.get(request.since)
        if hole and hole.report:
            self._read_report(request, hole.report)
            return
        if hole and hole.is_pending:
            self._start_report(request, TooMuchData(hole.message, hole.code))
            return
        try:
            self._keep(request, [self._answer(request)])
        except TooMuchData as error:
            if hole and hole.times % FULL_RETRIES:
                self._leave_hole(request, error)
            else:
                self._descend(request, error)
        except Unreadable as error:
            self._take_apart(request, error)
        except _Skipped:
            return

    def _take_apart(self, request: MetricsRequest, error: Unreadable) -> None:
        """Find the day whose answer has a row that may be of any entity or day, and leave it as it is."""
        if request.is_one_day:
            self._leave_hole(request, error)
        elif isinstance(error, SeveralDays):
            for day in reversed(request.days):
                self._take(MetricsRequest.of(self.fetch, day, day))
        else:
            for half in descend(request, (), (), ()).requests:
                self._take(half)

    def _keep(self, request: MetricsRequest, answers: list[MetricsAnswer]) -> None:
        """These days are read. Failures of requests of this size or less are no longer in a row."""
        if self.failed_before is not None and len(request.days) > self.failed_before:
            self.app.working_sizes.forget(self.connection.ledger_key, self._failed)
            self.failed_before = None
        self.answers += answers
        self.unread -= set(request.days)
        self.longest = max(self.longest, len(request.days))

    def _answer(self, request: MetricsRequest) -> MetricsAnswer:
        """One request, tried as often as any call.

        Raises:
            TooMuchData: it is too big, by name or because it failed twice in a row while the account answered something small.
            _Unfinished: it failed in a way that may pass, after smaller requests were found.
        """
        if self.refused >= MOST_REFUSED:
            label = platform_of(self.connection.provider).label
            message = f"{label} refused {self.refused} requests for {self.connection.name} as too big; the rest of its days follow."
            raise _Unfinished(RateLimited(message, retry_after=NEXT_SIZE.total_seconds()))
        client, slot = self.app.client(self.connection), self.app.slot(self.lease, self.fetch.heat)
        try:
            return client.metrics(self.connection, request, slot)
        except TooMuchData:
            self.refused += 1
            raise
        except Unavailable as error:
            raise self._exhausted(request, error) from None

    def _exhausted(self, request: MetricsRequest, error: Unavailable) -> Exception:
        """What a request leads to whose every try failed in a way that may pass.

        The first one of a size leads to a pause, the second one in a row of that size or less to a smaller request, and only while the
        account answers something small: otherwise it is an outage, which no smaller request helps.
        """
        sizes, account, part, days = self.app.working_sizes, self.connection.ledger_key, self._failed, len(request.days)
        if (self.failed_before or 0) < days:
            sizes.note(account, part, days)
            self.failed_before = days
            if days == 1 and (self.answers or not self.skipped):
                self.skipped.append(error)
                return _Skipped()
            if not self.went_down:
                return error
            return _Unfinished(RateLimited(f"{error} A smaller request follows.", retry_after=NEXT_SIZE.total_seconds()))
        sizes.forget(account, part)
        self.failed_before = None
        try:
            self.app.client(self.connection).facts(self.connection, self.app.slot(self.lease, self.fetch.heat))
        except Transient:
            return error
        self.refused += 1
        self.limit = (days + 1) // 2
        if days > 1:
            sizes.note(account, self._part, self.limit)
        return TooMuchData(str(error), error.code, named=False)

    def _descend(self, request: MetricsRequest, error: TooMuchData) -> None:
        """Replace a request that is too big."""
        self.went_down = True
        if not request.is_one_day:
            self.split_days = True
            for half in descend(request, (), (), ()).requests:
                self._take(half)
            return
        steps = platform_of(self.connection.provider).smaller_requests
        # A day that fails without a name goes to a report at once: each half of it would need two legs to be found too big.
        tried = list[Step]() if error.named else [Step.FIELDS, Step.CAMPAIGNS]
        while request.since in self.unread:
            descent = descend(request, steps, tried, self.app.warehouse(self.connection.workspace_id).campaigns(self.connection.id))
            tried.append(descent.step)
            log.info("connection %s: %s of %s as %s", self.connection.id, request.kind, request.since, descent.step)
            if descent.step is Step.FIELDS:
                self._by_fields(request, descent.requests)
            elif descent.step is Step.CAMPAIGNS:
                self._by_campaigns(request)
            elif descent.step is Step.REPORT:
                self._start_report(request, error)
                return
            else:
                self._leave_last_hole(request, error)
                return

    def _by_fields(self, request: MetricsRequest, halves: tuple[MetricsRequest, ...]) -> None:
        """The day in halves of its fields, if both are answered: a field that is absent would count as zero."""
        try:
            answers = [self._answer(half) for half in halves]
        except BadRequest:
            return
        rows = with_profit(summed(pa.concat_tables(answer.rows for answer in answers)), self.connection.gross_margin)
        names, refused = merge_names(answer.names for answer in answers), pa.concat_tables(answer.refused for answer in answers)
        self._keep(request, [MetricsAnswer(rows, names, refused)])

    def _by_campaigns(self, request: MetricsRequest) -> None:
        """The day in ranges of campaigns. What is answered is kept, also where one campaign is too big."""
        known = self.app.warehouse(self.connection.workspace_id).campaigns(self.connection.id)
        levels = levels_of_campaigns(platform_of(self.connection.provider).smaller_requests)
        answers, waiting = list[MetricsAnswer](), [(request, 0)]
        impossible, most = False, self.refused + MOST_REFUSED_RANGES
        while waiting and self.refused < most:
            part, level = waiting.pop()
            halves, refused = campaign_halves(part, known), list[MetricsRequest]()
            for half in halves:
                try:
                    answers.append(self._answer(half))
                except BadRequest:
                    refused.append(half)
            level = level + 1 if len(refused) == len(halves) else 0
            if not halves or level >= levels:
                impossible = True
            else:
                waiting += [(half, level) for half in refused]
        if impossible or waiting:
            self.answers += answers
        else:
            self._keep(request, answers)

    def _start_report(self, request: MetricsRequest, cause: TooMuchData) -> None:
        """Let the platform compute the day in its own time; the next leg asks for it."""
        now, reports = self.app.clock.now(), self.app.client(self.connection).reports
        assert reports is not None  # noqa: S101 - only such platforms have the step
        if self.reports >= MOST_REPORTS:
            self._note(request, cause, Retry(at=now + NEXT_SIZE, failed=False))
            return
        try:
            report_id = reports.start(self.connection, request, self.app.slot(self.lease, self.fetch.heat))
        except StatusRefused:  # a narrower filter may be taken
            raise
        except Unavailable as error:
            if cause.named:
                raise
            self.doubtful.append((request, TooMuchData(str(error), error.code, named=False)))
            return
        except BadRequest as error:
            self.refused += 1
            self._leave_hole(request, error)
            return
        self.reports += 1
        report = Report(id=report_id, started_at=now, polls=0)
        self._note(request, cause, Retry(at=now + poll_pause(0, self.reports), report=report, failed=False))

    def _read_report(self, request: MetricsRequest, report: Report) -> None:
        now, reports = self.app.clock.now(), self.app.client(self.connection).reports
        label, late = platform_of(self.connection.provider).label, not timedelta(0) <= now - report.started_at < REPORT_HOURS
        if reports is None:
            return
        try:
            answer = reports.read(self.connection, request, report.id, self.app.slot(self.lease, self.fetch.heat))
        except ObjectGone as error:
            self._leave_hole(request, TooMuchData(f"{label} lost the report of {request.since} for {self.connection.name}.", error.code))
            return
        except BadRequest as error:
            self._leave_hole(request, error)
            return
        except Unavailable as error:
            if late:
                self._leave_hole(request, error)
                return
            raise
        if answer is not None:
            self.fetched_at = min(self.fetched_at, report.started_at)  # its numbers may be as old as that
            self._keep(request, [answer])
        elif late:
            stuck = f"{label} did not complete a report of {request.since} for {self.connection.name} within an hour."
            self._leave_hole(request, TooMuchData(stuck, "async"))
        else:
            polled = replace(report, polls=report.polls + 1)
            pause = poll_pause(polled.polls, self.reports)
            hole = self.holes[request.since]
            self._note(request, AdpulseError(hole.message, hole.code), Retry(at=now + pause, report=polled, failed=False))

    def _leave_last_hole(self, request: MetricsRequest, error: TooMuchData) -> None:
        """A hole, unless it may be the account or the platform and not the day: then other days would not be answered either.

        Raises:
            RateLimited: nothing was answered; the account must rest.
        """
        if not error.named:
            self.doubtful.append((request, error))
            return
        if not self._answered and error.pause is not None:
            raise error.for_no_smaller()
        self._leave_hole(request, error)

    def _settle_doubts(self) -> AdpulseError | None:
        """Leave days that failed without a name as holes, if others are answered; else it is an outage, and returned."""
        if self.doubtful and not self._answered:
            _, failure = self.doubtful[0]
            return Unavailable(str(failure), failure.code)
        for request, failure in self.doubtful:
            self._leave_hole(request, failure)
        return None

    @property
    def _answered(self) -> bool:
        return bool(self.answers) or answered_lately(self.app, self.lease, self.fetch.kind)

    def _leave_hole(self, request: MetricsRequest, error: AdpulseError) -> None:
        self._note(request, error, failed_until(error, request.since, self.connection.today(self.app.clock.now()), self.app.clock.now()))

    def _note(self, request: MetricsRequest, error: AdpulseError, retry: Retry) -> None:
        self.left_holes = True
        note_hole(self.app.holes, self.lease, (request.kind, request.since), error, retry)

    @property
    def _part(self) -> str:
        """Where days are read whole, every kind of read has the same size: the next kind needs not find it again."""
        return "days" if platform_of(self.connection.provider).reads_days_whole else f"days:{self.fetch.kind}"

    @property
    def _failed(self) -> str:
        """Where the size of the last request is noted whose every try failed."""
        return f"failed {self._part}"

    def _remember_size(self) -> None:
        """Request as many days at once the next time as were answered at once, if more were not."""
        if self.split_days and self.longest:
            self.app.working_sizes.note(self.connection.ledger_key, self._part, min(self.longest, self.limit or self.longest))

    def _result(self) -> FetchResult:
        rows = pa.concat_tables([METRIC_SCHEMA.empty_table(), *(answer.rows for answer in self.answers)])
        names, unread = merge_names(answer.names for answer in self.answers), frozenset(self.unread)
        refused = pa.concat_tables([refused_table.SCHEMA.empty_table(), *(answer.refused for answer in self.answers)])
        return FetchResult(fetch=self.fetch, fetched_at=self.fetched_at, table=rows, names=names, refused=refused, unread=unread)
