"""Reads Pinboard Ads: its client, what its answers mean, and what its errors are."""

import time
from random import Random

import pyarrow as pa
import requests

from adpulse.conversion_types import ConversionTypes
from adpulse.entities import ENTITY_SCHEMA, EntitiesAnswer
from adpulse.entity_names import MetricsAnswer, names_table
from adpulse.errors import AuthExpired, BadRequest, RateLimited, Unavailable
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import METRICS
from adpulse.model import NO_PAGES, AccountFacts, FetchKind
from adpulse.platforms.attempts import Attempts

CENT = 10_000
_POLLS = 10
_LEVELS = {"campaign": "campaign", "pin": "ad"}


class PinboardClient:
    def __init__(self, url, token, sleep=time.sleep):
        self._url, self._token, self._sleep = url, token, sleep
        self._attempts = Attempts(lambda seconds: self._sleep(seconds), Random(1))  # noqa: PLW0108 - tests put another sleep in its place

    @property
    def scope(self):
        return "pinboard"

    @property
    def full_access(self):
        return None

    @property
    def answered_by(self):
        return None

    def accounts(self, slot):
        return [account(each) for each in self._call("GET", "accounts", slot)["accounts"]]

    def facts(self, connection, slot):
        return next(each for each in self.accounts(slot) if each.external_id == connection.external_id)

    def entities(self, connection, fetch, slot):  # noqa: ARG002 - changed ones are not told apart
        told = self._call("GET", f"accounts/{connection.external_id}/entities", slot)["entities"]
        return EntitiesAnswer(entities(told, connection.id))

    def page_sizes(self, connection):  # noqa: ARG002 - answers come whole
        return NO_PAGES

    @property
    def reports(self):
        return None

    def conversion_types(self, connection, since, until, slot):  # noqa: ARG002 - Pinboard has no types
        return ConversionTypes(withheld=True)

    def metrics(self, connection, request, slot):
        level = "pin" if request.kind is FetchKind.ADS else "campaign"
        asked = {"level": level, "since": request.since.isoformat(), "until": request.until.isoformat()}
        report = self._call("POST", f"accounts/{connection.external_id}/reports", slot, asked)["report"]
        for _ in range(_POLLS):
            told = self._call("GET", f"reports/{report}", slot)
            if told["state"] == "ready":
                return MetricsAnswer(metrics(told["rows"], level, connection), names(told["rows"], level))
            self._sleep(1)
        raise Unavailable(f"Pinboard's report for {connection.name} did not get ready.", "report")

    def _call(self, method, path, slot, sent=None):
        return self._attempts.make(lambda: self._once(method, path, sent), slot, path)

    def _once(self, method, path, sent):
        try:
            answer = requests.request(
                method, f"{self._url}/{path}", json=sent, headers={"Authorization": f"Bearer {self._token}"}, timeout=30
            )
            told = answer.json()
        except (requests.RequestException, ValueError):
            raise Unavailable("Pinboard does not answer.", "malformed") from None
        if answer.ok:
            return told
        raise error(answer.status_code, told)


def error(status, told):
    """The one table from Pinboard's errors to ours."""
    code = told.get("error", f"http-{status}")
    if status == 401:
        return AuthExpired("Pinboard does not accept the token.", code)
    if code == "points_spent":
        return RateLimited("Pinboard's points are spent.", code, retry_after=told["wait_seconds"], scope="app")
    return Unavailable("Pinboard failed.", code) if status >= 500 else BadRequest("Pinboard refused the request.", code)


def account(told):
    return AccountFacts(
        external_id=told["id"],
        name=told["name"],
        currency=told["currency"],
        timezone=told["timezone"],
        enabled=told["open"],
        status="open" if told["open"] else "closed",
    )


def entities(told, connection_id):
    rows = [
        {
            "connection_id": connection_id,
            "level": _LEVELS[each["kind"]],
            "external_id": each["id"],
            "parent_id": each.get("campaign"),
            "name": each["name"],
            "status": each["state"],
            "objective": None,
            "attributes": "{}",
        }
        for each in told
    ]
    return pa.Table.from_pylist(rows, schema=ENTITY_SCHEMA)


TOLD = {
    "impressions": "`views`",
    "clicks": "`taps`",
    "spend": "`cents`",
    "conversions": "`orders`",
    "purchases": "`orders`",
    "revenue": "`order_cents`",
}


def metrics(told, level, connection):
    rows = [
        dict.fromkeys(METRICS, 0)
        | {
            "connection_id": connection.id,
            "level": _LEVELS[level],
            "external_id": each[level],
            "campaign_id": each["campaign"],
            "date": each["day"],
            "impressions": each["views"],
            "clicks": each["taps"],
            "spend": each["cents"] * CENT,
            "conversions": each["orders"] * 1_000_000,
            "purchases": each["orders"] * 1_000_000,
            "revenue": each["order_cents"] * CENT,
        }
        for each in told
    ]
    text = METRIC_SCHEMA.set(METRIC_SCHEMA.get_field_index("date"), pa.field("date", pa.string()))
    return with_profit(pa.Table.from_pylist(rows, schema=text).cast(METRIC_SCHEMA), connection.gross_margin)


def names(told, level):
    """Its reports tell no names, only who is below whom."""
    return names_table({(_LEVELS[level], each[level]): (each["campaign"] if level == "pin" else None, None) for each in told})
