"""Finds campaigns that were deleted before anything of them was stored, in few calls. Step: fetch.

A report of the account lists nothing that is deleted, but the account's totals contain it, and a deleted object answers by its own id
(page "Manage your ad object's status"; issue 269 of facebook-python-business-sdk). The ids are those of campaigns in the account's
activities. No page says whether these list every deletion, or for how long: what they lack stays in the remainder.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from adpulse.deleted_campaigns import DeletedCampaigns, DeletedSearch
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import AccountRefused, BadRequest, ObjectGone
from adpulse.gone_statuses import GONE, GONE_STATUSES
from adpulse.metrics_request import MetricsRequest
from adpulse.missing_entities import status_rows
from adpulse.model import Connection, Level
from adpulse.platforms.base import CallSlot
from adpulse.platforms.meta import normalise, shapes
from adpulse.platforms.meta import requests as ask
from adpulse.platforms.meta.costs import DELETED_CAMPAIGN_CALLS
from adpulse.platforms.meta.reports import Call
from adpulse.platforms.meta.requests import MetaRequest

log = logging.getLogger(__name__)

_ACTIVITIES = 500
"""Activities of one search: the newest ones, in one call."""

Row = Mapping[str, Any]
Node = Callable[[Level, str, CallSlot, str], Row | None]
"""One object by its id: None if Meta says that it does not exist, and empty if Meta refuses to return it."""

Report = Callable[[MetaRequest, Connection, MetricsRequest, CallSlot], MetricsAnswer]


class MetaDeleted:
    """Finds deleted campaigns with a client's calls."""

    def __init__(self, call: Call, node: Node, report: Report) -> None:
        self._call, self._node, self._report = call, node, report

    def find(self, connection: Connection, request: MetricsRequest, search: DeletedSearch, slot: CallSlot) -> DeletedCampaigns:
        """Campaigns that reports leave out, and their totals of the request's days."""
        about = f"account {connection.external_id}"
        calls = DeletedCalls(
            activities=partial(self._activities, connection, search, slot, about),
            node=lambda campaign: self._node(Level.CAMPAIGN, campaign, slot, about),
            totals=partial(self._totals, connection, request, slot),
        )
        result = search_deleted(search, calls)
        rows = normalise.entities(Level.CAMPAIGN, result.rows, connection.id).rows
        statuses = status_rows(connection.id, {(Level.CAMPAIGN, campaign): status for campaign, status in result.statuses.items()})
        return DeletedCampaigns(pa.concat_tables([rows, statuses]), MetricsAnswer.merged(result.totals) if result.totals else None)

    def _activities(self, connection: Connection, search: DeletedSearch, slot: CallSlot, about: str) -> Sequence[object]:
        if search.since is None:
            return []
        request = ask.activities(connection.external_id, search.since).having(limit=_ACTIVITIES)
        try:
            rows = self._call(request, slot, about).get("data")
        except (BadRequest, AccountRefused) as refused:  # no number needs the answer
            log.warning("the changes of %s cannot be read, so campaigns that were deleted stay without a name: %s", about, refused)
            return []
        return rows if isinstance(rows, list) else []

    def _totals(self, connection: Connection, request: MetricsRequest, slot: CallSlot, campaign: str) -> MetricsAnswer | None:
        try:
            return self._report(ask.report_of_campaign(connection, request, campaign), connection, request, slot)
        except (ObjectGone, BadRequest, AccountRefused):  # of this campaign only, as the account's reports were answered
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedCalls:
    """The three calls of a search: the newest activities of an account, one node as a lookup has it, and the totals of a campaign."""

    activities: Callable[[], Sequence[object]]
    node: Callable[[str], Row | None]
    totals: Callable[[str], MetricsAnswer | None]


@dataclass(slots=True)
class Search:
    """What was found: nodes, the status of those that came without one, and totals."""

    rows: list[Row] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    totals: list[MetricsAnswer] = field(default_factory=list)


def search_deleted(search: DeletedSearch, calls: DeletedCalls) -> Search:
    """Ask for campaigns until the calls of the search are used up: first those that are new, as many known ones could take every call."""
    result, left = Search(), min(search.calls, DELETED_CAMPAIGN_CALLS)
    campaigns = list(search.known)
    if search.since and left:
        left -= 1
        new = [campaign for campaign in campaigns_in(calls.activities()) if campaign not in (*search.known, *search.listed)]
        campaigns = [*new, *campaigns]
    for campaign in campaigns:
        if left < 1 + (campaign not in search.settled):
            break
        if campaign not in search.settled:
            left -= 1
            if not _is_unlisted(campaign, search, calls, result):
                continue
        left -= 1
        totals = calls.totals(campaign)
        result.totals += [totals] if totals else []
    return result


def _is_unlisted(campaign: str, search: DeletedSearch, calls: DeletedCalls, result: Search) -> bool:
    """Whether the campaign is one that reports leave out; what it is called is noted."""
    row = calls.node(campaign)
    if row is None:
        result.statuses[campaign] = GONE
        return False
    if row.get("effective_status") not in (*GONE_STATUSES, *search.unlisted_statuses):
        return False
    result.rows.append(row)
    return True


def campaigns_in(activities: Iterable[object]) -> list[str]:
    """Ids of the campaigns that activities are about: those of deletions first, otherwise the newest first.

    Which text a deletion has is documented nowhere, so it decides the order alone.
    """
    about = [(external_id, tells_of_deletion(row)) for row, external_id in _of_campaigns(activities)]
    return list(dict.fromkeys(external_id for external_id, _ in sorted(about, key=lambda event: not event[1])))


def _of_campaigns(activities: Iterable[object]) -> Iterator[tuple[Row, str]]:
    for row in activities:
        if isinstance(row, Mapping) and "campaign" in f"{row.get('object_type')} {row.get('event_type')}".lower():
            external_id = shapes.identifier(row.get("object_id"))
            if external_id:
                yield row, external_id


def tells_of_deletion(row: Row) -> bool:
    """Whether an activity is about something that was deleted."""
    return "delet" in f"{row.get('event_type')} {row.get('extra_data')}".lower()
