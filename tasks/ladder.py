"""Reads the days of a fetch, in smaller requests where the platform cannot answer it whole. Step: fetch.

What smaller requests there are is said in ``adpulse.ladder``; here they are made. What was answered is kept whatever happens to the rest.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from adpulse.bootstrap import App
from adpulse.campaign_range import CampaignRange
from adpulse.entity_names import MetricsAnswer, names_table
from adpulse.errors import AdpulseError, SeveralDays, TooManyCalls, TooMuchData, Transient, Unavailable, Unreadable
from adpulse.fetch_result import FetchResult
from adpulse.holes import Hole, HoleKey
from adpulse.ladder import FULL_RETRIES, descend
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics_request import MetricsRequest, Step
from adpulse.model import Connection, Fetch, Lease
from adpulse.planner.day_parts import MOST_CALLS
from adpulse.planner.windows import spans
from adpulse.platforms.registry import platform_of
from storage.control.holes import Retry
from storage.control.working_sizes import AccountSizes
from tasks.day_parts import StepMemory, by_campaigns, by_fields
from tasks.holes import answered_lately, failed_until, note_hole
from tasks.metric_requests import Requests, Skipped, Unfinished
from tasks.reports import DayReport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of a fetch; ``error`` is why days that are no holes were not read, ``left_holes`` whether holes were noted.

    ``in_parts`` are days that were too much for one read; the next leg reads them in parts.
    """

    result: FetchResult
    error: AdpulseError | None
    left_holes: bool
    in_parts: frozenset[date] = frozenset()


def read_days(app: App, lease: Lease, connection: Connection, fetch: Fetch, holes: Mapping[HoleKey, Hole]) -> Reading:
    """Read every day of the fetch that the platform answers in one way or another, by the connection's filters.

    ``holes`` are the connection's, of any kind of read.

    Raises:
        AdpulseError: nothing was answered.
    """
    return _Days(app=app, lease=lease, connection=connection, fetch=fetch, known=holes).read()


