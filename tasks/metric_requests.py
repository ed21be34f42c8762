"""Makes single requests for metrics and judges what failed: too big, a failure that passes, or an outage. Step: fetch."""

from dataclasses import dataclass, field
from datetime import date

from adpulse.bootstrap import App
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import AdpulseError, RateLimited, TooMuchData, Transient, Unavailable
from adpulse.ladder import MOST_REFUSED, NEXT_SIZE
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Fetch, Lease
from adpulse.planner.day_parts import FIRST_CALLS, MOST_CALLS
from adpulse.platforms.base import CallSlot
from adpulse.platforms.registry import platform_of
from storage.control.working_sizes import AccountSizes
from tasks.campaign_requests import at_most, campaigns_answer, is_of_unknown_size


class Unfinished(Exception):
    """The read stops here; what was answered is kept."""

    def __init__(self, error: AdpulseError) -> None:
        super().__init__(str(error))
        self.error = error


class Skipped(Exception):
    """The request failed, and the other days are tried all the same."""


@dataclass(slots=True, kw_only=True)
class Requests:
    """The requests of one read of a fetch, by the connection's filters.

    ``refused`` counts those that were too big, ``limit`` is the number of days that was found too many without a name, halved.
    ``went_down``: a smaller request was made. ``unnamed``: days that failed without a name often enough to be requested in parts.
    """

    app: App
    lease: Lease
    connection: Connection
    fetch: Fetch
    sizes: AccountSizes
    refused: int = 0
    limit: int | None = None
    went_down: bool = False
    answered: bool = False
    skipped: list[Unavailable] = field(default_factory=list)
    unnamed: set[date] = field(default_factory=set)
    failed_before: int | None = field(init=False)

    def __post_init__(self) -> None:
        """Note the size of the last request whose every try failed."""
        noted = self.sizes.noted(self._failed)
        self.failed_before = noted.size if noted else None

    @property
    def days_part(self) -> str:
        """The working size of days. Where days are read whole, all kinds of reads share it: the next kind needs not find it again."""
        return "days" if platform_of(self.connection.provider).reads_days_whole else f"days:{self.fetch.kind}"

    @property
    def _failed(self) -> str:
        return f"failed {self.days_part}"

    def answer(self, request: MetricsRequest) -> MetricsAnswer:
        """One request, tried as often as any call.

        Raises:
            TooMuchData: it is too big, by name or because it failed twice in a row while the account answered something small.
            Unfinished: it failed in a way that may pass, after smaller requests were found.
            Skipped: it failed in a way that may pass; other days may be answered.
        """
        if self.refused >= MOST_REFUSED:
            label = platform_of(self.connection.provider).label
            message = f"{label} refused {self.refused} requests for {self.connection.name} as too big; the rest of its days follow."
            raise Unfinished(RateLimited(message, retry_after=NEXT_SIZE.total_seconds()))
        try:
            answer = campaigns_answer(self.app.client(self.connection), self.connection, request, self._slot(request))
        except TooMuchData:
            self.refused += 1
            raise
        except Unavailable as error:
            raise self._exhausted(request, error) from None
        self.answered = True
        return answer

    def _slot(self, request: MetricsRequest) -> CallSlot:
        """The slot of a request's calls: so many of them as what it covers may take."""
        slot, read = self.app.slot(self.lease, self.fetch.heat), f"The {request.kind} of {self.connection.name}"
        if request.campaigns.is_whole:
            return at_most(FIRST_CALLS * len(request.days), slot, read) if is_of_unknown_size(self.connection) else slot
        is_one_campaign = request.campaigns.only is not None and len(request.campaigns.only) == 1
        return slot if is_one_campaign else at_most(MOST_CALLS, slot, read)

    def was_answered(self, days: int) -> None:
        """So many days were answered at once: failures of requests of this size or less are no longer in a row."""
        if self.failed_before is not None and days > self.failed_before:
            self.sizes.forget(self._failed)
            self.failed_before = None

    def _exhausted(self, request: MetricsRequest, error: Unavailable) -> Exception:
        """What a request leads to whose every try failed in a way that may pass.

        The first one of a size leads to a pause, the second one in a row of that size or less to a smaller request, and only while the
        account answers something small: otherwise it is an outage, which no smaller request helps. A part of a day that failed twice is
        too big at once.
        """
        days = len(request.days)
        if request.since not in self.unnamed:
            if (self.failed_before or 0) < days:
                return self._failed_first(days, error)
            self.sizes.forget(self._failed)
            self.failed_before = None
        try:
            self.app.client(self.connection).facts(self.connection, self.app.slot(self.lease, self.fetch.heat))
        except Transient:
            return error
        self.refused += 1
        self.limit = (days + 1) // 2
        if days > 1:
            self.sizes.note(self.days_part, self.limit)
        return TooMuchData(str(error), error.code, named=False)

    def _failed_first(self, days: int, error: Unavailable) -> Exception:
        self.sizes.note(self._failed, days)
        self.failed_before = days
        if days == 1 and (self.answered or not self.skipped):
            self.skipped.append(error)
            return Skipped()
        if not self.went_down:
            return error
        return Unfinished(RateLimited(f"{error} A smaller request follows.", retry_after=NEXT_SIZE.total_seconds()))
