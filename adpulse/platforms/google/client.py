"""Reads Google Ads accounts with the official SDK: managers, queries, streams, retries, answers too big. Step: fetch.

Every query is one operation whatever its size, and takes a ledger slot first, also when it is tried again. Exceptions of gRPC and
google-auth may hold a token in their text, so none is ever chained to ours.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.compute as pc
from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request

from adpulse.clock import Clock
from adpulse.conversion_types import ConversionTypes
from adpulse.deleted_campaigns import DeletedCampaigns, DeletedSearch
from adpulse.entities import ENTITY_SCHEMA, EntitiesAnswer
from adpulse.entity_names import MetricsAnswer, names_table
from adpulse.errors import AccountRefused, AdpulseError, AuthExpired, TooMuchData, Unavailable, VersionSunset
from adpulse.gone_statuses import GONE
from adpulse.metrics_request import MetricsRequest
from adpulse.missing_entities import MissingEntity, status_rows
from adpulse.model import NO_PAGES, AccountFacts, Connection, Fetch, FetchKind, Heat, Level, PageSizes
from adpulse.platforms.attempts import Attempts
from adpulse.platforms.base import CallSlot
from adpulse.platforms.google import normalise, requests, shapes
from adpulse.platforms.google.conversion_types import conversion_types
from adpulse.platforms.google.credentials import Key
from adpulse.platforms.google.errors import CLOSED, Failure, failure_of, from_failure
from adpulse.platforms.google.messages import columns, error_reason, failure_reader, request_class
from adpulse.platforms.google.metrics import RULES, fields, split_field
from adpulse.platforms.google.queries import ACCOUNT, BUDGET, CAMPAIGNS, HIERARCHY, Report, leaf_reports
from adpulse.platforms.google.requests import Query

log = logging.getLogger(__name__)
logging.getLogger("google.ads.googleads").setLevel(logging.ERROR)  # it warns of every refusal, which our own errors report

MOST_CHANGES = 10_000
"""Google returns at most this many changes; an answer of exactly so many is incomplete."""

MOST_IDS = 1_000
"""Of more changed entities than this, every entity of the kind is read: it is one operation either way."""

_TOKEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how Google is called, the same for all credentials."""

    address: str
    version: str
    timeout: float = 300.0


