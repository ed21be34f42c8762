"""A strict Google Ads API: versions, tokens, login customers, paging, streams, faults, the call log. Knows nothing of sockets."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import Any

from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Request, Rule
from adpulse_sandbox.google import errors, field_service, fields, paging, wire
from adpulse_sandbox.google.check import Plan, check
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.google.faults import error_of
from adpulse_sandbox.google.gaql import parse
from adpulse_sandbox.google.login import Refused
from adpulse_sandbox.google.oauth import Grants, revoked
from adpulse_sandbox.google.rows import Row, Rows
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import Credential, Customer, GoogleWorld

PAGE_ROWS = 10_000
"""Rows of a page of Search, and of a message of SearchStream."""

ENDS = {"v23": date(2027, 2, 1), "v24": date(2027, 5, 1), "v25": date(2027, 8, 1), "v26": date(2027, 11, 1)}
"""The earliest day on which a version may end. Source: the months of "Deprecation and sunset", read 2026-11-29."""

_STATUS_NUMBERS = {
    "OK": 0, "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "UNIMPLEMENTED": 12,
    "INTERNAL": 13, "UNAVAILABLE": 14, "UNAUTHENTICATED": 16,
}  # fmt: skip
_TOO_MUCH_BYTES = 65 << 20
_SUMMARY_ONLY, _WITH_SUMMARY = 4, 3
"""``SummaryRowSetting`` of a stream: only the summary, or the rows and then the summary."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One call on its way: what the log and the faults need to know."""

    version: str
    service: str
    method: str
    metadata: Mapping[str, str]
    request_id: str
    customer: str = ""
    params: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    offset: int = 0
    rows: int | None = None
    rule: Rule | None = None
    status: str = "UNKNOWN"