@dataclass(slots=True, kw_only=True)
class _Days:
    """The read of one fetch."""

    app: App
    lease: Lease
    connection: Connection
    fetch: Fetch
    known: Mapping[HoleKey, Hole]
    answers: list[MetricsAnswer] = field(default_factory=list)
    unread: set[date] = field(default_factory=set)
    longest: int = 0
    split_days: bool = False
    left_holes: bool = False
    in_parts: set[date] = field(default_factory=set)
    parts_failed: bool = False
    doubtful: list[tuple[MetricsRequest, TooMuchData]] = field(default_factory=list)
    missing: dict[date, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[date, CampaignRange] = field(default_factory=dict)
    fetched_at: datetime = field(init=False)
    holes: dict[date, Hole] = field(init=False)
    sizes: AccountSizes = field(init=False)
    requests: Requests = field(init=False)
    steps: StepMemory = field(init=False)

    def __post_init__(self) -> None:
        """Note when it begins, which of its days are holes, and the account's working sizes."""
        self.fetched_at = self.app.clock.now()
        self.holes = {day: hole for (kind, day), hole in self.known.items() if kind is self.fetch.kind}
        self.sizes = self.app.working_sizes.of(self.connection.ledger_key)
        self.requests = Requests(app=self.app, lease=self.lease, connection=self.connection, fetch=self.fetch, sizes=self.sizes)
        self.steps = StepMemory(self.sizes, self.fetch.kind, platform_of(self.connection.provider).smaller_requests)

    def read(self) -> Reading:
        self.unread = set(self.fetch.days)
        error: AdpulseError | None = None
        try:
            for request in self._spans():
                self._take(request)
        except Unfinished as unfinished:
            error = unfinished.error
        except Transient as failure:
            error = failure
        error = self._settle_doubts() or error or next(iter(self.requests.skipped), None)
        if error and not self.answers and not self.left_holes and not self.in_parts:
            raise error
        self._remember_size()
        return Reading(result=self._result(), error=error, left_holes=self.left_holes, in_parts=frozenset(self.in_parts))

    def _spans(self) -> Iterator[MetricsRequest]:
        """The days in spans of the account's working size, newest first, then those that are hard to answer, each by itself.

        These are the holes of any kind, and days that were answered in parts lately.
        """
        longest = self.sizes.current(self.requests.days_part, len(self.fetch.days))
        alone = {day for _, day in self.known} | {day for day in self.fetch.days if self.steps.is_noted(day)}
        for span in spans((day for day in self.fetch.days if day not in alone), longest):
            yield MetricsRequest.of(self.fetch, span.since, span.until)
        for day in sorted(alone & set(self.fetch.days), reverse=True):
            if day not in self.holes or self.holes[day].retry_at <= self.fetched_at:
                yield MetricsRequest.of(self.fetch, day, day)

    def _take(self, request: MetricsRequest) -> None:
        """Read these days, or take the steps down for them."""
        hole = self.holes.get(request.since)
        if hole and hole.is_pending:
            self._take_report(request, hole)
            return
        try:
            if hole is None and request.is_one_day and (skipped := self.steps.skips(request.since)) is not None:
                self._take_steps(request, self._too_big(request), skipped)
            else:
                self._keep(request, [self.requests.answer(request)])
                self._forget_step(request)
        except TooManyCalls as error:
            self._read_in_parts(request, error)
        except TooMuchData as error:
            if hole and hole.times % FULL_RETRIES:
                self._leave_hole(request, error)
            else:
                self._descend(request, error)
        except Unreadable as error:
            self._take_apart(request, error)
        except Skipped:
            return

    def _read_in_parts(self, request: MetricsRequest, error: TooManyCalls) -> None:
        """Take an account that is larger than anybody knew for one whose days are read in parts, or halve a part that is too large."""
        if request.campaigns.is_whole:
            log.info("connection %s is read in parts: %s", self.connection.id, error)
            page = self.app.client(self.connection).page_sizes(self.connection).report or 1
            self.app.sizes.set_estimate(self.connection, ads=MOST_CALLS * page, campaigns=0)
            self.in_parts |= set(request.days)
        elif not request.is_one_day:
            self._descend(request, self._too_big(request))
        else:
            self._take_steps(request, error, (Step.FIELDS, Step.REPORT))

    def _too_big(self, request: MetricsRequest) -> TooMuchData:
        label = platform_of(self.connection.provider).label
        return TooMuchData(f"{label} answers {request.since} of {self.connection.name} in parts only.")

    def _forget_step(self, request: MetricsRequest) -> None:
        if request.is_one_day and request.campaigns.is_whole:
            self.steps.forget(request.since)

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
        """These days are read."""
        self.requests.was_answered(len(request.days))
        self.answers += answers
        self.unread -= set(request.days)
        self.longest = max(self.longest, len(request.days))

    def _descend(self, request: MetricsRequest, error: TooMuchData) -> None:
        """Replace a request that is too big.

        Of the days of a leg that fail without a name only the first ones are requested in parts, until that does not help either: each
        part is three tries.
        """
        if not request.is_one_day:
            self.requests.went_down = self.split_days = True
            self._log_step(request, Step.DAYS)
            for half in descend(request, (), (), ()).requests:
                self._take(half)
            return
        if not error.named:
            self.requests.unnamed.add(request.since)
        self._take_steps(request, error, () if error.named or not self.parts_failed else (Step.FIELDS, Step.CAMPAIGNS))

    def _take_steps(self, request: MetricsRequest, error: TooMuchData, skipped: Sequence[Step]) -> None:
        """Request a day in smaller and smaller parts, without the steps that are skipped, until one of them answers it."""
        self.requests.went_down, tried = True, list(skipped)
        while request.since in self.unread:
            known = self.app.warehouse(self.connection.workspace_id).campaigns(self.connection.id)
            descent = descend(request, self.steps.available, tried, known)
            tried.append(descent.step)
            self._log_step(request, descent.step)
            if descent.step is Step.FIELDS:
                self._by_fields(request, descent.requests)
            elif descent.step is Step.CAMPAIGNS:
                self._by_campaigns(request, known, named=error.named)
                self.parts_failed = self.parts_failed or request.since in self.unread
            elif descent.step is Step.REPORT:
                self._start_report(request, error)
                return
            else:
                self._leave_last_hole(request, error)
                return
        if request.campaigns.is_whole:
            self.steps.note(request.since, tried[-1])

    def _log_step(self, request: MetricsRequest, step: Step) -> None:
        days = request.since if request.is_one_day else f"{request.since} to {request.until}"
        log.info("connection %s: %s of %s as %s", self.connection.id, request.kind, days, step)

    def _by_fields(self, request: MetricsRequest, halves: tuple[MetricsRequest, ...]) -> None:
        if answer := by_fields(self.requests, halves):
            self._keep(request, [answer])

    def _by_campaigns(self, request: MetricsRequest, known: Sequence[str], *, named: bool) -> None:
        parts = by_campaigns(self.requests, request, known, named=named)
        if parts.is_whole:
            self._keep(request, parts.answers)
        else:
            self.answers += parts.answers
            self.parts[request.since] = parts.covered
            self.missing[request.since] = parts.missing

    def _take_report(self, request: MetricsRequest, hole: Hole) -> None:
        """Read the day's report, or start it where it waited for its turn."""
        if hole.report is None:
            self._start_report(request, TooMuchData(hole.message, hole.code))
            return
        outcome = self._report(request).read(hole.report)
        if isinstance(outcome, MetricsAnswer):
            self.fetched_at = min(self.fetched_at, hole.report.started_at)  # its numbers may be as old as that
            self._keep(request, [outcome])
            self.steps.note(request.since, Step.REPORT)
        elif isinstance(outcome, Retry):
            self._note(request, AdpulseError(hole.message, hole.code), outcome)
        else:
            self._leave_hole(request, outcome)

    def _start_report(self, request: MetricsRequest, cause: TooMuchData) -> None:
        """Let the platform compute the day in its own time; the next leg asks for it."""
        outcome = self._report(request).start(cause)
        if isinstance(outcome, Retry):
            self._note(request, cause, outcome)
        elif isinstance(outcome, TooMuchData) and not outcome.named:
            self.doubtful.append((request, outcome))
        else:
            self.requests.refused += 1
            self._leave_hole(request, outcome)

    def _report(self, request: MetricsRequest) -> DayReport:
        return DayReport(app=self.app, lease=self.lease, connection=self.connection, request=request)

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
        retry = replace(retry, campaigns=self.missing.get(request.since, retry.campaigns))
        note_hole(self.app.holes, self.lease, (request.kind, request.since), error, retry)

    def _remember_size(self) -> None:
        """Request as many days at once the next time as were answered at once, if more were not."""
        if self.split_days and self.longest:
            self.sizes.note(self.requests.days_part, min(self.longest, self.requests.limit or self.longest))

    def _result(self) -> FetchResult:
        none = MetricsAnswer(METRIC_SCHEMA.empty_table(), names_table({}))  # all days may be holes
        rows, names, refused = MetricsAnswer.merged([none, *self.answers])
        return FetchResult(
            fetch=self.fetch,
            fetched_at=self.fetched_at,
            table=rows,
            names=names,
            refused=refused,
            unread=frozenset(self.unread),
            parts=self.parts,
        )
