"""A strict Google Ads API without its servers: versions, tokens, login customers, paging, streams, faults and the call log."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from adpulse_sandbox.basis import Basis, Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Request, Rule
from adpulse_sandbox.google import errors, field_service, fields, numbers, paging, versions, wire
from adpulse_sandbox.google.check import Plan, check
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.google.faults import error_of
from adpulse_sandbox.google.gaql import parse
from adpulse_sandbox.google.login import OAuthError
from adpulse_sandbox.google.oauth import TokenIssuer, revoked_token
from adpulse_sandbox.google.rows import Row, Rows
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import CAMPAIGN, Credential, Customer, GoogleWorld

PAGE_ROWS = 10_000
"""The number of rows in a page of Search and in a message of SearchStream."""

_FLAWS: Mapping[str | None, Callable[[], AdsError]] = {
    "test_only": errors.test_accounts_only,
    "api_disabled": errors.api_disabled,
    "scope_missing": errors.scope_missing,
}
"""What credentials are refused with that get an access token and yet cannot be used."""

_OVERSIZED_BYTES = 65 << 20  # above the 64 MB that the official SDK accepts in a message
_SUMMARY_ONLY, _WITH_SUMMARY = 4, 3
"""Values of ``SummaryRowSetting`` of a stream: only the summary, or the rows and then the summary."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call in progress, with the properties that the call log and the faults need.

    ``transport`` and ``path`` are what the call log shows: RPC and the name of the method, or the HTTP method and the path.
    """

    version: str
    service: str
    method: str
    metadata: Mapping[str, str]
    request_id: str
    transport: str
    path: str
    customer: str = ""
    params: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    offset: int = 0
    rows: int | None = None
    rule: Rule | None = None
    basis: Basis = Basis.DOCUMENTED


class Ads:
    """Answers calls from a world. Requests and answers are protobuf messages of the caller's API version."""

    def __init__(  # noqa: PLR0913 - parts that it shares with the rest of the sandbox
        self,
        world: GoogleWorld,
        truth: GoogleTruth,
        clock: SandboxClock,
        calls: CallLog,
        faults: Faults,
        gaps: Gaps,
        *,
        issuer: TokenIssuer,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        self.world, self.truth, self.clock, self.calls, self.faults, self.gaps = world, truth, clock, calls, faults, gaps
        self.issuer = issuer
        self._rows, self._page_rows = Rows(world, truth), page_rows
        self._lock, self._count = threading.Lock(), 0

    def begin(
        self, version: str, service: str, method: str, metadata: Mapping[str, str], *, transport: str = "RPC", path: str = ""
    ) -> Call:
        """Begin a call and give it a request id. ``end`` logs it."""
        with self._lock:
            self._count += 1
            request_id = f"sandbox-{self._count:08d}"
        kind = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method).strip("_")
        return Call(
            version=version,
            service=service,
            method=method,
            metadata=metadata,
            request_id=request_id,
            transport=transport,
            path=path or f"{version}/{service}/{method}",
            kind=kind,
        )

    def fail(self, call: Call, error: AdsError) -> None:
        """Note on what the refusal of a call rests, and count what the sandbox does not serve."""
        call.basis = error.basis
        if error.basis is Basis.UNSUPPORTED:
            self.gaps.add("google", call.kind, error.feature)

    def end(self, call: Call, status: int) -> None:
        """Log a call with its outcome: the number of a gRPC status, or an HTTP status."""
        self.calls.add(
            at=self.clock.now(),
            account=call.customer,
            kind=call.kind,
            method=call.transport,
            path=call.path,
            params=call.params,
            offset=call.offset,
            status=status,
            rows=call.rows,
            fault=call.rule.action if call.rule else None,
        )

    def handler(self, version: str, service: str, method: str) -> Callable[[Call, Any], Iterator[Any]]:
        """The function that answers a method, with one message or with those of a stream.

        Raises:
            AdsError: the sandbox does not serve this version or this method.
        """
        if version not in fields.versions() or version not in versions.served(self.clock.now()):
            raise errors.unsupported_version(version)
        served: Callable[[Call, Any], Iterator[Any]] | None = {
            ("GoogleAdsService", "Search"): self._search,
            ("GoogleAdsService", "SearchStream"): self._stream,
            ("CustomerService", "ListAccessibleCustomers"): self._list_accessible,
            ("GoogleAdsFieldService", "GetGoogleAdsField"): self._get_field,
            ("GoogleAdsFieldService", "SearchGoogleAdsFields"): self._search_fields,
        }.get((service, method))
        if served:
            return served
        if method.startswith(("Mutate", "Upload", "Create", "Apply", "Dismiss", "Add", "Remove", "Run", "Start", "Update")):
            raise errors.write_refused()
        raise errors.unsupported(f"the method {service}.{method}")

    def token(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Answer a request to the OAuth token endpoint with a status and a body."""
        request = Request(account="", kind="token", page=1, limit=0, days=0, platform="google", named_only=True)
        rule = self.faults.strike(request)
        try:
            status, body = 200, self._grant(form, rule)
        except OAuthError as error:
            status, body = error.status, {"error": error.error, "error_description": error.description}
        self.calls.add(
            at=self.clock.now(), account="", kind="token", method="POST", path="token", params={"grant_type": form.get("grant_type", "")},
            offset=None, status=status, rows=None, fault=rule.action if rule else None,
        )  # fmt: skip
        return status, body

    def _grant(self, form: Mapping[str, str], rule: Rule | None) -> Mapping[str, Any]:
        if rule and rule.action == "slow":
            time.sleep(rule.seconds)
        if rule and rule.action == "revoked_token":
            raise revoked_token()
        if rule and rule.action == "server_error":
            raise OAuthError(503, "backend_error", "Backend Error")
        return self.issuer.token(form)

    def _search(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        plan, customer, schema = self._prepare(call, request)
        if request.page_size:
            raise errors.request_error("PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported.")
        settings = request.search_settings
        _check_summary(plan, requested=settings.return_summary_row)
        if request.validate_only and request.page_token:
            raise errors.request_error("VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN", "page_token is set in the validate only request.")
        request_key = _request_key(customer, request.query)
        position = paging.position_of(request.page_token, request_key, self.clock.now())
        call.offset = position.offset
        self._apply_rule(call, plan, call.offset // self._page_rows + 1)
        if request.validate_only:
            yield wire.response(call.version, "Search")
            return
        answer = self._rows.cached_answer(plan, customer, position.first_requested_at)
        page = answer.rows[call.offset : call.offset + self._page_rows]
        response = wire.response(call.version, "Search")
        self._fill_rows(call, plan, schema, response, [] if settings.omit_results else page)
        if call.offset + self._page_rows < len(answer.rows) and not settings.omit_results:
            response.next_page_token = paging.PagePosition(call.offset + self._page_rows, position.first_requested_at).token(request_key)
        if settings.return_total_results_count:
            # Without the query's LIMIT: SearchSettings of v24, read 2026-11-29.
            response.total_results_count = answer.total
        if settings.return_summary_row:
            wire.filler(wire.row_fields(schema, plan.metrics))(response.summary_row, answer.summary)
        yield response

    def _stream(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        plan, customer, schema = self._prepare(call, request)
        summary = request.summary_row_setting
        _check_summary(plan, requested=summary in (_SUMMARY_ONLY, _WITH_SUMMARY))
        self._apply_rule(call, plan, 1)
        cut = bool(call.rule and call.rule.action == "drop_midway")
        for rows in [] if summary == _SUMMARY_ONLY else self._row_batches(plan, customer, cut=cut):
            response = wire.response(call.version, "SearchStream", request_id=call.request_id)
            self._fill_rows(call, plan, schema, response, rows)
            yield response
        if cut:
            raise AdsError("UNAVAILABLE", "", "", "Connection reset by peer")
        if summary in (_SUMMARY_ONLY, _WITH_SUMMARY):
            response = wire.response(call.version, "SearchStream", request_id=call.request_id)
            answer = self._rows.answer(plan, customer, self.clock.now())
            wire.filler(wire.row_fields(schema, plan.metrics))(response.summary_row, answer.summary)
            yield response

    def _row_batches(self, plan: Plan, customer: Customer, *, cut: bool) -> Iterator[list[Row]]:
        """The rows of each message of a stream. A stream that is cut ends after the first half of the rows."""
        rows = self._rows.stream(plan, customer, self.clock.now())
        if cut:
            all_rows = list(rows)
            rows = iter(all_rows[: (len(all_rows) + 1) // 2])
        batch = list(islice(rows, self._page_rows))
        yield batch  # a stream without rows has one message, with the field mask: recorded answers of the REST interface
        while batch := list(islice(rows, self._page_rows)):
            yield batch

    def _list_accessible(self, call: Call, _: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        credential = self._authenticate(call)
        self._apply_rule(call, None, 1)
        if not credential.customers:
            raise errors.unauthenticated("NOT_ADS_USER", "The Google account is not associated with a Google Ads account.")
        message_type = fields.message_class(call.version, "services.types.customer_service", "ListAccessibleCustomersResponse")
        yield message_type(resource_names=[f"customers/{customer_id}" for customer_id in credential.customers])

    def _get_field(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        self._authenticate(call)
        call.params["resource_name"] = request.resource_name
        self._apply_rule(call, None, 1)
        message = fields.message_class(call.version, "resources.types.google_ads_field", "GoogleAdsField")()
        own_fields = field_service.own_fields(call.version).values()
        wire.filler(own_fields)(message, field_service.get(fields.schema(call.version), request.resource_name))
        yield message

    def _search_fields(self, call: Call, request: Any) -> Iterator[Any]:  # noqa: ANN401 - a protobuf message
        self._authenticate(call)
        call.params["query"] = request.query
        size = request.page_size or self._page_rows
        if size > PAGE_ROWS:
            raise errors.request_error("INVALID_PAGE_SIZE", f"The page size must not be more than {PAGE_ROWS}.")
        position = paging.position_of(request.page_token, request.query, self.clock.now())
        call.offset = position.offset
        self._apply_rule(call, None, call.offset // size + 1)
        matches, total = field_service.search(fields.schema(call.version), request.query)
        name = "SearchGoogleAdsFieldsResponse"
        response = fields.message_class(call.version, "services.types.google_ads_field_service", name)(total_results_count=total)
        fill = wire.filler(field_service.own_fields(call.version).values())
        for row in matches[call.offset : call.offset + size]:
            fill(response.results.add(), row)
        if call.offset + size < len(matches):
            response.next_page_token = paging.PagePosition(call.offset + size, position.first_requested_at).token(request.query)
        call.rows = len(response.results)
        yield response

    def _prepare(self, call: Call, request: Any) -> tuple[Plan, Customer, fields.Schema]:  # noqa: ANN401 - a protobuf message
        """Authenticate the caller, find the customer, and check the query."""
        call.params["query"] = request.query
        credential = self._authenticate(call)
        customer = self._find_customer(call, credential, request.customer_id)
        schema = fields.schema(call.version)
        plan = check(parse(request.query), schema, self.clock.now(), customer.zone, manager=customer.spec.manager)
        call.basis = numbers.basis_of(plan)
        return plan, customer, schema

    def _authenticate(self, call: Call) -> Credential:
        credential = self.issuer.credential(call.metadata.get("authorization"))
        login = call.metadata.get("login-customer-id")
        if login is not None:
            call.params["login-customer-id"] = login
        refusal = _FLAWS.get(credential.flaw)
        if refusal:
            raise refusal()
        return credential

    def _find_customer(self, call: Call, credential: Credential, customer_id: str) -> Customer:
        """The customer, if the user has access to it, directly or through the login customer.

        A developer token is neither required nor read, because Google ended developer tokens on 2026-09-09.
        """
        if not (customer_id.isascii() and customer_id.isdigit()):
            raise errors.request_error("INVALID_CUSTOMER_ID", f"Invalid customer ID '{customer_id}'.")
        call.customer = customer_id
        login = call.metadata.get("login-customer-id", customer_id)
        if not (login.isascii() and login.isdigit()):
            raise AdsError(
                "INVALID_ARGUMENT", "header_error", "INVALID_LOGIN_CUSTOMER_ID", f"The login customer id '{login}' is not valid."
            )
        login_customer, customer = self.world.customers.get(login), self.world.customers.get(customer_id)
        if not login_customer or not customer or login not in self._login_customers(credential):
            raise errors.user_permission_denied()
        if customer not in [client for client, _ in self.world.clients(login_customer)]:
            raise errors.user_permission_denied()
        if customer.spec.status != "ENABLED" or login_customer.spec.status != "ENABLED":
            raise errors.customer_not_enabled()
        return customer

    def _login_customers(self, credential: Credential) -> set[str]:
        """The ids that can be a login customer: the user's direct customers and the managers below them."""
        direct = [self.world.customers[customer_id] for customer_id in credential.customers]
        return {client.id for customer in direct for client, _ in self.world.clients(customer) if client.spec.manager or client in direct}

    def _apply_rule(self, call: Call, plan: Plan | None, page: int) -> None:
        """Look up the fault rule of the call; wait if it says so, and raise its error if it has one."""
        length = (plan.days[1] - plan.days[0]).days + 1 if plan and plan.days else 0
        request = Request(
            account=call.customer,
            kind=call.kind,
            page=page,
            limit=self._page_rows,
            days=length,
            span=plan.days if plan else None,
            fields=len(plan.select) if plan else 0,
            has_campaign=plan.has_campaign if plan else None,
            count_campaigns=lambda: self._count_campaigns(call.customer, plan),
            platform="google",
            resource=plan.resource if plan else "",
        )
        call.rule = rule = self.faults.strike(request)
        if rule is None:
            return
        if rule.action == "slow":
            time.sleep(rule.seconds)
        if rule.action in ("currency_changed", "time_zone_changed", "customer_closed"):
            self._change_customer(call.customer, rule)
        error = error_of(rule)
        if error:
            raise error

    def _count_campaigns(self, customer_id: str, plan: Plan | None) -> int:
        """How many of the customer's campaigns a query's conditions leave in; none if it is no query of campaigns."""
        customer = self.world.customers.get(customer_id)
        return sum(plan.has_campaign(str(campaign.id)) for campaign in customer.of(CAMPAIGN)) if plan and customer else 0

    def _change_customer(self, customer_id: str, rule: Rule) -> None:
        """Change the customer permanently, as the fault says."""
        spec = self.world.customers[customer_id].spec
        changed = {
            "currency_changed": replace(spec, currency=rule.value or "CHF"),
            "time_zone_changed": replace(spec, timezone=rule.value or "Pacific/Auckland"),
            "customer_closed": replace(spec, status="CANCELED"),
        }
        self.world.change(customer_id, changed[rule.action])
        self.truth.forget()

    def _fill_rows(self, call: Call, plan: Plan, schema: fields.Schema, response: Any, rows: list[Row]) -> None:  # noqa: ANN401 - a protobuf message
        selected = [selected_field.name for selected_field in plan.select]
        fill = wire.filler(wire.row_fields(schema, dict.fromkeys([*plan.resource_names, *selected])))
        repeated = rows[:1] if call.rule and call.rule.action == "duplicate_row" else []
        for row in (*rows, *repeated):
            fill(response.results.add(), row)
        response.field_mask.paths.extend(selected)
        response.query_resource_consumption = 1 + len(rows)
        if call.rule and call.rule.action == "oversized":
            response.results.add().campaign.name = "x" * _OVERSIZED_BYTES
        call.rows = (call.rows or 0) + len(rows)


def _check_summary(plan: Plan, *, requested: bool) -> None:
    if requested and not plan.metrics:
        code = "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS"
        raise errors.request_error(code, "A summary row cannot be returned if the request did not select any metrics field.")


def _request_key(customer: Customer, query: str) -> str:
    return f"{customer.id} {query}"
