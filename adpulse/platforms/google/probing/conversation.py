"""What a probe asks Google, in which order. Pure."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from adpulse.campaign_range import CampaignRange
from adpulse.conversion_types import span
from adpulse.model import AccountFacts, Connection, FetchKind, Level
from adpulse.platforms.google import requests as ask
from adpulse.platforms.google.costs import NAME
from adpulse.platforms.google.queries import ACCOUNT, ADS, ASSET_GROUPS, CAMPAIGNS, HIERARCHY
from adpulse.platforms.google.requests import Kind, Query
from adpulse.probe.exchange import Exchange
from adpulse.probe.platform_probe import NO_ACCOUNT, Conversation, Subject
from adpulse.probe.subject import one_day, unconnected, yesterday

ADS_OF_ONE, ADS_OF_OTHERS = "report-of-ads-of-one-campaign", "report-of-ads-of-all-but-one-campaign"
GROUPS_OF_ONE, GROUPS_OF_OTHERS = "report-of-asset-groups-of-one-campaign", "report-of-asset-groups-of-all-but-one-campaign"
OTHER_CAMPAIGNS = "report-of-all-but-one-campaign"
"""Variants of reports: with the conditions of a smaller request."""

_FEW, _MOST_CHANGES, _MOST_MANAGERS = 5, 100, 3
_CHANGES = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Accessible:
    """The call for the customers that a credential reaches directly."""

    kind: str = Kind.ACCESSIBLE

    def as_json(self) -> dict[str, Any]:
        """It has no parameters."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCustomer:
    """A query to a customer, reached through ``login``."""

    customer: str
    login: str | None
    query: Query
    variant: str | None = None

    @property
    def kind(self) -> str:
        """The query's kind, or the variant of it that only the probe tells apart."""
        return self.variant or self.query.kind

    def as_json(self) -> dict[str, Any]:
        """As it is recorded."""
        named = {"customer": self.customer, "login-customer-id": self.login, "query": self.query.text, "fields": list(self.query.fields)}
        return {name: value for name, value in named.items() if value is not None}


Talk = Generator[Accessible | OfCustomer, Exchange, None]
Row = Mapping[str, Any]


def rows_of(exchange: Exchange | None) -> list[Row] | None:
    """The rows of all messages of a stream; None of what is none."""
    if exchange is None or not isinstance(exchange.body, list):
        return None
    return [row for message in exchange.body for row in message.get("results", ())]


def field(row: Row, path: str) -> Any:  # noqa: ANN401 - JSON
    """A field of a row by its name in queries; None where it is not set."""
    value: Any = row
    for name in path.split("."):
        value = value.get(camel(name)) if isinstance(value, Mapping) else None
    return value


def camel(name: str) -> str:
    """A field's name as JSON has it."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def converse(subject: Subject) -> Conversation:
    """Ask for customers, then for everything of one of them."""
    accessible = yield Accessible()
    names = accessible.body.get("resourceNames", ()) if isinstance(accessible.body, dict) else ()
    connection, facts = subject.connection, None
    for top in [str(name).rpartition("/")[2] for name in names][:_MOST_MANAGERS]:
        clients = yield OfCustomer(customer=top, login=top, query=ask.CLIENTS)
        facts = next((each for each in _accounts(clients, top) if subject.account in (None, each.external_id)), None)
        if facts is not None:
            break
    connection = connection or (unconnected(NAME, facts) if facts else None)
    if connection is None:
        return NO_ACCOUNT
    yield OfCustomer(customer=connection.external_id, login=connection.login_customer_id, query=ask.CUSTOMER)
    yield from _customer(subject, connection)
    return None


def _accounts(clients: Exchange, top: str) -> Iterator[AccountFacts]:
    """The customers below one that can be synced."""
    for row in rows_of(clients) or ():
        client_id = str(field(row, "customer_client.id") or "")
        facts = AccountFacts(
            external_id=client_id,
            name=client_id,
            currency=str(field(row, "customer_client.currency_code") or ""),
            timezone=str(field(row, "customer_client.time_zone") or ""),
            enabled=field(row, "customer_client.status") == "ENABLED",
            status="enabled",
            login_customer_id=None if client_id == top else top,
            manager=bool(field(row, "customer_client.manager")),
        )
        if facts.can_be_synced and client_id:
            yield facts


def _customer(subject: Subject, connection: Connection) -> Talk:
    def of(query: Query, variant: str | None = None) -> OfCustomer:
        return OfCustomer(customer=connection.external_id, login=connection.login_customer_id, query=query, variant=variant)

    day = yesterday(subject, connection)
    for level, kind in HIERARCHY.items():
        walked = yield of(ask.entities(level, limit=_FEW))
        ids = [str(each) for row in rows_of(walked) or () if (each := field(row, kind.fields["id"]))]
        if ids:
            yield of(ask.entities(level, list(dict.fromkeys(ids))))
    yield of(ask.changed(subject.now - _CHANGES, subject.now, connection, _MOST_CHANGES))
    leaves, totals = one_day(FetchKind.ADS, day), one_day(FetchKind.CAMPAIGNS, day)
    campaigns = yield of(ask.numbers(CAMPAIGNS, totals, named=True))
    yield of(ask.numbers(ACCOUNT, one_day(FetchKind.ACCOUNT, day), named=True))
    for report in (ADS, ASSET_GROUPS):
        yield of(ask.numbers(report, leaves, named=True))
    for report in (ADS, ASSET_GROUPS, CAMPAIGNS):
        yield of(ask.split(report, leaves))
    yield of(ask.conversion_types(*span(day)))
    busiest = next((str(field(row, "campaign.id")) for row in rows_of(campaigns) or () if field(row, "campaign.id")), None)
    if busiest:
        some, rest = CampaignRange(only=(busiest,)), CampaignRange(without=(busiest,))
        for report, of_one, of_others in ((ADS, ADS_OF_ONE, ADS_OF_OTHERS), (ASSET_GROUPS, GROUPS_OF_ONE, GROUPS_OF_OTHERS)):
            yield of(ask.numbers(report, replace(leaves, campaigns=some), named=False), of_one)
            yield of(ask.numbers(report, replace(leaves, campaigns=rest), named=False), of_others)
        yield of(ask.numbers(CAMPAIGNS, replace(totals, campaigns=rest), named=False), OTHER_CAMPAIGNS)


LEVELS: Mapping[str, Level] = {
    Kind.CAMPAIGNS: Level.CAMPAIGN,
    Kind.AD_GROUPS: Level.AD_GROUP,
    Kind.ADS: Level.AD,
    Kind.ASSET_GROUPS: Level.ASSET_GROUP,
    Kind.LISTED_CAMPAIGNS: Level.CAMPAIGN,
    Kind.LISTED_AD_GROUPS: Level.AD_GROUP,
    Kind.LISTED_ADS: Level.AD,
    Kind.LISTED_ASSET_GROUPS: Level.ASSET_GROUP,
}
"""What kinds of walks and reports are of."""