class GoogleClient:
    """What one credential reaches. Blocking; safe to share between threads."""

    def __init__(self, key: Key, endpoint: Endpoint, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._project = key.project
        self._credentials: Any = key.credentials()
        self._endpoint = endpoint
        self._clock = clock
        self._sleep = sleep
        self._attempts = Attempts(lambda seconds: self._sleep(seconds), Random())  # noqa: S311, PLW0108 - jitter; tests put another sleep in its place
        self._services: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.RLock()

    @property
    def scope(self) -> str:
        """The Google Cloud project of the OAuth client or service account."""
        return f"google:{self._project}"

    @property
    def full_access(self) -> bool | None:
        """None: Google limits a project's operations, not how fast an account is read ("Access Levels")."""
        return None

    @property
    def answered_by(self) -> str | None:
        """None: Google refuses a version that has ended, and never answers with another one."""
        return None

    def accounts(self, slot: CallSlot) -> list[AccountFacts]:
        """Every customer the credential reaches, through managers too, each once; how it is reached is part of it.

        A customer that is closed has no clients to ask for, and is listed with its status.
        """
        customers: dict[str, AccountFacts] = {}
        closed: list[AccountFacts] = []
        for customer in self._accessible(slot):
            try:
                clients = self._clients_of(customer, slot)
            except AccountRefused as error:
                closed.append(_unreadable(customer, error))
                continue
            for facts in clients:
                if facts.external_id not in customers or facts.login_customer_id is None:
                    customers[facts.external_id] = facts
        return [*customers.values(), *(facts for facts in closed if facts.external_id not in customers)]

    def facts(self, connection: Connection, slot: CallSlot) -> AccountFacts:
        """What Google says about the connection's customer now."""
        rows = self._query(connection, requests.CUSTOMER, slot).to_pylist()
        if not rows:
            raise Unavailable(f"Google returned nothing about {_about(connection.external_id)}.", "malformed")
        return normalise.account(rows[-1] | {"customer.id": connection.external_id}, "customer", connection.login_customer_id)

    def entities(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> EntitiesAnswer:
        """Campaigns, ad groups, ads and asset groups, removed ones too: all, or those changed since the fetch's instant."""
        if fetch.kind is FetchKind.ENTITIES_CHANGED and fetch.changed_since:
            changed = self._changed(connection, fetch.changed_since, slot)
        else:
            changed = dict.fromkeys(HIERARCHY)
        answers = [EntitiesAnswer(ENTITY_SCHEMA.empty_table())]
        answers += [self._entities(connection, level, ids, slot) for level, ids in changed.items()]
        return EntitiesAnswer(*(pa.concat_tables(tables) for tables in zip(*answers, strict=True)))

    def page_sizes(self, connection: Connection) -> PageSizes:  # noqa: ARG002 - of every account
        """None: an answer is a stream, and one call."""
        return NO_PAGES

    def look_up(self, connection: Connection, absent: Sequence[MissingEntity], slot: CallSlot) -> pa.Table:
        """These entities, removed ones too, in a query for each level; an id that Google does not know is GONE."""
        tables = [ENTITY_SCHEMA.empty_table()]
        for level in sorted({entity.level for entity in absent}):
            ids = [entity.external_id for entity in absent if entity.level is level]
            rows = self._entities(connection, level, ids, slot).rows
            unknown = sorted(set(ids) - set(rows["external_id"].to_pylist()))
            tables += [rows, status_rows(connection.id, {(level, external_id): GONE for external_id in unknown})]
        return pa.concat_tables(tables)

    def deleted_campaigns(self, connection: Connection, request: MetricsRequest, search: DeletedSearch, slot: CallSlot) -> DeletedCampaigns:  # noqa: ARG002 - nothing to ask
        """None: Google goes on to report what was removed."""
        return DeletedCampaigns(ENTITY_SCHEMA.empty_table(), None)

    @property
    def reports(self) -> None:
        """None: Google computes no reports in its own time."""
        return

    def metrics(self, connection: Connection, request: MetricsRequest, slot: CallSlot) -> MetricsAnswer:
        """One row per leaf (or campaign) and day of the request: complete, or an error. And what the entities are called now.

        Leaves come without the split of conversions (ADS) or with nothing else (CATEGORIES), campaigns with both, the account without.
        Names are requested with today's numbers, and with all before the first walk:
        they cost no operation, but a walk returns removed entities too, so months of rows need not repeat their names.

        Raises:
            TooMuchData: the answer is bigger than a message may be, or takes too much of Google's resources.
        """
        named = request.heat is Heat.HOT or connection.ad_count is None

        def base(report: Report) -> MetricsAnswer:
            return self._base(connection, report, request, slot, named=named)

        if request.kind is FetchKind.CAMPAIGNS:
            answers = [base(CAMPAIGNS), self._split(connection, CAMPAIGNS, request, slot)]
            parts = [normalise.joined(answer.rows for answer in answers)]
        elif request.kind is FetchKind.ACCOUNT:
            answers = [base(ACCOUNT)]
            parts = [answer.rows for answer in answers]
        elif request.kind is FetchKind.CATEGORIES:
            answers = [self._split(connection, report, request, slot) for report in leaf_reports(connection)]
            parts = [answer.rows for answer in answers]
        else:
            answers = [base(report) for report in leaf_reports(connection)]
            parts = [answer.rows for answer in answers]
        return MetricsAnswer.merged(answers, normalise.rows(parts, connection))

    def conversion_types(self, connection: Connection, since: date, until: date, slot: CallSlot) -> ConversionTypes:
        """The conversions of the whole customer by category and conversion action, in one operation."""
        return conversion_types(self._query(connection, requests.conversion_types(since, until), slot), _about(connection.external_id))

    def _base(self, connection: Connection, report: Report, request: MetricsRequest, slot: CallSlot, *, named: bool) -> MetricsAnswer:
        """The numbers without the split of conversions, and the names if ``named``."""
        mapping = connection.mapping or RULES.default
        query = requests.numbers(report, request, mapping, named=named)
        answer, accepted, refused = self._report(connection, report, query, fields(mapping).values(), request, slot)
        names = normalise.names(answer, {level: HIERARCHY[level].fields for level in report.named} if named else {})
        return MetricsAnswer(normalise.base(report.level, accepted, report.within, report.fields, mapping), names, refused)

    def _split(self, connection: Connection, report: Report, request: MetricsRequest, slot: CallSlot) -> MetricsAnswer:
        mapping = connection.mapping or RULES.default
        query = requests.split(report, request, mapping)
        _, accepted, refused = self._report(connection, report, query, [split_field(mapping)], request, slot)
        return MetricsAnswer(normalise.split(report.level, accepted, report.within, report.fields, mapping), names_table({}), refused)

    def _report(
        self,
        connection: Connection,
        report: Report,
        query: Query,
        values: Iterable[str],
        request: MetricsRequest,
        slot: CallSlot,
    ) -> tuple[pa.Table, pa.Table, pa.Table]:
        """The answer, its rows whose ``values`` can be read, and those that were refused."""
        answer = self._ask(connection, query, slot)
        days = request.since, request.until
        return answer, *shapes.accepted(report, answer, values, days, _about(connection.external_id))

    def _entities(self, connection: Connection, level: Level, ids: Sequence[str] | None, slot: CallSlot) -> EntitiesAnswer:
        """The entities of one level: those with these ids, or all."""
        every = ids is None or len(ids) > MOST_IDS
        answer = self._query(connection, requests.entities(level, None if every else ids), slot)
        rows, refused = normalise.entities(level, answer, connection.id, HIERARCHY[level].fields)
        wanted = pc.is_in(rows["external_id"], pa.array(ids)) if every and ids is not None else None
        return EntitiesAnswer(rows if wanted is None else rows.filter(wanted), refused)

    def _changed(self, connection: Connection, since: datetime, slot: CallSlot) -> dict[Level, list[str] | None]:
        """Ids of what changed by level; None where every entity of a level is read.

        That is every level if there were more changes than Google returns, and the campaigns if a budget changed: several campaigns
        may spend one budget, and reading all of them is one operation as well.
        """
        answer = self._query(connection, requests.changed(since, self._clock.now(), connection, MOST_CHANGES), slot)
        if answer.num_rows >= MOST_CHANGES:
            log.info("%s has more changes than Google returns at once; everything is read", _about(connection.external_id))
            return dict.fromkeys(HIERARCHY)
        ids = {level: _changed_ids(answer, kind.resource) for level, kind in HIERARCHY.items()}
        all_campaigns: dict[Level, list[str] | None] = {Level.CAMPAIGN: None} if _changed_ids(answer, BUDGET) else {}
        return {level: changed for level, changed in ids.items() if changed} | all_campaigns

    def _accessible(self, slot: CallSlot) -> list[str]:
        """Ids of the customers that the credential's user reaches directly; none for a user who has nothing to do with Google Ads."""
        about = "these credentials' accounts"

        def once() -> list[str]:
            service = self.service("CustomerService", None, about)
            with self._translated(about):
                answer = service.list_accessible_customers(timeout=self._endpoint.timeout)
            return [name.rpartition("/")[2] for name in answer.resource_names]

        try:
            return self._attempts.make(once, slot, about)
        except AuthExpired as error:
            if error.code == "NOT_ADS_USER":
                return []
            raise

    def _clients_of(self, customer: str, slot: CallSlot) -> list[AccountFacts]:
        """A customer itself and, of a manager, everything below it."""
        answer = self._rows_of(customer, customer, requests.CLIENTS.text, requests.CLIENTS.fields, slot)
        rows = [row for row in answer.to_pylist() if row["customer_client.id"]]
        if len(rows) < answer.num_rows:
            log.warning("%s customers below %s are left out of a list: they have no id", answer.num_rows - len(rows), _about(customer))
        return [normalise.account(row, "customer_client", None if str(row["customer_client.id"]) == customer else customer) for row in rows]

    def _query(self, connection: Connection, query: Query, slot: CallSlot) -> pa.Table:
        """The answer of a query that cannot be split."""
        try:
            return self._ask(connection, query, slot)
        except TooMuchData as error:
            raise error.for_no_smaller() from None

    def _ask(self, connection: Connection, query: Query, slot: CallSlot) -> pa.Table:
        return self._rows_of(connection.external_id, connection.login_customer_id, query.text, query.fields, slot)

    def _rows_of(self, customer: str, login: str | None, text: str, fields: Sequence[str], slot: CallSlot) -> pa.Table:
        """All rows of a query's stream, or an error: of a stream that breaks off nothing is kept."""
        about = _about(customer)
        return self._attempts.make(lambda: self._stream(customer, login, text, fields), slot, about)

    def _stream(self, customer: str, login: str | None, text: str, fields: Sequence[str]) -> pa.Table:
        about = _about(customer)
        service = self.service("GoogleAdsService", login, about)
        version = self._endpoint.version
        decoder, kind = columns(version, tuple(fields)), request_class(version)
        call = service.transport.grpc_channel.unary_stream(
            f"/google.ads.googleads.{version}.services.GoogleAdsService/SearchStream",
            request_serializer=kind.serialize,
            response_deserializer=decoder.deserialize,
        )
        tables = [decoder.schema.empty_table()]
        with self._translated(about):
            metadata = (("x-goog-request-params", f"customer_id={customer}"),)
            for message in call(kind(customer_id=customer, query=text), timeout=self._endpoint.timeout, metadata=metadata):
                tables.append(decoder.table(message))  # noqa: PERF401 - each message is let go before the next one comes
        return pa.concat_tables(tables)

    def service(self, name: str, login: str | None, about: str) -> Any:  # noqa: ANN401 - the SDK has no types
        """The SDK's service for a login customer, cached: its channel closes with the last reference to it."""
        with self._lock:
            self._authorise(about)
            if (name, login) not in self._services:
                sdk = GoogleAdsClient(
                    self._credentials,
                    endpoint=self._endpoint.address,
                    version=self._endpoint.version,
                    login_customer_id=login,
                    use_proto_plus=False,
                )
                try:
                    self._services[name, login] = sdk.get_service(name)
                except ValueError:
                    message = f"This adpulse does not know the Google Ads API {self._endpoint.version}. Set ADPULSE_GOOGLE_VERSION."
                    raise VersionSunset(message, "UNSUPPORTED_VERSION") from None
            return self._services[name, login]

    def _authorise(self, about: str) -> None:
        """Get an access token before the call: within a call a revoked credential looks like an outage."""
        if self._credentials.valid:
            return
        try:
            self._credentials.refresh(_with_timeout(Request()))
        except RefreshError as error:
            if error.retryable:
                raise Unavailable(f"Google's token endpoint failed to answer for {about}.", "token") from None
            raise from_failure(Failure(status="UNAUTHENTICATED", code="invalid_grant"), about) from None
        except (GoogleAuthError, OSError):
            raise Unavailable(f"Google's token endpoint does not answer for {about}.", "token") from None

    def _translated(self, about: str) -> "_Translation":
        return _Translation(about, failure_reader(self._endpoint.version))


class _Translation:
    """Turns whatever a call raises into our error. A class, because a generator would keep the SDK's exception in our traceback."""

    def __init__(self, about: str, read: Callable[[bytes], Any]) -> None:
        self._about, self._read = about, read

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if isinstance(error, (grpc.RpcError, GoogleAdsException, GoogleAPICallError)):
            raise from_failure(failure_of(error, self._read, error_reason), self._about) from None
        if isinstance(error, GoogleAuthError):
            raise Unavailable(f"Google's token endpoint does not answer for {self._about}.", "token") from None


def _with_timeout(request: Request) -> Callable[..., Any]:
    """google-auth waits two minutes by itself."""
    return lambda *arguments, **options: request(*arguments, **{"timeout": _TOKEN_SECONDS, **options})


def _changed_ids(rows: pa.Table, resource: str) -> list[str]:
    """Ids of the entities of one resource in rows of ``change_status``."""
    names = rows.filter(pc.equal(rows["change_status.resource_type"], resource.upper()))[f"change_status.{resource}"].to_pylist()
    return sorted({name.rpartition("/")[2].rpartition("~")[2] for name in names if name})


def _unreadable(customer: str, error: AdpulseError) -> AccountFacts:
    status = "closed or not enabled" if error.code == CLOSED else "not readable"
    return AccountFacts(external_id=customer, name=f"Customer {customer}", currency="", timezone="", enabled=False, status=status)


def _about(customer: str) -> str:
    return f"customer {customer}"
