"""Requests some of an account's campaigns, in as many requests as their ids take. Step: fetch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from adpulse.campaign_range import WHOLE_ACCOUNT, CampaignRange
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import TooManyCalls
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import Connection, FetchKind
from adpulse.planner.day_parts import MOST_NAMED
from adpulse.platforms.base import CallSlot, PlatformClient, Size
from adpulse.platforms.registry import platform_of
from storage.control.ledger import Ledger


def at_most(calls: int, slot: CallSlot, read: str) -> CallSlot:
    """A slot that may be taken so many times by the read, which is named in the error.

    Raises:
        TooManyCalls: by the slot, when it is taken once more.
    """
    left = calls

    def take() -> None:
        nonlocal left
        if not left:
            raise TooManyCalls(f"{read} take more than {calls} calls.")
        left -= 1
        slot()

    return take


def calls_left(ledger: Ledger, connection: Connection) -> int:
    """Calls that the account may make at once."""
    key = connection.ledger_key
    return max(ledger.limit(key).per_hour - len(ledger.calls(key)), 0)


def is_of_unknown_size(connection: Connection) -> bool:
    """Whether a read of the account may take any number of calls."""
    return Size.of(connection).ads is None and not platform_of(connection.provider).reads_days_whole


def campaigns_answer(client: PlatformClient, connection: Connection, request: MetricsRequest, slot: CallSlot) -> MetricsAnswer:
    """The answer to a request for some campaigns.

    Where too many would have to be left out, everybody's totals say which campaigns there are beside these.
    """
    only, without = request.campaigns.only, request.campaigns.without
    if len(only or without) <= MOST_NAMED:
        return client.metrics(connection, request, slot)
    if only is not None:
        return _merged(client.metrics(connection, some, slot) for some in _portions(request, only))
    if request.kind is FetchKind.CAMPAIGNS:
        return _without(client.metrics(connection, replace(request, campaigns=WHOLE_ACCOUNT), slot), without)
    everybody = replace(request, kind=FetchKind.CAMPAIGNS, campaigns=WHOLE_ACCOUNT, fields=FieldGroup.ALL)
    totals = client.metrics(connection, everybody, slot)
    others = _without(totals, without)
    ids = {campaign for table in (others.rows, others.refused) for campaign in table["campaign_id"].to_pylist() if campaign}
    nothing = MetricsAnswer(*(table.slice(0, 0) for table in totals))
    return _merged([nothing, *(client.metrics(connection, some, slot) for some in _portions(request, sorted(ids)))])


def _merged(answers: Iterable[MetricsAnswer]) -> MetricsAnswer:
    return MetricsAnswer.merged(list(answers))


def _without(totals: MetricsAnswer, campaigns: Sequence[str]) -> MetricsAnswer:
    """The rows of campaigns' totals that are of other campaigns, and refused rows that may be."""
    named = pa.array(campaigns, pa.string())
    columns = ("campaign_id", "external_id", "campaign_id")
    return MetricsAnswer(*(table.filter(pc.invert(pc.is_in(table[name], named))) for table, name in zip(totals, columns, strict=True)))


def _portions(request: MetricsRequest, campaigns: Sequence[str]) -> Iterator[MetricsRequest]:
    for start in range(0, len(campaigns), MOST_NAMED):
        yield replace(request, campaigns=CampaignRange(only=tuple(campaigns[start : start + MOST_NAMED])))
