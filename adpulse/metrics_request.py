"""What one request for metrics covers: a planned fetch, or a smaller part of it. Pure. Step: fetch."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from adpulse.campaign_range import WHOLE_ACCOUNT, CampaignRange
from adpulse.model import Fetch, FetchKind, Heat, days_between


class Step(StrEnum):
    """What a smaller request has less of."""

    DAYS = "days"
    FIELDS = "fields"
    CAMPAIGNS = "campaigns"
    REPORT = "report"
    HOLE = "hole"


class FieldGroup(StrEnum):
    """Which metrics an answer has. The halves of a row add up: a field that was not requested counts as zero."""

    ALL = "all"
    DELIVERY = "delivery"
    ACTIONS = "actions"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRequest:
    """The rows of ``kind`` from ``since`` to ``until``, both included, in account-local dates.

    ``page_divisor`` makes pages smaller than the account's working size. ``page_shrinks`` is how often the first page may be requested
    again with fewer rows after the platform found it too big.
    """

    kind: FetchKind
    heat: Heat
    since: date
    until: date
    fields: FieldGroup = FieldGroup.ALL
    campaigns: CampaignRange = WHOLE_ACCOUNT
    page_divisor: int = 1
    page_shrinks: int = 0

    @classmethod
    def of(cls, fetch: Fetch, since: date | None = None, until: date | None = None) -> "MetricsRequest":
        """The request for all of a fetch, or for these days of it.

        Raises:
            ValueError: the fetch has no dates.
        """
        if fetch.since is None or fetch.until is None:
            raise ValueError("a metrics fetch needs its dates")
        since, until = since or fetch.since, until or fetch.until
        shrinks = 1 if since < until else 2
        return cls(kind=fetch.kind, heat=fetch.heat, since=since, until=until, campaigns=fetch.campaigns, page_shrinks=shrinks)

    @property
    def days(self) -> tuple[date, ...]:
        """The days it covers, oldest first."""
        return days_between(self.since, self.until)

    @property
    def is_one_day(self) -> bool:
        """Whether it cannot be split by days."""
        return self.since == self.until
