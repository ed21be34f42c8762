"""How an account's reports are requested: by which statuses, without which fields, and what the reports may therefore lack."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from adpulse.gone_statuses import GONE_STATUSES

_UNFILTERABLE = ("CREDIT_CARD_NEEDED", "DISABLED", "PENDING_PROCESS")
_RETRY_AFTER = timedelta(days=7)
"""How long a filter that an account refused is not tried again: each try costs a call."""


class StatusFilter(StrEnum):
    """The status filters of Meta's report requests, widest answer first. Without one, Meta leaves archived objects out."""

    EVERY = "every"
    NOT_DELETED = "not_deleted"
    NONE = "none"

    @property
    def narrower(self) -> "StatusFilter | None":
        """The one to try when the account refuses this one; None after the last."""
        filters = tuple(StatusFilter)
        return next(iter(filters[filters.index(self) + 1 :]), None)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Statuses whose rows a report may lack whatever was delivered: a missing row of theirs says nothing.

        Deleted objects may be left out under any filter. Meta's pages name three statuses that no filter of the SDK's enums holds.
        """
        return (*GONE_STATUSES, "ARCHIVED") if self is StatusFilter.NONE else (*GONE_STATUSES, *_UNFILTERABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilters:
    """How one account's reports are requested: narrower where it refused the widest, as noted last at ``noted_at`` (business time).

    ``refused_fields``: the platform's names of fields that it refuses, and that reports can do without.
    """

    ad: StatusFilter = StatusFilter.EVERY
    campaign: StatusFilter = StatusFilter.EVERY
    refused_fields: frozenset[str] = frozenset()
    noted_at: datetime | None = None

    def of(self, level: str) -> StatusFilter:
        """The filter of reports of a level: of ads, or of campaigns."""
        return self.ad if level == "ad" else self.campaign

    def with_level(self, level: str, chosen: StatusFilter) -> "ReportFilters":
        """These, with another filter of a level."""
        return replace(self, ad=chosen) if level == "ad" else replace(self, campaign=chosen)

    def lapsed(self, now: datetime) -> bool:
        """Whether it is so long since a filter was refused that the widest are to be tried again."""
        return self.noted_at is not None and now - self.noted_at >= _RETRY_AFTER

    @property
    def left_out(self) -> frozenset[tuple[str, str]]:
        """Level and status of the entities whose rows the reports may lack whatever they delivered."""
        return frozenset((level, status) for level in ("ad", "campaign") for status in self.of(level).left_out)


WIDEST = ReportFilters()
"""The filters of an account that never refused one."""