class Ads:
    """Answers calls from a world; requests and answers are protobuf messages of the caller's version."""

    def __init__(  # noqa: PLR0913 - what it shares with the rest of the sandbox
        self,
        world: GoogleWorld,
        truth: GoogleTruth,
        clock: SandboxClock,
        calls: CallLog,
        faults: Faults,
        *,
        grants: Grants,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        self.world, self.truth, self.clock, self.calls, self.faults = world, truth, clock, calls, faults
        self.grants = grants
        self._rows, self._page_rows = Rows(world, truth), page_rows
        self._lock, self._count = threading.Lock(), 0

    def begin(self, version: str, service: str, method: str, metadata: Mapping[str, str]) -> Call:
        """Take a call; ``end`` logs it."""
        with self._lock:
            self._count += 1
            request_id = f"sandbox-{self._count:08d}"
        kind = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method).strip("_")
        return Call(version=version, service=service, method=method, metadata=metadata, request_id=request_id, kind=kind)

    def end(self, call: Call) -> None:
        """Log a call with what became of it."""
        self.calls.add(
            at=self.clock.now(),
            account=call.customer,
            kind=call.kind,
            method="RPC",
            path=f"{call.version}/{call.service}/{call.method}",
            params=call.params,
            offset=call.offset,
            status=_STATUS_NUMBERS[call.status],
            rows=call.rows,
            fault=call.rule.action if call.rule else None,
        )

    def handler(self, version: str, service: str, method: str) -> Callable[[Call, Any], Iterator[Any]]:
        """What answers a method: one message, or several of a stream.

        Raises:
            AdsError: this version, or this method, is not served here.
        """
        end = ENDS.get(version)
        if version not in fields.versions() or (end is not None and self.clock.now().date() >= end):
            raise errors.unsupported_version(version)
        found: Callable[[Call, Any], Iterator[Any]] | None = {
            ("GoogleAdsService", "Search"): self._search,
            ("GoogleAdsService", "SearchStream"): self._stream,
            ("CustomerService", "ListAccessibleCustomers"): self._accessible,
            ("GoogleAdsFieldService", "GetGoogleAdsField"): self._field,
            ("GoogleAdsFieldService", "SearchGoogleAdsFields"): self._fields,
        }.get((service, method))
        if found:
            return found
        if method.startswith(("Mutate", "Upload", "Create", "Apply", "Dismiss", "Add", "Remove", "Run", "Start", "Update")):
            raise errors.write_refused()
        raise AdsError("UNIMPLEMENTED", "", "", f"The sandbox does not serve {service}.{method}.")

    def token(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Answer the OAuth token endpoint."""
        asked = Request(account="", kind="token", page=1, limit=0, days=0, platform="google", named_only=True)
        rule = self.faults.strike(asked)
        try:
            status, told = 200, self._granted(form, rule)
        except Refused as error:
            status, told = error.status, {"error": error.error, "error_description": error.description}
        self.calls.add(
            at=self.clock.now(), account="", kind="token", method="POST", path="token", params={"grant_type": form.get("grant_type", "")},
            offset=None, status=status, rows=None, fault=rule.action if rule else None,
        )  # fmt: skip
        return status, told

    def _granted(self, form: Mapping[str, str], rule: Rule | None) -> Mapping[str, Any]:
        if rule and rule.action == "slow":
            time.sleep(rule.seconds)
        if rule and rule.action == "revoked_token":
            raise revoked()
        if rule and rule.action == "server_error":
            raise Refused(503, "backend_error", "Backend Error")
        return self.grants.token(form)

    def _search(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        plan, customer, schema = self._planned(call, request)
        if request.page_size:
            raise errors.request_error("PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported.")
        settings = request.search_settings
        _check_summary(plan, asked=settings.return_summary_row)
        if request.validate_only and request.page_token:
            raise errors.request_error("VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN", "page_token is set in the validate only request.")
        bound = _bound(customer, request.query)
        place = paging.place(request.page_token, bound, self.clock.now())
        call.offset = place.offset
        self._strike(call, plan, call.offset // self._page_rows + 1)
        if request.validate_only:
            yield wire.response(call.version, "Search")
            return
        answer = self._rows.kept(plan, customer, place.asked_at)
        page = answer.rows[call.offset : call.offset + self._page_rows]
        told = wire.response(call.version, "Search")
        self._fill(call, plan, schema, told, [] if settings.omit_results else page)
        if call.offset + self._page_rows < len(answer.rows) and not settings.omit_results:
            told.next_page_token = paging.Place(call.offset + self._page_rows, place.asked_at).token(bound)
        if settings.return_total_results_count:
            told.total_results_count = len(answer.rows)
        if settings.return_summary_row:
            wire.filler(wire.row_fields(schema, plan.metrics))(told.summary_row, answer.summary)
        yield told

    def _stream(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        plan, customer, schema = self._planned(call, request)
        summary = request.summary_row_setting
        _check_summary(plan, asked=summary in (_SUMMARY_ONLY, _WITH_SUMMARY))
        self._strike(call, plan, 1)
        cut = bool(call.rule and call.rule.action == "drop_midway")
        for rows in [] if summary == _SUMMARY_ONLY else self._messages(plan, customer, cut=cut):
            told = wire.response(call.version, "SearchStream", request_id=call.request_id)
            self._fill(call, plan, schema, told, rows)
            yield told
        if cut:
            raise AdsError("UNAVAILABLE", "", "", "Connection reset by peer")
        if summary in (_SUMMARY_ONLY, _WITH_SUMMARY):
            told = wire.response(call.version, "SearchStream", request_id=call.request_id)
            answer = self._rows.answer(plan, customer, self.clock.now())
            wire.filler(wire.row_fields(schema, plan.metrics))(told.summary_row, answer.summary)
            yield told

    def _messages(self, plan: Plan, customer: Customer, *, cut: bool) -> Iterator[list[Row]]:
        """The rows message by message; a stream that is cut ends after the first half of them."""
        rows = self._rows.one_by_one(plan, customer, self.clock.now())
        if cut:
            whole = list(rows)
            rows = iter(whole[: (len(whole) + 1) // 2])
        while message := list(islice(rows, self._page_rows)):
            yield message

    def _accessible(self, call: Call, _: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        credential = self._authenticated(call)
        self._strike(call, None, 1)
        if not credential.customers:
            raise errors.unauthenticated("NOT_ADS_USER", "The Google account is not associated with a Google Ads account.")
        kind = fields.message_class(call.version, "services.types.customer_service", "ListAccessibleCustomersResponse")
        yield kind(resource_names=[f"customers/{each}" for each in credential.customers])

    def _field(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        self._authenticated(call)
        call.params["resource_name"] = request.resource_name
        self._strike(call, None, 1)
        told = fields.message_class(call.version, "resources.types.google_ads_field", "GoogleAdsField")()
        own = field_service.own_fields(call.version).values()
        wire.filler(own)(told, field_service.get(fields.schema(call.version), request.resource_name))
        yield told

    def _fields(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        self._authenticated(call)
        call.params["query"] = request.query
        size = request.page_size or self._page_rows
        if size > PAGE_ROWS:
            raise errors.request_error("INVALID_PAGE_SIZE", f"The page size must not be more than {PAGE_ROWS}.")
        place = paging.place(request.page_token, request.query, self.clock.now())
        call.offset = place.offset
        self._strike(call, None, call.offset // size + 1)
        found = field_service.search(fields.schema(call.version), request.query)
        name = "SearchGoogleAdsFieldsResponse"
        told = fields.message_class(call.version, "services.types.google_ads_field_service", name)(total_results_count=len(found))
        fill = wire.filler(field_service.own_fields(call.version).values())
        for row in found[call.offset : call.offset + size]:
            fill(told.results.add(), row)
        if call.offset + size < len(found):
            told.next_page_token = paging.Place(call.offset + size, place.asked_at).token(request.query)
        call.rows = len(told.results)
        yield told

    def _planned(self, call: Call, request: Any) -> tuple[Plan, Customer, fields.Schema]:  # noqa: ANN401 - a protobuf message
        """Everything that comes before the numbers: who asks, about which customer, and whether the query can be answered."""
        call.params["query"] = request.query
        credential = self._authenticated(call)
        customer = self._reached(call, credential, request.customer_id)
        schema = fields.schema(call.version)
        return check(parse(request.query), schema, self.clock.now(), customer.zone, manager=customer.spec.manager), customer, schema

    def _authenticated(self, call: Call) -> Credential:
        credential = self.grants.credential(call.metadata.get("authorization"))
        login = call.metadata.get("login-customer-id")
        if login is not None:
            call.params["login-customer-id"] = login
        if credential.flaw == "test_only":
            code = "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"
            raise errors.denied(code, "The Google Cloud project is only approved for use with test accounts.")
        return credential

    def _reached(self, call: Call, credential: Credential, customer_id: str) -> Customer:
        """The customer, if this user reaches it, directly or through the login customer.

        A developer token is neither needed nor looked at: they ended on 2026-09-09.
        """
        if not (customer_id.isascii() and customer_id.isdigit()):
            raise errors.request_error("INVALID_CUSTOMER_ID", f"Invalid customer ID '{customer_id}'.")
        call.customer = customer_id
        login = call.metadata.get("login-customer-id", customer_id)
        if not (login.isascii() and login.isdigit()):
            raise AdsError(
                "INVALID_ARGUMENT", "header_error", "INVALID_LOGIN_CUSTOMER_ID", f"The login customer id '{login}' is not valid."
            )
        above, customer = self.world.customers.get(login), self.world.customers.get(customer_id)
        if not above or not customer or login not in self._reachable(credential):
            raise errors.user_permission_denied()
        if customer not in [client for client, _ in self.world.clients(above)]:
            raise errors.user_permission_denied()
        if customer.spec.status != "ENABLED" or above.spec.status != "ENABLED":
            raise errors.customer_not_enabled()
        return customer

    def _reachable(self, credential: Credential) -> set[str]:
        """What can be a login customer: what the user reaches directly, and every manager or client below it."""
        direct = [self.world.customers[each] for each in credential.customers]
        return {client.id for customer in direct for client, _ in self.world.clients(customer) if client.spec.manager or client in direct}

    def _strike(self, call: Call, plan: Plan | None, page: int) -> None:
        """Let the script spoil the call; faults that are errors are raised here."""
        length = (plan.days[1] - plan.days[0]).days + 1 if plan and plan.days else 0
        asked = Request(
            account=call.customer,
            kind=call.kind,
            page=page,
            limit=self._page_rows,
            days=length,
            platform="google",
            resource=plan.resource if plan else "",
        )
        call.rule = rule = self.faults.strike(asked)
        if rule is None:
            return
        if rule.action == "slow":
            time.sleep(rule.seconds)
        if rule.action in ("currency_changed", "time_zone_changed", "customer_closed"):
            self._change(call.customer, rule)
        error = error_of(rule)
        if error:
            raise error

    def _change(self, customer_id: str, rule: Rule) -> None:
        """Change the customer itself for good."""
        spec = self.world.customers[customer_id].spec
        changed = {
            "currency_changed": replace(spec, currency=rule.value or "CHF"),
            "time_zone_changed": replace(spec, timezone=rule.value or "Pacific/Auckland"),
            "customer_closed": replace(spec, status="CANCELED"),
        }
        self.world.change(customer_id, changed[rule.action])
        self.truth.forget()

    def _fill(self, call: Call, plan: Plan, schema: fields.Schema, told: Any, rows: list[Row]) -> None:  # noqa: ANN401 - a protobuf message
        names = [f"{resource}.resource_name" for resource in plan.named]
        selected = [each.name for each in plan.select]
        fill = wire.filler(wire.row_fields(schema, dict.fromkeys([*names, *selected])))
        repeated = rows[:1] if call.rule and call.rule.action == "duplicate_row" else []
        for row in (*rows, *repeated):
            fill(told.results.add(), row)
        told.field_mask.paths.extend(selected)
        told.query_resource_consumption = 1 + len(rows)
        if call.rule and call.rule.action == "oversized":
            told.results.add().campaign.name = "x" * _TOO_MUCH_BYTES
        call.rows = (call.rows or 0) + len(rows)


def _check_summary(plan: Plan, *, asked: bool) -> None:
    if asked and not plan.metrics:
        code = "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS"
        raise errors.request_error(code, "A summary row cannot be returned if the request did not select any metrics field.")


def _bound(customer: Customer, query: str) -> str:
    return f"{customer.id} {query}"
